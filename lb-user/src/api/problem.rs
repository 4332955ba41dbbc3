//! Errors of the API: `application/problem+json` (RFC 9457).

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;

/// The media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where each name is explained.
const PAGE: &str = "https://github.com/lvx/lvx/blob/main/docs/api.md#";

/// Why a request was not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URL that ends in the problem's name: `...#no_such_service`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here.
    pub detail: String,
    /// What to do.
    pub advice: String,
    /// What the director said, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Box<Refusal>>,
}

impl Problem {
    /// A request that is refused before the director is asked.
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            kind: format!("{PAGE}{name}"),
            title: name.replace('_', " "),
            status: status.as_u16(),
            detail: detail.into(),
            advice: advice.into(),
            refusal: None,
        }
    }

    /// A request whose parts do not fit together.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        let advice = "GET /v1/openapi.json says what is expected";
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail, advice)
    }

    /// The daemon ends.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "lvx is stopping", "ask again when it runs")
    }

    /// The status.
    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let (status, name, advice) = match refusal {
            Refusal::ServiceExists => (
                StatusCode::CONFLICT,
                "service_exists",
                "PUT changes a service that there is; GET /v1/services lists them",
            ),
            Refusal::NoSuchService => {
                (StatusCode::NOT_FOUND, "no_such_service", "POST /v1/services adds one; GET /v1/services lists them")
            }
            Refusal::ServiceNotDefined => {
                (StatusCode::NOT_FOUND, "service_not_defined", "add the service first, by POST /v1/services")
            }
            Refusal::ServerExists => (StatusCode::CONFLICT, "server_exists", "PUT changes a real server that there is"),
            Refusal::NoSuchServer => {
                (StatusCode::NOT_FOUND, "no_such_server", "POST adds one; GET of the service lists its real servers")
            }
            Refusal::OutOfRange => {
                (StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", "lower_threshold must not be above upper_threshold")
            }
            Refusal::Weight => (StatusCode::UNPROCESSABLE_ENTITY, "weight", "a weight is 0 to the sysctl weight_limit"),
            Refusal::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "a mark is not 0; a real server has a unicast address of its service's family",
            ),
            Refusal::Full(_) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "full",
                "enlarge the table in [sizes] of the config file, and restart lvx",
            ),
            Refusal::Config(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "config",
                "mend the file; the refusal has every mistake with its line",
            ),
            Refusal::Other(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused", "the detail says why"),
        };
        Self { refusal: Some(Box::new(refusal.clone())), ..Self::new(status, name, refusal.to_string(), advice) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_comes_out_of_its_problem_as_it_went_in() {
        for refusal in [
            Refusal::NoSuchService,
            Refusal::Weight,
            Refusal::Full("too many".into()),
            Refusal::Config(Vec::new()),
            Refusal::Other("no".into()),
        ] {
            let problem = Problem::from(&refusal);
            let json = serde_json::to_string(&problem).expect("JSON");
            let back: Problem = serde_json::from_str(&json).expect("the same");
            assert_eq!((back.refusal, back.detail), (Some(Box::new(refusal.clone())), refusal.to_string()));
        }
        let problem = Problem::from(&Refusal::NoSuchService);
        assert_eq!((problem.status, problem.title.as_str()), (404, "no such service"));
        assert!(problem.kind.ends_with("/docs/api.md#no_such_service"), "{}", problem.kind);
    }
}

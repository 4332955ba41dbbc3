//! What comes back over HTTP: the director's answers there ([`encode`], for the server) and back ([`decode`], for the client).

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::route::Route;
use super::{ConnectionEntry, DrainEntry, Generation, Refusal, Report, Response, ServiceEntry, SysctlEntry};

/// All services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceList {
    /// The services.
    pub services: Vec<ServiceEntry>,
    /// How many connections the table was made for.
    pub connection_table_size: u32,
}

/// The connection table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionList {
    /// In no order.
    pub connections: Vec<ConnectionEntry>,
}

/// A part of the connection table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionListPart {
    /// In no order.
    pub connections: Vec<ConnectionEntry>,
    /// Where the next part begins; null is the end.
    pub next: Option<u32>,
}

/// All sysctls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SysctlList {
    /// In the order of the documentation.
    pub sysctls: Vec<SysctlEntry>,
}

/// All drains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrainList {
    /// The oldest first.
    pub drains: Vec<DrainEntry>,
}

/// The running state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Exported {
    /// A config file that says it, TOML.
    pub text: String,
}

/// What was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// What has changed.
    pub report: Box<Report>,
    /// The number of the generation that runs now.
    pub generation: u64,
}

/// The config files that were applied last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationList {
    /// The oldest first; the last one runs.
    pub generations: Vec<Generation>,
}

/// An answer of the director over HTTP; no body is an empty one.
///
/// # Errors
/// It refused, or (a fault of LVX) its answer cannot be written as JSON or does not fit the route.
pub fn encode(route: Route, response: Response) -> Result<Option<Vec<u8>>, Problem> {
    let json = match response {
        Response::Done => return Ok(None),
        Response::Refused { refusal } => return Err(Problem::from(&refusal)),
        Response::Services { mut services, .. } if route == Route::Service => match services.pop() {
            Some(service) => serde_json::to_vec(&service),
            None => return Err(Problem::from(&Refusal::NoSuchService)),
        },
        Response::Services { services, connection_table_size } => {
            serde_json::to_vec(&ServiceList { services, connection_table_size })
        }
        Response::Connections { connections } => serde_json::to_vec(&ConnectionList { connections }),
        Response::ConnectionPart { connections, next } => serde_json::to_vec(&ConnectionListPart { connections, next }),
        Response::Timeouts { timeouts } => serde_json::to_vec(&timeouts),
        Response::Sysctls { sysctls } => serde_json::to_vec(&SysctlList { sysctls }),
        Response::Status { status } => serde_json::to_vec(&status),
        Response::Planned { report } => serde_json::to_vec(&report),
        Response::Applied { report, generation } => serde_json::to_vec(&Applied { report, generation }),
        Response::Exported { text } => serde_json::to_vec(&Exported { text }),
        Response::Generations { generations } => serde_json::to_vec(&GenerationList { generations }),
        Response::Drains { drains } => serde_json::to_vec(&DrainList { drains }),
    };
    json.map(Some).map_err(|error| {
        let advice = "this is a fault of LVX; please report it";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string(), advice)
    })
}

/// What the director answered, out of what came over HTTP. A refusal is an answer; what the server refused before the
/// director saw it is [`Refusal::Other`].
///
/// # Errors
/// The body is not what the route gives.
pub fn decode(route: Route, status: StatusCode, body: &[u8]) -> serde_json::Result<Response> {
    if !status.is_success() {
        let problem: Problem = serde_json::from_slice(body)?;
        let refusal = problem.refusal.map_or(Refusal::Other(problem.detail), |refusal| *refusal);
        return Ok(Response::Refused { refusal });
    }
    Ok(match route {
        Route::Services => {
            let ServiceList { services, connection_table_size } = serde_json::from_slice(body)?;
            Response::Services { services, connection_table_size }
        }
        Route::Service => {
            Response::Services { services: vec![serde_json::from_slice(body)?], connection_table_size: 0 }
        }
        Route::Connections => {
            let ConnectionList { connections } = serde_json::from_slice(body)?;
            Response::Connections { connections }
        }
        Route::ConnectionPart => {
            let ConnectionListPart { connections, next } = serde_json::from_slice(body)?;
            Response::ConnectionPart { connections, next }
        }
        Route::Timeouts => Response::Timeouts { timeouts: serde_json::from_slice(body)? },
        Route::Sysctls => {
            let SysctlList { sysctls } = serde_json::from_slice(body)?;
            Response::Sysctls { sysctls }
        }
        Route::Status => Response::Status { status: Box::new(serde_json::from_slice(body)?) },
        Route::Plan => Response::Planned { report: serde_json::from_slice(body)? },
        Route::Apply | Route::Reload | Route::Rollback => {
            let Applied { report, generation } = serde_json::from_slice(body)?;
            Response::Applied { report, generation }
        }
        Route::Export => {
            let Exported { text } = serde_json::from_slice(body)?;
            Response::Exported { text }
        }
        Route::Generations => {
            let GenerationList { generations } = serde_json::from_slice(body)?;
            Response::Generations { generations }
        }
        Route::Drains => {
            let DrainList { drains } = serde_json::from_slice(body)?;
            Response::Drains { drains }
        }
        Route::AddService
        | Route::Flush
        | Route::EditService
        | Route::DeleteService
        | Route::ZeroService
        | Route::AddServer
        | Route::EditServer
        | Route::DeleteServer
        | Route::OrderServers
        | Route::Drain
        | Route::Undrain
        | Route::Zero
        | Route::SetTimeouts
        | Route::SetSysctls
        | Route::Watch
        | Route::Metrics
        | Route::OpenApi => Response::Done,
    })
}

impl Route {
    /// The status of what went well.
    pub fn success(self) -> StatusCode {
        match self {
            Self::AddService | Self::AddServer => StatusCode::CREATED,
            Self::Flush
            | Self::EditService
            | Self::DeleteService
            | Self::ZeroService
            | Self::EditServer
            | Self::DeleteServer
            | Self::OrderServers
            | Self::Drain
            | Self::Undrain
            | Self::Zero
            | Self::SetTimeouts
            | Self::SetSysctls => StatusCode::NO_CONTENT,
            Self::Status
            | Self::Services
            | Self::Service
            | Self::Connections
            | Self::ConnectionPart
            | Self::Timeouts
            | Self::Sysctls
            | Self::Drains
            | Self::Export
            | Self::Plan
            | Self::Apply
            | Self::Reload
            | Self::Generations
            | Self::Rollback
            | Self::Watch
            | Self::Metrics
            | Self::OpenApi => StatusCode::OK,
        }
    }
}

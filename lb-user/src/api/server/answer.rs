//! From an HTTP request to an HTTP response.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Method, Request as HttpRequest, Response as HttpResponse, StatusCode};
use tokio::sync::oneshot;

use super::access::Access;
use super::places::Busy;
use super::{Director, stream};
use crate::api::call::{self, Task};
use crate::api::problem::{self, Problem};
use crate::api::route::{self, Found, Route};
use crate::api::{Request, Response, openapi, reply};
use crate::metrics::{self, Detail};

/// What is sent: as it is made, if that takes long.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

impl Director {
    /// Asks the director.
    pub(super) async fn ask(&self, request: Request) -> Result<Response, Problem> {
        let (back, answer) = oneshot::channel();
        self.calls.send((request, back)).await.map_err(|_stopping| Problem::stopping())?;
        answer.await.map_err(|_stopping| Problem::stopping())
    }
}

/// Answers a request; `busy` lasts until the answer is complete.
pub(super) async fn answer(
    request: HttpRequest<Incoming>,
    access: &Access,
    director: &Arc<Director>,
    busy: Busy,
) -> HttpResponse<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (route, parameters) = match route::find(&method, &path) {
        Found::Route(route, parameters) => (route, parameters),
        Found::Methods(methods) => return refused(access, &request, &methods),
        Found::Nothing => {
            let advice = "GET /v1/openapi.json lists what there is";
            return failure(&Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {path}"), advice));
        }
    };
    if let Err(problem) = access.check(route, request.headers()) {
        return failure(&problem);
    }
    let detail = Detail::of_query(request.uri().query());
    let task =
        match body(route, request, director.limits.body).await.and_then(|body| call::decode(route, &parameters, &body))
        {
            Ok(task) => task,
            Err(problem) => return failure(&problem),
        };
    match task {
        Task::Ask(request) => {
            let location = location(&request);
            match director.ask(request).await.and_then(|response| reply::encode(route, response)) {
                Ok(body) => success(route, body, location),
                Err(problem) => failure(&problem),
            }
        }
        Task::Connections => streamed("application/json", stream::connections(Arc::clone(director), busy)),
        Task::Watch => streamed("text/event-stream", stream::events(director.events.watch(), busy)),
        Task::Metrics => match metrics(director, detail).await {
            Ok(page) => page,
            Err(problem) => failure(&problem),
        },
        Task::OpenApi => match openapi::document().to_json() {
            Ok(document) => success(route, Some(document.into_bytes()), None),
            Err(error) => failure(&Problem::bad_request(error.to_string())),
        },
    }
}

async fn metrics(director: &Director, detail: Detail) -> Result<HttpResponse<Body>, Problem> {
    let response = director.ask(Request::Status).await?;
    let Response::Status { status } = response else {
        let advice = "this is a fault of LVX; please report it";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("{response:?}"), advice));
    };
    let mut response = whole(StatusCode::OK, metrics::render_in(detail, &status, &status.services).into_bytes());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    Ok(response)
}

/// A path that has other methods; that, too, is only for those who may ask.
fn refused(access: &Access, request: &HttpRequest<Incoming>, methods: &[Method]) -> HttpResponse<Body> {
    if let Err(problem) = access.check(Route::OpenApi, request.headers()) {
        return failure(&problem);
    }
    let names = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let detail = format!("{} is not for {}", request.method(), request.uri().path());
    let advice = format!("its methods are {names}");
    let mut response = failure(&Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail, advice));
    response.headers_mut().extend(HeaderValue::from_str(&names).ok().map(|names| (ALLOW, names)));
    response
}

/// The body of a request, if it is one that the route takes.
async fn body(route: Route, request: HttpRequest<Incoming>, time: Duration) -> Result<Bytes, Problem> {
    let media = request.headers().get(CONTENT_TYPE).cloned();
    let limit = route.longest_body();
    let collected = tokio::time::timeout(time, Limited::new(request.into_body(), limit).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {limit} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail, "make one change a request"));
        }
        Ok(Err(error)) => return Err(Problem::bad_request(format!("the body did not come: {error}"))),
        Err(_elapsed) => {
            let detail = format!("the body did not come within {time:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail, "send it at once"));
        }
    };
    if body.is_empty() || media.is_none_or(|media| is_json(&media)) {
        return Ok(body);
    }
    let advice = "send JSON, with `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", "the body is not said to be JSON", advice))
}

fn is_json(media: &HeaderValue) -> bool {
    let essence = media.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Where the service is that a request makes.
fn location(request: &Request) -> Option<HeaderValue> {
    let Request::AddService { service } = request else { return None };
    let question = Request::List { id: Some(service.id) };
    HeaderValue::from_str(&call::encode(&question).ok()?.path()).ok()
}

fn success(route: Route, body: Option<Vec<u8>>, location: Option<HeaderValue>) -> HttpResponse<Body> {
    let json = body.is_some().then_some(HeaderValue::from_static("application/json"));
    let mut response = whole(route.success(), body.unwrap_or_default());
    response.headers_mut().extend(json.map(|json| (CONTENT_TYPE, json)));
    response.headers_mut().extend(location.map(|location| (LOCATION, location)));
    response
}

fn failure(problem: &Problem) -> HttpResponse<Body> {
    let status = problem.code();
    let mut response = whole(status, serde_json::to_vec(problem).unwrap_or_default());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn whole(status: StatusCode, body: Vec<u8>) -> HttpResponse<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    response
}

fn streamed(media: &'static str, body: Body) -> HttpResponse<Body> {
    let mut response = HttpResponse::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

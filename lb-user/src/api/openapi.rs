//! The API as an OpenAPI 3.1 document, made of the table of routes and the types that go over it.

use std::borrow::Cow;

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, OpenApi as Document, PathItem, Paths, Ref, RefOr, Required, Response, ResponseBuilder,
};
use utoipa::{OpenApi, PartialSchema, ToSchema};

use super::call::{Back, ConfigFile, NewDrain, NewTimeouts, ServerOrder};
use super::event::Event;
use super::problem::{self, Problem};
use super::reply::{
    Applied, ConnectionList, ConnectionListPart, DrainList, Exported, GenerationList, ServiceList, SysctlList,
};
use super::route::Route;
use super::{Report, ServiceEntry, Status};
use crate::metrics;
use crate::model::{Netmask, RealServer, Service, Timeouts, Which};

/// The types that go over HTTP; those that are in them come with them.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "LVX",
        description = "The director's services, real servers, connections and settings. \
            A refused request changes nothing, and is answered by a problem (RFC 9457)."
    ),
    components(schemas(
        Status,
        ServiceList,
        ServiceEntry,
        Service,
        RealServer,
        ConnectionList,
        ConnectionListPart,
        Timeouts,
        NewTimeouts,
        SysctlList,
        ServerOrder,
        NewDrain,
        Which,
        DrainList,
        ConfigFile,
        Report,
        Applied,
        Exported,
        GenerationList,
        Back,
        Event,
        Problem
    ))
)]
struct Types;

/// Values of sysctls by name.
const SYSCTL_VALUES: &str = "SysctlValues";

/// What may be left out where the path says it: (of which type, the type without, the keys).
const CHANGES: [(&str, &str, &[&str]); 2] =
    [("Service", "ServiceChange", &["id"]), ("RealServer", "RealServerChange", &["address"])];

/// The document.
pub fn document() -> Document {
    let mut document = Types::openapi();
    document.paths = Paths::new();
    for route in Route::ALL {
        let item = PathItem::new(method(*route), operation(*route));
        match document.paths.paths.get_mut(route.path()) {
            Some(other) => other.merge_operations(item),
            None => {
                document.paths.paths.insert(route.path().to_owned(), item);
            }
        }
    }
    let components = document.components.get_or_insert_default();
    for (of, without, keys) in CHANGES {
        if let Some(RefOr::T(Schema::Object(mut object))) = components.schemas.get(of).cloned() {
            object.required.retain(|key| !keys.contains(&key.as_str()));
            components.schemas.insert(without.to_owned(), RefOr::T(Schema::Object(object)));
        }
    }
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let values = ObjectBuilder::new().description(Some("Values by name")).additional_properties(Some(number));
    components.schemas.insert(SYSCTL_VALUES.to_owned(), values.into());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(bearer));
    components
        .security_schemes
        .insert("certificate".to_owned(), SecurityScheme::MutualTls { description: None, extensions: None });
    // Nothing of it is asked on the unix socket.
    let no_scopes: [&str; 0] = [];
    document.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("token", no_scopes),
        SecurityRequirement::new("certificate", no_scopes),
    ]);
    document
}

impl PartialSchema for Netmask {
    fn schema() -> RefOr<Schema> {
        let v4 = ObjectBuilder::new().schema_type(Type::String).description(Some("IPv4: `255.255.255.0`"));
        let v6 = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(128));
        OneOfBuilder::new().item(v4).item(v6.description(Some("IPv6: the number of leading bits"))).into()
    }
}

impl ToSchema for Netmask {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Netmask")
    }
}

fn method(route: Route) -> HttpMethod {
    match route.method().as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: Route) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.name()))
        .summary(Some(route.summary()))
        .response(route.success().as_str(), success(route))
        .response("default", response("Refused; nothing was changed", problem::MEDIA_TYPE, "Problem"));
    for name in route.parameter_names() {
        let (what, kind) = parameter(name);
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(what))
            .schema(Some(ObjectBuilder::new().schema_type(kind)));
        operation = operation.parameter(parameter);
    }
    operation.request_body(body(route)).build()
}

/// What a parameter of a path is.
fn parameter(name: &str) -> (&'static str, Type) {
    match name {
        "kind" => ("`tcp`, `udp`, `mark`, or `mark6` for a mark of IPv6 packets", Type::String),
        "name" => (
            "`172.16.100.1:80`, `[2001:db8::1]:80` (brackets as `%5B`, `%5D`), or the number of the mark",
            Type::String,
        ),
        "server" => ("address and port of the real server, as `name`", Type::String),
        _ => ("0, or the `next` of the part before", Type::Integer),
    }
}

fn body(route: Route) -> Option<RequestBody> {
    let schema = body_schema(route)?;
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    Some(RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build())
}

/// The schema of the body that a route takes.
fn body_schema(route: Route) -> Option<&'static str> {
    match route {
        Route::AddService => Some("Service"),
        Route::EditService => Some("ServiceChange"),
        Route::AddServer => Some("RealServer"),
        Route::EditServer => Some("RealServerChange"),
        Route::SetTimeouts => Some("NewTimeouts"),
        Route::SetSysctls => Some(SYSCTL_VALUES),
        Route::OrderServers => Some("ServerOrder"),
        Route::Drain => Some("NewDrain"),
        Route::Undrain => Some("Which"),
        Route::Plan | Route::Apply => Some("ConfigFile"),
        Route::Rollback => Some("Back"),
        Route::Status
        | Route::Services
        | Route::Flush
        | Route::Service
        | Route::DeleteService
        | Route::ZeroService
        | Route::DeleteServer
        | Route::Zero
        | Route::Connections
        | Route::ConnectionPart
        | Route::Timeouts
        | Route::Sysctls
        | Route::Drains
        | Route::Export
        | Route::Reload
        | Route::Generations
        | Route::Watch
        | Route::Metrics
        | Route::OpenApi => None,
    }
}

/// The schema of what a route gives.
fn answer_schema(route: Route) -> Option<&'static str> {
    match route {
        Route::Status => Some("Status"),
        Route::Services => Some("ServiceList"),
        Route::Service => Some("ServiceEntry"),
        Route::Connections => Some("ConnectionList"),
        Route::ConnectionPart => Some("ConnectionListPart"),
        Route::Timeouts => Some("Timeouts"),
        Route::Sysctls => Some("SysctlList"),
        Route::Drains => Some("DrainList"),
        Route::Export => Some("Exported"),
        Route::Plan => Some("Report"),
        Route::Apply | Route::Reload | Route::Rollback => Some("Applied"),
        Route::Generations => Some("GenerationList"),
        Route::Watch => Some("Event"),
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
        | Route::Metrics
        | Route::OpenApi => None,
    }
}

fn success(route: Route) -> Response {
    match answer_schema(route) {
        Some(schema) if route == Route::Watch => {
            response("Events without end; `data` of each is one of these", "text/event-stream", schema)
        }
        Some(schema) => response("What was asked for", "application/json", schema),
        None if route == Route::Metrics => {
            let text = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
            ResponseBuilder::new().description("Prometheus' text format").content(metrics::CONTENT_TYPE, text).build()
        }
        None if route == Route::OpenApi => {
            let any = ContentBuilder::new().schema(Some(ObjectBuilder::new())).build();
            ResponseBuilder::new().description("This document").content("application/json", any).build()
        }
        None => ResponseBuilder::new().description("Done").build(),
    }
}

fn response(words: &str, media: &str, schema: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    ResponseBuilder::new().description(words).content(media, content).build()
}

#[cfg(test)]
#[path = "tests/openapi.rs"]
mod tests;

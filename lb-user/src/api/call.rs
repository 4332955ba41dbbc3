//! Which request goes by which route, there ([`encode`], for the client) and back ([`decode`], for the server).

use std::net::{IpAddr, SocketAddr};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::problem::Problem;
use super::route::Route;
use super::{Request, Which, id};
use crate::model::{Netmask, Service, ServiceId, Timeouts};

/// What may not stand in a segment of a path as it is (RFC 3986, 3.3).
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// A request as it goes over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its route.
    pub route: Route,
    /// What stands where the route's path has braces.
    pub parameters: Vec<String>,
    /// Its body, in JSON.
    pub body: Option<Vec<u8>>,
}

impl Outgoing {
    fn new(route: Route, parameters: impl Into<Vec<String>>) -> Self {
        Self { route, parameters: parameters.into(), body: None }
    }

    fn with(self, body: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self { body: Some(serde_json::to_vec(body)?), ..self })
    }

    /// Its path.
    pub fn path(&self) -> String {
        let mut parameters = self.parameters.iter();
        let segment = |template: &str| match template.strip_prefix('{').and_then(|_| parameters.next()) {
            Some(parameter) => utf8_percent_encode(parameter, RESERVED).to_string(),
            None => template.to_owned(),
        };
        self.route.path().split('/').map(segment).collect::<Vec<_>>().join("/")
    }
}

/// How a request goes over HTTP.
///
/// # Errors
/// It cannot be written as JSON.
pub fn encode(request: &Request) -> serde_json::Result<Outgoing> {
    let server = |id: &ServiceId, address, port| {
        let [kind, name] = id::service_segments(id);
        [kind, name, id::server_segment(address, port)]
    };
    Ok(match request {
        Request::AddService { service } => Outgoing::new(Route::AddService, []).with(service)?,
        Request::EditService { service } => {
            Outgoing::new(Route::EditService, id::service_segments(&service.id)).with(service)?
        }
        Request::DeleteService { id } => Outgoing::new(Route::DeleteService, id::service_segments(id)),
        Request::Flush => Outgoing::new(Route::Flush, []),
        Request::AddServer { id, server } => Outgoing::new(Route::AddServer, id::service_segments(id)).with(server)?,
        Request::EditServer { id, server: edited } => {
            Outgoing::new(Route::EditServer, server(id, edited.address, edited.port)).with(edited)?
        }
        Request::DeleteServer { id, address, port } => Outgoing::new(Route::DeleteServer, server(id, *address, *port)),
        Request::OrderServers { id, servers } => {
            let servers = servers.iter().map(|(address, port)| SocketAddr::new(*address, *port)).collect();
            Outgoing::new(Route::OrderServers, id::service_segments(id)).with(&ServerOrder { servers })?
        }
        Request::Zero { id: Some(id) } => Outgoing::new(Route::ZeroService, id::service_segments(id)),
        Request::Zero { id: None } => Outgoing::new(Route::Zero, []),
        Request::SetTimeouts { timeouts } => Outgoing::new(Route::SetTimeouts, []).with(timeouts)?,
        Request::SetSysctls { values } => Outgoing::new(Route::SetSysctls, []).with(values)?,
        Request::List { id: Some(id) } => Outgoing::new(Route::Service, id::service_segments(id)),
        Request::List { id: None } => Outgoing::new(Route::Services, []),
        Request::Connections => Outgoing::new(Route::Connections, []),
        Request::ConnectionPart { from } => Outgoing::new(Route::ConnectionPart, [from.to_string()]),
        Request::Timeouts => Outgoing::new(Route::Timeouts, []),
        Request::Sysctls => Outgoing::new(Route::Sysctls, []),
        Request::Status => Outgoing::new(Route::Status, []),
        Request::Drain { which, seconds, now } => {
            Outgoing::new(Route::Drain, []).with(&NewDrain::of(*which, *seconds, *now))?
        }
        Request::Undrain { which } => Outgoing::new(Route::Undrain, []).with(which)?,
        Request::Drains => Outgoing::new(Route::Drains, []),
        Request::Plan { name, text } => Outgoing::new(Route::Plan, []).with(&ConfigFile::of(name, text))?,
        Request::Apply { name, text } => Outgoing::new(Route::Apply, []).with(&ConfigFile::of(name, text))?,
        Request::Reload => Outgoing::new(Route::Reload, []),
        Request::Export => Outgoing::new(Route::Export, []),
        Request::Generations => Outgoing::new(Route::Generations, []),
        Request::Rollback { to } => Outgoing::new(Route::Rollback, []).with(&Back { to: *to })?,
    })
}

/// What the server is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// To ask the director once.
    Ask(Request),
    /// To ask it for the connection table, part by part.
    Connections,
    /// To tell of events.
    Watch,
    /// To send what LVX counts.
    Metrics,
    /// To send the OpenAPI document.
    OpenApi,
}

/// What a request that came over HTTP asks for.
///
/// # Errors
/// Its parameters or its body are not what the route takes.
pub fn decode(route: Route, parameters: &[String], body: &[u8]) -> Result<Task, Problem> {
    let request = match route {
        Route::Connections => return Ok(Task::Connections),
        Route::Watch => return Ok(Task::Watch),
        Route::Metrics => return Ok(Task::Metrics),
        Route::OpenApi => return Ok(Task::OpenApi),
        Route::Status => Request::Status,
        Route::Services => Request::List { id: None },
        Route::AddService => Request::AddService { service: service(None, body)? },
        Route::Flush => Request::Flush,
        Route::Service => Request::List { id: Some(service_id(parameters)?) },
        Route::EditService => Request::EditService { service: service(Some(service_id(parameters)?), body)? },
        Route::DeleteService => Request::DeleteService { id: service_id(parameters)? },
        Route::ZeroService => Request::Zero { id: Some(service_id(parameters)?) },
        Route::AddServer => {
            let (id, mut server) = (service_id(parameters)?, object(body)?);
            server.entry("port").or_insert_with(|| id.port().into());
            Request::AddServer { id, server: typed(server)? }
        }
        Route::EditServer => {
            let ((address, port), mut server) = (server_id(parameters)?, object(body)?);
            must_be(&mut server, "address", address.to_string().into())?;
            must_be(&mut server, "port", port.into())?;
            Request::EditServer { id: service_id(parameters)?, server: typed(server)? }
        }
        Route::DeleteServer => {
            let (address, port) = server_id(parameters)?;
            Request::DeleteServer { id: service_id(parameters)?, address, port }
        }
        Route::OrderServers => {
            let ServerOrder { servers } = typed(object(body)?)?;
            let servers = servers.iter().map(|server| (server.ip(), server.port())).collect();
            Request::OrderServers { id: service_id(parameters)?, servers }
        }
        Route::Zero => Request::Zero { id: None },
        Route::ConnectionPart => Request::ConnectionPart { from: part(parameters)? },
        Route::Timeouts => Request::Timeouts,
        Route::SetTimeouts => Request::SetTimeouts { timeouts: typed::<NewTimeouts>(object(body)?)?.into() },
        Route::Sysctls => Request::Sysctls,
        Route::SetSysctls => Request::SetSysctls { values: typed(object(body)?)? },
        Route::Drains => Request::Drains,
        Route::Drain => {
            let NewDrain { address, port, service, seconds, now } = typed(object(body)?)?;
            Request::Drain { which: Which { address, port, service }, seconds, now }
        }
        Route::Undrain => Request::Undrain { which: typed(object(body)?)? },
        Route::Export => Request::Export,
        Route::Plan => {
            let ConfigFile { name, text } = typed(object(body)?)?;
            Request::Plan { name, text }
        }
        Route::Apply => {
            let ConfigFile { name, text } = typed(object(body)?)?;
            Request::Apply { name, text }
        }
        Route::Reload => Request::Reload,
        Route::Generations => Request::Generations,
        Route::Rollback => Request::Rollback { to: typed::<Back>(object(body)?)?.to },
    };
    Ok(Task::Ask(request))
}

/// Timeouts to be set, in seconds; 0, or left out, keeps a value.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewTimeouts {
    /// An established TCP connection.
    tcp: u32,
    /// A TCP connection after its FIN.
    tcpfin: u32,
    /// A UDP flow.
    udp: u32,
}

impl From<NewTimeouts> for Timeouts {
    fn from(NewTimeouts { tcp, tcpfin, udp }: NewTimeouts) -> Self {
        Self { tcp, tcpfin, udp }
    }
}

/// The real servers of a service in their order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerOrder {
    /// Address and port of every server that the service has, newest first.
    #[schema(value_type = Vec<String>)]
    servers: Vec<SocketAddr>,
}

/// Servers that are to be taken out of service in good order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewDrain {
    /// Their address.
    #[schema(value_type = String)]
    address: IpAddr,
    /// Their port; none is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Their service; none is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<ServiceId>,
    /// How long they stay for what they have.
    seconds: u64,
    /// Known clients go elsewhere too.
    #[serde(default)]
    now: bool,
}

impl NewDrain {
    fn of(Which { address, port, service }: Which, seconds: u64, now: bool) -> Self {
        Self { address, port, service, seconds, now }
    }
}

/// A config file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigFile {
    /// What problems and `lvx generations` call it.
    name: String,
    /// TOML.
    text: String,
}

impl ConfigFile {
    fn of(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }
}

/// Where to go back to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Back {
    /// The number of the generation; null, or left out, is the one before.
    #[serde(default)]
    to: Option<u64>,
}

fn service_id(parameters: &[String]) -> Result<ServiceId, Problem> {
    let [kind, name, ..] = parameters else { return Err(Problem::bad_request("the path names no service")) };
    id::service(kind, name).map_err(Problem::bad_request)
}

fn server_id(parameters: &[String]) -> Result<(IpAddr, u16), Problem> {
    let [_, _, server] = parameters else { return Err(Problem::bad_request("the path names no real server")) };
    id::server(server).map_err(Problem::bad_request)
}

fn part(parameters: &[String]) -> Result<u32, Problem> {
    let from = parameters.first().and_then(|from| from.parse().ok());
    from.ok_or_else(|| Problem::bad_request("a part of the connection table is 0, or the `next` of the one before"))
}

/// A service; where the path has its id, the body need not.
fn service(id: Option<ServiceId>, body: &[u8]) -> Result<Service, Problem> {
    let mut object = object(body)?;
    if let Some(id) = id {
        let id = serde_json::to_value(id).map_err(|error| Problem::bad_request(error.to_string()))?;
        must_be(&mut object, "id", id)?;
    }
    if !object.contains_key("netmask")
        && let Some(id) = object.get("id").and_then(|id| ServiceId::deserialize(id).ok())
    {
        let netmask = serde_json::to_value(Netmask::host(id.family()));
        object.insert("netmask".to_owned(), netmask.map_err(|error| Problem::bad_request(error.to_string()))?);
    }
    let service: Service = typed(object)?;
    if service.servers.is_empty() {
        return Ok(service);
    }
    Err(Problem::bad_request("real servers are added one by one, by POST .../servers; leave `servers` out"))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body is no JSON object: {error}")))
}

/// Puts into a body what the path says already; the body may not say otherwise.
fn must_be(object: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), Problem> {
    match object.get(key) {
        Some(said) if *said != value => {
            Err(Problem::bad_request(format!("`{key}` is {said} in the body, and {value} in the path; leave it out")))
        }
        Some(_) => Ok(()),
        None => {
            object.insert(key.to_owned(), value);
            Ok(())
        }
    }
}

/// A body of a type, without a key that this does not have.
fn typed<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    let mut unknown = Vec::new();
    let typed = serde_ignored::deserialize(Value::Object(object), |path| unknown.push(path.to_string()))
        .map_err(|error| Problem::bad_request(format!("the body does not fit: {error}")))?;
    if unknown.is_empty() {
        return Ok(typed);
    }
    Err(Problem::bad_request(format!("the body has what nobody knows here: {}", unknown.join(", "))))
}

#[cfg(test)]
#[path = "tests/call.rs"]
pub(crate) mod tests;

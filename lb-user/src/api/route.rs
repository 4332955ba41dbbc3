//! The routes of the API: one line each, from which the server's routing, the client's requests, the roles and the OpenAPI
//! document come.

use hyper::Method;
use percent_encoding::percent_decode_str;

/// Makes the enum of routes with what is known of each.
macro_rules! routes {
    ($($(#[doc = $words:literal])+ $name:ident: $method:ident $path:literal,)+) => {
        /// A method and a path.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Route {
            $($(#[doc = $words])+ $name,)+
        }

        impl Route {
            /// Every route, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name, which is also its `operationId`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// Its method.
            pub fn method(self) -> Method {
                match self { $(Self::$name => Method::$method),+ }
            }

            /// Its path; what is in braces stands for one segment.
            pub fn path(self) -> &'static str {
                match self { $(Self::$name => $path),+ }
            }

            /// What it does, in a sentence.
            pub fn summary(self) -> String {
                let words = match self { $(Self::$name => concat!($($words),+)),+ };
                words.trim().to_owned()
            }
        }
    };
}

routes! {
    /// What runs, what does not, and why
    Status: GET "/v1/status",
    /// All services with their real servers, as they run
    Services: GET "/v1/services",
    /// Adds a service, without real servers
    AddService: POST "/v1/services",
    /// Removes all services
    Flush: DELETE "/v1/services",
    /// A service with its real servers, as it runs
    Service: GET "/v1/services/{kind}/{name}",
    /// Changes a service: everything but its real servers is replaced
    EditService: PUT "/v1/services/{kind}/{name}",
    /// Removes a service
    DeleteService: DELETE "/v1/services/{kind}/{name}",
    /// Sets the counters of a service to zero
    ZeroService: POST "/v1/services/{kind}/{name}/zero",
    /// Adds a real server to a service
    AddServer: POST "/v1/services/{kind}/{name}/servers",
    /// Changes a real server: everything but its address and port is replaced
    EditServer: PUT "/v1/services/{kind}/{name}/servers/{server}",
    /// Puts the real servers of a service in another order, which schedulers look at
    OrderServers: PUT "/v1/services/{kind}/{name}/servers",
    /// Removes a real server from a service
    DeleteServer: DELETE "/v1/services/{kind}/{name}/servers/{server}",
    /// Sets the counters of all services to zero
    Zero: POST "/v1/zero",
    /// The connection table, templates included, sent as it is read
    Connections: GET "/v1/connections",
    /// A part of the connection table
    ConnectionPart: GET "/v1/connections/{from}",
    /// The timeouts of connections
    Timeouts: GET "/v1/timeouts",
    /// Changes timeouts of connections
    SetTimeouts: PATCH "/v1/timeouts",
    /// IPVS' sysctls, and LVX' own
    Sysctls: GET "/v1/sysctls",
    /// Changes sysctls, all or none
    SetSysctls: PATCH "/v1/sysctls",
    /// Servers that are taken out of service in good order
    Drains: GET "/v1/drains",
    /// Servers get no new clients from now on, and are out of service after a while
    Drain: POST "/v1/drains",
    /// Servers that are drained serve again
    Undrain: POST "/v1/undrain",
    /// The running state as a config file
    Export: GET "/v1/config",
    /// What applying a config file would change
    Plan: POST "/v1/plan",
    /// Applies a config file, in whole or not at all
    Apply: POST "/v1/apply",
    /// Reads the file of `lvx run --config` again and applies it
    Reload: POST "/v1/reload",
    /// The config files that were applied last
    Generations: GET "/v1/generations",
    /// Applies an earlier config file again
    Rollback: POST "/v1/rollback",
    /// What changes, as it changes, as server-sent events
    Watch: GET "/v1/watch",
    /// What LVX counts, for Prometheus; `?detail=services` leaves out the real servers
    Metrics: GET "/metrics",
    /// This API as an OpenAPI document
    OpenApi: GET "/v1/openapi.json",
}

/// Where a method and a path lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// To a route, with what stands where its path has braces.
    Route(Route, Vec<String>),
    /// There is the path, with these methods only.
    Methods(Vec<Method>),
    /// Nowhere.
    Nothing,
}

/// Finds the route of a request; HEAD goes where GET does.
pub fn find(method: &Method, path: &str) -> Found {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let mut methods = Vec::new();
    for route in Route::ALL {
        let Some(parameters) = parameters(route.path(), path) else { continue };
        if route.method() == *asked {
            return Found::Route(*route, parameters);
        }
        methods.push(route.method());
    }
    if methods.is_empty() { Found::Nothing } else { Found::Methods(methods) }
}

/// What stands where the template has braces, if the path fits it.
fn parameters(template: &str, path: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(wanted), Some(given)) if wanted.starts_with('{') => {
                found.push(percent_decode_str(given).decode_utf8().ok()?.into_owned());
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            (_, _) => return None,
        }
    }
}

impl Route {
    /// The names of what is in braces.
    pub fn parameter_names(self) -> impl Iterator<Item = &'static str> {
        self.path().split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether somebody who may only read may go there.
    pub fn only_reads(self) -> bool {
        self.method() == Method::GET
    }

    /// The longest body that is read, in bytes. One service or server is far below 64 KiB; a config file of 10,000 services
    /// of ten servers each is about 10 MB.
    pub fn longest_body(self) -> usize {
        if matches!(self, Self::Plan | Self::Apply) { 64 << 20 } else { 64 << 10 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_lead_to_routes() {
        let to = |route, parameters: &[&str]| {
            Found::Route(route, parameters.iter().map(|parameter| (*parameter).to_owned()).collect())
        };
        for (method, path, expected) in [
            (Method::GET, "/v1/status", to(Route::Status, &[])),
            (Method::HEAD, "/v1/status", to(Route::Status, &[])),
            (Method::GET, "/v1/services", to(Route::Services, &[])),
            (Method::GET, "/v1/services/tcp/172.16.100.1:80", to(Route::Service, &["tcp", "172.16.100.1:80"])),
            (
                Method::PUT,
                "/v1/services/udp/%5B2001:db8::1%5D%3a53",
                to(Route::EditService, &["udp", "[2001:db8::1]:53"]),
            ),
            (Method::GET, "/v1/services/udp/[2001:db8::1]:53", to(Route::Service, &["udp", "[2001:db8::1]:53"])),
            (
                Method::DELETE,
                "/v1/services/mark/7/servers/10.0.0.1:0",
                to(Route::DeleteServer, &["mark", "7", "10.0.0.1:0"]),
            ),
            (Method::GET, "/v1/connections/512", to(Route::ConnectionPart, &["512"])),
            (Method::POST, "/v1/status", Found::Methods(vec![Method::GET])),
            (Method::PUT, "/v1/services", Found::Methods(vec![Method::GET, Method::POST, Method::DELETE])),
            (Method::GET, "/", Found::Nothing),
            (Method::GET, "/v1/status/", Found::Nothing),
            (Method::GET, "/v2/status", Found::Nothing),
            (Method::GET, "/v1/services/%ff/x", Found::Nothing),
        ] {
            assert_eq!(find(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn no_two_routes_are_the_same() {
        let all: HashSet<_> = Route::ALL.iter().map(|route| (route.method(), route.path())).collect();
        assert_eq!(all.len(), Route::ALL.len());
    }
}

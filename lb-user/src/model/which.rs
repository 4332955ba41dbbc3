//! Real servers by what the operator says of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ServiceId;

/// Which servers: those with an address, with a port or any, in one service or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Which {
    /// Address of the server.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Its port; none is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The service; none is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
}

impl Which {
    /// Whether a server is one of them.
    pub fn has(&self, (service, address, port): &(ServiceId, IpAddr, u16)) -> bool {
        self.address == *address
            && self.port.is_none_or(|own| own == *port)
            && self.service.is_none_or(|own| own == *service)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(out, "{}", SocketAddr::new(self.address, port))?,
            None => write!(out, "{}", self.address)?,
        }
        self.service.map_or(Ok(()), |service| write!(out, " in {service}"))
    }
}

//! What the operator asked for, in LVS' own words. Pure data: no I/O, no aya.

pub mod marks;
mod service;

pub use service::{
    Family, ForwardingMethod, Netmask, Persistence, Protocol, RealServer, SchedulerKind, Service, ServiceId, Timeouts,
};

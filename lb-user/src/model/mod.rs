//! What the operator asked for, in LVS' own words. Pure data: no I/O, no aya.

pub mod marks;
mod plan;
pub mod policy;
mod service;
mod state;
pub mod sysctls;
mod which;

pub use plan::plan;
pub use service::{
    Family, ForwardingMethod, Netmask, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service,
    ServiceId, Timeouts,
};
pub use state::Model;
pub use sysctls::Sysctls;
pub use which::Which;

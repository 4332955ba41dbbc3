//! What the operator asked for, in LVS' own words. Pure data: no I/O, no aya.

#[cfg(test)]
pub(crate) mod arbitrary;
mod difference;
pub mod marks;
mod merge;
mod plan;
pub mod policy;
mod service;
mod state;
pub mod sysctls;
mod which;

pub use difference::{Change, Subject, differences, server_name};
pub use merge::{Merged, merge};
pub use plan::plan;
pub use service::{
    Family, ForwardingMethod, Netmask, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service,
    ServiceId, Timeouts,
};
pub use state::Model;
pub use sysctls::Sysctls;
pub use which::Which;

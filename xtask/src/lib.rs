//! LVX' own tools: making a machine ready, building, the lab of network namespaces, the demo, tests and lints.
//!
//! Depends on none of LVX' crates but the guest's small agent, so that it compiles in seconds on a fresh machine.

pub mod build;
pub mod command;
pub mod demo;
pub mod guest;
pub mod kernels;
pub mod lab;
pub mod lint;
pub mod oracle;
pub mod privilege;
pub mod run;
pub mod setup;
pub mod soak;
pub mod test;
pub mod toolchain;
pub mod wait;
pub mod workspace;

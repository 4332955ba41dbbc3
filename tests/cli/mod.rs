//! The command line and the daemon behind it, as an operator meets them.

mod commands;
mod files;
mod generated;
mod import;
mod program;
mod socket;
mod start;
mod state;
mod stop;
mod stopped;
mod sysctl;
mod traffic;

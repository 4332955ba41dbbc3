//! End to end, in namespace labs: real programs talk through a running `lvx`.

mod arrivals;
mod checks;
pub mod director;
pub mod echo;
mod health;
mod interfaces;
mod ldirectord;
mod log;
mod marks;
mod metrics;
mod modes;
mod neighbours;
mod passing;
mod passive;
mod persistence;
mod ping;
mod policy;
mod reload;
mod removal;
mod ring_changes;
pub mod setup;
pub mod talk;
mod vip_check;
mod vips;
mod who_decides;

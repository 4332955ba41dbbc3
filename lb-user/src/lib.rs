//! LVX' control plane: what `lvx` is made of.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod dataplane;
pub mod director;
pub mod drops;
pub mod generations;
pub mod health;
pub mod import;
pub mod ipvsadm;
pub mod journal;
pub mod leg;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod neighbours;
pub mod netfilter;
pub mod packet_trace;
pub mod tables;
pub mod vips;

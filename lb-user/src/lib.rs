//! LVX' control plane: what `lvx` is made of.

pub mod api;
pub mod config;
pub mod health;
pub mod ipvsadm;
pub mod model;
pub mod neighbours;
pub mod netfilter;

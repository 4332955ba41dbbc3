//! The contract between LVX' XDP program and its control plane: the layout of every map, and every
//! decision that can be pure. The same code runs in the kernel and in unit tests without root.
//!
//! Addresses and ports that come from the wire stay in network byte order ([`Address`]); everything
//! else is in host order.
#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod marks;

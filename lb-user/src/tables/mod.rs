//! From services and real servers to the packet path's tables.

mod arena;
pub mod kernel;
pub mod maps;
pub mod shared;

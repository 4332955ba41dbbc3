//! End to end, in namespace labs: real programs talk through a running `lvx`.

pub mod director;
mod echo;
mod persistence;
mod talk;

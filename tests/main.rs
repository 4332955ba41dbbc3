//! LVX' integration tests, one program: each module says what belongs into it.

mod cli;
mod network;

//! The `lvx` program.
fn main() {}

//! LVX' build, lab, demo and test commands.
fn main() {}

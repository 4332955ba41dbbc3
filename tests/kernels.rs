//! The oldest kernel that LVX runs on, whose verifier is the strictest: that of the machine that tests is newer.
//!
//! `cargo xtask kernels` tries the newer ones too.

#[test]
fn the_oldest_kernel_takes_the_program_and_balances() {
    let oldest = xtask::kernels::SERIES[0].to_owned();
    xtask::kernels::run(&[oldest], true).unwrap_or_else(|error| panic!("{error:#}"));
}

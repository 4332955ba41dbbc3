//! `cargo xtask setup`: makes a machine ready to build, test and show LVX. Doing it again does nothing.

mod bpffs;
mod compiler;
mod keepalived;
mod ldirectord;
mod linker;
mod packages;
mod promtool;

use anyhow::Result;

pub use keepalived::keepalived_samples;
pub use ldirectord::{ldirectord, ldirectord_sample};
pub use promtool::promtool;

use crate::workspace;

/// What a step found or did.
enum Step {
    /// All was there already.
    Ready(String),
    /// Something was missing and is there now.
    Done(String),
}

/// Makes sure of programs, compiler, linker and bpffs. Says what it does, and where nothing is to do it says so
/// only if `verbose`.
///
/// # Errors
/// What is missing and how to get it.
pub fn ensure(verbose: bool) -> Result<()> {
    report(verbose, packages::ensure()?);
    report(verbose, ldirectord::ensure()?);
    report(verbose, keepalived::ensure()?);
    report(verbose, promtool::ensure()?);
    let toolchain = compiler::ensure()?;
    report(verbose, Step::Ready(format!("compiler: {} ({})", toolchain.rustc.display(), toolchain.how)));
    report(verbose, linker::ensure(&toolchain)?);
    report(verbose, bpffs::ensure()?);
    Ok(())
}

/// Makes sure of a program that only some commands need, by its package in Debian and Ubuntu.
///
/// # Errors
/// It is missing, and apt cannot install it.
pub fn ensure_package(program: &str, package: &str) -> Result<()> {
    if workspace::program(program).is_none() {
        packages::install(&[package])?;
        report(true, Step::Done(program.to_owned()));
    }
    Ok(())
}

fn report(verbose: bool, step: Step) {
    match step {
        Step::Ready(_) if !verbose => {}
        Step::Ready(what) => println!("setup: {what}"),
        Step::Done(what) => println!("setup: {what} (new)"),
    }
}

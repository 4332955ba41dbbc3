//! Finds the compiler that can build the packet program: one that has the standard library's source, because
//! the BPF target has no precompiled `core`.
//!
//! lb-user's build script includes this file as a module, so that `cargo build` and `cargo xtask setup` follow
//! one rule; it therefore uses nothing but std.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler and the cargo that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo of the same release.
    pub cargo: PathBuf,
    /// Which rule chose it.
    pub how: &'static str,
}

/// The toolchain for the packet program, by the first rule that gives one:
/// `LVX_EBPF_RUSTC` and `LVX_EBPF_CARGO`; the compiler on the PATH (rustup's default), if it has `rust-src`; the
/// system's `/usr/bin/rustc` with its source package.
///
/// # Errors
/// A sentence with what was tried and how to get such a compiler.
pub fn find() -> Result<Toolchain, String> {
    if let Some(rustc) = env::var_os("LVX_EBPF_RUSTC").map(PathBuf::from) {
        return named(rustc, env::var_os("LVX_EBPF_CARGO").map(PathBuf::from));
    }
    let rules = [("rustc", "the compiler on the PATH"), ("/usr/bin/rustc", "the system's compiler")];
    for (rustc, how) in rules {
        if let Some(sysroot) = sysroot(Path::new(rustc)).filter(|sysroot| has_source(sysroot)) {
            return Ok(Toolchain { rustc: sysroot.join("bin/rustc"), cargo: sysroot.join("bin/cargo"), how });
        }
    }
    Err("no Rust compiler here has the standard library's source, which the packet program is built from: \
         `rustup component add rust-src`, or on Debian `apt-get install rustc-web cargo-web rust-web-src`; \
         `cargo xtask setup` does it for you"
        .to_owned())
}

fn named(rustc: PathBuf, cargo: Option<PathBuf>) -> Result<Toolchain, String> {
    let Some(sysroot) = sysroot(&rustc) else {
        return Err(format!("LVX_EBPF_RUSTC names {}, which does not run", rustc.display()));
    };
    if !has_source(&sysroot) {
        return Err(format!(
            "LVX_EBPF_RUSTC names {}, which has no rust-src in {}",
            rustc.display(),
            sysroot.display()
        ));
    }
    let cargo = cargo.unwrap_or_else(|| sysroot.join("bin/cargo"));
    Ok(Toolchain { rustc, cargo, how: "LVX_EBPF_RUSTC" })
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim_end()))
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core").is_dir()
}

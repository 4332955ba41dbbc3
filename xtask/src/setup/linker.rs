//! bpf-linker, built on an LLVM that reads what the compiler writes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::{Step, packages};
use crate::toolchain::Toolchain;
use crate::{command, workspace};

/// The release that LVX is built with.
const VERSION: &str = "0.13.0";

/// The smallest program that a compiler translates without `core`.
const PROBE: &str = include_str!("probe.rs.txt");

/// Makes sure of a bpf-linker that links what `toolchain` compiles.
pub(super) fn ensure(toolchain: &Toolchain) -> Result<Step> {
    if probe(toolchain).is_ok() {
        return Ok(Step::Ready("linker: bpf-linker".to_owned()));
    }
    install(toolchain)?;
    probe(toolchain).context("bpf-linker is installed, but does not link what the compiler writes")?;
    Ok(Step::Done(format!("linker: bpf-linker {VERSION}")))
}

/// Compiles and links an empty program: only that shows that the linker's LLVM is not older than the compiler's.
fn probe(toolchain: &Toolchain) -> Result<()> {
    let directory = std::env::temp_dir().join(format!("lvx-setup-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let linked = link_probe(toolchain, &directory);
    std::fs::remove_dir_all(&directory)?;
    linked
}

fn link_probe(toolchain: &Toolchain, directory: &Path) -> Result<()> {
    let source = directory.join("probe.rs");
    std::fs::write(&source, PROBE)?;
    let mut rustc = Command::new(&toolchain.rustc);
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--cap-lints", "allow"]);
    rustc.args(["--target", "bpfel-unknown-none", "-Cpanic=abort", "-Clinker=bpf-linker"]);
    rustc.arg("-o").arg(directory.join("probe.o")).arg(&source);
    rustc.env("RUSTC_BOOTSTRAP", "1").env("PATH", workspace::path(&[]));
    command::output(&mut rustc).map(drop)
}

fn install(toolchain: &Toolchain) -> Result<()> {
    let llvm = llvm_major(toolchain)?;
    let prefix = format!("/usr/lib/llvm-{llvm}");
    let package = format!("llvm-{llvm}-dev");
    if !Path::new(&prefix).join("bin/llvm-config").exists() {
        if !packages::available(&package) {
            bail!(
                "bpf-linker for LLVM {llvm} is missing, and apt has no {package}: take the program from \
                 https://github.com/aya-rs/bpf-linker/releases into a directory of the PATH, or run \
                 `cargo binstall bpf-linker`"
            );
        }
        packages::install(&[&package])?;
    }
    println!("setup: building bpf-linker {VERSION} on LLVM {llvm} (about a minute)");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.args(["install", "--quiet", "--locked", "--force", "bpf-linker", "--version", VERSION]);
    cargo.args(["--no-default-features", "--features", &format!("llvm-{llvm}")]);
    cargo.env("RUSTC", &toolchain.rustc).env("LLVM_PREFIX", prefix).env("PATH", workspace::path(&[]));
    command::output(&mut cargo).map(drop)
}

fn llvm_major(toolchain: &Toolchain) -> Result<u32> {
    let shown = command::output(Command::new(&toolchain.rustc).arg("-vV"))?;
    let text = String::from_utf8(shown.stdout)?;
    major(&text).ok_or_else(|| anyhow!("{} -vV names no LLVM version", toolchain.rustc.display()))
}

fn major(version_text: &str) -> Option<u32> {
    let version = version_text.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn reads_the_major_version_of_llvm() {
        let text = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(major(text), Some(22));
        assert_eq!(major("rustc 1.96.0\n"), None);
    }
}

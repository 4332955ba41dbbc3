//! Builds the programs for the kernel and hands their objects to `lvx`, which embeds them: one file to deploy.

#[path = "../xtask/src/toolchain.rs"]
mod toolchain;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

/// What the kernel's BPF needs: BTF for maps and names, no unwinding, and the third instruction set (32-bit
/// operations and atomics with a result, Linux 5.12).
const RUSTFLAGS: [&str; 4] = ["-Cdebuginfo=2", "-Clink-arg=--btf", "-Cpanic=abort", "-Ctarget-cpu=v3"];

/// The binaries of lb-ebpf.
const OBJECTS: [&str; 2] = ["lvx-xdp", "lvx-leg"];

fn main() -> Result<()> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let workspace = manifest.parent().context("the package has no workspace around it")?;
    for source in ["lb-ebpf", "lb-common", "Cargo.lock", "xtask/src/toolchain.rs"] {
        println!("cargo:rerun-if-changed={}", workspace.join(source).display());
    }
    for variable in ["LVX_EBPF_RUSTC", "LVX_EBPF_CARGO"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let objects = build(workspace, &target_directory(&out)?)?;
    for name in OBJECTS {
        let object = objects.join(name);
        std::fs::copy(&object, out.join(name)).with_context(|| format!("cannot copy {}", object.display()))?;
    }
    Ok(())
}

/// A directory beside the profile's, so that debug and release builds share the packet program, and cargo does not
/// wait for its own lock.
fn target_directory(out: &Path) -> Result<PathBuf> {
    let build = out.ancestors().find(|path| path.ends_with("build"));
    let target = build.and_then(Path::parent).and_then(Path::parent);
    Ok(target.context("OUT_DIR has no target directory around it")?.join("ebpf"))
}

fn build(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let toolchain = toolchain::find().map_err(|why| anyhow!(why))?;
    let mut cargo = Command::new(&toolchain.cargo);
    for (name, _) in env::vars_os() {
        // The outer cargo's settings are for the host.
        let name = name.to_string_lossy();
        if name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("RUST") && name != "RUSTUP_HOME" {
            cargo.env_remove(name.as_ref());
        }
    }
    cargo
        .current_dir(workspace)
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        .args(["build", "--release", "--locked", "--package", "lb-ebpf", "--target", "bpfel-unknown-none"])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(target);
    let status = cargo.status().with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;
    if !status.success() {
        bail!("the packet program does not build (with {}, {})", toolchain.rustc.display(), toolchain.how);
    }
    Ok(target.join("bpfel-unknown-none/release"))
}

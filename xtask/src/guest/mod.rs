//! The real IPVS, with the real `ipvsadm`, in a guest kernel under our control.
//!
//! The guest is Debian's user-mode Linux, a process of this machine; its init is the agent (`tests/agent`), which does what
//! it is asked in a director's network namespace. All of it is made below `target/guest`, from Debian's packages and the
//! agent's source; nothing is installed.

mod cpio;
mod image;
mod machine;
mod modules;
mod packages;
mod process;
mod recipe;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

pub use lvx_agent::{Op, Outcome};
pub use machine::Machine;
pub use process::Guest;

use crate::{command, workspace};
use packages::Archive;

/// Where packages come from: an older kernel's IPVS is the one that most run.
const SUITES: [(&str, &str); 2] =
    [("http://deb.debian.org/debian", "bookworm"), ("http://deb.debian.org/debian-security", "bookworm-security")];

/// The kernel, and programs for it.
const PACKAGES: [&str; 6] = ["user-mode-linux", "ipvsadm", "iproute2", "iptables", "dash", "busybox-static"];

/// Kernel modules; those that they need come by themselves. All are loaded at the start, so that no case is the first that
/// waits for one.
const MODULES: [&str; 27] = [
    "veth",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_wrr",
    "ip_vs_lc",
    "ip_vs_wlc",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_dh",
    "ip_vs_sh",
    "ip_vs_mh",
    "ip_vs_sed",
    "ip_vs_nq",
    "ip_vs_fo",
    "ip_vs_ovf",
    "ip_vs_ftp",
    "ip_vs_pe_sip",
    "ip_tables",
    "ip6_tables",
    "iptable_mangle",
    "ip6table_mangle",
    "iptable_filter",
    "ip6table_filter",
    "xt_mark",
    "xt_tcpudp",
    "xt_multiport",
    "xt_conntrack",
];

/// What a guest is booted from.
#[derive(Debug)]
pub struct Files {
    /// The kernel, a program.
    pub kernel: PathBuf,
    /// The guest's file system, as the kernel unpacks it at boot.
    pub image: PathBuf,
    /// The library that gives the kernel its clock.
    pub clock: PathBuf,
}

/// Makes sure that the guest can boot: downloads and builds what is missing. Doing it again does nothing.
///
/// # Errors
/// A package cannot be had, or the agent does not compile.
pub fn ensure() -> Result<Files> {
    let (top, _lock) = top()?;
    let start = Instant::now();
    let packages = top.join("packages");
    let tree = packages.join("tree");
    let recipe = format!("{SUITES:?} {PACKAGES:?}");
    let mut news = recipe::follow(&packages, &recipe, || {
        println!("setup: guest: downloading {} (Debian)", PACKAGES.join(", "));
        let names = Archive::open(&packages.join("apt"), &SUITES)?.unpack(&PACKAGES, &tree)?;
        Ok(fs::write(packages.join("versions"), names.join("\n"))?)
    })?;

    let tests = workspace::root().join("tests");
    let crates = ["agent", "clock"].map(|name| tests.join(name));
    let own = workspace::root().join("xtask/src/guest");
    let sources = [crates.as_slice(), &[own, packages.join("versions")]].concat();
    let boot = top.join("boot");
    let files = Files { kernel: boot.join("linux"), image: boot.join("image.cpio"), clock: boot.join("clock.so") };
    news |= recipe::follow(&boot, &recipe::sources(&sources)?, || make(&tree, &top.join("build"), &files))?;
    if news {
        println!("setup: guest: {} (new, {:.1} s)", boot.display(), start.elapsed().as_secs_f64());
    }
    Ok(files)
}

/// The place of all that guests are made of, and the right to change it, as long as the file is kept.
fn top() -> Result<(PathBuf, File)> {
    let top = workspace::target().join("guest");
    fs::create_dir_all(&top).with_context(|| top.display().to_string())?;
    let lock = File::create(top.join("lock"))?;
    lock.lock().context("target/guest/lock")?;
    Ok((top, lock))
}

/// Builds our part, and puts all together.
fn make(tree: &Path, build: &Path, files: &Files) -> Result<()> {
    let built = |package: &str, flags: &str, file: &str| {
        let mut cargo = workspace::cargo();
        cargo.args(["build", "--quiet", "--release", "--package", package, "--target", "x86_64-unknown-linux-gnu"]);
        cargo.arg("--target-dir").arg(build).env("RUSTFLAGS", flags);
        command::run(&mut cargo)?;
        anyhow::Ok(build.join("x86_64-unknown-linux-gnu/release").join(file))
    };
    // The guest has nothing to load the agent with.
    let agent = built("lvx-agent", "-C target-feature=+crt-static -C strip=symbols", "lvx-agent")?;
    let clock = built("lvx-clock", "-C strip=symbols", "liblvx_clock.so")?;
    fs::copy(clock, &files.clock)?;
    fs::copy(tree.join("usr/bin/linux.uml"), &files.kernel).context("user-mode-linux has no usr/bin/linux.uml")?;
    let releases = tree.join("usr/lib/uml/modules");
    let release = fs::read_dir(&releases).with_context(|| releases.display().to_string())?.next();
    let modules = release.context("user-mode-linux has no modules")??.path();
    let mut image = image::system(tree, &agent)?;
    image.extend(image::kernel_modules(&modules, &MODULES)?);
    Ok(fs::write(&files.image, image)?)
}

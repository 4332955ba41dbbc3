//! Other kernels than user-mode Linux: Debian's, in a machine that QEMU makes up. Slower, and with a clock of its own; for
//! what needs the kernel as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cpio::Archive as Image;
use super::packages::Archive;
use super::{SUITES, image, recipe, top};
use crate::command;

/// Where kernels come from: newer ones than the suite's own are in backports and in the next release.
const KERNEL_SUITES: [(&str, &str); 6] = [
    SUITES[0],
    SUITES[1],
    ("http://deb.debian.org/debian", "bookworm-backports"),
    ("http://deb.debian.org/debian", "trixie"),
    ("http://deb.debian.org/debian-security", "trixie-security"),
    ("http://deb.debian.org/debian", "trixie-backports"),
];

/// Modules that a director needs which is no IPVS.
const MODULES: [&str; 1] = ["veth"];

/// Where the guest has a program of this machine, with its own loader and libraries.
const PROGRAM: &str = "host";

/// A kernel of Debian's, and the machine for it.
pub struct Machine {
    kernel: PathBuf,
    image: PathBuf,
    /// What QEMU was unpacked to.
    qemu: PathBuf,
}

impl Machine {
    /// Makes sure of Debian's newest kernel of a `series` (as `6.12`) and of a machine for it, whose file system has, besides
    /// the guest's, `program` of this machine.
    ///
    /// # Errors
    /// A package cannot be had.
    pub fn ensure(series: &str, program: &Path) -> Result<Self> {
        let files = super::ensure()?;
        let (top, _lock) = top()?;
        let qemu = top.join("qemu");
        recipe::follow(&qemu, &format!("{SUITES:?}"), || {
            println!("setup: guest: downloading qemu-system-x86 (Debian)");
            Archive::open(&qemu.join("apt"), &SUITES)?.unpack(&["qemu-system-x86"], &qemu.join("tree")).map(drop)
        })?;
        let place = top.join("kernels").join(series);
        recipe::follow(&place, &format!("{KERNEL_SUITES:?}"), || {
            let archive = Archive::open(&place.join("apt"), &KERNEL_SUITES)?;
            let names = archive.names(&format!("linux-image-{series}."))?;
            let newest = names.iter().filter(|name| name.ends_with("-cloud-amd64")).max_by_key(|name| numbers(name));
            let package = newest.with_context(|| format!("Debian has no kernel {series}"))?;
            println!("setup: guest: downloading {package} (Debian)");
            archive.unpack_alone(package, &place.join("tree"))
        })?;
        let tree = place.join("tree");
        let image = place.join("image.cpio");
        let mut bytes = fs::read(files.image)?;
        bytes.extend(image::modules_alone(&tree, &MODULES)?);
        bytes.extend(host_program(program)?);
        fs::write(&image, bytes)?;
        Ok(Self { kernel: file(&tree.join("boot"), "vmlinuz-")?, image, qemu: qemu.join("tree") })
    }

    /// The words that run the program of this machine in the guest.
    pub fn program() -> [String; 4] {
        [
            format!("/{PROGRAM}/loader"),
            "--library-path".to_owned(),
            format!("/{PROGRAM}"),
            format!("/{PROGRAM}/program"),
        ]
    }

    /// The command of a guest with this kernel. Its console goes to standard error.
    pub(super) fn command(&self) -> Command {
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|path| self.qemu.join(path));
        let mut command = Command::new(libraries[1].join("ld-linux-x86-64.so.2"));
        command.env("QEMU_MODULE_DIR", libraries[0].join("qemu"));
        command.arg("--library-path").arg(libraries.map(|path| path.display().to_string()).join(":"));
        command.arg(self.qemu.join("usr/bin/qemu-system-x86_64"));
        for firmware in ["usr/share/qemu", "usr/share/seabios"] {
            command.arg("-L").arg(self.qemu.join(firmware));
        }
        command.args(["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "1024", "-nodefaults", "-no-user-config"]);
        command.args(["-display", "none", "-no-reboot"]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.image);
        command.args(["-chardev", "file,id=console,path=/proc/self/fd/2,append=on", "-serial", "chardev:console"]);
        command.args(["-chardev", "stdio,id=agent,signal=off", "-serial", "chardev:agent"]);
        command.args([
            "-append",
            "console=ttyS0 quiet loglevel=4 panic=-1 reboot=t mitigations=off tsc=reliable \
            no_timer_check random.trust_cpu=on PATH=/bin agent_line=/dev/ttyS1 agent_xdp=on",
        ]);
        command
    }
}

/// A program of this machine with all that it is loaded with: the guest's libraries may be older.
fn host_program(program: &Path) -> Result<Vec<u8>> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let mut image = Image::default();
    image.directory(PROGRAM);
    image.file(&format!("{PROGRAM}/program"), &read(program)?);
    let listed = command::output(Command::new("ldd").arg(program))?;
    // `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f...)`, and the loader without an arrow.
    for line in String::from_utf8(listed.stdout)?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, "=>", path, _] => image.file(&format!("{PROGRAM}/{name}"), &read(Path::new(path))?),
            [path, _] if path.starts_with('/') => image.file(&format!("{PROGRAM}/loader"), &read(Path::new(path))?),
            _ => {}
        }
    }
    Ok(image.finish())
}

/// The numbers in a package's name, which order versions: `linux-image-6.12.117+deb13-...` is 6, 12, 117, 13, ...
fn numbers(name: &str) -> Vec<u64> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The file of a directory whose name begins so.
fn file(directory: &Path, beginning: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(beginning) {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("{} has no {beginning}", directory.display())
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let names =
            ["linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64", "linux-image-6.1.0-48-cloud-amd64"];
        assert_eq!(names.iter().max_by_key(|name| numbers(name)), Some(&names[1]));
        assert!(numbers("linux-image-6.12.117+deb13-cloud-amd64") > numbers("linux-image-6.12.95+deb13-cloud-amd64"));
    }
}

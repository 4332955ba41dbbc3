//! The guest's file system: programs of Debian's packages, the libraries that they need, kernel modules, the agent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::cpio::Archive;
use super::modules;
use crate::command;

/// Programs and the names under which the guest has them.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("ipvsadm", &[]),
    ("ip", &[]),
    ("dash", &["sh"]),
    ("busybox", &["modprobe"]),
    (
        "xtables-legacy-multi",
        &["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"],
    ),
];

/// Programs of busybox that the guest has too.
const APPLETS: [&str; 15] = [
    "cat", "dmesg", "echo", "env", "false", "grep", "head", "kill", "ls", "ps", "sleep", "tail", "true", "uname", "wc",
];

/// Where libraries are, in packages and in the guest.
const LIBRARIES: &str = "lib/x86_64-linux-gnu";
/// Where the loader must be.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";

/// What the guest has from packages unpacked in `tree`, without a kernel's modules.
pub(super) fn system(tree: &Path, agent: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for path in ["bin", "dev", "etc", "lib", LIBRARIES, "lib64", "lib/modules", "proc", "run", "sys", "tmp", "usr"] {
        archive.directory(path);
    }
    for (path, to) in [("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin"), ("usr/lib", "../lib")] {
        archive.link(path, to);
    }
    archive.device("dev/console", (5, 1));
    archive.file("init", &read(agent)?);
    archive.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n");
    archive.file("etc/protocols", &read(&find(tree, &["etc/protocols"])?)?);
    let mut libraries = BTreeSet::new();
    for (program, names) in PROGRAMS {
        let path = find(tree, &["usr/sbin", "sbin", "usr/bin", "bin"].map(|place| format!("{place}/{program}")))?;
        archive.file(&format!("bin/{program}"), &read(&path)?);
        for name in names {
            archive.link(&format!("bin/{name}"), program);
        }
        libraries.extend(needed(tree, &path)?);
    }
    for applet in APPLETS {
        archive.link(&format!("bin/{applet}"), "busybox");
    }
    for library in libraries {
        let name = library.file_name().context("a library without a name")?.to_string_lossy().into_owned();
        archive.file(&format!("{LIBRARIES}/{name}"), &read(&library)?);
    }
    archive.file(LOADER, &read(&loader(tree)?)?);
    // iptables loads its matches and targets by name.
    let extensions = format!("{LIBRARIES}/xtables");
    archive.directory(&extensions);
    for entry in fs::read_dir(find(tree, &[format!("usr/{extensions}"), extensions.clone()])?)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        archive.file(&format!("{extensions}/{name}"), &read(&path)?);
    }
    Ok(archive.finish())
}

/// The modules of a kernel that are `wanted`, with those that they need, to be unpacked over the system. `directory` is the
/// kernel's directory of modules, with depmod's lists.
pub(super) fn kernel_modules(directory: &Path, wanted: &[&str]) -> Result<Vec<u8>> {
    let dependencies = fs::read_to_string(directory.join("modules.dep")).context("modules.dep")?;
    let order = modules::closure(&dependencies, wanted)?;
    pack_modules(order.into_iter().map(|path| directory.join(path)))
}

/// The same for a kernel unpacked in `tree` without depmod's lists, and for modules that need no others.
pub(super) fn modules_alone(tree: &Path, wanted: &[&str]) -> Result<Vec<u8>> {
    let mut found = Vec::new();
    let mut waiting = vec![tree.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() && !path.is_symlink() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if path.to_str().is_some_and(|path| path.contains(".ko")) {
            found.push(path);
        }
    }
    let paths = wanted.iter().map(|name| {
        let path = found.iter().find(|path| modules::name(&path.to_string_lossy()) == *name);
        path.cloned().with_context(|| format!("the kernel has no module {name}"))
    });
    pack_modules(paths.collect::<Result<Vec<_>>>()?.into_iter())
}

/// Modules to be loaded in this order.
fn pack_modules(paths: impl Iterator<Item = PathBuf>) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    let mut order = String::new();
    for path in paths {
        let name = modules::name(&path.to_string_lossy());
        let content = match path.extension() {
            Some(extension) if extension == "xz" => command::output(Command::new("xz").arg("-dc").arg(&path))?.stdout,
            _ => read(&path)?,
        };
        archive.file(&format!("lib/modules/{name}.ko"), &content);
        order += &format!("/lib/modules/{name}.ko\n");
    }
    archive.file("lib/modules/order", order.as_bytes());
    Ok(archive.finish())
}

/// The libraries of `tree` that a program of `tree` is loaded with. The tree's own loader tells: it is as new as they are.
fn needed(tree: &Path, program: &Path) -> Result<Vec<PathBuf>> {
    let path = [tree.join(LIBRARIES), tree.join("usr").join(LIBRARIES)].map(|path| path.display().to_string());
    let mut list = Command::new(loader(tree)?);
    list.args(["--library-path", &path.join(":"), "--list"]).arg(program);
    let Ok(listed) = command::output(&mut list) else {
        // A static program is loaded with none.
        return Ok(Vec::new());
    };
    // `libpopt.so.0 => /.../libpopt.so.0 (0x00007f...)`
    let text = String::from_utf8(listed.stdout)?;
    text.lines()
        .filter_map(|line| line.split_once(" => ")?.1.split(" (").next())
        .map(|path| match Path::new(path) {
            path if path.starts_with(tree) => Ok(path.to_owned()),
            path => Err(anyhow!("{} needs {}, which is in no package", program.display(), path.display())),
        })
        .collect()
}

fn loader(tree: &Path) -> Result<PathBuf> {
    let loader = format!("{LIBRARIES}/ld-linux-x86-64.so.2");
    find(tree, &[loader.clone(), format!("usr/{loader}")])
}

/// The first of `paths` that is in `tree`.
fn find(tree: &Path, paths: &[impl AsRef<Path>]) -> Result<PathBuf> {
    let found = paths.iter().map(|path| tree.join(path)).find(|path| path.exists());
    found.with_context(|| format!("no package has {}", paths[0].as_ref().display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

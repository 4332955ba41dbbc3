//! Packages of Debian's archive, unpacked below a directory of ours: nothing is installed, and the machine's own package
//! lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A place for packages of certain suites.
pub(super) struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// Reads the lists of packages of `suites`, each an address and a suite's name. `directory` becomes a working place of
    /// apt's.
    pub(super) fn open(directory: &Path, suites: &[(&str, &str)]) -> Result<Self> {
        if workspace::program("apt-get").is_none() {
            bail!("the guest is made from Debian's packages, and there is no apt-get here");
        }
        if !Path::new(KEYS).exists() {
            bail!(
                "the guest is made from Debian's packages, and their keys are not in {KEYS} (package debian-archive-keyring)"
            );
        }
        for part in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let sources = suites.iter().map(|(address, suite)| format!("deb [signed-by={KEYS}] {address} {suite} main\n"));
        fs::write(directory.join("sources.list"), sources.collect::<String>())?;
        fs::write(directory.join("status"), "")?;
        let archive = Self { directory: directory.to_owned() };
        command::output(archive.apt("apt-get").arg("update"))
            .context("the lists of Debian's packages cannot be had")?;
        Ok(archive)
    }

    /// Downloads the newest versions of `packages`, and of those that they depend on, and unpacks them into `tree`.
    /// Returns the names of the packages' files, which name their versions.
    pub(super) fn unpack(&self, packages: &[&str], tree: &Path) -> Result<Vec<String>> {
        let mut install = self.apt("apt-get");
        install.args(["install", "--yes", "--download-only", "--no-install-recommends"]).args(packages);
        command::output(&mut install).with_context(|| format!("{} cannot be downloaded", packages.join(", ")))?;
        self.unpack_downloaded(tree)
    }

    fn unpack_downloaded(&self, tree: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory.join("archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                command::output(Command::new("dpkg").arg("-x").arg(&path).arg(tree))?;
                names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
                fs::remove_file(&path)?;
            }
        }
        names.sort();
        Ok(names)
    }

    /// The names of packages that begin so.
    pub(super) fn names(&self, beginning: &str) -> Result<Vec<String>> {
        let listed = command::output(self.apt("apt-cache").args(["pkgnames", beginning]))?;
        Ok(String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect())
    }

    /// Downloads the newest version of one package and unpacks it into `tree`.
    pub(super) fn unpack_alone(&self, package: &str, tree: &Path) -> Result<()> {
        let archives = self.directory.join("archives");
        let mut download = self.apt("apt-get");
        download.current_dir(&archives).args(["download", package]);
        command::output(&mut download).with_context(|| format!("{package} cannot be downloaded"))?;
        self.unpack_downloaded(tree).map(drop)
    }

    /// apt with all its places in our directory, and a machine on which nothing is installed. It needs no root.
    fn apt(&self, program: &str) -> Command {
        let place = |name: &str| self.directory.join(name).display().to_string();
        let options = [
            format!("Dir::Etc::SourceList={}", place("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State={}", place("")),
            format!("Dir::State::Lists={}", place("lists")),
            format!("Dir::State::Status={}", place("status")),
            format!("Dir::Cache={}", place("")),
            format!("Dir::Cache::Archives={}", place("archives")),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=2".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Sandbox::User=".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "Debug::NoLocking=true".to_owned(),
        ];
        let mut apt = Command::new(program);
        apt.arg("--quiet=2").args(options.iter().flat_map(|option| ["-o", option.as_str()]));
        apt.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        apt
    }
}

//! `lvx` without a lab: what needs no network and no daemon.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use xtask::{command, workspace};

use crate::network::director::Ran;

/// Nobody's user and group.
const NOBODY: u32 = 65534;

/// A directory with `lvx` under all its names, where no daemon listens.
#[derive(Debug)]
pub struct Program {
    directory: TempDir,
}

impl Program {
    /// Links to the binary.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for name in ["lvx", "ipvsadm", "ipvsadm-save", "ipvsadm-restore"] {
            symlink(workspace::lvx(), directory.path().join(name))?;
        }
        Ok(Self { directory })
    }

    /// A file here.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a command line here.
    pub fn sh(&self, line: &str) -> Result<Ran> {
        run(self.command(line))
    }

    /// Runs a command line here as a user without any rights.
    pub fn sh_as_nobody(&self, line: &str) -> Result<Ran> {
        // The build directory may be closed to others. It is not us who write the copy: a child that another thread
        // starts meanwhile would inherit the open file, and a program that is being written cannot be run.
        let copy = self.path("lvx");
        std::fs::remove_file(&copy)?;
        command::run(Command::new("cp").arg(workspace::lvx()).arg(copy))?;
        std::fs::set_permissions(self.directory.path(), std::fs::Permissions::from_mode(0o777))?;
        let mut command = self.command(line);
        command.uid(NOBODY).gid(NOBODY);
        run(command)
    }

    fn command(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.directory.path());
        shell.env("PATH", workspace::path(&[self.directory.path().to_owned()]));
        shell.env("LVX_SOCKET", Path::new("lvx.sock")).env("LVX_STATE_DIR", "state").stdin(Stdio::null());
        shell
    }
}

fn run(mut command: Command) -> Result<Ran> {
    let output = command.output()?;
    Ok(Ran {
        status: output.status.code().with_context(|| output.status.to_string())?,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

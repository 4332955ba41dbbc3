//! The samples of Debian's keepalived, which `lvx import` is tested with. The program itself is not run.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{Step, packages};
use crate::workspace;

/// Where the samples are, once the machine is set up.
pub fn keepalived_samples() -> PathBuf {
    directory().join("usr/share/doc/keepalived/samples")
}

fn directory() -> PathBuf {
    workspace::target().join("keepalived")
}

/// Makes sure of the samples.
pub(super) fn ensure() -> Result<Step> {
    if keepalived_samples().is_dir() {
        return Ok(Step::Ready("keepalived's samples".to_owned()));
    }
    if workspace::program("apt-get").is_none() {
        bail!("missing: the samples of keepalived's source (doc/samples) in {}", keepalived_samples().display());
    }
    packages::unpack("keepalived", &directory())?;
    Ok(Step::Done("keepalived's samples".to_owned()))
}

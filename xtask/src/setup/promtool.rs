//! Prometheus' promtool, taken out of Debian's package of Prometheus: installed, that would start a server with the
//! machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Step, packages};
use crate::workspace;

/// Where the program is, once the machine is set up: the machine's own, or the one below the target directory.
pub fn promtool() -> PathBuf {
    workspace::program("promtool").unwrap_or_else(unpacked)
}

fn unpacked() -> PathBuf {
    workspace::target().join("promtool/promtool")
}

/// Makes sure of the program.
pub(super) fn ensure() -> Result<Step> {
    if promtool().is_file() {
        return Ok(Step::Ready("promtool".to_owned()));
    }
    let place = unpacked();
    if workspace::program("apt-get").is_none() {
        bail!("missing: promtool; install Prometheus, or put the program at {}", place.display());
    }
    take_out(&place)?;
    Ok(Step::Done("promtool".to_owned()))
}

fn take_out(place: &Path) -> Result<()> {
    let directory = place.parent().context("promtool has no directory")?;
    let tree = directory.join("package");
    packages::unpack("prometheus", &tree)?;
    std::fs::rename(tree.join("usr/bin/promtool"), place).context("the package prometheus has no promtool")?;
    std::fs::remove_dir_all(&tree).with_context(|| tree.display().to_string())
}

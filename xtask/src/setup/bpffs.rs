//! The BPF file system, where programs and maps are pinned.

use anyhow::{Context, Result};

use super::Step;
use crate::{command, privilege};

/// Where it belongs.
const PATH: &str = "/sys/fs/bpf";

/// Makes sure that it is mounted.
pub(super) fn ensure() -> Result<Step> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    if is_mounted(&mounts) {
        return Ok(Step::Ready(format!("bpffs: {PATH}")));
    }
    command::output(privilege::command("mount")?.args(["-t", "bpf", "bpf", PATH]))
        .with_context(|| format!("bpffs cannot be mounted at {PATH}"))?;
    Ok(Step::Done(format!("bpffs: {PATH}")))
}

fn is_mounted(mounts: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq([PATH, "bpf"]))
}

#[cfg(test)]
mod tests {
    use super::is_mounted;

    #[test]
    fn sees_only_a_bpffs_in_its_place() {
        assert!(is_mounted("proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw,mode=700 0 0\n"));
        assert!(!is_mounted("sysfs /sys sysfs rw 0 0\nbpf /mnt/bpf bpf rw 0 0\n"));
    }
}

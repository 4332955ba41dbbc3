//! LVX on the director.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::lab::Lab;
use crate::wait;

/// Time to load the packet program and to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts `lvx run` on the director and waits until it answers; gives its process id.
pub(super) fn start(lab: &Lab, config: Option<&Path>) -> Result<u32> {
    let directory = lab.directory();
    let log = File::create(log(lab))?;
    let mut command = lab.command("d", "lvx")?;
    command.args(["run", "--interface", "eth0", "--socket"]).arg(lab.socket());
    // A daemon with a config file starts from that file alone.
    command.arg("--state-dir").arg(directory.join(if config.is_some() { "state-config" } else { "state" }));
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let process = lab.spawn(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))?;
    wait::until("lvx answers", LIMIT, || {
        if !lab.is_running(process)? {
            bail!("lvx ended");
        }
        let mut status = lab.command("d", "lvx")?;
        Ok(status.arg("status").stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
    })?;
    Ok(process)
}

/// What the daemon says goes here.
pub(super) fn log(lab: &Lab) -> PathBuf {
    lab.directory().join("lvx.log")
}

/// How many mark rules are in force.
pub(super) fn mark_rules(lab: &Lab) -> Result<usize> {
    Ok(status(lab)?.get("mark_rules").and_then(Value::as_array).map_or(0, Vec::len))
}

/// Whether health checks say that a real server is up.
pub(super) fn is_up(lab: &Lab, address: &str) -> Result<bool> {
    let status = status(lab)?;
    let services = status.get("services").and_then(Value::as_array).into_iter().flatten();
    let mut servers = services.filter_map(|service| service.get("servers")?.as_array()).flatten();
    Ok(servers.any(|entry| {
        entry.pointer("/server/address").and_then(Value::as_str) == Some(address)
            && entry.pointer("/health/state").and_then(Value::as_str) == Some("up")
    }))
}

fn status(lab: &Lab) -> Result<Value> {
    let output = lab.run("d", &["lvx", "status", "--json"])?;
    serde_json::from_slice(&output.stdout).context("lvx status --json")
}

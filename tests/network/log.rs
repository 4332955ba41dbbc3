//! The log: each change once, with its reason; for machines as JSON.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::lab::Arms;

use super::director::Director;
use super::setup::Setup;

const CONFIG: &str = r#"
[log]
format = "text"

[defaults.health]
interval = "200ms"
timeout = "300ms"

[[service]]
tcp = "172.16.100.1:80"
scheduler = "rr"
health = true

[[service.real_server]]
address = "172.16.100.10"
"#;

const LIMIT: Duration = Duration::from_secs(10);

/// The lines of the log, as objects.
fn lines(director: &Director) -> Result<Vec<Value>> {
    director.log().lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// The lines with this message; each must have the time and the level.
fn told(director: &Director, message: &str) -> Result<Vec<Value>> {
    let mut lines = lines(director)?;
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{lines:?}");
    lines.retain(|line| line["message"] == message);
    Ok(lines)
}

#[test]
fn each_change_is_one_line_that_a_machine_can_read() -> Result<()> {
    let arguments = ["--interface", "eth0", "--log-format", "json"];
    let director = Setup::new(Arms::One).config(CONFIG).arguments(&arguments).up()?;
    let once = |message: &str, fields: &[(&str, &str)]| -> Result<()> {
        let found = told(&director, message)?;
        assert_eq!(found.len(), 1, "{message}: {found:?}\n{}", director.log());
        for (field, value) in fields {
            assert_eq!(found[0][field], **value, "{message}");
        }
        Ok(())
    };
    director.until("the check has failed", LIMIT, |_| Ok(!told(&director, "real server is down")?.is_empty()))?;
    let down = [("service", "TCP 172.16.100.1:80"), ("server", "172.16.100.10:80"), ("reason", "connection refused")];
    once("real server is down", &down)?;
    director.nginx(["r1"], &[80])?;
    director.until("it is well", LIMIT, |_| Ok(!told(&director, "real server is well again")?.is_empty()))?;
    once("real server is well again", &[("detail", "connected")])?;

    director.does(&[
        "ipvsadm -A -u [2001:db8:100::1]:53 -s rr",
        "ipvsadm -a -u [2001:db8:100::1]:53 -r 2001:db8:100::10 -g -w 3",
        "ipvsadm -e -u [2001:db8:100::1]:53 -r 2001:db8:100::10 -g -w 0",
        "ipvsadm -e -u [2001:db8:100::1]:53 -r 2001:db8:100::10 -g -w 0",
        "ipvsadm -E -u [2001:db8:100::1]:53 -s wrr -p 60",
        "ipvsadm -d -u [2001:db8:100::1]:53 -r 2001:db8:100::10",
        "ipvsadm -D -u [2001:db8:100::1]:53",
        "ipvsadm --set 100 0 0",
    ])?;
    let service = ("service", "UDP [2001:db8:100::1]:53");
    let (server, by) = (("server", "[2001:db8:100::10]:53"), ("by", "command"));
    once("service added", &[service, by, ("options", "scheduler rr")])?;
    once("real server added", &[service, server, by, ("options", "weight 3")])?;
    once("real server changed", &[service, server, by, ("options", "weight 3 -> 0")])?;
    once("service changed", &[service, by, ("options", "scheduler rr -> wrr, persistent none -> 60")])?;
    once("real server removed", &[service, server, by])?;
    once("service removed", &[service, by])?;
    once("settings changed", &[("options", "tcp 900 -> 100"), by])?;
    once("services of the config file", &[])?;

    // An hour's worth of packets for a service without servers is one line.
    director.does(&["ipvsadm -A -t 172.16.100.1:81 -s rr"])?;
    for &client in &director.clients(false)[..5] {
        director.lab.visit(client, 81)?;
    }
    director.until("packets are refused", LIMIT, |_| Ok(!told(&director, "packets are not forwarded")?.is_empty()))?;
    once("packets are not forwarded", &[("reason", "no_real_server"), ("level", "WARN")])?;

    director.does(&["ip link set eth0 down"])?;
    director.until("the link is down", LIMIT, |_| Ok(!told(&director, "the interface is down")?.is_empty()))?;
    once("the interface is down", &[("interface", "eth0")])?;
    assert_eq!(director.end(15)?, Some(0));
    once("stopping", &[])?;
    Ok(())
}

#[test]
fn text_has_no_colours_where_nobody_sees_them() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    let log = director.log();
    assert!(log.contains("INFO balancing interfaces=\"eth0\"") && !log.contains('\u{1b}'), "{log}");
    assert!(!director.does(&["lvx status"])?.contains('\u{1b}'));
    director.until("the server is down", LIMIT, |_| Ok(director.does(&["lvx status"])?.contains("DOWN")))?;
    // `script` gives it a terminal.
    let seen = director.does(&["script -qec 'lvx status' /dev/null"])?;
    assert!(seen.contains("\u{1b}[31mDOWN\u{1b}[0m"), "{seen}");
    let plain = director.does(&["NO_COLOR=1 script -qec 'lvx status' /dev/null"])?;
    assert!(plain.contains("TCP 172.16.100.1:80") && !plain.contains('\u{1b}'), "{plain}");
    Ok(())
}

//! What Prometheus reads of a running `lvx`.

use anyhow::{Context as _, Result};
use xtask::lab::Arms;
use xtask::setup::promtool;
use xtask::workspace;

use super::director::Director;
use super::setup::Setup;

const CONFIG: &str = r#"
[metrics]
listen = "127.0.0.1:9100"

[defaults.health]
interval = "200ms"
timeout = "300ms"

[[service]]
tcp = "172.16.100.1:80"
scheduler = "rr"
persistent = 300
health = { type = "http", path = "/" }

[[service.real_server]]
address = "172.16.100.10"

[[service.real_server]]
address = "172.16.100.11"

[[service]]
tcp = "[2001:db8:100::1]:80"
scheduler = "rr"
health = true

[[service.real_server]]
address = "2001:db8:100::10"

[[service]]
mark = 8
health = false

[[service.real_server]]
address = "172.16.100.20"
"#;

/// The value of a line that begins with these words.
fn value(page: &str, series: &str) -> Result<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {series} in\n{page}"))?.parse()?)
}

/// Runs promtool on the director; it must have nothing to say against what it gets.
fn promtool_agrees(director: &Director, line: &str) -> Result<()> {
    let ran = director.sh(line)?;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}: {ran:?}");
    Ok(())
}

#[test]
fn prometheus_takes_what_lvx_counts_and_the_numbers_are_true() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    director.nginx(["r1"], &[80])?;
    for v6 in [false, true] {
        for &client in &director.clients(v6)[..3] {
            director.lab.visit(client, 80)?;
        }
    }
    let down = r#"lvx_server_down{service="TCP 172.16.100.1:80",server="172.16.100.11:80",reason="refused"}"#;
    director.until("a server is down", std::time::Duration::from_secs(5), |_| {
        Ok(director.does(&["lvx metrics"])?.contains(down))
    })?;
    for &client in &director.clients(false)[..4] {
        director.lab.visit(client, 80)?;
    }

    let promtool = promtool();
    assert!(promtool.is_file(), "promtool is missing: cargo xtask setup");
    let promtool = promtool.display();
    promtool_agrees(&director, &format!("lvx metrics | {promtool} check metrics"))?;
    promtool_agrees(&director, &format!("lvx metrics --services-only | {promtool} check metrics"))?;
    let fetch = "curl --silent --fail http://127.0.0.1:9100/metrics";
    promtool_agrees(&director, &format!("{fetch} | {promtool} check metrics"))?;

    let page = director.does(&[fetch])?;
    let server = r#"service="TCP 172.16.100.1:80",server="172.16.100.10:80""#;
    assert!(value(&page, &format!("lvx_server_connections_total{{{server}}}"))? >= 4.0);
    assert!(value(&page, &format!("lvx_server_handshakes_confirmed_total{{{server}}}"))? >= 4.0);
    assert!(value(&page, &format!("lvx_server_templates{{{server}}}"))? >= 1.0);
    assert!(value(&page, &format!("lvx_server_check_duration_seconds_count{{{server}}}"))? >= 2.0);
    assert!(value(&page, &format!("lvx_server_check_last_duration_seconds{{{server}}}"))? < 0.3);
    assert_eq!(value(&page, &format!("lvx_server_up{{{server}}}"))?, 1.0);
    assert_eq!(value(&page, "lvx_service_real_servers_usable{service=\"TCP 172.16.100.1:80\"}")?, 1.0);
    assert!(value(&page, "lvx_service_packets_total{service=\"TCP [2001:db8:100::1]:80\"}")? >= 9.0);
    assert_eq!(value(&page, "lvx_service_real_servers{service=\"FWM 8\"}")?, 1.0);
    assert_eq!(value(&page, "lvx_interface_up{interface=\"eth0\"}")?, 1.0);
    let short = director.does(&[&format!("{fetch}?detail=services")])?;
    assert!(short.contains("lvx_service_packets_total{") && !short.contains("lvx_server_"), "{short}");

    for (request, status) in [("/", "404"), ("/metrics -X POST", "405")] {
        let asked =
            format!("curl --silent --output /dev/null --write-out '%{{http_code}}' http://127.0.0.1:9100{request}");
        assert_eq!(director.does(&[&asked])?, status, "{request}");
    }
    Ok(())
}

#[test]
fn nothing_listens_unless_the_config_says_so() -> Result<()> {
    let director = Director::one_arm()?;
    assert_eq!(director.does(&["ss -H -ltn"])?, "");
    director.does(&["lvx metrics"])?;
    Ok(())
}

#[test]
fn an_address_that_cannot_be_is_said_at_the_start() -> Result<()> {
    let director = Setup::new(Arms::One).config("[metrics]\nlisten = \"192.0.2.77:9100\"\n").stopped()?;
    let file = director.config().display().to_string();
    let ran = director.sh(&format!("lvx run --interface eth0 --config {file} --state-dir $(dirname {file})/state"))?;
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("cannot listen for metrics on 192.0.2.77:9100"), "{ran:?}");
    assert!(!director.does(&["ip link"])?.contains("xdp"));
    Ok(())
}

#[test]
fn the_alert_rules_are_rules() -> Result<()> {
    let rules = workspace::root().join("docs/alerts.yml");
    let mut check = std::process::Command::new(promtool());
    xtask::command::output(check.args(["check", "rules"]).arg(rules))?;
    Ok(())
}

//! A check asks a real server for the VIP itself, by the MAC address that clients' packets go to: one without it is out.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lb_user::api::{Health, ServerEntry, Status};
use lb_user::health::Via;
use lb_user::model::ServiceId;
use xtask::lab::Arms;
use xtask::wait;

use super::arrivals::Arrivals;
use super::director::Director;
use super::setup::Setup;

const LIMIT: Duration = Duration::from_secs(10);

/// Port 80 is asked for the VIP, port 81 at the real servers' addresses.
const CONFIG: &str = r#"
[defaults.health]
interval = "100ms"
timeout = "300ms"

[[service]]
tcp = "172.16.100.1:80"
scheduler = "rr"
health = { type = "http", path = "/alive" }
real_server = [{ address = "172.16.100.10" }, { address = "172.16.100.11" }]

[[service]]
tcp = "172.16.100.1:81"
scheduler = "rr"
health = { via = "address" }
real_server = [{ address = "172.16.100.10" }, { address = "172.16.100.11" }]

[[service]]
tcp = "[2001:db8:100::1]:80"
scheduler = "rr"
health = true
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]

[[service]]
tcp = "[2001:db8:100::1]:81"
scheduler = "rr"
health = { via = "address" }
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]
"#;

/// What is different in an address family.
struct Side {
    vip: &'static str,
    servers: [&'static str; 2],
    lo: &'static str,
    forward: &'static str,
    v6: bool,
}

const SIDES: [Side; 2] = [
    Side {
        vip: "172.16.100.1",
        servers: ["172.16.100.10", "172.16.100.11"],
        lo: "172.16.100.1/32 dev lo",
        forward: "net.ipv4.ip_forward",
        v6: false,
    },
    Side {
        vip: "2001:db8:100::1",
        servers: ["2001:db8:100::10", "2001:db8:100::11"],
        lo: "2001:db8:100::1/128 dev lo",
        forward: "net.ipv6.conf.all.forwarding",
        v6: true,
    },
];

/// What the status says of a server of the service with this VIP and port.
fn find(status: &Status, vip: &str, port: u16, server: &str) -> Result<ServerEntry> {
    let (vip, server): (IpAddr, IpAddr) = (vip.parse()?, server.parse()?);
    let of = |id: ServiceId| matches!(id, ServiceId::Address { vip: its, port: its_port, .. } if its == vip && its_port == port);
    let service = status.services.iter().find(|entry| of(entry.service.id)).context("no such service")?;
    let found = service.servers.iter().find(|entry| entry.server.address == server);
    Ok(found.context("no such server")?.clone())
}

fn becomes(director: &Director, side: &Side, server: usize, wanted: &Health) -> Result<()> {
    let address = side.servers[server];
    let what = format!("{address} becomes {wanted:?}");
    director.until(&what, LIMIT, |status| Ok(find(status, side.vip, 80, address)?.health == *wanted)).map(drop)
}

fn up(side: &Side) -> Health {
    Health::Up { detail: if side.v6 { "connected" } else { "status 200" }.to_owned() }
}

fn missing(side: &Side) -> Health {
    Health::Down { reason: format!("no answer within 300ms; is {} on its lo?", side.vip) }
}

/// Who answers four new clients.
fn answers(director: &Director, side: &Side) -> Result<Vec<String>> {
    let mut answers = Vec::new();
    for &client in &director.clients(side.v6)[..4] {
        answers.push(director.lab.visit(client, 80)?.to_string());
    }
    answers.sort();
    answers.dedup();
    Ok(answers)
}

fn a_server_without_the_vip_is_out(arms: Arms) -> Result<()> {
    let director = Setup::new(arms).config(CONFIG).up()?;
    director.nginx(["r1", "r2"], &[80, 81])?;
    for side in &SIDES {
        becomes(&director, side, 0, &up(side))?;
        becomes(&director, side, 1, &up(side))?;
        assert_eq!(answers(&director, side)?, ["r1", "r2"]);
        let status = director.status()?;
        let asked = |port| find(&status, side.vip, port, side.servers[0]).map(|entry| entry.asked);
        assert_eq!((asked(80)?, asked(81)?), (Some(Via::Vip), Some(Via::Address)));

        let on_r1 = |line: &str| -> Result<()> {
            let ran = director.sh_on("r1", line)?;
            ensure!(ran.status == 0, "{line}: {ran:?}");
            Ok(())
        };
        on_r1(&format!("ip addr del {}", side.lo))?;
        becomes(&director, side, 0, &missing(side))?;
        assert_eq!(answers(&director, side)?, ["r2"]);
        let status = director.status()?;
        let other = find(&status, side.vip, 81, side.servers[0])?;
        assert_eq!(other.health, Health::Up { detail: "connected".to_owned() }, "its own address answers");
        assert_eq!(find(&status, side.vip, 80, side.servers[1])?.health, up(side), "its colleague has the VIP");
        let shown = director.does(&["lvx status"])?;
        let line = format!("DOWN (no answer within 300ms; is {} on its lo?) via vip", side.vip);
        assert!(shown.contains(&line) && shown.contains("via address"), "{shown}");

        // It would send the VIP's packets back to the director, who must not give them to r2.
        on_r1(&format!("sysctl -qw {}=1", side.forward))?;
        let arrivals = Arrivals::at(&director, "r1", side.vip)?;
        wait::until("more checks ask r1", LIMIT, || Ok(arrivals.count()? > 10))?;
        // The director's own time exceeded may come back too.
        let hint = format!("; is {} on its lo?", side.vip);
        let health = find(&director.status()?, side.vip, 80, side.servers[0])?.health;
        assert!(matches!(&health, Health::Down { reason } if reason.ends_with(&hint)), "{health:?}");

        on_r1(&format!("ip addr add {}{}", side.lo, if side.v6 { " nodad preferred_lft 0" } else { "" }))?;
        becomes(&director, side, 0, &up(side))?;
        assert_eq!(answers(&director, side)?, ["r1", "r2"]);
    }
    director.end(libc::SIGTERM)?;
    wait::until("the leg is gone", LIMIT, || Ok(!director.sh("ip -o link")?.stdout.contains("lvx0")))?;
    Ok(())
}

#[test]
fn a_server_without_the_vip_is_out_on_one_lan() -> Result<()> {
    a_server_without_the_vip_is_out(Arms::One)
}

#[test]
fn a_server_without_the_vip_is_out_where_answers_come_in_by_another_interface() -> Result<()> {
    a_server_without_the_vip_is_out(Arms::Two)
}

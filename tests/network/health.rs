//! LVX' own health checks take real servers out and put them back, and say why.

use std::time::Duration;

use anyhow::Result;
use lb_user::api::Health;
use xtask::lab::{Answer, Arms, NginxSpec};

use super::director::{Director, find_server};
use super::echo::Echo;
use super::setup::Setup;

const LIMIT: Duration = Duration::from_secs(5);

const CONFIG: &str = r#"
[defaults.health]
interval = "200ms"
timeout = "300ms"

[[service]]
tcp = "172.16.100.1:80"
scheduler = "rr"
health = { type = "http", path = "/alive", status = "200-299" }

[[service.real_server]]
address = "172.16.100.10"

[[service.real_server]]
address = "172.16.100.11"

[[service]]
tcp = "[2001:db8:100::1]:25"
scheduler = "rr"
health = { via = "address" }

[[service.real_server]]
address = "2001:db8:100::10"

[[service.real_server]]
address = "2001:db8:100::11"
"#;

/// Waits until a check says this of a server.
fn becomes(director: &Director, address: &str, health: &Health) -> Result<()> {
    let what = format!("{address} becomes {health:?}");
    director.until(&what, LIMIT, |status| Ok(find_server(status, address)?.health == *health)).map(drop)
}

fn up(detail: &str) -> Health {
    Health::Up { detail: detail.to_owned() }
}

fn down(reason: &str) -> Health {
    Health::Down { reason: reason.to_owned() }
}

/// Who answers two new clients.
fn answers(director: &Director, v6: bool, port: u16) -> Result<Vec<String>> {
    let clients = director.clients(v6);
    let mut answers = Vec::new();
    for &client in &clients[..4] {
        answers.push(director.lab.visit(client, port)?.to_string());
    }
    answers.sort();
    answers.dedup();
    Ok(answers)
}

#[test]
fn a_failing_server_is_out_until_it_is_well_and_the_status_says_why() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    let [web] = director.nginx(["r1"], &[80])?;
    let mail = Echo::start(&director.lab, "r1", &["2001:db8:100::10"], &[25])?;
    director.nginx(["r2"], &[80, 25])?;
    becomes(&director, "172.16.100.10", &up("status 200"))?;
    becomes(&director, "172.16.100.11", &up("status 200"))?;
    becomes(&director, "2001:db8:100::10", &up("connected"))?;
    assert_eq!(answers(&director, false, 80)?, ["r1", "r2"]);

    director.lab.stop(web)?;
    becomes(&director, "172.16.100.10", &down("connection refused"))?;
    assert_eq!(answers(&director, false, 80)?, ["r2"]);
    let web = director.lab.nginx("r1", &NginxSpec { ports: vec![80], status: 503 })?;
    becomes(&director, "172.16.100.10", &down("status 503, expected 200-299"))?;
    assert_eq!(answers(&director, false, 80)?, ["r2"]);
    let shown = director.does(&["lvx status"])?;
    assert!(shown.contains("DOWN (status 503, expected 200-299)"), "{shown}");
    director.lab.stop(web)?;
    director.nginx(["r1"], &[80])?;
    becomes(&director, "172.16.100.10", &up("status 200"))?;
    assert_eq!(answers(&director, false, 80)?, ["r1", "r2"]);

    mail.end()?;
    becomes(&director, "2001:db8:100::10", &down("connection refused"))?;
    assert_eq!(answers(&director, true, 25)?, ["r2"]);
    director.sh_on("r2", "ip link set eth0 down")?;
    becomes(&director, "2001:db8:100::11", &down("no answer within 300ms"))?;
    assert_eq!(director.lab.visit(director.clients(true)[0], 25)?, Answer::Refused, "nobody is left");
    director.sh_on("r2", "ip link set eth0 up && ip addr replace 2001:db8:100::11/64 dev eth0 nodad")?;
    becomes(&director, "2001:db8:100::11", &up("connected"))?;
    assert_eq!(answers(&director, true, 25)?, ["r2"]);
    Ok(())
}

#[test]
fn commands_by_hand_and_health_checks_get_along() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    let [web] = director.nginx(["r1"], &[80])?;
    director.nginx(["r2"], &[80])?;
    becomes(&director, "172.16.100.11", &up("status 200"))?;
    director.lab.stop(web)?;
    becomes(&director, "172.16.100.10", &down("connection refused"))?;

    let listed = director.does(&["ipvsadm -Ln"])?;
    assert!(!listed.contains("172.16.100.10:80"), "a server that is out is not listed:\n{listed}");
    let saved = director.does(&["ipvsadm -Sn"])?;
    assert!(saved.contains("-a -t 172.16.100.1:80 -r 172.16.100.10:80 -g -w 1"), "it is configured:\n{saved}");

    let again = director.sh("ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g")?;
    assert_eq!((again.status, again.stderr.as_str()), (255, "Destination already exists\n"));
    director.does(&["ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -g -w 5"])?;
    assert_eq!(director.server("172.16.100.10")?.health, down("connection refused"), "a new weight heals nobody");
    assert_eq!(answers(&director, false, 80)?, ["r2"]);

    director.does(&["ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10"])?;
    assert!(director.server("172.16.100.10").is_err());
    let removed = director.sh("ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10")?;
    assert_eq!((removed.status, removed.stderr.as_str()), (255, "No such destination\n"));
    director.does(&["ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g -w 3"])?;
    becomes(&director, "172.16.100.10", &down("connection refused"))?;
    assert_eq!(answers(&director, false, 80)?, ["r2"]);

    director.nginx(["r1"], &[80])?;
    becomes(&director, "172.16.100.10", &up("status 200"))?;
    assert_eq!(director.server("172.16.100.10")?.server.weight, 3, "the weight of the last command");
    assert_eq!(answers(&director, false, 80)?, ["r1", "r2"]);
    Ok(())
}

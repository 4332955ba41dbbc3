//! The passive signal: a server whose answers do not reach clients, while it answers all that the director asks.

use std::time::Duration;

use anyhow::Result;
use lb_user::api::{Handshakes, Health};
use xtask::lab::{Answer, Arms};

use super::director::{Director, find_server};
use super::setup::Setup;

const CONFIG: &str = r#"
[defaults.health]
interval = "200ms"
timeout = "300ms"
passive = { min_connections = 5, hold = "20s" }

[[service]]
tcp = "172.16.100.1:80"
scheduler = "rr"
health = true

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

[[service.real_server]]
address = "2001:db8:100::11"
"#;

/// The hold, and the time to notice.
const LIMIT: Duration = Duration::from_secs(40);

/// Forty clients at once.
fn crowd(director: &Director) -> Result<()> {
    let visit = |vip: &str| format!("for i in $(seq 20); do curl -s -g -m 2 -o /dev/null http://{vip}/ & done; wait");
    director.sh_on("c1", &visit("172.16.100.1"))?;
    director.sh_on("c1", &visit("[2001:db8:100::1]"))?;
    Ok(())
}

fn health(director: &Director, address: &str) -> Result<Health> {
    Ok(director.server(address)?.health)
}

#[test]
fn a_server_whose_answers_are_lost_is_out_while_its_check_is_good() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    director.nginx(["r1", "r2"], &[80])?;
    crowd(&director)?;
    let servers = ["172.16.100.10", "2001:db8:100::10"];
    for server in servers {
        let Handshakes { begun, confirmed, retransmitted } = director.server(server)?.handshakes;
        assert_eq!((begun, confirmed, retransmitted), (10, 10, 0), "{server}");
        assert!(matches!(health(&director, server)?, Health::Up { .. }));
    }
    // The director's own questions are answered, clients' are not.
    for (tables, director_address) in [("iptables", "172.16.100.2"), ("ip6tables", "2001:db8:100::2")] {
        let rule = format!("{tables} -w -A OUTPUT -p tcp --sport 80 ! -d {director_address} -j DROP");
        assert_eq!(director.sh_on("r1", &rule)?.status, 0, "{rule}");
    }
    // By now what was good is not in the window any more, or these are more than it.
    crowd(&director)?;
    crowd(&director)?;
    for server in servers {
        director.until("the server is out", LIMIT, |status| {
            let Health::Down { reason } = find_server(status, server)?.health else { return Ok(false) };
            Ok(reason.starts_with("only ") && reason.ends_with(" connections got past the SYN within 10s"))
        })?;
        let Handshakes { begun, confirmed, retransmitted } = director.server(server)?.handshakes;
        assert!(confirmed < begun && retransmitted > 0, "{begun} begun, {confirmed} confirmed, {retransmitted} again");
    }
    for v6 in [false, true] {
        for &client in &director.clients(v6)[..4] {
            assert_eq!(director.lab.visit(client, 80)?, Answer::from("r2"));
        }
    }
    for tables in ["iptables", "ip6tables"] {
        assert_eq!(director.sh_on("r1", &format!("{tables} -w -F OUTPUT"))?.status, 0);
    }
    for server in servers {
        director.until("the server is back", LIMIT, |status| {
            Ok(matches!(find_server(status, server)?.health, Health::Up { .. }))
        })?;
    }
    crowd(&director)?;
    for server in servers {
        assert!(matches!(health(&director, server)?, Health::Up { .. }), "{server}");
    }
    let log = director.log();
    for words in ["real server is down", "real server is well again"] {
        assert_eq!(log.matches(words).count(), 2, "{words}, once a server:\n{log}");
    }
    Ok(())
}

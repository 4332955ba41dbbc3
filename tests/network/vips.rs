//! `[[vip]]`: addresses come, are announced, move, come back and go.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lb_user::api::{VipState, VipStatus};
use xtask::lab::{Arms, VIPS};
use xtask::wait;

use super::director::Director;
use super::setup::Setup;

const LIMIT: Duration = Duration::from_secs(5);

/// What curl ends with when a host is there and does not listen.
const CONNECTION_REFUSED: i32 = 7;

/// Addresses that nobody of the lab has.
const MOVING: [&str; 2] = ["172.16.100.5", "2001:db8:100::5"];

const CONFIG: &str = r#"
[[vip]]
address = "172.16.100.5"

[[vip]]
address = "2001:db8:100::5"
"#;

/// What `ip -o addr` of the director says of an address; empty where it does not have it.
fn on_director(director: &Director, address: &str) -> Result<String> {
    director.does(&[&format!("ip -o addr show to {address}")])
}

fn mac(director: &Director, host: &str) -> Result<String> {
    let link = director.sh_on(host, "ip -br link show eth0")?.stdout;
    Ok(link.split_whitespace().nth(2).with_context(|| format!("no MAC address in {link}"))?.to_owned())
}

/// Waits until a client's neighbour table, which nobody asks, has this MAC address for an address.
fn known_at(director: &Director, address: &str, mac: &str) -> Result<()> {
    wait::until(&format!("c1 knows {address} at {mac}"), LIMIT, || {
        Ok(director.sh_on("c1", &format!("ip neigh show {address} dev eth0"))?.stdout.contains(mac))
    })?;
    Ok(())
}

fn vip(director: &Director, address: &str) -> Result<VipStatus> {
    let vips = director.status()?.vips;
    vips.into_iter().find(|vip| vip.address.to_string() == address).with_context(|| format!("no {address}"))
}

fn becomes(director: &Director, address: &str, state: &VipState) -> Result<()> {
    let what = format!("{address} becomes {state:?}");
    director.until(&what, LIMIT, |status| {
        Ok(status.vips.iter().any(|vip| vip.address.to_string() == address && vip.state == *state))
    })?;
    Ok(())
}

#[test]
fn an_address_that_moves_to_lvx_is_known_to_the_neighbours_at_once() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).stopped()?;
    let (old, new) = (mac(&director, "r4")?, mac(&director, "d")?);
    assert_ne!(old, new);
    for (address, length, url) in [(MOVING[0], "32", MOVING[0]), (MOVING[1], "128 nodad", "[2001:db8:100::5]")] {
        let put = director.sh_on("r4", &format!("ip addr add {address}/{length} dev eth0"))?;
        ensure!(put.status == 0, "{put:?}");
        wait::until(&format!("c1 has talked to {address}"), 4 * LIMIT, || {
            let asked = director.sh_on("c1", &format!("curl --silent --max-time 4 http://{url}/"))?;
            Ok(asked.status == CONNECTION_REFUSED)
        })?;
        known_at(&director, address, &old)?;
        // As if it had died: nobody tells the clients.
        let taken = director.sh_on("r4", &format!("ip addr del {address} dev eth0"))?;
        ensure!(taken.status == 0, "{taken:?}");
        known_at(&director, address, &old)?;
    }
    director.start()?;
    for address in MOVING {
        becomes(&director, address, &VipState::Put)?;
        known_at(&director, address, &new)?;
        wait::until("it is announced three times", LIMIT, || Ok(vip(&director, address)?.announced == 3))?;
    }
    assert!(on_director(&director, MOVING[0])?.contains("172.16.100.5/32"));
    let six = on_director(&director, MOVING[1])?;
    assert!(six.contains("2001:db8:100::5/128") && six.contains("nodad"), "{six}");
    assert!(six.contains("deprecated"), "never a source: {six}");
    let shown = director.does(&["lvx status"])?;
    assert!(shown.contains("172.16.100.5/32                  eth0             3          put on by LVX"), "{shown}");
    Ok(())
}

#[test]
fn what_lvx_put_on_goes_with_it_and_what_was_there_stays() -> Result<()> {
    let [four, six] = VIPS;
    let config = format!(
        "{CONFIG}
        [[vip]]\naddress = '{four}'
        [[vip]]\naddress = '{six}'
        [[vip]]\naddress = '172.16.100.6'\nkeep = true"
    );
    let director = Setup::new(Arms::One).config(&config).up()?;
    for address in [MOVING[0], MOVING[1], "172.16.100.6"] {
        becomes(&director, address, &VipState::Put)?;
    }
    for address in VIPS {
        becomes(&director, address, &VipState::Found)?;
        assert_ne!(vip(&director, address)?.announced, 0, "it is announced all the same");
    }
    let before = VIPS.map(|address| on_director(&director, address));
    assert_eq!(director.end(libc::SIGTERM)?, Some(0));
    for address in MOVING {
        assert_eq!(on_director(&director, address)?, "", "{address} is gone");
    }
    assert_ne!(on_director(&director, "172.16.100.6")?, "", "it is to be kept");
    for (address, before) in VIPS.into_iter().zip(before) {
        let before = before?;
        assert!(!before.is_empty());
        assert_eq!(on_director(&director, address)?, before, "it was there before");
    }
    Ok(())
}

#[test]
fn what_a_killed_lvx_left_behind_is_taken_away_by_the_next() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    for address in MOVING {
        becomes(&director, address, &VipState::Put)?;
    }
    assert_eq!(director.end(libc::SIGKILL)?, None);
    for address in MOVING {
        assert_ne!(on_director(&director, address)?, "", "nobody took it away");
    }
    director.start()?;
    for address in MOVING {
        becomes(&director, address, &VipState::Put)?;
    }
    assert_eq!(director.end(libc::SIGTERM)?, Some(0));
    for address in MOVING {
        assert_eq!(on_director(&director, address)?, "", "{address} is gone");
    }
    Ok(())
}

#[test]
fn an_address_comes_back_with_its_interface_and_is_announced_again() -> Result<()> {
    let config = format!("{CONFIG}\n[[vip]]\naddress = '172.16.200.1/24'\ninterface = 'later'");
    let director = Setup::new(Arms::One).config(&config).up()?;
    let missing = VipState::Missing { reason: "there is no interface later".to_owned() };
    becomes(&director, "172.16.200.1", &missing)?;
    director.does(&["ip link add later type veth peer name other"])?;
    becomes(&director, "172.16.200.1", &VipState::Put)?;
    assert_eq!(vip(&director, "172.16.200.1")?.announced, 0, "the interface is down");
    director.does(&["ip link set later up", "ip link set other up"])?;
    wait::until("it is announced", LIMIT, || Ok(vip(&director, "172.16.200.1")?.announced != 0))?;

    for address in MOVING {
        wait::until("it is announced", LIMIT, || Ok(vip(&director, address)?.announced == 3))?;
    }
    // The kernel forgets addresses of IPv6 with their interface.
    director.does(&["ip link set eth0 down", "ip link set eth0 up"])?;
    for address in MOVING {
        becomes(&director, address, &VipState::Put)?;
        wait::until("it is announced again", LIMIT, || Ok(vip(&director, address)?.announced >= 6))?;
        assert_ne!(on_director(&director, address)?, "");
    }
    // Whoever takes it away by hand learns who looks after it.
    director.does(&["ip addr del 172.16.100.5/32 dev eth0"])?;
    wait::until("it is put back", LIMIT, || Ok(!on_director(&director, MOVING[0])?.is_empty()))?;
    Ok(())
}

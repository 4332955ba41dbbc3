//! How the packet program sits on an interface: as asked, or not at all.

use anyhow::Result;
use xtask::lab::{Answer, Arms};

use super::director::Director;
use super::setup::Setup;

/// What the kernel says of XDP on an interface: `xdp` is native, `xdpgeneric` generic.
fn attached(director: &Director, interface: &str) -> Result<String> {
    let shown = director.does(&[&format!("ip link show {interface}")])?;
    let modes = shown.split_whitespace().find(|word| word.starts_with("xdp"));
    Ok(modes.unwrap_or("none").to_owned())
}

#[test]
fn generic_mode_is_used_when_it_is_asked_for() -> Result<()> {
    let director = Setup::new(Arms::Two).arguments(&["--interface", "eth0", "--xdp-mode", "generic"]).up()?;
    director.nginx(["r1"], &[80])?;
    director.does(&["ipvsadm -A -t 172.16.100.1:80 -s rr", "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g"])?;
    assert_eq!(attached(&director, "eth0")?, "xdpgeneric");
    assert_eq!(director.status()?.interfaces[0].mode, "generic");
    assert_eq!(director.lab.visit(director.clients(false)[0], 80)?, Answer::from("r1"));
    Ok(())
}

#[test]
fn native_mode_on_an_interface_without_it_is_an_error_and_never_generic() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    director.does(&["ip link add plain type bridge", "ip link set plain up"])?;
    let refused = director.sh("lvx run --interface eth0 --interface plain --state-dir $(dirname $LVX_SOCKET)/state")?;
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""), "{refused:?}");
    let error = "cannot attach to plain in native mode; `--xdp-mode generic` works with any driver";
    assert!(refused.stderr.contains(error), "{refused:?}");
    for interface in ["eth0", "plain"] {
        assert_eq!(attached(&director, interface)?, "none", "{interface} after the failure");
    }
    assert!(!director.lab.socket().exists());
    Ok(())
}

#[test]
fn an_interface_that_another_program_holds_is_named() -> Result<()> {
    let director = Director::one_arm()?;
    assert_eq!(attached(&director, "eth0")?, "xdp");
    let second =
        director.sh("LVX_SOCKET=$LVX_SOCKET.2 lvx run --interface eth0 --state-dir $(dirname $LVX_SOCKET)/2")?;
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.stderr.contains("another XDP program is on eth0 (`ip link show eth0`)"), "{second:?}");
    assert_eq!(attached(&director, "eth0")?, "xdp", "the first goes on");
    Ok(())
}

//! How `lvx run` ends.

use std::os::unix::net::UnixStream;

use anyhow::Result;
use xtask::lab::{Answer, Arms};

use crate::network::director::Director;
use crate::network::setup::Setup;

fn has_program(director: &Director) -> Result<bool> {
    Ok(director.does(&["ip link"])?.contains("xdp"))
}

fn pins() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir("/sys/fs/bpf")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    // The labs of other tests pin their switch's program for a moment.
    names.retain(|name| name.starts_with("lvx") && !name.ends_with("-pass"));
    Ok(names)
}

#[test]
fn sigterm_and_sigint_leave_nothing() -> Result<()> {
    let director = Setup::new(Arms::Two).arguments(&["--interface", "eth0", "--interface", "eth1"]).up()?;
    director.nginx(["r1"], &[80])?;
    for signal in [libc::SIGTERM, libc::SIGINT] {
        director.does(&[
            "ipvsadm -C",
            "ipvsadm -A -t 172.16.100.1:80",
            "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10",
        ])?;
        assert_eq!(director.lab.visit(director.clients(false)[0], 80)?, Answer::from("r1"));
        // Somebody who listens and says nothing keeps nobody from going.
        let _idle = UnixStream::connect(director.lab.socket())?;
        assert!(has_program(&director)?);
        assert_eq!(director.end(signal)?, Some(0), "signal {signal}");
        assert!(!has_program(&director)?, "signal {signal} left a program");
        assert!(!director.lab.socket().exists(), "signal {signal} left the socket");
        assert_eq!(pins()?, [""; 0], "signal {signal} left pins");
        assert_eq!(director.lab.visit(director.clients(false)[0], 80)?, Answer::Refused, "the director itself answers");
        director.start()?;
    }
    Ok(())
}

#[test]
fn a_daemon_that_was_killed_is_replaced() -> Result<()> {
    let director = Director::one_arm()?;
    assert_eq!(director.end(libc::SIGKILL)?, None);
    assert!(director.lab.socket().exists(), "nobody removed it");
    let listed = director.sh("ipvsadm -Ln")?;
    assert_eq!(listed.status, 2, "{listed:?}");
    assert!(listed.stderr.contains("start it with `lvx run`"), "{listed:?}");
    director.start()?;
    director.does(&["ipvsadm -Ln"])?;
    assert!(has_program(&director)?);
    Ok(())
}

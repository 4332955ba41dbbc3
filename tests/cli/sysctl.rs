//! `lvx sysctl` against a running `lvx`.

use anyhow::Result;
use lb_user::model::sysctls;

use super::program::Program;
use crate::network::director::Director;

#[test]
fn sysctls_are_shown_as_sysctl_shows_them() -> Result<()> {
    let director = Director::one_arm()?;
    let all = director.does(&["lvx sysctl"])?;
    assert_eq!(all.lines().count(), sysctls::ALL.len(), "{all}");
    for line in ["net.ipv4.vs.conn_reuse_mode = 1", "net.ipv4.vs.drop_entry = 0", "lvx.template_rearm = 60"] {
        assert!(all.lines().any(|other| other == line), "no {line} in\n{all}");
    }
    assert_eq!(director.does(&["lvx sysctl -a"])?, all);
    for (line, shown) in [
        ("lvx sysctl amemthresh", "net.ipv4.vs.amemthresh = 1024\n"),
        ("lvx sysctl net.ipv4.vs.amemthresh", "net.ipv4.vs.amemthresh = 1024\n"),
        ("lvx sysctl net/ipv4/vs/amemthresh", "net.ipv4.vs.amemthresh = 1024\n"),
        ("lvx sysctl -n amemthresh lvx.weight_limit", "1024\n2147483647\n"),
        ("lvx sysctl --json sloppy_tcp", "{\n  \"net.ipv4.vs.sloppy_tcp\": 0\n}\n"),
        ("lvx sysctl sloppy_tcp=1", "net.ipv4.vs.sloppy_tcp = 1\n"),
        ("lvx sysctl -w sloppy_tcp=0 drop_entry=1", "net.ipv4.vs.sloppy_tcp = 0\nnet.ipv4.vs.drop_entry = 1\n"),
        ("lvx sysctl -n sloppy_tcp net.ipv4.vs.drop_entry=3", "0\n3\n"),
    ] {
        assert_eq!(director.does(&[line])?, shown, "{line}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_set_is_said_in_one_line_and_nothing_is_set() -> Result<()> {
    let director = Director::one_arm()?;
    let before = director.does(&["lvx sysctl"])?;
    for (words, text) in [
        ("sloppy_tcp=1 sync_ports=2", "sync_ports has no meaning here: LVX has no sync daemon"),
        (
            "net.ipv4.vs.conntrack",
            "net.ipv4.vs.conntrack has no meaning here: packets that LVX forwards never reach conntrack",
        ),
        ("sloppy_tcp=1 drop_packet=4", "net.ipv4.vs.drop_packet: `4` is not a whole number in 0..=3"),
        ("drop_packet=yes", "net.ipv4.vs.drop_packet: `yes` is not a whole number in 0..=3"),
        ("drop_packet=-1", "net.ipv4.vs.drop_packet: `-1` is not a whole number in 0..=3"),
        ("template_rearm=", "lvx.template_rearm: `` is not a whole number in 1..=2147483"),
        ("sloppy", "unknown sysctl sloppy; `lvx sysctl` lists all"),
        ("-w sloppy_tcp", "`sloppy_tcp` must be of the form NAME=VALUE"),
    ] {
        let ran = director.sh(&format!("lvx sysctl {words}"))?;
        let expected = (1, "", format!("lvx: {text}\n"));
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr), expected, "{words}");
    }
    assert_eq!(director.does(&["lvx sysctl"])?, before);
    Ok(())
}

#[test]
fn sysctls_set_by_hand_are_kept_on_top_of_the_config_and_shown_in_the_status() -> Result<()> {
    let director = Director::one_arm()?;
    assert!(!director.does(&["lvx status"])?.contains("SYSCTLS"));
    director.does(&["lvx sysctl expire_nodest_conn=1 secure_tcp=1", "lvx sysctl secure_tcp=3"])?;
    let value = |name: &str| director.does(&[&format!("lvx sysctl -n {name}")]);
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        director.end(signal)?;
        director.start()?;
        assert_eq!(director.does(&["lvx sysctl -n expire_nodest_conn secure_tcp sloppy_tcp"])?, "1\n3\n0\n");
    }
    director.end(libc::SIGTERM)?;
    director.configure("[ipvs]\nsecure_tcp = 2\nsloppy_tcp = 1\nlate_threshold = 1\n")?;
    director.start()?;
    let shown = director.does(&["lvx sysctl -n secure_tcp sloppy_tcp late_threshold"])?;
    assert_eq!(shown, "1\n1\n1\n", "what was set by hand stays unless the file says something new of it");
    let status = director.does(&["lvx status"])?;
    let expected = "\nSYSCTLS that are not at their default\n\
        net.ipv4.vs.expire_nodest_conn = 1\n\
        net.ipv4.vs.secure_tcp = 1\n\
        net.ipv4.vs.sloppy_tcp = 1\n\
        lvx.late_threshold = 1\n";
    assert!(status.contains(expected), "{status}");
    director.does(&["lvx sysctl sloppy_tcp=0"])?;
    director.end(libc::SIGKILL)?;
    director.start()?;
    assert_eq!(value("sloppy_tcp")?, "0\n", "back from what the file says");
    Ok(())
}

#[test]
fn without_a_daemon_it_says_so() -> Result<()> {
    let program = Program::new()?;
    let ran = program.sh("lvx sysctl")?;
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("no lvx listens on lvx.sock; start it with `lvx run`"), "{ran:?}");
    Ok(())
}

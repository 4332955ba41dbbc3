//! What was set by hand is kept.

use std::fs;

use anyhow::Result;
use xtask::lab::Arms;

use crate::network::director::Director;
use crate::network::setup::Setup;

#[test]
fn services_and_timeouts_survive_a_restart_and_a_kill() -> Result<()> {
    let director = Director::one_arm()?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:80 -s wrr -p 3600 -M 255.255.255.0",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -w 2 -x 100 -y 50",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -w 0",
        "ipvsadm -A -f 8 -6 -s sed",
        "ipvsadm -A -u 172.16.100.1:53 -o",
        "ipvsadm -D -u 172.16.100.1:53",
        "ipvsadm --set 100 20 30",
    ])?;
    let shown = || director.does(&["ipvsadm -Ln", "ipvsadm -Ln --thresholds", "ipvsadm -L --timeout"]);
    let before = shown()?;
    director.end(libc::SIGTERM)?;
    director.start()?;
    assert_eq!(shown()?, before, "after SIGTERM");
    director.end(libc::SIGKILL)?;
    director.start()?;
    assert_eq!(shown()?, before, "after kill -9");
    director.does(&["ipvsadm -C"])?;
    director.end(libc::SIGKILL)?;
    director.start()?;
    assert!(!director.does(&["ipvsadm -Ln"])?.contains("172.16.100.1"), "what was removed stays so");
    Ok(())
}

#[test]
fn a_change_by_hand_of_what_the_config_changes_too_is_told() -> Result<()> {
    let director = Director::one_arm()?;
    director.does(&["ipvsadm -A -t 172.16.100.1:80 -s rr", "ipvsadm -A -t 172.16.100.1:81 -s rr"])?;
    director.end(libc::SIGTERM)?;
    director.configure("[[service]]\ntcp = \"172.16.100.1:80\"\nscheduler = \"wrr\"\n")?;
    director.start()?;
    let listed = director.does(&["ipvsadm -Ln"])?;
    assert!(listed.contains("172.16.100.1:80 wrr") && listed.contains("172.16.100.1:81 rr"), "{listed}");
    let warnings = director.status()?.warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let told = "set by hand, and overruled by the file: ~ service TCP 172.16.100.1:80: rr -> wrr";
    assert!(warnings.iter().any(|warning| warning == told), "{warnings:?}");
    let before = fs::read_to_string(director.state().join("operator.jsonl.before"))?;
    assert_eq!(before.lines().count(), 3, "nothing that was set is lost: {before}");
    Ok(())
}

#[test]
fn a_spoilt_state_file_is_named_and_nothing_starts() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    fs::create_dir_all(director.state())?;
    fs::write(director.state().join("operator.jsonl"), "{\"op\":\"flush\"}\nrubbish\n")?;
    let line = format!("lvx run --interface eth0 --state-dir {}", director.state().display());
    let refused = director.sh(&line)?;
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains("operator.jsonl line 2: no request of LVX"), "{refused:?}");
    assert!(refused.stderr.contains("move the file away to start without it"), "{refused:?}");
    assert!(!director.does(&["ip link"])?.contains("xdp"));
    Ok(())
}

/// The limit stands for a full disk.
#[test]
fn a_change_that_cannot_be_written_down_is_not_made() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    director.start_after("trap '' XFSZ; ulimit -f 4")?;
    let (mut port, mut refused) = (1000, None);
    while refused.is_none() && port < 1100 {
        port += 1;
        let ran = director.sh(&format!("ipvsadm -A -t 172.16.100.1:{port} -s rr"))?;
        refused = (ran.status != 0).then_some(ran);
    }
    let refused = refused.map(|ran| (ran.status, ran.stderr));
    let (status, text) = refused.unwrap_or_default();
    assert_eq!(status, 255);
    assert!(text.contains("cannot keep the change, so it is not made: ") && text.contains("operator.jsonl"), "{text}");
    let before = director.does(&["ipvsadm -Ln"])?;
    assert!(!before.contains(&format!(":{port} ")) && before.contains(&format!(":{} ", port - 1)), "{before}");
    director.end(libc::SIGKILL)?;
    director.start()?;
    assert_eq!(director.does(&["ipvsadm -Ln"])?, before);
    director.does(&[&format!("ipvsadm -A -t 172.16.100.1:{port} -s rr")])?;
    Ok(())
}

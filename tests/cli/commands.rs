//! `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` against a running `lvx`.

use anyhow::Result;

use crate::network::director::Director;

/// A table with marks, both families and both protocols, as `-Sn` prints it.
const RULES: &str = "-A -f 8 -s rr -p 600\n\
                     -a -f 8 -r 172.16.100.10:0 -g -w 2\n\
                     -A -t 172.16.100.1:0 -s wrr -p 3600\n\
                     -a -t 172.16.100.1:0 -r 172.16.100.10:0 -g -w 2\n\
                     -a -t 172.16.100.1:0 -r 172.16.100.11:0 -g -w 1\n\
                     -A -t 172.16.100.1:443 -s sed -p 300 -M 255.255.255.0\n\
                     -A -u 172.16.100.1:53 -s wlc -o\n\
                     -a -u 172.16.100.1:53 -r 172.16.100.11:53 -g -w 1\n\
                     -A -t [2001:db8:100::1]:80 -s rr\n\
                     -a -t [2001:db8:100::1]:80 -r [2001:db8:100::10]:80 -g -w 1\n";

/// Rules in an order of their own: that of the table is not promised.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_is_saved_is_restored_by_every_name() -> Result<()> {
    let director = Director::one_arm()?;
    std::fs::write(director.lab.directory().join("rules"), RULES)?;
    let rules = director.lab.directory().join("rules").display().to_string();
    for (restore, save) in [
        ("ipvsadm -R", "ipvsadm -S -n"),
        ("ipvsadm-restore", "ipvsadm-save -n"),
        ("lvx ipvsadm --restore", "lvx ipvsadm --save --numeric"),
    ] {
        let restored = director.sh(&format!("ipvsadm -C && {restore} < {rules}"))?;
        assert_eq!((restored.status, restored.stderr.as_str()), (0, ""), "{restore}");
        let saved = director.does(&[save])?;
        assert_eq!(sorted(&saved), sorted(RULES), "{restore}, then {save}");
        let again = director.sh(&format!("{save} > {rules}.2 && ipvsadm -C && {restore} < {rules}.2 && {save}"))?;
        assert_eq!((again.status, again.stdout), (0, saved), "{restore} of what {save} printed");
    }
    assert_eq!(director.does(&["ipvsadm -C", "ipvsadm -Sn"])?, "");
    Ok(())
}

#[test]
fn every_command_changes_what_it_says_and_nothing_when_it_is_refused() -> Result<()> {
    let director = Director::one_arm()?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:80 -s wrr -p",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g -w 2 -x 100 -y 50",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11",
        "ipvsadm -A -t 172.16.100.1:81",
        "ipvsadm -A -f 8 -s rr",
    ])?;
    let before = director.does(&["ipvsadm -Ln", "ipvsadm -Ln --thresholds"])?;
    for (line, status, words) in [
        ("ipvsadm -A -t 172.16.100.1:80", 255, "Service already exists"),
        ("ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10", 255, "Destination already exists"),
        ("ipvsadm -a -t 172.16.100.1:82 -r 172.16.100.10", 255, "Service not defined"),
        ("ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.99", 255, "No such destination"),
        ("ipvsadm -D -t 172.16.100.1:82", 255, "No such service"),
        ("ipvsadm -A -t 172.16.100.1:82 -s nope", 255, "Scheduler or persistence engine not found"),
        ("ipvsadm -a -t 172.16.100.1:81 -r 172.16.100.10 -m", 255, "LVX forwards by direct routing only"),
        ("ipvsadm -a -t 172.16.100.1:81 -r 172.16.100.10 -i", 255, "LVX forwards by direct routing only"),
        ("ipvsadm -a -t 172.16.100.1:81 -r 2001:db8:100::10 -g", 2, "Different address family"),
        ("ipvsadm -A -t [::ffff:172.16.100.1]:80", 255, "LVX has no IPv4-mapped IPv6 addresses"),
        ("ipvsadm -A -t 172.16.100.1:0", 2, "Zero port specified for non-persistent service"),
        ("ipvsadm -A -t 172.16.100.1:99999", 2, "illegal virtual server address[:port] specified"),
        ("ipvsadm -L -t 172.16.100.1:82", 1, "No such service"),
        ("ipvsadm -Ln --bogus", 255, "--bogus: unknown option"),
        ("ipvsadm bogus", 255, "for more information"),
    ] {
        let ran = director.sh(line)?;
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{line}: {ran:?}");
        assert!(ran.stderr.contains(words) && !ran.stderr.is_empty(), "{line}: {ran:?}");
        assert_eq!(director.does(&["ipvsadm -Ln", "ipvsadm -Ln --thresholds"])?, before, "{line} changed something");
    }
    director.does(&[
        "ipvsadm -E -t 172.16.100.1:80 -s rr -p 60",
        "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -w 0",
        "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.11",
        "ipvsadm -D -t 172.16.100.1:81",
        "ipvsadm --set 100 20 30",
    ])?;
    let listed = director.does(&["ipvsadm -Ln", "ipvsadm -L --timeout"])?;
    let expected = "IP Virtual Server version 1.2.1 (size=16384)\n\
        Prot LocalAddress:Port Scheduler Flags\n\
        \x20 -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n\
        TCP  172.16.100.1:80 rr persistent 60\n\
        \x20 -> 172.16.100.10:80             Route   0      0          0         \n\
        FWM  8 rr\n\
        Timeout (tcp tcpfin udp): 100 20 30\n";
    assert_eq!(listed, expected);
    assert_eq!(
        director.does(&["ipvsadm --set 0 0 40", "ipvsadm -L --timeout"])?,
        "Timeout (tcp tcpfin udp): 100 20 40\n"
    );
    Ok(())
}

#[test]
fn the_status_is_json_for_programs_and_text_for_people() -> Result<()> {
    let director = Director::one_arm()?;
    director.does(&["ipvsadm -A -f 8 -s rr -p 600", "ipvsadm -a -f 8 -r 172.16.100.10"])?;
    let json: serde_json::Value = serde_json::from_str(&director.does(&["lvx status --json"])?)?;
    for key in ["version", "uptime", "interfaces", "vips", "services", "mark_rules", "reasons", "tables", "warnings"] {
        assert!(json.get(key).is_some(), "no {key} in {json:#}");
    }
    assert_eq!(json.pointer("/services/0/servers/0/server/address").and_then(|v| v.as_str()), Some("172.16.100.10"));
    let text = director.does(&["lvx status"])?;
    for words in [
        "lvx 0.",
        "eth0             native    up",
        "FWM 8 rr, persistent 600 s",
        "172.16.100.10:0 ",
        "connections      0",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert_eq!(director.sh("lvx status | head -1")?.status, 0);
    let elsewhere = director.sh("lvx status --socket /run/nowhere.sock")?;
    assert_eq!((elsewhere.status, elsewhere.stdout.as_str()), (1, ""), "{elsewhere:?}");
    Ok(())
}

//! What was set by hand over files that change.

use anyhow::Result;

use super::{WEB, up};
use crate::network::director::Director;

fn by_hand(director: &Director) -> Result<Vec<String>> {
    Ok(director.status()?.by_hand.iter().map(ToString::to_string).collect())
}

#[test]
fn what_was_set_by_hand_stays_over_reloads_and_restarts_and_is_shown() -> Result<()> {
    let director = up(WEB)?;
    director.does(&[
        "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -w 0",
        "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.11",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.20 -w 7",
        "ipvsadm -A -f 8 -s rr",
        "lvx sysctl drop_entry=1",
        "ipvsadm --set 0 0 40",
    ])?;
    let expected = [
        "~ timeout udp: 300 s -> 40 s",
        "~ sysctl net.ipv4.vs.drop_entry: 0 -> 1",
        "+ service FWM 8: rr, 0 servers",
        "+ server TCP 172.16.100.1:80 -> 172.16.100.20:80: weight 7",
        "~ server TCP 172.16.100.1:80 -> 172.16.100.10:80: weight 1 -> weight 0",
        "- server TCP 172.16.100.1:80 -> 172.16.100.11:80: weight 1",
    ];
    let shown = |director: &Director| director.does(&["ipvsadm -Ln", "ipvsadm -L --timeout", "lvx sysctl drop_entry"]);
    assert_eq!(by_hand(&director)?, expected);
    let before = shown(&director)?;

    // Another scheduler, another timeout: none of it was set by hand.
    director.configure(&format!("{}[timeouts]\ntcp = 800\n", WEB.replace("\"rr\"", "\"wrr\"")))?;
    director.does(&["lvx reload"])?;
    let changed = before.replace("80 rr", "80 wrr").replace("900 120 40", "800 120 40");
    assert_eq!(shown(&director)?, changed);
    assert_eq!(by_hand(&director)?, expected);
    let text = director.does(&["lvx status"])?;
    for words in [
        "FWM 8 rr (by hand)",
        "BY HAND, unlike the file that was applied\n~ timeout udp: 300 s -> 40 s\n",
        "- server TCP 172.16.100.1:80 -> 172.16.100.11:80: weight 1\n",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        director.end(signal)?;
        director.start()?;
        assert_eq!((shown(&director)?, by_hand(&director)?), (changed.clone(), expected.map(str::to_owned).into()));
    }
    // Changed while it did not run: the changes by hand are known to be made on top of the file before.
    director.end(libc::SIGTERM)?;
    director.configure(WEB)?;
    director.start()?;
    assert_eq!((shown(&director)?, by_hand(&director)?), (before, expected.map(str::to_owned).into()));
    Ok(())
}

#[test]
fn a_file_that_changes_the_very_same_thing_wins_and_says_so() -> Result<()> {
    let director = up(WEB)?;
    director.does(&["ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -w 0", "ipvsadm -A -f 8 -s rr"])?;
    director.configure(&WEB.replace("172.16.100.10\"", "172.16.100.10\", weight = 5"))?;
    let config = director.config().display().to_string();
    let told = "set by hand, and overruled by the file: ~ server TCP 172.16.100.1:80 -> 172.16.100.10:80: weight 0 -> weight 5";
    for verb in [format!("plan {config}"), "reload".to_owned()] {
        let said = director.does(&[&format!("lvx {verb}")])?;
        assert!(said.contains(&format!("! {told}\n")), "{verb}: {said}");
    }
    assert_eq!(by_hand(&director)?, ["+ service FWM 8: rr, 0 servers"]);
    let status = director.does(&["lvx status"])?;
    assert!(status.contains(&format!("! {told}\n")), "{status}");
    assert!(director.log().contains(told));
    let before = std::fs::read_to_string(director.state().join("operator.jsonl.before"))?;
    assert!(before.contains("edit_server") && before.contains("add_service"), "nothing is lost: {before}");
    assert!(director.does(&["ipvsadm -Ln"])?.contains("172.16.100.10:80             Route   5"));
    Ok(())
}

#[test]
fn the_order_of_the_file_is_that_of_the_servers_and_another_order_loses_no_connection() -> Result<()> {
    let director = up(WEB)?;
    director.nginx(["r1", "r2"], &[80])?;
    for client in &director.clients(false)[..4] {
        director.lab.visit(*client, 80)?;
    }
    let servers = |director: &Director| -> Result<Vec<_>> {
        let status = director.status()?;
        Ok(status.services[0].servers.iter().map(|entry| (entry.server.address.to_string(), entry.inactive)).collect())
    };
    let before = servers(&director)?;
    assert_eq!(
        before.iter().map(|(address, _)| address.as_str()).collect::<Vec<_>>(),
        ["172.16.100.11", "172.16.100.10"]
    );
    let other = WEB.replace("10\"", "x").replace("11\"", "10\"").replace('x', "11\"");
    director.configure(&other)?;
    let said = director.does(&["lvx reload"])?;
    assert!(
        said.starts_with(
            "~ order of servers TCP 172.16.100.1:80: 172.16.100.10 172.16.100.11 -> 172.16.100.11 172.16.100.10\n"
        ),
        "{said}"
    );
    let after = servers(&director)?;
    assert_eq!(after, before.into_iter().rev().collect::<Vec<_>>());
    director.end(libc::SIGTERM)?;
    director.start()?;
    assert_eq!(servers(&director)?[0].0, "172.16.100.10");
    Ok(())
}

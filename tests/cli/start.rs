//! What keeps `lvx run` from starting: said clearly, and nothing is left behind.

use anyhow::Result;
use xtask::lab::Arms;

use crate::network::director::Director;
use crate::network::setup::Setup;

/// A start that must fail with these words.
fn refused(director: &Director, line: &str, words: &str) -> Result<()> {
    let ran = director.sh(line)?;
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{line}: {ran:?}");
    assert!(ran.stderr.contains(words), "{line}: {}", ran.stderr);
    assert!(!director.lab.socket().exists(), "{line} left a socket");
    let links = director.does(&["ip link"])?;
    assert!(!links.contains("xdp"), "{line} left a program:\n{links}");
    Ok(())
}

#[test]
fn a_start_that_cannot_be_says_why_and_leaves_nothing() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    let directory = director.lab.directory().display().to_string();
    let run = format!("lvx run --state-dir {directory}/state");
    refused(&director, &run, "no interface to balance on: name one by `--interface eth0`")?;
    refused(&director, &format!("{run} --interface eth7"), "there is no interface eth7")?;
    refused(&director, &format!("{run} --interface eth0 --interface eth7"), "there is no interface eth7")?;
    refused(&director, &format!("{run} --interface lo"), "lo has no MAC address; LVX needs Ethernet")?;
    refused(&director, "lvx run --interface eth0 --state-dir /proc/lvx", "/proc/lvx: ")?;
    std::fs::write(format!("{directory}/file"), "precious")?;
    refused(
        &director,
        &format!("lvx run --interface eth0 --state-dir {directory}/file"),
        &format!("{directory}/file"),
    )?;
    refused(&director, &format!("{run} --config {directory}/missing.toml"), "cannot read the configuration")?;
    assert_eq!(director.sh("lvx run --xdp-mode fast")?.status, 2);
    Ok(())
}

#[test]
fn a_config_with_mistakes_names_them_all_and_nothing_is_attached() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    director.configure(
        r#"interfaces = ["eth0"]
[[service]]
tcp = "172.16.100.1:80"
[[service.real_server]]
address = "172.16.100.10"
weight = 70000000000
[[marks.rule]]
mark = 8
destination_port = "80:http"
"#,
    )?;
    let file = director.config().display().to_string();
    let run = format!("lvx run --config {file} --state-dir $(dirname {file})/state");
    refused(
        &director,
        &run,
        &format!("{file}:6: service.real_server.weight: 70000000000 is out of range: 0..=2147483647"),
    )?;
    refused(&director, &run, &format!("{file}:9: marks.rule"))?;
    assert!(!director.state().exists(), "a config that is not valid writes nothing");
    Ok(())
}

#[test]
fn a_second_lvx_on_the_same_socket_is_refused_and_the_first_goes_on() -> Result<()> {
    let director = Director::one_arm()?;
    let second = director.sh("lvx run --interface eth0 --state-dir $(dirname $LVX_SOCKET)/second")?;
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.stderr.contains("another lvx listens on"), "{second:?}");
    director.does(&["ipvsadm -Ln", "lvx status"])?;
    assert!(director.lab.socket().exists());
    Ok(())
}

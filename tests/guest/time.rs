//! The guest's time.

use std::time::{Duration, Instant};

use anyhow::Result;
use lvx_tests::frame::Packet;
use lvx_tests::guest::{Guest, Op, Outcome};

use super::{WEB, begin, clients, ipvsadm, send, sent_to};

fn sleep(guest: &mut Guest, seconds: u64) -> Result<()> {
    let slept = guest.run(&[Op::Sleep { time: Duration::from_secs(seconds) }])?;
    assert_eq!(slept, [Outcome::Received { frames: vec![Vec::new()] }]);
    Ok(())
}

/// How many connections and templates there are.
fn connections(guest: &mut Guest) -> Result<usize> {
    let listed = ipvsadm(guest, &["-Lnc"])?;
    Ok(listed.lines().filter(|line| line.starts_with("TCP")).count())
}

#[test]
fn an_hour_passes_in_a_moment_and_every_timer_in_its_place() -> Result<()> {
    let mut guest = Guest::boot()?;
    begin(&mut guest)?;
    let start = Instant::now();
    ipvsadm(&mut guest, &["-A -t 172.16.100.1:80 -s rr -p 3600", WEB[1], WEB[2], WEB[3]])?;
    assert_eq!(sent_to(&mut guest, &clients(2))?, [Some(12), Some(11)]);
    let established = Packet::tcp("10.0.0.0:1024", "172.16.100.1:80", "A");
    assert_eq!(sent_to(&mut guest, &[established])?, [Some(12)]);
    assert_eq!(connections(&mut guest)?, 4, "two connections, two templates");
    // A half-open connection lives for a minute, and until the timer wheel comes to it.
    sleep(&mut guest, 59)?;
    assert_eq!(connections(&mut guest)?, 4);
    sleep(&mut guest, 1 + 6)?;
    assert_eq!(connections(&mut guest)?, 3);
    // An established one for 15 minutes.
    sleep(&mut guest, 832)?;
    assert_eq!(connections(&mut guest)?, 3);
    sleep(&mut guest, 2 + 41)?;
    assert_eq!(connections(&mut guest)?, 2);
    // A template for an hour.
    sleep(&mut guest, 2650)?;
    assert_eq!(connections(&mut guest)?, 2);
    sleep(&mut guest, 9 + 328)?;
    assert_eq!(connections(&mut guest)?, 0);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?} for 62 minutes");
    Ok(())
}

/// The guest's time, in seconds since it booted.
fn uptime(guest: &mut Guest) -> Result<f64> {
    let words = vec!["cat".to_owned(), "/proc/uptime".to_owned()];
    match guest.run(&[Op::Run { words, stdin: String::new() }])?.pop() {
        Some(Outcome::Ran { status: 0, stdout, .. }) => Ok(stdout.split(' ').next().unwrap_or_default().parse()?),
        other => anyhow::bail!("{other:?}"),
    }
}

#[test]
fn time_passes_as_the_guest_waits_and_hardly_else() -> Result<()> {
    let mut guest = Guest::boot()?;
    let (mut before, start) = (uptime(&mut guest)?, Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    let passed = uptime(&mut guest)? - before;
    assert!(passed < start.elapsed().as_secs_f64() / 4.0, "{passed} s while it was left alone for one");

    // A program may wait as well.
    before = uptime(&mut guest)?;
    let words = vec!["sleep".to_owned(), "5".to_owned()];
    guest.run(&[Op::Run { words, stdin: String::new() }])?;
    sleep(&mut guest, 10)?;
    let passed = uptime(&mut guest)? - before;
    assert!((14.9..16.0).contains(&passed), "{passed} s, not 15");
    Ok(())
}

#[test]
fn counters_are_exact_after_two_rounds_of_the_estimator() -> Result<()> {
    let mut guest = Guest::boot()?;
    begin(&mut guest)?;
    ipvsadm(&mut guest, &WEB)?;
    send(&mut guest, &clients(100))?;
    sleep(&mut guest, 4)?;
    let stats = ipvsadm(&mut guest, &["-Ln --stats --exact"])?;
    // Connections, packets and bytes in; a client's first packet has 40 bytes.
    let rows: Vec<Vec<&str>> = stats.lines().skip(3).map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        ["TCP", "172.16.100.1:80", "100", "100", "0", "4000", "0"].as_slice(),
        &["->", "172.16.100.10:80", "33", "33", "0", "1320", "0"],
        &["->", "172.16.100.11:80", "33", "33", "0", "1320", "0"],
        &["->", "172.16.100.12:80", "34", "34", "0", "1360", "0"],
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn a_new_director_knows_nothing_of_the_one_before() -> Result<()> {
    let mut guests = [Guest::boot()?, Guest::boot()?];
    for guest in &mut guests {
        for _ in 0..3 {
            begin(guest)?;
            ipvsadm(guest, &WEB)?;
            assert_eq!(sent_to(guest, &clients(3))?, [Some(12), Some(11), Some(10)]);
            assert_eq!(connections(guest)?, 3);
        }
    }
    Ok(())
}

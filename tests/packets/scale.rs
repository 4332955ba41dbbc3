//! A thousand services of ten servers: what is written to the tables is what changes, however much there is besides.

use std::fmt::Write as _;

use lb_user::config::{self, Config};
use lb_user::director::Director;
use lb_user::tables::maps::Maps as _;

const SERVERS: u64 = 10;

/// So many services of ten servers each.
fn config(services: u32) -> Config {
    let mut text = "[sizes]\nconnections = 1024\ntemplates = 1024\nservices = 2048\nreal_servers = 16384\n".to_owned();
    for number in 0..services {
        // None is the port of FTP, which is a setting of its own.
        let (vip, port) = (number / 250, number % 250 + 1000);
        write!(text, "[[service]]\ntcp = \"10.9.{vip}.1:{port}\"\nscheduler = \"wlc\"\nreal_server = [")
            .expect("a String");
        for server in 1..=SERVERS {
            write!(text, "{{ address = \"10.8.{vip}.{server}\" }}, ").expect("a String");
        }
        text.push_str("]\n");
    }
    config::parse("large.toml", &text).unwrap_or_else(|problems| panic!("{}", config::list(&problems)))
}

/// What applying a file writes.
fn writes(director: &mut Director, config: Config) -> u64 {
    let before = director.tables().maps().writes();
    director.apply(config, None).expect("room for all of it");
    director.tables().maps().writes() - before
}

#[test]
fn what_is_written_does_not_grow_with_what_stays() {
    let mut director = Director::new(&config(1)).expect("the kernel takes the program");
    let first = writes(&mut director, config(2));
    let many = writes(&mut director, config(1000));
    assert_eq!(many, first * 998, "each service costs what the first one did");
    assert_eq!(writes(&mut director, config(1000)), 0, "an identical file");
    assert_eq!(writes(&mut director, config(1001)), first, "one more among a thousand");
    let mut other = config(1001);
    other.services[500].servers[3].weight = 7;
    // The pool, the service that points to it, the server.
    assert_eq!(writes(&mut director, other), 3, "one weight among ten thousand");
    assert!(writes(&mut director, config(1000)) <= 3 * SERVERS, "one service goes");
    assert!(first <= 8 * SERVERS, "{first} writes for a service of ten servers");
}

use std::time::Duration;

use hyper::{Method, Uri};
use proptest::prelude::*;

use super::*;
use crate::config::parse;
use crate::health::{Check, CheckKind, HttpCheck, Target};
use crate::model::arbitrary::model;

/// A check of a server that has a port of its own, or 80.
fn check(target: Target, http: bool, own: bool) -> (Target, Check) {
    let request = HttpCheck {
        method: Method::HEAD,
        path: Uri::from_static("/alive?deep=1"),
        host: own.then(|| hyper::header::HeaderValue::from_static("www.example.com")),
        status: "200-204,301".parse().expect("a set"),
        ..HttpCheck::default()
    };
    let kind = if http { CheckKind::Http(std::sync::Arc::new(request)) } else { CheckKind::Tcp };
    let endpoint = std::net::SocketAddr::new(target.address, if own { 8080 } else { 80 });
    let (interval, timeout) = (Duration::from_millis(1500), Duration::from_secs(61));
    let check = Check { interval, warmup: interval, timeout, rise: 3, fall: 1, ..Check::new(kind, endpoint) };
    (target, check)
}

prop_compose! {
    fn config()(
        model in model(),
        checks in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 30),
        all in any::<bool>(),
        interfaces in prop::sample::subsequence(vec!["eth0".to_owned(), "eth1".to_owned()], 0..=2),
        generic in any::<bool>(),
        follow_netfilter in any::<bool>(),
        generations_kept in 1u32..20,
    ) -> Config {
        let services: Vec<_> = model.services().cloned().collect();
        let targets = services.iter().flat_map(|service| service.servers.iter().map(|server| Target {
            id: service.id,
            address: server.address,
            port: server.port,
        }));
        let health = targets.zip(checks).filter(|(_, (on, ..))| all || *on);
        Config {
            health: health.map(|(target, (_, http, own))| check(target, http && !all, own && !all)).collect(),
            interfaces,
            xdp_mode: if generic { Mode::Generic } else { Mode::Native },
            timeouts: model.timeouts(),
            ipvs: *model.sysctls(),
            follow_netfilter,
            generations_kept,
            services,
            ..Config::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(config in config()) {
        let text = write(&config).expect("words for all of it");
        let again = parse("exported", &text).map_err(|problems| crate::config::list(&problems));
        prop_assert_eq!(again, Ok(config), "{}", text);
    }
}

#[test]
fn the_example_of_the_reference_is_written_and_read_as_the_same() {
    let reference = include_str!("../../../../docs/config.md");
    let (_, example) = reference.split_once("```toml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let mut config = parse("example", example).expect("a valid file");
    config.sizes.connections = 1000;
    let text = write(&config).expect("words for all of it");
    assert_eq!(parse("exported", &text), Ok(config), "{text}");
}

#[test]
fn what_the_example_lacks_is_written_and_read_as_the_same() {
    let text = "[api]\nsocket_mode = '0660'\nsocket_group = 'lvx'\nsocket_role = 'admin'\nlisten = '[::]:8443'\n\
                certificate = '/c'\nkey = '/k'\nclient_ca = '/a'\ntoken_file = '/t'\nread_token_file = '/r'\n\
                [metrics]\nlisten = '127.0.0.1:9100'\n[log]\nformat = 'json'\n[notify]\nwebhook = 'http://192.0.2.1/'\n\
                [[vip]]\naddress = '192.0.2.1/24'\ninterface = 'eth1'\nannounce_interval = '1m'\n\
                [[vip]]\naddress = '::1'\nannounce = false\nkeep = true\n\
                [[service]]\nmark = 1\nnotify = false\nalpha = true\non_failure = 'inhibit'\nhysteresis = 1\nquorum = 3\n\
                sorry_server = { address = '192.0.2.9:81' }\nhealth = { port = 80, passive = { min_share = 0.75 } }\n\
                real_server = [{ address = '192.0.2.2:80', slow_start = '30s' }, { address = '192.0.2.3', health = false }]\n\
                [[service]]\ntcp = '192.0.2.1:80'\nall_down = 'all'\nslow_start = '1m'\nnotify = { on = ['quorum'] }\n\
                real_server = [{ address = '192.0.2.2', on_failure = 'inhibit' }]";
    let config = parse("a", text).map_err(|problems| crate::config::list(&problems)).expect("a valid file");
    let text = write(&config).expect("words for all of it");
    assert_eq!(parse("exported", &text), Ok(config), "{text}");
}

#[test]
fn the_default_needs_no_words_and_one_check_for_all_is_said_once() {
    assert_eq!(write(&Config::default()).as_deref(), Ok(""));
    let text = "[[service]]\ntcp = '192.0.2.1:80'\nhealth = true\n\
                real_server = [{ address = '192.0.2.2' }, { address = '192.0.2.3' }, { address = '192.0.2.4', health = false }]";
    let text = write(&parse("a", text).expect("a valid file")).expect("words for all of it");
    assert_eq!((text.matches("[service.health]").count(), text.matches("health = false").count()), (1, 1), "{text}");
}

//! What becomes of servers that fail, and who is told.

use crate::model::policy::{AllDown, Notify, OnFailure, Policy, Subject};

use super::*;

fn refused(text: &str) -> Vec<String> {
    let problems = parse("lvx.toml", text).expect_err("a refusal");
    problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()
}

#[test]
fn a_service_says_what_becomes_of_servers_that_fail() {
    let config = valid(
        r#"
        [notify]
        command = ["/bin/told", "a b"]
        on = ["server"]
        [[service]]
        tcp = "[2001:db8::1]:80"
        quorum = 3
        hysteresis = 1
        on_failure = "inhibit"
        alpha = true
        slow_start = "1m"
        sorry_server = { address = "2001:db8::99" }
        notify = { webhook = "http://[2001:db8::5]:8080/told" }
        real_server = [
            { address = "2001:db8::10", on_failure = "remove", slow_start = "5s" },
            { address = "2001:db8::11" },
        ]
        [[service]]
        mark = 8
        all_down = "all"
        notify = false
        [[service]]
        mark = 9
        "#,
    );
    let told =
        Notify { command: vec!["/bin/told".to_owned(), "a b".to_owned()], webhook: None, on: vec![Subject::Server] };
    assert_eq!(config.notify, told);
    let policy = &config.policies[&config.services[0].id];
    assert_eq!((policy.quorum, policy.hysteresis, policy.alpha), (3, 1, true));
    let [newest, oldest] = config.services[0].servers.as_slice() else { panic!("two servers") };
    assert_eq!((policy.on_failure(oldest), policy.on_failure(newest)), (OnFailure::Remove, OnFailure::Inhibit));
    assert_eq!(policy.slow_start(oldest), Duration::from_secs(5));
    assert_eq!(policy.slow_start(newest), Duration::from_secs(60));
    let sorry = policy.sorry_server.as_ref().expect("a sorry server");
    assert_eq!((sorry.address.to_string().as_str(), sorry.port, sorry.weight), ("2001:db8::99", 80, 1));
    let webhook = Some("http://[2001:db8::5]:8080/told".to_owned());
    assert_eq!(policy.notify, Some(Notify { webhook, ..told }));
    let silent = Policy { all_down: AllDown::All, notify: Some(Notify::default()), ..Policy::default() };
    assert_eq!(config.policies[&config.services[1].id], silent);
    assert!(!config.policies.contains_key(&config.services[2].id), "what says nothing has no rules");
}

#[test]
fn what_cannot_be_is_refused() {
    let service = "[[service]]\ntcp = '192.0.2.1:80'\nreal_server = [{ address = '192.0.2.10' }]\n";
    let with = |keys: &str| refused(&format!("{service}{keys}"));
    for (keys, problem) in [
        ("quorum = 0", "service.quorum: 0 is out of range: 1..=4294967295"),
        ("on_failure = 'drop'", "service.on_failure: 'drop' is not one of remove, inhibit"),
        ("slow_start = '10ms'", "service.slow_start: '10ms' is out of range: 1s to 1day"),
        ("sorry_server = {}", "service.sorry_server.address: is missing"),
        (
            "sorry_server = { address = '192.0.2.10' }",
            "service.sorry_server.address: is a real server of this service too",
        ),
        (
            "sorry_server = { address = '2001:db8::1' }",
            "service.sorry_server.address: '2001:db8::1' is IPv6, but its service is IPv4",
        ),
        (
            "sorry_server = { address = '192.0.2.99:81' }",
            "service.sorry_server.address: port 81 is not the service's, 80, which direct routing keeps",
        ),
        (
            "all_down = 'all'\nsorry_server = { address = '192.0.2.99' }",
            "service.all_down: when all are down, either all serve or the sorry server does",
        ),
        (
            "all_down = 'all'\nalpha = true",
            "service.all_down: with alpha all count as down until they answered, and so all would serve",
        ),
        ("notify = true", "service.notify: true says nobody"),
        ("notify = { command = ['told'] }", "service.notify.command: the program is not an absolute path"),
        ("notify = { webhook = 'ftp://192.0.2.1' }", "service.notify.webhook: 'ftp://192.0.2.1' is not a URL"),
        ("notify = { on = ['life'] }", "service.notify.on: 'life' is not one of server, service, quorum"),
    ] {
        assert_eq!(with(keys), [problem], "{keys}");
    }
}

#[test]
fn the_reference_has_every_key_of_policies() {
    let unknown = "[notify]\nx = 1\n[[service]]\nmark = 1\nsorry_server = { address = '192.0.2.1', x = 1 }";
    for problem in parse("lvx.toml", unknown).expect_err("a refusal") {
        let keys = problem.advice.strip_prefix("known here: ").expect("the known keys");
        for key in keys.split(", ") {
            assert!(REFERENCE.contains(&format!("`{key}`")), "docs/config.md lacks {key} of {}", problem.key);
        }
    }
}

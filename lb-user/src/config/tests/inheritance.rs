//! Defaults and templates: who wins, and what is refused where.

use super::refused::problems;
use super::*;

const SHARED: &str = r#"
[defaults.service]
scheduler = "rr"
persistent = 60

[defaults.real_server]
weight = 5

[template.web]
scheduler = "wrr"
health = { type = "http", path = "/alive" }
real_server = [{ address = "192.0.2.10" }, { address = "192.0.2.11", weight = 1 }]

[template.sticky]
persistent = 600
scheduler = "sh"

[template.elsewhere]
real_server = [{ address = "192.0.2.20" }]
"#;

#[test]
fn own_keys_win_over_templates_the_later_over_the_earlier_and_all_over_defaults() {
    let rows = [
        ("", (SchedulerKind::Rr, 60, vec![])),
        (r#"template = "web""#, (SchedulerKind::Wrr, 60, vec!["192.0.2.11", "192.0.2.10"])),
        (r#"template = ["web", "sticky"]"#, (SchedulerKind::Sh, 600, vec!["192.0.2.11", "192.0.2.10"])),
        (r#"template = ["sticky", "web"]"#, (SchedulerKind::Wrr, 600, vec!["192.0.2.11", "192.0.2.10"])),
        (
            "template = ['sticky', 'web']\nscheduler = 'nq'\npersistent = 7",
            (SchedulerKind::Nq, 7, vec!["192.0.2.11", "192.0.2.10"]),
        ),
        (r#"template = ["web", "elsewhere"]"#, (SchedulerKind::Wrr, 60, vec!["192.0.2.20"])),
        ("template = 'web'\nreal_server = [{ address = '192.0.2.30' }]", (SchedulerKind::Wrr, 60, vec!["192.0.2.30"])),
    ];
    for (service, expected) in rows {
        let config = valid(&format!("{SHARED}\n[[service]]\ntcp = '192.0.2.1:80'\n{service}"));
        let made = &config.services[0];
        let persistent = made.persistence.map_or(0, |persistence| persistence.timeout);
        let servers = addresses(&made.servers);
        let made = (made.scheduler, persistent, servers.iter().map(String::as_str).collect());
        assert_eq!(made, expected, "{service}");
    }
}

#[test]
fn real_servers_inherit_from_their_own_defaults_wherever_they_stand() {
    let config = valid(&format!("{SHARED}\n[[service]]\ntcp = '192.0.2.1:80'\ntemplate = 'web'"));
    let weights: Vec<_> = config.services[0].servers.iter().map(|server| server.weight).collect();
    assert_eq!(weights, [1, 5]);
}

#[test]
fn each_health_says_what_differs_from_the_one_around_it() {
    let text = r#"
        [defaults]
        health = { interval = "5s", rise = 9 }
        service.health = { fall = 8 }
        real_server.health = { rise = 7 }
        [template.http]
        health = { type = "http", path = "/alive" }
        [template.off]
        health = false
        [[service]]
        tcp = "192.0.2.1:80"
        template = ["http", "off"]
        health = true
        real_server = [{ address = "192.0.2.10" }, { address = "192.0.2.11", health = { type = "tcp", rise = 1 } }]
    "#;
    let config = valid(text);
    let inherited = check(&config, 0, "192.0.2.10").expect("a check");
    assert_eq!((inherited.kind.name(), inherited.fall, inherited.rise), ("http", 8, 7));
    assert_eq!(inherited.interval, Duration::from_secs(5));
    let own = check(&config, 0, "192.0.2.11").expect("a check");
    assert_eq!((own.kind.name(), own.fall, own.rise), ("tcp", 8, 1));
}

/// Each row: a file, and its problems.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "[template.web]\nscheduler = 'rrr'\n[[service]]\nmark = 1\ntemplate = 'web'\n[[service]]\nmark = 2\ntemplate = 'web'",
        &[
            "2: template.web.scheduler: 'rrr' is not one of rr, wrr, lc, wlc, lblc, lblcr, sed, nq, fo, ovf, sh, dh, mh, twos",
        ],
    ),
    (
        "[defaults.service]\nshceduler = 'rr'\n[[service]]\nmark = 1\n[[service]]\nmark = 2",
        &["2: defaults.service.shceduler: unknown key"],
    ),
    (
        "[defaults.real_server]\nwieght = 1\n[[service]]\nmark = 1\nreal_server = [{ address = '192.0.2.1' }]",
        &["2: defaults.real_server.wieght: unknown key"],
    ),
    (
        "[template.web]\n[[template.web.real_server]]\naddress = '192.0.2.1'\nweight = -1\n[[service]]\nmark = 1\ntemplate = 'web'",
        &["4: template.web.real_server.weight: -1 is out of range: 0..=2147483647"],
    ),
    (
        "[template.web]\nreal_server = [{ address = '192.0.2.1' }]\n[[service]]\ntcp = '[2001:db8::1]:80'\ntemplate = 'web'",
        &["2: template.web.real_server.address: '192.0.2.1' is IPv4, but its service is IPv6"],
    ),
    ("[template.web]\n[[service]]\nmark = 1\ntemplate = 'wbe'", &["4: service.template: there is no template 'wbe'"]),
    (
        "[template.web]\n[[service]]\nmark = 1\ntemplate = ['web', 'mail', 3]",
        &["4: service.template: there is no template 'mail'", "4: service.template: 3 is a whole number, not a string"],
    ),
    (
        "[template.web]\ntcp = '192.0.2.1:80'\ntemplate = 'web'\n[defaults]\nservice.mark = 1\nreal_server.address = '::1'",
        &[
            "2: template.web.tcp: is for one alone, and cannot be inherited",
            "3: template.web.template: is for one alone, and cannot be inherited",
            "5: defaults.service.mark: is for one alone, and cannot be inherited",
            "6: defaults.real_server.address: is for one alone, and cannot be inherited",
        ],
    ),
    ("template = 'web'", &["1: template: 'web' is a string, not a table"]),
    ("[template]\nweb = 1", &["2: template.web: 1 is a whole number, not a table"]),
    ("defaults.service = []", &["1: defaults.service: [] is a list, not a table"]),
];

#[test]
fn what_is_inherited_is_refused_once_and_where_it_stands() {
    for (text, expected) in REFUSED {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

#[test]
fn an_unknown_template_is_corrected_or_can_be_added() {
    let advice = |text: &str| parse("lvx.toml", text).expect_err("a refusal").remove(0).advice;
    assert_eq!(advice("[template.web]\n[[service]]\nmark = 1\ntemplate = 'wbe'"), "did you mean \"web\"?");
    assert_eq!(advice("[[service]]\nmark = 1\ntemplate = 'mail'"), "add [template.mail]");
}

#[test]
fn a_template_that_nobody_uses_is_a_warning() {
    let config = valid("[template.web]\nscheduler = 'rr'\n[template.mail]\n[[service]]\nmark = 1\ntemplate = 'mail'");
    let warnings: Vec<_> = config.warnings.iter().map(|warning| (warning.line, warning.key.as_str())).collect();
    assert_eq!(warnings, [(1, "template.web")]);
}

//! `health.passive`: inherited like the other keys, and only with a check.

use crate::health::PassiveCheck;

use super::*;

const SERVERS: &str = "
    [[service]]
    tcp = '192.0.2.1:80'
    health = true
    [[service.real_server]]
    address = '192.0.2.10'
    [[service.real_server]]
    address = '192.0.2.11'
    health = { passive = { min_connections = 5 } }
    [[service.real_server]]
    address = '192.0.2.12'
    health = { passive = false }
    [[service.real_server]]
    address = '192.0.2.13'
    health = false";

fn of(config: &Config, host: u8) -> Option<PassiveCheck> {
    let address: IpAddr = [192, 0, 2, host].into();
    config.passive.iter().find(|(target, _)| target.address == address).map(|(_, check)| *check)
}

#[test]
fn each_table_says_what_differs() {
    let config =
        valid(&format!("[defaults.health]\npassive = {{ min_share = 0.8, window = '30s', hold = '5m' }}{SERVERS}"));
    let [half, five] = [30, 300].map(Duration::from_secs);
    let all = PassiveCheck { min_share: 0.8, min_connections: 20, window: half, hold: five };
    assert_eq!(of(&config, 10), Some(all));
    assert_eq!(of(&config, 11), Some(PassiveCheck { min_connections: 5, ..all }));
    assert_eq!((of(&config, 12), of(&config, 13)), (None, None));
    assert_eq!(config.health.len(), 3);

    let config = valid(SERVERS);
    assert_eq!((of(&config, 10), of(&config, 12)), (None, None), "off unless it is asked for");
    assert_eq!(of(&config, 11), Some(PassiveCheck { min_connections: 5, ..PassiveCheck::default() }));
    assert_eq!(
        of(&valid(&SERVERS.replace("health = true", "health.passive = true")), 10),
        Some(PassiveCheck::default())
    );
}

#[test]
fn what_cannot_be_is_refused() {
    for (written, message) in [
        ("min_share = 1.5", "1.5 is out of range: 0.01..=1"),
        ("min_share = 0", "0 is out of range: 0.01..=1"),
        ("min_share = 'half'", "'half' is a string, not a number"),
        ("min_share = nan", "nan is out of range: 0.01..=1"),
        ("min_connections = 0", "0 is out of range: 1..=1000000"),
        ("window = '1s'", "'1s' is out of range: 2s to 5m"),
        ("hold = '1ms'", "'1ms' is out of range: 1s to 1day"),
        ("x = 1", "unknown key"),
    ] {
        let text = format!("[defaults.health]\npassive = {{ {written} }}");
        let problems = parse("lvx.toml", &text).expect_err(written);
        assert_eq!(problems.len(), 1, "{written}");
        assert_eq!((problems[0].line, problems[0].message.as_str()), (2, message), "{written}");
        let known = problems[0].advice.strip_prefix("known here: ");
        for key in known.into_iter().flat_map(|keys| keys.split(", ")) {
            assert!(REFERENCE.contains(&format!("| `{key}` |")), "docs/config.md lacks {key} of passive");
        }
    }
}

//! `[api]`

use super::*;
use crate::api::settings::{Role, Settings, Tcp};

fn problem(keys: &str) -> String {
    let problems = parse("lvx.toml", &format!("[api]\n{keys}\n")).expect_err("a refusal");
    let texts: Vec<_> =
        problems.iter().map(|problem| format!("{}: {}: {}", problem.line, problem.key, problem.message)).collect();
    texts.join("\n")
}

#[test]
fn the_api_is_for_root_alone_unless_the_file_says_otherwise() {
    assert_eq!(valid("[api]").api, Settings::default());
    let config = valid("[api]\nsocket_mode = '0660'\nsocket_group = 'lvx'\nsocket_role = 'admin'");
    let expected =
        Settings { socket_mode: 0o660, socket_group: Some("lvx".to_owned()), socket_role: Role::Admin, tcp: None };
    assert_eq!(config.api, expected);
    let config = valid("[api]\nlisten = '[::]:8443'\ncertificate = '/c'\nkey = '/k'\nread_token_file = '/r'");
    let tcp = Tcp {
        listen: "[::]:8443".parse().expect("an address"),
        certificate: "/c".into(),
        key: "/k".into(),
        client_ca: None,
        token_file: None,
        read_token_file: Some("/r".into()),
    };
    assert_eq!(config.api.tcp, Some(tcp));
}

#[test]
fn neither_plaintext_nor_everybody() {
    for (keys, expected) in [
        ("listen = '0.0.0.0:80'\ntoken_file = '/t'", "1: api.certificate: is missing\n1: api.key: is missing"),
        ("listen = '0.0.0.0:80'\ncertificate = '/c'\nkey = '/k'", "2: api.listen: everybody could change the services"),
        ("token_file = '/t'", "2: api.token_file: has no effect without api.listen"),
        (
            "listen = 8443\ncertificate = '/c'\nkey = '/k'\ntoken_file = '/t'",
            "2: api.listen: 8443 is a whole number, not address:port",
        ),
        (
            "listen = '[::]:1'\ncertificate = 'c'\nkey = '/k'\ntoken_file = '/t'",
            "3: api.certificate: 'c' is not the path of a file",
        ),
        ("socket_mode = '0999'", "2: api.socket_mode: '0999' is not permissions in octal"),
        ("socket_mode = '1777'", "2: api.socket_mode: '1777' is not permissions in octal"),
        ("socket_mode = 660", "2: api.socket_mode: 660 is a whole number, not permissions in octal"),
        ("socket_role = 'root'", "2: api.socket_role: 'root' is not one of read, admin"),
    ] {
        assert_eq!(problem(keys), expected, "{keys}");
    }
}

#[test]
fn the_reference_has_the_keys_of_the_api() {
    let problems = parse("lvx.toml", "[api]\nx = 1").expect_err("a refusal");
    let keys = problems[0].advice.strip_prefix("known here: ").expect("the known keys");
    for key in keys.split(", ") {
        assert!(REFERENCE.contains(&format!("`{key}`")), "docs/config.md lacks {key} of [api]");
    }
}

//! Each kind of health check takes a real server out when what it asks for breaks, and puts it back.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use lb_user::api::{Health, Status};
use lb_user::model::ServiceId;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use xtask::lab::Arms;

use super::director::Director;
use super::setup::Setup;
use servers::{Dialogue, Reply, Servers};

mod servers;

const LIMIT: Duration = Duration::from_secs(15);
const V4: &str = "172.16.100.10";
const V6: &str = "2001:db8:100::10";

/// A service with one real server: its key and port, whether it is one of IPv6, and its check.
struct Row {
    protocol: &'static str,
    port: u16,
    v6: bool,
    health: &'static str,
    /// The beginnings of the reason while all is well, while the answers are wrong, and while nobody is there.
    says: [&'static str; 3],
}

const fn row(protocol: &'static str, port: u16, v6: bool, health: &'static str, says: [&'static str; 3]) -> Row {
    Row { protocol, port, v6, health, says }
}

const ROWS: &[Row] = &[
    row(
        "tcp",
        80,
        false,
        r#"{ type = "http", body = "all (well)", redirects = 1 }"#,
        ["status 200", "status 200, but the body lacks `all (well)`", "connection refused"],
    ),
    row(
        "tcp",
        80,
        true,
        r#"{ type = "http", version = "1.0", status = "302" }"#,
        ["status 302", "status 200, expected 302", "connection refused"],
    ),
    row(
        "tcp",
        443,
        false,
        r#"{ type = "https", version = "2", host = "shop.example", verify = true, ca = "CA", digest = "c4ca4238a0b923820dcc509a6f75849b" }"#,
        ["status 200", "TLS: invalid peer certificate", "connection refused"],
    ),
    row(
        "tcp",
        443,
        true,
        r#"{ type = "tls", min_days_left = 10 }"#,
        ["TLS 1.", "certificate good for 5 days, expected at least 10", "connection refused"],
    ),
    row(
        "tcp",
        25,
        false,
        r#"{ type = "smtp", helo = "lb.example" }"#,
        ["`220 mail.example`", "greeting: `421 busy`, expected 220", "connection refused"],
    ),
    row(
        "tcp",
        6379,
        true,
        r#"{ type = "expect", send = 'PING\r\n', expect = '^\+PONG\r\n' }"#,
        ["as expected", "step 1: connection closed after 10 bytes", "connection refused"],
    ),
    row(
        "udp",
        53,
        false,
        r#"{ type = "dns", name = "www.example", record = "A", answer = "192.0.2.1" }"#,
        ["A 192.0.2.1", "A 192.0.2.2, expected 192.0.2.1", "connection refused"],
    ),
    row(
        "udp",
        514,
        true,
        r#"{ type = "udp", payload = "01", reply = "0x" }"#,
        ["reply of 1 bytes", "reply `\\xff`, expected hex 0x", "ICMP port unreachable"],
    ),
    row("tcp", 7, false, r#"{ type = "icmp" }"#, ["echo within", "no answer within 500ms", "no answer within 500ms"]),
    row("tcp", 7, true, r#"{ type = "icmp" }"#, ["echo within", "no answer within 500ms", "no answer within 500ms"]),
    row(
        "tcp",
        8,
        false,
        r#"{ type = "script", command = ["/usr/bin/test", "{address}", "=", "172.16.100.10", "-a", "!", "-e", "BROKEN"] }"#,
        ["exit status 0", "exit status 1", "exit status 1"],
    ),
    row(
        "tcp",
        8,
        true,
        r#"[{ type = "icmp" }, { type = "tcp", port = 6379 }]"#,
        ["echo within", "check 1 (icmp): no answer within 500ms", "check 1 (icmp): no answer within 500ms"],
    ),
];

fn config(directory: &Path) -> Result<String> {
    let path = |name: &str| directory.join(name).display().to_string();
    let mut text = "[defaults.health]\nvia = 'address'\ninterval = '300ms'\ntimeout = '500ms'\n".to_owned();
    for Row { protocol, port, v6, health, says: _ } in ROWS {
        let (vip, server) = if *v6 { ("[2001:db8:100::1]", V6) } else { ("172.16.100.1", V4) };
        let health = health.replace("\"CA\"", &format!("{:?}", path("good-ca.pem"))).replace("BROKEN", &path("broken"));
        writeln!(text, "[[service]]\n{protocol} = \"{vip}:{port}\"\nhealth = {health}")?;
        writeln!(text, "real_server = [{{ address = \"{server}\" }}]")?;
    }
    Ok(text)
}

/// Writes an authority, and a certificate of it that is good for so many days.
fn certificate(directory: &Path, name: &str, days: u32) -> Result<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(vec!["shop.example".to_owned()])?;
    let day = Duration::from_secs(24 * 3600);
    params.not_after = (std::time::SystemTime::now() + day * days + day / 2).into();
    let key = KeyPair::generate()?;
    fs::write(directory.join(format!("{name}-ca.pem")), authority.pem())?;
    fs::write(directory.join(format!("{name}.pem")), params.signed_by(&key, &authority)?.pem())?;
    Ok(fs::write(directory.join(format!("{name}.key")), key.serialize_pem())?)
}

/// Starts nginx on r1, with this certificate, this answer at `/`, and this body at `/alive`.
fn web(director: &Director, certificate: &str, root: &str, alive: &str) -> Result<u32> {
    let directory = director.lab.directory();
    let file = directory.join("checks.conf");
    let certificate = directory.join(certificate).display().to_string();
    fs::write(
        &file,
        format!(
            "daemon off; master_process off; pid checks.pid; error_log stderr;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; default_type text/plain;\n\
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
             server {{ listen 0.0.0.0:80; listen [::]:80;\n\
             location / {{ {root} }} location /alive {{ return 200 \"{alive}\"; }} }}\n\
             server {{ listen 0.0.0.0:443 ssl http2; listen [::]:443 ssl http2;\n\
             ssl_certificate {certificate}.pem; ssl_certificate_key {certificate}.key;\n\
             location / {{ return 200 \"1\"; }} }} }}\n"
        ),
    )?;
    let mut nginx = director.lab.command("r1", "nginx")?;
    nginx.arg("-p").arg(directory).arg("-c").arg(&file).args(["-e", "stderr"]);
    director.lab.spawn(nginx.stdin(Stdio::null()).stdout(Stdio::null()))
}

const GOOD_TCP: &[(u16, Dialogue)] = &[
    (25, &[(b"", b"220 mail.example\r\n"), (b"HELO lb.example\r\n", b"250 hello\r\n"), (b"QUIT\r\n", b"221 bye\r\n")]),
    (6379, &[(b"PING\r\n", b"+PONG\r\n")]),
];
const WRONG_TCP: &[(u16, Dialogue)] = &[(25, &[(b"", b"421 busy\r\n")]), (6379, &[(b"PING\r\n", b"-LOADING\r\n")])];
const GOOD_UDP: &[(u16, Reply)] = &[(53, |question| address(question, 1)), (514, |_| vec![0x0f])];
const WRONG_UDP: &[(u16, Reply)] = &[(53, |question| address(question, 2)), (514, |_| vec![0xff])];

/// The answer 192.0.2.N to a DNS question (RFC 1035, 4.1): its name is where the question has it.
fn address(question: &[u8], last: u8) -> Vec<u8> {
    let head = [&question[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last];
    [&head, &question[12..], &record[..]].concat()
}

/// Whether r1 answers echoes.
fn echoes(director: &Director, answers: bool) -> Result<()> {
    let ignore = u8::from(!answers);
    sysctls(director, ["ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all"], ignore)
}

fn sysctls(director: &Director, files: [&str; 2], value: u8) -> Result<()> {
    for file in files {
        let ran = director.sh_on("r1", &format!("echo {value} > /proc/sys/net/{file}"))?;
        assert_eq!(ran.status, 0, "{file}: {}", ran.stderr);
    }
    Ok(())
}

/// Waits until the checks of all rows say what they are to say.
fn becomes(director: &Director, up: bool, column: usize) -> Result<()> {
    let what = format!("all checks say what stands in column {column}");
    director.until(&what, LIMIT, |status| Ok(ROWS.iter().all(|row| says(status, row, up, row.says[column])))).map(drop)
}

fn says(status: &Status, row: &Row, up: bool, words: &str) -> bool {
    let is_it = |id: &ServiceId| match id {
        ServiceId::Address { vip, port, .. } => (*port, vip.is_ipv6()) == (row.port, row.v6),
        ServiceId::Mark { .. } => false,
    };
    let entry = status.services.iter().find(|entry| is_it(&entry.service.id));
    match entry.and_then(|entry| entry.servers.first()).map(|entry| &entry.health) {
        Some(Health::Up { detail }) => up && detail.starts_with(words),
        Some(Health::Down { reason }) => !up && reason.starts_with(words),
        Some(Health::Unchecked) | None => false,
    }
}

#[test]
fn every_kind_of_check_takes_a_server_out_and_brings_it_back() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    let directory = director.lab.directory().to_owned();
    certificate(&directory, "good", 30)?;
    certificate(&directory, "other", 5)?;
    director.configure(&config(&directory)?)?;
    let well = || web(&director, "good", "return 302 /alive;", "all well");
    let nginx = well()?;
    let servers = Servers::start(&director.lab, "r1", GOOD_TCP, GOOD_UDP)?;
    // Else one ICMP error a second is all that a peer gets.
    sysctls(&director, ["ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"], 0)?;
    director.start()?;
    becomes(&director, true, 0)?;

    // Wrong answers.
    servers.end()?;
    director.lab.stop(nginx)?;
    let nginx = web(&director, "other", "return 200 'here';", "half well")?;
    let servers = Servers::start(&director.lab, "r1", WRONG_TCP, WRONG_UDP)?;
    echoes(&director, false)?;
    fs::write(directory.join("broken"), "")?;
    becomes(&director, false, 1)?;

    // Nobody there.
    servers.end()?;
    director.lab.stop(nginx)?;
    becomes(&director, false, 2)?;

    fs::remove_file(directory.join("broken"))?;
    echoes(&director, true)?;
    well()?;
    let _servers = Servers::start(&director.lab, "r1", GOOD_TCP, GOOD_UDP)?;
    becomes(&director, true, 0)
}

//! ldirectord.cf: each key, and what becomes of it.

use super::{Kind, assert_says, import_as, imported};

const HEAD: &str = "virtual=10.0.0.1:80\n";
const REAL: &str = "    real=192.0.2.10:80 gate\n";

#[test]
fn keys_of_virtual_services() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "",
            &[
                "tcp = \"10.0.0.1:80\"",
                "scheduler = \"wrr\"",
                "type = \"http\"",
                "path = \"/\"",
                "method = \"GET\"",
                "status = \"200-299\"",
                "redirects = 7",
                "interval = \"10s\"",
                "timeout = \"30s\"",
                "rise = 1",
                "fall = 1",
                "via = \"address\"",
            ],
            &[],
        ),
        ("scheduler=lc\nschedflags=flag-1", &["scheduler = \"lc\"", "scheduler_flags = [\"flag-1\"]"], &[]),
        ("persistent=600\nnetmask=255.255.0.0", &["persistent = 600", "netmask = \"255.255.0.0\""], &[]),
        (
            "protocol=udp\nops=yes\nchecktype=connect",
            &["udp = \"10.0.0.1:80\"", "one_packet = true", "type = \"icmp\""],
            &[],
        ),
        ("ops=yes", &[], &["ops=yes: is for UDP"]),
        ("quiescent=yes", &["on_failure = \"inhibit\""], &[]),
        ("fallback=192.0.2.99:80 gate", &["sorry_server = { address = \"192.0.2.99\" }"], &[]),
        ("fallback=127.0.0.1:80", &[], &["fallback=127.0.0.1:80: LVX forwards to other machines only"]),
        ("servicename=Web\ncomment=the \"web\"", &["# f:2: servicename=Web", "# f:3: comment=the \"web\""], &[]),
        ("checktype=connect\nchecktimeout=3", &["type = \"tcp\"", "timeout = \"3s\""], &[]),
        ("checktype=ping\nfailurecount=3\nchecktimeout=2", &["type = \"icmp\"", "fall = 3", "timeout = \"2s\""], &[]),
        ("checktype=on", &["address = \"192.0.2.10\""], &[]),
        ("checktype=off", &[], &["checktype=off: its servers are never used, and left out: 192.0.2.10"]),
        ("checktype=4", &["type = \"http\""], &["checktype=4: LVX negotiates each time"]),
        (
            "checktype=external\ncheckcommand=\"/bin/true\"",
            &["command = [\"/bin/true\", \"10.0.0.1\", \"80\", \"192.0.2.10\", \"80\"]", "timeout = \"5s\""],
            &[],
        ),
        (
            "request=\"index.html\"\nreceive=\"Test\"\nvirtualhost=\"a.example\"\nhttpmethod=get\ncheckport=8000",
            &["path = \"/index.html\"", "body = \"Test\"", "host = \"a.example\"", "method = \"GET\"", "port = 8000"],
            &[],
        ),
        ("httpmethod=HEAD\nreceive=\"x\"", &["method = \"HEAD\""], &["the answer to HEAD has no body"]),
        ("service=https", &["type = \"https\"", "verify = false"], &[]),
        ("service=smtp", &["type = \"smtp\""], &[]),
        (
            "service=simpletcp\nrequest=\"PING\\n\"\nreceive=\"\\+PONG\"",
            &["type = \"expect\"", "send = 'PING\\n'", "expect = '\\+PONG'"],
            &[],
        ),
        (
            "service=imaps\nlogin=\"me\"\npasswd=\"secret\"",
            &["type = \"expect\"", "tls = true"],
            &["service=imaps: LVX waits for the greeting", "login: LVX does not log in", "passwd: LVX does not log in"],
        ),
        (
            "service=dns\nprotocol=udp\nrequest=\"a.example\"\nreceive=\"192\\.0\\.2\\.1\"",
            &["type = \"dns\"", "name = \"a.example\"", "record = \"A\"", "answer = \"192.0.2.1\""],
            &[],
        ),
        (
            "service=mysql\ndatabase=\"d\"",
            &["type = \"tcp\""],
            &["service=mysql: LVX does not speak it", "database: LVX"],
        ),
        ("service=none", &["address = \"192.0.2.10\""], &[]),
        ("emailalert=\"a@example.com\"", &[], &["f:2: warning: emailalert=\"a@example.com\": LVX sends no mail"]),
        ("monitorfile=\"/tmp/x\"", &[], &["monitorfile=\"/tmp/x\": LVX logs to standard error"]),
        ("cleanstop=no", &[], &["cleanstop=no: when LVX stops"]),
        ("checkinterval=3", &["interval = \"10s\""], &["checkinterval=3: does not count without fork=yes"]),
        ("new_key=1", &[], &["new_key=1: unknown"]),
    ];
    for (keys, lines, warnings) in rows {
        let keys: String = keys.lines().map(|line| format!("\t{line}\n")).collect();
        let text = format!("{HEAD}{keys}{REAL}");
        assert_says(&text, &imported(Kind::Ldirectord, &text), lines, warnings);
    }
}

#[test]
fn keys_of_the_whole_file() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "checkinterval=3\nchecktimeout=7\nfailurecount=2",
            &["interval = \"3s\"", "timeout = \"7s\"", "fall = 2"],
            &[],
        ),
        ("negotiatetimeout = 9", &["timeout = \"9s\""], &[]),
        ("quiescent=yes", &["on_failure = \"inhibit\""], &[]),
        ("fallback=192.0.2.99", &["sorry_server = { address = \"192.0.2.99\" }"], &[]),
        ("fork=no", &["# f:1: fork=no: LVX checks all servers by themselves"], &[]),
        ("autoreload=yes", &[], &["autoreload=yes: LVX reads"]),
        ("logfile=\"local0\"", &[], &["logfile=\"local0\": LVX logs"]),
        ("supervised", &[], &["supervised=yes: LVX always stays"]),
        ("maintenancedir=/x", &[], &["maintenancedir=/x: no files: lvx drain"]),
        ("readdquiescent=no", &[], &["readdquiescent=no: LVX does not put back"]),
        ("nonsense = 1", &[], &["nonsense=1: unknown to ldirectord and LVX"]),
    ];
    for (keys, lines, warnings) in rows {
        let text = format!("{keys}\n\n{HEAD}{REAL}");
        assert_says(&text, &imported(Kind::Ldirectord, &text), lines, warnings);
    }
}

#[test]
fn real_servers() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("192.0.2.1 gate 5", &["address = \"192.0.2.1\"", "weight = 5"], &[]),
        ("192.0.2.1->192.0.2.3:80 gate", &["address = \"192.0.2.1\"", "address = \"192.0.2.3\""], &[]),
        ("www.example.org:http gate", &["address = \"192.0.2.1\""], &[]),
        ("nowhere.invalid:80 gate", &[], &["`nowhere.invalid` is no IPv4 address and no name that is known here"]),
        (
            "192.0.2.1:8080 masq 2",
            &["weight = 2"],
            &["masq 2: LVX forwards by direct routing only", "port 8080: direct routing"],
        ),
        ("127.0.0.1:80 gate", &[], &["real=127.0.0.1:80 gate: LVX forwards to other machines only"]),
        (
            "192.0.2.1:80 gate 2 \"own.html\", \"own \\\"answer\" l:5 u:9",
            &["path = \"/own.html\"", "lower_threshold = 5", "upper_threshold = 9", "weight = 2"],
            &[],
        ),
        (
            "192.0.2.1:80 gate \"http://192.0.2.7:81/x\", \"y\"",
            &["path = \"/x\"", "address = \"192.0.2.7\"", "port = 81", "body = \"y\""],
            &[],
        ),
    ];
    for (real, lines, warnings) in rows {
        let text = format!("{HEAD}\treal={real}\n");
        assert_says(&text, &imported(Kind::Ldirectord, &text), lines, warnings);
    }
}

#[test]
fn marks_and_ipv6() {
    let text = "virtual=7\n\treal=192.0.2.1 gate\n\tservice=http\n\tprotocol=fwm\n\tpersistent=60\n";
    let lines = ["mark = 7", "port = 80", "persistent = 60", "# f:4: protocol=fwm: as the virtual is a firewall mark"];
    assert_says("a mark", &imported(Kind::Ldirectord, text), &lines, &[]);
    let text = "virtual6=[2001:db8::5]:119\n\treal6=[2001:db8::6]:119 gate\n\tchecktype=connect\n\tnetmask=64\n";
    let lines = ["tcp = \"[2001:db8::5]:119\"", "address = \"2001:db8::6\"", "netmask = 64", "type = \"tcp\""];
    assert_says("IPv6", &imported(Kind::Ldirectord, text), &lines, &[]);
}

#[test]
fn malformed_files_name_their_lines() {
    for (text, expected) in [
        ("virtual=10.0.0.1:80\n\treal=192.0.2.1:80 nat\n", "f:2: error: real=192.0.2.1:80 nat: `nat` is not gate"),
        ("virtual=10.0.0.1:80\n\n\treal=192.0.2.1:80 gate\n", "f:3: error: real=192.0.2.1:80 gate: indented, but not"),
        ("virtual=nowhere.invalid:80\n", "no name that is known here"),
        ("virtual=10.0.0.1\n", "the port is missing"),
        ("virtual=10.0.0.1:80\n\tchecktype=often\n", "checktype=often: ldirectord has no such check"),
        ("checktimeout=soon\n", "f:1: error: checktimeout=soon: not a number"),
        ("quiescent=maybe\n", "quiescent=maybe: neither yes nor no"),
        ("hello world\n", "`hello world` is not name = value"),
    ] {
        let error = import_as(Kind::Ldirectord, text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

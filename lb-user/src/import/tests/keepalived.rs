//! keepalived.conf: each directive, and what becomes of it.

use super::{Kind, assert_says, import_as, imported, parsed};

/// A virtual server with these directives, and a real server with those.
fn virtual_server(virtual_lines: &str, real_lines: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{\n lvs_method DR\n protocol TCP\n {virtual_lines}\n real_server 192.0.2.10 80 \
         {{\n {real_lines}\n }}\n}}\n"
    )
}

#[test]
fn directives_of_virtual_servers() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("", &["tcp = \"10.0.0.1:80\"", "scheduler = \"wlc\"", "address = \"192.0.2.10\"", "weight = 1"], &[]),
        ("lvs_sched rr", &["scheduler = \"rr\""], &[]),
        ("lb_algo mh\nmh-port\nmh-fallback", &["scheduler_flags = [\"mh-fallback\", \"mh-port\"]"], &[]),
        ("lvs_sched wrr\nflag-2", &["scheduler_flags = [\"flag-2\"]"], &[]),
        ("lvs_sched sh\nmh-port", &["scheduler = \"sh\""], &["f:5: warning: mh-port: means nothing to sh"]),
        ("lvs_sched dumb", &["scheduler = \"wlc\""], &["lvs_sched dumb: LVX does not know it"]),
        ("persistence_timeout 50", &["persistent = 50"], &[]),
        ("persistence_timeout", &["persistent = 360"], &[]),
        (
            "persistence_timeout 60\npersistence_granularity 255.255.255.0",
            &["persistent = 60", "netmask = \"255.255.255.0\""],
            &[],
        ),
        ("quorum 7\nhysteresis 2\nalpha", &["quorum = 7", "hysteresis = 2", "alpha = true"], &[]),
        ("inhibit_on_failure", &["on_failure = \"inhibit\""], &[]),
        ("inhibit_on_failure no", &["on_failure = \"remove\""], &[]),
        ("weight 5", &["weight = 5"], &[]),
        ("sorry_server 192.0.2.99 80", &["sorry_server = { address = \"192.0.2.99\" }"], &[]),
        (
            "sorry_server 192.0.2.99 8080",
            &["sorry_server = { address = \"192.0.2.99\" }"],
            &["f:4: warning: sorry_server 192.0.2.99 8080: direct routing keeps the port, the service's, 80"],
        ),
        ("sorry_server 127.0.0.1 80", &[], &["sorry_server 127.0.0.1 80: LVX forwards to other machines"]),
        ("ops", &[], &["ops: is for UDP"]),
        ("omega", &[], &["omega: LVX runs nothing when it stops"]),
        ("ha_suspend", &[], &["ha_suspend: LVX checks whether"]),
        ("smtp_alert", &[], &["smtp_alert: LVX sends no mail"]),
        ("snmp_name web", &[], &["snmp_name web: LVX has no SNMP"]),
        ("persistence_engine sip", &[], &["persistence_engine sip: LVX has none"]),
        ("lvs_method TUN type gue port 99", &[], &["lvs_method TUN type gue port 99: LVX forwards by direct routing"]),
        ("some_new_thing 5", &[], &["f:4: warning: some_new_thing 5: unknown in a virtual_server"]),
        (
            "quorum_up \"/bin/up.sh 'a b'\"\nquorum_down /bin/down.sh nobody",
            &[
                "[service.notify]",
                "case \"$LVX_EVENT $LVX_STATE $LVX_SERVER\" in",
                "'quorum up '*) /bin/up.sh 'a b' ;;",
                "'quorum down '*) /bin/down.sh ;;",
                "on = [\"quorum\"]",
            ],
            &["quorum_down /bin/down.sh nobody: it runs as the user of lvx, not as nobody"],
        ),
    ];
    for (directives, lines, warnings) in rows {
        assert_says(directives, &imported(Kind::Keepalived, &virtual_server(directives, "")), lines, warnings);
    }
}

#[test]
fn directives_of_real_servers() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("weight 3", &["weight = 3"], &[]),
        ("weight 0", &["weight = 0"], &[]),
        ("uthreshold 100\nlthreshold 50", &["upper_threshold = 100", "lower_threshold = 50"], &[]),
        ("lthreshold 50", &[], &["lthreshold is above uthreshold"]),
        ("inhibit_on_failure", &["on_failure = \"inhibit\""], &[]),
        ("alpha", &[], &["alpha: LVX has alpha for a whole service"]),
        ("alpha no", &["# f:6: alpha no: as its service"], &[]),
        ("lvs_method NAT", &[], &["lvs_method NAT: LVX forwards by direct routing only"]),
        ("smtp_alert no", &[], &["smtp_alert no: LVX sends no mail"]),
        ("new_thing {\n x\n}", &[], &["f:6: warning: new_thing (to line 8): unknown in a real_server"]),
        (
            "notify_up /bin/up\nnotify_down \"/bin/down now\"",
            &["'server up 192.0.2.10:80') /bin/up ;;", "'server down 192.0.2.10:80') /bin/down now ;;"],
            &[],
        ),
    ];
    for (directives, lines, warnings) in rows {
        assert_says(directives, &imported(Kind::Keepalived, &virtual_server("", directives)), lines, warnings);
    }
}

#[test]
fn checkers_and_their_defaults() {
    let plain = ["interval = \"1m\"", "timeout = \"5s\"", "rise = 1", "fall = 1", "via = \"address\""];
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("TCP_CHECK {\n}", &["type = \"tcp\"", "retry = 1", "delay_before_retry = \"1s\""], &[]),
        ("TCP_CHECK", &["type = \"tcp\""], &[]),
        ("TCP_CHECK {\n connect_port 81\n retry 0\n}", &["port = 81", "retry = 0"], &[]),
        ("TCP_CHECK {\n warmup 2.5\n}", &["warmup = \"2s 500ms\""], &[]),
        ("TCP_CHECK {\n bindto 192.0.2.1\n}", &[], &["bindto 192.0.2.1: LVX leaves it to the routing table"]),
        ("TCP_CHECK {\n fwmark 5\n}", &[], &["fwmark 5: LVX does not mark"]),
        ("TCP_CHECK {\n nonsense\n}", &[], &["nonsense: unknown here"]),
        ("PING_CHECK {\n retry 4\n}", &["type = \"icmp\"", "retry = 4"], &[]),
        (
            "HTTP_GET {\n url {\n }\n}",
            &[
                "type = \"http\"",
                "path = \"/\"",
                "status = \"200-299\"",
                "version = \"1.0\"",
                "retry = 1",
                "delay_before_retry = \"3s\"",
            ],
            &[],
        ),
        (
            "HTTP_GET {\n http_protocol 1.1\n virtualhost a.example\n url {\n path /x\n status_code 200 301-302\n }\n}",
            &["version = \"1.1\"", "host = \"a.example\"", "path = \"/x\"", "status = \"200,301-302\""],
            &[],
        ),
        (
            "HTTP_GET {\n http_protocol 1.0C\n url {\n virtualhost b.example\n }\n}",
            &["version = \"1.0\"", "headers = { Connection = \"close\" }", "host = \"b.example\""],
            &[],
        ),
        (
            "HTTP_GET {\n url {\n digest 640205B7b0fc66c1ea91c463fac6334d\n regex \"a\\\\d\"\n regex_options caseless utf\n }\n}",
            &["digest = \"md5:640205b7b0fc66c1ea91c463fac6334d\"", "body = '(?i)a\\d'"],
            &[],
        ),
        ("HTTP_GET {\n url {\n regex bad\n regex_no_match\n }\n}", &["body_absent = \"bad\""], &[]),
        (
            "HTTP_GET {\n url {\n regex \"a(?!b)\"\n }\n}",
            &[],
            &["look-around, including look-ahead and look-behind, is not supported"],
        ),
        (
            "HTTP_GET {\n url {\n regex a\n regex_min_offset 5\n regex_options dupnames\n }\n}",
            &[],
            &["regex_min_offset 5: LVX looks at the whole body", "regex_options dupnames: has no equal"],
        ),
        ("HTTP_GET {\n}", &[], &["HTTP_GET (to line 7): without a url"]),
        (
            "SSL_GET {\n enable_sni\n virtualhost www.example.com:443\n url {\n path /\n }\n}",
            &["type = \"https\"", "verify = false", "sni = \"www.example.com\"", "host = \"www.example.com:443\""],
            &[],
        ),
        ("SMTP_CHECK {\n}", &["type = \"smtp\"", "helo = \"smtpchecker.keepalived.org\""], &[]),
        (
            "SMTP_CHECK {\n helo_name a.example\n host {\n connect_ip 192.0.2.5\n connect_port 26\n }\n}",
            &["helo = \"a.example\"", "address = \"192.0.2.5\"", "port = 26"],
            &[],
        ),
        (
            "DNS_CHECK {\n}",
            &["type = \"dns\"", "record = \"SOA\"", "name = \".\"", "retry = 3", "delay_before_retry = \"1m\""],
            &[],
        ),
        ("DNS_CHECK {\n type aaaa\n name example.com\n}", &["record = \"AAAA\"", "name = \"example.com\""], &[]),
        (
            "MISC_CHECK {\n misc_path \"/bin/true a 'b c'\"\n misc_timeout 7\n misc_dynamic\n user nobody\n}",
            &[
                "type = \"script\"",
                "command = [\"/bin/true\", \"a\", \"b c\"]",
                "timeout = \"7s\"",
                "user = \"nobody\"",
                "dynamic = true",
                "retry = 0",
            ],
            &[],
        ),
        (
            "UDP_CHECK {\n payload 00 1\n require_reply 0x\n max_reply_length 9\n}",
            &["type = \"udp\"", "payload = \"0001\"", "require_reply = true", "reply = \"0x\"", "max_reply_length = 9"],
            &[],
        ),
        ("BFD_CHECK {\n name x\n}", &[], &["f:6: warning: BFD_CHECK (to line 8): LVX has no BFD"]),
        ("FILE_CHECK {\n track_file x\n}", &[], &["FILE_CHECK (to line 8): LVX watches no files"]),
    ];
    for (directives, lines, warnings) in rows {
        assert_says(directives, &imported(Kind::Keepalived, &virtual_server("", directives)), lines, warnings);
    }
    let checked = imported(Kind::Keepalived, &virtual_server("", "TCP_CHECK"));
    assert_says("the defaults", &checked, &plain, &[]);
}

#[test]
fn what_is_said_of_a_service_holds_for_its_checks_unless_they_say_otherwise() {
    let text = virtual_server(
        "delay_loop 6\nconnect_timeout 3\nretry 2\ndelay_before_retry 1\nvirtualhost vs.example",
        "retry 5\nHTTP_GET {\n url {\n path /a\n }\n url {\n path /b\n virtualhost url.example\n }\n connect_timeout 0.5\n}",
    );
    let lines = [
        "[[service.health]]",
        "interval = \"6s\"",
        "timeout = \"500ms\"",
        "retry = 5",
        "delay_before_retry = \"1s\"",
        "host = \"vs.example\"",
        "host = \"url.example\"",
    ];
    let imported = imported(Kind::Keepalived, &text);
    assert_says("defaults", &imported, &lines, &[]);
    let count = |line: &str| imported.text.lines().filter(|had| *had == line).count();
    assert_eq!((count("interval = \"6s\""), count("timeout = \"500ms\"")), (1, 2), "the first check has the rhythm");
}

#[test]
fn checks_of_a_list_are_asked_together() {
    let text = virtual_server("", "TCP_CHECK {\n delay_loop 5\n}\nPING_CHECK {\n delay_loop 7\n}");
    let warning = "f:9: warning: LVX asks this together with the check of f:6, and as often";
    assert_says("two rhythms", &imported(Kind::Keepalived, &text), &["interval = \"5s\""], &[warning]);
}

#[test]
fn groups_stand_for_services() {
    let text = "virtual_server_group G {\n 10.0.0.1 80\n 10.0.0.5-6 81\n fwmark 7\n}\n\
                virtual_server group G {\n lvs_method DR\n protocol UDP\n lvs_sched rr\n ops\n\
                real_server 192.0.2.10 80 {\n weight 2\n }\n}\n";
    let imported = imported(Kind::Keepalived, text);
    let services: Vec<String> = parsed(&imported).services.iter().map(|service| service.id.to_string()).collect();
    assert_eq!(services, ["UDP 10.0.0.1:80", "UDP 10.0.0.5:81", "UDP 10.0.0.6:81", "FWM 7"]);
    let count = |line: &str| imported.text.lines().filter(|had| *had == line).count();
    assert_eq!((count("one_packet = true"), count("weight = 2")), (4, 4));
}

#[test]
fn marks_know_their_family_and_their_checks_need_ports() {
    let text = "virtual_server fwmark 7 {\n lvs_method DR\n protocol TCP\n real_server 2001:db8::1 {\n TCP_CHECK {\n\
                connect_port 80\n }\n }\n real_server 2001:db8::2 {\n TCP_CHECK\n }\n}\n";
    let imported = imported(Kind::Keepalived, text);
    let lines = ["mark = 7", "ipv6 = true", "port = 80", "# f:3: protocol TCP: means nothing with a firewall mark"];
    assert_says("marks", &imported, &lines, &["f:10: warning: TCP_CHECK: no port to ask"]);
    assert!(!imported.text.contains("via"), "no VIP can be asked");
    let text = text.replace("fwmark 7", "fwmark 7 inet");
    let warned = super::import_as(Kind::Keepalived, &text).expect("an import");
    assert!(warned.warnings.iter().any(|warning| warning.to_string().contains("of the service's own family")));
}

#[test]
fn what_keepalived_takes_for_granted_is_said() {
    let text = "virtual_server 10.0.0.1 {\n real_server 192.0.2.10 8080 {\n }\n}\n";
    let warnings = [
        "no lvs_method, which means NAT",
        "no protocol, which means UDP",
        "no port, which makes it persistent",
        "direct routing keeps the port, the client's",
    ];
    let lines = ["udp = \"10.0.0.1:0\"", "persistent = 360"];
    assert_says("defaults", &imported(Kind::Keepalived, text), &lines, &warnings);
}

#[test]
fn sctp_is_left_out_by_name() {
    let text = virtual_server("protocol SCTP", "weight 1");
    let imported = imported(Kind::Keepalived, &text);
    let warnings =
        ["f:4: warning: protocol SCTP", "f:1: warning: virtual_server 10.0.0.1 80 (to line 8): protocol SCTP"];
    assert_says("sctp", &imported, &[], &warnings);
    assert!(!imported.text.contains("[[service]]"));
}

#[test]
fn everything_else_is_named() {
    let text = "global_defs {\n router_id R\n lvs_timeouts tcp 10 udp 30\n lvs_sync_daemon eth0\n what_is_this\n\
                script_user nobody\n}\n\
                vrrp_instance V {\n interface eth0\n virtual_ipaddress {\n 10.0.0.9/24 dev eth1\n 10.0.0.8\n }\n}\n\
                static_routes {\n 10.1.0.0/16 via 10.0.0.1\n}\nnew_block {\n}\n";
    let lines = [
        "[timeouts]",
        "tcp = 10",
        "udp = 30",
        "# address = \"10.0.0.9/24\"",
        "# interface = \"eth1\"",
        "# address = \"10.0.0.8\"",
        "# interface = \"eth0\"",
        "# f:6: script_user nobody: the user of the checks by script",
    ];
    let warnings = [
        "f:2: warning: router_id R: VRRP stays",
        "lvs_sync_daemon eth0: LVX has no sync daemon",
        "what_is_this: unknown in global_defs",
        "vrrp_instance V (to line 14): VRRP stays",
        "static_routes (to line 17): leave it",
        "new_block (to line 19): unknown to LVX",
    ];
    let imported = imported(Kind::Keepalived, text);
    assert_says("globals", &imported, &lines, &warnings);
    let timeouts = parsed(&imported).timeouts;
    assert_eq!((timeouts.tcp, timeouts.tcpfin, timeouts.udp), (10, 120, 30));
}

#[test]
fn conditions_definitions_and_sequences() {
    let text = "$PORT=80\n$RS= \\\n real_server 192.0.2.${N} $PORT { \\\n  weight ${N} \\\n }\n\
                virtual_server 10.0.0.1 ${PORT} { ! comment\n lvs_method DR # comment\n protocol TCP\n\
                @here lvs_sched rr\n@there lvs_sched lc\n@^there persistence_timeout 60\n\
                $N=1\n $RS\n ~SEQ(N, 2, 3) $RS\n}\n";
    let lines =
        ["scheduler = \"rr\"", "persistent = 60", "address = \"192.0.2.1\"", "address = \"192.0.2.3\"", "weight = 2"];
    let warning = "f:10: warning: `@there lvs_sched lc`: left out, for the config-id is here";
    assert_says("definitions", &imported(Kind::Keepalived, text), &lines, &[warning]);
}

#[test]
fn includes_are_read_where_they_stand() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
    write("a.conf", "virtual_server 10.0.0.1 80 {\n lvs_method DR\n protocol TCP\n include servers/*.conf\n}\n");
    std::fs::create_dir(directory.path().join("servers")).expect("a directory");
    write("servers/1.conf", "real_server 192.0.2.1 80 {\n}\n");
    write("servers/2.conf", "real_server 192.0.2.2 80 {\n oops\n}\n");
    let text = format!("include {}/a.conf\ninclude nowhere/*\n", directory.path().display());
    let imported = imported(Kind::Keepalived, &text);
    let warnings =
        ["servers/2.conf:2: warning: oops: unknown", "f:2: warning: include nowhere/*: there is no such file"];
    assert_says("includes", &imported, &["address = \"192.0.2.1\"", "address = \"192.0.2.2\""], &warnings);
}

#[test]
fn malformed_files_name_their_lines() {
    for (text, expected) in [
        ("virtual_server 10.0.0.1 80 {\n", "f:1: error: the { of virtual_server 10.0.0.1 80 is never closed"),
        ("global_defs {\n}\n}\n", "f:3: error: a } too many"),
        ("virtual_server ten 80 {\n}\n", "f:1: error: virtual_server ten 80 (to line 2): `ten` is not an address"),
        ("virtual_server group G {\n}\n", "there is no virtual_server_group G"),
        ("virtual_server fwmark 0 {\n}\n", "`0` is not a firewall mark"),
        (&virtual_server("delay_loop often", ""), "f:4: error: delay_loop often: `often` is not a time in seconds"),
        (&virtual_server("persistence_timeout x", ""), "`x` is not a number"),
        (&virtual_server("", "MISC_CHECK {\n}"), "without a misc_path"),
        (&virtual_server("", "UDP_CHECK {\n payload zz\n}"), "payload zz: not hexadecimal digits"),
        ("$A=${A}x\ninclude_${A}\n", "the definitions that it uses are endless"),
    ] {
        let error = import_as(Kind::Keepalived, text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn ipv6_services() {
    let text = virtual_server("", "TCP_CHECK").replace("10.0.0.1", "2001:db8::1").replace("192.0.2.10", "2001:db8::10");
    let text = text.replace("protocol TCP", "protocol TCP\npersistence_timeout\npersistence_granularity 64");
    let imported = imported(Kind::Keepalived, &text);
    assert_says("IPv6", &imported, &["tcp = \"[2001:db8::1]:80\"", "netmask = 64", "address = \"2001:db8::10\""], &[]);
}

//! What the real ipvsadm 1.31 on Linux 6.1 answered to these command lines: exit status and standard error.

use super::fake::Fake;
use super::{ipvsadm, run_with_input, table};

/// `V` is the virtual address, `R` a real server.
fn words(line: &str) -> String {
    let word = |word: &str| match word {
        "R" => "172.16.100.10".to_owned(),
        word => word.replace("V:", "172.16.100.1:"),
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn state() -> Fake {
    table(&["-A -t 172.16.100.1:80 -s wrr", "-a -t 172.16.100.1:80 -r 172.16.100.10", "-A -t 172.16.100.1:84"])
}

/// Runs each line against the same state, which none of them may change.
fn refused(status: i32, rows: &[(&str, &str)]) {
    for (line, text) in rows {
        let mut fake = state();
        let output = ipvsadm(&mut fake, &words(line));
        assert_eq!(
            (output.status, output.stderr.as_str(), output.stdout.as_str()),
            (status, format!("{text}\n").as_str(), ""),
            "ipvsadm {line}"
        );
        let before = state();
        assert_eq!((fake.services, fake.timeouts), (before.services, before.timeouts), "ipvsadm {line}");
    }
}

const TRY_HELP: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";

#[test]
fn the_table_refuses() {
    refused(
        255,
        &[
            ("-A -t V:80 -s rr", "Service already exists"),
            ("-A -t V:http -s rr", "Service already exists"),
            ("-A -t V:80 -s bogus", "Service already exists"),
            ("-A -t V:80 -s sh", "Service already exists"),
            ("-a -t V:80 -r R", "Destination already exists"),
            ("-a -t V:81 -r R", "Service not defined"),
            ("-d -t V:81 -r R", "Service not defined"),
            ("-e -t V:81 -r R", "Service not defined"),
            ("-d -t V:80 -r 172.16.100.99", "No such destination"),
            ("-e -t V:80 -r 172.16.100.99", "No such destination"),
            ("-d -t V:80 -r 172.16.100.10:8080", "No such destination"),
            ("-d -r R -t V:80", "No such destination"),
            ("-D -t V:81", "No such service"),
            ("-E -t V:81", "No such service"),
            ("-E -t V:81 -s bogus", "No such service"),
            ("-E -t V:81 -s mh", "No such service"),
            ("-Z -t V:81", "No such service"),
            ("-Z -f 77", "No such service"),
            ("-A -t V:82 -s bogus", "Scheduler or persistence engine not found"),
            ("-A -t V:82 -s WRR", "Scheduler or persistence engine not found"),
            ("-A -t V:82 --pe bogus", "Scheduler or persistence engine not found"),
            ("-E -t V:80 -s bogus", "Scheduler or persistence engine not found"),
            ("-a -t V:84 -r R -x 5 -y 10", "Numerical result out of range"),
            ("-a -t V:84 -r 224.0.0.1", "Invalid operation.  Possibly wrong module version, address not unicast, ..."),
            (
                "-a -t V:84 -r 255.255.255.255",
                "Invalid operation.  Possibly wrong module version, address not unicast, ...",
            ),
        ],
    );
}

#[test]
fn what_is_not_there_cannot_be_listed() {
    refused(1, &[("-Ln -t V:81", "No such service"), ("-L -f 7 --stats", "No such service")]);
}

#[test]
fn the_first_option_must_be_a_command() {
    refused(
        255,
        &[
            ("-t V:80 -A", TRY_HELP),
            ("-n", TRY_HELP),
            ("--add-s -t V:83", TRY_HELP),
            ("--sort", TRY_HELP),
            ("-6", TRY_HELP),
            ("-g", TRY_HELP),
            ("-f 1", TRY_HELP),
            ("list", TRY_HELP),
            ("-- -L", TRY_HELP),
            ("--start-daemon", TRY_HELP),
            ("-L=n", TRY_HELP),
            ("#", TRY_HELP),
        ],
    );
}

#[test]
fn popt_stumbles() {
    refused(
        255,
        &[
            ("-A -t V:83 --bogus", "--bogus: unknown option"),
            ("-A -t V:83 --sched=rr", "--sched=rr: unknown option"),
            ("-LnQ", "-LnQ: unknown option"),
            ("-A -t", "-t: missing argument"),
            ("-A -t V:83 -s", "-s: missing argument"),
            ("-Ln --stats=yes", "--stats=yes: option does not take an argument"),
            ("--set -1 2 3", "-1: unknown option"),
        ],
    );
}

#[test]
fn addresses_are_illegal() {
    let text = "illegal virtual server address[:port] specified";
    let addresses = [
        "80",
        "nosuchhost.invalid:80",
        "172.16.100.1:99999",
        "172.16.100.1:nosuchsvc",
        "1.2.3.4:",
        "300.2.3.4:80",
        "[::1:80",
        "[::1]",
    ];
    for address in addresses {
        refused(2, &[(&format!("-A -t {address}"), text), (&format!("-L -u {address}"), text)]);
    }
    refused(
        2,
        &[
            ("-a -t V:84 -r 80", "illegal real server address[:port] specified"),
            ("-a -r 172.16.100.10:http -t V:84", "illegal real server address[:port] specified"),
            ("-A -t V:83 -M bogus..mask", "illegal virtual server persistent mask specified"),
            ("-A -t [2001:db8::1]:80 -M 129", "illegal ipv6 netmask specified"),
            ("-A -t [2001:db8::1]:80 -M 255.255.255.0", "illegal ipv6 netmask specified"),
            ("-A -f 3 -6 -M bogus", "illegal ipv6 netmask specified"),
        ],
    );
}

#[test]
fn ports_and_marks() {
    refused(
        2,
        &[
            ("-A -t 172.16.100.1", "Zero port specified for non-persistent service"),
            ("-A -t V:0", "Zero port specified for non-persistent service"),
            ("-E -t V:0", "Zero port specified for non-persistent service"),
            ("-A -t ::1", "Zero port specified for non-persistent service"),
            ("-A -f 0", "invalid fwmark value `0' specified"),
            ("-A -f abc", "invalid fwmark value `abc' specified"),
            ("-A -f 0x8", "invalid fwmark value `0x8' specified"),
            ("-A -f 4294967296", "invalid fwmark value `4294967296' specified"),
            ("-A -f -1", "invalid fwmark value `-1' specified"),
            ("-A -6 -f 3", "-6 used before -f\n"),
            ("-A -t V:83 -6", "-6 used before -f\n"),
            ("-A -t V:85 -o", "One-Packet Scheduling is only for UDP virtual services"),
        ],
    );
}

#[test]
fn options_and_commands_do_not_fit() {
    refused(
        2,
        &[
            ("-A", "You need to supply the 'service-address' option for the 'add-service' command"),
            ("-A -s rr", "You need to supply the 'service-address' option for the 'add-service' command"),
            ("-a -t V:84", "You need to supply the 'real-server' option for the 'add-server' command"),
            ("-d -r R", "You need to supply the 'service-address' option for the 'delete-server' command"),
            ("-A -t V:83 -r 1.2.3.4", "Illegal 'real-server' option with the 'add-service' command"),
            ("-d -t V:84 -r R -w 3", "Illegal 'weight' option with the 'delete-server' command"),
            ("-D -t V:80 -s rr", "Illegal 'scheduler' option with the 'delete-service' command"),
            ("-C -n", "Illegal 'numeric' option with the 'flush' command"),
            ("-S --nosort", "Illegal 'nosort' option with the 'save' command"),
            ("-Z -f 8 --exact", "Illegal 'exact' option with the 'zero' command"),
            ("-R -n", "Illegal 'numeric' option with the 'restore' command"),
            ("--set 1 2 3 -n", "Illegal 'numeric' option with the 'set' command"),
            ("-e -t V:84 -r R -p", "Illegal 'persistent' option with the 'edit-server' command"),
            ("-A -t V:83 -t V:84", "multiple 'service-address' options specified"),
            ("-A -t V:83 -f 8", "multiple 'service-address' options specified"),
            ("-a -t V:84 -r R -g -m", "multiple 'forwarding-method' options specified"),
            ("-Lnn", "multiple 'numeric' options specified"),
            ("-A -D -t V:83", "invalid option `-D'"),
            ("-AD -t V:83", "invalid option `-AD'"),
            ("-L --help", "invalid option `--help'"),
            ("-L --start-daemon master", "invalid option `master'"),
            ("-A -t V:83 extra", "unexpected argument extra"),
            ("-C extra", "unexpected argument extra"),
            ("extra -C more", "unexpected argument extra"),
        ],
    );
}

#[test]
fn values_are_out_of_bounds() {
    refused(
        2,
        &[
            ("-A -t V:83 -p 0", "invalid timeout value `0' specified"),
            ("-A -t V:83 -p abc", "invalid timeout value `abc' specified"),
            ("-A -t V:83 -p 2678401", "invalid timeout value `2678401' specified"),
            ("-A -t V:83 --persistent=", "invalid timeout value `' specified"),
            ("-a -t V:84 -r R -w -1", "illegal weight specified"),
            ("-a -t V:84 -r R -w 2147483648", "illegal weight specified"),
            ("-a -t V:84 -r R -x abc", "illegal u_threshold specified"),
            ("-a -t V:84 -r R -y -5", "illegal l_threshold specified"),
            ("-A -t V:83 -s rr -b sh-port", "incompatible scheduler flag `sh-port'"),
            ("-A -t V:83 -b mh-fallback,bogus", "incompatible scheduler flag `mh-fallback'"),
            ("-A -t V:83 -s rr -b bogus", "invalid scheduler flag `bogus'"),
            ("-D -t V:80 -b flag-1,bogus", "invalid scheduler flag `bogus'"),
            ("--set 1 2", "--set option requires 3 timeout values"),
            ("--set a b c", "invalid timeout value `a' specified"),
            ("--set 1 2 2678401", "invalid timeout value `2678401' specified"),
            ("--set 1 2 3 4", "unexpected argument 4"),
        ],
    );
}

#[test]
fn options_of_a_list_conflict() {
    let conflict = "options conflicts in the list command";
    refused(
        2,
        &[
            ("-Ln --timeout --daemon", "The option 'daemon' conflicts with the 'timeout' option in the 'list' command"),
            (
                "-Lc -t V:80",
                "The option 'service-address' conflicts with the 'connection' option in the 'list' command",
            ),
            ("-Lnc --stats", conflict),
            ("-Lnc --rate", conflict),
            ("-L --timeout --thresholds", conflict),
            ("-Ln --timeout --persistent-conn", conflict),
        ],
    );
}

#[test]
fn tunnel_options_are_checked_first() {
    refused(
        2,
        &[
            ("-a -t V:84 -r [2001:db8::10]:80 -g", "Different address family is allowed only for tunneling servers"),
            ("-a -t V:84 -r R --tun-type gue", "Tunnel options conflict with forward method"),
            ("-a -t V:84 -r R -m --tun-csum", "Tunnel options conflict with forward method"),
            ("-a -t V:84 -r R -i --tun-type gue", "You need to supply the 'tun-port' option for the 'gue' tunnel type"),
            (
                "-a -t V:84 -r R -i --tun-type gre --tun-remcsum",
                "Illegal 'tun-remcsum' option with the 'gre' tunnel type",
            ),
            ("-a -t V:84 -r R -i --tun-port 1", "Illegal 'tun-port' option with the 'ipip' tunnel type"),
            (
                "-a -t V:84 -r R -i --tun-type gue --tun-port 1 --tun-csum --tun-nocsum",
                "The option 'tun-csum' conflicts with the 'tun-nocsum' option in the 'gue' tunnel type",
            ),
            ("-a -t V:84 -r R -i --tun-type bogus", "illegal tunnel type specified"),
            ("-a -t V:84 -r R -i --tun-port 0", "illegal tunnel port specified"),
        ],
    );
}

#[test]
fn daemon_options_are_checked_first() {
    refused(
        2,
        &[
            ("--start-daemon bogus", "illegal start-daemon parameter specified"),
            ("--stop-daemon bogus", "illegal start_daemon specified"),
            ("--start-daemon master --mcast-group 1.2.3.4", "invalid IPv4 mcast-group `1.2.3.4'"),
            ("--start-daemon master --mcast-group 2001:db8::1", "invalid IPv6 mcast-group `2001:db8::1'"),
            ("--start-daemon master --syncid 256", "illegal syncid specified"),
            ("--start-daemon master --mcast-port 0", "illegal mcast-port specified"),
            ("--start-daemon master --mcast-ttl 256", "illegal mcast-ttl specified"),
            ("--start-daemon master --sync-maxlen 65508", "illegal sync-maxlen specified"),
            ("--stop-daemon master --mcast-ttl 1", "Illegal 'mcast-ttl' option with the 'stop-daemon' command"),
        ],
    );
}

#[test]
fn what_lvx_does_otherwise_is_said() {
    let direct = "forwards by direct routing only (-g)";
    let no_daemon = "has no connection sync daemon";
    for (line, instead) in [
        ("-A -u V:5060 --pe sip -p 60", "has no persistence engines"),
        ("-A --sctp-service V:83", "balances TCP and UDP only"),
        ("-D --sctp-service V:83", "balances TCP and UDP only"),
        ("-a -t V:84 -r R -m", direct),
        ("-a -t V:84 -r R -m -w 5 -x 9 -y 3", direct),
        ("-e -t V:80 -r R -i", direct),
        ("-a -t V:84 -r [2001:db8::10]:80 -i --tun-type gre --tun-csum", direct),
        ("-a -t V:84 -r R -i --tun-type gue --tun-port 6080 --tun-remcsum", direct),
        ("-A -t [::ffff:172.16.100.1]:80", "has no IPv4-mapped IPv6 addresses"),
        ("--start-daemon master --mcast-group ff02::1 --syncid 3", no_daemon),
        ("--start-daemon backup --sync-maxlen 1000 --mcast-interface eth0", no_daemon),
        ("--stop-daemon backup", no_daemon),
    ] {
        refused(255, &[(line, &format!("LVX {instead}; nothing was changed"))]);
    }
}

#[test]
fn accepted_without_complaint() {
    for line in [
        "-Ln --stats --rate",
        "-A -t V:83 -M 255.255.255.0",
        "-A -t V:83 -p 2678400",
        "-A -f 4294967295",
        "-a -t V:84 -r 8.8.8.8",
        "-a -t V:84 -r 127.0.0.1",
        "-a -t V:84 -r R -w 65536",
        "-a -t V:84 -r R -w 2147483647",
        "--set 0 0 0",
        "-Lnc --exact",
        "-L --sort --syncid 5",
        "-L --daemon",
        "-At 1.2.3.4:85 -srr",
        "-A -t V:83 -p300",
        "-A -t V:83 --persistent=300",
        "--add-service --tcp-service=V:83 --scheduler=wrr",
        "-A -t 10.1.1:80",
        "-A -t 0x0a010102:80",
        "-A -f 3 -6 -M 64",
        "-Z",
        "-Z -t V:80",
        "-C",
    ] {
        let output = ipvsadm(&mut state(), &words(line));
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "ipvsadm {line}");
    }
    assert_eq!(ipvsadm(&mut Fake::default(), "-C").status, 0);
}

#[test]
fn help_and_version_need_no_daemon() {
    let reason = "/run/lvx/lvx.sock: No such file or directory".to_owned();
    let mut fake = Fake { unreachable: Some(reason), ..Fake::default() };
    let version = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";
    let output = ipvsadm(&mut fake, "-v extra");
    assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (0, version, ""));
    let output = run_with_input(&mut fake, "/sbin/ipvsadm --help --bogus", "");
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.starts_with(version) && output.stdout.contains("\n  /sbin/ipvsadm -A SERVICE"), "{output:?}");
    assert_eq!(fake.requests, 0);
}

#[test]
fn everything_else_needs_the_daemon_before_it_is_even_read() {
    let reason = "/run/lvx/lvx.sock: No such file or directory".to_owned();
    let expected = format!(
        "Can't initialize ipvs: {reason}\n\
         Are you sure that the lvx daemon (`lvx run`) is running, and that you may use its socket?\n"
    );
    let mut fake = Fake { unreachable: Some(reason), ..Fake::default() };
    for line in ["ipvsadm", "ipvsadm -Ln", "ipvsadm --bogus", "ipvsadm -A", "ipvsadm -R", "ipvsadm-save -n"] {
        let output = run_with_input(&mut fake, line, "-C\n");
        assert_eq!((output.status, &output.stderr, output.stdout.as_str()), (2, &expected, ""), "{line}");
    }
}

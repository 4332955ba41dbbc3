//! What `ipvsadm -S` prints.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Kind, assert_says, import_as, imported, parsed};
use crate::ipvsadm::tests::round_trip;

#[test]
fn what_has_no_equal_is_said() {
    let text = "# saved by hand\n-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.0.2.1:8080 -m -w 3\n\
                -a -t 10.0.0.1:80 -r 192.0.2.2:80 -i -w 1 --tun-type gue --tun-port 99\n\
                -A --sctp-service 10.0.0.1:99\n-A -t nowhere.invalid:80\n-A -u 10.0.0.1:5060 --pe sip -p 60\n\
                -A -t 10.0.0.1:81 -s dumb\n-a -t 10.0.0.9:80 -r 192.0.2.1\n-Ln\n--start-daemon master\n\
                --set 10 0 30\nipvsadm -A -t www.example.org:http -s rr\n";
    let lines = ["weight = 3", "udp = \"10.0.0.1:5060\"", "tcp = 10", "udp = 30", "tcp = \"192.0.2.1:80\""];
    let warnings = [
        "f:3: warning: -m: masquerading becomes direct routing",
        "f:3: warning: port 8080 of the server: direct routing keeps the service's, 80",
        "f:4: warning: -i: a tunnel becomes direct routing",
        "f:5: warning: `-A --sctp-service 10.0.0.1:99`: LVX balances TCP and UDP only",
        "f:6: warning: `-A -t nowhere.invalid:80`: the name nowhere.invalid is unknown here",
        "f:7: warning: persistence engine sip: LVX has none",
        "f:8: warning: scheduler dumb: LVX does not know it, wlc instead",
        "f:9: warning: `-a -t 10.0.0.9:80 -r 192.0.2.1`: there is no such service",
        "f:10: warning: `-Ln`: it changes nothing",
        "f:11: warning: `--start-daemon master`: LVX has no connection sync daemon",
    ];
    let imported = imported(Kind::IpvsadmSave, text);
    assert_says(text, &imported, &lines, &warnings);
    assert_eq!(parsed(&imported).services.len(), 4);
}

#[test]
fn commands_are_carried_out_one_after_the_other() {
    let text = "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 192.0.2.1 -w 3 -x 9 -y 5\n-a -t 10.0.0.1:80 -r 192.0.2.2\n\
                -E -t 10.0.0.1:80 -s rr\n-e -t 10.0.0.1:80 -r 192.0.2.1 -w 7\n-d -t 10.0.0.1:80 -r 192.0.2.2\n\
                -A -f 8 -s rr\n-D -f 8\n";
    let services = parsed(&imported(Kind::IpvsadmSave, text)).services;
    let [service] = services.as_slice() else { panic!("{services:?}") };
    assert_eq!((service.scheduler.name(), service.servers.len()), ("rr", 1));
    assert_eq!(service.servers.first().map(|server| (server.weight, server.upper_threshold)), Some((7, 0)));
    assert!(parsed(&imported(Kind::IpvsadmSave, "-A -f 8\n-C\n")).services.is_empty());
}

#[test]
fn malformed_lines_are_named() {
    for (text, expected) in [
        ("-A -t 10.0.0.1:80\n-A -t 10.0.0.1:99999\n", "f:2: error: `-A -t 10.0.0.1:99999`: illegal virtual server"),
        ("-A -t 10.0.0.1:0\n", "Zero port specified for non-persistent service"),
        ("-A -t 10.0.0.1:80 --bogus\n", "--bogus: unknown option"),
        ("hello\n", "f:1: error"),
    ] {
        let error = import_as(Kind::IpvsadmSave, text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn what_is_saved_is_imported_as_it_was(services in vec(round_trip::unicast_service(), 0..6)) {
        let (saved, mut expected) = round_trip::saved(services);
        let imported = import_as(Kind::IpvsadmSave, &saved).expect("an import");
        prop_assert_eq!(imported.warnings.len(), 0, "{:?}", imported.warnings);
        let mut services = parsed(&imported).services;
        for service in services.iter_mut().chain(&mut expected) {
            service.servers.sort_by_key(|server| (server.address, server.port));
        }
        services.sort_by_key(|service| service.id);
        expected.sort_by_key(|service| service.id);
        prop_assert_eq!(services, expected);
    }
}

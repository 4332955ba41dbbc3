//! Changes that must leave connections alone (case 18).

use lb_user::model::{Model, plan};
use lvx_tests::director::TestDirector;
use lvx_tests::frame::Packet;

use super::expect::change;
use super::*;

/// The rows of `ipvsadm -Lnc` without their expiry.
fn connections(director: &mut TestDirector) -> Vec<String> {
    let output = director.run("ipvsadm -Lnc").stdout;
    let row = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.remove(1);
        words.join(" ")
    };
    let mut rows: Vec<String> = output.lines().map(row).collect();
    rows.sort();
    rows
}

#[test]
fn an_edited_service_keeps_connections_templates_and_the_schedulers_memory() {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s rr -p 300"));
    for client in 1..=2 {
        director.receive(&Packet::tcp(&format!("10.0.0.{client}:1024"), VIP_WEB, "S").frame());
    }
    let before = connections(&mut director);
    change(&mut director, "ipvsadm -E -t 172.16.100.1:80 -s rr -p 600");
    assert_eq!(connections(&mut director), before);
    let third = Packet::tcp("10.0.0.3:1024", VIP_WEB, "S").frame();
    Expected::sent(WEB, A).opening().with_template().check(&mut director, "the third server's turn", &third);
    let again = Packet::tcp("10.0.0.1:1025", VIP_WEB, "S").frame();
    Expected::sent(WEB, C).opening().check(&mut director, "the first client's template", &again);
}

#[test]
fn edits_of_a_live_service_and_server_touch_neither_connections_nor_counters() {
    let mut director = with(WEB_OF_THREE);
    director.receive(&Packet::tcp("10.0.0.1:1024", VIP_WEB, "S").frame());
    director.receive(&Packet::tcp("10.0.0.1:1024", VIP_WEB, "A").frame());
    let table = |director: &mut TestDirector| director.run("ipvsadm -Ln --stats").stdout;
    let before = (connections(&mut director), table(&mut director));
    for line in [
        format!("ipvsadm -e -t 172.16.100.1:80 -r {C} -g -w 65535"),
        format!("ipvsadm -e -t 172.16.100.1:80 -r {C} -g -x 1"),
        format!("ipvsadm -e -t 172.16.100.1:80 -r {C} -g -w 0"),
        "ipvsadm -E -t 172.16.100.1:80 -s wlc -p 300".to_owned(),
        "ipvsadm -E -t 172.16.100.1:80 -s fo -p 300 -M 255.255.0.0".to_owned(),
        "ipvsadm -E -t 172.16.100.1:80 -s rr".to_owned(),
        format!("ipvsadm -e -t 172.16.100.1:80 -r {C} -g"),
    ] {
        change(&mut director, &line);
        assert_eq!((connections(&mut director), table(&mut director)), before, "{line}");
    }
    let more = Packet::tcp("10.0.0.1:1024", VIP_WEB, "A").frame();
    Expected::sent(WEB, C).check(&mut director, "the connection goes on", &more);
    assert_eq!(connections(&mut director), before.0);
    change(&mut director, "ipvsadm -Z -t 172.16.100.1:80");
    assert!(
        table(&mut director)
            .contains("TCP  172.16.100.1:80                     0        0        0        0        0\n")
    );
    Expected::sent(WEB, C).check(&mut director, "-Z ends nothing", &more);
}

#[test]
fn the_same_config_again_changes_nothing_and_another_timeout_only_that() {
    let model = |seconds: u32| {
        let text = format!(
            "[[service]]
             tcp = \"172.16.100.1:80\"
             scheduler = \"rr\"
             persistent = {seconds}
             [[service.real_server]]
             address = \"172.16.100.10\""
        );
        let config = lb_user::config::parse("lvx.toml", &text).unwrap_or_else(|problems| panic!("{problems:?}"));
        Model::new(config.services, config.timeouts)
    };
    assert_eq!(plan(&model(300), &model(300)), []);
    let changes = plan(&model(300), &model(600));
    assert!(matches!(changes[..], [lb_user::api::Request::EditService { .. }]), "{changes:?}");
}

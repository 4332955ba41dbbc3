//! Against what nftables 1.0.6 printed.

use super::*;

const LISTING: &str = r#"{"nftables":[{"metainfo":{"version":"1.0.6","release_name":"Lester Gooch #5","json_schema_version":1}},{"table":{"family":"inet","name":"lb","handle":1}},{"map":{"family":"inet","name":"services","table":"lb","type":"inet_service","handle":7,"map":"verdict","elem":[[80,{"jump":{"target":"web"}}]]}},{"chain":{"family":"inet","table":"lb","name":"web","handle":1}},{"chain":{"family":"inet","table":"lb","name":"tls","handle":2}},{"chain":{"family":"inet","table":"lb","name":"other","handle":3}},{"chain":{"family":"inet","table":"lb","name":"lonely","handle":4}},{"chain":{"family":"inet","table":"lb","name":"prerouting","handle":5,"type":"filter","hook":"prerouting","prio":-150,"policy":"accept"}},{"chain":{"family":"inet","table":"lb","name":"out","handle":6,"type":"route","hook":"output","prio":0,"policy":"accept"}},{"rule":{"family":"inet","table":"lb","chain":"web","handle":8,"expr":[{"mangle":{"key":{"meta":{"key":"mark"}},"value":{"|":[{"meta":{"key":"mark"}},16]}}}]}},{"rule":{"family":"inet","table":"lb","chain":"tls","handle":9,"expr":[{"mangle":{"key":{"meta":{"key":"mark"}},"value":17}}]}},{"rule":{"family":"inet","table":"lb","chain":"other","handle":10,"expr":[{"mangle":{"key":{"ct":{"key":"mark"}},"value":5}}]}},{"rule":{"family":"inet","table":"lb","chain":"lonely","handle":11,"expr":[{"mangle":{"key":{"meta":{"key":"mark"}},"value":18}}]}},{"rule":{"family":"inet","table":"lb","chain":"prerouting","handle":13,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":"172.16.100.1"}},{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[80,443]}}},{"mangle":{"key":{"meta":{"key":"mark"}},"value":8}}]}},{"rule":{"family":"inet","table":"lb","chain":"prerouting","handle":14,"expr":[{"vmap":{"key":{"payload":{"protocol":"tcp","field":"dport"}},"data":"@services"}}]}},{"rule":{"family":"inet","table":"lb","chain":"prerouting","handle":16,"expr":[{"vmap":{"key":{"payload":{"protocol":"tcp","field":"dport"}},"data":{"set":[[22,{"accept":null}],[443,{"jump":{"target":"tls"}}]]}}}]}},{"rule":{"family":"inet","table":"lb","chain":"prerouting","handle":17,"expr":[{"jump":{"target":"other"}}]}},{"rule":{"family":"inet","table":"lb","chain":"out","handle":18,"expr":[{"mangle":{"key":{"meta":{"key":"mark"}},"value":5}}]}},{"table":{"family":"netdev","name":"early","handle":2}},{"chain":{"family":"netdev","table":"early","name":"in","handle":1,"type":"filter","hook":"ingress","prio":0,"policy":"accept"}},{"rule":{"family":"netdev","table":"early","chain":"in","handle":2,"expr":[{"mangle":{"key":{"meta":{"key":"mark"}},"value":9}}]}},{"table":{"family":"ip","name":"nat","handle":3}},{"chain":{"family":"ip","table":"nat","name":"PREROUTING","handle":1,"type":"nat","hook":"prerouting","prio":-100,"policy":"accept"}},{"rule":{"family":"ip","table":"nat","chain":"PREROUTING","handle":2,"expr":[{"counter":{"packets":0,"bytes":0}},{"xt":{"type":"target","name":"MARK"}}]}},{"table":{"family":"ip","name":"mangle","handle":2}},{"chain":{"family":"ip","table":"mangle","name":"PREROUTING","handle":1,"type":"filter","hook":"prerouting","prio":-150,"policy":"accept"}},{"rule":{"family":"ip","table":"mangle","chain":"PREROUTING","handle":2,"expr":[{"counter":{"packets":0,"bytes":0}},{"xt":{"type":"target","name":"MARK"}}]}}]}"#;

fn named(tables: &[&str]) -> Vec<String> {
    marks(LISTING, tables).expect("a listing").into_iter().map(|unsupported| unsupported.what).collect()
}

#[test]
fn chains_that_give_marks_before_ipvs_are_named() {
    assert_eq!(
        named(&["inet lb"]),
        ["table inet lb, chain prerouting", "table inet lb, chain tls", "table inet lb, chain web",]
    );
    assert_eq!(named(&["netdev early"]), ["table netdev early, chain in"]);
}

#[test]
fn a_mark_that_iptables_gives_elsewhere_is_named_too() {
    assert_eq!(named(&["ip nat"]), ["table ip nat, chain PREROUTING"]);
    assert_eq!(named(&["ip mangle"]), ["table ip mangle, chain PREROUTING"]);
}

#[test]
fn without_nft_only_unusual_tables_are_worth_a_warning() {
    let named: Vec<_> = unseen(&["ip nat", "inet lb", "arp filter"]).into_iter().map(|table| table.what).collect();
    assert_eq!(named, ["table inet lb"]);
}

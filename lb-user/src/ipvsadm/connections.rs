//! The table of `-L -c` (`ipvsadm.c: list_conn`, `print_conn`).

use std::net::SocketAddr;

use super::listing::{Format, View};
use super::names::{Names, Transport, printed};
use crate::api::ConnectionEntry;

/// The connections, in the order of the table, as `ipvsadm` never sorts them.
pub(super) fn table(entries: &[ConnectionEntry], format: Format, names: &dyn Names) -> String {
    let [state, source, vip, destination] = ["state", "source", "virtual", "destination"];
    let mut out = format!("IPVS connection entries\npro expire {state:<11} {source:<18} {vip:<18} ");
    if format.view == View::PersistentConn {
        out.push_str(&format!("{destination:<18} {:<16} pe_data\n", "pe name"));
    } else {
        out.push_str(&format!("{destination}\n"));
    }
    out.extend(entries.iter().map(|entry| row(entry, format.numeric, names)));
    out
}

fn row(entry: &ConnectionEntry, numeric: bool, names: &dyn Names) -> String {
    let transport = Transport::from_number(entry.protocol);
    let name = |end: SocketAddr| printed(end.ip(), end.port(), transport, numeric, names);
    format!(
        "{:<3} {:<6} {:<11} {:<18} {:<18} {}\n",
        protocol(entry.protocol),
        format!("{:02}:{:02}", entry.expires / 60, entry.expires % 60),
        entry.state,
        name(entry.client),
        name(entry.virtual_address),
        name(entry.destination),
    )
}

/// What IPVS calls a protocol (`ip_vs_proto_name`).
fn protocol(number: u8) -> String {
    match number {
        0 => "IP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        132 => "SCTP".to_owned(),
        other => format!("IP_{other}"),
    }
}

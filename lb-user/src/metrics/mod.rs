//! What LVX counts, in Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! Written from a status as it is, family by family, without a registry: nothing is kept between two readings, and a
//! service that is gone takes its series along. docs/metrics.md lists the families.

mod failure;
pub mod server;
mod services;
mod text;

use crate::api::{NoticeCounts, ServiceEntry, Status, VipState};
use text::{Kind, Page};

/// The media type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Services as a whole.
    Services,
    /// Each real server too.
    #[default]
    RealServers,
}

impl Detail {
    /// What the query of a URL asks for: `detail=services`, or everything.
    pub fn of_query(query: Option<&str>) -> Self {
        let asks = |pair: &str| pair == "detail=services";
        if query.is_some_and(|query| query.split('&').any(asks)) { Self::Services } else { Self::RealServers }
    }
}

/// All metrics. `services` are usually those of the status.
pub fn render(status: &Status, services: &[ServiceEntry]) -> String {
    render_in(Detail::RealServers, status, services)
}

/// The metrics in this detail.
pub fn render_in(detail: Detail, status: &Status, services: &[ServiceEntry]) -> String {
    let mut page = Page::default();
    director(&mut page, status);
    interfaces(&mut page, status);
    vips(&mut page, status);
    tables(&mut page, status);
    services::write(&mut page, services);
    if detail == Detail::RealServers {
        services::write_servers(&mut page, services);
    }
    page.into_text()
}

fn director(page: &mut Page, status: &Status) {
    page.family("lvx_build_info", Kind::Gauge, "Always 1; the labels tell what runs.");
    page.sample(&[("version", &status.version)], 1);
    page.family("lvx_uptime_seconds", Kind::Gauge, "How long the daemon has been running.");
    page.sample(&[], status.uptime);
    page.family("lvx_warnings", Kind::Gauge, "Lines with ! in lvx status: what the operator should know.");
    page.sample(&[], status.warnings.len());
    page.family(
        "lvx_not_forwarded_packets_total",
        Kind::Counter,
        "Packets that were not forwarded as asked, by reason; docs/operating.md explains each.",
    );
    for reason in &status.reasons {
        page.sample(&[("reason", &reason.reason)], reason.packets);
    }
    page.family("lvx_notifications_total", Kind::Counter, "Notifications of transitions, by what became of them.");
    let NoticeCounts { delivered, failed, dropped, waiting: _ } = status.notices;
    for (outcome, count) in [("delivered", delivered), ("failed", failed), ("dropped", dropped)] {
        page.sample(&[("outcome", outcome)], count);
    }
}

fn vips(page: &mut Page, status: &Status) {
    page.family("lvx_vip_present", Kind::Gauge, "1 if a virtual address of the config file is on its interface.");
    for vip in &status.vips {
        let present = match vip.state {
            VipState::Put | VipState::Found => 1,
            VipState::Missing { .. } => 0,
        };
        page.sample(&[("address", &vip.address.to_string()), ("interface", &vip.interface)], present);
    }
}

fn interfaces(page: &mut Page, status: &Status) {
    page.family("lvx_interface_up", Kind::Gauge, "1 if an interface that LVX was given is there and up.");
    for interface in &status.interfaces {
        page.sample(&[("interface", &interface.name)], u8::from(interface.up));
    }
    page.family(
        "lvx_interface_attached",
        Kind::Gauge,
        "1 if the packet program is on the interface, in the mode of the label; with mode=\"detached\" 0.",
    );
    for interface in &status.interfaces {
        let attached = u8::from(interface.mode != "detached");
        page.sample(&[("interface", &interface.name), ("mode", &interface.mode)], attached);
    }
}

fn tables(page: &mut Page, status: &Status) {
    page.family("lvx_table_entries", Kind::Gauge, "Live entries of a table at the last sweep, once a second.");
    for table in &status.tables {
        page.sample(&[("table", &table.table)], table.used);
    }
    page.family("lvx_table_capacity", Kind::Gauge, "Entries that a table was made for.");
    for table in &status.tables {
        page.sample(&[("table", &table.table)], table.size);
    }
}

#[cfg(test)]
mod tests;

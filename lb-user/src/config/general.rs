//! What concerns the director as a whole: interfaces, sizes, timeouts, the sysctls of IPVS.

use crate::dataplane::{Mode, Sizes};
use crate::model::{Persistence, Sysctls, Timeouts, sysctls};

use super::Config;
use super::item::Item;
use super::section::Section;

/// Longest name of an interface (the kernel's IFNAMSIZ, less the final NUL).
const INTERFACE_NAME_MAX: usize = 15;

/// Most applied files that are kept.
pub(super) const MOST_GENERATIONS: u32 = 1000;

pub(super) fn read(root: &Section<'_>, config: &mut Config) {
    config.interfaces = interfaces(root);
    let modes = [("native", Mode::Native), ("generic", Mode::Generic)];
    if let Some(mode) = root.get("xdp_mode").and_then(|item| item.choice(&modes)) {
        config.xdp_mode = mode;
    }
    root.table("sizes", |section| sizes(section, &mut config.sizes));
    root.table("timeouts", |section| timeouts(section, &mut config.timeouts));
    root.table("ipvs", |section| ipvs(section, &mut config.ipvs));
    root.table("generations", |section| {
        config.generations_kept = section.number("keep", 1..=MOST_GENERATIONS).unwrap_or(config.generations_kept);
    });
}

fn interfaces(root: &Section<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in root.list("interfaces") {
        let Some(name) = interface(&item) else {
            continue;
        };
        if names.contains(&name) {
            item.refuse(&format!("{} is there twice", item.written()), "remove one");
        }
        names.push(name);
    }
    names
}

/// The name of an interface.
pub(super) fn interface(item: &Item<'_>) -> Option<String> {
    item.parsed("the name of an interface", "`ip link` lists them", |name| {
        let named = !name.is_empty() && name.len() <= INTERFACE_NAME_MAX;
        let plain = !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
        (named && plain).then(|| name.to_owned())
    })
}

fn sizes(section: &Section<'_>, sizes: &mut Sizes) {
    let read = |key, largest, size: &mut u32| *size = section.number(key, 1..=largest).unwrap_or(*size);
    read("connections", 1 << 28, &mut sizes.connections);
    read("templates", 1 << 28, &mut sizes.templates);
    read("services", 1 << 20, &mut sizes.services);
    read("real_servers", 1 << 22, &mut sizes.real_servers);
}

fn timeouts(section: &Section<'_>, timeouts: &mut Timeouts) {
    let read = |key, timeout: &mut u32| {
        *timeout = section.number(key, 1..=Persistence::MAX_TIMEOUT).unwrap_or(*timeout);
    };
    read("tcp", &mut timeouts.tcp);
    read("tcpfin", &mut timeouts.tcpfin);
    read("udp", &mut timeouts.udp);
}

fn ipvs(section: &Section<'_>, ipvs: &mut Sysctls) {
    for sysctl in sysctls::ALL {
        if let Some(value) = section.number(sysctl.name, sysctl.range()) {
            sysctl.set(ipvs, value);
        }
    }
    for (name, why) in sysctls::MEANINGLESS.iter().filter(|(name, _)| section.has(name)) {
        if let Some(item) = section.get(name) {
            item.refuse("this sysctl of the kernel has no meaning here", why);
        }
    }
}

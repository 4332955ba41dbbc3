//! Building a lab: namespaces, cables, addresses, settings.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::topology::{Arms, CLIENT_LAN, Host, Interface, Lan, SERVER_LAN, VIPS};
use super::{Lab, Netns, netns, xdp_pass};
use crate::{command, workspace};

/// Names under which `lvx` is called.
const NAMES: [&str; 4] = ["lvx", "ipvsadm", "ipvsadm-save", "ipvsadm-restore"];

/// What every host has set before it gets its first interface. IPv6 addresses work at once, nothing is learnt from
/// anybody, and packets may come from where no route leads back to (direct routing).
const SETTINGS: [(&str, &str); 12] = [
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
];

/// Offloads that would show XDP unfinished checksums and segments longer than the MTU.
const OFFLOADS: [&str; 8] = ["tx", "off", "tso", "off", "gso", "off", "gro", "off"];

pub(super) fn build(lab: &Lab, arms: Arms) -> Result<()> {
    make_links(&lab.directory())?;
    let hosts = arms.hosts();
    let switch = lab.netns("sw");
    let mut all: Vec<_> = hosts.iter().map(|host| lab.netns(host.name)).collect();
    all.push(switch.clone());
    netns::add(&all)?;
    for netns in &all {
        set(netns, &SETTINGS)?;
    }
    for host in &hosts {
        set(&lab.netns(host.name), &host.settings)?;
    }
    switch.ip(&bridges(arms))?;
    switch.ip(&hosts.iter().flat_map(|host| cables(lab, host, &host.interfaces)).collect::<Vec<_>>())?;
    for host in &hosts {
        configure(lab, host, &host.interfaces)?;
    }
    Ok(())
}

/// Gives interfaces of a host, and its `lo`, their addresses, routes and settings; what is there already stays.
pub(super) fn configure(lab: &Lab, host: &Host, interfaces: &[Interface]) -> Result<()> {
    let netns = lab.netns(host.name);
    netns.ip(&addresses(host, interfaces))?;
    for interface in interfaces {
        command::output(netns.command("ethtool")?.args(["-K", interface.name]).args(OFFLOADS))?;
    }
    if host.name == "d" {
        let ports: Vec<_> = interfaces.iter().map(|interface| port(host.name, interface.name)).collect();
        xdp_pass::attach(&lab.netns("sw"), &ports)?;
    }
    Ok(())
}

/// The directory with `lvx` under all its names.
pub(super) fn links(directory: &Path) -> PathBuf {
    directory.join("bin")
}

fn make_links(directory: &Path) -> Result<()> {
    let links = links(directory);
    std::fs::create_dir_all(&links).with_context(|| links.display().to_string())?;
    for name in NAMES {
        symlink(workspace::lvx(), links.join(name))?;
    }
    Ok(())
}

fn set(netns: &Netns, settings: &[(&str, &str)]) -> Result<()> {
    netns.enter(|| {
        for (name, value) in settings {
            std::fs::write(format!("/proc/sys/net/{name}"), value).with_context(|| format!("setting {name}"))?;
        }
        Ok(())
    })
}

/// The switch: a bridge a LAN.
fn bridges(arms: Arms) -> Vec<String> {
    let lans: &[Lan] = match arms {
        Arms::One => &[SERVER_LAN],
        Arms::Two => &[SERVER_LAN, CLIENT_LAN],
    };
    let mut lines = vec!["link set lo up".to_owned()];
    for lan in lans {
        lines.push(format!("link add {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0", lan.bridge));
        lines.push(format!("link set {} up", lan.bridge));
    }
    lines
}

/// A cable from the switch to each of these interfaces of a host.
pub(super) fn cables(lab: &Lab, host: &Host, interfaces: &[Interface]) -> Vec<String> {
    let mut lines = Vec::new();
    for interface in interfaces {
        let (port, netns) = (port(host.name, interface.name), lab.netns(host.name).name);
        lines.push(format!("link add {port} type veth peer name {} netns {netns}", interface.name));
        lines.push(format!("link set {port} master {} up", interface.lan.bridge));
    }
    lines
}

/// The switch's end of a cable.
fn port(host: &str, interface: &str) -> String {
    format!("{host}-{interface}")
}

fn addresses(host: &Host, interfaces: &[Interface]) -> Vec<String> {
    let mut lines = vec!["link set lo up".to_owned()];
    for interface in interfaces {
        let name = interface.name;
        lines.push(format!("link set {name} up"));
        for &number in &interface.numbers {
            let [four, six] = interface.lan.addresses(number);
            lines.push(format!("addr replace {four}/24 dev {name}"));
            lines.push(format!("addr replace {six}/64 dev {name} nodad"));
        }
    }
    if let Some(interface) = host.vip_on {
        let [four, six] = VIPS;
        lines.push(format!("addr replace {four}/32 dev {interface}"));
        // Deprecated, so that nobody takes the VIP for the source of its own connections: a real server would send
        // the answer to its own `lo`.
        lines.push(format!("addr replace {six}/128 dev {interface} nodad preferred_lft 0"));
    }
    lines.extend(host.routes.iter().map(|route| format!("route replace {route}")));
    lines
}

//! The two networks of the lab, as data.

use std::net::IpAddr;

/// The virtual addresses, on the director and on `lo` of every real server.
pub const VIPS: [&str; 2] = ["172.16.100.1", "2001:db8:100::1"];

/// Keeps a real server from answering ARP for the VIP on its `lo`. IPv6 needs no such setting: the kernel answers a
/// neighbour solicitation only for addresses of the interface that it came in on.
const SILENT_ABOUT_VIP: [(&str, &str); 4] = [
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/conf/default/arp_ignore", "1"),
    ("ipv4/conf/all/arp_announce", "2"),
    ("ipv4/conf/default/arp_announce", "2"),
];

/// Clients.
pub const CLIENTS: [&str; 3] = ["c1", "c2", "c3"];

/// Real servers, and the last part of their addresses.
pub const REAL_SERVERS: [(&str, u8); 4] = [("r1", 10), ("r2", 11), ("r3", 20), ("r4", 21)];

/// How many LANs the director stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arms {
    /// Clients, director and real servers share one LAN; packets leave the director where they came in.
    One,
    /// Clients are in front of the director, real servers behind it; a router of its own takes the replies back.
    Two,
}

/// A LAN: a bridge in the switch's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lan {
    /// Name of the bridge.
    pub bridge: &'static str,
    v4: &'static str,
    v6: &'static str,
}

/// Real servers, and in the one-arm lab everybody.
pub const SERVER_LAN: Lan = Lan { bridge: "br0", v4: "172.16.100.", v6: "2001:db8:100::" };

/// Clients of the two-arm lab.
pub const CLIENT_LAN: Lan = Lan { bridge: "br1", v4: "10.0.0.", v6: "2001:db8:0:1::" };

impl Lan {
    /// The IPv4 and the IPv6 address of the host with number `last`, without prefix length.
    pub fn addresses(self, last: u8) -> [String; 2] {
        [format!("{}{last}", self.v4), format!("{}{last}", self.v6)]
    }
}

/// An interface and its addresses.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name in the host.
    pub name: &'static str,
    /// Where its cable goes.
    pub lan: Lan,
    /// Last parts of its addresses in the LAN.
    pub numbers: Vec<u8>,
}

/// A machine of the lab: a network namespace.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: &'static str,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Where it has the virtual addresses.
    pub vip_on: Option<&'static str>,
    /// Routes, as `ip route add` takes them.
    pub routes: Vec<String>,
    /// Settings under /proc/sys/net.
    pub settings: Vec<(&'static str, &'static str)>,
}

/// A client's address to connect from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The host that has it.
    pub host: &'static str,
    /// The address.
    pub address: IpAddr,
}

impl Arms {
    /// The LAN that clients are in.
    pub fn client_lan(self) -> Lan {
        match self {
            Self::One => SERVER_LAN,
            Self::Two => CLIENT_LAN,
        }
    }

    /// Thirty clients of one address family, neighbours in the list on different hosts.
    pub fn clients(self, v6: bool) -> Vec<Client> {
        let numbers = (0..10).flat_map(|step| [60 + step, 70 + step, 80 + step]);
        numbers
            .zip(CLIENTS.into_iter().cycle())
            .filter_map(|(number, host)| {
                let [four, six] = self.client_lan().addresses(number);
                let address = if v6 { six } else { four }.parse().ok()?;
                Some(Client { host, address })
            })
            .collect()
    }

    /// Every host of the lab but the switch.
    pub fn hosts(self) -> Vec<Host> {
        let mut hosts: Vec<Host> = (0u8..).zip(CLIENTS).map(|(index, name)| self.client(index, name)).collect();
        hosts.push(self.director());
        hosts.extend(REAL_SERVERS.map(|(name, number)| self.real_server(name, number)));
        hosts.extend((self == Self::Two).then(router));
        hosts
    }

    fn client(self, index: u8, name: &'static str) -> Host {
        let first = 60 + 10 * index;
        let numbers = std::iter::once(51 + index).chain(first..first + 10).collect();
        let interfaces = vec![Interface { name: "eth0", lan: self.client_lan(), numbers }];
        let routes = match self {
            Self::One => Vec::new(),
            Self::Two => [
                ("172.16.100.1/32", "10.0.0.2"),
                ("172.16.100.0/24", "10.0.0.254"),
                ("2001:db8:100::1/128", "2001:db8:0:1::2"),
                ("2001:db8:100::/64", "2001:db8:0:1::254"),
            ]
            .map(|(to, via)| format!("{to} via {via}"))
            .to_vec(),
        };
        Host { name, interfaces, vip_on: None, routes, settings: Vec::new() }
    }

    fn director(self) -> Host {
        let front = Interface { name: "eth0", lan: self.client_lan(), numbers: vec![2] };
        let back = Interface { name: "eth1", lan: SERVER_LAN, numbers: vec![2] };
        let interfaces = match self {
            Self::One => vec![front],
            Self::Two => vec![front, back],
        };
        Host { name: "d", interfaces, vip_on: Some("eth0"), routes: Vec::new(), settings: Vec::new() }
    }

    fn real_server(self, name: &'static str, number: u8) -> Host {
        let interfaces = vec![Interface { name: "eth0", lan: SERVER_LAN, numbers: vec![number] }];
        let routes = match self {
            Self::One => Vec::new(),
            Self::Two => SERVER_LAN.addresses(254).map(|router| format!("default via {router}")).to_vec(),
        };
        Host { name, interfaces, vip_on: Some("lo"), routes, settings: SILENT_ABOUT_VIP.to_vec() }
    }
}

fn router() -> Host {
    let interfaces = vec![
        Interface { name: "eth0", lan: CLIENT_LAN, numbers: vec![254] },
        Interface { name: "eth1", lan: SERVER_LAN, numbers: vec![254] },
    ];
    let settings = vec![("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];
    Host { name: "gw", interfaces, vip_on: None, routes: Vec::new(), settings }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_hosts_of_a_lan_share_an_address() {
        for arms in [Arms::One, Arms::Two] {
            let mut seen = HashSet::new();
            for interface in arms.hosts().into_iter().flat_map(|host| host.interfaces) {
                for number in interface.numbers {
                    assert!(seen.insert((interface.lan.bridge, number)), "{} .{number}", interface.lan.bridge);
                }
            }
        }
    }

    #[test]
    fn every_client_address_belongs_to_its_host() {
        for arms in [Arms::One, Arms::Two] {
            let hosts = arms.hosts();
            let clients = [arms.clients(false), arms.clients(true)].concat();
            assert_eq!(clients.len(), 60);
            for client in clients {
                let host = hosts.iter().find(|host| host.name == client.host);
                let mut addresses = host
                    .into_iter()
                    .flat_map(|host| &host.interfaces)
                    .flat_map(|interface| interface.numbers.iter().flat_map(|&number| interface.lan.addresses(number)));
                assert!(addresses.any(|address| address.parse() == Ok(client.address)), "{client:?}");
            }
        }
    }
}

//! Golden packets: a sentence, a frame, and what must become of it, to the byte; and every counter that moves.

mod answers;
mod counters;
mod drop_entry;
mod edits;
mod expect;
mod forms;
mod forward;
mod full;
mod handshakes;
mod hash;
mod icmp;
mod locality;
mod many;
mod marks;
mod persistence;
mod policies;
mod quoted;
mod random;
mod reuse;
mod scale;
mod servers;
mod sysctls;
mod tcp;
mod thresholds;
mod unclaimed;

use expect::{Expected, Row, story, with};

/// A service for TCP.
const WEB: &str = "TCP 172.16.100.1:80";
/// A service for UDP.
const DNS: &str = "UDP 172.16.100.1:53";
/// The address of both, and their ports.
const VIP_WEB: &str = "172.16.100.1:80";
const VIP_DNS: &str = "172.16.100.1:53";
/// Real servers.
const A: &str = "172.16.100.10";
const B: &str = "172.16.100.11";
const C: &str = "172.16.100.12";

/// [`WEB`] with three servers; the first client gets [`C`], the second [`B`], the third [`A`].
const WEB_OF_THREE: &str = "
    ipvsadm -A -t 172.16.100.1:80 -s rr
    ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g
    ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g
    ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.12 -g";

/// [`DNS`] with three servers.
const DNS_OF_THREE: &str = "
    ipvsadm -A -u 172.16.100.1:53 -s rr
    ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.10 -g
    ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.11 -g
    ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.12 -g";

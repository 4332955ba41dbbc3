//! A packet's way: parse, connection, service, real server, forward.

use aya_ebpf::Global;
use aya_ebpf::programs::XdpContext;
use lb_common::reason::Reason;
use lb_common::settings::flags;
use lb_common::table;

use crate::{
    Refused, Verdict, clock, connections, forward, icmp, open,
    parse::{self, Packet},
    settings, stats,
};

/// Key of the flow hash; the loader draws it by lot.
#[unsafe(no_mangle)]
static SEED: Global<u64> = Global::new(0);

/// Key of the flow hash.
#[inline(always)]
pub fn seed() -> u64 {
    SEED.load()
}

/// Balances a packet. An existing connection wins over any change of marks and services, as in IPVS.
#[inline(always)]
pub fn balance(ctx: &XdpContext, packet: &mut Packet) -> Result<Verdict, Refused> {
    match parse::packet(ctx, packet) {
        Ok(true) => {}
        Ok(false) => return Ok(Verdict::Pass),
        Err(Reason::IcmpError) => return icmp::balance(ctx, packet),
        Err(reason) => return Err(reason.into()),
    }
    let settings = settings::get()?;
    let serves = if packet.key.client.is_v4() { flags::SERVES_V4 } else { flags::SERVES_V6 };
    if settings.flags & serves == 0 {
        return Ok(Verdict::Pass);
    }
    let now = clock::now();
    let hash = table::hash(&packet.key, seed());
    if let Some((real, server)) = connections::follow(packet, hash, settings, now)? {
        stats::traffic(server.service, real, packet.length);
        return forward::to(ctx, packet, server);
    }
    let Some((real, server)) = open::connection(packet, hash, now)? else { return Ok(Verdict::Pass) };
    stats::traffic(server.service, real, packet.length);
    forward::to(ctx, packet, server)
}

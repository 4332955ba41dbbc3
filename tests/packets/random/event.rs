//! What may happen to a director.

use lb_user::model::Sysctls;
use lvx_tests::frame::flags;
use proptest::prelude::*;

/// What may happen. Servers are told by the last byte of their address, services by their protocol: TCP or not.
#[derive(Clone, Debug)]
pub enum Event {
    Add { tcp: bool, server: u8, weight: u32 },
    Delete { tcp: bool, server: u8 },
    Edit { tcp: bool, server: u8, weight: u32 },
    Health { tcp: bool, server: u8, healthy: bool },
    Service { tcp: bool, scheduler: &'static str, persistent: bool },
    Sysctls(Sysctls),
    Wait(u16),
    Packet { tcp: bool, client: u8, port: u16, flags: u8 },
}

/// Any of them; packets most often.
pub fn event() -> impl Strategy<Value = Event> {
    let (tcp, server, weight) = (any::<bool>(), 10..14u8, 0..4u32);
    let schedulers = prop::sample::select(vec![
        "rr",
        "wrr",
        "lc",
        "wlc",
        "sed",
        "nq",
        "fo",
        "ovf",
        "sh",
        "dh",
        "mh -b mh-fallback",
        "twos",
    ]);
    let bits = prop::sample::select(["S", "A", "PA", "FA", "R", "SA", "-"].map(flags).to_vec());
    prop_oneof![
        2 => (tcp, server.clone(), weight.clone()).prop_map(|(tcp, server, weight)| Event::Add { tcp, server, weight }),
        1 => (tcp, server.clone()).prop_map(|(tcp, server)| Event::Delete { tcp, server }),
        1 => (tcp, server.clone(), weight).prop_map(|(tcp, server, weight)| Event::Edit { tcp, server, weight }),
        1 => (tcp, server, any::<bool>()).prop_map(|(tcp, server, healthy)| Event::Health { tcp, server, healthy }),
        1 => (tcp, schedulers, any::<bool>())
            .prop_map(|(tcp, scheduler, persistent)| Event::Service { tcp, scheduler, persistent }),
        1 => (any::<bool>(), any::<bool>(), 0..4u32, any::<bool>()).prop_map(|(nodest, quiescent, mode, sloppy)| {
            Event::Sysctls(Sysctls {
                expire_nodest_conn: nodest,
                expire_quiescent_template: quiescent,
                conn_reuse_mode: mode,
                sloppy_tcp: sloppy,
                ..Sysctls::default()
            })
        }),
        1 => (1..400u16).prop_map(Event::Wait),
        12 => (tcp, 1..4u8, 1..4u16, bits)
            .prop_map(|(tcp, client, port, flags)| Event::Packet { tcp, client, port, flags }),
    ]
}

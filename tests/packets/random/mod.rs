//! Random histories and random frames, and what must hold whatever they are.

mod event;
mod world;

use lvx_tests::fate::Fate;
use lvx_tests::frame::{Packet, ROUTER};
use proptest::prelude::*;

use super::{VIP_WEB, WEB_OF_THREE, with};
use event::event;
use world::World;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World::new();
        for (number, event) in events.iter().enumerate() {
            if let Err(error) = world.happen(event).and_then(|()| world.count()) {
                return Err(TestCaseError::fail(format!("event {number}, {event:?}: {error}")));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes(
        frames in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..120), any::<u16>()), 500),
    ) {
        let mut director = with(WEB_OF_THREE);
        for (valid, bytes, choice) in frames {
            // Half of them are a valid packet with some bytes changed.
            let mut frame = Packet::tcp("10.0.0.1:1024", VIP_WEB, "S").with_payload(20).frame();
            if valid {
                for pair in bytes.chunks_exact(2).take(3) {
                    let at = 12 + usize::from(pair[0]) % (frame.len() - 12);
                    frame[at] = pair[1];
                }
            } else {
                frame.truncate(12);
                frame.extend([[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00], [0x08, 0x06]][usize::from(choice) % 4]);
                frame.extend(bytes);
            }
            match director.receive(&frame) {
                Fate::Passed(out) => prop_assert_eq!(out, frame),
                Fate::Sent(out) if out[..6] == ROUTER => prop_assert_ne!(out, frame),
                Fate::Sent(out) => {
                    prop_assert_eq!(&out[34..], &frame[34..], "only MAC addresses, TTL and checksum change");
                    prop_assert_eq!(&out[14..22], &frame[14..22]);
                    prop_assert_eq!(out[22], frame[22] - 1);
                    prop_assert_eq!(&out[26..34], &frame[26..34]);
                }
                fate @ (Fate::Dropped | Fate::Redirected(_)) => prop_assert!(false, "{:02x?}", fate),
            }
        }
    }
}

//! What must become of a frame, and what it must move.

use lb_common::reason::Reason;
use lvx_tests::director::{TestDirector, mac_of};
use lvx_tests::fate::Fate;
use lvx_tests::frame::{self, DIRECTOR, IcmpError, Mac, Packet};

use super::counters::{Moves, counters, since};

/// A sentence, a packet, and what must become of it.
pub struct Row(pub &'static str, pub Packet, pub Expected);

/// What must become of a frame. Every counter that is not named must stay as it is.
#[derive(Clone, Debug)]
pub struct Expected {
    outcome: Outcome,
    /// Service and server whose packets and bytes it counts with.
    carried: Option<(String, String)>,
    moves: Moves,
}

#[derive(Clone, Debug)]
enum Outcome {
    Passed,
    Dropped,
    Sent(String),
    Redirected(String, Mac),
    Answered(IcmpError),
}

impl Expected {
    fn new(outcome: Outcome) -> Self {
        Self { outcome, carried: None, moves: Moves::new() }
    }

    /// It goes to the director's own stack, and nothing is counted: it is none of LVX' business.
    pub fn passed() -> Self {
        Self::new(Outcome::Passed)
    }

    /// It goes to the director's own stack, for a reason.
    pub fn passed_for(reason: Reason) -> Self {
        Self::passed().counting(reason)
    }

    /// It is dropped, for a reason.
    pub fn dropped_for(reason: Reason) -> Self {
        Self::new(Outcome::Dropped).counting(reason)
    }

    /// The client gets an ICMP error of this type and code.
    pub fn answered(kind: u8, code: u8, reason: Reason) -> Self {
        Self::new(Outcome::Answered(IcmpError { kind, code, mtu: 0 })).counting(reason)
    }

    /// The client gets an ICMP error that tells an MTU.
    pub fn too_big(kind: u8, code: u8, mtu: u32) -> Self {
        Self::new(Outcome::Answered(IcmpError { kind, code, mtu })).counting(Reason::TooBig)
    }

    /// It leaves for a server by the interface that it came in by.
    pub fn sent(service: &str, server: &str) -> Self {
        Self::new(Outcome::Sent(server.to_owned())).carried(service, server)
    }

    /// It leaves for a server by the interface that it came in by, and counts for nobody.
    pub fn sent_uncounted(server: &str) -> Self {
        Self::new(Outcome::Sent(server.to_owned()))
    }

    /// It leaves for a server by another interface, whose MAC address is `source`.
    pub fn redirected(service: &str, server: &str, source: Mac) -> Self {
        Self::new(Outcome::Redirected(server.to_owned(), source)).carried(service, server)
    }

    /// It counts as a packet of a service and its server.
    pub fn carried(mut self, service: &str, server: &str) -> Self {
        self.carried = Some((service.to_owned(), format!("{service} > {server}")));
        self
    }

    /// It opens a connection that counts as active.
    pub fn opening(self) -> Self {
        self.scheduled("active")
    }

    /// It opens a connection that counts as inactive.
    pub fn opening_inactive(self) -> Self {
        self.scheduled("inactive")
    }

    /// It opens a connection that is in no table.
    pub fn opening_nothing(mut self) -> Self {
        let (service, server) = self.carried.clone().expect("a server");
        self.moves.insert(format!("{service} connections"), 1);
        self.moves.insert(format!("{server} connections"), 1);
        self
    }

    fn scheduled(self, count: &str) -> Self {
        let (_, server) = self.carried.clone().expect("a server");
        self.opening_nothing().moving(&server, count, 1)
    }

    /// It makes a template of the server that it goes to.
    pub fn with_template(self) -> Self {
        let (_, server) = self.carried.clone().expect("a server");
        self.moving(&server, "persistent", 1)
    }

    /// A server's `active`, `inactive` or `persistent` moves; `server` is `SERVICE > ADDRESS`.
    pub fn moving(mut self, server: &str, count: &str, by: i64) -> Self {
        *self.moves.entry(format!("{server} {count}")).or_default() += by;
        self.moves.retain(|_, by| *by != 0);
        self
    }

    /// A reason is counted.
    pub fn counting(mut self, reason: Reason) -> Self {
        self.moves.insert(format!("reason {}", reason.name()), 1);
        self
    }

    fn moves(&self, frame: &[u8]) -> Moves {
        let mut moves = self.moves.clone();
        if let Some((service, server)) = &self.carried {
            for carrier in [service, server] {
                moves.insert(format!("{carrier} packets"), 1);
                moves.insert(format!("{carrier} bytes"), frame::ip_length(frame) as i64);
            }
        }
        moves
    }

    fn judge(&self, input: &[u8], fate: &Fate) -> Result<(), String> {
        match (&self.outcome, fate) {
            (Outcome::Passed, Fate::Passed(output)) => same(input, output),
            (Outcome::Dropped, Fate::Dropped) => Ok(()),
            (Outcome::Sent(server), Fate::Sent(output)) => left(input, output, server, DIRECTOR),
            (Outcome::Redirected(server, source), Fate::Redirected(output)) => left(input, output, server, *source),
            (Outcome::Answered(error), Fate::Sent(output)) => match frame::icmp_error(input, output)? {
                found if found == *error => Ok(()),
                found => Err(format!("{found:?}")),
            },
            _ => Err(format!("{fate:02x?}")),
        }
    }

    /// Gives a frame to the director.
    ///
    /// # Panics
    /// Something else becomes of it, or other counters move.
    pub fn check(&self, director: &mut TestDirector, sentence: &str, frame: &[u8]) {
        let before = counters(director);
        let fate = director.receive(frame);
        self.check_fate(director, sentence, frame, &fate, &before);
    }

    /// The same for a frame that came in by another interface.
    ///
    /// # Panics
    /// As [`Self::check`].
    pub fn check_by(&self, director: &mut TestDirector, ifindex: u32, sentence: &str, frame: &[u8]) {
        let before = counters(director);
        let fate = director.receive_by(ifindex, frame);
        self.check_fate(director, sentence, frame, &fate, &before);
    }

    fn check_fate(&self, director: &mut TestDirector, sentence: &str, frame: &[u8], fate: &Fate, before: &Moves) {
        if let Err(found) = self.judge(frame, fate) {
            panic!("{sentence}: expected {self:?}, found {found}");
        }
        let moved = since(before, counters(director));
        assert_eq!(moved, self.moves(frame), "{sentence}");
    }
}

fn same(expected: &[u8], output: &[u8]) -> Result<(), String> {
    if output == expected { Ok(()) } else { Err(format!("{output:02x?} instead of {expected:02x?}")) }
}

fn left(input: &[u8], output: &[u8], server: &str, source: Mac) -> Result<(), String> {
    let server = server.parse().map_err(|error| format!("{server}: {error}"))?;
    same(&frame::forwarded(input, mac_of(server), source), output)?;
    frame::verify(output)
}

/// A director after these commands, one a line: `ipvsadm` and `iptables -t mangle`.
pub fn with(commands: &str) -> TestDirector {
    let mut director = TestDirector::default();
    change(&mut director, commands);
    director
}

/// More commands.
pub fn change(director: &mut TestDirector, commands: &str) {
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("iptables -t mangle ") {
            Some(rule) => director.iptables(rule),
            None => director.must([line]),
        }
    }
}

/// One packet after another.
pub fn story(director: &mut TestDirector, rows: impl IntoIterator<Item = Row>) {
    for Row(sentence, packet, expected) in rows {
        expected.check(director, sentence, &packet.frame());
    }
}

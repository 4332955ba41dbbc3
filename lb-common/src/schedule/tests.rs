use super::pool::{Change, Cursor, Header, cursor_after};
use super::{Candidate, HEAD, Kind, Members, Scan};
use proptest::prelude::*;

/// A service as IPVS keeps it: members newest first, each with its number (the order of addition).
struct Service {
    kind: Kind,
    cursor: Cursor,
    members: Vec<Candidate>,
}

impl Members for Vec<Candidate> {
    fn candidate(&self, position: u32) -> Option<Candidate> {
        self.get(position as usize).copied()
    }
}

impl Service {
    fn new(kind: Kind) -> Self {
        let mut service = Self { kind, cursor: Cursor { position: HEAD, weight: 0 }, members: Vec::new() };
        service.changed(Change::Init);
        service
    }

    fn with(kind: Kind, weights: &[u32]) -> Self {
        let mut service = Self::new(kind);
        for (index, weight) in weights.iter().enumerate() {
            service.add(index as u32 + 1, *weight);
        }
        service
    }

    fn header(&self) -> Header {
        Header::of(self.members.iter().map(|member| member.weight))
    }

    fn changed(&mut self, change: Change) {
        self.cursor = cursor_after(self.kind, self.cursor, &self.header(), change);
    }

    fn add(&mut self, real: u32, weight: u32) {
        self.members.insert(0, Candidate { real, weight, ..Candidate::default() });
        self.changed(Change::Added);
    }

    fn position(&self, real: u32) -> usize {
        self.members.iter().position(|member| member.real == real).expect("a member")
    }

    fn remove(&mut self, real: u32) {
        let position = self.position(real);
        self.members.remove(position);
        self.changed(Change::Removed(position as u32));
    }

    fn edit(&mut self, real: u32, weight: u32) {
        let position = self.position(real);
        self.members[position].weight = weight;
        self.changed(Change::Edited);
    }

    /// Picks, and counts the pick as an active connection.
    fn pick(&mut self) -> Option<u32> {
        let mut scan = Scan::new(self.kind, &self.header(), self.cursor, false);
        let picked = scan.run(&self.members);
        self.cursor = scan.cursor();
        if let Some(real) = picked {
            let position = self.position(real);
            self.members[position].active += 1;
        }
        picked
    }

    fn picks(&mut self, count: usize) -> String {
        (0..count).map(|_| self.pick().map_or("-".into(), |real| real.to_string())).collect()
    }
}

/// The sequences of the recorded kernel transcripts.
#[test]
fn the_first_picks_are_those_of_ipvs() {
    for (kind, weights, expected) in [
        (Kind::Rr, &[1, 1, 1][..], "321321"),
        (Kind::Rr, &[1, 0, 1], "3131"),
        (Kind::Wrr, &[4, 3, 2], "321121321321121321"),
        (Kind::Wrr, &[5, 3, 1], "321112121"),
        (Kind::Wrr, &[3, 1], "21112111"),
        (Kind::Wrr, &[0, 0, 0], "---"),
        (Kind::Wlc, &[3, 1], "21112111"),
        (Kind::Lc, &[3, 1], "2121"),
        (Kind::Sed, &[3, 1], "11211121"),
        (Kind::Nq, &[3, 1], "21111121"),
        (Kind::Fo, &[1, 5, 3], "222"),
        (Kind::Ovf, &[2, 3], "2222111-"),
        (Kind::Rr, &[], "-"),
    ] {
        assert_eq!(Service::with(kind, weights).picks(expected.len()), expected, "{kind:?} {weights:?}");
    }
}

#[test]
fn round_robin_goes_on_where_it_was_when_members_come_and_go() {
    let mut service = Service::with(Kind::Rr, &[1, 1, 1]);
    assert_eq!(service.picks(2), "32");
    service.add(4, 1);
    assert_eq!(service.picks(6), "143214");
    service.remove(1);
    assert_eq!(service.picks(6), "324324");
}

#[test]
fn weighted_round_robin_starts_over_when_a_weight_changes() {
    let mut service = Service::with(Kind::Wrr, &[3, 1]);
    service.picks(3);
    service.edit(2, 3);
    assert_eq!(service.picks(4), "2121");
}

/// `ip_vs_wrr_schedule` step by step, pass by pass.
fn naive_wrr(members: &[Candidate], header: Header, cursor: &mut Cursor) -> Option<u32> {
    let count = members.len() as i64;
    let (mw, di) = (i64::from(header.max_weight), i64::from(header.divisor));
    if mw == 0 {
        return None;
    }
    let mut cw = i64::from(cursor.weight);
    let began = if cursor.position == HEAD { -1 } else { i64::from(cursor.position) };
    let (mut at, mut stop, mut last_pass, mut restarted) = (began, -2, false, false);
    let picked = 'scan: loop {
        while at + 1 < count {
            at += 1;
            let member = &members[at as usize];
            if !member.overloaded && i64::from(member.weight) >= cw {
                break 'scan Some(at);
            }
            if at == stop {
                break 'scan None;
            }
        }
        at = -1;
        cw -= di;
        if cw <= 0 {
            cw = mw;
            if last_pass || began == -1 {
                break None;
            }
            restarted = true;
        }
        last_pass = cw <= di;
        if last_pass && restarted && began != -1 {
            stop = began;
        }
    };
    *cursor = Cursor { position: if at < 0 { HEAD } else { at as u32 }, weight: cw as u32 };
    picked.map(|at| members[at as usize].real)
}

proptest! {
    #[test]
    fn weighted_round_robin_skips_only_passes_without_a_pick(
        weights in proptest::collection::vec((prop_oneof![0u32..4, 0u32..100, Just(60u32)], any::<bool>()), 0..8),
        overloads in proptest::collection::vec((0usize..8, any::<bool>()), 0..20),
    ) {
        let mut service = Service::new(Kind::Wrr);
        for (real, (weight, overloaded)) in weights.into_iter().enumerate() {
            service.add(real as u32, weight);
            service.members[0].overloaded = overloaded;
        }
        for (index, overloaded) in overloads {
            if let Some(member) = service.members.get_mut(index) {
                member.overloaded = overloaded;
            }
            let mut expected = service.cursor;
            let header = service.header();
            let wanted = naive_wrr(&service.members, header, &mut expected);
            prop_assert_eq!(service.pick(), wanted);
            prop_assert_eq!(service.cursor, expected);
        }
    }
}

//! When answers become a transition.

/// What a probe says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Good,
    /// It did not.
    Bad,
}

/// A change of a server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Put it back into service.
    Up,
    /// Take it out.
    Down,
}

/// A server's health, moved by outcomes alone.
///
/// A server starts in service and stays there until its check says otherwise: a restart of the daemon must not empty
/// the services. The first failures count like any others, so a server that is dead from the start leaves after `fall`
/// probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    rise: u32,
    fall: u32,
    up: bool,
    against: u32,
}

impl State {
    /// A server in service, which `fall` bad outcomes in a row take out and `rise` good ones put back.
    /// 0 counts as 1.
    pub fn new(rise: u32, fall: u32) -> Self {
        Self { rise, fall, up: true, against: 0 }
    }

    /// The same limits for a server whose health is known already.
    pub fn resume(self, up: bool) -> Self {
        Self { up, against: 0, ..self }
    }

    /// Whether the server is in service.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// How many outcomes in a row have spoken against the present state.
    pub fn against(&self) -> u32 {
        self.against
    }

    /// Takes one outcome into account.
    pub fn observe(&mut self, outcome: Outcome) -> Option<Transition> {
        if self.up == (outcome == Outcome::Good) {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        let limit = if self.up { self.fall } else { self.rise };
        if self.against < limit {
            return None;
        }
        self.up = !self.up;
        self.against = 0;
        Some(if self.up { Transition::Up } else { Transition::Down })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Outcome::{Bad, Good};
    use super::*;

    #[test]
    fn transitions_need_rise_or_fall_outcomes_in_a_row() {
        let mut state = State::new(2, 3);
        let steps = [
            (Bad, None),
            (Bad, None),
            (Good, None),
            (Bad, None),
            (Bad, None),
            (Bad, Some(Transition::Down)),
            (Good, None),
            (Bad, None),
            (Good, None),
            (Good, Some(Transition::Up)),
            (Good, None),
        ];
        for (step, (outcome, transition)) in steps.into_iter().enumerate() {
            assert_eq!(state.observe(outcome), transition, "step {step}");
        }
    }

    #[test]
    fn a_server_starts_in_service_and_its_first_failure_counts() {
        let mut state = State::new(1, 1);
        assert!(state.is_up());
        assert_eq!(state.observe(Bad), Some(Transition::Down));
    }

    #[test]
    fn a_resumed_server_stays_out_until_it_answers() {
        let mut state = State::new(1, 1).resume(false);
        assert_eq!(state.observe(Bad), None);
        assert_eq!(state.observe(Good), Some(Transition::Up));
    }

    proptest! {
        #[test]
        fn the_last_outcomes_alone_explain_every_transition(
            rise in 1_u32..6,
            fall in 1_u32..6,
            outcomes in proptest::collection::vec(prop_oneof![Just(Good), Just(Bad)], 0..200),
        ) {
            let mut state = State::new(rise, fall);
            let mut last = Transition::Up;
            let mut run = 0;
            for (index, outcome) in outcomes.iter().enumerate() {
                run = if index > 0 && outcomes[index - 1] == *outcome { run + 1 } else { 1 };
                let transition = state.observe(*outcome);
                let expected = match (last, outcome) {
                    (Transition::Up, Bad) if run >= fall => Some(Transition::Down),
                    (Transition::Down, Good) if run >= rise => Some(Transition::Up),
                    (Transition::Up | Transition::Down, Good | Bad) => None,
                };
                prop_assert_eq!(transition, expected);
                last = transition.unwrap_or(last);
                prop_assert_eq!(state.is_up(), last == Transition::Up);
            }
        }
    }
}

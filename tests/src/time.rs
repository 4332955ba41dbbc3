//! Time that passes at will: instead of waiting, every flow's expiry comes nearer.

use std::collections::HashMap;
use std::time::Duration;

use lb_common::flow::{Flow, FlowKey, Word};
use lb_user::dataplane::Early;
use lb_user::director::Director;
use lb_user::tables::maps::{FlowTable, Maps as _};

const SECOND: Duration = Duration::from_secs(1);

/// The time of a director. Its zero is the first time that time passes; from then on it is the kernel's time and what
/// was added to it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Jiffies that were added.
    added: u64,
    /// When it started: the kernel's jiffies.
    started: Option<u64>,
    since_tick: Duration,
    wheel: Option<Wheel>,
}

/// Lets templates expire as late as the kernel's timers do: their wheel (`kernel/time/timer.c: calc_wheel_index`)
/// rounds an expiry up to a power of eight of jiffies, and the more the longer the timeout is, 131 s for an hour.
/// LVX is punctual; a recording of IPVS is not.
#[derive(Debug)]
struct Wheel {
    /// Its ticks a second.
    hz: u32,
    /// Where the wheel stood at the clock's zero, in milliseconds.
    phase: u64,
    /// When templates that are overdue were to expire, in jiffies of the clock.
    overdue: HashMap<FlowKey, u64>,
}

impl Clock {
    /// A clock by which templates expire as late as by a kernel's timers, which ticks `hz` times a second. `phase` tells
    /// where the wheel stands, in milliseconds.
    pub(crate) fn with_late_templates(hz: u32, phase: u64) -> Self {
        Self { wheel: Some(Wheel { hz, phase, overdue: HashMap::new() }), ..Self::default() }
    }

    /// Lets time pass, in steps of at most a second, after each of which the director does what the daemon has it do
    /// once a second.
    pub(crate) fn advance(&mut self, director: &mut Director, time: Duration) {
        let hz = director.tables().maps().hz();
        let start = now(director) + self.added;
        let mut passed = Duration::ZERO;
        while passed < time {
            let step = (time - passed).min(SECOND - self.since_tick);
            passed += step;
            self.since_tick += step;
            self.set(director, start + passed.as_millis() as u64 * u64::from(hz) / 1000);
            if self.since_tick == SECOND {
                self.since_tick = Duration::ZERO;
                director.tick().expect("the sweep runs");
            } else {
                director.sweep().expect("the sweep runs");
            }
        }
    }

    /// Makes it this time, unless it is later already.
    fn set(&mut self, director: &mut Director, time: u64) {
        let kernel = now(director);
        let started = *self.started.get_or_insert(kernel);
        let step = time.saturating_sub(kernel + self.added);
        self.added += step;
        age_memory(director, step);
        let added = self.added;
        let maps = director.tables().maps_mut();
        maps.change_flows(FlowTable::Connections, &mut |flow| set_expiry(flow, Word(flow.word).expires() - step));
        let hz = u64::from(maps.hz());
        maps.change_flows(FlowTable::Templates, &mut |flow| {
            let expires = Word(flow.word).expires() - step;
            let expires = match &mut self.wheel {
                Some(wheel) => wheel.late(flow, expires, kernel, started, added, hz),
                None => expires,
            };
            set_expiry(flow, expires);
        });
    }
}

impl Wheel {
    /// When a template expires, in the kernel's jiffies, that would at `expires` on a punctual director.
    fn late(&mut self, flow: &Flow, expires: u64, kernel: u64, started: u64, added: u64, hz: u64) -> u64 {
        // An overdue template is kept for longer than the next step; a new connection gives it a whole timeout.
        let kept = kernel + hz * 3 / 2;
        let due = self.overdue.remove(&flow.key).filter(|_| expires <= kept).unwrap_or(expires + added);
        if due > kernel + added {
            return expires;
        }
        let milliseconds = (due - started) * 1000 / hz;
        let timeout = u64::from(flow.timeout) * 1000 / hz;
        let fires = started + self.fires(milliseconds + self.phase, timeout) * hz / 1000;
        if fires <= kernel + added {
            return fires - added;
        }
        self.overdue.insert(flow.key, due);
        kept
    }

    /// When a timer fires that is set for `expires`, `timeout` before that, in milliseconds.
    fn fires(&self, expires: u64, timeout: u64) -> u64 {
        let tick = 1000 / u64::from(self.hz);
        let level = (0..8).find(|level| timeout / tick < 63 << (3 * level)).unwrap_or(8);
        let step = tick << (3 * level);
        (expires / step + 1) * step - self.phase
    }
}

fn now(director: &mut Director) -> u64 {
    director.plane().now().expect("the sweep program runs")
}

fn set_expiry(flow: &mut Flow, expires: u64) {
    flow.word = Word(flow.word).with_expires(expires).0;
}

/// Makes what schedulers remember older by so many jiffies.
pub(crate) fn age_memory(director: &mut Director, jiffies: u64) {
    if director.tables().has_tables() {
        director.tables().maps_mut().age_entries(jiffies);
    }
}

/// Ends every flow at once.
pub(crate) fn expire_all(director: &mut Director) {
    for table in [FlowTable::Connections, FlowTable::Templates] {
        director.tables().maps_mut().change_flows(table, &mut |flow| set_expiry(flow, 0));
        director.plane().sweep(table, Early::default()).expect("the sweep runs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_late_by_up_to_an_eighth() {
        let wheel = |phase| Wheel { hz: 250, phase, overdue: HashMap::new() };
        assert_eq!(wheel(0).fires(30_000, 30_000), 30_720);
        assert_eq!(wheel(320).fires(30_320, 30_000), 30_400);
        assert_eq!(wheel(0).fires(3_600_000, 3_600_000), 28 * 131_072);
    }
}

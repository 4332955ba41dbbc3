//! That the comparison finds what differs, and makes it small: another LVX in the place of the real IPVS, which is wrong
//! in one way.

use anyhow::Result;
use lvx_tests::oracle::live::{self, Found, Kind, Plan, Recorder};
use lvx_tests::oracle::{Action, Came, Case, Recording, Step, lvx};

/// An LVX that changes what a case says, or what it did.
struct Twin {
    misunderstand: fn(Action) -> Action,
    misreport: fn(&mut Step),
}

impl Twin {
    fn honest() -> Self {
        Self { misunderstand: |action| action, misreport: |_| {} }
    }
}

impl Recorder for Twin {
    fn record(&mut self, case: &Case) -> Result<Recording> {
        let actions = case.actions.iter().cloned().map(self.misunderstand).collect();
        let mut recording = lvx::record(&Case { actions, ..case.clone() }, "", None)?;
        for (step, action) in recording.steps.iter_mut().zip(&case.actions) {
            restore(step, action);
            (self.misreport)(step);
        }
        Ok(recording)
    }
}

/// Lets a step say what was meant to be done.
fn restore(step: &mut Step, action: &Action) {
    match (step, action) {
        (Step::Command(line, _), Action::Command(meant)) => line.clone_from(meant),
        (Step::Send(sent, _), Action::Send(meant)) => sent.clone_from(meant),
        (step, action) => assert_eq!(step.action(), *action),
    }
}

const PLAN: Plan = Plan { seed: 1, cases: 60, kind: Kind::Busy { packets: 60 }, keep_going: false };

fn found_by(twin: Twin) -> Found {
    let (_, found) = live::run(PLAN, vec![twin], &|_| {}).expect("both can do the cases");
    found.into_iter().next().expect("a difference")
}

/// How many steps a case has that was made small.
fn length(found: &Found) -> usize {
    found.recording.steps.len()
}

#[test]
fn two_that_are_the_same_do_not_differ() {
    let (total, found) = live::run(PLAN, vec![Twin::honest(), Twin::honest()], &|_| {}).expect("both can do the cases");
    assert!(found.is_empty(), "{}", found[0]);
    assert_eq!((total.cases, total.packets), (60, 3600));
    assert!(total.forwarded * 2 > total.packets, "most packets matter: {total}");
}

#[test]
fn another_scheduler_is_found() {
    let misunderstand = |action| match action {
        Action::Command(mut line) => {
            line.words = line.words.replace("-s wrr", "-s rr");
            line.input = line.input.replace("-s wrr", "-s rr");
            Action::Command(line)
        }
        other @ (Action::Sysctl(_) | Action::Send(_) | Action::Wait(_)) => other,
    };
    let found = found_by(Twin { misunderstand, ..Twin::honest() });
    assert!(length(&found) <= 8, "{found}");
}

#[test]
fn a_wrong_ttl_is_found() {
    let misreport = |step: &mut Step| {
        if let Step::Send(sent, Came::Forwarded { ttl, .. }) = step
            && sent.flags == "FA"
        {
            *ttl += 1;
        }
    };
    let found = found_by(Twin { misreport, ..Twin::honest() });
    assert!(length(&found) <= 4, "{found}");
    assert!(found.differences[0].what.contains("ttl 64"), "{found}");
}

#[test]
fn a_lost_threshold_is_found() {
    let misunderstand = |action| match action {
        Action::Command(mut line) => {
            line.words = line.words.replace(" -x 1", " -x 2");
            line.input = line.input.replace(" -x 1", " -x 2");
            Action::Command(line)
        }
        other @ (Action::Sysctl(_) | Action::Send(_) | Action::Wait(_)) => other,
    };
    let found = found_by(Twin { misunderstand, ..Twin::honest() });
    assert!(length(&found) <= 5, "{found}");
}

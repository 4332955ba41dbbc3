//! Where LVX did not do what the real IPVS did.

use std::fmt;
use std::time::Duration;

use super::case::Action;
use super::recording::{Recording, Step};
use super::{compare, outcome};

/// A step at which two recordings part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the step, from 0.
    pub step: usize,
    /// What was done.
    pub action: Action,
    /// What each of them did.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "step {}, {}: {}", self.step, self.action, self.what)
    }
}

/// Where two recordings of one case differ: what the real IPVS did, and what LVX did.
pub fn differences(ipvs: &Recording, lvx: &Recording) -> Vec<Difference> {
    let took = ipvs.took + lvx.took;
    let pairs = ipvs.steps.iter().zip(&lvx.steps).enumerate();
    let difference = |(number, (ipvs, lvx)): (usize, (&Step, &Step))| {
        let what = parted(ipvs, lvx, took)?;
        Some(Difference { step: number, action: ipvs.action(), what })
    };
    pairs.filter_map(difference).collect()
}

/// How two steps with the same action differ.
fn parted(ipvs: &Step, lvx: &Step, took: Duration) -> Option<String> {
    match (ipvs, lvx) {
        (Step::Command(line, ipvs), Step::Command(_, lvx)) => compare::commands(&line.words, ipvs, lvx, took).err(),
        (Step::Send(_, ipvs), Step::Send(_, lvx)) => {
            (!outcome::same(ipvs, lvx)).then(|| format!("IPVS: {ipvs}; LVX: {lvx}"))
        }
        (Step::Sysctl(_), Step::Sysctl(_)) | (Step::Wait(_), Step::Wait(_)) => None,
        (Step::Command(..) | Step::Send(..) | Step::Sysctl(_) | Step::Wait(_), _) => {
            Some("IPVS and LVX did not do the same".to_owned())
        }
    }
}

//! LVX does what a case says.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use lb_user::model::{Family, Sysctls, sysctls};

use super::case::{Action, Case, Line, Sent, Sysctl};
use super::recording::{Came, Ran, Recording, Step, Wheel};
use super::{kernel, outcome};
use crate::director::TestDirector;

/// What LVX does with a case, when it is set to decide as IPVS of a kernel does where kernels differ. `wheel` lets its
/// templates expire as late as that kernel's timers do.
///
/// # Errors
/// LVX has no such sysctl, or panics.
pub fn record(case: &Case, kernel: &str, wheel: Option<Wheel>) -> Result<Recording> {
    let steps = || -> Result<_> {
        let mut lvx = Lvx::new(kernel);
        if let Some(Wheel { hz, phase }) = wheel {
            lvx.director.expire_templates_late(hz, phase);
        }
        let steps = case.actions.iter().map(|action| lvx.act(action)).collect::<Result<Vec<Step>>>()?;
        Ok((steps, lvx.took))
    };
    let played = catch_unwind(AssertUnwindSafe(steps));
    let (steps, took) = played.map_err(|panic| anyhow!("LVX panics: {}", said(&*panic)))??;
    let Case { name, about, .. } = case.clone();
    Ok(Recording { name, about, kernel: kernel.to_owned(), wheel, took, steps })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// A director without services.
struct Lvx {
    director: TestDirector,
    sysctls: Sysctls,
    /// When the last wait ended.
    since: Instant,
    took: Duration,
}

impl Lvx {
    /// Its connection table has IPVS' default size, which `ipvsadm -Ln` shows.
    fn new(kernel: &str) -> Self {
        let sysctls = kernel::sysctls(kernel);
        let mut director = TestDirector::default();
        director.set_sysctls(&sysctls);
        Self { director, sysctls, since: Instant::now(), took: Duration::ZERO }
    }

    fn act(&mut self, action: &Action) -> Result<Step> {
        let step = self.done(action)?;
        if matches!(action, Action::Wait(_)) {
            self.since = Instant::now();
        }
        self.took = self.took.max(self.since.elapsed());
        Ok(step)
    }

    fn done(&mut self, action: &Action) -> Result<Step> {
        Ok(match action {
            Action::Command(line) => Step::Command(line.clone(), self.command(line)),
            Action::Sysctl(sysctl) => {
                self.write(sysctl).with_context(|| action.to_string())?;
                Step::Sysctl(sysctl.clone())
            }
            Action::Send(sent) => Step::Send(sent.clone(), self.send(sent)),
            Action::Wait(time) => {
                self.director.advance(*time);
                Step::Wait(*time)
            }
        })
    }

    fn command(&mut self, line: &Line) -> Ran {
        let (status, output, error) = if let Some((family, rule)) = mangle(&line.words) {
            let error = self.director.netfilter(family, rule).err().unwrap_or_default();
            (i32::from(!error.is_empty()), String::new(), error)
        } else {
            let ran = self.director.run_with_input(&line.words, &line.input);
            (ran.status, ran.stdout, ran.stderr)
        };
        Ran { status, output, error: Some(error) }
    }

    fn write(&mut self, sysctl: &Sysctl) -> Result<()> {
        let Sysctl { name, value } = sysctl;
        let known = sysctls::ALL.iter().find(|known| known.name == name);
        known.with_context(|| format!("LVX has no {name}"))?.set(&mut self.sysctls, value.parse()?);
        self.director.set_sysctls(&self.sysctls);
        Ok(())
    }

    fn send(&mut self, sent: &Sent) -> Came {
        let frame = sent.frame();
        let fate = self.director.receive(&frame);
        outcome::of_fate(sent, &frame, fate)
    }
}

/// What `iptables` or `ip6tables` does to the mangle table, if a line is one.
fn mangle(line: &str) -> Option<(Family, &str)> {
    let rule = |program| line.strip_prefix(program)?.strip_prefix(" -t mangle ");
    rule("iptables").map(|rule| (Family::Inet, rule)).or_else(|| rule("ip6tables").map(|rule| (Family::Inet6, rule)))
}

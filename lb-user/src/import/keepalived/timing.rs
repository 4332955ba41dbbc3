//! When a server is asked: keys of virtual_server, real_server and checkers, each the default of the next.

use std::time::Duration;

use super::tree::Directive;
use super::values::{number, timer};
use crate::import::draft::Check;
use crate::import::note::Notes;

/// What was said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    pub(super) connect_timeout: Option<Duration>,
    pub(super) delay_loop: Option<Duration>,
    pub(super) retry: Option<u32>,
    pub(super) delay_before_retry: Option<Duration>,
    pub(super) warmup: Option<Duration>,
}

/// Says of the directives that are for checks only that there is none.
pub(super) fn remark_unused(directives: &[Directive], notes: &mut Notes) {
    for inner in directives {
        if inner.keyword() == "virtualhost" || Timing::default().takes(inner, &mut Notes::default()) {
            notes.remark(&inner.place, format!("{}: there is no check that it is for", inner.shown()));
        }
    }
}

/// keepalived's defaults, which differ between checkers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) retry: u32,
    /// None is delay_loop.
    pub(super) delay_before_retry: Option<Duration>,
}

impl Defaults {
    pub(super) const PLAIN: Self = Self { retry: 1, delay_before_retry: Some(Duration::from_secs(1)) };
    pub(super) const HTTP: Self = Self { retry: 1, delay_before_retry: Some(Duration::from_secs(3)) };
    pub(super) const DNS: Self = Self { retry: 3, delay_before_retry: None };
    pub(super) const MISC: Self = Self { retry: 0, delay_before_retry: Some(Duration::from_secs(1)) };
}

/// Of a virtual_server that does not say it.
const DELAY_LOOP: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Timing {
    /// Takes a directive that is about it; whether it is.
    pub(super) fn takes(&mut self, directive: &Directive, notes: &mut Notes) -> bool {
        match directive.keyword() {
            "connect_timeout" => self.connect_timeout = timer(directive, notes),
            "delay_loop" => self.delay_loop = timer(directive, notes),
            "delay_before_retry" => self.delay_before_retry = timer(directive, notes),
            "warmup" => self.warmup = timer(directive, notes),
            "retry" | "nb_get_retry" => self.retry = number(directive, notes),
            _other => return false,
        }
        true
    }

    /// What was said here, or else around.
    pub(super) fn or(self, outer: Self) -> Self {
        Self {
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            delay_loop: self.delay_loop.or(outer.delay_loop),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            warmup: self.warmup.or(outer.warmup),
        }
    }

    pub(super) fn delay_loop(&self) -> Duration {
        self.delay_loop.unwrap_or(DELAY_LOOP)
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }

    /// Writes it all: LVX' defaults are others. A server that is up goes down after `retry` further failures, and one
    /// good answer brings it back.
    pub(super) fn write(&self, timeout: Duration, defaults: Defaults, check: &mut Check) {
        check.set_duration("interval", self.delay_loop());
        check.set_duration("timeout", timeout);
        check.set("rise", 1);
        check.set("fall", 1);
        let retry = self.retry.unwrap_or(defaults.retry);
        check.set("retry", retry);
        let delay = self.delay_before_retry.or(defaults.delay_before_retry).unwrap_or(self.delay_loop());
        if retry != 0 || self.delay_before_retry.is_some() {
            check.set_duration("delay_before_retry", delay);
        }
        if let Some(warmup) = self.warmup {
            check.set_duration("warmup", warmup);
        }
    }
}

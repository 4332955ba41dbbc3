//! Carries out command lines: requests to the daemon, and what is printed of its answers.

use std::io::{self, BufRead};
use std::mem;
use std::ops::ControlFlow;

use super::command::{Command, understand};
use super::failure::Failure;
use super::grammar::{Typed, parse};
use super::help::{VERSION, help};
use super::listing::{Format, banner};
use super::names::Names;
use super::options::Action;
use super::popt::Scanner;
use super::{Backend, BackendError, Output, connections, listing, restore, save};
use crate::api::{Refusal, Request, Response, ServiceEntry};
use crate::model::ServiceId;

/// One run of the program.
pub(super) struct Session<'a> {
    program: &'a str,
    backend: &'a mut dyn Backend,
    names: &'a dyn Names,
    stdout: String,
    stderr: String,
}

/// How a command line ended: with a status, or by ending the program with it.
type End = ControlFlow<i32, i32>;

impl<'a> Session<'a> {
    /// A run of the program that was called by this name.
    pub(super) fn new(program: &'a str, backend: &'a mut dyn Backend, names: &'a dyn Names) -> Self {
        Self { program, backend, names, stdout: String::new(), stderr: String::new() }
    }

    /// Runs one command line (`ipvsadm.c: main`). Like the real one it wants IPVS, here the daemon, before it looks
    /// at what is asked; but help and version are to be had without.
    pub(super) fn main(&mut self, words: &[String], stdin: &mut dyn BufRead) -> Output {
        let reached = if asks_for_help(words) { Ok(()) } else { self.ask(Request::Timeouts).map(|_| ()) };
        let end = match reached {
            Ok(()) => self.command_line(words, stdin, false),
            Err(failure) => self.fail(&failure),
        };
        let (ControlFlow::Break(status) | ControlFlow::Continue(status)) = end;
        Output { status, stdout: mem::take(&mut self.stdout), stderr: mem::take(&mut self.stderr) }
    }

    /// As `ipvsadm.c: process_options`; `nested` within a restore.
    fn command_line(&mut self, words: &[String], stdin: &mut dyn BufRead, nested: bool) -> End {
        self.carry_out(words, stdin, nested).unwrap_or_else(|failure| self.fail(&failure))
    }

    fn fail(&mut self, failure: &Failure) -> End {
        self.stderr.push_str(&failure.text(self.program));
        let status = failure.status();
        if failure.ends_program() { ControlFlow::Break(status) } else { ControlFlow::Continue(status) }
    }

    fn carry_out(&mut self, words: &[String], stdin: &mut dyn BufRead, nested: bool) -> Result<End, Failure> {
        if words.is_empty() {
            self.list(None, Format::default())?;
            return Ok(ControlFlow::Continue(0));
        }
        let entry = match parse(words, self.names)? {
            Typed::Help => return Ok(self.print_and_end(&help(self.program))),
            Typed::Version => return Ok(self.print_and_end(VERSION)),
            Typed::Entry(entry) => entry,
        };
        match understand(*entry)? {
            Command::Change(request) => self.change(request)?,
            Command::Unschedulable { id, adds, failure } => return Err(self.unschedulable(id, adds, failure)?),
            Command::List { id, format } => self.list(id, format)?,
            Command::Connections(format) => self.connections(format)?,
            Command::Timeouts => self.timeouts()?,
            Command::Daemon => {}
            Command::Save { numeric } => self.save(numeric)?,
            Command::Restore if nested => return Err(Failure::TryHelp),
            Command::Restore => return self.restore(stdin),
        }
        Ok(ControlFlow::Continue(0))
    }

    fn print_and_end(&mut self, text: &str) -> End {
        self.stdout.push_str(text);
        ControlFlow::Break(0)
    }

    /// The status is that of the last line (`ipvsadm.c: restore_table`).
    fn restore(&mut self, stdin: &mut dyn BufRead) -> Result<End, Failure> {
        let mut status = 0;
        while let Some(words) = restore::read_line(stdin).map_err(|error| unreadable(&error))? {
            if !words.is_empty() {
                match self.command_line(&words, &mut io::empty(), true) {
                    ControlFlow::Continue(result) => status = result,
                    end @ ControlFlow::Break(_) => return Ok(end),
                }
            }
        }
        Ok(ControlFlow::Continue(status))
    }

    fn change(&mut self, request: Request) -> Result<(), Failure> {
        let answer = self.ask(request)?;
        if let Response::Refused { refusal } = answer {
            let text = refusal.to_string();
            return Err(if refusal == Refusal::Weight { Failure::Usage(text) } else { Failure::Refused(text) });
        }
        if answer == Response::Done { Ok(()) } else { Err(unanswered(&answer)) }
    }

    /// IPVS looks for the service before it looks for the scheduler.
    fn unschedulable(&mut self, id: ServiceId, adds: bool, failure: Failure) -> Result<Failure, Failure> {
        let answer = self.ask(Request::List { id: Some(id) })?;
        let exists = matches!(answer, Response::Services { services, .. } if !services.is_empty());
        Ok(match (adds, exists) {
            (true, true) => Failure::Refused(Refusal::ServiceExists.to_string()),
            (false, false) => Failure::Refused(Refusal::NoSuchService.to_string()),
            (true, false) | (false, true) => failure,
        })
    }

    fn list(&mut self, id: Option<ServiceId>, format: Format) -> Result<(), Failure> {
        let (services, size) = self.services(id)?;
        if id.is_none() {
            self.stdout.push_str(&banner(size));
        } else if services.is_empty() {
            return Err(Failure::Unanswered(Refusal::NoSuchService.to_string()));
        }
        self.stdout.push_str(&listing::table(&services, format, self.names));
        Ok(())
    }

    fn save(&mut self, numeric: bool) -> Result<(), Failure> {
        let (services, _) = self.services(None)?;
        self.stdout.push_str(&save::rules(&services, numeric, self.names));
        Ok(())
    }

    fn services(&mut self, id: Option<ServiceId>) -> Result<(Vec<ServiceEntry>, u32), Failure> {
        let answer = self.ask(Request::List { id })?;
        let Response::Services { services, connection_table_size } = answer else { return Err(unanswered(&answer)) };
        Ok((services, connection_table_size))
    }

    fn connections(&mut self, format: Format) -> Result<(), Failure> {
        let answer = self.ask(Request::Connections)?;
        let Response::Connections { connections } = answer else { return Err(unanswered(&answer)) };
        self.stdout.push_str(&connections::table(&connections, format, self.names));
        Ok(())
    }

    fn timeouts(&mut self) -> Result<(), Failure> {
        let answer = self.ask(Request::Timeouts)?;
        let Response::Timeouts { timeouts } = answer else { return Err(unanswered(&answer)) };
        let line = format!("Timeout (tcp tcpfin udp): {} {} {}\n", timeouts.tcp, timeouts.tcpfin, timeouts.udp);
        self.stdout.push_str(&line);
        Ok(())
    }

    fn ask(&mut self, request: Request) -> Result<Response, Failure> {
        self.backend.request(request).map_err(|error| match error {
            BackendError::Unreachable(reason) => Failure::Unreachable(reason),
        })
    }
}

/// Whether the first option is `-h` or `-v`.
fn asks_for_help(words: &[String]) -> bool {
    let first = Scanner::new(words).next();
    matches!(first, Ok(Some(found)) if matches!(found.action, Action::Help | Action::Version))
}

/// That standard input cannot be read.
pub(super) fn unreadable(error: &io::Error) -> Failure {
    Failure::Unanswered(format!("cannot read the rules from standard input: {error}"))
}

/// A question that was refused; any other answer fits another question, as that of a daemon of another version may.
fn unanswered(answer: &Response) -> Failure {
    Failure::Unanswered(match answer {
        Response::Refused { refusal } => refusal.to_string(),
        Response::Done
        | Response::Services { .. }
        | Response::Connections { .. }
        | Response::ConnectionPart { .. }
        | Response::Timeouts { .. }
        | Response::Sysctls { .. }
        | Response::Status { .. }
        | Response::Drains { .. }
        | Response::Planned { .. }
        | Response::Applied { .. }
        | Response::Exported { .. }
        | Response::Generations { .. } => format!("the answer of the lvx daemon does not fit the question: {answer:?}"),
    })
}

//! Processes in the background of a lab, and their end.

use std::process::{Child, Command, ExitStatus};
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Lab, Netns};
use crate::{command, wait};

/// Time to end in good order; a daemon takes its program off the interfaces in it.
const GRACE: Duration = Duration::from_secs(5);

impl Lab {
    /// Starts a process in the background, which ends with the lab at the latest; gives its process id.
    ///
    /// # Errors
    /// It does not start.
    pub fn spawn(&self, command: &mut Command) -> Result<u32> {
        let child = command.spawn().with_context(|| format!("{} does not run", command::words(command)))?;
        let process = child.id();
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        Ok(process)
    }

    /// Whether a process of [`Lab::spawn`] still runs.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn is_running(&self, process: u32) -> Result<bool> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        match children.iter_mut().find(|child| child.id() == process) {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// Ends a process of [`Lab::spawn`] and waits for it: by SIGTERM, and by SIGKILL if it does not go.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn stop(&self, process: u32) -> Result<()> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = children.iter().position(|child| child.id() == process) else {
            return Ok(());
        };
        stop(children.swap_remove(index))
    }

    /// Sends a signal to a process of [`Lab::spawn`], waits for its end, and gives its status.
    ///
    /// # Errors
    /// There is no such process, or it does not end.
    pub fn end(&self, process: u32, number: i32) -> Result<ExitStatus> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let child = children.iter_mut().find(|child| child.id() == process).context("there is no such process")?;
        signal(process.cast_signed(), number);
        wait::until("a process ends", GRACE, || Ok(child.try_wait()?.is_some()))?;
        Ok(child.wait()?)
    }

    /// Ends every process of [`Lab::spawn`], the youngest first.
    pub(super) fn stop_all(&self) {
        let children = std::mem::take(&mut *self.children.lock().unwrap_or_else(PoisonError::into_inner));
        for child in children.into_iter().rev() {
            if let Err(error) = stop(child) {
                eprintln!("lab {}: {error:#}", self.name);
            }
        }
    }
}

fn stop(mut child: Child) -> Result<()> {
    if child.try_wait()?.is_none() {
        signal(child.id().cast_signed(), libc::SIGTERM);
        let gone = wait::until("a process ends", GRACE, || Ok(child.try_wait()?.is_some()));
        if gone.is_err() {
            child.kill()?;
        }
    }
    child.wait()?;
    Ok(())
}

/// Ends whatever runs in namespaces, in good order where it can be had.
pub(super) fn end(all: &[Netns]) -> Result<()> {
    let inside = || -> Result<Vec<i32>> {
        let processes: Result<Vec<_>> = all.iter().map(Netns::processes).collect();
        Ok(processes?.concat())
    };
    for process in inside()? {
        signal(process, libc::SIGTERM);
    }
    if wait::until("processes end", GRACE, || Ok(inside()?.is_empty())).is_err() {
        for process in inside()? {
            signal(process, libc::SIGKILL);
        }
        wait::until("killed processes end", GRACE, || Ok(inside()?.is_empty()))?;
    }
    Ok(())
}

/// A process that is gone already needs no signal, so the result says nothing of use.
fn signal(process: i32, number: i32) {
    // SAFETY: kill takes two numbers and touches no memory of ours.
    unsafe { libc::kill(process, number) };
}

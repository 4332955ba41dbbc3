//! The script probe: a program of the operator decides, by its exit status.
//!
//! 0 is good and 1 is bad, as for keepalived's MISC_CHECK and ldirectord's `external`. Any other status is bad too,
//! unless the check is `dynamic` (keepalived's `misc_dynamic`): then 2..=255 is good with weight `status - 2`.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::check::Target;
use super::probe::{Answer, no_answer};
use crate::model::{Protocol, ServiceId};

mod output;

/// How long a script may clean up after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(1);

/// How many scripts run at the same time; the others wait.
static ROOM: Semaphore = Semaphore::const_new(64);

/// A program, called without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCheck {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Who runs it; without it the daemon's own user.
    pub user: Option<User>,
    /// Whether statuses from 2 on are weights.
    pub dynamic: bool,
    /// What the program finds in its environment besides `PATH`.
    pub environment: Vec<(&'static str, String)>,
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As the configuration names it.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

impl ScriptCheck {
    /// The same for one server: the environment says which, and `{vip}`, `{vport}`, `{address}` and `{port}` in the
    /// arguments are replaced (the four that ldirectord calls its `checkcommand` with).
    pub fn of_server(&self, target: &Target, port: u16) -> Self {
        let (protocol, vip, vport) = match target.id {
            ServiceId::Address { protocol: Protocol::Tcp, vip, port } => ("tcp", vip.to_string(), port.to_string()),
            ServiceId::Address { protocol: Protocol::Udp, vip, port } => ("udp", vip.to_string(), port.to_string()),
            ServiceId::Mark { mark, .. } => ("mark", mark.to_string(), String::new()),
        };
        let (address, port) = (target.address.to_string(), port.to_string());
        let words = [("{vip}", &vip), ("{vport}", &vport), ("{address}", &address), ("{port}", &port)];
        let filled_in = |argument: &String| {
            words.iter().fold(argument.clone(), |argument, (word, value)| argument.replace(word, value))
        };
        let command = self.command.iter().map(filled_in).collect();
        let environment = vec![
            ("LVX_PROTOCOL", protocol.to_owned()),
            ("LVX_VIP", vip),
            ("LVX_VPORT", vport),
            ("LVX_ADDRESS", address),
            ("LVX_PORT", port),
        ];
        Self { command, environment, user: self.user.clone(), dynamic: self.dynamic }
    }

    pub(super) async fn ask(&self, limit: Duration) -> Answer {
        let Ok(_room) = ROOM.acquire().await else {
            return Answer::Unknown("the director is stopping".to_owned());
        };
        let mut group = match self.start() {
            Ok(child) => Group { id: child.id(), child },
            Err(error) => return Answer::Unknown(format!("the director could not run it: {error}")),
        };
        let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
        match timeout(limit, output::until_exit(&mut group.child, stdout, stderr)).await {
            Ok(Ok((status, words))) => self.judge(status, &words),
            Ok(Err(error)) => Answer::Unknown(format!("the director could not wait for it: {error}")),
            Err(_elapsed) => {
                group.end().await;
                Answer::from(Err(no_answer(limit)))
            }
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(std::io::Error::other("no program is named"));
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command.spawn()
    }

    fn judge(&self, status: ExitStatus, words: &str) -> Answer {
        let said = |what: String| if words.is_empty() { what } else { format!("{what}: {words}") };
        let Some(code) = status.code().and_then(|code| u8::try_from(code).ok()) else {
            return Answer::Bad(said(status.to_string()));
        };
        match code {
            0 => Answer::Good(said("exit status 0".to_owned())),
            2.. if self.dynamic => Answer::Weighted(said(format!("exit status {code}, weight {}", code - 2)), code - 2),
            _ => Answer::Bad(said(format!("exit status {code}"))),
        }
    }
}

/// A running script with all that it has started. None of it outlives this.
struct Group {
    id: Option<u32>,
    child: Child,
}

impl Group {
    /// Asks all of it to end, then makes it.
    async fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        // Whether it ended in time or not, what is left of the group is killed next.
        drop(timeout(GRACE, self.child.wait()).await);
    }

    fn signal(&self, signal: Signal) {
        let Some(id) = self.id.and_then(|id| i32::try_from(id).ok()) else { return };
        match killpg(Pid::from_raw(id), signal) {
            // A group that has gone by itself needs no signal. Its number is not given away as long as one of it runs.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(group = id, "cannot end a health check's script: {error}"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests;

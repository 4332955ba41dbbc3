//! A running guest: a process, and the lines to the agent in it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use lvx_agent::{Answer, Op, Outcome, WINDOW, read_answer, write_request};

use super::{Files, Machine};
use crate::command;

/// Memory of the guest. It takes of it what it needs.
const MEMORY: &str = "mem=512M";

/// The file descriptor of the clock's switch in the guest's process; `tests/clock` knows it too.
const SWITCH: i32 = 3;

/// No operation takes longer on the host's clock, in milliseconds.
const PATIENCE: i32 = 120_000;

/// How much of the console an error shows.
const SHOWN: u64 = 3000;

/// A running guest. It ends when this value goes, and when this process dies, however it does.
pub struct Guest {
    requests: ChildStdin,
    answers: BufReader<Patient>,
    console: File,
    kernel: String,
    /// Ends the guest when it is dropped.
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Guest {
    /// Boots a guest; makes it from Debian's packages first, if that was not done yet.
    ///
    /// # Errors
    /// A download failed, this is not root, or the guest does not come up; the error has the end of its console.
    pub fn boot() -> Result<Self> {
        let files = super::ensure().context("the guest cannot be made")?;
        Self::start(user_mode_linux(&files)).context("the guest does not boot")
    }

    /// Boots a guest in a machine of its own.
    ///
    /// # Errors
    /// The guest does not come up; the error has the end of its console.
    pub fn boot_in(machine: &Machine) -> Result<Self> {
        Self::start(machine.command()).context("the guest does not boot")
    }

    fn start(mut command: Command) -> Result<Self> {
        let console = memory()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(console.try_clone()?);
        // SAFETY: only system calls, of which each is safe between fork and exec.
        unsafe { command.pre_exec(prepare) };
        let (stop, stopped) = mpsc::channel();
        let (started, start) = mpsc::channel();
        let keeper = std::thread::spawn(move || keep(&mut command, &started, &stopped));
        let (requests, answers) = start.recv().context("the guest's keeper")??;
        let mut guest = Self {
            requests,
            answers: BufReader::new(Patient(answers)),
            console,
            kernel: String::new(),
            stop: Some(stop),
            keeper: Some(keeper),
        };
        match read_answer(&mut guest.answers) {
            Ok(Some(Answer::Outcome(Ok(Outcome::Ran { status: 0, stdout, .. })))) => guest.kernel = stdout,
            other => bail!("{} ({other:?})", guest.last_words()),
        }
        Ok(guest)
    }

    /// The release of the guest's kernel, as `uname -r` says it.
    pub fn kernel(&self) -> &str {
        &self.kernel
    }

    /// Does all of `ops` and returns as many outcomes, in the same order.
    ///
    /// # Errors
    /// The guest died, or could not do what it was asked: a line of `ip` or a sysctl was refused. A program that fails is
    /// no error. After an error the guest may be used on, from an [`Op::Begin`].
    pub fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>> {
        let mut requests = Vec::new();
        ops.iter().try_for_each(|op| write_request(&mut requests, op))?;
        let outcomes = self.talk(&requests, ops.len()).map_err(|error| anyhow!(error).context(self.last_words()))?;
        let paired = outcomes.into_iter().zip(ops);
        paired.map(|(outcome, op)| outcome.map_err(|why| anyhow!("{why} ({})", brief(op)))).collect()
    }

    /// Sends requests, never more than the guest has place for, and collects `count` outcomes.
    fn talk(&mut self, mut requests: &[u8], count: usize) -> io::Result<Vec<Result<Outcome, String>>> {
        let mut outcomes = Vec::with_capacity(count);
        let mut free = WINDOW;
        while outcomes.len() < count || free < WINDOW {
            let (now, later) = requests.split_at(requests.len().min(free));
            self.requests.write_all(now)?;
            free -= now.len();
            requests = later;
            match read_answer(&mut self.answers)?.ok_or(io::ErrorKind::UnexpectedEof)? {
                Answer::Outcome(outcome) => outcomes.push(outcome),
                Answer::Taken(bytes) => free += bytes as usize,
            }
        }
        Ok(outcomes)
    }

    /// The end of what the guest's kernel wrote to its console.
    fn last_words(&self) -> String {
        let mut text = vec![0; SHOWN as usize];
        let length = self.console.metadata().map_or(0, |metadata| metadata.len());
        let read = self.console.read_at(&mut text, length.saturating_sub(SHOWN)).unwrap_or(0);
        text.truncate(read);
        format!("the guest does not answer; its console:\n{}", String::from_utf8_lossy(&text))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(keeper) = self.keeper.take()
            && let Err(panic) = keeper.join()
        {
            eprintln!("the guest's keeper panicked: {panic:?}");
        }
    }
}

/// Starts the guest and stays as long as it is wanted: the kernel ends a child when the thread that started it does.
fn keep(
    command: &mut Command,
    started: &mpsc::Sender<Result<(ChildStdin, ChildStdout)>>,
    stopped: &mpsc::Receiver<()>,
) {
    let mut child = match command.spawn().with_context(|| command::words(command)) {
        Ok(child) => child,
        Err(error) => return started.send(Err(error)).unwrap_or_default(),
    };
    let pipes = child.stdin.take().zip(child.stdout.take()).context("no pipes");
    // If nobody listens any more, the next line ends at once.
    started.send(pipes).unwrap_or_default();
    // Nothing is ever sent: this ends when the sender goes.
    stopped.recv().unwrap_or_default();
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        eprintln!("the guest cannot be ended: {error}");
    }
}

/// The command of a guest. It is the first process of a process namespace, whose end is the end of all in it: the
/// guest's processes are processes of this machine.
fn user_mode_linux(files: &Files) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child=SIGKILL", "--"]).arg(&files.kernel);
    command.args([MEMORY, "quiet", "loglevel=4", "panic=-1", "PATH=/bin"]);
    command.arg(format!("initrd={}", files.image.display()));
    // A directory for a control socket that nobody needs: it cannot be made, and so need not be removed.
    command.arg("uml_dir=/dev/null/");
    // The console goes to standard error, the first serial line is standard input and output.
    command.args(["con=null", "con0=null,fd:2", "ssl=null", "ssl0=fd:0,fd:1"]).arg(format!("ssl1=null,fd:{SWITCH}"));
    command.args(["agent_line=/dev/ttyS0", "agent_clock=/dev/ttyS1"]);
    // Without TMPDIR and its like the guest's memory is a nameless file in /dev/shm.
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LD_PRELOAD", &files.clock);
    command
}

/// In the new process: it dies with its parent, and has a file for the clock's switch.
fn prepare() -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a C string.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
    // SAFETY: the call takes no pointers; a descriptor of -1 is refused. What has this number in the new process, if
    // anything, is about to be closed by exec.
    if null != SWITCH && unsafe { libc::dup2(null, SWITCH) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A file without a name.
fn memory() -> Result<File> {
    // SAFETY: a C string.
    let file = unsafe { libc::memfd_create(c"console".as_ptr(), libc::MFD_CLOEXEC) };
    if file == -1 {
        return Err(io::Error::last_os_error()).context("memfd_create");
    }
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(file) }.into())
}

/// A pipe from which something comes in time, or never.
struct Patient(ChildStdout);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wait = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: a pointer to one entry.
        match unsafe { libc::poll(&raw mut wait, 1, PATIENCE) } {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => self.0.read(buffer),
        }
    }
}

/// An operation, for messages.
fn brief(op: &Op) -> String {
    match op {
        Op::Begin { .. } => "at the beginning".to_owned(),
        Op::Run { words, .. } => format!("running {}", words.join(" ")),
        Op::Send { frames } => format!("sending {} frames", frames.len()),
        Op::Sleep { time } => format!("sleeping {time:?}"),
    }
}

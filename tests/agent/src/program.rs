//! Programs of the guest.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use crate::call;

/// Runs a program to its end: status, standard output, standard error.
///
/// Its three files are memory, not pipes: nobody has to read while it runs, and std can take the quickest way to start it
/// (`posix_spawn`).
pub fn run(words: &[String], stdin: &str) -> io::Result<(i32, String, String)> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(io::Error::other("no program is named"));
    };
    let input = if stdin.is_empty() { Stdio::null() } else { memory(stdin)?.into() };
    let (mut stdout, mut stderr) = (memory("")?, memory("")?);
    let mut command = Command::new(program);
    command.args(arguments).stdin(input).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    match command.status() {
        Ok(ended) => Ok((status(ended), text(&mut stdout)?, text(&mut stderr)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok((127, String::new(), format!("{program}: not found\n")))
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{program}: {error}"))),
    }
}

/// A program that must succeed.
pub fn must(words: &[&str], stdin: &str) -> io::Result<()> {
    let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (status, stdout, stderr) = run(&owned, stdin)?;
    if status == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!("{}: status {status}: {stdout}{stderr}", words.join(" "))))
}

/// A file in memory, to be read from its start.
fn memory(content: &str) -> io::Result<File> {
    // SAFETY: the name is a C string.
    let made = unsafe { libc::memfd_create(c"program".as_ptr(), libc::MFD_CLOEXEC) };
    let made = call::checked(made, "memfd_create")?;
    // SAFETY: a new descriptor that nobody else has.
    let mut file = unsafe { File::from_raw_fd(made) };
    if !content.is_empty() {
        file.write_all(content.as_bytes())?;
        file.rewind()?;
    }
    Ok(file)
}

/// All that was written to a file in memory.
fn text(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn status(ended: ExitStatus) -> i32 {
    ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap_or_default())
}

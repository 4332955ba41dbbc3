//! Running programs: a failure says what was run and what it said.

use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Runs a command that talks to the user itself.
///
/// # Errors
/// It does not start, or ends with a failure.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} does not run", words(command)))?;
    if !status.success() {
        bail!("{}: {status}", words(command));
    }
    Ok(())
}

/// Runs a command and keeps what it prints.
///
/// # Errors
/// It does not start, or ends with a failure; the error shows its standard error.
pub fn output(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{} does not run", words(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}\n{}", words(command), output.status, said.trim_end());
    }
    Ok(output)
}

/// The command as one would type it.
pub fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

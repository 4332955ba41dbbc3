//! `cargo xtask test [FILTER]`: unit tests as the user, then those that need a network of their own as root.

use std::io::{BufRead as _, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::{build, command, guest, kernels, privilege, workspace};

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u32,
    failed: u32,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Builds and runs all tests whose names contain `filter`, and prints the sum last.
///
/// # Errors
/// The build's, or that a test failed.
pub fn run(filter: Option<&str>, prepared: bool) -> Result<()> {
    privilege::require()?;
    if !prepared {
        stage("build lvx", build::run)?;
    }
    // Made by the user, as all that is built; tests that need it would make it as root.
    stage("guest", || guest::Machine::ensure(kernels::SERIES[0], &workspace::lvx()))?;
    let mut unit = workspace::cargo();
    unit.args(["test", "--no-fail-fast", "--workspace", "--lib", "--bins"]).args(filter);
    let mut integration = workspace::cargo();
    integration.args(["test", "--no-fail-fast", "--release", "--package", "lvx-tests", "--package", "lb-user"]);
    integration.args(["--test", "*"]).args(filter);
    if !privilege::is_root() {
        // Built by the user, run by root: cargo calls the test programs through this.
        integration.env(runner_variable()?, "sudo -n -E --");
    }
    let mut sum = Count::default();
    let mut broken = false;
    for (name, mut cargo) in [("unit tests", unit), ("integration tests", integration)] {
        let (count, success) = stage(name, || tests(&mut cargo))?;
        sum += count;
        broken |= !success;
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if broken || sum.failed > 0 {
        bail!("not every test passed");
    }
    Ok(())
}

fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("test: {name} ...");
    let start = Instant::now();
    let result = work().with_context(|| name.to_owned())?;
    println!("test: {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// Runs cargo test, passes on what it prints, and adds up its summary lines.
fn tests(cargo: &mut Command) -> Result<(Count, bool)> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().with_context(|| command::words(cargo))?;
    let output = child.stdout.take().context("no standard output")?;
    let mut sum = Count::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        sum += summary(&line).unwrap_or_default();
    }
    Ok((sum, child.wait()?.success()))
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; ...`
fn summary(line: &str) -> Option<Count> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |label: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(label))?;
        part.trim_end().parse().ok()
    };
    Some(Count { passed: number("passed")?, failed: number("failed")? })
}

fn runner_variable() -> Result<String> {
    let shown = command::output(Command::new("rustc").arg("-vV"))?;
    let text = String::from_utf8(shown.stdout)?;
    let host =
        text.lines().find_map(|line| line.strip_prefix("host: ")).ok_or_else(|| anyhow!("rustc -vV: no host"))?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summary_lines_of_cargo_test() {
        let good = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s";
        assert_eq!(summary(good), Some(Count { passed: 12, failed: 0 }));
        let bad = "test result: FAILED. 11 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        assert_eq!(summary(bad), Some(Count { passed: 11, failed: 1 }));
        assert_eq!(summary("test lab::topology::tests::every_host ... ok"), None);
    }
}

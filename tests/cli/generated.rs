//! Completions, manual pages, and lists for machines.

use anyhow::Result;
use serde_json::Value;

use super::program::Program;

#[test]
fn a_shell_understands_its_completions() -> Result<()> {
    let program = Program::new()?;
    for shell in ["bash", "zsh", "fish"] {
        let script = program.sh(&format!("lvx completions {shell}"))?;
        assert_eq!((script.status, script.stderr.as_str()), (0, ""), "{shell}");
        assert!(script.stdout.contains("status"), "{shell}");
    }
    let completed = "lvx completions bash > words && . ./words && COMP_WORDS=(lvx stat) COMP_CWORD=1 && \
                     _lvx lvx stat lvx; echo ${COMPREPLY[@]}";
    assert_eq!(program.sh(&format!("bash -c '{completed}'"))?.stdout, "status\n");
    Ok(())
}

#[test]
fn every_command_has_a_manual_page() -> Result<()> {
    let program = Program::new()?;
    let written = program.sh("lvx man man1 && ls man1")?;
    assert_eq!(written.status, 0, "{written:?}");
    for page in ["lvx.1", "lvx-run.1", "lvx-status.1", "lvx-ipvsadm.1", "lvx-metrics.1"] {
        assert!(written.stdout.lines().any(|line| line == page), "{page}: {}", written.stdout);
    }
    assert!(program.sh("lvx man")?.stdout.contains("\n.SH SYNOPSIS\n"));
    let refused = program.sh("lvx man lvx/nowhere")?;
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.starts_with("lvx: cannot write to lvx/nowhere: "), "{refused:?}");
    Ok(())
}

#[test]
fn problems_of_a_file_are_a_list_for_machines_too() -> Result<()> {
    let program = Program::new()?;
    std::fs::write(program.path("bad.toml"), "xdp_mode = 1\n\n[sizes]\nservices = 0\n")?;
    let bad = program.sh("lvx check --json bad.toml")?;
    assert_eq!((bad.status, bad.stderr.as_str()), (1, ""));
    let problems: Vec<Value> = serde_json::from_str(&bad.stdout)?;
    let found: Vec<_> = problems.iter().map(|problem| (problem["line"].as_u64(), problem["key"].as_str())).collect();
    assert_eq!(found, [(Some(1), Some("xdp_mode")), (Some(4), Some("sizes.services"))]);
    std::fs::write(program.path("good.toml"), "")?;
    let good = program.sh("lvx check --json good.toml")?;
    assert_eq!((good.status, good.stdout.as_str()), (0, "[]\n"));
    Ok(())
}

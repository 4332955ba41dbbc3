//! Completions and manual pages.

use anyhow::Result;

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

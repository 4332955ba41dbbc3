//! What the shell scripts `ipvsadm-save` and `ipvsadm-restore` do.

use std::io::BufRead;

use super::Output;
use super::restore::without_comments;
use super::session::{Session, unreadable};

/// `ipvsadm-save [-n]`: `ipvsadm -S [-n]`; `called` is its own name. Words that are no options are ignored.
pub(super) fn save(called: &str, words: &[String], session: &mut Session<'_>) -> Output {
    let mut command = vec!["-S".to_owned()];
    for word in words {
        if word == "-n" {
            command.truncate(1);
            command.push(word.clone());
        } else if word.starts_with('-') {
            let stderr = format!(
                "{called}: Script to save the IPVS table to stdout.\n   \
                 With the -n option, prints out the table in numeric format.\n"
            );
            return Output { status: 1, stdout: String::new(), stderr };
        }
    }
    session.main(&command, &mut std::io::empty())
}

/// `ipvsadm-restore`: reads everything, then `ipvsadm -C`, then `ipvsadm -R` with all but the comments. The status is
/// that of the last.
pub(super) fn restore(stdin: &mut dyn BufRead, session: &mut Session<'_>) -> Output {
    let rules = match without_comments(stdin) {
        Ok(rules) => rules,
        Err(error) => {
            let failure = unreadable(&error);
            return Output { status: failure.status(), stdout: String::new(), stderr: failure.text("ipvsadm-restore") };
        }
    };
    let cleared = session.main(&["-C".to_owned()], &mut std::io::empty());
    let restored = session.main(&["-R".to_owned()], &mut rules.as_slice());
    Output {
        status: restored.status,
        stdout: cleared.stdout + &restored.stdout,
        stderr: cleared.stderr + &restored.stderr,
    }
}

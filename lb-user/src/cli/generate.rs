//! What is made from the command line's own description: completions for shells, and manual pages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Write lvx.1 and a page for each command into this directory; without it lvx.1 is printed
    directory: Option<PathBuf>,
}

impl Completions {
    /// The script.
    pub(super) fn text(&self, mut command: Command) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "lvx", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

impl Manual {
    /// Writes the pages; gives what is to be printed.
    pub(super) fn run(&self, command: Command) -> Result<String> {
        let command = command.disable_help_subcommand(true);
        let Some(directory) = &self.directory else {
            return Ok(String::from_utf8_lossy(&page(command)?).into_owned());
        };
        write_pages(directory, command).with_context(|| format!("cannot write to {}", directory.display()))?;
        Ok(String::new())
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}

fn write_pages(directory: &Path, command: Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command, directory)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Arguments;
    use super::*;

    #[test]
    fn every_command_and_every_option_has_a_help_text() {
        fn look(path: &str, command: &Command) {
            assert!(command.get_about().is_some(), "{path} has no help text");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path}: {} has no help text", argument.get_id());
            }
            for sub in command.get_subcommands() {
                look(&format!("{path} {}", sub.get_name()), sub);
            }
        }
        let command = Arguments::command();
        command.clone().debug_assert();
        look("lvx", &command);
    }

    #[test]
    fn every_command_has_a_page_and_the_first_page_names_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let manual = Manual { directory: Some(directory.path().join("man1")) };
        assert_eq!(manual.run(Arguments::command()).expect("pages"), "");
        let read = |name: &str| fs::read_to_string(directory.path().join("man1").join(name)).expect(name);
        let first = read("lvx.1");
        for sub in Arguments::command().get_subcommands() {
            let name = sub.get_name();
            assert!(
                first.contains(&format!("lvx\\-{name}(1)")) && !first.contains("lvx\\-help"),
                "lvx.1 does not name {name}:\n{first}"
            );
            let page = read(&format!("lvx-{name}.1"));
            assert!(page.contains(&format!(".TH lvx-{name} 1")), "{page}");
        }
        assert!(read("lvx-run.1").contains("\\-\\-xdp\\-mode"));
    }

    #[test]
    fn each_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = Completions { shell }.text(Arguments::command());
            for word in ["status", "sysctl", "completions", "json"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}

//! `completions` and `man`: made from the same description as the command line itself.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::fault::{Exit, Fault};
use super::output::Output;

/// Prints the completion script of a shell.
///
/// # Errors
/// The output cannot be written.
pub(super) fn completions(shell: Shell) -> Result<Exit, Fault> {
    // The generator panics when its output breaks, so it gets a buffer.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "blockspan", &mut script);
    let mut output = Output::open(None)?;
    output.write_all(&script)?;
    output.finish()?;
    Ok(Exit::Good)
}

/// Prints the manual page of `blockspan`, or writes that of every command into `dir`.
///
/// # Errors
/// The output cannot be written.
pub(super) fn man(dir: Option<&Path>) -> Result<Exit, Fault> {
    let pages = pages().map_err(|error| Fault::failed("the manual page cannot be made", error))?;
    match dir {
        None => {
            let mut output = Output::open(None)?;
            for (_, page) in pages.iter().take(1) {
                output.write_all(page)?;
            }
            output.finish()?;
        }
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .map_err(|error| Fault::failed(format!("`{}` cannot be made", dir.display()), error))?;
            for (name, page) in &pages {
                let mut output = Output::open(Some(&dir.join(name)))?;
                output.write_all(page)?;
                output.finish()?;
            }
        }
    }
    Ok(Exit::Good)
}

/// Every page with its file name, the main one first.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, "blockspan", &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["blockspan.1", "blockspan-history.1", "blockspan-config-check.1", "blockspan-demo.1"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert_eq!(names[0], "blockspan.1");
        let history = &pages.iter().find(|(name, _)| name == "blockspan-history.1").unwrap().1;
        assert!(String::from_utf8_lossy(history).contains("since"));
    }

    #[test]
    fn every_shell_gets_a_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "blockspan", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("measurements"), "{shell}");
        }
    }
}

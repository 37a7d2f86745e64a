//! The commands (DESIGN 7): stdout is data, stderr is talk.

mod args;
mod chart;
mod check;
mod complete;
mod config_check;
mod demo;
mod fault;
#[cfg(test)]
pub(crate) mod fixtures;
mod history;
mod logging;
mod look;
mod measurements;
mod output;
mod rooms;
mod select;
mod status;
mod table;
mod text;
mod when;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::config::Loaded;
use args::{Cli, Command, ConfigCommand, GlobalArgs};
use fault::{Exit, Fault};

pub use text::printable;

/// Parses the command line, runs the command, and maps its end to an exit code.
pub fn main() -> ExitCode {
    let (global, command) = match Cli::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) => {
            // Help and version are errors to clap, with exit code 0. Nobody is left to tell when printing fails.
            let _unheard = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let exit = run(&global, &command).unwrap_or_else(|fault| {
        if fault.exit() != Exit::Good {
            eprintln!("{fault}");
        }
        fault.exit()
    });
    exit.into()
}

fn run(global: &GlobalArgs, command: &Command) -> Result<Exit, Fault> {
    let talkative = matches!(command, Command::Run(_) | Command::Demo);
    logging::set_up(global, talkative)?;
    match command {
        Command::Run(args) => rooms::run(global, args).map(|()| Exit::Good),
        Command::Check(args) => check::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::History(args) => history::run(global, args),
        Command::Measurements(args) => measurements::run(global, args),
        Command::Config(ConfigCommand::Check) => config_check::run(global),
        Command::Completions { shell } => complete::completions(*shell),
        Command::Man { dir } => complete::man(dir.as_deref()),
        Command::Demo => demo::run(global),
    }
}

/// Reads the configuration; its faults are laid out in colour when standard error can show it.
fn load(global: &GlobalArgs, listen: Option<&str>) -> Result<Loaded, Fault> {
    let stderr = std::io::stderr();
    let colour = match global.color {
        args::ColorWhen::Always => true,
        args::ColorWhen::Never => false,
        args::ColorWhen::Auto => {
            stderr.is_terminal() && anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never
        }
    };
    rooms::load(global, listen, colour)
}

/// The runtime for commands that measure.
fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fault::failed("measuring cannot begin", error))
}

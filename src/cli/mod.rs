//! The commands (DESIGN 7): stdout is data, stderr is talk.

mod args;
mod backup;
mod chart;
mod check;
mod complete;
mod config_check;
mod demo;
mod doctor;
mod fault;
#[cfg(test)]
pub(crate) mod fixtures;
mod history;
mod import;
mod joined;
mod logging;
mod look;
mod measurements;
mod output;
mod progress;
mod rejudge;
mod report;
mod rooms;
mod rows;
mod select;
mod silences;
mod status;
mod table;
mod text;
mod when;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use args::{Cli, ColorWhen, Command, ConfigCommand, GlobalArgs, ImportCommand};
use fault::{Exit, Fault};

use crate::config::Loaded;

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
    let talkative = matches!(command, Command::Run(_) | Command::Helper(_) | Command::Demo { .. });
    let is_service = matches!(command, Command::Run(_) | Command::Helper(_));
    logging::set_up(global, talkative, is_service)?;
    match command {
        Command::Run(args) => rooms::run(global, args, stderr_colour(global)).map(|()| Exit::Good),
        Command::Check(args) => check::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::History(args) => history::run(global, args),
        Command::Measurements(args) => measurements::run(global, args),
        Command::Report(args) => report::run(global, args),
        Command::Helper(args) => rooms::helper(global, args, stderr_colour(global)).map(|()| Exit::Good),
        Command::Import(ImportCommand::Ooni(args)) => import::ooni(global, args),
        Command::Rejudge(args) => rejudge::run(global, args),
        Command::Backup(args) => backup::run(global, args),
        Command::Doctor(args) => doctor::run(global, args),
        Command::Config(ConfigCommand::Check) => config_check::run(global),
        Command::Completions { shell } => complete::completions(*shell),
        Command::Man { dir } => complete::man(dir.as_deref()),
        Command::Demo { listen } => demo::run(global, *listen),
    }
}

/// Reads targets and configuration; their faults are laid out in colour when standard error can show it.
fn load(global: &GlobalArgs) -> Result<Loaded, Fault> {
    rooms::load(global, None, stderr_colour(global))
}

/// Whether standard error gets colour.
fn stderr_colour(global: &GlobalArgs) -> bool {
    let stderr = std::io::stderr();
    match global.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            stderr.is_terminal() && anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never
        }
    }
}

//! The command line (DESIGN 7).

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::when::When;
use crate::language::Language;
use crate::model::{CountryCode, SiteId, SpanSource, Status, VantageId};

const TOP_EXAMPLES: &str = "\
Examples:
  blockspan                            measure, record and serve http://127.0.0.1:9645
  blockspan check https://fergana.media/
  blockspan status
  blockspan history fergana --format chart

Exit: 0 good, 1 failed, 2 wrong usage or configuration; `check` also 3, 4, 5.";

const CHECK_EXAMPLES: &str = "\
Examples:
  blockspan check fergana                      all URLs of a site, from every vantage
  blockspan check https://example.org/         any URL
  blockspan check fergana --format json | jq .status

Exit: 0 all accessible, 3 blocked, 4 down or denied, 5 offline or inconclusive
(the worst one wins in the order 3, 4, 5).";

const HISTORY_EXAMPLES: &str = "\
Examples:
  blockspan history                            all spans, as a table
  blockspan history fergana --format chart     bars over a time axis
  blockspan history --source reported          what documents have claimed
  blockspan history --by country               where enough networks agree
  blockspan history fergana --merge 6h         a block that flaps as one line
  blockspan history --silences                 when vantages told nothing
  blockspan history --since 2026-11 --format csv -o november.csv
  blockspan history --status blocked --since 30d --format json

In CSV a text cell that begins with = + - @, a tab or a carriage return gets a
leading apostrophe, so that no spreadsheet takes it for a formula.";

const MEASUREMENTS_EXAMPLES: &str = "\
Examples:
  blockspan measurements fergana --since 2h
  blockspan measurements --status blocked -o evidence.ndjson
  blockspan measurements --since 2026-11 --format parquet -o november.parquet

What the columns of CSV and Parquet tell: docs/data.md.";

const REPORT_EXAMPLES: &str = "\
Examples:
  blockspan report -o briefing.html            a page that prints well on A4
  blockspan report --since 2026-01 > briefing.md
  blockspan report --country KZ --lang ru --format html -o spravka.html

It needs nothing from elsewhere and can be sent as it is. It names spans and
measurements by their ids; whoever holds the record can look both up.";

const HELPER_EXAMPLES: &str = "\
Examples:
  blockspan helper                             for this machine only, without a token
  blockspan helper --token-file helper.token   behind a proxy with TLS, for friends
  blockspan helper --listen 192.0.2.1:9646 --token-file helper.token

It needs no target list. Whoever is to ask names it under [control] helpers. How to run
one abroad, and what it learns of those who ask: docs/helper.md.";

const IMPORT_OONI_EXAMPLES: &str = "\
Examples:
  blockspan import ooni 2022/*.jsonl.gz        all sites of the target list
  blockspan import ooni --site fergana *.gz    years of history of one site
  zstdcat all.zst | blockspan import ooni -    from standard input

Each network becomes a vantage (AS9198-KZ); see them with `history --source ooni`. May run beside the daemon. What was
imported is passed over the next time. How documents are read and judged: docs/import.md.";

const REJUDGE_EXAMPLES: &str = "\
Examples:
  blockspan rejudge --dry-run                  what today's rules would change
  blockspan rejudge                            change it; stop the daemon first
  blockspan rejudge fergana --since 2026-11 --dry-run --format json

Verdicts are replaced and the spans follow. A span that is changed or withdrawn
stays in the journal of the record as it was.";

const BACKUP_EXAMPLES: &str = "\
Examples:
  blockspan backup /media/stick/blockspan.db
  blockspan backup \"copy-$(date +%F).db\"       one a day, from cron
  blockspan history --store sqlite:///media/stick/blockspan.db

The copy is the record as it was in one moment, checked, in one file that only its
owner may read. To restore it: stop blockspan, put the copy in the place of the record,
remove the files beside it whose names end in -wal and -shm (they belong to the old one),
and start blockspan.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  blockspan doctor                             everything; asks canaries and controls once
  blockspan doctor --offline                   nothing that needs a network
  blockspan doctor --format json | jq '.checks[] | select(.state != \"ok\")'

It changes nothing, and may run beside the daemon. Exit: 0 nothing has failed (warnings
do not count), 1 something has.";

/// Records when each block of a website started and ended, how, and how surely.
#[derive(Debug, Parser)]
#[command(name = "blockspan", version, after_help = TOP_EXAMPLES, max_term_width = 100)]
#[command(subcommand_help_heading = "Commands", disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command reads.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// How and from where to measure [default: blockspan.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// What to measure [default: targets.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) targets: Option<PathBuf>,
    /// Where the record is kept, e.g. sqlite://blockspan.db
    #[arg(long, global = true, value_name = "URL")]
    pub(super) store: Option<String>,
    /// When to use colour; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub(super) color: ColorWhen,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Log only warnings; twice for errors only
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub(super) quiet: u8,
    /// How log lines are written [default: human; of a service that is not on a terminal journal or json]
    #[arg(long, global = true, value_name = "FORMAT", value_enum, env = "BLOCKSPAN_LOG_FORMAT", hide_env = true)]
    pub(super) log_format: Option<LogFormat>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Human,
    Json,
    Journal,
}

/// What `run` takes beside the global options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Run options")]
pub(super) struct RunArgs {
    /// Where to serve the page and the metrics [default: 127.0.0.1:9645]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Measure every URL once, record it, and end
    #[arg(long)]
    pub(super) once: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measure, record and serve (what `blockspan` alone does)
    Run(RunArgs),
    /// Measure now and explain, layer by layer
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// What is blocked now, since when, how
    Status(StatusArgs),
    /// The spans: what was blocked from when to when
    #[command(after_help = HISTORY_EXAMPLES)]
    History(HistoryArgs),
    /// The evidence: every measurement with its verdict
    #[command(after_help = MEASUREMENTS_EXAMPLES)]
    Measurements(MeasurementsArgs),
    /// A briefing: what is blocked in a country, since when, how, on what evidence
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Measure URLs for others who want a second opinion, as OONI's test helpers do
    #[command(after_help = HELPER_EXAMPLES)]
    Helper(HelperArgs),

    /// Judge measurements of others and keep them beside our own
    #[command(subcommand, disable_help_subcommand = true)]
    Import(ImportCommand),
    /// Judge the recorded evidence again by today's rules
    #[command(after_help = REJUDGE_EXAMPLES)]
    Rejudge(RejudgeArgs),
    /// Copy the record to a file, also while it is being written
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Check everything and say what to do: configuration, record, clock, reachability, daemon
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Look at the configuration
    #[command(subcommand, disable_help_subcommand = true)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all of them
    Man {
        /// Write one page a command into this directory
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Show on loopback, within a minute, what blockspan does
    Demo {
        /// Where to serve the page meanwhile
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
}

/// `import …`
#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// OONI's Web Connectivity measurements: JSON lines, plain, .gz or .zst
    #[command(after_help = IMPORT_OONI_EXAMPLES)]
    Ooni(ImportOoniArgs),
}

/// `import ooni`
#[derive(Debug, Args)]
pub(super) struct ImportOoniArgs {
    /// Files of measurements; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Only these sites (ids of the target list)
    #[arg(long, value_name = "SITE", value_delimiter = ',')]
    pub(super) site: Vec<SiteId>,
    /// Read files again that were imported, and judge again what is there
    #[arg(long)]
    pub(super) again: bool,
    /// Write lines that cannot be read to this file
    #[arg(long, value_name = "FILE")]
    pub(super) bad: Option<PathBuf>,
    /// How to tell what came of it; json: one object
    #[arg(long, value_enum, default_value_t = TellFormat::Human)]
    pub(super) format: TellFormat,
}

/// `config …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum ConfigCommand {
    /// Read targets and configuration; tell all faults at once
    Check,
}

/// `check`
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A URL, or the id of a site of the target list
    #[arg(required = true, value_name = "URL|SITE")]
    pub(super) what: Vec<String>,
    /// Only from these vantages
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) vantage: Vec<VantageId>,
    /// How to tell it; json: one object a line
    #[arg(long, value_enum, default_value_t = TellFormat::Human)]
    pub(super) format: TellFormat,
}

/// `helper`
#[derive(Debug, Args)]
pub(super) struct HelperArgs {
    /// Where to listen [default: 127.0.0.1:9646]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Answer only those who bring the token in this file
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Answer everyone who can reach it, without a token
    #[arg(long)]
    pub(super) unprotected: bool,
}

/// `status`
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// How to tell it; json: one object a line
    #[arg(long, value_enum, default_value_t = TellFormat::Human)]
    pub(super) format: TellFormat,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TellFormat {
    Human,
    Json,
}

/// Which spans or measurements.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Selectors {
    /// Only these sites (ids of the target list)
    #[arg(value_name = "SITE")]
    pub(super) sites: Vec<SiteId>,
    /// Only seen from these vantages
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) vantage: Vec<VantageId>,
    /// Only with these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = statuses())]
    pub(super) status: Vec<Status>,
    /// Only what reaches beyond this time: an instant, day, month, or 30d, 2h (ago)
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<When>,
    /// Only what began before this time; a day or month counts whole
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<When>,
}

/// `report`
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Only these sites (ids of the target list)
    #[arg(value_name = "SITE")]
    pub(super) sites: Vec<SiteId>,
    /// For which country [default: the one that all sites are watched for]
    #[arg(long, value_name = "CODE")]
    pub(super) country: Option<CountryCode>,
    /// Only what reaches beyond this time: an instant, day, month, or 30d, 2h (ago)
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<When>,
    /// Only what began before this time; a day or month counts whole
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<When>,
    /// How to write it [default: html for a file that is named so, otherwise md]
    #[arg(long, value_enum)]
    pub(super) format: Option<ReportFormat>,
    /// In which language
    #[arg(long, value_name = "LANGUAGE", default_value = "en", value_parser = languages())]
    pub(super) lang: Language,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// How a briefing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    Html,
    Md,
}

/// `history`
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) select: Selectors,
    /// Where the spans come from
    #[arg(long, value_enum, default_value_t = SourceChoice::All)]
    pub(super) source: SourceChoice,
    /// Join spans by network, by country (where enough networks agree), or by site
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["silences", "merge"])]
    pub(super) by: Option<HistoryBy>,
    /// Tell spans of a series as one whose gaps are shorter than this [default: `[summary] merge_within`]
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, default_missing_value = "", conflicts_with = "silences")]
    pub(super) merge: Option<String>,
    /// List instead when vantages told nothing: offline, cut off, or not measuring
    #[arg(long)]
    pub(super) silences: bool,
    /// How to write them
    #[arg(long, value_enum, default_value_t = HistoryFormat::Table)]
    pub(super) format: HistoryFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// What spans are joined by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HistoryBy {
    /// A line a site and country
    Site,
    /// Stretches in which enough networks of a country agree
    Country,
    /// Stretches in a network, whatever its vantages and URLs
    Network,
}

/// Which sources of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SourceChoice {
    /// Our own measurements
    Measured,
    /// Claims of documents, from the target list
    Reported,
    /// Measurements of OONI that were imported
    Ooni,
    /// All of them
    All,
}

impl SourceChoice {
    /// Whether spans of `source` are asked for.
    pub(super) const fn covers(self, source: SpanSource) -> bool {
        matches!(
            (self, source),
            (Self::All, _)
                | (Self::Measured, SpanSource::Measured)
                | (Self::Reported, SpanSource::Reported)
                | (Self::Ooni, SpanSource::Ooni)
        )
    }
}

/// How `history` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HistoryFormat {
    /// Rows and columns for people
    Table,
    /// Bars over a time axis
    Chart,
    /// RFC 4180
    Csv,
    /// One array
    Json,
    /// One object a line
    Ndjson,
    /// Apache Parquet, typed columns
    Parquet,
}

/// `measurements`
#[derive(Debug, Args)]
pub(super) struct MeasurementsArgs {
    #[command(flatten)]
    pub(super) select: Selectors,
    /// How to write them
    #[arg(long, value_enum, default_value_t = MeasurementsFormat::Ndjson)]
    pub(super) format: MeasurementsFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// `rejudge`
#[derive(Debug, Args)]
pub(super) struct RejudgeArgs {
    /// Only these sites (ids of the target list)
    #[arg(value_name = "SITE")]
    pub(super) sites: Vec<SiteId>,
    /// Only seen from these vantages
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) vantage: Vec<VantageId>,
    /// Only measurements begun at or after this time: an instant, day, month, or 30d, 2h (ago)
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<When>,
    /// Tell what would change and change nothing; may run beside the daemon
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How to tell it; json: one object
    #[arg(long, value_enum, default_value_t = TellFormat::Human)]
    pub(super) format: TellFormat,
}

/// `backup`
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Where to; it appears whole or not at all
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Overwrite FILE if it is there
    #[arg(long)]
    pub(super) force: bool,
}

/// `doctor`
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Ask nobody in the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Read the database less thoroughly: no check of its indices, no measurement is opened
    #[arg(long, conflicts_with = "full")]
    pub(super) quick: bool,
    /// Open every measurement, however many there are
    #[arg(long)]
    pub(super) full: bool,
    /// How to tell it; json: one object
    #[arg(long, value_enum, default_value_t = TellFormat::Human)]
    pub(super) format: TellFormat,
}

/// How `measurements` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MeasurementsFormat {
    /// One object a line, all that was seen
    Ndjson,
    /// RFC 4180, one flat row a measurement
    Csv,
    /// Apache Parquet, typed columns, a row group a day
    Parquet,
    /// Documents of OONI's Web Connectivity, one a line
    Ooni,
}

fn statuses() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.iter().map(|status| status.as_str())).try_map(|text| text.parse::<Status>())
}

fn languages() -> impl TypedValueParser<Value = Language> {
    let tags = Language::ALL.iter().map(|language| language.as_str());
    PossibleValuesParser::new(tags).try_map(|text| text.parse::<Language>())
}

impl Cli {
    /// Reads a command line. The error is clap's: help and version are errors to it too.
    pub(super) fn read<T: Into<std::ffi::OsString> + Clone>(
        words: impl IntoIterator<Item = T>,
    ) -> Result<(GlobalArgs, Command), clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let Self { global, run: top, command } = Self::from_arg_matches(&matches)?;
        let command = match command {
            None => Command::Run(top),
            Some(Command::Run(run)) => {
                Command::Run(RunArgs { listen: run.listen.or(top.listen), once: run.once || top.once })
            }
            Some(_) if top != RunArgs::default() => {
                let message = "--listen and --once belong to `blockspan run`, not to another command";
                return Err(Self::command().error(clap::error::ErrorKind::ArgumentConflict, message));
            }
            Some(other) => other,
        };
        Ok((global, command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(GlobalArgs, Command), clap::Error> {
        Cli::read(line.split(' '))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn alone_it_runs() {
        let (global, command) = read("blockspan --listen 127.0.0.1:0 --store sqlite://x.db --once").unwrap();
        assert_eq!(global.store.as_deref(), Some("sqlite://x.db"));
        assert_eq!(global.targets, None);
        assert!(matches!(command, Command::Run(RunArgs { listen: Some(l), once: true }) if l == "127.0.0.1:0"));
        assert!(matches!(read("blockspan run --once").unwrap().1, Command::Run(RunArgs { listen: None, once: true })));
    }

    #[test]
    fn options_of_run_are_refused_elsewhere() {
        assert!(read("blockspan --listen 127.0.0.1:0 status").is_err());
        assert!(read("blockspan status --listen 127.0.0.1:0").is_err());
        assert!(read("blockspan -v -q status").is_err());
    }

    #[test]
    fn helper_has_options_of_its_own() {
        let line = "blockspan helper --listen [::1]:1 --token-file t --unprotected";
        let Command::Helper(args) = read(line).unwrap().1 else { panic!("not helper") };
        assert_eq!((args.listen.as_deref(), args.unprotected), (Some("[::1]:1"), true));
        assert_eq!(args.token_file, Some(PathBuf::from("t")));
        assert!(read("blockspan helper --once").is_err());
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["blockspan --config c.toml -vv history", "blockspan history --config c.toml -vv"] {
            let (global, _) = read(line).unwrap();
            assert_eq!(global.config, Some(PathBuf::from("c.toml")));
            assert_eq!(global.verbose, 2);
        }
    }

    #[test]
    fn history_takes_lists_and_times() {
        let line =
            "blockspan history fergana ratel --vantage a,b --status blocked,down --since 2026-11 --format csv -o f";
        let Command::History(args) = read(line).unwrap().1 else { panic!("not history") };
        assert_eq!(args.select.sites.len(), 2);
        assert_eq!(args.select.vantage.len(), 2);
        assert_eq!(args.select.status, [Status::Blocked, Status::Down]);
        assert_eq!(args.format, HistoryFormat::Csv);
        assert_eq!(args.source, SourceChoice::All);
        assert_eq!(args.output, Some(PathBuf::from("f")));
    }

    #[test]
    fn wrong_values_are_usage_errors_that_say_what_is_right() {
        for (line, hint) in [
            ("blockspan history --since soon", "expected an instant"),
            ("blockspan history --status blokked", "blocked"),
            ("blockspan history --source rumour", "reported"),
            ("blockspan history --vantage ../x", "not a usable id"),
            ("blockspan check", "URL|SITE"),
            ("blockspan import x", "unrecognized subcommand"),
        ] {
            let error = read(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(hint), "{line}: {error}");
        }
    }

    #[test]
    fn help_names_only_what_is_there() {
        let help = Cli::command().render_long_help().to_string();
        for command in [
            "run",
            "check",
            "status",
            "history",
            "measurements",
            "report",
            "import",
            "rejudge",
            "backup",
            "doctor",
            "helper",
            "config",
            "completions",
            "man",
            "demo",
        ] {
            assert!(help.contains(&format!("\n  {command} ")), "{command}\n{help}");
        }
    }
}

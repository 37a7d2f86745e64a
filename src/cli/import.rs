//! `import ooni`: measurements of others, judged and kept.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::args::{GlobalArgs, ImportOoniArgs, TellFormat};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::{rooms, select, words};
use crate::config::StoreUrl;
use crate::daemon::{detector_of_imports, knowledge};
use crate::export::to_json_line;
use crate::import::{BadLine, Halted, Input, Order, Progress, Report, import};
use crate::model::printable;
use crate::store::Importer;

/// Where nobody looks at a bar, a line is said so often.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Runs `import ooni`.
///
/// # Errors
/// A site is unknown, a file cannot be read, the record cannot be written, or no line could be read at all.
pub(super) fn ooni(global: &GlobalArgs, args: &ImportOoniArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    select::known_sites(&config, &args.site, || Ok(Vec::new()))?;
    let wanted = |site: &&crate::model::Site| args.site.is_empty() || args.site.contains(&site.id);
    let sites: Vec<_> = config.sites.iter().filter(wanted).cloned().collect();
    let inputs: Vec<Input> = args
        .files
        .iter()
        .map(|file| if file.as_os_str() == "-" { Input::Stdin } else { Input::File(file.clone()) })
        .collect();
    let StoreUrl::Sqlite(path) = &config.store.url;
    let mut importer = Importer::open(path).map_err(|error| Fault::failed("nothing can be imported", error))?;
    let mut bad_file = args.bad.as_deref().map(open_bad).transpose()?;
    let (knowledge, detector) = (knowledge(&config), detector_of_imports(&config));
    let stop = Arc::new(AtomicBool::new(false));
    rooms::stop_on_interrupt(&stop)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let order =
        Order { sites: &sites, knowledge: &knowledge, detector: &detector, again: args.again, threads, stop: &stop };

    let mut shown = Shown::new(inputs.iter().map(Input::bytes).sum());
    let mut lost = None;
    let outcome =
        import(&mut importer, &inputs, &order, &mut |progress| shown.show(progress), &mut |_: &BadLine, text| {
            if let Some(file) = &mut bad_file
                && let Err(error) = file.write_all(text).and_then(|()| file.write_all(b"\n"))
            {
                lost.get_or_insert(error);
            }
        });
    shown.clear();
    if let Some(mut file) = bad_file {
        lost = file.flush().err().or(lost);
    }
    let (report, mut fault) = match outcome {
        Ok(report) => (report, None),
        Err(halted) => {
            let Halted { error, report } = *halted;
            (report, Some(Fault::failed("the import broke off", error)))
        }
    };
    if let Some(fault) = fault.take_if(|_| report.lines == 0) {
        return Err(fault);
    }
    let mut output = Output::open(None)?;
    match args.format {
        TellFormat::Json => to_json_line(&Told::of(&report, shown.began.elapsed()), &mut output)?,
        TellFormat::Human => write!(output, "{}", human(&report, shown.began.elapsed()))?,
    }
    output.finish()?;
    if let Some(error) = lost {
        return Err(Fault::failed("the bad lines could not be written", error));
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    if report.lines > 0 && report.bad == report.lines {
        return Err(Fault::Failed(
            "no line could be read: are these OONI measurements, one JSON object a line?".to_owned(),
            None,
        ));
    }
    if stop.load(Ordering::Relaxed) {
        eprintln!("stopped; the same command goes on from here");
        return Err(Fault::Failed("the import was stopped before its end".to_owned(), None));
    }
    Ok(Exit::Good)
}

fn open_bad(path: &std::path::Path) -> Result<BufWriter<File>, Fault> {
    let file = File::create(path);
    file.map(BufWriter::new).map_err(|error| Fault::failed(format!("`{}` cannot be written", path.display()), error))
}

/// A bar on a terminal, now and then a line elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    began: Instant,
    said: Instant,
    of: Option<u64>,
}

impl Shown {
    /// `of` bytes in all, where that is known.
    fn new(of: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = of.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            let template = if of.is_some() { "{bar:24} {percent:>3} % {msg}, {eta} left" } else { "{spinner} {msg}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, began: Instant::now(), said: Instant::now(), of }
    }

    fn show(&mut self, progress: Progress) {
        let rate = progress.lines as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let (replayed, of_series) = progress.replayed;
        let message = if of_series > 0 {
            format!("{replayed} of {of_series} series replayed")
        } else {
            format!("{} documents, {rate:.0}/s", progress.lines)
        };
        match &self.bar {
            Some(bar) => {
                bar.set_position(progress.bytes);
                bar.set_message(message);
            }
            None if self.said.elapsed() >= SAID_EVERY => {
                let share = self.of.filter(|of| *of > 0).map(|of| format!("{} %, ", progress.bytes * 100 / of));
                eprintln!("importing: {}{message}", share.unwrap_or_default());
                self.said = Instant::now();
            }
            None => {}
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The object of `import ooni --format json`.
#[derive(Debug, Serialize)]
struct Told<'r> {
    files_known: u64,
    lines: u64,
    lines_known: u64,
    imported: u64,
    known: u64,
    other_sites: u64,
    other_tests: u64,
    bad: u64,
    bad_lines: Vec<(&'r str, u64, String)>,
    verdicts: std::collections::BTreeMap<&'static str, u64>,
    series: u64,
    spans: u64,
    spans_new: u64,
    spans_gone: u64,
    stopped: bool,
    elapsed_seconds: f64,
}

impl<'r> Told<'r> {
    fn of(report: &'r Report, took: Duration) -> Self {
        Self {
            files_known: report.files_known,
            lines: report.lines,
            lines_known: report.lines_known,
            imported: report.imported,
            known: report.known,
            other_sites: report.other_sites,
            other_tests: report.other_tests,
            bad: report.bad,
            bad_lines: report.bad_lines.iter().map(|bad| (bad.file.as_str(), bad.line, bad.problem.clone())).collect(),
            verdicts: report.verdicts.iter().map(|(status, count)| (status.as_str(), *count)).collect(),
            series: report.series,
            spans: report.spans,
            spans_new: report.spans_new,
            spans_gone: report.spans_gone,
            stopped: report.stopped,
            elapsed_seconds: took.as_secs_f64(),
        }
    }
}

fn human(report: &Report, took: Duration) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let rate = report.lines as f64 / took.as_secs_f64().max(0.001);
    say(format!(
        "{} read in {} ({rate:.0} a second).",
        words::count(report.lines as usize, "document", "documents"),
        words::length(took)
    ));
    let counts = [
        (report.imported, "imported"),
        (report.known, "there already"),
        (report.lines_known, "passed over, imported before"),
        (report.other_sites, "of sites that are not in the target list or not asked for"),
        (report.other_tests, "of other tests"),
        (report.bad, "that cannot be read"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        say(format!("  {count} {what}"));
    }
    if report.files_known > 0 {
        say(format!(
            "{} imported before; --again reads them again.",
            words::count(report.files_known as usize, "file was", "files were")
        ));
    }
    for bad in &report.bad_lines {
        say(format!("{}:{}: {}", bad.file, bad.line, printable(&bad.problem)));
    }
    if report.bad > report.bad_lines.len() as u64 {
        say(format!("… and {} more; --bad FILE keeps them", report.bad - report.bad_lines.len() as u64));
    }
    if !report.verdicts.is_empty() {
        let told: Vec<String> = report.verdicts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        say(format!("Our verdicts: {}.", told.join(", ")));
    }
    if report.series > 0 {
        say(format!(
            "{}, {}: {} new, {} withdrawn. See them: blockspan history --source ooni",
            words::count(report.series as usize, "series", "series"),
            words::count(report.spans as usize, "span", "spans"),
            report.spans_new,
            report.spans_gone
        ));
    }
    text
}

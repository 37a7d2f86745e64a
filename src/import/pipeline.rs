//! From lines to the record: one thread reads, all cores parse, judge and pack, one writes in order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::lines::{Input, InputError, Line, Lines, MOST_LINE};
use super::ooni::{Hosts, Reader, Skipped};
use crate::detect::{Detector, SeriesState};
use crate::judge::Knowledge;
use crate::model::{Site, Span, SpanChangeKind, Status};
use crate::store::{FileMark, Importer, Packed, Press, Primers, StoreError};

/// Lines that travel together.
const BATCH: usize = 1024;
/// Bytes of lines that travel together, about: documents can be large.
const BATCH_BYTES: usize = 4 << 20;
/// Bad lines that are named.
const NAMED: usize = 10;

/// What to import.
pub struct Order<'a> {
    /// The sites that are wanted.
    pub sites: &'a [Site],
    /// What the judge knows.
    pub knowledge: &'a Knowledge,
    /// The sequential test; its spans bear the source of the import.
    pub detector: &'a Detector,
    /// Judge again what is there already, and read files again that were imported.
    pub again: bool,
    /// Threads that parse and judge.
    pub threads: usize,
    /// Set to end after what is under way.
    pub stop: &'a AtomicBool,
}

impl std::fmt::Debug for Order<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order").field("sites", &self.sites.len()).field("again", &self.again).finish_non_exhaustive()
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes read, packed as they are.
    pub bytes: u64,
    /// Lines that are done.
    pub lines: u64,
    /// Series that were replayed, and how many are to be.
    pub replayed: (usize, usize),
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file.
    pub file: String,
    /// Its number, from one.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Files that were in the record already, whole.
    pub files_known: u64,
    /// Lines read.
    pub lines: u64,
    /// Lines passed over because an earlier import had them.
    pub lines_known: u64,
    /// Measurements that are new in the record, or judged again.
    pub imported: u64,
    /// Measurements that were there.
    pub known: u64,
    /// Documents of other sites.
    pub other_sites: u64,
    /// Documents of other tests.
    pub other_tests: u64,
    /// Lines that could not be read.
    pub bad: u64,
    /// The first of them.
    pub bad_lines: Vec<BadLine>,
    /// Our verdicts on what was read, in order of the statuses.
    pub verdicts: BTreeMap<Status, u64>,
    /// Series that got measurements.
    pub series: u64,
    /// Their spans now.
    pub spans: u64,
    /// Spans that are new.
    pub spans_new: u64,
    /// Spans that were withdrawn, because more evidence tells otherwise.
    pub spans_gone: u64,
    /// It was told to stop before the end.
    pub stopped: bool,
}

/// Why an import broke off. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Packing.
    #[error("zstd cannot start")]
    Press(#[source] io::Error),
    /// A thread.
    #[error("a thread of the import broke off")]
    Thread,
}

/// An import that broke off, with what it had come to.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Halted {
    /// Why.
    #[source]
    pub error: ImportError,
    /// Until then.
    pub report: Report,
}

/// How far it has come and who hears of it.
struct Course<'t> {
    report: Report,
    progress: Progress,
    told: &'t mut dyn FnMut(Progress),
    bad: &'t mut dyn FnMut(&BadLine, &[u8]),
}

/// Lines on their way to a worker, in order of their reading.
struct Batch {
    number: u64,
    last_line: u64,
    lines: Vec<(u64, Line)>,
}

/// What a worker made of them.
struct Done {
    last_line: u64,
    lines: u64,
    packed: Vec<Packed>,
    statuses: Vec<Status>,
    other_sites: u64,
    other_tests: u64,
    bad: Vec<(u64, String)>,
}

/// A batch that a worker is done with.
struct Judged {
    number: u64,
    done: Done,
    /// The lines that could not be read.
    texts: Vec<(u64, Vec<u8>)>,
}

/// Imports all of `inputs` in order, then replays the series that were touched. `told` hears of the progress now and then,
/// `bad` of every bad line.
///
/// # Errors
/// A file cannot be read, or the record not be written. What came before is in the record; the spans follow with the
/// next import.
pub fn import(
    importer: &mut Importer,
    inputs: &[Input],
    order: &Order<'_>,
    told: &mut dyn FnMut(Progress),
    bad: &mut dyn FnMut(&BadLine, &[u8]),
) -> Result<Report, Box<Halted>> {
    let mut course = Course { report: Report::default(), progress: Progress::default(), told, bad };
    match run(importer, inputs, order, &mut course) {
        Ok(()) => Ok(course.report),
        Err(error) => Err(Box::new(Halted { error, report: course.report })),
    }
}

fn run(
    importer: &mut Importer,
    inputs: &[Input],
    order: &Order<'_>,
    course: &mut Course<'_>,
) -> Result<(), ImportError> {
    let primers = importer.primers()?;
    for input in inputs {
        if order.stop.load(Ordering::Relaxed) {
            break;
        }
        one_file(importer, input, order, &primers, course)?;
    }
    course.report.stopped = order.stop.load(Ordering::Relaxed);
    Ok(replay(importer, order, course)?)
}

fn one_file(
    importer: &mut Importer,
    input: &Input,
    order: &Order<'_>,
    primers: &Primers,
    course: &mut Course<'_>,
) -> Result<(), ImportError> {
    let Course { report, progress, told, bad } = course;
    let name = input.name();
    let fingerprint = input.fingerprint()?;
    let mark = match &fingerprint {
        Some(fingerprint) if !order.again => importer.mark(fingerprint)?,
        _ => FileMark::default(),
    };
    if mark.complete {
        report.files_known += 1;
        progress.bytes += input.bytes().unwrap_or(0);
        told(*progress);
        return Ok(());
    }
    let read = Arc::new(AtomicU64::new(0));
    let lines = input.open(Arc::clone(&read))?;
    let hosts = Hosts::of(order.sites);
    let workers = order.threads.max(1);
    let (to_workers, from_reader) = sync_channel::<Batch>(workers * 2);
    let from_reader = Arc::new(Mutex::new(from_reader));
    let (to_writer, from_workers) = sync_channel::<Judged>(workers * 2);
    let halted = AtomicBool::new(false);
    let before = *progress;
    let presses = (0..workers).map(|_| Press::new(primers.clone())).collect::<io::Result<Vec<_>>>();
    let presses = presses.map_err(ImportError::Press)?;

    let result = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // Moved here, and dropped at the end: the workers end when nothing more can come.
            let to_workers = to_workers;
            read_all(lines, mark.lines, &to_workers, order.stop, &halted)
        });
        for press in presses {
            let (from_reader, to_writer, hosts) = (Arc::clone(&from_reader), to_writer.clone(), &hosts);
            scope.spawn(move || work(&from_reader, &to_writer, Reader::new(hosts, order.knowledge), press));
        }
        drop(to_writer);
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        let mut written = Ok(());
        for Judged { number, done, texts } in &from_workers {
            waiting.insert(number, (done, texts));
            while let Some((done, texts)) = waiting.remove(&next) {
                next += 1;
                if written.is_err() {
                    continue;
                }
                take_in(&done, &name, report, &texts, bad);
                let mark = FileMark { lines: done.last_line, complete: false };
                let file = fingerprint.as_ref().map(|fingerprint| (fingerprint, name.as_str(), mark));
                match importer.write(&done.packed, file, order.again) {
                    Ok(new) => {
                        report.imported += new;
                        report.known += done.packed.len() as u64 - new;
                    }
                    Err(error) => {
                        halted.store(true, Ordering::Relaxed);
                        written = Err(error);
                    }
                }
                progress.bytes = before.bytes + read.load(Ordering::Relaxed);
                progress.lines = report.lines;
                told(*progress);
            }
        }
        written?;
        reader
            .join()
            .map_err(|_| ImportError::Thread)?
            .map_err(|source| InputError { name: name.clone(), source })
            .map_err(ImportError::from)
    });
    let end = result?;
    report.lines_known += end.skipped;
    if end.whole
        && let Some(fingerprint) = &fingerprint
    {
        importer.write(
            &[],
            Some((fingerprint, &name, FileMark { lines: end.last_line, complete: true })),
            order.again,
        )?;
    }
    Ok(())
}

/// How reading a file ended.
struct End {
    whole: bool,
    last_line: u64,
    skipped: u64,
}

fn read_all(
    mut lines: Lines,
    skip: u64,
    to_workers: &SyncSender<Batch>,
    stop: &AtomicBool,
    halted: &AtomicBool,
) -> io::Result<End> {
    let mut end = End { whole: false, last_line: skip, skipped: 0 };
    let mut number = 0;
    loop {
        let mut batch = Batch { number, last_line: end.last_line, lines: Vec::with_capacity(BATCH) };
        let mut bytes = 0;
        while batch.lines.len() < BATCH && bytes < BATCH_BYTES {
            let Some((line, content)) = lines.next()? else {
                end.whole = true;
                break;
            };
            if line <= skip {
                end.skipped += 1;
                continue;
            }
            bytes += if let Line::Whole(content) = &content { content.len() } else { 0 };
            batch.last_line = line;
            batch.lines.push((line, content));
        }
        end.last_line = batch.last_line;
        number += 1;
        if to_workers.send(batch).is_err() || end.whole {
            return Ok(end);
        }
        if stop.load(Ordering::Relaxed) || halted.load(Ordering::Relaxed) {
            return Ok(end);
        }
    }
}

fn work(
    from_reader: &Mutex<Receiver<Batch>>,
    to_writer: &SyncSender<Judged>,
    mut reader: Reader<'_>,
    mut press: Press,
) {
    loop {
        let batch = from_reader.lock().ok().and_then(|receiver| receiver.recv().ok());
        let Some(batch) = batch else { return };
        let mut done = Done {
            last_line: batch.last_line,
            lines: batch.lines.len() as u64,
            packed: Vec::with_capacity(batch.lines.len()),
            statuses: Vec::with_capacity(batch.lines.len()),
            other_sites: 0,
            other_tests: 0,
            bad: Vec::new(),
        };
        let mut texts = Vec::new();
        let mut judged = Vec::with_capacity(batch.lines.len());
        for (number, line) in batch.lines {
            let Line::Whole(line) = line else {
                done.bad.push((number, format!("it is longer than {} MiB", MOST_LINE >> 20)));
                continue;
            };
            match reader.read(&line) {
                Ok(Ok((evidence, verdict))) => judged.push((number, line, evidence, verdict)),
                Ok(Err(Skipped::OtherSite)) => done.other_sites += 1,
                Ok(Err(Skipped::OtherTest)) => done.other_tests += 1,
                Err(problem) => {
                    done.bad.push((number, problem));
                    texts.push((number, line));
                }
            }
        }
        let packed = press.pack(judged.iter().map(|(_, _, evidence, verdict)| (evidence, verdict)));
        for (packed, (number, line, _, verdict)) in packed.into_iter().zip(judged) {
            match packed {
                Ok(packed) => {
                    done.statuses.push(verdict.status);
                    done.packed.push(packed);
                }
                Err(error) => {
                    done.bad.push((number, error.to_string()));
                    texts.push((number, line));
                }
            }
        }
        if to_writer.send(Judged { number: batch.number, done, texts }).is_err() {
            return;
        }
    }
}

fn take_in(
    done: &Done,
    name: &str,
    report: &mut Report,
    texts: &[(u64, Vec<u8>)],
    bad: &mut dyn FnMut(&BadLine, &[u8]),
) {
    report.lines += done.lines;
    report.other_sites += done.other_sites;
    report.other_tests += done.other_tests;
    for status in &done.statuses {
        *report.verdicts.entry(*status).or_default() += 1;
    }
    for (line, problem) in &done.bad {
        report.bad += 1;
        let one = BadLine { file: name.to_owned(), line: *line, problem: problem.clone() };
        let text = texts.iter().find(|(number, _)| number == line).map_or(&[][..], |(_, text)| text);
        bad(&one, text);
        if report.bad_lines.len() < NAMED {
            report.bad_lines.push(one);
        }
    }
}

/// Runs the sequential test from the beginning over every series that got a measurement.
fn replay(importer: &mut Importer, order: &Order<'_>, course: &mut Course<'_>) -> Result<(), StoreError> {
    let Course { report, progress, told, .. } = course;
    let touched = importer.touched()?;
    progress.replayed = (0, touched.len());
    for (row, key) in touched {
        let mut state = SeriesState::default();
        let mut spans: BTreeMap<_, Span> = BTreeMap::new();
        let found = std::cell::RefCell::new((&mut state, &mut spans));
        let counts = importer.replay(
            row,
            &mut |trial| {
                let (state, spans) = &mut *found.borrow_mut();
                for change in order.detector.take(&key, state, trial) {
                    if change.kind != SpanChangeKind::Continued {
                        spans.insert(change.span.span_id, change.span);
                    }
                }
            },
            || {
                let (state, spans) = &mut *found.borrow_mut();
                // The open span as it was last seen: it went on after its opening.
                if let Some(open) = &state.span {
                    spans.insert(open.span_id, open.clone());
                }
                ((**state).clone(), spans.values().cloned().collect())
            },
        )?;
        report.series += 1;
        report.spans += counts.spans;
        report.spans_new += counts.new;
        report.spans_gone += counts.gone;
        progress.replayed.0 += 1;
        told(*progress);
    }
    Ok(())
}

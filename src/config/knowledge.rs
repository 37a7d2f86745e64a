//! `[fingerprints]` and `[network] asn_files`: lists and tables that are read at run time. A bad line in one is a warning
//! and never stops anything; a file that cannot be read, or is in no known format, is a fault.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::document::{At, Fields, Node};
use super::fault::Wrong;
use super::network::beside;
use super::source::in_words;
use super::types::{FingerprintsConfig, KnownFile};
use super::value::text;
use crate::knowledge::{
    BadLines, Fingerprint, Fingerprints, List, LoadError, Networks, Table, load_fingerprints, load_networks,
};

impl Default for FingerprintsConfig {
    fn default() -> Self {
        Self { files: Vec::new(), known: Fingerprints::built_in() }
    }
}

/// Reads `[fingerprints]` and every list that it names.
pub(super) fn read_fingerprints(fields: &mut Fields<'_>) -> FingerprintsConfig {
    let lists = read_files(fields, "files", load_fingerprints, LISTS);
    let mut files = Vec::with_capacity(lists.len());
    let mut entries: Vec<Fingerprint> = Vec::new();
    let last = lists.last().map(|at| at.span.clone());
    for At { value: (path, list), .. } in lists {
        warn_of(fields, &path, &list.bad);
        let List { format, entries: more, bad } = list;
        files.push(KnownFile { path, format: format.as_str(), entries: Some(more.len()), skipped: bad.count });
        entries.extend(more);
    }
    if files.is_empty() {
        return FingerprintsConfig::default();
    }
    match Fingerprints::with(entries) {
        Ok(known) => FingerprintsConfig { files, known: Arc::new(known) },
        Err(too_much) => {
            let wrong = Wrong::new(format!("`files` hold {too_much}")).help("name fewer or smaller lists");
            fields.doc.fault(&last.unwrap_or(0..0), wrong);
            FingerprintsConfig::default()
        }
    }
}

/// Reads the tables that `[network] asn_files` names.
pub(super) fn read_networks(fields: &mut Fields<'_>) -> (Vec<KnownFile>, Arc<Networks>) {
    let read = read_files(fields, "asn_files", load_networks, TABLES);
    let mut files = Vec::with_capacity(read.len());
    let mut tables: Vec<Table> = Vec::with_capacity(read.len());
    for At { value: (path, loaded), .. } in read {
        warn_of(fields, &path, &loaded.bad);
        let (format, entries) = (loaded.value.format(), loaded.value.len());
        files.push(KnownFile { path, format, entries, skipped: loaded.bad.count });
        tables.push(loaded.value);
    }
    (files, Arc::new(Networks::new(tables)))
}

const LISTS: &str = "OONI's CSV (fingerprints_dns.csv, fingerprints_http.csv) or Censored Planet's JSON lines";
const TABLES: &str = "MMDB with numbers of networks, `start,end,asn,name` (ip-location-db) or, with tabs, \
     `start end asn country name` (iptoasn); the last two may be packed with gzip";

fn read_files<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    load: fn(&Path) -> Result<T, LoadError>,
    expected: &str,
) -> Vec<At<(std::path::PathBuf, T)>> {
    let doc = fields.doc;
    let read = |node: &Node<'_>| {
        let path = beside(doc, &text(node)?);
        doc.findings.reading(&path);
        let loaded = load(&path).map_err(|error| match error {
            LoadError::Unreadable(error) => unreadable(&error),
            LoadError::Unknown(_) => Wrong::new("names a file of no known format").expected(expected),
        })?;
        Ok((path, loaded))
    };
    fields.list(key, read).unwrap_or_default()
}

fn unreadable(error: &io::Error) -> Wrong {
    Wrong::new(format!("names a file that cannot be read: {}", in_words(error)))
        .help("paths are relative to the directory of this file")
}

fn warn_of(fields: &Fields<'_>, path: &Path, bad: &BadLines) {
    let findings = fields.doc.findings;
    for line in &bad.named {
        findings.warn_line(path, line.line, format!("left out: {}", line.wrong));
    }
    let more = bad.count - bad.named.len();
    if more > 0 {
        findings.warn_line(path, 0, format!("{more} more lines are left out"));
    }
}

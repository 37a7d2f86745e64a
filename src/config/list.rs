//! Citizen Lab test lists: `url,category_code,category_description,date_added,source,notes`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use csv::StringRecord;
use sha2::{Digest, Sha256};
use url::Url;

use super::document::Doc;
use super::fault::{Findings, Wrong, clip};
use super::source::Source;
use super::targets::Owners;
use super::unique::Unique;
use super::url::web_url;
use super::value::category;
use crate::model::{CountryCode, Site, SiteId, hex};

/// The sites of all included lists: one per host.
pub(super) struct Lists<'a> {
    pub(super) sites: Vec<Site>,
    by_host: HashMap<String, usize>,
    urls: HashSet<Url>,
    ids: &'a mut Unique,
    owners: &'a Owners,
}

/// One good line.
struct Entry {
    url: Url,
    category: Option<String>,
    span: Range<usize>,
}

impl<'a> Lists<'a> {
    /// `ids` and `owners` know the sites of `targets.toml` itself.
    pub(super) fn new(ids: &'a mut Unique, owners: &'a Owners) -> Self {
        Self { sites: Vec::new(), by_host: HashMap::new(), urls: HashSet::new(), ids, owners }
    }

    /// Reads one list. URLs that a `[[site]]` has already are left to it, with a warning.
    pub(super) fn read(&mut self, path: &Path, findings: &Findings) {
        let Some(source) = findings.read_text(path) else { return };
        let doc = Doc { source: &source, findings };
        let country = country_of(path);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source.text.as_bytes());
        let Some(columns) = Columns::find(doc, &mut reader) else { return };
        let mut record = StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let start = error.position().map_or(0, |position| offset(position.byte()));
                    doc.fault(&line_from(&source, start), Wrong::new("not CSV").label(error.to_string()));
                    return;
                }
            }
            let start = record.position().map_or(0, |position| offset(position.byte()));
            if let Some(entry) = columns.entry(doc, &record, start) {
                self.add(doc, entry, country);
            }
        }
    }

    fn add(&mut self, doc: Doc<'_>, Entry { url, category, span }: Entry, country: CountryCode) {
        if let Some(owner) = self.owners.get(url.as_str()) {
            doc.warn(&span, format!("{url} is left out: site {owner} has it already"));
            return;
        }
        if !self.urls.insert(url.clone()) {
            doc.warn(&span, format!("{url} is left out: it was listed before"));
            return;
        }
        let host = url.host_str().unwrap_or("").to_owned();
        if let Some(site) = self.by_host.get(&host).and_then(|index| self.sites.get_mut(*index)) {
            site.urls.push(url);
            return;
        }
        let Some(id) = site_id(&host) else {
            doc.fault(&span, Wrong::new("this host cannot be made an id"));
            return;
        };
        if self.ids.claim(doc, id.as_str(), &span) {
            self.by_host.insert(host.clone(), self.sites.len());
            self.sites.push(Site { id, name: host, country, category, urls: vec![url], reported: Vec::new() });
        }
    }
}

/// Where the columns that we read stand.
struct Columns {
    url: usize,
    category: Option<usize>,
    count: usize,
}

impl Columns {
    fn find(doc: Doc<'_>, reader: &mut csv::Reader<&[u8]>) -> Option<Self> {
        let headers = reader.headers().cloned().unwrap_or_default();
        let column = |name: &str| headers.iter().position(|header| header.trim().eq_ignore_ascii_case(name));
        let Some(url) = column("url") else {
            let wrong = Wrong::new("not a test list: there is no column `url`")
                .expected("a header line: url,category_code,category_description,date_added,source,notes");
            doc.fault(&line_from(doc.source, 0), wrong);
            return None;
        };
        Some(Self { url, category: column("category_code"), count: headers.len() })
    }

    /// What one line says. Published lists hold URLs with fragments; those never reach a server and are dropped.
    fn entry(&self, doc: Doc<'_>, record: &StringRecord, start: usize) -> Option<Entry> {
        let line = line_from(doc.source, start);
        if record.len() != self.count {
            let wrong = Wrong::new(format!("{} fields where the header has {}", record.len(), self.count))
                .help("a field that holds a comma must stand in double quotes");
            doc.fault(&line, wrong);
            return None;
        }
        let place = |text: &str| {
            let found = doc.source.text.get(line.clone()).and_then(|line| line.find(text)).filter(|_| !text.is_empty());
            found.map_or(line.clone(), |at| line.start + at..line.start + at + text.len())
        };
        let read = |what: &str, text: &str, mut wrong: Wrong| {
            wrong.message = format!("{what} {}", wrong.message);
            doc.fault(&place(text), wrong);
        };
        let text = record.get(self.url).unwrap_or("").trim();
        let bare = text.split('#').next().unwrap_or("");
        if bare.len() < text.len() {
            doc.warn(&place(text), format!("`{}` is read without its fragment", clip(text)));
        }
        let url = web_url(bare).map_err(|wrong| read("`url`", text, wrong));
        let code = self.category.and_then(|column| record.get(column)).unwrap_or("").trim();
        let category = match code {
            "" => Ok(None),
            code => category(code).map(Some).map_err(|wrong| read("`category_code`", code, wrong)),
        };
        Some(Entry { url: url.ok()?, category: category.ok()?, span: place(text) })
    }
}

/// The country of a list that is named after one (`kz.csv`); `ZZ` for others.
fn country_of(path: &Path) -> CountryCode {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    stem.to_ascii_uppercase().parse().unwrap_or(CountryCode::UNKNOWN)
}

/// The host itself where it can serve as an id; else what can be kept of it and eight digits of its SHA-256.
fn site_id(host: &str) -> Option<SiteId> {
    host.parse().ok().or_else(|| {
        let kept: String =
            host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).take(50).collect();
        let digest = Sha256::digest(host.as_bytes());
        let digits = hex(&digest[..4]);
        format!("h{}-{digits}", kept.trim_start_matches(['-', '.'])).parse().ok()
    })
}

fn offset(byte: u64) -> usize {
    usize::try_from(byte).unwrap_or(usize::MAX)
}

/// From `start`, blank lines skipped, to the end of that line.
fn line_from(source: &Arc<Source>, start: usize) -> Range<usize> {
    let rest = source.text.get(start..).unwrap_or("");
    let start = start + (rest.len() - rest.trim_start_matches(['\r', '\n', '\u{feff}']).len());
    let rest = source.text.get(start..).unwrap_or("");
    let length = rest.find(['\r', '\n']).unwrap_or(rest.len());
    start..start + length
}

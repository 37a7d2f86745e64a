//! The promise that reading all known lists of fingerprints costs under a second at start, and looking for all of them in a
//! page under a millisecond.
//!
//! `BLOCKSPAN_FINGERPRINTS=FOLDER cargo bench --bench fingerprints` measures the real lists of a folder (and its
//! sub-folders); without it lists of the same size and shape are made up. Prints medians.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blockspan::knowledge::{Fingerprints, Pattern, load_fingerprints};

const STARTS: usize = 7;
const LOOKS: usize = 201;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let made = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("BLOCKSPAN_FINGERPRINTS").map(PathBuf::from).unwrap_or_else(|| {
        println!(
            "BLOCKSPAN_FINGERPRINTS names no folder: the real lists are NOT measured, but made-up ones of their size"
        );
        make_up(made.path());
        made.path().to_owned()
    });
    let mut files = Vec::new();
    lists(&folder, &mut files);
    let known = start(&files);
    for (kind, page) in
        [("an ordinary page", ordinary as fn(usize, &Fingerprints) -> Vec<u8>), ("a hostile page", hostile)]
    {
        for size in [1, 8, 64] {
            look(kind, size, &page(size * 1024, &known), &known);
        }
    }
}

fn lists(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            lists(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "csv" || extension == "json") {
            files.push(path);
        }
    }
}

fn start(files: &[PathBuf]) -> Fingerprints {
    let mut known = None;
    let mut times = Vec::new();
    for turn in 0..STARTS {
        let started = Instant::now();
        let mut entries = Vec::new();
        for file in files {
            let Ok(list) = load_fingerprints(file) else { continue };
            if turn == 0 {
                let name = file.file_name().unwrap().to_string_lossy();
                println!("{name}: {} fingerprints, {} lines left out", list.entries.len(), list.bad.count);
                list.bad.named.iter().for_each(|bad| println!("  line {}: {}", bad.line, bad.wrong));
            }
            entries.extend(list.entries);
        }
        known = Some(Fingerprints::with(entries).unwrap());
        times.push(started.elapsed());
    }
    let known = known.unwrap();
    println!("start, {} fingerprints: {}   (promise: under 1 s)", known.len(), told(times));
    known
}

fn look(kind: &str, size: usize, page: &[u8], known: &Fingerprints) {
    let headers =
        [("server", "nginx"), ("content-type", "text/html; charset=utf-8"), ("location", "http://www.example.org/a")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut found = 0;
    let mut times = Vec::new();
    for _ in 0..LOOKS {
        let started = Instant::now();
        found = black_box(known.of_answer(&headers, black_box(page))).len();
        times.push(started.elapsed());
    }
    println!("{kind} of {size:2} KiB, {found:4} found: {}   (promise: under 1 ms)", told(times));
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    format!("median {:8.3} ms, most {:8.3} ms", ms(median), ms(most))
}

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn words(&mut self, count: usize) -> String {
        const WORDS: &[&str] = &[
            "access",
            "denied",
            "blocked",
            "<div",
            "class=",
            "href=",
            "http://",
            "www.",
            "example",
            ".net/",
            "the",
            "page",
            "доступ",
            "ограничен",
            "according",
            "law",
            "<title>",
            "</title>",
            "content",
            "filter",
            "safe",
            "web",
        ];
        (0..count).map(|_| WORDS[self.next(WORDS.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// HTML as sites send it, with words that the patterns have too.
fn ordinary(size: usize, _: &Fingerprints) -> Vec<u8> {
    let (mut page, mut chance) = (String::new(), Chance(1));
    while page.len() < size {
        let words = chance.words(9);
        let _ = writeln!(page, "<p class=\"text-{}\"><a href=\"/news/{}\">{words}</a></p>", page.len() % 7, page.len());
    }
    page.into_bytes()[..size].to_vec()
}

/// The patterns themselves, each lacking its end, on one line: as many beginnings and as few ends as can be.
fn hostile(size: usize, known: &Fingerprints) -> Vec<u8> {
    let mut page = Vec::new();
    for entry in known.iter().cycle() {
        let (Pattern::Full(text) | Pattern::Prefix(text) | Pattern::Contains(text) | Pattern::Regex(text)) =
            &entry.pattern;
        let text = text.replace(['\n', '\r', '\\'], "");
        page.extend_from_slice(&text.as_bytes()[..text.len().saturating_sub(1)]);
        if page.len() >= size {
            page.truncate(size);
            return page;
        }
    }
    page
}

/// Lists of the size and shape of those that OONI and Censored Planet publish.
fn make_up(folder: &Path) {
    let mut chance = Chance(7);
    let head = "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,exp_url,notes\n";
    let (mut dns, mut http) = (head.to_owned(), head.to_owned());
    for row in 0..226 {
        let _ = writeln!(dns, "s.ru_{row},isp,,dns,full,203.0.{}.{},5,RU,s,,", row / 200, row % 200);
    }
    for row in 0..1729 {
        let place = if row % 4 == 0 { "header.location" } else { "body" };
        let (kind, pattern) = match row {
            _ if row % 124 == 0 => ("regexp", format!("{}.*{} {row}", chance.words(2), chance.words(1))),
            _ if row % 4 == 0 => ("prefix", format!("http://block{row}.example/{}", chance.next(1000))),
            _ => ("contains", format!("{} {row}", chance.words(9))),
        };
        let scope = ["isp", "fp", "nat", "vbw", "prod", "inst"][row % 6];
        let _ = writeln!(http, "s.ru_{row},{scope},,{place},{kind},\"{}\",5,RU,s,,", pattern.replace('"', "\"\""));
    }
    std::fs::write(folder.join("fingerprints_dns.csv"), dns).unwrap();
    std::fs::write(folder.join("fingerprints_http.csv"), http).unwrap();
    for (name, class, count) in
        [("blockpage_signatures.json", "c_isp_ru", 655), ("false_positive_signatures.json", "x_fp", 464)]
    {
        let mut list = String::new();
        for line in 0..count {
            let pattern = if line % 50 == 0 { format!("{line}.*{}", chance.words(1)) } else { chance.words(8) };
            let pattern = pattern.replace(".net", "\\\\.net");
            let _ = writeln!(list, "{{\"fingerprint\":\"{class}_{line}\",\"pattern\":\"{pattern} {line}\"}}");
        }
        std::fs::write(folder.join(name), list).unwrap();
    }
}

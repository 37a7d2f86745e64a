//! Keeps the rooms apart: no layer imports one that it must not know (ARCHITECTURE.md).

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms that it may import. Every room may import itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("knowledge", &["model"]),
    ("config", &["model", "knowledge"]),
    ("confine", &[]),
    ("schedule", &["model"]),
    ("vantage", &["model", "config"]),
    ("probe", &["model", "config", "vantage"]),
    ("judge", &["model", "knowledge"]),
    ("detect", &["model", "config"]),
    ("store", &["model", "detect"]),
    ("rejudge", &["model", "judge", "detect", "store"]),
    ("rollup", &["model"]),
    ("import", &["model", "probe", "judge", "detect", "store"]),
    ("export", &["model", "knowledge", "store"]),
    ("language", &["model"]),
    ("timeline", &["model"]),
    ("webhook", &["model", "config", "store", "language"]),
    ("report", &["model", "language", "timeline", "rollup", "store"]),
    ("serve", &["model", "config", "detect", "store", "rollup", "export", "language", "timeline"]),
    ("helper", &["model", "config", "vantage", "probe", "serve"]),
    (
        "daemon",
        &[
            "model",
            "config",
            "schedule",
            "vantage",
            "probe",
            "judge",
            "detect",
            "store",
            "serve",
            "rollup",
            "knowledge",
            "webhook",
        ],
    ),
    ("doctor", &["model", "config", "detect", "store", "rejudge", "daemon"]),
    (
        "cli",
        &[
            "model",
            "knowledge",
            "config",
            "confine",
            "detect",
            "store",
            "rejudge",
            "rollup",
            "import",
            "doctor",
            "language",
            "timeline",
            "report",
            "export",
            "helper",
            "daemon",
            "demo",
        ],
    ),
    ("demo", &["model", "config", "store", "daemon"]),
];

/// Crates that a room must not use: the pure rooms touch no socket, no file, no clock.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("model", &["tokio", "rusqlite", "hyper", "rustls", "std::fs", "std::process"]),
    (
        "judge",
        &[
            "tokio",
            "rusqlite",
            "hyper",
            "rustls",
            "std::fs",
            "std::process",
            "Instant::now",
            "SystemTime",
            "Timestamp::now",
        ],
    ),
    (
        "detect",
        &[
            "tokio",
            "rusqlite",
            "hyper",
            "rustls",
            "std::fs",
            "std::process",
            "Instant::now",
            "SystemTime",
            "Timestamp::now",
        ],
    ),
    ("schedule", &["rusqlite", "hyper", "rustls", "std::fs", "std::process", "Instant::now()", "SystemTime"]),
    ("rejudge", &["tokio", "rusqlite", "hyper", "rustls", "std::fs", "Instant::now", "SystemTime", "Timestamp::now"]),
    ("rollup", &["tokio", "rusqlite", "hyper", "rustls", "std::fs", "Instant::now", "SystemTime", "Timestamp::now"]),
    ("export", &["tokio", "rusqlite", "hyper", "rustls"]),
    ("report", &["tokio", "rusqlite", "hyper", "rustls", "std::fs", "Instant::now", "SystemTime", "Timestamp::now"]),
    ("language", &["tokio", "rusqlite", "hyper", "rustls", "std::fs", "Instant::now", "SystemTime", "Timestamp::now"]),
    ("timeline", &["tokio", "rusqlite", "hyper", "rustls", "std::fs", "Instant::now", "SystemTime", "Timestamp::now"]),
    ("knowledge", &["tokio", "rusqlite", "hyper", "rustls", "std::process", "Instant::now", "SystemTime"]),
    ("doctor", &["rusqlite", "rustls"]),
    ("cli", &["rusqlite", "hyper", "rustls", "tokio::net"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &Path) -> bool {
    path.components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests.rs" | "testing.rs" | "tests" | "testing")))
}

#[test]
fn no_room_imports_one_that_it_must_not_know() {
    let mut faults = Vec::new();
    for (room, allowed) in ALLOWED {
        for file in rust_files(&source().join(room)).iter().filter(|file| !is_test_file(file)) {
            for (index, line) in code(file).lines().enumerate() {
                for used in line.split("crate::").skip(1) {
                    let name: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    let known = ALLOWED.iter().any(|(other, _)| *other == name);
                    if known && name != *room && !allowed.contains(&name.as_str()) {
                        faults.push(format!(
                            "{}: code line {}: {room} must not know {name}: {}",
                            file.display(),
                            index + 1,
                            line.trim()
                        ));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    let mut faults = Vec::new();
    for (room, forbidden) in FORBIDDEN {
        for file in rust_files(&source().join(room)).iter().filter(|file| !is_test_file(file)) {
            // The model's clock is read at the edges only; its definition lives here.
            if file.ends_with("model/time.rs") {
                continue;
            }
            for line in code(file).lines() {
                for word in *forbidden {
                    if line.contains(word) {
                        faults.push(format!("{}: {room} must not use {word}: {}", file.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(ALLOWED.iter().any(|(room, _)| *room == name), "src/{name} is missing in tests/layers.rs");
        }
    }
}

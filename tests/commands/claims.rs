//! `history --source reported`: the claims of documents in every format.

use serde_json::Value;

use super::{files, place, reported};

/// What DESIGN 7 promises of `history --format json`.
const SPAN_FIELDS: [&str; 16] = [
    "span_id",
    "site",
    "url",
    "vantage",
    "source",
    "status",
    "mechanism",
    "partial",
    "segments",
    "start",
    "end",
    "ongoing",
    "last_observed",
    "measurements",
    "confidence",
    "citation",
];

const CSV_COLUMNS: [&str; 18] = [
    "span_id",
    "site",
    "url",
    "vantage",
    "source",
    "status",
    "mechanism",
    "partial",
    "segments",
    "start_earliest",
    "start_latest",
    "end_earliest",
    "end_latest",
    "ongoing",
    "last_observed",
    "measurements",
    "confidence",
    "citation",
];

#[test]
fn claims_are_shown_without_a_database() {
    let place = place();
    let before = files(&place.path("."));
    let table = reported(&place, "table");
    assert!(table.lines().next().unwrap().starts_with("SITE"), "{table}");
    assert!(table.contains("2014-08") && table.contains("reported: =paper"), "{table}");
    let chart = reported(&place, "chart");
    assert!(chart.contains("fergana") && chart.contains('█'), "{chart}");
    assert!(!table.contains('\u{1b}') && !chart.contains('\u{1b}'));
    assert_eq!(files(&place.path(".")), before, "reading makes no file");
}

#[test]
fn claims_as_json_have_the_agreed_fields() {
    let place = place();
    let json = reported(&place, "json");
    let spans: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(spans.len(), 2);
    for (span, line) in spans.iter().zip(json.lines()) {
        let mut keys: Vec<&str> = span.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_by_key(|key| line.find(&format!("\"{key}\":")).unwrap());
        assert_eq!(keys, SPAN_FIELDS);
        assert_eq!(span["source"], "reported");
        assert_eq!(
            (&span["mechanism"], &span["confidence"], &span["measurements"]),
            (&Value::Null, &Value::Null, &0.into())
        );
        assert_eq!((&span["segments"], &span["ongoing"]), (&Value::Array(Vec::new()), &false.into()));
    }
    let [fergana, livejournal] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(fergana["site"], "fergana");
    assert_eq!(fergana["url"], "https://fergana.test/");
    assert_eq!(fergana["vantage"], Value::Null);
    // A month is a bracket one month wide.
    assert_eq!(fergana["start"]["earliest"], "2014-08-01T00:00:00.000Z");
    assert_eq!(fergana["start"]["latest"], "2014-08-31T23:59:59.999Z");
    assert_eq!(fergana["end"], Value::Null);
    assert_eq!(fergana["last_observed"], "2016-04-01T00:00:00.000Z");
    assert_eq!(fergana["citation"], "=paper, \"April\" 2016");
    assert_eq!((&livejournal["url"], &livejournal["vantage"]), (&Value::Null, &"kazakhtelecom".into()));
    assert_eq!(livejournal["end"]["earliest"], "2010-11-01T00:00:00.000Z");
    assert_eq!(livejournal["end"]["latest"], "2010-11-30T23:59:59.999Z");

    let lines: Vec<Value> =
        reported(&place, "ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, spans);
    let again: Vec<Value> = serde_json::from_str(&reported(&place, "json")).unwrap();
    assert_eq!(again, spans, "ids of claims stay the same");
}

#[test]
fn claims_as_csv_are_the_same_flattened() {
    let place = place();
    let text = reported(&place, "csv");
    assert_eq!(text.matches("\r\n").count(), 3, "{text:?}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(CSV_COLUMNS.to_vec()));
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    let spans: Vec<Value> = serde_json::from_str(&reported(&place, "json")).unwrap();
    assert_eq!(rows.len(), spans.len());
    for (row, span) in rows.iter().zip(&spans) {
        for (column, cell) in CSV_COLUMNS.iter().zip(row) {
            let value = match column.split_once('_') {
                Some((side @ ("start" | "end"), end)) => &span[side][end],
                _ => &span[*column],
            };
            let expected = match value {
                Value::Null => String::new(),
                Value::Array(empty) if empty.is_empty() => String::new(),
                // No spreadsheet may take a citation for a formula.
                Value::String(text) if text.starts_with('=') => format!("'{text}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, expected, "{column}");
        }
    }
}

//! Spans as CSV: RFC 4180, safe to open in a spreadsheet.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::write_in_blocks;
use crate::model::{Mechanism, PartialScope, Span, Timestamp, VantageId};

/// The header line: the fields of `history --format json`, flattened.
pub const SPAN_COLUMNS: [&str; 18] = [
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

/// A text that no spreadsheet takes for a formula: one that begins with `=`, `+`, `-`, `@`, a tab or a carriage
/// return gets a leading apostrophe (the usual convention against CSV injection).
pub fn formula_safe(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Writes spans as CSV (`history --format csv`): a header, then a line a span, each ended by CR LF. What is null in
/// JSON is empty; `segments` is `mechanism@instant`, joined by `;`; an ongoing span has no end.
///
/// # Errors
/// The output cannot be written.
pub fn spans_csv(spans: &[Span], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\r\n", SPAN_COLUMNS.join(","))?;
    write_in_blocks(spans.len(), out, |range, text| spans[range].iter().for_each(|span| push_span(text, span)))
}

fn push_span(out: &mut String, span: &Span) {
    out.push_str(span.span_id.0.hyphenated().encode_lower(&mut [0; 36]));
    for text in [
        Some(span.site.as_str()),
        span.url.as_ref().map(url::Url::as_str),
        span.vantage.as_ref().map(VantageId::as_str),
        Some(span.source.as_str()),
        Some(span.status.as_str()),
        span.mechanism.map(Mechanism::as_str),
        span.partial.map(PartialScope::as_str),
    ] {
        push_text(out, text.unwrap_or_default());
    }
    let mut separator = ',';
    if span.segments.is_empty() {
        out.push(separator);
    }
    for segment in &span.segments {
        out.push(separator);
        out.push_str(segment.mechanism.as_str());
        push_instant(out, '@', Some(segment.from));
        separator = ';';
    }
    for at in [span.start.earliest, span.start.latest] {
        push_instant(out, ',', at);
    }
    for at in [span.end.and_then(|end| end.earliest), span.end.and_then(|end| end.latest)] {
        push_instant(out, ',', at);
    }
    out.push_str(if span.ongoing { ",true" } else { ",false" });
    push_instant(out, ',', span.last_observed);
    // Writing to a String cannot fail.
    let _infallible = write!(out, ",{},", span.measurements);
    if let Some(confidence) = span.confidence {
        let _infallible = write!(out, "{confidence}");
    }
    push_text(out, span.citation.as_deref().unwrap_or_default());
    out.push_str("\r\n");
}

/// Appends a comma and a text: defused, and quoted when it holds a comma, a quote or a line break (RFC 4180).
pub(super) fn push_text(out: &mut String, text: &str) {
    out.push(',');
    let text = formula_safe(text);
    if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(&text);
    }
}

pub(super) fn push_instant(out: &mut String, before: char, at: Option<Timestamp>) {
    out.push(before);
    match at.map(|at| (at, at.to_rfc3339())) {
        Some((_, Some(text))) => out.push_str(std::str::from_utf8(&text).unwrap_or_default()),
        // Beyond the years of RFC 3339. Writing to a String cannot fail.
        Some((at, None)) => drop(write!(out, "{at}")),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::fixtures::changing_span as span;

    fn written(spans: &[Span]) -> String {
        let mut out = Vec::new();
        spans_csv(spans, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_span_is_one_flat_line() {
        insta::assert_snapshot!(written(&[span()]).replace("\r\n", "\n"), @"
        span_id,site,url,vantage,source,status,mechanism,partial,segments,start_earliest,start_latest,end_earliest,end_latest,ongoing,last_observed,measurements,confidence,citation
        9f86d081-884c-8d65-9a2f-eaa0c55ad015,fergana,https://fergana.media/,almaty-kt,measured,blocked,tls.timeout,,tls.reset@2026-11-24T20:01:12.000Z;tls.timeout@2026-11-24T21:00:00.000Z,2026-11-24T20:00:13.000Z,2026-11-24T20:01:12.000Z,,,true,2026-11-25T09:12:00.000Z,123,0.9999,
        ");
        assert_eq!(written(&[span()]).matches("\r\n").count(), 2);
    }

    #[test]
    fn the_columns_are_the_fields_of_json_flattened() {
        let json = serde_json::to_value(span()).unwrap();
        let columns: std::collections::BTreeSet<&str> = SPAN_COLUMNS
            .iter()
            .map(|column| column.split("_earliest").next().unwrap())
            .map(|column| column.split("_latest").next().unwrap())
            .collect();
        let fields: std::collections::BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(columns, fields);
    }

    #[test]
    fn formulas_are_defused() {
        for hostile in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"] {
            assert_eq!(formula_safe(hostile), format!("'{hostile}"));
        }
        assert_eq!(formula_safe("a=b"), "a=b");
    }

    proptest! {
        #[test]
        fn hostile_cells_read_back(citation in any::<String>()) {
            let hostile = Span { citation: Some(citation.clone()), ..span() };
            let text = written(&[hostile.clone(), hostile]);
            let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
            prop_assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(SPAN_COLUMNS.to_vec()));
            let mut rows = 0;
            for record in reader.records() {
                let record = record.unwrap();
                rows += 1;
                let safe = formula_safe(&citation);
                prop_assert_eq!(&record[17], safe.as_ref());
                prop_assert!(!record[17].starts_with(['=', '+', '-', '@', '\t', '\r']));
            }
            prop_assert_eq!(rows, 2);
        }
    }
}

//! Spans as CSV: RFC 4180, safe to open in a spreadsheet.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::model::{Bracket, Segment, Span, Timestamp};

/// The header line: the fields of `history --format json`, flattened.
pub const SPAN_COLUMNS: [&str; 17] = [
    "span_id",
    "site",
    "url",
    "vantage",
    "source",
    "status",
    "mechanism",
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
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).buffer_capacity(64 * 1024).from_writer(out);
    writer.write_record(SPAN_COLUMNS)?;
    let mut cell = String::new();
    for span in spans {
        write_span(&mut writer, span, &mut cell)?;
    }
    writer.flush()
}

fn write_span<W: Write>(writer: &mut csv::Writer<W>, span: &Span, cell: &mut String) -> csv::Result<()> {
    show(writer, cell, Some(span.span_id))?;
    writer.write_field(&*formula_safe(span.site.as_str()))?;
    writer.write_field(&*formula_safe(span.url.as_ref().map_or("", |url| url.as_str())))?;
    writer.write_field(&*formula_safe(span.vantage.as_ref().map_or("", |vantage| vantage.as_str())))?;
    writer.write_field(span.source.as_str())?;
    writer.write_field(span.status.as_str())?;
    writer.write_field(span.mechanism.map_or("", |mechanism| mechanism.as_str()))?;
    cell.clear();
    for segment in &span.segments {
        push_segment(cell, segment);
    }
    writer.write_field(&*cell)?;
    let none = Bracket { earliest: None, latest: None };
    for bracket in [span.start, span.end.unwrap_or(none)] {
        show::<_, Timestamp>(writer, cell, bracket.earliest)?;
        show::<_, Timestamp>(writer, cell, bracket.latest)?;
    }
    writer.write_field(if span.ongoing { "true" } else { "false" })?;
    show(writer, cell, span.last_observed)?;
    show(writer, cell, Some(span.measurements))?;
    show(writer, cell, span.confidence)?;
    writer.write_field(&*formula_safe(span.citation.as_deref().unwrap_or_default()))?;
    writer.write_record(None::<&[u8]>)
}

fn push_segment(cell: &mut String, segment: &Segment) {
    use std::fmt::Write as _;
    let separator = if cell.is_empty() { "" } else { ";" };
    // Writing to a String cannot fail.
    let _infallible = write!(cell, "{separator}{}@{}", segment.mechanism, segment.from);
}

fn show<W: Write, T: std::fmt::Display>(
    writer: &mut csv::Writer<W>,
    cell: &mut String,
    value: Option<T>,
) -> csv::Result<()> {
    use std::fmt::Write as _;
    cell.clear();
    if let Some(value) = value {
        let _infallible = write!(cell, "{value}");
    }
    writer.write_field(&*cell)
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
        span_id,site,url,vantage,source,status,mechanism,segments,start_earliest,start_latest,end_earliest,end_latest,ongoing,last_observed,measurements,confidence,citation
        9f86d081-884c-8d65-9a2f-eaa0c55ad015,fergana,https://fergana.media/,almaty-kt,measured,blocked,tls.timeout,tls.reset@2026-11-24T20:01:12.000Z;tls.timeout@2026-11-24T21:00:00.000Z,2026-11-24T20:00:13.000Z,2026-11-24T20:01:12.000Z,,,true,2026-11-25T09:12:00.000Z,123,0.9999,
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
                prop_assert_eq!(&record[16], safe.as_ref());
                prop_assert!(!record[16].starts_with(['=', '+', '-', '@', '\t', '\r']));
            }
            prop_assert_eq!(rows, 2);
        }
    }
}

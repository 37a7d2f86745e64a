//! JSON that is safe to look at.

use std::io::{self, Write};
use std::ops::Range;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::in_blocks;
use crate::model::{Bracket, Mechanism, PartialScope, Span, Timestamp, VantageId};

/// Compact JSON in which characters that could drive a terminal, hide, or turn the reading order are escaped.
/// serde_json itself escapes only what RFC 8259 demands: quotes, backslashes and U+0000 to U+001F.
struct SafeFormatter;

impl Formatter for SafeFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|&(_, c)| needs_escape(c)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

const fn needs_escape(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Writes `value` as one line of safe JSON.
///
/// # Errors
/// The output cannot be written.
pub fn to_json_line<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Vec::with_capacity(1024);
    push(value, &mut line)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// `value` as safe JSON.
///
/// # Errors
/// Only what cannot be JSON at all: no type of ours is that.
pub(super) fn to_json_text<T: Serialize + ?Sized>(value: &T) -> io::Result<String> {
    let mut text = Vec::with_capacity(1024);
    push(value, &mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}

fn push<T: Serialize + ?Sized>(value: &T, line: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(line, SafeFormatter)).map_err(io::Error::from)
}

/// Appends a span as serde would write it. Most of a span are names and instants that never need an escape, and
/// most of serde_json's time goes into looking for one; histories are long.
fn push_span(span: &Span, out: &mut Vec<u8>) -> io::Result<()> {
    plain(out, "{\"span_id\":", Some(span.span_id.0.hyphenated().encode_lower(&mut [0; 36])));
    plain(out, ",\"site\":", Some(span.site.as_str()));
    out.extend_from_slice(b",\"url\":");
    push(&span.url, out)?;
    plain(out, ",\"vantage\":", span.vantage.as_ref().map(VantageId::as_str));
    plain(out, ",\"source\":", Some(span.source.as_str()));
    plain(out, ",\"status\":", Some(span.status.as_str()));
    plain(out, ",\"mechanism\":", span.mechanism.map(Mechanism::as_str));
    plain(out, ",\"partial\":", span.partial.map(PartialScope::as_str));
    out.extend_from_slice(b",\"segments\":[");
    for (at, segment) in span.segments.iter().enumerate() {
        instant(out, if at == 0 { "{\"from\":" } else { ",{\"from\":" }, Some(segment.from))?;
        plain(out, ",\"mechanism\":", Some(segment.mechanism.as_str()));
        out.push(b'}');
    }
    bracket(out, "],\"start\":", Some(&span.start))?;
    bracket(out, ",\"end\":", span.end.as_ref())?;
    out.extend_from_slice(if span.ongoing { b",\"ongoing\":true" } else { b",\"ongoing\":false" });
    instant(out, ",\"last_observed\":", span.last_observed)?;
    out.extend_from_slice(b",\"measurements\":");
    push(&span.measurements, out)?;
    out.extend_from_slice(b",\"confidence\":");
    push(&span.confidence, out)?;
    out.extend_from_slice(b",\"citation\":");
    push(&span.citation, out)?;
    out.push(b'}');
    Ok(())
}

/// A key, and a text that needs no escape, or null.
fn plain(out: &mut Vec<u8>, key: &str, text: Option<&str>) {
    out.extend_from_slice(key.as_bytes());
    match text {
        Some(text) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn instant(out: &mut Vec<u8>, key: &str, at: Option<Timestamp>) -> io::Result<()> {
    let Some(text) = at.and_then(Timestamp::to_rfc3339) else {
        out.extend_from_slice(key.as_bytes());
        return push(&at, out);
    };
    plain(out, key, std::str::from_utf8(&text).ok());
    Ok(())
}

fn bracket(out: &mut Vec<u8>, key: &str, bracket: Option<&Bracket>) -> io::Result<()> {
    out.extend_from_slice(key.as_bytes());
    let Some(bracket) = bracket else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    instant(out, "{\"earliest\":", bracket.earliest)?;
    instant(out, ",\"latest\":", bracket.latest)?;
    out.push(b'}');
    Ok(())
}

fn write_separated(spans: &[Span], separator: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let make = |range: Range<usize>| {
        let mut text = Vec::with_capacity(range.len() * 640);
        for at in range {
            if at > 0 {
                text.extend_from_slice(separator);
            }
            push_span(&spans[at], &mut text)?;
        }
        Ok(text)
    };
    in_blocks(spans.len(), make, |text: io::Result<Vec<u8>>| out.write_all(&text?))
}

/// Writes spans as one JSON array, a span a line (`history --format json`).
///
/// # Errors
/// The output cannot be written.
pub fn spans_json(spans: &[Span], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    write_separated(spans, b",\n", out)?;
    out.write_all(b"]\n")
}

/// Writes spans as one JSON object a line (`history --format ndjson`).
///
/// # Errors
/// The output cannot be written.
pub fn spans_ndjson(spans: &[Span], out: &mut dyn Write) -> io::Result<()> {
    write_separated(spans, b"\n", out)?;
    if spans.is_empty() { Ok(()) } else { out.write_all(b"\n") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::fixtures::changing_span as span;

    fn json(spans: &[Span]) -> String {
        let mut out = Vec::new();
        spans_json(spans, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_span_has_the_agreed_fields_in_the_agreed_order() {
        insta::assert_snapshot!(json(&[span()]), @r#"[{"span_id":"9f86d081-884c-8d65-9a2f-eaa0c55ad015","site":"fergana","url":"https://fergana.media/","vantage":"almaty-kt","source":"measured","status":"blocked","mechanism":"tls.timeout","partial":null,"segments":[{"from":"2026-11-24T20:01:12.000Z","mechanism":"tls.reset"},{"from":"2026-11-24T21:00:00.000Z","mechanism":"tls.timeout"}],"start":{"earliest":"2026-11-24T20:00:13.000Z","latest":"2026-11-24T20:01:12.000Z"},"end":null,"ongoing":true,"last_observed":"2026-11-25T09:12:00.000Z","measurements":123,"confidence":0.9999,"citation":null}]"#);
    }

    #[test]
    fn an_array_and_lines_hold_the_same_spans() {
        let spans = vec![span(); 3];
        let array: Vec<Span> = serde_json::from_str(&json(&spans)).unwrap();
        let mut out = Vec::new();
        spans_ndjson(&spans, &mut out).unwrap();
        let lines: Vec<Span> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(array, spans);
        assert_eq!(lines, spans);
        assert_eq!(json(&[]), "[]\n");
    }

    proptest! {
        #[test]
        fn a_span_is_written_as_serde_would(
            bounds in prop::array::uniform4(prop::option::of(any::<i64>())), bits in any::<u8>(), count: u64,
            citation in prop::option::of("[ -~\u{400}-\u{44f}\n]{0,20}"), confidence in prop::option::of(0.0..=1.0f64),
        ) {
            let [a, b, c, d] = bounds.map(|ms| ms.map(Timestamp::from_unix_ms));
            let has = |bit: u8| bits & 1 << bit != 0;
            let mut span = Span {
                start: Bracket { earliest: a, latest: b },
                end: has(0).then_some(Bracket { earliest: c, latest: d }),
                ongoing: has(1),
                last_observed: a,
                measurements: count,
                confidence,
                citation,
                ..span()
            };
            if has(2) { span.url = None }
            if has(3) { span.vantage = None }
            if has(4) { span.mechanism = None }
            if has(5) { span.segments.clear() }
            let mut out = Vec::new();
            push_span(&span, &mut out).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&span).unwrap());
        }

        #[test]
        fn any_text_reads_back_and_shows_safely(text in any::<String>()) {
            let mut out = Vec::new();
            to_json_line(&text, &mut out).unwrap();
            let shown = String::from_utf8(out).unwrap();
            prop_assert!(!shown.trim_end().chars().any(|c| c.is_control() || needs_escape(c)));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}

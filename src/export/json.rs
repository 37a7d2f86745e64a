//! JSON that is safe to look at.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::model::Span;

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

fn push<T: Serialize + ?Sized>(value: &T, line: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(line, SafeFormatter)).map_err(io::Error::from)
}

/// Bytes gathered before they go to the output.
const CHUNK: usize = 64 * 1024;

fn write_separated(spans: &[Span], separator: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK + 4096);
    for (at, span) in spans.iter().enumerate() {
        if at > 0 {
            chunk.extend_from_slice(separator);
        }
        push(span, &mut chunk)?;
        if chunk.len() >= CHUNK {
            out.write_all(&chunk)?;
            chunk.clear();
        }
    }
    out.write_all(&chunk)
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
        insta::assert_snapshot!(json(&[span()]), @r#"[{"span_id":"9f86d081-884c-8d65-9a2f-eaa0c55ad015","site":"fergana","url":"https://fergana.media/","vantage":"almaty-kt","source":"measured","status":"blocked","mechanism":"tls.timeout","segments":[{"from":"2026-11-24T20:01:12.000Z","mechanism":"tls.reset"},{"from":"2026-11-24T21:00:00.000Z","mechanism":"tls.timeout"}],"start":{"earliest":"2026-11-24T20:00:13.000Z","latest":"2026-11-24T20:01:12.000Z"},"end":null,"ongoing":true,"last_observed":"2026-11-25T09:12:00.000Z","measurements":123,"confidence":0.9999,"citation":null}]"#);
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
        fn any_text_reads_back_and_shows_safely(text in any::<String>()) {
            let mut out = Vec::new();
            to_json_line(&text, &mut out).unwrap();
            let shown = String::from_utf8(out).unwrap();
            prop_assert!(!shown.trim_end().chars().any(|c| c.is_control() || needs_escape(c)));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}

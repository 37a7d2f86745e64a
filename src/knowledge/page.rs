//! An answer laid out as one bounded text, so that one pass finds everything, and where in it something was found.

use std::ops::Range;

use super::fingerprint::{Fingerprint, Place};
use super::pattern::Pattern;

/// Bytes of a page that are looked at: as many as are kept as evidence.
const BODY: usize = 64 * 1024;
/// Bytes of header fields that are looked at.
const HEAD: usize = 64 * 1024;

/// Where in an answer something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// In the header field of this position.
    Header(usize),
    /// In the page.
    Body,
}

/// A fingerprint that an answer bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'k> {
    /// Which.
    pub fingerprint: &'k Fingerprint,
    /// Where.
    pub spot: Spot,
}

struct Field {
    /// Position in the answer's header.
    at: usize,
    name: String,
    line: Range<usize>,
    value: Range<usize>,
}

/// Header fields as `Name: value` lines, a blank line, the page.
pub(super) struct Layout {
    text: Vec<u8>,
    fields: Vec<Field>,
    body: usize,
}

impl Layout {
    pub(super) fn new(headers: &[(String, String)], body: &[u8]) -> Self {
        let body = body.get(..BODY).unwrap_or(body);
        let mut text = Vec::with_capacity(body.len() + 1024);
        let mut fields = Vec::new();
        for (at, (name, value)) in headers.iter().enumerate() {
            if text.len() + name.len() + value.len() > HEAD {
                break;
            }
            let start = text.len();
            text.extend_from_slice(spelled(name).as_bytes());
            text.extend_from_slice(b": ");
            let from = text.len();
            text.extend_from_slice(value.trim().as_bytes());
            fields.push(Field {
                at,
                name: name.to_ascii_lowercase(),
                line: start..text.len(),
                value: from..text.len(),
            });
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        let start = text.len();
        text.extend_from_slice(body);
        Self { text, fields, body: start }
    }

    /// All of it.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The texts that patterns of `place` are looked for in, each with the position of its beginning.
    pub(super) fn texts<'p>(&'p self, place: &'p Place) -> Vec<(usize, &'p [u8])> {
        let of = |range: &Range<usize>| self.text.get(range.clone()).map(|text| (range.start, text));
        match place {
            Place::Dns => Vec::new(),
            Place::Answer => vec![(0, self.text.as_slice())],
            Place::Body => self.text.get(self.body..).map(|text| (self.body, text)).into_iter().collect(),
            Place::Header(name) => {
                self.fields.iter().filter(|field| field.name == *name).filter_map(|field| of(&field.value)).collect()
            }
        }
    }

    /// Where a match of `place` that begins at `start` lies; None in no field (between the lines).
    pub(super) fn spot(&self, start: usize) -> Option<Spot> {
        if start >= self.body {
            return Some(Spot::Body);
        }
        let field = self.fields.partition_point(|field| field.line.end <= start);
        self.fields.get(field).filter(|field| field.line.contains(&start)).map(|field| Spot::Header(field.at))
    }

    /// Where the plain text at `found` satisfies a fingerprint of `place` and `pattern`, if it does.
    pub(super) fn satisfies(&self, place: &Place, pattern: &Pattern, found: &Range<usize>) -> Option<Spot> {
        let spot = self.spot(found.start)?;
        let value = match (place, spot) {
            (Place::Answer, _) => return Some(spot),
            (Place::Body, Spot::Body) => self.body..self.text.len(),
            (Place::Header(name), Spot::Header(at)) => {
                let field = self.fields.iter().find(|field| field.at == at && field.name == *name)?;
                field.value.clone()
            }
            _ => return None,
        };
        let fits = match pattern {
            Pattern::Contains(_) => found.start >= value.start && found.end <= value.end,
            Pattern::Prefix(_) => found.start == value.start && found.end <= value.end,
            Pattern::Full(_) => pattern.is_in(self.text.get(value)?),
            Pattern::Regex(_) => false,
        };
        fits.then_some(spot)
    }
}

/// A field name as servers of HTTP/1.1 spell it, which the lists copied: HTTP/2 and our record know only lower case.
fn spelled(name: &str) -> String {
    let mut upper = true;
    let spell = |character: char| {
        let spelled = if upper { character.to_ascii_uppercase() } else { character };
        upper = character == '-';
        spelled
    };
    name.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let headers =
            [("server".to_owned(), "nginx".to_owned()), ("location".to_owned(), " http://b.example/x ".to_owned())];
        Layout::new(&headers, b"<h1>moved</h1>")
    }

    #[test]
    fn an_answer_reads_like_http() {
        assert_eq!(layout().text(), b"Server: nginx\r\nLocation: http://b.example/x\r\n\r\n<h1>moved</h1>");
        assert_eq!(spelled("x-iinfo"), "X-Iinfo");
    }

    #[test]
    fn places_are_told_apart() {
        let layout = layout();
        let at = |needle: &[u8]| {
            let start = layout.text().windows(needle.len()).position(|window| window == needle).unwrap();
            start..start + needle.len()
        };
        let location = Place::Header("location".into());
        let found = at(b"http://b");
        let satisfies = |place: &Place, pattern: Pattern| layout.satisfies(place, &pattern, &found);
        assert_eq!(satisfies(&location, Pattern::Prefix("http://b".into())), Some(Spot::Header(1)));
        assert_eq!(satisfies(&location, Pattern::Full("http://b".into())), None);
        assert_eq!(satisfies(&location, Pattern::Full("http://b.example/x".into())), Some(Spot::Header(1)));
        assert_eq!(satisfies(&Place::Header("server".into()), Pattern::Contains("http://b".into())), None);
        assert_eq!(satisfies(&Place::Body, Pattern::Contains("http://b".into())), None);
        assert_eq!(layout.spot(at(b"Location").start), Some(Spot::Header(1)));
        assert_eq!(layout.spot(at(b"\r\n\r\n").start), None);
        assert_eq!(layout.spot(at(b"moved").start), Some(Spot::Body));
        assert_eq!(layout.satisfies(&Place::Body, &Pattern::Prefix("<h1>".into()), &at(b"<h1>")), Some(Spot::Body));
        assert_eq!(layout.satisfies(&Place::Body, &Pattern::Prefix("moved".into()), &at(b"moved")), None);
    }

    #[test]
    fn what_is_looked_at_is_bounded() {
        let headers: Vec<(String, String)> = (0..200).map(|_| ("x".to_owned(), "y".repeat(1000))).collect();
        assert!(Layout::new(&headers, &vec![b'z'; 1 << 20]).text().len() < HEAD + BODY + 1024);
    }
}

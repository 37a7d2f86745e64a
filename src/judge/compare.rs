//! Whether two pages fetched in clear text are the same page.
//!
//! Title words, uncommon header names and the length ratio are compared, each where both sides have it, after the
//! status code. The idea is OONI's (Web Connectivity, ts-017); the scoring is ours: words in common count 3, a title
//! without any counts -1 (sites translate their titles), headers and length count 1 or -1 each. A sum of 1 or more is
//! the same page, -2 or less another one, anything between is unclear.

use std::collections::BTreeSet;
use std::io::Read;

use base64::Engine;

use crate::model::{ControlHttp, HttpExchange};

/// How alike two pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same page.
    Same,
    /// Another page.
    Different,
    /// It cannot be told.
    Unclear,
}

/// Header names so common that sharing them says nothing.
const COMMON: &[&str] = &[
    "accept-ranges",
    "age",
    "alt-svc",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "p3p",
    "pragma",
    "proxy-connection",
    "referrer-policy",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "x-cache",
    "x-content-type-options",
    "x-frame-options",
    "x-powered-by",
    "x-ua-compatible",
    "x-xss-protection",
];

/// Compares the answer here with the control's.
pub(super) fn likeness(here: &HttpExchange, control: &ControlHttp) -> Likeness {
    let (Some(ours), Some(theirs)) = (here.status, control.status) else { return Likeness::Unclear };
    let score = title_score(here, control) + header_score(here, control) + length_score(here, control);
    if ours / 100 == theirs / 100 {
        return match score {
            1.. => Likeness::Same,
            ..=-2 => Likeness::Different,
            _ => Likeness::Unclear,
        };
    }
    // A refused control has not seen the page, and a server that fails here may have failed by itself.
    if theirs >= 400 || ours >= 500 { Likeness::Unclear } else { Likeness::Different }
}

/// Whether the answer bears header names that only the control's server sends: the same server answered.
pub(super) fn same_server(here: &HttpExchange, control: &ControlHttp) -> bool {
    header_score(here, control) > 0
}

fn title_score(here: &HttpExchange, control: &ControlHttp) -> i8 {
    let ours = words(here.body.as_ref().and_then(|body| body.title.as_deref()));
    let theirs = words(control.title.as_deref());
    match (ours.is_empty() || theirs.is_empty(), ours.is_disjoint(&theirs)) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 3,
    }
}

/// Words of at least five characters, in lower case.
fn words(title: Option<&str>) -> BTreeSet<String> {
    let split = title.unwrap_or_default().split(|c: char| !c.is_alphanumeric());
    split.filter(|word| word.chars().count() >= 5).take(64).map(str::to_lowercase).collect()
}

fn header_score(here: &HttpExchange, control: &ControlHttp) -> i8 {
    let uncommon = |name: &str| Some(name.to_ascii_lowercase()).filter(|name| !COMMON.contains(&name.as_str()));
    let ours: BTreeSet<String> = here.headers.iter().filter_map(|(name, _)| uncommon(name)).collect();
    let theirs: BTreeSet<String> = control.header_names.iter().filter_map(|name| uncommon(name)).collect();
    match (theirs.is_empty(), ours.is_disjoint(&theirs)) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    }
}

fn length_score(here: &HttpExchange, control: &ControlHttp) -> i8 {
    let ours = here.body.as_ref().filter(|body| !body.truncated).map_or(0, |body| body.length);
    let theirs = control.body_length.unwrap_or(0);
    if ours == 0 || theirs == 0 {
        return 0;
    }
    if ours.min(theirs) as f64 / ours.max(theirs) as f64 > 0.7 { 1 } else { -1 }
}

/// Most of a kept body that is looked at, bytes: all that is ever kept.
const PAGE_LIMIT: u64 = 64 * 1024;

/// What was kept of the body. A title that it does not show as it was read (nothing was kept, or it stands in entities)
/// follows as an element of its own.
pub(super) fn page(exchange: &HttpExchange) -> Vec<u8> {
    let Some(body) = &exchange.body else { return Vec::new() };
    let mut page = body.kept.as_deref().and_then(unpack).unwrap_or_default();
    if let Some(title) = body.title.as_deref().filter(|title| !title.is_empty())
        && !page.windows(title.len()).any(|part| part == title.as_bytes())
    {
        page.extend_from_slice(format!("<title>{title}</title>").as_bytes());
    }
    page
}

fn unpack(kept: &str) -> Option<Vec<u8>> {
    let packed = base64::engine::general_purpose::STANDARD.decode(kept).ok()?;
    let decoder = zstd::stream::read::Decoder::new(packed.as_slice()).ok()?;
    let mut bytes = Vec::new();
    // A stream that breaks in the middle still shows its beginning.
    let _ = decoder.take(PAGE_LIMIT).read_to_end(&mut bytes);
    Some(bytes)
}

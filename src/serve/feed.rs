//! `/feed.atom` (RFC 4287): one entry for each opening and closing of a span.

use askama::Template;

use super::board::Snapshot;
use crate::language::Language;
use crate::model::{Span, SpanEvent, SpanEventKind, SpanId, Timestamp, legible};

/// Entries of the feed: who reads it once a week misses nothing of a busy one.
pub(super) const MOST: usize = 200;
/// Longest name of a site that is shown, characters.
const MAX_NAME: usize = 120;

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed<'b> {
    id: SpanId,
    updated: Timestamp,
    version: &'static str,
    base: &'b str,
    entries: Vec<Entry>,
}

struct Entry {
    id: SpanId,
    span: SpanId,
    at: Timestamp,
    kind: &'static str,
    title: String,
    text: String,
}

/// The feed of `news`, newest first, for a reader who came by `base`. `began` tells this record from others: its feed
/// keeps its id.
///
/// # Errors
/// Only when the template engine fails to write.
pub(super) fn render(
    news: &[(SpanEvent, Span)],
    board: &Snapshot,
    began: Timestamp,
    base: &str,
) -> Result<String, askama::Error> {
    let entries: Vec<Entry> = news.iter().map(|(event, span)| entry(event, span, board)).collect();
    Feed {
        id: SpanId::derived(&format!("feed\n{}", began.as_unix_ms())),
        updated: entries.first().map_or(began, |entry| entry.at),
        version: env!("CARGO_PKG_VERSION"),
        base,
        entries,
    }
    .render()
}

fn entry(event: &SpanEvent, span: &Span, board: &Snapshot) -> Entry {
    let closed = event.kind == SpanEventKind::Closed;
    let site = board.sites.iter().find(|site| site.id == span.site);
    let name = site.map_or_else(|| span.site.to_string(), |site| legible(&site.name, MAX_NAME));
    Entry {
        id: if closed { SpanId::derived(&format!("{}\nclosed", span.span_id)) } else { span.span_id },
        span: span.span_id,
        at: event.at,
        kind: if closed { "closed" } else { "opened" },
        title: Language::English.headline(&name, span, closed),
        text: Language::English.news(span, event.measurement_id),
    }
}

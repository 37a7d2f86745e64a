//! Which row of a time line a span stands in.

use std::collections::BTreeMap;

use url::Url;

use super::shape::extent;
use crate::model::{PartialScope, SeriesKey, SiteId, Span, SpanSource, Status, VantageId};

/// Rows for claims that overlap each other; what overlaps even more shares the last one.
const MOST_LANES: usize = 8;

/// The rows of a site: by URL, then what names none.
#[derive(Debug)]
pub struct SiteRows<'s> {
    /// Which site.
    pub site: &'s SiteId,
    /// Its URLs with their rows.
    pub urls: Vec<(Option<&'s Url>, Vec<Row<'s>>)>,
}

/// Spans of one source, vantage, status and part that do not overlap.
#[derive(Debug)]
pub struct Row<'s> {
    /// Where the spans come from.
    pub source: SpanSource,
    /// From where it was looked; None for a claim that names no place.
    pub vantage: Option<&'s VantageId>,
    /// The status. Rows are of one each, so that they can be told apart without colour.
    pub status: Status,
    /// The part of the way, if only one is meant.
    pub partial: Option<PartialScope>,
    /// The spans.
    pub spans: Vec<&'s Span>,
    /// Its place among the series that were looked at, if that is what it shows.
    pub watched: Option<usize>,
    /// Whether it is the first of its kind: further ones hold claims that overlap.
    pub is_first: bool,
}

/// Spans by source, vantage and status, measured ones first, with the place of the series among the watched ones.
type Rows<'s> = BTreeMap<RowKey<'s>, (Vec<&'s Span>, Option<usize>)>;

type RowKey<'s> = (SpanSource, Option<&'s VantageId>, Status, Option<PartialScope>);

/// Rows of a site by URL, those that name none last.
type Urls<'s> = BTreeMap<(bool, Option<&'s Url>), Rows<'s>>;

/// Spans and the series that were looked at, arranged in rows: sites in order, within a site its URLs.
pub fn arrange<'s>(
    spans: impl IntoIterator<Item = &'s Span>,
    watched: &[(&'s SeriesKey, SpanSource)],
) -> Vec<SiteRows<'s>> {
    let mut sites: BTreeMap<&SiteId, Urls<'s>> = BTreeMap::new();
    for span in spans {
        let url = span.url.as_ref();
        let row = (span.source, span.vantage.as_ref(), span.status, span.partial);
        let rows = sites.entry(&span.site).or_default().entry((url.is_none(), url)).or_default();
        rows.entry(row).or_default().0.push(span);
    }
    for (place, (series, source)) in watched.iter().enumerate() {
        let rows = sites.entry(&series.site).or_default().entry((false, Some(&series.url))).or_default();
        rows.entry((*source, Some(&series.vantage), Status::Blocked, None)).or_default().1 = Some(place);
    }
    let of_site = |(site, urls): (&'s SiteId, Urls<'s>)| SiteRows {
        site,
        urls: urls
            .into_iter()
            .map(|((_, url), rows)| {
                (url, rows.into_iter().flat_map(|(key, (spans, watched))| rows_of(key, spans, watched)).collect())
            })
            .collect(),
    };
    sites.into_iter().map(of_site).collect()
}

/// The rows of one source, vantage and status.
fn rows_of<'s>(
    (source, vantage, status, partial): RowKey<'s>,
    spans: Vec<&'s Span>,
    watched: Option<usize>,
) -> Vec<Row<'s>> {
    let lanes = if source == SpanSource::Reported { lanes(spans) } else { vec![spans] };
    let row = |(lane, spans)| Row { source, vantage, status, partial, spans, watched, is_first: lane == 0 };
    lanes.into_iter().enumerate().map(row).collect()
}

/// Spreads spans over rows so that those of one row do not overlap.
fn lanes(mut spans: Vec<&Span>) -> Vec<Vec<&Span>> {
    spans.sort_by_key(|span| extent(span));
    let mut lanes: Vec<(i64, Vec<&Span>)> = Vec::new();
    for span in spans {
        let (from, to) = extent(span);
        let free = lanes.iter().position(|(end, _)| *end < from);
        match free {
            Some(at) => {
                lanes[at].0 = to;
                lanes[at].1.push(span);
            }
            None if lanes.len() < MOST_LANES => lanes.push((to, vec![span])),
            None => {
                if let Some((end, last)) = lanes.last_mut() {
                    *end = to.max(*end);
                    last.push(span);
                }
            }
        }
    }
    lanes.into_iter().map(|(_, spans)| spans).collect()
}

//! The columns of a span: those of CSV, typed.

use super::{Column, Kind, Rows, Value, column};
use crate::model::{Mechanism, PartialScope, Span, VantageId};

/// Spans.
pub(super) enum Spans {}

impl Rows for Spans {
    type Row<'a> = Span;

    const NAME: &'static str = "span";
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
}

const COLUMNS: &[Column<Spans>] = &[
    column("span_id", Kind::Text, "Name of the span, for ever (UUID).", |span| {
        Value::owned(span.span_id.0.hyphenated().to_string())
    }),
    column("site", Kind::Text, "Id of the site in the target list.", |span| Value::text(Some(span.site.as_str()))),
    column("url", Kind::Text, "The URL; null for a report that names none.", |span| {
        Value::text(span.url.as_ref().map(url::Url::as_str))
    }),
    column("vantage", Kind::Text, "Pseudonym of the vantage; null for a report that names none.", |span| {
        Value::text(span.vantage.as_ref().map(VantageId::as_str))
    }),
    column("source", Kind::Text, "`measured`, `reported` or `ooni`.", |span| Value::text(Some(span.source.as_str()))),
    column("status", Kind::Text, "The status that lasted: `blocked` and so on.", |span| {
        Value::text(Some(span.status.as_str()))
    }),
    column("mechanism", Kind::Text, "How: `layer.how` of the latest segment; null when not known.", |span| {
        Value::text(span.mechanism.map(Mechanism::as_str))
    }),
    column("partial", Kind::Text, "The part of the way that is interfered with; null when it is all of it.", |span| {
        Value::text(span.partial.map(PartialScope::as_str))
    }),
    column("segments", Kind::Text, "Changes of mechanism, `mechanism@instant`, joined by `;`.", |span| {
        Value::joined(span.segments.iter().map(|segment| format!("{}@{}", segment.mechanism, segment.from)))
    }),
    column("start_earliest", Kind::Instant, "It did not begin before this; null when not known.", |span| {
        Value::instant(span.start.earliest)
    }),
    column("start_latest", Kind::Instant, "It had begun by this; null when not known.", |span| {
        Value::instant(span.start.latest)
    }),
    column(
        "end_earliest",
        Kind::Instant,
        "It did not end before this; null while it goes on, or when not known.",
        |span| Value::instant(span.end.and_then(|end| end.earliest)),
    ),
    column("end_latest", Kind::Instant, "It had ended by this; null while it goes on, or when not known.", |span| {
        Value::instant(span.end.and_then(|end| end.latest))
    }),
    column("ongoing", Kind::Truth, "Still so at the last observation.", |span| Value::Truth(span.ongoing)),
    column(
        "last_observed",
        Kind::Instant,
        "The last measurement that saw it so; of a report, when it was written.",
        |span| Value::instant(span.last_observed),
    ),
    column("measurements", Kind::Count, "Measurements that saw it so.", |span| Value::count(Some(span.measurements))),
    column("confidence", Kind::Real, "Probability that it is no chance, 0 to 1; null for reports.", |span| {
        Value::real(span.confidence)
    }),
    column("citation", Kind::Text, "The document of a report.", |span| Value::text(span.citation.as_deref())),
];

#[cfg(test)]
mod tests {
    use super::super::super::SPAN_COLUMNS;
    use super::*;

    #[test]
    fn they_are_the_columns_of_csv() {
        assert_eq!(COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>(), SPAN_COLUMNS);
    }
}

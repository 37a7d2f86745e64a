//! A publication that is watched, and what documents have reported about it.

use url::Url;

use super::{Bracket, CountryCode, SiteId, Span, SpanId, SpanSource, Status, Timestamp, VantageId};

/// A publication: what `[[site]]` in `targets.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its name for people.
    pub name: String,
    /// Where blocking is watched for.
    pub country: CountryCode,
    /// Citizen Lab category code, for example NEWS.
    pub category: Option<String>,
    /// What is measured.
    pub urls: Vec<Url>,
    /// What documents have claimed.
    pub reported: Vec<Report>,
}

/// A document's claim about a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What it claims.
    pub status: Status,
    /// The URL it speaks of, if it names one.
    pub url: Option<Url>,
    /// The vantage or network it speaks of, if it names one.
    pub vantage: Option<VantageId>,
    /// When it began, as precisely as the document says. Both ends None when it does not say.
    pub from: Bracket,
    /// When it ended; None when the document states no end.
    pub to: Option<Bracket>,
    /// When the document was written, or the time of which it speaks.
    pub as_of: Option<Timestamp>,
    /// The document.
    pub citation: String,
    /// How the claim was read, where it can be read in two ways.
    pub note: Option<String>,
}

impl Site {
    /// The reported spans, in order of their start.
    pub fn reported_spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = self.reported.iter().map(|report| report.to_span(&self.id)).collect();
        spans.sort_by_key(|span| (span.start.earliest, span.start.latest));
        spans
    }
}

impl Report {
    /// The claim as a span of source `reported`.
    pub fn to_span(&self, site: &SiteId) -> Span {
        let seed = format!(
            "reported\n{site}\n{}\n{:?}\n{:?}\n{:?}\n{:?}\n{}",
            self.status, self.url, self.vantage, self.from, self.to, self.citation
        );
        let citation = match &self.note {
            Some(note) => format!("{} [{note}]", self.citation),
            None => self.citation.clone(),
        };
        Span {
            span_id: SpanId::derived(&seed),
            site: site.clone(),
            url: self.url.clone(),
            vantage: self.vantage.clone(),
            source: SpanSource::Reported,
            status: self.status,
            mechanism: None,
            partial: None,
            segments: Vec::new(),
            start: self.from,
            end: self.to,
            ongoing: false,
            last_observed: self.as_of,
            measurements: 0,
            confidence: None,
            citation: Some(citation),
        }
    }
}

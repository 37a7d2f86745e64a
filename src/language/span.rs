//! A span in words.

use super::Language;
use crate::model::{MeasurementId, PartialScope, Report, Span, SpanSource, Status, legible};

/// Longest text of foreign origin that is said in one place, characters.
const MAX_TEXT: usize = 600;

impl Language {
    /// When a span ended, or what stands in the place of an end: that it goes on, or when it was last seen.
    pub fn end_of_span(self, span: &Span) -> String {
        match span.end {
            Some(end) => self.bracket(end).unwrap_or_else(|| self.say("not-stated")),
            None if span.ongoing => self.say("goes-on"),
            None => {
                let last = span.last_observed.map(|last| {
                    let when = match span.source {
                        SpanSource::Reported => self.document_time(last),
                        _ => self.instant(last),
                    };
                    self.say_with("last-seen", &[("when", when.into())])
                });
                last.unwrap_or_else(|| self.say("not-stated"))
            }
        }
    }

    /// A span in one line, for who points at it.
    pub fn span_in_short(self, span: &Span) -> String {
        let (start, end) = (self.bracket_or_unknown(span.start), self.end_of_span(span));
        let mut text = format!("{}: {start} → {end}", self.status(span.status));
        if let Some(mechanism) = span.mechanism {
            text.push_str(&format!(" · {mechanism}: {}", self.mechanism(mechanism)));
        }
        if let Some(sure) = span.confidence {
            text.push_str(&format!(" · {} {}", self.say("column-sure"), self.percent(sure)));
        }
        if let Some(citation) = &span.citation {
            text.push_str(&format!(" · {}", legible(citation, MAX_TEXT)));
        }
        text
    }

    /// What happened to a span, in one line.
    pub fn headline(self, name: &str, span: &Span, over: bool) -> String {
        let place =
            span.vantage.as_ref().map(|vantage| self.say_with("from-vantage", &[("vantage", vantage.as_str().into())]));
        let part = span.partial.map(|part| self.part(part));
        let what = self.say(if over { "news-over" } else { "news-blocked" });
        let rest: Vec<String> = std::iter::once(what).chain(place).collect();
        let part = part.map(|part| format!(" ({part})")).unwrap_or_default();
        format!("{name}: {}{part}", rest.join(" "))
    }

    /// The span in sentences that can be quoted, with the measurement that decided.
    pub fn news(self, span: &Span, decided: Option<MeasurementId>) -> String {
        let url = span.url.as_ref().map_or_else(|| span.site.to_string(), ToString::to_string);
        let part = span.partial.map(|part| format!(" ({})", self.part(part))).unwrap_or_default();
        let subject = format!("{url}{part}");
        let began = self.bracket_or_unknown(span.start);
        let mut sentences = vec![match span.end {
            Some(end) => self.say_with(
                "news-was",
                &[("what", subject.into()), ("began", began.into()), ("ended", self.bracket_or_unknown(end).into())],
            ),
            None => self.say_with("news-is", &[("what", subject.into()), ("began", began.into())]),
        }];
        if let Some(how) = span.mechanism {
            sentences.push(
                self.say_with("news-how", &[("how", self.mechanism(how).into()), ("label", how.as_str().into())]),
            );
        }
        if let Some(sure) = span.confidence {
            let (seen, sure) = (span.measurements, self.percent(sure));
            sentences.push(self.say_with("news-seen", &[("seen", seen.into()), ("sure", sure.into())]));
        }
        if let Some(id) = decided {
            let (id, span) = (id.to_string(), span.span_id.to_string());
            sentences.push(self.say_with("news-decided", &[("measurement", id.into()), ("span", span.into())]));
        }
        sentences.join(" ")
    }

    /// What a document claims: from when to when, and as of when.
    pub fn claim(self, report: &Report) -> String {
        let said = |name, when: String| self.say_with(name, &[("when", when.into())]);
        let mut when = match self.bracket(report.from) {
            Some(from) => said("report-began", from),
            None => self.say("report-began-unstated"),
        };
        when.push_str(", ");
        when.push_str(&match report.to.map(|to| self.bracket(to)) {
            Some(Some(to)) => said("report-ended", to),
            Some(None) => self.say("report-ended-unstated"),
            None => self.say("report-no-end"),
        });
        if let Some(as_of) = report.as_of {
            when.push_str("; ");
            when.push_str(&said("report-as-of", self.document_time(as_of)));
        }
        when
    }

    /// The document that claims it, with how the claim was read.
    pub fn citation(self, report: &Report) -> String {
        match &report.note {
            Some(note) => legible(&format!("{} [{note}]", report.citation), MAX_TEXT),
            None => legible(&report.citation, MAX_TEXT),
        }
    }

    /// Of which URL and place it speaks; None when it names neither.
    pub fn claim_about(self, report: &Report) -> Option<String> {
        let url = report.url.as_ref().map(|url| legible(url.as_str(), MAX_TEXT));
        let from = report.vantage.as_ref().map(|vantage| vantage.to_string());
        match (url, from) {
            (Some(url), Some(vantage)) => {
                Some(self.say_with("report-about", &[("url", url.into()), ("vantage", vantage.into())]))
            }
            (Some(url), None) => Some(url),
            (None, Some(vantage)) => Some(self.say_with("from-vantage", &[("vantage", vantage.into())])),
            (None, None) => None,
        }
    }

    /// The name of a row of a time line: where its spans come from, the place, and what it is about unless blocked.
    pub fn row_label(
        self,
        source: SpanSource,
        place: Option<String>,
        status: Status,
        partial: Option<PartialScope>,
    ) -> String {
        let place = place.unwrap_or_else(|| self.say("lane-any"));
        let mut label = format!("{}: {place}", self.source_of_span(source));
        if let Some(part) = partial {
            label.push_str(&format!(", {}", self.part(part)));
        } else if status != Status::Blocked {
            label.push_str(&format!(", {}", self.status(status)));
        }
        label
    }
}

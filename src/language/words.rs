//! The closed sets in words.

use super::Language;
use crate::model::{
    CertificateFault, CountryCode, ExperimentKind, Failure, Layer, Mechanism, PartialScope, SilenceCause, SilenceKind,
    SpanEventKind, SpanSource, Status, Trigger,
};

impl Language {
    /// A status in a word.
    pub fn status(self, status: Status) -> String {
        self.say(&format!("status-{status}"))
    }

    /// A country: its name where it is known here, otherwise its code.
    pub fn country(self, code: CountryCode) -> String {
        self.say_with("country-name", &[("code", code.as_str().into())])
    }

    /// What a status means.
    pub fn status_means(self, status: Status) -> String {
        self.say(&format!("status-{status}-means"))
    }

    /// How a site is blocked: one plain phrase for a reader who knows no protocols.
    pub fn mechanism(self, mechanism: Mechanism) -> String {
        self.say(&format!("mechanism-{}", mechanism.as_str().replace('.', "-")))
    }

    /// The part of the way that is interfered with.
    pub fn part(self, part: PartialScope) -> String {
        self.say(&format!("part-{part}"))
    }

    /// Where a span comes from.
    pub fn source_of_span(self, source: SpanSource) -> String {
        self.say(&format!("source-{source}"))
    }

    /// What happened to a span.
    pub fn span_event(self, kind: SpanEventKind) -> String {
        self.say(&format!("event-{kind}"))
    }

    /// Why a measurement was made.
    pub fn trigger(self, trigger: Trigger) -> String {
        self.say(&format!("trigger-{trigger}"))
    }

    /// What was varied.
    pub fn experiment(self, kind: ExperimentKind) -> String {
        self.say(&format!("experiment-{kind}"))
    }

    /// What is wrong with a certificate chain.
    pub fn certificate_fault(self, fault: CertificateFault) -> String {
        self.say(&format!("fault-{fault}"))
    }

    /// In what way a vantage told nothing.
    pub fn silence(self, kind: SilenceKind, cause: Option<SilenceCause>) -> String {
        match (kind, cause) {
            (SilenceKind::NotMeasuring, Some(cause)) => self.say(&format!("silence-{cause}")),
            _ => self.say(&format!("silence-{kind}")),
        }
    }

    /// What a failure at a layer means.
    pub fn failure(self, layer: Layer, failure: &Failure) -> String {
        if let Failure::Unknown(text) = failure {
            return self.say_with("failure-unknown_failure", &[("text", text.as_str().into())]);
        }
        let general = format!("failure-{}", failure.label());
        let special = format!("{general}-{layer}");
        self.say(if self.has(&special) { &special } else { &general })
    }
}

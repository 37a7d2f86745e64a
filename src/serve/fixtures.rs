//! What the tests of this room are made of.

use crate::detect::{LastVerdict, SeriesState};
use crate::model::{
    Bracket, Elapsed, Evidence, Measurement, MeasurementId, Mechanism, SeriesKey, Site, Span, SpanId, SpanSource,
    Status, Strength, Timestamp, Trigger, Verdict,
};
use crate::serve::Place;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn place(id: &str, country: &str) -> Place {
    Place { id: id.parse().unwrap(), country: country.parse().unwrap() }
}

pub(super) fn series(site: &str, url: &str, vantage: &str) -> SeriesKey {
    SeriesKey { site: site.parse().unwrap(), url: url.parse().unwrap(), vantage: vantage.parse().unwrap() }
}

pub(super) fn site(id: &str, urls: &[&str]) -> Site {
    Site {
        id: id.parse().unwrap(),
        name: format!("The {id}"),
        country: "KZ".parse().unwrap(),
        category: Some("NEWS".to_owned()),
        urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
        reported: Vec::new(),
    }
}

/// A state whose latest verdict is this one; with an open span when blocked.
pub(super) fn state(series: &SeriesKey, status: Status, mechanism: Option<Mechanism>, reason: &str) -> SeriesState {
    let last = LastVerdict {
        measurement_id: MeasurementId::new(),
        at: at("2026-11-24T20:03:00Z"),
        status,
        mechanism,
        reasons: vec![reason.to_owned()],
    };
    SeriesState::new(Some(last), (status == Status::Blocked).then(|| span(series, mechanism)))
}

pub(super) fn span(series: &SeriesKey, mechanism: Option<Mechanism>) -> Span {
    Span {
        span_id: SpanId::derived("test"),
        site: series.site.clone(),
        url: Some(series.url.clone()),
        vantage: Some(series.vantage.clone()),
        source: SpanSource::Measured,
        status: Status::Blocked,
        mechanism,
        partial: None,
        segments: Vec::new(),
        start: Bracket { earliest: Some(at("2026-11-24T20:00:01Z")), latest: Some(at("2026-11-24T20:01:02Z")) },
        end: None,
        ongoing: true,
        last_observed: Some(at("2026-11-24T20:03:00Z")),
        measurements: 7,
        confidence: Some(0.999_97),
        citation: None,
    }
}

pub(super) fn evidence(series: &SeriesKey) -> Evidence {
    let measurement = Measurement {
        measurement_id: MeasurementId::new(),
        site: series.site.clone(),
        url: series.url.clone(),
        vantage: series.vantage.clone(),
        trigger: Trigger::Scheduled,
        started_at: at("2026-11-24T20:03:00Z"),
        elapsed: Elapsed::from_micros(1_200_000),
        dns: Vec::new(),
        tcp: Vec::new(),
        tls: Vec::new(),
        http: Vec::new(),
        quic: Vec::new(),
    };
    Evidence::new(measurement, Vec::new(), None)
}

pub(super) fn verdict(evidence: &Evidence, status: Status) -> Verdict {
    Verdict {
        partial: Vec::new(),
        measurement_id: evidence.measurement.measurement_id,
        status,
        mechanism: None,
        confidence: 1.0,
        strength: Strength::Weak,
        weight: 0.0,
        rules: Vec::new(),
        reasons: Vec::new(),
        ruleset: 1,
        control: None,
    }
}

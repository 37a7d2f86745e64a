//! Interference with a part of the way while the site can be reached: a test of its own for each part, beside the main one.
//!
//! Only evidence that a part works speaks for it. A part that was not tried tells nothing, and while the whole site is
//! blocked, down or out of sight its parts rest.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Outcome;
use crate::model::{AddressFamily, AddressOrigin, DnsRole, Measurement, PartialScope, Span, SpanId, Status, Verdict};

/// What a measurement says of one part.
pub(super) fn outcome(scope: PartialScope, measurement: &Measurement, verdict: &Verdict) -> Outcome {
    if !matches!(verdict.status, Status::Accessible | Status::Denied) {
        return Outcome::Silent;
    }
    match verdict.partial.iter().find(|partial| partial.scope == scope) {
        Some(partial) => {
            let weight = partial.confidence.clamp(0.0, 1.0);
            Outcome::Bad { mechanism: partial.mechanism, weight, self_proving: false }
        }
        None if works(scope, measurement) => Outcome::Good,
        None => Outcome::Silent,
    }
}

/// Whether the part was seen to work.
fn works(scope: PartialScope, measurement: &Measurement) -> bool {
    match scope {
        PartialScope::Ipv4 => family_works(AddressFamily::Ipv4, measurement),
        PartialScope::Ipv6 => family_works(AddressFamily::Ipv6, measurement),
        PartialScope::Address => addresses_work(measurement),
        PartialScope::Quic => measurement.quic.iter().any(|quic| quic.hop == 0 && quic.failure.is_none()),
        PartialScope::Resolver => resolvers_work(measurement),
    }
}

fn family_works(family: AddressFamily, measurement: &Measurement) -> bool {
    let of_family = |address: &SocketAddr| AddressFamily::of(address.ip()) == family;
    let greeted = measurement.tls.iter().any(|tls| tls.hop == 0 && of_family(&tls.address) && tls.is_authentic());
    let answered =
        measurement.http.iter().any(|http| http.hop == 0 && of_family(&http.address) && http.status.is_some());
    greeted || answered
}

/// Two addresses of the own resolvers and more, and all of them got through.
fn addresses_work(measurement: &Measurement) -> bool {
    let own = |origin: AddressOrigin, hop: u8| hop == 0 && origin == AddressOrigin::Own;
    let tried: BTreeSet<SocketAddr> =
        measurement.tcp.iter().filter(|tcp| own(tcp.origin, tcp.hop)).map(|tcp| tcp.address).collect();
    tried.len() > 1
        && measurement.tcp.iter().filter(|tcp| own(tcp.origin, tcp.hop)).all(|tcp| tcp.failure.is_none())
        && measurement.tls.iter().filter(|tls| own(tls.origin, tls.hop)).all(|tls| tls.failure.is_none())
}

/// Two own resolvers and more, and each gave an address.
fn resolvers_work(measurement: &Measurement) -> bool {
    let own = || measurement.dns.iter().filter(|exchange| exchange.hop == 0 && exchange.role == DnsRole::Own);
    let asked: BTreeSet<&str> = own().map(|exchange| exchange.resolver.as_str()).collect();
    let answered: BTreeSet<&str> =
        own().filter(|exchange| exchange.failure.is_none()).map(|exchange| exchange.resolver.as_str()).collect();
    asked.len() > 1 && asked == answered
}

/// Makes a span one of a part: the site itself is accessible.
pub(super) fn mark(span: &mut Span, scope: PartialScope) {
    if span.partial.is_none() {
        span.span_id = SpanId::derived(&format!("{}\n{scope}", span.span_id));
        (span.status, span.partial) = (Status::Accessible, Some(scope));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Detector, Params, SeriesState};
    use super::*;
    use crate::cli::fixtures;
    use crate::model::{
        Mechanism, Partial, RuleId, SeriesKey, SpanChange, SpanChangeKind, SpanSource, Timestamp, Verdict,
    };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_700_000_000_000).plus(Duration::from_secs(second))
    }

    struct Series {
        detector: Detector,
        state: SeriesState,
        changes: Vec<SpanChange>,
    }

    impl Series {
        fn new() -> Self {
            let detector = Detector::new(Params::default(), SpanSource::Measured);
            Self { detector, state: SeriesState::default(), changes: Vec::new() }
        }

        /// A measurement of an accessible site: QUIC fails (`bad`), works (`good`), or was not tried.
        fn probe(&mut self, second: u64, quic: &str) -> &mut Self {
            let (mut evidence, mut verdict) = fixtures::accessible();
            let template = fixtures::quic_swallowed().0.measurement.quic[0].clone();
            let measurement = &mut evidence.measurement;
            (measurement.started_at, measurement.elapsed) = (at(second), Duration::from_secs(1).into());
            measurement.quic = match quic {
                "good" => vec![crate::model::QuicHandshake { failure: None, ..template }],
                "bad" => vec![template],
                _ => Vec::new(),
            };
            if quic == "bad" {
                verdict.partial = vec![Partial {
                    scope: PartialScope::Quic,
                    mechanism: Mechanism::QuicTimeout,
                    rule: RuleId::of("partial.quic"),
                    confidence: 0.9,
                    reason: String::new(),
                }];
            }
            self.take(&evidence.measurement, &verdict)
        }

        fn blocked(&mut self, second: u64) -> &mut Self {
            let (mut evidence, verdict) = fixtures::clienthello_swallowed();
            evidence.measurement.started_at = at(second);
            self.take(&evidence.measurement, &verdict)
        }

        fn take(&mut self, measurement: &Measurement, verdict: &Verdict) -> &mut Self {
            let key = SeriesKey {
                site: measurement.site.clone(),
                url: measurement.url.clone(),
                vantage: measurement.vantage.clone(),
            };
            // What is not saved is lost at every step.
            let saved = serde_json::to_string(&self.state).unwrap();
            self.state = serde_json::from_str(&saved).unwrap();
            self.changes.extend(self.detector.step(&key, &mut self.state, measurement, verdict));
            self
        }

        fn of_parts(&self) -> Vec<(SpanChangeKind, PartialScope)> {
            let turns = self.changes.iter().filter(|change| change.kind != SpanChangeKind::Continued);
            turns.filter_map(|change| Some((change.kind, change.span.partial?))).collect()
        }
    }

    #[test]
    fn a_part_has_a_span_of_its_own_with_bounds_while_the_site_is_accessible() {
        let mut series = Series::new();
        for minute in 0..3 {
            series.probe(minute * 60, "good");
        }
        for minute in 3..20 {
            series.probe(minute * 60, "bad");
        }
        for minute in 20..40 {
            series.probe(minute * 60, "good");
        }
        let (opened, closed) = (SpanChangeKind::Opened, SpanChangeKind::Closed);
        assert_eq!(series.of_parts(), [(opened, PartialScope::Quic), (closed, PartialScope::Quic)]);
        let span = &series.changes.iter().rfind(|change| change.kind == closed).unwrap().span;
        assert_eq!((span.status, span.mechanism), (Status::Accessible, Some(Mechanism::QuicTimeout)));
        assert_eq!(span.start.earliest, Some(at(120)));
        assert!(span.start.latest.unwrap() >= at(180) && span.start.latest.unwrap() <= at(540), "{span:?}");
        assert!(span.end.unwrap().contains(at(1150)), "{span:?}");
        assert_eq!((series.state.status(), series.state.span.clone()), (Status::Accessible, None));
        assert_eq!(series.state.partial_spans().count(), 0);
    }

    #[test]
    fn a_part_that_is_not_tried_neither_ends_nor_goes_on() {
        let mut series = Series::new();
        series.probe(0, "good");
        for minute in 1..12 {
            series.probe(minute * 60, "bad");
        }
        let seen = series.state.partial_spans().next().cloned().unwrap();
        for minute in 12..60 {
            series.probe(minute * 60, "none");
        }
        assert_eq!(series.state.partial_spans().next(), Some(&seen));
        // A block of all rests the part; it is not closed by the silence, nor opened anew.
        for minute in 60..80 {
            series.blocked(minute * 60);
        }
        assert_eq!(series.state.status(), Status::Blocked);
        assert_eq!(series.of_parts(), [(SpanChangeKind::Opened, PartialScope::Quic)]);
        assert_ne!(series.state.span.as_ref().unwrap().span_id, seen.span_id);
    }

    #[test]
    fn single_failures_of_a_part_are_no_span() {
        let mut series = Series::new();
        for minute in 0..200 {
            series.probe(minute * 60, if minute % 3 == 0 { "bad" } else { "good" });
        }
        assert!(series.of_parts().is_empty());
    }
}

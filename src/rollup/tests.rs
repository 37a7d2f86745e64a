//! The reckoning held against a look at every single instant.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::cli::fixtures;
use crate::model::{Bracket, Span, SpanId, SpanSource, Timestamp};

/// Bounds of a span in units of time: start and end brackets in order, the end perhaps open.
type Bounds = (i64, i64, i64, Option<i64>);

fn span(network: u8, number: usize, (earliest, latest, last, end): Bounds) -> Span {
    let at = |unit: i64| Some(Timestamp::from_unix_ms(unit * 1000));
    let mut span = fixtures::span(Bracket { earliest: at(earliest), latest: at(latest) }, None);
    span.span_id = SpanId::derived(&format!("{network} {number}"));
    span.vantage = Some(format!("v{network}").parse().unwrap());
    span.last_observed = at(last);
    span.end = end.map(|end| Bracket { earliest: at(last), latest: at(end) });
    span.ongoing = end.is_none();
    span
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (0..60i64, 0..4i64, 0..12i64, prop::option::weighted(0.8, 0..4i64)).prop_map(|(from, first, length, last)| {
        let (latest, end) = (from + first, from + first + length);
        (from, latest, end, last.map(|last| end + last))
    })
}

fn whereabouts(networks: u8) -> Whereabouts {
    let country = "KZ".parse().unwrap();
    let vantages = (0..networks).map(|n| (format!("v{n}").parse().unwrap(), (country, Some(9000 + u32::from(n)))));
    Whereabouts { vantages: vantages.collect(), sites: BTreeMap::new() }
}

/// Networks that were blocked at an instant for certain, and those that may have been.
fn counted(spans: &[Span], at: Timestamp) -> (usize, usize) {
    let (mut certain, mut possible) = (BTreeSet::new(), BTreeSet::new());
    for span in spans {
        let over = |bound: Option<Timestamp>| bound.is_some_and(|bound| bound < at);
        if span.start.earliest <= Some(at) && !over(span.end.and_then(|end| end.latest)) {
            possible.insert(&span.vantage);
        }
        if span.start.latest <= Some(at) && !over(span.end.and_then(|end| end.earliest)) {
            certain.insert(&span.vantage);
        }
    }
    (certain.len(), possible.len())
}

proptest! {
    #[test]
    fn a_country_is_blocked_when_and_only_when_enough_networks_are(
        spans in prop::collection::vec((0..4u8, bounds()), 0..10),
        quorum in 1..4usize,
    ) {
        let spans: Vec<Span> = spans.into_iter().enumerate().map(|(n, (network, bounds))| span(network, n, bounds)).collect();
        let told = by_country(&spans, &[], &whereabouts(4), quorum);
        let agreed: Vec<&InCountry> = told.iter().filter(|one| one.agreement == Agreement::Agreed).collect();
        for second in 0..90 {
            let at = Timestamp::from_unix_ms(second * 1000);
            let (certain, possible) = counted(&spans, at);
            let inside = agreed.iter().any(|one| {
                one.start.latest <= Some(at) && one.end.is_none_or(|end| end.earliest >= Some(at))
            });
            prop_assert_eq!(inside, certain >= quorum, "at {}: {} certain of {}", second, certain, quorum);
            let may_be = agreed.iter().any(|one| {
                one.start.earliest <= Some(at) && one.end.is_none_or(|end| end.latest.is_none_or(|end| end >= at))
            });
            prop_assert!(!may_be || possible >= 1);
            // Whatever any network tells stands somewhere, with a mark where it is not enough.
            let somewhere = told.iter().any(|one| {
                one.networks.iter().any(|network| network.start.latest <= Some(at) && network.end.is_none_or(|end| end.earliest >= Some(at)))
            });
            prop_assert_eq!(somewhere, certain >= 1, "at {}", second);
        }
        for one in &told {
            prop_assert!(one.start.earliest <= one.start.latest);
            prop_assert!(one.end.is_none_or(|end| end.earliest >= one.start.latest && end.latest.is_none_or(|to| Some(to) >= end.earliest)));
            let distinct: BTreeSet<_> = one.networks.iter().map(|network| &network.network).collect();
            match one.agreement {
                Agreement::Agreed => prop_assert!(distinct.len() >= quorum),
                Agreement::OneNetworkOnly => prop_assert!(distinct.len() == 1 && quorum > 1),
                Agreement::TooFewNetworks => prop_assert!(distinct.len() > 1 && quorum > 1),
            }
        }
    }
}

#[test]
fn vantages_of_one_network_do_not_confirm_each_other() {
    let mut places = whereabouts(2);
    let kz = "KZ".parse().unwrap();
    places.vantages.insert("v1".parse().unwrap(), (kz, Some(9000)));
    let spans = [span(0, 0, (0, 1, 9, None)), span(1, 1, (2, 3, 9, None))];
    let told = by_country(&spans, &[], &places, 2);
    assert_eq!((told.len(), told[0].agreement), (1, Agreement::OneNetworkOnly));
    assert_eq!(told[0].networks[0].vantages.len(), 2);
    assert_eq!(by_network(&spans, &places).len(), 1);
}

#[test]
fn the_second_network_begins_what_two_agree_on() {
    let spans = [span(0, 0, (0, 1, 50, Some(52))), span(1, 1, (20, 22, 30, Some(33)))];
    let told = by_country(&spans, &[], &whereabouts(2), 2);
    let at = |unit: i64| Some(Timestamp::from_unix_ms(unit * 1000));
    assert_eq!((told.len(), told[0].agreement), (1, Agreement::Agreed));
    assert_eq!(told[0].start, Bracket { earliest: at(20), latest: at(22) });
    assert_eq!(told[0].end, Some(Bracket { earliest: at(30), latest: at(33) }));
    assert_eq!(told[0].networks[0].start, Bracket { earliest: at(0), latest: at(1) });
    let alone = by_country(
        &spans[..1],
        &[(key("v1"), SpanSource::Measured), (key("v0"), SpanSource::Measured)],
        &whereabouts(2),
        2,
    );
    assert_eq!((alone[0].agreement, alone[0].networks_watched), (Agreement::OneNetworkOnly, 2));
}

fn key(vantage: &str) -> crate::model::SeriesKey {
    crate::model::SeriesKey {
        site: "fergana".parse().unwrap(),
        url: "https://fergana.media/".parse().unwrap(),
        vantage: vantage.parse().unwrap(),
    }
}

#[test]
fn the_name_of_an_imported_vantage_tells_where_it_is() {
    let places = Whereabouts::default();
    let site = "fergana".parse().unwrap();
    let of = |name: &str| places.of(&site, &name.parse().unwrap());
    assert_eq!(of("AS9198-KZ"), ("KZ".parse().unwrap(), Network::Asn(9198)));
    assert_eq!(of("almaty"), (CountryCode::UNKNOWN, Network::Of("almaty".parse().unwrap())));
    assert_eq!(of("AS-x").1, Network::Of("AS-x".parse().unwrap()));
}

#[test]
fn what_was_imported_is_certain_only_until_its_last_measurement() {
    let at = |unit: i64| Timestamp::from_unix_ms(unit * 1000);
    let ooni = |network| Span { source: SpanSource::Ooni, ..span(network, 0, (0, 1, 50, None)) };
    let told = by_country(&[ooni(0), ooni(1)], &[], &whereabouts(2), 2);
    assert_eq!((told[0].ongoing, told[0].end, told[0].until(at(1000))), (true, None, at(50)));
    let measured = by_country(&[span(0, 0, (0, 1, 50, None)), span(1, 1, (0, 1, 50, None))], &[], &whereabouts(2), 2);
    assert_eq!((measured[0].ongoing, measured[0].until(at(1000))), (true, at(1000)));
}

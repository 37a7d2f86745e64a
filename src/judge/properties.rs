//! What must hold for any evidence, however odd.

use proptest::prelude::*;

use super::testing::*;
use super::{Knowledge, judge};
use crate::model::*;

const ADDRESSES: &[&str] = &[SITE, EDGE, LIAR, "10.10.34.35", SIX, "127.0.0.1"];
const OTHER: &str = "udp://9.9.9.9:53";
const URLS: &[&str] =
    &["https://fergana.media/", "http://fergana.media/", "https://www.fergana.media/x", "http://stop.example.kz/"];

fn failure() -> impl Strategy<Value = Failure> {
    (0..Failure::LABELS.len()).prop_map(|index| Failure::from_ooni(Failure::LABELS[index]))
}

fn address() -> impl Strategy<Value = &'static str> {
    prop::sample::select(ADDRESSES)
}

fn chain() -> impl Strategy<Value = Chain> {
    use Chain::*;
    prop::sample::select(&[Valid, Stranger, WrongName, Expired, KnownCa, KnownName][..])
}

fn a_page() -> impl Strategy<Value = Page> {
    let status = prop::sample::select(&[200u16, 206, 302, 403, 404, 451, 500, 503][..]);
    let title =
        prop::sample::select(&["Fergana — independent news", "Страница заблокирована", "\u{1b}[2Jx\u{202e}"][..]);
    let target = prop::option::weighted(0.2, prop::sample::select(URLS));
    (status, title, any::<bool>(), prop::option::weighted(0.1, failure()), target).prop_map(
        |(status, title, odd, failure, target)| {
            let mut page = if odd { stranger(status) } else { page(status) }.titled(title);
            page.redirect = target;
            page.failure = failure;
            page
        },
    )
}

fn what() -> impl Strategy<Value = At> {
    prop_oneof![
        failure().prop_map(At::Tcp),
        failure().prop_map(At::Tls),
        chain().prop_map(At::Cert),
        Just(At::Ready),
        failure().prop_map(At::Http),
        failure().prop_map(At::Cut),
        a_page().prop_map(At::Page),
        (chain(), a_page()).prop_map(|(chain, page)| At::PageOver(chain, page)),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Own(&'static str),
    OwnFails(Failure),
    OwnTwice(&'static str, &'static str, u16),
    Reference(&'static str),
    ReferenceFails(Failure),
    At(&'static str, At),
    Elsewhere(&'static str, At),
    Then(&'static str),
    Quic(&'static str, Option<Failure>, u64),
    Other(&'static str),
    OtherFails(Failure),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => address().prop_map(Step::Own),
        1 => failure().prop_map(Step::OwnFails),
        1 => (address(), address(), 0u16..6).prop_map(|(a, b, rcode)| Step::OwnTwice(a, b, rcode)),
        2 => address().prop_map(Step::Reference),
        1 => failure().prop_map(Step::ReferenceFails),
        4 => (address(), what()).prop_map(|(address, what)| Step::At(address, what)),
        2 => (address(), what()).prop_map(|(address, what)| Step::Elsewhere(address, what)),
        1 => prop::sample::select(URLS).prop_map(Step::Then),
        1 => (address(), prop::option::of(silence()), 0u64..48).prop_map(|(a, f, h)| Step::Quic(a, f, h)),
        1 => address().prop_map(Step::Other),
        1 => failure().prop_map(Step::OtherFails),
    ]
}

#[derive(Debug, Clone)]
enum Aside {
    Works(Page),
    Fails(Failure),
    Dead,
    Online,
    NoWorld(Failure),
    Home,
    /// What the latest canary and the latest control have to say of parts.
    Families(bool, bool),
    Serves(&'static str),
    CanaryQuic(Option<Failure>),
    Through(&'static str),
    FailsAt(&'static str, Failure),
    ControlQuic(Option<Failure>),
    Paces(Pace, Pace, Pace),
}

fn a_pace() -> impl Strategy<Value = Pace> {
    let time = || prop::option::of(prop::sample::select(&[50_000u64, 400_000, 3_000_000, 30_000_000][..]));
    let rate = prop::option::of(prop::sample::select(&[0.0f64, 9e3, 300e3, 1e8][..]));
    (time(), time(), time(), rate).prop_map(|(connect, handshake, first_byte, bytes_per_second)| {
        let [connect, handshake, first_byte] =
            [connect, handshake, first_byte].map(|time| time.map(Elapsed::from_micros));
        Pace { connect, handshake, first_byte, bytes_per_second }
    })
}

fn aside() -> impl Strategy<Value = Aside> {
    prop_oneof![
        a_page().prop_map(Aside::Works),
        failure().prop_map(Aside::Fails),
        Just(Aside::Dead),
        Just(Aside::Online),
        failure().prop_map(Aside::NoWorld),
        Just(Aside::Home),
        any::<(bool, bool)>().prop_map(|(four, six)| Aside::Families(four, six)),
        prop::sample::select(&["system", OTHER][..]).prop_map(Aside::Serves),
        prop::option::of(silence()).prop_map(Aside::CanaryQuic),
        address().prop_map(Aside::Through),
        (address(), failure()).prop_map(|(address, failure)| Aside::FailsAt(address, failure)),
        prop::option::of(silence()).prop_map(Aside::ControlQuic),
        (a_pace(), a_pace(), a_pace()).prop_map(|(usual, control, canary)| Aside::Paces(usual, control, canary)),
    ]
}

/// Mostly silence, which is what QUIC meets.
fn silence() -> impl Strategy<Value = Failure> {
    prop_oneof![3 => Just(Failure::GenericTimeout), 1 => failure()]
}

fn told(url: &str, steps: Vec<Step>) -> Story {
    steps.into_iter().fold(story(url), |story, step| match step {
        Step::Own(address) => story.own(&[address]),
        Step::OwnFails(failure) => story.own_fails(failure),
        Step::OwnTwice(a, b, rcode) => story.own_answers(vec![answer(rcode, &[a], 1), answer(0, &[b], 1)]),
        Step::Reference(address) => story.reference(&[address]),
        Step::ReferenceFails(failure) => story.reference_fails(failure),
        Step::At(address, what) => story.at(address, what),
        Step::Elsewhere(address, what) => story.elsewhere(address, what),
        Step::Then(url) => story.then(url),
        Step::Quic(address, failure, hours) => story.quic(address, failure).last_good(hours),
        Step::Other(address) => story.resolver_gives(OTHER, &[address]),
        Step::OtherFails(failure) => story.resolver_fails(OTHER, failure),
    })
}

fn beside(story: Story, asides: Vec<Aside>) -> Story {
    asides.into_iter().fold(story, |story, aside| match aside {
        Aside::Families(..) | Aside::Serves(_) | Aside::CanaryQuic(_) if story.evidence.canaries.is_none() => story,
        Aside::Through(_) | Aside::FailsAt(..) | Aside::ControlQuic(_) if story.evidence.controls.is_empty() => story,
        Aside::Works(page) => story.control_sees(&page),
        Aside::Fails(failure) => story.control_fails(failure),
        Aside::Dead => story.control_dead(),
        Aside::Online => story.online(),
        Aside::NoWorld(failure) => story.no_world(failure),
        Aside::Home => story.home(),
        Aside::Families(four, six) => {
            let told = [(four, AddressFamily::Ipv4), (six, AddressFamily::Ipv6)];
            story.over(&told.iter().filter(|(told, _)| *told).map(|(_, family)| *family).collect::<Vec<_>>())
        }
        Aside::Serves(resolver) => story.served_by(resolver),
        Aside::CanaryQuic(failure) => story.canary_quic(failure),
        Aside::Through(address) => story.endpoint(address, None, None),
        Aside::FailsAt(address, failure) => story.endpoint(address, Some(failure), None),
        Aside::ControlQuic(failure) => story.control_quic(failure),
        Aside::Paces(usual, control, canary) => {
            let mut story = story;
            story.evidence.baseline = Some(Baseline { samples: 64, pace: usual });
            story.evidence.controls.iter_mut().for_each(|report| report.pace = Some(control));
            let canaries = story.evidence.canaries.iter_mut().flat_map(|report| &mut report.results);
            canaries.for_each(|result| result.pace = Some(canary));
            story
        }
    })
}

fn seen() -> impl Strategy<Value = Story> {
    (prop::sample::select(URLS), prop::collection::vec(step(), 0..12)).prop_map(|(url, steps)| told(url, steps))
}

fn whole() -> impl Strategy<Value = Story> {
    (seen(), prop::collection::vec(aside(), 0..10)).prop_map(|(story, asides)| beside(story, asides))
}

const OWN: &str = "185.15.0.77";

/// A site that answers at an address of its own while something beside it fails; the vantage can do everything, unless
/// told otherwise.
fn reached() -> impl Strategy<Value = Story> {
    let suspect = prop_oneof![
        what().prop_map(|what| Step::At(SIX, what)),
        what().prop_map(|what| Step::At(EDGE, what)),
        failure().prop_map(Step::OtherFails),
        address().prop_map(Step::Other),
        (prop::option::of(silence()), 0u64..48).prop_map(|(failure, hours)| Step::Quic(OWN, failure, hours)),
        step(),
    ];
    let witness = prop_oneof![
        prop::sample::select(&[SIX, EDGE][..]).prop_map(Aside::Through),
        Just(Aside::Serves(OTHER)),
        Just(Aside::ControlQuic(None)),
        aside(),
    ];
    (prop::collection::vec(suspect, 0..5), prop::collection::vec(witness, 0..6)).prop_map(|(steps, asides)| {
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Then(_))).collect();
        let mut story = told(URLS[0], steps);
        story.evidence.measurement.http.clear();
        let story = story.own(&[OWN]).at(OWN, At::Page(page(200))).control_works().online();
        beside(story.over(BOTH).canary_quic(None), asides)
    })
}

/// Moves every list of observations round and about, by one seed.
pub(super) fn shuffled(evidence: &Evidence, seed: u64) -> Evidence {
    fn mix<T>(list: &mut [T], state: &mut u64) {
        for index in (1..list.len()).rev() {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            list.swap(index, (*state >> 33) as usize % (index + 1));
        }
    }
    let (mut evidence, mut state) = (evidence.clone(), seed);
    let measurement = &mut evidence.measurement;
    mix(&mut measurement.dns, &mut state);
    mix(&mut measurement.tcp, &mut state);
    mix(&mut measurement.tls, &mut state);
    mix(&mut measurement.http, &mut state);
    mix(&mut measurement.quic, &mut state);
    for exchange in &mut measurement.dns {
        mix(&mut exchange.answers, &mut state);
    }
    mix(&mut evidence.controls, &mut state);
    for control in &mut evidence.controls {
        mix(&mut control.endpoints, &mut state);
        mix(&mut control.quic, &mut state);
    }
    if let Some(canaries) = &mut evidence.canaries {
        mix(&mut canaries.results, &mut state);
        canaries.results.iter_mut().for_each(|result| mix(&mut result.resolvers, &mut state));
    }
    evidence
}

fn verdict(evidence: &Evidence) -> Verdict {
    judge(evidence, &Knowledge::new(Vec::new()), "KZ".parse().unwrap())
}

proptest! {
    #[test]
    fn order_does_not_matter(story in prop_oneof![whole(), reached()], seed in any::<u64>()) {
        let other = shuffled(&story.evidence, seed);
        prop_assert_eq!(verdict(&story.evidence), verdict(&other));
        let canaries = story.evidence.canaries.clone();
        let mut mixed = story.clone();
        mixed.evidence = other;
        prop_assert_eq!(
            story.needs_second_opinion(canaries.as_ref()),
            mixed.needs_second_opinion(mixed.evidence.canaries.as_ref())
        );
    }

    #[test]
    fn a_part_never_stands_for_the_whole(story in prop_oneof![whole(), reached()]) {
        let whole = verdict(&story.evidence);
        if !whole.partial.is_empty() {
            prop_assert!(matches!(whole.status, Status::Accessible | Status::Denied), "{:?}", whole);
            prop_assert!(story.needs_second_opinion(story.evidence.canaries.as_ref()), "{:?}", whole);
        }
        for partial in &whole.partial {
            prop_assert!((0.0..=1.0).contains(&partial.confidence) && partial.confidence > 0.0);
            prop_assert!(!partial.reason.chars().any(char::is_control) && partial.reason.chars().count() <= 1000);
        }
        // QUIC bears on nothing but its own entry.
        let mut without = story.evidence.clone();
        without.measurement.quic.clear();
        let without = verdict(&without);
        let rest = whole.partial.iter().filter(|partial| partial.scope != PartialScope::Quic).cloned().collect();
        prop_assert_eq!(Verdict { partial: rest, ..whole }, without);
    }

    #[test]
    fn what_no_canary_gets_over_is_no_ones_fault(story in prop_oneof![whole(), reached()]) {
        let mut masked = story.evidence.clone();
        for result in masked.canaries.iter_mut().flat_map(|report| &mut report.results) {
            result.families.retain(|family| *family == AddressFamily::Ipv4);
            (result.quic, result.resolvers) = (None, Vec::new());
        }
        for partial in verdict(&masked).partial {
            // Two answers to one question are nobody's chance.
            let proven = partial.mechanism == Mechanism::DnsInjected;
            let masked = matches!(partial.scope, PartialScope::Quic | PartialScope::Resolver);
            prop_assert!(proven || !masked, "{:?}", partial);
            // A certificate that came over IPv6 shows that IPv6 works; two answers may well name IPv6 addresses.
            let shown = proven || partial.mechanism == Mechanism::TlsMitm;
            prop_assert!(shown || !partial.reason.contains(SIX), "{:?}", partial);
        }
    }

    #[test]
    fn an_authentic_own_success_is_never_outvoted(
        steps in prop::collection::vec(step(), 0..12),
        asides in prop::collection::vec(aside(), 0..6),
        status in prop::sample::select(&[200u16, 403, 404, 451, 500][..]),
    ) {
        // An address of its own, so that no earlier step already says otherwise of it; hop 0 only.
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Then(_))).collect();
        let mut story = told(URLS[0], steps);
        story.evidence.measurement.http.clear();
        // Speed is no content: valid TLS does not vouch for it.
        let asides = asides.into_iter().filter(|aside| !matches!(aside, Aside::Paces(..))).collect();
        let story = beside(story.own(&["185.15.0.77"]).at("185.15.0.77", At::Page(page(status))), asides);
        let verdict = verdict(&story.evidence);
        prop_assert!(matches!(verdict.status, Status::Accessible | Status::Denied), "{:?}", verdict);
    }

    #[test]
    fn alone_nothing_is_blocked_by_comparison(story in seen()) {
        let verdict = verdict(&story.evidence);
        prop_assert!(verdict.status != Status::Blocked || verdict.strength == Strength::SelfProving, "{:?}", verdict);
    }

    #[test]
    fn while_all_canaries_fail_only_proof_blocks(story in seen(), with in prop::collection::vec(aside(), 0..4), failure in failure()) {
        let with = with.into_iter().filter(|aside| !matches!(aside, Aside::Online | Aside::Home)).collect();
        let story = beside(story, with).no_world(failure);
        let verdict = verdict(&story.evidence);
        prop_assert!(verdict.status != Status::Blocked || verdict.strength == Strength::SelfProving, "{:?}", verdict);
    }

    #[test]
    fn every_verdict_is_within_bounds(story in whole()) {
        let verdict = verdict(&story.evidence);
        prop_assert!((0.0..=1.0).contains(&verdict.confidence) && (0.0..=1.0).contains(&verdict.weight));
        prop_assert_eq!(verdict.mechanism.is_some(), verdict.status == Status::Blocked);
        prop_assert!(!verdict.reasons.is_empty() && verdict.reasons.len() <= 16);
        for reason in &verdict.reasons {
            prop_assert!(!reason.chars().any(char::is_control) && reason.chars().count() <= 1000, "{}", reason);
        }
    }

    #[test]
    fn quoting_bounds_any_text(text in any::<String>()) {
        let quoted = super::quoted(&text);
        prop_assert!(quoted.chars().count() <= 122);
        prop_assert!(!quoted.chars().any(char::is_control));
    }
}

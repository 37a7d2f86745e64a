//! What must hold for any evidence, however odd.

use proptest::prelude::*;

use super::testing::*;
use super::{Knowledge, judge, needs_second_opinion};
use crate::model::*;

const ADDRESSES: &[&str] = &[SITE, EDGE, LIAR, "10.10.34.35", "2a02:6b8::1", "127.0.0.1"];
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
        (a_pace(), a_pace(), a_pace()).prop_map(|(usual, control, canary)| Aside::Paces(usual, control, canary)),
    ]
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
    })
}

fn beside(story: Story, asides: Vec<Aside>) -> Story {
    asides.into_iter().fold(story, |story, aside| match aside {
        Aside::Works(page) => story.control_sees(&page),
        Aside::Fails(failure) => story.control_fails(failure),
        Aside::Dead => story.control_dead(),
        Aside::Online => story.online(),
        Aside::NoWorld(failure) => story.no_world(failure),
        Aside::Home => story.home(),
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
    (seen(), prop::collection::vec(aside(), 0..6)).prop_map(|(story, asides)| beside(story, asides))
}

/// Moves every list of observations round and about, by one seed.
fn shuffled(evidence: &Evidence, seed: u64) -> Evidence {
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
    for exchange in &mut measurement.dns {
        mix(&mut exchange.answers, &mut state);
    }
    mix(&mut evidence.controls, &mut state);
    if let Some(canaries) = &mut evidence.canaries {
        mix(&mut canaries.results, &mut state);
    }
    evidence
}

fn verdict(evidence: &Evidence) -> Verdict {
    judge(evidence, &Knowledge::new(Vec::new()), "KZ".parse().unwrap())
}

proptest! {
    #[test]
    fn order_does_not_matter(story in whole(), seed in any::<u64>()) {
        let other = shuffled(&story.evidence, seed);
        prop_assert_eq!(verdict(&story.evidence), verdict(&other));
        prop_assert_eq!(
            needs_second_opinion(&story.evidence.measurement, story.evidence.baseline.as_ref()),
            needs_second_opinion(&other.measurement, other.baseline.as_ref())
        );
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

//! One case or more for every rule, and near misses: evidence that lacks one thing.

mod cases;
mod throttle;

use super::rule_table;
use super::testing::*;
use crate::model::*;

const URL: &str = "https://fergana.media/";
const CLEAR: &str = "http://fergana.media/";

/// The own resolver tells the truth.
fn site() -> Story {
    story(URL).own(&[SITE]).reference(&[SITE])
}

fn clear() -> Story {
    story(CLEAR).own(&[SITE]).reference(&[SITE])
}

/// One thing happens at the site's address; control and canary are fine.
fn here(what: At) -> Story {
    site().at(SITE, what).control_works().online()
}

fn clear_page(page: Page) -> Story {
    clear().at(SITE, At::Page(page)).control_works().online()
}

/// The own resolver misbehaves; the site proves itself at an address that only the reference gave.
fn proven(own: Story) -> Story {
    own.reference(&[SITE]).elsewhere(SITE, At::Page(page(200)))
}

fn own_fails(failure: Failure) -> Story {
    proven(story(URL).own_fails(failure))
}

/// What it is, the evidence, the country, our verdict on it: for the tests of rooms that carry evidence elsewhere and back.
pub(crate) fn judged_cases() -> Vec<(&'static str, Evidence, CountryCode, Verdict)> {
    let judged = |(what, story, _): (_, Story, _)| (what, story.evidence.clone(), story.country, story.verdict());
    cases::all().into_iter().map(judged).collect()
}

/// The own resolver answers twice.
fn twice(first: DnsAnswer, second: DnsAnswer) -> Story {
    story(URL).own_answers(vec![first, second]).reference(&[SITE])
}

const BLOCKED_BY: &str = r#"<https://isp.example/>; rel="blocked-by""#;

/// The clear-text URL sends on to another, where this page is.
fn moved(url: &'static str, page: Page) -> Story {
    clear_page(self::page(301).to(url)).then(url).own(&[EDGE]).at(EDGE, At::Page(page))
}

fn ends_at(report: &mut ControlReport, url: &str) {
    report.http.as_mut().unwrap().final_url = Some(url.parse().unwrap());
}

fn here_offline() -> Story {
    site().at(SITE, At::Tls(Failure::GenericTimeout)).control_works().no_world(Failure::GenericTimeout)
}

fn unproven_dns(failure: Failure) -> Story {
    story(URL)
        .own_fails(failure)
        .reference(&[SITE])
        .elsewhere(SITE, At::Tls(Failure::GenericTimeout))
        .control_works()
        .online()
}

fn endpoint(report: &mut ControlReport, tcp_failure: Option<Failure>) {
    let address = format!("{SITE}:443").parse().unwrap();
    report.endpoints.push(ControlEndpoint { address, tcp_failure, tls_tried: false, tls_failure: None });
}

fn connects(report: &mut ControlReport) {
    report.endpoints.push(ControlEndpoint {
        address: format!("{SITE}:443").parse().unwrap(),
        tcp_failure: None,
        tls_tried: true,
        tls_failure: Some(Failure::GenericTimeout),
    });
}

impl Story {
    fn reference_fails_locally(mut self) -> Self {
        self = self.reference_fails(Failure::NetworkUnreachable);
        self.evidence.measurement.dns.last_mut().unwrap().answers.clear();
        self
    }
}

#[test]
fn every_case_is_decided_by_the_rule_expected() {
    assert_decided(&cases::all());
}

#[test]
fn every_rule_is_hit_and_known() {
    let all = cases::all().into_iter().chain(super::experiment_tests::cases()).chain(throttle::cases());
    let hit: std::collections::BTreeSet<&str> = all.map(|(_, _, rule)| rule).collect();
    let known: std::collections::BTreeSet<&str> = rule_table().iter().map(|rule| rule.id).collect();
    assert_eq!(known.len(), rule_table().len(), "an id is used twice");
    assert_eq!(hit, known);
}

#[test]
fn rules_keep_the_meaning_of_status_strength_and_weight() {
    for rule in rule_table() {
        assert!((0.0..=1.0).contains(&rule.confidence) && (0.0..=1.0).contains(&rule.weight), "{}", rule.id);
        assert_eq!(rule.mechanism.is_some(), rule.status == Status::Blocked, "{}", rule.id);
        if rule.status == Status::Blocked {
            assert!(rule.strength != Strength::Weak && rule.weight > 0.0, "{}", rule.id);
        }
        if rule.status == Status::Inconclusive {
            assert_eq!((rule.confidence, rule.weight, rule.strength), (0.0, 0.0, Strength::Weak), "{}", rule.id);
        }
    }
}

#[test]
fn no_reason_is_empty_or_carries_control_characters() {
    for (what, story, _) in cases::all().into_iter().chain(throttle::cases()) {
        let reasons = story.verdict().reasons;
        assert!(!reasons.is_empty(), "{what}");
        for reason in reasons {
            assert!(!reason.is_empty() && !reason.contains("  ") && reason.ends_with(['.', '”']), "{what}: {reason}");
            assert!(!reason.chars().any(char::is_control), "{what}: {reason}");
        }
    }
}

#[test]
fn the_usual_case_reads_like_an_explanation() {
    let verdict = here(At::Tls(Failure::GenericTimeout)).verdict();
    assert_eq!(verdict.mechanism, Some(Mechanism::TlsTimeout));
    assert_eq!((verdict.confidence, verdict.weight), (0.9, 0.9));
    assert_eq!(
        verdict.reasons,
        [
            "185.15.0.1:443 accepted the connection, but after the encrypted greeting that names fergana.media nothing came back for 10.0 s.",
            "The control berlin got an answer from the site (status 200) at 2026-11-24T20:00:05.000Z.",
            "1 of 1 foreign canaries answered.",
        ]
    );
    let control = verdict.control.unwrap();
    assert_eq!((control.id.as_str(), control.status), ("berlin", Status::Accessible));
}

#[test]
fn a_lying_resolver_reads_like_an_explanation() {
    let verdict = proven(story(URL).own_denies(3, None)).verdict();
    assert_eq!(
        verdict.reasons,
        [
            "The name server of this network (system) answered that fergana.media does not exist.",
            "Cloudflare's encrypted resolver gave 1 address (185.15.0.1).",
            "At 185.15.0.1:443, which only the reference gave, fergana.media proved itself with a valid certificate.",
            "The answer bears no zone that says so, as a true one does.",
        ]
    );
}

#[test]
fn what_misbehaves_beside_an_authentic_answer_is_told() {
    let story = site().resolver_fails("udp://9.9.9.9:53", Failure::DnsNxdomain);
    let reasons = story.at(EDGE, At::Tls(Failure::GenericTimeout)).at(SITE, At::Page(page(200))).verdict().reasons;
    assert!(reasons.iter().any(|reason| reason.contains("udp://9.9.9.9:53 answered that")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("1 of the 2 addresses")), "{reasons:?}");
}

#[test]
fn disagreeing_controls_count_less() {
    let story = here(At::Tls(Failure::ConnectionReset));
    let (alone, divided) = (story.verdict(), story.clone().control_fails(Failure::GenericTimeout).verdict());
    assert_eq!(divided.status, Status::Blocked);
    assert!(divided.weight < alone.weight && divided.confidence < alone.confidence);
    let broken = site().at(SITE, At::Tls(Failure::ConnectionReset)).control_sees(&page(503)).online().verdict();
    assert!(broken.weight < alone.weight);
}

#[test]
fn ranges_that_are_allowed_count_as_public() {
    let story = site().at(SITE, At::Page(page(200)));
    let lab = super::Knowledge::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let country = "KZ".parse().unwrap();
    let own = self::story(URL).own(&["10.1.1.1"]).reference(&["10.1.1.1"]);
    let timeout = own.at("10.1.1.1", At::Tls(Failure::GenericTimeout)).control_works().online();
    assert_eq!(super::judge(&timeout.evidence, &lab, country).mechanism, Some(Mechanism::TlsTimeout));
    assert_eq!(super::judge(&story.evidence, &lab, country).status, Status::Accessible);
}

#[test]
fn only_a_plain_authentic_success_needs_no_second_opinion() {
    let needs = |story: Story| story.needs_second_opinion(None);
    assert!(!needs(site().at(SITE, At::Page(page(200)))));
    assert!(!needs(clear().at(SITE, redirect(URL)).then(URL).own(&[SITE]).at(SITE, At::Page(page(200)))));
    assert!(needs(clear().at(SITE, At::Page(page(200)))));
    assert!(needs(site().at(SITE, At::Page(page(403)))));
    assert!(needs(site().at(SITE, At::Tls(Failure::GenericTimeout))));
    assert!(needs(own_fails(Failure::DnsNxdomain)));
    assert!(needs(site().at(SITE, At::Cert(Chain::KnownCa))));
    assert!(needs(story(URL)));
}

#[test]
fn a_site_that_lives_at_another_address_counts_less() {
    let own = story(URL).own(&[EDGE]).reference(&[EDGE, SITE]).at(EDGE, At::Tls(Failure::ConnectionReset));
    let lost = own.clone().elsewhere(SITE, At::Tls(Failure::ConnectionReset)).control_works().online().verdict();
    let alive = own.elsewhere(SITE, At::Page(page(200))).control_works().online().verdict();
    assert_eq!((lost.mechanism, alive.mechanism), (Some(Mechanism::TlsReset), Some(Mechanism::TlsReset)));
    assert!(alive.weight < lost.weight);
}

#[test]
fn a_line_that_loses_packets_makes_less_sure() {
    let silent = || site().at(SITE, At::Tls(Failure::GenericTimeout)).control_works().online();
    let weight = |story: Story| story.verdict().weight;
    let all = weight(silent().online().online());
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let lost = Failure::GenericTimeout;
    assert!(near(weight(silent().online().no_world(lost.clone())), all * 0.5), "one of three");
    assert!(near(weight(silent().no_world(lost.clone())), all * 0.15), "one of two");
    assert!(near(weight(silent().no_world(lost.clone()).no_world(lost)), all * 0.15), "two of three");
}

/// The prober refuses addresses of its own machine, which the judge cannot know.
#[test]
fn a_public_address_that_was_not_dialled_is_no_block() {
    let moved = || clear_page(page(301).to("https://x.example/")).then("https://x.example/");
    for (what, story) in [
        ("https", site().bogon(SITE).control_works().online()),
        ("http", clear().bogon(SITE).control_works().online()),
        ("no control", site().bogon(SITE).online()),
        ("one of two", story(URL).own(&[SITE, EDGE]).reference(&[SITE, EDGE]).bogon(EDGE).control_works().online()),
        ("a redirect", moved().own(&[EDGE]).reference(&[EDGE]).bogon(EDGE).control_works().online()),
        ("a redirect without a reference", moved().own(&[EDGE]).bogon(EDGE).control_works().online()),
    ] {
        let verdict = story.verdict();
        assert_eq!(verdict.status, Status::Inconclusive, "{what}: {verdict:?}");
        assert!(verdict.partial.is_empty(), "{what}: {verdict:?}");
    }
}

//! One case or more for every rule on a part, and near misses: evidence that lacks one thing.

use super::*;
use crate::judge::properties::shuffled;
use crate::judge::testing::*;
use crate::model::Failure::*;

const URL: &str = "https://fergana.media/";
const OTHER: &str = "udp://9.9.9.9:53";
const OLD: &str = "2a02:6b8::2";

/// A site with an address of each family; this one of the two answers.
fn site(answering: &str) -> Story {
    story(URL).own(&[SITE]).own(&[SIX]).reference(&[SITE]).reference(&[SIX]).at(answering, At::Page(page(200)))
}

/// IPv4 answers; something happens over IPv6.
fn six(what: At) -> Story {
    site(SITE).at(SIX, what)
}

/// A control gets through at this address, canaries are reached over both families.
fn borne_out(story: Story, address: &str) -> Story {
    story.control_works().endpoint(address, None, None).online().over(BOTH)
}

/// Another address of IPv4 beside one that answers.
fn edge(what: At) -> Story {
    story(URL).own(&[SITE, EDGE]).at(SITE, At::Page(page(200))).at(EDGE, what)
}

fn resolvers(second: impl FnOnce(Story) -> Story) -> Story {
    second(story(URL).own(&[SITE]).reference(&[SITE]).at(SITE, At::Page(page(200)))).online().served_by(OTHER)
}

fn greeted(failure: Option<Failure>) -> Story {
    story(URL).own(&[SITE]).at(SITE, At::Page(page(200))).quic(SITE, failure).control_works().online().canary_quic(None)
}

/// (what it is, evidence, rules and mechanisms expected)
type Case = (&'static str, Story, &'static [(&'static str, Mechanism)]);

fn cases() -> Vec<Case> {
    use Mechanism as M;
    let swallowed = || six(At::Tcp(GenericTimeout));
    let silent = || greeted(Some(GenericTimeout));
    vec![
        ("all is well", borne_out(six(At::Ready), SIX), &[]),
        // IPv6.
        ("IPv6 swallowed", borne_out(swallowed(), SIX), &[("partial.ipv6", M::TcpTimeout)]),
        ("IPv6 reset in TLS", borne_out(six(At::Tls(ConnectionReset)), SIX), &[("partial.ipv6", M::TlsReset)]),
        ("a stranger over IPv6", borne_out(six(At::Cert(Chain::Stranger)), SIX), &[("partial.ipv6", M::TlsMitm)]),
        (
            "the deepest of two failures over IPv6",
            borne_out(six(At::Tls(Eof)).at(OLD, At::Tcp(ConnectionRefused)), SIX).endpoint(OLD, None, None),
            &[("partial.ipv6", M::TlsEof)],
        ),
        (
            "only where the control gets through",
            borne_out(six(At::Tls(Eof)).at(OLD, At::Tcp(ConnectionRefused)), OLD),
            &[("partial.ipv6", M::TcpRefused)],
        ),
        ("IPv6 out of date", borne_out(six(At::Cert(Chain::Expired)), SIX), &[]),
        ("IPv6 cut off by ourselves", borne_out(six(At::Tcp(Interrupted)), SIX), &[]),
        ("no control tried that address", swallowed().control_works().online().over(BOTH), &[]),
        (
            "the control fails there too",
            swallowed().control_works().endpoint(SIX, Some(GenericTimeout), None).online().over(BOTH),
            &[],
        ),
        (
            "the control connects and gets no TLS",
            swallowed().control_works().endpoint(SIX, None, Some(GenericTimeout)).online().over(BOTH),
            &[],
        ),
        (
            "the control is unusable",
            borne_out(swallowed(), SIX).whose(|report| report.unusable = Some(ProxyFailed)),
            &[],
        ),
        ("no canary over IPv6", borne_out(swallowed(), SIX).over(&[AddressFamily::Ipv4]), &[]),
        ("canaries that do not tell", borne_out(swallowed(), SIX).over(&[]), &[]),
        (
            "only a domestic canary over IPv6",
            swallowed().control_works().endpoint(SIX, None, None).online().home().over(BOTH),
            &[],
        ),
        ("no canary at all", swallowed().control_works().endpoint(SIX, None, None), &[]),
        (
            "nothing works: that is no part",
            borne_out(story(URL).own(&[SITE]).own(&[SIX]).at(SITE, At::Tls(Eof)).at(SIX, At::Tcp(Eof)), SIX),
            &[],
        ),
        // IPv4.
        (
            "IPv4 swallowed",
            borne_out(site(SIX).at(SITE, At::Tls(GenericTimeout)), SITE),
            &[("partial.ipv4", M::TlsTimeout)],
        ),
        (
            "IPv4 of an IPv6-only vantage",
            borne_out(site(SIX).at(SITE, At::Tcp(NetworkUnreachable)), SITE).over(&[AddressFamily::Ipv6]),
            &[],
        ),
        // One address.
        (
            "one address swallowed",
            borne_out(edge(At::Tcp(GenericTimeout)), EDGE),
            &[("partial.address", M::TcpTimeout)],
        ),
        (
            "one address of a site that refuses us",
            borne_out(
                story(URL).own(&[SITE, EDGE]).at(SITE, At::Page(page(451))).at(EDGE, At::Tls(ConnectionReset)),
                EDGE,
            ),
            &[("partial.address", M::TlsReset)],
        ),
        ("one dead address", edge(At::Tcp(GenericTimeout)).control_works().online(), &[]),
        (
            "an address that only the reference gave",
            borne_out(story(URL).own(&[SITE]).at(SITE, At::Page(page(200))).elsewhere(EDGE, At::Tcp(Eof)), EDGE),
            &[],
        ),
        // One resolver.
        (
            "one resolver denies the name",
            resolvers(|story| story.resolver_fails(OTHER, DnsNxdomain)),
            &[("partial.resolver", M::DnsNxdomain)],
        ),
        (
            "one resolver is silent",
            resolvers(|story| story.resolver_fails(OTHER, GenericTimeout)),
            &[("partial.resolver", M::DnsTimeout)],
        ),
        (
            "one resolver gives a bogon",
            resolvers(|story| story.resolver_gives(OTHER, &["10.1.1.1"]).bogon("10.1.1.1")),
            &[("partial.resolver", M::DnsBogon)],
        ),
        (
            "one resolver gives a sinkhole",
            resolvers(|story| story.country("IR").resolver_gives(OTHER, &["10.10.34.35"])),
            &[("partial.resolver", M::DnsBlockpage)],
        ),
        (
            "one resolver leads to a stranger",
            resolvers(|story| story.resolver_gives(OTHER, &[LIAR]).at(LIAR, At::Cert(Chain::WrongName))),
            &[("partial.resolver", M::DnsForged)],
        ),
        (
            "one resolver leads to another server of the site",
            resolvers(|story| story.resolver_gives(OTHER, &[EDGE]).at(EDGE, At::Ready)),
            &[],
        ),
        (
            "one resolver leads to a dead server",
            resolvers(|story| story.resolver_gives(OTHER, &[EDGE]).at(EDGE, At::Tcp(GenericTimeout))),
            &[],
        ),
        (
            "a resolver that serves no one",
            resolvers(|story| story.resolver_fails(OTHER, DnsNxdomain)).whose_canary(|result| result.resolvers.clear()),
            &[],
        ),
        ("a resolver that could not be asked", resolvers(|story| story.resolver_fails(OTHER, Interrupted)), &[]),
        (
            "two answers, and the relay behind the forged one shows the site",
            twice().at(LIAR, At::Page(page(200))).at(SITE, At::Ready).control_works().online(),
            &[("partial.injected", M::DnsInjected)],
        ),
        (
            "two answers of the site's own",
            story(URL)
                .own_answers(vec![answer(0, &[SITE], 1), answer(0, &[OLD], 40)])
                .reference(&[SITE, OLD])
                .at(SITE, At::Page(page(200)))
                .at(OLD, At::Ready)
                .control_works()
                .online(),
            &[],
        ),
        // QUIC.
        ("QUIC works", greeted(None).control_quic(None), &[]),
        ("QUIC swallowed", silent().control_quic(None), &[("partial.quic", M::QuicTimeout)]),
        ("QUIC refused", greeted(Some(ConnectionRefused)).control_quic(None), &[]),
        ("QUIC swallowed for the control too", silent().control_quic(Some(GenericTimeout)), &[]),
        ("QUIC swallowed, no control tried", silent(), &[]),
        ("QUIC swallowed, but not this morning", silent().last_good(6), &[("partial.quic", M::QuicTimeout)]),
        ("QUIC swallowed, but not last week", silent().last_good(168), &[]),
        (
            "better days count for nothing when the control fails",
            silent().last_good(6).control_quic(Some(GenericTimeout)),
            &[],
        ),
        ("UDP is closed for all", silent().control_quic(None).canary_quic(Some(GenericTimeout)), &[]),
        ("no canary speaks QUIC", silent().control_quic(None).whose_canary(|result| result.quic = None), &[]),
        ("QUIC works at a like address", silent().quic(EDGE, None).control_quic(None), &[]),
        (
            "QUIC at an address where TLS fails too",
            edge(At::Tcp(GenericTimeout))
                .quic(EDGE, Some(GenericTimeout))
                .control_works()
                .control_quic(None)
                .online()
                .canary_quic(None),
            &[],
        ),
        (
            "QUIC and IPv6 at once",
            borne_out(six(At::Tcp(GenericTimeout)).quic(SITE, Some(GenericTimeout)), SIX)
                .control_quic(None)
                .canary_quic(None),
            &[("partial.ipv6", M::TcpTimeout), ("partial.quic", M::QuicTimeout)],
        ),
    ]
}

/// In clear text: the forged answer first, the true one after it.
fn twice() -> Story {
    story("http://fergana.media/").own_answers(vec![answer(0, &[LIAR], 1), answer(0, &[SITE], 40)]).reference(&[SITE])
}

fn of(verdict: &crate::model::Verdict) -> Vec<(String, Mechanism)> {
    verdict.partial.iter().map(|partial| (partial.rule.to_string(), partial.mechanism)).collect()
}

#[test]
fn every_case_gives_the_entries_expected() {
    for (what, story, expected) in cases() {
        let verdict = story.verdict();
        let expected: Vec<(String, Mechanism)> =
            expected.iter().map(|(rule, mechanism)| ((*rule).to_owned(), *mechanism)).collect();
        assert_eq!(of(&verdict), expected, "{what}: {:#?}", verdict);
        if !expected.is_empty() {
            assert!(matches!(verdict.status, Status::Accessible | Status::Denied), "{what}");
            assert!(story.needs_second_opinion(story.evidence.canaries.as_ref()), "{what}: it would not be asked for");
        }
    }
}

#[test]
fn the_order_of_records_changes_no_entry() {
    for (what, story, _) in cases() {
        let entries = story.verdict().partial;
        for seed in 1..20 {
            let mut mixed = story.clone();
            mixed.evidence = shuffled(&story.evidence, seed);
            assert_eq!(mixed.verdict().partial, entries, "{what}, seed {seed}");
        }
    }
}

#[test]
fn every_rule_is_hit_and_known() {
    let hit: std::collections::BTreeSet<&str> =
        cases().iter().flat_map(|(_, _, expected)| expected.iter().map(|(rule, _)| *rule)).collect();
    let known: std::collections::BTreeSet<&str> = partial_table().iter().map(|rule| rule.id).collect();
    assert_eq!((hit, known.len()), (known, partial_table().len()));
    for rule in partial_table() {
        assert!(rule.id == format!("partial.{}", rule.scope) || rule.id == "partial.injected", "{}", rule.id);
    }
}

#[test]
fn weaker_evidence_makes_less_sure() {
    let confidence = |story: Story| story.verdict().partial[0].confidence;
    let sure = || borne_out(six(At::Tcp(GenericTimeout)), SIX);
    let divided = sure().control_fails(GenericTimeout).endpoint(SIX, Some(GenericTimeout), None);
    assert!(confidence(divided) < confidence(sure()));
    let silent = || greeted(Some(GenericTimeout));
    assert!(confidence(silent().last_good(1)) < confidence(silent().control_quic(None)));
}

#[test]
fn a_vantage_without_ipv6_quic_or_that_resolver_asks_nobody() {
    let asks = |story: &Story, latest: Option<&crate::model::CanaryReport>| story.needs_second_opinion(latest);
    let canaries = |story: Story| story.evidence.canaries;
    let working = canaries(story(URL).online().over(BOTH).canary_quic(None).served_by(OTHER));
    let broken = canaries(story(URL).online().over(&[AddressFamily::Ipv4]).canary_quic(Some(GenericTimeout)));
    for suspect in [
        six(At::Tcp(GenericTimeout)),
        greeted(Some(GenericTimeout)),
        resolvers(|story| story.resolver_fails(OTHER, GenericTimeout)),
    ] {
        assert!(asks(&suspect, working.as_ref()));
        assert!(!asks(&suspect, broken.as_ref()) && !asks(&suspect, None), "{suspect:#?}");
    }
    let address = edge(At::Tcp(GenericTimeout));
    assert!(asks(&address, None) && asks(&address, broken.as_ref()), "IPv4 is taken to work");
}

#[test]
fn entries_read_like_an_explanation() {
    let reason = |story: Story| story.verdict().partial.remove(0).reason;
    assert_eq!(
        reason(borne_out(six(At::Tcp(GenericTimeout)), SIX)),
        "fergana.media works over IPv4 and fails over IPv6. A connection to [2a02:6b8::1]:443 (fergana.media) got no \
         answer within 40 ms. The control berlin gets through at [2a02:6b8::1]:443."
    );
    assert_eq!(
        reason(greeted(Some(GenericTimeout)).control_quic(None)),
        "fergana.media offers HTTP/3, but over QUIC nothing came back from 185.15.0.1:443 within 10.0 s, while TLS works \
         there. The control berlin is greeted over QUIC. A foreign canary is greeted over QUIC from here."
    );
    assert_eq!(
        reason(resolvers(|story| story.resolver_fails(OTHER, DnsNxdomain))),
        "The name server udp://9.9.9.9:53 answered that fergana.media does not exist. It serves other names. The name \
         server of this network (system) gave an address where fergana.media proves itself."
    );
}

//! What experiments prove, what they do not, and what they say beside another rule.

use std::time::Duration;

use proptest::prelude::*;

use super::rule_table;
use super::testing::*;
use crate::model::*;

const URL: &str = "https://fergana.media/";
const CLEAR: &str = "http://fergana.media/";
const CANARY: &str = "208.80.154.224";

/// (address, what the suspect met, what the variant met, minutes before the measurement)
fn pair(
    kind: ExperimentKind,
    layer: Layer,
    address: &str,
    suspect: Option<Failure>,
    variant: Option<Failure>,
    ago: u64,
) -> Experiment {
    let started: Timestamp = "2026-11-24T20:00:00Z".parse().unwrap();
    let at =
        if ago == 0 { started.plus(Duration::from_secs(12)) } else { started.minus(Duration::from_secs(ago * 60)) };
    let port = if layer == Layer::Http { 80 } else { 443 };
    let attempt = |name: &str, failure: Option<Failure>| Attempt {
        answer: None,
        name: name.into(),
        address: Some(std::net::SocketAddr::new(address.parse().unwrap(), port)),
        resolver: None,
        at,
        elapsed: Elapsed::from_micros(40_000),
        layer: failure.is_some().then_some(layer),
        failure,
    };
    Experiment {
        kind,
        canary: None,
        suspect: attempt("fergana.media", suspect),
        variant: attempt("example.org", variant),
    }
}

fn sni(suspect: Option<Failure>, variant: Option<Failure>, ago: u64) -> Experiment {
    pair(ExperimentKind::UnrelatedSni, Layer::Tls, SITE, suspect, variant, ago)
}

fn elsewhere(suspect: Option<Failure>, variant: Option<Failure>, ago: u64) -> Experiment {
    pair(ExperimentKind::SniElsewhere, Layer::Tls, CANARY, suspect, variant, ago)
}

fn host(suspect: Option<Failure>, variant: Option<Failure>, ago: u64) -> Experiment {
    pair(ExperimentKind::OtherHost, Layer::Http, SITE, suspect, variant, ago)
}

/// Clear-text requests at the addresses of two canaries in turn: what the site's name got there, and what the other one
/// got.
fn answers(suspect: &str, variant: &str) -> Vec<Experiment> {
    let one = |(ago, canary): (u64, &str)| {
        let mut pair = pair(ExperimentKind::HostElsewhere, Layer::Http, CANARY, None, None, ago);
        pair.canary = Some(canary.into());
        (pair.suspect.answer, pair.variant.answer) = (Some(suspect.into()), Some(variant.into()));
        pair
    };
    [(9, "one.example"), (4, "two.example"), (0, "one.example")].map(one).to_vec()
}

/// The same, where the request for the site fails and the other one is answered.
fn breaks(layer: Layer, failure: &Failure) -> Vec<Experiment> {
    let mut pairs = answers("", "301 to itself: ");
    for suspect in pairs.iter_mut().map(|pair| &mut pair.suspect) {
        (suspect.answer, suspect.failure, suspect.layer) = (None, Some(failure.clone()), Some(layer));
    }
    pairs
}

/// All pairs at the address of one canary.
fn one_canary(mut story: Story) -> Story {
    story.evidence.experiments.iter_mut().for_each(|pair| pair.canary = Some("one.example".into()));
    story
}

/// The latest pair is older than the measurement.
fn stale(mut pairs: Vec<Experiment>) -> Vec<Experiment> {
    let before = pairs[1].suspect.at;
    (pairs[2].suspect.at, pairs[2].variant.at) = (before, before);
    pairs
}

/// The site's own page in clear text, and no control to compare it with.
fn healthy_alone() -> Story {
    story(CLEAR).own(&[SITE]).reference(&[SITE]).at(SITE, At::Page(page(200))).online()
}

/// The first answer comes at a canary's address as well, and only for the site's name.
fn by_name(story: Story) -> Story {
    let here = answer_in_short(&story.evidence.measurement.http[0]).unwrap();
    with(story, [answers(&here, "301 to itself: ")])
}

fn clear_page() -> Story {
    story(CLEAR).own(&[SITE]).reference(&[SITE]).at(SITE, At::Page(page(200))).control_works().online()
}

/// A page of somebody in clear text, while the control gets the site's.
fn shown() -> Story {
    story(CLEAR)
        .own(&[SITE])
        .reference(&[SITE])
        .at(SITE, At::Page(stranger(200).titled("Access restricted")))
        .control_works()
        .online()
}

/// Three of them, the last with the measurement itself.
fn thrice(make: fn(Option<Failure>, Option<Failure>, u64) -> Experiment, failure: &Failure) -> Vec<Experiment> {
    [9, 4, 0].map(|ago| make(Some(failure.clone()), None, ago)).to_vec()
}

fn with(mut story: Story, pairs: impl IntoIterator<Item = Vec<Experiment>>) -> Story {
    story.evidence.experiments = pairs.into_iter().flatten().collect();
    story
}

/// The site's address fails so at the TLS handshake, and there is no control.
fn alone(failure: &Failure) -> Story {
    story(URL).own(&[SITE]).reference(&[SITE]).at(SITE, At::Tls(failure.clone())).online()
}

fn clear(failure: &Failure) -> Story {
    story(CLEAR).own(&[SITE]).reference(&[SITE]).at(SITE, At::Http(failure.clone())).online()
}

pub(super) fn cases() -> Vec<(&'static str, Story, &'static str)> {
    use Failure::*;
    let silence = || alone(&GenericTimeout);
    let good = || thrice(sni, &GenericTimeout);
    let spoilt = |suspect, variant| [good(), vec![sni(suspect, variant, 20)]].concat();
    let named = |name: &str| {
        let mut pairs = good();
        pairs.iter_mut().for_each(|pair| pair.suspect.name = name.into());
        pairs
    };
    let of_layer = |layer| {
        let mut pairs = good();
        pairs.iter_mut().for_each(|pair| pair.suspect.layer = Some(layer));
        pairs
    };
    vec![
        ("swallowed by name", with(silence(), [good()]), "tls.timeout.sni"),
        ("reset by name", with(alone(&ConnectionReset), [thrice(sni, &ConnectionReset)]), "tls.reset.sni"),
        ("closed by name", with(alone(&Eof), [thrice(sni, &Eof)]), "tls.eof.sni"),
        ("name in capitals", with(silence(), [named("Fergana.MEDIA")]), "tls.timeout.sni"),
        ("and a control works", with(silence().control_works(), [good()]), "tls.timeout.sni"),
        ("a control that cannot be asked", with(silence().control_dead(), [good()]), "tls.timeout.sni"),
        ("a page by name", by_name(shown()), "http.blockpage.host_elsewhere"),
        (
            "a redirect by name",
            by_name(
                story(CLEAR)
                    .own(&[SITE])
                    .reference(&[SITE])
                    .at(SITE, redirect("http://warning.kz/"))
                    .then("http://warning.kz/")
                    .own(&[LIAR])
                    .reference(&[LIAR])
                    .at(LIAR, At::Page(stranger(200)))
                    .control_works()
                    .online(),
            ),
            "http.redirect.host_elsewhere",
        ),
        (
            "at one canary's address only: its server may be the site's too",
            one_canary(by_name(shown())),
            "http.blockpage.differential",
        ),
        ("a healthy site beside a canary in one delivery network", one_canary(by_name(healthy_alone())), "no.control"),
        (
            "a page here, a reset by name elsewhere",
            with(shown(), [breaks(Layer::Http, &ConnectionReset)]),
            "http.blockpage.host_elsewhere",
        ),
        (
            "a page here, silence by name elsewhere",
            with(shown(), [breaks(Layer::Http, &GenericTimeout)]),
            "http.blockpage.host_elsewhere",
        ),
        (
            "a reset by name that is past",
            with(shown(), [stale(breaks(Layer::Http, &ConnectionReset))]),
            "http.blockpage.differential",
        ),
        (
            "no connection at the canary",
            with(shown(), [breaks(Layer::Tcp, &ConnectionReset)]),
            "http.blockpage.differential",
        ),
        (
            "a page that no name calls forth",
            with(shown(), [answers("301 to itself: ", "301 to itself: ")]),
            "http.page.not_by_name",
        ),
        (
            "a page that no name calls forth, twice",
            with(shown(), [answers("301 to itself: ", "301 to itself: ")[1..].to_vec()]),
            "http.blockpage.differential",
        ),
        (
            "the name gets another page elsewhere than here",
            with(shown(), [answers("404 to nowhere: ", "301 to itself: ")]),
            "http.blockpage.differential",
        ),
        (
            "the control's page needs no proof",
            with(clear_page(), [answers("301 to itself: ", "301 to itself: ")]),
            "http.matches_control",
        ),
        // Near misses.
        ("only twice", with(silence(), [good()[1..].to_vec()]), "no.control"),
        (
            "not with this measurement",
            with(silence(), [[30, 20, 10].map(|ago| sni(Some(GenericTimeout), None, ago)).to_vec()]),
            "no.control",
        ),
        (
            "the other name fails too, once",
            with(silence(), [spoilt(Some(GenericTimeout), Some(GenericTimeout))]),
            "no.control",
        ),
        ("the site's name passes, once", with(silence(), [spoilt(None, None)]), "no.control"),
        ("only the other name fails, once", with(silence(), [spoilt(None, Some(Eof))]), "no.control"),
        ("a pair cut off says nothing", with(silence(), [spoilt(Some(Interrupted), None)]), "tls.timeout.sni"),
        (
            "another way of failing counts not against it",
            with(silence(), [spoilt(Some(ConnectionReset), None)]),
            "tls.timeout.sni",
        ),
        ("failing in another way than it was tried", with(alone(&ConnectionReset), [good()]), "no.control"),
        ("an alert proves nothing", with(alone(&SslFailedHandshake), [thrice(sni, &SslFailedHandshake)]), "no.control"),
        ("TCP that fails proves nothing of names", with(silence(), [of_layer(Layer::Tcp)]), "no.control"),
        ("another site's pairs", with(silence(), [named("ratel.kz")]), "no.control"),
        (
            "at addresses that are not the site's any more",
            with(
                silence(),
                [good()
                    .into_iter()
                    .map(|mut pair| {
                        pair.suspect.address = Some("185.15.0.9:443".parse().unwrap());
                        pair
                    })
                    .collect()],
            ),
            "no.control",
        ),
        ("down for the control as well", with(silence().control_fails(GenericTimeout), [good()]), "site.down"),
        ("the name passes elsewhere", with(silence(), [good(), vec![elsewhere(None, None, 3)]]), "no.control"),
        (
            "the name passes elsewhere, and a control works",
            with(silence().control_works(), [good(), vec![elsewhere(None, None, 3)]]),
            "tls.timeout.sni",
        ),
        (
            "the network is away",
            with(alone(&GenericTimeout).control_works().no_world(GenericTimeout), [good()]),
            "tls.timeout.sni",
        ),
        (
            "all canaries fail",
            with(story(URL).own(&[SITE]).at(SITE, At::Tls(GenericTimeout)).no_world(GenericTimeout), [good()]),
            "vantage.offline",
        ),
        (
            "the site proves itself at another address: the name passes",
            with(
                story(URL)
                    .own(&[SITE])
                    .reference(&[EDGE])
                    .at(SITE, At::Tls(GenericTimeout))
                    .elsewhere(EDGE, At::Page(page(200)))
                    .online(),
                [good()],
            ),
            "no.control",
        ),
        (
            "the site works again",
            with(story(URL).own(&[SITE]).at(SITE, At::Page(page(200))), [good()]),
            "tls.authentic",
        ),
        // At an unrelated server.
        ("swallowed elsewhere", with(silence(), [thrice(elsewhere, &GenericTimeout)]), "tls.timeout.sni_elsewhere"),
        (
            "reset elsewhere",
            with(alone(&ConnectionReset), [thrice(elsewhere, &ConnectionReset)]),
            "tls.reset.sni_elsewhere",
        ),
        ("closed elsewhere", with(alone(&Eof), [thrice(elsewhere, &Eof)]), "tls.eof.sni_elsewhere"),
        (
            "blocked by name, and down as well",
            with(silence().control_fails(GenericTimeout), [thrice(elsewhere, &GenericTimeout)]),
            "tls.timeout.sni_elsewhere",
        ),
        (
            "a server that knows neither name",
            with(silence(), [[9, 4, 0].map(|ago| elsewhere(Some(Eof), Some(Eof), ago)).to_vec()]),
            "no.control",
        ),
        // In clear text.
        ("reset by host", with(clear(&ConnectionReset), [thrice(host, &ConnectionReset)]), "http.reset.host"),
        ("closed by host", with(clear(&Eof), [thrice(host, &Eof)]), "http.eof.host"),
        (
            "swallowed by host",
            with(clear(&GenericTimeout).control_works(), [thrice(host, &GenericTimeout)]),
            "http.timeout.host",
        ),
        ("an application that hangs", with(clear(&GenericTimeout), [thrice(host, &GenericTimeout)]), "no.control"),
        (
            "down, in clear text",
            with(clear(&ConnectionReset).control_fails(ConnectionReset), [thrice(host, &ConnectionReset)]),
            "site.down",
        ),
    ]
}

#[test]
fn each_case_is_decided_by_its_rule() {
    assert_decided(&cases());
}

#[test]
fn the_proof_reads_like_an_explanation() {
    let verdict = with(alone(&Failure::GenericTimeout), [thrice(sni, &Failure::GenericTimeout)]).verdict();
    assert_eq!((verdict.strength, verdict.mechanism), (Strength::SelfProving, Some(Mechanism::TlsTimeout)));
    assert_eq!(
        verdict.reasons,
        [
            "185.15.0.1:443 accepted the connection, but after the encrypted greeting that names fergana.media nothing came back for 10.0 s.",
            "At the same address 185.15.0.1:443 a greeting that names “example.org” was answered 3 of 3 times, and the one for fergana.media failed each time: it is the name that makes the difference.",
        ]
    );
}

#[test]
fn what_contradicts_is_told() {
    let silence = Some(Failure::GenericTimeout);
    let dead = [9, 4, 0].map(|ago| sni(silence.clone(), silence.clone(), ago)).to_vec();
    let reasons = with(alone(&Failure::GenericTimeout), [dead]).verdict().reasons;
    assert!(reasons.iter().any(|reason| reason.contains("“example.org” failed as well, 3 of 3 times")), "{reasons:?}");
}

#[test]
fn other_families_and_transports_are_told_and_prove_nothing() {
    let mut six = pair(ExperimentKind::OtherFamily, Layer::Tls, SITE, Some(Failure::GenericTimeout), None, 0);
    six.variant.address = Some("[2a02:6b8::1]:443".parse().unwrap());
    let story = with(alone(&Failure::GenericTimeout), [vec![six.clone(), six.clone(), six]]);
    assert_eq!(story.rule(), "no.control");
    let reasons = story.verdict().reasons;
    assert!(reasons.iter().any(|reason| reason.starts_with("Over IPv6 the site proved itself 3 of 3")), "{reasons:?}");
    let tcp = pair(ExperimentKind::OtherResolvers, Layer::Dns, SITE, Some(Failure::DnsNxdomain), None, 0);
    let lost = story_without_name();
    let reasons = with(lost, [vec![tcp]]).verdict().reasons;
    assert!(reasons.iter().any(|reason| reason.starts_with("Over TCP the same name server")), "{reasons:?}");
}

fn story_without_name() -> Story {
    story(URL).own_fails(Failure::DnsNxdomain).reference_fails(Failure::DnsServfail).online()
}

fn any_failure() -> impl Strategy<Value = Option<Failure>> {
    use Failure::*;
    let some = [GenericTimeout, ConnectionReset, Eof, SslFailedHandshake, Interrupted];
    prop::option::of(prop::sample::select(some.to_vec()))
}

prop_compose! {
    fn any_pair()(
        kind in prop::sample::select(ExperimentKind::ALL),
        layer in prop::sample::select(&[Layer::Tcp, Layer::Tls, Layer::Http][..]),
        address in prop::sample::select(&[SITE, EDGE, CANARY][..]),
        suspect in any_failure(),
        variant in any_failure(),
        ago in 0u64..59,
    ) -> Experiment {
        pair(kind, layer, address, suspect, variant, ago)
    }
}

proptest! {
    #[test]
    fn without_three_that_show_it_nothing_is_proven(
        pairs in prop::collection::vec(any_pair(), 0..12),
        failure in prop::sample::select(vec![Failure::GenericTimeout, Failure::ConnectionReset, Failure::Eof]),
        clear_text: bool,
    ) {
        let story = with(if clear_text { clear(&failure) } else { alone(&failure) }, [pairs.clone()]);
        let verdict = story.verdict();
        prop_assert!(!verdict.reasons.is_empty() && verdict.reasons.len() <= 16);
        prop_assert!(verdict.reasons.iter().all(|reason| !reason.chars().any(char::is_control)));
        let shown = pairs.iter().filter(|pair| pair.outcome() == ExperimentOutcome::SuspectFails).count();
        let deciding = rule_table().iter().find(|rule| rule.id == verdict.rules[0].0).unwrap();
        prop_assert!(verdict.status != Status::Blocked || shown >= 3, "{} {:?}", deciding.id, pairs);
    }

    #[test]
    fn their_order_does_not_matter(pairs in prop::collection::vec(any_pair(), 0..12).prop_shuffle()) {
        let mut other = pairs.clone();
        other.reverse();
        let silence = || alone(&Failure::GenericTimeout);
        let (one, two) = (with(silence(), [pairs]).verdict(), with(silence(), [other]).verdict());
        prop_assert_eq!((one.status, one.rules), (two.status, two.rules));
    }

    #[test]
    fn a_control_that_fails_leaves_only_what_fails_elsewhere(pairs in prop::collection::vec(any_pair(), 0..12)) {
        let elsewhere = pairs.iter().any(|pair| pair.kind == ExperimentKind::SniElsewhere);
        let story = with(alone(&Failure::GenericTimeout).control_fails(Failure::GenericTimeout), [pairs]);
        prop_assert!(story.verdict().status != Status::Blocked || elsewhere);
    }
}

//! Throttling: what must come together, and every near miss that lacks one thing.

use crate::judge::testing::*;
use crate::model::*;

const URL: &str = "https://fergana.media/";
const CLEAR: &str = "http://fergana.media/";

fn time(seconds: f64) -> Elapsed {
    std::time::Duration::from_secs_f64(seconds).into()
}

fn pace(handshake: f64, rate: f64) -> Pace {
    Pace {
        connect: Some(time(0.08)),
        handshake: (handshake > 0.0).then(|| time(handshake)),
        first_byte: Some(time(0.2)),
        bytes_per_second: (rate > 0.0).then_some(rate),
    }
}

const FAST: (f64, f64) = (0.2, 300e3);

/// A story with its pace set: 100 kB on the wire.
struct Slow(Story);

impl Slow {
    /// The site answers at this pace; usually, for the control and for the canary it is fast.
    fn new(handshake: f64, rate: f64) -> Self {
        Self::of(story(URL).own(&[SITE]).reference(&[SITE]).at(SITE, At::Page(page(200))), handshake, rate)
    }

    fn of(story: Story, handshake: f64, rate: f64) -> Self {
        let mut story = story.control_works().online();
        let measurement = &mut story.evidence.measurement;
        measurement.tcp.iter_mut().for_each(|tcp| tcp.elapsed = time(0.08));
        measurement.tls.iter_mut().for_each(|tls| tls.elapsed = time(handshake));
        for http in &mut measurement.http {
            http.first_byte = Some(time(0.2));
            http.elapsed = time(0.2 + 100e3 / rate);
            http.body = Some(Body {
                length: 400_000,
                wire_length: Some(100_000),
                truncated: false,
                sha256: "00".repeat(32),
                title: Some("Fergana — independent news".into()),
                kept: None,
            });
        }
        Self(story).usual(FAST).control(FAST).canary(FAST)
    }

    fn usual(mut self, (handshake, rate): (f64, f64)) -> Self {
        self.0.evidence.baseline = Some(Baseline { samples: 64, pace: pace(handshake, rate) });
        self
    }

    fn control(mut self, (handshake, rate): (f64, f64)) -> Self {
        self.0.control_mut().pace = Some(pace(handshake, rate));
        self
    }

    fn canary(mut self, (handshake, rate): (f64, f64)) -> Self {
        self.0.evidence.canaries.as_mut().unwrap().results[0].pace = Some(pace(handshake, rate));
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Evidence)) -> Self {
        change(&mut self.0.evidence);
        self
    }

    /// Experiments with another name at the same address: (this name's time, the other's).
    fn experiments(self, times: &[(f64, f64)]) -> Self {
        let attempt = |name: &str, elapsed: f64| Attempt {
            answer: None,
            name: name.into(),
            address: Some(format!("{SITE}:443").parse().unwrap()),
            resolver: None,
            at: "2026-11-24T20:00:00Z".parse().unwrap(),
            elapsed: time(elapsed),
            failure: None,
            layer: None,
        };
        let experiments = times.iter().map(|&(suspect, variant)| Experiment {
            kind: ExperimentKind::UnrelatedSni,
            canary: None,
            suspect: attempt("fergana.media", suspect),
            variant: attempt("example.org", variant),
        });
        let experiments = experiments.collect();
        self.with(|evidence| evidence.experiments = experiments)
    }

    fn without_baseline(self) -> Self {
        self.with(|evidence| evidence.baseline = Some(Baseline { samples: 4, pace: Pace::default() }))
    }

    /// Our deadline cut the page off after so many bytes on the wire.
    fn cut(self, wire: u64, seconds: f64) -> Self {
        self.with(|evidence| {
            let http = evidence.measurement.http.last_mut().unwrap();
            http.failure = Some(Failure::GenericTimeout);
            http.elapsed = time(0.2 + seconds);
            http.body.as_mut().unwrap().wire_length = Some(wire);
        })
    }
}

fn in_clear(first_byte: f64, rate: f64) -> Slow {
    let story = story(CLEAR).own(&[SITE]).reference(&[SITE]).at(SITE, At::Page(page(200)));
    Slow::of(story, 0.0, rate).usual((0.0, 300e3)).control((0.0, 300e3)).canary((0.0, 300e3)).with(|evidence| {
        let http = &mut evidence.measurement.http[0];
        http.first_byte = Some(time(first_byte));
        http.elapsed = time(first_byte + 100e3 / rate);
    })
}

/// (what it is, evidence, rule expected)
pub(super) fn cases() -> Vec<(&'static str, Story, &'static str)> {
    let slow = || Slow::new(4.0, 300e3);
    let drip = || Slow::new(0.3, 17e3);
    let cut = || Slow::new(0.3, 17e3).cut(170_000, 10.0);
    let cases = [
        ("an ordinary pace", Slow::new(0.25, 250e3), "tls.authentic"),
        ("a slow handshake", slow(), "throttled.differential"),
        ("a slow page", drip(), "throttled.differential"),
        ("the handshake alone is fast at the canary", slow().canary((0.2, 0.0)), "throttled.differential"),
        ("too little slower than usual", slow().usual((0.6, 300e3)), "tls.authentic"),
        ("not slow by itself", Slow::new(0.9, 300e3).usual((0.05, 300e3)), "tls.authentic"),
        ("a fast page made slower", Slow::new(0.3, 60e3).usual((0.2, 5e6)), "tls.authentic"),
        ("no baseline", slow().without_baseline(), "tls.authentic"),
        ("paces are not compared", slow().with(|evidence| evidence.baseline = None), "tls.authentic"),
        ("no control", slow().with(|evidence| evidence.controls.clear()), "throttled.unclear"),
        ("a control that tells no pace", slow().with(|e| e.controls[0].pace = None), "throttled.unclear"),
        ("the control is slow too", slow().control((2.0, 300e3)), "tls.authentic"),
        ("the page is slow at the control", drip().control((0.2, 25e3)), "tls.authentic"),
        (
            "the control's own way is dead",
            slow().with(|e| e.controls[0].unusable = Some(Failure::ProxyFailed)),
            "throttled.unclear",
        ),
        ("the canary is slow too", slow().canary((1.5, 300e3)), "tls.authentic"),
        ("the canary's page is slow too", drip().canary((0.2, 18e3)), "tls.authentic"),
        ("the canary's page is too small to tell", drip().canary((0.2, 0.0)), "throttled.unclear"),
        (
            "the canary does not answer",
            slow().with(|e| e.canaries.as_mut().unwrap().results[0].failure = Some(Failure::GenericTimeout)),
            "throttled.unclear",
        ),
        (
            "only a domestic canary is fast",
            slow().with(|e| e.canaries.as_mut().unwrap().results[0].scope = CanaryScope::Domestic),
            "throttled.unclear",
        ),
        ("no canary", slow().with(|e| e.canaries = None), "throttled.unclear"),
        (
            "the line to it is slower by as much",
            slow().with(|e| e.measurement.tcp[0].elapsed = time(1.2)),
            "tls.authentic",
        ),
        (
            "the server thinks",
            Slow::new(0.2, 300e3).with(|e| e.measurement.http[0].first_byte = Some(time(9.0))),
            "tls.authentic",
        ),
        (
            "a refusal that comes slowly",
            slow().with(|e| e.measurement.http[0].status = Some(403)),
            "tls.denied.differential",
        ),
        ("a fault that comes slowly", slow().with(|e| e.measurement.http[0].status = Some(502)), "tls.server_fault"),
        (
            "a false certificate that comes slowly",
            slow().with(|e| {
                e.measurement.tls[0].failure = Some(Failure::SslUnknownAuthority);
                e.measurement.tls[0].faults = vec![CertificateFault::UnknownIssuer];
            }),
            "tls.mitm.differential",
        ),
        (
            "an address that only the reference gave",
            slow().with(|e| {
                e.measurement.tcp[0].origin = AddressOrigin::Control;
                e.measurement.tls[0].origin = AddressOrigin::Control;
            }),
            "evidence.insufficient",
        ),
        ("the deadline cuts a slow page off", cut(), "throttled.unfinished"),
        ("a page that stops in the middle", cut().cut(18_000, 10.0), "http.truncated.differential"),
        ("cut off without a baseline", cut().without_baseline(), "evidence.insufficient"),
        ("cut off, and the control's is slow too", cut().control((0.2, 40e3)), "evidence.insufficient"),
        ("cut off without a control", cut().with(|evidence| evidence.controls.clear()), "no.control"),
        ("cut off though it is no slower than usual", cut().usual((0.2, 40e3)), "evidence.insufficient"),
        (
            "another name is fast",
            slow().without_baseline().experiments(&[(4.0, 0.2), (3.0, 0.1)]),
            "throttled.same_address",
        ),
        ("another name was fast once", slow().without_baseline().experiments(&[(4.0, 0.2)]), "tls.authentic"),
        (
            "another name is slow at times",
            slow().without_baseline().experiments(&[(4.0, 0.2), (3.0, 0.1), (3.0, 3.0)]),
            "tls.authentic",
        ),
        (
            "the experiments were of a fast time",
            slow().without_baseline().experiments(&[(0.4, 0.01), (0.3, 0.01)]),
            "tls.authentic",
        ),
        (
            "another name is fast, and so is the site now",
            Slow::new(0.3, 300e3).experiments(&[(4.0, 0.2), (3.0, 0.1)]),
            "tls.authentic",
        ),
        (
            "another name is fast, the canary slow",
            slow().without_baseline().canary((2.0, 0.0)).experiments(&[(4.0, 0.2), (3.0, 0.1)]),
            "tls.authentic",
        ),
        ("a slow page in clear text", in_clear(0.2, 17e3), "throttled.differential"),
        ("a late first byte in clear text", in_clear(3.0, 300e3), "throttled.differential"),
        ("an ordinary page in clear text", in_clear(0.3, 250e3), "http.matches_control"),
        (
            "another page in clear text, slowly",
            in_clear(3.0, 17e3).with(|e| {
                e.measurement.http[0].body.as_mut().unwrap().title =
                    Some("Access to this resource is restricted".into());
                e.measurement.http[0].headers.clear();
            }),
            "http.blockpage.differential",
        ),
    ];
    cases.into_iter().map(|(what, slow, rule)| (what, slow.0, rule)).collect()
}

#[test]
fn each_case_is_decided_by_its_rule() {
    assert_decided(&cases());
}

#[test]
fn a_throttled_site_reads_like_an_explanation() {
    let verdict = Slow::new(9.8, 16e3).usual((0.45, 300e3)).control((0.5, 280e3)).0.verdict();
    assert_eq!(verdict.mechanism, Some(Mechanism::Throttled));
    assert_eq!((verdict.confidence, verdict.weight), (0.75, 0.7));
    assert_eq!(
        verdict.reasons,
        [
            "The TLS handshake with fergana.media at 185.15.0.1:443 took 9.8 s, 22 times longer than usual (450 ms).",
            "The page of fergana.media came from 185.15.0.1:443 at 16.0 kB/s, 19 times slower than usual (300.0 kB/s).",
            "The control berlin got through the TLS handshake in 500 ms.",
            "The foreign canary “www.wikipedia.org” was fast at the same time (200 ms).",
            "Connecting took 80 ms, usually 80 ms.",
            "1 of 1 foreign canaries answered.",
        ]
    );
}

#[test]
fn what_is_not_called_throttling_is_told_all_the_same() {
    let told = |slow: Slow| slow.0.verdict().reasons.join(" ");
    let slow = || Slow::new(4.0, 300e3);
    for (slow, sentence) in [
        (
            slow().control((2.0, 300e3)),
            "The control berlin found it slow too (2.0 s), so it is not slow from here only.",
        ),
        (slow().with(|evidence| evidence.controls.clear()), "No control tells how fast it got the site"),
        (slow().canary((1.5, 300e3)), "The foreign canaries are slow too"),
        (slow().without_baseline(), "How fast it usually is from here is not known yet"),
        (slow().usual((3.0, 300e3)), "It was not clearly faster before"),
        (Slow::new(0.3, 17e3).canary((0.2, 0.0)), "No foreign canary tells whether the line of this vantage is slow"),
        (Slow::new(0.3, 17e3).cut(170_000, 10.0).without_baseline(), "came from 185.15.0.1:443 at 17.0 kB/s."),
    ] {
        let told = told(slow);
        assert!(told.contains(sentence), "{told}");
    }
    assert!(!told(Slow::new(0.3, 250e3)).contains("slow"));
}

#[test]
fn another_name_that_is_as_slow_makes_it_less_sure() {
    let (alone, any) = (Slow::new(4.0, 300e3), Slow::new(4.0, 300e3).experiments(&[(4.0, 3.9), (3.0, 3.5)]));
    let (alone, any) = (alone.0.verdict(), any.0.verdict());
    assert_eq!(any.mechanism, Some(Mechanism::Throttled));
    assert!(any.weight < alone.weight && any.confidence < alone.confidence);
    assert!(any.reasons.iter().any(|reason| reason.starts_with("Another name at the same address is as slow")));
}

#[test]
fn a_control_that_fails_makes_it_less_sure() {
    let divided = Slow(Slow::new(4.0, 300e3).0.control_fails(Failure::GenericTimeout)).0.verdict();
    assert_eq!(divided.mechanism, Some(Mechanism::Throttled));
    assert!(divided.weight < 0.5);
}

#[test]
fn an_answer_far_off_its_pace_needs_a_second_opinion() {
    let needs = |slow: Slow| slow.0.needs_second_opinion(None);
    assert!(!needs(Slow::new(0.25, 250e3)));
    assert!(needs(Slow::new(4.0, 300e3)));
    assert!(needs(Slow::new(0.25, 17e3)));
    assert!(!needs(Slow::new(0.9, 60e3)));
    assert!(!needs(Slow::new(4.0, 300e3).with(|evidence| evidence.baseline = None)), "paces are not compared");
    // Nothing better is known: the question is asked as long as it is slow.
    assert!(needs(Slow::new(4.0, 300e3).without_baseline()));
    assert!(needs(Slow::new(4.0, 300e3).usual((3.5, 300e3))));
    assert!(!needs(Slow::new(0.3, 300e3).without_baseline()));
}

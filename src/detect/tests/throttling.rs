//! Throttling from end to end: a simulated line and site, measured, judged and detected by the real rules.
//!
//! The line has log-normal times, lost packets and slow evenings that canaries share; the site has bad hours that the
//! control sees too; now and then the way to the site alone is bad for some minutes. Times are in seconds.

use std::time::Duration;

use super::*;
use crate::detect::pace::Look;
use crate::judge::{Knowledge, judge, needs_second_opinion};
use crate::model::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
/// Bytes a second of the policers that were measured: 130 to 150 kbit/s.
const POLICED: f64 = 17_500.0;
/// Our own deadline for an exchange.
const DEADLINE: f64 = 10.0;

impl Chance {
    fn share(&mut self) -> f64 {
        self.happens(0.5);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Around 1, with this deviation of the logarithm.
    fn around(&mut self, deviation: f64) -> f64 {
        let (a, b) = (self.share(), self.share());
        (deviation * (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()).exp()
    }
}

/// What a censor does to the site's name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Throttle {
    /// Packets above a rate are dropped.
    Policing,
    /// Handshakes take about this long.
    Handshakes(f64),
    /// The greeting is swallowed.
    Silence,
}

/// What is wrong at some time with nobody's intent.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// The vantage's line is so many times slower than at night.
    line: f64,
    /// The way from there to this site alone is.
    way: f64,
    /// The site's own server is.
    site: f64,
    /// Packets lost on the way to the site.
    loss: f64,
}

const FAIR: Weather = Weather { line: 1.0, way: 1.0, site: 1.0, loss: 0.03 };

struct World {
    chance: Chance,
    /// Bytes of the page on the wire.
    page: f64,
    /// Round trip from the vantage to the site.
    round_trip: f64,
    series: Series,
    evidence: Evidence,
    /// Second opinions asked for.
    asked: u64,
    /// Probes that a censor slowed down so much that it could be seen; single ones get through by chance.
    held: Vec<u64>,
}

impl World {
    fn new(seed: u64, page: f64, round_trip: f64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| {
            chance.share();
        });
        Self { chance, page, round_trip, series: Series::new(), evidence: evidence(), asked: 0, held: Vec::new() }
    }

    /// One exchange over a way with this round trip, slowed down as told.
    fn pace(&mut self, round_trip: f64, page: f64, weather: Weather, by: Option<Throttle>) -> Pace {
        let mut lost = 0.0;
        let mut wait = 0.25;
        while self.chance.happens(weather.loss) && wait < 4.0 {
            (lost, wait) = (lost + wait, wait * 2.0);
        }
        let round_trip = round_trip * (weather.line + weather.way - 1.0);
        let connect = round_trip * self.chance.around(0.15);
        let mut handshake = (2.0 * round_trip + 0.02 * weather.site) * self.chance.around(0.4) + lost;
        let rounds = (page / 14_000.0).log2().max(0.0) + 1.0;
        let mut body = rounds * round_trip * self.chance.around(0.4);
        // However near the asker is, the server sends no faster than it can.
        body += page / 2e6 * weather.site * self.chance.around(0.2);
        // Lost packets stop a page for a while too.
        let packets = page / 1400.0;
        body += packets * weather.loss * 0.02 * self.chance.around(0.5);
        match by {
            // A certificate chain of 4 kB passes the policer as well; its bucket holds some packets.
            Some(Throttle::Policing) => {
                handshake += 4000.0 / POLICED;
                body += (page - 8000.0).max(0.0) / POLICED * self.chance.around(0.15);
            }
            Some(Throttle::Handshakes(median)) => handshake += median * self.chance.around(0.5),
            Some(Throttle::Silence) | None => {}
        }
        let time = |seconds: f64| Some(Duration::from_secs_f64(seconds).into());
        Pace {
            connect: time(connect),
            handshake: time(handshake),
            first_byte: time(round_trip * self.chance.around(0.4) + 0.05 * weather.site),
            bytes_per_second: Some(page / body.max(0.001)),
        }
    }

    /// One probe at `second`, through judge and detector.
    fn probe(&mut self, second: u64, weather: Weather, by: Option<Throttle>) {
        let pace = self.pace(self.round_trip, self.page, weather, by);
        self.record(second, &pace, by);
        let swallowed = by == Some(Throttle::Silence);
        let slow = swallowed || pace.handshake.unwrap().as_seconds() > 0.5 || pace.bytes_per_second.unwrap() < 64e3;
        let look = self.series.state.pace.look(&self.evidence.measurement, &self.series.detector.params().pace);
        if by.is_some() && (swallowed || look != Look::Ordinary) {
            self.held.push(second);
        }
        let baseline = self.series.state.baseline(self.series.detector.params());
        // Nothing faster than that is ever worth a second opinion.
        let asked = slow
            && needs_second_opinion(
                &self.evidence.measurement,
                None,
                baseline.as_ref(),
                &Knowledge::new(Vec::new()),
                CountryCode::UNKNOWN,
            );
        self.evidence.controls.clear();
        self.evidence.canaries = None;
        self.evidence.baseline = baseline;
        let verdict = if asked {
            self.asked += 1;
            let elsewhere = self.pace(0.03, self.page, Weather { line: 1.0, way: 1.0, loss: 0.01, ..weather }, None);
            let canary = self.pace(0.07, 60e3, Weather { site: 1.0, way: 1.0, loss: 0.03, ..weather }, None);
            self.evidence.controls.push(control(at(second), telling(elsewhere, self.page)));
            self.evidence.canaries = Some(canaries(at(second), telling(canary, 60e3)));
            judge(&self.evidence, &Knowledge::new(Vec::new()), CountryCode::UNKNOWN)
        } else {
            accessible(&self.evidence.measurement)
        };
        let series = &mut self.series;
        let changes = series.detector.step(&series.key, &mut series.state, &self.evidence.measurement, &verdict);
        series.changes.extend(changes.into_iter().filter(|change| change.kind != SpanChangeKind::Continued));
    }

    /// Writes the probe down as the prober would.
    fn record(&mut self, second: u64, pace: &Pace, by: Option<Throttle>) {
        let measurement = &mut self.evidence.measurement;
        measurement.started_at = at(second);
        measurement.tcp[0].elapsed = pace.connect.unwrap();
        measurement.tls[0].elapsed = pace.handshake.unwrap();
        let first = pace.first_byte.unwrap();
        let rate = pace.bytes_per_second.unwrap();
        let body = (self.page / rate).min(DEADLINE);
        let wire = (rate * body).round() as u64;
        let swallowed = by == Some(Throttle::Silence);
        let whole = self.page / rate <= DEADLINE;
        measurement.tls[0].failure = swallowed.then_some(Failure::GenericTimeout);
        let template = answer(first, body, wire, whole);
        measurement.http = if swallowed { Vec::new() } else { vec![template] };
        let all = first.as_seconds() + body + pace.handshake.unwrap().as_seconds() + pace.connect.unwrap().as_seconds();
        measurement.elapsed = Duration::from_secs_f64(if swallowed { 10.0 } else { all }).into();
    }

    /// Rounds of `interval` from `start` to `end`, with confirmations.
    fn run(
        &mut self,
        start: u64,
        end: u64,
        interval: u64,
        mut at_time: impl FnMut(u64, &mut Chance) -> (Weather, Option<Throttle>),
    ) {
        let (mut now, mut round) = (start, start);
        while now < end {
            let (weather, by) = at_time(now, &mut self.chance);
            self.probe(now, weather, by);
            if now >= round {
                round += interval;
            }
            let confirm = self.series.state.confirm_in(at(now), self.series.detector.params());
            now = confirm.map_or(round, |wait| (now + wait.as_secs().max(1)).min(round));
        }
    }

    /// Throttled spans opened.
    fn opened(&self) -> usize {
        let throttled = |change: &&SpanChange| change.span.mechanism == Some(Mechanism::Throttled);
        let opened = self.series.changes.iter().filter(|change| change.kind == SpanChangeKind::Opened);
        opened.filter(throttled).count()
    }
}

/// As the prober tells it: a small page tells no rate.
fn telling(pace: Pace, page: f64) -> Pace {
    Pace { bytes_per_second: pace.bytes_per_second.filter(|_| page >= TELLING_BODY as f64), ..pace }
}

fn accessible(measurement: &Measurement) -> Verdict {
    Verdict {
        measurement_id: measurement.measurement_id,
        status: Status::Accessible,
        mechanism: None,
        confidence: 0.99,
        strength: Strength::SelfProving,
        weight: 1.0,
        rules: Vec::new(),
        reasons: Vec::new(),
        ruleset: 1,
        control: None,
        partial: Vec::new(),
    }
}

const ADDRESS: &str = "185.15.0.1:443";

fn answer(first_byte: Elapsed, body: f64, wire: u64, whole: bool) -> HttpExchange {
    HttpExchange {
        hop: 0,
        url: "https://s.example/".parse().unwrap(),
        address: ADDRESS.parse().unwrap(),
        origin: AddressOrigin::Own,
        protocol: "h2".into(),
        started: Elapsed::default(),
        elapsed: Duration::from_secs_f64(first_byte.as_seconds() + body).into(),
        first_byte: Some(first_byte),
        failure: (!whole).then_some(Failure::GenericTimeout),
        status: Some(200),
        headers: Vec::new(),
        body: Some(Body {
            length: wire * 4,
            wire_length: Some(wire),
            truncated: false,
            sha256: String::new(),
            title: None,
            kept: None,
        }),
        redirect: None,
    }
}

fn evidence() -> Evidence {
    let (hop, address, origin, time) = (0, ADDRESS.parse().unwrap(), AddressOrigin::Own, Elapsed::default());
    let certificate = CertificateRecord {
        der: String::new(),
        sha256: "ab".repeat(32),
        subject: "CN=s.example".into(),
        issuer: "CN=R3".into(),
        not_before: None,
        not_after: None,
        names: Vec::new(),
    };
    let tcp = TcpConnect { hop, address, origin, bogon: false, started: time, elapsed: time, failure: None };
    let tls = TlsHandshake {
        hop,
        address,
        origin,
        server_name: "s.example".into(),
        started: time,
        elapsed: time,
        failure: None,
        alert: None,
        version: None,
        cipher: None,
        alpn: None,
        chain: vec![certificate],
        faults: Vec::new(),
    };
    let measurement = Measurement {
        measurement_id: MeasurementId(uuid::Uuid::from_u128(7)),
        site: "s".parse().unwrap(),
        url: "https://s.example/".parse().unwrap(),
        vantage: "v".parse().unwrap(),
        trigger: Trigger::Scheduled,
        started_at: at(0),
        elapsed: time,
        dns: Vec::new(),
        tcp: vec![tcp],
        tls: vec![tls],
        http: Vec::new(),
        quic: Vec::new(),
    };
    Evidence::new(measurement, Vec::new(), None)
}

fn control(at: Timestamp, pace: Pace) -> ControlReport {
    ControlReport {
        id: "berlin".parse().unwrap(),
        kind: ControlKind::Vantage,
        at,
        unusable: None,
        dns: None,
        endpoints: Vec::new(),
        http: Some(ControlHttp {
            failure: None,
            status: Some(200),
            title: None,
            header_names: Vec::new(),
            body_length: None,
            leaf_sha256: None,
            final_url: None,
        }),
        quic: Vec::new(),
        pace: Some(pace),
    }
}

fn canaries(at: Timestamp, pace: Pace) -> CanaryReport {
    let url = "https://canary.example/".parse().unwrap();
    let result = CanaryResult {
        url,
        scope: CanaryScope::Foreign,
        failure: None,
        pace: Some(pace),
        quic: None,
        families: Vec::new(),
        resolvers: Vec::new(),
    };
    CanaryReport { at, results: vec![result] }
}

/// The weather of an ordinary year: slow evenings, twice a month some bad hours of the site, five times a month some
/// minutes in which the way to the site alone loses a quarter of the packets, twice a month an hour in which it is
/// congested.
struct Climate {
    evening: f64,
    site_until: u64,
    site: f64,
    loss_until: u64,
    jam_until: u64,
}

impl Climate {
    fn new() -> Self {
        Self { evening: 3.0, site_until: 0, site: 1.0, loss_until: 0, jam_until: 0 }
    }

    fn at(&mut self, now: u64, chance: &mut Chance) -> Weather {
        let month = (30 * DAY / MINUTE) as f64;
        let hour = now % DAY / HOUR;
        if now % DAY < MINUTE {
            self.evening = (3.0 * chance.around(0.7)).min(10.0);
        }
        if chance.happens(2.0 / month) {
            self.site_until = now + (HOUR as f64 * (1.0 + 5.0 * chance.share())) as u64;
            self.site = 20.0 + 180.0 * chance.share();
        }
        if chance.happens(5.0 / month) {
            self.loss_until = now + MINUTE * 3 + (7.0 * 60.0 * chance.share()) as u64;
        }
        if chance.happens(2.0 / month) {
            self.jam_until = now + HOUR;
        }
        Weather {
            line: if (19..24).contains(&hour) { self.evening.max(1.0) } else { 1.0 },
            way: if now < self.jam_until { 12.0 } else { 1.0 },
            site: if now < self.site_until { self.site } else { 1.0 },
            loss: if now < self.loss_until { 0.25 } else { FAIR.loss },
        }
    }
}

/// (spans, second opinions) of some ordinary days at one-minute probing.
fn ordinary(seed: u64, days: u64) -> (usize, u64) {
    let pages = [12e3, 60e3, 200e3, 600e3];
    let page = pages[(seed % 4) as usize];
    let mut world = World::new(seed, page, 0.04 + 0.04 * (seed % 3) as f64);
    let mut climate = Climate::new();
    world.run(0, days * DAY, MINUTE, |now, chance| (climate.at(now, chance), None));
    (world.opened(), world.asked)
}

/// A throttle of two hours after two ordinary days. Gives whether it was found as one span that holds the truth, and
/// after how many seconds.
fn throttled(seed: u64, page: f64, by: Throttle) -> Option<u64> {
    let mut world = World::new(seed, page, 0.08);
    world.run(0, 2 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    let (from, to) = (2 * DAY + 7 * MINUTE + seed % 60, 2 * DAY + 127 * MINUTE + seed % 50);
    world.run(2 * DAY, to + HOUR, MINUTE, |now, _| (FAIR, (from..to).contains(&now).then_some(by)));
    if world.opened() == 0 {
        return None;
    }
    assert_eq!(world.series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed], "{seed} {page} {by:?}");
    let span = world.series.last();
    assert_eq!(span.mechanism, Some(Mechanism::Throttled));
    let (first, last) = (world.held[0], world.held[world.held.len() - 1]);
    assert!(span.start.contains(at(first)), "{seed} {page} {by:?}: {first} not in {:?}", span.start);
    assert!(span.end.unwrap().contains(at(last)), "{seed} {page} {by:?}: {last} not in {:?}", span.end);
    Some(world.series.changes[0].at.since(at(from)).as_secs())
}

/// (what it is, page on the wire, throttle, share that must be found)
const KINDS: [(&str, f64, Throttle, f64); 6] = [
    ("policed at 140 kbit/s, page of 10 kB", 10e3, Throttle::Policing, 0.0),
    ("policed at 140 kbit/s, page of 100 kB", 100e3, Throttle::Policing, 1.0),
    ("policed at 140 kbit/s, page of 500 kB", 500e3, Throttle::Policing, 1.0),
    ("handshakes of 2 s (median)", 60e3, Throttle::Handshakes(2.0), 0.9),
    ("handshakes of 3 s (median)", 60e3, Throttle::Handshakes(3.0), 1.0),
    ("handshakes of 4 s (median)", 10e3, Throttle::Handshakes(4.0), 1.0),
];

#[test]
fn ordinary_lines_and_sites_open_no_throttled_span() {
    for seed in 1..=4 {
        let (spans, asked) = ordinary(seed, 45);
        assert_eq!(spans, 0, "seed {seed}");
        assert!(asked > 0, "seed {seed}: the weather never made anyone ask");
    }
}

#[test]
fn sustained_throttling_is_found_with_the_truth_in_the_brackets() {
    for (what, page, by, share) in KINDS {
        let found = (1..=20).filter(|seed| throttled(*seed, page, by).is_some()).count();
        assert!(found as f64 / 20.0 >= share, "{what}: {found} of 20");
        assert!(share > 0.0 || found == 0, "{what}: {found} of 20, the table in docs/detection.md says none");
    }
}

/// The false spans of docs/detection.md: `cargo test --lib throttling_figures -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes; it prints what docs/detection.md publishes"]
fn throttling_figures_of_ordinary_years() {
    let (mut spans, mut asked) = (0, 0);
    for year in 1..=4 {
        // Another site, page and way every 46 days.
        for part in 0..8 {
            let (opened, questions) = ordinary(year * 8 + part, 46);
            (spans, asked) = (spans + opened, asked + questions);
        }
        println!("{spans} false spans and {asked} second opinions in {year} site-years");
    }
}

/// The shares found of docs/detection.md.
#[test]
#[ignore = "takes minutes; it prints what docs/detection.md publishes"]
fn throttling_figures_of_what_is_found() {
    for (what, page, by, _) in KINDS {
        let mut delays: Vec<u64> = (1..=100).filter_map(|seed| throttled(seed, page, by)).collect();
        delays.sort_unstable();
        let (found, late) = (delays.len(), delays.get(delays.len() * 95 / 100));
        println!("{what}: {found} % found, 95 % within {late:?} s");
    }
}

#[test]
fn one_slow_page_opens_nothing_and_eight_over_a_quarter_of_an_hour_do() {
    let mut world = World::new(3, 100e3, 0.08);
    world.run(0, 2 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    let slow = Some(Throttle::Handshakes(6.0));
    for probe in 0..40 {
        // One of four is slow.
        world.probe(2 * DAY + probe * MINUTE, FAIR, slow.filter(|_| probe % 4 == 0));
    }
    assert_eq!(world.opened(), 0);
    let start = 3 * DAY;
    for probe in 0..7 {
        world.probe(start + probe * 4 * MINUTE, FAIR, slow);
    }
    assert_eq!(world.opened(), 0, "seven");
    world.probe(start + 28 * MINUTE, FAIR, slow);
    assert_eq!(world.opened(), 1, "eight");
}

#[test]
fn slowness_of_minutes_is_not_sustained() {
    let mut world = World::new(5, 100e3, 0.08);
    world.run(0, 2 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    let until = 2 * DAY + 14 * MINUTE;
    world.run(2 * DAY, 3 * DAY, MINUTE, |now, _| (FAIR, (now < until).then_some(Throttle::Handshakes(8.0))));
    assert_eq!(world.opened(), 0);
    assert!(!world.series.state.is_unsettled());
}

#[test]
fn a_throttle_that_stays_does_not_become_what_is_usual() {
    let mut world = World::new(7, 100e3, 0.08);
    world.run(0, 3 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    let before = world.series.state.baseline(world.series.detector.params()).unwrap();
    world.run(3 * DAY, 40 * DAY, 30 * MINUTE, |_, _| (FAIR, Some(Throttle::Policing)));
    assert_eq!(world.series.kinds(), [SpanChangeKind::Opened]);
    let after = world.series.state.baseline(world.series.detector.params()).unwrap();
    let (before, after) = (before.pace.bytes_per_second.unwrap(), after.pace.bytes_per_second.unwrap());
    assert!((0.8..1.2).contains(&(after / before)), "{before} {after}");
}

#[test]
fn a_throttle_that_turns_into_silence_is_one_span_of_two_segments() {
    let mut world = World::new(9, 100e3, 0.08);
    world.run(0, 2 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    let (from, silent, to) = (2 * DAY + 500, 2 * DAY + 2 * HOUR, 2 * DAY + 3 * HOUR);
    world.run(2 * DAY, 2 * DAY + 4 * HOUR, MINUTE, |now, _| {
        let by = if now < silent { Throttle::Policing } else { Throttle::Silence };
        (FAIR, (from..to).contains(&now).then_some(by))
    });
    assert_eq!(world.series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
    let segments = &world.series.last().segments;
    let mechanisms: Vec<Mechanism> = segments.iter().map(|segment| segment.mechanism).collect();
    assert_eq!(mechanisms, [Mechanism::Throttled, Mechanism::TlsTimeout]);
    assert!(segments[1].from >= at(silent) && segments[1].from <= at(silent + 2 * MINUTE));
}

/// Without the control nothing can be called throttled; but what is still slow does not end the span either.
#[test]
fn answers_that_stay_slow_while_the_control_is_away_close_nothing() {
    let mut world = World::new(11, 100e3, 0.08);
    world.run(0, 2 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    world.run(2 * DAY, 2 * DAY + HOUR, MINUTE, |_, _| (FAIR, Some(Throttle::Policing)));
    assert_eq!(world.series.kinds(), [SpanChangeKind::Opened]);
    for minute in 60..180 {
        let pace = world.pace(0.08, 100e3, FAIR, Some(Throttle::Policing));
        world.record(2 * DAY + minute * MINUTE, &pace, None);
        let World { series, evidence, .. } = &mut world;
        (evidence.controls, evidence.canaries) = (Vec::new(), None);
        evidence.baseline = series.state.baseline(series.detector.params());
        let verdict = judge(evidence, &Knowledge::new(Vec::new()), CountryCode::UNKNOWN);
        assert_eq!((verdict.status, verdict.rules[0].to_string().as_str()), (Status::Accessible, "throttled.unclear"));
        series.detector.step(&series.key, &mut series.state, &evidence.measurement, &verdict);
    }
    assert_eq!(world.series.state.status(), Status::Blocked);
    world.run(2 * DAY + 3 * HOUR, 2 * DAY + 4 * HOUR, MINUTE, |_, _| (FAIR, None));
    assert_eq!(world.series.kinds(), [SpanChangeKind::Opened, SpanChangeKind::Closed]);
}

#[test]
fn a_state_of_before_reads_and_the_memory_adds_little() {
    let old = serde_json::to_value(SeriesState::default()).unwrap();
    assert!(old.get("pace").is_none(), "{old}");
    assert_eq!(serde_json::from_value::<SeriesState>(old).unwrap(), SeriesState::default());
    let mut world = World::new(13, 100e3, 0.08);
    world.run(0, 30 * DAY, 10 * MINUTE, |_, _| (FAIR, None));
    let whole = serde_json::to_string(&world.series.state).unwrap();
    assert_eq!(serde_json::from_str::<SeriesState>(&whole).unwrap(), world.series.state);
    let mut bare = serde_json::to_value(&world.series.state).unwrap();
    bare.as_object_mut().unwrap().remove("pace");
    let bytes = whole.len() - bare.to_string().len();
    assert!((300..=560).contains(&bytes), "{bytes} bytes");
}

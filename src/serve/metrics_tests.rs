//! The metrics as a scraper sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::families::{self, Kind};
use super::fixtures::{at, evidence, series, span, state, verdict};
use super::metrics::Metrics;
use crate::detect::SeriesState;
use crate::model::{
    AddressOrigin, Attempt, DnsExchange, DnsRole, DnsTransport, Elapsed, Experiment, ExperimentKind, Failure,
    Mechanism, QueryType, QuicHandshake, SeriesKey, SpanChange, SpanChangeKind, Status, TcpConnect, TlsHandshake,
};
use crate::rollup::Whereabouts;

fn blocked_series() -> SeriesKey {
    series("fergana", "https://fergana.media/", "almaty-kt")
}

fn expecting(series: &[SeriesKey]) -> Metrics {
    let metrics = Metrics::new().unwrap();
    expect(&metrics, series);
    metrics
}

fn expect(metrics: &Metrics, series: &[SeriesKey]) {
    let vantages: BTreeSet<_> = series.iter().map(|key| key.vantage.clone()).collect();
    metrics.expect(series, &vantages.into_iter().collect::<Vec<_>>(), &["berlin".parse().unwrap()]);
    metrics.expect_webhooks(&["newsroom".parse().unwrap()], &["delivered", "failed", "given_up"]);
}

/// The value of the sample that is written exactly so.
fn value(text: &str, sample: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

/// Every family, with something in it.
fn busy() -> Metrics {
    let key = blocked_series();
    let metrics = expecting(std::slice::from_ref(&key));
    let mut evidence = evidence(&key);
    let question = DnsExchange {
        hop: 0,
        resolver: "system".to_owned(),
        role: DnsRole::Own,
        transport: DnsTransport::Udp,
        name: "fergana.media".to_owned(),
        query_type: QueryType::A,
        started: Elapsed::default(),
        elapsed: Elapsed::from_micros(3_000),
        failure: None,
        answers: Vec::new(),
    };
    let reference = DnsExchange {
        role: DnsRole::Control,
        failure: Some(Failure::DnsRefused),
        elapsed: Elapsed::from_micros(9_000_000),
        ..question.clone()
    };
    let attempt = TcpConnect {
        hop: 0,
        address: "192.0.2.1:443".parse().unwrap(),
        origin: AddressOrigin::Own,
        bogon: false,
        started: Elapsed::default(),
        elapsed: Elapsed::from_micros(40_000),
        failure: None,
    };
    let bogon =
        TcpConnect { bogon: true, failure: Some(Failure::DnsBogon), elapsed: Elapsed::default(), ..attempt.clone() };
    let handshake = TlsHandshake {
        hop: 0,
        address: attempt.address,
        origin: AddressOrigin::Own,
        server_name: "fergana.media".to_owned(),
        started: Elapsed::default(),
        elapsed: Elapsed::from_micros(10_000_100),
        failure: Some(Failure::GenericTimeout),
        alert: None,
        version: None,
        cipher: None,
        alpn: None,
        chain: Vec::new(),
        faults: Vec::new(),
    };
    let oddity = TlsHandshake { failure: Some(Failure::Unknown("free \"text\"\n".to_owned())), ..handshake.clone() };
    evidence.measurement.dns = vec![question, reference];
    evidence.measurement.tcp = vec![attempt, bogon];
    evidence.measurement.tls = vec![handshake, oddity];
    evidence.measurement.quic = vec![QuicHandshake {
        hop: 0,
        address: "192.0.2.1:443".parse().unwrap(),
        server_name: "fergana.media".to_owned(),
        started: Elapsed::default(),
        elapsed: Elapsed::from_micros(30_000),
        failure: Some(Failure::ConnectionRefused),
        origin: AddressOrigin::Own,
        hint: None,
        alpn: None,
        last_good: None,
    }];
    let started = evidence.measurement.started_at;
    for at in [started, started.minus(Duration::from_secs(60))] {
        let attempt = |failure| Attempt {
            answer: None,
            name: "fergana.media".to_owned(),
            address: None,
            resolver: None,
            at,
            elapsed: Elapsed::default(),
            failure,
            layer: None,
        };
        let (suspect, variant) = (attempt(Some(Failure::Eof)), attempt(None));
        evidence.experiments.push(Experiment { kind: ExperimentKind::UnrelatedSni, canary: None, suspect, variant });
    }
    metrics.observe(&evidence, &verdict(&evidence, Status::Blocked));
    let span = span(&key, Some(Mechanism::TlsTimeout));
    metrics.span_changed(&SpanChange {
        kind: SpanChangeKind::Opened,
        at: at("2026-11-24T20:03:00Z"),
        span: span.clone(),
    });
    metrics.span_changed(&SpanChange { kind: SpanChangeKind::Continued, at: at("2026-11-24T20:04:00Z"), span });
    metrics.set_state(&key, &state(&key, Status::Blocked, Some(Mechanism::TlsTimeout), "why"));
    metrics.place(&Whereabouts {
        vantages: [(key.vantage.clone(), ("KZ".parse().unwrap(), Some(9198)))].into(),
        sites: [(key.site.clone(), "KZ".parse().unwrap())].into(),
    });
    metrics.vantage_up(&key.vantage, true);
    metrics.control_up(&"berlin".parse().unwrap(), true);
    metrics.schedule_lag(Duration::from_millis(2));
    metrics.store_write(Duration::from_micros(700));
    metrics.store_bytes(40_960);
    metrics.config_reloaded(true, at("2026-11-24T20:00:00.500Z"));
    metrics
}

#[test]
fn a_measurement_is_counted_by_layer() {
    let text = busy().render();
    let is = |sample: &str, expected: f64| assert_eq!(value(&text, sample), Some(expected), "{sample}\n{text}");
    is(r#"blockspan_measurements_total{status="blocked",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_measurements_total{status="accessible",vantage="almaty-kt"}"#, 0.0);
    is(r#"blockspan_layer_failures_total{failure="generic_timeout_error",layer="tls",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_layer_failures_total{failure="unknown_failure",layer="tls",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_layer_failures_total{failure="dns_refused_error",layer="dns",vantage="almaty-kt"}"#, 0.0);
    is(r#"blockspan_layer_duration_seconds_count{layer="dns",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_layer_duration_seconds_count{layer="tcp",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_layer_duration_seconds_bucket{layer="tls",vantage="almaty-kt",le="10"}"#, 0.0);
    is(r#"blockspan_layer_duration_seconds_bucket{layer="tls",vantage="almaty-kt",le="15"}"#, 2.0);
    is(r#"blockspan_layer_failures_total{failure="connection_refused",layer="quic",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_layer_failures_total{failure="generic_timeout_error",layer="quic",vantage="almaty-kt"}"#, 0.0);
    is(r#"blockspan_layer_duration_seconds_bucket{layer="quic",vantage="almaty-kt",le="0.05"}"#, 1.0);
    let experiments = |kind: &str, outcome: &str| {
        format!(r#"blockspan_experiments_total{{kind="{kind}",outcome="{outcome}",vantage="almaty-kt"}}"#)
    };
    is(&experiments("unrelated_sni", "suspect_fails"), 1.0);
    is(&experiments("other_host", "void"), 0.0);
    is(r#"blockspan_spans_total{status="blocked",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_vantage_up{vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_control_up{control="berlin"}"#, 1.0);
    is(r#"blockspan_vantage_info{asn="9198",country="KZ",vantage="almaty-kt"}"#, 1.0);
    is(r#"blockspan_site_info{country="KZ",site="fergana"}"#, 1.0);
    is(
        r#"blockspan_site_partial_blocked{part="ipv6",site="fergana",url="https://fergana.media/",vantage="almaty-kt"}"#,
        0.0,
    );
    is("blockspan_store_bytes", 40_960.0);
    is("blockspan_config_last_reload_success_timestamp_seconds", 1_795_550_400.5);
    assert!(!text.contains("free"), "free text became a label");
}

#[test]
fn the_status_is_one_hot_and_blocked_since_lives_only_while_blocked() {
    let key = blocked_series();
    let metrics = expecting(std::slice::from_ref(&key));
    let shown = |metrics: &Metrics, status: Status| {
        let sample = format!(
            r#"blockspan_site_status{{site="fergana",status="{status}",url="https://fergana.media/",vantage="almaty-kt"}}"#
        );
        value(&metrics.render(), &sample).unwrap()
    };
    let since = |metrics: &Metrics, mechanism: Mechanism| {
        let sample = format!(
            r#"blockspan_blocked_since_timestamp_seconds{{mechanism="{mechanism}",site="fergana",url="https://fergana.media/",vantage="almaty-kt"}}"#
        );
        value(&metrics.render(), &sample)
    };
    let mut steps = vec![SeriesState::default()];
    steps.push(state(&key, Status::Blocked, Some(Mechanism::TlsTimeout), ""));
    steps.push(state(&key, Status::Blocked, Some(Mechanism::TlsReset), ""));
    steps.push(state(&key, Status::Accessible, None, ""));
    assert!((shown(&metrics, Status::Inconclusive) - 1.0).abs() < f64::EPSILON);
    for step in &steps {
        metrics.set_state(&key, step);
        for &status in Status::ALL {
            assert_eq!(shown(&metrics, status) > 0.5, status == step.status(), "{status} {step:?}");
        }
        for mechanism in [Mechanism::TlsTimeout, Mechanism::TlsReset] {
            let blocked_so = step.span.as_ref().is_some_and(|span| span.mechanism == Some(mechanism));
            assert_eq!(since(&metrics, mechanism), blocked_so.then_some(1_795_550_462.0), "{mechanism} {step:?}");
        }
    }
}

#[test]
fn a_reload_drops_what_is_gone_and_keeps_the_counts_of_the_rest() {
    let (kept, gone) = (blocked_series(), series("ratel", "https://ratel.kz/", "astana"));
    let metrics = expecting(&[kept.clone(), gone.clone()]);
    let seen = evidence(&kept);
    metrics.observe(&seen, &verdict(&seen, Status::Accessible));
    metrics.set_state(&gone, &state(&gone, Status::Blocked, Some(Mechanism::DnsBogon), ""));
    assert!(metrics.render().contains("ratel") && metrics.render().contains("dns.bogon"));
    expect(&metrics, std::slice::from_ref(&kept));
    let late = evidence(&gone);
    metrics.observe(&late, &verdict(&late, Status::Blocked));
    metrics.set_state(&gone, &state(&gone, Status::Blocked, Some(Mechanism::DnsBogon), ""));
    metrics.vantage_up(&gone.vantage, true);
    metrics.control_up(&"nobody".parse().unwrap(), true);
    let text = metrics.render();
    for word in ["ratel", "astana", "nobody", "dns.bogon"] {
        assert!(!text.contains(word), "{word}\n{text}");
    }
    assert_eq!(value(&text, r#"blockspan_measurements_total{status="accessible",vantage="almaty-kt"}"#), Some(1.0));
    metrics.expect(&[], &[], &[]);
    assert!(!metrics.render().contains("almaty-kt") && !metrics.render().contains("berlin"));
}

#[test]
fn a_probe_is_in_flight_until_its_guard_is_dropped() {
    let metrics = Metrics::new().unwrap();
    let guard = metrics.in_flight();
    assert_eq!(value(&metrics.render(), "blockspan_probes_in_flight"), Some(1.0));
    drop(guard);
    assert_eq!(value(&metrics.render(), "blockspan_probes_in_flight"), Some(0.0));
}

#[test]
fn a_refused_reload_keeps_the_time_of_the_last_good_one() {
    let metrics = Metrics::new().unwrap();
    metrics.config_reloaded(true, at("2026-11-24T20:00:00Z"));
    metrics.config_reloaded(false, at("2026-11-24T21:00:00Z"));
    let text = metrics.render();
    assert_eq!(value(&text, "blockspan_config_last_reload_successful"), Some(0.0));
    assert_eq!(value(&text, "blockspan_config_last_reload_success_timestamp_seconds"), Some(1_795_550_400.0));
}

/// Reads the text format strictly: HELP then TYPE then samples of that family only, labels as the table says, no
/// sample twice, every value a number.
fn check_text(text: &str) -> BTreeMap<String, usize> {
    let mut samples: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut current: Option<(String, String)> = None;
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').unwrap();
            assert!(!words.is_empty() && !samples.contains_key(name), "{line}");
            help = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(help.take().as_deref(), Some(name), "HELP comes before TYPE");
            samples.insert(name.to_owned(), 0);
            current = Some((name.to_owned(), kind.to_owned()));
        } else {
            let (name, kind) = current.clone().expect("a sample before its TYPE");
            let (key, number) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(key.to_owned()), "twice: {key}");
            assert!(number.parse::<f64>().is_ok(), "{line}");
            let (sample, labels) = key.split_once('{').map_or((key, ""), |(n, l)| (n, l.strip_suffix('}').unwrap()));
            let suffix = sample.strip_prefix(name.as_str()).unwrap();
            assert!(
                suffix.is_empty() || kind == "histogram" && ["_bucket", "_sum", "_count"].contains(&suffix),
                "{line}"
            );
            let names: BTreeSet<_> = labels.split("\",").filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect();
            if let Some(family) = families::ALL.iter().find(|family| family.name == name) {
                let mut wanted: BTreeSet<_> = family.labels.iter().copied().collect();
                if suffix == "_bucket" {
                    wanted.insert("le");
                }
                assert_eq!(names, wanted, "{line}");
                assert_eq!(kind, family.kind.as_str(), "{line}");
            }
            *samples.get_mut(&name).unwrap() += 1;
        }
    }
    samples
}

#[test]
fn the_text_keeps_the_rules_of_the_format() {
    let text = busy().render();
    let samples = check_text(&text);
    for family in families::ALL {
        assert!(samples.get(family.name).is_some_and(|count| *count > 0), "{} is missing", family.name);
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)));
        if family.kind == Kind::Histogram {
            assert!(text.contains(&format!("{}_bucket", family.name)));
        }
    }
    assert!(!cfg!(target_os = "linux") || samples.contains_key("process_resident_memory_bytes"));
}

#[test]
fn promtool_has_nothing_to_say() {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("SKIPPED: promtool cannot be run ({error}); Debian has it in the package `prometheus`");
            return;
        }
    };
    promtool.stdin.take().unwrap().write_all(busy().render().as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let said_text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && said_text.trim().is_empty(), "{said_text}");
}

#[test]
fn a_webhook_that_is_no_longer_configured_is_gone_and_counts_no_more() {
    let metrics = Metrics::new().unwrap();
    let (old, new) = ("old".parse().unwrap(), "new".parse().unwrap());
    let outcomes = ["delivered", "failed"];
    metrics.expect_webhooks(&[old, "kept".parse().unwrap()], &outcomes);
    let old = "old".parse().unwrap();
    metrics.webhook_tried(&old, "failed");
    metrics.webhook_waiting(&old, 3);
    assert!(metrics.render().contains("blockspan_webhook_messages_total{outcome=\"failed\",webhook=\"old\"} 1"));
    metrics.expect_webhooks(&[new, "kept".parse().unwrap()], &outcomes);
    metrics.webhook_tried(&old, "failed");
    let text = metrics.render();
    assert!(!text.contains("webhook=\"old\""), "{text}");
    assert!(text.contains("blockspan_webhook_waiting{webhook=\"new\"} 0"), "{text}");
}

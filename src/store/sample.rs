//! Records of a realistic shape, for tests and benches.

use std::time::Duration;

use crate::detect::{LastVerdict, SeriesState};
use crate::model::{
    AddressOrigin, Bracket, CertificateRecord, DnsAnswer, DnsExchange, DnsRole, DnsTransport, Elapsed, Evidence,
    Failure, HttpExchange, Measurement, MeasurementId, Mechanism, QueryType, RuleId, Segment, SeriesKey, Span,
    SpanChange, SpanChangeKind, SpanId, SpanSource, Status, Strength, TcpConnect, Timestamp, TlsHandshake, Trigger,
    Verdict,
};
use crate::store::ProbeRecord;

/// An instant, `minute` minutes after 2026-01-01.
pub(crate) fn at(minute: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_767_225_600_000).plus(Duration::from_secs(minute * 60))
}

/// Series `n`.
pub(crate) fn key(n: usize) -> SeriesKey {
    SeriesKey {
        site: format!("site-{n}").parse().unwrap(),
        url: format!("https://site-{n}.example/").parse().unwrap(),
        vantage: format!("vantage-{}", n % 3).parse().unwrap(),
    }
}

/// Letters that do not compress, as certificates do not.
fn noise(seed: usize, length: usize) -> String {
    let mut state = seed as u64 * 2 + 1;
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(letters[(state >> 58) as usize])
        })
        .collect()
}

/// What a measurement of series `n` sees: two addresses, TLS, a page when it is accessible.
pub(crate) fn evidence(n: usize, minute: u64, status: Status) -> Evidence {
    let SeriesKey { site, url, vantage } = key(n);
    let host = url.host_str().unwrap().to_owned();
    let blocked = status == Status::Blocked;
    let elapsed = |salt: u64| Elapsed::from_micros((minute * 7919 + salt * 104_729) % 250_000);
    let certificate = |seed: usize, length| CertificateRecord {
        der: noise(seed, length),
        sha256: noise(seed + 1, 64),
        subject: format!("CN={host}"),
        issuer: "C=US, O=Let's Encrypt, CN=R12".to_owned(),
        not_before: Some(at(0)),
        not_after: Some(at(129_600)),
        names: vec![host.clone(), format!("www.{host}")],
    };
    let addresses = ["192.0.2.1:443", "192.0.2.2:443"].map(|text| text.parse().unwrap());
    let dns =
        [(DnsRole::Own, "udp://198.51.100.1:53"), (DnsRole::Control, "https://dns.example/dns-query@192.0.2.53:443")]
            .into_iter()
            .flat_map(|(role, resolver)| [QueryType::A, QueryType::Aaaa].map(|query_type| (role, resolver, query_type)))
            .map(|(role, resolver, query_type)| DnsExchange {
                hop: 0,
                resolver: resolver.to_owned(),
                role,
                transport: if role == DnsRole::Own { DnsTransport::Udp } else { DnsTransport::Doh },
                name: host.clone(),
                query_type,
                started: elapsed(1),
                elapsed: elapsed(2),
                failure: None,
                answers: vec![DnsAnswer {
                    source: None,
                    ip_ttl: Some(57),
                    latency: elapsed(3),
                    rcode: Some(0),
                    addresses: vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()],
                    cnames: Vec::new(),
                    record_ttl_seconds: Some(300 - (minute % 300) as u32),
                    matches_question: true,
                    raw: noise(n + minute as usize, 100),
                }],
            })
            .collect();
    let failure = blocked.then_some(Failure::GenericTimeout);
    let measurement = Measurement {
        measurement_id: MeasurementId::new(),
        site,
        url: url.clone(),
        vantage,
        trigger: Trigger::Scheduled,
        started_at: at(minute),
        elapsed: elapsed(4),
        dns,
        tcp: addresses
            .map(|address| TcpConnect {
                hop: 0,
                address,
                origin: AddressOrigin::Own,
                bogon: false,
                started: elapsed(5),
                elapsed: elapsed(6),
                failure: None,
            })
            .to_vec(),
        tls: addresses
            .map(|address| TlsHandshake {
                hop: 0,
                address,
                origin: AddressOrigin::Own,
                server_name: host.clone(),
                started: elapsed(7),
                elapsed: elapsed(8),
                failure: failure.clone(),
                alert: None,
                version: Some("TLSv1.3".to_owned()),
                cipher: Some("TLS13_AES_256_GCM_SHA384".to_owned()),
                alpn: Some("h2".to_owned()),
                chain: if blocked { Vec::new() } else { vec![certificate(n, 1700), certificate(9999, 1400)] },
                faults: Vec::new(),
            })
            .to_vec(),
        http: if blocked {
            Vec::new()
        } else {
            vec![HttpExchange {
                hop: 0,
                url,
                address: addresses[0],
                origin: AddressOrigin::Own,
                protocol: "h2".to_owned(),
                started: elapsed(9),
                elapsed: elapsed(10),
                first_byte: Some(elapsed(11)),
                failure: None,
                status: Some(200),
                headers: vec![
                    ("content-type".to_owned(), "text/html; charset=utf-8".to_owned()),
                    ("etag".to_owned(), noise(minute as usize, 24)),
                ],
                body: None,
                redirect: None,
            }]
        },
        quic: Vec::new(),
    };
    Evidence::new(measurement, Vec::new(), None)
}

/// A record of series `n`, no span open.
pub(crate) fn record(n: usize, minute: u64, status: Status) -> ProbeRecord {
    let evidence = evidence(n, minute, status);
    let measurement_id = evidence.measurement.measurement_id;
    let mechanism = (status == Status::Blocked).then_some(Mechanism::TlsTimeout);
    let reasons = vec!["The encrypted greeting that names the site is swallowed; the control reached it.".to_owned()];
    let verdict = Verdict {
        partial: Vec::new(),
        measurement_id,
        status,
        mechanism,
        confidence: 0.1 + 0.2 + minute as f64 * 1e-7,
        strength: Strength::Differential,
        weight: 0.7,
        rules: vec![RuleId::of("tls.timeout.differential")],
        reasons: reasons.clone(),
        ruleset: 1,
        control: None,
    };
    let last = LastVerdict { measurement_id, at: at(minute), status, mechanism, reasons };
    ProbeRecord { series: key(n), evidence, verdict, state: SeriesState::new(Some(last), None), changes: Vec::new() }
}

/// A span of series `n` that was seen from `first` to `last`, still going on.
pub(crate) fn span(n: usize, first: u64, last: u64) -> Span {
    let SeriesKey { site, url, vantage } = key(n);
    Span {
        span_id: SpanId::derived(&format!("{n} {first}")),
        site,
        url: Some(url),
        vantage: Some(vantage),
        source: SpanSource::Measured,
        status: Status::Blocked,
        mechanism: Some(Mechanism::TlsTimeout),
        partial: None,
        segments: vec![Segment { from: at(first), mechanism: Mechanism::TlsTimeout }],
        start: Bracket { earliest: first.checked_sub(1).map(at), latest: Some(at(first)) },
        end: None,
        ongoing: true,
        last_observed: Some(at(last)),
        measurements: last - first + 1,
        confidence: Some(0.999_9),
        citation: None,
    }
}

/// The same record with something happening to `span`, which the state remembers unless it was closed.
pub(crate) fn with_change(mut record: ProbeRecord, kind: SpanChangeKind, span: Span) -> ProbeRecord {
    record.state.span = (kind != SpanChangeKind::Closed).then(|| span.clone());
    record.changes.push(SpanChange { kind, at: record.evidence.measurement.started_at, span });
    record
}

//! What the judge makes of a sighting. Real evidence is given to the real judge, once for each kind.

use std::collections::HashMap;
use std::time::Duration;

use blockspan::detect::{Outcome, Trial};
use blockspan::judge::{Knowledge, judge};
use blockspan::model::{
    AddressOrigin, CanaryReport, CanaryResult, CanaryScope, ControlHttp, ControlKind, ControlReport, CountryCode,
    DnsAnswer, DnsExchange, DnsRole, DnsTransport, Evidence, Failure, Measurement, MeasurementId, QueryType,
    TcpConnect, Timestamp, TlsHandshake, Trigger,
};

use crate::world::{CANARIES, Control, Sighting};

/// The judge's opinion on each kind of sighting, as a trial's outcome.
pub(crate) struct Verdicts(HashMap<Sighting, Outcome>);

impl Verdicts {
    /// Asks the judge.
    pub(crate) fn new() -> Self {
        let mut outcomes = HashMap::new();
        for control in [Control::Reaches, Control::Fails, Control::Unusable] {
            for canaries in 0..=CANARIES {
                let sighting = Sighting { fails: true, control, canaries };
                let evidence = evidence(&sighting);
                let verdict = judge(&evidence, &Knowledge::new(Vec::new()), CountryCode::UNKNOWN);
                outcomes.insert(sighting, Trial::of(&evidence.measurement, &verdict).outcome);
            }
        }
        Self(outcomes)
    }

    /// What the sighting is worth.
    pub(crate) fn of(&self, sighting: &Sighting) -> Outcome {
        if sighting.fails { self.0.get(sighting).copied().unwrap_or(Outcome::Silent) } else { Outcome::Good }
    }
}

/// Kazakhstan's usual signature: DNS and TCP are fine, the ClientHello is swallowed.
fn evidence(sighting: &Sighting) -> Evidence {
    let at = Timestamp::from_unix_ms(1_700_000_000_000);
    let address = std::net::SocketAddr::from(([93, 184, 216, 34], 443));
    let short = Duration::from_millis(20).into();
    let answer = DnsAnswer {
        source: None,
        ip_ttl: None,
        latency: short,
        rcode: Some(0),
        addresses: vec![address.ip()],
        cnames: Vec::new(),
        record_ttl_seconds: Some(300),
        matches_question: true,
        raw: String::new(),
    };
    let measurement = Measurement {
        measurement_id: MeasurementId::new(),
        site: "site".parse().expect("an id"),
        url: "https://site.example/".parse().expect("a URL"),
        vantage: "vantage".parse().expect("an id"),
        trigger: Trigger::Scheduled,
        started_at: at,
        elapsed: Duration::from_secs(10).into(),
        dns: vec![DnsExchange {
            hop: 0,
            resolver: "system".into(),
            role: DnsRole::Own,
            transport: DnsTransport::Udp,
            name: "site.example".into(),
            query_type: QueryType::A,
            started: Duration::ZERO.into(),
            elapsed: short,
            failure: None,
            answers: vec![answer],
        }],
        tcp: vec![TcpConnect {
            hop: 0,
            address,
            origin: AddressOrigin::Own,
            bogon: false,
            started: short,
            elapsed: short,
            failure: None,
        }],
        tls: vec![TlsHandshake {
            hop: 0,
            address,
            origin: AddressOrigin::Own,
            server_name: "site.example".into(),
            started: short,
            elapsed: Duration::from_secs(10).into(),
            failure: Some(Failure::GenericTimeout),
            alert: None,
            version: None,
            cipher: None,
            alpn: None,
            chain: Vec::new(),
            faults: Vec::new(),
        }],
        http: Vec::new(),
        quic: Vec::new(),
    };
    let http = |failure: Option<Failure>| ControlHttp {
        status: failure.is_none().then_some(200),
        failure,
        title: None,
        header_names: Vec::new(),
        body_length: None,
        leaf_sha256: None,
        final_url: None,
    };
    let control = ControlReport {
        id: "control".parse().expect("an id"),
        kind: ControlKind::Vantage,
        at,
        unusable: (sighting.control == Control::Unusable).then_some(Failure::ProxyFailed),
        dns: None,
        endpoints: Vec::new(),
        http: match sighting.control {
            Control::Reaches => Some(http(None)),
            Control::Fails => Some(http(Some(Failure::GenericTimeout))),
            Control::Unusable => None,
        },
        quic: Vec::new(),
        pace: None,
    };
    let results = (0..CANARIES).map(|n| {
        CanaryResult::new(
            format!("https://canary{n}.example/").parse().expect("a URL"),
            CanaryScope::Foreign,
            (n >= sighting.canaries).then_some(Failure::GenericTimeout),
        )
    });
    Evidence::new(measurement, vec![control], Some(CanaryReport { at, results: results.collect() }))
}

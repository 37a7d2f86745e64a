//! What a control vantage's measurement amounts to.

use std::net::IpAddr;

use super::outcome::{last_failure, last_hop};
use crate::model::{
    ControlDns, ControlEndpoint, ControlHttp, ControlId, ControlKind, ControlQuic, ControlReport, DnsRole, Failure,
    HttpExchange, Measurement, Pace,
};

/// The report of the control vantage `id` by its own `measurement`. `own_way_ok` tells whether its own canaries
/// answered; None when they were not asked. It is unusable when its proxy failed for everything, or when it got
/// nowhere and its canaries did not answer either: then it says nothing of the site.
pub fn control_report(id: ControlId, measurement: &Measurement, own_way_ok: Option<bool>) -> ControlReport {
    let http = http(measurement);
    let reached = http.as_ref().is_some_and(|http| http.failure.is_none() && http.status.is_some());
    ControlReport {
        pace: Pace::of(measurement),
        quic: quic(measurement),
        id,
        kind: ControlKind::Vantage,
        at: measurement.started_at,
        unusable: if reached { None } else { unusable(measurement, own_way_ok) },
        dns: dns(measurement),
        endpoints: endpoints(measurement),
        http,
    }
}

fn unusable(measurement: &Measurement, own_way_ok: Option<bool>) -> Option<Failure> {
    let by_proxy = |failure: &Option<Failure>| failure.as_ref() == Some(&Failure::ProxyFailed);
    let dialled = || measurement.tcp.iter().filter(|tcp| !tcp.bogon);
    let asked = || measurement.dns.iter().filter(|dns| dns.role == DnsRole::Own);
    let proxy_failed = if dialled().next().is_some() {
        dialled().all(|tcp| by_proxy(&tcp.failure))
    } else {
        asked().next().is_some() && asked().all(|dns| by_proxy(&dns.failure))
    };
    if proxy_failed {
        return Some(Failure::ProxyFailed);
    }
    let answered = measurement.http.iter().any(|exchange| exchange.status.is_some());
    if own_way_ok == Some(false) && !answered {
        return Some(last_failure(measurement).unwrap_or(Failure::NetworkDown));
    }
    None
}

fn dns(measurement: &Measurement) -> Option<ControlDns> {
    let first: Vec<_> = measurement.dns.iter().filter(|dns| dns.hop == 0 && dns.role == DnsRole::Own).collect();
    if first.is_empty() {
        return None;
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    let answers = first.iter().flat_map(|dns| &dns.answers).filter(|answer| answer.matches_question);
    for ip in answers.flat_map(|answer| &answer.addresses) {
        if !addresses.contains(ip) {
            addresses.push(*ip);
        }
    }
    let failure = first.iter().find_map(|dns| dns.failure.clone()).filter(|_| addresses.is_empty());
    Some(ControlDns { failure, addresses })
}

fn endpoints(measurement: &Measurement) -> Vec<ControlEndpoint> {
    let dialled = measurement.tcp.iter().filter(|tcp| !tcp.bogon && !tcp.failure.as_ref().is_some_and(is_own_lack));
    dialled
        .map(|tcp| {
            let tls = measurement.tls.iter().find(|tls| tls.hop == tcp.hop && tls.address == tcp.address);
            let tls = tls.filter(|tls| !tls.failure.as_ref().is_some_and(is_own_lack));
            ControlEndpoint {
                address: tcp.address,
                tcp_failure: tcp.failure.clone(),
                tls_tried: tls.is_some(),
                tls_failure: tls.and_then(|tls| tls.failure.clone()),
            }
        })
        .collect()
}

/// Whether a failed attempt tells only of the control: it then says nothing of the address.
fn is_own_lack(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Interrupted
            | Failure::ProxyFailed
            | Failure::NetworkDown
            | Failure::AddressNotAvailable
            | Failure::AddressFamilyNotSupported
    )
}

fn quic(measurement: &Measurement) -> Vec<ControlQuic> {
    let told = measurement.quic.iter().filter(|quic| quic.failure != Some(Failure::Interrupted));
    told.map(|quic| ControlQuic { address: quic.address, failure: quic.failure.clone() }).collect()
}

/// The end of the redirect chain. An answer over TLS that does not verify is no answer of the site.
fn http(measurement: &Measurement) -> Option<ControlHttp> {
    let last = last_hop(measurement);
    let Some(exchange) = measurement.http.iter().find(|exchange| exchange.hop == last) else {
        // Redirected to where nothing answered: the chain as a whole failed.
        measurement.http.last()?;
        return Some(ControlHttp {
            final_url: None,
            failure: last_failure(measurement),
            status: None,
            title: None,
            header_names: Vec::new(),
            body_length: None,
            leaf_sha256: None,
        });
    };
    let tls = measurement.tls.iter().find(|tls| tls.hop == exchange.hop && tls.address == exchange.address);
    let false_certificate = tls.filter(|tls| !tls.is_authentic()).and_then(|tls| tls.failure.clone());
    Some(ControlHttp {
        final_url: Some(exchange.url.clone()),
        failure: exchange.failure.clone().or(false_certificate),
        status: exchange.status,
        title: exchange.body.as_ref().and_then(|body| body.title.clone()),
        header_names: header_names(exchange),
        body_length: exchange.body.as_ref().filter(|body| !body.truncated).map(|body| body.length),
        leaf_sha256: tls.and_then(|tls| tls.chain.first()).map(|leaf| leaf.sha256.clone()),
    })
}

fn header_names(exchange: &HttpExchange) -> Vec<String> {
    let mut names: Vec<String> = exchange.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{
        AddressOrigin, Body, CertificateFault, CertificateRecord, Elapsed, MeasurementId, TcpConnect, Timestamp,
        TlsHandshake, Trigger,
    };

    fn empty() -> Measurement {
        Measurement {
            measurement_id: MeasurementId::new(),
            site: "site".parse().unwrap(),
            url: "https://site.example/".parse().unwrap(),
            vantage: "berlin".parse().unwrap(),
            trigger: Trigger::Control,
            started_at: Timestamp::from_unix_ms(0),
            elapsed: Duration::from_secs(1).into(),
            dns: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            http: Vec::new(),
            quic: Vec::new(),
        }
    }

    fn tcp(hop: u8, failure: Option<Failure>) -> TcpConnect {
        TcpConnect {
            hop,
            address: "203.0.113.1:443".parse().unwrap(),
            origin: AddressOrigin::Own,
            bogon: false,
            started: Elapsed::default(),
            elapsed: Elapsed::default(),
            failure,
        }
    }

    fn tls(failure: Option<Failure>, faults: Vec<CertificateFault>) -> TlsHandshake {
        TlsHandshake {
            hop: 0,
            address: "203.0.113.1:443".parse().unwrap(),
            origin: AddressOrigin::Own,
            server_name: "site.example".into(),
            started: Elapsed::default(),
            elapsed: Elapsed::default(),
            failure,
            alert: None,
            version: None,
            cipher: None,
            alpn: None,
            chain: vec![CertificateRecord {
                der: String::new(),
                sha256: "ab".into(),
                subject: String::new(),
                issuer: String::new(),
                not_before: None,
                not_after: None,
                names: Vec::new(),
            }],
            faults,
        }
    }

    fn answer(status: u16) -> HttpExchange {
        HttpExchange {
            hop: 0,
            url: "https://site.example/".parse().unwrap(),
            address: "203.0.113.1:443".parse().unwrap(),
            origin: AddressOrigin::Own,
            protocol: "h2".into(),
            started: Elapsed::default(),
            elapsed: Elapsed::default(),
            first_byte: None,
            failure: None,
            status: Some(status),
            headers: vec![("Server".into(), "x".into()), ("server".into(), "y".into())],
            body: Some(Body {
                length: 7,
                wire_length: None,
                truncated: false,
                sha256: String::new(),
                title: None,
                kept: None,
            }),
            redirect: None,
        }
    }

    fn report(measurement: &Measurement, own_way_ok: Option<bool>) -> ControlReport {
        control_report("berlin".parse().unwrap(), measurement, own_way_ok)
    }

    #[test]
    fn an_answer_is_an_answer_even_when_its_canaries_fail() {
        let measurement =
            Measurement { tcp: vec![tcp(0, None)], tls: vec![tls(None, vec![])], http: vec![answer(200)], ..empty() };
        let report = report(&measurement, Some(false));
        assert_eq!((report.reached(), report.unusable.clone()), (Some(true), None));
        let http = report.http.unwrap();
        assert_eq!(
            (http.header_names, http.body_length, http.leaf_sha256),
            (vec!["server".into()], Some(7), Some("ab".into()))
        );
    }

    #[test]
    fn a_false_certificate_is_no_answer() {
        let bad = tls(Some(Failure::SslUnknownAuthority), vec![CertificateFault::UnknownIssuer]);
        let measurement = Measurement { tcp: vec![tcp(0, None)], tls: vec![bad], http: vec![answer(200)], ..empty() };
        let report = report(&measurement, None);
        assert_eq!(report.reached(), Some(false));
        assert_eq!(report.endpoints[0].tls_failure, Some(Failure::SslUnknownAuthority));
    }

    #[test]
    fn a_dead_proxy_makes_it_unusable() {
        let measurement = Measurement { tcp: vec![tcp(0, Some(Failure::ProxyFailed))], ..empty() };
        assert_eq!(report(&measurement, None).unusable, Some(Failure::ProxyFailed));
        let measurement = Measurement {
            tcp: vec![tcp(0, Some(Failure::ProxyFailed)), tcp(0, Some(Failure::ConnectionRefused))],
            ..empty()
        };
        assert_eq!(report(&measurement, None).unusable, None);
    }

    #[test]
    fn what_the_control_lacks_says_nothing_of_an_address() {
        for (failure, told) in [
            (Failure::ProxyFailed, 0),
            (Failure::AddressFamilyNotSupported, 0),
            (Failure::Interrupted, 0),
            (Failure::ConnectionRefused, 1),
            (Failure::GenericTimeout, 1),
        ] {
            let measurement = Measurement { tcp: vec![tcp(0, Some(failure.clone()))], ..empty() };
            assert_eq!(report(&measurement, None).endpoints.len(), told, "{failure}");
        }
    }

    #[test]
    fn a_handshake_cut_short_by_ourselves_was_not_tried() {
        let cut = tls(Some(Failure::Interrupted), Vec::new());
        let measurement = Measurement { tcp: vec![tcp(0, None)], tls: vec![cut], ..empty() };
        assert!(!report(&measurement, None).endpoints[0].tls_tried);
    }

    #[test]
    fn silence_counts_only_with_a_way_out() {
        let measurement = Measurement { tcp: vec![tcp(0, Some(Failure::GenericTimeout))], ..empty() };
        assert_eq!(report(&measurement, Some(true)).reached(), Some(false));
        assert_eq!(report(&measurement, None).reached(), Some(false));
        assert_eq!(report(&measurement, Some(false)).unusable, Some(Failure::GenericTimeout));
    }

    #[test]
    fn a_redirect_into_nowhere_is_no_answer() {
        let measurement = Measurement {
            tcp: vec![tcp(0, None), tcp(1, Some(Failure::ConnectionRefused))],
            tls: vec![tls(None, vec![])],
            http: vec![answer(301)],
            ..empty()
        };
        let report = report(&measurement, None);
        assert_eq!(report.reached(), Some(false));
        assert_eq!(report.http.unwrap().failure, Some(Failure::ConnectionRefused));
    }
}

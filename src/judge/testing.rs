//! Evidence for tests, written as a story: what the resolvers said, what happened at each address, what others saw.

use std::net::{IpAddr, SocketAddr};

use super::{Knowledge, judge, needs_second_opinion};
use crate::model::*;

/// A certificate chain's kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chain {
    Valid,
    Stranger,
    WrongName,
    Expired,
    /// Its CA's certificate is a known one.
    KnownCa,
    /// Its issuer bears a known name.
    KnownName,
}

/// What happens at an address.
#[derive(Debug, Clone)]
pub(super) enum At {
    Tcp(Failure),
    Tls(Failure),
    Cert(Chain),
    /// TLS ends well (or TCP, in clear text); the request goes elsewhere.
    Ready,
    Http(Failure),
    /// The head comes, then it fails.
    Cut(Failure),
    Page(Page),
    /// A chain that proves nothing, and a page all the same.
    PageOver(Chain, Page),
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub status: u16,
    pub title: Option<&'static str>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub length: u64,
    pub redirect: Option<&'static str>,
    pub failure: Option<Failure>,
    pub kept: Option<&'static str>,
}

pub(super) fn page(status: u16) -> Page {
    Page {
        status,
        title: Some("Fergana — independent news"),
        headers: vec![("x-fergana-node", "3")],
        length: 40_000,
        redirect: None,
        failure: None,
        kept: None,
    }
}

impl Page {
    pub(super) fn titled(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }
    pub(super) fn headers(mut self, headers: &[(&'static str, &'static str)]) -> Self {
        self.headers = headers.to_vec();
        self
    }
    pub(super) fn length(mut self, length: u64) -> Self {
        self.length = length;
        self
    }
    pub(super) fn to(mut self, url: &'static str) -> Self {
        self.redirect = Some(url);
        self
    }
    pub(super) fn keeping(mut self, body: &'static str) -> Self {
        self.kept = Some(body);
        self
    }
    pub(super) fn failing(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }
}

pub(super) fn redirect(url: &'static str) -> At {
    At::Page(page(301).to(url))
}

/// A foreign page, nothing in common with the site's.
pub(super) fn stranger(status: u16) -> Page {
    page(status).titled("Access to this resource is restricted").headers(&[]).length(900)
}

/// The evidence under construction; later steps belong to the latest hop.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub evidence: Evidence,
    hop: u8,
    url: url::Url,
    pub country: CountryCode,
}

pub(super) const SITE: &str = "185.15.0.1";
pub(super) const EDGE: &str = "185.15.0.2";
pub(super) const LIAR: &str = "92.47.1.1";
pub(super) const SIX: &str = "2a02:6b8::1";
pub(super) const BOTH: &[AddressFamily] = AddressFamily::ALL;

pub(super) fn story(url: &str) -> Story {
    let url: url::Url = url.parse().unwrap();
    let measurement = Measurement {
        measurement_id: MeasurementId(uuid::Uuid::from_u128(7)),
        site: "fergana".parse().unwrap(),
        url: url.clone(),
        vantage: "almaty".parse().unwrap(),
        trigger: Trigger::Scheduled,
        started_at: at(0),
        elapsed: Elapsed::from_micros(11_000_000),
        dns: Vec::new(),
        tcp: Vec::new(),
        tls: Vec::new(),
        http: Vec::new(),
        quic: Vec::new(),
    };
    let evidence = Evidence::new(measurement, Vec::new(), None);
    Story { evidence, hop: 0, url, country: "KZ".parse().unwrap() }
}

fn at(seconds: u64) -> Timestamp {
    "2026-11-24T20:00:00Z".parse::<Timestamp>().unwrap().plus(std::time::Duration::from_secs(seconds))
}

pub(super) fn answer(rcode: u16, addresses: &[&str], ms: u64) -> DnsAnswer {
    DnsAnswer {
        source: Some("10.0.0.53:53".parse().unwrap()),
        ip_ttl: Some(60),
        latency: Elapsed::from_micros(ms * 1000),
        rcode: Some(rcode),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        cnames: Vec::new(),
        record_ttl_seconds: Some(300),
        matches_question: true,
        raw: String::new(),
    }
}

/// A negative answer as bytes on the wire, with the SOA record of `zone` or without.
pub(super) fn negative(rcode: u16, zone: Option<&str>, authoritative: bool, source: &str) -> DnsAnswer {
    use base64::Engine;
    use hickory_proto::op::{Message, MessageType, ResponseCode};
    use hickory_proto::rr::rdata::SOA;
    use hickory_proto::rr::{Name, RData, Record};
    let mut message = Message::query();
    message.metadata.message_type = MessageType::Response;
    message.metadata.authoritative = authoritative;
    message.metadata.response_code = if rcode == 3 { ResponseCode::NXDomain } else { ResponseCode::NoError };
    if let Some(zone) = zone {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let soa = SOA::new(name("ns.example."), name("hostmaster.example."), 1, 3600, 600, 86_400, 300);
        message.add_authority(Record::from_rdata(name(zone), 900, RData::SOA(soa)));
    }
    let raw = base64::engine::general_purpose::STANDARD.encode(message.to_vec().unwrap());
    DnsAnswer { source: Some(source.parse().unwrap()), raw, ..answer(rcode, &[], 12) }
}

pub(super) fn certificate(subject: &str, issuer: &str, sha256: &str) -> CertificateRecord {
    CertificateRecord {
        der: String::new(),
        sha256: sha256.into(),
        subject: subject.into(),
        issuer: issuer.into(),
        not_before: None,
        not_after: None,
        names: Vec::new(),
    }
}

const KAZAKH: &str = "C=KZ, O=ISCA, CN=Information Security Certification Authority";

impl Story {
    /// Who is watching.
    pub(super) fn country(mut self, code: &str) -> Self {
        self.country = code.parse().unwrap();
        self
    }

    /// Steps that follow belong to the next hop, at this URL.
    pub(super) fn then(mut self, url: &str) -> Self {
        self.hop += 1;
        self.url = url.parse().unwrap();
        self
    }

    fn dns(mut self, role: DnsRole, resolver: &str, failure: Option<Failure>, answers: Vec<DnsAnswer>) -> Self {
        let v6 = answers.iter().flat_map(|answer| &answer.addresses).any(IpAddr::is_ipv6);
        self.evidence.measurement.dns.push(DnsExchange {
            hop: self.hop,
            resolver: resolver.into(),
            role,
            transport: if role == DnsRole::Own { DnsTransport::Udp } else { DnsTransport::Doh },
            name: self.url.host_str().unwrap_or_default().into(),
            query_type: if v6 { QueryType::Aaaa } else { QueryType::A },
            started: Elapsed::from_micros(1000),
            elapsed: Elapsed::from_micros(5_000_000),
            failure,
            answers,
        });
        self
    }

    /// The network's own name server gives these addresses.
    pub(super) fn own(self, addresses: &[&str]) -> Self {
        self.dns(DnsRole::Own, "system", None, vec![answer(0, addresses, 12)])
    }

    /// It fails.
    pub(super) fn own_fails(self, failure: Failure) -> Self {
        self.resolver_fails("system", failure)
    }

    /// Another own resolver fails.
    pub(super) fn resolver_fails(self, resolver: &str, failure: Failure) -> Self {
        let rcode = match failure {
            Failure::DnsNxdomain => Some(3),
            Failure::DnsRefused => Some(5),
            Failure::DnsServfail => Some(2),
            Failure::DnsNoAnswer => Some(0),
            _ => None,
        };
        let answers = rcode.map(|rcode| answer(rcode, &[], 12)).into_iter().collect();
        self.dns(DnsRole::Own, resolver, Some(failure), answers)
    }

    /// It answers one question more than once.
    pub(super) fn own_answers(self, answers: Vec<DnsAnswer>) -> Self {
        self.dns(DnsRole::Own, "system", None, answers)
    }

    /// It says no, with or without a zone that bears it out.
    pub(super) fn own_denies(self, rcode: u16, zone: Option<&str>) -> Self {
        let failure = if rcode == 3 { Failure::DnsNxdomain } else { Failure::DnsNoAnswer };
        self.dns(DnsRole::Own, "system", Some(failure), vec![negative(rcode, zone, false, "92.47.0.53:53")])
    }

    /// The encrypted resolver gives these addresses.
    pub(super) fn reference(self, addresses: &[&str]) -> Self {
        self.dns(
            DnsRole::Control,
            "https://cloudflare-dns.com/dns-query@1.1.1.1:443",
            None,
            vec![answer(0, addresses, 30)],
        )
    }

    /// It fails.
    pub(super) fn reference_fails(self, failure: Failure) -> Self {
        let rcode = if failure == Failure::DnsNxdomain { 3 } else { 2 };
        self.dns(
            DnsRole::Control,
            "https://cloudflare-dns.com/dns-query@1.1.1.1:443",
            Some(failure),
            vec![answer(rcode, &[], 30)],
        )
    }

    /// An address of the own resolver.
    pub(super) fn at(self, address: &str, what: At) -> Self {
        self.path(address, AddressOrigin::Own, what)
    }

    /// An address that only the reference gave.
    pub(super) fn elsewhere(self, address: &str, what: At) -> Self {
        self.path(address, AddressOrigin::Control, what)
    }

    /// An own address that was recorded and not dialled.
    pub(super) fn bogon(mut self, address: &str) -> Self {
        self = self.path(address, AddressOrigin::Own, At::Tcp(Failure::DnsBogon));
        self.evidence.measurement.tcp.last_mut().unwrap().bogon = true;
        self
    }

    fn path(mut self, address: &str, origin: AddressOrigin, what: At) -> Self {
        let https = self.url.scheme() == "https";
        let ip: IpAddr = address.parse().unwrap();
        let address = SocketAddr::new(ip, if https { 443 } else { 80 });
        let hop = self.hop;
        let tcp_failure = if let At::Tcp(failure) = &what { Some(failure.clone()) } else { None };
        let connected = tcp_failure.is_none();
        self.evidence.measurement.tcp.push(TcpConnect {
            hop,
            address,
            origin,
            bogon: false,
            started: Elapsed::from_micros(20_000),
            elapsed: Elapsed::from_micros(40_000),
            failure: tcp_failure,
        });
        if !connected {
            return self;
        }
        if https {
            let handshake = self.handshake(address, origin, &what);
            self.evidence.measurement.tls.push(handshake);
        }
        let http = match what {
            At::Http(failure) => Some((None, failure)),
            At::Cut(failure) => Some((Some(200), failure)),
            At::Page(page) | At::PageOver(_, page) => {
                let exchange = self.exchange(address, origin, &page);
                self.evidence.measurement.http.push(exchange);
                None
            }
            _ => None,
        };
        if let Some((status, failure)) = http {
            let mut exchange = self.exchange(address, origin, &page(200));
            (exchange.status, exchange.failure, exchange.body) = (status, Some(failure), None);
            self.evidence.measurement.http.push(exchange);
        }
        self
    }

    fn handshake(&self, address: SocketAddr, origin: AddressOrigin, what: &At) -> TlsHandshake {
        use CertificateFault as Fault;
        let host = self.url.host_str().unwrap_or_default();
        let subject = format!("CN={host}");
        let leaf = |issuer: &str| certificate(&subject, issuer, &"ab".repeat(32));
        let chain = match what {
            At::Tls(_) | At::Tcp(_) => None,
            At::Cert(chain) | At::PageOver(chain, _) => Some(*chain),
            _ => Some(Chain::Valid),
        };
        let (failure, records, faults) = match chain {
            None => (if let At::Tls(failure) = what { Some(failure.clone()) } else { None }, vec![], vec![]),
            Some(Chain::Valid) => (None, vec![leaf("CN=R3, O=Let's Encrypt")], vec![]),
            Some(Chain::Stranger) => {
                (Some(Failure::SslUnknownAuthority), vec![leaf("CN=Box")], vec![Fault::UnknownIssuer])
            }
            Some(Chain::WrongName) => (
                Some(Failure::SslInvalidHostname),
                vec![certificate("CN=elsewhere.example", "CN=R3", &"cd".repeat(32))],
                vec![Fault::WrongName],
            ),
            Some(Chain::Expired) => (Some(Failure::SslInvalidCertificate), vec![leaf("CN=R3")], vec![Fault::Expired]),
            Some(Chain::KnownName) => {
                (Some(Failure::SslUnknownAuthority), vec![leaf(KAZAKH)], vec![Fault::UnknownIssuer])
            }
            Some(Chain::KnownCa) => (
                Some(Failure::SslUnknownAuthority),
                vec![
                    leaf("CN=whoever"),
                    certificate(KAZAKH, KAZAKH, "3472e4f16c570e0dd388aaaa4a64a34a4b939f1ca770996b5be0037c1aded9c1"),
                ],
                vec![Fault::UnknownIssuer],
            ),
        };
        TlsHandshake {
            hop: self.hop,
            address,
            origin,
            server_name: host.into(),
            started: Elapsed::from_micros(60_000),
            elapsed: Elapsed::from_micros(10_000_000),
            alert: (failure == Some(Failure::SslFailedHandshake)).then(|| "unrecognized_name".into()),
            failure,
            version: None,
            cipher: None,
            alpn: None,
            chain: records,
            faults,
        }
    }

    fn exchange(&self, address: SocketAddr, origin: AddressOrigin, page: &Page) -> HttpExchange {
        use base64::Engine;
        let kept = page.kept.map(|text| {
            base64::engine::general_purpose::STANDARD.encode(zstd::encode_all(text.as_bytes(), 1).unwrap())
        });
        HttpExchange {
            hop: self.hop,
            url: self.url.clone(),
            address,
            origin,
            protocol: "http/1.1".into(),
            started: Elapsed::from_micros(100_000),
            elapsed: Elapsed::from_micros(200_000),
            first_byte: None,
            failure: page.failure.clone(),
            status: Some(page.status),
            headers: page.headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: Some(Body {
                wire_length: None,
                length: page.length,
                truncated: false,
                sha256: "00".repeat(32),
                title: page.title.map(str::to_owned),
                kept,
            }),
            redirect: page.redirect.map(|url| url.parse().unwrap()),
        }
    }

    fn control(mut self, id: &str, http: Option<ControlHttp>) -> Self {
        self.evidence.controls.push(ControlReport {
            pace: None,
            quic: Vec::new(),
            id: id.parse().unwrap(),
            kind: ControlKind::Vantage,
            at: at(5),
            unusable: None,
            dns: None,
            endpoints: Vec::new(),
            http,
        });
        self
    }

    /// The latest control, for what is special about it.
    pub(super) fn control_mut(&mut self) -> &mut ControlReport {
        self.evidence.controls.last_mut().unwrap()
    }

    /// Changes the latest control.
    pub(super) fn whose(mut self, change: impl FnOnce(&mut ControlReport)) -> Self {
        change(self.control_mut());
        self
    }

    /// The latest handshake was turned away with this alert.
    pub(super) fn alert(mut self, name: &str) -> Self {
        self.evidence.measurement.tls.last_mut().unwrap().alert = Some(name.into());
        self
    }

    /// A control gets this page.
    pub(super) fn control_sees(self, page: &Page) -> Self {
        let http = ControlHttp {
            final_url: None,
            failure: None,
            status: Some(page.status),
            title: page.title.map(str::to_owned),
            header_names: page.headers.iter().map(|&(name, _)| name.to_owned()).collect(),
            body_length: Some(page.length),
            leaf_sha256: None,
        };
        self.control("berlin", Some(http))
    }

    /// A control gets the site's page.
    pub(super) fn control_works(self) -> Self {
        self.control_sees(&page(200))
    }

    /// A control gets nothing.
    pub(super) fn control_fails(self, failure: Failure) -> Self {
        let http = ControlHttp {
            final_url: None,
            failure: Some(failure),
            status: None,
            title: None,
            header_names: Vec::new(),
            body_length: None,
            leaf_sha256: None,
        };
        self.control("paris", Some(http))
    }

    /// A control cannot be asked.
    pub(super) fn control_dead(self) -> Self {
        self.control("dead", None).whose(|report| report.unusable = Some(Failure::ProxyFailed))
    }

    fn canary(mut self, scope: CanaryScope, failure: Option<Failure>) -> Self {
        let report = self.evidence.canaries.get_or_insert(CanaryReport { at: at(3), results: Vec::new() });
        let url = "https://www.wikipedia.org/".parse().unwrap();
        report.results.push(CanaryResult::new(url, scope, failure));
        self
    }

    /// A foreign canary answers.
    pub(super) fn online(self) -> Self {
        self.canary(CanaryScope::Foreign, None)
    }

    /// A foreign canary fails.
    pub(super) fn no_world(self, failure: Failure) -> Self {
        self.canary(CanaryScope::Foreign, Some(failure))
    }

    /// A domestic canary answers.
    pub(super) fn home(self) -> Self {
        self.canary(CanaryScope::Domestic, None)
    }

    /// Changes the latest canary.
    pub(super) fn whose_canary(mut self, change: impl FnOnce(&mut CanaryResult)) -> Self {
        change(self.evidence.canaries.as_mut().unwrap().results.last_mut().unwrap());
        self
    }

    /// The latest canary is reached over these families.
    pub(super) fn over(self, families: &[AddressFamily]) -> Self {
        self.whose_canary(|result| result.families = families.to_vec())
    }

    /// The latest canary is greeted over QUIC.
    pub(super) fn canary_quic(self, failure: Option<Failure>) -> Self {
        self.whose_canary(|result| result.quic = Some(CanaryQuic { failure }))
    }

    /// The latest canary's name is served by this own resolver.
    pub(super) fn served_by(self, resolver: &str) -> Self {
        self.whose_canary(|result| result.resolvers.push(resolver.into()))
    }

    /// The latest control tries this address.
    pub(super) fn endpoint(self, address: &str, tcp: Option<Failure>, tls: Option<Failure>) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), 443);
        let tls_tried = tcp.is_none();
        self.whose(|report| {
            report.endpoints.push(ControlEndpoint { address, tcp_failure: tcp, tls_tried, tls_failure: tls });
        })
    }

    /// The latest control greets the site over QUIC.
    pub(super) fn control_quic(self, failure: Option<Failure>) -> Self {
        let address = SocketAddr::new(SITE.parse().unwrap(), 443);
        self.whose(|report| report.quic.push(ControlQuic { address, failure }))
    }

    /// An own address is greeted over QUIC.
    pub(super) fn quic(mut self, address: &str, failure: Option<Failure>) -> Self {
        self.evidence.measurement.quic.push(QuicHandshake {
            hop: self.hop,
            address: SocketAddr::new(address.parse().unwrap(), 443),
            server_name: self.url.host_str().unwrap_or_default().into(),
            started: Elapsed::from_micros(30_000),
            elapsed: Elapsed::from_micros(10_000_000),
            failure,
            origin: AddressOrigin::Own,
            hint: Some(QuicHint::AltSvc),
            alpn: None,
            last_good: None,
        });
        self
    }

    /// The latest greeting over QUIC was once answered.
    pub(super) fn last_good(mut self, hours_ago: u64) -> Self {
        let then = at(0).minus(std::time::Duration::from_secs(hours_ago * 3600));
        self.evidence.measurement.quic.last_mut().unwrap().last_good = Some(then);
        self
    }

    /// Another own resolver gives these addresses.
    pub(super) fn resolver_gives(self, resolver: &str, addresses: &[&str]) -> Self {
        self.dns(DnsRole::Own, resolver, None, vec![answer(0, addresses, 12)])
    }

    pub(super) fn needs_second_opinion(&self, latest: Option<&CanaryReport>) -> bool {
        needs_second_opinion(
            &self.evidence.measurement,
            latest,
            self.evidence.baseline.as_ref(),
            &Knowledge::new(Vec::new()),
            self.country,
        )
    }

    pub(super) fn verdict(&self) -> Verdict {
        judge(&self.evidence, &Knowledge::new(Vec::new()), self.country)
    }

    /// The id of the rule that decides.
    pub(super) fn rule(&self) -> String {
        self.verdict().rules[0].to_string()
    }
}

/// Every case is decided by the rule beside it; those that are not are all told at once.
pub(super) fn assert_decided(cases: &[(&str, Story, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(_, story, rule)| story.rule() != *rule)
        .map(|(what, story, rule)| format!("{what}: {} instead of {rule}: {:?}", story.rule(), story.verdict().reasons))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! One attempt: how far a greeting, a request or a question gets.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;
use url::{Host, Url};

use super::{Bench, record};
use crate::config::ResolverSpec;
use crate::model::{
    Attempt, DnsExchange, DnsRole, Elapsed, Failure, Layer, QueryType, Timestamp, TlsHandshake, answer_in_short,
};
use crate::probe::dns::{self, DnsQuery};
use crate::probe::http;
use crate::probe::measure::cut_short;
use crate::probe::tls::{self, Hello};
use crate::probe::wire::{Wire, WireNotes};
use crate::vantage::Connection;

/// Bytes of a page that are read: that one comes is all that is asked.
const GLIMPSE: u64 = 4096;

/// What a TLS record may begin with (RFC 8446 section 5.1): change_cipher_spec, alert, handshake, application_data.
const TLS_RECORD: std::ops::RangeInclusive<u8> = 20..=23;

/// An attempt of which nothing is known yet but its beginning.
fn begin(name: &str, address: Option<SocketAddr>) -> (Attempt, Instant) {
    let attempt = Attempt {
        name: name.to_owned(),
        address,
        resolver: None,
        at: Timestamp::now(),
        elapsed: Elapsed::default(),
        failure: None,
        layer: None,
        answer: None,
    };
    (attempt, Instant::now())
}

/// An open connection with its notes.
struct Line {
    wire: Wire<Connection>,
    notes: WireNotes,
    _permit: OwnedSemaphorePermit,
}

impl Bench<'_> {
    /// Sends a ClientHello that bears `name`. Any TLS record that comes back is an answer: a ServerHello, a certificate
    /// for another name, an alert. The greeting got through.
    pub(super) async fn hello(&self, address: SocketAddr, name: &str) -> Attempt {
        let (attempt, started) = begin(name, Some(address));
        let outcome = match self.shake(address, &Host::Domain(name.to_owned())).await {
            Err(failure) => Some((Layer::Tcp, failure)),
            Ok((_, notes)) if notes.first_byte().is_some_and(|byte| TLS_RECORD.contains(&byte)) => None,
            Ok((handshake, _)) => handshake.failure.map(|failure| (Layer::Tls, failure)),
        };
        record(attempt, started, outcome)
    }

    /// Visits `address` as the site's own: only an authentic handshake will do, or in clear text any answer.
    pub(super) async fn visit(&self, address: SocketAddr, url: &Url) -> Attempt {
        if url.scheme() != "https" {
            return self.request(address, url).await;
        }
        let name = url.host_str().unwrap_or_default();
        let (attempt, started) = begin(name, Some(address));
        let outcome = match self.shake(address, &Host::Domain(name.to_owned())).await {
            Err(failure) => Some((Layer::Tcp, failure)),
            Ok((handshake, _)) => handshake.failure.map(|failure| (Layer::Tls, failure)),
        };
        record(attempt, started, outcome)
    }

    /// Sends a clear-text request for `url`. The head of any answer is one.
    pub(super) async fn request(&self, address: SocketAddr, url: &Url) -> Attempt {
        let (mut attempt, started) = begin(url.host_str().unwrap_or_default(), Some(address));
        let outcome = match self.line(address).await {
            Err(failure) => Some((Layer::Tcp, failure)),
            Ok(line) => {
                let usual = self.prober.bounds().http_timeout;
                let limit = self.limit(usual);
                let now = Instant::now();
                let headers = http::RequestHeaders::default();
                let get = http::Get {
                    headers: &headers,
                    hop: 0,
                    url,
                    address,
                    h2: false,
                    origin: now,
                    deadline: now + limit,
                    body_limit: GLIMPSE,
                };
                let (exchange, _) = http::exchange(Box::new(line.wire), &line.notes, &get).await;
                attempt.answer = answer_in_short(&exchange);
                let failure = cut_short(exchange.failure, limit, usual).filter(|_| exchange.status.is_none());
                failure.map(|failure| (Layer::Http, failure))
            }
        };
        record(attempt, started, outcome)
    }

    /// Asks `resolver` for the IPv4 addresses of `name`.
    pub(super) async fn question(&self, resolver: &ResolverSpec, name: &str) -> Attempt {
        let (mut attempt, started) = begin(name, None);
        attempt.resolver = Some(resolver.to_string());
        let outcome = self.look_up(resolver, name).await.err().map(|failure| (Layer::Dns, failure));
        record(attempt, started, outcome)
    }

    /// Asks the same name server over TCP. None when it is none that is asked by datagram.
    pub(super) async fn over_tcp(&self, resolver: &ResolverSpec, name: &str) -> Option<Attempt> {
        let server = *dns::datagram_servers(resolver).await.first()?;
        let mut attempt = self.question(&ResolverSpec::Tcp(server), name).await;
        if *resolver == ResolverSpec::System {
            // Whom the system asks is the vantage's own affair.
            attempt.resolver = Some("system (TCP)".to_owned());
        }
        Some(attempt)
    }

    /// The first public IPv4 address that the vantage's own resolvers give for the host of `url`, with its port.
    pub(super) async fn address_of(&self, url: &Url) -> Option<SocketAddr> {
        let port = url.port_or_known_default()?;
        let ip = match url.host()? {
            Host::Ipv4(ip) => IpAddr::V4(ip),
            Host::Ipv6(ip) => IpAddr::V6(ip),
            Host::Domain(name) => {
                let mut found = None;
                for resolver in self.vantage.resolvers() {
                    found = self.look_up(resolver, name).await.ok();
                    if found.is_some() {
                        break;
                    }
                }
                found?
            }
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The first public address of `name`, or why there is none.
    async fn look_up(&self, resolver: &ResolverSpec, name: &str) -> Result<IpAddr, Failure> {
        let (usual, now) = (self.prober.bounds().dns_timeout, Instant::now());
        let timeout = self.limit(usual);
        let query = DnsQuery { hop: 0, name, query_type: QueryType::A, role: DnsRole::Own, origin: now, timeout };
        let asked = dns::ask(self.vantage, resolver, &query, self.prober.resolver_tls());
        let exchanges = timeout_at(self.deadline.into(), asked).await.unwrap_or_default();
        let inward = self.prober.inward(self.vantage).await;
        let public = |exchange: &DnsExchange| {
            let answers = exchange.answers.iter().filter(|answer| answer.matches_question);
            answers.flat_map(|answer| answer.addresses.clone()).find(|ip| !inward.forbids(*ip))
        };
        if let Some(ip) = exchanges.iter().find_map(public) {
            return Ok(ip);
        }
        let failure = exchanges.into_iter().next_back().map(|exchange| exchange.failure.unwrap_or(Failure::DnsBogon));
        let failure = failure.unwrap_or(Failure::Interrupted);
        Err(cut_short(Some(failure), timeout, usual).unwrap_or(Failure::Interrupted))
    }

    /// A handshake as `host`, as far as it gets; an error when there is no connection.
    async fn shake(&self, address: SocketAddr, host: &Host<String>) -> Result<(TlsHandshake, WireNotes), Failure> {
        let Line { wire, notes, _permit } = self.line(address).await?;
        let usual = self.prober.bounds().tls_timeout;
        let limit = self.limit(usual);
        let now = Instant::now();
        let hello = Hello { hop: 0, address, host, origin: now, deadline: now + limit };
        let (mut handshake, _) = tls::handshake(self.prober.roots(), &hello, wire, &notes).await;
        handshake.failure = cut_short(handshake.failure, limit, usual);
        Ok((handshake, notes))
    }

    async fn line(&self, address: SocketAddr) -> Result<Line, Failure> {
        let usual = self.prober.bounds().tcp_timeout;
        let patience = Instant::now() + self.limit(usual);
        let permit = timeout_at(patience.into(), self.prober.enter(address)).await.ok().flatten();
        // We held back of our own accord: that is no silence of the peer.
        let permit = permit.ok_or(Failure::Interrupted)?;
        let limit = self.limit(usual);
        let connected = self.vantage.connect(address, limit).await;
        let connection =
            connected.map_err(|failure| cut_short(Some(failure.clone()), limit, usual).unwrap_or(failure))?;
        let (wire, notes) = Wire::new(connection);
        Ok(Line { wire, notes, _permit: permit })
    }
}

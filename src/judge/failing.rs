//! Where and how it fails: the deepest layer that an ordinary user of this network gets to.

use super::context::Canaries;
use super::seen::{Hop, Path};
use crate::model::{CertificateFault, Elapsed, Failure, HttpExchange, Layer, Mechanism};

/// The failure that decides.
#[derive(Debug, Clone)]
pub(super) struct Failing<'e> {
    /// Position in the redirect chain.
    pub hop: u8,
    /// In which layer.
    pub layer: Layer,
    /// How, as a censor would do it; None for failures that no censor is known to cause or that come from this machine.
    pub mechanism: Option<Mechanism>,
    /// The failure.
    pub failure: Failure,
    /// How long the step took.
    pub elapsed: Elapsed,
    /// The address, unless it fails in name resolution.
    pub path: Option<Path<'e>>,
}

impl<'e> Failing<'e> {
    /// The failure at `hop` on the addresses that users get. None when nothing there speaks: no record, only failures
    /// that are masked (a family without a way out, this machine's own), or steps that were never made.
    pub(super) fn at(hop: &Hop<'e>, canaries: &Canaries<'_>) -> Option<Self> {
        let own: Vec<&Path<'e>> = hop.paths.iter().filter(|path| path.own && !path.bogon).collect();
        if own.is_empty() {
            return Self::in_dns(hop);
        }
        // Not the first but the deepest: one dead address hides nothing of what the others show.
        own.into_iter()
            .filter_map(|path| Self::on(hop, path, canaries))
            .max_by(|a, b| depth(a).cmp(&depth(b)).then_with(|| address(b).cmp(&address(a))))
    }

    fn in_dns(hop: &Hop<'e>) -> Option<Self> {
        let (lookup, failure) = hop.own.failure()?;
        Some(Self {
            hop: hop.index,
            layer: Layer::Dns,
            mechanism: dns_mechanism(failure),
            failure: failure.clone(),
            elapsed: lookup.elapsed,
            path: None,
        })
    }

    /// The failure at one address, if it is one that may be laid at the door of the site or the path to it: not while the
    /// canaries show no way out for its family, unless someone answered there all the same.
    pub(super) fn on(hop: &Hop<'e>, path: &Path<'e>, canaries: &Canaries<'_>) -> Option<Self> {
        let answered =
            path.tls.is_some_and(|tls| !tls.chain.is_empty()) || path.http.is_some_and(|http| http.status.is_some());
        if !answered && !canaries.carries(path.address.ip()) {
            return None;
        }
        let failing = |layer, mechanism, failure: &Failure, elapsed| Self {
            hop: hop.index,
            layer,
            mechanism,
            failure: failure.clone(),
            elapsed,
            path: Some(path.clone()),
        };
        if let Some((tcp, failure)) = path.tcp.and_then(|tcp| tcp.failure.as_ref().map(|failure| (tcp, failure))) {
            return (!is_local(failure)).then(|| failing(Layer::Tcp, tcp_mechanism(failure), failure, tcp.elapsed));
        }
        if let Some(http) = path.http.filter(|_| path.authentic || !hop.https) {
            let failure = http.failure.as_ref().filter(|failure| !is_local(failure))?;
            let mechanism = http_mechanism(failure, http.status.is_some()).filter(|_| !is_slow(http, failure));
            return Some(failing(Layer::Http, mechanism, failure, http.elapsed));
        }
        let tls = path.tls.filter(|tls| !path.authentic && (tls.failure.is_some() || !tls.chain.is_empty()))?;
        // A chain with faults, or with a CA that must never be trusted, is no success, whatever the record says.
        let failure = tls.failure.clone().unwrap_or(Failure::SslUnknownAuthority);
        (!is_local(&failure)).then(|| failing(Layer::Tls, tls_mechanism(&failure), &failure, tls.elapsed))
    }

    /// The chain's faults are about its dates and nothing else.
    pub(super) fn is_about_dates(&self) -> bool {
        let faults = self.path.as_ref().and_then(|path| path.tls).map(|tls| tls.faults.as_slice()).unwrap_or_default();
        !faults.is_empty()
            && faults.iter().all(|fault| matches!(fault, CertificateFault::Expired | CertificateFault::NotYetValid))
    }
}

/// Bytes of a body on the wire after which a deadline that passes tells of a slow line: a censor that lets the first packets
/// through freezes the rest after 16 to 20 KiB (net4people/bbs #490).
const MUCH: u64 = 64 * 1024;
/// The same when the body came coded and its length on the wire is not known.
const MUCH_CODED: u64 = 256 * 1024;

/// The body was coming, only not fast enough for our own deadline.
pub(super) fn is_slow(http: &HttpExchange, failure: &Failure) -> bool {
    if let Some(wire) = http.body.as_ref().and_then(|body| body.wire_length) {
        return failure.is_timeout() && wire >= MUCH;
    }
    let coded = http.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let much = if coded { MUCH_CODED } else { MUCH };
    failure.is_timeout() && http.body.as_ref().is_some_and(|body| body.length >= much)
}

/// Where it failed, unless in name resolution.
pub(super) fn address<'a>(failing: &'a Failing<'_>) -> Option<&'a std::net::SocketAddr> {
    failing.path.as_ref().map(|path| &path.address)
}

/// Deeper layers first; within a layer the failure that tells more.
pub(super) fn depth(failing: &Failing<'_>) -> (Layer, u8) {
    let telling = match failing.mechanism {
        Some(Mechanism::TlsMitm) if failing.is_about_dates() => 0,
        Some(Mechanism::TlsMitm | Mechanism::HttpTruncated) => 5,
        Some(Mechanism::TlsReset | Mechanism::HttpReset | Mechanism::TcpReset) => 4,
        Some(Mechanism::TlsEof | Mechanism::HttpEof) => 3,
        Some(Mechanism::TlsTimeout | Mechanism::HttpTimeout | Mechanism::TcpTimeout) => 2,
        Some(_) => 1,
        None => 0,
    };
    (failing.layer, telling)
}

/// Failures of this machine or of our own doing: they say nothing of the site or the path.
pub(super) const fn is_local(failure: &Failure) -> bool {
    failure.is_local()
}

pub(super) const fn dns_mechanism(failure: &Failure) -> Option<Mechanism> {
    Some(match failure {
        Failure::DnsNxdomain => Mechanism::DnsNxdomain,
        Failure::DnsRefused => Mechanism::DnsRefused,
        Failure::DnsServfail | Failure::DnsServerMisbehaving => Mechanism::DnsServfail,
        Failure::DnsNoAnswer => Mechanism::DnsEmpty,
        Failure::DnsBogon => Mechanism::DnsBogon,
        Failure::GenericTimeout | Failure::TimedOut => Mechanism::DnsTimeout,
        _ => return None,
    })
}

const fn tcp_mechanism(failure: &Failure) -> Option<Mechanism> {
    Some(match failure {
        Failure::GenericTimeout | Failure::TimedOut => Mechanism::TcpTimeout,
        Failure::ConnectionRefused => Mechanism::TcpRefused,
        Failure::ConnectionReset => Mechanism::TcpReset,
        Failure::HostUnreachable | Failure::NetworkUnreachable | Failure::PermissionDenied => Mechanism::TcpUnreachable,
        _ => return None,
    })
}

const fn tls_mechanism(failure: &Failure) -> Option<Mechanism> {
    Some(match failure {
        Failure::GenericTimeout | Failure::TimedOut => Mechanism::TlsTimeout,
        Failure::ConnectionReset => Mechanism::TlsReset,
        Failure::Eof => Mechanism::TlsEof,
        Failure::SslFailedHandshake => Mechanism::TlsAlert,
        Failure::SslInvalidHostname | Failure::SslUnknownAuthority | Failure::SslInvalidCertificate => {
            Mechanism::TlsMitm
        }
        _ => return None,
    })
}

const fn http_mechanism(failure: &Failure, head_came: bool) -> Option<Mechanism> {
    Some(match failure {
        Failure::GenericTimeout | Failure::TimedOut | Failure::ConnectionReset | Failure::Eof if head_came => {
            Mechanism::HttpTruncated
        }
        Failure::GenericTimeout | Failure::TimedOut => Mechanism::HttpTimeout,
        Failure::ConnectionReset => Mechanism::HttpReset,
        Failure::Eof => Mechanism::HttpEof,
        _ => return None,
    })
}

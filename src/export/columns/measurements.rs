//! The columns of a measurement: what most questions need, flat, and its parts whole as JSON.
//!
//! What would tell the vantage's own addresses is taken out, as in the other formats.

use serde::Serialize;

use super::super::json::to_json_text;
use super::super::measurement::Judged;
use super::super::scrub::Scrub;
use super::{Column, Kind, Rows, Value, column};
use crate::model::{
    CanaryReport, CanaryScope, DnsExchange, DnsRole, Evidence, Failure, HttpExchange, Mechanism, Partial,
    QuicHandshake, TcpConnect, TlsHandshake, Verdict,
};

/// A measurement with its verdict, ready to be told.
pub(super) struct Row<'a> {
    evidence: &'a Evidence,
    verdict: &'a Verdict,
    told: Judged<'a>,
    canaries: Option<CanaryReport>,
}

impl<'a> Row<'a> {
    pub(super) fn new(evidence: &'a Evidence, verdict: &'a Verdict) -> Self {
        let canaries = evidence.canaries.as_ref().map(Scrub::canaries);
        Self { evidence, verdict, told: Judged::new(evidence, verdict), canaries }
    }

    /// Questions to the vantage's own resolvers about the URL's host.
    fn own_dns(&self) -> impl Iterator<Item = &DnsExchange> + Clone {
        self.told.dns.iter().filter(|exchange| exchange.hop == 0 && exchange.role == DnsRole::Own)
    }

    /// Connection attempts of the first hop.
    fn tcp(&self) -> impl Iterator<Item = &TcpConnect> + Clone {
        self.told.tcp.iter().copied().filter(|tcp| tcp.hop == 0)
    }

    /// The handshake of the first hop that tells most: one that ended well, or else the first.
    fn tls(&self) -> Option<&TlsHandshake> {
        best(self.told.tls.iter().filter(|tls| tls.hop == 0), |tls| tls.failure.is_none())
    }

    fn quic(&self) -> Option<&QuicHandshake> {
        best(self.told.quic.iter().filter(|quic| quic.hop == 0), |quic| quic.failure.is_none())
    }

    /// The last exchange of the redirect chain.
    fn http(&self) -> Option<&HttpExchange> {
        self.told.http.last()
    }

    fn tally(&self, scope: CanaryScope) -> Option<(usize, usize)> {
        Some(self.canaries.as_ref()?.tally(scope))
    }
}

/// The first that is good, or else the first.
fn best<'t, T>(mut all: impl Iterator<Item = &'t T> + Clone, good: impl Fn(&T) -> bool) -> Option<&'t T> {
    let first = all.clone().next();
    all.find(|one| good(one)).or(first)
}

/// What went wrong, when nothing of all went well; null otherwise, and when there is nothing.
fn failure_of<'f>(all: impl Iterator<Item = Option<&'f Failure>> + Clone) -> Value<'f> {
    if all.clone().any(|failure| failure.is_none()) {
        return Value::Null;
    }
    all.flatten().next().map_or(Value::Null, |failure| Value::Text(failure.as_ooni()))
}

fn json<T: Serialize + ?Sized>(value: &T) -> Value<'static> {
    to_json_text(value).map_or(Value::Null, Value::owned)
}

const fn counted(number: usize) -> Value<'static> {
    Value::Count(number as i64)
}

/// Measurements.
pub(super) enum Measurements {}

impl Rows for Measurements {
    type Row<'a> = Row<'a>;

    const NAME: &'static str = "measurement";
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
}

const COLUMNS: &[Column<Measurements>] = &[
    column("measurement_id", Kind::Text, "Name of the measurement (UUID).", |row| {
        Value::owned(row.told.measurement_id.to_string())
    }),
    column("site", Kind::Text, "Id of the site in the target list.", |row| Value::text(Some(row.told.site.as_str()))),
    column("url", Kind::Text, "The URL measured.", |row| Value::text(Some(row.told.url.as_str()))),
    column("vantage", Kind::Text, "Pseudonym of the vantage.", |row| Value::text(Some(row.told.vantage.as_str()))),
    column("trigger", Kind::Text, "Why it was made: `scheduled`, `confirmation` and so on.", |row| {
        Value::text(Some(row.evidence.measurement.trigger.as_str()))
    }),
    column("started_at", Kind::Instant, "When it began, by the clock of the machine.", |row| {
        Value::Instant(row.told.started_at)
    }),
    column("elapsed_seconds", Kind::Real, "How long all of it took.", |row| {
        Value::Real(row.told.elapsed_seconds.as_seconds())
    }),
    column("status", Kind::Text, "The verdict on it.", |row| Value::text(Some(row.told.status.as_str()))),
    column("mechanism", Kind::Text, "How, when blocked: `layer.how`.", |row| {
        Value::text(row.told.mechanism.map(Mechanism::as_str))
    }),
    column("confidence", Kind::Real, "How sure this one measurement makes us, 0 to 1.", |row| {
        Value::Real(row.told.confidence)
    }),
    column(
        "strength",
        Kind::Text,
        "How the evidence bears the verdict: `self_proving`, `differential`, `weak`.",
        |row| Value::text(Some(row.verdict.strength.as_str())),
    ),
    column("ruleset", Kind::Count, "Version of the rules that judged it.", |row| {
        Value::Count(i64::from(row.verdict.ruleset))
    }),
    column("rules", Kind::Text, "Ids of the rules that decided, joined by `;`.", |row| Value::joined(row.told.rules)),
    column("reasons", Kind::Text, "The reasons in plain sentences.", |row| Value::owned(row.told.reasons.join(" "))),
    column(
        "partial",
        Kind::Text,
        "Parts of the way that are interfered with, `part=mechanism`, joined by `;`.",
        |row| {
            let told = |partial: &Partial| format!("{}={}", partial.scope, partial.mechanism);
            Value::joined(row.told.partial.iter().map(told))
        },
    ),
    column("control_id", Kind::Text, "The control that counted; null when none was asked.", |row| {
        Value::text(row.told.control.map(|control| control.id.as_str()))
    }),
    column("control_status", Kind::Text, "What that control saw.", |row| {
        Value::text(row.told.control.map(|control| control.status.as_str()))
    }),
    column("control_at", Kind::Instant, "When that control measured.", |row| {
        Value::instant(row.told.control.map(|control| control.at))
    }),
    column(
        "foreign_canaries_answered",
        Kind::Count,
        "Foreign canaries that answered; null when none was asked.",
        |row| row.tally(CanaryScope::Foreign).map_or(Value::Null, |(answered, _)| counted(answered)),
    ),
    column("foreign_canaries_asked", Kind::Count, "Foreign canaries that were asked.", |row| {
        row.tally(CanaryScope::Foreign).map_or(Value::Null, |(_, asked)| counted(asked))
    }),
    column("domestic_canaries_answered", Kind::Count, "Domestic canaries that answered.", |row| {
        row.tally(CanaryScope::Domestic).map_or(Value::Null, |(answered, _)| counted(answered))
    }),
    column("domestic_canaries_asked", Kind::Count, "Domestic canaries that were asked.", |row| {
        row.tally(CanaryScope::Domestic).map_or(Value::Null, |(_, asked)| counted(asked))
    }),
    column("dns_failure", Kind::Text, "Why no resolver of the vantage gave an address; null when one did.", |row| {
        failure_of(row.own_dns().map(|exchange| exchange.failure.as_ref()))
    }),
    column("dns_addresses", Kind::Text, "Addresses from the vantage's own resolvers, joined by `;`.", |row| {
        let answers = row.own_dns().flat_map(|exchange| &exchange.answers);
        let mut addresses: Vec<_> = answers.flat_map(|answer| &answer.addresses).collect();
        addresses.sort();
        addresses.dedup();
        Value::joined(addresses)
    }),
    column("dns_seconds", Kind::Real, "Until the first own resolver gave an address.", |row| {
        let answered = row.own_dns().filter(|exchange| exchange.failure.is_none());
        Value::real(answered.map(|exchange| exchange.elapsed.as_seconds()).reduce(f64::min))
    }),
    column("tcp_tried", Kind::Count, "Addresses that were dialled.", |row| {
        counted(row.tcp().filter(|tcp| !tcp.bogon).count())
    }),
    column("tcp_connected", Kind::Count, "Addresses that connected.", |row| {
        counted(row.tcp().filter(|tcp| tcp.failure.is_none()).count())
    }),
    column("tcp_failure", Kind::Text, "Why no address connected; null when one did.", |row| {
        failure_of(row.tcp().map(|tcp| tcp.failure.as_ref()))
    }),
    column("tcp_seconds", Kind::Real, "Until the quickest connection.", |row| {
        let connected = row.tcp().filter(|tcp| tcp.failure.is_none());
        Value::real(connected.map(|tcp| tcp.elapsed.as_seconds()).reduce(f64::min))
    }),
    column("tls_failure", Kind::Text, "Why no handshake ended well with a valid chain; null when one did.", |row| {
        failure_of(row.told.tls.iter().filter(|tls| tls.hop == 0).map(|tls| tls.failure.as_ref()))
    }),
    column("tls_version", Kind::Text, "Version of TLS.", |row| {
        Value::text(row.tls().and_then(|tls| tls.version.as_deref()))
    }),
    column("tls_issuer", Kind::Text, "Who issued the certificate that was sent (hostile text).", |row| {
        Value::text(row.tls().and_then(|tls| tls.chain.first()).map(|leaf| leaf.issuer.as_str()))
    }),
    column("tls_leaf_sha256", Kind::Text, "SHA-256 of the certificate that was sent, hex.", |row| {
        Value::text(row.tls().and_then(|tls| tls.chain.first()).map(|leaf| leaf.sha256.as_str()))
    }),
    column("tls_seconds", Kind::Real, "Length of the handshake.", |row| {
        Value::real(row.tls().map(|tls| tls.elapsed.as_seconds()))
    }),
    column("http_failure", Kind::Text, "Why the last exchange of the redirect chain failed.", |row| {
        failure_of(row.http().into_iter().map(|http| http.failure.as_ref()))
    }),
    column("http_url", Kind::Text, "The URL of that exchange: where redirects led.", |row| {
        Value::text(row.http().map(|http| http.url.as_str()))
    }),
    column("http_status", Kind::Count, "Its status code.", |row| {
        Value::count(row.http().and_then(|http| http.status).map(u64::from))
    }),
    column("http_title", Kind::Text, "The page's title (hostile text).", |row| {
        Value::text(row.http().and_then(|http| http.body.as_ref()).and_then(|body| body.title.as_deref()))
    }),
    column("http_body_bytes", Kind::Count, "Bytes of the body after decoding, as far as it was read.", |row| {
        Value::count(row.http().and_then(|http| http.body.as_ref()).map(|body| body.length))
    }),
    column("http_body_sha256", Kind::Text, "SHA-256 of those bytes, hex.", |row| {
        Value::text(row.http().and_then(|http| http.body.as_ref()).map(|body| body.sha256.as_str()))
    }),
    column("http_seconds", Kind::Real, "From the request to the end of the body.", |row| {
        Value::real(row.http().map(|http| http.elapsed.as_seconds()))
    }),
    column(
        "quic_failure",
        Kind::Text,
        "Why no QUIC handshake ended well; null when one did, or none was tried.",
        |row| failure_of(row.told.quic.iter().filter(|quic| quic.hop == 0).map(|quic| quic.failure.as_ref())),
    ),
    column("quic_seconds", Kind::Real, "Length of the QUIC handshake; null when none was tried.", |row| {
        Value::real(row.quic().map(|quic| quic.elapsed.as_seconds()))
    }),
    column("dns", Kind::Json, "Questions to name servers and every answer.", |row| json(&row.told.dns)),
    column("tcp", Kind::Json, "Connection attempts.", |row| json(&row.told.tcp)),
    column("tls", Kind::Json, "TLS handshakes with their certificates.", |row| json(row.told.tls)),
    column("http", Kind::Json, "HTTP exchanges, one a hop.", |row| json(&row.told.http)),
    column("quic", Kind::Json, "QUIC handshakes.", |row| json(row.told.quic)),
    column("experiments", Kind::Json, "Experiments of the last hour on the same series.", |row| {
        json(&row.told.experiments)
    }),
    column("controls", Kind::Json, "What the controls saw.", |row| json(&row.evidence.controls)),
    column("canaries", Kind::Json, "What the canaries said; null when they were not asked.", |row| {
        row.canaries.as_ref().map_or(Value::Null, json)
    }),
];

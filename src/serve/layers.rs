//! A measurement as a flat list of steps, one layer each, and the failures that each layer usually meets.

use crate::model::{DnsRole, Elapsed, Failure, Layer, Measurement};

/// One step of a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    /// Its layer.
    pub(super) layer: Layer,
    /// How long it took.
    pub(super) elapsed: Elapsed,
    /// Why it failed.
    pub(super) failure: Option<&'a Failure>,
}

/// The steps that speak of the vantage's path. Left out: questions to control resolvers, which say nothing of the
/// vantage's own, and addresses recorded as bogons, which were never dialled.
pub(super) fn steps(measurement: &Measurement) -> impl Iterator<Item = Step<'_>> {
    let step = |layer, elapsed, failure| Step { layer, elapsed, failure };
    let dns = measurement.dns.iter().filter(|question| question.role == DnsRole::Own);
    let tcp = measurement.tcp.iter().filter(|attempt| !attempt.bogon);
    dns.map(move |x| step(Layer::Dns, x.elapsed, x.failure.as_ref()))
        .chain(tcp.map(move |x| step(Layer::Tcp, x.elapsed, x.failure.as_ref())))
        .chain(measurement.tls.iter().map(move |x| step(Layer::Tls, x.elapsed, x.failure.as_ref())))
        .chain(measurement.http.iter().map(move |x| step(Layer::Http, x.elapsed, x.failure.as_ref())))
        .chain(measurement.quic.iter().map(move |x| step(Layer::Quic, x.elapsed, x.failure.as_ref())))
}

/// The failures shown as 0 before they ever happen, so that a first one is seen as an increase. Any other failure of
/// the closed set appears when it first happens.
pub(super) const fn usual_failures(layer: Layer) -> &'static [Failure] {
    match layer {
        Layer::Dns => &[
            Failure::DnsNxdomain,
            Failure::DnsRefused,
            Failure::DnsServfail,
            Failure::DnsNoAnswer,
            Failure::DnsBogon,
            Failure::DnsServerMisbehaving,
            Failure::GenericTimeout,
            Failure::NetworkUnreachable,
            Failure::ConnectionRefused,
        ],
        Layer::Tcp => &[
            Failure::ConnectionRefused,
            Failure::ConnectionReset,
            Failure::GenericTimeout,
            Failure::HostUnreachable,
            Failure::NetworkUnreachable,
            Failure::ProxyFailed,
        ],
        Layer::Tls => &[
            Failure::ConnectionReset,
            Failure::GenericTimeout,
            Failure::Eof,
            Failure::SslFailedHandshake,
            Failure::SslInvalidHostname,
            Failure::SslUnknownAuthority,
            Failure::SslInvalidCertificate,
        ],
        Layer::Http => &[Failure::ConnectionReset, Failure::GenericTimeout, Failure::Eof, Failure::HttpRequestFailed],
        Layer::Quic => &[
            Failure::ConnectionRefused,
            Failure::GenericTimeout,
            Failure::NetworkUnreachable,
            Failure::QuicIncompatibleVersion,
            Failure::SslFailedHandshake,
        ],
    }
}

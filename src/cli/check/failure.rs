//! Failures in plain words, as seen at a layer.

use std::borrow::Cow;

use crate::model::{CertificateFault, Failure, Layer};

/// What a failure means to someone who reads the drawing.
pub(super) fn in_words(layer: Layer, failure: &Failure) -> Cow<'static, str> {
    use Failure as F;
    Cow::Borrowed(match (layer, failure) {
        (Layer::Dns, F::GenericTimeout | F::TimedOut) => "no answer before the deadline",
        (Layer::Tcp, F::GenericTimeout | F::TimedOut) => "silence: nothing answers the SYN",
        (Layer::Tls, F::GenericTimeout | F::TimedOut) => "silence: nothing answers the ClientHello",
        (Layer::Http, F::GenericTimeout | F::TimedOut) => "silence: nothing answers the request",
        (Layer::Quic, F::GenericTimeout | F::TimedOut) => "silence: nothing answers the first packet",
        (Layer::Tls, F::ConnectionReset) => "connection reset after the ClientHello",
        (Layer::Http, F::ConnectionReset) => "connection reset after the request",
        (Layer::Tls, F::Eof) => "connection closed after the ClientHello",
        (Layer::Http, F::Eof) => "connection closed before the answer was whole",
        (_, F::ConnectionRefused) => "connection refused",
        (_, F::ConnectionReset) => "connection reset",
        (_, F::ConnectionAborted) => "connection aborted by this machine",
        (_, F::HostUnreachable) => "the network says: host unreachable",
        (_, F::NetworkUnreachable) => "the network cannot be reached",
        (_, F::NetworkDown) => "this machine has no network",
        (_, F::AddressNotAvailable) => "the configured source address cannot be used",
        (_, F::AddressFamilyNotSupported) => "this machine lacks the address family",
        (_, F::PermissionDenied) => "forbidden by a firewall or the network",
        (_, F::Eof) => "connection closed",
        (_, F::DnsNxdomain) => "the name does not exist (NXDOMAIN)",
        (_, F::DnsRefused) => "the resolver refuses the question (REFUSED)",
        (_, F::DnsServfail) => "the resolver reports a failure (SERVFAIL)",
        (_, F::DnsNoAnswer) => "an answer without any address",
        (Layer::Tcp, F::DnsBogon) => "not dialled: it cannot be a public address",
        (_, F::DnsBogon) => "only addresses that cannot be public",
        (_, F::DnsServerMisbehaving) => "an answer that makes no sense",
        (_, F::DnsReplyWithWrongQueryId) => "an answer to another question (wrong id)",
        (_, F::QuicIncompatibleVersion) => "no version of QUIC in common",
        (_, F::SslFailedHandshake) => "the handshake failed",
        (_, F::SslInvalidHostname) => "the certificate is for another name",
        (_, F::SslUnknownAuthority) => "the certificate leads to no trusted root",
        (_, F::SslInvalidCertificate) => "the certificate is not valid",
        (_, F::HttpRequestFailed) => "an answer that cannot be read",
        (_, F::HttpInvalidRedirectLocationHost) => "redirected to no usable host",
        (_, F::HttpUnexpectedRedirectUrl) => "redirected to something that is not a web page",
        (_, F::HttpTooManyRedirects) => "more than ten redirects",
        (_, F::ProxyFailed) => "the vantage's own proxy failed",
        (_, F::Interrupted) => "cancelled",
        (_, F::Unknown(text)) => return Cow::Owned(format!("unknown failure: {text}")),
    })
}

/// What is wrong with a certificate chain.
pub(super) const fn fault_in_words(fault: CertificateFault) -> &'static str {
    match fault {
        CertificateFault::UnknownIssuer => "leads to no trusted root",
        CertificateFault::WrongName => "is for another name",
        CertificateFault::Expired => "has expired",
        CertificateFault::NotYetValid => "is not valid yet",
        CertificateFault::BadSignature => "comes without proof of its key",
        CertificateFault::Malformed => "is malformed, of a refused kind, or revoked",
    }
}

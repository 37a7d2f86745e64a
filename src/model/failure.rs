//! One closed set of failures for every layer, named as OONI names them (df-007).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! failures {
    ($($(#[$meta:meta])* $variant:ident => $label:literal,)+) => {
        /// Why a step failed. The label is OONI's failure string (data format df-007); names that OONI does not
        /// have are marked as ours.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Failure {
            $($(#[$meta])* $variant,)+
            /// Anything else, with the scrubbed text (no address of this machine).
            Unknown(String),
        }

        impl Failure {
            /// The bounded labels, `unknown_failure` last: the values of the metric label `failure`.
            pub const LABELS: &'static [&'static str] = &[$($label,)+ "unknown_failure"];

            /// The bounded label: free text never gets into it.
            pub const fn label(&self) -> &'static str {
                match self { $(Self::$variant => $label,)+ Self::Unknown(_) => "unknown_failure" }
            }

            fn known(text: &str) -> Option<Self> {
                match text { $($label => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

failures! {
    /// The peer answered the SYN with a reset; over UDP, an ICMP message says that nobody is at the port.
    ConnectionRefused => "connection_refused",
    /// An established connection was reset.
    ConnectionReset => "connection_reset",
    /// The connection was aborted locally.
    ConnectionAborted => "connection_aborted",
    /// No route to the host, or an ICMP message that says so.
    HostUnreachable => "host_unreachable",
    /// No route to the network, or an ICMP message that says so.
    NetworkUnreachable => "network_unreachable",
    /// This machine has no network.
    NetworkDown => "network_down",
    /// The wanted local address cannot be used.
    AddressNotAvailable => "address_not_available",
    /// This machine lacks the address family.
    AddressFamilyNotSupported => "address_family_not_supported",
    /// The system forbids it (a local firewall, or ICMP administratively prohibited).
    PermissionDenied => "permission_denied",
    /// The kernel gave up waiting (ETIMEDOUT).
    TimedOut => "timed_out",
    /// Our own deadline passed.
    GenericTimeout => "generic_timeout_error",
    /// The stream ended before the answer was whole.
    Eof => "eof_error",
    /// rcode 3.
    DnsNxdomain => "dns_nxdomain_error",
    /// rcode 5.
    DnsRefused => "dns_refused_error",
    /// rcode 2.
    DnsServfail => "dns_servfail_error",
    /// rcode 0 without an address.
    DnsNoAnswer => "dns_no_answer",
    /// Only addresses that cannot be public.
    DnsBogon => "dns_bogon_error",
    /// Another rcode, or an answer that cannot be read.
    DnsServerMisbehaving => "dns_server_misbehaving",
    /// The answer's id is not the question's.
    DnsReplyWithWrongQueryId => "dns_reply_with_wrong_query_id",
    /// The handshake broke: an alert, no common version, not TLS.
    SslFailedHandshake => "ssl_failed_handshake",
    /// The certificate is for another name.
    SslInvalidHostname => "ssl_invalid_hostname",
    /// The chain leads to no trusted root.
    SslUnknownAuthority => "ssl_unknown_authority",
    /// The certificate is out of date or malformed.
    SslInvalidCertificate => "ssl_invalid_certificate",
    /// The peer speaks no version of QUIC that we speak.
    QuicIncompatibleVersion => "quic_incompatible_version",
    /// The HTTP answer cannot be read, or a bound was passed.
    HttpRequestFailed => "http_request_failed",
    /// A redirect that names no usable host.
    HttpInvalidRedirectLocationHost => "http_invalid_redirect_location_host",
    /// A redirect to something that is not http or https.
    HttpUnexpectedRedirectUrl => "http_unexpected_redirect_url",
    /// More than ten redirects (ours; OONI writes it as unknown_failure).
    HttpTooManyRedirects => "http_too_many_redirects",
    /// The vantage's own way out (its SOCKS proxy) failed, which says nothing of the site (ours).
    ProxyFailed => "proxy_failed",
    /// The step was cancelled because the daemon stops.
    Interrupted => "interrupted",
}

impl Failure {
    /// The failure string: the label, or `unknown_failure: <text>`.
    pub fn as_ooni(&self) -> Cow<'static, str> {
        match self {
            Self::Unknown(text) => Cow::Owned(format!("unknown_failure: {text}")),
            known => Cow::Borrowed(known.label()),
        }
    }

    /// The failure that a failure string means; any string is one.
    pub fn from_ooni(text: &str) -> Self {
        Self::known(text)
            .unwrap_or_else(|| Self::Unknown(text.strip_prefix("unknown_failure: ").unwrap_or(text).to_owned()))
    }

    /// Whether it is silence: nothing came before the deadline.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::GenericTimeout | Self::TimedOut)
    }

    /// Whether it is of this machine or of our own doing: it says nothing of the site or the path.
    pub const fn is_local(&self) -> bool {
        matches!(
            self,
            Self::NetworkDown
                | Self::AddressNotAvailable
                | Self::AddressFamilyNotSupported
                | Self::ConnectionAborted
                | Self::ProxyFailed
                | Self::Interrupted
        )
    }

    /// The failure that an error of the operating system means.
    pub fn from_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::ConnectionRefused,
            Kind::ConnectionReset | Kind::BrokenPipe => Self::ConnectionReset,
            Kind::ConnectionAborted => Self::ConnectionAborted,
            Kind::HostUnreachable => Self::HostUnreachable,
            Kind::NetworkUnreachable => Self::NetworkUnreachable,
            Kind::NetworkDown => Self::NetworkDown,
            Kind::AddrNotAvailable => Self::AddressNotAvailable,
            Kind::PermissionDenied => Self::PermissionDenied,
            Kind::TimedOut => Self::TimedOut,
            Kind::UnexpectedEof => Self::Eof,
            _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Self::AddressFamilyNotSupported,
            kind => Self::Unknown(kind.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.as_ooni())
    }
}

impl Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_ooni())
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Ok(Self::from_ooni(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_strings_read_back() {
        for &label in Failure::LABELS {
            if label != "unknown_failure" {
                assert_eq!(Failure::from_ooni(label).label(), label);
            }
        }
        let odd = Failure::from_ooni("unknown_failure: strange");
        assert_eq!(odd, Failure::Unknown("strange".into()));
        assert_eq!(odd.as_ooni(), "unknown_failure: strange");
    }
}

//! The closed sets of what can be said of a site: status, mechanism, layer.

use super::labels::labels;

labels! {
    /// The opinion on a URL seen from a vantage (DESIGN 1).
    "status"
    pub enum Status {
        /// It answers.
        Accessible => "accessible",
        /// Someone on the path interferes.
        Blocked => "blocked",
        /// The site's own server refuses this vantage.
        Denied => "denied",
        /// It fails for the control too.
        Down => "down",
        /// The vantage has no network, or only domestic network.
        Offline => "offline",
        /// The evidence does not bear an opinion.
        Inconclusive => "inconclusive",
    }
}

labels! {
    /// Where a failure showed itself.
    "layer"
    pub enum Layer {
        /// Name resolution.
        Dns => "dns",
        /// The TCP handshake.
        Tcp => "tcp",
        /// The TLS handshake.
        Tls => "tls",
        /// The HTTP exchange.
        Http => "http",
        /// The QUIC handshake.
        Quic => "quic",
    }
}

labels! {
    /// How a site is blocked, as `layer.how`: the layer is where it showed itself, not where the censor sits.
    /// Maps to the OONI taxonomy and Censored Planet's outcomes.
    "mechanism"
    pub enum Mechanism {
        /// The resolver says that the name does not exist.
        DnsNxdomain => "dns.nxdomain",
        /// The resolver refuses the question.
        DnsRefused => "dns.refused",
        /// The resolver says that it failed.
        DnsServfail => "dns.servfail",
        /// The resolver does not answer for this name.
        DnsTimeout => "dns.timeout",
        /// The resolver answers with no addresses.
        DnsEmpty => "dns.empty",
        /// The resolver answers with an address that cannot be public.
        DnsBogon => "dns.bogon",
        /// The resolver answers with the address of a block page or sinkhole.
        DnsBlockpage => "dns.blockpage",
        /// The resolver answers with an address that is not the site's.
        DnsForged => "dns.forged",
        /// One question got two different answers.
        DnsInjected => "dns.injected",
        /// The connection attempt is swallowed.
        TcpTimeout => "tcp.timeout",
        /// The connection attempt is reset.
        TcpReset => "tcp.reset",
        /// The connection attempt is refused.
        TcpRefused => "tcp.refused",
        /// The path says that the host or network cannot be reached.
        TcpUnreachable => "tcp.unreachable",
        /// The ClientHello is swallowed.
        TlsTimeout => "tls.timeout",
        /// The connection is reset after the ClientHello.
        TlsReset => "tls.reset",
        /// The connection is closed after the ClientHello.
        TlsEof => "tls.eof",
        /// A TLS alert comes instead of a handshake.
        TlsAlert => "tls.alert",
        /// Someone else's certificate.
        TlsMitm => "tls.mitm",
        /// A block page is served.
        HttpBlockpage => "http.blockpage",
        /// A redirect to a block page.
        HttpRedirect => "http.redirect",
        /// The connection is reset after the request.
        HttpReset => "http.reset",
        /// The request is swallowed.
        HttpTimeout => "http.timeout",
        /// The connection is closed after the request.
        HttpEof => "http.eof",
        /// The body stops in the middle.
        HttpTruncated => "http.truncated",
        /// Status 451 in clear text, naming a blocker (RFC 7725).
        Http451 => "http.451",
        /// The QUIC handshake is swallowed.
        QuicTimeout => "quic.timeout",
        /// It answers, but far slower than it should.
        Throttled => "throttled",
    }
}

impl Mechanism {
    /// The layer in which it shows itself; throttling shows in HTTP.
    pub fn layer(self) -> Layer {
        match self.as_str().split('.').next() {
            Some("dns") => Layer::Dns,
            Some("tcp") => Layer::Tcp,
            Some("tls") => Layer::Tls,
            Some("quic") => Layer::Quic,
            _ => Layer::Http,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back() {
        for &mechanism in Mechanism::ALL {
            assert_eq!(mechanism.as_str().parse::<Mechanism>().unwrap(), mechanism);
        }
        let fault = "blokked".parse::<Status>().unwrap_err();
        assert!(fault.to_string().contains("expected one of: accessible, blocked"));
    }
}

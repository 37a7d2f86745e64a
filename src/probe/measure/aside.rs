//! Endpoints that are tried beside those that carry the request, because another asked for them.

use std::net::{IpAddr, SocketAddr};

use super::hop::Hop;
use crate::probe::http::RequestHeaders;

/// Endpoints tried beside at most.
const MAX_ASIDE: usize = 64;
/// The port of https.
const HTTPS: u16 = 443;

/// What is asked of a measurement beyond its URL, by those who want a second opinion. The default asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Endpoints that are tried beside the addresses that the vantage finds itself: TCP, and TLS where the URL's port
    /// or 443 speaks it. They belong to the first hop and never carry the request.
    pub also: Vec<SocketAddr>,
    /// For a URL in clear text: port 443 of each address is tried as well, since a valid certificate there shows whose
    /// address it is.
    pub tls_beside_http: bool,
    /// Header fields of the request in place of our own.
    pub headers: RequestHeaders,
}

/// Which of them have been tried.
#[derive(Debug, Default)]
pub(super) struct Aside {
    given: Vec<SocketAddr>,
    /// How many are being tried.
    pub(super) in_flight: usize,
}

impl Aside {
    /// The endpoints to try now that the plan of `hop` does not try itself. Each is given out once, and none before the
    /// own resolvers have spoken: until then it cannot be told which of them the plan will take.
    pub(super) fn next(&mut self, extras: &Extras, hop: &Hop, usable: impl Fn(IpAddr) -> bool) -> Vec<SocketAddr> {
        if hop.index != 0 || hop.own_questions > 0 {
            return Vec::new();
        }
        let https = extras.tls_beside_http && hop.url.scheme() == "http";
        let beside = hop.plan.dialled().iter().filter(|_| https).map(|ip| SocketAddr::new(*ip, HTTPS));
        let planned =
            |endpoint: &SocketAddr| endpoint.port() == hop.port && hop.plan.dialled().contains(&endpoint.ip());
        let mut chosen = Vec::new();
        for endpoint in beside.chain(extras.also.iter().copied()) {
            let room = self.given.len() < MAX_ASIDE;
            if room && !planned(&endpoint) && !self.given.contains(&endpoint) && usable(endpoint.ip()) {
                self.given.push(endpoint);
                chosen.push(endpoint);
            }
        }
        self.in_flight += chosen.len();
        chosen
    }
}

/// Whether TLS is tried at `port` for a URL of this hop.
pub(super) fn speaks_tls(hop: &Hop, port: u16) -> bool {
    port == HTTPS || (hop.url.scheme() == "https" && port == hop.port)
}

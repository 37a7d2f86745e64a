//! What every answer carries and what every request must bring.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::page;

/// Longest time that one request may take, its body and a reload included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(35);

/// Which names a request may give for this server. A web page whose name was made to point at this machine (DNS
/// rebinding) thus cannot read what a browser here may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    reach: Reach,
    /// Names that the operator lists.
    names: Arc<[String]>,
}

/// Who can come, and so what they may call the server beside the names listed and `localhost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine: loopback addresses.
    Loopback,
    /// The network, which is asked for nothing: any address. Pages from elsewhere come by a name.
    Open,
    /// The network, which is asked for a token, that no page from elsewhere has: anything.
    Guarded,
}

impl Hosts {
    /// The rule for a server that can be reached so and has these names.
    pub fn new(reach: Reach, names: Arc<[String]>) -> Self {
        Self { reach, names }
    }

    fn allows(&self, request: &Request) -> bool {
        if self.reach == Reach::Guarded {
            return true;
        }
        let mut named = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        // A request in absolute form names the server twice (RFC 9112 section 3.2.2).
        host.is_some_and(|host| self.is_ours(&host)) && request.uri().authority().is_none_or(|host| self.is_ours(host))
    }

    fn is_ours(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = address.parse::<IpAddr>().ok();
        let may_be = |ip: IpAddr| self.reach == Reach::Open || ip.to_canonical().is_loopback();
        !authority.as_str().contains('@')
            && (host.eq_ignore_ascii_case("localhost")
                || address.is_some_and(may_be)
                || self.names.iter().any(|name| host.eq_ignore_ascii_case(name)))
    }
}

/// Refuses requests for another host with 421 (RFC 9110 section 15.5.20).
pub(super) async fn check_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if hosts.allows(&request) {
        next.run(request).await
    } else {
        text(
            StatusCode::MISDIRECTED_REQUEST,
            "This server does not answer to that name: only to localhost and its address, and to `hosts` in [serve].\n",
        )
    }
}

/// Whether a browser says that the request comes from a page of another site (Fetch Metadata; `Origin`, RFC 6454).
/// Programs such as curl send neither header.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let fetched_by_other =
        text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin =
        text(header::ORIGIN).is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != text(header::HOST));
    fetched_by_other || foreign_origin
}

/// Ends a request that takes too long.
pub(super) async fn bound_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "The request took too long.\n"),
    }
}

/// Nothing is cached, guessed, framed, sent on or loaded from elsewhere.
pub(super) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
        page::STYLE_SOURCE.as_str(),
        page::SCRIPT_SOURCE.as_str(),
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A plain-text answer.
pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, uri: &str) -> Request {
        Request::builder().uri(uri).header("host", host).body(axum::body::Body::empty()).unwrap()
    }

    #[test]
    fn only_loopback_names_are_answered_on_loopback() {
        let loopback = Hosts::new(Reach::Loopback, [].into());
        for good in
            ["localhost", "LOCALHOST:9645", "127.0.0.1", "127.0.0.1:1", "[::1]:9645", "127.9.9.9", "[::ffff:127.0.0.1]"]
        {
            assert!(loopback.allows(&request(good, "/")), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "10.0.0.1",
            "",
            "x@localhost",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(!loopback.allows(&request(bad, "/")), "{bad}");
            assert!(Hosts::new(Reach::Guarded, [].into()).allows(&request(bad, "/")), "{bad}");
        }
        assert!(!loopback.allows(&request("localhost", "http://evil.example/")));
        assert!(!loopback.allows(&Request::new(axum::body::Body::empty())));
        let twice = Request::builder().header("host", "localhost").header("host", "evil.example");
        assert!(!loopback.allows(&twice.body(axum::body::Body::empty()).unwrap()));
    }

    #[test]
    fn an_open_server_answers_to_addresses_and_to_the_names_that_are_listed() {
        let open = Hosts::new(Reach::Open, ["status.example.org".to_owned()].into());
        for good in ["localhost", "192.0.2.1:9645", "[2001:db8::1]", "STATUS.example.org:443"] {
            assert!(open.allows(&request(good, "/")), "{good}");
        }
        for bad in ["evil.example", "x.status.example.org", "192.0.2.1.evil.example", "192.0.2.1@evil.example", ""] {
            assert!(!open.allows(&request(bad, "/")), "{bad}");
        }
        let behind_proxy = Hosts::new(Reach::Loopback, ["status.example.org".to_owned()].into());
        assert!(behind_proxy.allows(&request("status.example.org", "/")));
        assert!(!behind_proxy.allows(&request("192.0.2.1", "/")));
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            pairs.collect::<HeaderMap>()
        };
        assert!(!is_cross_site(&headers(&[("host", "localhost:9645")])));
        assert!(!is_cross_site(&headers(&[("host", "localhost:9645"), ("origin", "http://localhost:9645")])));
        assert!(!is_cross_site(&headers(&[("host", "localhost"), ("sec-fetch-site", "same-origin")])));
        assert!(is_cross_site(&headers(&[("host", "localhost:9645"), ("origin", "http://evil.example")])));
        assert!(is_cross_site(&headers(&[("host", "localhost"), ("origin", "null")])));
        assert!(is_cross_site(&headers(&[("host", "localhost"), ("sec-fetch-site", "cross-site")])));
    }
}

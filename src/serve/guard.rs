//! What every answer carries and what every request must bring.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::page;

/// Longest time that one request may take, its body and a reload included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(35);

/// Which names a request may give for this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// Only `localhost` and loopback addresses. A web page whose name was made to point at 127.0.0.1 (DNS rebinding)
    /// thus cannot read what a browser on this machine may read.
    Loopback,
    /// Any name: the listener is not on loopback.
    Any,
}

impl Hosts {
    /// The rule for a listener bound to this address.
    pub fn of(listen: SocketAddr) -> Self {
        if listen.ip().to_canonical().is_loopback() { Self::Loopback } else { Self::Any }
    }

    fn allows(self, request: &Request) -> bool {
        if self == Self::Any {
            return true;
        }
        let mut named = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        // A request in absolute form names the server twice (RFC 9112 section 3.2.2).
        host.as_ref().is_some_and(is_loopback) && request.uri().authority().is_none_or(is_loopback)
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    !authority.as_str().contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()))
}

/// Refuses requests for another host with 421 (RFC 9110 section 15.5.20).
pub(super) async fn check_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.allows(&request) {
        next.run(request).await
    } else {
        text(StatusCode::MISDIRECTED_REQUEST, "This server answers only for localhost, 127.0.0.1 and [::1].\n")
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
        for good in
            ["localhost", "LOCALHOST:9645", "127.0.0.1", "127.0.0.1:1", "[::1]:9645", "127.9.9.9", "[::ffff:127.0.0.1]"]
        {
            assert!(Hosts::Loopback.allows(&request(good, "/")), "{good}");
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
            assert!(!Hosts::Loopback.allows(&request(bad, "/")), "{bad}");
            assert!(Hosts::Any.allows(&request(bad, "/")), "{bad}");
        }
        assert!(!Hosts::Loopback.allows(&request("localhost", "http://evil.example/")));
        assert!(!Hosts::Loopback.allows(&Request::new(axum::body::Body::empty())));
        let twice = Request::builder().header("host", "localhost").header("host", "evil.example");
        assert!(!Hosts::Loopback.allows(&twice.body(axum::body::Body::empty()).unwrap()));
    }

    #[test]
    fn the_rule_follows_the_listener() {
        assert_eq!(Hosts::of("127.0.0.1:1".parse().unwrap()), Hosts::Loopback);
        assert_eq!(Hosts::of("[::1]:1".parse().unwrap()), Hosts::Loopback);
        assert_eq!(Hosts::of("0.0.0.0:1".parse().unwrap()), Hosts::Any);
        assert_eq!(Hosts::of("192.0.2.1:1".parse().unwrap()), Hosts::Any);
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

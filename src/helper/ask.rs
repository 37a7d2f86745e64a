//! What an asker sends, checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderValue;
use serde::Deserialize;
use url::{Host, Url};

use crate::probe::RequestHeaders;
use crate::vantage::Inward;

/// Bytes of a URL: what browsers and servers bear everywhere.
const LONGEST_URL: usize = 2048;
/// Bytes of a name (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;
/// Bytes of one header field's value.
const LONGEST_VALUE: usize = 1024;
/// Endpoints that an asker may name.
const MOST_ENDPOINTS: usize = 128;
/// Addresses of them that are tried; a site has fewer.
const MOST_ADDRESSES: usize = 16;

/// Why a question is not taken up. Told to the asker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Not the protocol.
    #[error("the body is not a test-helper request: expected JSON with `http_request`, a URL")]
    NotARequest,
    /// Not a URL.
    #[error("`http_request` is not a URL")]
    NotAUrl,
    /// Not the web.
    #[error("`http_request` must be an http or https URL")]
    NotWeb,
    /// Credentials are none of ours.
    #[error("`http_request` must not hold a user name or a password")]
    UserInfo,
    /// Too long.
    #[error("`http_request` is longer than {LONGEST_URL} bytes, or its host than {LONGEST_NAME}")]
    TooLong,
    /// A literal address that is off limits.
    #[error("the host of `http_request` is not a public address")]
    Private,
    /// Too many endpoints.
    #[error("`tcp_connect` names more than {MOST_ENDPOINTS} endpoints")]
    TooMany,
}

/// A question that may be taken up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    /// What to measure.
    pub(super) url: Url,
    /// The asker's own fields of the request.
    pub(super) headers: RequestHeaders,
    /// Addresses that the asker found, each once.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether the asker understands QUIC results.
    pub(super) quic: bool,
}

#[derive(Deserialize)]
struct Wire {
    http_request: String,
    #[serde(default)]
    http_request_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    tcp_connect: Option<Vec<String>>,
    #[serde(default)]
    x_quic_enabled: bool,
}

impl Ask {
    /// Reads a request's body.
    ///
    /// # Errors
    /// When it is no such request, or asks for what is not done.
    pub(super) fn read(body: &[u8], inward: &Inward) -> Result<Self, Refusal> {
        let wire: Wire = serde_json::from_slice(body).map_err(|_| Refusal::NotARequest)?;
        let endpoints = wire.tcp_connect.unwrap_or_default();
        if endpoints.len() > MOST_ENDPOINTS {
            return Err(Refusal::TooMany);
        }
        let url = web_url(&wire.http_request, inward)?;
        let mut addresses = Vec::new();
        // What is no address is passed over, as other helpers do; the ports are the URL's, not the asker's.
        for ip in endpoints.iter().filter_map(|text| text.parse::<SocketAddr>().ok()).map(|endpoint| endpoint.ip()) {
            if addresses.len() < MOST_ADDRESSES && !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        let headers = headers(&wire.http_request_headers.unwrap_or_default());
        Ok(Self { url, headers, addresses, quic: wire.x_quic_enabled })
    }

    /// The endpoints to try at the asker's addresses: at the URL's own port when it names one, otherwise at 443, and
    /// for http at 80 too.
    pub(super) fn endpoints(&self) -> Vec<SocketAddr> {
        let ports: &[u16] = match (self.url.port(), self.url.scheme()) {
            (Some(port), _) => &[port],
            (None, "http") => &[80, 443],
            (None, _) => &[443],
        };
        self.addresses.iter().flat_map(|ip| ports.iter().map(|port| SocketAddr::new(*ip, *port))).collect()
    }
}

fn web_url(text: &str, inward: &Inward) -> Result<Url, Refusal> {
    if text.len() > LONGEST_URL {
        return Err(Refusal::TooLong);
    }
    let url = Url::parse(text).map_err(|_| Refusal::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::NotWeb);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UserInfo);
    }
    // The parser has already turned 0x7f.1, 2130706433 and the like into the addresses that they are.
    let literal = match url.host().ok_or(Refusal::NotAUrl)? {
        Host::Domain(name) if name.len() > LONGEST_NAME => return Err(Refusal::TooLong),
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::from(ip)),
        Host::Ipv6(ip) => Some(IpAddr::from(ip)),
    };
    match literal {
        Some(ip) if inward.forbids(ip) => Err(Refusal::Private),
        _ if url.port() == Some(0) => Err(Refusal::NotAUrl),
        _ => Ok(url),
    }
}

/// Three fields are the asker's to choose; any other could make the request another one.
fn headers(wanted: &BTreeMap<String, Vec<String>>) -> RequestHeaders {
    let value = |name: &str| {
        let (_, values) = wanted.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        values.first().filter(|value| value.len() <= LONGEST_VALUE).and_then(|value| HeaderValue::from_str(value).ok())
    };
    RequestHeaders {
        user_agent: value("user-agent"),
        accept: value("accept"),
        accept_language: value("accept-language"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;

    static INWARD: LazyLock<Inward> = LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Inward::now(&[]))
    });

    fn read(body: &serde_json::Value) -> Result<Ask, Refusal> {
        Ask::read(body.to_string().as_bytes(), &INWARD)
    }

    fn read_url(url: &str) -> Result<Ask, Refusal> {
        read(&json!({ "http_request": url }))
    }

    #[test]
    fn a_probes_request_is_read() {
        let ask = read(&json!({
            "http_request": "https://site.example/path?q=1",
            "http_request_headers": {
                "Accept": ["*/*"], "accept-language": ["en"], "User-Agent": ["Mozilla/5.0", "second"],
                "Cookie": ["no"], "Host": ["other.example"],
            },
            "tcp_connect": ["8.8.8.8:443", "8.8.8.8:80", "[2606:4700::1]:443", "junk", "name.example:443", "10.0.0.1:22"],
            "x_quic_enabled": true,
        }))
        .unwrap();
        assert_eq!(ask.url.as_str(), "https://site.example/path?q=1");
        assert_eq!(ask.headers.user_agent, Some(HeaderValue::from_static("Mozilla/5.0")));
        assert_eq!(ask.headers.accept_language, Some(HeaderValue::from_static("en")));
        assert!(ask.quic);
        let endpoints: Vec<_> = ask.endpoints().iter().map(SocketAddr::to_string).collect();
        assert_eq!(endpoints, ["8.8.8.8:443", "[2606:4700::1]:443", "10.0.0.1:443"]);
    }

    #[test]
    fn ports_are_the_urls() {
        let ports = |url: &str| {
            let ask = read(&json!({ "http_request": url, "tcp_connect": ["8.8.8.8:22"] })).unwrap();
            ask.endpoints().iter().map(SocketAddr::port).collect::<Vec<_>>()
        };
        assert_eq!(ports("http://site.example/"), [80, 443]);
        assert_eq!(ports("https://site.example/"), [443]);
        assert_eq!(ports("http://site.example:8080/"), [8080]);
        assert_eq!(ports("https://site.example:8443/"), [8443]);
    }

    #[test]
    fn what_a_probe_may_leave_out_may_be_left_out() {
        let ask = read(&json!({ "http_request": "http://site.example/", "tcp_connect": null })).unwrap();
        assert_eq!((ask.headers, ask.addresses.len(), ask.quic), (RequestHeaders::default(), 0, false));
    }

    #[test]
    fn what_is_not_done_is_refused() {
        for (url, refusal) in [
            ("", Refusal::NotAUrl),
            ("site.example", Refusal::NotAUrl),
            ("http://", Refusal::NotAUrl),
            ("http://site.example:0/", Refusal::NotAUrl),
            ("ftp://site.example/", Refusal::NotWeb),
            ("file:///etc/passwd", Refusal::NotWeb),
            ("dnslookup://site.example/", Refusal::NotWeb),
            ("https://user@site.example/", Refusal::UserInfo),
            ("https://:secret@site.example/", Refusal::UserInfo),
            ("http://127.0.0.1/", Refusal::Private),
            ("http://127.1/", Refusal::Private),
            ("http://2130706433/", Refusal::Private),
            ("http://0x7f.0.0.1/", Refusal::Private),
            ("http://0177.0.0.1/", Refusal::Private),
            ("http://169.254.169.254/latest/meta-data/", Refusal::Private),
            ("http://168.63.129.16/", Refusal::Private),
            ("http://0/", Refusal::Private),
            ("http://[::1]/", Refusal::Private),
            ("http://[::ffff:10.0.0.1]/", Refusal::Private),
            ("http://[64:ff9b::7f00:1]/", Refusal::Private),
            ("http://[fe80::1]/", Refusal::Private),
            ("http://239.255.255.250:1900/", Refusal::Private),
        ] {
            assert_eq!(read_url(url), Err(refusal), "{url}");
        }
        assert_eq!(read_url(&format!("http://site.example/{}", "x".repeat(LONGEST_URL))), Err(Refusal::TooLong));
        let name = ["x".repeat(60).as_str(); 5].join(".");
        assert_eq!(read_url(&format!("http://{name}/")), Err(Refusal::TooLong));
        let many = vec!["8.8.8.8:443"; MOST_ENDPOINTS + 1];
        assert_eq!(read(&json!({ "http_request": "http://a.example/", "tcp_connect": many })), Err(Refusal::TooMany));
        for body in [json!(null), json!([]), json!({}), json!({ "http_request": 7 }), json!({ "http_request": null })] {
            assert_eq!(read(&body), Err(Refusal::NotARequest), "{body}");
        }
    }

    #[test]
    fn addresses_are_bounded_and_odd_header_values_dropped() {
        let many: Vec<_> = (0..100).map(|n| format!("8.8.8.{n}:443")).collect();
        let ask = read(&json!({
            "http_request": "https://site.example/",
            "http_request_headers": { "User-Agent": ["a\r\nX: y"], "Accept": [], "Accept-Language": ["x".repeat(5000)] },
            "tcp_connect": many,
        }))
        .unwrap();
        assert_eq!(ask.addresses.len(), MOST_ADDRESSES);
        assert_eq!(ask.headers, RequestHeaders::default());
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(body: Vec<u8>, url in ".{0,60}") {
            let _ = Ask::read(&body, &INWARD);
            let _ = read_url(&url);
        }
    }
}

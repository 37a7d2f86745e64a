//! The request we send: what a mainstream browser sends for a page, without cookies.

use http::{HeaderValue, Method, Request, Version, header};
use url::Url;

/// The browser that we look like. A rare name would single the probe out, to censors and to the sites' own defences.
pub(in crate::probe) const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/154.0.0.0 Safari/537.36";
/// What a browser accepts as a page.
pub(in crate::probe) const ACCEPT: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
/// The languages asked for; the sites watched are mostly Russian or English.
pub(in crate::probe) const ACCEPT_LANGUAGE: &str = "en-US,en;q=0.9,ru;q=0.8";
/// The codings that we can undo.
pub(in crate::probe) const ACCEPT_ENCODING: &str = "gzip, deflate, br";

/// The body type of a request without a body.
pub(super) type NoBody = http_body_util::Empty<bytes::Bytes>;

/// Fields of the request that another asked for; None: what our browser sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeaders {
    /// User-Agent.
    pub user_agent: Option<HeaderValue>,
    /// Accept.
    pub accept: Option<HeaderValue>,
    /// Accept-Language.
    pub accept_language: Option<HeaderValue>,
}

/// A GET for `url`, in the form that HTTP/1.1 (RFC 9112 section 3.2.1) or HTTP/2 (RFC 9113 section 8.3.1) wants.
pub(super) fn get(url: &Url, h2: bool, headers: &RequestHeaders) -> Result<Request<NoBody>, http::Error> {
    let authority = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let request = Request::builder().method(Method::GET);
    let request = if h2 {
        request.version(Version::HTTP_2).uri(format!("{}://{authority}{path}", url.scheme()))
    } else {
        request.version(Version::HTTP_11).uri(path).header(header::HOST, HeaderValue::from_str(&authority)?)
    };
    request
        .header(header::USER_AGENT, or(&headers.user_agent, USER_AGENT))
        .header(header::ACCEPT, or(&headers.accept, ACCEPT))
        .header(header::ACCEPT_LANGUAGE, or(&headers.accept_language, ACCEPT_LANGUAGE))
        .header(header::ACCEPT_ENCODING, ACCEPT_ENCODING)
        .body(NoBody::new())
}

fn or(asked: &Option<HeaderValue>, ours: &'static str) -> HeaderValue {
    asked.clone().unwrap_or(HeaderValue::from_static(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_gets_its_form() {
        let url: Url = "https://user:secret@site.example:8443/a%20b?c=d#e".parse().unwrap();
        let ours = RequestHeaders::default();
        let one = get(&url, false, &ours).unwrap();
        assert_eq!(one.uri(), "/a%20b?c=d");
        assert_eq!(one.headers()[header::HOST], "site.example:8443");
        let two = get(&url, true, &ours).unwrap();
        assert_eq!(two.uri(), "https://site.example:8443/a%20b?c=d");
        assert!(!two.headers().contains_key(header::HOST));
    }

    #[test]
    fn odd_urls_make_requests_or_errors_but_no_panic() {
        for text in ["http://[::1]/", "http://a.example/|{}^`", "http://xn--80ak6aa92e.com/?q=\u{1f600}"] {
            let url: Url = text.parse().unwrap();
            let ours = RequestHeaders::default();
            let _ = (get(&url, false, &ours), get(&url, true, &ours));
        }
    }

    #[test]
    fn fields_that_another_asked_for_replace_ours() {
        let url: Url = "http://site.example/".parse().unwrap();
        let asked = RequestHeaders { user_agent: Some(HeaderValue::from_static("x/1")), ..Default::default() };
        let request = get(&url, false, &asked).unwrap();
        assert_eq!(request.headers()[header::USER_AGENT], "x/1");
        assert_eq!(request.headers()[header::ACCEPT], ACCEPT);
        assert_eq!(request.headers().get_all(header::USER_AGENT).iter().count(), 1);
    }
}

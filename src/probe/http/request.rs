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

/// A GET for `url`, in the form that HTTP/1.1 (RFC 9112 section 3.2.1) or HTTP/2 (RFC 9113 section 8.3.1) wants.
pub(super) fn get(url: &Url, h2: bool) -> Result<Request<NoBody>, http::Error> {
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
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, ACCEPT)
        .header(header::ACCEPT_LANGUAGE, ACCEPT_LANGUAGE)
        .header(header::ACCEPT_ENCODING, ACCEPT_ENCODING)
        .body(NoBody::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_gets_its_form() {
        let url: Url = "https://user:secret@site.example:8443/a%20b?c=d#e".parse().unwrap();
        let one = get(&url, false).unwrap();
        assert_eq!(one.uri(), "/a%20b?c=d");
        assert_eq!(one.headers()[header::HOST], "site.example:8443");
        let two = get(&url, true).unwrap();
        assert_eq!(two.uri(), "https://site.example:8443/a%20b?c=d");
        assert!(!two.headers().contains_key(header::HOST));
    }

    #[test]
    fn odd_urls_make_requests_or_errors_but_no_panic() {
        for text in ["http://[::1]/", "http://a.example/|{}^`", "http://xn--80ak6aa92e.com/?q=\u{1f600}"] {
            let url: Url = text.parse().unwrap();
            let _ = (get(&url, false), get(&url, true));
        }
    }
}

//! Where an answer sends us on (RFC 9110 section 15.4).

use http::StatusCode;
use url::Url;

use crate::model::Failure;

/// The URL that an answer with `status` and `location` sends us on to. None when it is no redirect; an error when
/// it is one that cannot be followed.
pub(super) fn target(base: &Url, status: StatusCode, location: Option<&[u8]>) -> Result<Option<Url>, Failure> {
    let location = match location {
        Some(location) if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) => location,
        _ => return Ok(None),
    };
    let resolved =
        base.join(String::from_utf8_lossy(location).trim()).map_err(|_| Failure::HttpInvalidRedirectLocationHost)?;
    if !matches!(resolved.scheme(), "http" | "https") {
        return Err(Failure::HttpUnexpectedRedirectUrl);
    }
    match resolved.host_str() {
        Some(host) if !host.is_empty() => Ok(Some(resolved)),
        _ => Err(Failure::HttpInvalidRedirectLocationHost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_or_refused() {
        let base: Url = "https://site.example/a/b?c".parse().unwrap();
        type Row = (u16, Option<&'static str>, Result<Option<&'static str>, Failure>);
        let table: &[Row] = &[
            (200, Some("/x"), Ok(None)),
            (300, Some("/x"), Ok(None)),
            (304, Some("/x"), Ok(None)),
            (302, None, Ok(None)),
            (301, Some("/x"), Ok(Some("https://site.example/x"))),
            (302, Some("x"), Ok(Some("https://site.example/a/x"))),
            (303, Some("//other.example/"), Ok(Some("https://other.example/"))),
            (307, Some("http://10.0.0.1/blocked.html"), Ok(Some("http://10.0.0.1/blocked.html"))),
            (308, Some(" HTTP://Other.Example "), Ok(Some("http://other.example/"))),
            (302, Some("http://"), Err(Failure::HttpInvalidRedirectLocationHost)),
            (302, Some("http://a b/"), Err(Failure::HttpInvalidRedirectLocationHost)),
            (302, Some("http://x:99999/"), Err(Failure::HttpInvalidRedirectLocationHost)),
            (302, Some("ftp://x/"), Err(Failure::HttpUnexpectedRedirectUrl)),
            (302, Some("javascript:alert(1)"), Err(Failure::HttpUnexpectedRedirectUrl)),
        ];
        for (status, location, expected) in table {
            let status = StatusCode::from_u16(*status).unwrap();
            let got = target(&base, status, location.map(str::as_bytes));
            let expected = expected.clone().map(|url| url.map(|url| url.parse().unwrap()));
            assert_eq!(got, expected, "{status} {location:?}");
        }
    }
}

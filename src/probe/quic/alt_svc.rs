//! What an Alt-Svc header field says of HTTP/3 (RFC 7838 section 3).

use std::time::Duration;

/// Bytes of all its Alt-Svc fields that are looked at.
const MOST_BYTES: usize = 4096;
/// Alternatives that are looked at.
const MOST_ALTERNATIVES: usize = 32;
/// How long an alternative is good when it does not tell: 24 hours (RFC 7838 section 3.1).
const USUAL_AGE: Duration = Duration::from_secs(24 * 3600);
/// The longest that is believed.
const LONGEST_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a site says of HTTP/3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::probe) enum Offer {
    /// It speaks HTTP/3 on this UDP port of the same host, for this long.
    Http3 {
        /// UDP port.
        port: u16,
        /// How long that may be relied on.
        max_age: Duration,
    },
    /// It no longer has any alternative.
    Withdrawn,
}

/// What the Alt-Svc fields among `headers` say, for the host that sent them. Alternatives on other hosts are passed over:
/// those are other addresses than the ones that are measured.
pub(in crate::probe) fn offer(headers: &[(String, String)], host: &str) -> Option<Offer> {
    let mut left = MOST_BYTES;
    let mut alternatives = 0;
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("alt-svc")) {
        if value.trim() == "clear" {
            return Some(Offer::Withdrawn);
        }
        left = left.checked_sub(value.len())?;
        for alternative in split(value, b',') {
            alternatives += 1;
            if alternatives > MOST_ALTERNATIVES {
                return None;
            }
            if let Some(offer) = http3(alternative, host) {
                return Some(offer);
            }
        }
    }
    None
}

/// `h3=":443"; ma=3600`
fn http3(alternative: &str, host: &str) -> Option<Offer> {
    let mut parts = split(alternative, b';');
    let (protocol, authority) = parts.next()?.trim().split_once('=')?;
    let authority = authority.strip_prefix('"')?.strip_suffix('"')?;
    let (alternative_host, port) = authority.rsplit_once(':')?;
    let same = alternative_host.is_empty() || alternative_host.eq_ignore_ascii_case(host);
    // A number with a sign is none.
    let port: u16 = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
    if protocol != "h3" || !same || port == 0 {
        return None;
    }
    let age = parts.filter_map(|parameter| parameter.trim().split_once('=')).find(|(name, _)| *name == "ma");
    let age = age.and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok()).map(Duration::from_secs);
    match age.unwrap_or(USUAL_AGE) {
        Duration::ZERO => Some(Offer::Withdrawn),
        age => Some(Offer::Http3 { port, max_age: age.min(LONGEST_AGE) }),
    }
}

/// The parts of a text between separators that stand outside quotation marks.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = whole.bytes().position(|byte| {
            let literal = std::mem::take(&mut escaped);
            match byte {
                b'\\' if quoted && !literal => escaped = true,
                b'"' if !literal => quoted = !quoted,
                _ => {}
            }
            byte == separator && !quoted
        });
        let (part, after) = match end {
            Some(end) => (&whole[..end], Some(&whole[end + 1..])),
            None => (whole, None),
        };
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Offer> {
        let headers: Vec<_> = values.iter().map(|value| ("Alt-Svc".to_owned(), (*value).to_owned())).collect();
        offer(&headers, "site.example")
    }

    fn http3(port: u16, seconds: u64) -> Option<Offer> {
        Some(Offer::Http3 { port, max_age: Duration::from_secs(seconds) })
    }

    #[test]
    fn offers_are_read_as_the_rfc_writes_them() {
        for (values, expected) in [
            (&[r#"h3=":443""#][..], http3(443, 86_400)),
            (&[r#"h3=":443"; ma=3600; persist=1"#], http3(443, 3600)),
            (&[r#"h2="alt.example:8000", h3-29=":1", h3=":8443";ma="60""#], http3(8443, 60)),
            (&[r#"h2=":443""#, r#"h3="SITE.example:50781""#], http3(50_781, 86_400)),
            (&[r#"h3="other.example:443", h3=":444""#], http3(444, 86_400)),
            (&[r#"x="a,b;c=\",":1, h3=":443""#], http3(443, 86_400)),
            (&[r#"h3=":443"; ma=99999999999"#], http3(443, 604_800)),
            (&[r#"h3=":443"; ma=junk"#], http3(443, 86_400)),
            (&[r#"h3=":443"; ma=0"#], Some(Offer::Withdrawn)),
            (&["clear"], Some(Offer::Withdrawn)),
            (&[r#"h3=":0""#], None),
            (&[r#"h3=":+443""#], None),
            (&[r#"h3=":65536""#], None),
            (&[r#"h3=:443"#], None),
            (&[r#"h3=":443"#], None),
            (&["h3", "", ",,;;=", r#"="""#], None),
            (&[], None),
        ] {
            assert_eq!(read(values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_looked_at() {
        let long = format!("{}h3=\":443\"", "h2=\":1\",".repeat(600));
        assert_eq!(read(&[&long]), None);
        let many = format!("{}h3=\":443\"", "x,".repeat(MOST_ALTERNATIVES));
        assert_eq!(read(&[&many]), None);
        assert_eq!(read(&[&many[2..]]), http3(443, 86_400));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(value in "[ -~é]{0,80}", more in r#"(h3=?"?[:;,ma0-9"\\]{0,12}){0,4}"#) {
            let _ = read(&[&value, &more]);
        }
    }
}

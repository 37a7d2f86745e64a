//! Marks of a content delivery network's or a firewall's own refusal: a geo-block, a challenge, a CAPTCHA wall.

use crate::model::HttpExchange;

/// Who refuses, if the answer says so. Only statuses that refuse count: 401, 403, 405, 429, 503 and the like.
pub(super) fn refuser(exchange: &HttpExchange) -> Option<&'static str> {
    let status = exchange.status.filter(|status| (400..=599).contains(status))?;
    if !matches!(status, 401 | 403 | 405 | 406 | 409 | 429 | 451 | 503) {
        return None;
    }
    let title = title(exchange);
    let server = header(exchange, "server").unwrap_or_default().to_ascii_lowercase();
    let has = |name: &str| header(exchange, name).is_some();
    let titled = |marks: &[&str]| marks.iter().any(|mark| title.contains(mark));
    let cloudflare =
        ["just a moment", "attention required", "access denied", "you have been blocked", "ddos protection"];
    let marks = [
        ("Cloudflare", has("cf-mitigated") || server.contains("cloudflare") && titled(&cloudflare)),
        ("Akamai", server.contains("akamai") && titled(&["access denied"])),
        ("AWS WAF", has("x-amzn-waf-action")),
        ("CloudFront", has("x-amz-cf-id") && titled(&["the request could not be satisfied"])),
        ("DDoS-Guard", server.contains("ddos-guard") && titled(&["ddos-guard"])),
        ("Sucuri", (has("x-sucuri-id") || server.contains("sucuri")) && titled(&["sucuri"])),
        ("Imperva", has("x-iinfo") && matches!(status, 403 | 503)),
    ];
    marks.iter().find(|(_, marked)| *marked).map(|(who, _)| *who)
}

/// The first header field of that name (lower case).
pub(super) fn header<'e>(exchange: &'e HttpExchange, name: &str) -> Option<&'e str> {
    exchange.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The answer names who blocks: `Link: <…>; rel="blocked-by"` (RFC 7725 section 4).
pub(super) fn blocked_by(exchange: &HttpExchange) -> Option<&str> {
    let links = exchange.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case("link"));
    links.flat_map(|(_, value)| value.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let names = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
        let is_rel = |(key, value): (&str, &str)| {
            key.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_ascii_whitespace()
                    .any(|rel| rel.eq_ignore_ascii_case("blocked-by"))
        };
        names.into_iter().any(is_rel).then_some(target)
    })
}

fn title(exchange: &HttpExchange) -> String {
    exchange.body.as_ref().and_then(|body| body.title.as_deref()).unwrap_or_default().to_lowercase()
}

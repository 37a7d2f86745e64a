//! What is taken out of a measurement before it leaves the machine (DESIGN 10).
//!
//! Sites and filters write their visitor's address into headers, cookies, redirects and pages. Behind a NAT we do not
//! know that address, so every address goes that the measurement did not itself ask for or connect to. The hash of a
//! body stays that of the body as it came. Addresses in another writing (as a number, encoded) are not found.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::model::{
    Body, CanaryReport, DnsExchange, Evidence, Experiment, HttpExchange, Partial, Verdict, is_private, shown_resolver,
};

/// What stands in the place of an address; it can be part of a URL.
const STAND_IN: &str = "hidden-address";

/// What stands in the place of a value that is about the visitor.
const HIDDEN: &str = "hidden";

/// Bytes of a kept body that are unpacked at most; more is not of our making.
const MOST_KEPT: u64 = 1024 * 1024;

/// Longest text of an IPv6 address (RFC 4291 section 2.2, form 3).
const LONGEST: usize = 45;

/// Header fields whose value is the visitor's address or place.
const ABOUT_THE_VISITOR: [&str; 10] = [
    "x-client-ip",
    "x-real-ip",
    "x-forwarded-for",
    "x-remote-addr",
    "x-remote-ip",
    "x-your-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "client-ip",
    "forwarded",
];

/// The addresses that may be shown.
pub(super) struct Scrub {
    known: BTreeSet<IpAddr>,
}

/// Evidence and verdict as they may be shown: without what would tell the vantage's own addresses.
pub fn scrubbed(evidence: &Evidence, verdict: &Verdict) -> (Evidence, Verdict) {
    let scrub = Scrub::new(evidence);
    let verdict = Verdict {
        reasons: verdict.reasons.iter().map(|reason| scrub.text(reason).into_owned()).collect(),
        partial: verdict.partial.iter().map(|partial| scrub.partial(partial)).collect(),
        ..verdict.clone()
    };
    (scrub.evidence(evidence), verdict)
}

impl Scrub {
    /// The addresses that were answered for the site, or dialled, here and at the controls.
    pub(super) fn new(evidence: &Evidence) -> Self {
        let measurement = &evidence.measurement;
        let answered = measurement.dns.iter().flat_map(|exchange| &exchange.answers);
        let mut known: BTreeSet<IpAddr> = answered.flat_map(|answer| answer.addresses.iter().copied()).collect();
        known.extend(measurement.tcp.iter().map(|tcp| tcp.address.ip()));
        for control in &evidence.controls {
            known.extend(control.dns.iter().flat_map(|dns| dns.addresses.iter().copied()));
            known.extend(control.endpoints.iter().map(|endpoint| endpoint.address.ip()));
            known.extend(control.quic.iter().map(|quic| quic.address.ip()));
        }
        let attempts = evidence.experiments.iter().flat_map(|pair| [&pair.suspect, &pair.variant]);
        known.extend(attempts.filter_map(|attempt| attempt.address).map(|address| address.ip()));
        Self { known }
    }

    /// All of the evidence as it may leave the machine.
    pub(super) fn evidence(&self, evidence: &Evidence) -> Evidence {
        let mut shown = evidence.clone();
        let measurement = &mut shown.measurement;
        measurement.dns = measurement.dns.iter().map(Self::dns).collect();
        measurement.http = measurement.http.iter().map(|exchange| self.http(exchange)).collect();
        shown.canaries = evidence.canaries.as_ref().map(Self::canaries);
        shown.experiments = evidence.experiments.iter().map(Self::experiment).collect();
        shown
    }

    /// A text without unknown addresses.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The name servers of a local network are left out: their label becomes `udp://private`, the source of their
    /// answers null.
    pub(super) fn dns(exchange: &DnsExchange) -> DnsExchange {
        let mut shown = exchange.clone();
        shown.resolver = shown_resolver(&exchange.resolver).into_owned();
        for answer in &mut shown.answers {
            answer.source = answer.source.filter(|source| !is_private(source.ip()));
        }
        shown
    }

    /// The same labels beside the canaries.
    pub(super) fn canaries(report: &CanaryReport) -> CanaryReport {
        let mut shown = report.clone();
        for resolver in shown.results.iter_mut().flat_map(|result| &mut result.resolvers) {
            *resolver = shown_resolver(resolver).into_owned();
        }
        shown
    }

    /// An experiment without the name servers of a local network.
    pub(super) fn experiment(experiment: &Experiment) -> Experiment {
        let mut shown = experiment.clone();
        for attempt in [&mut shown.suspect, &mut shown.variant] {
            attempt.resolver = attempt.resolver.as_deref().map(|resolver| shown_resolver(resolver).into_owned());
        }
        shown
    }

    /// An entry of partial blocking without unknown addresses.
    pub(super) fn partial(&self, partial: &Partial) -> Partial {
        Partial { reason: self.text(&partial.reason).into_owned(), ..partial.clone() }
    }

    /// An exchange without what it tells of the visitor.
    pub(super) fn http(&self, exchange: &HttpExchange) -> HttpExchange {
        let url = |url: &url::Url| self.text(url.as_str()).parse().ok();
        HttpExchange {
            url: url(&exchange.url).unwrap_or_else(|| exchange.url.clone()),
            headers: exchange.headers.iter().map(|(name, value)| (name.clone(), self.header(name, value))).collect(),
            redirect: exchange.redirect.as_ref().and_then(url),
            body: exchange.body.as_ref().map(|body| self.body(body)),
            ..exchange.clone()
        }
    }

    fn header(&self, name: &str, value: &str) -> String {
        if ABOUT_THE_VISITOR.iter().any(|about| name.eq_ignore_ascii_case(about)) {
            return HIDDEN.to_owned();
        }
        if name.eq_ignore_ascii_case("set-cookie") {
            // Cookies number their visitor, and some hold his address or coordinates.
            let name = value.split(['=', ';']).next().unwrap_or_default();
            return format!("{}={HIDDEN}", self.text(name));
        }
        self.text(value).into_owned()
    }

    fn body(&self, body: &Body) -> Body {
        Body {
            wire_length: body.wire_length,
            title: body.title.as_deref().map(|title| self.text(title).into_owned()),
            kept: body.kept.as_deref().and_then(|kept| self.kept(kept)),
            ..body.clone()
        }
    }

    /// None when it cannot be looked through.
    fn kept(&self, kept: &str) -> Option<String> {
        let packed = BASE64.decode(kept).ok()?;
        let mut plain = Vec::new();
        zstd::Decoder::new(packed.as_slice()).ok()?.take(MOST_KEPT).read_to_end(&mut plain).ok()?;
        match self.bytes(&plain) {
            Cow::Borrowed(_) => Some(kept.to_owned()),
            Cow::Owned(scrubbed) => {
                let packed = zstd::bulk::compress(&scrubbed, zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
                Some(BASE64.encode(packed))
            }
        }
    }

    fn bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut scrubbed: Option<Vec<u8>> = None;
        let mut copied = 0;
        let mut at = 0;
        while at < text.len() {
            let word = text[at..].iter().take_while(|byte| is_of_address(**byte)).count();
            for (start, end, ip) in addresses(text, at, at + word) {
                if self.known.contains(&ip.to_canonical()) || self.known.contains(&ip) {
                    continue;
                }
                let scrubbed = scrubbed.get_or_insert_with(Vec::new);
                scrubbed.extend_from_slice(&text[copied..start]);
                scrubbed.extend_from_slice(STAND_IN.as_bytes());
                copied = end;
            }
            at += word.max(1);
        }
        match scrubbed {
            None => Cow::Borrowed(text),
            Some(mut scrubbed) => {
                scrubbed.extend_from_slice(&text[copied..]);
                Cow::Owned(scrubbed)
            }
        }
    }
}

const fn is_of_address(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')
}

/// The addresses in `text[start..end]`, a run of hex digits, dots and colons: one of IPv6, or some of IPv4 between
/// colons. Each with where it begins and ends.
fn addresses(text: &[u8], start: usize, end: usize) -> Vec<(usize, usize, IpAddr)> {
    let alone = |from: usize, to: usize| {
        let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        !letter(from.checked_sub(1)) && !letter(Some(to))
    };
    let (mut from, mut to) = (start, end);
    while to > from && text[to - 1] == b'.' {
        to -= 1;
    }
    if to - from > 2 && text[to - 1] == b':' && text[to - 2] != b':' {
        to -= 1;
    }
    if to - from > 2 && text[from] == b':' && text[from + 1] != b':' {
        from += 1;
    }
    if alone(from, to)
        && let Some(v6) = parsed::<Ipv6Addr>(&text[from..to])
        && !v6.is_unspecified()
    {
        return vec![(from, to, v6.into())];
    }
    let mut found = Vec::new();
    let mut from = start;
    for piece in text[start..end].split(|byte| *byte == b':') {
        let bare = piece.trim_ascii_end();
        let dots = bare.iter().take_while(|byte| **byte == b'.').count();
        let tail = bare.iter().rev().take_while(|byte| **byte == b'.').count();
        if dots + tail < bare.len() {
            let (first, last) = (from + dots, from + bare.len() - tail);
            if alone(first, last)
                && let Some(v4) = parsed::<Ipv4Addr>(&text[first..last])
            {
                found.push((first, last, v4.into()));
            }
        }
        from += piece.len() + 1;
    }
    found
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    (text.len() <= LONGEST).then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::fixtures;

    fn scrub(known: &[&str]) -> Scrub {
        Scrub { known: known.iter().map(|ip| ip.parse().unwrap()).collect() }
    }

    #[test]
    fn unknown_addresses_go_and_all_else_stays() {
        let scrub = scrub(&["203.0.113.5", "2001:db8::5"]);
        for (text, shown) in [
            ("Your IP: 198.51.100.77.", "Your IP: hidden-address."),
            ("ip:198.51.100.77", "ip:hidden-address"),
            ("198.51.100.77:4431 and 10.1.2.3", "hidden-address:4431 and hidden-address"),
            ("/blocked?ip=198.51.100.77&url=x", "/blocked?ip=hidden-address&url=x"),
            ("[2001:db8::99]:443", "[hidden-address]:443"),
            ("you are 2001:db8:1:2:3:4:5:6, are you?", "you are hidden-address, are you?"),
            ("ip:2001:db8::99", "ip:hidden-address"),
            ("::ffff:198.51.100.77", "hidden-address"),
            ("203.0.113.5 2001:db8::5 ::ffff:203.0.113.5", "203.0.113.5 2001:db8::5 ::ffff:203.0.113.5"),
            (
                "12:30:05 a::before x::y std::cout :: 1.2.3 v1.2.3.4b 1.2.3.4.5 999.1.1.1",
                "12:30:05 a::before x::y std::cout :: 1.2.3 v1.2.3.4b 1.2.3.4.5 999.1.1.1",
            ),
        ] {
            assert_eq!(scrub.text(text), shown);
        }
    }

    #[test]
    fn an_exchange_tells_nothing_of_its_visitor() {
        let (mut evidence, _) = fixtures::accessible();
        let me = "198.51.100.77";
        let exchange = &mut evidence.measurement.http[0];
        exchange.headers = vec![
            ("x-client-ip".into(), me.into()),
            ("set-cookie".into(), format!("GeoIP=KZ:ALA:43.25:76.94:v4; path=/; ip={me}")),
            ("via".into(), format!("1.1 cache for {me}")),
        ];
        exchange.redirect = Some(format!("http://filter.example/?ip={me}").parse().unwrap());
        let page = zstd::bulk::compress(format!("<p>Blocked for {me}</p>").as_bytes(), 3).unwrap();
        let body = Body {
            wire_length: None,
            length: 1,
            truncated: false,
            sha256: "ab".into(),
            title: Some(format!("Blocked for {me}")),
            kept: Some(BASE64.encode(page)),
        };
        exchange.body = Some(body);
        let shown = Scrub::new(&evidence).http(&evidence.measurement.http[0]);
        let text = serde_json::to_string(&shown).unwrap();
        assert!(!text.contains(me) && !text.contains("76.94"), "{text}");
        assert_eq!(shown.headers[1].1, "GeoIP=hidden");
        let kept = BASE64.decode(shown.body.unwrap().kept.unwrap()).unwrap();
        assert_eq!(zstd::bulk::decompress(&kept, 1000).unwrap(), b"<p>Blocked for hidden-address</p>");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_a_scrubbed_text_stays_as_it_is(text in "[0-9a-f:. x]{0,60}") {
            let scrub = scrub(&[]);
            let once = scrub.text(&text).into_owned();
            prop_assert_eq!(scrub.text(&once), once.as_str());
        }

        #[test]
        fn whatever_address_stands_alone_goes(bits: u128, v4: u32) {
            let scrub = scrub(&[]);
            let (six, four) = (Ipv6Addr::from(bits | 1), Ipv4Addr::from(v4));
            let text = format!("({six}) {four}");
            prop_assert_eq!(scrub.text(&text), "(hidden-address) hidden-address");
        }
    }
}

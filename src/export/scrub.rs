//! What is taken out of a measurement before it leaves the machine (DESIGN 10).
//!
//! Sites and filters write their visitor's address into headers, cookies, redirects and pages: [`KnownAddresses`]. The
//! hash of a body stays that of the body as it came.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::model::{
    Body, CanaryReport, DnsExchange, Evidence, Experiment, HttpExchange, KnownAddresses, Partial, Verdict, is_private,
    shown_resolver,
};

/// What stands in the place of a value that is about the visitor.
const HIDDEN: &str = "hidden";

/// Bytes of a kept body that are unpacked at most; more is not of our making.
const MOST_KEPT: u64 = 1024 * 1024;

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
    known: KnownAddresses,
}

/// Evidence and verdict as they may be shown: without what would tell the vantage's own addresses.
pub fn scrubbed(evidence: &Evidence, verdict: &Verdict) -> (Evidence, Verdict) {
    let scrub = Scrub::new(evidence);
    (scrub.evidence(evidence), scrub.known.hide_others_of(verdict.clone()))
}

impl Scrub {
    /// What may be shown of this measurement.
    pub(super) fn new(evidence: &Evidence) -> Self {
        Self { known: KnownAddresses::of(evidence) }
    }

    /// All of the evidence as it may leave the machine.
    pub(super) fn evidence(&self, evidence: &Evidence) -> Evidence {
        let mut shown = evidence.clone();
        let measurement = &mut shown.measurement;
        measurement.dns = measurement.dns.iter().map(Self::dns).collect();
        measurement.tcp.retain(|tcp| !tcp.is_refused_as_own());
        measurement.http = measurement.http.iter().map(|exchange| self.http(exchange)).collect();
        shown.canaries = evidence.canaries.as_ref().map(Self::canaries);
        shown.experiments = evidence.experiments.iter().map(Self::experiment).collect();
        shown
    }

    /// A text without unknown addresses.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.known.hide_others(text)
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
        match self.known.hide_others_in(&plain) {
            Cow::Borrowed(_) => Some(kept.to_owned()),
            Cow::Owned(scrubbed) => {
                let packed = zstd::bulk::compress(&scrubbed, zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
                Some(BASE64.encode(packed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

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
}

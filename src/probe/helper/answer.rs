//! What a helper answers, and what of it is taken. All of it is hostile: bounded, and nothing is believed that does not
//! fit. Helpers have ways of their own (`-1` for no status, failures by names that the first one wrote in Python with
//! Twisted), which are undone here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::{Host, Url};

use crate::model::{
    ControlDns, ControlEndpoint, ControlHttp, ControlId, ControlKind, ControlQuic, ControlReport, Elapsed, Failure,
    Pace, Timestamp,
};

/// Endpoints, addresses and header names that are taken from an answer at most.
const MAX_ITEMS: usize = 128;
const MAX_TITLE_CHARS: usize = 300;
const MAX_FAILURE_CHARS: usize = 200;
const MAX_URL_BYTES: usize = 8192;
/// No step of a measurement takes longer.
const MAX_SECONDS: f64 = 600.0;

/// An answer as it came.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    tcp_connect: Option<BTreeMap<String, Step>>,
    #[serde(default)]
    tls_handshake: Option<BTreeMap<String, Step>>,
    #[serde(default, deserialize_with = "lenient")]
    quic_handshake: Option<BTreeMap<String, Step>>,
    http_request: Http,
    dns: Dns,
    #[serde(default, deserialize_with = "lenient")]
    x_blockspan: Option<OurOwn>,
}

#[derive(Debug, Deserialize)]
struct Step {
    #[serde(default)]
    failure: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Http {
    #[serde(default)]
    body_length: Option<i64>,
    #[serde(default)]
    failure: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    title: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    status_code: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Dns {
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    addrs: Option<Vec<String>>,
}

/// What only `blockspan helper` tells.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OurOwn {
    #[serde(deserialize_with = "lenient")]
    final_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    connect_seconds: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    handshake_seconds: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    first_byte_seconds: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    bytes_per_second: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    leaf_sha256: Option<String>,
    #[serde(deserialize_with = "lenient")]
    body_truncated: bool,
}

/// A value of another type than expected counts as not there.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

impl Answer {
    /// The report of the helper `id`, asked `at` that time for `url`. Unusable when it tells nothing of the site.
    pub(super) fn report(self, id: ControlId, at: Timestamp, url: &Url) -> ControlReport {
        let endpoints = endpoints(self.tcp_connect.unwrap_or_default(), &self.tls_handshake.unwrap_or_default());
        let quic = self.quic_handshake.unwrap_or_default().into_iter().filter_map(|(endpoint, step)| {
            Some(ControlQuic { address: endpoint.parse().ok()?, failure: step.failure.as_deref().map(failure_named) })
        });
        let dns = self.dns.report(url);
        let mut http = self.http_request.report();
        let says_nothing = http.failure.is_none() && http.status.is_none();
        http.failure = http.failure.map(|failure| more_exactly(failure, &dns, &endpoints));
        let own = self.x_blockspan.unwrap_or_default();
        own.add_to(&mut http);
        ControlReport {
            pace: own.pace().filter(|_| http.status.is_some()),
            quic: quic.take(MAX_ITEMS).collect(),
            id,
            kind: ControlKind::Helper,
            at,
            unusable: says_nothing.then(|| Failure::Unknown("empty_answer".to_owned())),
            dns: Some(dns),
            endpoints,
            http: Some(http),
        }
    }
}

fn endpoints(tcp: BTreeMap<String, Step>, tls: &BTreeMap<String, Step>) -> Vec<ControlEndpoint> {
    let told = tcp.into_iter().filter_map(|(endpoint, step)| {
        let address: std::net::SocketAddr = endpoint.parse().ok()?;
        // A helper without IPv6 says no more than this of every IPv6 address.
        if address.is_ipv6() && step.failure.as_deref() == Some(CONNECT_ERROR) {
            return None;
        }
        let handshake = tls.get(&endpoint);
        Some(ControlEndpoint {
            address,
            tcp_failure: step.failure.as_deref().map(failure_named),
            tls_tried: handshake.is_some(),
            tls_failure: handshake.and_then(|step| step.failure.as_deref()).map(failure_named),
        })
    });
    told.take(MAX_ITEMS).collect()
}

impl Dns {
    /// Helpers write "no such record" as no failure and no address.
    fn report(self, url: &Url) -> ControlDns {
        let addresses = self.addrs.unwrap_or_default().into_iter().filter_map(|text| text.parse::<IpAddr>().ok());
        let addresses: Vec<IpAddr> = addresses.take(MAX_ITEMS).collect();
        let named = matches!(url.host(), Some(Host::Domain(_)));
        let nothing = (named && addresses.is_empty()).then_some(Failure::DnsNoAnswer);
        ControlDns { failure: self.failure.as_deref().map(failure_named).or(nothing), addresses }
    }
}

impl Http {
    /// A length or status of -1 stands for none.
    fn report(self) -> ControlHttp {
        let names = self.headers.unwrap_or_default().into_keys().map(|name| name.to_ascii_lowercase());
        ControlHttp {
            final_url: None,
            failure: self.failure.as_deref().map(failure_named),
            status: self.status_code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code > 0),
            title: self
                .title
                .map(|title| title.chars().take(MAX_TITLE_CHARS).collect::<String>())
                .filter(|t| !t.is_empty()),
            header_names: names.take(MAX_ITEMS).collect(),
            body_length: self.body_length.and_then(|length| u64::try_from(length).ok()),
            leaf_sha256: None,
        }
    }
}

impl OurOwn {
    fn add_to(&self, http: &mut ControlHttp) {
        let text = self.final_url.as_deref().filter(|text| text.len() <= MAX_URL_BYTES);
        http.final_url =
            text.and_then(|text| Url::parse(text).ok()).filter(|url| matches!(url.scheme(), "http" | "https"));
        let hex = |text: &&String| text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        http.leaf_sha256 = self.leaf_sha256.as_ref().filter(hex).cloned();
        if self.body_truncated {
            http.body_length = None;
        }
    }

    fn pace(&self) -> Option<Pace> {
        let pace = Pace {
            connect: length(self.connect_seconds),
            handshake: length(self.handshake_seconds),
            first_byte: length(self.first_byte_seconds),
            bytes_per_second: self.bytes_per_second.filter(|rate| rate.is_finite() && *rate > 0.0),
        };
        (pace != Pace::default()).then_some(pace)
    }
}

fn length(seconds: Option<f64>) -> Option<Elapsed> {
    seconds
        .filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds))
        .map(|seconds| Duration::from_secs_f64(seconds).into())
}

const CONNECT_ERROR: &str = "connect_error";
const LOOKUP_ERROR: &str = "dns_lookup_error";
const UNKNOWN_ERROR: &str = "unknown_error";

/// Helpers keep to the names of the first one where it had names.
fn failure_named(text: &str) -> Failure {
    match text {
        "dns_name_error" => Failure::DnsNxdomain,
        "dns_server_failure" => Failure::DnsServerMisbehaving,
        "connection_refused_error" => Failure::ConnectionRefused,
        "tcp_timed_out_error" => Failure::GenericTimeout,
        "response_never_received" => Failure::Eof,
        other => Failure::from_ooni(&other.chars().take(MAX_FAILURE_CHARS).collect::<String>()),
    }
}

/// Helpers sum up an exchange that failed before it began as a lookup error or an unknown one; the other sections of
/// the answer may tell which.
fn more_exactly(failure: Failure, dns: &ControlDns, endpoints: &[ControlEndpoint]) -> Failure {
    let told = match &failure {
        Failure::Unknown(text) if text == LOOKUP_ERROR => dns.failure.clone(),
        Failure::Unknown(text) if text == UNKNOWN_ERROR => {
            let all_failed =
                endpoints.iter().all(|endpoint| endpoint.tcp_failure.is_some() || endpoint.tls_failure.is_some());
            let tls = endpoints.iter().find_map(|endpoint| endpoint.tls_failure.clone());
            tls.or_else(|| endpoints.iter().find_map(|endpoint| endpoint.tcp_failure.clone())).filter(|_| all_failed)
        }
        _ => None,
    };
    told.unwrap_or(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(url: &str, text: &str) -> ControlReport {
        let answer: Answer = serde_json::from_str(text).unwrap();
        answer.report("helper".parse().unwrap(), Timestamp::from_unix_ms(0), &url.parse().unwrap())
    }

    fn report(text: &str) -> ControlReport {
        report_of("https://site.example/", text)
    }

    /// An answer with these sections beside a page that was got.
    fn with(sections: &str) -> ControlReport {
        report(&format!(
            r#"{{"http_request":{{"body_length":9,"failure":null,"title":"T","headers":{{}},"status_code":200}},
            "dns":{{"failure":null,"addrs":["192.0.2.1"]}},{sections}}}"#
        ))
    }

    /// One in which the page was not got because of `http`.
    fn failed(http: &str, dns: &str, sections: &str) -> ControlReport {
        report(&format!(
            r#"{{"http_request":{{"body_length":-1,"discovered_h3_endpoint":"","failure":"{http}","title":"",
            "headers":{{}},"status_code":-1}},"http3_request":null,"dns":{dns}{sections}}}"#
        ))
    }

    #[test]
    fn an_answer_is_read() {
        let report = report(
            r#"{"tcp_connect":{"203.0.113.1:443":{"status":true,"failure":null},"junk":{"status":false,"failure":"x"}},
            "tls_handshake":{"203.0.113.1:443":{"server_name":"site.example","status":false,"failure":"connection_reset"}},
            "quic_handshake":{"203.0.113.1:443":{"server_name":"site.example","status":false,"failure":"generic_timeout_error"},
            "[2001:db8::1]:443":{"server_name":"site.example","status":true,"failure":null}},
            "http_request":{"body_length":100,"discovered_h3_endpoint":"site.example:443","failure":null,
            "title":"A page","headers":{"Server":"x","X-Odd":"y"},"status_code":200},"http3_request":null,
            "dns":{"failure":null,"addrs":["203.0.113.1"]},"ip_info":{"203.0.113.1":{"asn":1,"flags":11}}}"#,
        );
        assert_eq!(report.reached(), Some(true));
        assert_eq!(report.endpoints.len(), 1);
        assert_eq!(report.endpoints[0].tls_failure, Some(Failure::ConnectionReset));
        let quic: Vec<_> = report.quic.iter().map(|quic| quic.failure.clone()).collect();
        assert_eq!(quic, [Some(Failure::GenericTimeout), None]);
        assert_eq!(report.pace, None);
        let http = report.http.unwrap();
        assert_eq!((http.status, http.body_length, http.title.as_deref()), (Some(200), Some(100), Some("A page")));
        assert_eq!(http.header_names, ["server", "x-odd"]);
        assert_eq!((http.final_url, http.leaf_sha256), (None, None));
    }

    #[test]
    fn the_helpers_own_ways_are_understood() {
        let gone = failed("dns_lookup_error", r#"{"failure":"dns_name_error","addrs":[]}"#, r#","tcp_connect":{}"#);
        assert_eq!((gone.unusable.clone(), gone.reached()), (None, Some(false)));
        assert_eq!(gone.dns.unwrap().failure, Some(Failure::DnsNxdomain));
        let http = gone.http.unwrap();
        assert_eq!((http.status, http.body_length, http.title), (None, None, None));
        assert_eq!(http.failure, Some(Failure::DnsNxdomain));

        let empty = failed("dns_lookup_error", r#"{"failure":null,"addrs":[]}"#, "");
        assert_eq!(empty.dns.unwrap().failure, Some(Failure::DnsNoAnswer));
        assert_eq!(empty.http.unwrap().failure, Some(Failure::DnsNoAnswer));
        let old = failed("dns_lookup_error", r#"{"failure":null,"addrs":["alias.example","192.0.2.1"]}"#, "");
        assert_eq!(old.dns.unwrap().addresses.len(), 1);
        assert_eq!(old.http.unwrap().failure, Some(Failure::Unknown("dns_lookup_error".into())));
    }

    #[test]
    fn an_address_has_no_name_to_resolve() {
        let text = r#"{"http_request":{"failure":null,"status_code":200},"dns":{"failure":null,"addrs":[]}}"#;
        assert_eq!(report_of("https://192.0.2.1/", text).dns.unwrap().failure, None);
        assert_eq!(report(text).dns.unwrap().failure, Some(Failure::DnsNoAnswer));
    }

    #[test]
    fn legacy_names_have_their_meaning() {
        for (name, failure) in [
            ("dns_server_failure", Failure::DnsServerMisbehaving),
            ("connection_refused_error", Failure::ConnectionRefused),
            ("connect_error", Failure::Unknown("connect_error".into())),
            ("tcp_timed_out_error", Failure::GenericTimeout),
            ("response_never_received", Failure::Eof),
            ("generic_timeout_error", Failure::GenericTimeout),
            ("ssl_unknown_authority", Failure::SslUnknownAuthority),
            ("unknown_failure: odd", Failure::Unknown("odd".into())),
        ] {
            let step = format!(r#""tcp_connect":{{"192.0.2.1:443":{{"status":false,"failure":"{name}"}}}}"#);
            assert_eq!(with(&step).endpoints[0].tcp_failure, Some(failure), "{name}");
        }
    }

    #[test]
    fn an_unknown_error_is_explained_by_the_handshakes_when_all_failed() {
        let dns = r#"{"failure":null,"addrs":["192.0.2.1"]}"#;
        let tcp = r#","tcp_connect":{"192.0.2.1:443":{"status":true,"failure":null}}"#;
        let tls = |failure: &str| {
            format!(
                r#"{tcp},"tls_handshake":{{"192.0.2.1:443":{{"server_name":"s","status":false,"failure":{failure}}}}}"#
            )
        };
        let expired = failed("unknown_error", dns, &tls(r#""ssl_invalid_certificate""#));
        assert_eq!(expired.http.unwrap().failure, Some(Failure::SslInvalidCertificate));
        let odd = failed("unknown_error", dns, &tls("null"));
        assert_eq!(odd.http.unwrap().failure, Some(Failure::Unknown("unknown_error".into())));
    }

    #[test]
    fn a_helper_without_ipv6_says_nothing_of_ipv6() {
        let report = with(
            r#""tcp_connect":{"[2001:db8::1]:443":{"status":false,"failure":"connect_error"},
            "[2001:db8::2]:443":{"status":false,"failure":"generic_timeout_error"},
            "192.0.2.1:443":{"status":false,"failure":"connect_error"}}"#,
        );
        let told: Vec<_> = report.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert_eq!(told, ["192.0.2.1:443", "[2001:db8::2]:443"]);
    }

    #[test]
    fn an_answer_that_tells_nothing_is_no_verdict_on_the_site() {
        for text in [
            r#"{"tcp_connect":null,"http_request":{"body_length":0,"failure":null,"title":"","headers":null,"status_code":0},
            "dns":{"failure":null,"addrs":null}}"#,
            r#"{"http_request":{},"dns":{}}"#,
            r#"{"http_request":{"status_code":-1},"dns":{"addrs":["192.0.2.1"]}}"#,
            r#"{"http_request":{"status_code":99999999},"dns":{}}"#,
        ] {
            let report = report(text);
            assert_eq!(report.reached(), None, "{text}");
            assert_eq!(report.unusable, Some(Failure::Unknown("empty_answer".into())), "{text}");
        }
    }

    #[test]
    fn what_lacks_a_section_or_has_it_wrong_is_no_answer() {
        for text in [
            "{}",
            "[]",
            "null",
            r#"{"http_request":{},"dns":null}"#,
            r#"{"dns":{}}"#,
            r#"{"http_request":{"status_code":"200"},"dns":{}}"#,
            r#"{"http_request":{"failure":7},"dns":{}}"#,
            r#"{"http_request":{},"dns":{"addrs":"192.0.2.1"}}"#,
            r#"{"http_request":{},"dns":{},"tcp_connect":[1]}"#,
        ] {
            assert!(serde_json::from_str::<Answer>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_beside_the_point_may_be_of_any_type() {
        let told = with(r#""quic_handshake":[1],"x_blockspan":"x","ip_info":7,"http3_request":[],"more":{}"#);
        assert_eq!((told.reached(), told.quic.len(), told.pace), (Some(true), 0, None));
        let title = r#"{"http_request":{"title":{"format":"base64","data":"AA=="},"status_code":200},"dns":{}}"#;
        assert_eq!(report(title).http.unwrap().title, None);
    }

    #[test]
    fn what_our_own_helper_adds_is_taken_where_it_fits() {
        let leaf = "ab".repeat(32);
        let report = with(&format!(
            r#""x_blockspan":{{"final_url":"https://site.example/end","connect_seconds":0.05,"handshake_seconds":0.1,
            "first_byte_seconds":null,"bytes_per_second":1000.5,"leaf_sha256":"{leaf}","body_truncated":true,"new":1}}"#
        ));
        let pace = report.pace.unwrap();
        assert_eq!(pace.connect, Some(Duration::from_millis(50).into()));
        assert_eq!((pace.first_byte, pace.bytes_per_second), (None, Some(1000.5)));
        let http = report.http.unwrap();
        assert_eq!(http.final_url.unwrap().as_str(), "https://site.example/end");
        assert_eq!((http.leaf_sha256, http.body_length), (Some(leaf), None));

        let odd = with(
            r#""x_blockspan":{"final_url":"javascript:alert(1)","connect_seconds":-1,"handshake_seconds":1e300,
            "first_byte_seconds":"soon","bytes_per_second":-5,"leaf_sha256":"../../etc","body_truncated":"yes"}"#,
        );
        let http = odd.http.unwrap();
        assert_eq!((http.final_url, http.leaf_sha256, http.body_length, odd.pace), (None, None, Some(9), None));
    }

    #[test]
    fn a_huge_answer_is_cut() {
        let steps: Vec<String> =
            (0..1000).map(|n| format!(r#""192.0.2.1:{n}":{{"failure":"{}"}}"#, "x".repeat(300))).collect();
        let report = with(&format!(r#""tcp_connect":{{{}}}"#, steps.join(",")));
        assert_eq!(report.endpoints.len(), MAX_ITEMS);
        assert_eq!(report.endpoints[0].tcp_failure, Some(Failure::Unknown("x".repeat(MAX_FAILURE_CHARS))));
    }

    proptest::proptest! {
        #[test]
        fn hostile_answers_never_panic(seconds: f64, code: i64, failure in ".{0,40}", url in ".{0,40}") {
            let text = serde_json::json!({
                "http_request": {"failure": failure, "status_code": code, "body_length": code, "title": url},
                "dns": {"failure": failure, "addrs": [url]},
                "tcp_connect": {url.clone(): {"failure": failure}},
                "x_blockspan": {"final_url": url, "connect_seconds": seconds, "bytes_per_second": seconds},
            });
            let _ = report(&text.to_string());
        }
    }
}

//! Client of the OONI test-helper protocol (ts-017 of the OONI specification): a server elsewhere measures the
//! same URL and tells what it saw.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::http::{ACCEPT, ACCEPT_LANGUAGE, USER_AGENT};
use super::roots::{Roots, RootsError};
use crate::config::HelperConfig;
use crate::model::{
    ControlDns, ControlEndpoint, ControlHttp, ControlId, ControlKind, ControlReport, Failure, Timestamp,
};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
const MAX_TOKEN_BYTES: u64 = 4096;
/// Endpoints, addresses and header names that are taken from an answer at most.
const MAX_ITEMS: usize = 128;
const MAX_TITLE_CHARS: usize = 300;

/// Why a helper cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The trusted roots cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The token cannot be read.
    #[error("cannot read the helper's token in `{}`: {source}", path.display())]
    Token {
        /// The file, as configured.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The token cannot be sent.
    #[error("the helper's token in `{}` is not usable: expected one line of printable ASCII", path.display())]
    OddToken {
        /// The file, as configured.
        path: PathBuf,
    },
    /// The HTTP client cannot be set up.
    #[error("the helper's client cannot be set up: {0}")]
    Client(reqwest::Error),
}

/// A helper that can be asked.
#[derive(Debug)]
pub struct HelperClient {
    id: ControlId,
    url: Url,
    token: Option<HeaderValue>,
    client: reqwest::Client,
}

impl HelperClient {
    /// A client for the helper that `config` describes, which trusts `roots`. Reads the token once.
    ///
    /// # Errors
    /// When the token file cannot be read or holds no token.
    pub fn new(config: &HelperConfig, roots: &Roots) -> Result<Self, HelperError> {
        let token = config.token_file.as_ref().map(read_token).transpose()?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(roots.client_config()?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .map_err(HelperError::Client)?;
        Ok(Self { id: config.id.clone(), url: config.url.clone(), token, client })
    }

    /// Which control it is.
    pub fn id(&self) -> &ControlId {
        &self.id
    }

    /// Asks it to measure `url`, and to try `endpoints` beside those that it finds itself. Takes at most 30 s. A
    /// helper that does not answer as it should gives a report that is `unusable`.
    pub async fn ask(&self, url: &Url, endpoints: &[SocketAddr]) -> ControlReport {
        let at = Timestamp::now();
        let unusable = |failure| ControlReport {
            pace: None,
            quic: Vec::new(),
            id: self.id.clone(),
            kind: ControlKind::Helper,
            at,
            unusable: Some(failure),
            dns: None,
            endpoints: Vec::new(),
            http: None,
        };
        match tokio::time::timeout(TIMEOUT, self.exchange(url, endpoints)).await {
            Ok(Ok(answer)) => answer.report(self.id.clone(), at),
            Ok(Err(failure)) => unusable(failure),
            Err(_) => unusable(Failure::GenericTimeout),
        }
    }

    async fn exchange(&self, url: &Url, endpoints: &[SocketAddr]) -> Result<Answer, Failure> {
        let mut request = self.client.post(self.url.clone()).json(&Question::new(url, endpoints));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let mut response = request.send().await.map_err(|error| failure_of(&error))?;
        if !response.status().is_success() {
            return Err(Failure::HttpRequestFailed);
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| failure_of(&error))? {
            if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(Failure::HttpRequestFailed);
            }
            bytes.extend_from_slice(&piece);
        }
        serde_json::from_slice(&bytes).map_err(|_| Failure::Unknown("json_parse_error".to_owned()))
    }
}

fn read_token(path: &PathBuf) -> Result<HeaderValue, HelperError> {
    let read_error = |source| HelperError::Token { path: path.clone(), source };
    if std::fs::metadata(path).map_err(read_error)?.len() > MAX_TOKEN_BYTES {
        return Err(HelperError::OddToken { path: path.clone() });
    }
    let token = std::fs::read_to_string(path).map_err(read_error)?;
    let token = token.trim();
    let odd = || HelperError::OddToken { path: path.clone() };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(odd());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| odd())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The failure behind an error of the client. Its text is never kept: it holds URLs and addresses.
fn failure_of(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::GenericTimeout;
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return failure_of_tls(tls);
        }
        let io = inner.downcast_ref::<io::Error>();
        if let Some(known) = io.map(Failure::from_io).filter(|failure| !matches!(failure, Failure::Unknown(_))) {
            return known;
        }
        // `source` of an I/O error leads past the error that it wraps.
        cause = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => inner.source(),
        };
    }
    Failure::HttpRequestFailed
}

fn failure_of_tls(error: &rustls::Error) -> Failure {
    use rustls::CertificateError as Fault;
    match error {
        rustls::Error::InvalidCertificate(Fault::UnknownIssuer) => Failure::SslUnknownAuthority,
        rustls::Error::InvalidCertificate(Fault::NotValidForName | Fault::NotValidForNameContext { .. }) => {
            Failure::SslInvalidHostname
        }
        rustls::Error::InvalidCertificate(_) => Failure::SslInvalidCertificate,
        _ => Failure::SslFailedHandshake,
    }
}

#[derive(Debug, Serialize)]
struct Question<'a> {
    http_request: &'a str,
    http_request_headers: BTreeMap<&'static str, [&'static str; 1]>,
    tcp_connect: Vec<String>,
    x_quic_enabled: bool,
}

impl<'a> Question<'a> {
    fn new(url: &'a Url, endpoints: &[SocketAddr]) -> Self {
        Self {
            http_request: url.as_str(),
            http_request_headers: BTreeMap::from([
                ("Accept", [ACCEPT]),
                ("Accept-Language", [ACCEPT_LANGUAGE]),
                ("User-Agent", [USER_AGENT]),
            ]),
            tcp_connect: endpoints.iter().take(MAX_ITEMS).map(SocketAddr::to_string).collect(),
            x_quic_enabled: false,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    tcp_connect: Option<BTreeMap<String, Step>>,
    #[serde(default)]
    tls_handshake: Option<BTreeMap<String, Step>>,
    http_request: Http,
    dns: Dns,
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
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, serde_json::Value>>,
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

impl Answer {
    fn report(self, id: ControlId, at: Timestamp) -> ControlReport {
        let tls = self.tls_handshake.unwrap_or_default();
        let endpoints = self.tcp_connect.unwrap_or_default().into_iter().filter_map(|(endpoint, tcp)| {
            let handshake = tls.get(&endpoint);
            Some(ControlEndpoint {
                address: endpoint.parse().ok()?,
                tcp_failure: tcp.failure.as_deref().map(failure_named),
                tls_tried: handshake.is_some(),
                tls_failure: handshake.and_then(|step| step.failure.as_deref()).map(failure_named),
            })
        });
        ControlReport {
            pace: None,
            quic: Vec::new(),
            id,
            kind: ControlKind::Helper,
            at,
            unusable: None,
            dns: Some(self.dns.report()),
            endpoints: endpoints.take(MAX_ITEMS).collect(),
            http: Some(self.http_request.report()),
        }
    }
}

impl Dns {
    fn report(self) -> ControlDns {
        let addresses = self.addrs.unwrap_or_default().into_iter().filter_map(|text| text.parse::<IpAddr>().ok());
        ControlDns {
            failure: self.failure.as_deref().map(failure_named),
            addresses: addresses.take(MAX_ITEMS).collect(),
        }
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

/// Helpers write NXDOMAIN by its legacy name.
fn failure_named(text: &str) -> Failure {
    match text {
        "dns_name_error" => Failure::DnsNxdomain,
        other => Failure::from_ooni(&other.chars().take(200).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> ControlReport {
        let answer: Answer = serde_json::from_str(text).unwrap();
        answer.report("helper".parse().unwrap(), Timestamp::from_unix_ms(0))
    }

    #[test]
    fn an_answer_is_read() {
        let report = report(
            r#"{"tcp_connect":{"203.0.113.1:443":{"status":true,"failure":null},"junk":{"status":false,"failure":"x"}},
            "tls_handshake":{"203.0.113.1:443":{"server_name":"site.example","status":false,"failure":"connection_reset"}},
            "quic_handshake":{},"http_request":{"body_length":100,"discovered_h3_endpoint":"","failure":null,
            "title":"A page","headers":{"Server":"x","X-Odd":"y"},"status_code":200},"http3_request":null,
            "dns":{"failure":null,"addrs":["203.0.113.1"]},"ip_info":{"203.0.113.1":{"asn":1,"flags":11}}}"#,
        );
        assert_eq!(report.reached(), Some(true));
        assert_eq!(report.endpoints.len(), 1);
        assert_eq!(report.endpoints[0].tls_failure, Some(Failure::ConnectionReset));
        let http = report.http.unwrap();
        assert_eq!((http.status, http.body_length, http.title.as_deref()), (Some(200), Some(100), Some("A page")));
        assert_eq!(http.header_names, ["server", "x-odd"]);
    }

    #[test]
    fn the_helpers_own_ways_are_understood() {
        let report = report(
            r#"{"tcp_connect":null,"http_request":{"body_length":-1,"failure":"dns_name_error","title":"","headers":null,
            "status_code":-1},"dns":{"failure":"dns_name_error","addrs":null}}"#,
        );
        assert_eq!(report.reached(), Some(false));
        assert_eq!(report.dns.unwrap().failure, Some(Failure::DnsNxdomain));
        let http = report.http.unwrap();
        assert_eq!((http.status, http.body_length, http.title), (None, None, None));
    }
}

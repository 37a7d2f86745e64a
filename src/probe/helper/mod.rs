//! Client of the OONI test-helper protocol (ts-017 of the OONI specification): a server elsewhere measures the
//! same URL and tells what it saw.

mod answer;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde::Serialize;
use url::Url;

use self::answer::Answer;
use super::http::{ACCEPT, ACCEPT_LANGUAGE, USER_AGENT};
use super::roots::{Roots, RootsError};
use crate::config::{HelperConfig, Token, TokenError};
use crate::model::{ControlId, ControlKind, ControlReport, Failure, Timestamp};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Endpoints that are asked for at most.
const MAX_ENDPOINTS: usize = 128;

/// Why a helper cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The trusted roots cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The HTTP client cannot be set up.
    #[error("the helper's client cannot be set up: {0}")]
    Client(reqwest::Error),
}

/// A helper that can be asked.
#[derive(Debug)]
pub struct HelperClient {
    id: ControlId,
    url: Url,
    token: Option<Token>,
    client: reqwest::Client,
}

impl HelperClient {
    /// A client for the helper that `config` describes, which trusts `roots`. Reads the token once.
    ///
    /// # Errors
    /// When the token file cannot be read or holds no token.
    pub fn new(config: &HelperConfig, roots: &Roots) -> Result<Self, HelperError> {
        let token = config.token_file.as_deref().map(Token::read).transpose()?;
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
            Ok(Ok(answer)) => answer.report(self.id.clone(), at, url),
            Ok(Err(failure)) => unusable(failure),
            Err(_) => unusable(Failure::GenericTimeout),
        }
    }

    async fn exchange(&self, url: &Url, endpoints: &[SocketAddr]) -> Result<Answer, Failure> {
        let mut request = self.client.post(self.url.clone()).json(&Question::new(url, endpoints));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.header());
        }
        let mut response = request.send().await.map_err(|error| failure_of(&error))?;
        match response.status() {
            status if status.is_success() => {}
            // Whoever set it up can mend these: said by their number.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) => {
                return Err(Failure::Unknown(format!("helper_status_{}", status.as_u16())));
            }
            _ => return Err(Failure::HttpRequestFailed),
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
            tcp_connect: endpoints.iter().take(MAX_ENDPOINTS).map(SocketAddr::to_string).collect(),
            x_quic_enabled: true,
        }
    }
}

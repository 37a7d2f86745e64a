//! What others saw of the same URL at about the same time, and whether the vantage has a network at all.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use url::Url;

use super::labels::labels;
use super::{AddressFamily, Baseline, ControlId, Experiment, Failure, Layer, Measurement, Pace, Timestamp};

labels! {
    /// What kind of control it is.
    "control kind"
    pub enum ControlKind {
        /// A vantage with `role = "control"`: the same probe from elsewhere.
        Vantage => "vantage",
        /// A helper that speaks the OONI test-helper protocol.
        Helper => "helper",
    }
}

/// What one control saw of a URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlReport {
    /// Which control.
    pub id: ControlId,
    /// Its kind.
    pub kind: ControlKind,
    /// When it measured.
    pub at: Timestamp,
    /// The control itself could not be asked (its way out is dead, the helper does not answer): it then says nothing of the site.
    pub unusable: Option<Failure>,
    /// Its name resolution.
    pub dns: Option<ControlDns>,
    /// Its connection attempts.
    pub endpoints: Vec<ControlEndpoint>,
    /// Its exchange, redirects followed to the end.
    pub http: Option<ControlHttp>,
    /// Its QUIC handshakes; empty when none was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quic: Vec<ControlQuic>,
    /// How fast the site answered it, if the control tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
}

/// A control's QUIC handshake with one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlQuic {
    /// Where to.
    pub address: SocketAddr,
    /// Null when it ended well with a valid chain.
    pub failure: Option<Failure>,
}

/// A control's name resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlDns {
    /// Null when it resolved.
    pub failure: Option<Failure>,
    /// What it resolved to.
    pub addresses: Vec<IpAddr>,
}

/// A control's attempt on one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlEndpoint {
    /// Where to.
    pub address: SocketAddr,
    /// Null when TCP connected.
    pub tcp_failure: Option<Failure>,
    /// Whether TLS was tried; `tls_failure` is null when it ended well with a valid chain.
    pub tls_tried: bool,
    /// Why TLS failed.
    pub tls_failure: Option<Failure>,
}

/// A control's exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlHttp {
    /// Null when an answer came.
    pub failure: Option<Failure>,
    /// Status code of the last answer.
    pub status: Option<u16>,
    /// The page's title (hostile text).
    pub title: Option<String>,
    /// Names of its header fields, lower case.
    pub header_names: Vec<String>,
    /// Bytes of the body; null when unknown or truncated.
    pub body_length: Option<u64>,
    /// SHA-256 of the leaf certificate, lower-case hex, if the control tells.
    pub leaf_sha256: Option<String>,
    /// The URL that the redirects led to, if the control tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_url: Option<Url>,
}

impl ControlReport {
    /// Whether the control got an answer from the site. None when the control is unusable.
    pub fn reached(&self) -> Option<bool> {
        if self.unusable.is_some() {
            return None;
        }
        Some(self.http.as_ref().is_some_and(|http| http.failure.is_none() && http.status.is_some()))
    }

    /// The first layer at which something failed for the control, in the order of a connection, and why. It says nothing of
    /// whether the control got an answer all the same: see `reached`.
    pub fn first_failure(&self) -> Option<(Layer, &Failure)> {
        let dns = || Some((Layer::Dns, self.dns.as_ref()?.failure.as_ref()?));
        let tcp = || Some((Layer::Tcp, self.endpoints.iter().find_map(|endpoint| endpoint.tcp_failure.as_ref())?));
        let tls = || Some((Layer::Tls, self.endpoints.iter().find_map(|endpoint| endpoint.tls_failure.as_ref())?));
        let http = || Some((Layer::Http, self.http.as_ref()?.failure.as_ref()?));
        dns().or_else(tcp).or_else(tls).or_else(http)
    }
}

labels! {
    /// Where a canary stands, seen from the vantage.
    "canary scope"
    pub enum CanaryScope {
        /// Beyond the border.
        Foreign => "foreign",
        /// Within the vantage's country.
        Domestic => "domestic",
    }
}

/// What a canary said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryResult {
    /// Its URL.
    pub url: Url,
    /// Where it stands.
    pub scope: CanaryScope,
    /// Null when it answered.
    pub failure: Option<Failure>,
    /// How fast it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Its QUIC handshake: null when none was tried, otherwise `{"failure": …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quic: Option<CanaryQuic>,
    /// The address families over which it proved itself (over clear text: connected) at an address that the vantage's own
    /// resolvers gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<AddressFamily>,
    /// The vantage's own resolvers, as configured, that gave an address for its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<String>,
}

impl CanaryResult {
    /// Whether it answered, and nothing more.
    pub const fn new(url: Url, scope: CanaryScope, failure: Option<Failure>) -> Self {
        Self { url, scope, failure, pace: None, quic: None, families: Vec::new(), resolvers: Vec::new() }
    }
}

/// A canary's QUIC handshake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryQuic {
    /// Null when it ended well.
    pub failure: Option<Failure>,
}

/// What the canaries of a vantage said, near in time to a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryReport {
    /// When they were asked.
    pub at: Timestamp,
    /// Each one's answer.
    pub results: Vec<CanaryResult>,
}

impl CanaryReport {
    /// (answered, asked) within a scope.
    pub fn tally(&self, scope: CanaryScope) -> (usize, usize) {
        let of_scope = self.results.iter().filter(|result| result.scope == scope);
        (of_scope.clone().filter(|result| result.failure.is_none()).count(), of_scope.count())
    }
}

/// A measurement with all that it must be judged by. What is stored, so that it can be judged again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was seen.
    pub measurement: Measurement,
    /// What the controls saw; empty when none was asked or none is configured.
    pub controls: Vec<ControlReport>,
    /// What the canaries said; null when they were not asked.
    pub canaries: Option<CanaryReport>,
    /// Follow-up experiments on this series of the last hour, oldest first, this round's included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<Experiment>,
    /// What the series' pace usually is, as it was known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
}

impl Evidence {
    /// A measurement with what controls and canaries said, and nothing else.
    pub const fn new(measurement: Measurement, controls: Vec<ControlReport>, canaries: Option<CanaryReport>) -> Self {
        Self { measurement, controls, canaries, experiments: Vec::new(), baseline: None }
    }
}

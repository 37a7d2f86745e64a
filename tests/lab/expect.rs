//! What a scenario says must be seen.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

/// What an ordinary client sees: `dns …`, `tcp …`, `tls …`, `http …`, joined by ` > ` down to the first failure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    /// What it asks for.
    pub(crate) url: String,
    /// Seconds of the scenario that are over when it looks.
    #[serde(default)]
    pub(crate) after: f64,
    /// What it sees from the vantage.
    pub(crate) vantage: String,
    /// What it sees through the way out.
    pub(crate) control: String,
    /// What it sees from the vantage at addresses of the host that it dials without asking a resolver.
    #[serde(default)]
    pub(crate) at: BTreeMap<IpAddr, String>,
    /// What it sees of other URLs from the vantage, afterwards.
    #[serde(default)]
    pub(crate) also: BTreeMap<String, String>,
    /// All answers to one question over UDP, in the order in which they come.
    pub(crate) answers: Option<Vec<Vec<Ipv4Addr>>>,
    /// What a QUIC handshake with the host's first address is: `quic trusted`, `quic timeout`.
    pub(crate) quic: Option<String>,
    /// Least seconds that it takes from the vantage, as a connection that is slowed down must. Through the way out it takes
    /// less.
    pub(crate) takes_at_least: Option<f64>,
}

/// One measurement by `blockspan check`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) url: String,
    pub(crate) status: String,
    /// Absent: there must be none.
    pub(crate) mechanism: Option<String>,
    /// A rule that must be among those that decided.
    pub(crate) rule: Option<String>,
    pub(crate) exit: i32,
    /// Status that the control must be said to have seen.
    pub(crate) control: Option<String>,
    /// Scopes of partial blocking that must be told, in any order; none but these.
    #[serde(default)]
    pub(crate) partial: Vec<String>,
}

/// A run of the daemon.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    pub(crate) url: String,
    /// Length, in seconds.
    pub(crate) seconds: f64,
    /// Instants at which the daemon is killed (SIGKILL) and started again.
    #[serde(default)]
    pub(crate) kill_at: Vec<f64>,
    /// When the daemon is halted (SIGSTOP) and goes on (SIGCONT), in seconds.
    pub(crate) halt: Option<[f64; 2]>,
    /// When the vantage's resolver moves: `/etc/resolv.conf` names the ISP's other one from then on, in seconds.
    pub(crate) resolver_moves_at: Option<f64>,
    /// When the vantage's interface goes down and comes up again, in seconds.
    pub(crate) interface_down: Option<[f64; 2]>,
    /// The silences of the vantage that must be on record at the end, in order, and no others but those between two
    /// lives of the daemon.
    #[serde(default, rename = "silence")]
    pub(crate) silences: Vec<ExpectedSilence>,
    /// The spans that must be on record at the end, in order, and no others.
    #[serde(default, rename = "span")]
    pub(crate) spans: Vec<ExpectedSpan>,
}

/// One stretch in which the vantage tells nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedSilence {
    pub(crate) kind: String,
    /// Why, when nothing was measured.
    pub(crate) cause: Option<String>,
    /// When it truly began, in seconds.
    pub(crate) from: f64,
    /// When it truly ended.
    pub(crate) until: f64,
    /// Most seconds that each bracket may be wide.
    pub(crate) width: f64,
}

/// One span.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedSpan {
    pub(crate) status: String,
    pub(crate) mechanism: String,
    /// The part of the way that is blocked, when it is not all of it.
    pub(crate) partial: Option<String>,
    /// The rule of the censor whose window is the truth.
    pub(crate) truth: String,
    /// Whether it still goes on at the end.
    #[serde(default)]
    pub(crate) ongoing: bool,
    /// Most seconds from the true start until the span is on record.
    pub(crate) opened_within: f64,
    /// Most seconds from the true end until the span is on record as ended.
    pub(crate) closed_within: Option<f64>,
    /// Most seconds that the bracket of the start may be wide.
    pub(crate) start_width: f64,
    /// Most seconds that the bracket of the end may be wide.
    pub(crate) end_width: Option<f64>,
}

//! Follow-up experiments: two attempts that differ in one thing only, so that what differs in the outcome is laid at its
//! door (OONI ts-024; censorship is told from failure by what the censor looks at).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::labels::labels;
use super::{Elapsed, Failure, Timestamp};

labels! {
    /// What is varied.
    "experiment"
    pub enum ExperimentKind {
        /// The site's own address, another name in the ClientHello.
        UnrelatedSni => "unrelated_sni",
        /// A canary's address, the site's name in the ClientHello.
        SniElsewhere => "sni_elsewhere",
        /// The site's name, other resolvers than the vantage's own.
        OtherResolvers => "other_resolvers",
        /// The site's addresses of the other family.
        OtherFamily => "other_family",
        /// The site's own address, another Host in the clear-text request.
        OtherHost => "other_host",
    }
}

/// One attempt of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The name that travelled in the clear: SNI, Host, or the name asked for.
    pub name: String,
    /// Where to; null for a question to a resolver that is named by `resolver`.
    pub address: Option<SocketAddr>,
    /// The resolver asked, as configured; null for connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    #[serde(rename = "elapsed_seconds")]
    pub elapsed: Elapsed,
    /// Null when the peer answered at the layer under test. For the unrelated name any TLS answer of the peer is one, a
    /// certificate for another name and an alert included: the ClientHello got through and an answer came back.
    pub failure: Option<Failure>,
}

/// Two attempts, made near in time, that differ in one thing only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// What is varied.
    pub kind: ExperimentKind,
    /// With what is suspected to be blocked.
    pub suspect: Attempt,
    /// With the one thing changed.
    pub variant: Attempt,
}

//! Follow-up experiments: two attempts that differ in one thing only, so that what differs in the outcome is laid at its
//! door (OONI ts-024; censorship is told from failure by what the censor looks at).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::labels::labels;
use super::{Elapsed, Failure, HttpExchange, Layer, Timestamp};

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
        /// A canary's address, the site's Host in a clear-text request.
        HostElsewhere => "host_elsewhere",
    }
}

labels! {
    /// What the two attempts of an experiment came to.
    "experiment outcome"
    pub enum ExperimentOutcome {
        /// The suspect failed and the variant did not: what was varied makes the difference.
        SuspectFails => "suspect_fails",
        /// Both failed: what was varied makes no difference.
        BothFail => "both_fail",
        /// Neither failed: the trouble has passed, or comes and goes.
        NeitherFails => "neither_fails",
        /// Only the variant failed.
        VariantFails => "variant_fails",
        /// An attempt failed inside this machine, or was cut off: it says nothing.
        Void => "void",
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
    /// The layer that it failed in; null when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// What answered a clear-text request, so that answers can be compared: see [`answer_in_short`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// A clear-text answer in short: its status, where it sends visitors on, and its title. Enough to tell a block page from
/// a server's own answer; a name that the answer echoes plays no part, so that a redirect to the same name under
/// `https` is the same for every name. The title is hostile text.
pub fn answer_in_short(exchange: &HttpExchange) -> Option<String> {
    let status = exchange.status?;
    let to = exchange.redirect.as_ref().and_then(|url| url.host_str());
    let to = match to {
        None => "nowhere",
        Some(host) if Some(host) == exchange.url.host_str() => "itself",
        Some(host) => host,
    };
    let title = exchange.body.as_ref().and_then(|body| body.title.as_deref()).unwrap_or_default();
    let title: String = title.chars().take(200).collect();
    Some(format!("{status} to {to}: {title}"))
}

/// Two attempts, made near in time, that differ in one thing only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// What is varied.
    pub kind: ExperimentKind,
    /// The host of the canary at whose address both were made; null for the site's own address or a resolver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// With what is suspected to be blocked.
    pub suspect: Attempt,
    /// With the one thing changed.
    pub variant: Attempt,
}

impl Experiment {
    /// What came of it.
    pub fn outcome(&self) -> ExperimentOutcome {
        match (&self.suspect.failure, &self.variant.failure) {
            (Some(failure), _) if failure.is_local() => ExperimentOutcome::Void,
            (_, Some(failure)) if failure.is_local() => ExperimentOutcome::Void,
            (Some(_), None) => ExperimentOutcome::SuspectFails,
            (Some(_), Some(_)) => ExperimentOutcome::BothFail,
            (None, Some(_)) => ExperimentOutcome::VariantFails,
            (None, None) => ExperimentOutcome::NeitherFails,
        }
    }

    /// When it began: with the attempt that was made first.
    pub fn began(&self) -> Timestamp {
        self.suspect.at.min(self.variant.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(suspect: Option<Failure>, variant: Option<Failure>) -> Experiment {
        let attempt = |failure| Attempt {
            answer: None,
            name: "site.example".into(),
            address: None,
            resolver: None,
            at: Timestamp::from_unix_ms(5),
            elapsed: Elapsed::default(),
            failure,
            layer: None,
        };
        Experiment {
            kind: ExperimentKind::UnrelatedSni,
            canary: None,
            suspect: attempt(suspect),
            variant: attempt(variant),
        }
    }

    #[test]
    fn an_outcome_is_told_by_both_attempts() {
        use ExperimentOutcome as Outcome;
        let (silent, own) = (|| Some(Failure::GenericTimeout), || Some(Failure::Interrupted));
        for (suspect, variant, outcome) in [
            (silent(), None, Outcome::SuspectFails),
            (silent(), silent(), Outcome::BothFail),
            (None, silent(), Outcome::VariantFails),
            (None, None, Outcome::NeitherFails),
            (own(), None, Outcome::Void),
            (silent(), own(), Outcome::Void),
            (own(), silent(), Outcome::Void),
            (None, own(), Outcome::Void),
        ] {
            assert_eq!(experiment(suspect, variant).outcome(), outcome);
        }
    }

    #[test]
    fn a_pair_reads_back_and_one_without_its_layer_too() {
        let pair = experiment(Some(Failure::ConnectionReset), None);
        let text = serde_json::to_string(&pair).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&text).unwrap(), pair);
        assert!(!text.contains("layer") && !text.contains("resolver") && !text.contains("canary"), "{text}");
    }
}

//! Measures what is asked for, a few at a time.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::answer::Answer;
use super::ask::{Ask, Refusal};
use super::metrics::Metrics;
use crate::config::{Config, Role, VantageConfig, Via};
use crate::model::{ControlId, CountryCode, InvalidId, SiteId, Trigger};
use crate::probe::{Extras, ProbeSetupError, Prober, Target};
use crate::vantage::Vantage;

/// Longest measurement of one URL: askers, OONI's probes among them, wait for 30 s.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(4);
/// The whole of a request, should a measurement not keep to its time.
const DEADLINE: Duration = Duration::from_secs(27);

/// Why a helper cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Roots.
    #[error("cannot set up the prober")]
    Prober(#[from] ProbeSetupError),
    /// Our own pseudonyms.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It is not done.
    Refused(Refusal),
    /// Too many at once.
    Busy,
    /// It took too long.
    TimedOut,
}

/// Measures.
pub(super) struct Desk {
    prober: Prober,
    vantage: Vantage,
    id: ControlId,
    site: SiteId,
    places: Semaphore,
}

impl Desk {
    /// A desk that measures from this machine, with the bounds, roots and encrypted resolvers of `config`.
    pub(super) fn new(config: &Config) -> Result<Self, DeskError> {
        let mut bounded = config.clone();
        bounded.probe.url_timeout = bounded.probe.url_timeout.min(LONGEST);
        // Names are looked up by the vantage itself; a reference beside it would ask the same resolvers again.
        let resolvers = std::mem::take(&mut bounded.control.resolvers);
        let vantage = Vantage::new(&VantageConfig {
            id: "helper".parse()?,
            role: Role::Control,
            country: CountryCode::UNKNOWN,
            asn: None,
            via: Via::Direct { interface: None, source: None },
            resolvers,
        });
        Ok(Self {
            prober: Prober::new(&bounded)?,
            vantage,
            id: "helper".parse()?,
            site: "helper".parse()?,
            places: Semaphore::new(config.helper.max_in_flight),
        })
    }

    /// Takes up the request whose body this is.
    pub(super) async fn answer(&self, body: &[u8], metrics: &Metrics) -> Result<Answer, NoAnswer> {
        let inward = self.prober.inward(&self.vantage).await;
        let ask = Ask::read(body, &inward).map_err(NoAnswer::Refused)?;
        let turn = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        let Ok(Ok(_place)) = turn else { return Err(NoAnswer::Busy) };
        let _measuring = metrics.measuring();
        let target = Target { site: self.site.clone(), url: ask.url.clone() };
        let extras =
            Extras { also: ask.endpoints(), tls_beside_http: ask.url.port().is_none(), headers: ask.headers.clone() };
        let measured = self.prober.measure_with(&target, &self.vantage, Trigger::Control, &extras);
        let measurement = tokio::time::timeout(DEADLINE, measured).await.map_err(|_| NoAnswer::TimedOut)?;
        Ok(Answer::new(&self.id, &ask, &measurement, |ip| inward.forbids(ip)))
    }
}

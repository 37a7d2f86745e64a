//! Everyone whom verdicts depend on, asked once: for `doctor`.

use futures_util::future::join_all;

use super::instrument::Instrument;
use super::station::Station;
use crate::model::{CanaryResult, CanaryScope, ControlReport, DnsExchange, Measurement, VantageId};
use crate::probe::ask_canary;

/// Who answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reached {
    /// The name that the resolvers were asked for; None when there is no canary, and no resolver was asked.
    pub name: Option<String>,
    /// The canaries of each vantage that measures.
    pub canaries: Vec<CanaryReached>,
    /// The own resolvers of each vantage that measures.
    pub resolvers: Vec<ResolverReached>,
    /// The encrypted reference, one exchange for each resolver and kind of address.
    pub reference: Vec<DnsExchange>,
    /// Control vantages and helpers, each asked for the first foreign canary.
    pub controls: Vec<ControlReport>,
}

/// One canary seen from one vantage.
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryReached {
    /// From where.
    pub vantage: VantageId,
    /// What it said.
    pub result: CanaryResult,
    /// The measurement that it was asked by.
    pub measurement: Option<Measurement>,
}

/// One of a vantage's own resolvers.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolverReached {
    /// From where.
    pub vantage: VantageId,
    /// The resolver as configured.
    pub resolver: String,
    /// What was asked of it and what came.
    pub exchanges: Vec<DnsExchange>,
}

impl Instrument {
    /// Asks canaries, resolvers and controls, all at once, each once. Takes as long as the slowest of them, which is
    /// bounded by the configured times.
    pub async fn reach(&self) -> Reached {
        let foreign = self.config.canaries.iter().find(|canary| canary.scope == CanaryScope::Foreign);
        let name = foreign.or(self.config.canaries.first()).and_then(|canary| canary.url.domain()).map(str::to_owned);
        let canaries = join_all(self.stations.values().map(|station| self.reach_canaries(station)));
        let resolvers = async {
            match &name {
                Some(name) => join_all(self.stations.values().map(|station| self.reach_resolvers(station, name))).await,
                None => Vec::new(),
            }
        };
        let reference = async {
            match &name {
                Some(name) => self.prober.ask_reference(name).await,
                None => Vec::new(),
            }
        };
        let (canaries, resolvers, reference, controls) =
            tokio::join!(canaries, resolvers, reference, self.control_reports());
        let (canaries, resolvers) = (canaries.into_iter().flatten(), resolvers.into_iter().flatten());
        Reached { canaries: canaries.collect(), resolvers: resolvers.collect(), name, reference, controls }
    }

    async fn reach_canaries(&self, station: &Station) -> Vec<CanaryReached> {
        let asked = station.canaries.iter().map(|canary| async {
            let (result, measurement) = ask_canary(&self.prober, &station.vantage, canary).await;
            CanaryReached { vantage: station.vantage.id().clone(), result, measurement }
        });
        join_all(asked).await
    }

    async fn reach_resolvers(&self, station: &Station, name: &str) -> Vec<ResolverReached> {
        let resolvers = station.vantage.resolvers();
        let asked = resolvers.iter().map(|resolver| async {
            let exchanges = self.prober.ask_resolver(&station.vantage, resolver, name).await;
            ResolverReached { vantage: station.vantage.id().clone(), resolver: resolver.to_string(), exchanges }
        });
        join_all(asked).await
    }
}

//! Everything that is built from one configuration: replaced whole by a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::experiments::ExperimentDesk;
use super::opinion::{CanaryDesk, ControlDesk, FRESH};
use super::station::Station;
use super::surroundings::{self, Countries};
use crate::config::{Config, Role};
use crate::detect::Detector;
use crate::judge::{self, Knowledge};
use crate::model::{
    Baseline, CanaryReport, CanaryScope, ControlId, ControlReport, CountryCode, Evidence, Partial, PartialScope,
    SeriesKey, Site, Status, Trigger, VantageId, Verdict,
};
use crate::probe::{self, HelperClient, HelperError, ProbeSetupError, Prober, Target};
use crate::serve::Place;
use crate::vantage::Vantage;
use crate::webhook::{Hooks, WebhookError};

/// Why an instrument cannot be built from a configuration that is in itself good.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Roots or resolvers.
    #[error("cannot set up the prober")]
    Prober(#[from] ProbeSetupError),
    /// A webhook.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// A helper.
    #[error("cannot set up the control helper {id}")]
    Helper {
        /// Which.
        id: ControlId,
        /// Why.
        source: HelperError,
    },
}

/// Where a series stands before a measurement: what its follow-up and its judging depend on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// An anomaly (or a recovery) is being seen that is not settled, or a block is open: what fails now fails again.
    pub(super) unsettled: bool,
    /// What the series' pace usually is.
    pub(super) baseline: Option<Baseline>,
}

/// Everything that is built from one configuration.
pub struct Instrument {
    pub(super) config: Config,
    pub(super) prober: Arc<Prober>,
    pub(super) stations: BTreeMap<VantageId, Station>,
    pub(super) controls: ControlDesk,
    pub(super) canaries: CanaryDesk,
    pub(super) experiments: ExperimentDesk,
    pub(super) detector: Detector,
    knowledge: Knowledge,
    countries: Countries,
}

impl Instrument {
    /// Builds the instrument.
    ///
    /// # Errors
    /// When a file named by the configuration cannot be used.
    pub fn new(config: Config) -> Result<Self, Box<SetupError>> {
        let prober = Arc::new(Prober::new(&config).map_err(SetupError::from)?);
        let mut stations = BTreeMap::new();
        let mut control_stations = Vec::new();
        for vantage_config in &config.vantages {
            let vantage = Arc::new(Vantage::new(vantage_config));
            let station = Station { canaries: probe::for_vantage(&config.canaries, &vantage), vantage };
            match vantage_config.role {
                Role::Probe => {
                    stations.insert(vantage_config.id.clone(), station);
                }
                Role::Control => control_stations.push(station),
            }
        }
        let mut helpers = Vec::new();
        for helper in &config.control.helpers {
            let client = HelperClient::new(helper, prober.roots())
                .map_err(|source| SetupError::Helper { id: helper.id.clone(), source })?;
            helpers.push(client);
        }
        let controls = ControlDesk::new(Arc::clone(&prober), control_stations, helpers, config.control.max_age);
        let experiments = ExperimentDesk::new(config.experiments.clone(), Arc::clone(&prober));
        let detector = surroundings::detector(&config);
        let knowledge = surroundings::knowledge(&config);
        let countries = Countries::new(&config);
        let canaries = CanaryDesk::new();
        Ok(Self { config, prober, stations, controls, canaries, experiments, detector, knowledge, countries })
    }

    /// The webhooks, ready; they trust what the prober trusts.
    ///
    /// # Errors
    /// A secret cannot be used.
    pub(super) fn webhooks(&self) -> Result<Hooks, Box<SetupError>> {
        let tls =
            self.prober.roots().client_config().map_err(|error| SetupError::from(ProbeSetupError::from(error)))?;
        Ok(Hooks::new(&self.config.webhooks, &self.config.sites, tls).map_err(SetupError::from)?)
    }

    /// Every URL of every site from every probe vantage.
    pub fn series(&self) -> Vec<SeriesKey> {
        let mut keys = Vec::new();
        for site in &self.config.sites {
            for url in &site.urls {
                for vantage in self.stations.keys() {
                    keys.push(SeriesKey { site: site.id.clone(), url: url.clone(), vantage: vantage.clone() });
                }
            }
        }
        keys
    }

    /// The sites.
    pub fn sites(&self) -> &[Site] {
        &self.config.sites
    }

    /// The probe vantages.
    pub fn vantages(&self) -> Vec<VantageId> {
        self.stations.keys().cloned().collect()
    }

    /// The probe vantages as the page shows them.
    pub(super) fn places(&self) -> Vec<Place> {
        let probing = self.config.vantages.iter().filter(|vantage| vantage.role == Role::Probe);
        probing.map(Place::from).collect()
    }

    /// The controls that give second opinions.
    pub fn control_ids(&self) -> Vec<ControlId> {
        self.controls.ids()
    }

    /// Measures one URL from one vantage with all that it must be judged by, and judges it. None when the vantage
    /// is not (or no longer) configured.
    pub(super) async fn observe(
        &self,
        key: &SeriesKey,
        trigger: Trigger,
        standing: Standing,
    ) -> Option<(Evidence, Verdict)> {
        let station = self.stations.get(&key.vantage)?;
        let target = Target { site: key.site.clone(), url: key.url.clone() };
        let measurement = self.prober.measure(&target, &station.vantage, trigger).await;
        let country = self.country(key);
        let (latest, usual) = (self.canaries.latest(&key.vantage), standing.baseline.as_ref());
        let anomaly = judge::needs_second_opinion(&measurement, latest.as_ref(), usual, &self.knowledge, country);
        let wanted = trigger == Trigger::Manual || anomaly;
        let (controls, canaries) = if wanted {
            let failed = measurement.final_answer().is_none();
            tokio::join!(
                self.controls.ask(&target, &measurement, failed),
                self.canaries.ask(&self.prober, station, FRESH),
            )
        } else {
            (Vec::new(), None)
        };
        let mut evidence = Evidence::new(measurement, controls, canaries);
        evidence.baseline = standing.baseline;
        let mut verdict = judge::judge(&evidence, &self.knowledge, country);
        if anomaly {
            let (seen, canaries) = (&evidence.measurement, evidence.canaries.as_ref());
            let doubtful = matches!(verdict.status, Status::Blocked | Status::Inconclusive);
            let again = standing.unsettled;
            let made = self.experiments.follow_up(key, station, seen, canaries, again, doubtful).await;
            if !made.is_empty() {
                evidence.experiments = made;
                verdict = judge::judge(&evidence, &self.knowledge, country);
            }
        } else {
            self.experiments.clear(key);
        }
        if rests_on_controls(&verdict) && controls_are_old(&evidence) {
            // What differs from an old page may be the site's own new one.
            evidence.controls = self.controls.ask(&target, &evidence.measurement, true).await;
            verdict = judge::judge(&evidence, &self.knowledge, country);
        }
        Some((evidence, verdict))
    }

    /// What the canaries of a vantage say, or said at most `max_age` ago.
    pub(super) async fn ask_canaries(&self, vantage: &VantageId, max_age: Duration) -> Option<CanaryReport> {
        self.canaries.ask(&self.prober, self.stations.get(vantage)?, max_age).await
    }

    /// What each control says of the first foreign canary now; nothing where there is none.
    pub(super) async fn control_reports(&self) -> Vec<ControlReport> {
        let canary = self.config.canaries.iter().find(|canary| canary.scope == CanaryScope::Foreign);
        let (Some(canary), Ok(site)) = (canary, "canary".parse()) else { return Vec::new() };
        self.controls.try_all(&Target { site, url: canary.url.clone() }).await
    }

    /// Which controls can be used now.
    pub(super) async fn try_controls(&self) -> Vec<(ControlId, bool)> {
        let reports = self.control_reports().await;
        reports.into_iter().map(|report| (report.id.clone(), report.reached() == Some(true))).collect()
    }

    /// The country whose blocking is watched for.
    fn country(&self, key: &SeriesKey) -> CountryCode {
        self.countries.of(key).unwrap_or(CountryCode::UNKNOWN)
    }
}

/// Whether a verdict says that someone interferes because a control sees otherwise.
fn rests_on_controls(verdict: &Verdict) -> bool {
    let by_control = |partial: &Partial| partial.scope != PartialScope::Resolver;
    verdict.status == Status::Blocked || verdict.partial.iter().any(by_control)
}

/// Whether a control measured too long before the measurement for what differs to be laid at the path's door.
fn controls_are_old(evidence: &Evidence) -> bool {
    let limit = evidence.measurement.started_at.minus(FRESH);
    evidence.controls.iter().any(|control| control.at < limit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{ControlKind, ControlReport, Measurement, MeasurementId, Timestamp};

    #[test]
    fn a_control_older_than_fresh_is_old() {
        let started_at = Timestamp::from_unix_ms(1_700_000_000_000);
        let measurement = Measurement {
            measurement_id: MeasurementId::new(),
            site: "s".parse().unwrap(),
            url: "http://s.example/".parse().unwrap(),
            vantage: "v".parse().unwrap(),
            trigger: Trigger::Scheduled,
            started_at,
            elapsed: Duration::from_secs(1).into(),
            dns: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            http: Vec::new(),
            quic: Vec::new(),
        };
        let control = |at| ControlReport {
            pace: None,
            quic: Vec::new(),
            id: "c".parse().unwrap(),
            kind: ControlKind::Vantage,
            at,
            unusable: None,
            dns: None,
            endpoints: Vec::new(),
            http: None,
        };
        let old = |at| {
            let controls = vec![control(started_at), control(at)];
            controls_are_old(&Evidence::new(measurement.clone(), controls, None))
        };
        assert!(old(started_at.minus(Duration::from_secs(60))));
        assert!(!old(started_at.minus(Duration::from_secs(10))) && !old(started_at.plus(Duration::from_secs(60))));
    }
}

//! The present, held in memory: what the page shows.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::config::VantageConfig;
use crate::detect::SeriesState;
use crate::model::{CountryCode, SeriesKey, Site, VantageId, VantageSpan};
use crate::rollup::Whereabouts;

/// What may be told of a vantage: its pseudonym and its country. Never an address (DESIGN 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its pseudonym.
    pub id: VantageId,
    /// Where it is; `ZZ` when not told.
    pub country: CountryCode,
}

impl From<&VantageConfig> for Place {
    fn from(vantage: &VantageConfig) -> Self {
        Self { id: vantage.id.clone(), country: vantage.country }
    }
}

/// A copy of the present, cheap to take.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The configured sites, in the order of the configuration.
    pub sites: Arc<[Site]>,
    /// The vantages, and whether each has a network; None until it is known.
    pub vantages: Vec<(Place, Option<bool>)>,
    /// Silences of vantages that are not over.
    pub silences: Vec<VantageSpan>,
    /// Where the vantages are.
    pub whereabouts: Arc<Whereabouts>,
    /// Networks that must agree before a site is called blocked in a country.
    pub quorum: usize,
    /// Where each series stands; a series not yet measured is absent.
    pub states: BTreeMap<SeriesKey, Arc<SeriesState>>,
    /// Why the last reload was refused; None when the configuration in use is the last one read.
    pub config_error: Option<String>,
}

/// The present. The daemon writes, requests read.
#[derive(Debug, Default)]
pub struct Board {
    now: RwLock<Snapshot>,
}

impl Board {
    /// A board of these sites seen from these vantages, nothing measured yet.
    pub fn new(sites: Vec<Site>, vantages: Vec<Place>) -> Self {
        let board = Self::default();
        board.retain(sites, vantages);
        board
    }

    /// The configuration changed: what it no longer names is dropped, the rest keeps its state.
    pub fn retain(&self, sites: Vec<Site>, vantages: Vec<Place>) {
        let mut now = self.write();
        let up: BTreeMap<VantageId, Option<bool>> = now.vantages.drain(..).map(|(place, up)| (place.id, up)).collect();
        now.vantages = vantages
            .into_iter()
            .map(|place| {
                let up = up.get(&place.id).copied().flatten();
                (place, up)
            })
            .collect();
        now.sites = sites.into();
        let mut states = std::mem::take(&mut now.states);
        states.retain(|series, _| now.names(series));
        now.states = states;
    }

    /// A series stands so now. One that is not configured is ignored: its probe outlived a reload.
    pub fn set_state(&self, series: SeriesKey, state: SeriesState) {
        let mut now = self.write();
        if now.names(&series) {
            now.states.insert(series, Arc::new(state));
        }
    }

    /// The last reload was refused for this reason, or (None) taken.
    pub fn set_config_error(&self, error: Option<String>) {
        self.write().config_error = error;
    }

    /// Whether a vantage has a network; None when it is not known.
    pub fn set_vantage(&self, vantage: &VantageId, up: Option<bool>) {
        if let Some((_, shown)) = self.write().vantages.iter_mut().find(|(place, _)| place.id == *vantage) {
            *shown = up;
        }
    }

    /// How spans are joined by network and country.
    pub fn set_whereabouts(&self, whereabouts: Whereabouts, quorum: usize) {
        let mut now = self.write();
        (now.whereabouts, now.quorum) = (Arc::new(whereabouts), quorum);
    }

    /// The silences that are not over.
    pub fn set_silences(&self, open: Vec<VantageSpan>) {
        self.write().silences = open;
    }

    /// A copy of the present.
    pub fn snapshot(&self) -> Snapshot {
        self.read().clone()
    }

    // A snapshot is replaced field by field and never left half-made, so a poisoned lock still guards sound data.
    fn read(&self) -> RwLockReadGuard<'_, Snapshot> {
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Snapshot> {
        self.now.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Whether the configuration names this series.
    fn names(&self, series: &SeriesKey) -> bool {
        self.vantages.iter().any(|(place, _)| place.id == series.vantage)
            && self.sites.iter().any(|site| site.id == series.site && site.urls.contains(&series.url))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{place, series, site};
    use super::*;

    #[test]
    fn a_reload_drops_what_is_gone_and_keeps_the_rest() {
        let board = Board::new(
            vec![site("a", &["https://a.example/", "https://a2.example/"])],
            vec![place("home", "KZ"), place("work", "KZ")],
        );
        board.set_vantage(&"home".parse().unwrap(), Some(true));
        board.set_state(series("a", "https://a.example/", "home"), SeriesState::default());
        board.set_state(series("a", "https://a2.example/", "home"), SeriesState::default());
        board.set_state(series("a", "https://a.example/", "work"), SeriesState::default());
        board.retain(vec![site("a", &["https://a.example/"])], vec![place("home", "KZ")]);
        let now = board.snapshot();
        assert_eq!(now.states.keys().collect::<Vec<_>>(), [&series("a", "https://a.example/", "home")]);
        assert_eq!(now.vantages, [(place("home", "KZ"), Some(true))]);
    }

    #[test]
    fn a_late_result_does_not_bring_a_series_back() {
        let board = Board::new(vec![site("a", &["https://a.example/"])], vec![place("home", "KZ")]);
        board.set_state(series("b", "https://b.example/", "home"), SeriesState::default());
        board.set_state(series("a", "https://a.example/", "gone"), SeriesState::default());
        assert!(board.snapshot().states.is_empty());
    }
}

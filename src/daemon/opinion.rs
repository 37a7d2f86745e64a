//! Second opinions: controls and canaries, asked when an anomaly wants them and shared by those who ask at once.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use super::awake::Moment;
use super::station::Station;
use crate::model::{CanaryReport, CanaryScope, ControlId, ControlReport, Measurement, Trigger, VantageId};
use crate::probe::{Extras, HelperClient, Prober, Target, ask_canaries, control_report};

/// How old a control's or canary's answer may be for a measurement that failed: fresh enough that an outage which began
/// meanwhile is seen by both, old enough that a failure of all sites at once asks only once.
pub(super) const FRESH: Duration = Duration::from_secs(15);

/// How old the canaries' last word may be where only what the vantage can do at all is wanted; they are asked every minute.
const LATEST: Duration = Duration::from_secs(5 * 60);

/// Answers by key, each asked for once at a time: who comes while the question is under way waits for its answer.
struct Shared<K, V> {
    slots: Mutex<HashMap<K, Slot<V>>>,
}

type Slot<V> = Arc<tokio::sync::Mutex<Option<(Moment, V)>>>;

/// Answers kept at most; the table is emptied of old ones beyond it.
const MOST_SLOTS: usize = 4096;

impl<K: Eq + Hash + Clone, V: Clone> Shared<K, V> {
    fn new() -> Self {
        Self { slots: Mutex::new(HashMap::new()) }
    }

    /// An answer no older than `max_age` at the time of asking that `suits`. A question that was already under way then
    /// will do, however long its answer takes: else all who wait would ask again one after another, and what the last
    /// of them is told would be of another time than what it asked about.
    async fn get<F: Future<Output = V>>(
        &self,
        key: &K,
        max_age: Duration,
        suits: impl Fn(&V) -> bool,
        ask: impl FnOnce() -> F,
    ) -> V {
        let came = Moment::now();
        let slot = {
            let mut slots = self.slots.lock();
            if slots.len() >= MOST_SLOTS {
                slots.retain(|_, slot| Arc::strong_count(slot) > 1);
            }
            Arc::clone(slots.entry(key.clone()).or_default())
        };
        let mut held = slot.lock().await;
        if let Some((at, value)) = held.as_ref()
            && came.since(*at) <= max_age
            && suits(value)
        {
            return value.clone();
        }
        let at = Moment::now();
        let value = ask().await;
        *held = Some((at, value.clone()));
        value
    }
}

/// Endpoints that the controls are asked to try at most, beside those that they find themselves.
const MOST_ENDPOINTS: usize = 16;

/// How long an endpoint stays wanted: longer than any question to the controls takes.
const WANTED_FOR: Duration = Duration::from_secs(60);

/// The endpoints that failed at any vantage of late, by URL, latest first. A question to the controls asks for those of
/// all who wait for its answer: else vantages that were given different addresses would ask one after another.
#[derive(Default)]
struct Wanted(Mutex<HashMap<Url, Vec<(Instant, SocketAddr)>>>);

impl Wanted {
    /// Adds `endpoints` and gives all that are wanted of `url`, these among them.
    fn add(&self, url: &Url, endpoints: &[SocketAddr]) -> Vec<SocketAddr> {
        let now = Instant::now();
        let mut wanted = self.0.lock();
        if wanted.len() >= MOST_SLOTS {
            wanted.clear();
        }
        let of_url = wanted.entry(url.clone()).or_default();
        of_url.retain(|(since, endpoint)| now - *since < WANTED_FOR && !endpoints.contains(endpoint));
        of_url.splice(0..0, endpoints.iter().map(|endpoint| (now, *endpoint)));
        of_url.truncate(MOST_ENDPOINTS.max(endpoints.len()));
        of_url.iter().map(|(_, endpoint)| *endpoint).collect()
    }
}

/// What the controls said, and what they were asked to try.
#[derive(Clone)]
struct Opinion {
    reports: Vec<ControlReport>,
    tried: Vec<SocketAddr>,
}

/// All controls of a configuration.
pub(super) struct ControlDesk {
    prober: Arc<Prober>,
    stations: Vec<Station>,
    helpers: Vec<HelperClient>,
    max_age: Duration,
    opinions: Shared<Url, Opinion>,
    wanted: Wanted,
}

impl ControlDesk {
    pub(super) fn new(
        prober: Arc<Prober>,
        stations: Vec<Station>,
        helpers: Vec<HelperClient>,
        max_age: Duration,
    ) -> Self {
        Self { prober, stations, helpers, max_age, opinions: Shared::new(), wanted: Wanted::default() }
    }

    pub(super) fn ids(&self) -> Vec<ControlId> {
        let vantages = self.stations.iter().filter_map(control_id);
        vantages.chain(self.helpers.iter().map(|helper| helper.id().clone())).collect()
    }

    /// What every control sees of `target`. After a failure the controls are asked at once, also for the addresses
    /// that failed here, since dead ones prove nothing; otherwise an answer up to `max_age` old will do.
    pub(super) async fn ask(&self, target: &Target, measurement: &Measurement, failed: bool) -> Vec<ControlReport> {
        if self.stations.is_empty() && self.helpers.is_empty() {
            return Vec::new();
        }
        let max_age = if failed { FRESH.min(self.max_age) } else { self.max_age };
        let endpoints: Vec<SocketAddr> =
            measurement.tcp.iter().filter(|tcp| tcp.hop == 0 && !tcp.bogon).map(|tcp| tcp.address).collect();
        let suits = |opinion: &Opinion| !failed || endpoints.iter().all(|endpoint| opinion.tried.contains(endpoint));
        self.wanted.add(&target.url, &endpoints);
        let ask = async || {
            let tried = self.wanted.add(&target.url, &endpoints);
            Opinion { reports: self.ask_all(target, &tried).await, tried }
        };
        self.opinions.get(&target.url, max_age, suits, ask).await.reports
    }

    /// Tries every control on `target`, past the shared answers.
    pub(super) async fn try_all(&self, target: &Target) -> Vec<ControlReport> {
        self.ask_all(target, &[]).await
    }

    async fn ask_all(&self, target: &Target, endpoints: &[SocketAddr]) -> Vec<ControlReport> {
        let vantages = join_all(self.stations.iter().map(|station| self.ask_vantage(target, station, endpoints)));
        let helpers = join_all(self.helpers.iter().map(|helper| helper.ask(&target.url, endpoints)));
        let (vantages, helpers) = tokio::join!(vantages, helpers);
        vantages.into_iter().flatten().chain(helpers).collect()
    }

    async fn ask_vantage(&self, target: &Target, station: &Station, endpoints: &[SocketAddr]) -> Option<ControlReport> {
        let extras = Extras { also: endpoints.to_vec(), ..Extras::default() };
        let measurement = self.prober.measure_with(target, &station.vantage, Trigger::Control, &extras).await;
        let way_out = if measurement.final_answer().is_some() {
            None
        } else {
            // It failed there too: that counts only if the control itself has a network.
            let foreign: Vec<_> =
                station.canaries.iter().filter(|canary| canary.scope == CanaryScope::Foreign).cloned().collect();
            if foreign.is_empty() {
                None
            } else {
                let report = ask_canaries(&self.prober, &station.vantage, &foreign).await;
                Some(report.tally(CanaryScope::Foreign).0 > 0)
            }
        };
        Some(control_report(control_id(station)?, &measurement, way_out))
    }
}

/// A control vantage's id as a control.
fn control_id(station: &Station) -> Option<ControlId> {
    station.vantage.id().as_str().parse().ok()
}

/// The canaries of each vantage, asked once at a time.
pub(super) struct CanaryDesk {
    reports: Shared<VantageId, CanaryReport>,
    /// What each vantage's said last, for who does not want to wait.
    latest: Mutex<HashMap<VantageId, (Moment, CanaryReport)>>,
}

impl CanaryDesk {
    pub(super) fn new() -> Self {
        Self { reports: Shared::new(), latest: Mutex::new(HashMap::new()) }
    }

    /// What the canaries of a vantage last said, if that is not long ago. Asks nobody.
    pub(super) fn latest(&self, vantage: &VantageId) -> Option<CanaryReport> {
        let latest = self.latest.lock();
        latest.get(vantage).filter(|(at, _)| Moment::now().since(*at) <= LATEST).map(|(_, report)| report.clone())
    }

    /// What the canaries of `station` say, or said at most `max_age` ago. None when it has none.
    pub(super) async fn ask(&self, prober: &Prober, station: &Station, max_age: Duration) -> Option<CanaryReport> {
        if station.canaries.is_empty() {
            return None;
        }
        let ask = || ask_canaries(prober, &station.vantage, &station.canaries);
        let report = self.reports.get(station.vantage.id(), max_age, |_| true, ask).await;
        self.latest.lock().insert(station.vantage.id().clone(), (Moment::now(), report.clone()));
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::config::CanaryConfig;
    use crate::probe::tests::bed;
    use crate::vantage::Vantage;

    fn any<V>(_: &V) -> bool {
        true
    }

    #[tokio::test]
    async fn askers_at_once_share_one_answer_and_later_ones_get_a_new_one() {
        let shared: Shared<u8, u32> = Shared::new();
        let asked = AtomicU32::new(0);
        let ask = || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            asked.fetch_add(1, Ordering::SeqCst)
        };
        let (a, b) = tokio::join!(
            shared.get(&1, Duration::from_secs(5), any, ask),
            shared.get(&1, Duration::from_secs(5), any, ask)
        );
        assert_eq!((a, b), (0, 0));
        assert_eq!(shared.get(&1, Duration::ZERO, any, ask).await, 1);
        assert_eq!(shared.get(&2, Duration::from_secs(5), any, ask).await, 2);
    }

    /// Canaries that time out take longer than their answers are fresh.
    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_serves_all_who_waited_for_it() {
        let shared: Shared<u8, u32> = Shared::new();
        let asked = AtomicU32::new(0);
        let ask = || async {
            tokio::time::sleep(FRESH * 2).await;
            asked.fetch_add(1, Ordering::SeqCst)
        };
        let begun = Instant::now();
        let late = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            shared.get(&1, FRESH, any, ask).await
        };
        let (a, b, c) = tokio::join!(shared.get(&1, FRESH, any, ask), shared.get(&1, FRESH, any, ask), late);
        assert_eq!((a, b, c), (0, 0, 0));
        assert!(begun.elapsed() < FRESH * 3, "{:?}", begun.elapsed());
        assert_eq!(shared.get(&1, FRESH, any, ask).await, 1, "but it is old for who comes later");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_suit_is_asked_for_anew() {
        let shared: Shared<u8, u32> = Shared::new();
        let asked = AtomicU32::new(0);
        let ask = async || asked.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(shared.get(&1, FRESH, |value| *value > 1, ask).await, 1);
        assert_eq!(shared.get(&1, FRESH, |value| *value > 1, ask).await, 2);
        assert_eq!(shared.get(&1, FRESH, |value| *value > 1, ask).await, 2);
    }

    /// A control vantage resolves the site by itself, and tries the address that failed at the vantage, too.
    #[tokio::test]
    async fn a_control_vantage_tries_the_addresses_that_failed_at_the_vantage() {
        let ca = bed::Ca::new("lab");
        let site =
            bed::https(bed::HERE, ca.acceptor(&["site.example"], bed::NOW, &[]), |_| bed::page("200 OK", "", b"here"))
                .await;
        let dead = SocketAddr::from(([127, 0, 0, 66], site.port()));
        let zone = |ip: [u8; 4]| bed::Zone::from([("site.example", vec![ip.into()])]);
        let config = bed::config(&ca);
        let prober = Arc::new(Prober::new(&config).unwrap());
        let here = bed::vantage(&[bed::name_server(zone([127, 0, 0, 66])).await]);
        let abroad = bed::vantage(&[bed::name_server(zone([127, 0, 0, 1])).await]);
        let station = Station { vantage: Arc::new(abroad), canaries: Vec::new() };
        let desk = ControlDesk::new(Arc::clone(&prober), vec![station], Vec::new(), Duration::from_secs(60));
        let url = format!("https://site.example:{}/", site.port()).parse().unwrap();
        let target = Target { site: "site".parse().unwrap(), url };
        let measurement = prober.measure(&target, &here, Trigger::Scheduled).await;
        assert!(measurement.final_answer().is_none());
        let reports = desk.ask(&target, &measurement, true).await;
        assert_eq!(reports[0].reached(), Some(true));
        let at = |address| reports[0].endpoints.iter().find(|endpoint| endpoint.address == address).unwrap();
        assert_eq!(at(site).tcp_failure, None);
        assert_eq!(at(dead).tcp_failure, Some(crate::model::Failure::ConnectionRefused));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wanted_is_bounded_holds_the_latest_and_is_forgotten() {
        let wanted = Wanted::default();
        let url: Url = "https://site.example/".parse().unwrap();
        let endpoint = |n: u8| SocketAddr::from(([192, 0, 2, n], 443));
        assert_eq!(wanted.add(&url, &[endpoint(1), endpoint(2)]), [endpoint(1), endpoint(2)]);
        assert_eq!(wanted.add(&url, &[endpoint(2), endpoint(3)]), [endpoint(2), endpoint(3), endpoint(1)]);
        let many: Vec<_> = (10..30).map(endpoint).collect();
        assert_eq!(wanted.add(&url, &many), many);
        assert_eq!(wanted.add(&url, &[endpoint(1)]).len(), MOST_ENDPOINTS);
        tokio::time::advance(WANTED_FOR).await;
        assert_eq!(wanted.add(&url, &[endpoint(2)]), [endpoint(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_canaries_last_word_is_kept_for_a_while() {
        let config = crate::cli::fixtures::config();
        let here =
            CanaryConfig { url: "http://127.0.0.1:9/".parse().unwrap(), scope: CanaryScope::Foreign, country: None };
        let vantage = Arc::new(Vantage::new(&config.vantages[0]));
        let station = Station { vantage: Arc::clone(&vantage), canaries: vec![here] };
        let (desk, prober) = (CanaryDesk::new(), Prober::new(&config).unwrap());
        assert_eq!(desk.latest(vantage.id()), None);
        let said = desk.ask(&prober, &station, FRESH).await;
        assert_eq!(said.as_ref().unwrap().tally(CanaryScope::Foreign), (0, 1), "loopback is never dialled");
        assert_eq!(desk.latest(vantage.id()), said);
        tokio::time::advance(LATEST + Duration::from_secs(1)).await;
        assert_eq!(desk.latest(vantage.id()), None);
    }
}

//! What the instrument counts, for Prometheus. The crate that does the counting stays behind this file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::families::{self, Family};
use super::layers;
use crate::detect::SeriesState;
use crate::model::{
    ControlId, Evidence, Experiment, ExperimentKind, ExperimentOutcome, Layer, Mechanism, PartialScope, SeriesKey,
    SilenceKind, SpanChange, SpanChangeKind, Status, Timestamp, VantageId, VantageSpan, Verdict, WebhookId,
};
use crate::rollup::Whereabouts;

/// The metric table contradicts itself, or the process cannot be read. Only at start.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be set up: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// What the instrument counts.
///
/// Label sets are closed: only series, vantages and controls named to [`Metrics::expect`] are counted, so that a
/// probe still under way when the configuration changes cannot bring a dropped series back.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    site_status: IntGaugeVec,
    blocked_since: GaugeVec,
    site_partial: IntGaugeVec,
    site_info: IntGaugeVec,
    vantage_info: IntGaugeVec,
    spans: IntCounterVec,
    measurements: IntCounterVec,
    experiments: IntCounterVec,
    layer_failures: IntCounterVec,
    layer_duration: HistogramVec,
    vantage_up: IntGaugeVec,
    vantage_silent: IntGaugeVec,
    clock_steps: IntCounter,
    control_up: IntGaugeVec,
    schedule_lag: Histogram,
    in_flight: IntGauge,
    store_write: Histogram,
    store_bytes: IntGauge,
    store_up: IntGauge,
    records_stored: IntCounter,
    records_waiting: IntGauge,
    records_waiting_bytes: IntGauge,
    records_dropped: IntCounter,
    reload_successful: IntGauge,
    reload_timestamp: Gauge,
    webhook_messages: IntCounterVec,
    webhook_waiting: IntGaugeVec,
    known: Mutex<Known>,
}

/// What is configured, and under which mechanism each blocked series is shown.
#[derive(Debug, Default)]
struct Known {
    series: BTreeSet<SeriesKey>,
    vantages: BTreeSet<VantageId>,
    controls: BTreeSet<ControlId>,
    webhooks: BTreeSet<WebhookId>,
    blocked: BTreeMap<SeriesKey, Option<Mechanism>>,
}

impl Metrics {
    /// Sets up every family in a registry of its own, with the metrics of this process beside them.
    ///
    /// # Errors
    ///
    /// When a family is named twice or wrongly.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let build_info = add(&registry, gauges(&families::BUILD_INFO)?)?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH]).set(1);
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            site_status: add(&registry, gauges(&families::SITE_STATUS)?)?,
            blocked_since: add(
                &registry,
                GaugeVec::new(opts(&families::BLOCKED_SINCE), families::BLOCKED_SINCE.labels)?,
            )?,
            site_partial: add(&registry, gauges(&families::SITE_PARTIAL)?)?,
            site_info: add(&registry, gauges(&families::SITE_INFO)?)?,
            vantage_info: add(&registry, gauges(&families::VANTAGE_INFO)?)?,
            spans: add(&registry, counters(&families::SPANS)?)?,
            measurements: add(&registry, counters(&families::MEASUREMENTS)?)?,
            experiments: add(&registry, counters(&families::EXPERIMENTS)?)?,
            layer_failures: add(&registry, counters(&families::LAYER_FAILURES)?)?,
            layer_duration: add(
                &registry,
                HistogramVec::new(histogram_opts(&families::LAYER_DURATION), families::LAYER_DURATION.labels)?,
            )?,
            vantage_up: add(&registry, gauges(&families::VANTAGE_UP)?)?,
            vantage_silent: add(&registry, gauges(&families::VANTAGE_SILENT)?)?,
            clock_steps: add(&registry, IntCounter::with_opts(opts(&families::CLOCK_STEPS))?)?,
            control_up: add(&registry, gauges(&families::CONTROL_UP)?)?,
            schedule_lag: add(&registry, Histogram::with_opts(histogram_opts(&families::SCHEDULE_LAG))?)?,
            in_flight: add(&registry, IntGauge::with_opts(opts(&families::IN_FLIGHT))?)?,
            store_write: add(&registry, Histogram::with_opts(histogram_opts(&families::STORE_WRITE))?)?,
            store_bytes: add(&registry, IntGauge::with_opts(opts(&families::STORE_BYTES))?)?,
            store_up: add(&registry, IntGauge::with_opts(opts(&families::STORE_UP))?)?,
            records_stored: add(&registry, IntCounter::with_opts(opts(&families::RECORDS_STORED))?)?,
            records_waiting: add(&registry, IntGauge::with_opts(opts(&families::RECORDS_WAITING))?)?,
            records_waiting_bytes: add(&registry, IntGauge::with_opts(opts(&families::RECORDS_WAITING_BYTES))?)?,
            records_dropped: add(&registry, IntCounter::with_opts(opts(&families::RECORDS_DROPPED))?)?,
            reload_successful: add(&registry, IntGauge::with_opts(opts(&families::RELOAD_SUCCESSFUL))?)?,
            reload_timestamp: add(&registry, Gauge::with_opts(opts(&families::RELOAD_TIMESTAMP))?)?,
            webhook_messages: add(&registry, counters(&families::WEBHOOK_MESSAGES)?)?,
            webhook_waiting: add(&registry, gauges(&families::WEBHOOK_WAITING)?)?,
            known: Mutex::default(),
            registry,
        })
    }

    /// Says what is configured, at start and after a reload: new series begin (counters at 0, `site_status` at
    /// `inconclusive`), those no longer configured are dropped, the others keep their values.
    pub fn expect(&self, series: &[SeriesKey], vantages: &[VantageId], controls: &[ControlId]) {
        let mut known = self.known();
        let next = Known {
            series: series.iter().cloned().collect(),
            vantages: vantages.iter().cloned().collect(),
            controls: controls.iter().cloned().collect(),
            webhooks: std::mem::take(&mut known.webhooks),
            blocked: BTreeMap::new(),
        };
        for gone in known.series.difference(&next.series) {
            self.drop_series(gone, known.blocked.get(gone));
        }
        for gone in known.vantages.difference(&next.vantages) {
            self.drop_vantage(gone);
        }
        for gone in known.controls.difference(&next.controls) {
            // Absence is what is wanted: that it was absent before is no fault.
            let _ = self.control_up.remove_label_values(&[gone.as_str()]);
        }
        for new in next.series.difference(&known.series) {
            self.one_hot(new, Status::Inconclusive);
            self.parts(new, &SeriesState::default());
        }
        for new in next.vantages.difference(&known.vantages) {
            self.begin_vantage(new);
        }
        for new in next.controls.difference(&known.controls) {
            self.control_up.with_label_values(&[new.as_str()]).set(0);
        }
        let blocked = std::mem::take(&mut known.blocked);
        *known = Known { blocked: blocked.into_iter().filter(|(key, _)| next.series.contains(key)).collect(), ..next };
    }

    /// Says where the vantages are and for which country each site is watched.
    pub fn place(&self, whereabouts: &Whereabouts) {
        // Held so that no one is shown half of them.
        let _known = self.known();
        self.site_info.reset();
        for (site, country) in &whereabouts.sites {
            self.site_info.with_label_values(&[site.as_str(), country.as_str()]).set(1);
        }
        self.vantage_info.reset();
        for (vantage, (country, asn)) in &whereabouts.vantages {
            let asn = asn.map_or_else(String::new, |asn| asn.to_string());
            self.vantage_info.with_label_values(&[vantage.as_str(), country.as_str(), &asn]).set(1);
        }
    }

    /// Says which webhooks are configured, and which outcomes a message can have: those no longer configured are dropped.
    pub fn expect_webhooks(&self, webhooks: &[WebhookId], outcomes: &[&str]) {
        // Held so that no one is shown half of them.
        let mut known = self.known();
        for gone in known.webhooks.iter().filter(|id| !webhooks.contains(id)) {
            // Absence is what is wanted: that it was absent before is no fault.
            let _ = self.webhook_waiting.remove_label_values(&[gone.as_str()]);
            for outcome in outcomes {
                let _ = self.webhook_messages.remove_label_values(&[gone.as_str(), outcome]);
            }
        }
        for id in webhooks {
            let _zero = self.webhook_waiting.with_label_values(&[id.as_str()]);
            for outcome in outcomes {
                let _zero = self.webhook_messages.with_label_values(&[id.as_str(), outcome]);
            }
        }
        known.webhooks = webhooks.iter().cloned().collect();
    }

    /// Counts a try to send a message.
    pub fn webhook_tried(&self, webhook: &WebhookId, outcome: &str) {
        if self.known().webhooks.contains(webhook) {
            self.webhook_messages.with_label_values(&[webhook.as_str(), outcome]).inc();
        }
    }

    /// Shows how many messages wait for a webhook.
    pub fn webhook_waiting(&self, webhook: &WebhookId, count: usize) {
        if self.known().webhooks.contains(webhook) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.webhook_waiting.with_label_values(&[webhook.as_str()]).set(count);
        }
    }

    /// Counts one measurement: its verdict, its failed steps, and the time of each step.
    pub fn observe(&self, evidence: &Evidence, verdict: &Verdict) {
        let vantage = &evidence.measurement.vantage;
        let known = self.known();
        if !known.vantages.contains(vantage) {
            return;
        }
        self.measurements.with_label_values(&[vantage.as_str(), verdict.status.as_str()]).inc();
        // Those of earlier rounds were counted with theirs.
        let fresh = |pair: &&Experiment| pair.began() >= evidence.measurement.started_at;
        for pair in evidence.experiments.iter().filter(fresh) {
            self.experiments.with_label_values(&experiment_labels(vantage, pair.kind, pair.outcome())).inc();
        }
        for step in layers::steps(&evidence.measurement) {
            let layer = step.layer.as_str();
            self.layer_duration.with_label_values(&[vantage.as_str(), layer]).observe(step.elapsed.as_seconds());
            if let Some(failure) = step.failure {
                self.layer_failures.with_label_values(&[vantage.as_str(), layer, failure.label()]).inc();
            }
        }
    }

    /// Shows where a series stands, and since when while it is blocked.
    pub fn set_state(&self, series: &SeriesKey, state: &SeriesState) {
        let mut known = self.known();
        if !known.series.contains(series) {
            return;
        }
        self.one_hot(series, state.status());
        self.parts(series, state);
        let span = state.span.as_ref().filter(|span| span.status == Status::Blocked);
        let since = span.and_then(|span| span.start.latest.or(span.start.earliest));
        let mechanism = span.and_then(|span| span.mechanism);
        if let Some(shown) = known.blocked.remove(series)
            && (since.is_none() || shown != mechanism)
        {
            self.drop_blocked(series, shown);
        }
        if let Some(since) = since {
            self.blocked_since.with_label_values(&blocked_labels(series, mechanism)).set(since.as_unix_seconds());
            known.blocked.insert(series.clone(), mechanism);
        }
    }

    /// Counts a span when it is opened.
    pub fn span_changed(&self, change: &SpanChange) {
        let known = self.known();
        if let Some(vantage) = &change.span.vantage
            && change.kind == SpanChangeKind::Opened
            && known.vantages.contains(vantage)
        {
            self.spans.with_label_values(&[vantage.as_str(), change.span.status.as_str()]).inc();
        }
    }

    /// Whether a vantage has a network.
    pub fn vantage_up(&self, vantage: &VantageId, up: bool) {
        let known = self.known();
        if known.vantages.contains(vantage) {
            self.vantage_up.with_label_values(&[vantage.as_str()]).set(i64::from(up));
        }
    }

    /// The silences that are not over.
    pub fn silences(&self, open: &[VantageSpan]) {
        let known = self.known();
        for vantage in &known.vantages {
            for kind in SilenceKind::ALL {
                let silent = open.iter().any(|span| span.vantage == *vantage && span.kind == *kind);
                self.vantage_silent.with_label_values(&silence_labels(vantage, *kind)).set(i64::from(silent));
            }
        }
    }

    /// The wall clock was stepped.
    pub fn clock_stepped(&self) {
        self.clock_steps.inc();
    }

    /// Whether a control could be used.
    pub fn control_up(&self, control: &ControlId, up: bool) {
        let known = self.known();
        if known.controls.contains(control) {
            self.control_up.with_label_values(&[control.as_str()]).set(i64::from(up));
        }
    }

    /// How late a probe began.
    pub fn schedule_lag(&self, lag: Duration) {
        self.schedule_lag.observe(lag.as_secs_f64());
    }

    /// Counts a probe as under way until the guard is dropped.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// How long a write transaction took.
    pub fn store_write(&self, took: Duration) {
        self.store_write.observe(took.as_secs_f64());
    }

    /// How large the store is, bytes.
    pub fn store_bytes(&self, bytes: u64) {
        self.store_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether the store takes records.
    pub fn store_up(&self, up: bool) {
        self.store_up.set(i64::from(up));
    }

    /// So many more measurements are committed.
    pub fn records_stored(&self, count: usize) {
        self.records_stored.inc_by(count as u64);
    }

    /// So many measurements wait for the store, and take so much memory.
    pub fn records_waiting(&self, count: usize, bytes: usize) {
        self.records_waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.records_waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// So many more measurements will never be stored.
    pub fn records_dropped(&self, count: usize) {
        self.records_dropped.inc_by(count as u64);
    }

    /// The configuration was read at `at` (at start too): taken, or refused.
    pub fn config_reloaded(&self, ok: bool, at: Timestamp) {
        self.reload_successful.set(i64::from(ok));
        if ok {
            self.reload_timestamp.set(at.as_unix_seconds());
        }
    }

    /// Everything in the Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        // Held so that no one is shown a series between two statuses.
        let _known = self.known();
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written as text");
        }
        text
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one_hot(&self, series: &SeriesKey, now: Status) {
        for &status in Status::ALL {
            self.site_status.with_label_values(&status_labels(series, status)).set(i64::from(status == now));
        }
    }

    fn parts(&self, series: &SeriesKey, state: &SeriesState) {
        for part in PartialScope::ALL {
            let blocked = state.partial_spans().any(|span| span.partial == Some(*part));
            self.site_partial.with_label_values(&part_labels(series, *part)).set(i64::from(blocked));
        }
    }

    fn begin_vantage(&self, vantage: &VantageId) {
        let vantage = vantage.as_str();
        self.vantage_up.with_label_values(&[vantage]).set(0);
        for kind in SilenceKind::ALL {
            self.vantage_silent.with_label_values(&[vantage, kind.as_str()]);
        }
        for status in Status::ALL {
            self.measurements.with_label_values(&[vantage, status.as_str()]);
            self.spans.with_label_values(&[vantage, status.as_str()]);
        }
        for (kind, outcome) in experiment_sets() {
            self.experiments.with_label_values(&[vantage, kind.as_str(), outcome.as_str()]);
        }
        for layer in Layer::ALL {
            self.layer_duration.with_label_values(&[vantage, layer.as_str()]);
            for failure in layers::usual_failures(*layer) {
                self.layer_failures.with_label_values(&[vantage, layer.as_str(), failure.label()]);
            }
        }
    }

    fn drop_series(&self, series: &SeriesKey, blocked: Option<&Option<Mechanism>>) {
        for &status in Status::ALL {
            let _ = self.site_status.remove_label_values(&status_labels(series, status));
        }
        for part in PartialScope::ALL {
            let _ = self.site_partial.remove_label_values(&part_labels(series, *part));
        }
        if let Some(&mechanism) = blocked {
            self.drop_blocked(series, mechanism);
        }
    }

    fn drop_blocked(&self, series: &SeriesKey, mechanism: Option<Mechanism>) {
        let _ = self.blocked_since.remove_label_values(&blocked_labels(series, mechanism));
    }

    fn drop_vantage(&self, vantage: &VantageId) {
        let vantage = vantage.as_str();
        let _ = self.vantage_up.remove_label_values(&[vantage]);
        for kind in SilenceKind::ALL {
            let _ = self.vantage_silent.remove_label_values(&[vantage, kind.as_str()]);
        }
        for status in Status::ALL {
            let _ = self.measurements.remove_label_values(&[vantage, status.as_str()]);
            let _ = self.spans.remove_label_values(&[vantage, status.as_str()]);
        }
        for (kind, outcome) in experiment_sets() {
            let _ = self.experiments.remove_label_values(&[vantage, kind.as_str(), outcome.as_str()]);
        }
        for layer in Layer::ALL {
            let _ = self.layer_duration.remove_label_values(&[vantage, layer.as_str()]);
            for failure in crate::model::Failure::LABELS {
                let _ = self.layer_failures.remove_label_values(&[vantage, layer.as_str(), *failure]);
            }
        }
    }
}

/// A probe under way; dropping it says that the probe is over, however it ended.
#[derive(Debug)]
#[must_use = "the probe counts as over as soon as this is dropped"]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn status_labels(series: &SeriesKey, status: Status) -> [&str; 4] {
    [series.site.as_str(), series.url.as_str(), series.vantage.as_str(), status.as_str()]
}

fn part_labels(series: &SeriesKey, part: PartialScope) -> [&str; 4] {
    [series.site.as_str(), series.url.as_str(), series.vantage.as_str(), part.as_str()]
}

fn blocked_labels(series: &SeriesKey, mechanism: Option<Mechanism>) -> [&str; 4] {
    // An empty label is what Prometheus takes for an absent one.
    let mechanism = mechanism.map_or("", Mechanism::as_str);
    [series.site.as_str(), series.url.as_str(), series.vantage.as_str(), mechanism]
}

/// Every kind with every outcome.
fn experiment_sets() -> impl Iterator<Item = (ExperimentKind, ExperimentOutcome)> {
    let outcomes = |kind: &'static ExperimentKind| ExperimentOutcome::ALL.iter().map(move |outcome| (*kind, *outcome));
    ExperimentKind::ALL.iter().flat_map(outcomes)
}

fn silence_labels(vantage: &VantageId, kind: SilenceKind) -> [&str; 2] {
    [vantage.as_str(), kind.as_str()]
}

fn experiment_labels(vantage: &VantageId, kind: ExperimentKind, outcome: ExperimentOutcome) -> [&str; 3] {
    [vantage.as_str(), kind.as_str(), outcome.as_str()]
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn histogram_opts(family: &Family) -> HistogramOpts {
    HistogramOpts::new(family.name, family.help).buckets(family.buckets.to_vec())
}

fn gauges(family: &Family) -> prometheus::Result<IntGaugeVec> {
    IntGaugeVec::new(opts(family), family.labels)
}

fn counters(family: &Family) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(opts(family), family.labels)
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

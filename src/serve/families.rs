//! The metric table: every family that we count, with its unit, labels and meaning. `docs/metrics.md` is made from it.

/// What kind of Prometheus metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; the name ends in `_total`.
    Counter,
    /// A present value.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

impl Kind {
    /// The word in a `# TYPE` line of the text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// Its name; base units, as Prometheus asks.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// The HELP text.
    pub help: &'static str,
    /// Upper bounds in seconds; empty unless a histogram.
    pub buckets: &'static [f64],
}

/// A step is at best a local answer (1 ms) and at worst a whole URL given up on (30 s); the time-outs of 5 s and 10 s
/// are bounds themselves, so that silence stands out: it falls into the bucket above them.
const STEP_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0];

/// A round that begins a millisecond late is on time; one a whole interval late means an overloaded machine.
const LAG_SECONDS: &[f64] = &[0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

/// One SQLite transaction takes well under a millisecond; seconds mean a failing disk.
const WRITE_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help, buckets: &[] }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help, buckets: &[] }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    buckets: &'static [f64],
) -> Family {
    Family { name, kind: Kind::Histogram, labels, help, buckets }
}

/// Which build runs.
pub const BUILD_INFO: Family =
    gauge("blockspan_build_info", &["version", "os", "arch"], "Always 1; the labels say which build runs.");

/// Where each series stands.
pub const SITE_STATUS: Family = gauge(
    "blockspan_site_status",
    &["site", "url", "vantage", "status"],
    "1 for the status that the sequential test holds now, 0 for the five others.",
);

/// Since when a series is blocked.
pub const BLOCKED_SINCE: Family = gauge(
    "blockspan_blocked_since_timestamp_seconds",
    &["site", "url", "vantage", "mechanism"],
    "Latest bound of the start of the open blocked span, Unix time; present only while blocked.",
);

/// Parts of the way.
pub const SITE_PARTIAL: Family = gauge(
    "blockspan_site_partial_blocked",
    &["site", "url", "vantage", "part"],
    "1 while this part of the way has an open blocked span of its own, 0 otherwise.",
);

/// Which country a site is watched for.
pub const SITE_INFO: Family =
    gauge("blockspan_site_info", &["site", "country"], "Always 1; the label says for which country it is watched.");

/// Where a vantage is.
pub const VANTAGE_INFO: Family = gauge(
    "blockspan_vantage_info",
    &["vantage", "country", "asn"],
    "Always 1; the labels say where it is as configured, asn empty when it is not told.",
);

/// Spans opened.
pub const SPANS: Family = counter(
    "blockspan_spans_total",
    &["vantage", "status"],
    "Spans opened since the process started, by the status of the span.",
);

/// Measurements made.
pub const MEASUREMENTS: Family = counter(
    "blockspan_measurements_total",
    &["vantage", "status"],
    "Measurements judged since the process started, by the verdict on the single measurement.",
);

/// Follow-up experiments made.
pub const EXPERIMENTS: Family = counter(
    "blockspan_experiments_total",
    &["vantage", "kind", "outcome"],
    "Follow-up experiments by what was varied and which of the two attempts failed.",
);

/// Failures of single steps.
pub const LAYER_FAILURES: Family = counter(
    "blockspan_layer_failures_total",
    &["vantage", "layer", "failure"],
    "Failed steps by layer and OONI failure string; only the vantage's own resolvers count for dns.",
);

/// Time of single steps.
pub const LAYER_DURATION: Family = histogram(
    "blockspan_layer_duration_seconds",
    &["vantage", "layer"],
    "Time that one step of a measurement took, failed ones included.",
    STEP_SECONDS,
);

/// Whether vantages have a network.
pub const VANTAGE_UP: Family = gauge(
    "blockspan_vantage_up",
    &["vantage"],
    "1 when the vantage has a network by its canaries, 0 when it has not or is not yet known.",
);

/// In what way vantages tell nothing.
pub const VANTAGE_SILENT: Family = gauge(
    "blockspan_vantage_silent",
    &["vantage", "kind"],
    "1 when the vantage tells nothing of sites in this way, by two askings of its canaries, 0 otherwise.",
);

/// Steps of the wall clock.
pub const CLOCK_STEPS: Family = counter(
    "blockspan_clock_steps_total",
    &[],
    "Steps of the wall clock by more than a second that were noticed and recorded.",
);

/// Whether controls answer.
pub const CONTROL_UP: Family = gauge(
    "blockspan_control_up",
    &["control"],
    "1 when the control could be used when last asked, 0 when it could not or was not yet asked.",
);

/// How late rounds begin.
pub const SCHEDULE_LAG: Family = histogram(
    "blockspan_schedule_lag_seconds",
    &[],
    "Time between the instant that a probe was due and the instant that it began.",
    LAG_SECONDS,
);

/// Probes under way.
pub const IN_FLIGHT: Family = gauge("blockspan_probes_in_flight", &[], "Probes under way now.");

/// Time of store transactions.
pub const STORE_WRITE: Family = histogram(
    "blockspan_store_write_duration_seconds",
    &[],
    "Time that one write transaction of the store took, commit included.",
    WRITE_SECONDS,
);

/// Size of the store.
pub const STORE_BYTES: Family =
    gauge("blockspan_store_bytes", &[], "Size of the store on disk, the write-ahead log included.");

/// Whether the store takes records.
pub const STORE_UP: Family =
    gauge("blockspan_store_up", &[], "1 when the store took what it was last given, 0 while it cannot take records.");

/// Records that are safe.
pub const RECORDS_STORED: Family = counter(
    "blockspan_records_stored_total",
    &[],
    "Measurements stored since the process started, counted once their transaction is committed.",
);

/// Records that are not yet safe.
pub const RECORDS_WAITING: Family =
    gauge("blockspan_records_waiting", &[], "Measurements held in memory until the store takes them.");

/// How much memory they take.
pub const RECORDS_WAITING_BYTES: Family =
    gauge("blockspan_records_waiting_bytes", &[], "Memory of the measurements that wait for the store, estimated.");

/// Records that will never be stored.
pub const RECORDS_DROPPED: Family = counter(
    "blockspan_records_dropped_total",
    &[],
    "Measurements that were not stored: too many were waiting, or the store refused them for good.",
);

/// Whether the last reload was good.
pub const RELOAD_SUCCESSFUL: Family = gauge(
    "blockspan_config_last_reload_successful",
    &[],
    "1 when the configuration was good when last read, 0 when it was refused and the one before is kept.",
);

/// When the configuration was last taken.
pub const RELOAD_TIMESTAMP: Family = gauge(
    "blockspan_config_last_reload_success_timestamp_seconds",
    &[],
    "When a configuration was last read and taken, Unix time.",
);

/// Messages of webhooks.
pub const WEBHOOK_MESSAGES: Family = counter(
    "blockspan_webhook_messages_total",
    &["webhook", "outcome"],
    "Tries to send a message to a webhook since the process started, by what came of them.",
);

/// Messages that wait.
pub const WEBHOOK_WAITING: Family = gauge(
    "blockspan_webhook_waiting",
    &["webhook"],
    "Messages that wait to be taken by a webhook, of the next 50 entries of the journal.",
);

/// Every family of ours, in the order of the documentation. Process metrics come beside them.
pub const ALL: &[Family] = &[
    BUILD_INFO,
    SITE_STATUS,
    BLOCKED_SINCE,
    SITE_PARTIAL,
    SITE_INFO,
    VANTAGE_INFO,
    SPANS,
    MEASUREMENTS,
    EXPERIMENTS,
    LAYER_FAILURES,
    LAYER_DURATION,
    VANTAGE_UP,
    VANTAGE_SILENT,
    CONTROL_UP,
    CLOCK_STEPS,
    SCHEDULE_LAG,
    IN_FLIGHT,
    STORE_WRITE,
    STORE_BYTES,
    STORE_UP,
    RECORDS_STORED,
    RECORDS_WAITING,
    RECORDS_WAITING_BYTES,
    RECORDS_DROPPED,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
    WEBHOOK_MESSAGES,
    WEBHOOK_WAITING,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for family in ALL {
            assert!(family.name.starts_with("blockspan_"), "{}", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert_eq!(!family.buckets.is_empty(), family.kind == Kind::Histogram, "{}", family.name);
            assert!(family.help.ends_with('.') && family.help.len() < 120, "{}", family.help);
            assert!(family.buckets.windows(2).all(|pair| pair[0] < pair[1]), "{}", family.name);
            if family.kind == Kind::Histogram {
                assert!(family.name.ends_with("_seconds"), "{}", family.name);
            }
        }
        let mut names: Vec<_> = ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}

//! What the helper counts, in the text format of Prometheus. Nothing of it tells who asked or for what.

use prometheus::{Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// An answer takes as long as its slowest connection attempt: 10 s when one is swallowed, 20 s at most.
const SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 25.0];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Measured, and the site answered.
    Reached,
    /// Measured, and the site did not answer.
    NotReached,
    /// Not a request that is taken up.
    Refused,
    /// No token, or a wrong one.
    Unauthorized,
    /// A page in somebody's browser asked.
    Browser,
    /// One too many from that network.
    RateLimited,
    /// Too many at once.
    Busy,
    /// The body is too large.
    TooLarge,
    /// It took too long.
    TimedOut,
}

impl Outcome {
    const ALL: &'static [Self] = &[
        Self::Reached,
        Self::NotReached,
        Self::Refused,
        Self::Unauthorized,
        Self::Browser,
        Self::RateLimited,
        Self::Busy,
        Self::TooLarge,
        Self::TimedOut,
    ];

    /// The label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::NotReached => "not_reached",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Browser => "browser",
            Self::RateLimited => "rate_limited",
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::TimedOut => "timed_out",
        }
    }
}

/// The counts.
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    in_flight: IntGauge,
    seconds: Histogram,
}

impl Metrics {
    pub(super) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("blockspan_helper_requests_total", "Requests since the process started, by how they ended."),
            &["outcome"],
        )?;
        let in_flight = IntGauge::new("blockspan_helper_measurements_in_flight", "Measurements under way now.")?;
        let seconds = Histogram::with_opts(
            HistogramOpts::new("blockspan_helper_measurement_duration_seconds", "Time that one measurement took.")
                .buckets(SECONDS.to_vec()),
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.as_str()]);
        }
        Ok(Self { registry, requests, in_flight, seconds })
    }

    pub(super) fn ended(&self, outcome: Outcome) {
        self.requests.with_label_values(&[outcome.as_str()]).inc();
    }

    /// A measurement begins; it is over when what this gives is dropped, however it ends.
    pub(super) fn measuring(&self) -> Measuring<'_> {
        self.in_flight.inc();
        Measuring { metrics: self, begun: std::time::Instant::now() }
    }

    /// All of them.
    pub(super) fn render(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory fails only for a family without metrics, and every one of ours has some.
        let _whole = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

/// A measurement under way.
#[must_use = "the measurement counts as over as soon as this is dropped"]
pub(super) struct Measuring<'m> {
    metrics: &'m Metrics,
    begun: std::time::Instant,
}

impl Drop for Measuring<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.seconds.observe(self.begun.elapsed().as_secs_f64());
    }
}

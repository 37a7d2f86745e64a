//! Follow-up experiments: a site that goes on failing is tried again, and beside it the same with one thing changed.
//!
//! [`designs`] tells which ones a failed measurement calls for, [`Prober::experiment`] makes one. The variant goes
//! first: what the suspect triggers may leave the address dead for minutes (residual blocking), and a variant made in
//! its wake would fail for that alone.

mod attempt;
mod design;

use std::time::{Duration, Instant};

pub use self::design::{Design, Limits, designs};
use super::Prober;
use crate::model::{Attempt, Experiment, Layer};
use crate::vantage::Vantage;

/// Where a canary answers in clear text.
const CLEAR_TEXT: u16 = 80;

/// The time within which both attempts end, and what they share.
struct Bench<'a> {
    prober: &'a Prober,
    vantage: &'a Vantage,
    deadline: Instant,
}

impl Prober {
    /// Makes one experiment from `vantage`: the variant, then at once the suspect, each over connections of its own
    /// from fresh source ports. Takes as long as a whole URL may take at most. None when there is nothing to try: the
    /// canary or the name server has no address.
    pub async fn experiment(&self, vantage: &Vantage, design: &Design) -> Option<Experiment> {
        let bench = Bench { prober: self, vantage, deadline: Instant::now() + self.bounds().url_timeout };
        let (variant, suspect) = match design {
            Design::UnrelatedSni { address, name, unrelated } => {
                (bench.hello(*address, unrelated).await, bench.hello(*address, name).await)
            }
            Design::SniElsewhere { canary, name, unrelated } => {
                let address = bench.address_of(canary).await?;
                (bench.hello(address, unrelated).await, bench.hello(address, name).await)
            }
            Design::OtherResolvers { resolver, name } => {
                let other = bench.over_tcp(resolver, name).await?;
                (other, bench.question(resolver, name).await)
            }
            Design::OtherFamily { failing, other, url } => {
                (bench.visit(*other, url).await, bench.visit(*failing, url).await)
            }
            Design::OtherHost { address, url, unrelated } => {
                let other = design::with_host(url, unrelated)?;
                (bench.request(*address, &other).await, bench.request(*address, url).await)
            }
            Design::HostElsewhere { canary, url, unrelated } => {
                let other = design::with_host(url, unrelated)?;
                let mut address = bench.address_of(canary).await?;
                address.set_port(CLEAR_TEXT);
                (bench.request(address, &other).await, bench.request(address, url).await)
            }
        };
        let canary = design.canary().and_then(|url| url.host_str()).map(str::to_owned);
        Some(Experiment { kind: design.kind(), canary, suspect, variant })
    }
}

/// Where an attempt failed and why; None when it did not.
type Outcome = Option<(Layer, crate::model::Failure)>;

/// The record of an attempt that began at `at` and `started`.
fn record(mut of: Attempt, started: Instant, outcome: Outcome) -> Attempt {
    of.elapsed = started.elapsed().into();
    (of.layer, of.failure) = outcome.unzip();
    of
}

impl Bench<'_> {
    /// The time that a step of `usual` length may take now.
    fn limit(&self, usual: Duration) -> Duration {
        usual.min(self.deadline.saturating_duration_since(Instant::now()))
    }
}

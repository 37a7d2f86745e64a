//! Messages to webhooks beside the daemon's other work: begun at the start, begun anew by a reload.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::instrument::{Instrument, SetupError};
use crate::model::WebhookId;
use crate::serve::Metrics;
use crate::store::Recorder;
use crate::webhook::{Courier, Hooks, Outcome, Told};

impl Told for Metrics {
    fn outcome(&self, webhook: &WebhookId, outcome: Outcome) {
        self.webhook_tried(webhook, outcome.as_str());
    }

    fn waiting(&self, webhook: &WebhookId, count: usize) {
        self.webhook_waiting(webhook, count);
    }
}

/// Has messages carried to the webhooks of the configuration that is in force.
pub(super) struct Messenger {
    courier: Arc<Courier>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    /// Ends those who carry now.
    recall: CancellationToken,
}

impl Messenger {
    /// Begins with the webhooks of `instrument`, until `stop`.
    ///
    /// # Errors
    /// A secret cannot be used.
    pub(super) fn start(
        instrument: &Instrument,
        recorder: &Recorder,
        database: &Path,
        metrics: &Arc<Metrics>,
        stop: CancellationToken,
    ) -> Result<Self, Box<SetupError>> {
        let told: Arc<dyn Told> = Arc::clone(metrics) as _;
        let courier = Courier::new(recorder.clone(), database.to_owned(), told);
        let mut messenger = Self { courier, metrics: Arc::clone(metrics), recall: stop.child_token(), stop };
        messenger.carry(instrument.webhooks()?);
        Ok(messenger)
    }

    /// From now on messages go to these webhooks. One that was under way may come twice, under the same id.
    pub(super) fn carry(&mut self, hooks: Hooks) {
        self.recall.cancel();
        self.recall = self.stop.child_token();
        let outcomes = Outcome::ALL.map(Outcome::as_str);
        self.metrics.expect_webhooks(&hooks.ids(), &outcomes);
        tokio::spawn(Arc::clone(&self.courier).run(Arc::new(hooks), self.recall.clone()));
    }
}

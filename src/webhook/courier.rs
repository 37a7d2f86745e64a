//! Who carries messages: one task a webhook, which sends one message after another.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use url::Url;

use super::message::{Message, message};
use super::retry::wait;
use super::secret::{Secret, SecretError};
use crate::config::WebhookConfig;
use crate::model::{Site, SiteId, SpanEventKind, Timestamp, WebhookId};
use crate::store::{News, Reader, Recorder, StoreError};

/// Time between two looks into the journal when there was nothing to tell.
const LOOK: Duration = Duration::from_secs(2);
/// Time until another try when the record cannot be read or marked.
const TROUBLE: Duration = Duration::from_secs(10);
/// A receiver that takes longer is tried again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Entries of the journal that are read at one time.
const SLICE: usize = 50;

/// Why webhooks cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A secret.
    #[error("cannot set up the webhook {id}")]
    Secret {
        /// Which.
        id: WebhookId,
        /// Why.
        source: SecretError,
    },
    /// The HTTP client.
    #[error("the client of the webhooks cannot be set up: {0}")]
    Client(reqwest::Error),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It was not taken; it is tried again.
    Failed,
    /// It was not taken for so long that it is let go.
    GivenUp,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::GivenUp];

    /// The value of the metric label `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// What a courier tells of its work.
pub trait Told: Send + Sync {
    /// A message had this outcome.
    fn outcome(&self, webhook: &WebhookId, outcome: Outcome);
    /// So many messages wait.
    fn waiting(&self, webhook: &WebhookId, count: usize);
}

/// One webhook, ready.
#[derive(Debug, Clone)]
struct Hook {
    id: WebhookId,
    url: Url,
    secret: Option<Secret>,
    events: BTreeSet<SpanEventKind>,
    sites: BTreeSet<SiteId>,
    first_retry: Duration,
    give_up_after: Duration,
}

impl Hook {
    fn wants(&self, news: &News) -> bool {
        let of_site = |site: &SiteId| self.sites.is_empty() || self.sites.contains(site);
        self.events.contains(&news.event.kind) && news.span.as_ref().is_none_or(|span| of_site(&span.site))
    }
}

/// All webhooks of a configuration, ready.
#[derive(Debug, Clone)]
pub struct Hooks {
    hooks: Vec<Hook>,
    sites: Arc<[Site]>,
    client: reqwest::Client,
}

impl Hooks {
    /// Reads the secrets and sets up the client, which trusts what `tls` trusts.
    ///
    /// # Errors
    /// A secret cannot be used.
    pub fn new(configured: &[WebhookConfig], sites: &[Site], tls: rustls::ClientConfig) -> Result<Self, WebhookError> {
        let hook = |config: &WebhookConfig| {
            let secret = config.secret_file.as_deref().map(Secret::read).transpose();
            Ok(Hook {
                id: config.id.clone(),
                url: config.url.clone(),
                secret: secret.map_err(|source| WebhookError::Secret { id: config.id.clone(), source })?,
                events: config.events.iter().copied().collect(),
                sites: config.sites.iter().cloned().collect(),
                first_retry: config.first_retry,
                give_up_after: config.give_up_after,
            })
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A redirect would carry the message to who was not asked.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("blockspan/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebhookError::Client)?;
        Ok(Self { hooks: configured.iter().map(hook).collect::<Result<_, _>>()?, sites: sites.into(), client })
    }

    /// The ids, for the metrics.
    pub fn ids(&self) -> Vec<WebhookId> {
        self.hooks.iter().map(|hook| hook.id.clone()).collect()
    }
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// The receiver answers, and not well.
    #[error("it answers {0}")]
    Status(StatusCode, Option<Duration>),
    /// It does not answer.
    #[error("{0}")]
    Silent(&'static str),
    /// It wants no more (410, as Standard Webhooks says).
    #[error("it answers 410: it wants no more messages")]
    Gone,
}

/// Carries the messages of one configuration.
pub struct Courier {
    recorder: Recorder,
    database: PathBuf,
    told: Arc<dyn Told>,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl Courier {
    /// A courier for the record at `database`, whose marks go through `recorder`.
    pub fn new(recorder: Recorder, database: PathBuf, told: Arc<dyn Told>) -> Arc<Self> {
        Arc::new(Self { recorder, database, told })
    }

    /// Carries messages until `stop`.
    pub async fn run(self: Arc<Self>, hooks: Arc<Hooks>, stop: CancellationToken) {
        let mut tasks = tokio::task::JoinSet::new();
        for hook in hooks.hooks.clone() {
            let (courier, hooks, stop) = (Arc::clone(&self), Arc::clone(&hooks), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(courier.serve(&hook, &hooks)).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Serves one webhook. Ends only when the receiver wants no more.
    async fn serve(&self, hook: &Hook, hooks: &Hooks) {
        let mut done = loop {
            // A webhook that is new is told what happens from now on, not years of history.
            match self.recorder.webhook(&hook.id, None).await {
                Ok(done) => break done,
                Err(fault) => self.trouble(hook, &fault).await,
            }
        };
        loop {
            let news = match self.read(done).await {
                Ok(news) => news,
                Err(fault) => {
                    self.trouble(hook, &fault).await;
                    continue;
                }
            };
            let wanted = news.iter().filter(|news| hook.wants(news)).count();
            self.told.waiting(&hook.id, wanted);
            let mut left = wanted;
            for entry in &news {
                if hook.wants(entry) {
                    let site =
                        entry.span.as_ref().and_then(|span| hooks.sites.iter().find(|site| site.id == span.site));
                    let Ok(message) = message(entry, site) else { continue };
                    if self.carry(hook, &hooks.client, entry, &message).await.is_err() {
                        error!(
                            "webhook {}: {}; it is left alone until the next start or reload",
                            hook.id,
                            Refusal::Gone
                        );
                        return;
                    }
                    left -= 1;
                    self.told.waiting(&hook.id, left);
                }
                done = entry.seq;
                // What cannot be marked now is told again after a restart, under the same id.
                if let Err(fault) = self.recorder.webhook(&hook.id, Some(done)).await {
                    debug!("webhook {}: how far it was told cannot be kept: {fault}", hook.id);
                }
            }
            if news.len() < SLICE {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn trouble(&self, hook: &Hook, fault: &StoreError) {
        warn!("webhook {}: the record cannot be read or marked: {fault}", hook.id);
        tokio::time::sleep(TROUBLE).await;
    }

    async fn read(&self, done: i64) -> Result<Vec<News>, StoreError> {
        let database = self.database.clone();
        let read = tokio::task::spawn_blocking(move || Reader::open(&database)?.news_after(done, SLICE)).await;
        read.unwrap_or_else(|_| Ok(Vec::new()))
    }

    /// Sends a message until it is taken, or has waited too long.
    ///
    /// # Errors
    /// The receiver wants no more.
    async fn carry(
        &self,
        hook: &Hook,
        client: &reqwest::Client,
        news: &News,
        message: &Message,
    ) -> Result<(), Refusal> {
        let mut failures: u32 = 0;
        loop {
            let refusal = match send(hook, client, message).await {
                Ok(()) => {
                    self.told.outcome(&hook.id, Outcome::Delivered);
                    if failures > 0 {
                        info!("webhook {}: {} taken after {failures} failures", hook.id, news.event.kind);
                    }
                    return Ok(());
                }
                Err(Refusal::Gone) => return Err(Refusal::Gone),
                Err(refusal) => refusal,
            };
            failures = failures.saturating_add(1);
            if Timestamp::now().since(news.event.at) > hook.give_up_after {
                self.told.outcome(&hook.id, Outcome::GivenUp);
                error!("webhook {}: {} is let go: {refusal}", hook.id, news.event.kind);
                return Ok(());
            }
            self.told.outcome(&hook.id, Outcome::Failed);
            let asked = if let Refusal::Status(_, asked) = &refusal { *asked } else { None };
            let pause = wait(hook.first_retry, failures, luck(), asked);
            // A receiver that is down for hours is told of once, not once a try.
            if failures == 1 {
                warn!("webhook {}: {} was not taken: {refusal}; it is tried again", hook.id, news.event.kind);
            } else {
                debug!("webhook {}: failure {failures}: {refusal}; again in {pause:?}", hook.id);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// From 0 to 1, not the same for two senders.
fn luck() -> f64 {
    let bytes = uuid::Uuid::now_v7().into_bytes();
    f64::from(u16::from_be_bytes([bytes[14], bytes[15]])) / f64::from(u16::MAX)
}

/// Sends a message once. Nothing of the URL is ever in an error: it may be a secret itself.
async fn send(hook: &Hook, client: &reqwest::Client, message: &Message) -> Result<(), Refusal> {
    let timestamp = Timestamp::now().as_unix_ms().div_euclid(1000);
    let mut request = client
        .post(hook.url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", timestamp.to_string())
        .body(message.body.clone());
    if let Some(secret) = &hook.secret {
        request = request.header("webhook-signature", secret.signature(&message.id, timestamp, &message.body));
    }
    let response = request.send().await.map_err(|error| {
        Refusal::Silent(match &error {
            error if error.is_timeout() => "it does not answer in time",
            error if error.is_connect() => "it cannot be reached",
            _ => "the connection broke",
        })
    })?;
    // Its body is nobody's business and is not read.
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Refusal::Gone),
        status => {
            let asked = response.headers().get(RETRY_AFTER).and_then(|asked| asked.to_str().ok()?.trim().parse().ok());
            Err(Refusal::Status(status, asked.map(Duration::from_secs)))
        }
    }
}

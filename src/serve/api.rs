//! `/api/v1`: what the record says, as JSON. Reads happen on threads of their own, a few at a time.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::app::App;
use crate::model::{
    Bracket, CountryCode, SeriesKey, SiteId, Span, SpanSource, Status, Timestamp, VantageId, VantageSpan,
};
use crate::rollup::{by_country, by_network};
use crate::store::{Reader, SpanFilter, StoreError};

/// Reads of the record at one time; more wait.
const AT_ONCE: usize = 4;
/// Spans of one answer, unless fewer are asked for.
const MOST: usize = 1000;

/// What the API answers from.
#[derive(Debug, Clone)]
pub struct Api {
    database: Arc<PathBuf>,
    readers: Arc<Semaphore>,
}

impl Api {
    /// Answers from the record at `database`.
    pub fn new(database: PathBuf) -> Self {
        Self { database: Arc::new(database), readers: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let _turn = self.readers.acquire().await.map_err(|_| Trouble::unavailable("the daemon is stopping"))?;
        let database = Arc::clone(&self.database);
        let read = tokio::task::spawn_blocking(move || work(&Reader::open(&database)?)).await;
        read.map_err(|_| Trouble::unavailable("the record could not be read"))?.map_err(|error| {
            tracing::error!("the record cannot be read for the API: {error}");
            Trouble::unavailable("the record cannot be read; the log says why")
        })
    }
}

/// Why a request gets no answer, as JSON.
#[derive(Debug)]
struct Trouble(StatusCode, String);

impl Trouble {
    fn unavailable(why: &str) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
    }

    fn bad(why: String) -> Self {
        Self(StatusCode::BAD_REQUEST, why)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        (status, [(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "error": error }))).into_response()
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/sites", get(sites))
        .route("/api/v1/vantages", get(vantages))
        .route("/api/v1/spans", get(spans))
}

/// A site as the API tells it.
#[derive(Serialize)]
struct SiteView {
    id: SiteId,
    name: String,
    country: CountryCode,
    category: Option<String>,
    urls: Vec<url::Url>,
    series: Vec<SeriesView>,
}

/// Where one URL stands seen from one vantage.
#[derive(Serialize)]
struct SeriesView {
    url: url::Url,
    vantage: VantageId,
    status: Status,
    since: Option<Bracket>,
    last_measured: Option<Timestamp>,
}

async fn sites(State(app): State<App>) -> Json<Vec<SiteView>> {
    let now = app.board.snapshot();
    let view = |site: &crate::model::Site| SiteView {
        id: site.id.clone(),
        name: site.name.clone(),
        country: site.country,
        category: site.category.clone(),
        urls: site.urls.clone(),
        series: now
            .states
            .iter()
            .filter(|(key, _)| key.site == site.id)
            .map(|(key, state)| SeriesView {
                url: key.url.clone(),
                vantage: key.vantage.clone(),
                status: state.status(),
                since: state.span.as_ref().map(|span| span.start),
                last_measured: state.last.as_ref().map(|last| last.at),
            })
            .collect(),
    };
    Json(now.sites.iter().map(view).collect())
}

/// A vantage as the API tells it: its pseudonym, and never an address.
#[derive(Serialize)]
struct VantageView {
    id: VantageId,
    country: CountryCode,
    asn: Option<u32>,
    up: Option<bool>,
    silences: Vec<VantageSpan>,
}

async fn vantages(State(app): State<App>) -> Result<Json<Vec<VantageView>>, Trouble> {
    let silences = app.api.read(|reader| reader.vantage_spans(&SpanFilter::default())).await?;
    let now = app.board.snapshot();
    let view = |(place, up): &(super::Place, Option<bool>)| VantageView {
        id: place.id.clone(),
        country: place.country,
        asn: now.whereabouts.vantages.get(&place.id).and_then(|(_, asn)| *asn),
        up: *up,
        silences: silences.iter().filter(|silence| silence.vantage == place.id).cloned().collect(),
    };
    Ok(Json(now.vantages.iter().map(view).collect()))
}

/// What spans are asked for. A list is separated by commas.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    site: Option<String>,
    vantage: Option<String>,
    status: Option<String>,
    source: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    by: Option<By>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Network,
    Country,
}

fn listed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, list: Option<&str>) -> Result<Vec<T>, Trouble> {
    let words = list.into_iter().flat_map(|list| list.split(',')).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|error: T::Err| Trouble::bad(format!("`{name}`: {error}")))).collect()
}

/// Spans with where to go on.
#[derive(Serialize)]
struct Page<T> {
    spans: Vec<T>,
    /// For `after`, when there are more.
    next: Option<String>,
}

async fn spans(State(app): State<App>, asked: Result<Query<Asked>, QueryRejection>) -> Result<Response, Trouble> {
    let Query(asked) = asked.map_err(|fault| Trouble::bad(fault.body_text()))?;
    let filter = SpanFilter {
        sites: listed("site", asked.site.as_deref())?,
        vantages: listed("vantage", asked.vantage.as_deref())?,
        statuses: listed("status", asked.status.as_deref())?,
        sources: listed("source", asked.source.as_deref())?,
        since: asked.since,
        until: asked.until,
    };
    let limit = match asked.limit {
        None => MOST,
        Some(limit @ 1..=MOST) => limit,
        Some(limit) => return Err(Trouble::bad(format!("`limit` is {limit}: expected 1 to {MOST}"))),
    };
    let now = app.board.snapshot();
    let places = &now.whereabouts;
    let recorded = |filter: SpanFilter| app.api.read(move |reader| reader.spans(&filter));
    let mut all = match asked.by {
        Some(By::Network) => return Ok(Json(by_network(&recorded(filter).await?, places)).into_response()),
        Some(By::Country) => {
            let of_sites = SpanFilter { sites: filter.sites.clone(), ..SpanFilter::default() };
            let watched = app.api.read(move |reader| reader.watched(&of_sites)).await?;
            let watched: Vec<(SeriesKey, SpanSource)> =
                watched.into_iter().map(|watched| (watched.series, watched.source)).collect();
            let spans = recorded(filter).await?;
            return Ok(Json(by_country(&spans, &watched, places, now.quorum)).into_response());
        }
        None => {
            let reported = now.sites.iter().flat_map(crate::model::Site::reported_spans);
            let reported: Vec<Span> = reported.filter(|span| filter.lets_through(span)).collect();
            [recorded(filter).await?, reported].concat()
        }
    };
    // The order is that of the ids: no span that comes meanwhile moves the others to another page.
    all.sort_by_key(|span| span.span_id);
    if let Some(after) = &asked.after {
        let after = after.parse().map_err(|error| Trouble::bad(format!("`after`: {error}")))?;
        all.retain(|span| span.span_id > after);
    }
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|span| span.span_id.to_string());
    Ok(Json(Page { spans: all, next }).into_response())
}

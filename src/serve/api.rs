//! `/api/v1`: what the record says, as JSON. Reads happen on threads of their own, a few at a time.

use std::ops::ControlFlow;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::app::App;
use super::record::Unreadable;
use crate::export::measurement_with_context_json;
use crate::model::{
    Bracket, CountryCode, MeasurementId, SeriesKey, SiteId, Span, SpanEvent, SpanId, SpanSource, Status, Timestamp,
    VantageId, VantageSpan,
};
use crate::rollup::{by_country, by_network};
use crate::store::{MeasurementFilter, Reader, SpanFilter, StoredMeasurement};

/// Spans or measurements of one answer at most.
const MOST: usize = 1000;
/// Measurements of one answer, unless another number is asked for: each takes some kilobytes.
const USUAL: usize = 100;
/// What it offers (OpenAPI 3.1).
const OPENAPI: &str = include_str!("openapi.json");

/// Why a request gets no answer, as JSON.
#[derive(Debug)]
struct Trouble(StatusCode, String);

impl Trouble {
    fn unavailable(why: &str) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
    }

    fn missing(why: String) -> Self {
        Self(StatusCode::NOT_FOUND, why)
    }

    fn bad(why: String) -> Self {
        Self(StatusCode::BAD_REQUEST, why)
    }
}

impl From<Unreadable> for Trouble {
    fn from(why: Unreadable) -> Self {
        Self::unavailable(&why.to_string())
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
        .route("/api/v1/spans/{id}", get(span))
        .route("/api/v1/measurements", get(measurements))
        .route("/api/v1/measurements/{id}", get(measurement))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/feed.atom", get(feed))
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
    let silences = app.record.read(|reader| reader.vantage_spans(&SpanFilter::default())).await?;
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
    let words = list.into_iter().flat_map(|list| list.split(','));
    words.map(|word| word.parse().map_err(|error: T::Err| Trouble::bad(format!("`{name}`: {error}")))).collect()
}

/// Spans with where to go on.
#[derive(Serialize)]
struct Page<T> {
    spans: Vec<T>,
    /// For `after`, when there are more.
    next: Option<String>,
}

fn bounded(limit: Option<usize>, usual: usize) -> Result<usize, Trouble> {
    match limit {
        None => Ok(usual),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(limit) => Err(Trouble::bad(format!("`limit` is {limit}: expected 1 to {MOST}"))),
    }
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
    let limit = bounded(asked.limit, MOST)?;
    let now = app.board.snapshot();
    let places = &now.whereabouts;
    let recorded = |filter: SpanFilter| app.record.read(move |reader| reader.spans(&filter));
    let mut all = match asked.by {
        Some(By::Network) => return Ok(Json(by_network(&recorded(filter).await?, places)).into_response()),
        Some(By::Country) => {
            let of_sites = SpanFilter { sites: filter.sites.clone(), ..SpanFilter::default() };
            let watched = app.record.read(move |reader| reader.watched(&of_sites)).await?;
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

/// One span with what the journal tells of it.
#[derive(Serialize)]
struct SpanView {
    span: Span,
    events: Vec<SpanEvent>,
}

async fn span(State(app): State<App>, Path(id): Path<String>) -> Result<Json<SpanView>, Trouble> {
    let id: SpanId = id.parse().map_err(|error| Trouble::bad(format!("the id of the span: {error}")))?;
    let found = app.record.read(move |reader| Ok((reader.span(id)?, reader.span_events(id)?))).await?;
    let reported = || {
        let now = app.board.snapshot();
        now.sites.iter().flat_map(crate::model::Site::reported_spans).find(|span| span.span_id == id)
    };
    match (found.0.or_else(reported), found.1) {
        (Some(span), events) => Ok(Json(SpanView { span, events })),
        (None, events) if events.is_empty() => Err(Trouble::missing(format!("there is no span {id}"))),
        (None, _) => Err(Trouble::missing(format!("span {id} was withdrawn by a rejudgement"))),
    }
}

/// What measurements are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AskedMeasurements {
    site: Option<String>,
    vantage: Option<String>,
    status: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
    after: Option<MeasurementId>,
}

/// Measurements with where to go on.
#[derive(Serialize)]
struct MeasurementsPage {
    measurements: Vec<Box<RawValue>>,
    /// For `after`, when there may be more.
    next: Option<MeasurementId>,
}

async fn measurements(
    State(app): State<App>,
    asked: Result<Query<AskedMeasurements>, QueryRejection>,
) -> Result<Json<MeasurementsPage>, Trouble> {
    let Query(asked) = asked.map_err(|fault| Trouble::bad(fault.body_text()))?;
    let limit = bounded(asked.limit, USUAL)?;
    let mut filter = MeasurementFilter {
        sites: listed("site", asked.site.as_deref())?,
        vantages: listed("vantage", asked.vantage.as_deref())?,
        statuses: listed("status", asked.status.as_deref())?,
        since: asked.since,
        until: asked.until,
    };
    let read = move |reader: &Reader| {
        // Those that began at the same instant as the one that was last seen come in a fixed order.
        let mut passed = None;
        if let Some(after) = asked.after {
            let Some(last) = reader.measurement(after)? else { return Ok(None) };
            let began = last.evidence.measurement.started_at;
            filter.since = Some(filter.since.map_or(began, |since| since.max(began)));
            passed = Some((after, began));
        }
        let mut lines = Vec::new();
        let mut next = None;
        reader.measurements(&filter, &mut |stored| {
            let (id, began) = (stored.evidence.measurement.measurement_id, stored.evidence.measurement.started_at);
            if let Some((after, instant)) = passed {
                if began == instant {
                    passed = (id != after).then_some((after, instant));
                    return ControlFlow::Continue(());
                }
                passed = None;
            }
            if lines.len() == limit {
                next = lines.last().map(|(id, _)| *id);
                return ControlFlow::Break(());
            }
            if let Some(line) = line(&stored) {
                lines.push((id, line));
            }
            ControlFlow::Continue(())
        })?;
        Ok(Some(MeasurementsPage { measurements: lines.into_iter().map(|(_, line)| line).collect(), next }))
    };
    let page = app.record.read(read).await?;
    page.map(Json)
        .ok_or_else(|| Trouble::missing("`after`: that measurement is not kept (any more); begin anew".to_owned()))
}

/// The measurement as `blockspan measurements` writes it, without what would tell the vantage's own addresses.
fn line(stored: &StoredMeasurement) -> Option<Box<RawValue>> {
    let mut text = Vec::new();
    let written = measurement_with_context_json(&stored.evidence, &stored.verdict, &mut text);
    let text = String::from_utf8(text).ok().filter(|_| written.is_ok())?;
    RawValue::from_string(text.trim_end().to_owned()).ok()
}

async fn measurement(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Box<RawValue>>, Trouble> {
    let id: MeasurementId = id.parse().map_err(|error| Trouble::bad(format!("the id of the measurement: {error}")))?;
    let found = app.record.read(move |reader| Ok(reader.measurement(id)?.as_ref().and_then(line))).await?;
    found.map(Json).ok_or_else(|| Trouble::missing(format!("measurement {id} is not kept")))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn feed(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let (news, began) = app.record.read(|reader| Ok((reader.news(super::feed::MOST)?, reader.began()?))).await?;
    // The name by which it was asked has passed the guard.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let began = began.unwrap_or_else(|| Timestamp::from_unix_ms(0));
    let feed = super::feed::render(&news, &app.board.snapshot(), began, &format!("http://{host}"));
    let feed = feed.map_err(|_| Trouble::unavailable("the feed cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")], feed).into_response())
}

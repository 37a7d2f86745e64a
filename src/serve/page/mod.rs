//! The pages: what stands now, one site over time, one span with its evidence, one measurement, the vantages.
//!
//! Whole HTML documents that need no script to be read and nothing from elsewhere. The script that is sent along adds
//! local times and zooming with mouse and keyboard (`page.js`).

mod evidence;
mod frame;
mod measurement;
mod overview;
mod site;
mod span;
mod vantages;
mod window;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use askama::Template;

pub(super) use frame::{SCRIPT_SOURCE, STYLE_SOURCE};

use super::app::App;
use super::record::Unreadable;
use frame::{Asked, Frame};

/// Longest text of foreign origin that is shown in one place, characters.
const MAX_TEXT: usize = 600;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route("/sites/{id}", get(site::show))
        .route("/spans/{id}", get(span::show))
        .route("/measurements/{id}", get(measurement::show))
        .route("/vantages", get(vantages::show))
}

/// Why a page cannot be shown.
#[derive(Debug)]
enum Trouble {
    /// There is no such thing.
    Missing,
    /// The record cannot be read.
    Record,
    /// The question makes no sense: what of it.
    Asked(String),
    /// The template engine failed to write.
    Template,
}

impl From<Unreadable> for Trouble {
    fn from(_: Unreadable) -> Self {
        Self::Record
    }
}

impl From<askama::Error> for Trouble {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page cannot be written");
        Self::Template
    }
}

#[derive(Template)]
#[template(path = "page/trouble.html")]
struct TroublePage<'f> {
    frame: &'f Frame,
    what: String,
}

impl Trouble {
    fn into_page(self, frame: &Frame) -> Response {
        let say = |name| frame.say(name);
        let (status, what) = match self {
            Self::Missing => (StatusCode::NOT_FOUND, say("error-missing")),
            Self::Record | Self::Template => (StatusCode::SERVICE_UNAVAILABLE, say("error-record")),
            Self::Asked(what) => {
                (StatusCode::BAD_REQUEST, frame.language.say_with("error-asked", &[("what", what.into())]))
            }
        };
        let what_only = what.clone();
        TroublePage { frame, what }
            .render()
            .map_or_else(|_| super::guard::text(status, what_only), |page| (status, Html(page)).into_response())
    }
}

/// What every page is asked with.
struct Visit {
    app: App,
    asked: Asked,
    frame: Frame,
}

impl Visit {
    fn new(app: App, asked: Asked, path: &str, headers: &HeaderMap) -> Self {
        let frame = Frame::new(&asked, path, headers);
        Self { app, asked, frame }
    }

    /// The page, or why there is none, in the visitor's language.
    fn answer(&self, page: Result<String, Trouble>) -> Response {
        let mut response = match page {
            Ok(page) => Html(page).into_response(),
            Err(trouble) => trouble.into_page(&self.frame),
        };
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
        response
    }
}

impl axum::extract::FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let State(app) = State::<App>::from_request_parts(parts, app).await.unwrap_or_else(|never| match never {});
        // A query that cannot be read asks for nothing.
        let asked =
            Query::<Asked>::from_request_parts(parts, &app).await.map_or_else(|_| Asked::default(), |query| query.0);
        Ok(Self::new(app, asked, parts.uri.path(), &parts.headers))
    }
}

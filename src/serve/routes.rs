//! Which path gives what.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{mpsc, oneshot};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::app::{App, ReloadRequest};
use super::guard::{self, Hosts, text};
use super::turns::{self, Turns};
use super::{Door, door, fresh, page, probe};

/// Bytes of a request's body that are read.
const MAX_BODY: usize = 1024;
/// Longest wait for the daemon to read its configuration.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// All routes with their bounds and headers.
pub fn router(app: App, hosts: Hosts, door: Arc<Door>) -> Router {
    let operation = Router::new()
        .route("/metrics", get(metrics))
        .route("/probe", get(probe::probe))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload));
    page::routes()
        .merge(operation)
        .merge(
            super::api::routes()
                .method_not_allowed_fallback(wrong_method)
                .layer(from_fn(fresh::mark))
                .layer(elsewhere(&app.cors)),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Turns::new(), turns::take))
        .layer(from_fn(guard::bound_time))
        .layer(from_fn_with_state(door, door::ask_who_is_there))
        .layer(from_fn_with_state(Arc::new(hosts), guard::check_host))
        .layer(from_fn(guard::harden))
}

/// Which pages of other sites may read what it stands before (Fetch, section 3.3): none, unless the operator says so.
fn elsewhere(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::IF_NONE_MATCH])
        .expose_headers([header::ETAG])
}

async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render()).into_response()
}

async fn healthy() -> Response {
    text(StatusCode::OK, "blockspan is running.\n")
}

async fn ready(State(app): State<App>) -> Response {
    match app.ready.missing() {
        None => text(StatusCode::OK, "blockspan is ready.\n"),
        Some(missing) => text(StatusCode::SERVICE_UNAVAILABLE, format!("Not ready: {missing}.\n")),
    }
}

/// The body is read (and bounded) so that the connection can be used again; it means nothing.
async fn reload(State(app): State<App>, headers: HeaderMap, _body: Bytes) -> Response {
    if guard::is_cross_site(&headers) {
        return text(StatusCode::FORBIDDEN, "A page of another site cannot ask for a reload.\n");
    }
    let (reply, answer) = oneshot::channel();
    match app.reload.try_send(ReloadRequest { reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return text(StatusCode::SERVICE_UNAVAILABLE, "Another reload is under way.\n");
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return text(StatusCode::SERVICE_UNAVAILABLE, "The daemon is stopping.\n");
        }
    }
    match tokio::time::timeout(RELOAD_TIMEOUT, answer).await {
        Ok(Ok(Ok(()))) => text(StatusCode::OK, "The configuration was read again and is in use.\n"),
        Ok(Ok(Err(faults))) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("The configuration was refused; the one before stays in use.\n\n{}\n", faults.trim_end()),
        ),
        Ok(Err(_)) => text(StatusCode::SERVICE_UNAVAILABLE, "The daemon is stopping.\n"),
        Err(_) => text(StatusCode::GATEWAY_TIMEOUT, "The daemon did not answer in time; the log tells the outcome.\n"),
    }
}

async fn not_found() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "Nothing is here. There are: / /vantages /sites/{id} /metrics /api/v1/sites /api/v1/vantages /api/v1/spans /-/healthy /-/ready /-/reload\n",
    )
}

async fn wrong_method() -> Response {
    text(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method.\n")
}

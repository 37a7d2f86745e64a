//! Which path gives what, and who may ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::desk::{Desk, NoAnswer};
use super::limiter::Limiter;
use super::metrics::{Metrics, Outcome};
use crate::config::Token;
use crate::serve::network_of;

/// Bytes of a request's body that are read: a probe's has one or two thousand.
const MAX_BODY: usize = 64 * 1024;
/// Longest wait for a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// When to come again if too many ask at once.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the routes share.
pub(super) struct Shop {
    pub(super) desk: Desk,
    pub(super) limiter: Limiter,
    pub(super) metrics: Metrics,
    pub(super) token: Option<Token>,
    pub(super) behind_proxy: bool,
}

/// All routes.
pub(super) fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", post(measure))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shop)
}

async fn measure(State(shop): State<Arc<Shop>>, Extension(peer): Extension<SocketAddr>, request: Request) -> Response {
    let begun = Instant::now();
    let network = network_of(shop.asker(request.headers(), peer));
    let (outcome, response) = shop.serve(network, request).await;
    shop.metrics.ended(outcome);
    let took = begun.elapsed().as_secs_f64();
    tracing::debug!(asker = %network, outcome = outcome.as_str(), seconds = took, "a request ended");
    response
}

impl Shop {
    /// Who asks. Behind a proxy it is the last of those whom the field names: the one before the proxy itself.
    fn asker(&self, headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
        let named = headers.get_all(FORWARDED_FOR).iter().next_back().filter(|_| self.behind_proxy);
        let last = named.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.unwrap_or(peer.ip())
    }

    /// Whether the request brings the token, if one is asked for.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let brings = |token: &Token| headers.get(header::AUTHORIZATION).is_some_and(|field| token.matches(field));
        self.token.as_ref().is_none_or(brings)
    }

    async fn serve(&self, network: ipnet::IpNet, request: Request) -> (Outcome, Response) {
        // A page in a browser on this machine could ask on behalf of whoever wrote it; no probe sends this field.
        if request.headers().contains_key(header::ORIGIN) {
            let response = text(StatusCode::FORBIDDEN, "Browsers are not served.\n");
            return (Outcome::Browser, response);
        }
        if let Err(wait) = self.limiter.check(network) {
            let response = later("Too many requests from your network.\n", wait);
            return (Outcome::RateLimited, response);
        }
        if !self.admits(request.headers()) {
            return (Outcome::Unauthorized, unauthorized());
        }
        let body = match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
            Ok(Ok(body)) => body,
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let response = text(StatusCode::PAYLOAD_TOO_LARGE, format!("At most {MAX_BODY} bytes are read.\n"));
                return (Outcome::TooLarge, response);
            }
            Ok(Err(_)) => return (Outcome::Refused, text(StatusCode::BAD_REQUEST, "The body cannot be read.\n")),
            Err(_) => {
                return (Outcome::TimedOut, text(StatusCode::REQUEST_TIMEOUT, "The body did not come in time.\n"));
            }
        };
        match self.desk.answer(&body, &self.metrics).await {
            Ok(answer) => {
                let outcome = if answer.reached() { Outcome::Reached } else { Outcome::NotReached };
                (outcome, axum::Json(answer).into_response())
            }
            Err(NoAnswer::Refused(refusal)) => {
                (Outcome::Refused, text(StatusCode::BAD_REQUEST, format!("{refusal}.\n")))
            }
            Err(NoAnswer::Busy) => (Outcome::Busy, later("Too many requests at once.\n", BUSY_WAIT)),
            Err(NoAnswer::TimedOut) => {
                (Outcome::TimedOut, text(StatusCode::GATEWAY_TIMEOUT, "The measurement took too long.\n"))
            }
        }
    }
}

async fn health() -> Response {
    text(StatusCode::OK, "blockspan helper is running.\n")
}

async fn metrics(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    if !shop.admits(&headers) {
        return unauthorized();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shop.metrics.render()).into_response()
}

async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "Nothing is here. There are: / (POST) /health /metrics\n")
}

async fn wrong_method() -> Response {
    text(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method.\n")
}

fn unauthorized() -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, "This helper asks for a token.\n");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn later(why: &'static str, wait: Duration) -> Response {
    let seconds = u64::from(wait.subsec_nanos() > 0) + wait.as_secs();
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body.into()).into_response()
}

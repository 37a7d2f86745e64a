//! How much of each kind is done at once: what reads the record takes memory and disk, and must not crowd out what tells
//! whether the daemon lives.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::guard::text;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The turns that requests take.
#[derive(Debug)]
pub(super) struct Turns {
    record: Semaphore,
    metrics: Semaphore,
    acts: Semaphore,
    patience: Duration,
}

impl Turns {
    /// Eight that read the record, two scrapes, and thirty-two that make the daemon do something, which bounds those itself.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::of(8, 2, 32, PATIENCE))
    }

    fn of(record: usize, metrics: usize, acts: usize, patience: Duration) -> Self {
        let turns = Semaphore::new;
        Self { record: turns(record), metrics: turns(metrics), acts: turns(acts), patience }
    }

    /// Those that a path takes part in; None for what is answered at once.
    fn for_path(&self, path: &str) -> Option<&Semaphore> {
        match path {
            "/-/healthy" | "/-/ready" => None,
            "/metrics" => Some(&self.metrics),
            "/probe" | "/-/reload" => Some(&self.acts),
            _ => Some(&self.record),
        }
    }
}

/// Answers when it is the request's turn, or says that there are too many.
pub(super) async fn take(State(turns): State<Arc<Turns>>, request: Request, next: Next) -> Response {
    let Some(turn) = turns.for_path(request.uri().path()) else { return next.run(request).await };
    let Ok(Ok(_turn)) = tokio::time::timeout(turns.patience, turn.acquire()).await else {
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Too many ask for this at once; ask again soon.\n");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn what_is_too_much_waits_and_is_then_refused_and_nothing_else_is() {
        let turns = Arc::new(Turns::of(1, 1, 1, Duration::from_millis(50)));
        let app = Router::new()
            .route("/{*path}", get(|| async { "here" }))
            .layer(from_fn_with_state(Arc::clone(&turns), take));
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            TowerToHyperService::new(app.clone()).call(request).await.unwrap()
        };
        let held = turns.record.acquire().await.unwrap();
        let refused = ask("/api/v1/spans").await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
        for path in ["/-/healthy", "/metrics", "/probe"] {
            assert_eq!(ask(path).await.status(), StatusCode::OK, "{path}");
        }
        let (waited, ()) = tokio::join!(ask("/sites/a"), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(held);
        });
        assert_eq!(waited.status(), StatusCode::OK, "it had its turn");
    }
}

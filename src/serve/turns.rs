//! How much of each kind is done at once: what reads the record takes memory and disk, and must not crowd out what tells
//! whether the daemon lives.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Answer;
use super::guard::text;

/// How long a request waits for its turn, and an answer for room.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that are made and not read yet, KiB.
const ROOM: u32 = 64 * 1024;

/// The turns that requests take.
#[derive(Debug)]
pub(super) struct Turns {
    record: Semaphore,
    metrics: Semaphore,
    acts: Semaphore,
    /// KiB of answers under way.
    room: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    /// Eight that read the record, two scrapes, and thirty-two that make the daemon do something, which bounds those itself.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::of([8, 2, 32], ROOM, PATIENCE))
    }

    fn of([record, metrics, acts]: [usize; 3], room: u32, patience: Duration) -> Self {
        let turns = Semaphore::new;
        let room = Arc::new(turns(room as usize));
        Self { record: turns(record), metrics: turns(metrics), acts: turns(acts), room, patience }
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

    /// Room for an answer of so many bytes until it is read; a very large one wants all that there is.
    async fn room_for(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes / 1024 + 1).unwrap_or(ROOM).min(ROOM);
        tokio::time::timeout(self.patience, Arc::clone(&self.room).acquire_many_owned(wanted)).await.ok()?.ok()
    }
}

/// Answers when it is the request's turn, or says that there are too many.
pub(super) async fn take(State(turns): State<Arc<Turns>>, request: Request, next: Next) -> Response {
    let Some(turn) = turns.for_path(request.uri().path()) else { return next.run(request).await };
    let Ok(Ok(_turn)) = tokio::time::timeout(turns.patience, turn.acquire()).await else { return too_many() };
    let (head, body) = next.run(request).await.into_parts();
    let size = body.size_hint();
    let bytes = size.exact().unwrap_or(size.lower());
    let Some(room) = turns.room_for(bytes).await else { return too_many() };
    Response::from_parts(head, Body::new(Answer::new(body, room)))
}

fn too_many() -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Too many ask for this at once; ask again soon.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn ask(turns: &Arc<Turns>, path: &str) -> Response {
        let app = Router::new()
            .route("/large", get(|| async { "x".repeat(4000) }))
            .route("/{*path}", get(|| async { "here" }))
            .layer(from_fn_with_state(Arc::clone(turns), take));
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        TowerToHyperService::new(app).call(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_too_much_waits_and_is_then_refused_and_nothing_else_is() {
        let turns = Arc::new(Turns::of([1, 1, 1], ROOM, Duration::from_millis(50)));
        let held = turns.record.acquire().await.unwrap();
        let refused = ask(&turns, "/api/v1/spans").await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
        for path in ["/-/healthy", "/metrics", "/probe"] {
            assert_eq!(ask(&turns, path).await.status(), StatusCode::OK, "{path}");
        }
        let (waited, ()) = tokio::join!(ask(&turns, "/sites/a"), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(held);
        });
        assert_eq!(waited.status(), StatusCode::OK, "it had its turn");
    }

    #[tokio::test]
    async fn answers_that_nobody_reads_take_no_more_than_their_room() {
        let turns = Arc::new(Turns::of([8, 1, 1], 6, Duration::from_millis(50)));
        let unread = ask(&turns, "/large").await;
        assert_eq!(unread.status(), StatusCode::OK);
        assert_eq!(ask(&turns, "/large").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&turns, "/small").await.status(), StatusCode::OK, "small ones still fit");
        let read = axum::body::to_bytes(unread.into_body(), 10_000).await.unwrap();
        assert_eq!(read.len(), 4000);
        assert_eq!(ask(&turns, "/large").await.status(), StatusCode::OK, "what is read makes room");
    }
}

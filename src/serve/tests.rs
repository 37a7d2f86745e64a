//! Requests and connections, over the router and over real sockets.

mod api;
mod listener;
mod pages;
mod routes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fixtures::{at, place, series, site, state};
use super::server::{Limits, serve_within};
use super::{App, Board, Door, Hosts, Metrics, Reach, Readiness, Record, ReloadRequest, router};
use crate::language::Language;
use crate::model::{Bracket, Mechanism, Report, Status};

const EVIL: &str = "<script>alert(1)</script>\u{1b}[31m\u{202e}&\"'";

fn app() -> (App, mpsc::Receiver<ReloadRequest>) {
    let (reload, requests) = mpsc::channel(1);
    let mut fergana = site("fergana", &["https://fergana.media/", "https://fergana.agency/"]);
    fergana.name = format!("Fergana {EVIL}");
    fergana.reported.push(Report {
        status: Status::Blocked,
        url: None,
        vantage: None,
        from: Bracket { earliest: Some(at("2014-08-01T00:00:00Z")), latest: Some(at("2014-08-31T23:59:59.999Z")) },
        to: None,
        as_of: Some(at("2016-04-01T00:00:00Z")),
        citation: format!("A briefing paper {EVIL}"),
        note: Some("read twice".to_owned()),
    });
    let board = Board::new(vec![fergana], vec![place("almaty-kt", "KZ")]);
    let key = series("fergana", "https://fergana.media/", "almaty-kt");
    board.set_state(key.clone(), state(&key, Status::Blocked, Some(Mechanism::TlsTimeout), &format!("Title {EVIL}")));
    let metrics = Metrics::new().unwrap();
    metrics.expect(std::slice::from_ref(&key), std::slice::from_ref(&key.vantage), &[]);
    let app = App {
        board: Arc::new(board),
        metrics: Arc::new(metrics),
        ready: Arc::new(Readiness::new()),
        reload,
        probe: mpsc::channel(1).0,
        record: Record::new("nothing.db".into()),
        cors: Arc::new([]),
    };
    (app, requests)
}

async fn ask(app: &App, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let service =
        TowerToHyperService::new(router(app.clone(), Hosts::new(Reach::Loopback, [].into()), Door::of_this_machine()));
    let (head, body) = service.call(request).await.unwrap().into_parts();
    let body: Bytes = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:9645").body(Body::empty()).unwrap()
}

async fn get(app: &App, path: &str) -> (StatusCode, HeaderMap, String) {
    ask(app, request(Method::GET, path)).await
}

/// The app over a record with a block that is over, one that goes on, and five measurements at two instants.
async fn app_with_record(dir: &tempfile::TempDir) -> App {
    use crate::model::{SpanChangeKind, Status};
    use crate::store::Recorder;
    use crate::store::sample;
    let path = dir.path().join("a.db");
    let (recorder, _) = Recorder::open(&path).unwrap();
    let open = sample::span(0, 1, 3);
    let over = crate::model::Span {
        end: Some(Bracket { earliest: Some(sample::at(6)), latest: Some(sample::at(7)) }),
        ongoing: false,
        ..open.clone()
    };
    let records = [
        sample::with_change(sample::record(0, 3, Status::Blocked), SpanChangeKind::Opened, open),
        sample::with_change(sample::record(1, 3, Status::Blocked), SpanChangeKind::Opened, sample::span(1, 2, 3)),
        sample::record(2, 3, Status::Accessible),
        sample::with_change(sample::record(0, 7, Status::Accessible), SpanChangeKind::Closed, over),
        sample::record(2, 7, Status::Accessible),
    ];
    for record in records {
        recorder.record(record).await.unwrap();
    }
    recorder.close().await.unwrap();
    let (app, _requests) = app();
    App { record: Record::new(path), ..app }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

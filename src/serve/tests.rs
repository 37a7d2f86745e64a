//! Requests and connections, over the router and over real sockets.

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
use super::{App, Board, Door, Hosts, Metrics, Readiness, Record, ReloadRequest, router};
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
    let service = TowerToHyperService::new(router(app.clone(), Hosts::Loopback, Door::of_this_machine()));
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

#[tokio::test]
async fn the_overview_tells_the_state_without_a_record_too() {
    let (app, _requests) = app();
    let (status, headers, page) = get(&app, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["vary"], "accept-language");
    for words in [
        "<span class=\"word\">blocked</span>",
        "for ",
        "not yet measured",
        "https://fergana.agency/",
        "href=\"/sites/fergana\"",
        "Watched for Kazakhstan",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(!page.contains("role=\"alert\"") && !page.contains("class=\"strip\""));
}

#[tokio::test]
async fn a_site_tells_its_reasons_its_reports_and_its_spans() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let (status, _, page) = get(&app, "/sites/fergana").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    for words in [
        "Began between 2026-11-24 20:00:01 and 20:01:02 UTC.",
        &Language::English.mechanism(Mechanism::TlsTimeout),
        "tls.timeout",
        "Seen in 7 measurements, 99.99 % sure",
        "not yet measured",
        "https://fergana.agency/",
        "began in August 2014, no end stated; as of April 2016",
        "read twice",
        "class=\"span blocked\"",
        "<svg class=\"axis\"",
        "in August 2014",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert_eq!(page.matches("class=\"lane\"").count(), 2, "the report and the axis");
}

/// The links of a page that lead to pages of ours.
fn links(page: &str) -> std::collections::BTreeSet<String> {
    let found = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    found.filter(|link| link.starts_with('/')).map(|link| link.replace("&#38;", "&").replace("&amp;", "&")).collect()
}

#[tokio::test]
async fn every_link_leads_somewhere_in_every_language() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    // The site of the record, and nothing that is not in it.
    app.board.retain(vec![site("site-0", &["https://site-0.example/"])], vec![place("vantage-0", "KZ")]);
    let mut seen = std::collections::BTreeSet::new();
    let mut next = vec!["/".to_owned()];
    while let Some(link) = next.pop() {
        let path = link.split('#').next().unwrap().to_owned();
        if !seen.insert(path.clone()) || seen.len() > 400 {
            continue;
        }
        let (status, headers, page) = get(&app, &path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        if headers["content-type"] == "text/html; charset=utf-8" {
            // Zooming never ends.
            let zooms = |link: &str| link.contains("from=") && path.contains("from=");
            next.extend(links(&page).into_iter().filter(|link| !zooms(link)));
        }
    }
    for start in ["/spans/", "/measurements/", "/sites/site-0?from=", "/vantages?lang=kk", "/api/v1/measurements?site="]
    {
        assert!(seen.iter().any(|link| link.starts_with(start)), "{start} is linked from nowhere: {seen:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_there_says_so_in_the_language_of_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let none = "018f0000-0000-7000-8000-000000000000";
    for path in ["/sites/nobody", "/sites/%3Cb%3E", "/spans/x", "/measurements/x"] {
        let (status, _, page) = get(&app, &format!("{path}?lang=ru")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            page.contains(&Language::Russian.say("error-missing")) && page.contains("<html lang=\"ru\">"),
            "{page}"
        );
    }
    for path in [format!("/spans/{none}"), format!("/measurements/{none}")] {
        assert_eq!(get(&app, &path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let (status, _, page) = get(&app, "/sites/fergana?from=%3Cscript%3E").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("&#60;script&#62;"), "{page}");
    let broken = App { record: Record::new("nothing.db".into()), ..app };
    let (status, _, page) = get(&broken, "/sites/fergana").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains(&Language::English.say("error-record")) && !page.contains("nothing.db"));
}

#[tokio::test]
async fn the_evidence_of_a_span_is_on_its_page() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let all = json(&get(&app, "/api/v1/spans?source=measured").await.2);
    let over = all["spans"].as_array().unwrap().iter().find(|span| !span["ongoing"].as_bool().unwrap()).unwrap();
    let (_, _, page) = get(&app, &format!("/spans/{}", over["span_id"].as_str().unwrap())).await;
    for words in
        ["Around the beginning", "Around the end", "decided it", "What the controls saw", "Id of the measurement"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(page.matches("<details class=\"measurement\" open>").count(), 2, "one decided each end");
}

#[tokio::test]
async fn hostile_text_is_harmless_on_every_page() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    app.board.set_config_error(Some(format!("blockspan.toml:3:1\n  {EVIL}\n  ^ expected a number")));
    for (path, times) in [("/", 2), ("/sites/fergana", 5)] {
        let (_, _, page) = get(&app, path).await;
        assert_eq!(page.matches("<script").count(), 1, "only our own: {page}");
        let escaped = page.matches("&#60;script&#62;alert(1)&#60;/script&#62;[31m&#38;").count()
            + page.matches("&lt;script&gt;alert(1)&lt;/script&gt;[31m&amp;").count();
        assert!(escaped >= times, "{escaped} {page}");
        assert!(!page.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'));
    }
    let (_, _, page) = get(&app, "/").await;
    assert!(page.contains("role=\"alert\"") && page.contains("  ^ expected a number\n"));
}

#[tokio::test]
async fn the_pages_are_shut_in() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    for path in ["/", "/sites/fergana", "/vantages"] {
        let (_, headers, page) = get(&app, path).await;
        let hash = |open: &str, close: &str| {
            let text = page.split_once(open).unwrap().1.split_once(close).unwrap().0;
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest)
        };
        let (style, script) = (hash("<style>", "</style>"), hash("<script>", "</script>"));
        let policy = headers["content-security-policy"].to_str().unwrap();
        let wanted = format!("default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; ");
        assert!(policy.starts_with(&wanted), "{policy}");
        for outside in ["src=", "@import", "url(", "style=\"", "href=\"http", "onclick"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
    for path in ["/", "/metrics", "/nothing"] {
        let (_, headers, _) = get(&app, path).await;
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn metrics_are_text_of_the_right_version() {
    let (app, _requests) = app();
    let (status, headers, text) = get(&app, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("blockspan_build_info{") && text.ends_with('\n'));
}

#[tokio::test]
async fn ready_tells_what_is_missing() {
    let (app, _requests) = app();
    assert_eq!(get(&app, "/-/healthy").await.0, StatusCode::OK);
    let (status, _, text) = get(&app, "/-/ready").await;
    assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "Not ready: the store is not open yet.\n"));
    app.ready.store_opened();
    assert!(get(&app, "/-/ready").await.2.contains("first round"));
    app.ready.round_scheduled();
    assert_eq!(get(&app, "/-/ready").await.0, StatusCode::OK);
    app.ready.stopping();
    assert_eq!(get(&app, "/-/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&app, "/-/healthy").await.0, StatusCode::OK);
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_told_plainly() {
    let (app, _requests) = app();
    for path in ["/nothing", "/-/", "/api/v2/sites", "/../etc/passwd", "/metrics/"] {
        let (status, headers, text) = get(&app, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert!(text.contains("/metrics"));
    }
    for (method, path, allowed) in [
        (Method::GET, "/-/reload", "POST"),
        (Method::POST, "/", "GET,HEAD"),
        (Method::DELETE, "/metrics", "GET,HEAD"),
        (Method::PUT, "/-/ready", "GET,HEAD"),
    ] {
        let (status, headers, text) = ask(&app, request(method, path)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(headers["allow"], allowed, "{path}");
        assert!(!text.is_empty());
    }
    let (status, _, text) = ask(&app, request(Method::HEAD, "/-/healthy")).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn other_hosts_are_refused() {
    let (app, _requests) = app();
    for path in ["/", "/metrics", "/-/ready", "/nothing"] {
        let mut foreign = request(Method::GET, path);
        foreign.headers_mut().insert("host", "rebound.example:9645".parse().unwrap());
        let (status, headers, text) = ask(&app, foreign).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert!(!text.contains("fergana"));
    }
}

/// Answers reloads in order.
fn daemon(mut requests: mpsc::Receiver<ReloadRequest>, answers: Vec<Result<(), String>>) {
    tokio::spawn(async move {
        for answer in answers {
            requests.recv().await.unwrap().reply.send(answer).unwrap();
        }
    });
}

#[tokio::test]
async fn a_reload_is_asked_for_and_its_outcome_told() {
    let (app, requests) = app();
    daemon(requests, vec![Ok(()), Err("blockspan.toml:3:1: expected a duration".to_owned())]);
    assert_eq!(ask(&app, request(Method::POST, "/-/reload")).await.0, StatusCode::OK);
    let (status, _, text) = ask(&app, request(Method::POST, "/-/reload")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("stays in use") && text.contains("blockspan.toml:3:1: expected a duration"), "{text}");
    tokio::task::yield_now().await;
    assert_eq!(ask(&app, request(Method::POST, "/-/reload")).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_reload_that_must_not_reach_the_daemon_does_not() {
    let (app, mut requests) = app();
    let mut foreign = request(Method::POST, "/-/reload");
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(ask(&app, foreign).await.0, StatusCode::FORBIDDEN);
    let mut long = request(Method::POST, "/-/reload");
    *long.body_mut() = Body::from(vec![b'x'; 1025]);
    assert_eq!(ask(&app, long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&app, request(Method::GET, "/-/reload")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert!(requests.try_recv().is_err());
    let (reply, _answer) = tokio::sync::oneshot::channel();
    app.reload.try_send(ReloadRequest { reply }).unwrap();
    let (status, _, text) = ask(&app, request(Method::POST, "/-/reload")).await;
    assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "Another reload is under way.\n"));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_answer_does_not_hold_the_client() {
    let (app, _requests) = app();
    assert_eq!(ask(&app, request(Method::POST, "/-/reload")).await.0, StatusCode::GATEWAY_TIMEOUT);
}

const QUICK: Limits = Limits {
    connections: 2,
    from_one_network: 2,
    head: Duration::from_millis(150),
    connection: Duration::from_secs(5),
    grace: Duration::from_millis(100),
};

struct Running {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    _requests: mpsc::Receiver<ReloadRequest>,
}

async fn run(limits: Limits) -> Running {
    let (app, requests) = app();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(serve_within(limits, listener, app, Door::of_this_machine(), stop.clone()));
    Running { address, stop, task, _requests: requests }
}

async fn exchange(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_real_listener_answers_and_stops() {
    let running = run(QUICK).await;
    let ask = |host: &str| format!("GET /-/healthy HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert!(exchange(running.address, &ask("localhost")).await.starts_with("HTTP/1.1 200 "));
    assert!(exchange(running.address, &ask("rebound.example")).await.starts_with("HTTP/1.1 421 "));
    assert!(exchange(running.address, "\u{16}\u{3}\u{1}nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn slow_clients_do_not_hold_the_stop() {
    let running = run(Limits { head: Duration::from_secs(60), ..QUICK }).await;
    let mut half_asked = TcpStream::connect(running.address).await.unwrap();
    half_asked.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut waiting = TcpStream::connect(running.address).await.unwrap();
    waiting.write_all(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(2), running.task).await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn silent_clients_are_cut_off_and_make_room() {
    let running = run(QUICK).await;
    let mut silent = Vec::new();
    for _ in 0..QUICK.connections {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let began = Instant::now();
    let ask = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(exchange(running.address, ask).await.starts_with("HTTP/1.1 200 "));
    assert!(began.elapsed() >= Duration::from_millis(100), "more connections than allowed were served at once");
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn heads_are_bounded() {
    let running = run(Limits { head: Duration::from_secs(5), ..QUICK }).await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(exchange(running.address, &long).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: 1\r\n".repeat(100));
    assert!(exchange(running.address, &many).await.starts_with("HTTP/1.1 431 "));
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_api_says_what_is_wrong_with_a_question() {
    let (app, _requests) = app();
    for (query, said) in [
        ("status=blokced", "`status`"),
        ("since=yesterday", "since"),
        ("limit=0", "expected 1 to 1000"),
        ("by=planet", "by"),
        ("colour=red", "colour"),
        ("site=%2e%2e%2f", "`site`"),
    ] {
        let (status, headers, body) = get(&app, &format!("/api/v1/spans?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {body}");
        assert_eq!(headers["content-type"], "application/json");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(body["error"].as_str().unwrap().contains(said), "{query}: {body}");
    }
    // The record of these tests is not there.
    let (status, _, body) = get(&app, "/api/v1/vantages").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    let (status, _, body) = get(&app, "/api/v1/sites").await;
    let sites: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &sites[0]["id"], &sites[0]["series"][0]["status"]),
        (StatusCode::OK, &"fergana".into(), &"blocked".into())
    );
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

#[tokio::test]
async fn the_feed_has_an_entry_for_each_opening_and_closing() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let (status, headers, feed) = get(&app, "/feed.atom").await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"application/atom+xml; charset=utf-8".parse().unwrap())
    );
    assert_eq!(feed.matches("<entry>").count(), 3, "{feed}");
    assert_eq!(feed.matches("<category term=\"closed\"/>").count(), 1);
    assert!(feed.contains("href=\"http://127.0.0.1:9645/feed.atom\""), "{feed}");
    let ids: std::collections::BTreeSet<&str> = feed.match_indices("<id>").map(|(at, _)| &feed[at..at + 60]).collect();
    assert_eq!(ids.len(), 4, "the feed's and three others");
    let again = |tag: &str| {
        let asked = Request::builder().uri("/feed.atom").header("host", "127.0.0.1:9645").header("if-none-match", tag);
        ask(&app, asked.body(Body::empty()).unwrap())
    };
    let tag = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(headers["cache-control"], "no-cache");
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let (status, headers, body) = again(&known).await;
        assert_eq!((status, body.as_str(), &headers["etag"]), (StatusCode::NOT_MODIFIED, "", &tag.parse().unwrap()));
    }
    assert_eq!(again("\"other\"").await.0, StatusCode::OK);
}

#[tokio::test]
async fn measurements_come_page_by_page_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let all = json(&get(&app, "/api/v1/measurements").await.2);
    assert_eq!((all["measurements"].as_array().unwrap().len(), &all["next"]), (5, &serde_json::Value::Null));
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let of = |one: &serde_json::Value| one["measurement_id"].as_str().unwrap().to_owned();
        page["measurements"].as_array().unwrap().iter().map(of).collect()
    };
    for limit in 1..=5 {
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let page = json(&get(&app, &format!("/api/v1/measurements?limit={limit}{after}")).await.2);
            seen.extend(ids(&page));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ids(&all), "pages of {limit}");
    }
    let one = &ids(&all)[0];
    assert_eq!(json(&get(&app, &format!("/api/v1/measurements/{one}")).await.2), all["measurements"][0]);
    let other = "/api/v1/measurements/018f0000-0000-7000-8000-000000000000";
    assert_eq!(get(&app, other).await.0, StatusCode::NOT_FOUND);
    let gone = "/api/v1/measurements?after=018f0000-0000-7000-8000-000000000000";
    assert_eq!(get(&app, gone).await.0, StatusCode::NOT_FOUND);
    for bad in ["?after=x", "?limit=0", "?limit=1001", "?sites=x", "/x"] {
        let (status, headers, body) = get(&app, &format!("/api/v1/measurements{bad}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {body}");
        assert!(json(&body)["error"].is_string() && headers.get("etag").is_none());
    }
}

#[tokio::test]
async fn a_span_comes_with_what_decided_it() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let all = json(&get(&app, "/api/v1/spans").await.2);
    let spans = all["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 3, "one of them is reported");
    for span in spans {
        let told = json(&get(&app, &format!("/api/v1/spans/{}", span["span_id"].as_str().unwrap())).await.2);
        assert_eq!(&told["span"], span);
        let kinds: Vec<&str> =
            told["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
        match (span["source"].as_str().unwrap(), span["ongoing"].as_bool().unwrap()) {
            ("reported", _) => assert!(kinds.is_empty()),
            (_, true) => assert_eq!(kinds, ["opened"]),
            (_, false) => assert_eq!(kinds, ["opened", "closed"]),
        }
        for event in told["events"].as_array().unwrap() {
            let measurement = format!("/api/v1/measurements/{}", event["measurement_id"].as_str().unwrap());
            assert_eq!(get(&app, &measurement).await.0, StatusCode::OK, "the evidence is one link away");
        }
    }
    assert_eq!(get(&app, "/api/v1/spans/018f0000-0000-7000-8000-000000000000").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&app, "/api/v1/spans/x").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_description_names_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_with_record(&dir).await;
    let doc = json(&get(&app, "/api/v1/openapi.json").await.2);
    let text = doc.to_string();
    for reference in text.match_indices("#/components/schemas/").map(|(at, found)| &text[at + found.len()..]) {
        let name = reference.split('"').next().unwrap();
        assert!(doc["components"]["schemas"][name].is_object(), "{name} is not described");
    }
    let source = include_str!("api.rs");
    let paths = doc["paths"].as_object().unwrap();
    assert_eq!(source.matches(".route(\"").count(), paths.len());
    for (path, operations) in paths {
        assert!(source.contains(&format!(".route(\"{path}\"")), "{path}");
        let path = path.replace("{id}", "018f0000-0000-7000-8000-000000000000");
        for parameter in operations["get"]["parameters"].as_array().unwrap() {
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap();
                let value = match name {
                    "limit" => "5",
                    "by" => "country",
                    "since" | "until" => "2026-11-25T00:00:00Z",
                    "after" => "018f0000-0000-7000-8000-000000000000",
                    "status" => "blocked,down",
                    "source" => "measured",
                    _ => "fergana",
                };
                let (status, _, body) = get(&app, &format!("{path}?{name}={value}")).await;
                let is_known = !body.contains("unknown field");
                assert!(is_known && (status == StatusCode::OK || name == "after"), "{path} {name}: {status} {body}");
            }
        }
        let (status, headers, _) = ask(&app, request(Method::POST, &path)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["allow"], "GET,HEAD", "{path}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_may_read_the_api_only_where_the_operator_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let closed = app_with_record(&dir).await;
    let ask_from = async |app: &App, method: Method, path: &str, origin: &str| {
        let mut request = request(method, path);
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
        let (status, headers, _) = ask(app, request).await;
        (status, headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned()))
    };
    let friend = "https://friend.example";
    assert_eq!(ask_from(&closed, Method::GET, "/api/v1/spans", friend).await, (StatusCode::OK, None));
    let open = App { cors: Arc::from([friend.to_owned()]), ..closed.clone() };
    for path in ["/api/v1/spans", "/feed.atom"] {
        assert_eq!(
            ask_from(&open, Method::GET, path, friend).await,
            (StatusCode::OK, Some(friend.to_owned())),
            "{path}"
        );
        assert_eq!(ask_from(&open, Method::GET, path, "https://other.example").await, (StatusCode::OK, None));
    }
    assert_eq!(
        ask_from(&open, Method::OPTIONS, "/api/v1/spans", friend).await,
        (StatusCode::OK, Some(friend.to_owned()))
    );
    for path in ["/", "/metrics", "/-/ready"] {
        assert_eq!(ask_from(&open, Method::GET, path, friend).await.1, None, "{path}");
    }
    let all = App { cors: Arc::from(["*".to_owned()]), ..closed };
    assert_eq!(ask_from(&all, Method::GET, "/api/v1/sites", friend).await.1, Some("*".to_owned()));
}

//! The routes for machines: metrics, health, reload, and what is refused.

use super::*;

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
async fn a_page_of_another_site_cannot_have_anything_measured() {
    let (app, _requests) = app();
    let ask_from = |site: &'static str| {
        let request = Request::builder().uri("/probe?target=https://fergana.media/").header("host", "127.0.0.1:9645");
        ask(&app, request.header("sec-fetch-site", site).body(Body::empty()).unwrap())
    };
    let (status, _, said) = ask_from("cross-site").await;
    assert_eq!((status, said.contains("another site")), (StatusCode::FORBIDDEN, true), "{said}");
    // The daemon is not there; but it was asked.
    assert_eq!(ask_from("same-origin").await.0, StatusCode::SERVICE_UNAVAILABLE);
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

//! The API and the feed over a record.

use super::*;

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
    let source = include_str!("../api.rs");
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

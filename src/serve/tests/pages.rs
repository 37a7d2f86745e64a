//! The pages: what they tell, where their links lead, and what cannot get into them.

use super::*;

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

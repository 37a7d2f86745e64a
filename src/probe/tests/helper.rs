//! The helper client against a helper of our own making.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bed::{self, Ca, ClosedPort, HERE, NOW, page};
use crate::config::HelperConfig;
use crate::config::TokenError;
use crate::model::Failure;
use crate::probe::{HelperClient, HelperError, Roots};

const ANSWER: &[u8] = br#"{"tcp_connect":{"203.0.113.1:443":{"status":true,"failure":null}},
    "tls_handshake":{"203.0.113.1:443":{"server_name":"site.example","status":true,"failure":null}},
    "http_request":{"body_length":100,"failure":null,"title":"A page","headers":{"Server":"x"},"status_code":200},
    "dns":{"failure":null,"addrs":["203.0.113.1"]}}"#;

async fn client(ca: &Ca, url: String, token: Option<&std::path::Path>) -> Result<HelperClient, HelperError> {
    let roots = Roots::load(&[ca.pem.path().to_owned()]).unwrap();
    let config = HelperConfig {
        id: "helper".parse().unwrap(),
        url: url.parse().unwrap(),
        token_file: token.map(std::path::Path::to_owned),
    };
    HelperClient::new(&config, &roots)
}

#[tokio::test]
async fn a_helper_is_asked_over_tls_with_its_token() {
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["127.0.0.1"], NOW, &["http/1.1"]);
    let heard = Arc::new(Mutex::new(String::new()));
    let hearing = Arc::clone(&heard);
    let helper = bed::serve(HERE, move |stream| {
        let (acceptor, hearing) = (acceptor.clone(), Arc::clone(&hearing));
        async move {
            let mut tls = acceptor.accept(stream).await.unwrap();
            let head = bed::head(&mut tls).await.to_ascii_lowercase();
            let mut body = vec![0; bed::content_length(&head)];
            tls.read_exact(&mut body).await.unwrap();
            *hearing.lock().unwrap() = head + &String::from_utf8(body).unwrap();
            tls.write_all(&page("200 OK", "", ANSWER)).await.unwrap();
            let _ = tls.shutdown().await;
        }
    })
    .await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "s3cret\n").unwrap();
    let client = client(&ca, format!("https://{helper}/"), Some(token.path())).await.unwrap();
    let url = "https://site.example/".parse().unwrap();
    let report = client.ask(&url, &["203.0.113.1:443".parse().unwrap()]).await;
    assert_eq!((report.unusable.clone(), report.reached()), (None, Some(true)));
    assert_eq!(report.id.as_str(), "helper");
    assert!(report.endpoints[0].tls_tried && report.endpoints[0].tls_failure.is_none());

    let heard = heard.lock().unwrap().clone();
    assert!(heard.contains("authorization: bearer s3cret"), "{heard}");
    let question: serde_json::Value = serde_json::from_str(&heard[heard.find('{').unwrap()..]).unwrap();
    assert_eq!(question["http_request"], "https://site.example/");
    assert_eq!(question["tcp_connect"], serde_json::json!(["203.0.113.1:443"]));
    assert_eq!(question["x_quic_enabled"], true);
    assert!(question["http_request_headers"]["User-Agent"][0].as_str().unwrap().starts_with("Mozilla/"));
    assert!(!format!("{client:?}").contains("s3cret"), "a token is never shown");
}

#[tokio::test]
async fn a_helper_that_fails_is_unusable_and_says_why() {
    let ca = Ca::new("lab");
    let url = "https://site.example/".parse().unwrap();
    let closed = bed::serve(HERE, |stream| async move { drop(stream) }).await;
    let junk = bed::http(HERE, |_| page("200 OK", "", b"<html>captive portal</html>")).await;
    let refusing = bed::http(HERE, |_| page("500 Oops", "", ANSWER)).await;
    let strict = bed::http(HERE, |_| page("401 Unauthorized", "", b"")).await;
    let mute = bed::http(HERE, |_| page("200 OK", "", br#"{"http_request":{},"dns":{}}"#)).await;
    let huge = bed::http(HERE, |_| page("200 OK", "", &vec![b' '; 2 << 20])).await;
    let moved = bed::http(HERE, |_| page("302 Found", "Location: http://127.0.0.1:1/\r\n", b"")).await;
    let false_one = bed::https(HERE, Ca::new("x").acceptor(&["127.0.0.1"], NOW, &[]), |_| Vec::new()).await;
    let dead = ClosedPort::take();
    for (address, expected) in [
        (format!("http://{junk}/"), vec![Failure::Unknown("json_parse_error".into())]),
        (format!("http://{refusing}/"), vec![Failure::HttpRequestFailed]),
        (format!("http://{strict}/"), vec![Failure::Unknown("helper_status_401".into())]),
        (format!("http://{mute}/"), vec![Failure::Unknown("empty_answer".into())]),
        (format!("http://{huge}/"), vec![Failure::HttpRequestFailed]),
        (format!("http://{moved}/"), vec![Failure::HttpRequestFailed]),
        (format!("http://{closed}/"), vec![Failure::HttpRequestFailed, Failure::ConnectionReset]),
        (format!("https://{false_one}/"), vec![Failure::SslUnknownAuthority]),
        (format!("http://{}/", dead.address), vec![Failure::ConnectionRefused]),
    ] {
        let report = client(&ca, address.clone(), None).await.unwrap().ask(&url, &[]).await;
        assert!(expected.contains(report.unusable.as_ref().unwrap()), "{address}: {:?}", report.unusable);
        assert_eq!(report.reached(), None);
    }
}

#[tokio::test]
async fn a_bad_token_file_is_named() {
    let ca = Ca::new("lab");
    let missing = std::path::Path::new("no/such/token");
    let error = client(&ca, "https://helper.example/".into(), Some(missing)).await.unwrap_err();
    assert!(error.to_string().contains("no/such/token"), "{error}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let error = client(&ca, "https://helper.example/".into(), Some(empty.path())).await.unwrap_err();
    assert!(matches!(error, HelperError::Token(TokenError::Odd { .. })), "{error}");
}

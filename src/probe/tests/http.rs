//! Exchanges in clear text: bodies, bounds and breakages.

use std::io::Write;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bed::{self, Ca, HERE, page};
use crate::model::{Failure, HttpExchange, Measurement};

async fn measured(site: std::net::SocketAddr) -> Measurement {
    bed::measure(&bed::config(&Ca::new("lab")), &format!("http://{site}/"), &[]).await
}

/// What comes of an answer of these bytes.
async fn answered(bytes: Vec<u8>) -> HttpExchange {
    let site = bed::http(HERE, move |_| bytes.clone()).await;
    let measurement = measured(site).await;
    assert_eq!(measurement.http.len(), 1, "{measurement:#?}");
    measurement.http.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_body_that_ends_with_the_stream_is_whole() {
    let answer = answered(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n<title>Whole</title>".to_vec()).await;
    assert_eq!((answer.failure.clone(), answer.body.unwrap().title.as_deref()), (None, Some("Whole")));
    assert_eq!(answer.headers, [("server".to_owned(), "x".to_owned())]);
    assert!(answer.first_byte.is_some());
}

#[tokio::test]
async fn over_tls_a_missing_close_notify_is_forgiven_only_where_the_length_allows() {
    let ca = Ca::new("lab");
    for (bytes, failure) in [
        (&b"HTTP/1.1 200 OK\r\n\r\nwhole"[..], None),
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nwhole"[..], Some(Failure::Eof)),
        (&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n"[..], Some(Failure::Eof)),
    ] {
        let acceptor = ca.acceptor(&["127.0.0.1"], bed::NOW, &["http/1.1"]);
        let site = bed::serve(HERE, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut tls = acceptor.accept(stream).await.unwrap();
                bed::respond(&mut tls, &|_: &str| bytes.to_vec()).await;
                // Dropped without close_notify.
            }
        })
        .await;
        let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
        let answer = &measurement.http[0];
        assert_eq!((&answer.failure, answer.body.as_ref().unwrap().length), (&failure, 5));
    }
}

#[tokio::test]
async fn a_body_cut_short_keeps_its_bytes() {
    let answer = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<title>Cut</title>".to_vec()).await;
    assert_eq!(answer.failure, Some(Failure::Eof));
    assert_eq!((answer.status, answer.body.unwrap().title.as_deref()), (Some(200), Some("Cut")));
}

#[tokio::test]
async fn a_slow_body_ends_at_the_deadline_with_what_came() {
    let site = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let measurement = measured(site).await;
    let answer = &measurement.http[0];
    assert_eq!((answer.failure.clone(), answer.status), (Some(Failure::GenericTimeout), Some(200)));
    let length = answer.body.as_ref().unwrap().length;
    assert!((1..100).contains(&length), "{length}");
}

#[tokio::test]
async fn silence_reset_and_end_after_the_request_are_told_apart() {
    let silent = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await;
    let resetting = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        bed::reset(stream);
    })
    .await;
    let ending = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
    })
    .await;
    for (site, failure) in
        [(silent, Failure::GenericTimeout), (resetting, Failure::ConnectionReset), (ending, Failure::Eof)]
    {
        let measurement = measured(site).await;
        let answer = &measurement.http[0];
        assert_eq!((answer.failure.as_ref(), answer.status), (Some(&failure), None));
    }
}

#[tokio::test]
async fn over_http2_silence_reset_and_end_are_told_apart_too() {
    let ca = Ca::new("lab");
    for (which, failure) in [(0, Failure::GenericTimeout), (1, Failure::ConnectionReset), (2, Failure::Eof)] {
        let acceptor = ca.acceptor(&["127.0.0.1"], bed::NOW, &["h2"]);
        let site = bed::serve(HERE, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut tls = acceptor.accept(stream).await.unwrap();
                // Our own empty SETTINGS, then whatever the client says first (RFC 9113 section 3.4).
                tls.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                tls.flush().await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                let mut heard = [0; 16 * 1024];
                let _ = tls.read(&mut heard).await;
                match which {
                    0 => tokio::time::sleep(Duration::from_secs(30)).await,
                    1 => bed::reset(tls.into_inner().0),
                    _ => drop(tls.shutdown().await),
                }
            }
        })
        .await;
        let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
        let answer = &measurement.http[0];
        assert_eq!((answer.protocol.as_str(), answer.failure.as_ref()), ("h2", Some(&failure)));
    }
}

#[tokio::test]
async fn endless_headers_are_refused() {
    let site = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(measured(site).await.http[0].failure, Some(Failure::HttpRequestFailed));
}

/// Each is small and allowed; only together they never end.
#[tokio::test]
async fn interim_answers_without_end_are_refused() {
    let site = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        while stream.write_all(&interim).await.is_ok() {}
    })
    .await;
    let answer = measured(site).await.http.remove(0);
    assert_eq!((answer.failure, answer.status), (Some(Failure::HttpRequestFailed), None));
}

#[tokio::test]
async fn too_many_headers_and_junk_are_refused() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert_eq!(answered(many.into_bytes()).await.failure, Some(Failure::HttpRequestFailed));
    assert_eq!(answered(b"SSH-2.0-nonsense\r\n\r\n".to_vec()).await.failure, Some(Failure::HttpRequestFailed));
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_at_the_cap() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'x'; 20 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let answer = answered(page("200 OK", "Content-Encoding: gzip\r\n", &bomb)).await;
    let body = answer.body.unwrap();
    assert_eq!((answer.failure, body.truncated, body.length), (None, true, 64 * 1024));
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap() {
    let site = bed::serve(HERE, |mut stream| async move {
        bed::head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let measurement = measured(site).await;
    let answer = &measurement.http[0];
    let body = answer.body.as_ref().unwrap();
    assert_eq!((answer.failure.clone(), body.truncated, body.length), (None, true, 64 * 1024));
}

#[tokio::test]
async fn a_false_coding_is_a_failed_request_with_its_status() {
    let answer = answered(page("200 OK", "Content-Encoding: gzip\r\n", b"<html>plain</html>")).await;
    assert_eq!((answer.failure, answer.status), (Some(Failure::HttpRequestFailed), Some(200)));
}

#[tokio::test]
async fn clear_text_pages_are_kept() {
    let answer = answered(page("200 OK", "", b"a block page, perhaps")).await;
    assert!(answer.body.unwrap().kept.is_some());
}

#[tokio::test]
async fn sloppy_heads_of_block_pages_are_read_as_browsers_read_them() {
    for head in [
        "HTTP/1.1 403 Forbidden\r\nServer : filter\r\n",
        "HTTP/1.1 403 Forbidden\r\nServer: filter\r\nX-Folded: one\r\n two\r\n",
        "HTTP/1.1 403 Forbidden\r\nServer: filter\r\nno colon here\r\n",
        "HTTP/1.0 403 Forbidden\nServer: filter\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 403 Forbidden\r\nServer: filter\r\n",
    ] {
        let answer = answered(format!("{head}\r\n<title>Blocked</title>").into_bytes()).await;
        assert_eq!((answer.failure, answer.status), (None, Some(403)), "{head}");
        assert!(answer.headers.contains(&("server".to_owned(), "filter".to_owned())), "{head}: {:?}", answer.headers);
        assert_eq!(answer.body.unwrap().title.as_deref(), Some("Blocked"), "{head}");
    }
}

#[tokio::test]
async fn over_http2_a_goaway_or_junk_instead_of_an_answer_is_a_failed_exchange() {
    // SETTINGS, then GOAWAY (RFC 9113 sections 6.5, 6.8); SETTINGS, then a frame of no known kind and rubbish.
    let settings = [0u8, 0, 0, 4, 0, 0, 0, 0, 0];
    let goaway = [0u8, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let ca = Ca::new("lab");
    for rest in [&goaway[..], &[0xff; 64]] {
        let acceptor = ca.acceptor(&["127.0.0.1"], bed::NOW, &["h2"]);
        let bytes = [&settings[..], rest].concat();
        let site = bed::serve(HERE, move |stream| {
            let (acceptor, bytes) = (acceptor.clone(), bytes.clone());
            async move {
                let mut tls = acceptor.accept(stream).await.unwrap();
                let mut request = [0; 4096];
                let _ = tls.read(&mut request).await;
                let _ = tls.write_all(&bytes).await;
                let _ = tls.flush().await;
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        })
        .await;
        let measurement = bed::measure(&bed::config(&ca), &format!("https://{site}/"), &[]).await;
        let answer = &measurement.http[0];
        assert_eq!((answer.failure.clone(), answer.status), (Some(Failure::HttpRequestFailed), None));
    }
}

//! One GET on a stream that is already open, HTTP/1.1 or HTTP/2, every length and time bounded
//! (DESIGN 3; RFC 9110, 9112, 9113).

mod body;
mod decode;
mod driver;
mod failure;
mod pipe;
mod redirect;
mod request;
mod title;

use std::net::SocketAddr;
use std::time::Instant;

use http::{HeaderMap, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::time::timeout_at;
use url::Url;

use self::body::Collector;
pub(super) use self::body::keep;
use self::pipe::Pipe;
use self::request::NoBody;
pub use self::request::RequestHeaders;
pub(super) use self::request::{ACCEPT, ACCEPT_LANGUAGE, USER_AGENT};
pub(super) use self::title::title;
use super::wire::WireNotes;
use crate::model::{AddressOrigin, Elapsed, Failure, HttpExchange};
use crate::vantage::Connection;

const MAX_HEADERS: usize = 128;
const MAX_HEAD_BYTES: usize = 64 * 1024;
const H2_WINDOW: u32 = 256 * 1024;
/// Bytes that a server may send beside twice the body that is read: heads, interim responses, frames, what was under way.
const BESIDE_BODY: u64 = 1024 * 1024;

/// One GET to be made.
pub(super) struct Get<'a> {
    pub(super) hop: u8,
    pub(super) url: &'a Url,
    pub(super) address: SocketAddr,
    /// HTTP/2 was agreed.
    pub(super) h2: bool,
    pub(super) headers: &'a RequestHeaders,
    /// The measurement's beginning.
    pub(super) origin: Instant,
    pub(super) deadline: Instant,
    /// Decoded bytes of the body that are read at most.
    pub(super) body_limit: u64,
}

/// The answer as far as it came; filled in step by step, so that a deadline loses nothing.
#[derive(Default)]
struct Answer {
    first_byte: Option<Elapsed>,
    status: Option<http::StatusCode>,
    headers: HeaderMap,
    collector: Option<Collector>,
}

/// Sends the request and reads the answer. The decoded body comes beside the record.
pub(super) async fn exchange(stream: Connection, notes: &WireNotes, get: &Get<'_>) -> (HttpExchange, Vec<u8>) {
    let started = Instant::now();
    let mut answer = Answer::default();
    let failure = match timeout_at(get.deadline.into(), converse(stream, notes, get, started, &mut answer)).await {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::GenericTimeout),
    };
    let mut record = HttpExchange {
        hop: get.hop,
        url: get.url.clone(),
        address: get.address,
        origin: AddressOrigin::Own,
        protocol: if get.h2 { "h2" } else { "http/1.1" }.to_owned(),
        started: started.duration_since(get.origin).into(),
        elapsed: started.elapsed().into(),
        first_byte: answer.first_byte,
        failure,
        status: answer.status.map(|status| status.as_u16()),
        headers: recorded(&answer.headers),
        body: None,
        redirect: None,
    };
    let mut bytes = Vec::new();
    if let Some(collector) = answer.collector {
        let collected = collector.finish();
        if collected.undecodable {
            record.failure.get_or_insert(Failure::HttpRequestFailed);
        }
        record.body = Some(collected.record);
        bytes = collected.bytes;
    }
    if let Some(status) = answer.status {
        let location = answer.headers.get(header::LOCATION).map(|value| value.as_bytes());
        match redirect::target(get.url, status, location) {
            Ok(target) => record.redirect = target,
            // The head is whole; where it points says more than how its body ended.
            Err(bad) => record.failure = Some(bad),
        }
    }
    (record, bytes)
}

async fn converse(
    stream: Connection,
    notes: &WireNotes,
    get: &Get<'_>,
    started: Instant,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let request = request::get(get.url, get.h2, get.headers).map_err(|_| Failure::HttpRequestFailed)?;
    let failed = |error: hyper::Error| failure::of(&error, notes);
    let most = BESIDE_BODY + 2 * get.body_limit;
    if get.h2 {
        let background = driver::Background::default();
        let (mut sender, connection) = hyper::client::conn::http2::Builder::new(background.spawner())
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .initial_stream_window_size(H2_WINDOW)
            .initial_connection_window_size(H2_WINDOW)
            .handshake::<_, NoBody>(TokioIo::new(Pipe::new(stream, most)))
            .await
            .map_err(failed)?;
        driver::beside(connection, async {
            let response = sender.send_request(request).await.map_err(failed)?;
            read(response, notes, get, started, answer).await
        })
        .await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .title_case_headers(true)
            // Filters write poor HTTP, and browsers show their pages all the same.
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake::<_, NoBody>(TokioIo::new(Pipe::new(stream, most)))
            .await
            .map_err(failed)?;
        driver::beside(connection, async {
            let response = sender.send_request(request).await.map_err(failed)?;
            read(response, notes, get, started, answer).await
        })
        .await
    }
}

async fn read(
    response: Response<Incoming>,
    notes: &WireNotes,
    get: &Get<'_>,
    started: Instant,
    answer: &mut Answer,
) -> Result<(), Failure> {
    answer.first_byte = Some(started.elapsed().into());
    let (head, mut body) = response.into_parts();
    answer.status = Some(head.status);
    let coding = head.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let collector = answer.collector.insert(Collector::new(coding, get.body_limit));
    let ends_with_stream = !get.h2
        && !head.headers.contains_key(header::CONTENT_LENGTH)
        && !head.headers.contains_key(header::TRANSFER_ENCODING);
    answer.headers = head.headers;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data()
                    && !collector.push(&data)
                {
                    break;
                }
            }
            Err(error) => {
                let failure = failure::of(&error, notes);
                // Many servers omit close_notify; a body that lasts as long as the stream is whole all the same.
                return if failure == Failure::Eof && ends_with_stream { Ok(()) } else { Err(failure) };
            }
        }
    }
    Ok(())
}

fn recorded(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .take(MAX_HEADERS)
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

//! What a host answers: its page as the request wants it, coded, long, cut short, behind redirects, or another one for
//! where the client comes from.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, LOCATION, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::places::Place;
use crate::scenario::{Coding, Host, Page, PageFor};

/// Between the last byte of a body that stays short and the end of its connection: what was sent must be out by then.
const BEFORE_THE_BREAK: Duration = Duration::from_millis(50);

/// Largest piece of an uncompressed brotli stream (RFC 7932 9.2 with four nibbles of length).
const PIECE: usize = 1 << 16;

/// All pages of a host.
pub(crate) struct Pages {
    page: Prepared,
    page_for: Vec<(PageFor, Prepared)>,
}

impl Pages {
    pub(crate) fn of(host: &Host) -> Result<Self> {
        let page_for = host.page_for.iter().map(|other| Ok((other.clone(), Prepared::new(&other.page)?)));
        Ok(Self { page: Prepared::new(&host.page)?, page_for: page_for.collect::<Result<_>>()? })
    }

    /// The answer to a client at `from`.
    pub(crate) fn answer<B>(&self, from: Ipv4Addr, request: &Request<B>) -> Response<PageBody> {
        let place = Place::of(from);
        let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().host().or(header);
        let fits = |other: &PageFor| {
            other.from.is_none_or(|from| Some(from) == place)
                && other.host.as_deref().is_none_or(|name| Some(name) == host)
        };
        let own = self.page_for.iter().find(|(other, _)| fits(other));
        own.map_or(&self.page, |(_, page)| page).answer(request)
    }
}

/// A page, ready to be sent.
struct Prepared {
    status: StatusCode,
    headers: HeaderMap,
    plain: Bytes,
    coded: Option<(&'static str, Bytes)>,
    missing: usize,
    redirects: u32,
}

impl Prepared {
    fn new(page: &Page) -> Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &page.headers {
            headers.insert(name.parse::<HeaderName>()?, HeaderValue::from_bytes(value.as_bytes())?);
        }
        let mut plain = page.body.clone().into_bytes();
        plain.resize(plain.len() + page.fill, b' ');
        let coded = match page.coding {
            None => None,
            Some(Coding::Gzip) => Some(("gzip", gzip(&plain)?)),
            Some(Coding::Br) => Some(("br", brotli(&plain))),
        };
        Ok(Self {
            status: StatusCode::from_u16(page.status)?,
            headers,
            plain: plain.into(),
            coded,
            missing: page.missing,
            redirects: page.redirects,
        })
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<PageBody> {
        let been: u32 = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
        if been < self.redirects {
            return redirect(StatusCode::FOUND, &format!("/{}", been + 1));
        }
        let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let coded = self.coded.as_ref().filter(|(name, _)| accepted.split([',', ' ', ';']).any(|word| word == *name));
        let body = coded.map_or(&self.plain, |(_, body)| body);
        let mut response = Response::new(PageBody::new(body, self.missing));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        if let Some((name, _)) = coded {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

/// An answer that sends on to `location`.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Response<PageBody> {
    let mut response = Response::new(PageBody::whole(Bytes::new()));
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

/// A brotli stream of uncompressed pieces (RFC 7932 9.1 and 9.2), which every decoder reads.
fn brotli(bytes: &[u8]) -> Bytes {
    let mut stream = Bits::default();
    stream.push(0, 1); // WBITS: 16
    for piece in bytes.chunks(PIECE) {
        stream.push(0, 1); // ISLAST
        stream.push(0, 2); // MNIBBLES: 4
        stream.push(piece.len() - 1, 16); // MLEN - 1
        stream.push(1, 1); // ISUNCOMPRESSED
        stream.fill();
        stream.bytes.extend_from_slice(piece);
    }
    stream.push(0b11, 2); // ISLAST, ISLASTEMPTY
    stream.fill();
    stream.bytes.into()
}

/// Bits, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    open: usize,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: usize, bits: u32) {
        self.open |= value << self.used;
        self.used += bits;
        while self.used >= 8 {
            self.bytes.push((self.open & 0xff) as u8);
            self.open >>= 8;
            self.used -= 8;
        }
    }

    /// Zeroes up to the next whole byte.
    fn fill(&mut self) {
        if self.used > 0 {
            self.push(0, 8 - self.used);
        }
    }
}

/// A body that may break off before what Content-Length announces.
pub(crate) struct PageBody {
    rest: Option<Bytes>,
    breaks: Option<Pin<Box<Sleep>>>,
}

impl PageBody {
    /// All of it.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { rest: Some(bytes).filter(|bytes| !bytes.is_empty()), breaks: None }
    }

    fn new(bytes: &Bytes, missing: usize) -> Self {
        let mut body = Self::whole(bytes.slice(..bytes.len().saturating_sub(missing)));
        body.breaks = (missing > 0).then(|| Box::pin(sleep(BEFORE_THE_BREAK)));
        body
    }
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(breaks) = self.breaks.as_mut() else { return Poll::Ready(None) };
        ready!(breaks.as_mut().poll(context));
        Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.breaks.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.breaks {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.rest.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

/// Never fails.
pub(crate) type Answered = Result<Response<PageBody>, Infallible>;

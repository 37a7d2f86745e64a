//! `[store]` and `[serve]`: where the record is kept and shown.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::control::{check_own_token, token_file};
use super::document::{Doc, Fields, Node};
use super::duration::{DAY, HOUR, LONGEST, length};
use super::fault::{Wrong, clip};
use super::network::{beside, readable};
use super::types::{ServeConfig, StoreConfig, StoreUrl};
use super::url::web_url;
use super::value::{parsed, text, truth};

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: StoreUrl::Sqlite(PathBuf::from("blockspan.db")), keep_measurements: 400 * DAY }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9645),
            unprotected: false,
            tls: None,
            token_file: None,
            hosts: Vec::new(),
            cors: Vec::new(),
        }
    }
}

pub(super) fn read_store(fields: &mut Fields<'_>) -> StoreConfig {
    let default = StoreConfig::default();
    StoreConfig {
        url: fields.or("url", default.url, parsed(store_url)),
        keep_measurements: fields.or("keep_measurements", default.keep_measurements, length(HOUR, LONGEST)),
    }
}

pub(super) fn read_serve(fields: &mut Fields<'_>) -> ServeConfig {
    let default = ServeConfig::default();
    let doc = fields.doc;
    let listen = fields.optional("listen", parsed(listen));
    let told = fields.has("unprotected");
    let unprotected = fields.optional("unprotected", truth).map(|at| at.value);
    // A key that is itself at fault has been told already.
    let (has_certificate, has_key) = (fields.has("tls_certificate"), fields.has("tls_key"));
    let certificate = fields.optional("tls_certificate", |node| pem_file(doc, node));
    let key = fields.optional("tls_key", |node| pem_file(doc, node));
    for (is_alone, at, other) in [(!has_key, &certificate, "tls_key"), (!has_certificate, &key, "tls_certificate")] {
        if let (true, Some(at)) = (is_alone, at) {
            doc.fault(
                &at.span,
                Wrong::new(format!("`{other}` is missing")).label("a certificate and its key go together"),
            );
        }
    }
    let told_token = fields.has("token_file");
    let token_file = fields.optional("token_file", |node| token_file(doc, node, check_own_token));
    let guarded = Guarded {
        tls: has_certificate && has_key,
        token: told_token || token_file.is_some(),
        excused: unprotected.unwrap_or(told),
    };
    if let Some(at) = &listen
        && let Err(wrong) = check_open(doc, &at.span, at.value, guarded)
    {
        doc.fault(&at.span, Wrong { message: format!("`listen` {}", wrong.message), ..wrong });
    }
    ServeConfig {
        listen: listen.map_or(default.listen, |at| at.value),
        unprotected: unprotected.unwrap_or(default.unprotected),
        tls: certificate.zip(key).map(|(certificate, key)| (certificate.value, key.value)),
        token_file: token_file.map(|at| at.value),
        hosts: fields.list("hosts", parsed(host)).unwrap_or_default().into_iter().map(|at| at.value).collect(),
        cors: fields.list("cors", parsed(origin)).unwrap_or_default().into_iter().map(|at| at.value).collect(),
    }
}

fn pem_file(doc: Doc<'_>, node: &Node<'_>) -> Result<PathBuf, Wrong> {
    let path = beside(doc, &text(node)?);
    doc.findings.reading(&path);
    if readable(&path)?.windows(11).any(|window| window == b"-----BEGIN ") {
        Ok(path)
    } else {
        Err(Wrong::new("names a file that is no PEM file").expected("`-----BEGIN …` in it"))
    }
}

/// Reads the name of a host, without port.
fn host(text: &str) -> Result<String, Wrong> {
    let not_one =
        || Wrong::new("is not the name of a host").expected("a name alone, for example \"status.example.org\"");
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if !text.contains(['/', '%']) => Ok(name),
        Ok(url::Host::Domain(_)) | Err(_) => Err(not_one()),
        Ok(_) => Err(not_one().label("an address").help("leave it out: addresses need not be listed")),
    }
}

/// Reads an origin (RFC 6454) whose pages may read the API, or `*`.
fn origin(text: &str) -> Result<String, Wrong> {
    let not_one =
        || Wrong::new("is not an origin").expected("\"https://example.org\", with a port if it has one, or \"*\"");
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = web_url(text).map_err(|_| not_one())?;
    let origin = url.origin().ascii_serialization();
    if url.path() != "/" || url.query().is_some() || text.ends_with('/') {
        return Err(not_one().label("more than scheme, host and port").write(clip(&origin)));
    }
    Ok(origin)
}

/// What stands between the network and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guarded {
    pub(super) tls: bool,
    pub(super) token: bool,
    /// The operator has said that something else guards it.
    pub(super) excused: bool,
}

impl Guarded {
    pub(super) const fn of(serve: &ServeConfig) -> Self {
        Self { tls: serve.tls.is_some(), token: serve.token_file.is_some(), excused: serve.unprotected }
    }
}

/// Refuses an address that others than this machine can reach without TLS and a token, unless the operator has said that
/// it is meant; then warns of what is missing.
pub(super) fn check_open(
    doc: Doc<'_>,
    span: &std::ops::Range<usize>,
    listen: SocketAddr,
    Guarded { tls, token, excused }: Guarded,
) -> Result<(), Wrong> {
    if listen.ip().to_canonical().is_loopback() || (tls && token) {
        return Ok(());
    }
    if !excused {
        let missing = match (tls, token) {
            (false, false) => "neither TLS nor a token",
            (false, true) => "no TLS, so that the token travels in clear text",
            (true, _) => "no token",
        };
        return Err(Wrong::new(format!("is open to the network, where page, metrics and reload have {missing}"))
            .label("not a loopback address")
            .help(
                "give it `tls_certificate`, `tls_key` and `token_file`; or listen on 127.0.0.1 or [::1] and put a proxy \
                 that asks who is there in front of it; or say that something else guards it: `unprotected = true`",
            ));
    }
    let without = match (tls, token) {
        (false, false) => "TLS and token",
        (false, true) => "TLS",
        (true, _) => "a token",
    };
    doc.warn(span, format!("page, metrics and reload are open to the network, without {without}"));
    Ok(())
}

/// Reads `sqlite://PATH`.
pub(super) fn store_url(text: &str) -> Result<StoreUrl, Wrong> {
    let not_one =
        || Wrong::new("is not a usable store").expected("\"sqlite://PATH\", for example \"sqlite://blockspan.db\"");
    match text.split_once("://") {
        Some(("sqlite", path)) if path.is_empty() || path.contains('\0') => Err(not_one().label("no path")),
        Some(("sqlite", path)) if path.starts_with(":memory:") => {
            Err(not_one().label("a record in memory is lost at the end"))
        }
        Some(("sqlite", path)) => Ok(StoreUrl::Sqlite(PathBuf::from(path))),
        Some(("postgres" | "postgresql", _)) => Err(Wrong::new("names a PostgreSQL store")
            .label("this build stores in SQLite only")
            .expected("\"sqlite://PATH\", for example \"sqlite://blockspan.db\"")),
        Some(_) => Err(not_one().label("unknown scheme")),
        None if text.is_empty() || text.contains(':') => Err(not_one().label("no scheme")),
        None => Err(not_one().label("no scheme").write(format_args!("sqlite://{}", clip(text)))),
    }
}

/// Reads `ADDRESS:PORT`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let label = match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => "not an IP address before the port",
            Some(_) => "no usable port",
            None => "no port",
        };
        Wrong::new("is not an address to listen on")
            .label(label)
            .expected("an IP address and a port, for example \"127.0.0.1:9645\" or \"[::1]:9645\"")
    })
}

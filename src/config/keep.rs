//! `[store]` and `[serve]`: where the record is kept and shown.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::document::{Doc, Fields};
use super::duration::{DAY, HOUR, LONGEST, length};
use super::fault::{Wrong, clip};
use super::types::{ServeConfig, StoreConfig, StoreUrl};
use super::url::web_url;
use super::value::{parsed, truth};

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: StoreUrl::Sqlite(PathBuf::from("blockspan.db")), keep_measurements: 400 * DAY }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9645), unprotected: false, cors: Vec::new() }
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
    let listen = fields.optional("listen", parsed(listen));
    let told = fields.has("unprotected");
    let unprotected = fields.optional("unprotected", truth).map(|at| at.value);
    if let Some(at) = &listen {
        // A key that is itself at fault has been told already.
        let excused = unprotected.unwrap_or(told);
        if let Err(wrong) = check_open(fields.doc, &at.span, at.value, excused) {
            fields.doc.fault(&at.span, Wrong { message: format!("`listen` {}", wrong.message), ..wrong });
        }
    }
    ServeConfig {
        listen: listen.map_or(default.listen, |at| at.value),
        unprotected: unprotected.unwrap_or(default.unprotected),
        cors: fields.list("cors", parsed(origin)).unwrap_or_default().into_iter().map(|at| at.value).collect(),
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
        return Err(not_one().label("more than scheme, host and port").help(format!("write \"{}\"", clip(&origin))));
    }
    Ok(origin)
}

/// Refuses an address that others than this machine can reach, unless the operator has said that it is meant; then
/// warns.
pub(super) fn check_open(
    doc: Doc<'_>,
    span: &std::ops::Range<usize>,
    listen: SocketAddr,
    unprotected: bool,
) -> Result<(), Wrong> {
    if listen.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    if !unprotected {
        return Err(Wrong::new("is open to the network, where page, metrics and reload have neither TLS nor a token")
            .label("not a loopback address")
            .help(
                "listen on 127.0.0.1 or [::1] and put a proxy that asks who is there in front of it, or say that \
                 everyone may come in: `unprotected = true` in [serve]",
            ));
    }
    doc.warn(span, format!("page, metrics and reload at {listen} are open to the network, without TLS and token"));
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
        None => Err(not_one().label("no scheme").help(format!("write \"sqlite://{}\"", clip(text)))),
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

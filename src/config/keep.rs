//! `[store]` and `[serve]`: where the record is kept and shown.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::document::{Doc, Fields};
use super::duration::{DAY, HOUR, LONGEST, length};
use super::fault::{Wrong, clip};
use super::types::{ServeConfig, StoreConfig, StoreUrl};
use super::value::parsed;

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: StoreUrl::Sqlite(PathBuf::from("blockspan.db")), keep_measurements: 400 * DAY }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9645) }
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
    match fields.optional("listen", parsed(listen)) {
        None => default,
        Some(at) => {
            warn_if_open(fields.doc, &at.span, at.value);
            ServeConfig { listen: at.value }
        }
    }
}

/// Warns when others than this machine can read what is served.
pub(super) fn warn_if_open(doc: Doc<'_>, span: &std::ops::Range<usize>, listen: SocketAddr) {
    if !listen.ip().is_loopback() {
        doc.warn(span, format!("page, metrics and reload at {listen} are open to the network, without TLS and token"));
    }
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

//! `[helper]`: how `blockspan helper` serves others.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use super::control::{check_own_token, token_file};
use super::document::{Doc, Fields};
use super::fault::Wrong;
use super::keep::listen;
use super::types::HelperServiceConfig;
use super::value::{parsed, truth, whole};

impl Default for HelperServiceConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9646),
            token_file: None,
            unprotected: false,
            behind_proxy: false,
            per_minute: 300,
            max_in_flight: 64,
        }
    }
}

/// Reads the section. `door_is_settled`: the command line says how the helper is reached, and is checked itself.
pub(super) fn read(fields: &mut Fields<'_>, door_is_settled: bool) -> HelperServiceConfig {
    let default = HelperServiceConfig::default();
    let doc = fields.doc;
    let listen = fields.optional("listen", parsed(listen));
    // A key that is itself at fault has been told already.
    let excused = fields.has("token_file") || fields.has("unprotected");
    let token_file = fields.optional("token_file", |node| token_file(doc, node, check_own_token)).map(|at| at.value);
    let unprotected = fields.optional("unprotected", truth).map(|at| at.value);
    if let Some(at) = listen.as_ref().filter(|_| !door_is_settled) {
        let open = if token_file.is_some() { Door::Token } else { Door::of(unprotected.unwrap_or(excused)) };
        if let Err(wrong) = check_door(doc, &at.span, at.value, open) {
            doc.fault(&at.span, Wrong { message: format!("`listen` {}", wrong.message), ..wrong });
        }
    }
    HelperServiceConfig {
        listen: listen.map_or(default.listen, |at| at.value),
        token_file,
        unprotected: unprotected.unwrap_or(default.unprotected),
        behind_proxy: fields.or("behind_proxy", default.behind_proxy, truth),
        per_minute: fields.or("per_minute", default.per_minute, whole(1..=100_000)),
        max_in_flight: fields.or("max_in_flight", default.max_in_flight, whole(1..=1000)),
    }
}

/// What stands between the network and the helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// A token is asked for.
    Token,
    /// Nothing, and the operator has said that it is meant.
    Open,
    /// Nothing.
    Forgotten,
}

impl Door {
    pub(super) const fn of(unprotected: bool) -> Self {
        if unprotected { Self::Open } else { Self::Forgotten }
    }
}

/// Refuses an address that others than this machine can reach when nothing asks who is there, unless that is meant.
pub(super) fn check_door(doc: Doc<'_>, span: &Range<usize>, listen: SocketAddr, door: Door) -> Result<(), Wrong> {
    if listen.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    match door {
        Door::Forgotten => Err(Wrong::new("is open to the network, and the helper asks for no token")
            .label("not a loopback address")
            .help(
                "name a `token_file`, so that not everyone can have URLs fetched from here, or say that everyone may: \
                 `unprotected = true` in [helper], or --unprotected",
            )),
        Door::Open => {
            doc.warn(span, "everyone who reaches the helper can have URLs fetched from here");
            Ok(())
        }
        Door::Token => {
            doc.warn(
                span,
                "the helper has no TLS: token and URLs travel in clear text unless a proxy with TLS stands before it",
            );
            Ok(())
        }
    }
}

//! It fails here, works at the control, and the canaries are fine: one trial (DESIGN 4.5). The weight says how seldom
//! such a failure happens by chance.

use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, blocked};
use crate::judge::say;
use crate::model::{ControlKind, Layer, Mechanism};

pub(in crate::judge) const RULES: &[Rule] = &[
    blocked!(
        "tls.timeout.differential",
        TlsTimeout,
        Differential,
        0.9,
        0.9,
        |facts| comparison(facts, Mechanism::TlsTimeout),
        "The connection is accepted and the ClientHello that names the site is swallowed, while the control reaches the site: Kazakhstan's usual way.",
        "OONI report on Kazakhstan, 2024-09-19; DESIGN 4"
    ),
    blocked!(
        "tls.reset.differential",
        TlsReset,
        Differential,
        0.9,
        1.0,
        |facts| comparison(facts, Mechanism::TlsReset),
        "The connection is reset after the ClientHello that names the site, while the control reaches the site.",
        "OONI pipeline v5; DESIGN 4.5"
    ),
    blocked!(
        "tls.eof.differential",
        TlsEof,
        Differential,
        0.9,
        0.95,
        |facts| comparison(facts, Mechanism::TlsEof),
        "The connection is closed after the ClientHello that names the site, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "tls.alert.differential",
        TlsAlert,
        Differential,
        0.8,
        0.8,
        alert,
        "A TLS alert, or something that is not TLS, answers the ClientHello, while the control reaches the site. Alerts about version and ciphers count only when a control vantage, which speaks TLS just as this one does, reaches it.",
        "DESIGN 4.5"
    ),
    blocked!(
        "tcp.timeout.differential",
        TcpTimeout,
        Differential,
        0.85,
        0.85,
        |facts| comparison(facts, Mechanism::TcpTimeout),
        "No address of the site answers a connection attempt, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "tcp.reset.differential",
        TcpReset,
        Differential,
        0.85,
        0.85,
        |facts| comparison(facts, Mechanism::TcpReset),
        "Connection attempts are reset, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "tcp.refused.differential",
        TcpRefused,
        Differential,
        0.75,
        0.75,
        |facts| comparison(facts, Mechanism::TcpRefused),
        "Connection attempts are refused, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "tcp.unreachable.differential",
        TcpUnreachable,
        Differential,
        0.75,
        0.75,
        |facts| comparison(facts, Mechanism::TcpUnreachable),
        "The network says that the site's addresses cannot be reached, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "http.reset.differential",
        HttpReset,
        Differential,
        0.9,
        0.9,
        |facts| comparison(facts, Mechanism::HttpReset),
        "The connection is reset after the request that names the site, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "http.timeout.differential",
        HttpTimeout,
        Differential,
        0.85,
        0.9,
        |facts| comparison(facts, Mechanism::HttpTimeout),
        "The request that names the site is swallowed, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "http.eof.differential",
        HttpEof,
        Differential,
        0.85,
        0.9,
        |facts| comparison(facts, Mechanism::HttpEof),
        "The connection is closed after the request that names the site, while the control reaches the site.",
        "DESIGN 4.5"
    ),
    blocked!(
        "http.truncated.differential",
        HttpTruncated,
        Differential,
        0.85,
        0.9,
        |facts| comparison(facts, Mechanism::HttpTruncated),
        "The answer stops in the middle, while the control gets it.",
        "DESIGN 4.5; net4people/bbs #490"
    ),
];

/// Factor on a verdict when the site proves itself from here at an address that the own resolver did not give.
const ELSEWHERE: f64 = 0.7;

/// A server that wants a version or cipher that our TLS library lacks says so itself; a helper may have another library.
fn alert(facts: &Facts<'_>) -> Option<Finding> {
    let alert = facts.failing.as_ref()?.path.as_ref()?.tls.and_then(|tls| tls.alert.as_deref());
    let about_us = matches!(alert, Some("handshake_failure" | "protocol_version" | "insufficient_security"));
    let same_library = facts.controls.answers().any(|(report, _)| report.kind == ControlKind::Vantage);
    (!about_us || same_library).then(|| comparison(facts, Mechanism::TlsAlert))?
}

/// It fails here with `mechanism`, the control works, and a foreign canary answers.
pub(super) fn comparison(facts: &Facts<'_>, mechanism: Mechanism) -> Option<Finding> {
    let failing = facts.failing.as_ref().filter(|failing| failing.mechanism == Some(mechanism))?;
    let trust = facts.differential()?;
    // The site lives at another of its addresses, even for this vantage: one dead server may be all there is to it.
    let elsewhere = facts.seen.stuck().filter(|hop| failing.layer != Layer::Dns && hop.is_proven_elsewhere());
    let trust = if elsewhere.is_some() { trust * ELSEWHERE } else { trust };
    let mut reasons = say::failure(facts, failing).into_iter();
    let first = reasons.next().unwrap_or_else(|| "The site fails here.".into());
    Some(
        Finding::new(first)
            .and(reasons)
            .and(elsewhere.and_then(say::proven_elsewhere))
            .and(say::controls(facts))
            .and(Some(say::canaries(facts)))
            .trusted(trust),
    )
}

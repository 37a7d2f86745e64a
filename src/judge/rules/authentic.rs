//! An answer over TLS whose chain verifies is the site's own: never `blocked`, whatever it says (DESIGN 4.1).

use crate::judge::denial;
use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, rule};
use crate::judge::say;

use super::throttle;
use crate::model::HttpExchange;

pub(in crate::judge) const RULES: &[Rule] = &[
    rule!(
        "tls.denied.legal",
        Denied,
        SelfProving,
        0.95,
        1.0,
        denied_for_law,
        "The site itself answers 451 over valid TLS, by an address of the vantage's own resolver.",
        "RFC 7725; DESIGN 4.1"
    ),
    rule!(
        "tls.denied.challenge",
        Denied,
        SelfProving,
        0.95,
        1.0,
        denied_by_network,
        "A refusal over valid TLS that bears a content delivery network's or firewall's own marks (challenge, geo-block).",
        "McDonald et al., IMC 2018; DESIGN 4.1"
    ),
    rule!(
        "tls.denied.differential",
        Denied,
        Differential,
        0.85,
        1.0,
        denied_here_only,
        "The site itself answers 401, 403 or 429 over valid TLS while a control gets an answer below 400.",
        "DESIGN 4.1"
    ),
    rule!(
        "tls.server_fault",
        Accessible,
        SelfProving,
        0.95,
        1.0,
        server_fault,
        "The site's own server answers over valid TLS with a fault of its own (5xx): that is not blocking.",
        "DESIGN 4.1"
    ),
    rule!(
        "tls.authentic",
        Accessible,
        SelfProving,
        0.99,
        1.0,
        authentic,
        "The site answers over valid TLS by an address of the vantage's own resolver, whatever other resolvers and addresses do.",
        "DESIGN 4.1; OONI ts-017"
    ),
    rule!(
        "tls.authentic.redirects",
        Accessible,
        SelfProving,
        0.9,
        1.0,
        endless_redirects,
        "The site's own server answers over valid TLS, but its redirects lead nowhere or have no end (sites that insist on cookies do so).",
        "DESIGN 4.1"
    ),
];

fn answer<'e>(facts: &Facts<'e>) -> Option<(&'e HttpExchange, u16)> {
    let exchange = facts.seen.authentic_own_answer()?;
    Some((exchange, exchange.status?))
}

fn sentence(facts: &Facts<'_>, exchange: &HttpExchange, status: u16) -> String {
    let name = facts.seen.last().map(say::host).unwrap_or_default();
    format!("{name} answered from {} over TLS with a valid certificate (status {status}).", exchange.address)
}

fn denied_for_law(facts: &Facts<'_>) -> Option<Finding> {
    let (exchange, status) = answer(facts).filter(|(_, status)| *status == 451)?;
    let by = denial::blocked_by(exchange).map(|who| format!("It names {} as the one who blocks.", say::quoted(who)));
    Some(
        Finding::new(sentence(facts, exchange, status))
            .and(by)
            .and(Some("So the site's own server refuses this vantage for legal reasons.".into())),
    )
}

fn denied_by_network(facts: &Facts<'_>) -> Option<Finding> {
    let (exchange, status) = answer(facts)?;
    let who = denial::refuser(exchange)?;
    Some(
        Finding::new(sentence(facts, exchange, status))
            .and(Some(format!("The answer is {who}'s own refusal page: the site's side turns this vantage away."))),
    )
}

fn denied_here_only(facts: &Facts<'_>) -> Option<Finding> {
    let (exchange, status) = answer(facts).filter(|(_, status)| matches!(status, 401 | 403 | 429))?;
    let mut answers = facts.controls.answers();
    let (report, _) = answers.find(|(_, http)| http.status.is_some_and(|status| status < 400))?;
    Some(
        Finding::new(sentence(facts, exchange, status))
            .and([say::control(report), "So the site's own server refuses this vantage.".into()]),
    )
}

fn server_fault(facts: &Facts<'_>) -> Option<Finding> {
    let (exchange, status) = answer(facts).filter(|(_, status)| *status >= 500)?;
    Some(
        Finding::new(sentence(facts, exchange, status))
            .and(Some("That is a fault of the server itself, not blocking.".into()))
            .and(say::oddities(facts)),
    )
}

fn authentic(facts: &Facts<'_>) -> Option<Finding> {
    let (exchange, status) = answer(facts).filter(|(exchange, _)| exchange.failure.is_none())?;
    let refused =
        (status >= 400).then(|| "The server itself gives this status; nothing shows that it is only so here.".into());
    Some(
        Finding::new(sentence(facts, exchange, status))
            .and(refused)
            .and(throttle::doubts(facts))
            .and(say::oddities(facts)),
    )
}

fn endless_redirects(facts: &Facts<'_>) -> Option<Finding> {
    let seen = &facts.seen;
    let last = seen.last().filter(|hop| hop.answer_is_authentic())?;
    let exchange = last.exchange.filter(|exchange| exchange.failure.is_some())?;
    let undisturbed = seen.stuck().is_none() && seen.unproven_departure().is_none();
    undisturbed.then(|| {
        Finding::new(sentence(facts, exchange, exchange.status.unwrap_or_default()))
            .and(Some("Its redirects lead to no page, which is the server's own doing.".into()))
    })
}

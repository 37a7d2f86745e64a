//! Name resolution: a line a resolver, own ones first, then the reference.

use super::sketch::{Mark, Sketch};
use crate::knowledge::Networks;
use crate::language::Language;
use crate::model::{DnsExchange, DnsRole, DnsTransport, Elapsed, Failure, Layer, Measurement, QueryType};

/// Addresses told of one resolver before the rest is counted.
const ADDRESSES: usize = 8;

/// Draws the name resolution of one hop.
pub(super) fn draw(sketch: &mut Sketch<'_>, measurement: &Measurement, hop: u8) {
    let exchanges: Vec<&DnsExchange> = measurement.dns.iter().filter(|exchange| exchange.hop == hop).collect();
    let Some(first) = exchanges.first() else { return };
    sketch.heading("DNS", &first.name);
    for role in [DnsRole::Own, DnsRole::Control] {
        let mut seen: Vec<&str> = Vec::new();
        for exchange in exchanges.iter().filter(|exchange| exchange.role == role) {
            if !seen.contains(&exchange.resolver.as_str()) {
                seen.push(&exchange.resolver);
                let same = exchanges.iter().filter(|other| other.role == role && other.resolver == exchange.resolver);
                resolver(sketch, &same.copied().collect::<Vec<_>>());
            }
        }
    }
}

/// One resolver: its questions for both families on one line.
fn resolver(sketch: &mut Sketch<'_>, exchanges: &[&DnsExchange]) {
    let Some(first) = exchanges.first() else { return };
    let lead = if first.role == DnsRole::Control { "reference: " } else { "" };
    let time = exchanges.iter().map(|exchange| exchange.elapsed).max().unwrap_or(Elapsed::from_micros(0));
    let good = exchanges.iter().any(|exchange| exchange.failure.is_none());
    let mark = match (good, first.role) {
        (true, _) => Mark::Good,
        (false, DnsRole::Own) => Mark::Bad,
        (false, DnsRole::Control) => Mark::None,
    };
    let outcome = outcome(exchanges, good, sketch.networks);
    sketch.step(mark, &name(first), Some(time), &format!("{lead}{outcome}"));
    for exchange in exchanges.iter().filter(|exchange| exchange.answers.len() > 1) {
        several_answers(sketch, exchange);
    }
}

fn outcome(exchanges: &[&DnsExchange], good: bool, networks: &Networks) -> String {
    let mut addresses: Vec<String> = Vec::new();
    for answer in exchanges.iter().flat_map(|exchange| exchange.answers.first()) {
        for address in answer.addresses.iter().map(|address| match networks.asn(*address) {
            Some(asn) => format!("{address} (AS{})", asn.number),
            None => address.to_string(),
        }) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    let more = addresses.len().saturating_sub(ADDRESSES);
    addresses.truncate(ADDRESSES);
    let mut text = addresses.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    let mut told: Vec<&Failure> = Vec::new();
    for exchange in exchanges {
        let Some(failure) = &exchange.failure else { continue };
        // A site without IPv6 is nothing to speak of.
        let usual = good && exchange.query_type == QueryType::Aaaa && *failure == Failure::DnsNoAnswer;
        if usual || told.contains(&failure) {
            continue;
        }
        told.push(failure);
        let words = Language::English.failure(Layer::Dns, failure);
        let family = if good { format!("{}: ", exchange.query_type) } else { String::new() };
        text = if text.is_empty() { format!("{family}{words}") } else { format!("{text}; {family}{words}") };
    }
    text
}

/// More than one answer to one question: someone may have spoken out of turn.
fn several_answers(sketch: &mut Sketch<'_>, exchange: &DnsExchange) {
    for (at, answer) in exchange.answers.iter().enumerate().take(4) {
        let addresses: Vec<String> = answer.addresses.iter().take(4).map(ToString::to_string).collect();
        let content = match (addresses.is_empty(), answer.rcode) {
            (false, _) => addresses.join(", "),
            (true, Some(0)) => "no address".to_owned(),
            (true, Some(rcode)) => format!("rcode {rcode}"),
            (true, None) => "unreadable".to_owned(),
        };
        let stray = if answer.matches_question { "" } else { " (does not match the question)" };
        let ttl = answer.ip_ttl.map(|ttl| format!(", IP TTL {ttl}")).unwrap_or_default();
        let latency = super::super::words::elapsed(answer.latency);
        sketch.note(&format!("{} answer {} after {latency}: {content}{ttl}{stray}", exchange.query_type, at + 1));
    }
}

/// A resolver's name without what its transport already says.
pub(super) fn name(exchange: &DnsExchange) -> String {
    let text = exchange.resolver.as_str();
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let bare = bare.split(['/', '@']).next().unwrap_or(bare);
    match exchange.transport {
        DnsTransport::Udp => bare.strip_suffix(":53").unwrap_or(bare).to_owned(),
        DnsTransport::Tcp => format!("{} (TCP)", bare.strip_suffix(":53").unwrap_or(bare)),
        DnsTransport::Dot => format!("{bare} (DoT)"),
        DnsTransport::Doh => format!("{bare} (DoH)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures;
    use super::*;

    #[test]
    fn resolvers_are_named_shortly() {
        let mut exchange = fixtures::nxdomain().0.measurement.dns.remove(0);
        assert_eq!(name(&exchange), "212.154.163.162");
        exchange.resolver = "tls://dns.quad9.net@9.9.9.9:853".to_owned();
        exchange.transport = DnsTransport::Dot;
        assert_eq!(name(&exchange), "dns.quad9.net (DoT)");
    }

    #[test]
    fn one_family_without_addresses_is_told_only_when_odd() {
        let good = fixtures::accessible().0.measurement.dns.remove(0);
        let mut six = good.clone();
        six.query_type = QueryType::Aaaa;
        six.answers.clear();
        six.failure = Some(Failure::DnsNoAnswer);
        let outcome = |exchanges: &[&DnsExchange]| outcome(exchanges, true, &Networks::default());
        assert_eq!(outcome(&[&good, &six]), "104.21.48.1");
        six.failure = Some(Failure::DnsServfail);
        assert_eq!(outcome(&[&good, &six]), "104.21.48.1; AAAA: the resolver reports a failure (SERVFAIL)");
    }
}

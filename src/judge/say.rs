//! Plain sentences for the reasons of a verdict. Text that came from a site or a resolver is hostile: it is quoted.

use std::fmt::Write;
use std::net::IpAddr;

use super::facts::Facts;
use super::failing::Failing;
use super::resolution::{Lookup, Resolution};
use super::seen::{Hop, Path};
use crate::knowledge::Fingerprint;
use crate::model::{CertificateFault, ControlReport, Elapsed, Failure, Mechanism, is_hostile, shown_resolver};

/// Longest text of a site that a reason repeats, in characters.
const QUOTE_LIMIT: usize = 120;

/// Hostile text made safe to show: control and direction-changing characters out, white space joined, quotation marks
/// around it, at most 120 characters of it (`…` marks a cut).
pub fn quoted(text: &str) -> String {
    let cleaned = clean(text);
    format!("“{cleaned}”")
}

/// The text without quotation marks, for names that read better bare.
fn clean(text: &str) -> String {
    let mut cleaned = String::new();
    let (mut length, mut space) = (0, false);
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            space = length > 0;
            continue;
        }
        if is_hostile(character) {
            continue;
        }
        let wanted = 1 + usize::from(space);
        if length + wanted > QUOTE_LIMIT - 1 {
            cleaned.push('…');
            break;
        }
        if space {
            cleaned.push(' ');
        }
        cleaned.push(if matches!(character, '“' | '”' | '"' | '`') { '\'' } else { character });
        length += wanted;
        space = false;
    }
    cleaned
}

/// `10.0 s`, or milliseconds below one second.
pub(super) fn time(elapsed: Elapsed) -> String {
    let seconds = elapsed.as_seconds();
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

/// The hop's host.
pub(super) fn host(hop: &Hop<'_>) -> String {
    if hop.host.is_empty() { "the site".into() } else { clean(&hop.host) }
}

/// The first two addresses and how many more.
pub(super) fn addresses<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> String {
    let all: Vec<String> = addresses.into_iter().map(ToString::to_string).collect();
    match all.as_slice() {
        [] => "no address".into(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

/// An own resolver as the subject of a sentence.
pub(super) fn resolver(lookup: &Lookup<'_>) -> String {
    if lookup.resolver == "system" {
        "The name server of this network (system)".into()
    } else {
        // Reasons are shown on pages and in reports.
        format!("The name server {}", clean(&shown_resolver(lookup.resolver)))
    }
}

/// An encrypted resolver as the subject of a sentence.
fn encrypted_resolver(name: &str) -> String {
    let known = [
        ("cloudflare-dns.com", "Cloudflare's encrypted resolver"),
        ("one.one.one.one", "Cloudflare's encrypted resolver"),
        ("quad9.net", "Quad9's encrypted resolver"),
        ("dns.google", "Google's encrypted resolver"),
    ];
    known
        .iter()
        .find(|(mark, _)| name.contains(mark))
        .map_or_else(|| format!("The reference resolver {}", clean(name)), |(_, known)| (*known).to_owned())
}

/// What an own resolver did instead of answering.
pub(super) fn dns_failure(lookup: &Lookup<'_>, failure: &Failure, hop: &Hop<'_>) -> String {
    let (who, name) = (resolver(lookup), host(hop));
    match failure {
        Failure::DnsNxdomain => format!("{who} answered that {name} does not exist."),
        Failure::DnsRefused => format!("{who} refused to answer for {name}."),
        Failure::DnsServfail => format!("{who} reported a failure of its own for {name} (SERVFAIL)."),
        Failure::DnsNoAnswer => format!("{who} answered without any address for {name}."),
        Failure::DnsBogon => format!("{who} gave only addresses for {name} that cannot be public."),
        failure if failure.is_timeout() => {
            format!("{who} did not answer for {name} within {}.", time(lookup.elapsed))
        }
        other => format!("{who} could not be asked for {name}: {}.", quoted(&other.as_ooni())),
    }
}

/// A fingerprint by its name and source.
pub(super) fn fingerprint(fingerprint: &Fingerprint) -> String {
    format!("fingerprint {} of {}", clean(&fingerprint.name), clean(&fingerprint.source))
}

/// That an address is in a list, where that is no proof.
pub(super) fn listed(facts: &Facts<'_>, address: IpAddr) -> Option<String> {
    let entry = facts.knowledge.listed(address)?;
    Some(format!(
        "{address} is a block page's address elsewhere ({}), which alone proves nothing here.",
        fingerprint(entry)
    ))
}

/// What the encrypted resolvers gave.
pub(super) fn reference(reference: &Resolution<'_>) -> Option<String> {
    let lookup = reference.lookups.iter().find(|lookup| !lookup.addresses.is_empty())?;
    let count = lookup.addresses.len();
    let plural = if count == 1 { "" } else { "es" };
    let who = encrypted_resolver(lookup.resolver);
    Some(format!("{who} gave {count} address{plural} ({}).", addresses(&lookup.addresses)))
}

/// That the site proved itself at an address that only the reference gave.
pub(super) fn proven_elsewhere(hop: &Hop<'_>) -> Option<String> {
    let path = hop.paths.iter().find(|path| path.authentic && path.http.is_some())?;
    Some(format!(
        "At {}, which only the reference gave, {} proved itself with a valid certificate.",
        path.address,
        host(hop)
    ))
}

/// What fails, where and after how long.
pub(super) fn failure(facts: &Facts<'_>, failing: &Failing<'_>) -> Vec<String> {
    let Some(hop) = facts.seen.hops.iter().find(|hop| hop.index == failing.hop) else { return Vec::new() };
    let mut reasons = Vec::new();
    match &failing.path {
        None => {
            if let Some((lookup, failure)) = hop.own.failure() {
                reasons.push(dns_failure(lookup, failure, hop));
            }
        }
        Some(path) => reasons.push(path_failure(hop, path, failing)),
    }
    reasons.extend(departure(facts, failing.hop));
    reasons
}

/// That the failure is at the target of a redirect.
fn departure(facts: &Facts<'_>, hop: u8) -> Option<String> {
    let target = facts.seen.hops.iter().find(|other| other.index == hop && hop > 0)?;
    let first = facts.seen.hops.first()?;
    Some(if first.host == target.host {
        format!(
            "The clear-text address of {} answered and sends visitors on; the failure comes after that.",
            host(first)
        )
    } else {
        format!("{} answered and sends visitors on to {}; the failure is there.", host(first), host(target))
    })
}

/// What fails at one address, where and after how long.
pub(super) fn path_failure(hop: &Hop<'_>, path: &Path<'_>, failing: &Failing<'_>) -> String {
    let (name, address, took) = (host(hop), path.address, time(failing.elapsed));
    match failing.mechanism {
        Some(Mechanism::TcpTimeout) => format!("A connection to {address} ({name}) got no answer within {took}."),
        Some(Mechanism::TcpReset) => format!("The connection to {address} ({name}) was reset after {took}."),
        Some(Mechanism::TcpRefused) => format!("The connection to {address} ({name}) was refused after {took}."),
        Some(Mechanism::TcpUnreachable) => {
            format!("The network says that {address} ({name}) cannot be reached ({}).", failing.failure.label())
        }
        Some(Mechanism::TlsTimeout) => format!(
            "{address} accepted the connection, but after the encrypted greeting that names {name} nothing came back for {took}."
        ),
        Some(Mechanism::TlsReset) => format!(
            "{address} accepted the connection, and {took} into the encrypted greeting that names {name} it was reset."
        ),
        Some(Mechanism::TlsEof) => format!(
            "{address} accepted the connection, and {took} into the encrypted greeting that names {name} it was closed."
        ),
        Some(Mechanism::TlsAlert) => match path.tls.and_then(|tls| tls.alert.as_deref()) {
            Some(alert) => {
                format!("{address} turned the encrypted greeting for {name} away with the alert {}.", quoted(alert))
            }
            None => format!("{address} did not answer the encrypted greeting for {name} with a TLS handshake."),
        },
        Some(Mechanism::TlsMitm) => certificate(hop, path),
        Some(Mechanism::HttpTimeout) => format!("The request for {name} to {address} got no answer within {took}."),
        Some(Mechanism::HttpReset) => format!("The request for {name} to {address} was reset after {took}."),
        Some(Mechanism::HttpEof) => {
            format!("The connection to {address} was closed {took} after the request for {name}.")
        }
        Some(Mechanism::HttpTruncated) => {
            format!("The answer of {address} for {name} stopped in the middle after {took}.")
        }
        _ => {
            format!("The {} step to {address} ({name}) failed: {}.", failing.layer, quoted(&failing.failure.as_ooni()))
        }
    }
}

/// Whose certificate came and what is wrong with it.
pub(super) fn certificate(hop: &Hop<'_>, path: &Path<'_>) -> String {
    let Some(tls) = path.tls else { return format!("{} showed no certificate for {}.", path.address, host(hop)) };
    let issuer = match tls.chain.first() {
        Some(leaf) => format!("a certificate for {} issued by {}", quoted(&leaf.subject), quoted(&leaf.issuer)),
        None => "no certificate that could be read".into(),
    };
    let mut sentence = format!("{} answered for {} with {issuer}", path.address, host(hop));
    let faults: Vec<&str> = CertificateFault::ALL
        .iter()
        .filter(|fault| tls.faults.contains(fault))
        .map(|fault| match fault {
            CertificateFault::UnknownIssuer => "no trusted authority vouches for it",
            CertificateFault::WrongName => "it is for another name",
            CertificateFault::Expired => "its time is over",
            CertificateFault::NotYetValid => "its time has not come",
            CertificateFault::BadSignature => "the peer did not prove that it is its own",
            CertificateFault::Malformed => "it is malformed",
        })
        .collect();
    if !faults.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(sentence, ": {}", faults.join(", "));
    }
    sentence.push('.');
    sentence
}

/// What the best control saw.
pub(super) fn control(report: &ControlReport) -> String {
    let (id, at) = (&report.id, report.at);
    if let Some(failure) = &report.unusable {
        return format!("The control {id} could not be asked at {at} ({}).", failure.label());
    }
    match report.http.as_ref() {
        Some(http) if http.failure.is_none() => match http.status {
            Some(status) => format!("The control {id} got an answer from the site (status {status}) at {at}."),
            None => format!("The control {id} got no answer from the site at {at}."),
        },
        Some(http) => {
            let failure = http.failure.as_ref().map_or("unknown", Failure::label);
            format!("The control {id} did not reach the site at {at} either ({failure}).")
        }
        None => format!("The control {id} did not reach the site at {at} either."),
    }
}

/// What all controls saw, the best one first, at most three of them.
pub(super) fn controls(facts: &Facts<'_>) -> Vec<String> {
    facts.controls.reports.iter().take(3).map(|report| control(report)).collect()
}

/// How the canaries fare.
pub(super) fn canaries(facts: &Facts<'_>) -> String {
    let ((foreign, of_foreign), (domestic, of_domestic)) = (facts.canaries.foreign, facts.canaries.domestic);
    match (of_foreign, of_domestic) {
        (0, 0) => "No canary was asked.".into(),
        (_, 0) => format!("{foreign} of {of_foreign} foreign canaries answered."),
        (0, _) => format!("{domestic} of {of_domestic} domestic canaries answered; no foreign one was asked."),
        _ => format!("{foreign} of {of_foreign} foreign and {domestic} of {of_domestic} domestic canaries answered."),
    }
}

/// What is odd beside an authentic answer: resolvers that fail or lie, questions answered twice, addresses that fail.
pub(super) fn oddities(facts: &Facts<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    for hop in &facts.seen.hops {
        for lookup in &hop.own.lookups {
            if let Some(failure) = &lookup.failure {
                reasons.push(dns_failure(lookup, failure, hop));
            }
            if let Some(bogon) = lookup.addresses.iter().find(|ip| facts.knowledge.is_bogon(**ip)) {
                reasons.push(format!("{} also gave {bogon}, which cannot be public.", resolver(lookup)));
            }
            if lookup.conflict.is_some() {
                reasons.push(format!("{} sent two different answers to one question.", resolver(lookup)));
            }
        }
        let own: Vec<&Path<'_>> = hop.paths.iter().filter(|path| path.own && !path.bogon).collect();
        let failed = own.iter().filter(|path| Failing::on(hop, path, &facts.canaries).is_some()).count();
        if failed > 0 {
            reasons.push(format!("{failed} of the {} addresses of {} failed.", own.len(), host(hop)));
        }
    }
    reasons.truncate(6);
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_tamed() {
        assert_eq!(quoted("a\u{1b}[31mb\r\nc"), "“a [31mb c”");
        assert_eq!(quoted("x\u{202e}y\u{200b}”z"), "“xy'z”");
        assert_eq!(quoted("  \t "), "“”");
        let long = quoted(&"ж".repeat(500));
        assert_eq!(long.chars().count(), QUOTE_LIMIT + 2);
        assert!(long.ends_with("…”"));
    }

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(time(Elapsed::from_micros(10_200_000)), "10.2 s");
        assert_eq!(time(Elapsed::from_micros(42_000)), "42 ms");
    }
}

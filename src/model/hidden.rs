//! Addresses in texts that others wrote: those that the measurement did not itself ask for or connect to go (DESIGN 10).
//!
//! Sites and filters write their visitor's address into titles, redirects and pages. Behind a NAT we do not know that
//! address, so every address is taken out that is not known to be another's. Addresses in another writing (as a number,
//! encoded) are not found.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::control::Evidence;
use super::private::public_resolver;
use super::verdict::Verdict;

/// What stands in the place of an address; it can be part of a URL.
const STAND_IN: &str = "hidden-address";

/// Longest text of an IPv6 address (RFC 4291 section 2.2, form 3).
const LONGEST: usize = 45;

/// The addresses of a measurement that may be shown.
#[derive(Debug)]
pub struct KnownAddresses(BTreeSet<IpAddr>);

impl KnownAddresses {
    /// The addresses that were answered for the site, or dialled, here and at the controls, and of public resolvers.
    pub fn of(evidence: &Evidence) -> Self {
        let measurement = &evidence.measurement;
        let answered = measurement.dns.iter().flat_map(|exchange| &exchange.answers);
        let mut known: BTreeSet<IpAddr> = answered.flat_map(|answer| answer.addresses.iter().copied()).collect();
        known.extend(measurement.dns.iter().filter_map(|exchange| public_resolver(&exchange.resolver)));
        known.extend(measurement.tcp.iter().map(|tcp| tcp.address.ip()));
        for control in &evidence.controls {
            known.extend(control.dns.iter().flat_map(|dns| dns.addresses.iter().copied()));
            known.extend(control.endpoints.iter().map(|endpoint| endpoint.address.ip()));
            known.extend(control.quic.iter().map(|quic| quic.address.ip()));
        }
        let attempts = evidence.experiments.iter().flat_map(|pair| [&pair.suspect, &pair.variant]);
        known.extend(attempts.filter_map(|attempt| attempt.address).map(|address| address.ip()));
        // A page that sends its visitor to his own address, or a resolver that gives it, makes it no more known.
        for own in measurement.tcp.iter().filter(|tcp| tcp.is_refused_as_own()) {
            known.remove(&own.address.ip());
        }
        Self(known)
    }

    /// A text without any other address.
    pub fn hide_others<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.hide_others_in(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The sentences of a verdict without any other address: they quote titles.
    pub fn hide_others_of(&self, mut verdict: Verdict) -> Verdict {
        let partial = verdict.partial.iter_mut().map(|part| &mut part.reason);
        for reason in verdict.reasons.iter_mut().chain(partial) {
            if let Cow::Owned(hidden) = self.hide_others(reason) {
                *reason = hidden;
            }
        }
        verdict
    }

    /// The same for bytes.
    pub fn hide_others_in<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut scrubbed: Option<Vec<u8>> = None;
        let mut copied = 0;
        let mut at = 0;
        while at < text.len() {
            let word = text[at..].iter().take_while(|byte| is_of_address(**byte)).count();
            for (start, end, ip) in addresses(text, at, at + word) {
                if self.0.contains(&ip.to_canonical()) || self.0.contains(&ip) {
                    continue;
                }
                let scrubbed = scrubbed.get_or_insert_with(Vec::new);
                scrubbed.extend_from_slice(&text[copied..start]);
                scrubbed.extend_from_slice(STAND_IN.as_bytes());
                copied = end;
            }
            at += word.max(1);
        }
        match scrubbed {
            None => Cow::Borrowed(text),
            Some(mut scrubbed) => {
                scrubbed.extend_from_slice(&text[copied..]);
                Cow::Owned(scrubbed)
            }
        }
    }
}

const fn is_of_address(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')
}

/// The addresses in `text[start..end]`, a run of hex digits, dots and colons: one of IPv6, or some of IPv4 between
/// colons. Each with where it begins and ends.
fn addresses(text: &[u8], start: usize, end: usize) -> Vec<(usize, usize, IpAddr)> {
    let alone = |from: usize, to: usize| {
        let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        !letter(from.checked_sub(1)) && !letter(Some(to))
    };
    let (mut from, mut to) = (start, end);
    while to > from && text[to - 1] == b'.' {
        to -= 1;
    }
    if to - from > 2 && text[to - 1] == b':' && text[to - 2] != b':' {
        to -= 1;
    }
    if to - from > 2 && text[from] == b':' && text[from + 1] != b':' {
        from += 1;
    }
    if alone(from, to)
        && let Some(v6) = parsed::<Ipv6Addr>(&text[from..to])
        && !v6.is_unspecified()
    {
        return vec![(from, to, v6.into())];
    }
    let mut found = Vec::new();
    let mut from = start;
    for piece in text[start..end].split(|byte| *byte == b':') {
        let bare = piece.trim_ascii_end();
        let dots = bare.iter().take_while(|byte| **byte == b'.').count();
        let tail = bare.iter().rev().take_while(|byte| **byte == b'.').count();
        if dots + tail < bare.len() {
            let (first, last) = (from + dots, from + bare.len() - tail);
            if alone(first, last)
                && let Some(v4) = parsed::<Ipv4Addr>(&text[first..last])
            {
                found.push((first, last, v4.into()));
            }
        }
        from += piece.len() + 1;
    }
    found
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    (text.len() <= LONGEST).then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(texts: &[&str]) -> KnownAddresses {
        KnownAddresses(texts.iter().map(|ip| ip.parse().unwrap()).collect())
    }

    #[test]
    fn unknown_addresses_go_and_all_else_stays() {
        let known = known(&["203.0.113.5", "2001:db8::5"]);
        for (text, shown) in [
            ("Your IP: 198.51.100.77.", "Your IP: hidden-address."),
            ("ip:198.51.100.77", "ip:hidden-address"),
            ("198.51.100.77:4431 and 10.1.2.3", "hidden-address:4431 and hidden-address"),
            ("/blocked?ip=198.51.100.77&url=x", "/blocked?ip=hidden-address&url=x"),
            ("[2001:db8::99]:443", "[hidden-address]:443"),
            ("you are 2001:db8:1:2:3:4:5:6, are you?", "you are hidden-address, are you?"),
            ("ip:2001:db8::99", "ip:hidden-address"),
            ("::ffff:198.51.100.77", "hidden-address"),
            ("203.0.113.5 2001:db8::5 ::ffff:203.0.113.5", "203.0.113.5 2001:db8::5 ::ffff:203.0.113.5"),
            (
                "12:30:05 a::before x::y std::cout :: 1.2.3 v1.2.3.4b 1.2.3.4.5 999.1.1.1",
                "12:30:05 a::before x::y std::cout :: 1.2.3 v1.2.3.4b 1.2.3.4.5 999.1.1.1",
            ),
        ] {
            assert_eq!(known.hide_others(text), shown);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_a_scrubbed_text_stays_as_it_is(text in "[0-9a-f:. x]{0,60}") {
            let known = known(&[]);
            let once = known.hide_others(&text).into_owned();
            prop_assert_eq!(known.hide_others(&once), once.as_str());
        }

        #[test]
        fn whatever_address_stands_alone_goes(bits: u128, v4: u32) {
            let known = known(&[]);
            let (six, four) = (Ipv6Addr::from(bits | 1), Ipv4Addr::from(v4));
            let text = format!("({six}) {four}");
            prop_assert_eq!(known.hide_others(&text), "(hidden-address) hidden-address");
        }
    }
}

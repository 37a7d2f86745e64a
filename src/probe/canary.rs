//! Canaries: stable unrelated sites that tell whether a vantage has a network at all.

use futures_util::future::join_all;

use super::outcome::last_failure;
use super::{Prober, Target};
use crate::config::CanaryConfig;
use crate::model::{
    AddressFamily, AddressOrigin, CanaryQuic, CanaryReport, CanaryResult, CanaryScope, DnsRole, Failure, HttpExchange,
    Measurement, Pace, SiteId, Timestamp, TlsHandshake, Trigger,
};
use crate::vantage::Vantage;

/// The canaries that serve `vantage`: all foreign ones, and the domestic ones of its country.
pub fn for_vantage(canaries: &[CanaryConfig], vantage: &Vantage) -> Vec<CanaryConfig> {
    canaries.iter().filter(|canary| serves(canary, vantage.country())).cloned().collect()
}

fn serves(canary: &CanaryConfig, country: crate::model::CountryCode) -> bool {
    canary.scope == CanaryScope::Foreign || canary.country.is_none_or(|of| of == country)
}

/// Asks all `canaries` at once, each by a plain measurement of its URL. `at` is when they were asked.
pub async fn ask_canaries(prober: &Prober, vantage: &Vantage, canaries: &[CanaryConfig]) -> CanaryReport {
    let at = Timestamp::now();
    let results = join_all(canaries.iter().map(|canary| async { ask_canary(prober, vantage, canary).await.0 })).await;
    CanaryReport { at, results }
}

/// Asks one canary. Gives what it said, and the measurement that it was asked by.
pub async fn ask_canary(
    prober: &Prober,
    vantage: &Vantage,
    canary: &CanaryConfig,
) -> (CanaryResult, Option<Measurement>) {
    let mut result = CanaryResult::new(canary.url.clone(), canary.scope, None);
    let site = match "canary".parse::<SiteId>() {
        Ok(site) => site,
        Err(error) => {
            result.failure = Some(Failure::Unknown(error.to_string()));
            return (result, None);
        }
    };
    let target = Target { site, url: canary.url.clone() };
    let measurement = prober.measure(&target, vantage, Trigger::Scheduled).await;
    result.failure = failure(&measurement);
    result.pace = Pace::of(&measurement);
    result.quic = quic(&measurement);
    result.families = families(&measurement);
    result.resolvers = resolvers(&measurement);
    (result, Some(measurement))
}

/// None when the canary answered as it answers the vantage's users: over authentic TLS with anything at all, in clear
/// text with no server error, by an address that the vantage's own resolvers gave. A canary that only the encrypted
/// reference led to would hide that the vantage's resolvers are dead, and every site would look blocked by them.
fn failure(measurement: &Measurement) -> Option<Failure> {
    let answered = measurement.http.iter().any(|exchange| match exchange.status {
        Some(_) if exchange.url.scheme() == "https" => {
            measurement.is_authentic(exchange) && is_own(measurement, exchange)
        }
        // A clear-text answer to an https canary is no sign of the canary itself.
        Some(status) => measurement.url.scheme() == "http" && status < 500 && exchange.origin == AddressOrigin::Own,
        None => false,
    });
    if answered {
        return None;
    }
    let tls = || measurement.tls.iter().find_map(|tls| tls.failure.clone());
    let dns = || {
        let own = measurement.dns.iter().filter(|dns| dns.role == DnsRole::Own);
        own.into_iter().find_map(|dns| dns.failure.clone())
    };
    Some(last_failure(measurement).or_else(tls).or_else(dns).unwrap_or(Failure::HttpRequestFailed))
}

/// How its QUIC handshakes ended: well when any did. None when none was tried.
fn quic(measurement: &Measurement) -> Option<CanaryQuic> {
    let mut tried =
        measurement.quic.iter().map(|quic| &quic.failure).filter(|failure| **failure != Some(Failure::Interrupted));
    let first = tried.next()?.clone();
    let well = first.is_none() || tried.any(Option::is_none);
    Some(CanaryQuic { failure: first.filter(|_| !well) })
}

/// The address families over which users get there.
fn families(measurement: &Measurement) -> Vec<AddressFamily> {
    let own = measurement.tcp.iter().filter(|tcp| tcp.origin == AddressOrigin::Own && !tcp.bogon);
    let reached: Vec<AddressFamily> = own
        .filter(|tcp| {
            let mut handshakes =
                measurement.tls.iter().filter(|tls| (tls.hop, tls.address) == (tcp.hop, tcp.address)).peekable();
            // In clear text anyone in between could answer, but it would take a path of that family to get there.
            let clear = handshakes.peek().is_none() && measurement.url.scheme() == "http";
            tcp.failure.is_none() && (clear || handshakes.any(TlsHandshake::is_authentic))
        })
        .map(|tcp| AddressFamily::of(tcp.address.ip()))
        .collect();
    AddressFamily::ALL.iter().copied().filter(|family| reached.contains(family)).collect()
}

/// The own resolvers that gave an address.
fn resolvers(measurement: &Measurement) -> Vec<String> {
    let gave = measurement.dns.iter().filter(|dns| dns.role == DnsRole::Own && dns.failure.is_none());
    let mut names: Vec<String> = gave.map(|dns| dns.resolver.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether users get there: by the address that carried the exchange, or by another one that proved itself.
fn is_own(measurement: &Measurement, exchange: &HttpExchange) -> bool {
    let proven = |tls: &TlsHandshake| tls.hop == exchange.hop && tls.origin == AddressOrigin::Own && tls.is_authentic();
    exchange.origin == AddressOrigin::Own || measurement.tls.iter().any(proven)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domestic_canaries_serve_their_country() {
        let canary = |scope, country: Option<&str>| CanaryConfig {
            url: "https://canary.example/".parse().unwrap(),
            scope,
            country: country.map(|code| code.parse().unwrap()),
        };
        let kz = "KZ".parse().unwrap();
        assert!(serves(&canary(CanaryScope::Foreign, Some("RU")), kz));
        assert!(serves(&canary(CanaryScope::Domestic, Some("KZ")), kz));
        assert!(serves(&canary(CanaryScope::Domestic, None), kz));
        assert!(!serves(&canary(CanaryScope::Domestic, Some("RU")), kz));
    }
}

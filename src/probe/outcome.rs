//! What a measurement amounts to, in short: the failure that ended it.

use crate::model::{Failure, Measurement};

/// Why the last hop got no answer: the deepest layer that was reached tells. None when it got one.
pub fn last_failure(measurement: &Measurement) -> Option<Failure> {
    let last = last_hop(measurement);
    if let Some(exchange) = measurement.http.iter().find(|exchange| exchange.hop == last) {
        return exchange.failure.clone();
    }
    let tls = measurement.tls.iter().filter(|tls| tls.hop == last).find_map(|tls| tls.failure.clone());
    let tcp = measurement.tcp.iter().filter(|tcp| tcp.hop == last).find_map(|tcp| tcp.failure.clone());
    let dns = measurement.dns.iter().filter(|dns| dns.hop == last).find_map(|dns| dns.failure.clone());
    Some(tls.or(tcp).or(dns).unwrap_or(Failure::GenericTimeout))
}

/// The last hop that anything was recorded of.
pub(super) fn last_hop(measurement: &Measurement) -> u8 {
    let dns = measurement.dns.iter().map(|dns| dns.hop);
    let tcp = measurement.tcp.iter().map(|tcp| tcp.hop);
    dns.chain(tcp).chain(measurement.http.iter().map(|http| http.hop)).max().unwrap_or(0)
}

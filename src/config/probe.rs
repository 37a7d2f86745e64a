//! `[probe]`: how one URL is measured, and how often.

use std::time::Duration;

use super::document::Fields;
use super::duration::{DAY, HOUR, MINUTE, length, show};
use super::types::ProbeConfig;
use super::value::{bytes, number, truth, whole};

const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            interval: MINUTE,
            jitter: 0.1,
            dns_timeout: Duration::from_secs(5),
            tcp_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            http_timeout: Duration::from_secs(10),
            quic: true,
            quic_timeout: Duration::from_secs(10),
            url_timeout: Duration::from_secs(30),
            body_limit: 512 * 1024,
            max_addresses: 6,
            max_in_flight: 64,
        }
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> ProbeConfig {
    let default = ProbeConfig::default();
    let timeout = || length(SHORTEST_TIMEOUT, 10 * MINUTE);
    let url_timeout = fields.or("url_timeout", default.url_timeout, length(SHORTEST_TIMEOUT, HOUR));
    let probe = ProbeConfig {
        interval: fields.or("interval", default.interval, length(Duration::from_secs(1), 30 * DAY)),
        jitter: fields.or("jitter", default.jitter, number(0.0..=0.5)),
        dns_timeout: fields.or("dns_timeout", default.dns_timeout, timeout()),
        tcp_timeout: fields.or("tcp_timeout", default.tcp_timeout, timeout()),
        tls_timeout: fields.or("tls_timeout", default.tls_timeout, timeout()),
        http_timeout: fields.or("http_timeout", default.http_timeout, timeout()),
        quic: fields.or("quic", default.quic, truth),
        // A layer that few ask for by name raises no warning by its default.
        quic_timeout: fields.or("quic_timeout", default.quic_timeout.min(url_timeout), timeout()),
        url_timeout,
        body_limit: fields.or("body_limit", default.body_limit, bytes(1024..=64 * 1024 * 1024)),
        max_addresses: fields.or("max_addresses", default.max_addresses, whole(1..=64)),
        max_in_flight: fields.or("max_in_flight", default.max_in_flight, whole(1..=10_000)),
    };
    for (key, step) in [
        ("dns_timeout", probe.dns_timeout),
        ("tcp_timeout", probe.tcp_timeout),
        ("tls_timeout", probe.tls_timeout),
        ("http_timeout", probe.http_timeout),
        ("quic_timeout", probe.quic_timeout),
    ] {
        if step > probe.url_timeout {
            let (step, whole) = (show(step), show(probe.url_timeout));
            let message =
                format!("`{key}` ({step}) can never run out: `url_timeout` ({whole}) ends the measurement before");
            fields.doc.warn(&fields.span(), message);
        }
    }
    probe
}

//! The layers of a measurement in OONI's data formats (df-001 to df-008). Times are seconds since the measurement began.

use std::io::Read;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::model::{
    Body, ControlReport, DnsAnswer, DnsExchange, DnsTransport, Elapsed, Failure, HttpExchange, Measurement,
};

/// Bytes of a kept body that are unpacked at most.
const MOST_BODY: u64 = 1 << 20;

/// A failure string that OONI knows: names that are ours become the text of an unknown failure.
pub(super) fn failure(failure: &Failure) -> String {
    match failure {
        Failure::HttpTooManyRedirects | Failure::ProxyFailed => format!("unknown_failure: {}", failure.label()),
        known => known.as_ooni().into_owned(),
    }
}

fn told(cause: Option<&Failure>) -> Option<String> {
    cause.map(failure)
}

fn end(started: Elapsed, elapsed: Elapsed) -> f64 {
    started.as_seconds() + elapsed.as_seconds()
}

fn depth(hop: u8) -> Value {
    json!([format!("depth={hop}")])
}

/// df-002: one entry a question, with the first answer that fits it.
pub(super) fn queries(measurement: &Measurement) -> Vec<Value> {
    measurement.dns.iter().map(|exchange| query(exchange, first(exchange), exchange.failure.as_ref())).collect()
}

/// The answers after that one, late and second ones, which the probe of OONI keeps apart too.
pub(super) fn duplicates(measurement: &Measurement) -> Vec<Value> {
    let more = |exchange| {
        let first = first(exchange);
        let DnsExchange { answers, .. } = exchange;
        answers.iter().filter(move |answer| first.is_none_or(|first| !std::ptr::eq(first, *answer)))
    };
    measurement
        .dns
        .iter()
        .flat_map(|exchange| more(exchange).map(|answer| query(exchange, Some(answer), None)))
        .collect()
}

fn first(exchange: &DnsExchange) -> Option<&DnsAnswer> {
    exchange.answers.iter().find(|answer| answer.matches_question).or_else(|| exchange.answers.first())
}

fn query(exchange: &DnsExchange, answer: Option<&DnsAnswer>, cause: Option<&Failure>) -> Value {
    let mut entry = json!({
        "answers": answer.map(|answer| answers(answer, &exchange.name)).filter(|answers| !answers.is_empty()),
        "engine": exchange.transport,
        "failure": told(cause),
        "hostname": exchange.name,
        "query_type": exchange.query_type,
        "resolver_hostname": null,
        "resolver_port": null,
        "resolver_address": resolver_address(exchange),
        "t0": exchange.started.as_seconds(),
        "t": end(exchange.started, exchange.elapsed),
        "tags": depth(exchange.hop),
    });
    if let Some(answer) = answer {
        entry["t"] = json!(end(exchange.started, answer.latency));
        if let Some(rcode) = answer.rcode {
            entry["rcode"] = json!(rcode);
        }
        if !answer.raw.is_empty() {
            entry["raw_response"] = json!(answer.raw);
        }
    }
    entry
}

fn answers(answer: &DnsAnswer, name: &str) -> Vec<Value> {
    let ttl = answer.record_ttl_seconds;
    let names = answer.cnames.iter().filter(|cname| *cname != name);
    let names = names.map(|cname| json!({"answer_type": "CNAME", "hostname": cname, "ttl": ttl}));
    let addresses = answer.addresses.iter().map(|address| match address {
        IpAddr::V4(v4) => json!({"answer_type": "A", "ipv4": v4, "ttl": ttl}),
        IpAddr::V6(v6) => json!({"answer_type": "AAAA", "ipv6": v6, "ttl": ttl}),
    });
    names.chain(addresses).collect()
}

/// `8.8.8.8:53`, a URL over HTTPS, or nothing where the resolver is not told.
fn resolver_address(exchange: &DnsExchange) -> &str {
    let label = exchange.resolver.as_str();
    match (exchange.transport, label.split_once("://")) {
        (DnsTransport::Doh, Some(_)) => label.split('@').next().unwrap_or(label),
        (_, Some((_, "private"))) | (_, None) => "",
        (_, Some((_, address))) => address.rsplit('@').next().unwrap_or(address),
    }
}

/// df-005. An address that was recorded and not dialled is no connection.
pub(super) fn tcp_connect(measurement: &Measurement) -> Vec<Value> {
    let dialled = measurement.tcp.iter().filter(|tcp| tcp.failure != Some(Failure::DnsBogon));
    let entry = |tcp: &crate::model::TcpConnect| {
        json!({
            "ip": tcp.address.ip(),
            "port": tcp.address.port(),
            "status": {"failure": told(tcp.failure.as_ref()), "success": tcp.failure.is_none()},
            "t0": tcp.started.as_seconds(),
            "t": end(tcp.started, tcp.elapsed),
            "tags": depth(tcp.hop),
        })
    };
    dialled.map(entry).collect()
}

/// df-006: over TCP, then those of QUIC.
pub(super) fn tls_handshakes(measurement: &Measurement) -> Vec<Value> {
    let tcp = measurement.tls.iter().map(|tls| {
        let chain: Vec<Value> = tls
            .chain
            .iter()
            .filter(|certificate| !certificate.der.is_empty())
            .map(|certificate| json!({"format": "base64", "data": certificate.der}))
            .collect();
        json!({
            "network": "tcp",
            "address": tls.address,
            "cipher_suite": tls.cipher.as_deref().unwrap_or_default(),
            "failure": told(tls.failure.as_ref()),
            "negotiated_protocol": tls.alpn.as_deref().unwrap_or_default(),
            "no_tls_verify": false,
            "peer_certificates": chain,
            "server_name": tls.server_name,
            "t0": tls.started.as_seconds(),
            "t": end(tls.started, tls.elapsed),
            "tags": depth(tls.hop),
            "tls_version": tls.version.as_deref().unwrap_or_default(),
        })
    });
    let quic = measurement.quic.iter().map(|quic| {
        json!({
            "network": "udp",
            "address": quic.address,
            "cipher_suite": "",
            "failure": told(quic.failure.as_ref()),
            "negotiated_protocol": quic.alpn.as_deref().unwrap_or_default(),
            "no_tls_verify": false,
            "peer_certificates": [],
            "server_name": quic.server_name,
            "t0": quic.started.as_seconds(),
            "t": end(quic.started, quic.elapsed),
            "tags": depth(quic.hop),
            "tls_version": if quic.failure.is_none() { "TLSv1.3" } else { "" },
        })
    });
    tcp.chain(quic).collect()
}

/// df-001, the newest first.
pub(super) fn requests(measurement: &Measurement) -> Vec<Value> {
    measurement.http.iter().rev().map(request).collect()
}

fn request(exchange: &HttpExchange) -> Value {
    let (body, truncated) = exchange.body.as_ref().map_or((Value::from(""), false), body);
    let mut headers = Map::new();
    for (name, value) in &exchange.headers {
        headers.entry(name.clone()).or_insert_with(|| json!(value));
    }
    json!({
        "network": "tcp",
        "address": exchange.address,
        "alpn": if exchange.protocol == "h2" { "h2" } else { "" },
        "failure": told(exchange.failure.as_ref()),
        "request": {
            "url": exchange.url,
            "method": "GET",
            "body": "",
            "body_is_truncated": false,
            "headers": {},
            "headers_list": [],
            "tor": {"exit_ip": null, "exit_name": null, "is_tor": false},
            "x_transport": "tcp",
        },
        "response": {
            "body": body,
            "body_is_truncated": truncated,
            "code": exchange.status.unwrap_or(0),
            "headers": headers,
            "headers_list": exchange.headers,
        },
        "t0": exchange.started.as_seconds(),
        "t": end(exchange.started, exchange.elapsed),
        "tags": depth(exchange.hop),
    })
}

/// The body as far as it was kept, and whether that is less than all. A body that was not kept is cut to nothing.
fn body(body: &Body) -> (Value, bool) {
    let unpacked = body.kept.as_deref().and_then(|kept| {
        let packed = BASE64.decode(kept).ok()?;
        let mut plain = Vec::new();
        zstd::Decoder::new(packed.as_slice()).ok()?.take(MOST_BODY).read_to_end(&mut plain).ok()?;
        Some(plain)
    });
    let plain = unpacked.unwrap_or_default();
    let truncated = body.truncated || (plain.len() as u64) < body.length;
    let value = match String::from_utf8(plain) {
        Ok(text) => Value::String(text),
        Err(bytes) => json!({"format": "base64", "data": BASE64.encode(bytes.into_bytes())}),
    };
    (value, truncated)
}

/// df-008, in order of time: what is known of connections, handshakes and exchanges.
pub(super) fn network_events(measurement: &Measurement) -> Vec<Value> {
    let mut events: Vec<(f64, Value)> = Vec::new();
    let mut tell =
        |operation: &str, address: std::net::SocketAddr, cause: Option<&Failure>, t0: f64, t: f64, hop: u8| {
            let event = json!({
                "address": address, "failure": told(cause), "operation": operation, "proto": "tcp", "t0": t0, "t": t,
                "tags": depth(hop),
            });
            events.push((t, event));
        };
    for tcp in measurement.tcp.iter().filter(|tcp| tcp.failure != Some(Failure::DnsBogon)) {
        let (t0, t) = (tcp.started.as_seconds(), end(tcp.started, tcp.elapsed));
        tell("connect", tcp.address, tcp.failure.as_ref(), t0, t, tcp.hop);
    }
    for tls in &measurement.tls {
        let (t0, t) = (tls.started.as_seconds(), end(tls.started, tls.elapsed));
        tell("tls_handshake_start", tls.address, None, t0, t0, tls.hop);
        tell("tls_handshake_done", tls.address, tls.failure.as_ref(), t0, t, tls.hop);
    }
    for http in &measurement.http {
        let (t0, t) = (http.started.as_seconds(), end(http.started, http.elapsed));
        tell("http_transaction_start", http.address, None, t0, t0, http.hop);
        tell("http_transaction_done", http.address, http.failure.as_ref(), t0, t, http.hop);
    }
    events.sort_by(|one, other| one.0.total_cmp(&other.0));
    events.into_iter().map(|(_, event)| event).collect()
}

/// What OONI's probe would have asked its helper.
pub(super) fn control_request(measurement: &Measurement) -> Value {
    let mut endpoints: Vec<_> =
        measurement.tcp.iter().filter(|tcp| tcp.hop == 0).map(|tcp| tcp.address.to_string()).collect();
    endpoints.sort();
    endpoints.dedup();
    json!({
        "http_request": measurement.url,
        "http_request_headers": {},
        "tcp_connect": endpoints,
        "x_quic_enabled": false,
    })
}

/// What a control saw, in the shape of a helper's answer. Of header fields we know the names only.
pub(super) fn control(control: &ControlReport) -> Value {
    let mut tcp = Map::new();
    let mut tls = Map::new();
    let http = control.http.as_ref();
    for endpoint in &control.endpoints {
        let address = endpoint.address.to_string();
        let cause = endpoint.tcp_failure.as_ref();
        if endpoint.tls_tried {
            let cause = endpoint.tls_failure.as_ref();
            tls.insert(address.clone(), json!({"server_name": "", "status": cause.is_none(), "failure": told(cause)}));
        }
        tcp.insert(address, json!({"status": cause.is_none(), "failure": told(cause)}));
    }
    let headers: Map<String, Value> =
        http.iter().flat_map(|http| &http.header_names).map(|name| (name.clone(), json!(""))).collect();
    let dns = control.dns.as_ref();
    json!({
        "tcp_connect": tcp,
        "tls_handshake": tls,
        "quic_handshake": {},
        "http_request": {
            "body_length": http.and_then(|http| http.body_length).map_or(-1, |length| i64::try_from(length).unwrap_or(-1)),
            "discovered_h3_endpoint": "",
            "failure": told(http.and_then(|http| http.failure.as_ref())),
            "title": http.and_then(|http| http.title.as_deref()).unwrap_or_default(),
            "headers": headers,
            "status_code": http.and_then(|http| http.status).map_or(-1, i32::from),
        },
        "http3_request": null,
        "dns": {
            "failure": told(dns.and_then(|dns| dns.failure.as_ref())),
            "addrs": dns.map(|dns| dns.addresses.as_slice()).unwrap_or_default(),
        },
        "ip_info": {},
    })
}

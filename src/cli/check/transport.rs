//! TCP, TLS, HTTP and QUIC of one hop.

use super::sketch::{Mark, Sketch};
use crate::language::Language;
use crate::model::{
    AddressOrigin, CertificateRecord, HttpExchange, Layer, Measurement, QuicHandshake, QuicHint, TcpConnect, Timestamp,
    TlsHandshake, size_in_words,
};

/// Draws the connection attempts, handshakes and the exchange of one hop.
pub(super) fn draw(sketch: &mut Sketch<'_>, measurement: &Measurement, hop: u8) {
    let tcp: Vec<&TcpConnect> = measurement.tcp.iter().filter(|step| step.hop == hop).collect();
    if !tcp.is_empty() {
        sketch.heading("TCP", "");
        tcp.into_iter().for_each(|step| connect(sketch, step));
    }
    let tls: Vec<&TlsHandshake> = measurement.tls.iter().filter(|step| step.hop == hop).collect();
    if let Some(first) = tls.first() {
        sketch.heading("TLS", &format!("as {}", first.server_name));
        tls.iter().for_each(|step| handshake(sketch, step, measurement.started_at));
    }
    let http: Vec<&HttpExchange> = measurement.http.iter().filter(|step| step.hop == hop).collect();
    if let Some(first) = http.first() {
        sketch.heading("HTTP", &format!("GET {}", first.url));
        http.iter().for_each(|step| exchange(sketch, step));
    }
    let quic: Vec<&QuicHandshake> = measurement.quic.iter().filter(|step| step.hop == hop).collect();
    if let Some(first) = quic.first() {
        sketch.heading("QUIC", &format!("as {}", first.server_name));
        quic.iter().for_each(|step| greeting(sketch, step));
    }
}

fn greeting(sketch: &mut Sketch<'_>, step: &QuicHandshake) {
    let mut text = match &step.failure {
        None => "certificate valid".to_owned(),
        Some(failure) => Language::English.failure(Layer::Quic, failure),
    };
    if let Some(protocol) = &step.alpn {
        text.push_str(&format!(", {protocol}"));
    }
    sketch.step(mark(step.failure.is_none()), &step.address.to_string(), Some(step.elapsed), &text);
    match step.hint {
        Some(QuicHint::AltSvc) => sketch.note("the site says that it speaks HTTP/3 (Alt-Svc)"),
        Some(QuicHint::HttpsRecord) => sketch.note("the DNS says that it speaks HTTP/3 (HTTPS record)"),
        None => {}
    }
    if let Some(good) = step.last_good {
        sketch.note(&format!("greeted well from here {}", super::super::words::moment(good)));
    }
}

const fn mark(good: bool) -> Mark {
    if good { Mark::Good } else { Mark::Bad }
}

const fn origin(origin: AddressOrigin) -> &'static str {
    match origin {
        AddressOrigin::Own => "",
        AddressOrigin::Control => " (address from the reference)",
    }
}

fn connect(sketch: &mut Sketch<'_>, step: &TcpConnect) {
    if step.bogon {
        sketch.step(
            Mark::None,
            &step.address.to_string(),
            None,
            "not dialled: it cannot be a public address, or is this machine's own",
        );
        return;
    }
    let words =
        step.failure.as_ref().map_or("connected".into(), |failure| Language::English.failure(Layer::Tcp, failure));
    let network = match sketch.networks.asn(step.address.ip()) {
        Some(asn) => format!(", AS{} {}", asn.number, asn.name),
        None => String::new(),
    };
    let text = format!("{words}{}{}", origin(step.origin), network.trim_end());
    sketch.step(mark(step.failure.is_none()), &step.address.to_string(), Some(step.elapsed), &text);
}

fn handshake(sketch: &mut Sketch<'_>, step: &TlsHandshake, now: Timestamp) {
    let mut text = match (&step.failure, &step.alert) {
        (Some(_), Some(alert)) => format!("turned away by the alert {alert}"),
        (Some(_), None) if !step.faults.is_empty() => "someone answers, but not provably the site".to_owned(),
        (Some(failure), None) => Language::English.failure(Layer::Tls, failure),
        (None, _) => "certificate valid".to_owned(),
    };
    let agreed: Vec<&str> = [&step.version, &step.alpn].into_iter().flatten().map(String::as_str).collect();
    if !agreed.is_empty() {
        text.push_str(&format!(", {}", agreed.join(", ")));
    }
    sketch.step(
        mark(step.failure.is_none() && step.faults.is_empty()),
        &step.address.to_string(),
        Some(step.elapsed),
        &text,
    );
    if let Some(leaf) = step.chain.first() {
        certificate(sketch, leaf, now);
    }
    if !step.faults.is_empty() {
        let faults: Vec<String> = step.faults.iter().map(|&fault| Language::English.certificate_fault(fault)).collect();
        sketch.note(&format!("it {}", faults.join(", ")));
    }
}

fn certificate(sketch: &mut Sketch<'_>, leaf: &CertificateRecord, now: Timestamp) {
    let day = |at: Option<Timestamp>| at.map_or("?".to_owned(), |at| at.to_string().chars().take(10).collect());
    let subject = short(&leaf.subject);
    let subject = if subject.is_empty() { "an unnamed subject" } else { subject };
    let left = match leaf.not_after.map(|end| end.since(now).as_secs() / 86_400) {
        Some(days) if days > 0 => format!(" ({days} days left)"),
        _ => String::new(),
    };
    sketch.note(&format!("certificate of {subject}, issued by {}", short_issuer(&leaf.issuer)));
    sketch.note(&format!("valid {} to {}{left}", day(leaf.not_before), day(leaf.not_after)));
}

/// The common name of a distinguished name where that is all that matters.
fn short(name: &str) -> &str {
    name.strip_prefix("CN=").filter(|rest| !rest.contains('=')).unwrap_or(name)
}

fn short_issuer(name: &str) -> &str {
    if name.is_empty() { "nobody named" } else { short(name) }
}

fn exchange(sketch: &mut Sketch<'_>, step: &HttpExchange) {
    let mut parts = Vec::new();
    if let Some(status) = step.status {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        parts.push(reason.map_or(status.to_string(), |reason| format!("{status} {reason}")));
    }
    if let Some(failure) = &step.failure {
        parts.push(Language::English.failure(Layer::Http, failure));
    }
    if let Some(body) = &step.body {
        let size = size_in_words(body.length);
        parts.push(if body.truncated { format!("{size} read, then cut at our limit") } else { size });
    }
    let good = step.failure.is_none() && step.status.is_some_and(|status| status < 400);
    sketch.step(mark(good), &step.address.to_string(), Some(step.elapsed), &parts.join(", "));
    if let Some(title) = step.body.as_ref().and_then(|body| body.title.as_deref()).filter(|title| !title.is_empty()) {
        let title = sketch.look.show(title, 160);
        sketch.note(&format!("title \"{title}\""));
    }
}

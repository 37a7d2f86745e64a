//! A measurement layer by layer, as a person would explain it, without what would tell the vantage's own addresses.

use super::frame::{Frame, Mark, When, shown};
use crate::export::scrubbed;
use crate::model::{
    AddressOrigin, Attempt, CanaryReport, CertificateRecord, ControlReport, DnsExchange, DnsRole, Elapsed, Evidence,
    Experiment, ExperimentOutcome, Failure, HttpExchange, Layer, Measurement, QuicHandshake, TcpConnect, TlsHandshake,
    size_in_words,
};
use crate::store::StoredMeasurement;

/// A measurement as it is shown.
pub(super) struct MeasurementView {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) at: When,
    pub(super) mark: Mark,
    pub(super) how: Option<(String, &'static str)>,
    pub(super) part: Vec<String>,
    pub(super) trigger: String,
    pub(super) took: String,
    pub(super) sure: String,
    pub(super) reasons: Vec<String>,
    pub(super) rules: String,
    pub(super) rule_set: String,
    pub(super) layers: Vec<LayerView>,
    pub(super) controls: Vec<StepView>,
    pub(super) canaries: Vec<StepView>,
    pub(super) experiments: Vec<ExperimentView>,
    /// Why it is among those that are shown.
    pub(super) note: Option<String>,
    pub(super) is_open: bool,
}

pub(super) struct LayerView {
    pub(super) title: String,
    pub(super) steps: Vec<StepView>,
}

/// One step: with whom, what came of it, how long it took, and what more there is to say.
pub(super) struct StepView {
    pub(super) sign: &'static str,
    pub(super) class: &'static str,
    pub(super) subject: String,
    pub(super) outcome: String,
    pub(super) took: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) certificates: Vec<CertificateView>,
    pub(super) faults: Vec<String>,
}

pub(super) struct CertificateView {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) valid: String,
    pub(super) names: String,
    pub(super) hash: String,
}

pub(super) struct ExperimentView {
    pub(super) what: String,
    pub(super) suspect: StepView,
    pub(super) variant: StepView,
}

/// Names of a certificate that are shown.
const MOST_NAMES: usize = 12;

/// The view of a measurement.
pub(super) fn measurement(frame: &Frame, stored: &StoredMeasurement) -> MeasurementView {
    let (evidence, verdict) = scrubbed(&stored.evidence, &stored.verdict);
    let measured = &evidence.measurement;
    MeasurementView {
        id: measured.measurement_id.to_string(),
        href: frame.link(&format!("/measurements/{}", measured.measurement_id)),
        at: frame.instant(measured.started_at),
        mark: frame.mark(verdict.status),
        how: verdict.mechanism.map(|how| frame.how(how)),
        part: verdict
            .partial
            .iter()
            .map(|partial| {
                let (scope, how) = (frame.language.part(partial.scope), frame.language.mechanism(partial.mechanism));
                format!("{scope}: {how}. {}", shown(&partial.reason))
            })
            .collect(),
        trigger: frame.language.trigger(measured.trigger),
        took: seconds(measured.elapsed),
        sure: frame.language.percent(verdict.confidence),
        reasons: verdict.reasons.iter().map(|reason| shown(reason)).collect(),
        rules: verdict.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        rule_set: frame.language.say_with("rule-set", &[("number", verdict.ruleset.into())]),
        layers: layers(frame, measured),
        controls: evidence.controls.iter().map(|report| control(frame, report)).collect(),
        canaries: evidence.canaries.as_ref().map(|report| canaries(frame, report)).unwrap_or_default(),
        experiments: experiments(frame, &evidence),
        note: None,
        is_open: false,
    }
}

fn seconds(elapsed: Elapsed) -> String {
    let seconds = elapsed.as_seconds();
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

fn layers(frame: &Frame, measured: &Measurement) -> Vec<LayerView> {
    let layer = |name: &str, steps: Vec<StepView>| LayerView { title: frame.say(name), steps };
    let mut layers = vec![
        layer("layer-dns", measured.dns.iter().map(|exchange| dns(frame, exchange)).collect()),
        layer("layer-tcp", measured.tcp.iter().map(|attempt| tcp(frame, attempt)).collect()),
        layer("layer-tls", measured.tls.iter().map(|handshake| tls(frame, handshake)).collect()),
        layer("layer-http", measured.http.iter().map(|exchange| http(frame, exchange)).collect()),
        layer("layer-quic", measured.quic.iter().map(|handshake| quic(frame, handshake)).collect()),
    ];
    layers.retain(|layer| !layer.steps.is_empty());
    layers
}

/// A step with nothing more to say.
fn step(frame: &Frame, layer: Layer, subject: &str, took: Option<Elapsed>, failure: Option<&Failure>) -> StepView {
    let (sign, class) = if failure.is_none() { ("✓", "accessible") } else { ("✕", "blocked") };
    StepView {
        sign,
        class,
        subject: shown(subject),
        outcome: failure.map_or_else(|| frame.say("works"), |failure| shown(&frame.language.failure(layer, failure))),
        took: took.map(seconds),
        notes: failure.map(|failure| shown(&failure.as_ooni())).into_iter().collect(),
        certificates: Vec::new(),
        faults: Vec::new(),
    }
}

fn from_reference(frame: &Frame, origin: AddressOrigin) -> Option<String> {
    (origin == AddressOrigin::Control).then(|| frame.say("address-from-reference"))
}

fn dns(frame: &Frame, exchange: &DnsExchange) -> StepView {
    let reference = match exchange.role {
        DnsRole::Own => String::new(),
        DnsRole::Control => format!(" ({})", frame.say("resolver-reference")),
    };
    let subject = format!("{}{reference}: {} {}", exchange.resolver, exchange.query_type, exchange.name);
    let mut view = step(frame, Layer::Dns, &subject, Some(exchange.elapsed), exchange.failure.as_ref());
    let answers = exchange.answers.iter().map(|answer| {
        let addresses: Vec<String> = answer.addresses.iter().map(ToString::to_string).collect();
        let rcode = answer.rcode.map(|rcode| format!("rcode {rcode}"));
        let ttl = answer.ip_ttl.map(|ttl| format!("IP TTL {ttl}"));
        let names = (!answer.cnames.is_empty()).then(|| answer.cnames.join(" → "));
        let parts = [Some(addresses.join(", ")).filter(|text| !text.is_empty()), names, rcode, ttl];
        shown(&parts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
    });
    view.notes.extend(answers);
    view
}

fn tcp(frame: &Frame, attempt: &TcpConnect) -> StepView {
    let mut view =
        step(frame, Layer::Tcp, &attempt.address.to_string(), Some(attempt.elapsed), attempt.failure.as_ref());
    view.notes.extend(from_reference(frame, attempt.origin));
    view
}

fn tls(frame: &Frame, handshake: &TlsHandshake) -> StepView {
    let subject = format!("{} · SNI {}", handshake.address, handshake.server_name);
    let mut view = step(frame, Layer::Tls, &subject, Some(handshake.elapsed), handshake.failure.as_ref());
    let agreed = [&handshake.version, &handshake.cipher, &handshake.alpn];
    let agreed: Vec<&str> = agreed.into_iter().flatten().map(String::as_str).collect();
    if !agreed.is_empty() {
        view.notes.push(shown(&agreed.join(" · ")));
    }
    view.notes.extend(handshake.alert.as_deref().map(|alert| format!("TLS alert: {}", shown(alert))));
    view.notes.extend(from_reference(frame, handshake.origin));
    view.certificates = handshake.chain.iter().map(|one| certificate(frame, one)).collect();
    view.faults = handshake.faults.iter().map(|&fault| frame.language.certificate_fault(fault)).collect();
    view
}

fn certificate(frame: &Frame, record: &CertificateRecord) -> CertificateView {
    let day =
        |at: Option<crate::model::Timestamp>| at.map_or_else(|| "?".to_owned(), |at| at.to_civil().date().to_string());
    let mut names: Vec<&str> = record.names.iter().take(MOST_NAMES).map(String::as_str).collect();
    if record.names.len() > MOST_NAMES {
        names.push("…");
    }
    CertificateView {
        subject: shown(&record.subject),
        issuer: shown(&record.issuer),
        valid: frame.language.say_with(
            "certificate-from-to",
            &[("from", day(record.not_before).into()), ("to", day(record.not_after).into())],
        ),
        names: shown(&names.join(", ")),
        hash: shown(&record.sha256),
    }
}

fn http(frame: &Frame, exchange: &HttpExchange) -> StepView {
    let subject = format!("{} · {} · {}", exchange.address, exchange.protocol, exchange.url);
    let mut view = step(frame, Layer::Http, &subject, Some(exchange.elapsed), exchange.failure.as_ref());
    if let Some(status) = exchange.status {
        let phrase = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let answer = format!("{status} {}", phrase.unwrap_or_default());
        if exchange.failure.is_none() {
            view.outcome = answer.trim_end().to_owned();
        } else {
            view.notes.push(answer);
        }
    }
    if let Some(body) = &exchange.body {
        let cut = if body.truncated { format!(", {}", frame.say("page-cut")) } else { String::new() };
        view.notes.push(format!("{}: {}{cut}", frame.say("page-size"), size_in_words(body.length)));
        if let Some(title) = body.title.as_deref().filter(|title| !title.is_empty()) {
            view.notes.push(format!("{}: {}", frame.say("page-title"), shown(title)));
        }
    }
    if let Some(to) = &exchange.redirect {
        view.notes.push(format!("{} {}", frame.say("redirect-to"), shown(to.as_str())));
    }
    view.notes.extend(from_reference(frame, exchange.origin));
    view
}

fn quic(frame: &Frame, handshake: &QuicHandshake) -> StepView {
    let subject = format!("{} · SNI {}", handshake.address, handshake.server_name);
    step(frame, Layer::Quic, &subject, Some(handshake.elapsed), handshake.failure.as_ref())
}

/// How far the control came: the answer, or the layer at which it failed too.
fn control(frame: &Frame, report: &ControlReport) -> StepView {
    let language = frame.language;
    let subject = format!("{} ({}) · {}", report.id, report.kind, language.instant(report.at));
    let mut view = step(frame, Layer::Http, &subject, None, None);
    let because = |name, layer: Layer, failure: &Failure| {
        let why = format!("{}: {}", layer.as_str().to_uppercase(), shown(&language.failure(layer, failure)));
        language.say_with(name, &[("why", why.into())])
    };
    (view.sign, view.class, view.outcome) = if let Some(failure) = &report.unusable {
        ("–", "inconclusive", because("control-unusable", Layer::Http, failure))
    } else if report.reached() == Some(true) {
        let status = report.http.as_ref().and_then(|http| http.status).unwrap_or_default();
        ("✓", "accessible", language.say_with("control-got", &[("status", status.to_string().into())]))
    } else if let Some((layer, failure)) = report.first_failure() {
        ("✕", "down", because("control-failed", layer, failure))
    } else {
        ("–", "inconclusive", frame.say("control-silent"))
    };
    if let Some(title) = report.http.as_ref().and_then(|http| http.title.as_deref()).filter(|title| !title.is_empty()) {
        view.notes.push(format!("{}: {}", frame.say("page-title"), shown(title)));
    }
    view
}

fn canaries(frame: &Frame, report: &CanaryReport) -> Vec<StepView> {
    let step = |result: &crate::model::CanaryResult| {
        let subject = format!("{} ({})", result.url, result.scope);
        step(frame, Layer::Http, &subject, None, result.failure.as_ref())
    };
    report.results.iter().map(step).collect()
}

fn experiments(frame: &Frame, evidence: &Evidence) -> Vec<ExperimentView> {
    let telling = evidence.experiments.iter().filter(|pair| pair.outcome() != ExperimentOutcome::Void);
    let view = |pair: &Experiment| ExperimentView {
        what: frame.language.experiment(pair.kind),
        suspect: attempt(frame, &pair.suspect),
        variant: attempt(frame, &pair.variant),
    };
    telling.map(view).collect()
}

fn attempt(frame: &Frame, attempt: &Attempt) -> StepView {
    let place = attempt.address.map(|address| address.to_string()).or_else(|| attempt.resolver.clone());
    let subject = format!("{} · {}", place.unwrap_or_else(|| "?".to_owned()), attempt.name);
    let layer = attempt.layer.unwrap_or(Layer::Tls);
    step(frame, layer, &subject, Some(attempt.elapsed), attempt.failure.as_ref())
}

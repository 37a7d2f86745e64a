//! What the controls and the canaries saw.

use super::sketch::{Mark, Sketch};
use crate::language::Language;
use crate::model::size_in_words;
use crate::model::{AddressFamily, CanaryReport, CanaryScope, ControlKind, ControlReport, Evidence, Layer};

/// Draws controls and canaries, as far as they were asked.
pub(super) fn draw(sketch: &mut Sketch<'_>, evidence: &Evidence) {
    if !evidence.controls.is_empty() {
        sketch.heading("CONTROL", "the same URL from elsewhere");
        evidence.controls.iter().for_each(|report| control(sketch, report));
    }
    if let Some(report) = &evidence.canaries {
        sketch.heading("CANARIES", "does the vantage have a network?");
        for scope in [CanaryScope::Foreign, CanaryScope::Domestic] {
            canaries(sketch, report, scope);
        }
    }
}

fn control(sketch: &mut Sketch<'_>, report: &ControlReport) {
    let name = match report.kind {
        ControlKind::Vantage => report.id.to_string(),
        ControlKind::Helper => format!("{} (helper)", report.id),
    };
    let mark = match report.reached() {
        Some(true) => Mark::Good,
        Some(false) => Mark::Bad,
        None => Mark::None,
    };
    sketch.step(mark, &name, None, &seen(report));
    if let Some(title) = report.http.as_ref().and_then(|http| http.title.as_deref()).filter(|title| !title.is_empty()) {
        let title = sketch.look.show(title, 160);
        sketch.note(&format!("title \"{title}\""));
    }
    if let Some(first) = report.quic.first() {
        let well = report.quic.iter().any(|quic| quic.failure.is_none());
        let failure = first.failure.as_ref().filter(|_| !well);
        sketch.note(&failure.map_or("QUIC works".to_owned(), |failure| {
            format!("QUIC fails there: {}", Language::English.failure(Layer::Quic, failure))
        }));
    }
}

/// How far the control came, in words: the answer, or the layer at which it failed too.
fn seen(report: &ControlReport) -> String {
    if let Some(failure) = &report.unusable {
        return format!("could not be asked: {}", Language::English.failure(Layer::Http, failure));
    }
    if let Some(http) = &report.http
        && http.failure.is_none()
        && let Some(status) = http.status
    {
        let size = http.body_length.map(|length| format!(", {}", size_in_words(length))).unwrap_or_default();
        return format!("gets the page: {status}{size}");
    }
    match report.first_failure() {
        Some((layer, failure)) => {
            format!("fails too, at {}: {}", layer.as_str().to_uppercase(), Language::English.failure(layer, failure))
        }
        None => "says nothing of the site".to_owned(),
    }
}

/// By which ways they were reached, as far as they tell.
fn ways(report: &CanaryReport, scope: CanaryScope) -> String {
    let of_scope = || report.results.iter().filter(|result| result.scope == scope);
    let over = |family| of_scope().any(|result| result.families.contains(&family));
    let greeted = of_scope().filter_map(|result| result.quic.as_ref()).any(|quic| quic.failure.is_none());
    let ways = [(over(AddressFamily::Ipv4), "IPv4"), (over(AddressFamily::Ipv6), "IPv6"), (greeted, "QUIC")];
    let ways: Vec<&str> = ways.iter().filter(|(reached, _)| *reached).map(|(_, way)| *way).collect();
    if ways.is_empty() { String::new() } else { format!(", over {}", ways.join(", ")) }
}

fn canaries(sketch: &mut Sketch<'_>, report: &CanaryReport, scope: CanaryScope) {
    let (answered, asked) = report.tally(scope);
    if asked == 0 {
        return;
    }
    let mark = match answered {
        0 => Mark::Bad,
        some if some == asked => Mark::Good,
        _ => Mark::None,
    };
    let silent: Vec<&str> = report
        .results
        .iter()
        .filter(|result| result.scope == scope && result.failure.is_some())
        .map(|result| result.url.host_str().unwrap_or("?"))
        .take(4)
        .collect();
    let rest = if silent.is_empty() { String::new() } else { format!("; not {}", silent.join(", ")) };
    sketch.step(mark, scope.as_str(), None, &format!("{answered} of {asked} answer{rest}{}", ways(report, scope)));
}

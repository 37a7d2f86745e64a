//! `/probe` in the multi-target convention of blackbox_exporter: a Prometheus that asks that exporter can ask here, with
//! the same names of metrics, and gains a verdict. Only configured URLs are measured.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::app::{App, ProbeWish};
use super::guard::{is_cross_site, text};
use crate::model::{
    DnsRole, Elapsed, Evidence, HttpExchange, SeriesKey, Status, TlsHandshake, VantageId, Verdict, legible,
};

/// The module that is offered: a GET that must come to an answer of 200 to 299.
const MODULE: &str = "http_2xx";
/// Where Prometheus says how long it waits.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
/// How much sooner than that the answer must come, as with blackbox_exporter.
const HEADROOM: Duration = Duration::from_millis(500);
/// Longest wait when nobody says.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest sentence of a verdict that is shown, characters.
const MAX_TEXT: usize = 4_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    target: Option<String>,
    module: Option<String>,
    vantage: Option<String>,
    debug: Option<bool>,
}

/// Measures one configured URL now.
pub(super) async fn probe(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    if is_cross_site(&headers) {
        return text(StatusCode::FORBIDDEN, "A page of another site cannot ask for a measurement.\n");
    }
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(fault) => return text(StatusCode::BAD_REQUEST, format!("{}\n", fault.body_text())),
    };
    let series = match series(&app, &asked) {
        Ok(series) => series,
        Err(why) => return text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    };
    let begun = Instant::now();
    let (reply, answer) = oneshot::channel();
    match app.probe.try_send(ProbeWish { series: series.clone(), reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return text(StatusCode::SERVICE_UNAVAILABLE, "Too many probes are under way.\n");
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return text(StatusCode::SERVICE_UNAVAILABLE, "The daemon is stopping.\n");
        }
    }
    let seen = match tokio::time::timeout(patience(&headers), answer).await {
        Ok(Ok(seen)) => Some(seen),
        Ok(Err(_)) => return text(StatusCode::SERVICE_UNAVAILABLE, "Too many probes are under way.\n"),
        Err(_) => None,
    };
    let seen = seen.as_deref();
    let mut page = String::new();
    if asked.debug == Some(true) {
        explain(&series, seen, &mut page);
    }
    metrics(&series.vantage, seen, begun.elapsed(), &mut page);
    let kind = if asked.debug == Some(true) {
        "text/plain; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    ([(header::CONTENT_TYPE, kind)], page).into_response()
}

/// How long the asker waits.
fn patience(headers: &HeaderMap) -> Duration {
    let said = headers.get(SCRAPE_TIMEOUT).and_then(|seconds| seconds.to_str().ok()?.parse::<f64>().ok());
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|wait| !wait.is_zero());
    said.map_or(PATIENCE, |wait| wait.saturating_sub(HEADROOM).clamp(HEADROOM, PATIENCE))
}

/// The series that is asked for, which must be configured: this is no open proxy.
fn series(app: &App, asked: &Asked) -> Result<SeriesKey, String> {
    if let Some(module) = asked.module.as_deref().filter(|module| *module != MODULE) {
        return Err(format!("Unknown module {module:?}: expected {MODULE}."));
    }
    let target = asked.target.as_deref().filter(|target| !target.is_empty()).ok_or("Target parameter is missing.")?;
    let now = app.board.snapshot();
    // Like blackbox_exporter, which takes http:// for granted.
    let named = if target.contains("://") { target.to_owned() } else { format!("http://{target}") };
    let url = url::Url::parse(&named).map_err(|error| format!("The target is no URL: {error}."))?;
    let site = now.sites.iter().find(|site| site.urls.contains(&url));
    let site = site.ok_or("The target is not a URL of the target list: only those are measured.")?;
    let vantages = || now.vantages.iter().map(|(place, _)| &place.id);
    let vantage = match &asked.vantage {
        Some(wanted) => {
            vantages().find(|vantage| vantage.as_str() == wanted).ok_or("There is no vantage of that name.")?
        }
        None => vantages().next().ok_or("There is no vantage.")?,
    };
    Ok(SeriesKey { site: site.id.clone(), url, vantage: vantage.clone() })
}

/// For a person: the verdict in sentences, as comments.
fn explain(series: &SeriesKey, seen: Option<&(Evidence, Verdict)>, page: &mut String) {
    // What a site sent must not begin a line of its own.
    let mut line = |text: &str| {
        let _infallible = writeln!(page, "# {}", legible(text, MAX_TEXT));
    };
    line(&format!("{series}"));
    match seen {
        None => line("No answer within the time of the scrape."),
        Some((_, verdict)) => {
            line(&format!(
                "{} by {}",
                verdict.status,
                verdict.rules.first().map_or_else(|| "no rule".to_owned(), ToString::to_string)
            ));
            verdict.reasons.iter().for_each(|reason| line(reason));
        }
    }
}

/// The metrics of blackbox_exporter that we know, and our verdict.
fn metrics(vantage: &VantageId, seen: Option<&(Evidence, Verdict)>, took: Duration, page: &mut String) {
    let mut out = Writer(page);
    let answer = seen.and_then(|(evidence, _)| evidence.measurement.http.last());
    let code = answer.and_then(|answer| answer.status);
    let accessible = seen.is_some_and(|(_, verdict)| verdict.status == Status::Accessible);
    let success = accessible && code.is_some_and(|code| (200..300).contains(&code));
    out.one("probe_success", "Displays whether or not the probe was a success", f64::from(u8::from(success)));
    out.one("probe_duration_seconds", "Returns how long the probe took to complete in seconds", took.as_secs_f64());
    if let Some((evidence, verdict)) = seen {
        layers(evidence, answer, code, &mut out);
        out.family("blockspan_probe_status", "The verdict on this one measurement, 1 for the status that it is");
        for status in Status::ALL {
            let labels = format!("{{status=\"{status}\",vantage=\"{vantage}\"}}");
            out.sample("blockspan_probe_status", &labels, f64::from(u8::from(*status == verdict.status)));
        }
        out.one("blockspan_probe_confidence", "How sure the verdict on this one measurement is", verdict.confidence);
    }
}

fn layers(evidence: &Evidence, answer: Option<&HttpExchange>, code: Option<u16>, out: &mut Writer<'_>) {
    let measurement = &evidence.measurement;
    let seconds = Elapsed::as_seconds;
    let own = measurement.dns.iter().filter(|dns| dns.role == DnsRole::Own);
    // Both kinds of addresses are asked for at once: the slower one is what is waited for.
    let resolve = own.filter(|dns| dns.failure.is_none()).map(|dns| seconds(dns.elapsed)).fold(0.0, f64::max);
    out.one("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", resolve);
    let address = answer.map(|answer| answer.address).or_else(|| measurement.tcp.first().map(|tcp| tcp.address));
    let protocol = address.map_or(0.0, |address| if address.is_ipv6() { 6.0 } else { 4.0 });
    out.one("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", protocol);
    let tls: Option<&TlsHandshake> = answer.and_then(|answer| {
        let of_answer = |tls: &&TlsHandshake| tls.hop == answer.hop && tls.address == answer.address;
        measurement.tls.iter().find(of_answer)
    });
    let tls = tls.or(measurement.tls.first());
    let tcp = measurement.tcp.iter().find(|tcp| Some(tcp.address) == address);
    out.family("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects");
    let first = answer.and_then(|answer| answer.first_byte).map_or(0.0, seconds);
    let whole = answer.map_or(0.0, |answer| seconds(answer.elapsed));
    for (phase, took) in [
        ("resolve", resolve),
        ("connect", tcp.map_or(0.0, |tcp| seconds(tcp.elapsed))),
        ("tls", tls.map_or(0.0, |tls| seconds(tls.elapsed))),
        ("processing", first),
        ("transfer", (whole - first).max(0.0)),
    ] {
        out.sample("probe_http_duration_seconds", &format!("{{phase=\"{phase}\"}}"), took);
    }
    let redirects = measurement.http.iter().filter(|exchange| exchange.redirect.is_some()).count();
    out.one("probe_http_redirects", "The number of redirects", redirects as f64);
    out.one("probe_http_status_code", "Response HTTP status code", f64::from(code.unwrap_or(0)));
    let secure = answer.is_some_and(|answer| answer.url.scheme() == "https");
    out.one("probe_http_ssl", "Indicates if SSL was used for the final redirect", f64::from(u8::from(secure)));
    let version = match answer.filter(|answer| answer.status.is_some()).map(|answer| answer.protocol.as_str()) {
        Some("h2") => 2.0,
        Some("http/1.0") => 1.0,
        Some(_) => 1.1,
        None => 0.0,
    };
    out.one("probe_http_version", "Returns the version of HTTP of the probe response", version);
    if let Some(body) = answer.and_then(|answer| answer.body.as_ref()) {
        let help = "Length of uncompressed response body";
        out.one("probe_http_uncompressed_body_length", help, body.length as f64);
    }
    if let Some(tls) = tls {
        let expiry = tls.chain.iter().filter_map(|certificate| certificate.not_after).min();
        if let Some(expiry) = expiry {
            let help = "Returns last SSL chain expiry in unixtime";
            out.one("probe_ssl_earliest_cert_expiry", help, expiry.as_unix_seconds());
        }
        if let Some(version) = &tls.version {
            out.family("probe_tls_version_info", "Returns the TLS version used or NaN when unknown");
            // `TLSv1.3` is how OONI writes it.
            let version = version.replace("TLSv", "TLS ");
            let version: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || " .".contains(*c)).collect();
            out.sample("probe_tls_version_info", &format!("{{version=\"{version}\"}}"), 1.0);
        }
    }
}

/// Writes gauges in the text format 0.0.4.
struct Writer<'p>(&'p mut String);

impl Writer<'_> {
    fn family(&mut self, name: &str, help: &str) {
        let _infallible = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let _infallible = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, help);
        self.sample(name, "", value);
    }
}

//! `status`: what is blocked now, since when, how.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::args::{GlobalArgs, StatusArgs, TellFormat};
use super::fault::{Exit, Fault};
use super::look::{BOLD, DIM, Look, NEUTRAL, PLAIN, of_status};
use super::output::Output;
use super::table::{Column, Table};
use super::text::wrap;
use super::words;
use super::{rooms, silences};
use crate::config::{Config, Role};
use crate::detect::SeriesState;
use crate::export::to_json_line;
use crate::language::Language;
use crate::model::{Bracket, Mechanism, PartialScope, SeriesKey, Span, Status, Timestamp};
use crate::store::SpanFilter;

/// Rounds without a measurement after which a state is told to be stale.
const STALE_AFTER: u32 = 10;

/// What is known of one URL from one vantage now: an object of `status --format json`.
#[derive(Debug, Serialize)]
struct Now<'s> {
    site: &'s str,
    url: &'s str,
    vantage: &'s str,
    status: Option<Status>,
    mechanism: Option<Mechanism>,
    since: Option<Bracket>,
    confidence: Option<f64>,
    last_measured: Option<Timestamp>,
    unsettled: bool,
    stale: bool,
    /// Parts of the way that are blocked while the site can be reached.
    partial: Vec<Part>,
}

/// A part of the way, how it is blocked, and since when.
#[derive(Debug, Serialize)]
struct Part {
    part: Option<PartialScope>,
    mechanism: Option<Mechanism>,
    since: Bracket,
}

/// Runs `status`.
///
/// # Errors
/// The configuration is wrong, or the record cannot be read.
pub(super) fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let (mut series, mut told) = (Vec::new(), Vec::new());
    if let Some(record) = rooms::open_record(&config.store.url)? {
        series = record.series()?;
        told.extend(silences::at_rest(record.last_life()?, Timestamp::now()));
        told.extend(silences::open_in_words(&record.vantage_spans(&SpanFilter::default())?));
    }
    let now = states(&config, &series, Timestamp::now());
    let look = Look::detect(global.color, false);
    let mut output = Output::open(None)?;
    match args.format {
        TellFormat::Json => {
            for state in &now {
                to_json_line(state, &mut output)?;
            }
        }
        TellFormat::Human => {
            for line in told.iter().flat_map(|sentence| wrap(sentence, look.width)) {
                writeln!(output, "{}", look.paint(NEUTRAL, line))?;
            }
            if !told.is_empty() {
                writeln!(output)?;
            }
            write(&now, Timestamp::now(), &look, &mut output)?;
        }
    }
    output.finish()?;
    Ok(Exit::Good)
}

/// One state for every URL and vantage that are configured, measured or not. What the record holds of others is
/// history, not status.
fn states<'s>(config: &'s Config, series: &'s [(SeriesKey, SeriesState)], now: Timestamp) -> Vec<Now<'s>> {
    let known: BTreeMap<(&str, &str, &str), &SeriesState> = series
        .iter()
        .map(|(key, state)| ((key.site.as_str(), key.url.as_str(), key.vantage.as_str()), state))
        .collect();
    let patience = config.probe.interval.saturating_mul(STALE_AFTER);
    let mut states = Vec::new();
    for site in &config.sites {
        for url in &site.urls {
            for vantage in config.vantages.iter().filter(|vantage| vantage.role == Role::Probe) {
                let key = (site.id.as_str(), url.as_str(), vantage.id.as_str());
                states.push(state(key, known.get(&key).copied(), patience, now));
            }
        }
    }
    states
}

fn state<'s>(
    (site, url, vantage): (&'s str, &'s str, &'s str),
    state: Option<&SeriesState>,
    patience: Duration,
    now: Timestamp,
) -> Now<'s> {
    let last = state.and_then(|state| state.last.as_ref());
    let span = state.and_then(|state| state.span.as_ref());
    Now {
        site,
        url,
        vantage,
        status: last.and(state).map(SeriesState::status),
        mechanism: span.and_then(|span| span.mechanism),
        since: span.map(|span| span.start),
        confidence: span.and_then(|span| span.confidence),
        last_measured: last.map(|last| last.at),
        unsettled: state.is_some_and(SeriesState::is_unsettled),
        stale: last.is_some_and(|last| now.since(last.at) > patience),
        partial: state.into_iter().flat_map(SeriesState::partial_spans).map(part).collect(),
    }
}

fn part(span: &Span) -> Part {
    Part { part: span.partial, mechanism: span.mechanism, since: span.start }
}

const COLUMNS: [Column; 7] = [
    Column::of("SITE", 0, ("", "")),
    Column::of("URL", 5, ("", "")),
    Column::of("VANTAGE", 2, ("from ", "")),
    Column::of("HOW", 1, ("", "")),
    Column::of("SINCE (UTC)", 0, ("", "")),
    Column::of("FOR", 3, ("for ", "")),
    Column { title: "SURE", right: true, rank: 4, detail: ("", " sure") },
];

fn write(states: &[Now<'_>], now: Timestamp, look: &Look, out: &mut dyn Write) -> Result<(), Fault> {
    if states.iter().all(|state| state.status.is_none()) {
        writeln!(out, "never measured yet: `blockspan run` measures and records")?;
        return Ok(());
    }
    let blocked: Vec<&Now<'_>> = states.iter().filter(|state| state.status == Some(Status::Blocked)).collect();
    if blocked.is_empty() {
        // Silence is not health: only where every site was reached lately is nothing blocked.
        let reached = |state: &Now<'_>| {
            matches!(state.status, Some(Status::Accessible | Status::Denied)) && !state.stale && !state.unsettled
        };
        let known = states.iter().all(reached);
        let text = if known { "Nothing is blocked." } else { "Nothing is known to be blocked." };
        writeln!(out, "{}", look.paint(BOLD, text))?;
    } else {
        let urls = words::count(blocked.len(), "URL is", "URLs are");
        writeln!(out, "{}", look.paint(of_status(Status::Blocked).bold(), format!("{urls} blocked.")))?;
        writeln!(out)?;
        table(&blocked, now, look, out)?;
        glossary(&blocked, look, out)?;
    }
    writeln!(out)?;
    parts(states, look, out)?;
    others(states, look, out)?;
    stale(states, now, look, out)
}

fn table(blocked: &[&Now<'_>], now: Timestamp, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&COLUMNS);
    for state in blocked {
        let since = state.since.unwrap_or(Bracket { earliest: None, latest: None });
        table.cell(PLAIN, |out| out.push_str(state.site));
        table.cell(PLAIN, |out| out.push_str(state.url));
        table.cell(PLAIN, |out| out.push_str(state.vantage));
        let how = state.mechanism.map_or("", Mechanism::as_str);
        table.cell(of_status(Status::Blocked), |out| out.push_str(how));
        table.cell(PLAIN, |out| out.push_str(&words::since(&since)));
        table.cell(PLAIN, |out| {
            if let Some(latest) = since.latest {
                out.push_str(&words::length(now.since(latest)));
            }
        });
        table.cell(PLAIN, |out| out.push_str(&state.confidence.map(words::percent).unwrap_or_default()));
    }
    table.write(look, out)
}

/// What the mechanisms of the table mean.
fn glossary(blocked: &[&Now<'_>], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mechanisms: std::collections::BTreeSet<Mechanism> =
        blocked.iter().filter_map(|state| state.mechanism).collect();
    if !mechanisms.is_empty() {
        writeln!(out)?;
    }
    for mechanism in mechanisms {
        for line in wrap(&format!("{mechanism}: {}", Language::English.mechanism(mechanism)), look.width) {
            writeln!(out, "{}", look.paint(DIM, line))?;
        }
    }
    Ok(())
}

/// What is blocked in part, a sentence each.
fn parts(states: &[Now<'_>], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    for state in states {
        for Part { part, mechanism, since } in &state.partial {
            let part = part.map_or("", PartialScope::as_str);
            let how = mechanism.map_or("", Mechanism::as_str);
            let told = format!(
                "In part: {} from {}: {part} only, {how}, since {}.",
                state.url,
                state.vantage,
                words::since(since)
            );
            for line in wrap(&told, look.width) {
                writeln!(out, "{}", look.paint(of_status(Status::Blocked), line))?;
            }
        }
    }
    Ok(())
}

fn others(states: &[Now<'_>], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut parts = Vec::new();
    for &status in Status::ALL.iter().filter(|status| **status != Status::Blocked) {
        let number = states.iter().filter(|state| state.status == Some(status)).count();
        if number > 0 {
            parts.push(format!("{number} {status}"));
        }
    }
    let never = states.iter().filter(|state| state.status.is_none()).count();
    if never > 0 {
        parts.push(format!("{never} never measured yet"));
    }
    let unsettled = states.iter().filter(|state| state.unsettled).count();
    if unsettled > 0 {
        parts.push(format!("{unsettled} being confirmed"));
    }
    let lead = if states.iter().any(|state| state.status == Some(Status::Blocked)) { "Others: " } else { "" };
    if !parts.is_empty() {
        for line in wrap(&format!("{lead}{}", parts.join(", ")), look.width) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn stale(states: &[Now<'_>], now: Timestamp, look: &Look, out: &mut dyn Write) -> Result<(), Fault> {
    let stale: Vec<Timestamp> =
        states.iter().filter(|state| state.stale).filter_map(|state| state.last_measured).collect();
    let Some(newest) = stale.iter().max() else { return Ok(()) };
    let measured = states.iter().filter(|state| state.status.is_some()).count();
    let text = format!(
        "Stale: {} of {measured} not measured lately, the newest of them {} ago. Is the daemon running?",
        stale.len(),
        words::length(now.since(*newest)),
    );
    for line in wrap(&text, look.width) {
        writeln!(out, "{}", look.paint(NEUTRAL, line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, between, config, span};
    use super::*;
    use crate::detect::LastVerdict;
    use crate::model::MeasurementId;

    fn series(url: &str, measured: &str, blocked: bool) -> (SeriesKey, SeriesState) {
        let key = SeriesKey {
            site: "fergana".parse().unwrap(),
            url: url.parse().unwrap(),
            vantage: "almaty-kt".parse().unwrap(),
        };
        let last = LastVerdict {
            measurement_id: MeasurementId(uuid::Uuid::nil()),
            at: at(measured),
            status: if blocked { Status::Blocked } else { Status::Accessible },
            mechanism: None,
            reasons: Vec::new(),
        };
        let span = blocked.then(|| span(between("2026-11-24T20:00:13Z", "2026-11-24T20:01:12Z"), None));
        (key, SeriesState::new(Some(last), span))
    }

    fn drawn(series: &[(SeriesKey, SeriesState)], look: Look) -> String {
        let config = config();
        let now = at("2026-11-25T09:12:00Z");
        let states = states(&config, series, now);
        let mut out = Vec::new();
        write(&states, now, &look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_blocked_is_told_first() {
        let series = [
            series("https://fergana.media/", "2026-11-25T09:11:30Z", true),
            series("https://fergana.agency/", "2026-11-25T08:00:00Z", false),
        ];
        insta::assert_snapshot!(drawn(&series, Look::plain()), @"
        1 URL is blocked.

        SITE     VANTAGE    HOW          SINCE (UTC)                       FOR
        fergana  almaty-kt  tls.timeout  2026-11-24 20:01 give or take 1m  13h 10m
          https://fergana.media/ · 99.99 % sure

        tls.timeout: the encrypted greeting that names the site is swallowed

        Others: 1 accessible, 1 never measured yet
        Stale: 1 of 2 not measured lately, the newest of them 1h 12m ago. Is the daemon
        running?
        ");
    }

    #[test]
    fn nothing_measured_is_said_so() {
        assert!(drawn(&[], Look::plain()).starts_with("never measured yet"));
        let series = [series("https://fergana.media/", "2026-11-25T09:11:30Z", false)];
        let told = drawn(&series, Look::plain());
        assert_eq!(told, "Nothing is known to be blocked.\n\n1 accessible, 2 never measured yet\n");
    }

    #[test]
    fn json_has_one_object_a_series() {
        let config = config();
        let series = [series("https://fergana.media/", "2026-11-25T09:11:30Z", true)];
        let states = states(&config, &series, at("2026-11-25T09:12:00Z"));
        assert_eq!(states.len(), 3);
        let json = serde_json::to_value(&states[0]).unwrap();
        assert_eq!(json["since"]["latest"], "2026-11-24T20:01:12.000Z");
        assert_eq!(json["stale"], false);
        assert_eq!(serde_json::to_value(&states[1]).unwrap()["status"], serde_json::Value::Null);
    }
}

//! When vantages told nothing: said in `status`, listed by `history --silences`.

use std::io::Write;
use std::time::Duration;

use super::args::HistoryFormat;
use super::fault::Fault;
use super::look::{Look, NEUTRAL, PLAIN};
use super::table::{Column, Table};
use super::{rows, words};
use crate::detect::Life;
use crate::language::Language;
use crate::model::{Bracket, SilenceKind, Timestamp, VantageSpan};

/// A daemon gives a sign of life every ten seconds; one that gives none for so long is not measuring.
const NO_SIGN: Duration = Duration::from_secs(60);

/// Why nothing is being measured now, if nothing is.
pub(super) fn at_rest(life: Option<Life>, now: Timestamp) -> Option<String> {
    let life = life?;
    let ago = |at: Timestamp| words::length(now.since(at));
    match life.ended {
        Some(ended) => Some(format!(
            "Nothing is being measured: the daemon was stopped {} ago, at {}. What follows was so then.",
            ago(ended),
            words::moment(ended)
        )),
        None if now.since(life.last_sign) > NO_SIGN => Some(format!(
            "Nothing is being measured: the daemon broke off; its last sign of life was {} ago, at {}. What follows was so then.",
            ago(life.last_sign),
            words::moment(life.last_sign)
        )),
        None => None,
    }
}

/// One sentence for each silence of the network that is not over.
pub(super) fn open_in_words(silences: &[VantageSpan]) -> Vec<String> {
    let open = silences.iter().filter(|silence| silence.end.is_none() && silence.kind != SilenceKind::NotMeasuring);
    open.map(|silence| format!("{}: {} since {}.", silence.vantage, what(silence), words::since(&silence.start)))
        .collect()
}

fn what(silence: &VantageSpan) -> String {
    Language::English.silence(silence.kind, silence.cause)
}

const COLUMNS: [Column; 5] = [
    Column::of("VANTAGE", 0, ("", "")),
    Column::of("TOLD NOTHING", 0, ("", "")),
    Column::of("START (UTC)", 0, ("", "")),
    Column::of("END (UTC)", 0, ("until ", "")),
    Column::of("FOR", 1, ("for ", "")),
];

/// Writes silences in the format that is asked for.
///
/// # Errors
/// The output cannot be written, or the format is not one of silences.
pub(super) fn write(
    silences: &[VantageSpan],
    format: HistoryFormat,
    now: Timestamp,
    look: &Look,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let only = "--silences goes with --format table, json or ndjson; the chart of spans shows silences too";
    rows::write(silences, format, ("no silences", only), out, |silences, out| table(silences, now, look, out))
}

fn table(silences: &[VantageSpan], now: Timestamp, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&COLUMNS);
    for silence in silences {
        let bracket = |bracket: &Bracket| words::bracket(bracket, look.unicode);
        table.cell(PLAIN, |out| out.push_str(silence.vantage.as_str()));
        table.cell(NEUTRAL, |out| out.push_str(&what(silence)));
        table.cell(PLAIN, |out| out.push_str(&bracket(&silence.start)));
        table.cell(PLAIN, |out| out.push_str(&silence.end.as_ref().map_or("ongoing".to_owned(), bracket)));
        let to = silence.end.map_or(Some(now), |end| end.earliest.or(end.latest));
        let from = silence.start.latest.or(silence.start.earliest);
        table.cell(PLAIN, |out| {
            if let (Some(from), Some(to)) = (from, to) {
                out.push_str(&words::length(to.since(from)));
            }
        });
    }
    table.write(look, out)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, between};
    use super::*;
    use crate::model::SilenceCause;

    fn silence(kind: SilenceKind, cause: Option<SilenceCause>, end: Option<Bracket>) -> VantageSpan {
        VantageSpan {
            span_id: crate::model::SpanId::derived("s"),
            vantage: "almaty-kt".parse().unwrap(),
            kind,
            cause,
            start: between("2026-11-24T20:00:00Z", "2026-11-24T20:01:00Z"),
            end,
            last_observed: None,
            observations: 0,
        }
    }

    #[test]
    fn a_list_at_eighty_columns() {
        let ended = Some(between("2026-11-24T21:00:00Z", "2026-11-24T21:00:04Z"));
        let silences = [
            silence(SilenceKind::NotMeasuring, Some(SilenceCause::BrokeOff), ended),
            VantageSpan {
                start: between("2026-11-24T21:40:00Z", "2026-11-24T21:41:00Z"),
                ..silence(SilenceKind::Offline, None, None)
            },
        ];
        let mut out = Vec::new();
        write(&silences, HistoryFormat::Table, at("2026-11-24T22:01:00Z"), &Look::plain(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"
        VANTAGE    TOLD NOTHING      START (UTC)           END (UTC)                FOR
        almaty-kt  daemon broke off  2026-11-24 20:01 ±1m  2026-11-24 21:00:02 ±2s  59m
        almaty-kt  no network        2026-11-24 21:41 ±1m  ongoing                  20m
        ");
        let mut out = Vec::new();
        write(&silences, HistoryFormat::Json, at("2026-11-24T22:01:00Z"), &Look::plain(), &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&json[0]["kind"], &json[0]["cause"]), (&"not_measuring".into(), &"broke_off".into()));
        let refused = write(&silences, HistoryFormat::Csv, at("2026-11-24T22:01:00Z"), &Look::plain(), &mut Vec::new());
        assert_eq!(refused.unwrap_err().exit(), super::super::fault::Exit::Usage);
    }

    #[test]
    fn silence_of_the_daemon_is_said_and_life_is_not() {
        let now = at("2026-11-24T22:00:00Z");
        let life = |last: &str, ended: bool| {
            let last_sign = at(last);
            Some(Life { began: at("2026-11-24T00:00:00Z"), last_sign, ended: ended.then_some(last_sign) })
        };
        assert_eq!(at_rest(None, now), None);
        assert_eq!(at_rest(life("2026-11-24T21:59:45Z", false), now), None);
        assert!(at_rest(life("2026-11-24T21:58:00Z", false), now).unwrap().contains("broke off"));
        assert!(at_rest(life("2026-11-24T21:59:45Z", true), now).unwrap().contains("was stopped 15s ago"));
    }
}

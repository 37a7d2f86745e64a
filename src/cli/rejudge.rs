//! `rejudge`: the recorded evidence judged again by today's rules, and what that changes.

use std::io::Write;

use anstyle::Style;

use super::args::{GlobalArgs, RejudgeArgs, TellFormat};
use super::fault::{Exit, Fault};
use super::look::{BAD, BOLD, GOOD, Look, NEUTRAL, PLAIN, of_status};
use super::output::Output;
use super::progress::Line;
use super::table::{Column, Table};
use super::text::wrap;
use super::words::{count, moment, push_bracket, push_count, push_percent};
use super::{rooms, select};
use crate::daemon::{Countries, detector, knowledge};
use crate::export::to_json_line;
use crate::model::{SeriesKey, SiteId, Span, Timestamp, VantageId};
use crate::rejudge::{
    Difference, MeasurementCount, Opinion, Orders, Progress, SpanChangeOf, SpanCount, SpanShift, Summary, rejudge,
};

/// Series named in a note at most.
const MOST_NAMED: usize = 5;

/// Runs `rejudge`.
///
/// # Errors
/// A site or vantage is unknown, the configuration is wrong, a daemon holds the record, or it cannot be read or written.
pub(super) fn run(global: &GlobalArgs, args: &RejudgeArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let now = Timestamp::now();
    let mut archive = rooms::open_archive(&config.store.url, args.dry_run, now)?;
    let broken = |error| {
        let what = "judging again broke off: series that were done before are changed, the others are as they were";
        Fault::failed(what, error)
    };
    let recorded = archive.series().map_err(broken)?;
    let sites: Vec<SiteId> = recorded.iter().map(|series| series.key.site.clone()).collect();
    let vantages: Vec<VantageId> = recorded.iter().map(|series| series.key.vantage.clone()).collect();
    select::known_sites(&config, &args.sites, || Ok(sites))?;
    select::known_vantages(&config, &args.vantage, &vantages)?;

    let countries = Countries::new(&config);
    let (knowledge, detector) = (knowledge(&config), detector(&config));
    let orders = Orders {
        knowledge: &knowledge,
        country: &|key: &SeriesKey| countries.of(key),
        detector: &detector,
        wanted: &|key: &SeriesKey| {
            (args.sites.is_empty() || args.sites.contains(&key.site))
                && (args.vantage.is_empty() || args.vantage.contains(&key.vantage))
        },
        since: args.since.map(|when| when.since(now)),
    };
    let mut line = Line::new(global);
    let judged = rejudge(&mut archive, &orders, &mut |progress| line.show("judging again", || told(progress)));
    line.clear();
    let summary = judged.map_err(broken)?;
    archive
        .close()
        .map_err(|error| Fault::failed("the record is changed, but its log could not be put away", error))?;

    let look = Look::detect(global.color, false);
    let mut output = Output::open(None)?;
    match args.format {
        TellFormat::Json => to_json_line(&summary, &mut output)?,
        TellFormat::Human => write(&summary, &look, &mut output)?,
    }
    output.finish()?;
    notes(&summary);
    Ok(Exit::Good)
}

fn told(progress: Progress) -> String {
    let Progress { series, of_series, measurements, of_measurements } = progress;
    let share = (measurements * 100).checked_div(of_measurements).unwrap_or(100);
    format!(": {share} %, {measurements} of {of_measurements} measurements, {series} of {of_series} series")
}

/// What is said beside the data.
fn notes(summary: &Summary) {
    if !summary.unplaced.is_empty() {
        let named: Vec<String> = summary.unplaced.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        let more = summary.unplaced.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        eprintln!(
            "note: neither vantage nor site is configured any more, so no block page or sinkhole of a country was known \
             for: {}{more}",
            named.join("; ")
        );
    }
    if summary.is_unchanged() {
        return;
    }
    if summary.dry_run {
        eprintln!("note: nothing was written; without --dry-run this is done");
    } else {
        eprintln!(
            "note: this is done; spans that changed or are gone are kept as they were in the journal of the record"
        );
    }
}

fn write(summary: &Summary, look: &Look, out: &mut dyn Write) -> Result<(), Fault> {
    let say = |text: &str, style: Style, out: &mut dyn Write| -> std::io::Result<()> {
        wrap(text, look.width).iter().try_for_each(|line| writeln!(out, "{}", look.paint(style, line)))
    };
    let measurements =
        |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX), "measurement", "measurements");
    let MeasurementCount { judged, passed_over, .. } = summary.measurements;
    let series = usize::try_from(summary.series.judged).unwrap_or(usize::MAX);
    let of_series = count(series, "series", "series");
    say(&format!("{} of {of_series} judged by rule set {}.", measurements(judged), summary.ruleset), BOLD, out)?;
    if let Some(since) = summary.since {
        say(&format!("{} begun before {} keep their verdict.", measurements(passed_over), moment(since)), PLAIN, out)?;
    }
    if summary.is_unchanged() {
        say("Nothing changes.", GOOD, out)?;
        return Ok(());
    }
    writeln!(out)?;
    say(&verdicts_in_words(&summary.measurements), PLAIN, out)?;
    if !summary.verdicts.is_empty() {
        writeln!(out)?;
        verdict_table(summary, look, out)?;
    }
    writeln!(out)?;
    say(&spans_in_words(&summary.spans), PLAIN, out)?;
    if !summary.changes.is_empty() {
        writeln!(out)?;
        span_table(&summary.changes, look, out)?;
    }
    Ok(())
}

/// The counts that are not zero, joined, after `lead`.
fn listed(lead: &str, counts: &[(u64, &str)]) -> String {
    let told: Vec<String> =
        counts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if told.is_empty() { format!("{lead}: none.") } else { format!("{lead}: {}.", told.join(", ")) }
}

fn verdicts_in_words(measurements: &MeasurementCount) -> String {
    let MeasurementCount { judged, changed, reworded, restamped, .. } = *measurements;
    let same = judged.saturating_sub(changed + reworded + restamped);
    let counts = [
        (changed, "with another opinion"),
        (reworded, "with the same in other words or of another weight"),
        (restamped, "the same by another version of the rules"),
        (same, "unchanged"),
    ];
    listed("Verdicts", &counts)
}

fn spans_in_words(spans: &SpanCount) -> String {
    let SpanCount { unchanged, new, gone, bounds, mechanism, evidence } = *spans;
    let counts = [
        (new, "new"),
        (gone, "gone"),
        (bounds, "with other bounds"),
        (mechanism, "with another mechanism"),
        (evidence, "on other evidence"),
        (unchanged, "unchanged"),
    ];
    listed("Spans", &counts)
}

const VERDICT_COLUMNS: [Column; 5] = [
    Column { title: "N", right: true, rank: 0, detail: ("", "") },
    Column::of("FROM", 0, ("", "")),
    Column::of("TO", 0, ("", "")),
    Column::of("RULE", 1, ("by ", "")),
    Column::of("MEASUREMENT", 2, ("for example ", "")),
];

fn verdict_table(summary: &Summary, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let arrow = look.pick("→", "->");
    let mut table = Table::new(&VERDICT_COLUMNS);
    for shift in &summary.verdicts {
        table.cell(PLAIN, |out| push_count(out, shift.count));
        for opinion in [&shift.from, &shift.to] {
            table.cell(of_status(opinion.status), |out| push_opinion(out, opinion));
        }
        // Rules of another build may bear any name.
        let rule = |opinion: &Opinion| opinion.rule.as_ref().map_or_else(String::new, |rule| look.show(&rule.0, 64));
        table.cell(PLAIN, |out| out.push_str(&format!("{} {arrow} {}", rule(&shift.from), rule(&shift.to))));
        let examples: Vec<String> = shift.examples.iter().map(ToString::to_string).collect();
        table.cell(PLAIN, |out| out.push_str(&examples.join(", ")));
    }
    table.write(look, out)
}

fn push_opinion(out: &mut String, opinion: &Opinion) {
    out.push_str(opinion.status.as_str());
    if let Some(mechanism) = opinion.mechanism {
        out.push(' ');
        out.push_str(mechanism.as_str());
    }
}

const SPAN_COLUMNS: [Column; 10] = [
    Column::of("SITE", 0, ("", "")),
    Column::of("URL", 8, ("", "")),
    Column::of("VANTAGE", 3, ("from ", "")),
    Column::of("CHANGE", 1, ("", "")),
    Column::of("", 0, ("", "")),
    Column::of("HOW", 2, ("", "")),
    Column::of("START (UTC)", 0, ("", "")),
    Column::of("END (UTC)", 0, ("until ", "")),
    Column { title: "N", right: true, rank: 6, detail: ("", " measurements") },
    Column { title: "SURE", right: true, rank: 5, detail: ("", " sure") },
];

fn span_table(changes: &[SpanShift], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&SPAN_COLUMNS);
    for shift in changes {
        let (change, style) = in_what(shift);
        for (when, span) in [("was", &shift.before), ("now", &shift.after)] {
            if let Some(span) = span {
                row(&mut table, span, (&change, style), when, look);
            }
        }
    }
    table.write(look, out)
}

fn in_what(shift: &SpanShift) -> (String, Style) {
    match shift.change {
        SpanChangeOf::New => ("new".to_owned(), BAD),
        SpanChangeOf::Gone => ("gone".to_owned(), GOOD),
        SpanChangeOf::Changed => {
            let in_one = |difference: &Difference| match difference {
                Difference::Bounds => "bounds",
                Difference::Mechanism => "mechanism",
                Difference::Evidence => "evidence",
            };
            // That the evidence differs goes without saying where something weightier does.
            let told: Vec<&str> = match shift.differs.as_slice() {
                [weightier @ .., Difference::Evidence] if !weightier.is_empty() => {
                    weightier.iter().map(in_one).collect()
                }
                all => all.iter().map(in_one).collect(),
            };
            (told.join(", "), NEUTRAL)
        }
    }
}

fn row(table: &mut Table<'_>, span: &Span, (change, style): (&str, Style), when: &str, look: &Look) {
    let plain = |table: &mut Table<'_>, text: &str| table.cell(PLAIN, |out| out.push_str(text));
    plain(table, span.site.as_str());
    plain(table, span.url.as_ref().map_or("", url::Url::as_str));
    plain(table, span.vantage.as_ref().map_or("", |vantage| vantage.as_str()));
    table.cell(style, |out| out.push_str(change));
    plain(table, when);
    plain(table, span.mechanism.map_or("", |mechanism| mechanism.as_str()));
    table.cell(PLAIN, |out| push_bracket(out, &span.start, look.unicode));
    match &span.end {
        Some(end) => table.cell(PLAIN, |out| push_bracket(out, end, look.unicode)),
        None => plain(table, "ongoing"),
    }
    table.cell(PLAIN, |out| push_count(out, span.measurements));
    table.cell(PLAIN, |out| {
        if let Some(confidence) = span.confidence {
            push_percent(out, confidence);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, between, span};
    use super::*;
    use crate::model::{MeasurementId, Mechanism, RuleId, Status};
    use crate::rejudge::{SeriesCount, VerdictShift};

    fn opinion(status: Status, mechanism: Option<Mechanism>, rule: &'static str) -> Opinion {
        Opinion { status, mechanism, rule: Some(RuleId::of(rule)) }
    }

    fn summary() -> Summary {
        let end = between("2026-11-24T21:30:00Z", "2026-11-24T21:44:00Z");
        let start = between("2026-11-24T20:00:13Z", "2026-11-24T20:01:12Z");
        let changed = |before: Span, after: Span, differs: &[Difference]| SpanShift {
            change: SpanChangeOf::Changed,
            differs: differs.to_vec(),
            before: Some(before),
            after: Some(after),
        };
        let reset = Span { mechanism: Some(Mechanism::TlsReset), ..span(start, Some(end)) };
        Summary {
            ruleset: 2,
            since: Some(at("2026-11-01T00:00:00Z")),
            dry_run: true,
            series: SeriesCount { judged: 3, changed: 1 },
            measurements: MeasurementCount { judged: 1000, passed_over: 500, changed: 13, reworded: 0, restamped: 987 },
            verdicts: vec![
                VerdictShift {
                    from: opinion(Status::Blocked, Some(Mechanism::TlsTimeout), "tls.timeout.differential"),
                    to: opinion(Status::Inconclusive, None, "control.same_address"),
                    count: 12,
                    examples: vec![MeasurementId(uuid::Uuid::from_u128(7)); 3],
                },
                VerdictShift {
                    from: opinion(Status::Down, None, "site.down"),
                    to: opinion(Status::Blocked, Some(Mechanism::TlsReset), "tls.reset.differential"),
                    count: 1,
                    examples: vec![MeasurementId(uuid::Uuid::from_u128(9))],
                },
            ],
            spans: SpanCount { unchanged: 4, new: 1, gone: 1, bounds: 1, mechanism: 1, evidence: 0 },
            changes: vec![
                SpanShift {
                    change: SpanChangeOf::Gone,
                    differs: vec![],
                    before: Some(span(start, Some(end))),
                    after: None,
                },
                changed(span(start, None), span(start, Some(end)), &[Difference::Bounds, Difference::Evidence]),
                changed(span(start, Some(end)), reset, &[Difference::Mechanism]),
                SpanShift { change: SpanChangeOf::New, differs: vec![], before: None, after: Some(span(start, None)) },
            ],
            unplaced: vec![],
        }
    }

    fn drawn(summary: &Summary, look: Look) -> String {
        let mut out = Vec::new();
        write(summary, &look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_changes_at_eighty_columns() {
        let told = drawn(&summary(), Look::plain());
        assert!(told.lines().all(|line| super::super::text::columns(line) <= 80), "{told}");
        insta::assert_snapshot!(told, @"
        1000 measurements of 3 series judged by rule set 2.
        500 measurements begun before 2026-11-01 00:00:00 UTC keep their verdict.

        Verdicts: 13 with another opinion, 987 the same by another version of the rules.

         N  FROM                 TO
        12  blocked tls.timeout  inconclusive
          by tls.timeout.differential → control.same_address · for example
          00000000-0000-0000-0000-000000000007, 00000000-0000-0000-0000-000000000007,
          00000000-0000-0000-0000-000000000007
         1  down                 blocked tls.reset
          by site.down → tls.reset.differential · for example
          00000000-0000-0000-0000-000000000009

        Spans: 1 new, 1 gone, 1 with other bounds, 1 with another mechanism, 4
        unchanged.

        url: https://fergana.media/
        vantage: almaty-kt
        n: 123
        sure: 99.99 %
        SITE     CHANGE          HOW          START (UTC)           END (UTC)
        fergana  gone       was  tls.timeout  2026-11-24 20:01 ±1m  2026-11-24 21:37 ±7m
        fergana  bounds     was  tls.timeout  2026-11-24 20:01 ±1m  ongoing
        fergana  bounds     now  tls.timeout  2026-11-24 20:01 ±1m  2026-11-24 21:37 ±7m
        fergana  mechanism  was  tls.timeout  2026-11-24 20:01 ±1m  2026-11-24 21:37 ±7m
        fergana  mechanism  now  tls.reset    2026-11-24 20:01 ±1m  2026-11-24 21:37 ±7m
        fergana  new        now  tls.timeout  2026-11-24 20:01 ±1m  ongoing
        ");
    }

    #[test]
    fn that_nothing_changes_is_said_in_two_lines() {
        let mut summary = summary();
        (summary.verdicts, summary.changes, summary.since) = (vec![], vec![], None);
        summary.measurements = MeasurementCount { judged: 1, ..MeasurementCount::default() };
        summary.series = SeriesCount { judged: 1, changed: 0 };
        let told = drawn(&summary, Look::plain());
        assert_eq!(told, "1 measurement of 1 series judged by rule set 2.\nNothing changes.\n");
    }

    #[test]
    fn the_json_is_what_the_page_says() {
        let json = serde_json::to_value(summary()).unwrap();
        let mut keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let page = include_str!("../../docs/rejudge.md");
        for key in &keys {
            assert!(page.contains(&format!("\"{key}\"")), "`{key}` is not in docs/rejudge.md");
        }
        assert_eq!(json["verdicts"][0]["from"]["rule"], "tls.timeout.differential");
        assert_eq!(json["changes"][1]["change"], "changed");
        assert_eq!(json["changes"][1]["differs"][0], "bounds");
        assert_eq!(json["changes"][0]["after"], serde_json::Value::Null);
        assert_eq!(json["since"], "2026-11-01T00:00:00.000Z");
    }

    #[test]
    fn progress_is_told_in_shares() {
        let progress = Progress { series: 1, of_series: 3, measurements: 50, of_measurements: 200 };
        assert_eq!(told(progress), ": 25 %, 50 of 200 measurements, 1 of 3 series");
        assert!(told(Progress::default()).contains("100 %"));
    }
}

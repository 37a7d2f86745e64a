//! Instants, brackets and foreign text in words that a reader of the page can trust. All times are UTC.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::model::{Bracket, Timestamp, is_hostile};

/// Foreign text without control, format and direction characters (which could rearrange a line on the screen), at
/// most `max` characters long. The template escapes it.
pub(super) fn clean(text: &str, max: usize) -> String {
    let mut shown = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_hostile(*c));
    let mut out: String = shown.by_ref().take(max).collect();
    if shown.next().is_some() {
        out.push('…');
    }
    out
}

/// `2026-11-24 20:01:02 UTC`
pub(super) fn instant(at: Timestamp) -> String {
    format!("{} UTC", clock(utc(at)))
}

/// An instant that a document gives: a month or a day when it falls on the beginning of one.
pub(super) fn document_time(at: Timestamp) -> String {
    let at = utc(at);
    match (at.time() == Time::midnight(), at.date().day()) {
        (true, 1) => at.strftime("%B %Y").to_string(),
        (true, _) => at.strftime("%-d %B %Y").to_string(),
        (false, _) => format!("{} UTC", clock(at)),
    }
}

/// When an event lies, in words; None when nothing bounds it.
pub(super) fn bracket(bracket: Bracket) -> Option<String> {
    Some(match (bracket.earliest, bracket.latest) {
        (None, None) => return None,
        (None, Some(latest)) => format!("before {}", instant(latest)),
        (Some(earliest), None) => format!("after {}", instant(earliest)),
        (Some(earliest), Some(latest)) if earliest == latest => format!("at {}", instant(earliest)),
        (Some(earliest), Some(latest)) => period(utc(earliest), latest).unwrap_or_else(|| between(earliest, latest)),
    })
}

/// How long ago, in one unit: `42 s`, `5 min`, `3 h`, `2 d`.
pub(super) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A probability as a percentage, rounded down: near certainty is never shown as certainty.
pub(super) fn percent(probability: f64) -> String {
    // Not a number compares as greater than nothing, and so counts as no confidence at all.
    let hundredths = if probability > 0.0 { (probability * 10_000.0).floor().min(9_999.0) } else { 0.0 };
    format!("{} %", hundredths / 100.0)
}

/// The day, month or year that the bracket is exactly, if it is one.
fn period(earliest: DateTime, latest: Timestamp) -> Option<String> {
    if earliest.time() != Time::midnight() {
        return None;
    }
    let day = earliest.date();
    // A period may be written with its last millisecond or with the first of the next one.
    let ends = |next: Date| {
        let next = Offset::UTC.to_timestamp(next.to_datetime(Time::midnight())).map(|next| next.as_millisecond());
        next.is_ok_and(|next| (next - 1..=next).contains(&latest.as_unix_ms()))
    };
    if day.day() == 1 && day.month() == 1 && ends(day.checked_add(1.year()).ok()?) {
        Some(day.strftime("in %Y").to_string())
    } else if day.day() == 1 && ends(day.checked_add(1.month()).ok()?) {
        Some(day.strftime("in %B %Y").to_string())
    } else if ends(day.checked_add(1.day()).ok()?) {
        Some(day.strftime("on %-d %B %Y").to_string())
    } else {
        None
    }
}

fn between(earliest: Timestamp, latest: Timestamp) -> String {
    let (from, to) = (utc(earliest), utc(latest));
    if from.date() == to.date() {
        format!("between {} and {} UTC", clock(from), to.strftime("%H:%M:%S"))
    } else {
        format!("between {} and {} UTC", clock(from), clock(to))
    }
}

fn clock(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn utc(at: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(at.to_jiff())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(earliest: &str, latest: &str) -> Option<String> {
        let bound = |text: &str| (!text.is_empty()).then(|| at(text));
        bracket(Bracket { earliest: bound(earliest), latest: bound(latest) })
    }

    #[test]
    fn brackets_are_said_as_precisely_as_they_are_known() {
        for (earliest, latest, words) in [
            ("2014-08-01T00:00:00Z", "2014-08-31T23:59:59.999Z", "in August 2014"),
            ("2014-08-01T00:00:00Z", "2014-09-01T00:00:00Z", "in August 2014"),
            ("2014-01-01T00:00:00Z", "2014-12-31T23:59:59.999Z", "in 2014"),
            ("2016-02-01T00:00:00Z", "2016-02-29T23:59:59.999Z", "in February 2016"),
            ("2014-08-05T00:00:00Z", "2014-08-05T23:59:59.999Z", "on 5 August 2014"),
            ("2026-11-24T20:00:01Z", "2026-11-24T20:01:02Z", "between 2026-11-24 20:00:01 and 20:01:02 UTC"),
            ("2026-11-24T23:59:30Z", "2026-11-25T00:01:02Z", "between 2026-11-24 23:59:30 and 2026-11-25 00:01:02 UTC"),
            ("2014-08-02T00:00:00Z", "2014-09-01T00:00:00Z", "between 2014-08-02 00:00:00 and 2014-09-01 00:00:00 UTC"),
            ("", "2026-11-24T20:01:02Z", "before 2026-11-24 20:01:02 UTC"),
            ("2026-11-24T20:01:02Z", "", "after 2026-11-24 20:01:02 UTC"),
            ("2026-11-24T20:01:02Z", "2026-11-24T20:01:02Z", "at 2026-11-24 20:01:02 UTC"),
        ] {
            assert_eq!(said(earliest, latest).as_deref(), Some(words), "{earliest} {latest}");
        }
        assert_eq!(said("", ""), None);
        assert_eq!(said("9999-12-30T00:00:00Z", "9999-12-30T21:00:00Z").map(|s| s.len() > 10), Some(true));
    }

    #[test]
    fn document_times_claim_no_more_than_they_say() {
        assert_eq!(document_time(at("2015-09-01T00:00:00Z")), "September 2015");
        assert_eq!(document_time(at("2015-09-09T00:00:00Z")), "9 September 2015");
        assert_eq!(document_time(at("2015-09-09T17:15:00Z")), "2015-09-09 17:15:00 UTC");
    }

    #[test]
    fn near_certainty_is_not_certainty() {
        assert_eq!(percent(0.999_999_9), "99.99 %");
        assert_eq!(percent(1.0), "99.99 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(percent(f64::NAN), "0 %");
    }

    #[test]
    fn foreign_text_keeps_its_letters_and_loses_its_tricks() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\u{200b}\nd\u{0}", 99), "a[31mbc d");
        assert_eq!(clean("Фергана", 3), "Фер…");
        assert_eq!(clean("Фергана", 7), "Фергана");
    }

    #[test]
    fn lengths_have_one_unit() {
        let said = |seconds| length(Duration::from_secs(seconds));
        assert_eq!(
            [said(0), said(119), said(120), said(7_200), said(172_800)],
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
    }
}

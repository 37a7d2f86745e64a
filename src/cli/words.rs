//! Times, lengths and shares in words.

use std::time::Duration;

use jiff::civil::DateTime;

use crate::model::{Bracket, Elapsed, Span, Timestamp};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A measured length of time: `12 ms`, `1.25 s`, `10.2 s`.
pub(super) fn elapsed(elapsed: Elapsed) -> String {
    let seconds = elapsed.as_seconds();
    match seconds {
        s if s < 0.0095 => format!("{:.1} ms", s * 1000.0),
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 9.995 => format!("{s:.2} s"),
        s => format!("{s:.1} s"),
    }
}

/// A length of time in its two largest units: `43s`, `12m 5s`, `13h 11m`, `12d 5h`, `431d`.
pub(super) fn length(duration: Duration) -> String {
    let mut out = String::new();
    push_length(&mut out, duration);
    out
}

fn push_length(out: &mut String, duration: Duration) {
    let seconds = duration.as_secs();
    let (large, unit, small, small_unit) = match seconds {
        0 if duration.subsec_millis() > 0 => (duration.subsec_millis().into(), "ms", 0, ""),
        0..60 => (seconds, "s", 0, ""),
        60..3_600 => (seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        86_400..5_184_000 => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
        _ => (seconds / 86_400, "d", 0, ""),
    };
    push_count(out, large);
    out.push_str(unit);
    if small > 0 {
        out.push(' ');
        push_count(out, small);
        out.push_str(small_unit);
    }
}

/// A share as per cent; never rounded up to certainty.
pub(super) fn percent(share: f64) -> String {
    let mut out = String::new();
    push_percent(&mut out, share);
    out
}

/// Appends a share as per cent; never rounded up to certainty.
pub(super) fn push_percent(out: &mut String, share: f64) {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0 + 1e-6) as u32;
    push_count(out, (hundredths / 100).into());
    match hundredths % 100 {
        0 => {}
        tens if tens % 10 == 0 => {
            out.push('.');
            push_number(out, tens / 10, 1);
        }
        rest => {
            out.push('.');
            push_number(out, rest, 2);
        }
    }
    out.push_str(" %");
}

/// Appends a whole number.
pub(super) fn push_count(out: &mut String, number: u64) {
    let digits = number.checked_ilog10().unwrap_or(0) + 1;
    for place in (0..digits).rev() {
        push_digit(out, number / 10u64.pow(place) % 10);
    }
}

fn push_digit(out: &mut String, digit: u64) {
    out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
}

/// Appends a date and time to the minute: `2026-11-24 20:01`.
pub(super) fn push_minute(out: &mut String, civil: DateTime) {
    push_day(out, civil);
    out.push(' ');
    push_number(out, civil.hour().unsigned_abs().into(), 2);
    out.push(':');
    push_number(out, civil.minute().unsigned_abs().into(), 2);
}

fn push_day(out: &mut String, civil: DateTime) {
    push_month(out, civil);
    out.push('-');
    push_number(out, civil.day().unsigned_abs().into(), 2);
}

fn push_month(out: &mut String, civil: DateTime) {
    if civil.year() < 0 {
        out.push('-');
    }
    push_number(out, civil.year().unsigned_abs().into(), 4);
    out.push('-');
    push_number(out, civil.month().unsigned_abs().into(), 2);
}

fn push_number(out: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        push_digit(out, (number / 10u32.pow(place) % 10).into());
    }
}

/// Date and time to the second, with its zone.
pub(super) fn moment(at: Timestamp) -> String {
    let mut text = String::with_capacity(24);
    let civil = at.to_civil();
    push_minute(&mut text, civil);
    text.push(':');
    push_number(&mut text, civil.second().unsigned_abs().into(), 2);
    text.push_str(" UTC");
    text
}

/// The bounds of an event, as [`push_bracket`] writes them.
pub(super) fn bracket(bracket: &Bracket, unicode: bool) -> String {
    let mut text = String::new();
    push_bracket(&mut text, bracket, unicode);
    text
}

/// Appends a bracket short enough for a table: `2014-08` for a whole month, `2026-11-24 20:01 ±1m` otherwise.
/// What is shown always holds the bracket: it is rounded outwards.
pub(super) fn push_bracket(out: &mut String, bracket: &Bracket, unicode: bool) {
    match (bracket.earliest, bracket.latest) {
        (None, None) => out.push('?'),
        (None, Some(latest)) => {
            out.push_str(if unicode { "≤ " } else { "<= " });
            match last_day(latest) {
                Some(day) => push_day(out, day),
                None => push_minute(out, civil_at(ceil_to(latest.as_unix_ms(), MINUTE))),
            }
        }
        (Some(earliest), None) => {
            out.push_str(if unicode { "≥ " } else { ">= " });
            match first_day(earliest) {
                Some(day) => push_day(out, day),
                None => push_minute(out, earliest.to_civil()),
            }
        }
        (Some(earliest), Some(latest)) => {
            if push_calendar_unit(out, earliest, latest) {
                return;
            }
            if let (Some(first), Some(last)) = (first_day(earliest), last_day(latest)) {
                push_day(out, first);
                out.push_str(if unicode { "…" } else { ".." });
                push_day(out, last);
            } else {
                push_plus_minus(out, earliest.as_unix_ms(), latest.as_unix_ms(), if unicode { "±" } else { "+-" });
            }
        }
    }
}

/// The day that begins at an instant, if one does.
fn first_day(at: Timestamp) -> Option<DateTime> {
    (at.as_unix_ms().rem_euclid(DAY) == 0).then(|| at.to_civil())
}

/// The day in whose last second an instant lies, if it does.
fn last_day(at: Timestamp) -> Option<DateTime> {
    (at.as_unix_ms().rem_euclid(DAY) >= DAY - SECOND).then(|| at.to_civil())
}

/// A bracket that is exactly a year, month or day (its last instant or the next unit's first as its end), as such.
fn push_calendar_unit(out: &mut String, earliest: Timestamp, latest: Timestamp) -> bool {
    let ms = earliest.as_unix_ms();
    if ms.rem_euclid(DAY) != 0 || latest.as_unix_ms() - ms < DAY - SECOND {
        return false;
    }
    let first = earliest.to_civil();
    let is_end = |end: Option<DateTime>| {
        end.and_then(Timestamp::from_civil)
            .map(Timestamp::as_unix_ms)
            .is_some_and(|end| (end - SECOND..=end).contains(&latest.as_unix_ms()))
    };
    let add = |span: jiff::Span| first.checked_add(span).ok();
    if is_end(add(jiff::Span::new().days(1))) {
        push_day(out, first);
    } else if first.day() == 1 && is_end(add(jiff::Span::new().months(1))) {
        push_month(out, first);
    } else if first.day() == 1 && first.month() == 1 && is_end(add(jiff::Span::new().years(1))) {
        push_number(out, first.year().unsigned_abs().into(), 4);
    } else {
        return false;
    }
    true
}

/// Steps of the second for centre and half-width: the finest one whose half-width stays a small number is taken.
fn push_plus_minus(out: &mut String, earliest: i64, latest: i64, sign: &str) {
    let width = latest.saturating_sub(earliest).max(0);
    let middle = earliest + width / 2;
    let (grid, unit, letter) = match width {
        w if w < 20 * SECOND => (SECOND, SECOND, 's'),
        w if w < 90 * MINUTE => (MINUTE, MINUTE, 'm'),
        w if w < 3 * DAY => (HOUR, HOUR, 'h'),
        _ => (DAY, DAY, 'd'),
    };
    let centre = (middle + grid / 2).div_euclid(grid) * grid;
    let half = ceil_to((latest - centre).max(centre - earliest).max(0), unit) / unit;
    let civil = civil_at(centre);
    if grid == DAY {
        push_day(out, civil);
    } else {
        push_minute(out, civil);
        if grid == SECOND {
            out.push(':');
            push_number(out, civil.second().unsigned_abs().into(), 2);
        }
    }
    if half > 0 {
        out.push(' ');
        out.push_str(sign);
        push_count(out, half.unsigned_abs());
        out.push(letter);
    }
}

fn ceil_to(ms: i64, unit: i64) -> i64 {
    ms.saturating_add(unit - 1).div_euclid(unit) * unit
}

fn civil_at(ms: i64) -> DateTime {
    Timestamp::from_unix_ms(ms).to_civil()
}

/// Appends how long a span lasted: the middle of what its brackets allow (`~` when they allow much else), or the
/// least (`>`) where a bound is missing.
pub(super) fn push_span_length(out: &mut String, span: &Span, unicode: bool) {
    let least = |end: Option<Timestamp>| Some(end?.since(span.start.latest?));
    let end = span.end.as_ref();
    let certain = least(end.and_then(|end| end.earliest).or(span.last_observed));
    let most = end.and_then(|end| Some(end.latest?.since(span.start.earliest?)));
    match (certain, most) {
        (_, None) if span.ongoing || certain.is_some() => {
            if let Some(certain) = certain.filter(|certain| !certain.is_zero()) {
                out.push_str(if unicode { "≥ " } else { ">= " });
                push_length(out, certain);
            }
        }
        (Some(certain), Some(most)) => {
            let spread = most.saturating_sub(certain);
            let middle = certain + spread / 2;
            if spread * 10 > middle {
                out.push('~');
            }
            push_length(out, middle);
        }
        _ => {}
    }
}

/// Since when, in words: `since 2026-11-24 20:01 UTC (known to within 1m)`.
pub(super) fn since(start: &Bracket) -> String {
    let minute = |ms: i64| {
        let mut text = String::new();
        push_minute(&mut text, civil_at(ms));
        text
    };
    match (start.earliest, start.latest) {
        (None, None) => "since an unknown time".to_owned(),
        (None, Some(latest)) => {
            format!("already when first measured, {}", minute(ceil_to(latest.as_unix_ms(), MINUTE)))
        }
        (Some(earliest), None) => format!("at some time after {}", minute(earliest.as_unix_ms())),
        (Some(earliest), Some(latest)) if latest.since(earliest) < Duration::from_secs(120) => {
            let mut text = String::new();
            push_plus_minus(&mut text, earliest.as_unix_ms(), latest.as_unix_ms(), "give or take ");
            text
        }
        (Some(earliest), Some(latest)) => {
            format!("between {} and {}", minute(earliest.as_unix_ms()), minute(ceil_to(latest.as_unix_ms(), MINUTE)))
        }
    }
}

/// `1 site`, `3 sites`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A size as people read it: `312 bytes`, `48.2 kB`, `200 MB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1000 {
        return count(usize::try_from(number).unwrap_or(usize::MAX), "byte", "bytes");
    }
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 99.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bracket(earliest: &str, latest: &str) -> String {
        let read = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let mut out = String::new();
        push_bracket(&mut out, &Bracket { earliest: read(earliest), latest: read(latest) }, true);
        out
    }

    #[test]
    fn brackets_are_short_and_never_narrower_than_the_truth() {
        assert_eq!(bracket("2014-08-01T00:00:00Z", "2014-08-31T23:59:59.999Z"), "2014-08");
        assert_eq!(bracket("2014-08-01T00:00:00Z", "2014-09-01T00:00:00Z"), "2014-08");
        assert_eq!(bracket("2015-09-09T00:00:00Z", "2015-09-09T23:59:59.999Z"), "2015-09-09");
        assert_eq!(bracket("2015-01-01T00:00:00Z", "2015-12-31T23:59:59Z"), "2015");
        assert_eq!(bracket("2026-11-24T20:00:13Z", "2026-11-24T20:01:12Z"), "2026-11-24 20:01 ±1m");
        assert_eq!(bracket("2026-11-24T20:00:13Z", "2026-11-24T20:00:15Z"), "2026-11-24 20:00:14 ±1s");
        assert_eq!(bracket("2026-11-24T20:00:00Z", "2026-11-24T20:00:00Z"), "2026-11-24 20:00:00");
        assert_eq!(bracket("2026-11-24T10:00:00Z", "2026-11-25T10:00:00Z"), "2026-11-24 22:00 ±12h");
        assert_eq!(bracket("2026-11-20T10:00:00Z", "2026-11-27T10:00:00Z"), "2026-11-24 ±4d");
        assert_eq!(bracket("2022-01-10T00:00:00Z", "2022-01-11T23:59:59.999Z"), "2022-01-10…2022-01-11");
        assert_eq!(bracket("", "2015-03-10T23:59:59.999Z"), "≤ 2015-03-10");
        assert_eq!(bracket("", "2026-11-24T20:00:13Z"), "≤ 2026-11-24 20:01");
        assert_eq!(bracket("2026-11-24T20:00:13Z", ""), "≥ 2026-11-24 20:00");
        assert_eq!(bracket("", ""), "?");
    }

    #[test]
    fn lengths_and_shares_read_well() {
        let shown: Vec<String> =
            [0, 43, 720, 725, 47_460, 1_054_800, 37_238_400].map(|s| length(Duration::from_secs(s))).to_vec();
        assert_eq!(shown, ["0s", "43s", "12m", "12m 5s", "13h 11m", "12d 5h", "431d"]);
        assert_eq!([0.97, 0.9999, 0.99999, 1.0, 0.5].map(percent), ["97 %", "99.99 %", "99.99 %", "100 %", "50 %"]);
        assert_eq!(percent(0.905), "90.5 %");
        let shown: Vec<String> =
            [420, 12_000, 320_400, 1_254_000, 10_200_000].map(|us| elapsed(Elapsed::from_micros(us))).to_vec();
        assert_eq!(shown, ["0.4 ms", "12 ms", "320 ms", "1.25 s", "10.2 s"]);
    }

    #[test]
    fn sizes_read_well() {
        let shown = [1, 312, 48_230, 999_600, 200_000_000, 1_234_000_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["1 byte", "312 bytes", "48.2 kB", "1.0 MB", "200 MB", "1.2 GB", "18446744 TB"]);
    }

    proptest! {
        #[test]
        fn no_bracket_panics(a in any::<i64>(), b in any::<i64>(), width in 0i64..40_000_000_000) {
            let mut out = String::new();
            let at = Timestamp::from_unix_ms;
            push_bracket(&mut out, &Bracket { earliest: Some(at(a)), latest: Some(at(b)) }, true);
            push_bracket(&mut out, &Bracket { earliest: Some(at(a)), latest: Some(at(a.saturating_add(width))) }, false);
            since(&Bracket { earliest: Some(at(a)), latest: Some(at(b)) });
            prop_assert!(!out.is_empty());
        }
    }
}

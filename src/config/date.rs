//! Dates of reports: each as wide as it is precise (DESIGN 1).

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::document::{Node, wrong_type};
use super::fault::{Wrong, clip};
use crate::model::{Bracket, Timestamp};

/// The web is no older.
const FIRST_YEAR: i16 = 1990;

/// From the first to the last millisecond of a day in UTC.
const LAST_OF_DAY: Duration = Duration::from_millis(86_400_000 - 1);

/// Reads a date as the bracket that it leaves open, in UTC:
///
/// - an instant (RFC 3339), `2015-09-09T17:15:00Z`: no wider than a point;
/// - a day, `2014-08-01`: 00:00:00.000Z of that day to 23:59:59.999Z;
/// - a month, `2014-08`, and a year, `2014`: the first millisecond of its first day to the last of its last day;
/// - an interval of two such dates, `2014-08/2015-03-10`: from the first moment of the one to the last of the other.
///   `..` leaves a side unbounded, as in ISO 8601-2 (EDTF): `2016-01-25/..`.
///
/// The error says what was expected.
pub fn parse_bracket(text: &str) -> Result<Bracket, String> {
    bracket(text).map_err(|wrong| {
        let help = wrong.help.map(|help| format!("; {help}")).unwrap_or_default();
        format!("`{}` {}{help}", clip(text), wrong.message)
    })
}

/// A date of a file: text, or a bare TOML date or date-time.
pub(super) fn date(node: &Node<'_>) -> Result<Bracket, Wrong> {
    match node.get_ref() {
        DeValue::String(text) => bracket(text),
        DeValue::Datetime(datetime) => bracket(&datetime.to_string()),
        DeValue::Integer(year) => {
            Err(Wrong::new("is a number, not a date").label("a year?").help(format!("write it in quotes: \"{year}\"")))
        }
        _ => Err(wrong_type(node, "a date in quotes, for example \"2014-08\"")),
    }
}

fn bracket(text: &str) -> Result<Bracket, Wrong> {
    let Some((first, second)) = text.split_once('/') else { return point(text) };
    let earliest = if first == ".." { None } else { point(first)?.earliest };
    let latest = if second == ".." { None } else { point(second)?.latest };
    if let (Some(earliest), Some(latest)) = (earliest, latest)
        && latest < earliest
    {
        return Err(Wrong::new("runs backwards")
            .label("the second date is before the first")
            .expected("EARLIER/LATER"));
    }
    Ok(Bracket { earliest, latest })
}

fn point(text: &str) -> Result<Bracket, Wrong> {
    let not_one = |label: &str| {
        Wrong::new("is not a date").label(label).expected(
            "an instant (\"2015-09-09T17:15:00Z\"), a day (\"2014-08-01\"), a month (\"2014-08\"), a year (\"2014\"), \
             or two of them as \"EARLIEST/LATEST\", `..` for unknown",
        )
    };
    let numbers: Vec<Option<i16>> = text.split('-').map(digits).collect();
    let days = match (text.len(), numbers.as_slice()) {
        (4, [Some(year)]) => Date::new(*year, 1, 1).map(|first| (first, first.last_of_year())),
        (7, [Some(year), Some(month)]) => month_of(*year, *month).map(|first| (first, first.last_of_month())),
        (10, [Some(_), Some(_), Some(_)]) => text.parse().map(|day: Date| (day, day)),
        _ => {
            let instant = text.parse::<Timestamp>().map_err(|_| match text.contains('T') {
                true if text.parse::<jiff::civil::DateTime>().is_ok() => {
                    not_one("no time zone: end it with `Z` or an offset")
                }
                _ => not_one(""),
            })?;
            return plausible(Bracket { earliest: Some(instant), latest: Some(instant) });
        }
    };
    let (first, last) = days.map_err(|_| not_one("no such day or month"))?;
    let start = midnight(first).ok_or_else(|| not_one("out of the calendar"))?;
    let end = midnight(last).ok_or_else(|| not_one("out of the calendar"))?;
    plausible(Bracket { earliest: Some(start), latest: Some(end.plus(LAST_OF_DAY)) })
}

fn plausible(bracket: Bracket) -> Result<Bracket, Wrong> {
    let oldest = Date::new(FIRST_YEAR, 1, 1).ok().and_then(midnight);
    if bracket.earliest < oldest {
        return Err(Wrong::new("is older than the web").label("a slip?").expected(format!("{FIRST_YEAR} or later")));
    }
    Ok(bracket)
}

fn digits(part: &str) -> Option<i16> {
    part.chars().all(|c| c.is_ascii_digit()).then(|| part.parse().ok()).flatten()
}

fn month_of(year: i16, month: i16) -> Result<Date, jiff::Error> {
    Date::new(year, i8::try_from(month).unwrap_or(0), 1)
}

fn midnight(day: Date) -> Option<Timestamp> {
    let midnight = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    Some(Timestamp::from_unix_ms(midnight.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> (String, String) {
        let side = |side: Option<Timestamp>| side.map_or("..".to_owned(), |instant| instant.to_string());
        let bracket = parse_bracket(text).unwrap();
        (side(bracket.earliest), side(bracket.latest))
    }

    #[test]
    fn a_date_is_as_wide_as_it_is_precise() {
        for (text, earliest, latest) in [
            ("2015-09-09T17:15:00Z", "2015-09-09T17:15:00.000Z", "2015-09-09T17:15:00.000Z"),
            ("2015-09-09T23:15:00+06:00", "2015-09-09T17:15:00.000Z", "2015-09-09T17:15:00.000Z"),
            ("2014-08-01", "2014-08-01T00:00:00.000Z", "2014-08-01T23:59:59.999Z"),
            ("2016-02", "2016-02-01T00:00:00.000Z", "2016-02-29T23:59:59.999Z"),
            ("2014", "2014-01-01T00:00:00.000Z", "2014-12-31T23:59:59.999Z"),
            ("2014-08/2015-03-10", "2014-08-01T00:00:00.000Z", "2015-03-10T23:59:59.999Z"),
            ("../2014-08", "..", "2014-08-31T23:59:59.999Z"),
            ("2016-01-25/..", "2016-01-25T00:00:00.000Z", ".."),
            ("../..", "..", ".."),
        ] {
            assert_eq!(shown(text), (earliest.to_owned(), latest.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused_with_the_reason() {
        for (text, reason) in [
            ("2014-13", "no such day or month"),
            ("2015-02-29", "no such day or month"),
            ("2014-08-32", "no such day or month"),
            ("2014-8", ""),
            ("August 2014", ""),
            ("", ""),
            ("2014/2015/2016", ""),
            ("2015-03-10/2014-08", "the second date is before the first"),
            ("2015-09-09T17:15:00", "no time zone: end it with `Z` or an offset"),
            ("0201-08", "a slip?"),
            ("-2014", ""),
        ] {
            assert_eq!(bracket(text).unwrap_err().label, reason, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:./+-]{0,30}|.{0,30}") {
            if let Ok(Bracket { earliest: Some(earliest), latest: Some(latest) }) = parse_bracket(&text) {
                prop_assert!(earliest <= latest);
            }
        }
    }
}

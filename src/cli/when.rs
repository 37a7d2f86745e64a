//! Instants on the command line: `2026-11-24T20:00:00Z`, `2026-11-24`, `2026-11`, `2026`, or `30d` for 30 days ago.

use jiff::civil::Date;

use crate::model::Timestamp;

/// A text that names no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an instant (2026-11-24T20:00:00Z), a day (2026-11-24), a month (2026-11), a year (2026) or a time ago (30d, 2h, 90min)"
)]
pub(super) struct WhenError;

/// A time as it was given, not yet set against a clock.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// From the first instant to the second: equal for an instant, the ends of a day, month or year otherwise.
    Calendar(Timestamp, Timestamp),
    /// So long ago.
    Ago(jiff::Span),
}

impl When {
    /// The instant meant by `--since`: a day, month or year counts from its first moment.
    pub(super) fn since(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Calendar(first, _) => first,
            Self::Ago(span) => ago(span, now),
        }
    }

    /// The instant meant by `--until`: a day, month or year counts to its last moment.
    pub(super) fn until(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Calendar(_, last) => last,
            Self::Ago(span) => ago(span, now),
        }
    }
}

fn ago(span: jiff::Span, now: Timestamp) -> Timestamp {
    let then = now.to_civil().checked_sub(span.abs()).ok().and_then(Timestamp::from_civil);
    then.unwrap_or(Timestamp::from_unix_ms(i64::MIN))
}

impl std::str::FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self::Calendar(instant, instant));
        }
        if let Some(calendar) = calendar(text) {
            return Ok(calendar);
        }
        match text.parse::<jiff::Span>() {
            Ok(span) if !span.is_zero() => Ok(Self::Ago(span)),
            _ => Err(WhenError),
        }
    }
}

/// A day, a month or a year, whole, in UTC.
fn calendar(text: &str) -> Option<When> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map(|part| number(part, 2));
    let day = parts.next().map(|part| number(part, 2));
    if parts.next().is_some() {
        return None;
    }
    let month_or_first = i8::try_from(month.unwrap_or(Some(1))?).ok()?;
    let first = Date::new(year, month_or_first, i8::try_from(day.unwrap_or(Some(1))?).ok()?).ok()?;
    let unit = match (month, day) {
        (_, Some(_)) => jiff::Span::new().days(1),
        (Some(_), None) => jiff::Span::new().months(1),
        (None, None) => jiff::Span::new().years(1),
    };
    let last = first.checked_add(unit).ok()?;
    Some(When::Calendar(midnight(first)?, midnight(last)?.minus(std::time::Duration::from_millis(1))))
}

fn number(text: &str, digits: usize) -> Option<i16> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

fn midnight(date: Date) -> Option<Timestamp> {
    Timestamp::from_civil(date.at(0, 0, 0, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds(text: &str) -> (String, String) {
        let now = "2026-11-24T20:00:00Z".parse().unwrap();
        let when: When = text.parse().unwrap();
        (when.since(now).to_string(), when.until(now).to_string())
    }

    #[test]
    fn a_day_month_or_year_counts_whole() {
        assert_eq!(bounds("2026-11-24"), ("2026-11-24T00:00:00.000Z".into(), "2026-11-24T23:59:59.999Z".into()));
        assert_eq!(bounds("2026-11"), ("2026-11-01T00:00:00.000Z".into(), "2026-11-30T23:59:59.999Z".into()));
        assert_eq!(bounds("2024"), ("2024-01-01T00:00:00.000Z".into(), "2024-12-31T23:59:59.999Z".into()));
        assert_eq!(bounds("2015-09-09T17:15:00Z").0, "2015-09-09T17:15:00.000Z");
    }

    #[test]
    fn a_length_of_time_counts_back_from_now() {
        assert_eq!(bounds("30d").0, "2026-10-25T20:00:00.000Z");
        assert_eq!(bounds("2h").0, "2026-11-24T18:00:00.000Z");
        assert_eq!(bounds("2h ago").0, "2026-11-24T18:00:00.000Z");
        assert_eq!(bounds("1 year").0, "2025-11-24T20:00:00.000Z");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "2026-13", "2026-02-30", "24.11.2026", "20:00", "0d", "2026-1-1"] {
            assert_eq!(text.parse::<When>().err(), Some(WhenError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), ms in any::<i64>()) {
            if let Ok(when) = text.parse::<When>() {
                when.since(Timestamp::from_unix_ms(ms));
                when.until(Timestamp::from_unix_ms(ms));
            }
        }
    }
}

//! Instants and lengths of time, with their units in the type.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A text that is no RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an instant: expected RFC 3339, for example 2015-09-09T17:15:00Z")]
pub struct TimestampError {
    /// The text that was read.
    pub text: String,
}

/// An instant in UTC, to the millisecond. Shown as RFC 3339 with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `ms` milliseconds after the Unix epoch, held within the years -9999 to 9999.
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(ms.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond()))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_unix_ms(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, as Prometheus shows instants.
    pub fn as_unix_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The wall clock's instant. Only the edges call this; judge and detect take time as an argument.
    pub fn now() -> Self {
        Self::from_unix_ms(jiff::Timestamp::now().as_millisecond())
    }

    /// The time from `earlier` to this instant; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This instant moved later by `by`.
    pub fn plus(self, by: Duration) -> Self {
        Self::from_unix_ms(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant moved earlier by `by`.
    pub fn minus(self, by: Duration) -> Self {
        Self::from_unix_ms(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The same instant for jiff.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl Timestamp {
    /// The calendar date and time of day in UTC.
    pub fn to_civil(self) -> jiff::civil::DateTime {
        jiff::tz::Offset::UTC.to_datetime(self.to_jiff())
    }

    /// The instant of a calendar date and time of day in UTC. None beyond the calendar.
    pub fn from_civil(civil: jiff::civil::DateTime) -> Option<Self> {
        jiff::tz::Offset::UTC.to_timestamp(civil).ok().map(|instant| Self::from_unix_ms(instant.as_millisecond()))
    }

    /// The instant as RFC 3339 in a fixed 24 bytes, all ASCII; None outside the years 0 to 9999. Histories print
    /// millions of instants, so this neither allocates nor goes through the formatting machinery.
    pub fn to_rfc3339(self) -> Option<[u8; 24]> {
        let civil = self.to_civil();
        let year = u16::try_from(civil.year()).ok().filter(|year| *year <= 9999)?;
        let pair = |number: i8| {
            let number = number.unsigned_abs();
            [b'0' + number / 10 % 10, b'0' + number % 10]
        };
        // Each is below a hundred.
        let [century, rest] = [year / 100, year % 100].map(|half| pair(i8::try_from(half).unwrap_or(0)));
        let ms = civil.millisecond().unsigned_abs();
        let [m1, m2] = pair(i8::try_from(ms / 10).unwrap_or(0));
        let [_, m3] = pair(i8::try_from(ms % 10).unwrap_or(0));
        let mut text = *b"0000-00-00T00:00:00.000Z";
        text[0..2].copy_from_slice(&century);
        text[2..4].copy_from_slice(&rest);
        text[5..7].copy_from_slice(&pair(civil.month()));
        text[8..10].copy_from_slice(&pair(civil.day()));
        text[11..13].copy_from_slice(&pair(civil.hour()));
        text[14..16].copy_from_slice(&pair(civil.minute()));
        text[17..19].copy_from_slice(&pair(civil.second()));
        text[20..23].copy_from_slice(&[m1, m2, m3]);
        Some(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_rfc3339() {
            Some(text) => f.pad(std::str::from_utf8(&text).unwrap_or_default()),
            None => f.pad(&format!("{:.3}", self.to_jiff())),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self::from_unix_ms(instant.as_millisecond()))
            .map_err(|_| TimestampError { text: text.to_owned() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_rfc3339() {
            Some(text) => serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default()),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A measured length of time, to the microsecond. Shown in JSON as seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Elapsed(u64);

impl Elapsed {
    /// A length of `us` microseconds.
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// The length in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The same length as a `Duration`.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

impl From<Duration> for Elapsed {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Serialize for Elapsed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_seconds())
    }
}

impl<'de> Deserialize<'de> for Elapsed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self((seconds.max(0.0) * 1e6).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_back_as_it_was_shown() {
        let instant: Timestamp = "2015-09-09T17:15:00Z".parse().unwrap();
        assert_eq!(instant.to_string(), "2015-09-09T17:15:00.000Z");
        assert_eq!(instant.to_string().parse::<Timestamp>().unwrap(), instant);
    }

    #[test]
    fn instants_are_shown_as_jiff_shows_them() {
        for ms in
            [0, -1, 1, 1_441_818_900_123, -62_135_596_800_000, 253_402_300_799_999, 951_782_400_000, i64::MIN, i64::MAX]
        {
            let instant = Timestamp::from_unix_ms(ms);
            assert_eq!(instant.to_string(), format!("{:.3}", instant.to_jiff()));
        }
    }

    #[test]
    fn arithmetic_never_leaves_the_calendar() {
        let end = Timestamp::from_unix_ms(i64::MAX);
        assert_eq!(end.plus(Duration::from_secs(u64::MAX)), end);
        assert_eq!(Timestamp::from_unix_ms(5).since(Timestamp::from_unix_ms(9)), Duration::ZERO);
    }
}

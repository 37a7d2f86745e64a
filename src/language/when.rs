//! Instants, brackets and lengths in words that a reader can trust. All times are UTC.

use std::time::Duration;

use fluent_bundle::FluentValue;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

use super::Language;
use crate::model::{Bracket, Timestamp};

impl Language {
    /// `2026-11-24 20:01:02 UTC`, in every language.
    pub fn instant(self, at: Timestamp) -> String {
        format!("{} UTC", clock(at.to_civil()))
    }

    /// An instant that a document gives: a month or a day when it falls on the beginning of one.
    pub fn document_time(self, at: Timestamp) -> String {
        let civil = at.to_civil();
        match (civil.time() == Time::midnight(), civil.date().day()) {
            (true, 1) => self.dated("document-month", civil.date()),
            (true, _) => self.dated("document-day", civil.date()),
            (false, _) => self.instant(at),
        }
    }

    /// When an event lies; None when nothing bounds it.
    pub fn bracket(self, bracket: Bracket) -> Option<String> {
        Some(match (bracket.earliest, bracket.latest) {
            (None, None) => return None,
            (None, Some(latest)) => self.say_with("bracket-before", &[("latest", self.instant(latest).into())]),
            (Some(earliest), None) => self.say_with("bracket-after", &[("earliest", self.instant(earliest).into())]),
            (Some(earliest), Some(latest)) if earliest == latest => {
                self.say_with("bracket-at", &[("at", self.instant(earliest).into())])
            }
            (Some(earliest), Some(latest)) => {
                self.period(earliest.to_civil(), latest).unwrap_or_else(|| self.between(earliest, latest))
            }
        })
    }

    /// The same, with words for what nothing bounds.
    pub fn bracket_or_unknown(self, bracket: Bracket) -> String {
        self.bracket(bracket).unwrap_or_else(|| self.say("bracket-unknown"))
    }

    /// How long, in one unit, rounded down: `42 s`, `5 min`, `3 h`, `2 d`.
    pub fn length(self, length: Duration) -> String {
        let seconds = length.as_secs();
        let (name, count) = match seconds {
            0..=119 => ("length-seconds", seconds),
            120..=7_199 => ("length-minutes", seconds / 60),
            7_200..=172_799 => ("length-hours", seconds / 3_600),
            _ => ("length-days", seconds / 86_400),
        };
        self.say_with(name, &[("count", count.into())])
    }

    /// A probability as a percentage, rounded down: near certainty is never shown as certainty.
    pub fn percent(self, probability: f64) -> String {
        // Not a number compares as greater than nothing, and so counts as no confidence at all.
        let hundredths = if probability > 0.0 { (probability * 10_000.0).floor().min(9_999.0) } else { 0.0 };
        let percent = (hundredths / 100.0).to_string();
        let percent = if self == Self::English { percent } else { percent.replace('.', ",") };
        format!("{percent} %")
    }

    fn dated(self, name: &str, date: Date) -> String {
        let whole = |number: i64| FluentValue::from(number);
        self.say_with(
            name,
            &[
                ("year", whole(date.year().into())),
                ("month", whole(date.month().into())),
                ("day", whole(date.day().into())),
            ],
        )
    }

    /// The day, month or year that the bracket is exactly, if it is one.
    fn period(self, earliest: DateTime, latest: Timestamp) -> Option<String> {
        if earliest.time() != Time::midnight() {
            return None;
        }
        let day = earliest.date();
        // A period may be written with its last millisecond or with the first of the next one.
        let ends = |next: Date| {
            let next = Timestamp::from_civil(next.to_datetime(Time::midnight())).map(Timestamp::as_unix_ms);
            next.is_some_and(|next| (next - 1..=next).contains(&latest.as_unix_ms()))
        };
        if day.day() == 1 && day.month() == 1 && ends(day.checked_add(1.year()).ok()?) {
            Some(self.dated("period-year", day))
        } else if day.day() == 1 && ends(day.checked_add(1.month()).ok()?) {
            Some(self.dated("period-month", day))
        } else if ends(day.checked_add(1.day()).ok()?) {
            Some(self.dated("period-day", day))
        } else {
            None
        }
    }

    fn between(self, earliest: Timestamp, latest: Timestamp) -> String {
        let (from, to) = (earliest.to_civil(), latest.to_civil());
        let to = if from.date() == to.date() { to.strftime("%H:%M:%S").to_string() } else { clock(to) };
        let (from, to) = (clock(from), format!("{to} UTC"));
        self.say_with("bracket-between", &[("earliest", from.into()), ("latest", to.into())])
    }
}

fn clock(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(language: Language, earliest: &str, latest: &str) -> Option<String> {
        let bound = |text: &str| (!text.is_empty()).then(|| at(text));
        language.bracket(Bracket { earliest: bound(earliest), latest: bound(latest) })
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
            assert_eq!(said(Language::English, earliest, latest).as_deref(), Some(words), "{earliest} {latest}");
        }
        assert_eq!(said(Language::English, "", ""), None);
        let end = said(Language::English, "9999-12-30T00:00:00Z", "9999-12-30T21:00:00Z");
        assert_eq!(end.map(|words| words.len() > 10), Some(true));
    }

    #[test]
    fn months_are_declined_as_each_language_asks() {
        let months = ("2014-08-01T00:00:00Z", "2014-09-01T00:00:00Z");
        let days = ("2014-05-09T00:00:00Z", "2014-05-10T00:00:00Z");
        assert_eq!(said(Language::Russian, months.0, months.1).unwrap(), "в августе 2014 г.");
        assert_eq!(said(Language::Russian, days.0, days.1).unwrap(), "9 мая 2014 г.");
        assert_eq!(said(Language::Kazakh, months.0, months.1).unwrap(), "2014 ж. тамызда");
        assert_eq!(Language::Russian.document_time(at("2016-04-01T00:00:00Z")), "апрель 2016 г.");
    }

    #[test]
    fn document_times_claim_no_more_than_they_say() {
        let said = |text| Language::English.document_time(at(text));
        assert_eq!(said("2015-09-01T00:00:00Z"), "September 2015");
        assert_eq!(said("2015-09-09T00:00:00Z"), "9 September 2015");
        assert_eq!(said("2015-09-09T17:15:00Z"), "2015-09-09 17:15:00 UTC");
    }

    #[test]
    fn near_certainty_is_not_certainty() {
        let said = |sure| Language::English.percent(sure);
        assert_eq!(said(0.999_999_9), "99.99 %");
        assert_eq!(said(1.0), "99.99 %");
        assert_eq!(said(0.5), "50 %");
        assert_eq!(said(f64::NAN), "0 %");
        assert_eq!(Language::Russian.percent(1.0), "99,99 %");
    }

    #[test]
    fn lengths_have_one_unit() {
        let said = |seconds| Language::English.length(Duration::from_secs(seconds));
        assert_eq!(
            [said(0), said(119), said(120), said(7_200), said(172_800)],
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
    }
}

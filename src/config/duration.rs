//! Lengths of time as people write them.

use std::time::Duration;

use super::document::Node;
use super::fault::Wrong;
use toml::de::DeValue;

/// One minute.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// One hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// One day of 24 hours.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest length of time that is taken for meant: ten years of 365.25 days.
pub(super) const LONGEST: Duration = Duration::from_secs(36525 * 24 * 360);

/// Units, longest first; a day is 24 hours, a week 7 days.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a length of time: whole numbers with the units w, d (24 h), h, m, s and ms, longer units first, for example
/// `60s`, `400d` or `1h30m`. More than ten years, and nothing at all, are refused. Errors say what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text).map_err(|wrong| {
        let help = wrong.help.map(|help| format!("; {help}")).unwrap_or_default();
        format!("`{}` {}{help}", super::fault::clip(text), wrong.message)
    })
}

fn parse(text: &str) -> Result<Duration, Wrong> {
    let not_one = |label: &str| {
        Wrong::new("is not a length of time")
            .label(label)
            .expected("numbers with units (w, d, h, m, s, ms), for example \"60s\", \"10m\", \"400d\" or \"1h30m\"")
    };
    if text.starts_with('-') {
        return Err(not_one("negative"));
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut longest_left = UNITS.len();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = &rest[..digits];
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = &rest[..letters];
        rest = &rest[letters..];
        if number.is_empty() {
            return Err(not_one("no number"));
        }
        if unit.is_empty() {
            return Err(not_one(if rest.starts_with('.') { "write it in whole numbers" } else { "no unit" }));
        }
        let Some((rank, (_, scale))) = UNITS.iter().rev().enumerate().find(|(_, (name, _))| *name == unit) else {
            return Err(not_one("unknown unit"));
        };
        if rank >= longest_left {
            return Err(not_one("longer units come first, each at most once"));
        }
        longest_left = rank;
        // Too many digits are too long in any unit.
        let part = number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*scale);
        total = total.saturating_add(part);
    }
    let length = Duration::from_millis(total);
    if text.is_empty() {
        Err(not_one("empty"))
    } else if length.is_zero() {
        Err(Wrong::new("is zero").label("no time at all").expected("a length of time, for example \"60s\""))
    } else if length > LONGEST {
        Err(Wrong::new("is absurdly long").label("more than ten years").expected("at most ten years (\"3652d\")"))
    } else {
        Ok(length)
    }
}

/// Reads a length of time within bounds.
pub(super) fn length(min: Duration, max: Duration) -> impl Fn(&Node<'_>) -> Result<Duration, Wrong> {
    move |node| {
        let length = match node.get_ref() {
            DeValue::String(text) => parse(text)?,
            DeValue::Integer(number) => {
                return Err(Wrong::new("is a number without a unit")
                    .label("seconds? minutes?")
                    .help(format!("write the unit, in quotes: \"{number}s\"")));
            }
            _ => return Err(super::document::wrong_type(node, "a length of time in quotes, for example \"60s\"")),
        };
        if length < min {
            Err(Wrong::new(format!("is shorter than {}", show(min))).label("too short").expected(format!(
                "{} to {}",
                show(min),
                show(max)
            )))
        } else if length > max {
            Err(Wrong::new(format!("is longer than {}", show(max))).label("too long").expected(format!(
                "{} to {}",
                show(min),
                show(max)
            )))
        } else {
            Ok(length)
        }
    }
}

/// The length as [`parse_duration`] reads it.
pub(super) fn show(length: Duration) -> String {
    let mut left = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS.iter().skip(1) {
        if left >= *scale {
            text.push_str(&format!("{}{unit}", left / scale));
            left %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("60s", 60),
            ("10m", 600),
            ("400d", 400 * 86_400),
            ("1h30m", 5400),
            ("2w", 14 * 86_400),
            ("3652d", 315_532_800),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1s500ms"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_no_length_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("60", "no unit"),
            ("1.5h", "write it in whole numbers"),
            ("-5s", "negative"),
            ("s", "no number"),
            ("5 s", "no unit"),
            ("5y", "unknown unit"),
            ("5s5m", "longer units come first, each at most once"),
            ("5m5m", "longer units come first, each at most once"),
            ("0s", "no time at all"),
            ("3653d", "more than ten years"),
            ("99999999999999999999999999d", "more than ten years"),
        ] {
            assert_eq!(parse(text).unwrap_err().label, reason, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(ms in 1u64..315_576_000_000) {
            let length = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show(length)), Ok(length));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}

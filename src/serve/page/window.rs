//! The stretch of time that a time line shows, and the ways to another one.

use std::time::Duration;

use super::Trouble;
use super::frame::{Asked, Frame};
use crate::model::Timestamp;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// What can be chosen at once: the message's name, and seconds.
const PRESETS: [(&str, u64); 6] = [
    ("zoom-hour", 3_600),
    ("zoom-day", DAY),
    ("zoom-week", 7 * DAY),
    ("zoom-month", 30 * DAY),
    ("zoom-year", 365 * DAY),
    ("zoom-decade", 3_653 * DAY),
];
/// The shortest and the longest stretch that can be shown.
const SHORTEST: Duration = Duration::from_secs(MINUTE);
const LONGEST: Duration = Duration::from_secs(200 * 366 * DAY);

/// The bounds that were asked for; None: as far as the record reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

/// A way to another stretch.
pub(super) struct Way {
    pub(super) text: String,
    pub(super) href: String,
    pub(super) key: &'static str,
    pub(super) is_current: bool,
}

/// The ways from here, and what the form says.
pub(super) struct Ways {
    pub(super) steps: Vec<Way>,
    pub(super) presets: Vec<Way>,
    pub(super) from: String,
    pub(super) to: String,
    /// The bounds in Unix milliseconds, for the script.
    pub(super) bounds: (i64, i64),
    pub(super) path: String,
}

impl Window {
    /// What the address asks for. An instant may be written as in RFC 3339, or as a date with or without a time (UTC).
    pub(super) fn of(asked: &Asked) -> Result<Self, Trouble> {
        let instant = |text: &Option<String>| match text.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => read(text).map(Some).ok_or_else(|| Trouble::Asked(super::frame::shown(text))),
        };
        let (from, to) = (instant(&asked.from)?, instant(&asked.to)?);
        Ok(match (from, to) {
            (Some(from), Some(to)) => Self::within(from, to),
            (from, to) => Self { from, to },
        })
    }

    /// A stretch that can be shown: in order, neither too short nor too long.
    fn within(from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = if to < from { (to, from) } else { (from, to) };
        let to = from.plus(to.since(from).clamp(SHORTEST, LONGEST));
        // At the end of the calendar there is room only before.
        let from = if to.since(from) < SHORTEST { to.minus(SHORTEST) } else { from };
        Self { from: Some(from), to: Some(to) }
    }

    fn address(self, path: &str) -> String {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        format!("{path}?from={}&to={}#timeline", text(self.from), text(self.to))
    }
}

fn read(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::from_civil(text.parse::<jiff::civil::DateTime>().ok()?))
}

impl Ways {
    /// The ways from the stretch that is shown.
    pub(super) fn new(frame: &Frame, path: &str, (from, to): (Timestamp, Timestamp)) -> Self {
        let width = to.since(from);
        let way = |name: &str, key, from, to, is_current| Way {
            text: frame.say(name),
            href: frame.link(&Window::within(from, to).address(path)),
            key,
            is_current,
        };
        let steps = vec![
            way("zoom-earlier", "ArrowLeft", from.minus(width / 2), to.minus(width / 2), false),
            way("zoom-in", "+", from.plus(width / 4), to.minus(width / 4), false),
            way("zoom-out", "-", from.minus(width / 2), to.plus(width / 2), false),
            way("zoom-later", "ArrowRight", from.plus(width / 2), to.plus(width / 2), false),
        ];
        // A stretch that reaches the present ends there; one in the past ends where it ended.
        let end = to.min(frame.now);
        let mut presets: Vec<Way> = PRESETS
            .iter()
            .map(|(name, seconds)| {
                let length = Duration::from_secs(*seconds);
                way(name, "", end.minus(length), end, width == length)
            })
            .collect();
        presets.push(Way {
            text: frame.say("zoom-all"),
            href: frame.link(&format!("{path}#timeline")),
            key: "0",
            is_current: false,
        });
        let field = |at: Timestamp| at.to_civil().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        Self {
            steps,
            presets,
            from: field(from),
            to: field(to),
            bounds: (from.as_unix_ms(), to.as_unix_ms()),
            path: path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: &str, to: &str) -> Asked {
        Asked { lang: None, from: Some(from.to_owned()), to: Some(to.to_owned()) }
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn what_is_asked_for_is_read_as_people_write_it() {
        for (text, instant) in [
            ("2026-11-24T20:00:00Z", "2026-11-24T20:00:00Z"),
            ("2026-11-24T20:00:00+05:00", "2026-11-24T15:00:00Z"),
            ("2026-11-24T20:00", "2026-11-24T20:00:00Z"),
            ("2026-11-24 20:00:05", "2026-11-24T20:00:05Z"),
            ("2026-11-24", "2026-11-24T00:00:00Z"),
        ] {
            assert_eq!(Window::of(&asked(text, "")).unwrap(), Window { from: at(instant), to: None }, "{text}");
        }
        assert!(matches!(Window::of(&asked("yesterday", "")), Err(Trouble::Asked(what)) if what == "yesterday"));
    }

    #[test]
    fn a_stretch_is_put_in_order_and_within_its_bounds() {
        let window = Window::of(&asked("2026-11-25", "2026-11-24")).unwrap();
        assert_eq!(window, Window { from: at("2026-11-24T00:00:00Z"), to: at("2026-11-25T00:00:00Z") });
        let short = Window::of(&asked("2026-11-25", "2026-11-25")).unwrap();
        assert_eq!(short.to, at("2026-11-25T00:01:00Z"));
        let long = Window::of(&asked("0001-01-01", "9999-01-01")).unwrap();
        assert!(long.to.unwrap().since(long.from.unwrap()) <= LONGEST);
        let last = Window::of(&asked("9999-12-30T21:59:59Z", "9999-12-30T22:00:00Z")).unwrap();
        assert!(last.to.unwrap().since(last.from.unwrap()) >= SHORTEST);
    }
}

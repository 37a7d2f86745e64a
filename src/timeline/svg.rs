//! One row of a time line as an SVG element that stretches with the page.
//!
//! Places are shares of the width, so that letters keep their form on a phone and on paper. What is certain is a whole
//! bar, a bracket is a half-high frame, silence is a dotted line: none is told by colour alone. Colours come from the
//! classes (`accessible` … `inconclusive`), everything else from attributes: no style attribute is needed.

use std::fmt::Write;

use super::axis::{Axis, Step};
use super::shape::Shape;
use crate::model::{Span, Status, Timestamp, VantageSpan};

/// Steps of the axis: finer than any screen.
const CELLS: usize = 4_000;
/// About the width of a letter of a tick's label on a page of usual width, in such steps.
const LETTER: usize = 34;
/// Slices of a strip: of a year, about days.
const SLICES: usize = 365;
/// Height of a row, pixels.
const HEIGHT: u32 = 22;

/// A time line's frame: what the rows have in common.
#[derive(Debug)]
pub struct Drawing {
    axis: Axis,
    now: Timestamp,
}

/// What stands beside a span that is drawn.
#[derive(Debug, Default)]
pub struct Mark {
    /// Where it leads.
    pub href: Option<String>,
    /// What it says to who points at it.
    pub title: String,
}

/// Text for an attribute or between tags.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

impl Drawing {
    /// A frame from `since` to `until`, or as far as spans and measurements reach. `now` is where what goes on is drawn to.
    pub fn new<'s>(
        spans: impl Iterator<Item = &'s Span>,
        measured: impl Iterator<Item = (Timestamp, Timestamp)>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        Self { axis: Axis::of(spans, measured, since, until, CELLS), now }
    }

    /// The first instant and the one after the last.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        self.axis.bounds()
    }

    fn percent(&self, ms: i64) -> f64 {
        self.axis.clamped(ms) as f64 * 100.0 / self.axis.cells() as f64
    }

    fn rect(&self, out: &mut String, class: &str, from: i64, to: i64) {
        let Some((first, last)) = self.axis.range(from, to) else { return };
        let cells = self.axis.cells() as f64;
        let (x, width) = (first as f64 * 100.0 / cells, (last - first) as f64 * 100.0 / cells);
        let (y, height) = if class == "certain" { (4, HEIGHT - 8) } else { (8, HEIGHT - 16) };
        let _infallible =
            write!(out, r#"<rect class="{class}" x="{x:.2}%" y="{y}" width="{width:.2}%" height="{height}"/>"#);
    }

    fn line(&self, out: &mut String, class: &str, from: i64, to: i64) {
        if self.axis.range(from, to).is_some() {
            let (x1, x2, y) = (self.percent(from), self.percent(to), HEIGHT / 2);
            let _infallible = write!(out, r#"<line class="{class}" x1="{x1:.2}%" x2="{x2:.2}%" y1="{y}" y2="{y}"/>"#);
        }
    }

    /// A row: when the series was looked at, its spans, and when its vantage told nothing. `label` tells who cannot see it
    /// what it shows.
    pub fn row<'s>(
        &self,
        label: &str,
        watched: Option<(Timestamp, Timestamp)>,
        spans: impl Iterator<Item = &'s Span>,
        silences: impl Iterator<Item = &'s VantageSpan>,
        mark: impl Fn(&Span) -> Mark,
    ) -> String {
        let mut out =
            format!(r#"<svg class="row" width="100%" height="{HEIGHT}" role="group" aria-label="{}">"#, escaped(label));
        if let Some((first, last)) = watched {
            self.line(&mut out, "watched", first.as_unix_ms(), last.as_unix_ms());
        }
        for span in spans {
            self.span(&mut out, span, &mark(span));
        }
        for silence in silences {
            let from = silence.start.latest.or(silence.start.earliest);
            let to = silence.end.map_or(Some(self.now), |end| end.earliest.or(end.latest));
            if let (Some(from), Some(to)) = (from.map(Timestamp::as_unix_ms), to.map(Timestamp::as_unix_ms)) {
                self.line(&mut out, "gap", from, to);
                self.line(&mut out, "silent", from, to);
            }
        }
        out.push_str("</svg>");
        out
    }

    fn span(&self, out: &mut String, span: &Span, mark: &Mark) {
        let Some(shape) = Shape::of(span) else { return };
        let status = if span.partial.is_some() { Status::Blocked } else { span.status };
        let mut drawn = String::new();
        let measured = span.citation.is_none();
        let end = if shape.ongoing { shape.end_earliest.max(self.now.as_unix_ms()) } else { shape.end_earliest };
        if let Some(earliest) = shape.start_earliest {
            self.rect(&mut drawn, "possible", earliest, shape.start_latest);
        }
        if shape.start_latest <= shape.end_earliest {
            self.rect(&mut drawn, "certain", shape.start_latest, shape.end_earliest);
        }
        // Between the last look and now it is not certain.
        if let Some(latest) = shape.end_latest.or(shape.ongoing.then_some(end)) {
            self.rect(&mut drawn, "possible", shape.end_earliest, latest);
        }
        let sign = |drawn: &mut String, at: i64, anchor: &str, shift: i32, sign: &str| {
            if self.axis.cell(at).is_some() {
                let x = self.percent(at);
                let y = HEIGHT - 6;
                let _infallible =
                    write!(drawn, r#"<text x="{x:.2}%" dx="{shift}" y="{y}" text-anchor="{anchor}">{sign}</text>"#);
            }
        };
        if shape.start_earliest.is_none() {
            sign(&mut drawn, shape.start_latest, "end", -2, if measured { "◂" } else { "?" });
        }
        if shape.ongoing {
            // Beyond the edge it is known to go on too.
            if self.axis.range(shape.start_latest, end).is_some() {
                let edge = self.axis.bounds().1.as_unix_ms().saturating_sub(1);
                sign(&mut drawn, end.min(edge), "start", 2, "▸");
            }
        } else if shape.end_latest.is_none() {
            sign(&mut drawn, shape.end_earliest, "start", 3, "?");
        }
        if drawn.is_empty() {
            return;
        }
        let title = escaped(&mark.title);
        let ms = |ms: Option<i64>| ms.map(|ms| ms.to_string()).unwrap_or_default();
        let of_end = span.end.map(|end| (end.earliest, end.latest)).unwrap_or_default();
        let instants = format!(
            "{} {} {} {}",
            ms(span.start.earliest.map(Timestamp::as_unix_ms)),
            ms(span.start.latest.map(Timestamp::as_unix_ms)),
            ms(of_end.0.map(Timestamp::as_unix_ms)),
            ms(of_end.1.map(Timestamp::as_unix_ms)),
        );
        let link = match &mark.href {
            Some(href) => ("a", format!(r#" href="{}""#, escaped(href))),
            None => ("g", String::new()),
        };
        let _infallible = write!(
            out,
            r#"<{0}{1} class="span {status}" aria-label="{title}" data-instants="{instants}"><title>{title}</title>{drawn}</{0}>"#,
            link.0, link.1
        );
    }

    /// Whether anything was so, in 365 slices over the whole frame: many spans as a few bars. `label` is told in how many of
    /// them it was.
    pub fn strip<'s>(&self, spans: impl Iterator<Item = &'s Span>, label: impl FnOnce(usize) -> String) -> String {
        let mut slices = [false; SLICES];
        let slice = |cell: usize| (cell * SLICES / self.axis.cells()).min(SLICES - 1);
        for shape in spans.filter_map(Shape::of) {
            let end = if shape.ongoing { self.now.as_unix_ms() } else { shape.end_earliest };
            if let Some((first, last)) = self.axis.range(shape.start_latest.min(end), end) {
                slices[slice(first)..=slice(last)].fill(true);
            }
        }
        let label = escaped(&label(slices.iter().filter(|slice| **slice).count()));
        let mut out = format!(
            r#"<svg class="strip" width="100%" height="{HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>"#
        );
        let (share, middle) = (100.0 / SLICES as f64, HEIGHT / 2);
        let _infallible = write!(out, r#"<line class="rule" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>"#);
        let mut at = 0;
        for run in slices.chunk_by(|a, b| a == b) {
            if run[0] {
                let (x, width, height) = (at as f64 * share, run.len() as f64 * share, HEIGHT - 8);
                let _infallible =
                    write!(out, r#"<rect class="certain" x="{x:.2}%" y="4" width="{width:.2}%" height="{height}"/>"#);
            }
            at += run.len();
        }
        out.push_str("</svg>");
        out
    }

    /// The axis: ticks with their labels, and the day under hours and minutes.
    pub fn axis(&self) -> String {
        let step = self.axis.step(LETTER);
        let mut out = String::from(r#"<svg class="axis" width="100%" height="36" aria-hidden="true">"#);
        let _infallible = write!(out, r#"<line class="rule" x1="0" x2="100%" y1="1" y2="1"/>"#);
        let mut day = None;
        let clock = matches!(step, Step::Seconds(_));
        // On a narrow screen only every third label has room: the style leaves out the others.
        let put = |out: &mut String, ms: i64, y: u32, class: &str, label: &str| {
            let x = self.percent(ms);
            // Labels at the edges stay within.
            let anchor = match x {
                ..4.0 => "start",
                96.0.. => "end",
                _ => "middle",
            };
            let _infallible = write!(out, r#"<text{class} x="{x:.2}%" y="{y}" text-anchor="{anchor}">{label}</text>"#);
        };
        if clock {
            let first = self.axis.bounds().0.to_civil();
            day = Some(first.date());
            put(&mut out, self.axis.bounds().0.as_unix_ms(), 33, "", &format!("{} UTC", Step::Days(1).label(first)));
        }
        for (number, ms) in self.axis.ticks(step).into_iter().enumerate() {
            let x = self.percent(ms);
            let civil = Timestamp::from_unix_ms(ms).to_civil();
            let _infallible = write!(out, r#"<line class="rule" x1="{x:.2}%" x2="{x:.2}%" y1="1" y2="6"/>"#);
            put(&mut out, ms, 18, if number % 3 == 0 { "" } else { r#" class="extra""# }, &step.label(civil));
            if clock && day != Some(civil.date()) && x > 15.0 {
                day = Some(civil.date());
                put(&mut out, ms, 33, "", &Step::Days(1).label(civil));
            }
        }
        out.push_str("</svg>");
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::fixtures::{UNKNOWN, at, between, span};
    use crate::model::Bracket;

    fn drawn(span: &Span) -> String {
        let day = |day: &str| Some(at(&format!("2026-11-{day}T00:00:00Z")));
        let drawing =
            Drawing::new(std::iter::empty(), std::iter::empty(), day("01"), day("11"), at("2026-11-10T00:00:00Z"));
        let mark = |_: &Span| Mark { href: Some("/spans/x".to_owned()), title: "a <b> \"c\"".to_owned() };
        drawing.row("row", None, std::iter::once(span), std::iter::empty(), mark)
    }

    fn on(day: &str) -> Bracket {
        let at = at(&format!("2026-11-{day}T00:00:00Z"));
        Bracket { earliest: Some(at), latest: Some(at) }
    }

    #[test]
    fn a_span_is_a_bar_between_two_frames_and_a_link() {
        let start = between("2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z");
        let end = between("2026-11-05T00:00:00Z", "2026-11-06T00:00:00Z");
        let drawn = drawn(&span(start, Some(end)));
        assert!(drawn.contains(r#"<rect class="possible" x="10.00%" y="8" width="10.00%" height="6"/>"#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="certain" x="20.00%" y="4" width="20.00%" height="14"/>"#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="possible" x="40.00%" y="8" width="10.00%" height="6"/>"#), "{drawn}");
        assert!(drawn.contains(r#"<a href="/spans/x" class="span blocked""#));
        assert!(drawn.contains("a &lt;b&gt; &quot;c&quot;") && !drawn.contains("<b>"));
    }

    #[test]
    fn what_goes_on_is_certain_only_up_to_the_last_look() {
        let mut goes_on = span(on("02"), None);
        goes_on.last_observed = Some(at("2026-11-08T00:00:00Z"));
        let drawn = drawn(&goes_on);
        assert!(drawn.contains(r#"<rect class="certain" x="10.00%" y="4" width="60.00%" height="14"/>"#), "{drawn}");
        assert!(drawn.contains(r#"<rect class="possible" x="70.00%""#) && drawn.contains("▸"), "{drawn}");
        // The frame ends before the present does.
        let (first, last) = (Some(at("2026-11-03T00:00:00Z")), Some(at("2026-11-05T00:00:00Z")));
        let drawing = Drawing::new(std::iter::empty(), std::iter::empty(), first, last, at("2026-11-10T00:00:00Z"));
        let row = drawing.row("row", None, std::iter::once(&goes_on), std::iter::empty(), |_| Mark::default());
        assert!(row.contains("▸"), "{row}");
    }

    #[test]
    fn what_is_not_bounded_is_marked_and_what_lies_outside_is_left_out() {
        let open = Bracket { earliest: None, latest: Some(at("2026-11-04T00:00:00Z")) };
        assert!(drawn(&span(open, Some(on("06")))).contains("◂"));
        assert!(drawn(&span(on("04"), Some(UNKNOWN))).contains('?'));
        assert!(!drawn(&span(on("20"), Some(on("21")))).contains("<rect"));
    }

    #[test]
    fn a_strip_tells_on_how_many_days_it_was_whatever_the_number_of_spans() {
        let from = at("2026-01-01T00:00:00Z");
        let year = (Some(from), Some(from.plus(std::time::Duration::from_secs(365 * 86_400))));
        let drawing = Drawing::new(std::iter::empty(), std::iter::empty(), year.0, year.1, year.1.unwrap());
        let block = |first: &str, last: &str| {
            let hour =
                |day: &str, hour: &str| between(&format!("{day}T{hour}:00:00Z"), &format!("{day}T{hour}:01:00Z"));
            span(hour(first, "06"), Some(hour(last, "18")))
        };
        let spans =
            [block("2026-03-01", "2026-03-03"), block("2026-03-02", "2026-03-03"), block("2026-07-01", "2026-07-01")];
        let mut days = None;
        let drawn = drawing.strip(spans.iter(), |count| {
            days = Some(count);
            "label".to_owned()
        });
        assert_eq!(days, Some(4));
        assert_eq!(drawn.matches("<rect").count(), 2, "{drawn}");
    }

    proptest! {
        #[test]
        fn no_span_leaves_the_frame(a in any::<i64>(), b in any::<i64>(), c in any::<i64>(), d in any::<i64>(), since in any::<i64>(), until in any::<i64>()) {
            let bracket = |a, b| Bracket { earliest: Some(Timestamp::from_unix_ms(a)), latest: Some(Timestamp::from_unix_ms(b)) };
            let span = span(bracket(a, b), Some(bracket(c, d)));
            let drawing = Drawing::new(
                std::iter::once(&span),
                std::iter::empty(),
                Some(Timestamp::from_unix_ms(since)),
                Some(Timestamp::from_unix_ms(until)),
                Timestamp::from_unix_ms(0),
            );
            let drawn = drawing.row("row", None, std::iter::once(&span), std::iter::empty(), |_| Mark::default()) + &drawing.axis();
            for share in drawn.split('"').filter_map(|part| part.strip_suffix('%')) {
                let share: f64 = share.parse().unwrap();
                prop_assert!((0.0..=100.0).contains(&share), "{drawn}");
            }
        }
    }
}

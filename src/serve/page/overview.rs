//! What stands now: for each country a table of sites by vantages.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::response::Response;

use super::frame::{Frame, Mark, shown};
use super::vantages::{VantageView, vantage};
use super::{Trouble, Visit};
use crate::detect::SeriesState;
use crate::model::{CountryCode, SeriesKey, Site, SiteId, Span, Status, Timestamp, legible};
use crate::serve::Snapshot;
use crate::store::SpanFilter;
use crate::timeline::Drawing;

/// How far back the strip beside each site looks.
const STRIP: Duration = Duration::from_secs(365 * 86_400);
/// From so many vantages on the cells show signs alone; their words are there for who listens or points.
const MANY: usize = 6;
/// Longest list of faults of a refused configuration that is shown, characters.
const MAX_ERROR: usize = 4_000;

#[derive(Template)]
#[template(path = "page/overview.html")]
struct Page<'f> {
    frame: &'f Frame,
    title: String,
    config_error: Vec<String>,
    tally: Vec<(Mark, usize)>,
    vantages: Vec<VantageView>,
    countries: Vec<CountryView>,
}

struct CountryView {
    title: String,
    id: String,
    vantages: Vec<String>,
    is_dense: bool,
    /// Whether the record could be read for the strips.
    has_strips: bool,
    sites: Vec<SiteView>,
}

struct SiteView {
    name: String,
    href: String,
    category: Option<String>,
    rows: Vec<RowView>,
    /// The last year as SVG.
    strip: Option<String>,
}

struct RowView {
    url: String,
    cells: Vec<CellView>,
}

struct CellView {
    vantage: String,
    mark: Mark,
    since: Option<String>,
    unsettled: Option<String>,
    href: Option<String>,
}

pub(super) async fn show(visit: Visit) -> Response {
    let board = visit.app.board.snapshot();
    let now = visit.frame.now;
    let filter = SpanFilter { statuses: vec![Status::Blocked], since: Some(now.minus(STRIP)), ..SpanFilter::default() };
    // Without a record the present is shown all the same.
    let spans = visit.app.record.read(move |reader| reader.spans(&filter)).await.ok();
    visit.answer(render(&visit.frame, &board, spans.as_deref()))
}

fn render(frame: &Frame, board: &Snapshot, spans: Option<&[Span]>) -> Result<String, Trouble> {
    let mut by_country: BTreeMap<CountryCode, Vec<&Site>> = BTreeMap::new();
    for site in board.sites.iter() {
        by_country.entry(site.country).or_default().push(site);
    }
    let mut by_site: BTreeMap<&SiteId, Vec<&Span>> = BTreeMap::new();
    for span in spans.unwrap_or_default() {
        by_site.entry(&span.site).or_default().push(span);
    }
    let strips = spans.map(|_| Strips {
        drawing: Drawing::new(
            std::iter::empty(),
            std::iter::empty(),
            Some(frame.now.minus(STRIP)),
            Some(frame.now),
            frame.now,
        ),
        by_site,
    });
    let countries = by_country.into_iter().map(|(code, sites)| country(frame, code, &sites, board, strips.as_ref()));
    let page = Page {
        frame,
        title: "blockspan".to_owned(),
        config_error: board.config_error.as_deref().map(lines).unwrap_or_default(),
        tally: tally(frame, board),
        vantages: board.vantages.iter().map(|(place, up)| vantage(frame, place, *up, board)).collect(),
        countries: countries.collect(),
    };
    Ok(page.render()?)
}

struct Strips<'s> {
    drawing: Drawing,
    by_site: BTreeMap<&'s SiteId, Vec<&'s Span>>,
}

impl Strips<'_> {
    fn of(&self, frame: &Frame, site: &SiteId) -> String {
        // While a part of the way is blocked the site can be reached.
        let spans = self.by_site.get(site).into_iter().flatten().copied().filter(|span| span.partial.is_none());
        self.drawing.strip(spans, |days| frame.language.say_with("year-strip", &[("count", days.into())]))
    }
}

/// How many series stand where, blocked ones first, those not yet measured last.
fn tally(frame: &Frame, board: &Snapshot) -> Vec<(Mark, usize)> {
    let count = |status| board.states.values().filter(|state| state.status() == status).count();
    let rest = Status::ALL.iter().copied().filter(|status| *status != Status::Blocked);
    let mut tally: Vec<(Mark, usize)> =
        std::iter::once(Status::Blocked).chain(rest).map(|status| (frame.mark(status), count(status))).collect();
    let urls: usize = board.sites.iter().map(|site| site.urls.len()).sum();
    tally.push((frame.unmeasured(), (urls * board.vantages.len()).saturating_sub(board.states.len())));
    tally.retain(|(_, count)| *count > 0);
    tally
}

fn country(
    frame: &Frame,
    code: CountryCode,
    sites: &[&Site],
    board: &Snapshot,
    strips: Option<&Strips<'_>>,
) -> CountryView {
    let title = if code == CountryCode::UNKNOWN {
        frame.say("watched-nowhere")
    } else {
        frame.language.say_with("watched-for", &[("country", frame.language.country(code).into())])
    };
    CountryView {
        title,
        id: format!("country-{code}"),
        vantages: board.vantages.iter().map(|(place, _)| place.id.to_string()).collect(),
        is_dense: board.vantages.len() > MANY,
        has_strips: strips.is_some(),
        sites: sites.iter().map(|site| site_view(frame, site, board, strips)).collect(),
    }
}

fn site_view(frame: &Frame, site: &Site, board: &Snapshot, strips: Option<&Strips<'_>>) -> SiteView {
    let href = frame.link(&format!("/sites/{}", site.id));
    let row = |url: &url::Url| RowView {
        url: shown(url.as_str()),
        cells: board
            .vantages
            .iter()
            .map(|(place, _)| {
                let series = SeriesKey { site: site.id.clone(), url: url.clone(), vantage: place.id.clone() };
                let state = board.states.get(&series).map(AsRef::as_ref);
                cell(frame, place.id.to_string(), state, &href)
            })
            .collect(),
    };
    SiteView {
        name: shown(&site.name),
        category: site.category.as_deref().map(shown),
        rows: site.urls.iter().map(row).collect(),
        strip: strips.map(|strips| strips.of(frame, &site.id)),
        href,
    }
}

fn cell(frame: &Frame, vantage: String, state: Option<&SeriesState>, site: &str) -> CellView {
    let Some(state) = state else {
        return CellView { vantage, mark: frame.unmeasured(), since: None, unsettled: None, href: None };
    };
    let span = state.span.as_ref();
    // From the later bound of its start on it is so for certain.
    let begun: Option<Timestamp> = span.and_then(|span| span.start.latest);
    let since = begun.map(|begun| {
        let length = frame.language.length(frame.now.since(begun));
        frame.language.say_with("for-at-least", &[("length", length.into())])
    });
    CellView {
        vantage,
        mark: frame.mark(state.status()),
        since,
        unsettled: state.is_unsettled().then(|| being_confirmed(frame, state)),
        href: Some(span.map_or_else(|| site.to_owned(), |span| frame.link(&format!("/spans/{}", span.span_id)))),
    }
}

pub(super) fn being_confirmed(frame: &Frame, state: &SeriesState) -> String {
    frame.say(if state.span.is_some() { "confirming-recovery" } else { "confirming-failures" })
}

/// The lines of a text, each cleaned, the whole bounded.
fn lines(text: &str) -> Vec<String> {
    let mut left = MAX_ERROR;
    text.lines()
        .map_while(|line| {
            let line = legible(line, left);
            left = left.saturating_sub(line.chars().count() + 1);
            (left > 0).then_some(line)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_faults_is_cut() {
        assert_eq!(lines("a\n  b\n"), ["a", "  b"]);
        assert!(lines(&"x".repeat(9_000)).concat().chars().count() <= MAX_ERROR + 1);
        assert!(lines(&"x\n".repeat(9_000)).len() <= MAX_ERROR / 2 + 1);
    }
}

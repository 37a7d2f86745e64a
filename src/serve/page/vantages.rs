//! The vantages, and when they told nothing.

use askama::Template;
use axum::response::Response;

use super::frame::{Frame, When};
use super::window::{Ways, Window};
use super::{Trouble, Visit};
use crate::model::{CountryCode, SilenceKind, VantageSpan};
use crate::serve::{Place, Snapshot};
use crate::store::SpanFilter;
use crate::timeline::Drawing;

/// Silences that are listed at most.
const MOST: usize = 300;

#[derive(Template)]
#[template(path = "page/vantages.html")]
struct Page<'f> {
    frame: &'f Frame,
    title: String,
    vantages: Vec<VantageView>,
    ways: Ways,
    axis: String,
    rows: Vec<(String, String)>,
    silences: Vec<SilenceView>,
    more: Option<String>,
}

/// A vantage as a reader sees it.
pub(super) struct VantageView {
    pub(super) name: String,
    pub(super) country: Option<String>,
    pub(super) network: Option<String>,
    pub(super) word: String,
    pub(super) sign: &'static str,
    pub(super) class: &'static str,
}

struct SilenceView {
    vantage: String,
    what: String,
    began: When,
    ended: Option<When>,
}

pub(super) async fn show(visit: Visit) -> Response {
    let page = page(&visit).await;
    visit.answer(page)
}

async fn page(visit: &Visit) -> Result<String, Trouble> {
    let (frame, board) = (&visit.frame, visit.app.board.snapshot());
    let window = Window::of(&visit.asked)?;
    let filter = SpanFilter { since: window.from, until: window.to, ..SpanFilter::default() };
    let (silences, began) =
        visit.app.record.read(move |reader| Ok((reader.vantage_spans(&filter)?, reader.began()?))).await?;
    // Without bounds the whole record is shown, up to now.
    let all = began.map(|began| (began, frame.now));
    let drawing = Drawing::new(std::iter::empty(), all.into_iter(), window.from, window.to, frame.now);
    let rows = board.vantages.iter().map(|(place, _)| {
        let label = place.id.to_string();
        let of_place = silences.iter().filter(|silence| silence.vantage == place.id);
        let row = drawing.row(&label, all, std::iter::empty(), of_place, |_| crate::timeline::Mark::default());
        (label, row)
    });
    let view = |silence: &VantageSpan| SilenceView {
        vantage: silence.vantage.to_string(),
        what: frame.language.silence(silence.kind, silence.cause),
        began: frame.when(silence.start),
        ended: silence.end.map(|end| frame.when(end)),
    };
    let more = (silences.len() > MOST).then(|| frame.language.say_with("more-spans", &[("count", MOST.into())]));
    let page = Page {
        frame,
        title: frame.say("vantages"),
        vantages: board.vantages.iter().map(|(place, up)| vantage(frame, place, *up, &board)).collect(),
        ways: Ways::new(frame, "/vantages", drawing.bounds()),
        axis: drawing.axis(),
        rows: rows.collect(),
        // The latest first: what happened last is what is looked for.
        silences: silences.iter().rev().take(MOST).map(view).collect(),
        more,
    };
    Ok(page.render()?)
}

/// A vantage as it stands now.
pub(super) fn vantage(frame: &Frame, place: &Place, up: Option<bool>, board: &Snapshot) -> VantageView {
    let silent = board.silences.iter().find(|silence| silence.vantage == place.id);
    let (word, sign, class) = match (silent, up) {
        (Some(silence), _) => (open_silence(frame, silence), "○", "offline"),
        (None, Some(true)) => (frame.say("vantage-up"), "✓", "accessible"),
        (None, Some(false)) => (frame.say("vantage-offline"), "○", "offline"),
        (None, None) => (frame.say("vantage-unknown"), "?", "inconclusive"),
    };
    let country = (place.country != CountryCode::UNKNOWN).then(|| place.country.to_string());
    let asn = board.whereabouts.vantages.get(&place.id).and_then(|(_, asn)| *asn);
    VantageView { name: place.id.to_string(), country, network: asn.map(|asn| format!("AS{asn}")), word, sign, class }
}

fn open_silence(frame: &Frame, silence: &VantageSpan) -> String {
    let cause = silence.cause.filter(|_| silence.kind == SilenceKind::NotMeasuring);
    let what = frame.language.silence(silence.kind, cause);
    let since = frame.language.bracket(silence.start).unwrap_or_else(|| frame.say("vantage-began-unknown"));
    frame.language.say_with("vantage-silent", &[("what", what.into()), ("since", since.into())])
}

//! One span with the evidence of its two ends.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::evidence::{MeasurementView, measurement};
use super::frame::{Frame, Mark, When, shown};
use super::{Trouble, Visit};
use crate::model::{
    Bracket, Measurement, MeasurementId, Site, Span, SpanEvent, SpanEventKind, SpanId, SpanSource, Status, Timestamp,
};
use crate::store::{MeasurementFilter, Reader, StoreError, StoredMeasurement};

/// Measurements shown from each side of an end; what lies between is counted.
const EACH: usize = 4;
/// How long after its bound an end was decided at most, where the journal does not tell.
const DECIDED: Duration = Duration::from_secs(600);

#[derive(Template)]
#[template(path = "page/span.html")]
struct Page<'f> {
    frame: &'f Frame,
    title: String,
    name: String,
    site: String,
    mark: Mark,
    part: Option<String>,
    source: String,
    url: Option<String>,
    vantage: Option<String>,
    began: When,
    ended: Option<When>,
    no_end: String,
    how: Option<(String, &'static str)>,
    techniques: Vec<(When, String, &'static str)>,
    measurements: u64,
    sure: Option<String>,
    last: Option<When>,
    citation: Option<String>,
    id: String,
    events: Vec<EventView>,
    is_reported: bool,
    ends: Vec<EndView>,
    api: Option<String>,
}

struct EventView {
    what: String,
    at: When,
    measurement: Option<(String, String)>,
}

/// The evidence around one end.
struct EndView {
    title: String,
    before: Vec<MeasurementView>,
    between: Option<String>,
    after: Vec<MeasurementView>,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    let page = page(&visit, &id).await;
    visit.answer(page)
}

struct Found {
    span: Span,
    events: Vec<SpanEvent>,
    ends: Vec<(&'static str, Around)>,
}

/// The measurements around an instant: the first few, how many more, the last few.
#[derive(Default)]
struct Around {
    first: Vec<StoredMeasurement>,
    last: VecDeque<StoredMeasurement>,
    left_out: usize,
}

impl Around {
    fn add(&mut self, stored: StoredMeasurement) {
        if self.first.len() < EACH {
            self.first.push(stored);
            return;
        }
        self.last.push_back(stored);
        if self.last.len() > EACH {
            self.last.pop_front();
            self.left_out += 1;
        }
    }
}

async fn page(visit: &Visit, id: &str) -> Result<String, Trouble> {
    let (frame, board) = (&visit.frame, visit.app.board.snapshot());
    let id: SpanId = id.parse().map_err(|_| Trouble::Missing)?;
    let found = visit.app.record.read(move |reader| find(reader, id)).await?;
    let reported = || board.sites.iter().flat_map(Site::reported_spans).find(|span| span.span_id == id);
    let found = match found {
        Some(found) => found,
        None => Found { span: reported().ok_or(Trouble::Missing)?, events: Vec::new(), ends: Vec::new() },
    };
    let site = board.sites.iter().find(|site| site.id == found.span.site);
    Ok(view(frame, site, &found).render()?)
}

/// The span, what the journal tells of it, and the measurements around its ends.
fn find(reader: &Reader, id: SpanId) -> Result<Option<Found>, StoreError> {
    let Some(span) = reader.span(id)? else { return Ok(None) };
    let events = reader.span_events(id)?;
    let decided = |kind| events.iter().filter(|event| event.kind == kind).map(|event| event.at).next_back();
    let stretch = |bracket: Bracket, decided: Option<Timestamp>| {
        let bound = bracket.latest.or(bracket.earliest)?;
        Some((
            bracket.earliest.unwrap_or(bound),
            decided.unwrap_or_else(|| bound.plus(DECIDED)).plus(Duration::from_secs(1)),
        ))
    };
    let mut ends = Vec::new();
    if let Some(stretch) = stretch(span.start, decided(SpanEventKind::Opened)) {
        ends.push(("evidence-start", around(reader, &span, stretch)?));
    }
    if let Some(stretch) = span.end.and_then(|end| stretch(end, decided(SpanEventKind::Closed))) {
        ends.push(("evidence-end", around(reader, &span, stretch)?));
    } else if let (true, Some(last)) = (span.ongoing, span.last_observed) {
        ends.push(("evidence-last", around(reader, &span, (last, last.plus(Duration::from_secs(1))))?));
    }
    Ok(Some(Found { span, events, ends }))
}

fn around(reader: &Reader, span: &Span, (from, to): (Timestamp, Timestamp)) -> Result<Around, StoreError> {
    let filter = MeasurementFilter {
        sites: vec![span.site.clone()],
        vantages: span.vantage.clone().into_iter().collect(),
        since: Some(from.minus(Measurement::LONGEST)),
        until: Some(to),
        ..MeasurementFilter::default()
    };
    let mut found = Around::default();
    reader.measurements(&filter, &mut |stored| {
        let measured = &stored.evidence.measurement;
        let ended = measured.started_at.plus(measured.elapsed.as_duration());
        if Some(&measured.url) == span.url.as_ref() && ended >= from {
            found.add(stored);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn view<'f>(frame: &'f Frame, site: Option<&Site>, found: &Found) -> Page<'f> {
    let Found { span, events, ends } = found;
    let language = frame.language;
    let name = site.map_or_else(|| span.site.to_string(), |site| shown(&site.name));
    let decided: BTreeMap<MeasurementId, SpanEventKind> =
        events.iter().filter_map(|event| Some((event.measurement_id?, event.kind))).collect();
    let title = language
        .say_with("span-title", &[("site", name.as_str().into()), ("status", language.status(span.status).into())]);
    Page {
        frame,
        title,
        name,
        site: frame.link(&format!("/sites/{}", span.site)),
        mark: frame.mark(span.status),
        part: span.partial.map(|part| language.part(part)),
        source: language.source_of_span(span.source),
        url: span.url.as_ref().map(|url| shown(url.as_str())),
        vantage: span.vantage.as_ref().map(|vantage| vantage.to_string()),
        began: frame.when(span.start),
        ended: span.end.map(|end| frame.when(end)),
        no_end: language.end_of_span(span),
        how: span.mechanism.map(|how| frame.how(how)),
        techniques: span
            .segments
            .iter()
            .map(|segment| {
                let at = frame.instant(segment.from);
                let text = language.say_with("span-since", &[("at", at.text.into())]);
                (When { text, ..at }, language.mechanism(segment.mechanism), segment.mechanism.as_str())
            })
            .collect(),
        measurements: span.measurements,
        sure: span.confidence.map(|sure| language.percent(sure)),
        last: span.last_observed.map(|last| match span.source {
            SpanSource::Reported => When { text: language.document_time(last), instants: String::new() },
            _ => frame.instant(last),
        }),
        citation: span.citation.as_deref().map(shown),
        id: span.span_id.to_string(),
        events: events.iter().map(|event| event_view(frame, event)).collect(),
        is_reported: span.source == SpanSource::Reported,
        ends: ends.iter().map(|(name, around)| end_view(frame, name, around, &decided)).collect(),
        api: (span.source != SpanSource::Reported).then(|| api_address(span)),
    }
}

fn event_view(frame: &Frame, event: &SpanEvent) -> EventView {
    EventView {
        what: frame.language.span_event(event.kind),
        at: frame.instant(event.at),
        measurement: event.measurement_id.map(|id| (id.to_string(), frame.link(&format!("/measurements/{id}")))),
    }
}

fn end_view(frame: &Frame, name: &str, around: &Around, decided: &BTreeMap<MeasurementId, SpanEventKind>) -> EndView {
    let view = |stored: &StoredMeasurement| {
        let mut view = measurement(frame, stored);
        if decided.contains_key(&stored.evidence.measurement.measurement_id) {
            (view.note, view.is_open) = (Some(frame.say("evidence-decided")), true);
        }
        view
    };
    let mut before: Vec<MeasurementView> = around.first.iter().map(view).collect();
    // The first one is the last that was good before a beginning.
    if name == "evidence-start"
        && let (Some(first), Some(view)) = (around.first.first(), before.first_mut())
        && first.verdict.status == Status::Accessible
    {
        view.note.get_or_insert_with(|| frame.say("evidence-before"));
    }
    let between =
        (around.left_out > 0).then(|| frame.language.say_with("evidence-more", &[("count", around.left_out.into())]));
    EndView { title: frame.say(name), before, between, after: around.last.iter().map(view).collect() }
}

/// Where all measurements of the span can be had.
fn api_address(span: &Span) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("site", span.site.as_str());
    if let Some(vantage) = &span.vantage {
        query.append_pair("vantage", vantage.as_str());
    }
    let from = span.start.earliest.or(span.start.latest);
    let to = span.end.and_then(|end| end.latest).or(span.last_observed).map(|to| to.plus(Duration::from_secs(1)));
    for (name, at) in [("since", from), ("until", to)] {
        if let Some(at) = at {
            query.append_pair(name, &at.to_string());
        }
    }
    format!("/api/v1/measurements?{}", query.finish())
}

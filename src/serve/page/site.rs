//! One site: how it stands now, and its spans over time.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::frame::{Frame, Mark, When, shown};
use super::overview::being_confirmed;
use super::window::{Ways, Window};
use super::{Trouble, Visit};
use crate::detect::SeriesState;
use crate::model::{CountryCode, Report, SeriesKey, Site, SiteId, Span, SpanSource, Timestamp, VantageSpan};
use crate::serve::Snapshot;
use crate::store::{SpanFilter, Watched};
use crate::timeline::{self, Drawing, arrange};

/// Spans that are listed at most; the picture shows all.
const MOST: usize = 300;

#[derive(Template)]
#[template(path = "page/site.html")]
struct Page<'f> {
    frame: &'f Frame,
    title: String,
    id: String,
    country: Option<String>,
    category: Option<String>,
    rows: Vec<RowView>,
    reported: Vec<ReportView>,
    ways: Ways,
    axis: String,
    groups: Vec<GroupView>,
    spans: Vec<SpanView>,
    more: Option<String>,
}

struct RowView {
    url: String,
    cells: Vec<CellView>,
}

struct CellView {
    vantage: String,
    mark: Mark,
    since: Option<(When, String)>,
    how: Option<(String, &'static str)>,
    unsettled: Option<String>,
    evidence: Option<String>,
    measured: Option<MeasuredView>,
}

struct MeasuredView {
    at: When,
    ago: String,
    href: String,
    verdict: String,
    reasons: Vec<String>,
    span: Option<String>,
}

struct ReportView {
    mark: Mark,
    when: String,
    about: Option<String>,
    citation: String,
}

/// The rows of one URL in the time line.
struct GroupView {
    url: Option<String>,
    rows: Vec<(String, String)>,
}

struct SpanView {
    mark: Mark,
    part: Option<String>,
    source: String,
    began: When,
    ended: Option<When>,
    /// What stands in the place of an end.
    no_end: String,
    from: Option<String>,
    url: Option<String>,
    how: Option<(String, &'static str)>,
    sure: Option<String>,
    href: String,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    let page = page(&visit, &id).await;
    visit.answer(page)
}

struct Seen {
    spans: Vec<Span>,
    watched: Vec<Watched>,
    silences: Vec<VantageSpan>,
}

async fn page(visit: &Visit, id: &str) -> Result<String, Trouble> {
    let (frame, board) = (&visit.frame, visit.app.board.snapshot());
    let id: SiteId = id.parse().map_err(|_| Trouble::Missing)?;
    let site = board.sites.iter().find(|site| site.id == id).ok_or(Trouble::Missing)?;
    let window = Window::of(&visit.asked)?;
    let filter = SpanFilter { sites: vec![id.clone()], since: window.from, until: window.to, ..SpanFilter::default() };
    let of_site = filter.clone();
    let mut seen = visit
        .app
        .record
        .read(move |reader| {
            Ok(Seen {
                spans: reader.spans(&of_site)?,
                watched: reader.watched(&of_site)?,
                silences: reader.vantage_spans(&SpanFilter { sites: Vec::new(), ..of_site })?,
            })
        })
        .await?;
    seen.spans.extend(site.reported_spans().into_iter().filter(|span| filter.lets_through(span)));
    seen.spans.sort_by_key(|span| (span.start.earliest.or(span.start.latest), span.span_id));
    let looked = seen.watched.iter().map(|watched| (watched.first, watched.last));
    let extent = looked.chain([(frame.now, frame.now)]);
    let drawing = Drawing::new(seen.spans.iter(), extent, window.from, window.to, frame.now);
    let path = format!("/sites/{id}");
    let more = (seen.spans.len() > MOST).then(|| frame.language.say_with("more-spans", &[("count", MOST.into())]));
    let page = Page {
        frame,
        title: shown(&site.name),
        id: id.to_string(),
        country: (site.country != CountryCode::UNKNOWN).then(|| frame.language.country(site.country)),
        category: site.category.as_deref().map(shown),
        rows: site.urls.iter().map(|url| row(frame, site, url, &board)).collect(),
        reported: reports(frame, site),
        ways: Ways::new(frame, &path, drawing.bounds()),
        axis: drawing.axis(),
        groups: groups(frame, &seen, &drawing),
        spans: seen.spans.iter().take(MOST).map(|span| span_view(frame, span)).collect(),
        more,
    };
    Ok(page.render()?)
}

fn row(frame: &Frame, site: &Site, url: &url::Url, board: &Snapshot) -> RowView {
    let cell = |vantage: &crate::model::VantageId| {
        let series = SeriesKey { site: site.id.clone(), url: url.clone(), vantage: vantage.clone() };
        cell(frame, vantage.to_string(), board.states.get(&series).map(AsRef::as_ref))
    };
    RowView { url: shown(url.as_str()), cells: board.vantages.iter().map(|(place, _)| cell(&place.id)).collect() }
}

fn cell(frame: &Frame, vantage: String, state: Option<&SeriesState>) -> CellView {
    let empty = CellView {
        vantage,
        mark: frame.unmeasured(),
        since: None,
        how: None,
        unsettled: None,
        evidence: None,
        measured: None,
    };
    let Some(state) = state else { return empty };
    let span = state.span.as_ref();
    CellView {
        mark: frame.mark(state.status()),
        since: span.map(|span| (frame.when(span.start), began(frame, span))),
        how: span.and_then(|span| span.mechanism).map(|how| frame.how(how)),
        unsettled: state.is_unsettled().then(|| being_confirmed(frame, state)),
        evidence: span.map(|span| frame.link(&format!("/spans/{}", span.span_id))),
        measured: state.last.as_ref().map(|last| MeasuredView {
            at: frame.instant(last.at),
            ago: {
                let length = frame.language.length(frame.now.since(last.at));
                frame.language.say_with("measured-ago", &[("length", length.into())])
            },
            href: frame.link(&format!("/measurements/{}", last.measurement_id)),
            verdict: match last.mechanism {
                Some(how) => format!("{} ({how})", frame.language.status(last.status)),
                None => frame.language.status(last.status),
            },
            reasons: last.reasons.iter().map(|reason| shown(reason)).collect(),
            span: span.map(|span| seen_in(frame, span)),
        }),
        ..empty
    }
}

fn began(frame: &Frame, span: &Span) -> String {
    let say = |name, when: String| frame.language.say_with(name, &[("when", when.into())]);
    match frame.language.bracket(span.start) {
        Some(when) if span.start.earliest.is_none() => say("began-first", when),
        Some(when) => say("began", when),
        None => frame.say("began-unknown"),
    }
}

fn seen_in(frame: &Frame, span: &Span) -> String {
    let seen = frame.language.say_with("seen-in", &[("count", span.measurements.into())]);
    let sure = span.confidence.map(|sure| {
        let sure = frame.language.percent(sure);
        frame.language.say_with("seen-sure", &[("sure", sure.into())])
    });
    format!("{seen}{}.", sure.unwrap_or_default())
}

fn reports(frame: &Frame, site: &Site) -> Vec<ReportView> {
    let mut reported: Vec<&Report> = site.reported.iter().collect();
    reported.sort_by_key(|report| (report.from.earliest, report.from.latest));
    reported.into_iter().map(|report| report_view(frame, report)).collect()
}

fn report_view(frame: &Frame, report: &Report) -> ReportView {
    ReportView {
        mark: frame.mark(report.status),
        when: frame.language.claim(report),
        about: frame.language.claim_about(report),
        citation: frame.language.citation(report),
    }
}

/// The rows of the time line. Every series that was looked at has one, also where nothing is recorded against it.
fn groups(frame: &Frame, seen: &Seen, drawing: &Drawing) -> Vec<GroupView> {
    let keys: Vec<(&SeriesKey, SpanSource)> = seen.watched.iter().map(|one| (&one.series, one.source)).collect();
    let sites = arrange(&seen.spans, &keys);
    let urls = sites.into_iter().flat_map(|site| site.urls);
    urls.map(|(url, rows)| GroupView {
        url: url.map(|url| shown(url.as_str())),
        rows: rows.iter().map(|row| drawn(frame, seen, drawing, row)).collect(),
    })
    .collect()
}

fn drawn(frame: &Frame, seen: &Seen, drawing: &Drawing, row: &timeline::Row<'_>) -> (String, String) {
    let place = row.vantage.map(|vantage| vantage.to_string());
    let label = frame.language.row_label(row.source, place, row.status, row.partial);
    let watched = row.watched.and_then(|place| seen.watched.get(place));
    let extent: Option<(Timestamp, Timestamp)> = watched.map(|watched| (watched.first, watched.last));
    // The silences of a vantage are those of our own daemon; what was imported has its own.
    let silences = seen
        .silences
        .iter()
        .filter(|silence| row.source == SpanSource::Measured && row.vantage == Some(&silence.vantage));
    let svg = drawing.row(&label, extent, row.spans.iter().copied(), silences, |span| timeline::Mark {
        href: Some(frame.link(&format!("/spans/{}", span.span_id))),
        title: frame.language.span_in_short(span),
    });
    (if row.is_first { label } else { String::new() }, svg)
}

fn span_view(frame: &Frame, span: &Span) -> SpanView {
    SpanView {
        mark: frame.mark(span.status),
        part: span.partial.map(|part| frame.language.part(part)),
        source: frame.language.source_of_span(span.source),
        began: frame.when(span.start),
        ended: span.end.map(|end| frame.when(end)),
        no_end: frame.language.end_of_span(span),
        from: span.vantage.as_ref().map(|vantage| vantage.to_string()),
        url: span.url.as_ref().map(|url| shown(url.as_str())),
        how: span.mechanism.map(|how| frame.how(how)),
        sure: span.confidence.map(|sure| frame.language.percent(sure)),
        href: frame.link(&format!("/spans/{}", span.span_id)),
    }
}

//! One measurement, so that its id can be quoted.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::evidence::{self, MeasurementView};
use super::frame::{Frame, shown};
use super::{Trouble, Visit};
use crate::model::MeasurementId;

#[derive(Template)]
#[template(path = "page/measurement.html")]
struct Page<'f> {
    frame: &'f Frame,
    title: String,
    name: String,
    site: String,
    url: String,
    vantage: String,
    measurement: MeasurementView,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    let page = page(&visit, &id).await;
    visit.answer(page)
}

async fn page(visit: &Visit, id: &str) -> Result<String, Trouble> {
    let (frame, board) = (&visit.frame, visit.app.board.snapshot());
    let id: MeasurementId = id.parse().map_err(|_| Trouble::Missing)?;
    let stored = visit.app.record.read(move |reader| reader.measurement(id)).await?.ok_or(Trouble::Missing)?;
    let measured = &stored.evidence.measurement;
    let site = board.sites.iter().find(|site| site.id == measured.site);
    let mut measurement = evidence::measurement(frame, &stored);
    measurement.is_open = true;
    let page = Page {
        frame,
        title: frame.say("measurement"),
        name: site.map_or_else(|| measured.site.to_string(), |site| shown(&site.name)),
        site: frame.link(&format!("/sites/{}", measured.site)),
        url: shown(measured.url.as_str()),
        vantage: measured.vantage.to_string(),
        measurement,
    };
    Ok(page.render()?)
}

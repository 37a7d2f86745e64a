//! `[[site.reported]]`: what a document claims about a site.

use super::date::date;
use super::document::{At, Fields};
use super::fault::Wrong;
use super::url::web_url;
use super::value::{id, one_of, parsed, text};
use crate::model::{Bracket, Report, Status, VantageId};

/// Reads one claim.
///
/// `as_of` of less than an instant's precision counts as its first moment: a report of "April 2016" shows what was so
/// when that month began, and no more.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Report> {
    let statuses: Vec<(&str, Status)> = Status::ALL.iter().map(|status| (status.as_str(), *status)).collect();
    let status = fields.required("status", "status = \"blocked\"", one_of(&statuses));
    let from = fields.optional("from", date);
    let to = fields.optional("to", date);
    let as_of = fields.optional("as_of", date);
    let citation = fields.required("citation", "citation = \"who wrote it, where, when\"", text);
    let url = fields.optional("url", parsed(web_url)).map(|at| at.value);
    let vantage = fields.optional("vantage", id::<VantageId>).map(|at| at.value);
    let note = fields.optional("note", text).map(|at| at.value);

    if let Some(from) = &from
        && from.value == UNBOUNDED
    {
        let wrong = Wrong::new("`from` says nothing").label("unbounded on both sides").help("leave it out");
        fields.doc.fault(&from.span, wrong);
    }
    if let Some(as_of) = &as_of
        && as_of.value.earliest.is_none()
    {
        let wrong = Wrong::new("`as_of` has no first moment").label("unbounded").expected("the date of the document");
        fields.doc.fault(&as_of.span, wrong);
    }
    if let Some(from) = &from {
        not_before(fields, "to", to.as_ref(), from);
        not_before(fields, "as_of", as_of.as_ref(), from);
    }
    Some(Report {
        status: status?.value,
        url,
        vantage,
        from: from.map_or(UNBOUNDED, |at| at.value),
        to: to.map(|at| at.value),
        as_of: as_of.and_then(|at| at.value.earliest),
        citation: citation?.value,
        note,
    })
}

const UNBOUNDED: Bracket = Bracket { earliest: None, latest: None };

/// No moment of a later date may be wholly before the first moment of `from`.
fn not_before(fields: &Fields<'_>, key: &str, later: Option<&At<Bracket>>, from: &At<Bracket>) {
    if let Some(later) = later
        && let (Some(latest), Some(earliest)) = (later.value.latest, from.value.earliest)
        && latest < earliest
    {
        let wrong = Wrong::new(format!("`{key}` is before `from`"))
            .label("earlier than `from`")
            .expected(format!("a date not before {earliest}"));
        fields.doc.fault(&later.span, wrong);
    }
}

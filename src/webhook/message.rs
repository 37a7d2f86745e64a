//! What is sent: a span event, with the span as it is now, as one JSON object.

use serde::Serialize;

use crate::language::Language;
use crate::model::{CountryCode, MeasurementId, Site, SiteId, Span, SpanEventKind, SpanId, Timestamp, legible};
use crate::store::News;

/// Longest name that is sent, characters.
const MAX_NAME: usize = 120;

/// A message, ready to be signed and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id for ever: the same event never has another one.
    pub id: String,
    /// The JSON.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    headline: String,
    text: String,
    span_id: SpanId,
    /// The measurement that decided; null for what a rejudgement did.
    measurement_id: Option<MeasurementId>,
    site: Option<Named<'a>>,
    /// The span as it is when this is sent; null when it was withdrawn.
    span: Option<&'a Span>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a SiteId,
    name: String,
    country: Option<CountryCode>,
}

/// The message about an event. `site` is the site as it is configured, if it still is.
///
/// # Errors
/// It cannot be written as JSON.
pub fn message(news: &News, site: Option<&Site>) -> Result<Message, serde_json::Error> {
    let News { seq, event, span_id, span } = news;
    let name =
        site.map(|site| legible(&site.name, MAX_NAME)).or_else(|| span.as_ref().map(|span| span.site.to_string()));
    let named = span.as_ref().map(|span| Named {
        id: &span.site,
        name: name.clone().unwrap_or_default(),
        country: site.map(|site| site.country),
    });
    let english = Language::English;
    let headline = match span {
        Some(span) => english.headline(&name.unwrap_or_default(), span, event.kind == SpanEventKind::Closed),
        None => english.say("news-withdrawn"),
    };
    let text = span.as_ref().map_or_else(|| headline.clone(), |span| english.news(span, event.measurement_id));
    let body = Body {
        r#type: format!("span.{}", event.kind),
        timestamp: event.at,
        data: Data {
            headline,
            text,
            span_id: *span_id,
            measurement_id: event.measurement_id,
            site: named,
            span: span.as_ref(),
        },
    };
    let seed = format!("webhook\n{seq}\n{span_id}\n{}\n{}", event.kind, event.at.as_unix_ms());
    Ok(Message { id: SpanId::derived(&seed).to_string(), body: serde_json::to_vec(&body)? })
}

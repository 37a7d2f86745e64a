//! `[[webhook]]`: who is told when spans open, change and close.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::control::is_local;
use super::document::{At, Doc, Fields, Node};
use super::duration::{DAY, HOUR, LONGEST, length};
use super::fault::Wrong;
use super::network::{beside, readable};
use super::types::WebhookConfig;
use super::unique::Unique;
use super::url::web_url;
use super::value::{id, one_of, parsed, text};
use crate::model::{SiteId, SpanEventKind, WebhookId};

/// Bytes of a secret at least: fewer can be guessed.
const LEAST: usize = 16;
/// Bytes of a file with a URL or a secret at most.
const MOST: usize = 4096;

const EVENTS: [(&str, SpanEventKind); 5] = [
    ("opened", SpanEventKind::Opened),
    ("mechanism", SpanEventKind::Mechanism),
    ("closed", SpanEventKind::Closed),
    ("rejudged", SpanEventKind::Rejudged),
    ("withdrawn", SpanEventKind::Withdrawn),
];

/// The key that the bytes of a secret file are: what follows `whsec_` in base64, as Standard Webhooks writes it, or any
/// text. None when there are too few of them to be a secret.
pub fn webhook_key(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.trim_ascii();
    let key = match text.strip_prefix(b"whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => text.to_vec(),
    };
    (LEAST..=MOST).contains(&key.len()).then_some(key)
}

/// Reads all webhooks.
pub(super) fn read(root: &mut Fields<'_>) -> Vec<WebhookConfig> {
    let mut ids = Unique::new("webhook");
    root.each("webhook", |fields| read_one(fields, &mut ids)).unwrap_or_default()
}

fn read_one(fields: &mut Fields<'_>, ids: &mut Unique) -> Option<WebhookConfig> {
    let doc = fields.doc;
    let named = fields.required("id", "id = \"newsroom\"", id::<WebhookId>);
    if let Some(named) = &named {
        ids.claim(doc, named.value.as_str(), &named.span);
    }
    // A key that is itself at fault has been told already.
    let is_in_file = fields.has("url_file");
    let from_file = fields.optional("url_file", |node| url_file(doc, node));
    let url = if is_in_file {
        if let Some(url) = fields.optional("url", parsed(web_url)) {
            let wrong = Wrong::new("`url` and `url_file` cannot both be given").label("one of them");
            doc.fault(&url.span, wrong.help("leave out `url` where the address is a secret"));
        }
        from_file.as_ref().map(|at| At { value: at.value.1.clone(), span: at.span.clone() })
    } else {
        fields.required("url", "url = \"https://example.org/hook\"", parsed(web_url))
    };
    if let Some(url) = &url
        && url.value.scheme() == "http"
        && !is_local(&url.value)
    {
        doc.warn(&url.span, "messages travel in clear text: the webhook's URL is not https");
    }
    let secret_file = fields.optional("secret_file", |node| secret_file(doc, node)).map(|at| at.value);
    let events = fields.filled_list("events", one_of(&EVENTS));
    let sites = fields.list("sites", id::<SiteId>);
    let first_retry = fields.or("first_retry", Duration::from_secs(5), length(Duration::from_millis(100), HOUR));
    let give_up_after = fields.or("give_up_after", 7 * DAY, length(Duration::from_secs(1), LONGEST));
    let values =
        |list: Option<Vec<At<SpanEventKind>>>| list.map(|list| list.into_iter().map(|at| at.value).collect::<Vec<_>>());
    Some(WebhookConfig {
        id: named?.value,
        url: url?.value,
        url_file: from_file.map(|at| at.value.0),
        secret_file,
        events: values(events).unwrap_or_else(|| SpanEventKind::ALL.to_vec()),
        sites: sites.unwrap_or_default().into_iter().map(|at| at.value).collect(),
        first_retry,
        give_up_after,
    })
}

fn url_file(doc: Doc<'_>, node: &Node<'_>) -> Result<(PathBuf, Url), Wrong> {
    let path = beside(doc, &text(node)?);
    doc.findings.reading(&path);
    let bytes = readable(&path)?;
    let text = std::str::from_utf8(bytes.trim_ascii()).ok().filter(|text| text.len() <= MOST);
    // What is wrong with it is not told by showing it: it is a secret.
    match text.and_then(|text| web_url(text).ok()) {
        Some(url) => Ok((path, url)),
        None => {
            Err(Wrong::new("names a file that holds no URL").expected("one line, for example https://example.org/hook"))
        }
    }
}

fn secret_file(doc: Doc<'_>, node: &Node<'_>) -> Result<PathBuf, Wrong> {
    let path = beside(doc, &text(node)?);
    doc.findings.reading(&path);
    match webhook_key(&readable(&path)?) {
        Some(_) => Ok(path),
        None => Err(Wrong::new("names a file that holds no usable secret")
            .expected("one line: `whsec_` and base64, or text of 16 bytes or more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_guessed_is_no_secret() {
        for bad in ["", "short", "whsec_", "whsec_!!!", "whsec_c2hvcnQ="] {
            assert!(webhook_key(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!(webhook_key(b"  a secret of some length\n").unwrap(), b"a secret of some length");
        assert_eq!(webhook_key(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().len(), 24);
    }
}

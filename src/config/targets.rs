//! `targets.toml`: what is measured.

use std::collections::HashMap;
use std::path::Path;

use super::document::{Doc, Fields};
use super::fault::{Findings, Wrong};
use super::include;
use super::list::Lists;
use super::report;
use super::unique::Unique;
use super::url::web_url;
use super::value::{category, country, id, parsed, text};
use crate::model::{CountryCode, Site, SiteId};

/// Which URL belongs to which site of the file itself.
pub(super) type Owners = HashMap<String, SiteId>;

/// Reads the file and every list that it includes.
pub(super) fn read(path: &Path, findings: &Findings) -> Vec<Site> {
    let Some(source) = findings.read_text(path) else { return Vec::new() };
    let doc = Doc { source: &source, findings };
    doc.read(|root| {
        let mut ids = Unique::new("site id");
        let mut owners = Owners::new();
        let sites = root.each("site", |fields| read_site(fields, &mut ids, &mut owners));
        let patterns = root.list("include", parsed(|pattern| include::matching(path.parent(), pattern)));
        if sites.is_none() && patterns.is_none() {
            let wrong = Wrong::new("no site to watch").expected(
                "at least one [[site]], with `id = \"example\"` and `urls = [\"https://example.org/\"]`, or an `include`",
            );
            findings.file_fault(path, wrong);
        }
        let mut lists = Lists::new(&mut ids, &owners);
        for pattern in patterns.unwrap_or_default() {
            if pattern.value.is_empty() {
                doc.warn(&pattern.span, "no file matches this `include`");
            }
            for file in &pattern.value {
                lists.read(file, findings);
            }
        }
        let mut sites = sites.unwrap_or_default();
        sites.extend(lists.sites);
        sites
    })
    .unwrap_or_default()
}

fn read_site(fields: &mut Fields<'_>, ids: &mut Unique, owners: &mut Owners) -> Option<Site> {
    let doc = fields.doc;
    let id = fields.required("id", "id = \"example\"", id::<SiteId>);
    if let Some(id) = &id {
        ids.claim(doc, id.value.as_str(), &id.span);
    }
    let name = fields.optional("name", text).map(|at| at.value);
    let country = fields.or("country", CountryCode::UNKNOWN, country);
    let category = fields.optional("category", parsed(category)).map(|at| at.value);
    let mut urls = Vec::new();
    let mut of_this_site = Unique::new("URL");
    if fields.has("urls") {
        for url in fields.filled_list("urls", parsed(web_url)).unwrap_or_default() {
            if !of_this_site.claim(doc, url.value.as_str(), &url.span) {
                continue;
            }
            if let Some(id) = &id
                && let Some(owner) = owners.insert(url.value.to_string(), id.value.clone())
                && owner != id.value
            {
                doc.warn(&url.span, format!("{} is measured twice: site {owner} has it too", url.value));
            }
            urls.push(url.value);
        }
    } else {
        fields.missing("urls", "urls = [\"https://example.org/\"]");
    }
    let reported = fields.each("reported", report::read).unwrap_or_default();
    let id = id?.value;
    Some(Site { name: name.unwrap_or_else(|| id.to_string()), id, country, category, urls, reported })
}

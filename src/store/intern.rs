//! Names that repeat from row to row are parsed once.

use std::collections::HashMap;
use std::str::FromStr;

use url::Url;

use crate::model::{Mechanism, SiteId, VantageId};

/// Names already read. Bounded: a file with endless names does not fill the memory.
#[derive(Debug, Default)]
pub(super) struct Interner {
    sites: HashMap<Box<str>, SiteId>,
    urls: HashMap<Box<str>, Url>,
    vantages: HashMap<Box<str>, VantageId>,
    mechanisms: HashMap<Box<str>, Mechanism>,
}

/// Names of one kind that are remembered.
const LIMIT: usize = 100_000;

impl Interner {
    pub(super) fn site(&mut self, text: &str) -> Result<SiteId, String> {
        intern(&mut self.sites, text)
    }

    pub(super) fn url(&mut self, text: &str) -> Result<Url, String> {
        intern(&mut self.urls, text)
    }

    pub(super) fn vantage(&mut self, text: &str) -> Result<VantageId, String> {
        intern(&mut self.vantages, text)
    }

    pub(super) fn mechanism(&mut self, text: &str) -> Result<Mechanism, String> {
        intern(&mut self.mechanisms, text)
    }
}

fn intern<T>(known: &mut HashMap<Box<str>, T>, text: &str) -> Result<T, String>
where
    T: FromStr + Clone,
    T::Err: std::fmt::Display,
{
    if let Some(parsed) = known.get(text) {
        return Ok(parsed.clone());
    }
    let parsed: T = text.parse().map_err(|error: T::Err| error.to_string())?;
    if known.len() >= LIMIT {
        known.clear();
    }
    known.insert(text.into(), parsed.clone());
    Ok(parsed)
}

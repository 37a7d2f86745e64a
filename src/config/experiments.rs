//! `[experiments]`: what is tried again with one thing changed when a site goes on failing.

use url::Host;

use super::document::Fields;
use super::fault::Wrong;
use super::types::ExperimentsConfig;
use super::value::{parsed, truth, whole};
use crate::model::ExperimentKind;

impl Default for ExperimentsConfig {
    fn default() -> Self {
        Self { kinds: ExperimentKind::ALL.to_vec(), unrelated_name: "example.org".to_owned(), per_hour: 60 }
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> ExperimentsConfig {
    let default = ExperimentsConfig::default();
    let kinds = ExperimentKind::ALL.iter().copied().filter(|kind| fields.or(kind.as_str(), true, truth)).collect();
    ExperimentsConfig {
        kinds,
        unrelated_name: fields.or("unrelated_name", default.unrelated_name, parsed(name)),
        per_hour: fields.or("per_hour", default.per_hour, whole(1..=3600)),
    }
}

/// A host name as it travels: an address would not be sent at all (RFC 6066 section 3).
fn name(text: &str) -> Result<String, Wrong> {
    match Host::parse(text) {
        Ok(Host::Domain(name)) if name.trim_matches('.').contains('.') => Ok(name.trim_matches('.').to_owned()),
        _ => Err(Wrong::new("is not a host name").expected("a whole name, for example \"example.org\"")),
    }
}

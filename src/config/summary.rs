//! `[summary]`: how spans are joined for a reader.

use std::time::Duration;

use super::document::Fields;
use super::duration::{DAY, MINUTE, length};
use super::types::SummaryConfig;
use super::value::whole;

const SHORTEST: Duration = Duration::from_secs(1);
const HOUR: Duration = MINUTE.saturating_mul(60);

impl Default for SummaryConfig {
    fn default() -> Self {
        Self { networks: 2, merge_within: HOUR }
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> SummaryConfig {
    let default = SummaryConfig::default();
    SummaryConfig {
        networks: fields.or("networks", default.networks, whole(1..=1000)),
        merge_within: fields.or("merge_within", default.merge_within, length(SHORTEST, 366 * DAY)),
    }
}

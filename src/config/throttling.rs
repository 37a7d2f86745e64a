//! `[throttling]`: how a site's usual pace is learnt, and how long slowness must last.

use std::time::Duration;

use super::document::Fields;
use super::duration::{DAY, MINUTE, length};
use super::types::ThrottlingConfig;
use super::value::{truth, whole};

const SHORTEST: Duration = Duration::from_millis(100);

/// The memory of a series' pace is thinned to half of its 64 places whenever it is full.
const MOST_SAMPLES: u32 = 32;

impl Default for ThrottlingConfig {
    fn default() -> Self {
        Self { enabled: true, samples: 30, over: DAY, window: 14 * DAY, sustained: 15 * MINUTE }
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> ThrottlingConfig {
    let default = ThrottlingConfig::default();
    let throttling = ThrottlingConfig {
        enabled: fields.or("enabled", default.enabled, truth),
        samples: fields.or("samples", default.samples, whole(1..=MOST_SAMPLES)),
        over: fields.or("over", default.over, length(SHORTEST, 28 * DAY)),
        window: fields.or("window", default.window, length(SHORTEST, 364 * DAY)),
        sustained: fields.or("sustained", default.sustained, length(SHORTEST, DAY)),
    };
    if throttling.over > throttling.window {
        let message = "`over` is longer than `window`: the usual pace then rests on fewer measurements than it spans";
        fields.doc.warn(&fields.span(), message);
    }
    throttling
}

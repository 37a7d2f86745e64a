//! `[detect]`: when a suspicion is confirmed.

use std::time::Duration;

use super::document::Fields;
use super::duration::{DAY, MINUTE, length};
use super::fault::Wrong;
use super::types::DetectConfig;

const SHORTEST: Duration = Duration::from_millis(100);

/// More confirmation probes of one suspicion are no confirmation but an attack.
const MOST_CONFIRMATIONS: usize = 32;

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            confirm_after: [10, 25, 45, 75, 105, 135, 165, 195].map(Duration::from_secs).to_vec(),
            spread: 2 * MINUTE,
        }
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> DetectConfig {
    let default = DetectConfig::default();
    let confirm_after = fields.list("confirm_after", length(SHORTEST, DAY));
    if let Some(waits) = &confirm_after {
        for (one, next) in waits.iter().zip(waits.iter().skip(1)) {
            if next.value <= one.value {
                let wrong = Wrong::new("`confirm_after` does not rise")
                    .label("not later than the one before it")
                    .expected("waits counted from the first anomaly, each longer than the one before it");
                fields.doc.fault(&next.span, wrong);
            }
        }
        if let Some(extra) = waits.get(MOST_CONFIRMATIONS) {
            let wrong =
                Wrong::new("`confirm_after` is too long").expected(format!("at most {MOST_CONFIRMATIONS} waits"));
            fields.doc.fault(&extra.span, wrong);
        }
    }
    let confirm_after = match confirm_after {
        Some(waits) => waits.into_iter().map(|wait| wait.value).collect(),
        None => default.confirm_after,
    };
    DetectConfig { confirm_after, spread: fields.or("spread", default.spread, length(SHORTEST, DAY)) }
}

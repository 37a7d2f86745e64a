//! How fast the site answered, against what the record knows as usual.

use super::super::words;
use super::sketch::Sketch;
use crate::model::{Elapsed, Evidence, Pace, size_in_words};

/// Draws one line, when it is known how fast the site usually is.
pub(super) fn draw(sketch: &mut Sketch<'_>, evidence: &Evidence) {
    let Some((usual, pace)) = evidence.baseline.zip(Pace::of(&evidence.measurement)) else { return };
    let parts = against(&pace, &usual.pace);
    if !parts.is_empty() {
        sketch.heading("PACE", &format!("now and usually, by {} measurements", usual.samples));
        sketch.note(&parts.join(", "));
    }
}

/// `handshake 9.80 s (450 ms)`, for each part that is known on both sides.
fn against(pace: &Pace, usual: &Pace) -> Vec<String> {
    let time = |name: &str, now: Option<Elapsed>, usual: Option<Elapsed>| {
        let (now, usual) = now.zip(usual)?;
        Some(format!("{name} {} ({})", words::elapsed(now), words::elapsed(usual)))
    };
    let rate = |rate: f64| format!("{}/s", size_in_words(rate as u64));
    let page = pace.bytes_per_second.zip(usual.bytes_per_second);
    [
        time("connect", pace.connect, usual.connect),
        time("handshake", pace.handshake, usual.handshake),
        time("first byte", pace.first_byte, usual.first_byte),
        page.map(|(now, usual)| format!("page {} ({})", rate(now), rate(usual))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::{fixtures, look::Look};
    use super::super::draw;
    use crate::knowledge::Networks;
    use crate::model::{Baseline, Elapsed, Pace};

    #[test]
    fn the_usual_pace_stands_beside_the_present_one() {
        let (mut evidence, verdict) = fixtures::accessible();
        let drawn = |evidence: &_| draw::measurement(evidence, &verdict, &Look::plain(), &Networks::default());
        assert!(!drawn(&evidence).contains("PACE"));
        evidence.baseline = Some(Baseline { samples: 3, pace: Pace::default() });
        assert!(!drawn(&evidence).contains("PACE"), "too little is known");
        let pace = Pace { handshake: Some(Elapsed::from_micros(2_000)), ..Pace::default() };
        evidence.baseline = Some(Baseline { samples: 64, pace });
        let drawn = drawn(&evidence);
        assert!(drawn.contains("PACE      now and usually, by 64 measurements"), "{drawn}");
        assert!(drawn.contains("      handshake 44 ms (2.0 ms)\n"), "{drawn}");
    }
}

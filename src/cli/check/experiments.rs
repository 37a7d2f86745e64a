//! Follow-up experiments: what was tried again, and what was changed.

use super::failure::in_words;
use super::sketch::{Mark, Sketch};
use crate::model::{Attempt, Elapsed, Experiment, ExperimentKind, ExperimentOutcome, Layer};

/// Draws the experiments: for each kind and place a line with what is suspected and one with what was changed.
pub(super) fn draw(sketch: &mut Sketch<'_>, experiments: &[Experiment]) {
    let telling: Vec<&Experiment> =
        experiments.iter().filter(|pair| pair.outcome() != ExperimentOutcome::Void).collect();
    if telling.is_empty() {
        return;
    }
    sketch.heading("AGAIN", "the same once more, and with one thing changed");
    for &kind in ExperimentKind::ALL {
        let mut places: Vec<String> = Vec::new();
        for pair in telling.iter().filter(|pair| pair.kind == kind) {
            let place = place(&pair.suspect);
            if !places.contains(&place) {
                let alike = |other: &&&Experiment| other.kind == kind && self::place(&other.suspect) == place;
                let pairs: Vec<&Experiment> = telling.iter().filter(alike).copied().collect();
                side(sketch, &pairs, "as", |pair| &pair.suspect);
                side(sketch, &pairs, changed(kind), |pair| &pair.variant);
                places.push(place);
            }
        }
    }
}

/// How the changed thing is led in.
const fn changed(kind: ExperimentKind) -> &'static str {
    match kind {
        ExperimentKind::UnrelatedSni
        | ExperimentKind::SniElsewhere
        | ExperimentKind::OtherHost
        | ExperimentKind::HostElsewhere => "but as",
        ExperimentKind::OtherResolvers | ExperimentKind::OtherFamily => "there as",
    }
}

/// Where an attempt went.
fn place(attempt: &Attempt) -> String {
    let address = attempt.address.map(|address| address.to_string());
    address.or_else(|| attempt.resolver.clone()).unwrap_or_else(|| "?".to_owned())
}

/// One side of the pairs at one place: the slowest time, and what came of most of them.
fn side<'e>(sketch: &mut Sketch<'_>, pairs: &[&'e Experiment], lead: &str, of: fn(&'e Experiment) -> &'e Attempt) {
    let attempts: Vec<&Attempt> = pairs.iter().copied().map(of).collect();
    let Some(first) = attempts.first() else { return };
    let answered = attempts.iter().filter(|attempt| attempt.failure.is_none()).count();
    let failed =
        attempts.iter().find_map(|attempt| Some((attempt.layer.unwrap_or(Layer::Tls), attempt.failure.as_ref()?)));
    let (mark, times, words) = match (failed, answered) {
        (None, _) => (Mark::Good, answered, "an answer".into()),
        (Some((layer, failure)), 0) => (Mark::Bad, attempts.len(), in_words(layer, failure)),
        (Some(_), _) => (Mark::None, answered, "an answer".into()),
    };
    let slowest = attempts.iter().map(|attempt| attempt.elapsed).max().unwrap_or(Elapsed::default());
    let text = format!("{lead} {}: {words} ({times} of {})", first.name, attempts.len());
    sketch.step(mark, &place(first), Some(slowest), &text);
}

#[cfg(test)]
mod tests {
    use super::super::super::look::Look;
    use super::*;
    use crate::knowledge::Networks;
    use crate::model::{Failure, Timestamp};

    fn attempt(name: &str, address: &str, failure: Option<(Layer, Failure)>) -> Attempt {
        let (layer, failure) = failure.unzip();
        Attempt {
            answer: None,
            name: name.into(),
            address: Some(address.parse().unwrap()),
            resolver: None,
            at: Timestamp::from_unix_ms(0),
            elapsed: Elapsed::from_micros(if failure.is_some() { 10_000_000 } else { 44_000 }),
            failure,
            layer,
        }
    }

    #[test]
    fn pairs_are_drawn_side_by_side_within_80_columns() {
        let silent = || Some((Layer::Tls, Failure::GenericTimeout));
        let pair = |kind, address, suspect, variant| Experiment {
            kind,
            canary: None,
            suspect: attempt("fergana.media", address, suspect),
            variant: attempt("example.org", address, variant),
        };
        let here = || pair(ExperimentKind::UnrelatedSni, "104.21.48.1:443", silent(), None);
        let there = pair(ExperimentKind::SniElsewhere, "208.80.154.224:443", silent(), None);
        let passed = pair(ExperimentKind::SniElsewhere, "208.80.154.224:443", None, None);
        let cut = pair(ExperimentKind::OtherHost, "104.21.48.1:80", Some((Layer::Tcp, Failure::Interrupted)), None);
        let mut sketch = Sketch { look: &Look::plain(), name: 22, networks: &Networks::default(), out: String::new() };
        draw(&mut sketch, &[here(), there, here(), passed, here(), cut]);
        assert!(sketch.out.lines().all(|line| line.chars().count() <= 80), "{}", sketch.out);
        insta::assert_snapshot!(sketch.out, @r"
        AGAIN     the same once more, and with one thing changed
          ✗ 104.21.48.1:443          10.0 s  as fergana.media: silence: nothing
                                             answers the ClientHello (3 of 3)
          ✓ 104.21.48.1:443           44 ms  but as example.org: an answer (3 of 3)
          – 208.80.154.224:443       10.0 s  as fergana.media: an answer (1 of 2)
          ✓ 208.80.154.224:443        44 ms  but as example.org: an answer (2 of 2)
        ");
    }

    #[test]
    fn without_experiments_nothing_is_drawn() {
        let mut sketch = Sketch { look: &Look::plain(), name: 22, networks: &Networks::default(), out: String::new() };
        draw(&mut sketch, &[]);
        assert_eq!(sketch.out, "");
    }
}

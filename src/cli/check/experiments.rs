//! Follow-up experiments: what was tried again, and what was changed.

use super::sketch::{Mark, Sketch};
use crate::language::Language;
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
                side(sketch, &pairs, ("as", "an answer"), |pair| &pair.suspect);
                side(sketch, &pairs, (changed(kind), compared(&pairs)), |pair| &pair.variant);
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

/// What the variant's answers are beside the suspect's, where answers were kept. The pages themselves are not shown: what
/// they say is hostile text.
fn compared(pairs: &[&Experiment]) -> &'static str {
    let both = pairs.iter().filter_map(|pair| pair.suspect.answer.as_ref().zip(pair.variant.answer.as_ref()));
    let alike: Vec<bool> = both.map(|(suspect, variant)| suspect == variant).collect();
    match alike.as_slice() {
        [] => "an answer",
        alike if alike.iter().all(|alike| *alike) => "the same answer",
        alike if alike.iter().all(|alike| !alike) => "another answer",
        _ => "an answer, not always the same",
    }
}

/// Where an attempt went.
fn place(attempt: &Attempt) -> String {
    let address = attempt.address.map(|address| address.to_string());
    address.or_else(|| attempt.resolver.clone()).unwrap_or_else(|| "?".to_owned())
}

/// One side of the pairs at one place: the slowest time, and what came of most of them.
fn side<'e>(
    sketch: &mut Sketch<'_>,
    pairs: &[&'e Experiment],
    (lead, an_answer): (&str, &str),
    of: fn(&'e Experiment) -> &'e Attempt,
) {
    let attempts: Vec<&Attempt> = pairs.iter().copied().map(of).collect();
    let Some(first) = attempts.first() else { return };
    let answered = attempts.iter().filter(|attempt| attempt.failure.is_none()).count();
    let failed =
        attempts.iter().find_map(|attempt| Some((attempt.layer.unwrap_or(Layer::Tls), attempt.failure.as_ref()?)));
    let (mark, times, words) = match (failed, answered) {
        (None, _) => (Mark::Good, answered, an_answer.into()),
        (Some((layer, failure)), 0) => (Mark::Bad, attempts.len(), Language::English.failure(layer, failure)),
        (Some(_), _) => (Mark::None, answered, an_answer.into()),
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

    #[test]
    fn whether_answers_are_alike_is_told() {
        let pair = |suspect: &str, variant: &str| {
            let answered = |name: &str, answer: &str| Attempt {
                answer: Some(answer.into()),
                ..attempt(name, "208.80.154.224:80", None)
            };
            Experiment {
                kind: ExperimentKind::HostElsewhere,
                canary: Some("www.wikipedia.org".into()),
                suspect: answered("fergana.media", suspect),
                variant: answered("example.org", variant),
            }
        };
        let drawn = |pairs: &[Experiment]| {
            let mut sketch =
                Sketch { look: &Look::plain(), name: 22, networks: &Networks::default(), out: String::new() };
            draw(&mut sketch, pairs);
            sketch.out
        };
        let (alike, other) = (pair("301", "301"), pair("403", "301"));
        for (pairs, words) in [
            (vec![alike.clone(), alike.clone()], "but as example.org: the same answer (2 of 2)"),
            (vec![other.clone(), other.clone()], "but as example.org: another answer (2 of 2)"),
            (vec![alike, other], "but as example.org: an answer, not always the same (2 of 2)"),
        ] {
            let shown = drawn(&pairs);
            let unbroken = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(unbroken.contains(words), "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        }
    }
}

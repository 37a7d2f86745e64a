//! Nothing is missing in any language, nothing is left over, and every message takes the same values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::model::{
    CertificateFault, ExperimentKind, Failure, Layer, Mechanism, PartialScope, SilenceCause, SilenceKind,
    SpanEventKind, SpanSource, Status, Trigger,
};

/// The messages of a file with the values that each one takes.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in language.source().lines().filter(|line| !line.starts_with('#')) {
        if let Some((head, _)) = line.split_once(" = ").filter(|(head, _)| !head.starts_with([' ', '}'])) {
            name = head.to_owned();
            assert!(messages.insert(name.clone(), BTreeSet::new()).is_none(), "{language}: {name} stands there twice");
        }
        for value in line.split('$').skip(1) {
            let value = value.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            messages.get_mut(&name).unwrap().insert(value);
        }
    }
    messages
}

/// The names of the messages that belong to closed sets.
fn of_closed_sets() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for status in Status::ALL {
        names.extend([format!("status-{status}"), format!("status-{status}-means")]);
    }
    names.extend(Mechanism::ALL.iter().map(|one| format!("mechanism-{}", one.as_str().replace('.', "-"))));
    names.extend(PartialScope::ALL.iter().map(|one| format!("part-{one}")));
    names.extend(SpanSource::ALL.iter().map(|one| format!("source-{one}")));
    names.extend(Trigger::ALL.iter().map(|one| format!("trigger-{one}")));
    names.extend(ExperimentKind::ALL.iter().map(|one| format!("experiment-{one}")));
    names.extend(CertificateFault::ALL.iter().map(|one| format!("fault-{one}")));
    names.extend(SilenceKind::ALL.iter().map(|one| format!("silence-{one}")));
    names.extend(SilenceCause::ALL.iter().map(|one| format!("silence-{one}")));
    names.extend(SpanEventKind::ALL.iter().map(|one| format!("event-{one}")));
    names
}

/// All text of the crate's sources and templates, to look for names in.
fn sources() -> String {
    fn read(directory: &Path, all: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if path.is_dir() {
                read(&path, all);
            } else if matches!(kind, "rs" | "html" | "md" | "xml") && !path.ends_with("language/tests.rs") {
                all.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    all
}

#[test]
fn every_file_reads_without_fault() {
    for &language in Language::ALL {
        assert!(FluentResource::try_new(language.source().to_owned()).is_ok(), "{language}");
    }
}

#[test]
fn every_language_has_the_same_messages_with_the_same_values() {
    let english = messages(Language::English);
    for &language in Language::ALL {
        assert_eq!(messages(language), english, "{language}");
    }
}

#[test]
fn every_member_of_every_closed_set_has_words() {
    let english = messages(Language::English);
    for name in of_closed_sets() {
        assert!(english.contains_key(&name), "{name} has no words");
    }
    for label in Failure::LABELS {
        for &layer in Layer::ALL {
            let failure = Failure::from_ooni(label);
            for &language in Language::ALL {
                assert!(!language.failure(layer, &failure).starts_with("failure-"), "{language}: {label} at {layer}");
            }
        }
    }
}

#[test]
fn every_message_is_used_and_every_one_that_is_used_is_there() {
    let (english, sources, sets) = (messages(Language::English), sources(), of_closed_sets());
    for name in english.keys().filter(|name| !sets.contains(*name) && !name.starts_with("failure-")) {
        assert!(sources.contains(&format!("\"{name}\"")), "{name} is used nowhere");
    }
    for call in ["say(\"", "say_with(\""] {
        for used in sources.split(call).skip(1) {
            let name = used.split('"').next().unwrap();
            if !name.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_') {
                continue;
            }
            assert!(english.contains_key(name), "`{name}` is said and in no file");
        }
    }
}

#[test]
fn a_value_is_filled_in_and_counted_as_the_language_counts() {
    let count = |language: Language, count: u64| language.say_with("evidence-more", &[("count", count.into())]);
    assert_eq!(count(Language::English, 1), "One more measurement lies between these.");
    assert_eq!(count(Language::English, 22), "22 more measurements lie between these.");
    assert_eq!(count(Language::Russian, 1), "Между ними ещё 1 измерение.");
    assert_eq!(count(Language::Russian, 22), "Между ними ещё 22 измерения.");
    assert_eq!(count(Language::Russian, 11), "Между ними ещё 11 измерений.");
    assert_eq!(Language::Kazakh.say("no-such-message"), "no-such-message");
}

#[test]
fn the_preferred_language_is_taken_from_what_the_browser_accepts() {
    for (accepted, language) in [
        ("", Language::English),
        ("de", Language::English),
        ("ru", Language::Russian),
        ("ru-KZ,kk;q=0.9", Language::Russian),
        ("en;q=0.2, kk-KZ;q=0.9, ru;q=0.5", Language::Kazakh),
        ("ru;q=0, en;q=0.1", Language::English),
        ("*;q=0.5, ru;q=x", Language::English),
        ("KK", Language::Kazakh),
    ] {
        assert_eq!(Language::preferred(accepted), language, "{accepted}");
    }
}

//! What people read, in their language: one message file (Project Fluent) for each.
//!
//! Messages that belong to a closed set (`status-…`, `mechanism-…`, `failure-…`) are named by its labels, so that a new
//! member without words is found by a test.

mod span;
mod when;
mod words;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::model::labels;

labels! {
    /// A language that pages and reports are written in. The label is its tag (BCP 47).
    "language"
    pub enum Language {
        /// English.
        English => "en",
        /// Russian.
        Russian => "ru",
        /// Kazakh.
        Kazakh => "kk",
    }
}

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<Vec<Bundle>> =
    LazyLock::new(|| Language::ALL.iter().map(|&language| bundle(language)).collect());

/// The messages of a language. What cannot be read of them is missing from it; a test holds that nothing is.
fn bundle(language: Language) -> Bundle {
    let tag: LanguageIdentifier = language.as_str().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![tag]);
    // Marks of direction around each value would end up in text that is copied.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(language.source().to_owned()).unwrap_or_else(|(partly, _)| partly);
    // The first message of a name counts.
    let _ = bundle.add_resource(resource);
    bundle
}

impl Language {
    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("en.ftl"),
            Self::Russian => include_str!("ru.ftl"),
            Self::Kazakh => include_str!("kk.ftl"),
        }
    }

    fn bundle(self) -> Option<&'static Bundle> {
        BUNDLES.get(Self::ALL.iter().position(|language| *language == self)?)
    }

    /// The language that a reader prefers by `Accept-Language` (RFC 9110 section 12.5.4); English if none of ours.
    pub fn preferred(accepted: &str) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for range in accepted.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().and_then(|tag| tag.split('-').next()).unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse().ok());
            if let (Ok(language), Some(weight)) = (tag.parse::<Self>(), weight)
                && weight > 0.0
                && best.is_none_or(|(most, _)| weight > most)
            {
                best = Some((weight, language));
            }
        }
        best.map_or(Self::English, |(_, language)| language)
    }

    /// The message of this name.
    pub fn say(self, name: &str) -> String {
        self.say_with(name, &[])
    }

    /// The message of this name with its values filled in. A name that is nobody's is given back: it is better seen
    /// than missed.
    pub fn say_with(self, name: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        let args: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        self.lookup(name, &args).or_else(|| Self::English.lookup(name, &args)).unwrap_or_else(|| name.to_owned())
    }

    fn lookup(self, name: &str, args: &FluentArgs<'_>) -> Option<String> {
        let bundle = self.bundle()?;
        let pattern = bundle.get_message(name)?.value()?;
        let mut problems = Vec::new();
        Some(bundle.format_pattern(pattern, Some(args), &mut problems).into_owned())
    }

    fn has(self, name: &str) -> bool {
        self.bundle().is_some_and(|bundle| bundle.has_message(name))
    }
}

//! What all pages have in common: language, links, style, script, and how a status looks.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::MAX_TEXT;
use crate::language::Language;
use crate::model::{Bracket, Mechanism, Status, Timestamp, legible};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// The CSP source expression that allows the pages' own style and no other (Content Security Policy 3, hash source).
pub(in super::super) static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| source(STYLE));
/// The same for the script.
pub(in super::super) static SCRIPT_SOURCE: LazyLock<String> = LazyLock::new(|| source(SCRIPT));

/// What a page may be asked with, beside its path.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A language's tag; without it what the browser prefers.
    pub(super) lang: Option<String>,
    /// Where a time line begins.
    pub(super) from: Option<String>,
    /// Where it ends.
    pub(super) to: Option<String>,
}

/// A language that can be chosen.
pub(super) struct Choice {
    pub(super) tag: &'static str,
    pub(super) name: String,
    pub(super) href: String,
    pub(super) is_current: bool,
}

/// The frame of a page.
pub(super) struct Frame {
    pub(super) language: Language,
    /// The language was asked for in the address, so links carry it on.
    is_chosen: bool,
    /// This page's path.
    path: String,
    /// The rest of its address, without the language.
    rest: String,
    pub(super) now: Timestamp,
}

impl Frame {
    pub(super) fn new(asked: &Asked, path: &str, headers: &HeaderMap) -> Self {
        let chosen = asked.lang.as_deref().and_then(|tag| tag.parse().ok());
        let preferred = || {
            let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok());
            Language::preferred(accepted.unwrap_or_default())
        };
        let window = [("from", &asked.from), ("to", &asked.to)];
        let window = window.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let rest = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(window).finish();
        Self {
            language: chosen.unwrap_or_else(preferred),
            is_chosen: chosen.is_some(),
            path: path.to_owned(),
            rest,
            now: Timestamp::now(),
        }
    }

    pub(super) fn say(&self, name: &str) -> String {
        self.language.say(name)
    }

    pub(super) fn style(&self) -> &'static str {
        STYLE
    }

    pub(super) fn script(&self) -> &'static str {
        SCRIPT
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The address of another page, in the language that was chosen.
    pub(super) fn link(&self, path: &str) -> String {
        if !self.is_chosen {
            return path.to_owned();
        }
        let (path, anchor) =
            path.split_once('#').map_or((path, String::new()), |(path, anchor)| (path, format!("#{anchor}")));
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}lang={}{anchor}", self.language)
    }

    /// This page in each language.
    pub(super) fn languages(&self) -> Vec<Choice> {
        let choice = |&language: &Language| {
            let rest = if self.rest.is_empty() { String::new() } else { format!("&{}", self.rest) };
            Choice {
                tag: language.as_str(),
                name: language.say("language-name"),
                href: format!("{}?lang={language}{rest}", self.path),
                is_current: language == self.language,
            }
        };
        Language::ALL.iter().map(choice).collect()
    }

    /// The hidden field that carries the language through a form.
    pub(super) fn chosen(&self) -> Option<&'static str> {
        self.is_chosen.then(|| self.language.as_str())
    }

    pub(super) fn state_at(&self) -> String {
        self.language.say_with("state-at", &[("at", self.language.instant(self.now).into())])
    }

    /// What the statuses mean.
    pub(super) fn legend(&self) -> Vec<(Mark, String)> {
        Status::ALL.iter().map(|&status| (self.mark(status), self.language.status_means(status))).collect()
    }

    /// A status as a reader sees it.
    pub(super) fn mark(&self, status: Status) -> Mark {
        Mark { word: self.language.status(status), sign: sign(status), class: status.as_str() }
    }

    pub(super) fn unmeasured(&self) -> Mark {
        Mark { word: self.say("status-unmeasured"), ..self.mark(Status::Inconclusive) }
    }

    /// How, in words and as its label.
    pub(super) fn how(&self, mechanism: Mechanism) -> (String, &'static str) {
        (self.language.mechanism(mechanism), mechanism.as_str())
    }

    pub(super) fn when(&self, bracket: Bracket) -> When {
        When { text: self.language.bracket_or_unknown(bracket), instants: instants([bracket.earliest, bracket.latest]) }
    }

    pub(super) fn instant(&self, at: Timestamp) -> When {
        When { text: self.language.instant(at), instants: instants([Some(at), None]) }
    }
}

fn instants(bounds: [Option<Timestamp>; 2]) -> String {
    bounds.map(|at| at.map_or_else(String::new, |at| at.as_unix_ms().to_string())).join(" ")
}

/// A status as word, sign and colour, so that none has to be told by colour alone.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) word: String,
    pub(super) sign: &'static str,
    pub(super) class: &'static str,
}

/// A time in words, and its instants (Unix milliseconds) for the script that tells them in local time.
#[derive(Clone)]
pub(super) struct When {
    pub(super) text: String,
    pub(super) instants: String,
}

pub(super) const fn sign(status: Status) -> &'static str {
    match status {
        Status::Accessible => "✓",
        Status::Blocked => "✕",
        Status::Denied => "⊘",
        Status::Down => "↓",
        Status::Offline => "○",
        Status::Inconclusive => "?",
    }
}

/// Text of foreign origin, fit to be shown. The template escapes it.
pub(super) fn shown(text: &str) -> String {
    legible(text, MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Relative luminance of `#rrggbb` (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |range| {
            let value = f64::from(u8::from_str_radix(&colour[range], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1..3) + 0.7152 * channel(3..5) + 0.0722 * channel(5..7)
    }

    #[test]
    fn text_has_the_contrast_that_wcag_aa_asks() {
        let schemes: Vec<BTreeMap<&str, &str>> = STYLE
            .split(":root {")
            .skip(1)
            .map(|scheme| {
                let scheme = scheme.split('}').next().unwrap();
                scheme.split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": ")).collect()
            })
            .collect();
        assert_eq!(schemes.len(), 2, "light and dark");
        for scheme in schemes {
            let mut pairs = vec![
                ("ink", "paper"),
                ("quiet", "paper"),
                ("quiet", "band"),
                ("link", "paper"),
                ("ink", "band"),
                ("link", "band"),
                ("blocked", "paper"),
            ];
            let backgrounds: Vec<String> = Status::ALL.iter().map(|status| format!("{status}-bg")).collect();
            pairs.extend(
                Status::ALL.iter().zip(&backgrounds).map(|(status, ground)| (status.as_str(), ground.as_str())),
            );
            // Bars stand on the paper and on the band: 3:1 is asked of graphics (success criterion 1.4.11), text asks more.
            pairs.extend(Status::ALL.iter().map(|status| (status.as_str(), "band")));
            for (text, ground) in pairs {
                let (a, b) = (luminance(scheme[text]), luminance(scheme[ground]));
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn every_status_has_a_sign_and_a_colour_of_its_own() {
        let signs: BTreeSet<_> = Status::ALL.iter().map(|&status| sign(status)).collect();
        assert_eq!(signs.len(), Status::ALL.len());
        for status in Status::ALL {
            assert!(STYLE.contains(&format!("\n.{status} {{")), "{status}");
        }
    }

    fn frame(address: &str, accepted: &'static str) -> Frame {
        let uri = address.parse().unwrap();
        let asked = axum::extract::Query::<Asked>::try_from_uri(&uri).unwrap().0;
        let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())]);
        Frame::new(&asked, uri.path(), &headers)
    }

    #[test]
    fn a_language_that_was_chosen_goes_along_and_one_that_was_not_does_not() {
        let chosen = frame("/sites/a?lang=kk&from=2026-01-01", "ru");
        assert_eq!(chosen.language, Language::Kazakh);
        assert_eq!(chosen.link("/vantages"), "/vantages?lang=kk");
        assert_eq!(chosen.link("/sites/b?to=x#timeline"), "/sites/b?to=x&lang=kk#timeline");
        assert_eq!(chosen.languages()[1].href, "/sites/a?lang=ru&from=2026-01-01");
        let preferred = frame("/", "ru-KZ, kk;q=0.5");
        assert_eq!((preferred.language, preferred.link("/vantages").as_str()), (Language::Russian, "/vantages"));
        assert_eq!(frame("/?lang=xx", "kk").language, Language::Kazakh);
    }
}

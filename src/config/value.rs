//! Readers for the plain kinds of values: text, numbers, names, one of a few words.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::de::DeValue;

use super::document::{Node, wrong_type};
use super::fault::Wrong;
use super::suggest::nearest;
use crate::model::CountryCode;

/// Longest text for people: a name, a citation, a note.
const LONGEST_TEXT: usize = 2000;

/// Any text in quotes.
pub(super) fn raw_text<'n>(node: &'n Node<'_>) -> Result<&'n str, Wrong> {
    node.get_ref().as_str().ok_or_else(|| wrong_type(node, "text in quotes"))
}

/// Text for people: not empty, of bounded length, without control characters.
pub(super) fn text(node: &Node<'_>) -> Result<String, Wrong> {
    let text = raw_text(node)?.trim();
    if text.is_empty() {
        Err(Wrong::new("is empty").expected("some text"))
    } else if text.chars().any(|c| c.is_control() && c != '\n') {
        Err(Wrong::new("holds control characters").expected("plain text"))
    } else if text.chars().count() > LONGEST_TEXT {
        Err(Wrong::new("is too long").expected(format!("at most {LONGEST_TEXT} characters")))
    } else {
        Ok(text.to_owned())
    }
}

/// Text that `parse` understands.
pub(super) fn parsed<T>(parse: impl Fn(&str) -> Result<T, Wrong>) -> impl Fn(&Node<'_>) -> Result<T, Wrong> {
    move |node| parse(raw_text(node)?)
}

/// An id of one of the model's kinds.
pub(super) fn id<T: FromStr>(node: &Node<'_>) -> Result<T, Wrong> {
    raw_text(node)?.parse().map_err(|_| {
        Wrong::new("is not a usable id")
            .expected("1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter or digit")
    })
}

/// A country code.
pub(super) fn country(node: &Node<'_>) -> Result<CountryCode, Wrong> {
    let text = raw_text(node)?;
    text.parse().map_err(|_| {
        let wrong = Wrong::new("is not a country code");
        match text.to_ascii_uppercase().parse::<CountryCode>() {
            Ok(code) => wrong.label(format!("did you mean \"{code}\"?")),
            Err(_) => wrong,
        }
        .expected("two capital letters (ISO 3166-1), for example \"KZ\"")
    })
}

/// A Citizen Lab category code.
pub(super) fn category(text: &str) -> Result<String, Wrong> {
    if (3..=6).contains(&text.len()) && text.chars().all(|c| c.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("is not a category code").expected("a Citizen Lab category code, for example NEWS or HOST"))
    }
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(choices: &[(&'static str, T)]) -> impl Fn(&Node<'_>) -> Result<T, Wrong> {
    move |node| {
        let text = raw_text(node)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let wrong = Wrong::new("is not known").quoting(text);
        let wrong = match nearest(text, words.iter().copied()) {
            Some(word) => wrong.label(format!("did you mean \"{word}\"?")),
            None => wrong,
        };
        Err(wrong.expected(format!("one of: {}", words.join(", "))))
    }
}

/// Yes or no.
pub(super) fn truth(node: &Node<'_>) -> Result<bool, Wrong> {
    node.get_ref().as_bool().ok_or_else(|| wrong_type(node, "true or false"))
}

/// A whole number within bounds.
pub(super) fn whole<T>(bounds: RangeInclusive<T>) -> impl Fn(&Node<'_>) -> Result<T, Wrong>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    move |node| {
        let expected = format!("a whole number, {} to {}", bounds.start(), bounds.end());
        let DeValue::Integer(integer) = node.get_ref() else { return Err(wrong_type(node, &expected)) };
        i128::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| Wrong::new("is out of bounds").expected(expected))
    }
}

/// A number within bounds.
pub(super) fn number(bounds: RangeInclusive<f64>) -> impl Fn(&Node<'_>) -> Result<f64, Wrong> {
    move |node| {
        let expected = format!("a number, {} to {}", bounds.start(), bounds.end());
        let text = match node.get_ref() {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            _ => return Err(wrong_type(node, &expected)),
        };
        text.parse()
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| Wrong::new("is out of bounds").expected(expected))
    }
}

/// A number of bytes: a whole number, or text with a unit (`"512KiB"`).
pub(super) fn bytes(bounds: RangeInclusive<u64>) -> impl Fn(&Node<'_>) -> Result<u64, Wrong> {
    move |node| {
        let expected = format!("{} to {} bytes, for example 524288 or \"512KiB\"", bounds.start(), bounds.end());
        let wrong = || Wrong::new("is not a usable size").expected(&expected);
        let size = match node.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            DeValue::String(text) => {
                let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
                let scale = match text.get(digits.len()..).unwrap_or("").trim() {
                    "B" => 1,
                    "KiB" => 1 << 10,
                    "MiB" => 1 << 20,
                    _ => return Err(wrong().label("units are B, KiB and MiB")),
                };
                digits.parse::<u64>().ok().and_then(|number| number.checked_mul(scale))
            }
            _ => return Err(wrong_type(node, &expected)),
        };
        size.filter(|size| bounds.contains(size)).ok_or_else(wrong)
    }
}

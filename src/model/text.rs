//! Text that came from a measured site, made fit to be shown anywhere.

use std::borrow::Cow;

/// What stands for a character that must not reach a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character could drive a terminal, turn the reading order, or hide.
///
/// Control characters of both sets (a lone U+009B starts an escape sequence too), bidirectional controls (UAX 9),
/// line and paragraph separators, and invisible characters (zero width, tags, variation selectors, fillers).
pub const fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// `text` safe to show on one line of a terminal: white space of any kind becomes one space, every other
/// hostile character becomes U+FFFD.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let safe = text.chars().map(|c| match c {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if is_hostile(c) => REPLACEMENT,
        c => c,
    });
    Cow::Owned(safe.collect())
}

/// Foreign text without control, format and direction characters, at most `max` characters long, for a page, a feed or
/// a document. Who writes it there escapes it.
pub fn legible(text: &str, max: usize) -> String {
    let mut shown = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_hostile(*c));
    let mut out: String = shown.by_ref().take(max).collect();
    if shown.next().is_some() {
        out.push('…');
    }
    out
}

/// A number of bytes in words (decimal prefixes, as browsers and disks count).
pub fn size_in_words(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_reordering_are_taken_out() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c d");
        assert_eq!(printable("Страница"), "Страница");
    }

    #[test]
    fn foreign_text_keeps_its_letters_and_loses_its_tricks() {
        assert_eq!(legible("a\u{1b}[31mb\u{202e}c\u{200b}\nd\u{0}", 99), "a[31mbc d");
        assert_eq!(legible("Фергана", 3), "Фер…");
        assert_eq!(legible("Фергана", 7), "Фергана");
    }
}

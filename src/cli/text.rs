//! Making text fit to be shown: hostile characters replaced, widths counted, lines wrapped and clipped.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes in a terminal.
pub(super) fn columns(text: &str) -> usize {
    // Letters below U+0300 (and `±`) take one column each; only beyond them widths differ.
    let narrow = |byte: &u8| byte.is_ascii() || matches!(byte, 0x80..=0xbf | 0xc2..=0xcb);
    if text.is_ascii() {
        text.len()
    } else if text.as_bytes().iter().all(narrow) {
        text.chars().count()
    } else {
        text.width()
    }
}

/// `text` cut to `limit` columns, the cut marked by `mark`. Zero-width characters are bounded too, so that a
/// pile of combining marks cannot flood a line.
pub(super) fn clip<'t>(text: &'t str, limit: usize, mark: &str) -> Cow<'t, str> {
    let bound = limit.saturating_mul(4);
    if columns(text) <= limit && (text.len() <= bound || text.chars().count() <= bound) {
        return Cow::Borrowed(text);
    }
    let mark = if columns(mark) < limit { mark } else { "" };
    let end = prefix(text, limit.saturating_sub(columns(mark)));
    Cow::Owned(format!("{}{mark}", &text[..end]))
}

/// The length in bytes of the longest beginning of `text` that takes at most `room` columns.
fn prefix(text: &str, room: usize) -> usize {
    let mut used = 0;
    let mut count = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        count += 1;
        if used > room || count > room.saturating_mul(4) {
            return at;
        }
    }
    text.len()
}

/// `text` in lines of at most `width` columns, broken at spaces where there are any; a longer word is broken
/// after `/`, `,`, `&` or `.`, or else anywhere.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(4);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word;
        loop {
            let gap = usize::from(used > 0);
            if used + gap + columns(word) <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                used += gap + columns(word);
                break;
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
                continue;
            }
            let cut = break_point(word, width);
            lines.push(word[..cut].to_owned());
            word = &word[cut..];
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Where a word that is longer than `width` columns is best broken; never 0.
fn break_point(word: &str, width: usize) -> usize {
    let hard = prefix(word, width).max(word.chars().next().map_or(1, char::len_utf8));
    let soft = word[..hard].rfind(['/', ',', '&', '.', '-']).map(|at| at + 1);
    soft.filter(|&at| at * 2 > hard).unwrap_or(hard)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{is_hostile, printable};

    #[test]
    fn terminal_escapes_and_reordering_are_taken_out() {
        assert_eq!(printable("a\u{1b}[31mred\u{9b}m\r\nb"), "a\u{fffd}[31mred\u{fffd}m  b");
        assert_eq!(printable("safe\u{202e}exe.txt"), "safe\u{fffd}exe.txt");
        assert!(matches!(printable("Новости Казахстана — 新闻"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_clip_is_marked_and_counts_wide_characters() {
        assert_eq!(clip("short", 5, "…"), "short");
        assert_eq!(clip("longer", 5, "…"), "long…");
        assert_eq!(clip("新闻新闻", 5, "…"), "新闻…");
        assert_eq!(clip("longer", 2, "..."), "lo");
    }

    #[test]
    fn lines_break_at_spaces_then_within_addresses() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("https://fergana.media/", 14), ["https://", "fergana.media/"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(
            wrap("abcde \u{1dc8}", 5),
            ["abcde", "\u{1dc8}"],
            "a mark without width still needs the space before it"
        );
    }

    proptest! {
        #[test]
        fn printable_holds_nothing_hostile(text in any::<String>()) {
            let shown = printable(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_hostile(c)));
            prop_assert_eq!(printable(&shown), shown.as_ref());
        }

        #[test]
        fn wrapped_and_clipped_text_keeps_its_width(text in any::<String>(), width in 4usize..60) {
            let text = printable(&text);
            for line in wrap(&text, width) {
                prop_assert!(columns(&line) <= width, "{line:?}");
            }
            prop_assert!(columns(&clip(&text, width, "…")) <= width);
        }
    }
}

//! The page's title, found by a bounded scan; no HTML parser is let loose on hostile bytes.

/// Bytes of the body that are searched for `<title`.
const SEARCHED: usize = 128 * 1024;
/// Bytes of the element that are read.
const ELEMENT: usize = 4 * 1024;
/// Characters that are kept.
const MAX_CHARS: usize = 300;
/// Characters of an entity that are looked at.
const MAX_ENTITY: usize = 10;

/// The text of the first `<title>`, entities decoded, white space folded, at most 300 characters. Hostile text.
pub(in crate::probe) fn title(body: &[u8]) -> Option<String> {
    let body = body.get(..SEARCHED).unwrap_or(body);
    let mut from = 0;
    let text = loop {
        let at = from + find(body.get(from..)?, b"<title")?;
        let rest = body.get(at + b"<title".len()..)?;
        match rest.first()? {
            b'>' => break rest.get(1..)?,
            byte if byte.is_ascii_whitespace() || *byte == b'/' => {
                let rest = rest.get(..ELEMENT).unwrap_or(rest);
                let end = rest.iter().position(|byte| *byte == b'>')?;
                break body.get(at + b"<title".len() + end + 1..)?;
            }
            _ => from = at + 1,
        }
    };
    let text = text.get(..ELEMENT).unwrap_or(text);
    let text = find(text, b"</title").and_then(|end| text.get(..end)).unwrap_or(text);
    let folded = fold(&decode_entities(&String::from_utf8_lossy(text)));
    (!folded.is_empty()).then_some(folded)
}

/// Position of `needle` (lower case) in any case.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

fn decode_entities(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        decoded.push_str(before);
        let end = from.char_indices().take(MAX_ENTITY + 1).find(|(_, c)| *c == ';').map(|(end, _)| end);
        match end.and_then(|end| Some((entity(from.get(1..end)?)?, end))) {
            Some((character, end)) => {
                decoded.push(character);
                rest = from.get(end + 1..).unwrap_or_default();
            }
            None => {
                decoded.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

fn fold(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c == '\0').filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found() {
        let table: &[(&str, Option<&str>)] = &[
            ("<html><TITLE>Fergana &mdash; News</title>", Some("Fergana &mdash; News")),
            ("<title lang=\"ru\">\n  Новости \t дня\n</title>", Some("Новости дня")),
            ("<title>a &amp;&lt;&#1072;&#x431;&gt; &quot;&apos;</title>", Some("a &<аб> \"'")),
            ("<titles>no</titles><title>yes</title>", Some("yes")),
            ("<title>never closed", Some("never closed")),
            ("<title></title>", None),
            ("<title>   </title>", None),
            ("<title", None),
            ("<title ", None),
            ("no title", None),
            ("<title>&#xD800;&#99999999;&;&</title>", Some("&#xD800;&#99999999;&;&")),
        ];
        for (body, expected) in table {
            assert_eq!(title(body.as_bytes()).as_deref(), *expected, "{body}");
        }
    }

    #[test]
    fn windows_1251_does_not_panic() {
        assert!(title(b"<title>\xcd\xee\xe2\xee\xf1\xf2\xe8</title>").is_some());
    }

    #[test]
    fn the_scan_is_bounded() {
        let mut far = vec![b' '; SEARCHED];
        far.extend_from_slice(b"<title>far</title>");
        assert_eq!(title(&far), None);
        let long = format!("<title>{}</title>", "я".repeat(3000));
        assert_eq!(title(long.as_bytes()).unwrap().chars().count(), MAX_CHARS);
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(tail in "[<>&;#xX0-9a-z/ é]{0,80}") {
            let _ = title(format!("<title>{tail}").as_bytes());
            let _ = title(format!("<title{tail}").as_bytes());
        }
    }
}

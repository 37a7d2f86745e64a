//! What a fingerprint looks for. Most patterns of the lists are plain texts, even where they are written as regular
//! expressions; those are searched for all at once, and only the rest needs an automaton of its own.

use regex::bytes::{Regex, RegexBuilder};

/// Shortest text that tells anything; the shortest in the known lists has four bytes.
const SHORTEST: usize = 3;
/// Longest pattern, bytes; the longest in the known lists has 838.
const LONGEST: usize = 8 * 1024;
/// Largest automaton of one expression, bytes.
const LARGEST: usize = 256 * 1024;

/// What to look for. A regular expression is kept as it was translated and is known to compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// All of the text, but for white space around it.
    Full(String),
    /// Its beginning.
    Prefix(String),
    /// Any part of it.
    Contains(String),
    /// A regular expression (crate `regex`).
    Regex(String),
}

impl Pattern {
    /// The plain text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Full(text) | Self::Prefix(text) | Self::Contains(text) => Some(text),
            Self::Regex(_) => None,
        }
    }

    /// As it is written.
    pub fn shown(&self) -> &str {
        let (Self::Full(text) | Self::Prefix(text) | Self::Contains(text) | Self::Regex(text)) = self;
        text
    }

    /// Whether it can be looked for: neither so short that it is everywhere nor too long.
    pub(super) fn checked(self) -> Result<Self, String> {
        let text = self.shown();
        if text.trim().len() < SHORTEST {
            Err(format!("the pattern is shorter than {SHORTEST} bytes"))
        } else if text.len() > LONGEST {
            Err(format!("the pattern is longer than {LONGEST} bytes"))
        } else {
            Ok(self)
        }
    }

    /// Whether `text` bears it by itself. For a look at one short text; pages are looked at with all patterns at once.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        match self {
            Self::Full(wanted) => text.trim_ascii() == wanted.trim().as_bytes(),
            Self::Prefix(wanted) => text.starts_with(wanted.as_bytes()),
            Self::Contains(wanted) => text.windows(wanted.len().max(1)).any(|window| window == wanted.as_bytes()),
            Self::Regex(wanted) => compile(wanted).is_ok_and(|regex| regex.is_match(text)),
        }
    }

    /// A PCRE or Python expression as these lists write it.
    ///
    /// # Errors
    /// What the crate `regex` lacks (look-around, back references), and what is too large, in words.
    pub(super) fn from_expression(expression: &str) -> Result<Self, String> {
        if let Some(text) = plain(expression) {
            return Self::Contains(text).checked();
        }
        let translated = translate(expression);
        let pattern = Self::Regex(translated.clone()).checked()?;
        let regex = compile(&translated)?;
        if regex.is_match(b"") {
            return Err("the expression fits an empty page".into());
        }
        Ok(pattern)
    }
}

/// Builds one expression; `.` stops at a line's end, as in PCRE.
pub(super) fn compile(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression).size_limit(LARGEST).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the expression is too large".into(),
        other => {
            let text = other.to_string();
            let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("not an expression");
            format!("not an expression that can be used: {}", last.trim_start_matches("error: "))
        }
    })
}

/// The text that an expression stands for, when it is nothing but a text with escapes.
fn plain(expression: &str) -> Option<String> {
    let mut text = String::with_capacity(expression.len());
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next().filter(|escaped| !escaped.is_alphanumeric())?),
            '.' | '*' | '+' | '?' | '^' | '$' | '[' | ']' | '(' | ')' | '{' | '}' | '|' => return None,
            other => text.push(other),
        }
    }
    Some(text)
}

/// The longest plain text that every match of an expression holds; None when there is none to be sure of. Only what stands
/// outside of groups and classes counts, and nothing where a flag or an alternative may change what is meant.
pub(super) fn needed(expression: &str) -> Option<String> {
    let (mut longest, mut run) = (String::new(), String::new());
    let (mut depth, mut class) = (0usize, false);
    let mut end = |run: &mut String| {
        if run.len() > longest.len() {
            longest.clone_from(run);
        }
        run.clear();
    };
    let mut characters = expression.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, class, depth) {
            ('\\', inside, depth) => match characters.next()? {
                plain if !inside && depth == 0 && plain.is_ascii_punctuation() => run.push(plain),
                _ => end(&mut run),
            },
            (']', true, _) => class = false,
            // Classes may be nested and begin with a bracket: too fine to be told here.
            ('[', true, _) => return None,
            (_, true, _) => {}
            ('[', ..) if matches!(characters.peek(), Some(']' | '^')) => return None,
            ('[', ..) => {
                end(&mut run);
                class = true;
            }
            ('(', ..) if characters.peek() == Some(&'?') => return None,
            ('(', ..) => {
                end(&mut run);
                depth += 1;
            }
            (')', ..) => depth = depth.checked_sub(1)?,
            ('|', _, 0) => return None,
            (_, _, 1..) => {}
            // What was counted may not be there.
            ('*' | '?' | '{', ..) => {
                run.pop();
                end(&mut run);
                if character == '{' {
                    characters.by_ref().find(|character| *character == '}')?;
                }
            }
            ('.' | '^' | '$' | '+', ..) => end(&mut run),
            (plain, ..) => run.push(plain),
        }
    }
    end(&mut run);
    Some(longest).filter(|text| text.len() >= SHORTEST)
}

/// Two things that PCRE takes for plain and the crate `regex` does not: a brace that repeats nothing, and `\<`, `\>`.
fn translate(expression: &str) -> String {
    let mut translated = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(character) = rest.chars().next() {
        let (one, after) = rest.split_at(character.len_utf8());
        rest = after;
        match character {
            '\\' => {
                let escaped = rest.chars().next();
                if !matches!(escaped, Some('<' | '>')) {
                    translated.push('\\');
                }
                if let Some(escaped) = escaped {
                    translated.push(escaped);
                    rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
                }
            }
            '{' if !repeats(rest) => translated.push_str("\\{"),
            _ => translated.push_str(one),
        }
    }
    translated
}

/// What follows a brace is a count: `3}`, `3,}`, `3,5}`.
fn repeats(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_text_is_a_text() {
        let contains = |text: &str| Ok(Pattern::Contains(text.into()));
        assert_eq!(Pattern::from_expression(r"http://warning\.example/"), contains("http://warning.example/"));
        assert_eq!(Pattern::from_expression(r"l\'accesso \<b\>"), contains("l'accesso <b>"));
        assert_eq!(Pattern::from_expression(r"a\d+bc"), Ok(Pattern::Regex(r"a\d+bc".into())));
    }

    #[test]
    fn pcre_is_translated_where_only_the_notation_differs() {
        let pattern = Pattern::from_expression(r#"{"msg":.*"id":"#).unwrap();
        assert!(pattern.is_in(br#"x {"msg":"y","id":1}"#));
        assert!(Pattern::from_expression(r"\<b\>.lock{2}x").unwrap().is_in(b"<b>blockkx"));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let wrong = |expression: &str| Pattern::from_expression(expression).unwrap_err();
        assert!(wrong("a(?=b)c").contains("look-around"), "{}", wrong("a(?=b)c"));
        assert!(wrong(r"(.)\1xx").contains("backreference"), "{}", wrong(r"(.)\1xx"));
        assert!(wrong("((a{500}){500}){500}").contains("too large"));
        assert!(wrong("(abc)*").contains("empty page"));
        assert!(wrong("ab").contains("shorter"));
        assert!(wrong(&"x".repeat(10_000)).contains("longer"));
        assert!(wrong("(abc").contains("unclosed"), "{}", wrong("(abc"));
    }

    #[test]
    fn what_an_expression_needs_is_a_text_of_every_match() {
        for (expression, text) in [
            ("Access.*denied here", Some("denied here")),
            (r"U\.S\..*Command", Some("Command")),
            ("abcd?e", Some("abc")),
            ("abcd+e", Some("abcd")),
            ("abcd{0,3}e", Some("abc")),
            ("abc(def|ghijk)lmno", Some("lmno")),
            ("ab[cdefgh]ijkl", Some("ijkl")),
            (r"abc\dxyzw", Some("xyzw")),
            ("abc|defgh", None),
            ("(?i)abcdef", None),
            ("ab[]cd]efgh", None),
            ("a.b.c", None),
            ("(abcdef)*", None),
        ] {
            assert_eq!(needed(expression).as_deref(), text, "{expression}");
            assert!(compile(expression).is_ok(), "{expression}");
        }
    }

    #[test]
    fn a_dot_stops_at_the_end_of_a_line() {
        let pattern = Pattern::from_expression("Access.*denied").unwrap();
        assert!(pattern.is_in(b"Access is denied") && !pattern.is_in(b"Access\nis denied"));
    }

    #[test]
    fn kinds_of_plain_texts() {
        assert!(Pattern::Full("abc".into()).is_in(b" abc\n") && !Pattern::Full("abc".into()).is_in(b"abcd"));
        assert!(Pattern::Prefix("abc".into()).is_in(b"abcd") && !Pattern::Prefix("abc".into()).is_in(b"xabc"));
        assert!(Pattern::Contains("abc".into()).is_in(b"xabcd") && !Pattern::Contains("abc".into()).is_in(b"ab"));
    }
}

//! Censored Planet's signatures: a JSON object `{"fingerprint": …, "pattern": …}` a line. The name tells who shows the
//! page (`a_prod_…`, `b_nat_…`, `c_isp_…`, `d_corp_…`, `e_unk_…`, `f_gen_…`); the pattern is a regular expression over
//! header fields and page.

use std::sync::Arc;

use serde::Deserialize;

use super::bad::{BadLines, shown};
use super::country::named_in;
use super::fingerprint::{Fingerprint, Place, Scope};
use super::pattern::Pattern;

/// Longest line that is read, bytes.
const LONGEST_LINE: usize = 64 * 1024;

#[derive(Deserialize)]
struct Line {
    fingerprint: String,
    pattern: String,
}

/// Reads the list. All of it is one of false positives when the file's name says so; where only names like `x_fp…` in it
/// do, entries of the six classes stay what they are.
pub(super) fn read(file: &str, bytes: &[u8]) -> (Vec<Fingerprint>, BadLines) {
    let source: Arc<str> = format!("Censored Planet, {}", shown(file)).into();
    let (mut lines, mut bad) = (Vec::new(), BadLines::default());
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if line.len() > LONGEST_LINE {
            bad.add(number, "the line is too long");
            continue;
        }
        match serde_json::from_slice::<Line>(line) {
            Ok(line) if line.fingerprint.trim().is_empty() => bad.add(number, "`fingerprint` is empty"),
            Ok(line) => lines.push((number, line)),
            Err(error) if error.is_data() => bad.add(number, format!("not a signature: {error}")),
            Err(_) => bad.add(number, "not JSON"),
        }
    }
    let of_false_positives = file.contains("false_positive");
    let some_false_positives = lines.iter().any(|(_, line)| line.fingerprint.starts_with("x_fp"));
    let mut entries = Vec::with_capacity(lines.len());
    for (number, line) in lines {
        let scope = match class(&line.fingerprint) {
            _ if of_false_positives => Scope::FalsePositive,
            Some(scope) => scope,
            None if some_false_positives => Scope::FalsePositive,
            None => {
                bad.add(number, format!("the name {:?} tells no class (a_prod_…, b_nat_…, c_isp_…)", line.fingerprint));
                continue;
            }
        };
        match Pattern::from_expression(&line.pattern) {
            Ok(pattern) => entries.push(Fingerprint {
                countries: named_in(&line.fingerprint).filter(|_| scope != Scope::FalsePositive).into_iter().collect(),
                name: shown(&line.fingerprint),
                source: Arc::clone(&source),
                scope,
                sure: true,
                place: Place::Answer,
                pattern,
            }),
            Err(wrong) => bad.add(number, format!("{}: {wrong}", shown(&line.fingerprint))),
        }
    }
    (entries, bad)
}

fn class(name: &str) -> Option<Scope> {
    let classes = [
        ("a_prod_", Scope::Product),
        ("b_nat_", Scope::National),
        ("c_isp_", Scope::Provider),
        ("d_corp_", Scope::Institution),
        ("e_unk_", Scope::Unknown),
        ("f_gen_", Scope::VagueWords),
    ];
    classes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, scope)| *scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKED: &str = r#"{"fingerprint":"a_prod_wall_1","pattern":"Server: Wall/\\d+"}

{"fingerprint":"c_isp_ru_sample","pattern":"http://stop\\.example"}
{"fingerprint":"f_gen_1","pattern":"Access.*denied"}
{"fingerprint":"b_nat_1","pattern":"a(?<=b)c"}
{"fingerprint":"mine","pattern":"whatever"}
{"fingerprint":"c_isp_1"}
[1,2]
nonsense
"#;

    #[test]
    fn names_tell_class_and_country() {
        let (entries, bad) = read("signatures.json", BLOCKED.as_bytes());
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.scope, entry.pattern.clone(), entry.countries.first().map(|c| c.as_str().to_owned())))
            .collect();
        assert_eq!(
            told,
            [
                (Scope::Product, Pattern::Regex(r"Server: Wall/\d+".into()), None),
                (Scope::Provider, Pattern::Contains("http://stop.example".into()), Some("RU".into())),
                (Scope::VagueWords, Pattern::Regex("Access.*denied".into()), None),
            ]
        );
        let mut lines: Vec<(u64, &str)> = bad.named.iter().map(|line| (line.line, line.wrong.as_str())).collect();
        lines.sort_unstable();
        assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [5, 6, 7, 8, 9], "{lines:?}");
        assert!(lines[0].1.contains("look-around") && lines[1].1.contains("tells no class"), "{lines:?}");
        assert!(lines[2].1.contains("missing field") && lines[4].1 == "not JSON", "{lines:?}");
    }

    #[test]
    fn false_positives_are_told_by_the_file_or_by_its_names() {
        let scopes = |file: &str, text: &str| -> Vec<Scope> {
            read(file, text.as_bytes()).0.into_iter().map(|entry| entry.scope).collect()
        };
        let list = r#"{"fingerprint":"x_fpru_nginx","pattern":"using nginx"}
{"fingerprint":"satellite_fp_config1","pattern":"get started"}
{"fingerprint":"b_nat_1","pattern":"blocked"}"#;
        assert_eq!(scopes("false_positive_signatures.json", list), [Scope::FalsePositive; 3]);
        assert_eq!(scopes("mixed.json", list), [Scope::FalsePositive, Scope::FalsePositive, Scope::National]);
    }
}

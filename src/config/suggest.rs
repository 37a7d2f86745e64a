//! "Did you mean": the known word nearest to a mistyped one.

/// The known word that `text` is likely a slip for: at most a third of its letters differ (insertions, deletions,
/// substitutions and swaps of neighbours), capitals and `-` for `_` aside.
pub(super) fn nearest<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if text.len() > 64 {
        return None;
    }
    let folded: Vec<char> = fold(text).collect();
    words
        .into_iter()
        .map(|word| (distance(&folded, &fold(word).collect::<Vec<_>>()), word))
        .filter(|(distance, word)| *distance <= (word.len().max(folded.len()) / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() })
}

/// Optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_strangers_are_not() {
        let words = ["interval", "jitter", "dns_timeout", "url", "id", "via"];
        for (slip, meant) in [
            ("intervall", Some("interval")),
            ("intreval", Some("interval")),
            ("dns-timeout", Some("dns_timeout")),
            ("URL", Some("url")),
            ("urls", Some("url")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, words), meant, "{slip}");
        }
    }
}

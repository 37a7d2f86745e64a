//! The briefing as Markdown (CommonMark with tables).

use super::Briefing;
use super::section::{Section, SpanLine};

/// Text of foreign origin where Markdown would read something into it (CommonMark 0.31, section 2.4): every ASCII
/// punctuation mark that can mean something is escaped.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    // A bare address would become a link to a site that was measured.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

impl Briefing {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let say = |name| self.language.say(name);
        let mut out = vec![
            format!("# {}", plain(&self.title)),
            format!("{}. {}", plain(&self.period), plain(&self.made)),
            format!("## {}", say("brief-summary")),
        ];
        out.push(list(self.summary.iter().map(|sentence| plain(sentence))));
        let facts = self.facts.iter().map(|(name, value)| format!("{name}: **{}**", plain(value)));
        out.push(list(facts));
        for section in &self.sections {
            self.section(section, &mut out);
        }
        out.push(format!("## {}", say("brief-vantages")));
        let head = ["nav-vantages", "brief-network", "country", "brief-silent"].map(say);
        let rows = self
            .vantages
            .iter()
            .map(|one| [&one.name, &one.network, &one.country, &one.silent].map(|cell| plain(cell)));
        out.push(table(&head, rows));
        out.push(format!("## {}", say("brief-method")));
        out.extend(["brief-method-measuring", "brief-method-deciding", "brief-method-bounds"].map(say));
        out.push(format!("## {}", say("brief-limits")));
        out.push(list(
            ["brief-limit-place", "brief-limit-who", "brief-limit-silence", "brief-limit-short"].map(say).into_iter(),
        ));
        out.push(format!("## {}", say("brief-cite")));
        out.push(format!("> {}", plain(&self.cite)));
        out.push(say("brief-cite-ids"));
        out.join("\n\n") + "\n"
    }

    fn section(&self, section: &Section, out: &mut Vec<String>) {
        let say = |name| self.language.say(name);
        out.push(format!("## {}", plain(&section.name)));
        out.push(plain(&section.in_short));
        if !section.agreements.is_empty() {
            out.push(list(section.agreements.iter().map(|sentence| plain(sentence))));
        }
        out.push(format!("{}: {}", say("brief-urls"), plain(&section.urls.join(", "))));
        out.push(format!("### {}", say("brief-blocks")));
        if section.spans.is_empty() {
            out.push(say("brief-no-blocks"));
        } else {
            let head = [
                "column-began",
                "column-ended",
                "brief-network",
                "column-how",
                "brief-seen",
                "column-sure",
                "column-span",
            ]
            .map(say);
            out.push(table(&head, section.spans.iter().map(cells)));
        }
        out.push(format!("### {}", say("brief-comparison")));
        if section.claims.is_empty() {
            out.push(say("brief-no-claims"));
        } else {
            out.push(list(section.claims.iter().map(|claim| {
                let about = claim.about.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
                let told = format!("{}{about}: {} · {}", claim.status, claim.when, claim.citation);
                let measured = claim.measured.as_ref().map(|said| format!(" **{}**", plain(said))).unwrap_or_default();
                format!("{}{measured}", plain(&told))
            })));
        }
    }
}

fn cells(span: &SpanLine) -> [String; 7] {
    let network =
        if span.network == span.from { span.from.clone() } else { format!("{} ({})", span.network, span.from) };
    let how = if span.label.is_empty() { String::new() } else { format!("{} `{}`", plain(&span.how), span.label) };
    let evidence: Vec<String> = span.decided.iter().map(|decided| plain(decided)).collect();
    [
        plain(&span.began),
        plain(&span.ended),
        format!("{}, {}: {}", plain(&network), plain(&span.source), plain(&span.url)),
        how,
        span.seen.to_string(),
        span.sure.clone(),
        format!("`{}`{}", span.id, evidence.iter().map(|text| format!("; {text}")).collect::<String>()),
    ]
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

fn table<const N: usize>(head: &[String; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: &[String; N]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(head), line(&std::array::from_fn(|_| "---".to_owned()))];
    lines.extend(rows.map(|row| line(&row)));
    lines.join("\n")
}

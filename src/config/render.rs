//! Faults as people read them: the line of the file, the offending text marked, and what was expected.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use unicode_width::UnicodeWidthStr;

use super::fault::{Also, ConfigErrors, ConfigFault, clip};
use super::source::{Place, Source};

/// A broken list of ten thousand lines is not worth ten thousand pictures.
const DRAWN: usize = 100;

/// What the line number and `= help: ` take of a line.
const MARGIN: usize = 14;

/// Lines of a file longer than this are cut around the marked text; help is wrapped.
const WIDTH: usize = 80;

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl ConfigErrors {
    /// All faults as a log or a page may tell them, a line each: where, what is wrong, and what to do. What stands in the
    /// files is not shown: it may stand beside a secret, or be one that was put in the wrong place.
    pub fn told(&self) -> String {
        let mut told: Vec<String> = self.faults.iter().take(DRAWN).map(ConfigFault::told).collect();
        let all = self.faults.len() + self.beyond;
        if all > told.len() {
            told.push(format!("{all} faults in the configuration, of which {} are told", told.len()));
        }
        told.push("`blockspan config check` shows the lines.".to_owned());
        told.join("\n")
    }

    /// All faults (the first 100 drawn, the rest counted), one below the other, with ANSI colours or without.
    /// Control characters of the files never get through.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
        let mut drawn: Vec<String> = self.faults.iter().take(DRAWN).map(|fault| draw(&renderer, fault)).collect();
        match self.faults.len() + self.beyond {
            0 | 1 => {}
            all if all > DRAWN => drawn.push(format!("{all} faults in the configuration, of which {DRAWN} are shown")),
            all => drawn.push(format!("{all} faults in the configuration")),
        }
        drawn.join("\n\n")
    }
}

fn draw(renderer: &Renderer, fault: &ConfigFault) -> String {
    let path = clip(&fault.file.to_string_lossy());
    let title = Level::ERROR.primary_title(fault.message.as_str());
    let excerpt = fault.source.as_ref().zip(fault.place.as_ref()).map(|(source, place)| Excerpt::around(source, place));
    let mut group = match (&excerpt, &fault.place) {
        (Some(excerpt), Some(place)) => {
            let mark = AnnotationKind::Primary.span(excerpt.within(place)).label(non_empty(&fault.label));
            title.element(excerpt.snippet(path).annotation(mark))
        }
        _ => title.element(Origin::path(path)),
    };
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(wrap(help)));
    }
    let mut groups = vec![group];
    let first = fault.also.as_ref().map(|also| (also, Excerpt::around(&also.source, &also.place)));
    groups.extend(first.as_ref().map(|(also, excerpt)| also_group(also, excerpt)));
    renderer.render(&groups)
}

fn also_group<'a>(also: &'a Also, excerpt: &'a Excerpt) -> Group<'a> {
    let snippet = excerpt.snippet(clip(&also.file.to_string_lossy()));
    let mark = AnnotationKind::Primary.span(excerpt.within(&also.place));
    Level::NOTE.secondary_title(also.label.as_str()).element(snippet.annotation(mark))
}

/// Breaks a text at its blanks so that it fits beside the margin.
fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.width();
        if column > 0 && column + 1 + width > WIDTH - MARGIN {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += width;
    }
    wrapped
}

fn non_empty(label: &str) -> Option<&str> {
    (!label.is_empty()).then_some(label)
}

/// The lines that a place touches: the renderer need not see the whole file.
struct Excerpt {
    text: String,
    offset: usize,
    line: usize,
}

impl Excerpt {
    fn around(source: &Source, place: &Place) -> Self {
        let text = source.text.as_str();
        let offset = text[..place.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[place.span.end..].find('\n').map_or(text.len(), |newline| place.span.end + newline);
        let text = text[offset..end].trim_end_matches('\r').chars().map(without_c1).collect();
        Self { text, offset, line: place.line }
    }

    fn snippet<A: Clone>(&self, path: String) -> Snippet<'_, A> {
        Snippet::source(self.text.as_str()).line_start(self.line).path(path)
    }

    fn within(&self, place: &Place) -> Range<usize> {
        let end = (place.span.end - self.offset).min(self.text.len());
        (place.span.start - self.offset).min(end)..end
    }
}

/// annotate-snippets shows C0 and bidirectional controls as pictures but lets C1 (U+009B begins an escape sequence)
/// through. The stand-in has the same two bytes, so that spans stay right.
fn without_c1(c: char) -> char {
    if matches!(c, '\u{80}'..='\u{9f}') { '\u{bf}' } else { c }
}

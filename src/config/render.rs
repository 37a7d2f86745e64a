//! Faults as people read them: the line of the file, the offending text marked, and what was expected.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::fault::{Also, ConfigErrors, ConfigFault, clip};
use super::source::{Place, Source};

/// A broken list of ten thousand lines is not worth ten thousand pictures.
const DRAWN: usize = 100;

/// Lines longer than this are cut around the marked text.
const WIDTH: usize = 100;

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl ConfigErrors {
    /// All faults (the first 100 drawn, the rest counted), one below the other, with ANSI colours or without.
    /// Control characters of the files never get through.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
        let mut drawn: Vec<String> = self.faults.iter().take(DRAWN).map(|fault| draw(&renderer, fault)).collect();
        match self.faults.len() {
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
    let mut group = match (&fault.source, &fault.place) {
        (Some(source), Some(place)) => {
            let excerpt = Excerpt::around(source, place);
            title.element(
                excerpt
                    .snippet(path)
                    .annotation(AnnotationKind::Primary.span(excerpt.within(place)).label(non_empty(&fault.label))),
            )
        }
        _ => title.element(Origin::path(path)),
    };
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let mut groups = vec![group];
    groups.extend(fault.also.as_ref().map(draw_also));
    renderer.render(&groups)
}

fn draw_also(also: &Also) -> Group<'_> {
    let excerpt = Excerpt::around(&also.source, &also.place);
    let snippet = excerpt.snippet(clip(&also.file.to_string_lossy()));
    Level::NOTE
        .secondary_title(also.label.as_str())
        .element(snippet.annotation(AnnotationKind::Primary.span(excerpt.within(&also.place))))
}

fn non_empty(label: &str) -> Option<&str> {
    (!label.is_empty()).then_some(label)
}

/// The lines that a place touches: the renderer need not see the whole file.
struct Excerpt<'s> {
    text: &'s str,
    offset: usize,
    line: usize,
}

impl<'s> Excerpt<'s> {
    fn around(source: &'s Source, place: &Place) -> Self {
        let text = source.text.as_str();
        let offset = text[..place.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[place.span.end..].find('\n').map_or(text.len(), |newline| place.span.end + newline);
        Self { text: &text[offset..end], offset, line: place.line }
    }

    fn snippet<A: Clone>(&self, path: String) -> Snippet<'s, A> {
        Snippet::source(self.text).line_start(self.line).path(path)
    }

    fn within(&self, place: &Place) -> Range<usize> {
        place.span.start - self.offset..place.span.end - self.offset
    }
}

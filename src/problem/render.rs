//! Problems as text, with the underlined excerpt of the model.

use super::DataPlace;
use super::Place;
use super::Problem;
use super::Problems;
use super::Severity;
use crate::source::Source;
use crate::source::Span;
use annotate_snippets::AnnotationKind;
use annotate_snippets::Group;
use annotate_snippets::Level;
use annotate_snippets::Origin;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;
use annotate_snippets::renderer::DecorStyle;
use indexmap::IndexSet;

/// The problems in the order of the text, each with its code, excerpt and hint, ended by a line that counts them.
pub fn render(problems: &Problems, source: &Source, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .decor_style(DecorStyle::Ascii);
    let sorted = problems.sorted();
    let mut out = String::new();
    for problem in &sorted {
        out.push_str(&renderer.render(&[group(problem, source)]));
        out.push_str("\n\n");
    }
    if !sorted.is_empty() {
        out.push_str(&tally(&sorted, source));
        out.push('\n');
    }
    out
}

/// How many errors and warnings there are, and in which files.
fn tally(problems: &[&Problem], source: &Source) -> String {
    let count = |severity, word| {
        let n = problems.iter().filter(|p| p.severity() == severity).count();
        (n > 0).then(|| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    };
    let counts = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let files: IndexSet<&str> = problems
        .iter()
        .filter_map(|p| match &p.place {
            Place::Source(_) => Some(source.name()),
            Place::Data(place) => Some(place.file.as_str()),
            Place::Nowhere => None,
        })
        .collect();
    let files: Vec<String> = files.iter().map(|f| format!("`{f}`")).collect();
    let counts = counts.join(" and ");
    match files.is_empty() {
        true => counts,
        false => format!("{counts} in {}", files.join(" and ")),
    }
}

fn group<'a>(problem: &'a Problem, source: &'a Source) -> Group<'a> {
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&problem.message).id(problem.code.id());
    let excerpt = |span: Span, label: &'a str| {
        let mut snippet = Snippet::source(source.text())
            .path(source.name())
            .annotation(
                AnnotationKind::Primary
                    .span(clamp(span, source))
                    .label(label),
            );
        for (span, label) in &problem.others {
            snippet = snippet.annotation(
                AnnotationKind::Context
                    .span(clamp(*span, source))
                    .label(label),
            );
        }
        snippet
    };
    let mut group = match &problem.place {
        Place::Source(span) => title.element(excerpt(*span, &problem.label)),
        Place::Data(place) => {
            let origin = Origin::path(place.file.as_str());
            let mut group = title.element(match place.line {
                Some(line) => origin.line(line),
                None => origin,
            });
            if let Some(cell) = cell(place) {
                group = group.element(Level::NOTE.message(cell));
            }
            match place.declared {
                Some(span) => group.element(excerpt(span, &problem.label)),
                None => group,
            }
        }
        Place::Nowhere => Group::with_title(title),
    };
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.message(hint));
    }
    group
}

/// Spans at the end of the text would otherwise fall outside it.
fn clamp(span: Span, source: &Source) -> std::ops::Range<usize> {
    let end = source.text().len();
    span.start.min(end)..span.end.clamp(span.start.min(end), end)
}

/// The column and the value of a place in data, as far as they are known.
fn cell(place: &DataPlace) -> Option<String> {
    let column = place.column.as_ref().map(|c| format!("column `{c}`"));
    let value = place.value.as_ref().map(|v| format!("value `{v}`"));
    let parts: Vec<String> = [column, value].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

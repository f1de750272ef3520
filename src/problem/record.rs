//! Problems as data, for `--json`.

use super::Place;
use super::Problem;
use super::Problems;
use super::Severity;
use crate::source::Source;
use serde::Serialize;

/// One problem as data; a field that does not apply is `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The identifier of its code.
    pub code: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// The line of the model where it begins (or of the declaration that a datum offends), from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The line where it ends.
    pub end_line: Option<usize>,
    /// The column behind its last character.
    pub end_column: Option<usize>,
    /// What is written beside the place.
    pub label: Option<String>,
    /// How to go on.
    pub hint: Option<String>,
    /// The model's name, or the data file.
    pub file: Option<String>,
    /// The line of the data file, the header being line 1.
    pub data_line: Option<usize>,
    /// The column of the data file.
    pub data_column: Option<String>,
    /// The offending cell.
    pub value: Option<String>,
}

/// The problems as data, in the order in which [`render`](super::render) prints them.
pub fn records(problems: &Problems, source: &Source) -> Vec<Record> {
    problems
        .sorted()
        .into_iter()
        .map(|problem| record(problem, source))
        .collect()
}

fn record(problem: &Problem, source: &Source) -> Record {
    let (span, data) = match &problem.place {
        Place::Source(span) => (Some(*span), None),
        Place::Data(place) => (place.declared, Some(place)),
        Place::Nowhere => (None, None),
    };
    let start = span.map(|s| source.line_column(s.start));
    let end = span.map(|s| source.line_column(s.end));
    let file = match (data, span) {
        (Some(place), _) => Some(place.file.clone()),
        (None, Some(_)) => Some(source.name().to_owned()),
        (None, None) => None,
    };
    Record {
        code: problem.code.id(),
        severity: match problem.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: problem.message.clone(),
        line: start.map(|(line, _)| line),
        column: start.map(|(_, column)| column),
        end_line: end.map(|(line, _)| line),
        end_column: end.map(|(_, column)| column),
        label: (!problem.label.is_empty()).then(|| problem.label.clone()),
        hint: problem.hint.clone(),
        file,
        data_line: data.and_then(|d| d.line),
        data_column: data.and_then(|d| d.column.clone()),
        value: data.and_then(|d| d.value.clone()),
    }
}

//! What is said of a text that is no table: its header, its encoding, rows that do not fit, quotation marks that are not closed.

use super::rows::Row;
use crate::problem::Code;
use crate::problem::DataPlace;
use crate::problem::Problem;
use crate::problem::Problems;
use indexmap::IndexSet;

pub(super) fn place(name: &str, line: Option<usize>) -> DataPlace {
    DataPlace {
        file: name.to_string(),
        line,
        ..DataPlace::default()
    }
}

/// Refuses bytes that no text starts with: tables in other formats.
pub(super) fn check_format(name: &str, start: &[u8]) -> Result<(), Problems> {
    let formats: [(&[u8], &str, &str); 2] = [
        (b"PAR1", "Parquet", "parquet"),
        (b"ARROW1", "Arrow", "arrow"),
    ];
    match formats.iter().find(|(magic, ..)| start.starts_with(magic)) {
        None => Ok(()),
        Some((_, format, ending)) => Err(Problem::in_data(
            Code::BinaryTable,
            place(name, None),
            format!("`{name}` is a table in {format}, not in CSV"),
        )
        .hint(format!("the name of such a file ends in `.{ending}`"))
        .into()),
    }
}

/// Refuses a header that is none: another separator, numbers, a name twice, an open quotation mark. `above` lines stand before its text.
pub(super) fn check_header(
    name: &str,
    above: usize,
    header: &Row,
    separator: u8,
) -> Result<(), Problems> {
    let line = header.line + above;
    let at = || place(name, Some(line));
    if header.open_quote {
        return Err(open_quote(name, line).into());
    }
    let cells: Vec<&str> = header.cells().collect();
    if let ([cell], b',') = (&cells[..], separator) {
        let other = [(';', "semicolons"), ('\t', "tabs")];
        if let Some((_, word)) = other.iter().find(|(c, _)| cell.contains(*c)) {
            return Err(Problem::in_data(
                Code::WrongSeparator,
                at(),
                format!("`{name}` is separated by {word}, not by commas"),
            )
            .hint("save it with commas; a table that is separated by tabs ends in `.tsv`")
            .into());
        }
    }
    if cells.iter().all(|c| c.parse::<f64>().is_ok()) {
        return Err(Problem::in_data(
            Code::NoHeader,
            at(),
            format!("`{name}` has no header: its first line holds only numbers"),
        )
        .hint("the first line names the columns")
        .into());
    }
    check_names(name, Some(line), &cells)
}

/// Refuses names of columns that stand twice in a header, which has a line or none.
pub(super) fn check_names(
    name: &str,
    line: Option<usize>,
    columns: &[impl AsRef<str>],
) -> Result<(), Problems> {
    let mut seen = IndexSet::new();
    let mut problems = Problems::new();
    for column in columns.iter().map(AsRef::as_ref).filter(|c| !c.is_empty()) {
        if !seen.insert(column) {
            let at = DataPlace {
                column: Some(column.to_string()),
                ..place(name, line)
            };
            problems.push(
                Problem::in_data(
                    Code::HeaderRepeats,
                    at,
                    format!("two columns of `{name}` are named `{column}`"),
                )
                .hint(if line.is_some() {
                    "rename one of them in the first line"
                } else {
                    "rename one of them"
                }),
            );
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

pub(super) fn open_quote(name: &str, line: usize) -> Problem {
    Problem::in_data(
        Code::QuoteOpen,
        place(name, Some(line)),
        "a quotation mark that opens in this row is not closed",
    )
    .hint("close it; a quotation mark inside a quoted cell is written twice")
}

pub(super) fn ragged_row(name: &str, line: usize, found: usize, width: usize) -> Problem {
    let cells = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
    let problem = Problem::in_data(
        Code::RaggedRow,
        place(name, Some(line)),
        format!("the row has {}, the header {}", cells(found), cells(width)),
    );
    if found > width {
        problem.hint("quote a cell that holds a comma: `\"3,5\"`")
    } else {
        problem.hint("leave a missing cell empty, but keep its comma")
    }
}

//! Columns as they are filled: the cells of pieces, read by any thread, and their appending in the order of the text.

use super::Codes;
use super::Column;
use super::column::GrowingNumbers;
use super::levels::Levels;
use super::plain;
use super::rows::Rows;
use super::rows::line_breaks;
use indexmap::IndexSet;
use std::sync::Arc;

/// What a missing cell may hold.
const MISSING: [&str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "."];

/// Below this, 2^53, every integer is an `f64` of its own.
pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;

/// What is read of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers, as far as is known.
    Numbers,
    Texts,
    /// Nothing: it has no name, or is complete.
    Skipped,
    /// Nothing: it was read as numbers up to a cell that is none, and is to be read again.
    Mistaken,
}

/// The cells of a column in one piece of the text.
pub(super) enum Cells {
    Numbers(Vec<f64>),
    Texts {
        codes: Vec<u32>,
        levels: Levels,
    },
    Skipped,
    /// One of them is no number.
    NoNumbers,
}

impl Cells {
    /// Whether one of them is no number where numbers are read.
    pub(super) fn no_numbers(&self) -> bool {
        matches!(self, Cells::NoNumbers)
    }

    fn new(kind: Kind) -> Cells {
        match kind {
            Kind::Numbers => Cells::Numbers(Vec::new()),
            Kind::Texts => Cells::Texts {
                codes: Vec::new(),
                levels: Levels::default(),
            },
            Kind::Skipped | Kind::Mistaken => Cells::Skipped,
        }
    }

    /// The length of the text before, when `rest`, where no quotation mark opens, starts with it.
    pub(super) fn again(&self, rest: &str) -> Option<usize> {
        let Cells::Texts { codes, levels } = self else {
            return None;
        };
        let before = levels.text(*codes.last()?)?;
        (rest.starts_with(before) && !rest.starts_with('"')).then_some(before.len())
    }

    /// Appends the text before once more.
    pub(super) fn repeat(&mut self) {
        if let Cells::Texts { codes, .. } = self {
            codes.extend(codes.last().copied());
        }
    }

    /// Appends a cell without the blanks around it.
    pub(super) fn push(&mut self, cell: &str) {
        match self {
            Cells::Numbers(values) => match number(cell) {
                Some(value) => values.push(value),
                None => *self = Cells::NoNumbers,
            },
            Cells::Texts { codes, levels } => codes.push(code(cell, codes.last(), levels)),
            Cells::Skipped | Cells::NoNumbers => {}
        }
    }
}

/// The number that a cell holds, NaN for a missing one; `None` when it must be kept as text:
/// words, numbers that are not finite, and integers whose text a number would not keep (`007`, more than 2^53).
pub(super) fn number(cell: &str) -> Option<f64> {
    let Some(value) = fast_float2::parse::<f64, _>(cell)
        .ok()
        .filter(|v| v.is_finite())
    else {
        return MISSING.contains(&cell).then_some(f64::NAN);
    };
    let digits = cell.trim_start_matches(['+', '-']);
    let kept = value.abs() < EXACT && (digits.len() == 1 || !digits.starts_with('0'));
    let integer = || digits.bytes().all(|b| b.is_ascii_digit());
    // Zero has no sign.
    (kept || !integer()).then_some(value + 0.0)
}

/// The code of a text; `before` is that of the row before, which is often the same.
pub(super) fn code(cell: &str, before: Option<&u32>, levels: &mut Levels) -> u32 {
    if let Some(before) = before
        && levels.text(*before) == Some(cell)
    {
        return *before;
    }
    match levels.code(cell) {
        Some(code) => code,
        None if MISSING.contains(&cell) => Column::NONE,
        None => levels.insert(cell),
    }
}

/// What one piece of the text holds.
pub(super) struct TextPiece {
    /// The line of the piece in which each row starts, from 1.
    pub(super) lines: Vec<u32>,
    /// The number of line breaks.
    pub(super) breaks: usize,
    /// Lines and numbers of cells of rows with more or fewer cells than columns.
    pub(super) ragged: Vec<(usize, usize)>,
    /// The line of a row with an open quotation mark, after which nothing was read.
    pub(super) open_quote: Option<usize>,
    /// For each column its cells.
    pub(super) columns: Vec<Cells>,
}

impl TextPiece {
    /// Reads a piece of the text, whose columns are of these kinds.
    pub(super) fn read(text: &str, separator: u8, kinds: &[Kind]) -> TextPiece {
        let empty = || kinds.iter().map(|kind| Cells::new(*kind)).collect();
        let mut piece = TextPiece {
            lines: Vec::new(),
            breaks: line_breaks(text.as_bytes()),
            ragged: Vec::new(),
            open_quote: None,
            columns: empty(),
        };
        match plain::read(text, separator, &mut piece.columns) {
            Some(lines) => piece.lines = lines,
            None => {
                piece.columns = empty();
                piece.read_rows(text, separator);
            }
        }
        piece
    }

    /// Reads rows of any kind.
    fn read_rows(&mut self, text: &str, separator: u8) {
        let mut rows = Rows::new(text, separator);
        while let Some(row) = rows.next() {
            if row.open_quote {
                self.open_quote = Some(row.line);
                break;
            }
            if row.len() != self.columns.len() {
                self.ragged.push((row.line, row.len()));
                continue;
            }
            for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
                column.push(cell);
            }
            self.lines.push(row.line as u32);
        }
    }
}

/// A column to which pieces are appended.
pub(super) enum Growing {
    Numbers(GrowingNumbers),
    Texts {
        codes: Codes,
        levels: IndexSet<String>,
    },
    Skipped,
}

impl Growing {
    pub(super) fn new(kind: Kind) -> Growing {
        match kind {
            Kind::Numbers => Growing::Numbers(GrowingNumbers::new()),
            Kind::Texts => Growing::Texts {
                codes: Codes::new(),
                levels: IndexSet::new(),
            },
            Kind::Skipped | Kind::Mistaken => Growing::Skipped,
        }
    }

    /// Appends the cells of the next piece: levels keep the order in which they first occur, whatever the pieces.
    pub(super) fn append(&mut self, cells: Cells) {
        match (self, cells) {
            (Growing::Numbers(numbers), Cells::Numbers(values)) => numbers.append(&values),
            (
                Growing::Texts { codes, levels },
                Cells::Texts {
                    codes: mut own,
                    levels: names,
                },
            ) => {
                let place = |name| levels.insert_full(name).0 as u32;
                let places: Vec<u32> = names.into_texts().map(place).collect();
                for code in own.iter_mut().filter(|code| **code != Column::NONE) {
                    *code = places[*code as usize];
                }
                codes.append(&own);
            }
            (Growing::Numbers(_) | Growing::Texts { .. } | Growing::Skipped, _) => {}
        }
    }

    /// The finished column; `None` when nothing was read of it.
    pub(super) fn finish(self) -> Option<Column> {
        match self {
            Growing::Numbers(numbers) => Some(Column::Numbers(numbers.finish())),
            Growing::Texts { codes, levels } => Some(Column::Texts {
                codes: codes.fitted(),
                levels: Arc::new(levels),
            }),
            Growing::Skipped => None,
        }
    }
}

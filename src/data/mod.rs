//! Tables: named columns of numbers and text, read from CSV and TSV.
//!
//! A cell is missing when, blanks around it aside, it is empty or one of `NA`, `N/A`, `NaN`, `nan`, `null`, `NULL` and `.`.
//! Nothing is known here of models; files are opened only here.

mod read;

use indexmap::IndexMap;
use indexmap::IndexSet;

/// What a missing cell may hold.
const MISSING: [&str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "."];

/// Below this, 2^53, every integer is an `f64` of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A table: rows of cells under a header.
#[derive(Clone, Debug, Default)]
pub struct Table {
    name: String,
    columns: IndexMap<String, Column>,
    rows: usize,
    /// The line of each row; empty when row `i` stands in line `i + 2`.
    lines: Vec<u32>,
}

impl Table {
    /// What messages call it: the file as the user named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of rows, the header aside.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of its columns, in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// The line of the file in which `row`, from 0, starts; the header is line 1.
    pub fn line(&self, row: usize) -> usize {
        self.lines.get(row).map_or(row + 2, |line| *line as usize)
    }

    /// The text of a cell; empty when it is missing or there is no such cell.
    pub fn cell(&self, row: usize, column: &str) -> String {
        self.column(column)
            .and_then(|c| c.text(row))
            .unwrap_or_default()
    }
}

/// The cells of one column.
#[derive(Clone, Debug)]
pub enum Column {
    /// Finite numbers, one per row; NaN where the cell is missing. Integers in it are exact.
    Numbers(Vec<f64>),
    /// Anything else.
    Texts {
        /// For each row the place of its text in `levels`; [`Column::NONE`] where the cell is missing.
        codes: Vec<u32>,
        /// The distinct texts, in the order in which they first occur.
        levels: IndexSet<String>,
    },
}

impl Column {
    /// The code of a missing cell.
    pub const NONE: u32 = u32::MAX;

    /// The text of a cell (a number's shortest one); `None` when it is missing.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Column::Numbers(values) => values.get(row).filter(|v| !v.is_nan()).map(show),
            Column::Texts { codes, levels } => levels.get_index(*codes.get(row)? as usize).cloned(),
        }
    }
}

/// The shortest text of a number; never `-0`.
fn show(number: &f64) -> String {
    (number + 0.0).to_string()
}

/// The tables of a fit.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    main: Table,
    others: IndexMap<String, Table>,
}

impl Tables {
    /// The main table alone.
    pub fn new(main: Table) -> Tables {
        Tables {
            main,
            others: IndexMap::new(),
        }
    }

    /// Adds the table that the model calls `name`.
    #[must_use]
    pub fn with(mut self, name: &str, table: Table) -> Tables {
        self.others.insert(name.to_string(), table);
        self
    }

    /// The main table.
    pub fn main(&self) -> &Table {
        &self.main
    }

    /// The further tables with their names, in the order given.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.others
            .iter()
            .map(|(name, table)| (name.as_str(), table))
    }
}

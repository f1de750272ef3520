//! Rows piece by piece, in the order of the file: what every format gives, and what tables are made of.

use super::fill::Cells;
use super::fill::Kind;
use super::lines::Run;
use crate::problem::Problems;

/// Rows that follow each other, column by column.
pub(super) struct Piece {
    /// Where they stand.
    pub(super) run: Run,
    /// For each column its cells.
    pub(super) columns: Vec<Cells>,
}

/// A pass over a file.
pub(super) trait Pieces {
    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// What is wrong with the file.
    fn next(&mut self) -> Result<Option<Vec<Piece>>, Problems>;

    /// The names of the columns, empty for one without; known once rows were given out.
    fn names(&self) -> &[String];

    /// What is read of each column; a column of numbers may turn out to be none with any row.
    fn kinds(&self) -> &[Kind];
}

//! Where the rows of a table stand in their file.

use std::ops::Range;

/// Where rows that follow each other stand; lines count from 1.
#[derive(Debug)]
pub(super) enum Run {
    /// Each in the line after the one before, or, in a file without lines, in this order.
    From { first: usize, rows: usize },
    /// In these lines below the first `above`.
    Lines { above: usize, lines: Vec<u32> },
}

impl Run {
    pub(super) fn len(&self) -> usize {
        match self {
            Run::From { rows, .. } => *rows,
            Run::Lines { lines, .. } => lines.len(),
        }
    }

    fn line(&self, row: usize) -> usize {
        match self {
            Run::From { first, .. } => first + row,
            Run::Lines { above, lines } => above + lines[row] as usize,
        }
    }
}

/// The line of each row of a table, held only when they do not follow each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    rows: usize,
    first: usize,
    /// Empty when row `i` stands in line `first + i`.
    stated: Vec<u32>,
}

impl Lines {
    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The line of a row.
    pub(super) fn get(&self, row: usize) -> usize {
        let stated = self.stated.get(row);
        stated.map_or(self.first + row, |line| *line as usize)
    }

    /// Appends some rows of a run.
    pub(super) fn append(&mut self, run: &Run, rows: Range<usize>) {
        if rows.is_empty() {
            return;
        }
        let (start, end) = (run.line(rows.start), run.line(rows.end - 1));
        if self.rows == 0 {
            self.first = start;
        }
        let next = self.first + self.rows;
        // Lines ascend, so that the first and the last tell all.
        let usual = start == next && end == next + rows.len() - 1;
        if !usual && self.stated.is_empty() {
            self.stated = (self.first..next).map(|line| line as u32).collect();
        }
        self.rows += rows.len();
        if !usual || !self.stated.is_empty() {
            self.stated.extend(rows.map(|row| run.line(row) as u32));
        }
    }
}

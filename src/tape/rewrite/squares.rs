//! Triangular factors of the rows of each of many groups, for whoever sums up squares of affine functions of them.

use super::moments::Cells;
use super::moments::Columns;
use super::moments::factors;
use super::moments::moments;
use super::moments::triangle;
use crate::num::Shared;
use crate::tape::affine::Column;

/// The columns of some rows.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    ones: bool,
    rows: usize,
}

/// One of the columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The column of ones.
    Ones,
    /// The column of this number.
    Column(usize),
    /// The last one.
    Last,
}

/// The triangular factor T of the rows x of each group: |T v|² = Σ (x·v)² for every v.
#[derive(Debug)]
pub struct Triangles {
    size: usize,
    ones: bool,
    groups: usize,
    entries: Vec<f64>,
}

impl Table {
    /// A table of so many rows without columns.
    pub fn new(rows: usize) -> Table {
        Table {
            columns: Vec::new(),
            ones: false,
            rows,
        }
    }

    /// The column of ones.
    pub fn ones(&mut self) -> Place {
        self.ones = true;
        Place::Ones
    }

    /// A column; the same memory is one column.
    pub fn column(&mut self, values: &Shared) -> Place {
        let known = (self.columns.iter()).position(|column| column.values.same(values));
        Place::Column(known.unwrap_or_else(|| {
            self.columns.push(Column {
                values: values.clone(),
                start: 0,
            });
            self.columns.len() - 1
        }))
    }

    /// The number of columns, with a last one.
    pub fn size(&self) -> usize {
        self.columns.len() + usize::from(self.ones) + 1
    }

    /// The factors of groups of neighbouring rows, with a last column; `starts` gives their first rows and the end.
    /// `None` where a number is not finite.
    pub fn factor(mut self, last: Vec<f64>, starts: &[u32]) -> Option<Triangles> {
        let size = self.size();
        self.columns.push(Column {
            values: last.into(),
            start: 0,
        });
        let groups = starts.len() - 1;
        let mut cell = vec![0; self.rows];
        for (group, pair) in starts.windows(2).enumerate() {
            cell[pair[0] as usize..pair[1] as usize].fill(group as u32);
        }
        let columns = Columns {
            columns: &self.columns,
            constant: 0.0,
            weights: None,
        };
        let moments = moments(&columns, &Cells::of(&cell, groups))?;
        Some(Triangles {
            size,
            ones: self.ones,
            groups,
            entries: factors(&moments, self.columns.len(), self.ones.then_some(0))?,
        })
    }
}

impl Triangles {
    /// Row `i` of a column, for each group; `None` below the diagonal.
    pub fn entry(&self, i: usize, place: Place) -> Option<&[f64]> {
        let k = match place {
            Place::Ones => 0,
            Place::Column(k) => k + usize::from(self.ones),
            Place::Last => self.size - 1,
        };
        // Rows before it have size, size − 1, … entries.
        let at = triangle(self.size) - triangle(self.size - i) + k.checked_sub(i)?;
        Some(&self.entries[at * self.groups..][..self.groups])
    }
}

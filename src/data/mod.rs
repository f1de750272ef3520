//! Tables: named columns of numbers and text, read from CSV and TSV, also compressed with gzip, and from Parquet and Arrow IPC.
//!
//! A cell is missing when, blanks around it aside, it is empty or one of `NA`, `N/A`, `NaN`, `nan`, `null`, `NULL` and `.`.
//! Nothing is known here of models; files are opened only here.

#[cfg(feature = "parquet")]
mod arrays;
#[cfg(feature = "parquet")]
mod batches;
mod blocks;
mod checks;
mod chunks;
mod column;
mod fill;
mod groups;
mod input;
mod levels;
mod lines;
mod pieces;
mod plain;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod text;

pub use chunks::ChunkTables;
pub use chunks::Chunks;
pub use chunks::Excerpt;
pub use column::Codes;
pub use column::Column;
pub use column::Numbers;
pub use groups::Groups;
use indexmap::IndexMap;
use indexmap::IndexSet;
use lines::Lines;
use std::sync::Arc;

/// A table: rows of cells under a header.
#[derive(Clone, Debug, Default)]
pub struct Table {
    name: String,
    columns: IndexMap<String, Column>,
    lines: Lines,
}

impl Table {
    /// What messages call it: the file as the user named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of rows, the header aside.
    pub fn rows(&self) -> usize {
        self.lines.rows()
    }

    /// The names of its columns, in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// The same with those levels alone of a column of texts that occur in its rows.
    #[must_use]
    pub fn with_own_levels(mut self, column: &str) -> Table {
        if let Some(Column::Texts { codes, levels }) = self.columns.get_mut(column) {
            let mut own = IndexSet::new();
            let mut place = |row: usize| {
                let level = levels.get_index(codes.get(row) as usize);
                level.map_or(Column::NONE, |l| own.insert_full(l.clone()).0 as u32)
            };
            *codes = (0..codes.len()).map(&mut place).collect();
            *levels = Arc::new(own);
        }
        self
    }

    /// The line of the file in which `row`, from 0, starts; the header is line 1. Where there are no lines, as in Parquet, the number of
    /// the row, from 1.
    pub fn line(&self, row: usize) -> usize {
        self.lines.get(row)
    }

    /// The text of a cell; empty when it is missing or there is no such cell.
    pub fn cell(&self, row: usize, column: &str) -> String {
        self.column(column)
            .and_then(|c| c.text(row))
            .unwrap_or_default()
    }
}

/// The tables of a fit.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    main: Table,
    others: IndexMap<String, Arc<Table>>,
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
        self.others.insert(name.to_string(), Arc::new(table));
        self
    }

    /// The same further tables beside another main one.
    #[must_use]
    pub fn with_main(&self, main: Table) -> Tables {
        Tables {
            main,
            others: self.others.clone(),
        }
    }

    /// The main table.
    pub fn main(&self) -> &Table {
        &self.main
    }

    /// The further tables with their names, in the order given.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.others
            .iter()
            .map(|(name, table)| (name.as_str(), table.as_ref()))
    }
}

//! The rows of a file by a key, for tables larger than memory: rows of the same key stand together, and those of any keys are read at any time.
//!
//! They are read from a copy of the columns that are asked for, whatever the format of the file: row after row, each as wide as any other, in
//! a file without name that the system takes back in the end.

use super::Chunks;
use super::Codes;
use super::Column;
use super::Table;
use super::chunks::Growing;
use super::chunks::Known;
use super::column::GrowingNumbers;
use super::fill::Cells;
use super::fill::Kind;
use super::levels::Levels;
use super::lines::Run;
use super::pieces::Piece;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use indexmap::IndexSet;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Groups of rows that follow each other in a file and have the same key. What is held of a group are eight bytes.
#[derive(Debug)]
pub struct Groups {
    name: String,
    columns: Vec<Known>,
    /// Bytes of a row.
    width: usize,
    /// The place of the key among the columns.
    key: usize,
    /// Whether the numbers of groups stand for keys that are texts.
    numbered: bool,
    /// For each group its first row and the number of its rows.
    runs: Vec<(u32, u32)>,
    /// A row after the other: its line, and a cell for each column.
    rows: Mutex<File>,
}

impl Groups {
    /// Copies the columns of chunks for whose names `is_read` holds to a file in `folder`. Rows with the same cell in the column `key`, which is
    /// one of them, are a group as long as no other row stands between them. Also gives the key of each group.
    ///
    /// # Errors
    /// What is wrong with the file, if it has changed since it was first read; why the copy cannot be written.
    pub fn new(
        chunks: &Chunks,
        is_read: impl Fn(&str) -> bool,
        key: &str,
        folder: &Path,
    ) -> Result<(Groups, Column), Problems> {
        let known = chunks.columns().iter();
        let columns: Vec<Known> = known
            .filter(|known| is_read(&known.name) && width(known.kind) > 0)
            .cloned()
            .collect();
        let Some(key) = columns.iter().position(|known| known.name == key) else {
            let message = format!("there is no column `{key}` in `{}`", chunks.name());
            return Err(Problem::nowhere(Code::KeyColumnAbsent, message).into());
        };
        let failed = |error: io::Error| -> Problems {
            let message = format!(
                "the rows of `{}` cannot be copied to a file in `{}`: {error}",
                chunks.name(),
                folder.display()
            );
            Problem::nowhere(Code::TableUnreadable, message)
                .hint(
                    "rows are read group by group from a copy, which needs as much room as they do",
                )
                .into()
        };
        let mut file = BufWriter::new(tempfile::tempfile_in(folder).map_err(failed)?);
        let (mut runs, mut keys, mut first) = (Vec::<(u32, u32)>::new(), Vec::new(), 0);
        for chunk in chunks.tables()? {
            let chunk = chunk?;
            let columns: Vec<&Column> = (columns.iter())
                .filter_map(|known| chunk.column(&known.name))
                .collect();
            for row in 0..chunk.rows() {
                let cell = bits(columns[key], row);
                match runs.last_mut() {
                    Some((_, rows)) if keys.last() == Some(&cell) => *rows += 1,
                    Some(_) | None => {
                        runs.push((first, 1));
                        keys.push(cell);
                    }
                }
                first += 1;
                write_row(&mut file, chunk.line(row), &columns, row).map_err(failed)?;
            }
        }
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        let keys = column_of(&columns[key], &keys);
        let groups = Groups {
            name: chunks.name().to_string(),
            width: LINE + columns.iter().map(|known| width(known.kind)).sum::<usize>(),
            columns,
            key,
            numbered: false,
            runs,
            rows: Mutex::new(file),
        };
        Ok((groups, keys))
    }

    /// Puts the groups in this order, in which they are counted from then on.
    pub fn arrange(&mut self, order: &[u32]) {
        self.runs = order.iter().map(|g| self.runs[*g as usize]).collect();
    }

    /// From now on the numbers of groups, from 0, stand for keys that are texts, which are no longer held.
    pub fn number(&mut self) {
        if self.columns[self.key].kind == Kind::Texts {
            self.numbered = true;
            self.columns[self.key].levels = Arc::default();
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The number of rows of a group.
    pub fn rows(&self, group: u32) -> usize {
        self.runs[group as usize].1 as usize
    }

    /// The key of a group, as in a table of it.
    ///
    /// # Errors
    /// As of [`Groups::table`].
    pub fn label(&self, group: u32) -> Result<String, Problems> {
        Ok(self.table(&[group])?.cell(0, &self.columns[self.key].name))
    }

    /// The table of the rows of some groups, one after the other; rows keep their lines, texts their codes but those of the key.
    ///
    /// # Errors
    /// What the system says against reading the copy.
    pub fn table(&self, groups: &[u32]) -> Result<Table, Problems> {
        let read = groups.iter().map(|group| self.bytes(*group));
        let read: Vec<Vec<u8>> = read.collect::<io::Result<_>>().map_err(|error| {
            let message = format!(
                "the copy of the rows of `{}` cannot be read: {error}",
                self.name
            );
            Problems::from(Problem::nowhere(Code::TableUnreadable, message))
        })?;
        let mut pieces: Vec<Piece> = read.iter().map(|bytes| self.piece(bytes)).collect();
        let mut columns = self.columns.clone();
        self.name_keys(groups, &mut pieces, &mut columns[self.key]);
        let mut growing = Growing::new(&self.name, &columns);
        for piece in &pieces {
            growing.append(piece, 0..piece.run.len());
        }
        Ok(growing.table())
    }

    /// Gives keys that are texts the codes of those of these groups alone, or the numbers of the groups.
    fn name_keys(&self, groups: &[u32], pieces: &mut [Piece], known: &mut Known) {
        let mut labels = IndexSet::new();
        for (group, piece) in groups.iter().zip(pieces) {
            let cells = &mut piece.columns[self.key];
            let Cells::Texts { codes, .. } = cells else {
                return;
            };
            if self.numbered {
                *cells = Cells::Numbers(vec![f64::from(*group); codes.len()]);
            } else if let Some(label) = known.levels.get_index(codes[0] as usize) {
                codes.fill(labels.insert_full(label.clone()).0 as u32);
            }
        }
        known.levels = Arc::new(labels);
        if self.numbered {
            known.kind = Kind::Numbers;
        }
    }

    /// The bytes of the rows of a group.
    fn bytes(&self, group: u32) -> io::Result<Vec<u8>> {
        let (first, rows) = self.runs[group as usize];
        let mut bytes = vec![0; rows as usize * self.width];
        let mut file = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(u64::from(first) * self.width as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The rows of a group, their texts with the codes of the file.
    fn piece(&self, bytes: &[u8]) -> Piece {
        let rows = || bytes.chunks_exact(self.width);
        let mut at = LINE;
        let column = |known: &Known| {
            let from = at;
            at += width(known.kind);
            match known.kind {
                Kind::Numbers => Cells::Numbers(
                    rows()
                        .map(|row| f64::from_le_bytes(part(row, from)))
                        .collect(),
                ),
                Kind::Texts => Cells::Texts {
                    codes: rows()
                        .map(|row| u32::from_le_bytes(part(row, from)))
                        .collect(),
                    levels: Levels::default(),
                },
                Kind::Skipped | Kind::Mistaken => Cells::Skipped,
            }
        };
        Piece {
            columns: self.columns.iter().map(column).collect(),
            run: Run::Lines {
                above: 0,
                lines: rows().map(|row| u32::from_le_bytes(part(row, 0))).collect(),
            },
        }
    }
}

/// Bytes of a row's line.
const LINE: usize = 4;

/// Bytes of a cell.
fn width(kind: Kind) -> usize {
    match kind {
        Kind::Numbers => 8,
        Kind::Texts => 4,
        Kind::Skipped | Kind::Mistaken => 0,
    }
}

/// Some bytes of a row.
fn part<const N: usize>(row: &[u8], from: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&row[from..from + N]);
    out
}

fn write_row(
    file: &mut impl Write,
    line: usize,
    columns: &[&Column],
    row: usize,
) -> io::Result<()> {
    file.write_all(&(line as u32).to_le_bytes())?;
    for column in columns {
        match column {
            Column::Numbers(values) => file.write_all(&values.get(row).to_le_bytes())?,
            Column::Texts { codes, .. } => file.write_all(&codes.get(row).to_le_bytes())?,
        }
    }
    Ok(())
}

/// What tells a cell from others of its column: a number's bits or a text's code.
fn bits(column: &Column, row: usize) -> u64 {
    match column {
        Column::Numbers(values) => values.get(row).to_bits(),
        Column::Texts { codes, .. } => u64::from(codes.get(row)),
    }
}

/// The column of these cells.
fn column_of(known: &Known, cells: &[u64]) -> Column {
    match known.kind {
        Kind::Texts => Column::Texts {
            codes: cells.iter().map(|code| *code as u32).collect::<Codes>(),
            levels: Arc::clone(&known.levels),
        },
        Kind::Numbers | Kind::Skipped | Kind::Mistaken => {
            let mut numbers = GrowingNumbers::new();
            (cells.iter()).for_each(|bits| numbers.append(&[f64::from_bits(*bits)]));
            Column::Numbers(numbers.finish())
        }
    }
}

//! A table in chunks of rows, for tables that are larger than memory: the file is read once to learn its columns, and again for each pass.

use super::Codes;
use super::Column;
use super::Table;
use super::blocks::Grain;
use super::column::GrowingNumbers;
use super::fill::Cells;
use super::fill::Kind;
use super::input::Opened;
use super::lines::Lines;
use super::lines::Run;
use super::pieces::Piece;
use super::pieces::Pieces;
use super::read::again;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use indexmap::IndexSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::vec;

/// A file as tables of some of its rows, in their order.
///
/// A column is numbers in all of them or text in all of them, as in the table of the whole file, and all share its levels: those that
/// occur anywhere in the file, in the order in which they first do. Rows keep their lines. What is held is one chunk, the levels, and what
/// is being decoded.
#[derive(Debug)]
pub struct Chunks {
    file: Opened<'static>,
    at_most: NonZeroUsize,
    /// The columns in file order.
    columns: Vec<Known>,
    rows: usize,
}

/// What the first pass says of a column.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Empty for numbers.
    pub(super) levels: Arc<IndexSet<String>>,
}

impl Chunks {
    /// Learns the columns of a file, named as for [`Table::open`], which will be given out in chunks of `at_most` rows.
    ///
    /// # Errors
    /// What is wrong with the file, with its lines: all that [`Table::open`] says of it.
    pub fn open(path: &Path, at_most: NonZeroUsize) -> Result<Chunks, Problems> {
        Chunks::of(Opened::file(path, Grain::of_rows(at_most.get()))?, at_most)
    }

    /// Learns the columns of a CSV that is in memory; messages call it `name`.
    ///
    /// # Errors
    /// What is wrong with the text, with its lines.
    pub fn parse(
        name: &str,
        csv: impl Into<Vec<u8>>,
        at_most: NonZeroUsize,
    ) -> Result<Chunks, Problems> {
        Chunks::of(Opened::held(name, csv.into(), Grain::USUAL), at_most)
    }

    pub(super) fn of(file: Opened<'static>, at_most: NonZeroUsize) -> Result<Chunks, Problems> {
        let mut first = Survey::of(file.pass(None)?)?;
        if first.kinds.contains(&Kind::Mistaken) {
            let second = Survey::of(file.pass(Some(again(&first.kinds)))?)?;
            for (c, kind) in first.kinds.iter_mut().enumerate() {
                if *kind == Kind::Mistaken {
                    *kind = Kind::Texts;
                    first.levels[c].clone_from(&second.levels[c]);
                }
            }
        }
        let known = first.names.into_iter().zip(first.kinds).zip(first.levels);
        Ok(Chunks {
            file,
            at_most,
            columns: known
                .map(|((name, kind), levels)| Known {
                    name,
                    kind,
                    levels: Arc::new(levels),
                })
                .collect(),
            rows: first.rows,
        })
    }

    /// What messages call the file.
    pub fn name(&self) -> &str {
        self.file.name()
    }

    /// The number of rows of the file.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of rows of every chunk but the last.
    pub fn at_most(&self) -> NonZeroUsize {
        self.at_most
    }

    /// Reads the file from its start, chunk by chunk. There is none when it has no rows.
    ///
    /// # Errors
    /// What is wrong with the file, if it has changed since it was first read.
    pub fn tables(&self) -> Result<ChunkTables<'_>, Problems> {
        let kinds = self.columns.iter().map(|column| column.kind).collect();
        Ok(ChunkTables {
            chunks: self,
            pass: self.file.pass(Some(kinds))?,
            waiting: Vec::new().into_iter(),
            piece: None,
            growing: Growing::new(self.name(), &self.columns),
            rows: 0,
            ended: false,
        })
    }

    /// What is known of the columns.
    pub(super) fn columns(&self) -> &[Known] {
        &self.columns
    }

    fn changed(&self) -> Problems {
        let name = self.name();
        Problem::nowhere(
            Code::TableUnreadable,
            format!("`{name}` has changed while it was being read"),
        )
        .hint("a table that is read in chunks is read several times, and must stay as it is")
        .into()
    }
}

/// What a pass over a file says of its columns.
struct Survey {
    names: Vec<String>,
    kinds: Vec<Kind>,
    levels: Vec<IndexSet<String>>,
    rows: usize,
}

impl Survey {
    fn of(mut pass: Box<dyn Pieces + '_>) -> Result<Survey, Problems> {
        let mut levels: Vec<IndexSet<String>> = Vec::new();
        let mut rows = 0;
        while let Some(pieces) = pass.next()? {
            levels.resize_with(pass.kinds().len(), IndexSet::new);
            for piece in pieces {
                rows += piece.run.len();
                for (all, cells) in levels.iter_mut().zip(piece.columns) {
                    if let Cells::Texts { levels, .. } = cells {
                        all.extend(levels.into_texts());
                    }
                }
            }
        }
        Ok(Survey {
            names: pass.names().to_vec(),
            kinds: pass.kinds().to_vec(),
            levels,
            rows,
        })
    }
}

/// The tables of one pass over the chunks of a file; after an error there are no more.
pub struct ChunkTables<'a> {
    chunks: &'a Chunks,
    pass: Box<dyn Pieces + 'a>,
    waiting: vec::IntoIter<Piece>,
    /// A piece whose texts have the codes of the file, and how many of its rows have been given out.
    piece: Option<(Piece, usize)>,
    growing: Growing,
    /// Rows read so far.
    rows: usize,
    ended: bool,
}

impl Iterator for ChunkTables<'_> {
    type Item = Result<Table, Problems>;

    fn next(&mut self) -> Option<Result<Table, Problems>> {
        if self.ended {
            return None;
        }
        let filled = self.fill();
        self.ended = filled.is_err() || self.growing.lines.rows() == 0;
        match filled {
            Err(problems) => Some(Err(problems)),
            Ok(()) if self.ended => None,
            Ok(()) => {
                let next = Growing::new(self.chunks.name(), &self.chunks.columns);
                let full = std::mem::replace(&mut self.growing, next);
                Some(Ok(full.table()))
            }
        }
    }
}

impl ChunkTables<'_> {
    /// Reads on until a chunk is full, or the file ends.
    fn fill(&mut self) -> Result<(), Problems> {
        let at_most = self.chunks.at_most.get();
        while self.growing.lines.rows() < at_most {
            let Some((piece, done)) = &mut self.piece else {
                if !self.go_on()? {
                    return Ok(());
                }
                continue;
            };
            let room = at_most - self.growing.lines.rows();
            let end = piece.run.len().min(*done + room);
            self.growing.append(piece, *done..end);
            *done = end;
            if end == piece.run.len() {
                self.piece = None;
            }
        }
        Ok(())
    }

    /// Goes to the next piece; whether there is one.
    fn go_on(&mut self) -> Result<bool, Problems> {
        let mut piece = loop {
            if let Some(piece) = self.waiting.next() {
                break piece;
            }
            match self.pass.next()? {
                Some(pieces) => self.waiting = pieces.into_iter(),
                None if self.rows == self.chunks.rows => return Ok(false),
                None => return Err(self.chunks.changed()),
            }
        };
        self.rows += piece.run.len();
        for (cells, known) in piece.columns.iter_mut().zip(&self.chunks.columns) {
            if !known.recode(cells) {
                return Err(self.chunks.changed());
            }
        }
        self.piece = Some((piece, 0));
        Ok(true)
    }
}

impl Known {
    /// Gives texts the codes of the file; whether the cells are as the first pass found them.
    fn recode(&self, cells: &mut Cells) -> bool {
        match cells {
            Cells::Texts { codes, levels } => {
                let place = |level: &String| self.levels.get_index_of(level).map(|i| i as u32);
                let Some(places) = levels.iter().map(place).collect::<Option<Vec<u32>>>() else {
                    return false;
                };
                for code in codes.iter_mut().filter(|code| **code != Column::NONE) {
                    *code = places[*code as usize];
                }
                true
            }
            Cells::Numbers(_) | Cells::Skipped => true,
            Cells::NoNumbers => false,
        }
    }
}

/// A chunk, or an excerpt, as it is filled.
#[derive(Debug)]
pub(super) struct Growing {
    name: String,
    columns: Vec<(String, Part)>,
    lines: Lines,
}

#[derive(Debug)]
enum Part {
    Numbers(GrowingNumbers),
    Texts(Codes, Arc<IndexSet<String>>),
    Skipped,
}

impl Growing {
    /// No rows yet, of a table with this name.
    pub(super) fn new(name: &str, columns: &[Known]) -> Growing {
        let empty = |column: &Known| {
            let part = match column.kind {
                Kind::Numbers => Part::Numbers(GrowingNumbers::new()),
                Kind::Texts => Part::Texts(Codes::new(), Arc::clone(&column.levels)),
                Kind::Skipped | Kind::Mistaken => Part::Skipped,
            };
            (column.name.clone(), part)
        };
        Growing {
            name: name.to_string(),
            columns: columns.iter().map(empty).collect(),
            lines: Lines::default(),
        }
    }

    /// Appends some rows of a piece, whose texts have the codes of these columns.
    pub(super) fn append(&mut self, piece: &Piece, rows: Range<usize>) {
        for ((_, part), cells) in self.columns.iter_mut().zip(&piece.columns) {
            match (part, cells) {
                (Part::Numbers(numbers), Cells::Numbers(values)) => {
                    numbers.append(&values[rows.clone()]);
                }
                (Part::Texts(own, _), Cells::Texts { codes, .. }) => {
                    own.append(&codes[rows.clone()]);
                }
                (Part::Numbers(_) | Part::Texts(..) | Part::Skipped, _) => {}
            }
        }
        self.lines.append(&piece.run, rows);
    }

    /// The table of the rows so far.
    pub(super) fn table(self) -> Table {
        let columns = self.columns.into_iter().filter_map(|(name, part)| {
            let column = match part {
                Part::Numbers(numbers) => Column::Numbers(numbers.finish()),
                Part::Texts(codes, levels) => Column::Texts {
                    codes: codes.fitted(),
                    levels,
                },
                Part::Skipped => return None,
            };
            Some((name, column))
        });
        Table {
            name: self.name,
            columns: columns.collect(),
            lines: self.lines,
        }
    }
}

/// Some rows of the chunks of a file, as a table of their own with the same levels; rows keep their lines.
#[derive(Debug)]
pub struct Excerpt(Growing);

impl Excerpt {
    /// No rows yet.
    pub fn new(chunks: &Chunks) -> Excerpt {
        Excerpt(Growing::new(chunks.name(), &chunks.columns))
    }

    /// Appends a row of a chunk.
    pub fn push(&mut self, chunk: &Table, row: usize) {
        for (name, part) in &mut self.0.columns {
            match (part, chunk.column(name)) {
                (Part::Numbers(numbers), Some(Column::Numbers(values))) => {
                    numbers.append(&[values.get(row)]);
                }
                (Part::Texts(own, _), Some(Column::Texts { codes, .. })) => {
                    own.append(&[codes.get(row)]);
                }
                (Part::Numbers(_) | Part::Texts(..) | Part::Skipped, _) => {}
            }
        }
        let first = chunk.line(row);
        self.0.lines.append(&Run::From { first, rows: 1 }, 0..1);
    }

    /// The table of these rows.
    pub fn table(self) -> Table {
        self.0.table()
    }
}

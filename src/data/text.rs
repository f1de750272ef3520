//! The pieces of a text: block by block, the pieces of a block in parallel.
//!
//! A column counts as numbers up to its first cell that is none. What is read does not depend on the number of threads.

use super::blocks::Block;
use super::blocks::Blocks;
use super::blocks::Grain;
use super::checks::check_format;
use super::checks::check_header;
use super::checks::open_quote;
use super::checks::place;
use super::checks::ragged_row;
use super::fill::Cells;
use super::fill::Kind;
use super::fill::TextPiece;
use super::input::Input;
use super::input::unreadable;
use super::lines::Run;
use super::pieces::Piece;
use super::pieces::Pieces;
use super::rows::Rows;
use super::rows::line_breaks;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use rayon::prelude::*;
use std::io::Read;

/// A pass over a text.
pub(super) struct Text<'a> {
    blocks: Blocks<Box<dyn Read + Send + 'a>>,
    waiting: Option<Block>,
    reading: Reading,
}

/// How far a pass has come.
struct Reading {
    name: String,
    separator: u8,
    header: Option<Vec<String>>,
    /// For each column; `None` before the first row that is read.
    kinds: Option<Vec<Kind>>,
    /// Whether a row has been read.
    started: bool,
    /// The line in which the text goes on.
    line: usize,
    /// Lines and numbers of cells of rows with more or fewer cells than columns.
    ragged: Vec<(usize, usize)>,
    /// What was found before these: in the header, or an open quotation mark, which ends the reading.
    problems: Problems,
}

impl<'a> Text<'a> {
    /// A pass over a text whose cells are separated by `separator`; `kinds` are those of its columns, when they are known.
    pub(super) fn new(
        name: &str,
        input: &'a Input,
        separator: u8,
        kinds: Option<Vec<Kind>>,
        grain: Grain,
    ) -> Result<Text<'a>, Problems> {
        let failed = |error| unreadable(name, &error);
        let mut blocks = Blocks::new(input.reader().map_err(failed)?, separator, grain);
        let waiting = blocks.next().map_err(failed)?;
        if let Some(first) = &waiting {
            check_format(name, &first.bytes)?;
        }
        Ok(Text {
            blocks,
            waiting,
            reading: Reading {
                name: name.to_string(),
                separator,
                header: None,
                kinds,
                started: false,
                line: 1,
                ragged: Vec::new(),
                problems: Problems::new(),
            },
        })
    }
}

impl Pieces for Text<'_> {
    /// An encoding that is not UTF-8 comes before all other problems, wherever it starts.
    fn next(&mut self) -> Result<Option<Vec<Piece>>, Problems> {
        let Some(block) = self.waiting.take() else {
            return self.reading.finish().map(|()| None);
        };
        let (following, pieces) = rayon::join(|| self.blocks.next(), || self.reading.block(&block));
        let pieces = pieces?;
        self.waiting = following.map_err(|error| unreadable(&self.reading.name, &error))?;
        Ok(Some(pieces))
    }

    fn names(&self) -> &[String] {
        self.reading.header.as_deref().unwrap_or_default()
    }

    fn kinds(&self) -> &[Kind] {
        self.reading.kinds.as_deref().unwrap_or_default()
    }
}

impl Reading {
    fn block(&mut self, block: &Block) -> Result<Vec<Piece>, Problems> {
        let text = self.decode(&block.bytes)?;
        let after = self.line + line_breaks(&block.bytes);
        // After a problem only the encoding is still of interest.
        let pieces = if self.problems.is_empty() {
            self.pieces(text, &block.cuts)
        } else {
            Vec::new()
        };
        self.line = after;
        Ok(pieces)
    }

    /// The text of a block.
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, Problems> {
        let name = &self.name;
        std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
            let line = self.line + line_breaks(before);
            Problem::in_data(
                Code::TableUnreadable,
                place(name, if wide { None } else { Some(line) }),
                if wide {
                    format!("`{name}` is encoded in UTF-16")
                } else {
                    format!("`{name}` is not encoded in UTF-8")
                },
            )
            .hint("save the table as `CSV UTF-8`, or convert it with `iconv -t UTF-8`")
            .into()
        })
    }

    /// Reads the rows of a text whose pieces end at `cuts`, but the last.
    fn pieces(&mut self, text: &str, cuts: &[usize]) -> Vec<Piece> {
        let start = match &self.header {
            Some(_) => 0,
            None => self.head(text),
        };
        let (Some(header), true) = (&self.header, self.problems.is_empty()) else {
            return Vec::new();
        };
        let named = |name: &String| {
            if name.is_empty() {
                Kind::Skipped
            } else {
                Kind::Numbers
            }
        };
        let mut kinds = match self.kinds.take() {
            Some(kinds) => kinds,
            None => header.iter().map(named).collect(),
        };
        let ends = cuts.iter().copied().filter(|cut| *cut > start);
        let mut from = start;
        let texts: Vec<&str> = ends
            .chain([text.len()])
            .map(|end| &text[std::mem::replace(&mut from, end)..end])
            .collect();
        let separator = self.separator;
        let read = |texts: &[&str], kinds: &[Kind]| -> Vec<TextPiece> {
            let pieces = texts.par_iter();
            pieces
                .map(|text| TextPiece::read(text, separator, kinds))
                .collect()
        };
        // The first piece shows most columns of text, so that no more is read in vain.
        let mut pieces = read(if self.started { &texts } else { &texts[..1] }, &kinds);
        if !self.started {
            loop {
                let found = mistaken(&pieces);
                if found.is_empty() && pieces.len() == texts.len() {
                    break;
                }
                for column in found {
                    kinds[column] = Kind::Texts;
                }
                pieces = read(&texts, &kinds);
            }
        }
        for column in mistaken(&pieces) {
            kinds[column] = Kind::Mistaken;
        }
        self.kinds = Some(kinds);
        self.placed(pieces)
    }

    /// Reads the header if the text holds it; where the text goes on after it.
    fn head(&mut self, text: &str) -> usize {
        let mut rows = Rows::new(text, self.separator);
        let Some(row) = rows.next() else {
            return text.len();
        };
        let names: Vec<&str> = row.cells().collect();
        if let Err(problems) = check_header(&self.name, self.line - 1, &row, self.separator) {
            self.problems = problems;
        }
        self.header = Some(names.into_iter().map(str::to_string).collect());
        let end = rows.end();
        self.line += line_breaks(&text.as_bytes()[..end]);
        end
    }

    /// The pieces of a block with their places in the text, up to an open quotation mark.
    fn placed(&mut self, pieces: Vec<TextPiece>) -> Vec<Piece> {
        let mut placed = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let above = self.line - 1;
            let ragged = piece
                .ragged
                .iter()
                .map(|(line, cells)| (line + above, *cells));
            self.ragged.extend(ragged);
            if let Some(line) = piece.open_quote {
                self.problems.push(open_quote(&self.name, line + above));
                break;
            }
            self.line += piece.breaks;
            self.started |= !piece.lines.is_empty();
            placed.push(Piece {
                run: Run::Lines {
                    above,
                    lines: piece.lines,
                },
                columns: piece.columns,
            });
        }
        placed
    }

    /// What is wrong with the text, after its end.
    fn finish(&mut self) -> Result<(), Problems> {
        let Some(header) = &self.header else {
            return Err(Problem::in_data(
                Code::TableEmpty,
                place(&self.name, None),
                format!("`{}` is empty", self.name),
            )
            .hint("a table starts with a line that names its columns")
            .into());
        };
        let (name, ragged) = (&self.name, &self.ragged);
        let mut problems = std::mem::take(&mut self.problems);
        problems.push_first(ragged.len(), |i| {
            ragged_row(name, ragged[i].0, ragged[i].1, header.len())
        });
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

/// The columns with a cell that is no number, among those that were read as numbers.
fn mistaken(pieces: &[TextPiece]) -> Vec<usize> {
    let width = pieces.first().map_or(0, |piece| piece.columns.len());
    let no_numbers = |c: &usize| {
        let mut cells = pieces.iter().map(|piece| &piece.columns[*c]);
        cells.any(Cells::no_numbers)
    };
    (0..width).filter(no_numbers).collect()
}

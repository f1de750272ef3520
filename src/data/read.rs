//! Reading CSV and TSV into a [`Table`]: block by block, the pieces of a block in parallel, in one pass.
//!
//! A column counts as numbers up to its first cell that is none. When that stands after the first block, a second pass reads the column as
//! text. What is read does not depend on the number of threads.

use super::Column;
use super::Table;
use super::blocks::Block;
use super::blocks::Blocks;
use super::blocks::Grain;
use super::fill::Cells;
use super::fill::Growing;
use super::fill::Kind;
use super::fill::Piece;
use super::input::Input;
use super::input::unreadable;
use super::rows::Row;
use super::rows::Rows;
use super::rows::line_breaks;
use crate::problem::Code;
use crate::problem::DataPlace;
use crate::problem::Problem;
use crate::problem::Problems;
use indexmap::IndexSet;
use rayon::prelude::*;

/// Reads `input`, whose cells are separated by `separator`.
///
/// # Errors
/// What is wrong with it, with its lines.
pub(super) fn read(
    name: &str,
    input: &Input,
    separator: u8,
    grain: Grain,
) -> Result<Table, Problems> {
    let first = Pass::new(name, separator, None).run(input, grain)?;
    let mistaken = |kind: &Kind| *kind == Kind::Mistaken;
    let mut columns = first.columns;
    if first.kinds.iter().any(mistaken) {
        let again = |kind: &Kind| {
            if mistaken(kind) {
                Kind::Texts
            } else {
                Kind::Skipped
            }
        };
        let kinds = first.kinds.iter().map(again).collect();
        let second = Pass::new(name, separator, Some(kinds)).run(input, grain)?;
        for (column, texts) in columns.iter_mut().zip(second.columns) {
            if column.is_none() {
                *column = texts;
            }
        }
    }
    let named = first.header.into_iter().zip(columns);
    Ok(Table {
        name: name.to_string(),
        columns: named
            .filter_map(|(name, column)| Some((name, column?)))
            .collect(),
        rows: first.rows,
        lines: first.lines,
    })
}

/// What a pass over the text has found.
struct Found {
    /// The names of the columns, empty for one without.
    header: Vec<String>,
    kinds: Vec<Kind>,
    columns: Vec<Option<Column>>,
    rows: usize,
    lines: Vec<u32>,
}

/// A pass over the text.
struct Pass<'a> {
    name: &'a str,
    separator: u8,
    header: Option<Vec<String>>,
    /// For each column; `None` before the first row that is read.
    kinds: Option<Vec<Kind>>,
    columns: Vec<Growing>,
    rows: usize,
    /// As in [`Table`].
    lines: Vec<u32>,
    /// The line in which the text goes on.
    line: usize,
    ragged: Vec<(usize, usize)>,
    /// What was found before rows with too many or too few cells: in the header, or an open quotation mark, which ends the reading.
    problems: Problems,
}

impl<'a> Pass<'a> {
    fn new(name: &'a str, separator: u8, kinds: Option<Vec<Kind>>) -> Pass<'a> {
        Pass {
            name,
            separator,
            header: None,
            kinds,
            columns: Vec::new(),
            rows: 0,
            lines: Vec::new(),
            line: 1,
            ragged: Vec::new(),
            problems: Problems::new(),
        }
    }

    /// Reads the whole text. An encoding that is not UTF-8 comes before all other problems, wherever it starts.
    fn run(mut self, input: &Input, grain: Grain) -> Result<Found, Problems> {
        let failed = |error| unreadable(self.name, &error);
        let reader = input.reader().map_err(failed)?;
        let mut blocks = Blocks::new(reader, self.separator, grain);
        let mut next = blocks.next().map_err(failed)?;
        while let Some(block) = next {
            let (following, read) = rayon::join(|| blocks.next(), || self.block(&block));
            read?;
            next = following.map_err(failed)?;
        }
        self.finish()
    }

    fn block(&mut self, block: &Block) -> Result<(), Problems> {
        let text = self.decode(&block.bytes)?;
        let after = self.line + line_breaks(&block.bytes);
        // After a problem only the encoding is still of interest.
        if self.problems.is_empty() {
            self.rows_of(text, &block.cuts);
        }
        self.line = after;
        Ok(())
    }

    /// Reads the rows of a text whose pieces end at `cuts`, but the last.
    fn rows_of(&mut self, text: &str, cuts: &[usize]) {
        let start = match &self.header {
            Some(_) => 0,
            None => self.head(text),
        };
        let (Some(header), true) = (&self.header, self.problems.is_empty()) else {
            return;
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
        let read = |texts: &[&str], kinds: &[Kind]| -> Vec<Piece> {
            let pieces = texts.par_iter();
            pieces
                .map(|text| Piece::read(text, separator, kinds))
                .collect()
        };
        // The first piece shows most columns of text, so that no more is read in vain.
        let mut pieces = read(if self.rows == 0 { &texts[..1] } else { &texts }, &kinds);
        if self.rows == 0 {
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
            self.columns = kinds.iter().map(|kind| Growing::new(*kind)).collect();
        }
        for column in mistaken(&pieces) {
            kinds[column] = Kind::Mistaken;
            self.columns[column] = Growing::Skipped;
        }
        self.kinds = Some(kinds);
        self.append(pieces);
    }

    /// The text of a block.
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, Problems> {
        let name = self.name;
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

    /// Reads the header if the text holds it; where the text goes on after it.
    fn head(&mut self, text: &str) -> usize {
        let mut rows = Rows::new(text, self.separator);
        let Some(row) = rows.next() else {
            return text.len();
        };
        let names: Vec<&str> = row.cells().collect();
        if let Err(problems) = check_header(self.name, self.line - 1, &row, self.separator) {
            self.problems = problems;
        }
        self.header = Some(names.into_iter().map(str::to_string).collect());
        let end = rows.end();
        self.line += line_breaks(&text.as_bytes()[..end]);
        end
    }

    /// Appends the pieces of a block.
    fn append(&mut self, pieces: Vec<Piece>) {
        let mut columns: Vec<Vec<Cells>> = self.columns.iter().map(|_| Vec::new()).collect();
        for piece in pieces {
            let above = self.line - 1;
            let ragged = piece
                .ragged
                .iter()
                .map(|(line, cells)| (line + above, *cells));
            self.ragged.extend(ragged);
            if let Some(line) = piece.open_quote {
                self.problems.push(open_quote(self.name, line + above));
                return;
            }
            self.number_rows(&piece.lines);
            self.line += piece.breaks;
            for (column, cells) in columns.iter_mut().zip(piece.columns) {
                column.push(cells);
            }
        }
        let all = self.columns.par_iter_mut().zip(columns);
        all.for_each(|(column, pieces)| {
            for cells in pieces {
                column.append(cells);
            }
        });
    }

    /// Counts the rows of a piece, and notes their lines once a row does not stand in the line after the row before.
    fn number_rows(&mut self, lines: &[u32]) {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return;
        };
        let above = self.line as u32 - 1;
        let next = self.rows + 2;
        // Lines ascend, so that the first and the last tell all.
        let usual =
            (first + above) as usize == next && (last + above) as usize == next + lines.len() - 1;
        if !usual && self.lines.is_empty() {
            self.lines = (2..next as u32).collect();
        }
        if !usual || self.lines.len() == self.rows && self.rows > 0 {
            self.lines.extend(lines.iter().map(|line| line + above));
        }
        self.rows += lines.len();
    }

    fn finish(mut self) -> Result<Found, Problems> {
        let Some(header) = self.header else {
            return Err(Problem::in_data(
                Code::TableEmpty,
                place(self.name, None),
                format!("`{}` is empty", self.name),
            )
            .hint("a table starts with a line that names its columns")
            .into());
        };
        let (name, ragged) = (self.name, self.ragged);
        self.problems.push_first(ragged.len(), |i| {
            ragged_row(name, ragged[i].0, ragged[i].1, header.len())
        });
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(Found {
            header,
            kinds: self.kinds.unwrap_or_default(),
            columns: self.columns.into_iter().map(Growing::finish).collect(),
            rows: self.rows,
            lines: self.lines,
        })
    }
}

/// The columns with a cell that is no number, among those that were read as numbers.
fn mistaken(pieces: &[Piece]) -> Vec<usize> {
    let width = pieces.first().map_or(0, |piece| piece.columns.len());
    let no_numbers = |c: &usize| {
        let mut cells = pieces.iter().map(|piece| &piece.columns[*c]);
        cells.any(|cells| matches!(cells, Cells::NoNumbers))
    };
    (0..width).filter(no_numbers).collect()
}

fn place(name: &str, line: Option<usize>) -> DataPlace {
    DataPlace {
        file: name.to_string(),
        line,
        ..DataPlace::default()
    }
}

/// Refuses a header that is none: another separator, numbers, a name twice, an open quotation mark. `above` lines stand before its text.
fn check_header(name: &str, above: usize, header: &Row, separator: u8) -> Result<(), Problems> {
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
    let mut seen = IndexSet::new();
    let mut problems = Problems::new();
    for cell in cells.iter().filter(|c| !c.is_empty()) {
        if !seen.insert(cell) {
            let at = DataPlace {
                column: Some(cell.to_string()),
                ..at()
            };
            problems.push(
                Problem::in_data(
                    Code::HeaderRepeats,
                    at,
                    format!("two columns of `{name}` are named `{cell}`"),
                )
                .hint("rename one of them in the first line"),
            );
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn open_quote(name: &str, line: usize) -> Problem {
    Problem::in_data(
        Code::QuoteOpen,
        place(name, Some(line)),
        "a quotation mark that opens in this row is not closed",
    )
    .hint("close it; a quotation mark inside a quoted cell is written twice")
}

fn ragged_row(name: &str, line: usize, found: usize, width: usize) -> Problem {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Place;

    fn said(problems: &Problems) -> String {
        let lines = problems.sorted().into_iter().map(|p| match &p.place {
            Place::Data(DataPlace {
                line: Some(line), ..
            }) => format!("{line}: {}", p.message),
            Place::Data(_) | Place::Source(_) | Place::Nowhere => p.message.clone(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn table(text: &str) -> Table {
        Table::parse("t.csv", text).expect("a table")
    }

    fn refused(text: impl AsRef<[u8]>) -> String {
        said(&Table::parse("t.csv", text).expect_err("a problem"))
    }

    #[test]
    fn a_row_has_the_line_in_which_it_starts() {
        let lines = |text: &str| {
            let table = table(text);
            (0..table.rows())
                .map(|row| table.line(row))
                .collect::<Vec<_>>()
        };
        assert_eq!(lines("a,b\n1,2\n3,4\n"), [2, 3]);
        assert_eq!(lines("a,b\r\n1,2\r\n3,4\r\n5,6"), [2, 3, 4]);
        assert_eq!(lines("a,b\r1,2\r3,4"), [2, 3]);
        assert_eq!(lines("\n\na,b\n1,2\n\r\n\n3,4\n"), [4, 7]);
        assert_eq!(lines("a,b\n\"x\ny\r\nz\",2\n3,4\n"), [2, 5]);
        assert_eq!(lines("a,\"b\nc\"\n1,2\n"), [3]);
    }

    #[test]
    fn cells_keep_what_labels_need() {
        let table =
            table("\u{feff}id , x,code,big\n 1 ,1.50,007,9007199254740993\n2,-0, 8,1\n3,NA,,.\n");
        assert_eq!(
            table.names().collect::<Vec<_>>(),
            ["id", "x", "code", "big"]
        );
        assert!(
            matches!(table.column("id"), Some(Column::Numbers(v)) if v.iter().eq([1.0, 2.0, 3.0]))
        );
        assert_eq!(
            (table.cell(0, "x"), table.cell(1, "x")),
            ("1.5".into(), "0".into())
        );
        assert_eq!(
            (table.cell(0, "code"), table.cell(1, "code")),
            ("007".into(), "8".into())
        );
        assert_eq!(table.cell(0, "big"), "9007199254740993");
        assert_eq!(
            table.cell(2, "x") + &table.cell(2, "code") + &table.cell(2, "big"),
            ""
        );
        assert_eq!(table.cell(7, "x") + &table.cell(0, "y"), "");
    }

    #[test]
    fn encodings_other_than_utf8_are_named_with_their_line() {
        assert_eq!(
            refused(b"a\n1\nM\xfcnchen\n"),
            "3: `t.csv` is not encoded in UTF-8"
        );
        assert_eq!(refused(b"\xff\xfea\0\n\0"), "`t.csv` is encoded in UTF-16");
    }

    #[test]
    fn an_open_quotation_mark_is_found_in_every_place() {
        let open = "a quotation mark that opens in this row is not closed";
        assert_eq!(refused("a,b\n1,\"x\n2,y\n"), format!("2: {open}"));
        assert_eq!(refused("a,b\n1,\"x\n2,\"y\"\n"), format!("2: {open}"));
        assert_eq!(refused("a,\"b\n1,2\n"), format!("1: {open}"));
        assert_eq!(table("a,b\n5\" pipe,2\n").cell(0, "a"), "5\" pipe");
    }

    #[test]
    fn files_are_opened_by_their_extension_and_refused_in_words() {
        let folder = std::env::temp_dir().join(format!("hvi-read-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("t.tsv");
        std::fs::write(&path, "a\tb\n1,5\t2\n").expect("a file");
        let tabbed = Table::open(&path).expect("a table");
        assert_eq!(tabbed.cell(0, "a"), "1,5");
        let folder_named = said(&Table::open(&folder).expect_err("a folder"));
        assert!(folder_named.ends_with("is a folder"), "{folder_named}");
        let absent = said(&Table::open(&folder.join("no.csv")).expect_err("no file"));
        assert!(absent.starts_with("there is no file"), "{absent}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}

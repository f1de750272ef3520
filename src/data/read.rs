//! Reading CSV and TSV into a [`Table`]: two passes over the text, one that finds what each column holds, one that fills it.

use super::Column;
use super::EXACT;
use super::MISSING;
use super::Table;
use crate::problem::Code;
use crate::problem::DataPlace;
use crate::problem::Problem;
use crate::problem::Problems;
use csv::ReaderBuilder;
use csv::StringRecord;
use csv::Trim;
use indexmap::IndexMap;
use indexmap::IndexSet;
use std::path::Path;

impl Table {
    /// Reads a file: cells are separated by tabs when its name ends in `.tsv` or `.tab`, else by commas.
    ///
    /// # Errors
    /// What is wrong with the file, with its lines.
    pub fn open(path: &Path) -> Result<Table, Problems> {
        let name = path.display().to_string();
        let refuse = |message: String, hint: &str| {
            Problems::from(Problem::nowhere(Code::TableUnreadable, message).hint(hint))
        };
        if path.is_dir() {
            return Err(refuse(
                format!("`{name}` is a folder"),
                "a table is one file",
            ));
        }
        let bytes = std::fs::read(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                refuse(
                    format!("there is no file `{name}`"),
                    "paths start from the folder in which the command runs",
                )
            } else {
                refuse(
                    format!("`{name}` cannot be read: {error}"),
                    "the file must be readable for the user who runs the command",
                )
            }
        })?;
        let tabs = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("tsv") || e.eq_ignore_ascii_case("tab"));
        read(&name, &bytes, if tabs { b'\t' } else { b',' })
    }

    /// Reads a CSV that is in memory; messages call it `name`.
    ///
    /// # Errors
    /// What is wrong with the text, with its lines.
    pub fn parse(name: &str, csv: impl AsRef<[u8]>) -> Result<Table, Problems> {
        read(name, csv.as_ref(), b',')
    }
}

/// Reads `bytes`, whose cells are separated by `separator`.
fn read(name: &str, bytes: &[u8], separator: u8) -> Result<Table, Problems> {
    let text = decode(name, bytes)?;
    let mut rows = Rows::new(text, separator);
    let Some(header) = rows.next() else {
        return Err(Problem::in_data(
            Code::TableEmpty,
            place(name, None),
            format!("`{name}` is empty"),
        )
        .hint("a table starts with a line that names its columns")
        .into());
    };
    check_header(name, &header, separator)?;
    let kinds = survey(name, rows, &header)?;

    let mut columns: Vec<Column> = kinds.iter().map(Kind::column).collect();
    let mut lines = Vec::new();
    for row in Rows::new(text, separator).skip(1) {
        for (column, cell) in columns.iter_mut().zip(&row.cells) {
            push(column, cell);
        }
        lines.push(row.line as u32);
    }
    let rows = lines.len();
    if lines
        .iter()
        .enumerate()
        .all(|(i, line)| *line as usize == i + 2)
    {
        lines = Vec::new();
    }
    let mut named = IndexMap::new();
    for (name, column) in header.cells.iter().zip(columns) {
        if !name.is_empty() {
            named.insert(name.to_string(), column);
        }
    }
    Ok(Table {
        name: name.to_string(),
        columns: named,
        rows,
        lines,
    })
}

/// The text of the file, without a byte order mark.
fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Problems> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        let line = 1 + line_breaks(before);
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

/// One row of cells, with what messages need.
struct Row {
    cells: StringRecord,
    /// The line in which it starts, from 1.
    line: usize,
    /// Whether a quotation mark that opens in it is never closed.
    open_quote: bool,
}

/// The rows of a text, the header first; blank lines are skipped.
struct Rows<'a> {
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    /// The first `counted` bytes hold `line − 1` line breaks.
    counted: usize,
    line: usize,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str, separator: u8) -> Rows<'a> {
        Rows {
            text,
            reader: ReaderBuilder::new()
                .delimiter(separator)
                .has_headers(false)
                .flexible(true)
                .trim(Trim::All)
                .from_reader(text.as_bytes()),
            counted: 0,
            line: 1,
        }
    }

    fn count_to(&mut self, offset: usize) {
        self.line += line_breaks(&self.text.as_bytes()[self.counted..offset]);
        self.counted = offset;
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let text = self.text;
        let start = (self.reader.position().byte() as usize).min(text.len());
        // The reader leaves the second half of `\r\n`, and blank lines, to the next row.
        let blank = text.as_bytes()[start..]
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let mut cells = StringRecord::new();
        // The text is valid, the reader flexible, the source in memory: reading cannot fail.
        if !self.reader.read_record(&mut cells).unwrap_or(false) {
            return None;
        }
        self.count_to((start + blank).min(text.len()));
        let end = (self.reader.position().byte() as usize).clamp(start, text.len());
        let raw = &text.as_bytes()[start..end];
        Some(Row {
            line: self.line,
            open_quote: cells.iter().any(|c| c.contains(['\n', '\r']))
                && raw.iter().filter(|b| **b == b'"').count() % 2 == 1,
            cells,
        })
    }
}

/// Line breaks in `bytes`: `\n`, `\r\n`, or `\r` alone.
fn line_breaks(bytes: &[u8]) -> usize {
    let alone = |i: usize| bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n');
    (0..bytes.len())
        .filter(|i| bytes[*i] == b'\n' || alone(*i))
        .count()
}

fn place(name: &str, line: Option<usize>) -> DataPlace {
    DataPlace {
        file: name.to_string(),
        line,
        ..DataPlace::default()
    }
}

/// Refuses a header that is none: another separator, numbers, a name twice, an open quotation mark.
fn check_header(name: &str, header: &Row, separator: u8) -> Result<(), Problems> {
    let at = || place(name, Some(header.line));
    if header.open_quote {
        return Err(open_quote(name, header.line).into());
    }
    if header.cells.len() == 1 && separator == b',' {
        let cell = &header.cells[0];
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
    if header.cells.iter().all(|c| c.parse::<f64>().is_ok()) {
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
    for cell in header.cells.iter().filter(|c| !c.is_empty()) {
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

/// What a column holds, as far as it has been read.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Numbers,
    Texts,
}

impl Kind {
    fn column(&self) -> Column {
        match self {
            Kind::Numbers => Column::Numbers(Vec::new()),
            Kind::Texts => Column::Texts {
                codes: Vec::new(),
                levels: IndexSet::new(),
            },
        }
    }
}

/// Goes through all rows once: what each column holds, and whether every row has as many cells as the header.
fn survey(name: &str, rows: Rows, header: &Row) -> Result<Vec<Kind>, Problems> {
    let width = header.cells.len();
    let mut kinds = vec![Kind::Numbers; width];
    let mut ragged = Vec::new();
    let mut problems = Problems::new();
    for row in rows {
        if row.open_quote {
            problems.push(open_quote(name, row.line));
            break;
        }
        if row.cells.len() != width {
            ragged.push((row.line, row.cells.len()));
            continue;
        }
        for (kind, cell) in kinds.iter_mut().zip(&row.cells) {
            if *kind == Kind::Numbers && number(cell).is_none() {
                *kind = Kind::Texts;
            }
        }
    }
    problems.push_first(ragged.len(), |i| {
        ragged_row(name, ragged[i].0, ragged[i].1, width)
    });
    if problems.is_empty() {
        Ok(kinds)
    } else {
        Err(problems)
    }
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

/// The number that a cell holds, NaN for a missing one; `None` when it must be kept as text:
/// words, numbers that are not finite, and integers whose text a number would not keep (`007`, more than 2^53).
fn number(cell: &str) -> Option<f64> {
    if MISSING.contains(&cell) {
        return Some(f64::NAN);
    }
    let value = cell.parse::<f64>().ok().filter(|v| v.is_finite())?;
    let digits = cell.trim_start_matches(['+', '-']);
    let integer = digits.bytes().all(|b| b.is_ascii_digit());
    let kept = value.abs() < EXACT && (digits.len() == 1 || !digits.starts_with('0'));
    (!integer || kept).then_some(value)
}

fn push(column: &mut Column, cell: &str) {
    match column {
        Column::Numbers(values) => values.push(number(cell).unwrap_or(f64::NAN)),
        Column::Texts { codes, levels } => codes.push(if MISSING.contains(&cell) {
            Column::NONE
        } else {
            match levels.get_index_of(cell) {
                Some(i) => i as u32,
                None => levels.insert_full(cell.to_string()).0 as u32,
            }
        }),
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
        assert!(matches!(table.column("id"), Some(Column::Numbers(v)) if *v == [1.0, 2.0, 3.0]));
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

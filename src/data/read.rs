//! Reading a file into a [`Table`], in one pass, but for columns that are found late not to be numbers: a second pass reads these as text.

use super::Column;
use super::Table;
use super::fill::Cells;
use super::fill::Growing;
use super::fill::Kind;
use super::input::Opened;
use super::lines::Lines;
use super::pieces::Piece;
use super::pieces::Pieces;
use crate::problem::Problems;
use rayon::prelude::*;

/// Reads a file.
///
/// # Errors
/// What is wrong with it, with its lines.
pub(super) fn read(file: &Opened) -> Result<Table, Problems> {
    let first = Gathered::all(file.pass(None)?)?;
    let mut columns = first.columns;
    if first.kinds.contains(&Kind::Mistaken) {
        let second = Gathered::all(file.pass(Some(again(&first.kinds)))?)?;
        for (column, texts) in columns.iter_mut().zip(second.columns) {
            if column.is_none() {
                *column = texts;
            }
        }
    }
    let named = first.names.into_iter().zip(columns);
    Ok(Table {
        name: file.name().to_string(),
        columns: named
            .filter_map(|(name, column)| Some((name, column?)))
            .collect(),
        lines: first.lines,
    })
}

/// What a second pass reads: columns that were mistaken for numbers, as text.
pub(super) fn again(kinds: &[Kind]) -> Vec<Kind> {
    let again = |kind: &Kind| match kind {
        Kind::Mistaken => Kind::Texts,
        Kind::Numbers | Kind::Texts | Kind::Skipped => Kind::Skipped,
    };
    kinds.iter().map(again).collect()
}

/// What a pass has found.
struct Gathered {
    names: Vec<String>,
    kinds: Vec<Kind>,
    columns: Vec<Option<Column>>,
    lines: Lines,
}

impl Gathered {
    fn all(mut pass: Box<dyn Pieces + '_>) -> Result<Gathered, Problems> {
        let mut lines = Lines::default();
        let mut columns: Vec<Growing> = Vec::new();
        while let Some(pieces) = pass.next()? {
            if lines.rows() == 0 {
                columns = pass
                    .kinds()
                    .iter()
                    .map(|kind| Growing::new(*kind))
                    .collect();
            }
            for (column, kind) in columns.iter_mut().zip(pass.kinds()) {
                if *kind == Kind::Mistaken {
                    *column = Growing::Skipped;
                }
            }
            append(&mut columns, &mut lines, pieces);
        }
        Ok(Gathered {
            names: pass.names().to_vec(),
            kinds: pass.kinds().to_vec(),
            columns: columns.into_par_iter().map(Growing::finish).collect(),
            lines,
        })
    }
}

fn append(columns: &mut [Growing], lines: &mut Lines, pieces: Vec<Piece>) {
    let mut cells: Vec<Vec<Cells>> = columns.iter().map(|_| Vec::new()).collect();
    for piece in pieces {
        lines.append(&piece.run, 0..piece.run.len());
        for (column, own) in cells.iter_mut().zip(piece.columns) {
            column.push(own);
        }
    }
    let all = columns.par_iter_mut().zip(cells);
    all.for_each(|(column, pieces)| {
        for cells in pieces {
            column.append(cells);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::DataPlace;
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

//! Reading in blocks and pieces, by any number of threads, held against reading the whole text at once.

use super::Chunks;
use super::Column;
use super::Excerpt;
use super::Groups;
use super::Table;
use super::blocks::Grain;
use super::input::Opened;
use super::read::read;
use csv::ReaderBuilder;
use csv::Trim;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;
use std::num::NonZeroUsize;

/// All that can be known of a table, or what is said of its text.
fn told(text: &[u8], block: usize, piece: usize) -> String {
    let grain = Grain {
        block,
        piece,
        ..Grain::USUAL
    };
    let read = read(&Opened::held("t.csv", text, grain));
    read.map_or_else(|problems| format!("{:?}", problems.sorted()), |t| seen(&t))
}

fn seen(table: &Table) -> String {
    let lines: Vec<usize> = (0..table.rows()).map(|row| table.line(row)).collect();
    let columns = table.names().map(|name| {
        let column = table.column(name).expect("a column that is named");
        let held = match column {
            Column::Numbers(numbers) => {
                format!(
                    "{:x?}",
                    numbers.iter().map(f64::to_bits).collect::<Vec<_>>()
                )
            }
            Column::Texts { codes, levels } => {
                let codes: Vec<u32> = (0..codes.len()).map(|row| codes.get(row)).collect();
                format!("{codes:?} {levels:?}")
            }
        };
        format!("{name:?}: {held}")
    });
    format!("{lines:?} {:?}", columns.collect::<Vec<_>>())
}

fn cell() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "1",
        "-0",
        "2.5",
        "300",
        "-7e10",
        "x",
        "y",
        "\"q,\n\"",
        "\"a\"\"b\"",
        "5\"",
        " NA ",
        "",
        "\"\r\nz\"",
        "é",
        "\"\"",
        "\"a\"b",
        "007",
        "1e999",
        "\" 8 \"",
        "\u{feff}",
    ])
}

fn text() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["\n", "\n", "\r\n", "\r", "\n\n", "\n\r\n"]);
    let row = (cell(), cell(), cell(), end);
    prop::collection::vec(row, 0..12).prop_map(|rows| {
        let rows = rows
            .iter()
            .map(|(a, b, c, end)| format!("{a},{b},{c}{end}"));
        "u,v,w\n".to_string() + &rows.collect::<String>()
    })
}

proptest! {
    #[test]
    fn blocks_and_pieces_leave_no_trace(text in text(), block in 1_usize..50, piece in 2_usize..20) {
        prop_assert_eq!(told(text.as_bytes(), block, piece), told(text.as_bytes(), 1 << 20, 1 << 20));
    }

    #[test]
    fn messages_do_not_depend_on_blocks(
        text in "(\n|\r|u,v\n|u,v\r\n|é,\"v\"\n){1}[a1,\"\n\r é]{0,40}",
        cut in 0_usize..60,
        block in 1_usize..20,
    ) {
        // Cut inside a letter, the encoding is none.
        let bytes = &text.as_bytes()[..cut.min(text.len())];
        prop_assert_eq!(told(bytes, block, 3), told(bytes, 1 << 20, 1 << 20));
    }

    #[test]
    fn cells_are_those_of_the_crate(text in text()) {
        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("a row")).collect();
        let Ok(table) = Table::parse("t.csv", &text) else {
            // A quotation mark is open, which the crate does not tell.
            return Ok(());
        };
        prop_assert_eq!(table.rows(), rows.len());
        for (k, name) in ["u", "v", "w"].iter().enumerate() {
            for (row, cells) in rows.iter().enumerate() {
                let missing = ["", "NA"].contains(&&cells[k]);
                let same = match table.column(name).expect("a column") {
                    Column::Numbers(numbers) if missing => numbers.get(row).is_nan(),
                    Column::Numbers(numbers) => Ok(numbers.get(row)) == cells[k].parse(),
                    Column::Texts { .. } if missing => table.cell(row, name).is_empty(),
                    Column::Texts { .. } => table.cell(row, name) == cells[k],
                };
                prop_assert!(same, "{name} in row {row} of {text:?}");
            }
        }
    }

    #[test]
    fn numbers_have_the_bits_of_the_standard_library(text in "-?[0-9]{0,20}\\.?[0-9]{0,20}(e-?[0-9]{1,3})?") {
        let table = Table::parse("t.csv", format!("a,b\n{text},0\n")).expect("a table");
        let Some(Column::Numbers(numbers)) = table.column("a") else {
            return Ok(()); // `007`, or more than 2^53
        };
        let value = text.parse::<f64>().unwrap_or(f64::NAN) + 0.0;
        prop_assert!(numbers.get(0).to_bits() == value.to_bits() || text.is_empty(), "{text}");
    }
}

#[test]
fn an_encoding_is_refused_in_its_line_after_any_other_problem() {
    let starts = [
        "a,a\n",
        "a,b\n1,\"x\n2,\"y\"\n",
        "a,b\n1\n",
        "1,2\n",
        "\n\n",
    ];
    for start in starts {
        let lines = "3,4\n".repeat(40);
        let text = [start.as_bytes(), lines.as_bytes(), b"5,\xff\n"].concat();
        let line = text.iter().filter(|b| **b == b'\n').count();
        for (block, piece) in [(1 << 20, 1 << 20), (16, 4)] {
            let said = told(&text, block, piece);
            assert!(said.contains("not encoded in UTF-8"), "{said}");
            assert!(said.contains(&format!("line: Some({line})")), "{said}");
        }
    }
}

#[test]
fn a_column_that_turns_out_to_be_text_keeps_every_cell_as_it_was_written() {
    let rows = (0..500).map(|i| format!("{i},{}.50,{i}\n", i % 3));
    let text = format!("a,b,c\n{}9,x,1\n", rows.collect::<String>());
    let grain = Grain {
        block: 64,
        piece: 16,
        ..Grain::USUAL
    };
    let table = read(&Opened::held("t.csv", text.as_bytes(), grain)).expect("a table");
    assert_eq!(
        (table.rows(), table.cell(4, "b"), table.cell(500, "b")),
        (501, "1.50".into(), "x".into())
    );
    let Some(Column::Texts { levels, .. }) = table.column("b") else {
        panic!("`b` holds text");
    };
    assert_eq!(
        levels.iter().collect::<Vec<_>>(),
        ["0.50", "1.50", "2.50", "x"]
    );
    assert!(matches!(table.column("c"), Some(Column::Numbers(n)) if n.get(499) == 499.0));
}

#[test]
fn the_number_of_threads_leaves_no_trace() {
    let rows = (0..3000).map(|i| format!("g{},{}.{i},{}\n", (i * 7919) % 613, i % 9, i % 4));
    let text = "g,x,k\n".to_string() + &rows.collect::<String>();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| told(text.as_bytes(), 4096, 256))
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(5));
}

#[test]
fn a_compressed_table_is_the_same_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("compressed");
        encoder.finish().expect("compressed")
    };
    let rows: String = (0..2000).map(|i| format!("{i}\tg{}\n", i % 7)).collect();
    let plain = Table::open(&write("t.tsv", format!("x\tg\n{rows}").as_bytes())).expect("a table");
    // Parts that were compressed one by one may follow each other.
    let parts = [gzip("x\tg\n"), gzip(&rows)].concat();
    let packed = Table::open(&write("u.tsv.GZ", &parts)).expect("a table");
    assert_eq!(seen(&plain), seen(&packed));
    assert_eq!(packed.cell(8, "g"), "g1");
    for (name, bytes) in [
        ("cut.csv.gz", &parts[..parts.len() - 30]),
        ("plain.csv.gz", b"a\n1\n"),
    ] {
        let path = write(name, bytes);
        let problems = Table::open(&path).expect_err("a problem");
        let said = &problems.sorted()[0].message;
        let start = format!("`{}` cannot be decompressed", path.display());
        assert!(said.starts_with(&start), "{said}");
    }
}

/// The rows of chunks, one below the other, as texts with their lines.
fn rows_of<'a>(tables: impl Iterator<Item = &'a Table>) -> Vec<String> {
    let row = |table: &Table, row: usize| {
        let cells = table.names().map(|name| table.cell(row, name));
        format!("{} {:?}", table.line(row), cells.collect::<Vec<_>>())
    };
    tables
        .flat_map(|table| (0..table.rows()).map(|i| row(table, i)).collect::<Vec<_>>())
        .collect()
}

/// Holds the chunks of a text against its table.
fn assert_chunks(text: &str, at_most: usize, grain: Grain) {
    let whole = read(&Opened::held("t.csv", text.as_bytes(), grain));
    let size = NonZeroUsize::new(at_most).expect("a number of rows");
    let chunks = Chunks::of(Opened::held("t.csv", text.as_bytes().to_vec(), grain), size);
    let (whole, chunks) = match (whole, chunks) {
        (Ok(whole), Ok(chunks)) => (whole, chunks),
        (Err(one), Err(other)) => return assert_eq!(one.sorted(), other.sorted()),
        (one, other) => panic!("{one:?} and {other:?}"),
    };
    assert_eq!(chunks.rows(), whole.rows());
    let tables: Vec<Table> = chunks
        .tables()
        .expect("a pass")
        .map(|table| table.expect("a chunk"))
        .collect();
    assert_eq!(rows_of(tables.iter()), rows_of([&whole].into_iter()));
    assert_eq!(tables.len(), whole.rows().div_ceil(at_most));
    for (i, table) in tables.iter().enumerate() {
        let last = i + 1 == tables.len();
        assert!(table.rows() == at_most || last && table.rows() > 0);
        for name in whole.names() {
            match (whole.column(name), table.column(name)) {
                (Some(Column::Numbers(_)), Some(Column::Numbers(_))) => {}
                (Some(Column::Texts { levels, .. }), Some(Column::Texts { levels: own, .. })) => {
                    assert!(levels.iter().eq(own.iter()))
                }
                (one, other) => panic!("{one:?} and {other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn chunks_one_below_the_other_are_the_table(text in text(), at_most in 1_usize..6, block in 1_usize..50, piece in 2_usize..20) {
        assert_chunks(&text, at_most, Grain { block, piece, ..Grain::USUAL });
    }
}

#[test]
fn chunks_of_many_pieces_are_the_table() {
    let rows = (0..5000).map(|i| format!("{i},g{},{}.5\n", (i * 7919) % 613, i % 3));
    let text = format!("a,g,c\n{}9,x,y\n", rows.collect::<String>());
    let grain = Grain {
        block: 4096,
        piece: 256,
        ..Grain::USUAL
    };
    for at_most in [1, 7, 1000, 5001, 9000] {
        assert_chunks(&text, at_most, grain);
    }
}

#[test]
fn groups_have_their_rows_in_any_order_of_them() {
    let text =
        "key,x,note,word\nb,1,-,u\nb,NA,-,\"v\nw\"\na,3.5,-,\n c ,4,-,v\nc,5,-,u\nc,1e9,-,v\n";
    let whole = Table::parse("t.csv", text).expect("a table");
    let rows = [0..2, 2..3, 3..6];
    for at_most in [1, 2, 5, 100] {
        let size = NonZeroUsize::new(at_most).expect("a number of rows");
        let chunks = Chunks::parse("t.csv", text, size).expect("chunks");
        let (mut groups, keys) =
            Groups::new(&chunks, |name| name != "note", "key", &std::env::temp_dir())
                .expect("a copy");
        let labels: Vec<Option<String>> = (0..3).map(|group| keys.text(group)).collect();
        assert_eq!(labels, ["b", "a", "c"].map(|label| Some(label.to_owned())));
        let holds =
            |groups: &Groups, wanted: &[usize], names: &[u32], key: &dyn Fn(usize) -> String| {
                let table = groups.table(names).expect("what was written");
                let expected = wanted
                    .iter()
                    .flat_map(|w| rows[*w].clone().map(move |row| (*w, row)));
                let expected: Vec<(usize, usize)> = expected.collect();
                assert_eq!(table.rows(), expected.len());
                for (row, (group, of)) in expected.into_iter().enumerate() {
                    assert_eq!(table.line(row), whole.line(of));
                    assert_eq!(table.cell(row, "key"), key(group));
                    for name in ["x", "word"] {
                        assert_eq!(table.cell(row, name), whole.cell(of, name));
                    }
                }
                assert!(table.column("note").is_none());
            };
        let label = |group: usize| whole.cell(rows[group].start, "key");
        holds(&groups, &[0, 1, 2], &[0, 1, 2], &label);
        holds(&groups, &[2, 0], &[2, 0], &label);
        groups.arrange(&[1, 0, 2]);
        assert_eq!((groups.len(), groups.rows(0), groups.rows(2)), (3, 1, 3));
        assert_eq!(groups.label(1).expect("a label"), "b");
        holds(&groups, &[1, 2], &[0, 2], &label);
        groups.number();
        holds(&groups, &[0, 1], &[1, 0], &|group| {
            ["1", "0"][group].to_owned()
        });
    }
    let size = NonZeroUsize::new(2).expect("a number of rows");
    let chunks = Chunks::parse("t.csv", text, size).expect("chunks");
    let nowhere = std::env::temp_dir().join("no such folder");
    let refused = Groups::new(&chunks, |_| true, "key", &nowhere).expect_err("no folder");
    assert!(
        refused.sorted()[0].message.contains("cannot be copied"),
        "{refused:?}"
    );
}

#[test]
fn an_excerpt_has_the_rows_that_were_picked() {
    let size = NonZeroUsize::new(2).expect("a number of rows");
    let text = "g,x\na,1\n\nb,2.5\nc,NA\na,4\n";
    let chunks = Chunks::parse("t.csv", text, size).expect("chunks");
    let mut excerpt = Excerpt::new(&chunks);
    for table in chunks.tables().expect("a pass") {
        excerpt.push(&table.expect("a chunk"), 1);
    }
    let table = excerpt.table();
    assert_eq!(
        rows_of([&table].into_iter()),
        ["4 [\"b\", \"2.5\"]", "6 [\"a\", \"4\"]"]
    );
    let empty = Excerpt::new(&chunks).table();
    assert_eq!((empty.rows(), empty.names().count()), (0, 2));
}

#[test]
fn a_file_that_changes_between_passes_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.csv");
    let size = NonZeroUsize::new(2).expect("a number of rows");
    for changed in [
        "g,x\na,1\nc,2\n",
        "g,x\na,1\nb,z\n",
        "g,x\na,1\n",
        "g,x\na,1\nb,2\na,3\n",
    ] {
        std::fs::write(&path, "g,x\na,1\nb,2\n").expect("a file");
        let chunks = Chunks::open(&path, size).expect("chunks");
        std::fs::write(&path, changed).expect("a file");
        let tables: Result<Vec<Table>, _> = chunks.tables().expect("a pass").collect();
        let problems = tables.expect_err("a problem");
        let said = &problems.sorted()[0].message;
        assert!(
            said.ends_with("has changed while it was being read"),
            "{said}"
        );
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn binary_tables_need_a_feature() {
    for (name, format) in [("t.parquet", "Parquet"), ("t.Feather", "Arrow")] {
        let problems = Table::open(name.as_ref()).expect_err("a problem");
        let problem = problems.sorted()[0];
        assert_eq!(
            problem.message,
            format!("`{name}` is a table in {format}, which this program was built without")
        );
        let hint = problem.hint.as_deref().unwrap_or_default();
        assert!(hint.contains("--features parquet"), "{hint}");
    }
}

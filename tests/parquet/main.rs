//! Tables in Parquet and Arrow IPC bind as the same tables in CSV do, at once and in chunks.
#![cfg(feature = "parquet")]

mod formats;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::DictionaryArray;
use arrow_array::Float32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::types::Int32Type;
use arrow_ipc::writer::FileWriter;
use hvi::ast;
use hvi::data::Chunks;
use hvi::data::Groups;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::model::Frame;
use hvi::model::Model;
use hvi::model::bind;
use hvi::problem::DataPlace;
use hvi::problem::Place;
use hvi::source::Source;
use hvi::typed::ColumnId;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use hvi::typed::check;
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

const ROWS: usize = 3000;

const MODEL: &str = "
mu ~ Normal(0, 1)
plate day {
  plate school {
    data size: positive
    plate pupil = rows {
      data x: real[D] = columns(\"x_*\")
      data y: real
      data passed: binary
      data rank: ordinal
      y ~ Normal(mu + passed + standardize(x)[1], size)
    }
  }
}
";

fn typed(text: &str) -> Arc<Typed> {
    let source = Source::new("model.hvi", text);
    let tree = ast::parse(&source).expect("a model");
    let (typed, _) = check(&source, &tree, &Overrides::new()).expect("a right model");
    Arc::new(typed)
}

/// The school, its size and its day, of a row: integers by a small congruence.
fn school(row: usize) -> usize {
    (row * 7919) % 61
}

fn day(row: usize) -> i32 {
    (school(row) % 7) as i32
}

fn x(row: usize) -> f64 {
    ((row * 31) % 257) as f64 / 8.0
}

fn y(row: usize) -> Option<f64> {
    Some(row as f64 / 7.0 - 100.0)
}

fn csv() -> String {
    let row = |i: usize| {
        let passed = ["false", "true"][i % 2];
        let (school, y) = (school(i), y(i).unwrap_or(f64::NAN));
        let (size, day, rank) = (school + 1, day(i) + 1, i % 5 + 1);
        format!(
            "1970-01-0{day},s{school},{size},{},{},{y},{passed},{rank}\n",
            x(i),
            -x(i)
        )
    };
    let rows: String = (0..ROWS).map(row).collect();
    format!("day,school,size,x_1,x_2,y,passed,rank\n{rows}")
}

fn batch() -> RecordBatch {
    let rows = || 0..ROWS;
    let schools: DictionaryArray<Int32Type> = rows()
        .map(|i| format!("s{}", school(i)))
        .collect::<Vec<_>>()
        .iter()
        .map(|s| Some(s.as_str()))
        .collect();
    let columns: [(&str, ArrayRef); 8] = [
        (
            "day",
            Arc::new(rows().map(|i| Some(day(i))).collect::<Date32Array>()),
        ),
        ("school", Arc::new(schools)),
        (
            "size",
            Arc::new(
                rows()
                    .map(|i| Some(school(i) as i64 + 1))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "x_1",
            Arc::new(rows().map(|i| Some(x(i) as f32)).collect::<Float32Array>()),
        ),
        (
            "x_2",
            Arc::new(rows().map(|i| Some(-x(i))).collect::<Float64Array>()),
        ),
        ("y", Arc::new(rows().map(y).collect::<Float64Array>())),
        (
            "passed",
            Arc::new(rows().map(|i| Some(i % 2 == 1)).collect::<BooleanArray>()),
        ),
        (
            "rank",
            Arc::new(
                rows()
                    .map(|i| Some((i % 5 + 1).to_string()))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// The table in both formats, below a folder.
fn write(folder: &Path, batch: &RecordBatch) -> [PathBuf; 2] {
    let paths = [folder.join("t.parquet"), folder.join("t.arrow")];
    let file = |path: &PathBuf| File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file(&paths[0]), batch.schema(), None).expect("a writer");
    writer.write(batch).expect("written");
    writer.close().expect("written");
    let mut writer = FileWriter::try_new(file(&paths[1]), &batch.schema()).expect("a writer");
    writer.write(batch).expect("written");
    writer.finish().expect("written");
    paths
}

/// Everything that is bound.
fn all(model: &Model) -> String {
    let columns = (0..model.typed().columns().len()).map(|c| model.column(ColumnId(c as u32)));
    let columns: Vec<_> = columns.collect();
    format!(
        "{:?} {columns:?} {:?} {:?}",
        model.plates(),
        model.scalings(),
        model.report()
    )
}

#[test]
fn a_table_binds_alike_in_every_format() {
    let folder = tempfile::tempdir().expect("a folder");
    let typed = typed(MODEL);
    let csv = Table::parse("t.csv", csv()).expect("a table");
    let (expected, warnings) = bind(&typed, &Tables::new(csv)).expect("it binds");
    assert_eq!(expected.report().rows, ROWS);
    for path in write(folder.path(), &batch()) {
        let table = Table::open(&path).expect("a table");
        let (model, same) = bind(&typed, &Tables::new(table.clone())).expect("it binds");
        assert!(all(&model) == all(&expected), "{} differs", path.display());
        assert_eq!(same.sorted(), warnings.sorted());
        let size = NonZeroUsize::new(1024).expect("a number of rows");
        let chunks = Chunks::open(&path, size).expect("chunks");
        let (frame, _) = Frame::new(&typed, &chunks, &Tables::default()).expect("a frame");
        assert_eq!(
            format!("{:?}", frame.report()),
            format!("{:?}", expected.report())
        );
        let y = ColumnId(
            typed
                .columns()
                .iter()
                .position(|c| c.name == "y")
                .expect("a column") as u32,
        );
        let mut stacked = Vec::new();
        for chunk in chunks.tables().expect("a pass") {
            let part = frame.bind(chunk.expect("a chunk")).expect("it binds");
            stacked.extend_from_slice(&part.column(y).values);
        }
        assert_eq!(stacked, *expected.column(y).values);
        let (groups, _) = Groups::new(&chunks, |_| true, "school", folder.path()).expect("a copy");
        let some = groups.table(&[2, 0, 1]).expect("what was written");
        let rows: usize = (0..3).map(|group| groups.rows(group)).sum();
        assert_eq!(some.rows(), rows);
        for row in 0..some.rows() {
            for name in table.names() {
                assert_eq!(some.cell(row, name), table.cell(some.line(row) - 1, name));
            }
        }
    }
}

#[test]
fn a_wrong_cell_is_named_by_its_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let typed =
        typed("mu ~ Normal(0, 1)\nplate row = rows { data y: positive\n y ~ LogNormal(mu, 1) }\n");
    let values = |wrong: Option<f64>| {
        (0..9)
            .map(|i| if i == 6 { wrong } else { Some(1.5) })
            .collect::<Float64Array>()
    };
    for (wrong, message) in [
        (Some(-2.5), "`-2.5` is not a number above 0"),
        (Some(f64::NEG_INFINITY), "`-inf` is not a number above 0"),
        (None, "a value of `y` is missing"),
    ] {
        let batch = RecordBatch::try_from_iter([("y", Arc::new(values(wrong)) as ArrayRef)]);
        for path in write(folder.path(), &batch.expect("a batch")) {
            let table = Table::open(&path).expect("a table");
            let problems = bind(&typed, &Tables::new(table)).expect_err("a problem");
            let [problem] = problems.sorted()[..] else {
                panic!("{problems:?}");
            };
            assert_eq!(problem.message, message);
            let Place::Data(DataPlace {
                file, line, column, ..
            }) = &problem.place
            else {
                panic!("{problem:?}");
            };
            assert_eq!(file, &path.display().to_string());
            assert_eq!((line, column.as_deref()), (&Some(7), Some("y")));
        }
    }
}

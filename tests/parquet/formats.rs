//! Reading Parquet and Arrow IPC, held against the same table in CSV; files that are damaged.

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::DictionaryArray;
use arrow_array::Float16Array;
use arrow_array::Float32Array;
use arrow_array::Float64Array;
use arrow_array::Int8Array;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::LargeStringArray;
use arrow_array::ListArray;
use arrow_array::NullArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::Time64MicrosecondArray;
use arrow_array::TimestampMillisecondArray;
use arrow_array::UInt64Array;
use arrow_array::types::Int8Type;
use arrow_array::types::Int32Type;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::FileWriter;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::Field;
use arrow_schema::Schema;
use hvi::data::Chunks;
use hvi::data::Column;
use hvi::data::Table;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// A batch of named columns; names may repeat.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).expect("columns of one length")
}

fn write_parquet(path: &Path, batches: &[RecordBatch], compression: Compression) {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(1000))
        .build();
    let file = File::create(path).expect("a file");
    let mut writer =
        ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).expect("a writer");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.close().expect("written");
}

fn write_ipc(path: &Path, batches: &[RecordBatch], compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .expect("compression");
    let file = File::create(path).expect("a file");
    let mut writer =
        FileWriter::try_new_with_options(file, &batches[0].schema(), options).expect("a writer");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.finish().expect("written");
}

fn write_stream(path: &Path, batches: &[RecordBatch]) {
    let file = File::create(path).expect("a file");
    let mut writer = StreamWriter::try_new(file, &batches[0].schema()).expect("a writer");
    for batch in batches {
        writer.write(batch).expect("written");
    }
    writer.finish().expect("written");
}

/// What is said of a file that is refused.
fn refused(path: &Path) -> String {
    let problems = Table::open(path).expect_err("a problem");
    problems.sorted()[0].message.clone()
}

/// Every type that a cell holds, and the same table in CSV.
fn every_type() -> (RecordBatch, &'static str) {
    let keys = |keys: Vec<Option<i8>>| Int8Array::from(keys);
    let words: ArrayRef = Arc::new(StringArray::from(vec!["unused", "b", "a"]));
    let coded =
        DictionaryArray::<Int8Type>::new(keys(vec![Some(2), None, Some(1), Some(2)]), words);
    let tens: ArrayRef = Arc::new(Int32Array::from(vec![10, 20]));
    let tens = DictionaryArray::<Int8Type>::new(keys(vec![Some(0), Some(1), None, Some(0)]), tens);
    let half = |v: f32| half_of(v);
    let decimals = Decimal128Array::from(vec![Some(150), Some(-5), None, Some(100)])
        .with_precision_and_scale(10, 2)
        .expect("a decimal");
    let zoned =
        TimestampMillisecondArray::from(vec![Some(1_767_225_600_500), None, Some(0), Some(-1000)])
            .with_timezone("+02:00");
    let batch = batch(vec![
        (
            "f64",
            Arc::new(Float64Array::from(vec![
                Some(1.5),
                None,
                Some(f64::NAN),
                Some(-0.0),
            ])),
        ),
        (
            "f32",
            Arc::new(Float32Array::from(vec![0.5, -2.25, 3.0, 1e10])),
        ),
        (
            "f16",
            Arc::new(Float16Array::from(vec![
                half(0.5),
                half(1.0),
                half(-2.0),
                half(0.25),
            ])),
        ),
        (
            "i8",
            Arc::new(Int8Array::from(vec![Some(-128), Some(127), None, Some(0)])),
        ),
        (
            "i64",
            Arc::new(Int64Array::from(vec![
                1,
                -300,
                70_000,
                9_007_199_254_740_991,
            ])),
        ),
        (
            "u64",
            Arc::new(UInt64Array::from(vec![1, 2, 9_007_199_254_740_993, 2])),
        ),
        ("decimal", Arc::new(decimals)),
        (
            "infinite",
            Arc::new(Float64Array::from(vec![1.0, f64::INFINITY, 2.5, -0.0])),
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![
                Some("x"),
                None,
                Some(" y "),
                Some("NA"),
            ])),
        ),
        (
            "large",
            Arc::new(LargeStringArray::from(vec![
                Some("007"),
                None,
                Some("é"),
                Some("007"),
            ])),
        ),
        (
            "view",
            Arc::new(StringViewArray::from(vec![
                Some("one"),
                Some("two"),
                None,
                Some("one"),
            ])),
        ),
        ("coded", Arc::new(coded)),
        ("tens", Arc::new(tens)),
        (
            "yes",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
            ])),
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![
                Some(0),
                Some(20_484),
                None,
                Some(-1),
            ])),
        ),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from(vec![
                Some(0),
                Some(49_500_000_000),
                None,
                Some(1),
            ])),
        ),
        ("zoned", Arc::new(zoned)),
        (" spaced ", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
        ("", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
    ]);
    let csv = "\
f64,f32,f16,i8,i64,u64,decimal,infinite,text,large,view,coded,tens,yes,day,time,zoned,spaced,
1.5,0.5,0.5,-128,1,1,1.50,1,x,007,one,a,10,true,1970-01-01,00:00:00,2026-01-01 00:00:00.500Z,1,1
,-2.25,1,127,-300,2,-0.05,inf,,,two,,20,false,2026-01-31,13:45:00,,2,2
NaN,3,-2,,70000,9007199254740993,,2.5,y,é,,b,,,,,1970-01-01 00:00:00Z,3,3
0,1e10,0.25,0,9007199254740991,2,1,0,NA,007,one,a,10,true,1969-12-31,00:00:00.000001,1969-12-31 23:59:59Z,4,4
";
    (batch, csv)
}

/// A half-precision number, whose type belongs to a crate that is not named here.
fn half_of(
    value: f32,
) -> <arrow_array::types::Float16Type as arrow_array::ArrowPrimitiveType>::Native {
    use num_traits::FromPrimitive;
    FromPrimitive::from_f32(value).expect("a number")
}

/// The columns of a table: bits of numbers, codes and levels of texts.
fn columns_of(table: &Table) -> String {
    let columns = table.names().map(|name| {
        let held = match table.column(name).expect("a column that is named") {
            Column::Numbers(numbers) => {
                let bits = numbers.iter().map(f64::to_bits);
                format!("{:x?}", bits.collect::<Vec<_>>())
            }
            Column::Texts { codes, levels } => {
                let codes = (0..codes.len()).map(|row| codes.get(row));
                format!("{:?} {levels:?}", codes.collect::<Vec<_>>())
            }
        };
        format!("{name:?}: {held}")
    });
    columns.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_type_is_read_as_its_csv_would_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let (batch, csv) = every_type();
    let expected = columns_of(&Table::parse("t.csv", csv).expect("a table"));
    let at = |name: &str| folder.path().join(name);
    let batches = [batch];
    write_ipc(&at("plain.arrow"), &batches, None);
    write_ipc(
        &at("lz4.feather"),
        &batches,
        Some(CompressionType::LZ4_FRAME),
    );
    write_ipc(&at("zstd.ipc"), &batches, Some(CompressionType::ZSTD));
    write_stream(&at("stream.ARROW"), &batches);
    for (name, compression) in [
        ("plain.parquet", Compression::UNCOMPRESSED),
        ("snappy.parquet", Compression::SNAPPY),
        ("gzip.parquet", Compression::GZIP(Default::default())),
        ("zstd.Parquet", Compression::ZSTD(Default::default())),
        ("lz4.parquet", Compression::LZ4_RAW),
    ] {
        write_parquet(&at(name), &batches, compression);
        let table = Table::open(&at(name)).expect("a table");
        assert_eq!(columns_of(&table), expected, "{name}");
        assert_eq!((table.line(0), table.line(3)), (1, 4));
    }
    for name in ["plain.arrow", "lz4.feather", "zstd.ipc", "stream.ARROW"] {
        let table = Table::open(&at(name)).expect("a table");
        assert_eq!(columns_of(&table), expected, "{name}");
    }
}

#[test]
fn batches_and_row_groups_leave_no_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.parquet");
    let part = |rows: std::ops::Range<i64>| {
        let words = rows.clone().map(|i| format!("g{}", (i * 7919) % 613));
        let numbers = rows.clone().map(|i| {
            if i == 40_123 {
                f64::INFINITY
            } else {
                i as f64 / 4.0
            }
        });
        batch(vec![
            (
                "g",
                Arc::new(words.map(Some).collect::<StringArray>()) as ArrayRef,
            ),
            ("x", Arc::new(numbers.collect::<Float64Array>())),
            ("k", Arc::new(rows.map(|i| i % 4).collect::<Int64Array>())),
        ])
    };
    write_parquet(
        &path,
        &[part(0..3), part(3..50_000), part(50_000..70_000)],
        Compression::SNAPPY,
    );
    let table = Table::open(&path).expect("a table");
    let number = |i: i64| {
        if i == 40_123 {
            "inf".to_string()
        } else {
            (i as f64 / 4.0).to_string()
        }
    };
    let rows = (0..70_000).map(|i| format!("g{},{},{}\n", (i * 7919) % 613, number(i), i % 4));
    let csv =
        Table::parse("t.csv", "g,x,k\n".to_string() + &rows.collect::<String>()).expect("a table");
    assert!(columns_of(&table) == columns_of(&csv), "the tables differ");
    assert_eq!(table.line(69_999), 70_000);
    let size = NonZeroUsize::new(20_000).expect("a number of rows");
    let chunks = Chunks::open(&path, size).expect("chunks");
    let tables: Vec<Table> = chunks
        .tables()
        .expect("a pass")
        .map(|t| t.expect("a chunk"))
        .collect();
    assert_eq!(
        tables.iter().map(Table::rows).collect::<Vec<_>>(),
        [20_000, 20_000, 20_000, 10_000]
    );
    assert_eq!(
        (tables[3].line(9_999), tables[2].cell(123, "x")),
        (70_000, "inf".to_string())
    );
    assert!((0..10_000).all(|i| tables[3].cell(i, "g") == table.cell(60_000 + i, "g")));
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| columns_of(&Table::open(&path).expect("a table")))
    };
    assert!(with(1) == with(3), "threads leave a trace");
}

#[test]
fn damaged_files_are_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (batch, _) = every_type();
    let kept = batch.project(&[0, 4, 8, 14]).expect("columns");
    write_parquet(
        &at("t.parquet"),
        std::slice::from_ref(&kept),
        Compression::SNAPPY,
    );
    write_ipc(
        &at("t.arrow"),
        std::slice::from_ref(&kept),
        Some(CompressionType::LZ4_FRAME),
    );
    write_stream(&at("s.arrow"), std::slice::from_ref(&kept));
    let whole = |name: &str| std::fs::read(at(name)).expect("a file");
    for (name, bytes) in [
        ("empty.parquet", Vec::new()),
        ("empty.arrow", Vec::new()),
        ("csv.parquet", b"a,b\n1,2\n".to_vec()),
        ("csv.arrow", b"a,b\n1,2\n".to_vec()),
        ("cut.parquet", whole("t.parquet")[..300].to_vec()),
        ("cut.arrow", whole("t.arrow")[..300].to_vec()),
        ("other.arrow", whole("t.parquet")),
        ("other.parquet", whole("t.arrow")),
    ] {
        std::fs::write(at(name), bytes).expect("a file");
        let said = refused(&at(name));
        let start = format!("`{}` cannot be read: ", at(name).display());
        assert!(
            said.starts_with(&start) && said.len() > start.len(),
            "{said}"
        );
    }
    // A byte of Parquet that has changed is refused, or changes a cell: it never ends the program. Lengths in Arrow IPC are not checked.
    let bytes = whole("t.parquet");
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(at("flipped.parquet"), bytes).expect("a file");
        if let Err(problems) = Table::open(&at("flipped.parquet")) {
            assert!(!problems.is_empty());
        }
    }
    assert!(refused(&at("absent.parquet")).starts_with("there is no file"));
}

#[test]
fn what_no_cell_holds_is_named_with_its_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None]), None]);
    let lists = batch(vec![("tags", Arc::new(list) as ArrayRef)]);
    write_parquet(&at("lists.parquet"), &[lists], Compression::UNCOMPRESSED);
    let said = refused(&at("lists.parquet"));
    assert!(
        said.starts_with("`tags` holds values of the type List("),
        "{said}"
    );
    let number = || Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef;
    let twice = batch(vec![("x", number()), ("x ", number())]);
    write_ipc(&at("twice.arrow"), &[twice], None);
    let said = refused(&at("twice.arrow"));
    assert!(
        said.contains("two columns of") && said.ends_with("are named `x`"),
        "{said}"
    );
    let nothing: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let keys = Int8Array::from(vec![None; 2]);
    let unused = DictionaryArray::<Int8Type>::new(keys, nothing);
    let missing = batch(vec![
        ("gone", Arc::new(NullArray::new(2)) as ArrayRef),
        ("unused", Arc::new(unused)),
    ]);
    write_ipc(&at("missing.arrow"), &[missing], None);
    let table = Table::open(&at("missing.arrow")).expect("a table");
    assert_eq!(
        (
            table.rows(),
            table.cell(1, "gone") + &table.cell(1, "unused")
        ),
        (2, String::new())
    );
}

#[test]
fn binary_tables_under_another_name_are_told_apart_from_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let numbers = batch(vec![(
        "x",
        Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef,
    )]);
    write_parquet(
        &at("a.csv"),
        std::slice::from_ref(&numbers),
        Compression::SNAPPY,
    );
    write_ipc(&at("b.tsv"), &[numbers], None);
    assert!(refused(&at("a.csv")).ends_with("is a table in Parquet, not in CSV"));
    assert!(refused(&at("b.tsv")).ends_with("is a table in Arrow, not in CSV"));
}

//! Reading tables: bytes of text per second, by what the columns hold, at once and in chunks.

use divan::Bencher;
use divan::black_box;
use divan::counter::BytesCount;
use hvi::ast;
use hvi::data::Chunks;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::model::Frame;
use hvi::source::Source;
use hvi::typed::Overrides;
use hvi::typed::check;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

const ROWS: usize = 200_000;

fn main() {
    divan::main();
}

/// A generator of uniform numbers below 1, the same in every run (a linear congruence, enough for digits).
fn uniform() -> impl FnMut() -> f64 {
    let mut state = 7_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn table(header: &str, mut row: impl FnMut(&mut String, usize)) -> String {
    let mut text = header.to_string();
    for i in 0..ROWS {
        text.push('\n');
        row(&mut text, i);
    }
    text
}

fn measure(bencher: Bencher, text: &str) {
    bencher
        .counter(BytesCount::of_str(text))
        .bench(|| Table::parse("t.csv", black_box(text)).map(|table| table.rows()));
}

/// A group, four measurements with five decimals, an outcome.
fn measurements() -> String {
    let mut next = uniform();
    table("group,x1,x2,x3,x4,y", |text, i| {
        // Writing to a string cannot fail.
        let _ = write!(text, "g{}", i / 1000);
        for _ in 0..4 {
            let _ = write!(text, ",{:.5}", 4.0 * next() - 2.0);
        }
        let _ = write!(text, ",{}", i % 2);
    })
}

#[divan::bench]
fn groups_and_decimals(bencher: Bencher) {
    measure(bencher, &measurements());
}

/// A pass over the same in chunks, which have been learnt before.
#[divan::bench]
fn groups_and_decimals_in_chunks(bencher: Bencher) {
    let text = measurements();
    let chunks = chunks(&text);
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let rows = |tables: hvi::data::ChunkTables| -> Result<usize, _> {
            tables.map(|table| Ok(table?.rows())).sum()
        };
        chunks.tables().and_then(rows)
    });
}

/// The same pass, with a hierarchical model bound to each chunk.
#[divan::bench]
fn groups_and_decimals_bound_in_chunks(bencher: Bencher) {
    let text = measurements();
    let chunks = chunks(&text);
    let source = Source::new(
        "model.hvi",
        "plate group {\n  a ~ Normal(0, 1)\n  plate obs = rows {\n    data x1, x2, x3, x4: real\n    data y: binary\n    y ~ Bernoulli(logit = a + x1 + x2 + x3 + x4)\n  }\n}\n",
    );
    let tree = ast::parse(&source).expect("a model");
    let (typed, _) = check(&source, &tree, &Overrides::new()).expect("a right model");
    let framed = Frame::new(&Arc::new(typed), &chunks, &Tables::default());
    let (frame, _) = framed.expect("data of the model");
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let models = |tables: hvi::data::ChunkTables| -> Result<Vec<usize>, _> {
            let sizes = tables.map(|table| Ok(frame.bind(table?)?.plates().len()));
            sizes.collect()
        };
        chunks.tables().and_then(models)
    });
}

fn chunks(text: &str) -> Chunks {
    let rows = NonZeroUsize::new(50_000).expect("a number of rows");
    Chunks::parse("t.csv", text, rows).expect("a table")
}

/// Two labels of many, in no order, and an outcome.
#[divan::bench]
fn crossed_labels(bencher: Bencher) {
    let mut next = uniform();
    let text = table("student,item,y", |text, i| {
        let (student, item) = ((next() * 5000.0) as usize, (next() * 200.0) as usize);
        let _ = write!(text, "s{student},i{item},{}", i % 2);
    });
    measure(bencher, &text);
}

/// Numbers with all digits of a double.
#[divan::bench]
fn all_digits(bencher: Bencher) {
    let mut next = uniform();
    let text = table("a,b,c", |text, _| {
        let _ = write!(text, "{},{},{}", next(), next(), next());
    });
    measure(bencher, &text);
}

/// Words in quotation marks, one of them with a line break.
#[divan::bench]
fn quoted_words(bencher: Bencher) {
    let text = table("id,name,remark", |text, i| {
        let _ = write!(
            text,
            "{i},\"level {}\",\"a \"\"word\"\",\nand {}\"",
            i % 613,
            i % 17
        );
    });
    measure(bencher, &text);
}

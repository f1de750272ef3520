//! Reading tables: bytes of text per second, by what the columns hold.

use divan::Bencher;
use divan::black_box;
use divan::counter::BytesCount;
use hvi::data::Table;
use std::fmt::Write;

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
#[divan::bench]
fn groups_and_decimals(bencher: Bencher) {
    let mut next = uniform();
    let text = table("group,x1,x2,x3,x4,y", |text, i| {
        // Writing to a string cannot fail.
        let _ = write!(text, "g{}", i / 1000);
        for _ in 0..4 {
            let _ = write!(text, ",{:.5}", 4.0 * next() - 2.0);
        }
        let _ = write!(text, ",{}", i % 2);
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

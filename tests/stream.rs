//! A table that is read in chunks gives the same log density, the same derivatives and the same fit as one that is read whole.

mod chain;

use hvi::ast;
use hvi::data::Chunks;
use hvi::data::Tables;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Outcome;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Pass;
use hvi::joint::Passes;
use hvi::model::Frame;
use hvi::num::rng;
use hvi::problem;
use hvi::problem::Code;
use hvi::problem::Problems;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

fn checked(text: &str) -> Arc<Typed> {
    let source = Source::new("model.hvi", text);
    let fail =
        |problems: Problems| -> ! { panic!("{}", problem::render(&problems, &source, false)) };
    let ast = ast::parse(&source).unwrap_or_else(|p| fail(p));
    let (typed, _) = typed::check(&source, &ast, &Overrides::default()).unwrap_or_else(|p| fail(p));
    Arc::new(typed)
}

/// The joint density of a model whose rows are read so many at a time.
fn streamed(text: &str, csv: &str, rows: usize, passes: Passes) -> Result<Joint, Problems> {
    let typed = checked(text);
    joint::check_streamed(&typed, None)?;
    let rows = NonZeroUsize::new(rows).expect("chunks have rows");
    let chunks = Chunks::parse("main.csv", csv, rows)?;
    let (frame, _) = Frame::new(&typed, &chunks, &Tables::default())?;
    joint::stream(frame, chunks, passes)
}

/// Numbers between −0.6 and 0.6 that differ in every coordinate.
fn point(dim: usize, seed: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| 0.6 * ((((k + 1) * 31 + seed * 13) % 29) as f64 / 14.0 - 1.0))
        .collect()
}

/// The value, the value of each term, the gradient and the Hessian times a direction.
fn numbers(joint: &Joint) -> [Vec<f64>; 4] {
    let (z, v) = (point(joint.dim(), 0), point(joint.dim(), 7));
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let (mut gradient, mut product) = (vec![0.0; z.len()], vec![0.0; z.len()]);
    let value = evaluator.gradient(&z, &mut gradient);
    let terms = evaluator.terms().to_vec();
    assert!((evaluator.value(&z) - value).abs() <= 1e-12 * value.abs());
    evaluator.hessian_product(&z, &v, &mut product);
    [vec![value], terms, gradient, product]
}

/// Holds a table in chunks against the whole of it, with these passes.
fn agree(text: &str, csv: &str, rows: usize, passes: Passes) -> Joint {
    let whole = joint::lower_with(&chain::bound(text, csv, &[]), passes);
    let parts = streamed(text, csv, rows, passes).unwrap_or_else(|p| {
        panic!(
            "{}",
            problem::render(&p, &Source::new("model.hvi", text), false)
        )
    });
    for (found, expected) in numbers(&parts).iter().zip(&numbers(&whole)) {
        assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (a - b).abs() <= 1e-12 * scale,
                "{a} and not {b}, in chunks of {rows} rows, of\n{text}"
            );
        }
    }
    let starts = |joint: &Joint| -> Vec<f64> {
        joint.sites().iter().flat_map(|s| s.start.clone()).collect()
    };
    for (a, b) in starts(&parts).iter().zip(&starts(&whole)) {
        assert!((a - b).abs() <= 1e-12, "starts at {a} and not at {b}");
    }
    assert_eq!(parts.conditions(), whole.conditions());
    assert_eq!(parts.model().report().rows, whole.model().report().rows);
    parts
}

/// Rows in no order: a group of 7 that lies in one of 3, an item of 5, covariates of which some have few values, and outcomes.
fn table(rows: usize) -> String {
    let mixed = |i: usize, n: usize| (i * i * 7919 + i * 104_729 + i / 3) % 1_000_003 % n;
    let mut csv = String::from("region,county,item,floor,x,z,y,n,k\n");
    for i in 0..rows {
        let county = mixed(i, 7);
        let x = (mixed(i + 5, 1000) as f64 - 500.0) / 250.0;
        writeln!(
            csv,
            "r{},c{county},{},{},{x},{},{},{},{}",
            county % 3,
            1 + mixed(i + 9, 5),
            mixed(i + 1, 2),
            100.0 + mixed(i + 2, 4) as f64,
            1.5 + 0.3 * x + (mixed(i + 3, 77) as f64) / 70.0,
            mixed(i + 4, 6),
            mixed(i + 6, 2)
        )
        .expect("a string takes text");
    }
    csv
}

/// What becomes of each statement over rows when its table is read in chunks.
fn forms(joint: &Joint) -> Vec<(String, String)> {
    let forms = joint.forms().into_iter();
    let mut forms: Vec<(String, String)> = forms
        .filter(|(_, form)| form.contains("rows"))
        .map(|(term, form)| (joint.terms()[term].name.clone(), form))
        .collect();
    forms.dedup();
    forms
}

fn form(joint: &Joint, name: &str) -> String {
    let found = forms(joint).into_iter().find(|(term, _)| term == name);
    found.map(|(_, form)| form).unwrap_or_default()
}

const NORMAL: &str = "mu, beta ~ Normal(0, 10)
     tau, sigma ~ HalfNormal(1)
     plate region {
       level ~ Normal(mu, tau)
       plate county {
         alpha ~ Normal(level, tau)
         slope ~ Normal(0, tau)
         plate house = rows {
           data floor, x, z: real
           data y: positive
           y ~ Normal(alpha + slope * x + beta * floor + 0.1 * z, sigma) where n < 5
           data n: count
         }
       }
     }";

const CROSSED: &str = "sigma ~ HalfNormal(1)
     plate county { a ~ Normal(0, 1) }
     plate item { b ~ Normal(0, 1); s ~ HalfNormal(1) }
     plate row = rows in county, item {
       data y: positive
       data z: real
       y ~ LogNormal(a + b, s)
       w = standardize(z)
       w ~ Normal(a, 2 + z)
     }";

const BINARY: &str = "mu, beta ~ Normal(0, 1)
     plate county {
       alpha ~ Normal(mu, 1)
       plate row = rows {
         data k: binary
         data n: count
         data floor: real
         k ~ Bernoulli(logit = alpha + beta * floor)
         n ~ Poisson(exp(alpha - beta * floor))
         factor -log(1 + (mu - floor)^2)
       }
     }";

const READ: &str = "mu, beta ~ Normal(0, 1)
     s ~ HalfNormal(1)
     plate county {
       alpha ~ Normal(mu, 1)
       plate row = rows in item {
         data k: binary
         data x: real
         data y: positive
         e = alpha + beta * x
         k ~ Bernoulli(logit = e * b)
         y ~ StudentT(4, e, s)
       }
     }
     plate item { b ~ Normal(0, 1) }";

#[test]
fn rows_are_taken_together_as_chunks_come() {
    let csv = table(400);
    for rows in [64, 97, 400, 1000] {
        let normal = agree(NORMAL, &csv, rows, Passes::all());
        assert!(
            form(&normal, "y").ends_with("rows in 7 cells of 4 columns"),
            "{}",
            form(&normal, "y")
        );
        let crossed = agree(CROSSED, &csv, rows, Passes::all());
        assert_eq!(
            forms(&crossed),
            [
                (
                    "y",
                    "sufficient statistics: 400 rows in 35 cells of 2 columns"
                ),
                (
                    "w",
                    "sufficient statistics: 400 rows in 7 cells of 2 columns"
                )
            ]
            .map(|(term, form)| (term.to_owned(), form.to_owned()))
        );
        let binary = agree(BINARY, &csv, rows, Passes::all());
        assert_eq!(
            form(&binary, "k"),
            "identical rows: 400 rows run as 14 rows"
        );
        assert_eq!(
            form(&binary, "n"),
            "identical rows: 400 rows run as 14 rows"
        );
        assert_eq!(
            form(&binary, "factor"),
            "identical rows: 400 rows run as 2 rows"
        );
    }
}

#[test]
fn rows_that_differ_are_read_for_every_run() {
    let csv = table(300);
    for rows in [1, 33, 299, 300] {
        let read = agree(READ, &csv, rows, Passes::all());
        assert_eq!(form(&read, "k"), "rows read in chunks for every run");
        assert!(read.forests().is_err());
    }
}

#[test]
fn what_chunks_number_for_themselves_is_not_taken_together() {
    // The aggregate has one value for each pair of a county and an item that occurs, in the order in which they do.
    let text = "plate county { a ~ Normal(0, 1) }
         plate item { b ~ Normal(0, 1) }
         plate cell = levels(county, item) { e ~ Normal(0, 1) }
         plate row = rows in county, item { data k: binary; k ~ Bernoulli(logit = sum(cell: e) + b) }";
    let csv = table(400);
    let whole = chain::joint(text, &csv).path();
    assert!(whole.contains("identical rows"), "{whole}");
    let joint = agree(text, &csv, 90, Passes::all());
    assert_eq!(form(&joint, "k"), "rows read in chunks for every run");
}

#[test]
fn any_choice_of_passes_gives_the_same_numbers() {
    let csv = table(150);
    for text in [NORMAL, CROSSED, BINARY, READ] {
        for passes in Passes::subsets() {
            let joint = agree(text, &csv, 40, passes);
            assert_eq!(joint.passes(), passes.without(Pass::Sort));
        }
    }
}

#[test]
fn what_a_chunk_finds_too_often_is_taken_together_in_another_way_or_read() {
    // In chunks of 20 rows no more than 20 cells are kept, of 10 identical rows.
    let csv = table(200);
    let crossed = agree(CROSSED, &csv, 20, Passes::all());
    assert_eq!(form(&crossed, "y"), "rows read in chunks for every run");
    assert!(form(&crossed, "w").starts_with("sufficient statistics"));
    // A hundred rows of two counties, with an intercept, a slope and a column: seven numbers a cell of its own; and identical in all but the outcome.
    let text = "a ~ Normal(0, 1); c ~ Normal(0, 1)
         plate item = 40 { m, b ~ Normal(0, 1)
           plate row = rows { data u, v: real; data y: real; y ~ Normal(m + b * u + c * v, 1) } }";
    let mut csv = String::from("item,u,v,y\n");
    for i in 0..160 {
        let item = i % 40 + 1;
        writeln!(csv, "{item},{},{},{}", item % 3, item % 5, item % 7)
            .expect("a string takes text");
    }
    let joint = agree(text, &csv, 100, Passes::all());
    assert_eq!(form(&joint, "y"), "identical rows: 160 rows run as 40 rows");
}

#[test]
fn a_fit_is_the_same() {
    let csv = table(400);
    for text in [NORMAL, BINARY, READ] {
        let whole = chain::joint(text, &csv);
        let parts = streamed(text, &csv, 128, Passes::all()).expect("it can be streamed");
        let fitted = |joint: &Joint, spec: &GuideSpec| {
            let guide = guide::derive(joint, spec).expect("a guide");
            let elbo = elbo::compose(joint, &guide);
            let mut go_on = |_: &fit::Progress| true;
            let mut settings = Settings {
                max_iterations: 2000,
                batch: None,
                progress: &mut go_on,
            };
            let fit = fit::run(&elbo, &mut settings, &mut rng::stream(1));
            assert_eq!(fit.outcome, Outcome::Converged, "{text}");
            fit.params
        };
        // What is read for every run has no plate to integrate out: both are given the same guide.
        let spec = GuideSpec {
            default: parts
                .forests()
                .is_err()
                .then_some(typed::GuideFamily::MeanField),
        };
        let (a, b) = (fitted(&parts, &spec), fitted(&whole, &spec));
        assert_eq!(a.len(), b.len());
        // Searches that differ by rounding end where their next step is too small to matter, and not in the same point.
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} and not {b}");
        }
    }
}

#[test]
fn what_needs_all_rows_at_once_is_refused() {
    let csv = "y,other\n1,2\n2,1\n";
    for (text, wrong) in [
        (
            "plate row = rows { data y: real; z ~ Normal(0, 1); y ~ Normal(z, 1) }",
            "`z`",
        ),
        (
            "m ~ Normal(mean(row: y), 1)\nplate row = rows { data y: real; y ~ Normal(m, 1) }",
            "an aggregate",
        ),
        (
            "m[row] ~ Normal(0, 1)\nplate row = rows { data y: real; y ~ Normal(m[row], 1) }",
            "`m`",
        ),
        (
            "plate row = rows { data y: real; data other: row; e = 2 * y; y ~ Normal(e[other], 1) }",
            "`other`",
        ),
        (
            "m ~ Normal(length(v), 1)\nv = rep(1, row)\nplate row = rows { data y: real; y ~ Normal(m, 1) }",
            "the number of rows",
        ),
    ] {
        let problems = streamed(text, csv, 10, Passes::all()).expect_err("it needs all rows");
        let first = problems.sorted()[0];
        assert_eq!(first.code, Code::RowsAtOnce, "{text}");
        assert!(first.message.contains(wrong), "{}", first.message);
    }
}

#[test]
fn a_number_that_goes_wrong_is_found_in_its_row() {
    let text = "a ~ Normal(0, 1)
         plate g { plate row = rows { data x, y: real; y ~ Normal(1, sqrt(x - exp(a))) } }";
    let mut csv = String::from("g,x,y\n");
    for i in 0..20 {
        writeln!(csv, "g{},{},1", i % 3, if i == 16 { 0.5 } else { 5.0 })
            .expect("a string takes text");
    }
    let parts = streamed(text, &csv, 6, Passes::none()).expect("it can be streamed");
    let z = vec![0.0; parts.dim()];
    let text = parts.blame(&z).expect("a root of a negative number");
    assert!(text.contains("row 17, g g1"), "{text}");
    let whole = joint::lower_with(
        &chain::bound(parts.model().typed().source().text(), &csv, &[]),
        Passes::none(),
    );
    assert_eq!(whole.blame(&z), Some(text));
}

#[test]
fn a_file_that_changes_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.csv");
    std::fs::write(&path, table(100)).expect("written");
    let chunks = Chunks::open(&path, NonZeroUsize::new(30).expect("some")).expect("a table");
    let (frame, _) = Frame::new(&checked(READ), &chunks, &Tables::default()).expect("it binds");
    let joint = joint::stream(frame, chunks, Passes::all()).expect("it can be streamed");
    std::fs::write(&path, table(80)).expect("written");
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let z = point(joint.dim(), 0);
    let mut gradient = vec![0.0; z.len()];
    assert!(evaluator.gradient(&z, &mut gradient).is_nan());
    assert!(gradient.iter().all(|g| g.is_nan()));
    let why = joint.blame(&z).expect("a reason");
    assert!(why.contains("has changed"), "{why}");
}

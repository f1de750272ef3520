//! What sharing between groups is worth: held-out scores of partial pooling against no pooling and complete pooling, by group size.
//!
//! `cargo bench --bench sharing` cuts the rows of `examples/radon/data.csv` into ten folds, fits the three models of `examples/sharing` to
//! nine of them at a time, and asks for the log density of each row of the tenth. It prints a Markdown table, and draws how counties
//! shrink towards their common mean to `docs/sharing.svg`.

mod figure;

use figure::County;
use hvi::ast;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::diagnostics;
use hvi::elbo;
use hvi::fit;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::model;
use hvi::num::rng;
use hvi::predict;
use hvi::predict::Posterior;
use hvi::report;
use hvi::report::Report;
use hvi::report::Times;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const FOLDS: usize = 10;
/// Groups by the rows that they have in the nine folds.
const SIZES: [(usize, usize); 6] = [(0, 0), (1, 2), (3, 5), (6, 10), (11, 20), (21, 1000)];
const MODELS: [&str; 3] = ["complete", "none", "partial"];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |path: &str| std::fs::read_to_string(root.join(path)).expect("a file of the examples");
    let data = read("examples/radon/data.csv");
    let (heading, rows) = data.split_once('\n').expect("a heading and rows");
    let rows: Vec<&str> = rows.lines().collect();
    let county = |row: usize| rows[row].split(',').next().unwrap_or_default();
    let texts = MODELS.map(|name| read(&format!("examples/sharing/{name}.hvi")));

    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.shuffle(&mut rng::stream(1));
    let mut scores: Vec<[f64; 3]> = vec![[0.0; 3]; rows.len()];
    let mut sizes = vec![0; rows.len()];
    for fold in 0..FOLDS {
        let (out, kept): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|place| place % FOLDS == fold);
        let [out, kept] =
            [out, kept].map(|places| places.iter().map(|p| order[*p]).collect::<Vec<_>>());
        for row in &out {
            sizes[*row] = kept.iter().filter(|k| county(**k) == county(*row)).count();
        }
        for (m, text) in texts.iter().enumerate() {
            let fitted = Fitted::new(MODELS[m], text, &table(heading, &rows, &kept));
            let found = fitted.scores(&table(heading, &rows, &out));
            for (row, score) in out.iter().zip(found) {
                scores[*row][m] = score;
            }
        }
    }
    print(&scores, &sizes);

    let all: Vec<usize> = (0..rows.len()).collect();
    let whole = table(heading, &rows, &all);
    let [none, partial] = [1, 2].map(|m| Fitted::new(MODELS[m], &texts[m], &whole).means());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in all {
        *counts.entry(county(row)).or_default() += 1;
    }
    let counties: Vec<County> = (counts.into_iter())
        .map(|(label, rows)| County {
            rows,
            alone: none[label],
            shared: partial[label],
        })
        .collect();
    let path = root.join("docs/sharing.svg");
    std::fs::write(&path, figure::draw(&counties, partial[""])).expect("docs can be written to");
    say(&format!("\n{} written", path.display()));
}

/// Standard output is what this program is for.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("a place to print to");
}

/// Some rows as a table.
fn table(heading: &str, rows: &[&str], chosen: &[usize]) -> Tables {
    let lines = chosen.iter().map(|row| rows[*row]);
    let csv: Vec<&str> = std::iter::once(heading).chain(lines).collect();
    Tables::new(Table::parse("data.csv", csv.join("\n")).expect("rows of a table"))
}

/// A fitted model.
struct Fitted {
    typed: Arc<Typed>,
    posterior: Posterior,
    report: Report,
}

impl Fitted {
    fn new(name: &str, text: &str, tables: &Tables) -> Fitted {
        let source = Source::new(name, text);
        let tree = ast::parse(&source).expect("an example parses");
        let (typed, _) =
            typed::check(&source, &tree, &Overrides::new()).expect("an example checks");
        let typed = Arc::new(typed);
        let (bound, _) = model::bind(&typed, tables).expect("rows of the example bind");
        let joint = joint::lower(&Arc::new(bound));
        let guide = guide::derive(&joint, &GuideSpec::default()).expect("an example has a guide");
        let elbo = elbo::compose(&joint, &guide);
        let mut settings = fit::Settings {
            max_iterations: 20_000,
            batch: None,
            progress: &mut |_| true,
        };
        let mut rng = rng::stream(1);
        let fit = fit::run(&elbo, &mut settings, &mut rng);
        let found = diagnostics::assess(&elbo, &fit, &mut rng);
        let run = report::Run {
            model: name.to_owned(),
            seed: 1,
            time: Times::default(),
            peak_rss_mb: None,
            intervals: vec![90.0],
            names: ["alpha", "mu"].map(str::to_owned).to_vec(),
        };
        Fitted {
            typed,
            posterior: Posterior::of(&joint, &found, &Overrides::new()),
            report: report::compose(&joint, &elbo, &fit, &found, run),
        }
    }

    /// The log predictive density of each row: of the mean over the draws of its density.
    fn scores(&self, tables: &Tables) -> Vec<f64> {
        let known = self.posterior.known(&self.typed, Vec::new());
        let bound =
            model::bind_known(&self.typed, tables, &known).expect("rows of the example bind");
        let found = predict::log_likelihood(&self.posterior, &Arc::new(bound), 1);
        let found = found.expect("counties can be drawn");
        let draws = &found[0];
        (0..draws[0].len())
            .map(|i| {
                let most = draws.iter().map(|d| d[i]).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = draws.iter().map(|d| (d[i] - most).exp()).sum();
                most + (sum / draws.len() as f64).ln()
            })
            .collect()
    }

    /// The posterior means of `alpha` by county, and of `mu` under no name.
    fn means(&self) -> BTreeMap<String, f64> {
        let label = |p: &report::Parameter| p.label.get("county").cloned().unwrap_or_default();
        let all = self.report.parameters.iter();
        all.map(|p| (label(p), p.mean)).collect()
    }
}

/// The mean score by group size, and what partial pooling gains on the others with its standard error.
fn print(scores: &[[f64; 3]], sizes: &[usize]) {
    say(
        "| rows of the county in the fit | rows scored | complete | none | partial | partial − complete | partial − none |",
    );
    say("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let line = |name: &str, chosen: &[&[f64; 3]]| {
        let n = chosen.len() as f64;
        let mean = |f: &dyn Fn(&[f64; 3]) -> f64| chosen.iter().map(|s| f(s)).sum::<f64>() / n;
        let gain = |m: usize| {
            let gain = mean(&|s| s[2] - s[m]);
            let square = mean(&|s| (s[2] - s[m] - gain).powi(2));
            format!("{gain:+.3} ± {:.3}", (square / n).sqrt())
        };
        let [a, b, c] = [0, 1, 2].map(|m| mean(&|s| s[m]));
        let (n, x, y) = (chosen.len(), gain(0), gain(1));
        say(&format!(
            "| {name} | {n} | {a:.3} | {b:.3} | {c:.3} | {x} | {y} |"
        ));
    };
    for (least, most) in SIZES {
        let inside = |size: usize| (least..=most).contains(&size);
        let chosen = scores.iter().zip(sizes).filter(|(_, size)| inside(**size));
        let chosen: Vec<&[f64; 3]> = chosen.map(|(s, _)| s).collect();
        let name = match (least, most) {
            (0, 0) => "0".to_owned(),
            (least, 1000) => format!("{least} and more"),
            (least, most) => format!("{least} to {most}"),
        };
        if !chosen.is_empty() {
            line(&name, &chosen);
        }
    }
    line("all", &scores.iter().collect::<Vec<_>>());
}

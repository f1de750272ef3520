//! Whether posteriors are right on average: simulation-based calibration, and the error of a known scale as groups grow in number.
//!
//! `cargo bench --bench calibration -- sbc 2000` draws parameters from the prior and data from them 2,000 times for each of five models, fits
//! as `hvic fit` does, and asks where the truth lies in the posterior (Talts, Betancourt, Simpson, Vehtari & Gelman 2018). `-- sweep 20` fits
//! a logistic regression with 100 to 100,000 groups of five rows and a scale of 1, for 20 data seeds each. `-- exact 300` asks how much of the
//! exact posterior of the first model the intervals of its scales hold. All print a Markdown table.

mod exact;
mod models;
mod statistics;

use exact::Exact;
use exact::probability;
use hvi::ast;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::diagnostics;
use hvi::diagnostics::Diagnostics;
use hvi::diagnostics::Resort;
use hvi::diagnostics::Trust;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Joint;
use hvi::model;
use hvi::num::rng;
use hvi::report;
use hvi::report::summary::summarise;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use models::MODELS;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

/// Bins of the histogram of ranks.
const BINS: usize = 20;
/// Numbers of groups of the sweep.
const GROUPS: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let number = |default| words.get(1).and_then(|n| n.parse().ok()).unwrap_or(default);
    match words.first().map(String::as_str) {
        Some("sbc") => {
            let first = words.get(3).and_then(|n| n.parse().ok()).unwrap_or(0);
            calibration(number(2000), words.get(2).map(String::as_str), first);
        }
        Some("sweep") => {
            let most = words.get(2).and_then(|n| n.parse().ok());
            sweep(number(20), most.unwrap_or(GROUPS[3]));
        }
        Some("exact") => intervals(number(300)),
        Some(_) | None => say(
            "cargo bench --bench calibration -- sbc FITS [MODEL [FIRST]] | sweep SEEDS [GROUPS] | exact FITS",
        ),
    }
}

/// Standard output is what this program is for.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("a place to print to");
}

/// A model fitted as `hvic fit` does it.
struct Fitted {
    joint: Joint,
    found: Diagnostics,
    /// The variables that are integrated out, which the draws of the globals alone do not hold.
    integrated: Vec<String>,
}

fn fitted(text: &str, csv: &str, seed: u64) -> Fitted {
    let source = Source::new("model.hvi", text);
    let tree = ast::parse(&source).expect("a model of the list parses");
    let (typed, _) =
        typed::check(&source, &tree, &Overrides::default()).expect("a model of the list checks");
    let table = Table::parse("data.csv", csv).expect("a simulated table");
    let (bound, _) =
        model::bind(&Arc::new(typed), &Tables::new(table)).expect("a simulated table binds");
    let joint = joint::lower(&Arc::new(bound));
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let mut settings = Settings {
        max_iterations: 20_000,
        batch: None,
        progress: &mut |_| true,
    };
    let mut rng = rng::stream(seed);
    let fit = fit::run(&elbo, &mut settings, &mut rng);
    let found = diagnostics::assess(&elbo, &fit, &mut rng);
    let resort = Resort {
        seed,
        progress: &|_| true,
    };
    let found = diagnostics::resort(&elbo, &fit, &found, resort).unwrap_or(found);
    let integrated = guide.integrated().map_or(Vec::new(), |i| {
        let sites = joint.sites().iter().enumerate();
        let held = sites.filter(|(k, _)| i.forest.holds(*k));
        held.map(|(_, site)| site.name.clone()).collect()
    });
    Fitted {
        found,
        integrated,
        joint,
    }
}

impl Fitted {
    /// Draws of a number on the natural scale, with their weights.
    fn draws(&self, name: &str) -> Vec<(f64, f64)> {
        let mut found = self.found.clone();
        // As the summary does it: many draws of the globals alone for what depends on them alone.
        if !found.globals.is_empty() && !self.integrated.iter().any(|n| n == name) {
            let even = -(found.globals.len() as f64).ln();
            found.log_weights = vec![even; found.globals.len()];
            found.draws = std::mem::take(&mut found.globals);
        }
        let drawn = report::draws(&self.joint, &found, &[name.to_owned()]);
        let (_, column) = drawn.into_iter().next().expect("a parameter of the model");
        let weights = found.log_weights.iter().map(|w| w.exp());
        column.into_iter().zip(weights).collect()
    }
}

/// Simulation-based calibration of every model, with tables from number `first` on.
fn calibration(fits: usize, only: Option<&str>, first: u64) {
    say("| model | parameter | fits | in 50% | in 90% | below | above | χ² of ranks | p |");
    say("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for model in MODELS.iter().filter(|m| only.is_none_or(|o| o == m.name)) {
        let start = Instant::now();
        let mut ranks = vec![Vec::with_capacity(fits); model.parameters.len()];
        let (mut trusted, mut sampled) = (0, 0);
        for seed in first..first + fits as u64 {
            let (truth, csv) = (model.simulate)(&mut rng::stream(1_000_003 * seed + 17));
            let fitted = fitted(model.text, &csv, seed);
            trusted += usize::from(fitted.found.trust == Trust::Yes);
            sampled += usize::from(fitted.found.sampled.is_some());
            for ((name, truth), ranks) in model.parameters.iter().zip(truth).zip(&mut ranks) {
                let draws = fitted.draws(name);
                let below = draws.iter().filter(|(x, _)| *x < truth);
                ranks.push(below.map(|(_, w)| w).sum::<f64>());
            }
        }
        for (name, ranks) in model.parameters.iter().zip(&ranks) {
            let share = |from: f64, to: f64| {
                let inside = ranks.iter().filter(|u| (from..=to).contains(*u));
                100.0 * inside.count() as f64 / fits as f64
            };
            let mut bins = [0usize; BINS];
            for u in ranks {
                bins[((u * BINS as f64) as usize).min(BINS - 1)] += 1;
            }
            let expected = fits as f64 / BINS as f64;
            let squares = bins
                .iter()
                .map(|n| (*n as f64 - expected).powi(2) / expected);
            let chi: f64 = squares.sum();
            say(&format!(
                "| {} | `{name}` | {fits} | {:.1}% | {:.1}% | {:.1}% | {:.1}% | {chi:.1} | {:.3} |",
                model.name,
                share(0.25, 0.75),
                share(0.05, 0.95),
                share(0.0, 0.05),
                share(0.95, 1.0),
                statistics::chi_square_tail(chi, (BINS - 1) as f64)
            ));
        }
        say(&format!(
            "| {} | verdict \"yes\" {trusted}, by NUTS {sampled}, {:.3} s a fit | | | | | | | |",
            model.name,
            start.elapsed().as_secs_f64() / fits as f64
        ));
    }
}

/// What 90% intervals of the scales of the first model hold of its exact posterior, and how many truths they and the exact ones hold.
fn intervals(fits: usize) {
    let model = &MODELS[0];
    let mut held = [Vec::with_capacity(fits), Vec::with_capacity(fits)];
    let mut truths = [[0; 2]; 2];
    for seed in 0..fits as u64 {
        let (truth, csv) = (model.simulate)(&mut rng::stream(1_000_003 * seed + 17));
        let (fitted, exact) = (fitted(model.text, &csv, seed), Exact::of(&csv));
        let both = [(1, &exact.log_tau), (2, &exact.log_sigma)];
        for (((k, below), held), truths) in both.into_iter().zip(&mut held).zip(&mut truths) {
            let name = model.parameters[k];
            let draws = fitted.draws(name);
            let (x, weights): (Vec<f64>, Vec<f64>) = draws.into_iter().unzip();
            let ends = summarise(&x, &weights, &[0.05, 0.95]).quantiles;
            held.push(probability(below, ends[1].ln()) - probability(below, ends[0].ln()));
            truths[0] += usize::from((ends[0]..=ends[1]).contains(&truth[k]));
            let exactly = probability(below, truth[k].ln());
            truths[1] += usize::from((0.05..=0.95).contains(&exactly));
        }
    }
    say(
        "| parameter | fits | exact probability inside: mean | sd | least | most | truths inside | inside exact intervals |",
    );
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let names = model.parameters[1..].iter();
    for ((name, held), truths) in names.zip(&held).zip(truths) {
        let n = fits as f64;
        let mean = held.iter().sum::<f64>() / n;
        let variance = held.iter().map(|h| (h - mean).powi(2)).sum::<f64>() / n;
        say(&format!(
            "| `{name}` | {fits} | {:.2}% | {:.2} | {:.1}% | {:.1}% | {:.1}% | {:.1}% |",
            100.0 * mean,
            100.0 * variance.sqrt(),
            100.0 * held.iter().copied().fold(1.0, f64::min),
            100.0 * held.iter().copied().fold(0.0, f64::max),
            100.0 * truths[0] as f64 / n,
            100.0 * truths[1] as f64 / n,
        ));
    }
}

/// The standardised error of log τ where τ = 1.
fn sweep(seeds: usize, most: usize) {
    say(
        "| groups | seeds | mean of z | sd of z | Σ z² | p | mean sd of log τ | verdict \"yes\" | seconds a fit |",
    );
    say("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for groups in GROUPS.into_iter().filter(|g| *g <= most) {
        let start = Instant::now();
        let (mut errors, mut sds, mut trusted) = (Vec::new(), Vec::new(), 0);
        for seed in 0..seeds as u64 {
            let csv = models::known_scale(groups, &mut rng::stream(7_919 * seed + 3));
            let fitted = fitted(models::KNOWN_SCALE, &csv, seed);
            trusted += usize::from(fitted.found.trust == Trust::Yes);
            let draws = fitted.draws("tau");
            let mean: f64 = draws.iter().map(|(x, w)| w * x.ln()).sum();
            let squares = draws.iter().map(|(x, w)| w * (x.ln() - mean).powi(2));
            let sd = squares.sum::<f64>().sqrt();
            errors.push(mean / sd);
            sds.push(sd);
        }
        let n = seeds as f64;
        let mean = errors.iter().sum::<f64>() / n;
        let variance = errors.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let squares: f64 = errors.iter().map(|z| z * z).sum();
        let tail = statistics::chi_square_tail(squares, n);
        say(&format!(
            "| {groups} | {seeds} | {mean:.2} | {:.2} | {squares:.1} | {:.3} | {:.4} | {trusted} | {:.2} |",
            variance.sqrt(),
            2.0 * tail.min(1.0 - tail),
            sds.iter().sum::<f64>() / n,
            start.elapsed().as_secs_f64() / n
        ));
    }
}

//! Few-shot classification: three digits that no task has had, from one or five images of each.

use super::Effort;
use super::amortized;
use super::bound;
use super::learn;
use super::say;
use hvi::data::Table;
use hvi::joint::Joint;
use hvi::num::rng;
use hvi::num::rng::Rng;
use rand::RngExt;
use rand_distr::Distribution;
use rand_distr::StandardNormal;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

const MODEL: &str = include_str!("../../examples/digits/digits.hvi");
/// Digits of the tasks that are learned from, and of new ones, each with the symmetries of the square under which it is a class of its own:
/// six digits alone would be learned by heart.
const OLD: (Range<usize>, usize) = (0..6, 8);
const NEW: (Range<usize>, usize) = (6..10, 1);
/// Digits of a task, and images of each beside those of the steps.
const WAYS: usize = 3;
const QUERY: usize = 5;
const SHOTS: [usize; 2] = [1, 5];
/// New tasks.
const TASKS: usize = 500;
/// Steps of the fit, and those that a task that is learned alone takes.
const STEPS: usize = 10;
const ALONE: usize = 100;
/// Draws of the weights for a predictive distribution.
const DRAWS: usize = 40;
/// Bins of the confidence in the expected calibration error.
const BINS: usize = 10;

/// Learns from `tasks` tasks, and prints how well new ones are classified.
pub fn digits(tasks: usize, effort: &Effort) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits/digits.csv.gz");
    let images = Table::open(&path).expect("examples/digits/export.py writes the images");
    let mut rng = rng::stream(effort.seed);
    let (csv, _) = table(&images, tasks, OLD, &mut rng, |t| SHOTS[t % 2]);
    let globals = learn(MODEL, &csv, tasks, effort);

    say("| images of a digit | weights | right | calibration error |");
    say("| ---: | --- | ---: | ---: |");
    for shots in SHOTS {
        let mut rng = rng::stream(effort.seed + 1000);
        let (csv, truth) = table(&images, TASKS, NEW, &mut rng, |_| shots);
        let (whole, new) = (bound(MODEL, &csv), amortized(MODEL, &csv));
        let unlearned = unlearned(&new, &mut rng);
        for (name, globals, steps, draws) in [
            ("adapted, a distribution", &globals, STEPS, DRAWS),
            ("adapted, their means", &globals, STEPS, 0),
            ("adapted in 100 steps", &globals, ALONE, DRAWS),
            ("each task alone", &unlearned, ALONE, DRAWS),
            ("not adapted", &globals, 0, DRAWS),
        ] {
            let guesses = guesses(&whole, &new, globals, steps, draws, &mut rng);
            let (right, error) = score(&guesses, &truth);
            let se = (right * (1.0 - right) / (TASKS * WAYS * QUERY) as f64).sqrt();
            say(&format!(
                "| {shots} | {name} | {:.1}% ± {:.1}% | {:.1}% |",
                100.0 * right,
                100.0 * se,
                100.0 * error
            ));
        }
    }
}

/// Tasks, and of each row the digit among those of the task, or `None` where the steps see it.
fn table(
    images: &Table,
    tasks: usize,
    (digits, symmetries): (Range<usize>, usize),
    rng: &mut Rng,
    shots: impl Fn(usize) -> usize,
) -> (String, Vec<Option<usize>>) {
    let column = |name: &str| images.column(name).expect("a column of the images");
    let pixels: Vec<_> = (1..=64).map(|k| column(&format!("x{k}"))).collect();
    let digit = column("digit");
    let mut of_digit = vec![Vec::new(); 10];
    for row in 0..images.rows() {
        let digit = digit.text(row).and_then(|d| d.parse::<usize>().ok());
        of_digit[digit.expect("a digit")].push(row);
    }
    let names: Vec<String> = (1..=64).map(|k| format!("x{k}")).collect();
    let mut csv = format!("task,y,is_support,{}\n", names.join(","));
    let mut truth = Vec::new();
    for task in 0..tasks {
        let classes = digits
            .clone()
            .flat_map(|d| (0..symmetries).map(move |s| (d, s)));
        let mut left: Vec<(usize, usize)> = classes.collect();
        for way in 0..WAYS {
            let (digit, symmetry) = left.swap_remove(rng.random_range(0..left.len()));
            let mut rows = of_digit[digit].clone();
            for i in 0..shots(task) + QUERY {
                let row = rows.swap_remove(rng.random_range(0..rows.len()));
                let is_support = i < shots(task);
                write!(csv, "{task},{},{}", way + 1, u8::from(is_support)).expect("text");
                for k in 0..64 {
                    let pixel = pixels[moved(k, symmetry)].text(row);
                    write!(csv, ",{}", pixel.expect("a pixel")).expect("text");
                }
                csv.push('\n');
                truth.push((!is_support).then_some(way));
            }
        }
    }
    (csv, truth)
}

/// Where the pixel at a place comes from under one of the eight symmetries of the square.
fn moved(place: usize, symmetry: usize) -> usize {
    let (mut row, mut column) = (place / 8, place % 8);
    if symmetry & 1 != 0 {
        row = 7 - row;
    }
    if symmetry & 2 != 0 {
        column = 7 - column;
    }
    if symmetry & 4 != 0 {
        (row, column) = (column, row);
    }
    8 * row + column
}

/// Globals that no task has been learned from: centres at random, as a network begins, and wide priors.
fn unlearned(joint: &Joint, rng: &mut Rng) -> Vec<f64> {
    let mut globals = Vec::new();
    for site in joint.sites() {
        let value: Box<dyn Fn(f64) -> f64> = match site.name.as_str() {
            // Means: a fan-in draw. The others are logarithms of sds.
            "m1" => Box::new(|e| 0.2 * e),
            "a1" => Box::new(|e| 0.5 * e),
            "s1" | "r1" => Box::new(|_| 0.2_f64.ln()),
            _ => Box::new(|_| 1.0_f64.ln()),
        };
        for _ in 0..site.width {
            globals.push(value(StandardNormal.sample(rng)));
        }
    }
    globals
}

/// The probabilities of the digits of a task for each row: means over draws of the weights, or, without draws, at their means.
fn guesses(
    whole: &Joint,
    new: &Joint,
    globals: &[f64],
    steps: usize,
    draws: usize,
    rng: &mut Rng,
) -> Vec<[f64; WAYS]> {
    let locals = new.adapted(globals, steps).expect("the plate is amortised");
    let logits = whole.requested(|q| q.name == "eta");
    let mut workspace = logits.workspace::<f64>();
    let mut guesses = Vec::new();
    for _ in 0..draws.max(1) {
        let mut z = globals.to_vec();
        z.extend(
            locals
                .mean
                .iter()
                .zip(&locals.log_sd)
                .map(|(mean, log_sd)| {
                    let e: f64 = StandardNormal.sample(rng);
                    mean + if draws > 0 { log_sd.exp() * e } else { 0.0 }
                }),
        );
        logits.value(&z, &mut workspace);
        let eta = workspace.output(0);
        let rows = eta.len() / WAYS;
        guesses.resize(rows, [0.0; WAYS]);
        for (i, guess) in guesses.iter_mut().enumerate() {
            let of: [f64; WAYS] = std::array::from_fn(|k| eta[k * rows + i]);
            let most = of.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = of.iter().map(|x| (x - most).exp()).sum();
            for (guess, x) in guess.iter_mut().zip(of) {
                *guess += (x - most).exp() / total / draws.max(1) as f64;
            }
        }
    }
    guesses
}

/// The share of rows that are guessed right, and the expected calibration error: the distance between confidence and that share in each
/// bin of the confidence, a mean over rows (Guo, Pleiss, Sun & Weinberger 2017).
fn score(guesses: &[[f64; WAYS]], truth: &[Option<usize>]) -> (f64, f64) {
    let (mut right, mut rows, mut bins) = (0.0, 0.0, [0.0; BINS]);
    for (guess, truth) in guesses.iter().zip(truth) {
        let Some(truth) = truth else { continue };
        let best = (0..WAYS).fold(0, |best, k| if guess[k] > guess[best] { k } else { best });
        let hit = f64::from(u8::from(best == *truth));
        let bin = ((guess[best] * BINS as f64) as usize).min(BINS - 1);
        bins[bin] += guess[best] - hit;
        right += hit;
        rows += 1.0;
    }
    let error: f64 = bins.iter().map(|gap| gap.abs()).sum();
    (right / rows, error / rows)
}

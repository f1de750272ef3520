//! Few-shot learning of sines: a network per task, its weights found by gradient steps from what other tasks have taught.
//!
//! `cargo bench --bench meta -- [--noise 0.3] [--steps N] [--tasks M] [--seed S]` makes tasks y = A sin(x − p), A ~ U[0.1, 5], p ~ U[0, π],
//! x ~ U[−5, 5], fits `examples/sinusoid/sinusoid.hvi` to them in mini-batches, once with five and once with ten points for the steps, and asks
//! of 1,000 new tasks how near the curve that as many of their points lead to is to the true one (Finn, Abbeel & Levine 2017), and how often 90% intervals hold new points. It prints a
//! Markdown table. `cargo bench --bench meta -- --exact` does the same with `examples/sinusoid/exact.hvi`, whose tasks are learned in closed
//! form, by default from 100 tasks without noise, `-- --digits` with images of digits, `-- --speed TASKS` measures the gradient of the
//! networks beside one written by hand, and `-- --streamed` the memory of fits to tasks that are read from disk.

mod digits;
mod exact;
mod speed;
mod streamed;

use cpu_time::ProcessTime;
use hvi::ast;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Joint;
use hvi::model;
use hvi::num::rng;
use hvi::num::rng::Rng;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use rand::RngExt;
use rand_distr::Distribution;
use rand_distr::StandardNormal;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

const MODEL: &str = include_str!("../../examples/sinusoid/sinusoid.hvi");
/// New tasks, and points of each at which the curve is asked for.
const NEW: (usize, usize) = (1000, 20);
/// Points of a training task beside those of the steps.
const QUERY: usize = 10;
/// Numbers of points that the steps see, and of steps.
const SHOTS: [usize; 2] = [5, 10];
const STEPS: [usize; 4] = [0, 1, 5, 10];
/// Draws of the weights for a predictive distribution.
const DRAWS: usize = 40;

/// Standard output is what this program is for.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("a place to print to");
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: f64| {
        let place = words.iter().position(|w| w == name);
        let value = place.and_then(|i| words.get(i + 1)?.parse().ok());
        value.unwrap_or(default)
    };
    let has = |name: &str| words.iter().any(|w| w == name);
    let usual = match has("--exact") {
        true => (0.0, 100.0, 20_000.0),
        false => (0.3, 2000.0, 4000.0),
    };
    let (noise, tasks) = (
        option("--noise", usual.0),
        option("--tasks", usual.1) as usize,
    );
    let (most, seed) = (
        option("--steps", usual.2) as usize,
        option("--seed", 1.0) as u64,
    );
    let batch = option("--batch", 16.0) as usize;

    let measured = option("--speed", 0.0) as usize;
    if measured > 0 {
        return speed::speed(measured, 9);
    }
    if has("--streamed") {
        return streamed::streamed(seed);
    }
    let effort = Effort { most, batch, seed };
    if has("--exact") {
        return exact::exact(tasks, noise, &effort);
    }
    if has("--digits") {
        return digits::digits(tasks, &effort);
    }
    let mut rows = Vec::new();
    for shots in SHOTS {
        let mut rng = rng::stream(seed);
        let (csv, _) = table(tasks, &mut rng, noise, |_| (shots, QUERY));
        say(&format!(
            "{tasks} tasks of {shots} points with noise {noise}"
        ));
        let globals = learn(MODEL, &csv, tasks, &effort);
        let mut rng = rng::stream(seed + 1000);
        let (csv, truth) = table(NEW.0, &mut rng, noise, |_| (shots, NEW.1));
        let (whole, new) = (bound(MODEL, &csv), amortized(MODEL, &csv));
        for steps in STEPS {
            let found = evaluate(&whole, &new, &globals, steps, &truth, &mut rng);
            rows.push(format!(
                "| {shots} | {steps} | {:.3} ± {:.3} | {:.1}% | {:.2} |",
                found.error.0,
                found.error.1,
                100.0 * found.coverage,
                found.adapting,
            ));
        }
    }
    say("| points | steps | mean squared error | 90% intervals hold | seconds |");
    say("| ---: | ---: | ---: | ---: | ---: |");
    rows.iter().for_each(|row| say(row));
}

/// How long to learn, and from what.
struct Effort {
    most: usize,
    batch: usize,
    seed: u64,
}

/// The globals of a model fitted to so many tasks in mini-batches; says how it goes on.
fn learn(model: &str, csv: &str, tasks: usize, effort: &Effort) -> Vec<f64> {
    let joint = amortized(model, csv);
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let mut progress = |p: &fit::Progress| {
        if p.iteration.is_multiple_of(400) {
            say(&format!(
                "step {:6}  {:5.0} s  ELBO per task {:.3} ± {:.3}",
                p.iteration,
                start.elapsed().as_secs_f64(),
                p.elbo / tasks as f64,
                p.error.unwrap_or_default() / tasks as f64,
            ));
        }
        true
    };
    let mut settings = Settings {
        max_iterations: effort.most,
        batch: Some(effort.batch),
        progress: &mut progress,
    };
    let fit = fit::run(&elbo, &mut settings, &mut rng::stream(effort.seed));
    say(&format!(
        "\n{:?} after {} steps of {} tasks: {:.0} s, {:.0} s of processor time; ELBO per task {:.3}\n",
        fit.outcome,
        fit.history.len(),
        effort.batch,
        start.elapsed().as_secs_f64(),
        cpu.elapsed().as_secs_f64(),
        fit.elbo.total / tasks as f64,
    ));
    guide.gaussian(&fit.params).mean
}

/// A row of a task with the value of its curve, and whether the steps see it.
struct Truth {
    task: usize,
    curve: f64,
    y: f64,
    is_support: bool,
}

/// Tasks, each with so many points for the steps and beside them.
fn table(
    tasks: usize,
    rng: &mut Rng,
    noise: f64,
    points: impl Fn(usize) -> (usize, usize),
) -> (String, Vec<Truth>) {
    let (mut csv, mut truth) = ("task,x,y,is_support\n".to_owned(), Vec::new());
    for task in 0..tasks {
        let amplitude: f64 = rng.random_range(0.1..5.0);
        let phase: f64 = rng.random_range(0.0..std::f64::consts::PI);
        let (support, query) = points(task);
        for i in 0..support + query {
            let x: f64 = rng.random_range(-5.0..5.0);
            let error: f64 = StandardNormal.sample(rng);
            let curve = amplitude * (x - phase).sin();
            let (y, is_support) = (curve + noise * error, i < support);
            writeln!(csv, "{task},{x},{y},{}", u8::from(is_support)).expect("text");
            truth.push(Truth {
                task,
                curve,
                y,
                is_support,
            });
        }
    }
    (csv, truth)
}

fn bound(model: &str, csv: &str) -> Joint {
    let source = Source::new("tasks.hvi", model);
    let tree = ast::parse(&source).expect("the example parses");
    let (typed, _) = typed::check(&source, &tree, &Overrides::default()).expect("it checks");
    let table = Table::parse("tasks.csv", csv).expect("a simulated table");
    let (bound, _) = model::bind(&Arc::new(typed), &Tables::new(table)).expect("it binds");
    joint::lower_bare(Arc::new(bound), joint::Passes::all())
}

fn amortized(model: &str, csv: &str) -> Joint {
    joint::amortize(bound(model, csv)).expect("tasks are independent")
}

/// How well new tasks are learned.
struct Found {
    /// The squared error of the predictive mean at new points, with its standard error over tasks.
    error: (f64, f64),
    /// The median of the tasks' squared errors.
    median: f64,
    /// The share of new points in their 90% intervals.
    coverage: f64,
    /// Seconds that finding the weights took.
    adapting: f64,
}

fn evaluate(
    whole: &Joint,
    new: &Joint,
    globals: &[f64],
    steps: usize,
    truth: &[Truth],
    rng: &mut Rng,
) -> Found {
    let start = Instant::now();
    let locals = new.adapted(globals, steps).expect("the plate is amortised");
    let adapting = start.elapsed().as_secs_f64();
    let sigma = new.sites().iter().find(|s| s.name == "sigma");
    let sigma = globals[sigma.expect("the noise is a global").offset].exp();
    let draw = |_| {
        let mut z = globals.to_vec();
        let weights = locals.mean.iter().zip(&locals.log_sd);
        z.extend(weights.map(|(mean, log_sd)| {
            let e: f64 = StandardNormal.sample(rng);
            mean + log_sd.exp() * e
        }));
        z
    };
    score(whole, sigma, truth, adapting, draw)
}

/// What draws of all coordinates, given the points that a task was learned from, say of the others.
fn score(
    whole: &Joint,
    sigma: f64,
    truth: &[Truth],
    adapting: f64,
    draw: impl FnMut(usize) -> Vec<f64>,
) -> Found {
    let curve = whole.requested(|q| q.name == "f");
    let mut workspace = curve.workspace::<f64>();
    let mut draws: Vec<Vec<f64>> = vec![Vec::new(); truth.len()];
    for z in (0..DRAWS).map(draw) {
        curve.value(&z, &mut workspace);
        for (draws, f) in draws.iter_mut().zip(workspace.output(0)) {
            draws.push(*f);
        }
    }
    let mut errors = vec![0.0; NEW.0];
    let (mut inside, mut rows) = (0.0, 0.0);
    for (row, draws) in truth.iter().zip(&draws).filter(|(row, _)| !row.is_support) {
        let mean = draws.iter().sum::<f64>() / DRAWS as f64;
        errors[row.task] += (mean - row.curve).powi(2) / NEW.1 as f64;
        // The distribution function of the mixture of Normals that the draws are the means of.
        let below = draws
            .iter()
            .map(|f| hvi::num::special::normal_cdf((row.y - f) / sigma));
        let below = below.sum::<f64>() / DRAWS as f64;
        inside += f64::from(u8::from((0.05..=0.95).contains(&below)));
        rows += 1.0;
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let mut sorted = errors.clone();
    sorted.sort_by(f64::total_cmp);
    let square: f64 = errors.iter().map(|e| (e - mean).powi(2)).sum();
    Found {
        error: (mean, square.sqrt() / errors.len() as f64),
        median: sorted[sorted.len() / 2],
        coverage: inside / rows,
        adapting,
    }
}

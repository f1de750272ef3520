//! Sines as sums of radial features, the weights of a task integrated out: what the closed form buys.

use super::Effort;
use super::Found;
use super::NEW;
use super::SHOTS;
use super::Truth;
use super::bound;
use super::say;
use super::score;
use super::table;
use cpu_time::ProcessTime;
use hvi::diagnostics;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint::Joint;
use hvi::marginal::Integral;
use hvi::marginal::Marginal;
use hvi::num::rng;
use hvi::num::rng::Rng;
use rand_distr::Distribution;
use rand_distr::StandardNormal;
use std::time::Instant;

const MODEL: &str = include_str!("../../examples/sinusoid/exact.hvi");
/// Points of a training task.
const POINTS: usize = 20;

/// Learns from so many tasks, and asks new ones.
pub(super) fn exact(tasks: usize, noise: f64, effort: &Effort) {
    let seed = effort.seed;
    let mut rng = rng::stream(seed);
    let (csv, _) = table(tasks, &mut rng, noise, |_| (POINTS, 0));
    let joint = bound(MODEL, &csv);
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let mut settings = Settings {
        max_iterations: effort.most,
        batch: None,
        progress: &mut |_| true,
    };
    let mut stream = rng::stream(seed);
    let fit = fit::run(&elbo, &mut settings, &mut stream);
    let took = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    let found = diagnostics::assess(&elbo, &fit, &mut stream);
    let forest = &guide
        .integrated()
        .expect("locals are integrated out")
        .forest;
    let z = guide.gaussian(&fit.params).mean;
    let globals: Vec<f64> = forest.globals.iter().map(|g| z[*g as usize]).collect();
    say(&format!(
        "{tasks} tasks of {POINTS} points with noise {noise}, {} globals\n{}\n\n{:?} after {} iterations: {:.1} s, {:.1} s of processor time; log density {:.1}, sigma {:.5}\n",
        globals.len(),
        found.text,
        fit.outcome,
        fit.history.len(),
        took.0,
        took.1,
        fit.elbo.total,
        sigma(&joint, &z),
    ));
    say("| points | mean squared error | median over tasks | 90% intervals hold | seconds |");
    say("| ---: | ---: | ---: | ---: | ---: |");
    for shots in SHOTS {
        let mut rng = rng::stream(seed + 1000);
        let (csv, truth) = table(NEW.0, &mut rng, noise, |_| (shots, NEW.1));
        let found = evaluate(&csv, &truth, &globals, &mut rng);
        say(&format!(
            "| {shots} | {:.2e} ± {:.0e} | {:.1e} | {:.1}% | {:.2} |",
            found.error.0,
            found.error.1,
            found.median,
            100.0 * found.coverage,
            found.adapting,
        ));
    }
}

/// The sd of the noise, at all coordinates of a joint density.
fn sigma(joint: &Joint, z: &[f64]) -> f64 {
    let site = joint.sites().iter().find(|s| s.name == "sigma");
    z[site.expect("the noise is a global").offset].exp()
}

/// New tasks given the points for the steps, here the data, at the others.
fn evaluate(csv: &str, truth: &[Truth], globals: &[f64], rng: &mut Rng) -> Found {
    let seen: Vec<&str> = (csv.lines().enumerate())
        .filter(|(i, line)| *i == 0 || line.ends_with(",1"))
        .map(|(_, line)| line)
        .collect();
    let new = bound(MODEL, &seen.join("\n"));
    let start = Instant::now();
    let guide = guide::derive(&new, &GuideSpec::default()).expect("a guide");
    let forest = &guide
        .integrated()
        .expect("locals are integrated out")
        .forest;
    let mut marginal = Marginal::new(&new, forest, Integral::Exact).expect("a density");
    let (_, locals) = marginal.value_with(globals);
    let adapting = start.elapsed().as_secs_f64();
    let sigma = sigma(&new, &locals.mean);
    // In pairs on both sides of the mean: the curve is linear in the weights, so its own mean is exact.
    let mut noise: Vec<f64> = vec![0.0; locals.mean.len()];
    let draw = |k: usize| {
        match k % 2 {
            0 => (noise.iter_mut()).for_each(|e| *e = StandardNormal.sample(&mut *rng)),
            _ => noise.iter_mut().for_each(|e| *e = -*e),
        }
        locals.draw(&forest.plates, &noise)
    };
    score(&bound(MODEL, csv), sigma, truth, adapting, draw)
}

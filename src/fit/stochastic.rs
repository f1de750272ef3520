//! Maximising the ELBO over fresh noise in every step, by Adam with tail averaging.
//!
//! For guides with more columns in a row of S than there can be fixed draws, and for steps that see mini-batches.

use super::Ending;
use super::Run;
use super::State;
use super::batches::Batches;
use super::estimate::Estimate;
use super::prior;
use super::start::Start;
use super::tail;
use super::tail::Moments;
use super::tail::Tail;
use super::whitened::Whitened;
use crate::guide::Gaussian;
use crate::guide::noise::Noise;
use std::collections::VecDeque;
use std::mem;

/// How long steps are, and how many looks they are made of.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Antithetic pairs of draws in a step.
    pairs: usize,
    /// Steps in a window; its iterates are averaged.
    window: usize,
    /// How many windows earlier the one is that a window has to be better than: slow progress adds up over them.
    patience: usize,
    /// The first learning rate, in the sds of the start per step, and the last.
    rates: (f64, f64),
}

/// The share of the iterations over which steps become shorter where no plateau has made them so.
const TAIL: f64 = 0.4;

impl Pace {
    /// The longest step that the iterations left allow: over the last of them it falls, evenly in its logarithm, to the shortest, so that
    /// a fit that is cut short has averaged its noise away all the same.
    fn ceiling(&self, run: &Run<'_, '_>) -> f64 {
        let left = run.left() as f64 / (TAIL * run.settings.max_iterations as f64);
        self.rates.1 * (self.rates.0 / self.rates.1).powf(left.min(1.0))
    }
}

/// Where every step sees all data.
const ALL: Pace = Pace {
    pairs: 4,
    window: 50,
    patience: 1,
    rates: (0.05, 0.004),
};

/// Where a step sees a mini-batch, whose noise is that of the draws and of the elements.
const BATCHES: Pace = Pace {
    pairs: 1,
    window: 400,
    patience: 5,
    rates: (0.02, 0.001),
};

/// Maximises from a start, over all data in each step or over mini-batches.
pub(super) fn maximise(
    run: &mut Run<'_, '_>,
    start: &Start,
    batches: Option<Batches>,
    seed: u32,
) -> (Gaussian, Ending) {
    let mut base = start.gaussian(run.elbo);
    // Begin inside the posterior: too wide a draw of a curved density has enormous gradients.
    base.scale.iter_mut().for_each(|s| *s *= 0.3);
    let view = Whitened::new(run.elbo.guide, base, start.metric.clone());
    let pace = match batches {
        Some(_) => BATCHES,
        None => ALL,
    };
    climb(run, &view, pace, batches, seed)
}

/// Maximises over mini-batches from a draw near the mode of the terms over globals alone, of a density whose locals are found by gradient
/// steps.
pub(super) fn from_prior(run: &mut Run<'_, '_>, batches: Batches, seed: u32) -> (Gaussian, Ending) {
    let guide = run.elbo.guide;
    let begin = prior::draw(run.elbo, seed);
    // A narrow q, which widens where the data let it.
    let mut scale = guide.pattern().identity();
    for r in guide.pattern().order() {
        scale[guide.pattern().diagonal(r)] = NARROW * begin.sd[r];
    }
    let base = Gaussian {
        mean: begin.mean,
        scale,
    };
    let view = Whitened::scaled(guide, base, &begin.sd);
    climb(run, &view, BATCHES, Some(batches), seed)
}

/// The sds of q where mini-batches begin, as a share of the prior's.
const NARROW: f64 = 0.1;

/// The share of the learning rate that is left after a plateau.
const SLOWER: f64 = 0.4;

/// Where steps stand: all that those to come depend on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Progress {
    pub x: Vec<f64>,
    pub adam: Adam,
    pub rate: f64,
    /// The windows before this one, the oldest first.
    pub before: VecDeque<Window>,
    pub window: Window,
    /// Steps of this window so far, and of all.
    pub tried: usize,
    pub step: u32,
}

impl Progress {
    fn new(len: usize, features: usize, pace: Pace) -> Progress {
        Progress {
            x: vec![0.0; len],
            adam: Adam::new(len),
            rate: pace.rates.0,
            before: VecDeque::new(),
            window: Window::new(len, features),
            tried: 0,
            step: 0,
        }
    }
}

/// Steps uphill until the value no longer rises; from where an earlier run stood, if there was one.
fn climb(
    run: &mut Run<'_, '_>,
    view: &Whitened<'_>,
    pace: Pace,
    mut batches: Option<Batches>,
    seed: u32,
) -> (Gaussian, Ending) {
    let guide = run.elbo.guide;
    let features = tail::len(guide);
    let mut now = Progress::new(view.len(), features, pace);
    let state = run.state.take().filter(|s| s.fits(view.len(), features));
    if let Some(State { progress, history }) = state {
        (now, run.history) = (progress, history);
    }
    if let Some(batches) = &mut batches {
        (0..now.step).for_each(|_| _ = batches.next_batch());
    }
    let (answer, ending) = steps(run, view, pace, batches, seed, &mut now);
    let begun = (now.window.seen.count > 1.0).then_some(&now.window);
    let windows: Vec<&Moments> = now.before.iter().chain(begun).map(|w| &w.seen).collect();
    run.tail = Tail::of(guide, &windows, |r| match guide.pattern().spreads(r) {
        true => guide.sd(&answer, r),
        false => view.unit(r),
    });
    run.state = match ending {
        Ending::Interrupted | Ending::Spent => Some(State {
            progress: now,
            history: run.history.clone(),
        }),
        Ending::Converged | Ending::NotFinite(_) => None,
    };
    (answer, ending)
}

fn steps(
    run: &mut Run<'_, '_>,
    view: &Whitened<'_>,
    pace: Pace,
    mut batches: Option<Batches>,
    seed: u32,
    now: &mut Progress,
) -> (Gaussian, Ending) {
    let guide = run.elbo.guide;
    let mut estimate = Estimate::new(run.elbo, view);
    loop {
        for _ in now.tried..pace.window {
            let number = seed.wrapping_add(now.step);
            let noise = match guide.pattern().is_empty() {
                true => Noise::none(guide.dim()),
                false => Noise::paired(guide, pace.pairs, number),
            };
            if let Some(batches) = &mut batches {
                estimate.batch(batches.next_batch(), number);
            }
            now.step += 1;
            now.tried += 1;
            let mut gradient = vec![0.0; view.len()];
            let value = estimate.evaluate(&now.x, &noise, &mut gradient);
            if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
                // Half the way back to the last average, and smaller steps.
                now.rate *= 0.5;
                now.adam = Adam::new(view.len());
                let Some(last) = (now.before.back()).filter(|_| now.rate > 1e-3 * pace.rates.1)
                else {
                    return (
                        view.gaussian(&now.x),
                        Ending::NotFinite(estimate.point().to_vec()),
                    );
                };
                for (x, mean) in now.x.iter_mut().zip(&last.mean) {
                    *x = 0.5 * (*x + mean);
                }
                continue;
            }
            let rate = now.rate.min(pace.ceiling(run));
            now.adam.step(&gradient, rate, &mut now.x);
            let features = tail::features(guide, value, &view.gaussian(&now.x));
            now.window.add(&now.x, &features);
            run.history.push(value);
            if !run.show(now.window.value(), now.window.error()) {
                return (view.gaussian(&now.x), Ending::Interrupted);
            }
            if run.left() == 0 {
                return (view.gaussian(&now.window.mean), Ending::Spent);
            }
        }
        let window = mem::replace(&mut now.window, Window::new(view.len(), tail::len(guide)));
        now.tried = 0;
        // A plateau: the average value no longer rises by more than its noise.
        let full = now.before.len() == pace.patience;
        let flat = now.before.front().filter(|_| full).is_some_and(|earlier| {
            let errors = [&window, earlier].map(|w| w.error().unwrap_or(0.0));
            window.value() - earlier.value() < 2.0 * errors[0].hypot(errors[1])
        });
        if flat && now.rate <= pace.rates.1 {
            now.before.push_back(window);
            return (view.gaussian(&average(&now.before)), Ending::Converged);
        }
        if flat {
            now.rate *= SLOWER;
            now.x.clone_from(&window.mean);
            now.before.clear();
        } else {
            if full {
                now.before.pop_front();
            }
            now.before.push_back(window);
        }
    }
}

/// The mean over the iterates of the last windows, two at most.
fn average(windows: &VecDeque<Window>) -> Vec<f64> {
    let last: Vec<&Window> = windows.iter().rev().take(2).collect();
    let share = 1.0 / last.len() as f64;
    let mut mean = vec![0.0; last.first().map_or(0, |w| w.mean.len())];
    for window in last {
        for (mean, x) in mean.iter_mut().zip(&window.mean) {
            *mean += share * x;
        }
    }
    mean
}

/// Averages over a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    /// The mean of the iterates.
    pub mean: Vec<f64>,
    /// The bound and what the guide is.
    pub seen: Moments,
}

impl Window {
    fn new(len: usize, features: usize) -> Window {
        Window {
            mean: vec![0.0; len],
            seen: Moments::new(features),
        }
    }

    fn add(&mut self, x: &[f64], features: &[f64]) {
        self.seen.add(features);
        for (mean, x) in self.mean.iter_mut().zip(x) {
            *mean += (x - *mean) / self.seen.count;
        }
    }

    /// The mean of the bound.
    fn value(&self) -> f64 {
        self.seen.mean[0]
    }

    /// Its standard error, after two steps.
    fn error(&self) -> Option<f64> {
        let n = self.seen.count;
        (n > 1.0).then(|| (self.seen.squares[0] / (n - 1.0) / n).sqrt())
    }
}

/// Adam (Kingma & Ba 2015) going uphill.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Adam {
    pub first: Vec<f64>,
    pub second: Vec<f64>,
    pub steps: i32,
}

impl Adam {
    fn new(len: usize) -> Adam {
        Adam {
            first: vec![0.0; len],
            second: vec![0.0; len],
            steps: 0,
        }
    }

    fn step(&mut self, gradient: &[f64], rate: f64, x: &mut [f64]) {
        const DECAY: (f64, f64) = (0.9, 0.99);
        self.steps += 1;
        let (c1, c2) = (
            1.0 - DECAY.0.powi(self.steps),
            1.0 - DECAY.1.powi(self.steps),
        );
        for (i, g) in gradient.iter().enumerate() {
            self.first[i] += (1.0 - DECAY.0) * (g - self.first[i]);
            self.second[i] += (1.0 - DECAY.1) * (g * g - self.second[i]);
            x[i] += rate * (self.first[i] / c1) / ((self.second[i] / c2).sqrt() + 1e-8);
        }
    }
}

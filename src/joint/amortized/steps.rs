//! The bound of some elements as a function of the globals: K gradient steps from the prior, and the gradient through them.
//!
//! Element i has q(φ_i | θ) = N(μ, diag σ²) with ρ = log σ. From (μ₀, ρ₀) = (m(θ), log s(θ)) of its prior N(m, diag s²) each step goes
//! along the slope of F(μ, ρ) = E_q[ℓ(θ, φ)] − KL(q ‖ N(m, s²)), in units of the prior's Fisher information, 1/s² and 2:
//!
//!   μ ← μ + r / (1 + κ) · (s² E[∂ℓ/∂φ] − (μ − m)),                 κ = ‖r s² E[∂ℓ/∂φ · ε] / σ‖
//!   ρ ← ρ + ½ r / (1 + κ') · (E[∂ℓ/∂φ · ε] σ + 1 − σ²/s²),         κ' = ‖r σ E[∂ℓ/∂φ · ε]‖
//!
//! with φ = μ + σ ε over a pair of draws ε = ±1, the same for every element. ℓ is the log likelihood of the rows for the steps. The rate r,
//! one number for each variable, is bounded by the curvature H of ℓ in units of the prior, and of q: the two slopes of a pair differ by
//! 2 H σ ε, so that κ² is about the sum of the squared eigenvalues of r s² H, and the largest of them stays below 1 + κ. The optimum is
//! where it would be.
//!
//! The bound that results is F at (μ_K, ρ_K) with the log likelihood of all rows. Its gradient in θ follows the steps back: the adjoint of
//! a slope ∂ℓ/∂φ is a Hessian-vector product of ℓ, which one sweep over dual numbers gives for θ and φ at once.

use super::Amortized;
use super::Rate;
use super::noise;
use super::noise::Pairs;
use crate::num::Dual;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::typed::Order;
use std::iter::repeat_n;

/// Some elements of the plate with what computes their bound.
pub(super) struct Part {
    pub elements: Vec<u32>,
    /// Local coordinates of an element.
    width: usize,
    inner: Sweeps,
    /// The same, over all rows and the terms that are asked for; empty where nothing is.
    outer: Sweeps,
    prior: (Tape, Workspace<f64>),
}

/// A tape with its memory.
struct Sweeps {
    tape: Tape,
    plain: Workspace<f64>,
    dual: Option<Workspace<Dual>>,
}

impl Sweeps {
    fn new(tape: Tape) -> Sweeps {
        Sweeps {
            plain: tape.workspace(),
            dual: None,
            tape,
        }
    }
}

/// What a look at the elements is to take into account.
pub(super) struct Look<'a> {
    /// For each term of the likelihood whether it counts.
    pub terms: &'a [bool],
    /// For each local variable whether its divergence counts.
    pub divergences: &'a [bool],
    /// Gradient steps.
    pub steps: usize,
    /// Draws of the locals at the end of the steps.
    pub draws: &'a Pairs,
    /// Which draws these are.
    pub seed: u64,
}

/// The Gaussians of the elements: coordinate `c` of the `i`-th of n elements at `c · n + i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Locals {
    /// The means.
    pub mean: Vec<f64>,
    /// The logarithms of the standard deviations.
    pub log_sd: Vec<f64>,
}

/// The prior of the elements' locals and the rates of their steps, in the same arrangement.
struct Prior {
    mean: Vec<f64>,
    sd: Vec<f64>,
    rate: Vec<f64>,
}

impl Prior {
    fn zeros(len: usize) -> Prior {
        Prior {
            mean: vec![0.0; len],
            sd: vec![0.0; len],
            rate: vec![0.0; len],
        }
    }

    /// Where the steps begin.
    fn start(&self) -> Locals {
        Locals {
            mean: self.mean.clone(),
            log_sd: self.sd.iter().map(|s| s.ln()).collect(),
        }
    }
}

/// Where a step began, and what was seen there.
struct Step {
    at: Locals,
    /// E[∂ℓ/∂φ].
    slope: Vec<f64>,
    /// E[∂ℓ/∂φ · ε] σ.
    spread: Vec<f64>,
    /// κ and κ' of each element.
    curvature: [Vec<f64>; 2],
}

impl Part {
    /// `None` where the rows of the elements cannot be read.
    pub fn new(model: &Amortized, elements: &[u32], terms: &[bool]) -> Option<Part> {
        let tapes = model.source.tapes(elements)?;
        Some(Part {
            elements: elements.to_vec(),
            width: model.width,
            inner: Sweeps::new(tapes.inner),
            outer: Sweeps::new(tapes.whole.restrict(terms)),
            prior: (tapes.prior.clone(), tapes.prior.workspace()),
        })
    }

    /// The value of each term that counts and of each divergence that does, negative, and the gradient of their sum in the globals, added
    /// to `gradient`.
    pub fn bound(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        look: &Look<'_>,
        gradient: &mut [f64],
    ) -> (Vec<f64>, Vec<f64>) {
        let n = self.elements.len();
        let prior = self.prior(model, globals);
        let (path, end) = self.path(model, globals, &prior, look.steps);
        let mut bar = Locals {
            mean: vec![0.0; end.mean.len()],
            log_sd: vec![0.0; end.mean.len()],
        };
        let values = self.reconstruct(model, globals, &end, look, (&mut bar, &mut *gradient));
        let mut prior_bar = Prior::zeros(end.mean.len());
        let mut divergences = vec![0.0; model.sites.len()];
        for (s, site) in model.sites.iter().enumerate() {
            if look.divergences[s] {
                let own = site.start * n..(site.start + site.width) * n;
                divergences[s] = own
                    .map(|c| diverge(&prior, &end, c, &mut prior_bar, &mut bar))
                    .sum();
            }
        }
        for (k, step) in path.iter().enumerate().rev() {
            let bars = (&mut prior_bar, &mut bar, &mut *gradient);
            self.back(model, globals, &prior, (k, step), bars);
        }
        for (c, mean) in bar.mean.iter().enumerate() {
            prior_bar.mean[c] += mean;
            prior_bar.sd[c] += bar.log_sd[c] / prior.sd[c];
        }
        self.pull(model, globals, &prior_bar, gradient);
        (values, divergences)
    }

    /// The Gaussians after these steps.
    pub fn locals(&mut self, model: &Amortized, globals: &[f64], steps: usize) -> Locals {
        let prior = self.prior(model, globals);
        self.path(model, globals, &prior, steps).1
    }

    /// Where so many steps begin and end, and the divergence of each element's Gaussian at the end from its prior.
    pub fn ends(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        steps: usize,
    ) -> (Locals, Locals, Vec<f64>) {
        let prior = self.prior(model, globals);
        let (_, end) = self.path(model, globals, &prior, steps);
        let (mut unused, mut bar) = (Prior::zeros(end.mean.len()), end.clone());
        let mut divergences = vec![0.0; self.elements.len()];
        self.each(|c, i| divergences[i] -= diverge(&prior, &end, c, &mut unused, &mut bar));
        (prior.start(), end, divergences)
    }

    /// The log likelihood of each element over the rows for the steps, of which a tape has the sums: the mean over one of several pairs of
    /// draws at these Gaussians.
    pub fn log_likelihoods(
        &self,
        model: &Amortized,
        (tape, workspace): &mut (Tape, Workspace<f64>),
        globals: &[f64],
        (at, draws, pair): (&Locals, &Pairs, usize),
    ) -> Vec<f64> {
        let len = at.mean.len();
        let noise = self.noise(model, draws, 0);
        let mut z = input(globals, len);
        let mut mean = vec![0.0; self.elements.len()];
        for side in [1.0, -1.0] {
            draw(
                at,
                &noise[pair * len..(pair + 1) * len],
                side,
                &mut z[globals.len()..],
            );
            tape.value(&z, workspace);
            for (mean, value) in mean.iter_mut().zip(workspace.output(0)) {
                *mean += 0.5 * value;
            }
        }
        mean
    }

    /// The means and sds of the prior at the globals, and the rates.
    fn prior(&mut self, model: &Amortized, globals: &[f64]) -> Prior {
        let len = model.width * self.elements.len();
        let (tape, workspace) = &mut self.prior;
        tape.value(&input(globals, len), workspace);
        let collect = |first: usize| -> Vec<f64> {
            (0..model.sites.len())
                .flat_map(|s| workspace.output(2 * s + first).iter().copied())
                .collect()
        };
        let n = self.elements.len();
        let rates = model.sites.iter();
        let rates = rates.flat_map(|site| repeat_n(site.rate.at(globals), site.width * n));
        Prior {
            mean: collect(0),
            sd: collect(1),
            rate: rates.collect(),
        }
    }

    /// Adds the gradient in the globals that belongs to one in the prior's means and sds, and in the rates.
    fn pull(&mut self, model: &Amortized, globals: &[f64], bar: &Prior, gradient: &mut [f64]) {
        let n = self.elements.len();
        let (tape, workspace) = &mut self.prior;
        let weights: Vec<&[f64]> = (model.sites.iter())
            .flat_map(|site| {
                let own = site.start * n..(site.start + site.width) * n;
                [&bar.mean[own.clone()], &bar.sd[own]]
            })
            .collect();
        let z = input(globals, bar.mean.len());
        let mut slope = vec![0.0; z.len()];
        tape.pull(&z, &weights, workspace, &mut slope);
        for (g, slope) in gradient.iter_mut().zip(&slope) {
            *g += slope;
        }
        for site in &model.sites {
            if let Rate::At(place) = site.rate {
                let own = site.start * n..(site.start + site.width) * n;
                gradient[place] += site.rate.at(globals) * bar.rate[own].iter().sum::<f64>();
            }
        }
    }

    /// The steps, and where they end.
    fn path(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        prior: &Prior,
        steps: usize,
    ) -> (Vec<Step>, Locals) {
        let mut at = prior.start();
        let mut path = Vec::with_capacity(steps);
        for k in 0..steps {
            let (slope, spread) = self.slopes(globals, &at, &self.signs(model, k));
            let mut curvature = [(); 2].map(|()| vec![0.0; self.elements.len()]);
            self.each(|c, i| {
                curvature[0][i] += (prior.rate[c] * bend(prior, &at, &spread, c)).powi(2);
                curvature[1][i] += (prior.rate[c] * spread[c]).powi(2);
            });
            (curvature.iter_mut().flatten()).for_each(|x| *x = x.sqrt());
            let shares = curvature.each_ref().map(|of| bounds(of));
            let mut next = at.clone();
            self.each(|c, i| {
                let (mean, log_sd) = direction(prior, &at, (&slope, &spread), c);
                next.mean[c] += prior.rate[c] * shares[0][i] * mean;
                next.log_sd[c] += 0.5 * prior.rate[c] * shares[1][i] * log_sd;
            });
            let at = std::mem::replace(&mut at, next);
            path.push(Step {
                at,
                slope,
                spread,
                curvature,
            });
        }
        (path, at)
    }

    /// E[∂ℓ/∂φ] and E[∂ℓ/∂φ · ε] σ over the pair of draws.
    fn slopes(&mut self, globals: &[f64], at: &Locals, signs: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let len = at.mean.len();
        let (mut slope, mut spread) = (vec![0.0; len], vec![0.0; len]);
        let mut z = input(globals, len);
        let mut gradient = vec![0.0; z.len()];
        for side in [0.5, -0.5] {
            draw(at, signs, 2.0 * side, &mut z[globals.len()..]);
            self.inner
                .tape
                .gradient(&z, &mut self.inner.plain, &mut gradient);
            for (c, g) in gradient[globals.len()..].iter().enumerate() {
                slope[c] += 0.5 * g;
                spread[c] += side * g * signs[c] * at.log_sd[c].exp();
            }
        }
        (slope, spread)
    }

    /// Follows one step back: from the adjoints of what it led to, to those of what it came from, of the prior and of the globals.
    fn back(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        prior: &Prior,
        (number, step): (usize, &Step),
        (prior_bar, bar, gradient): (&mut Prior, &mut Locals, &mut [f64]),
    ) {
        let len = step.slope.len();
        let Step {
            at, slope, spread, ..
        } = step;
        let shares = step.curvature.each_ref().map(|of| bounds(of));
        // The adjoints of κ and κ' of each element, each over its κ.
        let mut kappas = [(); 2].map(|()| vec![0.0; self.elements.len()]);
        self.each(|c, i| {
            let (mean, log_sd) = direction(prior, at, (slope, spread), c);
            kappas[0][i] += prior.rate[c] * bar.mean[c] * mean;
            kappas[1][i] += 0.5 * prior.rate[c] * bar.log_sd[c] * log_sd;
        });
        for ((kappas, shares), curvature) in kappas.iter_mut().zip(&shares).zip(&step.curvature) {
            for ((kappa, share), curvature) in kappas.iter_mut().zip(shares).zip(curvature) {
                *kappa *= match *curvature > 0.0 {
                    true => -share * share / curvature,
                    false => 0.0,
                };
            }
        }
        let (mut slope_bar, mut spread_bar) = (vec![0.0; len], vec![0.0; len]);
        self.each(|c, i| {
            let s = prior.sd[c];
            let (s2, sigma2) = (s * s, (2.0 * at.log_sd[c]).exp());
            let rate = prior.rate[c];
            let (mean, log_sd) = direction(prior, at, (slope, spread), c);
            let (mean_bar, log_sd_bar) = (shares[0][i] * bar.mean[c], shares[1][i] * bar.log_sd[c]);
            let bend = bend(prior, at, spread, c);
            prior_bar.rate[c] += mean_bar * mean
                + 0.5 * log_sd_bar * log_sd
                + rate * (kappas[0][i] * bend * bend + kappas[1][i] * spread[c] * spread[c]);
            let (mean_bar, log_sd_bar) = (rate * mean_bar, rate * log_sd_bar);
            let bend_bar = rate * rate * kappas[0][i] * bend;
            slope_bar[c] = s2 * mean_bar;
            spread_bar[c] =
                0.5 * log_sd_bar + bend_bar * s2 / sigma2 + rate * rate * kappas[1][i] * spread[c];
            prior_bar.mean[c] += mean_bar;
            prior_bar.sd[c] += 2.0 * s * slope[c] * mean_bar
                + sigma2 / (s2 * s) * log_sd_bar
                + 2.0 * bend_bar * bend / s;
            bar.mean[c] -= mean_bar;
            bar.log_sd[c] +=
                spread_bar[c] * spread[c] - sigma2 / s2 * log_sd_bar - 2.0 * bend_bar * bend;
        });
        if model.order == Order::First {
            return;
        }
        let g = globals.len();
        let signs = self.signs(model, number);
        let sd: Vec<f64> = at.log_sd.iter().map(|x| x.exp()).collect();
        let dual = self
            .inner
            .dual
            .get_or_insert_with(|| self.inner.tape.workspace());
        let held = |value: &f64| Dual {
            value: *value,
            tangent: 0.0,
        };
        let mut input: Vec<Dual> = globals.iter().map(held).collect();
        let mut output = vec![Dual::default(); g + len];
        for side in [0.5, -0.5] {
            let noise = |c: usize| 2.0 * side * signs[c] * sd[c];
            input.truncate(g);
            input.extend((0..len).map(|c| Dual {
                value: at.mean[c] + noise(c),
                tangent: 0.5 * (slope_bar[c] + noise(c) * spread_bar[c]),
            }));
            self.inner.tape.gradient(&input, dual, &mut output);
            for (to, from) in gradient.iter_mut().zip(&output) {
                *to += from.tangent;
            }
            for (c, from) in output[g..].iter().enumerate() {
                bar.mean[c] += from.tangent;
                bar.log_sd[c] += from.tangent * noise(c);
            }
        }
    }

    /// Calls with each coordinate and its element's place.
    fn each(&self, mut call: impl FnMut(usize, usize)) {
        let n = self.elements.len();
        for first in (0..).step_by(n.max(1)).take(self.width) {
            (0..n).for_each(|i| call(first + i, i));
        }
    }

    /// The expected log likelihood at the end, by terms, with its gradient in the locals and the globals.
    fn reconstruct(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        at: &Locals,
        look: &Look<'_>,
        (bar, gradient): (&mut Locals, &mut [f64]),
    ) -> Vec<f64> {
        let (g, len) = (globals.len(), at.mean.len());
        let mut values = vec![0.0; self.outer.tape.terms().len()];
        if values.is_empty() {
            return values;
        }
        let noise = self.noise(model, look.draws, look.seed);
        let share = 1.0 / look.draws.draws() as f64;
        let mut z = input(globals, len);
        let mut slope = vec![0.0; g + len];
        for pair in noise.chunks_exact(len.max(1)) {
            for side in [1.0, -1.0] {
                draw(at, pair, side, &mut z[g..]);
                self.outer
                    .tape
                    .gradient(&z, &mut self.outer.plain, &mut slope);
                for (value, term) in values.iter_mut().zip(self.outer.plain.terms()) {
                    *value += share * term;
                }
                for (to, from) in gradient.iter_mut().zip(&slope) {
                    *to += share * from;
                }
                for (c, slope) in slope[g..].iter().enumerate() {
                    bar.mean[c] += share * slope;
                    bar.log_sd[c] += share * slope * side * pair[c] * at.log_sd[c].exp();
                }
            }
        }
        values
    }

    /// The signs of a step's draws; steps beyond those of the fit take its signs once more.
    fn signs(&self, model: &Amortized, step: usize) -> Vec<f64> {
        let n = self.elements.len();
        let mut signs = vec![0.0; model.width * n];
        for (c, own) in signs.chunks_exact_mut(n).enumerate() {
            model.signs.write(
                noise::key([0, (step % model.steps.max(1)) as u64, c as u64]),
                1,
                &mut own[..1],
            );
            let sign = own[0];
            own.fill(sign);
        }
        signs
    }

    /// The noise at the end, of the first draw of each pair one after another.
    fn noise(&self, model: &Amortized, draws: &Pairs, seed: u64) -> Vec<f64> {
        let n = self.elements.len();
        let len = model.width * n;
        let mut noise = vec![0.0; draws.draws() / 2 * len];
        for c in 0..model.width {
            for (i, element) in self.elements.iter().enumerate() {
                let key = noise::key([seed, u64::from(*element) + 1, c as u64]);
                draws.write(key, len, &mut noise[c * n + i..]);
            }
        }
        noise
    }
}

/// Where a step goes from a coordinate's μ and ρ, of length 1.
fn direction(
    prior: &Prior,
    at: &Locals,
    (slope, spread): (&[f64], &[f64]),
    c: usize,
) -> (f64, f64) {
    let s2 = prior.sd[c] * prior.sd[c];
    let sigma2 = (2.0 * at.log_sd[c]).exp();
    (
        s2 * slope[c] - (at.mean[c] - prior.mean[c]),
        spread[c] + 1.0 - sigma2 / s2,
    )
}

/// The shares 1 / (1 + κ) of the rates that elements go.
fn bounds(curvature: &[f64]) -> Vec<f64> {
    curvature.iter().map(|k| 1.0 / (1.0 + k)).collect()
}

/// A coordinate's part of the curvature: s² E[∂ℓ/∂φ · ε] / σ.
fn bend(prior: &Prior, at: &Locals, spread: &[f64], c: usize) -> f64 {
    spread[c] * prior.sd[c] * prior.sd[c] / (2.0 * at.log_sd[c]).exp()
}

/// The coordinates of a tape over so many local coordinates, those 0.
fn input(globals: &[f64], locals: usize) -> Vec<f64> {
    let mut z = globals.to_vec();
    z.resize(globals.len() + locals, 0.0);
    z
}

/// Writes μ ± σ ε.
fn draw(at: &Locals, noise: &[f64], side: f64, out: &mut [f64]) {
    for (c, out) in out.iter_mut().enumerate() {
        *out = at.mean[c] + side * noise[c] * at.log_sd[c].exp();
    }
}

/// −KL(N(μ, σ²) ‖ N(m, s²)) = ρ − log s + ½ − (σ² + (μ − m)²) / 2s² of one coordinate, and adds its gradient.
fn diverge(prior: &Prior, at: &Locals, c: usize, prior_bar: &mut Prior, bar: &mut Locals) -> f64 {
    let (s, shift) = (prior.sd[c], at.mean[c] - prior.mean[c]);
    let precision = 1.0 / (s * s);
    let sigma2 = (2.0 * at.log_sd[c]).exp();
    bar.mean[c] -= shift * precision;
    prior_bar.mean[c] += shift * precision;
    bar.log_sd[c] += 1.0 - sigma2 * precision;
    prior_bar.sd[c] += ((sigma2 + shift * shift) * precision - 1.0) / s;
    at.log_sd[c] - s.ln() + 0.5 - 0.5 * (sigma2 + shift * shift) * precision
}

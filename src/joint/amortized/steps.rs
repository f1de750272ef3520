//! The bound of some elements as a function of the globals: K gradient steps from the prior, and the gradient through them.
//!
//! Element i has q(φ_i | θ) = N(μ, diag σ²) with ρ = log σ. From (μ₀, ρ₀) = (m(θ), log s(θ)) of its prior N(m, diag s²) each step goes
//! along the slope of F(μ, ρ) = E_q[ℓ(θ, φ)] − KL(q ‖ N(m, s²)), in units of the prior's Fisher information, 1/s² and 2:
//!
//!   μ ← μ + r (s² E[∂ℓ/∂φ] − (μ − m))
//!   ρ ← ρ + ½ r (E[∂ℓ/∂φ · ε] σ + 1 − σ²/s²)
//!
//! with φ = μ + σ ε over a pair of draws ε = ±1, the same for every element. ℓ is the log likelihood of the rows for the steps. The
//! bound that results is F at (μ_K, ρ_K) with the log likelihood of all rows. Its gradient in θ follows the steps back: the adjoint of
//! a slope ∂ℓ/∂φ is a Hessian-vector product of ℓ, which one sweep over dual numbers gives for θ and φ at once.

use super::Amortized;
use super::noise;
use super::noise::Pairs;
use crate::num::Dual;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::typed::Order;

/// Some elements of the plate with what computes their bound.
pub(super) struct Part {
    elements: Vec<u32>,
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

/// The prior of the elements' locals, in the same arrangement.
struct Prior {
    mean: Vec<f64>,
    sd: Vec<f64>,
}

impl Prior {
    fn zeros(len: usize) -> Prior {
        Prior {
            mean: vec![0.0; len],
            sd: vec![0.0; len],
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

impl Part {
    pub fn new(model: &Amortized, elements: &[u32], terms: &[bool]) -> Part {
        let prior = model.prior.take(elements, None);
        let whole = model.likelihood.take(elements, None);
        let inner = match &model.mask {
            Some(mask) => model.likelihood.take(elements, Some(mask)),
            None => whole.clone(),
        };
        Part {
            elements: elements.to_vec(),
            inner: Sweeps::new(inner),
            outer: Sweeps::new(whole.restrict(terms)),
            prior: (prior.clone(), prior.workspace()),
        }
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
        let path = self.path(model, globals, &prior, look.steps);
        let end = &path[look.steps];
        let mut bar = Locals {
            mean: vec![0.0; end.mean.len()],
            log_sd: vec![0.0; end.mean.len()],
        };
        let values = self.reconstruct(model, globals, end, look, (&mut bar, &mut *gradient));
        let mut prior_bar = Prior::zeros(end.mean.len());
        let mut divergences = vec![0.0; model.sites.len()];
        for (s, site) in model.sites.iter().enumerate() {
            if look.divergences[s] {
                let own = site.start * n..(site.start + site.width) * n;
                divergences[s] = own
                    .map(|c| diverge(&prior, end, c, &mut prior_bar, &mut bar))
                    .sum();
            }
        }
        for k in (0..look.steps).rev() {
            self.back(
                model,
                globals,
                &prior,
                &path[k],
                k,
                (&mut prior_bar, &mut bar, &mut *gradient),
            );
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
        let mut path = self.path(model, globals, &prior, steps);
        path.swap_remove(steps)
    }

    /// The means and sds of the prior at the globals.
    fn prior(&mut self, model: &Amortized, globals: &[f64]) -> Prior {
        let len = model.width * self.elements.len();
        let (tape, workspace) = &mut self.prior;
        tape.value(&input(globals, len), workspace);
        let collect = |first: usize| -> Vec<f64> {
            (0..model.sites.len())
                .flat_map(|s| workspace.output(2 * s + first).iter().copied())
                .collect()
        };
        Prior {
            mean: collect(0),
            sd: collect(1),
        }
    }

    /// Adds the gradient in the globals that belongs to one in the prior's means and sds.
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
    }

    /// The Gaussians before each step, and after the last.
    fn path(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        prior: &Prior,
        steps: usize,
    ) -> Vec<Locals> {
        let mut path = vec![prior.start()];
        let rate = model.rate;
        for k in 0..steps {
            let mut next = path[k].clone();
            let at = &path[k];
            let (slope, spread) = self.slopes(globals, at, &self.signs(model, k));
            for c in 0..slope.len() {
                let (s2, sigma2) = (prior.sd[c] * prior.sd[c], (2.0 * at.log_sd[c]).exp());
                next.mean[c] += rate * (s2 * slope[c] - (at.mean[c] - prior.mean[c]));
                next.log_sd[c] += 0.5 * rate * (spread[c] + 1.0 - sigma2 / s2);
            }
            path.push(next);
        }
        path
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
        at: &Locals,
        step: usize,
        (prior_bar, bar, gradient): (&mut Prior, &mut Locals, &mut [f64]),
    ) {
        let (g, len, rate) = (globals.len(), at.mean.len(), model.rate);
        let signs = self.signs(model, step);
        let (mut slope, mut spread) = (vec![0.0; len], vec![0.0; len]);
        let (mut mean_bar, mut log_sd_bar) = (vec![0.0; len], vec![0.0; len]);
        let mut z = input(globals, len);
        let mut input = vec![Dual::default(); g + len];
        let mut output = vec![Dual::default(); g + len];
        for side in [0.5, -0.5] {
            draw(at, &signs, 2.0 * side, &mut z[g..]);
            for (input, value) in input.iter_mut().zip(&z) {
                *input = Dual {
                    value: *value,
                    tangent: 0.0,
                };
            }
            // The adjoint of the slope of this draw.
            for c in 0..len {
                let s2 = prior.sd[c] * prior.sd[c];
                input[g + c].tangent = 0.5 * rate * s2 * bar.mean[c]
                    + 0.5 * rate * side * bar.log_sd[c] * signs[c] * at.log_sd[c].exp();
            }
            self.inner.slope_along(&input, model.order, &mut output);
            for (to, from) in gradient.iter_mut().zip(&output) {
                *to += from.tangent;
            }
            for c in 0..len {
                let Dual { value, tangent } = output[g + c];
                let noise = 2.0 * side * signs[c] * at.log_sd[c].exp();
                slope[c] += 0.5 * value;
                spread[c] += 0.5 * value * noise;
                mean_bar[c] += tangent;
                log_sd_bar[c] += tangent * noise;
            }
        }
        for c in 0..len {
            let (s, sigma2) = (prior.sd[c], (2.0 * at.log_sd[c]).exp());
            let s2 = s * s;
            prior_bar.mean[c] += rate * bar.mean[c];
            prior_bar.sd[c] +=
                2.0 * s * rate * slope[c] * bar.mean[c] + rate * sigma2 / (s2 * s) * bar.log_sd[c];
            bar.mean[c] = mean_bar[c] + bar.mean[c] * (1.0 - rate);
            bar.log_sd[c] =
                log_sd_bar[c] + bar.log_sd[c] * (1.0 + 0.5 * rate * spread[c] - rate * sigma2 / s2);
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
        let noise = self.noise(model, look);
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

    /// The signs of a step's draws.
    fn signs(&self, model: &Amortized, step: usize) -> Vec<f64> {
        let n = self.elements.len();
        let mut signs = vec![0.0; model.width * n];
        for (c, own) in signs.chunks_exact_mut(n).enumerate() {
            model
                .signs
                .write(noise::key([0, step as u64, c as u64]), 1, &mut own[..1]);
            let sign = own[0];
            own.fill(sign);
        }
        signs
    }

    /// The noise at the end, of the first draw of each pair one after another.
    fn noise(&self, model: &Amortized, look: &Look<'_>) -> Vec<f64> {
        let n = self.elements.len();
        let len = model.width * n;
        let mut noise = vec![0.0; look.draws.draws() / 2 * len];
        for c in 0..model.width {
            for (i, element) in self.elements.iter().enumerate() {
                let key = noise::key([look.seed, u64::from(*element) + 1, c as u64]);
                look.draws.write(key, len, &mut noise[c * n + i..]);
            }
        }
        noise
    }
}

impl Sweeps {
    /// The gradient, and by second order its derivative along the tangents of `z`.
    fn slope_along(&mut self, z: &[Dual], order: Order, gradient: &mut [Dual]) {
        match order {
            Order::Second => {
                let dual = self.dual.get_or_insert_with(|| self.tape.workspace());
                self.tape.gradient(z, dual, gradient);
            }
            Order::First => {
                let values: Vec<f64> = z.iter().map(|z| z.value).collect();
                let mut slope = vec![0.0; z.len()];
                self.tape.gradient(&values, &mut self.plain, &mut slope);
                for (to, value) in gradient.iter_mut().zip(slope) {
                    *to = Dual {
                        value,
                        tangent: 0.0,
                    };
                }
            }
        }
    }
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

//! Where a fit starts: a few natural-gradient steps of a block-arrow Gaussian, with Newton's indifference to scale and correlation.
//!
//! With g and Λ the means of ∇ log p and −∇² log p over draws of N(μ, S Sᵀ), the step P ← (1 − t) P + t Λ, S Sᵀ ← P⁻¹, μ ← μ + t P⁻¹ g
//! is that of Opper & Archambeau (2009) and Khan & Lin (2017), kept to the pattern of the `structured` guide. A hierarchical density
//! may have no mode (all groups equal, their spread zero); means over draws do not see that ridge, because the groups' own spread
//! holds it off. The Hessian's entries in the pattern come from one product for each top-level coordinate and each coordinate of a
//! block (all elements of a plate at once).

use super::AnyElbo;
use super::Run;
use crate::guide::Gaussian;
use crate::guide::noise::Noise;
use crate::guide::pattern::Pattern;
use crate::joint::Evaluator;
use std::f64::consts::PI;

/// Steps at most.
const STEPS: usize = 60;

/// The search ends when a full step promises less than this many nats.
const GAIN: f64 = 0.05;

/// Antithetic pairs of draws.
const PAIRS: usize = 2;

/// Hessian products for the diagonal of the curvature where its pattern is too large to be probed.
const SIGNS: u32 = 8;

/// By what multiples of its absolute value the diagonal of the curvature may be raised.
const DAMPING: [f64; 11] = [0.0, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 1.0, 2.0, 5.0, 20.0, 1e3];

/// A Gaussian to start from.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its mean.
    pub mean: Vec<f64>,
    /// Its S, in the guide's curvature pattern.
    pub metric: Vec<f64>,
    /// For each coordinate the sd given all others.
    pub conditional: Vec<f64>,
    /// Whether the caller asked to stop on the way.
    pub stopped: bool,
}

/// Finds a start; `Err` is a point at which the log density is not finite although the fit would have to begin there.
pub fn find(run: &mut Run<'_, '_>, seed: u32) -> Result<Start, Vec<f64>> {
    let elbo = run.elbo;
    let mut mean: Vec<f64> = (elbo.joint.sites().iter())
        .flat_map(|s| s.start.iter().copied())
        .collect();
    let mut curvature = Curvature::new(elbo);
    let pattern = curvature.pattern;
    let noise = Noise::white(pattern, pattern, PAIRS, seed);
    let (value, _, precision) =
        curvature.average(&mean, &pattern.identity(), &Noise::none(mean.len()));
    if !value.is_finite() || precision.iter().any(|p| !p.is_finite()) {
        return Err(mean);
    }
    let (mut precision, mut metric) = damped(pattern, &precision);
    // A point's curvature may promise more spread than there is.
    let mut shrink = 0;
    while !curvature.elbo(&mean, &metric, &noise).is_finite() && shrink < 30 {
        metric.iter_mut().for_each(|s| *s *= 0.5);
        precision.iter_mut().for_each(|p| *p *= 4.0);
        shrink += 1;
    }
    let entropy = 0.5 * mean.len() as f64 * (1.0 + (2.0 * PI).ln());
    let mut stopped = false;
    let mut reached = curvature.elbo(&mean, &metric, &noise);
    for _ in 0..STEPS {
        let (_, gradient, local) = curvature.average(&mean, &metric, &noise);
        let step = (0..16).find_map(|halvings| {
            let t = 0.5_f64.powi(halvings);
            let mixed: Vec<f64> = (precision.iter().zip(&local))
                .map(|(p, l)| (1.0 - t) * p + t * l)
                .collect();
            let (mixed, metric) = damped(pattern, &mixed);
            let mut u = vec![0.0; mean.len()];
            pattern.transpose_times(&metric, &gradient, &mut u);
            let gain: f64 = u.iter().map(|u| u * u).sum();
            u.iter_mut().for_each(|u| *u *= t);
            let mut to = mean.clone();
            pattern.times(&metric, &u, &mut to);
            let value = curvature.elbo(&to, &metric, &noise);
            (value > reached).then_some((to, mixed, metric, value, gain))
        });
        let Some((to, mixed, finer, value, gain)) = step else {
            break;
        };
        let done = gain < GAIN && value - reached < GAIN;
        stopped = !run.show(value + entropy, None);
        (mean, precision, metric, reached) = (to, mixed, finer, value);
        if done || stopped {
            break;
        }
    }
    Ok(Start {
        mean,
        metric,
        stopped,
        conditional: conditional(pattern, &precision),
    })
}

/// For each coordinate the sd given all others.
fn conditional(pattern: &Pattern, precision: &[f64]) -> Vec<f64> {
    (0..pattern.dim())
        .map(|r| 1.0 / precision[pattern.diagonal(r)].sqrt())
        .collect()
}

/// The precision with its diagonal raised by as little as makes it positive definite, and S with S Sᵀ its inverse.
fn damped(pattern: &Pattern, precision: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let found = DAMPING.iter().find_map(|damping| {
        let mut raised = precision.to_vec();
        for r in pattern.order() {
            let d = &mut raised[pattern.diagonal(r)];
            // A diagonal of exactly zero counts as 1e-8.
            *d += damping * d.abs().max(1e-8);
        }
        let metric = pattern.inverse_factor(&raised)?;
        Some((raised, metric))
    });
    found.unwrap_or_else(|| {
        // The curvature is no help.
        let identity = pattern.identity();
        (
            identity.iter().map(|p| 100.0 * p).collect(),
            identity.iter().map(|s| 0.1 * s).collect(),
        )
    })
}

impl Start {
    /// The Gaussian of the guide that is nearest to the curvature here.
    pub fn gaussian(&self, elbo: &AnyElbo<'_>) -> Gaussian {
        let guide = elbo.guide;
        let (pattern, curvature) = (guide.pattern(), &guide.curvature);
        let mut scale = vec![0.0; pattern.len()];
        let mut row = vec![0.0; guide.dim()];
        for r in pattern.order() {
            if pattern.row(r).len() == 1 && curvature.row(r).len() > 1 {
                // The best factorised guide of a Gaussian has the conditional sds.
                scale[pattern.diagonal(r)] = self.conditional[r];
                continue;
            }
            for (c, s) in curvature.entries(&self.metric, r) {
                row[c] = s;
            }
            for i in pattern.row(r) {
                scale[i] = row[pattern.column(i)];
            }
            for c in curvature.columns(r) {
                row[*c as usize] = 0.0;
            }
        }
        Gaussian {
            mean: self.mean.clone(),
            scale,
        }
    }
}

/// One Hessian product.
struct Probe<'a> {
    /// The coordinates that it probes.
    coordinates: &'a [u32],
    /// The places of the values in their columns, each with its row.
    entries: Vec<(usize, usize)>,
}

/// The curvature of a log density, and what it takes to compute it.
pub struct Curvature<'a> {
    pattern: &'a Pattern,
    evaluator: Box<dyn Evaluator + 'a>,
    /// None if only the diagonal is asked for.
    probes: Vec<Probe<'a>>,
}

impl<'a> Curvature<'a> {
    /// Prepares for an ELBO's density.
    pub fn new(elbo: &AnyElbo<'a>) -> Curvature<'a> {
        let pattern = &elbo.guide.curvature;
        let mut probes: Vec<Probe<'a>> = (elbo.guide.probes.iter())
            .map(|coordinates| Probe {
                coordinates,
                entries: Vec::new(),
            })
            .collect();
        let mut probe_of = vec![0; pattern.dim()];
        for (p, probe) in probes.iter().enumerate() {
            for c in probe.coordinates {
                probe_of[*c as usize] = p;
            }
        }
        if !probes.is_empty() {
            for r in pattern.order() {
                for i in pattern.row(r) {
                    probes[probe_of[pattern.column(i)]].entries.push((i, r));
                }
            }
        }
        Curvature {
            pattern,
            evaluator: elbo.joint.evaluator(&vec![true; elbo.terms.len()]),
            probes,
        }
    }

    /// The log density at a point, and its gradient.
    pub fn gradient(&mut self, z: &[f64]) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; z.len()];
        (self.evaluator.gradient(z, &mut gradient), gradient)
    }

    /// Newton's step from a point with this gradient, the curvature damped where it is not positive definite.
    pub fn newton(&mut self, z: &[f64], gradient: &[f64]) -> Vec<f64> {
        let (_, metric) = damped(self.pattern, &self.precision(z));
        let (mut pulled, mut step) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        self.pattern.transpose_times(&metric, gradient, &mut pulled);
        self.pattern.times(&metric, &pulled, &mut step);
        step
    }

    /// The Gaussian of the curvature at a point, and whether that was positive definite undamped.
    pub fn start(&mut self, z: &[f64]) -> (Start, bool) {
        let raw = self.precision(z);
        let curved = self.pattern.inverse_factor(&raw).is_some();
        let (precision, metric) = damped(self.pattern, &raw);
        let start = Start {
            mean: z.to_vec(),
            metric,
            stopped: false,
            conditional: conditional(self.pattern, &precision),
        };
        (start, curved)
    }

    /// The factor of the inverse curvature at a point, if that is positive definite as it is.
    pub fn metric(&mut self, z: &[f64]) -> Option<Vec<f64>> {
        let precision = self.precision(z);
        self.pattern.inverse_factor(&precision)
    }

    /// The means of log p, its gradient and minus its Hessian (in the pattern) over draws.
    fn average(
        &mut self,
        mean: &[f64],
        metric: &[f64],
        noise: &Noise,
    ) -> (f64, Vec<f64>, Vec<f64>) {
        let weight = 1.0 / noise.count() as f64;
        let mut slope = vec![0.0; mean.len()];
        let (mut value, mut gradient) = (0.0, vec![0.0; mean.len()]);
        let mut precision = vec![0.0; self.pattern.len()];
        for epsilon in noise.draws() {
            let mut z = mean.to_vec();
            self.pattern.times(metric, epsilon, &mut z);
            value += weight * self.evaluator.gradient(&z, &mut slope);
            for (sum, slope) in gradient.iter_mut().zip(&slope) {
                *sum += weight * slope;
            }
            for (sum, p) in precision.iter_mut().zip(self.precision(&z)) {
                *sum += weight * p;
            }
        }
        (value, gradient, precision)
    }

    /// The mean of log p over draws, and log |S|.
    fn elbo(&mut self, mean: &[f64], metric: &[f64], noise: &Noise) -> f64 {
        let mut value = 0.0;
        for epsilon in noise.draws() {
            let mut z = mean.to_vec();
            self.pattern.times(metric, epsilon, &mut z);
            value += self.evaluator.value(&z);
        }
        value / noise.count() as f64 + log_diagonal(self.pattern, metric)
    }

    /// Minus the Hessian at `z`, in the pattern.
    fn precision(&mut self, z: &[f64]) -> Vec<f64> {
        let mut precision = vec![0.0; self.pattern.len()];
        let mut product = vec![0.0; z.len()];
        let mut v = vec![0.0; z.len()];
        for probe in &self.probes {
            v.fill(0.0);
            probe.coordinates.iter().for_each(|c| v[*c as usize] = 1.0);
            self.evaluator.hessian_product(z, &v, &mut product);
            for (i, r) in &probe.entries {
                precision[*i] = -product[*r];
            }
        }
        if self.probes.is_empty() {
            // E[v ∘ Hv] over random signs v is the diagonal (Bekas, Kokiopoulou & Saad 2007).
            for k in 0..SIGNS {
                for (r, v) in v.iter_mut().enumerate() {
                    *v = sign(r as u32, k);
                }
                self.evaluator.hessian_product(z, &v, &mut product);
                for (p, (v, h)) in precision.iter_mut().zip(v.iter().zip(&product)) {
                    *p -= v * h / f64::from(SIGNS);
                }
            }
        }
        precision
    }
}

/// 1 or −1, as good as random in both arguments.
fn sign(r: u32, k: u32) -> f64 {
    let mixed = (r + 1).wrapping_mul(0x9e37_79b9) ^ (k + 1).wrapping_mul(0x85eb_ca6b);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
    if mixed >> 31 == 0 { 1.0 } else { -1.0 }
}

fn log_diagonal(pattern: &Pattern, matrix: &[f64]) -> f64 {
    (pattern.order())
        .map(|r| matrix[pattern.diagonal(r)].ln())
        .sum()
}

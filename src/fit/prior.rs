//! Where mini-batches begin: a draw near the mode of the terms over globals alone.
//!
//! Not the mode itself: units of a network that begin alike stay alike. The mode is found coordinate by coordinate, as if the globals were
//! independent, which priors of globals mostly are.

use super::AnyElbo;
use crate::guide::noise::Noise;
use crate::joint::TermForm;

/// Newton steps, and how far one may go.
const STEPS: (usize, f64) = (100, 1.0);

/// The sds that are possible.
const SDS: (f64, f64) = (1e-3, 1.0);

/// A point with the prior's sd in each coordinate.
pub(super) struct Begin {
    pub mean: Vec<f64>,
    pub sd: Vec<f64>,
}

/// A draw from the Gaussian at the mode of the terms over globals alone.
pub(super) fn draw(elbo: &AnyElbo<'_>, seed: u32) -> Begin {
    let density = elbo.joint;
    let terms = density.terms().iter();
    let above: Vec<bool> = terms.map(|t| !matches!(t.form, TermForm::Steps)).collect();
    let mut evaluator = density.evaluator(&above);
    let mut mean: Vec<f64> = (density.sites().iter())
        .flat_map(|s| s.start.iter().copied())
        .collect();
    let dim = mean.len();
    let (mut slope, mut curve) = (vec![0.0; dim], vec![0.0; dim]);
    let ones = vec![1.0; dim];
    let mut sd = vec![SDS.1; dim];
    for _ in 0..STEPS.0 {
        evaluator.gradient(&mean, &mut slope);
        evaluator.hessian_product(&mean, &ones, &mut curve);
        for r in 0..dim {
            // Where it is not curved downward the prior says nothing of the unit.
            sd[r] = match -curve[r] {
                curve if curve > 0.0 => (1.0 / curve.sqrt()).clamp(SDS.0, SDS.1),
                _ => SDS.1,
            };
            let step = sd[r] * sd[r] * slope[r];
            if step.is_finite() {
                mean[r] += step.clamp(-STEPS.1, STEPS.1);
            }
        }
    }
    let noise = Noise::independent(dim, 64, seed);
    if let Some(noise) = noise.draws().next() {
        for r in 0..dim {
            mean[r] += sd[r] * noise[r];
        }
    }
    Begin { mean, sd }
}

//! Expectations of sums of functions of one coordinate each, by Gauss–Hermite quadrature.
//!
//! Each coordinate's marginal is N(μ_r, sd_r²). One run of the tape puts every coordinate at the same node μ_r + sd_r x_k: the terms
//! do not mix coordinates, so their sum is the sum of all one-dimensional integrands at that node.

use crate::guide::Gaussian;
use crate::guide::pattern::Pattern;
use crate::joint::Evaluator;
use crate::num::hermite::gauss_hermite;

/// Nodes of a rule: exact for polynomials up to degree 47, and of full precision for what priors are made of at sds up to about 1.
const NODES: usize = 24;

/// The terms of a density that are sums of functions of one coordinate.
pub struct Quadrature<'a> {
    evaluator: Box<dyn Evaluator + 'a>,
    rule: Vec<(f64, f64)>,
    terms: Vec<f64>,
    sd: Vec<f64>,
    z: Vec<f64>,
    slope: Vec<f64>,
    by_mean: Vec<f64>,
    by_sd: Vec<f64>,
}

impl<'a> Quadrature<'a> {
    /// Prepares the terms that `evaluator` computes, over `dim` coordinates.
    pub fn new(evaluator: Box<dyn Evaluator + 'a>, dim: usize) -> Quadrature<'a> {
        Quadrature {
            evaluator,
            rule: gauss_hermite(NODES),
            terms: Vec::new(),
            sd: vec![0.0; dim],
            z: vec![0.0; dim],
            slope: vec![0.0; dim],
            by_mean: vec![0.0; dim],
            by_sd: vec![0.0; dim],
        }
    }

    /// The expectation of each term under `q`; the gradient of their sum in μ and S is added to `gradient`.
    pub fn evaluate(&mut self, pattern: &Pattern, q: &Gaussian, gradient: &mut Gaussian) -> &[f64] {
        for r in 0..pattern.dim() {
            let row = &q.scale[pattern.row(r)];
            self.sd[r] = row.iter().map(|s| s * s).sum::<f64>().sqrt();
        }
        self.terms.clear();
        self.by_mean.fill(0.0);
        self.by_sd.fill(0.0);
        for (node, weight) in &self.rule {
            for (r, z) in self.z.iter_mut().enumerate() {
                *z = q.mean[r] + self.sd[r] * node;
            }
            self.evaluator.gradient(&self.z, &mut self.slope);
            let values = self.evaluator.terms();
            self.terms.resize(values.len(), 0.0);
            for (sum, value) in self.terms.iter_mut().zip(values) {
                *sum += weight * value;
            }
            for (r, slope) in self.slope.iter().enumerate() {
                self.by_mean[r] += weight * slope;
                self.by_sd[r] += weight * node * slope;
            }
        }
        for r in 0..pattern.dim() {
            gradient.mean[r] += self.by_mean[r];
            for i in pattern.row(r) {
                // ∂ sd / ∂ S_ri = S_ri / sd.
                gradient.scale[i] += self.by_sd[r] * q.scale[i] / self.sd[r];
            }
        }
        &self.terms
    }
}

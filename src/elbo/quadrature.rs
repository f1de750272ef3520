//! Expectations of sums of functions of one coordinate each, by Gauss–Hermite quadrature.
//!
//! Each coordinate's marginal is N(μ_r, sd_r²). One run of the tape puts every coordinate at the same node μ_r + sd_r x_k: the terms
//! do not mix coordinates, so their sum is the sum of all one-dimensional integrands at that node.

use crate::guide::Gaussian;
use crate::guide::pattern::Pattern;
use crate::joint::Evaluator;
use std::f64::consts::PI;

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

/// Nodes and weights with Σ w f(x) = E f(X) for standard normal X and polynomials f of degree up to 2n − 1.
///
/// The nodes are the zeros of the orthonormal Hermite polynomials, h_{k+1} = (x h_k − √k h_{k−1}) / √(k+1), found by Newton steps with
/// the zeros already found divided out; the weights are 1 / (n h_{n−1}(x)²).
pub fn gauss_hermite(n: usize) -> Vec<(f64, f64)> {
    let at = |x: f64| {
        let (mut before, mut h) = (0.0, 1.0);
        for k in 0..n {
            let next = (x * h - (k as f64).sqrt() * before) / ((k + 1) as f64).sqrt();
            before = std::mem::replace(&mut h, next);
        }
        // h_n′ = √n h_{n−1}.
        (h, (n as f64).sqrt() * before, before)
    };
    let mut nodes: Vec<f64> = Vec::with_capacity(n);
    // All zeros lie below this bound; each search starts above the largest one that is left.
    let mut x = 2.0 * (n as f64).sqrt() + PI;
    for _ in 0..n {
        for _ in 0..200 {
            let (h, slope, _) = at(x);
            let found: f64 = nodes.iter().map(|node| 1.0 / (x - node)).sum();
            let step = h / (slope - h * found);
            x -= step;
            if step.abs() <= 1e-15 * x.abs().max(1.0) {
                break;
            }
        }
        nodes.push(x);
        x += 1e-3;
    }
    (nodes.iter())
        .map(|x| {
            let (_, _, before) = at(*x);
            (*x, 1.0 / (n as f64 * before * before))
        })
        .collect()
}

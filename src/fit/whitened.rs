//! The guide's parameters as seen from a Gaussian near the answer, in which the ELBO is well scaled.
//!
//! From a base (μ₀, S₀) and a metric T, μ = μ₀ + T m and S = S₀ U, with U of the guide's pattern and exp on its diagonal. If the base
//! is the answer, T = S and the posterior Gaussian, the Hessian of −ELBO in (m, U) is 1 (2 on the diagonal of U), whatever the units
//! and correlations of the model's variables: m counts posterior sds.

use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::pattern::Pattern;

/// The view from a base.
#[derive(Debug)]
pub struct Whitened<'a> {
    guide: &'a Guide,
    base: Gaussian,
    metric: (&'a Pattern, Vec<f64>),
}

impl<'a> Whitened<'a> {
    /// The view from `base`; `metric` is of the guide's curvature pattern, and not needed by a guide that says more itself.
    pub fn new(guide: &'a Guide, base: Gaussian, metric: Vec<f64>) -> Whitened<'a> {
        let metric = if guide.knows_couplings() {
            (guide.pattern(), base.scale.clone())
        } else {
            (&guide.curvature, metric)
        };
        Whitened {
            guide,
            base,
            metric,
        }
    }

    /// The view from `base` in which the mean is measured in these units, one for each coordinate.
    pub fn scaled(guide: &'a Guide, base: Gaussian, units: &[f64]) -> Whitened<'a> {
        let pattern = &guide.curvature;
        let mut metric = pattern.identity();
        for (r, unit) in units.iter().enumerate() {
            metric[pattern.diagonal(r)] = *unit;
        }
        Whitened {
            guide,
            base,
            metric: (pattern, metric),
        }
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.guide.params()
    }

    /// The Gaussian at `x`.
    pub fn gaussian(&self, x: &[f64]) -> Gaussian {
        let pattern = self.guide.pattern();
        let (m, _) = x.split_at(self.guide.dim());
        let mut mean = self.base.mean.clone();
        self.metric.0.times(&self.metric.1, m, &mut mean);
        Gaussian {
            mean,
            scale: pattern.product(&self.base.scale, &self.inner(x)),
        }
    }

    /// How far the mean of a coordinate moves along m.
    pub fn unit(&self, r: usize) -> f64 {
        let row = &self.metric.1[self.metric.0.row(r)];
        row.iter().map(|t| t * t).sum::<f64>().sqrt()
    }

    /// Writes the gradient in `x` that belongs to one in μ and S over `out`.
    pub fn pull(&self, x: &[f64], gradient: &Gaussian, out: &mut [f64]) {
        let pattern = self.guide.pattern();
        let (m, u) = out.split_at_mut(self.guide.dim());
        m.fill(0.0);
        (self.metric.0).transpose_times(&self.metric.1, &gradient.mean, m);
        u.copy_from_slice(&pattern.product_adjoint(&self.base.scale, &gradient.scale));
        let inner = self.inner(x);
        for r in pattern.order() {
            let diagonal = pattern.diagonal(r);
            u[diagonal] *= inner[diagonal];
        }
    }

    /// The gradient in x at 0 that belongs to one in μ.
    pub fn pull_mean(&self, gradient: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        let mean = &mut out[..self.guide.dim()];
        (self.metric.0).transpose_times(&self.metric.1, gradient, mean);
        out
    }

    /// How μ moves along `x`.
    pub fn mean_along(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.guide.dim()];
        (self.metric.0).times(&self.metric.1, &x[..self.guide.dim()], &mut out);
        out
    }

    /// Adds the gradient of the entropy: the sum of the logarithms of the diagonal of S, and so of U.
    pub fn add_entropy(&self, out: &mut [f64]) {
        for r in self.guide.pattern().order() {
            out[self.guide.dim() + self.guide.pattern().diagonal(r)] += 1.0;
        }
    }

    /// U: the identity at 0.
    fn inner(&self, x: &[f64]) -> Vec<f64> {
        let pattern = self.guide.pattern();
        let mut inner = x[self.guide.dim()..].to_vec();
        for r in pattern.order() {
            let diagonal = pattern.diagonal(r);
            inner[diagonal] = inner[diagonal].exp();
        }
        inner
    }
}

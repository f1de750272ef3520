//! The guide q: a Gaussian z = μ + S ε over the unconstrained coordinates, S sparse lower triangular as the plates say.
//!
//! A family of guides is a pattern of S and nothing more: each has its own file, which says on what the coordinates of a site depend.
//! Its parameters are μ, then the values of S row by row, the diagonal as its logarithm.

mod derive;
mod full_rank;
mod low_rank;
mod marginal;
mod mean_field;
pub mod noise;
pub mod pattern;
mod point;
mod structured;
#[cfg(test)]
mod tests;

use crate::joint::locals::Forest;
use crate::marginal::Integral;
use crate::typed::GuideFamily;
pub use derive::derive;
use pattern::Pattern;
use std::f64::consts::PI;

/// What is asked for beside the model's own `guide` block.
#[derive(Clone, Debug, Default)]
pub struct GuideSpec {
    /// `--guide NAME`: the default family instead of the model's; `None` leaves it to the model, and else to
    /// [`GuideFamily::Marginal`] where locals can be integrated out, or [`GuideFamily::Structured`].
    pub default: Option<GuideFamily>,
}

/// A guide.
#[derive(Clone, Debug)]
pub struct Guide {
    pub(crate) factors: Vec<Factor>,
    pub(crate) pattern: Pattern,
    /// The pattern of the `structured` guide over all sites: that of the curvature of the log density.
    pub(crate) curvature: Pattern,
    /// Coordinates of the curvature's pattern whose Hessian columns can be had from one product, because none of their elements interact.
    pub(crate) probes: Vec<Vec<u32>>,
    /// What is integrated out, for the family `marginal`.
    pub(crate) integrated: Option<Integrated>,
    /// Why nothing is, where that was tried.
    pub(crate) approximated: Option<String>,
}

/// The locals that are integrated out, and how.
#[derive(Clone, Debug)]
pub struct Integrated {
    /// Their plates.
    pub forest: Forest,
    /// How.
    pub integral: Integral,
    /// Whether the globals are a point and not a Gaussian.
    pub point: bool,
}

/// The guide's factor of one latent variable.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The site, by its place in the joint.
    pub site: usize,
    /// Its family.
    pub family: GuideFamily,
    /// The sites that it is conditional on, by their places: q(site | given). For dense blocks the ones before it in the same block too.
    pub given: Vec<usize>,
    /// The number of its parameters.
    pub params: usize,
    /// Its coordinates: the first, and one past the last.
    pub coordinates: (usize, usize),
}

/// A guide with its parameters' values.
#[derive(Clone, PartialEq, Debug)]
pub struct Gaussian {
    /// The mean μ, one number for each unconstrained coordinate.
    pub mean: Vec<f64>,
    /// The values of S, in the guide's [`Pattern`].
    pub scale: Vec<f64>,
}

impl Guide {
    /// One factor for each site of the joint, in the order of the sites.
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// What is integrated out given the globals; `None` where the guide approximates the locals too.
    pub fn integrated(&self) -> Option<&Integrated> {
        self.integrated.as_ref()
    }

    /// Why the locals are approximated and not integrated out, where that was tried.
    pub fn approximated(&self) -> Option<&str> {
        self.approximated.as_deref()
    }

    /// The pattern of S.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The pattern along whose rows noise for a fit is whitened: coordinates that the log density couples, or the guide, if that is more.
    pub fn coupling(&self) -> &Pattern {
        if self.pattern.len() < self.curvature.len() {
            &self.curvature
        } else {
            &self.pattern
        }
    }

    /// Whether every coordinate may depend on all that the log density couples it with.
    pub(crate) fn knows_couplings(&self) -> bool {
        (0..self.dim()).all(|r| self.pattern.row(r).len() >= self.curvature.row(r).len())
    }

    /// The number of unconstrained coordinates.
    pub fn dim(&self) -> usize {
        self.pattern.dim()
    }

    /// The number of parameters.
    pub fn params(&self) -> usize {
        self.dim() + self.pattern.len()
    }

    /// The Gaussian with these parameters.
    pub fn gaussian(&self, params: &[f64]) -> Gaussian {
        let (mean, scale) = params.split_at(self.dim());
        let mut scale = scale.to_vec();
        for r in self.pattern.order() {
            let diagonal = self.pattern.diagonal(r);
            scale[diagonal] = scale[diagonal].exp();
        }
        Gaussian {
            mean: mean.to_vec(),
            scale,
        }
    }

    /// The parameters of a Gaussian with positive diagonal: the inverse of [`Guide::gaussian`].
    pub fn params_of(&self, q: &Gaussian) -> Vec<f64> {
        let mut scale = q.scale.clone();
        for r in self.pattern.order() {
            let diagonal = self.pattern.diagonal(r);
            scale[diagonal] = scale[diagonal].ln();
        }
        [q.mean.as_slice(), &scale].concat()
    }

    /// Writes the draw z = μ + S ε that belongs to the noise ε over `z`.
    pub fn draw(&self, q: &Gaussian, noise: &[f64], z: &mut [f64]) {
        z.copy_from_slice(&q.mean);
        self.pattern.times(&q.scale, noise, z);
    }

    /// The marginal standard deviation of coordinate `r`; 0 for one without spread.
    pub fn sd(&self, q: &Gaussian, r: usize) -> f64 {
        let row = &q.scale[self.pattern.row(r)];
        row.iter().map(|s| s * s).sum::<f64>().sqrt()
    }

    /// The entropy of a site's factor, E_q[−log q(site | given)] = Σ_r log S_rr + ½ log 2πe; 0 for a point.
    ///
    /// The factors' entropies add up to that of the guide (the chain rule).
    pub fn entropy(&self, q: &Gaussian, site: usize) -> f64 {
        let (from, to) = self.factors[site].coordinates;
        (from..to)
            .filter(|r| self.pattern.spreads(*r))
            .map(|r| q.scale[self.pattern.diagonal(r)].ln() + 0.5 * (1.0 + (2.0 * PI).ln()))
            .sum()
    }

    /// The entropy of the guide.
    pub fn total_entropy(&self, q: &Gaussian) -> f64 {
        (0..self.factors.len()).map(|s| self.entropy(q, s)).sum()
    }

    /// log q(z) of the draw with this noise, over the coordinates with spread, each counted `weights` times.
    pub fn log_density(&self, q: &Gaussian, noise: &[f64], weights: Option<&[f64]>) -> f64 {
        self.pattern
            .order()
            .map(|r| {
                let log_scale = q.scale[self.pattern.diagonal(r)].ln();
                let own = -log_scale - 0.5 * (noise[r] * noise[r] + (2.0 * PI).ln());
                weights.map_or(own, |weights| weights[r] * own)
            })
            .sum()
    }
}

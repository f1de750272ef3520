//! Expected log densities in closed form: affine predictors of a Gaussian are Gaussian.
//!
//! Under z = μ + S ε an affine predictor c + aᵀz has mean c + aᵀμ and the coefficients Sᵀa in the noise; variances and covariances
//! are inner products of these.

use crate::dist::GaussianForm;
use crate::guide::Gaussian;
use crate::guide::pattern::Pattern;
use crate::joint::Affine;
use crate::joint::GaussianTerm;
use crate::num::special;
use std::f64::consts::PI;

/// A term with the memory to compute its expectation.
#[derive(Debug)]
pub struct ClosedForm<'a> {
    term: &'a GaussianTerm,
    /// What each row adds whatever the guide is.
    constant: Vec<f64>,
    first: Sparse,
    second: Sparse,
}

/// The moments of a row's predictors: residual (or log rate) r and log sd s.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    mean: f64,
    variance: f64,
    mean_sd: f64,
    variance_sd: f64,
    covariance: f64,
}

impl<'a> ClosedForm<'a> {
    /// Prepares a term over `dim` coordinates.
    pub fn new(term: &'a GaussianTerm, dim: usize) -> ClosedForm<'a> {
        let constant = match term.form {
            GaussianForm::Normal | GaussianForm::LogNormal => vec![-0.5 * (2.0 * PI).ln()],
            GaussianForm::Poisson | GaussianForm::PoissonRate => (term.observed.iter())
                .map(|y| -special::lgamma(y + 1.0))
                .collect(),
        };
        ClosedForm {
            term,
            constant,
            first: Sparse::new(dim),
            second: Sparse::new(dim),
        }
    }

    /// The expectation under `q`; its gradient in μ and S is added to `gradient`.
    pub fn evaluate(&mut self, pattern: &Pattern, q: &Gaussian, gradient: &mut Gaussian) -> f64 {
        let term = self.term;
        let mut sum = 0.0;
        for j in 0..term.rows {
            let weight = per_row(&term.weight, j).unwrap_or(1.0);
            if weight == 0.0 {
                continue;
            }
            let (mean, mean_sd) = (
                self.first.load(&term.predictor, j, pattern, q),
                self.second.load(&term.log_sd, j, pattern, q),
            );
            let moments = Moments {
                mean,
                variance: self.first.dot(&self.first),
                mean_sd,
                variance_sd: self.second.dot(&self.second),
                covariance: self.first.dot(&self.second),
            };
            let (value, slope) = match term.form {
                GaussianForm::Normal | GaussianForm::LogNormal => normal(moments),
                GaussianForm::Poisson | GaussianForm::PoissonRate => {
                    poisson(moments, term.observed[j])
                }
            };
            let constant = per_row(&self.constant, j).unwrap_or(0.0);
            sum += weight * (value + constant + mean_of(&term.offset, j, q));

            for (r, a) in summands(&term.offset, j) {
                gradient.mean[r] += weight * a;
            }
            for (r, a) in summands(&term.predictor, j) {
                gradient.mean[r] += weight * a * slope.mean;
                for i in pattern.row(r) {
                    let c = pattern.column(i);
                    let part = 2.0 * slope.variance * self.first.values[c]
                        + slope.covariance * self.second.values[c];
                    gradient.scale[i] += weight * a * part;
                }
            }
            for (r, a) in summands(&term.log_sd, j) {
                gradient.mean[r] += weight * a * slope.mean_sd;
                for i in pattern.row(r) {
                    let c = pattern.column(i);
                    let part = 2.0 * slope.variance_sd * self.second.values[c]
                        + slope.covariance * self.first.values[c];
                    gradient.scale[i] += weight * a * part;
                }
            }
            self.first.clear();
            self.second.clear();
        }
        sum
    }
}

/// E[−s − ½ e^{−2s} r²] = −m_s − ½ e^{−2 m_s + 2 v_s} ((m_r − 2 c)² + v_r) for jointly Gaussian (r, s), and its derivatives:
/// weighting by e^{−2s} moves the mean of r by −2 c and multiplies by the moment generating function of s at −2.
fn normal(m: Moments) -> (f64, Moments) {
    let weight = (-2.0 * m.mean_sd + 2.0 * m.variance_sd).exp();
    let moved = m.mean - 2.0 * m.covariance;
    let square = weight * (moved * moved + m.variance);
    let slope = Moments {
        mean: -weight * moved,
        variance: -0.5 * weight,
        mean_sd: square - 1.0,
        variance_sd: -square,
        covariance: 2.0 * weight * moved,
    };
    (-m.mean_sd - 0.5 * square, slope)
}

/// E[y η − e^η] = y m − e^{m + v/2} for Gaussian η, and its derivatives.
fn poisson(m: Moments, y: f64) -> (f64, Moments) {
    let rate = (m.mean + 0.5 * m.variance).exp();
    let slope = Moments {
        mean: y - rate,
        variance: -0.5 * rate,
        ..Moments::default()
    };
    (y * m.mean - rate, slope)
}

/// Entry `j` of a list with one entry per row, a single one for all, or none.
fn per_row<T: Copy>(list: &[T], j: usize) -> Option<T> {
    list.get(if list.len() == 1 { 0 } else { j }).copied()
}

/// The coordinates and coefficients of row `j`.
pub(crate) fn summands(affine: &Affine, j: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
    affine.terms.iter().filter_map(move |t| {
        let coordinate = per_row(&t.coordinate, j)?;
        Some((coordinate as usize, per_row(&t.coefficient, j)?))
    })
}

fn mean_of(affine: &Affine, j: usize, q: &Gaussian) -> f64 {
    let constant = per_row(&affine.constant, j).unwrap_or(0.0);
    summands(affine, j).fold(constant, |sum, (r, a)| sum + a * q.mean[r])
}

/// A vector of coefficients in the noise, most of them zero.
#[derive(Debug)]
struct Sparse {
    values: Vec<f64>,
    listed: Vec<bool>,
    touched: Vec<u32>,
}

impl Sparse {
    fn new(dim: usize) -> Sparse {
        Sparse {
            values: vec![0.0; dim],
            listed: vec![false; dim],
            touched: Vec::new(),
        }
    }

    /// Holds Sᵀa for the coefficients a of row `j`; gives the predictor's mean. May only be called when clear.
    fn load(&mut self, affine: &Affine, j: usize, pattern: &Pattern, q: &Gaussian) -> f64 {
        for (r, a) in summands(affine, j) {
            for i in pattern.row(r) {
                let c = pattern.column(i);
                if !std::mem::replace(&mut self.listed[c], true) {
                    self.touched.push(c as u32);
                }
                self.values[c] += a * q.scale[i];
            }
        }
        mean_of(affine, j, q)
    }

    fn dot(&self, other: &Sparse) -> f64 {
        (self.touched.iter()).fold(0.0, |sum, c| {
            sum + self.values[*c as usize] * other.values[*c as usize]
        })
    }

    fn clear(&mut self) {
        for c in self.touched.drain(..) {
            self.values[c as usize] = 0.0;
            self.listed[c as usize] = false;
        }
    }
}

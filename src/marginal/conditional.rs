//! The locals given the globals: their moments, draws of them, and what they expect of each term.

use super::Arrow;
use super::Integral;
use super::Marginal;
use super::Order;
use crate::joint::locals::LocalPlate;
use std::f64::consts::PI;

/// The distribution of the locals at one point of the globals: Gaussian with the right means and covariances of each element with
/// those above it; exactly right where the log density is quadratic in the locals.
#[derive(Clone, Debug)]
pub struct Conditional<'a> {
    /// All coordinates: the globals, and the means of the locals.
    pub mean: Vec<f64>,
    arrow: Arrow<'a>,
}

impl Conditional<'_> {
    /// A draw from standard normal noise for every local coordinate; the globals are theirs.
    pub fn draw(&self, plates: &[LocalPlate], noise: &[f64]) -> Vec<f64> {
        let mut point = self.mean.clone();
        for (p, plate) in plates.iter().enumerate() {
            let at = |k: usize, i: usize| noise[plate.at(k, i)];
            self.arrow.place(p, &self.mean, at, &mut point);
        }
        point
    }
}

/// What is expected of the terms of the density under the locals given the globals.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The log density of the globals.
    pub value: f64,
    /// The mean of each term.
    pub terms: Vec<f64>,
    /// The entropy of the locals of each plate, shared out among the coordinates of one element: those of an element in their order,
    /// each given those before it.
    pub entropies: Vec<Vec<f64>>,
}

impl<'a> Marginal<'a> {
    /// The log density and the locals at several points.
    pub fn values_with(&mut self, thetas: &[Vec<f64>]) -> Vec<(f64, Conditional<'a>)> {
        self.each(thetas, Marginal::value_with)
    }

    /// What the terms are expected to be at several points.
    pub fn all_expected(&mut self, thetas: &[Vec<f64>]) -> Vec<Expected> {
        self.each(thetas, Marginal::expected)
    }

    /// The log density at `theta` and the locals there.
    pub fn value_with(&mut self, theta: &[f64]) -> (f64, Conditional<'a>) {
        let value = self.value(theta, Order::Low);
        // Where no modes were found the nodes are still those of another point.
        let locals = match value.is_nan() {
            true => self.at_modes(),
            false => self.moments(),
        };
        (value, locals)
    }

    /// Gaussians at the modes, with the curvature there.
    fn at_modes(&self) -> Conditional<'a> {
        Conditional {
            mean: self.modes.clone(),
            arrow: self.arrow.for_placing(),
        }
    }

    fn moments(&self) -> Conditional<'a> {
        if self.integral == Integral::Exact || self.forest.plates.is_empty() {
            return self.at_modes();
        }
        if self.low.flat() {
            return self.flat_moments();
        }
        let (forest, modes) = (self.forest, &self.modes);
        let mut mean = modes.clone();
        let mut second: Vec<Vec<f64>> = (forest.plates.iter())
            .map(|p| vec![0.0; p.count * p.width * p.chain_width(forest)])
            .collect();
        self.low.each(&self.arrow, modes, |point, weights| {
            for (p, plate) in forest.plates.iter().enumerate() {
                let width = plate.chain_width(forest);
                for (i, weight) in weights[p].iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    for r in 0..plate.width {
                        let at = plate.at(r, i);
                        let shift = weight * (point[at] - modes[at]);
                        mean[at] += shift;
                        let row = &mut second[p][(i * plate.width + r) * width..][..width];
                        for (entry, c) in row.iter_mut().zip(forest.chain(p, i)) {
                            *entry += shift * (point[c] - modes[c]);
                        }
                    }
                }
            }
        });
        for (p, plate) in forest.plates.iter().enumerate() {
            let width = plate.chain_width(forest);
            for i in 0..plate.count {
                for r in 0..plate.width {
                    let at = plate.at(r, i);
                    let row = &mut second[p][(i * plate.width + r) * width..][..width];
                    for (entry, c) in row.iter_mut().zip(forest.chain(p, i)) {
                        *entry -= (mean[at] - modes[at]) * (mean[c] - modes[c]);
                    }
                }
            }
        }
        Conditional {
            arrow: Arrow::of_covariance(forest, &second),
            mean,
        }
    }

    /// The moments where no plate lies in another: with m and C the mean and covariance of the nodes z, φ̂ + L m and L C Lᵀ.
    fn flat_moments(&self) -> Conditional<'a> {
        let mut mean = self.modes.clone();
        let mut second = Vec::new();
        for (p, plate) in self.forest.plates.iter().enumerate() {
            let ((rule, shares), d, count) = (self.low.of_plate(p), plate.width, plate.count);
            let mut covariances = vec![0.0; count * d * d];
            let (mut m, mut c, mut half) = (vec![0.0; d], vec![0.0; d * d], vec![0.0; d * d]);
            for (i, covariance) in covariances.chunks_exact_mut(d * d).enumerate() {
                m.fill(0.0);
                c.fill(0.0);
                for (point, shares) in rule.points.iter().zip(shares.chunks_exact(count)) {
                    for r in 0..d {
                        m[r] += shares[i] * point[r];
                        for k in 0..d {
                            c[r * d + k] += shares[i] * point[r] * point[k];
                        }
                    }
                }
                for r in 0..d {
                    let (_, spread) = self.arrow.row(p, i, r);
                    mean[plate.at(r, i)] += spread.iter().zip(&m).map(|(l, m)| l * m).sum::<f64>();
                    for k in 0..d {
                        let entry = |j: usize| c[j * d + k] - m[j] * m[k];
                        half[r * d + k] =
                            spread.iter().enumerate().map(|(j, l)| l * entry(j)).sum();
                    }
                }
                for r in 0..d {
                    for k in 0..d {
                        let (_, spread) = self.arrow.row(p, i, k);
                        let row = &half[r * d..];
                        covariance[r * d + k] = spread.iter().zip(row).map(|(l, h)| l * h).sum();
                    }
                }
            }
            second.push(covariances);
        }
        Conditional {
            arrow: Arrow::of_covariance(self.forest, &second),
            mean,
        }
    }

    /// What the terms are expected to be at `theta`.
    pub fn expected(&mut self, theta: &[f64]) -> Expected {
        self.low.means = true;
        let value = self.value(theta, Order::Low);
        self.low.means = false;
        let mut unused = vec![0.0; self.modes.len()];
        if self.forest.plates.is_empty() {
            let terms = self.locals.terms().to_vec();
            return Expected {
                value,
                terms,
                entropies: Vec::new(),
            };
        }
        let locals = &mut self.locals;
        match self.integral {
            Integral::Exact => self.corners(&mut unused),
            // The terms' means over the nodes were found with the integral; …
            Integral::Quadrature if self.low.flat() => {}
            Integral::Quadrature => {
                (self.low).weigh(&mut **locals, &self.arrow, &self.modes, &mut unused);
            }
        }
        let terms = self.locals.terms().to_vec();
        let entropies = self.entropies(value - terms.iter().sum::<f64>());
        Expected {
            value,
            terms,
            entropies,
        }
    }

    /// The entropy of the locals, `total`, by coordinates: that of the Gaussians at the modes, and an even share of what is left.
    fn entropies(&self, total: f64) -> Vec<Vec<f64>> {
        let plates = self.forest.plates.iter().enumerate();
        let mut shares: Vec<Vec<f64>> = plates
            .map(|(p, plate)| {
                let of = |r: usize| -> f64 {
                    let logs = (0..plate.count).map(|i| self.arrow.row(p, i, r).1[r].ln());
                    logs.sum::<f64>() + 0.5 * plate.count as f64 * (1.0 + (2.0 * PI).ln())
                };
                (0..plate.width).map(of).collect()
            })
            .collect();
        let sum: f64 = shares.iter().flatten().sum();
        let locals = self.forest.locals().max(1) as f64;
        for (shares, plate) in shares.iter_mut().zip(&self.forest.plates) {
            let more = (total - sum) * plate.count as f64 / locals;
            shares.iter_mut().for_each(|s| *s += more);
        }
        shares
    }
}

//! The locals given the globals: their moments, draws of them, and what they expect of each term.

use super::Arrow;
use super::Integral;
use super::Marginal;
use super::Order;
use super::above_of;
use super::place_all;
use crate::joint::locals::Forest;
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
    /// Replaces standard normal noise for every local coordinate by a draw, and the globals by theirs.
    pub fn draw(&self, plates: &[LocalPlate], noise: &mut [f64]) {
        let own = noise.to_vec();
        let mut point = self.mean.clone();
        for (p, plate) in plates.iter().enumerate() {
            let at = |k: usize, i: usize| own[plate.at(k, i)];
            self.arrow.place(p, &self.mean, at, &mut point);
        }
        noise.copy_from_slice(&point);
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
    /// The log density at `theta` and the locals there.
    pub fn value_with(&mut self, theta: &[f64]) -> (f64, Conditional<'a>) {
        let value = self.value(theta, Order::Low);
        (value, self.moments())
    }

    fn moments(&self) -> Conditional<'a> {
        if self.integral == Integral::Exact || self.forest.plates.is_empty() {
            return Conditional {
                mean: self.modes.clone(),
                arrow: self.arrow.clone(),
            };
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
                        for (entry, c) in row.iter_mut().zip(chain(forest, p, i)) {
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
                    for (entry, c) in row.iter_mut().zip(chain(forest, p, i)) {
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

    /// What the terms are expected to be at `theta`.
    pub fn expected(&mut self, theta: &[f64]) -> Expected {
        let value = self.value(theta, Order::Low);
        let mut slope = vec![0.0; self.modes.len()];
        let mut terms = vec![0.0; self.forest.terms.len()];
        if self.integral == Integral::Exact || self.forest.plates.is_empty() {
            let mut point = self.modes.clone();
            for corner in &self.simplex {
                place_all(self.forest, &self.arrow, &self.modes, corner, &mut point);
                self.locals.gradient(&point, &mut slope);
                for (sum, term) in terms.iter_mut().zip(self.locals.terms()) {
                    *sum += term / self.simplex.len() as f64;
                }
            }
        } else {
            let (locals, forest) = (&mut self.locals, self.forest);
            self.low.each(&self.arrow, &self.modes, |point, weights| {
                locals.weighted(point, weights, &mut slope);
                for ((sum, term), place) in terms.iter_mut().zip(locals.terms()).zip(&forest.terms)
                {
                    if place.is_some() {
                        *sum += term;
                    }
                }
            });
            self.locals.rest(&self.modes, &mut slope);
            for ((sum, term), place) in terms.iter_mut().zip(self.locals.terms()).zip(&forest.terms)
            {
                if place.is_none() {
                    *sum = *term;
                }
            }
        }
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

/// The places of the coordinates above an element and of its own.
fn chain(forest: &Forest, p: usize, i: usize) -> impl Iterator<Item = usize> + '_ {
    let plate = &forest.plates[p];
    let own = (0..plate.width).map(move |k| plate.at(k, i));
    above_of(forest, plate, i).chain(own)
}

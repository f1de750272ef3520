//! Adaptive Gauss–Hermite quadrature over the forest (Pinheiro & Bates 1995): nodes around each element's mode given the node above.
//!
//! `log p̂ = log |L| + d/2 log 2π + log Σ_k w_k exp(l(φ̂ + L z_k) + z_k'z_k / 2)` for an element, where l holds the integrals of the
//! elements below it at its node. One sweep puts all elements of a level at the same node; with several levels there is one sweep for
//! each combination of nodes.

use super::arrow::Arrow;
use super::rule::Order;
use super::rule::Rule;
use crate::joint::locals::Forest;
use crate::joint::locals::Locals;
use crate::joint::locals::Spread;
use std::f64::consts::PI;

/// The nodes of all plates and, after a run, how much each counts.
#[derive(Clone, Debug)]
pub struct Nodes {
    rules: Vec<Rule>,
    /// The level of each plate: how many plates are above it.
    levels: Vec<usize>,
    /// The nodes of each level.
    sizes: Vec<usize>,
    /// For each plate, after a run: the share of each of its elements' nodes in the integral, given the nodes above:
    /// element `i` at node `k` under the combination `c` of nodes above at `(c * nodes + k) * count + i`.
    shares: Vec<Vec<f64>>,
    /// For each plate the log integral of each element under each combination of nodes above.
    integrals: Vec<Vec<f64>>,
    forest: Forest,
    points: Vec<Vec<f64>>,
    /// Whether the means of all terms are wanted.
    pub means: bool,
}

impl Nodes {
    /// The nodes of a forest.
    pub fn new(forest: &Forest, order: Order) -> Nodes {
        let rule = |width: usize| Rule::new(width, order);
        let rules: Vec<Rule> = forest.plates.iter().map(|p| rule(p.width)).collect();
        let levels: Vec<usize> = forest.plates.iter().map(|p| p.above.len()).collect();
        let depth = levels.iter().max().map_or(0, |l| l + 1);
        let size = |level: usize| {
            let at = rules.iter().zip(&levels).filter(|(_, l)| **l == level);
            at.map(|(rule, _)| rule.len()).max().unwrap_or(1)
        };
        let sizes: Vec<usize> = (0..depth).map(size).collect();
        Nodes {
            rules,
            levels,
            sizes,
            shares: vec![Vec::new(); forest.plates.len()],
            integrals: vec![Vec::new(); forest.plates.len()],
            forest: forest.clone(),
            points: Vec::new(),
            means: false,
        }
    }

    /// The number of combinations.
    pub fn sweeps(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Every combination of one node for each level.
    fn combinations(&self) -> impl Iterator<Item = Vec<usize>> + use<> {
        let sizes = self.sizes.clone();
        (0..self.sweeps()).map(move |c| {
            let mut rest = c;
            let mut at: Vec<usize> = Vec::with_capacity(sizes.len());
            for size in sizes.iter().rev() {
                at.push(rest % size);
                rest /= size;
            }
            at.reverse();
            at
        })
    }

    /// The number of a combination of the nodes of the first levels.
    fn number(&self, combination: &[usize]) -> usize {
        combination
            .iter()
            .zip(&self.sizes)
            .fold(0, |number, (k, size)| number * size + k)
    }

    /// Whether a combination is the one of those that differ below plate `p` alone that stands for it.
    fn stands_for(&self, p: usize, combination: &[usize]) -> bool {
        let known = |q: usize| combination[self.levels[q]] < self.rules[q].len();
        let chain = self.forest.plates[p].above.iter().map(|a| a.place);
        let below = &combination[self.levels[p] + 1..];
        known(p) && chain.into_iter().all(known) && below.iter().all(|k| *k == 0)
    }

    /// Places all elements at a combination of nodes.
    fn place(&self, arrow: &Arrow<'_>, modes: &[f64], combination: &[usize], to: &mut [f64]) {
        for (p, rule) in self.rules.iter().enumerate() {
            let point = &rule.points[combination[self.levels[p]] % rule.len()];
            arrow.place(p, modes, |k, _| point[k], to);
        }
    }

    /// Whether no plate lies in another.
    pub fn flat(&self) -> bool {
        self.levels.iter().all(|level| *level == 0)
    }

    /// The rule of a plate, and the shares of its nodes where no plate lies in another: node `k` of element `i` at `k * count + i`.
    pub fn of_plate(&self, p: usize) -> (&Rule, &[f64]) {
        (&self.rules[p], &self.shares[p])
    }

    /// The sum of the log integrals of the outermost elements; afterwards the shares of the nodes are known. Adds the gradient in all
    /// coordinates, of which only those that are globals mean something, or keeps it for [`Locals::finish`].
    ///
    /// The integral does not depend on where the nodes are, so they are held: `∂ log p̂ / ∂θ = Σ_k share_k ∂l(θ, φ_k) / ∂θ`.
    pub fn integrate(
        &mut self,
        locals: &mut dyn Locals,
        arrow: &Arrow<'_>,
        modes: &[f64],
        gradient: Option<&mut [f64]>,
    ) -> f64 {
        if self.flat() {
            return self.integrate_flat(locals, arrow, modes, gradient);
        }
        let value = self.integrate_nested(locals, arrow, modes);
        if let Some(gradient) = gradient {
            self.each(arrow, modes, |point, weights| {
                weigh(locals, point, weights, gradient);
            });
        }
        value
    }

    /// Where no plate lies in another all nodes of an element are gone through before the next element.
    fn integrate_flat(
        &mut self,
        locals: &mut dyn Locals,
        arrow: &Arrow<'_>,
        modes: &[f64],
        gradient: Option<&mut [f64]>,
    ) -> f64 {
        let derivatives = gradient.is_some();
        let gradient = gradient.unwrap_or_default();
        let mut total = 0.0;
        for (p, (rule, plate)) in self.rules.iter().zip(&self.forest.plates).enumerate() {
            self.points
                .resize(rule.len().max(self.points.len()), Vec::new());
            for (point, to) in rule.points.iter().zip(&mut self.points) {
                to.clear();
                to.extend_from_slice(modes);
                arrow.place(p, modes, |k, _| point[k], to);
            }
            self.shares[p].clear();
            self.shares[p].resize(rule.len() * plate.count, 0.0);
            self.integrals[p].resize(plate.count, 0.0);
            let spread = Spread {
                points: &self.points[..rule.len()],
                shares: &mut self.shares[p],
                raise: Some(&rule.raise),
                integrals: &mut self.integrals[p],
                derivatives,
                means: self.means,
            };
            locals.spread(p, spread, gradient);
            let constant = 0.5 * plate.width as f64 * (2.0 * PI).ln();
            for (i, integral) in self.integrals[p].iter_mut().enumerate() {
                *integral += constant + arrow.log_spread(p, i);
                total += *integral;
            }
        }
        total
    }

    fn integrate_nested(
        &mut self,
        locals: &mut dyn Locals,
        arrow: &Arrow<'_>,
        modes: &[f64],
    ) -> f64 {
        let counts: Vec<usize> = self.forest.plates.iter().map(|p| p.count).collect();
        for (p, count) in counts.iter().enumerate() {
            let levels = self.levels[p] + 1;
            let combinations: usize = self.sizes[..levels].iter().product();
            self.shares[p].resize(combinations * count, 0.0);
            self.integrals[p].resize(combinations / self.sizes[levels - 1] * count, 0.0);
        }
        let mut values: Vec<Vec<f64>> = counts.iter().map(|count| vec![0.0; *count]).collect();
        let mut point = modes.to_vec();
        for combination in self.combinations() {
            self.place(arrow, modes, &combination, &mut point);
            locals.values(&point, &mut values);
            for (p, values) in values.iter().enumerate() {
                if self.stands_for(p, &combination) {
                    let start = self.number(&combination[..=self.levels[p]]) * values.len();
                    self.shares[p][start..start + values.len()].copy_from_slice(values);
                }
            }
        }
        let mut total = 0.0;
        for p in (0..counts.len()).rev() {
            self.sum_up(arrow, p);
            match self.forest.plates[p].above.last() {
                None => total += self.integrals[p].iter().sum::<f64>(),
                Some(parent) => {
                    let outer = counts[parent.place];
                    let (integrals, shares) = (&self.integrals[p], &mut self.shares[parent.place]);
                    for (c, integrals) in integrals.chunks_exact(counts[p]).enumerate() {
                        for (integral, element) in integrals.iter().zip(parent.element.iter()) {
                            shares[c * outer + *element as usize] += integral;
                        }
                    }
                }
            }
        }
        // The share of a node among all combinations is its share given those above times theirs.
        for p in 0..counts.len() {
            let Some(parent) = self.forest.plates[p].above.last() else {
                continue;
            };
            let (before, rest) = self.shares.split_at_mut(p);
            let (outer, nodes) = (counts[parent.place], self.sizes[self.levels[p]]);
            for (c, shares) in rest[0].chunks_exact_mut(counts[p]).enumerate() {
                let above = &before[parent.place][c / nodes * outer..][..outer];
                for (share, element) in shares.iter_mut().zip(parent.element.iter()) {
                    *share *= above[*element as usize];
                }
            }
        }
        total
    }

    /// From the log integrands of plate `p` to its log integrals and the shares of its nodes in them.
    fn sum_up(&mut self, arrow: &Arrow<'_>, p: usize) {
        let (rule, plate) = (&self.rules[p], &self.forest.plates[p]);
        let (nodes, count) = (self.sizes[self.levels[p]], plate.count);
        let constant = 0.5 * plate.width as f64 * (2.0 * PI).ln();
        let groups = self.shares[p].chunks_exact_mut(nodes * count);
        for (shares, integrals) in groups.zip(self.integrals[p].chunks_exact_mut(count)) {
            for (i, integral) in integrals.iter_mut().enumerate() {
                let raised = |k: usize| shares[k * count + i] + rule.raise[k];
                let most = (0..rule.len())
                    .map(raised)
                    .fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = (0..rule.len()).map(|k| (raised(k) - most).exp()).sum();
                *integral = most + sum.ln() + constant + arrow.log_spread(p, i);
                for k in 0..rule.len() {
                    let at = k * count + i;
                    shares[at] = (shares[at] + rule.raise[k] - most).exp() / sum;
                }
            }
        }
    }

    /// Runs over all combinations of nodes: all coordinates, and the share of each element there.
    pub fn each(
        &self,
        arrow: &Arrow<'_>,
        modes: &[f64],
        mut with: impl FnMut(&[f64], &[Vec<f64>]),
    ) {
        let mut point = modes.to_vec();
        let plates = &self.forest.plates;
        let mut weights: Vec<Vec<f64>> = plates.iter().map(|p| vec![0.0; p.count]).collect();
        for combination in self.combinations() {
            self.place(arrow, modes, &combination, &mut point);
            for (p, weights) in weights.iter_mut().enumerate() {
                if self.stands_for(p, &combination) {
                    let count = weights.len();
                    let start = self.number(&combination[..=self.levels[p]]) * count;
                    weights.copy_from_slice(&self.shares[p][start..start + count]);
                } else {
                    weights.fill(0.0);
                }
            }
            with(&point, &weights);
        }
    }

    /// The log integral of each outermost element at the last run.
    pub fn outermost(&self) -> Vec<(usize, &[f64])> {
        let plates = self.forest.plates.iter().enumerate();
        plates
            .filter(|(_, plate)| plate.above.is_empty())
            .map(|(p, _)| (p, self.integrals[p].as_slice()))
            .collect()
    }
}

/// Sums the terms up at one point, each element with its weight.
pub fn weigh(locals: &mut dyn Locals, point: &[f64], weights: &[Vec<f64>], gradient: &mut [f64]) {
    let points = [point.to_vec()];
    for (p, weights) in weights.iter().enumerate() {
        let spread = Spread {
            points: &points,
            shares: &mut weights.clone(),
            raise: None,
            integrals: &mut [],
            derivatives: true,
            means: true,
        };
        locals.spread(p, spread, gradient);
    }
}

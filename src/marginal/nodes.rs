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

    /// The sum of the log integrals of the outermost elements; afterwards the shares of the nodes are known.
    pub fn integrate(&mut self, locals: &mut dyn Locals, arrow: &Arrow<'_>, modes: &[f64]) -> f64 {
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

    /// Adds the gradient of the integral of the last run in all coordinates; only that in the globals means something.
    ///
    /// The integral does not depend on where the nodes are, so they are held: `∂ log p̂ / ∂θ = Σ_k share_k ∂l(θ, φ_k) / ∂θ`.
    pub fn pull(
        &self,
        locals: &mut dyn Locals,
        arrow: &Arrow<'_>,
        modes: &[f64],
        gradient: &mut [f64],
    ) {
        self.each(arrow, modes, |point, weights| {
            locals.weighted(point, weights, gradient);
        });
        locals.finish(modes, gradient);
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

//! Adaptive Gauss–Hermite quadrature over the forest (Pinheiro & Bates 1995): nodes around each element's mode given the node above.
//!
//! `log p̂ = log |L| + d/2 log 2π + log Σ_k w_k exp(l(φ̂ + L z_k) + z_k'z_k / 2)` for an element, where l holds the integrals of the
//! elements below it at its node. All elements of a plate are put at the same node; below others there is a node for each combination of
//! theirs and its own.

use super::arrow::Arrow;
use super::rule::Order;
use super::rule::Rule;
use crate::joint::locals::Forest;
use crate::joint::locals::Locals;
use crate::joint::locals::Spread;
use std::f64::consts::PI;
use std::ops::Range;

/// Numbers that all points that are gone through together may have, about.
const AT_ONCE: usize = 1 << 24;

/// The nodes of all plates and, after a run, how much each counts.
#[derive(Clone, Debug)]
pub struct Nodes {
    rules: Vec<Rule>,
    /// The level of each plate: how many plates are above it.
    levels: Vec<usize>,
    /// The nodes of each level.
    sizes: Vec<usize>,
    /// For each plate, after a run: the share of each of its elements' nodes in the integral: element `i` at node `k` under the
    /// combination `c` of nodes above at `(c * nodes + k) * count + i`.
    shares: Vec<Vec<f64>>,
    /// For each plate the log integral of element `i` under combination `c` of nodes above at `c * count + i`.
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

    /// The plates above plate `p` and itself, outermost first.
    fn chain(&self, p: usize) -> impl Iterator<Item = usize> + '_ {
        let above = self.forest.plates[p].above.iter().map(|a| a.place);
        above.chain([p])
    }

    /// The number of plate `p`'s nodes under all combinations of nodes above.
    fn nodes_of(&self, p: usize) -> usize {
        self.chain(p).map(|q| self.rules[q].len()).product()
    }

    /// The number of a combination among the nodes of plate `p`, where it is the one of those that differ elsewhere that stands for it.
    fn number(&self, p: usize, combination: &[usize]) -> Option<usize> {
        let below = &combination[self.levels[p] + 1..];
        let known = |q: usize| combination[self.levels[q]] < self.rules[q].len();
        if below.iter().any(|k| *k > 0) || !self.chain(p).all(known) {
            return None;
        }
        Some(self.chain(p).fold(0, |number, q| {
            number * self.rules[q].len() + combination[self.levels[q]]
        }))
    }

    /// Places all elements at a combination of nodes.
    fn place(&self, arrow: &Arrow<'_>, modes: &[f64], combination: &[usize], to: &mut [f64]) {
        for (p, rule) in self.rules.iter().enumerate() {
            let point = &rule.points[combination[self.levels[p]] % rule.len()];
            arrow.place(p, modes, |k, _| point[k], to);
        }
    }

    /// Places the elements of plate `p`, and those above, at some of its nodes.
    fn place_some(
        &self,
        p: usize,
        arrow: &Arrow<'_>,
        modes: &[f64],
        nodes: Range<usize>,
    ) -> Vec<Vec<f64>> {
        let place = |node: usize| {
            let mut to = modes.to_vec();
            let mut left = self.nodes_of(p);
            for q in self.chain(p) {
                let rule = &self.rules[q];
                left /= rule.len();
                let point = &rule.points[node / left % rule.len()];
                arrow.place(q, modes, |k, _| point[k], &mut to);
            }
            to
        };
        nodes.map(place).collect()
    }

    /// The nodes of plate `p` in parts that are gone through together.
    fn parts(&self, p: usize, dim: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (own, all) = (self.rules[p].len(), self.nodes_of(p));
        let most = (AT_ONCE / (dim * own).max(1)).max(1) * own;
        (0..all)
            .step_by(most)
            .map(move |first| first..all.min(first + most))
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
            self.weigh(locals, arrow, modes, gradient);
        }
        value
    }

    /// Sums the terms up at all nodes, each with its share: adds their gradient, or keeps it for [`Locals::finish`].
    pub fn weigh(
        &self,
        locals: &mut dyn Locals,
        arrow: &Arrow<'_>,
        modes: &[f64],
        gradient: &mut [f64],
    ) {
        for (p, plate) in self.forest.plates.iter().enumerate() {
            for part in self.parts(p, modes.len()) {
                let shares = part.start * plate.count..part.end * plate.count;
                let spread = Spread {
                    points: &self.place_some(p, arrow, modes, part),
                    shares: &mut self.shares[p][shares].to_vec(),
                    raise: None,
                    integrals: &mut [],
                    derivatives: true,
                    means: true,
                };
                locals.spread(p, spread, gradient);
            }
        }
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
            let nodes = self.nodes_of(p);
            self.shares[p].clear();
            self.shares[p].resize(nodes * count, 0.0);
            self.integrals[p].resize(nodes / self.rules[p].len() * count, 0.0);
        }
        let mut total = 0.0;
        for p in (0..counts.len()).rev() {
            // What the elements below have found is there already, as a part of the integrand.
            let (count, own) = (counts[p], self.rules[p].len());
            for part in self.parts(p, modes.len()) {
                let points = self.place_some(p, arrow, modes, part.clone());
                let spread = Spread {
                    points: &points,
                    shares: &mut self.shares[p][part.start * count..part.end * count],
                    raise: Some(&self.rules[p].raise),
                    integrals: &mut self.integrals[p]
                        [part.start / own * count..part.end / own * count],
                    derivatives: false,
                    means: false,
                };
                locals.spread(p, spread, &mut []);
            }
            let constant = 0.5 * self.forest.plates[p].width as f64 * (2.0 * PI).ln();
            for integrals in self.integrals[p].chunks_exact_mut(count) {
                for (i, integral) in integrals.iter_mut().enumerate() {
                    *integral += constant + arrow.log_spread(p, i);
                }
            }
            match self.forest.plates[p].above.last() {
                None => total += self.integrals[p].iter().sum::<f64>(),
                Some(parent) => {
                    let shares = self.shares[parent.place].chunks_exact_mut(counts[parent.place]);
                    for (shares, integrals) in shares.zip(self.integrals[p].chunks_exact(count)) {
                        for (integral, element) in integrals.iter().zip(parent.element.iter()) {
                            shares[*element as usize] += integral;
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
            let (outer, own) = (counts[parent.place], self.rules[p].len());
            for (c, shares) in rest[0].chunks_exact_mut(counts[p]).enumerate() {
                let above = &before[parent.place][c / own * outer..][..outer];
                for (share, element) in shares.iter_mut().zip(parent.element.iter()) {
                    *share *= above[*element as usize];
                }
            }
        }
        total
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
                let count = weights.len();
                match self.number(p, &combination) {
                    Some(node) => weights.copy_from_slice(&self.shares[p][node * count..][..count]),
                    None => weights.fill(0.0),
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

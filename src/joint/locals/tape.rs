//! [`Locals`] of a joint density, by tapes.

use super::Forest;
use super::Locals;
use super::rows::Rows;
use crate::joint::Evaluator;
use crate::joint::Joint;
use crate::joint::LogDensity;
use crate::joint::log_density::TapeEvaluator;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Reduce;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::MUL;
use std::sync::Arc;

/// A joint density with the tapes that integration needs.
pub struct TapeLocals<'a> {
    joint: &'a Joint,
    forest: &'a Forest,
    all: Box<dyn Evaluator + 'a>,
    rest: Box<dyn Evaluator + 'a>,
    /// Made when they are first asked for.
    split: Option<(Split, Rows)>,
    terms: Vec<f64>,
}

/// The terms that depend on locals and have no form, element by element.
struct Split {
    /// Their places.
    places: Vec<usize>,
    curve: TapeEvaluator,
    values: (Tape, Workspace<f64>),
    /// Its inputs are the joint's coordinates and behind them one weight for each element of each plate; its terms the local ones.
    weighted: (Tape, Workspace<f64>),
    input: Vec<f64>,
    output: Vec<f64>,
}

impl<'a> TapeLocals<'a> {
    /// Prepares the tapes.
    pub fn new(joint: &'a Joint, forest: &'a Forest) -> TapeLocals<'a> {
        let rest: Vec<bool> = forest.terms.iter().map(Option::is_none).collect();
        TapeLocals {
            joint,
            forest,
            all: joint.evaluator(&vec![true; rest.len()]),
            rest: joint.evaluator(&rest),
            split: None,
            terms: vec![0.0; rest.len()],
        }
    }

    fn split(&mut self) -> &mut (Split, Rows) {
        let (joint, forest) = (self.joint, self.forest);
        self.split.get_or_insert_with(|| {
            let rows = Rows::new(joint, forest);
            (Split::new(joint, forest, &rows), rows)
        })
    }
}

impl Split {
    fn new(joint: &Joint, forest: &Forest, rows: &Rows) -> Split {
        let formless = |t: &usize| rows.terms.iter().all(|row| row.term != *t);
        let places: Vec<usize> = (0..forest.terms.len())
            .filter(|t| forest.terms[*t].is_some() && formless(t))
            .collect();
        let mut builder = joint.builder.clone();
        let weights: Vec<NodeId> = (forest.plates.iter())
            .map(|p| builder.input(p.plate, 1))
            .collect();
        let mut sums: Vec<Vec<NodeId>> = vec![Vec::new(); forest.plates.len()];
        let mut weighted = Vec::new();
        for t in &places {
            let Some(place) = forest.terms[*t] else {
                continue;
            };
            let sum = gathered(
                &mut builder,
                joint.statements[*t],
                forest.plates[place].plate,
            );
            weighted.push(builder.map(&MUL, &[sum, weights[place]]));
            sums[place].push(sum);
        }
        let values: Vec<NodeId> = (sums.iter().zip(&forest.plates))
            .map(|(sums, plate)| {
                let zero = vec![0.0; plate.count];
                let zero = builder.data(plate.plate, 1, zero.into());
                let sum = sums
                    .iter()
                    .copied()
                    .reduce(|a, b| builder.map(&ADD, &[a, b]));
                sum.unwrap_or(zero)
            })
            .collect();
        let values = builder.tape(&[], &values);
        let weighted = builder.tape(&weighted, &[]);
        let dim = values.dim();
        let (first, second) = (values.workspace(), weighted.workspace());
        let keep: Vec<bool> = (0..forest.terms.len())
            .map(|t| places.contains(&t))
            .collect();
        Split {
            places,
            curve: TapeEvaluator::new(joint.density.restrict(&keep)),
            values: (values, first),
            weighted: (weighted, second),
            input: vec![0.0; dim],
            output: vec![0.0; dim],
        }
    }
}

/// A term's sums over the elements of a plate that its own plate determines.
fn gathered(builder: &mut Builder, node: NodeId, plate: PlateId) -> NodeId {
    let own = builder.plate_of(node);
    if own == plate {
        return node;
    }
    let index = builder.above(own, plate).map(Arc::clone);
    builder.reduce(Reduce::Sum, node, plate, index)
}

impl Locals for TapeLocals<'_> {
    fn visits(&self) -> usize {
        let terms = self.joint.terms.iter();
        terms.map(|t| self.joint.builder.len_of(t.plate)).sum()
    }

    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let value = self.all.gradient(z, gradient);
        self.terms.copy_from_slice(self.all.terms());
        value
    }

    fn terms(&self) -> &[f64] {
        &self.terms
    }

    fn product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        self.all.hessian_product(z, v, product);
    }

    fn prepare(&mut self, z: &[f64]) {
        self.split().1.prepare(z);
    }

    fn curve(&mut self, z: &[f64], slope: &mut [f64], take: &mut dyn FnMut(usize, usize, &[f64])) {
        let forest = self.forest;
        let (split, rows) = self.split();
        slope.fill(0.0);
        let first: Vec<usize> = (0..forest.plates.len())
            .map(|p| forest.plates[..p].iter().map(|p| p.width).sum())
            .collect();
        let directions: usize = forest.plates.iter().map(|p| p.width).sum();
        let mut products = vec![vec![0.0; z.len()]; directions];
        if !split.places.is_empty() {
            split.curve.gradient(z, slope);
            let mut v = vec![0.0; z.len()];
            for (p, plate) in forest.plates.iter().enumerate() {
                for k in 0..plate.width {
                    let probed = &plate.coordinates[k * plate.count..(k + 1) * plate.count];
                    probed.iter().for_each(|c| v[*c as usize] = 1.0);
                    (split.curve).hessian_product(z, &v, &mut products[first[p] + k]);
                    probed.iter().for_each(|c| v[*c as usize] = 0.0);
                }
            }
        }
        rows.curve(z, slope, |p, k| first[p] + k, &mut products);
        for (p, plate) in forest.plates.iter().enumerate() {
            for k in 0..plate.width {
                take(p, k, &products[first[p] + k]);
            }
        }
    }

    fn values(&mut self, z: &[f64], values: &mut [Vec<f64>]) {
        let (split, rows) = self.split();
        if split.places.is_empty() {
            values.iter_mut().for_each(|v| v.fill(0.0));
        } else {
            split.input[..z.len()].copy_from_slice(z);
            let (tape, workspace) = &mut split.values;
            tape.value(&split.input, workspace);
            for (k, out) in values.iter_mut().enumerate() {
                out.copy_from_slice(workspace.output(k));
            }
        }
        rows.values(z, values);
    }

    fn rest(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let mut output = vec![0.0; z.len()];
        let value = self.rest.gradient(z, &mut output);
        for (sum, g) in gradient.iter_mut().zip(&output) {
            *sum += *g;
        }
        let mut terms = self.rest.terms().iter();
        for (place, out) in self.forest.terms.iter().zip(&mut self.terms) {
            if place.is_none() {
                *out = terms.next().copied().unwrap_or(0.0);
            }
        }
        value
    }

    fn weighted(&mut self, z: &[f64], weights: &[Vec<f64>], gradient: &mut [f64]) {
        self.split();
        let (Some((split, rows)), terms) = (&mut self.split, &mut self.terms) else {
            return;
        };
        if !split.places.is_empty() {
            split.input[..z.len()].copy_from_slice(z);
            let mut start = z.len();
            for weights in weights {
                split.input[start..start + weights.len()].copy_from_slice(weights);
                start += weights.len();
            }
            let (tape, workspace) = &mut split.weighted;
            tape.gradient(&split.input, workspace, &mut split.output);
            for (sum, g) in gradient.iter_mut().zip(&split.output) {
                *sum += *g;
            }
            for (place, value) in split.places.iter().zip(workspace.terms()) {
                terms[*place] = *value;
            }
        }
        rows.weighted(z, weights, |term, value| terms[term] = value);
    }

    fn finish(&mut self, z: &[f64], gradient: &mut [f64]) {
        self.split().1.finish(z, gradient);
    }
}

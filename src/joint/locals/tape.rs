//! [`Locals`] of a joint density, by tapes.

use super::Curvature;
use super::Forest;
use super::Locals;
use super::Spread;
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
    /// All terms; those that depend on globals alone; the others apart. Each is made when it is first asked for.
    all: Option<Box<dyn Evaluator + 'a>>,
    rest: Option<Box<dyn Evaluator + 'a>>,
    split: Option<(Split, Rows<'a>)>,
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
    /// Nothing is made yet.
    pub fn new(joint: &'a Joint, forest: &'a Forest) -> TapeLocals<'a> {
        TapeLocals {
            joint,
            forest,
            all: None,
            rest: None,
            split: None,
            terms: vec![0.0; forest.terms.len()],
        }
    }

    fn all(&mut self) -> &mut Box<dyn Evaluator + 'a> {
        let joint = self.joint;
        let everything = || joint.evaluator(&vec![true; joint.terms.len()]);
        self.all.get_or_insert_with(everything)
    }

    fn split(&mut self) -> &mut (Split, Rows<'a>) {
        let (joint, forest) = (self.joint, self.forest);
        self.split.get_or_insert_with(|| {
            let rows = Rows::new(joint, forest);
            (Split::new(joint, forest, &rows), rows)
        })
    }
}

impl Split {
    fn new(joint: &Joint, forest: &Forest, rows: &Rows<'_>) -> Split {
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
        let value = self.all().gradient(z, gradient);
        if let Some(all) = &self.all {
            self.terms.copy_from_slice(all.terms());
        }
        value
    }

    fn terms(&self) -> &[f64] {
        &self.terms
    }

    fn product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        self.all().hessian_product(z, v, product);
    }

    fn prepare(&mut self, z: &[f64]) {
        self.terms.fill(0.0);
        self.split().1.prepare(z);
    }

    fn curve(
        &mut self,
        z: &[f64],
        mut values: Option<&mut [Vec<f64>]>,
        slope: &mut [f64],
        curvature: &mut dyn Curvature,
    ) -> f64 {
        let forest = self.forest;
        let (split, rows) = self.split();
        if let Some(values) = &mut values {
            split.values(z, values);
        }
        let mut total = 0.0;
        if !split.places.is_empty() {
            let (mut v, mut product) = (vec![0.0; z.len()], vec![0.0; z.len()]);
            total += split.curve.gradient(z, &mut product);
            for (slope, g) in slope.iter_mut().zip(&product) {
                *slope += g;
            }
            for (p, plate) in forest.plates.iter().enumerate() {
                for k in 0..plate.width {
                    let probed = &plate.coordinates[k * plate.count..(k + 1) * plate.count];
                    probed.iter().for_each(|c| v[*c as usize] = 1.0);
                    split.curve.hessian_product(z, &v, &mut product);
                    probed.iter().for_each(|c| v[*c as usize] = 0.0);
                    curvature.add_column(p, k, &product);
                }
            }
        }
        total + rows.curve(z, values, slope, curvature)
    }

    fn values(&mut self, z: &[f64], values: &mut [Vec<f64>]) {
        let (split, rows) = self.split();
        split.values(z, values);
        rows.values(z, values);
    }

    fn rest(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let (joint, places) = (self.joint, &self.forest.terms);
        let rest = self.rest.get_or_insert_with(|| {
            let keep: Vec<bool> = places.iter().map(Option::is_none).collect();
            joint.evaluator(&keep)
        });
        let mut output = vec![0.0; z.len()];
        let value = rest.gradient(z, &mut output);
        for (sum, g) in gradient.iter_mut().zip(&output) {
            *sum += *g;
        }
        let mut terms = rest.terms().iter();
        for (place, out) in places.iter().zip(&mut self.terms) {
            if place.is_none() {
                *out = terms.next().copied().unwrap_or(0.0);
            }
        }
        value
    }

    fn spread(&mut self, p: usize, mut spread: Spread<'_>, gradient: &mut [f64]) {
        self.split();
        let (Some((split, rows)), forest) = (&mut self.split, self.forest) else {
            return;
        };
        let formless = split.places.iter().any(|t| forest.terms[*t] == Some(p));
        let count = forest.plates[p].count;
        if formless && spread.raise.is_some() {
            let mut values: Vec<Vec<f64>> =
                forest.plates.iter().map(|p| vec![0.0; p.count]).collect();
            for (point, shares) in spread
                .points
                .iter()
                .zip(spread.shares.chunks_exact_mut(count))
            {
                split.values(point, &mut values);
                for (share, value) in shares.iter_mut().zip(&values[p]) {
                    *share += value;
                }
            }
        }
        rows.spread(p, &mut spread, &mut self.terms);
        if formless && (spread.derivatives || spread.means) {
            for (point, shares) in spread.points.iter().zip(spread.shares.chunks_exact(count)) {
                split.weigh(forest, point, (p, shares), gradient, &mut self.terms);
            }
        }
    }

    fn mean(&mut self, points: &[Vec<f64>], gradient: &mut [f64]) {
        self.split();
        let (Some((split, rows)), forest) = (&mut self.split, self.forest) else {
            return;
        };
        let share = 1.0 / points.len() as f64;
        for (p, plate) in forest.plates.iter().enumerate() {
            let mut spread = Spread {
                points,
                shares: &mut vec![share; points.len() * plate.count],
                raise: None,
                integrals: &mut [],
                derivatives: true,
                means: true,
            };
            rows.spread(p, &mut spread, &mut self.terms);
        }
        if !split.places.is_empty() {
            let mut slope = vec![0.0; gradient.len()];
            for point in points {
                split.curve.gradient(point, &mut slope);
                for (sum, g) in gradient.iter_mut().zip(&slope) {
                    *sum += share * g;
                }
                for (place, value) in split.places.iter().zip(split.curve.terms()) {
                    self.terms[*place] += share * value;
                }
            }
        }
    }

    fn finish(&mut self, z: &[f64], gradient: &mut [f64]) {
        self.split().1.finish(z, gradient);
    }
}

impl Split {
    /// Writes the sums over the elements of each plate over `values`.
    fn values(&mut self, z: &[f64], values: &mut [Vec<f64>]) {
        if self.places.is_empty() {
            values.iter_mut().for_each(|v| v.fill(0.0));
            return;
        }
        self.input[..z.len()].copy_from_slice(z);
        let (tape, workspace) = &mut self.values;
        tape.value(&self.input, workspace);
        for (k, out) in values.iter_mut().enumerate() {
            out.copy_from_slice(workspace.output(k));
        }
    }

    /// Adds the terms, each element of a plate with its weight, and their gradient.
    fn weigh(
        &mut self,
        forest: &Forest,
        z: &[f64],
        (p, weights): (usize, &[f64]),
        gradient: &mut [f64],
        terms: &mut [f64],
    ) {
        self.input.fill(0.0);
        self.input[..z.len()].copy_from_slice(z);
        let before: usize = forest.plates[..p].iter().map(|p| p.count).sum();
        self.input[z.len() + before..][..weights.len()].copy_from_slice(weights);
        let (tape, workspace) = &mut self.weighted;
        tape.gradient(&self.input, workspace, &mut self.output);
        for (sum, g) in gradient.iter_mut().zip(&self.output) {
            *sum += *g;
        }
        for (place, value) in self.places.iter().zip(workspace.terms()) {
            terms[*place] += *value;
        }
    }
}

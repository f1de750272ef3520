//! The rows of terms that see the locals through one affine predictor, at fixed globals.
//!
//! Everything else in a row is worked out once for the globals: what is left at each point of the locals is the predictor and the
//! density. Derivatives in what was worked out are summed over all points, and taken back to the globals in one sweep at the end.

use super::Forest;
use super::form::Form;
use super::form::Reader;
use crate::joint::Joint;
use crate::num::Dual;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::MUL;
use smallvec::SmallVec;
use std::sync::Arc;

/// Rows of a block.
const BLOCK: usize = 256;

/// All such terms of a density.
pub(super) struct Rows {
    pub terms: Vec<Term>,
    /// The values that depend on the globals: one number, or one for each row.
    outputs: Vec<Vec<f64>>,
    seeds: Vec<Vec<f64>>,
    values: (Tape, Workspace<f64>),
    /// Its inputs are the joint's coordinates and behind them a seed for each value.
    pull: (Tape, Workspace<f64>),
    input: Vec<f64>,
    gradient: Vec<f64>,
}

/// A term.
pub(super) struct Term {
    /// Its place among the terms of the density.
    pub term: usize,
    /// The plate of the forest to whose elements its rows are summed, and the element of each row.
    place: usize,
    element: Option<Arc<[u32]>>,
    op: &'static Elementwise,
    /// `None` is the predictor.
    args: Vec<Option<Source>>,
    offset: Option<Source>,
    atoms: Vec<Local>,
    len: usize,
}

/// Where numbers of rows are.
#[derive(Clone)]
enum Source {
    Same(f64),
    Each(Arc<[f64]>),
    Output(usize),
}

struct Local {
    coefficient: Option<Source>,
    place: usize,
    coordinate: usize,
    /// The first of its coordinates among all; those of other elements follow.
    first: usize,
    element: Option<Arc<[u32]>>,
}

fn element(index: &Option<Arc<[u32]>>, row: usize) -> usize {
    index.as_ref().map_or(row, |index| index[row] as usize)
}

impl Rows {
    /// The terms of this shape among those that depend on locals.
    pub fn new(joint: &Joint, forest: &Forest) -> Rows {
        let mut builder = joint.builder.clone();
        let reader = Reader::new(joint, forest);
        let mut nodes: Vec<NodeId> = Vec::new();
        let mut terms = Vec::new();
        for (term, place) in forest.terms.iter().enumerate() {
            let Some(place) = *place else { continue };
            if let Some(form) = reader.form(&mut builder, term) {
                terms.push(Term::new(
                    &mut builder,
                    forest,
                    (term, place),
                    form,
                    &mut nodes,
                ));
            }
        }
        let seeds: Vec<NodeId> = nodes
            .iter()
            .map(|node| {
                let plate = builder.plate_of(*node);
                builder.input(plate, 1)
            })
            .collect();
        let products: Vec<NodeId> = nodes
            .iter()
            .zip(&seeds)
            .map(|(node, seed)| builder.map(&MUL, &[*node, *seed]))
            .collect();
        let zeros = |node: &NodeId| vec![0.0; builder.len_of(builder.plate_of(*node))];
        let outputs: Vec<Vec<f64>> = nodes.iter().map(zeros).collect();
        let values = builder.tape(&[], &nodes);
        let pull = builder.tape(&products, &[]);
        let dim = values.dim();
        let (first, second) = (values.workspace(), pull.workspace());
        Rows {
            terms,
            seeds: outputs.clone(),
            outputs,
            values: (values, first),
            pull: (pull, second),
            input: vec![0.0; dim],
            gradient: vec![0.0; dim],
        }
    }

    /// Works out what depends on the globals at `z`.
    pub fn prepare(&mut self, z: &[f64]) {
        self.input[..z.len()].copy_from_slice(z);
        let (tape, workspace) = &mut self.values;
        tape.value(&self.input, workspace);
        for (k, (out, seed)) in self.outputs.iter_mut().zip(&mut self.seeds).enumerate() {
            out.copy_from_slice(workspace.output(k));
            seed.fill(0.0);
        }
    }

    /// Adds to the gradient in the globals what the weighted runs since the last [`Rows::prepare`] have left.
    pub fn finish(&mut self, z: &[f64], gradient: &mut [f64]) {
        self.input[..z.len()].copy_from_slice(z);
        let mut start = z.len();
        for seed in &self.seeds {
            self.input[start..start + seed.len()].copy_from_slice(seed);
            start += seed.len();
        }
        let (tape, workspace) = &mut self.pull;
        tape.gradient(&self.input, workspace, &mut self.gradient);
        for (sum, g) in gradient.iter_mut().zip(&self.gradient) {
            *sum += *g;
        }
    }

    /// Adds the terms' sums over each element.
    pub fn values(&self, z: &[f64], values: &mut [Vec<f64>]) {
        let (mut eta, mut y) = ([0.0; BLOCK], [0.0; BLOCK]);
        for term in &self.terms {
            let sums = &mut values[term.place];
            for first in (0..term.len).step_by(BLOCK) {
                let n = BLOCK.min(term.len - first);
                term.predictor(&self.outputs, z, first, &mut eta[..n]);
                let args = term.lanes(&self.outputs, first, n, &eta[..n]);
                (term.op.plain.forward)(&args, &mut y[..n]);
                for (j, y) in y[..n].iter().enumerate() {
                    sums[element(&term.element, first + j)] += y;
                }
            }
        }
    }

    /// The terms with each element's weight; what their derivatives in the globals need is kept for [`Rows::finish`].
    pub fn weighted(&mut self, z: &[f64], weights: &[Vec<f64>], mut tell: impl FnMut(usize, f64)) {
        let (mut eta, mut y, mut weight) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        let mut partials = vec![0.0; BLOCK * 8];
        for term in &self.terms {
            let (mut total, own) = (0.0, &weights[term.place]);
            partials.resize(BLOCK * term.args.len().max(8), 0.0);
            for first in (0..term.len).step_by(BLOCK) {
                let n = BLOCK.min(term.len - first);
                for (j, w) in weight[..n].iter_mut().enumerate() {
                    *w = own[element(&term.element, first + j)];
                }
                term.predictor(&self.outputs, z, first, &mut eta[..n]);
                let args = term.lanes(&self.outputs, first, n, &eta[..n]);
                (term.op.plain.forward)(&args, &mut y[..n]);
                total += y[..n]
                    .iter()
                    .zip(&weight[..n])
                    .map(|(y, w)| y * w)
                    .sum::<f64>();
                let out = &mut partials[..n * term.args.len()];
                (term.op.plain.backward)(&args, &y[..n], &weight[..n], out);
                for (arg, partial) in term.args.iter().zip(out.chunks_exact(n)) {
                    match arg {
                        Some(arg) => add(&mut self.seeds, arg, first, partial.iter().copied()),
                        None => term.sow(&mut self.seeds, z, first, partial),
                    }
                }
            }
            tell(term.term, total);
        }
    }

    /// Adds the gradient in the locals to `slope`, and to `products`, by the number of the direction, the Hessian times the direction
    /// that moves one coordinate of all elements of a plate; `number` gives the direction of a plate's coordinate.
    pub fn curve(
        &self,
        z: &[f64],
        slope: &mut [f64],
        number: impl Fn(usize, usize) -> usize,
        products: &mut [Vec<f64>],
    ) {
        let one = Dual {
            value: 1.0,
            tangent: 0.0,
        };
        let mut eta = [0.0; BLOCK];
        let mut columns: Vec<Vec<Dual>> = Vec::new();
        let mut y = vec![Dual::default(); BLOCK];
        let bars = vec![one; BLOCK];
        let mut partials: Vec<Dual> = Vec::new();
        for term in &self.terms {
            columns.resize(term.args.len(), Vec::new());
            partials.resize(BLOCK * term.args.len(), Dual::default());
            for first in (0..term.len).step_by(BLOCK) {
                let n = BLOCK.min(term.len - first);
                term.predictor(&self.outputs, z, first, &mut eta[..n]);
                for (arg, column) in term.args.iter().zip(&mut columns) {
                    column.clear();
                    match arg {
                        None => column.extend(eta[..n].iter().map(|value| Dual {
                            value: *value,
                            tangent: 1.0,
                        })),
                        Some(arg) => column.extend((0..n).map(|j| Dual {
                            value: arg.at(&self.outputs, first + j),
                            tangent: 0.0,
                        })),
                    }
                }
                let lanes: SmallVec<[Lanes<'_, Dual>; 4]> =
                    columns.iter().map(|c| Lanes::Each(c)).collect();
                (term.op.dual.forward)(&lanes, &mut y[..n]);
                let out = &mut partials[..n * term.args.len()];
                (term.op.dual.backward)(&lanes, &y[..n], &bars[..n], out);
                let place = term.args.iter().position(Option::is_none).unwrap_or(0);
                let found = &out[place * n..(place + 1) * n];
                for a in &term.atoms {
                    let direction = &mut products[number(a.place, a.coordinate)];
                    for (j, d) in found.iter().enumerate() {
                        let x = a.coefficient(&self.outputs, first + j);
                        slope[a.first + element(&a.element, first + j)] += d.value * x;
                        for b in &term.atoms {
                            let other = b.coefficient(&self.outputs, first + j);
                            direction[b.first + element(&b.element, first + j)] +=
                                d.tangent * x * other;
                        }
                    }
                }
            }
        }
    }
}

impl Source {
    fn new(builder: &mut Builder, node: NodeId, plate: PlateId, nodes: &mut Vec<NodeId>) -> Source {
        if !builder.node(node).varies {
            let node = builder.lift(node, plate);
            let values = builder.evaluate(node);
            return match values.len() {
                1 => Source::Same(values[0]),
                _ => Source::Each(values),
            };
        }
        // A number of the top level, lifted, is kept as one number.
        let node = match (&builder.node(node).op, builder.plate_of(node)) {
            (Op::Lift(from, None), _) => *from,
            (_, PlateId::TOP) => node,
            _ => builder.lift(node, plate),
        };
        let known = nodes.iter().position(|n| *n == node);
        Source::Output(known.unwrap_or_else(|| {
            nodes.push(node);
            nodes.len() - 1
        }))
    }

    #[inline]
    fn at(&self, outputs: &[Vec<f64>], row: usize) -> f64 {
        match self {
            Source::Same(value) => *value,
            Source::Each(values) => values[row],
            Source::Output(k) if outputs[*k].len() == 1 => outputs[*k][0],
            Source::Output(k) => outputs[*k][row],
        }
    }

    fn lanes<'a>(&'a self, outputs: &'a [Vec<f64>], first: usize, n: usize) -> Lanes<'a, f64> {
        match self {
            Source::Same(value) => Lanes::Same(*value),
            Source::Each(values) => Lanes::Each(&values[first..first + n]),
            Source::Output(k) if outputs[*k].len() == 1 => Lanes::Same(outputs[*k][0]),
            Source::Output(k) => Lanes::Each(&outputs[*k][first..first + n]),
        }
    }
}

/// Adds adjoints of rows to the seeds of a source.
fn add(seeds: &mut [Vec<f64>], source: &Source, first: usize, adjoints: impl Iterator<Item = f64>) {
    let Source::Output(k) = source else { return };
    let seed = &mut seeds[*k];
    if seed.len() == 1 {
        seed[0] += adjoints.sum::<f64>();
    } else {
        for (seed, adjoint) in seed[first..].iter_mut().zip(adjoints) {
            *seed += adjoint;
        }
    }
}

impl Local {
    #[inline]
    fn coefficient(&self, outputs: &[Vec<f64>], row: usize) -> f64 {
        (self.coefficient.as_ref()).map_or(1.0, |source| source.at(outputs, row))
    }
}

impl Term {
    fn new(
        builder: &mut Builder,
        forest: &Forest,
        (term, place): (usize, usize),
        form: Form,
        nodes: &mut Vec<NodeId>,
    ) -> Term {
        let plate = form.plate;
        let mut source = |node: NodeId| Source::new(builder, node, plate, nodes);
        let args = form.args.iter().map(|arg| arg.map(&mut source)).collect();
        let offset = form.predictor.offset.map(&mut source);
        let atoms = (form.predictor.atoms.into_iter())
            .map(|atom| Local {
                coefficient: atom.coefficient.map(&mut source),
                place: atom.place,
                coordinate: atom.coordinate,
                first: forest.plates[atom.place].at(atom.coordinate, 0),
                element: atom.element,
            })
            .collect();
        let own = forest.plates[place].plate;
        Term {
            term,
            place,
            element: (plate != own)
                .then(|| builder.above(plate, own).map(Arc::clone))
                .flatten(),
            op: form.op,
            args,
            offset,
            atoms,
            len: builder.len_of(plate),
        }
    }

    fn lanes<'a>(
        &'a self,
        outputs: &'a [Vec<f64>],
        first: usize,
        n: usize,
        eta: &'a [f64],
    ) -> SmallVec<[Lanes<'a, f64>; 4]> {
        let lane = |arg: &'a Option<Source>| match arg {
            None => Lanes::Each(eta),
            Some(arg) => arg.lanes(outputs, first, n),
        };
        self.args.iter().map(lane).collect()
    }

    /// Writes the predictor of a block of rows over `eta`.
    fn predictor(&self, outputs: &[Vec<f64>], z: &[f64], first: usize, eta: &mut [f64]) {
        match &self.offset {
            None => eta.fill(0.0),
            Some(offset) => match offset.lanes(outputs, first, eta.len()) {
                Lanes::Same(value) => eta.fill(value),
                Lanes::Each(values) => eta.copy_from_slice(values),
            },
        }
        for atom in &self.atoms {
            let own = &z[atom.first..];
            let coefficient = atom.coefficient.as_ref();
            let coefficient = coefficient.map(|c| c.lanes(outputs, first, eta.len()));
            let rows = eta.iter_mut().enumerate();
            match (&atom.element, coefficient) {
                (Some(index), Some(Lanes::Each(x))) => {
                    let index = &index[first..];
                    for ((eta, x), i) in eta.iter_mut().zip(x).zip(index) {
                        *eta += x * own[*i as usize];
                    }
                }
                (Some(index), None) => {
                    for (eta, i) in eta.iter_mut().zip(&index[first..]) {
                        *eta += own[*i as usize];
                    }
                }
                (index, x) => {
                    for (j, eta) in rows {
                        let x = x.as_ref().map_or(1.0, |x| x.at(j));
                        *eta += x * own[element(index, first + j)];
                    }
                }
            }
        }
    }

    /// Takes the adjoints of the predictor to the seeds of its offset and coefficients.
    fn sow(&self, seeds: &mut [Vec<f64>], z: &[f64], first: usize, adjoints: &[f64]) {
        if let Some(offset) = &self.offset {
            add(seeds, offset, first, adjoints.iter().copied());
        }
        for atom in &self.atoms {
            if let Some(source) = &atom.coefficient {
                let local = |j: usize| z[atom.first + element(&atom.element, first + j)];
                let shares = adjoints.iter().enumerate().map(|(j, a)| a * local(j));
                add(seeds, source, first, shares);
            }
        }
    }
}

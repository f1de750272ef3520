//! Recognition: is a term a density row of an affine predictor?

use super::Arg;
use super::Atom;
use super::Column;
use super::Glm;
use super::Group;
use super::Index;
use crate::shape::PlateId;
use crate::tape::Node;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::SUB;
use crate::tape::elementwise::catalogue;
use crate::tape::event::EventOp;
use smallvec::SmallVec;
use std::sync::Arc;

/// The most atoms of a predictor.
const MOST_ATOMS: usize = 64;

/// Recognises a term.
pub(in crate::tape) fn recognise(
    nodes: &[Node],
    lens: &[usize],
    term: usize,
    id: NodeId,
) -> Option<Glm> {
    let node = &nodes[id.index()];
    let (Op::Map(row, args), true) = (&node.op, node.plate != PlateId::TOP && node.width == 1)
    else {
        return None;
    };
    // The language's own operations are no densities: what they do with numbers that do not count would be lost.
    if catalogue().any(|operation| operation == *row) {
        return None;
    }
    let len = lens[node.plate.index()];
    let reader = Reader {
        nodes,
        len,
        plate: node.plate,
    };
    // The predictor is the argument that is more than a number of the top level, or else the first that varies.
    let simple: Vec<Option<Arg>> = args.iter().map(|arg| reader.simple(*arg)).collect();
    let varying = |k: usize| nodes[args[k].index()].varies;
    let predictor = (0..args.len())
        .find(|k| simple[*k].is_none())
        .or_else(|| (0..args.len()).find(|k| varying(*k)))?;
    let mut linear = Linear::default();
    reader.add(args[predictor], 0, 1.0, None, &mut linear)?;
    if linear.atoms.is_empty() || linear.atoms.len() > MOST_ATOMS {
        return None;
    }
    let args = simple
        .into_iter()
        .enumerate()
        .map(|(k, arg)| {
            if k == predictor {
                Some(Arg::Predictor)
            } else {
                arg
            }
        })
        .collect::<Option<SmallVec<[Arg; 4]>>>()?;
    let mut groups: Vec<Group> = Vec::new();
    for (index, atom) in linear.atoms {
        let same = |group: &&mut Group| match (&group.index, &index) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, Some(_)) | (Some(_), None) => false,
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.atoms.push(atom),
            None => {
                let runs = index.as_ref().and_then(|index| runs(index));
                groups.push(Group {
                    index,
                    atoms: vec![atom],
                    runs,
                });
            }
        }
    }
    let apart = apart(row, &args, len)?;
    Some(Glm {
        term,
        row,
        args,
        constant: linear.constant,
        offsets: linear.offsets,
        groups,
        len,
        apart,
        sources: Vec::new(),
    })
}

/// The part of the sum that depends on data alone; `None` where data lie outside the density's domain, which only the plain
/// operations tell.
fn apart(row: &Elementwise, args: &[Arg], len: usize) -> Option<f64> {
    let mut sum = 0.0;
    for i in 0..len {
        let numbers: SmallVec<[f64; 4]> = (args.iter())
            .map(|arg| match arg {
                Arg::Data(column) => column.slice(i, 1)[0],
                Arg::Constant(value) => *value,
                Arg::Predictor | Arg::Top(_) => 1.0,
            })
            .collect();
        for ((arg, number), domain) in args.iter().zip(&numbers).zip(row.domain) {
            if matches!(arg, Arg::Data(_) | Arg::Constant(_)) && !domain.holds(*number) {
                return None;
            }
        }
        sum += (row.plain.apart)(&numbers);
    }
    Some(sum)
}

/// Where runs of equal elements start, and the end; `None` where they are too short to be worth it.
fn runs(index: &[u32]) -> Option<Vec<u32>> {
    let starts = (0..index.len()).filter(|i| *i == 0 || index[*i] != index[*i - 1]);
    let mut starts: Vec<u32> = starts.map(|i| i as u32).collect();
    if starts.len() * 4 > index.len() {
        return None;
    }
    starts.push(index.len() as u32);
    Some(starts)
}

#[derive(Default)]
struct Linear {
    constant: f64,
    offsets: Vec<Column>,
    atoms: Vec<(Index, Atom)>,
}

struct Reader<'a> {
    nodes: &'a [Node],
    len: usize,
    plate: PlateId,
}

impl Reader<'_> {
    /// An argument that is data, a constant or a number of the top level.
    fn simple(&self, id: NodeId) -> Option<Arg> {
        let node = &self.nodes[id.index()];
        match &node.op {
            Op::Constant(values) if node.width == 1 => Some(Arg::Constant(values[0])),
            Op::Data(values) if node.width == 1 && node.plate == self.plate => {
                Some(Arg::Data(Column {
                    values: Arc::clone(values),
                    start: 0,
                }))
            }
            Op::Lift(from, None) if node.width == 1 && node.varies => Some(Arg::Top(*from)),
            Op::Constant(_)
            | Op::Data(_)
            | Op::Lift(..)
            | Op::Input(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Reduce(..) => None,
        }
    }

    /// Adds component `k` of a node, times a number and a column, to a predictor; `None` where it is not affine.
    fn add(
        &self,
        id: NodeId,
        k: usize,
        factor: f64,
        column: Option<&Column>,
        to: &mut Linear,
    ) -> Option<()> {
        let node = &self.nodes[id.index()];
        let k = if node.width == 1 { 0 } else { k };
        match &node.op {
            Op::Constant(values) => match column {
                None => to.constant += factor * values[k],
                Some(column) => to.offsets.push(self.scaled(column, factor * values[k])),
            },
            Op::Data(values) if node.plate == self.plate => {
                let own = Column {
                    values: Arc::clone(values),
                    start: k * self.len,
                };
                let product = match column {
                    None => own,
                    Some(column) => self.product(&own, column),
                };
                to.offsets.push(if factor == 1.0 {
                    product
                } else {
                    self.scaled(&product, factor)
                });
            }
            Op::Lift(from, index) => {
                // A lift that picks components by element has no one component to name.
                if !node.varies || self.nodes[from.index()].width != node.width {
                    return None;
                }
                let atom = Atom {
                    node: *from,
                    component: k,
                    factor,
                    column: column.cloned(),
                };
                to.atoms.push((index.clone(), atom));
            }
            Op::Map(op, args) => {
                if **op == ADD {
                    self.add(args[0], k, factor, column, to)?;
                    self.add(args[1], k, factor, column, to)?;
                } else if **op == SUB {
                    self.add(args[0], k, factor, column, to)?;
                    self.add(args[1], k, -factor, column, to)?;
                } else if **op == NEG {
                    self.add(args[0], k, -factor, column, to)?;
                } else if **op == MUL {
                    let (fixed, other) = self.sides(args)?;
                    self.times(fixed, other, k, factor, column, to)?;
                } else {
                    return None;
                }
            }
            Op::Event(EventOp::Dot, args) => {
                let (fixed, other) = self.sides(args)?;
                for j in 0..self.nodes[other.index()].width {
                    self.times(fixed, other, j, factor, column, to)?;
                }
            }
            Op::Event(EventOp::Pick(places), args) => match places[k] {
                EventOp::ZERO => {}
                place => self.add(args[0], place as usize, factor, column, to)?,
            },
            Op::Data(_) | Op::Input(_) | Op::Event(..) | Op::Reduce(..) => return None,
        }
        (to.atoms.len() <= MOST_ATOMS).then_some(())
    }

    /// Of two factors the one that is data or a constant, and the other.
    fn sides(&self, args: &[NodeId]) -> Option<(NodeId, NodeId)> {
        match [args[0], args[1]].map(|arg| self.nodes[arg.index()].varies) {
            [false, _] => Some((args[0], args[1])),
            [true, false] => Some((args[1], args[0])),
            [true, true] => None,
        }
    }

    /// Adds component `k` of `other` times component `k` of `fixed`, which is data or a constant.
    fn times(
        &self,
        fixed: NodeId,
        other: NodeId,
        k: usize,
        factor: f64,
        column: Option<&Column>,
        to: &mut Linear,
    ) -> Option<()> {
        let node = &self.nodes[fixed.index()];
        let k_fixed = if node.width == 1 { 0 } else { k };
        match &node.op {
            Op::Constant(values) => self.add(other, k, factor * values[k_fixed], column, to),
            Op::Data(values) if node.plate == self.plate => {
                let own = Column {
                    values: Arc::clone(values),
                    start: k_fixed * self.len,
                };
                let product = match column {
                    None => own,
                    Some(column) => self.product(&own, column),
                };
                self.add(other, k, factor, Some(&product), to)
            }
            Op::Data(_)
            | Op::Input(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => None,
        }
    }

    fn product(&self, a: &Column, b: &Column) -> Column {
        let (a, b) = (a.slice(0, self.len), b.slice(0, self.len));
        Column {
            values: a.iter().zip(b).map(|(a, b)| a * b).collect(),
            start: 0,
        }
    }

    fn scaled(&self, column: &Column, factor: f64) -> Column {
        Column {
            values: column
                .slice(0, self.len)
                .iter()
                .map(|x| factor * x)
                .collect(),
            start: 0,
        }
    }
}

//! Reading a node as an affine form: a constant, columns of data, and values of other plates, alone or times a column.

use super::Index;
use super::Node;
use super::NodeId;
use super::Op;
use super::elementwise::ADD;
use super::elementwise::DIV;
use super::elementwise::MUL;
use super::elementwise::NEG;
use super::elementwise::SUB;
use super::event::EventOp;
use crate::num::Shared;
use crate::shape::PlateId;

/// The most atoms of a form.
const MOST_ATOMS: usize = 64;

/// A column of data: as many numbers as its plate has elements, from `start` on.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub values: Shared,
    pub start: usize,
}

impl Column {
    /// The numbers of elements `first .. first + n`.
    pub fn slice(&self, first: usize, n: usize) -> &[f64] {
        &self.values[self.start + first..self.start + first + n]
    }

    /// The numbers from element `first` on, with any that memory holds behind the plate's last element.
    pub fn behind(&self, first: usize) -> &[f64] {
        &self.values[self.start + first..]
    }

    /// The numbers from element `first` on: `n`, or fewer where the memory ends. Behind the plate's last element they may be any.
    pub fn from(&self, first: usize, n: usize) -> &[f64] {
        let values = &self.values[self.start + first..];
        &values[..n.min(values.len())]
    }
}

/// For each element: `factor` times component `component` of `node` at the element that `index` gives, times the column if there is one.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub node: NodeId,
    pub index: Index,
    pub component: usize,
    pub factor: f64,
    pub column: Option<Column>,
}

/// The sum of a constant, columns and atoms.
#[derive(Clone, Debug, Default)]
pub(super) struct Affine {
    pub constant: f64,
    pub offsets: Vec<Column>,
    pub atoms: Vec<Atom>,
}

/// An affine form, plus products of two.
#[derive(Clone, Debug, Default)]
pub(super) struct Bilinear {
    pub sum: Affine,
    pub products: Vec<[Affine; 2]>,
}

/// Reads nodes of one plate.
pub(super) struct Reader<'a> {
    pub nodes: &'a [Node],
    pub plate: PlateId,
    /// Elements of the plate.
    pub len: usize,
    /// Whether values picked by element are read, whose index gives places among all numbers of a node.
    pub picks: bool,
}

impl Reader<'_> {
    /// The first component of a node; `None` where it is not affine.
    pub fn read(&self, id: NodeId) -> Option<Affine> {
        let mut affine = Affine::default();
        self.add(id, 0, 1.0, None, &mut affine)?;
        Some(affine)
    }

    /// A node of width 1 as a sum of affine forms and products of two.
    pub fn read_bilinear(&self, id: NodeId) -> Option<Bilinear> {
        let mut bilinear = Bilinear::default();
        self.add_bilinear(id, 1.0, &mut bilinear)?;
        Some(bilinear)
    }

    fn add_bilinear(&self, id: NodeId, factor: f64, to: &mut Bilinear) -> Option<()> {
        let mut sum = to.sum.clone();
        if self.add(id, 0, factor, None, &mut sum).is_some() {
            to.sum = sum;
            return Some(());
        }
        let Op::Map(op, args) = &self.nodes[id.index()].op else {
            return None;
        };
        if **op == ADD || **op == SUB {
            self.add_bilinear(args[0], factor, to)?;
            self.add_bilinear(args[1], if **op == ADD { factor } else { -factor }, to)
        } else if **op == NEG {
            self.add_bilinear(args[0], -factor, to)
        } else if **op == MUL {
            let mut first = Affine::default();
            self.add(args[0], 0, factor, None, &mut first)?;
            to.products.push([first, self.read(args[1])?]);
            Some(())
        } else {
            None
        }
    }

    /// Adds component `k` of a node, times a number and a column, to a form; `None` where it is not affine.
    fn add(
        &self,
        id: NodeId,
        k: usize,
        factor: f64,
        column: Option<&Column>,
        to: &mut Affine,
    ) -> Option<()> {
        let node = &self.nodes[id.index()];
        let k = if node.width == 1 { 0 } else { k };
        match &node.op {
            Op::Constant(values) => match column {
                None => to.constant += factor * values[k],
                Some(column) => to.offsets.push(self.scaled(column, factor * values[k])),
            },
            Op::Data(_) | Op::Lift(..) if !node.varies => {
                let own = self.column(id, k)?;
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
                // A lift that picks components by element names the place of the first.
                if self.nodes[from.index()].width != node.width && !(self.picks && node.width == 1)
                {
                    return None;
                }
                to.atoms.push(Atom {
                    node: *from,
                    index: index.clone(),
                    component: k,
                    factor,
                    column: column.cloned(),
                });
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
                } else if **op == DIV {
                    let by = &self.nodes[args[1].index()];
                    let Op::Constant(by) = &by.op else {
                        return None;
                    };
                    let by = by[if by.len() == 1 { 0 } else { k }];
                    self.add(args[0], k, factor / by, column, to)?;
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
            Op::Event(EventOp::Sum, args) => {
                for j in 0..self.nodes[args[0].index()].width {
                    self.add(args[0], j, factor, column, to)?;
                }
            }
            Op::Event(EventOp::Stack, args) => {
                let mut k = k;
                let holder = args.iter().find(|arg| {
                    let width = self.nodes[arg.index()].width;
                    let holds = k < width;
                    k -= if holds { 0 } else { width };
                    holds
                });
                self.add(*holder?, k, factor, column, to)?;
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
        to: &mut Affine,
    ) -> Option<()> {
        let node = &self.nodes[fixed.index()];
        let k_fixed = if node.width == 1 { 0 } else { k };
        if let Op::Constant(values) = &node.op {
            return self.add(other, k, factor * values[k_fixed], column, to);
        }
        let own = self.column(fixed, k_fixed)?;
        let product = match column {
            None => own,
            Some(column) => self.product(&own, column),
        };
        self.add(other, k, factor, Some(&product), to)
    }

    /// Component `k` of data, of this plate or lifted from another.
    pub fn column(&self, id: NodeId, k: usize) -> Option<Column> {
        let node = &self.nodes[id.index()];
        match &node.op {
            Op::Data(values) if node.plate == self.plate => Some(Column {
                values: values.clone(),
                start: k * self.len,
            }),
            Op::Lift(from, Some(index)) => {
                let source = &self.nodes[from.index()];
                let Op::Data(values) = &source.op else {
                    return None;
                };
                let component = values.chunks_exact(values.len() / source.width).nth(k)?;
                (source.width == node.width).then(|| Column {
                    values: index.iter().map(|i| component[*i as usize]).collect(),
                    start: 0,
                })
            }
            Op::Data(_)
            | Op::Lift(_, None)
            | Op::Input(_)
            | Op::Constant(_)
            | Op::Map(..)
            | Op::Event(..)
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

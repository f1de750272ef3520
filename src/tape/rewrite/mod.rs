//! Rewriting: terms whose rows add up are written over fewer elements, in ordinary nodes, before their run is planned.
//!
//! A term keeps its place and its value; the nodes that it had before stay for whoever asks what the model itself says.

mod collapse;
mod distinct;
mod gathering;
mod merge;
mod moments;
mod onto;
pub mod squares;

use super::Index;
use super::Node;
use super::NodeId;
use super::Op;
use super::Pass;
use super::Passes;
use super::affine::Column;
use super::affine::Reader;
use super::elementwise::ADD;
use super::elementwise::Elementwise;
use super::elementwise::SELECT;
use super::event::EventOp;
use crate::shape::PlateId;
use crate::source::Span;
use distinct::Key;
pub use gathering::Gathering;
use std::sync::Arc;

/// Nodes and plates to which more can be added.
pub(super) struct Draft {
    pub nodes: Vec<Node>,
    /// Elements of each plate.
    pub lens: Vec<usize>,
    /// The place in the model that new nodes come from.
    span: Span,
}

/// Terms after rewriting.
pub(super) struct Rewritten {
    pub draft: Draft,
    pub terms: Vec<NodeId>,
    /// The terms that are new, and what was made of them.
    pub notes: Vec<(usize, String)>,
}

/// Rewrites what these passes can; `None` where they can nothing.
pub(super) fn rewrite(
    nodes: &[Node],
    lens: &[usize],
    terms: &[NodeId],
    passes: Passes,
) -> Option<Rewritten> {
    if terms.is_empty() {
        return None;
    }
    let mut draft = Draft::new(nodes.to_vec(), lens.to_vec());
    let mut terms = terms.to_vec();
    let mut notes = Vec::new();
    for (place, term) in terms.iter_mut().enumerate() {
        let Some(rows) = Rows::of(&draft, *term) else {
            continue;
        };
        draft.span = draft.node(*term).span;
        let mut new = None;
        if passes.has(Pass::Collapse) {
            new = collapse::collapse(&mut draft, &rows);
        }
        if new.is_none() && passes.has(Pass::Merge) {
            new = merge::merge(&mut draft, &rows);
        }
        if let Some((node, note)) = new {
            *term = node;
            notes.push((place, note));
        }
    }
    (!notes.is_empty()).then_some(Rewritten {
        draft,
        terms,
        notes,
    })
}

/// A term as a density of each row of a plate that counts.
struct Rows {
    plate: PlateId,
    len: usize,
    density: NodeId,
    row: &'static Elementwise,
    args: Vec<NodeId>,
    /// For each row whether it counts (not 0); `None` where all do.
    counts: Option<Column>,
    /// How many count.
    counted: usize,
}

/// How rows of a term are taken together: those that agree in some keys make a class, of which a few numbers are all that the term
/// depends on. The numbers of rows that come in parts add up.
trait Together {
    /// The columns in which the rows of a class agree.
    fn keys<'a>(&'a self, draft: &'a Draft, rows: &Rows) -> Vec<Key<'a>>;

    /// The tables by which rows find what they read, all among the keys.
    fn tables(&self) -> &[Arc<[u32]>];

    /// How many numbers there are for each class.
    fn width(&self) -> usize;

    /// How many rows a class is to stand for at least, on average: fewer do not pay.
    fn least(&self) -> usize;

    /// The numbers of each class, one class after another, given the class of each row; `None` where they cannot be had.
    fn numbers(&self, class: &[u32], classes: usize) -> Option<Vec<f64>>;

    /// Adds the numbers of further rows of a class.
    fn add(&self, total: &mut [f64], part: &[f64]);

    /// The term over classes, and what to say of it.
    fn write(
        &self,
        draft: &mut Draft,
        rows: &Rows,
        place: Place<'_>,
        numbers: &[f64],
    ) -> Option<(NodeId, String)>;
}

/// Where a term over classes is written.
#[derive(Clone)]
struct Place<'a> {
    /// The plate whose elements they are.
    plate: PlateId,
    /// The table by which rows find their element there, where the plate is one of the model's.
    own: Index,
    /// A row of each class.
    rows: &'a [u32],
    /// Whether a part of it may be written at the top level: not where it is asked what belongs to which element.
    split: bool,
}

impl Rows {
    fn of(draft: &Draft, term: NodeId) -> Option<Rows> {
        let node = draft.node(term);
        if node.plate == PlateId::TOP || node.width != 1 || !node.varies {
            return None;
        }
        let len = draft.len(node.plate);
        let reader = Reader {
            nodes: &draft.nodes,
            plate: node.plate,
            len,
            picks: false,
        };
        let (mut density, mut counts) = (term, None);
        if let Op::Map(op, args) = &node.op
            && **op == SELECT
            && let Op::Constant(zero) = &draft.node(args[2]).op
            && zero[0] == 0.0
            && let Some(holds) = reader.column(args[0], 0)
        {
            (density, counts) = (args[1], Some(holds));
        }
        let Op::Map(row, args) = &draft.node(density).op else {
            return None;
        };
        let all = |counts: &Column| counts.slice(0, len).iter().filter(|c| **c != 0.0).count();
        Some(Rows {
            plate: node.plate,
            len,
            density,
            row,
            args: args.to_vec(),
            counted: counts.as_ref().map_or(len, all),
            counts,
        })
    }

    fn counts(&self, row: usize) -> bool {
        (self.counts.as_ref()).is_none_or(|counts| counts.slice(row, 1) != [0.0])
    }
}

impl Draft {
    /// These nodes over plates of so many elements.
    pub(super) fn new(nodes: Vec<Node>, lens: Vec<usize>) -> Draft {
        Draft {
            nodes,
            lens,
            span: Span::default(),
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Whether a node is such, or takes one that is.
    fn reaches(&self, id: NodeId, is: impl Fn(&Node) -> bool) -> bool {
        let mut reached = vec![false; id.index() + 1];
        reached[id.index()] = true;
        (0..=id.index()).rev().any(|i| {
            let node = &self.nodes[i];
            if reached[i] {
                for arg in node.op.args() {
                    reached[arg.index()] = true;
                }
            }
            reached[i] && is(node)
        })
    }

    fn len(&self, plate: PlateId) -> usize {
        self.lens[plate.index()]
    }

    /// A further plate of `len` elements.
    fn plate(&mut self, len: usize) -> PlateId {
        self.lens.push(len);
        PlateId(self.lens.len() as u32 - 1)
    }

    fn push(&mut self, plate: PlateId, width: usize, op: Op) -> NodeId {
        let varies = match &op {
            Op::Input(_) => true,
            Op::Constant(_) | Op::Data(_) => false,
            Op::Map(_, args) | Op::Event(_, args) => args.iter().any(|a| self.node(*a).varies),
            Op::Lift(from, _) | Op::Reduce(_, from, _) => self.node(*from).varies,
        };
        self.nodes.push(Node {
            plate,
            width,
            op,
            span: self.span,
            varies,
        });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// Numbers: component `k` of element `i` at `k * len + i`.
    fn data(&mut self, plate: PlateId, width: usize, values: Vec<f64>) -> NodeId {
        let op = match plate {
            PlateId::TOP => Op::Constant(values.into()),
            _ => Op::Data(values.into()),
        };
        self.push(plate, width, op)
    }

    fn number(&mut self, value: f64) -> NodeId {
        self.data(PlateId::TOP, 1, vec![value])
    }

    /// An elementwise node of width 1.
    fn map(&mut self, plate: PlateId, op: &'static Elementwise, args: &[NodeId]) -> NodeId {
        self.push(plate, 1, Op::Map(op, args.into()))
    }

    fn event(&mut self, plate: PlateId, op: EventOp, args: &[NodeId]) -> NodeId {
        let widths: Vec<usize> = args.iter().map(|a| self.node(*a).width).collect();
        let width = op.width(&widths);
        self.push(plate, width, Op::Event(op, args.into()))
    }

    /// `node` with `numbers` added, one for each element; they are left out where all are 0.
    fn plus(&mut self, node: NodeId, numbers: Vec<f64>) -> NodeId {
        if numbers.iter().all(|x| *x == 0.0) {
            return node;
        }
        let plate = self.node(node).plate;
        let numbers = self.data(plate, 1, numbers);
        self.map(plate, &ADD, &[node, numbers])
    }
}

/// Whether two tables are one.
fn same(a: &Index, b: &Index) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// A count with its noun, digits in groups of three.
fn count(n: usize, one: &str, many: &str) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{out} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests;

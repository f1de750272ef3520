//! The plan of a run: stages of one plate each, run block by block.
//!
//! A stage holds the nodes of one plate that can run together. A value that another stage needs is kept in a *store*,
//! as long as the plate (for a reduction: as long as the coarser plate); everything else lives in the slots of one block.
//! A stage from which nothing is stored is *last*: its blocks run forward and backward while they are in cache.
//! Its blocks are cut into *chunks*, which add up for themselves what they share: any number of threads gives the same bits.

use super::Index;
use super::Node;
use super::NodeId;
use super::Op;
use super::Reduce;
use super::elementwise::ADD;
use super::elementwise::Elementwise;
use super::event::EventOp;
use super::glm;
use super::glm::Glm;
use super::planner::Planner;
use crate::num::Shared;
use crate::shape::PlateId;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// The plan of a run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub stages: Vec<Stage>,
    /// For each store its plate's elements and its width.
    pub stores: Vec<Store>,
    /// The store of each output.
    pub outputs: Vec<usize>,
    pub terms: usize,
    /// Terms that run in one pass of their own.
    pub glms: Vec<Glm>,
}

/// Values of all elements of a plate that outlive their stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store {
    pub len: usize,
    pub width: usize,
    pub reduce: Option<Reduce>,
}

/// Nodes of one plate that run together.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub len: usize,
    /// Elements of a block.
    pub block: usize,
    /// What it reads.
    pub sources: Vec<Source>,
    pub instrs: Vec<Instr>,
    /// The node of each instruction.
    pub nodes: Vec<NodeId>,
    pub exports: Vec<Export>,
    pub sums: Vec<Sum>,
    /// Slots of values in a block, in numbers per element.
    pub values: usize,
    /// Slots of adjoints in a block, in numbers per element.
    pub bars: usize,
    /// Scratch of the widest event instruction, in numbers per element.
    pub scratch: usize,
    /// Numbers of all instructions that sum up: for each its sum, then those of the partial derivatives by each argument.
    pub summed: usize,
    /// Parts that may run side by side, in order.
    pub chunks: Vec<Chunk>,
}

impl Stage {
    /// Whether nothing outlives it but sums.
    pub fn is_last(&self) -> bool {
        self.exports.is_empty()
    }
}

/// What a stage reads: the input, a store or data, of its own plate or of another.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub from: From,
    /// Components read.
    pub width: usize,
    /// Elements of the plate that is read.
    pub len: usize,
    pub reach: Reach,
    pub varies: bool,
    /// Whether more than elementwise instructions read it, so that its slot is filled in any case.
    pub filled: bool,
    /// Whether it has no slot: a matrix that is read once for all elements that share it.
    pub by_run: bool,
}

impl Source {
    /// Where in the gradient a stage of so many chunks writes the adjoints at once: an only chunk those of its own elements of an input.
    pub fn in_gradient(&self, chunks: usize) -> Option<usize> {
        match (&self.reach, &self.from) {
            (Reach::Own, From::Input { offset, .. }) if chunks == 1 => Some(*offset),
            (Reach::Own | Reach::Top | Reach::Index { .. }, _) => None,
        }
    }
}

/// Which elements are read.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// The same.
    Own,
    /// The one of the top level.
    Top,
    /// Those that the index gives. In order: the first element of each run of elements with the same index, and the end.
    Index {
        index: Arc<[u32]>,
        runs: Option<Arc<[u32]>>,
    },
}

/// Elements that run by themselves, and where they gather what is shared.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub elements: Range<usize>,
    /// Where the adjoints of each source are gathered; empty for one that does not vary, or whose adjoints are written at once.
    pub bars: Vec<View>,
    /// Where what is exported is gathered.
    pub exports: Vec<View>,
    /// Numbers in all of the former.
    pub gathered: usize,
    /// Numbers in all of the latter.
    pub exported: usize,
}

/// A part of a chunk's memory: component `k` of place `i`, of those from `first` on, at `start + k * len + i - first`.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub start: usize,
    pub first: usize,
    pub len: usize,
}

impl View {
    /// The next part of a memory of `size` numbers, for places `first .. end` of each component.
    pub fn take(size: &mut usize, (first, end): (usize, usize), width: usize) -> View {
        let (start, len) = (*size, end - first);
        *size += len * width;
        View { start, first, len }
    }

    /// Where place `i` of component `k` is.
    pub fn at(&self, k: usize, i: usize) -> usize {
        self.start + k * self.len + i - self.first
    }
}

/// Where a node's values lie in a block: `width` runs of the block's elements, from `start` blocks on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    pub start: usize,
    pub width: usize,
}

/// Values of all elements of a plate.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// Coordinates of the input.
    Input { offset: usize, len: usize },
    /// A store.
    Store { store: usize, len: usize },
    /// Data.
    Data { values: Shared },
}

/// What runs in each block.
#[derive(Clone, Debug)]
pub(super) enum Instr {
    /// A source.
    Fetch {
        source: usize,
        slot: Slot,
        /// Where its adjoint is gathered lane by lane, if anything does.
        bar: Option<Slot>,
        /// Whether that is the slot of the only instruction that takes it.
        lent: bool,
    },
    /// A constant in every element.
    Fill { values: Shared, slot: Slot },
    /// An elementwise operation.
    Map {
        op: &'static Elementwise,
        args: SmallVec<[Arg; 4]>,
        slot: Slot,
        /// Whether one call covers all components; else it takes one for each.
        whole: bool,
        bar: OwnBar,
        /// Where its sum is, of a value that is terms and nothing else and that a loop sums up: its slot then has the slopes.
        summed: Option<usize>,
    },
    /// An operation on events, whose arguments are in slots.
    Event {
        op: EventOp,
        args: SmallVec<[Arg; 4]>,
        slot: Slot,
        bar: OwnBar,
    },
    /// A matrix that elements share times a vector of each, which is in a slot.
    Product {
        /// The matrix.
        source: usize,
        rows: usize,
        columns: usize,
        vector: Arg,
        slot: Slot,
        bar: OwnBar,
    },
    /// [`EventOp::SquaredResiduals`], whose arguments are where they are for elementwise operations.
    Squares {
        /// T, of all elements of the plate.
        triangle: Shared,
        rows: usize,
        w: Arg,
        /// For each number of u the argument that it is of, and its place there.
        u: Vec<(Arg, usize)>,
        /// The value, and behind it |T (u, −1)|² and the rows of T (u, −1).
        slot: Slot,
        bar: OwnBar,
        /// Where its sum is, of a value that is terms and nothing else, with w and what of u comes behind the first `rows` the same in all
        /// elements: the sum, that of |T (u, −1)|², and for each number of u that of its products with the rows. The slot then has
        /// these products for the first `rows`, element by element.
        summed: Option<usize>,
    },
}

impl Instr {
    pub fn slot(&self) -> Slot {
        match self {
            Instr::Fetch { slot, .. }
            | Instr::Fill { slot, .. }
            | Instr::Map { slot, .. }
            | Instr::Product { slot, .. }
            | Instr::Squares { slot, .. }
            | Instr::Event { slot, .. } => *slot,
        }
    }
}

/// The adjoint of an instruction's value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum OwnBar {
    /// Not wanted.
    None,
    /// The value is so many terms and nothing else.
    Terms(f64),
    /// In a slot.
    Slot(Slot),
}

/// An argument of an instruction.
#[derive(Clone, Debug)]
pub(super) struct Arg {
    pub operand: Operand,
    pub bar: ArgBar,
}

/// Where an argument's value is.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Constant(Shared),
    Slot(Slot),
    /// A source, where it is, or else in this slot.
    Source {
        source: usize,
        slot: Slot,
    },
}

/// Where an argument's adjoint goes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum ArgBar {
    /// Nowhere: it is not wanted, or it is that of the value and shares its slot.
    None,
    /// To a slot.
    Slot(Home),
    /// To where the source is gathered where that is possible, or else to a slot.
    Source(Home),
}

/// A slot of adjoints, and whether this is the first that comes there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Home {
    pub slot: Slot,
    pub first: bool,
}

/// A term's share of a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub term: usize,
    pub slot: Slot,
    pub bar: Option<Home>,
    /// Where the instruction that sums it up leaves the sum, and what of it depends on data alone.
    pub summed: Option<(usize, f64)>,
}

/// A value that outlives its stage.
#[derive(Clone, Debug)]
pub(super) struct Export {
    pub slot: Slot,
    pub bar: Option<Home>,
    pub store: usize,
    /// How it is gathered in a coarser plate, if it is.
    pub reduced: Option<(Reduce, Index)>,
}

impl Program {
    /// Plans the run of `nodes` for the sums of `terms` and the values of `outputs`.
    ///
    /// With `recognise`, terms of a form that is known run in a pass of their own.
    pub fn plan(
        nodes: &[Node],
        lens: &[usize],
        terms: &[NodeId],
        outputs: &[NodeId],
        recognise: bool,
    ) -> Program {
        let known = |(k, id): (usize, &NodeId)| glm::recognise(nodes, lens, k, *id);
        let mut glms: Vec<Glm> = if recognise {
            terms.iter().enumerate().filter_map(known).collect()
        } else {
            Vec::new()
        };
        let summands: Vec<(usize, NodeId)> = (terms.iter().enumerate())
            .flat_map(|(k, id)| summands(nodes, *id).into_iter().map(move |id| (k, id)))
            .collect();
        let roots: Vec<NodeId> = (summands.iter().map(|(_, id)| id)).copied().collect();
        let level = levels(nodes, &roots, outputs);
        let mut planner = Planner::new(nodes, lens, level);
        for root in outputs {
            planner.keep(*root);
        }
        // Stores are known before any stage is written: what a lift or a later stage of the same plate reads is kept.
        let needed = needed(nodes, &roots, outputs);
        for (i, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            match &node.op {
                Op::Lift(from, _) => planner.keep_for_reading(*from),
                Op::Reduce(..) => {
                    planner.keep(NodeId(i as u32));
                }
                Op::Map(_, args) | Op::Event(_, args) => {
                    for arg in args {
                        if planner.level[arg.index()] != planner.level[i] {
                            planner.keep_for_reading(*arg);
                        }
                    }
                }
                Op::Input(_) | Op::Constant(_) | Op::Data(_) => {}
            }
        }
        let mut keys: Vec<(usize, PlateId)> = nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !matches!(node.op, Op::Constant(_)))
            .map(|(i, node)| (planner.level[i], node.plate))
            .chain(
                (roots.iter().chain(outputs))
                    .map(|t| (planner.level[t.index()], nodes[t.index()].plate)),
            )
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let stages = keys
            .into_iter()
            .map(|(level, plate)| Stage::plan(&mut planner, level, plate, &summands, &glms))
            .filter(|stage| !stage.exports.is_empty() || !stage.sums.is_empty())
            .collect();
        for glm in &mut glms {
            glm.sources = glm.reads().map(|id| planner.from(id)).collect();
        }
        Program {
            stages,
            glms,
            outputs: outputs.iter().map(|o| planner.keep(*o)).collect(),
            stores: planner.stores,
            terms: terms.len(),
        }
    }
}

/// Whether each node is one of these, or one that they need.
pub(super) fn needed(nodes: &[Node], terms: &[NodeId], outputs: &[NodeId]) -> Vec<bool> {
    let mut needed = vec![false; nodes.len()];
    for root in terms.iter().chain(outputs) {
        needed[root.index()] = true;
    }
    for i in (0..nodes.len()).rev() {
        if needed[i] {
            for arg in nodes[i].op.args() {
                needed[arg.index()] = true;
            }
        }
    }
    needed
}

/// The nodes whose sums over all elements add up to a term: those under sums and reductions at the top level, which then need not be
/// kept.
fn summands(nodes: &[Node], term: NodeId) -> Vec<NodeId> {
    let node = &nodes[term.index()];
    match &node.op {
        Op::Reduce(Reduce::Sum, from, _) if node.plate == PlateId::TOP => vec![*from],
        Op::Map(op, args) if **op == ADD && node.plate == PlateId::TOP => {
            (args.iter().flat_map(|arg| summands(nodes, *arg))).collect()
        }
        Op::Input(_)
        | Op::Constant(_)
        | Op::Data(_)
        | Op::Map(..)
        | Op::Event(..)
        | Op::Lift(..)
        | Op::Reduce(..) => vec![term],
    }
}

/// The stage level of each node: as late as its users allow, so that values live in slots rather than in stores;
/// users in other plates come at least one level later. Terms and outputs of one plate share a level where they can.
fn levels(nodes: &[Node], terms: &[NodeId], outputs: &[NodeId]) -> Vec<usize> {
    let mut earliest = vec![0usize; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        let after = |from: &NodeId| match nodes[from.index()].op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => 0,
            Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => {
                earliest[from.index()] + 1
            }
        };
        earliest[i] = match &node.op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => 0,
            Op::Map(_, args) | Op::Event(_, args) => {
                args.iter().map(|a| earliest[a.index()]).max().unwrap_or(0)
            }
            Op::Lift(from, _) => after(from),
            Op::Reduce(_, from, _) => earliest[from.index()] + 1,
        };
    }
    let plates = nodes.iter().map(|n| n.plate.index() + 1).max().unwrap_or(0);
    let mut last = vec![0; plates];
    for root in terms.iter().chain(outputs) {
        let plate = nodes[root.index()].plate.index();
        last[plate] = earliest[root.index()].max(last[plate]);
    }
    let mut level = vec![usize::MAX; nodes.len()];
    for root in terms.iter().chain(outputs) {
        level[root.index()] = last[nodes[root.index()].plate.index()];
    }
    for i in (0..nodes.len()).rev() {
        if level[i] == usize::MAX {
            level[i] = earliest[i];
        }
        match &nodes[i].op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => {}
            Op::Map(_, args) | Op::Event(_, args) => {
                for arg in args {
                    level[arg.index()] = level[arg.index()].min(level[i]);
                }
            }
            Op::Lift(from, _) => match nodes[from.index()].op {
                Op::Input(_) | Op::Constant(_) | Op::Data(_) => {}
                Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => {
                    level[from.index()] = level[from.index()].min(level[i] - 1);
                }
            },
            Op::Reduce(_, from, _) => level[from.index()] = level[from.index()].min(level[i] - 1),
        }
    }
    level
}

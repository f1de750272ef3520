//! The plan of a run: stages of one plate each, run block by block.
//!
//! A stage holds the nodes of one plate that can run together. A value that another stage needs is kept in a *store*,
//! as long as the plate (for a reduction: as long as the coarser plate); everything else lives in the slots of one block.
//! A stage from which nothing is stored is *last*: its blocks run forward and backward while they are in cache.

use super::Index;
use super::Node;
use super::NodeId;
use super::Op;
use super::Reduce;
use super::elementwise::Elementwise;
use super::event::EventOp;
use super::glm;
use super::glm::Glm;
use crate::shape::PlateId;
use smallvec::SmallVec;
use std::sync::Arc;

/// The numbers that all slots of a block may hold together: about what a first-level cache holds, values and adjoints.
const BLOCK_NUMBERS: usize = 4096;
/// The most elements of a block.
const BLOCK_MOST: usize = 256;

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
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub len: usize,
    /// Elements of a block.
    pub block: usize,
    pub instrs: Vec<Instr>,
    /// The node of each instruction.
    pub nodes: Vec<NodeId>,
    pub exports: Vec<Export>,
    pub sums: Vec<(usize, Slot)>,
    /// Slots of a block, in numbers per element.
    pub width: usize,
    /// Scratch of the widest instruction, in numbers per element.
    pub scratch: usize,
}

impl Stage {
    /// Whether nothing outlives it but sums.
    pub fn is_last(&self) -> bool {
        self.exports.is_empty()
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
    Data { values: Arc<[f64]>, len: usize },
}

#[derive(Clone, Debug)]
pub(super) enum Instr {
    /// The same element's values.
    Load { from: From, slot: Slot },
    /// Another plate's values.
    Lift {
        from: From,
        index: Index,
        slot: Slot,
    },
    /// A constant in every element.
    Fill { values: Arc<[f64]>, slot: Slot },
    Map {
        op: &'static Elementwise,
        args: SmallVec<[Operand; 4]>,
        slot: Slot,
    },
    Event {
        op: EventOp,
        args: SmallVec<[Operand; 4]>,
        slot: Slot,
    },
}

impl Instr {
    pub fn slot(&self) -> Slot {
        match self {
            Instr::Load { slot, .. }
            | Instr::Lift { slot, .. }
            | Instr::Fill { slot, .. }
            | Instr::Map { slot, .. }
            | Instr::Event { slot, .. } => *slot,
        }
    }
}

/// An argument of an instruction.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Slot { slot: Slot, varies: bool },
    Constant(Arc<[f64]>),
}

/// How a value is gathered in a coarser plate, if it is.
type Reduction = Option<(Reduce, Index)>;

/// A value that outlives its stage.
#[derive(Clone, Debug)]
pub(super) enum Export {
    /// All elements.
    Keep { slot: Slot, store: usize },
    /// Reduced over the elements of a coarser plate.
    Reduce {
        slot: Slot,
        store: usize,
        how: Reduce,
        index: Index,
    },
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
        let level = levels(nodes, terms, outputs);
        let mut planner = Planner {
            nodes,
            lens,
            level,
            stores: Vec::new(),
            kept: vec![None; nodes.len()],
        };
        for root in outputs {
            planner.keep(*root);
        }
        // Stores are known before any stage is written: what a lift or a later stage of the same plate reads is kept.
        for (i, node) in nodes.iter().enumerate() {
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
                terms
                    .iter()
                    .map(|t| (planner.level[t.index()], nodes[t.index()].plate)),
            )
            .chain(
                outputs
                    .iter()
                    .map(|t| (planner.level[t.index()], nodes[t.index()].plate)),
            )
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let stages = keys
            .into_iter()
            .map(|(level, plate)| planner.stage(level, plate, terms, &glms))
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

struct Planner<'a> {
    nodes: &'a [Node],
    lens: &'a [usize],
    level: Vec<usize>,
    stores: Vec<Store>,
    /// The store of each node that has one.
    kept: Vec<Option<usize>>,
}

impl Planner<'_> {
    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    fn keep(&mut self, id: NodeId) -> usize {
        if let Some(store) = self.kept[id.index()] {
            return store;
        }
        let node = self.node(id);
        let reduce = match node.op {
            Op::Reduce(how, ..) => Some(how),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..) => None,
        };
        self.stores.push(Store {
            len: self.lens[node.plate.index()],
            width: node.width,
            reduce,
        });
        self.kept[id.index()] = Some(self.stores.len() - 1);
        self.stores.len() - 1
    }

    /// Inputs, constants and data can be read where they are.
    fn keep_for_reading(&mut self, id: NodeId) {
        match self.node(id).op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => {}
            Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => {
                self.keep(id);
            }
        }
    }

    /// Where all values of a node can be read from outside its stage.
    fn from(&self, id: NodeId) -> From {
        let node = self.node(id);
        let len = self.lens[node.plate.index()];
        match &node.op {
            Op::Input(offset) => From::Input {
                offset: *offset,
                len,
            },
            Op::Data(values) | Op::Constant(values) => From::Data {
                values: Arc::clone(values),
                len,
            },
            Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => From::Store {
                store: self.kept[id.index()].expect("what another stage reads is kept"),
                len,
            },
        }
    }

    fn stage(&self, level: usize, plate: PlateId, terms: &[NodeId], glms: &[Glm]) -> Stage {
        let mine = |id: NodeId| self.level[id.index()] == level && self.node(id).plate == plate;
        // What the stage makes for others, and what it sums up for coarser plates.
        let mut exports: Vec<(NodeId, usize, Reduction)> = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let Some(store) = self.kept[i] else { continue };
            match &node.op {
                Op::Reduce(how, from, index) => {
                    if mine(*from) {
                        exports.push((*from, store, Some((*how, index.clone()))));
                    }
                }
                Op::Input(_)
                | Op::Constant(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..) => {
                    if mine(NodeId(i as u32)) {
                        exports.push((NodeId(i as u32), store, None));
                    }
                }
            }
        }
        let sums: Vec<(usize, NodeId)> = terms
            .iter()
            .enumerate()
            .filter(|(k, term)| mine(**term) && glms.iter().all(|glm| glm.term != *k))
            .map(|(k, term)| (k, *term))
            .collect();
        let roots = exports
            .iter()
            .map(|(id, ..)| *id)
            .chain(sums.iter().map(|(_, id)| *id));
        let slots = self.slots(roots, &mine);
        let mut stage = Stage {
            len: self.lens[plate.index()],
            block: 1,
            instrs: Vec::new(),
            nodes: Vec::new(),
            exports: Vec::new(),
            sums: Vec::new(),
            width: 0,
            scratch: 1,
        };
        let slot = |id: NodeId| slots[id.index()].expect("what a stage uses has a slot");
        for (i, node) in self.nodes.iter().enumerate() {
            let id = NodeId(i as u32);
            if slots[i].is_some() {
                stage.scratch = stage.scratch.max(match &node.op {
                    Op::Map(_, args) => args.len() * node.width,
                    Op::Event(_, args) => args.iter().map(|a| self.node(*a).width).sum(),
                    Op::Input(_)
                    | Op::Constant(_)
                    | Op::Data(_)
                    | Op::Lift(..)
                    | Op::Reduce(..) => 1,
                });
                stage.width += node.width;
                stage.instrs.push(self.instr(id, &slot, mine(id)));
                stage.nodes.push(id);
            }
        }
        stage.exports = exports
            .into_iter()
            .map(|(id, store, reduced)| match reduced {
                None => Export::Keep {
                    slot: slot(id),
                    store,
                },
                Some((how, index)) => Export::Reduce {
                    slot: slot(id),
                    store,
                    how,
                    index,
                },
            })
            .collect();
        stage.sums = sums.into_iter().map(|(k, id)| (k, slot(id))).collect();
        let fits = BLOCK_NUMBERS / stage.width.max(1);
        stage.block = fits.clamp(1, BLOCK_MOST).min(stage.len.max(1));
        stage
    }

    /// A slot for each node that the roots need within a stage, in the order of the nodes.
    fn slots(
        &self,
        roots: impl Iterator<Item = NodeId>,
        mine: &impl Fn(NodeId) -> bool,
    ) -> Vec<Option<Slot>> {
        let mut needed = vec![false; self.nodes.len()];
        roots.for_each(|root| needed[root.index()] = true);
        for i in (0..self.nodes.len()).rev() {
            if !needed[i] || !mine(NodeId(i as u32)) {
                continue;
            }
            match &self.nodes[i].op {
                Op::Map(_, args) => {
                    for arg in args {
                        needed[arg.index()] |= !matches!(self.node(*arg).op, Op::Constant(_));
                    }
                }
                Op::Event(_, args) => args.iter().for_each(|arg| needed[arg.index()] = true),
                Op::Input(_) | Op::Constant(_) | Op::Data(_) | Op::Lift(..) | Op::Reduce(..) => {}
            }
        }
        let mut start = 0;
        self.nodes
            .iter()
            .zip(needed)
            .map(|(node, needed)| {
                needed.then(|| {
                    let slot = Slot {
                        start,
                        width: node.width,
                    };
                    start += node.width;
                    slot
                })
            })
            .collect()
    }

    fn instr(&self, id: NodeId, slot: &impl Fn(NodeId) -> Slot, mine: bool) -> Instr {
        let out = slot(id);
        let operand = |arg: &NodeId| Operand::Slot {
            slot: slot(*arg),
            varies: self.node(*arg).varies,
        };
        match &self.node(id).op {
            Op::Constant(values) => Instr::Fill {
                values: Arc::clone(values),
                slot: out,
            },
            Op::Input(_) | Op::Data(_) | Op::Reduce(..) => Instr::Load {
                from: self.from(id),
                slot: out,
            },
            Op::Map(..) | Op::Event(..) | Op::Lift(..) if !mine => Instr::Load {
                from: self.from(id),
                slot: out,
            },
            Op::Lift(from, index) => Instr::Lift {
                from: self.from(*from),
                index: index.clone(),
                slot: out,
            },
            Op::Map(op, args) => Instr::Map {
                op,
                args: args
                    .iter()
                    .map(|arg| match &self.node(*arg).op {
                        Op::Constant(values) => Operand::Constant(Arc::clone(values)),
                        Op::Input(_)
                        | Op::Data(_)
                        | Op::Map(..)
                        | Op::Event(..)
                        | Op::Lift(..)
                        | Op::Reduce(..) => operand(arg),
                    })
                    .collect(),
                slot: out,
            },
            Op::Event(op, args) => Instr::Event {
                op: op.clone(),
                args: args.iter().map(operand).collect(),
                slot: out,
            },
        }
    }
}

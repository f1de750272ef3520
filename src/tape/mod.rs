//! A static, plate-vectorised program with reverse-mode derivatives.
//!
//! A node has a value of `width` numbers for each element of its plate. Nodes are made by a [`Builder`] and run as a [`Tape`].
//! Plates appear and vanish only by lifting (a value for the elements below) and reducing (over the elements below),
//! each the adjoint of the other. Invariants, kept by the builder and relied on by the sweeps:
//! - a node's arguments come before it;
//! - the arguments of elementwise and event nodes are in the node's own plate, or constants;
//! - an elementwise argument is as wide as the node, or of width 1.

mod blame;
mod builder;
mod cost;
mod dump;
pub mod elementwise;
pub mod event;
mod glm;
mod passes;
mod program;
mod run;

use crate::shape::PlateId;
use crate::source::Span;
pub use blame::Blame;
pub use builder::Builder;
pub use cost::StageCost;
use elementwise::Elementwise;
use elementwise::Scalar;
use event::EventOp;
pub use passes::Pass;
pub use passes::Passes;
use program::Program;
pub use run::Workspace;
use smallvec::SmallVec;
use std::sync::Arc;

/// A node of a tape.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Its place in lists by node.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A table that gives, for each element of one plate, an element of another; `None` where the other is the top level.
pub type Index = Option<Arc<[u32]>>;

/// What a node does.
#[derive(Clone, Debug)]
pub enum Op {
    /// The unconstrained coordinates that start at this place of the parameter vector: coordinate `k` of element `i` at `offset + k * len + i`.
    Input(usize),
    /// The same numbers in every element of any plate.
    Constant(Arc<[f64]>),
    /// A data column: component `k` of element `i` at `k * len + i`.
    Data(Arc<[f64]>),
    /// An elementwise operation.
    Map(&'static Elementwise, SmallVec<[NodeId; 4]>),
    /// An operation on whole events.
    Event(EventOp, SmallVec<[NodeId; 4]>),
    /// The value of another plate's node at the element that the index gives. The node may be narrower than the other:
    /// the index then gives the place `k * len + i` of the first component `k` taken, at element `i`; the next components follow.
    Lift(NodeId, Index),
    /// A node of a finer plate, reduced over the elements that the index sends here.
    Reduce(Reduce, NodeId, Index),
}

impl Op {
    /// The nodes that it takes.
    pub fn args(&self) -> &[NodeId] {
        match self {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => &[],
            Op::Map(_, args) | Op::Event(_, args) => args,
            Op::Lift(from, _) | Op::Reduce(_, from, _) => std::slice::from_ref(from),
        }
    }
}

/// How elements are reduced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduce {
    /// Their sum; 0 over none.
    Sum,
    /// The smallest; +∞ over none.
    Min,
    /// The largest; −∞ over none.
    Max,
}

/// A node with its shape and origin.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its plate; the top level for constants.
    pub plate: PlateId,
    /// The numbers in its event.
    pub width: usize,
    /// What it does.
    pub op: Op,
    /// The place in the model that it comes from.
    pub span: Span,
    /// Whether it depends on inputs.
    pub varies: bool,
}

/// A finished program: terms, whose sums over all elements add up to its value, and outputs, which are read element by element.
#[derive(Clone, Debug)]
pub struct Tape {
    nodes: Vec<Node>,
    lens: Vec<usize>,
    dim: usize,
    terms: Vec<NodeId>,
    outputs: Vec<NodeId>,
    recognise: bool,
    program: Program,
}

impl Tape {
    /// Its nodes, every argument before the node that takes it.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes whose sums over all elements add up to the value.
    pub fn terms(&self) -> &[NodeId] {
        &self.terms
    }

    /// The nodes that are read element by element.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// The number of input coordinates.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The memory of a run; one serves any number of runs of this tape.
    pub fn workspace<T: Scalar>(&self) -> Workspace<T> {
        Workspace::new(&self.program)
    }

    /// The value at `z` and, written over `gradient`, its gradient; both have [`Tape::dim`] coordinates.
    /// Over dual numbers with tangent v the gradient's tangents are the Hessian times v.
    pub fn gradient<T: Scalar>(
        &self,
        z: &[T],
        workspace: &mut Workspace<T>,
        gradient: &mut [T],
    ) -> T {
        assert_eq!(z.len(), self.dim, "one coordinate for each input");
        assert_eq!(gradient.len(), self.dim, "one derivative for each input");
        workspace.gradient(&self.program, z, gradient)
    }

    /// The value at `z`; the workspace then holds the outputs.
    pub fn value<T: Scalar>(&self, z: &[T], workspace: &mut Workspace<T>) -> T {
        assert_eq!(z.len(), self.dim, "one coordinate for each input");
        workspace.value(&self.program, z)
    }

    /// The tape of the terms for which `keep` holds, in the same order, without what only the others need.
    pub fn restrict(&self, keep: &[bool]) -> Tape {
        let terms: Vec<NodeId> = self
            .terms
            .iter()
            .zip(keep)
            .filter(|(_, keep)| **keep)
            .map(|(term, _)| *term)
            .collect();
        Tape::new(
            &self.nodes,
            &self.lens,
            self.dim,
            &terms,
            &self.outputs,
            self.recognise,
        )
    }

    /// The same tape without recognised terms, or with them.
    pub fn recognising(&self, recognise: bool) -> Tape {
        Tape::new(
            &self.nodes,
            &self.lens,
            self.dim,
            &self.terms,
            &self.outputs,
            recognise,
        )
    }

    /// The forms that were recognised in its terms: the place of the term and what runs for it.
    pub fn recognised(&self) -> Vec<(usize, String)> {
        self.program
            .glms
            .iter()
            .map(|glm| (glm.term, glm.name()))
            .collect()
    }

    /// The first number that goes wrong at `z`: a node that is not finite though all that it takes is.
    pub fn blame(&self, z: &[f64]) -> Option<Blame> {
        blame::blame(&self.recognising(false), z)
    }

    /// The program as text: one line per node.
    pub fn dump(&self) -> String {
        dump::dump(self)
    }

    /// Keeps the nodes that the terms and outputs need, and plans their execution.
    fn new(
        nodes: &[Node],
        lens: &[usize],
        dim: usize,
        terms: &[NodeId],
        outputs: &[NodeId],
        recognise: bool,
    ) -> Tape {
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
        let mut place = vec![NodeId(0); nodes.len()];
        let mut kept: Vec<Node> = Vec::new();
        for (i, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            place[i] = NodeId(kept.len() as u32);
            let mut node = node.clone();
            match &mut node.op {
                Op::Input(_) | Op::Constant(_) | Op::Data(_) => {}
                Op::Map(_, args) | Op::Event(_, args) => {
                    args.iter_mut().for_each(|arg| *arg = place[arg.index()]);
                }
                Op::Lift(from, _) | Op::Reduce(_, from, _) => *from = place[from.index()],
            }
            kept.push(node);
        }
        let move_all = |ids: &[NodeId]| ids.iter().map(|id| place[id.index()]).collect();
        let (terms, outputs): (Vec<NodeId>, Vec<NodeId>) = (move_all(terms), move_all(outputs));
        let program = Program::plan(&kept, lens, &terms, &outputs, recognise);
        Tape {
            nodes: kept,
            lens: lens.to_vec(),
            dim,
            terms,
            outputs,
            recognise,
            program,
        }
    }
}

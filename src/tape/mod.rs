//! A static, plate-vectorised program with reverse-mode derivatives.
//!
//! A node has a value of `width` numbers for each element of its plate. Nodes are made by a [`Builder`] and run as a [`Tape`].
//! Plates appear and vanish only by lifting (a value for the elements below) and reducing (over the elements below),
//! each the adjoint of the other. Invariants, kept by the builder and relied on by the sweeps:
//! - a node's arguments come before it;
//! - the arguments of elementwise and event nodes are in the node's own plate, or constants;
//! - an elementwise argument is as wide as the node, or of width 1.

mod affine;
mod apart;
mod blame;
mod block;
mod builder;
mod chunks;
mod cost;
mod dump;
pub mod elementwise;
pub mod event;
mod excerpt;
mod glm;
mod lanes;
mod passes;
mod planner;
mod program;
mod reading;
mod rewrite;
mod run;
mod shared_matrix;
mod stage;

use crate::num::Dual;
use crate::num::Shared;
use crate::shape::PlateId;
use crate::source::Span;
pub use blame::Blame;
use block::NO_ELEMENT;
pub use builder::Builder;
pub use builder::Made;
pub use cost::StageCost;
use elementwise::Elementwise;
use elementwise::Scalar;
use event::EventOp;
pub use excerpt::Divisible;
pub use excerpt::Mask;
pub use passes::Pass;
pub use passes::Passes;
use program::Program;
pub use rewrite::Gathering;
use rewrite::Rewritten;
pub use rewrite::squares;
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
    Constant(Shared),
    /// A data column: component `k` of element `i` at `k * len + i`.
    Data(Shared),
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

impl Reduce {
    /// Whether a value takes the place of the one before, which is of element `chosen`; of equal values the first stays.
    fn prefers<T: Scalar>(self, value: T, before: T, chosen: u32) -> bool {
        let better = match self {
            Reduce::Sum => false,
            Reduce::Min => value < before,
            Reduce::Max => value > before,
        };
        // Not a number must not vanish in a comparison.
        let worse = value.value().is_nan() && !before.value().is_nan();
        better || worse || chosen == NO_ELEMENT
    }
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

/// The second derivatives of a tape's recognised terms at a point.
#[derive(Clone, Debug)]
pub struct Curvature(Vec<Option<glm::Curvature>>);

/// A finished program: terms, whose sums over all elements add up to its value, and outputs, which are read element by element.
#[derive(Clone, Debug)]
pub struct Tape {
    nodes: Vec<Node>,
    lens: Vec<usize>,
    /// How many of the plates were not made by rewriting.
    given: usize,
    dim: usize,
    terms: Vec<NodeId>,
    outputs: Vec<NodeId>,
    recognise: bool,
    program: Program,
    /// The terms that were rewritten, and what was made of them.
    notes: Vec<(usize, String)>,
    /// The terms as they were before any was rewritten, with the nodes that they need, where one was.
    stated: Option<Arc<Listing>>,
}

/// Nodes, with those that are summed up and those that are read.
#[derive(Clone, Debug)]
struct Listing {
    nodes: Vec<Node>,
    terms: Vec<NodeId>,
    outputs: Vec<NodeId>,
}

impl Listing {
    /// The nodes that these terms and outputs need.
    fn needed(nodes: &[Node], terms: &[NodeId], outputs: &[NodeId]) -> Listing {
        let needed = program::needed(nodes, terms, outputs);
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
        Listing {
            terms: move_all(terms),
            outputs: move_all(outputs),
            nodes: kept,
        }
    }
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
        Workspace::new(&self.program, 1)
    }

    /// The memory of runs at so many vectors of parameters at once; see [`Tape::gradients`].
    pub fn workspace_of<T: Scalar>(&self, draws: usize) -> Workspace<T> {
        assert!(draws > 0, "a run is at some vector of parameters");
        Workspace::new(&self.program, draws)
    }

    /// The value at `z` and, written over `gradient`, its gradient; both have [`Tape::dim`] coordinates.
    /// Over dual numbers with tangent v the gradient's tangents are the Hessian times v.
    pub fn gradient<T: Scalar>(
        &self,
        z: &[T],
        workspace: &mut Workspace<T>,
        gradient: &mut [T],
    ) -> T {
        let mut value = [T::zero()];
        self.gradients(z, workspace, &mut value, gradient);
        value[0]
    }

    /// Values and gradients at several vectors of parameters, as many as the workspace is for, in one pass over the data.
    /// In `zs` and, written over, `gradients` they stand one after another, of [`Tape::dim`] coordinates each.
    pub fn gradients<T: Scalar>(
        &self,
        zs: &[T],
        workspace: &mut Workspace<T>,
        values: &mut [T],
        gradients: &mut [T],
    ) {
        let draws = workspace.draws();
        assert_eq!(zs.len(), draws * self.dim, "one coordinate for each input");
        assert_eq!(gradients.len(), zs.len(), "one derivative for each input");
        assert_eq!(values.len(), draws, "one value for each vector");
        workspace.gradients(&self.program, zs, gradients);
        for (draw, value) in values.iter_mut().enumerate() {
            *value = workspace.total(draw);
        }
    }

    /// The value at `z`; the workspace then holds the outputs.
    pub fn value<T: Scalar>(&self, z: &[T], workspace: &mut Workspace<T>) -> T {
        assert_eq!(z.len(), self.dim, "one coordinate for each input");
        assert_eq!(workspace.draws(), 1, "a workspace for one vector");
        workspace.values(&self.program, z);
        workspace.total(0)
    }

    /// Writes over `gradient` the gradient at `z` of the sum of the outputs' numbers, each times its weight; the weights of each
    /// output are arranged as [`Workspace::output`]. [`Tape::value`] at the same `z` must be the last run of the workspace: the
    /// weights may depend on the outputs.
    pub fn pull<T: Scalar>(
        &self,
        z: &[T],
        weights: &[&[T]],
        workspace: &mut Workspace<T>,
        gradient: &mut [T],
    ) {
        assert_eq!(z.len(), self.dim, "one coordinate for each input");
        assert_eq!(gradient.len(), self.dim, "one derivative for each input");
        assert_eq!(weights.len(), self.outputs.len(), "weights for each output");
        assert_eq!(workspace.draws(), 1, "a workspace for one vector");
        workspace.pull(&self.program, z, weights, gradient);
    }

    /// What Hessian-vector products at `z` need of the recognised terms, worked out in one pass over their rows.
    pub fn curvature(&self, z: &[f64], workspace: &mut Workspace<f64>) -> Curvature {
        assert_eq!(z.len(), self.dim, "one coordinate for each input");
        Curvature(workspace.curvature(&self.program, z))
    }

    /// As [`Tape::gradient`] at the values at which `curvature` was worked out: the gradient's tangents are the Hessian times the
    /// tangent of `z`. Recognised terms whose second derivatives have been summed up do not look at their rows again.
    pub fn along(
        &self,
        curvature: &Curvature,
        z: &[Dual],
        workspace: &mut Workspace<Dual>,
        gradient: &mut [Dual],
    ) -> Dual {
        assert_eq!(z.len(), self.dim, "one coordinate for each input");
        workspace.along(&self.program, &curvature.0, z, gradient);
        workspace.total(0)
    }

    /// The tape of the terms for which `keep` holds, in the same order, without what only the others need.
    pub fn restrict(&self, keep: &[bool]) -> Tape {
        let kept = |terms: &[NodeId]| -> Vec<NodeId> {
            (terms.iter().zip(keep).filter(|(_, keep)| **keep))
                .map(|(term, _)| *term)
                .collect()
        };
        let place = |term: usize| keep[..term].iter().filter(|keep| **keep).count();
        let listing = Listing::needed(&self.nodes, &kept(&self.terms), &self.outputs);
        Tape {
            given: self.given,
            notes: (self.notes.iter())
                .filter(|(term, _)| keep[*term])
                .map(|(term, note)| (place(*term), note.clone()))
                .collect(),
            stated: (self.stated.as_ref())
                .map(|s| Listing::needed(&s.nodes, &kept(&s.terms), &s.outputs).into()),
            ..Tape::plan(listing, self.lens.clone(), self.dim, self.recognise)
        }
    }

    /// The tape of the outputs for which `keep` holds, in the same order, of a tape without terms.
    pub fn restrict_outputs(&self, keep: &[bool]) -> Tape {
        let kept = self.outputs.iter().zip(keep).filter(|(_, keep)| **keep);
        let kept: Vec<NodeId> = kept.map(|(output, _)| *output).collect();
        let listing = Listing::needed(&self.nodes, &[], &kept);
        Tape::plan(listing, self.lens.clone(), self.dim, self.recognise)
    }

    /// The tape of the model's own rows, none rewritten, without recognised terms or with them.
    pub fn recognising(&self, recognise: bool) -> Tape {
        let (nodes, terms, outputs) = match &self.stated {
            Some(stated) => (&stated.nodes, &stated.terms, &stated.outputs),
            None => (&self.nodes, &self.terms, &self.outputs),
        };
        let listing = Listing::needed(nodes, terms, outputs);
        Tape::plan(listing, self.lens.clone(), self.dim, recognise)
    }

    /// What was made of its terms, by place: those that were rewritten over fewer rows, and those that run in a recognised form.
    pub fn recognised(&self) -> Vec<(usize, String)> {
        let forms = self.program.glms.iter().map(|glm| (glm.term, glm.name()));
        let mut all: Vec<(usize, String)> = self.notes.iter().cloned().chain(forms).collect();
        all.sort_by_key(|(term, _)| *term);
        all
    }

    /// The first number that goes wrong at `z`: a node that is not finite though all that it takes is.
    pub fn blame(&self, z: &[f64]) -> Option<Blame> {
        blame::blame(&self.recognising(false), z)
    }

    /// The program as text: one line per node.
    pub fn dump(&self) -> String {
        dump::dump(self)
    }

    /// Keeps the nodes that the terms and outputs need, makes these passes over the terms, and plans their execution.
    fn new(
        nodes: &[Node],
        lens: Vec<usize>,
        dim: usize,
        terms: &[NodeId],
        outputs: &[NodeId],
        passes: Passes,
    ) -> Tape {
        let stated = Listing::needed(nodes, terms, outputs);
        let (recognise, given) = (passes.has(Pass::Fuse), lens.len());
        match rewrite::rewrite(&stated.nodes, &lens, &stated.terms, passes) {
            None => Tape::plan(stated, lens, dim, recognise),
            Some(Rewritten {
                draft,
                terms,
                notes,
            }) => {
                let listing = Listing::needed(&draft.nodes, &terms, &stated.outputs);
                Tape {
                    given,
                    notes,
                    stated: Some(stated.into()),
                    ..Tape::plan(listing, draft.lens, dim, recognise)
                }
            }
        }
    }

    /// Plans the execution of nodes.
    fn plan(listing: Listing, lens: Vec<usize>, dim: usize, recognise: bool) -> Tape {
        let Listing {
            nodes,
            terms,
            outputs,
        } = listing;
        let program = Program::plan(&nodes, &lens, &terms, &outputs, recognise);
        Tape {
            given: lens.len(),
            nodes,
            lens,
            dim,
            terms,
            outputs,
            recognise,
            program,
            notes: Vec::new(),
            stated: None,
        }
    }
}

//! Makes nodes: lifts arguments to their common plate by name, shares equal nodes, folds what depends on data alone; the last two can be switched off.

use super::Index;
use super::Node;
use super::NodeId;
use super::Op;
use super::Pass;
use super::Passes;
use super::Reduce;
use super::Tape;
use super::elementwise::Elementwise;
use super::event::EventOp;
use super::rewrite::Draft;
use crate::num::Shared;
use crate::shape::PlateId;
use crate::source::Span;
use indexmap::IndexMap;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// Makes the nodes of tapes over a set of plates.
#[derive(Clone, Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    plates: Vec<TapePlate>,
    dim: usize,
    span: Span,
    within: PlateId,
    passes: Passes,
    shared: HashMap<Key, NodeId>,
    folded: HashMap<NodeId, NodeId>,
    made: Made,
}

/// How often passes found something to do while nodes were made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Made {
    /// Values worked out once, because they depend on data and constants alone.
    pub folded: usize,
    /// Nodes that were there already when they were asked for.
    pub shared: usize,
}

#[derive(Clone, Debug)]
struct TapePlate {
    len: usize,
    above: IndexMap<PlateId, Arc<[u32]>>,
}

/// What makes two nodes equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    what: What,
    plate: PlateId,
    args: SmallVec<[NodeId; 4]>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum What {
    Input(usize),
    Constant(Vec<u64>),
    Map(&'static str),
    Event(String),
    Lift(Option<usize>),
    Pick(usize, usize),
    Reduce(Reduce, Option<usize>),
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// A builder with the top level alone, which makes every pass.
    pub fn new() -> Builder {
        Builder::with(Passes::all())
    }

    /// A builder with the top level alone, which makes these passes.
    pub fn with(passes: Passes) -> Builder {
        Builder {
            nodes: Vec::new(),
            plates: vec![TapePlate {
                len: 1,
                above: IndexMap::new(),
            }],
            dim: 0,
            span: Span::default(),
            within: PlateId::TOP,
            passes,
            shared: HashMap::new(),
            folded: HashMap::new(),
            made: Made::default(),
        }
    }

    /// A further plate of `len` elements; `above` gives, for every other plate but the top level that it determines, the element that each of its elements lies in.
    pub fn plate(&mut self, len: usize, above: IndexMap<PlateId, Arc<[u32]>>) -> PlateId {
        self.plates.push(TapePlate { len, above });
        PlateId(self.plates.len() as u32 - 1)
    }

    /// The passes that it makes.
    pub fn passes(&self) -> Passes {
        self.passes
    }

    /// What its passes found to do so far.
    pub fn made(&self) -> Made {
        self.made
    }

    /// Goes back to an earlier count, where what was asked for since is no part of a density.
    pub fn recount(&mut self, made: Made) {
        self.made = made;
    }

    /// The number of input coordinates so far.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The plates, the top level left out, that a plate determines, itself included.
    pub fn plates_above(&self, plate: PlateId) -> impl Iterator<Item = PlateId> + '_ {
        self.plates[plate.index()]
            .above
            .keys()
            .copied()
            .chain((plate != PlateId::TOP).then_some(plate))
    }

    /// The number of plates, the top level among them.
    pub fn plates(&self) -> usize {
        self.plates.len()
    }

    /// Its nodes, every argument before the node that takes it.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The number of elements of a plate.
    pub fn len_of(&self, plate: PlateId) -> usize {
        self.plates[plate.index()].len
    }

    /// For each element of `plate` the element of `other` that it lies in; `None` when it does not determine it.
    pub fn above(&self, plate: PlateId, other: PlateId) -> Option<&Arc<[u32]>> {
        self.plates[plate.index()].above.get(&other)
    }

    /// Whether an element of `plate` lies in exactly one element of `other`.
    pub fn determines(&self, plate: PlateId, other: PlateId) -> bool {
        plate == other || other == PlateId::TOP || self.above(plate, other).is_some()
    }

    /// Nodes made from now on come from this place of the model.
    pub fn at(&mut self, span: Span) {
        self.span = span;
    }

    /// Nodes made from now on that join two plates, neither of which determines the other, are in this plate. Gives the one before.
    pub fn set_within(&mut self, plate: PlateId) -> PlateId {
        std::mem::replace(&mut self.within, plate)
    }

    /// The plate of a node.
    pub fn plate_of(&self, node: NodeId) -> PlateId {
        self.nodes[node.index()].plate
    }

    /// The width of a node.
    pub fn width(&self, node: NodeId) -> usize {
        self.nodes[node.index()].width
    }

    /// A node.
    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    /// The numbers of a constant node.
    pub fn constant_value(&self, node: NodeId) -> Option<&[f64]> {
        match &self.nodes[node.index()].op {
            Op::Constant(values) => Some(values),
            Op::Input(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => None,
        }
    }

    /// The next `width` unconstrained coordinates of each element of a plate.
    pub fn input(&mut self, plate: PlateId, width: usize) -> NodeId {
        let offset = self.dim;
        self.dim += width * self.len_of(plate);
        self.push(What::Input(offset), plate, width, true, Op::Input(offset))
    }

    /// The same numbers in every element.
    pub fn constant(&mut self, values: &[f64]) -> NodeId {
        let key = What::Constant(values.iter().map(|v| v.to_bits()).collect());
        self.push(
            key,
            PlateId::TOP,
            values.len(),
            false,
            Op::Constant(values.into()),
        )
    }

    /// A number: a constant of width 1.
    pub fn number(&mut self, value: f64) -> NodeId {
        self.constant(&[value])
    }

    /// A data column of a plate: component `k` of element `i` at `k * len + i`.
    pub fn data(&mut self, plate: PlateId, width: usize, values: Shared) -> NodeId {
        assert_eq!(
            values.len(),
            width * self.len_of(plate),
            "a value for each element"
        );
        if plate == PlateId::TOP {
            return self.constant(&values);
        }
        self.nodes.push(Node {
            plate,
            width,
            op: Op::Data(values),
            span: self.span,
            varies: false,
        });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// An elementwise node. Arguments are lifted to their common plate, and broadcast if of width 1.
    pub fn map(&mut self, op: &'static Elementwise, args: &[NodeId]) -> NodeId {
        assert_eq!(
            args.len(),
            op.args.len(),
            "`{}` has this many arguments",
            op.name
        );
        let (plate, args) = self.together(args);
        let width = args.iter().map(|a| self.width(*a)).max().unwrap_or(1);
        assert!(
            args.iter().all(|a| [1, width].contains(&self.width(*a))),
            "arguments of `{}` are equally wide or of width 1",
            op.name
        );
        if let Some(values) = self.all_constant(&args) {
            let out: Vec<f64> = (0..width)
                .map(|k| {
                    let lanes: SmallVec<[_; 4]> = values
                        .iter()
                        .map(|v| {
                            super::elementwise::Lanes::Same(v[if v.len() == 1 { 0 } else { k }])
                        })
                        .collect();
                    let mut out = [0.0];
                    (op.plain.forward)(&lanes, &mut out);
                    out[0]
                })
                .collect();
            self.made.folded += 1;
            return self.constant(&out);
        }
        let varies = args.iter().any(|a| self.nodes[a.index()].varies);
        self.push(What::Map(op.name), plate, width, varies, Op::Map(op, args))
    }

    /// An event node. Arguments are lifted to their common plate.
    pub fn event(&mut self, op: EventOp, args: &[NodeId]) -> NodeId {
        let (plate, args) = self.together(args);
        let widths: SmallVec<[usize; 4]> = args.iter().map(|a| self.width(*a)).collect();
        let width = op.width(&widths);
        if let (EventOp::Stack, [only]) = (&op, args.as_slice()) {
            return *only;
        }
        let varies = args.iter().any(|a| self.nodes[a.index()].varies);
        let key = What::Event(format!("{op:?}"));
        self.push(key, plate, width, varies, Op::Event(op, args))
    }

    /// The value of `node` for each element of `plate`, which must determine the node's plate.
    pub fn lift(&mut self, node: NodeId, plate: PlateId) -> NodeId {
        let from = self.plate_of(node);
        if from == plate || self.constant_value(node).is_some() {
            return node;
        }
        let index = match from {
            PlateId::TOP => None,
            _ => Some(Arc::clone(
                self.above(plate, from)
                    .expect("a value is lifted to a plate that determines its own"),
            )),
        };
        self.lift_by(node, plate, index)
    }

    /// The value of `node` for each element of `plate`, at the element that `index` gives.
    pub fn lift_by(&mut self, node: NodeId, plate: PlateId, index: Index) -> NodeId {
        let key = What::Lift(index.as_ref().map(|i| i.as_ptr() as usize));
        let (width, varies) = (self.width(node), self.nodes[node.index()].varies);
        self.push(key, plate, width, varies, Op::Lift(node, index))
    }

    /// `width` components of `node` for each element of `plate`; `places` gives the place `k * len + i` of the first, component `k` of element `i`.
    pub fn pick(
        &mut self,
        node: NodeId,
        plate: PlateId,
        places: Arc<[u32]>,
        width: usize,
    ) -> NodeId {
        let varies = self.nodes[node.index()].varies;
        let key = What::Pick(places.as_ptr() as usize, width);
        self.push(key, plate, width, varies, Op::Lift(node, Some(places)))
    }

    /// Reduces `node` over the elements of its plate that `index` sends to each element of `plate`.
    pub fn reduce(&mut self, how: Reduce, node: NodeId, plate: PlateId, index: Index) -> NodeId {
        let key = What::Reduce(how, index.as_ref().map(|i| i.as_ptr() as usize));
        let (width, varies) = (self.width(node), self.nodes[node.index()].varies);
        self.push(key, plate, width, varies, Op::Reduce(how, node, index))
    }

    /// The tape whose value is the sum over all elements of `terms` and from which `outputs` are read.
    pub fn tape(&self, terms: &[NodeId], outputs: &[NodeId]) -> Tape {
        let lens = self.plates.iter().map(|p| p.len).collect();
        Tape::new(&self.nodes, lens, self.dim, terms, outputs, self.passes)
    }

    /// Its nodes and the sizes of its plates, to be rewritten.
    pub(super) fn draft(&self) -> Draft {
        let lens = self.plates.iter().map(|p| p.len).collect();
        Draft::new(self.nodes.clone(), lens)
    }

    /// Takes over nodes that begin with its own.
    pub(super) fn adopt(&mut self, nodes: Vec<Node>) {
        self.nodes = nodes;
    }

    /// The values of a node that does not depend on inputs: component `k` of element `i` at `k * len + i`.
    pub fn evaluate(&self, node: NodeId) -> Shared {
        match &self.nodes[node.index()].op {
            Op::Data(values) | Op::Constant(values) => values.clone(),
            Op::Input(_) | Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => {
                assert!(
                    !self.nodes[node.index()].varies,
                    "a value known before inputs are"
                );
                let lens = self.plates.iter().map(|p| p.len).collect();
                let tape = Tape::new(&self.nodes, lens, 0, &[], &[node], Passes::none());
                let mut workspace = tape.workspace::<f64>();
                tape.value(&[], &mut workspace);
                workspace.output(0).into()
            }
        }
    }

    /// `node`, its values worked out once and for all if they depend on data alone.
    fn fold(&mut self, node: NodeId) -> NodeId {
        if self.nodes[node.index()].varies {
            return node;
        }
        match &self.nodes[node.index()].op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) | Op::Lift(..) => node,
            Op::Map(..) | Op::Event(..) | Op::Reduce(..) => {
                if let Some(folded) = self.folded.get(&node) {
                    return *folded;
                }
                let (plate, width) = (self.plate_of(node), self.width(node));
                let values = self.evaluate(node);
                let folded = self.data(plate, width, values);
                self.nodes[folded.index()].span = self.nodes[node.index()].span;
                self.folded.insert(node, folded);
                self.made.folded += 1;
                folded
            }
        }
    }

    /// The arguments, lifted to the plate that determines all of theirs; beside arguments that vary, those of data alone are folded.
    fn together(&mut self, args: &[NodeId]) -> (PlateId, SmallVec<[NodeId; 4]>) {
        let folds =
            self.passes.has(Pass::Fold) && args.iter().any(|a| self.nodes[a.index()].varies);
        let args: SmallVec<[NodeId; 4]> = args
            .iter()
            .map(|arg| if folds { self.fold(*arg) } else { *arg })
            .collect();
        let mut plate = PlateId::TOP;
        for arg in &args {
            let other = self.plate_of(*arg);
            plate = if self.determines(plate, other) {
                plate
            } else if self.determines(other, plate) {
                other
            } else {
                self.within
            };
        }
        (
            plate,
            args.iter().map(|arg| self.lift(*arg, plate)).collect(),
        )
    }

    /// The numbers of arguments that are constants, if all are and are to be folded.
    fn all_constant(&self, args: &[NodeId]) -> Option<SmallVec<[Shared; 4]>> {
        if !self.passes.has(Pass::Fold) {
            return None;
        }
        args.iter()
            .map(|arg| match &self.nodes[arg.index()].op {
                Op::Constant(values) => Some(values.clone()),
                Op::Input(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..)
                | Op::Reduce(..) => None,
            })
            .collect()
    }

    fn push(&mut self, what: What, plate: PlateId, width: usize, varies: bool, op: Op) -> NodeId {
        let key = Key {
            what,
            plate,
            args: op.args().into(),
        };
        let shares = self.passes.has(Pass::Share);
        if let (true, Some(known)) = (shares, self.shared.get(&key)) {
            // Constants are no work.
            self.made.shared += usize::from(!matches!(op, Op::Constant(_)));
            return *known;
        }
        self.nodes.push(Node {
            plate,
            width,
            op,
            span: self.span,
            varies,
        });
        let id = NodeId(self.nodes.len() as u32 - 1);
        if shares {
            self.shared.insert(key, id);
        }
        id
    }
}

//! Recognition of terms that see the locals through one predictor, affine in them.

use super::Forest;
use crate::joint::Joint;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use std::sync::Arc;

/// The most locals in a predictor.
const MOST_ATOMS: usize = 8;

/// A term of rows `op(…, predictor, …)`, its nodes in the plate of the rows or above it.
pub(super) struct Form {
    pub plate: PlateId,
    pub op: &'static Elementwise,
    /// The arguments; `None` is the predictor.
    pub args: Vec<Option<NodeId>>,
    pub predictor: Affine,
}

/// A sum of a number and of locals times coefficients.
#[derive(Clone, Default)]
pub(super) struct Affine {
    pub offset: Option<NodeId>,
    pub atoms: Vec<Atom>,
}

/// A local times a coefficient.
#[derive(Clone)]
pub(super) struct Atom {
    /// 1 if there is none.
    pub coefficient: Option<NodeId>,
    /// The local's plate, by its place in the forest, and its number among the coordinates of an element.
    pub place: usize,
    pub coordinate: usize,
    /// The element that each row sees; its own if there is none.
    pub element: Option<Arc<[u32]>>,
}

/// Reads forms off the nodes of a builder, in which it makes those that they need.
pub(super) struct Reader<'a> {
    joint: &'a Joint,
    forest: &'a Forest,
    /// For each node of the joint whether it depends on locals; nodes made later do not.
    local: Vec<bool>,
}

impl<'a> Reader<'a> {
    pub fn new(joint: &'a Joint, forest: &'a Forest) -> Reader<'a> {
        let last = joint.statements.iter().map(|n| n.index() + 1).max();
        let mut local: Vec<bool> = Vec::new();
        for id in 0..last.unwrap_or(0) {
            let node = joint.builder.node(NodeId(id as u32));
            let own = match &node.op {
                Op::Input(_) => forest.plates.iter().any(|p| p.plate == node.plate),
                Op::Constant(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..)
                | Op::Reduce(..) => node.op.args().iter().any(|arg| local[arg.index()]),
            };
            local.push(own);
        }
        Reader {
            joint,
            forest,
            local,
        }
    }

    fn is_local(&self, id: NodeId) -> bool {
        self.local.get(id.index()).copied().unwrap_or(false)
    }

    /// The form of a term, if it has one.
    pub fn form(&self, builder: &mut Builder, term: usize) -> Option<Form> {
        let id = self.joint.statements[term];
        let node = builder.node(id).clone();
        let (Op::Map(op, args), 1) = (&node.op, node.width) else {
            return None;
        };
        let local = args.iter().filter(|arg| self.is_local(**arg)).count();
        if local != 1 || args.iter().any(|arg| builder.width(*arg) != 1) {
            return None;
        }
        let predictor = args.iter().find(|arg| self.is_local(**arg))?;
        let predictor = self.affine(builder, *predictor, 0)?;
        if predictor.atoms.len() > MOST_ATOMS {
            return None;
        }
        let given = |arg: &NodeId| (!self.is_local(*arg)).then_some(*arg);
        Some(Form {
            plate: node.plate,
            op,
            args: args.iter().map(given).collect(),
            predictor,
        })
    }

    /// Component `k` of a node as an affine function of the locals.
    fn affine(&self, builder: &mut Builder, id: NodeId, k: usize) -> Option<Affine> {
        let node = builder.node(id).clone();
        let k = if node.width == 1 { 0 } else { k };
        if !self.is_local(id) {
            let offset = match node.width {
                1 => id,
                _ => builder.event(EventOp::Pick(Arc::from([k as u32])), &[id]),
            };
            return Some(Affine {
                offset: Some(offset),
                atoms: Vec::new(),
            });
        }
        match &node.op {
            Op::Input(offset) => self.input(*offset, k),
            Op::Constant(_) | Op::Data(_) | Op::Reduce(..) => None,
            Op::Lift(from, index) => {
                if builder.width(*from) != node.width {
                    return None;
                }
                let below = self.affine(builder, *from, k)?;
                let index = index.as_ref()?;
                let mut lift = |part: NodeId| match builder.plate_of(part) {
                    PlateId::TOP => part,
                    _ => builder.lift_by(part, node.plate, Some(Arc::clone(index))),
                };
                Some(Affine {
                    offset: below.offset.map(&mut lift),
                    atoms: below
                        .atoms
                        .into_iter()
                        .map(|atom| Atom {
                            coefficient: atom.coefficient.map(&mut lift),
                            element: Some(match &atom.element {
                                None => Arc::clone(index),
                                Some(own) => index.iter().map(|i| own[*i as usize]).collect(),
                            }),
                            ..atom
                        })
                        .collect(),
                })
            }
            Op::Map(op, args) => {
                let mut arg = |place: usize| self.affine(builder, args[place], k);
                if **op == ADD {
                    let (a, b) = (arg(0)?, arg(1)?);
                    Some(sum(builder, a, b))
                } else if **op == SUB {
                    let (a, b) = (arg(0)?, arg(1)?);
                    let b = negated(builder, b);
                    Some(sum(builder, a, b))
                } else if **op == NEG {
                    let a = arg(0)?;
                    Some(negated(builder, a))
                } else if **op == MUL {
                    let (a, b) = (arg(0)?, arg(1)?);
                    match (a.atoms.is_empty(), b.atoms.is_empty()) {
                        (true, _) => Some(times(builder, b, a.offset?)),
                        (_, true) => Some(times(builder, a, b.offset?)),
                        (false, false) => None,
                    }
                } else if **op == DIV {
                    let (a, b) = (arg(0)?, arg(1)?);
                    let one = builder.number(1.0);
                    let inverse = b.atoms.is_empty().then_some(b.offset?)?;
                    let inverse = builder.map(&DIV, &[one, inverse]);
                    Some(times(builder, a, inverse))
                } else {
                    None
                }
            }
            Op::Event(EventOp::Pick(places), args) => match places[k] {
                EventOp::ZERO => Some(Affine::default()),
                place => self.affine(builder, args[0], place as usize),
            },
            Op::Event(EventOp::Sum, args) => {
                (0..builder.width(args[0])).try_fold(Affine::default(), |total, j| {
                    let part = self.affine(builder, args[0], j)?;
                    Some(sum(builder, total, part))
                })
            }
            Op::Event(EventOp::Dot, args) => {
                (0..builder.width(args[0])).try_fold(Affine::default(), |total, j| {
                    let (a, b) = (
                        self.affine(builder, args[0], j)?,
                        self.affine(builder, args[1], j)?,
                    );
                    let part = match (a.atoms.is_empty(), b.atoms.is_empty()) {
                        (true, _) => times(builder, b, a.offset?),
                        (_, true) => times(builder, a, b.offset?),
                        (false, false) => return None,
                    };
                    Some(sum(builder, total, part))
                })
            }
            Op::Event(..) => None,
        }
    }

    /// Coordinate `k` of the locals whose coordinates start at `offset`.
    fn input(&self, offset: usize, k: usize) -> Option<Affine> {
        let (place, plate) = (self.forest.plates.iter().enumerate())
            .find(|(_, p)| p.coordinates.contains(&(offset as u32)))?;
        let first = plate.coordinates.iter().position(|c| *c == offset as u32)?;
        Some(Affine {
            offset: None,
            atoms: vec![Atom {
                coefficient: None,
                place,
                coordinate: first / plate.count + k,
                element: None,
            }],
        })
    }
}

fn sum(builder: &mut Builder, a: Affine, b: Affine) -> Affine {
    let offset = match (a.offset, b.offset) {
        (Some(a), Some(b)) => Some(builder.map(&ADD, &[a, b])),
        (a, b) => a.or(b),
    };
    Affine {
        offset,
        atoms: [a.atoms, b.atoms].concat(),
    }
}

fn times(builder: &mut Builder, a: Affine, factor: NodeId) -> Affine {
    Affine {
        offset: a.offset.map(|o| builder.map(&MUL, &[o, factor])),
        atoms: a
            .atoms
            .into_iter()
            .map(|atom| Atom {
                coefficient: Some(match atom.coefficient {
                    None => factor,
                    Some(c) => builder.map(&MUL, &[c, factor]),
                }),
                ..atom
            })
            .collect(),
    }
}

fn negated(builder: &mut Builder, a: Affine) -> Affine {
    let minus = builder.number(-1.0);
    times(builder, a, minus)
}

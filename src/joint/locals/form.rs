//! Recognition of terms that see the locals through predictors that are affine in them.

use super::Forest;
use crate::dist::normal;
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
use smallvec::SmallVec;

/// The most locals in a predictor.
const MOST_ATOMS: usize = 32;

/// Rows `op(…, predictor, …)`, their nodes in the plate of the term or above it.
pub(super) struct Form {
    pub plate: PlateId,
    pub op: &'static Elementwise,
    /// The arguments; `None` is the predictor.
    pub args: Vec<Option<NodeId>>,
    pub predictor: Affine,
}

/// A sum of parts without locals, and of locals times coefficients.
#[derive(Clone, Default)]
pub(super) struct Affine {
    pub offset: Vec<Part>,
    pub atoms: Vec<Atom>,
}

/// A product of a number of the top level and of one for each row; each is 1 if there is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Part {
    pub top: Option<NodeId>,
    pub column: Option<NodeId>,
}

/// A local times a coefficient.
#[derive(Clone)]
pub(super) struct Atom {
    /// 1 if there is none.
    pub coefficient: Option<NodeId>,
    /// The local's plate, by its place in the forest, and its number among the coordinates of an element.
    pub place: usize,
    pub coordinate: usize,
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
                Op::Input(offset) => place_of(forest, *offset).is_some(),
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

    /// The forms that a term is the sum of, if it is one.
    pub fn forms(&self, builder: &mut Builder, term: usize) -> Option<Vec<Form>> {
        let id = self.joint.statements[term];
        let plate = builder.plate_of(id);
        let mut forms = Vec::new();
        self.collect(builder, plate, (id, 0), 1.0, &mut forms)?;
        let few = |form: &Form| form.predictor.atoms.len() <= MOST_ATOMS;
        forms.iter().all(few).then_some(forms)
    }

    /// Adds the forms of a component of a node, times a number.
    fn collect(
        &self,
        builder: &mut Builder,
        plate: PlateId,
        (id, k): (NodeId, usize),
        scale: f64,
        forms: &mut Vec<Form>,
    ) -> Option<()> {
        let node = builder.node(id).clone();
        let k = if node.width == 1 { 0 } else { k };
        if !self.is_local(id) {
            let factor = builder.number(scale);
            let part = self.part(builder, id, k);
            let part = times(builder, part, Part::top(factor));
            let (zero, offset) = (builder.number(0.0), vec![part]);
            forms.push(Form {
                plate,
                op: &ADD,
                args: vec![Some(zero), None],
                predictor: Affine {
                    offset,
                    atoms: Vec::new(),
                },
            });
            return Some(());
        }
        match &node.op {
            Op::Map(op, args) if **op == ADD || **op == SUB => {
                let other = if **op == ADD { scale } else { -scale };
                self.collect(builder, plate, (args[0], k), scale, forms)?;
                self.collect(builder, plate, (args[1], k), other, forms)
            }
            Op::Map(op, args) if **op == NEG => {
                self.collect(builder, plate, (args[0], k), -scale, forms)
            }
            Op::Map(op, args) if **op == MUL => {
                let known = |arg: NodeId| match builder.constant_value(arg) {
                    Some([value]) => Some(*value),
                    Some(_) | None => None,
                };
                let (factor, other) = match (known(args[0]), known(args[1])) {
                    (Some(factor), _) => (factor, args[1]),
                    (_, Some(factor)) => (factor, args[0]),
                    (None, None) => return None,
                };
                self.collect(builder, plate, (other, k), scale * factor, forms)
            }
            Op::Map(op, args) if scale == 1.0 => {
                let form = self.density(builder, plate, op, args, k)?;
                forms.push(form);
                Some(())
            }
            Op::Event(EventOp::Sum, args) => (0..builder.width(args[0]))
                .try_for_each(|j| self.collect(builder, plate, (args[0], j), scale, forms)),
            Op::Event(EventOp::Dot, args) if args[0] == args[1] && scale < 0.0 => {
                (0..builder.width(args[0])).try_for_each(|j| {
                    let root = builder.number((-2.0 * scale).sqrt());
                    let own = self.affine(builder, args[0], j)?;
                    let root = affine_times(builder, own, Part::top(root));
                    let [zero, one] = [0.0, 1.0].map(|x| builder.number(x));
                    forms.push(Form {
                        plate,
                        op: &normal::SQUARE,
                        args: vec![Some(zero), None, Some(one), Some(zero)],
                        predictor: root,
                    });
                    Some(())
                })
            }
            Op::Event(EventOp::Stack, args) => {
                let inner = stacked(builder, args, k);
                self.collect(builder, plate, inner, scale, forms)
            }
            Op::Event(EventOp::Pick(places), args) if places[k] != EventOp::ZERO => {
                self.collect(builder, plate, (args[0], places[k] as usize), scale, forms)
            }
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => None,
        }
    }

    /// A density of one argument with locals, or a normal density of two.
    fn density(
        &self,
        builder: &mut Builder,
        plate: PlateId,
        op: &'static Elementwise,
        args: &[NodeId],
        k: usize,
    ) -> Option<Form> {
        let local = |arg: &NodeId| self.is_local(*arg);
        let mut component = |arg: &NodeId| component(builder, *arg, k);
        if *op == normal::LOG_DENSITY && local(&args[0]) && !local(&args[2]) {
            // N(x | m, s) = N(0 | m − x, s).
            let sd = component(&args[2]);
            let x = self.affine(builder, args[0], k)?;
            let mean = self.affine(builder, args[1], k)?;
            let x = negated(builder, x);
            let zero = builder.number(0.0);
            return Some(Form {
                plate,
                op,
                args: vec![Some(zero), None, Some(sd)],
                predictor: sum(mean, x),
            });
        }
        if args.iter().filter(|arg| local(arg)).count() != 1 {
            return None;
        }
        let given: Vec<Option<NodeId>> = args
            .iter()
            .map(|arg| (!local(arg)).then(|| component(arg)))
            .collect();
        let predictor = args.iter().find(|arg| local(arg))?;
        Some(Form {
            plate,
            op,
            args: given,
            predictor: self.affine(builder, *predictor, k)?,
        })
    }

    /// Component `k` of a node that does not depend on locals.
    fn part(&self, builder: &mut Builder, id: NodeId, k: usize) -> Part {
        let id = component(builder, id, k);
        let node = builder.node(id);
        match (&node.op, node.plate) {
            (Op::Lift(from, None), _) if builder.width(*from) == 1 => Part::top(*from),
            (Op::Event(EventOp::Pick(places), args), _)
                if matches!(builder.node(args[0]).op, Op::Lift(_, None)) =>
            {
                let Op::Lift(from, _) = builder.node(args[0]).op else {
                    return Part::column(id);
                };
                let places = std::sync::Arc::clone(places);
                Part::top(builder.event(EventOp::Pick(places), &[from]))
            }
            (_, PlateId::TOP) => Part::top(id),
            _ => Part::column(id),
        }
    }

    /// Component `k` of a node as an affine function of the locals.
    fn affine(&self, builder: &mut Builder, id: NodeId, k: usize) -> Option<Affine> {
        let node = builder.node(id).clone();
        let k = if node.width == 1 { 0 } else { k };
        let leaf = !self.is_local(id);
        if leaf && (!node.varies || node.plate == PlateId::TOP) {
            return Some(self.alone(builder, id, k));
        }
        match &node.op {
            Op::Input(offset) if !leaf => self.input(node.plate, *offset, k),
            Op::Lift(from, None) if !leaf => self.affine(builder, *from, k),
            Op::Lift(from, Some(index)) if !leaf => {
                // An element must see the coordinates of the element that it lies in.
                let source = builder.plate_of(*from);
                let own = builder.above(node.plate, source);
                if builder.width(*from) != node.width || own.is_none_or(|own| own != index) {
                    return None;
                }
                let below = self.affine(builder, *from, k)?;
                let mut lift = |part: NodeId| builder.lift(part, node.plate);
                Some(Affine {
                    offset: (below.offset.into_iter())
                        .map(|part| Part {
                            column: part.column.map(&mut lift),
                            ..part
                        })
                        .collect(),
                    atoms: (below.atoms.into_iter())
                        .map(|atom| Atom {
                            coefficient: atom.coefficient.map(&mut lift),
                            ..atom
                        })
                        .collect(),
                })
            }
            Op::Map(op, args) if **op == ADD || **op == SUB => {
                let a = self.affine(builder, args[0], k)?;
                let b = self.affine(builder, args[1], k)?;
                let b = if **op == ADD { b } else { negated(builder, b) };
                Some(sum(a, b))
            }
            Op::Map(op, args) if **op == NEG => {
                let a = self.affine(builder, args[0], k)?;
                Some(negated(builder, a))
            }
            Op::Map(op, args) if **op == MUL => self.product(builder, (args[0], k), (args[1], k)),
            Op::Map(op, args) if **op == DIV && !self.is_local(args[1]) => {
                let a = self.affine(builder, args[0], k)?;
                let b = self.part(builder, args[1], k);
                let inverse = inverted(builder, b);
                Some(affine_times(builder, a, inverse))
            }
            Op::Event(EventOp::Pick(places), args) => match places[k] {
                EventOp::ZERO => Some(Affine::default()),
                place => self.affine(builder, args[0], place as usize),
            },
            Op::Event(EventOp::Stack, args) => {
                let (arg, k) = stacked(builder, args, k);
                self.affine(builder, arg, k)
            }
            Op::Event(EventOp::Sum, args) => (0..builder.width(args[0]))
                .try_fold(Affine::default(), |total, j| {
                    Some(sum(total, self.affine(builder, args[0], j)?))
                }),
            Op::Event(EventOp::Dot, args) => {
                (0..builder.width(args[0])).try_fold(Affine::default(), |total, j| {
                    Some(sum(
                        total,
                        self.product(builder, (args[0], j), (args[1], j))?,
                    ))
                })
            }
            Op::Event(EventOp::SolveLower { n, columns: 1 }, args) if !self.is_local(args[0]) => {
                self.solved(builder, *n, args, k)
            }
            _ if leaf => Some(self.alone(builder, id, k)),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => None,
        }
    }

    /// A component without locals, as it is.
    fn alone(&self, builder: &mut Builder, id: NodeId, k: usize) -> Affine {
        Affine {
            offset: vec![self.part(builder, id, k)],
            atoms: Vec::new(),
        }
    }

    /// The product of two components, of which one at least has no locals.
    fn product(
        &self,
        builder: &mut Builder,
        a: (NodeId, usize),
        b: (NodeId, usize),
    ) -> Option<Affine> {
        let (affine, factor) = match (self.is_local(a.0), self.is_local(b.0)) {
            (true, true) => return None,
            (true, false) => (self.affine(builder, a.0, a.1)?, b),
            (false, true) => (self.affine(builder, b.0, b.1)?, a),
            (false, false) => (self.alone(builder, a.0, a.1), b),
        };
        let factor = self.part(builder, factor.0, factor.1);
        Some(affine_times(builder, affine, factor))
    }

    /// Component `k` of L⁻¹ b: `(b_k − Σ_{j<k} L_kj x_j) / L_kk`.
    fn solved(&self, builder: &mut Builder, n: usize, args: &[NodeId], k: usize) -> Option<Affine> {
        // It sees all of b up to there.
        if k >= MOST_ATOMS {
            return None;
        }
        let mut found: Vec<Affine> = Vec::new();
        for i in 0..=k {
            let mut row = self.affine(builder, args[1], i)?;
            for (j, x) in found.iter().enumerate() {
                let entry = self.part(builder, args[0], i * n + j);
                let step = affine_times(builder, x.clone(), entry);
                row = sum(row, negated(builder, step));
            }
            let diagonal = self.part(builder, args[0], i * n + i);
            let inverse = inverted(builder, diagonal);
            let solved = affine_times(builder, row, inverse);
            let solved = gathered(builder, solved);
            found.push(with_one_offset(builder, solved));
        }
        found.pop()
    }

    /// Coordinate `k` of the locals of a plate whose coordinates start at `offset`.
    fn input(&self, own: PlateId, offset: usize, k: usize) -> Option<Affine> {
        let (place, first) = place_of(self.forest, offset)?;
        let plate = &self.forest.plates[place];
        // Elements that are one element of the forest are told apart by their rows: no row sees the same ones.
        (plate.plate == own).then_some(())?;
        Some(Affine {
            offset: Vec::new(),
            atoms: vec![Atom {
                coefficient: None,
                place,
                coordinate: first / plate.count + k,
            }],
        })
    }
}

/// The plate of the forest whose locals' coordinates start at `offset`, and the place of the first among its coordinates.
fn place_of(forest: &Forest, offset: usize) -> Option<(usize, usize)> {
    (forest.plates.iter().enumerate()).find_map(|(place, p)| {
        let first = (p.coordinates.iter()).position(|c| *c == offset as u32)?;
        Some((place, first))
    })
}

/// Component `k` of a node as a node.
fn component(builder: &mut Builder, id: NodeId, k: usize) -> NodeId {
    match builder.width(id) {
        1 => id,
        _ => builder.event(EventOp::Pick([k as u32].into()), &[id]),
    }
}

/// The argument of a stack, and its component, that component `k` is.
fn stacked(builder: &Builder, args: &[NodeId], mut k: usize) -> (NodeId, usize) {
    for arg in args {
        let width = builder.width(*arg);
        if k < width {
            return (*arg, k);
        }
        k -= width;
    }
    (args[0], 0)
}

impl Part {
    fn top(node: NodeId) -> Part {
        Part {
            top: Some(node),
            column: None,
        }
    }

    fn column(node: NodeId) -> Part {
        Part {
            top: None,
            column: Some(node),
        }
    }

    /// The product as one node.
    fn node(self, builder: &mut Builder) -> Option<NodeId> {
        both(builder, self.top, self.column)
    }
}

/// The product of what there is.
fn both(builder: &mut Builder, a: Option<NodeId>, b: Option<NodeId>) -> Option<NodeId> {
    match (a, b) {
        (Some(a), Some(b)) => Some(builder.map(&MUL, &[a, b])),
        (a, b) => a.or(b),
    }
}

fn times(builder: &mut Builder, a: Part, b: Part) -> Part {
    Part {
        top: both(builder, a.top, b.top),
        column: both(builder, a.column, b.column),
    }
}

fn inverted(builder: &mut Builder, part: Part) -> Part {
    let one = builder.number(1.0);
    let mut inverse = |node: NodeId| builder.map(&DIV, &[one, node]);
    Part {
        top: part.top.map(&mut inverse),
        column: part.column.map(&mut inverse),
    }
}

fn sum(a: Affine, b: Affine) -> Affine {
    Affine {
        offset: [a.offset, b.offset].concat(),
        atoms: [a.atoms, b.atoms].concat(),
    }
}

fn affine_times(builder: &mut Builder, a: Affine, factor: Part) -> Affine {
    let whole = factor.node(builder);
    Affine {
        offset: (a.offset.into_iter())
            .map(|part| times(builder, part, factor))
            .collect(),
        atoms: (a.atoms.into_iter())
            .map(|atom| Atom {
                coefficient: both(builder, atom.coefficient, whole),
                ..atom
            })
            .collect(),
    }
}

fn negated(builder: &mut Builder, a: Affine) -> Affine {
    let minus = builder.number(-1.0);
    affine_times(builder, a, Part::top(minus))
}

/// With the parts without locals added up, as far as they are of the same column.
fn with_one_offset(builder: &mut Builder, a: Affine) -> Affine {
    let mut offset: Vec<Part> = Vec::new();
    for part in a.offset {
        match offset.iter_mut().find(|known| known.column == part.column) {
            Some(known) => {
                let [a, b] =
                    [known.top, part.top].map(|top| top.unwrap_or_else(|| builder.number(1.0)));
                known.top = Some(builder.map(&ADD, &[a, b]));
            }
            None => offset.push(part),
        }
    }
    Affine { offset, ..a }
}

/// With the coefficients of each local added up.
pub(super) fn gathered(builder: &mut Builder, a: Affine) -> Affine {
    let mut atoms: SmallVec<[Atom; 4]> = SmallVec::new();
    for atom in a.atoms {
        let same =
            |known: &&mut Atom| (known.place, known.coordinate) == (atom.place, atom.coordinate);
        match atoms.iter_mut().find(same) {
            Some(known) => {
                let [a, b] = [known.coefficient, atom.coefficient]
                    .map(|c| c.unwrap_or_else(|| builder.number(1.0)));
                known.coefficient = Some(builder.map(&ADD, &[a, b]));
            }
            None => atoms.push(atom),
        }
    }
    Affine {
        offset: a.offset,
        atoms: atoms.into_vec(),
    }
}

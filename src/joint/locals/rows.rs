//! The rows of terms that see the locals through one affine predictor, at fixed globals.
//!
//! Everything else in a row is worked out once for the globals: what is left at each point of the locals is the predictor and the
//! density. Derivatives in what was worked out are summed over all points, and taken back to the globals at the end.

use super::Forest;
use super::form::Affine;
use super::form::Form;
use super::form::Part;
use super::form::Reader;
use super::form::gathered;
use super::sweep::Chunk;
use super::sweep::Pool;
use crate::dist::normal;
use crate::joint::Joint;
use crate::num::Shared;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::Index;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::RowPass;
use crate::tape::squares;
use std::fmt;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// All such terms of a density.
pub(super) struct Rows<'a> {
    pub forest: &'a Forest,
    pub terms: &'a [Term],
    /// For each plate of the forest its elements in parts, whose rows are gone through together.
    pub chunks: Vec<Vec<Chunk>>,
    /// The values that depend on the globals: one number, or one for each row.
    pub outputs: Vec<Vec<f64>>,
    /// Their adjoints, as they are made: of those of a coarser plate one for each of its elements.
    pub seeds: Vec<Vec<f64>>,
    /// For each the element of a coarser plate that a row takes it from, if it is of such a plate.
    pub gathers: &'a [Index],
    pub pool: Pool,
    values: (&'a Tape, Workspace<f64>),
    gradient: Vec<f64>,
}

/// What does not change from one run to the next.
pub(super) struct Made {
    terms: Vec<Term>,
    /// The values that depend on the globals, from where rows take them, and how many numbers each is then.
    values: Tape,
    gathers: Vec<Index>,
    lens: Vec<usize>,
    /// How many it is before.
    made: Vec<usize>,
}

impl Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Made({} terms)", self.terms.len())
    }
}

/// Rows of one density.
pub(super) struct Term {
    /// Its place among the terms of the density.
    pub term: usize,
    /// The plate of the forest to whose elements its rows are summed.
    pub place: usize,
    /// The first row of each element and, behind, their number; `None` where each element has one row.
    pub starts: Option<Vec<u32>>,
    pub op: &'static Elementwise,
    /// The loops of the density, if its arguments are as they want them.
    pub pass: Option<&'static RowPass>,
    /// `None` is the predictor.
    pub args: Vec<Option<Source>>,
    /// What the predictor adds up: a number times one for each row.
    pub offset: Vec<(Source, Source)>,
    pub atoms: Vec<Local>,
    /// What the loops leave out, for each element; empty where that is nothing.
    pub apart: Vec<f64>,
}

/// Where numbers of rows are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Same(f64),
    Each(Shared),
    Output(usize),
}

pub(super) struct Local {
    pub coefficient: Source,
    /// The first of its coordinates among all; those of other elements follow.
    pub first: usize,
    /// Whose it is.
    pub of: Of,
    /// Its number among the coordinates of the elements above and its own.
    pub chain: usize,
}

/// Whose a local is that an element sees.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// Its own.
    Own,
    /// The only element's of a plate.
    Single,
    /// That of the element that it lies in, in the plate of this number among those above.
    Above(usize),
}

impl<'a> Rows<'a> {
    /// The terms of this shape among those that depend on locals; `joint` is what the forest was planned for.
    pub fn new(joint: &Joint, forest: &'a Forest) -> Rows<'a> {
        // Made before it is kept: nobody may wait for it on a thread that it is made on.
        let known = forest.made.get();
        let Made {
            terms,
            values,
            gathers,
            lens,
            made,
        } = known.unwrap_or_else(|| {
            let made = Made::new(joint, forest);
            forest.made.get_or_init(|| made)
        });
        let zeros = |lens: &[usize]| lens.iter().map(|len| vec![0.0; *len]).collect();
        let chunks = (0..forest.plates.len()).map(|p| Chunk::all(forest, p, terms, lens));
        Rows {
            forest,
            chunks: chunks.collect(),
            terms,
            seeds: zeros(made),
            outputs: zeros(lens),
            gathers,
            pool: Pool::default(),
            gradient: vec![0.0; values.dim()],
            values: (values, values.workspace()),
        }
    }

    /// Works out what depends on the globals at `z`.
    pub fn prepare(&mut self, z: &[f64]) {
        let (tape, workspace) = &mut self.values;
        tape.value(z, workspace);
        for (k, (out, seed)) in self.outputs.iter_mut().zip(&mut self.seeds).enumerate() {
            let made = workspace.output(k);
            match &self.gathers[k] {
                None => out.copy_from_slice(made),
                Some(index) => {
                    for (out, i) in out.iter_mut().zip(index.iter()) {
                        *out = made[*i as usize];
                    }
                }
            }
            seed.fill(0.0);
        }
    }

    /// Adds to the gradient in the globals what the sums with derivatives since the last [`Rows::prepare`], at the same `z`, have left.
    pub fn finish(&mut self, z: &[f64], gradient: &mut [f64]) {
        if self.outputs.is_empty() {
            return;
        }
        let (tape, workspace) = &mut self.values;
        let seeds: Vec<&[f64]> = self.seeds.iter().map(Vec::as_slice).collect();
        tape.pull(z, &seeds, workspace, &mut self.gradient);
        for (sum, g) in gradient.iter_mut().zip(&self.gradient) {
            *sum += *g;
        }
    }
}

impl Made {
    fn new(joint: &Joint, forest: &Forest) -> Made {
        let mut builder = joint.builder.clone();
        let reader = Reader::new(joint, forest);
        let mut made = Maker {
            forest,
            nodes: Vec::new(),
            terms: Vec::new(),
        };
        for (term, place) in forest.terms.iter().enumerate() {
            let Some(place) = *place else { continue };
            for form in reader.forms(&mut builder, term).unwrap_or_default() {
                made.add(&mut builder, (term, place), form);
            }
        }
        let Maker { nodes, terms, .. } = made;
        let (nodes, gathers): (Vec<NodeId>, Vec<Index>) = nodes.into_iter().unzip();
        let len = |node: &NodeId| builder.len_of(builder.plate_of(*node));
        let made: Vec<usize> = nodes.iter().map(len).collect();
        let gathered = gathers.iter().zip(&made);
        Made {
            terms,
            values: builder.tape(&[], &nodes),
            lens: gathered
                .map(|(index, len)| index.as_ref().map_or(*len, |index| index.len()))
                .collect(),
            gathers,
            made,
        }
    }
}

impl Source {
    /// The number, if it is the same in all rows.
    pub fn same(&self, outputs: &[Vec<f64>]) -> Option<f64> {
        match self {
            Source::Same(value) => Some(*value),
            Source::Output(k) if outputs[*k].len() == 1 => Some(outputs[*k][0]),
            Source::Each(_) | Source::Output(_) => None,
        }
    }

    /// The numbers of rows from `first` on.
    pub fn lanes<'s>(&'s self, outputs: &'s [Vec<f64>], first: usize) -> Lanes<'s, f64> {
        match self {
            Source::Same(value) => Lanes::Same(*value),
            Source::Each(values) => Lanes::Each(&values[first..]),
            Source::Output(k) if outputs[*k].len() == 1 => Lanes::Same(outputs[*k][0]),
            Source::Output(k) => Lanes::Each(&outputs[*k][first..]),
        }
    }

    fn is_data(&self) -> bool {
        match self {
            Source::Same(_) | Source::Each(_) => true,
            Source::Output(_) => false,
        }
    }
}

impl Term {
    /// The rows of some elements.
    pub fn rows(&self, elements: &Range<usize>) -> Range<usize> {
        match &self.starts {
            None => elements.clone(),
            Some(starts) => starts[elements.start] as usize..starts[elements.end] as usize,
        }
    }

    /// The loops and what they leave out.
    fn with_loops(mut self, count: usize, one: impl Fn(&Source) -> bool) -> Term {
        let Some(pass) = self.op.plain.row_pass.as_ref() else {
            return self;
        };
        let fits = |(k, arg): (usize, &Option<Source>)| match arg {
            None => k == pass.by,
            Some(arg) if pass.shared >> k & 1 == 1 => one(arg),
            Some(arg) => arg.is_data(),
        };
        if !self.args.iter().enumerate().all(fits) {
            return self;
        }
        self.pass = Some(pass);
        let Some(kernel) = &self.op.plain.one_pass else {
            return self;
        };
        let apart: Vec<f64> = (0..count)
            .map(|i| {
                let rows = self.rows(&(i..i + 1));
                let args: Vec<Lanes<'_, f64>> = (self.args.iter())
                    .map(|arg| match arg {
                        Some(arg) if arg.is_data() => arg.lanes(&[], rows.start),
                        Some(_) | None => Lanes::Same(0.0),
                    })
                    .collect();
                (kernel.apart)(&args, rows.len())
            })
            .collect();
        if apart.iter().any(|x| *x != 0.0) {
            self.apart = apart;
        }
        self
    }
}

/// Makes terms of forms.
struct Maker<'f> {
    forest: &'f Forest,
    /// The nodes whose values depend on the globals, each with the element that a row takes it from, if it is of a coarser plate.
    nodes: Vec<(NodeId, Index)>,
    terms: Vec<Term>,
}

/// The plate that rows are of, and the order in which they stand, if another.
type Place = (PlateId, Index);

impl Maker<'_> {
    fn add(&mut self, builder: &mut Builder, (term, place): (usize, usize), form: Form) {
        let own = &self.forest.plates[place];
        let len = builder.len_of(form.plate);
        let (starts, order) = match (form.plate == own.plate, own.plate) {
            (true, _) => (None, None),
            (false, PlateId::TOP) => (Some(vec![0, len as u32]), None),
            (false, plate) => match builder.above(form.plate, plate) {
                Some(element) => sorted(element, own.count),
                None => (Some(vec![0, len as u32]), None),
            },
        };
        let rows: Place = (form.plate, order);
        let mut source = |node: NodeId| self.source(builder, node, &rows);
        let args = form.args.iter().map(|arg| arg.map(&mut source)).collect();
        let Affine { offset, atoms } = gathered(builder, form.predictor);
        let one = |source: Option<Source>| source.unwrap_or(Source::Same(1.0));
        let offset = (offset.into_iter())
            .map(|Part { top, column }| {
                let mut source = |node: NodeId| self.source(builder, node, &rows);
                (one(top.map(&mut source)), one(column.map(&mut source)))
            })
            .collect();
        let atoms = (atoms.into_iter())
            .map(|atom| {
                let coefficient = atom.coefficient.map(|c| self.source(builder, c, &rows));
                let above = own.above.iter().position(|a| a.place == atom.place);
                let before = &own.above[..above.unwrap_or(own.above.len())];
                let start: usize = (before.iter())
                    .map(|a| self.forest.plates[a.place].width)
                    .sum();
                Local {
                    coefficient: one(coefficient),
                    first: self.forest.plates[atom.place].at(atom.coordinate, 0),
                    of: match above {
                        _ if self.forest.plates[atom.place].count == 1 => Of::Single,
                        Some(above) => Of::Above(above),
                        None => Of::Own,
                    },
                    chain: start + atom.coordinate,
                }
            })
            .collect();
        let whole = Term {
            term,
            place,
            starts,
            op: form.op,
            pass: None,
            args,
            offset,
            atoms,
            apart: Vec::new(),
        };
        let one = |source: &Source| match source {
            Source::Same(_) => true,
            Source::Each(_) => false,
            Source::Output(k) => builder.plate_of(self.nodes[*k].0) == PlateId::TOP,
        };
        let terms = match collapsed(&whole, own.count, one) {
            Some(terms) => terms,
            None => vec![whole],
        };
        let terms = terms.into_iter().map(|t| t.with_loops(own.count, one));
        self.terms.extend(terms);
    }

    /// Where the numbers of a node are.
    fn source(&mut self, builder: &mut Builder, node: NodeId, rows: &Place) -> Source {
        let (plate, order) = rows;
        let reordered = |builder: &mut Builder, node: NodeId| {
            let node = builder.lift(node, *plate);
            match order {
                Some(order) if builder.plate_of(node) == *plate => {
                    builder.lift_by(node, *plate, Some(Arc::clone(order)))
                }
                Some(_) | None => node,
            }
        };
        if !builder.node(node).varies {
            let node = reordered(builder, node);
            let values = builder.evaluate(node);
            return match values.len() {
                1 => Source::Same(values[0]),
                _ => Source::Each(values),
            };
        }
        // A number of the top level, lifted, is kept as one number.
        let node = match (&builder.node(node).op, builder.plate_of(node)) {
            (Op::Lift(from, None), _) => *from,
            (_, PlateId::TOP) => node,
            _ => reordered(builder, node),
        };
        let (node, index) = match hoisted(builder, node) {
            Some((node, index)) => (node, Some(index)),
            None => (node, None),
        };
        let by = |index: &Index| index.as_ref().map(|index| index.as_ptr());
        let same = |(n, i): &(NodeId, Index)| *n == node && by(i) == by(&index);
        let known = self.nodes.iter().position(same);
        Source::Output(known.unwrap_or_else(|| {
            self.nodes.push((node, index));
            self.nodes.len() - 1
        }))
    }
}

/// The node of a coarser plate, below the top level, that this one takes all its values from, and by which index; made if need be of
/// operations on such nodes.
fn hoisted(builder: &mut Builder, node: NodeId) -> Option<(NodeId, Arc<[u32]>)> {
    let (op, plate) = (builder.node(node).op.clone(), builder.plate_of(node));
    match op {
        Op::Lift(from, Some(index)) => {
            let coarser = ![plate, PlateId::TOP].contains(&builder.plate_of(from));
            (coarser && builder.width(from) == 1 && index.len() > 1).then_some((from, index))
        }
        Op::Map(op, args) => {
            let mut by: Index = None;
            let mut below = Vec::with_capacity(args.len());
            for arg in args {
                let constant = builder.constant_value(arg).is_some();
                if constant || builder.plate_of(arg) == PlateId::TOP {
                    below.push(arg);
                    continue;
                }
                if let Op::Lift(from, None) = builder.node(arg).op {
                    below.push(from);
                    continue;
                }
                let (from, index) = hoisted(builder, arg)?;
                if by.as_ref().is_some_and(|by| !Arc::ptr_eq(by, &index)) {
                    return None;
                }
                by = Some(index);
                below.push(from);
            }
            Some((builder.map(op, &below), by?))
        }
        Op::Input(_)
        | Op::Constant(_)
        | Op::Data(_)
        | Op::Event(..)
        | Op::Lift(_, None)
        | Op::Reduce(..) => None,
    }
}

/// The first row of each element, and the order of the rows, if they have to be sorted.
fn sorted(element: &[u32], count: usize) -> (Option<Vec<u32>>, Index) {
    let mut starts = vec![0; count + 1];
    for i in element {
        starts[*i as usize + 1] += 1;
    }
    for i in 0..count {
        starts[i + 1] += starts[i];
    }
    let order = (!element.is_sorted()).then(|| {
        let mut order: Vec<u32> = (0..element.len() as u32).collect();
        order.sort_by_key(|row| element[*row as usize]);
        order.into()
    });
    (Some(starts), order)
}

/// The rows of a normal density with one sd, summed up: with T the triangular factor of an element's rows (coefficients, x), their
/// squares add up to those of the rows of T (Golub & Van Loan, section 5.3). There are as many terms as T has rows, each with a row
/// for each element. `one` says whether a source is the same in all rows. `None` where that would not be less.
fn collapsed(whole: &Term, count: usize, one: impl Fn(&Source) -> bool) -> Option<Vec<Term>> {
    let starts = whole.starts.as_ref()?;
    let (Some(Some(x)), Some(None), Some(Some(sd))) =
        (whole.args.first(), whole.args.get(1), whole.args.get(2))
    else {
        return None;
    };
    let rows = *starts.last()? as usize;
    let parts_fit = |(factor, column): &(Source, Source)| one(factor) && column.is_data();
    let fits = *whole.op == normal::LOG_DENSITY
        && x.is_data()
        && one(sd)
        && whole.atoms.iter().all(|atom| atom.coefficient.is_data())
        && whole.offset.iter().all(parts_fit);
    if !fits {
        return None;
    }
    // What is known of x and of the offset is the last column.
    let mut last: Vec<f64> = lanes(x, rows);
    let mut columns = squares::Table::new(rows);
    for (factor, column) in &whole.offset {
        if let Source::Same(factor) = factor {
            for (last, x) in last.iter_mut().zip(lanes(column, rows)) {
                *last -= factor * x;
            }
        }
    }
    let mut place = |source: &Source| match source {
        Source::Same(factor) => (columns.ones(), *factor),
        Source::Each(values) => (columns.column(values), 1.0),
        Source::Output(_) => unreachable!("columns are data"),
    };
    let atoms: Vec<(squares::Place, f64)> =
        whole.atoms.iter().map(|a| place(&a.coefficient)).collect();
    let offset: Vec<(&Source, (squares::Place, f64))> = (whole.offset.iter())
        .filter(|(factor, _)| !factor.is_data())
        .map(|(factor, column)| (factor, place(column)))
        .collect();
    let size = columns.size();
    if rows < 2 * size * count {
        return None;
    }
    let factor = columns.factor(last, starts)?;
    // Entry (i, c) of every element, times a number.
    let entry = |i: usize, (c, times): (squares::Place, f64)| -> Source {
        match factor.entry(i, c) {
            Some(values) => Source::Each(values.iter().map(|v| times * v).collect()),
            None => Source::Same(0.0),
        }
    };
    let numbers: Shared = (starts.windows(2))
        .map(|pair| f64::from(pair[1] - pair[0]))
        .collect();
    let row = |i: usize| Term {
        starts: None,
        op: &normal::SQUARE,
        args: vec![
            Some(entry(i, (squares::Place::Last, 1.0))),
            None,
            Some(sd.clone()),
            Some(match i {
                0 => Source::Each(numbers.clone()),
                _ => Source::Same(0.0),
            }),
        ],
        offset: (offset.iter())
            .filter(|(_, (c, _))| factor.entry(i, *c).is_some())
            .map(|(factor, at)| ((*factor).clone(), entry(i, *at)))
            .collect(),
        atoms: (whole.atoms.iter().zip(&atoms))
            .filter(|(_, (c, _))| factor.entry(i, *c).is_some())
            .map(|(atom, at)| Local {
                coefficient: entry(i, *at),
                ..*atom
            })
            .collect(),
        pass: None,
        apart: Vec::new(),
        ..*whole
    };
    Some((0..size).map(row).collect())
}

/// The numbers of all rows.
fn lanes(source: &Source, rows: usize) -> Vec<f64> {
    match source.lanes(&[], 0) {
        Lanes::Same(value) => vec![value; rows],
        Lanes::Each(values) => values[..rows].to_vec(),
    }
}

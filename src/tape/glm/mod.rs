//! Recognised terms: a density row of an affine predictor, summed over the elements of a plate in one pass over its columns.
//!
//! The predictor is a sum of *atoms*: a value of a coarser plate (or of the top level), alone or times a data column. Nothing of it is
//! kept but one block: the predictor, the density with its partial derivatives, and the sums over each group.

mod recognise;
mod run;

use super::Index;
use super::NodeId;
use super::elementwise::Elementwise;
use super::elementwise::Scalar;
use super::program::From;
pub(super) use recognise::recognise;
use smallvec::SmallVec;
use std::sync::Arc;

/// Elements of a block.
const BLOCK: usize = 256;

/// A column of data: `len` numbers from `start` on.
#[derive(Clone, Debug)]
pub(super) struct Column {
    values: Arc<[f64]>,
    start: usize,
}

impl Column {
    fn slice(&self, first: usize, n: usize) -> &[f64] {
        &self.values[self.start + first..self.start + first + n]
    }
}

/// A value of another plate, times a column or alone.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub node: NodeId,
    component: usize,
    factor: f64,
    column: Option<Column>,
}

/// The atoms of one coarser plate.
#[derive(Clone, Debug)]
struct Group {
    index: Index,
    atoms: Vec<Atom>,
    /// The first element of each run of elements that lie in the same element of the coarser plate, where runs are long.
    runs: Option<Vec<u32>>,
}

/// An argument of the density row.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Predictor,
    Data(Column),
    Constant(f64),
    /// A number of the top level.
    Top(NodeId),
}

/// A recognised term.
#[derive(Clone, Debug)]
pub(super) struct Glm {
    pub term: usize,
    row: &'static Elementwise,
    args: SmallVec<[Arg; 4]>,
    constant: f64,
    offsets: Vec<Column>,
    groups: Vec<Group>,
    len: usize,
    /// The part of the sum that depends on data alone.
    apart: f64,
    /// Where what it reads is, in the order of [`Glm::reads`].
    pub sources: Vec<From>,
}

/// What a recognised term reads: the input and what earlier stages have stored.
#[derive(Clone, Copy)]
pub(super) struct Given<'a, T> {
    pub z: &'a [T],
    pub stores: &'a [Vec<T>],
}

impl<'a, T: Scalar> Given<'a, T> {
    fn values(&self, from: &From, component: usize) -> &'a [T] {
        match from {
            From::Input { offset, len } => &self.z[offset + component * len..][..*len],
            From::Store { store, len } => &self.stores[*store][component * len..][..*len],
            From::Data { .. } => unreachable!("a recognised term reads what varies"),
        }
    }
}

/// Where the adjoints of what it reads go.
pub(super) struct Bars<'a, T> {
    pub gradient: &'a mut [T],
    pub stores: &'a mut [Vec<T>],
}

impl<T: Scalar> Bars<'_, T> {
    fn values(&mut self, from: &From, component: usize) -> &mut [T] {
        match from {
            From::Input { offset, len } => &mut self.gradient[offset + component * len..][..*len],
            From::Store { store, len } => &mut self.stores[*store][component * len..][..*len],
            From::Data { .. } => unreachable!("a recognised term reads what varies"),
        }
    }
}

/// The memory of a run.
#[derive(Clone, Debug)]
pub(super) struct Scratch<T> {
    eta: Vec<T>,
    columns: Vec<T>,
    partials: Vec<T>,
}

impl<T: Scalar> Scratch<T> {
    /// For terms of at most so many arguments.
    pub fn new(most_args: usize) -> Scratch<T> {
        Scratch {
            eta: vec![T::zero(); BLOCK],
            columns: vec![T::zero(); BLOCK * most_args],
            partials: vec![T::zero(); BLOCK * most_args],
        }
    }
}

impl Glm {
    /// The coarser nodes that it reads.
    pub fn reads(&self) -> impl Iterator<Item = NodeId> + '_ {
        let atoms = self
            .groups
            .iter()
            .flat_map(|group| &group.atoms)
            .map(|atom| atom.node);
        atoms.chain(self.args.iter().filter_map(|arg| match arg {
            Arg::Top(node) => Some(*node),
            Arg::Predictor | Arg::Data(_) | Arg::Constant(_) => None,
        }))
    }

    /// What it is called in reports: the density and the shape of the predictor.
    pub fn name(&self) -> String {
        let group = |group: &Group| match (&group.index, &group.runs) {
            (None, _) => format!("{} shared", group.atoms.len()),
            (Some(_), Some(_)) => format!("{} by sorted group", group.atoms.len()),
            (Some(_), None) => format!("{} by group", group.atoms.len()),
        };
        let groups: Vec<String> = self.groups.iter().map(group).collect();
        format!(
            "{} of an affine predictor ({})",
            self.row.name,
            groups.join(", ")
        )
    }

    pub fn most_args(&self) -> usize {
        self.args.len()
    }
}

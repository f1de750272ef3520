//! Recognised terms: a density row of affine predictors, summed over the elements of a plate in one pass over its columns.
//!
//! An affine form is a sum of *atoms*: a value of a coarser plate (or of the top level), alone or times a data column. A predictor is
//! an affine form, plus products of two of them. Nothing of it is kept but one block: the predictor, the density with its partial
//! derivatives, and the sums over each group.

mod block;
mod curvature;
mod layout;
mod loops;
mod moments;
mod recognise;
mod run;
mod second;
mod steady;

use super::NodeId;
use super::affine::Column;
use super::elementwise::Elementwise;
use super::program::From;
pub(super) use curvature::Curvature;
pub(super) use recognise::recognise;
pub(super) use run::Bars;
pub(super) use run::Given;
pub(super) use run::Scratch;
use smallvec::SmallVec;
use std::sync::Arc;
use steady::Steady;

/// A value of another plate, times a number.
#[derive(Clone, Copy, Debug)]
struct Atom {
    /// Its place in [`Glm::reads`].
    read: usize,
    /// The table that gives its element, as a place in [`Glm::groups`]; `None` at the top level.
    group: Option<usize>,
    factor: f64,
}

/// Atoms: alone, and times a column each.
#[derive(Clone, Debug, Default)]
struct Atoms {
    alone: Vec<Atom>,
    times: Vec<(Atom, Column)>,
}

impl Atoms {
    /// All of them, those alone first.
    fn iter(&self) -> impl Iterator<Item = &Atom> {
        self.alone
            .iter()
            .chain(self.times.iter().map(|(atom, _)| atom))
    }

    fn len(&self) -> usize {
        self.alone.len() + self.times.len()
    }

    fn push(&mut self, atom: Atom, column: Option<Column>) {
        match column {
            None => self.alone.push(atom),
            Some(column) => self.times.push((atom, column)),
        }
    }

    fn partition(self, holds: impl Fn(&Atom) -> bool) -> (Atoms, Atoms) {
        let (mut yes, mut no) = (Atoms::default(), Atoms::default());
        (yes.alone, no.alone) = self.alone.into_iter().partition(&holds);
        (yes.times, no.times) = self.times.into_iter().partition(|(atom, _)| holds(atom));
        (yes, no)
    }
}

/// A constant, columns and atoms, summed up.
#[derive(Clone, Debug, Default)]
struct Affine {
    constant: f64,
    offsets: Vec<Column>,
    /// Of the top level.
    tops: Atoms,
    /// Of groups in which neighbours mostly lie together.
    runs: Atoms,
    /// Of other groups.
    scattered: Atoms,
}

/// Atoms of other groups that stand alone, each with the place of its form in [`Glm::affines`]: one, or two of different forms that read the
/// same places, whose values and sums then lie side by side.
#[derive(Clone, Debug)]
struct Gathered {
    atoms: SmallVec<[(usize, Atom); 2]>,
}

impl Gathered {
    /// All such atoms of some forms.
    fn all(affines: &[Affine]) -> Vec<Gathered> {
        let forms = affines.iter().enumerate();
        let mut left: Vec<(usize, Atom)> = forms
            .flat_map(|(form, affine)| affine.scattered.alone.iter().map(move |atom| (form, *atom)))
            .collect();
        let mut found = Vec::new();
        while let Some(one) = left.pop() {
            let pairs = |(form, atom): &(usize, Atom)| *form < one.0 && atom.group == one.1.group;
            let other = left.iter().position(pairs).map(|place| left.remove(place));
            let atoms = other.into_iter().chain([one]).collect();
            found.push(Gathered { atoms });
        }
        found
    }

    /// How many numbers lie side by side.
    fn width(&self) -> usize {
        self.atoms.len()
    }

    /// The group that they are of, by one of its atoms.
    fn first(&self) -> &Atom {
        &self.atoms[0].1
    }
}

/// An argument that is computed for each element: an affine form, plus products of two; they are places in [`Glm::affines`].
#[derive(Clone, Debug)]
struct Predictor {
    sum: usize,
    products: Vec<[usize; 2]>,
}

/// An argument of the density row.
#[derive(Clone, Debug)]
enum Arg {
    Predictor(Predictor),
    Data(Column),
    Constant(f64),
    /// A number of the top level, by its place in [`Glm::reads`].
    Top(usize),
}

/// A node of another plate that is read, from one of its components on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Read {
    node: NodeId,
    component: usize,
}

/// A table from elements to elements of a coarser plate, or to numbers of one.
#[derive(Clone, Debug)]
struct Group {
    index: Arc<[u32]>,
    /// One more than the largest place in it.
    extent: usize,
    /// Its place in each of [`Glm::runs`] where it is constant on them: it is sorted. Else empty.
    by_run: Vec<u32>,
}

/// A recognised term.
#[derive(Clone, Debug)]
pub(super) struct Glm {
    pub term: usize,
    row: &'static Elementwise,
    args: SmallVec<[Arg; 4]>,
    affines: Vec<Affine>,
    gathered: Vec<Gathered>,
    /// How often each element counts, where that is not once.
    weights: Option<Column>,
    groups: Vec<Group>,
    reads: Vec<Read>,
    /// Where each run of elements of the same sorted groups starts, and the end; empty without sorted groups.
    runs: Vec<u32>,
    /// Where each chunk starts, and the end: chunks are summed apart, and their sums added in this order, by any number of threads.
    chunks: Vec<usize>,
    /// The part of the sum that depends on data alone; `None` where it is not set apart.
    apart: Option<f64>,
    /// The way over its rows where they lie in long runs.
    steady: Option<Steady>,
    /// Where what it reads is, in the order of [`Glm::reads`].
    pub sources: Vec<From>,
}

impl Glm {
    /// The coarser nodes that it reads.
    pub fn reads(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.reads.iter().map(|read| read.node)
    }

    /// What it is called in reports: the density and the shape of the predictor.
    pub fn name(&self) -> String {
        let count = |of: fn(&Affine) -> usize| self.affines.iter().map(of).sum::<usize>();
        let atoms: Vec<String> = [
            (count(|affine| affine.tops.len()), "shared"),
            (count(|affine| affine.runs.len()), "by sorted group"),
            (count(|affine| affine.scattered.len()), "by group"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        let products = self
            .args
            .iter()
            .any(|arg| matches!(arg, Arg::Predictor(predictor) if !predictor.products.is_empty()));
        let shape = if products { "a bilinear" } else { "an affine" };
        let weighted = if self.weights.is_some() {
            "weighted "
        } else {
            ""
        };
        format!(
            "{weighted}{} of {shape} predictor ({})",
            self.row.name,
            atoms.join(", ")
        )
    }
}

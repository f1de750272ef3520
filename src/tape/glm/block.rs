//! One block of a recognised term: its predictors forward, and the sums of its adjoints backward.

use super::Affine;
use super::Arg;
use super::Atom;
use super::Atoms;
use super::Gathered;
use super::Glm;
use super::Predictor;
use super::loops;
use super::run::Buffers;
use super::run::Chunk;
use super::run::Given;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::sum;
use crate::tape::affine::Column;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Scalar;
use std::ops::Range;

/// Some elements of a recognised term.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, T> {
    pub glm: &'a Glm,
    pub given: Given<'a, T>,
    pub first: usize,
    pub n: usize,
    /// The run of the first element.
    pub run: usize,
}

/// Elements of a block that lie in one run, counted from the block's first.
pub(super) struct Piece {
    pub run: usize,
    pub lanes: Range<usize>,
}

impl<'a, T: Scalar> Block<'a, T> {
    #[inline(always)]
    pub fn values(self, read: usize) -> &'a [T] {
        self.glm.values(self.given, read)
    }

    /// Some lanes of a column.
    #[inline(always)]
    pub fn column<'c>(self, column: &'c Column, lanes: &Range<usize>) -> &'c [f64] {
        column.slice(self.first + lanes.start, lanes.len())
    }

    #[inline(always)]
    pub fn pieces(self) -> impl Iterator<Item = Piece> {
        let (first, end) = (self.first, self.first + self.n);
        let runs = self.glm.runs[self.run..].windows(2).enumerate();
        runs.map_while(move |(k, run)| {
            let (from, to) = ((run[0] as usize).max(first), (run[1] as usize).min(end));
            (from < end).then(|| Piece {
                run: self.run + k,
                lanes: from - first..to - first,
            })
        })
    }

    /// The places of an atom that is not of a sorted group.
    #[inline(always)]
    fn index(self, atom: &Atom) -> &'a [u32] {
        &self.glm.group(atom).index[self.first..][..self.n]
    }
}

/// Writes the affine forms and the predictors of a block.
pub(super) struct Predict<'a, T> {
    pub block: Block<'a, T>,
    pub values: &'a mut [LaneArray<T>],
}

impl<T: Scalar> Task for Predict<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Predict { block, values } = self;
        let (glm, n) = (block.glm, block.n);
        let (forms, args) = values.split_at_mut(glm.affines.len());
        for (affine, out) in glm.affines.iter().zip(&mut *forms) {
            predict::<T, F>(block, affine, &mut out[..n]);
        }
        gather::<T, F>(block, forms);
        for (arg, out) in glm.args.iter().zip(args) {
            if let Arg::Predictor(Predictor { sum, products }) = arg
                && !products.is_empty()
            {
                let out = &mut out[..n];
                out.copy_from_slice(&forms[*sum][..n]);
                for [a, b] in products {
                    let [a, b] = [a, b].map(|form| &forms[*form][..n]);
                    loops::add_product(out, a, b);
                }
            }
        }
    }
}

#[inline(always)]
fn predict<'a, T: Scalar, F: Fma>(block: Block<'a, T>, affine: &'a Affine, out: &mut [T]) {
    let all = 0..block.n;
    let constant = T::of(affine.constant);
    add_atoms::<T, F, true>(block, &affine.tops, constant, 0, &all, out);
    for column in &affine.offsets {
        let term = (T::one(), block.column(column, &all));
        loops::add_columns::<T, F, false>(out, T::zero(), &[term]);
    }
    if affine.runs.len() > 0 {
        for Piece { run, lanes } in block.pieces() {
            let out = &mut out[lanes.clone()];
            add_atoms::<T, F, false>(block, &affine.runs, T::zero(), run, &lanes, out);
        }
    }
    for (atom, column) in &affine.scattered.times {
        let (values, index) = (block.values(atom.read), block.index(atom));
        let column = Some(block.column(column, &all));
        loops::gather::<T, F>(out, values, index, atom.factor, column);
    }
}

/// Adds the atoms of other groups that stand alone to the affine forms.
#[inline(always)]
fn gather<'a, T: Scalar, F: Fma>(block: Block<'a, T>, forms: &mut [LaneArray<T>]) {
    let n = block.n;
    for Gathered { one, other } in &block.glm.gathered {
        let (form, atom) = one;
        let (values, index) = (block.values(atom.read), block.index(atom));
        let (before, rest) = forms.split_at_mut(*form);
        let out = &mut rest[0][..n];
        match other {
            Some((other_form, other)) => {
                let outs = [&mut before[*other_form][..n], out];
                let from = [block.values(other.read), values];
                loops::gather_two::<T, F>(outs, from, index, [other.factor, atom.factor]);
            }
            None => loops::gather::<T, F>(out, values, index, atom.factor, None),
        }
    }
}

/// Adds atoms, whose values are the same in all lanes, and a number; sets the lanes to that with `SET`.
#[inline(always)]
fn add_atoms<'a, T: Scalar, F: Fma, const SET: bool>(
    block: Block<'a, T>,
    atoms: &'a Atoms,
    constant: T,
    run: usize,
    lanes: &Range<usize>,
    out: &mut [T],
) {
    let mut base = constant;
    for atom in &atoms.alone {
        base += value(block, atom, run);
    }
    let none: &[f64] = &[];
    let mut set = SET;
    for some in chunks(&atoms.times) {
        let mut terms = [(T::zero(), none); loops::AT_ONCE];
        for (term, (atom, column)) in terms.iter_mut().zip(some) {
            *term = (value(block, atom, run), block.column(column, lanes));
        }
        if set {
            loops::add_columns::<T, F, true>(out, base, &terms[..some.len()]);
        } else {
            loops::add_columns::<T, F, false>(out, base, &terms[..some.len()]);
        }
        (set, base) = (false, T::zero());
    }
}

/// What one loop takes of some columns at a time: at least one part, be it empty.
#[inline(always)]
fn chunks<A>(columns: &[A]) -> impl Iterator<Item = &[A]> {
    let (first, rest) = columns.split_at(columns.len().min(loops::AT_ONCE));
    std::iter::once(first).chain(rest.chunks(loops::AT_ONCE))
}

/// The value of an atom in a run, with its factor.
#[inline(always)]
fn value<T: Scalar>(block: Block<'_, T>, atom: &Atom, run: usize) -> T {
    let element = match atom.group {
        None => 0,
        Some(_) => block.glm.element(atom, run),
    };
    block.values(atom.read)[element] * T::of(atom.factor)
}

/// Adds up the adjoints of what a block reads.
pub(super) struct Collect<'a, T> {
    pub block: Block<'a, T>,
    pub chunk: &'a mut Chunk<T>,
    pub buffers: &'a mut Buffers<T>,
}

impl<T: Scalar> Task for Collect<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Collect {
            block,
            chunk,
            buffers,
        } = self;
        let (glm, n) = (block.glm, block.n);
        let (own, slopes) = (buffers.slopes).split_at_mut(glm.affines.len());
        let mut place = Place::default();
        for (arg, slope) in glm.args.iter().zip(slopes) {
            let (Arg::Predictor(Predictor { sum, products }), slope) = (arg, &slope[..n]) else {
                continue;
            };
            collect::<T, F>(block, &glm.affines[*sum], slope, chunk, &mut place);
            for [a, b] in products {
                for (form, other) in [(*a, *b), (*b, *a)] {
                    let out = &mut own[form][..n];
                    loops::product(out, slope, &buffers.values[other][..n]);
                    collect::<T, F>(block, &glm.affines[form], out, chunk, &mut place);
                }
            }
        }
    }
}

/// How many atoms of each kind come before those of an affine form.
#[derive(Default)]
struct Place {
    tops: usize,
    runs: usize,
    scattered: usize,
}

/// Adds the sums of one affine form. The forms are visited in the order of [`Glm::affines`].
#[inline(always)]
fn collect<'a, T: Scalar, F: Fma>(
    block: Block<'a, T>,
    affine: &'a Affine,
    slope: &[T],
    chunk: &mut Chunk<T>,
    place: &mut Place,
) {
    let all = 0..block.n;
    let tops = &mut chunk.tops[place.tops..][..affine.tops.len()];
    add_sums::<T, F>(block, &affine.tops, &all, slope, tops);
    place.tops += affine.tops.len();
    if affine.runs.len() > 0 {
        let each = chunk.by_run.len() / chunk.runs.len();
        for Piece { run, lanes } in block.pieces() {
            let at = (run - chunk.runs.start) * each + place.runs;
            let sums = &mut chunk.by_run[at..][..affine.runs.len()];
            add_sums::<T, F>(block, &affine.runs, &lanes, &slope[lanes.clone()], sums);
        }
        place.runs += affine.runs.len();
    }
    let mut scattered = chunk.scattered[place.scattered..].iter_mut();
    for (atom, sums) in affine.scattered.alone.iter().zip(&mut scattered) {
        loops::scatter::<T, F>(slope, sums, block.index(atom), atom.factor, None);
    }
    for ((atom, column), sums) in affine.scattered.times.iter().zip(&mut scattered) {
        let column = Some(block.column(column, &all));
        loops::scatter::<T, F>(slope, sums, block.index(atom), atom.factor, column);
    }
    place.scattered += affine.scattered.len();
}

/// Adds the sums of atoms whose values are the same in all lanes.
#[inline(always)]
fn add_sums<'a, T: Scalar, F: Fma>(
    block: Block<'a, T>,
    atoms: &'a Atoms,
    lanes: &Range<usize>,
    slope: &[T],
    sums: &mut [T],
) {
    let (alone, times) = sums.split_at_mut(atoms.alone.len());
    if !alone.is_empty() {
        let total = sum::<T, F>(slope);
        for sum in alone {
            *sum += total;
        }
    }
    let none: &[f64] = &[];
    for (some, sums) in (atoms.times.chunks(loops::AT_ONCE)).zip(times.chunks_mut(loops::AT_ONCE)) {
        let mut columns = [none; loops::AT_ONCE];
        for (slot, (_, column)) in columns.iter_mut().zip(some) {
            *slot = block.column(column, lanes);
        }
        loops::add_dots::<T, F>(slope, &columns[..some.len()], sums);
    }
}

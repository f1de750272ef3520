//! One block of a recognised term: its predictors forward, and the sums of its adjoints backward.

use super::Affine;
use super::Arg;
use super::Atom;
use super::Atoms;
use super::Glm;
use super::Predictor;
use super::loops;
use super::run::Buffers;
use super::run::Chunk;
use super::run::Point;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::sum;
use crate::tape::affine::Column;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Scalar;
use crate::tape::lanes;
use crate::tape::lanes::AT_ONCE;
use std::ops::Range;

/// Some elements of a recognised term.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, T> {
    pub glm: &'a Glm,
    pub point: Point<'a, T>,
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
        self.glm.values(self.point.given, read)
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
        gather(block, forms);
        for (arg, out) in glm.args.iter().zip(args) {
            if let Arg::Predictor(Predictor { sum, products }) = arg
                && !products.is_empty()
            {
                let out = &mut out[..n];
                for (k, [a, b]) in products.iter().enumerate() {
                    let [a, b] = [a, b].map(|form| &forms[*form][..n]);
                    if k == 0 {
                        loops::sum_with_product(out, &forms[*sum], a, b);
                    } else {
                        loops::add_product(out, a, b);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn predict<'a, T: Scalar, F: Fma>(block: Block<'a, T>, affine: &'a Affine, out: &mut [T]) {
    let all = 0..block.n;
    let constant = T::of(affine.constant);
    let no_columns = affine.tops.times.is_empty() && affine.offsets.is_empty();
    if no_columns && affine.runs.len() > 0 {
        let tops = affine.tops.alone.iter();
        let base = tops.fold(constant, |sum, atom| sum + value(block, atom, 0));
        for Piece { run, lanes } in block.pieces() {
            let out = &mut out[lanes.clone()];
            add_atoms::<T, F, true>(block, &affine.runs, base, run, &lanes, out);
        }
    } else {
        add_atoms::<T, F, true>(block, &affine.tops, constant, 0, &all, out);
        for column in &affine.offsets {
            let term = (T::one(), block.column(column, &all));
            lanes::add_columns::<T, F, false>(out, T::zero(), &[term]);
        }
        if affine.runs.len() > 0 {
            for Piece { run, lanes } in block.pieces() {
                let out = &mut out[lanes.clone()];
                add_atoms::<T, F, false>(block, &affine.runs, T::zero(), run, &lanes, out);
            }
        }
    }
    for (atom, column) in &affine.scattered.times {
        let (values, index) = (block.values(atom.read), block.index(atom));
        let column = block.column(column, &all);
        loops::gather_times::<T, F>(out, values, index, atom.factor, column);
    }
}

/// Adds the atoms of other groups that stand alone to the affine forms.
#[inline(always)]
fn gather<T: Scalar>(block: Block<'_, T>, forms: &mut [LaneArray<T>]) {
    for (gathered, table) in block.glm.gathered.iter().zip(block.point.tables) {
        let index = block.index(gathered.first());
        match *gathered.atoms {
            [(a, _)] => loops::gather(&mut forms[a], table, index),
            [(a, _), (b, _)] => {
                let (before, rest) = forms.split_at_mut(b);
                let outs = [&mut before[a][..], &mut rest[0][..]];
                loops::gather_two(outs, table.as_chunks().0, index);
            }
            _ => unreachable!("one atom is gathered, or two"),
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
        let mut terms = [(T::zero(), none); AT_ONCE];
        for (term, (atom, column)) in terms.iter_mut().zip(some) {
            *term = (value(block, atom, run), block.column(column, lanes));
        }
        if set {
            lanes::add_columns::<T, F, true>(out, base, &terms[..some.len()]);
        } else {
            lanes::add_columns::<T, F, false>(out, base, &terms[..some.len()]);
        }
        (set, base) = (false, T::zero());
    }
}

/// What one loop takes of some columns at a time: at least one part, be it empty.
#[inline(always)]
fn chunks<A>(columns: &[A]) -> impl Iterator<Item = &[A]> {
    let (first, rest) = columns.split_at(columns.len().min(AT_ONCE));
    std::iter::once(first).chain(rest.chunks(AT_ONCE))
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
        let slopes = &mut buffers.slopes;
        for arg in &glm.args {
            let Arg::Predictor(Predictor { sum, products }) = arg else {
                continue;
            };
            for [a, b] in products {
                for (form, other) in [(*a, *b), (*b, *a)] {
                    let [slope, out] = (slopes.get_disjoint_mut([*sum, form]))
                        .expect("each form stands in one place of one predictor");
                    loops::product(&mut out[..n], slope, &buffers.values[other]);
                }
            }
        }
        let mut place = Place::default();
        for (affine, slope) in glm.affines.iter().zip(&*slopes) {
            collect::<T, F>(block, affine, &slope[..n], chunk, &mut place);
        }
        for (gathered, sums) in glm.gathered.iter().zip(&mut chunk.gathered) {
            let index = block.index(gathered.first());
            match *gathered.atoms {
                [(a, _)] => loops::scatter(&slopes[a], sums, index),
                [(a, _), (b, _)] => {
                    loops::side_by_side(&mut buffers.pairs[..n], [&slopes[a], &slopes[b]]);
                    loops::scatter_two(&buffers.pairs, sums.as_chunks_mut().0, index);
                }
                _ => unreachable!("one atom is gathered, or two"),
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
    let scattered = &mut chunk.scattered[place.scattered..];
    for ((atom, column), sums) in affine.scattered.times.iter().zip(scattered) {
        let column = block.column(column, &all);
        loops::scatter_times::<T, F>(slope, sums, block.index(atom), atom.factor, column);
    }
    place.scattered += affine.scattered.times.len();
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
    for (some, sums) in (atoms.times.chunks(AT_ONCE)).zip(times.chunks_mut(AT_ONCE)) {
        let mut columns = [none; AT_ONCE];
        for (slot, (_, column)) in columns.iter_mut().zip(some) {
            *slot = block.column(column, lanes);
        }
        loops::add_dots::<T, F>(slope, &columns[..some.len()], sums);
    }
}

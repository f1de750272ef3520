//! The quick pass over a recognised term whose rows lie in long runs of the same groups: in a run the coefficients of the predictor
//! are numbers, and one loop goes from the columns to their sums.

use super::Affine;
use super::Arg;
use super::Atom;
use super::Atoms;
use super::Glm;
use super::run::Chunk;
use super::run::Given;
use crate::tape::affine::Column;
use crate::tape::elementwise::MOST_COLUMNS;
use crate::tape::elementwise::MOST_ROWS;
use crate::tape::elementwise::Scalar;
use crate::tape::elementwise::Stretch;
use crate::tape::elementwise::StretchArg;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// The shortest runs, on average, that pay for sums of their own.
const SHORTEST_RUN: usize = 24;

/// The distinct columns of a predictor, and where each of its atoms finds its own; those alone find none.
#[derive(Clone, Debug)]
pub(super) struct Steady {
    /// Those that are added as they are come first.
    columns: Vec<Column>,
    offsets: usize,
    tops: Vec<Option<usize>>,
    runs: Vec<Option<usize>>,
}

impl Steady {
    /// That of a term of so many rows with one affine predictor; `None` where it has other groups, short runs or too many columns.
    pub fn new(affine: &Affine, runs: &[u32], rows: usize) -> Option<Steady> {
        if affine.scattered.len() > 0 || runs.len() * SHORTEST_RUN > rows.max(SHORTEST_RUN) {
            return None;
        }
        let mut columns = affine.offsets.clone();
        let mut place = |column: &Column| {
            let same = |other: &Column| {
                Arc::ptr_eq(&other.values, &column.values) && other.start == column.start
            };
            let known = columns.iter().position(same);
            known.unwrap_or_else(|| {
                columns.push(column.clone());
                columns.len() - 1
            })
        };
        let mut places = |atoms: &Atoms| {
            let alone = atoms.alone.iter().map(|_| None);
            let times = atoms.times.iter().map(|(_, column)| Some(place(column)));
            alone.chain(times).collect::<Vec<_>>()
        };
        let (tops, runs) = (places(&affine.tops), places(&affine.runs));
        (columns.len() <= MOST_COLUMNS).then_some(Steady {
            columns,
            offsets: affine.offsets.len(),
            tops,
            runs,
        })
    }
}

impl Glm {
    /// Sums a chunk up at each vector of parameters.
    pub(super) fn steady_chunk<T: Scalar>(
        &self,
        steady: &Steady,
        given: &[Given<'_, T>],
        chunks: &mut [Chunk<T>],
    ) {
        let kernel = (self.one_pass::<T>()).expect("a steady term has a loop of its own");
        let affine = &self.affines[0];
        let mut products: SmallVec<[T; 8]> = SmallVec::from_elem(T::one(), given.len());
        let mut factors = 0;
        let (all, runs) = (chunks[0].rows.clone(), chunks[0].runs.clone());
        for (run, rows) in self.stretches(all, runs) {
            factors += rows.len();
            if factors > MOST_ROWS {
                factors = rows.len();
                for (chunk, product) in chunks.iter_mut().zip(&mut products) {
                    chunk.value -= std::mem::replace(product, T::one()).log();
                }
            }
            for ((given, chunk), product) in given.iter().zip(&mut *chunks).zip(&mut products) {
                let none: &[f64] = &[];
                let mut columns = [(T::zero(), none); MOST_COLUMNS];
                let columns = &mut columns[..steady.columns.len()];
                for (k, (slot, column)) in columns.iter_mut().zip(&steady.columns).enumerate() {
                    let coefficient = if k < steady.offsets { 1.0 } else { 0.0 };
                    *slot = (T::of(coefficient), column.behind(rows.start));
                }
                let mut base = T::of(affine.constant);
                let tops = affine.tops.iter().zip(&steady.tops);
                for (atom, place) in tops.chain(affine.runs.iter().zip(&steady.runs)) {
                    let value = self.value(*given, atom, run);
                    match place {
                        None => base += value,
                        Some(place) => columns[*place].0 += value,
                    }
                }
                let args: SmallVec<[StretchArg<'_, T>; 4]> = (self.args.iter())
                    .map(|arg| match arg {
                        Arg::Predictor(_) => StretchArg::Predicted,
                        Arg::Data(column) => StretchArg::Column(column.behind(rows.start)),
                        Arg::Constant(value) => StretchArg::Same(T::of(*value)),
                        Arg::Top(read) => StretchArg::Same(self.values(*given, *read)[0]),
                    })
                    .collect();
                let mut dots = [T::zero(); MOST_COLUMNS];
                let mut shared: SmallVec<[T; 4]> = SmallVec::from_elem(T::zero(), args.len());
                let sums = (kernel.stretch)(Stretch {
                    args: &args,
                    base,
                    columns,
                    rows: rows.len(),
                    dots: &mut dots[..columns.len()],
                    shared: &mut shared,
                    slopes: &mut [],
                });
                chunk.value += sums.add;
                *product *= sums.product;
                let sum = |place: &Option<usize>| place.map_or(sums.slope, |place| dots[place]);
                let mut own_tops = chunk.tops.iter_mut();
                for (place, total) in steady.tops.iter().zip(&mut own_tops) {
                    *total += sum(place);
                }
                for (total, k) in own_tops.zip(self.top_args()) {
                    *total += shared[k];
                }
                let own = (run - chunk.runs.start) * steady.runs.len();
                for (total, place) in chunk.by_run[own..].iter_mut().zip(&steady.runs) {
                    *total += sum(place);
                }
            }
        }
        for (chunk, product) in chunks.iter_mut().zip(products) {
            chunk.value -= product.log();
        }
    }

    /// The value of an atom in a run, with its factor.
    fn value<T: Scalar>(&self, given: Given<'_, T>, atom: &Atom, run: usize) -> T {
        let element = atom.group.map_or(0, |_| self.element(atom, run));
        self.values(given, atom.read)[element] * T::of(atom.factor)
    }

    /// The rows of a chunk with their run, cut where a run ends and into stretches that are not too long.
    fn stretches(
        &self,
        rows: Range<usize>,
        runs: Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let whole = runs.is_empty().then(|| (0, rows.clone()));
        let runs = runs.map(move |run| {
            let [first, end] = [run, run + 1].map(|run| self.runs[run] as usize);
            (run, first.max(rows.start)..end.min(rows.end))
        });
        whole.into_iter().chain(runs).flat_map(|(run, rows)| {
            let end = rows.end;
            rows.step_by(MOST_ROWS)
                .map(move |first| (run, first..end.min(first + MOST_ROWS)))
        })
    }
}

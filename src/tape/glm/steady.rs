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
use crate::tape::elementwise::Run;
use crate::tape::elementwise::Scalar;
use crate::tape::elementwise::Stretch;
use crate::tape::elementwise::StretchArg;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// The shortest runs, on average, that pay for sums of their own.
const SHORTEST_RUN: usize = 24;

/// The most runs of a batch.
const MOST_RUNS: usize = 32;

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

/// Rows of some runs that one loop goes through, and their runs.
struct Batch {
    rows: Range<usize>,
    /// For each the number of the run and the first row behind it; the last run may go on in the next batch.
    runs: SmallVec<[(usize, usize); MOST_RUNS]>,
}

impl Glm {
    /// Sums a chunk up at each vector of parameters.
    pub(super) fn steady_chunk<T: Scalar>(
        &self,
        steady: &Steady,
        given: &[Given<'_, T>],
        chunks: &mut [Chunk<T>],
    ) {
        let mut memory = Memory::default();
        let mut products: SmallVec<[T; 8]> = SmallVec::from_elem(T::one(), given.len());
        let mut factors = 0;
        let (all, runs) = (chunks[0].rows.clone(), chunks[0].runs.clone());
        for batch in self.batches(all, runs) {
            factors += batch.rows.len();
            if factors > MOST_ROWS {
                factors = batch.rows.len();
                for (chunk, product) in chunks.iter_mut().zip(&mut products) {
                    chunk.value -= std::mem::replace(product, T::one()).log();
                }
            }
            for ((given, chunk), product) in given.iter().zip(&mut *chunks).zip(&mut products) {
                *product *= self.batch(steady, *given, &batch, chunk, &mut memory);
            }
        }
        for (chunk, product) in chunks.iter_mut().zip(products) {
            chunk.value -= product.log();
        }
    }

    /// Adds the sums of a batch to those of its chunk; gives the product of what is multiplied.
    fn batch<T: Scalar>(
        &self,
        steady: &Steady,
        given: Given<'_, T>,
        batch: &Batch,
        chunk: &mut Chunk<T>,
        memory: &mut Memory<T>,
    ) -> T {
        let kernel = (self.one_pass::<T>()).expect("a steady term has a loop of its own");
        let (affine, each) = (&self.affines[0], steady.columns.len());
        let first = batch.rows.start;
        let Memory {
            runs,
            coefficients,
            dots,
            shared,
        } = memory;
        runs.clear();
        coefficients.clear();
        coefficients.resize(batch.runs.len() * each, T::zero());
        dots.resize(coefficients.len(), T::zero());
        shared.resize(self.args.len(), T::zero());
        for (k, (run, end)) in batch.runs.iter().enumerate() {
            let own = &mut coefficients[k * each..][..each];
            own[..steady.offsets].fill(T::one());
            let mut base = T::of(affine.constant);
            let tops = affine.tops.iter().zip(&steady.tops);
            for (atom, place) in tops.chain(affine.runs.iter().zip(&steady.runs)) {
                let value = self.value(given, atom, *run);
                match place {
                    None => base += value,
                    Some(place) => own[*place] += value,
                }
            }
            runs.push(Run::to(end - first, base));
        }
        let columns: SmallVec<[&[f64]; MOST_COLUMNS]> =
            (steady.columns.iter().map(|column| column.behind(first))).collect();
        let args: SmallVec<[StretchArg<'_, T>; 4]> = (self.args.iter())
            .map(|arg| match arg {
                Arg::Predictor(_) => StretchArg::Predicted,
                Arg::Data(column) => StretchArg::Column(column.behind(first)),
                Arg::Constant(value) => StretchArg::Same(T::of(*value)),
                Arg::Top(read) => StretchArg::Same(self.values(given, *read)[0]),
            })
            .collect();
        let sums = (kernel.stretch)(Stretch {
            args: &args,
            runs,
            columns: &columns,
            coefficients,
            dots,
            shared,
            slopes: &mut [],
        });
        chunk.value += sums.add;
        for (k, (run, (number, _))) in runs.iter().zip(&batch.runs).enumerate() {
            let dots = &dots[k * each..][..each];
            let sum = |place: &Option<usize>| place.map_or(run.slope, |place| dots[place]);
            for (place, total) in steady.tops.iter().zip(&mut chunk.tops) {
                *total += sum(place);
            }
            let own = (number - chunk.runs.start) * steady.runs.len();
            for (place, total) in steady.runs.iter().zip(&mut chunk.by_run[own..]) {
                *total += sum(place);
            }
        }
        let own_tops = &mut chunk.tops[steady.tops.len()..];
        for (total, k) in own_tops.iter_mut().zip(self.top_args()) {
            *total += shared[k];
        }
        sums.product
    }

    /// The value of an atom in a run, with its factor.
    fn value<T: Scalar>(&self, given: Given<'_, T>, atom: &Atom, run: usize) -> T {
        let element = atom.group.map_or(0, |_| self.element(atom, run));
        self.values(given, atom.read)[element] * T::of(atom.factor)
    }

    /// The rows and runs of a chunk, batch by batch.
    fn batches(&self, rows: Range<usize>, mut runs: Range<usize>) -> impl Iterator<Item = Batch> {
        let mut first = rows.start;
        std::iter::from_fn(move || {
            let most = rows.end.min(first + MOST_ROWS);
            let mut batch = Batch {
                rows: first..first,
                runs: SmallVec::new(),
            };
            while batch.rows.end < most && batch.runs.len() < MOST_RUNS {
                let run_end = (self.runs.get(runs.start + 1)).map_or(rows.end, |end| *end as usize);
                batch.rows.end = run_end.min(most);
                batch.runs.push((runs.start, batch.rows.end));
                if batch.rows.end == run_end {
                    runs.start += 1;
                }
            }
            first = batch.rows.end;
            (!batch.rows.is_empty()).then_some(batch)
        })
    }
}

/// What a batch works with.
struct Memory<T> {
    runs: Vec<Run<T>>,
    coefficients: Vec<T>,
    dots: Vec<T>,
    shared: Vec<T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Memory<T> {
        Memory {
            runs: Vec::new(),
            coefficients: Vec::new(),
            dots: Vec::new(),
            shared: Vec::new(),
        }
    }
}

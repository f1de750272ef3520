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
use crate::tape::elementwise::Running;
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
    /// What sums of a run are wanted for: each of `runs` once.
    wanted: Vec<Option<usize>>,
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
        let mut wanted = runs.clone();
        wanted.sort_unstable();
        wanted.dedup();
        (columns.len() <= MOST_COLUMNS).then_some(Steady {
            columns,
            offsets: affine.offsets.len(),
            tops,
            runs,
            wanted,
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
        let mut sides: SmallVec<[Side<'_, T>; 1]> =
            (given.iter().map(|given| Side::new(self, steady, *given))).collect();
        let (all, runs) = (chunks[0].rows.clone(), chunks[0].runs.clone());
        let atoms = || self.affines[0].runs.iter().zip(&steady.runs);
        for (run, rows) in self.stretches(all, runs) {
            for ((given, chunk), side) in given.iter().zip(&mut *chunks).zip(&mut sides) {
                let mut base = side.base;
                for place in steady.wanted.iter().flatten() {
                    side.columns[*place].0 = side.coefficients[*place];
                }
                for (atom, place) in atoms() {
                    let value = self.value(*given, atom, run);
                    match place {
                        None => base += value,
                        Some(place) => side.columns[*place].0 += value,
                    }
                }
                let stretch = Stretch {
                    args: &side.args,
                    base,
                    columns: &side.columns,
                    rows: rows.clone(),
                    slopes: &mut [],
                };
                (kernel.stretch)(stretch, &mut side.running);
                for place in &steady.wanted {
                    side.take(*place);
                }
                let own = (run - chunk.runs.start) * steady.runs.len();
                for (total, place) in chunk.by_run[own..].iter_mut().zip(&steady.runs) {
                    *total += side.sum(*place).of_run;
                }
            }
        }
        for (chunk, mut side) in chunks.iter_mut().zip(sides) {
            chunk.value += side.running.value();
            let mut tops = chunk.tops.iter_mut();
            for (place, total) in steady.tops.iter().zip(&mut tops) {
                side.take(*place);
                *total += side.sum(*place).of_all;
            }
            for (total, k) in tops.zip(self.top_args()) {
                *total += side.running.shared(k);
            }
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

/// A chunk at one vector of parameters.
struct Side<'a, T> {
    args: SmallVec<[StretchArg<'a, T>; 4]>,
    /// What is the same in all runs.
    base: T,
    coefficients: SmallVec<[T; MOST_COLUMNS]>,
    columns: SmallVec<[(T, &'a [f64]); MOST_COLUMNS]>,
    running: Running<T>,
    /// Of the slopes, and of their products with each column.
    slope: Sum<T>,
    dots: SmallVec<[Sum<T>; MOST_COLUMNS]>,
}

/// A sum over rows as far as it has been taken.
#[derive(Clone, Copy)]
struct Sum<T> {
    /// Over those since it was taken before.
    of_run: T,
    of_all: T,
}

impl<'a, T: Scalar> Side<'a, T> {
    fn new(glm: &'a Glm, steady: &'a Steady, given: Given<'a, T>) -> Side<'a, T> {
        let affine = &glm.affines[0];
        let mut base = T::of(affine.constant);
        let offset = |k| if k < steady.offsets { 1.0 } else { 0.0 };
        let mut coefficients: SmallVec<[T; MOST_COLUMNS]> = (0..steady.columns.len())
            .map(|k| T::of(offset(k)))
            .collect();
        for (atom, place) in affine.tops.iter().zip(&steady.tops) {
            let value = glm.value(given, atom, 0);
            match place {
                None => base += value,
                Some(place) => coefficients[*place] += value,
            }
        }
        let columns = steady.columns.iter().map(|column| column.behind(0));
        let none = Sum {
            of_run: T::zero(),
            of_all: T::zero(),
        };
        Side {
            args: (glm.args.iter())
                .map(|arg| match arg {
                    Arg::Predictor(_) => StretchArg::Predicted,
                    Arg::Data(column) => StretchArg::Column(column.behind(0)),
                    Arg::Constant(value) => StretchArg::Same(T::of(*value)),
                    Arg::Top(read) => StretchArg::Same(glm.values(given, *read)[0]),
                })
                .collect(),
            base,
            columns: coefficients.iter().copied().zip(columns).collect(),
            running: Running::default(),
            slope: none,
            dots: SmallVec::from_elem(none, coefficients.len()),
            coefficients,
        }
    }

    /// Takes the sum of the slopes, or of their products with a column.
    #[inline]
    fn take(&mut self, place: Option<usize>) {
        let (of_run, sum) = match place {
            None => (self.running.take_slope(), &mut self.slope),
            Some(place) => (self.running.take_dot(place), &mut self.dots[place]),
        };
        sum.of_run = of_run;
        sum.of_all += of_run;
    }

    /// What was taken.
    #[inline]
    fn sum(&self, place: Option<usize>) -> &Sum<T> {
        place.map_or(&self.slope, |place| &self.dots[place])
    }
}

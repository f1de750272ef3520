//! The quick pass over a recognised term whose rows lie in long runs of the same groups: in a run the coefficients of the predictor
//! are numbers, and one loop goes from the columns to their sums.

use super::Affine;
use super::Arg;
use super::Atom;
use super::Atoms;
use super::Glm;
use super::run::Buffers;
use super::run::Chunk;
use super::run::Given;
use crate::tape::affine::Column;
use crate::tape::elementwise::MOST_COLUMNS;
use crate::tape::elementwise::Predictor;
use crate::tape::elementwise::Scalar;
use crate::tape::elementwise::Stretch;
use crate::tape::elementwise::StretchArg;
use smallvec::SmallVec;
use std::ops::Range;

/// The shortest runs, on average, that pay for sums of their own.
const SHORTEST_RUN: usize = 24;

/// The distinct columns of a predictor without other groups, and where each of its atoms finds its own; those alone find none.
#[derive(Clone, Debug)]
pub(super) struct Steady {
    /// Those without atoms come first, then those whose coefficients are the same in all rows.
    pub columns: Vec<Column>,
    /// How many are without atoms.
    pub fixed: usize,
    /// How many these and those of the same coefficients are.
    pub shared: usize,
    /// For each column its coefficient without atoms: 1 of one that is added as it is, else 0.
    added: Vec<f64>,
    pub tops: Vec<Option<usize>>,
    runs: Vec<Option<usize>>,
    /// Whether runs are long, and columns few enough, for gradients to be summed up in one loop.
    pub quick: bool,
}

impl Steady {
    /// That of a term of so many rows with one affine predictor; `None` where it has other groups.
    pub fn new(affine: &Affine, runs: &[u32], rows: usize) -> Option<Steady> {
        if affine.scattered.len() > 0 {
            return None;
        }
        let long = runs.len() * SHORTEST_RUN <= rows.max(SHORTEST_RUN);
        let columns = |atoms: &Atoms| atoms.times.clone().into_iter().map(|(_, column)| column);
        let of_runs = distinct(columns(&affine.runs));
        let mut of_tops = distinct(columns(&affine.tops));
        of_tops.retain(|column| place(&of_runs, column).is_none());
        let mut columns = distinct(affine.offsets.iter().cloned());
        columns.retain(|column| {
            place(&of_runs, column).is_none() && place(&of_tops, column).is_none()
        });
        let fixed = columns.len();
        columns.extend(of_tops);
        let shared = columns.len();
        columns.extend(of_runs);
        let places = |atoms: &Atoms| {
            let alone = atoms.alone.iter().map(|_| None);
            let times = (atoms.times.iter()).map(|(_, column)| place(&columns, column));
            alone.chain(times).collect::<Vec<_>>()
        };
        let mut added = vec![0.0; columns.len()];
        for place in affine.offsets.iter().filter_map(|c| place(&columns, c)) {
            added[place] += 1.0;
        }
        let (tops, runs) = (places(&affine.tops), places(&affine.runs));
        Some(Steady {
            quick: long && columns.len() <= MOST_COLUMNS,
            columns,
            fixed,
            shared,
            added,
            tops,
            runs,
        })
    }

    /// Where the numbers of a run have that of a column: behind the one without columns, those of columns that change with the run.
    pub fn of_run(&self, place: Option<usize>) -> usize {
        place.map_or(0, |place| place + 1 - self.shared)
    }

    /// How many numbers a run has.
    pub fn each(&self) -> usize {
        1 + self.columns.len() - self.shared
    }
}

/// The columns without repetition.
fn distinct(columns: impl Iterator<Item = Column>) -> Vec<Column> {
    let mut known = Vec::new();
    for column in columns {
        if place(&known, &column).is_none() {
            known.push(column);
        }
    }
    known
}

/// Where a column stands among some.
fn place(columns: &[Column], column: &Column) -> Option<usize> {
    let same = |other: &Column| other.values.same(&column.values) && other.start == column.start;
    columns.iter().position(same)
}

impl Glm {
    /// Sums a chunk up at a vector of parameters.
    pub(super) fn steady_chunk<T: Scalar>(
        &self,
        steady: &Steady,
        given: Given<'_, T>,
        chunk: &mut Chunk<T>,
        buffers: &mut Buffers<T>,
    ) {
        let kernel = (self.one_pass::<T>()).expect("a steady term has a loop of its own");
        let Buffers {
            running,
            coefficients,
            sums,
            ..
        } = buffers;
        let (shared, each) = (steady.shared, steady.each());
        let same = self.coefficients(steady, given, chunk.runs.clone(), coefficients);
        let whole = [chunk.rows.end as u32];
        let ends = self.ends(&chunk.runs, &whole);
        sums.clear();
        sums.resize(coefficients.len(), T::zero());
        running.clear_all();
        let columns: SmallVec<[&[f64]; MOST_COLUMNS]> = steady
            .columns
            .iter()
            .map(|column| column.behind(0))
            .collect();
        let (of_all, of_runs) = columns.split_at(shared);
        let of_all: SmallVec<[(T, &[f64]); MOST_COLUMNS]> =
            (same.iter().copied()).zip(of_all.iter().copied()).collect();
        let args: SmallVec<[StretchArg<'_, T>; 4]> = (self.args.iter())
            .map(|arg| match arg {
                Arg::Predictor(_) => StretchArg::Predicted,
                Arg::Data(column) => StretchArg::Column(column.behind(0)),
                Arg::Constant(value) => StretchArg::Same(T::of(*value)),
                Arg::Top(read) => StretchArg::Same(self.values(given, *read)[0]),
            })
            .collect();
        let stretch = Stretch {
            args: &args,
            predictor: Some(Predictor {
                shared: &of_all,
                of_runs,
                ends,
                coefficients,
                sums,
            }),
            rows: chunk.rows.clone(),
            slopes: &mut [],
        };
        (kernel.stretch)(stretch, running);
        chunk.value += running.value();
        let atoms = steady.runs.len();
        for (k, (_, place)) in self.run_atoms(steady).enumerate() {
            let totals = chunk.by_run[k..].iter_mut().step_by(atoms);
            for (total, numbers) in totals.zip(sums.chunks_exact(each)) {
                *total += numbers[place];
            }
        }
        let mut tops = chunk.tops.iter_mut();
        for (place, total) in steady.tops.iter().zip(&mut tops) {
            *total += match place {
                Some(place) if *place < shared => running.dot(*place),
                place => {
                    let numbers = sums[steady.of_run(*place)..].iter().step_by(each);
                    numbers.fold(T::zero(), |sum, number| sum + *number)
                }
            };
        }
        for (total, k) in tops.zip(self.top_args()) {
            *total += running.shared(k);
        }
    }

    /// Writes for each of some runs what is predicted without columns, then the coefficients of its columns; the coefficients that are the
    /// same in all rows are given back, first of all columns.
    pub(super) fn coefficients<T: Scalar>(
        &self,
        steady: &Steady,
        given: Given<'_, T>,
        runs: Range<usize>,
        coefficients: &mut Vec<T>,
    ) -> SmallVec<[T; MOST_COLUMNS]> {
        let affine = &self.affines[0];
        // What atoms of the top level make of each coefficient, and of the predictor without columns.
        let mut same: SmallVec<[T; MOST_COLUMNS]> =
            steady.added.iter().map(|added| T::of(*added)).collect();
        let mut base = T::of(affine.constant);
        for (atom, place) in affine.tops.iter().zip(&steady.tops) {
            let value = self.values(given, atom.read)[0] * T::of(atom.factor);
            match place {
                None => base += value,
                Some(place) => same[*place] += value,
            }
        }
        coefficients.clear();
        for _ in 0..runs.len().max(1) {
            coefficients.push(base);
            coefficients.extend_from_slice(&same[steady.shared..]);
        }
        for (atom, place) in self.run_atoms(steady) {
            let (values, factor) = (self.values(given, atom.read), T::of(atom.factor));
            let places = &self.group(atom).by_run[runs.clone()];
            let numbers = coefficients.chunks_exact_mut(steady.each());
            for (numbers, place_of_run) in numbers.zip(places) {
                numbers[place] += values[*place_of_run as usize] * factor;
            }
        }
        same
    }

    /// Where each of some runs ends; without runs, the end of all rows that is given.
    pub(super) fn ends<'a>(&'a self, runs: &Range<usize>, whole: &'a [u32; 1]) -> &'a [u32] {
        match runs.is_empty() {
            true => whole,
            false => &self.runs[runs.start + 1..runs.end + 1],
        }
    }

    /// The atoms of sorted groups, each with its place among the numbers of a run.
    pub(super) fn run_atoms<'a>(
        &'a self,
        steady: &'a Steady,
    ) -> impl Iterator<Item = (&'a Atom, usize)> {
        let places = steady.runs.iter().map(|place| steady.of_run(*place));
        self.of_runs().zip(places)
    }
}

//! The pass over the rows of a recognised term that sums up its slopes and second derivatives, run by run.
//!
//! The *regressors* of a term are what its arguments change by: 1, the columns whose coefficients change with the run, those whose
//! coefficients do not, and 1 for each argument of the density that is a number of the top level. A slope or second derivative of the
//! density, times the regressors, adds up over the rows to derivatives by the coefficients.

use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums;
use crate::num::sums::Together;
use crate::num::sums::Totals;
use crate::num::sums::product_of;
use crate::num::sums::sum;
use crate::num::sums::sum_of;
use crate::tape::elementwise;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::MOST_LANES;
use crate::tape::elementwise::RowPass;
use crate::tape::elementwise::predict;
use std::ops::Range;

/// Rows that are worked on together, of all runs that they touch.
pub(super) const BLOCK: usize = MOST_LANES;
/// Rows of a run that are predicted together; those behind its end are of no account.
const PART: usize = 32;
/// The most columns that one loop goes through.
const AT_ONCE: usize = 4;

/// The order of regressors, and of the pairs of them: (0, 0), (0, 1), …, (1, 1), …
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Regressors {
    /// Those whose coefficients change with the run; they come first.
    pub of_runs: usize,
    pub all: usize,
}

impl Regressors {
    /// The place of a pair; `j` is not above `k`.
    pub fn pair(self, j: usize, k: usize) -> usize {
        j * self.all - j * j.saturating_sub(1) / 2 + (k - j)
    }

    /// How many pairs have a regressor of runs.
    pub fn pairs_of_runs(self) -> usize {
        self.pair(self.of_runs, self.of_runs)
    }

    pub fn pairs(self) -> usize {
        self.all * (self.all + 1) / 2
    }
}

/// Sums of which some, which come first, are of each run, and the others of all rows.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// The numbers of the first sum, run by run, then those of the next.
    numbers: Vec<f64>,
    of_runs: usize,
    runs: usize,
}

impl Sums {
    fn new(of_runs: usize, all: usize, runs: usize) -> Sums {
        Sums {
            numbers: vec![0.0; of_runs * runs + (all - of_runs)],
            of_runs,
            runs,
        }
    }

    /// One of them: a number for each run, or one for all rows.
    pub fn get(&self, sum: usize) -> &[f64] {
        match sum.checked_sub(self.of_runs) {
            None => &self.numbers[sum * self.runs..][..self.runs],
            Some(behind) => &self.numbers[self.of_runs * self.runs + behind..][..1],
        }
    }

    #[inline(always)]
    fn add(&mut self, sum: usize, run: usize, value: f64) {
        let place = match sum.checked_sub(self.of_runs) {
            None => sum * self.runs + run,
            Some(behind) => self.of_runs * self.runs + behind,
        };
        self.numbers[place] += value;
    }
}

/// What the rows of a chunk add up to.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// The runs that it touches; none where there are no groups, and all rows count as one run.
    pub runs: Range<usize>,
    pub value: f64,
    /// Slopes, times each regressor.
    pub slopes: Sums,
    /// Second derivatives, times each pair of regressors.
    pub seconds: Sums,
}

impl Moments {
    /// Those of no rows.
    pub fn new(regressors: Regressors, runs: Range<usize>) -> Moments {
        let (count, pairs) = (runs.len().max(1), regressors.pairs());
        Moments {
            runs,
            value: 0.0,
            slopes: Sums::new(regressors.of_runs, regressors.all, count),
            seconds: Sums::new(regressors.pairs_of_runs(), pairs, count),
        }
    }
}

/// The rows of a block, and where the runs that they lie in end.
pub(super) struct Pieces<'a> {
    /// Of all runs of the chunk.
    pub ends: &'a [u32],
    /// The run of the first row, counted from the chunk's first.
    pub run: usize,
    pub rows: Range<usize>,
}

impl Pieces<'_> {
    /// The rows that lie in each run.
    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (mut first, last) = (self.rows.start, self.rows.end);
        (self.run..)
            .zip(&self.ends[self.run..])
            .map_while(move |(run, end)| {
                let rows = first..last.min(*end as usize);
                first = rows.end;
                (!rows.is_empty()).then_some((run, rows))
            })
    }
}

/// What is worked out for the rows of a block.
pub(super) struct Worked {
    pub eta: [f64; BLOCK + PART],
    pub add: LaneArray<f64>,
    pub product: LaneArray<f64>,
    pub slope: LaneArray<f64>,
    pub second: LaneArray<f64>,
    pub own: Vec<Own>,
    /// For each column the totals of slope · column.
    pub dots: Vec<Totals<f64>>,
}

/// The derivatives by an argument of the density that is a number of the top level.
pub(super) struct Own {
    pub arg: usize,
    pub slope: LaneArray<f64>,
    /// By it and each argument.
    pub seconds: Vec<LaneArray<f64>>,
}

impl Worked {
    /// Memory for so many columns and a density of so many arguments, of which some are numbers of the top level.
    pub fn new(columns: usize, args: usize, own: impl Iterator<Item = usize>) -> Worked {
        let zeros = LaneArray::zeros();
        Worked {
            eta: [0.0; BLOCK + PART],
            add: zeros,
            product: zeros,
            slope: zeros,
            second: zeros,
            own: own
                .map(|arg| Own {
                    arg,
                    slope: zeros,
                    seconds: vec![zeros; args],
                })
                .collect(),
            dots: vec![Totals::default(); columns.max(AT_ONCE)],
        }
    }
}

/// Writes the predictors of a block.
pub(super) struct Predict<'a, 'c> {
    pub pieces: &'a Pieces<'a>,
    /// The columns with their coefficients, of which the first change with the run.
    pub terms: &'a mut [(f64, &'c [f64])],
    /// For each run so many numbers: what is predicted without columns, then the coefficients of its columns.
    pub coefficients: &'a [f64],
    pub each: usize,
    pub eta: &'a mut [f64; BLOCK + PART],
}

impl Task for Predict<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let (terms, each) = (self.terms, self.each);
        for (run, rows) in self.pieces.iter() {
            let of_run = &self.coefficients[run * each..][..each];
            for ((coefficient, _), value) in terms.iter_mut().zip(&of_run[1..]) {
                *coefficient = *value;
            }
            for row in rows.clone().step_by(PART) {
                let eta = &mut self.eta[row - self.pieces.rows.start..];
                if terms.iter().all(|(_, column)| column.len() >= row + PART) {
                    predict::<f64, F>(&mut eta[..PART], of_run[0], terms, row);
                } else {
                    let n = rows.end.min(row + PART) - row;
                    predict::<f64, F>(&mut eta[..n], of_run[0], terms, row);
                }
            }
        }
    }
}

/// Adds up what a block comes to.
pub(super) struct Collect<'a> {
    pub pieces: &'a Pieces<'a>,
    pub pass: &'a RowPass,
    pub regressors: Regressors,
    /// Those whose coefficients change with the run first.
    pub columns: &'a [(f64, &'a [f64])],
    pub worked: &'a mut Worked,
    pub moments: &'a mut Moments,
}

impl Task for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Collect {
            pieces,
            pass,
            regressors,
            columns,
            worked,
            moments,
        } = self;
        let (first, n) = (pieces.rows.start, pieces.rows.len());
        let (of_runs, others) = columns.split_at(regressors.of_runs - 1);
        let own = 1 + columns.len();
        let (mut add, mut product) = (Totals::default(), [1.0; 8]);
        let mut into = Into {
            moments,
            regressors,
            run: 0,
            what: What::Slopes,
        };
        for (run, rows) in pieces.iter() {
            let lanes = rows.start - first..rows.end - first;
            let mut slope = Totals::default();
            let factors = (&worked.product[lanes.clone()], &mut product);
            let collect = elementwise::Collect {
                lanes: Together {
                    add: (&worked.add[lanes.clone()], &mut add),
                    product: pass.products.then_some(factors),
                    slope: (&worked.slope[lanes.clone()], &mut slope),
                    columns: [],
                    dots: [],
                },
                columns,
                first: rows.start,
                dots: &mut worked.dots,
            };
            collect.run::<F>();
            into.run = run;
            into.what = What::Slopes;
            into.put(0, 0, sum_of(slope));
            for (regressor, dots) in (1..regressors.of_runs).zip(&mut worked.dots) {
                into.put(0, regressor, sum_of(std::mem::take(dots)));
            }
            let from = (1, rows.start);
            into.what = What::Pairs;
            let pivots = of_runs.len();
            into.add::<F, true>(&worked.second[lanes.clone()], from, columns, pivots, true);
            for (k, by) in worked.own.iter().enumerate() {
                into.what = What::PairsWith(own + k);
                into.add::<F, true>(&by.seconds[pass.by][lanes.clone()], from, of_runs, 0, true);
            }
        }
        into.moments.value += sum_of(add);
        if pass.products {
            into.moments.value -= product_of(product).ln();
        }
        into.what = What::Slopes;
        for (regressor, dots) in (1..own).zip(&mut worked.dots).skip(of_runs.len()) {
            into.put(0, regressor, sum_of(std::mem::take(dots)));
        }
        let from = (regressors.of_runs, first);
        into.what = What::Pairs;
        into.add::<F, false>(&worked.second[..n], from, others, others.len(), false);
        for (k, by) in worked.own.iter().enumerate() {
            into.what = What::PairsWith(own + k);
            into.add::<F, true>(&by.seconds[pass.by][..n], from, others, 0, false);
            into.what = What::Slopes;
            into.put(0, own + k, sum::<f64, F>(&by.slope[..n]));
            into.what = What::Pairs;
            for (l, other) in worked.own.iter().enumerate().skip(k) {
                let second = sum::<f64, F>(&by.seconds[other.arg][..n]);
                into.put(own + k, own + l, second);
            }
        }
    }
}

/// What lanes are.
#[derive(Clone, Copy)]
enum What {
    Slopes,
    /// Second derivatives by the predictor.
    Pairs,
    /// Those by the predictor and what belongs to a regressor.
    PairsWith(usize),
}

/// Where the moments of lanes go.
struct Into<'a> {
    moments: &'a mut Moments,
    regressors: Regressors,
    run: usize,
    what: What,
}

impl Into<'_> {
    /// Adds the sum for a pivot and another regressor.
    #[inline(always)]
    fn put(&mut self, pivot: usize, regressor: usize, sum: f64) {
        let Moments {
            slopes, seconds, ..
        } = self.moments;
        match self.what {
            What::Slopes => slopes.add(regressor, self.run, sum),
            What::Pairs => seconds.add(self.regressors.pair(pivot, regressor), self.run, sum),
            What::PairsWith(with) => {
                seconds.add(self.regressors.pair(regressor, with), self.run, sum);
            }
        }
    }

    /// Adds the moments of lanes with columns, of which the first is this regressor, from a row on: those with the first so many columns
    /// as pivots; `ALONE` those without a pivot; with `sum` also the sum of the lanes.
    #[inline(always)]
    fn add<F: Fma, const ALONE: bool>(
        &mut self,
        lanes: &[f64],
        (regressor, row): (usize, usize),
        columns: &[(f64, &[f64])],
        pivots: usize,
        sum: bool,
    ) {
        let rows = row..row + lanes.len();
        if columns.is_empty() && sum {
            self.put(0, 0, sums::sum::<f64, F>(lanes));
        }
        for first in (0..columns.len()).step_by(AT_ONCE) {
            let end = columns.len().min(first + AT_ONCE);
            let none: &[f64] = &[];
            let mut some = [none; AT_ONCE];
            for (some, column) in some.iter_mut().zip(first..end) {
                *some = &columns[column].1[rows.clone()];
            }
            let some = &some[..end - first];
            let place = (regressor, first);
            let pivots = pivots.min(end);
            let mut pivot = 0;
            if ALONE {
                let total = if pivots == 0 {
                    self.tile::<F, true, 0>(lanes, [], 0, some, place)
                } else {
                    pivot = 1;
                    self.tile::<F, true, 1>(lanes, [&columns[0].1[rows.clone()]], 0, some, place)
                };
                if sum && first == 0 {
                    self.put(0, 0, total);
                }
            }
            while pivot < pivots {
                let mut next = [none; 3];
                for (next, (_, column)) in next.iter_mut().zip(&columns[pivot..pivots]) {
                    *next = &column[rows.clone()];
                }
                let [a, b, c] = next;
                match pivots - pivot {
                    1 => self.tile::<F, false, 1>(lanes, [a], pivot, some, place),
                    2 => self.tile::<F, false, 2>(lanes, [a, b], pivot, some, place),
                    _ => self.tile::<F, false, 3>(lanes, [a, b, c], pivot, some, place),
                };
                pivot += 3;
            }
        }
    }

    /// Adds the moments with some pivots and columns; gives the sum of the lanes back.
    #[inline(always)]
    fn tile<F: Fma, const ALONE: bool, const P: usize>(
        &mut self,
        lanes: &[f64],
        pivots: [&[f64]; P],
        first_pivot: usize,
        columns: &[&[f64]],
        place: (usize, usize),
    ) -> f64 {
        match *columns {
            [a] => self.tile_of::<F, ALONE, P, 1>(lanes, pivots, first_pivot, [a], place),
            [a, b] => self.tile_of::<F, ALONE, P, 2>(lanes, pivots, first_pivot, [a, b], place),
            [a, b, c] => {
                self.tile_of::<F, ALONE, P, 3>(lanes, pivots, first_pivot, [a, b, c], place)
            }
            [a, b, c, d, ..] => {
                self.tile_of::<F, ALONE, P, 4>(lanes, pivots, first_pivot, [a, b, c, d], place)
            }
            [] => 0.0,
        }
    }

    #[inline(always)]
    fn tile_of<F: Fma, const ALONE: bool, const P: usize, const K: usize>(
        &mut self,
        lanes: &[f64],
        pivots: [&[f64]; P],
        first_pivot: usize,
        columns: [&[f64]; K],
        (regressor, first): (usize, usize),
    ) -> f64 {
        let found = sums::moments::<F, ALONE, P, K>(lanes, pivots, columns);
        if ALONE {
            for (column, dot) in (first..).zip(found.dots) {
                self.put(0, regressor + column, dot);
            }
        }
        for (pivot, products) in (first_pivot..).zip(found.products) {
            for (column, product) in (first..).zip(products) {
                // Each pair once.
                if pivot <= column {
                    self.put(regressor + pivot, regressor + column, product);
                }
            }
        }
        found.sum
    }
}

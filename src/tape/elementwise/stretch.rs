//! Densities summed over rows, with their partial derivatives: one loop, which leaves out what need not be worked out for each row.
//!
//! Where the density is of an affine predictor, the loop begins at the columns and ends at their sums; coefficients may change from run
//! to run.

use super::Lanes;
use super::OnePass;
use super::Scalar;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::Together;
use crate::num::sums::Totals;
use crate::num::sums::product_of;
use crate::num::sums::sum_of;
use std::marker::PhantomData;
use std::ops::Range;

/// Rows that go through the loop together: few, so that the columns of the next are fetched while these are worked on.
const BLOCK: usize = 64;
/// Lanes that are computed together.
const PART: usize = 32;
/// Lanes that are computed together where few are left; all of them, however few count.
const FEW: usize = 16;
/// The most columns that one loop goes through.
const AT_ONCE: usize = 4;
/// The most arguments of a density.
const MOST_OWN: usize = 4;
/// The most columns of a predictor.
pub const MOST_COLUMNS: usize = 12;
/// The most numbers from 1 to 2 that are multiplied: their product is far from the largest number.
const MOST_FACTORS: usize = 1000;

/// An argument of a density over a stretch of rows.
#[derive(Clone, Copy, Debug)]
pub enum StretchArg<'a, T> {
    /// Of the stretch's predictor.
    Predicted,
    /// Data, a number for each row; there may be more of them than rows.
    Column(&'a [f64]),
    /// A number for each row.
    Lanes(&'a [T]),
    /// The same in all rows.
    Same(T),
}

impl<'a, T> From<Lanes<'a, T>> for StretchArg<'a, T> {
    fn from(lanes: Lanes<'a, T>) -> StretchArg<'a, T> {
        match lanes {
            Lanes::Each(values) => StretchArg::Lanes(values),
            Lanes::Same(value) => StretchArg::Same(value),
        }
    }
}

/// An affine predictor of rows in runs: Σ coefficient · column, where coefficients are the same in all rows or in those of a run.
#[derive(Debug)]
pub struct Predictor<'a, T> {
    /// Columns with their coefficients.
    pub shared: &'a [(T, &'a [f64])],
    /// Columns whose coefficients are those of runs; with the shared ones at most [`MOST_COLUMNS`].
    pub of_runs: &'a [&'a [f64]],
    /// Where each run ends: the first begins with the rows, the last ends with them or behind them.
    pub ends: &'a [u32],
    /// For each run what is predicted without columns, then the coefficient of each column.
    pub coefficients: &'a [T],
    /// For each run the sum of the slopes, then of slope · column: added to.
    pub sums: &'a mut [T],
}

/// Rows to be summed up.
#[derive(Debug)]
pub struct Stretch<'a, T> {
    /// The arguments of the density.
    pub args: &'a [StretchArg<'a, T>],
    /// What an argument is predicted by, if one is.
    pub predictor: Option<Predictor<'a, T>>,
    /// The rows of arguments and columns; there may be more numbers behind them.
    pub rows: Range<usize>,
    /// The slopes of the rows, to be written; empty where only sums are wanted.
    pub slopes: &'a mut [T],
}

/// What stretches sum up to, one after the other, and the memory of the loop.
///
/// The lanes begin at cache lines: a vector that lies across two of them takes two goes to read or write.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Running<T> {
    memory: Memory<T>,
    add: Totals<T>,
    /// Of at most [`MOST_FACTORS`] rows since they were last brought into the value.
    product: Totals<T>,
    slope: Totals<T>,
    /// For each column of a predictor its products with the slopes, which are the partial derivatives by the predictor.
    dots: [Totals<T>; MOST_COLUMNS],
    /// For each shared argument the partial derivatives.
    shared: [Totals<T>; MOST_OWN],
    value: T,
    factors: usize,
}

impl<T: Real> Default for Running<T> {
    fn default() -> Running<T> {
        let zeros = Totals::default();
        Running {
            value: T::zero(),
            add: zeros,
            product: zeros.map(|_| T::one()),
            factors: 0,
            slope: zeros,
            dots: [zeros; MOST_COLUMNS],
            shared: [zeros; MOST_OWN],
            memory: Memory {
                eta: [T::zero(); BLOCK],
                slope: [T::zero(); BLOCK],
                add: [T::zero(); BLOCK],
                product: [T::zero(); BLOCK],
                shared: [[T::zero(); BLOCK]; MOST_OWN],
                spare: [[T::zero(); PART]; MOST_OWN],
            },
        }
    }
}

impl<T: Real> Running<T> {
    /// Forgets what was summed up.
    pub fn clear_all(&mut self) {
        self.dots = [Totals::default(); MOST_COLUMNS];
        self.clear();
    }

    /// Forgets what was summed up of stretches without a predictor.
    pub fn clear(&mut self) {
        let zeros = Totals::default();
        (self.value, self.factors) = (T::zero(), 0);
        (self.add, self.slope) = (zeros, zeros);
        self.product = [T::one(); 8];
        self.shared = [zeros; MOST_OWN];
    }

    /// The sum of the values so far, without what is apart.
    pub fn value(&mut self) -> T {
        if self.factors > 0 {
            self.settle();
        }
        self.value + sum_of(self.add)
    }

    /// The sum of slope · column, for a shared column of a predictor by its place.
    pub fn dot(&self, column: usize) -> T {
        sum_of(self.dots[column])
    }

    /// The sum of the partial derivatives by a shared argument.
    pub fn shared(&self, arg: usize) -> T {
        sum_of(self.shared[arg])
    }

    /// Brings what was multiplied into the value.
    #[inline(never)]
    fn settle(&mut self) {
        let product = std::mem::replace(&mut self.product, [T::one(); 8]);
        self.value -= product_of(product).log();
        self.factors = 0;
    }
}

/// The loop of rule `R` over a stretch.
pub(super) fn run<R: OnePass<N>, T: Scalar, const N: usize>(
    stretch: Stretch<'_, T>,
    running: &mut Running<T>,
) {
    const { assert!(N <= MOST_OWN, "a density of few arguments") };
    T::run(Loop::<R, T, N> {
        stretch,
        running,
        rule: PhantomData,
    });
}

struct Loop<'a, R, T, const N: usize> {
    stretch: Stretch<'a, T>,
    running: &'a mut Running<T>,
    rule: PhantomData<R>,
}

impl<R: OnePass<N>, T: Scalar, const N: usize> Task for Loop<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Stretch {
            args,
            predictor,
            rows,
            slopes,
        } = self.stretch;
        let running = self.running;
        let lanes = &mut running.memory;
        // Known to be the same in all blocks, so that what depends on them alone is worked out once.
        let same: [T; N] = std::array::from_fn(|k| match args[k] {
            StretchArg::Same(value) => value,
            StretchArg::Predicted | StretchArg::Column(_) | StretchArg::Lanes(_) => T::zero(),
        });
        for (k, arg) in args.iter().enumerate() {
            match arg {
                StretchArg::Same(value) if (R::BY | R::SHARED) >> k & 1 == 0 => {
                    lanes.spare[k].fill(*value);
                }
                StretchArg::Same(value) if R::BY >> k & 1 == 1 => lanes.eta.fill(*value),
                StretchArg::Same(_)
                | StretchArg::Predicted
                | StretchArg::Column(_)
                | StretchArg::Lanes(_) => {}
            }
        }
        let none: &[f64] = &[];
        let mut columns = [(T::zero(), none); MOST_COLUMNS];
        let Predictor {
            shared,
            of_runs,
            ends,
            coefficients,
            sums,
        } = predictor.unwrap_or(Predictor {
            shared: &[],
            of_runs: &[],
            ends: &[u32::MAX],
            coefficients: &[],
            sums: &mut [],
        });
        columns[..shared.len()].copy_from_slice(shared);
        for ((_, column), of_run) in columns[shared.len()..].iter_mut().zip(of_runs) {
            *column = of_run;
        }
        let columns = &mut columns[..shared.len() + of_runs.len()];
        let each = 1 + of_runs.len();
        let mut first = rows.start;
        for (run, end) in ends.iter().enumerate() {
            let end = rows.end.min(*end as usize);
            let mut base = T::zero();
            if let Some([value, of_run @ ..]) = coefficients.get(run * each..(run + 1) * each) {
                base = *value;
                for ((coefficient, _), value) in columns[shared.len()..].iter_mut().zip(of_run) {
                    *coefficient = *value;
                }
            }
            while first < end {
                let n = BLOCK.min(end - first);
                running.block::<R, F, N>(args, same, base, columns, first..first + n);
                let slope = &running.memory.slope[..n];
                let local = first - rows.start;
                if let Some(slopes) = slopes.get_mut(local..local + n) {
                    slopes.copy_from_slice(slope);
                }
                first += n;
            }
            if let Some([sum, of_run @ ..]) = sums.get_mut(run * each..(run + 1) * each) {
                *sum += sum_of(std::mem::take(&mut running.slope));
                for (sum, dot) in of_run.iter_mut().zip(&mut running.dots[shared.len()..]) {
                    *sum += sum_of(std::mem::take(dot));
                }
            }
        }
    }
}

impl<T: Scalar> Running<T> {
    /// Adds a block of rows of one run.
    #[inline(always)]
    fn block<R: OnePass<N>, F: Fma, const N: usize>(
        &mut self,
        args: &[StretchArg<'_, T>],
        same: [T; N],
        base: T,
        columns: &[(T, &[f64])],
        rows: Range<usize>,
    ) {
        let (first, n) = (rows.start, rows.len());
        let lanes = &mut self.memory;
        match args[R::BY.trailing_zeros() as usize] {
            StretchArg::Lanes(values) => lanes.eta[..n].copy_from_slice(&values[rows]),
            StretchArg::Same(_) => {}
            StretchArg::Column(_) => unreachable!("data have no partial derivatives"),
            StretchArg::Predicted => {
                let predict = Predict {
                    eta: &mut lanes.eta,
                    base,
                    columns,
                    rows: (first, n),
                };
                if T::WHOLE {
                    predict.run::<F>();
                } else {
                    T::run(predict);
                }
            }
        }
        lanes.compute::<R, F, N>(args, same, first, n);
        for (k, (totals, lanes)) in self.shared.iter_mut().zip(&lanes.shared).enumerate() {
            if R::SHARED >> k & 1 == 1 {
                T::sums::<F>(totals, &lanes[..n]);
            }
        }
        let collect = Collect {
            lanes: Together {
                add: (&lanes.add[..n], &mut self.add),
                product: R::PRODUCTS.then_some((&lanes.product[..n], &mut self.product)),
                slope: (&lanes.slope[..n], &mut self.slope),
                columns: [],
                dots: [],
            },
            columns,
            first,
            dots: &mut self.dots,
        };
        if T::WHOLE {
            collect.run::<F>();
        } else {
            T::run(collect);
        }
        if R::PRODUCTS {
            self.factors += n;
            if self.factors > MOST_FACTORS - BLOCK {
                self.settle();
            }
        }
    }
}

/// The memory of a block.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Memory<T> {
    eta: [T; BLOCK],
    slope: [T; BLOCK],
    add: [T; BLOCK],
    product: [T; BLOCK],
    /// The partial derivatives by each shared argument.
    shared: [[T; BLOCK]; MOST_OWN],
    /// Arguments that are not in memory as they are wanted.
    spare: [[T; PART]; MOST_OWN],
}

impl<T: Scalar> Memory<T> {
    /// The densities of a block whose predictors are there, and their partial derivatives.
    #[inline(always)]
    fn compute<R: OnePass<N>, F: Fma, const N: usize>(
        &mut self,
        args: &[StretchArg<'_, T>],
        same: [T; N],
        first: usize,
        n: usize,
    ) {
        let mut done = 0;
        while done < n {
            if T::WHOLE && n - done <= PART - FEW {
                self.part::<R, F, N, FEW>(args, same, first, done);
                done += FEW;
            } else {
                self.part::<R, F, N, PART>(args, same, first, done);
                done += PART;
            }
        }
    }

    /// Those of `P` lanes from one on.
    #[inline(always)]
    fn part<R: OnePass<N>, F: Fma, const N: usize, const P: usize>(
        &mut self,
        args: &[StretchArg<'_, T>],
        same: [T; N],
        first: usize,
        at: usize,
    ) {
        let all = first + at;
        for (spare, arg) in self.spare.iter_mut().zip(args) {
            match arg {
                StretchArg::Predicted | StretchArg::Same(_) => {}
                StretchArg::Lanes(values) => {
                    if values.len() < all + P {
                        spare[..values.len() - all].copy_from_slice(&values[all..]);
                    }
                }
                StretchArg::Column(values) => {
                    if values.len() < all + P || T::in_place(values).is_none() {
                        for (spare, value) in spare[..P].iter_mut().zip(&values[all..]) {
                            *spare = T::of(*value);
                        }
                    }
                }
            }
        }
        let data: [&[T; P]; N] = std::array::from_fn(|k| {
            let values = match args[k] {
                StretchArg::Predicted | StretchArg::Same(_) => None,
                StretchArg::Lanes(values) => Some(values),
                StretchArg::Column(values) => T::in_place(values),
            };
            let whole = values.and_then(|values| values[all..].first_chunk());
            whole.unwrap_or(chunk(&self.spare[k], 0))
        });
        let eta: &[T; P] = chunk(&self.eta, at);
        let slope: &mut [T; P] = chunk_mut(&mut self.slope, at);
        let add: &mut [T; P] = chunk_mut(&mut self.add, at);
        let product: &mut [T; P] = chunk_mut(&mut self.product, at);
        let mut shared = (self.shared.each_mut()).map(|shared| chunk_mut::<T, P>(shared, at));
        for i in 0..P {
            let args = std::array::from_fn(|k| {
                Lane::<T, F>::new(if R::BY >> k & 1 == 1 {
                    eta[i]
                } else if R::SHARED >> k & 1 == 1 {
                    same[k]
                } else {
                    data[k][i]
                })
            });
            let lane = R::lane(args);
            add[i] = lane.add.get();
            if R::PRODUCTS {
                product[i] = lane.product.get();
            }
            for (k, (shared, partial)) in shared.iter_mut().zip(lane.partials).enumerate() {
                if R::BY >> k & 1 == 1 {
                    slope[i] = partial.get();
                }
                if R::SHARED >> k & 1 == 1 {
                    shared[i] = partial.get();
                }
            }
        }
    }
}

/// `P` lanes from one on.
#[inline(always)]
fn chunk<T, const P: usize>(lanes: &[T], at: usize) -> &[T; P] {
    (lanes[at..].first_chunk()).expect("a part lies in a block")
}

/// `P` lanes from one on, to be written.
#[inline(always)]
fn chunk_mut<T, const P: usize>(lanes: &mut [T], at: usize) -> &mut [T; P] {
    (lanes[at..].first_chunk_mut()).expect("a part lies in a block")
}

/// Writes the predictors of a block. It and [`Collect`] are the same for all rules.
struct Predict<'a, T> {
    eta: &'a mut [T; BLOCK],
    base: T,
    columns: &'a [(T, &'a [f64])],
    /// The first row, and the number of rows.
    rows: (usize, usize),
}

impl<T: Real> Task for Predict<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Predict {
            eta,
            base,
            columns,
            rows: (first, n),
        } = self;
        let behind = first + BLOCK;
        if columns.iter().all(|(_, column)| column.len() >= behind) {
            // A whole block, known when compiled: no rows are left over. Those behind the last are of no account.
            predict::<T, F>(&mut eta[..BLOCK], base, columns, first);
        } else {
            predict::<T, F>(&mut eta[..n], base, columns, first);
        }
    }
}

/// Adds what some rows come to to totals.
#[derive(Debug)]
pub struct Collect<'a, T> {
    /// What the rows were worked out to.
    pub lanes: Together<'a, T, 0>,
    /// Columns, with numbers that are of no account.
    pub columns: &'a [(T, &'a [f64])],
    /// The first row.
    pub first: usize,
    /// The totals of slope · column for each column; at least four.
    pub dots: &'a mut [Totals<T>],
}

impl<T: Real> Task for Collect<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Collect {
            lanes,
            columns,
            first,
            dots,
        } = self;
        let slope = lanes.slope.0;
        let (some, more) = columns.split_at(columns.len().min(AT_ONCE));
        let (dots, more_dots) = dots.split_at_mut(AT_ONCE);
        match (some, dots) {
            ([a], [t, ..]) => together::<T, F, 1>(lanes, first, [a], [t]),
            ([a, b], [t, u, ..]) => together::<T, F, 2>(lanes, first, [a, b], [t, u]),
            ([a, b, c], [t, u, v, ..]) => {
                together::<T, F, 3>(lanes, first, [a, b, c], [t, u, v]);
            }
            ([a, b, c, d], [t, u, v, w]) => {
                together::<T, F, 4>(lanes, first, [a, b, c, d], [t, u, v, w]);
            }
            _ => together::<T, F, 0>(lanes, first, [], []),
        }
        for (some, totals) in (more.chunks(AT_ONCE)).zip(more_dots.chunks_mut(AT_ONCE)) {
            collect::<T, F>(slope, some, first, totals);
        }
    }
}

#[inline(always)]
fn together<T: Real, F: Fma, const K: usize>(
    lanes: Together<'_, T, 0>,
    first: usize,
    columns: [&(T, &[f64]); K],
    dots: [&mut Totals<T>; K],
) {
    let n = lanes.slope.0.len();
    T::together::<F, K>(Together {
        add: lanes.add,
        product: lanes.product,
        slope: lanes.slope,
        columns: columns.map(|(_, column)| &column[first..first + n]),
        dots,
    });
}

/// The predictors of some rows from one on, where there are as many in every column.
#[inline(always)]
pub fn predict<T: Real, F: Fma>(eta: &mut [T], base: T, columns: &[(T, &[f64])], first: usize) {
    if columns.is_empty() {
        eta.fill(base);
    }
    for (k, some) in columns.chunks(AT_ONCE).enumerate() {
        match (k, some) {
            (0, [a]) => predict_some::<T, F, 1, true>(eta, base, [*a], first),
            (0, [a, b]) => predict_some::<T, F, 2, true>(eta, base, [*a, *b], first),
            (0, [a, b, c]) => predict_some::<T, F, 3, true>(eta, base, [*a, *b, *c], first),
            (0, [a, b, c, d, ..]) => {
                predict_some::<T, F, 4, true>(eta, base, [*a, *b, *c, *d], first);
            }
            (_, [a, b, c, d, ..]) => {
                predict_some::<T, F, 4, false>(eta, base, [*a, *b, *c, *d], first);
            }
            (_, some) => {
                for a in some {
                    predict_some::<T, F, 1, false>(eta, base, [*a], first);
                }
            }
        }
    }
}

#[inline(always)]
fn predict_some<T: Real, F: Fma, const K: usize, const SET: bool>(
    eta: &mut [T],
    base: T,
    terms: [(T, &[f64]); K],
    first: usize,
) {
    let n = eta.len();
    let terms = terms.map(|(coefficient, column)| (coefficient, &column[first..first + n]));
    for i in 0..n {
        let mut lane = if SET { base } else { eta[i] };
        for (coefficient, column) in terms {
            lane = coefficient.times_plus::<F>(column[i], lane);
        }
        eta[i] = lane;
    }
}

/// Adds slope · column to the totals of at most [`AT_ONCE`] columns.
#[inline(always)]
fn collect<T: Real, F: Fma>(
    slope: &[T],
    columns: &[(T, &[f64])],
    first: usize,
    totals: &mut [Totals<T>],
) {
    match (columns, totals) {
        ([a], [u, ..]) => collect_some::<T, F, 1>(slope, [*a], first, [u]),
        ([a, b], [u, v, ..]) => collect_some::<T, F, 2>(slope, [*a, *b], first, [u, v]),
        ([a, b, c], [u, v, w, ..]) => {
            collect_some::<T, F, 3>(slope, [*a, *b, *c], first, [u, v, w]);
        }
        ([a, b, c, d, ..], [u, v, w, x, ..]) => {
            collect_some::<T, F, 4>(slope, [*a, *b, *c, *d], first, [u, v, w, x]);
        }
        _ => {}
    }
}

#[inline(always)]
fn collect_some<T: Real, F: Fma, const K: usize>(
    slope: &[T],
    columns: [(T, &[f64]); K],
    first: usize,
    totals: [&mut Totals<T>; K],
) {
    let columns = columns.map(|(_, column)| &column[first..first + slope.len()]);
    T::dots::<F, K>(totals, slope, columns);
}

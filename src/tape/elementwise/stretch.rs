//! Densities summed over rows, with their partial derivatives: one loop, which leaves out what need not be worked out for each row.
//!
//! Where the predictor is affine, the loop begins at the columns and ends at their sums over each run of rows with the same coefficients.

use super::OnePass;
use super::Scalar;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::Totals;
use crate::num::sums::product_of;
use crate::num::sums::sum_of;
use std::marker::PhantomData;

/// Rows that go through the loop together: few, so that the columns of the next are fetched while these are worked on.
const BLOCK: usize = 64;
/// Lanes whose loop the compiler writes out.
const PART: usize = 32;
/// Lanes of the loop for what is left over, which are computed along however few count.
const LEFT: usize = 8;
/// The most columns that one loop goes through.
const AT_ONCE: usize = 4;
/// The most columns of a predictor.
pub const MOST_COLUMNS: usize = 12;
/// The most rows of a stretch: products of so many numbers from 1 to 2 are far from the largest number.
pub const MOST_ROWS: usize = 1000;

/// An argument of a density over a stretch of rows.
#[derive(Clone, Copy, Debug)]
pub enum StretchArg<'a, T> {
    /// What the runs say.
    Predicted,
    /// Data, a number for each row; there may be more of them than rows.
    Column(&'a [f64]),
    /// A number for each row.
    Lanes(&'a [T]),
    /// The same in all rows.
    Same(T),
}

/// Rows, and where their sums go.
#[derive(Debug)]
pub struct Stretch<'a, T> {
    /// The arguments of the density.
    pub args: &'a [StretchArg<'a, T>],
    /// Runs of rows; one of all rows where nothing is predicted.
    pub runs: &'a mut [Run<T>],
    /// Those of the predictor, at most [`MOST_COLUMNS`]; there may be more numbers in them than rows.
    pub columns: &'a [&'a [f64]],
    /// For each run the coefficients of the columns.
    pub coefficients: &'a [T],
    /// For each run the sums of the columns times the slopes.
    pub dots: &'a mut [T],
    /// For each shared argument the sum of the partial derivatives, at its place.
    pub shared: &'a mut [T],
    /// The slopes, row by row; empty where only sums are wanted.
    pub slopes: &'a mut [T],
}

/// Rows in which the predictor is `base` + Σ coefficient · column.
#[derive(Clone, Copy, Debug)]
pub struct Run<T> {
    /// The first row behind it; it begins where the one before ends. The last ends at [`MOST_ROWS`] at most.
    pub end: usize,
    /// What the predictor is without columns.
    pub base: T,
    /// To be written: the sum of the slopes, which are the partial derivatives by the predictor.
    pub slope: T,
}

impl<T: Real> Run<T> {
    /// A run that ends before a row.
    pub fn to(end: usize, base: T) -> Run<T> {
        Run {
            end,
            base,
            slope: T::zero(),
        }
    }
}

/// What a stretch sums up to.
#[derive(Clone, Copy, Debug)]
pub struct StretchSum<T> {
    /// The sum of what is added, see [`super::Summand`].
    pub add: T,
    /// The product of what is multiplied.
    pub product: T,
}

impl<T: Real> StretchSum<T> {
    /// The sum of the values, without what is apart.
    pub fn value(&self) -> T {
        self.add - self.product.log()
    }
}

/// The loop of rule `R` over a stretch.
pub(super) fn run<R: OnePass<N>, T: Scalar, const N: usize>(
    stretch: Stretch<'_, T>,
) -> StretchSum<T> {
    T::run(Loop::<R, T, N> {
        stretch,
        rule: PhantomData,
    })
}

struct Loop<'a, R, T, const N: usize> {
    stretch: Stretch<'a, T>,
    rule: PhantomData<R>,
}

impl<R: OnePass<N>, T: Scalar, const N: usize> Task for Loop<'_, R, T, N> {
    type Output = StretchSum<T>;

    #[inline(always)]
    fn run<F: Fma>(self) -> StretchSum<T> {
        let Stretch {
            args,
            runs,
            columns,
            coefficients,
            dots,
            shared,
            slopes,
        } = self.stretch;
        // Known to be the same in all blocks, so that what depends on them alone is worked out once.
        let same: [T; N] = std::array::from_fn(|k| match args[k] {
            StretchArg::Same(value) => value,
            StretchArg::Predicted | StretchArg::Column(_) | StretchArg::Lanes(_) => T::zero(),
        });
        let zeros = [T::zero(); 8];
        let (mut adds, mut product) = (zeros, [T::one(); 8]);
        let mut by_column = [zeros; MOST_COLUMNS];
        let by_column = &mut by_column[..columns.len()];
        let mut by_shared = [zeros; N];
        let mut lanes = Lanes::<T, N>::new(same);
        let predicted = (args.iter()).any(|arg| matches!(arg, StretchArg::Predicted));
        let mut start = 0;
        for (r, run) in runs.iter_mut().enumerate() {
            let own = &coefficients[r * columns.len()..];
            let mut slope = zeros;
            by_column.fill(zeros);
            for first in (start..run.end).step_by(BLOCK) {
                let n = BLOCK.min(run.end - first);
                if predicted {
                    let behind = first + BLOCK;
                    if columns.iter().all(|column| column.len() >= behind) {
                        // A whole block, known when compiled: no rows are left over. Those behind the last are of no account.
                        let eta = &mut lanes.eta[..BLOCK];
                        predict::<T, F>(eta, run.base, own, columns, first);
                    } else {
                        predict::<T, F>(&mut lanes.eta[..n], run.base, own, columns, first);
                    }
                }
                for part in (0..n - n % PART).step_by(PART) {
                    lanes.part::<R, F, PART>(args, same, (first, part, n));
                }
                for part in (n - n % PART..n).step_by(LEFT) {
                    lanes.part::<R, F, LEFT>(args, same, (first, part, n));
                }
                T::sums::<F>(&mut adds, &lanes.add[..n]);
                if R::PRODUCTS {
                    T::products::<F>(&mut product, &lanes.product[..n.next_multiple_of(LEFT)]);
                }
                T::sums::<F>(&mut slope, &lanes.slope[..n]);
                if let Some(slopes) = slopes.get_mut(first..first + n) {
                    slopes.copy_from_slice(&lanes.slope[..n]);
                }
                for (k, totals) in by_shared.iter_mut().enumerate() {
                    if R::SHARED >> k & 1 == 1 {
                        T::sums::<F>(totals, &lanes.shared[k][..n]);
                    }
                }
                let totals = by_column.chunks_mut(AT_ONCE);
                for (some, totals) in columns.chunks(AT_ONCE).zip(totals) {
                    collect::<T, F>(&lanes.slope[..n], some, first, totals);
                }
            }
            run.slope = sum_of(slope);
            let dots = &mut dots[r * columns.len()..];
            for (dot, totals) in dots.iter_mut().zip(&*by_column) {
                *dot = sum_of(*totals);
            }
            start = run.end;
        }
        for (k, (sum, totals)) in shared.iter_mut().zip(by_shared).enumerate() {
            if R::SHARED >> k & 1 == 1 {
                *sum = sum_of(totals);
            }
        }
        StretchSum {
            add: sum_of(adds),
            product: product_of(product),
        }
    }
}

/// The memory of a block.
struct Lanes<T, const N: usize> {
    eta: [T; BLOCK],
    slope: [T; BLOCK],
    add: [T; BLOCK],
    product: [T; BLOCK],
    /// The partial derivatives by each shared argument.
    shared: [[T; BLOCK]; N],
    /// Arguments that are not in memory as they are wanted.
    spare: [[T; PART]; N],
}

impl<T: Scalar, const N: usize> Lanes<T, N> {
    #[inline(always)]
    fn new(same: [T; N]) -> Lanes<T, N> {
        let zeros = [T::zero(); BLOCK];
        Lanes {
            eta: zeros,
            slope: zeros,
            add: zeros,
            product: zeros,
            shared: [zeros; N],
            spare: same.map(|value| [value; PART]),
        }
    }

    /// The densities and their partial derivatives of `P` of the `n` rows of a block, from `part` on.
    #[inline(always)]
    fn part<R: OnePass<N>, F: Fma, const P: usize>(
        &mut self,
        args: &[StretchArg<'_, T>],
        same: [T; N],
        (first, part, n): (usize, usize, usize),
    ) {
        let (all, n) = (first + part, P.min(n - part));
        for (spare, arg) in self.spare.iter_mut().zip(args) {
            match arg {
                StretchArg::Predicted | StretchArg::Same(_) => {}
                StretchArg::Lanes(values) => {
                    if values.len() < all + P {
                        spare[..n].copy_from_slice(&values[all..all + n]);
                    }
                }
                StretchArg::Column(values) => {
                    if values.len() < all + P || T::in_place(values).is_none() {
                        for (spare, value) in spare.iter_mut().zip(&values[all..all + n]) {
                            *spare = T::of(*value);
                        }
                    }
                }
            }
        }
        let p = part / P;
        let eta = &self.eta.as_chunks::<P>().0[p];
        let lanes: [&[T; P]; N] = std::array::from_fn(|k| {
            let values = match args[k] {
                StretchArg::Predicted => return eta,
                StretchArg::Same(_) => None,
                StretchArg::Lanes(values) => Some(values),
                StretchArg::Column(values) => T::in_place(values),
            };
            let whole = values.and_then(|values| values[all..].first_chunk());
            whole.unwrap_or(&self.spare[k].as_chunks().0[0])
        });
        let slope = &mut self.slope.as_chunks_mut::<P>().0[p];
        let add = &mut self.add.as_chunks_mut::<P>().0[p];
        let product = &mut self.product.as_chunks_mut::<P>().0[p];
        let mut shared =
            (self.shared.each_mut()).map(|shared| &mut shared.as_chunks_mut::<P>().0[p]);
        for i in 0..P {
            let args = std::array::from_fn(|k| {
                let shared = R::SHARED >> k & 1 == 1;
                Lane::<T, F>::new(if shared { same[k] } else { lanes[k][i] })
            });
            let lane = R::lane(args);
            add[i] = lane.add.get();
            if R::PRODUCTS {
                // What is left over is multiplied up in whole vectors.
                let counts = P > LEFT || i < n;
                product[i] = if counts { lane.product.get() } else { T::one() };
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

/// The predictors of a block.
#[inline(always)]
fn predict<T: Real, F: Fma>(
    eta: &mut [T],
    base: T,
    coefficients: &[T],
    columns: &[&[f64]],
    first: usize,
) {
    if columns.is_empty() {
        eta.fill(base);
    }
    let some = columns.chunks(AT_ONCE).zip(coefficients.chunks(AT_ONCE));
    for (k, (some, coefficients)) in some.enumerate() {
        match (some, coefficients) {
            ([a, b, c, d], [u, v, w, x, ..]) if k == 0 => {
                let terms = [(*u, *a), (*v, *b), (*w, *c), (*x, *d)];
                predict_some::<T, F, 4, true>(eta, base, terms, first);
            }
            ([a, b, c, d], [u, v, w, x, ..]) => {
                let terms = [(*u, *a), (*v, *b), (*w, *c), (*x, *d)];
                predict_some::<T, F, 4, false>(eta, base, terms, first);
            }
            (some, coefficients) => {
                for (j, (column, coefficient)) in some.iter().zip(coefficients).enumerate() {
                    let term = [(*coefficient, *column)];
                    if k == 0 && j == 0 {
                        predict_some::<T, F, 1, true>(eta, base, term, first);
                    } else {
                        predict_some::<T, F, 1, false>(eta, base, term, first);
                    }
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
    columns: &[&[f64]],
    first: usize,
    totals: &mut [Totals<T>],
) {
    match (columns, totals) {
        ([a], [u, ..]) => collect_some::<T, F, 1>(slope, [a], first, [u]),
        ([a, b], [u, v, ..]) => collect_some::<T, F, 2>(slope, [a, b], first, [u, v]),
        ([a, b, c], [u, v, w, ..]) => {
            collect_some::<T, F, 3>(slope, [a, b, c], first, [u, v, w]);
        }
        ([a, b, c, d, ..], [u, v, w, x, ..]) => {
            collect_some::<T, F, 4>(slope, [a, b, c, d], first, [u, v, w, x]);
        }
        _ => {}
    }
}

#[inline(always)]
fn collect_some<T: Real, F: Fma, const K: usize>(
    slope: &[T],
    columns: [&[f64]; K],
    first: usize,
    totals: [&mut Totals<T>; K],
) {
    let columns = columns.map(|column| &column[first..first + slope.len()]);
    T::dots::<F, K>(totals, slope, columns);
}

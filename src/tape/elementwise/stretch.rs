//! Densities summed over rows, with their partial derivatives: one loop, which leaves out what need not be worked out for each row.
//!
//! Where the predictor is affine and its coefficients are the same in all rows, the loop begins at the columns and ends at their sums.

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
/// Lanes that are computed along, however few count.
const PART: usize = 32;
/// The most columns that one loop goes through.
const AT_ONCE: usize = 4;
/// The most columns of a predictor.
pub const MOST_COLUMNS: usize = 12;
/// The most rows of a stretch: products of so many numbers from 1 to 2 are far from the largest number.
pub const MOST_ROWS: usize = 1000;

/// An argument of a density over a stretch of rows.
#[derive(Clone, Copy, Debug)]
pub enum StretchArg<'a, T> {
    /// `base` + Σ coefficient · column.
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
    /// What a predictor is without columns.
    pub base: T,
    /// Those of a predictor, with their coefficients. At most [`MOST_COLUMNS`]; there may be more numbers in them than rows.
    pub columns: &'a [(T, &'a [f64])],
    /// The number of rows, at most [`MOST_ROWS`].
    pub rows: usize,
    /// For each column the sum of its products with the slopes, which are the partial derivatives by the predictor.
    pub dots: &'a mut [T],
    /// For each shared argument the sum of the partial derivatives, at its place.
    pub shared: &'a mut [T],
    /// The slopes themselves; empty where only sums are wanted.
    pub slopes: &'a mut [T],
}

/// What a stretch sums up to.
#[derive(Clone, Copy, Debug)]
pub struct StretchSum<T> {
    /// The sum of what is added, see [`super::Summand`].
    pub add: T,
    /// The product of what is multiplied.
    pub product: T,
    /// The sum of the slopes.
    pub slope: T,
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
            base,
            columns,
            rows,
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
        let (mut adds, mut product, mut slope) = (zeros, [T::one(); 8], zeros);
        let mut by_column = [zeros; MOST_COLUMNS];
        let mut by_shared = [zeros; N];
        let mut lanes = Lanes::<T, N>::new(same);
        for first in (0..rows).step_by(BLOCK) {
            let n = BLOCK.min(rows - first);
            match args[R::BY.trailing_zeros() as usize] {
                StretchArg::Lanes(values) => {
                    lanes.eta[..n].copy_from_slice(&values[first..first + n]);
                }
                StretchArg::Same(value) => lanes.eta.fill(value),
                StretchArg::Column(_) => unreachable!("data have no partial derivatives"),
                StretchArg::Predicted => {
                    let behind = first + BLOCK;
                    if columns.iter().all(|(_, column)| column.len() >= behind) {
                        // A whole block, known when compiled: no rows are left over. Those behind the last are of no account.
                        predict::<T, F>(&mut lanes.eta[..BLOCK], base, columns, first);
                    } else {
                        predict::<T, F>(&mut lanes.eta[..n], base, columns, first);
                    }
                }
            }
            lanes.compute::<R, F>(args, same, first, n);
            T::sums::<F>(&mut adds, &lanes.add[..n]);
            if R::PRODUCTS {
                T::products::<F>(&mut product, &lanes.product[..n]);
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
        for (dot, totals) in dots.iter_mut().zip(by_column) {
            *dot = sum_of(totals);
        }
        for (k, (sum, totals)) in shared.iter_mut().zip(by_shared).enumerate() {
            if R::SHARED >> k & 1 == 1 {
                *sum = sum_of(totals);
            }
        }
        StretchSum {
            add: sum_of(adds),
            product: product_of(product),
            slope: sum_of(slope),
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

    /// The densities of a block whose predictors are there, and their partial derivatives.
    #[inline(always)]
    fn compute<R: OnePass<N>, F: Fma>(
        &mut self,
        args: &[StretchArg<'_, T>],
        same: [T; N],
        first: usize,
        n: usize,
    ) {
        for part in (0..n).step_by(PART) {
            let all = part + first;
            for (spare, arg) in self.spare.iter_mut().zip(args) {
                match arg {
                    StretchArg::Predicted | StretchArg::Same(_) => {}
                    StretchArg::Lanes(values) => {
                        if values.len() < all + PART {
                            spare[..values.len() - all].copy_from_slice(&values[all..]);
                        }
                    }
                    StretchArg::Column(values) => {
                        if values.len() < all + PART || T::in_place(values).is_none() {
                            for (spare, value) in spare.iter_mut().zip(&values[all..]) {
                                *spare = T::of(*value);
                            }
                        }
                    }
                }
            }
            let data: [&[T; PART]; N] = std::array::from_fn(|k| {
                let values = match args[k] {
                    StretchArg::Predicted | StretchArg::Same(_) => None,
                    StretchArg::Lanes(values) => Some(values),
                    StretchArg::Column(values) => T::in_place(values),
                };
                let whole = values.and_then(|values| values[all..].first_chunk());
                whole.unwrap_or(&self.spare[k])
            });
            let p = part / PART;
            let eta = &self.eta.as_chunks::<PART>().0[p];
            let slope = &mut self.slope.as_chunks_mut::<PART>().0[p];
            let add = &mut self.add.as_chunks_mut::<PART>().0[p];
            let product = &mut self.product.as_chunks_mut::<PART>().0[p];
            let mut shared =
                (self.shared.each_mut()).map(|shared| &mut shared.as_chunks_mut::<PART>().0[p]);
            for i in 0..PART {
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
}

/// The predictors of a block.
#[inline(always)]
fn predict<T: Real, F: Fma>(eta: &mut [T], base: T, columns: &[(T, &[f64])], first: usize) {
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

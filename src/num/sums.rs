//! Sums, products and dot products of many lanes.
//!
//! Eight totals run side by side, so that the order is the same on every instruction set. Over `f64` they are
//! vectors by name: of plain loops the compiler may tear such totals apart into numbers.

use super::Real;
use super::elementary::Fma;
use pulp::Simd;
use pulp::WithSimd;

/// Totals that run side by side.
const SIDE_BY_SIDE: usize = 8;
/// The most vectors that they are kept in.
const MOST_VECTORS: usize = 4;

/// The totals of some lanes, to be added or multiplied up.
pub(super) type Totals<T> = [T; SIDE_BY_SIDE];

/// Σ of the lanes.
#[inline(always)]
pub fn sum<T: Real, F: Fma>(lanes: &[T]) -> T {
    fold(T::sums::<F>(lanes), |a, b| a + b)
}

/// Π of the lanes.
#[inline(always)]
pub fn product<T: Real, F: Fma>(lanes: &[T]) -> T {
    fold(T::products::<F>(lanes), |a, b| a * b)
}

/// Σ lane · column, for each column.
#[inline(always)]
pub fn dots<T: Real, F: Fma, const K: usize>(lanes: &[T], columns: [&[f64]; K]) -> [T; K] {
    T::dots::<F, K>(lanes, columns).map(|totals| fold(totals, |a, b| a + b))
}

/// All totals in one: halves are joined, so that few steps wait for one another.
#[inline(always)]
fn fold<T: Copy>(totals: Totals<T>, join: impl Fn(T, T) -> T) -> T {
    let [a, b, c, d, e, f, g, h] = totals;
    let (a, b, c, d) = (join(a, e), join(b, f), join(c, g), join(d, h));
    join(join(a, c), join(b, d))
}

/// One total for each place of `SIDE_BY_SIDE` neighbours.
#[inline(always)]
pub(super) fn by_number<T: Copy>(lanes: &[T], start: T, step: impl Fn(T, usize) -> T) -> Totals<T> {
    let mut totals = [start; SIDE_BY_SIDE];
    let full = lanes.len() - lanes.len() % SIDE_BY_SIDE;
    let mut first = 0;
    while first < full {
        for (k, total) in totals.iter_mut().enumerate() {
            *total = step(*total, first + k);
        }
        first += SIDE_BY_SIDE;
    }
    for (k, total) in totals[..lanes.len() - full].iter_mut().enumerate() {
        *total = step(*total, full + k);
    }
    totals
}

/// The totals of sums.
pub(super) struct Sums<'a>(pub &'a [f64]);

/// The totals of products.
pub(super) struct Products<'a>(pub &'a [f64]);

/// The totals of dot products.
pub(super) struct Dots<'a, const K: usize> {
    pub lanes: &'a [f64],
    pub columns: [&'a [f64]; K],
}

/// The vectors of the lanes in whole groups of `SIDE_BY_SIDE`.
#[inline(always)]
fn vectors<S: Simd>(lanes: &[f64]) -> &[S::f64s] {
    S::as_simd_f64s(&lanes[..lanes.len() - lanes.len() % SIDE_BY_SIDE]).0
}

/// The totals as numbers.
#[inline(always)]
fn numbers<S: Simd>(vectors: [S::f64s; MOST_VECTORS]) -> Totals<f64> {
    let mut totals = [0.0; SIDE_BY_SIDE];
    let (places, _) = S::as_mut_simd_f64s(&mut totals);
    places.copy_from_slice(&vectors[..places.len()]);
    totals
}

/// What is left over behind the whole groups.
#[inline(always)]
fn rest(lanes: &[f64]) -> &[f64] {
    &lanes[lanes.len() - lanes.len() % SIDE_BY_SIDE..]
}

impl WithSimd for Sums<'_> {
    type Output = Totals<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Totals<f64> {
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let mut totals = [simd.splat_f64s(0.0); MOST_VECTORS];
        for lanes in vectors::<S>(self.0).chunks_exact(each) {
            for (total, lane) in totals.iter_mut().zip(lanes) {
                *total = simd.add_f64s(*total, *lane);
            }
        }
        let mut totals = numbers::<S>(totals);
        for (total, lane) in totals.iter_mut().zip(rest(self.0)) {
            *total += *lane;
        }
        totals
    }
}

impl WithSimd for Products<'_> {
    type Output = Totals<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Totals<f64> {
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let mut totals = [simd.splat_f64s(1.0); MOST_VECTORS];
        for lanes in vectors::<S>(self.0).chunks_exact(each) {
            for (total, lane) in totals.iter_mut().zip(lanes) {
                *total = simd.mul_f64s(*total, *lane);
            }
        }
        let mut totals = numbers::<S>(totals);
        for (total, lane) in totals.iter_mut().zip(rest(self.0)) {
            *total *= *lane;
        }
        totals
    }
}

impl<const K: usize> WithSimd for Dots<'_, K> {
    type Output = [Totals<f64>; K];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Totals<f64>; K] {
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let mut totals = [[simd.splat_f64s(0.0); MOST_VECTORS]; K];
        let lanes = vectors::<S>(self.lanes);
        let columns = self
            .columns
            .map(|column| &vectors::<S>(column)[..lanes.len()]);
        let mut first = 0;
        while first + each <= lanes.len() {
            for k in 0..each {
                for (totals, column) in totals.iter_mut().zip(columns) {
                    totals[k] = simd.mul_add_f64s(lanes[first + k], column[first + k], totals[k]);
                }
            }
            first += each;
        }
        let mut sums = totals.map(numbers::<S>);
        for (totals, column) in sums.iter_mut().zip(self.columns) {
            for ((total, lane), x) in totals.iter_mut().zip(rest(self.lanes)).zip(rest(column)) {
                *total = lane.mul_add(*x, *total);
            }
        }
        sums
    }
}

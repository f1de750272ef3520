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

/// Totals of some lanes, to be added or multiplied up.
pub type Totals<T> = [T; SIDE_BY_SIDE];

/// Σ of the lanes.
#[inline(always)]
pub fn sum<T: Real, F: Fma>(lanes: &[T]) -> T {
    let mut totals = [T::zero(); SIDE_BY_SIDE];
    T::sums::<F>(&mut totals, lanes);
    sum_of(totals)
}

/// Π of the lanes.
#[inline(always)]
pub fn product<T: Real, F: Fma>(lanes: &[T]) -> T {
    let mut totals = [T::one(); SIDE_BY_SIDE];
    T::products::<F>(&mut totals, lanes);
    product_of(totals)
}

/// Σ lane · column, for each column.
#[inline(always)]
pub fn dots<T: Real, F: Fma, const K: usize>(lanes: &[T], columns: [&[f64]; K]) -> [T; K] {
    let mut totals = [[T::zero(); SIDE_BY_SIDE]; K];
    T::dots::<F, K>(totals.each_mut(), lanes, columns);
    totals.map(sum_of)
}

/// The sum of totals.
#[inline(always)]
pub fn sum_of<T: Real>(totals: Totals<T>) -> T {
    fold(totals, |a, b| a + b)
}

/// The product of totals.
#[inline(always)]
pub fn product_of<T: Real>(totals: Totals<T>) -> T {
    fold(totals, |a, b| a * b)
}

/// All totals in one: halves are joined, so that few steps wait for one another.
#[inline(always)]
fn fold<T: Copy>(totals: Totals<T>, join: impl Fn(T, T) -> T) -> T {
    let [a, b, c, d, e, f, g, h] = totals;
    let (a, b, c, d) = (join(a, e), join(b, f), join(c, g), join(d, h));
    join(join(a, c), join(b, d))
}

/// Goes on with one total for each place of `SIDE_BY_SIDE` neighbours.
#[inline(always)]
pub(super) fn by_number<T: Copy>(
    totals: &mut Totals<T>,
    lanes: &[T],
    step: impl Fn(T, usize) -> T,
) {
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
}

/// The totals of sums, or of products, going on.
pub(super) struct Joined<'a, const PRODUCT: bool> {
    pub totals: &'a mut Totals<f64>,
    pub lanes: &'a [f64],
}

/// The totals of dot products, going on.
pub(super) struct Dots<'a, const K: usize> {
    pub totals: [&'a mut Totals<f64>; K],
    pub lanes: &'a [f64],
    pub columns: [&'a [f64]; K],
}

/// The vectors of the lanes in whole groups of `SIDE_BY_SIDE`.
#[inline(always)]
fn vectors<S: Simd>(lanes: &[f64]) -> &[S::f64s] {
    S::as_simd_f64s(&lanes[..lanes.len() - lanes.len() % SIDE_BY_SIDE]).0
}

/// Totals as vectors.
#[inline(always)]
fn as_vectors<S: Simd>(simd: S, totals: &Totals<f64>) -> [S::f64s; MOST_VECTORS] {
    let mut vectors = [simd.splat_f64s(0.0); MOST_VECTORS];
    for (vector, totals) in vectors.iter_mut().zip(S::as_simd_f64s(totals).0) {
        *vector = *totals;
    }
    vectors
}

/// Writes vectors over totals.
#[inline(always)]
fn store<S: Simd>(vectors: &[S::f64s; MOST_VECTORS], totals: &mut Totals<f64>) {
    for (place, vector) in S::as_mut_simd_f64s(totals).0.iter_mut().zip(vectors) {
        *place = *vector;
    }
}

/// What is left over behind the whole groups, for each vector of a group; some may be empty.
#[inline(always)]
fn rest<S: Simd>(lanes: &[f64]) -> impl Iterator<Item = &[f64]> {
    lanes[lanes.len() - lanes.len() % SIDE_BY_SIDE..].chunks(S::F64_LANES)
}

impl<const PRODUCT: bool> WithSimd for Joined<'_, PRODUCT> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut totals = as_vectors(simd, self.totals);
        for lanes in vectors::<S>(self.lanes).chunks_exact(SIDE_BY_SIDE / S::F64_LANES) {
            for (total, lane) in totals.iter_mut().zip(lanes) {
                *total = if PRODUCT {
                    simd.mul_f64s(*total, *lane)
                } else {
                    simd.add_f64s(*total, *lane)
                };
            }
        }
        // Vectors too: numbers written one by one cannot be handed on to the vector that reads them next.
        for (total, some) in totals.iter_mut().zip(rest::<S>(self.lanes)) {
            let lane = simd.partial_load_f64s(some);
            *total = if PRODUCT {
                let mask = simd.mask_between_m64s(0, some.len() as u64).mask();
                let lane = simd.select_f64s(mask, lane, simd.splat_f64s(1.0));
                simd.mul_f64s(*total, lane)
            } else {
                simd.add_f64s(*total, lane)
            };
        }
        store::<S>(&totals, self.totals);
    }
}

impl<const K: usize> WithSimd for Dots<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let mut sums = self
            .totals
            .each_ref()
            .map(|totals| as_vectors(simd, totals));
        let lanes = vectors::<S>(self.lanes);
        let columns = self
            .columns
            .map(|column| &vectors::<S>(column)[..lanes.len()]);
        let mut first = 0;
        while first + each <= lanes.len() {
            for k in 0..each {
                for (sums, column) in sums.iter_mut().zip(columns) {
                    sums[k] = simd.mul_add_f64s(lanes[first + k], column[first + k], sums[k]);
                }
            }
            first += each;
        }
        for ((totals, sums), column) in self.totals.into_iter().zip(&mut sums).zip(self.columns) {
            let column = &column[..self.lanes.len()];
            let both = rest::<S>(self.lanes).zip(rest::<S>(column));
            for (total, (lanes, column)) in sums.iter_mut().zip(both) {
                let (lane, x) = (
                    simd.partial_load_f64s(lanes),
                    simd.partial_load_f64s(column),
                );
                *total = simd.mul_add_f64s(lane, x, *total);
            }
            store::<S>(sums, totals);
        }
    }
}

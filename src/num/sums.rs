//! Sums, products and dot products of many lanes.
//!
//! Eight totals run side by side, so that the order is the same on every instruction set. Over `f64` they are
//! vectors by name: of plain loops the compiler may tear such totals apart into numbers.

use super::Real;
use super::elementary::Fma;
use pulp::Simd;
use pulp::WithSimd;

/// Totals that run side by side.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// The most vectors that they are kept in.
pub(super) const MOST_VECTORS: usize = 4;

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

/// Sums of lanes, of their products with columns, and of these times pivots.
#[derive(Clone, Copy, Debug)]
pub struct Moments<const P: usize, const K: usize> {
    /// Σ lane.
    pub sum: f64,
    /// Σ lane · column, for each column.
    pub dots: [f64; K],
    /// Σ lane · pivot · column, for each pivot and column.
    pub products: [[f64; K]; P],
}

/// The moments of lanes, in one loop; those without a pivot are 0 but with `ALONE`.
#[inline(always)]
pub fn moments<F: Fma, const ALONE: bool, const P: usize, const K: usize>(
    lanes: &[f64],
    pivots: [&[f64]; P],
    columns: [&[f64]; K],
) -> Moments<P, K> {
    let task = Products::<ALONE, P, K> {
        lanes,
        pivots,
        columns,
    };
    F::vectors(task).unwrap_or_else(Products::one_by_one::<F>)
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

/// Goes on with one total for each place of `SIDE_BY_SIDE` neighbours; those left over behind whole groups come to the last totals.
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
    for (i, total) in (full..).zip(&mut totals[SIDE_BY_SIDE - (lanes.len() - full)..]) {
        *total = step(*total, i);
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

/// The totals of sums of lanes, of products of others, of sums of third ones and of their products with columns, all going on.
#[derive(Debug)]
pub struct Together<'a, T, const K: usize> {
    /// Lanes to be added, and their totals.
    pub add: (&'a [T], &'a mut Totals<T>),
    /// As many lanes to be multiplied, and their totals, where there are any.
    pub product: Option<(&'a [T], &'a mut Totals<T>)>,
    /// As many lanes to be added, and their totals.
    pub slope: (&'a [T], &'a mut Totals<T>),
    /// Columns of as many numbers.
    pub columns: [&'a [f64]; K],
    /// The totals of their products with the slopes.
    pub dots: [&'a mut Totals<T>; K],
}

impl<T: Real, const K: usize> Together<'_, T, K> {
    /// One after the other.
    #[inline(always)]
    pub(super) fn one_by_one<F: Fma>(self) {
        T::sums::<F>(self.add.1, self.add.0);
        if let Some((lanes, totals)) = self.product {
            T::products::<F>(totals, lanes);
        }
        T::sums::<F>(self.slope.1, self.slope.0);
        T::dots::<F, K>(self.dots, self.slope.0, self.columns);
    }
}

/// Lanes, pivots and columns whose moments are wanted.
struct Products<'a, const ALONE: bool, const P: usize, const K: usize> {
    lanes: &'a [f64],
    pivots: [&'a [f64]; P],
    columns: [&'a [f64]; K],
}

impl<const ALONE: bool, const P: usize, const K: usize> Products<'_, ALONE, P, K> {
    /// One after the other.
    #[inline(always)]
    fn one_by_one<F: Fma>(self) -> Moments<P, K> {
        let (lanes, columns) = (self.lanes, self.columns);
        let dots = |pivot: Option<&[f64]>| {
            columns.map(|column| {
                let mut totals = Totals::default();
                by_number(&mut totals, lanes, |sum, i| {
                    let lane = pivot.map_or(lanes[i], |pivot| lanes[i] * pivot[i]);
                    F::fma(lane, column[i], sum)
                });
                sum_of(totals)
            })
        };
        Moments {
            sum: if ALONE { sum::<f64, F>(lanes) } else { 0.0 },
            dots: if ALONE { dots(None) } else { [0.0; K] },
            products: self.pivots.map(|pivot| dots(Some(pivot))),
        }
    }
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

/// The last numbers, as many as a group has, in which those left over behind whole groups stand last; `memory` has room for fewer
/// numbers than that.
///
/// No vector is loaded in part: that is a jump to a place that depends on how many there are, which processors foresee badly.
#[inline(always)]
fn last<'a>(lanes: &'a [f64], memory: &'a mut Totals<f64>) -> &'a Totals<f64> {
    match lanes.last_chunk() {
        Some(last) => last,
        None => {
            memory[SIDE_BY_SIDE - lanes.len()..].copy_from_slice(lanes);
            memory
        }
    }
}

/// The numbers of a group among the last of which so many are left over, and another number in the place of the others.
#[inline(always)]
fn left_over<S: Simd>(
    simd: S,
    group: &Totals<f64>,
    count: usize,
    other: f64,
) -> [S::f64s; MOST_VECTORS] {
    const PLACES: Totals<f64> = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0];
    let (count, other) = (simd.splat_f64s(count as f64), simd.splat_f64s(other));
    let mut vectors = [other; MOST_VECTORS];
    let places = S::as_simd_f64s(&PLACES).0;
    for ((vector, some), place) in (vectors.iter_mut().zip(S::as_simd_f64s(group).0)).zip(places) {
        *vector = simd.select_f64s(simd.less_than_f64s(*place, count), *some, other);
    }
    vectors
}

/// Vector `k` of the last numbers, as many as a group has.
#[inline(always)]
fn last_vector<S: Simd>(lanes: &[f64], k: usize) -> S::f64s {
    let mut memory = [0.0; SIDE_BY_SIDE];
    S::as_simd_f64s(last(lanes, &mut memory)).0[k]
}

/// Adds lanes left over behind whole groups to totals, or multiplies these by them: as vectors, because numbers written one by one
/// cannot be handed on to the vector that reads them next.
#[inline(always)]
fn join_rest<S: Simd, const PRODUCT: bool>(
    simd: S,
    totals: &mut [S::f64s; MOST_VECTORS],
    lanes: &[f64],
) {
    let count = lanes.len() % SIDE_BY_SIDE;
    if count > 0 {
        let mut memory = [0.0; SIDE_BY_SIDE];
        let group = last(lanes, &mut memory);
        let lanes = left_over(simd, group, count, if PRODUCT { 1.0 } else { 0.0 });
        for (total, lane) in totals.iter_mut().zip(lanes) {
            *total = if PRODUCT {
                simd.mul_f64s(*total, lane)
            } else {
                simd.add_f64s(*total, lane)
            };
        }
    }
}

/// Adds lane · column of lanes left over behind whole groups to totals.
#[inline(always)]
fn dots_rest<S: Simd, const K: usize>(
    simd: S,
    totals: &mut [[S::f64s; MOST_VECTORS]; K],
    lanes: &[f64],
    columns: [&[f64]; K],
) {
    let (n, count) = (lanes.len(), lanes.len() % SIDE_BY_SIDE);
    if count > 0 {
        let mut memory = [0.0; SIDE_BY_SIDE];
        let lanes = left_over(simd, last(lanes, &mut memory), count, 0.0);
        for (totals, column) in totals.iter_mut().zip(columns) {
            let mut memory = [0.0; SIDE_BY_SIDE];
            let column = S::as_simd_f64s(last(&column[..n], &mut memory)).0;
            for ((total, lane), x) in totals.iter_mut().zip(lanes).zip(column) {
                *total = simd.mul_add_f64s(lane, *x, *total);
            }
        }
    }
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
        join_rest::<S, PRODUCT>(simd, &mut totals, self.lanes);
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
        dots_rest(simd, &mut sums, self.lanes, self.columns);
        for (totals, sums) in self.totals.into_iter().zip(&sums) {
            store::<S>(sums, totals);
        }
    }
}

impl<const K: usize> WithSimd for Together<'_, f64, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let Together {
            add: (add, add_totals),
            product,
            slope: (slope, slope_totals),
            columns,
            dots,
        } = self;
        let n = add.len();
        let groups = n / SIDE_BY_SIDE * each;
        let slope = &slope[..n];
        let columns = columns.map(|column| &column[..n]);
        let mut product =
            product.map(|(lanes, totals)| (&lanes[..n], as_vectors(simd, totals), totals));
        let mut add_sums = as_vectors(simd, add_totals);
        let mut slope_sums = as_vectors(simd, slope_totals);
        let mut dot_sums = dots.each_ref().map(|totals| as_vectors(simd, totals));
        {
            let add = &vectors::<S>(add)[..groups];
            let slope = &vectors::<S>(slope)[..groups];
            let columns = columns.map(|column| &vectors::<S>(column)[..groups]);
            let factors = product
                .as_ref()
                .map(|(lanes, ..)| &vectors::<S>(lanes)[..groups]);
            let mut products = product
                .as_ref()
                .map_or(add_sums, |(_, products, _)| *products);
            let mut first = 0;
            while first + each <= groups {
                for k in 0..each {
                    let i = first + k;
                    add_sums[k] = simd.add_f64s(add_sums[k], add[i]);
                    if let Some(factors) = factors {
                        products[k] = simd.mul_f64s(products[k], factors[i]);
                    }
                    slope_sums[k] = simd.add_f64s(slope_sums[k], slope[i]);
                    for (sums, column) in dot_sums.iter_mut().zip(columns) {
                        sums[k] = simd.mul_add_f64s(slope[i], column[i], sums[k]);
                    }
                }
                first += each;
            }
            if let Some((_, totals, _)) = &mut product {
                *totals = products;
            }
        }
        join_rest::<S, false>(simd, &mut add_sums, add);
        if let Some((lanes, products, _)) = &mut product {
            join_rest::<S, true>(simd, products, lanes);
        }
        join_rest::<S, false>(simd, &mut slope_sums, slope);
        dots_rest(simd, &mut dot_sums, slope, columns);
        store::<S>(&add_sums, add_totals);
        store::<S>(&slope_sums, slope_totals);
        if let Some((_, products, totals)) = product {
            store::<S>(&products, totals);
        }
        for (totals, sums) in dots.into_iter().zip(&dot_sums) {
            store::<S>(sums, totals);
        }
    }
}

/// [`Moments`] that are added up, by vectors or by totals.
struct Added<V, const P: usize, const K: usize> {
    sum: V,
    dots: [V; K],
    products: [[V; K]; P],
}

impl<V: Copy, const P: usize, const K: usize> Added<V, P, K> {
    #[inline(always)]
    fn step<S: Simd<f64s = V>, const ALONE: bool>(
        &mut self,
        simd: S,
        lane: V,
        pivots: [V; P],
        columns: [V; K],
    ) {
        if ALONE {
            self.sum = simd.add_f64s(self.sum, lane);
            for (dot, column) in self.dots.iter_mut().zip(columns) {
                *dot = simd.mul_add_f64s(lane, column, *dot);
            }
        }
        for (products, pivot) in self.products.iter_mut().zip(pivots) {
            let lane = simd.mul_f64s(lane, pivot);
            for (product, column) in products.iter_mut().zip(columns) {
                *product = simd.mul_add_f64s(lane, column, *product);
            }
        }
    }
}

impl<const ALONE: bool, const P: usize, const K: usize> WithSimd for Products<'_, ALONE, P, K> {
    type Output = Moments<P, K>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Moments<P, K> {
        // Loops, not maps: of arrays of arrays these are calls.
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let (n, count) = (self.lanes.len(), self.lanes.len() % SIDE_BY_SIDE);
        let lanes = vectors::<S>(self.lanes);
        let (mut pivots, mut columns) = ([lanes; P], [lanes; K]);
        for (vectors_of, pivot) in pivots.iter_mut().zip(self.pivots) {
            *vectors_of = &vectors::<S>(&pivot[..n])[..lanes.len()];
        }
        for (vectors_of, column) in columns.iter_mut().zip(self.columns) {
            *vectors_of = &vectors::<S>(&column[..n])[..lanes.len()];
        }
        let zeros = simd.splat_f64s(0.0);
        let mut found = Moments {
            sum: 0.0,
            dots: [0.0; K],
            products: [[0.0; K]; P],
        };
        let mut totals = Added {
            sum: Totals::default(),
            dots: [Totals::default(); K],
            products: [[Totals::default(); K]; P],
        };
        // Totals of one vector after the other: so many find room among the vectors of a processor.
        for k in 0..each {
            let mut added = Added {
                sum: zeros,
                dots: [zeros; K],
                products: [[zeros; K]; P],
            };
            let (mut at_pivots, mut at_columns) = ([zeros; P], [zeros; K]);
            let mut i = k;
            while i < lanes.len() {
                for (at, pivot) in at_pivots.iter_mut().zip(&pivots) {
                    *at = pivot[i];
                }
                for (at, column) in at_columns.iter_mut().zip(&columns) {
                    *at = column[i];
                }
                added.step::<S, ALONE>(simd, lanes[i], at_pivots, at_columns);
                i += each;
            }
            if count > 0 {
                for (at, pivot) in at_pivots.iter_mut().zip(self.pivots) {
                    *at = last_vector::<S>(&pivot[..n], k);
                }
                for (at, column) in at_columns.iter_mut().zip(self.columns) {
                    *at = last_vector::<S>(&column[..n], k);
                }
                let mut memory = [0.0; SIDE_BY_SIDE];
                let rest = left_over(simd, last(self.lanes, &mut memory), count, 0.0)[k];
                added.step::<S, ALONE>(simd, rest, at_pivots, at_columns);
            }
            S::as_mut_simd_f64s(&mut totals.sum).0[k] = added.sum;
            for (totals, vector) in totals.dots.iter_mut().zip(added.dots) {
                S::as_mut_simd_f64s(totals).0[k] = vector;
            }
            for (totals, added) in totals.products.iter_mut().zip(added.products) {
                for (totals, vector) in totals.iter_mut().zip(added) {
                    S::as_mut_simd_f64s(totals).0[k] = vector;
                }
            }
        }
        if ALONE {
            found.sum = sum_of(totals.sum);
            for (found, totals) in found.dots.iter_mut().zip(totals.dots) {
                *found = sum_of(totals);
            }
        }
        for (found, totals) in found.products.iter_mut().zip(totals.products) {
            for (found, totals) in found.iter_mut().zip(totals) {
                *found = sum_of(totals);
            }
        }
        found
    }
}

//! The inner loops over the lanes of a block.

use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::sums::dots;

/// The most columns that one loop goes through.
pub(super) const AT_ONCE: usize = 4;

/// Adds `base` and Σ coefficient · column, of at most [`AT_ONCE`] columns, to each lane; sets it to that with `SET`.
#[inline(always)]
pub(super) fn add_columns<T: Real, F: Fma, const SET: bool>(
    out: &mut [T],
    base: T,
    terms: &[(T, &[f64])],
) {
    match *terms {
        [] => {
            for lane in out {
                *lane = if SET { base } else { *lane + base };
            }
        }
        [a] => add_some::<T, F, 1, SET>(out, base, [a]),
        [a, b] => add_some::<T, F, 2, SET>(out, base, [a, b]),
        [a, b, c] => add_some::<T, F, 3, SET>(out, base, [a, b, c]),
        [a, b, c, d, ..] => add_some::<T, F, 4, SET>(out, base, [a, b, c, d]),
    }
}

#[inline(always)]
fn add_some<T: Real, F: Fma, const K: usize, const SET: bool>(
    out: &mut [T],
    base: T,
    terms: [(T, &[f64]); K],
) {
    let n = out.len();
    let terms = terms.map(|(coefficient, column)| (coefficient, &column[..n]));
    for i in 0..n {
        let mut lane = if SET { base } else { out[i] + base };
        for (coefficient, column) in terms {
            lane = coefficient.times_plus::<F>(column[i], lane);
        }
        out[i] = lane;
    }
}

/// Adds Σ lane · column, of at most [`AT_ONCE`] columns, to the sum of each.
#[inline(always)]
pub(super) fn add_dots<T: Real, F: Fma>(lanes: &[T], columns: &[&[f64]], sums: &mut [T]) {
    match *columns {
        [] => {}
        [a] => add_some_dots::<T, F, 1>(lanes, [a], sums),
        [a, b] => add_some_dots::<T, F, 2>(lanes, [a, b], sums),
        [a, b, c] => add_some_dots::<T, F, 3>(lanes, [a, b, c], sums),
        [a, b, c, d, ..] => add_some_dots::<T, F, 4>(lanes, [a, b, c, d], sums),
    }
}

#[inline(always)]
fn add_some_dots<T: Real, F: Fma, const K: usize>(
    lanes: &[T],
    columns: [&[f64]; K],
    sums: &mut [T],
) {
    let dots = dots::<T, F, K>(lanes, columns.map(|column| &column[..lanes.len()]));
    for (sum, dot) in sums.iter_mut().zip(dots) {
        *sum += dot;
    }
}

/// Adds the value at each lane's place, times a number and a column.
#[inline(always)]
pub(super) fn gather<T: Real, F: Fma>(
    out: &mut [T],
    values: &[T],
    index: &[u32],
    factor: f64,
    column: Option<&[f64]>,
) {
    match column {
        None => {
            for (lane, place) in out.iter_mut().zip(index) {
                // Every place is there; a test without a way out of the loop can be made of vectors.
                if let Some(value) = values.get(*place as usize) {
                    *lane = value.times_plus::<F>(factor, *lane);
                }
            }
        }
        Some(column) => {
            for ((lane, place), x) in out.iter_mut().zip(index).zip(column) {
                *lane = values[*place as usize].times_plus::<F>(factor * *x, *lane);
            }
        }
    }
}

/// [`gather`] to two at the same places.
#[inline(always)]
pub(super) fn gather_two<T: Real, F: Fma>(
    [a, b]: [&mut [T]; 2],
    [from_a, from_b]: [&[T]; 2],
    index: &[u32],
    factors: [f64; 2],
) {
    let (n, places) = (index.len(), from_a.len().min(from_b.len()));
    let (a, b) = (&mut a[..n], &mut b[..n]);
    let (from_a, from_b) = (&from_a[..places], &from_b[..places]);
    for i in 0..n {
        let place = index[i] as usize;
        if place < places {
            a[i] = from_a[place].times_plus::<F>(factors[0], a[i]);
            b[i] = from_b[place].times_plus::<F>(factors[1], b[i]);
        }
    }
}

/// The adjoint of [`gather`].
#[inline(always)]
pub(super) fn scatter<T: Real, F: Fma>(
    lanes: &[T],
    sums: &mut [T],
    index: &[u32],
    factor: f64,
    column: Option<&[f64]>,
) {
    match column {
        None => {
            for (lane, place) in lanes.iter().zip(index) {
                let sum = &mut sums[*place as usize];
                *sum = lane.times_plus::<F>(factor, *sum);
            }
        }
        Some(column) => {
            for ((lane, place), x) in lanes.iter().zip(index).zip(column) {
                let sum = &mut sums[*place as usize];
                *sum = lane.times_plus::<F>(factor * *x, *sum);
            }
        }
    }
}

/// Adds the product of two, lane by lane.
#[inline(always)]
pub(super) fn add_product<T: Real>(out: &mut [T], a: &[T], b: &[T]) {
    for ((lane, a), b) in out.iter_mut().zip(a).zip(b) {
        *lane += *a * *b;
    }
}

/// Writes the product of two, lane by lane.
#[inline(always)]
pub(super) fn product<T: Real>(out: &mut [T], a: &[T], b: &[T]) {
    for ((lane, a), b) in out.iter_mut().zip(a).zip(b) {
        *lane = *a * *b;
    }
}

/// Multiplies each lane by a number.
#[inline(always)]
pub(super) fn weigh<T: Real>(lanes: &mut [T], weights: &[f64]) {
    for (lane, weight) in lanes.iter_mut().zip(weights) {
        *lane *= T::of(*weight);
    }
}

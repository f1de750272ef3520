//! The inner loops over the lanes of a block.

use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::sums::dots;

/// Adds Σ lane · column, of at most [`AT_ONCE`](crate::tape::lanes::AT_ONCE) columns, to the sum of each.
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

/// Adds the value at each lane's place.
#[inline(always)]
pub(super) fn gather<T: Real>(out: &mut [T], values: &[T], index: &[u32]) {
    for (lane, place) in out.iter_mut().zip(index) {
        // Every place is there; a test without a way out of the loop costs less.
        if let Some(value) = values.get(*place as usize) {
            *lane += *value;
        }
    }
}

/// Adds the two numbers at each lane's place to two.
#[inline(always)]
pub(super) fn gather_two<T: Real>([a, b]: [&mut [T]; 2], pairs: &[[T; 2]], index: &[u32]) {
    for ((a, b), place) in a.iter_mut().zip(b).zip(index) {
        if let Some([to_a, to_b]) = pairs.get(*place as usize) {
            *a += *to_a;
            *b += *to_b;
        }
    }
}

/// The adjoint of [`gather`].
#[inline(always)]
pub(super) fn scatter<T: Real>(lanes: &[T], sums: &mut [T], index: &[u32]) {
    for (lane, place) in lanes.iter().zip(index) {
        if let Some(sum) = sums.get_mut(*place as usize) {
            *sum += *lane;
        }
    }
}

/// The adjoint of [`gather_two`].
#[inline(always)]
pub(super) fn scatter_two<T: Real>(lanes: &[[T; 2]], sums: &mut [[T; 2]], index: &[u32]) {
    for ([a, b], place) in lanes.iter().zip(index) {
        if let Some(sums) = sums.get_mut(*place as usize) {
            *sums = [sums[0] + *a, sums[1] + *b];
        }
    }
}

/// Writes two side by side, lane by lane.
#[inline(always)]
pub(super) fn side_by_side<T: Real>(out: &mut [[T; 2]], [a, b]: [&[T]; 2]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = [*a, *b];
    }
}

/// Adds the value at each lane's place, times a number and a column.
#[inline(always)]
pub(super) fn gather_times<T: Real, F: Fma>(
    out: &mut [T],
    values: &[T],
    index: &[u32],
    factor: f64,
    column: &[f64],
) {
    for ((lane, place), x) in out.iter_mut().zip(index).zip(column) {
        *lane = values[*place as usize].times_plus::<F>(factor * *x, *lane);
    }
}

/// The adjoint of [`gather_times`].
#[inline(always)]
pub(super) fn scatter_times<T: Real, F: Fma>(
    lanes: &[T],
    sums: &mut [T],
    index: &[u32],
    factor: f64,
    column: &[f64],
) {
    for ((lane, place), x) in lanes.iter().zip(index).zip(column) {
        let sum = &mut sums[*place as usize];
        *sum = lane.times_plus::<F>(factor * *x, *sum);
    }
}

/// Writes one and the product of two others, lane by lane.
#[inline(always)]
pub(super) fn sum_with_product<T: Real>(out: &mut [T], sum: &[T], a: &[T], b: &[T]) {
    for (((lane, sum), a), b) in out.iter_mut().zip(sum).zip(a).zip(b) {
        *lane = *sum + *a * *b;
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

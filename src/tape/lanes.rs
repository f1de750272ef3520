//! Loops over lanes that belong to no operation: filling, adding up, and bringing adjoints to a slot.

use super::elementwise::Bar;
use super::elementwise::Scalar;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use std::cell::Cell;
use std::ops::Range;

/// Lanes that are added up side by side, so that the order is the same on every instruction set.
const SIDE_BY_SIDE: usize = 16;
/// The most columns that one loop goes through.
pub(super) const AT_ONCE: usize = 4;

/// A sum of lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum<T>([T; SIDE_BY_SIDE]);

impl<T: Real> Default for Sum<T> {
    #[inline(always)]
    fn default() -> Sum<T> {
        Sum([T::zero(); SIDE_BY_SIDE])
    }
}

impl<T: Real> Sum<T> {
    /// Adds lanes.
    #[inline(always)]
    pub fn add(&mut self, values: &[T]) {
        let chunks = values.chunks_exact(SIDE_BY_SIDE);
        for (sum, value) in self.0.iter_mut().zip(chunks.remainder()) {
            *sum += *value;
        }
        for chunk in chunks {
            for (sum, value) in self.0.iter_mut().zip(chunk) {
                *sum += *value;
            }
        }
    }

    /// Adds lanes that others may write.
    #[inline(always)]
    fn add_cells(&mut self, values: &[Cell<T>]) {
        let chunks = values.chunks_exact(SIDE_BY_SIDE);
        for (sum, value) in self.0.iter_mut().zip(chunks.remainder()) {
            *sum += value.get();
        }
        for chunk in chunks {
            for (sum, value) in self.0.iter_mut().zip(chunk) {
                *sum += value.get();
            }
        }
    }

    /// What it comes to: halved until one number is left.
    #[inline(always)]
    pub fn total(mut self) -> T {
        let mut half = SIDE_BY_SIDE / 2;
        while half > 0 {
            for i in 0..half {
                let other = self.0[i + half];
                self.0[i] += other;
            }
            half /= 2;
        }
        self.0[0]
    }
}

struct Total<'a, T>(&'a [T]);

impl<T: Real> Task for Total<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<F: Fma>(self) -> T {
        let mut sum = Sum::default();
        sum.add(self.0);
        sum.total()
    }
}

/// The sum of some lanes.
pub(super) fn total<T: Scalar>(values: &[T]) -> T {
    T::run(Total(values))
}

struct TotalOfCells<'a, T>(&'a [Cell<T>]);

impl<T: Real> Task for TotalOfCells<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<F: Fma>(self) -> T {
        let mut sum = Sum::default();
        sum.add_cells(self.0);
        sum.total()
    }
}

/// The sum of some lanes that others may write.
pub(super) fn total_of_cells<T: Scalar>(values: &[Cell<T>]) -> T {
    T::run(TotalOfCells(values))
}

struct Spread<'a, T> {
    values: &'a [T],
    step: usize,
    runs: &'a [(usize, Range<usize>)],
    n: usize,
    out: &'a mut [T],
}

impl<T: Real> Task for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        for (k, lanes) in self.out.chunks_exact_mut(self.n).enumerate() {
            for (place, range) in self.runs {
                let value = self.values[k * self.step + place];
                for lane in &mut lanes[range.clone()] {
                    *lane = value;
                }
            }
        }
    }
}

/// Writes each of some components, `step` apart, to runs of lanes that read the same place.
pub(super) fn spread<T: Scalar>(
    values: &[T],
    step: usize,
    runs: &[(usize, Range<usize>)],
    n: usize,
    out: &mut [T],
) {
    T::run(Spread {
        values,
        step,
        runs,
        n,
        out,
    });
}

/// The sum of some lanes, few as a rule, in the order of [`Sum`].
///
/// Fewer than it has numbers are never written to it: a processor waits for numbers that were written one by one before it can read them
/// as a vector.
#[inline(always)]
fn sum_of_run<T: Real>(values: &[Cell<T>]) -> T {
    if values.len() >= SIDE_BY_SIDE {
        let mut sum = Sum::default();
        sum.add_cells(values);
        return sum.total();
    }
    let at = |i: usize| values.get(i).map_or(T::zero(), Cell::get);
    let pair = |i: usize| at(i) + at(i + 8);
    let four = |i: usize| pair(i) + pair(i + 4);
    (four(0) + four(2)) + (four(1) + four(3))
}

struct Gather<'a, T> {
    lanes: &'a [Cell<T>],
    n: usize,
    runs: &'a [(usize, Range<usize>)],
    to: &'a [Cell<T>],
    step: usize,
}

impl<T: Real> Task for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        for (k, lanes) in self.lanes.chunks_exact(self.n).enumerate() {
            for (place, range) in self.runs {
                let to = &self.to[k * self.step + place];
                to.set(to.get() + sum_of_run(&lanes[range.clone()]));
            }
        }
    }
}

/// Adds the sums of runs of lanes to the places that they belong to, those of each component `step` after those of the one before.
pub(super) fn gather<T: Scalar>(
    lanes: &[Cell<T>],
    n: usize,
    runs: &[(usize, Range<usize>)],
    to: &[Cell<T>],
    step: usize,
) {
    T::run(Gather {
        lanes,
        n,
        runs,
        to,
        step,
    });
}

struct Bring<'a, T> {
    from: &'a [T],
    to: &'a [Cell<T>],
    first: bool,
}

impl<T: Real> Task for Bring<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        if self.first {
            for (to, from) in self.to.iter().zip(self.from) {
                to.set(*from);
            }
        } else {
            for (to, from) in self.to.iter().zip(self.from) {
                to.set(to.get() + *from);
            }
        }
    }
}

/// Writes lanes, or, if others came before, adds them.
pub(super) fn bring<T: Scalar>(from: &[T], to: &[Cell<T>], first: bool) {
    T::run(Bring { from, to, first });
}

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

/// Adds Σ number · column, of at most [`AT_ONCE`] of both, to each lane.
#[inline(always)]
pub(super) fn add_products<T: Real, F: Fma>(out: &mut [T], terms: &[(&[T], &[f64])]) {
    match *terms {
        [] => {}
        [a] => add_some_products::<T, F, 1>(out, [a]),
        [a, b] => add_some_products::<T, F, 2>(out, [a, b]),
        [a, b, c] => add_some_products::<T, F, 3>(out, [a, b, c]),
        [a, b, c, d, ..] => add_some_products::<T, F, 4>(out, [a, b, c, d]),
    }
}

#[inline(always)]
fn add_some_products<T: Real, F: Fma, const K: usize>(out: &mut [T], terms: [(&[T], &[f64]); K]) {
    let n = out.len();
    let terms = terms.map(|(numbers, column)| (&numbers[..n], &column[..n]));
    for i in 0..n {
        let mut lane = out[i];
        for (numbers, column) in terms {
            lane = numbers[i].times_plus::<F>(column[i], lane);
        }
        out[i] = lane;
    }
}

struct Take<'a, T> {
    from: &'a mut [T],
    to: &'a mut [T],
}

impl<T: Real> Task for Take<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to += *from;
            *from = T::zero();
        }
    }
}

/// Adds lanes to others, and leaves zeros.
pub(super) fn take<T: Scalar>(from: &mut [T], to: &mut [T]) {
    T::run(Take { from, to });
}

struct BringTimes<'a, T> {
    from: &'a [T],
    times: T,
    to: Bar<'a, T>,
}

impl<T: Real> Task for BringTimes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        match self.to {
            // A zero adjoint stays zero whatever the lanes: they may be infinite.
            Bar::Set(to) if self.times.is_zero() => to.iter().for_each(|to| to.set(T::zero())),
            _ if self.times.is_zero() => {}
            Bar::None => {}
            Bar::Set(to) => {
                for (to, from) in to.iter().zip(self.from) {
                    to.set(self.times * *from);
                }
            }
            Bar::Add(to) => {
                for (to, from) in to.iter().zip(self.from) {
                    to.set(to.get() + self.times * *from);
                }
            }
            Bar::Sum(total) => {
                let mut sum = Sum::default();
                sum.add(self.from);
                total.set(total.get() + self.times * sum.total());
            }
        }
    }
}

/// Brings lanes, times a number, to where they are wanted.
pub(super) fn bring_times<T: Scalar>(from: &[T], times: T, to: Bar<'_, T>) {
    T::run(BringTimes { from, times, to });
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use super::sum_of_run;
    use std::cell::Cell;

    #[test]
    fn short_runs_are_summed_in_the_order_of_long_ones() {
        for len in 0..40 {
            let values: Vec<f64> = (0..len).map(|i| (f64::from(i) * 1.7).sin()).collect();
            let cells: Vec<Cell<f64>> = values.iter().copied().map(Cell::new).collect();
            let mut sum = Sum::default();
            sum.add(&values);
            assert_eq!(sum_of_run(&cells), sum.total(), "{len}");
        }
    }
}

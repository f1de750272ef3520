//! Sums of squared residuals of rows that are held as a triangular factor.

use super::Scalar;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::sum_of;
use crate::tape::elementwise::Bar;
use crate::tape::elementwise::Lanes;
use smallvec::SmallVec;
use std::cell::Cell;

/// The numbers of the first `rows` rows of an upper triangle of `size` columns.
pub(in crate::tape) fn entries(rows: usize, size: usize) -> usize {
    rows * size - rows * rows.saturating_sub(1) / 2
}

/// The first rows of an upper triangle T, of which each lane has one.
#[derive(Clone, Copy)]
pub(in crate::tape) struct Triangle<'a> {
    /// Columns of T.
    pub size: usize,
    /// Entry `e`, row by row, of lane `i` at `e * step + i`.
    pub entries: &'a [f64],
    pub step: usize,
}

impl<'a> Triangle<'a> {
    /// Entry (i, k) of the first `n` lanes.
    #[inline(always)]
    fn entry(self, i: usize, k: usize, n: usize) -> &'a [f64] {
        let at = entries(i, self.size) + k - i;
        &self.entries[at * self.step..][..n]
    }

    /// Writes |T (u, −1)|² of each lane over `out` and the rows of T (u, −1), one after another, over `residuals`.
    pub fn squares<T: Scalar>(self, u: &[Lanes<'_, T>], residuals: &mut [T], out: &mut [T]) {
        T::run(Forward {
            triangle: self,
            u,
            residuals,
            out,
        });
    }

    /// Brings the adjoints of u to where they are wanted, given those of the squares. `memory` holds at least as many numbers as `residuals`.
    pub fn adjoints<T: Scalar>(
        self,
        residuals: &[T],
        y_bar: &[Cell<T>],
        bars: &[Bar<'_, T>],
        memory: &mut [T],
    ) {
        T::run(Backward {
            triangle: self,
            residuals,
            y_bar,
            bars,
            memory,
        });
    }
}

struct Forward<'a, T> {
    triangle: Triangle<'a>,
    u: &'a [Lanes<'a, T>],
    residuals: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Real> Task for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Forward {
            triangle,
            u,
            residuals,
            out,
        } = self;
        let n = out.len();
        out.fill(T::zero());
        for (i, row) in residuals.chunks_exact_mut(n).enumerate() {
            for (row, t) in row.iter_mut().zip(triangle.entry(i, u.len(), n)) {
                *row = T::of(-*t);
            }
            for (k, u) in u.iter().enumerate().skip(i) {
                let t = triangle.entry(i, k, n);
                match u {
                    Lanes::Each(u) => {
                        for ((row, t), u) in row.iter_mut().zip(t).zip(*u) {
                            *row = u.times_plus::<F>(*t, *row);
                        }
                    }
                    Lanes::Same(u) => {
                        for (row, t) in row.iter_mut().zip(t) {
                            *row = u.times_plus::<F>(*t, *row);
                        }
                    }
                }
            }
            for (out, row) in out.iter_mut().zip(&*row) {
                *out += *row * *row;
            }
        }
    }
}

struct Backward<'a, T> {
    triangle: Triangle<'a>,
    residuals: &'a [T],
    y_bar: &'a [Cell<T>],
    bars: &'a [Bar<'a, T>],
    memory: &'a mut [T],
}

impl<T: Real> Task for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Backward {
            triangle,
            residuals,
            y_bar,
            bars,
            memory,
        } = self;
        let (n, memory) = (y_bar.len(), &mut memory[..residuals.len()]);
        for (row_bar, row) in memory.chunks_exact_mut(n).zip(residuals.chunks_exact(n)) {
            for ((row_bar, row), y_bar) in row_bar.iter_mut().zip(row).zip(y_bar) {
                let y_bar = y_bar.get();
                let product = (y_bar + y_bar) * *row;
                // A lane without adjoint adds nothing, whatever its values.
                *row_bar = if y_bar.is_zero() { T::zero() } else { product };
            }
        }
        for (k, bar) in bars.iter().enumerate() {
            let rows = memory.chunks_exact(n).take(k + 1);
            let rows = (rows.enumerate()).map(|(i, row_bar)| (row_bar, triangle.entry(i, k, n)));
            match bar {
                Bar::None => {}
                Bar::Set(to) => add::<T, F>(to, true, rows),
                Bar::Add(to) => add::<T, F>(to, false, rows),
                Bar::Sum(to) => {
                    let mut totals = [T::zero(); 8];
                    for (row_bar, t) in rows {
                        T::dots::<F, 1>([&mut totals], row_bar, [t]);
                    }
                    to.set(to.get() + sum_of(totals));
                }
            }
        }
    }
}

/// Adds products, the first of them, if `first`, written over what there is.
#[inline(always)]
fn add<'a, T: Real, F: Fma>(
    to: &[Cell<T>],
    first: bool,
    rows: impl Iterator<Item = (&'a [T], &'a [f64])>,
) {
    for (i, (row_bar, t)) in rows.enumerate() {
        if first && i == 0 {
            for ((to, row_bar), t) in to.iter().zip(row_bar).zip(t) {
                to.set(row_bar.times_plus::<F>(*t, T::zero()));
            }
        } else {
            for ((to, row_bar), t) in to.iter().zip(row_bar).zip(t) {
                to.set(row_bar.times_plus::<F>(*t, to.get()));
            }
        }
    }
}

/// The numbers of a triangle that comes as an argument.
fn numbers<T: Scalar>(triangle: &[T]) -> Vec<f64> {
    triangle.iter().map(|t| t.value()).collect()
}

/// As [`EventOp::forward`](super::EventOp::forward), for a triangle of so many rows and columns.
pub(super) fn forward<T: Scalar>(
    (rows, size): (usize, usize),
    args: &[&[T]],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    scratch.resize(rows * n, T::zero());
    let triangle = Triangle {
        size,
        entries: &numbers(args[0]),
        step: n,
    };
    let u: SmallVec<[Lanes<'_, T>; 8]> = (args[1..].iter())
        .flat_map(|arg| arg.chunks_exact(n).map(Lanes::Each))
        .collect();
    triangle.squares(&u, scratch, out);
}

/// As [`EventOp::backward`](super::EventOp::backward).
pub(super) fn adjoint<T: Scalar>(
    (rows, size): (usize, usize),
    args: &[&[T]],
    y_bar: &[T],
    n: usize,
    out: &mut [&mut [T]],
    scratch: &mut Vec<T>,
) {
    forward((rows, size), args, n, &mut vec![T::zero(); n], scratch);
    let triangle = Triangle {
        size,
        entries: &numbers(args[0]),
        step: n,
    };
    let mut y_bar = y_bar.to_vec();
    let bars: SmallVec<[Bar<'_, T>; 8]> = (out[1..].iter_mut())
        .flat_map(|bar| Cell::from_mut(&mut **bar).as_slice_of_cells().chunks(n))
        .map(Bar::Add)
        .collect();
    let mut memory = vec![T::zero(); rows * n];
    let y_bar = Cell::from_mut(y_bar.as_mut_slice()).as_slice_of_cells();
    triangle.adjoints(scratch, y_bar, &bars, &mut memory);
}

//! Sums of squared residuals of rows that are held as a triangular factor.

use super::Scalar;
use crate::num::elementary::Fma;
use crate::num::simd::Task;

pub(super) fn forward<T: Scalar>(
    size: usize,
    args: &[&[T]],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    scratch.resize(n, T::zero());
    T::run(Forward {
        rows: Rows { size, n, args },
        row: &mut scratch[..n],
        out,
    });
}

/// Adds to the adjoint of u.
pub(super) fn adjoint<T: Scalar>(
    size: usize,
    args: &[&[T]],
    y_bar: &[T],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    scratch.resize(n, T::zero());
    T::run(Adjoint {
        rows: Rows { size, n, args },
        row: &mut scratch[..n],
        y_bar,
        out,
    });
}

/// The rows of T (u, −1), for `n` lanes.
struct Rows<'a, T> {
    size: usize,
    n: usize,
    /// T and u.
    args: &'a [&'a [T]],
}

impl<'a, T: Scalar> Rows<'a, T> {
    /// Entry (i, k) of T in each lane.
    #[inline(always)]
    fn entry(&self, i: usize, k: usize) -> &'a [T] {
        // Rows before it have size, size − 1, … entries.
        let at = i * self.size - i * i.saturating_sub(1) / 2 + k - i;
        &self.args[0][at * self.n..][..self.n]
    }

    /// Writes row `i`.
    #[inline(always)]
    fn write(&self, i: usize, row: &mut [T]) {
        for (row, t) in row.iter_mut().zip(self.entry(i, self.size - 1)) {
            *row = -*t;
        }
        for k in i..self.size - 1 {
            let u = &self.args[1][k * self.n..][..self.n];
            for ((row, t), u) in row.iter_mut().zip(self.entry(i, k)).zip(u) {
                *row += *t * *u;
            }
        }
    }
}

struct Forward<'a, T> {
    rows: Rows<'a, T>,
    row: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Scalar> Task for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Forward { rows, row, out } = self;
        out.fill(T::zero());
        for i in 0..rows.size {
            rows.write(i, row);
            for (out, row) in out.iter_mut().zip(&*row) {
                *out += *row * *row;
            }
        }
    }
}

struct Adjoint<'a, T> {
    rows: Rows<'a, T>,
    row: &'a mut [T],
    y_bar: &'a [T],
    out: &'a mut [T],
}

impl<T: Scalar> Task for Adjoint<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Adjoint {
            rows,
            row,
            y_bar,
            out,
        } = self;
        for i in 0..rows.size {
            rows.write(i, row);
            for (row, y_bar) in row.iter_mut().zip(y_bar) {
                *row *= *y_bar + *y_bar;
            }
            for (k, out) in out.chunks_exact_mut(rows.n).enumerate().skip(i) {
                let t = rows.entry(i, k);
                for (((out, t), row), y_bar) in out.iter_mut().zip(t).zip(&*row).zip(y_bar) {
                    // A lane without adjoint adds nothing, whatever its values.
                    let product = *t * *row;
                    *out += if y_bar.is_zero() { T::zero() } else { product };
                }
            }
        }
    }
}

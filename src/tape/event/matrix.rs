//! Products, factors and solutions of small matrices.
//!
//! Factors and solutions go lane by lane: a lane's matrices are copied together, worked on, and copied back.

use super::Scalar;
use crate::num::dense;

/// Copies a lane's numbers to `to`.
fn gather<T: Copy>(from: &[T], n: usize, lane: usize, to: &mut [T]) {
    for (k, to) in to.iter_mut().enumerate() {
        *to = from[k * n + lane];
    }
}

/// Copies numbers to a lane.
fn scatter<T: Copy>(from: &[T], n: usize, lane: usize, to: &mut [T]) {
    for (k, &from) in from.iter().enumerate() {
        to[k * n + lane] = from;
    }
}

/// Room for so many numbers.
fn room<T: Scalar>(scratch: &mut Vec<T>, len: usize) -> &mut [T] {
    scratch.clear();
    scratch.resize(len, T::zero());
    scratch
}

/// Whether a lane has an adjoint at all.
fn live<T: Scalar>(y_bar: &[T], n: usize, lane: usize) -> bool {
    y_bar[lane..].iter().step_by(n).any(|bar| !bar.is_zero())
}

pub(super) fn product<T: Scalar>(shape: [usize; 3], args: &[&[T]], n: usize, out: &mut [T]) {
    out.fill(T::zero());
    each_product(shape, |y, a, b| {
        for i in 0..n {
            out[y * n + i] += args[0][a * n + i] * args[1][b * n + i];
        }
    });
}

pub(super) fn product_adjoint<T: Scalar>(
    shape: [usize; 3],
    args: &[&[T]],
    y_bar: &[T],
    n: usize,
    out: &mut [&mut [T]],
) {
    each_product(shape, |y, a, b| {
        for i in 0..n {
            let y_bar = y_bar[y * n + i];
            if !y_bar.is_zero() {
                out[0][a * n + i] += y_bar * args[1][b * n + i];
                out[1][b * n + i] += y_bar * args[0][a * n + i];
            }
        }
    });
}

/// Calls with the places in the result and the factors of each product that a matrix product sums.
fn each_product([rows, inner, columns]: [usize; 3], mut call: impl FnMut(usize, usize, usize)) {
    for r in 0..rows {
        for k in 0..inner {
            for c in 0..columns {
                call(r * columns + c, r * inner + k, k * columns + c);
            }
        }
    }
}

pub(super) fn cholesky<T: Scalar>(
    m: usize,
    arg: &[T],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    let a = room(scratch, m * m);
    for i in 0..n {
        gather(arg, n, i, a);
        dense::cholesky(a, m);
        scatter(a, n, i, out);
    }
}

pub(super) fn cholesky_adjoint<T: Scalar>(
    m: usize,
    y: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    let (l, bar) = room(scratch, 2 * m * m).split_at_mut(m * m);
    for i in (0..n).filter(|&i| live(y_bar, n, i)) {
        gather(y, n, i, l);
        gather(y_bar, n, i, bar);
        dense::cholesky_adjoint(l, bar, m);
        for (r, c) in triangle(m) {
            out[(r * m + c) * n + i] += bar[r * m + c];
        }
    }
}

/// The places of the lower triangle.
fn triangle(m: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..m).flat_map(|r| (0..=r).map(move |c| (r, c)))
}

/// Replaces b by the solution: (matrix, b, rows, columns).
type Solver<T> = fn(&mut [T], &mut [T], usize, usize);

pub(super) fn lower<T: Scalar>(a: &mut [T], b: &mut [T], m: usize, columns: usize) {
    dense::solve_lower(a, b, m, columns);
}

pub(super) fn lower_transposed<T: Scalar>(a: &mut [T], b: &mut [T], m: usize, columns: usize) {
    dense::solve_lower_transposed(a, b, m, columns);
}

pub(super) fn general<T: Scalar>(a: &mut [T], b: &mut [T], m: usize, columns: usize) {
    dense::solve(a, b, m, columns);
}

pub(super) fn solve<T: Scalar>(
    [m, columns]: [usize; 2],
    solver: Solver<T>,
    args: &[&[T]],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    let (a, b) = room(scratch, m * (m + columns)).split_at_mut(m * m);
    for i in 0..n {
        gather(args[0], n, i, a);
        gather(args[1], n, i, b);
        solver(a, b, m, columns);
        scatter(b, n, i, out);
    }
}

/// L⁻¹ B = Y: B̄ = L⁻ᵀ Ȳ, L̄ = −B̄ Yᵀ below the diagonal and on it.
pub(super) fn solve_lower_adjoint<T: Scalar>(
    [m, columns]: [usize; 2],
    args: &[&[T]],
    y: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [&mut [T]],
    scratch: &mut Vec<T>,
) {
    let (l, bar) = room(scratch, m * (m + columns)).split_at_mut(m * m);
    for i in (0..n).filter(|&i| live(y_bar, n, i)) {
        gather(args[0], n, i, l);
        gather(y_bar, n, i, bar);
        dense::solve_lower_transposed(l, bar, m, columns);
        add(bar, n, i, out[1]);
        for (r, c) in triangle(m) {
            for k in 0..columns {
                out[0][(r * m + c) * n + i] -= bar[r * columns + k] * y[(c * columns + k) * n + i];
            }
        }
    }
}

/// L⁻ᵀ B = Y: B̄ = L⁻¹ Ȳ, L̄ = −Y B̄ᵀ below the diagonal and on it.
pub(super) fn solve_lower_transposed_adjoint<T: Scalar>(
    [m, columns]: [usize; 2],
    args: &[&[T]],
    y: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [&mut [T]],
    scratch: &mut Vec<T>,
) {
    let (l, bar) = room(scratch, m * (m + columns)).split_at_mut(m * m);
    for i in (0..n).filter(|&i| live(y_bar, n, i)) {
        gather(args[0], n, i, l);
        gather(y_bar, n, i, bar);
        dense::solve_lower(l, bar, m, columns);
        add(bar, n, i, out[1]);
        for (r, c) in triangle(m) {
            for k in 0..columns {
                out[0][(r * m + c) * n + i] -= y[(r * columns + k) * n + i] * bar[c * columns + k];
            }
        }
    }
}

/// A⁻¹ B = Y: B̄ = A⁻ᵀ Ȳ, Ā = −B̄ Yᵀ.
pub(super) fn solve_adjoint<T: Scalar>(
    [m, columns]: [usize; 2],
    args: &[&[T]],
    y: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [&mut [T]],
    scratch: &mut Vec<T>,
) {
    let (a, bar) = room(scratch, m * (m + columns)).split_at_mut(m * m);
    for i in (0..n).filter(|&i| live(y_bar, n, i)) {
        gather_transposed(args[0], n, i, a, m);
        gather(y_bar, n, i, bar);
        dense::solve(a, bar, m, columns);
        add(bar, n, i, out[1]);
        for r in 0..m {
            for c in 0..m {
                for k in 0..columns {
                    out[0][(r * m + c) * n + i] -=
                        bar[r * columns + k] * y[(c * columns + k) * n + i];
                }
            }
        }
    }
}

pub(super) fn log_det<T: Scalar>(
    m: usize,
    arg: &[T],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    let a = room(scratch, m * m);
    for (i, y) in out.iter_mut().enumerate() {
        gather(arg, n, i, a);
        *y = dense::solve(a, &mut [], m, 0);
    }
}

/// y = log |det A|: Ā = ȳ A⁻ᵀ.
pub(super) fn log_det_adjoint<T: Scalar>(
    m: usize,
    arg: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    let (a, bar) = room(scratch, 2 * m * m).split_at_mut(m * m);
    for i in (0..n).filter(|&i| live(y_bar, n, i)) {
        gather_transposed(arg, n, i, a, m);
        bar.fill(T::zero());
        for k in 0..m {
            bar[k * m + k] = y_bar[i];
        }
        dense::solve(a, bar, m, m);
        add(bar, n, i, out);
    }
}

/// Copies a lane's m × m matrix, transposed, to `to`.
fn gather_transposed<T: Copy>(from: &[T], n: usize, lane: usize, to: &mut [T], m: usize) {
    for r in 0..m {
        for c in 0..m {
            to[r * m + c] = from[(c * m + r) * n + lane];
        }
    }
}

/// Adds numbers to a lane.
fn add<T: Scalar>(from: &[T], n: usize, lane: usize, to: &mut [T]) {
    for (k, &from) in from.iter().enumerate() {
        to[k * n + lane] += from;
    }
}

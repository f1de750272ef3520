//! Products, factors and solutions of small matrices.
//!
//! Products go through all lanes of a block at once. Factors and solutions go lane by lane: a lane's matrices are copied together, worked on, and copied back.

use super::Scalar;
use crate::num::Real;
use crate::num::dense;
use crate::num::elementary::Fma;
use crate::num::simd::Task;

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

/// Adds to each lane of `to` the product of its lanes.
#[inline(always)]
fn add_product<T: Real>(to: &mut [T], a: &[T], b: &[T]) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        *to += *a * *b;
    }
}

/// Adds to each lane of `to` the products of four pairs of lanes, so that it is read and written once for four.
#[inline(always)]
fn add_four_products<T: Real>(to: &mut [T], a: [&[T]; 4], b: [&[T]; 4]) {
    let n = to.len();
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a.map(|a| &a[..n]), b.map(|b| &b[..n]));
    for i in 0..n {
        to[i] += (a0[i] * b0[i] + a1[i] * b1[i]) + (a2[i] * b2[i] + a3[i] * b3[i]);
    }
}

/// A matrix product in each lane: the entries of the result one by one, all lanes at once.
struct Product<'a, T> {
    shape: [usize; 3],
    args: [&'a [T]; 2],
    n: usize,
    out: &'a mut [T],
}

impl<T: Real> Task for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let ([_, inner, columns], n) = (self.shape, self.n);
        let lanes = |from: usize, place: usize| &self.args[from][place * n..(place + 1) * n];
        for (y, out) in self.out.chunks_exact_mut(n).enumerate() {
            let (r, c) = (y / columns, y % columns);
            let (a, b) = (|k| lanes(0, r * inner + k), |k| lanes(1, k * columns + c));
            out.fill(T::zero());
            let fours = inner / 4 * 4;
            for k in (0..fours).step_by(4) {
                let four = [k, k + 1, k + 2, k + 3];
                add_four_products(out, four.map(a), four.map(b));
            }
            for k in fours..inner {
                add_product(out, a(k), b(k));
            }
        }
    }
}

pub(super) fn product<T: Scalar>(shape: [usize; 3], args: &[&[T]], n: usize, out: &mut [T]) {
    let args = [args[0], args[1]];
    T::run(Product {
        shape,
        args,
        n,
        out,
    });
}

/// The adjoints of both factors of a matrix product in each lane.
struct ProductAdjoint<'a, 'b, T> {
    shape: [usize; 3],
    args: [&'a [T]; 2],
    y_bar: &'a [T],
    n: usize,
    out: &'a mut [&'b mut [T]],
}

/// Adds to each lane of `to` the product of its lanes where the first of them is not 0.
#[inline(always)]
fn add_live_product<T: Real>(to: &mut [T], bar: &[T], x: &[T]) {
    for ((to, bar), x) in to.iter_mut().zip(bar).zip(x) {
        let product = *bar * *x;
        *to += if bar.is_zero() { T::zero() } else { product };
    }
}

impl<T: Real> Task for ProductAdjoint<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let ([rows, inner, columns], n) = (self.shape, self.n);
        let [a, b] = self.args;
        for r in 0..rows {
            for k in 0..inner {
                let of_a = (r * inner + k) * n..(r * inner + k + 1) * n;
                for c in 0..columns {
                    let bar = &self.y_bar[(r * columns + c) * n..(r * columns + c + 1) * n];
                    let of_b = (k * columns + c) * n..(k * columns + c + 1) * n;
                    add_live_product(&mut self.out[0][of_a.clone()], bar, &b[of_b.clone()]);
                    add_live_product(&mut self.out[1][of_b], bar, &a[of_a.clone()]);
                }
            }
        }
    }
}

pub(super) fn product_adjoint<T: Scalar>(
    shape: [usize; 3],
    args: &[&[T]],
    y_bar: &[T],
    n: usize,
    out: &mut [&mut [T]],
) {
    let args = [args[0], args[1]];
    T::run(ProductAdjoint {
        shape,
        args,
        y_bar,
        n,
        out,
    });
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

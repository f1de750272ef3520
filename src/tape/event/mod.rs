//! Operations on whole events: picking, stacking, sums, products and factors of small matrices.
//!
//! A matrix is stored in row-major order.

mod gather;
mod matrix;
mod reduce;
pub(super) mod residuals;

use super::elementwise::Scalar;
use std::sync::Arc;

/// An operation on whole events.
#[derive(Clone, Debug, PartialEq)]
pub enum EventOp {
    /// The arguments' numbers one after another.
    Stack,
    /// The numbers at these places of the argument; [`EventOp::ZERO`] gives 0.
    Pick(Arc<[u32]>),
    /// Arguments (base, index): the `width` numbers of `base` that start at `(index − 1) · width`; the index is data, from 1.
    /// NaN where there are none.
    PickAt {
        /// Numbers taken.
        width: usize,
    },
    /// The sum; width 1.
    Sum,
    /// The smallest; width 1. The first of equal ones takes the derivative.
    Min,
    /// The largest; width 1. The first of equal ones takes the derivative.
    Max,
    /// log Σ exp; width 1.
    LogSumExp,
    /// Running sums; the same width.
    CumulativeSum,
    /// Arguments (a, b) of equal width: Σ aₖ bₖ.
    Dot,
    /// Arguments (T, w, u, …), w of width 1, the numbers of u one argument after another: w |T (u, −1)|² for the first rows of an upper
    /// triangle T, row by row, which is data; width 1. With the whole factor T of rows (x, y) and w = 1 it is the sum of their squared
    /// residuals y − x·u.
    SquaredResiduals {
        /// Rows of T.
        rows: usize,
        /// Columns of T.
        size: usize,
    },
    /// Arguments (A, B): the matrix product, `rows × inner` times `inner × columns`.
    Product {
        /// Rows of A.
        rows: usize,
        /// Columns of A.
        inner: usize,
        /// Columns of B.
        columns: usize,
    },
    /// The lower Cholesky factor of a symmetric positive definite n × n matrix (its lower triangle is read); NaN when it is not.
    Cholesky(usize),
    /// Arguments (L, B): L⁻¹ B for a lower triangular n × n matrix (its lower triangle is read) and n × columns right sides.
    SolveLower {
        /// Rows of L.
        n: usize,
        /// Columns of B.
        columns: usize,
    },
    /// Arguments (L, B): L⁻ᵀ B.
    SolveLowerTransposed {
        /// Rows of L.
        n: usize,
        /// Columns of B.
        columns: usize,
    },
    /// Arguments (A, B): A⁻¹ B for any invertible A.
    Solve {
        /// Rows of A.
        n: usize,
        /// Columns of B.
        columns: usize,
    },
    /// log |det A| of an n × n matrix; width 1.
    LogDet(usize),
}

impl EventOp {
    /// In [`EventOp::Pick`]: no place; the number is 0.
    pub const ZERO: u32 = u32::MAX;

    /// The numbers of its result, given those of its arguments.
    pub fn width(&self, args: &[usize]) -> usize {
        match self {
            EventOp::Stack => args.iter().sum(),
            EventOp::Pick(places) => places.len(),
            EventOp::PickAt { width } => *width,
            EventOp::Sum
            | EventOp::Min
            | EventOp::Max
            | EventOp::LogSumExp
            | EventOp::Dot
            | EventOp::SquaredResiduals { .. }
            | EventOp::LogDet(_) => 1,
            EventOp::CumulativeSum => args[0],
            EventOp::Product { rows, columns, .. } => rows * columns,
            EventOp::Cholesky(n) => n * n,
            EventOp::SolveLower { n, columns }
            | EventOp::SolveLowerTransposed { n, columns }
            | EventOp::Solve { n, columns } => n * columns,
        }
    }

    /// Writes its values for `n` lanes: of an argument or a result, component `k` of lane `i` stands at `k * n + i`.
    ///
    /// `scratch` is memory that may be used again for the next call.
    pub fn forward<T: Scalar>(&self, args: &[&[T]], n: usize, out: &mut [T], scratch: &mut Vec<T>) {
        match self {
            EventOp::Stack => gather::stack(args, out),
            EventOp::Pick(places) => gather::pick(places, args[0], n, out),
            EventOp::PickAt { .. } => gather::pick_at(args[0], args[1], n, out),
            EventOp::Sum => reduce::sum(args[0], out),
            EventOp::Min => reduce::extreme(args[0], n, out, f64::lt),
            EventOp::Max => reduce::extreme(args[0], n, out, f64::gt),
            EventOp::LogSumExp => reduce::log_sum_exp(args[0], n, out, scratch),
            EventOp::CumulativeSum => reduce::cumulative_sum(args[0], n, out),
            EventOp::Dot => reduce::dot(args[0], args[1], out),
            EventOp::SquaredResiduals { rows, size } => {
                residuals::forward((*rows, *size), args, n, out, scratch);
            }
            EventOp::Product {
                rows,
                inner,
                columns,
            } => {
                matrix::product([*rows, *inner, *columns], args, n, out);
            }
            EventOp::Cholesky(m) => matrix::cholesky(*m, args[0], n, out, scratch),
            EventOp::SolveLower { n: m, columns } => {
                matrix::solve([*m, *columns], matrix::lower, args, n, out, scratch);
            }
            EventOp::SolveLowerTransposed { n: m, columns } => {
                matrix::solve(
                    [*m, *columns],
                    matrix::lower_transposed,
                    args,
                    n,
                    out,
                    scratch,
                );
            }
            EventOp::Solve { n: m, columns } => {
                matrix::solve([*m, *columns], matrix::general, args, n, out, scratch);
            }
            EventOp::LogDet(m) => matrix::log_det(*m, args[0], n, out, scratch),
        }
    }

    /// Adds to `out`, for each argument, the adjoint that the result's adjoint `y_bar` gives it; `y` is the result.
    ///
    /// An index has no adjoint, nor has a triangle that is data. A lane whose adjoint is zero adds nothing, whatever the values that have one.
    pub fn backward<T: Scalar>(
        &self,
        args: &[&[T]],
        y: &[T],
        y_bar: &[T],
        n: usize,
        out: &mut [&mut [T]],
        scratch: &mut Vec<T>,
    ) {
        match self {
            EventOp::Stack => gather::stack_adjoint(y_bar, out),
            EventOp::Pick(places) => gather::pick_adjoint(places, y_bar, n, out[0]),
            EventOp::PickAt { .. } => gather::pick_at_adjoint(args[1], y_bar, n, out[0]),
            EventOp::Sum => reduce::sum_adjoint(y_bar, out[0]),
            EventOp::Min => reduce::extreme_adjoint(args[0], y_bar, n, out[0], f64::lt),
            EventOp::Max => reduce::extreme_adjoint(args[0], y_bar, n, out[0], f64::gt),
            EventOp::LogSumExp => reduce::log_sum_exp_adjoint(args[0], y, y_bar, out[0]),
            EventOp::CumulativeSum => reduce::cumulative_sum_adjoint(y_bar, n, out[0], scratch),
            EventOp::Dot => reduce::dot_adjoint(args, y_bar, out),
            EventOp::SquaredResiduals { rows, size } => {
                residuals::adjoint((*rows, *size), args, y_bar, n, out, scratch);
            }
            EventOp::Product {
                rows,
                inner,
                columns,
            } => {
                matrix::product_adjoint([*rows, *inner, *columns], args, y_bar, n, out);
            }
            EventOp::Cholesky(m) => matrix::cholesky_adjoint(*m, y, y_bar, n, out[0], scratch),
            EventOp::SolveLower { n: m, columns } => {
                matrix::solve_lower_adjoint([*m, *columns], args, y, y_bar, n, out, scratch);
            }
            EventOp::SolveLowerTransposed { n: m, columns } => {
                matrix::solve_lower_transposed_adjoint(
                    [*m, *columns],
                    args,
                    y,
                    y_bar,
                    n,
                    out,
                    scratch,
                );
            }
            EventOp::Solve { n: m, columns } => {
                matrix::solve_adjoint([*m, *columns], args, y, y_bar, n, out, scratch);
            }
            EventOp::LogDet(m) => matrix::log_det_adjoint(*m, args[0], y_bar, n, out[0], scratch),
        }
    }
}

#[cfg(test)]
mod tests;

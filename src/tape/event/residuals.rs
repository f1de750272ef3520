//! Sums of squared residuals of rows that are held as a triangular factor.

use super::Scalar;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::squares::Squares;
use crate::num::sums::sum_of;
use crate::tape::elementwise::Bar;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::Seed;
use crate::tape::lanes;
use crate::tape::lanes::AT_ONCE;
use smallvec::SmallVec;
use std::cell::Cell;

/// The numbers of the first `rows` rows of an upper triangle of `size` columns.
pub(in crate::tape) fn entries(rows: usize, size: usize) -> usize {
    rows * size - rows * rows.saturating_sub(1) / 2
}

/// The first rows of an upper triangle T, of which each lane has one.
#[derive(Clone, Copy)]
pub(in crate::tape) struct Triangle<'a> {
    /// Rows and columns of T.
    pub rows: usize,
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

    /// Writes w |T (u, −1)|² of each lane over `out`; and over `squares` what w multiplies, then the rows of T (u, −1), one after another.
    pub fn forward<T: Scalar>(
        self,
        w: Lanes<'_, T>,
        u: &[Lanes<'_, T>],
        squares: &mut [T],
        out: &mut [T],
    ) {
        T::run(Forward {
            triangle: self,
            w,
            u,
            squares,
            out,
        });
    }

    /// For r = T (u, −1), whose first numbers u differ from lane to lane, as many as there are rows, and others do not: writes the product of
    /// r with the column of each of the first over `slopes`, lane by lane, one after another; and over `sums` the sum of |r|² over the
    /// lanes, and behind that for each number of u, if it is no first one, that of the product of r with its column.
    pub fn sum_up<T: Scalar>(self, u: &[Lanes<'_, T>], slopes: &mut [T], sums: &mut [T]) {
        T::run(SumUp {
            triangle: self,
            u,
            slopes,
            sums,
        });
    }

    /// Brings the adjoints of w and u, `bars`, to where they are wanted, given those of the values. `memory` is for as many numbers as
    /// `squares`, which [`Triangle::forward`] wrote.
    pub fn adjoints<T: Scalar>(
        self,
        w: Lanes<'_, T>,
        squares: &[T],
        y_bar: Seed<'_, T>,
        bars: (Bar<'_, T>, &[Bar<'_, T>]),
        memory: &mut [T],
    ) {
        T::run(Backward {
            triangle: self,
            w,
            squares,
            y_bar,
            bars,
            memory: &mut memory[..squares.len()],
            n: squares.len() / (1 + self.rows),
        });
    }
}

struct Forward<'a, T> {
    triangle: Triangle<'a>,
    w: Lanes<'a, T>,
    u: &'a [Lanes<'a, T>],
    squares: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Real> Task for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Forward {
            triangle,
            w,
            u,
            squares,
            out,
        } = self;
        let n = out.len();
        let (squares, residuals) = squares.split_at_mut(n);
        squares.fill(T::zero());
        residuals_of::<T, F>(triangle, u, residuals);
        for row in residuals.chunks_exact(n) {
            for (square, row) in squares.iter_mut().zip(row) {
                *square += *row * *row;
            }
        }
        match w {
            Lanes::Each(w) => {
                for ((out, square), w) in out.iter_mut().zip(squares).zip(w) {
                    *out = *w * *square;
                }
            }
            Lanes::Same(w) => {
                for (out, square) in out.iter_mut().zip(squares) {
                    *out = w * *square;
                }
            }
        }
    }
}

/// Writes the rows of T (u, −1), one after another.
#[inline(always)]
fn residuals_of<T: Real, F: Fma>(triangle: Triangle<'_>, u: &[Lanes<'_, T>], out: &mut [T]) {
    let n = out.len() / triangle.rows.max(1);
    let mut same: SmallVec<[(T, &[f64]); 8]> = SmallVec::new();
    let mut each: SmallVec<[(&[T], &[f64]); 8]> = SmallVec::new();
    for (i, row) in out.chunks_exact_mut(n.max(1)).enumerate() {
        same.clear();
        each.clear();
        same.push((T::of(-1.0), triangle.entry(i, u.len(), n)));
        for (k, u) in u.iter().enumerate().skip(i) {
            let t = triangle.entry(i, k, n);
            match u {
                Lanes::Each(u) => each.push((u, t)),
                Lanes::Same(u) => same.push((*u, t)),
            }
        }
        let (first, more) = same.split_at(same.len().min(AT_ONCE));
        lanes::add_columns::<T, F, true>(row, T::zero(), first);
        for more in more.chunks(AT_ONCE) {
            lanes::add_columns::<T, F, false>(row, T::zero(), more);
        }
        for some in each.chunks(AT_ONCE) {
            lanes::add_products::<T, F>(row, some);
        }
    }
}

struct SumUp<'a, T> {
    triangle: Triangle<'a>,
    u: &'a [Lanes<'a, T>],
    slopes: &'a mut [T],
    sums: &'a mut [T],
}

impl<T: Real> Task for SumUp<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(mut self) {
        let found = match self.triangle.rows {
            1 => self.by_vectors::<F, 1>(),
            2 => self.by_vectors::<F, 2>(),
            3 => self.by_vectors::<F, 3>(),
            _ => false,
        };
        if !found {
            self.row_by_row::<F>();
        }
    }
}

impl<T: Real> SumUp<'_, T> {
    /// Where there are vectors by name, and few numbers that all lanes share; gives whether there are.
    #[inline(always)]
    fn by_vectors<F: Fma, const R: usize>(&mut self) -> bool {
        match self.u.len() - R {
            0 => self.in_one_loop::<F, R, 0>(),
            1 => self.in_one_loop::<F, R, 1>(),
            2 => self.in_one_loop::<F, R, 2>(),
            3 => self.in_one_loop::<F, R, 3>(),
            4 => self.in_one_loop::<F, R, 4>(),
            _ => false,
        }
    }

    #[inline(always)]
    fn in_one_loop<F: Fma, const R: usize, const K: usize>(&mut self) -> bool {
        let (triangle, n) = (self.triangle, self.slopes.len() / R);
        // What is below the diagonal is not looked at.
        let column = |k: usize| std::array::from_fn(|i: usize| triangle.entry(i.min(k), k, n));
        let mut slopes = self.slopes.chunks_exact_mut(n);
        let found = T::squares::<F, R, K>(Squares {
            own: std::array::from_fn(column),
            same: std::array::from_fn(|k| column(R + k)),
            last: column(R + K),
            u: std::array::from_fn(|k| match self.u[k] {
                Lanes::Each(u) => u,
                Lanes::Same(_) => unreachable!("as many numbers as rows differ"),
            }),
            v: std::array::from_fn(|k| match self.u[R + k] {
                Lanes::Each(_) => unreachable!("no more numbers differ"),
                Lanes::Same(v) => v,
            }),
            slopes: std::array::from_fn(|_| {
                slopes.next().expect("there are slopes for each number")
            }),
        });
        let Some((squares, products)) = found else {
            return false;
        };
        self.sums[0] = squares;
        self.sums[1 + R..].copy_from_slice(&products);
        true
    }

    #[inline(always)]
    fn row_by_row<F: Fma>(&mut self) {
        let SumUp {
            triangle,
            u,
            slopes,
            sums,
        } = self;
        let n = slopes.len() / triangle.rows;
        residuals_of::<T, F>(*triangle, u, slopes);
        let mut squares = T::zero();
        for r in &**slopes {
            squares += *r * *r;
        }
        sums[0] = squares;
        for (k, sum) in sums[1..].iter_mut().enumerate().skip(triangle.rows) {
            let mut totals = [T::zero(); 8];
            for (i, row) in slopes.chunks_exact(n).enumerate() {
                T::dots::<F, 1>([&mut totals], row, [triangle.entry(i, k, n)]);
            }
            *sum = sum_of(totals);
        }
        // From the last: each takes the rows up to its own.
        for k in (0..triangle.rows).rev() {
            let (before, rest) = slopes.split_at_mut(k * n);
            let own = &mut rest[..n];
            for (r, t) in own.iter_mut().zip(triangle.entry(k, k, n)) {
                *r *= T::of(*t);
            }
            for (i, row) in before.chunks_exact(n).enumerate() {
                for ((slope, r), t) in own.iter_mut().zip(row).zip(triangle.entry(i, k, n)) {
                    *slope = r.times_plus::<F>(*t, *slope);
                }
            }
        }
    }
}

struct Backward<'a, T> {
    triangle: Triangle<'a>,
    w: Lanes<'a, T>,
    squares: &'a [T],
    y_bar: Seed<'a, T>,
    bars: (Bar<'a, T>, &'a [Bar<'a, T>]),
    memory: &'a mut [T],
    n: usize,
}

impl<T: Real> Task for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Backward {
            triangle,
            w,
            squares,
            y_bar,
            bars: (w_bar, bars),
            memory,
            n,
        } = self;
        let (squares, residuals) = squares.split_at(n);
        let (lanes, row_bars) = memory.split_at_mut(n);
        let seeds = lanes.iter_mut();
        match y_bar {
            Seed::Same(y_bar) => seeds.for_each(|seed| *seed = y_bar),
            Seed::Each(y_bar) => seeds.zip(y_bar).for_each(|(seed, y_bar)| *seed = *y_bar),
            Seed::Cells(y_bar) => {
                (seeds.zip(y_bar)).for_each(|(seed, y_bar)| *seed = y_bar.get());
            }
        }
        // A lane without adjoint adds nothing, whatever its values.
        let zero = |seed: T, product: T| if seed.is_zero() { T::zero() } else { product };
        for (row_bar, row) in row_bars.chunks_exact_mut(n).zip(residuals.chunks_exact(n)) {
            match w {
                Lanes::Each(w) => {
                    for (((row_bar, row), seed), w) in
                        row_bar.iter_mut().zip(row).zip(&*lanes).zip(w)
                    {
                        *row_bar = zero(*seed, (*seed + *seed) * *w * *row);
                    }
                }
                Lanes::Same(w) => {
                    for ((row_bar, row), seed) in row_bar.iter_mut().zip(row).zip(&*lanes) {
                        *row_bar = zero(*seed, (*seed + *seed) * w * *row);
                    }
                }
            }
        }
        for (seed, square) in lanes.iter_mut().zip(squares) {
            *seed = zero(*seed, *seed * *square);
        }
        match w_bar {
            Bar::None => {}
            Bar::Set(to) => to.iter().zip(&*lanes).for_each(|(to, lane)| to.set(*lane)),
            Bar::Add(to) => {
                (to.iter().zip(&*lanes)).for_each(|(to, lane)| to.set(to.get() + *lane));
            }
            Bar::Sum(to) => {
                let mut totals = [T::zero(); 8];
                T::sums::<F>(&mut totals, lanes);
                to.set(to.get() + sum_of(totals));
            }
        }
        for (k, bar) in bars.iter().enumerate() {
            let rows = row_bars.chunks_exact(n).take(k + 1);
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

/// The triangle that comes as an argument.
fn numbers<T: Scalar>(triangle: &[T]) -> Vec<f64> {
    triangle.iter().map(|t| t.value()).collect()
}

/// The numbers of further arguments.
fn each<'a, T>(args: &'a [&'a [T]], n: usize) -> SmallVec<[Lanes<'a, T>; 8]> {
    (args.iter())
        .flat_map(|arg| arg.chunks_exact(n).map(Lanes::Each))
        .collect()
}

/// As [`EventOp::forward`](super::EventOp::forward), for a triangle of so many rows and columns.
pub(super) fn forward<T: Scalar>(
    (rows, size): (usize, usize),
    args: &[&[T]],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    scratch.resize((1 + rows) * n, T::zero());
    let triangle = Triangle {
        rows,
        size,
        entries: &numbers(args[0]),
        step: n,
    };
    triangle.forward(Lanes::Each(args[1]), &each(&args[2..], n), scratch, out);
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
        rows,
        size,
        entries: &numbers(args[0]),
        step: n,
    };
    let mut bars: SmallVec<[Bar<'_, T>; 8]> = (out[1..].iter_mut())
        .flat_map(|bar| Cell::from_mut(&mut **bar).as_slice_of_cells().chunks(n))
        .map(Bar::Add)
        .collect();
    let w_bar = bars.remove(0);
    let mut memory = vec![T::zero(); scratch.len()];
    triangle.adjoints(
        Lanes::Each(args[1]),
        scratch,
        Seed::Each(y_bar),
        (w_bar, &bars),
        &mut memory,
    );
}

//! Products of a matrix that runs of elements share with a vector of each element: the weights of a layer, of a task or of all.
//!
//! The matrix is copied together once for each run and not written to every lane; an element's product then goes through whole columns of
//! it, and its adjoint through whole rows.

use super::block::Adjoints;
use super::block::Sweep;
use super::elementwise::Scalar;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use std::cell::Cell;
use std::ops::Range;

/// Fewer rows are too few for loops over them.
pub(super) const FEWEST_ROWS: usize = 4;

/// The matrices of the runs of a block.
#[derive(Clone, Copy)]
struct Matrices<'a, T> {
    rows: usize,
    columns: usize,
    /// Entry `k` of the matrix of place `p` at `k * step + p`, row after row.
    entries: &'a [T],
    step: usize,
    /// The places, and the lanes that share each.
    runs: &'a [(usize, Range<usize>)],
    /// Lanes of the block: component `k` of lane `i` of a vector stands at `k * n + i`.
    n: usize,
}

/// Where the adjoints of entries are gathered: entry `k` of place `p` at `k * step + p − first`, from `start` on.
#[derive(Clone, Copy)]
struct Entries<'a, T> {
    cells: &'a [Cell<T>],
    start: usize,
    first: usize,
    step: usize,
}

impl<T: Scalar> Sweep<'_, T> {
    /// Writes the product of the matrix that is a source with the vector of each lane.
    pub(super) fn product(
        &self,
        source: usize,
        shape: (usize, usize),
        x: &[T],
        out: &mut [T],
        scratch: &mut Vec<T>,
    ) {
        let runs = self.shared(&self.stage.sources[source]);
        forward(self.matrices(source, shape, &runs), x, out, scratch);
    }

    /// Writes the adjoints of the vectors to `x_bar`, and adds those of the matrix to where they are gathered.
    pub(super) fn product_adjoint(
        &self,
        source: usize,
        shape: (usize, usize),
        (x, y_bar): (&[T], &[T]),
        x_bar: &mut [T],
        to: Adjoints<'_, T>,
        scratch: &mut Vec<T>,
    ) {
        let runs = self.shared(&self.stage.sources[source]);
        let matrices = self.matrices(source, shape, &runs);
        let view = self.chunk.bars[source];
        let entries = Entries {
            cells: to.gathered,
            start: view.start,
            first: view.first,
            step: view.len,
        };
        backward(matrices, (x, y_bar), x_bar, entries, scratch);
    }

    fn matrices<'m>(
        &'m self,
        source: usize,
        (rows, columns): (usize, usize),
        runs: &'m [(usize, Range<usize>)],
    ) -> Matrices<'m, T> {
        let source = &self.stage.sources[source];
        Matrices {
            rows,
            columns,
            entries: self.read(source, 0).unwrap_or_default(),
            step: source.len,
            runs,
            n: self.block.n,
        }
    }
}

/// Room for so many numbers, whatever they are.
fn room<T: Real>(scratch: &mut Vec<T>, len: usize) -> &mut [T] {
    if scratch.len() < len {
        scratch.resize(len, T::zero());
    }
    &mut scratch[..len]
}

impl<T: Real> Matrices<'_, T> {
    fn size(&self) -> usize {
        self.rows * self.columns
    }

    /// Copies the matrices together, one after another, entry `k` to `place(k)`.
    #[inline(always)]
    fn load(&self, to: &mut [T], place: impl Fn(usize) -> usize) {
        let size = self.size();
        // Runs that follow each other read numbers that stand side by side.
        for k in 0..size {
            let at = place(k);
            for (run, (from, _)) in self.runs.iter().enumerate() {
                to[run * size + at] = self.entries[k * self.step + from];
            }
        }
    }
}

/// Copies a lane of a vector together.
#[inline(always)]
fn lane<T: Real>(from: &[T], n: usize, lane: usize, to: &mut [T]) {
    for (k, to) in to.iter_mut().enumerate() {
        *to = from[k * n + lane];
    }
}

/// Adds Σ column · number, of four columns, so that the sums are read and written once for four.
#[inline(always)]
fn add_four<T: Real>(to: &mut [T], columns: [&[T]; 4], x: [T; 4]) {
    let n = to.len();
    let [a, b, c, d] = columns.map(|column| &column[..n]);
    for i in 0..n {
        to[i] += (a[i] * x[0] + b[i] * x[1]) + (c[i] * x[2] + d[i] * x[3]);
    }
}

struct Forward<'a, T> {
    matrices: Matrices<'a, T>,
    x: &'a [T],
    out: &'a mut [T],
    scratch: &'a mut Vec<T>,
}

impl<T: Real> Task for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Matrices {
            rows,
            columns,
            runs,
            n,
            ..
        } = self.matrices;
        let size = self.matrices.size();
        let scratch = room(self.scratch, runs.len() * size + rows + columns);
        let (all, rest) = scratch.split_at_mut(runs.len() * size);
        let (sums, x) = rest.split_at_mut(rows);
        self.matrices
            .load(all, |k| k % columns * rows + k / columns);
        for ((_, range), matrix) in runs.iter().zip(all.chunks_exact(size)) {
            let column = |k: usize| &matrix[k * rows..][..rows];
            for i in range.clone() {
                lane(self.x, n, i, x);
                sums.fill(T::zero());
                let fours = columns / 4 * 4;
                for k in (0..fours).step_by(4) {
                    let four = [k, k + 1, k + 2, k + 3];
                    add_four(sums, four.map(column), four.map(|k| x[k]));
                }
                for (k, x) in x.iter().enumerate().skip(fours) {
                    for (sum, entry) in sums.iter_mut().zip(column(k)) {
                        *sum += *entry * *x;
                    }
                }
                for (r, sum) in sums.iter().enumerate() {
                    self.out[r * n + i] = *sum;
                }
            }
        }
    }
}

/// Writes the product of its matrix and its vector for each lane.
fn forward<T: Scalar>(matrices: Matrices<'_, T>, x: &[T], out: &mut [T], scratch: &mut Vec<T>) {
    T::run(Forward {
        matrices,
        x,
        out,
        scratch,
    });
}

struct Backward<'a, T> {
    matrices: Matrices<'a, T>,
    x: &'a [T],
    y_bar: &'a [T],
    x_bar: &'a mut [T],
    entries: Entries<'a, T>,
    scratch: &'a mut Vec<T>,
}

impl<T: Real> Task for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Matrices {
            rows,
            columns,
            runs,
            n,
            ..
        } = self.matrices;
        let size = self.matrices.size();
        let all = runs.len() * size;
        let scratch = room(self.scratch, 2 * all + rows + 2 * columns);
        let (all, rest) = scratch.split_at_mut(all);
        let (bars, rest) = rest.split_at_mut(all.len());
        let (y_bar, rest) = rest.split_at_mut(rows);
        let (x, x_bar) = rest.split_at_mut(columns);
        self.matrices.load(all, |k| k);
        bars.fill(T::zero());
        let matrices = all.chunks_exact(size).zip(bars.chunks_exact_mut(size));
        for ((_, range), (matrix, bars)) in runs.iter().zip(matrices) {
            for i in range.clone() {
                lane(self.x, n, i, x);
                lane(self.y_bar, n, i, y_bar);
                x_bar.fill(T::zero());
                let each = matrix.chunks_exact(columns);
                for ((row, bars), bar) in each.zip(bars.chunks_exact_mut(columns)).zip(y_bar.iter())
                {
                    // A zero adjoint adds nothing whatever the numbers.
                    if bar.is_zero() {
                        continue;
                    }
                    let numbers = x_bar.iter_mut().zip(bars).zip(row.iter().zip(x.iter()));
                    for ((x_bar, bars), (entry, x)) in numbers {
                        *x_bar += *entry * *bar;
                        *bars += *x * *bar;
                    }
                }
                for (k, bar) in x_bar.iter().enumerate() {
                    self.x_bar[k * n + i] = *bar;
                }
            }
        }
        let to = self.entries;
        for k in 0..size {
            for (run, (place, _)) in runs.iter().enumerate() {
                let cell = &to.cells[to.start + k * to.step + place - to.first];
                cell.set(cell.get() + bars[run * size + k]);
            }
        }
    }
}

/// Writes the adjoints of the vectors to `x_bar`, and adds those of the entries to where they are gathered.
fn backward<T: Scalar>(
    matrices: Matrices<'_, T>,
    (x, y_bar): (&[T], &[T]),
    x_bar: &mut [T],
    entries: Entries<'_, T>,
    scratch: &mut Vec<T>,
) {
    T::run(Backward {
        matrices,
        x,
        y_bar,
        x_bar,
        entries,
        scratch,
    });
}

#[cfg(test)]
mod tests {
    use super::Entries;
    use super::Matrices;
    use super::backward;
    use super::forward;
    use std::cell::Cell;
    use std::ops::Range;

    const RUNS: [(usize, Range<usize>); 3] = [(1, 0..3), (2, 3..4), (4, 4..6)];
    const SHAPE: (usize, usize) = (5, 6);
    const N: usize = 6;

    fn numbers(len: usize, pace: f64) -> Vec<f64> {
        (0..len).map(|k| (pace * k as f64).sin()).collect()
    }

    fn matrices(entries: &[f64]) -> Matrices<'_, f64> {
        Matrices {
            rows: SHAPE.0,
            columns: SHAPE.1,
            entries,
            step: 7,
            runs: &RUNS,
            n: N,
        }
    }

    /// Entry `(r, c)` of the matrix of lane `i`.
    fn entry(entries: &[f64], (r, c): (usize, usize), i: usize) -> f64 {
        let run = RUNS.iter().find(|(_, lanes)| lanes.contains(&i));
        entries[(r * SHAPE.1 + c) * 7 + run.expect("every lane has a run").0]
    }

    #[test]
    fn each_lane_has_the_product_of_its_own() {
        let (rows, columns) = SHAPE;
        let (entries, x) = (numbers(7 * rows * columns, 0.7), numbers(columns * N, 1.3));
        let mut out = vec![f64::NAN; rows * N];
        forward(matrices(&entries), &x, &mut out, &mut vec![f64::NAN; 3]);
        for r in 0..rows {
            for i in 0..N {
                let by_hand: f64 = (0..columns)
                    .map(|c| entry(&entries, (r, c), i) * x[c * N + i])
                    .sum();
                assert!((out[r * N + i] - by_hand).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_zero_adjoint_adds_nothing_whatever_the_numbers() {
        let (rows, columns) = SHAPE;
        let (mut entries, mut x) = (numbers(7 * rows * columns, 0.7), numbers(columns * N, 1.3));
        let mut y_bar = numbers(rows * N, 0.9);
        // The second row of the matrix of the only lane of place 2, and the vector of lane 5.
        (0..columns).for_each(|c| entries[(columns + c) * 7 + 2] = f64::INFINITY);
        y_bar[N + 3] = 0.0;
        (0..columns).for_each(|c| x[c * N + 5] = f64::NAN);
        (0..rows).for_each(|r| y_bar[r * N + 5] = 0.0);
        let mut x_bar = vec![f64::NAN; columns * N];
        // The adjoints of places 1 to 4 of each entry, behind two other numbers.
        let gathered = vec![Cell::new(0.5); 2 + 4 * rows * columns];
        let to = Entries {
            cells: &gathered,
            start: 2,
            first: 1,
            step: 4,
        };
        let matrices = matrices(&entries);
        backward(matrices, (&x, &y_bar), &mut x_bar, to, &mut Vec::new());
        let product = |bar: f64, number: f64| if bar == 0.0 { 0.0 } else { bar * number };
        for c in 0..columns {
            for i in 0..N {
                let by_hand: f64 = (0..rows)
                    .map(|r| product(y_bar[r * N + i], entry(&entries, (r, c), i)))
                    .sum();
                assert!((x_bar[c * N + i] - by_hand).abs() < 1e-14);
            }
            for r in 0..rows {
                for (place, lanes) in RUNS {
                    let by_hand: f64 = lanes.map(|i| product(y_bar[r * N + i], x[c * N + i])).sum();
                    let found = gathered[2 + (r * columns + c) * 4 + place - 1].get();
                    assert!((found - 0.5 - by_hand).abs() < 1e-14);
                }
            }
        }
        assert!(gathered[..2].iter().all(|cell| cell.get() == 0.5));
    }
}

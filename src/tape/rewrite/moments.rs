//! Sums of squares of rows, held as triangular factors.
//!
//! For rows xᵢ with weights wᵢ, n = Σ wᵢ and the mean m, the centred columns √wᵢ (xᵢ − m) have a factorisation Q R with R upper
//! triangular, so that Σ wᵢ (xᵢ·v)² = n (m·v)² + |R v|² for every v. R is found by Householder's reflections (Golub and Van Loan,
//! Matrix Computations, algorithm 5.2.1), not from products of columns, so that no figures are lost where columns are nearly
//! dependent or residuals small. Parts a and b are joined by the updating formula of Chan, Golub and LeVeque (The American
//! Statistician 37, 1983, pages 242–247): beside both factors stands one row √(nₐ n_b / (nₐ + n_b)) (m_b − mₐ).

use crate::num::elementary::Fma;
use crate::num::elementary::Unfused;
use crate::num::simd;
use crate::num::simd::Task;
use crate::tape::affine::Column;
use rayon::prelude::*;

/// Rows that are factored at once.
const PART: usize = 512;
/// Triangles that are stacked at once.
const AT_ONCE: usize = 32;

/// Numbers of an upper triangle of this size, row by row.
pub(super) fn triangle(size: usize) -> usize {
    size * (size + 1) / 2
}

/// Columns of rows.
pub(super) struct Columns<'a> {
    pub columns: &'a [Column],
    /// Added to the last column of each row.
    pub constant: f64,
    /// The weight of each row; `None` where all are 1.
    pub weights: Option<&'a [f64]>,
}

/// Rows in the order of the cells that they lie in.
pub(super) struct Cells {
    /// Their numbers in that order; `None` where they stand in it.
    order: Option<Vec<u32>>,
    /// For each cell the first place in the order, and the end.
    starts: Vec<u32>,
}

/// Some rows of a cell, in their order.
#[derive(Clone, Copy)]
pub(super) enum CellRows<'a> {
    /// Neighbours: the first, and how many.
    Side(usize, usize),
    /// These.
    Listed(&'a [u32]),
}

impl Cells {
    /// The rows of each of `cells`, given the cell of each row; rows beyond lie in none.
    pub fn of(cell: &[u32], cells: usize) -> Cells {
        let mut starts = vec![0; cells + 1];
        for cell in cell.iter().filter(|c| (**c as usize) < cells) {
            starts[*cell as usize + 1] += 1;
        }
        for i in 0..cells {
            starts[i + 1] += starts[i];
        }
        if starts[cells] as usize == cell.len() && cell.is_sorted() {
            return Cells {
                order: None,
                starts,
            };
        }
        let mut next = starts.clone();
        let mut order = vec![0; starts[cells] as usize];
        for (row, cell) in cell
            .iter()
            .enumerate()
            .filter(|(_, c)| (**c as usize) < cells)
        {
            order[next[*cell as usize] as usize] = row as u32;
            next[*cell as usize] += 1;
        }
        Cells {
            order: Some(order),
            starts,
        }
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of a cell.
    pub fn rows(&self, cell: usize) -> CellRows<'_> {
        let (start, end) = (self.starts[cell] as usize, self.starts[cell + 1] as usize);
        match &self.order {
            None => CellRows::Side(start, end - start),
            Some(order) => CellRows::Listed(&order[start..end]),
        }
    }
}

impl<'a> CellRows<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            CellRows::Side(_, n) => n,
            CellRows::Listed(rows) => rows.len(),
        }
    }

    /// Their numbers.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = usize> + use<'a> {
        let at = move |i: usize| match self {
            CellRows::Side(first, _) => first + i,
            CellRows::Listed(rows) => rows[i] as usize,
        };
        (0..self.len()).map(at)
    }

    /// Parts of at most `most`.
    fn parts(self, most: usize) -> impl Iterator<Item = CellRows<'a>> + use<'a> {
        (0..self.len()).step_by(most).map(move |first| match self {
            CellRows::Side(start, n) => CellRows::Side(start + first, most.min(n - first)),
            CellRows::Listed(rows) => CellRows::Listed(&rows[first..rows.len().min(first + most)]),
        })
    }
}

/// For each cell the moments of its rows, one cell after another: their weight, their mean, and the triangular factor of the centred
/// columns, [`numbers`] in all; of no rows they are 0. `None` where a number is not finite.
///
/// The parts that are factored do not depend on the number of threads, nor does the order in which they are joined.
pub(super) fn moments(columns: &Columns<'_>, cells: &Cells) -> Option<Vec<f64>> {
    let size = columns.columns.len();
    let parts: Vec<CellRows<'_>> = (0..cells.len())
        .flat_map(|cell| cells.rows(cell).parts(PART))
        .collect();
    let each = numbers(size);
    let mut of_parts = vec![0.0; parts.len() * each];
    let buffer = || vec![0.0; PART * size];
    (of_parts.par_chunks_exact_mut(each))
        .zip(&parts)
        .with_min_len(16)
        .for_each_init(buffer, |work, (numbers, rows)| {
            simd::run(Part {
                columns,
                rows: *rows,
                work,
                moments: numbers,
            });
        });
    if of_parts.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let mut out = vec![0.0; cells.len() * each];
    let mut parts = of_parts.chunks_exact(each);
    for (cell, total) in out.chunks_exact_mut(each).enumerate() {
        for _ in cells.rows(cell).parts(PART) {
            add(total, parts.next().unwrap_or_default(), size);
        }
    }
    Some(out)
}

/// The number of numbers in the moments of rows of so many columns.
pub(super) fn numbers(size: usize) -> usize {
    1 + size + triangle(size)
}

/// Adds the moments of further rows of `size` columns to those of some.
pub(super) fn add(total: &mut [f64], part: &[f64], size: usize) {
    if total[0] == 0.0 {
        total.copy_from_slice(part);
    } else if part[0] != 0.0 {
        join(total, part, size);
    }
}

/// For each cell the upper triangle T, row by row, with |T v|² = Σ wᵢ (xᵢ·v)² over its rows, from the moments of cells of `size` columns:
/// entry `k` of cell `c` at `k * cells + c`.
///
/// `ones` is the place in x of a 1 that is no column. `None` where a number is not finite.
pub(super) fn factors(moments: &[f64], size: usize, ones: Option<usize>) -> Option<Vec<f64>> {
    let each = numbers(size);
    let cells = moments.len() / each;
    let out_size = size + usize::from(ones.is_some());
    let mut out = vec![0.0; triangle(out_size) * cells];
    let mut work = vec![0.0; (size + 1) * out_size];
    for (cell, numbers) in moments.chunks_exact(each).enumerate() {
        if numbers[0] != 0.0 {
            let factor = about_zero(numbers, size, ones, &mut work);
            for (k, x) in factor.enumerate() {
                out[k * cells + cell] = x;
            }
        }
    }
    out.iter().all(|x| x.is_finite()).then_some(out)
}

/// The upper triangle T, row by row, with |T v|² = Σ |T_c v|² over all cells, from their triangles of this size: entry `k` of cell `c` at
/// `k * cells + c`.
pub(super) fn stack(triangles: &[f64], size: usize, cells: usize) -> Vec<f64> {
    let mut total = vec![0.0; triangle(size)];
    let rows = size * (AT_ONCE + 1);
    let mut work = vec![0.0; rows * size];
    for first in (0..cells).step_by(AT_ONCE) {
        work.fill(0.0);
        unpack(&total, size, rows, 0, &mut work);
        for (place, cell) in (first..cells.min(first + AT_ONCE)).enumerate() {
            let entries = triangles.iter().skip(cell).step_by(cells);
            unpack(entries, size, rows, (place + 1) * size, &mut work);
        }
        simd::run(Reflect {
            work: &mut work,
            rows,
        });
        pack(&work, rows, size, &mut total);
    }
    total
}

/// Makes columns upper triangular.
struct Reflect<'a> {
    work: &'a mut [f64],
    rows: usize,
}

impl Task for Reflect<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        reflect::<F>(self.work, self.rows);
    }
}

/// Factors some rows.
struct Part<'a, 'b> {
    columns: &'a Columns<'a>,
    rows: CellRows<'a>,
    work: &'a mut [f64],
    moments: &'b mut [f64],
}

impl Task for Part<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Part {
            columns,
            rows,
            work,
            moments,
        } = self;
        let (size, m) = (columns.columns.len(), rows.len());
        let weight = |row: usize| columns.weights.map_or(1.0, |w| w[row]);
        let total: f64 = match columns.weights {
            None => m as f64,
            Some(_) => rows.iter().map(weight).sum(),
        };
        moments[0] = total;
        for (k, (column, work)) in (columns.columns.iter())
            .zip(work.chunks_exact_mut(m))
            .enumerate()
        {
            let constant = if k + 1 == size { columns.constant } else { 0.0 };
            let values = &column.values[column.start..];
            match rows {
                CellRows::Side(first, n) => {
                    for (x, value) in work.iter_mut().zip(&values[first..first + n]) {
                        *x = *value + constant;
                    }
                }
                CellRows::Listed(rows) => {
                    for (x, row) in work.iter_mut().zip(rows) {
                        *x = values[*row as usize] + constant;
                    }
                }
            }
            // The mean of what is left over the first mean takes away what that was rounded by.
            let mut mean = 0.0;
            for _ in 0..2 {
                let left = match columns.weights {
                    None => sum(work),
                    Some(_) => (work.iter().zip(rows.iter()))
                        .map(|(x, row)| x * weight(row))
                        .sum(),
                } / total;
                mean += left;
                work.iter_mut().for_each(|x| *x -= left);
            }
            if columns.weights.is_some() {
                for (x, row) in work.iter_mut().zip(rows.iter()) {
                    *x *= weight(row).sqrt();
                }
            }
            moments[1 + k] = mean;
        }
        reflect::<F>(&mut work[..m * size], m);
        pack(work, m, size, &mut moments[1 + size..]);
    }
}

fn join(total: &mut [f64], part: &[f64], size: usize) {
    let rows = 2 * size + 1;
    let (a, b) = (total[0], part[0]);
    let n = a + b;
    let mut work = vec![0.0; rows * size];
    let (mean, factor) = total[1..].split_at_mut(size);
    let (other_mean, other_factor) = part[1..].split_at(size);
    unpack(&*factor, size, rows, 0, &mut work);
    unpack(other_factor, size, rows, size, &mut work);
    let weight = (a / n * b).sqrt();
    for (k, (mean, other)) in mean.iter_mut().zip(other_mean).enumerate() {
        let shift = other - *mean;
        work[k * rows + 2 * size] = weight * shift;
        *mean += shift * (b / n);
    }
    reflect::<Unfused>(&mut work, rows);
    pack(&work, rows, size, factor);
    total[0] = n;
}

/// The factor of the columns as they are, not centred; among them a column of ones at the place `ones`.
fn about_zero<'a>(
    moments: &[f64],
    size: usize,
    ones: Option<usize>,
    work: &'a mut [f64],
) -> impl Iterator<Item = f64> + use<'a> {
    let root = moments[0].sqrt();
    let (mean, factor) = moments[1..].split_at(size);
    let rows = size + 1;
    let columns = size + usize::from(ones.is_some());
    let work = &mut work[..rows * columns];
    work.fill(0.0);
    // The row of means stands first: with a column of ones before it the whole is triangular as it is.
    let own = &mut work[(columns - size) * rows..];
    unpack(factor, size, rows, 1, own);
    for (k, mean) in mean.iter().enumerate() {
        own[k * rows] = root * mean;
    }
    if let Some(place) = ones {
        work[0] = root;
        work[..(place + 1) * rows].rotate_left(rows);
    }
    if ones != Some(0) {
        reflect::<Unfused>(work, rows);
    }
    let work = &*work;
    (0..columns).flat_map(move |i| (i..columns).map(move |k| work[k * rows + i]))
}

/// Copies an upper triangle below row `first` of columns of `rows` numbers.
fn unpack<'a>(
    factor: impl IntoIterator<Item = &'a f64>,
    size: usize,
    rows: usize,
    first: usize,
    work: &mut [f64],
) {
    let mut factor = factor.into_iter();
    for i in 0..size {
        for (k, x) in (i..size).zip(&mut factor) {
            work[k * rows + first + i] = *x;
        }
    }
}

/// Copies the upper triangle out of columns of `rows` numbers; what there are no rows for is 0.
fn pack(work: &[f64], rows: usize, size: usize, factor: &mut [f64]) {
    let mut factor = factor.iter_mut();
    for i in 0..size {
        for (k, out) in (i..size).zip(&mut factor) {
            *out = if i < rows { work[k * rows + i] } else { 0.0 };
        }
    }
}

/// Makes columns of `rows` numbers upper triangular by reflections; what stands below the diagonal is left undefined.
#[inline(always)]
fn reflect<F: Fma>(work: &mut [f64], rows: usize) {
    let mut rest = work;
    for diagonal in 0..rows {
        if rest.is_empty() {
            return;
        }
        let (column, others) = rest.split_at_mut(rows);
        let v = &mut column[diagonal..];
        let norm = dot::<F>(v, v).sqrt();
        if norm > 0.0 {
            let head = v[0];
            // The sign for which nothing cancels.
            let image = -norm.copysign(head);
            v[0] = head - image;
            let scale = 1.0 / (norm * (norm + head.abs()));
            for other in others.chunks_exact_mut(rows) {
                let other = &mut other[diagonal..];
                let along = -scale * dot::<F>(v, other);
                for (x, v) in other.iter_mut().zip(&*v) {
                    *x = F::fma(along, *v, *x);
                }
            }
            v[0] = image;
        }
        rest = others;
    }
}

/// Sums in so many lanes, so that the order is the same on every instruction set.
const LANES: usize = 16;

#[inline(always)]
fn dot<F: Fma>(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (chunks, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = (chunks.remainder().iter().zip(others.remainder()))
        .fold(0.0, |sum, (a, b)| F::fma(*a, *b, sum));
    for (a, b) in chunks.zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = F::fma(*a, *b, *lane);
        }
    }
    lanes.iter().fold(rest, |sum, lane| sum + lane)
}

#[inline(always)]
fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().fold(rest, |sum, lane| sum + lane)
}

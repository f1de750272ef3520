//! Sparse lower triangular matrices of one pattern: the factor S of a guide z = μ + S ε.
//!
//! Row `r` and column `r` belong to coordinate `r` and to its noise. Invariants, kept by the maker:
//! - in the order of elimination every column of a row comes no later than the row itself, which comes last (its diagonal);
//! - the pattern is closed: the columns of a row contain the columns of the rows that they name. So products and inverses of
//!   matrices of the pattern are of the pattern, and conditioning a coordinate on others is the same as letting it depend on their noise.
//!
//! A row without columns is that of a coordinate without spread. A matrix is the list of its values, row by row.

use std::ops::Range;

/// Where the numbers of a sparse lower triangular matrix stand.
#[derive(Clone, PartialEq, Debug)]
pub struct Pattern {
    order: Vec<u32>,
    start: Vec<usize>,
    columns: Vec<u32>,
}

impl Pattern {
    /// The smallest closed pattern in which each coordinate depends on the noise of `above` and its own.
    ///
    /// `rows` lists the coordinates with spread, in the order of elimination, each with coordinates that come before it.
    pub(crate) fn new(dim: usize, rows: &[(u32, Vec<u32>)]) -> Pattern {
        let mut place = vec![usize::MAX; dim];
        let mut closed: Vec<Vec<u32>> = vec![Vec::new(); dim];
        for (i, (r, above)) in rows.iter().enumerate() {
            place[*r as usize] = i;
            let mut row: Vec<u32> = above
                .iter()
                .flat_map(|c| closed[*c as usize].iter().copied())
                .collect();
            row.sort_unstable_by_key(|c| place[*c as usize]);
            row.dedup();
            row.push(*r);
            closed[*r as usize] = row;
        }
        let mut start = Vec::with_capacity(dim + 1);
        start.push(0);
        for row in &closed {
            start.push(start[start.len() - 1] + row.len());
        }
        Pattern {
            order: rows.iter().map(|(r, _)| *r).collect(),
            start,
            columns: closed.concat(),
        }
    }

    /// The number of coordinates.
    pub fn dim(&self) -> usize {
        self.start.len() - 1
    }

    /// The number of values of a matrix of this pattern.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether no coordinate has any spread.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The coordinates with spread, in the order of elimination.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.order.iter().map(|r| *r as usize)
    }

    /// Where the values of row `r` stand; the last is its diagonal.
    pub fn row(&self, r: usize) -> Range<usize> {
        self.start[r]..self.start[r + 1]
    }

    /// The columns of row `r`.
    pub fn columns(&self, r: usize) -> &[u32] {
        &self.columns[self.row(r)]
    }

    /// The column of value `i`.
    pub fn column(&self, i: usize) -> usize {
        self.columns[i] as usize
    }

    /// Whether coordinate `r` has spread.
    pub fn spreads(&self, r: usize) -> bool {
        self.start[r] < self.start[r + 1]
    }

    /// Where the diagonal of row `r`, a coordinate with spread, stands.
    pub fn diagonal(&self, r: usize) -> usize {
        self.start[r + 1] - 1
    }

    /// The largest number of columns of a row.
    pub fn widest(&self) -> usize {
        (0..self.dim())
            .map(|r| self.row(r).len())
            .max()
            .unwrap_or(0)
    }

    /// The columns and values of row `r` of `matrix`.
    pub fn entries<'a>(
        &'a self,
        matrix: &'a [f64],
        r: usize,
    ) -> impl Iterator<Item = (usize, f64)> + 'a {
        let row = self.row(r);
        (self.columns[row.clone()].iter().map(|c| *c as usize)).zip(matrix[row].iter().copied())
    }

    /// The identity.
    pub fn identity(&self) -> Vec<f64> {
        let mut matrix = vec![0.0; self.len()];
        for r in self.order() {
            matrix[self.diagonal(r)] = 1.0;
        }
        matrix
    }

    /// Adds `matrix · x` to `out`.
    pub fn times(&self, matrix: &[f64], x: &[f64], out: &mut [f64]) {
        for (r, out) in out.iter_mut().enumerate() {
            *out += (self.entries(matrix, r)).fold(0.0, |sum, (c, a)| sum + a * x[c]);
        }
    }

    /// Adds `matrixᵀ · x` to `out`.
    pub fn transpose_times(&self, matrix: &[f64], x: &[f64], out: &mut [f64]) {
        for (r, x) in x.iter().enumerate() {
            for (c, a) in self.entries(matrix, r) {
                out[c] += a * x;
            }
        }
    }

    /// Adds `weight · a bᵀ`, as far as it is in the pattern, to `matrix`: the adjoint of [`Pattern::times`] in its matrix.
    pub fn add_outer(&self, weight: f64, a: &[f64], b: &[f64], matrix: &mut [f64]) {
        for (r, a) in a.iter().enumerate() {
            let a = weight * a;
            for i in self.row(r) {
                matrix[i] += a * b[self.columns[i] as usize];
            }
        }
    }

    /// Solves `matrixᵀ x = b` in place; coordinates without spread stay as they are.
    pub fn solve_transposed(&self, matrix: &[f64], b: &mut [f64]) {
        for r in self.order().rev() {
            b[r] /= matrix[self.diagonal(r)];
            let solved = b[r];
            for i in self.start[r]..self.diagonal(r) {
                b[self.columns[i] as usize] -= matrix[i] * solved;
            }
        }
    }

    /// The product `a · b`, of the same pattern.
    pub fn product(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.len()];
        let mut sum = vec![0.0; self.dim()];
        for r in self.order() {
            for (k, a) in self.entries(a, r).filter(|(_, a)| *a != 0.0) {
                for (c, b) in self.entries(b, k) {
                    sum[c] += a * b;
                }
            }
            for i in self.row(r) {
                product[i] = std::mem::take(&mut sum[self.columns[i] as usize]);
            }
        }
        product
    }

    /// The adjoint of [`Pattern::product`] in its second argument: `aᵀ · adjoint`, as far as it is in the pattern.
    pub fn product_adjoint(&self, a: &[f64], adjoint: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.len()];
        let mut row = vec![0.0; self.dim()];
        for r in self.order() {
            for (c, x) in self.entries(adjoint, r) {
                row[c] = x;
            }
            for (k, a) in self.entries(a, r).filter(|(_, a)| *a != 0.0) {
                for i in self.row(k) {
                    out[i] += a * row[self.columns[i] as usize];
                }
            }
            for c in self.columns(r) {
                row[*c as usize] = 0.0;
            }
        }
        out
    }

    /// The matrix S with `S Sᵀ = (precision)⁻¹`, where `precision` is symmetric and given by its entries in the pattern.
    ///
    /// Eliminates coordinates against the order (leaves first): `precision = Bᵀ B`, `S = B⁻¹`, both of the pattern. What elimination
    /// adds outside the pattern (between crossed plates) is dropped. `None` if a pivot is not positive.
    pub fn inverse_factor(&self, precision: &[f64]) -> Option<Vec<f64>> {
        let mut b = precision.to_vec();
        let mut row = vec![0.0; self.dim()];
        for r in self.order().rev() {
            let pivot = b[self.diagonal(r)];
            // Rounding leaves about this much of a pivot that should be zero.
            if !(pivot > 1e-12 * precision[self.diagonal(r)].abs() && pivot.is_finite()) {
                return None;
            }
            let root = pivot.sqrt();
            for i in self.row(r) {
                b[i] /= root;
                row[self.columns[i] as usize] = b[i];
            }
            for i in self.start[r]..self.diagonal(r) {
                let k = self.columns[i] as usize;
                let factor = b[i];
                for j in self.row(k) {
                    b[j] -= factor * row[self.columns[j] as usize];
                }
            }
            for c in self.columns(r) {
                row[*c as usize] = 0.0;
            }
        }
        let mut s = vec![0.0; self.len()];
        for r in self.order() {
            let pivot = b[self.diagonal(r)];
            row[r] = 1.0;
            let above = self.start[r]..self.diagonal(r);
            for (k, b) in self.columns[above.clone()].iter().zip(&b[above]) {
                for (c, x) in self.entries(&s, *k as usize) {
                    row[c] -= b * x;
                }
            }
            for i in self.row(r) {
                s[i] = std::mem::take(&mut row[self.columns[i] as usize]) / pivot;
            }
        }
        Some(s)
    }
}

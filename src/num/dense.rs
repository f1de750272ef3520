//! Small dense algebra on row-major slices, over any [`Real`], with the adjoints of the factorisations.

use super::Real;

/// The inner product of two vectors.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Turns the lower triangle of a symmetric m × m matrix into its Cholesky factor, with zeros above the diagonal.
/// NaN from the first pivot that is not positive.
pub fn cholesky<T: Real>(a: &mut [T], m: usize) {
    for j in 0..m {
        let (before, rest) = a.split_at_mut((j + 1) * m);
        let row = &mut before[j * m..];
        let pivot = row[..j].iter().fold(row[j], |s, &v| s - v * v);
        let pivot = if pivot.value() > 0.0 {
            pivot.sqrt()
        } else {
            T::of(f64::NAN)
        };
        row[j] = pivot;
        row[j + 1..].fill(T::zero());
        for below in rest.chunks_exact_mut(m) {
            let sum = (0..j).fold(below[j], |s, k| s - below[k] * row[k]);
            below[j] = sum / pivot;
        }
    }
}

/// Turns the adjoint of a Cholesky factor `l` into the adjoint of the lower triangle that it was made from; both in `bar`,
/// whose part above the diagonal is neither read nor written (Murray 2016, "Differentiation of the Cholesky decomposition").
pub fn cholesky_adjoint<T: Real>(l: &[T], bar: &mut [T], m: usize) {
    for j in (0..m).rev() {
        let pivot = l[j * m + j];
        let mut diagonal = bar[j * m + j];
        for i in j + 1..m {
            diagonal -= l[i * m + j] * bar[i * m + j] / pivot;
        }
        diagonal /= pivot;
        for i in j + 1..m {
            bar[i * m + j] /= pivot;
        }
        for k in 0..j {
            let mut row = bar[j * m + k] - diagonal * l[j * m + k];
            for i in j + 1..m {
                let below = bar[i * m + j];
                row -= below * l[i * m + k];
                bar[i * m + k] -= below * l[j * m + k];
            }
            bar[j * m + k] = row;
        }
        bar[j * m + j] = T::of(0.5) * diagonal;
    }
}

/// Replaces the m × columns matrix `b` by L⁻¹ b, for a lower triangular `l`.
pub fn solve_lower<T: Real>(l: &[T], b: &mut [T], m: usize, columns: usize) {
    for c in 0..columns {
        for i in 0..m {
            let sum = (0..i).fold(b[i * columns + c], |s, k| {
                s - l[i * m + k] * b[k * columns + c]
            });
            b[i * columns + c] = sum / l[i * m + i];
        }
    }
}

/// Replaces the m × columns matrix `b` by L⁻ᵀ b, for a lower triangular `l`.
pub fn solve_lower_transposed<T: Real>(l: &[T], b: &mut [T], m: usize, columns: usize) {
    for c in 0..columns {
        for i in (0..m).rev() {
            let sum = (i + 1..m).fold(b[i * columns + c], |s, k| {
                s - l[k * m + i] * b[k * columns + c]
            });
            b[i * columns + c] = sum / l[i * m + i];
        }
    }
}

/// Replaces the m × columns matrix `b` by a⁻¹ b and gives log |det a|; `a` is overwritten (elimination with row pivots).
pub fn solve<T: Real>(a: &mut [T], b: &mut [T], m: usize, columns: usize) -> T {
    let mut log_det = T::zero();
    for j in 0..m {
        let size = |i: usize| a[i * m + j].value().abs();
        let best = (j..m).fold(j, |best, i| if size(i) > size(best) { i } else { best });
        if best != j {
            swap_rows(a, m, j, best);
            swap_rows(b, columns, j, best);
        }
        let pivot = a[j * m + j];
        log_det += pivot.abs().log();
        for i in j + 1..m {
            let factor = a[i * m + j] / pivot;
            for k in j + 1..m {
                let above = a[j * m + k];
                a[i * m + k] -= factor * above;
            }
            for c in 0..columns {
                let above = b[j * columns + c];
                b[i * columns + c] -= factor * above;
            }
        }
    }
    for c in 0..columns {
        for i in (0..m).rev() {
            let sum = (i + 1..m).fold(b[i * columns + c], |s, k| {
                s - a[i * m + k] * b[k * columns + c]
            });
            b[i * columns + c] = sum / a[i * m + i];
        }
    }
    log_det
}

fn swap_rows<T>(a: &mut [T], columns: usize, i: usize, j: usize) {
    let (before, rest) = a.split_at_mut(j * columns);
    before[i * columns..(i + 1) * columns].swap_with_slice(&mut rest[..columns]);
}

/// Turns a symmetric m × m matrix into its eigenvalues on the diagonal and gives the eigenvectors as columns
/// (cyclic Jacobi rotations; Golub & Van Loan 2013, algorithm 8.5.3).
pub fn eigen(a: &mut [f64], m: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; m * m];
    (0..m).for_each(|i| vectors[i * m + i] = 1.0);
    for _ in 0..60 {
        let size: f64 = a.iter().map(|x| x * x).sum();
        let off = (0..m * m).filter(|k| k / m != k % m);
        let off: f64 = off.map(|k| a[k] * a[k]).sum();
        if off <= 1e-30 * size || size.is_nan() {
            break;
        }
        for p in 0..m {
            for q in p + 1..m {
                rotate(a, &mut vectors, (p, q), m);
            }
        }
    }
    vectors
}

/// The rotation in the plane of `p` and `q` that makes their entry zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], (p, q): (usize, usize), m: usize) {
    let off = a[p * m + q];
    if off == 0.0 {
        return;
    }
    let half = (a[q * m + q] - a[p * m + p]) / (2.0 * off);
    let t = half.signum() / (half.abs() + (half * half + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..m {
        let (x, y) = (a[k * m + p], a[k * m + q]);
        a[k * m + p] = c * x - s * y;
        a[k * m + q] = s * x + c * y;
    }
    for k in 0..m {
        let (x, y) = (a[p * m + k], a[q * m + k]);
        a[p * m + k] = c * x - s * y;
        a[q * m + k] = s * x + c * y;
        let (x, y) = (vectors[k * m + p], vectors[k * m + q]);
        vectors[k * m + p] = c * x - s * y;
        vectors[k * m + q] = s * x + c * y;
    }
}

//! The mode of a density of few coordinates, and a scale in which the density is near a standard normal there.

use super::lbfgs;
use super::lbfgs::End;
use super::lbfgs::Rule;
use super::natural::Many;
use crate::num::dense;

/// How near to a mode a search ends: when no step would move a coordinate by more than this, in units of the scale, or gain more than
/// so many nats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pub longest: f64,
    pub gain: f64,
}

impl Near {
    /// At the mode, for all that follows.
    pub const MODE: Near = Near {
        longest: 0.1,
        gain: 1e-2,
    };
}

/// A linear scale: columns of a square matrix, row by row; nothing for a point.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// Its columns: the number of coordinates, or 0 for a point.
    pub n: usize,
    pub columns: Vec<f64>,
}

impl Scale {
    /// That of a point.
    pub fn none() -> Scale {
        Scale {
            n: 0,
            columns: Vec::new(),
        }
    }

    /// One unit for each coordinate.
    pub fn unit(n: usize) -> Scale {
        let mut columns = vec![0.0; n * n];
        (0..n).for_each(|i| columns[i * n + i] = 1.0);
        Scale { n, columns }
    }

    /// S with S Sᵀ the inverse of a curvature whose eigenvalues, in units of its diagonal, are made positive and at least `least`.
    /// Gives as well whether they all were.
    pub fn of_curvature(curvature: &[f64], n: usize, least: f64) -> (Scale, bool) {
        let unit: Vec<f64> = (0..n)
            .map(|i| match curvature[i * n + i].abs() {
                d if d > 0.0 && d.is_finite() => d.sqrt(),
                _ => 1.0,
            })
            .collect();
        let mut scaled = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let both = 0.5 * (curvature[i * n + j] + curvature[j * n + i]);
                scaled[i * n + j] = both / (unit[i] * unit[j]);
            }
        }
        if scaled.iter().any(|x| !x.is_finite()) {
            return (Scale::unit(n), false);
        }
        let vectors = dense::eigen(&mut scaled, n);
        let values: Vec<f64> = (0..n).map(|k| scaled[k * n + k]).collect();
        let mut columns = vec![0.0; n * n];
        for i in 0..n {
            for k in 0..n {
                let value = values[k].abs().max(least);
                columns[i * n + k] = vectors[i * n + k] / (unit[i] * value.sqrt());
            }
        }
        (
            Scale { n, columns },
            values.iter().all(|value| *value >= least),
        )
    }

    /// `from + S x`.
    pub fn at(&self, from: &[f64], x: &[f64]) -> Vec<f64> {
        if self.n == 0 {
            return from.to_vec();
        }
        let rows = self.columns.chunks_exact(self.n);
        from.iter()
            .zip(rows)
            .map(|(from, row)| row.iter().zip(x).fold(*from, |sum, (s, x)| sum + s * x))
            .collect()
    }

    /// `Sᵀ g`.
    pub fn pull(&self, g: &[f64]) -> Vec<f64> {
        (0..self.n)
            .map(|k| {
                let column = (0..self.n).map(|i| self.columns[i * self.n + k]);
                column.zip(g).map(|(s, g)| s * g).sum()
            })
            .collect()
    }

    /// The lower factor of `S A Sᵀ` for a symmetric positive definite A; `None` if it is not.
    pub fn lower_of(&self, a: &[f64]) -> Option<Scale> {
        let n = self.n;
        let half = product(&self.columns, a, n, false);
        let mut columns = product(&half, &self.columns, n, true);
        dense::cholesky(&mut columns, n);
        let good = (0..n).all(|i| columns[i * n + i] > 0.0);
        good.then_some(Scale { n, columns })
    }
}

/// The product of square matrices, the second transposed if asked for.
pub(super) fn product(a: &[f64], b: &[f64], n: usize, transposed: bool) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            out[i * n + j] = (0..n)
                .map(|k| {
                    a[i * n + k]
                        * if transposed {
                            b[j * n + k]
                        } else {
                            b[k * n + j]
                        }
                })
                .sum();
        }
    }
    out
}

/// Climbs from `from` with L-BFGS in the units of a scale. `density` gives the value and writes the gradient. Gives where it ended,
/// and whether at a mode.
pub(super) fn climb(
    density: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    from: &[f64],
    scale: &Scale,
    (iterations, near): (usize, Near),
    watch: &mut dyn FnMut(f64) -> bool,
) -> (Vec<f64>, End) {
    let mut gradient = vec![0.0; from.len()];
    let mut function = |x: &[f64], out: &mut [f64]| {
        let value = density(&scale.at(from, x), &mut gradient);
        for (out, g) in out.iter_mut().zip(scale.pull(&gradient)) {
            *out = -g;
        }
        -value
    };
    let mut x = vec![0.0; from.len()];
    let rule = Rule {
        iterations,
        longest: near.longest,
        gain: near.gain,
    };
    let (end, _) = lbfgs::minimise(&mut function, &mut x, rule, &mut |v| watch(-v));
    (scale.at(from, &x), end)
}

/// Minus the Hessian in the units of a scale, by differences over `step` from `here`, the gradient at the point itself.
/// `None` if a gradient is not finite.
pub(super) fn curvature(
    density: Many<'_>,
    at: &[f64],
    scale: &Scale,
    step: f64,
    here: &[f64],
) -> Option<Vec<f64>> {
    let n = at.len();
    let moved = |k: usize| {
        let mut x = vec![0.0; n];
        x[k] = step;
        scale.at(at, &x)
    };
    let points: Vec<Vec<f64>> = (0..n).map(moved).collect();
    let before = scale.pull(here);
    let mut out = vec![0.0; n * n];
    for (k, (value, gradient)) in density(&points).into_iter().enumerate() {
        let after = scale.pull(&gradient);
        if !value.is_finite() || after.iter().any(|g| !g.is_finite()) {
            return None;
        }
        for (i, (a, b)) in after.iter().zip(&before).enumerate() {
            out[i * n + k] = (b - a) / step;
        }
    }
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (out[i * n + j] + out[j * n + i]);
            out[i * n + j] = mean;
            out[j * n + i] = mean;
        }
    }
    Some(out)
}

//! What `center` and `standardize` subtract and divide by.

use super::BoundColumn;
use super::BoundScaling;
use super::bind::Parts;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::typed::ColumnId;
use crate::typed::ExprKind;
use crate::typed::Scaling;
use crate::typed::Typed;

/// The statistics of every column that is centred or standardised, each over its plate.
pub(super) fn scalings(
    typed: &Typed,
    parts: &Parts,
    known: impl Fn(ColumnId) -> Option<Vec<Moments>>,
    problems: &mut Problems,
) -> Vec<BoundScaling> {
    let mut found: Vec<BoundScaling> = Vec::new();
    for expr in &typed.exprs {
        let ExprKind::Center(column, scaling) = expr.kind else {
            continue;
        };
        if found
            .iter()
            .any(|s| s.column == column && s.scaling == scaling)
        {
            continue;
        }
        let declared = &typed.columns[column.index()];
        let (Some(read), Some(elements)) = (
            &parts.read[column.index()],
            parts.populated.elements(declared.plate),
        ) else {
            continue;
        };
        let len = elements.len().max(1);
        let moments = known(column).unwrap_or_else(|| moments(&read.bound, len));
        let flat = |m: &Moments| !(m.sd.is_finite() && m.sd > 0.0);
        let sd = match scaling {
            Scaling::Center => vec![1.0; moments.len()],
            Scaling::Standardize => {
                if let Some(k) = moments.iter().position(flat) {
                    let name = match &read.found {
                        Some(found) => &found.names[k],
                        None => &declared.name,
                    };
                    problems.push(
                        Problem::at(
                            Code::NothingToScale,
                            expr.span,
                            if len == 1 {
                                format!(
                                    "`{name}` has one value, so that it has no standard deviation"
                                )
                            } else {
                                format!("all {len} values of `{name}` are {}", moments[k].mean)
                            },
                        )
                        .label("divides by their standard deviation")
                        .hint(format!("leave `{}` out, or use it as it is", declared.name)),
                    );
                }
                moments.iter().map(|m| m.sd).collect()
            }
        };
        found.push(BoundScaling {
            column,
            scaling,
            mean: moments.iter().map(|m| m.mean).collect(),
            sd,
        });
    }
    found
}

/// The mean and the standard deviation (n − 1; NaN for a single value) of values of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    sd: f64,
}

impl Moments {
    /// Those of the values of both, at least one of each.
    ///
    /// Sums of squares around the means add up, with `δ² m n / (m + n)` for the distance δ of the means (T. F. Chan, G. H. Golub and
    /// R. J. LeVeque, Algorithms for computing the sample variance, 1983); roots of them are added here, as squares may overflow.
    pub(super) fn and(self, other: Moments) -> Moments {
        let count = self.count + other.count;
        let n = other.count / count;
        let spread = |part: Moments| {
            if part.count > 1.0 {
                part.sd * (part.count - 1.0).sqrt()
            } else {
                0.0
            }
        };
        let apart = (other.mean - self.mean) * (self.count * n).sqrt();
        Moments {
            count,
            mean: self.mean + (other.mean - self.mean) * n,
            sd: spread(self).hypot(spread(other)).hypot(apart) / (count - 1.0).sqrt(),
        }
    }
}

/// The moments of each component of a column of `len` elements.
pub(super) fn moments(column: &BoundColumn, len: usize) -> Vec<Moments> {
    let of = |x: &[f64]| {
        let (mean, sd) = mean_and_sd(x);
        Moments {
            count: x.len() as f64,
            mean,
            sd,
        }
    };
    column.values.chunks_exact(len).map(of).collect()
}

/// The mean and the standard deviation.
///
/// In two passes over `x / scale`, so that neither large offsets nor large magnitudes lose the spread.
fn mean_and_sd(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let scale = x.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if scale == 0.0 || x.iter().all(|v| *v == x[0]) {
        return (x[0], if x.len() == 1 { f64::NAN } else { 0.0 });
    }
    let mean = x.iter().map(|v| v / scale).sum::<f64>() / n;
    let squares: f64 = x.iter().map(|v| (v / scale - mean).powi(2)).sum();
    (mean * scale, (squares / (n - 1.0)).sqrt() * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_short_and_extreme_columns() {
        assert_eq!(mean_and_sd(&[1.0, 2.0, 3.0]), (2.0, 1.0));
        // A shift by 1e9 leaves the spread; squares of 1e200 would overflow.
        let (mean, sd) = mean_and_sd(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]);
        assert!((mean - 1e9 - 2.0).abs() < 1e-6 && (sd - 1.0).abs() < 1e-6);
        let (mean, sd) = mean_and_sd(&[1e200, 3e200]);
        assert!(
            (mean / 2e200 - 1.0).abs() < 1e-12 && (sd / 2f64.sqrt() / 1e200 - 1.0).abs() < 1e-12
        );
        assert_eq!(mean_and_sd(&[0.1; 7]), (0.1, 0.0));
        assert!(mean_and_sd(&[4.0]).1.is_nan());
    }

    #[test]
    fn moments_of_parts_make_those_of_the_whole() {
        let of = |x: &[f64]| {
            let (mean, sd) = mean_and_sd(x);
            Moments {
                count: x.len() as f64,
                mean,
                sd,
            }
        };
        let x: Vec<f64> = (0..40).map(|i| 1e6 + f64::from(i * i % 17)).collect();
        for scale in [1.0, 1e180] {
            let x: Vec<f64> = x.iter().map(|v| v * scale).collect();
            for cuts in [vec![1], vec![39], vec![1, 2, 3], vec![10, 11, 35]] {
                let bounds = [vec![0], cuts, vec![40]].concat();
                let parts = bounds.windows(2).map(|w| of(&x[w[0]..w[1]]));
                let joined = parts.reduce(Moments::and).expect("parts");
                let whole = of(&x);
                assert!(
                    (joined.mean / whole.mean - 1.0).abs() < 1e-14,
                    "{joined:?} {whole:?}"
                );
                assert!(
                    (joined.sd / whole.sd - 1.0).abs() < 1e-9,
                    "{joined:?} {whole:?}"
                );
            }
        }
        let one = of(&[0.1]).and(of(&[0.1; 5]));
        assert_eq!((one.count, one.mean, one.sd), (6.0, 0.1, 0.0));
    }
}

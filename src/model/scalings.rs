//! What `center` and `standardize` subtract and divide by.

use super::BoundScaling;
use super::columns::ReadColumn;
use super::plates::Populated;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::typed::ExprKind;
use crate::typed::Scaling;
use crate::typed::Typed;

/// The statistics of every column that is centred or standardised, each over its plate.
pub(super) fn scalings(
    typed: &Typed,
    read: &[Option<ReadColumn>],
    populated: &Populated,
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
        let (Some(read), Some(elements)) =
            (&read[column.index()], populated.elements(declared.plate))
        else {
            continue;
        };
        let len = elements.len().max(1);
        let moments: Vec<(f64, f64)> = read.bound.values.chunks_exact(len).map(moments).collect();
        let flat = |(_, sd): &(f64, f64)| !(sd.is_finite() && *sd > 0.0);
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
                                format!("all {len} values of `{name}` are {}", moments[k].0)
                            },
                        )
                        .label("divides by their standard deviation")
                        .hint(format!("leave `{}` out, or use it as it is", declared.name)),
                    );
                }
                moments.iter().map(|(_, sd)| *sd).collect()
            }
        };
        found.push(BoundScaling {
            column,
            scaling,
            mean: moments.iter().map(|(mean, _)| *mean).collect(),
            sd,
        });
    }
    found
}

/// The mean and the standard deviation (n − 1; NaN for a single value).
///
/// In two passes over `x / scale`, so that neither large offsets nor large magnitudes lose the spread.
fn moments(x: &[f64]) -> (f64, f64) {
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
        assert_eq!(moments(&[1.0, 2.0, 3.0]), (2.0, 1.0));
        // A shift by 1e9 leaves the spread; squares of 1e200 would overflow.
        let (mean, sd) = moments(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]);
        assert!((mean - 1e9 - 2.0).abs() < 1e-6 && (sd - 1.0).abs() < 1e-6);
        let (mean, sd) = moments(&[1e200, 3e200]);
        assert!(
            (mean / 2e200 - 1.0).abs() < 1e-12 && (sd / 2f64.sqrt() / 1e200 - 1.0).abs() < 1e-12
        );
        assert_eq!(moments(&[0.1; 7]), (0.1, 0.0));
        assert!(moments(&[4.0]).1.is_nan());
    }
}

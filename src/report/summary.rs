//! Mean, standard deviation, quantiles and Monte Carlo error of weighted draws.

use crate::num;

/// What is said of the posterior of one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The weighted mean.
    pub mean: f64,
    /// The weighted standard deviation; with equal weights the one with n − 1.
    pub sd: f64,
    /// The quantiles asked for, in their order.
    pub quantiles: Vec<f64>,
    /// The Monte Carlo standard error of the mean, √Σ w² (x − mean)².
    pub mcse: f64,
    /// sd² / mcse²: the number of independent draws that would have the same error.
    pub ess: f64,
}

/// Summarises draws with normalised weights.
///
/// A number that is the same in every draw has sd and mcse 0 and as many effective draws as the weights have.
pub fn summarise(draws: &[f64], weights: &[f64], probabilities: &[f64]) -> Summary {
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        draws.iter().zip(weights).map(|(x, w)| f(*x, *w)).sum()
    };
    let mean = sum(&|x, w| w * x);
    let squared_weights: f64 = weights.iter().map(|w| w * w).sum();
    let variance = sum(&|x, w| w * (x - mean).powi(2)) / (1.0 - squared_weights);
    let mcse = sum(&|x, w| (w * (x - mean)).powi(2)).sqrt();
    Summary {
        mean,
        sd: variance.sqrt(),
        quantiles: quantiles(draws, weights, probabilities),
        mcse,
        ess: if mcse > 0.0 {
            variance / (mcse * mcse)
        } else {
            1.0 / squared_weights
        },
    }
}

/// Each draw stands in the middle of its weight; between draws the quantile function is linear.
fn quantiles(draws: &[f64], weights: &[f64], probabilities: &[f64]) -> Vec<f64> {
    if !draws.is_empty() && weights.iter().all(|w| *w == weights[0]) {
        let mut draws = draws.to_vec();
        let of = |p: &f64| num::quantile(&mut draws, *p);
        return probabilities.iter().map(of).collect();
    }
    let mut sorted: Vec<(f64, f64)> = draws
        .iter()
        .copied()
        .zip(weights.iter().copied())
        .filter(|(_, w)| *w > 0.0)
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = 0.0;
    for (_, w) in &mut sorted {
        let middle = below + *w / 2.0;
        below += *w;
        *w = middle;
    }
    probabilities
        .iter()
        .map(|p| {
            let after = sorted.partition_point(|(_, middle)| middle < p);
            match (after.checked_sub(1).map(|i| sorted[i]), sorted.get(after)) {
                (Some((x0, p0)), Some((x1, p1))) => x0 + (x1 - x0) * (p - p0) / (p1 - p0),
                (Some((x, _)), None) | (None, Some(&(x, _))) => x,
                (None, None) => f64::NAN,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_need_no_sorting() {
        let draws: Vec<f64> = (0..101).map(|i| f64::from(i * 37 % 101)).collect();
        let probabilities = [0.0, 0.05, 0.37, 0.5, 0.95, 1.0];
        let found = summarise(&draws, &[1.0 / 101.0; 101], &probabilities);
        // One weight differs so little that its draw stands where it stood.
        let mut weights = [1.0 / 101.0; 101];
        weights[7] += 1e-15;
        let sorted = summarise(&draws, &weights, &probabilities);
        for (a, b) in found.quantiles.iter().zip(&sorted.quantiles) {
            assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        }
    }

    #[test]
    fn equal_weights_give_the_usual_moments() {
        // R: x <- c(2, 4, 4, 4, 5, 5, 7, 9); mean 5, sd 2.13809, sd / sqrt(8) with n: 2 / sqrt(8).
        let draws = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        let s = summarise(&draws, &[0.125; 8], &[0.5]);
        assert!((s.mean - 5.0).abs() < 1e-12);
        assert!((s.sd - 2.138_089_935).abs() < 1e-9);
        assert!((s.mcse - 2.0 / 8f64.sqrt()).abs() < 1e-12);
        assert_eq!(s.quantiles, [4.5]);
    }

    #[test]
    fn quantiles_of_a_fine_grid_are_those_of_the_uniform() {
        let draws: Vec<f64> = (0..1000).map(|i| (f64::from(i) + 0.5) / 1000.0).collect();
        let s = summarise(&draws, &[0.001; 1000], &[0.05, 0.25, 0.95]);
        for (q, p) in s.quantiles.iter().zip([0.05, 0.25, 0.95]) {
            assert!((q - p).abs() < 1e-9, "{q} is not {p}");
        }
    }

    #[test]
    fn a_double_weight_moves_the_mean_as_two_draws_do_with_more_error() {
        let weighted = summarise(&[1.0, 2.0, 4.0], &[0.25, 0.5, 0.25], &[]);
        let repeated = summarise(&[1.0, 2.0, 2.0, 4.0], &[0.25; 4], &[]);
        assert!((weighted.mean - repeated.mean).abs() < 1e-12);
        assert!(weighted.mcse > repeated.mcse);
    }

    #[test]
    fn a_constant_has_no_error() {
        let s = summarise(&[3.0; 10], &[0.1; 10], &[0.05, 0.95]);
        assert!(s.sd.abs() < 1e-12 && s.mcse.abs() < 1e-12);
        assert_eq!(s.quantiles, [3.0, 3.0]);
    }
}

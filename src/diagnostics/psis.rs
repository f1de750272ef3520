//! Pareto smoothed importance sampling: the tail of the importance weights, its shape, and weights smoothed by it.
//!
//! The generalised Pareto fit is the empirical Bayes estimate of Zhang & Stephens (2009); the tail's length, the weakly informative
//! prior on the shape and the smoothing are those of Vehtari, Simpson, Gelman, Yao & Gabry (2024).

/// Smoothed importance weights.
#[derive(Clone, PartialEq, Debug)]
pub struct Smoothed {
    /// The logarithms of the weights, which add up to 1.
    pub log_weights: Vec<f64>,
    /// The estimated shape k̂ of the tail: weights have about 1/k̂ finite moments. Infinite if the tail is too short for a fit.
    pub k_hat: f64,
}

/// The fewest weights in a tail that is fitted.
const SHORTEST: usize = 5;

/// Smooths weights given by the logarithms of their unnormalised values; −∞ is a weight of 0.
pub fn smooth(log_ratios: &[f64]) -> Smoothed {
    let count = log_ratios.len();
    let most = log_ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut log_weights: Vec<f64> = log_ratios.iter().map(|r| r - most).collect();
    let mut k_hat = f64::INFINITY;
    let n = count as f64;
    let tail = (n / 5.0).min(3.0 * n.sqrt()).ceil() as usize;
    if most.is_finite() && tail < count {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| log_weights[*a].total_cmp(&log_weights[*b]));
        let cutoff = log_weights[order[count - tail - 1]].max(f64::MIN_POSITIVE.ln());
        order.retain(|i| log_weights[*i] > cutoff);
        if order.len() >= SHORTEST {
            let excess: Vec<f64> = (order.iter())
                .map(|i| log_weights[*i].exp() - cutoff.exp())
                .collect();
            let (shape, scale) = fit_tail(&excess);
            k_hat = shape;
            if shape.is_finite() {
                for (rank, i) in order.iter().enumerate() {
                    let p = (rank as f64 + 0.5) / order.len() as f64;
                    let smoothed = cutoff.exp() + quantile(p, shape, scale);
                    // No smoothed weight is larger than the largest raw one.
                    log_weights[*i] = smoothed.ln().min(0.0);
                }
            }
        }
    }
    let total = log_weights.iter().map(|w| w.exp()).sum::<f64>().ln();
    log_weights.iter_mut().for_each(|w| *w -= total);
    Smoothed { log_weights, k_hat }
}

/// The shape and scale of a generalised Pareto distribution with these excesses, which ascend.
///
/// Zhang & Stephens profile the likelihood in b = −k/σ: a grid of candidates is weighted by the profile likelihood, and the mean of b
/// gives k = mean log(1 − b x) (in the sign of Hosking & Wallis), regularised towards ½ by ten observations' worth of prior.
fn fit_tail(excess: &[f64]) -> (f64, f64) {
    let n = excess.len() as f64;
    let candidates = 30 + n.sqrt() as usize;
    let quarter = excess[(n / 4.0 + 0.5) as usize - 1];
    let largest = excess[excess.len() - 1];
    let shape_at = |b: f64| excess.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / n;
    let profile: Vec<(f64, f64)> = (1..=candidates)
        .map(|i| {
            let place = 1.0 - (candidates as f64 / (i as f64 - 0.5)).sqrt();
            let b = 1.0 / largest + place / (3.0 * quarter);
            let k = shape_at(b);
            (b, n * ((-b / k).ln() - k - 1.0))
        })
        .collect();
    let most = (profile.iter()).fold(f64::NEG_INFINITY, |most, (_, l)| most.max(*l));
    let (mut total, mut mean) = (0.0, 0.0);
    for (b, log_likelihood) in &profile {
        let weight = (log_likelihood - most).exp();
        total += weight;
        mean += weight * b;
    }
    let b = mean / total;
    let k = shape_at(b);
    ((n * k + 10.0 * 0.5) / (n + 10.0), -k / b)
}

/// The quantile of a generalised Pareto distribution.
fn quantile(p: f64, shape: f64, scale: f64) -> f64 {
    let rate = -(-p).ln_1p();
    if shape.abs() < f64::EPSILON {
        scale * rate
    } else {
        scale * (shape * rate).exp_m1() / shape
    }
}

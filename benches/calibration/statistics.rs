//! The tail of the χ² distribution.

use hvi::num::special::lgamma;

/// P(X > x) for X of so many degrees of freedom: the upper incomplete gamma function by its series or its continued fraction
/// (Abramowitz & Stegun 6.5.29, 6.5.31).
pub fn chi_square_tail(x: f64, freedom: f64) -> f64 {
    let (a, x) = (0.5 * freedom, 0.5 * x);
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for k in 1..1000 {
            term *= x / (a + f64::from(k));
            sum += term;
        }
        1.0 - front * sum
    } else {
        // From the last fraction to the first.
        let fraction = (1..1000).rev().fold(x, |below, k| {
            let k = f64::from(k);
            x + (k - a) / (1.0 + k / below)
        });
        front / fraction
    }
}

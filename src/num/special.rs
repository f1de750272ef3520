//! Special functions on `f64`, accurate to a few units in the last place over their whole range.

use std::f64::consts::FRAC_1_SQRT_2;
use std::f64::consts::LN_2;
use std::f64::consts::PI;
use std::f64::consts::SQRT_2;

/// ½ log 2π.
pub const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// log |Γ(x)|; +∞ at 0, −1, −2 ….
pub fn lgamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// Where the asymptotic series of the functions of ψ hold to full precision.
const SERIES_FROM: f64 = 12.0;

/// ψ(x) = d log Γ(x) / dx; NaN at 0, −1, −2 ….
///
/// Recurrence up, then the asymptotic series (Abramowitz & Stegun 6.3.5, 6.3.18); below 0 the reflection 6.3.7.
pub fn digamma(x: f64) -> f64 {
    if x <= 0.0 {
        return if x.fract() == 0.0 {
            f64::NAN
        } else {
            digamma(1.0 - x) - PI / (PI * x.fract()).tan()
        };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < SERIES_FROM {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let w = 1.0 / (x * x);
    let series = w
        * (1.0 / 12.0
            - w * (1.0 / 120.0
                - w * (1.0 / 252.0
                    - w * (1.0 / 240.0 - w * (1.0 / 132.0 - w * (691.0 / 32760.0 - w / 12.0))))));
    sum + x.ln() - 0.5 / x - series
}

/// ψ′(x); +∞ at 0, −1, −2 …. (Abramowitz & Stegun 6.4.6, 6.4.7, 6.4.12.)
pub fn trigamma(x: f64) -> f64 {
    if x <= 0.0 {
        return if x.fract() == 0.0 {
            f64::INFINITY
        } else {
            (PI / (PI * x.fract()).sin()).powi(2) - trigamma(1.0 - x)
        };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < SERIES_FROM {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let w = 1.0 / (x * x);
    let series = w / x
        * (1.0 / 6.0
            - w * (1.0 / 30.0
                - w * (1.0 / 42.0
                    - w * (1.0 / 30.0 - w * (5.0 / 66.0 - w * (691.0 / 2730.0 - w * 7.0 / 6.0))))));
    sum + 1.0 / x + 0.5 * w + series
}

/// ψ″(x); NaN at 0, −1, −2 …, −∞ at +0. (The derivatives of the formulas of [`trigamma`].)
pub fn tetragamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x < 0.0 {
        return if x.fract() == 0.0 {
            f64::NAN
        } else {
            let (sin, cos) = (PI * x.fract()).sin_cos();
            tetragamma(1.0 - x) - 2.0 * cos * (PI / sin).powi(3)
        };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < SERIES_FROM {
        sum -= 2.0 / (x * x * x);
        x += 1.0;
    }
    let w = 1.0 / (x * x);
    let series = w
        * w
        * (0.5
            - w * (1.0 / 6.0
                - w * (1.0 / 6.0
                    - w * (3.0 / 10.0 - w * (5.0 / 6.0 - w * (691.0 / 210.0 - w * 35.0 / 2.0))))));
    sum - w - w / x - series
}

/// The error function.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// `x` cut to 26 bits of mantissa, so that its square is exact.
fn head(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & !0x07ff_ffff)
}

/// e^(−x²/2) without the error that rounding x² brings in the tails.
fn exp_minus_half_square(x: f64) -> f64 {
    if x.abs() > 39.0 {
        return 0.0;
    }
    let z = head(x);
    (-0.5 * z * z).exp() * (-0.5 * (x - z) * (x + z)).exp()
}

/// e^(x²) erfc(x) for x ≥ 0; the asymptotic series 7.1.23 of Abramowitz & Stegun from 10 on.
pub fn erfcx(x: f64) -> f64 {
    if x < 10.0 {
        let z = head(x);
        return (z * z).exp() * ((x - z) * (x + z)).exp() * libm::erfc(x);
    }
    let w = 0.5 / (x * x);
    let series = (0..12)
        .rev()
        .fold(1.0, |s, k| 1.0 - f64::from(2 * k + 1) * w * s);
    series * 0.5 * std::f64::consts::FRAC_2_SQRT_PI / x
}

/// Φ(x), the standard normal distribution function.
pub fn normal_cdf(x: f64) -> f64 {
    if x < -1.0 {
        0.5 * exp_minus_half_square(x) * erfcx(-x * FRAC_1_SQRT_2)
    } else {
        0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
    }
}

/// log Φ(x).
pub fn log_normal_cdf(x: f64) -> f64 {
    if x < -1.0 {
        erfcx(-x * FRAC_1_SQRT_2).ln() - LN_2 - 0.5 * x * x
    } else {
        (-normal_cdf(-x)).ln_1p()
    }
}

/// φ(x), the standard normal density.
pub fn normal_density(x: f64) -> f64 {
    exp_minus_half_square(x) * FRAC_1_SQRT_2 * 0.5 * std::f64::consts::FRAC_2_SQRT_PI
}

/// log φ(x).
pub fn log_normal_density(x: f64) -> f64 {
    -0.5 * x * x - HALF_LOG_TWO_PI
}

/// φ(x)/Φ(x), the derivative of [`log_normal_cdf`].
pub fn inverse_mills(x: f64) -> f64 {
    if x < -1.0 {
        SQRT_2 * 0.5 * std::f64::consts::FRAC_2_SQRT_PI / erfcx(-x * FRAC_1_SQRT_2)
    } else {
        normal_density(x) / normal_cdf(x)
    }
}

/// x + φ(x)/Φ(x), without the cancellation of the left tail.
///
/// Below −5 the continued fraction 1/(t + 2/(t + 3/(t + …))), t = −x (Abramowitz & Stegun 26.2.14).
pub fn inverse_mills_excess(x: f64) -> f64 {
    if x < -5.0 {
        let fraction = (2..40).rev().fold(-x, |f, k| f64::from(k) / f - x);
        1.0 / fraction
    } else {
        x + inverse_mills(x)
    }
}

/// Φ⁻¹(p); −∞ at 0, +∞ at 1, NaN outside [0, 1].
///
/// The approximation 26.2.23 of Abramowitz & Stegun, then Halley steps: on Φ(x) − ½ in the middle, on log Φ(x) in the tails.
pub fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        // 1 − p is exact here.
        return -normal_quantile(1.0 - p);
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    let t = (-2.0 * p.ln()).sqrt();
    let ratio = (2.515_517 + t * (0.802_853 + t * 0.010_328))
        / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    let mut x = ratio - t;
    if p > 0.1 {
        let q = 0.5 - p;
        for _ in 0..3 {
            // f = Φ(x) − p, f″/f′ = −x.
            let step = (q + 0.5 * libm::erf(x * FRAC_1_SQRT_2)) / normal_density(x);
            x -= step / (1.0 + 0.5 * x * step);
        }
    } else {
        let target = p.ln();
        for _ in 0..3 {
            // f = log Φ(x) − log p, f′ = m, f″/f′ = −(x + m).
            let step = (log_normal_cdf(x) - target) / inverse_mills(x);
            x -= step / (1.0 + 0.5 * inverse_mills_excess(x) * step);
        }
    }
    x
}

//! Combinations of functions that lose no digits where their parts cancel or overflow, over any [`Real`].

use super::Real;
use super::special::HALF_LOG_TWO_PI;

/// a log b, 0 where both are 0.
#[inline(always)]
pub fn times_log<T: Real>(a: T, b: T) -> T {
    if a.value() == 0.0 && b.value() == 0.0 {
        T::zero()
    } else {
        a * b.log()
    }
}

/// a log(1 − b), 0 where a is 0 and b is 1.
#[inline(always)]
pub fn times_log1m<T: Real>(a: T, b: T) -> T {
    if a.value() == 0.0 && b.value() == 1.0 {
        T::zero()
    } else {
        a * (-b).log1p()
    }
}

/// `value`, or −∞ where it is `outside`.
#[inline(always)]
pub fn unless<T: Real>(outside: bool, value: T) -> T {
    if outside {
        T::of(f64::NEG_INFINITY)
    } else {
        value
    }
}

/// a / b, 0 where both are 0: the derivative of [`times_log`] by b.
#[inline(always)]
pub fn quotient<T: Real>(a: T, b: T) -> T {
    if a.value() == 0.0 && b.value() == 0.0 {
        T::zero()
    } else {
        a / b
    }
}

/// log(eᵃ + eᵇ).
#[inline(always)]
pub fn log_add_exp<T: Real>(a: T, b: T) -> T {
    if a.value() == f64::NEG_INFINITY {
        b
    } else if b.value() == f64::NEG_INFINITY || a.value() == f64::INFINITY {
        a
    } else if a.value() > b.value() {
        a + (b - a).softplus()
    } else {
        b + (a - b).softplus()
    }
}

/// a + log p; −∞ where p is 0, whatever a.
#[inline(always)]
pub fn plus_log<T: Real>(a: T, p: T) -> T {
    if p.value() == 0.0 {
        T::of(f64::NEG_INFINITY)
    } else {
        a + p.log()
    }
}

/// e^(a − y), 0 where a is −∞.
#[inline(always)]
pub fn exp_difference<T: Real>(a: T, y: T) -> T {
    if a.value() == f64::NEG_INFINITY {
        T::zero()
    } else {
        (a - y).exp()
    }
}

/// Where [`stirling`] holds to full precision.
const STIRLING_FROM: f64 = 10.0;

/// log Γ(x) − ((x − ½) log x − x + ½ log 2π) for x ≥ 10 (Abramowitz & Stegun 6.1.41).
#[inline(always)]
fn stirling<T: Real>(x: T) -> T {
    const TERMS: [f64; 7] = [
        1.0 / 156.0,
        -691.0 / 360_360.0,
        1.0 / 1188.0,
        -1.0 / 1680.0,
        1.0 / 1260.0,
        -1.0 / 360.0,
        1.0 / 12.0,
    ];
    let w = T::one() / (x * x);
    let sum = TERMS.iter().fold(T::zero(), |s, &c| s * w + T::of(c));
    sum / x
}

/// log Γ(a + b) − log Γ(a) for positive a and a + b.
#[inline(always)]
pub fn lgamma_ratio<T: Real>(a: T, b: T) -> T {
    let sum = a + b;
    if a.value() < STIRLING_FROM || sum.value() < STIRLING_FROM {
        return sum.lgamma() - a.lgamma();
    }
    (a - T::of(0.5)) * (b / a).log1p() + b * (sum.log() - T::one()) + (stirling(sum) - stirling(a))
}

/// ψ(a + b) − ψ(a) for positive a and a + b: the derivative of [`lgamma_ratio`] by a.
#[inline(always)]
pub fn digamma_ratio<T: Real>(a: T, b: T) -> T {
    let sum = a + b;
    if a.value() < STIRLING_FROM || sum.value() < STIRLING_FROM {
        return sum.digamma() - a.digamma();
    }
    (b / a).log1p() + T::of(0.5) * b / (a * sum) + (stirling_slope(sum) - stirling_slope(a))
}

/// ψ(x) − (log x − 1 / 2x) for x ≥ 10: the derivative of [`stirling`] (Abramowitz & Stegun 6.3.18).
#[inline(always)]
fn stirling_slope<T: Real>(x: T) -> T {
    const TERMS: [f64; 7] = [
        -1.0 / 12.0,
        691.0 / 32_760.0,
        -1.0 / 132.0,
        1.0 / 240.0,
        -1.0 / 252.0,
        1.0 / 120.0,
        -1.0 / 12.0,
    ];
    let w = T::one() / (x * x);
    TERMS.iter().fold(T::zero(), |s, &c| s * w + T::of(c)) * w
}

/// log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b) for positive a and b.
#[inline(always)]
pub fn lbeta<T: Real>(a: T, b: T) -> T {
    let (small, large) = if a.value() < b.value() {
        (a, b)
    } else {
        (b, a)
    };
    small.lgamma() - lgamma_ratio(large, small)
}

/// log of the binomial coefficient n over k, for 0 ≤ k ≤ n; −∞ outside.
#[inline(always)]
pub fn log_choose<T: Real>(n: T, k: T) -> T {
    if !(k.value() >= 0.0 && k.value() <= n.value()) {
        return T::of(f64::NEG_INFINITY);
    }
    let one = T::one();
    -lbeta(n - k + one, k + one) - (n + one).log()
}

/// a log m − m − log Γ(a) for positive a, given m and its log: the matter of the gamma and Poisson densities.
///
/// For large a it is −a (u − log(1 + u)) + ½ log(a / 2π) − S(a) with u = m/a − 1 (Loader 2000, "Fast and accurate
/// computation of binomial probabilities"), where the terms of order a log a have cancelled.
#[inline(always)]
pub fn gamma_kernel<T: Real>(a: T, m: T, log_m: T) -> T {
    if a.value() < STIRLING_FROM {
        return a * log_m - m - a.lgamma();
    }
    let excess = m - a;
    let u = excess / a;
    let log = if u.value().abs() < 0.5 {
        u.log1p()
    } else {
        log_m - a.log()
    };
    a * log - excess + T::of(0.5) * a.log() - T::of(HALF_LOG_TWO_PI) - stirling(a)
}

/// x + log(1 − x) for 0 ≤ x < 1, given the logarithm: near 0 by its series −x² (½ + x / 3 + x² / 4 + …), where the two cancel.
#[inline(always)]
pub fn log1m_and<T: Real>(x: T, log1m: T) -> T {
    if x.value() > 0.02 {
        return x + log1m;
    }
    let mut series = T::zero();
    for k in (2..=11).rev() {
        series = series * x + T::of(1.0 / f64::from(k));
    }
    -x * x * series
}

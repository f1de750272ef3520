//! The error function and the standard normal distribution function.

use super::Fma;
use super::clamp;
use super::exp::exp_pair;
use super::exp::exp_sum;
use super::fast_two_sum;
use super::log::log_sum;
use super::poly;
use super::table::ERF;
use super::table::ERF_HI;
use super::table::ERF_LO;
use super::table::MILLS;
use super::table::MILLS_HI;
use super::table::MILLS_LO;
use super::two_product;
use super::two_sum;
use std::f64::consts::SQRT_2;

/// 1 / √(2π).
const INVERSE_ROOT_TWO_PI: f64 = 0.398_942_280_401_432_7;

/// e^(x²/2) Φ(−x) for x ≥ 0, as a sum of two numbers: a polynomial in (x − 5) / (x + 5) over 1 + x
/// (the form of Shepherd and Laframboise 1981).
#[inline(always)]
fn mills<F: Fma>(x: f64) -> (f64, f64) {
    let x = if x > 1e300 { 1e300 } else { x };
    let t = (x - 5.0) / (x + 5.0);
    let (p, p_low) = fast_two_sum(MILLS_HI, F::fma(t, poly::<F, _>(&MILLS, t), MILLS_LO));
    let (d, d_low) = two_sum(1.0, x);
    let inverse = 1.0 / d;
    let y = p * inverse;
    let (back, back_low) = two_product::<F>(y, d);
    let rest = ((p - back) - back_low) + F::fma(-y, d_low, p_low);
    (y, rest * inverse)
}

/// Φ(−x) for x ≥ 0.
#[inline(always)]
fn upper_tail<F: Fma>(x: f64) -> f64 {
    // From 40 on the result is 0.
    let x = if x > 40.0 { 40.0 } else { x };
    let (square, square_low) = two_product::<F>(x, x);
    tail::<F>(x, -0.5 * square, -0.5 * square_low)
}

/// e^(exponent + rest) times e^(x²/2) Φ(−x), for x ≥ 0.
#[inline(always)]
fn tail<F: Fma>(x: f64, exponent: f64, rest: f64) -> f64 {
    let (m, m_low) = mills::<F>(x);
    let ((e, e_low), scales) = exp_pair::<F>(exponent, rest);
    let (y, y_low) = two_product::<F>(e, m);
    let y = y + F::fma(e, m_low, F::fma(e_low, m, y_low));
    y * scales.0 * scales.1
}

/// φ(x), the standard normal density.
#[inline(always)]
pub fn normal_density<F: Fma>(x: f64) -> f64 {
    // From 40 on the result is 0.
    let x = clamp(x, -40.0, 40.0);
    let (square, square_low) = two_product::<F>(x, x);
    exp_sum::<F>(-0.5 * square, -0.5 * square_low) * INVERSE_ROOT_TWO_PI
}

/// φ(x)/Φ(x), the derivative of log Φ(x).
#[inline(always)]
pub fn inverse_mills<F: Fma>(x: f64) -> f64 {
    let size = x.abs();
    let left = x < 0.0;
    let density = normal_density::<F>(x);
    let whole = 1.0 - upper_tail::<F>(size);
    let (m, _) = mills::<F>(size);
    (if left { INVERSE_ROOT_TWO_PI } else { density }) / if left { m } else { whole }
}

/// The error function.
#[inline(always)]
pub fn erf<F: Fma>(x: f64) -> f64 {
    let size = x.abs();
    let square = x * x;
    let low = size * F::fma(square, poly::<F, _>(&ERF, square), ERF_LO);
    let near = F::fma(size, ERF_HI, low);
    // From 6 on the result is 1.
    let z = if size > 6.0 { 6.0 } else { size };
    let far = F::fma(-2.0, tail::<F>(z * SQRT_2, -z * z, 0.0), 1.0);
    (if size < 0.65 { near } else { far }).copysign(x)
}

/// Φ(x).
#[inline(always)]
pub fn normal_cdf<F: Fma>(x: f64) -> f64 {
    let tail = upper_tail::<F>(x.abs());
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// log Φ(x).
#[inline(always)]
pub fn log_normal_cdf<F: Fma>(x: f64) -> f64 {
    let size = x.abs();
    let near = if size > 40.0 { 40.0 } else { size };
    let right = -upper_tail::<F>(near);
    let u = 1.0 + right;
    let (m, m_low) = mills::<F>(size);
    let left = x < 0.0;
    let log = log_sum::<F>(
        if left { m } else { u },
        if left { m_low } else { right - (u - 1.0) },
    );
    let (square, square_low) = two_product::<F>(size, size);
    let square_low = if size < 1e100 { square_low } else { 0.0 };
    let y = if left {
        F::fma(-0.5, square, F::fma(-0.5, square_low, log))
    } else {
        log
    };
    if x.is_nan() { x } else { y }
}

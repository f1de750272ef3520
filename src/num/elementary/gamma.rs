//! log Γ and its derivatives ψ and ψ′.

use super::Fma;
use super::log;
use super::log::log_pair;
use super::poly;
use super::table::DIGAMMA;
use super::table::DIGAMMA_HI;
use super::table::DIGAMMA_LO;
use super::table::DIGAMMA_SERIES;
use super::table::DIGAMMA_ZERO_HI;
use super::table::DIGAMMA_ZERO_LO;
use super::table::LGAMMA_NEAR_2;
use super::table::LGAMMA_NEAR_2_HI;
use super::table::LGAMMA_NEAR_2_LO;
use super::table::STIRLING;
use super::table::STIRLING_HI;
use super::table::STIRLING_LO;
use super::table::TRIGAMMA_SERIES;
use super::trig::half_turns;
use super::two_product;
use super::two_sum;
use std::f64::consts::FRAC_1_PI;
use std::f64::consts::PI;

/// log |Γ(x)|; +∞ at 0, −1, −2 … and ±∞.
///
/// Below 0 the error is in units of the larger of |log |Γ(x)||, log Γ(−x) and 1, whose sum cancels near the zeros there
/// (Abramowitz & Stegun 6.1.17).
#[inline(always)]
pub fn lgamma<F: Fma>(x: f64) -> f64 {
    let z = x.abs();
    let y = lgamma_positive::<F>(z);
    // log(π / (z sin πz)) − log Γ(z); below 1e-100 the first is −2 log z.
    let sin = half_turns::<F>(z).sin;
    let reflected = -log::<F>(z * (sin * FRAC_1_PI)) - y;
    let reflected = if z < 1e-100 { y } else { reflected };
    let reflected = if sin == 0.0 { f64::INFINITY } else { reflected };
    let y = if x < 0.0 { reflected } else { y };
    if z == f64::INFINITY { z } else { y }
}

/// log Γ(z) for z ≥ 0: below 2.5 by log Γ(2 + d) and the recurrence, above by Stirling's formula.
#[inline(always)]
fn lgamma_positive<F: Fma>(z: f64) -> f64 {
    let small = z < 2.5;
    let (first, second) = (z < 0.5, z < 1.5);
    // z Γ(z), or z (z + 1) Γ(z), is Γ(2 + d).
    let d = z - if first {
        0.0
    } else if second {
        1.0
    } else {
        2.0
    };
    let d = if small { d } else { 0.0 };
    let factor = if first {
        F::fma(z, z, z)
    } else if second {
        z
    } else {
        1.0
    };
    let (log, log_low) = log_pair::<F>(if small { factor } else { z });
    let near = d * F::fma(d, poly::<F, _>(&LGAMMA_NEAR_2, d), LGAMMA_NEAR_2_LO);
    let below = (F::fma(d, LGAMMA_NEAR_2_HI, near) - log) - log_low;
    // (z − ½) (log z − 1) + (½ log 2π − ½) + S(1/z²) / z.
    let inverse = 1.0 / z;
    let series = poly::<F, _>(&STIRLING, inverse * inverse);
    let half = z - 0.5;
    let (less, less_low) = two_sum(log, -1.0);
    let (product, product_low) = two_product::<F>(half, less);
    let (sum, sum_low) = two_sum(product, STIRLING_HI);
    let low = F::fma(half, less_low + log_low, product_low)
        + F::fma(series, inverse, STIRLING_LO + sum_low);
    let above = if z < 1e17 { sum + low } else { product };
    let y = if small { below } else { above };
    if z == 0.0 { f64::INFINITY } else { y }
}

/// ψ(x); NaN at 0, −1, −2 … and −∞.
///
/// Below 0 the error is in units of the larger of |ψ(x)|, |ψ(−x)| and 1 (6.3.7).
#[inline(always)]
pub fn digamma<F: Fma>(x: f64) -> f64 {
    let z = x.abs();
    let y = digamma_positive::<F>(z);
    let turns = half_turns::<F>(z);
    let reflected = F::fma(PI, turns.cos / turns.sin, y + 1.0 / z);
    let reflected = if z < 1e-20 { -1.0 / x } else { reflected };
    let pole = (turns.sin == 0.0) | (x == f64::NEG_INFINITY);
    let y = if x < 0.0 {
        if pole { f64::NAN } else { reflected }
    } else {
        y
    };
    if x == 0.0 { f64::NAN } else { y }
}

/// ψ(z) for z > 0: below 3 by its values between 1 and 2.14 and the recurrence, above by the asymptotic series.
#[inline(always)]
fn digamma_positive<F: Fma>(z: f64) -> f64 {
    let (below, above) = (z < 1.04, z > 2.14);
    // ψ(z) = ψ(y) + step.
    let y = z + if below {
        1.0
    } else if above {
        -1.0
    } else {
        0.0
    };
    let step = (if below {
        -1.0
    } else if above {
        1.0
    } else {
        0.0
    }) / if below { z } else { y };
    let far = z >= 3.0;
    let d = if far { 0.0 } else { y - 1.5 };
    let ratio = DIGAMMA_HI + F::fma(d, poly::<F, _>(&DIGAMMA, d), DIGAMMA_LO);
    let near = F::fma((y - DIGAMMA_ZERO_HI) - DIGAMMA_ZERO_LO, ratio, step);
    let inverse = 1.0 / z;
    let square = inverse * inverse;
    let series = F::fma(square, poly::<F, _>(&DIGAMMA_SERIES, square), 0.5 * inverse);
    if far { log::<F>(z) - series } else { near }
}

/// ψ′(x); +∞ at 0, −1, −2 …, NaN at −∞ (6.4.6, 6.4.7, 6.4.12).
#[inline(always)]
pub fn trigamma<F: Fma>(x: f64) -> f64 {
    let z = x.abs();
    let near = z < 3.0;
    // ψ′(z) = 1/z² + middle + ψ′(far), where far = z + 3; from 3 on, the last alone.
    let far = if near { z + 3.0 } else { z };
    let w = 1.0 / far;
    let square = w * w;
    let series = F::fma(
        square * w,
        poly::<F, _>(&TRIGAMMA_SERIES, square),
        F::fma(0.5, square, w),
    );
    let (a, b) = (z + 1.0, z + 2.0);
    let product = a * b;
    let middle = F::fma(a, a, b * b) / (product * product);
    let first = 1.0 / z;
    let first = first * first;
    // ψ′(1 + z).
    let next = if near {
        series + middle
    } else {
        series - first
    };
    let y = if near { first + next } else { series };
    let sine = PI / half_turns::<F>(z).sin;
    let y = if x < 0.0 {
        F::fma(sine, sine, -next)
    } else {
        y
    };
    if x == f64::NEG_INFINITY { f64::NAN } else { y }
}

//! Logarithms, and what is made of one logarithm of one exponential.

use super::Fma;
use super::exp;
use super::expm1;
use super::fast_two_sum;
use super::poly;
use super::table::LN2_HI;
use super::table::LN2_LO;
use super::table::LOG;
use super::table::LOG_TAIL;
use super::table::TWO_THIRDS_LO;
use super::two_product;
use super::two_sum;
use std::f64::consts::LN_2;

/// The bits of √½.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// The bits of 1.
const ONE: u64 = 0x3ff0_0000_0000_0000;
/// The bits of a mantissa.
const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;
/// 2⁵², as a number and as bits.
const TWO_52: f64 = 4_503_599_627_370_496.0;
const TWO_52_BITS: u64 = 0x4330_0000_0000_0000;

/// x = 2ᵏ (1 + f) for a positive normal x, with √½ ≤ 1 + f < √2.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    let bits = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    let k = f64::from_bits((bits >> 52) | TWO_52_BITS) - (TWO_52 + 1023.0);
    let m = f64::from_bits((bits & MANTISSA).wrapping_add(SQRT_HALF));
    (k, m - 1.0)
}

/// As [`split`], for subnormal x too.
#[inline(always)]
fn split_any(x: f64) -> (f64, f64) {
    let tiny = x < f64::MIN_POSITIVE;
    let (k, f) = split(if tiny { x * (4.0 * TWO_52) } else { x });
    (if tiny { k - 54.0 } else { k }, f)
}

/// k log 2 + log(1 + f) + `rest`, for a small rest: log(1 + f) = f − f²/2 + s (f²/2 + R(s²)) with s = f / (2 + f).
#[inline(always)]
fn combine<F: Fma>(k: f64, f: f64, rest: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    let low = F::fma(k, LN2_LO, rest);
    let inner = F::fma(s, F::fma(z, poly::<F, _>(&LOG, z), half_square), low);
    F::fma(k, LN2_HI, f - (half_square - inner))
}

/// log(x + rest) for a positive normal x and a `rest` of at most a unit in its last place.
#[inline(always)]
pub(super) fn log_sum<F: Fma>(x: f64, rest: f64) -> f64 {
    let (k, f) = split(x);
    // rest / x, of which three digits are enough: 1 / (1 + f) ≈ 1 − f + f².
    // 2¹⁻ᵏ, as k may be 1024.
    let inverse = f64::from_bits(((TWO_52 + 1024.0) - k).to_bits() << 52);
    combine::<F>(k, f, rest * inverse * F::fma(f, 0.5 * (f - 1.0), 0.5))
}

/// `y` for positive finite x, else the logarithm's value there.
#[inline(always)]
fn at_edges(x: f64, y: f64) -> f64 {
    let edge = if x == 0.0 { f64::NEG_INFINITY } else { x };
    let edge = if x < 0.0 { f64::NAN } else { edge };
    if (x > 0.0) & (x < f64::INFINITY) {
        y
    } else {
        edge
    }
}

/// The natural logarithm; −∞ at 0, NaN below.
#[inline(always)]
pub fn log<F: Fma>(x: f64) -> f64 {
    let (k, f) = split_any(x);
    at_edges(x, combine::<F>(k, f, 0.0))
}

/// log(1 + x); −∞ at −1, NaN below.
#[inline(always)]
pub fn log1p<F: Fma>(x: f64) -> f64 {
    let u = 1.0 + x;
    let rest = if x < 1.0 {
        x - (u - 1.0)
    } else {
        1.0 - (u - x)
    };
    let y = at_edges(u, log_sum::<F>(u, rest));
    // The sign of zero.
    if x == 0.0 { x } else { y }
}

/// log(1 + eˣ).
#[inline(always)]
pub fn softplus<F: Fma>(x: f64) -> f64 {
    let e = exp::<F>(-x.abs());
    let u = 1.0 + e;
    (if x < 0.0 { 0.0 } else { x }) + log_sum::<F>(u, e - (u - 1.0))
}

/// log(1 / (1 + e⁻ˣ)).
#[inline(always)]
pub fn log_sigmoid<F: Fma>(x: f64) -> f64 {
    -softplus::<F>(-x)
}

/// log(1 − eˣ) for x ≤ 0; NaN above.
#[inline(always)]
pub fn log1m_exp<F: Fma>(x: f64) -> f64 {
    let near = x > -LN_2;
    let e = -exp::<F>(x);
    let sum = 1.0 + e;
    let u = if near { -expm1::<F>(x) } else { sum };
    let rest = if near { 0.0 } else { e - (sum - 1.0) };
    let (k, f) = split_any(u);
    let tiny = at_edges(u, combine::<F>(k, f, 0.0));
    if u < f64::MIN_POSITIVE {
        tiny
    } else {
        log_sum::<F>(u, rest)
    }
}

/// log x of a positive finite x as a sum of two numbers, to about 2⁻⁶⁴ of the whole.
#[inline(always)]
pub(super) fn log_pair<F: Fma>(x: f64) -> (f64, f64) {
    let (k, f) = split_any(x);
    // s = f / (2 + f) in two parts.
    let sum = 2.0 + f;
    let lost = f - (sum - 2.0);
    let inverse = 1.0 / sum;
    let s = f * inverse;
    let (back, back_low) = two_product::<F>(s, sum);
    let s_low = (((f - back) - back_low) - s * lost) * inverse;
    // log(1 + f) = s (2 + z (2/3 + z T(z))) with z = s².
    let (z, z_low) = two_product::<F>(s, s);
    let z_low = F::fma(2.0 * s, s_low, z_low);
    let tail = z * poly::<F, _>(&LOG_TAIL, z);
    let (a, a_low) = fast_two_sum(LOG[0], tail);
    let a_low = a_low + F::fma(z_low, LOG_TAIL[0], TWO_THIRDS_LO);
    let (b, b_low) = two_product::<F>(z, a);
    let b_low = F::fma(z, a_low, F::fma(z_low, a, b_low));
    let (c, c_low) = fast_two_sum(2.0, b);
    let c_low = c_low + b_low;
    let (m, m_low) = two_product::<F>(s, c);
    let m_low = F::fma(s, c_low, F::fma(s_low, c, m_low));
    let (y, y_low) = two_sum(k * LN2_HI, m);
    fast_two_sum(y, F::fma(k, LN2_LO, y_low + m_low))
}

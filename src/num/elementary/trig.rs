//! Sine and cosine, for arguments of any size.

use super::Fma;
use super::fast_two_sum;
use super::nearest;
use super::poly;
use super::table::COS;
use super::table::SIN;
use super::table::TWO_OVER_PI_0;
use super::table::TWO_OVER_PI_1;
use super::table::TWO_OVER_PI_2;
use super::table::TWO_OVER_PI_3;
use super::two_product;
use super::two_sum;
use std::f64::consts::FRAC_PI_2;
use std::f64::consts::FRAC_PI_4;
use std::f64::consts::PI;

/// 2⁵²: from here on all numbers are integers.
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// π/2 less its rounding.
const FRAC_PI_2_LO: f64 = 6.123_233_995_736_766e-17;

/// sin(r + rest) for |r| ≤ π/4.
#[inline(always)]
fn sin_near<F: Fma>(r: f64, rest: f64) -> f64 {
    let z = r * r;
    let low = F::fma(rest, F::fma(z, -0.5, 1.0), r * z * poly::<F, _>(&SIN, z));
    r + low
}

/// cos(r + rest) for |r| ≤ π/4.
#[inline(always)]
fn cos_near<F: Fma>(r: f64, rest: f64) -> f64 {
    let z = r * r;
    let half = 0.5 * z;
    let (high, low) = fast_two_sum(1.0, -half);
    high + F::fma(z * z, poly::<F, _>(&COS, z), F::fma(-r, rest, low))
}

/// x less multiples of 4.
#[inline(always)]
fn modulo_4(x: f64) -> f64 {
    let quarter = 0.25 * x;
    let shift = TWO_52.copysign(x);
    let whole = if quarter.abs() < TWO_52 {
        (quarter + shift) - shift
    } else {
        quarter
    };
    4.0 * (quarter - whole)
}

/// x = (n + 4 i) π/2 + r + rest with |r| ≤ π/4: n's low bits, r and rest (Payne and Hanek 1983).
///
/// 2/π times the power of 2 in x, modulo 4, is in a table in steps of 16 exponents, as a sum of four numbers.
#[inline(always)]
fn reduce<F: Fma>(x: f64) -> (u64, f64, f64) {
    let exponent = (x.to_bits() >> 52) & 0x7ff;
    let above = exponent.saturating_sub(1023);
    let step = (above >> 4) & 63;
    let m = x * f64::from_bits((1023 - 16 * step) << 52);
    let at = step as usize;
    let (a, a_low) = two_product::<F>(m, TWO_OVER_PI_0[at]);
    let (b, b_low) = two_product::<F>(m, TWO_OVER_PI_1[at]);
    let (c, c_low) = two_product::<F>(m, TWO_OVER_PI_2[at]);
    let d = F::fma(m, TWO_OVER_PI_3[at], c_low);
    // The first three turn many times; the others are small.
    let (sum, low) = two_sum(modulo_4(a), modulo_4(a_low));
    let (sum, low_2) = two_sum(sum, modulo_4(b));
    let (n, bits) = nearest(sum);
    let (f, low_3) = two_sum(sum - n, low + low_2);
    let (f, low_4) = two_sum(f, b_low);
    let (f, low_5) = two_sum(f, c);
    let (f, f_low) = fast_two_sum(f, low_3 + low_4 + (low_5 + d));
    // Times π/2.
    let (r, r_low) = two_product::<F>(f, FRAC_PI_2);
    let r_low = F::fma(f, FRAC_PI_2_LO, F::fma(f_low, FRAC_PI_2, r_low));
    let small = x.abs() < FRAC_PI_4;
    (
        if small { 0 } else { bits },
        if small { x } else { r },
        if small { 0.0 } else { r_low },
    )
}

/// The sine, negated in the lower half of the turn, of a reduced argument; `n` quarters on.
#[inline(always)]
fn quarter<F: Fma>(n: u64, r: f64, rest: f64) -> f64 {
    let (sin, cos) = (sin_near::<F>(r, rest), cos_near::<F>(r, rest));
    let y = if n & 1 == 0 { sin } else { cos };
    f64::from_bits(y.to_bits() ^ ((n & 2) << 62))
}

/// The sine; NaN at ±∞.
#[inline(always)]
pub fn sin<F: Fma>(x: f64) -> f64 {
    let (n, r, rest) = reduce::<F>(x);
    let y = quarter::<F>(n, r, rest);
    let y = if x.abs() < f64::INFINITY { y } else { f64::NAN };
    // The sign of zero.
    if x == 0.0 { x } else { y }
}

/// The cosine; NaN at ±∞.
#[inline(always)]
pub fn cos<F: Fma>(x: f64) -> f64 {
    let (n, r, rest) = reduce::<F>(x);
    let y = quarter::<F>(n.wrapping_add(1), r, rest);
    if x.abs() < f64::INFINITY { y } else { f64::NAN }
}

/// |sin πx| and |cos πx|, with the sign of tan πx apart; x ≥ 0.
#[inline(always)]
pub(super) fn half_turns<F: Fma>(x: f64) -> HalfTurns {
    let whole = if x < TWO_52 { (x + TWO_52) - TWO_52 } else { x };
    let signed = x - whole;
    let part = signed.abs();
    let swap = part > 0.25;
    let part = if swap { 0.5 - part } else { part };
    let (r, low) = two_product::<F>(part, PI);
    let rest = F::fma(part, 2.0 * FRAC_PI_2_LO, low);
    let (sin, cos) = (sin_near::<F>(r, rest), cos_near::<F>(r, rest));
    HalfTurns {
        sin: if swap { cos } else { sin },
        cos: (if swap { sin } else { cos }).copysign(signed),
    }
}

/// |sin πx|, and cos πx with the sign of tan πx.
pub(super) struct HalfTurns {
    pub(super) sin: f64,
    pub(super) cos: f64,
}

//! Exponentials, and what is made of one exponential: tanh and the logistic function.

use super::Fma;
use super::clamp;
use super::fast_two_sum;
use super::nearest;
use super::poly;
use super::power_of_two;
use super::table::EXP;
use super::table::LN2_HI;
use super::table::LN2_LO;
use super::table::TANH;
use std::f64::consts::LOG2_E;

/// Below, eˣ is 0; above 710 it is infinite.
const UNDERFLOW: f64 = -746.0;
const OVERFLOW: f64 = 710.0;

/// eˣ in parts: x = n ln 2 + r, with `p` = eʳ − 1 and 2ⁿ = `scales.0 * scales.1`, which are powers of 2 in range where
/// 2ⁿ itself is not.
struct Reduced {
    p: f64,
    scales: (f64, f64),
}

/// The parts of e^(x + rest), for `rest` below a unit in the last place of x.
#[inline(always)]
fn reduce<F: Fma>(x: f64, rest: f64) -> Reduced {
    let x = clamp(x, UNDERFLOW, OVERFLOW);
    let (n, _) = nearest(x * LOG2_E);
    let (half, half_bits) = nearest(n * 0.5);
    let (_, other_bits) = nearest(n - half);
    let high = F::fma(-n, LN2_HI, x);
    let low = F::fma(n, LN2_LO, -rest);
    let r = high - low;
    let rest = (high - r) - low;
    let p = r + F::fma(r * r, poly::<F, _>(&EXP, r), rest);
    Reduced {
        p,
        scales: (power_of_two(half_bits), power_of_two(other_bits)),
    }
}

/// eˣ.
#[inline(always)]
pub fn exp<F: Fma>(x: f64) -> f64 {
    let Reduced { p, scales } = reduce::<F>(x, 0.0);
    (1.0 + p) * scales.0 * scales.1
}

/// eˣ for x ≤ 0, but 3e-308 below −708: where a sum with 1 follows, the result is the same, and sooner there.
#[inline(always)]
pub fn exp_of_negative<F: Fma>(x: f64) -> f64 {
    let x = if x < -708.0 { -708.0 } else { x };
    let (n, bits) = nearest(x * LOG2_E);
    let r = F::fma(-n, LN2_LO, F::fma(-n, LN2_HI, x));
    let p = F::fma(r * r, poly::<F, _>(&EXP, r), r);
    (1.0 + p) * power_of_two(bits)
}

/// eˣ in range: 3e-308 below −708, ∞ above 709.44; where far smaller numbers are lost in a sum, the result is the same, and sooner
/// there.
#[inline(always)]
pub fn exp_in_range<F: Fma>(x: f64) -> f64 {
    // 2¹⁰²⁴ comes out as ∞.
    exp_of_negative::<F>(if x > 710.0 { 710.0 } else { x })
}

/// e^(x + rest), for `rest` below a unit in the last place of x.
#[inline(always)]
pub(super) fn exp_sum<F: Fma>(x: f64, rest: f64) -> f64 {
    let Reduced { p, scales } = reduce::<F>(x, rest);
    (1.0 + p) * scales.0 * scales.1
}

/// e^(x + rest) as a sum of two numbers, to be scaled by two factors one after the other.
#[inline(always)]
pub(super) fn exp_pair<F: Fma>(x: f64, rest: f64) -> ((f64, f64), (f64, f64)) {
    let Reduced { p, scales } = reduce::<F>(x, rest);
    (fast_two_sum(1.0, p), scales)
}

/// eˣ − 1.
#[inline(always)]
pub fn expm1<F: Fma>(x: f64) -> f64 {
    // From −60 down the result is −1.
    let Reduced { p, scales: (s, t) } = reduce::<F>(if x < -60.0 { -60.0 } else { x }, 0.0);
    // t (s p + (s − 1/t)); 1/t by mirroring the exponent.
    let inverse = f64::from_bits((2046_u64 << 52).wrapping_sub(t.to_bits()));
    let y = F::fma(s, p, s - inverse) * t;
    // The sign of zero.
    y.copysign(x)
}

/// tanh x: a polynomial near 0, else 1 − 2 / (e^(2|x|) + 1).
#[inline(always)]
pub fn tanh<F: Fma>(x: f64) -> f64 {
    let size = x.abs();
    let square = x * x;
    let near = F::fma(size * square, poly::<F, _>(&TANH, square), size);
    // From 20 on the result is 1.
    let e = exp::<F>(2.0 * if size > 20.0 { 20.0 } else { size });
    let far = 1.0 - 2.0 / (e + 1.0);
    (if size < 0.55 { near } else { far }).copysign(x)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid<F: Fma>(x: f64) -> f64 {
    let e = exp::<F>(-x.abs());
    let sum = 1.0 + e;
    let lost = e - (sum - 1.0);
    let y = (if x < 0.0 { e } else { 1.0 }) / sum;
    let inverse = if x < 0.0 { 1.0 - y } else { y };
    F::fma(-y * inverse, lost, y)
}

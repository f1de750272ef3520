//! Powers.

use super::Fma;
use super::exp::exp_sum;
use super::log::log_pair;
use super::two_product;

/// |x| to the nearest integer; exact from 2⁵² on, where all numbers are integers.
#[inline(always)]
fn integral(x: f64) -> f64 {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    let size = x.abs();
    if size < TWO_52 {
        (size + TWO_52) - TWO_52
    } else {
        size
    }
}

/// x to the power y, with the values of C99 (annex F.9.4.4) at the edges: x⁰ = 1 and 1ʸ = 1 whatever the other is, and
/// NaN for a negative finite x with a y that is no integer.
#[inline(always)]
pub fn pow<F: Fma>(x: f64, y: f64) -> f64 {
    let size = x.abs();
    let (log, log_low) = log_pair::<F>(size);
    // At infinite y and x = ±1 the product is 0.
    let product = if size == 1.0 { 0.0 } else { y * log };
    let (_, rest) = two_product::<F>(y, log);
    let rest = F::fma(y, log_low, rest);
    let within = (size != 1.0) & (product.abs() < 800.0);
    let power = exp_sum::<F>(product, if within { rest } else { 0.0 });
    // Where |x| is 0 or infinite.
    let grows = (size == 0.0) == (y < 0.0);
    let limit = if grows { f64::INFINITY } else { 0.0 };
    let power = if (size == 0.0) | (size == f64::INFINITY) {
        limit
    } else {
        power
    };
    let whole = integral(y) == y.abs();
    let odd = whole & (integral(0.5 * y) != 0.5 * y.abs());
    let signed = if odd { power.copysign(x) } else { power };
    let undefined = ((x < 0.0) & (size < f64::INFINITY) & !whole) | x.is_nan() | y.is_nan();
    let y_is_zero = y == 0.0;
    let power = if undefined { f64::NAN } else { signed };
    if y_is_zero | (x == 1.0) { 1.0 } else { power }
}

//! Elementary and special functions as branch-free code on `f64`, which loops turn into vector code.
//!
//! Errors are at most 2 units in the last place (4 for the functions of Γ), at subnormal and infinite arguments too.
//! Each is generic over [`Fma`], whether products and sums are fused: to be called as `Fused` only inside a
//! [`Task`](super::simd::Task), where that is one instruction; elsewhere as `Unfused`.

mod exp;
mod gamma;
mod log;
mod normal;
mod pow;
mod table;
mod trig;

pub use exp::*;
pub use gamma::*;
pub use log::*;
pub use normal::*;
pub use pow::pow;
pub use trig::*;

/// How a product is added to.
pub trait Fma:
    Copy + PartialEq + PartialOrd + Default + std::fmt::Debug + Send + Sync + 'static
{
    /// Whether [`Fma::fma`] rounds once.
    const FUSED: bool;
    /// a b + c.
    fn fma(a: f64, b: f64, c: f64) -> f64;
    /// Runs a loop over vectors where the instruction set has them by name; else gives it back.
    #[inline(always)]
    fn vectors<K: pulp::WithSimd>(task: K) -> Result<K::Output, K> {
        Err(task)
    }
}

/// One rounding, by the processor's instruction.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub struct Fused;

/// One rounding, with the vectors of 4 numbers of x86-64-v3.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub struct FusedByFour;

/// One rounding, with the vectors of 8 numbers of x86-64-v4.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub struct FusedByEight;

#[cfg(target_arch = "x86_64")]
macro_rules! fused_by {
    ($name:ident $level:ident) => {
        impl Fma for $name {
            const FUSED: bool = true;
            #[inline(always)]
            fn fma(a: f64, b: f64, c: f64) -> f64 {
                a.mul_add(b, c)
            }
            #[inline(always)]
            fn vectors<K: pulp::WithSimd>(task: K) -> Result<K::Output, K> {
                match pulp::x86::$level::try_new() {
                    Some(level) => Ok(task.with_simd(level)),
                    None => Err(task),
                }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
fused_by! { FusedByFour V3 }
#[cfg(target_arch = "x86_64")]
fused_by! { FusedByEight V4 }

/// Two roundings.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub struct Unfused;

impl Fma for Fused {
    const FUSED: bool = true;
    #[inline(always)]
    fn fma(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
}

impl Fma for Unfused {
    const FUSED: bool = false;
    #[inline(always)]
    fn fma(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
}

/// Σ cₖ xᵏ for up to 28 coefficients; even and odd powers apart, which halves the chain of dependent operations.
#[inline(always)]
fn poly<F: Fma, const N: usize>(c: &[f64; N], x: f64) -> f64 {
    const { assert!(N <= 28, "as many steps as are written below") };
    let square = x * x;
    let mut halves = [0.0, 0.0];
    // Written out: the compiler would leave a long loop as it is, and then not vectorise the loop around.
    macro_rules! steps {
        ($($k:literal)*) => {$(
            if $k < N {
                let half = &mut halves[$k % 2];
                *half = if $k + 2 >= N { c[$k] } else { F::fma(*half, square, c[$k]) };
            }
        )*};
    }
    steps! { 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 }
    F::fma(halves[1], x, halves[0])
}

/// a + b and what its rounding left over.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// a + b and what its rounding left over, for |a| ≥ |b| or a = 0.
#[inline(always)]
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// The upper 26 bits of a number below 2⁹⁹⁶ (Veltkamp), and the rest.
#[inline(always)]
fn halves(a: f64) -> (f64, f64) {
    let spread = a * 134_217_729.0;
    let high = spread - (spread - a);
    (high, a - high)
}

/// a b and what its rounding left over (Dekker 1971 where products are not fused).
#[inline(always)]
fn two_product<F: Fma>(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    if F::FUSED {
        return (product, F::fma(a, b, -product));
    }
    let ((ah, al), (bh, bl)) = (halves(a), halves(b));
    (product, ((ah * bh - product) + ah * bl + al * bh) + al * bl)
}

/// 1.5 · 2⁵²: added to a number below 2⁵¹, it leaves the nearest integer in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The nearest integer, ties to even, for |x| < 2⁵¹; and as bits, the integer in the lower 52.
#[inline(always)]
fn nearest(x: f64) -> (f64, u64) {
    let shifted = x + ROUNDER;
    (shifted - ROUNDER, shifted.to_bits())
}

/// 2ⁿ for −1023 < n < 1024, from the bits that [`nearest`] gives.
#[inline(always)]
fn power_of_two(n: u64) -> f64 {
    f64::from_bits(n.wrapping_add(1023) << 52)
}

/// `x` kept to [low, high]; NaN stays.
#[inline(always)]
fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

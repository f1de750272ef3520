//! The scalar type that every kernel is generic over: `f64`, and dual numbers over it.

use super::elementary;
use super::elementary::Fma;
use super::elementary::Unfused;
use super::special;
use super::squares::Squares;
use super::sums;
use super::sums::Together;
use super::sums::Totals;
use num_traits::NumAssignRef;
use std::fmt::Debug;
use std::ops::Neg;

/// A real number that kernels compute with.
///
/// Comparisons and branches look at [`Real::value`] alone: on dual numbers a branch is taken by the value and
/// differentiated inside.
pub trait Real:
    NumAssignRef + Neg<Output = Self> + Copy + PartialOrd + Debug + Default + Send + Sync + 'static
{
    /// How its elementary functions multiply and add; [`Unfused`] but inside a [`Lane`](super::Lane).
    type Fma: Fma;
    /// Whether it carries a tangent, so that derivatives are needed.
    const TANGENT: bool;
    /// A constant.
    fn of(value: f64) -> Self;
    /// The value, without any tangent.
    fn value(self) -> f64;
    /// A function given by its value and first derivative at `self.value()`; `derivative` is not needed where there is no tangent.
    fn chain(self, value: f64, derivative: f64) -> Self;

    /// A function of two arguments, given by its value and its partial derivatives; these are not needed where there is no tangent.
    fn chain_two(self, other: Self, value: f64, partials: [f64; 2]) -> Self;

    /// This times a number, and another added.
    fn times_plus<F: Fma>(self, factor: f64, addend: Self) -> Self;

    /// Adds lanes to totals side by side.
    #[inline(always)]
    fn sums<F: Fma>(totals: &mut Totals<Self>, lanes: &[Self]) {
        sums::by_number(totals, lanes, |sum, i| sum + lanes[i]);
    }

    /// Multiplies totals side by side by lanes.
    #[inline(always)]
    fn products<F: Fma>(totals: &mut Totals<Self>, lanes: &[Self]) {
        sums::by_number(totals, lanes, |product, i| product * lanes[i]);
    }

    /// Adds lane · column for each column to totals side by side.
    #[inline(always)]
    fn dots<F: Fma, const K: usize>(
        totals: [&mut Totals<Self>; K],
        lanes: &[Self],
        columns: [&[f64]; K],
    ) {
        for (totals, column) in totals.into_iter().zip(columns) {
            let column = &column[..lanes.len()];
            let step = |sum: Self, i: usize| lanes[i].times_plus::<F>(column[i], sum);
            sums::by_number(totals, lanes, step);
        }
    }

    /// Sums and products of the same rows, going on.
    #[inline(always)]
    fn together<F: Fma, const K: usize>(all: Together<'_, Self, K>) {
        all.one_by_one::<F>();
    }

    /// Sums up squares where the instruction set has vectors of these numbers by name; else gives nothing and does nothing.
    #[inline(always)]
    fn squares<F: Fma, const R: usize, const K: usize>(
        _all: Squares<'_, Self, R, K>,
    ) -> Option<(Self, [Self; K])> {
        None
    }

    /// e to this power.
    #[inline(always)]
    fn exp(self) -> Self {
        let x = self.value();
        let y = elementary::exp::<Self::Fma>(x);
        self.chain(y, if Self::TANGENT { y } else { 0.0 })
    }
    /// e to this power; 3e-308 below −708, ∞ above 709.44.
    #[inline(always)]
    fn exp_in_range(self) -> Self {
        let y = elementary::exp_in_range::<Self::Fma>(self.value());
        self.chain(y, y)
    }
    /// e to this power, which is 0 or below; 3e-308 below −708.
    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        let y = elementary::exp_of_negative::<Self::Fma>(self.value());
        self.chain(y, y)
    }
    /// e to this power, minus 1, accurate near 0.
    #[inline(always)]
    fn expm1(self) -> Self {
        let x = self.value();
        let y = elementary::expm1::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::exp::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// The natural logarithm; −∞ at 0, NaN below.
    #[inline(always)]
    fn log(self) -> Self {
        let x = self.value();
        let y = elementary::log::<Self::Fma>(x);
        self.chain(y, if Self::TANGENT { 1.0 / x } else { 0.0 })
    }
    /// log(1 + x), accurate near 0.
    #[inline(always)]
    fn log1p(self) -> Self {
        let x = self.value();
        let y = elementary::log1p::<Self::Fma>(x);
        self.chain(y, if Self::TANGENT { 1.0 / (1.0 + x) } else { 0.0 })
    }
    /// log(1 − eˣ) for x ≤ 0.
    #[inline(always)]
    fn log1m_exp(self) -> Self {
        let x = self.value();
        let y = elementary::log1m_exp::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::exp::<Self::Fma>(x) / elementary::expm1::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// 1 / (1 + e⁻ˣ), accurate in both tails.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let x = self.value();
        let y = elementary::sigmoid::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                y * elementary::sigmoid::<Self::Fma>(-x)
            } else {
                0.0
            },
        )
    }
    /// log(1 + eˣ), accurate in both tails.
    #[inline(always)]
    fn softplus(self) -> Self {
        let x = self.value();
        let y = elementary::softplus::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::sigmoid::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// The quotient by a number that is not near 0: on dual numbers it takes one division, not two.
    #[inline(always)]
    fn over(self, divisor: Self) -> Self {
        self / divisor
    }
    /// The square root.
    #[inline(always)]
    fn sqrt(self) -> Self {
        let x = self.value();
        let y = x.sqrt();
        self.chain(y, if Self::TANGENT { 0.5 / y } else { 0.0 })
    }
    /// The absolute value; its derivative at 0 is 0.
    #[inline(always)]
    fn abs(self) -> Self {
        let x = self.value();
        let y = x.abs();
        self.chain(
            y,
            if Self::TANGENT {
                if x == 0.0 { 0.0 } else { x.signum() }
            } else {
                0.0
            },
        )
    }
    /// The largest integer not above; its derivative is 0.
    #[inline(always)]
    fn floor(self) -> Self {
        let x = self.value();
        let y = x.floor();
        self.chain(y, 0.0)
    }
    /// This to the power `exponent`; 0⁰ = 1. At base 0 the derivative by the exponent is 0, and with an exponent of 0 or
    /// from 1 on that by the base is finite.
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        let (x, p) = (self.value(), exponent.value());
        let y = elementary::pow::<Self::Fma>(x, p);
        self.chain_two(
            exponent,
            y,
            if Self::TANGENT {
                [
                    if p == 0.0 {
                        0.0
                    } else {
                        p * elementary::pow::<Self::Fma>(x, p - 1.0)
                    },
                    if x == 0.0 {
                        0.0
                    } else {
                        y * elementary::log::<Self::Fma>(x)
                    },
                ]
            } else {
                [0.0; 2]
            },
        )
    }
    /// The sine.
    #[inline(always)]
    fn sin(self) -> Self {
        let x = self.value();
        let y = elementary::sin::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::cos::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// The cosine.
    #[inline(always)]
    fn cos(self) -> Self {
        let x = self.value();
        let y = elementary::cos::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                -elementary::sin::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// The inverse tangent.
    #[inline(always)]
    fn atan(self) -> Self {
        let x = self.value();
        let y = x.atan();
        self.chain(
            y,
            if Self::TANGENT {
                1.0 / (1.0 + x * x)
            } else {
                0.0
            },
        )
    }
    /// The hyperbolic tangent.
    #[inline(always)]
    fn tanh(self) -> Self {
        let x = self.value();
        let y = elementary::tanh::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                // 1 − y² without cancellation.
                let (above, below) = (
                    elementary::sigmoid::<Self::Fma>(2.0 * x),
                    elementary::sigmoid::<Self::Fma>(-2.0 * x),
                );
                4.0 * above * below
            } else {
                0.0
            },
        )
    }
    /// log |Γ(x)|.
    #[inline(always)]
    fn lgamma(self) -> Self {
        let x = self.value();
        let y = elementary::lgamma::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::digamma::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// ψ(x), the derivative of [`Real::lgamma`].
    #[inline(always)]
    fn digamma(self) -> Self {
        let x = self.value();
        let y = elementary::digamma::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::trigamma::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// ψ′(x).
    #[inline(always)]
    fn trigamma(self) -> Self {
        let x = self.value();
        let y = elementary::trigamma::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                special::tetragamma(x)
            } else {
                0.0
            },
        )
    }
    /// The error function.
    #[inline(always)]
    fn erf(self) -> Self {
        let x = self.value();
        let y = elementary::erf::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                std::f64::consts::FRAC_2_SQRT_PI * elementary::exp::<Self::Fma>(-x * x)
            } else {
                0.0
            },
        )
    }
    /// Φ(x), the standard normal distribution function, accurate in both tails.
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        let x = self.value();
        let y = elementary::normal_cdf::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::normal_density::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// log Φ(x), accurate in both tails.
    #[inline(always)]
    fn log_normal_cdf(self) -> Self {
        let x = self.value();
        let y = elementary::log_normal_cdf::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                elementary::inverse_mills::<Self::Fma>(x)
            } else {
                0.0
            },
        )
    }
    /// φ(x)/Φ(x), the derivative of [`Real::log_normal_cdf`].
    #[inline(always)]
    fn inverse_mills(self) -> Self {
        let x = self.value();
        let y = elementary::inverse_mills::<Self::Fma>(x);
        self.chain(
            y,
            if Self::TANGENT {
                -y * special::inverse_mills_excess(x)
            } else {
                0.0
            },
        )
    }
    /// φ(x), the standard normal density.
    #[inline(always)]
    fn normal_density(self) -> Self {
        let x = self.value();
        let y = elementary::normal_density::<Self::Fma>(x);
        self.chain(y, if Self::TANGENT { -x * y } else { 0.0 })
    }
    /// Φ⁻¹(p).
    #[inline(always)]
    fn normal_quantile(self) -> Self {
        let x = self.value();
        let y = special::normal_quantile(x);
        self.chain(
            y,
            if Self::TANGENT {
                1.0 / elementary::normal_density::<Self::Fma>(y)
            } else {
                0.0
            },
        )
    }
}

impl Real for f64 {
    type Fma = Unfused;
    const TANGENT: bool = false;
    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self
    }
    #[inline(always)]
    fn chain(self, value: f64, _derivative: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn chain_two(self, _other: f64, value: f64, _partials: [f64; 2]) -> f64 {
        value
    }
    #[inline(always)]
    fn times_plus<F: Fma>(self, factor: f64, addend: f64) -> f64 {
        F::fma(self, factor, addend)
    }
    #[inline(always)]
    fn sums<F: Fma>(totals: &mut Totals<f64>, lanes: &[f64]) {
        if let Err(sums::Joined { totals, lanes }) =
            F::vectors(sums::Joined::<false> { totals, lanes })
        {
            sums::by_number(totals, lanes, |sum, i| sum + lanes[i]);
        }
    }
    #[inline(always)]
    fn products<F: Fma>(totals: &mut Totals<f64>, lanes: &[f64]) {
        if let Err(sums::Joined { totals, lanes }) =
            F::vectors(sums::Joined::<true> { totals, lanes })
        {
            sums::by_number(totals, lanes, |product, i| product * lanes[i]);
        }
    }
    #[inline(always)]
    fn dots<F: Fma, const K: usize>(
        totals: [&mut Totals<f64>; K],
        lanes: &[f64],
        columns: [&[f64]; K],
    ) {
        let task = sums::Dots {
            totals,
            lanes,
            columns,
        };
        if let Err(sums::Dots { totals, .. }) = F::vectors(task) {
            for (totals, column) in totals.into_iter().zip(columns) {
                let column = &column[..lanes.len()];
                let step = |sum: f64, i: usize| F::fma(lanes[i], column[i], sum);
                sums::by_number(totals, lanes, step);
            }
        }
    }
    #[inline(always)]
    fn together<F: Fma, const K: usize>(all: Together<'_, f64, K>) {
        if let Err(all) = F::vectors(all) {
            all.one_by_one::<F>();
        }
    }
    #[inline(always)]
    fn squares<F: Fma, const R: usize, const K: usize>(
        all: Squares<'_, f64, R, K>,
    ) -> Option<(f64, [f64; K])> {
        F::vectors(all).ok()
    }
}

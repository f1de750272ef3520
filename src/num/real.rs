//! The scalar type that every kernel is generic over: `f64`, and dual numbers over it.

use super::special;
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
    /// A constant.
    fn of(value: f64) -> Self;
    /// The value, without any tangent.
    fn value(self) -> f64;
    /// A function given by its value and first derivative at `self.value()`; `derivative` is not called for `f64`.
    fn chain(self, value: f64, derivative: impl FnOnce() -> f64) -> Self;

    /// e to this power.
    fn exp(self) -> Self {
        let x = self.value();
        let y = x.exp();
        self.chain(y, || y)
    }
    /// e to this power, minus 1, accurate near 0.
    fn expm1(self) -> Self {
        let x = self.value();
        let y = x.exp_m1();
        self.chain(y, || x.exp())
    }
    /// The natural logarithm; −∞ at 0, NaN below.
    fn log(self) -> Self {
        let x = self.value();
        let y = x.ln();
        self.chain(y, || 1.0 / x)
    }
    /// log(1 + x), accurate near 0.
    fn log1p(self) -> Self {
        let x = self.value();
        let y = x.ln_1p();
        self.chain(y, || 1.0 / (1.0 + x))
    }
    /// log(1 − eˣ) for x ≤ 0.
    fn log1m_exp(self) -> Self {
        let x = self.value();
        let y = if x > -std::f64::consts::LN_2 {
            (-x.exp_m1()).ln()
        } else {
            (-x.exp()).ln_1p()
        };
        self.chain(y, || x.exp() / x.exp_m1())
    }
    /// 1 / (1 + e⁻ˣ), accurate in both tails.
    fn sigmoid(self) -> Self {
        let x = self.value();
        let e = (-x.abs()).exp();
        let y = if x < 0.0 {
            e / (1.0 + e)
        } else {
            1.0 / (1.0 + e)
        };
        self.chain(y, || e / ((1.0 + e) * (1.0 + e)))
    }
    /// log(1 + eˣ), accurate in both tails.
    fn softplus(self) -> Self {
        let x = self.value();
        let e = (-x.abs()).exp();
        let y = x.max(0.0) + e.ln_1p();
        self.chain(y, || {
            if x < 0.0 {
                e / (1.0 + e)
            } else {
                1.0 / (1.0 + e)
            }
        })
    }
    /// The square root.
    fn sqrt(self) -> Self {
        let x = self.value();
        let y = x.sqrt();
        self.chain(y, || 0.5 / y)
    }
    /// The absolute value; its derivative at 0 is 0.
    fn abs(self) -> Self {
        let x = self.value();
        let y = x.abs();
        self.chain(y, || if x == 0.0 { 0.0 } else { x.signum() })
    }
    /// The largest integer not above; its derivative is 0.
    fn floor(self) -> Self {
        let x = self.value();
        let y = x.floor();
        self.chain(y, || 0.0)
    }
    /// This to the power `exponent`; 0⁰ = 1. At base 0 the derivative by the exponent is 0, and with an exponent of 0 or
    /// from 1 on that by the base is finite.
    fn pow(self, exponent: Self) -> Self;
    /// The sine.
    fn sin(self) -> Self {
        let x = self.value();
        let y = x.sin();
        self.chain(y, || x.cos())
    }
    /// The cosine.
    fn cos(self) -> Self {
        let x = self.value();
        let y = x.cos();
        self.chain(y, || -x.sin())
    }
    /// The inverse tangent.
    fn atan(self) -> Self {
        let x = self.value();
        let y = x.atan();
        self.chain(y, || 1.0 / (1.0 + x * x))
    }
    /// The hyperbolic tangent.
    fn tanh(self) -> Self {
        let x = self.value();
        let y = x.tanh();
        self.chain(y, || {
            // 1 − y² without cancellation.
            let e = (-2.0 * x.abs()).exp();
            4.0 * e / ((1.0 + e) * (1.0 + e))
        })
    }
    /// log |Γ(x)|.
    fn lgamma(self) -> Self {
        let x = self.value();
        let y = special::lgamma(x);
        self.chain(y, || special::digamma(x))
    }
    /// ψ(x), the derivative of [`Real::lgamma`].
    fn digamma(self) -> Self {
        let x = self.value();
        let y = special::digamma(x);
        self.chain(y, || special::trigamma(x))
    }
    /// ψ′(x).
    fn trigamma(self) -> Self {
        let x = self.value();
        let y = special::trigamma(x);
        self.chain(y, || special::tetragamma(x))
    }
    /// The error function.
    fn erf(self) -> Self {
        let x = self.value();
        let y = special::erf(x);
        self.chain(y, || std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp())
    }
    /// Φ(x), the standard normal distribution function, accurate in both tails.
    fn normal_cdf(self) -> Self {
        let x = self.value();
        let y = special::normal_cdf(x);
        self.chain(y, || special::normal_density(x))
    }
    /// log Φ(x), accurate in both tails.
    fn log_normal_cdf(self) -> Self {
        let x = self.value();
        let y = special::log_normal_cdf(x);
        self.chain(y, || special::inverse_mills(x))
    }
    /// φ(x)/Φ(x), the derivative of [`Real::log_normal_cdf`].
    fn inverse_mills(self) -> Self {
        let x = self.value();
        let y = special::inverse_mills(x);
        self.chain(y, || -y * special::inverse_mills_excess(x))
    }
    /// φ(x), the standard normal density.
    fn normal_density(self) -> Self {
        let x = self.value();
        let y = special::normal_density(x);
        self.chain(y, || -x * y)
    }
    /// Φ⁻¹(p).
    fn normal_quantile(self) -> Self {
        let x = self.value();
        let y = special::normal_quantile(x);
        self.chain(y, || 1.0 / special::normal_density(y))
    }
}

impl Real for f64 {
    fn of(value: f64) -> f64 {
        value
    }
    fn value(self) -> f64 {
        self
    }
    fn chain(self, value: f64, _derivative: impl FnOnce() -> f64) -> f64 {
        value
    }
    fn pow(self, exponent: f64) -> f64 {
        self.powf(exponent)
    }
}

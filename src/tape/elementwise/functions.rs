//! The elementwise functions of the language, and those that transforms and densities need beside them.

use crate::elementwise;
use crate::num::stable;

elementwise! {
    /// e to the power x.
    Exp EXP "exp" callable (x: Real) -> Positive,
    at [[0.3] is 1.3498588075760032, [-700.0] is 9.85967654375977e-305, [700.0] is 1.0142320547350045e304] {
        value: x.exp(), partials: |y| [y]
    }
    /// e to the power x, minus 1; accurate near 0.
    Expm1 EXPM1 "expm1" callable (x: Real) -> Real,
    at [
        [0.3] is 0.3498588075760031,
        [1e-10] is 1.00000000005e-10,
        [-40.0] is -1.0,
        [700.0] is 1.0142320547350045e304,
    ] {
        value: x.expm1(), partials: |_y| [x.exp()]
    }
    /// The natural logarithm.
    Log LOG "log" callable (x: Positive) -> Real,
    at [[0.3] is -1.2039728043259361, [1e-300] is -690.7755278982137, [1e300] is 690.7755278982137] {
        value: x.log(), partials: |_y| [T::one() / x]
    }
    /// log(1 + x); accurate near 0.
    Log1p LOG1P "log1p" callable (x: Real) -> Real,
    at [
        [0.3] is 0.26236426446749106,
        [1e-10] is 9.999999999500001e-11,
        [-0.999] is -6.907755278982136,
        [1e300] is 690.7755278982137,
    ] {
        value: x.log1p(), partials: |_y| [T::one() / (T::one() + x)]
    }
    /// log(1 − x); accurate near 0.
    Log1m LOG1M "log1m" callable (x: Real) -> Real,
    at [
        [0.3] is -0.35667494393873234,
        [1e-10] is -1.00000000005e-10,
        [0.999] is -6.907755278982136,
        [-1e300] is 690.7755278982137,
    ] {
        value: (-x).log1p(), partials: |_y| [-T::one() / (T::one() - x)]
    }
    /// The square root.
    Sqrt SQRT "sqrt" callable (x: NonNegative) -> NonNegative,
    at [[0.3] is 0.5477225575051661, [1e-200] is 1e-100, [1e200] is 1e100] {
        value: x.sqrt(), partials: |y| [T::of(0.5) / y]
    }
    /// x times x.
    Square SQUARE "square" callable (x: Real) -> NonNegative,
    at [[-0.3] is 0.09, [0.0] is 0.0, [1e100] is 1e200] {
        value: x * x, partials: |_y| [x + x]
    }
    /// The absolute value; its derivative at 0 is 0.
    Abs ABS "abs" callable (x: Real) -> NonNegative,
    at [[0.3] is 0.3, [-0.3] is 0.3, [1e-300] is 1e-300] {
        value: x.abs(),
        partials: |_y| [T::of(if x.value() == 0.0 { 0.0 } else { x.value().signum() })]
    }
    /// The largest integer that is not above x; its derivative is 0.
    Floor FLOOR "floor" callable (x: Real) -> Real,
    at [[0.3] is 0.0, [-2.5] is -3.0] {
        value: x.floor(), partials: |_y| [T::zero()]
    }
    /// The hyperbolic tangent.
    Tanh TANH "tanh" callable (x: Real) -> SignedUnit,
    at [[0.3] is 0.2913126124515909, [-3.0] is -0.9950547536867305, [30.0] is 1.0, [-800.0] is -1.0] {
        value: x.tanh(),
        partials: |_y| {
            let s = (x + x).sigmoid();
            [T::of(4.0) * s * (-x - x).sigmoid()]
        }
    }
    /// 1 / (1 + e⁻ˣ), the inverse of `logit`.
    Sigmoid SIGMOID "sigmoid" callable (x: Real) -> Unit,
    at [
        [0.3] is 0.574442516811659,
        [-40.0] is 4.248354255291589e-18,
        [40.0] is 1.0,
        [-700.0] is 9.85967654375977e-305,
    ] {
        value: x.sigmoid(), partials: |y| [y * (-x).sigmoid()]
    }
    /// log(x / (1 − x)).
    Logit LOGIT "logit" callable (x: Unit) -> Real,
    at [[0.3] is -0.8472978603872037, [1e-300] is -690.7755278982137, [0.999999] is 13.815509557935018] {
        value: x.log() - (-x).log1p(), partials: |_y| [T::one() / (x * (T::one() - x))]
    }
    /// log(1 + eˣ).
    Softplus SOFTPLUS "softplus" callable (x: Real) -> NonNegative,
    at [[0.3] is 0.8543552444685271, [-40.0] is 4.248354255291589e-18, [800.0] is 800.0] {
        value: x.softplus(), partials: |_y| [x.sigmoid()]
    }
    /// x where it is positive, else 0; its derivative at 0 is 0.
    Relu RELU "relu" callable (x: Real) -> NonNegative,
    at [[0.3] is 0.3, [-0.3] is 0.0] {
        value: if x.value() > 0.0 { x } else { T::zero() },
        partials: |_y| [T::of(f64::from(x.value() > 0.0))]
    }
    /// x Φ(x), with the standard normal distribution function Φ.
    Gelu GELU "gelu" callable (x: Real) -> Real,
    at [
        [0.3] is 0.1853734266566858,
        [-0.3] is -0.1146265733433142,
        [-8.0] is -4.976768459417427e-15,
        [30.0] is 30.0,
    ] {
        value: x * x.normal_cdf(), partials: |_y| [x.normal_cdf() + x * x.normal_density()]
    }
    /// The sine of an angle in radians.
    Sin SIN "sin" callable (x: Real) -> SignedUnit,
    at [[0.3] is 0.29552020666133955, [-20.0] is -0.9129452507276277] {
        value: x.sin(), partials: |_y| [x.cos()]
    }
    /// The cosine of an angle in radians.
    Cos COS "cos" callable (x: Real) -> SignedUnit,
    at [[0.3] is 0.955336489125606, [-20.0] is 0.40808206181339196] {
        value: x.cos(), partials: |_y| [-x.sin()]
    }
    /// The tangent of an angle in radians.
    Tan TAN "tan" callable (x: Real) -> Real,
    at [[0.3] is 0.30933624960962325, [-1.5] is -14.101419947171719] {
        value: x.sin() / x.cos(), partials: |y| [T::one() + y * y]
    }
    /// The inverse tangent, in (−π/2, π/2).
    Atan ATAN "atan" callable (x: Real) -> Real,
    at [[0.3] is 0.2914567944778671, [-20.0] is -1.5208379310729538, [1e8] is 1.5707963167948966] {
        value: x.atan(), partials: |_y| [T::one() / (T::one() + x * x)]
    }
    /// log |Γ(x)|.
    Lgamma LGAMMA "lgamma" callable (x: Real) -> Real,
    at [
        [0.3] is 1.0957979948180756,
        [1e-100] is 230.25850929940458,
        [1e8] is 1742068066.1038346,
        [-2.7] is -0.07140708531564569,
    ] {
        value: x.lgamma(), partials: |_y| [x.digamma()]
    }
    /// The derivative of `lgamma`.
    Digamma DIGAMMA "digamma" callable (x: Real) -> Real,
    at [
        [0.3] is -3.502524222200133,
        [1e-50] is -1e50,
        [1e8] is 18.420680738952367,
        [-2.7] is -1.1153471291406896,
    ] {
        value: x.digamma(), partials: |_y| [x.trigamma()]
    }
    /// log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b).
    LBeta LBETA "lbeta" callable (a: Positive, b: Positive) -> Real,
    at [
        [0.3, 1.2] is 1.131206142450005,
        [1e-10, 1e10] is 23.02585092758015,
        [200.0, 3.0] is -15.216742791448372,
        [1e5, 2e5] is -190958.88527911686,
    ] {
        value: stable::lbeta(a, b),
        partials: |_y| [-stable::digamma_ratio(a, b), -stable::digamma_ratio(b, a)]
    }
    /// The log of the number of ways to choose k of n, log n! − log k! − log (n − k)!; −∞ where k is not in 0 … n.
    LogChoose LOG_CHOOSE "log_choose" callable (n: NonNegative, k: NonNegative) -> Real,
    at [[7.0, 3.0] is 3.5553480614894135, [1e8, 2.0] is 36.148214297344786, [2.5, 1.2] is 0.9498366805968048] {
        value: stable::log_choose(n, k),
        partials: |_y| {
            let rest = n - k + T::one();
            [stable::digamma_ratio(rest, k), rest.digamma() - (k + T::one()).digamma()]
        }
    }
    /// The error function.
    Erf ERF "erf" callable (x: Real) -> SignedUnit,
    at [[0.3] is 0.3286267594591274, [-3.0] is -0.9999779095030014, [20.0] is 1.0] {
        value: x.erf(), partials: |_y| [T::of(std::f64::consts::FRAC_2_SQRT_PI) * (-x * x).exp()]
    }
    /// Φ(x), the standard normal distribution function.
    NormalCdf NORMAL_CDF "normal_cdf" callable (x: Real) -> Unit,
    at [[0.3] is 0.6179114221889527, [-30.0] is 4.906713927148187e-198, [8.0] is 0.9999999999999993] {
        value: x.normal_cdf(), partials: |_y| [x.normal_density()]
    }
    /// log Φ(x).
    LogNormalCdf LOG_NORMAL_CDF "log_normal_cdf" callable (x: Real) -> NonPositive,
    at [
        [0.3] is -0.4814101615884812,
        [-30.0] is -454.3212439563432,
        [-5.1] is -15.588487091871466,
        [8.0] is -6.220960574271786e-16,
        [-1e6] is -500000000014.73444,
    ] {
        value: x.log_normal_cdf(), partials: |_y| [x.inverse_mills()]
    }
    /// Φ⁻¹(p), the standard normal quantile.
    NormalQuantile NORMAL_QUANTILE "normal_quantile" callable (p: Unit) -> Real,
    at [
        [0.3] is -0.5244005127080408,
        [0.5] is 0.0,
        [1e-200] is -30.20559417957964,
        [0.999999] is 4.753424308817087,
    ] {
        value: p.normal_quantile(), partials: |y| [T::one() / y.normal_density()]
    }
    /// log(p eᵃ + (1 − p) eᵇ).
    LogMix LOG_MIX "log_mix" callable (p: Unit, a: Real, b: Real) -> Real,
    at [
        [0.3, 1.2, -0.7] is 0.2953859136238403,
        [1e-3, -800.0, 900.0] is 899.9989994996664,
        [0.5, -1e4, -1e4] is -10000.0,
        [0.999999, -700.0, 0.0] is -13.815510557935518,
    ] {
        value: stable::log_add_exp(stable::plus_log(a, p), stable::plus_log(b, T::one() - p)),
        partials: |y| {
            let above = stable::exp_difference(a, y);
            let below = stable::exp_difference(b, y);
            [
                above - below,
                stable::exp_difference(stable::plus_log(a, p), y),
                stable::exp_difference(stable::plus_log(b, T::one() - p), y),
            ]
        }
    }
    /// The larger of two values; where they are equal its derivative goes to the first.
    Max MAX "larger" (a: Real, b: Real) -> Real,
    at [[0.7, -1.2] is 0.7, [-1.2, 0.7] is 0.7] {
        value: if a.value() < b.value() { b } else { a },
        partials: |_y| {
            let second = T::of(f64::from(a.value() < b.value()));
            [T::one() - second, second]
        }
    }
    /// log(1 / (1 + e⁻ˣ)).
    LogSigmoid LOG_SIGMOID "log_sigmoid" (x: Real) -> NonPositive,
    at [[0.3] is -0.5543552444685271, [-800.0] is -800.0, [40.0] is -4.248354255291589e-18] {
        value: -(-x).softplus(), partials: |_y| [(-x).sigmoid()]
    }
    /// log(1 − eˣ) for x ≤ 0.
    Log1mExp LOG1M_EXP "log1m_exp" (x: NonPositive) -> NonPositive,
    at [
        [-0.3] is -1.3502256128148467,
        [-1e-10] is -23.025850929990458,
        [-800.0] is -0.0,
        [-2.0] is -0.14541345786885906,
    ] {
        value: x.log1m_exp(), partials: |_y| [x.exp() / x.expm1()]
    }
    /// log(eᵃ + eᵇ).
    LogAddExp LOG_ADD_EXP "log_add_exp" (a: Real, b: Real) -> Real,
    at [[0.3, -1.2] is 0.5014132779827524, [800.0, -800.0] is 800.0, [-1e4, -1e4] is -9999.30685281944] {
        value: stable::log_add_exp(a, b),
        partials: |y| [stable::exp_difference(a, y), stable::exp_difference(b, y)]
    }
    /// a log b, 0 where both are 0.
    TimesLog TIMES_LOG "times_log" (a: Real, b: NonNegative) -> Real,
    at [[0.3, 1.2] is 0.054696467038186376, [2.0, 1e-300] is -1381.5510557964274, [0.0, 1.2] is 0.0] {
        value: stable::times_log(a, b),
        partials: |_y| [
            if a.value() == 0.0 && b.value() == 0.0 { T::zero() } else { b.log() },
            stable::quotient(a, b),
        ]
    }
}

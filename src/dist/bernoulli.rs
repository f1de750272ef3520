//! The Bernoulli distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Link;
use super::Param;
use super::SCIPY;
use super::Support;
use crate::elementwise;
use crate::num::Real;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::NORMAL_CDF;
use crate::tape::elementwise::SIGMOID;
use rand_distr::Distribution as _;

elementwise! {
    /// The log mass of the Bernoulli distribution.
    LogDensity LOG_DENSITY "bernoulli_log_density" (x: Binary, p: Unit) -> Real,
    at [[1.0, 0.3], [0.0, 0.3], [1.0, 1e-300], [0.0, 1e-10]] {
        value: stable::unless(
            !Domain::Binary.holds(x.value()),
            if x.value() == 1.0 { p.log() } else { (-p).log1p() },
        ),
        partials: |_y| [
            T::zero(),
            if x.value() == 1.0 { T::one() / p } else { -T::one() / (T::one() - p) },
        ]
    }
    /// The log mass of the Bernoulli distribution, given its logit.
    LogitLogDensity LOGIT_LOG_DENSITY "bernoulli_logit_log_density" (x: Binary, logit: Real) -> Real,
    at [[1.0, 0.3], [0.0, 0.3], [1.0, -800.0], [0.0, 800.0], [1.0, 40.0], [0.0, -40.0]] {
        value: {
            let towards = if x.value() == 1.0 { logit } else { -logit };
            stable::unless(!Domain::Binary.holds(x.value()), -(-towards).softplus())
        },
        partials: |_y| [
            T::zero(),
            if x.value() == 1.0 { (-logit).sigmoid() } else { -logit.sigmoid() },
        ],
        // No absolute values: their derivative at 0 would lose the curvature there.
        one_pass: [x, logit] by logit {
            add: {
                let towards = (x + x - T::one()) * logit;
                if towards.value() < 0.0 { towards } else { T::zero() }
            },
            product: {
                let towards = (x + x - T::one()) * logit;
                let below = if towards.value() < 0.0 { towards } else { -towards };
                T::one() + below.exp_of_negative()
            },
            partials: {
                let sign = x + x - T::one();
                let towards = sign * logit;
                let below = if towards.value() < 0.0 { towards } else { -towards };
                let e = below.exp_of_negative();
                let numerator = if towards.value() < 0.0 { sign } else { sign * e };
                [T::zero(), numerator.over(T::one() + e)]
            }
        },
        additive: Additive::Totals { row: &LOGIT_SUM, apart: None }
    }
    /// The sum of n log masses of the Bernoulli distribution of which x are of successes, given the logit.
    LogitSum LOGIT_SUM "bernoulli_logit_sum" (x: Count, n: Count, logit: Real) -> Real,
    at [[3.0, 7.0, 0.3] is -5.08048671127969, [0.0, 7.0, -800.0] is -0.0, [7.0, 7.0, 40.0] is -2.9738479787041125e-17, [2.0, 7.0, 800.0] is -4000.0, [400000.0, 1000000.0, -0.4] is -673015.2523999526] {
        value: -x * (-logit).softplus() - (n - x) * logit.softplus(),
        partials: |_y| [T::zero(), T::zero(), x * (-logit).sigmoid() - (n - x) * logit.sigmoid()],
        one_pass: [x, n, logit] by logit {
            add: {
                let (far, failures) = if logit.value() < 0.0 { (logit, false) } else { (-logit, true) };
                (if failures { n - x } else { x }) * far - n * far.exp().log1p()
            },
            partials: {
                let below = logit.value() < 0.0;
                let e = (if below { logit } else { -logit }).exp();
                let (share, rest) = (T::one() / (T::one() + e), e / (T::one() + e));
                let (success, failure) = if below { (rest, share) } else { (share, rest) };
                [T::zero(), T::zero(), x * failure - (n - x) * success]
            }
        }
    }
    /// The log mass of the Bernoulli distribution, given its probit.
    ProbitLogDensity PROBIT_LOG_DENSITY "bernoulli_probit_log_density" (x: Binary, probit: Real) -> Real,
    at [[1.0, 0.3], [0.0, 0.3], [1.0, -30.0], [0.0, 1e6], [1.0, 8.0]] {
        value: {
            let towards = if x.value() == 1.0 { probit } else { -probit };
            stable::unless(!Domain::Binary.holds(x.value()), towards.log_normal_cdf())
        },
        partials: |_y| [
            T::zero(),
            if x.value() == 1.0 { probit.inverse_mills() } else { -(-probit).inverse_mills() },
        ]
    }
}

/// The Bernoulli distribution.
#[derive(Clone, Copy, Debug)]
pub struct Bernoulli;

static FORMS: &[Form] = &[
    Form {
        params: &[Param::scalar("p", Domain::Unit)],
    },
    Form {
        params: &[Param::scalar("logit", Domain::Real)],
    },
    Form {
        params: &[Param::scalar("probit", Domain::Real)],
    },
];

static LINKS: &[Link] = &[
    Link {
        from: 0,
        to: 1,
        place: 0,
        function: &SIGMOID,
    },
    Link {
        from: 0,
        to: 2,
        place: 0,
        function: &NORMAL_CDF,
    },
];

impl Distribution for Bernoulli {
    fn name(&self) -> &'static str {
        "Bernoulli"
    }

    fn doc(&self) -> &'static str {
        "The Bernoulli distribution: x is 1 with probability p, else 0. Also given by `logit` = log(p / (1 − p)) or by `probit`, \
         with p = Φ(probit)."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Binary
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let row = match form {
            0 => &LOG_DENSITY,
            1 => &LOGIT_LOG_DENSITY,
            _ => &PROBIT_LOG_DENSITY,
        };
        tape.map(row, &[x, args[0]])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let p = match form {
            0 => args[0][0],
            1 => Real::sigmoid(args[0][0]),
            _ => Real::normal_cdf(args[0][0]),
        };
        let u: f64 = rand_distr::StandardUniform.sample(rng);
        vec![f64::from(u < p)]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let p = match form {
            0 => args[0][0],
            1 => Real::sigmoid(args[0][0]),
            _ => Real::normal_cdf(args[0][0]),
        };
        Some((p, p * (1.0 - p)))
    }

    fn links(&self) -> &'static [Link] {
        LINKS
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[1.0], &[&[0.3]], -1.2039728043259361, SCIPY),
    Case::new(0, &[0.0], &[&[0.3]], -0.35667494393873245, SCIPY),
    Case::new(0, &[1.0], &[&[1e-300]], -690.7755278982137, SCIPY),
    Case::new(0, &[0.0], &[&[1e-10]], -1.00000000005e-10, SCIPY),
    Case::new(0, &[0.0], &[&[0.0]], 0.0, SCIPY),
    Case::new(0, &[1.0], &[&[1.0]], 0.0, SCIPY),
    Case::new(0, &[2.0], &[&[0.3]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[1.0], &[&[0.3]], -0.5543552444685271, SCIPY),
    Case::new(1, &[0.0], &[&[0.3]], -0.8543552444685272, SCIPY),
    Case::new(1, &[1.0], &[&[-800.0]], -800.0, SCIPY),
    Case::new(1, &[0.0], &[&[800.0]], -800.0, SCIPY),
    Case::new(1, &[1.0], &[&[800.0]], -0.0, SCIPY),
    Case::new(1, &[1.0], &[&[40.0]], -4.248354255291589e-18, SCIPY),
    Case::new(1, &[0.5], &[&[0.3]], f64::NEG_INFINITY, SCIPY),
    Case::new(2, &[1.0], &[&[0.3]], -0.4814101615884813, SCIPY),
    Case::new(2, &[0.0], &[&[0.3]], -0.9621028181688505, SCIPY),
    Case::new(2, &[1.0], &[&[-30.0]], -454.32124395634327, SCIPY),
    Case::new(2, &[0.0], &[&[38.0]], -726.5572160188201, SCIPY),
    Case::new(2, &[1.0], &[&[8.0]], -6.220960574271742e-16, SCIPY),
];

//! The negative binomial distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Link;
use super::MPMATH;
use super::Param;
use super::SCIPY;
use super::Support;
use super::draw;
use crate::elementwise;
use crate::num::Real;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::Elementwise;

/// The log mass, given `odds` = log(mean / shape).
#[inline(always)]
fn mass<T: Real>(x: T, odds: T, shape: T) -> T {
    let none = -shape * odds.softplus();
    if x.value() == 0.0 {
        return none;
    }
    none + stable::lgamma_ratio(shape, x) - (x + T::one()).lgamma() - x * (-odds).softplus()
}

/// The derivative of [`mass`] by the shape, with the mean held: with p the share mean / (mean + shape),
/// ψ(shape + x) − ψ(shape) − x (1 − p) / shape + p + log(1 − p), its large parts taken together.
#[inline(always)]
fn by_shape<T: Real>(x: T, odds: T, shape: T) -> T {
    let share = odds.sigmoid();
    let ratio = stable::digamma_ratio(shape, x) - x / shape;
    ratio + x * share / shape + stable::log1m_and(share, -odds.softplus())
}

elementwise! {
    /// The log mass of the negative binomial distribution.
    LogDensity LOG_DENSITY "neg_binomial_log_density" (x: Count, mean: NonNegative, shape: Positive) -> Real,
    at [[3.0, 1.7, 2.5], [0.0, 1e-300, 2.0], [20.0, 3.0, 1e8], [1000.0, 1.0, 0.01], [50.0, 60.0, 12.0]] {
        value: stable::unless(!Domain::Count.holds(x.value()), mass(x, mean.log() - shape.log(), shape)),
        partials: |_y| {
            let odds = mean.log() - shape.log();
            let by_mean = (-odds).sigmoid() * (stable::quotient(x, mean) - T::one());
            [T::zero(), by_mean, by_shape(x, odds, shape)]
        }
    }
    /// The log mass of the negative binomial distribution, given the log of its mean.
    LogLogDensity LOG_LOG_DENSITY "neg_binomial_log_log_density" (x: Count, log: Real, shape: Positive) -> Real,
    at [[3.0, 0.3, 2.5], [0.0, -800.0, 2.0], [2.0, 800.0, 3.0], [20.0, 1.0, 1e8], [1000.0, 0.0, 0.01]] {
        value: stable::unless(!Domain::Count.holds(x.value()), mass(x, log - shape.log(), shape)),
        partials: |_y| {
            let odds = log - shape.log();
            let by_log = x * (-odds).sigmoid() - shape * odds.sigmoid();
            [T::zero(), by_log, by_shape(x, odds, shape)]
        },
        one_pass: [x, log, shape] by log shared shape {
            add: {
                let odds = log - shape.log();
                stable::lgamma_ratio(shape, x) - shape * odds.softplus() - x * (-odds).softplus()
            },
            partials: {
                let odds = log - shape.log();
                let by_log = x * (-odds).sigmoid() - shape * odds.sigmoid();
                [T::zero(), by_log, by_shape(x, odds, shape)]
            },
            apart: -(x + T::one()).lgamma()
        }
    }
}

/// The negative binomial distribution.
#[derive(Clone, Copy, Debug)]
pub struct NegBinomial;

static FORMS: &[Form] = &[
    Form {
        params: &[
            Param::scalar("mean", Domain::NonNegative),
            Param::scalar("shape", Domain::Positive),
        ],
    },
    Form {
        params: &[
            Param::scalar("log", Domain::Real),
            Param::scalar("shape", Domain::Positive),
        ],
    },
];

static LINKS: &[Link] = &[Link {
    from: 0,
    to: 1,
    place: 0,
    function: &EXP,
}];

impl Distribution for NegBinomial {
    fn name(&self) -> &'static str {
        "NegBinomial"
    }

    fn doc(&self) -> &'static str {
        "The negative binomial distribution of counts, a Poisson whose rate is gamma with this mean and shape; its variance is \
         mean + mean²/shape: `log p(x) = log Γ(x + shape) − log Γ(shape) − log x! + shape log(shape / (shape + mean)) + \
         x log(mean / (shape + mean))`. Also given by `log` = log mean."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Count
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let row = if form == 0 {
            &LOG_DENSITY
        } else {
            &LOG_LOG_DENSITY
        };
        tape.map(row, &[x, args[0], args[1]])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let mean = if form == 0 {
            args[0][0]
        } else {
            args[0][0].exp()
        };
        if mean == 0.0 {
            return vec![0.0];
        }
        let rate = draw(rand_distr::Gamma::new(args[1][0], mean / args[1][0]), rng);
        vec![if rate == 0.0 {
            0.0
        } else {
            draw(rand_distr::Poisson::new(rate), rng)
        }]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let mean = if form == 0 {
            args[0][0]
        } else {
            args[0][0].exp()
        };
        Some((mean, mean + mean * mean / args[1][0]))
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
    Case::new(0, &[3.0], &[&[1.7], &[2.5]], -2.128981678301633, SCIPY),
    Case::new(0, &[0.0], &[&[1e-300], &[2.0]], 0.0, SCIPY),
    Case::new(
        0,
        &[20.0],
        &[&[3.0], &[100000000.0]],
        -23.363369342391408,
        MPMATH,
    ),
    Case::new(0, &[1000.0], &[&[1.0], &[0.01]], -21.434644613379604, SCIPY),
    Case::new(0, &[50.0], &[&[60.0], &[12.0]], -3.858218980236373, SCIPY),
    Case::new(0, &[0.0], &[&[0.0], &[1.0]], 0.0, SCIPY),
    Case::new(0, &[0.5], &[&[1.0], &[1.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[3.0], &[&[0.3], &[2.5]], -2.342102150883666, SCIPY),
    Case::new(1, &[0.0], &[&[-800.0], &[2.0]], 0.0, SCIPY),
    Case::new(1, &[2.0], &[&[800.0], &[3.0]], -2394.9124036647677, MPMATH),
    Case::new(
        1,
        &[20.0],
        &[&[1.0], &[100000000.0]],
        -25.05389689592373,
        MPMATH,
    ),
];

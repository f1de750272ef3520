//! The Poisson distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::GaussianForm;
use super::Link;
use super::MPMATH;
use super::Param;
use super::SCIPY;
use super::Support;
use super::draw;
use crate::elementwise;
use crate::num::Real;
use crate::num::rng::Rng;
use crate::num::special::lgamma;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::Elementwise;

/// The log mass, given the rate and its log.
#[inline(always)]
fn mass<T: Real>(x: T, rate: T, log: T) -> T {
    if x.value() == 0.0 {
        -rate
    } else {
        stable::gamma_kernel(x, rate, log) - x.log()
    }
}

elementwise! {
    /// The log mass of the Poisson distribution.
    LogDensity LOG_DENSITY "poisson_log_density" (x: Count, rate: NonNegative) -> Real,
    at [[3.0, 1.7], [0.0, 1e-300], [2.0, 1e-300], [100000000.0, 1.0001e8], [20.0, 1e3]] {
        value: stable::unless(!Domain::Count.holds(x.value()), mass(x, rate, rate.log())),
        partials: |_y| [T::zero(), stable::quotient(x, rate) - T::one()]
    }
    /// The log mass of the Poisson distribution, given the log of its rate.
    LogLogDensity LOG_LOG_DENSITY "poisson_log_log_density" (x: Count, log: Real) -> Real,
    at [[3.0, 0.3], [0.0, -800.0], [2.0, -800.0], [100000000.0, 18.4], [20.0, 7.0]] {
        value: stable::unless(!Domain::Count.holds(x.value()), mass(x, log.exp(), log)),
        partials: |_y| [T::zero(), x - log.exp()],
        one_pass: [x, log] by log {
            add: x * log - log.exp_in_range(),
            partials: [T::zero(), x - log.exp_in_range()],
            apart: -(x + T::one()).lgamma()
        },
        additive: Additive::Totals { row: &LOG_SUM, apart: Some(|x| -lgamma(x + 1.0)) }
    }
    /// The sum of n log masses of the Poisson distribution with x in all, given the log of the rate, plus `apart`: −Σ log x!.
    LogSum LOG_SUM "poisson_log_sum" (x: Count, n: Count, apart: Real, log: Real) -> Real,
    at [[3.0, 7.0, -1.5, 0.3] is -10.049011653032021, [0.0, 7.0, 0.0, -800.0] is -0.0, [20.0, 3.0, -40.0, 7.0] is -3189.899475285376, [100000000.0, 10000.0, -1700000000.0, 9.0] is -881030839.2757539] {
        value: x * log - n * log.exp() + apart,
        partials: |_y| [T::zero(), T::zero(), T::one(), x - n * log.exp()],
        one_pass: [x, n, apart, log] by log {
            add: x * log - n * log.exp_in_range(),
            partials: [T::zero(), T::zero(), T::zero(), x - n * log.exp_in_range()],
            apart: apart
        }
    }
}

/// The Poisson distribution.
#[derive(Clone, Copy, Debug)]
pub struct Poisson;

static FORMS: &[Form] = &[
    Form {
        params: &[Param::scalar("rate", Domain::NonNegative)],
    },
    Form {
        params: &[Param::scalar("log", Domain::Real)],
    },
];

static LINKS: &[Link] = &[Link {
    from: 0,
    to: 1,
    place: 0,
    function: &EXP,
}];

impl Distribution for Poisson {
    fn name(&self) -> &'static str {
        "Poisson"
    }

    fn doc(&self) -> &'static str {
        "The Poisson distribution of counts: `log p(x) = x log rate − rate − log x!`. Also given by `log` = log rate."
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
        let rate = if form == 0 {
            args[0][0]
        } else {
            args[0][0].exp()
        };
        vec![if rate == 0.0 {
            0.0
        } else {
            draw(rand_distr::Poisson::new(rate), rng)
        }]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let rate = if form == 0 {
            args[0][0]
        } else {
            args[0][0].exp()
        };
        Some((rate, rate))
    }

    fn links(&self) -> &'static [Link] {
        LINKS
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn gaussian_form(&self, form: usize) -> Option<GaussianForm> {
        Some(if form == 0 {
            GaussianForm::PoissonRate
        } else {
            GaussianForm::Poisson
        })
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[3.0], &[&[1.7]], -1.8998747160415437, SCIPY),
    Case::new(0, &[0.0], &[&[1e-300]], -1e-300, SCIPY),
    Case::new(0, &[2.0], &[&[1e-300]], -1382.2442029769873, SCIPY),
    Case::new(
        0,
        &[100000000.0],
        &[&[100010000.0]],
        -10.629245575180656,
        MPMATH,
    ),
    Case::new(0, &[20.0], &[&[1000.0]], -904.1805108811108, SCIPY),
    Case::new(0, &[0.0], &[&[0.0]], 0.0, SCIPY),
    Case::new(0, &[1.5], &[&[2.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(0, &[-1.0], &[&[2.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[3.0], &[&[0.3]], -2.2416182768040582, SCIPY),
    Case::new(1, &[0.0], &[&[-800.0]], -0.0, SCIPY),
    Case::new(1, &[2.0], &[&[-800.0]], -1600.69314718056, SCIPY),
    Case::new(1, &[100000000.0], &[&[18.4]], -21248.129948686583, MPMATH),
    Case::new(1, &[20.0], &[&[7.0]], -998.968774889212, SCIPY),
];

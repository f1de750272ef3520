//! The binomial distribution.

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
use crate::elementwise;
use crate::num::Real;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::SIGMOID;
use rand_distr::Distribution as _;

/// Whether x is no integer in 0 … n.
fn outside(x: f64, n: f64) -> bool {
    x < 0.0 || x > n || x.fract() != 0.0
}

elementwise! {
    /// The log mass of the binomial distribution.
    LogDensity LOG_DENSITY "binomial_log_density" (x: Count, n: Count, p: Unit) -> Real,
    at [[3.0, 7.0, 0.3], [0.0, 7.0, 1e-300], [7.0, 7.0, 0.999999], [2.0, 1e8, 1e-8]] {
        value: stable::unless(
            outside(x.value(), n.value()),
            stable::log_choose(n, x) + stable::times_log(x, p) + stable::times_log1m(n - x, p),
        ),
        partials: |_y| [
            T::zero(),
            T::zero(),
            stable::quotient(x, p) - stable::quotient(n - x, T::one() - p),
        ]
    }
    /// The log mass of the binomial distribution, given its logit.
    LogitLogDensity LOGIT_LOG_DENSITY "binomial_logit_log_density" (x: Count, n: Count, logit: Real) -> Real,
    at [[3.0, 7.0, 0.3], [0.0, 7.0, -800.0], [7.0, 7.0, 40.0], [2.0, 7.0, 800.0], [2.0, 1e8, -18.0]] {
        value: stable::unless(
            outside(x.value(), n.value()),
            stable::log_choose(n, x) - x * (-logit).softplus() - (n - x) * logit.softplus(),
        ),
        partials: |_y| [T::zero(), T::zero(), x * (-logit).sigmoid() - (n - x) * logit.sigmoid()],
        one_pass: [x, n, logit] by logit {
            add: x * logit - n * logit.softplus(),
            partials: [T::zero(), T::zero(), x - n * logit.sigmoid()],
            apart: stable::log_choose(n, x)
        }
    }
}

/// The binomial distribution.
#[derive(Clone, Copy, Debug)]
pub struct Binomial;

static FORMS: &[Form] = &[
    Form {
        params: &[
            Param::scalar("n", Domain::Count),
            Param::scalar("p", Domain::Unit),
        ],
    },
    Form {
        params: &[
            Param::scalar("n", Domain::Count),
            Param::scalar("logit", Domain::Real),
        ],
    },
];

static LINKS: &[Link] = &[Link {
    from: 0,
    to: 1,
    place: 1,
    function: &SIGMOID,
}];

impl Distribution for Binomial {
    fn name(&self) -> &'static str {
        "Binomial"
    }

    fn doc(&self) -> &'static str {
        "The binomial distribution: x successes in n trials, each with probability p, \
         `log p(x) = log (n over x) + x log p + (n − x) log(1 − p)`. Also given by `logit` = log(p / (1 − p))."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::CountUpTo { bound: 0 }
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
            &LOGIT_LOG_DENSITY
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
        let p = if form == 0 {
            args[1][0]
        } else {
            Real::sigmoid(args[1][0])
        };
        if !Domain::Count.holds(args[0][0]) {
            return vec![f64::NAN];
        }
        // The cast saturates.
        let draw = rand_distr::Binomial::new(args[0][0] as u64, p).map(|d| d.sample(rng) as f64);
        vec![draw.unwrap_or(f64::NAN)]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let p = if form == 0 {
            args[1][0]
        } else {
            Real::sigmoid(args[1][0])
        };
        let n = args[0][0];
        Some((n * p, n * p * (1.0 - p)))
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
    Case::new(0, &[3.0], &[&[7.0], &[0.3]], -1.4832701272433244, SCIPY),
    Case::new(0, &[0.0], &[&[7.0], &[1e-300]], -7e-300, SCIPY),
    Case::new(0, &[7.0], &[&[7.0], &[1.0]], 0.0, SCIPY),
    Case::new(0, &[0.0], &[&[0.0], &[0.4]], 0.0, SCIPY),
    Case::new(
        0,
        &[2.0],
        &[&[100000000.0], &[1e-08]],
        -1.6931471755599452,
        MPMATH,
    ),
    Case::new(0, &[8.0], &[&[7.0], &[0.3]], f64::NEG_INFINITY, SCIPY),
    Case::new(0, &[0.0], &[&[7.0], &[0.0]], 0.0, SCIPY),
    Case::new(1, &[3.0], &[&[7.0], &[0.3]], -1.5251386497902757, SCIPY),
    Case::new(1, &[0.0], &[&[7.0], &[-800.0]], 0.0, SCIPY),
    Case::new(
        1,
        &[7.0],
        &[&[7.0], &[40.0]],
        -2.9738479787041125e-17,
        SCIPY,
    ),
    Case::new(1, &[2.0], &[&[7.0], &[800.0]], -3996.9554775622764, SCIPY),
    Case::new(
        1,
        &[2.0],
        &[&[100000000.0], &[-18.0]],
        -1.3747836655288632,
        MPMATH,
    ),
];

//! The exponential distribution.

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
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LOG1M_EXP;
use crate::tape::elementwise::MAX;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::NEG;

/// −rate x, 0 for x ≤ 0: the log of one minus the distribution function.
fn log_survival(tape: &mut Builder, x: NodeId, rate: NodeId) -> NodeId {
    let zero = tape.number(0.0);
    let positive = tape.map(&MAX, &[x, zero]);
    let scaled = tape.map(&MUL, &[rate, positive]);
    tape.map(&NEG, &[scaled])
}

elementwise! {
    /// The log density of the exponential distribution.
    LogDensity LOG_DENSITY "exponential_log_density" (x: Real, rate: Positive) -> Real,
    at [[0.3, 0.7], [1e3, 1.0], [1e-5, 1e-300], [1e-300, 1.0]] {
        value: stable::unless(x.value() < 0.0, rate.log() - rate * x),
        partials: |_y| [-rate, T::one() / rate - x]
    }
    /// The log density of the exponential distribution, given the log of its rate.
    LogLogDensity LOG_LOG_DENSITY "exponential_log_log_density" (x: NonNegative, log_rate: Real) -> Real,
    at [[0.3, -0.4], [1e3, 0.0], [1e-5, -690.0], [1e-300, 0.0]] {
        value: stable::unless(x.value() < 0.0, log_rate - log_rate.exp() * x),
        partials: |_y| [-log_rate.exp(), T::one() - log_rate.exp() * x],
        one_pass: [x, log_rate] by log_rate {
            add: log_rate - log_rate.exp() * x,
            partials: [T::zero(), T::one() - log_rate.exp() * x]
        },
        additive: Additive::Totals { row: &LOG_SUM, apart: None }
    }
    /// The sum of n log densities of the exponential distribution with x in all, given the log of the rate.
    LogSum LOG_SUM "exponential_log_sum" (x: NonNegative, n: Count, log_rate: Real) -> Real,
    at [[4.0, 7.0, 0.25] is -3.386101666750966, [0.0, 3.0, -800.0] is -2400.0, [1e6, 1e3, -7.0] is -7911.881965554516] {
        value: n * log_rate - log_rate.exp() * x,
        partials: |_y| [-log_rate.exp(), T::zero(), n - log_rate.exp() * x],
        one_pass: [x, n, log_rate] by log_rate {
            add: n * log_rate - log_rate.exp() * x,
            partials: [T::zero(), T::zero(), n - log_rate.exp() * x]
        }
    }
}

/// The exponential distribution.
#[derive(Clone, Copy, Debug)]
pub struct Exponential;

static FORMS: &[Form] = &[
    Form {
        params: &[Param::scalar("rate", Domain::Positive)],
    },
    Form {
        params: &[Param::scalar("log_rate", Domain::Real)],
    },
];

static LINKS: &[Link] = &[Link {
    from: 0,
    to: 1,
    place: 0,
    function: &EXP,
}];

/// The rate that a form gives.
fn rate(tape: &mut Builder, form: usize, arg: NodeId) -> NodeId {
    if form == 0 {
        arg
    } else {
        tape.map(&EXP, &[arg])
    }
}

impl Distribution for Exponential {
    fn name(&self) -> &'static str {
        "Exponential"
    }

    fn doc(&self) -> &'static str {
        "The exponential distribution: `log p(x) = log rate − rate x` for x ≥ 0; its mean is 1 / rate. Also given by `log_rate` = log rate."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Positive
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

    fn log_cdf(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let rate = rate(tape, form, args[0]);
        let above = log_survival(tape, x, rate);
        Some(tape.map(&LOG1M_EXP, &[above]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let rate = rate(tape, form, args[0]);
        Some(log_survival(tape, x, rate))
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
        vec![draw(rand_distr::Exp::new(rate), rng)]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let mean = if form == 0 {
            args[0][0].recip()
        } else {
            (-args[0][0]).exp()
        };
        Some((mean, mean * mean))
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
    Case::new(0, &[0.3], &[&[0.7]], -0.5666749439387324, SCIPY),
    Case::new(0, &[1000.0], &[&[1.0]], -1000.0, SCIPY),
    Case::new(0, &[0.0], &[&[2.0]], std::f64::consts::LN_2, SCIPY),
    Case::new(0, &[1e-05], &[&[1e-300]], -690.7755278982137, SCIPY),
    Case::new(0, &[-0.1], &[&[1.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[0.3], &[&[-0.4]], -0.6010960138106918, MPMATH),
    Case::new(1, &[1000.0], &[&[0.0]], -1000.0, MPMATH),
    Case::new(1, &[1e-05], &[&[-690.0]], -690.0, MPMATH),
    Case::new(1, &[0.0], &[&[0.5]], 0.5, MPMATH),
    Case::new(1, &[-0.1], &[&[0.0]], f64::NEG_INFINITY, SCIPY),
];

//! The exponential distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Param;
use super::SCIPY;
use super::Support;
use super::draw;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
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
}

/// The exponential distribution.
#[derive(Clone, Copy, Debug)]
pub struct Exponential;

static FORMS: &[Form] = &[Form {
    params: &[Param::scalar("rate", Domain::Positive)],
}];

impl Distribution for Exponential {
    fn name(&self) -> &'static str {
        "Exponential"
    }

    fn doc(&self) -> &'static str {
        "The exponential distribution: `log p(x) = log rate − rate x` for x ≥ 0; its mean is 1 / rate."
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
        _form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        tape.map(&LOG_DENSITY, &[x, args[0]])
    }

    fn log_cdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let above = log_survival(tape, x, args[0]);
        Some(tape.map(&LOG1M_EXP, &[above]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        Some(log_survival(tape, x, args[0]))
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![draw(rand_distr::Exp::new(args[0][0]), rng)]
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
];

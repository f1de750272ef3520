//! The logistic distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Param;
use super::SCIPY;
use super::Support;
use super::standardised;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LOG_SIGMOID;
use crate::tape::elementwise::NEG;
use rand_distr::Distribution as _;

elementwise! {
    /// The log density of the logistic distribution.
    LogDensity LOG_DENSITY "logistic_log_density" (x: Real, loc: Real, scale: Positive) -> Real,
    at [[0.3, -1.2, 0.7], [-800.0, 0.0, 1.0], [800.0, 0.0, 1.0], [1e-5, 0.0, 1e-6]] {
        value: {
            let z = (x - loc) / scale;
            -z.softplus() - (-z).softplus() - scale.log()
        },
        partials: |_y| {
            let z = (x - loc) / scale;
            let slope = -(T::of(0.5) * z).tanh() / scale;
            [slope, -slope, -slope * z - T::one() / scale]
        }
    }
}

/// The logistic distribution.
#[derive(Clone, Copy, Debug)]
pub struct Logistic;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("loc", Domain::Real),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for Logistic {
    fn name(&self) -> &'static str {
        "Logistic"
    }

    fn doc(&self) -> &'static str {
        "The logistic distribution, with z = (x − loc) / scale: `log p(x) = −z − 2 log(1 + e^−z) − log scale`."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Real
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        _form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        tape.map(&LOG_DENSITY, &[x, args[0], args[1]])
    }

    fn log_cdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let z = standardised(tape, x, args[0], args[1]);
        Some(tape.map(&LOG_SIGMOID, &[z]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let z = standardised(tape, x, args[0], args[1]);
        let below = tape.map(&NEG, &[z]);
        Some(tape.map(&LOG_SIGMOID, &[below]))
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let u: f64 = rand_distr::Open01.sample(rng);
        vec![args[0][0] + args[1][0] * (u / (1.0 - u)).ln()]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[-1.2], &[0.7]], -2.008046627641255, SCIPY),
    Case::new(0, &[-800.0], &[&[0.0], &[1.0]], -800.0, SCIPY),
    Case::new(0, &[800.0], &[&[0.0], &[1.0]], -800.0, SCIPY),
    Case::new(
        0,
        &[100000000.0],
        &[&[1.0], &[10000000.0]],
        -26.118186348765832,
        SCIPY,
    ),
];

//! The inverse gamma distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
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
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;

elementwise! {
    /// The log density of the inverse gamma distribution.
    LogDensity LOG_DENSITY "inverse_gamma_log_density" (x: Real, shape: Positive, scale: Positive) -> Real,
    at [[0.3, 2.5, 0.7], [1.0001, 1e8, 1e8], [1e10, 0.01, 3.0], [1e-3, 1.0, 2.0]] {
        value: {
            let log = x.log();
            let value = stable::gamma_kernel(shape, scale / x, scale.log() - log) - log;
            stable::unless(x.value() <= 0.0, value)
        },
        partials: |_y| [
            (scale / x - shape - T::one()) / x,
            scale.log() - x.log() - shape.digamma(),
            shape / scale - T::one() / x,
        ]
    }
}

/// The inverse gamma distribution.
#[derive(Clone, Copy, Debug)]
pub struct InverseGamma;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("shape", Domain::Positive),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for InverseGamma {
    fn name(&self) -> &'static str {
        "InverseGamma"
    }

    fn doc(&self) -> &'static str {
        "The inverse gamma distribution, that of 1 / x for x from `Gamma(shape, scale)`: \
         `log p(x) = shape log scale − (shape + 1) log x − scale / x − log Γ(shape)` for x > 0."
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
        tape.map(&LOG_DENSITY, &[x, args[0], args[1]])
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![args[1][0] / draw(rand_distr::Gamma::new(args[0][0], 1.0), rng)]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[2.5], &[0.7]], 0.7042012514876927, SCIPY),
    Case::new(
        0,
        &[1.0001],
        &[&[100000000.0], &[100000000.0]],
        7.79136850210542,
        MPMATH,
    ),
    Case::new(
        0,
        &[10000000000.0],
        &[&[0.01], &[3.0]],
        -27.8446031946952,
        SCIPY,
    ),
    Case::new(0, &[0.001], &[&[1.0], &[2.0]], -1985.4913422614757, SCIPY),
    Case::new(0, &[0.0], &[&[1.0], &[2.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(0, &[-1.0], &[&[1.0], &[2.0]], f64::NEG_INFINITY, SCIPY),
];

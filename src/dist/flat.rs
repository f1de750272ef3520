//! The improper flat prior over all real numbers.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
use super::Support;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Elementwise;

elementwise! {
    /// The log of a density of 1 everywhere.
    LogDensity LOG_DENSITY "flat_log_density" (x: Real) -> Real, at [[0.3]] {
        value: T::zero(), partials: |_y| [T::zero()]
    }
}

/// The improper flat prior over all real numbers.
#[derive(Clone, Copy, Debug)]
pub struct Flat;

static FORMS: &[Form] = &[Form { params: &[] }];

impl Distribution for Flat {
    fn name(&self) -> &'static str {
        "Flat"
    }

    fn doc(&self) -> &'static str {
        "The improper flat prior over all real numbers: `log p(x) = 0`. It has no draws."
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
        _args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        tape.map(&LOG_DENSITY, &[x])
    }

    fn sample(
        &self,
        _form: usize,
        _args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        _rng: &mut Rng,
    ) -> Vec<f64> {
        vec![f64::NAN]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.0], &[], 0.0, MPMATH),
    Case::new(0, &[-1e+300], &[], 0.0, MPMATH),
    Case::new(0, &[3.5], &[], 0.0, MPMATH),
];

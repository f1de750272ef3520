//! The improper flat prior over the positive numbers.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
use super::Support;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Elementwise;

elementwise! {
    /// The log of a density of 1 from 0 on.
    LogDensity LOG_DENSITY "half_flat_log_density" (x: Real) -> Real, at [[0.3]] {
        value: stable::unless(x.value() < 0.0, T::zero()), partials: |_y| [T::zero()]
    }
}

/// The improper flat prior over the positive numbers.
#[derive(Clone, Copy, Debug)]
pub struct HalfFlat;

static FORMS: &[Form] = &[Form { params: &[] }];

impl Distribution for HalfFlat {
    fn name(&self) -> &'static str {
        "HalfFlat"
    }

    fn doc(&self) -> &'static str {
        "The improper flat prior over the positive numbers: `log p(x) = 0` for x ≥ 0. It has no draws."
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
    Case::new(0, &[-1e-300], &[], f64::NEG_INFINITY, MPMATH),
    Case::new(0, &[1e+300], &[], 0.0, MPMATH),
];

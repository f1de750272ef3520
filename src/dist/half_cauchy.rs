//! The half-Cauchy distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Param;
use super::SCIPY;
use super::Support;
use super::cauchy::LOG_PI;
use super::draw;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;

elementwise! {
    /// The log density of the half-Cauchy distribution.
    LogDensity LOG_DENSITY "half_cauchy_log_density" (x: Real, scale: Positive) -> Real,
    at [[0.3, 0.7], [1e6, 1.0], [1e-5, 1e-6], [1e-300, 1.0]] {
        value: {
            let z = x / scale;
            let value = T::of(std::f64::consts::LN_2 - LOG_PI) - (z * z).log1p() - scale.log();
            stable::unless(x.value() < 0.0, value)
        },
        partials: |_y| {
            let z = x / scale;
            let slope = -(z + z) / (T::one() + z * z) / scale;
            [slope, -slope * z - T::one() / scale]
        }
    }
}

/// The half-Cauchy distribution.
#[derive(Clone, Copy, Debug)]
pub struct HalfCauchy;

static FORMS: &[Form] = &[Form {
    params: &[Param::scalar("scale", Domain::Positive)],
}];

impl Distribution for HalfCauchy {
    fn name(&self) -> &'static str {
        "HalfCauchy"
    }

    fn doc(&self) -> &'static str {
        "The Cauchy distribution of location 0, folded: \
         `log p(x) = log 2 − log π − log scale − log(1 + (x / scale)²)` for x ≥ 0."
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

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![draw(rand_distr::Cauchy::new(0.0, args[0][0]), rng).abs()]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[0.7]], -0.2635304737865152, SCIPY),
    Case::new(0, &[40.0], &[&[1.0]], -7.829966418286169, SCIPY),
    Case::new(0, &[0.0], &[&[2.0]], -1.1447298858494002, SCIPY),
    Case::new(0, &[1e-05], &[&[1e-06]], 8.74880733583356, SCIPY),
    Case::new(0, &[-0.1], &[&[1.0]], f64::NEG_INFINITY, SCIPY),
];

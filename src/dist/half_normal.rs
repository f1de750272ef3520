//! The half-normal distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Param;
use super::SCIPY;
use super::Support;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::special::HALF_LOG_TWO_PI;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use rand_distr::Distribution as _;
use rand_distr::StandardNormal;

elementwise! {
    /// The log density of the half-normal distribution.
    LogDensity LOG_DENSITY "half_normal_log_density" (x: Real, sd: Positive) -> Real,
    at [[0.3, 0.7], [40.0, 1.0], [1e-5, 1e-6], [1e-300, 1.0]] {
        value: {
            let z = x / sd;
            let value = -T::of(0.5) * z * z - sd.log() - T::of(HALF_LOG_TWO_PI - std::f64::consts::LN_2);
            stable::unless(x.value() < 0.0, value)
        },
        partials: |_y| {
            let z = x / sd;
            [-z / sd, (z * z - T::one()) / sd]
        }
    }
}

/// The half-normal distribution.
#[derive(Clone, Copy, Debug)]
pub struct HalfNormal;

static FORMS: &[Form] = &[Form {
    params: &[Param::scalar("sd", Domain::Positive)],
}];

impl Distribution for HalfNormal {
    fn name(&self) -> &'static str {
        "HalfNormal"
    }

    fn doc(&self) -> &'static str {
        "The normal distribution of mean 0, folded: `log p(x) = log 2 − ½ (x / sd)² − log sd − ½ log 2π` for x ≥ 0."
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
        let z: f64 = StandardNormal.sample(rng);
        vec![args[0][0] * z.abs()]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[0.7]], 0.039046856600127466, SCIPY),
    Case::new(0, &[40.0], &[&[1.0]], -800.2257913526447, SCIPY),
    Case::new(0, &[0.0], &[&[2.0]], -0.9189385332046727, SCIPY),
    Case::new(0, &[1e-05], &[&[1e-06]], -36.410280794680475, SCIPY),
    Case::new(0, &[-0.1], &[&[1.0]], f64::NEG_INFINITY, SCIPY),
];

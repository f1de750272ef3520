//! The uniform distribution on an interval.

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
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::NEG;
use rand_distr::Distribution as _;

elementwise! {
    /// The log density of the uniform distribution.
    LogDensity LOG_DENSITY "uniform_log_density" (x: Real, lower: Real, upper: Real) -> Real,
    at [[0.3, -1.2, 0.7], [5e5, 0.0, 1e6]] {
        value: stable::unless(x.value() < lower.value() || x.value() > upper.value(), -(upper - lower).log()),
        partials: |_y| {
            let density = T::one() / (upper - lower);
            [T::zero(), density, -density]
        }
    }
    /// The log of the share of the interval that lies below x.
    LogCdf LOG_CDF "uniform_log_cdf" (x: Real, lower: Real, upper: Real) -> NonPositive,
    at [[0.3, -1.2, 0.7], [1e-5, 0.0, 1e6]] {
        value: if x.value() <= lower.value() {
            T::of(f64::NEG_INFINITY)
        } else if x.value() >= upper.value() {
            T::zero()
        } else {
            ((x - lower) / (upper - lower)).log()
        },
        partials: |_y| if x.value() <= lower.value() || x.value() >= upper.value() {
            [T::zero(), T::zero(), T::zero()]
        } else {
            let (above, all) = (T::one() / (x - lower), T::one() / (upper - lower));
            [above, all - above, -all]
        }
    }
}

/// The uniform distribution on an interval.
#[derive(Clone, Copy, Debug)]
pub struct Uniform;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("lower", Domain::Real),
        Param::scalar("upper", Domain::Real),
    ],
}];

impl Distribution for Uniform {
    fn name(&self) -> &'static str {
        "Uniform"
    }

    fn doc(&self) -> &'static str {
        "The uniform distribution on an interval: `log p(x) = −log(upper − lower)` for lower ≤ x ≤ upper."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Interval { lower: 0, upper: 1 }
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
        Some(tape.map(&LOG_CDF, &[x, args[0], args[1]]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        // The mirror image: −x between −upper and −lower.
        let mirrored = [x, args[1], args[0]].map(|node| tape.map(&NEG, &[node]));
        Some(tape.map(&LOG_CDF, &mirrored))
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let u: f64 = rand_distr::StandardUniform.sample(rng);
        vec![args[0][0] + (args[1][0] - args[0][0]) * u]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[-1.2], &[0.7]], -0.6418538861723947, SCIPY),
    Case::new(
        0,
        &[500000.0],
        &[&[0.0], &[1000000.0]],
        -13.815510557964274,
        SCIPY,
    ),
    Case::new(0, &[0.7], &[&[-1.2], &[0.7]], -0.6418538861723947, SCIPY),
    Case::new(0, &[1.0], &[&[-1.2], &[0.7]], f64::NEG_INFINITY, SCIPY),
];

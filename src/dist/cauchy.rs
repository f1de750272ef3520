//! The Cauchy distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Param;
use super::SCIPY;
use super::Support;
use super::draw;
use super::standardised;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::NEG;

/// log π.
pub(super) const LOG_PI: f64 = 1.144_729_885_849_400_2;

elementwise! {
    /// The log density of the Cauchy distribution.
    LogDensity LOG_DENSITY "cauchy_log_density" (x: Real, loc: Real, scale: Positive) -> Real,
    at [[0.3, -1.2, 0.7], [1e6, 0.0, 1.0], [1e-5, 0.0, 1e-6]] {
        value: {
            let z = (x - loc) / scale;
            -(z * z).log1p() - scale.log() - T::of(LOG_PI)
        },
        partials: |_y| {
            let z = (x - loc) / scale;
            let slope = -(z + z) / (T::one() + z * z) / scale;
            [slope, -slope, -slope * z - T::one() / scale]
        }
    }
    /// The log of the distribution function of the standard Cauchy distribution.
    LogCdf LOG_CDF "cauchy_log_cdf" (z: Real) -> NonPositive, at [[0.3], [-1e10], [1e3], [-2.0]] {
        value: {
            let tail = (T::one() / z).atan() * T::of(std::f64::consts::FRAC_1_PI);
            if z.value() < -1.0 {
                (-tail).log()
            } else if z.value() > 1.0 {
                (-tail).log1p()
            } else {
                (T::of(0.5) + z.atan() * T::of(std::f64::consts::FRAC_1_PI)).log()
            }
        },
        partials: |y| [(-y).exp() * T::of(std::f64::consts::FRAC_1_PI) / (T::one() + z * z)]
    }
}

/// The Cauchy distribution.
#[derive(Clone, Copy, Debug)]
pub struct Cauchy;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("loc", Domain::Real),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for Cauchy {
    fn name(&self) -> &'static str {
        "Cauchy"
    }

    fn doc(&self) -> &'static str {
        "The Cauchy distribution, with z = (x − loc) / scale: `log p(x) = −log π − log scale − log(1 + z²)`."
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
        Some(tape.map(&LOG_CDF, &[z]))
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
        Some(tape.map(&LOG_CDF, &[below]))
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![draw(rand_distr::Cauchy::new(args[0][0], args[1][0]), rng)]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[-1.2], &[0.7]], -2.509362750188111, SCIPY),
    Case::new(0, &[40.0], &[&[0.0], &[1.0]], -8.523113598846114, SCIPY),
    Case::new(
        0,
        &[100000000.0],
        &[&[1.0], &[10000000.0]],
        -21.877946033847,
        SCIPY,
    ),
    Case::new(0, &[-1e-05], &[&[0.0], &[1e-06]], 8.055660155273614, SCIPY),
];

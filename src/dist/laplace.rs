//! The Laplace (double exponential) distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
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
use crate::tape::elementwise::NEG;
use rand_distr::Distribution as _;
use rand_distr::Exp1;

elementwise! {
    /// The log density of the Laplace distribution.
    LogDensity LOG_DENSITY "laplace_log_density" (x: Real, loc: Real, scale: Positive) -> Real,
    at [[0.3, -1.2, 0.7], [-800.0, 0.0, 1.0], [1e-5, 0.0, 1e-6]] {
        value: -((x - loc) / scale).abs() - scale.log() - T::of(std::f64::consts::LN_2),
        partials: |_y| {
            let z = ((x - loc) / scale).abs();
            let slope = T::of(if x.value() == loc.value() { 0.0 } else { (loc.value() - x.value()).signum() }) / scale;
            [slope, -slope, (z - T::one()) / scale]
        }
    }
    /// The log of the distribution function of the standard Laplace distribution.
    LogCdf LOG_CDF "laplace_log_cdf" (z: Real) -> NonPositive, at [[0.3], [-800.0], [40.0], [-2.0]] {
        value: if z.value() < 0.0 {
            z - T::of(std::f64::consts::LN_2)
        } else {
            (-T::of(0.5) * (-z).exp()).log1p()
        },
        partials: |_y| [if z.value() < 0.0 {
            T::one()
        } else {
            let tail = T::of(0.5) * (-z).exp();
            tail / (T::one() - tail)
        }]
    }
}

/// The Laplace (double exponential) distribution.
#[derive(Clone, Copy, Debug)]
pub struct Laplace;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("loc", Domain::Real),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for Laplace {
    fn name(&self) -> &'static str {
        "Laplace"
    }

    fn doc(&self) -> &'static str {
        "The Laplace (double exponential) distribution: `log p(x) = −|x − loc| / scale − log(2 scale)`."
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
        let (a, b): (f64, f64) = (Exp1.sample(rng), Exp1.sample(rng));
        vec![args[0][0] + args[1][0] * (a - b)]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[-1.2], &[0.7]], -2.4793293794783557, SCIPY),
    Case::new(0, &[40.0], &[&[0.0], &[1.0]], -40.69314718055995, SCIPY),
    Case::new(
        0,
        &[100000000.0],
        &[&[1.0], &[10000000.0]],
        -26.811242731518266,
        SCIPY,
    ),
    Case::new(0, &[-1e-05], &[&[0.0], &[1e-06]], 3.1223633774043265, SCIPY),
    Case::new(0, &[-800.0], &[&[0.0], &[1.0]], -800.6931471805599, MPMATH),
];

//! The Weibull distribution.

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

elementwise! {
    /// The log density of the Weibull distribution.
    LogDensity LOG_DENSITY "weibull_log_density" (x: Real, shape: Positive, scale: Positive) -> Real,
    at [[0.3, 2.5, 0.7], [1e-100, 0.3, 1.0], [20.0, 1.0, 1e-1], [1.1, 60.0, 1.0]] {
        value: {
            let power = (x / scale).pow(shape);
            let value = shape.log() - shape * scale.log() + stable::times_log(shape - T::one(), x) - power;
            stable::unless(x.value() < 0.0, value)
        },
        partials: |_y| {
            let power = (x / scale).pow(shape);
            let log = x.log() - scale.log();
            [
                stable::quotient(shape - T::one() - shape * power, x),
                T::one() / shape + log - stable::times_log(power, x / scale),
                shape * (power - T::one()) / scale,
            ]
        }
    }
    /// The log of one minus the distribution function of the Weibull distribution.
    LogSurvival LOG_SURVIVAL "weibull_log_survival" (x: Real, shape: Positive, scale: Positive) -> NonPositive,
    at [[0.3, 2.5, 0.7], [1e-100, 0.3, 1.0], [20.0, 1.0, 1e-1]] {
        value: if x.value() <= 0.0 { T::zero() } else { -(x / scale).pow(shape) },
        partials: |y| if x.value() <= 0.0 {
            [T::zero(), T::zero(), T::zero()]
        } else {
            [y * shape / x, y * (x / scale).log(), -y * shape / scale]
        }
    }
}

/// The Weibull distribution.
#[derive(Clone, Copy, Debug)]
pub struct Weibull;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("shape", Domain::Positive),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for Weibull {
    fn name(&self) -> &'static str {
        "Weibull"
    }

    fn doc(&self) -> &'static str {
        "The Weibull distribution: `log p(x) = log shape − shape log scale + (shape − 1) log x − (x / scale)^shape` for x ≥ 0."
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

    fn log_cdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let above = tape.map(&LOG_SURVIVAL, &[x, args[0], args[1]]);
        Some(tape.map(&LOG1M_EXP, &[above]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        Some(tape.map(&LOG_SURVIVAL, &[x, args[0], args[1]]))
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![draw(rand_distr::Weibull::new(args[1][0], args[0][0]), rng)]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[2.5], &[0.7]], -0.11822362571428102, SCIPY),
    Case::new(0, &[1e-100], &[&[0.3], &[1.0]], 159.97698370525725, SCIPY),
    Case::new(0, &[20.0], &[&[1.0], &[0.1]], -197.69741490700596, SCIPY),
    Case::new(0, &[1.1], &[&[60.0], &[1.0]], -294.7639943707423, SCIPY),
    Case::new(0, &[0.0], &[&[1.0], &[2.0]], -std::f64::consts::LN_2, SCIPY),
    Case::new(0, &[-0.1], &[&[1.0], &[2.0]], f64::NEG_INFINITY, SCIPY),
];

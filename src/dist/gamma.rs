//! The gamma distribution.

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
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::SQUARE;

elementwise! {
    /// The log density of the gamma distribution.
    LogDensity LOG_DENSITY "gamma_log_density" (x: Real, shape: Positive, rate: Positive) -> Real,
    at [[0.3, 2.5, 0.7], [1.0001, 1e8, 1e8], [1e-300, 0.01, 3.0], [0.5, 12.0, 1e-300], [1e3, 1.0, 2.0]] {
        value: {
            let value = if x.value() == 0.0 {
                shape * rate.log() - shape.lgamma() + stable::times_log(shape - T::one(), x)
            } else {
                let log = x.log();
                stable::gamma_kernel(shape, rate * x, rate.log() + log) - log
            };
            stable::unless(x.value() < 0.0, value)
        },
        partials: |_y| [
            stable::quotient(shape - T::one(), x) - rate,
            rate.log() + x.log() - shape.digamma(),
            shape / rate - x,
        ]
    }
}

/// The gamma distribution.
#[derive(Clone, Copy, Debug)]
pub struct Gamma;

static FORMS: &[Form] = &[
    Form {
        params: &[
            Param::scalar("shape", Domain::Positive),
            Param::scalar("rate", Domain::Positive),
        ],
    },
    Form {
        params: &[
            Param::scalar("mean", Domain::Positive),
            Param::scalar("sd", Domain::Positive),
        ],
    },
];

impl Distribution for Gamma {
    fn name(&self) -> &'static str {
        "Gamma"
    }

    fn doc(&self) -> &'static str {
        "The gamma distribution: `log p(x) = shape log rate + (shape − 1) log x − rate x − log Γ(shape)` for x > 0; its mean is \
         shape / rate. Also given by its mean and standard deviation, with shape = (mean / sd)² and rate = mean / sd²."
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
        form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        if form == 0 {
            return tape.map(&LOG_DENSITY, &[x, args[0], args[1]]);
        }
        let ratio = tape.map(&DIV, &[args[0], args[1]]);
        let shape = tape.map(&SQUARE, &[ratio]);
        let rate = tape.map(&DIV, &[ratio, args[1]]);
        tape.map(&LOG_DENSITY, &[x, shape, rate])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let (shape, rate) = if form == 0 {
            (args[0][0], args[1][0])
        } else {
            let ratio = args[0][0] / args[1][0];
            (ratio * ratio, ratio / args[1][0])
        };
        vec![draw(rand_distr::Gamma::new(shape, rate.recip()), rng)]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[2.5], &[0.7]], -3.192329436808654, SCIPY),
    Case::new(
        0,
        &[1.0001],
        &[&[100000000.0], &[100000000.0]],
        7.791335173771487,
        MPMATH,
    ),
    Case::new(0, &[1e-300], &[&[0.01], &[3.0]], 679.2792788640762, SCIPY),
    Case::new(0, &[0.5], &[&[12.0], &[1e-300]], -8314.433261610598, SCIPY),
    Case::new(0, &[0.0], &[&[1.0], &[2.0]], std::f64::consts::LN_2, SCIPY),
    Case::new(0, &[0.0], &[&[2.0], &[2.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(0, &[-0.1], &[&[2.0], &[2.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[0.3], &[&[2.5], &[0.7]], -14.268220011890886, SCIPY),
    Case::new(
        1,
        &[100.0],
        &[&[101.0], &[0.01]],
        -5029.554149693311,
        MPMATH,
    ),
    Case::new(1, &[0.001], &[&[1.0], &[1.0]], -0.001, SCIPY),
];

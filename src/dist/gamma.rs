//! The gamma distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Link;
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
use crate::tape::elementwise::EXP;
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
    /// The log density of the gamma distribution, given the log of its rate.
    LogLogDensity LOG_LOG_DENSITY "gamma_log_log_density" (x: Positive, shape: Positive, log_rate: Real) -> Real,
    at [[0.3, 2.5, -0.4], [1.0001, 1e8, 18.4], [1e-300, 0.01, 1.1], [0.5, 12.0, -690.0], [1e3, 1.0, 0.7]] {
        value: {
            let log = x.log();
            let density = stable::gamma_kernel(shape, log_rate.exp() * x, log_rate + log) - log;
            stable::unless(x.value() <= 0.0, density)
        },
        partials: |_y| {
            let mean = log_rate.exp() * x;
            [(shape - T::one() - mean) / x, log_rate + x.log() - shape.digamma(), shape - mean]
        },
        one_pass: [x, shape, log_rate] by log_rate shared shape {
            add: {
                let log = x.log();
                stable::gamma_kernel(shape, log_rate.exp() * x, log_rate + log) - log
            },
            partials: {
                let by_shape = log_rate + x.log() - shape.digamma();
                [T::zero(), by_shape, shape - log_rate.exp() * x]
            }
        }
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
    Form {
        params: &[
            Param::scalar("shape", Domain::Positive),
            Param::scalar("log_rate", Domain::Real),
        ],
    },
];

static LINKS: &[Link] = &[Link {
    from: 0,
    to: 2,
    place: 1,
    function: &EXP,
}];

impl Distribution for Gamma {
    fn name(&self) -> &'static str {
        "Gamma"
    }

    fn doc(&self) -> &'static str {
        "The gamma distribution: `log p(x) = shape log rate + (shape − 1) log x − rate x − log Γ(shape)` for x > 0; its mean is \
         shape / rate. Also given by its mean and standard deviation, with shape = (mean / sd)² and rate = mean / sd², and \
         by `log_rate` = log rate."
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
        if form != 1 {
            let row = if form == 0 {
                &LOG_DENSITY
            } else {
                &LOG_LOG_DENSITY
            };
            return tape.map(row, &[x, args[0], args[1]]);
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
        let (shape, rate) = match form {
            0 => (args[0][0], args[1][0]),
            1 => {
                let ratio = args[0][0] / args[1][0];
                (ratio * ratio, ratio / args[1][0])
            }
            _ => (args[0][0], args[1][0].exp()),
        };
        vec![draw(rand_distr::Gamma::new(shape, rate.recip()), rng)]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        Some(match form {
            0 => (
                args[0][0] / args[1][0],
                args[0][0] / (args[1][0] * args[1][0]),
            ),
            1 => (args[0][0], args[1][0] * args[1][0]),
            _ => {
                let scale = (-args[1][0]).exp();
                (args[0][0] * scale, args[0][0] * scale * scale)
            }
        })
    }

    fn links(&self) -> &'static [Link] {
        LINKS
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
    Case::new(2, &[0.3], &[&[2.5], &[-0.4]], -3.291738090772515, MPMATH),
    Case::new(
        2,
        &[1.0001],
        &[&[100000000.0], &[18.4]],
        -21025.52569515013,
        MPMATH,
    ),
    Case::new(2, &[1e-300], &[&[0.01], &[1.1]], 679.2792927411896, MPMATH),
    Case::new(2, &[0.5], &[&[12.0], &[-690.0]], -8305.126926832034, MPMATH),
    Case::new(2, &[1000.0], &[&[1.0], &[0.7]], -2013.0527074704764, MPMATH),
    Case::new(2, &[-0.1], &[&[2.0], &[0.0]], f64::NEG_INFINITY, SCIPY),
];

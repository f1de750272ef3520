//! The log-normal distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::GaussianForm;
use super::Param;
use super::SCIPY;
use super::Support;
use super::normal;
use super::standardised;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::special::HALF_LOG_TWO_PI;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::LOG_NORMAL_CDF;
use crate::tape::elementwise::MAX;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::Scale;
use rand_distr::Distribution as _;
use rand_distr::StandardNormal;

/// (log x − meanlog) / sdlog; −∞ for x ≤ 0.
fn standardised_log(tape: &mut Builder, x: NodeId, args: &[NodeId]) -> NodeId {
    let zero = tape.number(0.0);
    let positive = tape.map(&MAX, &[x, zero]);
    let log = tape.map(&LOG, &[positive]);
    standardised(tape, log, args[0], args[1])
}

elementwise! {
    /// The log density of the log-normal distribution.
    LogDensity LOG_DENSITY "log_normal_log_density" (x: Real, meanlog: Real, sdlog: Positive) -> Real,
    at [[0.3, -1.2, 0.7], [1e-300, 0.0, 1.0], [1e10, 1.0, 2.0]] {
        value: {
            let log = x.log();
            let z = (log - meanlog) / sdlog;
            let value = -T::of(0.5) * z * z - sdlog.log() - log - T::of(HALF_LOG_TWO_PI);
            stable::unless(x.value() <= 0.0, value)
        },
        partials: |_y| {
            let z = (x.log() - meanlog) / sdlog;
            [-(T::one() + z / sdlog) / x, z / sdlog, (z * z - T::one()) / sdlog]
        },
        one_pass: [x, meanlog, sdlog] by meanlog shared sdlog {
            add: {
                let z = (x.log() - meanlog) * (T::one() / sdlog);
                -T::of(0.5) * z * z - (sdlog.log() + T::of(HALF_LOG_TWO_PI))
            },
            partials: {
                let precision = T::one() / sdlog;
                let z = (x.log() - meanlog) * precision;
                [T::zero(), z * precision, (z * z - T::one()) * precision]
            },
            apart: -x.log()
        },
        additive: Additive::Squares { scale: Scale::Log, row: &normal::SUM }
    }
}

/// The log-normal distribution.
#[derive(Clone, Copy, Debug)]
pub struct LogNormal;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("meanlog", Domain::Real),
        Param::scalar("sdlog", Domain::Positive),
    ],
}];

impl Distribution for LogNormal {
    fn name(&self) -> &'static str {
        "LogNormal"
    }

    fn doc(&self) -> &'static str {
        "The log-normal distribution: log x is normal with mean `meanlog` and standard deviation `sdlog`, \
         `log p(x) = −½ ((log x − meanlog) / sdlog)² − log sdlog − log x − ½ log 2π` for x > 0."
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
        let z = standardised_log(tape, x, args);
        Some(tape.map(&LOG_NORMAL_CDF, &[z]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        __form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let z = standardised_log(tape, x, args);
        let below = tape.map(&NEG, &[z]);
        Some(tape.map(&LOG_NORMAL_CDF, &[below]))
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
        vec![(args[0][0] + args[1][0] * z).exp()]
    }

    fn moments(&self, _form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let variance = args[1][0] * args[1][0];
        let mean = (args[0][0] + 0.5 * variance).exp();
        Some((mean, mean * mean * variance.exp_m1()))
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn gaussian_form(&self, __form: usize) -> Option<GaussianForm> {
        Some(GaussianForm::LogNormal)
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[-1.2], &[0.7]], 0.6416931097801873, SCIPY),
    Case::new(0, &[1e-300], &[&[0.0], &[1.0]], -237895.55838216288, SCIPY),
    Case::new(
        0,
        &[10000000000.0],
        &[&[1.0], &[2.0]],
        -85.28020029219994,
        SCIPY,
    ),
    Case::new(0, &[0.0], &[&[0.0], &[1.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(0, &[-1.0], &[&[0.0], &[1.0]], f64::NEG_INFINITY, SCIPY),
];

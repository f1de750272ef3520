//! The normal distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::GaussianForm;
use super::Param;
use super::SCIPY;
use super::Support;
use super::standardised;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::special::HALF_LOG_TWO_PI;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LOG_NORMAL_CDF;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::SQRT;
use crate::tape::elementwise::Scale;
use rand_distr::Distribution as _;
use rand_distr::StandardNormal;

/// The standard deviation from the second argument of a form.
fn sd(tape: &mut Builder, form: usize, arg: NodeId) -> NodeId {
    if form == 0 {
        return arg;
    }
    let root = tape.map(&SQRT, &[arg]);
    if form == 1 {
        return root;
    }
    let one = tape.number(1.0);
    tape.map(&DIV, &[one, root])
}

elementwise! {
    /// The log density of a normal distribution.
    LogDensity LOG_DENSITY "normal_log_density" (x: Real, mean: Real, sd: Positive) -> Real,
    at [[0.3, -1.2, 0.7], [40.0, 0.0, 1.0], [1e-5, 0.0, 1e-6], [1e8, 1.0, 1e7]] {
        value: {
            let z = (x - mean) / sd;
            -T::of(0.5) * z * z - sd.log() - T::of(HALF_LOG_TWO_PI)
        },
        partials: |_y| {
            let z = (x - mean) / sd;
            [-z / sd, z / sd, (z * z - T::one()) / sd]
        },
        one_pass: [x, mean, sd] by mean against x shared sd {
            add: {
                let z = (x - mean) * (T::one() / sd);
                -T::of(0.5) * z * z - (sd.log() + T::of(HALF_LOG_TWO_PI))
            },
            partials: {
                let precision = T::one() / sd;
                let z = (x - mean) * precision;
                [T::zero(), z * precision, (z * z - T::one()) * precision]
            }
        },
        additive: Additive::Squares { scale: Scale::Plain, row: &SUM }
    }
    /// The sum of n normal log densities, given the sum of squares of `x − mean`.
    Sum SUM "normal_sum" (n: Count, squares: NonNegative, sd: Positive) -> Real,
    at [[3.0, 2.5, 0.7] is -4.237811175961086, [0.0, 0.0, 2.0] is 0.0, [1e6, 9.9e5, 1.1] is -1423339.6220999067, [20.0, 1e-12, 1e-6] is 257.431440495192] {
        // Where there is nothing to sum the sd may be anything.
        value: if n.value() == 0.0 {
            T::zero()
        } else {
            -T::of(0.5) * squares / (sd * sd) - n * (sd.log() + T::of(HALF_LOG_TWO_PI))
        },
        partials: |_y| if n.value() == 0.0 {
            [T::zero(); 3]
        } else {
            [T::zero(), -T::of(0.5) / (sd * sd), (squares / (sd * sd) - n) / sd]
        }
    }
    /// A square in a sum of normal log densities, with `n` of their normalising constants.
    Square SQUARE "normal_square" (x: Real, mean: Real, sd: Positive, n: Count) -> Real,
    at [[0.3, -1.2, 0.7, 3.0] is -3.98270913514476, [0.5, 0.0, 2.0, 0.0] is -0.03125] {
        value: {
            let z = (x - mean) / sd;
            -T::of(0.5) * z * z - n * (sd.log() + T::of(HALF_LOG_TWO_PI))
        },
        partials: |_y| {
            let z = (x - mean) / sd;
            [-z / sd, z / sd, (z * z - n) / sd, T::zero()]
        },
        one_pass: [x, mean, sd, n] by mean against x shared sd {
            add: {
                let z = (x - mean) * (T::one() / sd);
                -T::of(0.5) * z * z - n * (sd.log() + T::of(HALF_LOG_TWO_PI))
            },
            partials: {
                let precision = T::one() / sd;
                let z = (x - mean) * precision;
                [T::zero(), z * precision, (z * z - n) * precision, T::zero()]
            }
        }
    }
}

/// The normal distribution.
#[derive(Clone, Copy, Debug)]
pub struct Normal;

static FORMS: &[Form] = &[
    Form {
        params: &[
            Param::scalar("mean", Domain::Real),
            Param::scalar("sd", Domain::Positive),
        ],
    },
    Form {
        params: &[
            Param::scalar("mean", Domain::Real),
            Param::scalar("variance", Domain::Positive),
        ],
    },
    Form {
        params: &[
            Param::scalar("mean", Domain::Real),
            Param::scalar("precision", Domain::Positive),
        ],
    },
];

impl Distribution for Normal {
    fn name(&self) -> &'static str {
        "Normal"
    }

    fn doc(&self) -> &'static str {
        "The normal distribution, `log p(x) = −½ ((x − mean) / sd)² − log sd − ½ log 2π`. Also given by its variance `sd²` or \
         its precision `1 / sd²`."
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
        form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let sd = sd(tape, form, args[1]);
        tape.map(&LOG_DENSITY, &[x, args[0], sd])
    }

    fn log_cdf(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let sd = sd(tape, form, args[1]);
        let z = standardised(tape, x, args[0], sd);
        Some(tape.map(&LOG_NORMAL_CDF, &[z]))
    }

    fn log_ccdf(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
    ) -> Option<NodeId> {
        let sd = sd(tape, form, args[1]);
        let z = standardised(tape, x, args[0], sd);
        let below = tape.map(&NEG, &[z]);
        Some(tape.map(&LOG_NORMAL_CDF, &[below]))
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let sd = match form {
            0 => args[1][0],
            1 => args[1][0].sqrt(),
            _ => args[1][0].sqrt().recip(),
        };
        let z: f64 = StandardNormal.sample(rng);
        vec![args[0][0] + sd * z]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let spread = args[1][0];
        let variance = match form {
            0 => spread * spread,
            1 => spread,
            _ => spread.recip(),
        };
        Some((args[0][0], variance))
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn gaussian_form(&self, form: usize) -> Option<GaussianForm> {
        (form == 0).then_some(GaussianForm::Normal)
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[-1.2], &[0.7]], -2.8581819566128788, SCIPY),
    Case::new(0, &[40.0], &[&[0.0], &[1.0]], -800.9189385332047, SCIPY),
    Case::new(
        0,
        &[100000000.0],
        &[&[1.0], &[10000000.0]],
        -67.03703318416301,
        SCIPY,
    ),
    Case::new(0, &[-1e-05], &[&[0.0], &[1e-06]], -37.10342797524042, SCIPY),
    Case::new(1, &[0.3], &[&[-1.2], &[0.7]], -2.3477439183781637, SCIPY),
    Case::new(1, &[40.0], &[&[0.0], &[1.0]], -800.9189385332047, SCIPY),
    Case::new(
        1,
        &[100000000.0],
        &[&[1.0], &[10000000.0]],
        -499999998.9779863,
        SCIPY,
    ),
    Case::new(2, &[0.3], &[&[-1.2], &[0.7]], -1.8847760051740385, SCIPY),
    Case::new(2, &[40.0], &[&[0.0], &[1.0]], -800.9189385332047, SCIPY),
    Case::new(2, &[1.0], &[&[1.5], &[1e-12]], -14.734449091169072, SCIPY),
];

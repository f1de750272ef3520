//! Student’s t distribution.

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
use crate::num::Real;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;

/// The log density at z, for location 0 and scale 1.
#[inline(always)]
pub(super) fn standard<T: Real>(df: T, z: T) -> T {
    let half = T::of(0.5);
    stable::lgamma_ratio(half * df, half)
        - half * (T::of(std::f64::consts::PI) * df).log()
        - half * (df + T::one()) * (z * z / df).log1p()
}

/// The derivative of [`standard`] by z.
#[inline(always)]
pub(super) fn slope<T: Real>(df: T, z: T) -> T {
    -(df + T::one()) * z / (df + z * z)
}

/// The derivative of [`standard`] by df.
#[inline(always)]
pub(super) fn by_df<T: Real>(df: T, z: T) -> T {
    let half = T::of(0.5);
    let ratio = stable::digamma_ratio(half * df, half);
    half * (ratio - T::one() / df - (z * z / df).log1p() - slope(df, z) * z / df)
}

elementwise! {
    /// The log density of Student's t distribution.
    LogDensity LOG_DENSITY "student_t_log_density" (x: Real, df: Positive, loc: Real, scale: Positive) -> Real,
    at [[0.3, 4.0, -1.2, 0.7], [1e6, 1.5, 0.0, 1.0], [2.0, 1e8, 0.0, 1.0], [0.1, 0.01, 0.0, 3.0]] {
        value: standard(df, (x - loc) / scale) - scale.log(),
        partials: |_y| {
            let z = (x - loc) / scale;
            let slope = slope(df, z) / scale;
            [slope, by_df(df, z), -slope, -slope * z - T::one() / scale]
        },
        aside: [df],
        one_pass: [x, df, loc, scale] by loc against x shared df, scale {
            add: standard(df, (x - loc) * (T::one() / scale)) - scale.log(),
            partials: {
                let precision = T::one() / scale;
                let z = (x - loc) * precision;
                let slope = slope(df, z) * precision;
                [T::zero(), by_df(df, z), -slope, -slope * z - precision]
            }
        }
    }
}

/// Student’s t distribution.
#[derive(Clone, Copy, Debug)]
pub struct StudentT;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("df", Domain::Positive),
        Param::scalar("loc", Domain::Real),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for StudentT {
    fn name(&self) -> &'static str {
        "StudentT"
    }

    fn doc(&self) -> &'static str {
        "Student’s t distribution with `df` degrees of freedom, with z = (x − loc) / scale: \
         `log p(x) = log Γ((df + 1)/2) − log Γ(df/2) − ½ log(π df) − log scale − (df + 1)/2 · log(1 + z²/df)`."
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
        tape.map(&LOG_DENSITY, &[x, args[0], args[1], args[2]])
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![args[1][0] + args[2][0] * draw(rand_distr::StudentT::new(args[0][0]), rng)]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(
        0,
        &[0.3],
        &[&[4.0], &[-1.2], &[0.7]],
        -2.535449745202654,
        SCIPY,
    ),
    Case::new(
        0,
        &[1000000.0],
        &[&[1.5], &[0.0], &[1.0]],
        -35.108595294609245,
        SCIPY,
    ),
    Case::new(
        0,
        &[2.0],
        &[&[100000000.0], &[0.0], &[1.0]],
        -2.9189385157046748,
        SCIPY,
    ),
    Case::new(
        0,
        &[0.1],
        &[&[0.01], &[0.0], &[3.0]],
        -4.154442269249156,
        SCIPY,
    ),
    Case::new(
        0,
        &[-7.0],
        &[&[1.0], &[2.0], &[2.5]],
        -4.697216715057781,
        SCIPY,
    ),
];

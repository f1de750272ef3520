//! The half-t distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Param;
use super::SCIPY;
use super::Support;
use super::draw;
use super::student_t::by_df;
use super::student_t::slope;
use super::student_t::standard;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;

elementwise! {
    /// The log density of the half-t distribution.
    LogDensity LOG_DENSITY "half_student_t_log_density" (x: Real, df: Positive, scale: Positive) -> Real,
    at [[0.3, 4.0, 0.7], [1e6, 1.5, 1.0], [2.0, 1e8, 1.0], [1e-300, 3.0, 2.5]] {
        value: stable::unless(
            x.value() < 0.0,
            standard(df, x / scale) - scale.log() + T::of(std::f64::consts::LN_2),
        ),
        partials: |_y| {
            let z = x / scale;
            let slope = slope(df, z) / scale;
            [slope, by_df(df, z), -slope * z - T::one() / scale]
        }
    }
}

/// The half-t distribution.
#[derive(Clone, Copy, Debug)]
pub struct HalfStudentT;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("df", Domain::Positive),
        Param::scalar("scale", Domain::Positive),
    ],
}];

impl Distribution for HalfStudentT {
    fn name(&self) -> &'static str {
        "HalfStudentT"
    }

    fn doc(&self) -> &'static str {
        "Student’s t distribution of location 0, folded: for x ≥ 0 twice the density of `StudentT(df, 0, scale)`."
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

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        vec![args[1][0] * draw(rand_distr::StudentT::new(args[0][0]), rng).abs()]
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[4.0], &[0.7]], -0.04324542828277578, SCIPY),
    Case::new(0, &[1000000.0], &[&[1.5], &[1.0]], -34.4154481140493, SCIPY),
    Case::new(
        0,
        &[2.0],
        &[&[100000000.0], &[1.0]],
        -2.2257913351447294,
        SCIPY,
    ),
    Case::new(0, &[0.0], &[&[3.0], &[2.5]], -1.2240324009377197, SCIPY),
    Case::new(0, &[-0.1], &[&[3.0], &[1.0]], f64::NEG_INFINITY, SCIPY),
];

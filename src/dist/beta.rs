//! The beta distribution.

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
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::SUB;

elementwise! {
    /// The log density of the beta distribution.
    LogDensity LOG_DENSITY "beta_log_density" (x: Real, a: Positive, b: Positive) -> Real,
    at [[0.3, 2.5, 0.7], [1e-300, 0.01, 3.0], [0.999999, 5.0, 1.0], [0.5, 1e5, 1.1e5]] {
        value: {
            let one = T::one();
            let value = stable::times_log(a - one, x) + stable::times_log1m(b - one, x) - stable::lbeta(a, b);
            stable::unless(x.value() < 0.0 || x.value() > 1.0, value)
        },
        partials: |_y| {
            let one = T::one();
            [
                stable::quotient(a - one, x) - stable::quotient(b - one, one - x),
                x.log() + stable::digamma_ratio(a, b),
                (-x).log1p() + stable::digamma_ratio(b, a),
            ]
        }
    }
}

/// The beta distribution.
#[derive(Clone, Copy, Debug)]
pub struct Beta;

static FORMS: &[Form] = &[
    Form {
        params: &[
            Param::scalar("a", Domain::Positive),
            Param::scalar("b", Domain::Positive),
        ],
    },
    Form {
        params: &[
            Param::scalar("mean", Domain::Unit),
            Param::scalar("concentration", Domain::Positive),
        ],
    },
];

impl Distribution for Beta {
    fn name(&self) -> &'static str {
        "Beta"
    }

    fn doc(&self) -> &'static str {
        "The beta distribution: `log p(x) = (a − 1) log x + (b − 1) log(1 − x) − log B(a, b)` for 0 ≤ x ≤ 1. Also given by its \
         mean and concentration, with a = mean · concentration and b = (1 − mean) · concentration."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Unit
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
        let a = tape.map(&MUL, &[args[0], args[1]]);
        let b = tape.map(&SUB, &[args[1], a]);
        tape.map(&LOG_DENSITY, &[x, a, b])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let (a, b) = if form == 0 {
            (args[0][0], args[1][0])
        } else {
            (args[0][0] * args[1][0], (1.0 - args[0][0]) * args[1][0])
        };
        vec![draw(rand_distr::Beta::new(a, b), rng)]
    }

    fn moments(&self, form: usize, args: &[&[f64]]) -> Option<(f64, f64)> {
        let (mean, sum) = if form == 0 {
            let sum = args[0][0] + args[1][0];
            (args[0][0] / sum, sum)
        } else {
            (args[0][0], args[1][0])
        };
        Some((mean, mean * (1.0 - mean) / (sum + 1.0)))
    }

    fn rows(&self) -> &'static [&'static Elementwise] {
        ROWS
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[0.3], &[&[2.5], &[0.7]], -1.3591020131569618, SCIPY),
    Case::new(0, &[1e-300], &[&[0.01], &[3.0]], 679.2775403056077, SCIPY),
    Case::new(0, &[0.999999], &[&[5.0], &[1.0]], 1.6094339124321002, SCIPY),
    Case::new(
        0,
        &[0.5],
        &[&[100000.0], &[110000.0]],
        -232.28479911115986,
        MPMATH,
    ),
    Case::new(0, &[0.0], &[&[1.0], &[3.0]], 1.0986122886681098, SCIPY),
    Case::new(0, &[1.0], &[&[3.0], &[1.0]], 1.0986122886681098, SCIPY),
    Case::new(0, &[1.5], &[&[2.0], &[2.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[0.3], &[&[0.25], &[4.0]], 0.3852624007906449, SCIPY),
    Case::new(
        1,
        &[0.01],
        &[&[0.01], &[10000.0]],
        5.993008498973496,
        MPMATH,
    ),
    Case::new(1, &[0.9], &[&[0.5], &[0.1]], -1.3974974221499772, SCIPY),
];

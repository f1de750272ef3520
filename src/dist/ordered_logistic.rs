//! The ordered logistic distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::FreeVector;
use super::MPMATH;
use super::Param;
use super::ParamKind;
use super::SCIPY;
use super::Support;
use super::pick_each;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::event::EventOp;
use rand_distr::Distribution as _;

elementwise! {
    /// The log probability that a logistic variable of location eta lies between two cutpoints.
    LogDensity LOG_DENSITY "ordered_logistic_log_density" (eta: Real, lower: Real, upper: Real) -> Real,
    at [[0.3, -1.2, 0.7], [800.0, -1.0, 1.0], [-800.0, -1.0, 1.0], [0.0, 1.0, 1.000001], [0.5, -40.0, 40.0]] {
        // σ(u) − σ(l) = σ(u) σ(−l) (1 − e^(l − u)), each factor accurate.
        value: (lower - upper).log1m_exp() - (eta - upper).softplus() - (lower - eta).softplus(),
        partials: |_y| {
            let gap = (lower - upper).exp() / (lower - upper).expm1();
            let (above, below) = ((eta - upper).sigmoid(), (lower - eta).sigmoid());
            [below - above, gap - below, above - gap]
        }
    }
}

/// The ordered logistic distribution.
#[derive(Clone, Copy, Debug)]
pub struct OrderedLogistic;

static FORMS: &[Form] = &[Form {
    params: &[
        Param::scalar("eta", Domain::Real),
        Param::new("cutpoints", ParamKind::Free(FreeVector::Ordered)),
    ],
}];

impl Distribution for OrderedLogistic {
    fn name(&self) -> &'static str {
        "OrderedLogistic"
    }

    fn doc(&self) -> &'static str {
        "The ordered logistic distribution (proportional odds) of categories 1 … K with K − 1 increasing cutpoints c: \
         P(x ≤ k) = 1 / (1 + e^−(cₖ − eta)), `log p(x) = log(P(X ≤ x) − P(X ≤ x − 1))`."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Scalar
    }

    fn support(&self) -> Support {
        Support::Category
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        _form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let least = tape.number(f64::NEG_INFINITY);
        let most = tape.number(f64::INFINITY);
        let bounds = tape.event(EventOp::Stack, &[least, args[1], most]);
        let one = tape.number(1.0);
        let next = tape.map(&ADD, &[x, one]);
        let lower = pick_each(tape, bounds, x);
        let upper = pick_each(tape, bounds, next);
        tape.map(&LOG_DENSITY, &[args[0], lower, upper])
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let u: f64 = rand_distr::Open01.sample(rng);
        let utility = args[0][0] + (u / (1.0 - u)).ln();
        let passed = args[1].iter().filter(|&&c| c < utility).count();
        vec![(passed + 1) as f64]
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
        &[1.0],
        &[&[0.3], &[-1.0, 0.5]],
        -1.5410084538329922,
        SCIPY,
    ),
    Case::new(
        0,
        &[2.0],
        &[&[0.3], &[-1.0, 0.5]],
        -1.091629782140038,
        SCIPY,
    ),
    Case::new(
        0,
        &[3.0],
        &[&[0.3], &[-1.0, 0.5]],
        -0.798138869381592,
        SCIPY,
    ),
    Case::new(
        0,
        &[2.0],
        &[&[800.0], &[-1.0, 0.5]],
        -799.7524824589254,
        MPMATH,
    ),
    Case::new(0, &[1.0], &[&[-800.0], &[-1.0, 0.5]], 0.0, SCIPY),
    Case::new(
        0,
        &[2.0],
        &[&[0.0], &[1.0, 1.000001]],
        -15.44203416414162,
        MPMATH,
    ),
];

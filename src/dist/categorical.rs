//! The categorical distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::FreeVector;
use super::Param;
use super::ParamKind;
use super::SCIPY;
use super::Support;
use super::pick_each;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use rand_distr::Distribution as _;

/// The categorical distribution.
#[derive(Clone, Copy, Debug)]
pub struct Categorical;

static FORMS: &[Form] = &[
    Form {
        params: &[Param::new("p", ParamKind::Free(FreeVector::Simplex))],
    },
    Form {
        params: &[Param::new("logits", ParamKind::Free(FreeVector::Real))],
    },
];

impl Distribution for Categorical {
    fn name(&self) -> &'static str {
        "Categorical"
    }

    fn doc(&self) -> &'static str {
        "The categorical distribution: x is category k of 1 … K with probability pₖ. Also given by `logits`, with \
         p = softmax(logits)."
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
        form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let picked = pick_each(tape, args[0], x);
        if form == 0 {
            return tape.map(&LOG, &[picked]);
        }
        let total = tape.event(EventOp::LogSumExp, &[args[0]]);
        tape.map(&SUB, &[picked, total])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        _size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let largest = args[0].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = match form {
            0 => args[0].to_vec(),
            _ => args[0].iter().map(|l| (l - largest).exp()).collect(),
        };
        let u: f64 = rand_distr::StandardUniform.sample(rng);
        let mut left = u * weights.iter().sum::<f64>();
        let last = weights.iter().rposition(|&w| w > 0.0);
        let category = weights.iter().position(|w| {
            left -= w;
            left < 0.0
        });
        vec![category.or(last).map_or(f64::NAN, |k| (k + 1) as f64)]
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(0, &[1.0], &[&[0.2, 0.5, 0.3]], -1.6094379124341003, SCIPY),
    Case::new(0, &[3.0], &[&[0.2, 0.5, 0.3]], -1.2039728043259361, SCIPY),
    Case::new(0, &[2.0], &[&[1e-300, 1.0]], 0.0, SCIPY),
    Case::new(0, &[1.0], &[&[0.0, 1.0]], f64::NEG_INFINITY, SCIPY),
    Case::new(1, &[1.0], &[&[0.2, -0.5, 1.3]], -1.504244344559238, SCIPY),
    Case::new(1, &[3.0], &[&[0.2, -0.5, 1.3]], -0.4042443445592379, SCIPY),
    Case::new(1, &[2.0], &[&[800.0, -800.0]], -1600.0, SCIPY),
    Case::new(
        1,
        &[1.0],
        &[&[10000.0, 10000.0, 10000.0]],
        -1.0986122886681098,
        SCIPY,
    ),
];

//! Increasing draws of one distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::Given;
use super::Param;
use super::ParamKind;
use super::SCIPY;
use super::Support;
use crate::num::rng::Rng;
use crate::num::special;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::LESS;
use crate::tape::elementwise::SELECT;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;

/// Increasing draws of one distribution.
#[derive(Clone, Copy, Debug)]
pub struct Ordered;

static FORMS: &[Form] = &[Form {
    params: &[Param::new("distribution", ParamKind::Distribution)],
}];

impl Distribution for Ordered {
    fn name(&self) -> &'static str {
        "Ordered"
    }

    fn doc(&self) -> &'static str {
        "K independent draws of a continuous scalar distribution D, sorted: \
         `log p(x) = log K! + Σ log D(xₖ)` for x₁ ≤ … ≤ x_K. The term log K! makes it a density over increasing vectors. \
         D is over the real or the positive numbers, and the same for all K."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Vector
    }

    fn support(&self) -> Support {
        Support::Ordered
    }

    fn support_over(&self, inner: Support) -> Option<Support> {
        match inner {
            Support::Real => Some(Support::Ordered),
            Support::Positive => Some(Support::PositiveOrdered),
            Support::Unit
            | Support::Interval { .. }
            | Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation
            | Support::Binary
            | Support::Count
            | Support::CountUpTo { .. }
            | Support::Category => None,
        }
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        _form: usize,
        x: NodeId,
        _args: &[NodeId],
        inner: &[Applied<NodeId>],
    ) -> NodeId {
        let size = tape.width(x) as u32;
        let each = inner[0].log_density(tape, x);
        let sum = tape.event(EventOp::Sum, &[each]);
        let orders = tape.number(special::lgamma(f64::from(size) + 1.0));
        let density = tape.map(&ADD, &[sum, orders]);
        if size < 2 {
            return density;
        }
        let before = tape.event(EventOp::Pick((0..size - 1).collect()), &[x]);
        let after = tape.event(EventOp::Pick((1..size).collect()), &[x]);
        let steps = tape.map(&SUB, &[after, before]);
        let least = tape.event(EventOp::Min, &[steps]);
        let zero = tape.number(0.0);
        let falls = tape.map(&LESS, &[least, zero]);
        let outside = tape.number(f64::NEG_INFINITY);
        tape.map(&SELECT, &[falls, outside, density])
    }

    fn sample(
        &self,
        _form: usize,
        _args: &[&[f64]],
        inner: &[Applied<&[f64]>],
        size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let mut draws: Vec<f64> = (0..size).flat_map(|_| inner[0].sample(1, rng)).collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case {
        inner: Some(Given {
            distribution: &super::normal::Normal,
            form: 0,
            args: &[&[0.5], &[2.0]],
        }),
        ..Case::new(0, &[-1.0, 0.2, 1.5], &[], -3.4619976720657992, SCIPY)
    },
    Case {
        inner: Some(Given {
            distribution: &super::exponential::Exponential,
            form: 0,
            args: &[&[0.4]],
        }),
        ..Case::new(0, &[0.1, 3.0], &[], -2.379434283188365, SCIPY)
    },
    Case {
        inner: Some(Given {
            distribution: &super::normal::Normal,
            form: 1,
            args: &[&[0.0], &[4.0]],
        }),
        ..Case::new(0, &[2.0], &[], -2.112085713764618, SCIPY)
    },
    Case {
        inner: Some(Given {
            distribution: &super::normal::Normal,
            form: 0,
            args: &[&[0.0], &[1.0]],
        }),
        ..Case::new(0, &[1.0, 0.5], &[], f64::NEG_INFINITY, SCIPY)
    },
];

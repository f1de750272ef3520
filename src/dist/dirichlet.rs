//! The Dirichlet distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
use super::Param;
use super::ParamKind;
use super::SCIPY;
use super::Support;
use super::draw;
use crate::elementwise;
use crate::num::rng::Rng;
use crate::num::stable;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LGAMMA;
use crate::tape::elementwise::MUL;
use crate::tape::event::EventOp;

elementwise! {
    /// What one component adds to the log density of the Dirichlet distribution, (a − 1) log x − log Γ(a).
    Part PART "dirichlet_part" (x: Real, a: Positive) -> Real,
    at [[0.3, 1.2], [1e-300, 0.1], [0.5, 1e5], [1e-10, 1.0]] {
        value: stable::unless(x.value() < 0.0, stable::times_log(a - T::one(), x) - a.lgamma()),
        partials: |_y| [stable::quotient(a - T::one(), x), x.log() - a.digamma()]
    }
}

/// The Dirichlet distribution.
#[derive(Clone, Copy, Debug)]
pub struct Dirichlet;

static FORMS: &[Form] = &[Form {
    params: &[Param::new("a", ParamKind::Vector(Domain::Positive))],
}];

impl Distribution for Dirichlet {
    fn name(&self) -> &'static str {
        "Dirichlet"
    }

    fn doc(&self) -> &'static str {
        "The Dirichlet distribution of K probabilities that sum to 1: \
         `log p(x) = log Γ(Σ aₖ) − Σ log Γ(aₖ) + Σ (aₖ − 1) log xₖ`, a density of the first K − 1 of them. A single \
         number `a` stands for K equal ones."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Vector
    }

    fn support(&self) -> Support {
        Support::Simplex
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        _form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let parts = tape.map(&PART, &[x, args[0]]);
        let parts = tape.event(EventOp::Sum, &[parts]);
        let (size, given) = (tape.width(x), tape.width(args[0]));
        let mut total = tape.event(EventOp::Sum, &[args[0]]);
        if given < size {
            let repeats = tape.number(size as f64);
            total = tape.map(&MUL, &[total, repeats]);
        }
        let total = tape.map(&LGAMMA, &[total]);
        tape.map(&ADD, &[total, parts])
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        // On the log scale, through Gamma(a) = Gamma(a + 1) U^(1/a): for small a all gammas may underflow together.
        let logs: Vec<f64> = (0..size)
            .map(|k| {
                let a = args[0][k % args[0].len()];
                let gamma = draw(rand_distr::Gamma::new(a + 1.0, 1.0), rng).ln();
                gamma - draw(rand_distr::Exp::new(a), rng)
            })
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logs.iter().map(|l| (l - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|w| w / total).collect()
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
        &[0.2, 0.5, 0.3],
        &[&[1.5, 2.0, 0.3]],
        -0.0837787217627658,
        SCIPY,
    ),
    Case::new(0, &[0.2, 0.5, 0.3], &[&[0.7]], 0.31480336814548004, SCIPY),
    Case::new(
        0,
        &[1e-10, 0.9999999999],
        &[&[0.01, 5.0]],
        18.211184776908432,
        SCIPY,
    ),
    Case::new(
        0,
        &[0.25, 0.25, 0.25, 0.25],
        &[&[1.0]],
        1.791759469228055,
        SCIPY,
    ),
    Case::new(
        0,
        &[0.0, 1.0],
        &[&[1.0, 2.0]],
        std::f64::consts::LN_2,
        MPMATH,
    ),
];

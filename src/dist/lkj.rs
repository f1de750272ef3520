//! The LKJ distribution of correlation matrices.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
use super::Param;
use super::Support;
use super::lkj_cholesky::LOG_CONSTANT;
use super::lkj_cholesky::LkjCholesky;
use super::lkj_cholesky::side;
use super::multi_normal::log_diagonal;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;

/// The LKJ distribution of correlation matrices.
#[derive(Clone, Copy, Debug)]
pub struct Lkj;

static FORMS: &[Form] = &[Form {
    params: &[Param::scalar("eta", Domain::Positive)],
}];

impl Distribution for Lkj {
    fn name(&self) -> &'static str {
        "LKJ"
    }

    fn doc(&self) -> &'static str {
        "The distribution of a K × K correlation matrix R of Lewandowski, Kurowicka and Joe; eta = 1 is uniform: \
         `log p(R) = (eta − 1) log det R + log c(eta, K)`, a density of the numbers below the diagonal, with \
         `log c = Σₖ log Γ(eta + (K − 1)/2) − log Γ(eta + (K − 1 − k)/2) − k/2 · log π` for k in 1 … K − 1."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Square
    }

    fn support(&self) -> Support {
        Support::Correlation
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        _form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let n = side(tape.width(x));
        let size = tape.number(n as f64);
        let constant = tape.map(&LOG_CONSTANT, &[args[0], size]);
        let factor = tape.event(EventOp::Cholesky(n), &[x]);
        let half = log_diagonal(tape, factor, n);
        let two = tape.number(2.0);
        let log_det = tape.map(&MUL, &[two, half]);
        let one = tape.number(1.0);
        let power = tape.map(&SUB, &[args[0], one]);
        let scaled = tape.map(&MUL, &[power, log_det]);
        tape.map(&ADD, &[scaled, constant])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        inner: &[Applied<&[f64]>],
        size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let factor = LkjCholesky.sample(form, args, inner, size, rng);
        let row = |i: usize| &factor[i * size..(i + 1) * size];
        let product = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
        (0..size * size)
            .map(|p| {
                if p / size == p % size {
                    1.0
                } else {
                    product(p / size, p % size)
                }
            })
            .collect()
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(
        0,
        &[1.0, 0.2, -0.3, 0.2, 1.0, 0.4, -0.3, 0.4, 1.0],
        &[&[1.0]],
        -1.596312591138855,
        MPMATH,
    ),
    Case::new(
        0,
        &[1.0, 0.2, -0.3, 0.2, 1.0, 0.4, -0.3, 0.4, 1.0],
        &[&[0.3]],
        -2.892559314876144,
        MPMATH,
    ),
    Case::new(
        0,
        &[1.0, 0.5, 0.5, 1.0],
        &[&[2.0]],
        -0.5753641449035618,
        MPMATH,
    ),
    Case::new(
        0,
        &[1.0, 0.99, 0.99, 1.0],
        &[&[50.0]],
        -190.55359521388175,
        MPMATH,
    ),
    Case::new(0, &[1.0], &[&[2.0]], 0.0, MPMATH),
];

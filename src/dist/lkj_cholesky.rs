//! The LKJ distribution of the Cholesky factor of a correlation matrix.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
use super::Param;
use super::Support;
use super::draw;
use crate::elementwise;
use crate::num::Real;
use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::MUL;
use crate::tape::event::EventOp;
use rand_distr::Distribution as _;
use rand_distr::StandardNormal;

elementwise! {
    /// The log of the normalising constant of the LKJ distribution of K × K correlation matrices.
    LogConstant LOG_CONSTANT "lkj_log_constant" (eta: Positive, size: Index) -> Real,
    at [[1.0, 3.0], [0.1, 2.0], [50.0, 4.0], [2.5, 1.0]] {
        value: log_constant(eta, size),
        partials: |_y| [by_eta(eta, size), T::zero()]
    }
}

/// log c, where c det(R)^(eta − 1) is the density of the LKJ distribution (Lewandowski, Kurowicka & Joe 2009, theorem 5):
/// Σ_k<K log Γ(eta + (K − 1)/2) − log Γ(eta + (K − 1 − k)/2) − k/2 log π.
#[inline(always)]
fn log_constant<T: Real>(eta: T, size: T) -> T {
    terms(size).fold(T::zero(), |sum, (k, rest)| {
        let ratio = (eta + T::of(rest + 0.5 * k)).lgamma() - (eta + T::of(rest)).lgamma();
        sum + ratio - T::of(0.5 * k * super::cauchy::LOG_PI)
    })
}

/// The derivative of [`log_constant`] by eta.
#[inline(always)]
fn by_eta<T: Real>(eta: T, size: T) -> T {
    terms(size).fold(T::zero(), |sum, (k, rest)| {
        sum + (eta + T::of(rest + 0.5 * k)).digamma() - (eta + T::of(rest)).digamma()
    })
}

/// (k, (K − 1 − k)/2) for k in 1 … K − 1.
fn terms<T: Real>(size: T) -> impl Iterator<Item = (f64, f64)> {
    let last = size.value() - 1.0;
    (1..size.value() as usize).map(move |k| (k as f64, 0.5 * (last - k as f64)))
}

/// The side of a square matrix of this many numbers.
pub(super) fn side(width: usize) -> usize {
    width.isqrt()
}

/// The LKJ distribution of the Cholesky factor of a correlation matrix.
#[derive(Clone, Copy, Debug)]
pub struct LkjCholesky;

static FORMS: &[Form] = &[Form {
    params: &[Param::scalar("eta", Domain::Positive)],
}];

impl Distribution for LkjCholesky {
    fn name(&self) -> &'static str {
        "LKJCholesky"
    }

    fn doc(&self) -> &'static str {
        "The distribution of the lower Cholesky factor L of a K × K correlation matrix from `LKJ(eta)`: \
         `log p(L) = Σₖ (K − k + 2 eta − 2) log Lₖₖ + log c(eta, K)` for k in 2 … K, a density of the numbers below the \
         diagonal, with `log c` as for `LKJ`."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Square
    }

    fn support(&self) -> Support {
        Support::CholeskyCorrelation
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
        if n < 2 {
            return constant;
        }
        let places = (1..n).map(|k| (k * (n + 1)) as u32).collect();
        let diagonal = tape.event(EventOp::Pick(places), &[x]);
        let logs = tape.map(&LOG, &[diagonal]);
        // K − k − 2 for k in 2 … K; twice eta is added to each.
        let fixed: Vec<f64> = (1..n).map(|k| n as f64 - k as f64 - 3.0).collect();
        let fixed = tape.constant(&fixed);
        let two = tape.number(2.0);
        let twice = tape.map(&MUL, &[two, args[0]]);
        let powers = tape.map(&ADD, &[twice, fixed]);
        let sum = tape.event(EventOp::Dot, &[powers, logs]);
        tape.map(&ADD, &[sum, constant])
    }

    fn sample(
        &self,
        _form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        // Row k + 1 is a point of the ball of dimension k: a uniform direction, the squared radius from a beta distribution.
        let mut factor = vec![0.0; size * size];
        for k in 0..size {
            let row = &mut factor[k * size..=k * size + k];
            let free = (size - 1 - k) as f64;
            let square = match k {
                0 => 0.0,
                _ => draw(
                    rand_distr::Beta::new(0.5 * k as f64, args[0][0] + 0.5 * free),
                    rng,
                ),
            };
            for value in &mut row[..k] {
                *value = StandardNormal.sample(rng);
            }
            let norm = row[..k].iter().map(|v| v * v).sum::<f64>().sqrt();
            for value in &mut row[..k] {
                *value *= square.sqrt() / norm;
            }
            row[k] = (1.0 - square).sqrt();
        }
        factor
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
        &[1.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.0, -0.28, 0.96],
        &[&[1.0]],
        -1.8194561424530646,
        MPMATH,
    ),
    Case::new(
        0,
        &[1.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.0, -0.28, 0.96],
        &[&[0.3]],
        -3.0348939081536934,
        MPMATH,
    ),
    Case::new(
        0,
        &[1.0, 0.0, 0.6, 0.8],
        &[&[2.0]],
        -0.7339691750802003,
        MPMATH,
    ),
    Case::new(
        0,
        &[
            1.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, -0.28, 0.96, 0.0, 0.5, 0.5, 0.5, 0.5,
        ],
        &[&[30.0]],
        -49.18898978239192,
        MPMATH,
    ),
];

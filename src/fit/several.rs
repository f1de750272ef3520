//! Several fits by stochastic steps, from several starts: whether they come to the same.

use super::Agreement;
use super::Fit;
use super::Outcome;
use super::Settings;
use super::run;
use crate::elbo::Elbo;
use crate::joint::LogDensity;
use crate::num::rng::Rng;
use std::mem;

/// The best of several fits by stochastic steps, each from a start and with noise of its own; of another kind of fit there is one.
pub fn several<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    settings: &mut Settings<'_>,
    rng: &mut Rng,
    count: usize,
) -> Fit {
    let mut best = run(elbo, settings, rng);
    let mut others = Vec::new();
    let has_steps = best.tail.is_some() || best.state.is_some();
    while has_steps && others.len() + 1 < count && best.outcome != Outcome::Interrupted {
        let mut other = run(elbo, settings, rng);
        if other.outcome == Outcome::Interrupted {
            break;
        }
        if other.elbo.total > best.elbo.total || best.elbo.total.is_nan() {
            mem::swap(&mut best, &mut other);
        }
        others.push(other);
    }
    if let (Some(tail), false) = (&best.tail, others.is_empty()) {
        let tails = || others.iter().filter_map(|fit| fit.tail.as_ref());
        best.restarts = Some(Restarts {
            bounds: others.iter().map(|fit| fit.elbo.total).collect(),
            of_bounds: tail.agreement_of_bounds(tails()),
            of_all: tail.agreement(tails()),
        });
    }
    best
}

/// What other fits by stochastic steps came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Restarts {
    /// Their bounds, in nats.
    pub bounds: Vec<f64>,
    /// R-hat of the bound over the last iterates of all.
    pub of_bounds: Agreement,
    /// The largest R-hat over these.
    pub of_all: Agreement,
}

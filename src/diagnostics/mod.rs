//! Whether a fit may be trusted.

mod marginal;
pub mod psis;
mod reason;
mod sampled;
pub mod steps;
#[cfg(test)]
mod tests;
mod verdict;

use crate::elbo::Elbo;
use crate::fit::Doubt;
use crate::fit::Fit;
use crate::fit::Outcome;
use crate::guide::noise::Noise;
use crate::joint::Astray;
use crate::joint::LogDensity;
use crate::num::rng::Rng;
use rand::RngExt;
pub use reason::Reason;
pub use sampled::Resort;
pub use sampled::Sampled;
pub use sampled::resort;
pub use sampled::sample;
use verdict::Evidence;
use verdict::Verdict;

/// What was found out about a fit.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The shape of the importance weights' tail (PSIS), over all unconstrained coordinates; infinite if there are too few finite weights,
    /// NaN for a guide without spread.
    pub k_hat: f64,
    /// How many independent draws of the posterior the weighted draws are worth, as a share of their number.
    pub efficiency: f64,
    /// One line in plain words.
    pub text: String,
    /// May one trust it?
    pub trust: Trust,
    /// The same line in one word, for programs.
    pub reason: Reason,
    /// Whether local integrals are inaccurate.
    pub rough: bool,
    /// Draws of the guide on the unconstrained scale, one after another, for the summary.
    pub draws: Vec<Vec<f64>>,
    /// The log of the weight that each draw has in the summary, normalised: smoothed importance weights where they mend the guide,
    /// all equal where it needs no mending or they cannot be relied on.
    pub log_weights: Vec<f64>,
    /// Further draws, all with the same weight, for what depends on the globals alone, whose coordinates alone mean anything in them;
    /// empty where there are none and the draws above serve for all.
    pub globals: Vec<Vec<f64>>,
    /// What is known of the draws where a sampler made them; they then stand chain after chain.
    pub sampled: Option<Sampled>,
    /// The elements whose locals gradient steps make worse, where steps find locals.
    pub astray: Option<Astray>,
}

/// May one trust a fit?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Yes.
    Yes,
    /// Probably, within limits that the text names.
    Caution,
    /// No.
    No,
}

/// The most draws, and the most numbers in them.
const DRAWS: (usize, usize) = (4000, 2_000_000);

/// The fewest draws.
const FEWEST: usize = 1000;

/// Assesses a fit by importance weights of fresh draws.
pub fn assess<D: LogDensity>(elbo: &Elbo<'_, D>, fit: &Fit, rng: &mut Rng) -> Diagnostics {
    let guide = elbo.guide;
    if let Some(integrated) = guide.integrated() {
        return marginal::assess(elbo, integrated, fit, rng);
    }
    let count = (DRAWS.1 / guide.dim().max(1)).clamp(FEWEST, DRAWS.0);
    let count = count.min(elbo.joint.most_looks());
    let q = guide.gaussian(&fit.params);
    let noise = if guide.pattern().is_empty() {
        Noise::none(guide.dim())
    } else {
        Noise::scattered(guide.pattern(), count, rng.random())
    };
    let mut evaluator = elbo.joint.evaluator(&vec![true; elbo.terms.len()]);
    let mut draws = Vec::with_capacity(noise.count());
    let mut ratios = Vec::with_capacity(noise.count());
    for epsilon in noise.draws() {
        let mut z = vec![0.0; guide.dim()];
        guide.draw(&q, epsilon, &mut z);
        // At a point there is nothing to weigh, and a look may be long.
        let ratio = match guide.pattern().is_empty() {
            true => 0.0,
            false => evaluator.value(&z) - guide.log_density(&q, epsilon, None),
        };
        ratios.push(if ratio.is_nan() {
            f64::NEG_INFINITY
        } else {
            ratio
        });
        draws.push(z);
    }
    let smoothed = psis::smooth(&ratios);
    let evidence = Evidence::new(guide.pattern(), fit, &ratios, &smoothed);
    let verdict = doubted(elbo.joint, fit, &q.mean, evidence.verdict());
    let verdict = steps::iterates(elbo.joint, fit, verdict);
    let astray = elbo.joint.astray(&q.mean);
    let (mut trust, reason, mut text) = match &astray {
        Some(found) => steps::astray(elbo.joint, found, verdict),
        None => verdict,
    };
    if let Some(unchecked) = elbo.joint.unchecked() {
        text = format!("{text}; {unchecked}");
        if trust == Trust::Yes {
            trust = Trust::Caution;
        }
    }
    let log_weights = if evidence.mends() {
        smoothed.log_weights
    } else {
        vec![-(draws.len() as f64).ln(); draws.len()]
    };
    Diagnostics {
        k_hat: evidence.k_hat,
        efficiency: evidence.efficiency,
        text,
        trust,
        reason,
        rough: false,
        draws,
        log_weights,
        globals: Vec::new(),
        sampled: None,
        astray,
    }
}

/// The verdict in the light of what the fit saw on its way; `mean` is that of the coordinates in which other modes are told.
fn doubted<D: LogDensity + ?Sized>(
    density: &D,
    fit: &Fit,
    mean: &[f64],
    verdict: Verdict,
) -> Verdict {
    let farthest = |at: &[f64], from: &mut dyn Iterator<Item = f64>| {
        let far = (at.iter().zip(from)).map(|(a, b)| (a - b).abs());
        let farthest = far.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        farthest.map_or(0, |(i, _)| i)
    };
    match (&fit.doubt, &fit.outcome) {
        (Some(Doubt::OtherMode(other)), Outcome::Converged) => {
            let place = farthest(&other.at, &mut mean.iter().copied());
            let which = if other.higher > 0.0 {
                "a better"
            } else {
                "another"
            };
            let text = format!(
                "the posterior has more than one mode: another start leads to {which} one, in which `{}` differs most, and the summary describes one of them alone",
                sampled::name_of(density, place)
            );
            (Trust::No, Reason::OtherMode, text)
        }
        (Some(Doubt::NoMode(at)), Outcome::Converged | Outcome::Broken(_)) => {
            let mut start = density.sites().iter().flat_map(|s| s.start.iter().copied());
            let place = farthest(at, &mut start);
            let text = format!(
                "no mode of the posterior was found: its density goes on rising in `{}`, as when neither the data nor the prior hold it",
                sampled::name_of(density, place)
            );
            (Trust::No, Reason::NoMode, text)
        }
        // Weights that can be relied on make up for a q that is not the best one.
        (Some(Doubt::Unsettled), Outcome::Converged) if verdict.0 != Trust::Yes => {
            let text = format!(
                "the bell shape nearest to the posterior was not found, its width and place went on changing; {}",
                verdict.2
            );
            (Trust::No, Reason::NotSettled, text)
        }
        (Some(_), _) | (None, _) => verdict,
    }
}

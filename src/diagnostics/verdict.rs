//! From what was measured to one line in plain words.

use super::Trust;
use super::psis::Smoothed;
use crate::fit::Fit;
use crate::fit::Outcome;
use crate::guide::pattern::Pattern;

/// The weights must be worth this many independent draws before a summary leans on them: an error of 0.05 posterior sds.
const ENOUGH: f64 = 400.0;

/// Below this k̂ the weights have a variance, and what they show is vouched for. Above, up to the reliable limit, they still mend, but
/// a guide that misses part of a group's spread may not draw where it would show.
const GOOD: f64 = 0.5;

/// An efficiency above which the guide is right whatever the tail of so flat weights looks like.
const FLAT: f64 = 0.95;

/// What var(log w) / 2, about the divergence of the guide from the posterior in nats, may be for each coordinate
/// before it says something about the guide and not only about the number of coordinates.
const SMALL: f64 = 0.02;

/// What is known about a fit.
pub(super) struct Evidence<'a> {
    pub(super) k_hat: f64,
    pub(super) efficiency: f64,
    outcome: &'a Outcome,
    point: bool,
    draws: f64,
    coordinates: usize,
    globals: usize,
    divergence: f64,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        pattern: &Pattern,
        fit: &'a Fit,
        ratios: &[f64],
        smoothed: &Smoothed,
    ) -> Evidence<'a> {
        let draws = ratios.len() as f64;
        let squares: f64 = (smoothed.log_weights.iter()).map(|w| (2.0 * w).exp()).sum();
        let mean = ratios.iter().sum::<f64>() / draws;
        let variance = ratios.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / draws;
        Evidence {
            k_hat: if pattern.is_empty() {
                f64::NAN
            } else {
                smoothed.k_hat
            },
            efficiency: 1.0 / (squares * draws),
            outcome: &fit.outcome,
            point: pattern.order().count() < pattern.dim(),
            draws,
            coordinates: pattern.dim(),
            globals: pattern.dim(),
            divergence: 0.5 * variance,
        }
    }

    /// The same evidence, of so many globals.
    pub(super) fn over(mut self, globals: usize) -> Evidence<'a> {
        self.globals = globals;
        self
    }

    /// Up to this k̂ smoothed weights can be relied on.
    fn reliable(&self) -> f64 {
        (1.0 - 1.0 / self.draws.log10()).min(0.7)
    }

    fn is_good(&self) -> bool {
        self.efficiency > FLAT && self.k_hat < 1.0
    }

    /// Whether the weights make the summary better than the guide alone.
    pub(super) fn mends(&self) -> bool {
        !self.point
            && *self.outcome == Outcome::Converged
            && !self.is_good()
            && self.k_hat < self.reliable()
            && self.draws * self.efficiency > ENOUGH
    }

    /// Whether the smoothed weights give a summary that can be vouched for.
    pub(super) fn is_reliable(&self) -> bool {
        self.k_hat < GOOD && self.draws * self.efficiency > ENOUGH
    }

    /// Whether they give one within limits.
    pub(super) fn is_usable(&self) -> bool {
        self.k_hat < self.reliable() && self.draws * self.efficiency > 0.25 * ENOUGH
    }

    pub(super) fn verdict(&self) -> (Trust, String) {
        self.ending().unwrap_or_else(|| self.converged())
    }

    /// The verdict on a fit that did not end as it should, or has no spread.
    fn ending(&self) -> Option<(Trust, String)> {
        Some(match self.outcome {
            Outcome::Broken(trace) => (Trust::No, format!("the fit broke off, {trace}")),
            Outcome::Spent => (
                Trust::No,
                "the fit has not converged within its iterations".to_string(),
            ),
            Outcome::Interrupted => (
                Trust::No,
                "the fit was interrupted before it converged".to_string(),
            ),
            Outcome::Converged if self.point => (
                Trust::Caution,
                "a point estimate: the variables fitted so have no uncertainty, and nothing vouches for the others".to_string(),
            ),
            Outcome::Converged => return None,
        })
    }

    fn converged(&self) -> (Trust, String) {
        let k = self.k_hat;
        if self.coordinates == 0 {
            (
                Trust::Yes,
                "nothing to estimate: the model has no latent variables".to_string(),
            )
        } else if self.is_good() {
            (
                Trust::Yes,
                format!("the guide is close to the posterior (k-hat {k:.2})"),
            )
        } else if self.mends() && k < GOOD {
            (
                Trust::Yes,
                format!(
                    "the guide is near the posterior (k-hat {k:.2}), and the summary is mended by importance weights"
                ),
            )
        } else if self.mends() {
            (
                Trust::Caution,
                format!(
                    "the summary is mended by importance weights (k-hat {k:.2}); the spread of groups may be wider than it says"
                ),
            )
        } else if self.divergence < SMALL * self.coordinates as f64 {
            (
                Trust::Caution,
                format!(
                    "means are likely right, the spread of groups may be wider than it says: the check of all {} coordinates cannot vouch for it (k-hat {k:.2})",
                    self.coordinates
                ),
            )
        } else {
            (
                Trust::No,
                format!(
                    "the posterior is not of the guide's shape (k-hat {k:.2}); means may hold, sds and tails may not"
                ),
            )
        }
    }
}

/// The verdict on a guide over globals, whose own log weights have the standard deviation `spread`; `flat` if that is small enough to
/// need no look at their tail, else the evidence is that of heavier draws. `how` says what became of the locals.
pub(super) fn marginal(
    evidence: &Evidence<'_>,
    flat: bool,
    spread: f64,
    how: &str,
) -> (Trust, String) {
    if let Some(ending) = evidence.ending() {
        return ending;
    }
    let k = evidence.k_hat;
    let and = if how.is_empty() { "" } else { "; " };
    if flat {
        (
            Trust::Yes,
            format!(
                "the guide is close to the posterior (sd of log weights {spread:.2}){and}{how}"
            ),
        )
    } else if evidence.is_reliable() {
        (
            Trust::Yes,
            format!(
                "the guide is not of the posterior's shape (sd of log weights {spread:.2}), and the summary is of weighted draws that are (k-hat {k:.2}){and}{how}"
            ),
        )
    } else if evidence.is_usable() {
        (
            Trust::Caution,
            format!(
                "the guide is not of the posterior's shape, and the summary is of weighted draws (k-hat {k:.2}, worth {:.0} independent ones){and}{how}",
                evidence.draws * evidence.efficiency
            ),
        )
    } else if evidence.divergence < SMALL * evidence.globals as f64 {
        (
            Trust::Caution,
            format!(
                "the guide is close in each of the {} globals, all of them together cannot be vouched for (sd of log weights {spread:.2}){and}{how}",
                evidence.globals
            ),
        )
    } else {
        (
            Trust::No,
            format!(
                "the posterior of the globals is not of the guide's shape (k-hat {k:.2}); means may hold, sds and tails may not"
            ),
        )
    }
}

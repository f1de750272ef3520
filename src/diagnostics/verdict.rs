//! From what was measured to one line in plain words.

use super::Reason;
use super::Trust;
use super::psis;
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

/// A verdict: whether to trust, why in one word, and why in plain words.
pub(super) type Verdict = (Trust, Reason, String);

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

    /// What is known where no draw was weighed.
    pub(super) fn of_point(pattern: &Pattern, fit: &'a Fit) -> Evidence<'a> {
        Evidence::new(pattern, fit, &[], &psis::smooth(&[]))
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
            && self.worth() > ENOUGH
    }

    /// Whether the smoothed weights give a summary that can be vouched for.
    pub(super) fn is_reliable(&self) -> bool {
        self.k_hat < GOOD && self.worth() > ENOUGH
    }

    /// Whether they give one within limits.
    pub(super) fn is_usable(&self) -> bool {
        self.k_hat < self.reliable() && self.worth() > 0.25 * ENOUGH
    }

    /// The number of independent draws that the weighted ones are worth.
    fn worth(&self) -> f64 {
        self.draws * self.efficiency
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.ending().unwrap_or_else(|| self.converged())
    }

    /// The verdict on a fit that did not end as it should, or has no spread.
    fn ending(&self) -> Option<Verdict> {
        Some(match self.outcome {
            Outcome::Broken(trace) => (
                Trust::No,
                Reason::Broken,
                format!("the fit broke off because {trace}"),
            ),
            Outcome::Spent => (
                Trust::No,
                Reason::NotConverged,
                "the fit ran out of iterations before its numbers settled".to_owned(),
            ),
            Outcome::Interrupted => (
                Trust::No,
                Reason::Interrupted,
                "the fit was interrupted before its numbers settled".to_owned(),
            ),
            Outcome::Converged if self.point => (
                Trust::Caution,
                Reason::Point,
                "what was fitted as a point has no uncertainty here, and nothing checks the rest"
                    .to_owned(),
            ),
            Outcome::Converged => return None,
        })
    }

    fn converged(&self) -> Verdict {
        let k = self.k_hat;
        if self.coordinates == 0 {
            (
                Trust::Yes,
                Reason::Empty,
                "there is nothing to estimate".to_owned(),
            )
        } else if self.is_good() {
            (
                Trust::Yes,
                Reason::Close,
                format!(
                    "the approximation matches the posterior: its {:.0} draws are worth {:.0} independent ones of the posterior",
                    self.draws,
                    self.worth()
                ),
            )
        } else if self.mends() && k < GOOD {
            (Trust::Yes, Reason::Weighted, self.weighted())
        } else if self.mends() {
            (Trust::Caution, Reason::PartlyWeighted, self.partly())
        } else if self.divergence < SMALL * self.coordinates as f64 {
            (
                Trust::Caution,
                Reason::NearInEach,
                format!(
                    "each of the {} unknowns is probably close, but all of them together cannot be confirmed; the spread between groups may be wider than it says (k-hat {k:.2}, above {:.1} is not confirmed)",
                    self.coordinates,
                    self.reliable()
                ),
            )
        } else {
            (Trust::No, Reason::Misfit, self.misfit())
        }
    }

    fn weighted(&self) -> String {
        format!(
            "the posterior is not quite bell-shaped; the summary corrects for that by weighting {:.0} draws, which are worth {:.0} independent ones (k-hat {:.2}, below {GOOD} the weights are reliable)",
            self.draws,
            self.worth(),
            self.k_hat
        )
    }

    fn partly(&self) -> String {
        format!(
            "the posterior is not bell-shaped; weighting {:.0} draws corrects for that only in part, and they are worth {:.0} independent ones (k-hat {:.2}, below {GOOD} the weights would be reliable): intervals may be too narrow",
            self.draws,
            self.worth(),
            self.k_hat
        )
    }

    fn misfit(&self) -> String {
        format!(
            "the posterior has another shape than the approximation, and weights cannot correct for that (k-hat {:.2}, above {:.1} they cannot): means may hold, sds and intervals may not",
            self.k_hat,
            self.reliable()
        )
    }
}

/// The verdict on globals that are a point; `how` says what became of the locals.
pub(super) fn point(evidence: &Evidence<'_>, how: &str) -> Verdict {
    match evidence.ending() {
        Some((trust, Reason::Point, _)) => (
            trust,
            Reason::Point,
            format!(
                "the globals are one point, the mode of their density: means may hold, and intervals leave out how uncertain it is; {how} given it"
            ),
        ),
        Some(ending) => ending,
        None => evidence.converged(),
    }
}

/// The verdict on a guide over globals, whose own log weights have the standard deviation `spread`; `flat` if that is small enough to
/// need no look at their tail, else the evidence is that of heavier draws. `how` says what became of the locals.
pub(super) fn marginal(evidence: &Evidence<'_>, flat: bool, spread: f64, how: &str) -> Verdict {
    if let Some(ending) = evidence.ending() {
        return ending;
    }
    let k = evidence.k_hat;
    let and = if how.is_empty() { "" } else { "; " };
    let (trust, reason, text) = if flat {
        (
            Trust::Yes,
            Reason::Close,
            format!(
                "the approximation matches the posterior (the log weights of its draws have sd {spread:.2}, up to {} is a match)",
                super::marginal::FLAT
            ),
        )
    } else if evidence.is_reliable() {
        (Trust::Yes, Reason::Weighted, evidence.weighted())
    } else if evidence.is_usable() {
        (Trust::Caution, Reason::PartlyWeighted, evidence.partly())
    } else if evidence.divergence < SMALL * evidence.globals as f64 {
        (
            Trust::Caution,
            Reason::NearInEach,
            format!(
                "each of the {} unknowns is probably close, but all of them together cannot be confirmed (k-hat {k:.2})",
                evidence.globals
            ),
        )
    } else {
        return (Trust::No, Reason::Misfit, evidence.misfit());
    };
    (trust, reason, format!("{text}{and}{how}"))
}

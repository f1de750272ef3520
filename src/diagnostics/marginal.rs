//! The check of a guide that integrates the locals out: importance weights over the globals alone, and the error of the quadrature.

use super::Diagnostics;
use super::Trust;
use super::psis;
use super::verdict;
use super::verdict::Evidence;
use crate::elbo::Elbo;
use crate::fit::Fit;
use crate::guide::Gaussian;
use crate::guide::Integrated;
use crate::guide::noise::Noise;
use crate::joint::LogDensity;
use crate::marginal::Conditional;
use crate::marginal::Integral;
use crate::marginal::Marginal;
use crate::num::dense;
use crate::num::rng::Rng;
use crate::num::special;
use rand::RngExt;

/// Draws of the guide that are weighed: the most and the fewest, and the elements that may be visited for them.
const DRAWS: (usize, usize, usize) = (256, 64, 4_000_000);
/// The same for draws of a heavier tail where the guide is not right.
const MORE: (usize, usize, usize) = (1024, 512, 200_000_000);
/// Times that such draws are moved to where the weights have them.
const ROUNDS: u32 = 4;
/// With more globals than this heavier tails waste the draws: the guide's own are weighed.
const FEW_GLOBALS: usize = 20;
/// Fewer of those than this tell nothing.
const MANY: usize = 1024;
/// Draws in all for the summary: each of the globals' comes with several of the locals, and no more numbers than this.
const SUMMARY: (usize, usize) = (1000, 8_000_000);
/// Draws of the globals alone, for what depends on them alone.
const GLOBALS: usize = 4000;
/// A guide whose log weights have no larger standard deviation is right whatever their tail looks like.
const FLAT: f64 = 0.2;

/// A change of one element's log integral under the finer rule, in nats, above which quadrature is not vouched for.
const ROUGH: f64 = 0.1;

/// Assesses a fit.
///
/// Draws of a guide that is right need no weights. Otherwise the draws come from a Student distribution with four degrees of freedom
/// around the guide, whose tails cover a posterior that is skewed or has tails of its own, and are moved to the weighted moments of the
/// round before until their weights can be relied on (adaptive importance sampling, Cappé et al. 2008; smoothed as in [`psis`]).
pub(super) fn assess<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    integrated: &Integrated,
    fit: &Fit,
    rng: &mut Rng,
) -> Diagnostics {
    let guide = elbo.guide;
    let q = guide.gaussian(&fit.params);
    let mut check = Check::new(elbo, integrated, &q);
    let (seed, local_seed): (u32, u32) = (rng.random(), rng.random());
    let visits = check.marginal.visits().max(1);
    let count = (DRAWS.2 / visits).clamp(DRAWS.1, DRAWS.0);
    let own = check.draw(&check.guide(), count, seed);
    let globals = check.mean.len();
    let spread = own.spread();
    let flat = spread <= FLAT;
    let mut smoothed = psis::smooth(&own.ratios);
    let pattern = guide.pattern();
    let mut evidence = Evidence::new(pattern, fit, &own.ratios, &smoothed).over(globals);
    let mut weighted = None;
    let many = globals > FEW_GLOBALS;
    let count = (MORE.2 / visits).clamp(MORE.1, MORE.0);
    if !flat && (!many || count >= MANY) {
        let mut proposal = if many { check.guide() } else { check.student() };
        for round in 0..if many { 1 } else { ROUNDS } {
            let drawn = check.draw(&proposal, count, seed.wrapping_add(1 + round));
            smoothed = psis::smooth(&drawn.ratios);
            evidence = Evidence::new(pattern, fit, &drawn.ratios, &smoothed).over(globals);
            let done = evidence.is_reliable();
            let moved = proposal.moved(&drawn.points, &smoothed.log_weights);
            weighted = Some(drawn);
            match moved {
                Some(moved) if !done => proposal = moved,
                Some(_) | None => break,
            }
        }
    }
    let (trust, text) = verdict::marginal(&evidence, flat, spread, &check.words());
    // The draws are weighed by the low rule: they cannot see where that is rough.
    let rough = check
        .worst
        .first()
        .is_some_and(|(_, change)| change.is_nan() || change.abs() > ROUGH);
    let trust = match trust {
        Trust::Yes if rough => Trust::Caution,
        Trust::Yes | Trust::Caution | Trust::No => trust,
    };
    let (k_hat, efficiency) = (evidence.k_hat, evidence.efficiency);
    // Weights that are worth nothing leave the guide's own draws.
    let usable = evidence.is_reliable() || (!many && evidence.is_usable());
    let (drawn, log_weights, globals) = match weighted.filter(|_| usable) {
        Some(weighted) => (weighted, smoothed.log_weights, Vec::new()),
        None => {
            let even = vec![-(own.ratios.len() as f64).ln(); own.ratios.len()];
            (own, even, check.globals(seed.wrapping_add(ROUNDS + 1)))
        }
    };
    let (draws, log_weights) = check.summary(&drawn, &log_weights, local_seed);
    Diagnostics {
        k_hat,
        efficiency,
        text,
        trust,
        draws,
        log_weights,
        globals,
    }
}

/// Draws of the globals with the locals given them.
struct Drawn<'a> {
    /// The globals.
    points: Vec<Vec<f64>>,
    ratios: Vec<f64>,
    locals: Vec<Conditional<'a>>,
}

impl Drawn<'_> {
    /// The standard deviation of the log weights.
    fn spread(&self) -> f64 {
        let n = self.ratios.len() as f64;
        let mean = self.ratios.iter().sum::<f64>() / n;
        let spread = (self.ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt();
        if spread.is_nan() {
            f64::INFINITY
        } else {
            spread
        }
    }
}

/// A marginal density with the Gaussian over its globals.
struct Check<'a> {
    marginal: Marginal<'a>,
    integrated: &'a Integrated,
    mean: Vec<f64>,
    /// The lower factor of the covariance, row by row.
    scale: Vec<f64>,
    /// What the finer rule adds to the slope of the values at the mean.
    defect: Vec<f64>,
    /// The elements whose integral the finer rule changes most: their names and the changes.
    worst: Vec<(String, f64)>,
}

impl<'a> Check<'a> {
    fn new<D: LogDensity>(
        elbo: &Elbo<'a, D>,
        integrated: &'a Integrated,
        q: &Gaussian,
    ) -> Check<'a> {
        let forest = &integrated.forest;
        let found = Marginal::new(elbo.joint, forest, integrated.integral);
        let mut marginal =
            found.expect("invariant: a density with a forest integrates its locals out");
        let mean = marginal.globals_of(&q.mean);
        let n = mean.len();
        let mut scale = vec![0.0; n * n];
        for (i, g) in forest.globals.iter().enumerate() {
            let row = elbo.guide.pattern().row(*g as usize);
            scale[i * n..i * n + i + 1].copy_from_slice(&q.scale[row]);
        }
        marginal.recentre(&mean);
        let mut defect = vec![0.0; n];
        let mut worst = Vec::new();
        if integrated.integral == Integral::Quadrature {
            defect = marginal.defect(&mean, &scale);
            let changes = marginal.changes(&mean);
            let named = changes
                .iter()
                .take(3)
                .map(|(p, i, change)| (elbo.joint.element(forest.plates[*p].plate, *i), *change));
            worst = named.collect();
        }
        Check {
            marginal,
            integrated,
            mean,
            scale,
            defect,
            worst,
        }
    }

    /// The guide itself.
    fn guide(&self) -> Proposal {
        Proposal {
            mean: self.mean.clone(),
            scale: self.scale.clone(),
            heavy: false,
        }
    }

    /// A Student distribution of the guide's location and scale.
    fn student(&self) -> Proposal {
        Proposal {
            heavy: true,
            ..self.guide()
        }
    }

    /// Draws the globals, weighs them, and finds the locals given each.
    fn draw(&mut self, proposal: &Proposal, count: usize, seed: u32) -> Drawn<'a> {
        let n = self.mean.len();
        let noise = match n {
            0 => Noise::none(0),
            _ => Noise::dense(proposal.noise(), count, seed),
        };
        let mut drawn = Drawn {
            points: Vec::with_capacity(count),
            ratios: Vec::with_capacity(count),
            locals: Vec::with_capacity(count),
        };
        for e in noise.draws() {
            let (theta, log_q) = proposal.draw(e);
            let (value, locals) = self.marginal.value_with(&theta);
            let ratio = value + self.correction(&theta) - log_q;
            drawn.ratios.push(if ratio.is_nan() {
                f64::NEG_INFINITY
            } else {
                ratio
            });
            drawn.points.push(theta);
            drawn.locals.push(locals);
        }
        drawn
    }

    /// What the finer rule adds to the log density, to first order.
    fn correction(&self, theta: &[f64]) -> f64 {
        let steps = theta.iter().zip(&self.mean).map(|(t, m)| t - m);
        steps.zip(&self.defect).map(|(step, d)| step * d).sum()
    }

    /// Draws of the guide in which the globals alone mean anything.
    fn globals(&self, seed: u32) -> Vec<Vec<f64>> {
        let n = self.mean.len();
        if n == 0 {
            return Vec::new();
        }
        let proposal = self.guide();
        let place = |e: &[f64]| {
            let mut z = self.marginal.point().to_vec();
            let (theta, _) = proposal.draw(e);
            for (g, theta) in self.integrated.forest.globals.iter().zip(theta) {
                z[*g as usize] = theta;
            }
            z
        };
        let most = (SUMMARY.1 / self.marginal.point().len().max(1)).max(1);
        let noise = Noise::dense(n, GLOBALS.min(most), seed);
        noise.draws().map(place).collect()
    }

    /// Draws of all coordinates with their weights: each of the globals with as many of the locals as make the summary smooth.
    fn summary(
        &self,
        drawn: &Drawn<'_>,
        log_weights: &[f64],
        seed: u32,
    ) -> (Vec<Vec<f64>>, Vec<f64>) {
        let forest = &self.integrated.forest;
        let dim = self.marginal.point().len();
        let own = drawn.locals.len();
        let most = (SUMMARY.1 / dim.max(1)).max(own);
        let times = match forest.locals() {
            0 => 1,
            _ => (SUMMARY.0.min(most) / own).max(1),
        };
        let noise = Noise::independent(dim, own * times, seed);
        let mut draws = Vec::with_capacity(own * times);
        let mut weights = Vec::with_capacity(own * times);
        for (k, noise) in noise.draws().enumerate() {
            let mut z = noise.to_vec();
            drawn.locals[k % own].draw(&forest.plates, &mut z);
            draws.push(z);
            weights.push(log_weights[k % own] - (times as f64).ln());
        }
        (draws, weights)
    }

    /// How the locals are integrated out, in words.
    fn words(&self) -> String {
        if self.integrated.forest.plates.is_empty() {
            return String::new();
        }
        match self.integrated.integral {
            Integral::Exact => "the locals are integrated out exactly".to_owned(),
            Integral::Quadrature => {
                let mut text = "the locals are integrated out by quadrature".to_owned();
                if let Some((name, change)) = self.worst.first() {
                    text.push_str(&format!(
                        ", off by at most {:.1e} nats ({name})",
                        change.abs()
                    ));
                }
                text
            }
        }
    }
}

/// Where draws of the globals come from: a Gaussian, or a Student distribution with four degrees of freedom of the same scale.
#[derive(Clone, Debug)]
struct Proposal {
    mean: Vec<f64>,
    /// The lower factor, row by row.
    scale: Vec<f64>,
    heavy: bool,
}

impl Proposal {
    /// The numbers of noise for a draw.
    fn noise(&self) -> usize {
        self.mean.len() + if self.heavy { 2 } else { 0 }
    }

    /// The draw that belongs to standard normal noise, and its log density up to a constant.
    ///
    /// A Student draw is a normal one over √(c / 4), where c is χ² with four degrees of freedom: twice the sum of two exponentials.
    fn draw(&self, noise: &[f64]) -> (Vec<f64>, f64) {
        let n = self.mean.len();
        let (e, more) = noise.split_at(n);
        let square: f64 = e.iter().map(|e| e * e).sum();
        let log_det: f64 = (0..n).map(|i| self.scale[i * n + i].ln()).sum();
        let (stretch, log_q) = match more {
            [a, b] => {
                let c: f64 = [a, b]
                    .iter()
                    .map(|x| -2.0 * special::log_normal_cdf(**x))
                    .sum();
                let stretch = (4.0 / c).sqrt();
                let power = 0.5 * (n as f64 + 4.0);
                (
                    stretch,
                    -power * (0.25 * square * stretch * stretch).ln_1p(),
                )
            }
            _ => (1.0, -0.5 * square),
        };
        let theta = (0..n)
            .map(|i| {
                let row = &self.scale[i * n..i * n + i + 1];
                let step: f64 = row.iter().zip(e).map(|(s, e)| s * e).sum();
                self.mean[i] + stretch * step
            })
            .collect();
        (theta, log_q - log_det)
    }

    /// With the location and scale of weighted draws; `None` if too few of them count.
    fn moved(&self, points: &[Vec<f64>], log_weights: &[f64]) -> Option<Proposal> {
        let n = self.mean.len();
        let weights: Vec<f64> = log_weights.iter().map(|w| w.exp()).collect();
        let worth = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
        if worth < 2.0 * n as f64 + 4.0 {
            return None;
        }
        let weighted = || points.iter().zip(&weights);
        let mean: Vec<f64> = (0..n)
            .map(|i| weighted().map(|(p, w)| w * p[i]).sum())
            .collect();
        let mut scale = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                scale[i * n + j] = weighted()
                    .map(|(p, w)| w * (p[i] - mean[i]) * (p[j] - mean[j]))
                    .sum();
            }
        }
        dense::cholesky(&mut scale, n);
        let good = (0..n).all(|i| scale[i * n + i] > 0.0);
        good.then_some(Proposal {
            mean,
            scale,
            heavy: true,
        })
    }
}

//! The check of a guide that integrates the locals out: importance weights over the globals alone, and the error of the quadrature.

use super::Diagnostics;
use super::Reason;
use super::Trust;
use super::psis;
use super::verdict;
use super::verdict::Evidence;
use crate::elbo::Elbo;
use crate::fit::Fit;
use crate::guide::Gaussian;
use crate::guide::Integrated;
use crate::guide::noise::Noise;
use crate::guide::pattern::Pattern;
use crate::joint::LogDensity;
use crate::joint::locals::Forest;
use crate::marginal::Centre;
use crate::marginal::Conditional;
use crate::marginal::Integral;
use crate::marginal::Marginal;
use crate::num::dense;
use crate::num::rng::Rng;
use crate::num::special;
use rand::RngExt;
use rayon::prelude::*;
use std::slice;

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
pub(super) const FLAT: f64 = 0.2;
/// Beyond this one of few globals is corrected by weights all the same, if they are cheap: its 90% intervals would lack half a percent.
const EVEN: f64 = 0.1;

/// A change of one element's log integral under the finer rule at the guide's mean, and of all together where draws of the guide lie
/// beyond what its gradient at the mean says, in nats, above which quadrature is not vouched for.
const ROUGH: (f64, f64) = (0.1, 0.25);
/// The draws at which that is looked at, and how much farther from the mean.
const LOOKS: (usize, f64) = (6, 1.5);

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
    if integrated.point {
        return check.point(&Evidence::of_point(guide.pattern(), fit), local_seed);
    }
    let visits = check.marginal.visits().max(1);
    let count = (DRAWS.2 / visits).clamp(DRAWS.1, DRAWS.0);
    let own = check.draw(&check.guide(), count, seed);
    let globals = check.mean.len();
    let spread = own.spread();
    let many = globals > FEW_GLOBALS;
    let cheap = !many && visits.saturating_mul(MORE.0) <= MORE.2;
    let even = spread <= if cheap { EVEN } else { FLAT };
    let mut smoothed = psis::smooth(&own.ratios);
    let pattern = guide.pattern();
    let mut evidence = Evidence::new(pattern, fit, &own.ratios, &smoothed).over(globals);
    let mut weighted = None;
    let count = (MORE.2 / visits).clamp(MORE.1, MORE.0);
    if !even && (!many || count >= MANY) {
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
    let flat = even || (spread <= FLAT && !evidence.is_reliable());
    let judged = verdict::marginal(&evidence, flat, spread, check.words());
    let (trust, reason, text) = super::doubted(elbo.joint, fit, &q.mean, judged);
    // The draws are weighed by the low rule: they cannot see where that is rough.
    let rough = check.roughness(&own.points);
    let (trust, reason, text) = match (trust, &rough) {
        (Trust::Yes | Trust::Caution, Some(rough)) => (
            Trust::Caution,
            Reason::RoughIntegrals,
            format!("{text}; {rough}"),
        ),
        (Trust::Yes | Trust::Caution | Trust::No, _) => (trust, reason, text),
    };
    let (k_hat, efficiency) = (evidence.k_hat, evidence.efficiency);
    // Weights that are worth nothing leave the guide's own draws.
    let usable = evidence.is_reliable() || (!many && !flat && evidence.is_usable());
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
        reason,
        rough: rough.is_some(),
        draws,
        log_weights,
        globals,
        sampled: None,
        astray: None,
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
    /// By how much the finer rule changes the log integral of each outermost element at the mean, the largest first: its plate in the
    /// forest, its number, the change.
    changes: Vec<(usize, usize, f64)>,
    /// What an element of a plate of the forest is called.
    name: Box<dyn Fn(usize, usize) -> String + 'a>,
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
        let n = if integrated.point { 0 } else { mean.len() };
        let mut scale = vec![0.0; n * n];
        for (i, g) in forest.globals.iter().enumerate().take(n) {
            let row = elbo.guide.pattern().row(*g as usize);
            scale[i * n..i * n + i + 1].copy_from_slice(&q.scale[row]);
        }
        marginal.centre_at(Centre {
            z: q.mean.clone(),
            slopes: match integrated.point {
                true => Vec::new(),
                false => slopes(elbo.guide.pattern(), forest, q, &scale),
            },
        });
        let mut defect = vec![0.0; n];
        let mut changes = Vec::new();
        if integrated.integral == Integral::Quadrature {
            if !integrated.point {
                defect = marginal.defect(&mean, &scale);
            }
            changes = marginal.changes(&mean);
        }
        let density = elbo.joint;
        let name = |p: usize, i| density.element(forest.plates[p].plate, i);
        Check {
            marginal,
            integrated,
            mean,
            scale,
            defect,
            changes,
            name: Box::new(name),
        }
    }

    /// Of globals that are a point nothing is weighed: the draws are of the locals given it.
    fn point(&mut self, evidence: &Evidence<'_>, seed: u32) -> Diagnostics {
        let found = self.marginal.values_with(slice::from_ref(&self.mean));
        let (ratios, locals) = found.into_iter().unzip();
        let drawn = Drawn {
            points: vec![self.mean.clone()],
            ratios,
            locals,
        };
        let (trust, reason, mut text) = verdict::point(evidence, self.words());
        if let Some(rough) = self.roughness(&drawn.points) {
            text = format!("{text}; {rough}");
        }
        let (draws, log_weights) = self.summary(&drawn, &[0.0], seed);
        Diagnostics {
            k_hat: f64::NAN,
            efficiency: f64::NAN,
            text,
            trust,
            reason,
            rough: false,
            draws,
            log_weights,
            globals: Vec::new(),
            sampled: None,
            astray: None,
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
            points: Vec::new(),
            ratios: Vec::with_capacity(count),
            locals: Vec::with_capacity(count),
        };
        let (points, log_q): (Vec<Vec<f64>>, Vec<f64>) =
            noise.draws().map(|e| proposal.draw(e)).unzip();
        for ((value, locals), (theta, log_q)) in
            (self.marginal.values_with(&points).into_iter()).zip(points.iter().zip(log_q))
        {
            let ratio = value + self.correction(theta) - log_q;
            drawn.ratios.push(if ratio.is_nan() {
                f64::NEG_INFINITY
            } else {
                ratio
            });
            drawn.locals.push(locals);
        }
        drawn.points = points;
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
        let forest = &self.integrated.forest;
        let point = self.marginal.point();
        let place = |e: &[f64]| {
            let mut z = point.to_vec();
            for (g, theta) in forest.globals.iter().zip(proposal.draw(e).0) {
                z[*g as usize] = theta;
            }
            z
        };
        let most = (SUMMARY.1 / point.len().max(1)).max(1);
        let noise = Noise::dense(n, GLOBALS.min(most), seed);
        noise.par_draws().map(place).collect()
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
        let place = |(k, noise): (usize, &[f64])| drawn.locals[k % own].draw(&forest.plates, noise);
        let weight = |k: usize| log_weights[k % own] - (times as f64).ln();
        let draws = noise.par_draws().enumerate().map(place).collect();
        (draws, (0..own * times).map(weight).collect())
    }

    /// How the locals are integrated out, in words.
    fn words(&self) -> &'static str {
        match (
            self.integrated.forest.plates.is_empty(),
            self.integrated.integral,
        ) {
            (true, _) => "",
            (false, Integral::Exact) => "group effects are integrated out exactly",
            (false, Integral::Quadrature) => "group effects are integrated out by quadrature",
        }
    }

    /// Whose integral is not accurate, in words; none where all are, at the mean and where draws of the guide lie.
    fn roughness(&mut self, points: &[Vec<f64>]) -> Option<String> {
        let finer = |change: f64| change.is_nan() || change.abs() > ROUGH.0;
        let first = self.changes.first().copied()?;
        if finer(first.2) {
            return Some(format!(
                "but not accurately: more nodes change the log integral of {} by {:.2} (up to {} is accurate)",
                (self.name)(first.0, first.1),
                first.2.abs(),
                ROUGH.0
            ));
        }
        let total = |changes: &[(usize, usize, f64)]| changes.iter().map(|c| c.2).sum::<f64>();
        let here = total(&self.changes);
        let mut worst = (0.0, first);
        for point in points.iter().take(LOOKS.0) {
            let steps = point.iter().zip(&self.mean);
            let theta: Vec<f64> = steps.map(|(p, m)| m + LOOKS.1 * (p - m)).collect();
            let changes = self.marginal.changes(&theta);
            let change = (total(&changes) - here - self.correction(&theta)).abs();
            // A point that has no density is none of the posterior's.
            if change > worst.0
                && let Some(first) = changes.first()
            {
                worst = (change, *first);
            }
        }
        let (change, (plate, element, _)) = worst;
        (change > ROUGH.1).then(|| {
            format!(
                "but not accurately for all likely values of the other unknowns: more nodes change the log density by {change:.2} (up to {} is accurate), most in {}",
                ROUGH.1,
                (self.name)(plate, element)
            )
        })
    }
}

/// How the modes of the locals move with the globals, J, from q's scale: in the rows of the locals it has J L, with L the lower factor of
/// the globals' covariance.
fn slopes(pattern: &Pattern, forest: &Forest, q: &Gaussian, lower: &[f64]) -> Vec<Vec<f64>> {
    let n = forest.globals.len();
    let mut slopes = vec![vec![0.0; pattern.dim()]; n];
    let mut row = vec![0.0; n];
    for at in forest.plates.iter().flat_map(|p| &p.coordinates) {
        row.fill(0.0);
        for (c, value) in pattern.entries(&q.scale, *at as usize) {
            if let Ok(k) = forest.globals.binary_search(&(c as u32)) {
                row[k] = value;
            }
        }
        dense::solve_lower_transposed(lower, &mut row, n, 1);
        for (slopes, slope) in slopes.iter_mut().zip(&row) {
            slopes[*at as usize] = *slope;
        }
    }
    slopes
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

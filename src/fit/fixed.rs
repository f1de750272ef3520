//! Maximising the ELBO over fixed noise, as one deterministic function, by L-BFGS.
//!
//! Each round works in the view from the last answer ([`Whitened`]); the fit has converged when a fresh view finds (almost) nothing to
//! do. Then the gradient on fresh noise tells the Monte Carlo error of the answer, and the noise is doubled while that is too large.

use super::AnyElbo;
use super::Ending;
use super::Run;
use super::lbfgs;
use super::lbfgs::End;
use super::lbfgs::Rule;
use super::start::Curvature;
use super::start::Start;
use super::whitened::Whitened;
use crate::elbo::expectation::Expectation;
use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::noise::Noise;
use crate::guide::pattern::Pattern;
use crate::shape::PlateId;

/// A round has converged when no mean and no log sd would move by more than this (in posterior sds) …
const LONGEST: f64 = 2e-3;

/// … and the ELBO would not gain more than this many nats.
const GAIN: f64 = 1e-5;

/// A fresh view that takes no more steps than this confirms the answer.
const CONFIRMS: usize = 3;

/// The largest Monte Carlo error of the mean of a top-level variable, in posterior sds.
const ERROR: f64 = 0.05;

/// The most draws of fixed noise.
const MOST_DRAWS: usize = 512;

/// The most numbers in the noise: 160 MB.
const MOST_NUMBERS: usize = 20_000_000;

/// The draws that a fit begins with, or `None` if the family could overfit any number that can be afforded.
///
/// A row of S with w columns has w + 1 parameters. Noise whitened over that row is exact for quadratics whatever the row is, but only
/// if there are at least w antithetic pairs; with fewer there are directions without any noise, along which S could grow for nothing.
/// A guide that leaves out couplings of the log density gets noise that is white along those as well, if that can be afforded.
pub(super) fn first_draws(elbo: &AnyElbo<'_>) -> Option<usize> {
    let guide = elbo.guide;
    let draws = |pattern: &Pattern| (2 * pattern.widest()).next_power_of_two().max(32);
    [guide.coupling(), guide.pattern()]
        .map(draws)
        .into_iter()
        .find(|n| elbo.is_exact() || affordable(*n, guide.dim()))
}

fn affordable(draws: usize, dim: usize) -> bool {
    draws <= MOST_DRAWS && draws * dim <= MOST_NUMBERS
}

/// Maximises from a start with this number of draws; gives the answer, how it ended and the number of draws in the end.
pub(super) fn maximise(
    run: &mut Run<'_, '_>,
    start: &Start,
    mut draws: usize,
    seed: u32,
) -> (Gaussian, Ending) {
    let guide = run.elbo.guide;
    let mut expectation = Expectation::new(run.elbo);
    let exact = run.elbo.is_exact();
    let fresh = |draws: usize, stream: u32| {
        if exact {
            Noise::none(guide.dim())
        } else {
            Noise::paired(guide, draws / 2, seed.wrapping_add(stream))
        }
    };
    let mut noise = fresh(draws, 0);
    let base = widest_finite(start.gaussian(run.elbo), run, &mut expectation, &noise);
    let mut view = Whitened::new(guide, base, start.metric.clone());
    let mut x = vec![0.0; view.len()];
    let mut curvature = Curvature::new(run.elbo);
    let mut round = 0;
    loop {
        let mut objective =
            |x: &[f64], out: &mut [f64]| loss(guide, &view, &mut expectation, &noise, x, out);
        let rule = Rule {
            iterations: (30 + 30 * round).min(run.left()),
            longest: LONGEST,
            gain: GAIN,
        };
        let (end, steps) = lbfgs::minimise(&mut objective, &mut x, rule, &mut |v| run.tell(-v));
        let answer = view.gaussian(&x);
        view = self::view(guide, answer.clone(), &mut curvature);
        x.fill(0.0);
        round += 1;
        match end {
            End::Stopped => return (answer, Ending::Interrupted),
            End::Spent if run.left() == 0 => return (answer, Ending::Spent),
            End::NotFinite if steps == 0 => {
                return (answer, Ending::NotFinite(expectation.bad().to_vec()));
            }
            End::Converged | End::Flat if steps <= CONFIRMS => {
                let sets = || [fresh(draws, 1), fresh(draws, 2)];
                if exact
                    || !affordable(2 * draws, guide.dim())
                    || error(run, &view, &mut expectation, &sets()) <= ERROR
                {
                    return (answer, Ending::Converged);
                }
                draws *= 2;
                noise = fresh(draws, 0);
                let base = widest_finite(answer, run, &mut expectation, &noise);
                view = self::view(guide, base, &mut curvature);
            }
            End::Spent | End::NotFinite | End::Converged | End::Flat => {}
        }
    }
}

/// The view from an answer. A guide that leaves out couplings gets the curvature there as its metric, or, where that is not
/// positive definite, its own sds.
pub(super) fn view<'a>(
    guide: &'a Guide,
    answer: Gaussian,
    curvature: &mut Curvature<'_>,
) -> Whitened<'a> {
    let metric = if guide.knows_couplings() {
        Vec::new()
    } else {
        (curvature.metric(&answer.mean)).unwrap_or_else(|| {
            let pattern = &guide.curvature;
            let mut metric = pattern.identity();
            for r in guide.pattern().order() {
                metric[pattern.diagonal(r)] = guide.sd(&answer, r);
            }
            metric
        })
    };
    Whitened::new(guide, answer, metric)
}

/// −ELBO at `x` and its gradient.
pub(super) fn loss(
    guide: &Guide,
    view: &Whitened<'_>,
    expectation: &mut Expectation<'_>,
    noise: &Noise,
    x: &[f64],
    out: &mut [f64],
) -> f64 {
    let q = view.gaussian(x);
    let mut gradient = expectation.zero();
    let value = expectation.evaluate(&q, noise, &mut gradient) + guide.total_entropy(&q);
    view.pull(x, &gradient, out);
    view.add_entropy(out);
    out.iter_mut().for_each(|g| *g = -*g);
    -value
}

/// The start with its sds multiplied by what gives the largest ELBO: Newton's curvature may promise more spread than a funnel bears.
fn widest_finite(
    base: Gaussian,
    run: &Run<'_, '_>,
    expectation: &mut Expectation<'_>,
    noise: &Noise,
) -> Gaussian {
    let mut best: Option<(f64, Gaussian)> = None;
    for factor in [1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 1e-3] {
        let mut q = base.clone();
        q.scale.iter_mut().for_each(|s| *s *= factor);
        let mut unused = expectation.zero();
        let value = expectation.evaluate(&q, noise, &mut unused) + run.elbo.guide.total_entropy(&q);
        if value.is_finite() && best.as_ref().is_none_or(|(most, _)| value > *most) {
            best = Some((value, q));
        }
        if run.elbo.guide.pattern().is_empty() {
            break;
        }
    }
    best.map_or(base, |(_, q)| q)
}

/// The Monte Carlo error of the answer: the largest move of a top-level mean, in posterior sds, that sets of fresh noise ask for.
///
/// At the optimum for one set the gradient on another is −H (its optimum − this one), and in the view from the answer H is nearly 1:
/// the root mean square over sets is the sandwich H⁻¹ V H⁻¹ with V from replicates that are whitened as the fit's own noise is.
fn error(
    run: &Run<'_, '_>,
    view: &Whitened<'_>,
    expectation: &mut Expectation<'_>,
    sets: &[Noise],
) -> f64 {
    let x = vec![0.0; view.len()];
    let mut gradient = vec![0.0; view.len()];
    let mut squares = vec![0.0; run.elbo.guide.dim()];
    for noise in sets {
        loss(run.elbo.guide, view, expectation, noise, &x, &mut gradient);
        for (sum, g) in squares.iter_mut().zip(&gradient) {
            *sum += g * g / sets.len() as f64;
        }
    }
    let sites = run.elbo.joint.sites().iter();
    sites
        .filter(|s| s.plate == PlateId::TOP)
        .flat_map(|s| s.offset..s.offset + s.width)
        .fold(0.0_f64, |most, r| most.max(squares[r].sqrt()))
}

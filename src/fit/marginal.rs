//! The fit of a guide that integrates the locals out: the mode of the globals' density, a Gaussian around it, the finer rule's correction.
//!
//! Where the globals are a point the mode is all that is sought.

use super::AnyElbo;
use super::Doubt;
use super::Ending;
use super::Run;
use super::lbfgs;
use super::lbfgs::End;
use super::lbfgs::Rule;
use super::mode;
use super::mode::Near;
use super::mode::Scale;
use super::natural;
use super::natural::Dense;
use super::natural::Settled;
use super::restarts;
use super::restarts::OtherMode;
use crate::elbo::ElboKind;
use crate::elbo::ElboValue;
use crate::elbo::standard_error;
use crate::guide::Gaussian;
use crate::guide::Integrated;
use crate::guide::noise::Noise;
use crate::marginal::Integral;
use crate::marginal::Marginal;
use crate::marginal::Order;
use crate::marginal::above_of;

/// Iterations of the search for a mode, and where its first part ends.
const CLIMB: usize = 300;
const NEARBY: Near = Near {
    longest: 1.0,
    gain: 1.0,
};
/// When a point is the mode: each coordinate, and the density.
const POINT: Rule = Rule {
    iterations: 0,
    longest: 1e-2,
    gain: 1e-4,
};
/// Globals up to which the curvature at the mode is found by differences of gradients.
const FEW: usize = 20;
/// Gradients are differenced over this many units of the scale.
const STEP: f64 = 0.4;
/// The fewest draws, and the most.
const DRAWS: (usize, usize) = (16, 64);
/// The largest Monte Carlo error of a mean, in posterior sds.
const ERROR: f64 = 0.05;
/// The correction towards the finer rule that is taken without another look, in posterior sds.
const CORRECTION: f64 = 0.5;
/// Draws for the bound that is reported, at most and at least, and the elements that may be visited for them.
const REPORTED: (usize, usize, usize) = (256, 16, 2_000_000);

/// Other starts for the search for a mode where the first leads to none.
const MORE_STARTS: usize = 4;

/// Maximises the bound; gives the Gaussian over all coordinates, how it ended, the bound by terms, and what speaks against it.
pub(super) fn maximise(
    run: &mut Run<'_, '_>,
    integrated: &Integrated,
    seed: u32,
) -> (Gaussian, Ending, Option<ElboValue>, Option<Doubt>) {
    let elbo = run.elbo;
    let found = Marginal::new(elbo.joint, &integrated.forest, integrated.integral);
    let mut marginal = found.expect("invariant: a density with a forest integrates its locals out");
    let start: Vec<f64> = (elbo.joint.sites().iter())
        .flat_map(|s| s.start.iter().copied())
        .collect();
    let mut fitted = Fitted {
        run,
        marginal: &mut marginal,
        order: Order::Low,
        doubt: None,
    };
    let (q, ending) = match integrated.point {
        true => fitted.point(&start),
        false => fitted.globals(&start, seed),
    };
    let mut doubt = fitted.doubt;
    let Some(q) = q else {
        let unmoved = Gaussian {
            mean: start,
            scale: elbo.guide.pattern().identity(),
        };
        return (unmoved, ending, None, doubt);
    };
    let gaussian = gaussian(elbo, &mut marginal, &q);
    let spreads = q.scale.n > 0;
    if let (true, Ending::Converged, None | Some(Doubt::Unsettled)) = (spreads, &ending, &doubt) {
        let found = other_mode(&mut marginal, &start, &q, seed.wrapping_add(4));
        let found = found.map(|found| {
            let at = marginal.with_globals(&gaussian.mean, &found.at);
            Doubt::OtherMode(OtherMode { at, ..found })
        });
        doubt = found.or(doubt);
    }
    let value = bound(elbo, &mut marginal, &q, &gaussian, seed.wrapping_add(3));
    (gaussian, ending, Some(value), doubt)
}

/// Another mode of the globals' density, as far as looking for one is affordable.
fn other_mode(
    marginal: &mut Marginal<'_>,
    start: &[f64],
    q: &Dense,
    seed: u32,
) -> Option<OtherMode> {
    let count = restarts::affordable(marginal.visits());
    let starts = restarts::starts(&marginal.globals_of(start), &q.mean, count, seed);
    let centre = marginal.centre().cloned();
    marginal.uncentre();
    let mut density = |theta: &[f64], g: &mut [f64]| marginal.gradient(theta, Order::Low, g);
    let found = restarts::other_mode(&mut density, q, &starts);
    if let Some(centre) = centre {
        marginal.centre_at(centre);
    }
    found
}

struct Fitted<'r, 'a, 'b, 'm> {
    run: &'r mut Run<'a, 'b>,
    marginal: &'r mut Marginal<'m>,
    order: Order,
    doubt: Option<Doubt>,
}

/// Where a search for a mode ended.
struct Found {
    q: Dense,
    /// Whether the density is curved downward in every direction there.
    certain: bool,
    end: End,
}

impl Fitted<'_, '_, '_, '_> {
    /// The Gaussian over the globals.
    fn globals(&mut self, start: &[f64], seed: u32) -> (Option<Dense>, Ending) {
        let n = self.marginal.dim();
        if n == 0 {
            let q = Dense {
                mean: Vec::new(),
                scale: Scale::none(),
            };
            return (Some(q), Ending::Converged);
        }
        let suggested = self.marginal.globals_of(start);
        let mut first = self.mode(&suggested);
        // Of a first start that leads to no mode others are asked.
        let doubtful = |found: &Result<Found, End>| match found {
            Ok(found) => !found.certain,
            Err(end) => *end != End::Stopped,
        };
        if doubtful(&first) {
            let others = restarts::starts(&suggested, &suggested, MORE_STARTS + 1, seed);
            for other in others.into_iter().skip(1) {
                let found = self.mode(&other);
                if !doubtful(&found) {
                    first = found;
                    break;
                }
            }
        }
        let Found {
            mut q,
            certain,
            end,
        } = match first {
            Ok(found) => found,
            Err(End::Stopped) => return (None, Ending::Interrupted),
            Err(End::NotFinite | End::Converged | End::Flat | End::Spent) => {
                self.doubt = Some(self.nowhere(start));
                return (None, Ending::NotFinite(start.to_vec()));
            }
        };
        if end == End::Spent {
            self.doubt = Some(self.nowhere(start));
        } else if !certain {
            self.doubt = Some(Doubt::NotCurved);
        }
        let mut count = DRAWS.0.max(2 * n);
        if !certain {
            count = count.max(32);
        }
        let mut ending = self.settle(&mut q, count, seed);
        if self.marginal.integral() == Integral::Quadrature
            && matches!(ending, Ending::Converged)
            && !self.correct(&mut q)
        {
            self.order = Order::High;
            self.doubt.take_if(|doubt| *doubt == Doubt::Unsettled);
            ending = self.settle(&mut q, count, seed);
        }
        (Some(q), ending)
    }

    /// The mode of the globals' density.
    fn point(&mut self, start: &[f64]) -> (Option<Dense>, Ending) {
        let mut mean = self.marginal.globals_of(start);
        let (marginal, run) = (&mut *self.marginal, &mut *self.run);
        let mut function = |theta: &[f64], out: &mut [f64]| {
            let value = marginal.gradient(theta, Order::Low, out);
            out.iter_mut().for_each(|g| *g = -*g);
            -value
        };
        let rule = Rule {
            iterations: run.left(),
            ..POINT
        };
        let (end, _) = lbfgs::minimise(&mut function, &mut mean, rule, &mut |v| run.tell(-v));
        let ending = match end {
            End::Converged | End::Flat => Ending::Converged,
            End::Spent => Ending::Spent,
            End::Stopped => Ending::Interrupted,
            End::NotFinite => Ending::NotFinite(self.marginal.point().to_vec()),
        };
        let scale = Scale::none();
        (Some(Dense { mean, scale }), ending)
    }

    /// No mode: the globals of the last point, everything else as at the start.
    fn nowhere(&self, start: &[f64]) -> Doubt {
        let last = self.marginal.globals_of(self.marginal.point());
        Doubt::NoMode(self.marginal.with_globals(start, &last))
    }

    /// Settles q, with more draws while they leave too large an error.
    fn settle(&mut self, q: &mut Dense, mut count: usize, seed: u32) -> Ending {
        loop {
            let noise = Noise::dense(q.mean.len(), count, seed);
            let (marginal, run, order) = (&mut *self.marginal, &mut *self.run, self.order);
            let mut density = |thetas: &[Vec<f64>]| marginal.gradients(thetas, order);
            let (settled, error) =
                natural::settle(&mut density, q, &noise, &mut |value| run.tell(value));
            match settled {
                _ if self.run.left() == 0 => return Ending::Spent,
                Settled::Yes if error > ERROR && 2 * count <= DRAWS.1 => count *= 2,
                Settled::Yes => return Ending::Converged,
                // The check draws with other tails, and says whether they can be relied on.
                Settled::No => {
                    self.doubt.get_or_insert(Doubt::Unsettled);
                    return Ending::Converged;
                }
                Settled::Stopped => return Ending::Interrupted,
                Settled::NotFinite => return Ending::NotFinite(self.marginal.point().to_vec()),
            }
        }
    }

    /// The mode above `start` with the curvature there.
    fn mode(&mut self, start: &[f64]) -> Result<Found, End> {
        let n = self.marginal.dim();
        let mut mean = start.to_vec();
        let mut end = End::Spent;
        // The scale at the start is wrong far from it: what is left to climb from nearby is climbed in the scale there.
        for near in [NEARBY, Near::MODE] {
            let rough = self.marginal.rough_curvature(&mean);
            let scale = match rough.or_else(|| self.marginal.recentre(&mean)) {
                Some(curvature) => Scale::of_curvature(&curvature, n, 1e-3).0,
                None => Scale::unit(n),
            };
            self.marginal.uncentre();
            let (marginal, run) = (&mut *self.marginal, &mut *self.run);
            let mut density =
                |theta: &[f64], g: &mut [f64]| marginal.gradient(theta, Order::Low, g);
            let (found, reached) =
                mode::climb(&mut density, &mean, &scale, (CLIMB, near), &mut |v| {
                    run.show(v, None)
                });
            match reached {
                End::Converged | End::Flat | End::Spent => (mean, end) = (found, reached),
                End::Stopped | End::NotFinite => return Err(reached),
            }
        }
        let profile = self.marginal.recentre(&mean).ok_or(End::NotFinite)?;
        let (scale, certain) = Scale::of_curvature(&profile, n, 1e-3);
        if certain && n > FEW {
            // The first step over the draws finds what is missing with all other curvature.
            let scale = scale.lower_of(&Scale::unit(n).columns);
            let scale = scale.ok_or(End::NotFinite)?;
            let q = Dense { mean, scale };
            return Ok(Found { q, certain, end });
        }
        let marginal = &mut *self.marginal;
        let mut here = vec![0.0; n];
        marginal.gradient(&mean, Order::Low, &mut here);
        let mut density = |thetas: &[Vec<f64>]| marginal.gradients(thetas, Order::Low);
        let curvature = [STEP, 0.1 * STEP, 0.01 * STEP]
            .iter()
            .find_map(|step| mode::curvature(&mut density, &mean, &scale, *step, &here));
        let curvature = curvature.ok_or(End::NotFinite)?;
        let (inner, certain) = Scale::of_curvature(&curvature, n, 0.05);
        let columns = mode::product(&scale.columns, &inner.columns, n, false);
        let whole = Scale { n, columns };
        // One Newton step: the search ended near the mode, not at it.
        let shift = whole.pull(&here);
        if certain && shift.iter().all(|s| s.abs() < 1.0) {
            mean = whole.at(&mean, &shift);
        }
        let lower = whole.lower_of(&Scale::unit(n).columns);
        let scale = lower.ok_or(End::NotFinite)?;
        Ok(Found {
            q: Dense { mean, scale },
            certain,
            end,
        })
    }

    /// Moves the mean to where the finer rule has it, to first order; false if that is too far to be taken on trust.
    fn correct(&mut self, q: &mut Dense) -> bool {
        let n = q.mean.len();
        let (mut low, mut high) = (vec![0.0; n], vec![0.0; n]);
        self.marginal.gradient(&q.mean, Order::Low, &mut low);
        self.marginal.gradient(&q.mean, Order::High, &mut high);
        let defect: Vec<f64> = high.iter().zip(&low).map(|(h, l)| h - l).collect();
        let shift = q.scale.pull(&defect);
        let small = shift.iter().all(|s| s.abs() <= CORRECTION);
        if small {
            q.mean = q.scale.at(&q.mean, &shift);
        }
        small
    }
}

/// The joint Gaussian nearest to q over the globals and the locals given them: `φ = φ̂ + J (θ − μ)` and spreads as at μ.
fn gaussian(elbo: &AnyElbo<'_>, marginal: &mut Marginal<'_>, q: &Dense) -> Gaussian {
    let (pattern, forest) = (elbo.guide.pattern(), marginal.forest());
    let n = q.scale.n;
    let mut scale = pattern.identity();
    for (i, g) in forest.globals.iter().enumerate().take(n) {
        let row = pattern.row(*g as usize);
        scale[row].copy_from_slice(&q.scale.columns[i * n..i * n + i + 1]);
    }
    let found = match n {
        0 => marginal.stand_at(&q.mean),
        1..=FEW => marginal.recentre(&q.mean).is_some(),
        // Of many globals the slopes are those at the mode.
        _ => marginal.move_centre(&q.mean),
    };
    let Some(centre) = marginal.centre().filter(|_| found).cloned() else {
        let mut mean = marginal.point().to_vec();
        for (g, m) in forest.globals.iter().zip(&q.mean) {
            mean[*g as usize] = *m;
        }
        return Gaussian { mean, scale };
    };
    let arrow = marginal.arrow();
    let mut row = vec![0.0; pattern.dim()];
    for (p, plate) in forest.plates.iter().enumerate() {
        for i in 0..plate.count {
            for r in 0..plate.width {
                let at = plate.at(r, i);
                let (couple, spread) = arrow.row(p, i, r);
                for (k, s) in spread.iter().enumerate() {
                    row[plate.at(k, i)] = *s;
                }
                // What lies above moves with the globals, which the slopes count, and by its own noise.
                for (outer, couple) in above_of(forest, plate, i).zip(couple) {
                    for (c, value) in pattern.entries(&scale, outer) {
                        row[c] -= couple * value;
                    }
                }
                for (j, g) in forest.globals.iter().enumerate().take(n) {
                    let slopes = (j..n).map(|k| centre.slopes[k][at] * q.scale.columns[k * n + j]);
                    row[*g as usize] = slopes.sum();
                }
                for i in pattern.row(at) {
                    scale[i] = std::mem::take(&mut row[pattern.column(i)]);
                }
            }
        }
    }
    Gaussian {
        mean: centre.z,
        scale,
    }
}

/// The bound by terms, on draws that the fit has not seen: a mean over the globals of what is exact, or by quadrature, given them.
fn bound(
    elbo: &AnyElbo<'_>,
    marginal: &mut Marginal<'_>,
    q: &Dense,
    gaussian: &Gaussian,
    seed: u32,
) -> ElboValue {
    let affordable = REPORTED.2 / marginal.visits().max(1);
    let least = (2 * q.mean.len()).clamp(REPORTED.1, 64);
    let count = affordable.clamp(least, REPORTED.0);
    let noise = match q.scale.n {
        0 => Noise::none(0),
        n => Noise::dense(n, count, seed),
    };
    let share = 1.0 / noise.count() as f64;
    let sites = elbo.joint.sites();
    let mut expected = vec![0.0; elbo.terms.len()];
    let mut entropies = vec![0.0; sites.len()];
    let mut values = Vec::with_capacity(noise.count());
    let points: Vec<Vec<f64>> = noise.draws().map(|e| q.scale.at(&q.mean, e)).collect();
    for found in marginal.all_expected(&points) {
        values.push(found.value);
        for (sum, term) in expected.iter_mut().zip(&found.terms) {
            *sum += share * term;
        }
        for (plate, shares) in marginal.forest().plates.iter().zip(&found.entropies) {
            let mut shares = shares.iter();
            for s in &plate.sites {
                let width = sites[*s].width * sites[*s].len / plate.count;
                let own = shares.by_ref().take(width);
                entropies[*s] += share * own.sum::<f64>();
            }
        }
    }
    let terms: Vec<f64> = (elbo.terms.iter().zip(&expected))
        .map(|(term, expected)| match (term.kind, term.site) {
            (ElboKind::Reconstruction | ElboKind::Factor, _) | (_, None) => *expected,
            (ElboKind::LocalKl | ElboKind::GlobalKl, Some(s)) if marginal.forest().holds(s) => {
                -entropies[s] - expected
            }
            (ElboKind::LocalKl | ElboKind::GlobalKl, Some(s)) => {
                -elbo.guide.entropy(gaussian, s) - expected
            }
        })
        .collect();
    let signed = elbo.terms.iter().zip(&terms);
    ElboValue {
        total: signed.map(|(term, value)| term.kind.sign() * value).sum(),
        mcse: standard_error(&values),
        terms,
    }
}

//! The locals of new elements given their data, the globals held as learned.

use super::Posterior;
use super::Refusal;
use super::held::Held;
use super::listed;
use super::posterior::KEPT;
use super::posterior::Matched;
use super::posterior::StoredSite;
use super::posterior::is_of_rows;
use crate::elbo;
use crate::fit;
use crate::fit::Outcome;
use crate::guide;
use crate::guide::GuideSpec;
use crate::guide::noise::Noise;
use crate::joint;
use crate::joint::Astray;
use crate::joint::Joint;
use crate::joint::Locals;
use crate::joint::LogDensity;
use crate::joint::Site;
use crate::joint::locals::Ancestor;
use crate::joint::locals::Forest;
use crate::joint::locals::LocalPlate;
use crate::marginal;
use crate::marginal::Conditional;
use crate::marginal::Integral;
use crate::marginal::Marginal;
use crate::num::rng;
use crate::num::rng::Rng;
use crate::shape::PlateId;
use crate::typed::DataKind;
use crate::typed::Depends;
use crate::typed::ExprId;
use crate::typed::ExprKind;
use crate::typed::GuideFamily;
use crate::typed::Typed;
use rand_distr::Distribution;
use rand_distr::StandardNormal;
use std::sync::Arc;

/// Draws of the globals that the locals are found for: the most, the fewest, and the elements that may be visited for them.
const GLOBALS: (usize, usize, usize) = (256, 64, 4_000_000);
/// Draws in all: each of the globals' comes with several of the locals.
const DRAWS: usize = 1000;
/// Draws of the globals under each of which locals are fitted that cannot be eliminated, and the iterations of a fit.
const FITS: usize = 16;
const ITERATIONS: usize = 20_000;
/// Numbers in the draws of locals that are found by gradient steps, and the fewest draws: a network has thousands of weights.
const STEPPED: (usize, usize) = (16_000_000, 16);
/// Elements in which steps are asked whether they lead astray.
const LOOKED: usize = 100;
/// Up to this many coordinates those of new elements are listed.
const LISTED: usize = 100_000;
/// Up to this many coordinates the Gaussian is dense; then elements are independent, and so are plates that cross.
const DENSE: usize = 100;

/// A posterior to which new elements were added.
#[derive(Clone, Debug)]
pub struct Adapted {
    /// It, the elements that it had included.
    pub posterior: Posterior,
    /// Draws of all coordinates of the joint density of the new data.
    pub draws: Vec<Vec<f64>>,
    /// The new elements: plates, and how many.
    pub elements: Vec<(String, usize)>,
    /// How the locals were found.
    pub how: Elimination,
    /// The new elements that gradient steps made worse, where these found the locals.
    pub astray: Option<Astray>,
    /// The names of the variables and definitions of the new elements, or of the globals where those are too many to list.
    pub names: Vec<String>,
}

/// How the locals were found under each draw of everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elimination {
    /// Exactly: they are jointly normal.
    Exact,
    /// By adaptive quadrature.
    Quadrature,
    /// By the gradient steps of an amortised guide.
    Steps,
    /// By a Gaussian that was fitted to them: dense for few coordinates, else as of the guide `structured`.
    Fitted,
}

/// Draws of all coordinates.
struct Drawn {
    draws: Vec<Vec<f64>>,
    /// For each of them the draw of the posterior that it goes on from.
    of: Vec<usize>,
    how: Elimination,
    /// What the draws are of, where the globals are a point and the locals independent Gaussians.
    normal: Option<Locals>,
    /// What gradient steps made worse, from the first of the draws of the globals.
    astray: Option<Astray>,
}

/// Finds the locals of elements that a posterior does not have, given their data: a mixture over draws of everything else, under each
/// of which they are found from their own data: with the right means and covariances where they can be eliminated, exactly or by
/// quadrature, else by a Gaussian that is fitted to them. Those of a plate that the guide calls amortised are found as they were in the fit, by
/// its gradient steps.
///
/// `joint` is that of the new data alone, bound by [`Posterior::known`]. Elements that are known, such as a state that a new county lies
/// in, stay as they were learned.
///
/// # Errors
/// No new elements, known and new ones mixed in one plate, or data without density.
pub fn adapt(posterior: &Posterior, joint: &Joint, seed: u64) -> Result<Adapted, Refusal> {
    let model = joint.model();
    let matched = posterior.matched(model, joint.sites())?;
    let new = new_plates(joint, &matched)?;
    let task = Task {
        posterior,
        joint,
        matched,
        seed: seed as u32 ^ (seed >> 32) as u32,
    };
    let found = match amortised(joint, &new) {
        Some((steps, count)) => task.stepped(&steps, count),
        None => match forest(joint, &new) {
            Some((forest, integral)) => task.eliminated(&forest, integral),
            None => task.fitted(&new),
        },
    };
    if found.draws.is_empty() {
        return Err(Refusal::new(
            "the new data have no density under any draw of the fit",
            "a value that the model holds impossible is among them",
        ));
    }
    let plates = model.typed().plates();
    let few = joint.dim() <= LISTED;
    let listed = |plate: PlateId| {
        if few {
            new.contains(&plate)
        } else {
            plate == PlateId::TOP
        }
    };
    let names = joint.quantities().iter().filter(|q| listed(q.plate));
    Ok(Adapted {
        posterior: extended(posterior, joint, &new, &found),
        draws: found.draws,
        elements: new
            .iter()
            .map(|p| (plates[p.index()].name.clone(), model.plate(*p).len()))
            .collect(),
        how: found.how,
        astray: found.astray,
        names: names.map(|q| q.name.clone()).collect(),
    })
}

/// New data beside a posterior.
struct Task<'a> {
    posterior: &'a Posterior,
    joint: &'a Joint,
    matched: Matched,
    seed: u32,
}

impl Task<'_> {
    /// Up to `count` draws of the posterior, evenly over them, with what they know of all coordinates.
    fn points(&self, count: usize) -> Vec<(usize, Vec<f64>)> {
        let all = self.posterior.count();
        let count = count.min(all);
        let point = |k: usize| {
            // The middles of even parts: they are in the order of a coordinate.
            let s = (2 * k + 1) * all / (2 * count);
            let mut z = vec![0.0; self.joint.dim()];
            self.matched
                .fill(self.posterior, s, self.joint.sites(), &mut z);
            (s, z)
        };
        (0..count).map(point).collect()
    }

    /// The locals by elimination.
    fn eliminated(&self, forest: &Forest, integral: Integral) -> Drawn {
        let found = Marginal::new(self.joint, forest, integral);
        let mut marginal = found.expect("invariant: a joint density integrates its locals out");
        let own = (GLOBALS.2 / marginal.visits().max(1)).clamp(GLOBALS.1, GLOBALS.0);
        let points: Vec<(usize, Vec<f64>)> = (self.points(own).into_iter())
            .map(|(s, z)| (s, marginal.globals_of(&z)))
            .collect();
        let mean: Vec<f64> = (0..forest.globals.len())
            .map(|k| points.iter().map(|(_, p)| p[k]).sum::<f64>() / points.len() as f64)
            .collect();
        // Modes are predicted from those at the mean, where they are found there.
        if marginal.recentre(&mean).is_none() {
            marginal.uncentre();
        }
        // A point for the globals is in every draw: the locals given it are found once.
        let mut found: Vec<(f64, Conditional<'_>)> = Vec::new();
        let mut given = Vec::with_capacity(own);
        for (k, (s, point)) in points.iter().enumerate() {
            if k == 0 || points[k - 1].1 != *point {
                found.push(marginal.value_with(point));
            }
            let last = found.len() - 1;
            if found[last].0.is_finite() {
                given.push((*s, last));
            }
        }
        let times = DRAWS.div_ceil(given.len().max(1));
        let noise = Noise::independent(self.joint.dim(), given.len() * times, self.seed);
        let place = |(k, noise): (usize, &[f64])| {
            let (s, locals) = given[k / times];
            (found[locals].1.draw(&forest.plates, noise), s)
        };
        let (draws, of) = noise.draws().enumerate().map(place).unzip();
        let how = match integral {
            Integral::Exact => Elimination::Exact,
            Integral::Quadrature => Elimination::Quadrature,
        };
        Drawn {
            draws,
            of,
            how,
            normal: None,
            astray: None,
        }
    }

    /// The locals by gradient steps, under each of some draws of the globals; `steps` is the joint density that makes them.
    fn stepped(&self, steps: &Joint, number: usize) -> Drawn {
        let own = (GLOBALS.2 / steps.visits().max(1)).clamp(FITS, GLOBALS.0);
        let count = (STEPPED.0 / self.joint.dim().max(1)).clamp(STEPPED.1, DRAWS);
        let points = self.points(own.min(count));
        let globals = self.joint.sites().iter();
        let globals: Vec<&Site> = globals.filter(|s| s.plate == PlateId::TOP).collect();
        let above = |z: &[f64]| -> Vec<f64> {
            let of = |site: &&Site| z[site.offset..site.offset + site.width].to_vec();
            globals.iter().flat_map(of).collect()
        };
        let adapted = |above: &[f64]| {
            let q = steps.adapted(above, number)?;
            let finite = q.mean.iter().chain(&q.log_sd).all(|x| x.is_finite());
            finite.then_some(q)
        };
        let mut drawn = Drawn {
            draws: Vec::new(),
            of: Vec::new(),
            how: Elimination::Steps,
            normal: None,
            astray: None,
        };
        let mut rng = rng::stream(u64::from(self.seed));
        let first = points.first().map_or(Vec::new(), |(_, z)| above(z));
        drawn.astray = steps.astray(&first, number, LOOKED);
        if points.iter().all(|(_, z)| above(z) == first) {
            // What the steps make of a point is the same for all draws. Where the locals are not listed their means are enough.
            let listed = self.joint.dim() <= LISTED;
            let times = count.div_ceil(points.len().max(1));
            let times = if listed { times } else { 1 };
            drawn.normal = adapted(&first);
            for (s, z) in points.into_iter().take(if listed { count } else { 1 }) {
                for _ in 0..if drawn.normal.is_some() { times } else { 0 } {
                    let noise = listed.then_some(&mut rng);
                    drawn.draws.extend(
                        drawn
                            .normal
                            .as_ref()
                            .map(|q| self.with_locals(&z, q, noise)),
                    );
                    drawn.of.push(s);
                }
            }
            return drawn;
        }
        let times = count.div_ceil(points.len().max(1));
        for (s, z) in points {
            let Some(q) = adapted(&above(&z)) else {
                continue;
            };
            for _ in 0..times {
                drawn.draws.push(self.with_locals(&z, &q, Some(&mut rng)));
                drawn.of.push(s);
            }
        }
        drawn
    }

    /// All coordinates with the locals drawn from their Gaussians, or at their means.
    fn with_locals(&self, z: &[f64], q: &Locals, mut rng: Option<&mut Rng>) -> Vec<f64> {
        let mut z = z.to_vec();
        let mut own = q.mean.iter().zip(&q.log_sd);
        for site in (self.joint.sites().iter()).filter(|s| s.plate != PlateId::TOP) {
            let places = site.offset..site.offset + site.width * site.len;
            for (z, (mean, log_sd)) in z[places].iter_mut().zip(own.by_ref()) {
                let e: f64 = match &mut rng {
                    Some(rng) => StandardNormal.sample(*rng),
                    None => 0.0,
                };
                *z = mean + log_sd.exp() * e;
            }
        }
        z
    }

    /// The locals by a fit under each of a few draws.
    fn fitted(&self, new: &[PlateId]) -> Drawn {
        let mut drawn = Drawn {
            draws: Vec::new(),
            of: Vec::new(),
            how: Elimination::Fitted,
            normal: None,
            astray: None,
        };
        let points = self.points(FITS);
        let pairs = DRAWS.div_ceil(2 * points.len().max(1));
        for (k, (s, z)) in points.into_iter().enumerate() {
            let held = Held::new(self.joint, new, z);
            let family = |family| {
                let default = Some(family);
                guide::derive(&held, &GuideSpec { default })
            };
            let families = [
                GuideFamily::FullRank,
                GuideFamily::Structured,
                GuideFamily::MeanField,
            ];
            let first = usize::from(held.dim() > DENSE);
            let Some(guide) = families[first..].iter().find_map(|f| family(*f).ok()) else {
                continue;
            };
            let elbo = elbo::compose(&held, &guide);
            let mut settings = fit::Settings {
                max_iterations: ITERATIONS,
                batch: None,
                progress: &mut |_| true,
            };
            let mut rng = rng::stream(u64::from(self.seed) + ((k as u64) << 32));
            let found = fit::run(&elbo, &mut settings, &mut rng);
            if !matches!(found.outcome, Outcome::Converged | Outcome::Spent) {
                continue;
            }
            let q = guide.gaussian(&found.params);
            let noise = Noise::paired(&guide, pairs, self.seed.wrapping_add(k as u32));
            for noise in noise.draws() {
                let mut own = vec![0.0; guide.dim()];
                guide.draw(&q, noise, &mut own);
                drawn.draws.push(held.all(&own));
                drawn.of.push(s);
            }
        }
        drawn
    }
}

/// The plates with latent variables all of whose elements are new.
fn new_plates(joint: &Joint, matched: &Matched) -> Result<Vec<PlateId>, Refusal> {
    let model = joint.model();
    let typed = model.typed();
    let mut plates: Vec<PlateId> = joint.sites().iter().map(|s| s.plate).collect();
    plates.retain(|p| *p != PlateId::TOP);
    plates.sort_unstable();
    plates.dedup();
    let mut new = Vec::new();
    for plate in &plates {
        let elements = &matched.elements[plate.index()];
        let known: Vec<String> = (elements.iter().enumerate())
            .filter(|(_, e)| e.is_some())
            .map(|(i, _)| model.plate(*plate).labels.get(i))
            .collect();
        if known.is_empty() {
            new.push(*plate);
        } else if known.len() < elements.len() {
            return Err(Refusal::new(
                format!(
                    "the data have known and new elements of `{}`: {} stood in the fit",
                    typed.plates()[plate.index()].name,
                    listed(&known)
                ),
                "give the rows of new elements alone; new rows of known ones are taken account of by a new fit",
            ));
        }
    }
    // New rows of known elements have locals of their own, but say nothing of elements.
    if new.iter().all(|p| is_of_rows(typed, *p)) {
        let names = plates.iter().filter(|p| !is_of_rows(typed, **p));
        let names: Vec<String> = names
            .map(|p| typed.plates()[p.index()].name.clone())
            .collect();
        return Err(if names.is_empty() {
            Refusal::new(
                "the model has no plate, those of rows aside, whose elements have variables of their own",
                "`hvic predict` predicts new rows",
            )
        } else {
            Refusal::new(
                format!("all elements of {} stood in the fit", listed(&names)),
                "new elements need labels of their own; `hvic predict` predicts new rows of known ones",
            )
        });
    }
    Ok(new)
}

/// The joint density whose locals gradient steps find, and how many, where the model's guide calls the plate of the new elements amortised.
fn amortised(joint: &Joint, new: &[PlateId]) -> Option<(Joint, usize)> {
    let rule = joint.model().typed().amortized()?;
    let steps = joint::amortize(joint.again()).ok()?;
    (new == [rule.plate]).then_some((steps, rule.steps))
}

/// The forest of the new plates, everything else above it, and how it is integrated out, where that is possible.
///
/// A statement sees a plate's variables only through the element that its own element lies in, but by a key column or an aggregate.
fn forest(joint: &Joint, new: &[PlateId]) -> Option<(Forest, Integral)> {
    let model = joint.model();
    let typed = model.typed();
    if new.iter().any(|p| is_mixed(typed, *p)) {
        return None;
    }
    let inside = |p: PlateId| {
        new.iter()
            .copied()
            .filter(move |a| *a != p && typed.determines(p, *a))
    };
    let mut order = new.to_vec();
    order.sort_by_key(|p| inside(*p).count());
    for (a, b) in order
        .iter()
        .flat_map(|a| order.iter().map(move |b| (*a, *b)))
    {
        let apart = a < b && !typed.determines(a, b) && !typed.determines(b, a);
        let meet = |p: usize| {
            let p = PlateId(p as u32);
            typed.determines(p, a) && typed.determines(p, b)
        };
        if apart && (0..typed.plates().len()).any(meet) {
            return None;
        }
    }
    let place = |p: PlateId| order.iter().position(|o| *o == p);
    let coordinates = |s: usize| {
        let site = &joint.sites()[s];
        site.offset as u32..(site.offset + site.width * site.len) as u32
    };
    let mut plates = Vec::new();
    for plate in &order {
        let all = 0..joint.sites().len();
        let sites: Vec<usize> = all.filter(|s| joint.sites()[*s].plate == *plate).collect();
        let mut above: Vec<PlateId> = inside(*plate).collect();
        above.sort_by_key(|p| place(*p));
        let ancestor = |p: PlateId| {
            Some(Ancestor {
                place: place(p)?,
                element: Arc::clone(model.plate(*plate).above.get(&p)?),
            })
        };
        plates.push(LocalPlate {
            plate: *plate,
            coordinates: sites.iter().flat_map(|s| coordinates(*s)).collect(),
            count: model.plate(*plate).len(),
            width: sites.iter().map(|s| joint.sites()[*s].width).sum(),
            above: above.into_iter().filter_map(ancestor).collect(),
            sites,
        });
    }
    let held = (0..joint.sites().len()).filter(|s| plates.iter().all(|p| !p.sites.contains(s)));
    let terms = joint
        .terms()
        .iter()
        .map(|term| order.iter().rposition(|p| typed.determines(term.plate, *p)));
    let mut forest = Forest::default();
    forest.globals = held.flat_map(coordinates).collect();
    forest.terms = terms.collect();
    forest.plates = plates;
    let integral = marginal::integral(joint, &forest).ok()?;
    Some((forest, integral))
}

/// Whether variables of a plate are seen through a key column, or by an aggregate over its elements.
fn is_mixed(typed: &Typed, plate: PlateId) -> bool {
    let latent = |id: ExprId| typed.expr(id).depends == Depends::Latent;
    typed.exprs().iter().any(|expr| match &expr.kind {
        ExprKind::Lookup(base, key) => {
            let DataKind::Key(of) = typed.columns()[key.index()].kind else {
                return false;
            };
            typed.determines(of, plate) && latent(*base)
        }
        ExprKind::Aggregate {
            plate: over,
            within,
            body,
            ..
        } => typed.determines(*over, plate) && !typed.determines(*within, plate) && latent(*body),
        ExprKind::Constant(_)
        | ExprKind::Size(..)
        | ExprKind::Column(_)
        | ExprKind::Latent(_)
        | ExprKind::Definition(_)
        | ExprKind::Map(..)
        | ExprKind::Function(..)
        | ExprKind::Vector(_)
        | ExprKind::Index(..)
        | ExprKind::If(..)
        | ExprKind::LogProb(..)
        | ExprKind::Center(..) => false,
    })
}

/// The posterior with the new elements behind those that it has: in each draw one of those found and the draw that this goes on from, or
/// a part of them; or the Gaussians that were found.
fn extended(posterior: &Posterior, joint: &Joint, new: &[PlateId], found: &Drawn) -> Posterior {
    let model = joint.model();
    let typed = model.typed();
    let kept = |plate: &PlateId| new.contains(plate) && !is_of_rows(typed, *plate);
    let mut all = posterior.clone();
    // Elements of other plates that are new, such as of levels without variables, are not stored: nothing is known of them.
    for plate in new.iter().filter(|p| kept(p)) {
        let labels = &model.plate(*plate).labels;
        let stored = all.plates.entry(typed.plates()[plate.index()].name.clone());
        stored
            .or_default()
            .extend((0..labels.len()).map(|i| labels.get(i)));
    }
    let site_of = |stored: &StoredSite| {
        (joint.sites().iter()).find(|site| site.name == stored.name && kept(&site.plate))
    };
    let more: Vec<_> = posterior.sites.iter().map(site_of).collect();
    for (stored, more) in all.sites.iter_mut().zip(&more) {
        if let Some(site) = more {
            (stored.width, stored.len) = (site.width, stored.len + site.len);
            stored.normal = found.normal.is_some();
        }
    }
    let size: usize = all.sites.iter().map(StoredSite::size).sum();
    let most = (KEPT.2 / size.max(1)).clamp(KEPT.1, KEPT.0);
    let draws = match found.normal {
        Some(_) => posterior.count,
        None => found.draws.len(),
    };
    all.count = most.min(draws);
    all.draws = Vec::with_capacity(all.count * all.dim());
    for k in 0..all.count {
        let k = (2 * k + 1) * draws / (2 * all.count);
        let (of, own) = match found.normal {
            Some(_) => (k, &[][..]),
            None => (found.of[k], &found.draws[k][..]),
        };
        let sites = posterior.sites.iter().zip(&all.sites).zip(&more);
        let drawn = sites.filter(|((_, stored), _)| !stored.normal);
        let mut old = posterior.draw(of);
        for ((before, stored), more) in drawn {
            for c in 0..stored.width {
                let (known, rest) = old.split_at(before.len);
                all.draws.extend_from_slice(known);
                old = rest;
                if let Some(site) = more {
                    let at = site.offset + c * site.len;
                    all.draws.extend_from_slice(&own[at..at + site.len]);
                }
            }
        }
    }
    if let Some(normal) = &found.normal {
        all.normals = joined(posterior, &all, &more, joint, normal);
    }
    all
}

/// The means and sds of all Gaussian sites, the new elements behind the old ones.
fn joined(
    posterior: &Posterior,
    all: &Posterior,
    more: &[Option<&Site>],
    joint: &Joint,
    found: &Locals,
) -> Vec<f64> {
    // The locals of all sites of plates stand one after another, without the globals.
    let above: usize = (joint.sites().iter())
        .filter(|s| s.plate == PlateId::TOP)
        .map(|s| s.width)
        .sum();
    let sds: Vec<f64> = found.log_sd.iter().map(|x| x.exp()).collect();
    let mut old = posterior.normals.as_slice();
    let mut out = Vec::new();
    let sites = posterior.sites.iter().zip(&all.sites).zip(more);
    for ((before, stored), more) in sites.filter(|((_, stored), _)| stored.normal) {
        for new in [&found.mean, &sds] {
            for c in 0..stored.width {
                let (known, rest) = old.split_at(before.len);
                out.extend_from_slice(known);
                old = rest;
                if let Some(site) = more {
                    out.extend_from_slice(&new[site.offset - above + c * site.len..][..site.len]);
                }
            }
        }
    }
    out
}

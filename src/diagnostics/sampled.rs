//! The check of draws of a sampler, and when a fit gives way to one.

use super::Diagnostics;
use super::Reason;
use super::Trust;
use crate::elbo::Elbo;
use crate::fit::Doubt;
use crate::fit::Fit;
use crate::guide::Guide;
use crate::guide::Integrated;
use crate::joint::LogDensity;
use crate::marginal::Integral;
use crate::marginal::Marginal;
use crate::marginal::Order;
use crate::nuts;
use crate::nuts::Chains;
use crate::nuts::Ending;
use crate::nuts::Given;
use crate::nuts::Globals;
use crate::nuts::Settings;
use crate::nuts::Space;
use crate::nuts::Started;
use crate::nuts::Whole;
use crate::nuts::convergence::convergence;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;

/// R-hat up to which chains agree, and above which they do not at all (Vehtari et al. 2021).
const R_HAT: (f64, f64) = (1.01, 1.05);
/// Independent draws that suffice for a summary, and below which there is none: for each chain 100 and 25.
const WORTH: (f64, f64) = (400.0, 100.0);
/// The share of divergent trajectories above which draws are not to be trusted at all.
const DIVERGENT: f64 = 0.01;
/// The energy fraction below which a chain does not get through all energies (Betancourt 2016).
const E_BFMI: f64 = 0.3;
/// The share of trees of the largest depth above which it is said.
const DEEP: f64 = 0.05;
/// Coordinates that are looked at, at most.
const LOOKED_AT: usize = 2000;
/// The most numbers in draws of all coordinates.
const NUMBERS: usize = 16_000_000;

/// The most globals that a fit gives way to a sampler for, the most coordinates where no locals are integrated out, and the elements that
/// it may visit: about a minute of one core.
const SMALL: (usize, usize, usize) = (50, 500, 8_000_000_000);
/// Gradients that an iteration may take on average, and takes for the estimate.
const LEAPFROGS: (usize, usize) = (100, 15);
/// Chains, warm-up and draws of a sampler that a fit gives way to.
const CHAINS: (usize, usize, usize) = (4, 1000, 1000);

/// What is known of draws that a sampler made.
#[derive(Clone, PartialEq, Debug)]
pub struct Sampled {
    /// Chains.
    pub chains: usize,
    /// Warm-up iterations of each, thrown away.
    pub warmup: usize,
    /// Draws of each.
    pub draws: usize,
    /// Divergent trajectories after warm-up.
    pub divergences: usize,
    /// Trees that reached their largest depth after warm-up.
    pub deepest: usize,
    /// The smallest energy fraction of a chain.
    pub e_bfmi: f64,
    /// The largest R-hat of an unconstrained coordinate.
    pub r_hat: f64,
    /// The smallest bulk or tail effective sample size of one.
    pub ess: f64,
    /// Gradients in all.
    pub gradients: usize,
    /// Why a fit gave way to the sampler; none where it was asked for.
    pub instead: Option<String>,
}

/// How to sample where a fit gives way.
#[derive(Clone, Copy)]
pub struct Resort<'a> {
    /// The seed.
    pub seed: u64,
    /// Called now and then; returns whether to go on.
    pub progress: &'a (dyn Fn(&nuts::Progress) -> bool + Sync),
}

/// NUTS in place of a Gaussian that the check does not vouch for, where that takes about a minute at most: over the globals if locals
/// are integrated out, over everything if there are none. `None` where the fit stands, or sampling would take too long.
pub fn resort<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    fit: &Fit,
    found: &Diagnostics,
    resort: Resort<'_>,
) -> Option<Diagnostics> {
    let instead = why(found.reason)?;
    let (density, guide) = (elbo.joint, elbo.guide);
    let (chains, warmup, draws) = CHAINS;
    let iterations = chains * (warmup + draws);
    let affordable = |visits: usize| visits.saturating_mul(iterations * LEAPFROGS.1) <= SMALL.2;
    let whole = (1..=SMALL.1).contains(&density.dim()) && affordable(density.visits());
    let curved = fit.doubt.is_none();
    let starts = curved && found.k_hat < 1.0;
    let settings = Settings {
        chains,
        warmup,
        draws,
        accept: if starts && !found.rough {
            nuts::ACCEPT.0
        } else {
            nuts::ACCEPT.1
        },
        seed: resort.seed,
        budget: Some(LEAPFROGS.0 * (warmup + draws)),
        progress: resort.progress,
    };
    let q = guide.gaussian(&fit.params);
    let other = match &fit.doubt {
        Some(Doubt::OtherMode(other)) => Some(&other.at),
        Some(Doubt::NoMode(_) | Doubt::NotCurved | Doubt::Unsettled) | None => None,
    };
    // Of two modes each has half of the chains, which disagree if they do not find the other one.
    let from = |space: &dyn Space, places: Option<[Vec<f64>; 2]>| match places {
        Some(places) => nuts::sample(
            &Started {
                space,
                places: places.to_vec(),
            },
            &settings,
        ),
        None => nuts::sample(space, &settings),
    };
    let mut rough = false;
    let mut sampled = match guide.integrated() {
        // Integrals that are not accurate are not needed: the locals are sampled with the rest.
        Some(integrated) if !(found.rough && whole) => {
            let (given, visits) = given(elbo, integrated, fit, starts)?;
            if !(1..=SMALL.0).contains(&given.mean.len()) || !affordable(visits) {
                return None;
            }
            rough = found.rough;
            let order = if rough { Order::High } else { Order::Low };
            let globals = integrated.forest.globals.as_slice();
            let units = |z: &[f64]| {
                given.units(&globals.iter().map(|g| z[*g as usize]).collect::<Vec<_>>())
            };
            let places = other.map(|other| [units(&q.mean), units(other)]);
            let space = Globals::new(density, integrated, given.clone(), order);
            assess(
                density,
                guide,
                from(&space, places),
                Some(globals),
                &settings,
            )
        }
        Some(_) | None if whole => {
            let places = other.map(|other| [q.mean.clone(), other.clone()]);
            assess(
                density,
                guide,
                from(&Whole(density), places),
                None,
                &settings,
            )
        }
        Some(_) | None => return None,
    };
    if sampled.draws.is_empty() {
        // Nothing came of it: the fit's draws stand, with what both say.
        return Some(Diagnostics {
            trust: Trust::No,
            text: format!(
                "{}; NUTS, tried instead, failed: {}",
                found.text, sampled.text
            ),
            ..found.clone()
        });
    }
    sampled.text = format!("sampled with NUTS because {instead}: {}", sampled.text);
    if rough {
        sampled.trust = match sampled.trust {
            Trust::Yes => Trust::Caution,
            Trust::Caution | Trust::No => sampled.trust,
        };
        sampled
            .text
            .push_str("; the integrals over group effects are not exact");
    }
    if let Some(s) = &mut sampled.sampled {
        s.instead = Some(instead.to_owned());
    }
    Some(sampled)
}

/// Why a fit of this verdict gives way to a sampler.
fn why(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::PartlyWeighted | Reason::NearInEach | Reason::Misfit => {
            Some("no bell shape fits the posterior")
        }
        Reason::NotSettled => Some("no bell shape settles on the posterior"),
        Reason::OtherMode => Some("the posterior has more than one mode"),
        Reason::NoMode => Some("the posterior has no mode that could be found"),
        Reason::RoughIntegrals => Some("the integrals over group effects are not accurate"),
        Reason::Empty
        | Reason::Close
        | Reason::Weighted
        | Reason::Point
        | Reason::StepsAstray
        | Reason::NotConverged
        | Reason::Interrupted
        | Reason::Broken
        | Reason::ChainsAgree
        | Reason::ChainsDisagree
        | Reason::FewDraws
        | Reason::Divergences
        | Reason::DeepTrees
        | Reason::NoStart
        | Reason::SamplerSpent => None,
    }
}

/// The Gaussian over the globals of a fit, and what one look at their density visits.
fn given<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    integrated: &Integrated,
    fit: &Fit,
    starts: bool,
) -> Option<(Given, usize)> {
    let q = elbo.guide.gaussian(&fit.params);
    let pattern = elbo.guide.pattern();
    let marginal = Marginal::new(elbo.joint, &integrated.forest, integrated.integral)?;
    let n = marginal.dim();
    let mut scale = vec![0.0; n * n];
    for (i, g) in integrated.forest.globals.iter().enumerate() {
        let row = &q.scale[pattern.row(*g as usize)];
        // A fit that ended nowhere has no scale to go by.
        let unit = matches!(fit.doubt, Some(Doubt::NoMode(_)));
        match unit || row.iter().any(|s| !s.is_finite()) {
            true => scale[i * n + i] = 1.0,
            false => scale[i * n..=i * n + i].copy_from_slice(row),
        }
    }
    let mean = match fit.doubt {
        Some(Doubt::NoMode(_)) => marginal.start(),
        Some(Doubt::NotCurved | Doubt::Unsettled | Doubt::OtherMode(_)) | None => {
            marginal.globals_of(&q.mean)
        }
    };
    let given = Given {
        mean,
        scale,
        starts,
    };
    Some((given, marginal.visits()))
}

/// Samples over all coordinates, or over the globals alone where the guide integrates the locals out.
pub fn sample<D: LogDensity>(density: &D, guide: &Guide, settings: &Settings<'_>) -> Diagnostics {
    match guide.integrated() {
        Some(integrated) => {
            let marginal = Marginal::new(density, &integrated.forest, integrated.integral);
            let marginal =
                marginal.expect("invariant: a density with a forest integrates its locals out");
            let n = marginal.dim();
            let mut scale = vec![0.0; n * n];
            (0..n).for_each(|i| scale[i * n + i] = 1.0);
            let given = Given {
                mean: marginal.start(),
                scale,
                starts: false,
            };
            let order = match integrated.integral {
                Integral::Exact => Order::Low,
                Integral::Quadrature => Order::High,
            };
            let chains = nuts::sample(&Globals::new(density, integrated, given, order), settings);
            assess(
                density,
                guide,
                chains,
                Some(&integrated.forest.globals),
                settings,
            )
        }
        None => assess(
            density,
            guide,
            nuts::sample(&Whole(density), settings),
            None,
            settings,
        ),
    }
}

/// Judges chains.
fn assess<D: LogDensity>(
    density: &D,
    guide: &Guide,
    chains: Chains,
    globals: Option<&[u32]>,
    settings: &Settings<'_>,
) -> Diagnostics {
    let (divergences, deepest) = (chains.divergences(), chains.deepest());
    let mut sampled = Sampled {
        chains: chains.chains.len(),
        warmup: settings.warmup,
        draws: chains.chains.first().map_or(0, |c| c.draws.len()),
        divergences,
        deepest,
        e_bfmi: chains.e_bfmi(),
        r_hat: f64::NAN,
        ess: f64::NAN,
        gradients: chains.gradients(),
        instead: None,
    };
    let ending = chains.ending;
    let mut draws: Vec<Vec<f64>> = Vec::with_capacity(settings.chains * sampled.draws);
    draws.extend(chains.chains.into_iter().flat_map(|c| c.draws));
    // Every coordinate of the globals, or of the first sites, and of the others as many as there is time for.
    let dim = density.dim();
    let every = dim.div_ceil(LOOKED_AT).max(1);
    let found: Vec<(f64, f64, usize)> = (0..dim)
        .into_par_iter()
        .filter(|r| r % every == 0 || globals.is_some_and(|g| g.contains(&(*r as u32))))
        .map(|r| {
            let column: Vec<f64> = draws.iter().map(|z| z[r]).collect();
            let found = convergence(&column, sampled.chains);
            (found.r_hat, found.ess_bulk.min(found.ess_tail), r)
        })
        .collect();
    let worst = (found.iter().filter(|f| !f.0.is_nan()))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|f| (f.0, name_of(density, f.2)));
    sampled.r_hat = worst.as_ref().map_or(f64::NAN, |w| w.0);
    sampled.ess = found.iter().fold(f64::INFINITY, |least, f| least.min(f.1));
    let worst = worst.map(|w| w.1).unwrap_or_default();
    let (trust, reason, text) = verdict(&sampled, &ending, &worst);
    let n = draws.len();
    let globals = thinned(&mut draws, sampled.chains, dim);
    let kept = draws.len();
    Diagnostics {
        k_hat: f64::NAN,
        efficiency: if n > 0 {
            sampled.ess / n as f64
        } else {
            f64::NAN
        },
        text,
        trust,
        reason,
        rough: false,
        log_weights: vec![-(kept.max(1) as f64).ln(); kept],
        draws,
        globals: if guide.integrated().is_some() {
            globals
        } else {
            Vec::new()
        },
        sampled: Some(sampled),
        astray: None,
    }
}

/// Leaves as many draws of every chain as are not too many numbers, evenly spaced; gives all of them if there were more.
fn thinned(draws: &mut Vec<Vec<f64>>, chains: usize, dim: usize) -> Vec<Vec<f64>> {
    let each = draws.len() / chains.max(1);
    let most = (NUMBERS / (dim.max(1) * chains.max(1))).max(4);
    if each <= most {
        return Vec::new();
    }
    let every = each.div_ceil(most);
    let kept = (draws.iter().enumerate())
        .filter(|(i, _)| (i % each).is_multiple_of(every))
        .map(|(_, z)| z.clone())
        .collect();
    std::mem::replace(draws, kept)
}

/// The variable that a coordinate belongs to.
pub(super) fn name_of<D: LogDensity + ?Sized>(density: &D, coordinate: usize) -> String {
    let sites = density.sites().iter();
    let mut within = sites.filter(|s| (s.offset..s.offset + s.width * s.len).contains(&coordinate));
    within.next().map_or(String::new(), |s| s.name.clone())
}

fn verdict(found: &Sampled, ending: &Ending, worst: &str) -> (Trust, Reason, String) {
    let total = (found.chains * found.draws) as f64;
    let (r_hat, ess) = (found.r_hat, found.ess);
    let chains = format!("{} chains", found.chains);
    match ending {
        Ending::NoStart(_) => {
            let text = "no chain could start, since the density is finite nowhere that was tried";
            return (Trust::No, Reason::NoStart, text.to_owned());
        }
        Ending::Interrupted => {
            let text = "sampling was interrupted".to_owned();
            return (Trust::No, Reason::Interrupted, text);
        }
        Ending::Spent => {
            let text = format!(
                "{} gradients were not enough for the draws that were asked for, as when the density has no end in some direction",
                found.gradients
            );
            return (Trust::No, Reason::SamplerSpent, text);
        }
        Ending::Done => {}
    }
    if found.r_hat.is_nan() {
        let text = format!("the draws of {chains} cannot be compared");
        return (Trust::No, Reason::FewDraws, text);
    }
    if r_hat > R_HAT.1 {
        let text = format!(
            "{chains} do not agree on `{worst}` (R-hat {r_hat:.2}, up to {} they would): each may have found another part of the posterior, or none has come to rest",
            R_HAT.0
        );
        return (Trust::No, Reason::ChainsDisagree, text);
    }
    if ess < WORTH.1 {
        let text = format!(
            "the {total:.0} draws of {chains} are worth only {ess:.0} independent ones, too few for a summary"
        );
        return (Trust::No, Reason::FewDraws, text);
    }
    let divergent = found.divergences as f64 / total;
    if divergent > 0.0 || found.e_bfmi < E_BFMI {
        let mut text = match found.divergences {
            0 => format!(
                "{chains} move too little between energies (E-BFMI {:.2}, {E_BFMI} at least is good)",
                found.e_bfmi
            ),
            n => format!("{n} of {total:.0} trajectories of {chains} diverged"),
        };
        text.push_str(": a narrow part of the posterior may be missing, and sds be too small");
        let trust = match divergent > DIVERGENT {
            true => Trust::No,
            false => Trust::Caution,
        };
        return (trust, Reason::Divergences, text);
    }
    let agree = format!(
        "{chains} agree (R-hat at most {r_hat:.3}), and their {total:.0} draws are worth {ess:.0} independent ones at least"
    );
    if r_hat > R_HAT.0 || ess < WORTH.0 {
        let text = format!(
            "{agree}; up to R-hat {} and from {:.0} draws on there would be no doubt",
            R_HAT.0, WORTH.0
        );
        return (Trust::Caution, Reason::FewDraws, text);
    }
    if found.deepest as f64 > DEEP * total {
        let text = format!(
            "{agree}; {} trajectories ended before they turned back, as when the posterior is very elongated",
            found.deepest
        );
        return (Trust::Caution, Reason::DeepTrees, text);
    }
    (
        Trust::Yes,
        Reason::ChainsAgree,
        format!("{agree}, without divergences"),
    )
}

//! The family `marginal`: one dense Gaussian over the globals, or a point, and the locals as they are given them.
//!
//! The locals are integrated out, so that q(θ) alone is fitted. The pattern of S describes the joint Gaussian nearest to it, which is
//! what is stored: each element's block is affine in the globals and in the elements above it.

use super::Integrated;
use super::full_rank;
use crate::joint::LogDensity;
use crate::joint::Site;
use crate::joint::locals::Forest;
use crate::joint::locals::LocalPlate;
use crate::marginal;
use crate::marginal::above_of;
use crate::shape::PlateId;
use crate::typed::GuideFamily;

/// The most globals that are not a point: their covariance is dense.
const MOST_GLOBALS: usize = 300;

/// What is integrated out of a density whose sites are to have these families, or why nothing can be.
pub(super) fn integrated<D: LogDensity + ?Sized>(
    density: &D,
    families: &[GuideFamily],
) -> Result<Integrated, String> {
    let sites = density.sites();
    let is_point = |s: usize| families[s] == GuideFamily::Point;
    let others = (0..sites.len()).find(|s| !is_point(*s) && families[*s] != GuideFamily::Marginal);
    if let Some(s) = others {
        return Err(format!(
            "the guide of `{}` is `{}`, and beside `marginal` there can be points alone",
            sites[s].name,
            families[s].name()
        ));
    }
    let point = (0..sites.len()).any(is_point);
    let mut why = String::new();
    for forest in density.forests()? {
        let fits = match point {
            true => fits_points(sites, &forest, is_point),
            false => fits_gaussian(sites, &forest),
        };
        match fits.and_then(|()| marginal::integral(density, &forest)) {
            Ok(integral) => {
                return Ok(Integrated {
                    forest,
                    integral,
                    point,
                });
            }
            // Of points the reason against the best forest counts, else that against the plainest.
            Err(reason) if !point || why.is_empty() => why = reason,
            Err(_) => {}
        }
    }
    Err(why)
}

/// That a forest leaves no more globals than a dense Gaussian can have.
fn fits_gaussian(sites: &[Site], forest: &Forest) -> Result<(), String> {
    if forest.globals.len() <= MOST_GLOBALS {
        return Ok(());
    }
    let mut globals = (0..sites.len()).filter(|s| !forest.holds(*s));
    let places = match globals.all(|s| sites[s].plate == PlateId::TOP) {
        true => "they are at the top level",
        false => "they are at the top level or in plates that cross others or mix their elements",
    };
    Err(format!(
        "too many coordinates cannot be integrated out, more than {MOST_GLOBALS}: {places}"
    ))
}

/// That a forest holds all sites but the points.
fn fits_points(
    sites: &[Site],
    forest: &Forest,
    is_point: impl Fn(usize) -> bool,
) -> Result<(), String> {
    let held = (0..sites.len()).find(|s| is_point(*s) && forest.holds(*s));
    let left = (0..sites.len()).find(|s| !is_point(*s) && !forest.holds(*s));
    match (held, left) {
        (None, None) => Ok(()),
        (Some(s), _) => Err(format!(
            "`{}` is a point, though it is of what is integrated out",
            sites[s].name
        )),
        (None, Some(s)) => Err(format!(
            "`{}` cannot be integrated out, and where some variables are points, all that are not integrated out must be",
            sites[s].name
        )),
    }
}

/// The number of values of S.
pub(super) fn size(integrated: &Integrated) -> usize {
    let forest = &integrated.forest;
    let globals = match integrated.point {
        true => 0,
        false => forest.globals.len(),
    };
    let rows = |p: &LocalPlate| p.count * p.width * (globals + p.chain_width(forest));
    globals * (globals + 1) / 2 + forest.plates.iter().map(rows).sum::<usize>()
}

/// Rows of S: the globals each on those before, every local coordinate on all globals, those above it and those before it. A point
/// has no rows, and nothing depends on its noise.
pub(super) fn rows(sites: &[Site], integrated: &Integrated) -> Vec<(u32, Vec<u32>)> {
    let forest = &integrated.forest;
    let globals = (0..sites.len()).filter(|s| !forest.holds(*s) && !integrated.point);
    let mut rows = full_rank::rows(globals.map(|s| &sites[s]));
    let globals = rows.last().map(|(r, _)| *r);
    for plate in &forest.plates {
        for i in 0..plate.count {
            let mut before: Vec<u32> = globals.into_iter().collect();
            before.extend(above_of(forest, plate, i).map(|c| c as u32));
            for k in 0..plate.width {
                let r = (plate.at(k, i)) as u32;
                // The pattern is closed: the next coordinate depends on all that this one does.
                rows.push((r, std::mem::replace(&mut before, vec![r])));
            }
        }
    }
    rows
}

/// The sites that the factor of a site is conditional on.
pub(super) fn given(sites: &[Site], integrated: &Integrated, site: usize) -> Vec<usize> {
    let plates = &integrated.forest.plates;
    let place = |s: usize| plates.iter().position(|p| p.sites.contains(&s));
    let own = place(site);
    let above = own.map_or(&[][..], |own| &plates[own].above);
    (0..sites.len())
        .filter(|s| match (place(*s), own) {
            (None, None) => *s < site && !integrated.point,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (Some(p), Some(own)) if p == own => *s < site,
            (Some(p), Some(_)) => above.iter().any(|a| a.place == p),
        })
        .collect()
}

//! The family `marginal`: one dense Gaussian over the globals, and the locals as they are given them.
//!
//! The locals are integrated out, so that q(θ) alone is fitted. The pattern of S describes the joint Gaussian nearest to it, which is
//! what is stored: each element's block is affine in the globals and in the elements above it.

use super::Integrated;
use super::full_rank;
use crate::joint::LogDensity;
use crate::joint::Site;
use crate::joint::locals::LocalPlate;
use crate::marginal;
use crate::marginal::above_of;

/// What is integrated out of a density, or why nothing can be.
pub(super) fn integrated<D: LogDensity + ?Sized>(density: &D) -> Result<Integrated, String> {
    let mut why = String::new();
    for forest in density.forests()? {
        match marginal::integral(density, &forest) {
            Ok(integral) => return Ok(Integrated { forest, integral }),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// The number of values of S.
pub(super) fn size(integrated: &Integrated) -> usize {
    let forest = &integrated.forest;
    let globals = forest.globals.len();
    let rows = |p: &LocalPlate| p.count * p.width * (globals + p.chain_width(forest));
    globals * (globals + 1) / 2 + forest.plates.iter().map(rows).sum::<usize>()
}

/// Rows of S: the globals each on those before, every local coordinate on all globals, those above it and those before it.
pub(super) fn rows(sites: &[Site], integrated: &Integrated) -> Vec<(u32, Vec<u32>)> {
    let forest = &integrated.forest;
    let globals = (0..sites.len()).filter(|s| !forest.holds(*s));
    let mut rows = full_rank::rows(globals.map(|s| &sites[s]));
    let globals = forest.globals.last().copied();
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
            (None, None) => *s < site,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (Some(p), Some(own)) if p == own => *s < site,
            (Some(p), Some(_)) => above.iter().any(|a| a.place == p),
        })
        .collect()
}

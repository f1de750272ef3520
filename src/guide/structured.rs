//! The family `structured`: a block-arrow Gaussian, as the plates are drawn.
//!
//! The sites of one plate form a block in each of its elements. A block is dense in itself and affine in the blocks above it: the top
//! level's, and those of the elements that it lies in,
//!
//! φ_i = μ_i + A_i (z_above − μ_above) + L_i ε_i,
//!
//! so that q(φ_i | z_above) = N(μ_i + A_i (z_above − μ_above), L_i L_iᵀ). Written in the noise of the blocks above, z_above − μ_above =
//! S_above ε_above, the row of S is (A_i S_above, L_i): the parameters are C_i = A_i S_above and L_i, the same family without any product.

use crate::joint::Above;
use crate::joint::Element;
use crate::joint::Site;
use crate::shape::PlateId;

/// The sites of one plate.
#[derive(Debug)]
pub(super) struct Block {
    /// Its sites, by their places, in their order.
    pub(super) sites: Vec<usize>,
    /// The sites that it is conditional on, with the element that belongs to each of its elements.
    pub(super) given: Vec<Above>,
}

impl Block {
    /// The coordinates of one element.
    pub(super) fn element(&self, sites: &[Site], i: usize) -> Vec<u32> {
        self.sites
            .iter()
            .flat_map(|s| element(&sites[*s], i))
            .collect()
    }

    /// Its elements.
    pub(super) fn len(&self, sites: &[Site]) -> usize {
        sites[self.sites[0]].len
    }

    /// Coordinates of one element, and of what it is conditional on.
    pub(super) fn widths(&self, sites: &[Site]) -> (usize, usize) {
        (
            self.sites.iter().map(|s| sites[*s].width).sum(),
            self.given.iter().map(|a| sites[a.site].width).sum(),
        )
    }

    /// Rows of S for each coordinate of each element; `also` is a further coordinate that all of them depend on.
    pub(super) fn rows(&self, sites: &[Site], also: Option<u32>) -> Vec<(u32, Vec<u32>)> {
        let mut rows = Vec::new();
        for i in 0..self.len(sites) {
            let mut above: Vec<u32> = also.into_iter().collect();
            for given in &self.given {
                let at = match &given.element {
                    Element::Top => 0,
                    Element::Same => i,
                    Element::Map(map) => map[i] as usize,
                };
                above.extend(element(&sites[given.site], at));
            }
            for r in self.element(sites, i) {
                // The pattern is closed: the next coordinate depends on all that this one does.
                rows.push((r, std::mem::replace(&mut above, vec![r])));
            }
        }
        rows
    }
}

/// The blocks of the sites for which `member` holds, each after those that it is conditional on.
pub(super) fn blocks(sites: &[Site], member: impl Fn(usize) -> bool) -> Vec<Block> {
    let mut plates: Vec<PlateId> = Vec::new();
    for (i, site) in sites.iter().enumerate() {
        if member(i) && !plates.contains(&site.plate) {
            plates.push(site.plate);
        }
    }
    let mut waiting: Vec<Block> = plates
        .iter()
        .map(|plate| block(sites, &member, *plate))
        .collect();
    let mut done: Vec<Block> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|b| {
            let known = |a: &Above| done.iter().any(|d| d.sites.contains(&a.site));
            b.given.iter().all(known)
        });
        done.push(waiting.remove(ready.expect("invariant: no plate lies above itself")));
    }
    done
}

fn block(sites: &[Site], member: &impl Fn(usize) -> bool, plate: PlateId) -> Block {
    let own: Vec<usize> = (0..sites.len())
        .filter(|s| member(*s) && sites[*s].plate == plate)
        .collect();
    let mut given: Vec<Above> = Vec::new();
    // Sites of the top level that come later in the text lie above every other plate all the same.
    let top = (0..sites.len())
        .filter(|s| sites[*s].plate == PlateId::TOP)
        .map(|site| Above {
            site,
            element: Element::Top,
        });
    for above in top.chain(own.iter().flat_map(|s| sites[*s].above.iter().cloned())) {
        let new = member(above.site) && sites[above.site].plate != plate;
        if new && given.iter().all(|g| g.site != above.site) {
            given.push(above);
        }
    }
    Block { sites: own, given }
}

/// The coordinates of a site.
pub(super) fn coordinates(site: &Site) -> std::ops::Range<u32> {
    site.offset as u32..(site.offset + site.width * site.len) as u32
}

fn element(site: &Site, i: usize) -> impl Iterator<Item = u32> + '_ {
    (0..site.width).map(move |k| (site.offset + k * site.len + i) as u32)
}

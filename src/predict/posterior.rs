//! What is kept of a fit for later data: draws of its latent variables, with the labels of their elements.

use super::Refusal;
use crate::diagnostics::Diagnostics;
use crate::joint::Joint;
use crate::joint::Site;
use crate::model::BoundScaling;
use crate::model::Known;
use crate::model::Model;
use crate::num::rng;
use crate::shape::Dim;
use crate::shape::PlateId;
use crate::typed::ColumnId;
use crate::typed::Overrides;
use crate::typed::PlateSource;
use crate::typed::Scaling;
use crate::typed::SizeSource;
use crate::typed::Typed;
use indexmap::IndexMap;
use rand_distr::Distribution;
use rand_distr::StandardNormal;
use serde::Deserialize;
use serde::Serialize;
use std::collections::HashMap;

/// The version of the two files.
const VERSION: u32 = 1;
/// Draws that are kept: the most and the fewest, and the numbers in them between these.
pub(super) const KEPT: (usize, usize, usize) = (1000, 64, 500_000);
/// The most numbers: with more of them the variables of the largest plates are not kept, and their elements are as if never seen.
const MOST: usize = 16_000_000;

/// Draws of a posterior, all with the same weight, and what new data are read by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Posterior {
    version: u32,
    /// The `--set` settings of the fit.
    pub settings: Overrides,
    /// The labels of the elements of every plate but those of rows.
    pub(super) plates: IndexMap<String, Vec<String>>,
    /// The labels of the levels of categories and ordinals.
    levels: IndexMap<String, Vec<String>>,
    scalings: Vec<Stored>,
    pub(super) sites: Vec<StoredSite>,
    /// The number of draws.
    pub(super) count: usize,
    /// Draw after draw, in each the sites one after another: coordinate `k` of element `i` of a site at `k * len + i`.
    #[serde(skip)]
    pub(super) draws: Vec<f64>,
    /// Of sites that are not in the draws because one Gaussian serves for all of them: the means of a site, in the order of a draw, and
    /// then the sds, site after site.
    #[serde(skip)]
    pub(super) normals: Vec<f64>,
}

/// A latent variable that does not stand in a plate of rows, on its unconstrained scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredSite {
    pub(super) name: String,
    /// None at the top level.
    pub(super) plate: Option<String>,
    /// 0 where no element is kept.
    pub(super) width: usize,
    pub(super) len: usize,
    /// Whether its coordinates are independent Gaussians, the same in every draw of the others.
    #[serde(default, skip_serializing_if = "is_drawn")]
    pub(super) normal: bool,
}

impl StoredSite {
    /// Its numbers in a draw, or its means.
    pub(super) fn size(&self) -> usize {
        self.width * self.len
    }
}

/// Whether a site is in the draws.
fn is_drawn(normal: &bool) -> bool {
    !*normal
}

/// What `center` or `standardize` did to a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    column: String,
    scaling: String,
    mean: Vec<f64>,
    sd: Vec<f64>,
}

impl Posterior {
    /// The draws of an assessed fit, with their weights taken account of. None are kept of plates of rows, whose elements are always new,
    /// nor of plates with millions of variables.
    pub fn of(joint: &Joint, found: &Diagnostics, settings: &Overrides) -> Posterior {
        let model = joint.model();
        let typed = model.typed();
        let mut dropped = dropped(joint.sites(), typed, MOST);
        let kept: Vec<&Site> = (joint.sites().iter())
            .filter(|site| !dropped.contains(&site.plate))
            .collect();
        // Of a fit that finds them anew whenever they are wanted there are no draws either.
        let absent = typed.latents().iter().filter(|latent| {
            let known = kept.iter().any(|site| site.name == latent.name);
            !known && latent.plate != PlateId::TOP && !is_of_rows(typed, latent.plate)
        });
        let absent: Vec<StoredSite> = absent
            .map(|latent| {
                dropped.push(latent.plate);
                StoredSite {
                    name: latent.name.clone(),
                    plate: Some(typed.plates()[latent.plate.index()].name.clone()),
                    width: 0,
                    len: 0,
                    normal: false,
                }
            })
            .collect();
        let dim: usize = kept.iter().map(|s| s.width * s.len).sum();
        let count = (KEPT.2 / dim.max(1)).clamp(KEPT.1, KEPT.0);
        let chosen = resampled(found, count);
        let mut draws = Vec::with_capacity(dim * chosen.len());
        for i in &chosen {
            for site in &kept {
                let range = site.offset..site.offset + site.width * site.len;
                draws.extend_from_slice(&found.draws[*i][range]);
            }
        }
        let plates = typed.plates().iter().enumerate().skip(1);
        let labelled = plates.filter(|(p, _)| {
            let plate = PlateId(*p as u32);
            !dropped.contains(&plate) && !is_of_rows(typed, plate)
        });
        let columns = typed.columns().iter().enumerate();
        let levels = columns.filter_map(|(c, column)| {
            let levels = &model.column(ColumnId(c as u32)).levels;
            (!levels.is_empty()).then(|| (column.name.clone(), levels.clone()))
        });
        let scalings = model.scalings().iter().map(|s| Stored {
            column: typed.columns()[s.column.index()].name.clone(),
            scaling: name_of(s.scaling).to_owned(),
            mean: s.mean.clone(),
            sd: s.sd.clone(),
        });
        Posterior {
            version: VERSION,
            settings: settings.clone(),
            plates: labelled
                .map(|(p, plate)| {
                    let labels = &model.plates()[p].labels;
                    let labels = (0..labels.len()).map(|i| labels.get(i)).collect();
                    (plate.name.clone(), labels)
                })
                .collect(),
            levels: levels.collect(),
            scalings: scalings.collect(),
            sites: kept
                .into_iter()
                .map(|site| StoredSite {
                    name: site.name.clone(),
                    plate: (site.plate != PlateId::TOP)
                        .then(|| typed.plates()[site.plate.index()].name.clone()),
                    width: site.width,
                    len: site.len,
                    normal: false,
                })
                .chain(absent)
                .collect(),
            count: chosen.len(),
            draws,
            normals: Vec::new(),
        }
    }

    /// The number of draws.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What new data are read by; the columns in `unread` are not.
    pub fn known(&self, typed: &Typed, unread: Vec<ColumnId>) -> Known {
        let column = |name: &str| {
            let place = typed.columns().iter().position(|c| c.name == name)?;
            Some(ColumnId(place as u32))
        };
        let scalings = self.scalings.iter().filter_map(|s| {
            let all = [Scaling::Center, Scaling::Standardize];
            Some(BoundScaling {
                column: column(&s.column)?,
                scaling: all.into_iter().find(|k| name_of(*k) == s.scaling)?,
                mean: s.mean.clone(),
                sd: s.sd.clone(),
            })
        });
        Known {
            levels: self.levels.clone(),
            scalings: scalings.collect(),
            unread,
        }
    }

    /// The names of its two files.
    pub const FILES: [&'static str; 2] = ["posterior.json", "draws.f64"];

    /// Its two files: what the draws are of, as JSON, and the draws, as 64-bit floating-point numbers in little-endian order, behind them
    /// the means and sds of what one Gaussian serves for.
    pub fn files(&self) -> serde_json::Result<[Vec<u8>; 2]> {
        let mut head = serde_json::to_vec(self)?;
        head.push(b'\n');
        let numbers = self.draws.iter().chain(&self.normals);
        Ok([head, numbers.flat_map(|x| x.to_le_bytes()).collect()])
    }

    /// From its two files, or in words why not.
    pub fn from_files(head: &[u8], draws: &[u8]) -> Result<Posterior, String> {
        let mut posterior: Posterior = serde_json::from_slice(head).map_err(|e| e.to_string())?;
        if posterior.version != VERSION {
            return Err(format!(
                "its version is {}, this program reads version {VERSION}",
                posterior.version
            ));
        }
        let numbers = draws.chunks_exact(8).map(|bytes| {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            f64::from_le_bytes(eight)
        });
        posterior.draws = numbers.collect();
        let drawn = posterior.count * posterior.dim();
        let normal = posterior.sites.iter().filter(|s| s.normal);
        let normal: usize = normal.map(|s| 2 * s.size()).sum();
        if draws.len() != 8 * (drawn + normal) {
            return Err("the number of draws is another".to_owned());
        }
        posterior.normals = posterior.draws.split_off(drawn);
        Ok(posterior)
    }

    /// The numbers of one draw.
    pub(super) fn dim(&self) -> usize {
        let drawn = self.sites.iter().filter(|s| !s.normal);
        drawn.map(StoredSite::size).sum()
    }

    /// A draw of the sites that are not Gaussian.
    pub(super) fn draw(&self, s: usize) -> &[f64] {
        &self.draws[s * self.dim()..][..self.dim()]
    }

    /// Where the elements and sites of new data stand in it.
    ///
    /// # Errors
    /// A variable that is of another size than in the fit.
    pub(super) fn matched(&self, model: &Model, sites: &[Site]) -> Result<Matched, Refusal> {
        let typed = model.typed();
        let elements = typed.plates().iter().enumerate().map(|(p, plate)| {
            let labels = &model.plates()[p].labels;
            match self.plates.get(&plate.name) {
                _ if p == 0 => vec![Some(0)],
                None => vec![None; labels.len()],
                Some(known) => {
                    let place: HashMap<&str, u32> =
                        (known.iter().map(String::as_str)).zip(0..).collect();
                    let find = |i| place.get(labels.get(i).as_str()).copied();
                    (0..labels.len()).map(find).collect()
                }
            }
        });
        let (mut drawn, mut normal) = (0, 0);
        let mut stored: HashMap<&str, (usize, &StoredSite)> = HashMap::new();
        for site in &self.sites {
            let offset = if site.normal { &mut normal } else { &mut drawn };
            stored.insert(&site.name, (*offset, site));
            *offset += site.size() * if site.normal { 2 } else { 1 };
        }
        let mut places = Vec::new();
        for site in sites {
            let Some((offset, known)) = stored.get(site.name.as_str()) else {
                places.push(None);
                continue;
            };
            self.same_dimensions(model, site)?;
            if known.len > 0 && known.width != site.width {
                return Err(Refusal::new(
                    format!(
                        "`{}` has {} coordinates in the fit and {} with these data",
                        site.name, known.width, site.width
                    ),
                    "the columns that make up a vector must be those of the fit",
                ));
            }
            places.push(Some(StoredPlace {
                offset: *offset,
                size: known.size(),
                len: known.len,
                normal: known.normal,
            }));
        }
        Ok(Matched {
            elements: elements.collect(),
            places,
        })
    }

    /// That a variable with one component for each element of a plate has those of the fit.
    fn same_dimensions(&self, model: &Model, site: &Site) -> Result<(), Refusal> {
        let typed = model.typed();
        for dim in &typed.latents()[site.latent.index()].event {
            let Dim::Size(size, _) = dim else { continue };
            let SizeSource::Plate(plate) = typed.sizes()[size.index()].source else {
                continue;
            };
            let name = &typed.plates()[plate.index()].name;
            let labels = &model.plate(plate).labels;
            let own = (0..labels.len()).map(|i| labels.get(i));
            if !self
                .plates
                .get(name)
                .is_some_and(|known| own.eq(known.iter().cloned()))
            {
                return Err(Refusal::new(
                    format!(
                        "`{}` has a component for each element of `{name}`, which are others in these data than in the fit",
                        site.name
                    ),
                    format!("new data need the same elements of `{name}`"),
                ));
            }
        }
        Ok(())
    }
}

/// Where the elements and sites of new data stand in a posterior.
pub(super) struct Matched {
    /// For each plate and element its place among those of the fit.
    pub(super) elements: Vec<Vec<Option<u32>>>,
    places: Vec<Option<StoredPlace>>,
}

/// Where a site stands in a posterior: its first number in a draw or, if it is Gaussian, its first mean; its numbers and elements.
struct StoredPlace {
    offset: usize,
    size: usize,
    len: usize,
    normal: bool,
}

impl Matched {
    /// The elements of a plate that the fit has not seen.
    pub(super) fn unseen(&self, plate: PlateId) -> Vec<usize> {
        let elements = self.elements[plate.index()].iter().enumerate();
        elements
            .filter(|(_, e)| e.is_none())
            .map(|(i, _)| i)
            .collect()
    }

    /// Writes what draw `s` knows over unconstrained coordinates. Gaussians are drawn anew, alike in every call.
    pub(super) fn fill(&self, posterior: &Posterior, s: usize, sites: &[Site], z: &mut [f64]) {
        let draw = posterior.draw(s);
        let mut rng = rng::stream(s as u64);
        for (site, place) in sites.iter().zip(&self.places) {
            let Some(place) = place else { continue };
            let numbers = if place.normal {
                &posterior.normals[place.offset..][..2 * place.size]
            } else {
                &draw[place.offset..][..place.size]
            };
            for (i, element) in self.elements[site.plate.index()].iter().enumerate() {
                let Some(element) = element else { continue };
                for k in 0..site.width {
                    let at = k * place.len + *element as usize;
                    z[site.offset + k * site.len + i] = if place.normal {
                        let e: f64 = StandardNormal.sample(&mut rng);
                        numbers[at] + numbers[place.size + at] * e
                    } else {
                        numbers[at]
                    };
                }
            }
        }
    }
}

/// The plates whose variables are not kept: those of rows, and as many of the others, the largest first, as leave at most `most` numbers.
fn dropped(sites: &[Site], typed: &Typed, most: usize) -> Vec<PlateId> {
    let size = |plate: PlateId| -> usize {
        let own = sites.iter().filter(|s| s.plate == plate);
        own.map(|s| s.width * s.len).sum()
    };
    let mut plates: Vec<PlateId> = sites.iter().map(|s| s.plate).collect();
    plates.sort_unstable();
    plates.dedup();
    plates.retain(|p| *p != PlateId::TOP);
    let (mut dropped, mut others): (Vec<PlateId>, Vec<PlateId>) =
        plates.into_iter().partition(|p| is_of_rows(typed, *p));
    others.sort_by_key(|p| size(*p));
    while KEPT.1 * others.iter().map(|p| size(*p)).sum::<usize>() > most {
        dropped.extend(others.pop());
    }
    dropped
}

/// Whether the elements of a plate are rows, which are new in every table.
pub(super) fn is_of_rows(typed: &Typed, plate: PlateId) -> bool {
    matches!(typed.plates()[plate.index()].source, PlateSource::Rows(_))
}

fn name_of(scaling: Scaling) -> &'static str {
    match scaling {
        Scaling::Center => "center",
        Scaling::Standardize => "standardize",
    }
}

/// Up to `count` of the draws, by number: in the order of their first coordinate, so that they are spread over it evenly, and each as
/// often as its weight asks for (systematic resampling). A fit that is a single point stands for all of them: what is drawn given it differs.
fn resampled(found: &Diagnostics, count: usize) -> Vec<usize> {
    let first = |i: &usize| found.draws[*i].first().copied().unwrap_or(0.0);
    let mut order: Vec<usize> = (0..found.draws.len()).collect();
    order.sort_by(|a, b| first(a).total_cmp(&first(b)));
    let count = match order.len() {
        1 => count,
        draws => count.min(draws),
    };
    let total: f64 = found.log_weights.iter().map(|w| w.exp()).sum();
    let mut chosen = Vec::with_capacity(count);
    let mut below = 0.0;
    for i in order {
        below += found.log_weights[i].exp() / total;
        while chosen.len() < count && (chosen.len() as f64 + 0.5) / count as f64 <= below {
            chosen.push(i);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast;
    use crate::source::Source;
    use crate::typed;
    use crate::typed::LatentId;

    #[test]
    fn the_largest_plates_are_dropped_first() {
        let text = "m ~ Normal(0, 1)\nplate a { x ~ Normal(m, 1) }\nplate b { y ~ Normal(m, 1) }\nplate r = rows { z ~ Normal(m, 1) }\n";
        let source = Source::new("test.hvi", text);
        let tree = ast::parse(&source).expect("the text parses");
        let (typed, _) = typed::check(&source, &tree, &Overrides::new()).expect("a right model");
        let plate = |name: &str| {
            let place = typed.plates().iter().position(|p| p.name == name);
            PlateId(place.unwrap_or(0) as u32)
        };
        let site = |plate: PlateId, len: usize| Site {
            latent: LatentId(0),
            name: String::new(),
            plate,
            offset: 0,
            len,
            width: 1,
            above: Vec::new(),
            start: Vec::new(),
        };
        let sites = [
            site(PlateId::TOP, 1),
            site(plate("a"), 100),
            site(plate("b"), 10),
            site(plate("r"), 5),
        ];
        let all = |most| dropped(&sites, &typed, most);
        assert_eq!(all(64 * 110), [plate("r")]);
        assert_eq!(all(64 * 109), [plate("r"), plate("a")]);
        assert_eq!(all(0), [plate("r"), plate("a"), plate("b")]);
    }
}

//! From the plates and the `guide` block to the pattern of S and its factors.

use super::Factor;
use super::Guide;
use super::GuideSpec;
use super::Integrated;
use super::full_rank;
use super::low_rank;
use super::marginal;
use super::mean_field;
use super::pattern::Pattern;
use super::point;
use super::structured;
use super::structured::Block;
use crate::joint::LogDensity;
use crate::joint::Site;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::GuideFamily;
use crate::typed::GuideRule;
use crate::typed::GuideTarget;

/// The largest number of values of S: 400 MB with what the optimiser keeps of it.
const MOST_PARAMS: usize = 5_000_000;

/// The largest number of Hessian products for one look at the curvature.
const MOST_PROBES: usize = 300;

/// Derives the guide of a log density: from its plates, its own rules, and what is asked for beside them.
pub fn derive<D: LogDensity + ?Sized>(density: &D, spec: &GuideSpec) -> Result<Guide, Problems> {
    let sites = density.sites();
    let rules = density.guide_rules();
    let wanted = spec
        .default
        .or_else(|| rule(rules, |t| t == GuideTarget::Default));
    let (integrated, approximated) = integrated(density, wanted)?;
    let otherwise = match &integrated {
        Some(_) => GuideFamily::Marginal,
        None => GuideFamily::Structured,
    };
    let default = wanted.unwrap_or(otherwise);
    let families = families(sites, rules, default);
    let members = |family| {
        (sites.iter().zip(&families))
            .filter(move |(_, f)| **f == family)
            .map(|(site, _)| site)
    };

    if families.contains(&GuideFamily::Laplace)
        && families.iter().any(|f| *f != GuideFamily::Laplace)
    {
        return Err(mixed_laplace(rules).into());
    }
    let blocks = structured::blocks(sites, |s| {
        matches!(families[s], GuideFamily::Structured | GuideFamily::Laplace)
    });
    let mut ranks: Vec<u32> = (families.iter())
        .filter_map(|f| match f {
            GuideFamily::LowRank(rank) => Some(*rank),
            GuideFamily::Marginal
            | GuideFamily::Structured
            | GuideFamily::MeanField
            | GuideFamily::FullRank
            | GuideFamily::Laplace
            | GuideFamily::Point => None,
        })
        .collect();
    ranks.sort_unstable();
    ranks.dedup();
    let dense: usize = members(GuideFamily::FullRank)
        .map(|s| s.width * s.len)
        .sum();
    let locals = integrated.as_ref().map_or(0, marginal::size);
    let low: usize = (ranks.iter())
        .map(|k| {
            let own = members(GuideFamily::LowRank(*k)).map(|s| s.width * s.len);
            own.sum::<usize>() * (1 + *k as usize)
        })
        .sum();
    let size = dense * (dense + 1) / 2 + low + blocks_size(&blocks, sites) + locals;
    if size > MOST_PARAMS {
        return Err(too_large(size, default, rules).into());
    }

    let mut rows = (integrated.as_ref()).map_or(Vec::new(), |i| marginal::rows(sites, i));
    rows.extend(full_rank::rows(members(GuideFamily::FullRank)));
    let last = rows.last().map(|(r, _)| *r);
    for block in &blocks {
        rows.extend(block.rows(sites, last.filter(|_| below_dense(block, sites, &families))));
    }
    for k in &ranks {
        let own = members(GuideFamily::LowRank(*k));
        rows.extend(low_rank::rows(own, *k as usize));
    }
    rows.extend(members(GuideFamily::MeanField).flat_map(mean_field::rows));
    rows.extend(members(GuideFamily::Point).flat_map(|_| point::rows()));
    let pattern = Pattern::new(density.dim(), &rows);
    let factors = (0..sites.len())
        .map(|s| {
            let given = match &integrated {
                Some(integrated) => marginal::given(sites, integrated, s),
                None => given(s, sites, &families, &blocks),
            };
            factor(s, sites, families[s], given, &pattern)
        })
        .collect();
    let (curvature, probes) = curvature(sites, density.dim());
    Ok(Guide {
        factors,
        pattern,
        curvature,
        probes,
        integrated,
        approximated,
    })
}

/// The family of each site: that of the rule for it, for its plate, or the default.
fn families(sites: &[Site], rules: &[GuideRule], default: GuideFamily) -> Vec<GuideFamily> {
    let of = |site: &Site| {
        rule(rules, |t| t == GuideTarget::Latent(site.latent))
            .or_else(|| rule(rules, |t| t == GuideTarget::Plate(site.plate)))
            .unwrap_or(default)
    };
    sites.iter().map(of).collect()
}

/// What is integrated out, or why nothing is though it was tried: where `marginal` is asked for, and by default where there are locals and the model says nothing else.
fn integrated<D: LogDensity + ?Sized>(
    density: &D,
    wanted: Option<GuideFamily>,
) -> Result<(Option<Integrated>, Option<String>), Problems> {
    let rules = density.guide_rules();
    let asked = |r: &&GuideRule| r.family == GuideFamily::Marginal;
    let named = rules.iter().find(|r| r.target != GuideTarget::Default);
    if wanted == Some(GuideFamily::Marginal) || rules.iter().any(|r| asked(&r)) {
        let default = wanted.unwrap_or(GuideFamily::Marginal);
        let families = families(density.sites(), rules, default);
        let found = marginal::integrated(density, &families);
        return found.map(|found| (Some(found), None)).map_err(|why| {
            let message = format!("`marginal` is not possible for this model: {why}");
            let problem = match rules.iter().find(asked) {
                Some(rule) => Problem::at(Code::LocalsNotIntegrated, rule.span, message),
                None => Problem::nowhere(Code::LocalsNotIntegrated, message),
            };
            problem
                .hint("`structured` approximates the locals by a Gaussian")
                .into()
        });
    }
    let flat = density.sites().iter().all(|s| s.plate == PlateId::TOP);
    if wanted.is_some() || named.is_some() || flat {
        return Ok((None, None));
    }
    let families = vec![GuideFamily::Marginal; density.sites().len()];
    Ok(match marginal::integrated(density, &families) {
        Ok(found) if found.forest.plates.is_empty() => {
            (None, Some("no plate's elements are independent".to_owned()))
        }
        Ok(found) if marginal::size(&found) > MOST_PARAMS => (
            None,
            Some("there are too many of them for the number of globals".to_owned()),
        ),
        Ok(found) => (Some(found), None),
        Err(why) => (None, Some(why)),
    })
}

/// The family that the last fitting rule asks for.
fn rule(rules: &[GuideRule], fits: impl Fn(GuideTarget) -> bool) -> Option<GuideFamily> {
    rules
        .iter()
        .rev()
        .find(|r| fits(r.target))
        .map(|r| r.family)
}

/// Whether a structured block lies below a site of the dense block.
fn below_dense(block: &Block, sites: &[Site], families: &[GuideFamily]) -> bool {
    (block.sites.iter())
        .flat_map(|s| &sites[*s].above)
        .any(|a| families[a.site] == GuideFamily::FullRank)
}

fn factor(
    site: usize,
    sites: &[Site],
    family: GuideFamily,
    given: Vec<usize>,
    pattern: &Pattern,
) -> Factor {
    let own = structured::coordinates(&sites[site]);
    let (from, to) = (own.start as usize, own.end as usize);
    Factor {
        site,
        family,
        given,
        params: (from..to).map(|r| 1 + pattern.row(r).len()).sum(),
        coordinates: (from, to),
    }
}

/// The sites that the factor of a site is conditional on.
fn given(site: usize, sites: &[Site], families: &[GuideFamily], blocks: &[Block]) -> Vec<usize> {
    let dense = |before: usize| -> Vec<usize> {
        (0..before)
            .filter(|s| families[*s] == GuideFamily::FullRank)
            .collect()
    };
    match families[site] {
        // A guide that integrates locals out is one for all sites.
        GuideFamily::MeanField | GuideFamily::Point | GuideFamily::Marginal => Vec::new(),
        GuideFamily::FullRank => dense(site),
        GuideFamily::LowRank(rank) => {
            // Those that hold one of the family's first coordinates.
            let mut left = rank as usize;
            (0..site)
                .filter(|s| families[*s] == families[site])
                .filter(|s| {
                    let holds = left > 0;
                    left = left.saturating_sub(sites[*s].width * sites[*s].len);
                    holds
                })
                .collect()
        }
        GuideFamily::Structured | GuideFamily::Laplace => {
            let block = blocks
                .iter()
                .find(|b| b.sites.contains(&site))
                .expect("invariant: every structured site is in a block");
            let mut given: Vec<usize> = block.given.iter().map(|a| a.site).collect();
            if below_dense(block, sites, families) {
                given.extend(dense(sites.len()));
            }
            given.extend(block.sites.iter().filter(|s| **s < site));
            given.sort_unstable();
            given
        }
    }
}

/// The pattern of the log density's curvature, and the coordinates that one Hessian product can probe together.
fn curvature(sites: &[Site], dim: usize) -> (Pattern, Vec<Vec<u32>>) {
    let blocks = structured::blocks(sites, |_| true);
    let probes: usize = blocks.iter().map(|b| b.widths(sites).0).sum();
    if probes > MOST_PROBES || blocks_size(&blocks, sites) > MOST_PARAMS {
        let diagonal: Vec<(u32, Vec<u32>)> = sites.iter().flat_map(mean_field::rows).collect();
        return (Pattern::new(dim, &diagonal), Vec::new());
    }
    let rows: Vec<(u32, Vec<u32>)> = (blocks.iter()).flat_map(|b| b.rows(sites, None)).collect();
    let mut probes = Vec::new();
    for block in &blocks {
        let elements: Vec<Vec<u32>> = (0..block.len(sites))
            .map(|i| block.element(sites, i))
            .collect();
        for k in 0..block.widths(sites).0 {
            probes.push(elements.iter().map(|e| e[k]).collect());
        }
    }
    (Pattern::new(dim, &rows), probes)
}

/// The number of values of S in these blocks.
fn blocks_size(blocks: &[Block], sites: &[Site]) -> usize {
    blocks
        .iter()
        .map(|b| {
            let (own, given) = b.widths(sites);
            b.len(sites) * (own * given + own * (own + 1) / 2)
        })
        .sum()
}

fn mixed_laplace(rules: &[GuideRule]) -> Problem {
    let message = "`laplace` is a guide for the whole model";
    let named = |r: &&GuideRule| r.target != GuideTarget::Default;
    match rules.iter().find(named) {
        Some(rule) => Problem::at(Code::MixedLaplace, rule.span, message),
        None => Problem::nowhere(Code::MixedLaplace, message),
    }
    .hint("`guide { default laplace }`, without rules for single variables or plates")
}

fn too_large(size: usize, default: GuideFamily, rules: &[GuideRule]) -> Problem {
    let message = format!(
        "the guide would have {size} parameters, and more than {MOST_PARAMS} are not supported"
    );
    let dense = match default {
        GuideFamily::FullRank => GuideFamily::FullRank,
        GuideFamily::Marginal
        | GuideFamily::Structured
        | GuideFamily::MeanField
        | GuideFamily::LowRank(_)
        | GuideFamily::Laplace
        | GuideFamily::Point => GuideFamily::Structured,
    };
    let rule = rules.iter().find(|r| {
        r.family == GuideFamily::FullRank || (r.family == dense && r.target == GuideTarget::Default)
    });
    match rule {
        Some(rule) => Problem::at(Code::GuideTooLarge, rule.span, message),
        None => Problem::nowhere(Code::GuideTooLarge, message),
    }
    .hint("add `guide { NAME: mean_field }` for the largest variables")
}

//! The family `full_rank`: one dense Gaussian over all coordinates of all sites of the family, independent of every other family's
//! sites but those `structured` ones that lie below it.

use super::structured::coordinates;
use crate::joint::Site;

/// Rows of S that hold every earlier coordinate of the family.
pub(super) fn rows<'a>(sites: impl Iterator<Item = &'a Site>) -> Vec<(u32, Vec<u32>)> {
    let mut before: Option<u32> = None;
    sites
        .flat_map(coordinates)
        // The pattern is closed: what depends on the coordinate before depends on all before that.
        .map(|r| (r, before.replace(r).into_iter().collect()))
        .collect()
}

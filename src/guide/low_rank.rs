//! The family `low_rank(k)`: all coordinates of the family share the noise of its first k, and have noise of their own besides.
//!
//! Σ = B Bᵀ + D with B of k columns and D diagonal, 0 in the first k places: the k coordinates that come first (the top level's, as a
//! rule) have a dense covariance, and those below them are related through them alone.

use super::structured::coordinates;
use crate::joint::Site;

/// Rows of S that hold the first `rank` coordinates of the family.
pub(super) fn rows<'a>(sites: impl Iterator<Item = &'a Site>, rank: usize) -> Vec<(u32, Vec<u32>)> {
    let mut first: Vec<u32> = Vec::with_capacity(rank);
    sites
        .flat_map(coordinates)
        .map(|r| {
            // The pattern is closed: what depends on the last of them depends on all.
            let row = (r, first.last().copied().into_iter().collect());
            if first.len() < rank {
                first.push(r);
            }
            row
        })
        .collect()
}

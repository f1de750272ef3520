//! The family `mean_field`: every coordinate independent of all others, q(site) = Π_r N(μ_r, s_r²).

use super::structured::coordinates;
use crate::joint::Site;

/// Rows of S that hold their diagonal alone.
pub(super) fn rows(site: &Site) -> Vec<(u32, Vec<u32>)> {
    coordinates(site).map(|r| (r, Vec::new())).collect()
}

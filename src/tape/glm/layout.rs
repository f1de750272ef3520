//! How the elements of a recognised term are cut: runs of the same groups, and chunks that are summed apart.

use super::Affine;
use super::Group;
use crate::tape::elementwise::MOST_LANES;

/// The shortest runs, on average, for which a group counts as sorted.
const SHORTEST_RUN: usize = 6;
/// The elements of a chunk.
const CHUNK: usize = 64 * MOST_LANES;
/// The most chunks.
const MOST_CHUNKS: usize = 64;

/// Marks the groups that are sorted, and gives the runs on which all of these are constant.
pub(super) fn runs(groups: &mut [Group], len: usize) -> Vec<u32> {
    let changes = |index: &[u32]| index.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1;
    let mut order: Vec<(usize, usize)> = groups
        .iter()
        .map(|group| changes(&group.index))
        .enumerate()
        .map(|(k, runs)| (runs, k))
        .collect();
    order.sort_unstable();
    let mut starts: Vec<u32> = Vec::new();
    let mut sorted = Vec::new();
    for (alone, k) in order {
        if alone * SHORTEST_RUN > len {
            break;
        }
        let index = &groups[k].index;
        let own = (1..len).filter(|i| index[*i] != index[*i - 1]);
        let mut merged: Vec<u32> = std::iter::once(0)
            .chain(own.map(|i| i as u32))
            .chain(starts.iter().copied())
            .collect();
        merged.sort_unstable();
        merged.dedup();
        if merged.len() * SHORTEST_RUN > len {
            break;
        }
        sorted.push(k);
        starts = merged;
    }
    for k in sorted {
        let index = &groups[k].index;
        groups[k].by_run = starts.iter().map(|start| index[*start as usize]).collect();
    }
    if !starts.is_empty() {
        starts.push(len as u32);
    }
    starts
}

/// Where chunks start, and the end. They depend on the data alone, not on the number of threads.
pub(super) fn chunks(groups: &[Group], affines: &[Affine], len: usize) -> Vec<usize> {
    // Each chunk has its own sums for every element of a group that is not sorted.
    let own: usize = affines
        .iter()
        .flat_map(|affine| affine.scattered.iter())
        .filter_map(|atom| atom.group)
        .map(|group| groups[group].extent)
        .sum();
    let most = (len / (4 * own).max(1)).clamp(1, MOST_CHUNKS);
    let size = len.div_ceil(most).max(CHUNK).next_multiple_of(MOST_LANES);
    (0..len).step_by(size).chain([len]).collect()
}

//! How the elements of a stage are cut: blocks that fit into the cache, and chunks of blocks that may run side by side.
//!
//! Both depend on the plan and the data alone, so that the order of every sum does.

use super::program::Chunk;
use super::program::Reach;
use super::program::Stage;
use super::program::Store;
use super::program::View;
use std::ops::Range;

/// The numbers that all slots of a block may hold together: what a first-level cache holds beside the columns.
const BLOCK_NUMBERS: usize = 4608;
/// The same where matrices are read once for all elements that share them, of a block's several: what a second-level cache holds.
const BLOCK_NUMBERS_BY_RUN: usize = 16 * BLOCK_NUMBERS;
/// The most elements of a block.
const BLOCK_MOST: usize = 256;
/// A block's elements are a multiple of this.
const BLOCK_STEP: usize = 16;
/// The fewest elements of a chunk beside others, and the most chunks.
const CHUNK_LEAST: usize = 1 << 14;
const CHUNKS_MOST: usize = 64;
/// How many numbers the chunks may gather for each source and element.
const GATHERED_MOST: usize = 4;
impl Stage {
    /// Sizes blocks and chunks.
    pub(super) fn cut(&mut self, stores: &[Store]) {
        let in_place: usize = (self.sources.iter())
            .filter(|source| !source.filled && !source.by_run)
            .filter(|source| !matches!(source.reach, Reach::Index { .. }))
            .map(|source| source.width)
            .sum();
        let numbers = match self.sources.iter().any(|source| source.by_run) {
            true => BLOCK_NUMBERS_BY_RUN,
            false => BLOCK_NUMBERS,
        };
        let fits = numbers / (self.values - in_place + self.bars).max(1);
        let block = fits.min(BLOCK_MOST) / BLOCK_STEP * BLOCK_STEP;
        self.block = block.max(BLOCK_STEP).min(self.len.max(1));
        let mut most = CHUNKS_MOST;
        loop {
            let least = self.len.div_ceil(most).max(CHUNK_LEAST);
            let chunk = least.next_multiple_of(self.block);
            self.chunks = (0..self.len)
                .step_by(chunk)
                .map(|first| self.chunk(first..self.len.min(first + chunk), stores))
                .collect();
            let gathered: usize = self.chunks.iter().map(|chunk| chunk.gathered).sum();
            if most == 1 || gathered <= GATHERED_MOST * self.len * self.sources.len() {
                break;
            }
            most = (self.chunks.len().min(most) / 2).max(1);
        }
    }

    fn chunk(&self, elements: Range<usize>, stores: &[Store]) -> Chunk {
        let span = |index: &[u32]| {
            let (least, most) = index.iter().fold((u32::MAX, 0), |(least, most), i| {
                (least.min(*i), most.max(*i))
            });
            (least as usize, most as usize + 1)
        };
        let own = (elements.start, elements.end);
        let mut gathered = 0;
        let bars = (self.sources.iter())
            .map(|source| {
                let (span, width) = match &source.reach {
                    _ if !source.varies => ((0, 0), 0),
                    Reach::Own if elements.len() == self.len && source.in_gradient(1).is_some() => {
                        ((0, 0), 0)
                    }
                    Reach::Own => (own, source.width),
                    Reach::Top => ((0, 1), source.width),
                    Reach::Index { index, .. } => (span(&index[elements.clone()]), source.width),
                };
                View::take(&mut gathered, span, width)
            })
            .collect();
        let mut exported = 0;
        let exports = (self.exports.iter())
            .map(|export| {
                let span = match &export.reduced {
                    None => own,
                    Some((_, None)) => (0, 1),
                    Some((_, Some(index))) => span(&index[elements.clone()]),
                };
                View::take(&mut exported, span, stores[export.store].width)
            })
            .collect();
        Chunk {
            elements,
            bars,
            exports,
            gathered,
            exported,
        }
    }
}

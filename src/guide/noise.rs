//! Noise ε for draws z = μ + S ε: scrambled Sobol points through the normal quantile, made to have exact moments.

use super::Guide;
use super::pattern::Pattern;
use crate::num::dense::dot;
use crate::num::special;
use rand::Rng as _;
use rand_pcg::Pcg32;
use rayon::prelude::*;
use sobol_burley::NUM_DIMENSIONS;

/// Noise for a number of draws: one number for each coordinate of each draw.
#[derive(Clone, PartialEq, Debug)]
pub struct Noise {
    dim: usize,
    count: usize,
    values: Vec<f64>,
}

impl Noise {
    /// Noise for the point μ alone: one draw of zeros.
    pub fn none(dim: usize) -> Noise {
        Noise {
            dim,
            count: 1,
            values: vec![0.0; dim],
        }
    }

    /// `2 · pairs` draws for a fit: draws `n` and `n + pairs` are each other's negatives (so every odd moment is 0), and each
    /// coordinate has variance 1 and covariance 0 with all coordinates that its row of [`Guide::coupling`] names.
    ///
    /// Then E of any polynomial of third degree in a coordinate and those that it is coupled with is exact, up to the covariances
    /// between crossed plates, which no choice of the coordinate's own noise can mend. A row with more columns than there are pairs
    /// is only scaled to variance 1.
    pub fn paired(guide: &Guide, pairs: usize, seed: u32) -> Noise {
        Noise::white(guide.pattern(), guide.coupling(), pairs, seed)
    }

    /// The same for a pattern and the pattern along whose rows to whiten.
    pub(crate) fn white(pattern: &Pattern, coupling: &Pattern, pairs: usize, seed: u32) -> Noise {
        let dim = pattern.dim();
        let mut columns = sobol(pattern, pairs, seed);
        for r in coupling.order().filter(|r| pattern.spreads(*r)) {
            let mut own = std::mem::take(&mut columns[r]);
            let row = coupling.columns(r);
            let before = if row.len() <= pairs {
                &row[..row.len() - 1]
            } else {
                &[]
            };
            // Once is exact if the columns are orthogonal; those of crossed plates are nearly so, and rounding asks for a second time.
            for _ in 0..2 {
                for c in before {
                    // Empty for a coordinate without spread.
                    let other = &columns[*c as usize];
                    let share = dot(&own, other) / pairs as f64;
                    for (x, o) in own.iter_mut().zip(other) {
                        *x -= share * o;
                    }
                }
            }
            let size = (dot(&own, &own) / pairs as f64).sqrt();
            own.iter_mut().for_each(|x| *x /= size);
            columns[r] = own;
        }
        let mut noise = Noise::transposed(&columns, dim, pairs);
        noise.count *= 2;
        noise.values.extend_from_within(..);
        noise.values[pairs * dim..]
            .iter_mut()
            .for_each(|x| *x = -*x);
        noise
    }

    /// `count` draws for a summary or for importance weights: each coordinate has mean 0 and variance 1 exactly.
    pub fn scattered(pattern: &Pattern, count: usize, seed: u32) -> Noise {
        let mut columns = sobol(pattern, count, seed);
        for column in columns.iter_mut().filter(|c| !c.is_empty()) {
            let mean = column.iter().sum::<f64>() / count as f64;
            column.iter_mut().for_each(|x| *x -= mean);
            let sd = (dot(column, column) / count as f64).sqrt();
            column.iter_mut().for_each(|x| *x /= sd);
        }
        Noise::transposed(&columns, pattern.dim(), count)
    }

    /// `count` draws of `dim` coordinates that all depend on each other: mean 0 and covariance I exactly, where there are enough.
    pub(crate) fn dense(dim: usize, count: usize, seed: u32) -> Noise {
        let rows: Vec<(u32, Vec<u32>)> = (0..dim as u32)
            .map(|r| (r, r.checked_sub(1).into_iter().collect()))
            .collect();
        let pattern = Pattern::new(dim, &rows);
        Noise::white(&pattern, &pattern, count.div_ceil(2), seed)
    }

    /// `count` draws of `dim` coordinates, each with mean 0 and variance 1 exactly, that have nothing to do with each other.
    ///
    /// Each coordinate takes the normal quantiles of the middles of `count` equal parts of [0, 1], in an order of its own.
    pub(crate) fn independent(dim: usize, count: usize, seed: u32) -> Noise {
        let middle = |n: usize| special::normal_quantile((n as f64 + 0.5) / count as f64);
        let mut quantiles: Vec<f64> = (0..count).map(middle).collect();
        let size = (dot(&quantiles, &quantiles) / count as f64).sqrt();
        // A single one is 0.
        quantiles
            .iter_mut()
            .for_each(|x| *x /= size.max(f64::MIN_POSITIVE));
        let orders: Vec<Vec<f64>> = (0..dim as u32)
            .into_par_iter()
            .map(|r| shuffled(&quantiles, hash(seed, r)))
            .collect();
        Noise::transposed(&orders, dim, count)
    }

    /// The number of draws.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The noise of each draw.
    pub fn draws(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.count).map(|n| &self.values[n * self.dim..(n + 1) * self.dim])
    }

    /// The same, to be taken on several threads.
    pub(crate) fn par_draws(&self) -> impl IndexedParallelIterator<Item = &[f64]> {
        (0..self.count)
            .into_par_iter()
            .map(|n| &self.values[n * self.dim..(n + 1) * self.dim])
    }

    /// From a column for each coordinate; empty ones are zeros.
    fn transposed(columns: &[Vec<f64>], dim: usize, count: usize) -> Noise {
        let mut values = vec![0.0; dim * count];
        let parts = values.par_chunks_mut((dim * SIDE_BY_SIDE.1).max(1));
        parts.enumerate().for_each(|(part, values)| {
            let first = part * SIDE_BY_SIDE.1;
            for (side, columns) in columns.chunks(SIDE_BY_SIDE.0).enumerate() {
                for (n, draw) in values.chunks_exact_mut(dim).enumerate() {
                    let draw = &mut draw[side * SIDE_BY_SIDE.0..];
                    for (x, column) in draw.iter_mut().zip(columns) {
                        *x = column.get(first + n).copied().unwrap_or(0.0);
                    }
                }
            }
        });
        Noise { dim, count, values }
    }
}

/// Standard normal points, one column for each coordinate with spread (an empty one for the others).
///
/// The leading coordinates whose rows are dense (the globals) share one Sobol sequence of as many dimensions; each other coordinate
/// has a one-dimensional sequence shuffled by its own seed, independent of the others.
fn sobol(pattern: &Pattern, count: usize, seed: u32) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::new(); pattern.dim()];
    for (place, r) in pattern.order().enumerate() {
        let dense = pattern.columns(r).len() == place + 1 && place < NUM_DIMENSIONS as usize;
        let (dimension, seed) = if dense {
            (place as u32, seed)
        } else {
            (0, hash(seed, r as u32))
        };
        columns[r] = (0..count as u32)
            .map(|n| {
                // Points are multiples of 2⁻²⁴ in [0, 1): half a step keeps them off the ends.
                let u = f64::from(sobol_burley::sample(n, dimension, seed)) + 0.5_f64.powi(25);
                special::normal_quantile(u)
            })
            .collect();
    }
    columns
}

/// Coordinates and draws that are written side by side: those of a line of cache, and so many that theirs stay in the cache.
const SIDE_BY_SIDE: (usize, usize) = (8, 64);

/// The numbers in a random order (Fisher and Yates).
fn shuffled(numbers: &[f64], seed: u32) -> Vec<f64> {
    let mut rng = Pcg32::new(u64::from(seed), u64::from(seed));
    let mut out = numbers.to_vec();
    for i in (1..out.len()).rev() {
        let place = (u64::from(rng.next_u32()) * (i as u64 + 1)) >> 32;
        out.swap(i, place as usize);
    }
    out
}

/// A seed for coordinate `r` (the finaliser of MurmurHash3 over both numbers).
fn hash(seed: u32, r: u32) -> u32 {
    let mut h = seed ^ (r + 1).wrapping_mul(0x9e37_79b9);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

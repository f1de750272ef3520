//! Noise for draws of the locals: a function of a key, so that the same element gets the same numbers in whatever company.

use crate::num::special;

/// The sizes of antithetic pairs of draws: stratified normal quantiles with mean square 1.
///
/// Over all draws every coordinate has mean 0 and variance 1 exactly; a single pair is ±1.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    sizes: Vec<f64>,
}

impl Pairs {
    pub fn new(pairs: usize) -> Pairs {
        let quantile =
            |j: usize| special::normal_quantile(0.5 + (j as f64 + 0.5) / (2 * pairs) as f64);
        let mut sizes: Vec<f64> = (0..pairs).map(quantile).collect();
        let square = sizes.iter().map(|x| x * x).sum::<f64>() / pairs as f64;
        sizes.iter_mut().for_each(|x| *x /= square.sqrt());
        Pairs { sizes }
    }

    /// Draws in all.
    pub fn draws(&self) -> usize {
        2 * self.sizes.len()
    }

    /// The noise of one coordinate in the first draw of each pair, written to every `stride`-th place from the first on. The second draw
    /// has the negative.
    pub fn write(&self, key: u64, stride: usize, out: &mut [f64]) {
        let mut state = key;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        };
        // The order is shuffled, as in Fisher and Yates' method.
        let pairs = self.sizes.len();
        for (j, size) in self.sizes.iter().enumerate() {
            let bits = next();
            let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
            let other = ((bits >> 1) % (j as u64 + 1)) as usize;
            out[j * stride] = out[other * stride];
            out[other * stride] = sign * size;
        }
        debug_assert!(pairs > 0, "at least one pair of draws");
    }
}

/// A number with the bits of several mixed (the finaliser of SplitMix64, Steele, Lea & Flood 2014).
pub(super) fn key(parts: [u64; 3]) -> u64 {
    parts.into_iter().fold(0, |hash, part| {
        mix(hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15)
    })
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

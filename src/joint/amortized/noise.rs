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
        for (j, size) in self.sizes.iter().enumerate() {
            let bits = next();
            let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
            let other = ((bits >> 1) % (j as u64 + 1)) as usize;
            out[j * stride] = out[other * stride];
            out[other * stride] = sign * size;
        }
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

#[cfg(test)]
mod tests {
    use super::Pairs;
    use super::key;

    #[test]
    fn noise_has_exact_moments_and_no_correlation() {
        for pairs in [1, 4, 16] {
            let noise = Pairs::new(pairs);
            assert_eq!(noise.draws(), 2 * pairs);
            let of = |c: u64| {
                let mut out = vec![f64::NAN; 3 * pairs];
                noise.write(key([1, 2, c]), 3, &mut out);
                // Other places are left alone.
                assert!(out.iter().skip(1).step_by(3).all(|x| x.is_nan()));
                out.into_iter().step_by(3).collect::<Vec<f64>>()
            };
            let columns: Vec<Vec<f64>> = (0..400).map(of).collect();
            for column in &columns {
                let square: f64 = column.iter().map(|x| x * x).sum();
                assert!((square / pairs as f64 - 1.0).abs() < 1e-12, "{square}");
            }
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let pairs_of = columns
                .windows(2)
                .map(|w| product(&w[0], &w[1]) / pairs as f64);
            let mean = pairs_of.sum::<f64>() / 399.0;
            // Five standard errors of 1/√pairs.
            assert!(
                mean.abs() < 5.0 / (399.0 * pairs as f64).sqrt(),
                "{pairs}: {mean}"
            );
        }
    }

    #[test]
    fn more_pairs_are_nearer_to_normal() {
        let fourth = |pairs| {
            let noise = Pairs::new(pairs);
            noise.sizes.iter().map(|x| x.powi(4)).sum::<f64>() / pairs as f64
        };
        assert!((fourth(1) - 1.0).abs() < 1e-12);
        assert!(fourth(16) > 2.0 && fourth(1000) > 2.9 && fourth(1000) < 3.0);
    }
}

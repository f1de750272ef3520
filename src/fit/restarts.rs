//! Climbs from other starts: whether the mode that was found is the only one that counts.
//!
//! Neither a Gaussian fitted at one mode nor draws from it know of another that is far away. This look is a sample of starts, not a proof.

use super::lbfgs::End;
use super::mode;
use super::mode::Near;
use super::natural::Dense;
use super::natural::Density;
use crate::num::rng::stream;
use rand::RngExt;

/// Iterations of one climb.
const CLIMB: usize = 60;
/// About the evaluations of one climb, for its price.
const EVALUATIONS: usize = 40;
/// The most climbs, and the elements that all may visit together.
const CLIMBS: (usize, usize) = (6, 20_000_000);
/// A mode counts if its density is not lower than that of the one that was found by more than this, in nats.
const COUNTS: f64 = 5.0;
/// Two points are modes of their own if the density between them falls below both by more than this.
const DIP: f64 = 1.0;
/// Starts lie this far around the suggested one, at most.
const REACH: f64 = 2.0;

/// Another mode.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherMode {
    /// Its coordinates, and for coordinates that are integrated out those of the mode that was found.
    pub at: Vec<f64>,
    /// How much higher its log density is than that of the mode that was found.
    pub higher: f64,
}

/// The number of climbs that is affordable when one look at the density visits so many elements.
pub(super) fn affordable(visits: usize) -> usize {
    (CLIMBS.1 / (EVALUATIONS * visits.max(1))).min(CLIMBS.0)
}

/// Places around `suggested`, the first its mirror image of `found`: what is symmetric has its other half there.
pub(super) fn starts(suggested: &[f64], found: &[f64], count: usize, seed: u32) -> Vec<Vec<f64>> {
    let mut rng = stream(u64::from(seed));
    let mirror = suggested.iter().zip(found).map(|(s, f)| 2.0 * s - f);
    let mut starts = vec![mirror.collect()];
    starts.resize_with(count.max(1), || {
        let near = suggested.iter();
        near.map(|s| s + rng.random_range(-REACH..REACH)).collect()
    });
    starts.truncate(count);
    starts
}

/// The highest mode besides that below q which counts, if a climb from one of these starts finds one.
pub(super) fn other_mode(
    density: Density<'_>,
    q: &Dense,
    starts: &[Vec<f64>],
) -> Option<OtherMode> {
    let mut unused = vec![0.0; q.mean.len()];
    if starts.is_empty() || q.mean.is_empty() {
        return None;
    }
    let (own, _) = mode::climb(density, &q.mean, &q.scale, (CLIMB, Near::MODE), &mut |_| {
        true
    });
    let here = density(&own, &mut unused);
    let mut best: Option<OtherMode> = None;
    for start in starts {
        let (at, end) = mode::climb(density, start, &q.scale, (CLIMB, Near::MODE), &mut |_| true);
        let there = density(&at, &mut unused);
        let settled = match end {
            End::Converged | End::Flat => there > here - COUNTS,
            End::Spent | End::Stopped | End::NotFinite => false,
        };
        let least = best.as_ref().map_or(-COUNTS, |b| b.higher);
        if !settled || there - here <= least {
            continue;
        }
        let dips = [0.25, 0.5, 0.75].iter().any(|share| {
            let between: Vec<f64> = (own.iter().zip(&at))
                .map(|(a, b)| a + share * (b - a))
                .collect();
            density(&between, &mut unused) < here.min(there) - DIP
        });
        if dips {
            best = Some(OtherMode {
                higher: there - here,
                at,
            });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::mode::Scale;

    /// Humps of unit width at 0 and at `apart`, that one lower by `lower` nats.
    fn humps(apart: f64, lower: f64) -> impl FnMut(&[f64], &mut [f64]) -> f64 {
        move |x, g| {
            let (a, b) = (-0.5 * x[0] * x[0], -0.5 * (x[0] - apart).powi(2) - lower);
            let most = a.max(b);
            let (ea, eb) = ((a - most).exp(), (b - most).exp());
            g[0] = -(ea * x[0] + eb * (x[0] - apart)) / (ea + eb);
            most + (ea + eb).ln()
        }
    }

    fn looked(apart: f64, lower: f64) -> Option<OtherMode> {
        let q = Dense {
            mean: vec![0.1],
            scale: Scale::unit(1),
        };
        let starts = starts(&[3.0], &q.mean, 6, 1);
        other_mode(&mut humps(apart, lower), &q, &starts)
    }

    #[test]
    fn a_second_mode_is_found_if_it_counts() {
        let found = looked(6.0, 1.0).expect("another mode");
        assert!((found.at[0] - 6.0).abs() < 0.1, "{:?}", found.at);
        assert!((found.higher + 1.0).abs() < 0.01, "{}", found.higher);
        assert_eq!(looked(6.0, 8.0), None, "it holds a share of e⁻⁸");
        assert_eq!(looked(1.0, 0.0), None, "they are one hump");
    }

    #[test]
    fn there_is_a_price_above_which_nobody_looks() {
        assert_eq!((affordable(100), affordable(10_000_000)), (6, 0));
    }
}

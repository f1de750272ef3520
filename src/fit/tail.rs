//! Whether the last iterates of stochastic steps, whose mean is the answer, have come to rest: R-hat between their halves.

use crate::guide::Gaussian;
use crate::guide::Guide;

/// Means and spreads of several numbers over iterates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub count: f64,
    pub mean: Vec<f64>,
    /// The sums of squares about the means.
    pub squares: Vec<f64>,
}

impl Moments {
    pub fn new(len: usize) -> Moments {
        Moments {
            count: 0.0,
            mean: vec![0.0; len],
            squares: vec![0.0; len],
        }
    }

    /// Takes one iterate in (Welford 1962).
    pub fn add(&mut self, x: &[f64]) {
        self.count += 1.0;
        let numbers = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), x) in numbers.zip(x) {
            let before = x - *mean;
            *mean += before / self.count;
            *squares += before * (x - *mean);
        }
    }

    /// Takes the iterates of another in (Chan, Golub & LeVeque 1983).
    pub fn merge(&mut self, other: &Moments) {
        let count = self.count + other.count;
        if other.count == 0.0 {
            return;
        }
        for k in 0..self.mean.len() {
            let apart = other.mean[k] - self.mean[k];
            self.mean[k] += apart * other.count / count;
            self.squares[k] += other.squares[k] + apart * apart * self.count * other.count / count;
        }
        self.count = count;
    }
}

/// What is looked at of an iterate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// The bound's estimate.
    Bound,
    /// The mean of a coordinate.
    Mean(usize),
    /// The scale of a coordinate.
    Scale(usize),
}

/// The last iterates of stochastic steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// What was seen in the first half of them and in the second.
    halves: [Moments; 2],
    /// What the numbers are, and in which unit they count.
    numbers: Vec<(Number, f64)>,
}

/// How far chains of iterates agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The largest R-hat of a number that moves noticeably, or of any where none does.
    pub r_hat: f64,
    /// Of which number.
    pub worst: Number,
    /// How far the means of the chains lie apart in it: for a mean in sds of the guide, or of the prior where the guide is a point; for a
    /// scale as a difference of logarithms; for the bound in nats.
    pub apart: f64,
}

/// What lies no farther apart than this does not matter.
const NOTICEABLE: f64 = 0.1;

impl Agreement {
    /// Whether a number moves by more than it wavers, and noticeably.
    pub fn is_poor(&self) -> bool {
        self.r_hat > AGREE && self.apart > NOTICEABLE
    }
}

/// Up to this R-hat chains agree.
pub const AGREE: f64 = 1.1;

impl Tail {
    /// The tail of these windows, of which the two halves have the same number; `None` if there are fewer than two. The unit of a mean is
    /// the last argument's.
    pub(super) fn of(
        guide: &Guide,
        windows: &[&Moments],
        unit: impl Fn(usize) -> f64,
    ) -> Option<Tail> {
        let half = windows.len() / 2;
        let first = windows.first().filter(|_| half > 0)?;
        let merged = |part: &[&Moments]| {
            let mut all = Moments::new(first.mean.len());
            part.iter().for_each(|window| all.merge(window));
            all
        };
        let (early, late) = windows[windows.len() - 2 * half..].split_at(half);
        let unit = |number: Number| match number {
            Number::Mean(r) => unit(r),
            Number::Bound | Number::Scale(_) => 1.0,
        };
        Some(Tail {
            halves: [merged(early), merged(late)],
            numbers: numbers(guide).into_iter().map(|n| (n, unit(n))).collect(),
        })
    }

    /// How far its halves agree in the means and scales of the guide; with those of other fits how far all halves do.
    pub fn agreement<'a>(&'a self, others: impl IntoIterator<Item = &'a Tail>) -> Agreement {
        let chains = self.chains(others);
        let each = (1..self.numbers.len()).map(|k| self.of_number(&chains, k));
        let order = |a: &Agreement| (a.apart > NOTICEABLE, a.r_hat);
        each.fold(self.of_number(&chains, 0), |a, b| {
            let is_first = a.worst == Number::Bound;
            if is_first || order(&b) > order(&a) {
                b
            } else {
                a
            }
        })
    }

    /// The same of the bound alone.
    pub(super) fn agreement_of_bounds<'a>(
        &'a self,
        others: impl IntoIterator<Item = &'a Tail>,
    ) -> Agreement {
        self.of_number(&self.chains(others), 0)
    }

    fn chains<'a>(&'a self, others: impl IntoIterator<Item = &'a Tail>) -> Vec<&'a Moments> {
        let tails = others.into_iter().chain([self]);
        tails.flat_map(|tail| &tail.halves).collect()
    }

    fn of_number(&self, chains: &[&Moments], k: usize) -> Agreement {
        let (worst, unit) = self.numbers[k];
        let means = || chains.iter().map(|c| c.mean[k]);
        let apart =
            means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min);
        Agreement {
            r_hat: r_hat(chains.iter().map(|c| (c.count, c.mean[k], c.squares[k]))),
            worst,
            apart: apart / unit,
        }
    }
}

/// What is looked at of an iterate: the bound's estimate, the means, then the logarithms of the diagonal of S.
pub(super) fn features(guide: &Guide, value: f64, q: &Gaussian) -> Vec<f64> {
    let of = |number: Number| match number {
        Number::Bound => value,
        Number::Mean(r) => q.mean[r],
        Number::Scale(r) => q.scale[guide.pattern().diagonal(r)].ln(),
    };
    numbers(guide).into_iter().map(of).collect()
}

/// How many numbers these are.
pub(super) fn len(guide: &Guide) -> usize {
    numbers(guide).len()
}

fn numbers(guide: &Guide) -> Vec<Number> {
    let means = (0..guide.dim()).map(Number::Mean);
    let means = std::iter::once(Number::Bound).chain(means);
    means
        .chain(guide.pattern().order().map(Number::Scale))
        .collect()
}

/// R-hat of chains, each with its length, mean and sum of squares about it: √((n − 1)/n + V/W), V the variance of the means and W the mean
/// of the variances (Gelman & Rubin 1992); 1 where nothing varies.
fn r_hat(chains: impl Iterator<Item = (f64, f64, f64)> + Clone) -> f64 {
    let m = chains.clone().count() as f64;
    let n = chains.clone().map(|(n, ..)| n).sum::<f64>() / m;
    let mean = chains.clone().map(|(_, mean, _)| mean).sum::<f64>() / m;
    let between = chains
        .clone()
        .map(|(_, own, _)| (own - mean).powi(2))
        .sum::<f64>()
        / (m - 1.0);
    let within = chains
        .map(|(n, _, squares)| squares / (n - 1.0).max(1.0))
        .sum::<f64>()
        / m;
    if between <= (f64::EPSILON * mean).powi(2) {
        return 1.0;
    }
    ((n - 1.0) / n + between / within).sqrt()
}

#[cfg(test)]
mod tests {
    use super::Moments;
    use super::Number;
    use super::Tail;
    use super::r_hat;

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::new(1);
        values.iter().for_each(|x| moments.add(&[*x]));
        moments
    }

    #[test]
    fn moments_of_parts_are_those_of_the_whole() {
        let values = [3.0, -1.0, 4.0, 1.5, -9.0, 2.6];
        let mean = values.iter().sum::<f64>() / 6.0;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let mut merged = moments(&values[..2]);
        merged.merge(&moments(&values[2..]));
        merged.merge(&Moments::new(1));
        for of in [merged, moments(&values)] {
            assert!((of.mean[0] - mean).abs() < 1e-14, "{of:?}");
            assert!((of.squares[0] - squares).abs() < 1e-12, "{of:?}");
        }
    }

    #[test]
    fn what_moves_by_less_than_a_tenth_of_its_unit_does_not_count() {
        let half = |means: [f64; 4]| Moments {
            count: 100.0,
            mean: means.to_vec(),
            squares: vec![1e-4; 4],
        };
        let tail = |unit| Tail {
            halves: [half([0.0; 4]), half([9.0, 0.3, 0.2, 0.05])],
            numbers: vec![
                (Number::Bound, 1.0),
                (Number::Mean(0), 10.0),
                (Number::Mean(1), unit),
                (Number::Scale(0), 1.0),
            ],
        };
        let poor = tail(0.5).agreement([]);
        assert_eq!(poor.worst, Number::Mean(1));
        assert!(
            (poor.apart - 0.4).abs() < 1e-12 && poor.is_poor(),
            "{poor:?}"
        );
        let good = tail(5.0).agreement([]);
        assert_eq!(good.worst, Number::Mean(0));
        assert!(good.r_hat > 1.1 && !good.is_poor(), "{good:?}");
        // Another fit that came to another place.
        let other = tail(5.0).agreement_of_bounds([&tail(5.0)]);
        assert!(other.worst == Number::Bound && other.is_poor(), "{other:?}");
    }

    #[test]
    fn r_hat_is_that_of_the_formula() {
        // Means 1 and 3, variances 1 and 1, three draws each: √(2/3 + 2/1).
        let chains = [(3.0, 1.0, 2.0), (3.0, 3.0, 2.0)];
        let expected = (2.0_f64 / 3.0 + 2.0).sqrt();
        assert!((r_hat(chains.into_iter()) - expected).abs() < 1e-14);
        let same = [(50.0, 1.0, 0.0), (50.0, 1.0, 0.0)];
        assert_eq!(r_hat(same.into_iter()), 1.0);
        let apart = [(50.0, 1.0, 0.0), (50.0, 1.5, 0.0)];
        assert_eq!(r_hat(apart.into_iter()), f64::INFINITY);
    }
}

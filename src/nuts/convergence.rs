//! Whether chains have converged, and what their draws are worth: rank-normalised split R-hat, bulk and tail effective sample sizes, Monte
//! Carlo error (Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021).

use crate::num::special::normal_quantile;

/// What chains say of one number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Convergence {
    /// Rank-normalised split R-hat, the larger of that of the values and of their distance from the median; 1 is best.
    pub r_hat: f64,
    /// The number of independent draws that the bulk is worth.
    pub ess_bulk: f64,
    /// The number that the 5% and 95% quantiles are worth, the smaller of the two.
    pub ess_tail: f64,
    /// The Monte Carlo standard error of the mean.
    pub mcse: f64,
}

/// Judges draws that stand chain after chain, `chains` of them of the same length. A number that is the same in all of them, or not finite,
/// has no R-hat, and no effective sample size.
pub fn convergence(draws: &[f64], chains: usize) -> Convergence {
    let halves = split(draws, chains);
    let constant = draws.iter().all(|x| *x == draws[0]);
    if halves.first().is_none_or(|h| h.len() < 4)
        || draws.iter().any(|x| !x.is_finite())
        || constant
    {
        return Convergence {
            r_hat: f64::NAN,
            ess_bulk: f64::NAN,
            ess_tail: f64::NAN,
            mcse: if constant { 0.0 } else { f64::NAN },
        };
    }
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut kept: Vec<f64> = halves.iter().flatten().copied().collect();
    kept.sort_by(f64::total_cmp);
    let median = quantile(&kept, 0.5);
    let bulk = ranked(&halves);
    let folded: Vec<Vec<f64>> = (halves.iter())
        .map(|half| half.iter().map(|x| (x - median).abs()).collect())
        .collect();
    let within = |p: f64| -> f64 {
        let limit = quantile(&sorted, p);
        let below = |half: &Vec<f64>| half.iter().map(|x| f64::from(*x <= limit)).collect();
        ess(&halves.iter().map(below).collect::<Vec<Vec<f64>>>())
    };
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Convergence {
        r_hat: spread_ratio(&bulk).max(spread_ratio(&ranked(&folded))),
        ess_bulk: ess(&bulk),
        ess_tail: within(0.05).min(within(0.95)),
        mcse: (variance / ess(&halves)).sqrt(),
    }
}

/// The energy Bayesian fraction of missing information, `Σ (E_n − E_{n−1})² / Σ (E_n − Ē)²` (Betancourt 2016): below 0.3 the momentum
/// does not carry the chain through all energies.
pub fn e_bfmi(energies: &[f64]) -> f64 {
    let mean = energies.iter().sum::<f64>() / energies.len() as f64;
    let steps: f64 = energies.windows(2).map(|e| (e[1] - e[0]).powi(2)).sum();
    let spread: f64 = energies.iter().map(|e| (e - mean).powi(2)).sum();
    if spread > 0.0 {
        steps / spread
    } else {
        f64::NAN
    }
}

/// Each chain in two halves, without the draw in the middle where their number is odd.
fn split(draws: &[f64], chains: usize) -> Vec<Vec<f64>> {
    let len = draws.len() / chains.max(1);
    let half = len / 2;
    draws
        .chunks_exact(len.max(1))
        .flat_map(|chain| [chain[..half].to_vec(), chain[len - half..].to_vec()])
        .collect()
}

/// Normal scores: Φ⁻¹((rank − 3/8) / (S + 1/4)) with average ranks for ties.
fn ranked(halves: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let len = halves.first().map_or(0, Vec::len);
    let values: Vec<f64> = halves.iter().flatten().copied().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut scores = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let ties = order[from..].iter();
        let same = ties
            .take_while(|k| values[**k] == values[order[from]])
            .count();
        let rank = from as f64 + 0.5 * (same as f64 + 1.0);
        let score = normal_quantile((rank - 0.375) / (values.len() as f64 + 0.25));
        for k in &order[from..from + same] {
            scores[*k] = score;
        }
        from += same;
    }
    scores
        .chunks_exact(len.max(1))
        .map(<[f64]>::to_vec)
        .collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The variance with n − 1.
fn variance(x: &[f64]) -> f64 {
    let centre = mean(x);
    x.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

/// The ratio of the sds of all chains together and within each: R-hat of the split chains as they are.
fn spread_ratio(chains: &[Vec<f64>]) -> f64 {
    let n = chains[0].len() as f64;
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let within = mean(&chains.iter().map(|c| variance(c)).collect::<Vec<_>>());
    ((variance(&means) + within * (n - 1.0) / n) / within).sqrt()
}

/// The effective sample size by Geyer's initial monotone sequence, chains together (Vehtari et al. 2021, section 3.2).
fn ess(chains: &[Vec<f64>]) -> f64 {
    let (m, n) = (chains.len(), chains[0].len());
    let count = (m * n) as f64;
    let centred: Vec<Vec<f64>> = (chains.iter())
        .map(|c| {
            let centre = mean(c);
            c.iter().map(|x| x - centre).collect()
        })
        .collect();
    // The mean over chains of the covariance at a lag, over n.
    let covariance = |lag: usize| -> f64 {
        let of = |c: &Vec<f64>| c[lag..].iter().zip(c).map(|(a, b)| a * b).sum::<f64>();
        centred.iter().map(of).sum::<f64>() / count
    };
    let within = covariance(0) * n as f64 / (n as f64 - 1.0);
    let mut pooled = covariance(0);
    if m > 1 {
        let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
        pooled += variance(&means);
    }
    if pooled <= 0.0 {
        return count;
    }
    let correlation = |lag: usize| match lag {
        0 => 1.0,
        _ => 1.0 - (within - covariance(lag)) / pooled,
    };
    // Sums of neighbours, as long as they are positive; none larger than the one before.
    let mut sum = 0.0;
    let mut least = f64::INFINITY;
    let mut lag = 0;
    let rest = loop {
        let even = correlation(lag);
        let pair = even + correlation(lag + 1);
        if pair < 0.0 || lag + 4 >= n {
            break even;
        }
        least = least.min(pair);
        sum += least;
        lag += 2;
    };
    // An antithetic chain is worth more than its draws, within reason.
    let time = -1.0 + 2.0 * sum + rest.max(0.0);
    count / time.max(1.0 / count.log10())
}

/// A quantile of sorted numbers, linear between them.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let at = p * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

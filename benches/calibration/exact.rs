//! What 90% intervals of the scales of the model `normal` hold of its exact posterior, by quadrature over both scales.
//!
//! With J groups of n rows, means m and squares s within the groups, m ~ N(0, (τ² + σ²/n) I + 11ᵀ) once μ ~ N(0, 1) is integrated out,
//! and s / σ² has a χ² distribution with J (n − 1) degrees of freedom.

/// Points of the grid over log τ and log σ, and how far it reaches: log τ from and to, log σ around that of the rows.
const GRID: (usize, usize) = (500, 161);
const LOG_TAU: (f64, f64) = (-9.0, 2.5);
const AROUND: f64 = 0.6;

/// The distributions of log τ and log σ given a table of the model: points and the probability below each.
pub struct Exact {
    /// That of log τ.
    pub log_tau: Vec<(f64, f64)>,
    /// That of log σ.
    pub log_sigma: Vec<(f64, f64)>,
}

impl Exact {
    /// Of a table with the columns `group` and `y`, whose groups have equally many rows.
    pub fn of(csv: &str) -> Exact {
        let mut groups: Vec<Vec<f64>> = Vec::new();
        for line in csv.lines().skip(1) {
            let (group, y) = line.split_once(',').expect("two columns");
            let group: usize = group.parse().expect("a number of a group");
            groups.resize(groups.len().max(group + 1), Vec::new());
            groups[group].push(y.parse().expect("a number"));
        }
        let (j, n) = (groups.len() as f64, groups[0].len() as f64);
        let means: Vec<f64> = groups.iter().map(|g| g.iter().sum::<f64>() / n).collect();
        let within: f64 = (groups.iter().zip(&means))
            .flat_map(|(g, m)| g.iter().map(move |y| (y - m).powi(2)))
            .sum();
        let squares: f64 = means.iter().map(|m| m * m).sum();
        let total: f64 = means.iter().sum();
        let middle = 0.5 * (within / (j * (n - 1.0))).ln();
        let line = |k: usize, count: usize, (from, to): (f64, f64)| {
            from + (to - from) * (k as f64 + 0.5) / count as f64
        };
        let log_density = |log_tau: f64, log_sigma: f64| {
            let (tau, sigma) = (log_tau.exp(), log_sigma.exp());
            let v = tau * tau + sigma * sigma / n;
            let between = squares / v - total * total / (v * (v + j));
            let rows = j * (n - 1.0) * log_sigma + 0.5 * within / (sigma * sigma);
            // Both scales are half-normal; the last two terms are the Jacobian of the logarithms.
            -0.5 * ((j - 1.0) * v.ln() + (v + j).ln() + between + tau * tau + sigma * sigma) - rows
                + log_tau
                + log_sigma
        };
        let taus: Vec<f64> = (0..GRID.0).map(|k| line(k, GRID.0, LOG_TAU)).collect();
        let sigmas = (middle - AROUND, middle + AROUND);
        let sigmas: Vec<f64> = (0..GRID.1).map(|k| line(k, GRID.1, sigmas)).collect();
        let logs: Vec<Vec<f64>> = (taus.iter())
            .map(|t| sigmas.iter().map(|s| log_density(*t, *s)).collect())
            .collect();
        let most = (logs.iter().flatten()).fold(f64::NEG_INFINITY, |m, l| m.max(*l));
        let of_tau = logs
            .iter()
            .map(|row| row.iter().map(|l| (l - most).exp()).sum());
        let of_sigma =
            (0..sigmas.len()).map(|k| logs.iter().map(|row| (row[k] - most).exp()).sum());
        Exact {
            log_tau: below(&taus, of_tau.collect()),
            log_sigma: below(&sigmas, of_sigma.collect()),
        }
    }
}

/// The probability below the middle of each cell.
fn below(points: &[f64], weights: Vec<f64>) -> Vec<(f64, f64)> {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    (points.iter().zip(weights))
        .map(|(x, w)| {
            let before = sum;
            sum += w / total;
            (*x, 0.5 * (before + sum))
        })
        .collect()
}

/// The probability below `x`, linear between points.
pub fn probability(below: &[(f64, f64)], x: f64) -> f64 {
    let after = below.partition_point(|(point, _)| *point < x);
    match (after.checked_sub(1).map(|i| below[i]), below.get(after)) {
        (Some((a, p)), Some((b, q))) => p + (q - p) * (x - a) / (b - a),
        (None, _) => 0.0,
        (Some(_), None) => 1.0,
    }
}

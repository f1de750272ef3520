//! The log densities of two workloads with their gradients as one would write them by hand: one plain loop over the rows.

use hvi::data::Tables;
use std::f64::consts::PI;

/// Columns of a table, and the group of each row from 0.
pub struct Rows {
    x1: Vec<f64>,
    y: Vec<f64>,
    group: Vec<usize>,
}

/// A log density at `z` that writes its gradient.
pub type ByHand = fn(&Rows, &[f64], &mut [f64]) -> f64;

/// The hand-written loop of a workload, if it has one.
pub fn of(name: &str) -> Option<ByHand> {
    match name {
        "curve" => Some(curve),
        "mixture" => Some(mixture),
        _ => None,
    }
}

impl Rows {
    /// Reads the main table.
    pub fn of(tables: &Tables) -> Rows {
        let table = tables.main();
        let column = |name: &str| -> Vec<f64> {
            (0..table.rows())
                .map(|row| table.cell(row, name).parse().expect("a cell is a number"))
                .collect()
        };
        Rows {
            x1: column("x1"),
            y: column("y"),
            group: column("group").iter().map(|g| *g as usize).collect(),
        }
    }
}

fn log_normal_constant() -> f64 {
    -0.5 * (2.0 * PI).ln()
}

/// Adds the standard normal log density of a coordinate.
fn standard(z: &[f64], k: usize, gradient: &mut [f64]) -> f64 {
    gradient[k] -= z[k];
    log_normal_constant() - 0.5 * z[k] * z[k]
}

/// Adds the half-normal log density of scale 1 of e to a coordinate, in that coordinate.
fn half_standard(z: &[f64], k: usize, gradient: &mut [f64]) -> f64 {
    let x = z[k].exp();
    gradient[k] += 1.0 - x * x;
    2f64.ln() + log_normal_constant() - 0.5 * x * x + z[k]
}

/// Adds the log densities of the groups' effects, normal about 0, with the log of their spread at `spread`.
fn effects(z: &[f64], spread: usize, first: usize, gradient: &mut [f64]) -> f64 {
    let precision = (-2.0 * z[spread]).exp();
    let mut sum = 0.0;
    for k in first..z.len() {
        let square = z[k] * z[k] * precision;
        sum += log_normal_constant() - z[spread] - 0.5 * square;
        gradient[k] -= z[k] * precision;
        gradient[spread] += square - 1.0;
    }
    sum
}

/// `curve`: coordinates height, rate, slope, log tau, log sigma, effects.
fn curve(rows: &Rows, z: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let [height, log_rate, slope] = [z[0], z[1], z[2]];
    let (rate, sigma) = (log_rate.exp(), z[4].exp());
    let mut value = (0..3).map(|k| standard(z, k, gradient)).sum::<f64>();
    value += half_standard(z, 3, gradient) + half_standard(z, 4, gradient);
    value += effects(z, 3, 5, gradient);
    // log Γ(5/2) − log Γ(2) = log(3 √π / 4).
    let constant = (0.75 * PI.sqrt()).ln() - 0.5 * (4.0 * PI).ln() - sigma.ln();
    for i in 0..rows.y.len() {
        let (t, a) = (rows.x1[i], 5 + rows.group[i]);
        let decay = (-rate * t).exp();
        let response = if t > 0.0 {
            height * (1.0 - decay)
        } else {
            slope * t
        };
        let e = (rows.y[i] - z[a] - response) / sigma;
        value += constant - 2.5 * (e * e / 4.0).ln_1p();
        let pull = 5.0 * e / (4.0 + e * e);
        let by_mean = pull / sigma;
        gradient[a] += by_mean;
        if t > 0.0 {
            gradient[0] += by_mean * (1.0 - decay);
            gradient[1] += by_mean * height * decay * rate * t;
        } else {
            gradient[2] += by_mean * t;
        }
        gradient[4] += pull * e - 1.0;
    }
    value
}

/// `mixture`: coordinates logit share, mu, gap, log sd_1, log sd_2, log tau, effects.
fn mixture(rows: &Rows, z: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let share = 1.0 / (1.0 + (-z[0]).exp());
    let [sd_1, sd_2] = [z[3].exp(), z[4].exp()];
    let (mu, gap) = (z[1], z[2].exp());
    gradient[0] += 2.0 - 4.0 * share;
    let mut value = 6f64.ln() + 2.0 * share.ln() + 2.0 * (1.0 - share).ln();
    value += standard(z, 1, gradient) + standard(z, 2, gradient);
    value += (3..6).map(|k| half_standard(z, k, gradient)).sum::<f64>();
    value += effects(z, 5, 6, gradient);
    let constants = [
        share.ln() + log_normal_constant() - sd_1.ln(),
        (1.0 - share).ln() + log_normal_constant() - sd_2.ln(),
    ];
    for i in 0..rows.y.len() {
        let a = 6 + rows.group[i];
        let e_1 = (rows.y[i] - mu - z[a]) / sd_1;
        let e_2 = (rows.y[i] - mu - z[a] - gap) / sd_2;
        let log_1 = constants[0] - 0.5 * e_1 * e_1;
        let log_2 = constants[1] - 0.5 * e_2 * e_2;
        let most = log_1.max(log_2);
        let (w_1, w_2) = ((log_1 - most).exp(), (log_2 - most).exp());
        value += most + (w_1 + w_2).ln();
        let (w_1, w_2) = (w_1 / (w_1 + w_2), w_2 / (w_1 + w_2));
        let (by_1, by_2) = (w_1 * e_1 / sd_1, w_2 * e_2 / sd_2);
        gradient[0] += w_1 * (1.0 - share) - w_2 * share;
        gradient[1] += by_1 + by_2;
        gradient[2] += by_2 * gap;
        gradient[3] += w_1 * (e_1 * e_1 - 1.0);
        gradient[4] += w_2 * (e_2 * e_2 - 1.0);
        gradient[a] += by_1 + by_2;
    }
    value
}

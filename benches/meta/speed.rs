//! What a gradient of networks costs on the tape, beside the same sums written by hand.

use super::MODEL;
use super::bound;
use super::say;
use super::table;
use cpu_time::ProcessTime;
use hvi::joint::LogDensity;
use hvi::num::rng;

/// Hidden units of both layers.
const H: usize = 40;

/// Prints nanoseconds of processor time a row of value and gradient of the likelihood, over so many tasks of ten points, on one thread.
pub fn speed(tasks: usize, repeats: usize) {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global();
    threads.expect("nothing has run on threads yet");
    let (csv, _) = table(tasks, &mut rng::stream(1), 0.3, |_| (10, 0));
    let joint = bound(MODEL, &csv);
    let keep: Vec<bool> = joint.terms().iter().map(|t| t.name == "y").collect();
    let z: Vec<f64> = (0..joint.dim())
        .map(|k| 0.3 * (k as f64 * 1.7).sin())
        .collect();
    let mut slope = vec![0.0; z.len()];
    let mut evaluator = joint.evaluator(&keep);
    let (mut by_tape, mut by_hand, mut values) = (Vec::new(), Vec::new(), [0.0; 2]);
    let rows: Vec<[f64; 2]> = (csv.lines().skip(1))
        .map(|line| {
            let mut cells = line
                .split(',')
                .skip(1)
                .map(|cell| cell.parse().expect("a number"));
            [cells.next().expect("x"), cells.next().expect("y")]
        })
        .collect();
    let sites = joint.sites();
    let place = |name: &str| {
        sites
            .iter()
            .find(|s| s.name == name)
            .expect("a variable")
            .offset
    };
    let places = ["w1", "b1", "W2", "b2", "w3", "b3", "sigma"].map(place);
    let mut other = vec![0.0; z.len()];
    for _ in 0..repeats {
        let start = ProcessTime::now();
        values[0] = evaluator.gradient(&z, &mut slope);
        by_tape.push(start.elapsed().as_secs_f64());
        let start = ProcessTime::now();
        other.fill(0.0);
        values[1] = hand(&z, &rows, tasks, places, &mut other);
        by_hand.push(start.elapsed().as_secs_f64());
    }
    let errors = slope
        .iter()
        .zip(&other)
        .map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
    let error = errors.fold((values[0] / values[1] - 1.0).abs(), f64::max);
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2] * 1e9 / rows.len() as f64
    };
    let (tape, hand) = (median(&mut by_tape), median(&mut by_hand));
    say(&format!(
        "{tasks} tasks of 10 points, value and gradient, processor time: {tape:.0} ns a row, by hand {hand:.0} ({:.1} times); they differ by {error:.1e}",
        tape / hand
    ));
}

/// The log likelihood, and its gradient: task after task, row after row.
fn hand(z: &[f64], rows: &[[f64; 2]], tasks: usize, places: [usize; 7], slope: &mut [f64]) -> f64 {
    let [w1, b1, w2, b2, w3, b3, log_sd] = places;
    let precision = (-2.0 * z[log_sd]).exp();
    let mut total = 0.0;
    let mut weights = vec![0.0; H * H];
    let mut weights_bar = vec![0.0; H * H];
    for (i, rows) in rows.chunks_exact(rows.len() / tasks).enumerate() {
        let at = |first: usize, k: usize| first + k * tasks + i;
        for (k, w) in weights.iter_mut().enumerate() {
            *w = z[at(w2, k)];
        }
        weights_bar.fill(0.0);
        for [x, y] in rows {
            let mut first = [0.0; H];
            for (k, h) in first.iter_mut().enumerate() {
                *h = (z[at(w1, k)] * x + z[at(b1, k)]).tanh();
            }
            let mut second = [0.0; H];
            let mut f = z[at(b3, 0)];
            for (r, h) in second.iter_mut().enumerate() {
                let row = &weights[r * H..(r + 1) * H];
                let sum: f64 = row.iter().zip(&first).map(|(w, h)| w * h).sum();
                *h = (sum + z[at(b2, r)]).tanh();
                f += z[at(w3, r)] * *h;
            }
            let residual = (y - f) * precision;
            total -= 0.5 * residual * (y - f) + z[log_sd] + 0.5 * (2.0 * std::f64::consts::PI).ln();
            slope[log_sd] += residual * (y - f) - 1.0;
            slope[at(b3, 0)] += residual;
            let mut first_bar = [0.0; H];
            for (r, h) in second.iter().enumerate() {
                slope[at(w3, r)] += residual * h;
                let bar = residual * z[at(w3, r)] * (1.0 - h * h);
                slope[at(b2, r)] += bar;
                let (row, row_bar) = (
                    &weights[r * H..(r + 1) * H],
                    &mut weights_bar[r * H..(r + 1) * H],
                );
                for k in 0..H {
                    row_bar[k] += bar * first[k];
                    first_bar[k] += bar * row[k];
                }
            }
            for (k, h) in first.iter().enumerate() {
                let bar = first_bar[k] * (1.0 - h * h);
                slope[at(w1, k)] += bar * x;
                slope[at(b1, k)] += bar;
            }
        }
        for (k, bar) in weights_bar.iter().enumerate() {
            slope[at(w2, k)] += bar;
        }
    }
    total
}

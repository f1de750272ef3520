//! Gaussian variational inference for a density of few coordinates: natural-gradient steps on fixed, whitened draws.
//!
//! q = N(μ, L Lᵀ), θ_n = μ + L e_n. With `g_n = Lᵀ ∇log π(θ_n)`, `m = mean g_n` and `P = −sym(mean e_n g_nᵀ)`, by Stein's lemma the mean
//! gradient and minus the mean Hessian in the units of L, a step is `μ ← μ + L P⁻¹ m`, `L Lᵀ ← L P⁻¹ Lᵀ` (Opper & Archambeau 2009; Khan &
//! Lin 2017). Its fixed point m = 0, P = I is the optimum of the bound over these draws. Draws with mean 0 and covariance I exactly make it
//! Newton's step where log π is quadratic.

use super::lbfgs;
use super::lbfgs::End;
use super::lbfgs::Rule;
use super::mode;
use super::mode::Scale;
use crate::guide::noise::Noise;
use crate::num::dense;

/// A Gaussian over the coordinates.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub mean: Vec<f64>,
    /// The lower factor L.
    pub scale: Scale,
}

/// Why natural steps ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    /// At the optimum for the draws.
    Yes,
    /// Not in the steps that are allowed.
    No,
    /// The caller asked to stop.
    Stopped,
    /// The density is not finite where q lies.
    NotFinite,
}

/// The expected gain of a step, times the last rate of its fall, below which q is settled: nats.
const SETTLED: f64 = 1e-3;
/// Steps whose gain does not fall by this factor do not settle.
const FALL: f64 = 3.0;
/// The most natural steps, and the most iterations of what follows where they stall.
const STEPS: usize = 12;
const ITERATIONS: usize = 30;
/// Eigenvalues of P beyond which a step is shortened: the variance of no direction changes by more than this factor at once.
const MOST_CHANGE: f64 = 5.0;
/// No step moves the mean by more than this, in units of L.
const LONGEST: f64 = 2.0;

/// A density: the value, and the gradient written over the second argument.
pub(super) type Density<'a> = &'a mut dyn FnMut(&[f64], &mut [f64]) -> f64;
/// The same at several points.
pub(super) type Many<'a> = &'a mut dyn FnMut(&[Vec<f64>]) -> Vec<(f64, Vec<f64>)>;

/// The values and gradients (in the units of L) over the draws.
struct Batch {
    value: f64,
    slopes: Vec<Vec<f64>>,
    mean: Vec<f64>,
    precision: Vec<f64>,
}

/// The mean value over the draws of q; tells `each` the noise of a draw and the gradient there, in the units of `unit`.
fn mean(
    density: Many<'_>,
    q: &Dense,
    unit: &Scale,
    noise: &Noise,
    mut each: impl FnMut(&[f64], Vec<f64>),
) -> f64 {
    let points: Vec<Vec<f64>> = noise.draws().map(|e| q.scale.at(&q.mean, e)).collect();
    let mut sum = 0.0;
    for (e, (value, gradient)) in noise.draws().zip(density(&points)) {
        sum += value;
        each(e, unit.pull(&gradient));
    }
    sum / noise.count() as f64
}

fn batch(density: Many<'_>, q: &Dense, noise: &Noise) -> Option<Batch> {
    let n = q.mean.len();
    let share = 1.0 / noise.count() as f64;
    let mut out = Batch {
        value: 0.0,
        slopes: Vec::with_capacity(noise.count()),
        mean: vec![0.0; n],
        precision: vec![0.0; n * n],
    };
    out.value = mean(density, q, &q.scale, noise, |e, slope| {
        for i in 0..n {
            out.mean[i] += share * slope[i];
            for j in 0..n {
                out.precision[i * n + j] -= 0.5 * share * (e[i] * slope[j] + e[j] * slope[i]);
            }
        }
        out.slopes.push(slope);
    });
    let finite = out.value.is_finite() && out.mean.iter().all(|x| x.is_finite());
    finite.then_some(out)
}

impl Dense {
    fn log_scale(&self) -> f64 {
        let n = self.mean.len();
        (0..n).map(|i| self.scale.columns[i * n + i].ln()).sum()
    }
}

/// The Monte Carlo error of each mean, in units of L, by the sandwich formula: the standard error of the gradient's mean, each
/// antithetic pair as one draw, times the inverse of P, which is nearly I where q is settled.
fn error(batch: &Batch) -> f64 {
    let pairs = batch.slopes.len() / 2;
    let (first, second) = batch.slopes.split_at(pairs);
    (0..batch.mean.len()).fold(0.0, |most: f64, k| {
        let squares: f64 = (first.iter().zip(second))
            .map(|(a, b)| (0.5 * (a[k] + b[k]) - batch.mean[k]).powi(2))
            .sum();
        most.max((squares / (pairs * pairs.saturating_sub(1).max(1)) as f64).sqrt())
    })
}

/// Settles q on these draws. Gives how that ended, and the Monte Carlo error of the means in posterior sds.
pub(super) fn settle(
    density: Many<'_>,
    q: &mut Dense,
    noise: &Noise,
    watch: &mut dyn FnMut(f64) -> bool,
) -> (Settled, f64) {
    let n = q.mean.len();
    let mut before: Option<f64> = None;
    let mut slow = 0;
    let mut shrunk = 0;
    for _ in 0..STEPS {
        let Some(found) = batch(density, q, noise) else {
            shrunk += 1;
            if shrunk > 6 {
                return (Settled::NotFinite, f64::INFINITY);
            }
            q.scale.columns.iter_mut().for_each(|s| *s *= 0.5);
            continue;
        };
        if !watch(found.value + q.log_scale()) {
            return (Settled::Stopped, f64::INFINITY);
        }
        let mut eigen = found.precision.clone();
        let vectors = dense::eigen(&mut eigen, n);
        let values: Vec<f64> = (0..n).map(|k| eigen[k * n + k]).collect();
        let bounded = |value: f64| value.clamp(1.0 / MOST_CHANGE, MOST_CHANGE);
        let within = values.iter().all(|v| bounded(*v) == *v);
        // In the basis of the eigenvectors.
        let along = |k: usize| {
            (0..n)
                .map(|i| vectors[i * n + k] * found.mean[i])
                .sum::<f64>()
        };
        let shifts: Vec<f64> = (0..n).map(|k| along(k) / bounded(values[k])).collect();
        let longest = shifts.iter().map(|s| s * s).sum::<f64>().sqrt();
        let share = (LONGEST / longest).min(1.0);
        let decrement: f64 = (0..n)
            .map(|k| {
                let v = bounded(values[k]);
                0.5 * shifts[k] * shifts[k] * v + 0.25 * (v - 1.0) * (v - 1.0)
            })
            .sum();
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                inverse[i * n + j] = (0..n)
                    .map(|k| vectors[i * n + k] * vectors[j * n + k] / bounded(values[k]))
                    .sum();
            }
        }
        let step: Vec<f64> = (0..n)
            .map(|i| share * (0..n).map(|k| vectors[i * n + k] * shifts[k]).sum::<f64>())
            .collect();
        q.mean = q.scale.at(&q.mean, &step);
        if let Some(scale) = q.scale.lower_of(&inverse) {
            q.scale = scale;
        }
        let rate = before.map_or(1.0, |before: f64| (decrement / before).min(1.0));
        // Of many coordinates none moves far by a gain that they share.
        let settled = SETTLED * (n as f64 / 8.0).max(1.0);
        if within && share >= 1.0 && decrement * rate < settled {
            return (Settled::Yes, error(&found));
        }
        if before.is_some_and(|before| decrement * FALL > before) {
            slow += 1;
        }
        before = Some(decrement);
        if slow >= 2 {
            break;
        }
    }
    search(density, q, noise, watch)
}

/// The same optimum by L-BFGS over μ and L, in the units of the present L: `θ = μ₀ + L₀ (m + U e)`, U lower triangular, its diagonal exp.
fn search(
    density: Many<'_>,
    q: &mut Dense,
    noise: &Noise,
    watch: &mut dyn FnMut(f64) -> bool,
) -> (Settled, f64) {
    let n = q.mean.len();
    let mut x = vec![0.0; n + n * (n + 1) / 2];
    let base = q.clone();
    let unpacked = |x: &[f64]| -> (Vec<f64>, Vec<f64>) {
        let mut u = vec![0.0; n * n];
        let mut at = n;
        for i in 0..n {
            for j in 0..=i {
                u[i * n + j] = if i == j { x[at].exp() } else { x[at] };
                at += 1;
            }
        }
        (x[..n].to_vec(), u)
    };
    let answer = |x: &[f64]| -> Dense {
        let (m, u) = unpacked(x);
        Dense {
            mean: base.scale.at(&base.mean, &m),
            scale: Scale {
                n,
                columns: mode::product(&base.scale.columns, &u, n, false),
            },
        }
    };
    let mut function = |x: &[f64], out: &mut [f64]| {
        let (_, u) = unpacked(x);
        out.fill(0.0);
        let share = 1.0 / noise.count() as f64;
        let (m, rest) = out.split_at_mut(n);
        let mut value = mean(density, &answer(x), &base.scale, noise, |e, slope| {
            let mut entries = rest.iter_mut();
            for (i, (out, slope)) in m.iter_mut().zip(&slope).enumerate() {
                *out -= share * slope;
                for (j, (entry, e)) in entries.by_ref().take(i + 1).zip(e).enumerate() {
                    let inner = if i == j { u[i * n + i] } else { 1.0 };
                    *entry -= share * slope * e * inner;
                }
            }
        });
        let mut at = n;
        for i in 0..n {
            at += i;
            value += x[at];
            out[at] -= 1.0;
            at += 1;
        }
        -value
    };
    let rule = Rule {
        iterations: ITERATIONS,
        longest: 0.03,
        gain: 1e-3,
    };
    let (end, _) = lbfgs::minimise(&mut function, &mut x, rule, &mut |v| watch(-v));
    *q = answer(&x);
    match end {
        End::Stopped => (Settled::Stopped, f64::INFINITY),
        End::NotFinite => (Settled::NotFinite, f64::INFINITY),
        End::Spent => (Settled::No, f64::INFINITY),
        End::Converged | End::Flat => match batch(density, q, noise) {
            Some(found) => (Settled::Yes, error(&found)),
            None => (Settled::NotFinite, f64::INFINITY),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same density at several points.
    fn many(density: Density<'_>) -> impl FnMut(&[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
        |points| {
            let at = |x: &Vec<f64>| {
                let mut g = vec![0.0; x.len()];
                (density(x, &mut g), g)
            };
            points.iter().map(at).collect()
        }
    }

    fn start() -> Dense {
        Dense {
            mean: vec![0.5, -0.5],
            scale: Scale::unit(2),
        }
    }

    #[test]
    fn a_gaussian_is_found_exactly() {
        // Precision [[2, 0.8], [0.8, 1]], mean (1, 2).
        let mut density = |x: &[f64], g: &mut [f64]| {
            let r = [x[0] - 1.0, x[1] - 2.0];
            g[0] = -2.0 * r[0] - 0.8 * r[1];
            g[1] = -0.8 * r[0] - r[1];
            0.5 * (g[0] * r[0] + g[1] * r[1])
        };
        let mut q = start();
        let noise = Noise::dense(2, 16, 5);
        let (settled, error) = settle(&mut many(&mut density), &mut q, &noise, &mut |_| true);
        assert_eq!(settled, Settled::Yes);
        assert!(error < 1e-9, "{error}");
        assert!((q.mean[0] - 1.0).abs() < 1e-9 && (q.mean[1] - 2.0).abs() < 1e-9);
        // Covariance [[1, −0.8], [−0.8, 2]] / 1.36.
        let s = &q.scale.columns;
        assert!((s[0] * s[0] - 1.0 / 1.36).abs() < 1e-9);
        assert!((s[0] * s[2] + 0.8 / 1.36).abs() < 1e-9);
        assert!((s[2] * s[2] + s[3] * s[3] - 2.0 / 1.36).abs() < 1e-9);
    }

    #[test]
    fn a_skewed_density_is_settled_where_the_bound_is_flat() {
        // log p = 3 x − exp(x), the log of a Gamma(3, 1) variable: E[3 − exp(x)] = 0 and E[exp(x)] s² = 1 at the optimum,
        // so s² = 1/3 and μ = log 3 − 1/6.
        let mut density = |x: &[f64], g: &mut [f64]| {
            g[0] = 3.0 - x[0].exp();
            g[1] = -x[1];
            3.0 * x[0] - x[0].exp() - 0.5 * x[1] * x[1]
        };
        let mut q = start();
        let noise = Noise::dense(2, 256, 5);
        let (settled, _) = settle(&mut many(&mut density), &mut q, &noise, &mut |_| true);
        assert_eq!(settled, Settled::Yes);
        let variance = q.scale.columns[0] * q.scale.columns[0];
        assert!(
            (q.mean[0] - (3.0_f64.ln() - 1.0 / 6.0)).abs() < 0.01,
            "{}",
            q.mean[0]
        );
        assert!((variance * 3.0 - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn what_has_no_optimum_does_not_settle() {
        // Tails of |x|^−0.9: E log π + log s grows by 0.1 log s without end as q widens.
        let mut density = |x: &[f64], g: &mut [f64]| {
            let square = 1.0 + x[0] * x[0];
            g[0] = -0.9 * x[0] / square;
            g[1] = -x[1];
            -0.45 * square.ln() - 0.5 * x[1] * x[1]
        };
        let mut q = start();
        let noise = Noise::dense(2, 32, 5);
        let (settled, _) = settle(&mut many(&mut density), &mut q, &noise, &mut |_| true);
        assert_eq!(settled, Settled::No, "{q:?}");
    }
}

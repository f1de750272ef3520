//! The density of the globals against closed forms, brute force and central differences.

mod chain;

use chain::joint;
use hvi::diagnostics;
use hvi::diagnostics::Trust;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Outcome;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::locals::Forest;
use hvi::marginal::Integral;
use hvi::marginal::Marginal;
use hvi::marginal::Order;
use hvi::num::rng;
use std::f64::consts::PI;

/// Numbers that are nothing special: between −1 and 1, the same every time.
fn odd(k: usize) -> f64 {
    (((k * 7919 + 13) % 104_729) as f64 / 104_729.0 * 97.0).sin()
}

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    let r = (x - mean) / sd;
    -0.5 * r * r - sd.ln() - 0.5 * (2.0 * PI).ln()
}

/// The forest in which only plates are integrated out.
fn forest(joint: &Joint) -> Forest {
    let forests = joint.forests().expect("locals that can be integrated out");
    forests
        .into_iter()
        .next_back()
        .expect("at least one forest")
}

/// Gradients against central differences, relative to their size, for every forest that has an integral; as many as are `expected`.
fn holds_gradient(joint: &Joint, expected: Integral, globals: &[usize]) {
    let forests = joint.forests().expect("locals that can be integrated out");
    let mut found = Vec::new();
    for forest in &forests {
        let Ok(integral) = hvi::marginal::integral(joint, forest) else {
            continue;
        };
        assert_eq!(integral, expected);
        found.push(forest.globals.len());
        let mut marginal = Marginal::new(joint, forest, integral).expect("a marginal density");
        for seed in 0..3 {
            holds_gradient_at(&mut marginal, seed);
        }
    }
    assert_eq!(found, globals);
}

fn holds_gradient_at(marginal: &mut Marginal<'_>, seed: usize) {
    let theta: Vec<f64> = (0..marginal.dim())
        .map(|k| 0.4 * odd(k + 31 * seed))
        .collect();
    let mut gradient = vec![0.0; theta.len()];
    let value = marginal.gradient(&theta, Order::High, &mut gradient);
    assert!(value.is_finite(), "{value}");
    for k in 0..theta.len() {
        let mut at = |h: f64| {
            let mut theta = theta.clone();
            theta[k] += h;
            marginal.value(&theta, Order::High)
        };
        let h = 1e-4;
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        assert!(
            (gradient[k] - slope).abs() < 1e-5 * slope.abs().max(1.0),
            "{k}: {} is not {slope}",
            gradient[k]
        );
    }
}

fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..rows).map(row).collect();
    format!("{header}\n{}\n", lines.join("\n"))
}

const NORMAL: &str = "
    mu ~ Normal(0, 2)
    tau, sigma ~ HalfNormal(1)
    plate g { a ~ Normal(mu, tau)
      plate obs = rows { data y: real
        y ~ Normal(a, sigma) } }";

fn normal_rows() -> (Vec<usize>, Vec<f64>) {
    let groups = (0..23).map(|i| i * i % 5).collect();
    (groups, (0..23).map(|i| 1.0 + odd(i)).collect())
}

#[test]
fn a_normal_plate_has_its_closed_form() {
    let (groups, y) = normal_rows();
    let csv = table("g,y", y.len(), |i| format!("g{},{}", groups[i], y[i]));
    let joint = joint(NORMAL, &csv);
    let forest = forest(&joint);
    let mut marginal = Marginal::new(&joint, &forest, Integral::Exact).expect("a density");
    let (mu, tau, sigma) = (0.3, 0.7_f64, 0.4_f64);
    let value = marginal.value(&[mu, tau.ln(), sigma.ln()], Order::Low);
    let half = |x: f64| normal(x, 0.0, 1.0) + 2.0_f64.ln() + x.ln();
    let mut expected = normal(mu, 0.0, 2.0) + half(tau) + half(sigma);
    for g in 0..5 {
        // Rows of a group are N(mu 1, sigma² I + tau² 11'); the determinant and inverse by Sherman & Morrison.
        let own: Vec<f64> = (0..y.len())
            .filter(|i| groups[*i] == g)
            .map(|i| y[i] - mu)
            .collect();
        let n = own.len() as f64;
        let (sum, squares): (f64, f64) = (own.iter().sum(), own.iter().map(|r| r * r).sum());
        let (s2, t2) = (sigma * sigma, tau * tau);
        let quadratic = squares / s2 - t2 * sum * sum / (s2 * (s2 + n * t2));
        let log_det = (n - 1.0) * s2.ln() + (s2 + n * t2).ln();
        if n > 0.0 {
            expected -= 0.5 * (quadratic + log_det + n * (2.0 * PI).ln());
        }
    }
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn a_logistic_plate_agrees_with_a_fine_grid() {
    let csv = table("g,x,y", 40, |i| {
        format!("g{},{},{}", i % 7, odd(i), u8::from(odd(i + 50) > -0.2))
    });
    let model = "
        mu ~ Normal(0, 1)
        tau ~ HalfNormal(1)
        plate g { a ~ Normal(mu, tau)
          plate obs = rows { data x: real
            data y: binary
            y ~ Bernoulli(logit = a + 0.5 * x) } }";
    let joint = joint(model, &csv);
    let forest = forest(&joint);
    let mut marginal = Marginal::new(&joint, &forest, Integral::Quadrature).expect("a density");
    let (mu, tau) = (0.2, 0.9_f64);
    let mut expected = normal(mu, 0.0, 1.0) + normal(tau, 0.0, 1.0) + 2.0_f64.ln() + tau.ln();
    for g in 0..7 {
        let steps = 4000;
        let width = 24.0 * tau / f64::from(steps);
        let sum: f64 = (0..=steps)
            .map(|s| {
                let a = mu - 12.0 * tau + f64::from(s) * width;
                let rows = (0..40).filter(|i| i % 7 == g).map(|i| {
                    let eta = a + 0.5 * odd(i);
                    let eta = if odd(i + 50) > -0.2 { eta } else { -eta };
                    -(-eta).exp().ln_1p()
                });
                (normal(a, mu, tau) + rows.sum::<f64>()).exp() * width
            })
            .sum();
        expected += sum.ln();
    }
    let high = marginal.value(&[mu, tau.ln()], Order::High);
    assert!((high - expected).abs() < 1e-7, "{high} is not {expected}");
    let low = marginal.value(&[mu, tau.ln()], Order::Low);
    assert!((low - expected).abs() < 1e-3, "{low} is not {expected}");
}

#[test]
fn gradients_of_normal_plates_are_right() {
    let (groups, y) = normal_rows();
    let csv = table("g,y", y.len(), |i| format!("g{},{}", groups[i], y[i]));
    holds_gradient(&joint(NORMAL, &csv), Integral::Exact, &[2, 3]);
    let csv = table("g,x,y", 30, |i| {
        format!("g{},{},{}", i % 6, odd(i), odd(i + 9))
    });
    let slopes = "
        mu[2] ~ Normal(0, 2)
        tau[2] ~ HalfNormal(1)
        L[2, 2] ~ LKJCholesky(2)
        sigma ~ HalfNormal(1)
        plate g { u[2] ~ MultiNormal(0, sd = tau, corr_cholesky = L)
          plate obs = rows { data x, y: real
            y ~ Normal(mu[1] + u[1] + (mu[2] + u[2]) * x, sigma) } }";
    holds_gradient(&joint(slopes, &csv), Integral::Exact, &[4, 6]);
}

const NESTED: &str = "
    mu ~ Normal(0, 2)
    tau, omega, sigma ~ HalfNormal(1)
    plate district { d ~ Normal(mu, omega)
      plate school { s ~ Normal(d, tau)
        plate obs = rows { data y: real
          y ~ Normal(s, sigma) } } }";

fn nested_rows() -> String {
    table("district,school,y", 30, |i| {
        format!("d{},s{},{}", i % 9 % 3, i % 9, odd(i))
    })
}

#[test]
fn gradients_of_nested_and_crossed_plates_are_right() {
    holds_gradient(&joint(NESTED, &nested_rows()), Integral::Exact, &[3, 4]);
    let logistic = NESTED
        .replace("data y: real", "data y: binary")
        .replace("y ~ Normal(s, sigma)", "y ~ Bernoulli(logit = s * sigma)");
    let csv = table("district,school,y", 60, |i| {
        format!("d{},s{},{}", i % 9 % 3, i % 9, i * i % 5 % 2)
    });
    holds_gradient(&joint(&logistic, &csv), Integral::Quadrature, &[4]);
    let csv = table("a,b,y", 40, |i| format!("a{},b{},{}", i % 7, i % 3, odd(i)));
    let crossed = "
        tau, omega, sigma ~ HalfNormal(1)
        plate a { u ~ Normal(0, tau) }
        plate b { v ~ Normal(0, omega) }
        plate obs = rows in a, b { data y: real
          y ~ Normal(u + v, sigma) }";
    let joint = joint(crossed, &csv);
    holds_gradient(&joint, Integral::Exact, &[3, 6]);
}

#[test]
fn gradients_under_quadrature_are_right() {
    let csv = table("g,x,y", 60, |i| {
        format!("g{},{},{}", i % 6, odd(i), i * i % 4)
    });
    let poisson = "
        mu ~ Normal(0, 1)
        tau ~ HalfNormal(1)
        plate g { a ~ Normal(mu, tau)
          plate obs = rows { data x: real
            data y: count
            y ~ Poisson(log = 0.3 * a + 0.2 * x) } }";
    holds_gradient(&joint(poisson, &csv), Integral::Quadrature, &[2]);
    let slopes = poisson.replace(
        "a ~ Normal(mu, tau)",
        "a ~ Normal(mu, tau)\n b ~ Normal(0, 0.5 * tau)",
    );
    let slopes = slopes.replace("0.2 * x", "0.2 * b * x");
    // Rules of 25 nodes are as fine as that only where an element has many rows.
    let counts = |i: usize| 15 + 10 * (i * i % 4);
    let csv = table("g,x,y", 300, |i| {
        format!("g{},{},{}", i % 6, odd(i), counts(i))
    });
    let slopes = slopes.replace("log = 0.3 * a", "log = 3 + a");
    holds_gradient(&joint(&slopes, &csv), Integral::Quadrature, &[2]);
}

/// The log evidence of a nested Normal model by the dense covariance of all rows.
#[test]
fn a_nested_normal_plate_has_its_closed_form() {
    let joint = joint(NESTED, &nested_rows());
    let forest = forest(&joint);
    assert_eq!(forest.plates.len(), 2);
    let mut marginal = Marginal::new(&joint, &forest, Integral::Exact).expect("a density");
    let (mu, tau, omega, sigma) = (0.2, 0.8_f64, 0.5_f64, 0.6_f64);
    let value = marginal.value(&[mu, tau.ln(), omega.ln(), sigma.ln()], Order::Low);
    let n = 30;
    let mut covariance = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let (a, b) = (i % 9, j % 9);
            let mut c = if a % 3 == b % 3 { omega * omega } else { 0.0 };
            c += if a == b { tau * tau } else { 0.0 };
            c += if i == j { sigma * sigma } else { 0.0 };
            covariance[i * n + j] = c;
        }
    }
    let mut residual: Vec<f64> = (0..n).map(|i| odd(i) - mu).collect();
    hvi::num::dense::cholesky(&mut covariance, n);
    hvi::num::dense::solve_lower(&covariance, &mut residual, n, 1);
    let half = |x: f64| normal(x, 0.0, 1.0) + 2.0_f64.ln() + x.ln();
    let mut expected = normal(mu, 0.0, 2.0) + half(tau) + half(omega) + half(sigma);
    for i in 0..n {
        expected -= 0.5 * (residual[i] * residual[i] + (2.0 * PI).ln());
        expected -= covariance[i * n + i].ln();
    }
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

/// Two levels of Poisson rows, added up in either way, against sums over grids of both locals: values, and slopes from their differences.
#[test]
fn nested_integrals_are_those_of_grids() {
    const SCHOOLS: usize = 9;
    let x = |i: usize| odd(i);
    let count = |i: usize| (i * i + i / 7) % 6;
    let school = |i: usize| i % SCHOOLS;
    let csv = table("district,school,x,y", 90, |i| {
        format!("d{},s{},{},{}", school(i) % 3, school(i), x(i), count(i))
    });
    let centred = "
        mu ~ Normal(0, 2)
        beta ~ Normal(0, 1)
        tau, omega ~ HalfNormal(1)
        plate district { d ~ Normal(mu, omega)
          plate school { s ~ Normal(d, tau)
            plate obs = rows { data x: real
              data y: count
              y ~ Poisson(log = s + beta * x) } } }";
    let added = (centred.replace("s ~ Normal(d, tau)", "s ~ Normal(0, tau)"))
        .replace("log = s", "log = d + s");
    let rows_at = |s: f64, of: usize, beta: f64| -> f64 {
        (0..90)
            .filter(|i| school(*i) == of)
            .map(|i| {
                let eta = s + beta * x(i);
                let factorial: f64 = (1..=count(i)).map(|k| (k as f64).ln()).sum();
                count(i) as f64 * eta - eta.exp() - factorial
            })
            .sum()
    };
    let grid = |middle: f64, sd: f64| {
        let width = 16.0 * sd / 240.0;
        (0..=240).map(move |k| (middle - 8.0 * sd + f64::from(k) * width, width))
    };
    let expected = |theta: &[f64]| {
        let [mu, beta, tau, omega] = [theta[0], theta[1], theta[2].exp(), theta[3].exp()];
        let half = |x: f64| normal(x, 0.0, 1.0) + 2.0_f64.ln() + x.ln();
        let priors = normal(mu, 0.0, 2.0) + normal(beta, 0.0, 1.0) + half(tau) + half(omega);
        let districts = (0..3).map(|district| {
            let integral: f64 = grid(mu, omega)
                .map(|(d, width)| {
                    let schools = (0..SCHOOLS).filter(|s| s % 3 == district).map(|own| {
                        let sum: f64 = grid(d, tau)
                            .map(|(s, w)| (normal(s, d, tau) + rows_at(s, own, beta)).exp() * w)
                            .sum();
                        sum.ln()
                    });
                    (normal(d, mu, omega) + schools.sum::<f64>()).exp() * width
                })
                .sum();
            integral.ln()
        });
        priors + districts.sum::<f64>()
    };
    // The mean of the rows' log density given the globals.
    let expected_rows = |theta: &[f64]| {
        let [mu, beta, tau, omega] = [theta[0], theta[1], theta[2].exp(), theta[3].exp()];
        let districts = (0..3).map(|district| {
            let (mut all, mut mean) = (0.0, 0.0);
            for (d, width) in grid(mu, omega) {
                let (mut weight, mut rows) = (normal(d, mu, omega).exp() * width, 0.0);
                for own in (0..SCHOOLS).filter(|s| s % 3 == district) {
                    let (mut sum, mut of_rows) = (0.0, 0.0);
                    for (s, w) in grid(d, tau) {
                        let of = rows_at(s, own, beta);
                        let share = (normal(s, d, tau) + of).exp() * w;
                        sum += share;
                        of_rows += share * of;
                    }
                    weight *= sum;
                    rows += of_rows / sum;
                }
                all += weight;
                mean += weight * rows;
            }
            mean / all
        });
        districts.sum::<f64>()
    };
    let theta = [0.7, 0.2, -0.8, -0.3];
    let value = expected(&theta);
    let slopes: Vec<f64> = (0..4)
        .map(|k| {
            let at = |h: f64| {
                let mut theta = theta;
                theta[k] += h;
                expected(&theta)
            };
            (at(1e-4) - at(-1e-4)) / 2e-4
        })
        .collect();
    for model in [centred, &added] {
        let joint = joint(model, &csv);
        let forest = forest(&joint);
        let mut marginal = Marginal::new(&joint, &forest, Integral::Quadrature).expect("a density");
        let found = marginal.expected(&theta);
        let place = (joint.terms().iter().position(|t| t.name == "y")).expect("rows");
        let (found, mean) = (found.terms[place], expected_rows(&theta));
        assert!((found - mean).abs() < 0.02, "{found} is not {mean}");
        for (order, close) in [(Order::High, 1e-6), (Order::Low, 3e-3)] {
            let mut gradient = [0.0; 4];
            let found = marginal.gradient(&theta, order, &mut gradient);
            assert!((found - value).abs() < close, "{found} is not {value}");
            for (found, slope) in gradient.iter().zip(&slopes) {
                assert!(
                    (found - slope).abs() < 10.0 * close,
                    "{gradient:?} {slopes:?}"
                );
            }
        }
    }
}

/// A fit by default against the density of its one global on a grid: the evidence, and the mean and sd of tau.
#[test]
fn a_skewed_scale_is_summarised_as_on_a_grid() {
    let model = "
        mu ~ Normal(0, 5)
        tau ~ HalfCauchy(5)
        plate school { data y: real
          data se: positive
          theta ~ Normal(mu, tau)
          y ~ Normal(theta, se) }";
    let (y, se) = (
        [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0],
        [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0],
    );
    let csv = table("school,y,se", 8, |i| format!("s{i},{},{}", y[i], se[i]));
    let joint = joint(model, &csv);
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let integrated = guide.integrated().expect("locals are integrated out");
    assert_eq!(integrated.forest.globals.len(), 1, "tau alone is left");
    let mut marginal =
        Marginal::new(&joint, &integrated.forest, integrated.integral).expect("a marginal density");
    let grid: Vec<(f64, f64)> = (0..6000)
        .map(|k| {
            let log_tau = -12.0 + 18.0 * f64::from(k) / 6000.0;
            (log_tau.exp(), marginal.value(&[log_tau], Order::Low).exp())
        })
        .collect();
    let total: f64 = grid.iter().map(|(_, p)| p).sum();
    let evidence = (total * 18.0 / 6000.0).ln();
    let mean = grid.iter().map(|(t, p)| t * p).sum::<f64>() / total;
    let square = grid
        .iter()
        .map(|(t, p)| (t - mean).powi(2) * p)
        .sum::<f64>();
    let sd = (square / total).sqrt();

    let elbo = elbo::compose(&joint, &guide);
    let mut settings = Settings {
        max_iterations: 1000,
        batch: None,
        progress: &mut |_| true,
    };
    let mut rng = rng::stream(1);
    let fit = fit::run(&elbo, &mut settings, &mut rng);
    assert_eq!(fit.outcome, Outcome::Converged);
    let slack = 4.0 * fit.elbo.mcse;
    assert!(
        fit.elbo.total < evidence + slack && fit.elbo.total > evidence - 0.3 - slack,
        "{} {evidence}",
        fit.elbo.total
    );
    let kl: f64 = (elbo.terms.iter().zip(&fit.elbo.terms))
        .map(|(term, value)| term.kind.sign() * value)
        .sum();
    assert!((kl - fit.elbo.total).abs() < 1e-9, "terms add up");
    let found = diagnostics::assess(&elbo, &fit, &mut rng);
    assert_eq!(found.trust, Trust::Yes, "{}", found.text);
    let at = integrated.forest.globals[0] as usize;
    let weighted = |f: &dyn Fn(f64) -> f64| -> f64 {
        (found.draws.iter().zip(&found.log_weights))
            .map(|(z, w)| w.exp() * f(z[at].exp()))
            .sum()
    };
    let found_mean = weighted(&|t| t);
    let found_sd = weighted(&|t| (t - found_mean).powi(2)).sqrt();
    assert!((found_mean - mean).abs() < 0.05 * sd, "{found_mean} {mean}");
    assert!((found_sd / sd - 1.0).abs() < 0.05, "{found_sd} {sd}");
}

#[test]
fn crossed_globals_are_told_apart_by_few_products() {
    let csv = table("student,item,y", 120, |i| {
        format!("s{},i{},{}", i % 20, i / 20, u8::from(odd(i) > 0.1))
    });
    let model = "
        mu ~ Normal(0, 1)
        s ~ HalfNormal(1)
        plate student { theta ~ Normal(0, 1) }
        plate item { b ~ Normal(mu, s)
          log_a ~ Normal(0, 0.5) }
        plate response = rows in student, item { data y: binary
          y ~ Bernoulli(logit = exp(log_a) * (theta - b)) }";
    let joint = joint(model, &csv);
    let forest = forest(&joint);
    assert_eq!((forest.globals.len(), forest.probes.len()), (14, 4));
    let mut marginal =
        Marginal::new(&joint, &forest, Integral::Quadrature).expect("a marginal density");
    let theta: Vec<f64> = (0..14).map(|k| 0.4 * odd(k)).collect();
    let rough = marginal.rough_curvature(&theta).expect("fewer products");
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    for (j, by) in forest.globals.iter().enumerate() {
        let mut at = |h: f64| {
            let mut z = marginal.point().to_vec();
            z[*by as usize] += h;
            let mut gradient = vec![0.0; z.len()];
            evaluator.gradient(&z, &mut gradient);
            gradient
        };
        let (after, before) = (at(1e-4), at(-1e-4));
        for (i, c) in forest.globals.iter().enumerate() {
            let second = (before[*c as usize] - after[*c as usize]) / 2e-4;
            let found = rough[i * 14 + j];
            assert!(
                (found - second).abs() < 1e-5 * second.abs().max(1.0),
                "{i} {j}: {found} is not {second}"
            );
        }
    }
}

//! Integrals over the locals by passes over rows: every kind of density and predictor, with any order of rows and any number of threads.

mod chain;

use chain::joint;
use hvi::diagnostics;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::marginal::Integral;
use hvi::marginal::Marginal;
use hvi::marginal::Order;
use hvi::num::rng;
use hvi::num::special;
use std::f64::consts::PI;

/// Numbers that are nothing special: between −1 and 1, the same every time.
fn odd(k: usize) -> f64 {
    (((k * 7919 + 13) % 104_729) as f64 / 104_729.0 * 97.0).sin()
}

fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..rows).map(row).collect();
    format!("{header}\n{}\n", lines.join("\n"))
}

/// Value and gradient at a point, under the finer rule, of the forest in which only plates are integrated out.
fn at(joint: &Joint, expected: Integral, theta: impl Fn(usize) -> f64) -> (f64, Vec<f64>) {
    let forests = joint.forests().expect("locals that can be integrated out");
    let forest = forests.last().expect("at least one forest");
    let integral = hvi::marginal::integral(joint, forest).expect("an integral");
    assert_eq!(integral, expected);
    let mut marginal = Marginal::new(joint, forest, integral).expect("a marginal density");
    let theta: Vec<f64> = (0..marginal.dim()).map(theta).collect();
    let mut gradient = vec![0.0; theta.len()];
    let value = marginal.gradient(&theta, Order::High, &mut gradient);
    let alone = marginal.value(&theta, Order::High);
    assert!((value - alone).abs() < 1e-9 * value.abs().max(1.0));
    (value, gradient)
}

/// The gradient against central differences of fourth order.
fn holds_gradient(model: &str, csv: &str, integral: Integral) {
    let joint = joint(model, csv);
    let theta = |k: usize| 0.4 * odd(k + 31);
    let (_, gradient) = at(&joint, integral, theta);
    for (k, g) in gradient.iter().enumerate() {
        let moved = |h: f64| {
            at(&joint, integral, |j| {
                theta(j) + if j == k { h } else { 0.0 }
            })
            .0
        };
        let h = 1e-4;
        let slope =
            (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
        let scale = slope.abs().max(1.0);
        assert!(
            (g - slope).abs() < 1e-5 * scale,
            "{k} of {model}: {g} is not {slope}"
        );
    }
}

/// Groups of 25 rows or so, in no order.
fn rows(n: usize, y: impl Fn(usize) -> f64) -> String {
    table("g,x,y", n, |i| {
        format!("g{},{},{}", i * i % 7, odd(i), y(i))
    })
}

#[test]
fn gradients_hold_for_every_kind_of_density() {
    let model = |likelihood: &str, data: &str| {
        format!(
            "mu ~ Normal(0, 1)
             beta[2] ~ Normal(0, 1)
             tau, s ~ HalfNormal(1)
             plate g {{ a ~ Normal(mu, tau)
               plate obs = rows {{ data x: real
                 data y: {data}
                 {likelihood} }} }}"
        )
    };
    let predictor = "a + beta[1] + beta[2] * x + s * x * x";
    let count = |i: usize| (3.0 + 3.0 * odd(3 * i)).round();
    for (likelihood, data, y) in [
        // With a loop of its own, and arguments that depend on globals.
        (
            format!("y ~ StudentT(4 + s, {predictor}, s)"),
            "real",
            &odd as &dyn Fn(usize) -> f64,
        ),
        (
            format!("y ~ NegBinomial(log = {predictor}, shape = 1 + s)"),
            "count",
            &count,
        ),
        (format!("y ~ Poisson(log = {predictor})"), "count", &count),
        (
            format!("y ~ Binomial(9, logit = {predictor})"),
            "count",
            &count,
        ),
        // Without, and with an argument that differs from row to row.
        (
            format!("y ~ Logistic({predictor}, s * exp(x))"),
            "real",
            &odd,
        ),
        (
            format!("y ~ StudentT(4, {predictor}, s * exp(0.2 * x))"),
            "real",
            &odd,
        ),
        (
            format!("y ~ Gamma(2, rate = exp({predictor}))"),
            "positive",
            &|i| 1.5 + odd(i),
        ),
    ] {
        holds_gradient(
            &model(&likelihood, data),
            &rows(180, y),
            Integral::Quadrature,
        );
    }
}

#[test]
fn gradients_hold_for_three_coordinates_and_for_crossed_plates() {
    let count = |i: usize| (40.0 + 10.0 * odd(3 * i)).round();
    let three = "
        mu ~ Normal(0, 1)
        tau ~ HalfNormal(1)
        plate g { u[3] ~ Normal(mu, 0.3 * tau)
          plate obs = rows { data x: real
            data y: count
            y ~ Poisson(log = 3 + u[1] + u[2] * x + u[3] * x * x) } }";
    holds_gradient(three, &rows(350, count), Integral::Quadrature);
    let items = "
        mu ~ Normal(0, 1)
        tau ~ HalfNormal(1)
        plate student { theta ~ Normal(0, 1) }
        plate item { b ~ Normal(mu, tau)
          log_a ~ Normal(0, 0.5) }
        plate answer = rows in student, item { data y: binary
          y ~ Bernoulli(logit = exp(log_a) * (theta - b)) }";
    let csv = table("student,item,y", 200, |i| {
        format!("s{},i{},{}", i * 11 % 40, i % 5, u8::from(odd(i) > 0.1))
    });
    holds_gradient(items, &csv, Integral::Quadrature);
}

/// Many rows for each group: their sums of squares stand for them.
#[test]
fn summed_up_rows_have_their_closed_form() {
    let model = "
        mu ~ Normal(0, 2)
        beta ~ Normal(0, 1)
        tau, sigma ~ HalfNormal(1)
        plate g { a ~ Normal(mu, tau)
          plate obs = rows { data x, y: real
            y ~ Normal(a + beta * x, sigma) } }";
    // Far from zero: squares of the data would lose ten digits.
    let y = |i: usize| 1e5 + odd(i + 5);
    let n = 350;
    let joint = joint(model, &rows(n, y));
    let theta = [1e5 - 0.2, 0.3, -0.4, -0.5];
    let (value, _) = at(&joint, Integral::Exact, |k| theta[k]);
    let normal = |x: f64, sd: f64| -0.5 * (x / sd).powi(2) - sd.ln() - special::HALF_LOG_TWO_PI;
    let (mu, beta, tau, sigma) = (theta[0], theta[1], theta[2].exp(), theta[3].exp());
    let half = |s: f64| normal(s, 1.0) + 2.0_f64.ln() + s.ln();
    let mut expected = normal(mu, 2.0) + normal(beta, 1.0) + half(tau) + half(sigma);
    for g in 0..7 {
        // N(mu + beta x, sigma² I + tau² 11'), by Sherman & Morrison.
        let own = (0..n).filter(|i| i * i % 7 == g);
        let residuals: Vec<f64> = own.map(|i| y(i) - mu - beta * odd(i)).collect();
        let m = residuals.len() as f64;
        let (sum, squares): (f64, f64) = (
            residuals.iter().sum(),
            residuals.iter().map(|r| r * r).sum(),
        );
        let (s2, t2) = (sigma * sigma, tau * tau);
        let quadratic = squares / s2 - t2 * sum * sum / (s2 * (s2 + m * t2));
        if m > 0.0 {
            let log_det = (m - 1.0) * s2.ln() + (s2 + m * t2).ln();
            expected -= 0.5 * (quadratic + log_det + m * (2.0 * PI).ln());
        }
    }
    // The prior of mu alone is −1e9.
    let apart = normal(mu, 2.0);
    let (value, expected) = (value - apart, expected - apart);
    assert!(
        (value - expected).abs() < 1e-6 * expected.abs(),
        "{value} is not {expected}"
    );
    holds_gradient(model, &rows(n, |i| odd(i + 5)), Integral::Exact);
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let normal = "y ~ Normal(a + b * x, s * exp(0.1 * x))";
    let logit = "y ~ Bernoulli(logit = a + b * x + beta[1] * x * x)";
    for (likelihood, data, integral) in [
        (normal, "real", Integral::Exact),
        (logit, "binary", Integral::Quadrature),
    ] {
        let model = format!(
            "mu ~ Normal(0, 1)
             beta[2] ~ Normal(0, 1)
             tau, s ~ HalfNormal(1)
             plate g {{ a ~ Normal(mu, tau)
               b ~ Normal(beta[2], tau)
               plate obs = rows {{ data x: real
                 data y: {data}
                 {likelihood} }} }}"
        );
        let csv = table("g,x,y", 9000, |i| {
            let y = u8::from(odd(i) > 0.0);
            format!("g{},{},{y}", i * i % 211, odd(3 * i))
        });
        let joint = joint(&model, &csv);
        let of = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("a pool of threads");
            let (value, gradient) = pool.install(|| at(&joint, integral, |k| 0.3 * odd(k)));
            let all = gradient.iter().chain([&value]).map(|x| x.to_bits());
            all.collect::<Vec<u64>>()
        };
        assert_eq!(of(1), of(2));
        assert_eq!(of(1), of(3));
    }
}

/// Draws of the globals are shared out among threads, and rows below each: neither changes a bit of a fit.
#[test]
fn a_fit_has_the_same_bits_on_any_number_of_threads() {
    let normal = "
        mu, beta ~ Normal(0, 1)
        tau, sigma ~ HalfNormal(1)
        plate g { a ~ Normal(mu, tau)
          plate obs = rows { data x, y: real
            y ~ Normal(a + beta * x, sigma * exp(0.1 * x)) } }";
    let crossed = "
        s ~ HalfNormal(1)
        plate g { theta ~ Normal(0, 1) }
        plate h { b ~ Normal(0, s)
          log_a ~ Normal(0, 0.5) }
        plate obs = rows in g, h { data y: binary
          y ~ Bernoulli(logit = exp(log_a) * (theta - b)) }";
    for model in [normal, crossed] {
        let csv = table("g,h,x,y", 2400, |i| {
            let y = u8::from(odd(i) > 0.0);
            format!("g{},h{},{},{y}", i * i % 211, i % 5, odd(3 * i))
        });
        let joint = joint(model, &csv);
        let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
        assert!(guide.integrated().is_some());
        let elbo = elbo::compose(&joint, &guide);
        let of = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool of threads").install(|| {
                let mut rng = rng::stream(1);
                let mut settings = Settings {
                    max_iterations: 1000,
                    batch: None,
                    progress: &mut |_| true,
                };
                let fit = fit::run(&elbo, &mut settings, &mut rng);
                let found = diagnostics::assess(&elbo, &fit, &mut rng);
                let all = (fit.params.iter()).chain(&fit.elbo.terms);
                let all = all.chain(found.draws.iter().flatten());
                let all = all.chain(&found.log_weights);
                all.map(|x| x.to_bits()).collect::<Vec<u64>>()
            })
        };
        let alone = of(1);
        assert!(alone == of(2), "two threads");
        assert!(alone == of(3), "three threads");
    }
}

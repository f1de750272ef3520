//! Globals that are a point, the locals integrated out: against closed forms, central differences and what cannot be.

mod chain;

use chain::joint;
use hvi::diagnostics;
use hvi::diagnostics::Diagnostics;
use hvi::diagnostics::Trust;
use hvi::elbo;
use hvi::elbo::How;
use hvi::fit;
use hvi::fit::Fit;
use hvi::fit::Outcome;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::Guide;
use hvi::guide::GuideSpec;
use hvi::joint::Joint;
use hvi::marginal::Integral;
use hvi::marginal::Marginal;
use hvi::marginal::Order;
use hvi::num::rng;
use std::f64::consts::PI;
use std::fmt::Write as _;

/// Numbers that are nothing special: between −1 and 1, the same every time.
fn odd(k: usize) -> f64 {
    (((k * 7919 + 13) % 104_729) as f64 / 104_729.0 * 97.0).sin()
}

fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..rows).map(row).collect();
    format!("{header}\n{}\n", lines.join("\n"))
}

fn guide_of(joint: &Joint) -> Guide {
    guide::derive(joint, &GuideSpec::default()).expect("a guide")
}

fn fitted(joint: &Joint, guide: &Guide) -> (Fit, Diagnostics) {
    let elbo = elbo::compose(joint, guide);
    let mut settings = Settings {
        max_iterations: 5000,
        batch: None,
        progress: &mut |_| true,
    };
    let mut rng = rng::stream(1);
    let fit = fit::run(&elbo, &mut settings, &mut rng);
    let found = diagnostics::assess(&elbo, &fit, &mut rng);
    (fit, found)
}

/// Why there is no guide.
fn refused(text: &str, csv: &str) -> String {
    let problems = guide::derive(&joint(text, csv), &GuideSpec::default());
    let problems = problems.expect_err("a guide that cannot be");
    problems.sorted()[0].message.clone()
}

/// A balanced table: the likelihood of a normal plate has its maximum in closed form (Searle, Casella & McCulloch 1992, section 4.4).
#[test]
fn the_point_of_a_balanced_plate_is_the_maximum_of_the_likelihood() {
    let (groups, n) = (9, 6);
    let y = |i: usize| 2.0 * odd(1000 + i / n) + 0.7 * odd(i);
    let csv = table("g,y", groups * n, |i| format!("g{},{}", i / n, y(i)));
    let model = "
        mu, log_tau, log_sigma ~ Flat()
        plate g { a ~ Normal(mu, exp(log_tau))
          plate obs = rows { data y: real
            y ~ Normal(a, exp(log_sigma)) } }
        guide { default point
          g: marginal }";
    let joint = joint(model, &csv);
    let guide = guide_of(&joint);
    let (fit, found) = fitted(&joint, &guide);
    assert_eq!(fit.outcome, Outcome::Converged);

    let (m, n) = (groups as f64, n as f64);
    let rows = (0..groups * n as usize).map(y);
    let mean = rows.clone().sum::<f64>() / (m * n);
    let means: Vec<f64> = (0..groups)
        .map(|g| {
            rows.clone()
                .skip(g * n as usize)
                .take(n as usize)
                .sum::<f64>()
                / n
        })
        .collect();
    let within: f64 = (rows.enumerate())
        .map(|(i, y)| (y - means[i / n as usize]).powi(2))
        .sum();
    let between: f64 = means.iter().map(|a| n * (a - mean).powi(2)).sum();
    let sigma2 = within / (m * (n - 1.0));
    let tau2 = (between / m - sigma2) / n;
    let q = guide.gaussian(&fit.params);
    let expected = [mean, 0.5 * tau2.ln(), 0.5 * sigma2.ln()];
    for (found, expected) in q.mean.iter().zip(expected) {
        assert!((found - expected).abs() < 2e-3, "{found} is not {expected}");
    }
    // The bound is the log likelihood itself.
    let total = sigma2 + n * tau2;
    let log_likelihood = -0.5
        * (m * n * (2.0 * PI).ln()
            + m * (n - 1.0) * sigma2.ln()
            + m * total.ln()
            + within / sigma2
            + between / total);
    let error = (fit.elbo.total - log_likelihood).abs();
    assert!(error < 1e-4, "{} is not {log_likelihood}", fit.elbo.total);
    assert_eq!(fit.elbo.mcse, 0.0);

    // The locals given the point: shrunken means, and one sd.
    let share = n * tau2 / total;
    let sd = (share * sigma2 / n).sqrt();
    let count = found.draws.len() as f64;
    for (g, own) in means.iter().enumerate() {
        let draws = found.draws.iter().map(|z| z[3 + g]);
        let local = draws.clone().sum::<f64>() / count;
        let square = draws.map(|a| (a - local).powi(2)).sum::<f64>() / count;
        let expected = mean + share * (own - mean);
        assert!((local - expected).abs() < 5e-3, "{local} is not {expected}");
        assert!((square.sqrt() / sd - 1.0).abs() < 0.01, "{square} {sd}");
        assert!((q.mean[3 + g] - expected).abs() < 5e-3);
        assert!((guide.sd(&q, 3 + g) / sd - 1.0).abs() < 0.01);
    }
    assert!((0..3).all(|k| guide.sd(&q, k) == 0.0));
    assert_eq!(found.trust, Trust::Caution);
    assert!(found.text.contains("one point"), "{}", found.text);
    assert!(found.text.contains("exactly"), "{}", found.text);
    let hows: Vec<How> = (elbo::compose(&joint, &guide).terms.iter())
        .map(|t| t.how)
        .collect();
    assert_eq!(hows[..3], [How::Point, How::Point, How::Point]);
    assert_eq!(hows[3..], [How::Integral, How::Integral]);
}

#[test]
fn no_step_from_the_point_under_quadrature_goes_up() {
    let csv = table("g,x,y", 120, |i| {
        format!(
            "g{},{},{}",
            i % 12,
            odd(i),
            u8::from(odd(i + 50) + odd(i % 12) > 0.1)
        )
    });
    let model = "
        mu, b ~ Normal(0, 1)
        tau ~ HalfNormal(1)
        plate g { a ~ Normal(mu, tau)
          plate obs = rows { data x: real
            data y: binary
            y ~ Bernoulli(logit = a + b * x) } }
        guide { default point
          a: marginal }";
    let joint = joint(model, &csv);
    let guide = guide_of(&joint);
    let (fit, found) = fitted(&joint, &guide);
    assert_eq!(fit.outcome, Outcome::Converged);
    assert!(found.text.contains("by quadrature"), "{}", found.text);
    let integrated = guide.integrated().expect("locals that are integrated out");
    assert_eq!(integrated.integral, Integral::Quadrature);
    let mut marginal =
        Marginal::new(&joint, &integrated.forest, Integral::Quadrature).expect("a density");
    let theta = marginal.globals_of(&guide.gaussian(&fit.params).mean);
    let mut at = |theta: &[f64]| marginal.value(theta, Order::High);
    let here = at(&theta);
    for k in 0..theta.len() {
        let mut moved = |h: f64| {
            let mut theta = theta.clone();
            theta[k] += h;
            at(&theta) - here
        };
        let (up, down) = (moved(0.1), moved(-0.1));
        assert!(up < 0.0 && down < 0.0, "{k}: {up} {down}");
    }
}

/// With many globals there is no dense Gaussian; a point there is.
#[test]
fn a_point_may_have_any_number_of_globals() {
    let (k, tasks) = (24, 24);
    let mut csv = "task,y".to_owned();
    let columns: Vec<String> = (0..k).map(|c| format!("x{c}")).collect();
    write!(csv, ",{}", columns.join(",")).expect("text");
    for i in 0..8 * tasks {
        let x: Vec<f64> = (0..k).map(|c| odd(31 * i + c)).collect();
        let task = i / 8;
        let y = (1.0 + odd(task + 7)) * x[0] - odd(task + 99) * x[1] + 0.1 * odd(i + 5000);
        let x: Vec<String> = x.iter().map(f64::to_string).collect();
        write!(csv, "\nt{task},{y},{}", x.join(",")).expect("text");
    }
    let model = |rules: &str| {
        format!(
            "const K = {k}
            m[K], below[K * (K - 1) / 2] ~ Normal(0, 0.3)
            diagonal[K] ~ HalfNormal(0.3)
            sigma ~ HalfNormal(1)
            plate task {{ w[K] ~ MultiNormal(m, cholesky = lower_triangular(below, diagonal))
              plate obs = rows {{ data x: real[K] = columns(\"x*\")
                data y: real
                y ~ Normal(dot(w, x), sigma) }} }}
            guide {{ {rules} }}"
        )
    };
    let why = refused(&model("default marginal"), &csv);
    assert!(why.contains("more than 300"), "{why}");
    let joint = joint(&model("default point; task: marginal"), &csv);
    let guide = guide_of(&joint);
    let integrated = guide.integrated().expect("locals that are integrated out");
    assert_eq!(integrated.forest.globals.len(), 2 * k + k * (k - 1) / 2 + 1);
    let (fit, _) = fitted(&joint, &guide);
    assert_eq!(fit.outcome, Outcome::Converged);
    // At the mode the gradient of the density is 0, as differences of the joint density's own integral see it.
    let mut marginal =
        Marginal::new(&joint, &integrated.forest, Integral::Exact).expect("a density");
    let theta = marginal.globals_of(&guide.gaussian(&fit.params).mean);
    for k in [0, 7, 100, theta.len() - 1] {
        let mut at = |h: f64| {
            let mut theta = theta.clone();
            theta[k] += h;
            marginal.value(&theta, Order::Low)
        };
        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!(slope.abs() < 1.0, "{k}: {slope}");
    }
    // Two directions of the weights vary between tasks, by sds of about 0.7.
    let natural = |name: &str| {
        let site = joint
            .sites()
            .iter()
            .find(|s| s.name == name)
            .expect("a site");
        theta[site.offset..site.offset + site.width].to_vec()
    };
    let (below, sds) = (natural("below"), natural("diagonal"));
    let row = |i: usize| -> f64 {
        let own = &below[i * i.saturating_sub(1) / 2..][..i];
        own.iter().map(|l| l * l).sum::<f64>() + sds[i].exp().powi(2)
    };
    assert!(row(0) > 0.2 && row(1) > 0.2, "{} {}", row(0), row(1));
    assert!(
        (2..k).all(|i| row(i) < 0.02),
        "{:?}",
        (2..k).map(row).collect::<Vec<_>>()
    );
}

#[test]
fn points_and_gaussians_do_not_mix_where_locals_are_integrated_out() {
    let csv = table("g,y", 8, |i| format!("g{},{}", i % 3, odd(i)));
    let model = |rules: &str| {
        format!(
            "mu ~ Normal(0, 1)
            tau, sigma ~ HalfNormal(1)
            plate g {{ a ~ Normal(mu, tau)
              plate obs = rows {{ data y: real
                y ~ Normal(a, sigma) }} }}
            guide {{ {rules} }}"
        )
    };
    let why = refused(&model("default marginal; sigma: point"), &csv);
    assert!(why.contains("`tau` cannot be integrated out"), "{why}");
    let why = refused(&model("default point; g: marginal; mu: mean_field"), &csv);
    assert!(why.contains("the guide of `mu` is `mean_field`"), "{why}");
    let why = refused(&model("default marginal; a: point"), &csv);
    assert!(why.contains("`a` is a point"), "{why}");
    // The mean is jointly normal with the locals: it may be integrated out with them.
    let joint = joint(&model("default point; g: marginal; mu: marginal"), &csv);
    let guide = guide_of(&joint);
    let forest = &guide.integrated().expect("locals").forest;
    assert_eq!(forest.globals.len(), 2);
}

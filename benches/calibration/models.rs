//! The models of the calibration, each with a simulator of its own.

use hvi::num::rng::Rng;
use rand::RngExt;
use rand_distr::Distribution;
use rand_distr::Poisson;
use rand_distr::StandardNormal;
use std::fmt::Write;

/// A model, its top-level parameters, and how they and data come about.
pub struct Model {
    /// What the table calls it.
    pub name: &'static str,
    /// The text of the model.
    pub text: &'static str,
    /// Whose ranks are looked at.
    pub parameters: &'static [&'static str],
    /// Draws the parameters from their priors, and a table given them.
    pub simulate: fn(&mut Rng) -> (Vec<f64>, String),
}

/// The models.
pub const MODELS: &[Model] = &[
    Model {
        name: "normal",
        text: "mu ~ Normal(0, 1)\ntau, sigma ~ HalfNormal(1)\nplate group {\n  a ~ Normal(mu, tau)\n  plate obs = rows {\n    data y: real\n    y ~ Normal(a, sigma)\n  }\n}\n",
        parameters: &["mu", "tau", "sigma"],
        simulate: normal,
    },
    Model {
        name: "logistic",
        text: "mu, beta ~ Normal(0, 1)\ntau ~ HalfNormal(1)\nplate group {\n  a ~ Normal(mu, tau)\n  plate obs = rows {\n    data x: real\n    data y: binary\n    y ~ Bernoulli(logit = a + beta * x)\n  }\n}\n",
        parameters: &["mu", "beta", "tau"],
        simulate: logistic,
    },
    Model {
        name: "Poisson",
        text: "mu, beta ~ Normal(0, 0.5)\ntau ~ HalfNormal(0.5)\nplate group {\n  a ~ Normal(mu, tau)\n  plate obs = rows {\n    data x: real\n    data y: count\n    y ~ Poisson(log = a + beta * x)\n  }\n}\n",
        parameters: &["mu", "beta", "tau"],
        simulate: poisson,
    },
    Model {
        name: "crossed",
        text: "mu ~ Normal(0, 1)\ntau_p, tau_q, sigma ~ HalfNormal(1)\nplate person { a ~ Normal(0, tau_p) }\nplate item { b ~ Normal(0, tau_q) }\nplate obs = rows in person, item {\n  data y: real\n  y ~ Normal(mu + a + b, sigma)\n}\n",
        parameters: &["mu", "tau_p", "tau_q", "sigma"],
        simulate: crossed,
    },
    Model {
        name: "nested",
        text: "mu ~ Normal(0, 0.5)\ntau_p, tau_q ~ HalfNormal(0.5)\nplate school {\n  a ~ Normal(mu, tau_p)\n  plate class {\n    b ~ Normal(a, tau_q)\n    plate obs = rows {\n      data y: count\n      y ~ Poisson(log = b)\n    }\n  }\n}\n",
        parameters: &["mu", "tau_p", "tau_q"],
        simulate: nested,
    },
];

/// A logistic regression whose scale of groups is 1.
pub const KNOWN_SCALE: &str = "mu ~ Normal(0, 1)\ntau ~ HalfNormal(2)\nplate group {\n  a ~ Normal(mu, tau)\n  plate obs = rows {\n    data y: binary\n    y ~ Bernoulli(logit = a)\n  }\n}\n";

fn z(rng: &mut Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn coin(logit: f64, rng: &mut Rng) -> u8 {
    u8::from(rng.random::<f64>() < 1.0 / (1.0 + (-logit).exp()))
}

fn count(log_rate: f64, rng: &mut Rng) -> f64 {
    Poisson::new(log_rate.exp()).map_or(0.0, |p| p.sample(rng))
}

fn row(csv: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(csv, "{line}").expect("text takes any line");
}

/// Twenty groups of five rows.
fn normal(rng: &mut Rng) -> (Vec<f64>, String) {
    let (mu, tau, sigma) = (z(rng), z(rng).abs(), z(rng).abs());
    let mut csv = "group,y\n".to_owned();
    for g in 0..20 {
        let a = mu + tau * z(rng);
        for _ in 0..5 {
            row(&mut csv, format_args!("{g},{}", a + sigma * z(rng)));
        }
    }
    (vec![mu, tau, sigma], csv)
}

/// Thirty groups of eight rows.
fn logistic(rng: &mut Rng) -> (Vec<f64>, String) {
    let (mu, beta, tau) = (z(rng), z(rng), z(rng).abs());
    let mut csv = "group,x,y\n".to_owned();
    for g in 0..30 {
        let a = mu + tau * z(rng);
        for _ in 0..8 {
            let x = z(rng);
            row(
                &mut csv,
                format_args!("{g},{x},{}", coin(a + beta * x, rng)),
            );
        }
    }
    (vec![mu, beta, tau], csv)
}

/// Twenty-five groups of four rows.
fn poisson(rng: &mut Rng) -> (Vec<f64>, String) {
    let (mu, beta, tau) = (0.5 * z(rng), 0.5 * z(rng), 0.5 * z(rng).abs());
    let mut csv = "group,x,y\n".to_owned();
    for g in 0..25 {
        let a = mu + tau * z(rng);
        for _ in 0..4 {
            let x = z(rng);
            row(
                &mut csv,
                format_args!("{g},{x},{}", count(a + beta * x, rng)),
            );
        }
    }
    (vec![mu, beta, tau], csv)
}

/// Fifteen persons by ten items, each once.
fn crossed(rng: &mut Rng) -> (Vec<f64>, String) {
    let (mu, tau_p, tau_q, sigma) = (z(rng), z(rng).abs(), z(rng).abs(), z(rng).abs());
    let mut csv = "person,item,y\n".to_owned();
    let b: Vec<f64> = (0..10).map(|_| tau_q * z(rng)).collect();
    for p in 0..15 {
        let a = tau_p * z(rng);
        for (q, b) in b.iter().enumerate() {
            row(
                &mut csv,
                format_args!("{p},{q},{}", mu + a + b + sigma * z(rng)),
            );
        }
    }
    (vec![mu, tau_p, tau_q, sigma], csv)
}

/// Twelve schools of three classes of six rows.
fn nested(rng: &mut Rng) -> (Vec<f64>, String) {
    let (mu, tau_p, tau_q) = (0.5 * z(rng), 0.5 * z(rng).abs(), 0.5 * z(rng).abs());
    let mut csv = "school,class,y\n".to_owned();
    for s in 0..12 {
        let a = mu + tau_p * z(rng);
        for c in 0..3 {
            let b = a + tau_q * z(rng);
            for _ in 0..6 {
                row(&mut csv, format_args!("{s},{s}-{c},{}", count(b, rng)));
            }
        }
    }
    (vec![mu, tau_p, tau_q], csv)
}

/// So many groups of five rows, the mean of their logits 0 and its sd 1.
pub fn known_scale(groups: usize, rng: &mut Rng) -> String {
    let mut csv = "group,y\n".to_owned();
    for g in 0..groups {
        let a = z(rng);
        for _ in 0..5 {
            row(&mut csv, format_args!("{g},{}", coin(a, rng)));
        }
    }
    csv
}

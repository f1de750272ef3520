//! Joint densities of models against the same densities written by hand, and their gradients against differences.

mod chain;

use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::Pass;
use hvi::joint::Passes;
use hvi::joint::TermForm;
use hvi::num::Dual;
use hvi::num::special::lgamma;
use hvi::tape::Tape;
use std::f64::consts::PI;

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    -0.5 * ((x - mean) / sd).powi(2) - sd.ln() - 0.5 * (2.0 * PI).ln()
}

fn half_normal(x: f64, sd: f64) -> f64 {
    normal(x, 0.0, sd) + 2f64.ln()
}

fn bernoulli_logit(y: f64, eta: f64) -> f64 {
    y * eta - eta.max(0.0) - (-eta.abs()).exp().ln_1p()
}

/// Points that differ in every coordinate.
fn point(dim: usize, seed: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| 0.4 * ((((k + 1) * 29 + seed * 17) % 23) as f64 / 11.0 - 1.0))
        .collect()
}

/// Value, gradient and the product of the Hessian with a direction.
fn all(tape: &Tape, z: &[f64]) -> Vec<f64> {
    let dual: Vec<Dual> = (z.iter().enumerate())
        .map(|(k, v)| Dual {
            value: *v,
            tangent: ((k * 13 % 7) as f64 - 3.0) / 3.0,
        })
        .collect();
    let mut gradient = vec![Dual::default(); z.len()];
    let value = tape.gradient(&dual, &mut tape.workspace(), &mut gradient);
    let mut plain = vec![0.0; z.len()];
    let plain_value = tape.gradient(z, &mut tape.workspace(), &mut plain);
    let mut numbers = vec![plain_value, value.value, value.tangent];
    numbers.extend(plain);
    numbers.extend(gradient.iter().flat_map(|g| [g.value, g.tangent]));
    numbers
}

/// Holds what the recognised forms give against what the plain operations give.
fn compare_recognised(joint: &Joint, z: &[f64]) {
    let (fast, plain) = (
        all(joint.density(), z),
        all(&joint.density().recognising(false), z),
    );
    for (k, (a, b)) in fast.iter().zip(&plain).enumerate() {
        assert!(
            (a - b).abs() <= 1e-9 * (1.0 + b.abs()),
            "number {k}: {a} against {b}"
        );
    }
}

/// Holds the joint against `by_hand` of the coordinates and of the named sites' offsets, and its gradient against differences.
fn check(joint: &Joint, by_hand: impl Fn(&dyn Fn(&str) -> usize, &[f64]) -> f64) {
    let offset = |name: &str| {
        joint
            .sites()
            .iter()
            .find(|s| s.name == name)
            .unwrap_or_else(|| panic!("no site {name}"))
            .offset
    };
    let mut workspace = joint.density().workspace::<f64>();
    for seed in 0..3 {
        let z = point(joint.dim(), seed);
        let value = joint.density().value(&z, &mut workspace);
        let expected = by_hand(&offset, &z);
        assert!(
            (value - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            "{value} against {expected}"
        );
        compare_recognised(joint, &z);
        let mut gradient = vec![0.0; z.len()];
        joint.density().gradient(&z, &mut workspace, &mut gradient);
        for k in 0..z.len() {
            let mut moved = |by: f64| {
                let mut z = z.clone();
                z[k] += by;
                joint.density().value(&z, &mut workspace)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (gradient[k] - difference).abs() <= 1e-6 * (1.0 + difference.abs()),
                "coordinate {k}: {} against {difference}",
                gradient[k]
            );
        }
    }
}

#[test]
fn a_nested_plate_with_a_group_level_column() {
    let joint = chain::joint(
        "mu, gamma, beta ~ Normal(0, 10)
         tau, sigma ~ HalfNormal(1)
         plate county {
           data uranium: real
           alpha ~ Normal(mu + gamma * uranium, tau)
           plate house = rows {
             data floor: real
             data log_radon: real
             log_radon ~ Normal(alpha + beta * floor, sigma)
           }
         }",
        "county,uranium,floor,log_radon\nB,0.5,0,1.2\nA,-0.3,1,0.4\nB,0.5,1,0.9\nA,-0.3,0,0.8\nC,0.1,0,1.9\n",
    );
    // Levels in natural order: A, B, C.
    let rows = [
        (1, 0.0, 1.2),
        (0, 1.0, 0.4),
        (1, 1.0, 0.9),
        (0, 0.0, 0.8),
        (2, 0.0, 1.9),
    ];
    let uranium = [-0.3, 0.5, 0.1];
    check(&joint, |at, z| {
        let (mu, gamma, beta) = (z[at("mu")], z[at("gamma")], z[at("beta")]);
        let (tau, sigma) = (z[at("tau")].exp(), z[at("sigma")].exp());
        let alpha = |j: usize| z[at("alpha") + j];
        let priors = [mu, gamma, beta]
            .iter()
            .map(|x| normal(*x, 0.0, 10.0))
            .sum::<f64>()
            + half_normal(tau, 1.0)
            + tau.ln()
            + half_normal(sigma, 1.0)
            + sigma.ln();
        let groups: f64 = (0..3)
            .map(|j| normal(alpha(j), mu + gamma * uranium[j], tau))
            .sum();
        priors
            + groups
            + rows
                .iter()
                .map(|(j, x, y)| normal(*y, alpha(*j) + beta * x, sigma))
                .sum::<f64>()
    });
}

#[test]
fn crossed_plates_and_a_product_of_latents() {
    let joint = chain::joint(
        "plate student { theta ~ Normal(0, 1) }
         plate item { b ~ Normal(0, 2)  ; a ~ LogNormal(0, 0.5) }
         plate response = rows in student, item {
           data y: binary
           y ~ Bernoulli(logit = a * (theta - b))
         }",
        "student,item,y\n10,1,1\n9,1,0\n10,2,yes\n9,2,no\n",
    );
    let rows = [(1, 0, 1.0), (0, 0, 0.0), (1, 1, 1.0), (0, 1, 0.0)];
    check(&joint, |at, z| {
        let mut sum = 0.0;
        for k in 0..2 {
            sum += normal(z[at("theta") + k], 0.0, 1.0) + normal(z[at("b") + k], 0.0, 2.0);
            sum += normal(z[at("a") + k], 0.0, 0.5);
        }
        for (s, i, y) in rows {
            sum += bernoulli_logit(
                y,
                z[at("a") + i].exp() * (z[at("theta") + s] - z[at("b") + i]),
            );
        }
        sum
    });
}

#[test]
fn shapes_broadcast_from_the_right_and_vectors_index() {
    let joint = chain::joint(
        "const K = 2
         m[K] ~ Normal([1, -1], [2, 3])
         w[3, K] ~ Normal(m, 0.5)
         plate g {
           u[K] ~ Normal(0, 1)
           plate obs = rows {
             data k: category(3)
             data x: real[K] = columns(x1, x2)
             data y: real
             y ~ Normal(dot(w[k, :] + u, x) + m[2] * u[1], 0.7) where x1 > 0
             x1 = x[1]
           }
         }",
        "g,k,x1,x2,y\na,1,0.5,1,0.3\nb,3,-0.2,2,1.0\na,2,0.1,-1,0.6\n",
    );
    let rows = [(0, 0, [0.5, 1.0], 0.3), (0, 1, [0.1, -1.0], 0.6)];
    check(&joint, |at, z| {
        // Coordinate k of element i at offset + k * len + i; there are two groups.
        let m = [z[at("m")], z[at("m") + 1]];
        let w = |i: usize, k: usize| z[at("w") + 2 * i + k];
        let u = |g: usize, k: usize| z[at("u") + 2 * k + g];
        let mut sum = normal(m[0], 1.0, 2.0) + normal(m[1], -1.0, 3.0);
        for (k, m) in m.iter().enumerate() {
            sum += (0..3).map(|i| normal(w(i, k), *m, 0.5)).sum::<f64>();
            sum += (0..2).map(|g| normal(u(g, k), 0.0, 1.0)).sum::<f64>();
        }
        for (g, i, x, y) in rows {
            let eta = (0..2).map(|k| (w(i, k) + u(g, k)) * x[k]).sum::<f64>() + m[1] * u(g, 0);
            sum += normal(y, eta, 0.7);
        }
        sum
    });
    assert_eq!(
        (
            joint.conditions()[0].counted,
            joint.conditions()[0].elements
        ),
        (2, 3)
    );
}

#[test]
fn key_columns_reach_other_plates() {
    let joint = chain::joint(
        "scale ~ HalfNormal(1)
         plate player = union(winner, loser) { skill ~ Normal(0, scale) }
         plate game = rows {
           data winner, loser: player
           one = 1
           factor log_prob(Bernoulli(logit = skill[winner] - skill[loser]), one)
         }",
        "winner,loser\nann,bob\nbob,cy\nann,cy\n",
    );
    check(&joint, |at, z| {
        let scale = z[at("scale")].exp();
        let skill = |i: usize| z[at("skill") + i];
        let games = [(0, 1), (1, 2), (0, 2)];
        half_normal(scale, 1.0)
            + scale.ln()
            + (0..3).map(|i| normal(skill(i), 0.0, scale)).sum::<f64>()
            + games
                .iter()
                .map(|(w, l)| bernoulli_logit(1.0, skill(*w) - skill(*l)))
                .sum::<f64>()
    });
}

#[test]
fn aggregates_over_plates_below_and_across() {
    let joint = chain::joint(
        "b ~ Normal(0, 1)
         plate topic = 2 { s ~ Normal(0, 1) }
         plate school {
           data size: real
           e ~ Normal(b * mean(pupil: x), 1)
           plate pupil = rows {
             data x: real
             data y: real
             y ~ Normal(e + sum(topic: s * weight[topic] * x), 1 + log_sum_exp(topic: s)^2)
           }
           weight[topic] ~ Normal(size, 1)
         }",
        "school,size,x,y\na,1,0.5,0.2\nb,2,1.5,0.4\na,1,-0.5,0.9\n",
    );
    let rows = [(0, 0.5, 0.2), (1, 1.5, 0.4), (0, -0.5, 0.9)];
    let (means, size) = ([0.0, 1.5], [1.0, 2.0]);
    check(&joint, |at, z| {
        let (b, s) = (z[at("b")], [z[at("s")], z[at("s") + 1]]);
        let e = |j: usize| z[at("e") + j];
        let weight = |j: usize, t: usize| z[at("weight") + 2 * t + j];
        let sd = 1.0 + (s[0].exp() + s[1].exp()).ln().powi(2);
        let mut sum = normal(b, 0.0, 1.0) + s.iter().map(|s| normal(*s, 0.0, 1.0)).sum::<f64>();
        for j in 0..2 {
            sum += normal(e(j), b * means[j], 1.0);
            sum += (0..2)
                .map(|t| normal(weight(j, t), size[j], 1.0))
                .sum::<f64>();
        }
        for (j, x, y) in rows {
            let extra: f64 = (0..2).map(|t| s[t] * weight(j, t) * x).sum();
            sum += normal(y, e(j) + extra, sd);
        }
        sum
    });
}

#[test]
fn correlated_effects_and_their_transforms() {
    let joint = chain::joint(
        "tau[3] ~ HalfNormal(2)
         L[3, 3] ~ LKJCholesky(2)
         plate g {
           u[3] ~ MultiNormal(0, sd = tau, corr_cholesky = L)
           plate obs = rows {
             data y: count
             y ~ Poisson(log = u[1] + u[2] - u[3])
           }
         }",
        "g,y\na,2\nb,0\na,5\n",
    );
    check(&joint, |at, z| {
        let tau: Vec<f64> = (0..3).map(|k| z[at("tau") + k].exp()).collect();
        let mut sum = tau
            .iter()
            .map(|t| half_normal(*t, 2.0) + t.ln())
            .sum::<f64>();
        // Partial correlations row by row.
        let p: Vec<f64> = (0..3).map(|k| z[at("L") + k].tanh()).collect();
        let l = [
            [1.0, 0.0, 0.0],
            [p[0], (1.0 - p[0] * p[0]).sqrt(), 0.0],
            [
                p[1],
                p[2] * (1.0 - p[1] * p[1]).sqrt(),
                ((1.0 - p[1] * p[1]) * (1.0 - p[2] * p[2])).sqrt(),
            ],
        ];
        sum += p.iter().map(|p| (1.0 - p * p).ln()).sum::<f64>() + 0.5 * (1.0 - p[1] * p[1]).ln();
        // LKJ(2) on 3 × 3 matrices: Π L_kk^(3 − k + 2) over k = 2, 3, over its constant, worked out from the beta
        // functions of the partial correlations: c-vine with Beta(η + ½, η + ½) and Beta(η, η) on (−1, 1).
        let beta = |a: f64| 2.0 * lgamma(a) - lgamma(2.0 * a) + (2.0 * a - 1.0) * 2f64.ln();
        sum += 3.0 * l[1][1].ln() + 2.0 * l[2][2].ln();
        sum -= 2.0 * beta(2.5) + beta(2.0);
        for g in 0..2 {
            // z = (diag(τ) L)⁻¹ u by forward substitution.
            let u: Vec<f64> = (0..3).map(|k| z[at("u") + 2 * k + g]).collect();
            let mut e = [0.0; 3];
            for k in 0..3 {
                let before: f64 = (0..k).map(|j| tau[k] * l[k][j] * e[j]).sum();
                e[k] = (u[k] - before) / (tau[k] * l[k][k]);
                sum += -0.5 * e[k] * e[k] - (tau[k] * l[k][k]).ln() - 0.5 * (2.0 * PI).ln();
            }
        }
        for (g, y) in [(0, 2.0), (1, 0.0), (0, 5.0)] {
            let eta = z[at("u") + g] + z[at("u") + 2 + g] - z[at("u") + 4 + g];
            sum += y * eta - eta.exp() - lgamma(y + 1.0);
        }
        sum
    });
}

#[test]
fn supports_have_their_jacobians() {
    let joint = chain::joint(
        "p ~ Beta(2, 3)
         low ~ Normal(0, 1)
         x ~ Uniform(low, low + 3)
         s[3] ~ Dirichlet(2)
         c[3] ~ Ordered(Normal(0, 2))
         R[2, 2] ~ LKJ(1.5)
         plate obs = rows {
           data y: real
           y ~ Normal(x + p + s[2] + c[3] + R[1, 2], 1)
         }",
        "y\n0.5\n1.5\n",
    );
    check(&joint, |at, z| {
        let sigmoid = |u: f64| 1.0 / (1.0 + (-u).exp());
        let log_slope = |u: f64| sigmoid(u).ln() + sigmoid(-u).ln();
        let p = sigmoid(z[at("p")]);
        let log_beta = lgamma(2.0) + lgamma(3.0) - lgamma(5.0);
        let mut sum = p.ln() + 2.0 * (1.0 - p).ln() - log_beta + log_slope(z[at("p")]);
        let low = z[at("low")];
        let x = low + 3.0 * sigmoid(z[at("x")]);
        sum += normal(low, 0.0, 1.0) - 3f64.ln() + 3f64.ln() + log_slope(z[at("x")]);
        // Stick-breaking with shifts log 2 and log 1.
        let (t0, t1) = (sigmoid(z[at("s")] - 2f64.ln()), sigmoid(z[at("s") + 1]));
        let s = [t0, (1.0 - t0) * t1, (1.0 - t0) * (1.0 - t1)];
        sum += s.iter().map(|s| s.ln()).sum::<f64>() + lgamma(6.0) - 3.0 * lgamma(2.0);
        sum += (s[0] * (1.0 - t0)).ln() + (s[1] * (1.0 - t1)).ln();
        let u = [z[at("c")], z[at("c") + 1], z[at("c") + 2]];
        let c = [u[0], u[0] + u[1].exp(), u[0] + u[1].exp() + u[2].exp()];
        sum += c.iter().map(|c| normal(*c, 0.0, 2.0)).sum::<f64>() + 6f64.ln() + u[1] + u[2];
        let r = z[at("R")].tanh();
        // A 2 × 2 correlation matrix has density ∝ (1 − r²)^(η − 1).
        let constant = 2.0 * lgamma(1.5) - lgamma(3.0) + 2.0 * 2f64.ln();
        sum += 0.5 * (1.0 - r * r).ln() - constant + (1.0 - r * r).ln();
        sum + [0.5, 1.5]
            .iter()
            .map(|y| normal(*y, x + p + s[1] + c[2] + r, 1.0))
            .sum::<f64>()
    });
}

/// Rows of 7 groups and 11 items, sorted by group or not.
fn many_rows(sorted: bool) -> String {
    let mut csv = String::from("g,item,x1,x2,y,n\n");
    for i in 0..700 {
        let g = if sorted { i / 100 } else { (i * i + 3 * i) % 7 };
        let x = |k: usize| ((i * (31 + 8 * k) % 101) as f64 / 50.0) - 1.0;
        csv.push_str(&format!(
            "{g},{},{},{},{},{}\n",
            i * 5 % 11,
            x(1),
            x(2),
            i * 7 % 2,
            i * 3 % 5
        ));
    }
    csv
}

#[test]
fn affine_predictors_are_recognised_and_change_nothing() {
    let models = [
        (
            "binary",
            "y ~ Bernoulli(logit = a + s * x1 - 2 * dot(beta, x) + c)",
        ),
        ("real", "y ~ Normal(a * 0.5 + (x1 + 1) * s, sigma)"),
        ("count", "n ~ Poisson(log = a + beta[2] * x1 * x1)"),
        ("count", "n ~ NegBinomial(log = s - a, shape = 3)"),
        ("real", "y ~ StudentT(4, x1 + a, sigma)"),
    ];
    for (kind, statement) in models {
        // Rows that are sorted, rows that are not, and rows that lowering sorts.
        for (given, made) in [(true, false), (false, false), (false, true)] {
            let model = chain::bound(
                &format!(
                    "sigma ~ HalfNormal(1)
                     beta[2] ~ Normal(0, 1)
                     plate g {{ a ~ Normal(beta[1], sigma); s ~ Normal(0, 1) }}
                     plate item {{ c ~ Normal(0, sigma) }}
                     plate row = rows in g, item {{
                       data x1: real
                       data x: real[2] = columns(x1, x2)
                       data y: {}
                       data n: count
                       {statement}
                     }}",
                    if kind == "count" { "real" } else { kind },
                ),
                &many_rows(given),
                &[],
            );
            let rows = Passes::all().without(Pass::Collapse).without(Pass::Merge);
            let passes = if made { rows } else { rows.without(Pass::Sort) };
            let joint = joint::lower_with(&model, passes);
            let names = joint.density().recognised();
            assert_eq!(names.len(), 1, "{statement}: {names:?}");
            assert_eq!(names[0].1.contains("sorted"), given || made, "{names:?}");
            compare_recognised(&joint, &point(joint.dim(), 1));
        }
    }
}

#[test]
fn a_rate_is_read_by_its_log() {
    let predictor = |statement: &str| {
        let joint = chain::joint(
            &format!(
                "b ~ Normal(0, 1)
                 plate row = rows {{ data x: real; data n: count; {statement} }}"
            ),
            "x,n\n0.5,1\n-1,3\n",
        );
        match &joint.terms()[1].form {
            TermForm::Gaussian(term) => term.predictor.clone(),
            TermForm::General | TermForm::Steps | TermForm::Univariate => {
                panic!("a closed form of {statement}")
            }
        }
    };
    let (rate, log) = (
        predictor("n ~ Poisson(exp(1 + b * x))"),
        predictor("n ~ Poisson(log = 1 + b * x)"),
    );
    assert_eq!(rate.constant, log.constant);
    assert_eq!(rate.terms[0].coefficient, [0.5, -1.0]);
    assert_eq!(rate.terms[0].coefficient, log.terms[0].coefficient);
    let known = predictor("n ~ Poisson(2.5)");
    assert!(known.terms.is_empty());
    assert_eq!(known.constant, [2.5_f64.ln()]);
}

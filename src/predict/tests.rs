//! Adapting and predicting against closed forms and quadrature, and what is refused.

use super::*;
use crate::ast;
use crate::data::Table;
use crate::data::Tables;
use crate::diagnostics;
use crate::elbo;
use crate::fit;
use crate::guide;
use crate::guide::GuideSpec;
use crate::joint;
use crate::joint::Joint;
use crate::model;
use crate::model::Model;
use crate::num::rng;
use crate::source::Source;
use crate::typed;
use crate::typed::GuideFamily;
use crate::typed::Overrides;
use crate::typed::Typed;
use std::sync::Arc;

const NORMAL: &str = "mu ~ Normal(0, 10)
plate task {
  a ~ Normal(mu, 2)
  plate trial = rows {
    data y: real
    y ~ Normal(a, 1)
  }
}
";
const TRAINING: &str = "task,y\na,1\na,2\nb,4\nb,3\nc,2\nc,0.5\nd,5\n";

fn tables(csv: &str) -> Tables {
    Tables::new(Table::parse("new.csv", csv).expect("a table"))
}

fn fitted_with(text: &str, csv: &str, family: Option<GuideFamily>) -> (Arc<Typed>, Posterior) {
    let source = Source::new("test.hvi", text);
    let tree = ast::parse(&source).expect("the text parses");
    let (typed, _) = typed::check(&source, &tree, &Overrides::new()).expect("a right model");
    let typed = Arc::new(typed);
    let (model, _) = model::bind(&typed, &tables(csv)).expect("the data fit");
    let joint = joint::lower(&Arc::new(model));
    let guide = guide::derive(&joint, &GuideSpec { default: family }).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let mut settings = fit::Settings {
        max_iterations: 20_000,
        batch: None,
        progress: &mut |_| true,
    };
    let mut rng = rng::stream(1);
    let fit = fit::run(&elbo, &mut settings, &mut rng);
    let found = diagnostics::assess(&elbo, &fit, &mut rng);
    (typed, Posterior::of(&joint, &found, &Overrides::new()))
}

fn fitted(text: &str, csv: &str) -> (Arc<Typed>, Posterior) {
    fitted_with(text, csv, None)
}

fn bound(typed: &Arc<Typed>, posterior: &Posterior, csv: &str) -> Joint {
    let known = posterior.known(typed, Vec::new());
    let model = model::bind_known(typed, &tables(csv), &known).expect("the new data fit");
    joint::lower(&Arc::new(model))
}

fn rows(typed: &Arc<Typed>, posterior: &Posterior, csv: &str) -> Arc<Model> {
    let known = posterior.known(typed, outcome_columns(typed));
    Arc::new(model::bind_known(typed, &tables(csv), &known).expect("the new rows fit"))
}

fn adapted(typed: &Arc<Typed>, posterior: &Posterior, csv: &str) -> Adapted {
    adapt(posterior, &bound(typed, posterior, csv), 1).expect("new elements")
}

fn cells(typed: &Arc<Typed>, posterior: &Posterior, csv: &str) -> Vec<Cell> {
    let settings = Settings {
        seed: 1,
        probabilities: vec![0.05, 0.5, 0.95],
        new_levels: NewLevels::Population,
    };
    let model = rows(typed, posterior, csv);
    let found = predict(posterior, &model, &settings).expect("predictions");
    found.outcomes.into_iter().next().expect("an outcome").cells
}

/// The mean and sd of an element's variable of width 1 in a posterior, on the unconstrained scale.
fn moments(posterior: &Posterior, name: &str, label: Option<&str>) -> (f64, f64) {
    let mut offset = 0;
    for site in &posterior.sites {
        if site.name == name {
            if let (Some(label), Some(plate)) = (label, &site.plate) {
                let labels = posterior.plates[plate].iter();
                offset += labels.clone().position(|l| l == label).expect("a label");
            }
            break;
        }
        offset += site.width * site.len;
    }
    let draws: Vec<f64> = (0..posterior.count())
        .map(|s| posterior.draw(s)[offset])
        .collect();
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let squares: f64 = draws.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} is not within {tolerance} of {expected}"
    );
}

/// The posterior of `mu` in [`NORMAL`] given [`TRAINING`]: group means are Normal(mu, 4 + 1/n).
fn mu() -> (f64, f64) {
    let groups = [(2.0, 1.5), (2.0, 3.5), (2.0, 1.25), (1.0, 5.0)];
    let mut precision = 0.01;
    let mut sum = 0.0;
    for (n, mean) in groups {
        let w = 1.0 / (4.0 + 1.0 / n);
        precision += w;
        sum += w * mean;
    }
    (sum / precision, 1.0 / precision)
}

#[test]
fn a_new_task_has_its_closed_form() {
    let (typed, posterior) = fitted(NORMAL, TRAINING);
    let adapted = adapted(&typed, &posterior, "task,y\ne,6\ne,7\ne,5\nf,-1\n");
    assert_eq!(adapted.elements, [("task".to_owned(), 2)]);
    assert_eq!(adapted.names, ["a"]);
    let (m, v) = mu();
    for (label, n, mean) in [("e", 3.0, 6.0), ("f", 1.0, -1.0)] {
        let own = 1.0 / (n + 0.25);
        let expected = own * (n * mean + 0.25 * m);
        let sd = (own + (0.25 * own).powi(2) * v).sqrt();
        let found = moments(&adapted.posterior, "a", Some(label));
        near(found.0, expected, 0.08 * sd);
        near(found.1, sd, 0.07 * sd);
        // The next outcome, and its quantiles.
        let cell = &cells(&typed, &adapted.posterior, &format!("task\n{label}\n"))[0];
        let sd = (sd * sd + 1.0).sqrt();
        near(cell.mean, expected, 0.06 * sd);
        near(cell.sd, sd, 0.04 * sd);
        near(cell.quantiles[0], expected - 1.6449 * sd, 0.12 * sd);
        near(cell.quantiles[2], expected + 1.6449 * sd, 0.12 * sd);
    }
    // What was known is known still, and the globals are as they were.
    near(moments(&adapted.posterior, "mu", None).0, m, 0.1 * v.sqrt());
    let known = |p: &Posterior| moments(p, "a", Some("b"));
    near(known(&adapted.posterior).0, known(&posterior).0, 0.1);
}

#[test]
fn known_and_unseen_tasks_are_predicted_by_their_closed_forms() {
    let (typed, posterior) = fitted(NORMAL, TRAINING);
    let (m, v) = mu();
    let cells = cells(&typed, &posterior, "task\nb\nnew\n");
    // a | mu of the task `b`, with n = 2 and mean 3.5.
    let own = 1.0 / 2.25;
    let mean = own * (7.0 + 0.25 * m);
    let sd = (own + (0.25 * own).powi(2) * v + 1.0).sqrt();
    near(cells[0].mean, mean, 0.06 * sd);
    near(cells[0].sd, sd, 0.04 * sd);
    let sd = (v + 4.0 + 1.0).sqrt();
    near(cells[1].mean, m, 0.1 * sd);
    near(cells[1].sd, sd, 0.06 * sd);
}

#[test]
fn without_globals_adapting_is_fitting_all_data_together() {
    let text = NORMAL
        .replace("mu ~ Normal(0, 10)\n", "const mu = 0.7\n")
        .replace("Normal(a, 1)", "Normal(a, 0.5)");
    let (typed, posterior) = fitted(&text, TRAINING);
    let adapted = adapted(&typed, &posterior, "task,y\ne,6\ne,7\n");
    let (_, refitted) = fitted(&text, &format!("{TRAINING}e,6\ne,7\n"));
    let (one, other) = (
        moments(&adapted.posterior, "a", Some("e")),
        moments(&refitted, "a", Some("e")),
    );
    // 1 / (2 / 0.25 + 1 / 4) and its mean.
    let own = 1.0_f64 / 8.25;
    for found in [one, other] {
        near(found.0, own * (13.0 / 0.25 + 0.7 / 4.0), 0.05 * own.sqrt());
        near(found.1, own.sqrt(), 0.05 * own.sqrt());
    }
}

#[test]
fn a_logistic_task_is_as_quadrature_has_it() {
    let text = "mu ~ Normal(0, 1)
plate task {
  a ~ Normal(mu, 1.2)
  plate trial = rows {
    data y: binary
    y ~ Bernoulli(logit = a)
  }
}
";
    let training = [
        ("a", [1, 1, 0, 1]),
        ("b", [0, 0, 1, 0]),
        ("c", [1, 1, 1, 1]),
    ];
    let line = |(task, ys): &(&str, [u8; 4])| {
        ys.iter()
            .map(|y| format!("{task},{y}\n"))
            .collect::<String>()
    };
    let csv = format!("task,y\n{}", training.iter().map(line).collect::<String>());
    let (typed, posterior) = fitted(text, &csv);
    let found = adapted(
        &typed,
        &posterior,
        "task,y\nnew,1\nnew,1\nnew,0\nnew,1\nnew,1\n",
    );

    // On a grid over mu and a: mu given the old tasks, a given mu and the new one.
    let grid: Vec<f64> = (0..600).map(|i| -9.0 + 0.03 * f64::from(i)).collect();
    let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
    let likelihood =
        |a: f64, ones: i32, zeros: i32| sigmoid(a).powi(ones) * sigmoid(-a).powi(zeros);
    let prior = |a: f64, mu: f64| (-0.5 * ((a - mu) / 1.2).powi(2)).exp();
    let (mut total, mut sums) = (0.0, [0.0; 3]);
    for mu in &grid {
        let evidence = |ones, zeros| -> f64 {
            grid.iter()
                .map(|a| prior(*a, *mu) * likelihood(*a, ones, zeros))
                .sum()
        };
        let weight = (-0.5 * mu * mu).exp() * evidence(3, 1) * evidence(1, 3) * evidence(4, 0);
        let here = evidence(4, 1);
        for a in &grid {
            let w = weight * prior(*a, *mu) * likelihood(*a, 4, 1) / here;
            total += w;
            for (sum, f) in sums.iter_mut().zip([*a, a * a, sigmoid(*a)]) {
                *sum += w * f;
            }
        }
    }
    let [mean, square, p] = sums.map(|s| s / total);
    let sd = (square - mean * mean).sqrt();
    let (m, s) = moments(&found.posterior, "a", Some("new"));
    near(m, mean, 0.07 * sd);
    near(s, sd, 0.07 * sd);
    let cell = &cells(&typed, &found.posterior, "task\nnew\n")[0];
    near(cell.mean, p, 0.015);
    near(cell.probabilities[1], p, 0.015);
    near(cell.probabilities[0] + cell.probabilities[1], 1.0, 1e-12);
}

#[test]
fn a_new_county_of_a_known_state_takes_the_state_as_learned() {
    let text = "mu ~ Normal(0, 5)
plate state {
  s ~ Normal(mu, 1)
  plate county {
    c ~ Normal(s, 0.5)
    plate house = rows {
      data y: real
      y ~ Normal(c, 0.7)
    }
  }
}
";
    let csv = "state,county,y\nN,n1,1\nN,n1,1.5\nN,n2,0.5\nS,s1,-2\nS,s2,-3\nS,s2,-2.5\n";
    let (typed, posterior) = fitted(text, csv);
    let found = adapted(&typed, &posterior, "state,county,y\nS,s9,-1\nS,s9,0\n");
    assert_eq!(found.elements, [("county".to_owned(), 1)]);
    let (state, spread) = moments(&posterior, "s", Some("S"));
    let own = 1.0 / (2.0 / 0.49 + 4.0);
    let (mean, sd) = moments(&found.posterior, "c", Some("s9"));
    let expected = (own + (4.0 * own * spread).powi(2)).sqrt();
    near(mean, own * (-1.0 / 0.49 + 4.0 * state), 0.08 * expected);
    near(sd, expected, 0.08 * expected);
    // The state's own draws are untouched.
    near(
        moments(&found.posterior, "s", Some("S")).0,
        state,
        0.1 * spread,
    );
    // All of it new.
    let both = adapted(&typed, &posterior, "state,county,y\nW,w1,4\nW,w2,5\n");
    assert_eq!(
        both.elements,
        [("state".to_owned(), 1), ("county".to_owned(), 2)]
    );
    // Given mu: the means 4 and 5 of two counties have covariance 1 + (0.25 + 0.49) on the diagonal, 1 beside it.
    let (m, v) = moments(&posterior, "mu", None);
    let precision = 1.0 + 2.0 / 0.74;
    let expected = (m + (4.0 + 5.0) / 0.74) / precision;
    let sd = (1.0 / precision + (v / precision).powi(2)).sqrt();
    near(
        moments(&both.posterior, "s", Some("W")).0,
        expected,
        0.08 * sd,
    );
    near(moments(&both.posterior, "s", Some("W")).1, sd, 0.08 * sd);
}

/// Four students answer six items.
fn answers() -> String {
    let cells = (0..4).flat_map(|s| (0..6).map(move |i| (s, i)));
    let rows = cells.map(|(s, i)| {
        let y = f64::from(s) * 0.3 - f64::from(i) * 0.4;
        format!("s{s},i{i},{y}\n")
    });
    "student,item,y\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn a_new_student_takes_items_as_learned() {
    let text = "plate student { a ~ Normal(0, 1) }
plate item { b ~ Normal(0, 2) }
plate answer = rows in student, item {
  data y: real
  y ~ Normal(a - b, 0.5)
}
";
    let (typed, posterior) = fitted(text, &answers());
    // One student with one item, more items than students: the known plate is the larger one.
    let found = adapted(
        &typed,
        &posterior,
        "student,item,y\nnew,i0,1\nnew,i1,1\nnew,i2,1\n",
    );
    assert_eq!(found.elements, [("student".to_owned(), 1)]);
    let items: f64 = ["i0", "i1", "i2"]
        .map(|i| moments(&posterior, "b", Some(i)).0)
        .iter()
        .sum();
    let own = 1.0 / (3.0 / 0.25 + 1.0);
    let (mean, _) = moments(&found.posterior, "a", Some("new"));
    near(mean, own * (3.0 + items) / 0.25, 0.05);
    assert_eq!(found.how, Elimination::Exact);
}

#[test]
fn new_elements_that_cross_are_fitted() {
    let text = "mu ~ Normal(0, 1)
plate student { a ~ Normal(mu, 1) }
plate item { b ~ Normal(0, 2) }
plate answer = rows in student, item {
  data y: real
  y ~ Normal(a - b, 0.5)
}
";
    let (typed, posterior) = fitted(text, &answers());
    let found = adapted(&typed, &posterior, "student,item,y\nnew,j,1.5\n");
    assert_eq!(found.how, Elimination::Fitted);
    // Given mu, y − mu is Normal(0, 1 + 4 + 1/4): the regression of a and b on it.
    let (m, v) = moments(&posterior, "mu", None);
    let (student, item) = (
        moments(&found.posterior, "a", Some("new")),
        moments(&found.posterior, "b", Some("j")),
    );
    let sd = (1.0 - 1.0 / 5.25 + v * v * (4.25_f64 / 5.25).powi(2)).sqrt();
    near(student.0, m + (1.5 - m) / 5.25, 0.1 * sd);
    near(student.1, sd, 0.1 * sd);
    let sd = (4.0 - 16.0 / 5.25 + v * v * (4.0_f64 / 5.25).powi(2)).sqrt();
    near(item.0, -4.0 * (1.5 - m) / 5.25, 0.1 * sd);
    near(item.1, sd, 0.1 * sd);
}

#[test]
fn wide_locals_are_fitted_as_by_themselves() {
    // Five coefficients under a logistic likelihood: too many for quadrature. With no globals adapting is a fit of the task alone.
    let text = "plate task {
  w[5] ~ Normal(0, 1)
  plate trial = rows {
    data x: real[5]
    data y: binary
    y ~ Bernoulli(logit = dot(x, w))
  }
}
";
    let heading = "task,x1,x2,x3,x4,x5,y\n";
    let rows = |task: &str| -> String {
        (0..20)
            .map(|i| {
                let x: Vec<f64> = (0..5)
                    .map(|k| f64::from((i * 7 + k * 5) % 11 - 5) / 4.0)
                    .collect();
                let y = u8::from(x[0] - x[1] + 0.5 * x[2] > 0.0);
                let cells: Vec<String> = x.iter().map(f64::to_string).collect();
                format!("{task},{},{y}\n", cells.join(","))
            })
            .collect()
    };
    let structured = Some(GuideFamily::Structured);
    let (typed, posterior) = fitted_with(text, &format!("{heading}{}", rows("old")), structured);
    let found = adapted(&typed, &posterior, &format!("{heading}{}", rows("new")));
    assert_eq!(found.how, Elimination::Fitted);
    // The same rows as the old task has: the same posterior, by draws of a fit that importance weights have mended.
    let n = posterior.count() as f64;
    for k in 0..5 {
        let mean = |draws: &mut dyn Iterator<Item = f64>, n: f64| draws.sum::<f64>() / n;
        let old = mean(&mut (0..posterior.count()).map(|s| posterior.draw(s)[k]), n);
        let all = found.draws.len() as f64;
        let new = mean(&mut found.draws.iter().map(|z| z[k]), all);
        near(new, old, 0.12);
    }
}

#[test]
fn other_guides_adapt_too() {
    for family in [
        GuideFamily::MeanField,
        GuideFamily::Structured,
        GuideFamily::FullRank,
    ] {
        let (typed, posterior) = fitted_with(NORMAL, TRAINING, Some(family));
        let found = adapted(&typed, &posterior, "task,y\ne,6\ne,7\ne,5\n");
        let (m, v) = moments(&posterior, "mu", None);
        let own = 1.0 / 3.25;
        let sd = (own + (0.25 * own * v).powi(2)).sqrt();
        let (mean, spread) = moments(&found.posterior, "a", Some("e"));
        near(mean, own * (18.0 + 0.25 * m), 0.08 * sd);
        near(spread, sd, 0.08 * sd);
    }
}

#[test]
fn log_likelihoods_are_those_of_the_draws() {
    let (typed, posterior) = fitted(NORMAL, TRAINING);
    let known = posterior.known(&typed, Vec::new());
    let table = tables("task,y\nb,3.25\na,-1\n");
    let model = Arc::new(model::bind_known(&typed, &table, &known).expect("the data fit"));
    let found = log_likelihood(&posterior, &model, 1).expect("known tasks");
    assert_eq!((found.len(), found[0].len()), (1, posterior.count()));
    for (s, values) in found[0].iter().enumerate() {
        // mu, then a of a, b, c, d.
        let a = &posterior.draw(s)[1..];
        for (value, z) in values.iter().zip([3.25 - a[1], -1.0 - a[0]]) {
            near(*value, -0.5 * z * z - 0.918_938_533_204_672_7, 1e-12);
        }
    }
}

#[test]
fn categories_keep_their_levels() {
    let text = "b[3] ~ Normal(0, 1)
plate row = rows {
  data g: category(2)
  data y: category(3)
  y ~ Categorical(logits = b * g)
}
";
    let csv = "g,y\nu,red\nu,green\nv,blue\nv,blue\nv,green\n";
    let (typed, posterior) = fitted(text, csv);
    let settings = Settings {
        seed: 1,
        probabilities: vec![0.5],
        new_levels: NewLevels::Error,
    };
    // The new data have one of the levels of `g`, and it is still the second.
    let model = rows(&typed, &posterior, "g\nv\n");
    let found = predict(&posterior, &model, &settings).expect("known levels");
    let outcome = &found.outcomes[0];
    assert_eq!(outcome.levels, ["blue", "green", "red"]);
    assert!(outcome.cells[0].mean.is_nan());
    let mut expected = [0.0; 3];
    for s in 0..posterior.count() {
        let e = [0, 1, 2].map(|k| (2.0 * posterior.draw(s)[k]).exp());
        for (sum, e_k) in expected.iter_mut().zip(e) {
            *sum += e_k / e.iter().sum::<f64>() / posterior.count() as f64;
        }
    }
    for (p, expected) in outcome.cells[0].probabilities.iter().zip(expected) {
        near(*p, expected, 1e-12);
    }
    let known = posterior.known(&typed, outcome_columns(&typed));
    let unknown = model::bind_known(&typed, &tables("g\nw\n"), &known);
    let codes = unknown.expect_err("no such level");
    assert!(
        codes.sorted()[0].message.contains('w'),
        "{:?}",
        codes.sorted()[0]
    );
}

#[test]
fn scalings_are_those_of_the_fit() {
    let text = "b ~ Normal(0, 10)
plate row = rows {
  data x, y: real
  y ~ Normal(b * standardize(x), 0.001)
}
";
    // x has mean 2 and sd 1: y = 3 (x - 2).
    let (typed, posterior) = fitted(text, "x,y\n1,-3\n2,0\n3,3\n");
    let cells = cells(&typed, &posterior, "x\n5\n5\n");
    near(cells[0].mean, 9.0, 0.01);
    near(cells[1].mean, 9.0, 0.01);
}

#[test]
fn what_cannot_be_adapted_is_refused() {
    let (typed, posterior) = fitted(NORMAL, TRAINING);
    let refused = |csv: &str| {
        let joint = bound(&typed, &posterior, csv);
        adapt(&posterior, &joint, 1)
            .expect_err("no new elements alone")
            .message
    };
    assert!(refused("task,y\na,1\n").contains("all elements of `task`"));
    let mixed = refused("task,y\na,1\nz,1\n");
    assert!(
        mixed.contains("known and new elements of `task`: `a`"),
        "{mixed}"
    );
    let flat = "mu ~ Normal(0, 1)\nplate row = rows {\n  data y: real\n  y ~ Normal(mu, 1)\n}\n";
    let (typed, posterior) = fitted(flat, "y\n1\n");
    let joint = bound(&typed, &posterior, "y\n1\n");
    let refusal = adapt(&posterior, &joint, 1).expect_err("no plate");
    assert!(refusal.message.contains("no plate"), "{refusal}");
}

#[test]
fn a_posterior_survives_its_files() {
    let (_, posterior) = fitted(NORMAL, TRAINING);
    let [head, draws] = posterior.files().expect("files");
    assert_eq!(Posterior::from_files(&head, &draws), Ok(posterior));
    assert!(Posterior::from_files(&head, &draws[8..]).is_err());
    assert!(Posterior::from_files(b"{}", &draws).is_err());
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let (typed, posterior) = fitted(NORMAL, TRAINING);
    let run = || {
        let found = adapted(&typed, &posterior, "task,y\ne,6\nf,7\n").posterior;
        let cells = cells(&typed, &found, "task\ne\nnew\n");
        (found, cells)
    };
    let pool = |n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
        pool.expect("threads").install(run)
    };
    assert_eq!(pool(1), pool(2));
}

#[test]
fn vectors_of_unseen_elements_are_drawn_whole() {
    let text = "plate task {
  w[2] ~ MultiNormal([1, -1], cov = [[1, 0.5], [0.5, 2]])
  v[2] ~ Normal([3, -3], [1, 2])
  s    ~ Gamma(4, 2)
  plate trial = rows {
    data x, y: real
    y ~ Normal(w[1] + 2 * w[2] + x * (v[1] - v[2]) + s, 0.1)
  }
}
";
    let structured = Some(GuideFamily::Structured);
    let (typed, posterior) = fitted_with(text, "task,x,y\na,1,8\na,0,1\n", structured);
    let cells = cells(&typed, &posterior, "task,x\nnew,0\nnew,1\n");
    // Var (w₁ + 2 w₂) = 1 + 4 · ½ + 4 · 2, of Gamma(4, 2) it is 1; v₁ − v₂ has mean 6 and variance 5.
    for (cell, (mean, variance)) in cells.iter().zip([(1.0, 12.01), (7.0, 17.01_f64)]) {
        near(cell.mean, mean, 4.0 * (variance / 1000.0).sqrt());
        near(cell.sd, variance.sqrt(), 0.1 * variance.sqrt());
        let upper = mean + 1.6449 * variance.sqrt();
        near(cell.quantiles[2], upper, 0.2 * variance.sqrt());
    }
}

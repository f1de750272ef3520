//! Locals found by gradient steps: against central differences, against closed forms, and mini-batches against the whole.

mod chain;

use hvi::ast;
use hvi::elbo;
use hvi::elbo::Elbo;
use hvi::fit;
use hvi::fit::Fit;
use hvi::fit::Outcome;
use hvi::fit::Settings;
use hvi::fit::State;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Evaluator;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::num::rng;
use hvi::problem::Code;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use std::f64::consts::PI;
use std::fmt::Write;
use std::process::Command;

/// The fit over all data, as far as 2,000 iterations lead.
fn fitted(elbo: &Elbo<'_, Joint>) -> Fit {
    let mut settings = Settings {
        max_iterations: 2000,
        batch: None,
        progress: &mut |_| true,
    };
    fit::run(elbo, &mut settings, &mut rng::stream(1))
}

fn amortized(text: &str, csv: &str) -> Joint {
    joint::amortize(chain::joint(text, csv)).expect("the plate can be amortised")
}

/// A small network in each task, with a noise scale that the globals hold.
fn network(settings: &str) -> String {
    format!(
        "m1[2], m3[2] ~ Normal(0, 1)
m2[2, 2] ~ Normal(0, 1)
s1[2] ~ HalfNormal(1)
s ~ HalfNormal(0.5)
noise ~ HalfNormal(1)
slope ~ Normal(0, 1)
plate task {{
  data hard: real
  w1[2] ~ Normal(m1, s1)
  W2[2, 2] ~ Normal(m2, s)
  w3[2] ~ Normal(m3 + slope * hard, s)
  plate row = rows {{
    data x: real
    data y: real
    data is_support: binary
    h = tanh(W2 @ tanh(w1 * x))
    y ~ Normal(sum(w3 * h), noise)
  }}
}}
guide {{ default point; task: amortized(sgd, {settings}) }}
"
    )
}

fn table(tasks: usize, rows: usize) -> String {
    let mut csv = "task,hard,x,y,is_support\n".to_owned();
    for t in 0..tasks {
        for r in 0..rows {
            let (x, at) = ((r as f64 - 1.3) / 2.0, t as f64);
            let y = (0.7 * at).cos() * (x + 0.2 * at).sin();
            writeln!(csv, "t{t:02},{},{x},{y},{}", 0.1 * at - 0.2, r % 2).expect("text");
        }
    }
    csv
}

/// A point that is nothing special.
fn point(dim: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| 0.5 * (k as f64 * 1.7 + 0.4).sin())
        .collect()
}

fn all(joint: &Joint) -> Box<dyn Evaluator + '_> {
    joint.evaluator(&vec![true; joint.terms().len()])
}

/// The largest error of the gradient against central differences, relative to the largest derivative.
fn error(joint: &Joint) -> f64 {
    let mut evaluator = all(joint);
    let z = point(joint.dim());
    let mut gradient = vec![0.0; z.len()];
    let value = evaluator.gradient(&z, &mut gradient);
    assert!(value.is_finite());
    let mut unused = vec![0.0; z.len()];
    let mut at = |k: usize, h: f64| {
        let mut z = z.clone();
        z[k] += h;
        evaluator.gradient(&z, &mut unused)
    };
    let h = 1e-5;
    let differences: Vec<f64> = (0..z.len())
        .map(|k| (at(k, h) - at(k, -h)) / (2.0 * h))
        .collect();
    let size = differences.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    let errors = gradient
        .iter()
        .zip(&differences)
        .map(|(g, d)| (g - d).abs());
    errors.fold(0.0, f64::max) / size
}

#[test]
fn the_gradient_goes_through_the_steps() {
    let csv = table(5, 6);
    for settings in [
        "steps = 0, rate = 0.1",
        "steps = 1, rate = 0.1",
        "steps = 4, rate = 0.15",
        "steps = 4, rate = 0.15, support = is_support",
        "steps = 3, rate = 1",
        "steps = 1, rate = learned",
        "steps = 4, rate = learned, support = is_support",
    ] {
        let joint = amortized(&network(settings), &csv);
        let error = error(&joint);
        assert!(error < 1e-7, "{settings}: {error}");
    }
}

#[test]
fn a_first_order_gradient_leaves_something_out() {
    let csv = table(5, 6);
    let error_of = |settings| error(&amortized(&network(settings), &csv));
    assert!(error_of("steps = 0, rate = 0.1, order = 1") < 1e-7);
    let first = error_of("steps = 4, rate = 0.15, order = 1");
    assert!(first > 1e-3 && first < 1.0, "{first}");
}

#[test]
fn a_first_order_gradient_has_the_whole_derivative_of_the_rates_of_one_step() {
    // They do not move the slopes of that step, which are all that the first order leaves out.
    let joint = amortized(
        &network("steps = 1, rate = learned, order = 1"),
        &table(5, 6),
    );
    let mut evaluator = all(&joint);
    let z = point(joint.dim());
    let mut gradient = vec![0.0; z.len()];
    evaluator.gradient(&z, &mut gradient);
    let mut at = |k: usize, h: f64| {
        let mut z = z.clone();
        z[k] += h;
        evaluator.gradient(&z, &mut vec![0.0; joint.dim()])
    };
    let mut rates = 0;
    for site in joint.sites() {
        if site.name.starts_with("rate_") {
            let (k, h) = (site.offset, 1e-5);
            let difference = (at(k, h) - at(k, -h)) / (2.0 * h);
            let error = (gradient[k] - difference).abs();
            assert!(error < 1e-6 * difference.abs().max(1.0), "{}", site.name);
            assert!(difference.abs() > 1e-3, "{} has an effect", site.name);
            rates += 1;
        }
    }
    assert_eq!(rates, 3);
}

/// A Normal plate with rows of Normal data, its scale and noise at the top.
fn normal(settings: &str) -> String {
    format!(
        "mu ~ Normal(0, 2)
tau ~ HalfNormal(1)
sigma ~ HalfNormal(1)
plate task {{
  w ~ Normal(mu, tau)
  plate row = rows {{
    data y: real
    y ~ Normal(w, sigma)
  }}
}}
guide {{ default mean_field; task: amortized(sgd, {settings}) }}
"
    )
}

/// The same with known sds: everything is Normal.
fn known(settings: &str) -> String {
    format!(
        "mu ~ Normal(0, 2)
plate task {{
  w ~ Normal(mu, 0.9)
  plate row = rows {{
    data y: real
    y ~ Normal(w, 0.8)
  }}
}}
guide {{ default mean_field; task: amortized(sgd, {settings}) }}
"
    )
}

/// Rows of data of each task.
fn data() -> Vec<Vec<f64>> {
    (0..7)
        .map(|t| {
            let at = |r: usize| (t as f64).sin() + (3.1 * r as f64 + t as f64).cos();
            (0..t % 4 + 1).map(at).collect()
        })
        .collect()
}

fn data_csv() -> String {
    let mut csv = "task,y\n".to_owned();
    for (t, rows) in data().iter().enumerate() {
        for y in rows {
            writeln!(csv, "t{t},{y}").expect("text");
        }
    }
    csv
}

#[test]
fn many_steps_reach_the_mean_field_optimum() {
    let (mu, tau, sigma) = (0.4, 0.9_f64, 0.8_f64);
    let joint = amortized(&normal("steps = 200, rate = 0.2"), &data_csv());
    let z = [mu, tau.ln(), sigma.ln()];
    let locals = joint.adapted(&z, 200).expect("it is amortised");
    for (t, rows) in data().iter().enumerate() {
        // The posterior of a Normal mean: one coordinate, so that the mean-field optimum is exact.
        let precision = 1.0 / (tau * tau) + rows.len() as f64 / (sigma * sigma);
        let sum: f64 = rows.iter().sum();
        let mean = (mu / (tau * tau) + sum / (sigma * sigma)) / precision;
        assert!((locals.mean[t] - mean).abs() < 1e-6, "{t}");
        assert!(
            (locals.log_sd[t] + 0.5 * precision.ln()).abs() < 1e-6,
            "{t}"
        );
    }
    // The bound is then the evidence of each task: y ~ N(μ 1, σ² I + τ² 1 1ᵀ).
    let evidence: f64 = (data().iter())
        .map(|rows| {
            let n = rows.len() as f64;
            let (s2, t2) = (sigma * sigma, tau * tau);
            let square: f64 = rows.iter().map(|y| (y - mu).powi(2)).sum();
            let sum: f64 = rows.iter().map(|y| y - mu).sum();
            let log_det = n * s2.ln() + (1.0 + n * t2 / s2).ln();
            let distance = (square - sum * sum * t2 / (s2 + n * t2)) / s2;
            -0.5 * (n * (2.0 * PI).ln() + log_det + distance)
        })
        .sum();
    let keep: Vec<bool> = joint
        .terms()
        .iter()
        .map(|t| ["w", "y"].contains(&t.name.as_str()))
        .collect();
    let mut evaluator = joint.evaluator(&keep);
    let bound = evaluator.gradient(&z, &mut [0.0; 3]);
    assert!(
        (bound - evidence).abs() < 1e-3 * data().len() as f64,
        "{bound} is not {evidence}"
    );
    assert_eq!(evaluator.terms().len(), 2);
}

#[test]
fn long_steps_do_not_lead_away() {
    // The rate times the curvature in units of the prior is far above 2: steps that are not bounded would diverge.
    let (mu, tau, sigma) = (0.4, 3.0_f64, 0.05_f64);
    let joint = amortized(&normal("steps = 40, rate = 1"), &data_csv());
    let locals = joint
        .adapted(&[mu, tau.ln(), sigma.ln()], 40)
        .expect("it is amortised");
    for (t, rows) in data().iter().enumerate() {
        let precision = 1.0 / (tau * tau) + rows.len() as f64 / (sigma * sigma);
        let sum: f64 = rows.iter().sum();
        let mean = (mu / (tau * tau) + sum / (sigma * sigma)) / precision;
        let (found, log_sd) = (locals.mean[t], locals.log_sd[t]);
        assert!((found - mean).abs() < 1e-6, "{t}: {found} is not {mean}");
        assert!(
            (log_sd + 0.5 * precision.ln()).abs() < 1e-6,
            "{t}: {log_sd}"
        );
    }
}

#[test]
fn without_steps_the_locals_are_their_prior() {
    let joint = amortized(&normal("steps = 0, rate = 0.2"), &data_csv());
    let locals = joint
        .adapted(&[0.4, -0.3, 0.1], 0)
        .expect("it is amortised");
    assert!(locals.mean.iter().all(|m| *m == 0.4));
    assert!(locals.log_sd.iter().all(|s| (s + 0.3).abs() < 1e-15));
    let keep: Vec<bool> = joint.terms().iter().map(|t| t.name == "w").collect();
    let mut evaluator = joint.evaluator(&keep);
    let divergence = evaluator.gradient(&[0.4, -0.3, 0.1], &mut [0.0; 3]);
    assert!(divergence.abs() < 1e-14, "{divergence}");
}

#[test]
fn the_terms_of_the_bound_add_up_to_the_evidence() {
    // Everything is Normal, and q has one global and one coordinate in each task: the bound is the evidence.
    let text = known("steps = 30, rate = 0.2");
    let ended = |joint: &Joint, family| {
        let spec = GuideSpec { default: family };
        let guide = guide::derive(joint, &spec).expect("a guide");
        let elbo = elbo::compose(joint, &guide);
        let fit = fitted(&elbo);
        (elbo.terms, fit.elbo)
    };
    let (terms, value) = ended(&amortized(&text, &data_csv()), None);
    let names: Vec<&str> = terms.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["mu", "w", "y"]);
    let signed = terms.iter().zip(&value.terms);
    let sum: f64 = signed.map(|(term, value)| term.kind.sign() * value).sum();
    assert!(
        (sum - value.total).abs() < 1e-9,
        "{sum} is not {}",
        value.total
    );
    let family = Some(hvi::typed::GuideFamily::Marginal);
    let (_, exact) = ended(&chain::joint(&text, &data_csv()), family);
    let gap = exact.total - value.total;
    assert!(gap.abs() < 1e-3, "{} and {}", exact.total, value.total);
}

#[test]
fn the_mean_over_mini_batches_is_the_whole() {
    let csv = table(6, 5);
    let joint = amortized(
        &network("steps = 3, rate = 0.1, support = is_support"),
        &csv,
    );
    let z = point(joint.dim());
    let mut evaluator = all(&joint);
    let mut look = |elements: &[u32]| {
        let mut gradient = vec![0.0; z.len()];
        evaluator.batch(Some((elements, 5)));
        let value = evaluator.gradient(&z, &mut gradient);
        (value, gradient)
    };
    let (value, gradient) = look(&[0, 1, 2, 3, 4, 5]);
    let batches: [&[u32]; 3] = [&[4, 0], &[1, 5], &[3, 2]];
    let (mut mean, mut slope) = (0.0, vec![0.0; z.len()]);
    for (v, g) in batches.map(&mut look) {
        mean += v / 3.0;
        slope.iter_mut().zip(&g).for_each(|(s, g)| *s += g / 3.0);
    }
    assert!(
        (mean - value).abs() < 1e-10 * value.abs(),
        "{mean} is not {value}"
    );
    for (s, g) in slope.iter().zip(&gradient) {
        assert!((s - g).abs() < 1e-9 * g.abs().max(1.0), "{s} is not {g}");
    }
}

#[test]
fn the_rate_that_is_learned_is_the_best_one() {
    // Known means and sds, one coordinate and one step: the bound of a task is a formula in the rate r.
    let (tau, sigma) = (0.9_f64, 0.8_f64);
    let text = "plate task {
  w ~ Normal(0.3, 0.9)
  plate row = rows {
    data y: real
    y ~ Normal(w, 0.8)
  }
}
guide { default point; task: amortized(sgd, steps = 1, rate = learned) }
";
    let bound = |log_rate: f64| -> f64 {
        let rate = log_rate.exp();
        let tasks = data();
        let tasks = tasks.iter().map(|rows| {
            let n = rows.len() as f64;
            // The curvature in units of the prior; the slope at the prior's mean is that times (mean y − 0.3).
            let kappa = n * (tau / sigma).powi(2);
            let share = rate / (1.0 + rate * kappa);
            let center = rows.iter().sum::<f64>() / n;
            let mean = 0.3 + share * kappa * (center - 0.3);
            let log_sd = tau.ln() - 0.5 * share * kappa;
            let variance = (2.0 * log_sd).exp();
            let square: f64 = rows.iter().map(|y| (y - mean).powi(2) + variance).sum();
            let shift = (variance + (mean - 0.3).powi(2)) / (tau * tau);
            let divergence = 0.5 * shift - 0.5 - log_sd + tau.ln();
            -n * (0.5 * (2.0 * PI).ln() + sigma.ln()) - 0.5 * square / (sigma * sigma) - divergence
        });
        tasks.sum::<f64>() - 0.5 * (2.0 * PI).ln() - 0.5 * log_rate * log_rate
    };
    let grid = (-3000..3000).map(|k| k as f64 * 1e-3);
    let best = grid.max_by(|a, b| bound(*a).total_cmp(&bound(*b)));
    let best = best.expect("a grid has points");
    let joint = amortized(text, &data_csv());
    assert_eq!(joint.sites().len(), 1);
    let found = all(&joint).gradient(&[-0.4], &mut [0.0]);
    assert!((found - bound(-0.4)).abs() < 1e-9, "{found}");
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let rate = guide.gaussian(&fitted(&elbo).params).mean[0];
    assert!((rate - best).abs() < 0.01, "{rate} is not {best}");
    assert!(best.abs() > 0.05, "the prior alone would say 0: {best}");
}

#[test]
fn a_learned_rate_needs_a_name_that_is_free() {
    let text = network("steps = 1, rate = learned").replace("slope", "rate_w3");
    let source = Source::new("net.hvi", &text);
    let tree = ast::parse(&source).expect("it parses");
    let problems = typed::check(&source, &tree, &Overrides::new()).expect_err("it is refused");
    let sorted = problems.sorted();
    let problem = sorted.iter().find(|p| p.code == Code::WrongAmortized);
    let message = &problem.expect("the name is taken").message;
    assert!(message.contains("`rate_w3`"), "{message}");
}

#[test]
fn what_has_no_such_locals_is_refused() {
    let csv = "task,item,y\na,p,1\nb,q,0\na,q,0\n";
    let crossed = "tau ~ HalfNormal(1)
plate item { v ~ Normal(0, 1) }
plate task {
  w ~ Normal(0, tau)
  plate row = rows in item { data y: real; y ~ Normal(w + v, 1) }
}
guide { task: amortized(sgd, steps = 2, rate = 0.1) }
";
    let chained = "tau ~ HalfNormal(1)
plate task {
  v ~ Normal(0, tau)
  w ~ Normal(v, tau)
  plate row = rows { data y: real; y ~ Normal(w, 1) }
}
guide { task: amortized(sgd, steps = 2, rate = 0.1) }
";
    let pooled = "tau ~ HalfNormal(1)
m = mean(task: w)
plate task {
  w ~ Normal(0, tau)
  plate row = rows { data y: real; y ~ Normal(w - m, 1) }
}
guide { task: amortized(sgd, steps = 2, rate = 0.1) }
";
    for (text, why) in [
        (crossed, "`v` is a latent variable of `item`"),
        (chained, "depends on another"),
        (pooled, "over all of its elements"),
    ] {
        let problems = joint::amortize(chain::joint(text, csv)).expect_err("it cannot be");
        let problem = &problems.sorted()[0];
        assert_eq!(problem.code, Code::NotAmortized);
        assert!(problem.message.contains(why), "{}", problem.message);
    }
}

#[test]
fn mini_batches_lead_to_the_posterior() {
    // One global, everything Normal: its posterior is known.
    let (tau, sigma) = (0.9_f64, 0.8_f64);
    let text = known("steps = 20, rate = 0.25");
    let joint = amortized(&text, &data_csv());
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let mut go_on = |_: &fit::Progress| true;
    let mut settings = Settings {
        max_iterations: 2000,
        batch: Some(2),
        progress: &mut go_on,
    };
    let fit = fit::several(&elbo, &mut settings, &mut rng::stream(1), 2);
    let restarts = fit.restarts.expect("it was fitted twice");
    assert_eq!(restarts.bounds.len(), 1);
    assert!(restarts.bounds[0] <= fit.elbo.total);
    assert!(!restarts.of_bounds.is_poor(), "{restarts:?}");
    let q = guide.gaussian(&fit.params);
    let (mut precision, mut sum) = (0.25, 0.0);
    for rows in data() {
        let n = rows.len() as f64;
        let weight = 1.0 / (tau * tau + sigma * sigma / n);
        precision += weight;
        sum += weight * rows.iter().sum::<f64>() / n;
    }
    let (mean, sd) = (sum / precision, 1.0 / precision.sqrt());
    assert!(
        (q.mean[0] - mean).abs() < 0.3 * sd,
        "{} is not {mean}",
        q.mean[0]
    );
    let ratio = guide.sd(&q, 0) / sd;
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

#[test]
fn a_fit_that_was_interrupted_goes_on_as_if_it_had_not_been() {
    let joint = amortized(&network("steps = 2, rate = 0.5"), &table(6, 6));
    let guide = guide::derive(&joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(&joint, &guide);
    let go = |most: usize, stop: usize, state: Option<State>| -> Fit {
        let mut settings = Settings {
            max_iterations: most,
            batch: Some(2),
            progress: &mut |p| p.iteration < stop,
        };
        let mut rng = rng::stream(5);
        match state {
            None => fit::run(&elbo, &mut settings, &mut rng),
            Some(state) => fit::resume(&elbo, &mut settings, &mut rng, state),
        }
    };
    let most = 900;
    let whole = go(most, usize::MAX, None);
    assert_eq!(whole.outcome, Outcome::Spent);
    for stop in [1, 137, 400, 555] {
        let part = go(most, stop, None);
        assert_eq!(part.outcome, Outcome::Interrupted);
        assert_ne!(part.params, whole.params);
        let state = part.state.expect("it can be gone on with");
        assert_eq!(state.iterations(), stop);
        let bytes = state.bytes();
        assert_eq!(State::from_bytes(&bytes).as_ref(), Some(&state));
        assert_eq!(State::from_bytes(&bytes[8..]), None);
        assert_eq!(State::from_bytes(&bytes[..bytes.len() - 8]), None);
        assert_eq!(go(most, usize::MAX, Some(state)), whole, "from {stop}");
    }
    // One that is out of iterations goes on with more.
    let more = go(most + 50, usize::MAX, whole.state.clone());
    assert_eq!(more.history.len(), most + 50);
    assert_eq!(more.history[..most], whole.history);
    assert_ne!(more.params, whole.params);
}

#[test]
fn the_command_line_goes_on_with_a_fit_that_ended_early() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let write = |name: &str, text: &str| {
        std::fs::write(scratch.path().join(name), text).expect("a file can be written");
    };
    write("net.hvi", &network("steps = 1, rate = 0.5"));
    write("net.csv", &table(6, 6));
    let fit = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hvic"))
            .args(["fit", "net.hvi", "net.csv", "--batch", "task=3"])
            .args(more)
            .current_dir(scratch.path())
            .output()
            .expect("hvic runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), message)
    };
    let (code, message) = fit(&["--max-iterations", "40"]);
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("--resume"), "{message}");
    let (code, message) = fit(&["--resume", "--max-iterations", "60", "--seed", "2"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("another seed"), "{message}");
    let (code, message) = fit(&["--resume", "--max-iterations", "60"]);
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("(60 iterations)"), "{message}");
    let (code, message) = fit(&["--resume", "--output", "nothing.fit"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("not a fit folder"), "{message}");
}

#[test]
fn steps_that_lead_astray_are_counted_and_named() {
    // A rate above 2 goes too far where the rows say little; in tasks of many rows their curvature holds it.
    let loose = |settings: &str| known(settings).replace("Normal(w, 0.8)", "Normal(w, 2)");
    let astray = |settings: &str| {
        let joint = amortized(&loose(settings), &data_csv());
        joint.astray(&[0.4], 3, 1000).expect("it is amortised")
    };
    let steady = astray("steps = 3, rate = 1");
    assert_eq!((steady.looked, steady.worse), (7, Vec::new()));
    let found = astray("steps = 3, rate = 5");
    assert_eq!(found.looked, 7);
    // The same loss by hand: the bound before the steps less that after, from the Gaussians alone.
    let (tau2, sigma2) = (0.81_f64, 4.0_f64);
    let joint = amortized(&loose("steps = 3, rate = 5"), &data_csv());
    let locals = joint.adapted(&[0.4], 3).expect("it is amortised");
    let expected: Vec<f64> = (data().iter().enumerate())
        .map(|(t, rows)| {
            let bound = |mean: f64, log_sd: f64| {
                let variance = (2.0 * log_sd).exp();
                let square: f64 = rows.iter().map(|y| (y - mean).powi(2) + variance).sum();
                let shift = (variance + (mean - 0.4).powi(2)) / tau2;
                -0.5 * square / sigma2 - 0.5 * shift + log_sd
            };
            bound(0.4, 0.5 * tau2.ln()) - bound(locals.mean[t], locals.log_sd[t])
        })
        .collect();
    let worst = expected.iter().copied().fold(0.0, f64::max);
    assert!(found.worse.len() > 1 && found.worse.len() < 7, "{found:?}");
    assert!((found.worse[0].1 - worst).abs() < 1e-6 * worst, "{found:?}");
    for (task, loss) in &found.worse {
        let wanted = expected[*task];
        assert!(
            (loss - wanted).abs() < 1e-6 * wanted.max(1.0),
            "{loss} is not {wanted}"
        );
    }
    assert!(found.worse.is_sorted_by(|a, b| a.1 >= b.1), "{found:?}");
}

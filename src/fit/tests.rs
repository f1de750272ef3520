//! Fits of densities whose answer is known.

use super::*;
use crate::elbo::compose;
use crate::elbo::toy::Toy;
use crate::elbo::toy::affine;
use crate::elbo::toy::nested;
use crate::elbo::toy::normal;
use crate::elbo::toy::normal_plate;
use crate::guide::Guide;
use crate::guide::GuideSpec;
use crate::guide::derive;
use crate::joint::LogDensity;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::num::rng::stream;
use crate::typed::GuideFamily;
use std::f64::consts::PI;

fn guide_of(toy: &Toy, family: GuideFamily) -> Guide {
    let spec = GuideSpec {
        default: Some(family),
    };
    derive(toy, &spec).expect("small enough")
}

fn fit_with(toy: &Toy, guide: &Guide, iterations: usize) -> Fit {
    let mut settings = Settings {
        max_iterations: iterations,
        batch: None,
        progress: &mut |_| true,
    };
    run(&compose(toy, guide), &mut settings, &mut stream(1))
}

fn fit_of(toy: &Toy, family: GuideFamily) -> (Fit, Guide, Gaussian) {
    let guide = guide_of(toy, family);
    let fit = fit_with(toy, &guide, 2000);
    assert_eq!(fit.outcome, Outcome::Converged, "{family:?}");
    let q = guide.gaussian(&fit.params);
    (fit, guide, q)
}

/// The exact log evidence, mean and covariance factor of a Gaussian log density.
fn exact(toy: &Toy) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
    let guide = guide_of(toy, GuideFamily::FullRank);
    let dim = guide.dim();
    let mut evaluator = toy.evaluator(&vec![true; toy.terms().len()]);
    let (mut at_zero, mut column) = (vec![0.0; dim], vec![0.0; dim]);
    evaluator.gradient(&vec![0.0; dim], &mut at_zero);
    let mut precision = vec![0.0; guide.pattern().len()];
    for c in 0..dim {
        let mut unit = vec![0.0; dim];
        unit[c] = 1.0;
        evaluator.gradient(&unit, &mut column);
        for r in c..dim {
            precision[guide.pattern().row(r).start + c] = at_zero[r] - column[r];
        }
    }
    let s = (guide.pattern().inverse_factor(&precision)).expect("positive definite");
    let (mut half, mut mean) = (vec![0.0; dim], vec![0.0; dim]);
    guide.pattern().transpose_times(&s, &at_zero, &mut half);
    guide.pattern().times(&s, &half, &mut mean);
    let peak = evaluator.gradient(&mean, &mut column);
    let log_volume: f64 = (0..dim).map(|r| s[guide.pattern().diagonal(r)].ln()).sum();
    let rows: Vec<Vec<f64>> = (0..dim)
        .map(|r| {
            let mut row = vec![0.0; dim];
            guide.pattern().entries(&s, r).for_each(|(c, x)| row[c] = x);
            row
        })
        .collect();
    (
        peak + log_volume + 0.5 * dim as f64 * (2.0 * PI).ln(),
        mean,
        rows,
    )
}

#[test]
fn no_guide_exceeds_the_evidence_and_the_right_ones_reach_it() {
    for toy in [normal_plate(5, 14), nested()] {
        let (evidence, mean, factor) = exact(&toy);
        for general in [false, true] {
            let toy = if general { toy.general() } else { toy.clone() };
            for family in [
                GuideFamily::Structured,
                GuideFamily::FullRank,
                GuideFamily::Laplace,
                // Of as many columns as there are coordinates.
                GuideFamily::LowRank(toy.dim() as u32),
            ] {
                let (fit, guide, q) = fit_of(&toy, family);
                let total = fit.elbo.total;
                assert!(
                    total <= evidence + 1e-9,
                    "{family:?}: {total} exceeds {evidence}"
                );
                assert!(
                    total > evidence - 0.01,
                    "{family:?}: {total} is far below {evidence}"
                );
                for r in 0..toy.dim() {
                    let sd = factor[r].iter().map(|x| x * x).sum::<f64>().sqrt();
                    assert!(
                        (q.mean[r] - mean[r]).abs() < 0.01 * sd,
                        "{family:?}: mean {r}"
                    );
                    assert!(
                        (guide.sd(&q, r) / sd - 1.0).abs() < 0.01,
                        "{family:?}: sd {r}"
                    );
                }
            }
            let (fit, _, _) = fit_of(&toy, GuideFamily::MeanField);
            let total = fit.elbo.total;
            assert!(
                total < evidence - 0.02,
                "mean field: {total} is not below {evidence}"
            );
            assert!(
                total > evidence - 20.0,
                "mean field: {total} is nowhere near {evidence}"
            );
        }
    }
}

/// Two correlated coordinates of very different scale: log density −½ (z − m)' P (z − m).
fn correlated(correlation: f64, sds: [f64; 2], mean: [f64; 2]) -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 2, 0.0);
    toy.term(TermKind::Prior(0), TermForm::General, move |z, slope| {
        let x = [(z[0] - mean[0]) / sds[0], (z[1] - mean[1]) / sds[1]];
        let rest = 1.0 - correlation * correlation;
        let push = [
            (x[0] - correlation * x[1]) / rest,
            (x[1] - correlation * x[0]) / rest,
        ];
        slope[0] -= push[0] / sds[0];
        slope[1] -= push[1] / sds[1];
        -0.5 * (x[0] * push[0] + x[1] * push[1])
    });
    toy
}

#[test]
fn scale_and_correlation_do_not_matter() {
    let (sds, mean) = ([800.0, 0.05], [-5000.0, 3.0]);
    let toy = correlated(0.999, sds, mean);
    let (_, guide, q) = fit_of(&toy, GuideFamily::Structured);
    let (_, field, alone) = fit_of(&toy, GuideFamily::MeanField);
    for r in 0..2 {
        assert!(
            (q.mean[r] - mean[r]).abs() < 0.01 * sds[r],
            "mean {}",
            q.mean[r]
        );
        assert!((guide.sd(&q, r) / sds[r] - 1.0).abs() < 0.01, "sd {r}");
        assert!(
            (alone.mean[r] - mean[r]).abs() < 0.05 * sds[r],
            "mean {}",
            alone.mean[r]
        );
        // The factorised optimum has the conditional sds.
        let conditional = sds[r] * (1.0 - 0.999_f64 * 0.999).sqrt();
        let ratio = field.sd(&alone, r) / conditional;
        assert!((ratio - 1.0).abs() < 0.01, "sd ratio {ratio}");
    }
    let covariance = q.scale[0] * q.scale[1];
    assert!((covariance / (sds[0] * sds[1]) - 0.999).abs() < 0.01);
}

/// A regression on a raw predictor: y ~ Normal(a + b x, e^s), everything flat, started far away.
fn regression() -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 3, 0.0);
    let rows = 200;
    let x: Vec<f64> = (0..rows)
        .map(|j| 66.0 + 4.0 * (j as f64 * 0.9).sin())
        .collect();
    let y: Vec<f64> = (x.iter().enumerate())
        .map(|(j, x)| -60_000.0 + 1_200.0 * x + 19_000.0 * (j as f64 * 2.7).cos())
        .collect();
    let minus: Vec<f64> = x.iter().map(|x| -x).collect();
    let all = vec![1; rows];
    let residual = affine(&y, &[(&[0], &[-1.0]), (&all, &minus)]);
    toy.gaussian(
        TermKind::Observed,
        normal(rows, residual, affine(&[], &[(&[2], &[1.0])])),
    );
    toy
}

#[test]
fn a_regression_on_raw_predictors_is_exact() {
    let toy = regression();
    let (fit, guide, q) = fit_of(&toy, GuideFamily::Structured);
    assert!(fit.history.len() < 200, "{} iterations", fit.history.len());
    // The posterior under flat priors on a, b and log sd is known: (a, b) are Student with n − 2 degrees of freedom.
    let mut evaluator = toy.evaluator(&[true]);
    let mut slope = vec![0.0; 3];
    let residuals =
        |a: f64, b: f64, evaluator: &mut dyn crate::joint::Evaluator, slope: &mut [f64]| {
            // −2 × the quadratic part at log sd = 0.
            -2.0 * (evaluator.gradient(&[a, b, 0.0], slope) + 100.0 * (2.0 * PI).ln())
        };
    let best = residuals(q.mean[0], q.mean[1], evaluator.as_mut(), &mut slope);
    for (da, db) in [(100.0, 0.0), (-100.0, 0.0), (0.0, 2.0), (0.0, -2.0)] {
        let other = residuals(
            q.mean[0] + da,
            q.mean[1] + db,
            evaluator.as_mut(),
            &mut slope,
        );
        assert!(other > best, "least squares");
    }
    let (centre, sd) = (0.5 * (best / 198.0).ln(), (0.5 / 198.0_f64).sqrt());
    assert!(
        (q.mean[2] - centre).abs() < 0.1 * sd,
        "log sd {} is not {centre}",
        q.mean[2]
    );
    assert!((guide.sd(&q, 2) / sd - 1.0).abs() < 0.03);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let toy = banana();
    for family in [GuideFamily::Structured, GuideFamily::MeanField] {
        let guide = guide_of(&toy, family);
        assert_eq!(fit_with(&toy, &guide, 500), fit_with(&toy, &guide, 500));
    }
}

/// z₁ ~ N(0, 1), z₂ ~ N(z₁², ½).
fn banana() -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 2, 0.5);
    toy.term(TermKind::Prior(0), TermForm::General, |z, slope| {
        let rest = z[1] - z[0] * z[0];
        slope[0] += -z[0] + 8.0 * z[0] * rest;
        slope[1] -= 4.0 * rest;
        -0.5 * z[0] * z[0] - 2.0 * rest * rest
    });
    toy
}

#[test]
fn a_point_guide_finds_the_mode() {
    let toy = banana();
    let (fit, guide, q) = fit_of(&toy, GuideFamily::Point);
    assert_eq!(guide.params(), 2);
    assert!(
        q.mean.iter().all(|m| m.abs() < 1e-3),
        "the mode is 0: {:?}",
        q.mean
    );
    assert!(fit.elbo.total.abs() < 1e-5 && fit.elbo.mcse == 0.0);
    // Part of it a point: the rest is the posterior given the point.
    let mut toy = normal_plate(3, 6);
    toy.rule(0, GuideFamily::Point);
    let (_, guide, q) = fit_of(&toy, GuideFamily::Structured);
    let (_, whole, best) = fit_of(&normal_plate(3, 6), GuideFamily::Structured);
    assert!(guide.sd(&q, 0) == 0.0 && whole.sd(&best, 0) > 0.1);
    assert!(
        (q.mean[0] - best.mean[0]).abs() < 1e-3,
        "of a Gaussian the mode is the mean"
    );
    assert!(guide.sd(&q, 1) < whole.sd(&best, 1));
}

#[test]
fn the_answer_over_draws_is_an_optimum_of_the_true_elbo() {
    let toy = banana();
    let (fit, guide, q) = fit_of(&toy, GuideFamily::Structured);
    let elbo = compose(&toy, &guide);
    let noise = Noise::paired(&guide, 20_000, 99);
    let at = |params: &[f64]| elbo.value(&guide.gaussian(params), &noise).total;
    let best = at(&fit.params);
    assert!((best - fit.elbo.total).abs() < 5.0 * fit.elbo.mcse.max(1e-3));
    for i in 0..fit.params.len() {
        for h in [-0.15, 0.15] {
            let mut moved = fit.params.clone();
            moved[i] += h;
            assert!(at(&moved) < best, "parameter {i} of {q:?} moved by {h}");
        }
    }
}

/// log τ ~ N(0, 1.5), eight effects ~ N(0, τ), weak data: no joint mode at τ → 0.
fn funnel(data: bool) -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.0);
    toy.site(1, 8, 1, 0.0);
    let scale = affine(&[], &[(&[0], &[1.0])]);
    toy.gaussian(
        TermKind::Prior(0),
        normal(1, scale.clone(), affine(&[1.5_f64.ln()], &[])),
    );
    let all: Vec<u32> = (1..9).collect();
    toy.gaussian(
        TermKind::Prior(1),
        normal(8, affine(&[], &[(&all, &[1.0])]), scale),
    );
    if data {
        let y = [2.8, 0.8, -0.3, 0.7, -0.1, 0.1, 1.8, 1.2];
        let residual = affine(&y, &[(&all, &[-1.0])]);
        toy.gaussian(TermKind::Observed, normal(8, residual, affine(&[0.0], &[])));
    }
    toy
}

#[test]
fn laplace_says_that_there_is_no_mode() {
    let mut toy = Toy::default();
    toy.site(0, 1, 2, 0.1);
    toy.term(TermKind::Prior(0), TermForm::General, |z, slope| {
        slope[0] += 1.0;
        slope[1] -= z[1];
        z[0] - 0.5 * z[1] * z[1]
    });
    let guide = guide_of(&toy, GuideFamily::Laplace);
    let fit = fit_with(&toy, &guide, 1000);
    assert!(
        matches!(fit.doubt, Some(Doubt::NoMode(_))),
        "{:?}",
        fit.doubt
    );
    // −log(1 + exp(−z)) rises towards 0, ever more slowly: each step of Newton's method goes as far as the one before.
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.1);
    toy.term(TermKind::Observed, TermForm::General, |z, slope| {
        slope[0] += 1.0 / (1.0 + z[0].exp());
        -(-z[0]).exp().ln_1p()
    });
    let fit = fit_with(&toy, &guide_of(&toy, GuideFamily::Laplace), 1000);
    let none = |fit: &Fit| matches!(fit.doubt, Some(Doubt::NoMode(_)));
    assert!(none(&fit), "{:?}", fit.doubt);
    let (fit, _, _) = fit_of(&normal_plate(5, 14), GuideFamily::Laplace);
    assert_eq!(fit.doubt, None);
}

#[test]
fn a_low_rank_bound_lies_between_those_of_its_neighbours() {
    let toy = normal_plate(40, 40);
    let of = |family| fit_of(&toy, family).0.elbo.total;
    let field = of(GuideFamily::MeanField);
    let low = of(GuideFamily::LowRank(1));
    let dense = of(GuideFamily::FullRank);
    assert!(
        field + 0.1 < low && low < dense + 1e-6,
        "{field} {low} {dense}"
    );
}

#[test]
fn funnels_end_and_stay_finite() {
    for data in [false, true] {
        for toy in [funnel(data), funnel(data).general()] {
            for family in [
                GuideFamily::Structured,
                GuideFamily::MeanField,
                GuideFamily::FullRank,
            ] {
                let guide = guide_of(&toy, family);
                let fit = fit_with(&toy, &guide, 1000);
                assert!(fit.params.iter().all(|p| p.is_finite()), "{family:?}");
                assert!(
                    fit.elbo.total.is_finite() && fit.elbo.total < 1.0,
                    "{family:?}"
                );
                assert_eq!(fit.outcome, Outcome::Converged, "{family:?}, data {data}");
            }
        }
    }
}

#[test]
fn the_line_search_steps_back_from_what_is_not_finite() {
    // x − log x − 2 log(5 − x), not a number outside (0, 5), from both ends.
    for start in [1e-3, 4.999] {
        let mut function = |x: &[f64], slope: &mut [f64]| {
            slope[0] = 1.0 - 1.0 / x[0] + 2.0 / (5.0 - x[0]);
            x[0] - x[0].ln() - 2.0 * (5.0 - x[0]).ln()
        };
        let mut x = vec![start];
        let rule = lbfgs::Rule {
            iterations: 100,
            longest: 1e-8,
            gain: 1e-14,
        };
        let (end, _) = lbfgs::minimise(&mut function, &mut x, rule, &mut |_| true);
        assert_eq!(end, lbfgs::End::Converged);
        let root = 4.0 - 11.0_f64.sqrt();
        assert!((x[0] - root).abs() < 1e-6, "{} is not {root}", x[0]);
    }
}

#[test]
fn a_fit_stays_where_there_is_density_and_tells_if_it_cannot() {
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 3.0);
    toy.term(TermKind::Prior(0), TermForm::General, |z, slope| {
        slope[0] += 2.0 / z[0] - 1.0;
        2.0 * z[0].ln() - z[0]
    });
    let (fit, guide, q) = fit_of(&toy, GuideFamily::Structured);
    assert!(fit.elbo.total.is_finite());
    // Gamma(3, 1), squeezed by the edge: no draw lies below it.
    assert!(
        (q.mean[0] - 3.0).abs() < 0.3 && guide.sd(&q, 0) > 0.5,
        "{q:?}"
    );
    let outside = toy.started(&[-1.0]);
    let guide = guide_of(&outside, GuideFamily::Structured);
    let fit = fit_with(&outside, &guide, 500);
    assert!(fit.params.iter().all(|p| p.is_finite()));
    assert!(
        matches!(fit.outcome, Outcome::Broken(_)),
        "{:?}",
        fit.outcome
    );
}

#[test]
fn a_fit_can_be_spent_or_interrupted() {
    let toy = banana();
    let guide = guide_of(&toy, GuideFamily::Structured);
    let fit = fit_with(&toy, &guide, 2);
    assert_eq!(fit.outcome, Outcome::Spent);
    assert_eq!(fit.history.len(), 2);
    let mut seen = Vec::new();
    let mut progress = |p: &Progress| {
        if p.iteration > 0 {
            seen.push(p.elbo);
        }
        p.iteration < 3
    };
    let mut settings = Settings {
        max_iterations: 500,
        batch: None,
        progress: &mut progress,
    };
    let fit = run(&compose(&toy, &guide), &mut settings, &mut stream(1));
    assert_eq!(fit.outcome, Outcome::Interrupted);
    assert_eq!(fit.history, seen);
    assert_eq!(seen.len(), 3);
    let mut settings = Settings {
        max_iterations: 500,
        batch: None,
        progress: &mut |_| false,
    };
    let fit = run(&compose(&toy, &guide), &mut settings, &mut stream(1));
    assert_eq!(fit.outcome, Outcome::Interrupted, "on the way to the start");
    assert!(fit.elbo.total.is_finite());
}

#[test]
fn stochastic_steps_reach_the_evidence() {
    let toy = normal_plate(5, 14).general();
    let (evidence, _, _) = exact(&toy);
    let guide = guide_of(&toy, GuideFamily::FullRank);
    let elbo = compose(&toy, &guide).erased();
    let mut settings = Settings {
        max_iterations: 20_000,
        batch: None,
        progress: &mut |_| true,
    };
    let mut run = Run {
        elbo: &elbo,
        settings: &mut settings,
        history: Vec::new(),
        state: None,
        tail: None,
    };
    let start = start::find(&mut run, 3).expect("finite");
    // Spoil the start: a wrong centre and no correlations.
    let spoilt = start::Start {
        mean: start.mean.iter().map(|m| m + 0.5).collect(),
        ..start
    };
    let (q, ending) = stochastic::maximise(&mut run, &spoilt, None, 11);
    assert!(matches!(ending, Ending::Converged));
    assert!(run.history.len() < 5000, "{} steps", run.history.len());
    let total = elbo.value(&q, &Noise::paired(&guide, 2000, 4)).total;
    assert!((total - evidence).abs() < 0.01, "{total} is not {evidence}");
}

#[test]
fn linear_response_finds_what_mean_field_leaves_out() {
    for toy in [normal_plate(5, 14), nested(), normal_plate(5, 14).general()] {
        let (_, _, factor) = exact(&toy);
        let (fit, guide, q) = fit_of(&toy, GuideFamily::MeanField);
        let found = response(&compose(&toy, &guide), &fit, 3).expect("an answer at a maximum");
        let covariance = |a: usize, b: usize| -> f64 {
            let pairs = factor[a].iter().zip(&factor[b]);
            pairs.map(|(a, b)| a * b).sum()
        };
        let draws = found.draws(1 << 12, 3).expect("positive definite");
        for (i, a) in found.globals.iter().enumerate() {
            assert!(guide.sd(&q, *a) < 0.95 * covariance(*a, *a).sqrt());
            for (j, b) in found.globals.iter().enumerate() {
                let unit = (covariance(*a, *a) * covariance(*b, *b)).sqrt();
                let exact = covariance(*a, *b);
                let own = found.covariance[i * found.globals.len() + j];
                assert!((own - exact).abs() < 1e-3 * unit, "{own} against {exact}");
                let drawn = (draws.iter())
                    .map(|z| (z[*a] - q.mean[*a]) * (z[*b] - q.mean[*b]))
                    .sum::<f64>()
                    / draws.len() as f64;
                assert!((drawn - own).abs() < 1e-6 * unit, "{drawn} against {own}");
            }
        }
    }
    let toy = nested();
    let guide = guide_of(&toy, GuideFamily::Point);
    let fit = fit_with(&toy, &guide, 100);
    assert!(response(&compose(&toy, &guide), &fit, 3).is_err());
}

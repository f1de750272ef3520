//! Closed forms and quadrature against draws and each other; gradients against central differences.

use super::*;
use crate::dist::GaussianForm;
use crate::elbo::toy::Toy;
use crate::elbo::toy::affine;
use crate::elbo::toy::normal;
use crate::guide::GuideSpec;
use crate::guide::derive;
use crate::joint::Affine;
use crate::joint::GaussianTerm;
use crate::num::hermite::gauss_hermite;
use crate::typed::GuideFamily;

const FAMILIES: [GuideFamily; 6] = [
    GuideFamily::Structured,
    GuideFamily::MeanField,
    GuideFamily::FullRank,
    GuideFamily::LowRank(3),
    GuideFamily::Laplace,
    GuideFamily::Point,
];

/// One of everything: a scale with a Student prior (quadrature), groups given it, Normal, LogNormal and Poisson rows, a general term.
fn everything() -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 2, 0.1);
    toy.site(1, 3, 2, 0.2);
    let student = |x: f64| (-2.0 * (x * x / 3.0).ln_1p(), -4.0 * x / (3.0 + x * x));
    toy.term(TermKind::Prior(0), TermForm::Univariate, move |z, slope| {
        (0..2)
            .map(|r| {
                slope[r] += student(z[r]).1;
                student(z[r]).0
            })
            .sum()
    });
    let all: Vec<u32> = (2..8).collect();
    let local = affine(&[0.3], &[(&all, &[1.0]), (&[0], &[-0.5])]);
    let mut prior = normal(6, local, affine(&[-0.2], &[(&[1], &[1.0])]));
    prior.weight = vec![1.0, 1.0, 0.0, 1.0, 2.0, 1.0];
    toy.gaussian(TermKind::Prior(1), prior);
    let rows = affine(
        &[0.5, -0.2, 1.0, 0.4],
        &[
            (&[2, 3, 4, 2], &[-1.0]),
            (&[5, 6, 7, 5], &[0.3, -0.8, 0.1, 0.9]),
        ],
    );
    let mut log_normal = normal(4, rows.clone(), affine(&[0.1], &[(&[5, 6, 7, 6], &[0.4])]));
    log_normal.form = GaussianForm::LogNormal;
    log_normal.offset = affine(&[-0.7, 0.1, 0.2, 0.0], &[(&[1], &[0.6])]);
    toy.gaussian(TermKind::Observed, log_normal);
    toy.gaussian(
        TermKind::Observed,
        GaussianTerm {
            form: GaussianForm::Poisson,
            rows: 4,
            predictor: rows,
            log_sd: Affine::default(),
            observed: vec![0.0, 3.0, 1.0, 2.0],
            offset: Affine::default(),
            weight: Vec::new(),
        },
    );
    toy.term(TermKind::Factor, TermForm::General, |z, slope| {
        slope[0] += (z[0] * z[4]).cos() * z[4];
        slope[4] += (z[0] * z[4]).cos() * z[0];
        (z[0] * z[4]).sin()
    });
    toy
}

fn guide_of(toy: &Toy, family: GuideFamily) -> Guide {
    let spec = GuideSpec {
        default: Some(family),
    };
    derive(toy, &spec).expect("small enough")
}

/// Parameters that are nothing special.
fn params(guide: &Guide) -> Vec<f64> {
    let mut params: Vec<f64> = (0..guide.params())
        .map(|i| 0.2 * (i as f64 * 1.7 + 0.4).sin())
        .collect();
    for r in guide.pattern().order() {
        params[guide.dim() + guide.pattern().diagonal(r)] -= 1.2;
    }
    params
}

fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!(
        (a - b).abs() <= tolerance * (1.0 + b.abs()),
        "{what}: {a} is not {b}"
    );
}

#[test]
fn closed_forms_and_quadrature_agree_with_draws() {
    let exact = everything();
    let drawn = exact.general();
    for family in [
        GuideFamily::Structured,
        GuideFamily::MeanField,
        GuideFamily::FullRank,
        GuideFamily::LowRank(2),
    ] {
        let guide = guide_of(&exact, family);
        let q = guide.gaussian(&params(&guide));
        let noise = Noise::paired(&guide, 30_000, 5);
        let a = compose(&exact, &guide).value(&q, &noise);
        let b = compose(&drawn, &guide).value(&q, &noise);
        for (i, (a, b)) in a.terms.iter().zip(&b.terms).enumerate() {
            close(*a, *b, 4e-3, &format!("{family:?}, term {i}"));
        }
        assert!(b.mcse > a.mcse, "fewer terms over draws, less error");
    }
}

#[test]
fn quadrature_agrees_with_the_closed_form_of_a_gaussian() {
    let mut toy = Toy::default();
    toy.site(0, 1, 2, 0.0);
    let term = normal(
        2,
        affine(&[-0.4], &[(&[0, 1], &[1.5])]),
        affine(&[0.3], &[]),
    );
    let mut quadrature = toy.clone();
    toy.gaussian(TermKind::Prior(0), term.clone());
    quadrature.gaussian(TermKind::Prior(0), term);
    let quadrature = quadrature.univariate();
    let guide = guide_of(&toy, GuideFamily::FullRank);
    let q = guide.gaussian(&params(&guide));
    let none = Noise::none(2);
    let a = compose(&toy, &guide).value(&q, &none);
    let b = compose(&quadrature, &guide).value(&q, &none);
    close(a.total, b.total, 1e-13, "quadrature of a quadratic");
}

#[test]
fn gauss_hermite_rules_have_the_moments_of_a_normal() {
    for n in [1, 2, 5, 24, 40] {
        let rule = gauss_hermite(n);
        let mut moment = 1.0;
        for degree in (0..2 * n.min(12)).step_by(2) {
            let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
            close(sum, moment, 1e-12, &format!("{n} nodes, degree {degree}"));
            moment *= (degree + 1) as f64;
        }
        let odd: f64 = rule.iter().map(|(x, w)| w * x.powi(3)).sum();
        assert!(odd.abs() < 1e-12, "{n} nodes: odd moment {odd}");
    }
}

#[test]
fn gradients_agree_with_central_differences_for_every_family() {
    let toy = everything();
    for family in FAMILIES {
        let guide = guide_of(&toy, family);
        let elbo = compose(&toy, &guide);
        let noise = Noise::paired(&guide, 16, 3);
        let mut expectation = Expectation::new(&elbo);
        let mut at = |params: &[f64]| {
            let q = guide.gaussian(params);
            let mut gradient = expectation.zero();
            let value = expectation.evaluate(&q, &noise, &mut gradient);
            (value, gradient, q)
        };
        let x = params(&guide);
        let (_, gradient, q) = at(&x);
        let mut analytic = [gradient.mean.as_slice(), &gradient.scale].concat();
        for r in guide.pattern().order() {
            let diagonal = guide.pattern().diagonal(r);
            analytic[guide.dim() + diagonal] *= q.scale[diagonal];
        }
        for i in 0..x.len() {
            let moved = |h: f64| {
                let mut x = x.clone();
                x[i] += h;
                x
            };
            let difference = (at(&moved(1e-5)).0 - at(&moved(-1e-5)).0) / 2e-5;
            close(
                analytic[i],
                difference,
                1e-7,
                &format!("{family:?}, parameter {i}"),
            );
        }
    }
}

#[test]
fn the_decomposition_adds_up_to_the_total() {
    let toy = everything();
    for family in FAMILIES {
        let guide = guide_of(&toy, family);
        let elbo = compose(&toy, &guide);
        let q = guide.gaussian(&params(&guide));
        let value = elbo.value(&q, &Noise::paired(&guide, 16, 3));
        let sum =
            (elbo.terms.iter().zip(&value.terms)).fold(0.0, |s, (t, v)| s + t.kind.sign() * v);
        assert_eq!(sum, value.total, "{family:?}");
        // The same by another road: E[log p] + entropy of the guide.
        let mut expectation = Expectation::new(&elbo);
        let mut unused = expectation.zero();
        let noise = Noise::paired(&guide, 16, 3);
        let whole = expectation.evaluate(&q, &noise, &mut unused) + guide.total_entropy(&q);
        close(value.total, whole, 1e-13, "by the chain rule");
    }
}

#[test]
fn terms_know_what_they_are() {
    let toy = everything();
    let guide = guide_of(&toy, GuideFamily::Structured);
    let elbo = compose(&toy, &guide);
    let found: Vec<(ElboKind, How)> = elbo.terms.iter().map(|t| (t.kind, t.how)).collect();
    let expected = [
        (ElboKind::GlobalKl, How::Quadrature),
        (ElboKind::LocalKl, How::ClosedForm),
        (ElboKind::Reconstruction, How::ClosedForm),
        (ElboKind::Reconstruction, How::ClosedForm),
        (ElboKind::Factor, How::Draws),
    ];
    assert_eq!(found, expected);
    let point = guide_of(&toy, GuideFamily::Point);
    let points = compose(&toy, &point).terms;
    assert!(points.iter().all(|t| t.how == How::Point));
}

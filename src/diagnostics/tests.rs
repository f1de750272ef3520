//! PSIS against another system's values.

use super::psis::smooth;
use super::*;
use crate::elbo::compose;
use crate::elbo::toy::Toy;
use crate::elbo::toy::affine;
use crate::elbo::toy::normal;
use crate::elbo::toy::normal_plate;
use crate::fit::Outcome;
use crate::fit::Settings;
use crate::guide::GuideSpec;
use crate::guide::derive;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::num::rng::stream;
use crate::typed::GuideFamily;

/// Fixed log ratios, the same in the reference: a low-discrepancy sequence through four functions.
fn ratios(count: usize, kind: &str) -> Vec<f64> {
    (1..=count)
        .map(|i| {
            let u = (i as f64 * 0.618_033_988_749_894_9) % 1.0;
            let v = (i as f64 * 0.754_877_666_246_692_7) % 1.0;
            match kind {
                "pareto" => -0.6 * u.ln(),
                "heavy" => -1.2 * u.ln(),
                _ => -0.5 * u * u + 0.1 * v,
            }
        })
        .collect()
}

#[test]
fn psis_agrees_with_arviz() {
    // arviz 0.23.4, psislw(log_ratios, reff = 1): k-hat, the largest smoothed log weight, and Σ w_i i / n (i from 0).
    let cases = [
        (
            100,
            "pareto",
            0.5729460747861704,
            -2.3461939312955273,
            0.5192546131646837,
        ),
        (
            100,
            "heavy",
            0.9172823012998672,
            -1.2002849848545576,
            0.5884516412424138,
        ),
        (
            100,
            "light",
            -0.15806425147697603,
            -4.40898212274339,
            0.49557809124095303,
        ),
        (
            1000,
            "pareto",
            0.5514384397440879,
            -3.4491965209431457,
            0.5006828811948141,
        ),
        (
            1000,
            "heavy",
            1.0623846928590976,
            -1.226890461088418,
            0.5179734196676828,
        ),
        (
            1000,
            "light",
            -0.5341610947006253,
            -6.703378516508671,
            0.49949388109513454,
        ),
        (
            4000,
            "pareto",
            0.555638392483122,
            -4.270200219826729,
            0.5001510395478324,
        ),
        (
            4000,
            "heavy",
            1.1075785969070555,
            -1.6006869963203587,
            0.4980199002744707,
        ),
        (
            4000,
            "light",
            -0.607666109693819,
            -8.088935751071638,
            0.4999095704737341,
        ),
    ];
    for (count, kind, k_hat, largest, centre) in cases {
        let found = smooth(&ratios(count, kind));
        let most = found
            .log_weights
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let mean: f64 = (found.log_weights.iter().enumerate())
            .map(|(i, w)| w.exp() * i as f64 / count as f64)
            .sum();
        for (found, expected) in [(found.k_hat, k_hat), (most, largest), (mean, centre)] {
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{kind} {count}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn weights_add_up_to_one_whatever_they_are() {
    let mut with_zeros = ratios(200, "heavy");
    with_zeros[7] = f64::NEG_INFINITY;
    for list in [vec![0.0; 50], with_zeros, vec![1e4, -1e4, 0.0], vec![3.0]] {
        let total: f64 = smooth(&list).log_weights.iter().map(|w| w.exp()).sum();
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }
    assert_eq!(
        smooth(&[0.0; 50]).k_hat,
        f64::INFINITY,
        "equal weights have no tail"
    );
}

/// The fit and what is made of it.
fn assessed(toy: &Toy, family: GuideFamily, iterations: usize) -> (Fit, Diagnostics) {
    let spec = GuideSpec {
        default: Some(family),
    };
    let guide = derive(toy, &spec).expect("small enough");
    let elbo = compose(toy, &guide);
    let mut settings = Settings {
        max_iterations: iterations,
        batch: None,
        progress: &mut |_| true,
    };
    let mut rng = stream(1);
    let fit = crate::fit::run(&elbo, &mut settings, &mut rng);
    let diagnostics = assess(&elbo, &fit, &mut rng);
    (fit, diagnostics)
}

/// The weighted mean and sd of a coordinate.
fn summary(diagnostics: &Diagnostics, r: usize) -> (f64, f64) {
    let weighted = |f: &dyn Fn(f64) -> f64| -> f64 {
        (diagnostics.draws.iter().zip(&diagnostics.log_weights))
            .map(|(z, w)| w.exp() * f(z[r]))
            .sum()
    };
    let mean = weighted(&|z| z);
    (mean, weighted(&|z| (z - mean) * (z - mean)).sqrt())
}

#[test]
fn a_right_guide_is_trusted_and_a_factorised_one_only_if_mended() {
    let toy = normal_plate(6, 30);
    let (_, right) = assessed(&toy, GuideFamily::Structured, 1000);
    assert_eq!(right.trust, Trust::Yes, "{}", right.text);
    assert!(right.efficiency > 0.999, "{}", right.efficiency);
    // Few rows: the groups hang together by their mean, which mean field cannot say.
    let toy = normal_plate(40, 40);
    let (_, factorised) = assessed(&toy, GuideFamily::MeanField, 1000);
    // μ has precision 1/4 + 40 / (0.7² + 0.5²), and mean field about four times as much.
    let exact = 1.0 / (0.25 + 40.0 / 0.74_f64).sqrt();
    let (_, sd) = summary(&factorised, 0);
    let right = (sd / exact - 1.0).abs() < 0.1;
    assert!(
        right || factorised.trust != Trust::Yes,
        "{sd}, {exact}: {}",
        factorised.text
    );
}

/// log τ ~ N(0, 3), ten effects ~ N(0, τ).
fn funnel() -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.0);
    toy.site(1, 10, 1, 0.0);
    let scale = affine(&[], &[(&[0], &[1.0])]);
    let wide = affine(&[3.0_f64.ln()], &[]);
    toy.gaussian(TermKind::Prior(0), normal(1, scale.clone(), wide));
    let all: Vec<u32> = (1..11).collect();
    let effects = affine(&[], &[(&all, &[1.0])]);
    toy.gaussian(TermKind::Prior(1), normal(10, effects, scale));
    toy
}

/// Two normal humps at ±`apart`, one three times the other.
fn bimodal(apart: f64) -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.1);
    toy.term(TermKind::Prior(0), TermForm::General, move |z, slope| {
        let (a, b) = (
            -0.5 * (z[0] - apart) * (z[0] - apart) + 3.0_f64.ln(),
            -0.5 * (z[0] + apart) * (z[0] + apart),
        );
        let most = a.max(b);
        let (a, b) = ((a - most).exp(), (b - most).exp());
        slope[0] += (a * (apart - z[0]) + b * (-apart - z[0])) / (a + b);
        most + (a + b).ln()
    });
    toy
}

#[test]
fn what_the_guide_cannot_follow_is_not_vouched_for() {
    let (fit, found) = assessed(&funnel(), GuideFamily::Structured, 1000);
    assert_eq!(fit.outcome, Outcome::Converged);
    assert_eq!(found.trust, Trust::No, "{}", found.text);
    // A guide wide enough for both humps is mended by weights: the answer is right, not the guide.
    let (_, found) = assessed(&bimodal(2.0), GuideFamily::Structured, 1000);
    let (mean, sd) = summary(&found, 0);
    let right = (mean - 1.0).abs() < 0.1 && (sd / 2.0 - 1.0).abs() < 0.05;
    assert!(
        right || found.trust != Trust::Yes,
        "{mean} {sd} {}",
        found.text
    );
}

#[test]
fn weights_mend_a_slightly_wrong_guide() {
    // A Student with 8 degrees of freedom: variance 8 / 6.
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.1);
    toy.term(TermKind::Prior(0), TermForm::General, |z, slope| {
        slope[0] -= 9.0 * z[0] / (8.0 + z[0] * z[0]);
        -4.5 * (z[0] * z[0] / 8.0).ln_1p()
    });
    let (_, found) = assessed(&toy, GuideFamily::Structured, 1000);
    let (mean, sd) = summary(&found, 0);
    assert!(mean.abs() < 0.03, "{mean}");
    assert!(
        (sd / (8.0_f64 / 6.0).sqrt() - 1.0).abs() < 0.06,
        "{sd} {}",
        found.text
    );
}

#[test]
fn the_verdict_says_why_a_fit_is_not_to_be_trusted() {
    let toy = normal_plate(4, 8);
    let (_, spent) = assessed(&funnel(), GuideFamily::Structured, 2);
    assert_eq!(spent.trust, Trust::No);
    assert_eq!(spent.reason, Reason::NotConverged, "{}", spent.text);
    let (_, point) = assessed(&toy, GuideFamily::Point, 1000);
    assert_eq!(point.trust, Trust::Caution);
    assert!(point.k_hat.is_nan() && point.reason == Reason::Point);
    assert_eq!(point.draws.len(), 1);
}

#[test]
fn draws_have_the_moments_of_the_guide() {
    let toy = normal_plate(4, 8);
    let (fit, found) = assessed(&toy, GuideFamily::Structured, 1000);
    let spec = GuideSpec::default();
    let guide = derive(&toy, &spec).expect("small enough");
    let q = guide.gaussian(&fit.params);
    for r in 0..guide.dim() {
        let (mean, sd) = summary(&found, r);
        assert!((mean - q.mean[r]).abs() < 1e-9, "exact by construction");
        assert!((sd / guide.sd(&q, r) - 1.0).abs() < 0.02);
    }
}

//! Convergence against an independent implementation, draws against densities whose moments are known.

use super::Chains;
use super::Ending;
use super::Progress;
use super::Settings;
use super::Space;
use super::Walk;
use super::Whole;
use super::convergence::convergence;
use super::convergence::e_bfmi;
use super::sample;
use crate::elbo::toy::Toy;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::num::rng::Rng;
use rayon::ThreadPoolBuilder;
use std::f64::consts::PI;

/// Autoregressive chains whose noise is logistic, or Cauchy, from a linear congruential generator; chain c is moved by c times `shift`.
fn series(chains: usize, len: usize, memory: f64, shift: f64, cauchy: bool) -> Vec<f64> {
    let mut state: u64 = 12345;
    let mut out = Vec::with_capacity(chains * len);
    for chain in 0..chains {
        let mut x = 0.0;
        for _ in 0..len {
            state = (state.wrapping_mul(6_364_136_223_846_793_005))
                .wrapping_add(1_442_695_040_888_963_407);
            let u = ((state >> 11) as f64 + 0.5) / 2f64.powi(53);
            let noise = match cauchy {
                true => (PI * (u - 0.5)).tan(),
                false => (u / (1.0 - u)).ln(),
            };
            x = memory * x + noise;
            out.push(x + shift * chain as f64);
        }
    }
    out
}

/// R-hat (rank), ess (bulk), ess (tail) and mcse (mean) of `arviz` 0.23.4, and bfmi.
#[test]
fn convergence_is_that_of_arviz() {
    let cases = [
        (
            (4, 250, 0.0, 0.0, false),
            [
                1.0053834854690387,
                954.0132106053078,
                939.7121736530165,
                0.059910092321476656,
            ],
        ),
        (
            (4, 500, 0.9, 0.0, false),
            [
                1.0450287707436134,
                85.73538473614168,
                83.06099192525397,
                0.4655241496740741,
            ],
        ),
        (
            (4, 301, -0.6, 0.0, false),
            [
                1.0014138969912127,
                3695.0174952571497,
                1190.601477203867,
                0.036279419753493115,
            ],
        ),
        (
            (3, 200, 0.3, 1.0, false),
            [
                1.0861476266408379,
                28.36856063481105,
                435.7240226309855,
                0.3622790723940405,
            ],
        ),
        (
            (4, 250, 0.2, 0.0, true),
            [
                1.0114272510524422,
                524.0050902287528,
                638.1541837207361,
                1.4591325584288886,
            ],
        ),
        (
            (2, 20, 0.5, 0.0, false),
            [
                1.1205746045084133,
                12.97588459320478,
                17.30769230769231,
                0.6302569507564914,
            ],
        ),
    ];
    for ((chains, len, memory, shift, cauchy), expected) in cases {
        let found = convergence(&series(chains, len, memory, shift, cauchy), chains);
        let found = [found.r_hat, found.ess_bulk, found.ess_tail, found.mcse];
        for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (found / expected - 1.0).abs() < 1e-8,
                "number {k} of {chains} chains with memory {memory}: {found} is not {expected}"
            );
        }
    }
    let energy = e_bfmi(&series(1, 200, 0.8, 0.0, false));
    assert!((energy - 0.50126883).abs() < 1e-7, "{energy}");
}

#[test]
fn what_never_changes_has_no_r_hat() {
    let found = convergence(&[2.0; 40], 4);
    assert!(found.r_hat.is_nan() && found.mcse == 0.0);
    assert!(convergence(&[f64::NAN; 40], 4).r_hat.is_nan());
}

fn settings(progress: &(dyn Fn(&Progress) -> bool + Sync)) -> Settings<'_> {
    Settings {
        chains: 4,
        warmup: 500,
        draws: 500,
        accept: 0.8,
        budget: None,
        seed: 3,
        progress,
    }
}

/// Means 1 and −2, sds 3 and 0.01, correlation 0.9.
fn correlated() -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 2, 0.0);
    toy.term(TermKind::Prior(0), TermForm::General, |z, slope| {
        let (a, b) = ((z[0] - 1.0) / 3.0, (z[1] + 2.0) / 0.01);
        let share = 1.0 / (1.0 - 0.81);
        slope[0] -= share * (a - 0.9 * b) / 3.0;
        slope[1] -= share * (b - 0.9 * a) / 0.01;
        -0.5 * share * (a * a - 1.8 * a * b + b * b)
    });
    toy
}

/// Mean and sd of a coordinate.
fn moments(chains: &Chains, r: usize) -> (f64, f64) {
    let n = chains.len() as f64;
    let draws = || chains.chains.iter().flat_map(|c| &c.draws).map(|z| z[r]);
    let mean = draws().sum::<f64>() / n;
    let variance = draws().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

#[test]
fn draws_have_the_moments_of_a_correlated_normal() {
    let toy = correlated();
    let chains = sample(&Whole(&toy), &settings(&|_| true));
    assert_eq!(chains.ending, Ending::Done);
    assert_eq!((chains.len(), chains.divergences()), (2000, 0));
    for (r, mean, sd) in [(0, 1.0, 3.0), (1, -2.0, 0.01)] {
        let (m, s) = moments(&chains, r);
        // Four standard errors of 1,000 independent draws at the least.
        assert!((m - mean).abs() < 0.13 * sd, "{m} is not {mean}");
        assert!((s / sd - 1.0).abs() < 0.1, "{s} is not {sd}");
    }
    assert!(chains.e_bfmi() > 0.5, "{}", chains.e_bfmi());
}

#[test]
fn the_same_seed_gives_the_same_bits_for_any_number_of_threads() {
    let toy = correlated();
    let with = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        (pool.expect("threads")).install(|| sample(&Whole(&toy), &settings(&|_| true)))
    };
    let one = with(1);
    assert_eq!(one, with(3));
    assert_ne!(
        one.chains[0].draws, one.chains[1].draws,
        "chains are independent"
    );
}

#[test]
fn a_request_to_stop_is_heeded() {
    let toy = correlated();
    let chains = sample(&Whole(&toy), &settings(&|p| p.iterations < 700));
    assert_eq!(chains.ending, Ending::Interrupted);
    assert!(chains.len() < 2000);
}

#[test]
fn a_chain_ends_when_its_gradients_are_spent() {
    let toy = correlated();
    let with = |budget| Settings {
        budget: Some(budget),
        ..settings(&|_| true)
    };
    let chains = sample(&Whole(&toy), &with(1800));
    assert_eq!(chains.ending, Ending::Spent);
    let lengths: Vec<usize> = chains.chains.iter().map(|c| c.draws.len()).collect();
    assert!(
        lengths.iter().all(|n| *n == lengths[0] && *n < 500),
        "{lengths:?}"
    );
}

/// No density anywhere.
struct Nowhere;

impl Space for Nowhere {
    fn dim(&self) -> usize {
        1
    }

    fn open(&self) -> Box<dyn Walk + '_> {
        Box::new(Nowhere)
    }

    fn start(&self, _: usize, _: &mut Rng) -> Vec<f64> {
        vec![0.5]
    }
}

impl Walk for Nowhere {
    fn gradient(&mut self, _: &[f64], _: &mut [f64]) -> f64 {
        f64::NEG_INFINITY
    }

    fn complete(&mut self, x: &[f64], _: &mut Rng) -> Vec<f64> {
        x.to_vec()
    }
}

#[test]
fn a_density_that_is_nowhere_finite_is_reported() {
    let chains = sample(&Nowhere, &settings(&|_| true));
    assert_eq!(chains.ending, Ending::NoStart(vec![0.5]));
    assert!(chains.is_empty());
}

//! Patterns, families and noise.

use super::noise::Noise;
use super::*;
use crate::elbo::toy::Toy;
use crate::elbo::toy::nested;
use crate::elbo::toy::normal_plate;
use crate::joint::LogDensity;

fn guide(toy: &Toy, family: GuideFamily) -> Guide {
    let spec = GuideSpec {
        default: Some(family),
    };
    derive(toy, &spec).expect("small enough")
}

/// A matrix of the pattern that is nothing special, with positive diagonal.
fn some(pattern: &Pattern, phase: f64) -> Vec<f64> {
    let mut matrix: Vec<f64> = (0..pattern.len())
        .map(|i| 0.5 * (i as f64 * 2.3 + phase).sin())
        .collect();
    for r in pattern.order() {
        matrix[pattern.diagonal(r)] = 1.0 + 0.3 * (r as f64 + phase).cos();
    }
    matrix
}

fn dense(pattern: &Pattern, matrix: &[f64]) -> Vec<Vec<f64>> {
    (0..pattern.dim())
        .map(|r| {
            let mut row = vec![0.0; pattern.dim()];
            pattern.entries(matrix, r).for_each(|(c, x)| row[c] = x);
            row
        })
        .collect()
}

fn multiply(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let columns = b[0].len();
    (a.iter())
        .map(|row| {
            (0..columns)
                .map(|c| row.iter().zip(b).map(|(x, b)| x * b[c]).sum())
                .collect()
        })
        .collect()
}

fn transpose(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..a[0].len())
        .map(|c| a.iter().map(|row| row[c]).collect())
        .collect()
}

fn same(a: &[Vec<f64>], b: &[Vec<f64>]) {
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }
}

/// A plate of students crossed with one of items, and a row effect below both.
fn crossed() -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.0);
    toy.site(1, 3, 1, 0.0);
    toy.site(2, 2, 2, 0.0);
    toy.site(3, 6, 1, 0.0);
    toy.below(1, &[0, 1, 2, 0, 1, 2]);
    toy.below(2, &[0, 0, 0, 1, 1, 1]);
    toy
}

#[test]
fn a_structured_row_names_exactly_what_lies_above_it() {
    let toy = crossed();
    let guide = guide(&toy, GuideFamily::Structured);
    let columns = |r: usize| {
        let mut columns = guide.pattern().columns(r).to_vec();
        columns.sort_unstable();
        columns
    };
    assert_eq!(columns(0), [0], "the top level");
    assert_eq!(columns(2), [0, 2], "student 2");
    // Items have two coordinates: 4 and 6 are the first item's.
    assert_eq!(columns(4), [0, 4]);
    assert_eq!(columns(6), [0, 4, 6], "dense within an element");
    assert_eq!(columns(7), [0, 5, 7]);
    // The fifth row lies in student 2 and item 2: conditional on both.
    assert_eq!(columns(12), [0, 2, 5, 7, 12]);
    assert_eq!(guide.factors()[3].given, [0, 1, 2]);
    assert_eq!(guide.factors()[3].params, 6 * (1 + 5));
}

#[test]
fn families_differ_in_their_patterns_alone() {
    let toy = crossed();
    let dim = toy.dim();
    assert_eq!(guide(&toy, GuideFamily::MeanField).params(), 2 * dim);
    assert_eq!(
        guide(&toy, GuideFamily::FullRank).params(),
        dim + dim * (dim + 1) / 2
    );
    assert_eq!(guide(&toy, GuideFamily::Point).params(), dim);
    for family in [
        GuideFamily::MeanField,
        GuideFamily::FullRank,
        GuideFamily::LowRank(3),
        GuideFamily::Laplace,
        GuideFamily::Structured,
    ] {
        let guide = guide(&toy, family);
        let params: usize = guide.factors().iter().map(|f| f.params).sum();
        assert_eq!(params, guide.params(), "{family:?}");
    }
}

#[test]
fn overrides_compose() {
    let mut toy = crossed();
    toy.rule(1, GuideFamily::MeanField);
    toy.rule(2, GuideFamily::Point);
    let guide = guide(&toy, GuideFamily::Structured);
    assert_eq!(
        guide.pattern().columns(1),
        [1],
        "students: independent of all"
    );
    assert!(!guide.pattern().spreads(4), "items: a point");
    assert_eq!(
        guide.pattern().columns(8),
        [0, 8],
        "rows: conditional on the structured top level alone"
    );
    assert_eq!(guide.factors()[3].given, [0]);
    let mut toy = crossed();
    toy.rule(0, GuideFamily::FullRank);
    toy.rule(1, GuideFamily::FullRank);
    let guide = super::tests::guide(&toy, GuideFamily::Structured);
    let mut columns = guide.pattern().columns(8).to_vec();
    columns.sort_unstable();
    assert_eq!(
        columns,
        [0, 1, 2, 3, 4, 6, 8],
        "below the dense block: conditional on all of it"
    );
}

#[test]
fn products_and_inverses_stay_in_the_pattern() {
    for toy in [crossed(), nested(), normal_plate(4, 9)] {
        for family in [GuideFamily::Structured, GuideFamily::FullRank] {
            let guide = guide(&toy, family);
            let pattern = guide.pattern();
            let (a, b) = (some(pattern, 0.1), some(pattern, 0.7));
            let product = multiply(&dense(pattern, &a), &dense(pattern, &b));
            same(&dense(pattern, &pattern.product(&a, &b)), &product);

            // Solving S' x = b.
            let mut x: Vec<f64> = (0..pattern.dim()).map(|r| (r as f64).sin()).collect();
            let right = x.clone();
            pattern.solve_transposed(&a, &mut x);
            let mut back = vec![0.0; x.len()];
            pattern.transpose_times(&a, &x, &mut back);
            same(&[back], &[right]);

            // The adjoint of the product: <G, a b> = <aᵀ G, b>.
            let g = some(pattern, 1.9);
            let left: f64 = g
                .iter()
                .zip(pattern.product(&a, &b))
                .map(|(g, p)| g * p)
                .sum();
            let adjoint = pattern.product_adjoint(&a, &g);
            let right: f64 = adjoint.iter().zip(&b).map(|(x, b)| x * b).sum();
            assert!((left - right).abs() < 1e-12, "{left} is not {right}");
        }
    }
}

#[test]
fn the_inverse_factor_is_exact_without_crossing() {
    for toy in [nested(), normal_plate(4, 9)] {
        let guide = guide(&toy, GuideFamily::Structured);
        let pattern = guide.pattern();
        // A precision of the pattern: B'B for B of the pattern.
        let b = dense(pattern, &some(pattern, 0.4));
        let precision = multiply(&transpose(&b), &b);
        let mut entries = vec![0.0; pattern.len()];
        for r in pattern.order() {
            for i in pattern.row(r) {
                entries[i] = precision[r][pattern.column(i)];
            }
        }
        let s = pattern.inverse_factor(&entries).expect("positive definite");
        let s = dense(pattern, &s);
        let covariance = multiply(&s, &transpose(&s));
        let unit = multiply(&covariance, &precision);
        let identity = dense(pattern, &pattern.identity());
        same(&unit, &identity);
        let mut negative = entries;
        negative[pattern.diagonal(0)] = -1.0;
        assert_eq!(pattern.inverse_factor(&negative), None);
    }
}

#[test]
fn paired_noise_has_exact_moments_along_every_row() {
    for toy in [nested(), normal_plate(6, 9)] {
        let guide = guide(&toy, GuideFamily::Structured);
        let pattern = guide.pattern();
        let noise = Noise::paired(&guide, 16, 7);
        assert_eq!(noise.count(), 32);
        for r in pattern.order() {
            let mean: f64 = noise.draws().map(|e| e[r]).sum::<f64>() / 32.0;
            assert!(mean.abs() < 1e-12, "mean {mean}");
            for c in pattern.columns(r) {
                let c = *c as usize;
                let moment = noise.draws().map(|e| e[r] * e[c]).sum::<f64>() / 32.0;
                let expected = f64::from(u8::from(r == c));
                assert!((moment - expected).abs() < 1e-12, "E e{r} e{c} = {moment}");
            }
        }
    }
}

#[test]
fn noise_is_normal_and_elements_have_their_own() {
    let toy = normal_plate(40, 40);
    let guide = guide(&toy, GuideFamily::Structured);
    let noise = Noise::scattered(guide.pattern(), 4000, 3);
    for (below, share) in [(-1.0, 0.158_655), (0.0, 0.5), (1.5, 0.933_193)] {
        let count = noise.draws().filter(|e| e[5] < below).count() as f64 / 4000.0;
        assert!((count - share).abs() < 0.01, "P(e < {below}) = {count}");
    }
    let mut worst = 0.0_f64;
    for a in 1..40 {
        for b in 1..a {
            let moment: f64 = noise.draws().map(|e| e[a] * e[b]).sum::<f64>() / 4000.0;
            worst = worst.max(moment.abs());
        }
    }
    assert!(worst < 0.08, "correlation {worst} between elements");
    assert_eq!(noise, Noise::scattered(guide.pattern(), 4000, 3));
    assert_ne!(noise, Noise::scattered(guide.pattern(), 4000, 4));
}

#[test]
fn entropies_add_up_to_the_log_density() {
    let toy = nested();
    for family in [
        GuideFamily::Structured,
        GuideFamily::FullRank,
        GuideFamily::LowRank(2),
        GuideFamily::MeanField,
    ] {
        let guide = guide(&toy, family);
        let params: Vec<f64> = (0..guide.params())
            .map(|i| 0.4 * (i as f64).sin())
            .collect();
        let q = guide.gaussian(&params);
        let back = guide.params_of(&q);
        assert!(params.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-14));
        // E[−log q] is exact on noise of unit variance.
        let noise = Noise::scattered(guide.pattern(), 500, 1);
        let mean = noise
            .draws()
            .map(|e| guide.log_density(&q, e, None))
            .sum::<f64>()
            / 500.0;
        let total = guide.total_entropy(&q);
        assert!(
            (total + mean).abs() < 1e-10,
            "{family:?}: {total} and {mean}"
        );
    }
}

#[test]
fn a_guide_that_is_too_large_is_a_problem() {
    let mut toy = Toy::default();
    toy.site(1, 20_000, 1, 0.0);
    let spec = GuideSpec {
        default: Some(GuideFamily::FullRank),
    };
    let problems = derive(&toy, &spec).expect_err("2e8 parameters");
    let message = &problems.sorted()[0].message;
    assert!(message.contains("200010000 parameters"), "{message}");
    assert!(derive(&toy, &GuideSpec::default()).is_ok());
}

#[test]
fn independent_noise_has_exact_moments_and_no_correlation() {
    let (dim, count) = (19, 400);
    let noise = Noise::independent(dim, count, 3);
    let columns: Vec<Vec<f64>> = (0..dim)
        .map(|r| noise.draws().map(|draw| draw[r]).collect())
        .collect();
    let mean =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / count as f64;
    let ones = vec![1.0; count];
    for (r, column) in columns.iter().enumerate() {
        assert!(mean(column, &ones).abs() < 1e-12);
        assert!((mean(column, column) - 1.0).abs() < 1e-12);
        for other in &columns[..r] {
            // Five standard errors.
            assert!(mean(column, other).abs() < 5.0 / (count as f64).sqrt());
        }
    }
    assert_eq!(
        Noise::independent(2, 1, 3).draws().next(),
        Some(&[0.0; 2][..])
    );
}

#[test]
fn a_low_rank_covariance_is_of_low_rank_beyond_its_diagonal() {
    let toy = crossed();
    let rank = 2;
    let guide = guide(&toy, GuideFamily::LowRank(rank));
    let dim = guide.dim();
    assert_eq!(guide.params(), 2 * dim + 1 + 2 * (dim - 2));
    let scale = dense(guide.pattern(), &some(guide.pattern(), 0.3));
    let covariance = multiply(&scale, &transpose(&scale));
    // Every minor of three rows and three other columns beyond the first two coordinates is 0.
    let minor = |r: usize, c: usize| {
        let x = |i: usize, j: usize| covariance[r + i][c + j];
        x(0, 0) * (x(1, 1) * x(2, 2) - x(1, 2) * x(2, 1))
            - x(0, 1) * (x(1, 0) * x(2, 2) - x(1, 2) * x(2, 0))
            + x(0, 2) * (x(1, 0) * x(2, 1) - x(1, 1) * x(2, 0))
    };
    assert!(dim >= 8, "{dim} coordinates");
    assert!(minor(2, 5).abs() < 1e-12, "{}", minor(2, 5));
    assert!(minor(2, 2).abs() > 1e-6, "{}", minor(2, 2));
}

#[test]
fn families_are_known_by_their_names() {
    for family in GuideFamily::ALL {
        assert_eq!(GuideFamily::parse(family.name()), Some(*family));
    }
    let low_rank = |k| Some(GuideFamily::LowRank(k));
    assert_eq!(GuideFamily::parse("low_rank(20)"), low_rank(20));
    for wrong in ["low_rank(0)", "low_rank(x)", "structured(2)", "other"] {
        assert_eq!(GuideFamily::parse(wrong), None, "{wrong}");
    }
}

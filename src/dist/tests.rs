//! Every distribution against other systems, differences, quadrature and its own draws.

use super::*;
use crate::num::Dual;
use crate::num::difference::agrees;
use crate::num::difference::difference;
use crate::num::rng::stream;
use crate::shape::PlateId;
use crate::tape::Tape;
use std::ops::Range;

type Numbers = &'static [&'static [f64]];

/// A function of a draw and the arguments, as a tape over all of their numbers.
struct Function {
    tape: Tape,
    /// The point of a case: the draw, then the arguments.
    at: Vec<f64>,
    /// Whether it may be differentiated by each number.
    continuous: Vec<bool>,
    /// Which numbers are probabilities that sum to 1 together.
    simplices: Vec<Range<usize>>,
}

impl Function {
    fn of(
        distribution: &'static dyn Distribution,
        case: &Case,
        make: impl Fn(&mut Builder, NodeId, &Applied<NodeId>) -> NodeId,
    ) -> Function {
        let mut builder = Builder::new();
        let mut at = case.x.to_vec();
        let mut continuous = vec![!is_discrete(distribution.support()); case.x.len()];
        let mut simplices = Vec::new();
        let x = builder.input(PlateId::TOP, case.x.len());
        let mut inputs = |distribution: &dyn Distribution, form: usize, args: Numbers| {
            let params = distribution.forms()[form].params.iter();
            let values = params.filter(|p| p.kind != ParamKind::Distribution);
            let mut nodes = Vec::new();
            for (arg, param) in args.iter().zip(values) {
                if param.kind == ParamKind::Free(FreeVector::Simplex) {
                    simplices.push(at.len()..at.len() + arg.len());
                }
                at.extend_from_slice(arg);
                let integer = param.kind == ParamKind::Scalar(Domain::Count);
                continuous.extend(arg.iter().map(|_| !integer));
                nodes.push(builder.input(PlateId::TOP, arg.len()));
            }
            nodes
        };
        let args = inputs(distribution, case.form, case.args);
        let inner = case.inner.map(|given| Applied {
            distribution: given.distribution,
            form: given.form,
            args: inputs(given.distribution, given.form, given.args),
            inner: Vec::new(),
        });
        let applied = Applied {
            distribution,
            form: case.form,
            args,
            inner: inner.into_iter().collect(),
        };
        let node = make(&mut builder, x, &applied);
        Function {
            tape: builder.tape(&[node], &[]),
            at,
            continuous,
            simplices,
        }
    }

    fn density(distribution: &'static dyn Distribution, case: &Case) -> Function {
        Function::of(distribution, case, |tape, x, applied| {
            applied.log_density(tape, x)
        })
    }

    fn value(&self, at: &[f64]) -> f64 {
        self.tape.value(at, &mut self.tape.workspace())
    }

    /// The value at this draw, with the case's arguments.
    fn at(&self, x: f64) -> f64 {
        let mut at = self.at.clone();
        at[0] = x;
        self.value(&at)
    }

    fn gradient(&self, at: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; at.len()];
        self.tape
            .gradient(at, &mut self.tape.workspace(), &mut gradient);
        gradient
    }

    /// The second derivatives by number `k` and each number.
    fn second(&self, at: &[f64], k: usize) -> Vec<f64> {
        let seed = |(j, &value): (usize, &f64)| Dual {
            value,
            tangent: f64::from(j == k),
        };
        let at: Vec<Dual> = at.iter().enumerate().map(seed).collect();
        let mut gradient = vec![Dual::default(); at.len()];
        self.tape
            .gradient(&at, &mut self.tape.workspace(), &mut gradient);
        gradient.iter().map(|d| d.tangent).collect()
    }
}

fn is_discrete(support: Support) -> bool {
    match support {
        Support::Binary | Support::Count | Support::CountUpTo { .. } | Support::Category => true,
        Support::Real
        | Support::Positive
        | Support::Unit
        | Support::Interval { .. }
        | Support::Simplex
        | Support::Ordered
        | Support::PositiveOrdered
        | Support::CholeskyCorrelation
        | Support::Correlation => false,
    }
}

fn cases() -> impl Iterator<Item = (&'static dyn Distribution, &'static Case)> {
    CATALOGUE
        .iter()
        .flat_map(|&d| d.cases().iter().map(move |case| (d, case)))
}

/// The first case of every form: an ordinary one.
fn ordinary() -> impl Iterator<Item = (&'static dyn Distribution, &'static Case)> {
    CATALOGUE.iter().flat_map(|&d| {
        (0..d.forms().len()).filter_map(move |form| {
            d.cases()
                .iter()
                .find(|case| case.form == form)
                .map(|case| (d, case))
        })
    })
}

fn name(distribution: &dyn Distribution, case: &Case) -> String {
    format!(
        "{}, form {}, {:?} given {:?}",
        distribution.name(),
        case.form,
        case.x,
        case.args
    )
}

fn all_hold(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_form_has_three_cases() {
    for d in CATALOGUE {
        for form in 0..d.forms().len() {
            let count = d.cases().iter().filter(|case| case.form == form).count();
            assert!(count >= 3, "{}, form {form}", d.name());
        }
        for case in d.cases() {
            let params = d.forms()[case.form].params.len();
            assert_eq!(
                case.args.len() + usize::from(case.inner.is_some()),
                params,
                "{}",
                d.name()
            );
        }
    }
}

#[test]
fn log_densities_are_those_of_other_systems() {
    let wrong = cases().filter_map(|(d, case)| {
        let function = Function::density(d, case);
        let (found, expected) = (function.value(&function.at), case.log_density);
        let error = (found - expected).abs() / expected.abs().max(1.0);
        (found != expected && (error.is_nan() || error > 4e-12))
            .then(|| format!("{}: {found}, by {} {expected}", name(d, case), case.source))
    });
    all_hold(wrong.collect());
}

#[test]
fn gradients_are_differences_of_densities() {
    let mut wrong = Vec::new();
    for (d, case) in cases().filter(|(_, case)| case.log_density.is_finite()) {
        let function = Function::density(d, case);
        let gradient = function.gradient(&function.at);
        for (k, &found) in gradient
            .iter()
            .enumerate()
            .filter(|(k, _)| function.continuous[*k])
        {
            let expected = difference(&|at| function.value(at), &function.at, k);
            if expected.is_some_and(|expected| !agrees(found, expected, 1e-6)) {
                wrong.push(format!(
                    "{}, number {k}: {found:e}, difference {expected:?}",
                    name(d, case)
                ));
            }
        }
    }
    all_hold(wrong);
}

#[test]
fn second_derivatives_are_differences_of_gradients() {
    let mut wrong = Vec::new();
    for (d, case) in cases().filter(|(_, case)| case.log_density.is_finite()) {
        let function = Function::density(d, case);
        for k in (0..function.at.len()).filter(|&k| function.continuous[k]) {
            for (j, found) in function.second(&function.at, k).into_iter().enumerate() {
                let expected = difference(&|at| function.gradient(at)[j], &function.at, k);
                if expected.is_some_and(|expected| !agrees(found, expected, 1e-5)) {
                    wrong.push(format!(
                        "{}, numbers {k}, {j}: {found:e}, difference {expected:?}",
                        name(d, case)
                    ));
                }
            }
        }
    }
    all_hold(wrong);
}

#[test]
fn lanes_are_densities_of_their_own() {
    for (d, case) in ordinary().filter(|(d, _)| d.event() == EventKind::Scalar) {
        let function = Function::density(d, case);
        let draws = [
            case.x[0],
            d.sample(case.form, case.args, &[], 1, &mut stream(3))[0],
        ];
        let mut builder = Builder::new();
        let x = builder.input(PlateId::TOP, 2);
        let args: Vec<NodeId> = case.args.iter().map(|a| builder.constant(a)).collect();
        let density = d.log_density(&mut builder, case.form, x, &args, &[]);
        assert_eq!(builder.width(density), 2, "{}", d.name());
        let tape = builder.tape(&[], &[density]);
        let mut workspace = tape.workspace::<f64>();
        tape.value(&draws, &mut workspace);
        let alone = draws.map(|x| function.at(x));
        assert!(
            workspace
                .output(0)
                .iter()
                .zip(alone)
                .all(|(a, b)| *a == b || a.is_nan() && b.is_nan()),
            "{}",
            name(d, case)
        );
    }
}

#[test]
fn outside_the_support_the_log_density_is_minus_infinity() {
    for (d, case) in ordinary() {
        let outside: &[f64] = match d.support() {
            Support::Positive => &[-1.0, -1e-300],
            Support::Unit => &[-0.1, 1.1],
            Support::Interval { .. } => &[-1e9, 1e9],
            Support::Binary => &[-1.0, 0.5, 2.0],
            Support::Count => &[-1.0, 0.5],
            Support::CountUpTo { .. } => &[-1.0, 0.5, 1e9],
            Support::Real
            | Support::Category
            | Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation => &[],
        };
        let function = Function::density(d, case);
        for &x in outside {
            assert_eq!(
                function.at(x),
                f64::NEG_INFINITY,
                "{} at {x}",
                name(d, case)
            );
        }
    }
}

/// The distribution function at increasing places, by adding up the density; `None` for what is improper or no number.
fn summed(d: &'static dyn Distribution, case: &Case) -> Option<Vec<(f64, f64)>> {
    let improper = || d.sample(case.form, case.args, &[], 1, &mut stream(1))[0].is_nan();
    if d.event() != EventKind::Scalar || improper() {
        return None;
    }
    let function = Function::density(d, case);
    // Double exponential quadrature: x = map(t), each step an equal one in t.
    let quadrature = |map: &dyn Fn(f64) -> (f64, f64)| {
        let (step, mut sum) = (1.0 / 512.0, 0.0);
        let parts = (-2100..=2100).map(|j| {
            let (x, slope) = map(f64::from(j) * step);
            let mass = step * slope * function.at(x).exp();
            sum += if mass.is_finite() { mass } else { 0.0 };
            (map((f64::from(j) + 0.5) * step).0, sum)
        });
        parts.collect::<Vec<_>>()
    };
    let half_pi = std::f64::consts::FRAC_PI_2;
    let interval = |low: f64, high: f64| {
        quadrature(&|t| {
            let (u, slope) = (half_pi * t.sinh(), half_pi * t.cosh());
            let share = 1.0 / (1.0 + (-2.0 * u).exp());
            let width = high - low;
            (
                low + width * share,
                2.0 * width * slope * share * (1.0 / (1.0 + (2.0 * u).exp())),
            )
        })
    };
    let discrete = |values: std::ops::RangeInclusive<u32>| {
        let mut sum = 0.0;
        let parts = values.map(|k| {
            sum += function.at(f64::from(k)).exp();
            (f64::from(k), sum)
        });
        parts.collect::<Vec<_>>()
    };
    Some(match d.support() {
        Support::Real => quadrature(&|t| {
            let u = half_pi * t.sinh();
            (u.sinh(), half_pi * t.cosh() * u.cosh())
        }),
        Support::Positive => quadrature(&|t| {
            let x = (half_pi * t.sinh()).exp();
            (x, x * half_pi * t.cosh())
        }),
        Support::Unit => interval(0.0, 1.0),
        Support::Interval { lower, upper } => interval(case.args[lower][0], case.args[upper][0]),
        Support::Binary => discrete(0..=1),
        Support::Count => discrete(0..=2000),
        Support::CountUpTo { bound } => discrete(0..=case.args[bound][0] as u32),
        Support::Category => {
            let kinds = d.forms()[case.form].params.iter().zip(case.args);
            let sizes = kinds.filter_map(|(param, arg)| match param.kind {
                ParamKind::Free(FreeVector::Ordered) => Some(arg.len() as u32 + 1),
                ParamKind::Free(FreeVector::Simplex | FreeVector::Real) => Some(arg.len() as u32),
                ParamKind::Scalar(_)
                | ParamKind::Vector(_)
                | ParamKind::Covariance
                | ParamKind::Cholesky
                | ParamKind::Distribution => None,
            });
            discrete(
                1..=sizes
                    .max()
                    .expect("one parameter has a component for each category"),
            )
        }
        Support::Simplex
        | Support::Ordered
        | Support::PositiveOrdered
        | Support::CholeskyCorrelation
        | Support::Correlation => unreachable!("scalar distributions have scalar supports"),
    })
}

#[test]
fn densities_add_up_to_one() {
    // What the quadrature leaves at a kink of the density.
    let tolerance = 1e-5;
    let wrong = ordinary().filter_map(|(d, case)| {
        let total = summed(d, case)?.last()?.1;
        ((total - 1.0).abs() > tolerance).then(|| format!("{}: {total}", name(d, case)))
    });
    all_hold(wrong.collect());
}

#[test]
fn draws_of_one_number_follow_the_density() {
    const DRAWS: usize = 20_000;
    let wrong = ordinary().filter_map(|(d, case)| {
        let shares = summed(d, case)?;
        let mut rng = stream(11);
        let mut draws: Vec<f64> = (0..DRAWS)
            .flat_map(|_| d.sample(case.form, case.args, &[], 1, &mut rng))
            .collect();
        draws.sort_by(f64::total_cmp);
        let farthest = shares
            .into_iter()
            .map(|(x, share)| {
                let below = draws.partition_point(|&draw| draw <= x);
                (below as f64 / DRAWS as f64 - share).abs()
            })
            .fold(0.0, f64::max);
        // Kolmogorov's statistic passes 1.95 once in a thousand.
        (farthest > 1.95 / (DRAWS as f64).sqrt()).then(|| format!("{}: {farthest}", name(d, case)))
    });
    all_hold(wrong.collect());
}

/// Means and variances in closed form are those of draws.
#[test]
fn moments_are_those_of_draws() {
    const DRAWS: usize = 20_000;
    let mut wrong = Vec::new();
    let mut families: Vec<&str> = Vec::new();
    for (d, case) in ordinary().filter(|(d, _)| d.event() == EventKind::Scalar) {
        let Some((mean, variance)) = d.moments(case.form, case.args) else {
            continue;
        };
        let mut rng = stream(7);
        let draws: Vec<f64> = (0..DRAWS)
            .flat_map(|_| d.sample(case.form, case.args, &[], 1, &mut rng))
            .collect();
        let n = DRAWS as f64;
        let average = |f: &dyn Fn(f64) -> f64| draws.iter().map(|x| f(*x)).sum::<f64>() / n;
        let seen = average(&|x| x);
        let square = average(&|x| (x - mean).powi(2));
        let fourth = average(&|x| (x - mean).powi(4));
        let error = ((fourth - square * square).max(0.0) / n).sqrt();
        let off = (seen - mean).abs() > 5.0 * (variance / n).sqrt() + 1e-12 * mean.abs();
        // Tails so long that draws do not tell the variance are left out.
        let told = error < 0.2 * square;
        if off || (told && (square - variance).abs() > 6.0 * error + 1e-12 * variance) {
            wrong.push(format!(
                "{}: {seen} for {mean}, {square} for {variance}",
                name(d, case)
            ));
        }
        families.push(d.name());
    }
    all_hold(wrong);
    families.dedup();
    assert!(families.len() >= 9, "of {families:?} alone");
}

/// The derivative of the log density by an argument has mean 0 over draws, if the support does not depend on the argument.
#[test]
fn scores_have_mean_zero_over_draws() {
    const DRAWS: usize = 4_000;
    let mut wrong = Vec::new();
    for (d, case) in ordinary() {
        let depends = matches!(d.support(), Support::Interval { .. });
        let inner: Vec<Applied<&[f64]>> = case
            .inner
            .iter()
            .map(|given| Applied {
                distribution: given.distribution,
                form: given.form,
                args: given.args.to_vec(),
                inner: Vec::new(),
            })
            .collect();
        let size = match d.event() {
            EventKind::Scalar | EventKind::Vector => case.x.len(),
            EventKind::Square => case.x.len().isqrt(),
        };
        let mut rng = stream(5);
        let mut draw = || d.sample(case.form, case.args, &inner, size, &mut rng);
        if depends || draw()[0].is_nan() {
            continue;
        }
        let function = Function::density(d, case);
        let numbers = function.at.len();
        let (mut sums, mut squares) = (vec![0.0; numbers], vec![0.0; numbers]);
        for _ in 0..DRAWS {
            let mut at = draw();
            at.extend_from_slice(&function.at[case.x.len()..]);
            assert!(
                function.value(&at).is_finite(),
                "{}: a draw in the support",
                name(d, case)
            );
            let mut scores = function.gradient(&at);
            for simplex in &function.simplices {
                // Only what leaves the sum at 1 is a change of the argument.
                let scores = &mut scores[simplex.clone()];
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                scores.iter_mut().for_each(|score| *score -= mean);
            }
            for (k, score) in scores.into_iter().enumerate() {
                sums[k] += score;
                squares[k] += score * score;
            }
        }
        for k in (case.x.len()..numbers).filter(|&k| function.continuous[k]) {
            let z = sums[k] / squares[k].sqrt();
            if squares[k] != 0.0 && (z.is_nan() || z.abs() > 4.0) {
                wrong.push(format!(
                    "{}, number {k}: {z} standard errors",
                    name(d, case)
                ));
            }
        }
    }
    all_hold(wrong);
}

#[test]
fn distribution_functions_are_integrals_of_densities() {
    for (d, case) in cases().filter(|(_, case)| case.log_density.is_finite()) {
        let mut scratch = Builder::new();
        let nodes: Vec<NodeId> = case.args.iter().map(|a| scratch.constant(a)).collect();
        let x = scratch.constant(case.x);
        let below = d.log_cdf(&mut scratch, case.form, x, &nodes).is_some();
        let above = d.log_ccdf(&mut scratch, case.form, x, &nodes).is_some();
        assert_eq!(below, above, "{} has both or none", d.name());
        if !below {
            continue;
        }
        let cdf = Function::of(d, case, |tape, x, applied| {
            d.log_cdf(tape, case.form, x, &applied.args)
                .expect("there was one")
        });
        let ccdf = Function::of(d, case, |tape, x, applied| {
            d.log_ccdf(tape, case.form, x, &applied.args)
                .expect("there was one")
        });
        let (below, above) = (cdf.value(&cdf.at), ccdf.value(&cdf.at));
        assert!(
            (below.exp() + above.exp() - 1.0).abs() < 1e-12,
            "{}",
            name(d, case)
        );
        assert!(
            cdf.at(-f64::MAX) < -600.0,
            "{} to the far left",
            name(d, case)
        );
        assert!(
            ccdf.at(f64::MAX) < -600.0,
            "{} to the far right",
            name(d, case)
        );
        assert!(ccdf.at(-f64::MAX).abs() < 1e-200 && cdf.at(f64::MAX).abs() < 1e-200);
        if below == 0.0 || above == 0.0 {
            // At the edge of the support, or beyond what a number near 1 can show.
            continue;
        }
        let found = [cdf.gradient(&cdf.at)[0], ccdf.gradient(&cdf.at)[0]];
        let expected = [
            (case.log_density - below).exp(),
            -(case.log_density - above).exp(),
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-7 * expected.abs(),
                "{}: {found} instead of {expected}",
                name(d, case)
            );
        }
        for function in [&cdf, &ccdf] {
            for (k, found) in function
                .gradient(&function.at)
                .into_iter()
                .enumerate()
                .skip(1)
            {
                let expected = difference(&|at| function.value(at), &function.at, k);
                assert!(
                    expected.is_none_or(|expected| agrees(found, expected, 1e-6)),
                    "{}, number {k}: {found} instead of {expected:?}",
                    name(d, case)
                );
            }
        }
    }
}

#[test]
fn names_are_unique_and_documented() {
    for (k, d) in CATALOGUE.iter().enumerate() {
        assert!(CATALOGUE[..k].iter().all(|other| other.name() != d.name()));
        assert!(named(d.name()).is_some_and(|found| found.name() == d.name()));
        assert!(d.doc().ends_with('.'), "{}", d.name());
    }
}

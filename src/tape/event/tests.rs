//! Every operation against closed forms, its adjoint against differences and dual numbers.

use super::*;
use crate::num::Dual;
use std::f64::consts::LN_2;

/// An operation with the arguments of one lane; `fixed` arguments have no adjoint.
struct Claim {
    op: EventOp,
    args: Vec<Vec<f64>>,
    fixed: Option<usize>,
}

fn claim(op: EventOp, args: &[&[f64]]) -> Claim {
    Claim {
        op,
        args: args.iter().map(|a| a.to_vec()).collect(),
        fixed: None,
    }
}

/// Ordinary and awkward arguments for every operation, none at a kink.
fn claims() -> Vec<Claim> {
    let spd = [4.0, 9.0, 9.0, 1.2, 3.0, 9.0, -0.6, 0.4, 2.0];
    let close = [1.0, 0.0, 0.999_999, 1.0];
    let lower = [1.5, 9.0, 9.0, -0.7, 0.8, 9.0, 0.2, 1.1, 2.5];
    let general = [0.0, 2.0, -1.0, 1.0, 0.5, 3.0, 4.0, -2.0, 0.3];
    let right = [0.3, -1.2, 2.0, 0.7, 1.5, -0.4];
    let (n, columns) = (3, 2);
    let at = |width, index: f64| Claim {
        fixed: Some(1),
        ..claim(EventOp::PickAt { width }, &[&right, &[index]])
    };
    let residuals = |rows, size, args| Claim {
        fixed: Some(0),
        ..claim(EventOp::SquaredResiduals { rows, size }, args)
    };
    vec![
        claim(EventOp::Stack, &[&[1.0, 2.0], &[3.0], &[4.0, 5.0, 6.0]]),
        claim(
            EventOp::Pick([2, EventOp::ZERO, 0, 2].into()),
            &[&[1.0, 2.0, 3.0]],
        ),
        at(1, 6.0),
        at(2, 2.0),
        at(3, 1.0),
        claim(EventOp::Sum, &[&right]),
        claim(EventOp::Sum, &[&[]]),
        claim(EventOp::Min, &[&right]),
        claim(EventOp::Max, &[&right]),
        claim(EventOp::LogSumExp, &[&right]),
        claim(EventOp::LogSumExp, &[&[-1000.0, -1001.0, -1800.0]]),
        claim(EventOp::LogSumExp, &[&[900.0, 0.3]]),
        claim(EventOp::CumulativeSum, &[&[0.0, 1.0, 0.0, 2.0]]),
        claim(EventOp::Dot, &[&right, &[1.0, 0.0, 3.0, -2.0, 0.5, 1e3]]),
        residuals(
            3,
            3,
            &[&[1.5, -0.7, 0.8, 0.0, 1.1, 2.5], &[0.7], &[0.3, -1.2]],
        ),
        residuals(
            2,
            3,
            &[&[1.5, -0.7, 0.8, 0.6, 1.1], &[-2.0], &[0.3], &[-1.2]],
        ),
        residuals(1, 1, &[&[3.0], &[1.5]]),
        claim(
            EventOp::Product {
                rows: 2,
                inner: 3,
                columns: 1,
            },
            &[&right, &[1.0, 0.0, -2.0]],
        ),
        claim(
            EventOp::Product {
                rows: 3,
                inner: 2,
                columns: 3,
            },
            &[&right, &right],
        ),
        claim(EventOp::Cholesky(1), &[&[2.0]]),
        claim(EventOp::Cholesky(3), &[&spd]),
        claim(EventOp::Cholesky(2), &[&close]),
        claim(EventOp::SolveLower { n, columns }, &[&lower, &right]),
        claim(
            EventOp::SolveLowerTransposed { n, columns },
            &[&lower, &right],
        ),
        claim(EventOp::Solve { n, columns }, &[&general, &right]),
        claim(EventOp::LogDet(3), &[&general]),
        claim(EventOp::LogDet(2), &[&close]),
    ]
}

/// Lanes that differ: lane 1 has the claim's numbers, the others are near.
const N: usize = 3;

impl Claim {
    fn lanes(&self) -> Vec<Vec<f64>> {
        let near = |(k, &a): (usize, &f64)| [a * 1.01, a, a + 1e-3 * (k % 2) as f64];
        let lanes = |(place, arg): (usize, &Vec<f64>)| -> Vec<f64> {
            match self.fixed {
                Some(fixed) if fixed == place => arg.iter().flat_map(|a| [*a; N]).collect(),
                _ => arg.iter().enumerate().flat_map(near).collect(),
            }
        };
        self.args.iter().enumerate().map(lanes).collect()
    }
}

fn duals(values: &[f64], direction: Option<usize>) -> Vec<Dual> {
    let dual = |(place, &value): (usize, &f64)| Dual {
        value,
        tangent: f64::from(Some(place) == direction),
    };
    values.iter().enumerate().map(dual).collect()
}

fn forward<T: Scalar>(op: &EventOp, args: &[Vec<T>], n: usize) -> Vec<T> {
    let widths: Vec<usize> = args.iter().map(|a| a.len() / n).collect();
    let slices: Vec<&[T]> = args.iter().map(Vec::as_slice).collect();
    let mut out = vec![T::of(77.0); op.width(&widths) * n];
    op.forward(&slices, n, &mut out, &mut vec![T::of(5.0); 3]);
    out
}

fn backward<T: Scalar>(op: &EventOp, args: &[Vec<T>], y_bar: &[T], n: usize) -> Vec<Vec<T>> {
    let y = forward(op, args, n);
    let slices: Vec<&[T]> = args.iter().map(Vec::as_slice).collect();
    let mut out: Vec<Vec<T>> = args.iter().map(|a| vec![T::zero(); a.len()]).collect();
    let mut bars: Vec<&mut [T]> = out.iter_mut().map(Vec::as_mut_slice).collect();
    op.backward(&slices, &y, y_bar, n, &mut bars, &mut vec![T::of(5.0); 3]);
    out
}

/// An adjoint without symmetry.
fn adjoint(len: usize) -> Vec<f64> {
    (0..len).map(|k| 1.0 - 0.37 * k as f64).collect()
}

/// The central difference of `f` at `args[a][k]`.
fn difference<F: Fn(&[Vec<f64>]) -> f64>(f: F, args: &[Vec<f64>], a: usize, k: usize) -> f64 {
    let central = |h: f64| {
        let mut moved = args.to_vec();
        moved[a][k] += h;
        let above = f(&moved);
        moved[a][k] = args[a][k] - h;
        (above - f(&moved)) / (2.0 * h)
    };
    // Close to singularity the third derivatives are huge: short steps, extrapolated.
    let (wide, narrow) = (central(2e-8), central(1e-8));
    let near = (4.0 * narrow - wide) / 3.0;
    let far = (4.0 * central(1e-4) - central(2e-4)) / 3.0;
    if (far - near).abs() < 1e-4 * (1.0 + near.abs()) {
        far
    } else {
        near
    }
}

#[test]
fn adjoints_are_derivatives_and_their_tangents_second_derivatives() {
    for claim in claims() {
        let args = claim.lanes();
        let Claim { op, fixed, .. } = claim;
        let y_bar = adjoint(forward(&op, &args, N).len());
        let weighted = |args: &[Vec<f64>]| -> f64 {
            let y = forward(&op, args, N);
            y.iter().zip(&y_bar).map(|(y, w)| y * w).sum()
        };
        let bars = backward(&op, &args, &y_bar, N);
        let size = |v: &Vec<Vec<f64>>| v.iter().flatten().fold(1.0, |m: f64, x| m.max(x.abs()));
        let largest = size(&bars);
        for (a, bar) in bars.iter().enumerate() {
            for (k, &bar) in bar.iter().enumerate() {
                if fixed == Some(a) {
                    assert_eq!(bar, 0.0, "{op:?}: an index has no adjoint");
                    continue;
                }
                let expected = difference(weighted, &args, a, k);
                assert!(
                    (bar - expected).abs() <= 1e-4 * largest,
                    "{op:?}, argument {a}, place {k}: {} instead of {expected}",
                    bar
                );
                let along: Vec<Vec<Dual>> = args
                    .iter()
                    .enumerate()
                    .map(|(b, arg)| duals(arg, (a == b).then_some(k)))
                    .collect();
                let tangents: Vec<Vec<f64>> = backward(&op, &along, &duals(&y_bar, None), N)
                    .iter()
                    .map(|bar| bar.iter().map(|d| d.tangent).collect())
                    .collect();
                let largest = size(&tangents);
                for (b, bar) in tangents.iter().enumerate() {
                    for (j, &tangent) in bar.iter().enumerate() {
                        let partial = |args: &[Vec<f64>]| backward(&op, args, &y_bar, N)[b][j];
                        let expected = difference(partial, &args, a, k);
                        assert!(
                            (tangent - expected).abs() <= 1e-3 * largest,
                            "{op:?}, second derivative {a}:{k}, {b}:{j}: {tangent} instead of {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn lanes_do_not_mix() {
    for claim in claims() {
        let together = forward(&claim.op, &claim.lanes(), N);
        let alone = forward(&claim.op, &claim.args, 1);
        let lane: Vec<f64> = together.iter().copied().skip(1).step_by(N).collect();
        assert_eq!(lane, alone, "{:?}", claim.op);
    }
}

#[test]
fn a_lane_without_adjoint_adds_nothing() {
    for Claim { op, args, fixed } in claims() {
        let spoilt: Vec<Vec<f64>> = (args.iter().enumerate())
            .map(|(k, arg)| match fixed == Some(k) {
                true => arg.clone(),
                false => vec![f64::NAN; arg.len()],
            })
            .collect();
        let none = vec![0.0; forward(&op, &args, 1).len()];
        for bar in backward(&op, &spoilt, &none, 1) {
            assert!(bar.iter().all(|&b| b == 0.0), "{op:?}");
        }
    }
}

#[test]
fn adjoints_are_added() {
    let (a, b) = ([2.0, 3.0], [5.0, 7.0]);
    let (mut a_bar, mut b_bar) = ([100.0; 2], [200.0; 2]);
    EventOp::Dot.backward(
        &[&a, &b],
        &[31.0],
        &[1.0],
        1,
        &mut [&mut a_bar, &mut b_bar],
        &mut Vec::new(),
    );
    assert_eq!((a_bar, b_bar), ([105.0, 107.0], [202.0, 203.0]));
}

fn one(op: EventOp, args: &[&[f64]]) -> Vec<f64> {
    forward(&op, &args.iter().map(|a| a.to_vec()).collect::<Vec<_>>(), 1)
}

#[test]
fn numbers_are_moved() {
    let v = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    assert_eq!(one(EventOp::Stack, &[&v[..2], &v[5..]]), [1.0, 2.0, 6.0]);
    assert_eq!(
        one(EventOp::Pick([4, EventOp::ZERO].into()), &[&v]),
        [5.0, 0.0]
    );
    assert_eq!(one(EventOp::PickAt { width: 2 }, &[&v, &[3.0]]), [5.0, 6.0]);
    for index in [0.0, 1.5, 4.0, -1.0, f64::NAN, f64::INFINITY] {
        let picked = one(EventOp::PickAt { width: 2 }, &[&v, &[index]]);
        assert!(picked.iter().all(|p| p.is_nan()), "{index}");
    }
}

#[test]
fn sums_and_extremes() {
    let v = [3.0, -1.0, 3.0, -1.0];
    assert_eq!(one(EventOp::Sum, &[&v]), [4.0]);
    assert_eq!(one(EventOp::Min, &[&v]), [-1.0]);
    assert_eq!(one(EventOp::Max, &[&v]), [3.0]);
    assert_eq!(one(EventOp::CumulativeSum, &[&v]), [3.0, 2.0, 5.0, 4.0]);
    assert_eq!(one(EventOp::Dot, &[&v, &[1.0, 2.0, 0.0, -1.0]]), [2.0]);
    // (2·5 + 3·7 − 1)² + (4·7 − 6)² + 8²
    let squares = one(
        EventOp::SquaredResiduals { rows: 3, size: 3 },
        &[&[2.0, 3.0, 1.0, 4.0, 6.0, 8.0], &[1.0], &[5.0, 7.0]],
    );
    assert_eq!(squares, [900.0 + 484.0 + 64.0]);
    let first = one(
        EventOp::SquaredResiduals { rows: 1, size: 3 },
        &[&[2.0, 3.0, 1.0], &[0.5], &[5.0], &[7.0]],
    );
    assert_eq!(first, [450.0]);
    assert!(one(EventOp::Max, &[&[1.0, f64::NAN, 2.0]])[0].is_nan());
    let args = [v.to_vec()];
    assert_eq!(
        backward(&EventOp::Max, &args, &[1.0], 1)[0],
        [1.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(
        backward(&EventOp::Min, &args, &[1.0], 1)[0],
        [0.0, 1.0, 0.0, 0.0]
    );
}

#[test]
fn log_sum_exp_at_infinity() {
    const INF: f64 = f64::INFINITY;
    let op = EventOp::LogSumExp;
    assert_eq!(one(op.clone(), &[&[-INF, -INF]]), [-INF]);
    assert_eq!(one(op.clone(), &[&[1.0, INF]]), [INF]);
    assert_eq!(one(op.clone(), &[&[-INF, 2.0]]), [2.0]);
    assert!((one(op.clone(), &[&[1000.0, 1000.0]])[0] - 1000.0 - LN_2).abs() < 1e-12);
    assert!(one(op.clone(), &[&[f64::NAN, 1.0]])[0].is_nan());
    assert_eq!(backward(&op, &[vec![-INF, 2.0]], &[1.0], 1)[0], [0.0, 1.0]);
    assert_eq!(backward(&op, &[vec![-INF, -INF]], &[1.0], 1)[0], [0.0, 0.0]);
}

#[test]
fn factors_and_solutions_multiply_back() {
    let spd = [4.0, 1.2, -0.6, 1.2, 3.0, 0.4, -0.6, 0.4, 2.0];
    let l = one(EventOp::Cholesky(3), &[&spd]);
    assert_eq!([l[1], l[2], l[5]], [0.0; 3], "zeros above the diagonal");
    let transposed = one(EventOp::Pick([0, 3, 6, 1, 4, 7, 2, 5, 8].into()), &[&l]);
    let square = EventOp::Product {
        rows: 3,
        inner: 3,
        columns: 3,
    };
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-13);
    assert!(close(&one(square.clone(), &[&l, &transposed]), &spd));
    let b = [1.0, 2.0, 3.0, -4.0, 0.5, 0.0];
    let times = EventOp::Product {
        rows: 3,
        inner: 3,
        columns: 2,
    };
    let (n, columns) = (3, 2);
    for (op, matrix, factor) in [
        (EventOp::SolveLower { n, columns }, &l[..], &l[..]),
        (
            EventOp::SolveLowerTransposed { n, columns },
            &l,
            &transposed,
        ),
        (EventOp::Solve { n, columns }, &spd, &spd),
    ] {
        let x = one(op.clone(), &[matrix, &b]);
        assert!(close(&one(times.clone(), &[factor, &x]), &b), "{op:?}");
    }
    let by_factor = 2.0 * (l[0].ln() + l[4].ln() + l[8].ln());
    assert!((one(EventOp::LogDet(3), &[&spd])[0] - by_factor).abs() < 1e-14);
}

#[test]
fn what_has_no_factor_is_nan_and_no_determinant_minus_infinity() {
    for matrix in [
        [1.0, 2.0, 2.0, 1.0],
        [1.0, 1.0, 1.0, 1.0],
        [-1.0, 0.0, 0.0, 1.0],
    ] {
        assert!(one(EventOp::Cholesky(2), &[&matrix])[3].is_nan());
    }
    assert_eq!(
        one(EventOp::LogDet(2), &[&[1.0, 2.0, 2.0, 4.0]]),
        [f64::NEG_INFINITY]
    );
    assert!((one(EventOp::LogDet(2), &[&[0.0, -2.0, 3.0, 0.0]])[0] - 6.0_f64.ln()).abs() < 1e-15);
}

//! Every row against differences: partials, second derivatives, domains.

use super::*;
use crate::dist;
use crate::num::difference::agrees;
use crate::num::difference::difference;
use std::cell::Cell;
use std::collections::HashSet;

/// Every row: of the language and of the densities.
fn rows() -> impl Iterator<Item = &'static Elementwise> {
    catalogue().chain(
        dist::CATALOGUE
            .iter()
            .flat_map(|d| d.rows().iter().copied()),
    )
}

fn value(row: &Elementwise, at: &[f64]) -> f64 {
    let lanes: Vec<_> = at.iter().map(|&a| Lanes::Same(a)).collect();
    let mut y = [0.0];
    (row.plain.forward)(&lanes, &mut y);
    y[0]
}

fn partials(row: &Elementwise, at: &[f64]) -> Vec<f64> {
    let lanes: Vec<_> = at.iter().map(|&a| Lanes::Same(a)).collect();
    let mut out = vec![0.0; at.len()];
    (row.plain.backward)(&lanes, &[value(row, at)], &[1.0], &mut out);
    out
}

/// The value along argument `k` over dual numbers: its tangent, and the tangents of the partials.
fn along(row: &Elementwise, at: &[f64], k: usize) -> (f64, Vec<f64>) {
    let seed = |(j, &value): (usize, &f64)| {
        Lanes::Same(Dual {
            value,
            tangent: f64::from(j == k),
        })
    };
    let lanes: Vec<_> = at.iter().enumerate().map(seed).collect();
    let mut y = [Dual::default()];
    (row.dual.forward)(&lanes, &mut y);
    let mut out = vec![Dual::default(); at.len()];
    (row.dual.backward)(&lanes, &y, &[Dual::of(1.0)], &mut out);
    (y[0].tangent, out.iter().map(|d| d.tangent).collect())
}

fn continuous(row: &Elementwise, k: usize) -> bool {
    match row.domain[k] {
        Domain::Real
        | Domain::Positive
        | Domain::NonNegative
        | Domain::Unit
        | Domain::NonPositive
        | Domain::SignedUnit => true,
        Domain::Count | Domain::Binary | Domain::Index => false,
    }
}

fn check(claim: impl Fn(&Elementwise, &[f64], usize) -> Option<String>) {
    let wrong: Vec<String> = rows()
        .flat_map(|row| row.probes.iter().map(move |&at| (row, at)))
        .flat_map(|(row, at)| (0..at.len()).map(move |k| (row, at, k)))
        .filter_map(|(row, at, k)| {
            claim(row, at, k).map(|what| format!("{}{at:?}, argument {k}: {what}", row.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_unique() {
    let mut seen = HashSet::new();
    assert!(rows().all(|row| seen.insert(row.name)));
}

#[test]
fn values_are_those_of_another_system() {
    let mut wrong = Vec::new();
    for row in rows() {
        for (&at, &expected) in row.probes.iter().zip(row.expected) {
            let found = value(row, at);
            let error = (found - expected).abs() / (expected.abs() * f64::EPSILON);
            let close = found == expected || error <= 16.0;
            let unknown = expected.is_nan() && !row.callable;
            if !close && !unknown {
                wrong.push(format!(
                    "{}{at:?} = {found:e}, not {expected:e}: {error:.0} ulps",
                    row.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn partials_are_derivatives() {
    let (all, sharp) = (Cell::new(0), Cell::new(0));
    check(|row, at, k| {
        let found = partials(row, at)[k];
        if !continuous(row, k) {
            return (found != 0.0).then(|| format!("partial {found:e} by an integer"));
        }
        all.set(all.get() + 1);
        let expected = difference(&|at| value(row, at), at, k)?;
        if expected.1 <= 1e-6 * expected.0.abs() || found == 0.0 {
            sharp.set(sharp.get() + 1);
        }
        (!agrees(found, expected, 1e-7))
            .then(|| format!("partial {found:e}, difference {expected:?}"))
    });
    assert!(
        10 * sharp.get() > 9 * all.get(),
        "differences tell enough: {} of {}",
        sharp.get(),
        all.get()
    );
}

#[test]
fn tangents_are_partials() {
    check(|row, at, k| {
        if !continuous(row, k) {
            return None;
        }
        let (tangent, partial) = (along(row, at, k).0, partials(row, at)[k]);
        let close = (tangent - partial).abs() <= 1e-7 * partial.abs();
        (tangent != partial && !close && !partial.is_nan())
            .then(|| format!("tangent {tangent:e}, partial {partial:e}"))
    });
}

#[test]
fn tangents_of_partials_are_second_derivatives() {
    check(|row, at, k| {
        if !continuous(row, k) {
            return None;
        }
        let seconds = along(row, at, k).1;
        seconds.into_iter().enumerate().find_map(|(j, found)| {
            let expected = difference(&|at| partials(row, at)[j], at, k)?;
            (!agrees(found, expected, 1e-6))
                .then(|| format!("second partial {j} {found:e}, difference {expected:?}"))
        })
    });
}

#[test]
fn values_lie_in_their_range() {
    check(|row, at, _| {
        let y = value(row, at);
        (!row.range.holds(y)).then(|| format!("{y:e} is not {:?}", row.range))
    });
}

#[test]
fn a_lane_without_adjoint_adds_nothing() {
    for row in rows() {
        let lanes: Vec<_> = row.args.iter().map(|_| Lanes::Same(f64::NAN)).collect();
        let mut out = vec![1.0; row.args.len()];
        (row.plain.backward)(&lanes, &[f64::NAN], &[0.0], &mut out);
        assert!(out.iter().all(|&v| v == 0.0), "{}", row.name);
    }
}

#[test]
fn one_pass_gives_the_same_sums_and_partials() {
    for row in rows() {
        let Some(kernel) = &row.plain.one_pass else {
            continue;
        };
        for at in row.probes {
            // Once a few lanes, once several blocks of what is added side by side and some over.
            for n in [3, 125] {
                let columns: Vec<Vec<f64>> = at.iter().map(|&a| vec![a; n]).collect();
                let shares = |k: usize| kernel.shared >> k & 1 == 1;
                let lanes: Vec<_> = (columns.iter().enumerate())
                    .map(|(k, column)| match shares(k) {
                        true => Lanes::Same(at[k]),
                        false => Lanes::Each(column.as_slice()),
                    })
                    .collect();
                let args: Vec<_> = lanes.iter().copied().map(StretchArg::from).collect();
                let (mut slopes, mut sums) = (vec![0.0; n], Running::default());
                let stretch = Stretch {
                    args: &args,
                    predictor: None,
                    rows: 0..n,
                    slopes: &mut slopes,
                };
                (kernel.stretch)(stretch, &mut sums);
                let apart = (kernel.apart)(&lanes, n);
                let sum = sums.value() + apart;
                let expected = n as f64 * value(row, at);
                // What is apart may be larger than the sum, and a product rounds at 1.
                let size = expected.abs() + apart.abs() + n as f64 * 1e-4;
                assert!(
                    (sum - expected).abs() <= 1e-11 * size,
                    "{} {at:?}: {sum} against {expected}",
                    row.name
                );
                let partials = partials(row, at);
                let near = |found: f64, partial: f64| {
                    (found - partial).abs() <= 1e-12 * (1.0 + partial.abs())
                };
                for found in &slopes {
                    let partial = partials[kernel.by];
                    let against = (kernel.against).map_or(-partial, |k| partials[k]);
                    assert!(
                        near(*found, partial) && near(-*found, against),
                        "{} {at:?}: {found} against {partial}",
                        row.name
                    );
                }
                for k in (0..at.len()).filter(|k| shares(*k)) {
                    let (found, partial) = (sums.shared(k) / n as f64, partials[k]);
                    assert!(
                        near(found, partial),
                        "{} {at:?}: {found} against {partial}",
                        row.name
                    );
                }
            }
        }
    }
}

#[test]
fn loops_by_rows_give_second_derivatives() {
    for row in rows() {
        let Some(pass) = &row.plain.row_pass else {
            continue;
        };
        for at in row.probes {
            let columns: Vec<_> = at.iter().map(|a| [*a; MOST_LANES]).collect();
            let shares = |k: usize| pass.shared >> k & 1 == 1;
            let lanes: Vec<_> = (columns.iter().enumerate())
                .map(|(k, column)| match shares(k) {
                    true => Lanes::Same(at[k]),
                    false => Lanes::Each(column.as_slice()),
                })
                .collect();
            let near = |found: f64, expected: f64, what: &str| {
                // Where a quotient is small, digits of what it is a difference of are lost.
                assert!(
                    (found - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
                    "{} {at:?}, {what}: {found} against {expected}",
                    row.name
                );
            };
            let mut out = [LaneArray::zeros(); 4];
            let [add, product, slope, second] = &mut out;
            let n = 70;
            let written = RowLanes {
                n,
                add,
                product,
                slope,
                second,
                shared: &mut [],
            };
            (pass.curve)(&lanes, written);
            near(slope[n - 1], partials(row, at)[pass.by], "slope");
            near(second[n - 1], along(row, at, pass.by).1[pass.by], "second");
            for arg in (0..at.len()).filter(|k| shares(*k)) {
                let mut seconds = vec![LaneArray::zeros(); at.len()];
                let written = AlongLanes {
                    n,
                    arg,
                    slope: &mut out[0],
                    seconds: &mut seconds,
                };
                (pass.along)(&lanes, written);
                near(
                    out[0][n - 1],
                    partials(row, at)[arg],
                    "slope by an argument",
                );
                for k in (0..at.len()).filter(|k| shares(*k) || *k == pass.by) {
                    near(seconds[k][n - 1], along(row, at, arg).1[k], "pair");
                }
            }
        }
    }
}

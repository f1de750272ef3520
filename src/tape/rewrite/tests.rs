//! Factors of rows against sums of squares in exact arithmetic; classes of rows against a plain search.

use super::distinct::Classes;
use super::distinct::Key;
use super::distinct::distinct;
use super::moments;
use super::moments::Cells;
use super::moments::Columns;
use super::moments::triangle;
use super::*;
use crate::dist::normal::LOG_DENSITY;
use crate::tape::affine::Column;

fn columns(columns: &[Vec<f64>]) -> Vec<Column> {
    let column = |values: &Vec<f64>| Column {
        values: values.as_slice().into(),
        start: 0,
    };
    columns.iter().map(column).collect()
}

/// The triangular factors of the rows of each cell.
fn factors(columns: &Columns<'_>, cells: &Cells, ones: Option<usize>) -> Option<Vec<f64>> {
    let moments = moments::moments(columns, cells)?;
    moments::factors(&moments, columns.columns.len(), ones)
}

/// |T (u, −1)|² of each cell.
fn squares(factors: &[f64], cells: usize, u: &[f64]) -> Vec<f64> {
    let v: Vec<f64> = u.iter().copied().chain([-1.0]).collect();
    assert_eq!(factors.len(), triangle(v.len()) * cells);
    (0..cells)
        .map(|cell| {
            let mut entries = factors.iter().skip(cell).step_by(cells);
            (0..v.len())
                .map(|i| {
                    (v[i..].iter().zip(&mut entries))
                        .map(|(v, t)| v * t)
                        .sum::<f64>()
                })
                .map(|row| row * row)
                .sum()
        })
        .collect()
}

/// Eighths, so that sums of squares of rows and dyadic coefficients are exact.
fn eighths(n: usize, factor: usize, mean: f64) -> Vec<f64> {
    (0..n)
        .map(|i| mean + ((i * factor % 31) as f64 - 15.0) / 8.0)
        .collect()
}

#[test]
fn factors_of_columns_far_from_zero_keep_their_figures() {
    for n in [1, 2, 7, 511, 512, 513, 2000] {
        for mean in [0.0, 1e6] {
            let data = [
                eighths(n, 7, mean),
                eighths(n, 11, -mean),
                eighths(n, 3, mean),
            ];
            let u = [0.75, 2.0, 1.0];
            let exact: f64 = (0..n)
                .map(|i| data[2][i] - (u[0] + u[1] * data[0][i] + u[2] * data[1][i]))
                .map(|residual| residual * residual)
                .sum();
            let list = columns(&data);
            let given = Columns {
                columns: &list,
                constant: 0.0,
                weights: None,
            };
            let cells = Cells::of(&vec![0; n], 1);
            let factors = factors(&given, &cells, Some(0)).expect("finite columns");
            let found = squares(&factors, 1, &u)[0];
            assert!(
                (found - exact).abs() <= 1e-9 * exact.max(1e-3),
                "{n} rows about {mean}: {found}, not {exact}"
            );
        }
    }
}

#[test]
fn cells_without_rows_and_columns_without_spread_have_factors() {
    let n = 40;
    let data = [vec![3.0; n], vec![0.0; n], eighths(n, 5, 1.0)];
    let weights: Vec<f64> = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
    let cell: Vec<u32> = (0..n as u32)
        .map(|i| if i % 4 == 3 { Classes::NONE } else { i % 4 * 2 })
        .collect();
    let list = columns(&data);
    for (ones, u) in [
        (Some(0), &[0.5, -1.0, 7.0][..]),
        (Some(1), &[-1.0, 0.5, 7.0]),
        (Some(2), &[-1.0, 7.0, 0.5]),
        (None, &[-1.0, 7.0]),
    ] {
        let given = Columns {
            columns: &list,
            constant: 0.25,
            weights: Some(&weights),
        };
        let factors = factors(&given, &Cells::of(&cell, 6), ones).expect("finite columns");
        let found = squares(&factors, 6, u);
        for (c, found) in found.iter().enumerate() {
            let level = ones.map_or(0.0, |_| 0.5);
            let exact: f64 = (0..n)
                .filter(|i| cell[*i] == c as u32)
                .map(|i| weights[i] * (data[2][i] + 0.25 - level + 3.0).powi(2))
                .sum();
            assert!(
                (found - exact).abs() <= 1e-12 * exact,
                "cell {c}: {found}, not {exact}"
            );
        }
    }
}

#[test]
fn columns_that_are_not_finite_have_no_factors() {
    for wrong in [f64::NAN, f64::INFINITY, 1e200] {
        let list = columns(&[vec![1.0, wrong, 2.0], vec![0.5, 1.0, 3.0]]);
        let given = Columns {
            columns: &list,
            constant: 0.0,
            weights: None,
        };
        assert!(
            factors(&given, &Cells::of(&[0, 0, 0], 1), Some(0)).is_none(),
            "{wrong}"
        );
    }
}

#[test]
fn factors_are_the_same_bits_with_any_number_of_threads() {
    let n = 20_000;
    let list = columns(&[eighths(n, 7, 0.3), eighths(n, 13, -2.1), eighths(n, 3, 0.7)]);
    let cell: Vec<u32> = (0..n as u32).map(|i| i * i % 7).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let given = Columns {
            columns: &list,
            constant: 0.1,
            weights: None,
        };
        pool.expect("threads")
            .install(|| factors(&given, &Cells::of(&cell, 7), Some(0)))
    };
    assert_eq!(with(1), with(3));
}

fn rows(len: usize, counts: Option<Vec<f64>>) -> Rows {
    Rows {
        plate: PlateId(1),
        len,
        density: NodeId(0),
        row: &LOG_DENSITY,
        args: Vec::new(),
        counted: (counts.as_ref()).map_or(len, |c| c.iter().filter(|c| **c != 0.0).count()),
        counts: counts.map(|counts| Column {
            values: counts.into(),
            start: 0,
        }),
    }
}

#[test]
fn rows_are_the_same_where_all_their_columns_are() {
    for n in [1, 50, 5000] {
        let numbers: Vec<f64> = (0..n).map(|i| (i * i % 11) as f64 / 3.0).collect();
        let places: Vec<u32> = (0..n).map(|i| (i * 7 % 5) as u32).collect();
        let keys = [Key::Numbers(&numbers), Key::Places(&places)];
        let counts: Vec<f64> = (0..n).map(|i| f64::from(i % 6 != 1)).collect();
        let rows = rows(n, Some(counts.clone()));
        let classes = distinct(&keys, &rows, n).expect("few classes");
        let mut first: Vec<usize> = Vec::new();
        for i in 0..n {
            if counts[i] == 0.0 {
                assert_eq!(classes.of[i], Classes::NONE);
                continue;
            }
            let same = |j: &usize| numbers[*j] == numbers[i] && places[*j] == places[i];
            let class = first.iter().position(same).unwrap_or_else(|| {
                first.push(i);
                first.len() - 1
            });
            assert_eq!(classes.of[i] as usize, class);
        }
        let found: Vec<usize> = classes.first.iter().map(|row| *row as usize).collect();
        assert_eq!(found, first);
        assert!(distinct(&keys, &rows, first.len() - 1).is_none());
    }
}

#[test]
fn a_column_of_which_no_two_rows_agree_is_given_up_early() {
    let numbers: Vec<f64> = (0..100_000).map(|i| f64::from(i) / 7.0).collect();
    let fours: Vec<f64> = (0..100_000).map(|i| f64::from(i / 4)).collect();
    let rows = rows(numbers.len(), None);
    let most = numbers.len() / 3;
    assert!(distinct(&[Key::Numbers(&numbers)], &rows, most).is_none());
    let classes = distinct(&[Key::Numbers(&fours)], &rows, most).expect("some are met in a sample");
    assert_eq!(classes.first.len(), numbers.len() / 4);
}

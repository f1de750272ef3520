//! Constant folding: what depends on the text alone is evaluated when it is checked.

use super::ExprId;
use super::ExprKind;
use super::Function;
use super::Slot;
use super::check::Checker;
use super::functions::lower_places;
use crate::num::dense;
use crate::shape::Dim;
use crate::shape::Event;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::Lanes;

/// The most numbers of a constant that is evaluated.
const MOST_NUMBERS: usize = 1 << 20;

/// The numbers of an event whose dimensions are all known.
pub(super) fn width(event: &[Dim]) -> Option<usize> {
    event.iter().try_fold(1_usize, |product, dim| match dim {
        Dim::Fixed(n) => product.checked_mul(*n),
        Dim::Size(..) => None,
    })
}

impl Checker<'_> {
    /// The value of an expression whose parts are all constants; `None` when it has none (yet).
    pub(super) fn fold(&self, kind: &ExprKind, event: &Event) -> Option<Vec<f64>> {
        let n = width(event).filter(|&n| n <= MOST_NUMBERS)?;
        match kind {
            ExprKind::Map(op, args) => map(op, &self.known(args)?, n),
            ExprKind::Vector(items) => Some(self.known(items)?.concat()),
            ExprKind::If(c, a, b) => {
                let parts = self.known(&[*c, *a, *b])?;
                let taken = if parts[0][0] == 0.0 {
                    parts[2]
                } else {
                    parts[1]
                };
                Some(spread(taken, n))
            }
            ExprKind::Index(base, slots) => self.pick(*base, slots),
            ExprKind::Function(function, args) => {
                let events: Vec<&Event> = args
                    .iter()
                    .map(|&arg| &self.typed.expr(arg).event)
                    .collect();
                evaluate(*function, &self.known(args)?, &events, event, n)
            }
            ExprKind::Constant(_)
            | ExprKind::Size(..)
            | ExprKind::Column(_)
            | ExprKind::Latent(_)
            | ExprKind::Definition(_)
            | ExprKind::Lookup(..)
            | ExprKind::Aggregate { .. }
            | ExprKind::LogProb(..)
            | ExprKind::Center(..) => None,
        }
    }

    fn known(&self, ids: &[ExprId]) -> Option<Vec<&[f64]>> {
        ids.iter().map(|&id| self.as_constant(id)).collect()
    }

    fn pick(&self, base: ExprId, slots: &[Slot]) -> Option<Vec<f64>> {
        let base_expr = self.typed.expr(base);
        let values = self.known(&[base])?[0];
        let mut places = vec![0_usize];
        for (slot, dim) in slots.iter().zip(&base_expr.event) {
            let Dim::Fixed(n) = *dim else {
                return None;
            };
            let chosen = match slot {
                Slot::All => 0..n,
                Slot::At(id) => {
                    let at = self.known(&[*id])?[0][0] as usize;
                    at.checked_sub(1)?..at
                }
                Slot::Element(_) => return None,
            };
            places = places
                .iter()
                .flat_map(|place| chosen.clone().map(move |k| place * n + k))
                .collect();
        }
        places.iter().map(|&k| values.get(k).copied()).collect()
    }
}

/// One number for each of `n`.
fn spread(values: &[f64], n: usize) -> Vec<f64> {
    match values {
        [one] => vec![*one; n],
        _ => values.to_vec(),
    }
}

fn map(op: &Elementwise, args: &[&[f64]], n: usize) -> Option<Vec<f64>> {
    let lanes: Vec<Lanes<'_, f64>> = args
        .iter()
        .map(|values| match values {
            [one] => Lanes::Same(*one),
            _ => Lanes::Each(values),
        })
        .collect();
    let mut out = vec![0.0; n];
    (op.plain.forward)(&lanes, &mut out);
    Some(out)
}

/// Rows and columns of a matrix of known dimensions; a vector is one column.
fn sides(event: &Event) -> Option<(usize, usize)> {
    match event.as_slice() {
        [Dim::Fixed(n)] => Some((*n, 1)),
        [Dim::Fixed(n), Dim::Fixed(m)] => Some((*n, *m)),
        _ => None,
    }
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return largest;
    }
    let sum: f64 = values.iter().map(|x| (x - largest).exp()).sum();
    largest + sum.ln()
}

/// The value of a function of whole events; matrices are in row-major order.
fn evaluate(
    function: Function,
    args: &[&[f64]],
    events: &[&Event],
    event: &Event,
    n: usize,
) -> Option<Vec<f64>> {
    let first = args.first().copied().unwrap_or(&[]);
    let second = args.get(1).copied().unwrap_or(&[]);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let value = match function {
        Function::Dot => vec![dot(first, second)],
        Function::Sum => vec![first.iter().sum()],
        Function::Mean => vec![first.iter().sum::<f64>() / first.len() as f64],
        Function::Min => vec![first.iter().copied().fold(f64::INFINITY, f64::min)],
        Function::Max => vec![first.iter().copied().fold(f64::NEG_INFINITY, f64::max)],
        Function::LogSumExp => vec![log_sum_exp(first)],
        Function::LogMix => {
            let terms: Vec<f64> = first.iter().zip(second).map(|(w, x)| w.ln() + x).collect();
            vec![log_sum_exp(&terms)]
        }
        Function::Softmax | Function::LogSoftmax => {
            let total = log_sum_exp(first);
            let logs = first.iter().map(|x| x - total);
            if function == Function::Softmax {
                logs.map(f64::exp).collect()
            } else {
                logs.collect()
            }
        }
        Function::CumulativeSum => first
            .iter()
            .scan(0.0, |sum, x| {
                *sum += x;
                Some(*sum)
            })
            .collect(),
        Function::Concat => args.concat(),
        Function::Rep => spread(first, n),
        Function::Zeros => vec![0.0; n],
        Function::Identity => {
            let (rows, _) = sides(event)?;
            diagonal(&vec![1.0; rows])
        }
        Function::Outer => first
            .iter()
            .flat_map(|x| second.iter().map(move |y| x * y))
            .collect(),
        Function::Transpose => {
            let (rows, columns) = sides(events[0])?;
            (0..columns)
                .flat_map(|j| (0..rows).map(move |i| first[i * columns + j]))
                .collect()
        }
        Function::Diag if events[0].len() == 1 => diagonal(first),
        Function::Diag => {
            let (rows, _) = sides(events[0])?;
            (0..rows).map(|i| first[i * rows + i]).collect()
        }
        Function::LowerTriangular if events.len() == 1 => {
            let (rows, _) = sides(events[0])?;
            lower(first, rows)
        }
        Function::LowerTriangular => {
            let parts = [first, second].concat();
            let places = lower_places(second.len()).into_iter();
            places.map(|p| p.map_or(0.0, |p| parts[p])).collect()
        }
        Function::Cholesky => {
            let (rows, _) = sides(events[0])?;
            let mut matrix = first.to_vec();
            dense::cholesky(&mut matrix, rows);
            lower(&matrix, rows)
        }
        Function::Solve => {
            let (rows, columns) = sides(events[1])?;
            let mut right = second.to_vec();
            dense::solve(&mut first.to_vec(), &mut right, rows, columns);
            right
        }
        Function::Inverse => {
            let (rows, _) = sides(events[0])?;
            let mut right = diagonal(&vec![1.0; rows]);
            dense::solve(&mut first.to_vec(), &mut right, rows, rows);
            right
        }
        Function::LogDet => {
            let (rows, _) = sides(events[0])?;
            vec![dense::solve(&mut first.to_vec(), &mut [], rows, 0)]
        }
        Function::MatrixProduct => {
            let (a, b) = (events[0], events[1]);
            // A vector left of a matrix is a row, right of it a column.
            let (rows, inner) = if a.len() == 1 {
                (1, width(a)?)
            } else {
                sides(a)?
            };
            let columns = width(b)? / inner.max(1);
            (0..rows)
                .flat_map(|i| {
                    (0..columns).map(move |j| {
                        (0..inner)
                            .map(|k| first[i * inner + k] * second[k * columns + j])
                            .sum()
                    })
                })
                .collect()
        }
        Function::Length => return None,
    };
    Some(value)
}

fn diagonal(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut out = vec![0.0; n * n];
    for (i, x) in values.iter().enumerate() {
        out[i * n + i] = *x;
    }
    out
}

/// A square matrix with zeros above the diagonal.
fn lower(values: &[f64], n: usize) -> Vec<f64> {
    (0..n * n)
        .map(|k| if k % n > k / n { 0.0 } else { values[k] })
        .collect()
}

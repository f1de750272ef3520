//! Merging: rows that are the same in everything that a term reads are run once.
//!
//! A density whose first argument is data and that adds up over rows which differ in it alone, such as the Bernoulli mass by
//! its logit, runs on the totals of such rows; any other is weighted by the number of rows.

use super::Draft;
use super::Place;
use super::Rows;
use super::Together;
use super::count;
use super::distinct::Classes;
use super::distinct::Key;
use super::distinct::distinct;
use super::onto::Leaves;
use super::onto::Onto;
use crate::num::Shared;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use std::sync::Arc;

/// Rows that a merged one stands for at least, on average: fewer do not pay for what is lost in order.
const LEAST: usize = 3;

/// The term over merged rows, and what to say of it.
pub(super) fn merge(draft: &mut Draft, rows: &Rows) -> Option<(NodeId, String)> {
    let identical = Identical::read(draft, rows)?;
    let keys = identical.keys(draft, rows);
    let classes = distinct(&keys, rows, rows.counted / identical.least())?;
    let numbers = identical.numbers(&classes.of, classes.first.len())?;
    let place = Place {
        plate: draft.plate(classes.first.len()),
        own: None,
        rows: &classes.first,
        split: true,
    };
    identical.write(draft, rows, place, &numbers)
}

/// What tells rows apart, and what is summed up of those that are the same: how many count and, where totals will do, x and a part
/// of the density that depends on x alone.
pub(super) struct Identical {
    totals: Option<Totals>,
    leaves: Leaves,
    tables: Vec<Arc<[u32]>>,
}

impl Identical {
    pub fn read(draft: &Draft, rows: &Rows) -> Option<Identical> {
        let totals = Totals::of(draft, rows);
        let mut leaves = Leaves::default();
        (rows.args[usize::from(totals.is_some())..].iter())
            .try_for_each(|arg| leaves.add(draft, *arg))?;
        Some(Identical {
            tables: leaves.tables(draft),
            totals,
            leaves,
        })
    }
}

impl Together for Identical {
    fn keys<'a>(&'a self, draft: &'a Draft, rows: &Rows) -> Vec<Key<'a>> {
        (self.leaves.columns(draft, rows.len).map(Key::Numbers))
            .chain(self.tables.iter().map(|table| Key::Places(table)))
            .collect()
    }

    fn width(&self) -> usize {
        match &self.totals {
            None => 1,
            Some(Totals { apart: None, .. }) => 2,
            Some(Totals { apart: Some(_), .. }) => 3,
        }
    }

    fn tables(&self) -> &[Arc<[u32]>] {
        &self.tables
    }

    fn least(&self) -> usize {
        LEAST
    }

    fn numbers(&self, class: &[u32], classes: usize) -> Option<Vec<f64>> {
        let width = self.width();
        let mut numbers = vec![0.0; width * classes];
        for (row, class) in class
            .iter()
            .enumerate()
            .filter(|(_, c)| **c != Classes::NONE)
        {
            let sums = &mut numbers[*class as usize * width..][..width];
            sums[0] += 1.0;
            if let Some(Totals { x, apart, .. }) = &self.totals {
                sums[1] += x[row];
                if let Some(apart) = apart {
                    sums[2] += apart(x[row]);
                }
            }
        }
        Some(numbers)
    }

    fn add(&self, total: &mut [f64], part: &[f64]) {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }

    fn write(
        &self,
        draft: &mut Draft,
        rows: &Rows,
        place: Place<'_>,
        numbers: &[f64],
    ) -> Option<(NodeId, String)> {
        let (plate, width) = (place.plate, self.width());
        let column = |k: usize| numbers.chunks_exact(width).map(move |class| class[k]);
        let mut onto = Onto::new(plate, place.rows, place.own);
        let counts = draft.data(plate, 1, column(0).collect());
        let node = match &self.totals {
            None => {
                let density = onto.node(draft, rows.density);
                draft.map(plate, &MUL, &[counts, density])
            }
            Some(Totals { row, .. }) => {
                let mut args = vec![draft.data(plate, 1, column(1).collect()), counts];
                args.extend((2..width).map(|k| draft.data(plate, 1, column(k).collect())));
                args.extend(rows.args[1..].iter().map(|arg| onto.node(draft, *arg)));
                draft.map(plate, row, &args)
            }
        };
        let note = format!(
            "identical rows: {} run as {}",
            count(column(0).sum::<f64>() as usize, "row", "rows"),
            count(place.rows.len(), "row", "rows"),
        );
        Some((node, note))
    }
}

/// How a density adds up whose first argument is data.
struct Totals {
    x: Shared,
    row: &'static Elementwise,
    apart: Option<fn(f64) -> f64>,
}

impl Totals {
    fn of(draft: &Draft, rows: &Rows) -> Option<Totals> {
        let (Some(Additive::Totals { row, apart }), Op::Data(x)) =
            (rows.row.additive, &draft.node(*rows.args.first()?).op)
        else {
            return None;
        };
        let fits = |(i, x): (usize, &f64)| rows.row.domain[0].holds(*x) || !rows.counts(i);
        (x.iter().enumerate().all(fits)).then(|| Totals {
            x: x.clone(),
            row,
            apart,
        })
    }
}

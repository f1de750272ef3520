//! Merging: rows that are the same in everything that a term reads are run once.
//!
//! A density whose first argument is data and that adds up over rows which differ in it alone, such as the Bernoulli mass by
//! its logit, runs on the totals of such rows; any other is weighted by the number of rows.

use super::Draft;
use super::Rows;
use super::count;
use super::distinct::Key;
use super::distinct::distinct;
use super::onto::Leaves;
use super::onto::Onto;
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
    let totals = Totals::of(draft, rows);
    let read = &rows.args[usize::from(totals.is_some())..];
    let mut leaves = Leaves::default();
    read.iter().try_for_each(|arg| leaves.add(draft, *arg))?;
    let tables = leaves.tables(draft);
    let keys: Vec<Key<'_>> = (leaves.columns(draft, rows.len).map(Key::Numbers))
        .chain(tables.iter().map(|table| Key::Places(table)))
        .collect();
    let classes = distinct(&keys, rows, rows.counted / LEAST)?;
    let plate = draft.plate(classes.first.len());
    let mut onto = Onto::new(plate, &classes.first, None);
    let counts = classes.totals(|_| 1.0);
    let counts = draft.data(plate, 1, counts);
    let node = match totals {
        None => {
            let density = onto.node(draft, rows.density);
            draft.map(plate, &MUL, &[counts, density])
        }
        Some(Totals { x, row, apart }) => {
            let mut args = vec![draft.data(plate, 1, classes.totals(|row| x[row])), counts];
            if let Some(apart) = apart {
                let apart = classes.totals(|row| apart(x[row]));
                args.push(draft.data(plate, 1, apart));
            }
            args.extend(read.iter().map(|arg| onto.node(draft, *arg)));
            draft.map(plate, row, &args)
        }
    };
    let note = format!(
        "identical rows: {} run as {}",
        count(rows.counted, "row", "rows"),
        count(classes.first.len(), "row", "rows"),
    );
    Some((node, note))
}

/// How a density adds up whose first argument is data.
struct Totals {
    x: Arc<[f64]>,
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
            x: Arc::clone(x),
            row,
            apart,
        })
    }
}

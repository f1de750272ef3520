//! Rows in the order of their groups, so that what rows fetch from a group and give back to it lies side by side.

use super::Labels;
use super::Model;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::typed::DataKind;
use crate::typed::PlateSource;
use crate::typed::Typed;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

/// Puts the rows of every plate whose order nothing tells apart in the order of the plates that hold them: first by the one with the most
/// elements, then by the others, rows of the same elements as in the file. Their labels stay the numbers of the file's rows.
///
/// A model that nobody else holds is sorted in place, which takes no further memory than the row numbers.
pub fn sort(model: Arc<Model>) -> Arc<Model> {
    let found: Vec<(PlateId, Vec<PlateId>)> = (1..model.plates.len())
        .map(|p| PlateId(p as u32))
        .filter_map(|plate| Some((plate, unsorted(&model, plate)?)))
        .collect();
    if found.is_empty() {
        return model;
    }
    let mut model = Arc::unwrap_or_clone(model);
    for (plate, keys) in found {
        model.sort_rows(plate, &keys);
    }
    Arc::new(model)
}

impl Model {
    /// The plates by which the rows of a plate are sorted, the first first; none where they stand in the order of the file.
    pub fn sorted_by(&self, plate: PlateId) -> Vec<PlateId> {
        match self.plate(plate).labels {
            Labels::Rows(_) => keys(self, plate),
            Labels::Numbers(_) | Labels::Texts(_) => Vec::new(),
        }
    }

    /// Sorts the rows of a plate by these plates, then by their number.
    fn sort_rows(&mut self, plate: PlateId, keys: &[PlateId]) {
        let bound = &mut self.plates[plate.index()];
        let n = bound.len();
        let mut order: Arc<[u32]> = (0..n as u32).collect();
        let (mut tables, mut places) = (Vec::new(), vec![0; keys.len()]);
        for (other, table) in &mut bound.above {
            if let Some(key) = keys.iter().position(|key| key == other) {
                places[key] = tables.len();
            }
            tables.push(Arc::make_mut(table));
        }
        places.push(tables.len());
        tables.push(Arc::make_mut(&mut order));
        let columns = (self.typed.columns.iter().zip(&mut self.columns))
            .filter(|(column, _)| column.plate == plate)
            .flat_map(|(_, bound)| Arc::make_mut(&mut bound.values).chunks_exact_mut(n));
        let mut rows = Rows {
            numbers: columns.collect(),
            digits: digits(&tables, &places),
            tables,
            keys: places,
        };
        rows.sort(0..n, 0);
        bound.labels = Labels::Rows(order);
    }
}

/// The plates by which a plate's rows are to be sorted; `None` where they stay as they are.
fn unsorted(model: &Model, plate: PlateId) -> Option<Vec<PlateId>> {
    let bound = model.plate(plate);
    let keys = keys(model, plate);
    let tables: Vec<&[u32]> = keys.iter().map(|key| &bound.above[key][..]).collect();
    let key = |row: usize| tables.iter().map(move |table| table[row]);
    let sorted = || (1..bound.len()).all(|row| key(row - 1).le(key(row)));
    (!keys.is_empty() && is_free(model.typed(), plate) && !sorted()).then_some(keys)
}

/// Bits of a key that are looked at together: one place in the first-level cache for each of their values.
const BITS: u32 = 8;
/// Rows that are sorted by comparison.
const FEW: usize = 256;

/// Some bits of a table's numbers.
#[derive(Clone, Copy)]
struct Digit {
    table: usize,
    shift: u32,
    mask: u32,
}

/// The digits of keys, those that count most first.
fn digits(tables: &[&mut [u32]], keys: &[usize]) -> Vec<Digit> {
    let mut digits = Vec::new();
    for table in keys {
        let largest = tables[*table].iter().copied().max().unwrap_or(0);
        let mut high = u32::BITS - largest.leading_zeros();
        while high > 0 {
            let shift = high.saturating_sub(BITS);
            digits.push(Digit {
                table: *table,
                shift,
                mask: (1 << (high - shift)) - 1,
            });
            high = shift;
        }
    }
    digits
}

/// The columns of a table that is sorted in place, digit by digit.
struct Rows<'a> {
    numbers: Vec<&'a mut [f64]>,
    tables: Vec<&'a mut [u32]>,
    /// The places of the keys among the tables.
    keys: Vec<usize>,
    digits: Vec<Digit>,
}

impl Rows<'_> {
    /// Sorts these rows, which agree in all digits before this one.
    fn sort(&mut self, rows: Range<usize>, digit: usize) {
        if rows.len() <= FEW {
            self.sort_few(rows);
            return;
        }
        let Some(Digit { table, shift, mask }) = self.digits.get(digit).copied() else {
            return;
        };
        let value =
            |tables: &[&mut [u32]], row: usize| (tables[table][row] >> shift & mask) as usize;
        // Where the next row of each value goes, and where its rows end.
        let mut next = [0_usize; 1 << BITS];
        for row in rows.clone() {
            next[value(&self.tables, row)] += 1;
        }
        let mut ends = next;
        let mut start = rows.start;
        for (next, end) in next.iter_mut().zip(&mut ends) {
            *next = start;
            start += *end;
            *end = start;
        }
        for own in 0..ends.len() {
            while next[own] < ends[own] {
                let row = next[own];
                let other = value(&self.tables, row);
                if other != own {
                    self.swap(row, next[other]);
                }
                next[other] += 1;
            }
        }
        let mut start = rows.start;
        for end in ends {
            self.sort(start..end, digit + 1);
            start = end;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.numbers.iter_mut().for_each(|column| column.swap(a, b));
        self.tables.iter_mut().for_each(|table| table.swap(a, b));
    }

    /// Sorts rows by comparison.
    fn sort_few(&mut self, rows: Range<usize>) {
        let tables = &self.tables;
        let key = |row: usize| self.keys.iter().map(move |key| tables[*key][row]);
        let mut order: Vec<usize> = rows.clone().collect();
        order.sort_unstable_by(|a, b| key(*a).cmp(key(*b)));
        fn gather<T: Copy>(columns: &mut [&mut [T]], order: &[usize], rows: &Range<usize>) {
            for column in columns {
                let sorted: Vec<T> = order.iter().map(|row| column[*row]).collect();
                column[rows.clone()].copy_from_slice(&sorted);
            }
        }
        gather(&mut self.numbers, &order, &rows);
        gather(&mut self.tables, &order, &rows);
    }
}

/// The plates that hold the elements of another, the one with the most elements first, without those that earlier ones determine.
fn keys(model: &Model, plate: PlateId) -> Vec<PlateId> {
    let mut above: Vec<PlateId> = model.plate(plate).above.keys().copied().collect();
    above.sort_by_key(|p| Reverse((model.plate(*p).len(), *p)));
    let mut keys: Vec<PlateId> = Vec::new();
    for other in above {
        if !keys.iter().any(|key| model.typed().determines(*key, other)) {
            keys.push(other);
        }
    }
    keys
}

/// Whether a plate's elements are rows of a table that nothing counts by their number: no plate lies below and no key points to them, and
/// neither a latent variable nor a dimension has one place for each.
fn is_free(typed: &Typed, plate: PlateId) -> bool {
    let own = &typed.plates[plate.index()];
    let counts = |event: &Event| {
        let of_plate = |dim: &Dim| matches!(dim, Dim::Size(size, _) if *size == own.size);
        event.iter().any(of_plate)
    };
    let pointed_at = |kind: &DataKind| *kind == DataKind::Key(plate);
    matches!(own.source, PlateSource::Rows(_))
        && (typed.latents.iter()).all(|latent| latent.plate != plate && !counts(&latent.event))
        && (typed.columns.iter()).all(|c| !pointed_at(&c.kind) && !counts(&c.event))
        && (typed.exprs.iter()).all(|expr| !counts(&expr.event))
        && (typed.plates.iter().enumerate())
            .all(|(p, below)| p == plate.index() || !below.determines.contains(&plate))
}

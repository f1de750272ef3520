//! Rows in the order of their groups, so that what rows fetch from a group and give back to it lies side by side.

use super::Labels;
use super::Model;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::typed::DataKind;
use crate::typed::PlateSource;
use crate::typed::Typed;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::Arc;

/// Puts the rows of every plate whose order nothing tells apart in the order of the plates that hold them: first by the one with the most
/// elements, then by the others, rows of the same elements as in the file. Their labels stay the numbers of the file's rows.
///
/// A model that nobody else holds is sorted in place, which takes little further memory than the row numbers.
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
        let tables: Vec<&[u32]> = keys.iter().map(|key| &bound.above[key][..]).collect();
        let order = sorted(n, &tables);
        let mut tables: Vec<&mut [u32]> = (bound.above.values_mut()).map(Arc::make_mut).collect();
        let mut columns: Vec<&mut [f64]> = (self.typed.columns.iter().zip(&mut self.columns))
            .filter(|(column, _)| column.plate == plate)
            .flat_map(|(_, bound)| bound.values.make_mut().chunks_exact_mut(n))
            .collect();
        arrange(&mut tables, &order);
        arrange(&mut columns, &order);
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

/// The numbers of `n` rows, at least one, in the order of these tables, the first first, then of their number.
fn sorted(n: usize, tables: &[&[u32]]) -> Arc<[u32]> {
    let mut order: Arc<[u32]> = (0..n as u32).collect();
    let (Some((first, rest)), Some(places)) = (tables.split_first(), Arc::get_mut(&mut order))
    else {
        return order;
    };
    // Where the rows of each number of the first table start, and in the end where they end.
    let count = first
        .iter()
        .copied()
        .max()
        .map_or(0, |most| most as usize + 1);
    let mut ends = vec![0_u32; count + 1];
    for value in *first {
        ends[*value as usize + 1] += 1;
    }
    for value in 0..count {
        ends[value + 1] += ends[value];
    }
    for (row, value) in (0..).zip(*first) {
        let end = &mut ends[*value as usize];
        places[*end as usize] = row;
        *end += 1;
    }
    if !rest.is_empty() {
        let key = |row: u32| rest.iter().map(move |table| table[row as usize]);
        let same = |a: &u32, b: &u32| first[*a as usize] == first[*b as usize];
        let runs: Vec<&mut [u32]> = places.chunk_by_mut(same).collect();
        (runs.into_par_iter())
            .for_each(|run| run.sort_unstable_by(|a, b| key(*a).cmp(key(*b)).then(a.cmp(b))));
    }
    order
}

/// Brings row `order[i]` of columns to place `i`, in place and in shares for each thread.
fn arrange<T: Copy + Send>(columns: &mut [&mut [T]], order: &[u32]) {
    let share = columns.len().div_ceil(rayon::current_num_threads()).max(1);
    columns.par_chunks_mut(share).for_each(|columns| {
        let mut done = vec![false; order.len()];
        let mut held: Vec<T> = Vec::with_capacity(columns.len());
        // Along each cycle of the order.
        for start in 0..order.len() {
            if done[start] {
                continue;
            }
            held.clear();
            held.extend(columns.iter().map(|column| column[start]));
            let mut at = start;
            loop {
                done[at] = true;
                let from = order[at] as usize;
                if from == start {
                    break;
                }
                columns
                    .iter_mut()
                    .for_each(|column| column[at] = column[from]);
                at = from;
            }
            for (column, value) in columns.iter_mut().zip(&held) {
                column[at] = *value;
            }
        }
    });
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

//! The rows of a large table that say all that it says of plates, levels and columns of groups.

use super::sources::key;
use super::widths::possible;
use crate::data::Chunks;
use crate::data::Column;
use crate::data::Excerpt;
use crate::data::Table;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::DataKind;
use crate::typed::Plate;
use crate::typed::PlateSource;
use crate::typed::Typed;
use indexmap::IndexMap;
use indexmap::map::Entry;
use smallvec::SmallVec;

/// Cells of a row: levels by their codes, numbers by their bits.
type Cells = SmallVec<[u64; 2]>;

/// Columns whose values are the same in all rows with the same key, or that is a problem.
struct Relation {
    key: Vec<String>,
    value: Vec<String>,
    /// For each key the first value, and whether another was found.
    found: IndexMap<Cells, (Cells, bool)>,
    /// The row before, which is often the same.
    before: (Cells, Cells),
}

/// The rows with which a key occurs first, a key of it takes a second value, or a category takes a value for the first time; `streamed` tells
/// the plates whose elements are rows of the main table.
///
/// Binding finds in them the same elements, maps between plates, levels and columns of groups as in all rows, and the same contradictions.
/// They are at most two for each element and each column or plate that it determines.
pub(super) fn excerpt(
    typed: &Typed,
    chunks: &Chunks,
    streamed: impl Fn(PlateId) -> bool,
) -> Result<Table, Problems> {
    let mut picked = Excerpt::new(chunks);
    let mut relations = relations(typed, &Excerpt::new(chunks).table(), streamed);
    let mut first = true;
    for chunk in chunks.tables()? {
        let chunk = chunk?;
        let mut columns = Vec::new();
        for relation in &relations {
            let of = |names: &[String]| -> Vec<&Column> {
                names.iter().filter_map(|name| chunk.column(name)).collect()
            };
            columns.push((of(&relation.key), of(&relation.value)));
        }
        for row in 0..chunk.rows() {
            let mut keep = std::mem::take(&mut first);
            for (relation, (key, value)) in relations.iter_mut().zip(&columns) {
                keep |= relation.is_new(cells(key, row), cells(value, row));
            }
            if keep {
                picked.push(&chunk, row);
            }
        }
    }
    Ok(picked.table())
}

fn cells(columns: &[&Column], row: usize) -> Cells {
    let cell = |column: &&Column| match column {
        Column::Numbers(values) => values.get(row).to_bits(),
        Column::Texts { codes, .. } => u64::from(codes.get(row)),
    };
    columns.iter().map(cell).collect()
}

impl Relation {
    fn new(key: Vec<String>, value: Vec<String>) -> Relation {
        Relation {
            key,
            value,
            found: IndexMap::new(),
            before: (Cells::new(), Cells::new()),
        }
    }

    /// Whether the row says what none before it said.
    fn is_new(&mut self, key: Cells, value: Cells) -> bool {
        let row = (key, value);
        if row == self.before && !self.found.is_empty() {
            return false;
        }
        self.before = row.clone();
        match self.found.entry(row.0) {
            Entry::Vacant(entry) => {
                entry.insert((row.1, false));
                true
            }
            Entry::Occupied(mut entry) => {
                let (value, varies) = entry.get_mut();
                let new = !*varies && *value != row.1;
                *varies |= new;
                new
            }
        }
    }
}

/// What rows of a table with these columns may say of more than themselves.
fn relations(typed: &Typed, main: &Table, streamed: impl Fn(PlateId) -> bool) -> Vec<Relation> {
    let mut relations = Vec::new();
    let mut relate = |key: Vec<String>, value: Vec<String>| {
        relations.push(Relation::new(key, value));
    };
    let plates = || {
        let all = typed.plates.iter().enumerate();
        all.map(|(p, plate)| (PlateId(p as u32), plate))
            .filter(|(p, _)| !streamed(*p))
    };
    let key_of = |id: PlateId, plate: &Plate| -> Option<Vec<String>> {
        let names = if id == PlateId::TOP {
            Vec::new()
        } else {
            key(plate)
        };
        let here = names.iter().all(|name| main.column(name).is_some());
        here.then(|| names.iter().map(|name| name.to_string()).collect())
    };
    for (p, plate) in plates() {
        let Some(own) = key_of(p, plate) else {
            continue;
        };
        relate(own.clone(), Vec::new());
        for (q, above) in plates().filter(|(q, _)| *q != p && typed.determines(p, *q)) {
            if let Some(key) = key_of(q, above) {
                relate(own.clone(), key);
            }
        }
        for column in &typed.columns {
            // The columns of a plate may be found by way of one that determines it.
            let names = possible(main, &column.from);
            if !streamed(column.plate) && typed.determines(p, column.plate) && !names.is_empty() {
                relate(own.clone(), names);
            }
        }
    }
    let unions = typed.plates.iter().filter_map(|plate| match &plate.source {
        PlateSource::Union(names) => Some(names.clone()),
        PlateSource::Top
        | PlateSource::Rows(_)
        | PlateSource::Levels(_)
        | PlateSource::Count(_) => None,
    });
    let labels = typed.columns.iter().filter(|column| match column.kind {
        DataKind::Category(_) | DataKind::Ordinal(..) | DataKind::Key(_) => true,
        DataKind::Real
        | DataKind::Positive
        | DataKind::Unit
        | DataKind::Count
        | DataKind::Binary => false,
    });
    let labels = labels.map(|column| possible(main, &column.from));
    for name in unions.chain(labels).flatten() {
        if main.column(&name).is_some() {
            relate(vec![name], Vec::new());
        }
    }
    relations
}

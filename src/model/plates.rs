//! The elements of every plate, and in which element each row of a table lies.

use super::frame::Fixed;
use super::labels::Elements;
use super::labels::Key;
use super::labels::Labelled;
use super::labels::Level;
use super::labels::Located;
use super::labels::NOWHERE;
use super::sources::MAIN;
use super::sources::Sources;
use super::sources::TableId;
use crate::data::Column;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::ColumnSource;
use crate::typed::DataKind;
use crate::typed::PlateSource;
use crate::typed::Typed;
use indexmap::IndexSet;
use std::sync::Arc;

/// In which element of a plate each row of a table lies.
#[derive(Clone)]
pub(super) enum Lies {
    /// All rows, of this number, in the one element.
    Together(usize),
    /// Each row, of this number, in the element that it is.
    Itself(usize),
    /// In these; [`NOWHERE`] for rows that lie in none.
    In(Arc<[u32]>),
}

impl Lies {
    /// The element of a row that there is, or [`NOWHERE`].
    pub(super) fn get(&self, row: usize) -> u32 {
        match self {
            Lies::Together(_) => 0,
            Lies::Itself(_) => row as u32,
            Lies::In(elements) => elements[row],
        }
    }

    /// For each row its element, or [`NOWHERE`].
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        let rows = match self {
            Lies::Together(rows) | Lies::Itself(rows) => *rows,
            Lies::In(elements) => elements.len(),
        };
        (0..rows).map(|row| self.get(row))
    }
}

/// The elements of every plate.
pub(super) struct Populated {
    /// `None` where a problem was reported.
    elements: Vec<Option<Arc<Elements>>>,
    /// For each table and plate, the element in which each row lies; `None` when the table does not have the key.
    at: Vec<Vec<Option<Lies>>>,
    /// Tables and plates for which rows with a bad key were reported.
    doubtful: IndexSet<(TableId, PlateId)>,
}

impl Populated {
    /// Finds the elements of every plate that is not fixed.
    pub(super) fn new(
        typed: &Typed,
        sources: &Sources,
        fixed: Option<&Fixed>,
        problems: &mut Problems,
    ) -> Populated {
        let plates = || (0..typed.plates.len()).map(|p| PlateId(p as u32));
        let mut elements = |plate| match fixed.filter(|fixed| fixed.has(plate)) {
            Some(fixed) => fixed.parts.populated.elements[plate.index()].clone(),
            None => elements(typed, sources, plate, problems).map(Arc::new),
        };
        let mut populated = Populated {
            elements: plates().map(&mut elements).collect(),
            at: Vec::new(),
            doubtful: IndexSet::new(),
        };
        for table in sources.tables() {
            if let (Some(fixed), true) = (fixed, table != MAIN) {
                let at = fixed.parts.populated.at[table].clone();
                populated.at.push(at);
                continue;
            }
            let row = plates()
                .map(|plate| populated.locate(typed, sources, table, plate, problems))
                .collect();
            populated.at.push(row);
        }
        populated
    }

    /// The elements of a plate; `None` where a problem was reported.
    pub(super) fn elements(&self, plate: PlateId) -> Option<&Elements> {
        self.elements[plate.index()].as_deref()
    }

    /// Counts this many elements in a plate that is not bound at once.
    pub(super) fn set_len(&mut self, plate: PlateId, len: usize) {
        self.elements[plate.index()] = Some(Arc::new(Elements::Numbers(len)));
    }

    /// The element of `plate` in which each row of `table` lies; `None` when the table does not have its key.
    pub(super) fn at(&self, table: TableId, plate: PlateId) -> Option<&Lies> {
        self.at[table][plate.index()].as_ref()
    }

    /// Whether rows of `table` with a bad key of `plate` were reported.
    pub(super) fn doubtful(&self, table: TableId, plate: PlateId) -> bool {
        self.doubtful.contains(&(table, plate))
    }

    fn locate(
        &mut self,
        typed: &Typed,
        sources: &Sources,
        table: TableId,
        plate: PlateId,
        problems: &mut Problems,
    ) -> Option<Lies> {
        let elements = self.elements[plate.index()].as_ref()?;
        let rows = sources.table(table).rows();
        match &typed.plates[plate.index()].source {
            PlateSource::Top => return Some(Lies::Together(rows)),
            PlateSource::Rows(_) if sources.own(plate) == Some(table) => {
                return Some(Lies::Itself(rows));
            }
            PlateSource::Rows(_)
            | PlateSource::Levels(_)
            | PlateSource::Union(_)
            | PlateSource::Count(_) => {}
        }
        if !sources.reads(plate).contains(&table) {
            return None;
        }
        let names = sources.key(plate);
        let columns = sources.columns(table, &names)?;
        let located = elements.locate(rows, &columns);
        if sources.lies_in(table, plate) {
            let bad = report_keys(typed, sources, table, plate, &located, problems);
            let repeated = sources.own(plate) == Some(table)
                && report_repeats(typed, sources, table, plate, &located.elements, problems);
            if bad || repeated {
                self.doubtful.insert((table, plate));
            }
        }
        Some(Lies::In(located.elements))
    }
}

/// The elements of a plate.
fn elements(
    typed: &Typed,
    sources: &Sources,
    plate: PlateId,
    problems: &mut Problems,
) -> Option<Elements> {
    match &typed.plates[plate.index()].source {
        PlateSource::Top => Some(Elements::Numbers(1)),
        PlateSource::Rows(_) => {
            let table = sources.table(sources.own(plate)?);
            Some(Elements::Numbers(table.rows()))
        }
        PlateSource::Count(n) => Some(Elements::Numbers(*n)),
        PlateSource::Levels(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // A table of its own has all elements; a key that it lacks is a problem elsewhere.
            let own: Vec<TableId> = sources.own(plate).into_iter().collect();
            let tables = if own.is_empty() {
                sources.reads(plate)
            } else {
                &own
            };
            let found: Vec<Vec<&Column>> = tables
                .iter()
                .filter_map(|t| sources.columns(*t, &names))
                .collect();
            if found.is_empty() {
                report_absent(typed, sources, plate, tables, &names, problems);
                return None;
            }
            let elsewhere = key_columns(typed, sources, plate);
            let elements = combinations(&found, names.len(), &elsewhere);
            some_of(elements, typed, sources, plate, tables, problems)
        }
        PlateSource::Union(names) => {
            let all: Vec<TableId> = sources.tables().collect();
            let absent: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|name| all.iter().all(|t| sources.table(*t).column(name).is_none()))
                .collect();
            if !absent.is_empty() {
                report_absent(typed, sources, plate, &all, &absent, problems);
                return None;
            }
            let found: Vec<Vec<&Column>> = all
                .iter()
                .flat_map(|t| names.iter().filter_map(|n| sources.table(*t).column(n)))
                .map(|column| vec![column])
                .collect();
            let elements = combinations(&found, 1, &key_columns(typed, sources, plate));
            some_of(elements, typed, sources, plate, &all, problems)
        }
    }
}

/// The elements, unless there are none.
fn some_of(
    elements: Elements,
    typed: &Typed,
    sources: &Sources,
    plate: PlateId,
    tables: &[TableId],
    problems: &mut Problems,
) -> Option<Elements> {
    if elements.len() > 0 {
        return Some(elements);
    }
    let plate = &typed.plates[plate.index()];
    problems.push(
        Problem::at(
            Code::ValueMissing,
            plate.span,
            format!("plate `{}` has no elements", plate.name),
        )
        .label(format!("no row of {} has a key", sources.files(tables)))
        .hint("fill in the columns that it is made of"),
    );
    None
}

/// The columns elsewhere that hold labels of a plate: all have a say in whether its labels are integers.
fn key_columns<'a>(typed: &Typed, sources: &Sources<'a>, plate: PlateId) -> Vec<&'a Column> {
    let mut found = Vec::new();
    for table in sources.reads(plate) {
        found.extend(
            sources
                .columns(*table, &sources.key(plate))
                .unwrap_or_default(),
        );
    }
    for column in typed
        .columns
        .iter()
        .filter(|c| c.kind == DataKind::Key(plate))
    {
        let ColumnSource::Named(name) = &column.from else {
            continue;
        };
        for table in sources.reads(column.plate) {
            found.extend(sources.table(*table).column(name));
        }
    }
    found
}

/// The distinct keys of `width` columns in several tables, in order.
fn combinations(tables: &[Vec<&Column>], width: usize, elsewhere: &[&Column]) -> Elements {
    let labelled: Vec<Vec<Labelled>> = tables
        .iter()
        .map(|columns| columns.iter().map(|c| Labelled::of(c)).collect())
        .collect();
    let beside: Vec<Labelled> = if width == 1 {
        elsewhere.iter().map(|c| Labelled::of(c)).collect()
    } else {
        Vec::new()
    };
    let levels: Vec<Level> = (0..width)
        .map(|k| {
            let labels = labelled.iter().flat_map(|t| t[k].names());
            Level::new(labels, beside.iter().flat_map(Labelled::names))
        })
        .collect();
    let mut keys: IndexSet<Key> = IndexSet::new();
    for columns in &labelled {
        let places: Vec<Vec<u32>> = columns
            .iter()
            .zip(&levels)
            .map(|(column, level)| {
                let place = |label| level.find(label).unwrap_or(NOWHERE);
                column.names().map(place).collect()
            })
            .collect();
        if let [places] = &places[..] {
            keys.extend(places.iter().map(|place| Key::from_slice(&[*place])));
            continue;
        }
        for row in 0..columns[0].codes.len() {
            let codes = columns.iter().map(|column| column.codes.get(row));
            if codes.clone().all(|code| code != NOWHERE) {
                keys.insert(codes.zip(&places).map(|(c, p)| p[c as usize]).collect());
            }
        }
    }
    keys.sort_unstable();
    Elements::Keys { levels, keys }
}

fn report_absent(
    typed: &Typed,
    sources: &Sources,
    plate: PlateId,
    tables: &[TableId],
    names: &[&str],
    problems: &mut Problems,
) {
    let plate = &typed.plates[plate.index()];
    if tables.is_empty() {
        return; // the table of the rows below was not given, which has been said
    }
    // A combination may have all columns, but spread over tables.
    let everywhere = |n: &&&str| tables.iter().any(|t| sources.table(*t).column(n).is_some());
    let absent = names.iter().find(|n| !everywhere(n)).or(names.first());
    let Some(name) = absent else {
        return;
    };
    problems.push(
        Problem::at(
            Code::KeyColumnAbsent,
            plate.span,
            format!("there is no column `{name}` in {}", sources.files(tables)),
        )
        .label(format!("the elements of `{}` are its values", plate.name))
        .hint(sources.hint_for(name, tables)),
    );
}

/// Reports rows whose key is missing or unknown; whether there are any.
fn report_keys(
    typed: &Typed,
    sources: &Sources,
    table: TableId,
    plate: PlateId,
    located: &Located,
    problems: &mut Problems,
) -> bool {
    let names = sources.key(plate);
    let declared = &typed.plates[plate.index()];
    problems.push_first(located.missing.len(), |i| {
        let place = sources.place(table, located.missing[i], &names, declared.span);
        Problem::in_data(
            Code::ValueMissing,
            place,
            format!("the key of `{}` is missing", declared.name),
        )
        .label("each row must lie in one of its elements")
        .hint("fill in the cell or remove the row")
    });
    let (lacking, hint) = match (sources.own(plate), &declared.source) {
        (Some(own), _) => (
            format!("`{}` has no row for it", sources.table(own).name()),
            "add a row for it there, or correct the spelling here",
        ),
        (None, PlateSource::Count(n)) => (
            format!("has the elements 1 … {n}"),
            "the column holds the number of the element, from 1",
        ),
        (
            None,
            PlateSource::Top
            | PlateSource::Rows(_)
            | PlateSource::Levels(_)
            | PlateSource::Union(_),
        ) => (
            "it stands in none of the columns that the plate is made of".to_string(),
            "correct the spelling",
        ),
    };
    problems.push_first(located.unknown.len(), |i| {
        let place = sources.place(table, located.unknown[i], &names, declared.span);
        let key = place.value.clone().unwrap_or_default();
        Problem::in_data(
            Code::KeyUnknown,
            place,
            format!("`{key}` is no element of `{}`", declared.name),
        )
        .label(lacking.clone())
        .hint(hint)
    });
    !located.missing.is_empty() || !located.unknown.is_empty()
}

/// Reports rows of a plate's own table with the same key; whether there are any.
fn report_repeats(
    typed: &Typed,
    sources: &Sources,
    table: TableId,
    plate: PlateId,
    elements: &[u32],
    problems: &mut Problems,
) -> bool {
    let declared = &typed.plates[plate.index()];
    let mut first: Vec<Option<usize>> = Vec::new();
    let mut repeats: Vec<(usize, usize)> = Vec::new();
    for (row, element) in elements.iter().enumerate() {
        if *element == NOWHERE {
            continue;
        }
        let element = *element as usize;
        if first.len() <= element {
            first.resize(element + 1, None);
        }
        match first[element] {
            None => first[element] = Some(row),
            Some(before) => repeats.push((row, before)),
        }
    }
    problems.push_first(repeats.len(), |i| {
        let (row, before) = repeats[i];
        let place = sources.place(table, row, &sources.key(plate), declared.span);
        let key = place.value.clone().unwrap_or_default();
        let line = sources.table(table).line(before);
        Problem::in_data(
            Code::KeyRepeats,
            place,
            format!("`{key}` stands in line {line} too"),
        )
        .label("has one element for each row of its table")
        .hint("keep one row for each key")
    });
    !repeats.is_empty()
}

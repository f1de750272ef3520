//! A bound model whose main table comes in groups of rows, one for each element of a plate: any of these are bound alone, whenever they are wanted.

use super::Frame;
use super::Labels;
use super::Model;
use super::frame::Above;
use super::frame::Rows;
use super::frame::streams;
use super::labels;
use super::sources::key;
use super::widths::possible;
use crate::data::Chunks;
use crate::data::Column;
use crate::data::Excerpt;
use crate::data::Groups;
use crate::data::Tables;
use crate::num::Shared;
use crate::problem::Code;
use crate::problem::DataPlace;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::source::Span;
use crate::typed;
use crate::typed::PlateSource;
use crate::typed::Typed;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// About how many rows are bound at a time where all are gone over.
const ROWS: usize = 1 << 13;

/// A model with its data but for what lies in the elements of one plate, which is on disk.
///
/// The elements have the numbers that they have where the whole table is bound.
pub struct Grouped {
    frame: Frame,
    groups: Groups,
    plate: PlateId,
}

impl Grouped {
    /// Binds a checked model to a table in chunks and further tables, whose main table is not looked at; also gives the warnings. The elements
    /// of `plate` are the values of one column, and the rows of each stand together. The rows that the model reads are copied to a file in
    /// `folder`, and bound once to check every cell.
    ///
    /// # Errors
    /// As of [`Frame::new`]; rows of an element that do not stand together; a copy that cannot be written.
    pub fn new(
        typed: &Arc<Typed>,
        plate: PlateId,
        chunks: &Chunks,
        tables: &Tables,
        folder: &Path,
    ) -> Result<(Grouped, Problems), Problems> {
        let plates = (0..typed.plates.len()).map(|p| PlateId(p as u32));
        let streamed = plates.map(|p| p == plate || streams(typed, p)).collect();
        let above = Above::new(typed, chunks, tables, streamed)?;
        let name = key(&typed.plates[plate.index()]).concat();
        let read = read(typed, chunks);
        let (mut groups, keys) = Groups::new(chunks, |n| read.contains(n), &name, folder)?;
        check_key(typed, plate, chunks, tables, &keys)?;
        check_missing(typed, plate, &groups, &keys)?;
        let (order, repeats) = labels::arranged(&keys);
        drop(keys);
        check_together(typed, plate, &groups, &repeats)?;
        groups.arrange(&order);
        drop(order);
        let count = groups.len() as u32;
        let sizes: Vec<usize> = (0..count).map(|i| groups.rows(i)).collect();
        let (mut frame, warnings) = above.frame(Rows {
            count: chunks.rows(),
            groups: Some((plate, sizes)),
            tables: &mut slices(&groups).map(|elements| groups.table(&elements)),
        })?;
        let labelled = |i: u32| Ok::<_, Problems>((groups.rows(i), groups.label(i)?));
        // The first of several, for the largest too.
        let least = (0..count).min_by_key(|i| groups.rows(*i));
        let most = (0..count).rev().max_by_key(|i| groups.rows(*i));
        if let (Some(least), Some(most)) = (least, most) {
            frame.report.plates[plate.index() - 1].rows = Some((labelled(least)?, labelled(most)?));
        }
        groups.number();
        let grouped = Grouped {
            frame,
            groups,
            plate,
        };
        Ok((grouped, warnings))
    }

    /// The model of these elements alone, in ascending order: theirs are all rows that there are.
    ///
    /// # Errors
    /// What the system says against reading them.
    pub fn model(&self, elements: &[u32]) -> Result<Model, Problems> {
        self.frame.bind(self.groups.table(elements)?)
    }

    /// The models of all elements, some at a time, in their order.
    pub fn models(&self) -> impl Iterator<Item = Result<Model, Problems>> {
        slices(&self.groups).map(|elements| self.model(&elements))
    }

    /// A model of some of the elements as if all were there, without a value of theirs.
    pub fn emptied(&self, mut model: Model) -> Model {
        for (p, plate) in model.plates.iter_mut().enumerate() {
            let id = PlateId(p as u32);
            if id == self.plate {
                plate.labels = Labels::Numbers(self.len());
            } else if self.frame.is_streamed(id) {
                plate.labels = Labels::Numbers(self.frame.rows());
            }
        }
        let columns = model.columns.iter_mut().zip(self.frame.typed().columns());
        for (bound, _) in columns.filter(|(_, column)| self.frame.is_streamed(column.plate)) {
            bound.values = Shared::zeros(0);
        }
        model
    }

    /// The plate.
    pub fn plate(&self) -> PlateId {
        self.plate
    }

    /// The number of its elements.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// All but the elements.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// The numbers of all groups, some of them at a time.
fn slices(groups: &Groups) -> impl Iterator<Item = Vec<u32>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let (first, mut rows) = (next, 0);
        while (next as usize) < groups.len() && (next == first || rows + groups.rows(next) <= ROWS)
        {
            rows += groups.rows(next);
            next += 1;
        }
        (next > first).then(|| (first..next).collect())
    })
}

/// The columns of the main table that plates and data are read from.
fn read(typed: &Typed, chunks: &Chunks) -> BTreeSet<String> {
    let main = Excerpt::new(chunks).table();
    let keys = typed.plates.iter().flat_map(|plate| match &plate.source {
        PlateSource::Union(names) => names.clone(),
        PlateSource::Top
        | PlateSource::Rows(_)
        | PlateSource::Levels(_)
        | PlateSource::Count(_) => key(plate).into_iter().map(str::to_owned).collect(),
    });
    let columns = (typed.columns.iter()).flat_map(|column| possible(&main, &column.from));
    keys.chain(columns).collect()
}

/// Where a group begins.
fn place(
    typed: &Typed,
    plate: PlateId,
    groups: &Groups,
    group: u32,
) -> Result<DataPlace, Problems> {
    let declared = &typed.plates[plate.index()];
    let (table, column) = (groups.table(&[group])?, key(declared).concat());
    Ok(DataPlace {
        file: table.name().to_owned(),
        line: Some(table.line(0)),
        value: Some(table.cell(0, &column)).filter(|cell| !cell.is_empty()),
        column: Some(column),
        declared: Some(declared.span),
    })
}

/// Refuses elements that have a table of their own, and texts that are data as well as keys: for these the numbers of elements stand.
fn check_key(
    typed: &Typed,
    plate: PlateId,
    chunks: &Chunks,
    tables: &Tables,
    keys: &Column,
) -> Result<(), Problems> {
    let declared = &typed.plates[plate.index()];
    let refused = |span: Span, what: String| -> Result<(), Problems> {
        Err(Problem::at(Code::RowsAtOnce, span, what)
            .hint("read the whole table, without `--stream`")
            .into())
    };
    if tables.others().any(|(name, _)| name == declared.name) {
        let what = format!("`{}` has a table of its own", declared.name);
        return refused(declared.span, what);
    }
    let (main, name) = (Excerpt::new(chunks).table(), key(declared).concat());
    let reads = |column: &&typed::Column| possible(&main, &column.from).contains(&name);
    match (keys, typed.columns.iter().find(reads)) {
        (Column::Texts { .. }, Some(column)) => refused(
            column.span,
            format!(
                "`{name}` is text, and both data and the key of `{}`",
                declared.name
            ),
        ),
        (Column::Texts { .. }, None) | (Column::Numbers(_), _) => Ok(()),
    }
}

/// Refuses rows that lie in no element.
fn check_missing(
    typed: &Typed,
    plate: PlateId,
    groups: &Groups,
    keys: &Column,
) -> Result<(), Problems> {
    let is_missing = |i: &u32| match keys {
        Column::Numbers(values) => values.get(*i as usize).is_nan(),
        Column::Texts { codes, .. } => codes.get(*i as usize) == Column::NONE,
    };
    let Some(group) = (0..groups.len() as u32).find(is_missing) else {
        return Ok(());
    };
    let name = &typed.plates[plate.index()].name;
    let place = place(typed, plate, groups, group)?;
    Err(Problem::in_data(
        Code::ValueMissing,
        place,
        format!("the key of `{name}` is missing"),
    )
    .label("each row must lie in one of its elements")
    .hint("fill in the cell or remove the row")
    .into())
}

/// Refuses elements whose rows stand in several places, by pairs of groups.
fn check_together(
    typed: &Typed,
    plate: PlateId,
    groups: &Groups,
    repeats: &[(u32, u32)],
) -> Result<(), Problems> {
    let name = &typed.plates[plate.index()].name;
    let mut problems = Problems::new();
    let mut places = Vec::new();
    for (before, after) in repeats.iter().take(SHOWN) {
        let place = |group: &u32| place(typed, plate, groups, *group);
        places.push((place(before)?, place(after)?));
    }
    problems.push_first(repeats.len(), |i| {
        let (before, after) = &places[i];
        let key = after.value.clone().unwrap_or_default();
        let line = before.line.unwrap_or_default();
        let column = after.column.clone().unwrap_or_default();
        Problem::in_data(
            Code::RowsApart,
            after.clone(),
            format!(
                "rows of {name} `{key}` stand here and, with others between, from line {line} on"
            ),
        )
        .label("its elements are read one by one")
        .hint(format!(
            "sort the table by `{column}`, or read all of it, without `--stream`"
        ))
    });
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

/// Problems of a kind that are shown, at most.
const SHOWN: usize = 3;

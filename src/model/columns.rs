//! Data columns: where they stand in the tables, and their values by element.

use super::BoundColumn;
use super::Known;
use super::cells::Reading;
use super::frame::Fixed;
use super::labels::Labelled;
use super::labels::Level;
use super::nesting::Above;
use super::plates::Populated;
use super::sources::Sources;
use super::widths::Found;
use super::widths::Sizes;
use super::widths::find;
use crate::num::Shared;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::Dim;
use crate::typed::Column;
use crate::typed::ColumnId;
use crate::typed::DataKind;
use crate::typed::SizeSource;
use crate::typed::Typed;

/// The largest number of levels that an ordinal without a list may have.
const LEVELS: usize = 1000;

/// Everything that columns are read with.
pub(super) struct Reader<'a> {
    pub(super) typed: &'a Typed,
    pub(super) sources: &'a Sources<'a>,
    pub(super) populated: &'a Populated,
    pub(super) above: &'a Above,
    /// What is known already.
    pub(super) fixed: Option<&'a Fixed>,
}

/// A column with the places that it was read from.
#[derive(Clone)]
pub(super) struct ReadColumn {
    pub(super) bound: BoundColumn,
    /// `None` for settings.
    pub(super) found: Option<Found>,
    /// The levels of a category whose labels are not integers.
    level: Option<Level>,
}

impl Reader<'_> {
    /// Reads every column, each when the sizes that its declaration names are known; `None` where a problem was reported.
    pub(super) fn columns(
        &self,
        sizes: &mut Sizes,
        problems: &mut Problems,
    ) -> Vec<Option<ReadColumn>> {
        let mut read: Vec<Option<ReadColumn>> = self.typed.columns.iter().map(|_| None).collect();
        let mut waiting: Vec<ColumnId> = (0..read.len()).map(|c| ColumnId(c as u32)).collect();
        loop {
            let (ready, later): (Vec<ColumnId>, Vec<ColumnId>) =
                waiting.iter().partition(|id| self.ready(**id, sizes));
            if ready.is_empty() {
                // What is left waits for a column that failed, which has been reported.
                return read;
            }
            for id in ready {
                read[id.index()] = self.column(id, sizes, problems);
            }
            waiting = later;
        }
    }

    /// Whether all sizes are known but those that the column itself fixes.
    fn ready(&self, id: ColumnId, sizes: &Sizes) -> bool {
        let column = &self.typed.columns[id.index()];
        let levels = match &column.kind {
            DataKind::Category(dim) | DataKind::Ordinal(dim, _) => Some(*dim),
            DataKind::Real
            | DataKind::Positive
            | DataKind::Unit
            | DataKind::Count
            | DataKind::Binary
            | DataKind::Key(_) => None,
        };
        column
            .event
            .iter()
            .copied()
            .chain(levels)
            .all(|dim| match dim {
                Dim::Fixed(_) => true,
                Dim::Size(size, _) => match self.typed.sizes[size.index()].source {
                    SizeSource::Columns(other) | SizeSource::Levels(other) if other == id => true,
                    SizeSource::Plate(_) | SizeSource::Columns(_) | SizeSource::Levels(_) => {
                        sizes.get(size).is_some()
                    }
                },
            })
    }

    fn column(
        &self,
        id: ColumnId,
        sizes: &mut Sizes,
        problems: &mut Problems,
    ) -> Option<ReadColumn> {
        let column = &self.typed.columns[id.index()];
        if let Some(fixed) = self.fixed.filter(|fixed| fixed.has(column.plate)) {
            return fixed.parts.read[id.index()].clone();
        }
        if let Some(values) = self.typed.given.get(&id) {
            let bound = self.given(id, column, values, sizes, problems)?;
            return Some(ReadColumn {
                bound,
                found: None,
                level: None,
            });
        }
        if self.is_unread(id, column) {
            return self.stand_in(id, column, sizes, problems);
        }
        let found = match find(self.typed, self.sources, id, sizes) {
            Ok(found) => found,
            Err(absent) => {
                problems.extend(absent);
                return None;
            }
        };
        sizes.fix_columns(self.typed, id, found.names.len(), problems)?;
        let levels = self.levels(id, column, &found, sizes, problems)?;
        let bound = self.values(column, &found, self.reading(column, &levels)?, problems);
        let bound = self.count_levels(id, column, bound, &levels, sizes, problems)?;
        Some(ReadColumn {
            bound,
            found: Some(found),
            level: match levels {
                Levels::Occurring(level) => Some(level),
                Levels::None | Levels::Upto(_) | Levels::Listed(_) => None,
            },
        })
    }

    /// Whether a column is not looked for.
    fn is_unread(&self, id: ColumnId, column: &Column) -> bool {
        let unread = |known: &Known| known.unread.contains(&id);
        column.event.is_empty() && self.sources.known.is_some_and(unread)
    }

    /// The levels that a column had in earlier data.
    fn known_levels(&self, column: &Column) -> Option<Level> {
        let labels = self.sources.known?.levels.get(&column.name)?;
        let labels = labels.iter().map(String::as_str);
        Some(Level::new(labels, std::iter::empty()))
    }

    /// A column that is not read, with a value that its type accepts.
    fn stand_in(
        &self,
        id: ColumnId,
        column: &Column,
        sizes: &mut Sizes,
        problems: &mut Problems,
    ) -> Option<ReadColumn> {
        let value = match &column.kind {
            DataKind::Unit => 0.5,
            DataKind::Key(_) => 0.0,
            DataKind::Real
            | DataKind::Positive
            | DataKind::Count
            | DataKind::Binary
            | DataKind::Category(_)
            | DataKind::Ordinal(..) => 1.0,
        };
        let values = vec![value; self.populated.elements(column.plate)?.len()];
        let levels = match (&column.kind, self.known_levels(column)) {
            (DataKind::Ordinal(_, labels), _) if !labels.is_empty() => Levels::Listed(labels),
            (_, Some(level)) => Levels::Occurring(level),
            (_, None) => Levels::None,
        };
        let bound = self.count_levels(id, column, Some(values.into()), &levels, sizes, problems)?;
        Some(ReadColumn {
            bound,
            found: None,
            level: None,
        })
    }

    /// The number of levels that the declaration asks for, when it is known.
    fn level_count(&self, id: ColumnId, dim: Dim, sizes: &Sizes) -> Option<usize> {
        match dim {
            Dim::Size(size, _)
                if self.typed.sizes[size.index()].source == SizeSource::Levels(id)
                    && sizes.get(size).is_none() =>
            {
                None
            }
            Dim::Fixed(_) | Dim::Size(..) => sizes.dim(dim),
        }
    }

    /// The levels of a category, of an ordinal; `None` after a problem.
    fn levels<'b>(
        &self,
        id: ColumnId,
        column: &'b Column,
        found: &Found,
        sizes: &Sizes,
        problems: &mut Problems,
    ) -> Option<Levels<'b>> {
        match &column.kind {
            DataKind::Real
            | DataKind::Positive
            | DataKind::Unit
            | DataKind::Count
            | DataKind::Binary
            | DataKind::Key(_) => Some(Levels::None),
            DataKind::Ordinal(_, labels) if !labels.is_empty() => Some(Levels::Listed(labels)),
            DataKind::Category(_) | DataKind::Ordinal(..) if self.sources.known.is_some() => {
                self.known_levels(column).map(Levels::Occurring)
            }
            DataKind::Category(_) | DataKind::Ordinal(..) if self.fixed.is_some() => {
                let known = self.fixed?.parts.read[id.index()].as_ref()?;
                Some(match &known.level {
                    Some(level) => Levels::Occurring(level.clone()),
                    None => Levels::Upto(Some(known.bound.levels.len())),
                })
            }
            DataKind::Ordinal(dim, _) => Some(Levels::Upto(self.level_count(id, *dim, sizes))),
            DataKind::Category(dim) => {
                let tables = found.tables.iter();
                let labelled: Vec<Labelled> = tables
                    .flat_map(|t| self.sources.columns(*t, &found.names).unwrap_or_default())
                    .map(Labelled::of)
                    .collect();
                let labels = labelled.iter().flat_map(Labelled::names);
                let level = Level::new(labels, std::iter::empty());
                let Some(k) = self.level_count(id, *dim, sizes) else {
                    return Some(Levels::Occurring(level));
                };
                if level.integers() {
                    return Some(Levels::Upto(Some(k)));
                }
                let n = level.sorted.len();
                if n != k {
                    let first: Vec<&str> =
                        level.sorted.iter().take(10).map(String::as_str).collect();
                    problems.push(
                        Problem::at(
                            Code::LevelCount,
                            column.span,
                            format!("`{}` has {n} levels in the data, {k} in the model", column.name),
                        )
                        .label(format!("declared with {k} levels"))
                        .hint(format!(
                            "the data have `{}`{}; `category` without a number takes the levels that occur",
                            first.join("`, `"),
                            if n > first.len() { " …" } else { "" }
                        )),
                    );
                    return None;
                }
                Some(Levels::Occurring(level))
            }
        }
    }

    fn reading<'b>(&'b self, column: &'b Column, levels: &'b Levels) -> Option<Reading<'b>> {
        Some(match (&column.kind, levels) {
            (DataKind::Real, _) => Reading::Real,
            (DataKind::Positive, _) => Reading::Positive,
            (DataKind::Unit, _) => Reading::Unit,
            (DataKind::Count, _) => Reading::Count,
            (DataKind::Binary, _) => Reading::Binary,
            (DataKind::Key(plate), _) => Reading::Element(
                self.populated.elements(*plate)?,
                &self.typed.plates[plate.index()].name,
            ),
            (DataKind::Category(_) | DataKind::Ordinal(..), levels) => match levels {
                Levels::None | Levels::Upto(None) => Reading::Upto(usize::MAX),
                Levels::Upto(Some(k)) => Reading::Upto(*k),
                Levels::Listed(labels) => Reading::Listed(labels),
                Levels::Occurring(level) => Reading::Level(level),
            },
        })
    }

    /// Fixes the number of levels, and gives them their labels.
    fn count_levels(
        &self,
        id: ColumnId,
        column: &Column,
        values: Option<Shared>,
        levels: &Levels,
        sizes: &mut Sizes,
        problems: &mut Problems,
    ) -> Option<BoundColumn> {
        let labels: Vec<String> = match levels {
            Levels::None => Vec::new(),
            Levels::Listed(labels) => labels.to_vec(),
            Levels::Occurring(level) => level.sorted.iter().cloned().collect(),
            Levels::Upto(Some(k)) => (1..=*k).map(|i| i.to_string()).collect(),
            Levels::Upto(None) => {
                let largest = values.as_ref()?.iter().copied().fold(0.0, f64::max);
                if largest > LEVELS as f64 {
                    problems.push(
                        Problem::at(
                            Code::LevelCount,
                            column.span,
                            format!(
                                "`{}` goes up to {largest}: that many levels are not fitted",
                                column.name
                            ),
                        )
                        .label(format!("an ordinal has at most {LEVELS} levels"))
                        .hint(format!(
                            "`{}: count` or `{}: real` for a measurement",
                            column.name, column.name
                        )),
                    );
                    return None;
                }
                (1..=largest as usize).map(|i| i.to_string()).collect()
            }
        };
        sizes.fix_levels(self.typed, id, labels.len(), problems)?;
        let values = values?;
        let width = column
            .event
            .iter()
            .try_fold(1, |n, dim| Some(n * sizes.dim(*dim)?))?;
        Some(BoundColumn {
            values,
            width,
            levels: labels,
        })
    }

    /// A column of the top level that a setting gives.
    fn given(
        &self,
        id: ColumnId,
        column: &Column,
        values: &[f64],
        sizes: &mut Sizes,
        problems: &mut Problems,
    ) -> Option<BoundColumn> {
        sizes.fix_columns(self.typed, id, values.len(), problems)?;
        let levels = match &column.kind {
            DataKind::Category(dim) | DataKind::Ordinal(dim, _) => {
                Levels::Upto(self.level_count(id, *dim, sizes))
            }
            DataKind::Real
            | DataKind::Positive
            | DataKind::Unit
            | DataKind::Count
            | DataKind::Binary
            | DataKind::Key(_) => Levels::None,
        };
        let reading = self.reading(column, &levels)?;
        let mut read = Vec::new();
        for value in values {
            match reading.number(*value) {
                Ok(value) => read.push(value),
                Err(code) => {
                    let (message, _) = reading.refusal(code, &column.name, &value.to_string());
                    problems.push(
                        Problem::at(code, column.span, format!("{message}, as set with `--set`"))
                            .label(reading.expected())
                            .hint("set another value"),
                    );
                    return None;
                }
            }
        }
        self.count_levels(id, column, Some(read.into()), &levels, sizes, problems)
    }
}

/// The levels of a column.
enum Levels<'a> {
    /// It has none.
    None,
    /// The integers 1 … K; K is the largest that occurs when the declaration does not say.
    Upto(Option<usize>),
    /// Those of the declaration.
    Listed(&'a [String]),
    /// Those that occur.
    Occurring(Level),
}

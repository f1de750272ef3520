//! Which tables a plate reads: its own, and those of the rows below it.

use super::Known;
use crate::data::Column;
use crate::data::Table;
use crate::data::Tables;
use crate::problem::Code;
use crate::problem::DataPlace;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::problem::did_you_mean;
use crate::shape::PlateId;
use crate::source::Span;
use crate::typed::Plate;
use crate::typed::PlateSource;
use crate::typed::Typed;

/// How many names a hint lists.
const LISTED: usize = 20;

/// A table by its place: 0 is the main one.
pub(super) type TableId = usize;

/// The main table.
pub(super) const MAIN: TableId = 0;

/// The tables, and which plate reads which.
pub(super) struct Sources<'a> {
    typed: &'a Typed,
    /// What the model calls each table, and the table.
    tables: Vec<(&'a str, &'a Table)>,
    /// The table whose rows are a plate's elements.
    own: Vec<Option<TableId>>,
    /// The tables in which a plate's keys and columns are looked for: its own first.
    reads: Vec<Vec<TableId>>,
    /// What earlier data say.
    pub(super) known: Option<&'a Known>,
}

impl<'a> Sources<'a> {
    /// Finds the tables of every plate; reports those that were not given.
    pub(super) fn new(
        typed: &'a Typed,
        tables: &'a Tables,
        problems: &mut Problems,
    ) -> Sources<'a> {
        let tables: Vec<(&str, &Table)> = std::iter::once(("main", tables.main()))
            .chain(tables.others())
            .collect();
        let mut sources = Sources {
            typed,
            tables,
            own: Vec::new(),
            reads: Vec::new(),
            known: None,
        };
        for plate in &typed.plates {
            let own = match &plate.source {
                PlateSource::Rows(name) => sources.rows_of(name.as_deref(), plate.span, problems),
                PlateSource::Levels(_) => sources
                    .others()
                    .find(|t| sources.tables[*t].0 == plate.name),
                PlateSource::Top | PlateSource::Union(_) | PlateSource::Count(_) => None,
            };
            sources.own.push(own);
        }
        sources.reads = (0..typed.plates.len())
            .map(|p| sources.read_by(PlateId(p as u32)))
            .collect();
        sources
    }

    fn others(&self) -> impl Iterator<Item = TableId> + use<> {
        1..self.tables.len()
    }

    fn rows_of(&self, name: Option<&str>, span: Span, problems: &mut Problems) -> Option<TableId> {
        let name = name.unwrap_or("main");
        let Some(id) = self.tables.iter().position(|(n, _)| *n == name) else {
            let known: Vec<&str> = self.tables.iter().map(|(n, _)| *n).collect();
            let hint = match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("give it with `--table {name}=FILE`"),
            };
            problems.push(
                Problem::at(
                    Code::TableAbsent,
                    span,
                    format!("there is no table `{name}`"),
                )
                .label(format!("has one element for each row of `{name}`"))
                .hint(hint),
            );
            return None;
        };
        let table = self.tables[id].1;
        if table.rows() == 0 {
            problems.push(if table.name().is_empty() {
                Problem::at(Code::TableUnreadable, span, "no data file was given")
                    .label("has one element for each row of the main table")
                    .hint("name the table after the model: `hvic fit model.hvi data.csv`")
            } else {
                let place = DataPlace {
                    file: table.name().to_string(),
                    declared: Some(span),
                    ..DataPlace::default()
                };
                Problem::in_data(
                    Code::TableEmpty,
                    place,
                    format!("`{}` has a header but no rows", table.name()),
                )
                .label("has one element for each row")
            });
            return None;
        }
        Some(id)
    }

    fn read_by(&self, plate: PlateId) -> Vec<TableId> {
        let mut found: Vec<TableId> = self.own[plate.index()].into_iter().collect();
        let below = |other: &usize| self.typed.determines(PlateId(*other as u32), plate);
        let plates: Vec<usize> = (0..self.own.len()).filter(below).collect();
        for table in plates.iter().filter_map(|other| self.own[*other]) {
            if !found.contains(&table) {
                found.push(table);
            }
        }
        let has_rows = plates
            .iter()
            .any(|p| matches!(self.typed.plates[*p].source, PlateSource::Rows(_)));
        // No rows below: a dimension, or a plate that key columns alone reach.
        if plate == PlateId::TOP || (found.is_empty() && !has_rows) {
            found = (0..self.tables.len()).collect();
        }
        found
    }

    /// What the model calls a table.
    pub(super) fn table_name(&self, id: TableId) -> &'a str {
        self.tables[id].0
    }

    /// A table.
    pub(super) fn table(&self, id: TableId) -> &'a Table {
        self.tables[id].1
    }

    /// All tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = TableId> + use<> {
        0..self.tables.len()
    }

    /// The table whose rows are a plate's elements.
    pub(super) fn own(&self, plate: PlateId) -> Option<TableId> {
        self.own[plate.index()]
    }

    /// The tables in which a plate's keys and columns are looked for.
    pub(super) fn reads(&self, plate: PlateId) -> &[TableId] {
        &self.reads[plate.index()]
    }

    /// Whether rows of a table lie in elements of a plate (they may also be the elements themselves).
    pub(super) fn lies_in(&self, table: TableId, plate: PlateId) -> bool {
        (0..self.own.len())
            .any(|p| self.own[p] == Some(table) && self.typed.determines(PlateId(p as u32), plate))
    }

    /// The names of the columns that say in which element of a plate a row lies.
    pub(super) fn key(&self, plate: PlateId) -> Vec<&'a str> {
        key(&self.typed.plates[plate.index()])
    }

    /// The columns of a table by these names; `None` unless it has them all.
    pub(super) fn columns(
        &self,
        table: TableId,
        names: &[impl AsRef<str>],
    ) -> Option<Vec<&'a Column>> {
        let table = self.table(table);
        names.iter().map(|n| table.column(n.as_ref())).collect()
    }

    /// A place in a table, asked for by a declaration.
    pub(super) fn place(
        &self,
        table: TableId,
        row: usize,
        columns: &[&str],
        declared: Span,
    ) -> DataPlace {
        let table = self.table(table);
        let cells: Vec<String> = columns.iter().map(|c| table.cell(row, c)).collect();
        DataPlace {
            file: table.name().to_string(),
            line: Some(table.line(row)),
            column: Some(columns.join("`, `")),
            value: Some(cells.join("`, `")).filter(|_| cells.iter().all(|c| !c.is_empty())),
            declared: Some(declared),
        }
    }

    /// The files of these tables, for a sentence: "`a.csv` or `b.csv`"; "the data" without any.
    pub(super) fn files(&self, tables: &[TableId]) -> String {
        let names = tables.iter().map(|t| self.table(*t).name());
        let names: Vec<String> = names
            .filter(|n| !n.is_empty())
            .map(|n| format!("`{n}`"))
            .collect();
        if names.is_empty() {
            "the data".to_string()
        } else {
            names.join(" or ")
        }
    }

    /// The column of any table that `name` was probably meant to be.
    pub(super) fn named_like(&self, name: &str) -> Option<&'a str> {
        did_you_mean(
            name,
            self.tables.iter().flat_map(|(_, table)| table.names()),
        )
    }

    /// How to go on when no column is named `name` in `tables`.
    pub(super) fn hint_for(&self, name: &str, tables: &[TableId]) -> String {
        let names: Vec<&str> = tables.iter().flat_map(|t| self.table(*t).names()).collect();
        if let Some(near) = did_you_mean(name, names.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        if let Some(table) = self
            .tables()
            .find(|t| self.table(*t).column(name).is_some())
        {
            return format!(
                "`{}` has it, but no row of it lies in this plate; a table named like a `levels` plate holds its columns",
                self.table(table).name()
            );
        }
        let listed: Vec<String> = names
            .iter()
            .take(LISTED)
            .map(|n| format!("`{n}`"))
            .collect();
        let more = names.len().saturating_sub(LISTED);
        if listed.is_empty() {
            return "name the data file after the model".to_string();
        }
        format!(
            "the columns are {}{}",
            listed.join(", "),
            if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            }
        )
    }
}

/// The names of the columns that say in which element of a plate a row lies.
pub(super) fn key(plate: &Plate) -> Vec<&str> {
    match &plate.source {
        PlateSource::Levels(columns) => columns.iter().map(String::as_str).collect(),
        PlateSource::Top | PlateSource::Rows(_) | PlateSource::Union(_) | PlateSource::Count(_) => {
            vec![plate.name.as_str()]
        }
    }
}

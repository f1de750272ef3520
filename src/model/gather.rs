//! The values of a column by element, gathered from the rows, and what is said of rows that do not fit.

use super::cells::Reading;
use super::columns::Reader;
use super::labels::NOWHERE;
use super::plates::Lies;
use super::sources::TableId;
use super::widths::Found;
use crate::num::Shared;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::Column;
use rayon::prelude::*;

/// Rows that one thread goes through at a time.
const AT_ONCE: usize = 1 << 14;

impl Reader<'_> {
    /// The values by element; `None` after a problem.
    pub(super) fn values(
        &self,
        column: &Column,
        found: &Found,
        reading: Reading,
        problems: &mut Problems,
    ) -> Option<Shared> {
        if let Some(values) = self.by_row(column, found, reading) {
            return Some(values);
        }
        let len = self.populated.elements(column.plate)?.len();
        let mut gathered = Gathered::new(len, found.names.len());
        let mut doubtful = false;
        for table in &found.tables {
            let Some(rows) = self.rows(*table, column.plate) else {
                doubtful = true;
                continue;
            };
            doubtful |= self.populated.doubtful(*table, column.plate);
            for (k, source) in self
                .sources
                .columns(*table, &found.names)?
                .into_iter()
                .enumerate()
            {
                let cells = reading.cells(source);
                for (row, element) in rows.iter().enumerate().filter(|(_, e)| *e != NOWHERE) {
                    gathered.add(k, element as usize, cells.get(row), (*table, row));
                }
            }
        }
        self.report_refused(column, found, reading, &gathered, problems);
        if !doubtful {
            self.report_varying(column, found, &gathered, problems);
        }
        let whole = gathered.refused.is_empty() && gathered.varying.is_empty();
        let empty: Vec<usize> = (0..len).filter(|i| gathered.first[*i].is_none()).collect();
        if whole && !doubtful {
            self.report_empty(column, found, &empty, problems);
        }
        (whole && empty.is_empty()).then(|| gathered.values.into())
    }

    /// The values of a column that has one for each row of one table, shared with the table where they are the same; `None` when it is
    /// another column, or a cell is refused.
    fn by_row(&self, column: &Column, found: &Found, reading: Reading) -> Option<Shared> {
        let [table] = found.tables[..] else {
            return None;
        };
        let Some(Lies::Itself(rows)) = self.populated.at(table, column.plate) else {
            return None;
        };
        let mut values: Option<Shared> = None;
        let width = found.names.len();
        for (k, source) in self
            .sources
            .columns(table, &found.names)?
            .into_iter()
            .enumerate()
        {
            let cells = reading.cells(source);
            if let (1, Some(shared)) = (width, cells.unchanged()) {
                return Some(shared);
            }
            let values = values.get_or_insert_with(|| Shared::zeros(rows * width));
            let part = &mut values.get_mut()?[k * rows..][..*rows];
            let filled = part
                .par_chunks_mut(AT_ONCE)
                .enumerate()
                .try_for_each(|(k, part)| {
                    for (row, value) in (k * AT_ONCE..).zip(part) {
                        *value = cells.get(row).ok()?;
                    }
                    Some(())
                });
            filled?;
        }
        values
    }

    /// The element of `plate` in which each row of `table` lies: by its own key, or by that of the plate whose rows they are.
    pub(super) fn rows(&self, table: TableId, plate: PlateId) -> Option<Lies> {
        if let Some(rows) = self.populated.at(table, plate) {
            return Some(rows.clone());
        }
        (0..self.typed.plates.len())
            .map(|p| PlateId(p as u32))
            .filter(|p| self.sources.own(*p) == Some(table))
            .find_map(|p| {
                let (rows, map) = (
                    self.populated.at(table, p)?,
                    self.above[p.index()].get(&plate)?,
                );
                let lift = |e: u32| map.get(e as usize).copied().unwrap_or(NOWHERE);
                Some(Lies::In(rows.iter().map(lift).collect()))
            })
    }

    fn report_refused(
        &self,
        column: &Column,
        found: &Found,
        reading: Reading,
        gathered: &Gathered,
        problems: &mut Problems,
    ) {
        let kinds = [
            Code::ValueMissing,
            Code::NoNumber,
            Code::OutsideType,
            Code::LevelUnknown,
            Code::KeyUnknown,
        ];
        for code in kinds {
            let cells: Vec<&Refused> = gathered.refused.iter().filter(|r| r.code == code).collect();
            problems.push_first(cells.len(), |i| {
                let Refused {
                    component,
                    at: (table, row),
                    ..
                } = cells[i];
                let name = &found.names[*component];
                let place = self.sources.place(*table, *row, &[name], column.span);
                let cell = place.value.clone().unwrap_or_default();
                let (message, hint) = reading.refusal(code, &column.name, &cell);
                Problem::in_data(code, place, message)
                    .label(reading.expected())
                    .hint(hint)
            });
        }
    }

    fn report_varying(
        &self,
        column: &Column,
        found: &Found,
        gathered: &Gathered,
        problems: &mut Problems,
    ) {
        let plate = &self.typed.plates[column.plate.index()];
        problems.push_first(gathered.varying.len(), |i| {
            let Varying {
                component,
                element,
                at: (table, row),
            } = gathered.varying[i];
            let name = &found.names[component];
            let place = self.sources.place(table, row, &[name], column.span);
            let here = place.value.clone().unwrap_or_default();
            let (before, line) = match gathered.first[element] {
                Some((t, r)) if t == table => (
                    self.sources.table(t).cell(r, name),
                    format!("line {}", self.sources.table(t).line(r)),
                ),
                Some((t, r)) => (
                    self.sources.table(t).cell(r, name),
                    format!(
                        "`{}`, line {}",
                        self.sources.table(t).name(),
                        self.sources.table(t).line(r)
                    ),
                ),
                None => (String::new(), String::new()),
            };
            let (of, label) = if column.plate == PlateId::TOP {
                (
                    String::new(),
                    "has one value for the whole model".to_string(),
                )
            } else {
                let element = self
                    .populated
                    .elements(column.plate)
                    .map(|e| e.label(element));
                (
                    format!(" of {} `{}`", plate.name, element.unwrap_or_default()),
                    format!("has one value for each `{}`", plate.name),
                )
            };
            let problem = Problem::in_data(
                Code::GroupVaries,
                place,
                format!("`{name}`{of} is `{here}` here, and `{before}` in {line}"),
            )
            .label(label);
            let rows = (0..self.typed.plates.len())
                .map(|p| PlateId(p as u32))
                .find(|p| *p != column.plate && self.sources.own(*p) == Some(table));
            match rows {
                Some(rows) => problem.hint(format!(
                    "correct the cell, or declare `{}` in `{}`, where each row has a value",
                    column.name,
                    self.typed.plates[rows.index()].name
                )),
                None => problem.hint("correct one of the two"),
            }
        });
    }

    fn report_empty(
        &self,
        column: &Column,
        found: &Found,
        empty: &[usize],
        problems: &mut Problems,
    ) {
        let plate = &self.typed.plates[column.plate.index()];
        if column.plate == PlateId::TOP && !empty.is_empty() {
            let message = format!("no row gives a value of `{}`", column.name);
            problems.push(
                Problem::at(Code::NoValue, column.span, message)
                    .label(format!("read from {}", self.sources.files(&found.tables)))
                    .hint(format!("set it with `--set {}=…`", column.name)),
            );
            return;
        }
        problems.push_first(empty.len(), |i| {
            let label = self
                .populated
                .elements(column.plate)
                .map_or_else(String::new, |e| e.label(empty[i]));
            Problem::at(
                Code::NoValue,
                column.span,
                format!("{} `{label}` has no value of `{}`", plate.name, column.name),
            )
            .label(format!("read from {}", self.sources.files(&found.tables)))
            .hint(format!(
                "no row lies in it: put `{}` into a table of `{}`, or leave the element out",
                found.names.join("`, `"),
                plate.name
            ))
        });
    }
}

/// A row of a table.
type At = (TableId, usize);

/// Values as they are found, row by row.
struct Gathered {
    /// Component `k` of element `i` at `k * len + i`; NaN as long as it is not known.
    values: Vec<f64>,
    /// Where the first value of each element stands.
    first: Vec<Option<At>>,
    refused: Vec<Refused>,
    /// One for each element that varies.
    varying: Vec<Varying>,
    varies: Vec<bool>,
}

/// A cell that the type does not accept.
struct Refused {
    code: Code,
    component: usize,
    at: At,
}

/// A cell that differs from an earlier one of the same element.
#[derive(Clone, Copy)]
struct Varying {
    component: usize,
    element: usize,
    at: At,
}

impl Gathered {
    fn new(len: usize, width: usize) -> Gathered {
        Gathered {
            values: vec![f64::NAN; len * width],
            first: vec![None; len],
            refused: Vec::new(),
            varying: Vec::new(),
            varies: vec![false; len],
        }
    }

    fn add(&mut self, component: usize, element: usize, cell: Result<f64, Code>, at: At) {
        if self.first[element].is_none() {
            self.first[element] = Some(at);
        }
        let value = match cell {
            Ok(value) => value,
            Err(code) => {
                self.refused.push(Refused {
                    code,
                    component,
                    at,
                });
                return;
            }
        };
        let known = &mut self.values[component * self.first.len() + element];
        if known.is_nan() {
            *known = value;
        } else if *known != value && !self.varies[element] {
            self.varies[element] = true;
            self.varying.push(Varying {
                component,
                element,
                at,
            });
        }
    }
}

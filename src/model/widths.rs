//! Sizes as data fix them, and the columns of a table that make up a declared one.

use super::sources::Sources;
use super::sources::TableId;
use crate::data::Table;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::Dim;
use crate::shape::PlateId;
use crate::shape::SizeId;
use crate::typed::ColumnId;
use crate::typed::ColumnSource;
use crate::typed::SizeSource;
use crate::typed::Typed;

/// The sizes known so far.
#[derive(Clone)]
pub(super) struct Sizes {
    known: Vec<Option<usize>>,
}

impl Sizes {
    /// The sizes that the plates fix, by `len`, and others as they are already known.
    pub(super) fn of_plates(
        typed: &Typed,
        known: Option<&Sizes>,
        len: impl Fn(PlateId) -> Option<usize>,
    ) -> Sizes {
        let known = typed
            .sizes
            .iter()
            .enumerate()
            .map(|(i, size)| match size.source {
                SizeSource::Plate(plate) => len(plate),
                SizeSource::Columns(_) | SizeSource::Levels(_) => known?.known[i],
            });
        Sizes {
            known: known.collect(),
        }
    }

    /// A size, when it is known.
    pub(super) fn get(&self, id: SizeId) -> Option<usize> {
        self.known[id.index()]
    }

    /// A dimension, when it is known.
    pub(super) fn dim(&self, dim: Dim) -> Option<usize> {
        match dim {
            Dim::Fixed(n) => Some(n),
            Dim::Size(id, plus) => Some(self.get(id)?.saturating_add_signed(plus as isize)),
        }
    }

    /// All of them, once every one is known.
    pub(super) fn all(self) -> Option<Vec<usize>> {
        self.known.into_iter().collect()
    }

    /// The number of components that the declaration of a column asks for, when it is known.
    pub(super) fn width(&self, typed: &Typed, id: ColumnId) -> Option<usize> {
        let event = &typed.columns[id.index()].event;
        event.iter().try_fold(1, |n, dim| Some(n * self.dim(*dim)?))
    }

    /// Fixes the sizes that the number of a column's components decides; `None` after a problem.
    pub(super) fn fix_columns(
        &mut self,
        typed: &Typed,
        id: ColumnId,
        width: usize,
        problems: &mut Problems,
    ) -> Option<()> {
        let column = &typed.columns[id.index()];
        let others: usize = column
            .event
            .iter()
            .filter_map(|dim| self.dim(*dim))
            .product();
        let open = column.event.iter().find_map(|dim| match dim {
            Dim::Size(size, plus) if self.get(*size).is_none() => Some((*size, *plus)),
            Dim::Size(..) | Dim::Fixed(_) => None,
        });
        if let Some((size, plus)) = open {
            let length = width / others.max(1);
            self.known[size.index()] = Some(length.saturating_add_signed(-plus as isize));
        }
        if self.width(typed, id) == Some(width) {
            return Some(());
        }
        let given = typed.given.contains_key(&id);
        let unit = if given { "value" } else { "column" };
        let asked: Vec<String> = column
            .event
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(n) => n.to_string(),
                Dim::Size(size, _) => format!(
                    "{} = {}",
                    typed.sizes[size.index()].name,
                    self.get(*size).unwrap_or_default()
                ),
            })
            .collect();
        let mut problem = Problem::at(
            Code::SizesDiffer,
            column.span,
            format!(
                "`{}` has {width} {unit}{} for the shape `[{}]`",
                column.name,
                if width == 1 { "" } else { "s" },
                asked.join(", ")
            ),
        )
        .label(match self.width(typed, id) {
            Some(n) => format!("asks for {n}"),
            None => "no size of the shape fits".to_string(),
        });
        for dim in &column.event {
            if let Dim::Size(size, _) = dim {
                let (SizeSource::Columns(other) | SizeSource::Levels(other)) =
                    typed.sizes[size.index()].source
                else {
                    continue;
                };
                if other != id {
                    let name = &typed.sizes[size.index()].name;
                    let span = typed.columns[other.index()].span;
                    problem = problem.other(span, format!("fixes `{name}`"));
                }
            }
        }
        problems.push(problem);
        None
    }

    /// Fixes the sizes that the number of a column's levels decides; `None` after a problem.
    pub(super) fn fix_levels(
        &mut self,
        typed: &Typed,
        id: ColumnId,
        levels: usize,
        problems: &mut Problems,
    ) -> Option<()> {
        for (size, known) in typed.sizes.iter().zip(&mut self.known) {
            if size.source != SizeSource::Levels(id) {
                continue;
            }
            if known.is_some_and(|n| n != levels) {
                let column = &typed.columns[id.index()];
                problems.push(
                    Problem::at(
                        Code::SizesDiffer,
                        column.span,
                        format!(
                            "`{}` has {levels} levels, but `{}` is {}",
                            column.name,
                            size.name,
                            known.unwrap_or_default()
                        ),
                    )
                    .label("fixed here and elsewhere"),
                );
                return None;
            }
            *known = Some(levels);
        }
        Some(())
    }
}

/// Where the components of a declared column stand.
#[derive(Clone)]
pub(super) struct Found {
    /// The tables' columns, one for each component.
    pub(super) names: Vec<String>,
    /// The tables that have them all, the plate's own first.
    pub(super) tables: Vec<TableId>,
}

/// Finds the columns of a declaration in the tables that its plate reads.
///
/// # Errors
/// The column that is absent; nothing when the table itself is, which has been said.
pub(super) fn find(
    typed: &Typed,
    sources: &Sources,
    id: ColumnId,
    sizes: &Sizes,
) -> Result<Found, Problems> {
    let column = &typed.columns[id.index()];
    let scalar = column.event.is_empty();
    let width = sizes.width(typed, id);
    let reads = sources.reads(column.plate);
    let components =
        |table: &TableId| components(sources.table(*table), &column.from, scalar, width);
    if let Some(names) = reads.iter().find_map(components) {
        let same = |t: &TableId| sources.columns(*t, &names).is_some();
        let tables = reads.iter().copied().filter(same).collect();
        return Ok(Found { names, tables });
    }
    if reads.is_empty() {
        return Err(Problems::new());
    }
    let from = &sources.files(reads);
    let set = format!("set it with `--set {}=…`, or give it a column", column.name);
    let hint = |name: &str| {
        if column.plate == PlateId::TOP && sources.named_like(name).is_none() {
            set.clone()
        } else {
            sources.hint_for(name, reads)
        }
    };
    let label = match column.plate {
        PlateId::TOP => "has one value, from a column or a setting".to_string(),
        plate => format!(
            "is read from {from} (plate `{}`)",
            typed.plates[plate.index()].name
        ),
    };
    Err(match &column.from {
        ColumnSource::Named(name) if scalar => Problem::at(
            Code::ColumnAbsent,
            column.span,
            format!("there is no column `{name}` in {from}"),
        )
        .hint(hint(name)),
        ColumnSource::Named(name) => Problem::at(
            Code::ColumnsAbsent,
            column.span,
            format!("there are no columns `{name}[1]`, `{name}[2]` … or `{name}1`, `{name}2` … in {from}"),
        )
        .hint(match width {
            Some(n) => format!("`{name}` takes {n} of them; `= columns(a, b, …)` names others"),
            None => format!("`data {name}: … = columns(a, b, …)` names others"),
        }),
        ColumnSource::Many(names) => {
            let lacking = |n: &&String| reads.iter().all(|t| sources.table(*t).column(n).is_none());
            let name = names.iter().find(lacking).or(names.first());
            let name = name.map(String::as_str).unwrap_or_default();
            Problem::at(
                Code::ColumnsAbsent,
                column.span,
                format!("there is no column `{name}` in {from}"),
            )
            .hint(hint(name))
        }
        ColumnSource::Pattern(pattern) => Problem::at(
            Code::ColumnsAbsent,
            column.span,
            format!("no column of {from} matches `{pattern}`"),
        )
        .hint(hint(pattern)),
    }
    .label(label).into())
}

/// The columns of a table that may be components of a declared one, whatever its shape.
pub(super) fn possible(table: &Table, from: &ColumnSource) -> Vec<String> {
    let has = |name: &&String| table.column(name).is_some();
    match from {
        ColumnSource::Named(name) => {
            let styles = STYLES.iter().flat_map(|style| {
                let names = (1..).map(|k| style(name, k));
                names.take_while(|name| has(&name))
            });
            [name.clone()]
                .into_iter()
                .filter(|name| has(&name))
                .chain(styles)
                .collect()
        }
        ColumnSource::Many(names) => names.iter().filter(has).cloned().collect(),
        ColumnSource::Pattern(pattern) => {
            let names = table.names().filter(|name| matches(pattern, name));
            names.map(str::to_string).collect()
        }
    }
}

/// How the components of a column may be named.
const STYLES: [fn(&str, usize) -> String; 3] = [
    |name, k| format!("{name}[{k}]"),
    |name, k| format!("{name}{k}"),
    |name, k| format!("{name}_{k}"),
];

/// The columns of one table that make up a declared one.
fn components(
    table: &Table,
    from: &ColumnSource,
    scalar: bool,
    width: Option<usize>,
) -> Option<Vec<String>> {
    let has = |name: &String| table.column(name).is_some();
    match from {
        ColumnSource::Named(name) if scalar => Some(vec![name.clone()]).filter(|n| has(&n[0])),
        ColumnSource::Named(name) => STYLES.iter().find_map(|style| {
            let names: Vec<String> = (1..).map(|k| style(name, k)).take_while(has).collect();
            (!names.is_empty() && width.is_none_or(|n| names.len() >= n)).then_some(names)
        }),
        ColumnSource::Many(names) => Some(names.clone()).filter(|n| n.iter().all(has)),
        ColumnSource::Pattern(pattern) => {
            let names = table.names().filter(|n| matches(pattern, n));
            let names: Vec<String> = names.map(str::to_string).collect();
            Some(names).filter(|n| !n.is_empty())
        }
    }
}

/// Whether `name` is `pattern` with any characters for each `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            let tails = name.char_indices().map(|(i, _)| &name[i..]);
            tails.chain([""]).any(|tail| matches(rest, tail))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("x_*", "x_1") && matches("x_*", "x_") && matches("*", ""));
        assert!(matches("*_x*", "a_b_xc") && matches("é*é", "éé"));
        assert!(!matches("x_*", "x1") && !matches("*a", "b") && !matches("x", "xx"));
    }
}

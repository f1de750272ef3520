//! What is said of a binding: the report of what was read, and warnings.

use super::BindingReport;
use super::PlateReport;
use super::columns::ReadColumn;
use super::columns::Reader;
use super::labels::Labelled;
use super::labels::NOWHERE;
use super::plates::Lies;
use super::sources::MAIN;
use super::sources::TableId;
use crate::data::Column;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::ColumnId;
use crate::typed::ExprId;
use crate::typed::ExprKind;
use crate::typed::PlateSource;
use crate::typed::StatementKind;
use crate::typed::Typed;
use indexmap::IndexSet;

/// Above how many distinct values of a measurement a plate of them is suspect.
const MANY_LEVELS: usize = 50;

/// How many rows of the main table there are, and lie in each element of each plate.
pub(super) struct Counted {
    rows: usize,
    /// For each plate and element; `None` when the reader has all rows.
    lying: Option<Vec<Vec<usize>>>,
}

impl Counted {
    /// The rows that the reader has.
    pub(super) fn at_once(reader: &Reader) -> Counted {
        Counted {
            rows: reader.sources.table(MAIN).rows(),
            lying: None,
        }
    }

    /// No rows yet, of plates with these numbers of elements.
    pub(super) fn nothing(elements: impl Iterator<Item = usize>) -> Counted {
        Counted {
            rows: 0,
            lying: Some(elements.map(|len| vec![0; len]).collect()),
        }
    }

    /// States the rows that lie in each element of a plate.
    pub(super) fn set(&mut self, plate: PlateId, rows: Vec<usize>) {
        if let Some(lying) = &mut self.lying {
            lying[plate.index()] = rows;
        }
    }

    /// Counts the rows that a reader has besides.
    pub(super) fn add(&mut self, reader: &Reader) {
        self.rows += reader.sources.table(MAIN).rows();
        for (p, counts) in self.lying.iter_mut().flatten().enumerate() {
            if !counts.is_empty() {
                count(reader, MAIN, PlateId(p as u32), counts);
            }
        }
    }
}

/// What was read.
pub(super) fn report(
    reader: &Reader,
    read: &[Option<ReadColumn>],
    counted: &Counted,
) -> BindingReport {
    let Reader { typed, sources, .. } = reader;
    let plates = (1..typed.plates.len()).map(|p| plate_report(reader, counted, PlateId(p as u32)));
    let used = used(reader, read);
    let names = sources.table(MAIN).names();
    BindingReport {
        rows: counted.rows,
        plates: plates.collect(),
        conditions: Vec::new(),
        unused: names
            .filter(|n| !used.contains(n))
            .map(str::to_string)
            .collect(),
    }
}

fn plate_report(reader: &Reader, counted: &Counted, plate: PlateId) -> PlateReport {
    let Reader {
        typed,
        sources,
        populated,
        ..
    } = reader;
    let declared = &typed.plates[plate.index()];
    let elements = populated.elements(plate);
    let len = elements.map_or(0, |e| e.len());
    let counts = |table: TableId| {
        let below = sources.lies_in(table, plate) && sources.own(plate) != Some(table);
        below.then(|| tally(reader, counted, table, plate, len))
    };
    let main = counts(MAIN).filter(|_| len > 0);
    let labelled = |(i, n): (usize, usize)| (n, elements.map_or_else(String::new, |e| e.label(i)));
    let rows = main.and_then(|counts| {
        let all = || counts.iter().copied().enumerate();
        // The first of several, for the largest too.
        let least = all().min_by_key(|(_, n)| *n)?;
        let most = all().rev().max_by_key(|(_, n)| *n)?;
        Some((labelled(least), labelled(most)))
    });
    let below: Vec<Vec<usize>> = sources.tables().filter_map(counts).collect();
    let empty = if below.is_empty() {
        0
    } else {
        (0..len)
            .filter(|i| below.iter().all(|counts| counts[*i] == 0))
            .count()
    };
    PlateReport {
        name: declared.name.clone(),
        len,
        rows,
        empty,
    }
}

/// The number of rows of a table in each element of a plate.
fn tally(
    reader: &Reader,
    counted: &Counted,
    table: TableId,
    plate: PlateId,
    len: usize,
) -> Vec<usize> {
    if let (MAIN, Some(lying)) = (table, &counted.lying) {
        return lying[plate.index()].clone();
    }
    let mut counts = vec![0; len];
    count(reader, table, plate, &mut counts);
    counts
}

fn count(reader: &Reader, table: TableId, plate: PlateId, counts: &mut [usize]) {
    let rows = reader.rows(table, plate);
    for element in rows.iter().flat_map(Lies::iter).filter(|e| *e != NOWHERE) {
        counts[element as usize] += 1;
    }
}

/// The columns of the main table that keys or data are read from.
fn used<'a>(reader: &'a Reader, read: &'a [Option<ReadColumn>]) -> IndexSet<&'a str> {
    let Reader {
        typed,
        sources,
        populated,
        ..
    } = reader;
    let mut used = IndexSet::new();
    for plate in (1..typed.plates.len()).map(|p| PlateId(p as u32)) {
        if populated.at(MAIN, plate).is_some() {
            used.extend(sources.key(plate));
        }
        if let PlateSource::Union(columns) = &typed.plates[plate.index()].source {
            used.extend(columns.iter().map(String::as_str));
        }
    }
    for found in read.iter().flatten().filter_map(|c| c.found.as_ref()) {
        if found.tables.contains(&MAIN) {
            used.extend(found.names.iter().map(String::as_str));
        }
    }
    used
}

/// Warns of what is legal and probably wrong.
pub(super) fn warn(
    reader: &Reader,
    read: &[Option<ReadColumn>],
    counted: &Counted,
    problems: &mut Problems,
) {
    warn_plates(reader, counted, problems);
    warn_observed(reader, read, counted, problems);
    let Reader { typed, sources, .. } = reader;
    for table in sources.tables().filter(|t| *t != MAIN) {
        let plates = || (1..typed.plates.len()).map(|p| PlateId(p as u32));
        let owned = plates().any(|p| sources.own(p) == Some(table));
        let read = read.iter().flatten().filter_map(|c| c.found.as_ref());
        let has_union = plates().any(|p| match &typed.plates[p.index()].source {
            PlateSource::Union(columns) => columns
                .iter()
                .any(|c| sources.table(table).column(c).is_some()),
            PlateSource::Levels(_) => {
                sources.reads(p).contains(&table) && reader.populated.at(table, p).is_some()
            }
            PlateSource::Top | PlateSource::Rows(_) | PlateSource::Count(_) => false,
        });
        if !owned && !has_union && !read.flat_map(|f| &f.tables).any(|t| *t == table) {
            let name = sources.table_name(table);
            problems.push(
                Problem::nowhere(
                    Code::TableUnused,
                    format!("the table `{name}` is not used: no plate is `rows({name})` or named `{name}`"),
                )
                .hint("a table is named like the `levels` plate that it describes"),
            );
        }
    }
}

fn warn_plates(reader: &Reader, counted: &Counted, problems: &mut Problems) {
    let Reader {
        typed,
        sources,
        populated,
        ..
    } = reader;
    for plate in (1..typed.plates.len()).map(|p| PlateId(p as u32)) {
        let declared = &typed.plates[plate.index()];
        let Some(elements) = populated.elements(plate) else {
            continue;
        };
        // The checker has warned of `= 1`.
        if elements.len() == 1 && declared.source != PlateSource::Count(1) {
            problems.push(
                Problem::at(
                    Code::OneElement,
                    declared.span,
                    format!(
                        "plate `{}` has one element: `{}`",
                        declared.name,
                        elements.label(0)
                    ),
                )
                .label("nothing varies over it")
                .hint("its scale cannot be learned from one element"),
            );
        }
        let PlateSource::Levels(names) = &declared.source else {
            continue;
        };
        for table in sources
            .reads(plate)
            .iter()
            .filter(|t| sources.own(plate) != Some(**t))
        {
            let Some(columns) = sources.columns(*table, names) else {
                continue;
            };
            let [column] = columns[..] else {
                continue;
            };
            if !fractional(column) {
                continue;
            }
            let distinct = Labelled::of(column).labels.len();
            let rows = match *table {
                MAIN => counted.rows,
                table => sources.table(table).rows(),
            };
            if distinct > MANY_LEVELS && distinct == rows {
                problems.push(
                    Problem::at(
                        Code::LevelsOfReals,
                        declared.span,
                        format!(
                            "`{}` has {distinct} different values in {distinct} rows",
                            names[0]
                        ),
                    )
                    .label("has one element for each of them")
                    .hint(format!(
                        "`plate {} = rows` if each row is an element",
                        declared.name
                    )),
                );
            }
        }
    }
}

fn fractional(column: &Column) -> bool {
    match column {
        Column::Numbers(values) => values.iter().any(|v| v.fract().abs() > 0.0),
        Column::Texts { .. } => false,
    }
}

fn warn_observed(
    reader: &Reader,
    read: &[Option<ReadColumn>],
    counted: &Counted,
    problems: &mut Problems,
) {
    let Reader { typed, sources, .. } = reader;
    for statement in &typed.statements {
        let StatementKind::Observed { value, .. } = &statement.kind else {
            continue;
        };
        let mut columns = Vec::new();
        observed(typed, *value, &mut columns);
        for id in columns {
            let column = &typed.columns[id.index()];
            let plate = column.plate;
            let name = &typed.plates[plate.index()].name;
            let Some(found) = read[id.index()].as_ref().and_then(|r| r.found.as_ref()) else {
                continue;
            };
            let len = reader.populated.elements(plate).map_or(0, |e| e.len());
            let repeats = |t: &&TableId| {
                tally(reader, counted, **t, plate, len)
                    .iter()
                    .any(|n| *n > 1)
            };
            let mut below = found
                .tables
                .iter()
                .filter(|t| sources.own(plate) != Some(**t));
            if plate != PlateId::TOP && below.any(|t| repeats(&t)) {
                problems.push(
                    Problem::at(
                        Code::GroupObservedOnce,
                        statement.span,
                        format!(
                            "`{}` counts once for each `{name}`, though it stands in several rows",
                            column.name
                        ),
                    )
                    .label(format!("one observation for each `{name}`"))
                    .other(column.span, "declared here")
                    .hint("move both into the `rows` plate if each row is an observation"),
                );
            }
        }
    }
}

/// The columns that an observed value is made of.
fn observed(typed: &Typed, value: ExprId, columns: &mut Vec<ColumnId>) {
    match &typed.expr(value).kind {
        ExprKind::Column(id) => columns.push(*id),
        ExprKind::Definition(id) => observed(typed, typed.definitions[id.index()].value, columns),
        ExprKind::Map(_, args) | ExprKind::Function(_, args) | ExprKind::Vector(args) => {
            for arg in args {
                observed(typed, *arg, columns);
            }
        }
        ExprKind::Index(base, _) => observed(typed, *base, columns),
        ExprKind::If(_, a, b) => {
            observed(typed, *a, columns);
            observed(typed, *b, columns);
        }
        ExprKind::Constant(_)
        | ExprKind::Size(..)
        | ExprKind::Latent(_)
        | ExprKind::Lookup(..)
        | ExprKind::Aggregate { .. }
        | ExprKind::LogProb(..)
        | ExprKind::Center(..) => {}
    }
}

//! In which element of every plate that it determines each element of a plate lies.

use super::frame::Fixed;
use super::labels::NOWHERE;
use super::plates::Lies;
use super::plates::Populated;
use super::sources::Sources;
use super::sources::TableId;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::PlateSource;
use crate::typed::Typed;
use indexmap::IndexMap;
use std::sync::Arc;

/// For each plate, the maps to the plates that it determines.
pub(super) type Above = Vec<IndexMap<PlateId, Arc<[u32]>>>;

/// Finds the map from every plate that is not fixed to every plate that it determines, the top level aside; maps with a reported problem
/// may be absent.
pub(super) fn above(
    typed: &Typed,
    sources: &Sources,
    populated: &Populated,
    fixed: Option<&Fixed>,
    problems: &mut Problems,
) -> Above {
    let mut nesting = Nesting {
        typed,
        sources,
        populated,
        above: vec![IndexMap::new(); typed.plates.len()],
        doubtful: Vec::new(),
    };
    // A plate stands after those that it determines, so that maps between these are there.
    for plate in (0..typed.plates.len()).map(|p| PlateId(p as u32)) {
        if let Some(fixed) = fixed.filter(|fixed| fixed.has(plate)) {
            nesting.above[plate.index()].clone_from(&fixed.parts.above[plate.index()]);
            continue;
        }
        let mut determined: Vec<PlateId> = typed.plates[plate.index()]
            .determines
            .iter()
            .copied()
            .filter(|p| *p != plate && *p != PlateId::TOP)
            .collect();
        determined.sort_unstable();
        for other in determined.into_iter().rev() {
            nesting.connect(plate, other, problems);
        }
        nesting.above[plate.index()].sort_unstable_keys();
    }
    nesting.above
}

struct Nesting<'a> {
    typed: &'a Typed,
    sources: &'a Sources<'a>,
    populated: &'a Populated,
    above: Above,
    /// Pairs of plates with a reported problem.
    doubtful: Vec<(PlateId, PlateId)>,
}

/// Where it is written in which element another lies.
#[derive(Clone, Copy)]
struct Witness {
    element: u32,
    table: TableId,
    row: usize,
}

/// What tables say of each element of a plate.
enum Written {
    /// Each is a row of this table, which lies in one of these elements or [`NOWHERE`].
    Rows(TableId, Arc<[u32]>),
    /// Where it is first said.
    Found(Vec<Option<Witness>>),
}

impl Written {
    fn get(&self, i: usize) -> Option<Witness> {
        match self {
            Written::Rows(table, elements) => (elements[i] != NOWHERE).then_some(Witness {
                element: elements[i],
                table: *table,
                row: i,
            }),
            Written::Found(found) => found[i],
        }
    }

    /// The element that each lies in, or [`NOWHERE`].
    fn elements(&self) -> Arc<[u32]> {
        match self {
            Written::Rows(_, elements) => Arc::clone(elements),
            Written::Found(found) => {
                let elements = found.iter().map(|w| w.map_or(NOWHERE, |w| w.element));
                elements.collect()
            }
        }
    }
}

/// A way from an element by one between to another than the one known to hold it.
struct Detour {
    from: usize,
    known: u32,
    middle: PlateId,
    stop: u32,
    end: u32,
}

impl Nesting<'_> {
    /// Maps `plate` to `other`.
    fn connect(&mut self, plate: PlateId, other: PlateId, problems: &mut Problems) {
        let (Some(lower), Some(upper)) = (
            self.populated.elements(plate),
            self.populated.elements(other),
        ) else {
            return;
        };
        let (written, mut doubtful) = self.written(plate, other, lower.len(), problems);
        let mut map = written.elements();
        let between: Vec<PlateId> = self.typed.plates[plate.index()]
            .determines
            .iter()
            .copied()
            .filter(|m| {
                *m != plate && *m != other && self.typed.determines(*m, other) && *m != PlateId::TOP
            })
            .collect();
        for middle in between {
            let first = self.above[plate.index()].get(&middle).cloned();
            let second = self.above[middle.index()].get(&other).cloned();
            let (Some(first), Some(second)) = (first, second) else {
                doubtful = true;
                continue;
            };
            let uncertain = self.doubtful.contains(&(middle, other))
                || self.doubtful.contains(&(plate, middle));
            doubtful |= uncertain;
            let mut differ: Vec<Detour> = Vec::new();
            for (i, stop) in first.iter().copied().enumerate() {
                let known = map[i];
                let end = second[stop as usize];
                if known == NOWHERE {
                    Arc::make_mut(&mut map)[i] = end;
                } else if known != end {
                    differ.push(Detour {
                        from: i,
                        known,
                        middle,
                        stop,
                        end,
                    });
                }
            }
            if !differ.is_empty() && !uncertain {
                problems.push_first(differ.len(), |n| {
                    self.disagreement(plate, other, &differ[n], written.get(differ[n].from))
                });
                doubtful = true;
            }
        }
        let outside: Vec<usize> = (0..map.len()).filter(|i| map[*i] == NOWHERE).collect();
        if !outside.is_empty() {
            if !doubtful {
                self.report_outside(plate, other, &outside, problems);
            }
            self.doubtful.push((plate, other));
            return;
        }
        if doubtful {
            self.doubtful.push((plate, other));
        }
        debug_assert!(map.iter().all(|e| (*e as usize) < upper.len()));
        self.above[plate.index()].insert(other, map);
    }

    /// What tables say about the element of `other` in which each element of `plate` lies, and whether a problem was found there.
    fn written(
        &self,
        plate: PlateId,
        other: PlateId,
        len: usize,
        problems: &mut Problems,
    ) -> (Written, bool) {
        if let Some((table, elements)) = self.row_by_row(plate, other) {
            let doubtful = self.populated.doubtful(table, other);
            return (Written::Rows(table, elements.clone()), doubtful);
        }
        let mut found: Vec<Option<Witness>> = vec![None; len];
        let mut conflicts: Vec<(usize, Witness, Witness)> = Vec::new();
        let mut doubtful = false;
        for table in self.sources.reads(plate) {
            let (Some(lower), Some(upper)) = (
                self.populated.at(*table, plate),
                self.populated.at(*table, other),
            ) else {
                continue;
            };
            doubtful |=
                self.populated.doubtful(*table, plate) || self.populated.doubtful(*table, other);
            for (row, (i, element)) in lower.iter().zip(upper.iter()).enumerate() {
                if i == NOWHERE || element == NOWHERE {
                    continue;
                }
                let i = i as usize;
                let witness = Witness {
                    element,
                    table: *table,
                    row,
                };
                match found[i] {
                    None => found[i] = Some(witness),
                    Some(before) if before.element != element => {
                        if conflicts.last().is_none_or(|c| c.0 != i) {
                            conflicts.push((i, before, witness));
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        // One problem for each element that lies in several.
        conflicts.sort_by_key(|c| (c.0, c.2.table, c.2.row));
        conflicts.dedup_by_key(|c| c.0);
        conflicts.sort_by_key(|c| (c.2.table, c.2.row));
        problems.push_first(conflicts.len(), |i| {
            self.conflict(plate, other, conflicts[i].0, conflicts[i].1, conflicts[i].2)
        });
        (Written::Found(found), doubtful || !conflicts.is_empty())
    }

    /// The table whose rows are the elements of `plate`, and their elements of `other`, when no other table has both.
    fn row_by_row(&self, plate: PlateId, other: PlateId) -> Option<(TableId, &Arc<[u32]>)> {
        let both = |t: &&TableId| {
            let at = |plate| self.populated.at(**t, plate).is_some();
            at(plate) && at(other)
        };
        let mut tables = self.sources.reads(plate).iter().filter(both);
        let (Some(table), None) = (tables.next(), tables.next()) else {
            return None;
        };
        match (
            self.populated.at(*table, plate)?,
            self.populated.at(*table, other)?,
        ) {
            (Lies::Itself(_), Lies::In(elements)) => Some((*table, elements)),
            (Lies::Together(_) | Lies::Itself(_) | Lies::In(_), _) => None,
        }
    }

    fn conflict(
        &self,
        plate: PlateId,
        other: PlateId,
        i: usize,
        before: Witness,
        after: Witness,
    ) -> Problem {
        let (lower, upper) = (self.name(plate), self.name(other));
        let label = self.label(plate, i);
        let line = |w: Witness| self.sources.table(w.table).line(w.row);
        let key = self.sources.key(other);
        let span = self.typed.plates[plate.index()].span;
        let place = self.sources.place(after.table, after.row, &key, span);
        let at = if before.table == after.table {
            format!("line {}", line(before))
        } else {
            format!(
                "`{}`, line {}",
                self.sources.table(before.table).name(),
                line(before)
            )
        };
        let problem = Problem::in_data(
            if before.table == after.table {
                Code::NotNested
            } else {
                Code::ParentsDisagree
            },
            place,
            format!(
                "{lower} `{label}` lies in {upper} `{}` here, and in `{}` in {at}",
                self.label(other, after.element as usize),
                self.label(other, before.element as usize),
            ),
        )
        .label(format!("states that each `{lower}` lies in one `{upper}`"));
        let both_levels = [plate, other]
            .iter()
            .all(|p| matches!(self.typed.plates[p.index()].source, PlateSource::Levels(_)));
        if both_levels && before.table == after.table {
            let mut columns = key;
            columns.extend(self.sources.key(plate));
            problem.hint(format!(
                "if labels of `{lower}` start again in each `{upper}`: `plate {lower} = levels({})`",
                columns.join(", ")
            ))
        } else {
            problem.hint("correct one of the two")
        }
    }

    fn disagreement(
        &self,
        plate: PlateId,
        other: PlateId,
        detour: &Detour,
        written: Option<Witness>,
    ) -> Problem {
        let span = self.typed.plates[plate.index()].span;
        let (lower, upper) = (self.name(plate), self.name(other));
        let own = format!("{lower} `{}`", self.label(plate, detour.from));
        let through = format!(
            "its {} `{}` in `{}`",
            self.name(detour.middle),
            self.label(detour.middle, detour.stop as usize),
            self.label(other, detour.end as usize)
        );
        let message = format!(
            "{own} lies in {upper} `{}`, but {through}",
            self.label(other, detour.known as usize)
        );
        match written {
            Some(w) => {
                let key = self.sources.key(other);
                let place = self.sources.place(w.table, w.row, &key, span);
                Problem::in_data(Code::ParentsDisagree, place, message)
            }
            None => Problem::at(Code::ParentsDisagree, span, message),
        }
        .hint("correct one of the two")
        .label(format!("each `{lower}` lies in one `{upper}`"))
    }

    /// Reports elements of which nothing says where they lie.
    fn report_outside(
        &self,
        plate: PlateId,
        other: PlateId,
        outside: &[usize],
        problems: &mut Problems,
    ) {
        let (lower, upper) = (self.name(plate), self.name(other));
        let span = self.typed.plates[plate.index()].span;
        let reads = self.sources.reads(plate);
        let key = self.sources.key(other);
        let with_key = reads.iter().any(|t| self.populated.at(*t, other).is_some());
        if with_key {
            problems.push_first(outside.len(), |n| {
                Problem::at(
                    Code::NoParent,
                    span,
                    format!(
                        "no row says in which `{upper}` {lower} `{}` lies",
                        self.label(plate, outside[n])
                    ),
                )
                .label(format!("each `{lower}` lies in one `{upper}`"))
                .hint(format!(
                    "give `{lower}` a table of its own, with the column `{}`",
                    key.join("`, `")
                ))
            });
            return;
        }
        let absent = key.iter().find(|name| {
            reads
                .iter()
                .all(|t| self.sources.table(*t).column(name).is_none())
        });
        let name = absent.or(key.first()).copied().unwrap_or_default();
        let problem = Problem::at(
            Code::NoParent,
            span,
            format!(
                "there is no column `{name}` in {}",
                self.sources.files(reads)
            ),
        )
        .label(format!(
            "it would say in which `{upper}` each `{lower}` lies"
        ))
        .other(
            self.typed.plates[other.index()].span,
            "the plate that holds it",
        );
        problems.push(match self.typed.plates[other.index()].source {
            PlateSource::Count(_) => problem.hint(format!(
                "write `{lower}` outside `{upper}` when it only serves as a dimension"
            )),
            PlateSource::Top
            | PlateSource::Rows(_)
            | PlateSource::Levels(_)
            | PlateSource::Union(_) => problem.hint(self.sources.hint_for(name, reads)),
        });
    }

    fn name(&self, plate: PlateId) -> &str {
        &self.typed.plates[plate.index()].name
    }

    fn label(&self, plate: PlateId, element: usize) -> String {
        self.populated
            .elements(plate)
            .map_or_else(String::new, |e| e.label(element))
    }
}

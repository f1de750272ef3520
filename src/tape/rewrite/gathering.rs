//! Terms over rows that come in parts: rows are taken together as the parts come, and the terms are written over their classes in the end.

use super::Draft;
use super::Place;
use super::Rows;
use super::Together;
use super::collapse::Squares;
use super::distinct::classes;
use super::merge::Identical;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Pass;
use crate::tape::Passes;
use indexmap::IndexMap;
use indexmap::map::Entry;
use std::sync::Arc;

/// The most numbers that are kept for a term (128 MB).
const MOST_NUMBERS: usize = 1 << 24;

/// Rows of terms, taken together part by part.
///
/// A part is a builder with the same statements over rows of its own; all plates but that of the rows are the same in every part.
#[derive(Debug)]
pub struct Gathering {
    terms: Vec<State>,
    passes: Passes,
    most: usize,
    given: usize,
}

/// What is known of a term.
#[derive(Debug)]
enum State {
    /// It is not asked for.
    Left,
    /// No part has had a row of it.
    Open,
    /// Its classes so far.
    Gathered(Gathered),
    /// It cannot be gathered, or not in this way.
    Failed(Option<How>),
}

/// How rows are taken together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Squares,
    Identical,
}

impl How {
    fn pass(self) -> Pass {
        match self {
            How::Squares => Pass::Collapse,
            How::Identical => Pass::Merge,
        }
    }

    fn read(self, draft: &Draft, rows: &Rows) -> Option<Box<dyn Together>> {
        Some(match self {
            How::Squares => Box::new(Squares::read(draft, rows)?),
            How::Identical => Box::new(Identical::read(draft, rows)?),
        })
    }
}

/// The classes of a term's rows.
#[derive(Debug)]
struct Gathered {
    how: How,
    /// How many numbers a class has, and how many rows it is to stand for at least.
    width: usize,
    least: usize,
    counted: usize,
    /// By what the rows of a class agree in, the place of one of them.
    classes: IndexMap<Box<[u64]>, u32>,
    numbers: Vec<f64>,
}

impl Gathering {
    /// No rows yet, of the terms for which `wanted` holds; at most so many classes are to be kept of each. So many plates, the first, are
    /// those that all parts share: what is read from others is not the same in every part.
    pub fn new(wanted: &[bool], passes: Passes, most: usize, given: usize) -> Gathering {
        let state = |wanted: &bool| match wanted {
            true => State::Open,
            false => State::Left,
        };
        Gathering {
            terms: wanted.iter().map(state).collect(),
            passes,
            most,
            given,
        }
    }

    /// Takes the rows of a part. `place` is told those that stand for a new class, and gives their places among all rows that do.
    pub fn add(&mut self, part: &Builder, terms: &[NodeId], mut place: impl FnMut(usize) -> u32) {
        let draft = part.draft();
        for (state, term) in self.terms.iter_mut().zip(terms) {
            let ways = match state {
                State::Left | State::Failed(_) => continue,
                State::Open => vec![How::Squares, How::Identical],
                State::Gathered(gathered) => vec![gathered.how],
            };
            let apart = draft.reaches(*term, |node| node.plate.index() >= self.given);
            let Some(rows) = Rows::of(&draft, *term).filter(|_| !apart) else {
                *state = State::Failed(None);
                continue;
            };
            if rows.counted == 0 {
                continue;
            }
            let made = ways.iter().filter(|how| self.passes.has(how.pass()));
            let read = |how: &How| Some((*how, how.read(&draft, &rows)?));
            let Some((how, together)) = made.copied().find_map(|how| read(&how)) else {
                let how = match ways.as_slice() {
                    [only] => Some(*only),
                    _ => None,
                };
                *state = State::Failed(how);
                continue;
            };
            if let State::Open = state {
                *state = State::Gathered(Gathered {
                    how,
                    width: together.width(),
                    least: together.least(),
                    counted: 0,
                    classes: IndexMap::new(),
                    numbers: Vec::new(),
                });
            }
            if let State::Gathered(gathered) = state
                && (gathered.add(&*together, (&draft, &rows), self.most, &mut place)).is_none()
            {
                *state = State::Failed(Some(how));
            }
        }
    }

    /// The terms that could not be gathered in one way and may be in another; `None` where there are none.
    pub fn again(&self) -> Option<Gathering> {
        let wanted: Vec<bool> = (self.terms.iter())
            .map(|state| match state {
                State::Left | State::Open => false,
                State::Gathered(gathered) => gathered.how == How::Squares && !gathered.pays(),
                State::Failed(how) => *how == Some(How::Squares),
            })
            .collect();
        let passes = self.passes.without(Pass::Collapse);
        (wanted.contains(&true) && passes.has(Pass::Merge))
            .then(|| Gathering::new(&wanted, passes, self.most, self.given))
    }

    /// Writes the gathered terms in the builder of the rows that `place` was told of, in the order of their places: over their classes,
    /// with a note of what was made of them. What was given up for not paying is left as it is.
    pub fn finish(&self, builder: &mut Builder, terms: &[NodeId]) -> Vec<Option<(NodeId, String)>> {
        let mut write = |(state, term): (&State, &NodeId)| match state {
            State::Left | State::Open | State::Failed(_) => None,
            State::Gathered(gathered) if !gathered.pays() => None,
            State::Gathered(gathered) => gathered.finish(builder, *term),
        };
        self.terms.iter().zip(terms).map(&mut write).collect()
    }
}

impl Gathered {
    /// Adds the rows of a part; `None` where they are not like those before, or have too many classes.
    fn add(
        &mut self,
        together: &dyn Together,
        (draft, rows): (&Draft, &Rows),
        most: usize,
        place: &mut impl FnMut(usize) -> u32,
    ) -> Option<()> {
        let most = match self.how {
            How::Squares => most.min(MOST_NUMBERS / self.width),
            // Rows of one part that all differ are too many.
            How::Identical => most / 2,
        };
        if together.width() != self.width {
            return None;
        }
        let keys = together.keys(draft, rows);
        let part = classes(&keys, rows, most)?;
        let numbers = together.numbers(&part.of, part.first.len())?;
        let key = |row: u32| -> Box<[u64]> { keys.iter().map(|k| k.at(row as usize)).collect() };
        let known = |row: &u32| self.classes.contains_key(&key(*row));
        if self.classes.len() + part.first.iter().filter(|row| !known(row)).count() > most {
            return None;
        }
        for (row, numbers) in part.first.iter().zip(numbers.chunks_exact(self.width)) {
            let entry = self.classes.entry(key(*row));
            let class = entry.index();
            match entry {
                Entry::Vacant(entry) => {
                    entry.insert(place(*row as usize));
                    self.numbers.extend(numbers);
                }
                Entry::Occupied(_) => {
                    together.add(
                        &mut self.numbers[class * self.width..][..self.width],
                        numbers,
                    );
                }
            }
        }
        self.counted += rows.counted;
        Some(())
    }

    /// Whether classes are few enough.
    fn pays(&self) -> bool {
        self.classes.len() <= self.counted / self.least
    }

    fn finish(&self, builder: &mut Builder, term: NodeId) -> Option<(NodeId, String)> {
        let draft = builder.draft();
        let rows = Rows::of(&draft, term)?;
        let together = self.how.read(&draft, &rows)?;
        let first: Vec<u32> = self.classes.values().copied().collect();
        let plate = match (self.how, together.tables()) {
            (How::Squares, []) => PlateId::TOP,
            (How::Squares | How::Identical, tables) => {
                let above = above(builder, rows.plate, tables, &first);
                builder.plate(first.len(), above)
            }
        };
        let mut draft = builder.draft();
        draft.span = draft.node(term).span;
        let place = Place {
            plate,
            own: None,
            rows: &first,
            split: false,
        };
        let written = together.write(&mut draft, &rows, place, &self.numbers)?;
        builder.adopt(draft.nodes);
        Some(written)
    }
}

/// For classes of the elements of `plate` that agree in these tables, each given by an element: what all elements of a class lie in.
fn above(
    builder: &Builder,
    plate: PlateId,
    tables: &[Arc<[u32]>],
    first: &[u32],
) -> IndexMap<PlateId, Arc<[u32]>> {
    let is_key = |other: &PlateId| {
        let own = builder.above(plate, *other);
        own.is_some_and(|own| tables.iter().any(|table| Arc::ptr_eq(own, table)))
    };
    (builder.plates_above(plate).filter(is_key))
        .flat_map(|key| builder.plates_above(key))
        .filter_map(|other| {
            let own = builder.above(plate, other)?;
            Some((other, first.iter().map(|row| own[*row as usize]).collect()))
        })
        .collect()
}

//! Sufficient statistics: a Normal density of an affine predictor, summed up over the rows of each cell.
//!
//! A *cell* holds the rows that agree in every group that the predictor and the sd read. Within one the coefficients u are
//! the same, and Σ log N(yᵢ | xᵢ·u, s) = −Q / 2s² − n (log s + ½ log 2π) with Q = Σ (yᵢ − xᵢ·u)² = |T (u, −1)|², where T is the
//! triangular factor of the rows (x, y): see [`moments`](super::moments). Where s is the same in all cells, the coefficients that differ
//! between cells stand first in u: the rows of T behind theirs see numbers alone that are the same everywhere, and those of all cells
//! are joined to one triangle. So a run costs about one product a cell for each pair of coefficients of which one is its own, whatever its rows.

use super::Draft;
use super::Place;
use super::Rows;
use super::Together;
use super::count;
use super::distinct::Classes;
use super::distinct::Key;
use super::distinct::distinct;
use super::moments;
use super::moments::Cells;
use super::moments::Columns;
use super::onto::Leaves;
use super::onto::Onto;
use crate::num::Shared;
use crate::shape::PlateId;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::Reduce;
use crate::tape::affine::Affine;
use crate::tape::affine::Atom;
use crate::tape::affine::Column;
use crate::tape::affine::Reader;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::Additive;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::Scale;
use crate::tape::event::EventOp;
use crate::tape::event::residuals::entries;
use std::sync::Arc;

/// The term over cells, and what to say of it.
pub(super) fn collapse(draft: &mut Draft, rows: &Rows) -> Option<(NodeId, String)> {
    let squares = Squares::read(draft, rows)?;
    let grid = Grid::of(draft, rows, &squares, rows.counted / squares.least())?;
    let numbers = squares.numbers(&grid.cell, grid.rows.len())?;
    let place = Place {
        plate: match grid.plate {
            Some(plate) => plate,
            None => draft.plate(grid.rows.len()),
        },
        own: grid.own,
        rows: &grid.rows,
        split: true,
    };
    squares.write(draft, rows, place, &numbers)
}

/// What a term sums up in each cell: the rows that count, what depends on data alone, and the [moments](moments::moments) of (x, y).
pub(super) struct Squares {
    row: &'static Elementwise,
    residual: Residual,
    sd: Sd,
    /// The tables by which rows find what the term reads.
    tables: Vec<Arc<[u32]>>,
}

impl Squares {
    pub fn read(draft: &Draft, rows: &Rows) -> Option<Squares> {
        let Some(Additive::Squares { scale, row }) = rows.row.additive else {
            return None;
        };
        let residual = Residual::read(draft, rows, scale)?;
        let sd = Sd::read(draft, rows)?;
        let mut tables = sd.tables.clone();
        for atom in &residual.atoms {
            if let Some(table) = &atom.index
                && !tables.iter().any(|t| Arc::ptr_eq(t, table))
            {
                tables.push(Arc::clone(table));
            }
        }
        Some(Squares {
            row,
            residual,
            sd,
            tables,
        })
    }

    fn layout(&self) -> Layout<'_> {
        let mut coefficients = self.residual.coefficients();
        let apart = !self.tables.is_empty() && self.sd.tables.is_empty();
        // Whether a coefficient is the same in all cells, where that is of use.
        let shared = |c: &Coefficient<'_>| apart && c.atoms.iter().all(|a| a.index.is_none());
        coefficients.sort_by_key(|c| (shared(c), c.column.is_some()));
        let own = (coefficients.iter()).filter(|c| !shared(c)).count();
        Layout {
            ones: coefficients.iter().position(|c| c.column.is_none()),
            rows: if apart { own } else { coefficients.len() + 1 },
            coefficients,
        }
    }
}

/// How the coefficients u stand in (u, −1).
struct Layout<'a> {
    /// Those that differ between cells before those that do not.
    coefficients: Vec<Coefficient<'a>>,
    /// The place of the one that is multiplied by no column.
    ones: Option<usize>,
    /// The rows of T that are kept for each cell. Those behind, whose u is the same in all cells, are joined to one triangle.
    rows: usize,
}

impl Layout<'_> {
    /// The numbers of (u, −1).
    fn size(&self) -> usize {
        self.coefficients.len() + 1
    }

    /// The columns of (x, y), without one of ones.
    fn columns(&self) -> usize {
        self.size() - usize::from(self.ones.is_some())
    }
}

impl Together for Squares {
    fn keys<'a>(&'a self, _draft: &'a Draft, _rows: &Rows) -> Vec<Key<'a>> {
        let tables = self.tables.iter();
        tables.map(|table| Key::Places(table)).collect()
    }

    fn width(&self) -> usize {
        2 + moments::numbers(self.layout().columns())
    }

    fn tables(&self) -> &[Arc<[u32]>] {
        &self.tables
    }

    fn least(&self) -> usize {
        let layout = self.layout();
        entries(layout.rows, layout.size())
    }

    fn numbers(&self, class: &[u32], classes: usize) -> Option<Vec<f64>> {
        let cells = Cells::of(class, classes);
        let columns: Vec<Column> = (self.layout().coefficients.iter())
            .filter_map(|coefficient| coefficient.column.cloned())
            .chain([self.residual.offset.clone()])
            .collect();
        let weights: Option<Vec<f64>> =
            (self.sd.known.as_ref()).map(|sd| sd.iter().map(|s| 1.0 / (s * s)).collect());
        let columns = Columns {
            columns: &columns,
            constant: self.residual.constant,
            weights: weights.as_deref(),
        };
        let moments = moments::moments(&columns, &cells)?;
        let apart = apart(&self.residual, &self.sd, &cells);
        let each = moments.len() / classes;
        let all = (apart.iter().zip(moments.chunks_exact(each)).enumerate())
            .flat_map(|(cell, (apart, moments))| {
                [cells.rows(cell).len() as f64, *apart]
                    .into_iter()
                    .chain(moments.iter().copied())
            })
            .collect::<Vec<f64>>();
        all.iter().all(|x| x.is_finite()).then_some(all)
    }

    fn add(&self, total: &mut [f64], part: &[f64]) {
        let ([count, apart, moments @ ..], [n, a, others @ ..]) = (total, part) else {
            return;
        };
        *count += n;
        *apart += a;
        moments::add(moments, others, self.layout().columns());
    }

    fn write(
        &self,
        draft: &mut Draft,
        rows: &Rows,
        place: Place<'_>,
        numbers: &[f64],
    ) -> Option<(NodeId, String)> {
        let layout = self.layout();
        let width = self.width();
        let column = |k: usize| numbers.chunks_exact(width).map(move |cell| cell[k]);
        let moments: Vec<f64> = (numbers.chunks_exact(width))
            .flat_map(|cell| &cell[2..])
            .copied()
            .collect();
        let factors = moments::factors(&moments, layout.columns(), layout.ones)?;
        let cells = place.rows.len();
        let note = format!(
            "sufficient statistics: {} in {} of {}",
            count(column(0).sum::<f64>() as usize, "row", "rows"),
            count(cells, "cell", "cells"),
            count(layout.size(), "column", "columns"),
        );
        let kept = match place.split {
            true => layout.rows,
            false => layout.size(),
        };
        let (own, rest) = factors.split_at(entries(kept, layout.size()) * cells);
        let mut onto = Onto::new(place.plate, place.rows, place.own);
        if rest.is_empty() {
            let one = draft.number(1.0);
            let squares = squares(draft, &mut onto, one, &layout.coefficients, (kept, own));
            let counts = draft.data(place.plate, 1, column(0).collect());
            let sd = self.sd(draft, &mut onto, rows);
            let density = draft.map(place.plate, self.row, &[counts, squares, sd]);
            return Some((draft.plus(density, column(1).collect()), note));
        }
        let mut top = Onto::new(PlateId::TOP, place.rows, None);
        let sd = self.sd(draft, &mut top, rows);
        let shared = &layout.coefficients[layout.rows..];
        let joined = moments::stack(rest, shared.len() + 1, cells);
        let one = draft.number(1.0);
        let joined = squares(draft, &mut top, one, shared, (shared.len() + 1, &joined));
        let counts = draft.number(column(0).sum());
        let density = draft.map(PlateId::TOP, self.row, &[counts, joined, sd]);
        let density = draft.plus(density, vec![column(1).sum()]);
        let weight = half_precision(draft, place.plate, sd);
        let squares = squares(draft, &mut onto, weight, &layout.coefficients, (kept, own));
        let all = draft.push(PlateId::TOP, 1, Op::Reduce(Reduce::Sum, squares, None));
        Some((draft.map(PlateId::TOP, &ADD, &[density, all]), note))
    }
}

impl Squares {
    /// The sd, given that known ones are in the weights of rows.
    fn sd(&self, draft: &mut Draft, onto: &mut Onto<'_>, rows: &Rows) -> NodeId {
        match self.sd.known {
            Some(_) => draft.number(1.0),
            None => onto.node(draft, rows.args[2]),
        }
    }
}

/// The sum of the squares of the first rows of T (u, −1), given these of T, times `weight`.
fn squares(
    draft: &mut Draft,
    onto: &mut Onto<'_>,
    weight: NodeId,
    coefficients: &[Coefficient<'_>],
    (rows, factor): (usize, &[f64]),
) -> NodeId {
    let size = coefficients.len() + 1;
    let factor = draft.data(onto.to, entries(rows, size), factor.to_vec());
    let mut args = vec![factor, weight];
    args.extend(stack(draft, onto, coefficients));
    draft.event(onto.to, EventOp::SquaredResiduals { rows, size }, &args)
}

/// −1 / 2s² for the elements of a plate, of an s at the top level.
fn half_precision(draft: &mut Draft, plate: PlateId, sd: NodeId) -> NodeId {
    let of = |s: f64| -0.5 / (s * s);
    if let Op::Constant(values) = &draft.node(sd).op {
        let value = of(values[0]);
        return draft.number(value);
    }
    let half = draft.number(-0.5);
    let variance = draft.map(PlateId::TOP, &MUL, &[sd, sd]);
    let weight = draft.map(PlateId::TOP, &DIV, &[half, variance]);
    draft.push(plate, 1, Op::Lift(weight, None))
}

/// An offset for each row minus a sum of atoms.
struct Residual {
    constant: f64,
    offset: Column,
    atoms: Vec<Atom>,
    /// Log x, where x is given on that scale.
    log_x: Option<Shared>,
}

impl Residual {
    /// The first argument of the density, or its logarithm, minus the second.
    fn read(draft: &Draft, rows: &Rows, scale: Scale) -> Option<Residual> {
        let reader = Reader {
            nodes: &draft.nodes,
            plate: rows.plate,
            len: rows.len,
            picks: false,
        };
        let x = match scale {
            Scale::Plain => reader.read(rows.args[0])?,
            Scale::Log => {
                let Op::Data(values) = &draft.node(rows.args[0]).op else {
                    return None;
                };
                let column = Column {
                    values: values.iter().map(|x| x.ln()).collect(),
                    start: 0,
                };
                Affine {
                    offsets: vec![column],
                    ..Affine::default()
                }
            }
        };
        let log_x = match scale {
            Scale::Plain => None,
            Scale::Log => x.offsets.first().map(|log| log.values.clone()),
        };
        let mean = reader.read(rows.args[1])?;
        let offset = match (x.offsets.as_slice(), mean.offsets.as_slice()) {
            ([only], []) => only.clone(),
            (plus, minus) => {
                let mut values = vec![0.0; rows.len];
                let signed = |sign: f64| move |column| (sign, column);
                for (sign, column) in
                    (plus.iter().map(signed(1.0))).chain(minus.iter().map(signed(-1.0)))
                {
                    let column: &Column = column;
                    for (sum, x) in values.iter_mut().zip(column.slice(0, rows.len)) {
                        *sum += sign * x;
                    }
                }
                Column {
                    values: values.into(),
                    start: 0,
                }
            }
        };
        let mut atoms = mean.atoms;
        atoms.extend(x.atoms.into_iter().map(|atom| Atom {
            factor: -atom.factor,
            ..atom
        }));
        Some(Residual {
            constant: x.constant - mean.constant,
            offset,
            atoms,
            log_x,
        })
    }

    /// The atoms that share a column.
    fn coefficients(&self) -> Vec<Coefficient<'_>> {
        let mut list: Vec<Coefficient<'_>> = Vec::new();
        for atom in &self.atoms {
            let column = atom.column.as_ref();
            let same = |known: &&mut Coefficient<'_>| match (known.column, column) {
                (None, None) => true,
                (Some(a), Some(b)) => a.values.same(&b.values) && a.start == b.start,
                (None, Some(_)) | (Some(_), None) => false,
            };
            match list.iter_mut().find(same) {
                Some(known) => known.atoms.push(atom),
                None => list.push(Coefficient {
                    column,
                    atoms: vec![atom],
                }),
            }
        }
        list
    }
}

/// Atoms that are added up before they are multiplied by a column, or that stand alone.
struct Coefficient<'a> {
    column: Option<&'a Column>,
    atoms: Vec<&'a Atom>,
}

impl Coefficient<'_> {
    /// The only atom, where it is one component of a node as it is.
    fn plain(&self) -> Option<&Atom> {
        match self.atoms.as_slice() {
            [only] if only.factor == 1.0 => Some(only),
            _ => None,
        }
    }
}

/// The coefficients, one after another.
fn stack(draft: &mut Draft, onto: &mut Onto<'_>, coefficients: &[Coefficient<'_>]) -> Vec<NodeId> {
    let mut parts = Vec::new();
    let mut rest = coefficients;
    while let [first, others @ ..] = rest {
        // A vector whose components are the next coefficients is taken whole.
        let whole = first.plain().and_then(|atom| {
            let width = draft.node(atom.node).width;
            let is = |(k, coefficient): (usize, &Coefficient<'_>)| {
                coefficient.plain().is_some_and(|other| {
                    other.node == atom.node
                        && other.component == k
                        && super::same(&other.index, &atom.index)
                })
            };
            (rest.len() >= width && rest[..width].iter().enumerate().all(is))
                .then_some((atom, width))
        });
        match whole {
            Some((atom, width)) => {
                parts.push(onto.lift(draft, atom.node, &atom.index, width));
                rest = &rest[width..];
            }
            None => {
                parts.push(sum(draft, onto, &first.atoms));
                rest = others;
            }
        }
    }
    parts
}

/// The sum of some atoms without their column.
fn sum(draft: &mut Draft, onto: &mut Onto<'_>, atoms: &[&Atom]) -> NodeId {
    let mut total: Option<NodeId> = None;
    for atom in atoms {
        let width = draft.node(atom.node).width;
        let mut value = onto.lift(draft, atom.node, &atom.index, width);
        if width > 1 {
            let place = [atom.component as u32];
            value = draft.event(onto.to, EventOp::Pick(place.into()), &[value]);
        }
        if atom.factor != 1.0 {
            let factor = draft.number(atom.factor);
            value = draft.map(onto.to, &MUL, &[factor, value]);
        }
        total = Some(match total {
            Some(before) => draft.map(onto.to, &ADD, &[before, value]),
            None => value,
        });
    }
    total.unwrap_or_else(|| draft.number(0.0))
}

/// The sd of each row.
struct Sd {
    /// The tables by which rows find what it reads.
    tables: Vec<Arc<[u32]>>,
    /// Its values, where they are data of the rows.
    known: Option<Shared>,
}

impl Sd {
    fn read(draft: &Draft, rows: &Rows) -> Option<Sd> {
        let node = draft.node(rows.args[2]);
        if let Op::Data(values) = &node.op {
            let positive = |(i, s): (usize, &f64)| *s > 0.0 || !rows.counts(i);
            return values.iter().enumerate().all(positive).then(|| Sd {
                tables: Vec::new(),
                known: Some(values.clone()),
            });
        }
        let mut leaves = Leaves::default();
        leaves.add(draft, rows.args[2])?;
        leaves.data.is_empty().then(|| Sd {
            tables: leaves.tables(draft),
            known: None,
        })
    }
}

/// What of the density depends on data alone, for each cell: the Jacobian of a logarithm, and known sds.
fn apart(residual: &Residual, sd: &Sd, cells: &Cells) -> Vec<f64> {
    let of_row = |row: usize| {
        let jacobian = residual.log_x.as_ref().map_or(0.0, |log| log[row]);
        -jacobian - sd.known.as_ref().map_or(0.0, |sd| sd[row].ln())
    };
    if residual.log_x.is_none() && sd.known.is_none() {
        return vec![0.0; cells.len()];
    }
    (0..cells.len())
        .map(|cell| cells.rows(cell).iter().map(of_row).sum())
        .collect()
}

/// The cells that rows lie in.
struct Grid {
    /// The plate whose elements they are; `None` where a new one is to be made.
    plate: Option<PlateId>,
    /// The table by which rows find their element there.
    own: crate::tape::Index,
    /// The cell of each row; beyond all for a row that does not count.
    cell: Arc<[u32]>,
    /// A row of each cell; the first of all where there is none.
    rows: Vec<u32>,
}

impl Grid {
    /// The cells of rows that agree in all tables; `None` where there are more than `most`.
    fn of(draft: &Draft, rows: &Rows, squares: &Squares, most: usize) -> Option<Grid> {
        let tables = &squares.tables;
        if tables.is_empty() {
            let cell = |row| if rows.counts(row) { 0 } else { Classes::NONE };
            return (most > 0).then(|| Grid {
                plate: Some(PlateId::TOP),
                own: None,
                cell: (0..rows.len).map(cell).collect(),
                rows: vec![0],
            });
        }
        // The elements of a plate that determines all others are the cells.
        for atom in &squares.residual.atoms {
            let Some(own) = &atom.index else { continue };
            let plate = draft.node(atom.node).plate;
            let len = draft.len(plate);
            if len > most || plate == PlateId::TOP {
                continue;
            }
            let mut first = vec![Classes::NONE; len];
            let determined = (0..rows.len).filter(|row| rows.counts(*row)).all(|row| {
                let first = &mut first[own[row] as usize];
                if *first == Classes::NONE {
                    *first = row as u32;
                }
                tables.iter().all(|t| t[row] == t[*first as usize])
            });
            if determined {
                let cell = |row: usize| match rows.counts(row) {
                    true => own[row],
                    false => Classes::NONE,
                };
                let all = rows.counted == rows.len;
                let some = |row: u32| if row == Classes::NONE { 0 } else { row };
                return Some(Grid {
                    plate: Some(plate),
                    own: Some(Arc::clone(own)),
                    cell: match all {
                        true => Arc::clone(own),
                        false => (0..rows.len).map(cell).collect(),
                    },
                    rows: first.into_iter().map(some).collect(),
                });
            }
        }
        let classes = distinct(&squares.keys(draft, rows), rows, most)?;
        Some(Grid {
            plate: None,
            own: None,
            cell: classes.of.into(),
            rows: classes.first,
        })
    }
}

//! A joint density whose main table is read in chunks, for tables larger than memory.
//!
//! Rows that can be taken together are, once and for all: their classes are part of the tape as rows are of another. The other rows are
//! read again for every run, chunk by chunk, in their order, so that the bits do not depend on the number of threads.

use super::Condition;
use super::Evaluator;
use super::Joint;
use super::TermForm;
use super::log_density::TapeEvaluator;
use super::lower;
use super::lower::Part;
use super::start;
use super::start::Spread;
use crate::data::Chunks;
use crate::data::Excerpt;
use crate::data::Table;
use crate::model::Frame;
use crate::model::Labels;
use crate::model::Model;
use crate::model::streams;
use crate::num::Shared;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::source::Span;
use crate::tape::Blame;
use crate::tape::Gathering;
use crate::tape::Pass;
use crate::tape::Passes;
use crate::typed::DataKind;
use crate::typed::ExprKind;
use crate::typed::PlateSource;
use crate::typed::Typed;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

/// Lowers a model whose main table is read in chunks, with these passes but that rows stay in the order of their file.
///
/// The joint's own model has no rows: those of the table are counted, not held. Definitions that live in rows are not reported.
///
/// # Errors
/// Statements that need all rows at once; what is wrong with the file, if it has changed since the frame was made.
pub fn stream(frame: Frame, chunks: Chunks, passes: Passes) -> Result<Joint, Problems> {
    check_streamed(frame.typed(), None)?;
    let passes = passes.without(Pass::Sort);
    let statements = frame.typed().statements();
    let in_rows: Vec<bool> = (statements.iter())
        .map(|statement| frame.is_streamed(statement.plate))
        .collect();
    let streamed = Streamed {
        read: vec![false; in_rows.len()],
        notes: Vec::new(),
        failure: OnceLock::new(),
        passes,
        frame,
        chunks,
    };
    let found = streamed.gather(&in_rows)?;
    Ok(streamed.joint(&in_rows, found))
}

/// What going over the rows has found.
struct Found {
    gatherings: Vec<Gathering>,
    /// The rows that stand for others.
    excerpt: Model,
    /// By statement.
    conditions: Vec<Option<Condition>>,
    spreads: Vec<Option<(usize, Spread)>>,
}

/// The rows that a joint density does not hold.
pub(super) struct Streamed {
    frame: Frame,
    chunks: Chunks,
    passes: Passes,
    /// For each statement whether its rows are read for every run.
    read: Vec<bool>,
    /// What was made of the statements over rows.
    notes: Vec<(usize, String)>,
    /// What was wrong with the file when it was last read.
    failure: OnceLock<String>,
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Streamed")
            .field(&self.chunks.name())
            .finish()
    }
}

impl Streamed {
    /// What was made of the statements over rows, by their places.
    pub fn notes(&self) -> impl Iterator<Item = &(usize, String)> {
        self.notes.iter()
    }

    /// Whether any rows are read for every run.
    pub fn reads(&self) -> bool {
        self.read.contains(&true)
    }

    /// What was wrong with the file, if it could not be read.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Means of computing the terms for which `keep` holds: those over rows that are held by `held`, the others by reading.
    pub fn evaluator<'a>(&'a self, held: TapeEvaluator, keep: &[bool]) -> Box<dyn Evaluator + 'a> {
        let wanted: Vec<bool> = keep.iter().zip(&self.read).map(|(k, r)| *k && *r).collect();
        if !wanted.contains(&true) {
            return Box::new(held);
        }
        let kept = (0..keep.len()).filter(|k| keep[*k]);
        Box::new(Reading {
            streamed: self,
            held,
            places: (kept.clone().enumerate())
                .filter(|(_, k)| wanted[*k])
                .map(|(place, _)| place)
                .collect(),
            terms: vec![0.0; kept.count()],
            wanted,
        })
    }

    /// The first number that goes wrong at `z` in the rows that are read for every run, with the model of its chunk, whose rows have the
    /// numbers that they have in the file.
    pub fn blame(&self, z: &[f64]) -> Option<(Blame, Model)> {
        let (mut found, mut first) = (None, 0);
        let gone = self.each(&self.read, |chunk, mut model, part| {
            let last = first + chunk.rows() as u32;
            if found.is_none() {
                found = part.tape(&self.read).blame(z).map(|blame| {
                    self.label(&mut model, &Labels::Rows((first..last).collect()));
                    (blame, model)
                });
            }
            first = last;
        });
        gone.ok().and(found)
    }

    /// Goes over the chunks: binds the rows of each, and lowers the statements that are wanted.
    fn each(
        &self,
        wanted: &[bool],
        mut take: impl FnMut(&Table, Model, Part),
    ) -> Result<(), Problems> {
        for chunk in self.chunks.tables()? {
            let chunk = chunk?;
            let model = self.frame.bind(chunk.clone())?;
            let part = lower::part(&model, self.passes, wanted);
            take(&chunk, model, part);
        }
        Ok(())
    }

    /// Takes rows together as far as can be.
    fn gather(&self, in_rows: &[bool]) -> Result<Found, Problems> {
        let mut excerpt = Excerpt::new(&self.chunks);
        let mut kept = 0;
        let mut conditions: Vec<Option<Condition>> = vec![None; in_rows.len()];
        let mut spreads = vec![None; in_rows.len()];
        let mut gatherings = Vec::new();
        let most = self.chunks.at_most().get();
        let given = self.frame.typed().plates().len();
        let mut next = Some(Gathering::new(in_rows, self.passes, most, given));
        while let Some(mut gathering) = next {
            self.each(in_rows, |chunk, _, part| {
                let mut places: HashMap<usize, u32> = HashMap::new();
                let mut place = |row: usize| {
                    *places.entry(row).or_insert_with(|| {
                        excerpt.push(chunk, row);
                        kept += 1;
                        kept - 1
                    })
                };
                if gatherings.is_empty() {
                    // There is some row in any case.
                    place(0);
                    add(&mut conditions, part.conditions, Condition::and);
                    let observed = part.observed.into_iter();
                    let own = observed.map(|o| o.map(|(site, values)| (site, Spread::of(&values))));
                    add(&mut spreads, own.collect(), |(site, a), (_, b)| {
                        (site, a.and(b))
                    });
                }
                gathering.add(&part.builder, &part.statements, place);
            })?;
            next = gathering.again();
            gatherings.push(gathering);
        }
        Ok(Found {
            gatherings,
            excerpt: self.frame.bind(excerpt.table())?,
            conditions,
            spreads,
        })
    }

    /// The joint density: what is held of it, and these rows.
    fn joint(mut self, in_rows: &[bool], found: Found) -> Joint {
        let mut joint = lower::lower_owned(Arc::new(found.excerpt), self.passes);
        let mut statements = joint.statements.clone();
        let zero = joint.builder.number(0.0);
        for k in (0..in_rows.len()).filter(|k| in_rows[*k]) {
            statements[k] = zero;
            self.read[k] = true;
            // A closed form would be one of the rows of the excerpt.
            joint.terms[k].form = TermForm::General;
        }
        for gathering in found.gatherings {
            let written = gathering.finish(&mut joint.builder, &joint.statements);
            for (k, (node, note)) in
                (written.into_iter().enumerate()).filter_map(|(k, written)| Some((k, written?)))
            {
                statements[k] = node;
                self.read[k] = false;
                self.notes.push((k, note));
            }
        }
        for k in (0..in_rows.len()).filter(|k| self.read[*k]) {
            (self.notes).push((k, "rows read in chunks for every run".to_owned()));
        }
        joint.density = joint.builder.tape(&statements, &[]);
        joint.statements = statements;
        start::set_spreads(&mut joint.sites, found.spreads.into_iter().flatten());
        set_conditions(&mut joint, found.conditions);
        (joint.on_request).retain(|(quantity, _)| !self.frame.is_streamed(quantity.plate));
        let mut model = Arc::unwrap_or_clone(joint.model);
        self.label(&mut model, &Labels::Numbers(self.frame.rows()));
        for (column, bound) in (self.frame.typed().columns().iter()).zip(&mut model.columns) {
            if self.frame.is_streamed(column.plate) {
                bound.values = Shared::zeros(0);
            }
        }
        joint.model = Arc::new(model);
        joint.streamed = Some(Box::new(self));
        joint
    }

    /// Labels the rows of a model.
    fn label(&self, model: &mut Model, labels: &Labels) {
        for (p, plate) in model.plates.iter_mut().enumerate() {
            if self.frame.is_streamed(PlateId(p as u32)) {
                plate.labels = labels.clone();
            }
        }
    }
}

/// States what conditions let through, by statement, where it is known.
pub(super) fn set_conditions(joint: &mut Joint, found: Vec<Option<Condition>>) {
    let conditional = (joint.model.typed().statements().iter().zip(found))
        .filter(|(statement, _)| statement.condition.is_some());
    for (own, (_, of_rows)) in joint.conditions.iter_mut().zip(conditional) {
        if let Some(of_rows) = of_rows {
            *own = of_rows;
        }
    }
}

/// Adds what further rows say to what is known.
fn add<T>(known: &mut [Option<T>], further: Vec<Option<T>>, join: impl Fn(T, T) -> T) {
    for (known, further) in known.iter_mut().zip(further) {
        *known = match (known.take(), further) {
            (Some(a), Some(b)) => Some(join(a, b)),
            (a, b) => a.or(b),
        };
    }
}

/// Computes terms whose rows are read for every run, beside those that are held.
struct Reading<'a> {
    streamed: &'a Streamed,
    held: TapeEvaluator,
    /// For each statement whether its rows are read.
    wanted: Vec<bool>,
    /// The places of these terms among those that are computed.
    places: Vec<usize>,
    terms: Vec<f64>,
}

impl Reading<'_> {
    /// Adds up what the tape that is held and the tape of each chunk give, and write over their second argument; NaN where the file cannot be read.
    fn run(
        &mut self,
        out: &mut [f64],
        mut of: impl FnMut(&mut TapeEvaluator, &mut [f64]) -> f64,
    ) -> f64 {
        let mut total = of(&mut self.held, out);
        self.terms.copy_from_slice(self.held.terms());
        let (streamed, terms, places) = (self.streamed, &mut self.terms, &self.places);
        let mut own = vec![0.0; out.len()];
        let gone = streamed.each(&self.wanted, |_, _, part| {
            let mut evaluator = TapeEvaluator::new(part.tape(&self.wanted));
            total += of(&mut evaluator, &mut own);
            for (sum, own) in out.iter_mut().zip(&own) {
                *sum += own;
            }
            for (place, term) in places.iter().zip(evaluator.terms()) {
                terms[*place] += term;
            }
        });
        if let Err(problems) = gone {
            let message = problems.sorted().first().map(|p| p.message.clone());
            self.streamed
                .failure
                .get_or_init(|| message.unwrap_or_default());
            out.fill(f64::NAN);
            return f64::NAN;
        }
        total
    }
}

impl Evaluator for Reading<'_> {
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.run(gradient, |evaluator, out| evaluator.gradient(z, out))
    }

    fn value(&mut self, z: &[f64]) -> f64 {
        self.run(&mut [], |evaluator, _| evaluator.value(z))
    }

    fn terms(&self) -> &[f64] {
        &self.terms
    }

    fn hessian_product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        self.run(product, |evaluator, out| {
            evaluator.hessian_product(z, v, out);
            0.0
        });
    }
}

/// Whether a model can be fitted to a main table that is read in chunks; if `by` is given, by the elements of that plate, whose rows are read
/// together.
///
/// # Errors
/// What needs all rows at once.
pub fn check_streamed(typed: &Typed, by: Option<PlateId>) -> Result<(), Problems> {
    let mut problems = Problems::new();
    let mut refuse = |span: Span, what: String| {
        problems.push(
            Problem::at(Code::RowsAtOnce, span, what)
                .label("needs all rows at once")
                .hint("read the whole table, without `--stream`"),
        );
    };
    let in_rows = |plate: PlateId| streams(typed, plate) || by == Some(plate);
    let within = |plate: PlateId| by.is_some_and(|by| typed.determines(plate, by));
    let streamed = || {
        let plates = typed.plates().iter().enumerate();
        plates.filter(|(p, _)| in_rows(PlateId(*p as u32)))
    };
    let sized = |event: &Event| {
        streamed().any(|(_, plate)| {
            (event.iter()).any(|dim| matches!(dim, Dim::Size(size, _) if *size == plate.size))
        })
    };
    if let Some(by) = by {
        let plate = &typed.plates()[by.index()];
        if !matches!(&plate.source, PlateSource::Levels(columns) if columns.len() == 1) {
            let what = format!(
                "the elements of `{}` are not the values of one column",
                plate.name
            );
            refuse(plate.span, what);
        }
        for (p, other) in typed.plates().iter().enumerate() {
            let id = PlateId(p as u32);
            if within(id) && !in_rows(id) {
                let what = format!(
                    "`{}` lies in `{}`, of which rows of the main table alone are read",
                    other.name, plate.name
                );
                refuse(other.span, what);
            } else if in_rows(id) && id != by && !within(id) {
                let what = format!("`{}` does not lie in `{}`", other.name, plate.name);
                refuse(other.span, what);
            }
        }
    }
    for latent in typed.latents() {
        let is_local = by == Some(latent.plate);
        if (in_rows(latent.plate) && !is_local) || sized(&latent.event) {
            let name = &latent.name;
            refuse(
                latent.span,
                format!("`{name}` has a value for each row, and rows are read in chunks"),
            );
        }
    }
    for column in typed.columns() {
        if matches!(column.kind, DataKind::Key(plate) if in_rows(plate)) || sized(&column.event) {
            let name = &column.name;
            refuse(
                column.span,
                format!("`{name}` points to rows, which are read in chunks"),
            );
        }
    }
    for expr in &typed.exprs {
        let name = |plate: PlateId| &typed.plates()[plate.index()].name;
        match &expr.kind {
            ExprKind::Aggregate {
                plate, within: at, ..
            } if in_rows(*plate) && !within(*at) => {
                refuse(
                    expr.span,
                    format!(
                        "an aggregate goes over `{}`, whose rows are read in chunks",
                        name(*plate)
                    ),
                );
            }
            ExprKind::Size(size, _) if streamed().any(|(_, plate)| plate.size == *size) => {
                refuse(
                    expr.span,
                    "the number of rows is used, which are read in chunks".to_owned(),
                );
            }
            ExprKind::Constant(_)
            | ExprKind::Size(..)
            | ExprKind::Column(_)
            | ExprKind::Latent(_)
            | ExprKind::Definition(_)
            | ExprKind::Map(..)
            | ExprKind::Function(..)
            | ExprKind::Vector(_)
            | ExprKind::Index(..)
            | ExprKind::Lookup(..)
            | ExprKind::If(..)
            | ExprKind::Aggregate { .. }
            | ExprKind::LogProb(..)
            | ExprKind::Center(..) => {}
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

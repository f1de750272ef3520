//! What the locals depend on: of a model that holds all of its rows, or of some elements, whose rows are read when they are wanted.

use crate::joint::Condition;
use crate::joint::Joint;
use crate::joint::lower;
use crate::joint::lower::Lowering;
use crate::joint::start;
use crate::joint::start::Gauge;
use crate::joint::stream::set_conditions;
use crate::model::Grouped;
use crate::model::Model;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::tape::Divisible;
use crate::tape::Mask;
use crate::tape::NodeId;
use crate::tape::Pass;
use crate::tape::Passes;
use crate::tape::Reduce;
use crate::tape::Tape;
use crate::tape::elementwise::ADD;
use crate::typed::ColumnId;
use crate::typed::LatentId;
use std::fmt;
use std::sync::OnceLock;

/// Where the tapes of some elements come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A model with all rows.
    Held(Box<Terms>),
    /// A file.
    Read(Box<Reading>),
}

/// The tapes of some elements, over the globals and the locals of these.
pub(super) struct Tapes {
    /// Mean and sd of the prior of each local variable.
    pub prior: Tape,
    /// The terms that depend on the locals but their priors.
    pub whole: Tape,
    /// Those over the rows that the steps see.
    pub inner: Tape,
}

impl Source {
    /// The tapes of these elements, in ascending order; `None` where their rows cannot be read.
    pub fn tapes(&self, elements: &[u32]) -> Option<Tapes> {
        match self {
            Source::Held(terms) => Some(terms.tapes(elements)),
            Source::Read(reading) => reading.taken(elements, Terms::tapes),
        }
    }

    /// The sum of the terms that depend on the locals but their priors, over the rows that the steps see, as an output for each of these
    /// elements; `None` where their rows cannot be read.
    pub fn sums(&self, elements: &[u32]) -> Option<Tape> {
        match self {
            Source::Held(terms) => Some(terms.sums(elements)),
            Source::Read(reading) => reading.taken(elements, Terms::sums),
        }
    }

    /// Why rows could not be read, if it was so.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Source::Held(_) => None,
            Source::Read(reading) => reading.failure.get().map(String::as_str),
        }
    }
}

/// The statements and the priors' moments of a model, as nodes.
pub(in crate::joint) struct Lowered<'a> {
    pub lowering: Lowering<'a>,
    /// By statement.
    pub statements: Vec<NodeId>,
    moments: Vec<NodeId>,
}

impl Lowered<'_> {
    /// Lowers a model whose locals are these variables.
    ///
    /// # Errors
    /// In words, which of their priors is not normal.
    pub fn new<'a>(model: &'a Model, locals: &[LatentId]) -> Result<Lowered<'a>, String> {
        let passes = Passes::all().without(Pass::Collapse);
        let mut lowering = Lowering::new(model, passes, false);
        lowering.sites();
        let statements = model.typed().statements().iter();
        let statements = statements.map(|s| lowering.statement(s).1).collect();
        let mut moments = Vec::new();
        for latent in locals {
            let Some(of_prior) = lowering.moments(*latent) else {
                let name = &model.typed().latents()[latent.index()].name;
                return Err(format!("`{name}` is not `Normal(mean, sd)`"));
            };
            moments.extend(of_prior);
        }
        Ok(Lowered {
            lowering,
            statements,
            moments,
        })
    }

    /// What the locals of the elements of `plate` depend on: the statements at `places`, and their priors.
    ///
    /// # Errors
    /// In words, why the elements cannot be taken apart.
    pub(super) fn terms(
        &mut self,
        plate: PlateId,
        places: &[usize],
        support: Option<ColumnId>,
    ) -> Result<Terms, String> {
        let builder = &mut self.lowering.builder;
        let of_locals: Vec<NodeId> = places.iter().map(|place| self.statements[*place]).collect();
        let mask = support.map(|column| {
            let of = self.lowering.typed.columns()[column.index()].plate;
            Mask::new(builder, of, &self.lowering.model.column(column).values)
        });
        let mut sum = builder.number(0.0);
        for node in &of_locals {
            let own = match builder.above(builder.plate_of(*node), plate).cloned() {
                Some(index) => builder.reduce(Reduce::Sum, *node, plate, Some(index)),
                None => *node,
            };
            sum = builder.map(&ADD, &[sum, own]);
        }
        Ok(Terms {
            likelihood: Divisible::new(builder, plate, &of_locals, &[])?,
            sums: Divisible::new(builder, plate, &[], &[sum])?,
            prior: Divisible::new(builder, plate, &[], &self.moments)?,
            mask,
        })
    }
}

/// What the locals depend on.
#[derive(Debug)]
pub(super) struct Terms {
    likelihood: Divisible,
    /// Their sum in each element.
    sums: Divisible,
    pub prior: Divisible,
    /// The elements of rows that the steps see; all without.
    mask: Option<Mask>,
}

impl Terms {
    fn tapes(&self, elements: &[u32]) -> Tapes {
        let whole = self.likelihood.take(elements, None);
        Tapes {
            prior: self.prior.take(elements, None),
            inner: match &self.mask {
                Some(mask) => self.likelihood.take(elements, Some(mask)),
                None => whole.clone(),
            },
            whole,
        }
    }

    fn sums(&self, elements: &[u32]) -> Tape {
        self.sums.take(elements, self.mask.as_ref())
    }
}

/// Elements whose rows are on disk.
pub(super) struct Reading {
    grouped: Grouped,
    locals: Vec<LatentId>,
    /// The terms that depend on the locals but their priors, among the statements.
    places: Vec<usize>,
    support: Option<ColumnId>,
    /// What was wrong when rows were last read.
    failure: OnceLock<String>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reading").field(&self.grouped.len()).finish()
    }
}

impl Reading {
    pub fn new(
        grouped: Grouped,
        locals: Vec<LatentId>,
        places: Vec<usize>,
        support: Option<ColumnId>,
    ) -> Reading {
        Reading {
            grouped,
            locals,
            places,
            support,
            failure: OnceLock::new(),
        }
    }

    /// What is taken of the terms of these elements; `None` where their rows cannot be read.
    fn taken<T>(&self, elements: &[u32], of: fn(&Terms, &[u32]) -> T) -> Option<T> {
        let taken = || -> Result<T, String> {
            let first = |problems: Problems| {
                let message = problems.sorted().first().map(|p| p.message.clone());
                message.unwrap_or_default()
            };
            let model = self.grouped.model(elements).map_err(first)?;
            let mut lowered = Lowered::new(&model, &self.locals)?;
            let terms = lowered.terms(self.grouped.plate(), &self.places, self.support)?;
            let all: Vec<u32> = (0..elements.len() as u32).collect();
            Ok(of(&terms, &all))
        };
        taken().map_err(|why| self.failure.get_or_init(|| why)).ok()
    }
}

/// Goes over all elements for what a joint density lowered from some of them is to say of all: where scales start, what conditions let
/// through.
///
/// # Errors
/// What the system says against reading their rows.
pub(super) fn complete(joint: &mut Joint, grouped: &Grouped) -> Result<(), Problems> {
    let frame = grouped.frame();
    let statements = frame.typed().statements();
    let wanted = vec![true; statements.len()];
    let mut gauges: Vec<Option<(usize, Gauge)>> = statements.iter().map(|_| None).collect();
    let mut conditions: Vec<Option<Condition>> = vec![None; statements.len()];
    // A mean first, and then what lies around it.
    for is_first in [true, false] {
        for (n, model) in grouped.models().enumerate() {
            let model = model?;
            let part = lower::part(&model, Passes::all(), &wanted);
            for (k, (observed, condition)) in
                part.observed.into_iter().zip(part.conditions).enumerate()
            {
                // What stands above the elements is the same in all models.
                if n > 0 && !frame.is_streamed(statements[k].plate) {
                    continue;
                }
                if let Some((site, values)) = observed {
                    let (_, gauge) = gauges[k].get_or_insert_with(|| (site, Gauge::default()));
                    match is_first {
                        true => gauge.add(&values),
                        false => gauge.add_squares(&values),
                    }
                }
                if let (true, Some(condition)) = (is_first, condition) {
                    conditions[k] = Some(match conditions[k].take() {
                        Some(so_far) => so_far.and(condition),
                        None => condition,
                    });
                }
            }
        }
    }
    let spreads = gauges.into_iter().flatten();
    start::set_spreads(
        &mut joint.sites,
        spreads.map(|(site, gauge)| (site, gauge.spread())),
    );
    set_conditions(joint, conditions);
    Ok(())
}

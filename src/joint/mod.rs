//! The joint log density of a bound model, as a tape over unconstrained coordinates: one term per statement.

mod affine;
mod aggregate;
mod amortized;
mod density;
mod expr;
mod families;
mod index;
pub mod locals;
mod log_density;
mod lower;
mod mini_batches;
mod start;
mod stream;
mod transform;

use crate::dist::GaussianForm;
use crate::model::Labels;
use crate::model::Model;
use crate::shape::PlateId;
use crate::source::Span;
use crate::tape::Builder;
use crate::tape::Made;
use crate::tape::NodeId;
pub use crate::tape::Pass;
pub use crate::tape::Passes;
use crate::tape::Tape;
use crate::typed::LatentId;
use affine::Candidate;
pub use amortized::Astray;
pub use amortized::Locals;
pub use amortized::amortize;
pub use amortized::amortize_grouped;
pub use families::Families;
pub use families::Family;
pub use families::Outcome;
pub use log_density::Evaluator;
pub use log_density::LogDensity;
pub use lower::lower;
pub use lower::lower_bare;
pub use lower::lower_lazily;
pub use lower::lower_owned;
pub use lower::lower_with;
use mini_batches::MiniBatches;
pub use mini_batches::batched;
use std::sync::Arc;
use stream::Streamed;
pub use stream::check_streamed;
pub use stream::stream;

/// The log joint density of a model with its data.
#[derive(Debug)]
pub struct Joint {
    pub(crate) model: Arc<Model>,
    pub(crate) density: Tape,
    pub(crate) natural: Tape,
    pub(crate) sites: Vec<Site>,
    pub(crate) terms: Vec<Term>,
    pub(crate) quantities: Vec<Quantity>,
    pub(crate) on_request: Vec<(Quantity, NodeId)>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) made: Made,
    /// The builder's node of each term.
    pub(crate) statements: Vec<NodeId>,
    pub(crate) builder: Builder,
    /// For each statement what may have an expectation in closed form that nobody has asked for yet.
    candidates: Vec<Option<Candidate>>,
    /// The rows that are read in chunks, where there are such.
    streamed: Option<Box<Streamed>>,
    /// The locals that are found by gradient steps, where there are such.
    amortized: Option<Box<amortized::Amortized>>,
    /// What mini-batches of elements are taken from, where a fit is to see such.
    mini_batches: Option<Box<MiniBatches>>,
}

impl Joint {
    /// The bound model, its rows in the order in which they are gone through.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// That of the same model, lowered again for values and gradients alone.
    pub(crate) fn again(&self) -> Joint {
        lower_bare(Arc::clone(&self.model), Passes::all())
    }

    /// The log density of the unconstrained coordinates, Jacobians included: its terms are [`Joint::terms`], in that order.
    pub fn density(&self) -> &Tape {
        &self.density
    }

    /// What is reported, computed from the unconstrained coordinates: its outputs are [`Joint::quantities`], in that order.
    pub fn natural(&self) -> &Tape {
        &self.natural
    }

    /// The latent variables' places in the vector of unconstrained coordinates; they cover it, in this order.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The terms of the log density.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// What is reported.
    pub fn quantities(&self) -> &[Quantity] {
        &self.quantities
    }

    /// What can be reported beside: definitions that live in `rows` plates.
    pub fn on_request(&self) -> impl Iterator<Item = &Quantity> {
        self.on_request.iter().map(|(quantity, _)| quantity)
    }

    /// The tape whose outputs are those [`Joint::on_request`] for which `wanted` holds, rows in the order of their file.
    pub fn requested(&self, wanted: impl Fn(&Quantity) -> bool) -> Tape {
        let mut builder = self.builder.clone();
        let outputs: Vec<NodeId> = self
            .on_request
            .iter()
            .filter(|(quantity, _)| wanted(quantity))
            .map(|(quantity, node)| match self.order(quantity.plate) {
                Some(order) if builder.constant_value(*node).is_none() => {
                    let mut place: Arc<[u32]> = Arc::clone(order);
                    for (i, row) in order.iter().enumerate() {
                        Arc::make_mut(&mut place)[*row as usize] = i as u32;
                    }
                    builder.lift_by(*node, quantity.plate, Some(place))
                }
                Some(_) | None => *node,
            })
            .collect();
        builder.tape(&[], &outputs)
    }

    /// The row of its file, from 0, that each element of a plate is; `None` where all elements stand as bound.
    pub fn order(&self, plate: PlateId) -> Option<&Arc<[u32]>> {
        match &self.model.plate(plate).labels {
            Labels::Rows(order) => Some(order),
            Labels::Numbers(_) | Labels::Texts(_) => None,
        }
    }

    /// How many elements the statements with `where` count for.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Finds the terms whose expectations are known in closed form: what guides over all coordinates want, and those that integrate
    /// locals out do not.
    pub fn find_closed_forms(&mut self) {
        let candidates = std::mem::take(&mut self.candidates);
        for (term, candidate) in self.terms.iter_mut().zip(candidates) {
            match (&term.form, candidate) {
                (TermForm::General | TermForm::Univariate, Some(candidate)) => {
                    if let Some(found) = affine::recognise(&mut self.builder, &candidate) {
                        term.form = TermForm::Gaussian(Box::new(found));
                    }
                }
                (TermForm::Steps | TermForm::Gaussian(_), _) | (_, None) => {}
            }
        }
    }

    /// The number of unconstrained coordinates.
    pub fn dim(&self) -> usize {
        self.sites.iter().map(|s| s.width * s.len).sum()
    }

    /// The passes that were made.
    pub fn passes(&self) -> Passes {
        self.builder.passes()
    }

    /// What made the log density cheaper: each pass that found something to do, with what it did, then the terms that run in a form of
    /// their own.
    pub fn rewritings(&self) -> Vec<(String, String)> {
        let plates = self.model.typed().plates();
        let name = |plate: PlateId| format!("`{}`", plates[plate.index()].name);
        let mut list: Vec<(String, String)> = Vec::new();
        let mut add = |pass: Pass, what| list.push((pass.name().to_owned(), what));
        for plate in (0..plates.len()).map(|p| PlateId(p as u32)) {
            let by: Vec<String> = self.model.sorted_by(plate).into_iter().map(name).collect();
            if !by.is_empty() {
                add(
                    Pass::Sort,
                    format!("those of {} by {}", name(plate), by.join(", then ")),
                );
            }
        }
        let Made { folded, shared } = self.made;
        if folded > 0 {
            add(
                Pass::Fold,
                format!("{} worked out once", count(folded, "value")),
            );
        }
        if shared > 0 {
            add(
                Pass::Share,
                format!("{} met again", count(shared, "operation")),
            );
        }
        let hoisted = self.density.hoisted();
        if hoisted > 0 {
            let values = count(hoisted, "value");
            let what =
                format!("{values} worked out once for all elements in which they are the same");
            list.push(("hoisting".to_owned(), what));
        }
        let forms = self.forms().into_iter();
        list.extend(forms.map(|(term, form)| (format!("`{}`", self.terms[term].name), form)));
        list
    }

    /// The terms that run in a form of their own, by place, with that form.
    pub fn forms(&self) -> Vec<(usize, String)> {
        let mut all = self.density.recognised();
        all.extend((self.streamed.iter()).flat_map(|streamed| streamed.notes().cloned()));
        all.sort_by_key(|(term, _)| *term);
        all
    }

    /// Whether rows are read again for every run.
    pub fn reads_rows(&self) -> bool {
        self.streamed.as_ref().is_some_and(|s| s.reads())
    }

    /// The form in which the log density runs: the block tape, and what runs in a pass of its own.
    pub fn path(&self) -> String {
        let forms = self.forms();
        let named = forms
            .iter()
            .map(|(term, form)| format!("`{}` as {form}", self.terms[*term].name));
        std::iter::once("block tape".to_owned())
            .chain(named)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// `1 value`, `2 values`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A latent variable's place among the unconstrained coordinates: coordinate `k` of element `i` stands at `offset + k * len + i`.
#[derive(Clone, Debug)]
pub struct Site {
    /// The variable.
    pub latent: LatentId,
    /// Its name.
    pub name: String,
    /// Its plate.
    pub plate: PlateId,
    /// The first coordinate.
    pub offset: usize,
    /// Elements of its plate.
    pub len: usize,
    /// Unconstrained coordinates of one element.
    pub width: usize,
    /// The sites that it lies below or beside: all earlier ones in plates that its plate determines, in their order.
    pub above: Vec<Above>,
    /// A point to start from, on the unconstrained scale, for each of `width × len` coordinates in the same order.
    pub start: Vec<f64>,
}

/// A site that another lies below or beside.
#[derive(Clone, Debug)]
pub struct Above {
    /// Its place among the sites.
    pub site: usize,
    /// Which of its elements belongs to each element of the other.
    pub element: Element,
}

/// Which element of a site belongs to an element of another.
#[derive(Clone, Debug)]
pub enum Element {
    /// The only one: the site is at the top level.
    Top,
    /// The same one: both are in one plate.
    Same,
    /// The one that this gives.
    Map(Arc<[u32]>),
}

/// A term of the log density.
#[derive(Clone, Debug)]
pub struct Term {
    /// The name left of `~`, or `factor`.
    pub name: String,
    /// What it is in the ELBO.
    pub kind: TermKind,
    /// The plate that it is summed over.
    pub plate: PlateId,
    /// The statement in the text.
    pub span: Span,
    /// The form that was recognised in it.
    pub form: TermForm,
}

/// What a term is in the ELBO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TermKind {
    /// The log density of data: reconstruction.
    Observed,
    /// The prior of the site of this place: with that site's entropy a KL divergence.
    Prior(usize),
    /// Minus the divergence of locals that are found by gradient steps from their prior.
    Divergence,
    /// A `factor`.
    Factor,
}

/// A form in which a term's expectation under a Gaussian guide is known.
#[derive(Clone, Debug)]
pub enum TermForm {
    /// None: its expectation is taken over draws.
    General,
    /// The expectation over locals that are found by gradient steps is part of the term; that over globals is taken over draws.
    Steps,
    /// The sum of functions of one unconstrained coordinate each, all of its own site: one-dimensional quadrature.
    Univariate,
    /// A sum over rows of a closed form in Gaussian affine predictors.
    Gaussian(Box<GaussianTerm>),
}

/// `Σ_j weight_j E[log density_j]`, for every row `j`, with affine predictors in the unconstrained coordinates.
#[derive(Clone, Debug)]
pub struct GaussianTerm {
    /// Which closed form.
    pub form: GaussianForm,
    /// Rows.
    pub rows: usize,
    /// For Normal and LogNormal: the residual `x − mean` (`log x − mean`). For Poisson: the log rate.
    pub predictor: Affine,
    /// For Normal and LogNormal: the log of the sd. Empty for Poisson.
    pub log_sd: Affine,
    /// For Poisson: the counts; empty otherwise.
    pub observed: Vec<f64>,
    /// What is added to the density of each row: for LogNormal `−E log x` as an affine term, for a prior the log Jacobian.
    pub offset: Affine,
    /// The weight of each row (0 where the statement's condition does not hold); empty: all 1.
    pub weight: Vec<f64>,
}

/// `constant_j + Σ_t coefficient_tj · z[coordinate_tj]`, for every row `j`.
#[derive(Clone, Debug, Default)]
pub struct Affine {
    /// One number per row, or a single one for all, or none for zero.
    pub constant: Vec<f64>,
    /// The summands.
    pub terms: Vec<AffineTerm>,
}

/// One summand of an affine predictor.
#[derive(Clone, Debug)]
pub struct AffineTerm {
    /// The coordinate in each row, or a single one for all rows.
    pub coordinate: Vec<u32>,
    /// The coefficient in each row, or a single one for all rows.
    pub coefficient: Vec<f64>,
}

/// What a statement's `where` lets through.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The name left of `~`.
    pub name: String,
    /// Elements for which it counts.
    pub counted: usize,
    /// Elements in all.
    pub elements: usize,
}

impl Condition {
    /// What it lets through of these elements and others.
    fn and(self, other: Condition) -> Condition {
        Condition {
            counted: self.counted + other.counted,
            elements: self.elements + other.elements,
            ..self
        }
    }
}

/// Something that is reported with the posterior: a latent variable or a definition, on its natural scale.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// Its name.
    pub name: String,
    /// Its plate.
    pub plate: PlateId,
    /// Its elements.
    pub len: usize,
    /// Its event's dimensions; component `k` (row-major) of element `i` is output `k * len + i`.
    pub event: Vec<usize>,
    /// Whether it is a latent variable (else a definition).
    pub latent: bool,
}

//! The derivation of a model's hierarchical ELBO, in the user's names: story, joint, guide, both Jensen steps, and the sum.

mod bound;
mod document;
mod formula;
mod guide;
mod notation;
mod story;
mod structure;
mod terms;

use crate::elbo::Elbo;
use crate::elbo::ElboKind;
use crate::elbo::ElboTerm;
use crate::joint::Joint;
use crate::report::how_name;
use crate::shape::PlateId;
use crate::typed::StatementKind;
use bound::Bound;
use document::Block;
pub use document::Derivation;
use document::Prose;
use formula::Formula;
use formula::Sign;
use formula::divergence;
use formula::join;
use formula::over;
use guide::Factors;
use structure::structure;
use terms::Terms;

/// Whether the sizes of a model mean anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// Data are bound.
    Known,
    /// The model is a sketch.
    Unknown,
}

/// Derives the bound of a joint density, of the model called `name`, under its guide.
pub fn explain(joint: &Joint, elbo: &Elbo<'_>, name: &str, sizes: Sizes) -> Derivation {
    let model = joint.model();
    let terms = Terms::new(model.typed());
    let factors = Factors::new(joint, elbo.guide, &terms);
    let mut out = Derivation::default();
    out.push(Block::Title(format!("How `{name}` is fitted")));
    out.push(Block::Heading("The model as a story".to_owned()));
    out.push(Block::Items(story::story(&terms, model, sizes)));
    the_joint(&terms, &mut out);
    the_guide(&factors, &mut out);
    let bound = Bound {
        terms: &terms,
        factors: &factors,
    };
    bound.derive(&structure(joint, elbo.guide), &mut out);
    sum(elbo, &terms, &factors, &mut out);
    passes(joint, &mut out);
    out
}

/// What makes the log density cheaper to run.
fn passes(joint: &Joint, out: &mut Derivation) {
    let rewritings = joint.rewritings();
    if rewritings.is_empty() {
        return;
    }
    out.push(Block::Heading("How it is run".to_owned()));
    out.push(Block::Paragraph(Prose::words(
        "The log joint density is a program that runs block by block. These rewritings make it cheaper and change its numbers by rounding alone:",
    )));
    let items = rewritings.into_iter();
    out.push(Block::Items(
        items
            .map(|(name, what)| (0, Prose::words(format!("{name}: {what}"))))
            .collect(),
    ));
}

/// The joint density, as a product over the plates.
fn the_joint(terms: &Terms<'_>, out: &mut Derivation) {
    out.push(Block::Heading("The joint density".to_owned()));
    out.push(Block::Paragraph(Prose::words(
        "Each statement adds one factor for each element of its plate; data that no statement explains are given throughout:",
    )));
    let mut lines = vec![(0, Formula::same("p ="))];
    let mut first = true;
    product(terms, PlateId::TOP, 1, &mut first, &mut lines);
    out.push(Block::Equation(lines));
    let typed = terms.typed();
    let mut meanings = Vec::new();
    for (i, statement) in typed.statements().iter().enumerate() {
        let name = match &statement.kind {
            StatementKind::Latent(id) => &typed.latents()[id.index()].name,
            StatementKind::Observed { name, .. } => name,
            StatementKind::Factor(_) => continue,
        };
        if let Some(sample) = terms.notation.sample(name) {
            let scope = terms.notation.scope(statement.plate);
            let left = terms.density(i).and(" = ");
            let right = terms.notation.call(&sample.distribution, &scope);
            if left.text.chars().count() + right.text.chars().count() > 88 {
                meanings.extend([(0, left), (2, right)]);
            } else {
                meanings.push((0, left.then(&right)));
            }
        }
    }
    if !meanings.is_empty() {
        out.push(Block::Paragraph(Prose::words("with the densities")));
        out.push(Block::Equation(meanings));
    }
}

/// The factors of the statements of a plate, then the products over the plates drawn in it.
fn product(
    terms: &Terms<'_>,
    plate: PlateId,
    depth: usize,
    first: &mut bool,
    lines: &mut Vec<(usize, Formula)>,
) {
    let typed = terms.typed();
    let own: Vec<Formula> = (0..typed.statements().len())
        .filter(|i| typed.statements()[*i].plate == plate)
        .map(|i| match terms.condition(i) {
            Some(condition) => Formula::new("(", r"\bigl(")
                .then(&terms.density(i))
                .then(&Formula::new(" where ", r" \text{ where } "))
                .then(&condition)
                .then(&Formula::new(")", r"\bigr)")),
            None => terms.density(i),
        })
        .collect();
    for pair in own.chunks(4) {
        lines.push((depth, times(first).then(&join(pair, " ", r"\, "))));
    }
    for child in (1..typed.plates().len()).map(|i| PlateId(i as u32)) {
        let drawn_here = terms.notation.drawn_in(child).unwrap_or(PlateId::TOP) == plate;
        if drawn_here && holds_statements(terms, child) {
            let sign = over(Sign::Product, &terms.notation.elements(child));
            lines.push((
                depth,
                times(first).then(&sign).then(&Formula::new("(", r"\Bigl(")),
            ));
            *first = true;
            product(terms, child, depth + 1, first, lines);
            lines.push((depth, Formula::new(")", r"\Bigr)")));
            *first = false;
        }
    }
}

fn times(first: &mut bool) -> Formula {
    if std::mem::take(first) {
        Formula::default()
    } else {
        Formula::new("× ", r"\times ")
    }
}

/// Whether a statement stands in a plate or in one drawn in it.
fn holds_statements(terms: &Terms<'_>, plate: PlateId) -> bool {
    let statements = terms.typed().statements();
    statements
        .iter()
        .any(|s| terms.notation.scope(s.plate).contains(&plate))
}

fn the_guide(factors: &Factors<'_>, out: &mut Derivation) {
    out.push(Block::Heading("The guide".to_owned()));
    out.push(Block::Paragraph(Prose::words(
        "The posterior is approximated by a density q that follows the plates, on the unconstrained scale:",
    )));
    out.push(Block::Equation(factors.product()));
    out.push(Block::Items(factors.words()));
    if let Some(why) = factors.approximated() {
        out.push(Block::Paragraph(why));
    }
    let transforms = factors.transforms();
    if !transforms.is_empty() {
        out.push(Block::Paragraph(Prose::words(
            "Variables that are not free are functions of free ones; the log Jacobian of each belongs to its prior:",
        )));
        out.push(Block::Items(transforms));
    }
}

/// The sum that is optimised: one row for each term, with its kind and how it is computed.
fn sum(elbo: &Elbo<'_>, terms: &Terms<'_>, factors: &Factors<'_>, out: &mut Derivation) {
    out.push(Block::Heading("The sum that is optimised".to_owned()));
    out.push(Block::Paragraph(Prose::words(
        "Written out, the bound has one term for each statement, an expectation under q of:",
    )));
    let typed = terms.typed();
    let mut factor_statements = (0..typed.statements().len())
        .filter(|i| matches!(typed.statements()[*i].kind, StatementKind::Factor(_)));
    let rows = elbo
        .terms
        .iter()
        .map(|term| {
            let statement = match term.kind {
                ElboKind::Factor => factor_statements.next(),
                ElboKind::Reconstruction | ElboKind::LocalKl | ElboKind::GlobalKl => {
                    declaring(terms, &term.name)
                }
            };
            let (sign, kind) = match term.kind {
                ElboKind::Reconstruction => ("+", "reconstruction"),
                ElboKind::Factor => ("+", "factor"),
                ElboKind::LocalKl => ("−", "local KL"),
                ElboKind::GlobalKl => ("−", "global KL"),
            };
            let formula = statement.map_or(Formula::name(&term.name), |s| {
                summand(term, s, terms, factors)
            });
            vec![
                Prose::math(Formula::new(sign, if sign == "+" { "+" } else { "-" })),
                Prose::words(kind),
                Prose::words(how_name(term.how)),
                Prose::math(formula),
            ]
        })
        .collect();
    let heading = ["", "term", "computed by", "expectation of"].map(str::to_owned);
    out.push(Block::Table(heading.to_vec(), rows));
}

/// The statement that gives a name its distribution.
fn declaring(terms: &Terms<'_>, name: &str) -> Option<usize> {
    let typed = terms.typed();
    typed.statements().iter().position(|s| match &s.kind {
        StatementKind::Latent(id) => typed.latents()[id.index()].name == name,
        StatementKind::Observed { name: own, .. } => own == name,
        StatementKind::Factor(_) => false,
    })
}

fn summand(term: &ElboTerm, statement: usize, terms: &Terms<'_>, factors: &Factors<'_>) -> Formula {
    let signs = terms.signs(Sign::Sum, statement, &[]);
    match &terms.typed().statements()[statement].kind {
        StatementKind::Latent(id) if term.kind != ElboKind::Factor => {
            let q = factors.variable(*id);
            signs.then(&divergence(&q, &terms.density(statement)))
        }
        StatementKind::Latent(_) | StatementKind::Observed { .. } | StatementKind::Factor(_) => {
            signs.then(&terms.log_density(statement))
        }
    }
}

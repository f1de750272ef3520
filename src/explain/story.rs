//! The generative story in words: what is drawn from what, plate by plate.

use super::Sizes;
use super::document::Prose;
use super::formula::Formula;
use super::terms::Terms;
use crate::dist::Distribution;
use crate::model::Model;
use crate::shape::PlateId;
use crate::typed::DistributionUse;
use crate::typed::PlateSource;
use crate::typed::StatementKind;

/// The items of the story, each with its depth.
pub(super) fn story(terms: &Terms<'_>, model: &Model, sizes: Sizes) -> Vec<(usize, Prose)> {
    let mut out = Vec::new();
    plate(terms, model, sizes, PlateId::TOP, 0, &mut out);
    out
}

fn plate(
    terms: &Terms<'_>,
    model: &Model,
    sizes: Sizes,
    id: PlateId,
    depth: usize,
    out: &mut Vec<(usize, Prose)>,
) {
    let typed = terms.typed();
    let inner = if id == PlateId::TOP { depth } else { depth + 1 };
    if id != PlateId::TOP {
        out.push((depth, heading(terms, model, sizes, id)));
    }
    // In the order of the text; a statement for several names is told once.
    let mut told: Vec<(usize, Prose)> = Vec::new();
    for (i, statement) in typed.statements().iter().enumerate() {
        if statement.plate == id && !is_repeated(terms, i) {
            told.push((statement.span.start, sentence(terms, i)));
        }
    }
    for definition in typed.definitions().iter().filter(|d| d.plate == id) {
        if let Some(define) = terms.notation.define(&definition.name) {
            let scope = terms.notation.scope(id);
            let prose = Prose::math(terms.notation.named(&definition.name, id, &scope))
                .and(" stands for ")
                .formula(terms.notation.expr(&define.value, &scope));
            told.push((definition.span.start, prose));
        }
    }
    told.sort_by_key(|(start, _)| *start);
    out.extend(told.into_iter().map(|(_, prose)| (inner, prose)));
    for child in (1..typed.plates().len()).map(|i| PlateId(i as u32)) {
        if terms.notation.drawn_in(child).unwrap_or(PlateId::TOP) == id {
            plate(terms, model, sizes, child, inner, out);
        }
    }
}

/// `for each house h of county c, one per row, given floor[h]:`
fn heading(terms: &Terms<'_>, model: &Model, sizes: Sizes, id: PlateId) -> Prose {
    let typed = terms.typed();
    let declared = &typed.plates()[id.index()];
    let letter = terms.notation.letter(id);
    let mut out = Prose::words(format!("for each {} ", declared.name)).formula(letter.clone());
    let above: Vec<Prose> = declared
        .parents
        .iter()
        .filter(|p| **p != PlateId::TOP)
        .map(|p| {
            let name = format!("{} ", terms.notation.plate_name(*p));
            let own = terms.notation.letter(*p);
            let nested = terms.notation.drawn_in(id).is_some();
            Prose::words(name).formula(if nested {
                own
            } else {
                own.at(std::slice::from_ref(&letter))
            })
        })
        .collect();
    if !above.is_empty() {
        out = out.and(" of ").more(Prose::list(above));
    }
    out = out.and(match &declared.source {
        PlateSource::Top => String::new(),
        PlateSource::Rows(None) => ", one per row".to_owned(),
        PlateSource::Rows(Some(table)) => format!(", one per row of the table `{table}`"),
        PlateSource::Levels(columns) => {
            format!(", one per distinct value of {}", quoted(columns))
        }
        PlateSource::Union(columns) => {
            format!(", one per distinct value in any of {}", quoted(columns))
        }
        PlateSource::Count(n) => format!(", {n} in all"),
    });
    if sizes == Sizes::Known {
        out = out.and(format!(" ({} in the data)", model.plate(id).len()));
    }
    let scope = terms.notation.scope(id);
    let given: Vec<Prose> = typed
        .columns()
        .iter()
        .filter(|c| c.plate == id && !is_outcome(terms, &c.name))
        .map(|c| Prose::math(terms.notation.named(&c.name, id, &scope)))
        .collect();
    if !given.is_empty() {
        out = out.and(", given ").more(Prose::list(given));
    }
    out.and(":")
}

fn quoted(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|c| format!("`{c}`")).collect();
    names.join(", ")
}

fn is_outcome(terms: &Terms<'_>, column: &str) -> bool {
    terms.typed().statements().iter().any(|s| match &s.kind {
        StatementKind::Observed { name, .. } => name == column,
        StatementKind::Latent(_) | StatementKind::Factor(_) => false,
    })
}

/// Whether an earlier name of the same statement has told it already.
fn is_repeated(terms: &Terms<'_>, statement: usize) -> bool {
    let statements = terms.typed().statements();
    match statements[statement].kind {
        StatementKind::Factor(_) => false,
        StatementKind::Latent(_) | StatementKind::Observed { .. } => statements[..statement]
            .iter()
            .any(|s| s.span == statements[statement].span),
    }
}

fn sentence(terms: &Terms<'_>, statement: usize) -> Prose {
    let typed = terms.typed();
    let said = &typed.statements()[statement];
    let scope = terms.notation.scope(said.plate);
    let (name, used, observed) = match &said.kind {
        StatementKind::Latent(id) => {
            let latent = &typed.latents()[id.index()];
            (&latent.name, &latent.prior, false)
        }
        StatementKind::Observed {
            name, distribution, ..
        } => (name, distribution, true),
        StatementKind::Factor(_) => {
            let prose =
                Prose::words("the log density is raised by ").formula(terms.factor(statement));
            return with_condition(terms, statement, prose);
        }
    };
    let names: Vec<Prose> = match terms.notation.sample(name) {
        Some(sample) => sample
            .targets
            .iter()
            .map(|target| {
                let symbol = terms.notation.named(&target.name.text, said.plate, &scope);
                let mut prose = Prose::math(symbol);
                if !target.shape.is_empty() {
                    let dims: Vec<Formula> = target
                        .shape
                        .iter()
                        .map(|e| terms.notation.expr(e, &scope))
                        .collect();
                    prose = prose
                        .and(" (")
                        .formula(super::formula::join(&dims, " x ", r" \times "))
                        .and(if dims.len() == 1 { " numbers)" } else { ")" });
                }
                prose
            })
            .collect(),
        None => vec![Prose::math(terms.notation.named(name, said.plate, &scope))],
    };
    let verb = match (observed, names.len()) {
        (true, 1) => " is observed; it is drawn from ",
        (true, _) => " are observed; each is drawn from ",
        (false, 1) => " is drawn from ",
        (false, _) => " are each drawn from ",
    };
    let prose = Prose::list(names)
        .and(verb)
        .more(drawn_from(terms, name, used, &scope));
    with_condition(terms, statement, prose)
}

fn with_condition(terms: &Terms<'_>, statement: usize, prose: Prose) -> Prose {
    match terms.condition(statement) {
        Some(condition) => prose.and(", where ").formula(condition).and(" holds"),
        None => prose,
    }
}

/// `a Normal with mean = mu and sd = tau`.
fn drawn_from(terms: &Terms<'_>, name: &str, used: &DistributionUse, scope: &[PlateId]) -> Prose {
    let called = used.distribution.name();
    let mut out = Prose::words(format!("{} {called}", article(called)));
    let Some(sample) = terms.notation.sample(name) else {
        return out;
    };
    let args: Vec<Prose> = sample
        .distribution
        .args
        .iter()
        .enumerate()
        .map(|(k, arg)| {
            let given = arg.name.as_ref().map(|n| n.text.as_str());
            let word = given.unwrap_or_else(|| positional(used.distribution, k));
            Prose::words(format!("{word} = ")).formula(terms.notation.expr(&arg.value, scope))
        })
        .collect();
    if !args.is_empty() {
        out = out.and(" with ").more(Prose::list(args));
    }
    out
}

/// The name of an argument given by position: of the first form.
fn positional(distribution: &dyn Distribution, k: usize) -> &'static str {
    let first = distribution.forms().first();
    first
        .and_then(|f| f.params.get(k))
        .map_or("argument", |p| p.name)
}

fn article(name: &str) -> &'static str {
    // An acronym is read letter by letter: an LKJ, but a Laplace.
    let is_acronym = name.chars().take(2).all(char::is_uppercase);
    let vowels = if is_acronym { "AEFHILMNORSX" } else { "AEIOU" };
    if name.starts_with(|c| vowels.contains(c)) {
        "an"
    } else {
        "a"
    }
}

//! What depends on what: which latent variables a statement names, and how the evidence falls apart into elements.

use crate::guide::Guide;
use crate::joint::Joint;
use crate::shape::PlateId;
use crate::typed::Argument;
use crate::typed::DistributionUse;
use crate::typed::ExprId;
use crate::typed::ExprKind;
use crate::typed::GuideFamily;
use crate::typed::LatentId;
use crate::typed::Slot;
use crate::typed::StatementKind;
use crate::typed::Typed;

/// A latent variable that a statement names, directly or through definitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Touch {
    /// The variable.
    pub(super) latent: LatentId,
    /// Which of its elements: all that lie in one element of this plate. Its own plate when it is a single one,
    /// the top level when it may be any.
    pub(super) anchor: PlateId,
}

/// The latent variables that a statement names besides the one that it declares, each once.
pub(super) fn touches(typed: &Typed, statement: usize) -> Vec<Touch> {
    let mut found = Vec::new();
    let mut add = |touch: Touch| match found
        .iter_mut()
        .find(|t: &&mut Touch| t.latent == touch.latent)
    {
        Some(known) => known.anchor = common(typed, known.anchor, touch.anchor),
        None => found.push(touch),
    };
    match &typed.statements()[statement].kind {
        StatementKind::Latent(id) => {
            of_distribution(typed, &typed.latents()[id.index()].prior)
                .into_iter()
                .for_each(&mut add);
        }
        StatementKind::Observed {
            value,
            distribution,
            ..
        } => {
            of_distribution(typed, distribution)
                .into_iter()
                .for_each(&mut add);
            of(typed, *value).into_iter().for_each(&mut add);
        }
        StatementKind::Factor(value) => of(typed, *value).into_iter().for_each(&mut add),
    }
    found
}

fn of_distribution(typed: &Typed, used: &DistributionUse) -> Vec<Touch> {
    used.args
        .iter()
        .flat_map(|arg| match arg {
            Argument::Value(expr) => of(typed, *expr),
            Argument::Distribution(inner) => of_distribution(typed, inner),
        })
        .collect()
}

fn of(typed: &Typed, expr: ExprId) -> Vec<Touch> {
    let all = |exprs: &[ExprId]| exprs.iter().flat_map(|e| of(typed, *e)).collect();
    match &typed.expr(expr).kind {
        ExprKind::Constant(_) | ExprKind::Size(..) | ExprKind::Column(_) | ExprKind::Center(..) => {
            Vec::new()
        }
        ExprKind::Latent(id) => vec![Touch {
            latent: *id,
            anchor: typed.latents()[id.index()].plate,
        }],
        ExprKind::Definition(id) => of(typed, typed.definitions()[id.index()].value),
        ExprKind::Map(_, args) | ExprKind::Function(_, args) | ExprKind::Vector(args) => all(args),
        ExprKind::Index(base, slots) => {
            let mut found = of(typed, *base);
            for slot in slots {
                match slot {
                    Slot::At(at) => found.extend(of(typed, *at)),
                    Slot::All | Slot::Element(_) => {}
                }
            }
            found
        }
        ExprKind::Lookup(base, _) => widened(of(typed, *base), |_| PlateId::TOP),
        ExprKind::If(c, a, b) => all(&[*c, *a, *b]),
        ExprKind::Aggregate { within, body, .. } => {
            widened(of(typed, *body), |anchor| common(typed, anchor, *within))
        }
        ExprKind::LogProb(_, used, x) => {
            let mut found = of_distribution(typed, used);
            found.extend(of(typed, *x));
            found
        }
    }
}

fn widened(touches: Vec<Touch>, to: impl Fn(PlateId) -> PlateId) -> Vec<Touch> {
    touches
        .into_iter()
        .map(|t| Touch {
            anchor: to(t.anchor),
            ..t
        })
        .collect()
}

/// The finest plate that both determine; the top level when there is no single one.
fn common(typed: &Typed, a: PlateId, b: PlateId) -> PlateId {
    let both: Vec<PlateId> = (0..typed.plates().len())
        .map(|i| PlateId(i as u32))
        .filter(|p| typed.determines(a, *p) && typed.determines(b, *p))
        .collect();
    let finest = both
        .iter()
        .find(|p| both.iter().all(|other| typed.determines(**p, *other)));
    finest.copied().unwrap_or(PlateId::TOP)
}

/// A statement with what it names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// Its place among the model's statements.
    pub(super) statement: usize,
    /// What it names.
    pub(super) touches: Vec<Touch>,
}

/// The evidence of one element (or of everything, at the top level), given what lies above it.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// The observed statements and factors that name nothing below it.
    pub(super) statements: Vec<Named>,
    /// The independent parts below it.
    pub(super) parts: Vec<Part>,
}

/// A part of the evidence that is independent of the others given what lies above.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// It falls apart into the elements of a plate.
    Elements(PlateId, Level),
    /// It does not: the variables of several plates, or of all elements of one, are tied together.
    Tied {
        /// The plates, in the order of the model.
        plates: Vec<PlateId>,
        /// The observed statements and factors that tie them.
        statements: Vec<Named>,
    },
}

/// How the evidence of a model falls apart under its guide.
pub(super) fn structure(joint: &Joint, guide: &Guide) -> Level {
    let typed = joint.model().typed();
    let statements: Vec<Named> = (0..typed.statements().len())
        .map(|statement| Named {
            statement,
            touches: touches(typed, statement),
        })
        .collect();
    let mut plates: Vec<PlateId> = typed.latents().iter().map(|l| l.plate).collect();
    plates.sort();
    plates.dedup();
    plates.retain(|p| *p != PlateId::TOP);
    // A dense guide ties the elements of a plate together, whatever the model says.
    let dense: Vec<PlateId> = guide
        .factors()
        .iter()
        .filter(|f| matches!(f.family, GuideFamily::FullRank | GuideFamily::LowRank(_)))
        .map(|factor| joint.sites()[factor.site].plate)
        .collect();
    level(typed, &dense, &plates, statements)
}

/// The level of an element with the latent variables of `plates` below it.
fn level(typed: &Typed, dense: &[PlateId], plates: &[PlateId], all: Vec<Named>) -> Level {
    let below = |named: &Named| -> Vec<PlateId> {
        let mut found: Vec<PlateId> = plates_of(typed, named);
        found.retain(|p| plates.contains(p));
        found
    };
    let (deeper, own): (Vec<Named>, Vec<Named>) =
        all.into_iter().partition(|named| !below(named).is_empty());
    let groups = connected(plates, |a, b| {
        typed.determines(a, b)
            || typed.determines(b, a)
            || deeper.iter().any(|n| {
                let touched = below(n);
                touched.contains(&a) && touched.contains(&b)
            })
    });
    let parts = groups
        .into_iter()
        .map(|group| {
            let statements: Vec<Named> = deeper
                .iter()
                .filter(|n| below(n).iter().any(|p| group.contains(p)))
                .cloned()
                .collect();
            part(typed, dense, group, statements)
        })
        .collect();
    Level {
        statements: own.into_iter().filter(|n| !is_prior(typed, n)).collect(),
        parts,
    }
}

fn part(typed: &Typed, dense: &[PlateId], group: Vec<PlateId>, statements: Vec<Named>) -> Part {
    let falls_apart = |root: PlateId| {
        group.iter().all(|p| typed.determines(*p, root))
            && statements
                .iter()
                .flat_map(|n| &n.touches)
                .filter(|t| group.contains(&typed.latents()[t.latent.index()].plate))
                .all(|t| typed.determines(t.anchor, root))
    };
    let is_dense = group.iter().any(|p| dense.contains(p));
    match group.iter().find(|root| !is_dense && falls_apart(**root)) {
        Some(root) => {
            let rest: Vec<PlateId> = group.iter().copied().filter(|p| p != root).collect();
            Part::Elements(*root, level(typed, dense, &rest, statements))
        }
        None => Part::Tied {
            statements: statements
                .into_iter()
                .filter(|n| !is_prior(typed, n))
                .collect(),
            plates: group,
        },
    }
}

/// The plates whose latent variables a statement names or declares.
fn plates_of(typed: &Typed, named: &Named) -> Vec<PlateId> {
    let declared = match typed.statements()[named.statement].kind {
        StatementKind::Latent(id) => Some(id),
        StatementKind::Observed { .. } | StatementKind::Factor(_) => None,
    };
    named
        .touches
        .iter()
        .map(|t| t.latent)
        .chain(declared)
        .map(|id| typed.latents()[id.index()].plate)
        .collect()
}

fn is_prior(typed: &Typed, named: &Named) -> bool {
    matches!(
        typed.statements()[named.statement].kind,
        StatementKind::Latent(_)
    )
}

/// The connected components of a relation, each in the order of `plates`.
fn connected(plates: &[PlateId], tied: impl Fn(PlateId, PlateId) -> bool) -> Vec<Vec<PlateId>> {
    let mut groups: Vec<Vec<PlateId>> = Vec::new();
    for plate in plates {
        let (with, without): (Vec<Vec<PlateId>>, Vec<Vec<PlateId>>) = groups
            .into_iter()
            .partition(|group| group.iter().any(|other| tied(*plate, *other)));
        let mut merged: Vec<PlateId> = with.into_iter().flatten().chain([*plate]).collect();
        merged.sort();
        groups = without;
        groups.push(merged);
    }
    groups.sort();
    groups
}

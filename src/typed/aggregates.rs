//! Aggregates over plates: `f(P: expr)`.

use super::Aggregate;
use super::Depends;
use super::ExprId;
use super::ExprKind;
use super::check::Checker;
use super::check::Meaning;
use super::scope::Scope;
use crate::ast;
use crate::ast::Name;
use crate::problem::Code;
use crate::problem::did_you_mean;
use crate::shape::PlateId;
use crate::source::Span;

/// What may be computed over a plate.
pub(super) const AGGREGATES: &[(&str, Aggregate)] = &[
    ("sum", Aggregate::Sum),
    ("mean", Aggregate::Mean),
    ("sd", Aggregate::Sd),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("log_sum_exp", Aggregate::LogSumExp),
];

impl<'a> Checker<'a> {
    /// Checks `sum(P: body)`.
    pub(super) fn aggregate(
        &mut self,
        function: &Name,
        plate: &Name,
        body: &ast::Expr,
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let known = AGGREGATES
            .iter()
            .find(|(name, _)| *name == function.text)
            .map(|(_, aggregate)| *aggregate);
        if known.is_none() {
            let message = format!("`{}` does not go over a plate", function.text);
            let problem = scope.problem(Code::UnknownAggregate, function.span, message);
            let names = AGGREGATES.iter().map(|(name, _)| *name);
            self.problems
                .push(match did_you_mean(&function.text, names.clone()) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => {
                        let names: Vec<String> = names.map(|n| format!("`{n}`")).collect();
                        problem.hint(format!("{} do", names.join(", ")))
                    }
                });
        }
        let over = match self.meaning(&plate.text) {
            Some((_, Meaning::Plate(over))) => over,
            _ if self.constants_only => {
                let message = "a constant cannot go over a plate";
                let problem = scope.problem(Code::ConstantExpected, own, message);
                return self.fail(problem.label("not known before data are read"));
            }
            _ => {
                let problem = self.unknown_plate(plate);
                return self.fail(problem);
            }
        };
        let within = scope.innermost();
        for here in [within, scope.plate] {
            if self.typed.determines(here, over) {
                let message = format!(
                    "{} lies in one element of `{}`: nothing to go over",
                    self.plate_name(here),
                    plate.text
                );
                let problem = scope
                    .problem(Code::AggregateOfOwn, plate.span, message)
                    .label(format!("{} determines it", self.plate_name(here)));
                let text = self.typed.source.slice(own).to_owned();
                return self.fail(problem.hint(format!(
                    "define `m = {text}` outside `{}`, one level up, and name `m` here",
                    plate.text
                )));
            }
        }
        let mut around = scope.over.to_vec();
        around.push(over);
        let inner = Scope {
            over: &around,
            ..*scope
        };
        let before = self.indexed.len();
        let body_id = self.expr(body, &inner);
        let indexed = self.indexed[before..].contains(&over);
        let (function, body_id) = (known?, body_id?);
        self.key_as_value(body_id, body.span, scope)?;
        let checked = self.typed.expr(body_id);
        let (event, depends) = (checked.event.clone(), checked.depends);
        let mut plates: Vec<PlateId> = Vec::new();
        for &p in &checked.plates {
            if self.typed.determines(over, p) {
                continue;
            }
            if !self.typed.determines(within, p) {
                let message = format!(
                    "an aggregate of values of {}, {} and {} at once is not available yet",
                    self.plate_name(over),
                    self.plate_name(within),
                    self.plate_name(p)
                );
                let problem = scope.problem(Code::FormNotAvailable, body.span, message);
                return self
                    .fail(problem.hint("name a part of it in a definition of its own plate"));
            }
            plates.push(p);
        }
        let common: Vec<PlateId> = self.typed.plates[over.index()]
            .determines
            .iter()
            .copied()
            .filter(|&p| p != PlateId::TOP && self.typed.determines(within, p))
            .collect();
        if common.is_empty() && within != PlateId::TOP && !indexed {
            let message = format!(
                "{} and `{}` are crossed: all of `{}` is taken",
                self.plate_name(within),
                plate.text,
                plate.text
            );
            let problem = scope
                .problem(Code::AggregateOfCrossed, own, message)
                .label(format!(
                    "the same elements for each one of {}",
                    self.plate_name(within)
                ));
            self.problems
                .push(problem.hint("define it at the top level to say that this is meant"));
        }
        plates.extend(common);
        let kind = ExprKind::Aggregate {
            function,
            plate: over,
            within,
            body: body_id,
        };
        let depends = depends.max(Depends::Data);
        self.add(kind, scope.span(own), plates, event, depends)
    }
}

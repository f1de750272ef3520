//! The `guide` block: which family for which variable or plate.

use super::Amortized;
use super::ColumnId;
use super::DataKind;
use super::GuideFamily;
use super::GuideRule;
use super::GuideTarget;
use super::Order;
use super::check::Checker;
use super::check::Meaning;
use crate::ast;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::PlateId;

/// The family that takes a plate and settings.
const AMORTIZED: &str = "amortized";

/// How it is written.
const EXAMPLE: &str = "`NAME: amortized(sgd, steps = 5, rate = 0.05)`, for a plate";

impl<'a> Checker<'a> {
    /// Checks the rules.
    pub(super) fn guide(&mut self) {
        for i in 0..self.names.guides.len() {
            let (block, guide) = self.names.guides[i];
            if block != 0 {
                let message = "a guide stands at the top level";
                let problem = Problem::at(Code::GuideInPlate, guide.span, message)
                    .label("inside a plate")
                    .hint("move it out; `NAME: family` is a rule for one plate or one variable");
                self.problems.push(problem);
            }
            for rule in &guide.rules {
                if rule.family.name.text == AMORTIZED {
                    self.amortized(rule);
                    continue;
                }
                let (target, family) = (self.guide_target(rule), self.guide_family(&rule.family));
                let Some(target) = target else { continue };
                if let Some(first) = self.typed.guide.iter().find(|r| r.target == target) {
                    let message = "this guide rule is given twice";
                    let problem = Problem::at(Code::SecondGuideRule, rule.span, message)
                        .label("a second rule for the same")
                        .other(first.span, "the first");
                    self.problems.push(problem);
                    continue;
                }
                // A family that is not known stands for any other: the check fails anyway.
                self.typed.guide.push(GuideRule {
                    target,
                    family: family.unwrap_or(GuideFamily::Structured),
                    span: rule.span,
                });
            }
        }
    }

    fn guide_target(&mut self, rule: &'a ast::GuideRule) -> Option<GuideTarget> {
        let Some(name) = &rule.target else {
            return Some(GuideTarget::Default);
        };
        let declared = self.names.map.get(name.text.as_str()).copied();
        match self.meaning(&name.text).map(|(_, meaning)| meaning) {
            Some(Meaning::Latent(id)) => Some(GuideTarget::Latent(id)),
            Some(Meaning::Plate(id)) => Some(GuideTarget::Plate(id)),
            Some(Meaning::Failed | Meaning::Pending) => None,
            Some(
                Meaning::Column(_)
                | Meaning::Const(_)
                | Meaning::Function
                | Meaning::Definition(_)
                | Meaning::Size(_),
            ) => {
                let noun = declared.map_or("something else", |d| d.kind.noun());
                let message = format!("`{}` is {noun} and has no guide", name.text);
                let mut problem = Problem::at(Code::UnknownGuideTarget, name.span, message)
                    .label("expected a latent variable or a plate");
                if let Some(declared) = declared {
                    problem = problem.other(declared.span, "declared here");
                }
                self.fail(problem)
            }
            None => {
                let message = format!("there is no variable or plate `{}`", name.text);
                let latents = self.typed.latents.iter().map(|l| l.name.as_str());
                let plates = self.typed.plates.iter().skip(1).map(|p| p.name.as_str());
                let problem = Problem::at(Code::UnknownGuideTarget, name.span, message);
                let problem = match did_you_mean(&name.text, latents.chain(plates)) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => {
                        problem.hint("`default` stands for everything that no other rule names")
                    }
                };
                self.fail(problem)
            }
        }
    }

    fn guide_family(&mut self, family: &'a ast::Call) -> Option<GuideFamily> {
        let name = family.name.text.as_str();
        let built = || GuideFamily::ALL.iter().copied();
        let Some(known) = built().find(|known| known.name() == name) else {
            let message = format!("there is no guide `{name}`");
            let problem = Problem::at(Code::UnknownGuideFamily, family.name.span, message);
            let names = built().map(GuideFamily::name);
            return self.fail(match did_you_mean(name, names.chain([AMORTIZED])) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint(families()),
            });
        };
        let rank = match family.args.as_slice() {
            [] => return Some(known),
            [arg] if arg.name.is_none() => whole(&arg.value),
            _ => None,
        };
        if let Some(ranked) = rank.and_then(|rank| known.with_rank(Some(rank))) {
            return Some(ranked);
        }
        let (message, expected) = match known.with_rank(Some(1)) {
            Some(_) => (
                format!("the rank of `{name}` is a whole number from 1 on"),
                format!("expected for instance `{name}(10)`"),
            ),
            None => (
                format!("the guide `{name}` takes no arguments"),
                format!("expected `{name}`"),
            ),
        };
        let problem = Problem::at(Code::UnknownGuideFamily, family.span, message);
        self.fail(problem.label(expected))
    }
}

/// The settings of an amortised guide as they are read.
struct Settings {
    steps: Option<usize>,
    rate: Option<f64>,
    order: Order,
    support: Option<ColumnId>,
}

impl<'a> Checker<'a> {
    /// Checks `NAME: amortized(…)`.
    fn amortized(&mut self, rule: &'a ast::GuideRule) {
        let Some(target) = self.guide_target(rule) else {
            return;
        };
        let GuideTarget::Plate(plate) = target else {
            let message = format!("`{AMORTIZED}` is a guide for all variables of a plate");
            let problem = Problem::at(Code::WrongAmortized, rule.span, message);
            self.problems.push(problem.hint(format!("write {EXAMPLE}")));
            return;
        };
        if let Some(first) = &self.typed.amortized {
            let message = format!("a second plate is `{AMORTIZED}`");
            let problem = Problem::at(Code::WrongAmortized, rule.span, message)
                .label("only one plate can be")
                .other(first.span, "the first");
            self.problems.push(problem);
            return;
        }
        if let Some(settings) = self.amortized_settings(&rule.family, plate) {
            self.typed.amortized = Some(Amortized {
                plate,
                steps: settings.0,
                rate: settings.1,
                order: settings.2,
                support: settings.3,
                span: rule.span,
            });
        }
    }

    /// Steps, rate, order and support.
    fn amortized_settings(
        &mut self,
        family: &'a ast::Call,
        plate: PlateId,
    ) -> Option<(usize, f64, Order, Option<ColumnId>)> {
        let mut settings = Settings {
            steps: None,
            rate: None,
            order: Order::Second,
            support: None,
        };
        let wrong = |span, message: &str| {
            let problem = Problem::at(Code::WrongAmortized, span, message);
            problem.hint(format!("write {EXAMPLE}"))
        };
        for (i, arg) in family.args.iter().enumerate() {
            let span = arg.value.span;
            let Some(name) = &arg.name else {
                let is_sgd = matches!(&arg.value.kind, ast::ExprKind::Name(name) if name == "sgd");
                if i > 0 || !is_sgd {
                    return self.fail(wrong(
                        span,
                        "the first argument is `sgd`, the others have names",
                    ));
                }
                continue;
            };
            match name.text.as_str() {
                "steps" => match whole(&arg.value) {
                    Some(steps) => settings.steps = Some(steps as usize),
                    None => return self.fail(wrong(span, "`steps` is a whole number from 0 on")),
                },
                "rate" => match number(&arg.value).filter(|x| *x > 0.0 && x.is_finite()) {
                    Some(rate) => settings.rate = Some(rate),
                    None => return self.fail(wrong(span, "`rate` is a number above 0")),
                },
                "order" => match whole(&arg.value) {
                    Some(1) => settings.order = Order::First,
                    Some(2) => settings.order = Order::Second,
                    _ => return self.fail(wrong(span, "`order` is 1 or 2")),
                },
                "support" => {
                    let problem = wrong(
                        span,
                        "`support` is a binary data column of the plate's rows",
                    );
                    let ast::ExprKind::Name(column) = &arg.value.kind else {
                        return self.fail(problem);
                    };
                    match self.meaning(column).map(|(_, meaning)| meaning) {
                        Some(Meaning::Column(id)) if self.supports(id, plate) => {
                            settings.support = Some(id);
                        }
                        // The problem is known already.
                        Some(Meaning::Failed) => return None,
                        Some(
                            Meaning::Column(_)
                            | Meaning::Const(_)
                            | Meaning::Function
                            | Meaning::Latent(_)
                            | Meaning::Plate(_)
                            | Meaning::Definition(_)
                            | Meaning::Size(_)
                            | Meaning::Pending,
                        )
                        | None => return self.fail(problem),
                    }
                }
                other => {
                    let message = format!("`{AMORTIZED}` has no setting `{other}`");
                    let problem = Problem::at(Code::WrongAmortized, name.span, message);
                    return self
                        .fail(problem.hint("there are `steps`, `rate`, `order` and `support`"));
                }
            }
        }
        match (settings.steps, settings.rate) {
            (Some(steps), Some(rate)) => Some((steps, rate, settings.order, settings.support)),
            (None, _) => self.fail(wrong(family.span, "`steps` is not given")),
            (Some(_), None) => self.fail(wrong(family.span, "`rate` is not given")),
        }
    }

    /// Whether a column says which rows of a plate's elements are for the steps.
    fn supports(&self, column: ColumnId, plate: PlateId) -> bool {
        let column = &self.typed.columns[column.index()];
        column.kind == DataKind::Binary
            && column.event.is_empty()
            && column.plate != plate
            && self.typed.determines(column.plate, plate)
    }
}

/// A literal number.
fn number(value: &ast::Expr) -> Option<f64> {
    if let ast::ExprKind::Number(x) = value.kind {
        Some(x)
    } else {
        None
    }
}

/// A literal whole number.
fn whole(value: &ast::Expr) -> Option<u32> {
    let x = number(value)?;
    (x.fract() == 0.0 && (0.0..=1e9).contains(&x)).then_some(x as u32)
}

fn families() -> String {
    let names: Vec<String> = GuideFamily::ALL
        .iter()
        .map(|family| format!("`{}`", family.name()))
        .collect();
    format!("available are {}", names.join(", "))
}

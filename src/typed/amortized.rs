//! `NAME: amortized(…)`: a plate whose locals are found by gradient steps, and the rates of these that are learned.

use super::Argument;
use super::ColumnId;
use super::DataKind;
use super::DistributionUse;
use super::GuideTarget;
use super::Latent;
use super::LatentId;
use super::Statement;
use super::StatementKind;
use super::Typed;
use super::check::Checker;
use super::check::Meaning;
use super::guides::number;
use super::guides::whole;
use crate::ast;
use crate::ast::Ast;
use crate::dist::Distribution;
use crate::dist::log_normal::LogNormal;
use crate::problem::Code;
use crate::problem::Problem;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::source::Source;
use crate::source::Span;

/// `NAME: amortized(sgd, steps = K, rate = r, …)`: the locals of each element of a plate are found by so many gradient steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Amortized {
    /// The plate.
    pub plate: PlateId,
    /// Gradient steps.
    pub steps: usize,
    /// The length of a step, as a share of the prior's variance.
    pub rate: Rate,
    /// Whether the gradient of the globals goes through the steps, or takes their slopes as given.
    pub order: Order,
    /// A binary column: the steps see the rows where it is 1.
    pub support: Option<ColumnId>,
    /// The rule in the text.
    pub span: Span,
}

/// The length of gradient steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Rate {
    /// The same in all coordinates.
    Given(f64),
    /// Learned with the globals: each latent variable of the plate, in their order, with the latent variable of the top level that is its
    /// rate, on which no statement depends.
    Learned(Vec<(LatentId, LatentId)>),
}

/// What the gradient of the globals knows of gradient steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The slopes that the steps follow are taken as given.
    First,
    /// Everything.
    Second,
}

/// The family that takes a plate and settings.
pub(super) const AMORTIZED: &str = "amortized";

/// How it is written.
const EXAMPLE: &str = "`NAME: amortized(sgd, steps = 5, rate = 1)`, for a plate";

/// What stands for a rate that is to be learned.
const LEARNED: &str = "learned";

/// Before the name of a variable, the name of its rate.
const RATE_OF: &str = "rate_";

/// Mean and sd of the logarithm of a rate that is learned.
const RATES: (f64, f64) = (0.0, 1.0);

impl Typed {
    /// The statement that declares the rates of gradient steps that are learned, as if it were written; the text does not have it.
    pub fn learned_rates(&self) -> Option<Ast> {
        let Rate::Learned(rates) = &self.amortized.as_ref()?.rate else {
            return None;
        };
        let name = |(_, rate): &(LatentId, LatentId)| self.latents[rate.index()].name.clone();
        let names: Vec<String> = rates.iter().map(name).collect();
        let (meanlog, sdlog) = RATES;
        let call = format!("{}({meanlog}, {sdlog})", LogNormal.name());
        ast::parse(&Source::new("", &format!("{} ~ {call}", names.join(", ")))).ok()
    }
}

/// The settings of an amortised guide as they are read.
struct Settings {
    steps: Option<usize>,
    rate: Option<Rate>,
    order: Order,
    support: Option<ColumnId>,
}

impl<'a> Checker<'a> {
    /// Checks `NAME: amortized(…)`.
    pub(super) fn amortized(&mut self, rule: &'a ast::GuideRule) {
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
    ) -> Option<(usize, Rate, Order, Option<ColumnId>)> {
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
                if i > 0 || !is_name(&arg.value, "sgd") {
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
                    Some(rate) => settings.rate = Some(Rate::Given(rate)),
                    None if is_name(&arg.value, LEARNED) => {
                        settings.rate = Some(self.learned_rates(plate, span)?);
                    }
                    None => {
                        let message = format!("`rate` is a number above 0, or `{LEARNED}`");
                        return self.fail(wrong(span, &message));
                    }
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

    /// A latent variable for the rate of each variable of a plate: of the top level, log-normal around 1.
    ///
    /// Nothing depends on it but the guide, so that the evidence is the same, and the bound is one whatever its density in the guide is.
    fn learned_rates(&mut self, plate: PlateId, span: Span) -> Option<Rate> {
        let mut rates = Vec::new();
        for i in 0..self.typed.latents.len() {
            let of = &self.typed.latents[i];
            if of.plate != plate {
                continue;
            }
            let name = format!("{RATE_OF}{}", of.name);
            if let Some(declared) = self.names.map.get(name.as_str()) {
                let message = format!("the learned rate of `{}` is called `{name}`", of.name);
                let problem = Problem::at(Code::WrongAmortized, span, message)
                    .label("and that name is taken")
                    .other(declared.span, "declared here");
                return self.fail(problem.hint("give one of the variables another name"));
            }
            let [meanlog, sdlog] =
                [RATES.0, RATES.1].map(|x| self.constant(vec![x], Event::new(), span));
            let rate = LatentId(self.typed.latents.len() as u32);
            self.typed.latents.push(Latent {
                name,
                plate: PlateId::TOP,
                event: Event::new(),
                prior: DistributionUse {
                    distribution: &LogNormal,
                    form: 0,
                    args: vec![Argument::Value(meanlog?), Argument::Value(sdlog?)],
                    span,
                },
                support: LogNormal.support(),
                span,
            });
            self.typed.statements.push(Statement {
                kind: StatementKind::Latent(rate),
                plate: PlateId::TOP,
                condition: None,
                span,
            });
            rates.push((LatentId(i as u32), rate));
        }
        self.typed.statements.sort_by_key(|s| s.span.start);
        Some(Rate::Learned(rates))
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

/// Whether an expression is this name alone.
fn is_name(value: &ast::Expr, wanted: &str) -> bool {
    matches!(&value.kind, ast::ExprKind::Name(name) if name == wanted)
}

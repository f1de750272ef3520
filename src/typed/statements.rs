//! Statements: latent variables, definitions, statements about data, factors.

use super::Argument;
use super::Definition;
use super::DefinitionId;
use super::Depends;
use super::DistributionUse;
use super::ExprKind;
use super::Latent;
use super::LatentId;
use super::Statement;
use super::StatementKind;
use super::check::Checker;
use super::check::Meaning;
use super::dists::Target;
use super::names::Kind;
use super::scope::Scope;
use crate::ast;
use crate::dist::Support;
use crate::problem::Code;
use crate::problem::did_you_mean;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;

impl<'a> Checker<'a> {
    /// Evaluates the constants, each after what it names.
    pub(super) fn constants(&mut self, order: &[usize]) {
        for &place in order {
            let Kind::Const(constant) = self.names.map[place].kind else {
                continue;
            };
            self.meanings[place] = match self.const_value(constant) {
                Some(id) => Meaning::Const(id),
                None => Meaning::Failed,
            };
        }
    }

    fn const_value(&mut self, constant: &'a ast::Const) -> Option<super::ExprId> {
        let name = &constant.name;
        let id = self.expr(&constant.value, &Scope::at(PlateId::TOP))?;
        if !matches!(self.typed.expr(id).kind, ExprKind::Constant(_)) {
            let message = format!("`{}` cannot be evaluated from the text alone", name.text);
            let problem = scope_problem(&constant.value, message);
            return self
                .fail(problem.hint("leave out `const` to define it with the other variables"));
        }
        let Some(setting) = self.settings.get(&name.text).cloned() else {
            return Some(id);
        };
        let event = self.typed.expr(id).event.clone();
        if event.len() != setting.dims.len() {
            let message = format!(
                "`{}` is {}, and `--set` gives {}",
                name.text,
                self.describe(&event),
                setting.shape()
            );
            let problem = crate::problem::Problem::at(Code::BadSetting, name.span, message);
            return self.fail(problem.label("declared here"));
        }
        let event: Event = setting.dims.iter().map(|&n| Dim::Fixed(n)).collect();
        self.constant(setting.values, event, constant.value.span)
    }

    /// Checks definitions and latent variables, each after what it names.
    pub(super) fn variables(&mut self, order: &[usize]) {
        for &place in order {
            let declared = self.names.map[place];
            let plate = self.block_plates[declared.block];
            let meaning = match declared.kind {
                Kind::Definition(define) => self.define(define, plate).map(Meaning::Definition),
                Kind::Latent(sample, target) => self
                    .latent_variable(sample, target, plate)
                    .map(Meaning::Latent),
                Kind::Plate(_) | Kind::Column | Kind::Const(_) | Kind::Function(_) | Kind::Size => {
                    continue;
                }
            };
            self.meanings[place] = meaning.unwrap_or(Meaning::Failed);
        }
    }

    fn define(&mut self, define: &'a ast::Define, plate: PlateId) -> Option<DefinitionId> {
        let scope = Scope::at(plate);
        let value = self.expr(&define.value, &scope);
        let shape = self.shape(&define.shape, &scope);
        let (value, shape) = (value?, shape?);
        self.key_as_value(value, define.value.span, &scope)?;
        let event = self.typed.expr(value).event.clone();
        if !define.shape.is_empty() && event != shape {
            let message = format!(
                "`{}` is declared as {}, and its value is {}",
                define.name.text,
                self.describe(&shape),
                self.describe(&event)
            );
            let problem = scope
                .problem(Code::ShapesDiffer, define.value.span, message)
                .label(self.describe(&event))
                .hint("the shape may be left out: it follows from the value");
            return self.fail(problem);
        }
        let id = DefinitionId(self.typed.definitions.len() as u32);
        self.typed.definitions.push(Definition {
            name: define.name.text.clone(),
            plate,
            value,
            span: define.name.span,
        });
        Some(id)
    }

    fn shape(&mut self, dims: &[ast::Expr], scope: &Scope<'_>) -> Option<Event> {
        let dims: Vec<Option<Dim>> = dims.iter().map(|e| self.dimension(e, scope)).collect();
        dims.into_iter().collect()
    }

    fn latent_variable(
        &mut self,
        sample: &'a ast::Sample,
        target: &'a ast::Target,
        plate: PlateId,
    ) -> Option<LatentId> {
        let scope = Scope::at(plate);
        if let Some(condition) = &sample.condition {
            let message = format!(
                "`{}` is a latent variable and has no `where`",
                target.name.text
            );
            let problem = scope
                .problem(Code::ConditionOnLatent, condition.span, message)
                .label("only data and factors count for some elements only");
            self.problems.push(problem);
        }
        let event = self.shape(&target.shape, &scope)?;
        let name = target.name.text.as_str();
        let (prior, _) =
            self.distribution(&sample.distribution, Target::Variable(name, &event), &scope)?;
        let support = support(&prior);
        self.continuous(&prior, target, &scope)?;
        if prior.args.is_empty() {
            let message = format!("the prior of `{name}` is improper");
            let problem = scope
                .problem(Code::ImproperPrior, sample.distribution.span, message)
                .label("does not integrate to 1")
                .hint("a wide `Normal(0, 10)` or `HalfNormal(10)` keeps the evidence finite");
            self.problems.push(problem);
        }
        let id = LatentId(self.typed.latents.len() as u32);
        self.typed.latents.push(Latent {
            name: name.to_owned(),
            plate,
            event,
            prior,
            support,
            span: target.name.span,
        });
        self.typed.statements.push(Statement {
            kind: StatementKind::Latent(id),
            plate,
            condition: None,
            span: sample.span,
        });
        Some(id)
    }

    /// Latent variables are continuous, until discrete ones are summed out.
    fn continuous(
        &mut self,
        prior: &DistributionUse,
        target: &ast::Target,
        scope: &Scope<'_>,
    ) -> Option<()> {
        let finite = match prior.distribution.support() {
            Support::Binary | Support::CountUpTo { .. } | Support::Category => true,
            Support::Count => false,
            Support::Real
            | Support::Positive
            | Support::Unit
            | Support::Interval { .. }
            | Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation => return Some(()),
        };
        let name = &target.name.text;
        let (code, message) = if finite {
            let message =
                format!("`{name}` is a discrete latent variable, which is not available yet");
            (Code::DiscreteNotAvailable, message)
        } else {
            let message = format!("`{name}` is latent and takes infinitely many discrete values");
            (Code::DiscreteLatent, message)
        };
        let columns = self.typed.columns.iter().map(|c| c.name.as_str());
        let hint = match did_you_mean(name, columns) {
            Some(meant) => format!("did you mean the data `{meant}`?"),
            None => format!("`data {name}: count` makes it observed"),
        };
        let problem = scope.problem(code, target.span, message);
        self.fail(problem.label("not declared as data").hint(hint))
    }

    /// Checks the statements about data and definitions, and the factors.
    pub(super) fn statements(&mut self) {
        for i in 0..self.names.observed.len() {
            let (sample, target) = self.names.observed[i];
            if let Some(statement) = self.observed(sample, target) {
                self.typed.statements.push(statement);
            }
        }
        for i in 0..self.names.factors.len() {
            let (block, factor) = self.names.factors[i];
            let plate = self.block_plates[block];
            let scope = Scope::at(plate);
            let value = self.scalar(&factor.value, "a factor", &scope);
            let condition = self.statement_condition(factor.condition.as_ref(), &scope);
            let (Some(value), Some(condition)) = (value, condition) else {
                continue;
            };
            if self
                .key_as_value(value, factor.value.span, &scope)
                .is_some()
            {
                self.typed.statements.push(Statement {
                    kind: StatementKind::Factor(value),
                    plate,
                    condition,
                    span: factor.span,
                });
            }
        }
        self.typed.statements.sort_by_key(|s| s.span.start);
    }

    fn statement_condition(
        &mut self,
        condition: Option<&ast::Expr>,
        scope: &Scope<'_>,
    ) -> Option<Option<super::ExprId>> {
        match condition {
            Some(condition) => self.condition(condition, scope).map(Some),
            None => Some(None),
        }
    }

    fn observed(&mut self, sample: &'a ast::Sample, target: &'a ast::Target) -> Option<Statement> {
        let name = target.name.text.as_str();
        let plate = match self.meaning(name)?.1 {
            Meaning::Column(id) => self.column(id).plate,
            Meaning::Definition(id) => self.definition(id).plate,
            Meaning::Failed | Meaning::Pending => {
                // The declaration has a problem; what else is wrong with the statement is still said.
                let block = self.names.map.get(name).map_or(0, |d| d.block);
                let scope = Scope::at(self.block_plates[block]);
                self.statement_condition(sample.condition.as_ref(), &scope);
                return None;
            }
            Meaning::Plate(_)
            | Meaning::Const(_)
            | Meaning::Function
            | Meaning::Latent(_)
            | Meaning::Size(_) => return None,
        };
        let scope = Scope::at(plate);
        let value = self.name(name, target.name.span, &scope)?;
        let value_expr = self.typed.expr(value);
        let event = value_expr.event.clone();
        if value_expr.depends == Depends::Latent {
            let message =
                format!("`{name}` is defined from latent variables and has no distribution");
            let defined = self.names.map.get(name).map(|d| d.span);
            let text = self.typed.source.slice(sample.distribution.span).to_owned();
            let mut problem = scope
                .problem(Code::DefinedFromLatents, target.span, message)
                .label("given by its definition already");
            if let Some(span) = defined {
                problem = problem.other(span, "defined here");
            }
            return self.fail(problem.hint(format!(
                "`factor log_prob({text}, {name})` adds the term to the log joint"
            )));
        }
        let condition = self.statement_condition(sample.condition.as_ref(), &scope);
        if !target.shape.is_empty() {
            let shape = self.shape(&target.shape, &scope)?;
            if shape != event {
                let message = format!(
                    "`{name}` is {}, not {}",
                    self.describe(&event),
                    self.describe(&shape)
                );
                let problem = scope
                    .problem(Code::ShapesDiffer, target.span, message)
                    .label("brackets left of `~` are a shape")
                    .hint(format!("`{name} ~ …` is about the whole of it"));
                return self.fail(problem);
            }
        }
        let (distribution, _) =
            self.distribution(&sample.distribution, Target::Variable(name, &event), &scope)?;
        self.value_in_support(&distribution, value, target.name.span, &scope)?;
        Some(Statement {
            kind: StatementKind::Observed {
                name: name.to_owned(),
                value,
                distribution,
            },
            plate,
            condition: condition?,
            span: sample.span,
        })
    }
}

/// Where the draws of a distribution lie.
fn support(used: &DistributionUse) -> Support {
    let inner = used.args.iter().find_map(|arg| match arg {
        Argument::Distribution(inner) => used.distribution.support_over(support(inner)),
        Argument::Value(_) => None,
    });
    inner.unwrap_or(used.distribution.support())
}

fn scope_problem(expr: &ast::Expr, message: String) -> crate::problem::Problem {
    crate::problem::Problem::at(Code::ConstantExpected, expr.span, message)
}

//! Calls: functions of the language, functions of the file (inlined), and functions of distributions.

use super::ColumnId;
use super::DataKind;
use super::Depends;
use super::ExprId;
use super::ExprKind;
use super::Function;
use super::LogProb;
use super::Scaling;
use super::check::Checker;
use super::check::Meaning;
use super::functions;
use super::names::Kind;
use super::scope::Scope;
use crate::ast;
use crate::ast::Call;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::Event;
use crate::tape::elementwise;

impl<'a> Checker<'a> {
    /// Checks a call in an expression.
    pub(super) fn call(&mut self, call: &Call, scope: &Scope<'_>) -> Option<ExprId> {
        let name = call.name.text.as_str();
        if let Some((place, meaning)) = self.meaning(name)
            && let Kind::Function(function) = self.names.map[place].kind
        {
            if meaning == Meaning::Failed {
                return None;
            }
            let block = self.names.map[place].block;
            return self.inline(call, function, self.block_plates[block], scope);
        }
        if functions::PLANNED.contains(&name) {
            let message = format!("`{name}` is not available yet");
            let code = if name == "sort" {
                Code::FormNotAvailable
            } else {
                Code::ChainNotAvailable
            };
            return self.fail(scope.problem(code, call.span, message));
        }
        let distribution = match name {
            "log_prob" => Some(LogProb::Density),
            "log_cdf" => Some(LogProb::Cdf),
            "log_ccdf" => Some(LogProb::Ccdf),
            "center" => return self.center(call, Scaling::Center, scope),
            "standardize" => return self.center(call, Scaling::Standardize, scope),
            _ => None,
        };
        if let Some(function) = distribution {
            return self.log_prob(call, function, scope);
        }
        let row = functions::whole_event(name);
        let map = elementwise::function(name);
        if row.is_none() && map.is_none() {
            let problem = self.unknown_function(call, scope);
            return self.fail(problem);
        }
        if let Some(arg) = call.args.iter().find(|arg| arg.name.is_some()) {
            let message = format!("`{name}` takes its arguments by position");
            let problem = scope.problem(Code::ArgumentCount, arg.value.span, message);
            return self.fail(problem.hint("leave out the name and `=`"));
        }
        if let Some(row) = row
            && matches!(
                row.function,
                Function::Rep | Function::Zeros | Function::Identity
            )
        {
            return self.filled(call, row, scope);
        }
        let args: Vec<Option<ExprId>> = call
            .args
            .iter()
            .map(|arg| self.expr(&arg.value, scope))
            .collect();
        let args = args.into_iter().collect::<Option<Vec<_>>>()?;
        if let Some(op) = map.filter(|op| op.args.len() == args.len()) {
            return self.map(op, args, call.span, scope);
        }
        match row {
            Some(row) if (row.args.0..=row.args.1).contains(&args.len()) => {
                self.whole(row.function, name, args, call.span, call.span, scope)
            }
            _ => {
                let problem = self.argument_count(call, scope);
                self.fail(problem)
            }
        }
    }

    /// `f(a, b)` with `fn f(x, y) = …`: the body, with the parameters standing for the checked arguments.
    fn inline(
        &mut self,
        call: &Call,
        function: &ast::Function,
        home: crate::shape::PlateId,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let name = &call.name.text;
        if let Some(arg) = call.args.iter().find(|arg| arg.name.is_some()) {
            let message = format!("`{name}` takes its arguments by position");
            let problem = scope.problem(Code::ArgumentCount, arg.value.span, message);
            return self.fail(problem.hint("leave out the name and `=`"));
        }
        let args: Vec<Option<ExprId>> = call
            .args
            .iter()
            .map(|arg| self.expr(&arg.value, scope))
            .collect();
        if args.len() != function.params.len() {
            let params: Vec<&str> = function.params.iter().map(|p| p.text.as_str()).collect();
            let message = format!(
                "`{name}` takes {}, found {}",
                arguments(function.params.len()),
                args.len()
            );
            let problem = scope
                .problem(Code::ArgumentCount, call.span, message)
                .label(format!("expected `{name}({})`", params.join(", ")))
                .other(function.name.span, "declared here");
            return self.fail(problem);
        }
        if self.constants_only {
            // Where only constants may stand the plates are not known yet; names of variables are refused one by one.
        } else {
            self.visible(name, call.name.span, home, scope)?;
        }
        let params: Vec<(&str, Option<ExprId>)> = function
            .params
            .iter()
            .map(|p| p.text.as_str())
            .zip(args)
            .collect();
        let inner = Scope {
            plate: scope.plate,
            sees: home,
            over: scope.over,
            outside: scope.over.len(),
            params: &params,
            call: Some(scope.span(call.span)),
        };
        self.expr(&function.body, &inner)
    }

    /// `rep(x, n)`, `zeros(n, m)`, `identity(n)`: the sizes are in the shape of the result.
    fn filled(&mut self, call: &Call, row: &functions::Row, scope: &Scope<'_>) -> Option<ExprId> {
        if !(row.args.0..=row.args.1).contains(&call.args.len()) {
            let problem = self.argument_count(call, scope);
            return self.fail(problem);
        }
        let (values, sizes) = call
            .args
            .split_at(usize::from(row.function == Function::Rep));
        let value = match values {
            [value] => {
                let id = self.scalar(&value.value, "the first argument of `rep`", scope)?;
                self.key_as_value(id, value.value.span, scope)?;
                vec![id]
            }
            _ => Vec::new(),
        };
        let dims: Vec<Option<crate::shape::Dim>> = sizes
            .iter()
            .map(|size| self.dimension(&size.value, scope))
            .collect();
        let mut event: Event = dims.into_iter().collect::<Option<Event>>()?;
        if row.function == Function::Identity {
            event.push(event[0]);
        }
        let kind = ExprKind::Function(row.function, value.clone());
        self.combine(kind, &value, event, scope.span(call.span))
    }

    /// `center(x)`, `standardize(x)` of a data column.
    fn center(&mut self, call: &Call, scaling: Scaling, scope: &Scope<'_>) -> Option<ExprId> {
        let name = &call.name.text;
        let [arg] = call.args.as_slice() else {
            let problem = self.argument_count(call, scope);
            return self.fail(problem);
        };
        let id = self.expr(&arg.value, scope)?;
        let Some(column) = self.as_column(id) else {
            let message = format!("`{name}` takes a data column");
            let problem = scope.problem(Code::ColumnExpected, arg.value.span, message);
            return self.fail(problem.label("not the name of a data column").hint(
                "write it out for other values: `x - mean(plate: x)` with the mean defined one level up",
            ));
        };
        self.key_as_value(id, arg.value.span, scope)?;
        if self.column(column).plate == crate::shape::PlateId::TOP {
            let message = format!(
                "`{}` is one value at the top level and has no spread",
                self.column(column).name
            );
            let problem = scope.problem(Code::ColumnExpected, arg.value.span, message);
            return self.fail(problem.hint("declare it in the plate whose elements it describes"));
        }
        self.scaled(column, scaling, call, scope)
    }

    fn scaled(
        &mut self,
        id: ColumnId,
        scaling: Scaling,
        call: &Call,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let column = self.column(id);
        if matches!(column.kind, DataKind::Category(_)) {
            let message = format!("`{}` is a category and has no mean", column.name);
            let problem = scope.problem(Code::ColumnExpected, call.span, message);
            return self.fail(problem.hint("declare it `real` if its numbers mean amounts"));
        }
        let (plate, event) = (column.plate, column.event.clone());
        let kind = ExprKind::Center(id, scaling);
        self.add(kind, scope.span(call.span), [plate], event, Depends::Data)
    }

    /// `log_prob(D, x)` and its like.
    fn log_prob(&mut self, call: &Call, function: LogProb, scope: &Scope<'_>) -> Option<ExprId> {
        let [first, second] = call.args.as_slice() else {
            let problem = self.argument_count(call, scope);
            return self.fail(problem);
        };
        let value = self.expr(&second.value, scope);
        let Some(distribution) = self.distribution_of(&first.value) else {
            let message = format!(
                "the first argument of `{}` is a distribution",
                call.name.text
            );
            let problem = scope
                .problem(Code::DistributionExpected, first.value.span, message)
                .label("not a distribution");
            return self.fail(problem.hint(format!("`{}(Normal(0, 1), x)`", call.name.text)));
        };
        let value = value?;
        self.key_as_value(value, second.value.span, scope)?;
        let event = self.typed.expr(value).event.clone();
        let (distribution, batch) =
            self.distribution(&distribution, super::dists::Target::LogProb(&event), scope)?;
        if function != LogProb::Density && !super::dists::has_cdf(&distribution) {
            let message = format!(
                "`{}` has no distribution function to be had",
                distribution.distribution.name()
            );
            let problem = scope.problem(Code::NoDistributionFunction, first.value.span, message);
            return self.fail(problem.label(format!("`{}` needs one", call.name.text)));
        }
        self.value_in_support(&distribution, value, second.value.span, scope)?;
        let kind = ExprKind::LogProb(function, distribution, value);
        let parts = kind.parts();
        self.combine(kind, &parts, batch, scope.span(call.span))
    }

    fn argument_count(&self, call: &Call, scope: &Scope<'_>) -> Problem {
        let name = call.name.text.as_str();
        let (count, usage) = match (elementwise::function(name), functions::whole_event(name)) {
            (_, Some(row)) if row.args.0 == row.args.1 => {
                (arguments(row.args.0), row.usage.to_owned())
            }
            (_, Some(row)) => (
                format!("at least {}", arguments(row.args.0)),
                row.usage.to_owned(),
            ),
            (Some(op), None) => (
                arguments(op.args.len()),
                format!("{name}({})", op.args.join(", ")),
            ),
            (None, None) if name.starts_with("log_") => {
                (arguments(2), format!("{name}(Normal(0, 1), x)"))
            }
            (None, None) => (arguments(1), format!("{name}(x)")),
        };
        let message = format!("`{name}` takes {count}, found {}", call.args.len());
        let problem = scope
            .problem(Code::ArgumentCount, call.span, message)
            .label(format!("expected `{usage}`"));
        if matches!(name, "min" | "max") && call.args.len() > 1 {
            let args: Vec<&str> = call
                .args
                .iter()
                .map(|arg| self.typed.source.slice(arg.value.span))
                .collect();
            return problem.hint(format!("`{name}([{}])`", args.join(", ")));
        }
        problem
    }

    fn unknown_function(&self, call: &Call, scope: &Scope<'_>) -> Problem {
        let name = call.name.text.as_str();
        if let Some(distribution) = crate::dist::named(name) {
            let message = format!("`{name}` is a distribution, not a value");
            let text = self.typed.source.slice(call.span);
            let text = if text.is_empty() {
                distribution.name()
            } else {
                text
            };
            return scope
                .problem(Code::DistributionAsValue, call.span, message)
                .label("a distribution stands right of `~`")
                .hint(format!(
                    "`x ~ {text}` declares a variable, `log_prob({text}, x)` is a log density"
                ));
        }
        if super::dists::is_planned(name) {
            return super::dists::not_available(name, call.span, scope);
        }
        if let Some(declared) = self.names.map.get(name) {
            let message = format!("`{name}` is {}, not a function", declared.kind.noun());
            return scope
                .problem(Code::UnknownFunction, call.name.span, message)
                .label("called like a function")
                .other(declared.span, "declared here")
                .hint("an index stands in brackets, a product needs `*`");
        }
        let message = format!("there is no function `{name}`");
        let problem = scope.problem(Code::UnknownFunction, call.name.span, message);
        let foreign: Option<&str> = FOREIGN
            .iter()
            .find(|(word, _)| *word == name)
            .map(|(_, own)| *own);
        let mut known: Vec<&str> = self
            .names
            .map
            .iter()
            .filter(|(_, d)| matches!(d.kind, Kind::Function(_)))
            .map(|(name, _)| *name)
            .collect();
        functions::all().for_each(|name| known.push(name));
        match foreign.or_else(|| did_you_mean(name, known)) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem.hint(format!("`fn {name}(x) = …` declares one")),
        }
    }
}

/// Other systems' names for functions.
const FOREIGN: &[(&str, &str)] = &[
    ("ln", "log"),
    ("inv_logit", "sigmoid"),
    ("expit", "sigmoid"),
    ("logistic", "sigmoid"),
    ("plogis", "sigmoid"),
    ("ilogit", "sigmoid"),
    ("qlogis", "logit"),
    ("fabs", "abs"),
    ("Phi", "normal_cdf"),
    ("pnorm", "normal_cdf"),
    ("qnorm", "normal_quantile"),
    ("probit", "normal_quantile"),
    ("inv_Phi", "normal_quantile"),
    ("loggamma", "lgamma"),
    ("log1p_exp", "softplus"),
    ("lchoose", "log_choose"),
    ("len", "length"),
    ("size", "length"),
    ("cumsum", "cumulative_sum"),
    ("scale", "standardize"),
    ("zscore", "standardize"),
    ("inv", "inverse"),
    ("determinant", "log_det"),
    ("crossprod", "dot"),
    ("inprod", "dot"),
    ("power", "pow"),
    ("lpdf", "log_prob"),
    ("target", "log_prob"),
];

/// `1 argument`, `2 arguments`.
pub(super) fn arguments(n: usize) -> String {
    format!("{n} argument{}", if n == 1 { "" } else { "s" })
}

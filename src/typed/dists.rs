//! Distributions in use: which is meant, in which form, and what each argument must be.

use super::Argument;
use super::DistributionUse;
use super::arguments::Given;
use super::check::Checker;
use super::domains::domain_name;
use super::functions;
use super::scope::Scope;
use crate::ast;
use crate::ast::Arg;
use crate::ast::Call;
use crate::dist;
use crate::dist::Distribution;
use crate::dist::EventKind;
use crate::dist::Form;
use crate::dist::FreeVector;
use crate::dist::ParamKind;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::Dim;
use crate::shape::Event;
use crate::source::Span;
use crate::tape::Builder;

/// Distributions and wrappers of the language that are not built yet.
const PLANNED: &[&str] = &[
    "Gumbel",
    "SkewNormal",
    "ChiSquare",
    "Pareto",
    "InverseGaussian",
    "VonMises",
    "BetaBinomial",
    "Geometric",
    "ZeroInflated",
    "Hurdle",
    "OrderedProbit",
    "Multinomial",
    "DirichletMultinomial",
    "SumToZero",
    "MultiStudentT",
    "Wishart",
    "InverseWishart",
    "GP",
    "RandomWalk",
    "AR",
    "ICAR",
    "truncated",
    "censored",
    "mixture",
];

/// Other systems' words for distributions, in the form that [`meant`] compares.
const FOREIGN: &[(&str, &str)] = &[
    ("gaussian", "normal"),
    ("gauss", "normal"),
    ("t", "studentt"),
    ("mvn", "multinormal"),
    ("mvnormal", "multinormal"),
    ("mvnorm", "multinormal"),
    ("multivariatenormal", "multinormal"),
    ("doubleexponential", "laplace"),
    ("expon", "exponential"),
    ("exp", "exponential"),
    ("lnorm", "lognormal"),
    ("nbinom", "negbinomial"),
    ("negativebinomial", "negbinomial"),
    ("orderedlogit", "orderedlogistic"),
    ("improperuniform", "flat"),
];

/// What a distribution is for: its draws' shape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'e> {
    /// A variable of this name and shape.
    Variable(&'e str, &'e Event),
    /// The second argument of `log_prob`, of this shape; a number may be taken at several arguments at once.
    LogProb(&'e Event),
}

impl<'e> Target<'e> {
    fn event(&self) -> &'e Event {
        match self {
            Target::Variable(_, event) | Target::LogProb(event) => event,
        }
    }
}

/// Whether a distribution of the language is not built yet.
pub(super) fn is_planned(name: &str) -> bool {
    PLANNED.contains(&name)
}

/// The problem of using one.
pub(super) fn not_available(name: &str, span: Span, scope: &Scope<'_>) -> Problem {
    scope
        .problem(
            Code::DistributionNotAvailable,
            span,
            format!("`{name}` is not available yet"),
        )
        .label("part of the language, not built yet")
}

/// Whether the log of the distribution function can be computed, both ways.
pub(super) fn has_cdf(used: &DistributionUse) -> bool {
    let mut tape = Builder::new();
    let x = tape.number(0.5);
    let args = vec![x; used.args.len()];
    let (distribution, form) = (used.distribution, used.form);
    distribution.event() == EventKind::Scalar
        && distribution.log_cdf(&mut tape, form, x, &args).is_some()
        && distribution.log_ccdf(&mut tape, form, x, &args).is_some()
}

/// How a distribution is called, one line for each of its forms.
pub(super) fn signatures(distribution: &dyn Distribution) -> String {
    let forms: Vec<String> = distribution
        .forms()
        .iter()
        .map(|form| {
            let params: Vec<String> = form
                .params
                .iter()
                .map(|param| {
                    let kind = match param.kind {
                        ParamKind::Scalar(domain) => domain_name(domain).to_owned(),
                        ParamKind::Vector(domain) => format!("{}[K]", domain_name(domain)),
                        ParamKind::Free(FreeVector::Simplex) => "simplex[K]".to_owned(),
                        ParamKind::Free(FreeVector::Real) => "real[K]".to_owned(),
                        ParamKind::Free(FreeVector::Ordered) => "increasing[K - 1]".to_owned(),
                        ParamKind::Covariance => "covariance[K, K]".to_owned(),
                        ParamKind::Cholesky => "lower triangle[K, K]".to_owned(),
                        ParamKind::Distribution => "distribution".to_owned(),
                    };
                    match param.default {
                        Some(default) => format!("{}: {kind} = {default}", param.name),
                        None => format!("{}: {kind}", param.name),
                    }
                })
                .collect();
            format!("`{}({})`", distribution.name(), params.join(", "))
        })
        .collect();
    forms.join(" or ")
}

/// The distribution that a foreign or misspelt name was probably meant to be.
fn meant(name: &str) -> Option<&'static str> {
    let plain = |name: &str| {
        name.to_lowercase()
            .chars()
            .filter(char::is_ascii_alphabetic)
            .collect::<String>()
    };
    let known: Vec<&'static str> = dist::CATALOGUE
        .iter()
        .map(|d| d.name())
        .chain(PLANNED.iter().copied())
        .collect();
    let given = plain(name);
    let without_d = given.strip_prefix('d').unwrap_or(&given);
    for word in [given.as_str(), without_d] {
        let word = FOREIGN
            .iter()
            .find(|(foreign, _)| *foreign == word)
            .map_or(word, |(_, own)| own);
        let same = known.iter().find(|k| plain(k) == word);
        let begun = || {
            known
                .iter()
                .find(|k| word.len() > 2 && plain(k).starts_with(word))
        };
        let longer = || {
            known
                .iter()
                .filter(|k| k.len() > 2 && word.starts_with(&plain(k)))
                .max_by_key(|k| k.len())
        };
        if let Some(found) = same.or_else(begun).or_else(longer) {
            return Some(found);
        }
    }
    did_you_mean(name, known)
}

impl<'a> Checker<'a> {
    /// An expression that is a distribution: a call of something that is no function and no variable.
    pub(super) fn distribution_of(&self, expr: &ast::Expr) -> Option<Call> {
        match &expr.kind {
            ast::ExprKind::Paren(inner) => self.distribution_of(inner),
            ast::ExprKind::Call(call) => {
                let name = call.name.text.as_str();
                let known = dist::named(name).is_some() || is_planned(name);
                let other = self.names.map.contains_key(name) || functions::is_function(name);
                (known || !other).then(|| call.clone())
            }
            ast::ExprKind::Name(name) if dist::named(name).is_some() => Some(Call {
                name: ast::Name {
                    text: name.clone(),
                    span: expr.span,
                },
                args: Vec::new(),
                parens: false,
                span: expr.span,
            }),
            ast::ExprKind::Name(_)
            | ast::ExprKind::Number(_)
            | ast::ExprKind::Text(_)
            | ast::ExprKind::Vector(_)
            | ast::ExprKind::Unary(..)
            | ast::ExprKind::Binary(..)
            | ast::ExprKind::If(..)
            | ast::ExprKind::Index(..)
            | ast::ExprKind::Reduce { .. } => None,
        }
    }

    /// Checks a distribution with its arguments; also gives the dimensions of its independent draws.
    pub(super) fn distribution(
        &mut self,
        call: &Call,
        target: Target<'_>,
        scope: &Scope<'_>,
    ) -> Option<(DistributionUse, Event)> {
        let name = call.name.text.as_str();
        let Some(distribution) = dist::named(name) else {
            if is_planned(name) {
                return self.fail(not_available(name, call.span, scope));
            }
            self.arguments_alone(call, scope);
            let problem = self.unknown_distribution(call, scope);
            return self.fail(problem);
        };
        let Some((form, given)) = choose(distribution, &call.args) else {
            self.arguments_alone(call, scope);
            let problem = wrong_arguments(distribution, call, scope);
            return self.fail(problem);
        };
        let rank = match distribution.event() {
            EventKind::Scalar => 0,
            EventKind::Vector => 1,
            EventKind::Square => 2,
        };
        let event = target.event();
        let fits =
            event.len() >= rank && (rank < 2 || event[event.len() - 1] == event[event.len() - 2]);
        if !fits {
            self.arguments_alone(call, scope);
            let problem = self.target_shape(distribution, rank, target, call, scope);
            return self.fail(problem);
        }
        let params = distribution.forms()[form].params;
        let mut args: Vec<Option<Argument>> = Vec::new();
        for (param, given) in params.iter().zip(&given) {
            args.push(match (given, param.kind) {
                (Some(arg), ParamKind::Distribution) => {
                    self.inner(distribution, &arg.value, target, scope)
                }
                (Some(arg), _) => self.expr(&arg.value, scope).map(Argument::Value),
                (None, _) => {
                    let default = vec![param.default.unwrap_or_default()];
                    let span = scope.span(call.span);
                    self.constant(default, Event::new(), span)
                        .map(Argument::Value)
                }
            });
        }
        let mut whole = event.clone();
        if rank == 0 && matches!(target, Target::LogProb(_)) {
            for arg in args.iter().flatten() {
                if let Argument::Value(id) = arg
                    && self.typed.expr(*id).event.len() > whole.len()
                {
                    whole = self.typed.expr(*id).event.clone();
                }
            }
        }
        let mut failed = false;
        for (place, arg) in args.iter().enumerate() {
            let Some(Argument::Value(id)) = arg else {
                failed |= arg.is_none();
                continue;
            };
            let span = given[place].map_or(call.span, |arg| arg.value.span);
            let given = Given {
                distribution,
                form,
                place,
                id: *id,
                span,
                target,
            };
            failed |= self.argument_shape(&given, &whole, rank, scope).is_none()
                || self.argument_domain(&given, scope).is_none();
        }
        if failed {
            return None;
        }
        if !is_suffix(event, &whole) {
            let message = format!(
                "`log_prob` takes {} at {}",
                self.describe(event),
                self.describe(&whole)
            );
            let problem = scope.problem(Code::ArgumentShape, call.span, message);
            return self.fail(problem.label("shapes differ"));
        }
        let used = DistributionUse {
            distribution,
            form,
            args: args.into_iter().flatten().collect(),
            span: scope.span(call.span),
        };
        self.bounds(&used, call, scope)?;
        whole.truncate(whole.len() - rank);
        Some((used, whole))
    }

    /// The inner distribution of `Ordered(Normal(0, 1))`.
    fn inner(
        &mut self,
        outer: &'static dyn Distribution,
        expr: &ast::Expr,
        target: Target<'_>,
        scope: &Scope<'_>,
    ) -> Option<Argument> {
        let Some(call) = self.distribution_of(expr) else {
            let message = format!("the argument of `{}` is a distribution", outer.name());
            let problem = scope
                .problem(Code::DistributionExpected, expr.span, message)
                .label("not a distribution");
            return self.fail(problem.hint(format!("`{}(Normal(0, 1))`", outer.name())));
        };
        if let Some(inner) = dist::named(&call.name.text)
            && (inner.event() != EventKind::Scalar || outer.support_over(inner.support()).is_none())
        {
            let message = format!("`{}` does not take `{}`", outer.name(), inner.name());
            let problem = scope.problem(Code::DistributionExpected, call.span, message);
            return self.fail(
                problem.label("expected a distribution over the real or the positive numbers"),
            );
        }
        let (used, _) = self.distribution(&call, target, scope)?;
        Some(Argument::Distribution(Box::new(used)))
    }

    /// Checks the arguments of a distribution that is not known, for what is wrong with them themselves.
    fn arguments_alone(&mut self, call: &Call, scope: &Scope<'_>) {
        for arg in &call.args {
            if self.distribution_of(&arg.value).is_none() {
                self.expr(&arg.value, scope);
            }
        }
    }

    fn unknown_distribution(&self, call: &Call, scope: &Scope<'_>) -> Problem {
        let name = call.name.text.as_str();
        let noun = self.names.map.get(name).map(|d| d.kind.noun());
        let message = match noun {
            Some(noun) => format!("`{name}` is {noun}, not a distribution"),
            None => format!("there is no distribution `{name}`"),
        };
        let problem = scope.problem(Code::UnknownDistribution, call.name.span, message);
        match meant(name) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None if functions::is_function(name) || noun.is_some() => problem.hint(format!(
                "`x = {name}(…)` defines a value; right of `~` stands a distribution"
            )),
            None => problem.hint("`hvic doc` lists the distributions"),
        }
    }

    fn target_shape(
        &self,
        distribution: &dyn Distribution,
        rank: usize,
        target: Target<'_>,
        call: &Call,
        scope: &Scope<'_>,
    ) -> Problem {
        let draws = if rank == 1 {
            "a vector"
        } else {
            "a square matrix"
        };
        let found = self.describe(target.event());
        let (name, shape) = distribution_shape(rank);
        match target {
            Target::Variable(variable, _) => {
                let message = format!(
                    "`{}` draws {draws}, and `{variable}` is {found}",
                    distribution.name()
                );
                scope
                    .problem(Code::TargetShape, call.span, message)
                    .label(format!("draws {draws}"))
                    .hint(format!(
                        "`{variable}{shape} ~ {}`, {name} its size",
                        self.typed.source.slice(call.span)
                    ))
            }
            Target::LogProb(_) => {
                let message = format!("`{}` draws {draws}, not {found}", distribution.name());
                scope
                    .problem(Code::TargetShape, call.span, message)
                    .label(format!("draws {draws}"))
            }
        }
    }
}

/// Whether `event` is `of` without some of its first dimensions.
pub(super) fn is_suffix(event: &[Dim], of: &[Dim]) -> bool {
    of.ends_with(event)
}

/// What to call the size of a draw, and its shape.
fn distribution_shape(rank: usize) -> (&'static str, &'static str) {
    if rank == 1 {
        ("`K`", "[K]")
    } else {
        ("`K`", "[K, K]")
    }
}

/// The first form that takes these arguments, with the argument of each of its parameters.
fn choose<'c>(
    distribution: &'static dyn Distribution,
    args: &'c [Arg],
) -> Option<(usize, Vec<Option<&'c Arg>>)> {
    let named = args.iter().any(|arg| arg.name.is_some());
    let forms = distribution.forms();
    let candidates = if named { forms } else { &forms[..1] };
    candidates
        .iter()
        .enumerate()
        .find_map(|(i, form)| Some((i, assign(form, args)?)))
}

/// The argument of each parameter of a form; `None` when they do not fit it.
fn assign<'c>(form: &Form, args: &'c [Arg]) -> Option<Vec<Option<&'c Arg>>> {
    let mut given: Vec<Option<&Arg>> = vec![None; form.params.len()];
    for (i, arg) in args.iter().enumerate() {
        let place = match &arg.name {
            Some(name) => form.params.iter().position(|p| p.name == name.text)?,
            None => i,
        };
        let slot = given.get_mut(place)?;
        if slot.is_some() {
            return None;
        }
        *slot = Some(arg);
    }
    let complete = form
        .params
        .iter()
        .zip(&given)
        .all(|(param, given)| given.is_some() || param.default.is_some());
    complete.then_some(given)
}

fn wrong_arguments(
    distribution: &'static dyn Distribution,
    call: &Call,
    scope: &Scope<'_>,
) -> Problem {
    let name = distribution.name();
    let forms = distribution.forms();
    let known = || forms.iter().flat_map(|form| form.params).map(|p| p.name);
    let expected = format!("expected {}", signatures(distribution));
    let stranger = call
        .args
        .iter()
        .filter_map(|arg| arg.name.as_ref())
        .find(|given| known().all(|name| name != given.text));
    if let Some(stranger) = stranger {
        let message = format!("`{name}` has no parameter `{}`", stranger.text);
        let problem = scope
            .problem(Code::DistributionArguments, stranger.span, message)
            .label(expected);
        return match did_you_mean(&stranger.text, known()) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem,
        };
    }
    let counts: Vec<usize> = forms.iter().map(|form| form.params.len()).collect();
    let message = if call.args.iter().all(|arg| arg.name.is_none()) {
        let taken = super::calls::arguments(counts[0]);
        format!("`{name}` takes {taken}, found {}", call.args.len())
    } else {
        format!("these arguments of `{name}` do not go together")
    };
    scope
        .problem(Code::DistributionArguments, call.span, message)
        .label(expected)
}

//! Arguments of distributions: their shapes, and whether their values may stand there.

use super::Argument;
use super::DistributionUse;
use super::ExprId;
use super::ExprKind;
use super::check::Checker;
use super::dists::Target;
use super::dists::is_suffix;
use super::dists::signatures;
use super::domains::domain_name;
use super::domains::must_be;
use super::range::Fit;
use super::range::Range;
use super::scope::Scope;
use crate::ast::Call;
use crate::dist::Distribution;
use crate::dist::FreeVector;
use crate::dist::Param;
use crate::dist::ParamKind;
use crate::dist::Support;
use crate::num::dense;
use crate::problem::Code;
use crate::shape::Event;
use crate::source::Span;
use crate::tape::elementwise::Domain;

/// One argument of a distribution.
#[derive(Clone, Copy)]
pub(super) struct Given<'e> {
    pub(super) distribution: &'static dyn Distribution,
    /// The form, and the place of its parameter in it.
    pub(super) form: usize,
    pub(super) place: usize,
    pub(super) id: ExprId,
    pub(super) span: Span,
    pub(super) target: Target<'e>,
}

impl Given<'_> {
    fn param(&self) -> Param {
        self.distribution.forms()[self.form].params[self.place]
    }
}

impl Checker<'_> {
    /// An argument's shape against the draws': their own dimensions last, the others broadcast from the right.
    pub(super) fn argument_shape(
        &mut self,
        given: &Given<'_>,
        whole: &Event,
        rank: usize,
        scope: &Scope<'_>,
    ) -> Option<()> {
        let (distribution, id, span) = (given.distribution, given.id, given.span);
        self.key_as_value(id, span, scope)?;
        let param = given.param();
        let event = self.typed.expr(id).event.clone();
        let batch = &whole[..whole.len() - rank];
        let (fits, expected) = match param.kind {
            ParamKind::Scalar(_) => (
                is_suffix(&event, batch),
                if batch.is_empty() {
                    "a number".to_owned()
                } else {
                    format!("a number or {}", self.describe(batch))
                },
            ),
            ParamKind::Vector(_) => {
                let own = &whole[..];
                (
                    is_suffix(&event, own),
                    format!("a number or {}", self.describe(&own[own.len() - 1..])),
                )
            }
            ParamKind::Free(_) => (event.len() == 1, "a vector".to_owned()),
            ParamKind::Covariance | ParamKind::Cholesky => {
                let size = whole[whole.len() - 1];
                let own = [size, size];
                let mut wide = Event::from_slice(batch);
                wide.extend(own);
                (
                    event.len() >= 2 && is_suffix(&event, &wide),
                    self.describe(&own),
                )
            }
            ParamKind::Distribution => (true, String::new()),
        };
        if fits {
            return Some(());
        }
        let message = format!(
            "`{}` of `{}` is {expected} here, found {}",
            param.name,
            distribution.name(),
            self.describe(&event)
        );
        let problem = scope
            .problem(Code::ArgumentShape, span, message)
            .label(self.describe(&event));
        let hint = match param.kind {
            ParamKind::Scalar(_) if whole.is_empty() => {
                let name = match given.target {
                    Target::Variable(name, _) => name,
                    Target::LogProb(_) => "x",
                };
                let shape = self.brackets(&event);
                format!("brackets left of `~` give as many draws: `{name}{shape} ~ …`")
            }
            ParamKind::Scalar(_) | ParamKind::Vector(_) | ParamKind::Distribution => {
                "shapes are compared from the right; sizes that data fix are written by name"
                    .to_owned()
            }
            ParamKind::Free(_) => "one number for each category".to_owned(),
            ParamKind::Covariance | ParamKind::Cholesky => {
                format!("called {}", signatures(distribution))
            }
        };
        self.fail(problem.hint(hint))
    }

    /// An argument's values against the parameter's domain.
    pub(super) fn argument_domain(&mut self, given: &Given<'_>, scope: &Scope<'_>) -> Option<()> {
        let (distribution, place, id, span) =
            (given.distribution, given.place, given.id, given.span);
        let forms = distribution.forms();
        let param = given.param();
        let (domain, bare_kind) = match param.kind {
            ParamKind::Scalar(domain) | ParamKind::Vector(domain) => (domain, None),
            ParamKind::Free(FreeVector::Simplex) => (Domain::Unit, Some("simplex")),
            ParamKind::Free(FreeVector::Ordered) => (Domain::Real, Some("increasing vector")),
            ParamKind::Free(FreeVector::Real) => (Domain::Real, None),
            ParamKind::Covariance => (Domain::Real, Some("covariance matrix")),
            ParamKind::Cholesky => (Domain::Real, Some("Cholesky factor")),
            ParamKind::Distribution => return Some(()),
        };
        let of = format!("`{}` of `{}`", param.name, distribution.name());
        if let Some(kind) = bare_kind
            && let Some(wrong) = self.wrong_structure(param.kind, id)
        {
            let message = format!("{of} is a {kind}, and this is {wrong}");
            let problem = scope.problem(Code::ArgumentDomain, span, message);
            return self.fail(problem.hint(format!("called {}", signatures(distribution))));
        }
        let fit = self.ranges[id.index()].fit(domain);
        let expr = self.typed.expr(id);
        let (bare, constant) = (
            matches!(expr.kind, ExprKind::Column(_) | ExprKind::Latent(_)),
            matches!(expr.kind, ExprKind::Constant(_)),
        );
        let text = self.typed.source.slice(span);
        let wrong = match fit {
            Fit::Inside => return Some(()),
            Fit::Edge if !bare => return Some(()),
            Fit::Outside => true,
            Fit::Partly => bare || constant,
            Fit::Edge => false,
        };
        let code = if wrong {
            Code::ArgumentDomain
        } else {
            Code::MayLeaveDomain
        };
        let message = if wrong {
            format!("{of} must be {}, and `{text}` is not", must_be(domain))
        } else {
            format!("{of} must be {}, and `{text}` may not be", must_be(domain))
        };
        let problem = scope
            .problem(code, span, message)
            .label(format!("expected {}", domain_name(domain)));
        // Another form of the same distribution may take any number.
        let free = forms
            .iter()
            .filter_map(|form| form.params.get(place))
            .find(|other| {
                other.kind == ParamKind::Scalar(Domain::Real) && other.name != param.name
            });
        let problem = match (free, self.domain_hint(id, domain)) {
            (Some(free), _) if domain != Domain::Real && !constant => {
                problem.hint(format!("`{} = …` takes any number", free.name))
            }
            (_, Some(hint)) => problem.hint(hint),
            (_, None) => problem,
        };
        self.problems.push(problem);
        (!wrong).then_some(())
    }

    /// What a vector or matrix is, when it certainly is not what a parameter takes.
    fn wrong_structure(&self, kind: ParamKind, id: ExprId) -> Option<&'static str> {
        if let Some(values) = self.as_constant(id) {
            return constant_structure(kind, values);
        }
        let ExprKind::Latent(latent) = self.typed.expr(id).kind else {
            return None;
        };
        match (kind, self.latent(latent).support) {
            (ParamKind::Free(FreeVector::Simplex), Support::Simplex)
            | (ParamKind::Free(FreeVector::Ordered), Support::Ordered | Support::PositiveOrdered)
            | (ParamKind::Covariance, Support::Correlation)
            | (ParamKind::Cholesky, Support::CholeskyCorrelation)
            | (
                ParamKind::Free(FreeVector::Real)
                | ParamKind::Scalar(_)
                | ParamKind::Vector(_)
                | ParamKind::Distribution,
                _,
            ) => None,
            (ParamKind::Free(FreeVector::Simplex), _) => {
                Some("a vector whose numbers do not sum to 1")
            }
            (ParamKind::Free(FreeVector::Ordered), _) => Some("a vector in no order"),
            (ParamKind::Covariance, Support::CholeskyCorrelation) => {
                Some("the Cholesky factor of one")
            }
            (ParamKind::Cholesky, Support::Correlation) => Some("a correlation matrix"),
            (ParamKind::Covariance | ParamKind::Cholesky, _) => {
                Some("a matrix of independent numbers")
            }
        }
    }

    /// Constant bounds must leave something between them.
    pub(super) fn bounds(
        &mut self,
        used: &DistributionUse,
        call: &Call,
        scope: &Scope<'_>,
    ) -> Option<()> {
        let Support::Interval { lower, upper } = used.distribution.support() else {
            return Some(());
        };
        let range = |place: usize| match used.args.get(place) {
            Some(Argument::Value(id)) => self.ranges[id.index()],
            Some(Argument::Distribution(_)) | None => Range::REAL,
        };
        let (low, high) = (range(lower).ends().0, range(upper).ends().1);
        if low < high {
            return Some(());
        }
        let message = format!("`{}` has nothing between {low} and {high}", call.name.text);
        let problem = scope.problem(Code::EmptyInterval, call.span, message);
        self.fail(problem.label("the lower bound comes first"))
    }
}

/// What a constant is, when it is not what a parameter takes; matrices are square.
fn constant_structure(kind: ParamKind, values: &[f64]) -> Option<&'static str> {
    let n = values.len().isqrt();
    match kind {
        ParamKind::Free(FreeVector::Simplex) => {
            let sum: f64 = values.iter().sum();
            ((sum - 1.0).abs() > 1e-6).then_some("a vector whose numbers do not sum to 1")
        }
        ParamKind::Free(FreeVector::Ordered) => values
            .windows(2)
            .any(|pair| pair[0] >= pair[1])
            .then_some("a vector in another order"),
        ParamKind::Covariance => {
            let mut factor = values.to_vec();
            dense::cholesky(&mut factor, n);
            let mirror = |k: usize| values[k % n * n + k / n];
            let skewed =
                (0..n * n).any(|k| (values[k] - mirror(k)).abs() > 1e-9 * (1.0 + values[k].abs()));
            if skewed {
                Some("not symmetric")
            } else {
                let definite = factor.iter().all(|x| !x.is_nan());
                (!definite).then_some("not positive definite")
            }
        }
        ParamKind::Cholesky => (0..n * n)
            .any(|k| (k % n > k / n && values[k] != 0.0) || (k % n == k / n && values[k] <= 0.0))
            .then_some("not lower triangular with a positive diagonal"),
        ParamKind::Free(FreeVector::Real)
        | ParamKind::Scalar(_)
        | ParamKind::Vector(_)
        | ParamKind::Distribution => None,
    }
}

//! Domains: where expressions lie, and whether an argument may stand where it stands.

use super::Aggregate;
use super::DataKind;
use super::ExprId;
use super::ExprKind;
use super::Function;
use super::Latent;
use super::LogProb;
use super::check::Checker;
use super::range::Fit;
use super::range::Range;
use super::scope::Scope;
use crate::dist::Support;
use crate::problem::Code;
use crate::shape::Dim;
use crate::source::Span;
use crate::tape::elementwise;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::Elementwise;

/// A domain in a signature.
pub(super) fn domain_name(domain: Domain) -> &'static str {
    match domain {
        Domain::Real => "real",
        Domain::Positive => "positive",
        Domain::NonNegative => "0 or above",
        Domain::Unit => "0 to 1",
        Domain::Count => "count",
        Domain::Binary => "0 or 1",
        Domain::Index => "1, 2 …",
        Domain::NonPositive => "0 or below",
        Domain::SignedUnit => "-1 to 1",
    }
}

/// A domain as what a value must be.
pub(super) fn must_be(domain: Domain) -> &'static str {
    match domain {
        Domain::Real => "a number",
        Domain::Positive => "positive",
        Domain::NonNegative => "0 or above",
        Domain::Unit => "between 0 and 1",
        Domain::Count => "a whole number, 0 or above",
        Domain::Binary => "0 or 1",
        Domain::Index => "a whole number, 1 or above",
        Domain::NonPositive => "0 or below",
        Domain::SignedUnit => "between -1 and 1",
    }
}

/// Where the values of a type of data lie.
pub(super) fn kind_range(kind: &DataKind) -> Range {
    match kind {
        DataKind::Real => Range::REAL,
        DataKind::Positive => Range::domain(Domain::Positive),
        DataKind::Unit => Range::domain(Domain::Unit),
        DataKind::Count | DataKind::Key(_) => Range::domain(Domain::Count),
        DataKind::Binary => Range::domain(Domain::Binary),
        DataKind::Category(Dim::Fixed(n)) | DataKind::Ordinal(Dim::Fixed(n), _) => {
            Range::closed(1.0, *n as f64).whole()
        }
        DataKind::Category(Dim::Size(..)) | DataKind::Ordinal(Dim::Size(..), _) => {
            Range::domain(Domain::Index)
        }
    }
}

impl Checker<'_> {
    /// Between which numbers an expression lies.
    pub(super) fn range_of(&self, kind: &ExprKind) -> Range {
        let of = |id: &ExprId| self.ranges[id.index()];
        match kind {
            ExprKind::Constant(values) => Range::of(values),
            ExprKind::Size(..) => Range::domain(Domain::Count),
            ExprKind::Column(id) => kind_range(&self.column(*id).kind),
            ExprKind::Latent(id) => self.latent_range(self.latent(*id)),
            ExprKind::Definition(id) => of(&self.definition(*id).value),
            ExprKind::Map(op, args) => {
                let args: Vec<Range> = args.iter().map(of).collect();
                map_range(op, &args)
            }
            ExprKind::Vector(items) => {
                let mut ranges = items.iter().map(of);
                let first = ranges.next().unwrap_or(Range::REAL);
                ranges.fold(first, Range::hull)
            }
            ExprKind::If(_, a, b) => of(a).hull(of(b)),
            ExprKind::Index(base, _) | ExprKind::Lookup(base, _) => of(base),
            ExprKind::Aggregate { function, body, .. } => match function {
                Aggregate::Sum => of(body).summed(),
                Aggregate::Mean => of(body).averaged(),
                Aggregate::Min | Aggregate::Max => of(body),
                Aggregate::Sd => Range::domain(Domain::NonNegative),
                Aggregate::LogSumExp => Range::REAL,
            },
            ExprKind::LogProb(function, ..) => match function {
                LogProb::Density => Range::REAL,
                LogProb::Cdf | LogProb::Ccdf => Range::domain(Domain::NonPositive),
            },
            ExprKind::Center(..) => Range::REAL,
            ExprKind::Function(function, args) => {
                let args: Vec<Range> = args.iter().map(of).collect();
                function_range(*function, &args)
            }
        }
    }

    fn latent_range(&self, latent: &Latent) -> Range {
        match latent.support {
            Support::Real | Support::Ordered => Range::REAL,
            Support::Positive | Support::PositiveOrdered => Range::domain(Domain::Positive),
            Support::Unit | Support::Simplex => Range::open(0.0, 1.0),
            Support::Interval { lower, upper } => {
                let end = |place: usize| match latent.prior.args.get(place) {
                    Some(super::Argument::Value(id)) => self.ranges[id.index()].ends(),
                    Some(super::Argument::Distribution(_)) | None => Range::REAL.ends(),
                };
                Range::open(end(lower).0, end(upper).1)
            }
            Support::CholeskyCorrelation | Support::Correlation => {
                Range::domain(Domain::SignedUnit)
            }
            Support::Binary => Range::domain(Domain::Binary),
            Support::Count | Support::CountUpTo { .. } => Range::domain(Domain::Count),
            Support::Category => Range::domain(Domain::Index),
        }
    }

    /// Reports arguments of an elementwise function that are outside its domain; warns of columns and latents that may be.
    pub(super) fn function_domain(
        &mut self,
        op: &Elementwise,
        args: &[ExprId],
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<()> {
        for (&arg, &domain) in args.iter().zip(op.domain) {
            let fit = self.ranges[arg.index()].fit(domain);
            let bare = matches!(
                self.typed.expr(arg).kind,
                ExprKind::Column(_) | ExprKind::Latent(_)
            );
            let code = match fit {
                Fit::Inside | Fit::Edge => continue,
                Fit::Outside => Code::FunctionDomain,
                Fit::Partly if bare => Code::MayLeaveDomain,
                Fit::Partly => continue,
            };
            let text = self.typed.text(arg);
            let rest = if fit == Fit::Outside {
                "is not"
            } else {
                "may not be"
            };
            let message = format!(
                "the argument of `{}` must be {}, and `{text}` {rest}",
                op.name,
                must_be(domain)
            );
            let span = if scope.call.is_some() {
                own
            } else {
                self.typed.expr(arg).span
            };
            let problem = scope.problem(code, span, message);
            let problem = match self.domain_hint(arg, domain) {
                Some(hint) => problem.hint(hint),
                None => problem,
            };
            self.problems.push(problem);
            if fit == Fit::Outside {
                return None;
            }
        }
        Some(())
    }

    /// How an expression could be brought into a domain.
    pub(super) fn domain_hint(&self, id: ExprId, domain: Domain) -> Option<String> {
        let kind = &self.typed.expr(id).kind;
        let (column, latent) = (
            matches!(kind, ExprKind::Column(_)),
            matches!(kind, ExprKind::Latent(_)),
        );
        if self.as_constant(id).is_some() {
            return None;
        }
        let text = if column || latent {
            self.typed.text(id)
        } else {
            "x".to_owned()
        };
        let hint = match domain {
            Domain::Positive | Domain::NonNegative if column => {
                format!("`data {text}: positive` if its values are all above 0")
            }
            Domain::Positive | Domain::NonNegative if latent => {
                format!("`exp({text})` is positive, and so is `{text} ~ HalfNormal(1)`")
            }
            Domain::Positive | Domain::NonNegative => {
                "`exp(x)` and `softplus(x)` are positive".to_owned()
            }
            Domain::Unit if column => {
                format!("`data {text}: unit` if its values are all between 0 and 1")
            }
            Domain::Unit => format!("`sigmoid({text})` is between 0 and 1"),
            Domain::Count if column => format!("`data {text}: count` if its values are 0, 1, 2 …"),
            Domain::Binary if column => format!("`data {text}: binary` if its values are 0 or 1"),
            Domain::SignedUnit => format!("`tanh({text})` is between -1 and 1"),
            Domain::Real | Domain::Count | Domain::Binary | Domain::Index | Domain::NonPositive => {
                return None;
            }
        };
        Some(hint)
    }
}

fn map_range(op: &Elementwise, args: &[Range]) -> Range {
    match args {
        [a, b] if *op == elementwise::ADD => a.plus(*b),
        [a, b] if *op == elementwise::SUB => a.plus(b.negated()),
        [a, b] if *op == elementwise::MUL => a.times(*b),
        [a, b] if *op == elementwise::DIV => a.over(*b),
        [a, b] if *op == elementwise::POW => a.power(*b),
        [a] if *op == elementwise::NEG => a.negated(),
        _ => Range::domain(op.range),
    }
}

fn function_range(function: Function, args: &[Range]) -> Range {
    let first = args.first().copied().unwrap_or(Range::REAL);
    match function {
        Function::Sum | Function::CumulativeSum => first.summed(),
        Function::Mean => first.averaged(),
        Function::Min | Function::Max | Function::Rep | Function::Transpose => first,
        Function::Dot | Function::Outer | Function::MatrixProduct => args
            .get(1)
            .map_or(Range::REAL, |second| first.times(*second))
            .summed(),
        Function::Softmax => Range::open(0.0, 1.0),
        Function::LogSoftmax => Range::domain(Domain::NonPositive),
        Function::Concat => args.iter().copied().fold(first, Range::hull),
        Function::Zeros => Range::of(&[0.0]),
        Function::Identity => Range::closed(0.0, 1.0).whole(),
        Function::Diag | Function::LowerTriangular => {
            (args.iter().skip(1).copied()).fold(first.hull(Range::of(&[0.0])), Range::hull)
        }
        Function::Length => Range::domain(Domain::Index),
        Function::LogSumExp
        | Function::LogMix
        | Function::Cholesky
        | Function::Solve
        | Function::Inverse
        | Function::LogDet => Range::REAL,
    }
}

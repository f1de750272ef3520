//! Outcomes: data against the support of their distribution.

use super::Argument;
use super::DataKind;
use super::DistributionUse;
use super::ExprId;
use super::check::Checker;
use super::range::Fit;
use super::scope::Scope;
use crate::dist::FreeVector;
use crate::dist::ParamKind;
use crate::dist::Support;
use crate::problem::Code;
use crate::shape::Dim;
use crate::source::Span;
use crate::tape::elementwise::Domain;

impl Checker<'_> {
    /// A value against the support of its distribution.
    pub(super) fn value_in_support(
        &mut self,
        used: &DistributionUse,
        value: ExprId,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<()> {
        let name = used.distribution.name();
        let column = self.as_column(value).map(|id| self.column(id).clone());
        let category = column
            .as_ref()
            .is_some_and(|c| matches!(c.kind, DataKind::Category(_)));
        let coded = column
            .as_ref()
            .is_none_or(|c| matches!(c.kind, DataKind::Category(_) | DataKind::Ordinal(..)));
        let (domain, gives, kind) = match used.distribution.support() {
            Support::Category => (Domain::Index, "categories", "category"),
            Support::Real => (Domain::Real, "numbers", "real"),
            Support::Positive => (Domain::Positive, "positive numbers", "positive"),
            Support::Unit => (Domain::Unit, "numbers between 0 and 1", "unit"),
            Support::Binary => (Domain::Binary, "0 or 1", "binary"),
            Support::Count | Support::CountUpTo { .. } => (Domain::Count, "counts", "count"),
            Support::Interval { .. }
            | Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation => (Domain::Real, "numbers", "real"),
        };
        let fit = self.ranges[value.index()].fit(domain);
        let wrong = match (used.distribution.support(), &column) {
            (Support::Category, _) => !coded || fit == Fit::Outside,
            (_, Some(_)) => category || !matches!(fit, Fit::Inside | Fit::Edge),
            (_, None) => fit == Fit::Outside,
        };
        if wrong {
            let text = self.typed.source.slice(span).to_owned();
            let message = match &column {
                Some(column) => format!(
                    "`{name}` gives {gives}, and `{}` is {}",
                    column.name,
                    super::columns::describe(&column.kind, &self.typed)
                ),
                None => format!("`{name}` gives {gives}, which `{text}` is not"),
            };
            let problem = scope
                .problem(Code::OutcomeType, span, message)
                .label(format!("expected {gives}"));
            return self.fail(match column {
                Some(column) => problem.other(column.span, "declared here").hint(format!(
                    "`data {}: {kind}` if that is what it holds",
                    column.name
                )),
                None => problem,
            });
        }
        match column.map(|c| c.kind) {
            Some(DataKind::Category(levels) | DataKind::Ordinal(levels, _)) => {
                self.levels_fit(used, levels, span, scope)
            }
            Some(
                DataKind::Real
                | DataKind::Positive
                | DataKind::Unit
                | DataKind::Count
                | DataKind::Binary
                | DataKind::Key(_),
            )
            | None => Some(()),
        }
    }

    /// The number of probabilities or cutpoints against the number of levels.
    fn levels_fit(
        &mut self,
        used: &DistributionUse,
        levels: Dim,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<()> {
        let params = used.distribution.forms()[used.form].params;
        for (param, arg) in params.iter().zip(&used.args) {
            let fewer = match param.kind {
                ParamKind::Free(FreeVector::Simplex | FreeVector::Real) => 0,
                ParamKind::Free(FreeVector::Ordered) => 1,
                ParamKind::Scalar(_)
                | ParamKind::Vector(_)
                | ParamKind::Covariance
                | ParamKind::Cholesky
                | ParamKind::Distribution => continue,
            };
            let Argument::Value(id) = arg else {
                continue;
            };
            let wanted = match levels {
                Dim::Fixed(n) => Dim::Fixed(n.saturating_sub(fewer)),
                Dim::Size(id, plus) => Dim::Size(id, plus - fewer as i64),
            };
            let found = self.typed.expr(*id).event[0];
            if found != wanted {
                let message = format!(
                    "`{}` of `{}` has {} numbers, and the levels need {}",
                    param.name,
                    used.distribution.name(),
                    self.typed.dim_text(found),
                    self.typed.dim_text(wanted)
                );
                let arg_span = self.typed.expr(*id).span;
                let problem = scope
                    .problem(Code::LevelsCount, span, message)
                    .label(format!("{} levels", self.typed.dim_text(levels)))
                    .other(arg_span, format!("{} numbers", self.typed.dim_text(found)));
                return self.fail(problem.hint(
                    "`data y: category(K)` or `ordinal(K)` names the number of levels for use in shapes: `[K]`, `[K - 1]`",
                ));
            }
        }
        Some(())
    }
}

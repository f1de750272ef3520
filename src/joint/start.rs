//! Points to start from, on the unconstrained scale.

use super::Site;
use super::lower::Lowering;
use crate::dist::Support;
use crate::tape::Op;
use crate::typed::Argument;
use crate::typed::ExprKind;
use crate::typed::StatementKind;

/// Sets the starting points: the centre of a prior that says where it is, the spread of the data for a scale of their density, else the middle of the support.
pub(super) fn set(lowering: &Lowering<'_>, sites: &mut [Site]) {
    let typed = lowering.typed;
    for site in sites.iter_mut() {
        let latent = &typed.latents()[site.latent.index()];
        let location = latent.prior.distribution.forms()[latent.prior.form]
            .params
            .iter()
            .position(|param| matches!(param.name, "mean" | "loc" | "meanlog"));
        let Some(Argument::Value(id)) = location.and_then(|place| latent.prior.args.get(place))
        else {
            continue;
        };
        // The coordinates of these supports are in the units of the location.
        let same_units = match latent.support {
            Support::Real => true,
            Support::Positive => {
                latent.prior.distribution.forms()[latent.prior.form].params[0].name == "meanlog"
            }
            Support::Unit
            | Support::Interval { .. }
            | Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation
            | Support::Binary
            | Support::Count
            | Support::CountUpTo { .. }
            | Support::Category => false,
        };
        if let (ExprKind::Constant(values), true) = (&typed.expr(*id).kind, same_units) {
            for k in 0..site.width {
                let value = values[if values.len() == site.width { k } else { 0 }];
                site.start[k * site.len..(k + 1) * site.len].fill(value);
            }
        }
    }
    for statement in typed.statements() {
        let StatementKind::Observed {
            value,
            distribution,
            ..
        } = &statement.kind
        else {
            continue;
        };
        let place = distribution.distribution.forms()[distribution.form]
            .params
            .iter()
            .position(|param| matches!(param.name, "sd" | "scale" | "sdlog"));
        let Some(Argument::Value(scale)) = place.and_then(|place| distribution.args.get(place))
        else {
            continue;
        };
        let ExprKind::Latent(id) = typed.expr(*scale).kind else {
            continue;
        };
        let site = &mut sites[lowering.site_of[&id]];
        if let (Some(spread), Support::Positive) = (
            spread(lowering, *value),
            typed.latents()[id.index()].support,
        ) {
            site.start.fill(spread.ln());
        }
    }
}

/// The standard deviation of observed values.
fn spread(lowering: &Lowering<'_>, value: crate::typed::ExprId) -> Option<f64> {
    let column = match lowering.typed.expr(value).kind {
        ExprKind::Column(column) => lowering.columns.get(&column).copied(),
        ExprKind::Definition(definition) => lowering.definitions.get(&definition).copied(),
        ExprKind::Constant(_)
        | ExprKind::Size(..)
        | ExprKind::Latent(_)
        | ExprKind::Map(..)
        | ExprKind::Function(..)
        | ExprKind::Vector(_)
        | ExprKind::Index(..)
        | ExprKind::Lookup(..)
        | ExprKind::If(..)
        | ExprKind::Aggregate { .. }
        | ExprKind::LogProb(..)
        | ExprKind::Center(..) => None,
    }?;
    if matches!(lowering.builder.node(column).op, Op::Constant(_)) {
        return None;
    }
    let values = lowering.builder.evaluate(column);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (sd.is_finite() && sd > 0.0).then_some(sd)
}

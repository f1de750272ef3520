//! Points to start from, on the unconstrained scale.

use super::Site;
use super::lower::Lowering;
use crate::dist::Support;
use crate::num::Shared;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::typed::Argument;
use crate::typed::ExprId;
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
    let observed = observed(lowering).into_iter().flatten();
    set_spreads(
        sites,
        observed.map(|(site, values)| (site, Spread::of(&values))),
    );
}

/// Starts scales at the spreads of their data.
pub(super) fn set_spreads(sites: &mut [Site], spreads: impl Iterator<Item = (usize, Spread)>) {
    for (site, spread) in spreads {
        let sd = spread.sd();
        if sd.is_finite() && sd > 0.0 {
            sites[site].start.fill(sd.ln());
        }
    }
}

/// For each statement, where its data have a scale that is a positive latent variable: the site of that, and the data.
pub(super) fn observed(lowering: &Lowering<'_>) -> Vec<Option<(usize, Shared)>> {
    let statements = lowering.typed.statements().iter();
    statements.map(|s| scale(lowering, &s.kind)).collect()
}

fn scale(lowering: &Lowering<'_>, kind: &StatementKind) -> Option<(usize, Shared)> {
    let StatementKind::Observed {
        value,
        distribution,
        ..
    } = kind
    else {
        return None;
    };
    let params = distribution.distribution.forms()[distribution.form].params;
    let place = (params.iter()).position(|param| matches!(param.name, "sd" | "scale" | "sdlog"))?;
    let Argument::Value(scale) = distribution.args.get(place)? else {
        return None;
    };
    let ExprKind::Latent(id) = lowering.typed.expr(*scale).kind else {
        return None;
    };
    let positive = lowering.typed.latents()[id.index()].support == Support::Positive;
    let column = positive.then(|| column(lowering, *value))?;
    Some((lowering.site_of[&id], lowering.builder.evaluate(column?)))
}

/// How far observed values spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    /// The sum of squares about the mean.
    squares: f64,
}

impl Spread {
    /// That of these values.
    pub fn of(values: &[f64]) -> Spread {
        let mut gauge = Gauge::default();
        gauge.add(values);
        gauge.add_squares(values);
        gauge.spread()
    }

    /// The standard deviation.
    fn sd(self) -> f64 {
        (self.squares / (self.count - 1.0)).sqrt()
    }

    /// That of these values and others.
    pub fn and(self, other: Spread) -> Spread {
        let count = self.count + other.count;
        let shift = other.mean - self.mean;
        Spread {
            count,
            mean: self.mean + shift * (other.count / count),
            squares: self.squares
                + other.squares
                + shift * shift * (self.count * (other.count / count)),
        }
    }
}

/// The spread of values that come some at a time, which are gone over twice: with the bits of that of all at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauge {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Gauge {
    /// Takes further values for the mean.
    pub fn add(&mut self, values: &[f64]) {
        self.count += values.len() as f64;
        values.iter().for_each(|v| self.sum += v);
    }

    /// Takes further values for the squares about the mean, which is known by then.
    pub fn add_squares(&mut self, values: &[f64]) {
        let mean = self.sum / self.count;
        (values.iter()).for_each(|v| self.squares += (v - mean).powi(2));
    }

    /// The spread of all values.
    pub fn spread(self) -> Spread {
        Spread {
            count: self.count,
            mean: self.sum / self.count,
            squares: self.squares,
        }
    }
}

/// The node of observed values that are no constant.
fn column(lowering: &Lowering<'_>, value: ExprId) -> Option<NodeId> {
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
    (!matches!(lowering.builder.node(column).op, Op::Constant(_))).then_some(column)
}

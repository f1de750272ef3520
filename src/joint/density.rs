//! Statements to terms: log densities with their conditions and Jacobians.

use super::Condition;
use super::Term;
use super::TermForm;
use super::TermKind;
use super::affine::Candidate;
use super::lower::Lowering;
use super::transform::events;
use crate::dist::Applied;
use crate::dist::EventKind;
use crate::dist::ParamKind;
use crate::dist::Support;
use crate::shape::PlateId;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::SELECT;
use crate::tape::event::EventOp;
use crate::typed::Argument;
use crate::typed::DistributionUse;
use crate::typed::LatentId;
use crate::typed::LogProb;
use crate::typed::Statement;
use crate::typed::StatementKind;

/// Some components of a node: the first, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Components {
    pub node: NodeId,
    pub start: usize,
    pub width: usize,
}

fn of(node: NodeId, start: usize, width: usize) -> Components {
    Components { node, start, width }
}

impl Lowering<'_> {
    /// The term of a statement, its node (width 1, in the statement's plate), and what its condition lets through.
    pub fn statement(&mut self, statement: &Statement) -> (Term, NodeId, Option<Condition>) {
        let plate = statement.plate;
        let before = self.builder.set_within(plate);
        let (name, kind, density) = match &statement.kind {
            StatementKind::Latent(id) => {
                let name = self.typed.latents()[id.index()].name.clone();
                (name, TermKind::Prior(self.site_of[id]), self.prior(*id))
            }
            StatementKind::Observed {
                name,
                value,
                distribution,
            } => {
                let dims = self.dims(&self.typed.expr(*value).event);
                let value = self.expr(*value, plate);
                let density = self.log_density(distribution, value, &dims, plate);
                (name.clone(), TermKind::Observed, density)
            }
            StatementKind::Factor(value) => (
                "factor".to_string(),
                TermKind::Factor,
                self.expr(*value, plate),
            ),
        };
        self.builder.at(statement.span);
        let mut node = self.sum(density);
        let mut condition = None;
        if let Some(counts) = statement.condition {
            let counts = self.expr(counts, plate);
            let counts = self.every_element(counts, plate);
            let holds = self.builder.evaluate(counts);
            condition = Some(Condition {
                name: name.clone(),
                counted: holds.iter().filter(|v| **v != 0.0).count(),
                elements: holds.len(),
            });
            let zero = self.builder.number(0.0);
            node = self.builder.map(&SELECT, &[counts, node, zero]);
        }
        let node = self.every_element(node, plate);
        let made = self.builder.made();
        let candidate = match self.closed_forms {
            true => self.candidate(statement),
            false => None,
        };
        self.candidates.push(candidate);
        let form = match &statement.kind {
            StatementKind::Latent(id) if self.is_univariate(*id) => TermForm::Univariate,
            StatementKind::Latent(_)
            | StatementKind::Observed { .. }
            | StatementKind::Factor(_) => TermForm::General,
        };
        self.builder.recount(made);
        self.builder.set_within(before);
        (
            Term {
                name,
                kind,
                plate,
                span: statement.span,
                form,
            },
            node,
            condition,
        )
    }

    /// The statement, where its expectation under a Gaussian may be known in closed form.
    fn candidate(&mut self, statement: &Statement) -> Option<Candidate> {
        let (distribution, x, dims, log_jacobian) = match &statement.kind {
            StatementKind::Latent(id) => {
                let latent = &self.typed.latents()[id.index()];
                let natural = self.latent(*id);
                (
                    &latent.prior,
                    natural.value,
                    self.dims(&latent.event),
                    natural.log_jacobian,
                )
            }
            StatementKind::Observed {
                value,
                distribution,
                ..
            } => {
                let x = self.expr(*value, statement.plate);
                (
                    distribution,
                    x,
                    self.dims(&self.typed.expr(*value).event),
                    None,
                )
            }
            StatementKind::Factor(_) => return None,
        };
        Some(Candidate {
            form: distribution.distribution.gaussian_form(distribution.form)?,
            plate: statement.plate,
            width: dims.iter().product(),
            x,
            args: self.args(distribution, &dims, statement.plate),
            log_jacobian,
            condition: statement.condition.map(|id| {
                let counts = self.expr(id, statement.plate);
                self.every_element(counts, statement.plate)
            }),
        })
    }

    /// A node with a value for each element of `plate`, also when it is a constant.
    pub fn every_element(&mut self, node: NodeId, plate: PlateId) -> NodeId {
        match self.builder.constant_value(node) {
            Some(values) if plate != PlateId::TOP => {
                let len = self.builder.len_of(plate);
                let column = values
                    .iter()
                    .flat_map(|v| std::iter::repeat_n(*v, len))
                    .collect();
                let width = values.len();
                self.builder.data(plate, width, column)
            }
            Some(_) => node,
            None => self.builder.lift(node, plate),
        }
    }

    /// The log prior density of a latent variable with its log Jacobian, on the unconstrained scale.
    fn prior(&mut self, id: LatentId) -> NodeId {
        let latent = &self.typed.latents()[id.index()];
        let natural = self.latent(id);
        let dims = self.dims(&latent.event);
        let density = self.log_density(&latent.prior, natural.value, &dims, latent.plate);
        match natural.log_jacobian {
            Some(log_jacobian) => {
                let density = self.sum(density);
                self.builder.at(latent.span);
                self.builder.map(&ADD, &[density, log_jacobian])
            }
            None => density,
        }
    }

    /// Whether the prior is a sum of functions of one coordinate each.
    fn is_univariate(&self, id: LatentId) -> bool {
        let latent = &self.typed.latents()[id.index()];
        let by_coordinate = match latent.support {
            Support::Real | Support::Positive | Support::Unit | Support::Interval { .. } => true,
            Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation
            | Support::Binary
            | Support::Count
            | Support::CountUpTo { .. }
            | Support::Category => false,
        };
        let known = latent.prior.args.iter().all(|arg| match arg {
            Argument::Value(id) => self.typed.expr(*id).depends < crate::typed::Depends::Latent,
            Argument::Distribution(_) => false,
        });
        by_coordinate && known && latent.prior.distribution.event() == EventKind::Scalar
    }

    /// The log density of a value of dimensions `dims`: one component for each draw.
    pub fn log_density(
        &mut self,
        distribution: &DistributionUse,
        value: NodeId,
        dims: &[usize],
        plate: PlateId,
    ) -> NodeId {
        let kind = distribution.distribution.event();
        let (count, _) = events(kind, dims);
        if kind == EventKind::Scalar {
            let applied = self.applied(distribution, dims, plate);
            self.builder.at(distribution.span);
            return applied.log_density(&mut self.builder, value);
        }
        let width = dims.iter().product::<usize>() / count;
        let own = dims.len() - if kind == EventKind::Vector { 1 } else { 2 };
        let draws: Vec<NodeId> = (0..count)
            .map(|draw| {
                let x = self.slice(value, draw * width, width);
                let applied = self.applied_to_draw(distribution, dims, own, draw, plate);
                self.builder.at(distribution.span);
                applied.log_density(&mut self.builder, x)
            })
            .collect();
        self.builder.event(EventOp::Stack, &draws)
    }

    /// The log of the distribution function, or of one minus it.
    pub fn log_tail(
        &mut self,
        which: LogProb,
        distribution: &DistributionUse,
        value: NodeId,
        dims: &[usize],
        plate: PlateId,
    ) -> NodeId {
        let args = self.args(distribution, dims, plate);
        self.builder.at(distribution.span);
        let (family, form, builder) = (
            distribution.distribution,
            distribution.form,
            &mut self.builder,
        );
        let node = match which {
            LogProb::Density => return self.log_density(distribution, value, dims, plate),
            LogProb::Cdf => family.log_cdf(builder, form, value, &args),
            LogProb::Ccdf => family.log_ccdf(builder, form, value, &args),
        };
        node.expect("the checker refuses distribution functions that are not there")
    }

    /// The distribution of each draw of a value of dimensions `dims`, its arguments as components of nodes; and
    /// the K of a vector or K × K matrix event (1 for a scalar).
    pub fn draws(
        &mut self,
        distribution: &DistributionUse,
        dims: &[usize],
        plate: PlateId,
    ) -> (Vec<Applied<Components>>, usize) {
        let kind = distribution.distribution.event();
        let (count, size) = events(kind, dims);
        if kind == EventKind::Scalar {
            let applied = self.applied(distribution, dims, plate);
            let draws = (0..dims.iter().product()).map(|k| self.component(&applied, k));
            return (draws.collect(), 1);
        }
        let own = dims.len() - if kind == EventKind::Vector { 1 } else { 2 };
        let draws = (0..count).map(|draw| {
            let applied = self.applied_to_draw(distribution, dims, own, draw, plate);
            self.whole(&applied)
        });
        (draws.collect(), size)
    }

    /// Draw `k` of a scalar distribution: those of its arguments that are as many as its draws have one component for it.
    fn component(&self, applied: &Applied<NodeId>, k: usize) -> Applied<Components> {
        let params = applied.distribution.forms()[applied.form].params.iter();
        let params = params.filter(|p| p.kind != ParamKind::Distribution);
        let args = applied.args.iter().zip(params).map(|(node, param)| {
            match (param.kind, self.builder.width(*node)) {
                (ParamKind::Free(_), width) => of(*node, 0, width),
                (_, 1) => of(*node, 0, 1),
                _ => of(*node, k, 1),
            }
        });
        Applied {
            distribution: applied.distribution,
            form: applied.form,
            args: args.collect(),
            inner: (applied.inner.iter())
                .map(|inner| self.component(inner, k))
                .collect(),
        }
    }

    /// All components of all arguments.
    fn whole(&self, applied: &Applied<NodeId>) -> Applied<Components> {
        let all = |node: &NodeId| of(*node, 0, self.builder.width(*node));
        Applied {
            distribution: applied.distribution,
            form: applied.form,
            args: applied.args.iter().map(all).collect(),
            inner: applied.inner.iter().map(|i| self.whole(i)).collect(),
        }
    }

    /// The values among the arguments of a scalar distribution, as wide as the draws or of width 1.
    pub(super) fn args(
        &mut self,
        distribution: &DistributionUse,
        dims: &[usize],
        plate: PlateId,
    ) -> Vec<NodeId> {
        let params = distribution.distribution.forms()[distribution.form].params;
        let mut args = Vec::new();
        for (arg, param) in distribution.args.iter().zip(params) {
            match (arg, param.kind) {
                (Argument::Value(id), ParamKind::Free(_)) => args.push(self.expr(*id, plate)),
                (Argument::Value(id), _) => args.push(self.broadcast(*id, dims, plate)),
                (Argument::Distribution(_), _) => {}
            }
        }
        args
    }

    /// A scalar distribution with its arguments.
    fn applied(
        &mut self,
        distribution: &DistributionUse,
        dims: &[usize],
        plate: PlateId,
    ) -> Applied<NodeId> {
        Applied {
            distribution: distribution.distribution,
            form: distribution.form,
            args: self.args(distribution, dims, plate),
            inner: self.inner(distribution, dims, plate),
        }
    }

    /// The distributions among the arguments.
    fn inner(
        &mut self,
        distribution: &DistributionUse,
        dims: &[usize],
        plate: PlateId,
    ) -> Vec<Applied<NodeId>> {
        let mut inner = Vec::new();
        for arg in &distribution.args {
            if let Argument::Distribution(distribution) = arg {
                inner.push(self.applied(distribution, dims, plate));
            }
        }
        inner
    }

    /// A vector or matrix distribution with its arguments for one of the draws: its part of those that have the `outer`
    /// dimensions of the value, the whole of the others.
    fn applied_to_draw(
        &mut self,
        distribution: &DistributionUse,
        dims: &[usize],
        outer: usize,
        draw: usize,
        plate: PlateId,
    ) -> Applied<NodeId> {
        let params = distribution.distribution.forms()[distribution.form].params;
        let mut args = Vec::new();
        for (arg, param) in distribution.args.iter().zip(params) {
            let Argument::Value(id) = arg else { continue };
            let own = self.dims(&self.typed.expr(*id).event);
            let whole = match param.kind {
                ParamKind::Scalar(_) | ParamKind::Distribution => 0,
                ParamKind::Vector(_) | ParamKind::Free(_) => 1,
                ParamKind::Covariance | ParamKind::Cholesky => 2,
            };
            let node = self.expr(*id, plate);
            // The outer dimensions that the argument has, from the right; it repeats over those that it lacks.
            let given = own.len().saturating_sub(whole).min(outer);
            let parts: usize = own[..given].iter().product();
            let width = self.builder.width(node) / parts;
            let part = if parts == dims[outer - given..outer].iter().product::<usize>() {
                draw % parts
            } else {
                0
            };
            args.push(self.slice(node, part * width, width));
        }
        Applied {
            distribution: distribution.distribution,
            form: distribution.form,
            args,
            inner: self.inner(distribution, &dims[outer..], plate),
        }
    }
}

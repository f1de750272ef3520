//! The distributions of a model with their arguments as numbers, for draws of data and of variables that are not known yet.
//!
//! Latent variables enter on their natural scale, so that drawing one from its prior and going on from it needs no transform back.

use super::Site;
use super::density::Components;
use super::lower::Lowering;
use super::transform::Natural;
use crate::dist::Applied;
use crate::dist::FreeVector;
use crate::dist::ParamKind;
use crate::dist::Support;
use crate::model::Model;
use crate::num::rng::Rng;
use crate::shape::PlateId;
use crate::tape::NodeId;
use crate::tape::Passes;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::tape::elementwise::EXP;
use crate::typed::Argument;
use crate::typed::DistributionUse;
use crate::typed::ExprId;
use crate::typed::ExprKind;
use crate::typed::LatentId;
use crate::typed::StatementKind;
use std::sync::Arc;

/// The distributions of a bound model.
#[derive(Debug)]
pub struct Families {
    /// The latent variables, each after everything that its distribution names.
    pub latents: Vec<Latent>,
    /// What is observed, in the order of the statements.
    pub outcomes: Vec<Outcome>,
    /// The latent variables' places among the unconstrained coordinates.
    pub sites: Vec<Site>,
    /// From the unconstrained coordinates to all latent variables on their natural scale, output `k` that of `latents[k]`.
    natural: Tape,
    /// The number of natural coordinates.
    dim: usize,
}

/// A latent variable on its natural scale.
#[derive(Debug)]
pub struct Latent {
    /// Its name.
    pub name: String,
    /// Its prior.
    pub prior: Family,
    /// Its first natural coordinate: component `k` of element `i` stands at `offset + k * len + i`.
    pub offset: usize,
}

/// What a statement observes.
#[derive(Debug)]
pub struct Outcome {
    /// The name left of `~`.
    pub name: String,
    /// Its distribution; its tape has further outputs, see [`Outcome::probabilities`].
    pub family: Family,
    /// For categories and yes/no data the labels of the values, else empty.
    pub levels: Vec<String>,
    /// The log density of the data, one number for each element; 0 where the statement's condition does not hold.
    log_density: Tape,
}

/// A distribution in every element of a plate.
#[derive(Debug)]
pub struct Family {
    /// The plate.
    pub plate: PlateId,
    /// Its elements.
    pub len: usize,
    /// The dimensions of what is drawn in an element.
    pub dims: Vec<usize>,
    /// Where it lies.
    pub support: Support,
    tape: Tape,
    /// One for each draw of an element.
    draws: Vec<Applied<Slot>>,
    /// K of a vector or K × K matrix event, 1 for a scalar.
    size: usize,
    /// How many outputs of the tape are arguments; behind them stand probabilities.
    arguments: usize,
}

/// Some components of an output of a tape: the first, and how many.
#[derive(Clone, Copy, Debug)]
struct Slot {
    output: usize,
    start: usize,
    width: usize,
}

impl Families {
    /// Those of a bound model. Elements of plates of rows are in the order of the model.
    pub fn of(model: &Arc<Model>) -> Families {
        let typed = model.typed();
        let mut constrained = Lowering::new(model, Passes::all(), false);
        let sites = constrained.sites();
        let naturals: Vec<NodeId> = (typed.latents().iter().enumerate())
            .map(|(i, latent)| {
                let value = constrained.latent(LatentId(i as u32)).value;
                constrained.every_element(value, latent.plate)
            })
            .collect();
        let natural = constrained.builder.tape(&[], &naturals);

        let mut lowering = Lowering::new(model, Passes::all(), false);
        let mut offsets = Vec::new();
        for (i, latent) in typed.latents().iter().enumerate() {
            let width = lowering.dims(&latent.event).iter().product();
            offsets.push(lowering.builder.dim());
            let value = lowering.builder.input(latent.plate, width);
            let natural = Natural {
                value,
                log_jacobian: None,
            };
            lowering.latents.insert(LatentId(i as u32), natural);
        }
        let dim = lowering.builder.dim();
        let latents = typed.latents().iter().zip(offsets);
        let latents = latents
            .map(|(latent, offset)| Latent {
                name: latent.name.clone(),
                prior: lowering.family(&latent.prior, &latent.event, latent.plate, &[]),
                offset,
            })
            .collect();
        let mut outcomes = Vec::new();
        for statement in typed.statements() {
            let StatementKind::Observed {
                name,
                value,
                distribution,
            } = &statement.kind
            else {
                continue;
            };
            let event = &typed.expr(*value).event;
            let before = lowering.builder.set_within(statement.plate);
            let values = lowering.values_of(distribution, *value, statement.plate);
            let probabilities: Vec<NodeId> = (values.iter())
                .map(|(x, _)| {
                    let x = lowering.builder.number(*x);
                    let density = lowering.log_density(distribution, x, &[], statement.plate);
                    lowering.builder.map(&EXP, &[density])
                })
                .collect();
            let family = lowering.family(distribution, event, statement.plate, &probabilities);
            lowering.builder.set_within(before);
            let (_, density, _) = lowering.statement(statement);
            outcomes.push(Outcome {
                name: name.clone(),
                family,
                levels: values.into_iter().map(|(_, label)| label).collect(),
                log_density: lowering.builder.tape(&[], &[density]),
            });
        }
        Families {
            latents,
            outcomes,
            sites,
            natural,
            dim,
        }
    }

    /// The latent variables on their natural scale at unconstrained coordinates.
    pub fn natural(&self, z: &[f64], workspace: &mut Workspace<f64>) -> Vec<f64> {
        self.natural.value(z, workspace);
        let mut x = Vec::with_capacity(self.dim);
        for k in 0..self.latents.len() {
            x.extend_from_slice(workspace.output(k));
        }
        x
    }

    /// The memory that [`Families::natural`] needs.
    pub fn workspace(&self) -> Workspace<f64> {
        self.natural.workspace()
    }
}

impl Outcome {
    /// The log density of the data in each element at natural coordinates, written over `out`.
    pub fn log_density(&self, x: &[f64], workspace: &mut Workspace<f64>, out: &mut Vec<f64>) {
        self.log_density.value(x, workspace);
        out.clear();
        out.extend_from_slice(workspace.output(0));
    }

    /// The memory that [`Outcome::log_density`] needs.
    pub fn workspace(&self) -> Workspace<f64> {
        self.log_density.workspace()
    }

    /// The probability of each of `levels` in element `i`, at the last point of the family.
    pub fn probabilities(&self, workspace: &Workspace<f64>, i: usize) -> impl Iterator<Item = f64> {
        let first = self.family.arguments;
        (first..first + self.levels.len()).map(move |k| workspace.output(k)[i])
    }
}

impl Family {
    /// The number of components that are drawn in an element.
    pub fn width(&self) -> usize {
        self.dims.iter().product()
    }

    /// The memory that a run needs.
    pub fn workspace(&self) -> Workspace<f64> {
        self.tape.workspace()
    }

    /// Works the arguments out at natural coordinates.
    pub fn run(&self, x: &[f64], workspace: &mut Workspace<f64>) {
        self.tape.value(x, workspace);
    }

    /// A draw in element `i` at the point of the last run, components in row-major order.
    pub fn sample(&self, workspace: &Workspace<f64>, i: usize, rng: &mut Rng) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.width());
        self.samples(workspace, i, 1, rng, |_, v| all.push(v));
        all
    }

    /// Several draws in element `i` at the point of the last run, each number with the component that it is of; those of the first
    /// component first.
    pub fn samples(
        &self,
        workspace: &Workspace<f64>,
        i: usize,
        times: usize,
        rng: &mut Rng,
        mut with: impl FnMut(usize, f64),
    ) {
        let mut numbers = Vec::new();
        let each = self.width() / self.draws.len().max(1);
        for (place, draw) in self.draws.iter().enumerate() {
            numbers.clear();
            self.gather(draw, workspace, i, &mut numbers);
            let given = given(draw, &mut numbers.as_slice());
            for _ in 0..times {
                for (k, v) in given.sample(self.size, rng).into_iter().enumerate() {
                    with(place * each + k, v);
                }
            }
        }
    }

    /// The mean and the variance of component `k` in element `i`, where they are known in closed form.
    pub fn moments(&self, workspace: &Workspace<f64>, i: usize, k: usize) -> Option<(f64, f64)> {
        let draw = self.draws.get(k)?;
        let mut numbers = Vec::new();
        self.gather(draw, workspace, i, &mut numbers);
        let given = given(draw, &mut numbers.as_slice());
        given.distribution.moments(given.form, &given.args)
    }

    /// The values of all arguments, one after another.
    fn gather(
        &self,
        draw: &Applied<Slot>,
        workspace: &Workspace<f64>,
        i: usize,
        numbers: &mut Vec<f64>,
    ) {
        for slot in &draw.args {
            let output = workspace.output(slot.output);
            numbers.extend((slot.start..slot.start + slot.width).map(|c| output[c * self.len + i]));
        }
        for inner in &draw.inner {
            self.gather(inner, workspace, i, numbers);
        }
    }
}

/// A distribution with its arguments, taken from the front of `numbers` in the order in which they were gathered.
fn given<'a>(draw: &Applied<Slot>, numbers: &mut &'a [f64]) -> Applied<&'a [f64]> {
    let args = (draw.args.iter())
        .map(|slot| {
            let (own, rest) = numbers.split_at(slot.width);
            *numbers = rest;
            own
        })
        .collect();
    Applied {
        distribution: draw.distribution,
        form: draw.form,
        args,
        inner: draw.inner.iter().map(|d| given(d, numbers)).collect(),
    }
}

impl Lowering<'_> {
    /// A distribution with its arguments as outputs of a tape, and `more` outputs behind them.
    fn family(
        &mut self,
        distribution: &DistributionUse,
        event: &crate::shape::Event,
        plate: PlateId,
        more: &[NodeId],
    ) -> Family {
        let dims = self.dims(event);
        let before = self.builder.set_within(plate);
        let (draws, size) = self.draws(distribution, &dims, plate);
        let mut outputs = Vec::new();
        let draws = draws
            .into_iter()
            .map(|draw| self.slots(draw, plate, &mut outputs))
            .collect();
        let arguments = outputs.len();
        for node in more {
            outputs.push(self.every_element(*node, plate));
        }
        self.builder.set_within(before);
        Family {
            plate,
            len: self.builder.len_of(plate),
            dims: dims.to_vec(),
            support: distribution.distribution.support(),
            tape: self.builder.tape(&[], &outputs),
            draws,
            size,
            arguments,
        }
    }

    /// The places of arguments among the outputs of a tape, to which they are added.
    fn slots(
        &mut self,
        draw: Applied<Components>,
        plate: PlateId,
        outputs: &mut Vec<NodeId>,
    ) -> Applied<Slot> {
        let args = (draw.args.into_iter())
            .map(|part| {
                let node = self.every_element(part.node, plate);
                let known = outputs.iter().position(|o| *o == node);
                let output = known.unwrap_or_else(|| {
                    outputs.push(node);
                    outputs.len() - 1
                });
                Slot {
                    output,
                    start: part.start,
                    width: part.width,
                }
            })
            .collect();
        Applied {
            distribution: draw.distribution,
            form: draw.form,
            args,
            inner: (draw.inner.into_iter())
                .map(|inner| self.slots(inner, plate, outputs))
                .collect(),
        }
    }

    /// The values that a yes/no or categorical outcome takes, with their labels; none for others.
    fn values_of(
        &mut self,
        distribution: &DistributionUse,
        value: ExprId,
        plate: PlateId,
    ) -> Vec<(f64, String)> {
        let typed = self.typed;
        let expr = typed.expr(value);
        if !expr.event.is_empty() {
            return Vec::new();
        }
        match distribution.distribution.support() {
            Support::Binary => vec![(0.0, "0".to_owned()), (1.0, "1".to_owned())],
            Support::Category => {
                let labels = if let ExprKind::Column(column) = expr.kind {
                    self.model.column(column).levels.clone()
                } else {
                    Vec::new()
                };
                let count = self.categories(distribution, plate).unwrap_or(labels.len());
                let label = |k: usize| match labels.get(k) {
                    Some(label) => label.clone(),
                    None => (k + 1).to_string(),
                };
                (0..count).map(|k| ((k + 1) as f64, label(k))).collect()
            }
            Support::Real
            | Support::Positive
            | Support::Unit
            | Support::Interval { .. }
            | Support::Simplex
            | Support::Ordered
            | Support::PositiveOrdered
            | Support::CholeskyCorrelation
            | Support::Correlation
            | Support::Count
            | Support::CountUpTo { .. } => Vec::new(),
        }
    }

    /// The number of categories, from the vector that has one entry for each or one fewer.
    fn categories(&mut self, distribution: &DistributionUse, plate: PlateId) -> Option<usize> {
        let params = distribution.distribution.forms()[distribution.form].params;
        for (arg, param) in distribution.args.iter().zip(params) {
            if let (Argument::Value(id), ParamKind::Free(vector)) = (arg, param.kind) {
                let node = self.expr(*id, plate);
                let more = usize::from(vector == FreeVector::Ordered);
                return Some(self.builder.width(node) + more);
            }
        }
        None
    }
}

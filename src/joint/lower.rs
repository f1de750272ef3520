//! Lowering: plates, columns and latent variables to nodes, statements to terms.

use super::Above;
use super::Condition;
use super::Element;
use super::Joint;
use super::Quantity;
use super::Site;
use super::affine::Candidate;
use super::start;
use super::transform;
use crate::model;
use crate::model::Model;
use crate::num::Shared;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Pass;
use crate::tape::Passes;
use crate::tape::Reduce;
use crate::tape::Tape;
use crate::typed::ColumnId;
use crate::typed::DefinitionId;
use crate::typed::LatentId;
use crate::typed::PlateSource;
use crate::typed::Typed;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// The dimensions of an event, as numbers.
pub(super) type Dims = SmallVec<[usize; 2]>;

/// A model on its way to nodes.
pub(super) struct Lowering<'a> {
    pub model: &'a Model,
    pub typed: &'a Typed,
    pub builder: Builder,
    /// Whether expectations in closed form may be asked for.
    pub closed_forms: bool,
    /// For each statement what such an expectation would be of.
    pub candidates: Vec<Option<Candidate>>,
    /// The site of each latent variable.
    pub site_of: HashMap<LatentId, usize>,
    /// The unconstrained coordinates of each site.
    pub inputs: Vec<NodeId>,
    /// The natural value and the log Jacobian of each latent variable met so far.
    pub latents: HashMap<LatentId, transform::Natural>,
    pub definitions: HashMap<DefinitionId, NodeId>,
    pub columns: HashMap<ColumnId, NodeId>,
    /// The elements that key columns point to.
    pub keys: HashMap<ColumnId, Arc<[u32]>>,
    /// The plates of pairs of elements of two plates, made for aggregates.
    pub pairs: HashMap<(PlateId, PlateId), PlateId>,
}

/// Lowers a bound model, with every pass.
pub fn lower(model: &Arc<Model>) -> Joint {
    lower_with(model, Passes::all())
}

/// Lowers a bound model, with these passes.
pub fn lower_with(model: &Arc<Model>, passes: Passes) -> Joint {
    lower_owned(Arc::clone(model), passes)
}

/// Lowers a bound model, with these passes; one that nobody else holds is not copied where its rows are put in another order.
pub fn lower_owned(model: Arc<Model>, passes: Passes) -> Joint {
    let mut joint = lower_lazily(model, passes);
    joint.find_closed_forms();
    joint
}

/// Lowers like [`lower_owned`], for who does not know yet whether closed forms are wanted: [`Joint::find_closed_forms`] finds them.
pub fn lower_lazily(model: Arc<Model>, passes: Passes) -> Joint {
    lowered(model, passes, true)
}

/// Lowers like [`lower_owned`], for who asks for values and gradients alone: no expectation is known in closed form, and the columns that
/// such forms are written in are not made.
pub fn lower_bare(model: Arc<Model>, passes: Passes) -> Joint {
    lowered(model, passes, false)
}

fn lowered(model: Arc<Model>, passes: Passes, closed_forms: bool) -> Joint {
    let model = if passes.has(Pass::Sort) {
        model::sort(model)
    } else {
        model
    };
    let typed = model.typed();
    let mut lowering = Lowering::new(&model, passes, closed_forms);
    let mut sites = lowering.sites();
    let mut terms = Vec::new();
    let mut nodes = Vec::new();
    let mut conditions = Vec::new();
    for statement in typed.statements() {
        let (term, node, condition) = lowering.statement(statement);
        terms.push(term);
        nodes.push(node);
        conditions.extend(condition);
    }
    let made = lowering.builder.made();
    start::set(&lowering, &mut sites);
    let (mut quantities, mut on_request, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for (quantity, node, by_default) in lowering.quantities() {
        if by_default {
            quantities.push(quantity);
            outputs.push(node);
        } else {
            on_request.push((quantity, node));
        }
    }
    let (builder, candidates) = (lowering.builder, lowering.candidates);
    Joint {
        model: Arc::clone(&model),
        density: builder.tape(&nodes, &[]),
        natural: builder.tape(&[], &outputs),
        sites,
        terms,
        quantities,
        on_request,
        conditions,
        made,
        statements: nodes,
        candidates,
        builder,
        streamed: None,
        amortized: None,
        mini_batches: None,
    }
}

/// Some statements of a model, lowered without anything else.
pub(super) struct Part {
    pub builder: Builder,
    /// The node of each statement; 0 for those that are left out.
    pub statements: Vec<NodeId>,
    /// What the conditions of statements let through.
    pub conditions: Vec<Option<Condition>>,
    /// For each statement the scale that is to start at the spread of its data, and these.
    pub observed: Vec<Option<(usize, Shared)>>,
}

/// Lowers the statements for which `wanted` holds, for values and gradients alone.
pub(super) fn part(model: &Model, passes: Passes, wanted: &[bool]) -> Part {
    let mut lowering = Lowering::new(model, passes, false);
    lowering.sites();
    let (mut statements, mut conditions) = (Vec::new(), Vec::new());
    for (statement, wanted) in model.typed().statements().iter().zip(wanted) {
        if *wanted {
            let (_, node, condition) = lowering.statement(statement);
            statements.push(node);
            conditions.push(condition);
        } else {
            statements.push(lowering.builder.number(0.0));
            conditions.push(None);
        }
    }
    let observed = start::observed(&lowering);
    Part {
        builder: lowering.builder,
        statements,
        conditions,
        observed,
    }
}

impl Part {
    /// The tape of the statements for which `keep` holds.
    pub fn tape(&self, keep: &[bool]) -> Tape {
        let kept = self.statements.iter().zip(keep).filter(|(_, keep)| **keep);
        let kept: Vec<NodeId> = kept.map(|(node, _)| *node).collect();
        self.builder.tape(&kept, &[])
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn new(model: &'a Model, passes: Passes, closed_forms: bool) -> Lowering<'a> {
        let mut lowering = Lowering {
            model,
            typed: model.typed(),
            builder: Builder::with(passes),
            closed_forms,
            candidates: Vec::new(),
            site_of: HashMap::new(),
            inputs: Vec::new(),
            latents: HashMap::new(),
            definitions: HashMap::new(),
            columns: HashMap::new(),
            keys: HashMap::new(),
            pairs: HashMap::new(),
        };
        for plate in model.plates().iter().skip(1) {
            lowering.builder.plate(plate.len(), plate.above.clone());
        }
        lowering
    }
}

impl Lowering<'_> {
    /// The numbers of dimensions.
    pub fn dims(&self, event: &Event) -> Dims {
        event.iter().map(|dim| self.model.dim(*dim)).collect()
    }

    /// Gives every latent variable its coordinates: plate by plate, outer plates first.
    pub(super) fn sites(&mut self) -> Vec<Site> {
        let typed = self.typed;
        let mut order: Vec<LatentId> = (0..typed.latents().len())
            .map(|i| LatentId(i as u32))
            .collect();
        order.sort_by_key(|id| typed.latents()[id.index()].plate);
        let mut sites: Vec<Site> = Vec::new();
        for id in order {
            let latent = &typed.latents()[id.index()];
            let dims = self.dims(&latent.event);
            let width = transform::unconstrained(latent, &dims);
            let offset = self.builder.dim();
            self.builder.at(latent.span);
            let input = self.builder.input(latent.plate, width);
            let len = self.builder.len_of(latent.plate);
            let above = sites
                .iter()
                .enumerate()
                .filter(|(_, site)| typed.determines(latent.plate, site.plate))
                .map(|(place, site)| Above {
                    site: place,
                    element: if site.plate == PlateId::TOP {
                        Element::Top
                    } else if site.plate == latent.plate {
                        Element::Same
                    } else {
                        let map = self.builder.above(latent.plate, site.plate);
                        Element::Map(Arc::clone(
                            map.expect("a bound plate knows what it determines"),
                        ))
                    },
                })
                .collect();
            self.site_of.insert(id, sites.len());
            self.inputs.push(input);
            sites.push(Site {
                latent: id,
                name: latent.name.clone(),
                plate: latent.plate,
                offset,
                len,
                width,
                above,
                start: vec![0.0; width * len],
            });
        }
        sites
    }

    /// What is reported: latent variables and definitions in the order of their plates; and whether by default.
    pub(super) fn quantities(&mut self) -> Vec<(Quantity, NodeId, bool)> {
        let typed = self.typed;
        let mut list = Vec::new();
        for (i, latent) in typed.latents().iter().enumerate() {
            let node = self.latent(LatentId(i as u32)).value;
            list.push((
                latent.name.clone(),
                latent.plate,
                self.dims(&latent.event),
                node,
                true,
            ));
        }
        for (i, definition) in typed.definitions().iter().enumerate() {
            let node = self.definition(DefinitionId(i as u32));
            let event = self.dims(&typed.expr(definition.value).event);
            list.push((
                definition.name.clone(),
                definition.plate,
                event,
                node,
                false,
            ));
        }
        list.sort_by_key(|(_, plate, ..)| *plate);
        list.into_iter()
            .map(|(name, plate, event, node, latent)| {
                let node = self.builder.lift(node, plate);
                let rows = matches!(typed.plates()[plate.index()].source, PlateSource::Rows(_));
                let quantity = Quantity {
                    name,
                    plate,
                    len: self.builder.len_of(plate),
                    event: event.to_vec(),
                    latent,
                };
                (quantity, node, latent || !rows)
            })
            .collect()
    }

    /// The natural value and log Jacobian of a latent variable.
    pub fn latent(&mut self, id: LatentId) -> transform::Natural {
        if let Some(known) = self.latents.get(&id) {
            return *known;
        }
        let natural = self.transform(id);
        self.latents.insert(id, natural);
        natural
    }

    /// The value of a definition, in the plate over which it varies.
    pub fn definition(&mut self, id: DefinitionId) -> NodeId {
        if let Some(known) = self.definitions.get(&id) {
            return *known;
        }
        let definition = &self.typed.definitions()[id.index()];
        let before = self.builder.set_within(definition.plate);
        let node = self.expr(definition.value, definition.plate);
        self.builder.set_within(before);
        self.definitions.insert(id, node);
        node
    }

    /// The values of a data column.
    pub fn column(&mut self, id: ColumnId) -> NodeId {
        if let Some(known) = self.columns.get(&id) {
            return *known;
        }
        let (column, bound) = (&self.typed.columns()[id.index()], self.model.column(id));
        let node = self
            .builder
            .data(column.plate, bound.width, bound.values.clone());
        self.columns.insert(id, node);
        node
    }

    /// How many elements of a plate each element of `to` has, where `index` sends them.
    pub fn count(&mut self, plate: PlateId, to: PlateId, index: crate::tape::Index) -> NodeId {
        let ones = self
            .builder
            .data(plate, 1, vec![1.0; self.builder.len_of(plate)].into());
        self.builder.reduce(Reduce::Sum, ones, to, index)
    }
}

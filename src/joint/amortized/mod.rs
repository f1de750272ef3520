//! A joint density whose locals of one plate are found by gradient steps from the globals: a bound of log p(data, θ), in the globals alone.
//!
//! Each element i of the plate adds E_q[log p(D_i | φ_i, θ)] − KL(q(φ_i | θ) ‖ p(φ_i | θ)), with q(φ_i | θ) what K steps make of the
//! prior. The locals are worked out anew for every look, part by part: memory does not grow with the elements.

mod astray;
mod noise;
mod source;
mod steps;

use super::Evaluator;
use super::Joint;
use super::Site;
use super::TermForm;
use super::TermKind;
use super::check_streamed;
use super::lower::Lowering;
use super::lower_lazily;
use crate::dist::GaussianForm;
use crate::model::Grouped;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::tape::Divisible;
use crate::tape::NodeId;
use crate::tape::Pass;
use crate::tape::Passes;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::typed;
use crate::typed::LatentId;
use crate::typed::Order;
pub use astray::Astray;
use noise::Pairs;
use rayon::prelude::*;
pub(super) use source::Lowered;
use source::Reading;
use source::Source;
use std::sync::Arc;
pub use steps::Locals;
use steps::Look;
use steps::Part;

/// About how many local coordinates a part has, and the least and the most elements.
const PART: (usize, usize, usize) = (16_384, 4, 1024);

/// The most local coordinates for which the tapes of all parts are kept between looks.
const KEPT: usize = 1_000_000;

/// Parts of a look that a thread goes through before what they found is added up.
const AT_ONCE: usize = 4;

/// Elements of a mini-batch where nothing is said.
const BATCH: usize = 32;

/// Pairs of draws of the locals in a look at a mini-batch, and at everything; and of all elements together in the latter, where there are so
/// many that their noise averages out.
const PAIRS: (usize, usize) = (1, 16);
const PAIRS_IN_ALL: usize = 16_000;

/// The locals of a plate, and what is needed of the model to find them.
#[derive(Debug)]
pub(super) struct Amortized {
    plate: PlateId,
    steps: usize,
    order: Order,
    /// The elements.
    count: usize,
    /// Local coordinates of an element.
    width: usize,
    sites: Vec<LocalSite>,
    /// Where what the locals depend on is taken from.
    source: Source,
    /// The terms that depend on the locals but their priors, by their places among the joint's terms.
    places: Vec<usize>,
    /// The signs of the draws in the steps.
    signs: Pairs,
}

/// A local variable.
#[derive(Debug)]
struct LocalSite {
    /// The place of its prior among the joint's terms.
    term: usize,
    /// The first of its coordinates in an element, and their number.
    start: usize,
    width: usize,
    rate: Rate,
}

/// The length of a variable's steps.
#[derive(Clone, Copy, Debug)]
enum Rate {
    Given(f64),
    /// The exponential of this global coordinate.
    At(usize),
}

impl Rate {
    fn at(self, globals: &[f64]) -> f64 {
        match self {
            Rate::Given(rate) => rate,
            Rate::At(place) => globals[place].exp(),
        }
    }
}

/// The joint density with the locals of the plate that the model's guide calls amortised found by gradient steps; unchanged if it calls
/// none so, or they are already. Its coordinates are then the globals; what depends on locals is not reported.
///
/// # Errors
/// Why that cannot be.
pub fn amortize(joint: Joint) -> Result<Joint, Problems> {
    let rule = joint.model.typed().amortized().cloned();
    match rule.filter(|_| joint.amortized.is_none()) {
        None => Ok(joint),
        Some(rule) => Amortizing { joint, rule }.run(),
    }
}

/// The same of a model whose elements are read from disk whenever they are wanted. Its own model has none of them: they are counted.
///
/// # Errors
/// Why that cannot be.
pub fn amortize_grouped(grouped: Grouped) -> Result<Joint, Problems> {
    let (typed, plate) = (grouped.frame().typed(), grouped.plate());
    check_streamed(typed, Some(plate))?;
    let rule = typed.amortized().filter(|rule| rule.plate == plate);
    let Some(rule) = rule.cloned() else {
        let plate = &typed.plates()[plate.index()];
        let message = format!("the guide of `{}` is not `amortized`", plate.name);
        return Err(Problem::at(Code::NotAmortized, plate.span, message).into());
    };
    // One element stands for all: what they say together is completed.
    let model = grouped.model(&[0])?;
    let mut joint = lower_lazily(Arc::new(model), Passes::all().without(Pass::Sort));
    source::complete(&mut joint, &grouped)?;
    let locals = joint.sites.iter().filter(|s| s.plate == plate);
    let locals: Vec<LatentId> = locals.map(|s| s.latent).collect();
    let support = rule.support;
    let mut joint = Amortizing { joint, rule }.run()?;
    joint.model = Arc::new(grouped.emptied(Arc::unwrap_or_clone(joint.model)));
    if let Some(amortized) = &mut joint.amortized {
        amortized.count = grouped.len();
        let places = amortized.places.clone();
        let reading = Reading::new(grouped, locals, places, support);
        amortized.source = Source::Read(Box::new(reading));
    }
    Ok(joint)
}

struct Amortizing {
    joint: Joint,
    rule: typed::Amortized,
}

impl Amortizing {
    fn problem(&self, why: String) -> Problems {
        let plate = &self.joint.model.typed().plates()[self.rule.plate.index()].name;
        let message = format!("the locals of `{plate}` cannot be found by gradient steps: {why}");
        Problem::at(Code::NotAmortized, self.rule.span, message).into()
    }

    fn run(self) -> Result<Joint, Problems> {
        let (plate, model) = (self.rule.plate, self.joint.model.clone());
        let typed = model.typed();
        if self.joint.streamed.is_some() {
            return Err(self.problem("rows are read in chunks".to_owned()));
        }
        let is_local = |p: PlateId| typed.determines(p, plate);
        let locals: Vec<usize> = (0..self.joint.sites.len())
            .filter(|s| self.joint.sites[*s].plate == plate)
            .collect();
        let other = (self.joint.sites.iter()).find(|s| s.plate != plate && s.plate != PlateId::TOP);
        if let Some(other) = other {
            let of = &typed.plates()[other.plate.index()].name;
            return Err(self.problem(format!("`{}` is a latent variable of `{of}`", other.name)));
        }
        if locals.is_empty() {
            return Err(self.problem("it has no latent variables".to_owned()));
        }

        let latents: Vec<LatentId> = locals.iter().map(|s| self.joint.sites[*s].latent).collect();
        let mut lowered = Lowered::new(&model, &latents).map_err(|why| self.problem(why))?;
        let (mut quantities, mut natural) = (Vec::new(), Vec::new());
        for (quantity, node, by_default) in lowered.lowering.quantities() {
            if by_default && !is_local(quantity.plate) {
                quantities.push(quantity);
                natural.push(node);
            }
        }
        let zero = lowered.lowering.builder.number(0.0);
        let (mut places, mut sites, mut width) = (Vec::new(), Vec::new(), 0);
        let mut above = Vec::new();
        for (place, term) in self.joint.terms.iter().enumerate() {
            let local = is_local(term.plate);
            above.push(if local {
                zero
            } else {
                lowered.statements[place]
            });
            if local && matches!(term.kind, TermKind::Observed | TermKind::Factor) {
                places.push(place);
            }
        }
        for (k, s) in locals.iter().enumerate() {
            let is_prior = |term: &super::Term| term.kind == TermKind::Prior(*s);
            let term = (self.joint.terms.iter()).position(is_prior);
            sites.push(LocalSite {
                term: term.expect("invariant: every latent variable has a statement"),
                start: width,
                width: self.joint.sites[*s].width,
                rate: match &self.rule.rate {
                    typed::Rate::Given(rate) => Rate::Given(*rate),
                    typed::Rate::Learned(rates) => {
                        let own = |site: &Site| site.latent == rates[k].1;
                        let site = self.joint.sites.iter().find(|site| own(site));
                        Rate::At(
                            site.expect("invariant: every latent variable has a site")
                                .offset,
                        )
                    }
                },
            });
            width += self.joint.sites[*s].width;
        }
        let terms = lowered.terms(plate, &places, self.rule.support);
        let terms = terms.map_err(|why| self.problem(why))?;
        let builder = &lowered.lowering.builder;
        let divide = |terms: &[NodeId], outputs: &[NodeId]| {
            Divisible::new(builder, plate, terms, outputs).map_err(|why| self.problem(why))
        };
        let (above, natural) = (divide(&above, &[])?, divide(&[], &natural)?);
        if terms.prior.reads(plate) {
            let why = "the prior of one of its variables depends on another of them";
            return Err(self.problem(why.to_owned()));
        }
        let count = builder.len_of(plate);
        let source = Source::Held(Box::new(terms));
        let amortized = Amortized {
            plate,
            steps: self.rule.steps,
            order: self.rule.order,
            count,
            width,
            sites,
            source,
            places,
            signs: Pairs::new(1),
        };

        let mut joint = self.joint;
        joint.sites.retain(|s| s.plate == PlateId::TOP);
        for term in joint.terms.iter_mut().filter(|t| is_local(t.plate)) {
            term.form = TermForm::Steps;
            if let TermKind::Prior(_) = term.kind {
                term.kind = TermKind::Divergence;
            }
        }
        joint.quantities = quantities;
        joint.on_request.clear();
        joint.density = above.take(&[], None);
        joint.natural = natural.take(&[], None);
        joint.amortized = Some(Box::new(amortized));
        Ok(joint)
    }
}

impl Lowering<'_> {
    /// Mean and sd of the prior of a latent variable, for each of its coordinates in each element; `None` if it is not
    /// `Normal(mean, sd)` over all numbers.
    fn moments(&mut self, latent: typed::LatentId) -> Option<[NodeId; 2]> {
        let latent = &self.typed.latents()[latent.index()];
        let prior = &latent.prior;
        if prior.distribution.gaussian_form(prior.form) != Some(GaussianForm::Normal) {
            return None;
        }
        let dims = self.dims(&latent.event);
        let zeros = vec![0.0; dims.iter().product()];
        let args = self.args(prior, &dims, latent.plate);
        let mut wide = |arg: NodeId| {
            let zeros = self.builder.constant(&zeros);
            let node = self
                .builder
                .map(&crate::tape::elementwise::ADD, &[arg, zeros]);
            self.every_element(node, latent.plate)
        };
        match args.as_slice() {
            [mean, sd] => Some([wide(*mean), wide(*sd)]),
            _ => None,
        }
    }
}

impl Amortized {
    /// Elements of a part.
    fn part_len(&self) -> usize {
        (PART.0 / self.width).clamp(PART.1, PART.2)
    }

    /// The means of computing the terms for which `keep` holds; `above` is that of those over the globals alone.
    pub fn evaluator<'a>(&'a self, above: Tape, keep: &[bool]) -> Box<dyn Evaluator + 'a> {
        let kept = |place: &usize| keep[*place];
        Box::new(Looking {
            model: self,
            globals: (above.workspace(), above),
            terms: self.places.iter().map(kept).collect(),
            divergences: self.sites.iter().map(|s| keep[s.term]).collect(),
            places: (0..keep.len()).filter(|place| keep[*place]).collect(),
            all: Vec::new(),
            batch: None,
            values: Vec::new(),
        })
    }

    /// Gradient steps.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// About how many elements one look visits.
    pub fn visits(&self) -> usize {
        self.count * self.width * (self.steps + 1)
    }

    /// How many elements there are, and how many a step of a fit sees, where that is less than all or asked for.
    pub fn batches(&self, wanted: Option<usize>) -> Option<(usize, usize)> {
        let many = self.count > BATCH && self.count * self.width > KEPT / 10;
        let size = wanted.or(many.then_some(BATCH))?;
        Some((self.count, size))
    }

    /// What may be wrong where the bound is not finite.
    pub fn blame(&self, plate: &str) -> String {
        if let Some(failure) = self.source.failure() {
            return failure.to_owned();
        }
        let hint = match self.sites.first().map(|site| site.rate) {
            Some(Rate::Given(rate)) => format!("a `rate` below {rate} makes them shorter"),
            Some(Rate::At(_)) | None => "a `rate` that is given can hold them short".to_owned(),
        };
        format!("the gradient steps of `{plate}` lead to no finite density: {hint}")
    }
}

impl Joint {
    /// The plate whose locals are found by gradient steps, and how many elements it has.
    pub fn amortized(&self) -> Option<(PlateId, usize)> {
        self.amortized.as_ref().map(|a| (a.plate, a.count))
    }

    /// The Gaussians of the locals of all elements after so many gradient steps from these globals: coordinate `c` of element `i` of M at
    /// `c · M + i`, the variables in the order in which a joint density that is not amortised has them. `None` for such, and where rows cannot be
    /// read.
    ///
    /// This is how an element that no fit has seen is adapted to: the model is bound to its rows, and amortised.
    pub fn adapted(&self, globals: &[f64], steps: usize) -> Option<Locals> {
        let model = self.amortized.as_deref()?;
        let (count, width) = (model.count, model.width);
        let elements: Vec<u32> = (0..count as u32).collect();
        let parts: Vec<&[u32]> = elements.chunks(model.part_len()).collect();
        let found: Option<Vec<Locals>> = (parts.into_par_iter())
            .map(|part| {
                let mut part = Part::new(model, part, &vec![false; model.places.len()])?;
                Some(part.locals(model, globals, steps))
            })
            .collect();
        let mut all = Locals {
            mean: vec![0.0; width * count],
            log_sd: vec![0.0; width * count],
        };
        let mut first = 0;
        for part in found? {
            let n = part.mean.len() / width;
            for c in 0..width {
                let (from, to) = (c * n..(c + 1) * n, c * count + first..c * count + first + n);
                all.mean[to.clone()].copy_from_slice(&part.mean[from.clone()]);
                all.log_sd[to].copy_from_slice(&part.log_sd[from]);
            }
            first += n;
        }
        Some(all)
    }
}

/// Looks at the bound of all elements, or of a mini-batch that stands for all.
struct Looking<'a> {
    model: &'a Amortized,
    globals: (Workspace<f64>, Tape),
    /// For each term of the likelihood whether it is asked for.
    terms: Vec<bool>,
    /// For each local variable whether its divergence is asked for.
    divergences: Vec<bool>,
    /// The places of what is asked for among the joint's terms.
    places: Vec<usize>,
    /// The parts of all elements, where they are kept.
    all: Vec<Part>,
    batch: Option<(Vec<u32>, u64)>,
    values: Vec<f64>,
}

/// The values of the likelihood's terms and of the divergences, and the gradient of their sum.
type Found = ((Vec<f64>, Vec<f64>), Vec<f64>);

impl Looking<'_> {
    /// Gives what each part finds, in order; false where rows cannot be read.
    fn parts(&mut self, z: &[f64], mut take: impl FnMut(Found)) -> bool {
        let model = self.model;
        let pairs = Pairs::new(match &self.batch {
            Some(_) => PAIRS.0,
            None => (PAIRS_IN_ALL / model.count.max(1)).clamp(PAIRS.0, PAIRS.1),
        });
        let look = Look {
            terms: &self.terms,
            divergences: &self.divergences,
            steps: model.steps,
            draws: &pairs,
            seed: self.batch.as_ref().map_or(0, |(_, seed)| *seed),
        };
        let found = |part: &mut Part| {
            let mut gradient = vec![0.0; z.len()];
            let values = part.bound(model, z, &look, &mut gradient);
            (values, gradient)
        };
        let whole: Vec<u32>;
        let elements = match &self.batch {
            Some((elements, _)) => elements,
            None => {
                whole = (0..model.count as u32).collect();
                &whole
            }
        };
        let parts: Vec<&[u32]> = elements.chunks(model.part_len()).collect();
        if self.batch.is_none() && model.count * model.width <= KEPT {
            if self.all.is_empty() {
                let made: Option<Vec<Part>> = (parts.iter())
                    .map(|elements| Part::new(model, elements, look.terms))
                    .collect();
                let Some(made) = made else {
                    return false;
                };
                self.all = made;
            }
            let found: Vec<Found> = self.all.par_iter_mut().map(found).collect();
            found.into_iter().for_each(take);
            return true;
        }
        // What a part finds is as long as the globals, and there may be many parts.
        for parts in parts.chunks(AT_ONCE * rayon::current_num_threads()) {
            let of = |elements: &&[u32]| {
                let mut part = Part::new(model, elements, look.terms)?;
                Some(found(&mut part))
            };
            let Some(found) = parts.par_iter().map(of).collect::<Option<Vec<Found>>>() else {
                return false;
            };
            found.into_iter().for_each(&mut take);
        }
        true
    }
}

impl Evaluator for Looking<'_> {
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let (workspace, tape) = &mut self.globals;
        tape.gradient(z, workspace, gradient);
        // Those over locals are 0 here, and the places of the rest are theirs.
        let mut values = workspace.terms().to_vec();
        let anything = self
            .terms
            .iter()
            .chain(&self.divergences)
            .any(|wanted| *wanted);
        if anything {
            let model = self.model;
            let weight = match &self.batch {
                Some((elements, _)) => model.count as f64 / elements.len() as f64,
                None => 1.0,
            };
            let wanted = |flags: &[bool], places: &mut dyn Iterator<Item = usize>| -> Vec<usize> {
                let kept = places.zip(flags).filter(|(_, wanted)| **wanted);
                kept.map(|(place, _)| place).collect()
            };
            let likelihood = wanted(&self.terms, &mut model.places.iter().copied());
            let places = self.places.clone();
            let read = self.parts(z, |((terms, divergences), slope)| {
                let divergences = model.sites.iter().map(|s| s.term).zip(divergences);
                let terms = likelihood.iter().copied().zip(terms);
                for (place, value) in terms.chain(divergences) {
                    if let Ok(at) = places.binary_search(&place) {
                        values[at] += weight * value;
                    }
                }
                for (to, from) in gradient.iter_mut().zip(&slope) {
                    *to += weight * from;
                }
            });
            if !read {
                values.fill(f64::NAN);
                gradient.fill(f64::NAN);
            }
        }
        self.values = values;
        self.values.iter().sum()
    }

    fn terms(&self) -> &[f64] {
        &self.values
    }

    fn batch(&mut self, elements: Option<(&[u32], u64)>) {
        self.batch = elements.map(|(elements, seed)| {
            let mut elements = elements.to_vec();
            elements.sort_unstable();
            (elements, seed)
        });
    }
}

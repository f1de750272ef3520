//! What inference asks of a log density: its sites, its terms, and gradients; [`Joint`] is one, and any other will do.

use super::Astray;
use super::Joint;
use super::Site;
use super::Term;
use super::locals;
use super::locals::Forest;
use super::locals::Locals;
use super::locals::TapeLocals;
use crate::model::Model;
use crate::num::Dual;
use crate::shape::PlateId;
use crate::tape::Blame;
use crate::tape::Curvature;
use crate::tape::Tape;
use crate::tape::Workspace;
use crate::typed::GuideRule;
use std::fmt::Debug;

/// The most elements that a report may visit where each look takes gradient steps.
const MOST_VISITS: usize = 200_000_000;

/// The most elements in which a report asks whether gradient steps lead astray.
const LOOKED: usize = 1000;

/// A log density over unconstrained coordinates, as a sum of terms.
pub trait LogDensity: Debug + Sync {
    /// The latent variables' places among the coordinates; they cover them, in this order.
    fn sites(&self) -> &[Site];

    /// The terms that add up to the log density.
    fn terms(&self) -> &[Term];

    /// The means of computing the terms for which `keep` holds (one flag for each of [`LogDensity::terms`]).
    fn evaluator(&self, keep: &[bool]) -> Box<dyn Evaluator + '_>;

    /// The guide families asked for by name.
    fn guide_rules(&self) -> &[GuideRule] {
        &[]
    }

    /// Why the log density is not finite at `z`, in words.
    fn blame(&self, _z: &[f64]) -> Option<String> {
        None
    }

    /// An element of a plate in words.
    fn element(&self, _plate: PlateId, element: usize) -> String {
        format!("element {}", element + 1)
    }

    /// The locals that can be integrated out given the globals, the best choice first; or in words why there are none.
    fn forests(&self) -> Result<Vec<Forest>, String> {
        Err("the log density does not say which elements are independent".to_owned())
    }

    /// The means of integrating the locals of a forest of this density out.
    fn locals<'a>(&'a self, _forest: &'a Forest) -> Option<Box<dyn Locals + 'a>> {
        None
    }

    /// About how many elements one look at all terms visits.
    fn visits(&self) -> usize {
        self.dim()
    }

    /// Where a step of a fit is to see a mini-batch of elements: how many elements there are, and how many of them it sees; `wanted` if that
    /// is given.
    fn batches(&self, _wanted: Option<usize>) -> Option<(usize, usize)> {
        None
    }

    /// What importance weights over its coordinates say nothing of, in words.
    fn unchecked(&self) -> Option<String> {
        None
    }

    /// The elements whose locals gradient steps make worse at `z`, where steps find locals.
    fn astray(&self, _z: &[f64]) -> Option<Astray> {
        None
    }

    /// The most looks at all terms that a report may take.
    fn most_looks(&self) -> usize {
        usize::MAX
    }

    /// The number of coordinates.
    fn dim(&self) -> usize {
        self.sites().iter().map(|s| s.width * s.len).sum()
    }
}

/// Computes terms of a log density; it owns the memory that a run needs.
pub trait Evaluator: Send {
    /// The sum of the kept terms at `z` and, written over `gradient`, its gradient. A point without density gives −∞ or NaN.
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64;

    /// The sum of the kept terms at `z`. By default with the gradient, which is thrown away.
    fn value(&mut self, z: &[f64]) -> f64 {
        self.gradient(z, &mut vec![0.0; z.len()])
    }

    /// The value of each kept term at the last point, in their order.
    fn terms(&self) -> &[f64];

    /// From now on these elements of the plate of mini-batches, and draws that this number gives, stand for all in [`Evaluator::gradient`];
    /// `None` for all elements. A density that has no such elements takes no notice.
    fn batch(&mut self, _elements: Option<(&[u32], u64)>) {}

    /// For each coordinate by what log q of it counts beside log p of the present batch, so that their mean over all batches is that of
    /// all elements; `None` where all count once.
    fn weights(&self) -> Option<&[f64]> {
        None
    }

    /// Writes the Hessian at `z` times `v` over `product`. By default from central differences of the gradient.
    fn hessian_product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        let reach = z.iter().zip(v).filter(|(_, v)| **v != 0.0);
        let scale = reach.fold(1.0_f64, |scale, (z, _)| scale.max(z.abs()));
        let step = f64::EPSILON.cbrt() * scale / v.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let mut back = vec![0.0; z.len()];
        let at = |h: f64| -> Vec<f64> { z.iter().zip(v).map(|(z, v)| z + h * v).collect() };
        self.gradient(&at(step), product);
        self.gradient(&at(-step), &mut back);
        for (p, b) in product.iter_mut().zip(&back) {
            *p = (*p - b) / (2.0 * step);
        }
    }
}

impl LogDensity for Joint {
    fn sites(&self) -> &[Site] {
        &self.sites
    }

    fn terms(&self) -> &[Term] {
        &self.terms
    }

    fn evaluator(&self, keep: &[bool]) -> Box<dyn Evaluator + '_> {
        let tape = self.density.restrict(keep);
        if let Some(amortized) = &self.amortized {
            return amortized.evaluator(tape, keep);
        }
        let held = TapeEvaluator::new(tape);
        if let Some(mini_batches) = &self.mini_batches {
            let outside = self.density.restrict(&mini_batches.outside(keep));
            return mini_batches.evaluator(held, TapeEvaluator::new(outside), keep);
        }
        match &self.streamed {
            Some(streamed) => streamed.evaluator(held, keep),
            None => Box::new(held),
        }
    }

    fn guide_rules(&self) -> &[GuideRule] {
        self.model.typed().guide()
    }

    fn visits(&self) -> usize {
        if let Some(amortized) = &self.amortized {
            return amortized.visits();
        }
        let len = |t: &Term| {
            self.model
                .plates()
                .get(t.plate.index())
                .map_or(1, |p| p.len())
        };
        self.terms.iter().map(len).sum::<usize>().max(self.dim())
    }

    fn batches(&self, wanted: Option<usize>) -> Option<(usize, usize)> {
        if let Some(amortized) = &self.amortized {
            return amortized.batches(wanted);
        }
        Some((self.mini_batches.as_ref()?.count, wanted?))
    }

    fn unchecked(&self) -> Option<String> {
        let (plate, _) = self.amortized()?;
        let name = &self.model.typed().plates()[plate.index()].name;
        Some(format!(
            "nothing checks how near the gradient steps of `{name}` come to the posterior of its locals"
        ))
    }

    fn astray(&self, z: &[f64]) -> Option<Astray> {
        let steps = self.amortized.as_ref()?.steps();
        Joint::astray(self, z, steps, LOOKED)
    }

    fn most_looks(&self) -> usize {
        match &self.amortized {
            Some(amortized) => (MOST_VISITS / amortized.visits().max(1)).max(2),
            None => usize::MAX,
        }
    }

    fn element(&self, plate: PlateId, element: usize) -> String {
        place(&self.model, plate, element)
    }

    fn forests(&self) -> Result<Vec<Forest>, String> {
        if self.amortized.is_some() {
            return Err("the locals are found by gradient steps".to_owned());
        }
        if self.reads_rows() {
            return Err(
                "rows are read in chunks for every gradient, too slowly to integrate".to_owned(),
            );
        }
        Ok(locals::plan(self))
    }

    fn locals<'a>(&'a self, forest: &'a Forest) -> Option<Box<dyn Locals + 'a>> {
        Some(Box::new(TapeLocals::new(self, forest)))
    }

    fn blame(&self, z: &[f64]) -> Option<String> {
        if let Some(blame) = self.density.blame(z) {
            return Some(self.describe(&blame, &self.model));
        }
        if let Some(amortized) = &self.amortized {
            let plate = self.amortized().map(|(plate, _)| plate)?;
            return Some(amortized.blame(&self.model.typed().plates()[plate.index()].name));
        }
        let streamed = self.streamed.as_ref()?;
        if let Some(failure) = streamed.failure() {
            return Some(failure.to_owned());
        }
        let (blame, model) = streamed.blame(z)?;
        Some(self.describe(&blame, &model))
    }
}

impl Joint {
    /// What went wrong, in words; elements are those of `model`.
    fn describe(&self, blame: &Blame, model: &Model) -> String {
        let (line, _) = model.typed().source().line_column(blame.span.start);
        let mut text = format!("{} is {} in line {line}", blame.text, blame.value);
        let within = |t: &&Term| t.span.start <= blame.span.start && blame.span.end <= t.span.end;
        if let Some(term) = self.terms.iter().find(within) {
            text.push_str(&format!(" (`{}`)", term.name));
        }
        let place = place(model, blame.plate, blame.element);
        if !place.is_empty() {
            text.push_str(&format!(", at {place}"));
        }
        text
    }
}

/// An element of a plate in words, with the elements of other plates that it lies in: `school 3, county AITKIN`.
fn place(model: &Model, plate: PlateId, element: usize) -> String {
    let plates = model.typed().plates();
    // Plates that only the tape has are those of pairs for an aggregate, or of rows taken together.
    if plate == PlateId::TOP || plate.index() >= plates.len() {
        return String::new();
    }
    let bound = model.plate(plate);
    let name = |id: PlateId, i: usize| {
        format!(
            "{} {}",
            plates[id.index()].name,
            model.plate(id).labels.get(i)
        )
    };
    std::iter::once(name(plate, element))
        .chain(
            (bound.above.iter().rev())
                .filter(|(id, _)| **id != plate && **id != PlateId::TOP)
                .map(|(id, index)| name(*id, index[element] as usize)),
        )
        .collect::<Vec<_>>()
        .join(", ")
}

/// A tape with its memory.
pub(super) struct TapeEvaluator {
    tape: Tape,
    plain: Workspace<f64>,
    dual: Option<Workspace<Dual>>,
    input: Vec<Dual>,
    output: Vec<Dual>,
    /// What Hessian products share at the point where the last was.
    curvature: Option<(Vec<f64>, Curvature)>,
}

impl TapeEvaluator {
    pub(super) fn new(tape: Tape) -> TapeEvaluator {
        TapeEvaluator {
            plain: tape.workspace(),
            dual: None,
            input: Vec::new(),
            output: Vec::new(),
            curvature: None,
            tape,
        }
    }
}

impl Evaluator for TapeEvaluator {
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.tape.gradient(z, &mut self.plain, gradient)
    }

    fn value(&mut self, z: &[f64]) -> f64 {
        self.tape.value(z, &mut self.plain)
    }

    fn terms(&self) -> &[f64] {
        self.plain.terms()
    }

    fn hessian_product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        if self.curvature.as_ref().is_none_or(|(at, _)| at != z) {
            let curvature = self.tape.curvature(z, &mut self.plain);
            self.curvature = Some((z.to_vec(), curvature));
        }
        let dual = self.dual.get_or_insert_with(|| self.tape.workspace());
        self.input.clear();
        (self.input).extend(
            z.iter()
                .zip(v)
                .map(|(&value, &tangent)| Dual { value, tangent }),
        );
        self.output.clear();
        self.output.resize(z.len(), Dual::default());
        if let Some((_, curvature)) = &self.curvature {
            self.tape
                .along(curvature, &self.input, dual, &mut self.output);
        }
        for (p, d) in product.iter_mut().zip(&self.output) {
            *p = d.tangent;
        }
    }
}

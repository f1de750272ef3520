//! Mini-batches of the elements of one plate, for guides over all coordinates: what lies in the elements of a batch stands for what lies in all.

use super::Evaluator;
use super::Joint;
use super::amortized::Lowered;
use super::log_density::TapeEvaluator;
use crate::shape::PlateId;
use crate::tape::Divisible;
use crate::tape::NodeId;

/// What batches are taken from.
#[derive(Debug)]
pub(super) struct MiniBatches {
    /// The elements of the plate.
    pub count: usize,
    /// For each of the joint's terms whether it lies in the plate.
    within: Vec<bool>,
    terms: Divisible,
    /// For each coordinate whether it lies in the plate.
    local: Vec<bool>,
}

/// The joint density, of which [`Evaluator::batch`] takes elements of `plate`.
///
/// # Errors
/// In words, why the elements cannot be taken apart.
pub fn batched(mut joint: Joint, plate: PlateId) -> Result<Joint, String> {
    if joint.amortized.is_some() {
        return Err("the elements of another plate are".to_owned());
    }
    if joint.streamed.is_some() {
        return Err("rows are read in chunks".to_owned());
    }
    let model = joint.model.clone();
    let is_within = |p: PlateId| model.typed().determines(p, plate);
    let within: Vec<bool> = joint.terms.iter().map(|t| is_within(t.plate)).collect();
    let lowered = Lowered::new(&model, &[])?;
    let nodes: Vec<NodeId> = (lowered.statements.iter().zip(&within))
        .filter_map(|(node, within)| within.then_some(*node))
        .collect();
    let builder = &lowered.lowering.builder;
    joint.mini_batches = Some(Box::new(MiniBatches {
        count: builder.len_of(plate),
        terms: Divisible::new(builder, plate, &nodes, &[])?,
        local: (joint.sites.iter())
            .flat_map(|s| std::iter::repeat_n(is_within(s.plate), s.width * s.len))
            .collect(),
        within,
    }));
    Ok(joint)
}

impl MiniBatches {
    /// Of the terms for which `keep` holds those outside of the plate.
    pub fn outside(&self, keep: &[bool]) -> Vec<bool> {
        let outside = keep.iter().zip(&self.within).map(|(k, w)| *k && !*w);
        outside.collect()
    }

    /// The means of computing the terms for which `keep` holds, of all elements or of a batch; from those of all elements, and those of the
    /// terms outside of the plate alone.
    pub fn evaluator(
        &self,
        whole: TapeEvaluator,
        outside: TapeEvaluator,
        keep: &[bool],
    ) -> Box<dyn Evaluator + '_> {
        Box::new(Sampling {
            from: self,
            keep: keep.to_vec(),
            whole,
            outside,
            batch: None,
            weights: Vec::new(),
            values: Vec::new(),
        })
    }
}

/// Looks at all elements, or at a batch.
struct Sampling<'a> {
    from: &'a MiniBatches,
    keep: Vec<bool>,
    whole: TapeEvaluator,
    /// The terms outside of the plate.
    outside: TapeEvaluator,
    batch: Option<Batch>,
    weights: Vec<f64>,
    /// Of the kept terms, at a batch.
    values: Vec<f64>,
}

/// The elements that stand for all.
struct Batch {
    within: TapeEvaluator,
    /// What each counts for.
    weight: f64,
    /// Where the coordinates that its terms read stand among all.
    places: Vec<u32>,
    z: Vec<f64>,
    gradient: Vec<f64>,
}

impl Evaluator for Sampling<'_> {
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let Some(batch) = &mut self.batch else {
            return self.whole.gradient(z, gradient);
        };
        self.outside.gradient(z, gradient);
        for (own, place) in batch.z.iter_mut().zip(&batch.places) {
            *own = z[*place as usize];
        }
        batch.within.gradient(&batch.z, &mut batch.gradient);
        for (own, place) in batch.gradient.iter().zip(&batch.places) {
            gradient[*place as usize] += batch.weight * own;
        }
        let (mut outside, mut within) = (self.outside.terms().iter(), batch.within.terms().iter());
        let kept = self.from.within.iter().zip(&self.keep).filter(|(_, k)| **k);
        self.values.clear();
        self.values
            .extend(kept.filter_map(|(is_within, _)| match is_within {
                true => within.next().map(|value| batch.weight * value),
                false => outside.next().copied(),
            }));
        self.values.iter().sum()
    }

    fn value(&mut self, z: &[f64]) -> f64 {
        match self.batch {
            None => self.whole.value(z),
            Some(_) => self.gradient(z, &mut vec![0.0; z.len()]),
        }
    }

    fn terms(&self) -> &[f64] {
        match self.batch {
            None => self.whole.terms(),
            Some(_) => &self.values,
        }
    }

    fn hessian_product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        self.whole.hessian_product(z, v, product);
    }

    fn batch(&mut self, elements: Option<(&[u32], u64)>) {
        let from = self.from;
        self.weights.clear();
        self.batch = elements.map(|(elements, _)| {
            let mut elements = elements.to_vec();
            elements.sort_unstable();
            let kept = self.keep.iter().zip(&from.within).filter(|(_, w)| **w);
            let kept: Vec<bool> = kept.map(|(k, _)| *k).collect();
            let mut tape = from.terms.take(&elements, None);
            if kept.contains(&false) {
                tape = tape.restrict(&kept);
            }
            let places = from.terms.places(&elements);
            let weight = from.count as f64 / elements.len() as f64;
            let weights = from.local.iter().map(|l| f64::from(u8::from(!l)));
            self.weights.extend(weights);
            for place in places.iter().map(|p| *p as usize) {
                if from.local[place] {
                    self.weights[place] = weight;
                }
            }
            Batch {
                within: TapeEvaluator::new(tape),
                weight,
                z: vec![0.0; places.len()],
                gradient: vec![0.0; places.len()],
                places,
            }
        });
    }

    fn weights(&self) -> Option<&[f64]> {
        self.batch.as_ref().map(|_| &self.weights[..])
    }
}

//! Elements whose gradient steps end at a worse bound than they began at: steps that diverged.

use super::super::Joint;
use super::Amortized;
use super::noise::Pairs;
use super::steps::Part;
use crate::shape::PlateId;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;

/// Pairs of draws for the bound of an element before its steps and after them.
const PAIRS: usize = 4;

/// An element's bound counts as worse if it is by so many standard errors of the difference.
const ERRORS: f64 = 2.0;

/// What gradient steps make worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Astray {
    /// The plate whose locals the steps find.
    pub plate: PlateId,
    /// How many of its elements were looked at.
    pub looked: usize,
    /// Those whose bound, over the rows that the steps see, is worse after the steps than before, or not finite: by how many nats, the
    /// worst first.
    pub worse: Vec<(usize, f64)>,
}

impl Joint {
    /// The elements for which so many gradient steps from these globals end at a worse bound than they begin at; `None` for a density that
    /// is not amortised, and where rows cannot be read. At most so many elements are looked at, evenly over all.
    pub fn astray(&self, globals: &[f64], steps: usize, most: usize) -> Option<Astray> {
        let model = self.amortized.as_deref()?;
        let looked = model.count.min(most);
        let elements: Vec<u32> = (0..looked)
            .map(|k| (k * model.count / looked) as u32)
            .collect();
        let parts: Vec<&[u32]> = elements.chunks(model.part_len()).collect();
        let losses = |part: &[u32]| {
            let none = vec![false; model.places.len()];
            Part::new(model, part, &none)?.losses(model, globals, steps, &Pairs::new(PAIRS))
        };
        let losses: Option<Vec<Vec<(f64, f64)>>> = parts.into_par_iter().map(losses).collect();
        let elements = elements.iter().map(|e| *e as usize);
        let mut worse: Vec<(usize, f64)> = (elements.zip(losses?.into_iter().flatten()))
            .filter_map(|(element, (loss, error))| match loss.is_finite() {
                true => (loss > ERRORS * error + ROUNDING).then_some((element, loss)),
                false => Some((element, f64::INFINITY)),
            })
            .collect();
        worse.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(Astray {
            plate: model.plate,
            looked,
            worse,
        })
    }
}

/// What a loss in nats may be by rounding.
const ROUNDING: f64 = 1e-6;

impl Part {
    /// For each element how much lower its bound over the rows for the steps is after them, in nats, with the standard error of that; `None`
    /// where its rows cannot be read.
    fn losses(
        &mut self,
        model: &Amortized,
        globals: &[f64],
        steps: usize,
        draws: &Pairs,
    ) -> Option<Vec<(f64, f64)>> {
        let tape = model.source.sums(&self.elements)?;
        let mut tape = (tape.clone(), tape.workspace());
        let (start, end, divergences) = self.ends(model, globals, steps);
        let pairs = draws.draws() / 2;
        let mut sums = vec![(0.0, 0.0); divergences.len()];
        for pair in 0..pairs {
            let before = self.log_likelihoods(model, &mut tape, globals, (&start, draws, pair));
            let after = self.log_likelihoods(model, &mut tape, globals, (&end, draws, pair));
            for ((sum, squares), (before, after)) in sums.iter_mut().zip(before.iter().zip(&after))
            {
                *sum += before - after;
                *squares += (before - after) * (before - after);
            }
        }
        let n = pairs as f64;
        let found = |((sum, squares), divergence): (&(f64, f64), &f64)| {
            let mean = sum / n;
            let variance = (squares / n - mean * mean).max(0.0) / (n - 1.0);
            (mean + divergence, variance.sqrt())
        };
        Some(sums.iter().zip(&divergences).map(found).collect())
    }
}

//! Passes over the rows of terms: the elements of a plate in parts of their own, each at all points before the next.
//!
//! Each part gathers for itself; what the parts have gathered is added up in their order, so that the bits do not depend on how many
//! threads there are.

use super::Curvature;
use super::Forest;
use super::Spread;
use super::block::Buffers;
use super::block::Want;
use super::lanes::Total;
use super::line::Line;
use super::rows::Rows;
use super::rows::Source;
use super::rows::Term;
use crate::num::simd;
use crate::num::wakeful::shares_out;
use crate::tape::elementwise::Lanes;
use rayon::prelude::*;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Rows of a part, about.
const ROWS: usize = 1024;

/// Some elements of a plate, with what a pass gathers of them.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub elements: Range<usize>,
    /// The terms of the plate.
    pub terms: Vec<usize>,
    /// For each term and point the values of the elements.
    pub values: Vec<f64>,
    /// For each point the shares of the elements.
    pub shares: Vec<f64>,
    integrals: Vec<f64>,
    /// For each term its mean over the points.
    means: Vec<f64>,
    /// For each term, where its values were interpolated, the lines of its elements and the degree.
    pub lines: Vec<Option<(Line, usize)>>,
    /// Derivatives by the locals, and second derivatives: see [`super::lanes::AddCurvature`].
    pub curvature: Vec<f64>,
    /// The adjoints of numbers that are the same in all rows, by output.
    sums: Vec<f64>,
    /// The adjoints of others.
    rows: Vec<RowSums>,
}

/// Adjoints of some rows of an output.
#[derive(Clone, Debug)]
struct RowSums {
    output: usize,
    first: usize,
    sums: Vec<f64>,
}

impl Chunk {
    /// The elements of plate `place` in parts; `outputs` gives the length of each output.
    pub fn all(forest: &Forest, place: usize, terms: &[Term], outputs: &[usize]) -> Vec<Chunk> {
        let own: Vec<usize> = (0..terms.len())
            .filter(|t| terms[*t].place == place)
            .collect();
        let count = forest.plates[place].count;
        let rows = |i: usize| -> usize {
            let of = |t: &usize| terms[*t].rows(&(i..i + 1)).len();
            own.iter().map(of).sum()
        };
        let mut chunks = Vec::new();
        let (mut first, mut held) = (0, 0);
        for i in 0..count {
            held += rows(i);
            if held >= ROWS || i + 1 == count {
                chunks.push(Chunk::new(first..i + 1, &own, terms, outputs));
                (first, held) = (i + 1, 0);
            }
        }
        chunks
    }

    fn new(elements: Range<usize>, own: &[usize], terms: &[Term], outputs: &[usize]) -> Chunk {
        let mut rows: Vec<RowSums> = Vec::new();
        for term in own.iter().map(|t| &terms[*t]) {
            let range = term.rows(&elements);
            for output in term.outputs().filter(|k| outputs[*k] > 1) {
                let known = |sums: &RowSums| sums.output == output && sums.first == range.start;
                if !rows.iter().any(known) {
                    rows.push(RowSums {
                        output,
                        first: range.start,
                        sums: vec![0.0; range.len()],
                    });
                }
            }
        }
        Chunk {
            elements,
            terms: own.to_vec(),
            values: Vec::new(),
            shares: Vec::new(),
            integrals: Vec::new(),
            means: vec![0.0; own.len()],
            lines: vec![None; own.len()],
            curvature: Vec::new(),
            sums: vec![0.0; outputs.len()],
            rows,
        }
    }

    /// Adds the adjoints of rows from `first` on, times others, to those of a source.
    pub fn sow(&mut self, source: &Source, first: usize, adjoints: &[f64], column: Lanes<'_, f64>) {
        let Source::Output(k) = source else { return };
        let lanes = adjoints;
        let one = |sums: &&mut RowSums| {
            sums.output == *k && (sums.first..sums.first + sums.sums.len()).contains(&first)
        };
        match self.rows.iter_mut().find(one) {
            None => self.sums[*k] += simd::run(Total { lanes, column }),
            Some(rows) => {
                let sums = &mut rows.sums[first - rows.first..];
                for (j, (sum, adjoint)) in sums.iter_mut().zip(adjoints).enumerate() {
                    *sum += adjoint * column.at(j);
                }
            }
        }
    }
}

impl Rows<'_> {
    /// Runs over all parts of a plate.
    fn each(&mut self, p: usize, work: impl Fn(&Rows<'_>, &mut Chunk, &mut Buffers) + Sync) {
        let mut chunks = std::mem::take(&mut self.chunks[p]);
        let own: &Rows<'_> = self;
        let run = |chunk: &mut Chunk| {
            let pool = || own.pool.lock().unwrap_or_else(PoisonError::into_inner);
            let mut buffers = pool().pop().unwrap_or_default();
            work(own, chunk, &mut buffers);
            pool().push(buffers);
        };
        if shares_out(chunks.len()) {
            chunks.par_iter_mut().for_each(run);
        } else {
            chunks.iter_mut().for_each(run);
        }
        self.chunks[p] = chunks;
    }

    /// Adds the terms' sums over each element.
    pub fn values(&mut self, z: &[f64], values: &mut [Vec<f64>]) {
        for (p, values) in values.iter_mut().enumerate() {
            self.each(p, |rows, chunk, buffers| {
                rows.fill(p, chunk, buffers, &[z], Want::Values);
            });
            for chunk in &self.chunks[p] {
                let own = &mut values[chunk.elements.clone()];
                chunk.add_values(own);
            }
        }
    }

    /// The sum of all terms. Adds their sums over each element to `values`, if wanted, the gradient in the locals, and the second
    /// derivatives in the chain of each element.
    pub fn curve(
        &mut self,
        z: &[f64],
        mut values: Option<&mut [Vec<f64>]>,
        slope: &mut [f64],
        curvature: &mut dyn Curvature,
    ) -> f64 {
        let forest = self.forest;
        let mut total = 0.0;
        for p in 0..forest.plates.len() {
            self.each(p, |rows, chunk, buffers| {
                rows.fill(p, chunk, buffers, &[z], Want::Curvature);
            });
            let plate = &forest.plates[p];
            let width = plate.chain_width(forest);
            for chunk in &self.chunks[p] {
                total += chunk.values.iter().sum::<f64>();
                if let Some(values) = &mut values {
                    chunk.add_values(&mut values[p][chunk.elements.clone()]);
                }
                let (own, count) = (chunk.elements.clone(), chunk.elements.len());
                let mut slopes = chunk.curvature.chunks_exact(count);
                for above in &plate.above {
                    let (outer, element) = (&forest.plates[above.place], &above.element);
                    for (k, slopes) in (0..outer.width).zip(slopes.by_ref()) {
                        for (element, by) in element[own.clone()].iter().zip(slopes) {
                            slope[outer.at(k, *element as usize)] += by;
                        }
                    }
                }
                for (k, slopes) in (0..plate.width).zip(slopes) {
                    for (i, by) in own.clone().zip(slopes) {
                        slope[plate.at(k, i)] += by;
                    }
                }
                curvature.add_blocks(p, own, &chunk.curvature[width * count..]);
            }
        }
        total
    }

    /// Sums the terms of a plate up over points: see [`Spread`]. Adds the mean of each term to `means`, by its place in the density.
    pub fn spread(&mut self, p: usize, spread: &mut Spread<'_>, means: &mut [f64]) {
        let points: SmallVec<[&[f64]; 8]> = spread.points.iter().map(Vec::as_slice).collect();
        let total = self.forest.plates[p].count;
        let (shares, raise) = (&*spread.shares, spread.raise);
        let (derivatives, wants_means) = (spread.derivatives, spread.means);
        self.each(p, |rows, chunk, buffers| {
            let own = chunk.elements.clone();
            let want = if derivatives {
                Want::Slopes
            } else {
                Want::Values
            };
            rows.fill(p, chunk, buffers, &points, want);
            chunk.shares.clear();
            for shares in shares.chunks_exact(total) {
                chunk.shares.extend_from_slice(&shares[own.clone()]);
            }
            if let Some(raise) = raise {
                chunk.find_shares(raise);
            }
            if wants_means {
                chunk.weigh(points.len());
            }
            if derivatives {
                rows.sow(p, chunk, buffers, &points);
            }
        });
        for chunk in &mut self.chunks[p] {
            let own = chunk.elements.clone();
            if raise.is_some() {
                let parts = chunk.shares.chunks_exact(own.len());
                for (shares, part) in spread.shares.chunks_exact_mut(total).zip(parts) {
                    shares[own.clone()].copy_from_slice(part);
                }
                let sums = chunk.integrals.chunks_exact(own.len());
                for (integrals, sums) in spread.integrals.chunks_exact_mut(total).zip(sums) {
                    integrals[own.clone()].copy_from_slice(sums);
                }
            }
            if wants_means {
                for (t, mean) in chunk.terms.iter().zip(&chunk.means) {
                    means[self.terms[*t].term] += mean;
                }
            }
            if derivatives {
                for (k, (seed, sum)) in self.seeds.iter_mut().zip(&mut chunk.sums).enumerate() {
                    if self.outputs[k].len() == 1 {
                        seed[0] += std::mem::take(sum);
                    }
                }
                for rows in &mut chunk.rows {
                    let seeds = &mut self.seeds[rows.output];
                    match &self.gathers[rows.output] {
                        None => {
                            for (seed, sum) in seeds[rows.first..].iter_mut().zip(&mut rows.sums) {
                                *seed += std::mem::take(sum);
                            }
                        }
                        Some(index) => {
                            for (i, sum) in index[rows.first..].iter().zip(&mut rows.sums) {
                                seeds[*i as usize] += std::mem::take(sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Chunk {
    /// Adds the values of all terms at one point.
    fn add_values(&self, sums: &mut [f64]) {
        for values in self.values.chunks_exact(self.elements.len()) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
    }

    /// From the shares, which hold what other terms add to the logarithm of the integrand, to the shares of the points and the log integrals.
    fn find_shares(&mut self, raise: &[f64]) {
        let (count, points) = (self.elements.len(), raise.len());
        for values in self.values.chunks_exact(self.shares.len()) {
            for (share, value) in self.shares.iter_mut().zip(values) {
                *share += value;
            }
        }
        self.integrals.clear();
        for shares in self.shares.chunks_exact_mut(points * count) {
            for i in 0..count {
                let raised = |k: usize| shares[k * count + i] + raise[k];
                let most = (0..points).map(raised).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = (0..points).map(|k| (raised(k) - most).exp()).sum();
                self.integrals.push(most + sum.ln());
                for (k, raise) in raise.iter().enumerate() {
                    let share = &mut shares[k * count + i];
                    *share = (*share + raise - most).exp() / sum;
                }
            }
        }
    }

    /// The mean of each term over the points.
    fn weigh(&mut self, points: usize) {
        let each = points * self.elements.len();
        for (mean, values) in self.means.iter_mut().zip(self.values.chunks_exact(each)) {
            *mean = values.iter().zip(&self.shares).map(|(v, s)| v * s).sum();
        }
    }
}

/// Memory of passes that no thread is using.
pub(super) type Pool = Mutex<Vec<Buffers>>;

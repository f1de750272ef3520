//! The pass over the columns of a recognised term.

use super::Arg;
use super::BLOCK;
use super::Bars;
use super::Given;
use super::Glm;
use super::Scratch;
use crate::num::elementary::Fma;
use crate::num::simd;
use crate::num::simd::Task;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::Scalar;
use smallvec::SmallVec;

impl Glm {
    /// The term's value; with `bars`, adds the adjoints of what it reads.
    pub(in crate::tape) fn run<T: Scalar>(
        &self,
        given: Given<'_, T>,
        mut bars: Option<Bars<'_, T>>,
        scratch: &mut Scratch<T>,
    ) -> T {
        let mut total = T::of(self.apart);
        for first in (0..self.len).step_by(BLOCK) {
            let n = BLOCK.min(self.len - first);
            let block = Block {
                glm: self,
                first,
                n,
            };
            simd::run(Predict {
                block,
                given,
                eta: &mut scratch.eta[..n],
            });
            total += self.density(block, given, scratch);
            if let Some(bars) = &mut bars {
                simd::run(Collect {
                    block,
                    bars,
                    partials: &scratch.partials[..self.args.len() * n],
                });
            }
        }
        total
    }

    /// The sum of the densities of a block, without what depends on data alone, and their partial derivatives.
    fn density<T: Scalar>(
        &self,
        block: Block<'_>,
        given: Given<'_, T>,
        scratch: &mut Scratch<T>,
    ) -> T {
        let n = block.n;
        for (arg, lanes) in self
            .args
            .iter()
            .zip(scratch.columns.chunks_exact_mut(BLOCK))
        {
            if let Arg::Data(column) = arg {
                for (lane, x) in lanes.iter_mut().zip(column.slice(block.first, n)) {
                    *lane = T::of(*x);
                }
            }
        }
        let mut tops = self.sources[self.sources.len() - self.tops()..].iter();
        let lanes: SmallVec<[Lanes<'_, T>; 4]> = self
            .args
            .iter()
            .zip(scratch.columns.chunks_exact(BLOCK))
            .map(|(arg, column)| match arg {
                Arg::Predictor => Lanes::Each(&scratch.eta[..n]),
                Arg::Data(_) => Lanes::Each(&column[..n]),
                Arg::Constant(value) => Lanes::Same(T::of(*value)),
                Arg::Top(_) => {
                    let from = tops
                        .next()
                        .expect("a source for each number of the top level");
                    Lanes::Same(given.values(from, 0)[0])
                }
            })
            .collect();
        (T::kernel(self.row).one_pass)(&lanes, &mut scratch.partials[..self.args.len() * n])
    }

    fn tops(&self) -> usize {
        self.args
            .iter()
            .filter(|arg| matches!(arg, Arg::Top(_)))
            .count()
    }
}

/// Elements `first .. first + n` of a recognised term.
#[derive(Clone, Copy)]
struct Block<'a> {
    glm: &'a Glm,
    first: usize,
    n: usize,
}

impl Block<'_> {
    /// The parts of the block that lie in one element of a group's plate each: that element, the first and the end, counted from the block's first.
    #[inline(always)]
    fn runs<'g>(
        self,
        index: &'g [u32],
        runs: &'g [u32],
    ) -> impl Iterator<Item = (usize, usize, usize)> + 'g {
        let (first, end) = (self.first, self.first + self.n);
        let at = runs.partition_point(|start| *start as usize <= first) - 1;
        runs[at..].windows(2).map_while(move |run| {
            let (from, to) = ((run[0] as usize).max(first), (run[1] as usize).min(end));
            (from < end).then(|| (index[from] as usize, from - first, to - first))
        })
    }
}

/// Writes the predictor of a block.
struct Predict<'a, T> {
    block: Block<'a>,
    given: Given<'a, T>,
    eta: &'a mut [T],
}

impl<T: Scalar> Task for Predict<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Predict { block, given, eta } = self;
        let (glm, first, n) = (block.glm, block.first, block.n);
        eta.fill(T::of(glm.constant));
        for column in &glm.offsets {
            add_scaled(eta, T::one(), column.slice(first, n));
        }
        let mut sources = glm.sources.iter();
        for group in &glm.groups {
            for (atom, from) in group.atoms.iter().zip(&mut sources) {
                let values = given.values(from, atom.component);
                let factor = T::of(atom.factor);
                let column = atom.column.as_ref().map(|column| column.slice(first, n));
                match (&group.index, &group.runs, column) {
                    (None, _, None) => add_one(eta, values[0] * factor),
                    (None, _, Some(x)) => add_scaled(eta, values[0] * factor, x),
                    (Some(index), Some(runs), None) => {
                        for (element, from, to) in block.runs(index, runs) {
                            add_one(&mut eta[from..to], values[element] * factor);
                        }
                    }
                    (Some(index), Some(runs), Some(x)) => {
                        for (element, from, to) in block.runs(index, runs) {
                            add_scaled(&mut eta[from..to], values[element] * factor, &x[from..to]);
                        }
                    }
                    (Some(index), None, None) => {
                        for (eta, element) in eta.iter_mut().zip(&index[first..]) {
                            *eta += values[*element as usize] * factor;
                        }
                    }
                    (Some(index), None, Some(x)) => {
                        for ((eta, element), x) in eta.iter_mut().zip(&index[first..]).zip(x) {
                            *eta += values[*element as usize] * factor * T::of(*x);
                        }
                    }
                }
            }
        }
    }
}

/// Adds the adjoints of what a block reads.
struct Collect<'a, 'b, T> {
    block: Block<'a>,
    bars: &'a mut Bars<'b, T>,
    partials: &'a [T],
}

impl<T: Scalar> Task for Collect<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Collect {
            block,
            bars,
            partials,
        } = self;
        let (glm, first, n) = (block.glm, block.first, block.n);
        let mut sources = glm.sources.iter();
        let predictor = glm
            .args
            .iter()
            .position(|arg| matches!(arg, Arg::Predictor));
        let slope = &partials[predictor.unwrap_or_default() * n..][..n];
        for group in &glm.groups {
            for (atom, from) in group.atoms.iter().zip(&mut sources) {
                let bars = bars.values(from, atom.component);
                let factor = T::of(atom.factor);
                let column = atom.column.as_ref().map(|column| column.slice(first, n));
                match (&group.index, &group.runs, column) {
                    (None, _, None) => bars[0] += sum(slope) * factor,
                    (None, _, Some(x)) => bars[0] += dot(slope, x) * factor,
                    (Some(index), Some(runs), None) => {
                        for (element, from, to) in block.runs(index, runs) {
                            bars[element] += sum(&slope[from..to]) * factor;
                        }
                    }
                    (Some(index), Some(runs), Some(x)) => {
                        for (element, from, to) in block.runs(index, runs) {
                            bars[element] += dot(&slope[from..to], &x[from..to]) * factor;
                        }
                    }
                    (Some(index), None, None) => {
                        for (slope, element) in slope.iter().zip(&index[first..]) {
                            bars[*element as usize] += *slope * factor;
                        }
                    }
                    (Some(index), None, Some(x)) => {
                        for ((slope, element), x) in slope.iter().zip(&index[first..]).zip(x) {
                            bars[*element as usize] += *slope * factor * T::of(*x);
                        }
                    }
                }
            }
        }
        for (arg, partial) in glm.args.iter().zip(partials.chunks_exact(n)) {
            if let (Arg::Top(_), Some(from)) = (
                arg,
                matches!(arg, Arg::Top(_)).then(|| sources.next()).flatten(),
            ) {
                bars.values(from, 0)[0] += sum(partial);
            }
        }
    }
}

#[inline(always)]
fn add_one<T: Scalar>(out: &mut [T], value: T) {
    for out in out {
        *out += value;
    }
}

#[inline(always)]
fn add_scaled<T: Scalar>(out: &mut [T], factor: T, x: &[f64]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * T::of(*x);
    }
}

/// Sums in eight lanes, so that the order is the same on every instruction set.
const LANES: usize = 8;

#[inline(always)]
fn sum<T: Scalar>(values: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(T::zero(), |sum, v| sum + *v);
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += *v;
        }
    }
    lanes.iter().fold(rest, |sum, lane| sum + *lane)
}

#[inline(always)]
fn dot<T: Scalar>(values: &[T], x: &[f64]) -> T {
    let mut lanes = [T::zero(); LANES];
    let (chunks, xs) = (values.chunks_exact(LANES), x.chunks_exact(LANES));
    let rest = (chunks.remainder().iter().zip(xs.remainder()))
        .fold(T::zero(), |sum, (v, x)| sum + *v * T::of(*x));
    for (chunk, x) in chunks.zip(xs) {
        for ((lane, v), x) in lanes.iter_mut().zip(chunk).zip(x) {
            *lane += *v * T::of(*x);
        }
    }
    lanes.iter().fold(rest, |sum, lane| sum + *lane)
}

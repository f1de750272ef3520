//! The second derivatives of a recognised term at a point, summed up over the rows once: after that a Hessian-vector product does not
//! look at the rows any more.
//!
//! With u the coefficients of the term's regressors in a run, its Hessian there is Σ h x xᵀ over the rows, where x are the regressors and
//! h the second derivatives of the density.

use super::Atom;
use super::Glm;
use super::moments::Moments;
use super::moments::Regressors;
use super::run::Bars;
use super::run::Given;
use super::steady::Steady;
use crate::num::Dual;
use crate::num::elementary::Fma;
use crate::num::simd;
use crate::num::simd::Task;
use crate::num::sums::dots;
use crate::tape::elementwise::RowPass;
use rayon::prelude::*;
use std::ops::Range;

/// The most numbers that are kept for each row.
const MOST_PER_ROW: usize = 5;

/// Value, gradient and second derivatives of a recognised term at a point.
#[derive(Clone, Debug)]
pub(in crate::tape) struct Curvature {
    value: f64,
    chunks: Vec<Moments>,
}

impl Glm {
    /// What second derivatives are summed up by, if they can be: there is one predictor, without products, all its groups are sorted, and
    /// the sums are few against the rows.
    fn summable(&self) -> Option<(&Steady, &'static RowPass)> {
        self.apart?;
        let (steady, pass) = (self.steady.as_ref()?, self.row.plain.row_pass.as_ref()?);
        let regressors = self.regressors(steady);
        let kept = regressors.pairs() * self.chunks.len()
            + (regressors.of_runs + regressors.pairs_of_runs()) * self.runs.len();
        let rows = self.chunks.last().copied().unwrap_or_default();
        (kept <= MOST_PER_ROW * rows.max(64)).then_some((steady, pass))
    }

    /// Its second derivatives at a point; `None` where they cannot be summed up.
    pub(in crate::tape) fn curvature(&self, given: Given<'_, f64>) -> Option<Curvature> {
        let (steady, pass) = self.summable()?;
        let chunk = |ends: &[usize]| self.moments(steady, pass, given, ends[0]..ends[1]);
        let chunks: Vec<Moments> = match rayon::current_num_threads() {
            1 => self.chunks.windows(2).map(chunk).collect(),
            _ => self.chunks.par_windows(2).map(chunk).collect(),
        };
        let apart = self.apart.unwrap_or_default();
        Some(Curvature {
            value: chunks.iter().fold(apart, |sum, chunk| sum + chunk.value),
            chunks,
        })
    }

    /// The term at the point that `curvature` is of, and along the tangents of `given`; adds the adjoints of what it reads.
    pub(in crate::tape) fn along(
        &self,
        curvature: &Curvature,
        given: Given<'_, Dual>,
        bars: &mut Bars<'_, Dual>,
    ) -> Dual {
        let steady = (self.steady.as_ref()).expect("what has second derivatives is steady");
        let regressors = self.regressors(steady);
        let mut value = Dual {
            value: curvature.value,
            tangent: 0.0,
        };
        let mut along = Along::default();
        for moments in &curvature.chunks {
            along.clear(moments, regressors);
            for ((read, factor), regressor) in self.tops().zip(self.top_regressors(steady)) {
                along.add(regressor, factor * self.values(given, read)[0].tangent);
            }
            for (atom, regressor) in self.run_atoms(steady) {
                let values = self.values(given, atom.read);
                let at = along.at(regressor);
                let tangents = &mut along.tangents[at];
                for (tangent, place) in tangents.iter_mut().zip(self.places(atom, &moments.runs)) {
                    *tangent += atom.factor * values[*place as usize].tangent;
                }
            }
            value.tangent += simd::run(Products {
                along: &mut along,
                moments,
            });
            for (atom, regressor) in self.run_atoms(steady) {
                let slopes = moments.slopes.get(regressor);
                let products = &along.products[along.at(regressor)];
                let bars = self.bars(bars, atom.read);
                let places = self.places(atom, &moments.runs);
                for ((place, value), tangent) in places.iter().zip(slopes).zip(products) {
                    bars[*place as usize] += Dual {
                        value: value * atom.factor,
                        tangent: tangent * atom.factor,
                    };
                }
            }
            for ((read, factor), regressor) in self.tops().zip(self.top_regressors(steady)) {
                let slopes = moments.slopes.get(regressor);
                let products = &along.products[along.at(regressor)];
                self.bars(bars, read)[0] += Dual {
                    value: slopes.iter().sum::<f64>() * factor,
                    tangent: products.iter().sum::<f64>() * factor,
                };
            }
        }
        value
    }

    /// The regressors of the numbers of the top level, in the order of [`Glm::tops`].
    fn top_regressors<'a>(&self, steady: &'a Steady) -> impl Iterator<Item = usize> + 'a {
        let of_atoms = (steady.tops.iter()).map(|place| match place {
            Some(place) if *place < steady.shared => steady.each() + place - steady.fixed,
            place => steady.of_run(*place),
        });
        of_atoms.chain(1 + steady.columns.len() - steady.fixed..)
    }

    /// The elements of some runs in the group of an atom.
    fn places(&self, atom: &Atom, runs: &Range<usize>) -> &[u32] {
        &self.group(atom).by_run[runs.clone()]
    }
}

/// Tangents of the coefficients of regressors, and their products with second derivatives, in one chunk: for a regressor of runs a number for
/// each run, for another one number.
#[derive(Default)]
struct Along {
    tangents: Vec<f64>,
    products: Vec<f64>,
    regressors: Regressors,
    runs: usize,
}

impl Along {
    fn clear(&mut self, moments: &Moments, regressors: Regressors) {
        (self.regressors, self.runs) = (regressors, moments.runs.len().max(1));
        let len = self.at(regressors.all).start;
        for numbers in [&mut self.tangents, &mut self.products] {
            numbers.clear();
            numbers.resize(len, 0.0);
        }
    }

    /// Where the numbers of a regressor are.
    #[inline(always)]
    fn at(&self, regressor: usize) -> Range<usize> {
        match regressor.checked_sub(self.regressors.of_runs) {
            None => regressor * self.runs..(regressor + 1) * self.runs,
            Some(behind) => {
                let place = self.regressors.of_runs * self.runs + behind;
                place..place + 1
            }
        }
    }

    /// Adds to the tangents of a regressor.
    fn add(&mut self, regressor: usize, tangent: f64) {
        let at = self.at(regressor);
        for sum in &mut self.tangents[at] {
            *sum += tangent;
        }
    }
}

/// Writes the products of second derivatives with tangents; gives the derivative along these.
struct Products<'a> {
    along: &'a mut Along,
    moments: &'a Moments,
}

impl Task for Products<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<F: Fma>(self) -> f64 {
        let Products { along, moments } = self;
        let Regressors { of_runs, all } = along.regressors;
        let mut derivative = 0.0;
        for k in 0..all {
            let tangents = &along.tangents[along.at(k)];
            // Most directions move few coefficients.
            if tangents.iter().all(|tangent| *tangent == 0.0) {
                continue;
            }
            let [slope] = dots::<f64, F, 1>(moments.slopes.get(k), [tangents]);
            derivative += slope;
            for j in 0..all {
                let at = along.at(j);
                let products = &mut along.products[at];
                let seconds = (moments.seconds).get(along.regressors.pair(j.min(k), j.max(k)));
                if j < of_runs && k < of_runs {
                    for ((product, second), tangent) in
                        products.iter_mut().zip(seconds).zip(tangents)
                    {
                        *product += second * tangent;
                    }
                } else if j < of_runs {
                    for (product, second) in products.iter_mut().zip(seconds) {
                        *product += second * tangents[0];
                    }
                } else {
                    // One number, or one for each run.
                    let [product] = dots::<f64, F, 1>(seconds, [tangents]);
                    products[0] += product;
                }
            }
        }
        derivative
    }
}

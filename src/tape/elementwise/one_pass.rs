//! Densities summed over many rows: value and partial derivatives in one loop, without what need not be worked out for each row.

use super::Lanes;
use super::Rule;
use super::Running;
use super::Scalar;
use super::Stretch;
use crate::num::Dual;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd;
use crate::num::simd::Task;
use std::marker::PhantomData;

/// The most lanes of a call.
pub const MOST_LANES: usize = 256;

/// Lanes that are computed along, however few count.
const PART: usize = 64;

/// Some lanes.
#[inline(always)]
fn part<T>(lanes: &LaneArray<T>, p: usize) -> &[T; PART] {
    &lanes.as_chunks().0[p]
}

/// Some lanes, to be written.
#[inline(always)]
fn part_mut<T>(lanes: &mut LaneArray<T>, p: usize) -> &mut [T; PART] {
    &mut lanes.as_chunks_mut().0[p]
}

/// A row that can be summed up in one loop.
pub trait OnePass<const N: usize>: Rule<N> {
    /// The argument, as a bit, whose partial derivative is wanted lane by lane.
    const BY: usize;
    /// The argument, as a bit, that enters by its difference to that one alone, if there is one: its partial derivative is the negative.
    const AGAINST: usize;
    /// The arguments, as bits, that are the same in every lane: what depends on them alone is worked out once, and the sums of
    /// their partial derivatives are wanted.
    const SHARED: usize;
    /// Whether there are products.
    const PRODUCTS: bool;
    /// One lane of the sum.
    fn lane<T: Real>(args: [T; N]) -> Summand<T, N>;
    /// The part of the value that [`OnePass::lane`] leaves out: it depends on arguments of integers alone, which are data.
    fn apart<T: Real>(args: [T; N]) -> T;
}

/// One lane of a sum: the value is `apart + add − log(product)`.
///
/// Over many lanes the products are multiplied, and one logarithm is taken of all; each lies in [1, 2].
#[derive(Clone, Copy, Debug)]
pub struct Summand<T, const N: usize> {
    /// What is added.
    pub add: T,
    /// What is multiplied.
    pub product: T,
    /// The partial derivatives by the arguments that [`OnePass::BY`] and [`OnePass::SHARED`] name.
    pub partials: [T; N],
}

/// The places, as bits, of some of the names.
pub const fn places(names: &[&str], some: &[&str]) -> usize {
    let mut bits = 0;
    let mut k = 0;
    while k < names.len() {
        let mut j = 0;
        while j < some.len() {
            if same(names[k].as_bytes(), some[j].as_bytes()) {
                bits |= 1 << k;
            }
            j += 1;
        }
        k += 1;
    }
    bits
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut equal = a.len() == b.len();
    let mut i = 0;
    while equal && i < a.len() {
        equal = a[i] == b[i];
        i += 1;
    }
    equal
}

/// The loop of one row over one scalar type.
#[derive(Debug)]
pub struct OnePassKernel<T: 'static> {
    /// Adds some rows to sums.
    pub stretch: fn(Stretch<'_, T>, &mut Running<T>),
    /// Second derivatives, by the arguments whose partial derivatives `run` gives.
    pub seconds: fn(&[Lanes<'_, f64>], Seconds<'_, f64>),
    /// The sum over all lanes of what the sum leaves out; arguments that are not data may be anything.
    pub apart: fn(&[Lanes<'_, f64>], usize) -> f64,
    /// The place of the argument whose partial derivative is written lane by lane.
    pub by: usize,
    /// The place of the argument whose partial derivatives are the negatives of those.
    pub against: Option<usize>,
    /// The arguments, as bits, that are shared.
    pub shared: usize,
}

/// One number for each of the most lanes of a call.
pub type LaneArray<T> = [T; MOST_LANES];

impl<T> OnePassKernel<T> {
    /// The arguments whose partial derivatives the loop gives: the one lane by lane first.
    pub fn wanted(&self) -> impl Iterator<Item = usize> {
        let shared = self.shared;
        std::iter::once(self.by)
            .chain((0..usize::BITS as usize).filter(move |k| shared >> k & 1 == 1))
    }

    /// The number of second derivatives.
    pub fn pairs(&self) -> usize {
        let wanted = self.wanted().count();
        wanted * (wanted + 1) / 2
    }
}

impl<T: Scalar> OnePassKernel<T> {
    /// The loop of rule `R`.
    pub const fn of<R: OnePass<N>, const N: usize>() -> OnePassKernel<T> {
        const { assert!(R::BY.count_ones() == 1, "one argument lane by lane") };
        OnePassKernel {
            stretch: super::stretch::run::<R, T, N>,
            seconds: |args, out| {
                simd::run(SecondLoop::<R, N> {
                    args: std::array::from_fn(|k| args[k]),
                    out,
                    rule: PhantomData,
                });
            },
            apart: |args, n| {
                simd::run(Apart::<R, N> {
                    args: std::array::from_fn(|k| args[k]),
                    n,
                    rule: PhantomData,
                })
            },
            by: R::BY.trailing_zeros() as usize,
            against: match R::AGAINST {
                0 => None,
                bit => Some(bit.trailing_zeros() as usize),
            },
            shared: R::SHARED,
        }
    }
}

struct Apart<'a, R, const N: usize> {
    args: [Lanes<'a, f64>; N],
    n: usize,
    rule: PhantomData<R>,
}

impl<R: OnePass<N>, const N: usize> Task for Apart<'_, R, N> {
    type Output = f64;

    #[inline(always)]
    fn run<F: Fma>(self) -> f64 {
        let lane = |i| {
            let args = std::array::from_fn(|k| Lane::<f64, F>::new(self.args[k].at(i)));
            R::apart(args).get()
        };
        (0..self.n).fold(0.0, |sum, i| sum + lane(i))
    }
}

/// Second derivatives, lane by lane.
#[derive(Debug)]
pub struct Seconds<'a, T> {
    /// The lanes that count.
    pub n: usize,
    /// By [`OnePassKernel::by`] and each shared argument, in pairs: by twice, by and the first shared, …, the first shared twice, …; as
    /// many as [`OnePassKernel::pairs`] gives.
    pub pairs: &'a mut [LaneArray<T>],
}

struct SecondLoop<'a, R, const N: usize> {
    args: [Lanes<'a, f64>; N],
    out: Seconds<'a, f64>,
    rule: PhantomData<R>,
}

impl<R: OnePass<N>, const N: usize> Task for SecondLoop<'_, R, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Seconds { n, pairs } = self.out;
        let zeros = [0.0; MOST_LANES];
        let lanes = "there are as many lanes as a loop may go through";
        let each: [&LaneArray<f64>; N] = std::array::from_fn(|k| match self.args[k] {
            Lanes::Each(values) => values.first_chunk().expect(lanes),
            Lanes::Same(_) => &zeros,
        });
        let same: [f64; N] = std::array::from_fn(|k| match self.args[k] {
            Lanes::Each(_) => 0.0,
            Lanes::Same(value) => value,
        });
        let mut next = 0;
        for a in wanted::<R, N>() {
            for b in wanted::<R, N>().filter(|b| order::<R, N>(a) <= order::<R, N>(*b)) {
                let out = &mut pairs[next];
                next += 1;
                for p in 0..n.div_ceil(PART).min(MOST_LANES / PART) {
                    let (each, out) = (each.map(|lanes| part(lanes, p)), part_mut(out, p));
                    for i in 0..PART {
                        // The derivative along argument `a` of the partial derivative by argument `b`.
                        let args = std::array::from_fn(|k| {
                            let shared = R::SHARED >> k & 1 == 1;
                            Lane::<Dual, F>::new(Dual {
                                value: if shared { same[k] } else { each[k][i] },
                                tangent: if k == a { 1.0 } else { 0.0 },
                            })
                        });
                        out[i] = R::lane(args).partials[b].get().tangent;
                    }
                }
            }
        }
    }
}

/// The arguments whose partial derivatives are wanted: the one lane by lane first.
#[inline(always)]
fn wanted<R: OnePass<N>, const N: usize>() -> impl Iterator<Item = usize> {
    let by = R::BY.trailing_zeros() as usize;
    std::iter::once(by).chain((0..N).filter(|k| R::SHARED >> k & 1 == 1))
}

/// The place of an argument among those wanted.
#[inline(always)]
fn order<R: OnePass<N>, const N: usize>(k: usize) -> usize {
    if R::BY >> k & 1 == 1 { 0 } else { k + 1 }
}

//! Densities summed over many rows: value and partial derivatives in one loop, without what need not be worked out for each row.

use super::Lanes;
use super::Rule;
use super::Running;
use super::Scalar;
use super::Stretch;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd;
use crate::num::simd::Task;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ops::DerefMut;

/// The most lanes of a call.
pub const MOST_LANES: usize = 256;

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
    /// The sum over all lanes of what the sum leaves out; arguments that are not data may be anything.
    pub apart: fn(&[Lanes<'_, f64>], usize) -> f64,
    /// The place of the argument whose partial derivative is written lane by lane.
    pub by: usize,
    /// The place of the argument whose partial derivatives are the negatives of those.
    pub against: Option<usize>,
    /// The arguments, as bits, that are shared.
    pub shared: usize,
}

/// One number for each of the most lanes of a call, from the start of a cache line on: a vector register that lies across two lines is
/// read in two goes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct LaneArray<T>(pub [T; MOST_LANES]);

impl<T: Scalar> LaneArray<T> {
    /// The same number in all lanes.
    pub fn of(number: T) -> LaneArray<T> {
        LaneArray([number; MOST_LANES])
    }

    /// Zeros.
    pub fn zeros() -> LaneArray<T> {
        LaneArray::of(T::zero())
    }
}

impl<T> Deref for LaneArray<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for LaneArray<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Scalar> OnePassKernel<T> {
    /// The loop of rule `R`.
    pub const fn of<R: OnePass<N>, const N: usize>() -> OnePassKernel<T> {
        const { assert!(R::BY.count_ones() == 1, "one argument lane by lane") };
        OnePassKernel {
            stretch: super::stretch::run::<R, T, N>,
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

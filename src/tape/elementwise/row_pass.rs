//! Densities whose rows are summed up by runs: what each row adds and multiplies, with derivatives, lane by lane.

use super::LaneArray;
use super::Lanes;
use super::MOST_LANES;
use super::OnePass;
use super::Summand;
use crate::num::Dual;
use crate::num::Lane;
use crate::num::elementary::Fma;
use crate::num::simd;
use crate::num::simd::Task;
use std::marker::PhantomData;

/// Lanes that are computed along, however few count.
const PART: usize = 64;

/// What a loop writes, lane by lane: the value of a lane is `add − log(product)`, apart from what [`OnePass::apart`] leaves out.
#[derive(Debug)]
pub struct RowLanes<'a> {
    /// The lanes that count.
    pub n: usize,
    /// What is added.
    pub add: &'a mut LaneArray<f64>,
    /// What is multiplied, in [1, 2]; written only where [`RowPass::products`] holds.
    pub product: &'a mut LaneArray<f64>,
    /// The derivative by argument [`RowPass::by`].
    pub slope: &'a mut LaneArray<f64>,
    /// The second derivative by it.
    pub second: &'a mut LaneArray<f64>,
    /// The derivatives by the shared arguments, each at its place.
    pub shared: &'a mut [LaneArray<f64>],
}

/// What a loop writes of the derivatives along a shared argument, lane by lane.
#[derive(Debug)]
pub struct AlongLanes<'a> {
    /// The lanes that count.
    pub n: usize,
    /// The place of the argument.
    pub arg: usize,
    /// The derivative by it.
    pub slope: &'a mut LaneArray<f64>,
    /// For each argument the second derivative by both; written for [`RowPass::by`] and those that are shared.
    pub seconds: &'a mut [LaneArray<f64>],
}

/// The loops of one row.
///
/// Arguments that are shared are given once, all others lane by lane, for [`MOST_LANES`] lanes however many count.
#[derive(Debug)]
pub struct RowPass {
    /// Writes values, slopes and derivatives by the shared arguments.
    pub slope: fn(&[Lanes<'_, f64>], RowLanes<'_>),
    /// Writes values, slopes and second derivatives.
    pub curve: fn(&[Lanes<'_, f64>], RowLanes<'_>),
    /// Writes what shared arguments add to second derivatives.
    pub along: fn(&[Lanes<'_, f64>], AlongLanes<'_>),
    /// The place of the argument that the slopes are by.
    pub by: usize,
    /// The arguments, as bits, that are shared.
    pub shared: usize,
    /// Whether there are products.
    pub products: bool,
}

impl RowPass {
    /// The loops of rule `R`.
    pub const fn of<R: OnePass<N>, const N: usize>() -> RowPass {
        RowPass {
            slope: run::<R, N, false>,
            curve: run::<R, N, true>,
            along: |args, out| {
                simd::run(Along::<R, N> {
                    args: Args::new(args),
                    out,
                    rule: PhantomData,
                });
            },
            by: R::BY.trailing_zeros() as usize,
            shared: R::SHARED,
            products: R::PRODUCTS,
        }
    }
}

fn run<R: OnePass<N>, const N: usize, const CURVE: bool>(
    args: &[Lanes<'_, f64>],
    out: RowLanes<'_>,
) {
    simd::run(Loop::<R, N, CURVE> {
        args: Args::new(args),
        out,
        rule: PhantomData,
    });
}

/// The arguments of a loop: lane by lane, and what is shared.
struct Args<'a, const N: usize> {
    each: [&'a [f64; MOST_LANES]; N],
    same: [f64; N],
}

impl<'a, const N: usize> Args<'a, N> {
    #[inline(always)]
    fn new(args: &[Lanes<'a, f64>]) -> Self {
        let lanes = "there are as many lanes as a loop may go through";
        Args {
            each: std::array::from_fn(|k| match args[k] {
                Lanes::Each(values) => values.first_chunk().expect(lanes),
                Lanes::Same(_) => &[0.0; MOST_LANES],
            }),
            same: std::array::from_fn(|k| match args[k] {
                Lanes::Each(_) => 0.0,
                Lanes::Same(value) => value,
            }),
        }
    }

    /// A part of each.
    #[inline(always)]
    fn part(&self, p: usize) -> PartArgs<'a, N> {
        PartArgs {
            each: self.each.map(|lanes| part(lanes, p)),
            same: self.same,
        }
    }
}

/// Some lanes of the arguments.
struct PartArgs<'a, const N: usize> {
    each: [&'a [f64; PART]; N],
    same: [f64; N],
}

impl<const N: usize> PartArgs<'_, N> {
    /// Argument `k` in lane `i`.
    #[inline(always)]
    fn value<R: OnePass<N>>(&self, k: usize, i: usize) -> f64 {
        if R::SHARED >> k & 1 == 1 {
            self.same[k]
        } else {
            self.each[k][i]
        }
    }

    /// Lane `i` with its derivatives along argument `along`.
    #[inline(always)]
    fn dual<R: OnePass<N>, F: Fma>(&self, along: usize, i: usize) -> Summand<Lane<Dual, F>, N> {
        R::lane(std::array::from_fn(|k| {
            Lane::new(Dual {
                value: self.value::<R>(k, i),
                tangent: if k == along { 1.0 } else { 0.0 },
            })
        }))
    }
}

struct Loop<'a, R, const N: usize, const CURVE: bool> {
    args: Args<'a, N>,
    out: RowLanes<'a>,
    rule: PhantomData<R>,
}

#[inline(always)]
fn part(lanes: &[f64; MOST_LANES], p: usize) -> &[f64; PART] {
    &lanes.as_chunks().0[p]
}

#[inline(always)]
fn part_mut(lanes: &mut LaneArray<f64>, p: usize) -> &mut [f64; PART] {
    &mut lanes.0.as_chunks_mut().0[p]
}

impl<R: OnePass<N>, const N: usize, const CURVE: bool> Task for Loop<'_, R, N, CURVE> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let RowLanes {
            n,
            add,
            product,
            slope,
            second,
            shared,
        } = self.out;
        let by = R::BY.trailing_zeros() as usize;
        for p in 0..n.div_ceil(PART).min(MOST_LANES / PART) {
            let args = self.args.part(p);
            let (add, product) = (part_mut(add, p), part_mut(product, p));
            let (slope, second) = (part_mut(slope, p), part_mut(second, p));
            if CURVE {
                for i in 0..PART {
                    let lane = args.dual::<R, F>(by, i);
                    add[i] = lane.add.get().value;
                    if R::PRODUCTS {
                        product[i] = lane.product.get().value;
                    }
                    slope[i] = lane.partials[by].get().value;
                    second[i] = lane.partials[by].get().tangent;
                }
            } else {
                let mut shared = shared.iter_mut().map(|lanes| part_mut(lanes, p));
                let mut shared: [&mut [f64; PART]; N] = std::array::from_fn(|_| {
                    (shared.next()).expect("there is memory for each argument")
                });
                for i in 0..PART {
                    let lane = R::lane(std::array::from_fn(|k| {
                        Lane::<f64, F>::new(args.value::<R>(k, i))
                    }));
                    add[i] = lane.add.get();
                    if R::PRODUCTS {
                        product[i] = lane.product.get();
                    }
                    slope[i] = lane.partials[by].get();
                    for (k, (out, partial)) in shared.iter_mut().zip(lane.partials).enumerate() {
                        if R::SHARED >> k & 1 == 1 {
                            out[i] = partial.get();
                        }
                    }
                }
            }
        }
    }
}

struct Along<'a, R, const N: usize> {
    args: Args<'a, N>,
    out: AlongLanes<'a>,
    rule: PhantomData<R>,
}

impl<R: OnePass<N>, const N: usize> Task for Along<'_, R, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let AlongLanes {
            n,
            arg,
            slope,
            seconds,
        } = self.out;
        let wanted = R::BY | R::SHARED;
        for a in (0..N).filter(|a| R::SHARED >> a & 1 == 1) {
            if a != arg {
                continue;
            }
            for p in 0..n.div_ceil(PART).min(MOST_LANES / PART) {
                let args = self.args.part(p);
                let slope = part_mut(slope, p);
                let mut out = [[0.0; PART]; N];
                for i in 0..PART {
                    let partials = args.dual::<R, F>(a, i).partials;
                    slope[i] = partials[a].get().value;
                    for (k, out) in out.iter_mut().enumerate() {
                        if wanted >> k & 1 == 1 {
                            out[i] = partials[k].get().tangent;
                        }
                    }
                }
                for (seconds, out) in seconds.iter_mut().zip(&out) {
                    *part_mut(seconds, p) = *out;
                }
            }
        }
    }
}

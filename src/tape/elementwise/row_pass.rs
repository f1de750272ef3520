//! Densities whose rows are summed up by runs: what each row adds and multiplies, with derivatives, lane by lane.

use super::LaneArray;
use super::Lanes;
use super::MOST_LANES;
use super::OnePass;
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

/// The loops of one row.
///
/// Arguments that are shared are given once, all others lane by lane, for [`MOST_LANES`] lanes however many count.
#[derive(Debug)]
pub struct RowPass {
    /// Writes values, slopes and derivatives by the shared arguments.
    pub slope: fn(&[Lanes<'_, f64>], RowLanes<'_>),
    /// Writes values, slopes and second derivatives.
    pub curve: fn(&[Lanes<'_, f64>], RowLanes<'_>),
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
        args: std::array::from_fn(|k| args[k]),
        out,
        rule: PhantomData,
    });
}

struct Loop<'a, R, const N: usize, const CURVE: bool> {
    args: [Lanes<'a, f64>; N],
    out: RowLanes<'a>,
    rule: PhantomData<R>,
}

#[inline(always)]
fn part(lanes: &LaneArray<f64>, p: usize) -> &[f64; PART] {
    &lanes.as_chunks().0[p]
}

#[inline(always)]
fn part_mut(lanes: &mut LaneArray<f64>, p: usize) -> &mut [f64; PART] {
    &mut lanes.as_chunks_mut().0[p]
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
        let by = R::BY.trailing_zeros() as usize;
        for p in 0..n.div_ceil(PART).min(MOST_LANES / PART) {
            let each = each.map(|lanes| part(lanes, p));
            let (add, product) = (part_mut(add, p), part_mut(product, p));
            let (slope, second) = (part_mut(slope, p), part_mut(second, p));
            let value = |k: usize, i: usize| {
                if R::SHARED >> k & 1 == 1 {
                    same[k]
                } else {
                    each[k][i]
                }
            };
            if CURVE {
                for i in 0..PART {
                    let args = std::array::from_fn(|k| {
                        Lane::<Dual, F>::new(Dual {
                            value: value(k, i),
                            tangent: if k == by { 1.0 } else { 0.0 },
                        })
                    });
                    let lane = R::lane(args);
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
                    let lane = R::lane(std::array::from_fn(|k| Lane::<f64, F>::new(value(k, i))));
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

//! The inner loops over the lanes of a block of rows: predictors forward, sums over elements backward.

use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::dots;
use crate::num::sums::product;
use crate::num::sums::sum;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Lanes;
use std::ops::Range;

/// The most columns that one loop goes through.
const AT_ONCE: usize = 4;

/// A product larger than this is taken apart into its logarithm.
const LARGE: f64 = 1e200;

/// The elements that the lanes of a block lie in.
#[derive(Clone, Copy)]
pub(super) enum Elements<'a> {
    /// One for each lane, from this one on.
    Own(usize),
    /// Some lanes for each.
    Runs(&'a [Piece]),
}

/// Lanes of a block that lie in one element.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub element: usize,
    pub lanes: Range<usize>,
}

/// A local times a coefficient, as a block sees it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub coefficient: Lanes<'a, f64>,
    /// The first of its coordinates among all.
    pub first: usize,
    /// Whose it is.
    pub of: Whose<'a>,
    /// Its number in the chain of coordinates.
    pub chain: usize,
}

/// Whose a local is.
#[derive(Clone, Copy)]
pub(super) enum Whose<'a> {
    /// Each element's own; the first is that of this element.
    Own(usize),
    /// The only element's of a plate.
    Single,
    /// That of the element that each lies in.
    Above(&'a [u32]),
}

impl Seen<'_> {
    /// The one number of each element from `start` on, of which there are no others.
    pub const fn on_line(start: usize) -> Seen<'static> {
        Seen {
            coefficient: Lanes::Same(1.0),
            first: 0,
            of: Whose::Own(start),
            chain: 0,
        }
    }

    /// The place of its coordinate for an element.
    #[inline(always)]
    pub fn at(&self, element: usize) -> usize {
        match self.of {
            Whose::Own(start) => self.first + element - start,
            Whose::Single => self.first,
            Whose::Above(above) => self.first + above[element] as usize,
        }
    }
}

/// Writes `base` and Σ coefficient · local over the lanes.
pub(super) struct Predict<'a> {
    pub n: usize,
    pub base: &'a LaneArray<f64>,
    pub atoms: &'a [Seen<'a>],
    pub elements: Elements<'a>,
    pub z: &'a [f64],
    pub eta: &'a mut LaneArray<f64>,
}

impl Task for Predict<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Predict {
            n,
            base,
            atoms,
            elements,
            z,
            eta,
        } = self;
        match elements {
            Elements::Own(first) => {
                let eta = &mut eta[..n];
                eta.copy_from_slice(&base[..n]);
                for atom in atoms {
                    add_own::<F>(atom, first, z, eta);
                }
            }
            Elements::Runs(pieces) => {
                for Piece { element, lanes } in pieces {
                    let out = &mut eta[lanes.clone()];
                    let none: &[f64] = &[];
                    let (mut shift, mut terms, mut filled) = (0.0, [(0.0, none); AT_ONCE], 0);
                    let mut to = Start::From(&base[lanes.clone()]);
                    for atom in atoms {
                        let local = z[atom.at(*element)];
                        match atom.coefficient {
                            Lanes::Same(x) => shift = F::fma(x, local, shift),
                            Lanes::Each(x) => {
                                if filled == AT_ONCE {
                                    put_columns::<F>(out, to, shift, &terms);
                                    (to, shift, filled) = (Start::There, 0.0, 0);
                                }
                                terms[filled] = (local, &x[lanes.clone()]);
                                filled += 1;
                            }
                        }
                    }
                    put_columns::<F>(out, to, shift, &terms[..filled]);
                }
            }
        }
    }
}

/// Adds a coefficient times a local, where each lane is an element.
#[inline(always)]
fn add_own<F: Fma>(atom: &Seen<'_>, first: usize, z: &[f64], eta: &mut [f64]) {
    let z = &z[atom.first..];
    match (atom.coefficient, atom.of) {
        (Lanes::Same(x), Whose::Own(start)) => {
            for (eta, z) in eta.iter_mut().zip(&z[first - start..]) {
                *eta = F::fma(x, *z, *eta);
            }
        }
        (Lanes::Each(x), Whose::Own(start)) => {
            for ((eta, x), z) in eta.iter_mut().zip(x).zip(&z[first - start..]) {
                *eta = F::fma(*x, *z, *eta);
            }
        }
        (Lanes::Same(x), Whose::Single) => put_columns::<F>(eta, Start::There, x * z[0], &[]),
        (Lanes::Each(x), Whose::Single) => put_columns::<F>(eta, Start::There, 0.0, &[(z[0], x)]),
        (Lanes::Same(x), Whose::Above(above)) => {
            for (eta, i) in eta.iter_mut().zip(&above[first..]) {
                *eta = F::fma(x, z[*i as usize], *eta);
            }
        }
        (Lanes::Each(x), Whose::Above(above)) => {
            for ((eta, x), i) in eta.iter_mut().zip(x).zip(&above[first..]) {
                *eta = F::fma(*x, z[*i as usize], *eta);
            }
        }
    }
}

/// What columns are added to.
#[derive(Clone, Copy)]
enum Start<'a> {
    Nothing,
    From(&'a [f64]),
    /// What is there.
    There,
}

/// Writes the start, a shift and Σ number · column of at most [`AT_ONCE`] columns.
#[inline(always)]
fn put_columns<F: Fma>(out: &mut [f64], start: Start<'_>, shift: f64, terms: &[(f64, &[f64])]) {
    match *terms {
        [] => put_some::<F, 0>(out, start, shift, []),
        [a] => put_some::<F, 1>(out, start, shift, [a]),
        [a, b] => put_some::<F, 2>(out, start, shift, [a, b]),
        [a, b, c] => put_some::<F, 3>(out, start, shift, [a, b, c]),
        [a, b, c, d, ..] => put_some::<F, 4>(out, start, shift, [a, b, c, d]),
    }
}

#[inline(always)]
fn put_some<F: Fma, const K: usize>(
    out: &mut [f64],
    start: Start<'_>,
    shift: f64,
    terms: [(f64, &[f64]); K],
) {
    let n = out.len();
    let terms = terms.map(|(coefficient, column)| (coefficient, &column[..n]));
    match start {
        Start::Nothing => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = sum_up::<F, K>(shift, &terms, i);
            }
        }
        Start::From(base) => {
            for (i, (out, base)) in out.iter_mut().zip(base).enumerate() {
                *out = sum_up::<F, K>(base + shift, &terms, i);
            }
        }
        Start::There => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = sum_up::<F, K>(*out + shift, &terms, i);
            }
        }
    }
}

#[inline(always)]
fn sum_up<F: Fma, const K: usize>(start: f64, terms: &[(f64, &[f64]); K], i: usize) -> f64 {
    let mut lane = start;
    for (coefficient, column) in terms {
        lane = F::fma(*coefficient, column[i], lane);
    }
    lane
}

/// Writes Σ number · column over the lanes.
pub(super) struct Base<'a> {
    pub parts: &'a [(f64, Lanes<'a, f64>)],
    pub out: &'a mut [f64],
}

impl Task for Base<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Base { parts, out } = self;
        let none: &[f64] = &[];
        let (mut to, mut shift) = (Start::Nothing, 0.0);
        let (mut terms, mut filled) = ([(0.0, none); AT_ONCE], 0);
        for (number, column) in parts {
            match column {
                Lanes::Same(x) => shift += number * x,
                Lanes::Each(x) => {
                    if filled == AT_ONCE {
                        put_columns::<F>(out, to, shift, &terms);
                        (to, shift, filled) = (Start::There, 0.0, 0);
                    }
                    terms[filled] = (*number, *x);
                    filled += 1;
                }
            }
        }
        put_columns::<F>(out, to, shift, &terms[..filled]);
    }
}

/// Adds the values of the lanes to those of their elements: `add − log(product)`, the products kept apart while they are small.
pub(super) struct AddValues<'a> {
    pub n: usize,
    pub add: &'a LaneArray<f64>,
    pub product: Option<&'a LaneArray<f64>>,
    pub elements: Elements<'a>,
    /// The element that the sums begin with.
    pub from: usize,
    pub sums: &'a mut [f64],
    pub products: &'a mut [f64],
}

impl Task for AddValues<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let AddValues {
            n,
            add,
            product: factors,
            elements,
            from,
            sums,
            products,
        } = self;
        match elements {
            Elements::Own(first) => {
                for (sum, x) in sums[first - from..].iter_mut().zip(&add[..n]) {
                    *sum += x;
                }
                if let Some(factors) = factors {
                    for (all, x) in products[first - from..].iter_mut().zip(&factors[..n]) {
                        *all *= x;
                    }
                }
            }
            Elements::Runs(pieces) => {
                for Piece { element, lanes } in pieces {
                    let i = element - from;
                    sums[i] += sum::<f64, F>(&add[lanes.clone()]);
                    if let Some(factors) = factors {
                        products[i] *= product::<f64, F>(&factors[lanes.clone()]);
                        if products[i] > LARGE {
                            sums[i] -= products[i].ln();
                            products[i] = 1.0;
                        }
                    }
                }
            }
        }
    }
}

/// Adds the derivatives by the locals and their second derivatives to those of the elements.
///
/// `sums` has for each coordinate of the chain one number for each element, and behind them for each pair of coordinates, the lower
/// one first.
pub(super) struct AddCurvature<'a> {
    pub n: usize,
    pub slope: &'a LaneArray<f64>,
    pub second: &'a LaneArray<f64>,
    pub atoms: &'a [Seen<'a>],
    pub chain: usize,
    pub elements: Elements<'a>,
    pub from: usize,
    pub count: usize,
    pub sums: &'a mut [f64],
    pub memory: &'a mut LaneArray<f64>,
}

impl Task for AddCurvature<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let AddCurvature {
            n,
            slope,
            second,
            atoms,
            chain,
            elements,
            from,
            count,
            sums,
            memory,
        } = self;
        for (k, a) in atoms.iter().enumerate() {
            let out = &mut sums[a.chain * count..][..count];
            collect::<F>(&slope[..n], a.coefficient, elements, from, out);
            match a.coefficient {
                Lanes::Same(x) => {
                    for (out, second) in memory[..n].iter_mut().zip(&second[..n]) {
                        *out = x * second;
                    }
                }
                Lanes::Each(x) => {
                    for ((out, second), x) in memory[..n].iter_mut().zip(&second[..n]).zip(x) {
                        *out = x * second;
                    }
                }
            }
            for b in &atoms[k..] {
                let (low, high) = (a.chain.min(b.chain), a.chain.max(b.chain));
                let out = &mut sums[(chain + low * chain + high) * count..][..count];
                collect::<F>(&memory[..n], b.coefficient, elements, from, out);
            }
        }
    }
}

/// Adds Σ lane · coefficient over the lanes of each element.
#[inline(always)]
fn collect<F: Fma>(
    lanes: &[f64],
    coefficient: Lanes<'_, f64>,
    elements: Elements<'_>,
    from: usize,
    out: &mut [f64],
) {
    match (elements, coefficient) {
        (Elements::Own(first), Lanes::Same(x)) => {
            for (out, lane) in out[first - from..].iter_mut().zip(lanes) {
                *out = F::fma(*lane, x, *out);
            }
        }
        (Elements::Own(first), Lanes::Each(x)) => {
            for ((out, lane), x) in out[first - from..].iter_mut().zip(lanes).zip(x) {
                *out = F::fma(*lane, *x, *out);
            }
        }
        (Elements::Runs(pieces), Lanes::Same(x)) => {
            for piece in pieces {
                out[piece.element - from] += x * sum::<f64, F>(&lanes[piece.lanes.clone()]);
            }
        }
        (Elements::Runs(pieces), Lanes::Each(x)) => {
            for piece in pieces {
                let range = piece.lanes.clone();
                let [total] = dots::<f64, F, 1>(&lanes[range.clone()], [&x[range]]);
                out[piece.element - from] += total;
            }
        }
    }
}

/// Writes Σ weight · slope over nodes, lane by lane: weights are given for each node and element.
pub(super) struct Mix<'a> {
    pub n: usize,
    /// For each node.
    pub slopes: &'a [&'a LaneArray<f64>],
    /// Number `k` of element `i`, counted from `from`, at `k * count + i`.
    pub weights: &'a [f64],
    pub from: usize,
    pub count: usize,
    pub elements: Elements<'a>,
    pub out: &'a mut [f64],
}

impl Task for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Mix {
            n,
            slopes,
            weights,
            from,
            count,
            elements,
            out,
        } = self;
        let out = &mut out[..n];
        out.fill(0.0);
        for (slopes, weights) in slopes.iter().zip(weights.chunks_exact(count)) {
            match elements {
                Elements::Own(first) => {
                    let weights = &weights[first - from..];
                    for ((out, slope), weight) in out.iter_mut().zip(&slopes[..n]).zip(weights) {
                        *out = F::fma(*slope, *weight, *out);
                    }
                }
                Elements::Runs(pieces) => {
                    for Piece { element, lanes } in pieces {
                        let weight = weights[element - from];
                        let slopes = &slopes[lanes.clone()];
                        for (out, slope) in out[lanes.clone()].iter_mut().zip(slopes) {
                            *out = F::fma(*slope, weight, *out);
                        }
                    }
                }
            }
        }
    }
}

/// Σ lane · column.
pub(super) struct Total<'a> {
    pub lanes: &'a [f64],
    pub column: Lanes<'a, f64>,
}

impl Task for Total<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<F: Fma>(self) -> f64 {
        match self.column {
            Lanes::Same(x) => x * sum::<f64, F>(self.lanes),
            Lanes::Each(x) => {
                let [total] = dots::<f64, F, 1>(self.lanes, [&x[..self.lanes.len()]]);
                total
            }
        }
    }
}

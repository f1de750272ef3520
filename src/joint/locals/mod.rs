//! The locals that can be integrated out given the globals, and what integration asks of the density.
//!
//! Plates whose elements are independent given everything above them form a forest: each lies below the next coarser one that is
//! integrated out too, or directly below the globals θ. All other coordinates, of the top level and of plates that cross, are θ.

mod block;
mod fill;
mod form;
mod lanes;
mod line;
mod plan;
mod rows;
mod sweep;
mod tape;

use crate::shape::PlateId;
pub(super) use plan::plan;
use rows::Made;
use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;
pub(super) use tape::TapeLocals;

/// The plates that are integrated out, every parent before its children, and the globals.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    /// The plates.
    pub plates: Vec<LocalPlate>,
    /// The coordinates that are not integrated out, ascending.
    pub globals: Vec<u32>,
    /// The globals in sets, in their order: no element of a term sees two of a set.
    pub probes: Vec<Probe>,
    /// For each term of the density the plate, by its place here, whose elements it is summed over; `None` if it depends on globals alone.
    pub terms: Vec<Option<usize>>,
    /// Whether terms mix what only an exact integral can take apart.
    pub mixes: bool,
    /// What all passes over the rows of the density that this forest is of have in common, once one has been asked for.
    made: Arc<OnceLock<Made>>,
}

/// A plate whose locals are integrated out; or one element that is the whole of several sites, above all plates.
#[derive(Clone, Debug)]
pub struct LocalPlate {
    /// The plate; the top level for one element of several sites.
    pub plate: PlateId,
    /// Its sites, by their places.
    pub sites: Vec<usize>,
    /// Its coordinates: number `k` of element `i` at `k * count + i`.
    pub coordinates: Vec<u32>,
    /// Its elements.
    pub count: usize,
    /// Coordinates of one element.
    pub width: usize,
    /// The plates above it that are integrated out too, outermost first.
    pub above: Vec<Ancestor>,
}

/// Globals that one product with the Hessian can tell apart.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The plate of whose elements they are one coordinate each, in their order; the top level for a single one.
    pub plate: PlateId,
    /// Their coordinates.
    pub coordinates: Vec<u32>,
}

/// A plate that another lies in.
#[derive(Clone, Debug)]
pub struct Ancestor {
    /// Its place in the forest.
    pub place: usize,
    /// Its element that each element of the other lies in.
    pub element: Arc<[u32]>,
}

impl LocalPlate {
    /// The place of coordinate `k` of element `i` among all coordinates.
    pub fn at(&self, k: usize, i: usize) -> usize {
        self.coordinates[k * self.count + i] as usize
    }

    /// The places of the coordinates above an element, where they are the same for all elements.
    pub fn fixed_above(&self, forest: &Forest) -> Option<Vec<usize>> {
        let mut places = Vec::new();
        for outer in self.above.iter().map(|a| &forest.plates[a.place]) {
            if outer.count != 1 {
                return None;
            }
            places.extend((0..outer.width).map(|k| outer.at(k, 0)));
        }
        Some(places)
    }

    /// The coordinates of the elements above an element and of itself.
    pub fn chain_width(&self, forest: &Forest) -> usize {
        let above = self.above.iter().map(|a| forest.plates[a.place].width);
        above.sum::<usize>() + self.width
    }
}

impl Forest {
    /// Whether a site is integrated out.
    pub fn holds(&self, site: usize) -> bool {
        self.plates.iter().any(|p| p.sites.contains(&site))
    }

    /// The places of the coordinates of the elements above an element, outermost first, and of its own.
    pub fn chain(&self, p: usize, i: usize) -> impl Iterator<Item = usize> + '_ {
        let plate = &self.plates[p];
        let above = plate.above.iter().flat_map(move |above| {
            let (outer, element) = (&self.plates[above.place], above.element[i] as usize);
            (0..outer.width).map(move |k| outer.at(k, element))
        });
        above.chain((0..plate.width).map(move |k| plate.at(k, i)))
    }

    /// The number of local coordinates.
    pub fn locals(&self) -> usize {
        self.plates.iter().map(|p| p.width * p.count).sum()
    }

    /// The coordinates of one element of the deepest plate and all above it, at most.
    pub fn widest_chain(&self) -> usize {
        let chains = self.plates.iter().map(|p| p.chain_width(self));
        chains.max().unwrap_or(0)
    }
}

/// What integrating the locals out asks of a density: its terms at points z of all coordinates.
///
/// Given the globals, elements of a plate are independent: one sweep looks at all of them at once.
pub trait Locals: Send {
    /// The elements that one sweep over all terms visits.
    fn visits(&self) -> usize;

    /// The sum of all terms at `z` and, written over `gradient`, its gradient.
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64;

    /// The value of each term at the point of the last [`Locals::gradient`]; or else since the last [`Locals::prepare`], of those that
    /// depend on locals the sum of what [`Locals::spread`] and [`Locals::mean`] have found, and of the others the value in [`Locals::rest`].
    fn terms(&self) -> &[f64];

    /// Writes the Hessian of the sum of all terms at `z`, times `v`, over `product`.
    fn product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]);

    /// Sets the globals to those of `z` for the calls of the methods below that follow.
    fn prepare(&mut self, z: &[f64]);

    /// The sum of the terms that depend on locals. Adds their gradient in the locals to `slope`, and their second derivatives to
    /// `curvature`; writes for each plate of the forest their sum in each of its elements over `values`, where that is wanted.
    fn curve(
        &mut self,
        z: &[f64],
        values: Option<&mut [Vec<f64>]>,
        slope: &mut [f64],
        curvature: &mut dyn Curvature,
    ) -> f64;

    /// Writes for each plate of the forest the sum of its terms in each of its elements over `values`.
    fn values(&mut self, z: &[f64], values: &mut [Vec<f64>]);

    /// The sum of the terms that depend on globals alone; adds its gradient.
    fn rest(&mut self, z: &[f64], gradient: &mut [f64]) -> f64;

    /// Sums the terms of plate `p` up over several points; adds their gradient in the globals, or keeps it for [`Locals::finish`].
    fn spread(&mut self, p: usize, spread: Spread<'_>, gradient: &mut [f64]);

    /// The same for all plates over points that have equal shares in every element.
    fn mean(&mut self, points: &[Vec<f64>], gradient: &mut [f64]);

    /// Adds what [`Locals::spread`] and [`Locals::mean`] have kept since the last [`Locals::prepare`]; `z` has the same globals.
    fn finish(&mut self, z: &[f64], gradient: &mut [f64]);
}

/// Second derivatives in the locals, as they are found.
pub trait Curvature {
    /// Adds the Hessian times the direction that moves coordinate `k` of every element of a plate.
    fn add_column(&mut self, plate: usize, k: usize, product: &[f64]);

    /// Adds the second derivatives in the chains of some elements of a plate, of `width` coordinates each: those by coordinates
    /// `c <= d` of their number `i` at `(c * width + d) * elements.len() + i`.
    fn add_blocks(&mut self, plate: usize, elements: Range<usize>, second: &[f64]);
}

/// Points at which the terms of a plate are summed up, with the share that each has.
#[derive(Debug)]
pub struct Spread<'a> {
    /// All coordinates at each point.
    pub points: &'a [Vec<f64>],
    /// The share of point `k` in element `i` at `k * count + i`: given; or with `raise` to be found, and what other terms add to the
    /// logarithm of the integrand given.
    pub shares: &'a mut [f64],
    /// What each point's value is raised by before its share in the sum of their exponentials is taken; of more points there is a sum for
    /// each so many.
    pub raise: Option<&'a [f64]>,
    /// With `raise` the logarithm of sum `c` for element `i` at `c * count + i`.
    pub integrals: &'a mut [f64],
    /// Whether the gradient is wanted.
    pub derivatives: bool,
    /// Whether the mean of each term is wanted.
    pub means: bool,
}

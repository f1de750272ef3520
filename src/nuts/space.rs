//! The spaces that chains move in: all coordinates, or the globals alone.

use super::Space;
use super::Walk;
use crate::guide::Integrated;
use crate::joint::Evaluator;
use crate::joint::LogDensity;
use crate::joint::locals::Forest;
use crate::marginal::Marginal;
use crate::marginal::Order;
use crate::num::rng::Rng;
use rand::RngExt;
use rand_distr::Distribution;
use rand_distr::StandardNormal;

/// Dispersed starts lie this far around the suggested one in each unconstrained coordinate, at most.
const REACH: f64 = 2.0;
/// Starts at a place that is known lie this near to it, at most.
const NEAR: f64 = 0.01;

/// All unconstrained coordinates of a density.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a, D: ?Sized>(pub &'a D);

struct WholeWalk<'a>(Box<dyn Evaluator + 'a>);

impl<D: LogDensity + Sync + ?Sized> Space for Whole<'_, D> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn open(&self) -> Box<dyn Walk + '_> {
        let all = vec![true; self.0.terms().len()];
        Box::new(WholeWalk(self.0.evaluator(&all)))
    }

    fn start(&self, _: usize, rng: &mut Rng) -> Vec<f64> {
        let sites = self.0.sites().iter();
        let suggested = sites.flat_map(|s| s.start.iter().copied());
        dispersed(suggested, rng)
    }
}

impl Walk for WholeWalk<'_> {
    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        self.0.gradient(x, gradient)
    }

    fn complete(&mut self, x: &[f64], _: &mut Rng) -> Vec<f64> {
        x.to_vec()
    }
}

/// A Gaussian over the globals that fits them, more or less: the units that chains move in.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its mean.
    pub mean: Vec<f64>,
    /// The lower factor of its covariance, row by row.
    pub scale: Vec<f64>,
    /// Whether chains start from draws of it; else they start dispersed.
    pub starts: bool,
}

/// The globals alone, θ = μ + L x; the locals are integrated out, and drawn given each draw of the globals.
pub struct Globals<'a, D: ?Sized> {
    density: &'a D,
    integrated: &'a Integrated,
    given: Given,
    order: Order,
}

impl<'a, D: LogDensity + Sync + ?Sized> Globals<'a, D> {
    /// The globals of a density in the units of `given`, the locals integrated out by rules of this order.
    pub fn new(
        density: &'a D,
        integrated: &'a Integrated,
        given: Given,
        order: Order,
    ) -> Globals<'a, D> {
        Globals {
            density,
            integrated,
            given,
            order,
        }
    }

    fn marginal(&self) -> Marginal<'_> {
        let Integrated {
            forest, integral, ..
        } = self.integrated;
        let found = Marginal::new(self.density, forest, *integral);
        found.expect("invariant: a density with a forest integrates its locals out")
    }
}

impl Given {
    /// θ = μ + L x.
    fn placed(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len();
        let row = |i: usize| self.scale[i * n..=i * n + i].iter().zip(x);
        (0..n)
            .map(|i| self.mean[i] + row(i).map(|(s, x)| s * x).sum::<f64>())
            .collect()
    }

    /// x = L⁻¹ (θ − μ), forward.
    pub fn units(&self, theta: &[f64]) -> Vec<f64> {
        let n = theta.len();
        let mut x: Vec<f64> = Vec::with_capacity(n);
        for i in 0..n {
            let row = &self.scale[i * n..=i * n + i];
            let known: f64 = row.iter().zip(&x).map(|(s, x)| s * x).sum();
            x.push((theta[i] - self.mean[i] - known) / row[i]);
        }
        x
    }
}

/// A space whose chains start in turn from places that are known to matter: from every mode that was found, so that chains which do not get
/// from one to the other are seen to disagree.
pub struct Started<'a> {
    /// The space.
    pub space: &'a dyn Space,
    /// The places, in the coordinates that chains move in; at least one.
    pub places: Vec<Vec<f64>>,
}

impl Space for Started<'_> {
    fn dim(&self) -> usize {
        self.space.dim()
    }

    fn open(&self) -> Box<dyn Walk + '_> {
        self.space.open()
    }

    fn start(&self, chain: usize, rng: &mut Rng) -> Vec<f64> {
        let place = self.places[chain % self.places.len()].iter();
        place
            .map(|x| x + NEAR * rng.random_range(-1.0..1.0))
            .collect()
    }
}

struct GlobalsWalk<'a> {
    marginal: Marginal<'a>,
    forest: &'a Forest,
    given: &'a Given,
    order: Order,
    slope: Vec<f64>,
}

impl<D: LogDensity + Sync + ?Sized> Space for Globals<'_, D> {
    fn dim(&self) -> usize {
        self.given.mean.len()
    }

    fn open(&self) -> Box<dyn Walk + '_> {
        let mut marginal = self.marginal();
        // Modes are then predicted from those at the centre, and the density is one of θ alone, whatever point came before.
        if marginal.recentre(&self.given.mean).is_none() {
            marginal.uncentre();
        }
        Box::new(GlobalsWalk {
            marginal,
            forest: &self.integrated.forest,
            given: &self.given,
            order: self.order,
            slope: vec![0.0; self.dim()],
        })
    }

    fn start(&self, _: usize, rng: &mut Rng) -> Vec<f64> {
        if self.given.starts {
            return (0..self.dim())
                .map(|_| StandardNormal.sample(rng))
                .collect();
        }
        let start = self.marginal().start();
        let theta = dispersed(start.into_iter(), rng);
        self.given.units(&theta)
    }
}

impl Walk for GlobalsWalk<'_> {
    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let theta = self.given.placed(x);
        let value = self.marginal.gradient(&theta, self.order, &mut self.slope);
        let n = x.len();
        for (j, g) in gradient.iter_mut().enumerate() {
            *g = (j..n)
                .map(|i| self.given.scale[i * n + j] * self.slope[i])
                .sum();
        }
        value
    }

    fn complete(&mut self, x: &[f64], rng: &mut Rng) -> Vec<f64> {
        let theta = self.given.placed(x);
        let (_, locals) = self.marginal.value_with(&theta);
        let noise: Vec<f64> = (0..self.marginal.point().len())
            .map(|_| StandardNormal.sample(rng))
            .collect();
        locals.draw(&self.forest.plates, &noise)
    }
}

/// A point around the suggested one.
fn dispersed(suggested: impl Iterator<Item = f64>, rng: &mut Rng) -> Vec<f64> {
    suggested
        .map(|start| start + rng.random_range(-REACH..REACH))
        .collect()
}

//! The density of the globals alone: the locals integrated out, exactly or by adaptive quadrature.
//!
//! With θ the globals and φ the locals, `log π(θ) = log ∫ p(D, θ, φ) dφ`. Elements are independent given what is above them, so the
//! integral is a product over the outermost plates, and inside each of its elements one over the next. A density that is quadratic in
//! the locals is integrated exactly; any other by nodes placed around the mode of each element, scaled by the curvature there.

mod arrow;
mod conditional;
mod modes;
mod nodes;
mod rule;

use crate::joint::LogDensity;
use crate::joint::locals::Forest;
use crate::joint::locals::Locals;
use crate::num::dense;
use arrow::Arrow;
pub use arrow::above_of;
pub use conditional::Conditional;
use nodes::Nodes;
use rayon::prelude::*;
pub use rule::MOST_DIMENSIONS;
pub use rule::Order;
use std::f64::consts::PI;
use std::sync::Arc;

/// Two Hessians that differ by no more than this, relative to their largest entry, are the same.
const SAME: f64 = 1e-8;

/// What a rule adds to the gradient, in posterior sds, that is taken for what it adds to the slope of the values.
const SLIGHT: f64 = 0.02;
/// Coordinates that one thread places alone, about.
const ALONE: usize = 1 << 14;
/// Values are differenced over this many sds.
const STEP: f64 = 0.5;

/// How the locals are integrated out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Integral {
    /// Exactly: the log density is quadratic in them.
    Exact,
    /// By adaptive quadrature.
    Quadrature,
}

/// Why locals cannot be integrated out, in words; else how they are.
pub fn integral<D: LogDensity + ?Sized>(density: &D, forest: &Forest) -> Result<Integral, String> {
    let mut locals = (density.locals(forest)).ok_or("the log density does not say how")?;
    let start = start_of(density);
    if is_quadratic(&mut *locals, forest, &start) {
        return Ok(Integral::Exact);
    }
    if forest.mixes {
        return Err("plates that cross are not jointly normal".to_owned());
    }
    let wide = forest.plates.iter().find(|p| p.width > MOST_DIMENSIONS);
    if let Some(plate) = wide {
        return Err(format!(
            "an element has {} coordinates in which the log density is not quadratic, and quadrature takes at most {MOST_DIMENSIONS}",
            plate.width
        ));
    }
    let deepest = forest.widest_chain();
    if deepest > MOST_DIMENSIONS {
        return Err(format!(
            "nested elements have {deepest} coordinates together in which the log density is not quadratic, and quadrature takes at most {MOST_DIMENSIONS}"
        ));
    }
    Ok(Integral::Quadrature)
}

/// The point that the sites suggest to start from.
fn start_of<D: LogDensity + ?Sized>(density: &D) -> Vec<f64> {
    let sites = density.sites().iter();
    sites.flat_map(|s| s.start.iter().copied()).collect()
}

/// Whether the Hessian in the locals does not change with them: seen at two points of the globals that are nothing special.
fn is_quadratic(locals: &mut dyn Locals, forest: &Forest, start: &[f64]) -> bool {
    let odd = |k: usize| 0.5 + 0.5 * (((k * 7 + 3) % 11) as f64 / 10.0);
    [0.37, -0.61].iter().all(|step| {
        let mut z = start.to_vec();
        for (k, g) in forest.globals.iter().enumerate() {
            z[*g as usize] += step * odd(k);
        }
        let mut here = Arrow::new(forest);
        here.fill(locals, &z);
        let mut factor = here.clone();
        factor.factor();
        [1.1, -1.7].iter().all(|size| {
            let mut other = z.clone();
            for p in 0..forest.plates.len() {
                factor.place(p, &z, |k, i| size * odd(k + 3 * i), &mut other);
            }
            let mut there = Arrow::new(forest);
            there.fill(locals, &other);
            here.difference(&there) < SAME
        })
    })
}

/// The log density of the globals, with the memory that a run needs.
pub struct Marginal<'a> {
    forest: &'a Forest,
    locals: Box<dyn Locals + 'a>,
    integral: Integral,
    arrow: Arrow<'a>,
    /// All coordinates: the globals of the last point, and the modes of the locals there.
    modes: Vec<f64>,
    /// The terms that depend on locals at their modes, where the integral is exact.
    peak: f64,
    centre: Option<Centre>,
    low: Nodes,
    high: Nodes,
    simplex: Vec<Vec<f64>>,
    /// Makes the locals of another thread.
    another: Another<'a>,
    /// The same density for other threads, once they are asked for.
    others: Vec<Marginal<'a>>,
}

/// Makes what integration asks of a density.
type Another<'a> = Arc<dyn Fn() -> Option<Box<dyn Locals + 'a>> + Send + Sync + 'a>;

/// A point with the modes of the locals there, and how they move with the globals.
#[derive(Clone, Debug)]
pub struct Centre {
    /// All coordinates.
    pub z: Vec<f64>,
    /// For each global the derivative of every local mode, over all coordinates, 0 for globals; none where modes are not predicted.
    pub slopes: Vec<Vec<f64>>,
}

impl<'a> Marginal<'a> {
    /// The marginal density of a forest of this density.
    pub fn new<D: LogDensity + ?Sized>(
        density: &'a D,
        forest: &'a Forest,
        integral: Integral,
    ) -> Option<Marginal<'a>> {
        let another: Another<'a> = Arc::new(move || density.locals(forest));
        Marginal::made(forest, integral, start_of(density), another)
    }

    fn made(
        forest: &'a Forest,
        integral: Integral,
        modes: Vec<f64>,
        another: Another<'a>,
    ) -> Option<Marginal<'a>> {
        Some(Marginal {
            forest,
            locals: another()?,
            integral,
            arrow: Arrow::new(forest),
            modes,
            peak: 0.0,
            centre: None,
            low: Nodes::new(forest, Order::Low),
            high: Nodes::new(forest, Order::High),
            simplex: rule::simplex(forest.widest_chain()),
            another,
            others: Vec::new(),
        })
    }

    /// What `of` finds at several points, which are shared out among all threads where each is looked at afresh: from a centre, whatever
    /// the point before was. The point is then the last one.
    fn each<T: Send>(
        &mut self,
        thetas: &[Vec<f64>],
        of: impl Fn(&mut Marginal<'a>, &[f64]) -> T + Sync,
    ) -> Vec<T> {
        let afresh = self.centre.is_some() || self.forest.plates.is_empty();
        let threads = rayon::current_num_threads().min(thetas.len());
        if !afresh || threads < 2 {
            return thetas.iter().map(|theta| of(self, theta)).collect();
        }
        for _ in self.others.len() + 1..threads {
            let another = Arc::clone(&self.another);
            let made = Marginal::made(self.forest, self.integral, self.modes.clone(), another);
            self.others.extend(made);
        }
        let mut others = std::mem::take(&mut self.others);
        for other in &mut others {
            other.centre.clone_from(&self.centre);
        }
        let shares = thetas.par_chunks(thetas.len().div_ceil(others.len() + 1));
        let helpers = others.iter_mut().take(shares.len() - 1);
        let everyone: Vec<&mut Marginal<'a>> = helpers.chain([&mut *self]).collect();
        let found: Vec<Vec<T>> = (everyone.into_par_iter().zip(shares))
            .map(|(own, thetas)| thetas.iter().map(|theta| of(own, theta)).collect())
            .collect();
        self.others = others;
        found.into_iter().flatten().collect()
    }

    /// The log densities and gradients at several points.
    pub fn gradients(&mut self, thetas: &[Vec<f64>], order: Order) -> Vec<(f64, Vec<f64>)> {
        self.each(thetas, |own, theta| {
            let mut gradient = vec![0.0; theta.len()];
            (own.gradient(theta, order, &mut gradient), gradient)
        })
    }

    /// The number of globals.
    pub fn dim(&self) -> usize {
        self.forest.globals.len()
    }

    /// How the locals are integrated out.
    pub fn integral(&self) -> Integral {
        self.integral
    }

    /// The forest of what is integrated out.
    pub fn forest(&self) -> &'a Forest {
        self.forest
    }

    /// About how many elements computing the density once visits.
    pub fn visits(&self) -> usize {
        let own: usize = self.forest.plates.iter().map(|p| p.width).sum();
        let sweeps = match self.integral {
            Integral::Exact => self.simplex.len(),
            Integral::Quadrature => self.low.sweeps(),
        };
        self.locals.visits() * (1 + 2 * own + sweeps)
    }

    /// The globals that it suggests to start from.
    pub fn start(&self) -> Vec<f64> {
        self.globals_of(&self.modes)
    }

    /// All coordinates at the last point: the globals, and the modes of the locals, as far as they were found.
    pub fn point(&self) -> &[f64] {
        &self.modes
    }

    /// The globals among all coordinates.
    pub fn globals_of(&self, z: &[f64]) -> Vec<f64> {
        self.forest.globals.iter().map(|g| z[*g as usize]).collect()
    }

    /// All coordinates with these globals.
    pub fn with_globals(&self, z: &[f64], theta: &[f64]) -> Vec<f64> {
        let mut z = z.to_vec();
        for (g, theta) in self.forest.globals.iter().zip(theta) {
            z[*g as usize] = *theta;
        }
        z
    }

    /// The log density at `theta`, and its gradient written over `gradient`. Not a number where the modes of the locals were not found.
    pub fn gradient(&mut self, theta: &[f64], order: Order, gradient: &mut [f64]) -> f64 {
        let mut all = vec![0.0; self.modes.len()];
        let value = self.evaluate(theta, order, Some(&mut all));
        for (g, place) in gradient.iter_mut().zip(&self.forest.globals) {
            *g = all[*place as usize];
        }
        value
    }

    /// The log density at `theta`.
    pub fn value(&mut self, theta: &[f64], order: Order) -> f64 {
        self.evaluate(theta, order, None)
    }

    /// Takes a point with its modes for those from which later ones are predicted; `None` if they are not found.
    ///
    /// By the implicit function theorem the modes move as `H⁻¹ ∂²l/∂φ∂θ`, with H minus the Hessian in φ. Gives minus the Hessian in the
    /// globals of the log density with the locals at their modes, which follow: square, row by row.
    pub fn recentre(&mut self, theta: &[f64]) -> Option<Vec<f64>> {
        let z = self.curved(theta)?;
        let globals = &self.forest.globals;
        let n = globals.len();
        let (mut slopes, mut curvature) = (Vec::with_capacity(n), vec![0.0; n * n]);
        let mut v = vec![0.0; z.len()];
        let mut products = vec![vec![0.0; z.len()]; n];
        for (product, g) in products.iter_mut().zip(globals) {
            v[*g as usize] = 1.0;
            self.locals.product(&z, &v, product);
            v[*g as usize] = 0.0;
            let mut slope = product.clone();
            self.arrow.solve(&mut slope);
            globals.iter().for_each(|g| slope[*g as usize] = 0.0);
            slopes.push(slope);
        }
        for (i, (product, g)) in products.iter().zip(globals).enumerate() {
            for (j, slope) in slopes.iter().enumerate() {
                let through: f64 = product.iter().zip(slope).map(|(a, b)| a * b).sum();
                curvature[i * n + j] = -products[j][*g as usize] - through;
            }
        }
        self.centre = Some(Centre { z, slopes });
        Some(curvature)
    }

    /// The same with the slopes of the centre that there is, as far as there is one, which saves products; false if modes are not found.
    pub fn move_centre(&mut self, theta: &[f64]) -> bool {
        let Some(Centre { slopes, .. }) = self.centre.clone() else {
            return self.recentre(theta).is_some();
        };
        let z = self.curved(theta);
        let found = z.is_some();
        self.centre = z.map(|z| Centre { z, slopes });
        found
    }

    /// Takes a point with its modes for the only one that is asked about; false if they are not found.
    pub fn stand_at(&mut self, theta: &[f64]) -> bool {
        let z = self.curved(theta);
        let found = z.is_some();
        let slopes = Vec::new();
        self.centre = z.map(|z| Centre { z, slopes });
        found
    }

    /// The modes at a point, with the curvature there.
    fn curved(&mut self, theta: &[f64]) -> Option<Vec<f64>> {
        if !self.settle(theta, modes::TIGHT) {
            return None;
        }
        let z = self.modes.clone();
        let mut unused = vec![0.0; z.len()];
        self.arrow.curve(&mut *self.locals, &z, None, &mut unused);
        self.arrow.factor();
        Some(z)
    }

    /// The same with modes that are known.
    pub fn centre_at(&mut self, centre: Centre) {
        self.modes.copy_from_slice(&centre.z);
        self.centre = Some(centre);
    }

    /// The point from which modes are predicted.
    pub fn centre(&self) -> Option<&Centre> {
        self.centre.as_ref()
    }

    /// Minus the Hessian in the globals of the log density with the locals at their modes and held there, square, row by row: far fewer
    /// products than [`Marginal::recentre`] takes where plates cross. Between elements of two such plates it is taken to be 0.
    /// `None` if it takes no fewer, or the modes are not found.
    pub fn rough_curvature(&mut self, theta: &[f64]) -> Option<Vec<f64>> {
        let probes = &self.forest.probes;
        let n = self.dim();
        if probes.is_empty() || 2 * probes.len() > n || !self.settle(theta, modes::LOOSE) {
            return None;
        }
        let place = |c: &u32| self.forest.globals.binary_search(c);
        let mut curvature = vec![0.0; n * n];
        let (mut v, mut product) = (vec![0.0; self.modes.len()], vec![0.0; self.modes.len()]);
        for probe in probes {
            probe.coordinates.iter().for_each(|c| v[*c as usize] = 1.0);
            self.locals.product(&self.modes, &v, &mut product);
            probe.coordinates.iter().for_each(|c| v[*c as usize] = 0.0);
            for other in probes {
                // All of one set see a single one, and elements of a plate themselves alone.
                let single = probe.coordinates.len() == 1;
                if !single && other.plate != probe.plate {
                    continue;
                }
                let sides = other.coordinates.iter().enumerate();
                for (k, c) in sides {
                    let by = &probe.coordinates[if single { 0 } else { k }];
                    if let (Ok(i), Ok(j)) = (place(c), place(by)) {
                        curvature[i * n + j] = -product[*c as usize];
                        curvature[j * n + i] = -product[*c as usize];
                    }
                }
            }
        }
        Some(curvature)
    }

    /// Forgets the centre: modes are sought from those of the last point.
    pub fn uncentre(&mut self) {
        self.centre = None;
    }

    /// How much the finer rule changes the log integral of each outermost element at `theta`: the plate, by its place in the forest,
    /// the element and the change, the largest first. Nothing where integrals are exact.
    pub fn changes(&mut self, theta: &[f64]) -> Vec<(usize, usize, f64)> {
        if self.integral == Integral::Exact || self.forest.plates.is_empty() {
            return Vec::new();
        }
        self.value(theta, Order::Low);
        self.value(theta, Order::High);
        let pairs = self.low.outermost().into_iter().zip(self.high.outermost());
        let mut changes: Vec<(usize, usize, f64)> = pairs
            .flat_map(|((p, low), (_, high))| {
                let both = low.iter().zip(high).enumerate();
                both.map(move |(i, (low, high))| (p, i, high - low))
                    .collect::<Vec<_>>()
            })
            .collect();
        changes.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
        changes
    }

    /// What the finer rule adds at `theta` to the slope of the values that the cheap one gives; `scale` is the lower factor of the
    /// globals' covariance, square, row by row.
    ///
    /// The gradient with fixed nodes is not that of the values, whose nodes move: both are off by what the rule cannot see, each by
    /// another amount. Where that counts the slope of the values is found from differences.
    pub fn defect(&mut self, theta: &[f64], scale: &[f64]) -> Vec<f64> {
        let n = theta.len();
        let (mut low, mut high) = (vec![0.0; n], vec![0.0; n]);
        self.gradient(theta, Order::Low, &mut low);
        self.gradient(theta, Order::High, &mut high);
        let defect: Vec<f64> = high.iter().zip(&low).map(|(h, l)| h - l).collect();
        let along = |k: usize, g: &[f64]| (k..n).map(|i| scale[i * n + k] * g[i]).sum::<f64>();
        if (0..n).all(|k| along(k, &defect).abs() < SLIGHT) {
            return defect;
        }
        let mut apart: Vec<f64> = (0..n)
            .map(|k| {
                let mut at = |size: f64| {
                    let step = |i: usize| size * scale[i * n + k];
                    let moved: Vec<f64> = (0..n).map(|i| theta[i] + step(i)).collect();
                    self.value(&moved, Order::Low)
                };
                along(k, &high) - (at(STEP) - at(-STEP)) / (2.0 * STEP)
            })
            .collect();
        if apart.iter().any(|x| !x.is_finite()) {
            return defect;
        }
        dense::solve_lower_transposed(scale, &mut apart, n, 1);
        apart
    }

    /// The curvature at the modes of the last point.
    pub fn arrow(&self) -> &Arrow<'a> {
        &self.arrow
    }

    /// Puts the globals in place, and the locals where their modes are to be sought.
    fn predict(&mut self, theta: &[f64]) {
        match &self.centre {
            Some(centre) => {
                self.modes.copy_from_slice(&centre.z);
                for ((g, theta), slope) in
                    (self.forest.globals.iter().zip(theta)).zip(&centre.slopes)
                {
                    let step = theta - centre.z[*g as usize];
                    for (mode, s) in self.modes.iter_mut().zip(slope) {
                        *mode += step * s;
                    }
                }
            }
            // A search that went astray must not lose the locals with it.
            None if self.modes.iter().any(|z| !z.is_finite()) => self.modes.fill(0.0),
            None => {}
        }
        for (g, theta) in self.forest.globals.iter().zip(theta) {
            self.modes[*g as usize] = *theta;
        }
    }

    fn evaluate(&mut self, theta: &[f64], order: Order, gradient: Option<&mut [f64]>) -> f64 {
        if self.forest.plates.is_empty() {
            return self.plain(theta, gradient);
        }
        if !self.settle(theta, modes::LOOSE) {
            return f64::NAN;
        }
        let derivatives = gradient.is_some();
        let mut unused = Vec::new();
        let gradient = match gradient {
            Some(gradient) => gradient,
            None => {
                unused.resize(self.modes.len(), 0.0);
                &mut unused
            }
        };
        let value = match self.integral {
            Integral::Exact => {
                if derivatives {
                    self.corners(gradient);
                }
                let locals = self.forest.locals() as f64;
                self.peak + 0.5 * locals * (2.0 * PI).ln() + self.arrow.log_spreads()
            }
            Integral::Quadrature => {
                let nodes = match order {
                    Order::Low => &mut self.low,
                    Order::High => &mut self.high,
                };
                let wanted = derivatives.then_some(&mut *gradient);
                nodes.integrate(&mut *self.locals, &self.arrow, &self.modes, wanted)
            }
        };
        if derivatives {
            self.locals.finish(&self.modes, gradient);
        }
        value + self.locals.rest(&self.modes, gradient)
    }

    /// Without locals: the density itself.
    fn plain(&mut self, theta: &[f64], gradient: Option<&mut [f64]>) -> f64 {
        self.predict(theta);
        match gradient {
            Some(gradient) => self.locals.gradient(&self.modes, gradient),
            None => {
                let mut unused = vec![0.0; self.modes.len()];
                self.locals.gradient(&self.modes, &mut unused)
            }
        }
    }

    /// Adds the gradient of the integral of a density that is quadratic in the locals, `l(φ̂) + D/2 log 2π − ½ log |H|`, or keeps it.
    ///
    /// It is the mean of ∂l/∂θ under N(φ̂, H⁻¹). That is at most quadratic in φ, so the mean over the corners of a simplex is exact.
    fn corners(&mut self, gradient: &mut [f64]) {
        let (forest, arrow, modes) = (self.forest, &self.arrow, &self.modes);
        let place = |corner: &Vec<f64>| {
            let mut point = modes.clone();
            place_all(forest, arrow, modes, corner, &mut point);
            point
        };
        let points = (self.simplex.par_iter()).with_min_len(1 + ALONE / modes.len());
        let points: Vec<Vec<f64>> = points.map(place).collect();
        self.locals.mean(&points, gradient);
    }
}

/// Places every element at the same corner: its number for each coordinate of the chain.
fn place_all(forest: &Forest, arrow: &Arrow<'_>, centre: &[f64], corner: &[f64], to: &mut [f64]) {
    for (p, plate) in forest.plates.iter().enumerate() {
        let start = plate.chain_width(forest) - plate.width;
        arrow.place(p, centre, |k, _| corner[start + k], to);
    }
}

//! Linear response: how the means of a fitted guide would move if the model were tilted a little, which is what its covariances should be.
//!
//! Tilt the log density by t · θ_g. The posterior mean of θ moves by t times its covariance with θ_g, exactly; the guide's mean moves by
//! t J H⁻¹ Jᵀ e_g, with H = −∂²ELBO/∂x² at the maximum, x all parameters of the guide and J how its mean follows them. These covariances
//! have in them what the guide leaves out between coordinates; where the posterior is Gaussian they are exact, whatever the guide
//! (Giordano, Broderick & Jordan 2018, Covariances, robustness, and variational Bayes).

use super::AnyElbo;
use super::Fit;
use super::fixed;
use super::start::Curvature;
use super::whitened::Whitened;
use crate::elbo::Elbo;
use crate::elbo::expectation::Expectation;
use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::noise::Noise;
use crate::joint::LogDensity;
use crate::num::dense;
use crate::num::dense::dot;
use crate::shape::PlateId;

/// The most globals whose covariances are worked out.
const MOST: usize = 500;
/// The fewest draws that expectations are taken over.
const DRAWS: usize = 64;
/// Steps of conjugate gradients, and how small a share of the right-hand side is to be left.
const STEPS: usize = 200;
const LEFT: f64 = 1e-5;
/// How far from the answer gradients are compared, in posterior sds.
const APART: f64 = 1e-3;

/// The covariances of the globals by linear response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The globals, by their coordinates.
    pub globals: Vec<usize>,
    /// Their covariance matrix, row by row.
    pub covariance: Vec<f64>,
    mean: Vec<f64>,
}

/// Whether linear response has something to say of a guide.
///
/// # Errors
/// Why not: it integrates locals out, has no spread, or there are too many globals.
pub fn responds<D: LogDensity>(elbo: &Elbo<'_, D>) -> Result<(), String> {
    let (guide, globals) = (elbo.guide, globals(&elbo.erased()).len());
    if guide.integrated().is_some() {
        Err("linear response mends what a guide leaves out between globals, and `marginal` leaves out nothing".to_owned())
    } else if guide.pattern().order().count() < guide.dim() {
        Err("linear response mends sds, and a point has none".to_owned())
    } else if globals > MOST {
        Err(format!(
            "linear response is worked out for {MOST} globals at most, and there are {globals}"
        ))
    } else {
        Ok(())
    }
}

/// The coordinates at the top level.
fn globals(elbo: &AnyElbo<'_>) -> Vec<usize> {
    (elbo.joint.sites().iter())
        .filter(|site| site.plate == PlateId::TOP)
        .flat_map(|site| site.offset..site.offset + site.width)
        .collect()
}

/// The covariances of the globals by linear response to a fit.
///
/// # Errors
/// Why there are none: what [`responds`] says, or an answer that is no maximum.
pub fn response<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    fit: &Fit,
    seed: u32,
) -> Result<Response, String> {
    responds(elbo)?;
    let elbo = &elbo.erased();
    let guide = elbo.guide;
    let globals = globals(elbo);
    let q = guide.gaussian(&fit.params);
    let mut tilted = Tilted::new(elbo, q.clone(), seed);
    let mut covariance = Vec::with_capacity(globals.len() * globals.len());
    for g in &globals {
        let moved = (tilted.by(*g))
            .ok_or("the bound is not curved downward in every direction around the answer")?;
        covariance.extend(globals.iter().map(|other| moved[*other]));
    }
    // Rounding and the noise of the gradients leave a matrix that is nearly symmetric.
    let n = globals.len();
    for i in 0..n {
        for j in 0..i {
            let middle = (covariance[i * n + j] + covariance[j * n + i]) / 2.0;
            (covariance[i * n + j], covariance[j * n + i]) = (middle, middle);
        }
    }
    Ok(Response {
        globals,
        covariance,
        mean: q.mean,
    })
}

impl Response {
    /// Draws of the globals from the Gaussian with these covariances; all other coordinates are at their means.
    ///
    /// # Errors
    /// Why there are none: the covariances are no such matrix.
    pub fn draws(&self, count: usize, seed: u32) -> Result<Vec<Vec<f64>>, String> {
        let n = self.globals.len();
        let mut scale = self.covariance.clone();
        dense::cholesky(&mut scale, n);
        if (0..n).any(|i| scale[i * n + i].is_nan()) {
            return Err("the covariances by linear response are not positive definite".to_owned());
        }
        let noise = Noise::dense(n, count, seed);
        let draw = |noise: &[f64]| {
            let mut z = self.mean.clone();
            for (i, g) in self.globals.iter().enumerate() {
                z[*g] += (0..=i).map(|j| scale[i * n + j] * noise[j]).sum::<f64>();
            }
            z
        };
        Ok(noise.draws().map(draw).collect())
    }
}

/// The ELBO around an answer, over fixed noise.
struct Tilted<'a> {
    guide: &'a Guide,
    view: Whitened<'a>,
    expectation: Expectation<'a>,
    noise: Noise,
}

impl<'a> Tilted<'a> {
    fn new(elbo: &AnyElbo<'a>, answer: Gaussian, seed: u32) -> Tilted<'a> {
        let guide = elbo.guide;
        let draws = fixed::first_draws(elbo).unwrap_or(DRAWS).max(DRAWS);
        Tilted {
            guide,
            view: fixed::view(guide, answer, &mut Curvature::new(elbo)),
            expectation: Expectation::new(elbo),
            noise: match elbo.is_exact() {
                true => Noise::none(guide.dim()),
                false => Noise::paired(guide, draws / 2, seed),
            },
        }
    }

    /// The gradient of −ELBO at `x`.
    fn gradient(&mut self, x: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; x.len()];
        fixed::loss(
            self.guide,
            &self.view,
            &mut self.expectation,
            &self.noise,
            x,
            &mut gradient,
        );
        gradient
    }

    /// H d, by central differences of the gradient.
    fn product(&mut self, d: &[f64]) -> Vec<f64> {
        let h = APART / norm(d);
        let at = |sign: f64| -> Vec<f64> { d.iter().map(|d| sign * h * d).collect() };
        let (above, below) = (self.gradient(&at(1.0)), self.gradient(&at(-1.0)));
        let slope = |(a, b): (&f64, &f64)| (a - b) / (2.0 * h);
        above.iter().zip(&below).map(slope).collect()
    }

    /// How all means move when the log density is tilted by a coordinate: J H⁻¹ Jᵀ e, by conjugate gradients.
    fn by(&mut self, coordinate: usize) -> Option<Vec<f64>> {
        let mut along = vec![0.0; self.guide.dim()];
        along[coordinate] = 1.0;
        let right = self.view.pull_mean(&along);
        let enough = LEFT * norm(&right);
        let mut x = vec![0.0; right.len()];
        let (mut left, mut direction) = (right.clone(), right);
        let mut size = dot(&left, &left);
        for _ in 0..STEPS {
            if size.sqrt() <= enough {
                break;
            }
            let product = self.product(&direction);
            let curvature = dot(&direction, &product);
            if curvature <= 0.0 || curvature.is_nan() {
                return None;
            }
            let step = size / curvature;
            for i in 0..x.len() {
                x[i] += step * direction[i];
                left[i] -= step * product[i];
            }
            let before = std::mem::replace(&mut size, dot(&left, &left));
            for (d, l) in direction.iter_mut().zip(&left) {
                *d = l + size / before * *d;
            }
        }
        Some(self.view.mean_along(&x))
    }
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

//! E_q[log density], each term by the best means there are, with the gradient in the guide's mean and scale.
//!
//! Terms with a closed form and terms under quadrature are exact, the rest are means over given noise. While the noise is held fixed
//! the sum is one smooth function of q. Taking the exact terms out of the mean loses nothing: on noise whitened as in
//! [`Noise::paired`] the mean is exact for what is quadratic in z, and only there do terms cancel each other; what a term has beyond
//! that (the e^{−2s} r² of a Normal with unknown sd) is an error of its own, which the closed form takes away.

use super::Elbo;
use super::How;
use super::closed::ClosedForm;
use super::quadrature::Quadrature;
use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::noise::Noise;
use crate::joint::Evaluator;
use crate::joint::LogDensity;
use crate::joint::TermForm;

/// The means of computing E_q[log density].
pub struct Expectation<'a> {
    guide: &'a Guide,
    closed: Vec<(usize, ClosedForm<'a>)>,
    quadrature: Option<(Vec<usize>, Quadrature<'a>)>,
    drawn: Option<(Vec<usize>, Box<dyn Evaluator + 'a>)>,
    terms: Vec<f64>,
    draws: Vec<f64>,
    bad: Vec<f64>,
    z: Vec<f64>,
    slope: Vec<f64>,
}

impl<'a> Expectation<'a> {
    /// Prepares the terms of an ELBO.
    pub fn new<D: LogDensity + ?Sized>(elbo: &Elbo<'a, D>) -> Expectation<'a> {
        let dim = elbo.guide.dim();
        let of = |wanted: &[How]| -> Option<(Vec<usize>, Box<dyn Evaluator + 'a>)> {
            let keep: Vec<bool> = elbo.terms.iter().map(|t| wanted.contains(&t.how)).collect();
            let places: Vec<usize> = (0..keep.len()).filter(|i| keep[*i]).collect();
            (!places.is_empty()).then(|| (places, elbo.joint.evaluator(&keep)))
        };
        let closed = (elbo.joint.terms().iter().zip(&elbo.terms).enumerate())
            .filter(|(_, (_, t))| t.how == How::ClosedForm)
            .filter_map(|(i, (term, _))| match &term.form {
                TermForm::Gaussian(form) => Some((i, ClosedForm::new(form, dim))),
                TermForm::General | TermForm::Steps | TermForm::Univariate => None,
            })
            .collect();
        Expectation {
            guide: elbo.guide,
            closed,
            quadrature: of(&[How::Quadrature])
                .map(|(places, evaluator)| (places, Quadrature::new(evaluator, dim))),
            drawn: of(&[
                How::Draws,
                How::Integral,
                How::Nodes,
                How::Steps,
                How::Point,
            ]),
            terms: vec![0.0; elbo.terms.len()],
            draws: Vec::new(),
            bad: Vec::new(),
            z: vec![0.0; dim],
            slope: vec![0.0; dim],
        }
    }

    /// A gradient of zero.
    pub fn zero(&self) -> Gaussian {
        Gaussian {
            mean: vec![0.0; self.guide.dim()],
            scale: vec![0.0; self.guide.pattern().len()],
        }
    }

    /// The expectation under `q`; its gradient in μ and S is added to `gradient`. NaN or −∞ where a draw has no density.
    pub fn evaluate(&mut self, q: &Gaussian, noise: &Noise, gradient: &mut Gaussian) -> f64 {
        let pattern = self.guide.pattern();
        for (place, term) in &mut self.closed {
            self.terms[*place] = term.evaluate(pattern, q, gradient);
        }
        if let Some((places, quadrature)) = &mut self.quadrature {
            let values = quadrature.evaluate(pattern, q, gradient);
            for (place, value) in places.iter().zip(values) {
                self.terms[*place] = *value;
            }
        }
        self.draws.clear();
        if let Some((places, evaluator)) = &mut self.drawn {
            let weight = 1.0 / noise.count() as f64;
            for place in places.iter() {
                self.terms[*place] = 0.0;
            }
            for epsilon in noise.draws() {
                self.guide.draw(q, epsilon, &mut self.z);
                let value = evaluator.gradient(&self.z, &mut self.slope);
                if !value.is_finite() || self.slope.iter().any(|s| !s.is_finite()) {
                    self.bad.clone_from(&self.z);
                }
                self.draws.push(value);
                for (place, value) in places.iter().zip(evaluator.terms()) {
                    self.terms[*place] += weight * value;
                }
                for (sum, slope) in gradient.mean.iter_mut().zip(&self.slope) {
                    *sum += weight * slope;
                }
                pattern.add_outer(weight, &self.slope, epsilon, &mut gradient.scale);
            }
        }
        self.terms.iter().sum()
    }

    /// The expectation of each term at the last evaluation.
    pub fn terms(&self) -> &[f64] {
        &self.terms
    }

    /// The last draw that had no finite density or gradient; empty if there was none.
    pub fn bad(&self) -> &[f64] {
        &self.bad
    }

    /// The sum of the terms that are taken over draws at each of them, at the last evaluation.
    pub fn draws(&self) -> &[f64] {
        &self.draws
    }
}

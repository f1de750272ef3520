//! The hierarchical ELBO: a tree of expectations that mirrors the plates, one term per statement.
//!
//! L = Σ reconstruction + Σ factors − Σ KL, where the KL of a site is −(entropy of its factor) − E_q[log prior]. A local KL is an
//! expectation over what its factor is conditional on, so that the sum needs no products of separate evidences.

pub mod closed;
pub mod expectation;
pub mod quadrature;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;

use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::noise::Noise;
use crate::joint::Joint;
use crate::joint::LogDensity;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::marginal::Integral;
use crate::shape::PlateId;
use expectation::Expectation;

/// The evidence lower bound of a joint density, that of a model or any other, under a guide.
#[derive(Debug)]
pub struct Elbo<'a, D: LogDensity + ?Sized = Joint> {
    /// The joint density.
    pub joint: &'a D,
    /// The guide.
    pub guide: &'a Guide,
    /// Its terms, in the order of the joint's.
    pub terms: Vec<ElboTerm>,
}

/// A term of the ELBO.
#[derive(Clone, Debug)]
pub struct ElboTerm {
    /// The name left of `~`.
    pub name: String,
    /// What it is.
    pub kind: ElboKind,
    /// The plate that it is summed over.
    pub plate: PlateId,
    /// For a KL, the site whose prior and factor it compares.
    pub site: Option<usize>,
    /// How its expectation is computed.
    pub how: How,
}

/// What a term of the ELBO is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElboKind {
    /// E_q[log p(data | …)].
    Reconstruction,
    /// KL(q(local | above) ‖ p(local | above)), in expectation over what is above.
    LocalKl,
    /// KL(q(global) ‖ p(global)).
    GlobalKl,
    /// The expectation of a `factor`.
    Factor,
}

impl ElboKind {
    /// The sign with which a term of this kind enters the total.
    pub fn sign(self) -> f64 {
        match self {
            ElboKind::Reconstruction | ElboKind::Factor => 1.0,
            ElboKind::LocalKl | ElboKind::GlobalKl => -1.0,
        }
    }
}

/// How an expectation is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// In closed form.
    ClosedForm,
    /// By one-dimensional Gauss–Hermite quadrature.
    Quadrature,
    /// Exactly over the locals, as a mean over draws of the globals.
    Integral,
    /// By adaptive quadrature over the locals, as a mean over draws of the globals.
    Nodes,
    /// As a mean over draws of the guide.
    Draws,
    /// As a mean over draws of the locals that gradient steps lead to, and of the globals.
    Steps,
    /// At a point (no expectation).
    Point,
}

/// The ELBO's value: the terms add up to the total (reconstruction and factors with plus, KL with minus).
#[derive(Clone, PartialEq, Debug)]
pub struct ElboValue {
    /// In nats.
    pub total: f64,
    /// The Monte Carlo standard error of the total; 0 where no term is taken over draws.
    pub mcse: f64,
    /// One value for each of [`Elbo::terms`], KL terms as positive numbers.
    pub terms: Vec<f64>,
}

/// Composes the ELBO.
pub fn compose<'a, D: LogDensity>(joint: &'a D, guide: &'a Guide) -> Elbo<'a, D> {
    let sites = joint.sites();
    let terms = joint
        .terms()
        .iter()
        .enumerate()
        .map(|(k, term)| {
            let (kind, site) = match term.kind {
                TermKind::Observed => (ElboKind::Reconstruction, None),
                TermKind::Prior(s) if sites[s].plate == PlateId::TOP => {
                    (ElboKind::GlobalKl, Some(s))
                }
                TermKind::Prior(s) => (ElboKind::LocalKl, Some(s)),
                TermKind::Divergence => (ElboKind::LocalKl, None),
                TermKind::Factor => (ElboKind::Factor, None),
            };
            let how = match &term.form {
                TermForm::General => How::Draws,
                TermForm::Steps => How::Steps,
                TermForm::Univariate => How::Quadrature,
                TermForm::Gaussian(_) => How::ClosedForm,
            };
            let how = match guide.integrated() {
                _ if how == How::Steps => how,
                _ if guide.pattern().is_empty() => How::Point,
                Some(integrated) => match (integrated.forest.terms[k], integrated.integral) {
                    (None, _) if integrated.point => How::Point,
                    (None, _) => How::Draws,
                    (Some(_), Integral::Exact) => How::Integral,
                    (Some(_), Integral::Quadrature) => How::Nodes,
                },
                None => how,
            };
            ElboTerm {
                name: term.name.clone(),
                kind,
                plate: term.plate,
                site,
                how,
            }
        })
        .collect();
    Elbo {
        joint,
        guide,
        terms,
    }
}

impl<'a, D: LogDensity + ?Sized> Elbo<'a, D> {
    /// Whether no term is taken over draws.
    pub fn is_exact(&self) -> bool {
        let drawn = [How::Draws, How::Integral, How::Nodes, How::Steps];
        self.terms.iter().all(|t| !drawn.contains(&t.how))
    }

    /// The same for whatever density.
    pub(crate) fn erased(&self) -> Elbo<'a, dyn LogDensity + 'a>
    where
        D: Sized,
    {
        Elbo {
            joint: self.joint,
            guide: self.guide,
            terms: self.terms.clone(),
        }
    }

    /// The value at `q`, term by term; the terms without closed form are means over `noise`.
    ///
    /// Its standard error takes the two draws of an antithetic pair as one.
    pub fn value(&self, q: &Gaussian, noise: &Noise) -> ElboValue {
        self.value_or_bad(q, noise).0
    }

    /// The value, and the last draw without a finite density (empty if there was none).
    pub(crate) fn value_or_bad(&self, q: &Gaussian, noise: &Noise) -> (ElboValue, Vec<f64>) {
        let mut expectation = Expectation::new(self);
        let mut unused = expectation.zero();
        expectation.evaluate(q, noise, &mut unused);
        let mut total = 0.0;
        let terms: Vec<f64> = (self.terms.iter().zip(expectation.terms()))
            .map(|(term, expected)| {
                let entropy = term.site.map_or(0.0, |s| self.guide.entropy(q, s));
                let value = match term.kind {
                    ElboKind::Reconstruction | ElboKind::Factor => *expected,
                    ElboKind::LocalKl | ElboKind::GlobalKl => -entropy - expected,
                };
                total += term.kind.sign() * value;
                value
            })
            .collect();
        let value = ElboValue {
            total,
            mcse: standard_error(expectation.draws()),
            terms,
        };
        (value, expectation.bad().to_vec())
    }
}

/// The standard error of a mean over antithetic pairs: values `n` and `n + half` belong together.
pub(crate) fn standard_error(values: &[f64]) -> f64 {
    let pairs = values.len() / 2;
    if pairs < 2 {
        return 0.0;
    }
    let (a, b) = values.split_at(pairs);
    let means: Vec<f64> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
    let mean = means.iter().sum::<f64>() / pairs as f64;
    let squares: f64 = means.iter().map(|m| (m - mean) * (m - mean)).sum();
    (squares / ((pairs - 1) * pairs) as f64).sqrt()
}

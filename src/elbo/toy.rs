//! Log densities written by hand, for tests: any density with its gradient will do for the engine.

use super::closed::summands;
use crate::dist::GaussianForm;
use crate::joint::Above;
use crate::joint::Affine;
use crate::joint::AffineTerm;
use crate::joint::Element;
use crate::joint::Evaluator;
use crate::joint::GaussianTerm;
use crate::joint::LogDensity;
use crate::joint::Site;
use crate::joint::Term;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::num::special;
use crate::shape::PlateId;
use crate::source::Span;
use crate::typed::GuideFamily;
use crate::typed::GuideRule;
use crate::typed::GuideTarget;
use crate::typed::LatentId;
use std::fmt::Debug;
use std::sync::Arc;

/// A term's value; its gradient is added to the second argument.
type Function = Arc<dyn Fn(&[f64], &mut [f64]) -> f64 + Send + Sync>;

/// A density made of sites and terms.
#[derive(Clone, Default)]
pub(crate) struct Toy {
    sites: Vec<Site>,
    terms: Vec<Term>,
    functions: Vec<Function>,
    rules: Vec<GuideRule>,
}

impl Debug for Toy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.terms)
    }
}

impl Toy {
    /// Adds a site of `len` elements; gives its first coordinate.
    pub(crate) fn site(&mut self, plate: u32, len: usize, width: usize, start: f64) -> usize {
        let offset = self.dim();
        let element = |site: &Site| {
            if site.plate == PlateId::TOP {
                Element::Top
            } else {
                Element::Same
            }
        };
        let above = (self.sites.iter().enumerate())
            .filter(|(_, s)| s.plate == PlateId::TOP || s.plate.0 == plate)
            .map(|(site, s)| Above {
                site,
                element: element(s),
            })
            .collect();
        let id = self.sites.len() as u32;
        self.sites.push(Site {
            latent: LatentId(id),
            name: format!("z{id}"),
            plate: PlateId(plate),
            offset,
            len,
            width,
            above,
            start: vec![start; len * width],
        });
        offset
    }

    /// Says that the last site lies in elements of another as `map` says.
    pub(crate) fn below(&mut self, site: usize, map: &[u32]) {
        let last = self.sites.last_mut().expect("there is a site");
        last.above.push(Above {
            site,
            element: Element::Map(map.into()),
        });
        last.above.sort_by_key(|a| a.site);
    }

    /// Asks for a family for a site.
    pub(crate) fn rule(&mut self, site: u32, family: GuideFamily) {
        self.rules.push(GuideRule {
            target: GuideTarget::Latent(LatentId(site)),
            family,
            span: Span::default(),
        });
    }

    /// Adds a term given by its function.
    pub(crate) fn term(
        &mut self,
        kind: TermKind,
        form: TermForm,
        function: impl Fn(&[f64], &mut [f64]) -> f64 + Send + Sync + 'static,
    ) {
        let plate = match kind {
            TermKind::Prior(s) => self.sites[s].plate,
            TermKind::Observed | TermKind::Divergence | TermKind::Factor => PlateId(1),
        };
        self.terms.push(Term {
            name: format!("term {}", self.terms.len()),
            kind,
            plate,
            span: Span::default(),
            form,
        });
        self.functions.push(Arc::new(function));
    }

    /// Adds a term by its Gaussian form.
    pub(crate) fn gaussian(&mut self, kind: TermKind, term: GaussianTerm) {
        let form = TermForm::Gaussian(Box::new(term.clone()));
        self.term(kind, form, move |z, slope| pointwise(&term, z, slope));
    }

    /// The same density with every term taken over draws.
    pub(crate) fn general(&self) -> Toy {
        self.in_form(&TermForm::General)
    }

    /// The same density with every term under quadrature.
    pub(crate) fn univariate(&self) -> Toy {
        self.in_form(&TermForm::Univariate)
    }

    fn in_form(&self, form: &TermForm) -> Toy {
        let mut toy = self.clone();
        for term in &mut toy.terms {
            term.form = form.clone();
        }
        toy
    }

    /// The same density started elsewhere.
    pub(crate) fn started(&self, start: &[f64]) -> Toy {
        let mut toy = self.clone();
        for site in &mut toy.sites {
            let range = site.offset..site.offset + site.len * site.width;
            site.start.copy_from_slice(&start[range]);
        }
        toy
    }
}

/// The value of a Gaussian term at a point.
fn pointwise(term: &GaussianTerm, z: &[f64], slope: &mut [f64]) -> f64 {
    let at = |affine: &Affine, j: usize| {
        let constant = affine
            .constant
            .get(if affine.constant.len() == 1 { 0 } else { j });
        summands(affine, j).fold(constant.copied().unwrap_or(0.0), |s, (r, a)| s + a * z[r])
    };
    let mut sum = 0.0;
    for j in 0..term.rows {
        let weight = term.weight.get(j).copied().unwrap_or(1.0);
        let (x, s) = (at(&term.predictor, j), at(&term.log_sd, j));
        let (value, by_x, by_s) = match term.form {
            GaussianForm::Normal | GaussianForm::LogNormal => {
                let scaled = x * (-2.0 * s).exp();
                let value = special::log_normal_density(x * (-s).exp()) - s;
                (value, -scaled, scaled * x - 1.0)
            }
            GaussianForm::Poisson | GaussianForm::PoissonRate => {
                let y = term.observed[j];
                (y * x - x.exp() - special::lgamma(y + 1.0), y - x.exp(), 0.0)
            }
        };
        sum += weight * (value + at(&term.offset, j));
        for (affine, by) in [
            (&term.predictor, by_x),
            (&term.log_sd, by_s),
            (&term.offset, 1.0),
        ] {
            for (r, a) in summands(affine, j) {
                slope[r] += weight * by * a;
            }
        }
    }
    sum
}

impl LogDensity for Toy {
    fn sites(&self) -> &[Site] {
        &self.sites
    }

    fn terms(&self) -> &[Term] {
        &self.terms
    }

    fn guide_rules(&self) -> &[GuideRule] {
        &self.rules
    }

    fn evaluator(&self, keep: &[bool]) -> Box<dyn Evaluator + '_> {
        Box::new(ToyEvaluator {
            functions: (self.functions.iter().zip(keep))
                .filter(|(_, keep)| **keep)
                .map(|(f, _)| f.clone())
                .collect(),
            values: Vec::new(),
        })
    }
}

struct ToyEvaluator {
    functions: Vec<Function>,
    values: Vec<f64>,
}

impl Evaluator for ToyEvaluator {
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        self.values = self.functions.iter().map(|f| f(z, gradient)).collect();
        self.values.iter().sum()
    }

    fn terms(&self) -> &[f64] {
        &self.values
    }
}

/// `constant_j + Σ coefficient · z[coordinate]`.
pub(crate) fn affine(constant: &[f64], terms: &[(&[u32], &[f64])]) -> Affine {
    Affine {
        constant: constant.to_vec(),
        terms: (terms.iter())
            .map(|(coordinate, coefficient)| AffineTerm {
                coordinate: coordinate.to_vec(),
                coefficient: coefficient.to_vec(),
            })
            .collect(),
    }
}

/// Rows of Normal residuals.
pub(crate) fn normal(rows: usize, predictor: Affine, log_sd: Affine) -> GaussianTerm {
    GaussianTerm {
        form: GaussianForm::Normal,
        rows,
        predictor,
        log_sd,
        observed: Vec::new(),
        offset: Affine::default(),
        weight: Vec::new(),
    }
}

/// μ ~ Normal(1, 2), φ_i ~ Normal(μ, 0.7), y_ij ~ Normal(φ_i, 0.5): everything is Gaussian.
pub(crate) fn normal_plate(groups: usize, rows: usize) -> Toy {
    let mut toy = Toy::default();
    toy.site(0, 1, 1, 0.0);
    toy.site(1, groups, 1, 0.0);
    let phi: Vec<u32> = (1..=groups as u32).collect();
    let mu = affine(&[-1.0], &[(&[0], &[1.0])]);
    toy.gaussian(
        TermKind::Prior(0),
        normal(1, mu, affine(&[2.0_f64.ln()], &[])),
    );
    let local = affine(&[], &[(&phi, &[1.0]), (&[0], &[-1.0])]);
    toy.gaussian(
        TermKind::Prior(1),
        normal(groups, local, affine(&[0.7_f64.ln()], &[])),
    );
    let group: Vec<u32> = (0..rows).map(|j| 1 + (j % groups) as u32).collect();
    let y: Vec<f64> = (0..rows)
        .map(|j| (j as f64 * 0.7).sin() + (j % groups) as f64 * 0.3)
        .collect();
    let residual = affine(&y, &[(&group, &[-1.0])]);
    toy.gaussian(
        TermKind::Observed,
        normal(rows, residual, affine(&[0.5_f64.ln()], &[])),
    );
    toy
}

/// Regions, schools in regions, rows in schools, all Gaussian.
pub(crate) fn nested() -> Toy {
    let mut toy = Toy::default();
    let top = affine(&[], &[(&[0], &[1.0])]);
    let sd = |s: f64| affine(&[s.ln()], &[]);
    toy.site(0, 1, 1, 0.0);
    toy.gaussian(TermKind::Prior(0), normal(1, top, sd(3.0)));
    let region = toy.site(1, 2, 1, 0.0) as u32;
    let regions: Vec<u32> = (0..2).map(|i| region + i).collect();
    let below_top = affine(&[], &[(&regions, &[1.0]), (&[0], &[-1.0])]);
    toy.gaussian(TermKind::Prior(1), normal(2, below_top, sd(0.8)));
    let school = toy.site(2, 5, 1, 0.0) as u32;
    let region_of = [0, 0, 0, 1, 1];
    toy.below(1, &region_of);
    let schools: Vec<u32> = (0..5).map(|i| school + i).collect();
    let above: Vec<u32> = region_of.iter().map(|i| region + i).collect();
    let local = affine(&[], &[(&schools, &[1.0]), (&above, &[-1.0])]);
    toy.gaussian(TermKind::Prior(2), normal(5, local, sd(0.6)));
    let rows = 20;
    let y: Vec<f64> = (0..rows).map(|j| (j as f64 * 1.3).cos()).collect();
    let group: Vec<u32> = (0..rows as u32).map(|j| school + j % 5).collect();
    let residual = affine(&y, &[(&group, &[-1.0])]);
    toy.gaussian(TermKind::Observed, normal(rows, residual, sd(0.5)));
    toy
}

//! A density with some of its coordinates held at a point: that of what is left.

use crate::joint::Above;
use crate::joint::Evaluator;
use crate::joint::Joint;
use crate::joint::LogDensity;
use crate::joint::Site;
use crate::joint::Term;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::shape::PlateId;

/// The log density of the sites of some plates, all other coordinates held.
#[derive(Debug)]
pub(super) struct Held<'a> {
    joint: &'a Joint,
    /// All coordinates; those of `free` mean nothing.
    point: Vec<f64>,
    /// The coordinates that are left, by their places among all.
    free: Vec<usize>,
    sites: Vec<Site>,
    terms: Vec<Term>,
}

impl<'a> Held<'a> {
    /// What is left for the sites of these plates, the others held at `point`.
    pub fn new(joint: &'a Joint, plates: &[PlateId], point: Vec<f64>) -> Held<'a> {
        let all = joint.sites();
        let left: Vec<usize> = (0..all.len())
            .filter(|s| plates.contains(&all[*s].plate))
            .collect();
        let place = |site: usize| left.iter().position(|s| *s == site);
        let (mut free, mut sites) = (Vec::new(), Vec::new());
        for s in &left {
            let site = &all[*s];
            let above = site.above.iter().filter_map(|above| {
                Some(Above {
                    site: place(above.site)?,
                    element: above.element.clone(),
                })
            });
            sites.push(Site {
                offset: free.len(),
                above: above.collect(),
                ..site.clone()
            });
            free.extend(site.offset..site.offset + site.width * site.len);
        }
        let terms = joint.terms().iter().map(|term| Term {
            kind: match term.kind {
                TermKind::Prior(site) => place(site).map_or(TermKind::Factor, TermKind::Prior),
                TermKind::Observed => TermKind::Observed,
                TermKind::Divergence => TermKind::Divergence,
                TermKind::Factor => TermKind::Factor,
            },
            // Closed forms are written in the places of all coordinates.
            form: TermForm::General,
            ..term.clone()
        });
        Held {
            joint,
            point,
            terms: terms.collect(),
            free,
            sites,
        }
    }

    /// All coordinates, the free ones at `z`.
    pub fn all(&self, z: &[f64]) -> Vec<f64> {
        let mut all = self.point.clone();
        for (place, z) in self.free.iter().zip(z) {
            all[*place] = *z;
        }
        all
    }
}

impl LogDensity for Held<'_> {
    fn sites(&self) -> &[Site] {
        &self.sites
    }

    fn terms(&self) -> &[Term] {
        &self.terms
    }

    fn evaluator(&self, keep: &[bool]) -> Box<dyn Evaluator + '_> {
        Box::new(Free {
            held: self,
            evaluator: self.joint.evaluator(keep),
            all: vec![0.0; self.point.len()],
        })
    }

    fn blame(&self, z: &[f64]) -> Option<String> {
        self.joint.blame(&self.all(z))
    }

    fn element(&self, plate: PlateId, element: usize) -> String {
        self.joint.element(plate, element)
    }

    fn visits(&self) -> usize {
        self.joint.visits()
    }
}

struct Free<'a> {
    held: &'a Held<'a>,
    evaluator: Box<dyn Evaluator + 'a>,
    /// A gradient in all coordinates.
    all: Vec<f64>,
}

impl Free<'_> {
    fn take(&self, free: &mut [f64]) {
        for (own, place) in free.iter_mut().zip(&self.held.free) {
            *own = self.all[*place];
        }
    }
}

impl Evaluator for Free<'_> {
    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let value = (self.evaluator).gradient(&self.held.all(z), &mut self.all);
        self.take(gradient);
        value
    }

    fn value(&mut self, z: &[f64]) -> f64 {
        self.evaluator.value(&self.held.all(z))
    }

    fn terms(&self) -> &[f64] {
        self.evaluator.terms()
    }

    fn hessian_product(&mut self, z: &[f64], v: &[f64], product: &mut [f64]) {
        let mut direction = vec![0.0; self.all.len()];
        for (place, v) in self.held.free.iter().zip(v) {
            direction[*place] = *v;
        }
        let z = self.held.all(z);
        (self.evaluator).hessian_product(&z, &direction, &mut self.all);
        self.take(product);
    }
}

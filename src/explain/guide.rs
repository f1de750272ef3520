//! How the guide is written: its factors block by block, and the transforms below them.

use super::document::Prose;
use super::formula::Formula;
use super::formula::Sign;
use super::formula::density;
use super::terms::Block;
use super::terms::Terms;
use super::terms::family_words;
use crate::dist::Support;
use crate::guide::Factor;
use crate::guide::Guide;
use crate::joint::Joint;
use crate::marginal::Integral;
use crate::shape::PlateId;
use crate::typed::LatentId;
use crate::typed::Rate;
use indexmap::IndexMap;

/// The factors of a guide.
pub(super) struct Factors<'a> {
    joint: &'a Joint,
    guide: &'a Guide,
    terms: &'a Terms<'a>,
}

impl<'a> Factors<'a> {
    /// Of the guide of a joint density.
    pub(super) fn new(joint: &'a Joint, guide: &'a Guide, terms: &'a Terms<'a>) -> Factors<'a> {
        Factors {
            joint,
            guide,
            terms,
        }
    }

    fn of(&self, latent: LatentId) -> Option<&Factor> {
        let sites = self.joint.sites();
        let mut factors = self.guide.factors().iter();
        factors.find(|f| sites[f.site].latent == latent)
    }

    /// The plates whose blocks a block's factors are conditional on.
    pub(super) fn given(&self, block: &Block) -> Vec<PlateId> {
        if self.by_steps(block) {
            return vec![PlateId::TOP];
        }
        let sites = self.joint.sites();
        let mut plates: Vec<PlateId> = block
            .latents
            .iter()
            .filter_map(|l| self.of(*l))
            .flat_map(|f| f.given.iter().map(|k| sites[*k].plate))
            .filter(|p| *p != block.plate)
            .collect();
        plates.sort();
        plates.dedup();
        plates
    }

    /// Whether gradient steps find the variables of a block.
    fn by_steps(&self, block: &Block) -> bool {
        self.joint
            .amortized()
            .is_some_and(|(plate, _)| plate == block.plate)
    }

    /// `q(alpha[c] | θ)`.
    pub(super) fn block(&self, block: &Block, scope: &[PlateId]) -> Formula {
        let given = self.given(block);
        let conditions = self.terms.symbols(|b| given.contains(&b.plate), scope);
        density("q", &self.terms.symbol(block, scope), &conditions)
    }

    /// `q(tau | mu, gamma)`: the factor of one variable, given the others that it is conditional on.
    pub(super) fn variable(&self, latent: LatentId) -> Formula {
        let plate = self.terms.typed().latents()[latent.index()].plate;
        let scope = self.terms.notation.scope(plate);
        let sites = self.joint.sites();
        let given: Vec<usize> = match self.of(latent) {
            Some(factor) => factor.given.clone(),
            // What gradient steps find depends on all globals.
            None => (0..sites.len()).collect(),
        };
        let given: Vec<Formula> = (given.iter())
            .map(|k| self.terms.latent(sites[*k].latent, &scope))
            .collect();
        density("q", &self.terms.latent(latent, &scope), &given)
    }

    /// `Π_{c in county} q(alpha[c] | θ)`, without the products that are bound already.
    pub(super) fn whole(&self, block: &Block, bound: &[PlateId]) -> Formula {
        let scope = self.terms.notation.scope(block.plate);
        let signs = self.terms.plate_signs(Sign::Product, block.plate, bound);
        signs.then(&self.block(block, &scope))
    }

    /// The guide as a product, one line for each block.
    pub(super) fn product(&self) -> Vec<(usize, Formula)> {
        let mut lines = vec![(0, Formula::same("q ="))];
        for (i, block) in self.terms.blocks.iter().enumerate() {
            let times = if i == 0 {
                Formula::default()
            } else {
                Formula::new("× ", r"\times ")
            };
            lines.push((1, times.then(&self.whole(block, &[]))));
        }
        lines
    }

    /// What each block's factor is.
    pub(super) fn words(&self) -> Vec<(usize, Prose)> {
        let mut out = Vec::new();
        for block in &self.terms.blocks {
            let scope = self.terms.notation.scope(block.plate);
            let mut by_family: IndexMap<&str, Vec<LatentId>> = IndexMap::new();
            for latent in &block.latents {
                if let Some(factor) = self.of(*latent) {
                    by_family
                        .entry(self.factor_words(factor))
                        .or_default()
                        .push(*latent);
                }
            }
            let mut prose = Prose::math(self.block(block, &scope)).and(": ");
            let several = by_family.len() > 1;
            for (i, (words, latents)) in by_family.into_iter().enumerate() {
                if several {
                    let names = latents
                        .iter()
                        .map(|l| Prose::math(self.terms.latent(*l, &scope)));
                    prose = prose.and(if i > 0 { "; for " } else { "for " });
                    prose = prose.more(Prose::list(names.collect())).and(" ");
                }
                prose = prose.and(words);
            }
            if let (true, Some(rule)) = (self.by_steps(block), self.terms.typed().amortized()) {
                prose = prose.and(format!(
                    "independent Gaussians, one for each coordinate, that {} gradient steps of ",
                    rule.steps
                ));
                prose = match &rule.rate {
                    Rate::Given(rate) => prose.and(format!("rate {rate}")),
                    Rate::Learned(rates) => {
                        let rates = rates
                            .iter()
                            .map(|(_, rate)| self.terms.latent(*rate, &scope));
                        (prose
                            .and("rates ")
                            .more(Prose::list(rates.map(Prose::math).collect())))
                        .and(", which are unknowns of the guide and not of the data,")
                    }
                };
                prose = prose.and(" make of the prior; the globals are fitted through the steps");
            } else if !self.given(block).is_empty() && self.guide.integrated().is_none() {
                prose = prose.and(", its mean affine in what it is conditional on");
            }
            if block.latents.len() > 1 {
                prose = prose
                    .and("; ")
                    .formula(self.terms.symbol(block, &scope))
                    .and(" stands for ")
                    .formula(self.terms.members(block));
            }
            out.push((0, prose));
        }
        out
    }

    /// What a factor is: of what is integrated out, by which integral and why that one.
    fn factor_words(&self, factor: &Factor) -> &'static str {
        let integrated = self.guide.integrated();
        match integrated.filter(|i| i.forest.holds(factor.site)) {
            None => family_words(factor.family),
            Some(integrated) => match integrated.integral {
                Integral::Exact => {
                    "the exact conditional density, integrated out in closed form: the log density is quadratic in it"
                }
                Integral::Quadrature => {
                    "the exact conditional density, integrated out by adaptive quadrature: the log density is not quadratic in it, and an element has few coordinates"
                }
            },
        }
    }

    /// Why locals are not integrated out: that cannot be done, or was not asked for.
    pub(super) fn approximated(&self) -> Option<Prose> {
        let plates = self.joint.sites().iter().any(|s| s.plate != PlateId::TOP);
        if self.guide.integrated().is_some() || !plates {
            return None;
        }
        let why = match self.guide.approximated() {
            Some(why) => format!("approximated and not integrated out: {why}"),
            None => "bounded and not integrated out, because the guide was asked for by name: in place of their exact conditional density stands the one above, and the bound is lower by what the two differ".to_owned(),
        };
        Some(Prose::words(format!("The variables of plates are {why}.")))
    }

    /// How constrained variables are reached, one item for each that needs a transform.
    pub(super) fn transforms(&self) -> Vec<(usize, Prose)> {
        let mut by_words: IndexMap<&str, Vec<Prose>> = IndexMap::new();
        for (i, latent) in self.terms.typed().latents().iter().enumerate() {
            if let Some(words) = transform(latent.support) {
                let scope = self.terms.notation.scope(latent.plate);
                let name = self.terms.latent(LatentId(i as u32), &scope);
                by_words.entry(words).or_default().push(Prose::math(name));
            }
        }
        by_words
            .into_iter()
            .map(|(words, names)| (0, Prose::list(names).and(format!(": {words}"))))
            .collect()
    }
}

/// The map from the unconstrained scale to a support; none where it is the identity.
fn transform(support: Support) -> Option<&'static str> {
    match support {
        Support::Real => None,
        Support::Positive => Some("above zero, the exponential of an unconstrained number"),
        Support::Unit => Some("in (0, 1), the logistic function of an unconstrained number"),
        Support::Interval { .. } => {
            Some("in an interval, a scaled logistic function of an unconstrained number")
        }
        Support::Simplex => {
            Some("probabilities, one unconstrained number fewer than there are of them")
        }
        Support::Ordered => Some("increasing, a first number and the logarithms of the steps"),
        Support::PositiveOrdered => {
            Some("increasing and positive, the logarithms of the first number and of the steps")
        }
        Support::CholeskyCorrelation | Support::Correlation => {
            Some("correlations, one unconstrained number for each pair")
        }
        // Latent variables are never discrete.
        Support::Binary | Support::Count | Support::CountUpTo { .. } | Support::Category => None,
    }
}

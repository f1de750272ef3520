//! Statements as factors of the joint density and as summands of its logarithm.

use super::formula::Formula;
use super::formula::Sign;
use super::formula::density;
use super::formula::join;
use super::formula::over;
use super::notation::Notation;
use super::structure::Touch;
use super::structure::touches;
use crate::shape::PlateId;
use crate::typed::GuideFamily;
use crate::typed::LatentId;
use crate::typed::StatementKind;
use crate::typed::Typed;
use std::cmp::Reverse;

/// Letters for the block of a plate's latent variables, in order of preference: the top level's, then the plates'.
const TOP_LETTERS: &[(char, &str)] =
    &[('θ', "theta"), ('ψ', "psi"), ('ω', "omega"), ('Θ', "Theta")];
const PLATE_LETTERS: &[(char, &str)] = &[
    ('φ', "phi"),
    ('ξ', "xi"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('χ', "chi"),
    ('κ', "kappa"),
    ('λ', "lambda"),
    ('ν', "nu"),
    ('Φ', "Phi"),
    ('Ξ', "Xi"),
    ('Λ', "Lambda"),
];

/// The latent variables of one plate, taken together.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The plate.
    pub(super) plate: PlateId,
    /// The variables.
    pub(super) latents: Vec<LatentId>,
    /// What they are called together, without an index.
    symbol: Formula,
}

/// The blocks of a model, and how its statements are written.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// Names and expressions.
    pub(super) notation: Notation<'a>,
    /// One block for each plate with latent variables, in the order of the plates.
    pub(super) blocks: Vec<Block>,
}

impl<'a> Terms<'a> {
    /// Gives each block its letter.
    pub(super) fn new(typed: &'a Typed) -> Terms<'a> {
        let mut plates: Vec<PlateId> = typed.latents().iter().map(|l| l.plate).collect();
        plates.sort();
        plates.dedup();
        let free = |(_, name): &&(char, &str)| {
            !typed.latents().iter().any(|l| l.name == *name)
                && !typed.columns().iter().any(|c| c.name == *name)
                && !typed.definitions().iter().any(|d| d.name == *name)
        };
        let mut tops = TOP_LETTERS.iter().filter(free);
        let mut locals = PLATE_LETTERS.iter().filter(free);
        let blocks = plates
            .into_iter()
            .map(|plate| {
                let latents: Vec<LatentId> = (0..typed.latents().len())
                    .map(|i| LatentId(i as u32))
                    .filter(|id| typed.latents()[id.index()].plate == plate)
                    .collect();
                let symbol = match latents.as_slice() {
                    [only] => Formula::name(&typed.latents()[only.index()].name),
                    _ => {
                        let letters = if plate == PlateId::TOP {
                            &mut tops
                        } else {
                            &mut locals
                        };
                        match letters.next() {
                            Some((letter, latex)) => Formula::greek(*letter, latex),
                            None => Formula::new(
                                format!("z_{}", plate.0),
                                format!("z^{{({})}}", plate.0),
                            ),
                        }
                    }
                };
                Block {
                    plate,
                    latents,
                    symbol,
                }
            })
            .collect();
        Terms {
            notation: Notation::new(typed),
            blocks,
        }
    }

    /// The checked model.
    pub(super) fn typed(&self) -> &'a Typed {
        self.notation.typed()
    }

    /// The block of a plate, if it has latent variables.
    pub(super) fn block(&self, plate: PlateId) -> Option<&Block> {
        self.blocks.iter().find(|b| b.plate == plate)
    }

    /// A block's symbol where `scope` is bound: `θ`, `alpha[c]`.
    pub(super) fn symbol(&self, block: &Block, scope: &[PlateId]) -> Formula {
        if block.plate == PlateId::TOP {
            return block.symbol.clone();
        }
        match self.notation.index(block.plate, scope) {
            Some(index) => block.symbol.at(&[index]),
            None => block.symbol.clone(),
        }
    }

    /// A latent variable where `scope` is bound.
    pub(super) fn latent(&self, id: LatentId, scope: &[PlateId]) -> Formula {
        let latent = &self.typed().latents()[id.index()];
        self.notation.named(&latent.name, latent.plate, scope)
    }

    /// What a statement names, as conditions.
    fn conditions(&self, touches: &[Touch], scope: &[PlateId]) -> Vec<Formula> {
        let mut sorted = touches.to_vec();
        // The closest plates first, as in the derivation.
        sorted.sort_by_key(|t| {
            (
                Reverse(self.typed().latents()[t.latent.index()].plate),
                t.latent,
            )
        });
        sorted
            .iter()
            .map(|t| self.latent(t.latent, scope))
            .collect()
    }

    /// The density that a statement adds to the joint: `p(alpha[c] | mu, tau)`; for a factor `exp(expr)`.
    pub(super) fn density(&self, statement: usize) -> Formula {
        let typed = self.typed();
        let said = &typed.statements()[statement];
        let scope = self.notation.scope(said.plate);
        let given = self.conditions(&touches(typed, statement), &scope);
        match &said.kind {
            StatementKind::Latent(id) => density("p", &self.latent(*id, &scope), &given),
            StatementKind::Observed { name, .. } => {
                density("p", &self.notation.named(name, said.plate, &scope), &given)
            }
            StatementKind::Factor(_) => {
                Formula::new("exp", r"\exp").then(&self.factor(statement).parens())
            }
        }
    }

    /// What a statement adds to the logarithm of the joint.
    pub(super) fn log_density(&self, statement: usize) -> Formula {
        match &self.typed().statements()[statement].kind {
            StatementKind::Latent(_) | StatementKind::Observed { .. } => {
                Formula::new("log ", r"\log ").then(&self.density(statement))
            }
            StatementKind::Factor(_) => self.factor(statement).parens(),
        }
    }

    /// A factor's expression as written.
    pub(super) fn factor(&self, statement: usize) -> Formula {
        let said = &self.typed().statements()[statement];
        let scope = self.notation.scope(said.plate);
        match self.notation.factor(said.span.start) {
            Some(factor) => self.notation.expr(&factor.value, &scope),
            None => Formula::upright("factor"),
        }
    }

    /// Sums or products over the plates in which a statement stands, without those that are bound already.
    pub(super) fn signs(&self, sign: Sign, statement: usize, bound: &[PlateId]) -> Formula {
        let said = &self.typed().statements()[statement];
        let mut out = self.plate_signs(sign, said.plate, bound);
        if let Some(condition) = self.condition(statement) {
            // The condition stands below the last sign.
            for half in [&mut out.text, &mut out.latex] {
                let cut = half.trim_end().trim_end_matches('}').len();
                half.truncate(cut);
            }
            out = out.and(": ").then(&condition).and("} ");
        }
        out
    }

    /// For which elements a statement counts, when it says so and stands in a plate.
    pub(super) fn condition(&self, statement: usize) -> Option<Formula> {
        let said = &self.typed().statements()[statement];
        said.condition?;
        let condition = match &said.kind {
            StatementKind::Latent(_) => None,
            StatementKind::Observed { name, .. } => self
                .notation
                .sample(name)
                .and_then(|s| s.condition.as_ref()),
            StatementKind::Factor(_) => {
                let factor = self.notation.factor(said.span.start);
                factor.and_then(|f| f.condition.as_ref())
            }
        };
        let scope = self.notation.scope(said.plate);
        (said.plate != PlateId::TOP)
            .then(|| condition.map(|c| self.notation.expr(c, &scope)))
            .flatten()
    }

    /// Sums or products over a plate and those that it is drawn in, without those that are bound already.
    pub(super) fn plate_signs(&self, sign: Sign, plate: PlateId, bound: &[PlateId]) -> Formula {
        let scope = self.notation.scope(plate);
        let mut out = Formula::default();
        for step in &scope {
            if !bound.contains(step) {
                out = out.then(&over(sign, &self.elements(*step, &scope, bound)));
            }
        }
        out
    }

    /// `h in c`; for a plate drawn elsewhere than in what is bound, the elements that lie there: `a: s[a] = s`.
    fn elements(&self, plate: PlateId, scope: &[PlateId], bound: &[PlateId]) -> Formula {
        let around = bound
            .iter()
            .rev()
            .find(|b| !scope.contains(b) && self.typed().determines(plate, **b));
        match around {
            None => self.notation.elements(plate),
            Some(around) => {
                let letter = self.notation.letter(plate);
                let above = self.notation.letter(*around);
                letter
                    .clone()
                    .and(": ")
                    .then(&above.at(&[letter]))
                    .and(" = ")
                    .then(&above)
            }
        }
    }

    /// The blocks above a block that its priors name, as conditions: those of `p(φ | …)`.
    pub(super) fn prior_given(&self, block: &Block, scope: &[PlateId]) -> Vec<Formula> {
        let typed = self.typed();
        let named: Vec<PlateId> = (0..typed.statements().len())
            .filter(|s| match typed.statements()[*s].kind {
                StatementKind::Latent(id) => block.latents.contains(&id),
                StatementKind::Observed { .. } | StatementKind::Factor(_) => false,
            })
            .flat_map(|s| touches(typed, s))
            .map(|t| typed.latents()[t.latent.index()].plate)
            .collect();
        self.symbols(
            |b| b.plate != block.plate && named.contains(&b.plate),
            scope,
        )
    }

    /// The symbols of the blocks that `keep` chooses, the closest first.
    pub(super) fn symbols(&self, keep: impl Fn(&Block) -> bool, scope: &[PlateId]) -> Vec<Formula> {
        let blocks = self.blocks.iter().rev().filter(|b| keep(b));
        blocks.map(|b| self.symbol(b, scope)).collect()
    }

    /// The names of a block's variables, separated by commas.
    pub(super) fn members(&self, block: &Block) -> Formula {
        let scope = self.notation.scope(block.plate);
        let members: Vec<Formula> = block
            .latents
            .iter()
            .map(|l| self.latent(*l, &scope))
            .collect();
        join(&members, ", ", ", ")
    }
}

/// What a family is in words.
pub(super) fn family_words(family: GuideFamily) -> &'static str {
    match family {
        GuideFamily::Marginal => "Gaussian, dense over the globals",
        GuideFamily::Structured => "Gaussian, dense in itself",
        GuideFamily::MeanField => "independent Gaussians, one for each coordinate",
        GuideFamily::FullRank => "one dense Gaussian over all its coordinates",
        GuideFamily::LowRank(_) => "Gaussian, related through the first coordinates alone",
        GuideFamily::Laplace => "Gaussian, of the curvature at the mode",
        GuideFamily::Point => "a point, whose own uncertainty is left out",
    }
}

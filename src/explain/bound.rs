//! The derivation: the log evidence, both Jensen steps, and the bound that they give, for any nesting and crossing.

use super::document::Block as Piece;
use super::document::Derivation;
use super::document::Prose;
use super::formula::Formula;
use super::formula::Sign;
use super::formula::density;
use super::formula::divergence;
use super::formula::expectation;
use super::formula::join;
use super::guide::Factors;
use super::structure::Level;
use super::structure::Named;
use super::structure::Part;
use super::terms::Block;
use super::terms::Terms;
use crate::shape::PlateId;

/// What is written while the derivation goes down the plates.
pub(super) struct Bound<'a> {
    /// How the model is written.
    pub(super) terms: &'a Terms<'a>,
    /// How the guide is written.
    pub(super) factors: &'a Factors<'a>,
}

type Lines = Vec<(usize, Formula)>;

impl Bound<'_> {
    /// Writes the steps for a whole model.
    pub(super) fn derive(&self, top: &Level, out: &mut Derivation) {
        let global = self.terms.block(PlateId::TOP);
        self.evidence(global, top, out);
        self.first_step(global, top, out);
        if !top.parts.is_empty() {
            out.push(Piece::Heading(match global {
                Some(_) => "The second Jensen step, below the top level".to_owned(),
                None => "The Jensen step, below the top level".to_owned(),
            }));
            self.second_steps(&top.parts, &[], out);
        }
        out.push(Piece::Heading("The bound".to_owned()));
        let steps = if top.parts.is_empty() || global.is_none() {
            "The step gives the bound that is maximised, the ELBO:"
        } else {
            "Put into each other, the steps give the bound that is maximised, the hierarchical ELBO:"
        };
        out.push(Piece::Paragraph(Prose::words(steps)));
        let mut lines = vec![(0, Formula::new("ELBO =", r"\mathrm{ELBO} ="))];
        lines.extend(indented(self.nest(PlateId::TOP, top, &[]), 1));
        out.push(Piece::Equation(lines));
    }

    fn evidence(&self, global: Option<&Block>, top: &Level, out: &mut Derivation) {
        out.push(Piece::Heading("The evidence".to_owned()));
        let data = Prose::words("All data together are called ")
            .formula(Formula::same("D"))
            .and(if top.parts.is_empty() {
                "; the evidence is their density, with every latent variable integrated out:"
            } else {
                ", those that lie in an element carry its index. The evidence is their density, \
                 with every latent variable integrated out:"
            });
        out.push(Piece::Paragraph(data));
        let mut line = Formula::new("log p(D) = ", r"\log p(D) = ");
        line = match global {
            Some(block) => {
                let theta = self.terms.symbol(block, &[]);
                line.then(&Formula::new("log ∫ ", r"\log \int "))
                    .then(&density("p", &theta, &[]))
                    .and(" ")
                    .then(&self.product(top, &[]))
                    .then(&differential(&theta))
            }
            None => line.then(&self.log_sum(top, &[])),
        };
        out.push(Piece::Equation(vec![(0, line)]));
        self.inner_evidence(&top.parts, &[], out);
        if let (Some(block), false) = (global, top.parts.is_empty()) {
            let theta = self.terms.symbol(block, &[]);
            let prose = Prose::words("The parts are independent only given ")
                .formula(theta.clone())
                .and(": ")
                .formula(Formula::same("p(D)"))
                .and(" itself is no product over elements, so the integral over ")
                .formula(theta)
                .and(" has to stay outside.");
            out.push(Piece::Paragraph(prose));
        }
    }

    /// The integrals over what lies below, given what lies above.
    fn inner_evidence(&self, parts: &[Part], above: &[PlateId], out: &mut Derivation) {
        for part in parts {
            let scope = self.scope(part, above);
            let (integrand, variables) = match part {
                Part::Elements(plate, level) => {
                    let block = self.terms.block(*plate);
                    let p = block.map_or(Formula::default(), |b| self.prior(b, &scope).and(" "));
                    let symbol = block.map(|b| self.terms.symbol(b, &scope));
                    (p.then(&self.product(level, &scope)), symbol)
                }
                Part::Tied { statements, .. } => {
                    let mut integrand = Formula::default();
                    for block in self.tied_blocks(part) {
                        let signs = self.terms.plate_signs(Sign::Product, block.plate, &scope);
                        let inner = self.terms.notation.scope(block.plate);
                        integrand = integrand
                            .then(&signs)
                            .then(&self.prior(block, &inner))
                            .and(" ");
                    }
                    for named in statements {
                        integrand = integrand.then(&self.factor(named, &scope)).and(" ");
                    }
                    (integrand, Some(self.tied_symbol(part, &scope)))
                }
            };
            let mut line = self.data(part, above).and(" = ");
            line = match variables {
                Some(x) => line
                    .then(&Formula::new("∫ ", r"\int "))
                    .then(&integrand)
                    .then(&differential(&x)),
                None => line.then(&integrand),
            };
            out.push(Piece::Equation(vec![(0, line)]));
            match part {
                Part::Elements(_, level) => self.inner_evidence(&level.parts, &scope, out),
                Part::Tied { plates, .. } => out.push(Piece::Paragraph(self.why_tied(plates))),
            }
        }
    }

    fn why_tied(&self, plates: &[PlateId]) -> Prose {
        let names: Vec<Prose> = plates
            .iter()
            .map(|p| Prose::words(format!("`{}`", self.terms.notation.plate_name(*p))))
            .collect();
        let several = names.len() > 1;
        Prose::words("This integral does not fall apart into elements: the variables of ")
            .more(Prose::list(names))
            .and(if several {
                " meet in the same statements, or q ties them together."
            } else {
                "'s elements meet in the same statements, or q ties them together."
            })
    }

    fn first_step(&self, global: Option<&Block>, top: &Level, out: &mut Derivation) {
        let Some(block) = global else {
            out.push(Piece::Paragraph(Prose::words(
                "No variable stands at the top level: the log evidence is a sum already, and a single \
                 Jensen step, inside each part, is enough.",
            )));
            return;
        };
        let theta = self.terms.symbol(block, &[]);
        let q = self.factors.block(block, &[]);
        out.push(Piece::Heading(
            if top.parts.is_empty() {
                "The Jensen step"
            } else {
                "The first Jensen step, at the top level"
            }
            .to_owned(),
        ));
        let mut prose = Prose::words("For any density ")
            .formula(q.clone())
            .and(" the logarithm of a mean is at least the mean of the logarithm");
        if block.latents.len() > 1 {
            prose = prose
                .and("; ")
                .formula(theta.clone())
                .and(" stands for ")
                .formula(self.terms.members(block));
        }
        out.push(Piece::Paragraph(prose.and(":")));
        let p = density("p", &theta, &[]);
        let e = expectation(&q);
        let ratio = ratio(&p, &q);
        let line = Formula::new("log p(D) = log ", r"\log p(D) = \log ")
            .then(&e)
            .then(&open())
            .then(&ratio)
            .and(" ")
            .then(&self.product(top, &[]))
            .then(&close());
        let bound = Formula::new("≥ ", r"\geq ")
            .then(&e)
            .then(&open())
            .then(&self.log_sum(top, &[]))
            .then(&close())
            .then(&minus(&divergence(&q, &p)));
        out.push(Piece::Equation(vec![(0, line), (1, bound)]));
    }

    /// The second step for each part, and for what lies below it.
    fn second_steps(&self, parts: &[Part], above: &[PlateId], out: &mut Derivation) {
        for part in parts {
            let scope = self.scope(part, above);
            let whose = match part {
                Part::Elements(plate, _) => Prose::words(format!(
                    "Once for each {} ",
                    self.terms.notation.plate_name(*plate)
                ))
                .formula(self.terms.notation.letter(*plate)),
                Part::Tied { plates, .. } => {
                    let names: Vec<Prose> = plates
                        .iter()
                        .map(|p| Prose::words(format!("`{}`", self.terms.notation.plate_name(*p))))
                        .collect();
                    Prose::words("Once for all elements of ")
                        .more(Prose::list(names))
                        .and(" together")
                }
            };
            let mut prose = whose;
            if let Part::Elements(plate, _) = part
                && let Some(block) = self.terms.block(*plate)
                && block.latents.len() > 1
            {
                prose = prose
                    .and(", with ")
                    .formula(self.terms.symbol(block, &scope))
                    .and(" for ")
                    .formula(self.terms.members(block));
            }
            out.push(Piece::Paragraph(prose.and(":")));
            let left = Formula::new("log ", r"\log ")
                .then(&self.data(part, above))
                .then(&Formula::new(" ≥", r" \geq"));
            let mut lines = vec![(0, left)];
            lines.extend(indented(self.part_bound(part, &scope), 1));
            out.push(Piece::Equation(lines));
            match part {
                Part::Elements(plate, level) => {
                    if let Some(block) = self.terms.block(*plate) {
                        out.push(Piece::Paragraph(self.equality(part, block, &scope, above)));
                    }
                    self.second_steps(&level.parts, &scope, out);
                }
                Part::Tied { .. } => {}
            }
        }
    }

    /// When the step loses nothing.
    fn equality(&self, part: &Part, block: &Block, scope: &[PlateId], above: &[PlateId]) -> Prose {
        let symbol = self.terms.symbol(block, scope);
        let mut given = vec![self.data_symbol(part)];
        given.extend(self.context(above));
        Prose::words("Equality holds when ")
            .formula(self.factors.block(block, scope))
            .and(" is the exact conditional ")
            .formula(density("p", &symbol, &given))
            .and(".")
    }

    /// The right side of a part's step; of parts below it the log evidence still stands.
    fn part_bound(&self, part: &Part, scope: &[PlateId]) -> Lines {
        match part {
            Part::Elements(plate, level) => {
                let inside = vec![(0, self.log_sum(level, scope))];
                self.wrapped(self.terms.block(*plate), scope, inside)
            }
            Part::Tied { .. } => self.tied(part, scope),
        }
    }

    /// `E_q[ … ] − KL(q ‖ p)` around lines.
    fn wrapped(&self, block: Option<&Block>, scope: &[PlateId], inside: Lines) -> Lines {
        let Some(block) = block else { return inside };
        let q = self.factors.block(block, scope);
        let p = self.prior(block, scope);
        let mut lines = vec![(0, expectation(&q).then(&open()))];
        lines.extend(indented(inside, 1));
        lines.push((0, close().then(&minus(&divergence(&q, &p)))));
        lines
    }

    /// The bound of variables that are tied together: one expectation, with a divergence for each block inside.
    fn tied(&self, part: &Part, scope: &[PlateId]) -> Lines {
        let Part::Tied { statements, .. } = part else {
            return Lines::new();
        };
        let blocks = self.tied_blocks(part);
        let all: Vec<Formula> = blocks.iter().map(|b| self.terms.symbol(b, scope)).collect();
        let above = self.terms.symbols(
            |b| {
                !blocks.iter().any(|own| own.plate == b.plate)
                    && blocks
                        .iter()
                        .any(|own| self.factors.given(own).contains(&b.plate))
            },
            scope,
        );
        let q = density("q", &join(&all, ", ", ", "), &above);
        let mut lines = vec![(0, expectation(&q).then(&open()))];
        for (i, named) in statements.iter().enumerate() {
            let plus = if i == 0 { "" } else { "+ " };
            lines.push((1, Formula::same(plus).then(&self.summand(named, scope))));
        }
        for block in self.tied_blocks(part) {
            let inner = self.terms.notation.scope(block.plate);
            let q = self.factors.block(block, &inner);
            let p = self.prior(block, &inner);
            let signs = self.terms.plate_signs(Sign::Sum, block.plate, scope);
            let line = Formula::new("− ", "- ")
                .then(&signs)
                .then(&divergence(&q, &p));
            lines.push((1, line));
        }
        lines.push((0, close()));
        lines
    }

    /// The bound of a level with all its parts put in.
    fn nest(&self, context: PlateId, level: &Level, scope: &[PlateId]) -> Lines {
        let mut inside: Lines = Vec::new();
        for named in &level.statements {
            let plus = if inside.is_empty() { "" } else { "+ " };
            inside.push((0, Formula::same(plus).then(&self.summand(named, scope))));
        }
        for part in &level.parts {
            let plus = if inside.is_empty() { "" } else { "+ " };
            let inner = self.scope(part, scope);
            match part {
                Part::Elements(plate, below) => {
                    let signs = self.terms.plate_signs(Sign::Sum, *plate, scope);
                    inside.push((0, Formula::same(plus).then(&signs).then(&big("("))));
                    inside.extend(indented(self.nest(*plate, below, &inner), 1));
                    inside.push((0, big(")")));
                }
                Part::Tied { .. } => {
                    if !plus.is_empty() {
                        inside.push((0, Formula::same("+")));
                    }
                    inside.extend(self.tied(part, &inner));
                }
            }
        }
        if inside.is_empty() {
            inside.push((0, Formula::same("0")));
        }
        self.wrapped(self.terms.block(context), scope, inside)
    }

    /// The factors of a level given its own variables: those of its statements, then those of its parts.
    fn product(&self, level: &Level, scope: &[PlateId]) -> Formula {
        let mut out: Vec<Formula> = level
            .statements
            .iter()
            .map(|n| self.factor(n, scope))
            .collect();
        for part in &level.parts {
            let signs = match part {
                Part::Elements(plate, _) => self.terms.plate_signs(Sign::Product, *plate, scope),
                Part::Tied { .. } => Formula::default(),
            };
            out.push(signs.then(&self.data(part, scope)));
        }
        join(&out, " ", r"\, ")
    }

    /// The logarithm of [`Bound::product`], as a sum.
    fn log_sum(&self, level: &Level, scope: &[PlateId]) -> Formula {
        let mut out: Vec<Formula> = level
            .statements
            .iter()
            .map(|n| self.summand(n, scope))
            .collect();
        for part in &level.parts {
            let signs = match part {
                Part::Elements(plate, _) => self.terms.plate_signs(Sign::Sum, *plate, scope),
                Part::Tied { .. } => Formula::default(),
            };
            let log = Formula::new("log ", r"\log ").then(&self.data(part, scope));
            out.push(signs.then(&log));
        }
        if out.is_empty() {
            return Formula::same("0");
        }
        join(&out, " + ", " + ")
    }

    fn factor(&self, named: &Named, scope: &[PlateId]) -> Formula {
        let signs = self.terms.signs(Sign::Product, named.statement, scope);
        signs.then(&self.terms.density(named.statement))
    }

    fn summand(&self, named: &Named, scope: &[PlateId]) -> Formula {
        let signs = self.terms.signs(Sign::Sum, named.statement, scope);
        signs.then(&self.terms.log_density(named.statement))
    }

    /// `p(φ | what its priors name)`.
    fn prior(&self, block: &Block, scope: &[PlateId]) -> Formula {
        let given = self.terms.prior_given(block, scope);
        density("p", &self.terms.symbol(block, scope), &given)
    }

    /// `p(D_c | what lies above)`.
    fn data(&self, part: &Part, above: &[PlateId]) -> Formula {
        density("p", &self.data_symbol(part), &self.context(above))
    }

    fn data_symbol(&self, part: &Part) -> Formula {
        let index = match part {
            Part::Elements(plate, _) => self.terms.notation.letter(*plate),
            Part::Tied { plates, .. } => {
                let letters: Vec<Formula> = plates
                    .iter()
                    .map(|p| self.terms.notation.letter(*p))
                    .collect();
                join(&letters, "", "")
            }
        };
        Formula::same("D").at(&[index])
    }

    /// The blocks of what is bound, the closest first.
    fn context(&self, bound: &[PlateId]) -> Vec<Formula> {
        self.terms.symbols(
            |b| b.plate == PlateId::TOP || bound.contains(&b.plate),
            bound,
        )
    }

    fn scope(&self, part: &Part, above: &[PlateId]) -> Vec<PlateId> {
        let mut scope = above.to_vec();
        if let Part::Elements(plate, _) = part {
            for step in self.terms.notation.scope(*plate) {
                if !scope.contains(&step) {
                    scope.push(step);
                }
            }
        }
        scope
    }

    fn tied_blocks(&self, part: &Part) -> Vec<&Block> {
        match part {
            Part::Elements(..) => Vec::new(),
            Part::Tied { plates, .. } => {
                plates.iter().filter_map(|p| self.terms.block(*p)).collect()
            }
        }
    }

    fn tied_symbol(&self, part: &Part, scope: &[PlateId]) -> Formula {
        let blocks = self.tied_blocks(part);
        let symbols: Vec<Formula> = blocks.iter().map(|b| self.terms.symbol(b, scope)).collect();
        join(&symbols, " d ", r"\,\mathrm{d}")
    }
}

fn indented(lines: Lines, by: usize) -> Lines {
    lines
        .into_iter()
        .map(|(depth, line)| (depth + by, line))
        .collect()
}

fn ratio(p: &Formula, q: &Formula) -> Formula {
    Formula::new(
        format!("{} / {}", p.text, q.text),
        format!(r"\frac{{{}}}{{{}}}", p.latex, q.latex),
    )
}

fn minus(term: &Formula) -> Formula {
    Formula::new(" − ", " - ").then(term)
}

fn differential(x: &Formula) -> Formula {
    Formula::new(" d ", r"\,\mathrm{d}").then(x)
}

fn open() -> Formula {
    Formula::new("[", r"\Bigl[ ")
}

fn close() -> Formula {
    Formula::new("]", r" \Bigr]")
}

fn big(bracket: &str) -> Formula {
    let side = if bracket == "(" { "l" } else { "r" };
    Formula::new(bracket, format!(r"\Big{side}{bracket}"))
}

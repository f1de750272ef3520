//! The `guide` block: which family for which variable or plate.

use super::GuideFamily;
use super::GuideRule;
use super::GuideTarget;
use super::amortized::AMORTIZED;
use super::check::Checker;
use super::check::Meaning;
use crate::ast;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;

impl<'a> Checker<'a> {
    /// Checks the rules; one of a later block takes the place of one for the same.
    pub(super) fn guide(&mut self) {
        for i in 0..self.names.guides.len() {
            let (block, guide) = self.names.guides[i];
            if block != 0 {
                let message = "a guide stands at the top level";
                let problem = Problem::at(Code::GuideInPlate, guide.span, message)
                    .label("inside a plate")
                    .hint("move it out; `NAME: family` is a rule for one plate or one variable");
                self.problems.push(problem);
            }
            for rule in &guide.rules {
                let name = |rule: &'a ast::GuideRule| rule.target.as_ref().map(|n| &n.text);
                let mut later = self.names.guides[i + 1..]
                    .iter()
                    .flat_map(|(_, g)| &g.rules);
                if later.any(|other| name(other) == name(rule)) {
                    continue;
                }
                if rule.family.name.text == AMORTIZED {
                    self.amortized(rule);
                    continue;
                }
                let (target, family) = (self.guide_target(rule), self.guide_family(&rule.family));
                let Some(target) = target else { continue };
                if let Some(first) = self.typed.guide.iter().find(|r| r.target == target) {
                    let message = "this guide rule is given twice";
                    let problem = Problem::at(Code::SecondGuideRule, rule.span, message)
                        .label("a second rule for the same")
                        .other(first.span, "the first");
                    self.problems.push(problem);
                    continue;
                }
                // A family that is not known stands for any other: the check fails anyway.
                self.typed.guide.push(GuideRule {
                    target,
                    family: family.unwrap_or(GuideFamily::Structured),
                    span: rule.span,
                });
            }
        }
    }

    pub(super) fn guide_target(&mut self, rule: &'a ast::GuideRule) -> Option<GuideTarget> {
        let Some(name) = &rule.target else {
            return Some(GuideTarget::Default);
        };
        let declared = self.names.map.get(name.text.as_str()).copied();
        match self.meaning(&name.text).map(|(_, meaning)| meaning) {
            Some(Meaning::Latent(id)) => Some(GuideTarget::Latent(id)),
            Some(Meaning::Plate(id)) => Some(GuideTarget::Plate(id)),
            Some(Meaning::Failed | Meaning::Pending) => None,
            Some(
                Meaning::Column(_)
                | Meaning::Const(_)
                | Meaning::Function
                | Meaning::Definition(_)
                | Meaning::Size(_),
            ) => {
                let noun = declared.map_or("something else", |d| d.kind.noun());
                let message = format!("`{}` is {noun} and has no guide", name.text);
                let mut problem = Problem::at(Code::UnknownGuideTarget, name.span, message)
                    .label("expected a latent variable or a plate");
                if let Some(declared) = declared {
                    problem = problem.other(declared.span, "declared here");
                }
                self.fail(problem)
            }
            None => {
                let message = format!("there is no variable or plate `{}`", name.text);
                let latents = self.typed.latents.iter().map(|l| l.name.as_str());
                let plates = self.typed.plates.iter().skip(1).map(|p| p.name.as_str());
                let problem = Problem::at(Code::UnknownGuideTarget, name.span, message);
                let problem = match did_you_mean(&name.text, latents.chain(plates)) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => {
                        problem.hint("`default` stands for everything that no other rule names")
                    }
                };
                self.fail(problem)
            }
        }
    }

    fn guide_family(&mut self, family: &'a ast::Call) -> Option<GuideFamily> {
        let name = family.name.text.as_str();
        let built = || GuideFamily::ALL.iter().copied();
        let Some(known) = built().find(|known| known.name() == name) else {
            let message = format!("there is no guide `{name}`");
            let problem = Problem::at(Code::UnknownGuideFamily, family.name.span, message);
            let names = built().map(GuideFamily::name);
            return self.fail(match did_you_mean(name, names.chain([AMORTIZED])) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint(families()),
            });
        };
        let rank = match family.args.as_slice() {
            [] => return Some(known),
            [arg] if arg.name.is_none() => whole(&arg.value),
            _ => None,
        };
        if let Some(ranked) = rank.and_then(|rank| known.with_rank(Some(rank))) {
            return Some(ranked);
        }
        let (message, expected) = match known.with_rank(Some(1)) {
            Some(_) => (
                format!("the rank of `{name}` is a whole number from 1 on"),
                format!("expected for instance `{name}(10)`"),
            ),
            None => (
                format!("the guide `{name}` takes no arguments"),
                format!("expected `{name}`"),
            ),
        };
        let problem = Problem::at(Code::UnknownGuideFamily, family.span, message);
        self.fail(problem.label(expected))
    }
}

/// A literal number.
pub(super) fn number(value: &ast::Expr) -> Option<f64> {
    if let ast::ExprKind::Number(x) = value.kind {
        Some(x)
    } else {
        None
    }
}

/// A literal whole number.
pub(super) fn whole(value: &ast::Expr) -> Option<u32> {
    let x = number(value)?;
    (x.fract() == 0.0 && (0.0..=1e9).contains(&x)).then_some(x as u32)
}

fn families() -> String {
    let names: Vec<String> = GuideFamily::ALL
        .iter()
        .map(|family| format!("`{}`", family.name()))
        .collect();
    format!("available are {}", names.join(", "))
}

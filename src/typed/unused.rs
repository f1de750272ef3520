//! What a file declares and never uses, and statements that are legal and probably wrong.

use super::PlateSource;
use super::StatementKind;
use super::check::Checker;
use super::check::Meaning;
use super::names::Kind;
use super::order::Mention;
use super::order::mentions;
use super::order::mentions_in_call;
use crate::ast;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// Reports what is declared and never used.
    pub(super) fn unused(&mut self) {
        let used = self.used();
        let mut idle_data: Vec<(usize, &'a str, Span)> = Vec::new();
        for (place, (name, declared)) in self.names.map.iter().enumerate() {
            if used[place] {
                continue;
            }
            let (code, message) = match declared.kind {
                Kind::Column => {
                    let observed = self
                        .names
                        .observed
                        .iter()
                        .any(|(_, t)| t.name.text == **name);
                    if !observed {
                        idle_data.push((declared.block, name, declared.span));
                    }
                    continue;
                }
                Kind::Const(_) => (
                    Code::UnusedName,
                    format!("the constant `{name}` is never used"),
                ),
                Kind::Function(_) => (
                    Code::UnusedName,
                    format!("the function `{name}` is never used"),
                ),
                Kind::Plate(block) => {
                    let empty = self.names.blocks[block]
                        .0
                        .is_some_and(|p| p.body.is_empty());
                    if !empty {
                        continue;
                    }
                    (
                        Code::UnusedPlate,
                        format!("plate `{name}` is empty and never used"),
                    )
                }
                Kind::Latent(..) | Kind::Definition(_) | Kind::Size => continue,
            };
            self.problems
                .push(Problem::at(code, declared.span, message).label("declared here"));
        }
        for (place, (name, declared)) in self.names.map.iter().enumerate() {
            let Kind::Latent(..) = declared.kind else {
                continue;
            };
            if used[place] || self.meanings[place] == Meaning::Failed {
                continue;
            }
            let beside: Vec<&str> = idle_data
                .iter()
                .filter(|(block, _, _)| *block == declared.block)
                .map(|(_, name, _)| *name)
                .collect();
            let Some(meant) =
                did_you_mean(name, beside.iter().copied()).or_else(|| beside.first().copied())
            else {
                continue;
            };
            let data = idle_data.iter().position(|(_, name, _)| *name == meant);
            let mut problem = Problem::at(
                Code::MisspeltOutcome,
                declared.span,
                format!("`{name}` is a latent variable that nothing depends on, beside data `{meant}` that is never used"),
            )
            .label("not declared as data")
            .hint(format!("did you mean `{meant} ~ …`?"));
            if let Some(data) = data {
                let (_, _, span) = idle_data.remove(data);
                problem = problem.other(span, "never used");
            }
            self.problems.push(problem);
        }
        for (_, name, span) in idle_data {
            let message = format!("data `{name}` is never used");
            let problem = Problem::at(Code::UnusedData, span, message).label("declared here");
            self.problems
                .push(problem.hint("a column that the model does not need need not be declared"));
        }
        self.observed_twice();
    }

    /// For each name of the namespace whether anything but itself mentions it.
    fn used(&self) -> Vec<bool> {
        let mut used = vec![false; self.names.map.len()];
        let mut mark = |name: &str, by: Option<&str>| {
            if by != Some(name)
                && let Some(place) = self.names.map.get_index_of(name)
            {
                used[place] = true;
            }
        };
        let mut mark_all = |found: Vec<Mention<'_>>, by: Option<&str>| {
            for mention in found {
                mark(mention.name, by);
            }
        };
        let sample_mentions = |sample: &'a ast::Sample| {
            let mut found = mentions_in_call(&sample.distribution);
            found.extend(sample.condition.iter().flat_map(mentions));
            found
        };
        for (name, declared) in &self.names.map {
            match declared.kind {
                Kind::Plate(block) => {
                    let Some(plate) = self.names.blocks[block].0 else {
                        continue;
                    };
                    if let Some(ast::PlateSource::Size(size)) = &plate.source {
                        mark_all(mentions(size), Some(name));
                    }
                    let order = plate.order.iter();
                    let names = order.flat_map(|o| std::iter::once(&o.by).chain(&o.within));
                    for other in plate.parents.iter().chain(names) {
                        mark_all(vec![mention(other)], None);
                    }
                }
                Kind::Column | Kind::Size => {}
                Kind::Const(constant) => mark_all(mentions(&constant.value), Some(name)),
                Kind::Function(function) => mark_all(mentions(&function.body), Some(name)),
                Kind::Latent(sample, target) => {
                    mark_all(sample_mentions(sample), Some(name));
                    mark_all(target.shape.iter().flat_map(mentions).collect(), None);
                }
                Kind::Definition(define) => {
                    mark_all(mentions(&define.value), Some(name));
                    mark_all(define.shape.iter().flat_map(mentions).collect(), None);
                }
            }
        }
        for (_, guide) in &self.names.guides {
            let args = guide.rules.iter().flat_map(|rule| &rule.family.args);
            mark_all(args.flat_map(|arg| mentions(&arg.value)).collect(), None);
        }
        for (_, data) in &self.names.data {
            mark_all(vec![mention(&data.kind)], None);
            let dims = data.shape.iter().chain(&data.kind_args);
            mark_all(dims.flat_map(mentions).collect(), None);
        }
        for (sample, target) in &self.names.observed {
            mark_all(sample_mentions(sample), None);
            mark_all(target.shape.iter().flat_map(mentions).collect(), None);
        }
        for (_, factor) in &self.names.factors {
            mark_all(mentions(&factor.value), None);
            mark_all(factor.condition.iter().flat_map(mentions).collect(), None);
        }
        used
    }

    /// The same column observed in two plates of rows of one table counts twice.
    fn observed_twice(&mut self) {
        let mut seen: Vec<(&super::Column, Span)> = Vec::new();
        let mut found = Vec::new();
        for statement in &self.typed.statements {
            let StatementKind::Observed { value, .. } = &statement.kind else {
                continue;
            };
            let super::ExprKind::Column(id) = self.typed.expr(*value).kind else {
                continue;
            };
            let column = self.column(id);
            let source = |c: &super::Column| &self.typed.plates[c.plate.index()].source;
            if !matches!(source(column), PlateSource::Rows(_)) {
                continue;
            }
            let twin = seen
                .iter()
                .find(|(c, _)| c.from == column.from && source(c) == source(column));
            if let Some((other, span)) = twin {
                let message = format!(
                    "`{}` and `{}` observe the same column: its rows count twice",
                    other.name, column.name
                );
                found.push(
                    Problem::at(Code::ObservedTwice, statement.span, message)
                        .label("the second time")
                        .other(*span, "the first"),
                );
            }
            seen.push((column, statement.span));
        }
        for problem in found {
            self.problems.push(problem);
        }
    }
}

fn mention(name: &ast::Name) -> Mention<'_> {
    Mention {
        name: &name.text,
        span: name.span,
        previous: false,
    }
}

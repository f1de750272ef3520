//! The order of evaluation: what each declaration names, and each declaration after what it names.

use super::names::Kind;
use super::names::Names;
use crate::ast;
use crate::ast::ExprKind;
use crate::ast::Slot;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::source::Span;

/// A name in an expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mention<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// Where it stands.
    pub(super) span: Span,
    /// Whether it stands for the element before, inside `prev`.
    pub(super) previous: bool,
}

/// The names in an expression, plates and functions included, in the order of the text.
pub(super) fn mentions(expr: &ast::Expr) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    walk(expr, false, &mut found);
    found
}

/// The names in the arguments of a call.
pub(super) fn mentions_in_call(call: &ast::Call) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    for arg in &call.args {
        walk(&arg.value, false, &mut found);
    }
    found
}

fn walk<'a>(expr: &'a ast::Expr, previous: bool, found: &mut Vec<Mention<'a>>) {
    let span = expr.span;
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) => {}
        ExprKind::Name(name) => found.push(Mention {
            name,
            span,
            previous,
        }),
        ExprKind::Vector(items) => items.iter().for_each(|e| walk(e, previous, found)),
        ExprKind::Unary(_, a) | ExprKind::Paren(a) => walk(a, previous, found),
        ExprKind::Binary(_, _, a, b) => {
            walk(a, previous, found);
            walk(b, previous, found);
        }
        ExprKind::If(c, a, b) => [c, a, b].into_iter().for_each(|e| walk(e, previous, found)),
        ExprKind::Index(base, slots) => {
            walk(base, previous, found);
            for slot in slots {
                match slot {
                    Slot::All(_) => {}
                    Slot::At(e) => walk(e, previous, found),
                }
            }
        }
        ExprKind::Call(call) => {
            found.push(Mention {
                name: &call.name.text,
                span: call.name.span,
                previous,
            });
            for (i, arg) in call.args.iter().enumerate() {
                let before = i == 0 && call.name.text == "prev";
                walk(&arg.value, previous || before, found);
            }
        }
        ExprKind::Reduce { plate, body, .. } => {
            found.push(Mention {
                name: &plate.text,
                span: plate.span,
                previous,
            });
            walk(body, previous, found);
        }
    }
}

impl Names<'_> {
    /// The places in the namespace of constants, functions, definitions and latent variables, each after what it names;
    /// and those that form cycles, each of which is a problem.
    pub(super) fn order(&self, problems: &mut Problems) -> (Vec<usize>, Vec<usize>) {
        let edges: Vec<Vec<(usize, Span)>> = (0..self.map.len()).map(|i| self.edges(i)).collect();
        let (mut order, mut cyclic) = (Vec::new(), Vec::new());
        let mut done = vec![false; edges.len()];
        let mut open = vec![false; edges.len()];
        for start in 0..edges.len() {
            if done[start] {
                continue;
            }
            // A path with the next edge to take from each of its nodes: no recursion, however long the chain.
            let mut path = vec![(start, 0)];
            open[start] = true;
            while let Some((node, next)) = path.last_mut() {
                let Some(&(to, span)) = edges[*node].get(*next) else {
                    open[*node] = false;
                    done[*node] = true;
                    order.push(*node);
                    path.pop();
                    continue;
                };
                *next += 1;
                if open[to] {
                    let from = path.iter().position(|(n, _)| *n == to).unwrap_or(0);
                    let cycle: Vec<usize> = path[from..].iter().map(|(n, _)| *n).collect();
                    problems.push(self.cycle(&cycle, span));
                    cyclic.extend(cycle);
                } else if !done[to] {
                    open[to] = true;
                    path.push((to, 0));
                }
            }
        }
        (order, cyclic)
    }

    /// What declaration `i` needs checked before it.
    fn edges(&self, i: usize) -> Vec<(usize, Span)> {
        let mentioned: Vec<Mention<'_>> = match self.map[i].kind {
            Kind::Plate(_) | Kind::Column | Kind::Size => Vec::new(),
            Kind::Const(constant) => mentions(&constant.value),
            Kind::Function(function) => mentions(&function.body)
                .into_iter()
                .filter(|m| function.params.iter().all(|p| p.text != m.name))
                .collect(),
            Kind::Latent(sample, _) => mentions_in_call(&sample.distribution),
            Kind::Definition(define) => mentions(&define.value),
        };
        mentioned
            .into_iter()
            .filter(|m| !m.previous)
            .filter_map(|m| Some((self.map.get_index_of(m.name)?, m.span)))
            .collect()
    }

    fn cycle(&self, cycle: &[usize], back: Span) -> Problem {
        let name = |i: usize| self.map.get_index(i).map_or("", |(name, _)| *name);
        let mut path: Vec<String> = cycle.iter().map(|&i| format!("`{}`", name(i))).collect();
        path.push(path[0].clone());
        let path = path.join(" → ");
        let first = self.map[cycle[0]];
        if cycle
            .iter()
            .all(|&i| matches!(self.map[i].kind, Kind::Function(_)))
        {
            let message = format!("function `{}` calls itself: {path}", name(cycle[0]));
            return Problem::at(Code::RecursiveFunction, back, message)
                .label("called again here")
                .other(first.span, "declared here")
                .hint("functions are inlined and cannot be recursive");
        }
        let message = format!("`{}` depends on itself: {path}", name(cycle[0]));
        Problem::at(Code::Cycle, back, message)
            .label(format!("needs `{}` again", name(cycle[0])))
            .other(first.span, "declared here")
            .hint("define one of them without the others")
    }
}

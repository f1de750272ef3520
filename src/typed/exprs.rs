//! Expressions: every form of the language, checked.

use super::DataKind;
use super::Depends;
use super::ExprId;
use super::ExprKind;
use super::Function;
use super::check::Checker;
use super::scope::Scope;
use crate::ast;
use crate::ast::BinaryOp;
use crate::ast::UnaryOp;
use crate::problem::Code;
use crate::shape::Dim;
use crate::shape::Event;
use crate::source::Span;
use crate::tape::elementwise;
use crate::tape::elementwise::Elementwise;

/// How deep expressions may nest, through the bodies of functions too; the parser bounds each single expression.
const DEEPEST_NESTING: u32 = 400;

impl<'a> Checker<'a> {
    /// Checks an expression.
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Option<ExprId> {
        if self.stopped || self.nested >= DEEPEST_NESTING {
            return self.too_large(scope.span(expr.span));
        }
        self.nested += 1;
        let checked = self.form(expr, scope);
        self.nested -= 1;
        checked
    }

    fn form(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Option<ExprId> {
        let span = scope.span(expr.span);
        match &expr.kind {
            ast::ExprKind::Number(value) => self.constant(vec![*value], Event::new(), span),
            ast::ExprKind::Text(_) => {
                let message = "a text is no value";
                let problem = scope.problem(Code::TextAsValue, expr.span, message);
                self.fail(problem.hint("texts name columns, and levels beside `==`"))
            }
            ast::ExprKind::Name(name) => self.name(name, expr.span, scope),
            ast::ExprKind::Paren(inner) => self.expr(inner, scope),
            ast::ExprKind::Vector(items) => self.vector(items, expr.span, scope),
            ast::ExprKind::Unary(op, operand) => {
                let operand = self.expr(operand, scope)?;
                let op = match op {
                    UnaryOp::Negate => &elementwise::NEG,
                    UnaryOp::Not => &elementwise::NOT,
                };
                self.map(op, vec![operand], expr.span, scope)
            }
            ast::ExprKind::Binary(op, at, a, b) => self.binary(*op, *at, a, b, expr.span, scope),
            ast::ExprKind::If(c, a, b) => self.choice(c, a, b, expr.span, scope),
            ast::ExprKind::Index(base, slots) => self.index(base, slots, expr.span, scope),
            ast::ExprKind::Call(call) => self.call(call, scope),
            ast::ExprKind::Reduce {
                function,
                plate,
                body,
            } => self.aggregate(function, plate, body, expr.span, scope),
        }
    }

    /// Checks an expression that must be a number; `what` says what needs one.
    pub(super) fn scalar(
        &mut self,
        expr: &ast::Expr,
        what: &str,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let id = self.expr(expr, scope)?;
        let event = self.typed.expr(id).event.clone();
        if event.is_empty() {
            return Some(id);
        }
        let message = format!("{what} is a number, found {}", self.describe(&event));
        let problem = scope
            .problem(Code::ScalarExpected, expr.span, message)
            .label(self.describe(&event));
        self.fail(problem.hint("`sum(…)` adds up a vector, `x[1]` takes one of its numbers"))
    }

    fn vector(&mut self, items: &[ast::Expr], own: Span, scope: &Scope<'_>) -> Option<ExprId> {
        let checked: Vec<Option<ExprId>> = items.iter().map(|e| self.expr(e, scope)).collect();
        let parts = checked.into_iter().collect::<Option<Vec<_>>>()?;
        let first = self.typed.expr(*parts.first()?).event.clone();
        for (part, item) in parts.iter().zip(items) {
            let event = self.typed.expr(*part).event.clone();
            if event != first {
                let message = format!(
                    "the elements of a vector differ in shape: {} and {}",
                    self.describe(&first),
                    self.describe(&event)
                );
                let problem = scope
                    .problem(Code::ShapesDiffer, item.span, message)
                    .label(self.describe(&event))
                    .other(items[0].span, self.describe(&first));
                return self.fail(problem.hint("`concat(a, b)` joins vectors end to end"));
            }
            self.key_as_value(*part, item.span, scope)?;
        }
        let mut event = Event::from_slice(&[Dim::Fixed(parts.len())]);
        event.extend(first);
        let kind = ExprKind::Vector(parts.clone());
        self.combine(kind, &parts, event, scope.span(own))
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        at: Span,
        a: &ast::Expr,
        b: &ast::Expr,
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual)
            && let Some(result) = self.label_comparison(op, a, b, own, scope)
        {
            return result;
        }
        let (left, right) = (self.expr(a, scope), self.expr(b, scope));
        let (a, b) = (left?, right?);
        let row = match op {
            BinaryOp::Or => &elementwise::OR,
            BinaryOp::And => &elementwise::AND,
            BinaryOp::Equal => &elementwise::EQUAL,
            BinaryOp::NotEqual => &elementwise::NOT_EQUAL,
            BinaryOp::Less | BinaryOp::Greater => &elementwise::LESS,
            BinaryOp::LessEqual | BinaryOp::GreaterEqual => &elementwise::LESS_EQUAL,
            BinaryOp::Add => &elementwise::ADD,
            BinaryOp::Subtract => &elementwise::SUB,
            BinaryOp::Multiply => &elementwise::MUL,
            BinaryOp::Divide => &elementwise::DIV,
            BinaryOp::Power => &elementwise::POW,
            BinaryOp::MatrixProduct => {
                return self.whole(Function::MatrixProduct, "@", vec![a, b], own, at, scope);
            }
        };
        let args = match op {
            BinaryOp::Greater | BinaryOp::GreaterEqual => vec![b, a],
            BinaryOp::Or
            | BinaryOp::And
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::MatrixProduct
            | BinaryOp::Power => vec![a, b],
        };
        self.map(row, args, own, scope)
    }

    /// `x == "low"`: the code of a level that the declaration lists.
    fn label_comparison(
        &mut self,
        op: BinaryOp,
        a: &ast::Expr,
        b: &ast::Expr,
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<Option<ExprId>> {
        let (column, label, at) = match (&a.kind, &b.kind) {
            (_, ast::ExprKind::Text(label)) => (a, label, b.span),
            (ast::ExprKind::Text(label), _) => (b, label, a.span),
            _ => return None,
        };
        let Some(value) = self.expr(column, scope) else {
            return Some(None);
        };
        let labels = match self.as_column(value).map(|id| &self.column(id).kind) {
            Some(DataKind::Ordinal(_, labels)) => labels.clone(),
            Some(
                DataKind::Real
                | DataKind::Positive
                | DataKind::Unit
                | DataKind::Count
                | DataKind::Binary
                | DataKind::Category(_)
                | DataKind::Key(_),
            )
            | None => Vec::new(),
        };
        if labels.is_empty() {
            let message = "comparing with a label is not available yet";
            let problem = scope
                .problem(Code::FormNotAvailable, at, message)
                .label("a label");
            return Some(self.fail(problem.hint(
                "it works for the levels that `ordinal(\"low\", \"high\")` lists; else `data is_low: binary`",
            )));
        }
        let Some(code) = labels.iter().position(|l| l == label) else {
            let known: Vec<String> = labels.iter().map(|l| format!("\"{l}\"")).collect();
            let message = format!("\"{label}\" is not one of its levels");
            let problem = scope.problem(Code::TextAsValue, at, message);
            return Some(self.fail(problem.hint(format!("levels are {}", known.join(", ")))));
        };
        let row = if op == BinaryOp::Equal {
            &elementwise::EQUAL
        } else {
            &elementwise::NOT_EQUAL
        };
        let code = self.constant(vec![code as f64 + 1.0], Event::new(), scope.span(at));
        Some(code.and_then(|code| self.map(row, vec![value, code], own, scope)))
    }

    /// An elementwise operation on equal shapes and numbers.
    pub(super) fn map(
        &mut self,
        op: &'static Elementwise,
        args: Vec<ExprId>,
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let compares = *op == elementwise::EQUAL || *op == elementwise::NOT_EQUAL;
        let mut event = Event::new();
        for &arg in &args {
            if !compares {
                self.key_as_value(arg, own, scope)?;
            }
            let other = self.typed.expr(arg).event.clone();
            if event.is_empty() {
                event = other;
            } else if !other.is_empty() && other != event {
                let first = self.typed.expr(args[0]);
                let (first_span, arg_span) = (first.span, self.typed.expr(arg).span);
                let message = format!(
                    "shapes differ: {} and {}",
                    self.describe(&event),
                    self.describe(&other)
                );
                let mut problem = scope
                    .problem(Code::ShapesDiffer, own, message)
                    .label("element by element needs equal shapes, or a number");
                if scope.call.is_none() {
                    problem = problem
                        .other(first_span, self.describe(&event))
                        .other(arg_span, self.describe(&other));
                }
                if let ([m], [n]) = (event.as_slice(), other.as_slice())
                    && matches!(
                        (m, n),
                        (Dim::Fixed(_), Dim::Size(..)) | (Dim::Size(..), Dim::Fixed(_))
                    )
                {
                    problem =
                        problem.hint("sizes that data fix are written by name in both shapes");
                }
                return self.fail(problem);
            }
        }
        self.category_as_number(op, &args, own, scope);
        self.function_domain(op, &args, own, scope)?;
        if let Some(size) = self.size_plus(op, &args) {
            return self.add(size, scope.span(own), [], event, Depends::Data);
        }
        let kind = ExprKind::Map(op, args.clone());
        self.combine(kind, &args, event, scope.span(own))
    }

    /// A size plus or minus a whole number is a size.
    fn size_plus(&self, op: &Elementwise, args: &[ExprId]) -> Option<ExprKind> {
        let &[a, b] = args else {
            return None;
        };
        let whole = |id: ExprId| match self.as_constant(id) {
            Some(&[x]) if x.fract() == 0.0 && x.abs() < 1e9 => Some(x as i64),
            Some(_) | None => None,
        };
        let (left, right) = (&self.typed.expr(a).kind, &self.typed.expr(b).kind);
        match (left, right) {
            (ExprKind::Size(id, plus), _) if *op == elementwise::ADD => {
                Some(ExprKind::Size(*id, plus + whole(b)?))
            }
            (ExprKind::Size(id, plus), _) if *op == elementwise::SUB => {
                Some(ExprKind::Size(*id, plus - whole(b)?))
            }
            (_, ExprKind::Size(id, plus)) if *op == elementwise::ADD => {
                Some(ExprKind::Size(*id, plus + whole(a)?))
            }
            _ => None,
        }
    }

    /// `if c then a else b`.
    fn choice(
        &mut self,
        c: &ast::Expr,
        a: &ast::Expr,
        b: &ast::Expr,
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let condition = self.condition(c, scope);
        let (left, right) = (self.expr(a, scope), self.expr(b, scope));
        let (c, left, right) = (condition?, left?, right?);
        self.key_as_value(left, a.span, scope)?;
        self.key_as_value(right, b.span, scope)?;
        let (x, y) = (
            self.typed.expr(left).event.clone(),
            self.typed.expr(right).event.clone(),
        );
        if x != y && !x.is_empty() && !y.is_empty() {
            let message = format!(
                "the branches differ in shape: {} and {}",
                self.describe(&x),
                self.describe(&y)
            );
            let problem = scope
                .problem(Code::ShapesDiffer, b.span, message)
                .label(self.describe(&y))
                .other(a.span, self.describe(&x));
            return self.fail(problem);
        }
        let event = if x.is_empty() { y } else { x };
        if let ExprKind::Constant(values) = &self.typed.expr(c).kind {
            let taken = if values[0] == 0.0 { right } else { left };
            if self.typed.expr(taken).event == event {
                return Some(taken);
            }
        }
        let kind = ExprKind::If(c, left, right);
        self.combine(kind, &[c, left, right], event, scope.span(own))
    }

    /// A condition: a number of data and constants.
    pub(super) fn condition(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Option<ExprId> {
        let id = self.scalar(expr, "a condition", scope)?;
        self.key_as_value(id, expr.span, scope)?;
        if self.typed.expr(id).depends < Depends::Latent {
            return Some(id);
        }
        let message = "a condition is made of data and constants";
        let problem = scope
            .problem(Code::ConditionOfLatents, expr.span, message)
            .label("depends on latent variables");
        self.fail(problem.hint(
            "a smooth switch such as `sigmoid(k * (x - a))` keeps the density differentiable",
        ))
    }

    /// Key columns hold labels: they index, and compare with each other, but are no numbers.
    pub(super) fn key_as_value(&mut self, id: ExprId, own: Span, scope: &Scope<'_>) -> Option<()> {
        let ExprKind::Column(column) = self.typed.expr(id).kind else {
            return Some(());
        };
        let column = self.column(column);
        let DataKind::Key(plate) = column.kind else {
            return Some(());
        };
        let name = column.name.clone();
        let message = format!("`{name}` holds labels of {}", self.plate_name(plate));
        let span = if scope.call.is_some() {
            own
        } else {
            self.typed.expr(id).span
        };
        let problem = scope
            .problem(Code::KeyAsValue, span, message)
            .label("a label is no number");
        self.fail(problem.hint(format!(
            "`x[{name}]` is the value of a variable `x` of {} there",
            self.plate_name(plate)
        )))
    }

    /// Warns when the codes of a category enter arithmetic.
    fn category_as_number(
        &mut self,
        op: &Elementwise,
        args: &[ExprId],
        own: Span,
        scope: &Scope<'_>,
    ) {
        if op.range == elementwise::Domain::Binary {
            return;
        }
        for &arg in args {
            let ExprKind::Column(column) = self.typed.expr(arg).kind else {
                continue;
            };
            let column = self.column(column);
            if !matches!(column.kind, DataKind::Category(_)) {
                continue;
            }
            let name = column.name.clone();
            let message = format!("the codes of the category `{name}` are used as numbers");
            let span = if scope.call.is_some() {
                own
            } else {
                self.typed.expr(arg).span
            };
            let problem = scope
                .problem(Code::CategoryAsNumber, span, message)
                .label("1, 2 … in the order of its labels")
                .hint(format!(
                    "`x[{name}]` picks a coefficient per level; `({name} == 2)` is an indicator"
                ));
            self.problems.push(problem);
        }
    }
}

//! How a model's names, plates and expressions are written in a derivation.

use super::formula::Formula;
use super::formula::Sign;
use super::formula::join;
use super::formula::over;
use crate::ast;
use crate::ast::Ast;
use crate::ast::BinaryOp;
use crate::ast::Expr;
use crate::ast::ExprKind;
use crate::ast::Slot;
use crate::ast::UnaryOp;
use crate::shape::PlateId;
use crate::typed::PlateSource;
use crate::typed::Typed;
use indexmap::IndexMap;

/// The notation of one model.
#[derive(Debug)]
pub(super) struct Notation<'a> {
    typed: &'a Typed,
    letters: Vec<Formula>,
    samples: IndexMap<String, ast::Sample>,
    defines: IndexMap<String, ast::Define>,
    factors: Vec<ast::Factor>,
}

impl<'a> Notation<'a> {
    /// Chooses a letter for each plate and collects the statements as written.
    pub(super) fn new(typed: &'a Typed) -> Notation<'a> {
        let tree = ast::parse(typed.source()).expect("invariant: a checked model parses");
        let mut notation = Notation {
            typed,
            letters: letters(typed),
            samples: IndexMap::new(),
            defines: IndexMap::new(),
            factors: Vec::new(),
        };
        notation.collect(tree);
        if let Some(tree) = typed.learned_rates() {
            notation.collect(tree);
        }
        notation
    }

    fn collect(&mut self, tree: Ast) {
        let mut waiting = tree.statements;
        while let Some(statement) = waiting.pop() {
            match statement {
                ast::Statement::Plate(plate) => waiting.extend(plate.body),
                ast::Statement::Sample(sample) => {
                    for target in &sample.targets {
                        self.samples
                            .insert(target.name.text.clone(), sample.clone());
                    }
                }
                ast::Statement::Define(define) => {
                    self.defines.insert(define.name.text.clone(), define);
                }
                ast::Statement::Factor(factor) => self.factors.push(factor),
                ast::Statement::Data(_)
                | ast::Statement::Const(_)
                | ast::Statement::Function(_)
                | ast::Statement::Guide(_) => {}
            }
        }
    }

    /// The checked model.
    pub(super) fn typed(&self) -> &'a Typed {
        self.typed
    }

    /// The statement `name ~ …` as written.
    pub(super) fn sample(&self, name: &str) -> Option<&ast::Sample> {
        self.samples.get(name)
    }

    /// The statement `name = …` as written.
    pub(super) fn define(&self, name: &str) -> Option<&ast::Define> {
        self.defines.get(name)
    }

    /// The `factor` at this place of the text.
    pub(super) fn factor(&self, start: usize) -> Option<&ast::Factor> {
        self.factors.iter().find(|f| f.span.start == start)
    }

    /// A plate's name in words.
    pub(super) fn plate_name(&self, plate: PlateId) -> &str {
        &self.typed.plates()[plate.index()].name
    }

    /// The letter for an element of a plate.
    pub(super) fn letter(&self, plate: PlateId) -> Formula {
        self.letters[plate.index()].clone()
    }

    /// The plate in which this one is drawn: its only parent; none when it stands alone or has several.
    pub(super) fn drawn_in(&self, plate: PlateId) -> Option<PlateId> {
        match self.typed.plates()[plate.index()].parents.as_slice() {
            [parent] if *parent != PlateId::TOP => Some(*parent),
            _ => None,
        }
    }

    /// The plates whose letters are bound where a statement of this plate stands, innermost last.
    pub(super) fn scope(&self, plate: PlateId) -> Vec<PlateId> {
        if plate == PlateId::TOP {
            return Vec::new();
        }
        let mut scope = self.drawn_in(plate).map_or(Vec::new(), |p| self.scope(p));
        scope.push(plate);
        scope
    }

    /// The elements that a sum or product over a plate goes over: `c in county`, `h in c`.
    pub(super) fn elements(&self, plate: PlateId) -> Formula {
        let set = match self.drawn_in(plate) {
            Some(parent) => self.letter(parent),
            None => Formula::new(
                self.plate_name(plate),
                format!(
                    r"\mathit{{{}}}",
                    super::formula::escape(self.plate_name(plate))
                ),
            ),
        };
        self.letter(plate)
            .then(&Formula::new(" in ", r" \in "))
            .then(&set)
    }

    /// The element of `plate` that the elements in scope lie in; none when they lie in no single one.
    pub(super) fn index(&self, plate: PlateId, scope: &[PlateId]) -> Option<Formula> {
        if scope.contains(&plate) {
            return Some(self.letter(plate));
        }
        let below = scope
            .iter()
            .rev()
            .find(|s| self.typed.determines(**s, plate))?;
        Some(self.letter(plate).at(&[self.letter(*below)]))
    }

    /// A variable, column or definition of `plate` where `scope` is bound.
    pub(super) fn named(&self, name: &str, plate: PlateId, scope: &[PlateId]) -> Formula {
        let symbol = Formula::name(name);
        if plate == PlateId::TOP {
            return symbol;
        }
        match self.index(plate, scope) {
            Some(index) => symbol.at(&[index]),
            None => symbol,
        }
    }

    /// A name, wherever it is declared.
    fn any(&self, name: &str, scope: &[PlateId]) -> Formula {
        if let Some(plate) = self.plate_called(name) {
            return self
                .index(plate, scope)
                .unwrap_or_else(|| Formula::name(name));
        }
        let latent = self.typed.latents().iter().find(|x| x.name == name);
        let column = self.typed.columns().iter().find(|x| x.name == name);
        let definition = self.typed.definitions().iter().find(|x| x.name == name);
        let plate = latent
            .map(|x| x.plate)
            .or(column.map(|x| x.plate))
            .or(definition.map(|x| x.plate));
        match plate {
            Some(plate) => self.named(name, plate, scope),
            None => match name {
                "inf" => Formula::new("inf", r"\infty"),
                _ => Formula::name(name),
            },
        }
    }

    fn plate_called(&self, name: &str) -> Option<PlateId> {
        let place = self.typed.plates().iter().position(|p| p.name == name)?;
        (place > 0).then_some(PlateId(place as u32))
    }

    /// A distribution with its arguments: `Normal(mu, tau)`.
    pub(super) fn call(&self, call: &ast::Call, scope: &[PlateId]) -> Formula {
        let args: Vec<Formula> = call.args.iter().map(|a| self.arg(a, scope)).collect();
        Formula::upright(&call.name.text)
            .and("(")
            .then(&join(&args, ", ", r",\, "))
            .and(")")
    }

    fn arg(&self, arg: &ast::Arg, scope: &[PlateId]) -> Formula {
        let value = self.expr(&arg.value, scope);
        match &arg.name {
            Some(name) => Formula::upright(&name.text).and(" = ").then(&value),
            None => value,
        }
    }

    /// An expression as written, with indices.
    pub(super) fn expr(&self, expr: &Expr, scope: &[PlateId]) -> Formula {
        match &expr.kind {
            ExprKind::Number(x) => Formula::same(x),
            ExprKind::Text(text) => Formula::new(
                format!("\"{text}\""),
                format!(r"\text{{``{}''}}", super::formula::escape(text)),
            ),
            ExprKind::Name(name) => self.any(name, scope),
            ExprKind::Vector(items) => {
                let items: Vec<Formula> = items.iter().map(|e| self.expr(e, scope)).collect();
                Formula::same("[")
                    .then(&join(&items, ", ", r",\, "))
                    .and("]")
            }
            ExprKind::Unary(op, of) => {
                let sign = match op {
                    UnaryOp::Negate => Formula::same("-"),
                    UnaryOp::Not => Formula::new("!", r"\lnot "),
                };
                sign.then(&self.expr(of, scope))
            }
            ExprKind::Binary(op, _, a, b) => self.binary(*op, a, b, scope),
            ExprKind::If(c, a, b) => {
                let [c, a, b] = [c, a, b].map(|e| self.expr(e, scope));
                Formula::new(
                    format!("if {} then {} else {}", c.text, a.text, b.text),
                    format!(
                        r"\begin{{cases}} {} & \text{{if }} {} \\ {} & \text{{otherwise}} \end{{cases}}",
                        a.latex, c.latex, b.latex
                    ),
                )
            }
            ExprKind::Index(base, slots) => {
                let slots: Vec<Formula> = slots
                    .iter()
                    .map(|slot| match slot {
                        Slot::All(_) => Formula::same(":"),
                        Slot::At(e) => self.expr(e, scope),
                    })
                    .collect();
                let base = self.expr(base, scope);
                // `b[s][1]` reads better as `b[s, 1]`.
                match base.text.strip_suffix(']') {
                    Some(open) => {
                        let text = join(&slots, ", ", ",").text;
                        Formula::new(format!("{open}, {text}]"), base.at(&slots).latex)
                    }
                    None => base.at(&slots),
                }
            }
            ExprKind::Call(call) => self.function(call, scope),
            ExprKind::Reduce {
                function,
                plate,
                body,
            } => self.reduce(&function.text, &plate.text, body, scope),
            ExprKind::Paren(inside) => self.expr(inside, scope).parens(),
        }
    }

    fn binary(&self, op: BinaryOp, a: &Expr, b: &Expr, scope: &[PlateId]) -> Formula {
        let [left, right] = [a, b].map(|e| self.expr(e, scope));
        match op {
            BinaryOp::Divide => {
                let bare = |e: &Expr, f: &Formula| {
                    if let ExprKind::Paren(inside) = &e.kind {
                        self.expr(inside, scope).latex
                    } else {
                        f.latex.clone()
                    }
                };
                return Formula::new(
                    format!("{} / {}", left.text, right.text),
                    format!(r"\frac{{{}}}{{{}}}", bare(a, &left), bare(b, &right)),
                );
            }
            BinaryOp::Power => {
                return Formula::new(
                    format!("{}^{}", left.text, right.text),
                    format!("{{{}}}^{{{}}}", left.latex, right.latex),
                );
            }
            BinaryOp::Multiply if matches!(b.kind, ExprKind::Number(_)) => {
                return infix(&left, " * ", r" \cdot ", &right);
            }
            BinaryOp::Or
            | BinaryOp::And
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::MatrixProduct => {}
        }
        let (text, latex) = match op {
            BinaryOp::Or => (" || ", r" \lor "),
            BinaryOp::And => (" && ", r" \land "),
            BinaryOp::Equal => (" == ", " = "),
            BinaryOp::NotEqual => (" != ", r" \neq "),
            BinaryOp::Less => (" < ", " < "),
            BinaryOp::LessEqual => (" <= ", r" \leq "),
            BinaryOp::Greater => (" > ", " > "),
            BinaryOp::GreaterEqual => (" >= ", r" \geq "),
            BinaryOp::Add => (" + ", " + "),
            BinaryOp::Subtract => (" - ", " - "),
            BinaryOp::Multiply => (" * ", r"\, "),
            BinaryOp::MatrixProduct => (" @ ", r"\, "),
            BinaryOp::Divide => (" / ", " / "),
            BinaryOp::Power => ("^", "^"),
        };
        infix(&left, text, latex, &right)
    }

    fn function(&self, call: &ast::Call, scope: &[PlateId]) -> Formula {
        let args: Vec<Formula> = call.args.iter().map(|a| self.arg(a, scope)).collect();
        let name = &call.name.text;
        let list = join(&args, ", ", r",\, ");
        let latex = match name.as_str() {
            "sqrt" => format!(r"\sqrt{{{}}}", list.latex),
            "square" => format!(r"\left({}\right)^2", list.latex),
            "abs" => format!(r"\left|{}\right|", list.latex),
            "exp" | "log" | "sin" | "cos" | "tan" | "tanh" | "min" | "max" => {
                format!(r"\{name}\left({}\right)", list.latex)
            }
            _ => format!(
                r"\operatorname{{{}}}\left({}\right)",
                super::formula::escape(name),
                list.latex
            ),
        };
        Formula::new(format!("{name}({})", list.text), latex)
    }

    fn reduce(&self, function: &str, plate: &str, body: &Expr, scope: &[PlateId]) -> Formula {
        let Some(id) = self.plate_called(plate) else {
            return self.expr(body, scope);
        };
        let mut inner = scope.to_vec();
        inner.push(id);
        let body = self.expr(body, &inner);
        let within = scope.iter().rev().find(|s| self.typed.determines(id, **s));
        let set = match within {
            Some(above) => self.letter(*above),
            None => Formula::name(plate),
        };
        let elements = self
            .letter(id)
            .then(&Formula::new(" in ", r" \in "))
            .then(&set);
        let latex = if function == "sum" {
            format!("{}{}", over(Sign::Sum, &elements).latex, body.latex)
        } else {
            format!(
                r"\operatorname*{{{}}}_{{{}}} {}",
                super::formula::escape(function),
                elements.latex,
                body.latex
            )
        };
        Formula::new(
            format!("{function}({}: {})", elements.text, body.text),
            latex,
        )
    }
}

fn infix(left: &Formula, text: &str, latex: &str, right: &Formula) -> Formula {
    left.clone().then(&Formula::new(text, latex)).then(right)
}

/// One letter for each plate, from its own name where it is free.
fn letters(typed: &Typed) -> Vec<Formula> {
    // The letters of densities, differentials and expectations are taken, and so is every name of the model.
    let mut taken: Vec<String> = ["p", "q", "d", "e"].map(str::to_owned).to_vec();
    taken.extend(typed.latents().iter().map(|x| x.name.clone()));
    taken.extend(typed.columns().iter().map(|x| x.name.clone()));
    taken.extend(typed.definitions().iter().map(|x| x.name.clone()));
    typed
        .plates()
        .iter()
        .map(|plate| {
            if plate.source == PlateSource::Top {
                return Formula::default();
            }
            let own = plate.name.to_lowercase();
            let letter = own
                .chars()
                .chain("ijklmnrstuvwxyzabcfgho".chars())
                .filter(char::is_ascii_lowercase)
                .map(|c| c.to_string())
                .find(|c| !taken.contains(c))
                .unwrap_or(own);
            taken.push(letter.clone());
            Formula::same(letter)
        })
        .collect()
}

//! The syntax tree as text: one line a statement, parentheses around whatever has parts, names as written.

use super::*;

/// Writes the tree as S-expressions, blocks indented.
///
/// Two texts with the same dump mean the same; parentheses of the user are not shown.
pub fn dump(ast: &Ast) -> String {
    let mut out = String::new();
    block(&mut out, &ast.statements, 0);
    out
}

fn block(out: &mut String, statements: &[Statement], depth: usize) {
    for statement in statements {
        out.push_str(&"  ".repeat(depth));
        match statement {
            Statement::Plate(plate) => {
                out.push_str(&header(plate));
                out.push('\n');
                block(out, &plate.body, depth + 1);
            }
            Statement::Guide(guide) => {
                out.push_str("guide\n");
                for rule in &guide.rules {
                    let target = rule.target.as_ref().map_or("default", |t| &t.text);
                    let indent = "  ".repeat(depth + 1);
                    out.push_str(&format!("{indent}{target}: {}\n", call(&rule.family)));
                }
            }
            Statement::Data(data) => line(out, data_parts(data)),
            Statement::Const(it) => {
                line(out, vec!["const".into(), name(&it.name), expr(&it.value)])
            }
            Statement::Function(it) => {
                let params: Vec<String> = it.params.iter().map(name).collect();
                let head = group(vec![name(&it.name), params.join(" ")]);
                line(out, vec!["fn".into(), head, expr(&it.body)]);
            }
            Statement::Factor(it) => {
                let parts = vec!["factor".into(), expr(&it.value)];
                line(out, with_condition(parts, it.condition.as_ref()));
            }
            Statement::Sample(it) => {
                let mut parts = vec!["~".to_owned()];
                parts.extend(it.targets.iter().map(|t| shaped(&t.name, &t.shape)));
                parts.push(call(&it.distribution));
                line(out, with_condition(parts, it.condition.as_ref()));
            }
            Statement::Define(it) => {
                line(
                    out,
                    vec!["=".into(), shaped(&it.name, &it.shape), expr(&it.value)],
                );
            }
        }
    }
}

fn line(out: &mut String, parts: Vec<String>) {
    out.push_str(&group(parts));
    out.push('\n');
}

fn group(parts: Vec<String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    format!("({})", parts.join(" "))
}

fn with_condition(mut parts: Vec<String>, condition: Option<&Expr>) -> Vec<String> {
    parts.extend(condition.map(|c| format!("where {}", expr(c))));
    parts
}

fn header(plate: &Plate) -> String {
    let mut parts = vec!["plate".to_owned(), name(&plate.name)];
    match &plate.source {
        None => {}
        Some(PlateSource::Rows { table, .. }) => {
            let table: Vec<Name> = table.iter().cloned().collect();
            parts.push(list("rows", &table));
        }
        Some(PlateSource::Levels { columns, .. }) => parts.push(list("levels", columns)),
        Some(PlateSource::Union { columns, .. }) => parts.push(list("union", columns)),
        Some(PlateSource::Size(size)) => parts.push(group(vec!["size".into(), expr(size)])),
    }
    if !plate.parents.is_empty() {
        parts.push(list("in", &plate.parents));
    }
    if let Some(order) = &plate.order {
        let within = order
            .within
            .iter()
            .map(|w| format!("within {}", name(w)))
            .collect();
        parts.push(group(vec!["order".into(), name(&order.by), within]));
    }
    parts.join(" ")
}

fn data_parts(data: &Data) -> Vec<String> {
    let kind = match data.kind_args.is_empty() {
        true => name(&data.kind),
        false => group([vec![name(&data.kind)], exprs(&data.kind_args)].concat()),
    };
    let shape = match data.shape.is_empty() {
        true => String::new(),
        false => format!("[{}]", exprs(&data.shape).join(" ")),
    };
    let mark = if data.optional.is_some() { "?" } else { "" };
    let from = data.from.as_ref().map_or(String::new(), |from| {
        list(if from.many { "columns" } else { "column" }, &from.names)
    });
    let mut parts = vec!["data".to_owned()];
    parts.extend(data.names.iter().map(name));
    parts.extend([format!(": {kind}{shape}{mark}"), from]);
    parts
}

fn list(word: &str, names: &[Name]) -> String {
    let mut parts = vec![word.to_owned()];
    parts.extend(names.iter().map(name));
    group(parts)
}

/// A name as it is, a column's name in quotes where it is not one.
fn name(name: &Name) -> String {
    let plain = name
        .text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_');
    match plain && !name.text.starts_with(|c: char| c.is_ascii_digit()) && !name.text.is_empty() {
        true => name.text.clone(),
        false => format!("{:?}", name.text),
    }
}

fn shaped(variable: &Name, shape: &[Expr]) -> String {
    match shape.is_empty() {
        true => name(variable),
        false => format!("{}[{}]", name(variable), exprs(shape).join(" ")),
    }
}

fn exprs(list: &[Expr]) -> Vec<String> {
    list.iter().map(expr).collect()
}

fn expr(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(value) => value.to_string(),
        ExprKind::Text(text) => format!("{text:?}"),
        ExprKind::Name(text) => text.clone(),
        ExprKind::Vector(items) => format!("[{}]", exprs(items).join(" ")),
        ExprKind::Unary(UnaryOp::Negate, operand) => group(vec!["-".into(), self::expr(operand)]),
        ExprKind::Unary(UnaryOp::Not, operand) => group(vec!["!".into(), self::expr(operand)]),
        ExprKind::Binary(operator, _, left, right) => group(vec![
            sign(*operator).into(),
            self::expr(left),
            self::expr(right),
        ]),
        ExprKind::If(condition, then, other) => {
            let parts = [condition, then, other].map(|e| self::expr(e));
            group([vec!["if".to_owned()], parts.to_vec()].concat())
        }
        ExprKind::Index(base, slots) => {
            let mut parts = vec!["at".to_owned(), self::expr(base)];
            parts.extend(slots.iter().map(|slot| match slot {
                Slot::All(_) => ":".to_owned(),
                Slot::At(index) => self::expr(index),
            }));
            group(parts)
        }
        ExprKind::Call(it) => call(it),
        ExprKind::Reduce {
            function,
            plate,
            body,
        } => group(vec![
            function.text.clone(),
            format!("{}:", plate.text),
            self::expr(body),
        ]),
        ExprKind::Paren(inner) => self::expr(inner),
    }
}

fn call(call: &Call) -> String {
    let mut parts = vec![call.name.text.clone()];
    parts.extend(call.args.iter().map(|arg| match &arg.name {
        Some(word) => format!("{}={}", word.text, expr(&arg.value)),
        None => expr(&arg.value),
    }));
    group(parts)
}

fn sign(operator: BinaryOp) -> &'static str {
    match operator {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::MatrixProduct => "@",
        BinaryOp::Power => "^",
    }
}

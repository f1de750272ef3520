//! From the grammar's pairs to the syntax tree; nothing else here or elsewhere knows of `pest`.

use super::rules::is_mark;
use super::rules::rank;
use super::rules::words;
use super::*;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use pest::Parser;
use pest::error::ErrorVariant;
use pest::error::InputLocation;
use pest::iterators::Pair;
use pest::iterators::Pairs;
use pest::pratt_parser::Assoc;
use pest::pratt_parser::Op;
use pest::pratt_parser::PrattParser;
use std::cell::RefCell;
use std::sync::LazyLock;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/hvi.pest"]
struct Grammar;

/// Where the grammar stops.
#[derive(Debug)]
pub(super) enum Failure {
    /// At a byte; in words, what could have stood there.
    Unexpected(usize, Vec<&'static str>),
    /// At a byte where the text nests too deeply for the stack.
    TooDeep(usize),
}

/// Reads a text that went through `layout`; also gives what the grammar lets pass and the language does not.
pub(super) fn read(text: &str) -> Result<(Ast, Problems), Failure> {
    let file = Grammar::parse(Rule::file, text).map_err(failure)?;
    let reader = Reader {
        problems: RefCell::new(Problems::new()),
    };
    let statements = file.flat_map(|f| reader.body(f.into_inner())).collect();
    Ok((Ast { statements }, reader.problems.into_inner()))
}

fn failure(error: pest::error::Error<Rule>) -> Failure {
    let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
    match error.variant {
        ErrorVariant::ParsingError { positives, .. } => {
            let mut expected: Vec<&'static str> = positives.iter().map(|r| words(*r)).collect();
            expected.retain(|w| !w.is_empty());
            expected.sort_by_key(|w| rank(w));
            expected.dedup();
            Failure::Unexpected(at, expected)
        }
        ErrorVariant::CustomError { .. } => Failure::TooDeep(at),
    }
}

static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::or))
        .op(left(Rule::and))
        .op(left(Rule::eq)
            | left(Rule::ne)
            | left(Rule::le)
            | left(Rule::ge)
            | left(Rule::lt)
            | left(Rule::gt))
        .op(left(Rule::add) | left(Rule::subtract))
        .op(left(Rule::multiply) | left(Rule::divide) | left(Rule::product))
        .op(Op::prefix(Rule::negate) | Op::prefix(Rule::not))
        .op(Op::infix(Rule::power, Assoc::Right))
});

const FIXED: &str = "the grammar fixes what stands here";

/// A pair's place without the blanks that pest puts at its end.
fn span(pair: &Pair<'_, Rule>) -> Span {
    let start = pair.as_span().start();
    Span::new(start, start + pair.as_str().trim_end().len())
}

/// The pairs of a rule's inside, without punctuation and keywords.
struct Parts<'i> {
    list: std::iter::Peekable<std::vec::IntoIter<Pair<'i, Rule>>>,
}

impl<'i> Parts<'i> {
    fn of(pair: Pair<'i, Rule>) -> Parts<'i> {
        let list: Vec<Pair<'i, Rule>> = pair
            .into_inner()
            .filter(|p| !is_mark(p.as_rule()))
            .collect();
        Parts {
            list: list.into_iter().peekable(),
        }
    }

    fn next(&mut self) -> Pair<'i, Rule> {
        self.list.next().expect(FIXED)
    }

    fn next_if(&mut self, rule: Rule) -> Option<Pair<'i, Rule>> {
        self.list.next_if(|p| p.as_rule() == rule)
    }
}

struct Reader {
    problems: RefCell<Problems>,
}

impl Reader {
    fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn body(&self, pairs: Pairs<'_, Rule>) -> Vec<Statement> {
        let mut statements = Vec::new();
        for pair in pairs.filter(|p| !is_mark(p.as_rule())) {
            if pair.as_rule() == Rule::bare {
                // A block whose header has been reported: what is wrong inside is still of interest.
                let blocks = pair.into_inner();
                statements.extend(blocks.flat_map(|block| self.body(block.into_inner())));
            } else {
                statements.push(self.statement(pair));
            }
        }
        statements
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the grammar fixes the rules of a statement"
    )]
    fn statement(&self, pair: Pair<'_, Rule>) -> Statement {
        let span = span(&pair);
        let rule = pair.as_rule();
        let mut parts = Parts::of(pair);
        match rule {
            Rule::plate => Statement::Plate(self.plate(parts, span)),
            Rule::data => Statement::Data(self.data(parts, span)),
            Rule::constant => Statement::Const(Const {
                name: name(&parts.next()),
                value: self.expr(parts.next()),
                span,
            }),
            Rule::function => Statement::Function(Function {
                name: name(&parts.next()),
                params: names(parts.next()),
                body: self.expr(parts.next()),
                span,
            }),
            Rule::factor => Statement::Factor(Factor {
                value: self.expr(parts.next()),
                condition: self.condition(&mut parts),
                span,
            }),
            Rule::guide => Statement::Guide(Guide {
                rules: parts.list.map(|rule| self.rule(rule)).collect(),
                span,
            }),
            Rule::sample => Statement::Sample(self.sample(parts, span)),
            Rule::define => {
                let target = self.target(parts.next());
                Statement::Define(Define {
                    name: target.name,
                    shape: target.shape,
                    value: self.expr(parts.next()),
                    span,
                })
            }
            other => unreachable!("{FIXED}: {other:?}"),
        }
    }

    fn plate(&self, mut parts: Parts<'_>, whole: Span) -> Plate {
        let name = name(&parts.next());
        let mut header = Span::new(whole.start, name.span.end);
        let source = parts.next_if(Rule::source).map(|s| {
            header = header.to(span(&s));
            self.source(s)
        });
        let mut parents: Option<Pair<'_, Rule>> = None;
        let mut order: Option<Pair<'_, Rule>> = None;
        while let Some(clause) = parts
            .next_if(Rule::parents)
            .or_else(|| parts.next_if(Rule::order))
        {
            header = header.to(span(&clause));
            let (seen, words) = if clause.as_rule() == Rule::parents {
                (&mut parents, "`in`")
            } else {
                (&mut order, "`order by`")
            };
            match seen {
                Some(first) => self.report(
                    Problem::at(
                        Code::RepeatedClause,
                        span(&clause),
                        format!("plate `{}` has two clauses {words}", name.text),
                    )
                    .other(span(first), "the first one")
                    .hint(if words == "`in`" {
                        "list all plates after one `in`: `in P, Q`"
                    } else {
                        "order by one column"
                    }),
                ),
                None => *seen = Some(clause),
            }
        }
        Plate {
            name,
            source,
            parents: parents.map(names).unwrap_or_default(),
            order: order.map(order_clause),
            body: self.body(parts.next().into_inner()),
            span: header,
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the grammar fixes the forms of a source"
    )]
    fn source(&self, pair: Pair<'_, Rule>) -> PlateSource {
        let inner = Parts::of(pair).next();
        let span = span(&inner);
        match inner.as_rule() {
            Rule::rows => PlateSource::Rows {
                table: Parts::of(inner).next_if(Rule::name).map(|n| self::name(&n)),
                span,
            },
            Rule::levels => PlateSource::Levels {
                columns: names(Parts::of(inner).next()),
                span,
            },
            Rule::union => PlateSource::Union {
                columns: names(Parts::of(inner).next()),
                span,
            },
            _ => PlateSource::Size(self.operand(inner)),
        }
    }

    fn data(&self, mut parts: Parts<'_>, span: Span) -> Data {
        Data {
            names: names(parts.next()),
            kind: name(&parts.next()),
            kind_args: parts.next_if(Rule::args).map_or(Vec::new(), |args| {
                Parts::of(args)
                    .list
                    .map(|arg| self.positional(arg))
                    .collect()
            }),
            shape: self.shape(&mut parts),
            optional: parts.next_if(Rule::optional).map(|p| self::span(&p)),
            from: parts.next_if(Rule::from).map(from),
            span,
        }
    }

    /// An argument of a type, which has no names.
    fn positional(&self, pair: Pair<'_, Rule>) -> Expr {
        if matches!(pair.as_rule(), Rule::named | Rule::over) {
            let name = Parts::of(pair.clone()).next();
            self.report(
                Problem::at(
                    Code::UnexpectedText,
                    span(&pair),
                    "the arguments of a type have no names",
                )
                .hint(format!("remove `{}` and the sign behind it", name.as_str())),
            );
            let mut parts = Parts::of(pair);
            parts.next();
            return self.expr(parts.next());
        }
        self.expr(pair)
    }

    fn sample(&self, mut parts: Parts<'_>, span: Span) -> Sample {
        let mut targets = Vec::new();
        while let Some(target) = parts.next_if(Rule::target) {
            targets.push(self.target(target));
        }
        Sample {
            targets,
            distribution: self.call(parts.next()),
            condition: self.condition(&mut parts),
            span,
        }
    }

    fn target(&self, pair: Pair<'_, Rule>) -> Target {
        let span = span(&pair);
        let mut parts = Parts::of(pair);
        Target {
            name: name(&parts.next()),
            shape: self.shape(&mut parts),
            span,
        }
    }

    fn shape(&self, parts: &mut Parts<'_>) -> Vec<Expr> {
        parts
            .next_if(Rule::shape)
            .map_or(Vec::new(), |shape| self.exprs(shape))
    }

    fn condition(&self, parts: &mut Parts<'_>) -> Option<Expr> {
        parts
            .next_if(Rule::condition)
            .map(|c| self.expr(Parts::of(c).next()))
    }

    fn rule(&self, pair: Pair<'_, Rule>) -> GuideRule {
        let span = span(&pair);
        let mut parts = Parts::of(pair);
        let first = parts.next();
        GuideRule {
            target: (first.as_rule() == Rule::name).then(|| name(&first)),
            family: self.call(parts.next()),
            span,
        }
    }

    /// `name` or `name(args)`.
    fn call(&self, pair: Pair<'_, Rule>) -> Call {
        let span = span(&pair);
        let mut parts = Parts::of(pair);
        let name = name(&parts.next());
        let args = parts.next_if(Rule::args);
        let parens = args.is_some();
        let args = args.map_or(Vec::new(), |args| {
            Parts::of(args)
                .list
                .map(|arg| self.arg(&name, arg))
                .collect()
        });
        Call {
            name,
            args,
            parens,
            span,
        }
    }

    fn arg(&self, function: &Name, pair: Pair<'_, Rule>) -> Arg {
        let span = span(&pair);
        let rule = pair.as_rule();
        if !matches!(rule, Rule::named | Rule::over) {
            let value = self.expr(pair);
            return Arg { name: None, value };
        }
        let mut parts = Parts::of(pair);
        let word = name(&parts.next());
        let body = self.expr(parts.next());
        if rule == Rule::named {
            return Arg {
                name: Some(word),
                value: body,
            };
        }
        let kind = ExprKind::Reduce {
            function: function.clone(),
            plate: word,
            body: Box::new(body),
        };
        Arg {
            name: None,
            value: Expr { kind, span },
        }
    }

    fn exprs(&self, pair: Pair<'_, Rule>) -> Vec<Expr> {
        Parts::of(pair).list.map(|p| self.expr(p)).collect()
    }

    fn expr(&self, pair: Pair<'_, Rule>) -> Expr {
        let span = span(&pair);
        let inner = Parts::of(pair).next();
        if inner.as_rule() == Rule::chain {
            return self.chain(inner);
        }
        let mut parts = Parts::of(inner);
        let condition = self.chain(parts.next());
        let (then, other) = (self.expr(parts.next()), self.expr(parts.next()));
        Expr {
            kind: ExprKind::If(Box::new(condition), Box::new(then), Box::new(other)),
            span,
        }
    }

    fn chain(&self, pair: Pair<'_, Rule>) -> Expr {
        PRATT
            .map_primary(|p| self.indexed(p))
            .map_prefix(|operator, operand| {
                let span = span(&operator).to(operand.span);
                let operator = match operator.as_rule() == Rule::not {
                    true => UnaryOp::Not,
                    false => UnaryOp::Negate,
                };
                Expr {
                    kind: ExprKind::Unary(operator, Box::new(operand)),
                    span,
                }
            })
            .map_infix(|left, operator, right| {
                let at = span(&operator);
                let operator = binary(operator.as_rule());
                self.refuse_comparison_chain(operator, at, &left);
                let span = left.span.to(right.span);
                Expr {
                    kind: ExprKind::Binary(operator, at, Box::new(left), Box::new(right)),
                    span,
                }
            })
            .parse(pair.into_inner())
    }

    fn refuse_comparison_chain(&self, operator: BinaryOp, at: Span, left: &Expr) {
        if let ExprKind::Binary(first, first_at, _, middle) = &left.kind
            && is_comparison(operator)
            && is_comparison(*first)
        {
            let hint = if let ExprKind::Name(name) = &middle.kind {
                format!("repeat `{name}` and join the two comparisons with `&&`")
            } else {
                "join two comparisons with `&&`".to_owned()
            };
            self.report(
                Problem::at(Code::ComparisonChain, at, "comparisons do not chain")
                    .label("compares 0 or 1, the result of the first comparison")
                    .other(*first_at, "the first comparison")
                    .hint(hint),
            );
        }
    }

    fn indexed(&self, pair: Pair<'_, Rule>) -> Expr {
        let mut parts = Parts::of(pair);
        let mut expr = self.operand(parts.next());
        for index in parts.list {
            let span = expr.span.to(span(&index));
            let slots = index
                .into_inner()
                .filter(|p| !is_mark(p.as_rule()))
                .map(|slot| match slot.as_rule() == Rule::all {
                    true => Slot::All(self::span(&slot)),
                    false => Slot::At(self.expr(slot)),
                })
                .collect();
            expr = Expr {
                kind: ExprKind::Index(Box::new(expr), slots),
                span,
            };
        }
        expr
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the grammar fixes the forms of an operand"
    )]
    fn operand(&self, pair: Pair<'_, Rule>) -> Expr {
        let span = span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => ExprKind::Number(pair.as_str().trim_end().parse().expect(FIXED)),
            Rule::text => ExprKind::Text(unquoted(pair.as_str())),
            Rule::name => ExprKind::Name(pair.as_str().trim_end().to_owned()),
            Rule::vector => ExprKind::Vector(self.exprs(pair)),
            Rule::paren => ExprKind::Paren(Box::new(self.expr(Parts::of(pair).next()))),
            Rule::call => over_a_plate(self.call(pair)),
            other => unreachable!("{FIXED}: {other:?}"),
        };
        Expr { kind, span }
    }
}

/// `f(P: x)` is an aggregate; any other call stays one.
fn over_a_plate(mut call: Call) -> ExprKind {
    if call.args.len() == 1
        && let Some(Arg { name: None, value }) = call.args.first_mut()
        && matches!(value.kind, ExprKind::Reduce { .. })
    {
        return std::mem::replace(&mut value.kind, ExprKind::Vector(Vec::new()));
    }
    ExprKind::Call(call)
}

/// A name, or a column's name in quotes.
fn name(pair: &Pair<'_, Rule>) -> Name {
    let text = match pair.as_rule() == Rule::text {
        true => unquoted(pair.as_str()),
        false => pair.as_str().trim_end().to_owned(),
    };
    Name {
        text,
        span: span(pair),
    }
}

fn names(pair: Pair<'_, Rule>) -> Vec<Name> {
    Parts::of(pair).list.map(|p| name(&p)).collect()
}

fn order_clause(pair: Pair<'_, Rule>) -> Order {
    let span = span(&pair);
    let mut parts = Parts::of(pair);
    Order {
        by: name(&parts.next()),
        within: parts.next_if(Rule::name).map(|n| name(&n)),
        span,
    }
}

fn from(pair: Pair<'_, Rule>) -> Columns {
    let span = span(&pair);
    let mut parts = Parts::of(pair);
    let many = parts.next().as_rule() == Rule::k_columns;
    let given = parts.next();
    Columns {
        names: match many {
            true => names(given),
            false => vec![name(&given)],
        },
        many,
        span,
    }
}

/// What stands in the quotes; a backslash keeps the character behind it.
fn unquoted(written: &str) -> String {
    let inner = written.trim_end();
    let mut text = String::new();
    let mut characters = inner[1..inner.len() - 1].chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => text.extend(characters.next()),
            _ => text.push(c),
        }
    }
    text
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar fixes the operators"
)]
fn binary(rule: Rule) -> BinaryOp {
    match rule {
        Rule::or => BinaryOp::Or,
        Rule::and => BinaryOp::And,
        Rule::eq => BinaryOp::Equal,
        Rule::ne => BinaryOp::NotEqual,
        Rule::lt => BinaryOp::Less,
        Rule::le => BinaryOp::LessEqual,
        Rule::gt => BinaryOp::Greater,
        Rule::ge => BinaryOp::GreaterEqual,
        Rule::add => BinaryOp::Add,
        Rule::subtract => BinaryOp::Subtract,
        Rule::multiply => BinaryOp::Multiply,
        Rule::divide => BinaryOp::Divide,
        Rule::product => BinaryOp::MatrixProduct,
        Rule::power => BinaryOp::Power,
        other => unreachable!("{FIXED}: {other:?}"),
    }
}

fn is_comparison(operator: BinaryOp) -> bool {
    match operator {
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual => true,
        BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::MatrixProduct
        | BinaryOp::Power => false,
    }
}

//! The syntax tree of a model file: what is written, with a span on every node, and nothing about what it means.

mod brackets;
mod dump;
mod explain;
mod foreign;
mod format;
mod layout;
mod pairs;
mod parse;
mod rules;
mod tokens;

use crate::source::Span;
pub use dump::dump;
pub use format::format;
pub use parse::parse;

/// A whole model file. Blocks and expressions nest at most 256 deep, so passes over it may recurse.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    /// The top level's statements, in the order of the text.
    pub statements: Vec<Statement>,
}

/// A name as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Its characters.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `plate p = rows in a { … }`
    Plate(Plate),
    /// `data x, y: real`
    Data(Data),
    /// `const K = 3`
    Const(Const),
    /// `fn f(x) = expr`
    Function(Function),
    /// `factor expr`
    Factor(Factor),
    /// `guide { … }`
    Guide(Guide),
    /// `x ~ Dist(args)`
    Sample(Sample),
    /// `x = expr`
    Define(Define),
}

/// A plate with its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Plate {
    /// Its name.
    pub name: Name,
    /// What its elements are; `levels(NAME)` when not written.
    pub source: Option<PlateSource>,
    /// `in P, Q`.
    pub parents: Vec<Name>,
    /// `order by t within P`.
    pub order: Option<Order>,
    /// What stands in its braces.
    pub body: Vec<Statement>,
    /// The header: from `plate` to before the opening brace.
    pub span: Span,
}

/// What the elements of a plate are.
#[derive(Clone, Debug, PartialEq)]
pub enum PlateSource {
    /// `rows` or `rows(T)`: one element per row of a table.
    Rows {
        /// The table; the main one when not written.
        table: Option<Name>,
        /// The whole source.
        span: Span,
    },
    /// `levels(a, b)`: one element per distinct combination of the columns' values.
    Levels {
        /// The columns.
        columns: Vec<Name>,
        /// The whole source.
        span: Span,
    },
    /// `union(a, b)`: one element per distinct value of any of the columns.
    Union {
        /// The columns.
        columns: Vec<Name>,
        /// The whole source.
        span: Span,
    },
    /// A number or the name of a constant: that many elements.
    Size(Expr),
}

/// `order by t [within P]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The column that orders.
    pub by: Name,
    /// The plate within which elements follow each other.
    pub within: Option<Name>,
    /// The whole clause.
    pub span: Span,
}

/// A declaration of data columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The names declared.
    pub names: Vec<Name>,
    /// The type's name: `real`, `count`, a plate …
    pub kind: Name,
    /// What stands in parentheses after the type: `category(3)`, `ordinal("low", "high")`.
    pub kind_args: Vec<Expr>,
    /// The shape in brackets.
    pub shape: Vec<Expr>,
    /// The `?` of a column whose values may be missing.
    pub optional: Option<Span>,
    /// `= column("…")` or `= columns(…)`.
    pub from: Option<Columns>,
    /// The whole statement.
    pub span: Span,
}

/// `column("Floor level")` or `columns(a, b, c)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// The columns' names, or one pattern such as `x_*`.
    pub names: Vec<Name>,
    /// Whether it was written `columns` (a vector) rather than `column`.
    pub many: bool,
    /// The whole of it.
    pub span: Span,
}

/// `const K = expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Const {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Expr,
    /// The whole statement.
    pub span: Span,
}

/// `fn f(x, y) = expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Name>,
    /// Its body.
    pub body: Expr,
    /// The whole statement.
    pub span: Span,
}

/// `factor expr where cond`.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// What is added to the log joint density.
    pub value: Expr,
    /// For which elements.
    pub condition: Option<Expr>,
    /// The whole statement.
    pub span: Span,
}

/// `a[D], b ~ Dist(args) where cond`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What is left of `~`.
    pub targets: Vec<Target>,
    /// The distribution: a call (a bare name is a call without arguments).
    pub distribution: Call,
    /// For which elements.
    pub condition: Option<Expr>,
    /// The whole statement.
    pub span: Span,
}

/// A name with a shape, left of `~`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The variable.
    pub name: Name,
    /// Its shape; empty for a scalar.
    pub shape: Vec<Expr>,
    /// Name and shape.
    pub span: Span,
}

/// `x = expr`, `x[D] = expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct Define {
    /// What is defined.
    pub name: Name,
    /// The shape written, which the value must have.
    pub shape: Vec<Expr>,
    /// Its value.
    pub value: Expr,
    /// The whole statement.
    pub span: Span,
}

/// `guide { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Guide {
    /// The rules, in order.
    pub rules: Vec<GuideRule>,
    /// The whole block.
    pub span: Span,
}

/// `default marginal` or `alpha: mean_field`.
#[derive(Clone, Debug, PartialEq)]
pub struct GuideRule {
    /// The variable or plate; `None` for `default`.
    pub target: Option<Name>,
    /// The family, as a call.
    pub family: Call,
    /// The whole rule.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1.5e3`
    Number(f64),
    /// `"low"`
    Text(String),
    /// `alpha`
    Name(String),
    /// `[a, b]`
    Vector(Vec<Expr>),
    /// `-x`, `!x`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`; the span is the operator's.
    Binary(BinaryOp, Span, Box<Expr>, Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `v[k]`, `m[i, :]`
    Index(Box<Expr>, Vec<Slot>),
    /// `f(x, y = 1)`
    Call(Call),
    /// `sum(item: x)`; among other arguments, as in `mixture(w, k: D)`, one of the call's `args`
    Reduce {
        /// The function's name.
        function: Name,
        /// Before the colon: a plate.
        plate: Name,
        /// After the colon.
        body: Box<Expr>,
    },
    /// `(x)`: kept for the formatter.
    Paren(Box<Expr>),
}

/// One place in an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// `:`
    All(Span),
    /// An expression.
    At(Expr),
}

/// A function or a distribution with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub name: Name,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Whether parentheses were written.
    pub parens: bool,
    /// The whole call.
    pub span: Span,
}

/// An argument, by position or by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// `sd` in `sd = 2`.
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// Operators before one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
}

/// Operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `@`
    MatrixProduct,
    /// `^`
    Power,
}

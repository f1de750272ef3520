//! The checked model: names are ids, every expression has a shape, every statement its plate and support.
//!
//! Holding a [`Typed`] proves that it was checked. No data have been read: sizes that depend on them are symbols.

mod aggregates;
mod amortized;
mod arguments;
mod calls;
mod check;
mod columns;
mod dists;
mod domains;
mod dump;
mod exprs;
mod fold;
mod functions;
mod guides;
mod indexing;
mod names;
mod order;
mod outcomes;
mod plates;
mod range;
mod scope;
mod settings;
mod statements;
mod unused;

use crate::dist::Distribution;
use crate::dist::Support;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::shape::Plates;
use crate::shape::SizeId;
use crate::source::Source;
use crate::source::Span;
use crate::tape::elementwise::Elementwise;
pub use amortized::Amortized;
pub use amortized::Order;
pub use amortized::Rate;
pub use check::Overrides;
pub use check::check;
pub use dump::dump;
pub use functions::lower_places;
use indexmap::IndexMap;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// Its place in lists by this id.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// An expression of a checked model.
    ExprId
    /// A declared data column (or vector of columns).
    ColumnId
    /// A latent variable.
    LatentId
    /// A definition `x = expr`.
    DefinitionId
}

/// A checked model.
#[derive(Clone, Debug)]
pub struct Typed {
    pub(crate) source: Source,
    pub(crate) plates: Vec<Plate>,
    pub(crate) sizes: Vec<Size>,
    pub(crate) columns: Vec<Column>,
    pub(crate) latents: Vec<Latent>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) exprs: Vec<Expr>,
    pub(crate) guide: Vec<GuideRule>,
    pub(crate) amortized: Option<Amortized>,
    pub(crate) given: IndexMap<ColumnId, Vec<f64>>,
}

impl Typed {
    /// The text that it was checked from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The plates; the first is the top level. A plate stands after every plate that it determines.
    pub fn plates(&self) -> &[Plate] {
        &self.plates
    }

    /// The sizes that data will fix.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// The data columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The latent variables, each after everything that its distribution names.
    pub fn latents(&self) -> &[Latent] {
        &self.latents
    }

    /// The definitions, each after what it names.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The statements that add to the joint density, in the order of the text.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The plate whose locals are found by gradient steps, where the `guide` block asks for one.
    pub fn amortized(&self) -> Option<&Amortized> {
        self.amortized.as_ref()
    }

    /// The rules of the `guide` block, but for [`Typed::amortized`].
    pub fn guide(&self) -> &[GuideRule] {
        &self.guide
    }

    /// The top-level data given by `--set`, in row-major order; where the declared event has a symbolic size, this fixes it.
    pub fn given(&self) -> &IndexMap<ColumnId, Vec<f64>> {
        &self.given
    }

    /// All expressions, each behind those that it is made of.
    pub fn exprs(&self) -> &[Expr] {
        &self.exprs
    }

    /// An expression.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.index()]
    }

    /// Whether an element of `plate` lies in exactly one element of `other` (also when they are the same).
    pub fn determines(&self, plate: PlateId, other: PlateId) -> bool {
        other == PlateId::TOP || self.plates[plate.index()].determines.contains(&other)
    }
}

/// A plate.
#[derive(Clone, Debug)]
pub struct Plate {
    /// Its name; empty for the top level.
    pub name: String,
    /// What its elements are.
    pub source: PlateSource,
    /// The plates that it is declared `in` (by nesting or by `in`), without those that follow from others; `[TOP]` when there are none; empty for the top level.
    pub parents: Vec<PlateId>,
    /// Every plate that it determines, itself and the top level included.
    pub determines: Vec<PlateId>,
    /// The number of its elements.
    pub size: SizeId,
    /// Its header; the start of the file for the top level.
    pub span: Span,
}

/// What the elements of a plate are.
#[derive(Clone, Debug, PartialEq)]
pub enum PlateSource {
    /// The top level: one element.
    Top,
    /// The rows of a table (`None`: the main one).
    Rows(Option<String>),
    /// The distinct combinations of columns' values.
    Levels(Vec<String>),
    /// The distinct values of any of the columns.
    Union(Vec<String>),
    /// A number of elements, labelled from 1.
    Count(usize),
}

/// A size that data will fix.
#[derive(Clone, Debug)]
pub struct Size {
    /// What it is called in messages: a plate's name, `D`, `levels of y`.
    pub name: String,
    /// What fixes it.
    pub source: SizeSource,
}

/// What fixes a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeSource {
    /// The number of elements of a plate.
    Plate(PlateId),
    /// The number of columns that a `columns(…)` gives.
    Columns(ColumnId),
    /// The number of levels of a category or ordinal column.
    Levels(ColumnId),
}

/// A declared data column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the model.
    pub name: String,
    /// The plate that it lives in; [`PlateId::TOP`] for data that are the same in every row or given by `--set`.
    pub plate: PlateId,
    /// Its type.
    pub kind: DataKind,
    /// Its event, for `real[D]`.
    pub event: Event,
    /// Where it is read from.
    pub from: ColumnSource,
    /// The declared name in the text.
    pub span: Span,
}

/// The type of a data column.
#[derive(Clone, Debug, PartialEq)]
pub enum DataKind {
    /// Any finite number.
    Real,
    /// A number above zero.
    Positive,
    /// A number in [0, 1].
    Unit,
    /// An integer, zero or more.
    Count,
    /// 0 or 1 (also true/false, yes/no).
    Binary,
    /// Unordered levels, coded from 1; the size is their number, which the text may fix.
    Category(crate::shape::Dim),
    /// Ordered levels, coded from 1; the labels when the text lists them.
    Ordinal(crate::shape::Dim, Vec<String>),
    /// The label of an element of a plate.
    Key(PlateId),
}

/// Where a data column is read from.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnSource {
    /// The column of this name; when the event is not scalar and no `columns` is written, the columns `name[1]`, `name[2]` … or `name1`, `name2` ….
    Named(String),
    /// These columns, in this order.
    Many(Vec<String>),
    /// Every column that matches, in file order; `*` stands for any characters.
    Pattern(String),
}

/// A latent variable.
#[derive(Clone, Debug)]
pub struct Latent {
    /// Its name.
    pub name: String,
    /// The plate that it lives in.
    pub plate: PlateId,
    /// Its event, the distribution's own dimensions last.
    pub event: Event,
    /// Its prior.
    pub prior: DistributionUse,
    /// Its support.
    pub support: Support,
    /// The declared name in the text.
    pub span: Span,
}

/// A distribution with checked arguments.
#[derive(Clone, Debug)]
pub struct DistributionUse {
    /// Which.
    pub distribution: &'static dyn Distribution,
    /// Which of its forms (parameterisations).
    pub form: usize,
    /// One argument for each parameter of the form, in the form's order.
    pub args: Vec<Argument>,
    /// The call in the text.
    pub span: Span,
}

/// An argument of a distribution.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A value.
    Value(ExprId),
    /// Another distribution, as in `Ordered(Normal(0, 1))`.
    Distribution(Box<DistributionUse>),
}

/// A definition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The plate in which it is written.
    pub plate: PlateId,
    /// Its value; `exprs[value].event` is its shape.
    pub value: ExprId,
    /// The defined name in the text.
    pub span: Span,
}

/// A statement that adds to the joint density, once per element of its plate.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it adds.
    pub kind: StatementKind,
    /// The plate that it stands in.
    pub plate: PlateId,
    /// The data expression that says for which elements it counts.
    pub condition: Option<ExprId>,
    /// The statement in the text.
    pub span: Span,
}

/// What a statement adds to the joint density.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// The prior of a latent variable.
    Latent(LatentId),
    /// The density of data.
    Observed {
        /// The name left of `~`.
        name: String,
        /// A column, or a definition of data alone.
        value: ExprId,
        /// Its distribution.
        distribution: DistributionUse,
    },
    /// A term of its own.
    Factor(ExprId),
}

/// On what the value of an expression depends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Depends {
    /// On the text alone.
    Constant,
    /// On data, or on sizes that data fix.
    Data,
    /// On latent variables.
    Latent,
}

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands (inlined functions keep the span of the call).
    pub span: Span,
    /// Over which plates its value varies.
    pub plates: Plates,
    /// The dimensions of its event.
    pub event: Event,
    /// On what it depends.
    pub depends: Depends,
}

/// The forms of a checked expression. Functions written by the user have been inlined, constants evaluated.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A value known from the text, in row-major order.
    Constant(Vec<f64>),
    /// A size known once data are bound, plus a number.
    Size(SizeId, i64),
    /// A data column.
    Column(ColumnId),
    /// A latent variable, on its natural scale.
    Latent(LatentId),
    /// A definition.
    Definition(DefinitionId),
    /// An elementwise function or operator; arguments broadcast from the right.
    Map(&'static Elementwise, Vec<ExprId>),
    /// A function of whole events.
    Function(Function, Vec<ExprId>),
    /// `[a, b]`: the elements one after another along a new first dimension.
    Vector(Vec<ExprId>),
    /// `v[k]`, `m[i, :]`; one slot for each dimension of the base.
    Index(ExprId, Vec<Slot>),
    /// `skill[winner]`: the value of the base at the element that the key column names.
    Lookup(ExprId, ColumnId),
    /// `if c then a else b`; the condition is of data.
    If(ExprId, ExprId, ExprId),
    /// `sum(P: body)`: over the elements of `plate` that agree with the current element of `within` on every plate that both determine.
    Aggregate {
        /// What is computed.
        function: Aggregate,
        /// The plate gone over.
        plate: PlateId,
        /// The plate in whose context it stands.
        within: PlateId,
        /// For each element of `plate` (and, when it names more than `plate` determines, of `within`).
        body: ExprId,
    },
    /// `log_prob(D, x)`.
    LogProb(LogProb, DistributionUse, ExprId),
    /// `center(x)` or, with `true`, `standardize(x)`, over the column's plate.
    Center(ColumnId, Scaling),
}

impl ExprKind {
    /// The expressions that it is made of.
    pub fn parts(&self) -> Vec<ExprId> {
        match self {
            ExprKind::Constant(_)
            | ExprKind::Size(..)
            | ExprKind::Column(_)
            | ExprKind::Latent(_)
            | ExprKind::Definition(_)
            | ExprKind::Center(..) => Vec::new(),
            ExprKind::Map(_, parts) | ExprKind::Function(_, parts) | ExprKind::Vector(parts) => {
                parts.clone()
            }
            ExprKind::Index(base, slots) => {
                let places = slots.iter().filter_map(|slot| match slot {
                    Slot::At(id) => Some(*id),
                    Slot::All | Slot::Element(_) => None,
                });
                std::iter::once(*base).chain(places).collect()
            }
            ExprKind::Lookup(base, _) => vec![*base],
            ExprKind::If(c, a, b) => vec![*c, *a, *b],
            ExprKind::Aggregate { body, .. } => vec![*body],
            ExprKind::LogProb(_, distribution, value) => {
                let mut parts = distribution.values();
                parts.push(*value);
                parts
            }
        }
    }
}

impl DistributionUse {
    /// The values among its arguments, those of inner distributions included.
    pub fn values(&self) -> Vec<ExprId> {
        self.args
            .iter()
            .flat_map(|arg| match arg {
                Argument::Value(id) => vec![*id],
                Argument::Distribution(inner) => inner.values(),
            })
            .collect()
    }
}

/// What `center` and `standardize` do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scaling {
    /// Subtract the mean.
    Center,
    /// Subtract the mean and divide by the standard deviation (n − 1).
    Standardize,
}

/// One place in an index.
#[derive(Clone, Debug)]
pub enum Slot {
    /// `:`, the whole dimension.
    All,
    /// A 1-based integer of data, constants or sizes.
    At(ExprId),
    /// The element of a plate that the current element lies in, or that the enclosing aggregate runs over.
    Element(PlateId),
}

/// Which function of a distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogProb {
    /// The log density or log mass.
    Density,
    /// The log of the cumulative distribution function.
    Cdf,
    /// The log of one minus it.
    Ccdf,
}

/// What is computed over the elements of a plate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the functions'")]
pub enum Aggregate {
    Sum,
    Mean,
    Sd,
    Min,
    Max,
    LogSumExp,
}

/// Functions of whole events. Their shapes are checked; see `docs/language.md`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the functions'")]
pub enum Function {
    Dot,
    Sum,
    Mean,
    Min,
    Max,
    LogSumExp,
    LogMix,
    Softmax,
    LogSoftmax,
    CumulativeSum,
    Concat,
    Rep,
    Zeros,
    Identity,
    Outer,
    Transpose,
    Diag,
    LowerTriangular,
    Cholesky,
    Solve,
    Inverse,
    LogDet,
    Length,
    MatrixProduct,
}

/// A rule of the `guide` block.
#[derive(Clone, Debug, PartialEq)]
pub struct GuideRule {
    /// What it is about.
    pub target: GuideTarget,
    /// The family asked for.
    pub family: GuideFamily,
    /// The rule in the text.
    pub span: Span,
}

/// What a guide rule is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GuideTarget {
    /// Everything that no other rule names.
    Default,
    /// One latent variable.
    Latent(LatentId),
    /// Every latent variable of a plate.
    Plate(PlateId),
}

/// The families of guides that a model can ask for by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GuideFamily {
    /// Dense globals, the locals given them integrated out.
    Marginal,
    /// Dense globals, each local conditional on the blocks above it.
    Structured,
    /// Every coordinate independent.
    MeanField,
    /// One dense Gaussian over everything.
    FullRank,
    /// All coordinates related through the first so many.
    LowRank(u32),
    /// The Gaussian of the curvature at the mode of the joint density.
    Laplace,
    /// A point estimate.
    Point,
}

/// The rank of `low_rank` where none is given.
const RANK: u32 = 10;

impl GuideFamily {
    /// Every family.
    pub const ALL: &'static [GuideFamily] = &[
        GuideFamily::Marginal,
        GuideFamily::Structured,
        GuideFamily::MeanField,
        GuideFamily::FullRank,
        GuideFamily::LowRank(RANK),
        GuideFamily::Laplace,
        GuideFamily::Point,
    ];

    /// Its name in a `guide` block.
    pub fn name(self) -> &'static str {
        match self {
            GuideFamily::Marginal => "marginal",
            GuideFamily::Structured => "structured",
            GuideFamily::MeanField => "mean_field",
            GuideFamily::FullRank => "full_rank",
            GuideFamily::LowRank(_) => "low_rank",
            GuideFamily::Laplace => "laplace",
            GuideFamily::Point => "point",
        }
    }

    /// The family of this name, with its rank in parentheses where it has one: `structured`, `low_rank(20)`.
    pub fn parse(text: &str) -> Option<GuideFamily> {
        let (name, rank) = match text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((name, rank)) => (name, Some(rank.trim().parse::<u32>().ok()?)),
            None => (text, None),
        };
        let known = Self::ALL.iter().find(|known| known.name() == name.trim())?;
        known.with_rank(rank)
    }

    /// The same family of this rank, 1 at least; `None` if it has none.
    pub fn with_rank(self, rank: Option<u32>) -> Option<GuideFamily> {
        match (self, rank) {
            (GuideFamily::LowRank(_), Some(0)) => None,
            (GuideFamily::LowRank(_), Some(rank)) => Some(GuideFamily::LowRank(rank)),
            (_, None) => Some(self),
            (_, Some(_)) => None,
        }
    }
}

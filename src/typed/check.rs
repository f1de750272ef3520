//! Checking: the order of its steps, and what they share.

use super::Column;
use super::ColumnId;
use super::Definition;
use super::DefinitionId;
use super::Depends;
use super::Expr;
use super::ExprId;
use super::ExprKind;
use super::Latent;
use super::LatentId;
use super::Plate;
use super::PlateSource;
use super::Size;
use super::SizeSource;
use super::Typed;
use super::functions;
use super::names::Kind;
use super::names::Names;
use super::range::Range;
use super::settings::Setting;
use crate::ast::Ast;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::shape::Plates;
use crate::shape::SizeId;
use crate::source::Source;
use crate::source::Span;
use indexmap::IndexMap;

/// `--set` settings: the text right of `=`, by name.
pub type Overrides = IndexMap<String, String>;

/// The number of expressions after which a file is refused: functions that call functions can grow without bound.
const MOST_EXPRESSIONS: usize = 500_000;

/// The depth of an expression after which a file is refused, so that later passes may recurse.
const DEEPEST_EXPRESSION: u32 = 1000;

/// Checks a syntax tree; also gives the warnings.
pub fn check(
    source: &Source,
    ast: &Ast,
    overrides: &Overrides,
) -> Result<(Typed, Problems), Problems> {
    let mut problems = Problems::new();
    let names = Names::collect(ast, functions::is_function, &mut problems);
    let (order, cyclic) = names.order(&mut problems);
    let mut checker = Checker::new(source, names, problems);
    for place in cyclic {
        checker.meanings[place] = Meaning::Failed;
    }
    checker.settings(overrides);
    checker.constants(&order);
    checker.plates();
    checker.columns();
    checker.variables(&order);
    checker.statements();
    checker.guide();
    checker.unused();
    if checker.problems.has_errors() {
        Err(checker.problems)
    } else {
        Ok((checker.typed, checker.problems))
    }
}

/// The state of a check. An expression that fails has its problem reported and is `None` from there on.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    pub(super) names: Names<'a>,
    /// What each name of the namespace means, by its place there.
    pub(super) meanings: Vec<Meaning>,
    /// The plate of each block.
    pub(super) block_plates: Vec<PlateId>,
    /// Plates of which it is not known what they determine, because a name after `in` has a problem.
    pub(super) vague: Vec<PlateId>,
    /// The checked model so far.
    pub(super) typed: Typed,
    /// Between which numbers each expression lies.
    pub(super) ranges: Vec<Range>,
    /// How deep each expression is, down to names and numbers.
    pub(super) depths: Vec<u32>,
    /// How many expressions are being checked, one inside the other.
    pub(super) nested: u32,
    /// The model has grown out of bounds: nothing more is checked.
    pub(super) stopped: bool,
    /// The settings by name.
    pub(super) settings: IndexMap<String, Setting>,
    /// Plates that an index named, to tell a deliberate aggregate from a slip.
    pub(super) indexed: Vec<PlateId>,
    /// Names are still being given their meanings: only constants and sizes may be used.
    pub(super) constants_only: bool,
    pub(super) problems: Problems,
}

/// What a name means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Meaning {
    /// Not known yet: used where only constants may be.
    Pending,
    /// Its declaration has a problem, which was reported.
    Failed,
    /// A plate.
    Plate(PlateId),
    /// A data column.
    Column(ColumnId),
    /// A constant's value.
    Const(ExprId),
    /// A function.
    Function,
    /// A latent variable.
    Latent(LatentId),
    /// A definition.
    Definition(DefinitionId),
    /// A size.
    Size(Dim),
}

impl<'a> Checker<'a> {
    fn new(source: &Source, names: Names<'a>, problems: Problems) -> Checker<'a> {
        let top = Plate {
            name: String::new(),
            source: PlateSource::Top,
            parents: Vec::new(),
            determines: vec![PlateId::TOP],
            size: SizeId(0),
            span: Span::default(),
        };
        let meanings = names
            .map
            .values()
            .map(|d| match d.kind {
                Kind::Function(_) => Meaning::Function,
                Kind::Plate(_)
                | Kind::Column
                | Kind::Const(_)
                | Kind::Latent(..)
                | Kind::Definition(_)
                | Kind::Size => Meaning::Pending,
            })
            .collect();
        Checker {
            block_plates: vec![PlateId::TOP; names.blocks.len()],
            meanings,
            names,
            vague: Vec::new(),
            typed: Typed {
                source: source.clone(),
                plates: vec![top],
                sizes: vec![Size {
                    name: "the top level".to_owned(),
                    source: SizeSource::Plate(PlateId::TOP),
                }],
                columns: Vec::new(),
                latents: Vec::new(),
                definitions: Vec::new(),
                statements: Vec::new(),
                exprs: Vec::new(),
                guide: Vec::new(),
                amortized: None,
                given: IndexMap::new(),
            },
            ranges: Vec::new(),
            depths: Vec::new(),
            nested: 0,
            stopped: false,
            settings: IndexMap::new(),
            indexed: Vec::new(),
            constants_only: true,
            problems,
        }
    }

    /// Reports a problem; the value is `None`, for `return self.fail(…)`.
    pub(super) fn fail<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    /// The place and meaning of a name.
    pub(super) fn meaning(&self, name: &str) -> Option<(usize, Meaning)> {
        let i = self.names.map.get_index_of(name)?;
        Some((i, self.meanings[i]))
    }

    /// Adds an expression; its plates are reduced to those that no other of them determines.
    pub(super) fn add(
        &mut self,
        kind: ExprKind,
        span: Span,
        plates: impl IntoIterator<Item = PlateId>,
        event: Event,
        depends: Depends,
    ) -> Option<ExprId> {
        let below = kind.parts().iter().map(|id| self.depths[id.index()]).max();
        let depth = below.unwrap_or(0) + 1;
        if self.typed.exprs.len() >= MOST_EXPRESSIONS || depth > DEEPEST_EXPRESSION {
            return self.too_large(span);
        }
        let plates = self.finest(plates);
        let range = self.range_of(&kind);
        let id = ExprId(self.typed.exprs.len() as u32);
        self.typed.exprs.push(Expr {
            kind,
            span,
            plates,
            event,
            depends,
        });
        self.ranges.push(range);
        self.depths.push(depth);
        Some(id)
    }

    /// Reports, once, that the model grows out of bounds.
    pub(super) fn too_large<T>(&mut self, span: Span) -> Option<T> {
        if self.stopped {
            return None;
        }
        self.stopped = true;
        let message = "the model is too large once its functions are inlined";
        let problem = Problem::at(Code::TooLarge, span, message).label("grows too large here");
        self.fail(problem.hint("turn repeated calls of a function into a definition that is named"))
    }

    /// Adds a constant.
    pub(super) fn constant(
        &mut self,
        values: Vec<f64>,
        event: Event,
        span: Span,
    ) -> Option<ExprId> {
        let kind = ExprKind::Constant(values);
        self.add(kind, span, [], event, Depends::Constant)
    }

    /// Adds an expression made of others, evaluated if they are constant.
    pub(super) fn combine(
        &mut self,
        kind: ExprKind,
        parts: &[ExprId],
        event: Event,
        span: Span,
    ) -> Option<ExprId> {
        if let Some(values) = self.fold(&kind, &event) {
            return self.constant(values, event, span);
        }
        let plates: Vec<PlateId> = parts
            .iter()
            .flat_map(|&id| self.typed.expr(id).plates.clone())
            .collect();
        let depends = self.depends(parts);
        let symbolic = event.iter().any(|dim| matches!(dim, Dim::Size(..)));
        let depends = if symbolic {
            depends.max(Depends::Data)
        } else {
            depends
        };
        self.add(kind, span, plates, event, depends)
    }

    /// On what a combination of expressions depends.
    pub(super) fn depends(&self, parts: &[ExprId]) -> Depends {
        parts
            .iter()
            .map(|&id| self.typed.expr(id).depends)
            .max()
            .unwrap_or(Depends::Constant)
    }

    /// The plates without those that another of them determines, sorted.
    pub(super) fn finest(&self, plates: impl IntoIterator<Item = PlateId>) -> Plates {
        let mut all: Vec<PlateId> = plates.into_iter().collect();
        all.sort();
        all.dedup();
        all.iter()
            .copied()
            .filter(|&p| p != PlateId::TOP)
            .filter(|&p| all.iter().all(|&q| q == p || !self.typed.determines(q, p)))
            .collect()
    }

    /// The number of a plate's elements, as a dimension.
    pub(super) fn plate_dim(&self, plate: PlateId) -> Dim {
        let plate = &self.typed.plates[plate.index()];
        match plate.source {
            PlateSource::Count(n) => Dim::Fixed(n),
            PlateSource::Top => Dim::Fixed(1),
            PlateSource::Rows(_) | PlateSource::Levels(_) | PlateSource::Union(_) => {
                Dim::Size(plate.size, 0)
            }
        }
    }

    /// Adds a size.
    pub(super) fn size(&mut self, name: &str, source: SizeSource) -> SizeId {
        let id = SizeId(self.typed.sizes.len() as u32);
        self.typed.sizes.push(Size {
            name: name.to_owned(),
            source,
        });
        id
    }

    /// What messages call a plate.
    pub(super) fn plate_name(&self, plate: PlateId) -> String {
        if plate == PlateId::TOP {
            "the top level".to_owned()
        } else {
            format!("`{}`", self.typed.plates[plate.index()].name)
        }
    }

    /// The column that an expression is.
    pub(super) fn as_column(&self, id: ExprId) -> Option<ColumnId> {
        if let ExprKind::Column(column) = self.typed.expr(id).kind {
            Some(column)
        } else {
            None
        }
    }

    /// The numbers of an expression that is constant.
    pub(super) fn as_constant(&self, id: ExprId) -> Option<&[f64]> {
        if let ExprKind::Constant(values) = &self.typed.expr(id).kind {
            Some(values)
        } else {
            None
        }
    }

    /// A data column.
    pub(super) fn column(&self, id: ColumnId) -> &Column {
        &self.typed.columns[id.index()]
    }

    /// A latent variable.
    pub(super) fn latent(&self, id: LatentId) -> &Latent {
        &self.typed.latents[id.index()]
    }

    /// A definition.
    pub(super) fn definition(&self, id: DefinitionId) -> &Definition {
        &self.typed.definitions[id.index()]
    }
}

//! Data columns: their types, shapes and sources.

use super::Column;
use super::ColumnId;
use super::ColumnSource;
use super::DataKind;
use super::ExprKind;
use super::SizeSource;
use super::Typed;
use super::check::Checker;
use super::check::Meaning;
use super::names::Block;
use super::names::Kind;
use super::scope::Scope;
use super::settings::Setting;
use crate::ast;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;

/// The types of data, each with other words for it.
pub(super) const TYPES: &[(&str, &[&str])] = &[
    ("real", &["float", "double", "number", "numeric", "vector"]),
    ("positive", &["nonnegative"]),
    ("unit", &["probability", "proportion", "fraction"]),
    ("count", &["int", "integer", "natural"]),
    ("binary", &["bool", "boolean", "logical", "indicator"]),
    (
        "category",
        &["string", "text", "factor", "str", "categorical", "char"],
    ),
    ("ordinal", &["ordered"]),
];

/// The largest dimension that a file may write.
const LARGEST_DIMENSION: f64 = 1e7;

/// A type of data in words.
pub(super) fn describe(kind: &DataKind, typed: &Typed) -> String {
    match kind {
        DataKind::Real => "`real`".to_owned(),
        DataKind::Positive => "`positive` (above 0)".to_owned(),
        DataKind::Unit => "`unit` (0 to 1)".to_owned(),
        DataKind::Count => "`count` (0, 1, 2 …)".to_owned(),
        DataKind::Binary => "`binary` (0 or 1)".to_owned(),
        DataKind::Category(Dim::Fixed(n)) => format!("`category({n})`"),
        DataKind::Category(Dim::Size(..)) => "`category`".to_owned(),
        DataKind::Ordinal(Dim::Fixed(n), _) => format!("`ordinal({n})`"),
        DataKind::Ordinal(Dim::Size(..), _) => "`ordinal`".to_owned(),
        DataKind::Key(plate) => format!("a label of `{}`", typed.plates[plate.index()].name),
    }
}

impl<'a> Checker<'a> {
    /// Resolves the data columns; those whose shape binds a size come first, so that others may use it.
    pub(super) fn columns(&mut self) {
        let mut found: Vec<(ColumnId, Block, &'a ast::Data, &'a ast::Name)> = Vec::new();
        for &(block, data) in &self.names.data {
            for name in &data.names {
                let own = self.names.map.get_full(name.text.as_str());
                let id = ColumnId(found.len() as u32);
                found.push((id, block, data, name));
                self.typed.columns.push(Column {
                    name: name.text.clone(),
                    plate: self.block_plates[block],
                    kind: DataKind::Real,
                    event: Event::new(),
                    from: ColumnSource::Named(name.text.clone()),
                    span: name.span,
                });
                if let Some((i, _, declared)) = own
                    && declared.span == name.span
                {
                    self.meanings[i] = Meaning::Column(id);
                }
            }
        }
        let binds = |checker: &Checker<'_>, data: &ast::Data| {
            data.shape.iter().chain(&data.kind_args).any(|e| {
                matches!(&e.kind, ast::ExprKind::Name(n)
                    if checker.names.map.get(n.as_str()).is_some_and(|d| d.span == e.span))
            })
        };
        let (first, later): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|(_, _, data, _)| binds(self, data));
        for (id, block, data, name) in first.into_iter().chain(later) {
            if self.resolve_column(id, block, data, name).is_none()
                && let Some((i, Meaning::Column(own))) = self.meaning(&name.text)
                && own == id
            {
                self.meanings[i] = Meaning::Failed;
            }
        }
        for (i, declared) in self.names.map.values().enumerate() {
            if matches!(declared.kind, Kind::Size) && self.meanings[i] == Meaning::Pending {
                self.meanings[i] = Meaning::Failed;
            }
        }
        self.constants_only = false;
    }

    fn resolve_column(
        &mut self,
        id: ColumnId,
        block: Block,
        data: &'a ast::Data,
        name: &'a ast::Name,
    ) -> Option<()> {
        if let Some(span) = data.optional {
            let message = "missing values are not available yet";
            self.problems.push(
                Problem::at(Code::MissingNotAvailable, span, message)
                    .label("may be missing")
                    .hint("leave out the rows in which the value is missing"),
            );
        }
        let given = if block == 0 {
            self.settings.get(&name.text).cloned()
        } else {
            None
        };
        let kind = self.data_kind(id, data);
        let event = self.data_shape(id, data, given.as_ref());
        let from = self.column_source(data, name, event.as_ref());
        let (kind, event) = (kind?, event?);
        if matches!(kind, DataKind::Key(_)) && !event.is_empty() {
            let message = "a vector of labels is not available yet";
            let problem = Problem::at(Code::FormNotAvailable, data.kind.span, message);
            return self.fail(problem.hint("declare one column for each"));
        }
        let column = &mut self.typed.columns[id.index()];
        column.kind = kind;
        column.event = event;
        column.from = from?;
        if let Some(setting) = given {
            self.give(id, setting);
        }
        Some(())
    }

    /// The declared type.
    fn data_kind(&mut self, id: ColumnId, data: &'a ast::Data) -> Option<DataKind> {
        let kind = &data.kind;
        let plain = match kind.text.as_str() {
            "real" => DataKind::Real,
            "positive" => DataKind::Positive,
            "unit" => DataKind::Unit,
            "count" => DataKind::Count,
            "binary" => DataKind::Binary,
            "category" => return Some(DataKind::Category(self.levels(id, data)?)),
            "ordinal" => {
                let labels: Vec<String> = data
                    .kind_args
                    .iter()
                    .filter_map(|e| match &e.kind {
                        ast::ExprKind::Text(text) => Some(text.clone()),
                        ast::ExprKind::Number(_)
                        | ast::ExprKind::Name(_)
                        | ast::ExprKind::Vector(_)
                        | ast::ExprKind::Unary(..)
                        | ast::ExprKind::Binary(..)
                        | ast::ExprKind::If(..)
                        | ast::ExprKind::Index(..)
                        | ast::ExprKind::Call(_)
                        | ast::ExprKind::Reduce { .. }
                        | ast::ExprKind::Paren(_) => None,
                    })
                    .collect();
                let twice = labels
                    .iter()
                    .enumerate()
                    .find(|(i, label)| labels[..*i].contains(label));
                if let Some((_, label)) = twice {
                    let message = format!("level \"{label}\" is listed twice");
                    let problem = Problem::at(Code::TypeArguments, kind.span, message);
                    return self.fail(problem.label("each level once, from low to high"));
                }
                return match labels.len() {
                    0 => Some(DataKind::Ordinal(self.levels(id, data)?, labels)),
                    n if n == data.kind_args.len() && n > 1 => {
                        Some(DataKind::Ordinal(Dim::Fixed(n), labels))
                    }
                    _ => self.fail(self.type_arguments(data)),
                };
            }
            other => match self.meaning(other) {
                Some((_, Meaning::Plate(plate))) => DataKind::Key(plate),
                _ => return self.fail(self.unknown_type(kind)),
            },
        };
        if data.kind_args.is_empty() {
            Some(plain)
        } else {
            let problem = self.type_arguments(data);
            self.fail(problem)
        }
    }

    /// The number of levels of a category or an ordinal.
    fn levels(&mut self, id: ColumnId, data: &'a ast::Data) -> Option<Dim> {
        match data.kind_args.as_slice() {
            [] => {
                let name = format!("levels of {}", self.column(id).name);
                Some(Dim::Size(self.size(&name, SizeSource::Levels(id)), 0))
            }
            [expr] => {
                if let Some(place) = self.binds(expr) {
                    let name = self.names.map.get_index(place).map_or("", |(n, _)| *n);
                    let dim = Dim::Size(self.size(name, SizeSource::Levels(id)), 0);
                    self.meanings[place] = Meaning::Size(dim);
                    return Some(dim);
                }
                self.dimension(expr, &Scope::at(PlateId::TOP))
            }
            _ => self.fail(self.type_arguments(data)),
        }
    }

    fn type_arguments(&self, data: &ast::Data) -> Problem {
        let kind = &data.kind;
        let first = data.kind_args.first().map_or(kind.span, |e| e.span);
        let last = data.kind_args.last().map_or(kind.span, |e| e.span);
        let message = format!("`{}` does not take these arguments", kind.text);
        let problem = Problem::at(Code::TypeArguments, first.to(last), message);
        problem.hint(
            "`category(K)` and `ordinal(K)` take the number of levels, `ordinal(\"low\", \"high\")` the levels in order; a shape stands in brackets: `real[3]`",
        )
    }

    fn unknown_type(&self, kind: &ast::Name) -> Problem {
        let problem = match self.names.map.get(kind.text.as_str()) {
            Some(declared) => {
                let message = format!("`{}` is {}, not a type", kind.text, declared.kind.noun());
                Problem::at(Code::UnknownType, kind.span, message)
                    .other(declared.span, "declared here")
            }
            None => {
                let message = format!("there is no type `{}`", kind.text);
                Problem::at(Code::UnknownType, kind.span, message)
            }
        };
        let lower = kind.text.to_lowercase();
        let foreign = TYPES
            .iter()
            .find(|(_, others)| others.contains(&lower.as_str()))
            .map(|(name, _)| *name);
        let plates = self
            .typed
            .plates
            .iter()
            .skip(1)
            .map(|plate| plate.name.as_str());
        let known = TYPES.iter().map(|(name, _)| *name).chain(plates);
        match foreign.or_else(|| did_you_mean(&kind.text, known)) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => {
                let types: Vec<String> =
                    TYPES.iter().map(|(name, _)| format!("`{name}`")).collect();
                problem.hint(format!(
                    "types are {} and the names of plates",
                    types.join(", ")
                ))
            }
        }
    }

    /// The declared shape; a column given by `--set` or by a list of columns fixes the sizes that it binds.
    fn data_shape(
        &mut self,
        id: ColumnId,
        data: &'a ast::Data,
        given: Option<&Setting>,
    ) -> Option<Event> {
        let listed = data
            .from
            .as_ref()
            .filter(|c| c.many && pattern(c).is_none());
        let mut event = Event::new();
        let mut failed = false;
        for (k, expr) in data.shape.iter().enumerate() {
            let Some(place) = self.binds(expr) else {
                match self.dimension(expr, &Scope::at(PlateId::TOP)) {
                    Some(dim) => event.push(dim),
                    None => failed = true,
                }
                continue;
            };
            let name = self.names.map.get_index(place).map_or("", |(n, _)| *n);
            let fixed = match (given, listed) {
                (Some(setting), _) => setting.dims.get(k).copied(),
                (None, Some(columns)) if data.shape.len() == 1 => Some(columns.names.len()),
                (None, _) => None,
            };
            let dim = match fixed {
                Some(n) => Dim::Fixed(n),
                None if data.shape.len() > 1 => {
                    let message = format!("nothing gives the size `{name}`");
                    let problem = Problem::at(Code::BadDimension, expr.span, message)
                        .label("not declared")
                        .hint(format!(
                            "`const {name} = …`; only a shape of one dimension takes its size from the columns"
                        ));
                    self.meanings[place] = Meaning::Failed;
                    return self.fail(problem);
                }
                None => Dim::Size(self.size(name, SizeSource::Columns(id)), 0),
            };
            self.meanings[place] = Meaning::Size(dim);
            event.push(dim);
        }
        if failed { None } else { Some(event) }
    }

    /// The place of the size that this expression of a shape binds.
    fn binds(&self, expr: &ast::Expr) -> Option<usize> {
        let ast::ExprKind::Name(name) = &expr.kind else {
            return None;
        };
        let (place, meaning) = self.meaning(name)?;
        let declared = &self.names.map[place];
        (matches!(declared.kind, Kind::Size) && meaning == Meaning::Pending).then_some(place)
    }

    fn column_source(
        &mut self,
        data: &'a ast::Data,
        name: &'a ast::Name,
        event: Option<&Event>,
    ) -> Option<ColumnSource> {
        let Some(from) = &data.from else {
            return Some(ColumnSource::Named(name.text.clone()));
        };
        if data.names.len() > 1 {
            let message = "several names are read from the same column";
            let problem = Problem::at(Code::ColumnsCount, from.span, message);
            return self.fail(problem.hint("declare each name in a statement of its own"));
        }
        if !from.many {
            return match from.names.as_slice() {
                [column] => Some(ColumnSource::Named(column.text.clone())),
                _ => {
                    let message = format!("`column` takes one name, found {}", from.names.len());
                    let problem = Problem::at(Code::ColumnsCount, from.span, message);
                    self.fail(problem.hint("`columns(a, b)` reads several columns as a vector"))
                }
            };
        }
        let event = event?;
        if event.is_empty() {
            let message = format!("`columns` gives a vector, and `{}` is a number", name.text);
            let problem = Problem::at(Code::ColumnsCount, from.span, message);
            let size = match pattern(from) {
                Some(_) => "D".to_owned(),
                None => from.names.len().to_string(),
            };
            return self.fail(problem.hint(format!(
                "`data {}: {}[{size}] = …`",
                name.text, data.kind.text
            )));
        }
        if let Some(pattern) = pattern(from) {
            return Some(ColumnSource::Pattern(pattern.to_owned()));
        }
        let wanted: Option<usize> = event
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(n) => Some(*n),
                Dim::Size(..) => None,
            })
            .try_fold(1_usize, |product, n| product.checked_mul(n?));
        if wanted.is_some_and(|n| n != from.names.len()) {
            let message = format!(
                "`{}` is {}, and {} columns are listed",
                name.text,
                self.describe(event),
                from.names.len()
            );
            let problem = Problem::at(Code::ColumnsCount, from.span, message);
            return self.fail(problem.label(format!("{} columns", from.names.len())));
        }
        let texts = from.names.iter().map(|c| c.text.clone()).collect();
        Some(ColumnSource::Many(texts))
    }

    /// One dimension of a shape: a whole constant, a size, or the name of a plate.
    pub(super) fn dimension(&mut self, expr: &ast::Expr, scope: &Scope<'_>) -> Option<Dim> {
        if let ast::ExprKind::Paren(inner) = &expr.kind {
            return self.dimension(inner, scope);
        }
        if let ast::ExprKind::Name(name) = &expr.kind
            && let Some((_, Meaning::Plate(plate))) = self.meaning(name)
        {
            return Some(self.plate_dim(plate));
        }
        let id = self.expr(expr, scope)?;
        let checked = self.typed.expr(id);
        match &checked.kind {
            ExprKind::Size(size, plus) => return Some(Dim::Size(*size, *plus)),
            ExprKind::Constant(values)
                if checked.event.is_empty()
                    && values[0].fract() == 0.0
                    && (1.0..=LARGEST_DIMENSION).contains(&values[0]) =>
            {
                return Some(Dim::Fixed(values[0] as usize));
            }
            ExprKind::Constant(_)
            | ExprKind::Column(_)
            | ExprKind::Latent(_)
            | ExprKind::Definition(_)
            | ExprKind::Map(..)
            | ExprKind::Function(..)
            | ExprKind::Vector(_)
            | ExprKind::Index(..)
            | ExprKind::Lookup(..)
            | ExprKind::If(..)
            | ExprKind::Aggregate { .. }
            | ExprKind::LogProb(..)
            | ExprKind::Center(..) => {}
        }
        let text = self.typed.source.slice(expr.span).to_owned();
        let message = format!("`{text}` is no size");
        let problem = Problem::at(Code::BadDimension, expr.span, message)
            .label("expected a whole number, 1 or more, known from the text");
        self.fail(problem.hint("a size is a constant, a size that data bind, or a plate's name"))
    }
}

/// The pattern of `columns("x_*")`.
fn pattern(columns: &ast::Columns) -> Option<&str> {
    match columns.names.as_slice() {
        [one] if columns.many && one.text.contains('*') => Some(&one.text),
        _ => None,
    }
}

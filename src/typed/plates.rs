//! Plates: what their elements are, and which determines which.

use super::ExprKind;
use super::Plate;
use super::PlateSource;
use super::SizeSource;
use super::check::Checker;
use super::check::Meaning;
use super::columns::TYPES;
use super::names::Block;
use super::names::Kind;
use super::scope::Scope;
use crate::ast;
use crate::ast::Name;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::PlateId;

/// The most elements that a plate of a fixed number may have.
const MOST_ELEMENTS: f64 = 1e8;

/// A plate on its way to its place in the order.
struct Draft<'a> {
    plate: &'a ast::Plate,
    source: PlateSource,
    /// The blocks that it is declared in, by nesting or by `in`.
    parents: Vec<Block>,
    /// Whether one of the names after `in` has a problem.
    vague: bool,
    /// Further blocks that it determines: `levels` over fewer of its columns.
    coarser: Vec<Block>,
}

impl<'a> Checker<'a> {
    /// Resolves the plates, each after all that it determines.
    pub(super) fn plates(&mut self) {
        let mut drafts: Vec<Draft<'a>> = Vec::new();
        for block in 1..self.names.blocks.len() {
            if let (Some(plate), outer) = self.names.blocks[block] {
                let source = self.plate_source(plate);
                let (parents, vague) = self.plate_parents(plate, block, outer);
                drafts.push(Draft {
                    plate,
                    source,
                    parents,
                    vague,
                    coarser: Vec::new(),
                });
            }
        }
        for i in 0..drafts.len() {
            drafts[i].coarser = (0..drafts.len())
                .filter(|&j| coarser(&drafts[j].source, &drafts[i].source))
                .map(|j| j + 1)
                .collect();
        }
        let order = self.plate_order(&drafts);
        for &block in &order {
            self.place(&drafts[block - 1], block);
        }
        for (block, draft) in drafts.iter().enumerate() {
            self.check_nesting(draft, block + 1);
        }
    }

    fn plate_source(&mut self, plate: &'a ast::Plate) -> PlateSource {
        let own = || PlateSource::Levels(vec![plate.name.text.clone()]);
        if TYPES.iter().any(|(name, _)| *name == plate.name.text) {
            let message = format!("a plate cannot be called `{}`", plate.name.text);
            self.problems.push(
                Problem::at(Code::PlateNamedLikeType, plate.name.span, message)
                    .label("a type of data")
                    .hint(format!(
                        "`plate NAME = levels({})` has one element per distinct value of that column",
                        plate.name.text
                    )),
            );
        }
        if let Some(order) = &plate.order {
            let message = "`order by` is not available yet";
            self.problems.push(
                Problem::at(Code::ChainNotAvailable, order.span, message)
                    .label("a chain of elements"),
            );
        }
        let texts = |columns: &[Name]| columns.iter().map(|c| c.text.clone()).collect();
        match &plate.source {
            None => own(),
            Some(ast::PlateSource::Rows { table, .. }) => {
                PlateSource::Rows(table.as_ref().map(|t| t.text.clone()))
            }
            Some(
                ast::PlateSource::Levels { columns, .. } | ast::PlateSource::Union { columns, .. },
            ) if repeated(columns).is_some() => {
                if let Some(name) = repeated(columns) {
                    let message = format!("column `{}` is listed twice", name.text);
                    let problem = Problem::at(Code::DuplicateName, name.span, message);
                    self.problems.push(problem.label("once is enough"));
                }
                own()
            }
            Some(ast::PlateSource::Levels { columns, .. }) => PlateSource::Levels(texts(columns)),
            Some(ast::PlateSource::Union { columns, .. }) => PlateSource::Union(texts(columns)),
            Some(ast::PlateSource::Size(expr)) => self.count(plate, expr).unwrap_or_else(own),
        }
    }

    /// `plate k = 3` or `plate k = K`.
    fn count(&mut self, plate: &ast::Plate, expr: &ast::Expr) -> Option<PlateSource> {
        if let ast::ExprKind::Name(name) = &expr.kind
            && !matches!(
                self.meaning(name),
                Some((_, Meaning::Const(_) | Meaning::Failed))
            )
        {
            let message = format!("`{name}` is not a constant");
            let problem = Problem::at(Code::PlateSize, expr.span, message).label(
                "the elements of a plate are `rows`, `levels(…)`, `union(…)` or a number of them",
            );
            return self.fail(problem.hint(format!(
                "`plate {} = levels({name})` has one element per distinct value of the column `{name}`",
                plate.name.text
            )));
        }
        let id = self.expr(expr, &Scope::at(PlateId::TOP))?;
        let checked = self.typed.expr(id);
        if let ExprKind::Constant(values) = &checked.kind
            && checked.event.is_empty()
            && values[0].fract() == 0.0
            && (1.0..=MOST_ELEMENTS).contains(&values[0])
        {
            return Some(PlateSource::Count(values[0] as usize));
        }
        let message = format!("`{}` has no whole number of elements", plate.name.text);
        let problem = Problem::at(Code::PlateSize, expr.span, message);
        self.fail(problem.label("expected a constant, 1 or more"))
    }

    /// The blocks that a plate is declared in, and whether one of them has a problem.
    fn plate_parents(
        &mut self,
        plate: &'a ast::Plate,
        block: Block,
        outer: Block,
    ) -> (Vec<Block>, bool) {
        let mut vague = false;
        let mut parents = if outer == 0 { Vec::new() } else { vec![outer] };
        for name in &plate.parents {
            let parent = self.names.map.get(name.text.as_str()).map(|d| d.kind);
            match parent {
                Some(Kind::Plate(parent)) if parent == block => {
                    let message = format!("plate `{}` lies in itself", name.text);
                    let problem = Problem::at(Code::PlateCycle, name.span, message);
                    self.problems.push(problem.label("its own name"));
                }
                Some(Kind::Plate(parent)) => {
                    if !parents.contains(&parent) {
                        parents.push(parent);
                    }
                }
                Some(
                    Kind::Column
                    | Kind::Const(_)
                    | Kind::Function(_)
                    | Kind::Latent(..)
                    | Kind::Definition(_)
                    | Kind::Size,
                )
                | None => {
                    let problem = self.unknown_plate(name);
                    self.problems.push(problem);
                    vague = true;
                }
            }
        }
        (parents, vague)
    }

    /// The problem of a name that should be a plate's.
    pub(super) fn unknown_plate(&self, name: &Name) -> Problem {
        let plates = self
            .names
            .map
            .iter()
            .filter(|(_, d)| matches!(d.kind, Kind::Plate(_)))
            .map(|(name, _)| *name);
        let meant = did_you_mean(&name.text, plates);
        let problem = match self.names.map.get(name.text.as_str()) {
            Some(declared) => {
                let message = format!("`{}` is {}, not a plate", name.text, declared.kind.noun());
                Problem::at(Code::UnknownPlate, name.span, message)
                    .label("expected a plate")
                    .other(declared.span, "declared here")
            }
            None => {
                let message = format!("there is no plate `{}`", name.text);
                Problem::at(Code::UnknownPlate, name.span, message).label("not declared")
            }
        };
        match meant {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem.hint(format!(
                "`plate {} {{ }}` declares one element per distinct value of the column `{}`",
                name.text, name.text
            )),
        }
    }

    /// The blocks of the plates, each after all that it determines; else in the order of the text.
    fn plate_order(&mut self, drafts: &[Draft<'a>]) -> Vec<Block> {
        let mut order: Vec<Block> = Vec::new();
        let mut placed = vec![false; drafts.len() + 1];
        while order.len() < drafts.len() {
            let waits = |i: usize| {
                let draft: &Draft<'_> = &drafts[i];
                draft
                    .parents
                    .iter()
                    .chain(&draft.coarser)
                    .copied()
                    .find(|&b| !placed[b])
            };
            let free = (0..drafts.len()).filter(|&i| !placed[i + 1]);
            let next = match free.clone().find(|&i| waits(i).is_none()) {
                Some(i) => i + 1,
                None => {
                    // Every plate left waits for another: following them leads round a cycle.
                    let mut path: Vec<Block> = free.take(1).map(|i| i + 1).collect();
                    while let Some(block) = waits(path[path.len() - 1] - 1) {
                        if let Some(from) = path.iter().position(|&b| b == block) {
                            path.drain(..from);
                            break;
                        }
                        path.push(block);
                    }
                    let names: Vec<String> = path
                        .iter()
                        .chain(path.first())
                        .map(|&b| format!("`{}`", drafts[b - 1].plate.name.text))
                        .collect();
                    let message = format!("plates lie in each other: {}", names.join(" in "));
                    let problem = Problem::at(
                        Code::PlateCycle,
                        drafts[path[0] - 1].plate.name.span,
                        message,
                    )
                    .label("each of its elements would be one of the other's");
                    self.problems.push(problem.hint("leave out one `in`"));
                    path[0]
                }
            };
            placed[next] = true;
            order.push(next);
        }
        order
    }

    /// Gives a plate its id and what it determines; all that it lies in is placed already, cycles apart.
    fn place(&mut self, draft: &Draft<'a>, block: Block) {
        let id = PlateId(self.typed.plates.len() as u32);
        self.block_plates[block] = id;
        let above = |p: &PlateId| self.vague.contains(p);
        if draft.vague || draft.parents.iter().any(|b| above(&self.block_plates[*b])) {
            self.vague.push(id);
        }
        let of = |b: &Block| self.block_plates[*b];
        let parents: Vec<PlateId> = draft.parents.iter().map(of).collect();
        let mut determines = vec![PlateId::TOP, id];
        for plate in parents.iter().copied().chain(draft.coarser.iter().map(of)) {
            determines.extend(&self.typed.plates[plate.index()].determines);
        }
        determines.sort();
        determines.dedup();
        let mut parents = self.finest(parents).to_vec();
        if parents.is_empty() {
            parents.push(PlateId::TOP);
        }
        let name = &draft.plate.name.text;
        let size = self.size(name, SizeSource::Plate(id));
        self.typed.plates.push(Plate {
            name: name.clone(),
            source: draft.source.clone(),
            parents,
            determines,
            size,
            span: draft.plate.span,
        });
        let declared = self.names.map.get_full(name.as_str());
        if let Some((i, _, declared)) = declared
            && matches!(declared.kind, Kind::Plate(b) if b == block)
        {
            self.meanings[i] = Meaning::Plate(id);
        }
    }

    /// A plate can lie in another only if a key says in which element.
    fn check_nesting(&mut self, draft: &Draft<'a>, block: Block) {
        let id = self.block_plates[block];
        let name = &draft.plate.name;
        for parent in &draft.parents {
            let outer = &self.typed.plates[self.block_plates[*parent].index()];
            let problem = match (&draft.source, &outer.source) {
                (PlateSource::Rows(a), PlateSource::Rows(b)) if a == b => {
                    let message = format!(
                        "plates `{}` and `{}` are both one element per row",
                        name.text, outer.name
                    );
                    Problem::at(Code::PlateInRows, name.span, message)
                        .label("a row holds no further rows")
                        .hint(format!("write its statements in `{}`", outer.name))
                }
                (_, PlateSource::Rows(_)) => {
                    let message = format!(
                        "plate `{}` cannot lie in `{}`, whose elements are rows",
                        name.text, outer.name
                    );
                    Problem::at(Code::PlateInRows, name.span, message)
                        .label("no column says in which row an element lies")
                        .hint(format!(
                            "`x[{}]` in `{}` has one value for each of both; `levels(…)` gives `{}` keys",
                            name.text, outer.name, outer.name
                        ))
                }
                (PlateSource::Count(_), _) => {
                    let message = format!(
                        "plate `{}` is a number of elements and cannot lie in `{}`",
                        name.text, outer.name
                    );
                    Problem::at(Code::CountInPlate, name.span, message)
                        .label("no column says which of its elements lies where")
                        .hint(format!(
                            "`x[{}]` in `{}` has one value for each of both",
                            name.text, outer.name
                        ))
                }
                (
                    PlateSource::Top
                    | PlateSource::Rows(_)
                    | PlateSource::Levels(_)
                    | PlateSource::Union(_),
                    PlateSource::Top
                    | PlateSource::Levels(_)
                    | PlateSource::Union(_)
                    | PlateSource::Count(_),
                ) => continue,
            };
            let span = outer.span;
            debug_assert!(id != PlateId::TOP, "only plates have drafts");
            self.problems
                .push(problem.other(span, "the plate around it"));
        }
    }
}

/// Whether `a` is `levels` over some, but not all, of the columns of `b`.
fn coarser(a: &PlateSource, b: &PlateSource) -> bool {
    match (a, b) {
        (PlateSource::Levels(a), PlateSource::Levels(b)) => {
            a.len() < b.len() && a.iter().all(|column| b.contains(column))
        }
        (
            PlateSource::Top
            | PlateSource::Rows(_)
            | PlateSource::Levels(_)
            | PlateSource::Union(_)
            | PlateSource::Count(_),
            _,
        ) => false,
    }
}

/// A column that stands twice in a list.
fn repeated(columns: &[Name]) -> Option<&Name> {
    columns
        .iter()
        .enumerate()
        .find(|(i, c)| columns[..*i].iter().any(|d| d.text == c.text))
        .map(|(_, c)| c)
}

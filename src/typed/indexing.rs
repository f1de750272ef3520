//! Indexing: numbers, whole dimensions, elements of plates, and values at the element that a key column names.

use super::ColumnId;
use super::DataKind;
use super::Depends;
use super::ExprId;
use super::ExprKind;
use super::Slot;
use super::check::Checker;
use super::check::Meaning;
use super::range::Fit;
use super::scope::Scope;
use crate::ast;
use crate::problem::Code;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::source::Span;
use crate::tape::elementwise;

impl<'a> Checker<'a> {
    /// Checks `v[k]`, `m[i, :]`, `u[species]`, `skill[winner]`.
    pub(super) fn index(
        &mut self,
        base: &ast::Expr,
        slots: &[ast::Slot],
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        if let Some(key) = slots.first().and_then(|slot| self.key(slot, scope))
            && !self.indexes_here(base, key, scope)
        {
            let looked_up = self.lookup(base, key, own, scope)?;
            if slots.len() == 1 {
                return Some(looked_up);
            }
            return self.at(looked_up, base.span, &slots[1..], own, scope);
        }
        let base_id = self.expr(base, scope)?;
        self.at(base_id, base.span, slots, own, scope)
    }

    /// The key column that a slot names.
    fn key(&self, slot: &ast::Slot, scope: &Scope<'_>) -> Option<ColumnId> {
        let ast::Slot::At(expr) = slot else {
            return None;
        };
        let ast::ExprKind::Name(name) = &expr.kind else {
            return None;
        };
        let argument = scope.params.iter().find(|(param, _)| param == name);
        let id = match argument {
            Some((_, value)) => self.as_column((*value)?)?,
            None => {
                let Meaning::Column(id) = self.meaning(name)?.1 else {
                    return None;
                };
                id
            }
        };
        matches!(self.column(id).kind, DataKind::Key(_)).then_some(id)
    }

    /// Whether `base[key]` picks from a vector with one number for each element of the key's plate, rather than
    /// the value of `base` at that element.
    fn indexes_here(&self, base: &ast::Expr, key: ColumnId, scope: &Scope<'_>) -> bool {
        let DataKind::Key(plate) = self.column(key).kind else {
            return false;
        };
        let ast::ExprKind::Name(name) = &base.kind else {
            return false;
        };
        if let Some((_, value)) = scope.params.iter().find(|(param, _)| param == name) {
            return value.is_some_and(|id| {
                self.typed.expr(id).event.first() == Some(&self.plate_dim(plate))
            });
        }
        let (home, event) = match self.meaning(name) {
            Some((_, Meaning::Latent(id))) => (self.latent(id).plate, &self.latent(id).event),
            Some((_, Meaning::Column(id))) => (self.column(id).plate, &self.column(id).event),
            Some((_, Meaning::Definition(id))) => {
                let definition = self.definition(id);
                (definition.plate, &self.typed.expr(definition.value).event)
            }
            Some((_, Meaning::Const(id))) => (PlateId::TOP, &self.typed.expr(id).event),
            _ => return false,
        };
        event.first() == Some(&self.plate_dim(plate)) && self.sees(scope, home)
    }

    /// `skill[winner]`: the base as the key's plate sees it, at the element that the key names.
    fn lookup(
        &mut self,
        base: &ast::Expr,
        key: ColumnId,
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let column = self.column(key);
        let DataKind::Key(plate) = column.kind else {
            return None;
        };
        let (home, name) = (column.plate, column.name.clone());
        self.visible(&name, own, home, scope)?;
        let there = Scope {
            plate,
            sees: plate,
            over: &[],
            outside: 0,
            ..*scope
        };
        let base_id = self.expr(base, &there)?;
        let base_expr = self.typed.expr(base_id);
        let (event, depends, plates) = (
            base_expr.event.clone(),
            base_expr.depends,
            base_expr.plates.clone(),
        );
        if plates.iter().any(|&p| !self.typed.determines(plate, p)) {
            // A function's argument varies over the caller's plates, not over the key's.
            let message = format!(
                "`{}` does not live in {}",
                self.typed.source.slice(base.span),
                self.plate_name(plate)
            );
            let problem = scope
                .problem(Code::OutOfScope, base.span, message)
                .label(format!(
                    "`{name}` holds labels of {}",
                    self.plate_name(plate)
                ));
            return self.fail(problem);
        }
        let kind = ExprKind::Lookup(base_id, key);
        let depends = depends.max(Depends::Data);
        self.add(kind, scope.span(own), [home], event, depends)
    }

    /// The numbers of a checked base at some slots.
    fn at(
        &mut self,
        base: ExprId,
        base_span: Span,
        slots: &[ast::Slot],
        own: Span,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let event = self.typed.expr(base).event.clone();
        let text = self.typed.source.slice(base_span).to_owned();
        if slots.len() != event.len() {
            let message = format!(
                "`{text}` is {}, and the index has {}",
                self.describe(&event),
                match slots.len() {
                    1 => "1 place".to_owned(),
                    n => format!("{n} places"),
                }
            );
            let problem = scope.problem(Code::IndexRank, own, message);
            let hint = if event.is_empty() {
                self.scalar_index_hint(&text, slots, scope)
            } else if slots.len() < event.len() {
                let first: Vec<&str> = slots.iter().map(|slot| self.slot_text(slot)).collect();
                let rest = ", :".repeat(event.len() - slots.len());
                Some(format!(
                    "`{text}[{}{rest}]` takes the rest whole",
                    first.join(", ")
                ))
            } else {
                None
            };
            let problem = problem.label(self.describe(&event));
            return self.fail(match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
        let mut checked = Vec::new();
        let mut parts = vec![base];
        let mut left = Event::new();
        let mut plates: Vec<PlateId> = self.typed.expr(base).plates.to_vec();
        let mut depends = self.typed.expr(base).depends;
        for (slot, &dim) in slots.iter().zip(&event) {
            match slot {
                ast::Slot::All(_) => {
                    left.push(dim);
                    checked.push(Slot::All);
                }
                ast::Slot::At(expr) => {
                    if let Some(plate) = self.plate_named(expr, scope) {
                        self.element(plate, dim, expr, &text, scope)?;
                        plates.push(plate);
                        depends = depends.max(Depends::Data);
                        checked.push(Slot::Element(plate));
                        continue;
                    }
                    let id = self.integer(expr, dim, &text, scope)?;
                    plates.extend(&self.typed.expr(id).plates);
                    depends = depends.max(self.typed.expr(id).depends);
                    parts.push(id);
                    checked.push(Slot::At(id));
                }
            }
        }
        let kind = ExprKind::Index(base, checked);
        if let Some(values) = self.fold(&kind, &left) {
            return self.constant(values, left, scope.span(own));
        }
        self.add(kind, scope.span(own), plates, left, depends)
    }

    fn slot_text(&self, slot: &ast::Slot) -> &str {
        match slot {
            ast::Slot::All(_) => ":",
            ast::Slot::At(expr) => self.typed.source.slice(expr.span),
        }
    }

    fn scalar_index_hint(
        &self,
        text: &str,
        slots: &[ast::Slot],
        scope: &Scope<'_>,
    ) -> Option<String> {
        let [ast::Slot::At(expr)] = slots else {
            return None;
        };
        let plate = self.plate_named(expr, scope)?;
        let plate = &self.typed.plates[plate.index()].name;
        Some(format!(
            "in plate `{plate}` and below it `{text}` is the element's own value: no index is written"
        ))
    }

    /// The plate that an index names.
    fn plate_named(&self, expr: &ast::Expr, scope: &Scope<'_>) -> Option<PlateId> {
        let ast::ExprKind::Name(name) = &expr.kind else {
            return None;
        };
        if scope.params.iter().any(|(param, _)| param == name) {
            return None;
        }
        match self.meaning(name) {
            Some((_, Meaning::Plate(plate))) => Some(plate),
            _ => None,
        }
    }

    /// `u[species]`: the dimension must be the plate's, and one of its elements must be fixed here.
    fn element(
        &mut self,
        plate: PlateId,
        dim: Dim,
        slot: &ast::Expr,
        text: &str,
        scope: &Scope<'_>,
    ) -> Option<()> {
        let name = self.typed.plates[plate.index()].name.clone();
        if dim != self.plate_dim(plate) {
            let message = format!(
                "`{text}` has size {} there, not one number for each element of `{name}`",
                self.typed.dim_text(dim)
            );
            let problem = scope
                .problem(Code::WrongDimension, slot.span, message)
                .label(format!(
                    "a plate of {} elements",
                    self.typed.dim_text(self.plate_dim(plate))
                ));
            return self.fail(problem.hint(format!("give it the shape `[{name}]`")));
        }
        if !self.fixes(scope, plate) {
            if self.vague.contains(&scope.sees) {
                return None;
            }
            let message = format!("no element of `{name}` is fixed here");
            let here = self.plate_name(scope.sees);
            let problem = scope
                .problem(Code::OutOfScope, slot.span, message)
                .label(format!("{here} does not determine `{name}`"))
                .other(self.typed.plates[plate.index()].span, "the plate");
            return self.fail(problem.hint(format!(
                "`sum({name}: {text}[{name}])` goes over its elements, `{text}[1]` takes the first"
            )));
        }
        self.indexed.push(plate);
        Some(())
    }

    /// A whole number of data and constants, within the dimension as far as that is known.
    fn integer(
        &mut self,
        expr: &ast::Expr,
        dim: Dim,
        text: &str,
        scope: &Scope<'_>,
    ) -> Option<ExprId> {
        let id = self.scalar(expr, "an index", scope)?;
        let checked = self.typed.expr(id);
        let problem = |message: String| scope.problem(Code::IndexKind, expr.span, message);
        if checked.depends == Depends::Latent {
            let problem = problem("an index is made of data and constants".to_owned())
                .label("depends on latent variables");
            return self.fail(problem.hint(
                "latent categories are not available yet; `log_mix` and `log_sum_exp` sum them out by hand",
            ));
        }
        if let ExprKind::Column(column) = checked.kind {
            let column = self.column(column);
            let name = column.name.clone();
            match column.kind {
                DataKind::Real | DataKind::Positive | DataKind::Unit => {
                    let kind = super::columns::describe(&column.kind, &self.typed);
                    let problem = problem(format!("`{name}` is {kind}, and an index is whole"));
                    return self.fail(problem.label("not a whole number").hint(format!(
                        "`data {name}: category` for labels, `data {name}: count` for numbers"
                    )));
                }
                DataKind::Key(plate) => {
                    if dim != self.plate_dim(plate) {
                        let plate = self.typed.plates[plate.index()].name.clone();
                        let message = format!(
                            "`{text}` has size {} there, not one number for each element of `{plate}`",
                            self.typed.dim_text(dim)
                        );
                        let problem = scope.problem(Code::WrongDimension, expr.span, message);
                        return self.fail(problem.hint(format!("give it the shape `[{plate}]`")));
                    }
                    // Key columns count from 0, indices from 1.
                    let span = scope.span(expr.span);
                    let one = self.constant(vec![1.0], Event::new(), span)?;
                    let kind = ExprKind::Map(&elementwise::ADD, vec![id, one]);
                    return self.combine(kind, &[id, one], Event::new(), span);
                }
                DataKind::Category(levels) | DataKind::Ordinal(levels, _) => {
                    if levels != dim {
                        let message = format!(
                            "`{text}` has size {} there, and not one number for each level of `{name}`",
                            self.typed.dim_text(dim)
                        );
                        let label = match levels {
                            Dim::Fixed(n) => format!("{n} levels"),
                            Dim::Size(..) => "as many levels as the data have".to_owned(),
                        };
                        let problem = scope
                            .problem(Code::WrongDimension, expr.span, message)
                            .label(label);
                        return self.fail(problem.hint(format!(
                            "`data {name}: category(K)` names the number of levels, and `[K]` is the shape"
                        )));
                    }
                }
                DataKind::Count | DataKind::Binary => {}
            }
        }
        let range = self.ranges[id.index()];
        let (low, high) = range.ends();
        let constant = matches!(self.typed.expr(id).kind, ExprKind::Constant(_));
        if constant && range.fit(elementwise::Domain::Count) == Fit::Outside && low >= 0.0 {
            let message = format!("index {low} is not a whole number");
            return self.fail(problem(message));
        }
        let outside = match dim {
            Dim::Fixed(n) => high < 1.0 || low > n as f64,
            Dim::Size(..) => high < 1.0,
        };
        if outside {
            let size = self.typed.dim_text(dim);
            let message = format!("index {low} is out of range, `{text}` has size {size} there");
            let problem = scope
                .problem(Code::IndexRange, expr.span, message)
                .label(format!("expected 1 to {size}"));
            return self.fail(if low == 0.0 {
                problem.hint("indices count from 1")
            } else {
                problem
            });
        }
        Some(id)
    }
}

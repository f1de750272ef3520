//! Scope: which names an expression may use where it stands, and what is said when it uses another.

use super::Depends;
use super::ExprId;
use super::ExprKind;
use super::PlateSource;
use super::check::Checker;
use super::check::Meaning;
use super::names::Kind;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::Dim;
use crate::shape::Event;
use crate::shape::PlateId;
use crate::source::Span;

/// Where an expression stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'s> {
    /// The plate of its statement.
    pub(super) plate: PlateId,
    /// The plate whose names it sees: that of its block, for a function's body the function's.
    pub(super) sees: PlateId,
    /// The plates of the aggregates around it, outermost first.
    pub(super) over: &'s [PlateId],
    /// How many of them stand around the call of the function whose body it is.
    pub(super) outside: usize,
    /// The parameters of that function, with the arguments (`None`: one that failed).
    pub(super) params: &'s [(&'s str, Option<ExprId>)],
    /// The outermost call that it was inlined for.
    pub(super) call: Option<Span>,
}

impl<'s> Scope<'s> {
    /// The scope of a statement in a plate.
    pub(super) fn at(plate: PlateId) -> Scope<'s> {
        Scope {
            plate,
            sees: plate,
            over: &[],
            outside: 0,
            params: &[],
            call: None,
        }
    }

    /// The plate whose current element is the innermost.
    pub(super) fn innermost(&self) -> PlateId {
        self.over.last().copied().unwrap_or(self.plate)
    }

    /// The span that an expression keeps: its own, or that of the call that it is inlined for.
    pub(super) fn span(&self, own: Span) -> Span {
        self.call.unwrap_or(own)
    }

    /// A problem at a place in it.
    pub(super) fn problem(&self, code: Code, span: Span, message: impl Into<String>) -> Problem {
        let problem = Problem::at(code, span, message);
        match self.call {
            Some(call) => problem.other(call, "called here"),
            None => problem,
        }
    }
}

impl Checker<'_> {
    /// Whether the names of a plate may be used in a scope.
    pub(super) fn sees(&self, scope: &Scope<'_>, plate: PlateId) -> bool {
        self.typed.determines(scope.sees, plate)
            || scope.over[scope.outside..]
                .iter()
                .any(|&over| self.typed.determines(over, plate))
    }

    /// Whether an element of a plate is fixed in a scope, so that its name may stand as an index.
    pub(super) fn fixes(&self, scope: &Scope<'_>, plate: PlateId) -> bool {
        plate != PlateId::TOP && self.sees(scope, plate)
    }

    /// A name as an expression.
    pub(super) fn name(&mut self, name: &str, span: Span, scope: &Scope<'_>) -> Option<ExprId> {
        if let Some((_, value)) = scope.params.iter().find(|(param, _)| *param == name) {
            return *value;
        }
        let kept = scope.span(span);
        let Some((place, meaning)) = self.meaning(name) else {
            return match name {
                "pi" => self.constant(vec![std::f64::consts::PI], Event::new(), kept),
                "inf" => self.constant(vec![f64::INFINITY], Event::new(), kept),
                _ => {
                    let problem = self.unknown_name(name, span, scope);
                    self.fail(problem)
                }
            };
        };
        match meaning {
            Meaning::Pending if self.constants_only => {
                let declared = self.names.map[place];
                let message = format!("`{name}` is {}, not a constant", declared.kind.noun());
                let problem = scope
                    .problem(Code::ConstantExpected, span, message)
                    .label("not known before data are read")
                    .other(declared.span, "declared here");
                self.fail(problem.hint("here only constants and functions of them may stand"))
            }
            Meaning::Pending | Meaning::Failed => None,
            Meaning::Function => {
                let message = format!("`{name}` is a function");
                let problem = scope.problem(Code::NotAValue, span, message);
                let Kind::Function(function) = self.names.map[place].kind else {
                    return None;
                };
                let params: Vec<&str> = function.params.iter().map(|p| p.text.as_str()).collect();
                self.fail(
                    problem
                        .label("a function without its arguments")
                        .hint(format!("`{name}({})`", params.join(", "))),
                )
            }
            Meaning::Plate(plate) => {
                let message = format!("`{name}` is a plate and has no value");
                let problem = scope
                    .problem(Code::NotAValue, span, message)
                    .label("a plate; its label as a number is a data column")
                    .other(self.typed.plates[plate.index()].span, "the plate");
                self.fail(problem.hint(format!(
                    "`data {name}_number: real = column(\"{name}\")` reads it; `x[{name}]` indexes"
                )))
            }
            Meaning::Const(id) => {
                let value = self.typed.expr(id).clone();
                self.add(value.kind, kept, [], value.event, value.depends)
            }
            Meaning::Size(Dim::Fixed(n)) => self.constant(vec![n as f64], Event::new(), kept),
            Meaning::Size(Dim::Size(id, plus)) => self.add(
                ExprKind::Size(id, plus),
                kept,
                [],
                Event::new(),
                Depends::Data,
            ),
            Meaning::Column(id) => {
                let column = self.column(id);
                let (plate, event) = (column.plate, column.event.clone());
                self.visible(name, span, plate, scope)?;
                self.add(ExprKind::Column(id), kept, [plate], event, Depends::Data)
            }
            Meaning::Latent(id) => {
                let latent = self.latent(id);
                let (plate, event) = (latent.plate, latent.event.clone());
                self.visible(name, span, plate, scope)?;
                self.add(ExprKind::Latent(id), kept, [plate], event, Depends::Latent)
            }
            Meaning::Definition(id) => {
                let definition = self.definition(id);
                let (plate, value) = (definition.plate, definition.value);
                self.visible(name, span, plate, scope)?;
                let value = self.typed.expr(value);
                let (plates, event, depends) =
                    (value.plates.clone(), value.event.clone(), value.depends);
                self.add(ExprKind::Definition(id), kept, plates, event, depends)
            }
        }
    }

    /// Reports a name of a plate that the scope does not determine.
    pub(super) fn visible(
        &mut self,
        name: &str,
        span: Span,
        plate: PlateId,
        scope: &Scope<'_>,
    ) -> Option<()> {
        if self.sees(scope, plate) {
            return Some(());
        }
        let here = match scope.over[scope.outside..].last() {
            Some(&over) => over,
            None => scope.sees,
        };
        if self.vague.contains(&here) || self.vague.contains(&scope.plate) {
            return None;
        }
        let other = self.plate_name(plate);
        let message = if here == PlateId::TOP {
            format!("`{name}` lives in plate {other} and has no single value at the top level")
        } else {
            format!(
                "`{name}` lives in plate {other}, which {} does not determine",
                self.plate_name(here)
            )
        };
        let mut above: Vec<String> = self.typed.plates[here.index()]
            .determines
            .iter()
            .filter(|&&p| p != PlateId::TOP && p != here)
            .map(|&p| self.plate_name(p))
            .collect();
        above.push("the top level".to_owned());
        let label = if here == PlateId::TOP {
            "one value for each of its elements".to_owned()
        } else {
            format!(
                "{} determines only {}",
                self.plate_name(here),
                above.join(" and ")
            )
        };
        let key = self.typed.columns.iter().find(|column| {
            matches!(column.kind, super::DataKind::Key(p) if self.typed.determines(p, plate))
                && self.typed.determines(here, column.plate)
        });
        let from_rows = matches!(
            self.typed.plates[here.index()].source,
            PlateSource::Rows(_) | PlateSource::Levels(_) | PlateSource::Union(_)
        );
        let plain = &self.typed.plates[plate.index()].name;
        let hint = if let Some(key) = key {
            format!("`{name}[{}]` is its value for `{}`", key.name, key.name)
        } else if from_rows && !self.typed.determines(plate, here) {
            format!(
                "add `in {plain}` to plate {} if each of its elements lies in one of {other}; `mean({plain}: {name})` goes over all",
                self.plate_name(here)
            )
        } else {
            format!(
                "`sum({plain}: {name})`, `mean({plain}: {name})` go over the elements of {other}"
            )
        };
        let problem = scope
            .problem(Code::OutOfScope, span, message)
            .label(label)
            .other(self.typed.plates[plate.index()].span, "the plate");
        self.fail(problem.hint(hint))
    }

    fn unknown_name(&self, name: &str, span: Span, scope: &Scope<'_>) -> Problem {
        let message = format!("`{name}` is not declared");
        let problem = scope.problem(Code::UnknownName, span, message);
        let params = scope.params.iter().map(|(param, _)| *param);
        let known = params.chain(
            self.names
                .map
                .iter()
                .filter(|(_, d)| !matches!(d.kind, Kind::Function(_)))
                .map(|(name, _)| *name),
        );
        match did_you_mean(name, known) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None if super::functions::is_function(name) => {
                problem.hint(format!("`{name}(…)` is a function"))
            }
            None => problem.hint(format!(
                "`data {name}: real` reads a column, `{name} ~ …` makes it a latent variable"
            )),
        }
    }

    /// A shape in words: `a number`, `a vector [3]`, `a matrix [K, K]`.
    pub(super) fn describe(&self, event: &[Dim]) -> String {
        let noun = match event.len() {
            0 => return "a number".to_owned(),
            1 => "a vector",
            2 => "a matrix",
            _ => "an array",
        };
        format!("{noun} {}", self.brackets(event))
    }

    /// A shape as written: `[3]`, `[K - 1, 2]`.
    pub(super) fn brackets(&self, event: &[Dim]) -> String {
        let dims: Vec<String> = event.iter().map(|&dim| self.typed.dim_text(dim)).collect();
        format!("[{}]", dims.join(", "))
    }
}

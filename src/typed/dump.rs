//! A checked model as text: short, names not ids.

use super::Aggregate;
use super::Argument;
use super::Column;
use super::ColumnSource;
use super::DataKind;
use super::Depends;
use super::DistributionUse;
use super::ExprId;
use super::ExprKind;
use super::GuideTarget;
use super::LogProb;
use super::PlateSource;
use super::Scaling;
use super::Slot;
use super::StatementKind;
use super::Typed;
use super::aggregates::AGGREGATES;
use super::functions::FUNCTIONS;
use crate::shape::Dim;
use crate::shape::PlateId;
use crate::tape::elementwise;

/// The checked model as `hvic emit typed` prints it.
pub fn dump(typed: &Typed) -> String {
    let mut out = String::new();
    for plate in typed.plates.iter().skip(1) {
        let source = match &plate.source {
            PlateSource::Top => String::new(),
            PlateSource::Rows(None) => "rows".to_owned(),
            PlateSource::Rows(Some(table)) => format!("rows({table})"),
            PlateSource::Levels(columns) => format!("levels({})", columns.join(", ")),
            PlateSource::Union(columns) => format!("union({})", columns.join(", ")),
            PlateSource::Count(n) => n.to_string(),
        };
        let parents: Vec<&str> = names(typed, &plate.parents);
        line(&mut out, &format!("plate {} = {source}", plate.name));
        if !parents.is_empty() {
            append(&mut out, &format!(" in {}", parents.join(", ")));
        }
    }
    for column in &typed.columns {
        line(&mut out, &column_text(typed, column));
    }
    for (id, values) in &typed.given {
        let name = &typed.columns[id.index()].name;
        line(&mut out, &format!("given {name} = {}", numbers(values)));
    }
    for definition in &typed.definitions {
        let value = typed.expr(definition.value);
        let depends = match value.depends {
            Depends::Constant => "constant",
            Depends::Data => "data",
            Depends::Latent => "latent",
        };
        let text = format!(
            "{}{}{} = {} // {depends}{}",
            home(typed, definition.plate),
            definition.name,
            typed.event_text(&value.event),
            typed.text(definition.value),
            varies(typed, &value.plates),
        );
        line(&mut out, &text);
    }
    for statement in &typed.statements {
        let at = home(typed, statement.plate);
        let text = match &statement.kind {
            StatementKind::Latent(id) => {
                let latent = &typed.latents[id.index()];
                format!(
                    "{at}{}{} ~ {} // latent, {:?}",
                    latent.name,
                    typed.event_text(&latent.event),
                    typed.distribution_text(&latent.prior),
                    latent.support
                )
            }
            StatementKind::Observed {
                name, distribution, ..
            } => format!(
                "{at}{name} ~ {} // observed",
                typed.distribution_text(distribution)
            ),
            StatementKind::Factor(value) => format!("{at}factor {}", typed.text(*value)),
        };
        line(&mut out, &text);
        if let Some(condition) = statement.condition {
            append(&mut out, &format!(" where {}", typed.text(condition)));
        }
    }
    for rule in &typed.guide {
        let target = match rule.target {
            GuideTarget::Default => "default",
            GuideTarget::Latent(id) => &typed.latents[id.index()].name,
            GuideTarget::Plate(id) => &typed.plates[id.index()].name,
        };
        let family = rule.family.name();
        line(&mut out, &format!("guide {target}: {family}"));
    }
    out
}

/// Adds a line.
fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Adds to the last line.
fn append(out: &mut String, text: &str) {
    out.pop();
    line(out, text);
}

fn names<'t>(typed: &'t Typed, plates: &[PlateId]) -> Vec<&'t str> {
    plates
        .iter()
        .filter(|&&p| p != PlateId::TOP)
        .map(|p| typed.plates[p.index()].name.as_str())
        .collect()
}

fn home(typed: &Typed, plate: PlateId) -> String {
    match plate {
        PlateId::TOP => String::new(),
        plate => format!("{}.", typed.plates[plate.index()].name),
    }
}

fn varies(typed: &Typed, plates: &[PlateId]) -> String {
    if plates.is_empty() {
        String::new()
    } else {
        format!(", over {}", names(typed, plates).join(" × "))
    }
}

fn column_text(typed: &Typed, column: &Column) -> String {
    let kind = match &column.kind {
        DataKind::Real => "real".to_owned(),
        DataKind::Positive => "positive".to_owned(),
        DataKind::Unit => "unit".to_owned(),
        DataKind::Count => "count".to_owned(),
        DataKind::Binary => "binary".to_owned(),
        DataKind::Category(dim) => format!("category({})", typed.dim_text(*dim)),
        DataKind::Ordinal(dim, _) => format!("ordinal({})", typed.dim_text(*dim)),
        DataKind::Key(plate) => typed.plates[plate.index()].name.clone(),
    };
    let from = match &column.from {
        ColumnSource::Named(name) => format!("{name:?}"),
        ColumnSource::Many(names) => format!("{names:?}"),
        ColumnSource::Pattern(pattern) => format!("pattern {pattern:?}"),
    };
    format!(
        "data {}{}: {kind}{} from {from}",
        home(typed, column.plate),
        column.name,
        typed.event_text(&column.event)
    )
}

fn numbers(values: &[f64]) -> String {
    match values {
        [one] => one.to_string(),
        _ => {
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

impl Typed {
    /// A dimension in words: `3`, `K - 1`.
    pub fn dim_text(&self, dim: Dim) -> String {
        match dim {
            Dim::Fixed(n) => n.to_string(),
            Dim::Size(id, plus) => {
                let name = &self.sizes[id.index()].name;
                match plus {
                    0 => name.clone(),
                    1.. => format!("{name} + {plus}"),
                    _ => format!("{name} - {}", plus.unsigned_abs()),
                }
            }
        }
    }

    /// The dimensions of an event in brackets; nothing for a scalar.
    pub fn event_text(&self, event: &[Dim]) -> String {
        if event.is_empty() {
            return String::new();
        }
        let dims: Vec<String> = event.iter().map(|&dim| self.dim_text(dim)).collect();
        format!("[{}]", dims.join(", "))
    }

    /// A distribution with its arguments as text.
    pub fn distribution_text(&self, used: &DistributionUse) -> String {
        let params = used.distribution.forms()[used.form].params;
        let args: Vec<String> = params
            .iter()
            .zip(&used.args)
            .map(|(param, arg)| {
                let value = match arg {
                    Argument::Value(id) => self.text(*id),
                    Argument::Distribution(inner) => self.distribution_text(inner),
                };
                if used.form == 0 {
                    value
                } else {
                    format!("{} = {value}", param.name)
                }
            })
            .collect();
        format!("{}({})", used.distribution.name(), args.join(", "))
    }

    /// An expression as text, with the names of the model.
    pub fn text(&self, id: ExprId) -> String {
        let list = |ids: &[ExprId]| {
            let texts: Vec<String> = ids.iter().map(|&id| self.text(id)).collect();
            texts.join(", ")
        };
        match &self.expr(id).kind {
            ExprKind::Constant(values) => numbers(values),
            ExprKind::Size(size, plus) => self.dim_text(Dim::Size(*size, *plus)),
            ExprKind::Column(id) => self.columns[id.index()].name.clone(),
            ExprKind::Latent(id) => self.latents[id.index()].name.clone(),
            ExprKind::Definition(id) => self.definitions[id.index()].name.clone(),
            ExprKind::Map(op, args) => {
                let sign = SIGNS.iter().find(|(row, _)| *row == *op);
                match (sign, args.as_slice()) {
                    (Some((_, sign)), [a, b]) => {
                        format!("{} {sign} {}", self.operand(*a), self.operand(*b))
                    }
                    (Some((_, sign)), [a]) => format!("{sign}{}", self.operand(*a)),
                    (_, args) => format!("{}({})", op.name, list(args)),
                }
            }
            ExprKind::Function(function, args) => {
                match (
                    FUNCTIONS.iter().find(|row| row.function == *function),
                    args.as_slice(),
                ) {
                    (None, [a, b]) => format!("{} @ {}", self.operand(*a), self.operand(*b)),
                    (row, args) => {
                        let name = row.map_or("", |row| row.name);
                        let dims = self.event_text(&self.expr(id).event);
                        format!(
                            "{name}{}({})",
                            if args.is_empty() { &dims } else { "" },
                            list(args)
                        )
                    }
                }
            }
            ExprKind::Vector(items) => format!("[{}]", list(items)),
            ExprKind::Index(base, slots) => {
                let slots: Vec<String> = slots
                    .iter()
                    .map(|slot| match slot {
                        Slot::All => ":".to_owned(),
                        Slot::At(id) => self.text(*id),
                        Slot::Element(plate) => self.plates[plate.index()].name.clone(),
                    })
                    .collect();
                format!("{}[{}]", self.operand(*base), slots.join(", "))
            }
            ExprKind::Lookup(base, key) => {
                format!(
                    "{}[{}]",
                    self.operand(*base),
                    self.columns[key.index()].name
                )
            }
            ExprKind::If(c, a, b) => format!(
                "if {} then {} else {}",
                self.text(*c),
                self.text(*a),
                self.text(*b)
            ),
            ExprKind::Aggregate {
                function,
                plate,
                body,
                ..
            } => format!(
                "{}({}: {})",
                aggregate_name(*function),
                self.plates[plate.index()].name,
                self.text(*body)
            ),
            ExprKind::LogProb(function, distribution, value) => {
                let name = match function {
                    LogProb::Density => "log_prob",
                    LogProb::Cdf => "log_cdf",
                    LogProb::Ccdf => "log_ccdf",
                };
                let distribution = self.distribution_text(distribution);
                format!("{name}({distribution}, {})", self.text(*value))
            }
            ExprKind::Center(column, scaling) => {
                let name = match scaling {
                    Scaling::Center => "center",
                    Scaling::Standardize => "standardize",
                };
                format!("{name}({})", self.columns[column.index()].name)
            }
        }
    }

    /// An expression as text, in parentheses if it has parts.
    fn operand(&self, id: ExprId) -> String {
        let mut text = self.text(id);
        let simple = match &self.expr(id).kind {
            ExprKind::Map(op, _) => SIGNS.iter().all(|(row, _)| *row != *op),
            ExprKind::If(..) => false,
            ExprKind::Size(_, plus) => *plus == 0,
            ExprKind::Function(function, _) => {
                FUNCTIONS.iter().any(|row| row.function == *function)
            }
            ExprKind::Constant(values) => values.iter().all(|x| *x >= 0.0),
            ExprKind::Column(_)
            | ExprKind::Latent(_)
            | ExprKind::Definition(_)
            | ExprKind::Vector(_)
            | ExprKind::Index(..)
            | ExprKind::Lookup(..)
            | ExprKind::Aggregate { .. }
            | ExprKind::LogProb(..)
            | ExprKind::Center(..) => true,
        };
        if !simple {
            text.insert(0, '(');
            text.push(')');
        }
        text
    }
}

/// The operators' signs.
static SIGNS: &[(&elementwise::Elementwise, &str)] = &[
    (&elementwise::ADD, "+"),
    (&elementwise::SUB, "-"),
    (&elementwise::MUL, "*"),
    (&elementwise::DIV, "/"),
    (&elementwise::POW, "^"),
    (&elementwise::NEG, "-"),
    (&elementwise::NOT, "!"),
    (&elementwise::AND, "&&"),
    (&elementwise::OR, "||"),
    (&elementwise::EQUAL, "=="),
    (&elementwise::NOT_EQUAL, "!="),
    (&elementwise::LESS, "<"),
    (&elementwise::LESS_EQUAL, "<="),
];

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    AGGREGATES
        .iter()
        .find(|(_, known)| *known == aggregate)
        .map_or("", |(name, _)| *name)
}

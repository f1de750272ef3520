//! `--set` settings: numbers, vectors and matrices given beside the file.

use super::ColumnId;
use super::DataKind;
use super::check::Checker;
use super::check::Overrides;
use super::names::Kind;
use super::range::Fit;
use super::range::Range;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::shape::Dim;
use crate::tape::elementwise::Domain;
use serde_json::Value;

/// A value given by `--set`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Setting {
    /// Its dimensions: none for a number, one for a vector, two for a matrix.
    pub(super) dims: Vec<usize>,
    /// Its numbers, in row-major order.
    pub(super) values: Vec<f64>,
}

impl Setting {
    /// Reads `5`, `[1, 2]` or `[[1, 2], [3, 4]]`.
    fn read(text: &str) -> Option<Setting> {
        let value: Value = serde_json::from_str(text.trim()).ok()?;
        let (mut dims, mut values) = (Vec::new(), Vec::new());
        flatten(&value, 0, &mut dims, &mut values)?;
        Some(Setting { dims, values })
    }

    /// In words: `a number`, `a vector of 3`, `a 2 × 3 matrix`.
    pub(super) fn shape(&self) -> String {
        match self.dims.as_slice() {
            [] => "a number".to_owned(),
            [n] => format!("a vector of {n}"),
            dims => {
                let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
                format!("{} numbers in brackets", dims.join(" × "))
            }
        }
    }
}

/// Appends the numbers of `value`; `None` when it is ragged, empty or holds something else.
fn flatten(
    value: &Value,
    depth: usize,
    dims: &mut Vec<usize>,
    values: &mut Vec<f64>,
) -> Option<()> {
    match value {
        Value::Number(number) if depth == dims.len() => values.push(number.as_f64()?),
        Value::Bool(truth) if depth == dims.len() => values.push(f64::from(u8::from(*truth))),
        Value::Array(items) if !items.is_empty() => {
            if depth == dims.len() {
                // Only the first way down may open a dimension.
                if !values.is_empty() {
                    return None;
                }
                dims.push(items.len());
            }
            if dims[depth] != items.len() {
                return None;
            }
            for item in items {
                flatten(item, depth + 1, dims, values)?;
            }
        }
        Value::Number(_)
        | Value::Bool(_)
        | Value::Array(_)
        | Value::Null
        | Value::String(_)
        | Value::Object(_) => return None,
    }
    Some(())
}

impl Checker<'_> {
    /// Reads the settings; each must name a constant or a column of the top level.
    pub(super) fn settings(&mut self, overrides: &Overrides) {
        for (name, text) in overrides {
            let settable = |kind: &Kind<'_>, block| match kind {
                Kind::Const(_) => true,
                Kind::Column => block == 0,
                Kind::Plate(_)
                | Kind::Function(_)
                | Kind::Latent(..)
                | Kind::Definition(_)
                | Kind::Size => false,
            };
            let Some(declared) = self.names.map.get(name.as_str()) else {
                let known = self
                    .names
                    .map
                    .iter()
                    .filter(|(_, d)| settable(&d.kind, d.block))
                    .map(|(name, _)| *name);
                let message = format!("`--set {name}=…` names nothing in the file");
                let mut problem = Problem::nowhere(Code::UnknownSetting, message);
                problem.hint = Some(match did_you_mean(name, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("declare `const {name} = …` to make it a setting"),
                });
                self.problems.push(problem);
                continue;
            };
            if !settable(&declared.kind, declared.block) {
                let noun = match declared.kind {
                    Kind::Column => "data of a plate",
                    kind @ (Kind::Plate(_)
                    | Kind::Const(_)
                    | Kind::Function(_)
                    | Kind::Latent(..)
                    | Kind::Definition(_)
                    | Kind::Size) => kind.noun(),
                };
                let message = format!("`--set {name}=…` cannot set `{name}`: it is {noun}");
                let problem = Problem::at(Code::UnknownSetting, declared.span, message)
                    .label("declared here")
                    .hint("`--set` gives constants and the data of the top level");
                self.problems.push(problem);
                continue;
            }
            match Setting::read(text) {
                Some(setting) => {
                    self.settings.insert(name.clone(), setting);
                }
                None => {
                    let message = format!("`{text}` is no value for `{name}`");
                    let problem = Problem::at(Code::BadSetting, declared.span, message)
                        .label("set from outside")
                        .hint("a number, a vector `[1, 2]` or a matrix `[[1, 2], [3, 4]]`");
                    self.problems.push(problem);
                }
            }
        }
    }

    /// Fixes the data of a column to a setting, whose shape and values must be the declared ones.
    pub(super) fn give(&mut self, id: ColumnId, setting: Setting) {
        let column = self.column(id);
        let (name, span) = (column.name.clone(), column.span);
        let fits = column.event.len() == setting.dims.len()
            && column
                .event
                .iter()
                .zip(&setting.dims)
                .all(|(dim, n)| match dim {
                    Dim::Fixed(m) => m == n,
                    Dim::Size(..) => true,
                });
        if !fits {
            let message = format!(
                "`{name}` is {}, and `--set` gives {}",
                self.describe(&column.event.clone()),
                setting.shape()
            );
            let problem = Problem::at(Code::BadSetting, span, message);
            self.problems.push(problem.label("declared here"));
            return;
        }
        let domain = match &column.kind {
            DataKind::Real => Domain::Real,
            DataKind::Positive => Domain::Positive,
            DataKind::Unit => Domain::Unit,
            DataKind::Count => Domain::Count,
            DataKind::Binary => Domain::Binary,
            DataKind::Category(_) | DataKind::Ordinal(..) => Domain::Index,
            DataKind::Key(plate) => {
                let message = format!("`{name}` holds labels of {}", self.plate_name(*plate));
                let problem = Problem::at(Code::BadSetting, span, message)
                    .label("declared here")
                    .hint("labels are read from a column; `--set` gives numbers only");
                self.problems.push(problem);
                return;
            }
        };
        let most = match &column.kind {
            DataKind::Category(Dim::Fixed(n)) | DataKind::Ordinal(Dim::Fixed(n), _) => *n as f64,
            DataKind::Real
            | DataKind::Positive
            | DataKind::Unit
            | DataKind::Count
            | DataKind::Binary
            | DataKind::Category(Dim::Size(..))
            | DataKind::Ordinal(Dim::Size(..), _)
            | DataKind::Key(_) => f64::INFINITY,
        };
        let wrong = setting
            .values
            .iter()
            .find(|&&x| Range::of(&[x]).fit(domain) != Fit::Inside || x > most);
        if let Some(wrong) = wrong {
            let message = format!("`{wrong}` is no value for `{name}`, which is {}", {
                super::columns::describe(&column.kind, &self.typed)
            });
            let problem = Problem::at(Code::BadSetting, span, message);
            self.problems.push(problem.label("declared here"));
            return;
        }
        self.typed.given.insert(id, setting.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_vectors_and_matrices_are_read() {
        let read = |text: &str| Setting::read(text).map(|s| (s.dims, s.values));
        assert_eq!(read(" 5 "), Some((vec![], vec![5.0])));
        assert_eq!(read("[1, -2e3]"), Some((vec![2], vec![1.0, -2000.0])));
        assert_eq!(
            read("[[1,2,3],[4,5,6]]"),
            Some((vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        );
    }

    #[test]
    fn what_is_ragged_or_no_number_is_refused() {
        for text in [
            "",
            "x",
            "[]",
            "[[1,2],[3]]",
            "[1,[2]]",
            "[[1],2]",
            "\"a\"",
            "1 2",
            "{}",
            "null",
        ] {
            assert_eq!(Setting::read(text), None, "{text}");
        }
    }
}

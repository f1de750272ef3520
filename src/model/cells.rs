//! Cells as numbers: what each type of data accepts, and what is said of a cell that it refuses.

use super::labels::Elements;
use super::labels::Labelled;
use super::labels::Level;
use super::labels::NOWHERE;
use crate::data::Codes;
use crate::data::Column;
use crate::data::Numbers;
use crate::num::Shared;
use crate::problem::Code;
use crate::problem::did_you_mean;
use rayon::prelude::*;
use std::borrow::Cow;

/// Counts lie below this, 2^53: up to there every integer is an `f64` of its own.
const COUNTABLE: f64 = 9_007_199_254_740_992.0;

/// How the cells of a column become numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading<'a> {
    Real,
    Positive,
    Unit,
    Count,
    Binary,
    /// The integers 1 … K.
    Upto(usize),
    /// One of the levels, coded from 1.
    Level(&'a Level),
    /// One of these labels, coded from 1.
    Listed(&'a [String]),
    /// The label of an element of the plate of this name, coded from 0.
    Element(&'a Elements, &'a str),
}

/// The cells of a column under a [`Reading`].
pub(super) enum Cells<'a> {
    /// The numbers themselves.
    Numbers(Reading<'a>, &'a Numbers),
    /// For each row a code, and what each code is.
    Coded(Cow<'a, Codes>, Vec<Result<f64, Code>>),
}

impl Cells<'_> {
    /// The numbers as they are stored, when all are accepted and stand for themselves.
    pub(super) fn unchanged(&self) -> Option<Shared> {
        let Cells::Numbers(reading, values) = self else {
            return None;
        };
        let same = |value: &f64| reading.number(*value) == Ok(*value);
        let shared = values.shared()?;
        shared.par_iter().all(same).then(|| shared.clone())
    }

    /// The number of a row, or what is wrong with its cell.
    pub(super) fn get(&self, row: usize) -> Result<f64, Code> {
        match self {
            Cells::Numbers(reading, values) => match values.get(row) {
                missing if missing.is_nan() => Err(Code::ValueMissing),
                value => reading.number(value),
            },
            Cells::Coded(codes, values) => match codes.get(row) {
                NOWHERE => Err(Code::ValueMissing),
                code => values[code as usize],
            },
        }
    }
}

impl<'a> Reading<'a> {
    /// The cells of `column`, read in this way.
    pub(super) fn cells(self, column: &'a Column) -> Cells<'a> {
        let by_label = match self {
            Reading::Real
            | Reading::Positive
            | Reading::Unit
            | Reading::Count
            | Reading::Binary
            | Reading::Upto(_) => false,
            Reading::Level(_) | Reading::Listed(_) | Reading::Element(..) => true,
        };
        match column {
            Column::Numbers(values) if !by_label => Cells::Numbers(self, values),
            Column::Numbers(_) | Column::Texts { .. } => {
                let Labelled { codes, labels } = Labelled::of(column);
                let values = labels.iter().map(|label| self.text(label)).collect();
                Cells::Coded(codes, values)
            }
        }
    }

    /// What a number stands for.
    pub(super) fn number(self, value: f64) -> Result<f64, Code> {
        let integer = || value.fract() == 0.0;
        let inside = match self {
            Reading::Real => true,
            Reading::Positive => value > 0.0,
            Reading::Unit => (0.0..=1.0).contains(&value),
            Reading::Count => integer() && (0.0..COUNTABLE).contains(&value),
            Reading::Binary => value == 0.0 || value == 1.0,
            Reading::Upto(k) => integer() && value >= 1.0 && value <= k as f64,
            Reading::Level(_) | Reading::Listed(_) | Reading::Element(..) => {
                return self.text(&value.to_string());
            }
        };
        if !value.is_finite() {
            Err(Code::NoNumber)
        } else if inside {
            Ok(value)
        } else {
            Err(Code::OutsideType)
        }
    }

    fn text(self, text: &str) -> Result<f64, Code> {
        let coded = |place: Option<usize>, code| place.map(|i| i as f64 + 1.0).ok_or(code);
        match self {
            Reading::Level(level) => {
                coded(level.find(text).map(|i| i as usize), Code::LevelUnknown)
            }
            Reading::Listed(labels) => {
                coded(labels.iter().position(|l| l == text), Code::LevelUnknown)
            }
            Reading::Element(elements, _) => {
                elements.find(text).map(f64::from).ok_or(Code::KeyUnknown)
            }
            Reading::Binary => match text.to_lowercase().as_str() {
                "true" | "yes" => Ok(1.0),
                "false" | "no" => Ok(0.0),
                other => self.number(other.parse().map_err(|_| Code::OutsideType)?),
            },
            Reading::Upto(_) => self.number(text.parse().map_err(|_| Code::LevelUnknown)?),
            Reading::Real | Reading::Positive | Reading::Unit | Reading::Count => {
                self.number(text.parse().map_err(|_| Code::NoNumber)?)
            }
        }
    }

    /// What is accepted, for the declaration: "expected a number above 0".
    pub(super) fn expected(self) -> String {
        match self {
            Reading::Real => "expected a number".to_string(),
            Reading::Positive => "expected a number above 0".to_string(),
            Reading::Unit => "expected a number between 0 and 1".to_string(),
            Reading::Count => "expected 0, 1, 2, …".to_string(),
            Reading::Binary => "expected 0 or 1, true or false, yes or no".to_string(),
            Reading::Upto(usize::MAX) => "expected 1, 2, 3, …".to_string(),
            Reading::Upto(k) => format!("expected an integer from 1 to {k}"),
            Reading::Level(_) => "expected one of its levels".to_string(),
            Reading::Listed(labels) => format!("expected `{}`", labels.join("`, `")),
            Reading::Element(_, plate) => format!("expected an element of `{plate}`"),
        }
    }

    /// What is wrong with a cell, and how to mend it.
    pub(super) fn refusal(self, code: Code, name: &str, cell: &str) -> (String, String) {
        if code == Code::ValueMissing {
            return (
                format!("a value of `{name}` is missing"),
                "fill in the cell or remove the row".to_string(),
            );
        }
        let message = match self {
            Reading::Real if cell.parse::<f64>().is_ok() => format!("`{cell}` is not finite"),
            Reading::Real => format!("`{cell}` is not a number"),
            Reading::Positive => format!("`{cell}` is not a number above 0"),
            Reading::Unit => format!("`{cell}` is not a number between 0 and 1"),
            Reading::Count => format!("`{cell}` is not a count"),
            Reading::Binary => format!("`{cell}` is neither 0 nor 1"),
            Reading::Upto(usize::MAX) => format!("`{cell}` is not one of 1, 2, 3, …"),
            Reading::Upto(k) => format!("`{cell}` is not an integer from 1 to {k}"),
            Reading::Level(_) | Reading::Listed(_) => format!("`{cell}` is no level of `{name}`"),
            Reading::Element(_, plate) => format!("`{cell}` is no element of `{plate}`"),
        };
        (message, self.mend(name, cell))
    }

    fn mend(self, name: &str, cell: &str) -> String {
        match self {
            Reading::Listed(labels) => {
                return match did_you_mean(cell, labels.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "add it to the list, in its place in the order".to_string(),
                };
            }
            Reading::Element(Elements::Keys { levels, .. }, plate) if levels.len() == 1 => {
                let known = levels[0].sorted.iter().map(String::as_str);
                return match did_you_mean(cell, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("`{plate}` has the labels of the columns that it is made of"),
                };
            }
            Reading::Element(_, plate) => return format!("its labels are those of `{plate}`"),
            Reading::Level(_) => return "correct the cell".to_string(),
            Reading::Real
            | Reading::Positive
            | Reading::Unit
            | Reading::Count
            | Reading::Binary
            | Reading::Upto(_) => {}
        }
        if let Some(plain) = plain_number(cell) {
            return format!("write `{plain}`: a point before decimals, nothing between thousands");
        }
        let value = cell.parse::<f64>();
        match (self, value) {
            (_, Ok(value)) if !value.is_finite() => "only finite numbers are data".to_string(),
            (Reading::Positive | Reading::Unit | Reading::Count, Ok(_)) => {
                format!("correct the cell, or declare `{name}: real`")
            }
            (Reading::Upto(_), Ok(_)) => {
                format!("levels are counted from 1; `{name}: category` takes any labels")
            }
            (Reading::Upto(_), Err(_)) => {
                format!("list the labels in their order: `{name}: ordinal(\"low\", \"high\")`")
            }
            (Reading::Binary, _) => {
                format!("code it as 0 and 1, or declare `{name}: category`")
            }
            (_, Err(_)) => format!(
                "correct the cell; `{name}: category` takes words, and `NA` stands for a missing value"
            ),
            (_, Ok(_)) => "correct the cell".to_string(),
        }
    }
}

/// The number that a text with a decimal comma, or with separators between thousands, was meant to be.
fn plain_number(cell: &str) -> Option<String> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (sign, body) = match cell.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", cell),
    };
    for (thousands, point) in [(',', '.'), ('.', ','), (' ', '.'), ('\'', '.')] {
        let (whole, decimals) = match body.split_once(point) {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (body, None),
        };
        let groups: Vec<&str> = whole.split(thousands).collect();
        let grouped = groups.len() > 1
            && digits(groups[0])
            && groups[0].len() <= 3
            && groups[1..].iter().all(|g| g.len() == 3 && digits(g));
        let comma = groups.len() == 1 && point == ',' && digits(whole) && decimals.is_some();
        if (grouped || comma) && decimals.is_none_or(digits) {
            let decimals = decimals.map(|d| format!(".{d}")).unwrap_or_default();
            return Some(format!("{sign}{}{decimals}", groups.concat()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_commas_are_understood_in_hints() {
        let plain = |s| plain_number(s).unwrap_or_default();
        assert_eq!(plain("1,234"), "1234");
        assert_eq!(plain("-1,234,567.5"), "-1234567.5");
        assert_eq!(plain("3,14"), "3.14");
        assert_eq!(plain("1.234,5"), "1234.5");
        assert_eq!(plain("1 234"), "1234");
        assert_eq!(plain("twelve"), "");
        assert_eq!(plain("1,2,3"), "");
    }
}

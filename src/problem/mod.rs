//! Problems: what is wrong with a model, its data or a request, in words that the user can act on.
//!
//! A [`Problem`] is about the *source*; what is wrong with a *fit* is the matter of `diagnostics`.

pub mod code;
mod record;
mod render;

use crate::source::Span;
pub use code::Code;
pub use record::Record;
pub use record::records;
pub use render::render;

/// How bad a problem is; it follows from its code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The model or the data cannot be used as they are.
    Error,
    /// Legal, and probably wrong.
    Warning,
}

/// Where a problem lies.
#[derive(Clone, PartialEq, Debug)]
pub enum Place {
    /// In the model's text.
    Source(Span),
    /// In a data file.
    Data(DataPlace),
    /// In neither, for instance in a command-line setting.
    Nowhere,
}

/// A place in a data file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DataPlace {
    /// The file as the user named it.
    pub file: String,
    /// The line in the file, from 1, the header being line 1.
    pub line: Option<usize>,
    /// The column's name.
    pub column: Option<String>,
    /// The text of the offending cell.
    pub value: Option<String>,
    /// The declaration in the model that asks for it.
    pub declared: Option<Span>,
}

/// One problem.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// Which problem; its severity, explanation and example follow from it.
    pub code: Code,
    /// One lower-case sentence without a full stop, names in backticks.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What stands beside the underlined span.
    pub label: String,
    /// Other spans that matter, each with a word on why.
    pub others: Vec<(Span, String)>,
    /// How to go on.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a span of the model.
    pub fn at(code: Code, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(code, Place::Source(span), message.into())
    }

    /// A problem in a data file.
    pub fn in_data(code: Code, place: DataPlace, message: impl Into<String>) -> Problem {
        Problem::new(code, Place::Data(place), message.into())
    }

    /// A problem with no place in a file.
    pub fn nowhere(code: Code, message: impl Into<String>) -> Problem {
        Problem::new(code, Place::Nowhere, message.into())
    }

    fn new(code: Code, place: Place, message: String) -> Problem {
        Problem {
            code,
            message,
            place,
            label: String::new(),
            others: Vec::new(),
            hint: None,
        }
    }

    /// Writes `label` beside the underlined span.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// Shows another span with a word on why it matters.
    #[must_use]
    pub fn other(mut self, span: Span, label: impl Into<String>) -> Problem {
        self.others.push((span, label.into()));
        self
    }

    /// Says how to go on.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// All problems found so far; a stage collects them and goes on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// None so far.
    pub fn new() -> Problems {
        Problems::default()
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    /// Adds the first three of `total` problems of one kind, which `make` makes from their numbers; the third says how many follow.
    pub fn push_first(&mut self, total: usize, mut make: impl FnMut(usize) -> Problem) {
        const SHOWN: usize = 3;
        for i in 0..total.min(SHOWN) {
            let mut problem = make(i);
            if i + 1 == SHOWN && total > SHOWN {
                problem.message += &format!(", and {} more like it", total - SHOWN);
            }
            self.push(problem);
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Problems) {
        for problem in other.list {
            self.push(problem);
        }
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|p| p.severity() == Severity::Error)
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems in the order of the text; those in data files follow, in the order found.
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut list: Vec<&Problem> = self.list.iter().collect();
        list.sort_by_key(|p| match &p.place {
            Place::Source(span) => (0, span.start),
            Place::Data(_) => (1, 0),
            Place::Nowhere => (2, 0),
        });
        list
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems {
            list: vec![problem],
        }
    }
}

/// The name in `known` that `name` was probably meant to be.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (edit_distance(&name.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(distance, k)| {
            let shorter = k.chars().count().min(name.chars().count());
            *distance < shorter && *distance <= 1.max(shorter / 3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// The number of insertions, deletions, substitutions and swaps of neighbours between two words
/// (the restricted Damerau–Levenshtein distance).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

//! What a fit says of what it has not seen: the locals of new elements given their data, and the values of new rows.
//!
//! Both start from a [`Posterior`], which is all that is kept of a fit for them: draws of its latent variables with the labels of their
//! elements. [`adapt`] adds new elements to it, the globals held as learned. [`predict`] draws the outcome of new rows.
//!
//! ```
//! use hvi::data::{Table, Tables};
//! use hvi::predict::{self, NewLevels, Settings};
//! use hvi::{ast, diagnostics, elbo, fit, guide, joint, model, num::rng, source::Source, typed};
//! use std::sync::Arc;
//!
//! let source = Source::new(
//!     "tasks.hvi",
//!     "mu ~ Normal(0, 10)\nplate task {\n  a ~ Normal(mu, 2)\n  plate trial = rows {\n    data y: real\n    y ~ Normal(a, 1)\n  }\n}\n",
//! );
//! let tree = ast::parse(&source).expect("the text parses");
//! let (typed, _) = typed::check(&source, &tree, &Default::default()).expect("the model is right");
//! let typed = Arc::new(typed);
//! let table = |text| Tables::new(Table::parse("data.csv", text).expect("a table"));
//!
//! // Fit, and keep what later data need.
//! let (model, _) = model::bind(&typed, &table("task,y\na,1\na,2\nb,4\nb,3\nc,2\n")).expect("the data fit");
//! let joint = joint::lower(&Arc::new(model));
//! let guide = guide::derive(&joint, &Default::default()).expect("a guide");
//! let elbo = elbo::compose(&joint, &guide);
//! let mut settings = fit::Settings { max_iterations: 1000, batch: None, progress: &mut |_| true };
//! let mut rng = rng::stream(1);
//! let fitted = fit::run(&elbo, &mut settings, &mut rng);
//! let found = diagnostics::assess(&elbo, &fitted, &mut rng);
//! let posterior = predict::Posterior::of(&joint, &found, &Default::default());
//!
//! // A new task: its local given its three rows.
//! let new = table("task,y\nd,6\nd,7\nd,5\n");
//! let known = posterior.known(&typed, Vec::new());
//! let new = model::bind_known(&typed, &new, &known).expect("the new data fit");
//! let adapted = predict::adapt(&posterior, &joint::lower(&Arc::new(new)), 1).expect("a new task");
//! assert_eq!(adapted.elements, [("task".to_owned(), 1)]);
//!
//! // Its next outcome: the outcome's own column is not read.
//! let unread = predict::outcome_columns(&typed);
//! let known = adapted.posterior.known(&typed, unread);
//! let rows = model::bind_known(&typed, &table("task\nd\n"), &known).expect("the new rows fit");
//! let settings = Settings { seed: 1, probabilities: vec![0.05, 0.95], new_levels: NewLevels::Error };
//! let predicted = predict::predict(&adapted.posterior, &Arc::new(rows), &settings).expect("a known task");
//! // Three rows with mean 6 and sd 1, shrunk a little towards the other tasks.
//! assert!((predicted.outcomes[0].cells[0].mean - 5.7).abs() < 0.2);
//! ```

mod adapt;
mod held;
mod posterior;
mod rows;
#[cfg(test)]
mod tests;

pub use crate::model::Known;
pub use adapt::Adapted;
pub use adapt::Elimination;
pub use adapt::adapt;
pub use posterior::Posterior;
pub use rows::Cell;
pub use rows::NewLevels;
pub use rows::Predicted;
pub use rows::Prediction;
pub use rows::Settings;
pub use rows::log_likelihood;
pub use rows::outcome_columns;
pub use rows::predict;
use std::fmt::Display;
use std::fmt::Formatter;

/// Why something cannot be said of new data.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What stands in the way.
    pub message: String,
    /// How to go on.
    pub hint: String,
}

impl Refusal {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.hint)
    }
}

impl std::error::Error for Refusal {}

/// Some labels, for a message: `a`, `b`, `c` and 5 more.
fn listed(labels: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = labels
        .iter()
        .take(SHOWN)
        .map(|l| format!("`{l}`"))
        .collect();
    match labels.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

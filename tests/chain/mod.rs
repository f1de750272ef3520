//! The stages in a row, for tests that start from texts.

use hvi::ast;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::joint;
use hvi::joint::Joint;
use hvi::model;
use hvi::model::Model;
use hvi::problem;
use hvi::problem::Problems;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use std::sync::Arc;

/// The joint density of a model with the rows of one table; panics with the rendered problems.
pub fn joint(model: &str, csv: &str) -> Joint {
    joint_with(model, csv, &[])
}

/// The joint density of a model with a main and further tables.
pub fn joint_with(model: &str, csv: &str, others: &[(&str, &str)]) -> Joint {
    joint::lower(&bound(model, csv, others))
}

/// A model with a main and further tables.
pub fn bound(text: &str, csv: &str, others: &[(&str, &str)]) -> Arc<Model> {
    let source = Source::new("model.hvi", text);
    let fail =
        |problems: Problems| -> ! { panic!("{}", problem::render(&problems, &source, false)) };
    let table = |name: &str, csv: &str| {
        Table::parse(&format!("{name}.csv"), csv).unwrap_or_else(|p| fail(p))
    };
    let ast = ast::parse(&source).unwrap_or_else(|p| fail(p));
    let (typed, _) = typed::check(&source, &ast, &Overrides::default()).unwrap_or_else(|p| fail(p));
    let mut tables = Tables::new(table("main", csv));
    for (name, csv) in others {
        tables = tables.with(name, table(name, csv));
    }
    let (bound, _) = model::bind(&Arc::new(typed), &tables).unwrap_or_else(|p| fail(p));
    Arc::new(bound)
}

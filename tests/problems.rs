//! Every code's example raises the code, and its full text is kept as a snapshot.

use hvi::data::Table;
use hvi::data::Tables;
use hvi::model::bind;
use hvi::problem::Code;
use hvi::problem::Problems;
use hvi::problem::code::Example;
use hvi::problem::render;
use hvi::source::Source;
use std::sync::Arc;

/// Stages whose codes have their tests elsewhere: the case files of the syntax, and fits.
const ELSEWHERE: [&str; 2] = ["E01", "E08"];

/// Runs the stages on an example until one has errors; warnings are problems too.
fn problems_of(code: Code, source: &Source, example: &Example) -> Problems {
    let settings = example.set.iter().filter_map(|set| set.split_once('='));
    let overrides = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let checked =
        hvi::ast::parse(source).and_then(|ast| hvi::typed::check(source, &ast, &overrides));
    let (typed, mut problems) = match checked {
        Ok(checked) => checked,
        Err(problems) => return problems,
    };
    // Without data nothing is bound, unless that is the problem.
    if example.data.is_some() || code == Code::TableUnreadable {
        let bound = tables_of(example).and_then(|tables| bind(&Arc::new(typed), &tables));
        problems.extend(match bound {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        });
    }
    problems
}

fn tables_of(example: &Example) -> Result<Tables, Problems> {
    let mut tables = match example.data {
        Some(text) => Tables::new(Table::parse("data.csv", text)?),
        None => Tables::default(),
    };
    for (name, text) in example.tables {
        tables = tables.with(name, Table::parse(&format!("{name}.csv"), text)?);
    }
    Ok(tables)
}

#[test]
fn every_example_raises_its_code_and_no_other() {
    for code in Code::ALL {
        if ELSEWHERE.iter().any(|stage| code.id().starts_with(stage)) {
            continue;
        }
        let example = code.example();
        let source = Source::new("model.hvi", example.model);
        let problems = problems_of(*code, &source, &example);
        let text = render(&problems, &source, false);
        let raised: Vec<Code> = problems.sorted().iter().map(|p| p.code).collect();
        assert!(!raised.is_empty(), "nothing raised for {}", code.id());
        assert!(raised.iter().all(|c| c == code), "{}: {text}", code.id());
        insta::with_settings!({description => code.title(), omit_expression => true}, {
            insta::assert_snapshot!(code.id(), text);
        });
    }
}

#[test]
fn ids_are_unique_and_in_order() {
    let ids: Vec<&str> = Code::ALL.iter().map(|c| c.id()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

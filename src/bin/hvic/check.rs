//! `hvic check`: every problem of a model, and with data how they bind to it.

use crate::args::Check as Args;
use crate::load;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::ast;
use hvi::model;
use hvi::model::BindingReport;
use hvi::problem::Place;
use hvi::problem::Problem;
use hvi::problem::Problems;
use hvi::problem::Severity;
use hvi::report::VERSION;
use hvi::report::text;
use hvi::source::Source;
use hvi::typed::Typed;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Checks a model, and binds data if there are any.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.json {
        return run_json(args, terminal);
    }
    let typed = load::checked(&args.input, terminal)?;
    if args.input.data.is_none() {
        terminal.result(&outline(&typed))?;
        return Ok(Exit::Done);
    }
    let tables = load::tables(&args.input, typed.source())?;
    let model = load::bound(&typed, &tables, terminal)?;
    let data = args.input.data.as_ref().map(|p| p.display().to_string());
    let name = load::name(&args.input.model);
    terminal.result(&text::binding(
        &name,
        data.as_deref(),
        model.report(),
        terminal.paint(),
    ))?;
    Ok(Exit::Done)
}

/// What a model without data can say of itself.
fn outline(typed: &Typed) -> String {
    let list = |names: Vec<&str>, one: &str, many: &str| match names.as_slice() {
        [] => format!("no {many}"),
        names => format!(
            "{} ({})",
            text::count(names.len(), one, many),
            names.join(", ")
        ),
    };
    let latents = typed.latents().iter().map(|l| l.name.as_str()).collect();
    let plates = typed
        .plates()
        .iter()
        .skip(1)
        .map(|p| p.name.as_str())
        .collect();
    let columns = typed.columns().iter().map(|c| c.name.as_str()).collect();
    format!(
        "`{}` is right: {}, {}, {}\n",
        typed.source().name(),
        list(latents, "variable", "variables"),
        list(plates, "plate", "plates"),
        list(columns, "data column", "data columns"),
    )
}

fn run_json(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let source = load::source(&args.input.model)?;
    let (problems, report) = found(args, &source)?;
    let json = json!({
        "version": VERSION,
        "model": load::name(&args.input.model),
        "problems": problems.sorted().into_iter().map(|p| problem(p, &source)).collect::<Vec<_>>(),
        "rows": report.as_ref().map(|r| r.rows),
        "plates": report.as_ref().map(plates),
    });
    terminal.result(&format!("{json:#}\n"))?;
    Ok(if problems.has_errors() {
        Exit::Wrong
    } else {
        Exit::Done
    })
}

/// All problems and warnings, and what was bound if it came so far.
fn found(args: &Args, source: &Source) -> Result<(Problems, Option<BindingReport>), Failure> {
    let overrides = load::overrides(&args.input.set)?;
    let tree = match ast::parse(source) {
        Ok(tree) => tree,
        Err(problems) => return Ok((problems, None)),
    };
    let (typed, mut problems) = match hvi::typed::check(source, &tree, &overrides) {
        Ok((typed, warnings)) => (Arc::new(typed), warnings),
        Err(problems) => return Ok((problems, None)),
    };
    if args.input.data.is_none() {
        return Ok((problems, None));
    }
    let tables = match load::read_tables(&args.input)? {
        Ok(tables) => tables,
        Err(more) => {
            problems.extend(more);
            return Ok((problems, None));
        }
    };
    match model::bind(&typed, &tables) {
        Ok((model, warnings)) => {
            problems.extend(warnings);
            Ok((problems, Some(model.report().clone())))
        }
        Err(more) => {
            problems.extend(more);
            Ok((problems, None))
        }
    }
}

fn plates(report: &BindingReport) -> serde_json::Map<String, Value> {
    report
        .plates
        .iter()
        .map(|p| (p.name.clone(), json!(p.len)))
        .collect()
}

fn problem(problem: &Problem, source: &Source) -> Value {
    let place = match &problem.place {
        Place::Source(span) => {
            let (line, column) = source.line_column(span.start);
            let (end_line, end_column) = source.line_column(span.end);
            json!({
                "file": source.name(), "line": line, "column": column,
                "end_line": end_line, "end_column": end_column,
            })
        }
        Place::Data(place) => json!({
            "file": place.file, "line": place.line, "data_column": place.column, "value": place.value,
        }),
        Place::Nowhere => Value::Null,
    };
    json!({
        "code": problem.code.id(),
        "severity": match problem.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": problem.message,
        "label": problem.label,
        "hint": problem.hint,
        "place": place,
    })
}

//! The case files of the stages before binding, `tests/suite/{ast,typed}`: texts with the problems that a stage raises written below the lines.
//!
//! A case begins with `--- its-name stage`. A line such as `    ^^^ E0111 expected` says that the line above it has a
//! problem at these columns, with this code and these words in its message; no other problems are raised.

use hvi::problem::Place;
use hvi::problem::Problems;
use hvi::source::Source;
use hvi::typed::Overrides;
use std::path::Path;

/// A problem as a case file notes it: line, first and last column, code, words of the message.
type Note = (usize, usize, usize, String, String);

struct Case {
    name: String,
    stage: String,
    text: String,
    notes: Vec<Note>,
}

/// What a stage says about a text.
fn problems_of(stage: &str, source: &Source) -> Problems {
    match stage {
        "ast" => hvi::ast::parse(source).err().unwrap_or_default(),
        "typed" => {
            let ast = hvi::ast::parse(source).expect("a case that parses");
            match hvi::typed::check(source, &ast, &Overrides::new()) {
                Ok((_, warnings)) => warnings,
                Err(problems) => problems,
            }
        }
        other => panic!("no stage is called `{other}`"),
    }
}

fn cases(file: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in file.lines() {
        if let Some(head) = line.strip_prefix("--- ") {
            let (name, stage) = head.split_once(' ').expect("`--- name stage`");
            cases.push(Case {
                name: name.to_owned(),
                stage: stage.to_owned(),
                text: String::new(),
                notes: Vec::new(),
            });
            continue;
        }
        let case = cases
            .last_mut()
            .expect("a file begins with `--- name stage`");
        match note(line, case.text.lines().count()) {
            Some(note) => case.notes.push(note),
            None => case.text.push_str(&format!("{line}\n")),
        }
    }
    cases
}

fn note(line: &str, number: usize) -> Option<Note> {
    let marks = line.trim_start();
    let first = line.len() - marks.len() + 1;
    let words = marks.trim_start_matches('^');
    let width = marks.len() - words.len();
    let (code, message) = words.trim_start().split_once(' ')?;
    (width > 0).then(|| {
        (
            number,
            first,
            first + width - 1,
            code.to_owned(),
            message.to_owned(),
        )
    })
}

fn raised(case: &Case) -> Vec<Note> {
    let source = Source::new(&case.name, &case.text);
    let problems = problems_of(&case.stage, &source);
    let notes = problems.sorted().into_iter().map(|problem| {
        let Place::Source(span) = problem.place else {
            panic!("{}: {problem:?} has no place in the text", case.name);
        };
        let (line, first) = source.line_column(span.start);
        let width = source.slice(span).chars().count().max(1);
        let code = problem.code.id().to_owned();
        (
            line,
            first,
            first + width - 1,
            code,
            problem.message.clone(),
        )
    });
    notes.collect()
}

#[test]
fn every_case_raises_what_it_notes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for stage in ["ast", "typed"] {
        for file in std::fs::read_dir(root.join(stage))
            .expect("a stage")
            .flatten()
        {
            if file.path().extension().is_none_or(|e| e != "cases") {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).expect("a readable case file");
            for case in cases(&text) {
                seen += 1;
                let raised = raised(&case);
                let agree = raised.len() == case.notes.len()
                    && raised.iter().zip(&case.notes).all(|(r, n)| {
                        (r.0, r.1, r.2, &r.3) == (n.0, n.1, n.2, &n.3) && r.4.contains(&n.4)
                    });
                if !agree {
                    let notes = &case.notes;
                    wrong.push(format!(
                        "{}\nraised {raised:#?}\nnoted {notes:#?}",
                        case.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(seen > 40, "{seen} cases");
}

//! How problems look in print and as data, for every kind of place.

use hvi::problem::Code;
use hvi::problem::DataPlace;
use hvi::problem::Problem;
use hvi::problem::Problems;
use hvi::problem::records;
use hvi::problem::render;
use hvi::source::Source;
use hvi::source::Span;

fn span(text: &str, part: &str) -> Span {
    let start = text.find(part).expect("a part of the text");
    Span::new(start, start + part.len())
}

fn problem(span: Span) -> Problem {
    Problem::at(Code::UnexpectedText, span, "something is wrong here")
}

fn rendered(text: &str, problem: Problem) -> String {
    render(
        &problem.into(),
        &Source::new("models/school.hvi", text),
        false,
    )
}

#[test]
fn a_span_over_several_lines() {
    let text = "mu ~ Normal(0,\n  1,\n  2)\ntau ~ HalfNormal(1)\n";
    let long = span(text, "Normal(0,\n  1,\n  2)");
    insta::assert_snapshot!(rendered(text, problem(long).label("three arguments")));
}

#[test]
fn a_span_over_many_lines() {
    let text = "plate school {\n  a ~ Normal(0, 1)\n  b ~ Normal(0, 1)\n  c ~ Normal(0, 1)\n  d ~ Normal(0, 1)\n  e ~ Normal(0, 1)\n}\n";
    insta::assert_snapshot!(rendered(
        text,
        problem(Span::new(0, text.len() - 1)).label("this plate")
    ));
}

#[test]
fn the_end_of_the_file() {
    let end = |text: &str| {
        rendered(
            text,
            problem(Span::new(text.len(), text.len())).label("here"),
        )
    };
    insta::assert_snapshot!(format!("{}{}{}", end("x ="), end("x =\n"), end("")));
}

#[test]
fn several_labels() {
    let text = "// a comment\nplate school {\n  mu ~ Normal(0, 1)\n}\nx = 1\ny = 2\nz = 3\nw = 4\nu = 5\nmu ~ Normal(0, 1)\n";
    let second = text.rfind("mu").expect("mu stands twice");
    insta::assert_snapshot!(rendered(
        text,
        problem(Span::new(second, second + 2))
            .label("declared again")
            .other(span(text, "mu"), "first declared here")
            .other(span(text, "school"), "in this plate")
            .hint("rename one of them")
    ));
}

#[test]
fn tabs_and_wide_characters() {
    let text = "\tdata x: real = column(\"身長\") mistake\n";
    insta::assert_snapshot!(rendered(text, problem(span(text, "mistake")).label("here")));
}

#[test]
fn a_place_in_data() {
    let text = "plate house = rows {\n  data floor: count\n}\n";
    let place = DataPlace {
        file: "data.csv".to_owned(),
        line: Some(17),
        column: Some("floor".to_owned()),
        value: Some("-1".to_owned()),
        declared: None,
    };
    let bare = Problem::in_data(Code::UnexpectedText, place.clone(), "`-1` is not a count");
    let declared = DataPlace {
        declared: Some(span(text, "floor: count")),
        ..place
    };
    let full = Problem::in_data(Code::UnexpectedText, declared, "`-1` is not a count")
        .label("declared as a count")
        .hint("declare it as `real`");
    let whole_file = DataPlace {
        file: "data.csv".to_owned(),
        ..DataPlace::default()
    };
    let empty = Problem::in_data(Code::UnexpectedText, whole_file, "the file has no rows");
    let shown = [bare, full.clone(), empty].map(|p| rendered(text, p));
    insta::assert_snapshot!(shown.concat());
    let source = Source::new("school.hvi", text);
    let data = serde_json::to_string_pretty(&records(&full.into(), &source));
    insta::assert_snapshot!("data_as_json", data.expect("records are plain data"));
}

#[test]
fn no_place() {
    let problem = Problem::nowhere(
        Code::UnexpectedText,
        "`--set` names `K`, which is no constant",
    )
    .hint("did you mean `k`?");
    insta::assert_snapshot!(rendered("", problem));
}

#[test]
fn the_tally_names_every_file() {
    let mut problems: Problems = problem(Span::new(0, 1)).into();
    let place = DataPlace {
        file: "data.csv".to_owned(),
        ..DataPlace::default()
    };
    problems.push(Problem::in_data(Code::UnexpectedText, place, "no rows"));
    let text = render(&problems, &Source::new("a.hvi", "x"), false);
    assert!(
        text.ends_with("\n2 errors in `a.hvi` and `data.csv`\n"),
        "{text}"
    );
}

#[test]
fn color_only_when_asked() {
    let source = Source::new("model.hvi", "x = \n");
    let problems: Problems = problem(Span::new(0, 1)).into();
    assert!(!render(&problems, &source, false).contains('\u{1b}'));
    assert!(render(&problems, &source, true).contains('\u{1b}'));
}

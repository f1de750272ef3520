//! Parsing and formatting, held against each other over many texts: no text makes either fail badly.

use hvi::ast;
use hvi::problem::render;
use hvi::source::Source;
use proptest::prelude::*;
use std::path::Path;
use std::path::PathBuf;

fn source(text: &str) -> Source {
    Source::new("model.hvi", text)
}

/// Every model that the repository holds.
fn models() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![
        root.join("tests/suite/ast/good"),
        root.join("benches/posteriordb"),
        root.join("examples"),
    ];
    let mut models = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.flatten().map(|e| e.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "hvi") {
                let text = std::fs::read_to_string(&path).expect("a readable model");
                models.push((path, text));
            }
        }
    }
    models.sort();
    assert!(models.len() >= 5, "{models:?}");
    models
}

/// Formats twice; the tree stays the same and the second time changes nothing.
fn assert_formats(text: &str) {
    let tree = ast::parse(&source(text)).expect("a model that parses");
    let once = ast::format(&source(text)).expect("a model that parses");
    let again = ast::format(&source(&once));
    assert_eq!(again.as_ref().ok(), Some(&once), "from\n{text}");
    let formatted = ast::parse(&source(&once)).expect("a formatted model parses");
    assert_eq!(ast::dump(&tree), ast::dump(&formatted), "from\n{text}");
    let count = |text: &str| text.matches("//").count() + text.matches("/*").count();
    assert_eq!(count(text), count(&once), "comments of\n{text}");
    // What a block comment holds stays as it is, blank lines too; all else is set anew.
    let set = without_block_comments(&once);
    assert!(!set.contains("\n\n\n") && !set.contains(" \n"), "{once}");
}

/// The text with every block comment as `/**/`.
fn without_block_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['/', '"']) {
        let (before, behind) = rest.split_at(at);
        kept.push_str(before);
        let length = |end: Option<usize>| end.unwrap_or(behind.len());
        let (keep, skip) = if behind.starts_with("/*") {
            ("/**/", length(behind.find("*/").map(|i| i + 2)))
        } else if behind.starts_with("//") {
            let line = length(behind.find('\n'));
            (&behind[..line], line)
        } else if let Some(quoted) = behind.strip_prefix('"') {
            let quoted = length(quoted.find(['"', '\n']).map(|i| i + 2));
            (&behind[..quoted], quoted)
        } else {
            ("/", 1)
        };
        kept.push_str(keep);
        rest = &behind[skip..];
    }
    kept + rest
}

#[test]
fn every_model_parses_and_formats() {
    for (path, text) in models() {
        let parsed = ast::parse(&source(&text));
        assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
        assert_formats(&text);
    }
}

#[test]
fn the_tour_is_read_and_formatted_as_it_should() {
    let text = include_str!("suite/ast/good/tour.hvi");
    let tree = ast::parse(&source(text)).expect("a model that parses");
    insta::assert_snapshot!("tour_tree", ast::dump(&tree));
    assert_eq!(ast::format(&source(text)).as_deref(), Ok(text));
    for (name, text) in [
        ("long", include_str!("suite/ast/good/long.hvi")),
        ("comments", include_str!("suite/ast/good/comments.hvi")),
        ("windows", include_str!("suite/ast/good/windows.hvi")),
    ] {
        let formatted = ast::format(&source(text)).expect("a model that parses");
        insta::assert_snapshot!(format!("formatted_{name}"), formatted);
    }
}

/// How operators bind.
#[test]
fn operators_bind_as_in_mathematics() {
    for (text, tree) in [
        ("-x^2", "(- (^ x 2))"),
        ("2^-1*3", "(* (^ 2 (- 1)) 3)"),
        ("a^b^c", "(^ a (^ b c))"),
        ("x - -y", "(- x (- y))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a / b * c", "(* (/ a b) c)"),
        ("a + b * c @ d", "(+ a (@ (* b c) d))"),
        ("a || b && c == d + 1", "(|| a (&& b (== c (+ d 1))))"),
        ("!a == b", "(== (! a) b)"),
        ("!(a == b)", "(! (== a b))"),
        ("a < b && b < c", "(&& (< a b) (< b c))"),
        ("m[:, 1][2]^2", "(^ (at (at m : 1) 2) 2)"),
        (
            "if a then b else if c then d else e + 1",
            "(if a b (if c d (+ e 1)))",
        ),
        ("f(a = b, c == d)", "(f a=b (== c d))"),
        ("sum(item: x) + sum(x)", "(+ (sum item: x) (sum x))"),
        ("mixture(w, k: D(1))", "(mixture w (mixture k: (D 1)))"),
        ("a\n  - b", "(- a b)"),
        ("a -\n  b", "(- a b)"),
        ("\n  if a\n then b\n else c", "(if a b c)"),
        ("f(a,\n\n // c\n b)", "(f a b)"),
    ] {
        let model = source(&format!("y = {text}\n"));
        let parsed = ast::parse(&model).expect("an expression that parses");
        assert_eq!(ast::dump(&parsed), format!("(= y {tree})\n"), "{text}");
    }
}

#[test]
fn spans_are_the_users_characters() {
    let text = "/* ü */ plate a = rows(t) in b   { // ü\n  x[2] ~ Normal( - y ^ 2 ,\"ü\" )  where z  \n}\n";
    let model = source(text);
    let tree = ast::parse(&model).expect("a model that parses");
    let [ast::Statement::Plate(plate)] = tree.statements.as_slice() else {
        panic!("{tree:?}");
    };
    assert_eq!(model.slice(plate.span), "plate a = rows(t) in b");
    let [ast::Statement::Sample(sample)] = plate.body.as_slice() else {
        panic!("{tree:?}");
    };
    assert_eq!(
        model.slice(sample.span),
        "x[2] ~ Normal( - y ^ 2 ,\"ü\" )  where z"
    );
    assert_eq!(model.slice(sample.targets[0].span), "x[2]");
    assert_eq!(
        model.slice(sample.distribution.span),
        "Normal( - y ^ 2 ,\"ü\" )"
    );
    let args = sample
        .distribution
        .args
        .iter()
        .map(|a| model.slice(a.value.span));
    assert_eq!(args.collect::<Vec<_>>(), ["- y ^ 2", "\"ü\""]);
}

#[test]
fn a_left_side_that_goes_on_one_line_is_aligned_as_such() {
    let text =
        "beta[2\n] ~ Flat()\nsigma ~ HalfFlat()\nnu[\n 2\n] ~ Flat()\ntau[2 // b\n] ~ Flat()\n";
    let formatted = ast::format(&source(text)).expect("a model that parses");
    insta::assert_snapshot!(formatted, @r"
    beta[2] ~ Flat()
    sigma   ~ HalfFlat()
    nu[
      2
    ] ~ Flat()
    tau[2 // b
       ] ~ Flat()
    ");
    assert_formats(text);
}

#[test]
fn invisible_characters_are_blanks() {
    let text = "mu\u{a0}~\u{2003}Normal(0,\u{200b}1)\u{feff}\n";
    let formatted = ast::format(&source(text));
    assert_eq!(formatted.as_deref(), Ok("mu ~ Normal(0, 1)\n"));
}

/// Nothing that can be asked of a text fails badly.
fn assert_survives(text: &str) {
    let source = source(text);
    match ast::parse(&source) {
        Ok(tree) => {
            assert!(ast::dump(&tree).len() < 100 * (text.len() + 1));
            assert_formats(text);
        }
        Err(problems) => {
            assert!(problems.has_errors(), "refused without a reason: {text}");
            assert!(!render(&problems, &source, false).is_empty());
            assert_eq!(ast::format(&source), Err(problems));
        }
    }
}

#[test]
fn deep_texts_are_refused_and_shallow_ones_are_not() {
    let nested =
        |open: &str, close: &str, n: usize| format!("x = {}1{}\n", open.repeat(n), close.repeat(n));
    let blocks = |n: usize| {
        let open: String = (0..n).map(|i| format!("plate p{i} {{\n")).collect();
        format!("{open}{}", "}\n".repeat(n))
    };
    let deep = [
        nested("(", ")", 3000),
        nested("[", "]", 3000),
        nested("f(", ")", 3000),
        nested("sum(p: ", ")", 3000),
        nested("if a then ", " else 2", 3000),
        nested("if a then 1 else ", "", 3000),
        nested("-", "", 3000),
        nested("!", "", 3000),
        nested("1 + ", "", 3000),
        nested("2 ^ ", "", 3000),
        nested("a + (b * ", ")", 3000),
        format!("x = a{}\n", "[1]".repeat(3000)),
        format!(
            "x ~ {}Normal(0, 1){}\n",
            "Ordered(".repeat(3000),
            ")".repeat(3000)
        ),
        blocks(3000),
        "(".repeat(3000),
        "{".repeat(3000),
        "plate p {".repeat(3000),
    ];
    for text in deep {
        let problems = ast::parse(&source(&text)).expect_err("a text that nests too deeply");
        let codes: Vec<&str> = problems.sorted().iter().map(|p| p.code.id()).collect();
        assert!(codes.contains(&"E0110"), "{codes:?} in {}", &text[..40]);
        assert!(codes.len() <= 2, "{codes:?} in {}", &text[..40]);
    }
    let shallow = [
        nested("(", ")", 60),
        nested("1 + ", "", 240),
        nested("-", "", 200),
        nested("if a then 1 else ", "", 60),
        blocks(60),
        format!("x = [{}]\n", "-1, ".repeat(5000)),
        "x ~ Normal(0, 1)\n".repeat(2000),
        "\n".repeat(200_000),
    ];
    for text in shallow {
        assert_formats(&text);
    }
    for text in ["}\n".repeat(2000), ") ".repeat(2000), "(\n".repeat(50)] {
        assert_survives(&text);
    }
}

#[test]
fn a_file_with_many_errors_shows_all_that_are_read() {
    let text = "data x real\n".repeat(30);
    let problems = ast::parse(&source(&text)).expect_err("thirty statements that are wrong");
    assert_eq!(problems.sorted().len(), 20);
}

/// An expression, its operators with or without blanks.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-e]".prop_map(|name| name),
        (0u32..1000).prop_map(|n| n.to_string()),
        (0.0..1e6f64).prop_map(|x| format!("{x:?}")),
        Just("\"a \\\" // b\"".to_owned()),
        Just("first()".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", " - ", "*", " / ", "@", "^", " == ", "!=", " < ", ">=", "&&", " || ", " +\n",
            "\n* ", "- -",
        ]);
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), operator).prop_map(|((a, b), op)| format!("({a}{op}{b})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("( !{a} )")),
            two.clone().prop_map(|(a, b)| format!("f( {a},{b} )")),
            two.clone().prop_map(|(a, b)| format!("[{a}, // c\n {b} ]")),
            two.clone()
                .prop_map(|(a, b)| format!("Normal({a}, sd={b} ,)")),
            two.clone().prop_map(|(a, b)| format!("v[{a}][:,{b}]")),
            inner.clone().prop_map(|a| format!("sum( p:{a})")),
            (two, inner).prop_map(|((a, b), c)| format!("(if {a}\nthen {b} else {c})")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let e = expression;
    prop_oneof![
        e().prop_map(|a| format!("x={a}")),
        (e(), e()).prop_map(|(a, b)| format!("alpha , b[ {a} ]~D({b})")),
        (e(), e()).prop_map(|(a, b)| format!("y ~ Normal({a}, 1)\n  where {b}")),
        e().prop_map(|a| format!("factor {a} // why")),
        e().prop_map(|a| format!("const K = {a};")),
        e().prop_map(|a| format!("fn f(x,y)={a}")),
        e().prop_map(|a| format!("data u,v : real[{a}]? = columns( \"u_*\" )")),
        Just("data w: ordinal(\"low\",\"high\")=column(w2)".to_owned()),
        Just("// a comment\n\n\n\n/* and\n another */".to_owned()),
        Just("guide {\n default low_rank(20) ; a: sgd( steps=5 )\n}".to_owned()),
        Just("tau ~ HalfNormal(1)".to_owned()),
    ]
}

fn model() -> impl Strategy<Value = String> {
    let body = prop::collection::vec(statement(), 0..5).prop_map(|s| s.join("\n"));
    let header = prop::sample::select(vec![
        "plate p",
        "plate q = rows(T) in a , b",
        "plate r=levels(a,\"b c\") order by t within a",
        "plate s = 8",
        "plate t = union(a, b)\n",
    ]);
    let block = (header, body).prop_map(|(h, b)| format!("{h} {{ // h\n{b}\n\n}} // end"));
    prop::collection::vec(prop_oneof![2 => statement(), 1 => block], 1..6)
        .prop_map(|s| s.join("\n"))
}

/// A model of the repository with pieces cut out, doubled, or put in.
fn mutant() -> impl Strategy<Value = String> {
    let texts: Vec<String> = models().into_iter().map(|(_, text)| text).collect();
    let scrap = prop::sample::select(vec![
        "(", ")", "[", "]", "{", "}", "~", "=", ",", ";", "\n", "\"", "/*", "*/", "//", "-", "if ",
        " then ", " else ", " in ", "plate ", "data ", "guide {", ".5", "2x", "α", "“", "\r\n",
        "\t", "\u{feff}", " where ", ":", "?", "'",
    ]);
    let edit = (any::<prop::sample::Index>(), 0usize..12, scrap);
    (
        prop::sample::select(texts),
        prop::collection::vec(edit, 1..6),
    )
        .prop_map(|(text, edits)| {
            let mut characters: Vec<char> = text.chars().collect();
            for (at, cut, scrap) in edits {
                let at = at.index(characters.len().max(1)).min(characters.len());
                let end = (at + cut).min(characters.len());
                characters.splice(at..end, scrap.chars());
            }
            characters.into_iter().collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_models_format(text in model()) {
        assert_formats(&text);
    }

    #[test]
    fn mutants_are_survived(text in mutant()) {
        assert_survives(&text);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_tokens_are_survived(tokens in prop::collection::vec(prop::sample::select(vec![
        "x", "y", "plate", "data", "in", "if", "then", "else", "where", "guide", "default", "rows", "levels", "1",
        "\"t\"", "(", ")", "[", "]", "{", "}", ",", ":", "~", "=", "==", "+", "-", "^", "!", "?", ";", "\n", "// c\n",
        "/* c */",
    ]), 0..40)) {
        assert_survives(&tokens.join(" "));
    }
}

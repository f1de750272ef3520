//! The repository's models are checked: those that need nothing unbuilt have no errors, the others say what is missing.

use hvi::problem::Severity;
use hvi::problem::render;
use hvi::source::Source;
use hvi::typed::Overrides;
use proptest::prelude::*;
use std::path::PathBuf;

/// Every model file below these folders.
fn models() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("examples"), root.join("benches")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "hvi") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_model_of_the_repository_is_accepted_or_says_what_is_not_built() {
    let models = models();
    assert!(models.len() > 40, "{} models", models.len());
    let mut accepted = 0;
    for path in models {
        let text = std::fs::read_to_string(&path).expect("a model file");
        let source = Source::new(&path.to_string_lossy(), &text);
        let ast = hvi::ast::parse(&source).expect("a model that parses");
        match hvi::typed::check(&source, &ast, &Overrides::new()) {
            Ok((typed, _)) => {
                accepted += 1;
                assert!(!hvi::typed::dump(&typed).is_empty());
            }
            Err(problems) => {
                let text = render(&problems, &source, false);
                let sorted = problems.sorted();
                let errors = sorted.iter().filter(|p| p.severity() == Severity::Error);
                for problem in errors {
                    assert!(problem.code.id().starts_with("E07"), "{text}");
                }
            }
        }
    }
    assert!(accepted > 35, "{accepted} models are accepted");
}

/// Nothing that parses makes the checker panic, and a model without errors can be printed.
fn survives(text: &str) {
    let source = Source::new("mutated.hvi", text);
    let Ok(ast) = hvi::ast::parse(&source) else {
        return;
    };
    match hvi::typed::check(&source, &ast, &Overrides::new()) {
        Ok((typed, warnings)) => {
            assert!(!warnings.has_errors());
            hvi::typed::dump(&typed);
        }
        Err(problems) => {
            assert!(problems.has_errors(), "refused without a reason:\n{text}");
            render(&problems, &source, false);
        }
    }
}

/// Cuts a text into words, numbers and signs, so that mutations mostly parse.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    for c in text.chars() {
        match tokens.last_mut() {
            Some(last) if is_word(c) && last.chars().all(is_word) => last.push(c),
            _ => tokens.push(c.to_string()),
        }
    }
    tokens
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_models_are_checked_without_panic(
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5),
    ) {
        let models = models();
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a model file");
        let mut text = tokens(&read(&models[which.index(models.len())]));
        let donor = tokens(&read(&models[other.index(models.len())]));
        for (at, from) in places {
            let word = |list: &[String], near: usize| {
                (0..list.len())
                    .map(|k| (near + k) % list.len())
                    .find(|&k| list[k].chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
            };
            let places = (word(&text, at.index(text.len())), word(&donor, from.index(donor.len())));
            if let (Some(to), Some(from)) = places {
                text[to] = donor[from].clone();
            }
        }
        survives(&text.concat());
    }
}

#[test]
fn deep_and_large_inlining_ends_in_a_problem() {
    let mut deep = String::from("a ~ Normal(0, 1)\nfn f0(x) = x + 1\n");
    for k in 1..400 {
        deep += &format!("fn f{k}(x) = f{}(x) + f{}(x)\n", k - 1, k - 1);
    }
    deep += "b = f399(a)\n";
    let nested = format!(
        "a ~ Normal(0, 1)\nfn f(x) = {}x\nb = {}a{}\n",
        "1 + exp(x) * ".repeat(100),
        "f(".repeat(40),
        ")".repeat(40)
    );
    let mut chain = String::from("a0 ~ Normal(0, 1)\n");
    for k in 1..20_000 {
        chain += &format!("a{k} = a{} + 1\n", k - 1);
    }
    for text in [deep, nested, chain] {
        survives(&text);
    }
}

//! The models shown in the language's reference follow its grammar.

use hvi::ast;
use hvi::problem::render;
use hvi::source::Source;

#[test]
fn every_model_in_the_reference_parses() {
    let text = include_str!("../docs/language.md");
    let blocks: Vec<&str> = text
        .split("```hvi\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() > 10);
    for block in blocks {
        let source = Source::new("docs/language.md", &block.replace("{ … }", "{ }"));
        if let Err(problems) = ast::parse(&source) {
            panic!("{}", render(&problems, &source, false));
        }
    }
}

#[test]
fn the_reference_names_every_reserved_word() {
    let text = include_str!("../docs/language.md");
    let grammar = include_str!("../grammar/hvi.pest");
    let keywords = grammar
        .lines()
        .filter_map(|line| line.strip_prefix("k_")?.split_once("= @{ \""));
    let words: Vec<&str> = keywords
        .filter_map(|(_, rest)| rest.split('"').next())
        .collect();
    assert!(words.len() > 15);
    for word in words {
        assert!(text.contains(&format!("`{word}`")), "{word}");
    }
}

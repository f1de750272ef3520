//! Where statements begin and end: the pass before the grammar, which then needs no line breaks inside expressions.
//!
//! The text for the grammar has the bytes of the user's text in the same places, so spans stay true: comments, blanks
//! and the line breaks that do not end a statement become spaces.

use super::brackets::Paired;
use super::brackets::pair;
use super::tokens::Kind;
use super::tokens::Token;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::source::Source;
use crate::source::Span;
use std::ops::Range;

/// A text cut into statements.
pub(super) struct Layout<'a> {
    source: &'a Source,
    /// The tokens, each line break an end or a fold.
    pub(super) tokens: Vec<Token>,
    /// The statements and headers, without their ends and braces.
    pub(super) lines: Vec<Line>,
    text: Vec<u8>,
    missing_braces: usize,
}

/// One statement, or the header of a block.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its tokens.
    pub(super) tokens: Range<usize>,
    /// For a header, its brace and what closes it.
    pub(super) block: Option<Range<usize>>,
}

/// Cuts the text into statements; adds what is wrong with single tokens and with brackets.
///
/// `None` when brackets nest so deeply that nothing behind this should look at the text.
pub(super) fn layout<'a>(source: &'a Source, problems: &mut Problems) -> Option<Layout<'a>> {
    let Paired {
        tokens,
        missing_braces,
    } = pair(source, problems)?;
    let mut layout = Layout {
        source,
        tokens,
        lines: Vec::new(),
        text: vec![b' '; source.text().len()],
        missing_braces,
    };
    layout.copy();
    layout.split();
    for i in 0..layout.lines.len() {
        let line = layout.lines[i].clone();
        if layout.tokens[line.tokens.clone()]
            .iter()
            .any(|t| t.kind == Kind::Bad)
        {
            layout.blank(&line);
        } else if let (true, Some(block)) = (line.tokens.is_empty(), line.block) {
            problems.push(
                Problem::at(
                    Code::ForeignBlock,
                    layout.tokens[block.start].span,
                    "a block without a header",
                )
                .hint("braces belong to `plate NAME { … }` and `guide { … }`"),
            );
        }
    }
    Some(layout)
}

impl Layout<'_> {
    /// The text for the grammar.
    pub(super) fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.text).into_owned();
        text.push_str(&"}".repeat(self.missing_braces));
        text
    }

    /// The characters of a token.
    pub(super) fn str(&self, token: usize) -> &str {
        self.tokens
            .get(token)
            .map_or("", |t| self.source.slice(t.span))
    }

    /// The text before a token on its line.
    pub(super) fn line_before(&self, token: usize) -> &str {
        line_before(self.source, self.tokens[token].span.start)
    }

    /// The last statement that begins at or before `at` and has not been blanked.
    pub(super) fn line_at(&self, at: usize) -> Option<Line> {
        let begins = |line: &&Line| {
            self.tokens[line.tokens.clone()]
                .iter()
                .find(|t| self.text[t.span.start] != b' ')
                .is_some_and(|t| t.span.start <= at)
        };
        self.lines.iter().rev().find(begins).cloned()
    }

    /// The tokens of a statement that are not comments or folds.
    pub(super) fn significant(&self, line: &Line) -> Vec<usize> {
        line.tokens
            .clone()
            .filter(|i| self.tokens[*i].kind.is_significant())
            .collect()
    }

    /// Makes the grammar skip a statement that is wrong, so that it finds what is wrong elsewhere.
    ///
    /// A plate keeps its body and a guide its word; any other header takes its block with it.
    pub(super) fn blank(&mut self, line: &Line) {
        let words = self.significant(line);
        let first = words.first().map_or("", |i| self.str(*i)).to_owned();
        let tokens = match &line.block {
            Some(_) if first == "plate" => line.tokens.clone(),
            Some(_) if first == "guide" => words[0] + 1..line.tokens.end,
            Some(block) => line.tokens.start..block.end,
            None => line.tokens.clone(),
        };
        for token in &self.tokens[tokens] {
            self.text[token.span.start..token.span.end].fill(b' ');
        }
    }

    fn copy(&mut self) {
        for token in &self.tokens {
            let range = token.span.start..token.span.end;
            match token.kind {
                Kind::Comment | Kind::Fold | Kind::Bad => {}
                Kind::Word | Kind::Number | Kind::Text | Kind::Symbol | Kind::End => {
                    self.text[range.clone()].copy_from_slice(&self.source.text().as_bytes()[range]);
                }
            }
        }
    }

    fn split(&mut self) {
        let mut start = 0;
        let mut headers: Vec<usize> = Vec::new();
        for i in 0..self.tokens.len() {
            match (self.tokens[i].kind, self.str(i)) {
                (Kind::End, _) | (Kind::Symbol, ";") => self.push_line(start..i, None),
                (Kind::Symbol, "{") => {
                    headers.push(self.lines.len());
                    self.push_line(start..i, Some(i..self.tokens.len()));
                }
                (Kind::Symbol, "}") => {
                    self.push_line(start..i, None);
                    if let Some(header) = headers.pop() {
                        let block = self.lines[header].block.take();
                        self.lines[header].block = block.map(|b| b.start..i + 1);
                    }
                }
                _ => continue,
            }
            start = i + 1;
        }
        self.push_line(start..self.tokens.len(), None);
    }

    fn push_line(&mut self, tokens: Range<usize>, block: Option<Range<usize>>) {
        let tokens = self.trimmed(tokens);
        if !tokens.is_empty() || block.is_some() {
            self.lines.push(Line { tokens, block });
        }
    }

    /// The range without comments and folds at its ends.
    fn trimmed(&self, tokens: Range<usize>) -> Range<usize> {
        let start = tokens.start;
        let mut significant = tokens.filter(|i| self.tokens[*i].kind.is_significant());
        match (significant.next(), significant.next_back()) {
            (Some(first), Some(last)) => first..last + 1,
            (Some(only), None) => only..only + 1,
            (None, _) => start..start,
        }
    }
}

/// The text from the start of its line to a byte.
pub(super) fn line_before(source: &Source, at: usize) -> &str {
    let before = source.slice(Span::new(0, at));
    before.rsplit('\n').next().unwrap_or(before)
}

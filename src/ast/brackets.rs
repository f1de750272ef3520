//! Brackets in pairs, and the line breaks that end statements.
//!
//! A bracket that is not closed ends where a statement must have ended, so that it does not hide what follows.

use super::layout::line_before;
use super::tokens::Kind;
use super::tokens::OPERATORS;
use super::tokens::STATEMENT_WORDS;
use super::tokens::Token;
use super::tokens::scan;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::source::Source;
use crate::source::Span;

/// How deep brackets, `if`s and operators may nest, brackets and `if`s counting [`BRACKET_WEIGHT`] each; later
/// passes recurse over expressions and blocks and rely on it.
const DEPTH_LIMIT: usize = 256;

/// What a bracket or an `if` adds to the depth: the grammar recurses through several rules for each.
const BRACKET_WEIGHT: usize = 4;

/// The words and signs after which a statement goes on in the next line.
const GOES_ON_AFTER: [&str; 7] = ["=", "~", ",", "then", "else", "if", "in"];

/// The words and signs before which it does.
const GOES_ON_BEFORE: [&str; 6] = [",", "{", "then", "else", "in", "where"];

/// Tokens whose line breaks are ends or folds.
pub(super) struct Paired {
    /// The tokens.
    pub(super) tokens: Vec<Token>,
    /// How many closing braces the text lacks.
    pub(super) missing_braces: usize,
}

/// Scans a text, pairs its brackets and decides which line breaks end a statement.
///
/// `None` when it nests so deeply that nothing behind this should look at it.
pub(super) fn pair(source: &Source, problems: &mut Problems) -> Option<Paired> {
    let mut brackets = Brackets {
        source,
        tokens: scan(source, problems),
        problems,
        open: Vec::new(),
        weights: vec![BRACKET_WEIGHT],
        previous: None,
        suspect: None,
    };
    brackets.walk().then_some(Paired {
        missing_braces: brackets.open.len(),
        tokens: brackets.tokens,
    })
}

struct Brackets<'a, 'p> {
    source: &'a Source,
    tokens: Vec<Token>,
    problems: &'p mut Problems,
    /// The brackets and braces that are open.
    open: Vec<usize>,
    /// How much the top level and each open bracket add to the depth: operators since the last comma or statement.
    weights: Vec<usize>,
    /// The last token that is neither a comment nor a fold.
    previous: Option<usize>,
    /// An opening brace that the indentation says is not closed.
    suspect: Option<usize>,
}

impl Brackets<'_, '_> {
    /// Goes through the tokens; `false` when they nest too deeply.
    fn walk(&mut self) -> bool {
        for (i, next) in self.next_tokens().into_iter().enumerate() {
            match self.tokens[i].kind {
                Kind::End => self.line_break(i, next),
                Kind::Symbol => self.symbol(i),
                Kind::Word if self.str(i) == "if" => self.deepen(BRACKET_WEIGHT),
                // The quote was to end before its line did, and its brackets with it.
                Kind::Bad if self.str(i).starts_with('"') => self.leave_brackets(),
                Kind::Word | Kind::Number | Kind::Text | Kind::Comment | Kind::Fold | Kind::Bad => {
                }
            }
            if !matches!(self.tokens[i].kind, Kind::Comment | Kind::Fold) {
                self.previous = Some(i);
            }
            if self.weights.iter().sum::<usize>() > DEPTH_LIMIT {
                self.problems.push(too_deep(self.tokens[i].span));
                return false;
            }
        }
        self.unclosed();
        if let Some(last) = self.open.last() {
            let span = self.tokens[self.suspect.unwrap_or(*last)].span;
            self.problems.push(
                Problem::at(Code::UnclosedBracket, span, "`{` is not closed")
                    .label("opened here")
                    .hint("add `}` where the block ends"),
            );
        }
        true
    }

    /// For each token the first one behind it that is neither a comment nor a line break.
    fn next_tokens(&self) -> Vec<Option<usize>> {
        let mut next = vec![None; self.tokens.len()];
        let mut following = None;
        for i in (0..self.tokens.len()).rev() {
            next[i] = following;
            if self.tokens[i].kind.is_significant() {
                following = Some(i);
            }
        }
        next
    }

    fn str(&self, token: usize) -> &str {
        self.source.slice(self.tokens[token].span)
    }

    fn symbol(&mut self, i: usize) {
        let text = self.str(i).to_owned();
        match text.as_str() {
            "[" if self.previous.is_some_and(|p| self.str(p) == "]") => {
                // `m[1][2][3]` nests although its brackets do not.
                self.deepen(1);
                self.push(i);
            }
            "(" | "[" => self.push(i),
            ")" | "]" => self.close(i),
            "{" => {
                self.unclosed();
                self.rest();
                self.push(i);
            }
            "}" => {
                self.unclosed();
                self.close_brace(i);
                self.rest();
            }
            ";" if self.in_brackets() && self.closes_on_line(i) => {
                let in_vector = self.open.last().is_some_and(|o| self.str(*o) == "[");
                let span = self.tokens[i].span;
                self.problems.push(
                    Problem::at(Code::ForeignSymbol, span, "`;` does not separate values").hint(
                        match in_vector {
                            true => "the rows of a matrix are vectors: `[[a, b], [c, d]]`",
                            false => "write `,`",
                        },
                    ),
                );
                self.tokens[i].kind = Kind::Bad;
            }
            ";" => {
                self.unclosed();
                self.rest();
            }
            "," => self.rest(),
            "!" => self.deepen(1),
            _ if OPERATORS.contains(&text.as_str()) => self.deepen(1),
            _ => {}
        }
    }

    /// Adds to the depth of the innermost bracket, or of the statement.
    fn deepen(&mut self, weight: usize) {
        if let Some(last) = self.weights.last_mut() {
            *last += weight;
        }
    }

    /// Begins a new argument or statement.
    fn rest(&mut self) {
        if let Some(last) = self.weights.last_mut() {
            *last = BRACKET_WEIGHT;
        }
    }

    fn push(&mut self, token: usize) {
        self.open.push(token);
        self.weights.push(BRACKET_WEIGHT);
    }

    fn pop(&mut self) {
        if self.open.pop().is_some() {
            self.weights.pop();
        }
    }

    fn in_brackets(&self) -> bool {
        self.open.last().is_some_and(|o| self.str(*o) != "{")
    }

    fn close(&mut self, i: usize) {
        let written = self.str(i).to_owned();
        match self.open.last().copied() {
            Some(open) if self.str(open) == matching(&written) => self.pop(),
            Some(open) if self.in_brackets() => {
                let (opening, meant) = (self.str(open), matching(self.str(open)));
                let message = format!("`{written}` does not close `{opening}`");
                self.problems.push(
                    Problem::at(Code::UnopenedBracket, self.tokens[i].span, message)
                        .other(self.tokens[open].span, "opened here")
                        .hint(format!("write `{meant}`")),
                );
                self.tokens[i].kind = Kind::Bad;
                self.pop();
            }
            Some(_) | None => self.unopened(i),
        }
    }

    fn close_brace(&mut self, i: usize) {
        let Some(brace) = self.open.last().copied() else {
            self.unopened(i);
            return;
        };
        if self.suspect.is_none() && self.first_on_line(i) && self.indent(i) < self.indent(brace) {
            self.suspect = Some(brace);
        }
        self.pop();
    }

    fn unopened(&mut self, i: usize) {
        let written = self.str(i);
        let message = format!("`{written}` closes nothing");
        let hint = format!("remove it, or add `{}` before it", matching(written));
        self.problems
            .push(Problem::at(Code::UnopenedBracket, self.tokens[i].span, message).hint(hint));
        self.tokens[i].kind = Kind::Bad;
    }

    /// Reports the brackets that are open where a statement must have ended, and leaves them.
    fn unclosed(&mut self) {
        let open = self.open.iter().rev();
        let brackets: Vec<usize> = open.copied().take_while(|o| self.str(*o) != "{").collect();
        let Some(outermost) = brackets.last().copied() else {
            return;
        };
        let missing: String = brackets.iter().map(|o| matching(self.str(*o))).collect();
        let message = format!("`{}` is not closed", self.str(outermost));
        self.problems.push(
            Problem::at(Code::UnclosedBracket, self.tokens[outermost].span, message)
                .label("opened here")
                .hint(format!("add `{missing}` before the statement ends")),
        );
        self.tokens[outermost].kind = Kind::Bad;
        self.leave_brackets();
    }

    fn leave_brackets(&mut self) {
        while self.in_brackets() {
            self.pop();
        }
    }

    fn line_break(&mut self, i: usize, next: Option<usize>) {
        let after_comma = self.previous.is_some_and(|p| self.str(p) == ",");
        let begins = next.is_some_and(|n| {
            STATEMENT_WORDS.contains(&self.str(n))
                || self.is_head(n, "~") && (self.in_brackets() || !after_comma)
                || self.is_head(n, "=") && !self.in_brackets() && !after_comma
        });
        if begins {
            self.unclosed();
        }
        let folds = self.in_brackets()
            || self
                .previous
                .is_some_and(|p| goes_on(self.str(p), &GOES_ON_AFTER))
            || next
                .is_some_and(|n| self.previous.is_some() && goes_on(self.str(n), &GOES_ON_BEFORE));
        if folds && !begins {
            self.tokens[i].kind = Kind::Fold;
        } else {
            self.rest();
        }
    }

    /// Whether the line that begins at a token has `sign` outside the brackets that it opens: there, no expression
    /// has `~` or `=`.
    fn is_head(&self, first: usize, sign: &str) -> bool {
        let found = self.find_on_line(first, |text| text == sign || text == ";");
        self.tokens[first].kind == Kind::Word && found.is_some_and(|i| self.str(i) == sign)
    }

    /// Whether a bracket that is open at a token closes on the token's line.
    fn closes_on_line(&self, token: usize) -> bool {
        let closes = |text: &str| matches!(text, ")" | "]");
        self.find_on_line(token + 1, closes).is_some()
    }

    /// The first sign of a kind on the line from a token on, outside the brackets that open there.
    fn find_on_line(&self, from: usize, sign: impl Fn(&str) -> bool) -> Option<usize> {
        let mut depth = 0;
        for i in from..self.tokens.len() {
            let text = match self.tokens[i].kind {
                Kind::End => return None,
                Kind::Symbol => self.str(i),
                Kind::Word | Kind::Number | Kind::Text | Kind::Comment | Kind::Fold | Kind::Bad => {
                    ""
                }
            };
            if depth == 0 && sign(text) {
                return Some(i);
            }
            match text {
                "(" | "[" => depth += 1,
                ")" | "]" if depth > 0 => depth -= 1,
                ")" | "]" | "{" | "}" => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether only blanks stand before a token on its line.
    fn first_on_line(&self, token: usize) -> bool {
        line_before(self.source, self.tokens[token].span.start)
            .trim()
            .is_empty()
    }

    /// The blanks at the start of the line that a token stands in.
    fn indent(&self, token: usize) -> usize {
        let line = line_before(self.source, self.tokens[token].span.start);
        line.len() - line.trim_start().len()
    }
}

fn goes_on(text: &str, marks: &[&str]) -> bool {
    marks.contains(&text) || OPERATORS.contains(&text)
}

fn matching(bracket: &str) -> &'static str {
    match bracket {
        "(" => ")",
        ")" => "(",
        "[" => "]",
        "]" => "[",
        "{" => "}",
        _ => "{",
    }
}

/// The problem of a text that nests too deeply at a place.
pub(super) fn too_deep(span: Span) -> Problem {
    Problem::at(
        Code::NestedTooDeeply,
        span,
        "the text is nested too deeply here",
    )
    .hint("give parts of it names of their own, as in `part = …`")
}

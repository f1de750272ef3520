//! The tokens of a model's text, comments and line breaks included, and what is wrong with single ones.
//!
//! Invariants: tokens are in the order of the text, do not overlap, and leave out nothing but blanks.

use super::foreign::FOREIGN;
use super::foreign::ascii_name;
use super::foreign::instead_of_number;
use super::foreign::is_foreign_quote;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::source::Source;
use crate::source::Span;
use std::collections::HashSet;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A name or a reserved word.
    Word,
    /// A number.
    Number,
    /// A text in double quotes.
    Text,
    /// An operator, a bracket or another mark.
    Symbol,
    /// `// …` or `/* … */`.
    Comment,
    /// A line break that ends a statement.
    End,
    /// A line break inside a statement.
    Fold,
    /// What a problem has been reported about.
    Bad,
}

impl Kind {
    /// Whether the grammar is to see it: all but comments and line breaks.
    pub(super) fn is_significant(self) -> bool {
        match self {
            Kind::Comment | Kind::Fold | Kind::End => false,
            Kind::Word | Kind::Number | Kind::Text | Kind::Symbol | Kind::Bad => true,
        }
    }
}

/// A piece of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it stands.
    pub(super) span: Span,
}

/// The words that begin a statement; being reserved, they stand nowhere else.
pub(super) const STATEMENT_WORDS: [&str; 6] = ["plate", "data", "const", "fn", "factor", "guide"];

/// The other reserved words.
pub(super) const INNER_WORDS: [&str; 5] = ["if", "then", "else", "in", "where"];

/// The operators that may stand between two operands.
pub(super) const OPERATORS: [&str; 14] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "@", "^",
];

const MARKS: [&str; 13] = [
    "(", ")", "[", "]", "{", "}", ",", ":", ";", "~", "=", "!", "?",
];

/// Splits the text; line breaks come out as [`Kind::End`], which `layout` turns into folds where a statement goes on.
pub(super) fn scan(source: &Source, problems: &mut Problems) -> Vec<Token> {
    let mut scanner = Scanner {
        text: source.text(),
        at: 0,
        tokens: Vec::new(),
        names: HashSet::new(),
        problems,
    };
    while scanner.at < scanner.text.len() {
        scanner.step();
    }
    scanner.tokens
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// The malformed names that have been reported.
    names: HashSet<&'a str>,
    problems: &'a mut Problems,
}

impl<'a> Scanner<'a> {
    fn step(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return;
        };
        let second = rest[first.len_utf8()..].chars().next();
        if first == '\n' {
            self.push(Kind::End, 1);
        } else if is_blank(first) {
            self.at += first.len_utf8();
        } else if rest.starts_with("//") {
            self.push(Kind::Comment, line_length(rest));
        } else if rest.starts_with("/*") {
            self.block_comment();
        } else if first == '#' {
            self.hash_comment();
        } else if first == '"' {
            self.quoted();
        } else if is_foreign_quote(first) {
            self.foreign_quoted(first);
        } else if first.is_ascii_digit()
            || (first == '.' && second.is_some_and(|c| c.is_ascii_digit()))
        {
            self.number();
        } else if first.is_alphabetic() || first == '_' {
            self.word();
        } else {
            self.symbol(first);
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Kind, length: usize) -> Span {
        let span = Span::new(self.at, self.at + length);
        self.tokens.push(Token { kind, span });
        self.at = span.end;
        span
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        match rest[2..].find("*/") {
            Some(length) => {
                self.push(Kind::Comment, length + 4);
            }
            None => {
                let opening = Span::new(self.at, self.at + 2);
                self.push(Kind::Comment, rest.len());
                self.problems.push(
                    Problem::at(Code::UnclosedComment, opening, "the comment is not closed")
                        .label("opened here")
                        .hint("end it with `*/`, or write `//` before each line"),
                );
            }
        }
    }

    fn hash_comment(&mut self) {
        let span = self.push(Kind::Comment, line_length(self.rest()));
        let mark = Span::new(span.start, span.start + 1);
        self.problems.push(
            Problem::at(Code::HashComment, mark, "`#` does not begin a comment")
                .hint("write `//` for a comment to the end of the line"),
        );
    }

    fn quoted(&mut self) {
        let rest = self.rest();
        let mut escaped = false;
        for (i, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                '"' if !escaped => {
                    self.push(Kind::Text, i + 1);
                    return;
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        let span = self.push(Kind::Bad, line_length(rest));
        self.problems.push(
            Problem::at(Code::UnclosedText, span, "the text in quotes is not closed")
                .hint("end it with `\"` on the same line"),
        );
    }

    fn foreign_quoted(&mut self, first: char) {
        let rest = self.rest();
        let after_operand = self.tokens.last().is_some_and(|t| {
            t.span.end == self.at
                && (t.kind == Kind::Word
                    || [")", "]"].contains(&&self.text[t.span.start..t.span.end]))
        });
        if first == '\'' && after_operand {
            let span = self.push(Kind::Bad, 1);
            self.problems.push(
                Problem::at(Code::ForeignSymbol, span, "`'` does not transpose")
                    .hint("write `transpose(m)`"),
            );
            return;
        }
        let line = &rest[..line_length(rest)];
        let inner = &line[first.len_utf8()..];
        let quote = |c: char| is_foreign_quote(c) || c == '"';
        let Some((i, closing)) = inner.char_indices().find(|(_, c)| quote(*c)) else {
            let span = self.push(Kind::Bad, first.len_utf8());
            self.problems.push(foreign(span, &first.to_string(), "\""));
            return;
        };
        let span = self.push(Kind::Bad, first.len_utf8() + i + closing.len_utf8());
        self.problems.push(
            Problem::at(
                Code::ForeignSymbol,
                span,
                "a text stands in straight double quotes",
            )
            .hint(format!("write `\"{}\"`", &inner[..i])),
        );
    }

    fn number(&mut self) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            let in_exponent = matches!(byte, b'+' | b'-')
                && length > 0
                && matches!(bytes[length - 1], b'e' | b'E')
                && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
            let elementwise = *byte == b'.'
                && bytes
                    .get(length + 1)
                    .is_some_and(|b| matches!(b, b'*' | b'/' | b'^'));
            let of_number = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
            if (!of_number && !in_exponent) || elementwise {
                break;
            }
            length += 1;
        }
        let written = &rest[..length];
        let hint = match instead_of_number(written) {
            None => {
                self.push(Kind::Number, length);
                return;
            }
            Some(hint) => hint,
        };
        let span = self.push(Kind::Bad, length);
        self.problems.push(
            Problem::at(
                Code::MalformedNumber,
                span,
                format!("`{written}` is not a number"),
            )
            .hint(hint),
        );
    }

    fn word(&mut self) {
        let rest = self.rest();
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut length = 0;
        for c in rest.chars() {
            let dotted = c == '.' && rest[length + 1..].starts_with(in_word);
            if !in_word(c) && !dotted {
                break;
            }
            length += c.len_utf8();
        }
        let written = &rest[..length];
        if written.is_ascii() && !written.contains('.') {
            self.push(Kind::Word, length);
            return;
        }
        let span = self.push(Kind::Bad, length);
        if !self.names.insert(written) {
            return;
        }
        let instead = match ascii_name(written) {
            Some(name) => format!("write `{name}`"),
            None => "choose another name".to_owned(),
        };
        self.problems.push(
            Problem::at(
                Code::MalformedName,
                span,
                format!("`{written}` is not a name"),
            )
            .label("names are made of `A` to `Z`, `a` to `z`, digits and `_`")
            .hint(format!(
                "{instead}; a column called `{written}` is read with `= column(\"{written}\")`"
            )),
        );
    }

    fn symbol(&mut self, first: char) {
        let rest = self.rest();
        let ours = OPERATORS.iter().find(|s| rest.starts_with(**s));
        let theirs = FOREIGN.iter().find(|(s, _)| rest.starts_with(s));
        match (ours, theirs) {
            (ours, Some((written, meant))) if ours.is_none_or(|s| s.len() < written.len()) => {
                let span = self.push(Kind::Bad, written.len());
                self.problems.push(foreign(span, written, meant));
            }
            (Some(ours), _) => {
                self.push(Kind::Symbol, ours.len());
            }
            (None, _) => match MARKS.iter().find(|s| rest.starts_with(**s)) {
                Some(mark) => {
                    self.push(Kind::Symbol, mark.len());
                }
                None => self.unknown(first),
            },
        }
    }

    fn unknown(&mut self, first: char) {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(first).len();
        let span = self.push(Kind::Bad, length);
        let shown = match first.is_control() {
            true => format!("the character U+{:04X}", u32::from(first)),
            false => format!("`{}`", &rest[..length]),
        };
        let problem = Problem::at(
            Code::UnknownCharacter,
            span,
            format!("{shown} means nothing here"),
        );
        self.problems.push(match first {
            '%' => problem.hint("the remainder of `x / y` is `x - y * floor(x / y)`"),
            '|' => problem.hint("`||` is the logical or; a density is `log_prob(Normal(m, s), y)`"),
            '$' => problem.hint("a column is declared with `data` and then named alone"),
            _ => problem.hint("remove it"),
        });
    }
}

fn foreign(span: Span, written: &str, meant: &str) -> Problem {
    Problem::at(
        Code::ForeignSymbol,
        span,
        format!("`{written}` is not a sign of the language"),
    )
    .hint(format!("write `{meant}`"))
}

/// Blanks besides the line break; a byte order mark and a zero-width space are seen by nobody.
fn is_blank(c: char) -> bool {
    c != '\n' && (c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// The bytes up to the end of the line, without blanks before it.
fn line_length(rest: &str) -> usize {
    let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
    line.trim_end().len()
}

//! A statement that the grammar refuses, explained: first by what people of the field are used to, else by what
//! could have stood there.

use super::layout::Layout;
use super::layout::Line;
use super::tokens::INNER_WORDS;
use super::tokens::Kind;
use super::tokens::OPERATORS;
use super::tokens::STATEMENT_WORDS;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::did_you_mean;
use crate::source::Source;
use crate::source::Span;

/// Words that begin declarations elsewhere.
const TYPE_WORDS: [&str; 20] = [
    "real",
    "int",
    "vector",
    "row_vector",
    "matrix",
    "array",
    "simplex",
    "unit_vector",
    "ordered",
    "positive_ordered",
    "cov_matrix",
    "corr_matrix",
    "cholesky_factor_corr",
    "cholesky_factor_cov",
    "complex",
    "let",
    "var",
    "val",
    "float",
    "double",
];

/// A statement for the eyes of the recognisers.
struct Written<'a> {
    /// Its tokens, without comments and line breaks.
    texts: Vec<&'a str>,
    spans: Vec<Span>,
    kinds: Vec<Kind>,
    /// Whether it is followed by a block.
    has_block: bool,
    /// The token at which the grammar stops; the number of tokens when it wants more.
    stop: usize,
    /// What could have stood there.
    expected: &'a [&'static str],
}

/// The problem of the statement `line`, at which the grammar stops at the byte `at` because it finds none of `expected`.
pub(super) fn explain(
    source: &Source,
    layout: &Layout<'_>,
    line: Option<&Line>,
    at: usize,
    expected: &[&'static str],
) -> Problem {
    let tokens = line.map(|l| layout.significant(l)).unwrap_or_default();
    let written = Written {
        texts: tokens.iter().map(|i| layout.str(*i)).collect(),
        spans: tokens.iter().map(|i| layout.tokens[*i].span).collect(),
        kinds: tokens.iter().map(|i| layout.tokens[*i].kind).collect(),
        has_block: line.is_some_and(|l| l.block.is_some()),
        stop: tokens
            .iter()
            .take_while(|i| layout.tokens[**i].span.end <= at)
            .count(),
        expected,
    };
    let recognisers = [
        foreign_block,
        declaration,
        assignment,
        reserved_name,
        call_in_the_head,
        misspelt_word,
        misplaced_if,
        not_a_distribution,
    ];
    recognisers
        .iter()
        .find_map(|recognise| recognise(&written))
        .unwrap_or_else(|| unexpected(&written, source, at))
}

impl Written<'_> {
    fn text(&self, i: usize) -> &str {
        self.texts.get(i).copied().unwrap_or("")
    }

    fn is_word(&self, i: usize) -> bool {
        self.kinds.get(i) == Some(&Kind::Word)
    }

    fn whole(&self) -> Span {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => first.to(*last),
            (Some(_), None) | (None, _) => Span::default(),
        }
    }

    fn problem(&self, code: Code, token: usize, message: impl Into<String>) -> Problem {
        let span = self.spans.get(token).copied().unwrap_or(self.whole());
        Problem::at(code, span, message)
    }

    /// The token behind the bracket that closes the one at `open`.
    fn behind_bracket(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for i in open..self.texts.len() {
            match self.text(i) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return i + 1;
            }
        }
        self.texts.len()
    }

    /// The token behind `x` or `x[…]` at the start.
    fn behind_target(&self) -> usize {
        match self.text(1) {
            "[" => self.behind_bracket(1),
            _ => 1,
        }
    }

    /// Whether two signs stand side by side at `i`, such as `<` and `-`.
    fn joined(&self, i: usize, first: &str, second: &str) -> bool {
        self.text(i) == first
            && self.text(i + 1) == second
            && self.spans[i].end == self.spans[i + 1].start
    }
}

fn foreign_block(written: &Written<'_>) -> Option<Problem> {
    let first = written.text(0);
    let is_loop = matches!(first, "for" | "while") && !matches!(written.text(1), "~" | "=" | "[");
    if !is_loop && (!written.has_block || matches!(first, "plate" | "guide")) {
        return None;
    }
    let problem = Problem::at(
        Code::ForeignBlock,
        written.whole(),
        match is_loop {
            true => "there are no loops".to_owned(),
            false => format!("`{first}` does not begin a block"),
        },
    );
    Some(problem.hint(match first {
        "for" | "while" => {
            "write `plate NAME { … }`: its statements hold for every element, without an index"
        }
        "data" => "declare each column inside its plate: `data x: real`",
        "parameters" | "transformed" | "generated" | "model" | "functions" => {
            "remove the block: statements stand at the top level or in plates, in any order"
        }
        "if" | "else" => {
            "choose in the expression, `x = if c then a else b`, or restrict a statement with `where`"
        }
        _ => match did_you_mean(first, ["plate", "guide"]) {
            Some("plate") => "did you mean `plate`?",
            Some(_) => "did you mean `guide`?",
            None => "only `plate NAME { … }` and `guide { … }` have a block",
        },
    }))
}

fn declaration(written: &Written<'_>) -> Option<Problem> {
    let first = written.text(0);
    let constrained = written.text(1) == "<" && !written.joined(1, "<", "-");
    let named = written.is_word(1) || constrained || written.is_word(written.behind_target());
    if !TYPE_WORDS.contains(&first) || !named || written.text(1) == ":" {
        return None;
    }
    let problem = written.problem(
        Code::Declaration,
        0,
        format!("`{first}` does not begin a statement"),
    );
    Some(match first {
        "let" | "var" | "val" => problem.hint(format!("write `{} = …`", written.text(1))),
        _ => problem
            .label("only columns of the data are declared")
            .hint("write `data x: real` for a column; `x ~ D(…)` declares a latent variable"),
    })
}

fn assignment(written: &Written<'_>) -> Option<Problem> {
    if !written.is_word(0) {
        return None;
    }
    let name = written.text(0);
    let sign = written.behind_target();
    let (shown, tokens) = match written.text(sign) {
        "<" if written.joined(sign, "<", "-") => ("<-", 2),
        "==" => ("==", 1),
        "+" | "-" | "*" | "/" if written.text(sign + 1) == "=" => (written.text(sign), 2),
        _ => return None,
    };
    let span = written.spans[sign].to(written.spans[sign + tokens - 1]);
    let problem = |message: &str| Problem::at(Code::Assignment, span, message);
    Some(match shown {
        "<-" => problem("`<-` does not define a value").hint(format!("write `{name} = …`")),
        "==" => problem("`==` compares, and does not define a value")
            .hint(format!("write `{name} = …`")),
        _ if name == "target" => problem("there is no `target` to add to")
            .hint("write `factor EXPRESSION`, which adds to the log joint density"),
        _ => problem("a value is defined once and does not change")
            .hint("define a new name, or use an aggregate such as `sum(plate: x)`"),
    })
}

fn reserved_name(written: &Written<'_>) -> Option<Problem> {
    let reserved = |i: usize| {
        STATEMENT_WORDS.contains(&written.text(i)) || INNER_WORDS.contains(&written.text(i))
    };
    let as_head =
        STATEMENT_WORDS.contains(&written.text(0)) && matches!(written.text(1), "~" | "=");
    let wants_name = ["a name", "a column"]
        .iter()
        .any(|w| written.expected.contains(w));
    let as_value =
        written.expected.contains(&"an expression") && written.text(written.stop) != "if";
    let i = match as_head {
        true => 0,
        false => written.stop,
    };
    if !as_head && !(reserved(i) && (wants_name || as_value)) {
        return None;
    }
    let word = written.text(i);
    let problem = written.problem(
        Code::ReservedName,
        i,
        format!("`{word}` is a reserved word, and not a name"),
    );
    Some(match written.text(0) {
        "data" if !as_head => problem.hint(format!(
            "choose another name, and read the column with `= column(\"{word}\")`"
        )),
        _ => problem.hint(format!("choose another name, such as `{word}_`")),
    })
}

fn call_in_the_head(written: &Written<'_>) -> Option<Problem> {
    if !written.is_word(0) || written.text(1) != "(" {
        return None;
    }
    let function = written.text(0);
    let behind = written.behind_bracket(1);
    let span = written.spans[0].to(written.spans[behind - 1]);
    Some(match written.text(behind) {
        "~" => Problem::at(
            Code::CallInHead,
            span,
            "left of `~` stands a name, and not an expression",
        )
        .hint(format!(
            "define `z = {function}(…)` and write `z ~ …`; for data, the density is then that of `z`"
        )),
        "=" => Problem::at(
            Code::CallInHead,
            span,
            "the definition of a function begins with `fn`",
        )
        .hint(format!("write `fn {function}(…) = …`")),
        _ => Problem::at(Code::CallInHead, span, "a call alone is not a statement")
            .hint("write `x ~ D(…)`, `x = …`, or `factor …` to add to the log joint density"),
    })
}

fn misspelt_word(written: &Written<'_>) -> Option<Problem> {
    let first = written.text(0);
    if !written.is_word(0) || !written.is_word(1) || STATEMENT_WORDS.contains(&first) {
        return None;
    }
    let meant = did_you_mean(first, STATEMENT_WORDS)?;
    Some(
        written
            .problem(
                Code::UnexpectedText,
                0,
                format!("`{first}` does not begin a statement"),
            )
            .hint(format!("did you mean `{meant}`?")),
    )
}

fn misplaced_if(written: &Written<'_>) -> Option<Problem> {
    if written.text(written.stop) != "if" || written.stop == 0 {
        return None;
    }
    let after = written.text(written.stop - 1);
    if !OPERATORS.contains(&after) && after != "!" && after != "if" {
        return None;
    }
    Some(
        written
            .problem(
                Code::IfInOperand,
                written.stop,
                format!("an `if` behind `{after}` stands in parentheses"),
            )
            .hint("write `(if c then a else b)`"),
    )
}

fn not_a_distribution(written: &Written<'_>) -> Option<Problem> {
    let tilde = written.texts.iter().position(|t| *t == "~")?;
    let (stop, found) = (written.stop, written.text(written.stop));
    if stop <= tilde || written.texts[tilde + 1..].contains(&"where") {
        return None;
    }
    let operator =
        OPERATORS.contains(&found) && written.expected.contains(&"the end of the statement");
    let missing = stop == tilde + 1 && stop < written.texts.len();
    if found == "T" && matches!(written.text(stop + 1), "[" | "(") {
        return Some(
            written
                .problem(
                    Code::NotADistribution,
                    stop,
                    "bounds do not stand behind a distribution",
                )
                .hint("write `truncated(D, lower = …, upper = …)`"),
        );
    }
    if !operator && !missing {
        return None;
    }
    let last = written.spans.len() - 1;
    Some(
        Problem::at(
            Code::NotADistribution,
            written.spans[tilde + 1].to(written.spans[last]),
            "right of `~` stands one distribution, and not a formula",
        )
        .hint(format!(
            "write it into the distribution's mean: `{} ~ Normal(a + b * x, sigma)`",
            written.text(0)
        )),
    )
}

fn unexpected(written: &Written<'_>, source: &Source, at: usize) -> Problem {
    let found_token = written.spans.get(written.stop);
    let (span, found) = match found_token {
        Some(span) => (*span, format!("`{}`", written.text(written.stop))),
        None => (end_of(written, at), what_ends(source, at)),
    };
    let expected = match written.stop.checked_sub(1).map(|i| written.text(i)) {
        Some("~") => "a distribution".to_owned(),
        Some(":") if written.text(0) == "data" && written.expected == ["a name"] => {
            "a type such as `real`".to_owned()
        }
        Some(":") if written.stop == 2 && written.expected == ["a name"] => {
            "a family such as `mean_field`".to_owned()
        }
        Some(_) | None => either(written.expected),
    };
    let message = match expected.is_empty() {
        true => format!("{found} cannot stand here"),
        false => format!("expected {expected}, found {found}"),
    };
    let problem = Problem::at(Code::UnexpectedText, span, message);
    match hint(written) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Behind the statement's last token.
fn end_of(written: &Written<'_>, at: usize) -> Span {
    let end = written.spans.last().map_or(at, |s| s.end);
    Span::new(end, end)
}

fn what_ends(source: &Source, at: usize) -> String {
    match source
        .text()
        .get(at..)
        .and_then(|t| t.trim_start_matches([' ', '\t', '\r']).chars().next())
    {
        None => "the end of the file".to_owned(),
        Some(c @ ('{' | '}' | ';')) => format!("`{c}`"),
        Some(_) => "the end of the line".to_owned(),
    }
}

/// `a, b or c`; of many, the ones that matter.
fn either(expected: &[&'static str]) -> String {
    let mut words = expected.to_vec();
    if words.contains(&"`~`") && words.contains(&"`=`") {
        words.retain(|w| matches!(*w, "`~`" | "`=`"));
    }
    if words.contains(&"an operator") {
        words.retain(|w| !matches!(*w, "`(`" | "`[`" | "`:`" | "`=`"));
    }
    for extra in ["`?`", "`[`", "`(`"] {
        if words.len() > 3 {
            words.retain(|w| *w != extra);
        }
    }
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

fn hint(written: &Written<'_>) -> Option<String> {
    let found = written.text(written.stop);
    let behind = written.text(written.stop + 1);
    let expects = |word| written.expected.contains(&word);
    let hint = match (written.text(0), found) {
        ("data", "=") if expects("`:`") => {
            format!(
                "a fixed value is a constant: `const {} = …`",
                written.text(1)
            )
        }
        ("data", _) if expects("`:`") => {
            "a column is declared with its type: `data x: real`".to_owned()
        }
        ("plate", ":" | "") if expects("`{`") => {
            "the statements of a plate stand in braces: `plate NAME { … }`".to_owned()
        }
        ("plate", "[") => "a plate's size stands behind `=`: `plate NAME = 8 { … }`".to_owned(),
        ("plate", "over" | "for" | "on") => "a plate lies in others with `in P, Q`".to_owned(),
        ("fn", _) if expects("`(`") => "a function is written `fn f(x, y) = …`".to_owned(),
        (_, "in" | "for") if expects("`)`") => {
            "an aggregate runs over a plate: `sum(plate: x)`".to_owned()
        }
        (_, "?") if expects("an operator") => "write `if c then a else b`".to_owned(),
        (_, "") if expects("`else`") => "an `if` has two branches: `if c then a else b`".to_owned(),
        (_, "=") if expects("an operator") => "`==` compares two values".to_owned(),
        (_, ":") if expects("`]`") => {
            "an index is one position, or `:` alone for all of them".to_owned()
        }
        (_, "and") => "write `&&`".to_owned(),
        (_, "or") => "write `||`".to_owned(),
        (_, "not") => "write `!`".to_owned(),
        (_, "if") if expects("the end of the statement") => {
            "write `where` to restrict a statement to some elements".to_owned()
        }
        _ if expects("the end of the statement")
            && written.is_word(written.stop)
            && (matches!(behind, "~" | "=" | "[" | ",") || STATEMENT_WORDS.contains(&found)) =>
        {
            "a statement ends at the end of its line or at `;`".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

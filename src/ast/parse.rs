//! Parsing: all that is wrong with a text in one run, or its syntax tree.

use super::Ast;
use super::brackets::too_deep;
use super::explain::explain;
use super::layout::layout;
use super::pairs;
use super::pairs::Failure;
use crate::problem::Problems;
use crate::source::Source;
use crate::source::Span;

/// After so many statements that the grammar refuses, what follows is left for the next run.
const REFUSED_AT_MOST: usize = 20;

/// Reads a model's text.
///
/// On failure the problems are all that are wrong with the syntax: a statement that is wrong is left out, and the
/// rest is read again.
pub fn parse(source: &Source) -> Result<Ast, Problems> {
    let mut problems = Problems::new();
    let Some(mut layout) = layout(source, &mut problems) else {
        return Err(problems);
    };
    for _ in 0..REFUSED_AT_MOST {
        let text = layout.text();
        match pairs::read(&text) {
            Ok((ast, found)) => {
                problems.extend(found);
                return if problems.is_empty() {
                    Ok(ast)
                } else {
                    Err(problems)
                };
            }
            Err(Failure::TooDeep(at)) => {
                problems.push(too_deep(Span::new(at, at)));
                break;
            }
            Err(Failure::Unexpected(at, expected)) => {
                let line = layout.line_at(at);
                problems.push(explain(source, &layout, line.as_ref(), at, &expected));
                if let Some(line) = line {
                    layout.blank(&line);
                }
                if layout.text() == text {
                    break;
                }
            }
        }
    }
    Err(problems)
}

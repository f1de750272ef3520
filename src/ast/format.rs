//! The one layout of a model's text: spacing, indentation, aligned `~`, lines of at most [`WIDTH`] columns.
//!
//! Works on tokens, so nothing is lost: comments stay where they are, lines that the user broke stay broken, and one
//! blank line stays of several.

use super::layout::Layout;
use super::layout::layout;
use super::parse;
use super::tokens::INNER_WORDS;
use super::tokens::Kind;
use super::tokens::OPERATORS;
use super::tokens::STATEMENT_WORDS;
use crate::problem::Problems;
use crate::source::Source;

/// The columns that a line may take, comments apart.
const WIDTH: usize = 100;

/// The columns that a block is indented.
const INDENT: usize = 2;

/// The widest left side that takes part in the alignment of `~`.
const ALIGNED_HEAD: usize = 16;

/// Formats a model's text; fails when it does not parse.
///
/// Formatting again changes nothing, and the syntax tree is that of the text given, places apart.
pub fn format(source: &Source) -> Result<String, Problems> {
    parse(source)?;
    let mut none = Problems::new();
    let Some(layout) = layout(source, &mut none) else {
        return Err(none);
    };
    let mut rows = Rows::of(&layout).list;
    align(&mut rows);
    let mut out = String::new();
    for row in &rows {
        if row.blank_before {
            out.push('\n');
        }
        write(&mut out, row);
    }
    Ok(out)
}

/// A token to write.
#[derive(Clone)]
struct Piece {
    text: String,
    kind: Kind,
    /// Whether a line of the user's begins here.
    breaks: bool,
    /// For a comment behind code: its column, when it stands more than one blank apart.
    column: Option<usize>,
    /// Blanks that alignment adds before it.
    pad: usize,
}

impl Piece {
    fn is(&self, text: &str) -> bool {
        self.kind == Kind::Symbol && self.text == text
    }

    fn opens(&self) -> bool {
        self.is("(") || self.is("[")
    }

    fn closes(&self) -> bool {
        self.is(")") || self.is("]")
    }

    fn is_reserved(&self) -> bool {
        let word = self.text.as_str();
        self.kind == Kind::Word && (STATEMENT_WORDS.contains(&word) || INNER_WORDS.contains(&word))
    }

    fn is_operator(&self) -> bool {
        self.kind == Kind::Symbol && OPERATORS.contains(&self.text.as_str())
    }

    fn ends_line(&self) -> bool {
        self.kind == Kind::Comment && self.text.starts_with("//")
    }
}

/// A statement, a header, a closing brace or a comment on its own, perhaps over several lines.
struct Row {
    depth: usize,
    pieces: Vec<Piece>,
    blank_before: bool,
}

struct Rows<'a> {
    layout: &'a Layout<'a>,
    list: Vec<Row>,
    current: Vec<Piece>,
    depth: usize,
    /// The line breaks since the token before.
    lines: usize,
    /// Whether a blank line precedes what comes next.
    blank: bool,
}

impl<'a> Rows<'a> {
    fn of(layout: &'a Layout<'a>) -> Rows<'a> {
        let mut rows = Rows {
            layout,
            list: Vec::new(),
            current: Vec::new(),
            depth: 0,
            lines: 0,
            blank: false,
        };
        let mut i = 0;
        while i < layout.tokens.len() {
            i = rows.token(i);
        }
        rows.flush();
        rows
    }

    /// Takes the token `i`; gives the one to take next.
    fn token(&mut self, i: usize) -> usize {
        let token = self.layout.tokens[i];
        if matches!(token.kind, Kind::End | Kind::Fold) {
            if token.kind == Kind::End {
                self.flush();
            }
            self.lines += 1;
            return i + 1;
        }
        let lines = std::mem::take(&mut self.lines);
        self.blank |= lines > 1 && self.current.is_empty();
        let piece = self.piece(i, lines > 0);
        let on_row = token.kind == Kind::Comment && self.current.is_empty() && lines == 0;
        match (self.layout.str(i), self.list.last_mut()) {
            (_, Some(row)) if on_row => row.pieces.push(piece),
            (";", _) => self.flush(),
            ("{", _) if token.kind == Kind::Symbol => {
                self.current.push(piece);
                if let Some(end) = self.one_line_block(i) {
                    for j in i + 1..=end {
                        self.current.push(self.piece(j, false));
                    }
                    self.flush();
                    return end + 1;
                }
                self.flush();
                self.depth += 1;
            }
            ("}", _) if token.kind == Kind::Symbol => {
                self.flush();
                self.depth = self.depth.saturating_sub(1);
                self.blank = false;
                self.current.push(piece);
                self.flush();
            }
            _ => self.current.push(piece),
        }
        i + 1
    }

    fn piece(&self, i: usize, breaks: bool) -> Piece {
        let kind = self.layout.tokens[i].kind;
        let behind_code = kind == Kind::Comment && !breaks;
        let line = behind_code.then(|| self.layout.line_before(i));
        Piece {
            text: self.layout.str(i).replace('\r', ""),
            kind,
            breaks,
            column: line
                .filter(|line| line.len() - line.trim_end().len() > 1)
                .map(|line| line.chars().count()),
            pad: 0,
        }
    }

    /// The closing brace of a block that the user wrote on one line, with at most one statement, and that fits there.
    fn one_line_block(&self, open: usize) -> Option<usize> {
        let tokens = &self.layout.tokens[open + 1..];
        let length = tokens
            .iter()
            .enumerate()
            .position(|(k, t)| t.kind == Kind::Symbol && self.layout.str(open + 1 + k) == "}")?;
        let plain = (open + 1..open + 1 + length).all(|j| match self.layout.tokens[j].kind {
            Kind::End | Kind::Fold | Kind::Comment => false,
            Kind::Symbol => !matches!(self.layout.str(j), ";" | "{"),
            Kind::Word | Kind::Number | Kind::Text | Kind::Bad => true,
        });
        if !plain {
            return None;
        }
        let inner = (open + 1..=open + 1 + length).map(|j| self.piece(j, false));
        let whole: Vec<Piece> = self.current.iter().cloned().chain(inner).collect();
        let fits = self.depth * INDENT + width(&whole) <= WIDTH;
        let one_line = self.current.iter().skip(1).all(|p| !p.breaks || p.is("{"));
        (fits && one_line).then_some(open + 1 + length)
    }

    fn flush(&mut self) {
        if self.current.is_empty() {
            return;
        }
        let first_in_block = self
            .list
            .last()
            .is_none_or(|row| row.depth < self.depth && row.pieces.iter().any(|p| p.is("{")));
        let mut pieces = std::mem::take(&mut self.current);
        join(&mut pieces);
        self.list.push(Row {
            depth: self.depth,
            pieces,
            blank_before: self.blank && !first_in_block,
        });
        self.blank = false;
    }
}

/// Keeps `{` on its line, and a closing bracket where nothing is broken behind the one that opens.
fn join(pieces: &mut [Piece]) {
    let mut hangs = Vec::new();
    for i in 0..pieces.len() {
        if pieces[i].opens() {
            let next = pieces[i + 1..].iter().find(|p| p.kind != Kind::Comment);
            hangs.push(next.is_some_and(|p| p.breaks));
        }
        if pieces[i].is("{") || pieces[i].closes() && hangs.pop() != Some(true) {
            pieces[i].breaks = false;
        }
    }
}

/// Pads the short left sides of neighbouring `~` statements to the same width.
fn align(rows: &mut [Row]) {
    let mut start = 0;
    while start < rows.len() {
        let depth = rows[start].depth;
        let length = rows[start..]
            .iter()
            .enumerate()
            .take_while(|(k, row)| {
                row.depth == depth && tilde(row).is_some() && (*k == 0 || !row.blank_before)
            })
            .count();
        let run = &mut rows[start..start + length];
        let head = |row: &Row| {
            let end = tilde(row)?;
            let head = &row.pieces[..end];
            let broken =
                row.pieces[1..=end].iter().any(|p| p.breaks) || head.iter().any(Piece::ends_line);
            (!broken && width(head) <= ALIGNED_HEAD).then(|| width(head))
        };
        let widest = run.iter().filter_map(head).max().unwrap_or(0);
        for row in run {
            if let (Some(width), Some(tilde)) = (head(row), tilde(row)) {
                row.pieces[tilde].pad = widest - width;
            }
        }
        start += length.max(1);
    }
}

/// Where the `~` of a statement stands.
fn tilde(row: &Row) -> Option<usize> {
    let block = row.pieces.iter().any(|p| p.is("{"));
    let position = row.pieces.iter().position(|p| p.is("~"))?;
    (!block && row.pieces[0].kind == Kind::Word).then_some(position)
}

/// The columns of pieces on one line, comments behind them apart.
fn width(pieces: &[Piece]) -> usize {
    let comments = pieces
        .iter()
        .rev()
        .take_while(|p| p.kind == Kind::Comment)
        .count();
    let code = &pieces[..pieces.len() - comments];
    (0..code.len())
        .map(|i| gap(code, i) + code[i].text.chars().count())
        .sum()
}

/// The blanks before a piece that does not begin a line.
fn gap(pieces: &[Piece], i: usize) -> usize {
    let Some(before) = i.checked_sub(1).map(|b| &pieces[b]) else {
        return 0;
    };
    let piece = &pieces[i];
    let comments = piece.kind == Kind::Comment || before.kind == Kind::Comment;
    let tight = before.opens()
        || piece.closes()
        || piece.is(",")
        || piece.is("?")
        || piece.is("^")
        || before.is("^")
        || (piece.is(":") && !before.is(","))
        || (i > 0 && is_unary(pieces, i - 1))
        || (piece.opens() && is_operand_end(before));
    usize::from(comments && !before.opens() || !comments && !tight) + piece.pad
}

/// Whether an operand may end with this piece, so that `(` or `[` behind it belongs to it.
fn is_operand_end(piece: &Piece) -> bool {
    match piece.kind {
        Kind::Word => !piece.is_reserved(),
        Kind::Number | Kind::Text => true,
        Kind::Symbol => piece.closes(),
        Kind::Comment | Kind::End | Kind::Fold | Kind::Bad => false,
    }
}

/// Whether a piece is `!`, or a `-` with no operand before it.
fn is_unary(pieces: &[Piece], i: usize) -> bool {
    let before = pieces[..i].iter().rev().find(|p| p.kind != Kind::Comment);
    pieces[i].is("!") || (pieces[i].is("-") && !before.is_some_and(is_operand_end))
}

/// A bracket that is open where a line ends.
struct Open {
    /// Where lines that follow begin.
    column: usize,
    /// Where the closing bracket stands when it begins a line.
    outer: usize,
}

fn write(out: &mut String, row: &Row) {
    let pieces = &row.pieces;
    let indent = row.depth * INDENT;
    let mut open: Vec<Open> = Vec::new();
    // Behind `=` and `~`, where the first line leaves room.
    let mut continued = indent + 2 * INDENT;
    let mut start = 0;
    while start < pieces.len() {
        let first = match (start, open.last()) {
            (0, _) => indent,
            (_, Some(last)) if pieces[start].closes() => last.outer,
            (_, Some(last)) => last.column,
            (_, None) => continued,
        };
        let end = line_end(pieces, start, first);
        out.push_str(&" ".repeat(first));
        let mut column = first;
        for i in start..end {
            let piece = &pieces[i];
            let mut blanks = if i == start { 0 } else { gap(pieces, i) };
            if let (Some(wanted), true) = (piece.column, i > start) {
                blanks = blanks.max(wanted.saturating_sub(column));
            }
            out.push_str(&" ".repeat(blanks));
            out.push_str(&piece.text);
            column = match piece.text.rsplit_once('\n') {
                Some((_, last)) => last.chars().count(),
                None => column + blanks + piece.text.chars().count(),
            };
            let last_on_line = pieces[i + 1..end].iter().all(|p| p.kind == Kind::Comment);
            if piece.opens() {
                open.push(Open {
                    column: if last_on_line { first + INDENT } else { column },
                    outer: if last_on_line { first } else { column - 1 },
                });
            } else if piece.closes() {
                open.pop();
            } else if (piece.is("=") || piece.is("~")) && open.is_empty() && !last_on_line {
                continued = column + 1;
            }
        }
        out.push('\n');
        start = end;
    }
}

/// Where the line ends that begins with the piece `start` at a column.
fn line_end(pieces: &[Piece], start: usize, column: usize) -> usize {
    let goes_on = |at: &usize| !pieces[at - 1].ends_line() && !pieces[*at].breaks;
    let end = start + 1 + (start + 1..pieces.len()).take_while(goes_on).count();
    if column + width(&pieces[start..end]) <= WIDTH {
        return end;
    }
    best_break(pieces, start..end, column).unwrap_or(end)
}

/// The place to break a line that is too long: in the fewest brackets, at the loosest operator, as late as fits.
fn best_break(pieces: &[Piece], line: std::ops::Range<usize>, column: usize) -> Option<usize> {
    let head = pieces.iter().position(|p| p.is("~")).unwrap_or(0);
    let mut best: Option<((i32, usize), usize)> = None;
    let mut depth = 0i32;
    let mut width = column + pieces[line.start].text.chars().count();
    for i in line.start + 1..line.end {
        if pieces[i - 1].opens() {
            depth += 1;
        } else if pieces[i - 1].closes() {
            depth -= 1;
        }
        if best.is_some() && width > WIDTH {
            break;
        }
        let looseness = looseness(pieces, i).filter(|_| depth != 0 || i > head);
        if let Some(score) = looseness.map(|l| (depth, l))
            && best.is_none_or(|(other, _)| score <= other)
        {
            best = Some((score, i));
        }
        width += gap(pieces, i) + pieces[i].text.chars().count();
    }
    best.map(|(_, i)| i)
}

/// How loosely the pieces `i - 1` and `i` hold together, smaller being looser; `None` where a line may not break.
fn looseness(pieces: &[Piece], i: usize) -> Option<usize> {
    let (before, piece) = (&pieces[i - 1], &pieces[i]);
    if before.is(",") && !piece.closes() {
        return Some(0);
    }
    if piece.kind == Kind::Word && matches!(piece.text.as_str(), "then" | "else" | "where") {
        return Some(0);
    }
    if !piece.is_operator() || is_unary(pieces, i) || piece.is("^") {
        return None;
    }
    Some(match piece.text.as_str() {
        "||" => 1,
        "&&" => 2,
        "+" | "-" => 4,
        "*" | "/" | "@" => 5,
        _ => 3,
    })
}

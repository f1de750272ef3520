//! Rows as most texts have them, read without splitting them first: every cell where it stands, numbers digit by digit.
//!
//! What is read is what the rows of [`super::rows`] give. A text with rows of another kind is given back unread: with cells in quotation
//! marks that hold such marks or line breaks, or with more or fewer cells than columns.

use super::fill::Cells;
use super::rows::trimmed;
use memchr::memchr;

/// Powers of ten that are doubles without rounding, as far as they are needed: a text of at most 15 digits has no more behind its point.
const TENS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Appends the cells of `text` to columns that have none; the line of each row, from 1. `None` when it has rows of another kind.
pub(super) fn read(text: &str, separator: u8, columns: &mut [Cells]) -> Option<Vec<u32>> {
    let mut cursor = Cursor {
        text,
        separator,
        at: 0,
    };
    let mut lines = Vec::new();
    let mut line = 1;
    let last = columns.len().checked_sub(1)?;
    while cursor.at < text.len() {
        if cursor.line_break() {
            line += 1;
            continue;
        }
        for (k, column) in columns.iter_mut().enumerate() {
            cursor.cell(column)?;
            let between = cursor.byte() == Some(separator);
            if between != (k < last) {
                return None;
            }
            cursor.at += usize::from(between);
        }
        lines.push(line);
        cursor.line_break();
        line += 1;
    }
    Some(lines)
}

/// A place in a text.
struct Cursor<'a> {
    text: &'a str,
    separator: u8,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over a line break, if there is one.
    fn line_break(&mut self) -> bool {
        match self.byte() {
            Some(b'\n') => self.at += 1,
            Some(b'\r') => {
                self.at += 1;
                self.at += usize::from(self.byte() == Some(b'\n'));
            }
            Some(_) | None => return false,
        }
        true
    }

    /// Appends the cell that starts here, and goes to its end; `None` when it is of another kind.
    fn cell(&mut self, column: &mut Cells) -> Option<()> {
        if let Cells::Numbers(values) = column
            && let Some((value, end)) = number(self.text.as_bytes(), self.at, self.separator)
        {
            values.push(value);
            self.at = end;
            return Some(());
        }
        if let Some(length) = column.again(&self.text[self.at..])
            && ends(
                self.text.as_bytes().get(self.at + length).copied(),
                self.separator,
            )
        {
            column.repeat();
            self.at += length;
            return Some(());
        }
        let (cell, end) = self.quoted_or_not()?;
        column.push(trimmed(cell));
        self.at = end;
        Some(())
    }

    /// The cell that starts here, and its end.
    fn quoted_or_not(&self) -> Option<(&'a str, usize)> {
        let bytes = self.text.as_bytes();
        if self.byte() == Some(b'"') {
            let start = self.at + 1;
            let end = start + memchr(b'"', &bytes[start..])?;
            let cell = &self.text[start..end];
            let simple = ends(bytes.get(end + 1).copied(), self.separator);
            return (simple && !cell.contains(['\n', '\r'])).then_some((cell, end + 1));
        }
        let rest = &bytes[self.at..];
        let len = rest.iter().position(|b| ends(Some(*b), self.separator));
        let end = self.at + len.unwrap_or(rest.len());
        Some((&self.text[self.at..end], end))
    }
}

/// Whether a cell ends before this byte, or the end of the text.
fn ends(byte: Option<u8>, separator: u8) -> bool {
    byte.is_none_or(|b| b == separator || b == b'\n' || b == b'\r')
}

/// The number in the cell that starts at `at`, and the end of the cell; `None` unless it is an integer without leading zeros, or digits
/// around a point, 15 digits at most in all.
///
/// Digits and power of ten are doubles without rounding then, and one division rounds as it should (W. D. Clinger, How to read floating
/// point numbers accurately, PLDI 1990).
fn number(bytes: &[u8], at: usize, separator: u8) -> Option<(f64, usize)> {
    let start = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut digits = 0_u64;
    let mut run = |from: usize| {
        let mut i = from;
        while let Some(digit) = bytes.get(i).map(|b| b.wrapping_sub(b'0'))
            && digit < 10
        {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            i += 1;
        }
        i
    };
    let point = run(start);
    let (end, decimals) = if bytes.get(point) == Some(&b'.') {
        let end = run(point + 1);
        (end, end - point - 1)
    } else {
        (point, 0)
    };
    let whole = point - start;
    let integer = end == point;
    let usual = whole > 0 && (integer || decimals > 0) && whole + decimals <= 15;
    if !usual || !ends(bytes.get(end).copied(), separator) {
        return None;
    }
    if integer && whole > 1 && bytes[start] == b'0' {
        return None;
    }
    let value = digits as f64 / TENS[decimals];
    // Zero has no sign.
    Some((if start > at { 0.0 - value } else { value }, end))
}

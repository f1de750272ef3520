//! The rows of a text: their cells, the line in which each starts, and quotation marks that are never closed.

use csv::ReaderBuilder;
use csv::StringRecord;
use memchr::memchr;
use memchr::memchr_iter;

/// One row of cells, with what messages need.
pub(super) struct Row<'a> {
    cells: &'a StringRecord,
    /// The line of the text in which it starts, from 1.
    pub(super) line: usize,
    /// Whether a quotation mark that opens in it is never closed.
    pub(super) open_quote: bool,
}

impl<'a> Row<'a> {
    /// The number of its cells.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Its cells without the blanks around them.
    pub(super) fn cells(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.cells.iter().map(trimmed)
    }
}

/// A cell without the blanks around it.
pub(super) fn trimmed(cell: &str) -> &str {
    let plain = |b: Option<&u8>| b.is_none_or(|b| b.is_ascii_graphic());
    let bytes = cell.as_bytes();
    if plain(bytes.first()) && plain(bytes.last()) {
        cell
    } else {
        cell.trim()
    }
}

/// The rows of a text; blank lines are skipped.
pub(super) struct Rows<'a> {
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    cells: StringRecord,
    /// Whether there is a quotation mark in the text.
    quoted: bool,
    /// The first `counted` bytes hold `line − 1` line breaks.
    counted: usize,
    line: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: &'a str, separator: u8) -> Rows<'a> {
        Rows {
            text,
            reader: ReaderBuilder::new()
                .delimiter(separator)
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes()),
            cells: StringRecord::new(),
            quoted: memchr(b'"', text.as_bytes()).is_some(),
            counted: 0,
            line: 1,
        }
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Option<Row<'_>> {
        let start = self.position();
        // The reader leaves the second half of `\r\n`, and blank lines, to the next row.
        let blank = self.text.as_bytes()[start..]
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        // The text is valid, the reader flexible, the source in memory: reading cannot fail.
        if !self.reader.read_record(&mut self.cells).unwrap_or(false) {
            return None;
        }
        self.count_to(start + blank);
        let raw = &self.text.as_bytes()[start..self.position().max(start)];
        let marks = || memchr_iter(b'"', raw).count();
        let spread = || self.cells.iter().any(|c| trimmed(c).contains(['\n', '\r']));
        Some(Row {
            line: self.line,
            open_quote: self.quoted && spread() && marks() % 2 == 1,
            cells: &self.cells,
        })
    }

    /// Where the text goes on after the row read last, its line break included.
    pub(super) fn end(&self) -> usize {
        let breaks = self.text.as_bytes()[..self.position()].iter().rev();
        self.position() - breaks.take_while(|b| matches!(b, b'\r' | b'\n')).count()
    }

    fn position(&self) -> usize {
        (self.reader.position().byte() as usize).min(self.text.len())
    }

    fn count_to(&mut self, offset: usize) {
        self.line += line_breaks(&self.text.as_bytes()[self.counted..offset]);
        self.counted = offset;
    }
}

/// Line breaks in `bytes`: `\n`, `\r\n`, or `\r` alone.
pub(super) fn line_breaks(bytes: &[u8]) -> usize {
    let alone = |i: &usize| bytes.get(i + 1) != Some(&b'\n');
    memchr_iter(b'\n', bytes).count() + memchr_iter(b'\r', bytes).filter(alone).count()
}

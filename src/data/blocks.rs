//! A text in blocks of whole rows, and blocks in pieces, without reading its cells.
//!
//! A block or piece ends before the line break of its last row, so that the next one starts with it: a reader skips it as it skips a blank line.

use memchr::memchr;
use memchr::memrchr;
use std::io;
use std::io::Read;

/// How much of a file is held at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// Bytes of a text.
    pub(super) block: usize,
    /// Bytes of it that one thread reads at a time.
    pub(super) piece: usize,
    /// Rows that are decoded at a time where there is no text, and the file lets one choose.
    pub(super) rows: usize,
}

impl Grain {
    /// Blocks give each of 32 threads a piece; a piece with its columns fits a core's cache.
    pub(super) const USUAL: Grain = Grain {
        block: 8 << 20,
        piece: 256 << 10,
        rows: 64 << 10,
    };

    /// What goes with tables of so many rows: where these are few, no more than some of them.
    pub(super) fn of_rows(rows: usize) -> Grain {
        match rows < Grain::USUAL.rows {
            true => Grain {
                block: 1 << 20,
                rows: rows.max(1),
                ..Grain::USUAL
            },
            false => Grain::USUAL,
        }
    }
}

/// The blocks of a text.
pub(super) struct Blocks<R> {
    reader: R,
    grain: Grain,
    separator: u8,
    /// What follows the last row of the blocks given out so far.
    rest: Vec<u8>,
    scan: Scan,
    started: bool,
    ended: bool,
}

/// Whole rows, a blank line more or less.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Where its pieces end but the last.
    pub(super) cuts: Vec<usize>,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(reader: R, separator: u8, grain: Grain) -> Blocks<R> {
        Blocks {
            reader,
            grain,
            separator,
            rest: Vec::new(),
            scan: Scan::default(),
            started: false,
            ended: false,
        }
    }

    /// The next block, without a byte order mark; `None` after the last one.
    pub(super) fn next(&mut self) -> io::Result<Option<Block>> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(self.rest.len() + self.grain.block);
        bytes.append(&mut self.rest);
        loop {
            let asked = self.grain.block as u64;
            let got = self.reader.by_ref().take(asked).read_to_end(&mut bytes)?;
            self.ended = (got as u64) < asked;
            if !self.started && (self.ended || bytes.len() >= BOM.len()) {
                self.started = true;
                if bytes.starts_with(BOM) {
                    bytes.drain(..BOM.len());
                }
            }
            if self.started {
                self.scan.go_on(&bytes, self.separator, self.grain.piece);
            }
            let end = if self.ended {
                bytes.len()
            } else {
                self.scan.last
            };
            if end > 0 || self.ended {
                self.rest = bytes.split_off(end);
                let cuts = self.scan.take(end);
                return Ok(Some(Block { bytes, cuts }));
            }
        }
    }
}

/// What some programs write before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Finds the ends of rows. A quotation mark opens a quoted cell only where the cell starts, as in the reader of cells.
#[derive(Default)]
struct Scan {
    /// What stands before is scanned.
    at: usize,
    /// Whether `at` lies in a quoted cell.
    quoted: bool,
    cuts: Vec<usize>,
    /// The last end of a row; 0 when there is none.
    last: usize,
}

impl Scan {
    /// Goes on to the end of `bytes`, which have grown since.
    fn go_on(&mut self, bytes: &[u8], separator: u8, piece: usize) {
        while self.at < bytes.len() {
            let mark = memchr(b'"', &bytes[self.at..]).map(|i| self.at + i);
            let Some(mark) = mark else {
                if !self.quoted {
                    self.rows(bytes, bytes.len(), piece);
                }
                self.at = bytes.len();
                return;
            };
            if self.quoted {
                match bytes.get(mark + 1) {
                    Some(b'"') => self.at = mark + 2,
                    Some(_) => {
                        self.at = mark + 1;
                        self.quoted = false;
                    }
                    // Whether it is doubled, more bytes will say.
                    None => {
                        self.at = mark;
                        return;
                    }
                }
                continue;
            }
            self.rows(bytes, mark, piece);
            let opens = mark == 0
                || matches!(bytes[mark - 1], b'\n' | b'\r')
                || bytes[mark - 1] == separator;
            self.quoted = opens;
            self.at = mark + 1;
        }
    }

    /// Notes ends of rows up to `end`, between quoted cells.
    fn rows(&mut self, bytes: &[u8], end: usize, piece: usize) {
        let cut = |i: usize| {
            if i > 0 && bytes[i - 1] == b'\r' {
                i - 1
            } else {
                i
            }
        };
        loop {
            let from = self.cuts.last().copied().unwrap_or(0) + piece;
            let from = from.max(self.at);
            let Some(i) = bytes.get(from..end).and_then(|b| memchr(b'\n', b)) else {
                break;
            };
            let i = cut(from + i);
            if i <= self.cuts.last().copied().unwrap_or(0) {
                break;
            }
            self.cuts.push(i);
        }
        if let Some(i) = memrchr(b'\n', &bytes[self.at..end]) {
            self.last = cut(self.at + i).max(self.last);
        }
    }

    /// The cuts before `end`; goes on as if the bytes began there.
    fn take(&mut self, end: usize) -> Vec<usize> {
        let mut cuts = std::mem::take(&mut self.cuts);
        cuts.retain(|cut| *cut < end);
        self.at -= end.min(self.at);
        self.last = 0;
        cuts
    }
}

//! Which rows are the same in some columns.

use super::Rows;
use crate::num::rng;
use rand::RngExt;

/// A column by which rows are told apart.
#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    Numbers(&'a [f64]),
    Places(&'a [u32]),
}

impl Key<'_> {
    /// What it says of a row, in bits.
    pub fn at(&self, row: usize) -> u64 {
        match self {
            Key::Numbers(values) => values[row].to_bits(),
            Key::Places(places) => u64::from(places[row]),
        }
    }
}

/// Classes of rows that are the same.
pub(super) struct Classes {
    /// The class of each row; [`Classes::NONE`] for one that does not count.
    pub of: Vec<u32>,
    /// The first row of each class.
    pub first: Vec<u32>,
}

impl Classes {
    /// No class.
    pub const NONE: u32 = u32::MAX;
}

/// The classes of the rows that count; `None` where there are more than `most`, or so it seems from a sample of many rows.
pub(super) fn distinct(keys: &[Key<'_>], rows: &Rows, most: usize) -> Option<Classes> {
    promising(keys, rows, most).then(|| classes(keys, rows, most))?
}

/// The classes of the rows that count; `None` where there are more than `most`.
pub(super) fn classes(keys: &[Key<'_>], rows: &Rows, most: usize) -> Option<Classes> {
    let mut seen = Seen::new();
    let mut of = vec![Classes::NONE; rows.len];
    for (row, class) in of.iter_mut().enumerate().filter(|(i, _)| rows.counts(*i)) {
        *class = seen.class(keys, row);
        if seen.first.len() > most {
            return None;
        }
    }
    Some(Classes {
        of,
        first: seen.first,
    })
}

/// Rows that are gone through at once.
const FEW: usize = 10_000;

/// Whether a sample of the rows makes it likely that there are at most `most` classes, or thereabouts.
///
/// Of m rows from K equally large classes, K (1 − exp(−m / K)) are expected to differ. The sample may do so as if K were
/// three times `most`: with m = 4 √n that tells n classes from n / 3, whatever the number n of rows.
fn promising(keys: &[Key<'_>], rows: &Rows, most: usize) -> bool {
    if most == 0 || rows.counted <= FEW {
        return most > 0;
    }
    let size = 4 * rows.counted.isqrt();
    let mut stream = rng::stream(rows.len as u64);
    let mut sample: Vec<usize> = std::iter::repeat_with(|| stream.random_range(0..rows.len))
        .filter(|row| rows.counts(*row))
        .take(size)
        .collect();
    sample.sort_unstable();
    sample.dedup();
    let mut hashes: Vec<u64> = sample.iter().map(|row| hash(keys, *row)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let (m, classes) = (sample.len() as f64, 3.0 * most as f64);
    hashes.len() as f64 <= classes * -(-m / classes).exp_m1()
}

fn hash(keys: &[Key<'_>], row: usize) -> u64 {
    // both halves of a product with an odd constant, the fractional part of the golden ratio.
    let mix = |hash: u64, bits: u64| {
        let product = u128::from(hash ^ bits) * 0x9e37_79b9_7f4a_7c15;
        (product >> 64) as u64 ^ product as u64
    };
    keys.iter().fold(0x243f_6a88_85a3_08d3, |hash, key| {
        mix(hash.rotate_left(23), key.at(row))
    })
}

/// The classes met so far, in a table with open addressing.
struct Seen {
    first: Vec<u32>,
    hashes: Vec<u64>,
    /// Classes by hash; a power of two of places, at most half of them taken.
    table: Vec<u32>,
}

impl Seen {
    fn new() -> Seen {
        Seen {
            first: Vec::new(),
            hashes: Vec::new(),
            table: vec![Classes::NONE; 64],
        }
    }

    /// The class of a row, which may be a new one.
    fn class(&mut self, keys: &[Key<'_>], row: usize) -> u32 {
        let hash = hash(keys, row);
        let same = |class: u32| {
            let first = self.first[class as usize] as usize;
            self.hashes[class as usize] == hash
                && keys.iter().all(|key| key.at(first) == key.at(row))
        };
        let place = find(&self.table, hash, same);
        if self.table[place] != Classes::NONE {
            return self.table[place];
        }
        let class = self.first.len() as u32;
        self.table[place] = class;
        self.first.push(row as u32);
        self.hashes.push(hash);
        if 2 * self.first.len() > self.table.len() {
            self.table = vec![Classes::NONE; 2 * self.table.len()];
            for (class, hash) in self.hashes.iter().enumerate() {
                let free = find(&self.table, *hash, |_| false);
                self.table[free] = class as u32;
            }
        }
        class
    }
}

/// The first place from a hash on that is free or whose class is the `same`.
fn find(table: &[u32], hash: u64, same: impl Fn(u32) -> bool) -> usize {
    let mask = table.len() - 1;
    let mut place = hash as usize & mask;
    while table[place] != Classes::NONE && !same(table[place]) {
        place = (place + 1) & mask;
    }
    place
}

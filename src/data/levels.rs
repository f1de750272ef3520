//! The levels of one piece of a file: distinct texts, found again quickly.
//!
//! Nothing is done against texts that were made to collide: they would slow the reading of the file that holds them.

use indexmap::IndexSet;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;

/// Distinct texts with their codes, in the order in which they were inserted.
#[derive(Default)]
pub(super) struct Levels {
    texts: IndexSet<String, BuildHasherDefault<Folded>>,
    /// The codes of texts of less than eight bytes, which are compared without looking them up.
    short: HashMap<u64, u32, BuildHasherDefault<Folded>>,
}

impl Levels {
    /// The text of a code.
    pub(super) fn text(&self, code: u32) -> Option<&str> {
        self.texts.get_index(code as usize).map(String::as_str)
    }

    /// The code of a text that was inserted.
    pub(super) fn code(&self, text: &str) -> Option<u32> {
        match packed(text) {
            Some(word) => self.short.get(&word).copied(),
            None => self.texts.get_index_of(text).map(|code| code as u32),
        }
    }

    /// Inserts a text; its code.
    pub(super) fn insert(&mut self, text: &str) -> u32 {
        let code = self.texts.insert_full(text.to_string()).0 as u32;
        if let Some(word) = packed(text) {
            self.short.insert(word, code);
        }
        code
    }

    /// The texts in the order of their codes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &String> {
        self.texts.iter()
    }

    /// The texts in the order of their codes.
    pub(super) fn into_texts(self) -> impl Iterator<Item = String> {
        self.texts.into_iter()
    }
}

/// The bytes of a text of less than eight, and their number.
fn packed(text: &str) -> Option<u64> {
    let word = |word, byte: &u8| word << 8 | u64::from(*byte);
    let length = text.len() as u64;
    (length < 8).then(|| text.as_bytes().iter().fold(length, word))
}

/// Products of words of eight bytes, whose halves are folded onto each other.
#[derive(Default)]
struct Folded(u64);

/// An odd number with about as many ones as zeros: the fraction of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let word = |word, byte: &u8| word << 8 | u64::from(*byte);
        self.write_u64(rest.iter().fold(rest.len() as u64, word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_keep_their_codes() {
        let texts: Vec<String> = (0..2000)
            .map(|i| "ab\0".repeat(i % 5) + &i.to_string())
            .chain(["", "\0", "\0\0", "é"].map(str::to_string))
            .collect();
        let mut levels = Levels::default();
        for (code, text) in texts.iter().enumerate() {
            assert_eq!(levels.code(text), None);
            assert_eq!(levels.insert(text), code as u32);
        }
        for (code, text) in texts.iter().enumerate() {
            assert_eq!(levels.code(text), Some(code as u32));
            assert_eq!(levels.text(code as u32), Some(text.as_str()));
        }
        assert_eq!(levels.text(texts.len() as u32), None);
        assert!(levels.into_texts().eq(texts));
    }
}
